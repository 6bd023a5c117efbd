"""How many threads SciPy's BLAS takes for one call.

Chains run side by side, a thread each; a BLAS that starts threads of its own in each of them has more threads than
there are cores, all waiting for each other. The functions that compiled programs call come with
`scipy.linalg.cython_blas`; the library behind that module is asked by the names OpenBLAS and MKL have for it.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import sys
import threading
from collections.abc import Callable, Iterator

_MODULE = "scipy.linalg.cython_blas"
#: the functions that ask for and say the number, in SciPy's own OpenBLAS, another, and MKL
_NAMES = (
    ("scipy_openblas_get_num_threads", "scipy_openblas_set_num_threads"),
    ("openblas_get_num_threads", "openblas_set_num_threads"),
    ("MKL_Get_Max_Threads", "MKL_Set_Num_Threads"),
)

_lock = threading.Lock()
_users = 0
_before = 0


def blas_threads() -> int | None:
    """The number of threads of a BLAS call; None where there is no BLAS yet, or it cannot be asked."""
    found = _found()
    return None if found is None else found[0]()


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Meanwhile each call of SciPy's BLAS stays in the thread that makes it. May be nested, and used by several threads."""
    global _users, _before
    found = _found()
    if found is None:
        yield
        return
    ask, say = found
    with _lock:
        if _users == 0:
            _before = ask()
            say(1)
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                say(_before)


def _found() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    module = sys.modules.get(_MODULE)
    return None if module is None else _functions(module.__file__)


@functools.cache
def _functions(path: str) -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """A name is looked for in the library and in those that it was linked to."""
    library = ctypes.CDLL(path)
    for ask, say in _NAMES:
        if hasattr(library, ask) and hasattr(library, say):
            return getattr(library, ask), getattr(library, say)
    return None
