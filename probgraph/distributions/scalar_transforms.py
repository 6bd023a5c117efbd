"""Transforms of numbers: each element by itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from probgraph.distributions.transform import Transform
from probgraph.engine import operators as _operators  # noqa: F401  (gives variables their arithmetic)
from probgraph.engine.config import config
from probgraph.engine.graph import Constant, Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.types import FLOATS


class Log(Transform):
    """The positive numbers: x = exp(y)."""

    name = "log"

    def forward(self, x: Variable) -> Variable:
        return ew.log(x)

    def inverse(self, y: Variable) -> Variable:
        return ew.exp(y)

    def log_det(self, y: Variable) -> Variable:
        return y


class LogOdds(Transform):
    """The numbers between 0 and 1: x = 1 / (1 + exp(-y))."""

    name = "logodds"

    def forward(self, x: Variable) -> Variable:
        return ew.log(x) - ew.log1p(-x)

    def inverse(self, y: Variable) -> Variable:
        return ew.sigmoid(y)

    def log_det(self, y: Variable) -> Variable:
        # log x + log(1 - x), which is -softplus(-y) - softplus(y), with one softplus.
        return y - 2.0 * ew.softplus(y)


class Interval(Transform):
    """The numbers between two bounds, of which one may be absent (None, or infinite); bounds may be graphs."""

    name = "interval"

    def __init__(self, lower: Any = None, upper: Any = None, *, bounds_fn: Any = None) -> None:
        if bounds_fn is not None:
            raise NotImplementedError(
                "Interval has no bounds_fn: bounds may be graphs here, so write Interval(lower, upper) with them"
            )
        self.lower, self.upper = _bound(lower, -np.inf), _bound(upper, np.inf)
        if self.lower is None and self.upper is None:
            raise ValueError("Interval needs a lower or an upper bound")
        known = isinstance(self.lower, Constant) and isinstance(self.upper, Constant)
        if known and not np.all(self.lower.data < self.upper.data):
            raise ValueError(f"Interval needs lower < upper, given {lower} and {upper}")
        # sigmoid(y) itself, not 0 + 1 * sigmoid(y): what reads it can be simplified further.
        self.is_unit = _is(self.lower, 0.0) and _is(self.upper, 1.0)

    def forward(self, x: Variable) -> Variable:
        if self.upper is None:
            return ew.log(x - self.lower)
        if self.lower is None:
            return ew.log(self.upper - x)
        return ew.log(x - self.lower) - ew.log(self.upper - x)

    def inverse(self, y: Variable) -> Variable:
        if self.upper is None:
            return self.lower + ew.exp(y)
        if self.lower is None:
            return self.upper - ew.exp(y)
        if self.is_unit:
            return ew.sigmoid(y)
        # From the bound that is nearer: so that rounding leads over neither, and a bound of 0 is approached as closely
        # as doubles can.
        width = self.upper - self.lower
        return ew.switch(y < 0.0, self.lower + width * ew.sigmoid(y), self.upper - width * ew.sigmoid(-y))

    def log_det(self, y: Variable) -> Variable:
        if self.upper is None or self.lower is None:
            return y
        bent = y - 2.0 * ew.softplus(y)
        return bent if self.is_unit else bent + ew.log(self.upper - self.lower)


class LogExpM1(Transform):
    """The positive numbers: x = log(1 + exp(y)), which is nearly y itself where y is large."""

    name = "log_exp_m1"

    def forward(self, x: Variable) -> Variable:
        return x + ew.log1mexp(-x)

    def inverse(self, y: Variable) -> Variable:
        return ew.softplus(y)

    def log_det(self, y: Variable) -> Variable:
        return -ew.softplus(-y)


class Circular(Transform):
    """The angles from -π to π: y modulo 2π. All of R is wound around the circle, so that no angle is an end."""

    name = "circular"

    def forward(self, x: Variable) -> Variable:
        return x

    def inverse(self, y: Variable) -> Variable:
        return ew.arctan2(ew.sin(y), ew.cos(y))

    def log_det(self, y: Variable) -> Variable:
        return ew.zeros_like(y)


class Affine(Transform):
    """R moved and stretched: x = loc + scale y. Both may be graphs; scale must not be 0."""

    name = "affine"

    def __init__(self, loc: Any = 0.0, scale: Any = 1.0) -> None:
        self.loc, self.scale = as_variable(loc), as_variable(scale)
        if isinstance(self.scale, Constant) and np.any(self.scale.data == 0):
            raise ValueError("Affine needs a scale that is not 0")

    def forward(self, x: Variable) -> Variable:
        return (x - self.loc) / self.scale

    def inverse(self, y: Variable) -> Variable:
        return self.loc + self.scale * y

    def log_det(self, y: Variable) -> Variable:
        return ew.fill(y, ew.log(ew.abs(self.scale)))


def _bound(bound: Any, absent: float) -> Variable | None:
    if bound is None or (not isinstance(bound, Variable) and np.all(np.asarray(bound) == absent)):
        return None
    v = as_variable(bound)
    return (
        as_variable(v.data.astype(config.floatX)) if isinstance(v, Constant) and v.dtype not in FLOATS else v
    )


def _is(bound: Variable | None, value: float) -> bool:
    return isinstance(bound, Constant) and bool((bound.data == value).all())
