"""How long a run may take, before its first draws: from the time of one gradient.

Once there are draws the progress knows better. Where gradients are slow that takes long, and who hears of hours at once
can still choose a smaller run.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from probgraph.progress import duration
from probgraph.samplers.density import LogDensity
from probgraph.samplers.moves import Moves
from probgraph.samplers.nuts import Path

LONG = 60.0
"""Seconds from which on it is said."""

SLOW = 0.001
"""Seconds of a gradient: with quicker ones the first draws are there before anyone has read a line."""

OF_TRAJECTORY = 15
"""Gradients of a usual trajectory, which doubles four times."""

OF_SLICE = 6
"""Evaluations of a usual slice: two to find each end, and two between them."""


def evaluations_of_draw(dim: int, path: Path | None, moves: Sequence[Moves]) -> int:
    """How often a usual draw evaluates the density."""
    moved = sum(len(m.places) for m in moves)
    walked = min(OF_TRAJECTORY, path.max_steps if path else OF_TRAJECTORY) if moved < dim else 0
    return walked + sum(_of_sweep(m) for m in moves)


def _of_sweep(m: Moves) -> int:
    if m.kind == "differences":
        return 1
    if m.kind == "categories" and m.proportional:
        return sum(m.categories)
    return len(m.places) * (OF_SLICE if m.kind == "slice" else 1)


def seconds_of(density: LogDensity, q: np.ndarray) -> float:
    """The time of one gradient; the shorter of two, for the first call touches fresh memory."""
    times = []
    for _ in range(2):
        began = time.perf_counter()
        density(q)
        times.append(time.perf_counter() - began)
    return min(times)


def forecast(gradient: float, evaluations: int, draws: int, cores: int) -> str | None:
    """What to say of so many draws of all chains, with so many at a time; None where that is not long, or soon known better."""
    seconds = gradient * evaluations * draws / cores
    if seconds < LONG or gradient < SLOW:
        return None
    return (
        f"A gradient takes {gradient:.2g} s: {draws:,} draws, with about {evaluations:,} of them each,"
        f" {cores} at a time, take about {duration(seconds)}"
    )
