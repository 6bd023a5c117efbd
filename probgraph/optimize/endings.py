"""Why a search ends: the numbers that the loops in C return, and what is said of each."""

from __future__ import annotations

import enum

import numpy as np

from probgraph.optimize.result import OptimizeResult


class Ending(enum.IntEnum):
    """As `enum ending` in evaluation.h."""

    GOING_ON = 0
    SMALL_GRADIENT = 1
    CALM = 2
    OUT_OF_ITERATIONS = 3
    DIVERGED = 4
    STOPPED = 5
    STUCK = 6


def concluded(
    ending: int,
    x: np.ndarray,
    value: float,
    norm: float,
    counts: tuple[int, ...],
    tolerance: float,
    relative_change: float,
    path: list[np.ndarray] | None,
) -> OptimizeResult:
    """The result of a search that ended so; `counts` are its iterations, evaluations, and those of curvature if any."""
    iterations, evaluations, *curvatures = counts
    converged, message = _statement(ending, iterations, norm, tolerance, relative_change)
    points = None if path is None else np.array(path)
    return OptimizeResult(x, value, norm, iterations, evaluations, converged, message, points, *curvatures)


def _statement(
    ending: int, iteration: int, norm: float, tolerance: float, relative_change: float
) -> tuple[bool, str]:
    """Whether that is convergence, and in words, with what to do about a failure."""
    match ending:
        case Ending.SMALL_GRADIENT:
            return True, f"gradient norm at most {tolerance:g}"
        case Ending.CALM:
            return True, f"relative change at most {relative_change:g}"
        case Ending.OUT_OF_ITERATIONS:
            return False, f"not converged in {iteration} iterations (gradient norm {norm:.3g}): allow more"
        case Ending.STUCK:
            return (
                False,
                f"no lower point was found after iteration {iteration} (gradient norm {norm:.3g}): check the gradient, or"
                " try another start",
            )
        case _:
            return False, f"interrupted in iteration {iteration}"
