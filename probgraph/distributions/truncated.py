"""A distribution cut off at bounds: what is left of it, normalised."""

from __future__ import annotations

import numpy as np

from probgraph.distributions.base import Distribution, own_of
from probgraph.distributions.components import (
    asked,
    component,
    evaluated,
    extended,
    from_to,
    greater,
    lesser,
    log_difference,
    of_numbers,
)
from probgraph.distributions.constraints import Interval, is_everywhere
from probgraph.distributions.folding import value_if_constant
from probgraph.distributions.halving import halved
from probgraph.engine.graph import Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.types import TensorType

_FARTHEST = float(np.finfo("float64").max)


class Truncated(Distribution):
    """A distribution given that it is between two bounds, both included: f(x) / P(lower <= X <= upper).

    dist is a distribution of numbers, continuous or discrete, with a logcdf; lower and upper are numbers, arrays or
    variables, None for no bound. The probability between is taken from the tail in which it is, so that bounds may
    be anywhere. Johnson, Kotz & Balakrishnan, Continuous Univariate Distributions 1 (1994), ch. 13.10.

    `max_n_steps` bounds the rounds of rejection by which distributions without logcdf are drawn from.

    >>> Truncated.dist(Exponential.dist(1.0), upper=1.0).logp(0.5).eval()
    array(-0.04132485)
    """

    params = {"lower": extended, "upper": extended}
    defaults = {"lower": -np.inf, "upper": np.inf}
    options = {"dist": None, "max_n_steps": 10_000}
    positional = ("dist", "lower", "upper", "max_n_steps")

    def requirements(self):
        return [(ew.lt(self.lower, self.upper) | ew.eq(self.lower, self.upper), "lower <= upper")]

    def prepare(self):
        self.dist = component("Truncated", "dist", self.dist)
        inner = of_numbers("Truncated", self.dist)
        self._unchecked += self.dist._unchecked
        low, high = greater(inner.lower, self.lower), lesser(inner.upper, self.upper)
        if self.dist.atoms and not is_everywhere(self.lower, -np.inf):
            raise NotImplementedError(
                f"Truncated: {self.dist} has probability at single numbers, and whether lower is one of them is not"
                " known; truncate what it is made of, or give upper alone"
            )
        if (empty := value_if_constant(ew.gt(low, as_variable(high)))) is not None and np.any(empty):
            raise ValueError(
                f"Truncated: {self.dist} is {inner.text}; nothing of it is from {_text(self.lower)} to"
                f" {_text(self.upper)}"
            )
        transform = None if inner.discrete else from_to(low, high)
        self.support = Interval(
            f"{inner.text}, from {_text(self.lower)} to {_text(self.upper)}",
            low,
            high,
            closed_lower=inner.closed_lower or low is not inner.lower,
            closed_upper=inner.closed_upper or high is not inner.upper,
            integers=inner.discrete,
            transform=transform,
        )
        if inner.discrete:  # what is excluded below the lower bound, and the last integer that is not
            self._before, self._last = ew.ceil(self.lower) - 1.0, ew.floor(self.upper)
        else:
            self._before, self._last = self.lower, self.upper

    def _of_dist(self, name: str, x: Variable) -> Variable:
        return asked("Truncated", self.dist, name, x)

    def _log_mass(self, before: Variable, last: Variable) -> Variable:
        """log P(before < X <= last), from the tail in which that is."""
        below, above = self._of_dist("logcdf", last), self._of_dist("logccdf", before)
        left = log_difference(below, self._of_dist("logcdf", before))
        right = log_difference(above, self._of_dist("logccdf", last))
        return ew.switch(above < below, right, left)

    def _share(self, part: Variable) -> Variable:
        """The log of a part divided by what is between the bounds; where that is too little for doubles, nothing."""
        mass = self._log_mass(self._before, self._last)
        return ew.switch(mass > -np.inf, part - mass, -np.inf)

    def density(self, x):
        return self._share(self.dist.logp(x))

    def cumulative(self, x):
        return self._share(self._log_mass(self._before, x))

    def survival(self, x):
        return self._share(self._log_mass(x, self._last))

    def quantile(self, q):
        """By the quantile of the distribution where its argument has digits, else by halving a distance."""
        low, high = self._of_dist("logcdf", self._before), self._of_dist("logcdf", self._last)
        upper_low, upper_high = (self._of_dist("logccdf", b) for b in (self._before, self._last))
        right = upper_low < high
        rest, share = ew.log1p(-q), ew.log(q)
        above = ew.logaddexp(rest + upper_low, share + upper_high)
        wanted = ew.switch(right, above, ew.logaddexp(rest + low, share + high))
        found = halved(self.dist, right, wanted)
        try:
            plain = self.dist.icdf(ew.exp(ew.switch(right, -1.0, wanted)))
        except NotImplementedError:
            pass
        else:
            found = ew.switch(right | (wanted < -700.0), found, plain)
        return ew.clip(found, self.support.lower, self.support.upper)

    def point(self):
        """The distribution's own point if it is between the bounds; else the middle, or a step behind one."""
        own = self.dist.point()
        low, high = as_variable(self.support.lower), as_variable(self.support.upper)
        inside = (own > low) & (own < high)
        middle = ew.switch(
            ew.isinf(high), low + 1.0, ew.switch(ew.isinf(low), high - 1.0, 0.5 * low + 0.5 * high)
        )
        if self.discrete:
            middle = ew.clip(ew.floor(middle), ew.ceil(low), high)
        return ew.switch(inside, own, middle)

    def draw(self, rng, size, lower, upper, **inner):
        try:
            return self._by_bisection(rng, size, lower, upper, own_of("dist", inner))
        except NotImplementedError:
            return self._by_rejection(rng, size, lower, upper, inner)

    def _by_bisection(self, rng, size, lower, upper, values):
        """The least number at which the probability so far reaches a uniform share, taken from the nearer tail."""
        x = Variable(TensorType("float64", (None,) * len(self.batch_shape)), "x")
        tails = evaluated(self.dist, values, x, [self.dist.logcdf(x), self.dist.logccdf(x)])
        support = self.dist.support
        before, last = (np.ceil(lower) - 1, np.floor(upper)) if self.discrete else (lower, upper)
        (below_0, above_0), (below_1, above_1) = (
            tails(np.array(np.broadcast_to(np.asarray(b, "float64"), size))) for b in (before, last)
        )
        share = rng.random(size)
        with np.errstate(divide="ignore"):
            rest, share = np.log1p(-share), np.log(share)
        right = above_0 < below_1
        wanted = np.where(
            right,
            np.logaddexp(rest + above_0, share + above_1),
            np.logaddexp(rest + below_0, share + below_1),
        )
        first, end = _bounds(support, values, self.dist, size)
        low = np.maximum(np.broadcast_to(before, size), first)
        high = np.minimum(np.broadcast_to(last, size), end)
        a, b = _order(np.maximum(low, -_FARTHEST)), _order(np.minimum(high, _FARTHEST))
        if self.discrete:
            a, b = np.asarray(low, "int64"), np.asarray(high, "int64")
        for _ in range(64):  # the numbers between are halved until they are neighbours
            middle = (a >> 1) + (b >> 1) + (a & b & 1)
            at = middle.astype("float64") if self.discrete else _number(middle)
            below, above = tails(at)
            reached = np.where(right, above <= wanted, below >= wanted)
            a, b = np.where(reached, a, middle), np.where(reached, middle, b)
        return b.astype("float64") if self.discrete else np.clip(_number(b), low, high)

    def _by_rejection(self, rng, size, lower, upper, inner):
        drawn = np.full(size, np.nan)
        for _ in range(self.max_n_steps):
            new = self.draw_component(rng, "dist", inner, size)
            drawn = np.where(np.isnan(drawn) & (new >= lower) & (new <= upper), new, drawn)
            if not np.isnan(drawn).any():
                return drawn
        raise ValueError(
            f"Truncated: after {self.max_n_steps} rounds of rejection some draws of {self.dist} are still outside of the"
            " bounds; give a larger max_n_steps=, or bounds where the distribution is"
        )


def _text(bound: Variable) -> str:
    return f"{bound.data:g}" if hasattr(bound, "data") and bound.ndim == 0 else bound.name or "its bound"


def _bounds(support, values, dist, size):
    """The bounds of a support as arrays."""
    x = Variable(TensorType("float64", (None,) * len(dist.batch_shape)), "x")
    graphs = [ew.zeros_like(x) + bound for bound in (support.lower, support.upper)]
    return [np.broadcast_to(b, size) for b in evaluated(dist, values, x, graphs)(np.zeros(size))]


def _order(x: np.ndarray) -> np.ndarray:
    """Integers in the order of doubles, neighbours for neighbours."""
    bits = np.ascontiguousarray(x, "float64").view("int64")
    return np.where(bits < 0, np.int64(-(2**63)) - bits, bits)


def _number(order: np.ndarray) -> np.ndarray:
    bits = np.where(order < 0, np.int64(-(2**63)) - order, order)
    return np.ascontiguousarray(bits).view("float64")


__all__ = ["Truncated"]
