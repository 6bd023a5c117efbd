"""A distribution of which only is seen that it was beyond a bound."""

from __future__ import annotations

import numpy as np

from probgraph.distributions.base import Distribution
from probgraph.distributions.components import component, extended, greater, lesser, of_numbers
from probgraph.distributions.constraints import Interval
from probgraph.engine.graph import Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew


class Censored(Distribution):
    """min(max(X, lower), upper): all that is beyond a bound is seen as the bound.

    P(X <= lower) at the lower bound, P(X >= upper) at the upper one, f(x) between. dist is a distribution of
    numbers, continuous or discrete, with a logcdf; lower and upper are numbers, arrays or variables, None for no
    bound. A censored variable can be observed, or drawn; continuous ones cannot be free. Tobin, "Estimation of
    relationships for limited dependent variables" (Econometrica 1958).

    >>> Censored.dist(Normal.dist(0.0, 1.0), lower=0.0).logp([0.0, 1.0]).eval()
    array([-0.69314718, -1.41893853])
    """

    params = {"lower": extended, "upper": extended}
    defaults = {"lower": -np.inf, "upper": np.inf}
    options = {"dist": None}
    positional = ("dist", "lower", "upper")

    def requirements(self):
        return [(ew.lt(self.lower, self.upper), "lower < upper")]

    def prepare(self):
        self.dist = component("Censored", "dist", self.dist)
        inner = of_numbers("Censored", self.dist)
        self._unchecked += self.dist._unchecked
        self.atoms = not inner.discrete
        self.support = Interval(
            f"{inner.text}, or a bound of Censored",
            greater(self.lower, inner.lower),
            lesser(self.upper, inner.upper),
            closed_lower=True,
            closed_upper=True,
            integers=inner.discrete,
        )

    def density(self, x):
        inside = (x > self.lower) & (x < self.upper)
        between = self.dist.logp(ew.switch(inside, x, self.dist.point()))
        # P(X >= upper) is P(X > upper) unless the upper bound itself has a probability.
        last = ew.ceil(self.upper) - 1.0 if self.discrete else self.upper
        beyond = ew.switch(x > self.lower, self.dist.logccdf(last), self.dist.logcdf(self.lower))
        return ew.switch(inside, between, beyond)

    def logcdf(self, x):
        x = as_variable(x)
        inside = ew.switch(x < self.lower, -np.inf, self.dist.logcdf(x))
        return self._where_legal(ew.switch(x >= self.upper, 0.0, inside), -np.inf)

    def logccdf(self, x):
        x = as_variable(x)
        inside = ew.switch(x < self.lower, 0.0, self.dist.logccdf(x))
        return self._where_legal(ew.switch(x >= self.upper, -np.inf, inside), -np.inf)

    def icdf(self, q):
        return self._where_legal(ew.clip(self.dist.icdf(q), self.lower, self.upper), np.nan)

    def draw(self, rng, size, lower, upper, **inner):
        return np.clip(self.draw_component(rng, "dist", inner, size), lower, upper)

    def point(self) -> Variable:
        return ew.clip(self.dist.point(), self.lower, self.upper)


__all__ = ["Censored"]
