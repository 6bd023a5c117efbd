"""The distribution of a formula of one random number, such as exp(X) or 3 - 2 X, where each step can be undone.

The idea worth knowing: a formula is a chain of steps from the random number to the result; a step knows its inverse
and its slope, so that log f(y) = log f_X(x) - Σ log |slope| at x, the inverses of y one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from probgraph.distributions.base import Distribution
from probgraph.distributions.components import from_to
from probgraph.distributions.constraints import Bound, Interval
from probgraph.distributions.folding import folded, value_if_constant
from probgraph.distributions.random_variable import RandomVariable
from probgraph.engine.graph import Apply, Variable, toposort
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew

LOG_TWO = float(np.log(2.0))


@dataclass(frozen=True)
class Invertible:
    """How a function of x, and of another operand c, is undone: x from y; log |dy/dx| at x; whether it increases.

    `domain` are the bounds of the x for which it has one value of x for each y.
    """

    inverse: Callable[..., Any]
    log_slope: Callable[..., Any]
    increases: Callable[..., Any] = lambda *c: True
    domain: tuple[float, float] = (-np.inf, np.inf)


ONE = {
    ew.identity: Invertible(lambda y: y, ew.zeros_like),
    ew.neg: Invertible(lambda y: -y, ew.zeros_like, lambda: False),
    ew.exp: Invertible(ew.log, lambda x: x),
    ew.expm1: Invertible(ew.log1p, lambda x: x),
    ew.log: Invertible(ew.exp, lambda x: -ew.log(x), domain=(0.0, np.inf)),
    ew.log1p: Invertible(ew.expm1, lambda x: -ew.log1p(x), domain=(-1.0, np.inf)),
    ew.sqrt: Invertible(ew.sqr, lambda x: -LOG_TWO - 0.5 * ew.log(x), domain=(0.0, np.inf)),
    ew.sqr: Invertible(ew.sqrt, lambda x: LOG_TWO + ew.log(x), domain=(0.0, np.inf)),
    ew.reciprocal: Invertible(
        ew.reciprocal, lambda x: -2.0 * ew.log(x), lambda: False, domain=(0.0, np.inf)
    ),
    ew.sigmoid: Invertible(
        lambda y: ew.log(y) - ew.log1p(-y), lambda x: -ew.softplus(x) - ew.softplus(-x)
    ),
    ew.softplus: Invertible(lambda y: y + ew.log1mexp(-y), lambda x: -ew.softplus(-x)),
    ew.tanh: Invertible(ew.arctanh, lambda x: 2.0 * (LOG_TWO - ew.abs(x) - ew.log1p(ew.exp(-2.0 * ew.abs(x))))),
    ew.sinh: Invertible(
        ew.arcsinh, lambda x: ew.abs(x) + ew.log1p(ew.exp(-2.0 * ew.abs(x))) - LOG_TWO
    ),
    ew.arcsinh: Invertible(ew.sinh, lambda x: -0.5 * ew.log1p(ew.sqr(x))),
}  # fmt: skip
#: by which of the two operands is random
TWO = {
    (ew.add, 0): Invertible(lambda y, c: y - c, lambda x, c: ew.zeros_like(x)),
    (ew.add, 1): Invertible(lambda y, c: y - c, lambda x, c: ew.zeros_like(x)),
    (ew.sub, 0): Invertible(lambda y, c: y + c, lambda x, c: ew.zeros_like(x)),
    (ew.sub, 1): Invertible(lambda y, c: c - y, lambda x, c: ew.zeros_like(x), lambda c: False),
    (ew.mul, 0): Invertible(lambda y, c: y / c, lambda x, c: ew.log(ew.abs(c)), lambda c: c > 0.0),
    (ew.mul, 1): Invertible(lambda y, c: y / c, lambda x, c: ew.log(ew.abs(c)), lambda c: c > 0.0),
    (ew.true_div, 0): Invertible(lambda y, c: y * c, lambda x, c: -ew.log(ew.abs(c)), lambda c: c > 0.0),
    (ew.true_div, 1): Invertible(
        lambda y, c: c / y, lambda x, c: ew.log(ew.abs(c)) - 2.0 * ew.log(x), lambda c: c < 0.0, (0.0, np.inf)
    ),
    (ew.pow, 0): Invertible(
        lambda y, c: y ** (1.0 / c),
        lambda x, c: ew.log(ew.abs(c)) + (c - 1.0) * ew.log(x),
        lambda c: c > 0.0,
        (0.0, np.inf),
    ),
}
NEEDS_NONZERO = {key for key in TWO if key[0] in (ew.mul, ew.true_div, ew.pow)}


@dataclass(frozen=True)
class Step:
    """One operation of a formula; `other` is the operand that is not random, if there is one."""

    op: ew.Elementwise
    place: int
    other: Variable | None

    @property
    def known(self) -> Invertible:
        return ONE[self.op] if self.other is None else TWO[self.op, self.place]

    @property
    def operands(self) -> tuple[Variable, ...]:
        return () if self.other is None else (self.other,)

    def apply(self, x: Any, *other: Any, how: Callable[..., Any]) -> Any:
        return how(*other, x) if self.place else how(x, *other)


class FunctionOf(Distribution):
    """f(X), where X has the distribution `dist` and f is a chain of steps that can be undone."""

    options = {"dist": None, "steps": ()}

    def prepare(self):
        inner: Distribution = self.dist
        who = f"CustomDist(dist=...) of {inner}"
        if inner.atoms or not isinstance(inner.support, Interval) or inner.discrete:
            kind = (
                "discrete"
                if inner.discrete
                else "of arrays"
                if inner.event_ndim
                else "not continuous throughout"
            )
            raise NotImplementedError(f"{who}: it is {kind}; formulas are for continuous numbers. {_INSTEAD}")
        self._own = self._given = {
            f"operand {k}": s.other for k, s in enumerate(self.steps) if s.other is not None
        }
        self._unchecked = [*inner._unchecked]
        low, high, increases = inner.support.lower, inner.support.upper, as_variable(True)
        for step in self.steps:
            _refuse_outside(who, step, low, high)
            if (step.op, step.place) in NEEDS_NONZERO and step.other is not None:
                self._unchecked.append(ew.neq(step.other, 0.0))
            up = as_variable(step.known.increases(*step.operands))
            a, b = (step.apply(as_variable(v), *step.operands, how=step.op) for v in (low, high))
            low, high = folded(ew.switch(up, a, b)), folded(ew.switch(up, b, a))
            increases = folded(ew.eq(increases, up))
        self._increases = increases
        conditions = [value_if_constant(c) for c in self._unchecked]
        if any(c is not None and not np.all(c) for c in conditions):
            raise ValueError(f"{who}: it is multiplied or divided by 0, or has 0 as an exponent")
        self._unchecked = [c for c, v in zip(self._unchecked, conditions, strict=True) if v is None]
        closed = inner.support.closed_lower or inner.support.closed_upper
        self.support = Interval(
            f"in the image of {inner.support.text}",
            low,
            high,
            closed_lower=closed,
            closed_upper=closed,
            transform=from_to(low, high),
        )

    def _undone(self, y: Variable) -> tuple[Variable, Variable]:
        """x, and the log of the slope of the formula there."""
        slope = ew.zeros_like(y)
        for step in reversed(self.steps):
            y = step.known.inverse(y, *step.operands)
            slope = slope + step.known.log_slope(y, *step.operands)
        return y, slope

    def _done(self, x: Variable) -> Variable:
        for step in self.steps:
            x = step.apply(x, *step.operands, how=step.op)
        return x

    def density(self, x):
        inner, slope = self._undone(x)
        logp = self.dist.logp(inner)
        return ew.switch(logp > -np.inf, logp - slope, -np.inf)

    def cumulative(self, x):
        inner, _ = self._undone(x)
        return ew.switch(self._increases, self.dist.logcdf(inner), self.dist.logccdf(inner))

    def survival(self, x):
        inner, _ = self._undone(x)
        return ew.switch(self._increases, self.dist.logccdf(inner), self.dist.logcdf(inner))

    def quantile(self, q):
        return self._done(self.dist.icdf(ew.switch(self._increases, q, 1.0 - q)))

    def point(self):
        return self._done(self.dist.point())

    def draw(self, rng, size, **values):
        x = self.draw_component(rng, "dist", values, size)
        for k, step in enumerate(self.steps):
            other = () if step.other is None else (values[f"operand {k}"],)
            x = step.apply(x, *other, how=step.op.numpy)
        return x


_INSTEAD = "Give CustomDist logp= and random= instead"


def of_formula(who: str, formula: Variable, found: Mapping[int, RandomVariable]) -> FunctionOf:
    """The distribution of a formula in which the variables `found` stand for distributions.

    Raises NotImplementedError, naming what cannot be undone, where its density is not known.
    """
    random = set(found.values())
    nodes = toposort([formula])
    read = {formula, *(v for node in nodes for v in node.inputs)}
    here = [v for v in found.values() if v in read]
    for node in nodes:
        if not random.isdisjoint(node.inputs):
            random.update(node.outputs)
    if len(here) != 1:
        shown = " and ".join(str(v.distribution) for v in here) or "none"
        raise NotImplementedError(
            f"{who}: dist= is to return a formula of one random variable, this one is of {shown}. {_INSTEAD}"
        )
    root, steps, v = here[0], [], formula
    while v is not root:
        step, v = _step(who, v.owner, random, root)
        steps.append(step)
    return FunctionOf.dist(dist=root.distribution, steps=tuple(reversed(steps)))


def _step(who: str, node: Apply, random: set[Variable], root: RandomVariable) -> tuple[Step, Variable]:
    inside = [i for i, v in enumerate(node.inputs) if v in random]
    if len(inside) != 1:
        raise NotImplementedError(
            f"{who}: {node.op} has {root.distribution} in {len(inside)} of its operands, so that it cannot be undone step"
            f" by step. {_INSTEAD}"
        )
    place = inside[0]
    other = (
        None if len(node.inputs) == 1 else folded(node.inputs[1 - place]) if len(node.inputs) == 2 else None
    )
    if (len(node.inputs) == 1 and node.op not in ONE) or (
        len(node.inputs) == 2 and (node.op, place) not in TWO
    ):
        raise NotImplementedError(f"{who}: the inverse of {node.op} is not known here. {_INSTEAD}")
    if len(node.inputs) > 2:
        raise NotImplementedError(f"{who}: {node.op} is no step that could be undone. {_INSTEAD}")
    if node.out.type.shape != root.type.shape:
        raise NotImplementedError(
            f"{who}: {root.distribution} has shape {root.type.shape} and the formula {node.out.type.shape}, which repeats"
            " one random number; give the distribution in it the size of the result, with size= or shape="
        )
    return Step(node.op, place, other), node.inputs[place]


def _refuse_outside(who: str, step: Step, low: Bound, high: Bound) -> None:
    """NotImplementedError where the operand of a step may be where the step has no inverse."""
    first, last = step.known.domain
    low_value, high_value = (value_if_constant(as_variable(b)) for b in (low, high))
    if first > -np.inf and (low_value is None or not np.all(low_value >= first)):
        raise NotImplementedError(
            f"{who}: {step.op} is undone for numbers from {first:g} on only, and its operand may be less. {_INSTEAD}"
        )
    if last < np.inf and (high_value is None or not np.all(high_value <= last)):
        raise NotImplementedError(f"{who}: {step.op} is undone for numbers up to {last:g} only. {_INSTEAD}")


__all__ = ["FunctionOf", "of_formula"]
