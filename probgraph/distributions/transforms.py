"""The transforms, under PyMC's names: `pm.distributions.transforms.ordered`. See `transform.py` for what one is."""

from __future__ import annotations

from probgraph.distributions.transform import Chain, Transform
from probgraph.engine.graph import Constant, Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew


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
    """The numbers between two bounds, of which one may be absent; bounds may be graphs."""

    name = "interval"

    def __init__(self, lower: Variable | float | None, upper: Variable | float | None) -> None:
        if lower is None and upper is None:
            raise ValueError("Interval needs a lower or an upper bound")
        self.lower = None if lower is None else as_variable(lower)
        self.upper = None if upper is None else as_variable(upper)
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
        return self.lower + (self.upper - self.lower) * ew.sigmoid(y)

    def log_det(self, y: Variable) -> Variable:
        if self.upper is None or self.lower is None:
            return y
        bent = y - 2.0 * ew.softplus(y)
        return bent if self.is_unit else bent + ew.log(self.upper - self.lower)


def _is(bound: Variable | None, value: float) -> bool:
    return isinstance(bound, Constant) and bool((bound.data == value).all())


log = Log()
logodds = LogOdds()

__all__ = ["Chain", "Interval", "Log", "LogOdds", "Transform", "log", "logodds"]
