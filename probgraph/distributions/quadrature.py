"""Integrals of smooth functions, element by element: what tails are where no formula is exact.

Gauss and Legendre's rule with 48 points. A function that falls from 1 to exp(-60) on the way, as quickly as it likes,
is exact to the last digit, and so is one with poles no nearer to the path than an eighth of its length: choose
lengths by `reach`, or by the like.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from probgraph.engine import operators as _operators  # noqa: F401  (gives variables their arithmetic)
from probgraph.engine.barriers import disconnected_grad
from probgraph.engine.graph import Variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.reduce import sum as sum_of
from probgraph.engine.ops.shape import shape_padright

#: what lies beyond a fall of this many powers of e is nothing
FALL = 40.0
_PLACES, _WEIGHTS = np.polynomial.legendre.leggauss(48)
_PLACES, _WEIGHTS = 0.5 + 0.5 * _PLACES, 0.5 * _WEIGHTS


def integral(function: Callable[..., Variable], length: Variable, *parameters: Variable) -> Variable:
    """The integral of function(v, *parameters) over v from 0 to `length`, of the shape that all have together."""
    return length * average(function, length, *parameters)


def average(function: Callable[..., Variable], length: Variable, *parameters: Variable) -> Variable:
    """What `function` is on the way, on average: a number too where that times the length would vanish."""
    places, weights = (array.astype(length.dtype) for array in (_PLACES, _WEIGHTS))
    ready = [shape_padright(p) for p in (length, *parameters)]
    return sum_of(weights * function(ready[0] * places, *ready[1:]), axis=-1)


def reach(slope: Variable, curvature: Variable | float = 1.0) -> Variable:
    """A v, not far beyond the least, where slope v + curvature v² / 2 is at least FALL, for slope, curvature >= 0.

    A constant to derivatives: what is cut off has none.
    """
    root = ew.sqrt(2.0 * FALL * curvature)
    return disconnected_grad(2.0 * FALL / (slope + ew.maximum(slope, root)))
