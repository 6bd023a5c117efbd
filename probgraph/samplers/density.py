"""A log density over R^n as samplers see it: a C function, and a piece of memory for each chain.

The idea worth knowing: nothing here knows where the function comes from. The model's compiler, a Python
callable and a hand-written library all end as the same address, so a chain runs without the interpreter lock.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

STOP_SAMPLING = -(2**31)
"""What a density function returns to end the sampling (``INT_MIN``), as after a Python exception.

Any other nonzero value means "not here": the trajectory counts as divergent and the chain goes on.
"""

_C_SIGNATURE = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p
)
_PYTHON_SIGNATURE = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.py_object
)


class DensityData(Protocol):
    """What one chain hands to the density function: scratch and constants, alive as long as this object.

    ``address`` is the ``void *data``. An object may also have an ``error``, an exception or None, which is
    raised in the caller's thread once the function has returned `STOP_SAMPLING`.
    """

    address: int | None


class NoData:
    """For a density function that ignores its ``data``."""

    address: int | None = None


class LogDensity:
    """A log density and its gradient over R^dim, behind a C function.

    Parameters
    ----------
    dim
        Length of the position.
    address
        Of ``int density(const double *q, double *grad, double *logp, void *data)``: reads q (dim), fills
        grad (dim) and logp, returns 0; any other value means that there is no density at q. It must be
        re-entrant: chains call it from several threads, each with its own ``data``.
    new_data
        Called once for each chain; returns an object with an ``.address`` (see `DensityData`).
    keep_alive
        Whatever owns the code at ``address``, kept as long as this object.
    dtype
        What it computes in, float64 or float32, whatever the numbers at its ends: searches ask it how far to trust values.

    From a library of your own::

        library = ctypes.CDLL("./mine.so")
        address = ctypes.cast(library.density, ctypes.c_void_p).value
        LogDensity(3, address, keep_alive=library)
    """

    def __init__(
        self,
        dim: int,
        address: int,
        new_data: Callable[[], DensityData] = NoData,
        keep_alive: Any = None,
        dtype: str = "float64",
    ):
        if dim < 1:
            raise ValueError(f"LogDensity: dim is {dim}; a density needs at least one dimension")
        if not address:
            raise ValueError("LogDensity: address is null; it must be that of a C function")
        self.dim = int(dim)
        self.address = int(address)
        self.new_data = new_data
        self.keep_alive = keep_alive
        self.dtype = dtype
        self._evaluator: Evaluator | None = None

    @classmethod
    def from_python(
        cls, function: Callable[[np.ndarray], tuple[float, np.ndarray]], dim: int, dtype: str = "float64"
    ) -> LogDensity:
        """A density from ``function(q) -> (logp, grad)``, q and grad of shape (dim,).

        Correct for any function, and slow (microseconds a call, one chain at a time). An exception raised by
        the function ends the sampling with the draws so far, and comes out where there are none.

            >>> normal = LogDensity.from_python(lambda q: (-0.5 * q @ q, -q), dim=2)
            >>> normal(np.zeros(2))
            (-0.0, array([-0., -0.]))
        """
        callback = _PYTHON_SIGNATURE(_caller(function, dim))
        address = ctypes.cast(callback, ctypes.c_void_p).value
        assert address is not None
        return cls(dim, address, _PythonData, keep_alive=callback, dtype=dtype)

    def __call__(self, q: np.ndarray) -> tuple[float, np.ndarray]:
        """(logp, gradient) at q (dim,); (-inf, all nan) where the function says "not here".

        For one thread at a time: it reuses one private `evaluator`.
        """
        if self._evaluator is None:
            self._evaluator = self.evaluator()
        return self._evaluator(q)

    def evaluator(self) -> Evaluator:
        """The same as a function with a ``data`` of its own, for a thread of its own."""
        return Evaluator(self)


class Evaluator:
    """A `LogDensity` as a Python function, q (dim,) -> (logp, gradient); for one thread at a time."""

    def __init__(self, density: LogDensity):
        self.density = density  # keeps the code alive
        self.data = density.new_data()
        self._function = _C_SIGNATURE(density.address)
        self._q, self._grad, self._logp = np.empty(density.dim), np.empty(density.dim), ctypes.c_double()
        self._addresses = (
            self._q.ctypes.data,
            self._grad.ctypes.data,
            ctypes.addressof(self._logp),
            self.data.address,
        )

    def __call__(self, q: np.ndarray) -> tuple[float, np.ndarray]:
        if np.shape(q) != self._q.shape:
            raise ValueError(f"LogDensity: q has shape {np.shape(q)}, it needs shape {self._q.shape}")
        self._q[:] = q
        code = self._function(*self._addresses)
        if code == 0:
            return self._logp.value, self._grad.copy()
        if code == STOP_SAMPLING:
            raise_error_of(self.data)
        return -np.inf, np.full(self._q.shape, np.nan)


class _PythonData:
    """Carries the exception of a Python density past the C frames, one for each chain."""

    def __init__(self) -> None:
        self.error: BaseException | None = None

    @property
    def address(self) -> int:
        return id(self)  # the callback gets its `data` back as the Python object that it is


def raise_error_of(data: DensityData) -> None:
    """Raise the exception behind a `STOP_SAMPLING`."""
    error = getattr(data, "error", None)
    if error is None:
        raise RuntimeError("the log density function asked to stop the sampling and gave no reason")
    data.error = None  # type: ignore[attr-defined]
    raise error


def _caller(function: Callable[[np.ndarray], tuple[float, np.ndarray]], dim: int) -> Callable[..., int]:
    vector = ctypes.c_double * dim

    def call(q: int, grad: int, logp: int, data: _PythonData) -> int:
        try:
            # A copy, for the function may keep what it is given, and q is overwritten by the next step.
            value, gradient = function(np.array(vector.from_address(q)))
            if np.shape(value) not in ((), (1,)) or np.shape(gradient) != (dim,):
                raise ValueError(
                    f"the log density returned (logp, grad) of shapes {np.shape(value)} and "
                    f"{np.shape(gradient)}; needed are a number and shape ({dim},)"
                )
            np.frombuffer(vector.from_address(grad))[:] = gradient
            ctypes.c_double.from_address(logp).value = float(np.reshape(value, ()))
            return 0
        except BaseException as error:
            data.error = error
            return STOP_SAMPLING

    return call
