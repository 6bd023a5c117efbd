"""A chain of No-U-Turn transitions, as whoever tunes and runs it sees it.

Two kernels make the same transitions from the same random numbers: nuts.c, which compiled_nuts.py drives, and
python_nuts.py, for where there is no C compiler.
"""

from __future__ import annotations

import ctypes
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from probgraph.samplers.adaptation import DualAveraging
from probgraph.samplers.density import LogDensity
from probgraph.samplers.metric import Metric, identity
from probgraph.samplers.moves import Moves, MovesState, free_places

FINISH, AT_ONCE = 1, 2
"""Values of the stop flag: end after the transition at hand, or inside it."""

DIVERGENCE_THRESHOLD = 1000.0
"""A step that gains more energy than this is a divergence: the trajectory has left what can be followed."""

STATISTICS = np.dtype(
    [
        ("lp", np.float64),
        ("acceptance_rate", np.float64),
        ("acceptance_rate_symmetric", np.float64),
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
lost)), the symmetric one that of 2 / (1 + exp(|energy lost|)), which is low also where energy is gained
(where steps are halved, of each step's energy before it was);
``energy`` the Hamiltonian at the draw and ``energy_error`` that minus the start's; ``tree_depth`` the
number of completed doublings, ``n_steps`` of gradients; ``index_in_trajectory`` the leapfrog steps between
start and draw.
"""


@dataclass(frozen=True)
class Path:
    """Trajectories of a fixed length, instead of those that end by turning: plain Hamiltonian Monte Carlo.

    Each is ``length`` * (1 + jitter * uniform(-1, 1)) long, in units of the posterior's scales as the metric has them,
    in at most ``max_steps`` steps: with one step, it is the Metropolis-adjusted Langevin algorithm.
    """

    length: float
    jitter: float = 0.0
    max_steps: int = 1024


MAX_HALVINGS = 10
"""How often a step of a trajectory is halved before it counts as divergent, where its energy error is bounded."""


@dataclass(frozen=True, eq=False)
class WarmUp:
    """What a warm-up fills, and what the kernel goes by between two looks at it.

    Rows of ``draws`` (n, dim), ``statistics`` (n,) and, unless None, ``gradients`` (n, dim), those at the draws; ``done``
    of them are there, which other threads may read. The step size is that of ``averaging``, which is told of each acceptance
    rate. Where the latest log densities spread more than ``spread`` there is something to look at: see
    `adaptation.on_its_way`.
    """

    draws: np.ndarray
    statistics: np.ndarray
    gradients: np.ndarray | None
    done: ctypes.c_int64
    averaging: DualAveraging
    spread: float = math.inf


Advance = Callable[[int, bool, bool], bool]
"""``advance(end, symmetric, short)`` makes transitions until ``end`` are done, or there is something to look at; False
where it was stopped.

``symmetric`` says which acceptance rate counts; ``short`` that all are expected to take less time than passing the
interpreter lock between threads would.
"""


class Nuts(ABC):
    """One chain: a position, a metric, and the random numbers that move it.

    ``bit_generator`` is NumPy's; the chain owns it from now on. ``stop`` is a shared ``c_int32``, set to
    `FINISH` or `AT_ONCE` by whoever wants the chain to end. With ``max_error`` each step of a trajectory is halved
    until its energy error is within it: the WALNUTS sampler. With ``step_jitter`` each transition's step size is
    multiplied by its own 1 + step_jitter * uniform(-1, 1). With ``path`` trajectories have a fixed length. Some coordinates
    may be moved by ``moves`` in between, which remember at most ``room`` draws, every ``thin``-th after the warm-up.

        chain = CompiledNuts(density, q, np.random.PCG64(1))
        chain.set_metric(metric.identity(density.dim))
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
        max_error: float = 0.0,
        step_jitter: float = 0.0,
        path: Path | None = None,
        moves: Sequence[Moves] = (),
        room: int = 0,
        thin: int = 1,
    ):
        if not 1 <= max_treedepth <= 30:
            raise ValueError(f"max_treedepth is {max_treedepth}; it must be from 1 to 30")
        self.density = density
        self.dim = density.dim
        self.max_treedepth = max_treedepth
        self.bit_generator = bit_generator
        self.max_error = max_error
        self.step_jitter = step_jitter
        self.path = path
        self.moves = tuple(moves)
        self.room = room
        self.thin = thin
        self.free = free_places(self.moves, density.dim)
        """The coordinates that trajectories move, where others are moved by step methods; None where there are none."""
        self.metric = identity(density.dim)
        self.stop = stop if stop is not None else ctypes.c_int32(0)
        self.done = ctypes.c_int64(0)
        """Draws finished by `run`; may be read by other threads."""
        start = np.ascontiguousarray(q, dtype=np.float64)
        if start.shape != (self.dim,):
            raise ValueError(
                f"{type(self).__name__}: q has shape {start.shape}, it needs shape ({self.dim},)"
            )
        self.move_to(start)

    def move_to(self, q: np.ndarray) -> None:
        """Begin at q (dim,), with the identity as metric."""
        self.logp = self._start(q)
        if not np.isfinite(self.logp):
            raise ValueError(f"the log density at the start is {self.logp}; a chain needs a finite one")

    @abstractmethod
    def _start(self, q: np.ndarray) -> float:
        """Go to q (dim,); the log density there, minus infinity where there is none."""

    def end_tuning(self) -> None:  # noqa: B027  most chains have nothing to do then
        """From now on step methods keep their scales."""

    def moves_state(self) -> MovesState:
        """What step methods go on with after the draws so far."""
        return MovesState()

    def go_on_with_moves(self, state: MovesState, draws: np.ndarray) -> None:  # noqa: B027  as above
        """Take step methods up after these draws (n, dim)."""

    def acceptance(self) -> dict[str, float]:
        """Of each step method the part of its proposals that was accepted after the warm-up."""
        return {}

    @abstractmethod
    def set_metric(self, metric: Metric) -> None:
        """Use this metric from now on."""

    @abstractmethod
    def where(self) -> tuple[np.ndarray, np.ndarray]:
        """The position and the gradient there, (dim,) each."""

    @abstractmethod
    def energy_loss(self, step_size: float) -> float:
        """Energy lost by one leapfrog step with a fresh momentum, -inf where it fails; q stays in place."""

    @abstractmethod
    def begin(self, warm_up: WarmUp) -> Advance:
        """A function that goes on with a warm-up, some transitions at a time."""

    @abstractmethod
    def run(self, step_size: float, draws: np.ndarray, statistics: np.ndarray) -> int:
        """Fill draws (n, dim) and statistics (n,); returns the number done, fewer than n only when stopped."""

    @abstractmethod
    def each(self, step_size: float, q: np.ndarray, gradients: np.ndarray, statistics: np.ndarray) -> int:
        """One draw from each row of q (n, dim) in its place, with the gradient there and statistics (n,).

        A row without a finite density stays as it is. Returns the number done, fewer than n only when stopped.
        """
