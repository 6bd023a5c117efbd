"""How many threads SciPy's and NumPy's BLAS take for one call.

Chains run side by side, a thread each; a BLAS that starts threads of its own in each of them has more threads than
there are cores, all waiting for each other. The functions that compiled programs call come with
`scipy.linalg.cython_blas`, metrics are learned by `numpy.linalg`: two libraries as a rule. Those behind the modules are
asked by the names OpenBLAS and MKL have for it.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import threading
from collections.abc import Callable, Iterator

from probgraph.engine.extensions import loaded

_SCIPY = "scipy.linalg.cython_blas"
_NUMPY = "numpy.linalg._umath_linalg"
Functions = tuple[Callable[[], int], Callable[[int], None]]
#: the functions that ask for and say the number, in SciPy's own OpenBLAS, NumPy's, another, and MKL
_NAMES = (
    ("scipy_openblas_get_num_threads", "scipy_openblas_set_num_threads"),
    ("scipy_openblas_get_num_threads64_", "scipy_openblas_set_num_threads64_"),
    ("openblas_get_num_threads", "openblas_set_num_threads"),
    ("MKL_Get_Max_Threads", "MKL_Set_Num_Threads"),
)

_lock = threading.Lock()
_users = 0
_before: list[tuple[Callable[[int], None], int]] = []


def blas_threads(module: str = _SCIPY) -> int | None:
    """The number of threads of a BLAS call; None where there is no BLAS yet, or it cannot be asked."""
    found = _found(module)
    return None if found is None else found[0]()


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Meanwhile each call of a BLAS stays in the thread that makes it. May be nested, and used by several threads."""
    global _users, _before
    with _lock:
        if _users == 0:
            _before = []
            for ask, say in filter(None, map(_found, (_SCIPY, _NUMPY))):
                _before.append((say, ask()))
                say(1)
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                for say, number in reversed(_before):
                    say(number)


def _found(module: str) -> Functions | None:
    found = loaded(module)
    return None if found is None else _functions(found.__file__)


@functools.cache
def _functions(path: str) -> Functions | None:
    """A name is looked for in the library and in those that it was linked to."""
    library = ctypes.CDLL(path)
    for ask, say in _NAMES:
        if hasattr(library, ask) and hasattr(library, say):
            return getattr(library, ask), getattr(library, say)
    return None
