"""Newton's method in a region where the quadratic model is trusted (Nocedal & Wright, Numerical Optimization, 2006,
algorithms 4.1 and 7.2), by products of the Hessian with vectors alone: for many unknowns.

A point without slope is the end only where no direction of negative curvature is found: a saddle is left along it.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from probgraph.optimize.endings import Ending
from probgraph.optimize.objective import TRIALS, Objective, is_finite
from probgraph.optimize.result import OptimizeResult
from probgraph.optimize.second_order import NEGATIVE, Loop, Settings, Walk, search

ACCEPTED, POOR, GOOD = 0.1, 0.25, 0.75
"""Steps are taken from ACCEPTED of the promised fall on; below POOR the region shrinks, above GOOD it grows."""

LOOKS = 200
"""Products that are spent at most on the question whether a point without slope is a saddle."""

LEAST_PART = 1e-4
"""The part that a vector of all directions has at least in any one, compared with the mean."""


def minimize_trust_newton(
    objective: Objective,
    hessian_product: Callable[[np.ndarray, np.ndarray], np.ndarray],
    start: np.ndarray,
    *,
    max_iterations: int = 10_000,
    tolerance: float = 1e-6,
    relative_change: float = 1e-12,
    radius: float = 1.0,
    record_path: bool = False,
) -> OptimizeResult:
    """Minimise by Newton's method in a trust region, at first of that radius; `hessian_product` of x and a vector, (dim,)
    both, is the Hessian at x times the vector. See `minimize` for the other options.
    """
    if not (math.isfinite(radius) and radius > 0):
        raise ValueError(f"radius is {radius}; it must be a finite number above 0")
    settings = Settings(max_iterations, tolerance, relative_change, record_path, radius)
    return search(_LOOP, objective, hessian_product, start, settings)


def _in_python(walk: Walk) -> Ending:
    radius, rejected = walk.settings.radius, 0
    while True:
        flat = walk.norm <= walk.settings.tolerance
        ended = walk.ended(flat)
        if ended and not flat:
            return ended
        if flat:
            downward = _downward(walk)
            if downward is None:
                return Ending.SMALL_GRADIENT
            if ended:
                return ended
            if not walk.leave_saddle(*downward):
                return Ending.SMALL_GRADIENT
            rejected = 0
            continue
        small = min(0.5, np.sqrt(walk.norm)) * walk.norm
        inner = _steihaug(walk, walk.gradient, radius, small, 2 * len(walk.x))
        z = inner.z
        promised = -0.5 * (z @ walk.gradient + z @ inner.residual)
        there = walk.x + z
        value, gradient = walk.evaluate(there)
        kept = -math.inf
        if is_finite(value, gradient):
            if promised > walk.evaluate.rounding * abs(walk.value):
                kept = (walk.value - value) / promised
            else:  # where values differ by rounding only, the slope says whether it was a good step
                kept = float(np.sqrt(gradient @ gradient) < walk.norm)
        if not kept >= POOR:
            radius = np.sqrt(z @ z) / 4
        elif kept > GOOD and inner.end != _End.INTERIOR:
            radius *= 2
        if kept > ACCEPTED:
            walk.accept(inner.end == _End.INTERIOR, there, value, gradient)
            rejected = 0
            continue
        if inner.end == _End.INTERIOR and walk.hidden(promised):
            return Ending.CALM
        rejected += 1
        if rejected == TRIALS:
            return Ending.STUCK


class _End(enum.Enum):
    INTERIOR, BOUNDARY, DOWNWARD = range(3)


class _Inner(NamedTuple):
    """Where conjugate gradients ended: z, g + H z, the last direction and H times it, the largest curvature met."""

    end: _End
    z: np.ndarray
    residual: np.ndarray
    direction: np.ndarray
    product: np.ndarray
    steepest: float


def _steihaug(walk: Walk, g: np.ndarray, radius: float, small: float, most: int) -> _Inner:
    """Steihaug's conjugate gradients for the z in the region where g'z + z'Hz/2 is least.

    They end where the residual is `small`, at the boundary, or with a direction of curvature that is not upward, and along
    it at the boundary.
    """
    z, r, d, product = np.zeros_like(g), g, -g, np.zeros_like(g)
    square, steepest = r @ r, 0.0
    for _ in range(most):
        found = walk.curvature(g.shape, walk.x, d)
        # Where there are no second derivatives, down the slope.
        product = np.zeros_like(g) if found is None else found
        bend = d @ product
        steepest = max(steepest, abs(bend) / (d @ d))
        further = z + square / bend * d if bend > 0 else None
        if further is None or not np.sqrt(further @ further) < radius:
            if math.isfinite(radius):
                step = _to_boundary(z, d, radius)
                z, r = z + step * d, r + step * product
            return _Inner(_End.BOUNDARY if bend > 0 else _End.DOWNWARD, z, r, d, product, steepest)
        z, r = further, r + square / bend * product
        after = r @ r
        if np.sqrt(after) <= small:
            break
        d, square = after / square * d - r, after
    return _Inner(_End.INTERIOR, z, r, d, product, steepest)


def _to_boundary(z: np.ndarray, d: np.ndarray, radius: float) -> float:
    """How far to go from z along d to be `radius` from the origin."""
    a, b, c = d @ d, z @ d, z @ z - radius * radius
    return -c / (b + np.sqrt(b * b - a * c))


def _downward(walk: Walk) -> tuple[np.ndarray, float] | None:
    """A unit vector along which the Hessian is curved downward, and that curvature; None if there is none.

    Conjugate gradients on a vector b that has a part in every direction meet it (Royer, O'Neill & Wright, Math. Programming
    2020). As long as they have not, their residual's part in that direction is b's own at least: where the residual is
    smaller, there is none.
    """
    dim = len(walk.x)
    # Of ever higher frequency, lest it be like a wave that a Hessian on a grid has for an eigenvector.
    b = np.cos(np.arange(1.0, dim + 1) ** 2)
    inner = _steihaug(walk, b, math.inf, LEAST_PART * np.sqrt(b @ b / dim), LOOKS)
    if inner.end != _End.DOWNWARD:
        return None
    d = inner.direction
    curvature = (d @ inner.product) / (d @ d)
    return (d / np.sqrt(d @ d), curvature) if curvature < NEGATIVE * inner.steepest else None


_LOOP = Loop(
    "trust_newton",
    ("second_order.h",),
    curvature_size=lambda dim: 2 * dim,
    memory_size=lambda dim: 8 * dim,
    in_python=_in_python,
)
