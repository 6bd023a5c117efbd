"""The Python face of nuts.c: a chain of No-U-Turn transitions in memory that is allocated once."""

from __future__ import annotations

import ctypes
import functools
from importlib import resources

import numpy as np

from probgraph.engine import toolchain
from probgraph.samplers.density import STOP_SAMPLING, LogDensity, raise_error_of

STATISTICS = np.dtype(
    [
        ("lp", np.float64),
        ("acceptance_rate", np.float64),
        ("step_size", np.float64),
        ("energy", np.float64),
        ("energy_error", np.float64),
        ("tree_depth", np.int64),
        ("n_steps", np.int64),
        ("index_in_trajectory", np.int64),
        ("diverging", np.bool_),
        ("reached_max_treedepth", np.bool_),
    ],
    align=True,
)
"""The statistics of one draw, under the names that ArviZ reads; the struct ``statistics`` of nuts.c.

``lp`` is the log density at the draw; ``acceptance_rate`` the mean over the trajectory of min(1, exp(energy
lost)); ``energy`` the Hamiltonian at the draw and ``energy_error`` that minus the start's; ``tree_depth`` the
number of completed doublings, ``n_steps`` of gradients; ``index_in_trajectory`` the leapfrog steps between
start and draw.
"""


@functools.cache
def _library(holding_the_gil: bool) -> ctypes.CDLL:
    source = resources.files("probgraph.samplers").joinpath("nuts.c").read_text(encoding="utf-8")
    path = toolchain.compile_library(source, "nuts")
    library = (ctypes.PyDLL if holding_the_gil else ctypes.CDLL)(str(path))
    pointer, number, real = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double
    for name, result, *arguments in (
        ("nuts_memory", number, number, number),
        ("nuts_start", ctypes.c_int, pointer, number, number, pointer, pointer, pointer, pointer, pointer),
        ("nuts_set_metric", None, pointer, pointer),
        ("nuts_try_step", real, pointer, real),
        ("nuts_run", number, pointer, real, number, pointer, pointer, pointer, pointer),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def prepare() -> None:
    """Compile the kernel, or find it in the cache; worth doing in a thread while a model is compiled."""
    _library(False)


class Nuts:
    """One chain: a position, a metric, and the random numbers that move it.

    ``bit_generator`` is NumPy's; the chain owns it from now on. ``stop`` is a shared ``c_int32``: 1 ends the
    chain after the transition at hand, 2 at once.

        chain = Nuts(density, q, np.random.PCG64(1))
        chain.set_metric(np.ones(density.dim))
        chain.run(0.5, draws, statistics)             # fills (n, dim) and (n,) of dtype STATISTICS
    """

    def __init__(
        self,
        density: LogDensity,
        q: np.ndarray,
        bit_generator: np.random.BitGenerator,
        max_treedepth: int = 10,
        stop: ctypes.c_int32 | None = None,
    ):
        if not 1 <= max_treedepth <= 30:
            raise ValueError(f"max_treedepth is {max_treedepth}; it must be from 1 to 30")
        self.density = density
        self.dim = density.dim
        self.max_treedepth = max_treedepth
        self.data = density.new_data()
        self.bit_generator = bit_generator
        self.stop = stop if stop is not None else ctypes.c_int32(0)
        self.done = ctypes.c_int64(0)
        """Draws finished in the run at hand; may be read by other threads."""
        size = _library(False).nuts_memory(self.dim, max_treedepth)
        self._buffer = np.empty(size + 64, dtype=np.uint8)
        self._memory = (self._buffer.ctypes.data + 63) // 64 * 64
        self._stop, self._done = ctypes.addressof(self.stop), ctypes.addressof(self.done)
        self.logp = self._start(q)

    def _start(self, q: np.ndarray) -> float:
        start = np.ascontiguousarray(q, dtype=np.float64)
        if start.shape != (self.dim,):
            raise ValueError(f"Nuts: q has shape {start.shape}, it needs shape ({self.dim},)")
        random = self.bit_generator.ctypes.bit_generator
        logp = ctypes.c_double()
        code = _library(False).nuts_start(
            self._memory,
            self.dim,
            self.max_treedepth,
            self.density.address,
            self.data.address,
            random,
            start.ctypes.data,
            ctypes.addressof(logp),
        )
        if code == STOP_SAMPLING:
            raise_error_of(self.data)
        if code != 0 or not np.isfinite(logp.value):
            what = logp.value if code == 0 else "not defined"
            raise ValueError(f"the log density at the start is {what}; a chain needs a finite one")
        return logp.value

    def set_metric(self, inverse_metric: np.ndarray) -> None:
        """Use the diagonal inverse metric (dim,) from now on."""
        values = np.ascontiguousarray(inverse_metric, dtype=np.float64)
        _library(False).nuts_set_metric(self._memory, values.ctypes.data)

    def energy_loss(self, step_size: float) -> float:
        """Energy lost by one leapfrog step with a fresh momentum, -inf where it fails; q stays in place."""
        loss = _library(False).nuts_try_step(self._memory, step_size)
        if np.isnan(loss):
            raise_error_of(self.data)
        return loss

    def run(self, step_size: float, draws: np.ndarray, statistics: np.ndarray) -> int:
        """Fill draws (n, dim) and statistics (n,); returns the number done, fewer than n only when stopped.

        An exception in a Python density is raised here.
        """
        count = len(draws)
        return self.run_at(step_size, count, draws.ctypes.data, statistics.ctypes.data)

    def run_at(
        self, step_size: float, count: int, draws: int, statistics: int, holding_the_gil: bool = False
    ) -> int:
        """As `run`, with addresses of contiguous arrays; and, for transitions so short that passing the GIL
        between threads would cost more than they do, without letting go of it."""
        self.done.value = 0
        finished = _library(holding_the_gil).nuts_run(
            self._memory, step_size, count, draws, statistics, self._stop, self._done
        )
        if finished < count and not self.stop.value:
            raise_error_of(self.data)
        return finished
