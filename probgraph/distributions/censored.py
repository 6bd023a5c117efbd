"""A distribution of which only is seen that it was beyond a bound."""

from __future__ import annotations

import numpy as np

from probgraph.distributions.base import Distribution
from probgraph.distributions.components import asked, component, extended, greater, lesser, of_numbers
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
        conditions = [(ew.lt(self.lower, self.upper), "lower < upper")]
        if getattr(self.dist, "discrete", False):  # else a bound that is seen would be no count
            whole = [ew.eq(bound, ew.floor(bound)) for bound in (self.lower, self.upper)]
            conditions.append((whole[0] & whole[1], "bounds that are integers, as its counts are"))
        return conditions

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

    def _of_dist(self, name: str, x: Variable) -> Variable:
        return asked("Censored", self.dist, name, x)

    def density(self, x):
        inside = (x > self.lower) & (x < self.upper)
        between = self._of_dist("logp", ew.switch(inside, x, self.dist.point()))
        # P(X >= upper) is P(X > upper) unless the upper bound itself has a probability.
        last = ew.ceil(self.upper) - 1.0 if self.discrete else self.upper
        beyond = ew.switch(
            x > self.lower, self._of_dist("logccdf", last), self._of_dist("logcdf", self.lower)
        )
        return ew.switch(inside, between, beyond)

    def logcdf(self, x):
        x = as_variable(x)
        inside = ew.switch(x < self.lower, -np.inf, self._of_dist("logcdf", x))
        return self._where_legal(ew.switch(x >= self.upper, 0.0, inside), -np.inf)

    def logccdf(self, x):
        x = as_variable(x)
        inside = ew.switch(x < self.lower, 0.0, self._of_dist("logccdf", x))
        return self._where_legal(ew.switch(x >= self.upper, -np.inf, inside), -np.inf)

    def icdf(self, q):
        return self._where_legal(ew.clip(self._of_dist("icdf", q), self.lower, self.upper), np.nan)

    def draw(self, rng, size, lower, upper, **inner):
        return np.clip(self.draw_component(rng, "dist", inner, size), lower, upper)

    def point(self) -> Variable:
        return ew.clip(self.dist.point(), self.lower, self.upper)


__all__ = ["Censored"]
