"""What the searches in C have in common: their text compiled, the function they call, and runs made of short ones.

A run in C hears no Ctrl-C. It is cut into parts of about `SECONDS`, whatever an evaluation costs, and Python looks
between them.
"""

from __future__ import annotations

import ctypes
import functools
import time
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any

import numpy as np

from probgraph.engine import toolchain
from probgraph.optimize.endings import Ending

SECONDS = 0.05


class ObjectiveInC(ctypes.Structure):
    """As `objective` in evaluation.h."""

    _fields_ = [
        ("f", ctypes.c_void_p),
        ("data", ctypes.c_void_p),
        ("sign", ctypes.c_double),
        ("rounding", ctypes.c_double),
        ("dim", ctypes.c_int64),
        ("evaluations", ctypes.c_int64),
    ]


@functools.cache
def loop_in_c(name: str, arguments: int, *headers: str) -> Any:
    """The function `name` of the file name.c: `arguments` pointers, and how many iterations it may do at most.

    Raises NoCompilerError where there is no compiler.
    """
    folder = resources.files("probgraph.optimize")
    files = ("evaluation.h", *headers, f"{name}.c")
    text = "\n".join(folder.joinpath(file).read_text(encoding="utf-8") for file in files)
    function = getattr(ctypes.CDLL(str(toolchain.compile_library(text, name))), name)
    function.restype = ctypes.c_int64
    function.argtypes = [*(ctypes.c_void_p,) * arguments, ctypes.c_int64]
    return function


def run_in_parts(
    run: Callable[[int, int], int],
    data: Sequence[Any],
    state: Any,
    path: list[np.ndarray] | None,
    dim: int,
    most: int,
) -> int:
    """`run(where the path's next points go, how many iterations)` until it ends; the points are appended to the path.

    The state counts iterations as `iteration`, and there are `most`. An exception of a function that it calls, which is
    kept in that one's data, comes out.
    """
    # With many unknowns an iteration may be long: it begins with few.
    part, ending = min(16, 1 + 4096 // dim), int(Ending.GOING_ON)
    try:
        while ending == Ending.GOING_ON:
            before, began = state.iteration, time.perf_counter()
            part = max(min(part, most - before), 1)
            points = np.empty((part if path is not None else 1, dim))
            ending = run(points.ctypes.data, part)
            if path is not None:
                path.extend(points[: state.iteration - before])
            if time.perf_counter() - began < SECONDS:
                part *= 2
            else:
                part = max(part // 2, 1)
    except KeyboardInterrupt:
        return Ending.STOPPED
    for error in (getattr(one, "error", None) for one in data):
        if isinstance(error, KeyboardInterrupt):
            return Ending.STOPPED
        if error is not None:
            raise error
    return ending
