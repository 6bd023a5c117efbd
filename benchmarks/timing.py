"""Taking the time of calls: the best of several rounds, on a machine that may be busy with other things."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from probgraph.engine import toolchain
from probgraph.samplers.density import LogDensity

ROUNDS = 7
ROUND_SECONDS = 0.1
REPEAT = """
typedef int (*density)(const double *q, double *grad, double *logp, void *data);
int repeat(density call, const double *q, double *grad, double *logp, void *data, long count) {
    int code = 0;
    for (long i = 0; i < count; i++) code |= call(q, grad, logp, data);
    return code;
}
"""


def best(run: Callable[[int], None], rounds: int = ROUNDS, seconds: float = ROUND_SECONDS) -> float:
    """Microseconds of one of `count` repetitions: the best of several rounds of about so many seconds.

    It is the time of the processor in this process that counts: what others had of it meanwhile is not in it.
    """
    count = 1
    while True:
        began = time.process_time()
        run(count)
        taken = time.process_time() - began
        if taken > seconds / 5:
            break
        count *= 4
    count = max(1, int(count * seconds / taken))
    times = []
    for _ in range(rounds):
        began = time.process_time()
        run(count)
        times.append((time.process_time() - began) / count)
    return 1e6 * min(times)


def loop(text: str, arguments: Sequence[Any]) -> Callable[[int], None]:
    """A function of a count that calls `repeat` of the C text with the arguments and the count.

    Arrays are handed over as pointers. `repeat` returns zero where all its calls went well.
    """
    library = toolchain.load(text, "benchmark")
    values = [ctypes.c_void_p(a.ctypes.data) if isinstance(a, np.ndarray) else a for a in arguments]
    library.repeat.argtypes = [*(type(value) for value in values), ctypes.c_long]
    library.repeat.restype = ctypes.c_int

    def run(count: int, kept: Sequence[Any] = tuple(arguments)) -> None:  # C knows the addresses alone
        if library.repeat(*values, count):
            raise RuntimeError("the density has no value at the point of the benchmark")

    run(1)
    return run


def repeated(density: LogDensity, q: np.ndarray) -> Callable[[int], None]:
    """A function of a count that calls the log density with its gradient at q so often, from C."""
    data = density.new_data()
    grad, logp = np.empty(density.dim), np.empty(1)
    address, memory = ctypes.c_void_p(density.address), ctypes.c_void_p(data.address)
    once = loop(REPEAT, [address, q, grad, logp, memory])
    if not (np.isfinite(logp).all() and np.isfinite(grad).all()):
        raise RuntimeError(f"not finite: log density {logp[0]}, gradient {grad}")

    def run(count: int, kept: object = data) -> None:
        once(count)

    return run


def density_cost(density: LogDensity, q: np.ndarray) -> float:
    """Microseconds of a log density with its gradient at q, called from C."""
    return best(repeated(density, q))


def one_processor() -> None:
    """Keep all threads of this process on one processor, so that what is timed is one thread's work."""
    if not hasattr(os, "sched_setaffinity"):
        return
    processor = {max(os.sched_getaffinity(0))}
    for thread in os.listdir("/proc/self/task"):
        os.sched_setaffinity(int(thread), processor)
