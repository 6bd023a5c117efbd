"""Newton's method by Cholesky factors of the Hessian, with a line search (Nocedal & Wright, Numerical Optimization, 2006,
algorithms 3.2 and 3.3).

Where the Hessian is not positive definite, so much is added to its diagonal as makes it so. A point without slope is the
end only where the Hessian has no direction of negative curvature: a saddle is left along it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from probgraph.optimize.endings import Ending
from probgraph.optimize.line_search import line_search
from probgraph.optimize.objective import Objective
from probgraph.optimize.result import OptimizeResult
from probgraph.optimize.second_order import NEGATIVE, Loop, Settings, Walk, search

SINGULAR = 1e-14
"""Pivots of at most so much of the diagonal are what rounding left of 0."""


def minimize_newton(
    objective: Objective,
    hessian: Callable[[np.ndarray], np.ndarray],
    start: np.ndarray,
    *,
    max_iterations: int = 10_000,
    tolerance: float = 1e-6,
    relative_change: float = 1e-12,
    record_path: bool = False,
) -> OptimizeResult:
    """Minimise by Newton's method; `hessian` of x (dim,) is (dim, dim). See `minimize` for the options."""
    settings = Settings(max_iterations, tolerance, relative_change, record_path)
    return search(_LOOP, objective, hessian, start, settings)


def _in_python(walk: Walk) -> Ending:
    dim = len(walk.x)
    while True:
        flat = walk.norm <= walk.settings.tolerance
        ended = walk.ended(flat)
        if ended and not flat:
            return ended
        hessian = walk.curvature((dim, dim), walk.x)
        size = 0.0 if hessian is None else float(np.abs(hessian).max())
        if flat:
            downward = None
            if hessian is not None and size:
                downward = _shifted(hessian, size, -NEGATIVE * size)[1]
            if downward is None:
                return Ending.SMALL_GRADIENT
            if ended:
                return ended
            if not walk.leave_saddle(*downward):
                return Ending.SMALL_GRADIENT
            continue
        # Steepest descent where there are no second derivatives, or only zeros, and where Newton's step leads nowhere.
        ways = [(-walk.gradient, 1 / max(walk.norm, 1.0), False)]
        if hessian is not None and size:
            direction, definite = _direction(hessian, size, walk.gradient)
            ways.insert(0, (direction, 1.0, definite))
        for direction, first, upward in ways:
            slope = float(direction @ walk.gradient)
            found = None
            if slope < 0:
                found = line_search(walk.evaluate, walk.x, walk.value, slope, direction, first)
            if found is not None:
                walk.accept(upward and found.wolfe, found.x, found.value, found.gradient)
                break
            if upward and walk.hidden(-slope / 2):
                return Ending.CALM
        else:
            return Ending.STUCK


def _factor(hessian: np.ndarray, shift: float) -> tuple[np.ndarray, np.ndarray | None, float]:
    """The lower factor of H + shift; where that is not positive definite, also a unit vector along which H is curved by
    at most -shift, and that curvature.

    That is what the pivot of the row that failed is made of: v' (H + shift) v with v = (-w, 1, 0 ...), L' w the row before it.
    """
    dim = len(hessian)
    lower = np.zeros((dim, dim))
    for i in range(dim):
        for j in range(i):
            lower[i, j] = (hessian[i, j] - lower[i, :j] @ lower[j, :j]) / lower[j, j]
        row = lower[i, :i]
        diagonal = hessian[i, i] + shift
        pivot = diagonal - row @ row
        if pivot > SINGULAR * abs(diagonal):
            lower[i, i] = math.sqrt(pivot)
            continue
        v = np.zeros(dim)
        v[:i] = -row
        _solve_transposed(lower, v, i)
        v[i] = 1.0
        square = float(v @ v)
        return lower, v / math.sqrt(square), pivot / square - shift
    return lower, None, math.nan


def _solve_transposed(lower: np.ndarray, d: np.ndarray, rows: int) -> None:
    """The first `rows` of L' \\ d, in place."""
    for j in reversed(range(rows)):
        d[j] /= lower[j, j]
        d[:j] -= lower[j, :j] * d[j]


def _shifted(
    hessian: np.ndarray, size: float, shift: float
) -> tuple[np.ndarray, tuple[np.ndarray, float] | None]:
    """The factor of H + shift, the shift being made large enough for that to be positive definite; and if it had to be, a
    unit vector along which H is curved downward, with that curvature.

    It is a quarter at least of the steepest: each shift is at most four times what the last vector was in the way of.
    """
    downward = None
    while True:
        lower, v, curvature = _factor(hessian, shift)
        if v is None:
            return lower, downward
        downward = v, curvature
        shift = float(np.fmax(np.fmax(4 * shift, -2 * curvature), -NEGATIVE * size))


def _direction(hessian: np.ndarray, size: float, gradient: np.ndarray) -> tuple[np.ndarray, bool]:
    """-(H + shift)^-1 gradient, and whether the shift is 0. Where H is curved downward in a direction in which that hardly
    goes, as far along it too: so a ridge is left at once."""
    lower, downward = _shifted(hessian, size, 0.0)
    d = np.zeros(len(gradient))
    for i in range(len(d)):
        d[i] = (-gradient[i] - lower[i, :i] @ d[:i]) / lower[i, i]
    _solve_transposed(lower, d, len(d))
    if downward is None:
        return d, True
    v, length = downward[0], math.sqrt(d @ d)
    if abs(v @ d) > length / 2:
        return d, False
    return d + (-length if v @ gradient > 0 else length) * v, False


_LOOP = Loop(
    "newton",
    ("line_search.h", "second_order.h"),
    curvature_size=lambda dim: dim * dim,
    memory_size=lambda dim: 2 * dim * dim + 4 * dim,
    in_python=_in_python,
)
