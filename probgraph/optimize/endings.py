"""Why a search ends: the numbers that the loops in C return, and what is said of each."""

from __future__ import annotations

import enum


class Ending(enum.IntEnum):
    """As `enum ending` in evaluation.h."""

    GOING_ON = 0
    SMALL_GRADIENT = 1
    CALM = 2
    OUT_OF_ITERATIONS = 3
    DIVERGED = 4
    STOPPED = 5
    STUCK = 6


def statement(
    ending: int, iteration: int, norm: float, tolerance: float, calm: str, remedy: str
) -> tuple[bool, str]:
    """Whether that is convergence, and in words; `calm` says what was calm, `remedy` what to do about a failure."""
    match ending:
        case Ending.SMALL_GRADIENT:
            return True, f"gradient norm at most {tolerance:g}"
        case Ending.CALM:
            return True, calm
        case Ending.OUT_OF_ITERATIONS:
            return False, f"not converged in {iteration} iterations (gradient norm {norm:.3g}): allow more"
        case Ending.DIVERGED:
            return False, f"diverged in iteration {iteration}: {remedy}"
        case Ending.STUCK:
            return (
                False,
                f"no lower point was found after iteration {iteration} (gradient norm {norm:.3g}): {remedy}",
            )
        case _:
            return False, f"interrupted in iteration {iteration}"
