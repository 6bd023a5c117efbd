"""What the sampler learns while tuning: a step size, and when to learn a metric.

The kernel follows the step size from draw to draw, and so shares a `DualAveraging`; of the metric it takes what it is
given, and knows nothing of how it came about.

    averaging = DualAveraging(step_size=1.0, target_accept=0.8)
    step_size = averaging.update(acceptance_rate)     # after each transition
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

SMALLEST_STEP, LARGEST_STEP = 1e-10, 1e7


class DualAveraging(ctypes.Structure):
    """Tunes a step size until the average acceptance rate is the target.

    Hoffman & Gelman, "The No-U-Turn Sampler" (JMLR 2014), section 3.2, with their constants, which are
    Stan's: the iterates move quickly towards the target; their weighted average, which settles, is kept.
    It is the struct ``dual_averaging`` of nuts.c, where the same `update` is written once more.
    """

    GAMMA, T0, KAPPA = 0.05, 10.0, 0.75

    _fields_ = (
        ("target_accept", ctypes.c_double),
        ("mu", ctypes.c_double),
        ("mean_error", ctypes.c_double),
        ("mean_log_step", ctypes.c_double),
        ("step_size", ctypes.c_double),
        ("count", ctypes.c_int64),
    )

    def __init__(self, step_size: float, target_accept: float = 0.8):
        super().__init__(target_accept=target_accept)
        self.restart(step_size)

    def restart(self, step_size: float) -> None:
        """Begin anew from a step size, as after a change of the metric."""
        self.mu = math.log(10.0 * step_size)  # prefer to try large steps: they are the cheap ones
        self.count = 0
        self.mean_error = 0.0
        self.mean_log_step = 0.0
        self.step_size = step_size

    def update(self, acceptance_rate: float) -> float:
        """Take note of one transition; returns the step size for the next."""
        self.count = t = self.count + 1
        weight = 1.0 / (t + self.T0)
        self.mean_error += weight * (self.target_accept - acceptance_rate - self.mean_error)
        log_step = self.mu - math.sqrt(t) / self.GAMMA * self.mean_error
        log_step = min(max(log_step, math.log(SMALLEST_STEP)), math.log(LARGEST_STEP))
        self.mean_log_step += t**-self.KAPPA * (log_step - self.mean_log_step)
        self.step_size = math.exp(log_step)
        return self.step_size

    def final(self) -> float:
        """The step size to keep: the average of the iterates, or the start where there were none."""
        return math.exp(self.mean_log_step) if self.count else self.step_size


def reasonable_step_size(energy_loss: Callable[[float], float], step_size: float = 1.0) -> float:
    """A step size of the right order: doubled or halved until one step's acceptance rate crosses 0.8.

    ``energy_loss(step_size)`` makes one leapfrog step with a fresh momentum and returns the energy lost
    (minus infinity where the step fails). Hoffman & Gelman (2014), algorithm 4, with Stan's 0.8.
    """
    threshold = math.log(0.8)
    growing = energy_loss(step_size) > threshold
    factor = 2.0 if growing else 0.5
    while SMALLEST_STEP < step_size * factor < LARGEST_STEP:  # a flat density accepts any step
        step_size *= factor
        if (energy_loss(step_size) > threshold) != growing:
            break
    return step_size


@dataclass(frozen=True)
class Windows:
    """The course of tuning: until ``start`` the chain finds its way, then windows, then step size alone.

    Each window ends just before one of ``ends``; there the metric is estimated from the window's draws.

        start         ends[0]   ends[1]               ends[2]       tune
        |------75------|--25--|----50----|---------100---------|-----50----|
    """

    start: int
    ends: tuple[int, ...]


def windows(tune: int) -> Windows:
    """Stan's growing windows for so many tuning transitions, scaled down for short runs.

    Below 20 transitions only the step size is tuned.
    """
    first, base, last = 75, 25, 50
    if tune < 20:
        return Windows(tune, ())
    if first + base + last > tune:
        first, last = int(0.15 * tune), int(0.1 * tune)
        return Windows(first, (tune - last,))
    stop = tune - last
    ends, end, size = [], first, base
    while end < stop:
        # A window that would leave less than its double behind takes in the rest.
        end = end + size if end + 3 * size <= stop else stop
        ends.append(end)
        size *= 2
    return Windows(first, tuple(ends))


class OverlappingWindows:
    """Which draws a metric is estimated from, and when, in a warm-up of so many transitions.

    Only draws that can be used count, here called good; most are.

    A window begins at some draw and reaches to the latest one. When its successor has gathered enough, that takes
    over and another successor begins; what was seen before is forgotten. Successors take longer and longer.

        draws   ----+----+----+----------+----------+--------------- settled --- tune
        window  |---------|
                     |---------|
                          |---------------|
                               |---------------------|
                                          |-------------------------|

    ``settled`` is the number of transitions after which the metric stays as it is.
    """

    SHORTEST, LONGEST, GROWTH = 10.0, 80.0, 1.5
    """Draws that a successor gathers before it takes over: the first, the most, and each one's to the one before."""

    EARLY, SETTLING = 0.3, 0.15
    """The parts of the warm-up in which the chain still finds its way, and in which the step size settles."""

    FEWEST, OFTEN = 4, 8
    """Draws for a first metric, and until when each draw gives a new one; later the window must have grown."""

    def __init__(self, tune: int, grown: float = 1.2):
        self.grown = grown
        self.settled = tune - max(int(self.SETTLING * tune), min(tune, 20))
        self.early = int(self.EARLY * tune)
        self.begin = self.next = 0
        self.seen = self.seen_next = 0  # good draws in the window, and in its successor
        self.length = self.SHORTEST
        self.due = self.FEWEST

    def forget(self, done: int) -> None:
        """What was seen until now shall count no more."""
        self.begin = self.next = done
        self.seen = self.seen_next = 0
        self.due = self.FEWEST
        self.length = self.SHORTEST

    def until(self, done: int) -> int:
        """The number of transitions at which there may be something to do, where ``done`` are made: none before has enough
        good draws, even if all are."""
        good = max(self.due - self.seen, 1)
        if self.seen_next < self.length:
            good = min(good, math.ceil(self.length - self.seen_next))
        return min(done + good, self.settled)

    def after(self, done: int, good: int) -> int | None:
        """Where the window begins whose draws, now, shall give a new metric; None for not now.

        ``good`` draws have come since it was asked last, or told to forget, and that was not after `until`.
        """
        if done >= self.settled:
            return None
        self.seen += good
        self.seen_next += good
        if self.seen_next >= self.length and done + self.length <= self.settled:
            self.begin, self.next = self.next, done
            self.seen, self.seen_next = self.seen_next, 0
            self.length = min(self.GROWTH * self.length, self.LONGEST)
            self.due = self.seen
        if not good or self.seen < self.due:
            return None
        # In the beginning after each draw, later when the window has grown enough.
        self.due = self.seen + 1 if self.seen < self.OFTEN else int(self.grown * self.seen)
        return self.begin


LATELY, ON_ITS_WAY = 8, 5.0
"""A chain is still on its way where its log density varies so much in so many draws; see `on_its_way`."""


def largest_spread(dim: int) -> float:
    """How much the log density of a chain that has found the bulk of its posterior varies lately, at most.

    There it varies by about the square root of dim / 2.
    """
    return ON_ITS_WAY * (10 + dim)


def on_its_way(lp: np.ndarray, spread: float) -> bool:
    """Whether a chain with these log densities, the latest `LATELY`, has not yet found the bulk of its posterior.

    On the way it climbs by more than the `largest_spread` at each draw; what is seen there says nothing of the
    posterior's shape, and a metric made of it can keep a chain there.
    """
    return bool(max(lp) - min(lp) > spread)
