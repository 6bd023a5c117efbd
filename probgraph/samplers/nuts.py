"""A chain of No-U-Turn transitions, as whoever tunes and runs it sees it.

Two kernels make the same transitions from the same random numbers: nuts.c, which compiled_nuts.py drives, and
python_nuts.py, for where there is no C compiler.
"""

from __future__ import annotations

import ctypes
from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from probgraph.samplers.density import LogDensity

FINISH, AT_ONCE = 1, 2
"""Values of the stop flag: end after the transition at hand, or inside it."""

DIVERGENCE_THRESHOLD = 1000.0
"""A step that gains more energy than this is a divergence: the trajectory has left what can be followed."""

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

Transition = Callable[[int, float, bool], bool]
"""``transition(i, step_size, short)`` makes one transition and fills row i; False where it was stopped.

``short`` says that it is expected to take less time than passing the interpreter lock between threads would.
"""


class Nuts(ABC):
    """One chain: a position, a metric, and the random numbers that move it.

    ``bit_generator`` is NumPy's; the chain owns it from now on. ``stop`` is a shared ``c_int32``, set to
    `FINISH` or `AT_ONCE` by whoever wants the chain to end.

        chain = CompiledNuts(density, q, np.random.PCG64(1))
        chain.set_metric(np.ones(density.dim))
        chain.run(0.5, draws, statistics)             # fills (n, dim) and (n,) of dtype STATISTICS

    Raises ValueError where the log density at q is not finite. An exception in a Python density comes out of
    whichever method called it.
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
        self.bit_generator = bit_generator
        self.stop = stop if stop is not None else ctypes.c_int32(0)
        self.done = ctypes.c_int64(0)
        """Draws finished by `run`; may be read by other threads."""
        start = np.ascontiguousarray(q, dtype=np.float64)
        if start.shape != (self.dim,):
            raise ValueError(
                f"{type(self).__name__}: q has shape {start.shape}, it needs shape ({self.dim},)"
            )
        self.logp = self._start(start)
        if not np.isfinite(self.logp):
            raise ValueError(f"the log density at the start is {self.logp}; a chain needs a finite one")

    @abstractmethod
    def _start(self, q: np.ndarray) -> float:
        """Go to q (dim,); the log density there, minus infinity where there is none."""

    @abstractmethod
    def set_metric(self, inverse_metric: np.ndarray) -> None:
        """Use the diagonal inverse metric (dim,) from now on."""

    @abstractmethod
    def energy_loss(self, step_size: float) -> float:
        """Energy lost by one leapfrog step with a fresh momentum, -inf where it fails; q stays in place."""

    @abstractmethod
    def transitions(self, draws: np.ndarray, statistics: np.ndarray) -> Transition:
        """A function that makes one transition at a time, into rows of draws (n, dim) and statistics (n,)."""

    @abstractmethod
    def run(self, step_size: float, draws: np.ndarray, statistics: np.ndarray) -> int:
        """Fill draws (n, dim) and statistics (n,); returns the number done, fewer than n only when stopped."""
