"""How far to go along a direction; line_search.h says whose conditions these are, and does the same in C."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from probgraph.optimize.objective import TRIALS, Evaluations, is_finite

DECREASE, CURVATURE, FARTHER, EDGE = 1e-4, 0.9, 4.0, 0.1


class Place(NamedTuple):
    """A place along the direction."""

    at: float
    value: float
    slope: float


class Found(NamedTuple):
    """Where a line search ended; `wolfe` says that the slope is flatter there, as it should."""

    x: np.ndarray
    value: float
    gradient: np.ndarray
    wolfe: bool


def cubic_minimum(a: Place, b: Place) -> float:
    """Where the cubic through two places is lowest; nan where it is nowhere."""
    d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.at - b.at)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:
        return math.nan
    d2 = math.copysign(math.sqrt(square), b.at - a.at)
    below = b.slope - a.slope + 2 * d2
    return b.at - (b.at - a.at) * (b.slope + d2 - d1) / below if below else math.nan


def line_search(
    evaluate: Evaluations, x: np.ndarray, value: float, slope: float, direction: np.ndarray, first: float
) -> Found | None:
    """From x along the direction, beginning with a step of `first`; None where nothing lower was found."""
    noise = evaluate.rounding * abs(value)
    low, high = Place(0.0, value, slope), Place(math.inf, math.inf, math.nan)
    at, width, width_before = first, math.inf, math.inf
    for _ in range(TRIALS):
        there = x + at * direction
        value_there, gradient = evaluate(there)
        if not is_finite(value_there, gradient):
            high = Place(at, math.inf, math.nan)
        else:
            here = Place(at, value_there, float(gradient @ direction))
            lower = here.value <= value + DECREASE * at * slope
            like_before = abs(here.value - value) <= noise
            flatter = abs(here.slope) <= -CURVATURE * slope
            between_slopes = CURVATURE * slope <= here.slope <= (2 * DECREASE - 1) * slope
            if (lower and flatter) or (like_before and between_slopes):
                return Found(there, value_there, gradient, True)
            too_far = not lower or here.value >= low.value
            if too_far and like_before and abs(here.value - low.value) <= noise:
                too_far = here.slope >= 0
            if too_far:
                high = here
            else:
                if here.slope * (high.at - low.at) >= 0:
                    high = low
                before, low = low, here
                if math.isinf(high.at):
                    gone = here.at - before.at
                    at = cubic_minimum(before, here)
                    if not at <= here.at + FARTHER * gone:
                        at = here.at + FARTHER * gone
                    at = max(at, here.at + (1 + EDGE) * gone)
                    continue
        between = high.at - low.at
        share = (cubic_minimum(low, high) - low.at) / between if math.isfinite(high.value) else math.nan
        # The interval must shrink by a third in two trials, else it is halved.
        if not 0 < share < 1 or abs(between) > 0.66 * width_before:
            share = 0.5
        at = low.at + min(max(share, EDGE), 1 - EDGE) * between
        width_before, width = width, abs(between)
    if not low.value < value:
        return None
    there = x + low.at * direction
    value_there, gradient = evaluate(there)
    return Found(there, value_there, gradient, False) if is_finite(value_there, gradient) else None
