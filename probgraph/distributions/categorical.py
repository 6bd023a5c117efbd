"""One of K places: by their probabilities, or by where a predictor lies among ordered cutpoints.

The idea worth knowing: parameters are vectors, and a value chooses among their elements, batch by batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from probgraph.distributions.base import Distribution
from probgraph.distributions.constraints import Constraint, integers_to, positive, real, real_vector
from probgraph.distributions.event_constraints import simplex
from probgraph.distributions.known_signs import certainly
from probgraph.distributions.normal_functions import ROOT_HALF, log_difference, log_normal_integral
from probgraph.distributions.parameters import Alternative
from probgraph.distributions.random_variable import open_model
from probgraph.engine.graph import Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import reduce
from probgraph.engine.ops.shape import arange, join, length

#: the logarithm of a probability that is none, in numbers that gradients bear
_NOTHING = -1e30


class Ascending(Constraint):
    """The vectors of numbers in ascending order."""

    text = "finite numbers in ascending order"
    event_ndim = 1

    def holds(self, x: Variable) -> Variable:
        finite = reduce.all(ew.abs(x) < np.inf, axis=-1)
        return finite & reduce.all(x[..., 1:] > x[..., :-1], axis=-1)


ascending = Ascending()


def places(v: Variable) -> Variable:
    """How many elements the vectors of `v` have, in floatX."""
    return ew.cast(as_variable(length(v, v.ndim - 1)), v.dtype)


def chosen(v: Variable, at: Variable) -> Variable:
    """v[..., at]: of each vector the element with that number, where the batches of both broadcast."""
    place, batch = ew.cast(at, "int64"), v.ndim - 1
    if not batch:
        return v[place]
    grid = []
    for axis in range(batch):
        numbers = arange(length(v, axis))
        grid.append(numbers[(slice(None), *[None] * (batch - 1 - axis))])
    return v[(*grid, place)]


class Categorical(Distribution):
    """One of the places 0 to K - 1: p[x].

    p is a vector of K probabilities with the sum 1, or an array of such along its last axis; or logit_p, any numbers of
    which p is the softmax.

    >>> Categorical.dist(p=[0.25, 0.75]).logp(0).eval()
    array(-1.38629436)
    """

    params = {"p": simplex}
    alternatives = (
        Alternative({"logit_p": real_vector}, lambda logit_p: {"p": reduce.softmax(logit_p, axis=-1)}),
    )

    def prepare(self):
        self.support = integers_to(places(self.p) - 1.0)

    def density(self, x):
        # A place that there is stands in for others: what is not chosen must not fail.
        inside = x if certainly(x, self.support) else ew.switch(self.support.holds(x), x, 0.0)
        if "logit_p" not in self._given:
            return ew.log(chosen(self.p, inside))
        return chosen(self._log_p(), inside)

    def _log_p(self):
        if "logit_p" not in self._given:
            return ew.log(self.p)
        logit_p = self._given["logit_p"]
        return logit_p - reduce.logsumexp(logit_p, axis=-1, keepdims=True)

    def cumulative(self, x):
        return self._tails(x)[0]

    def survival(self, x):
        return self._tails(x)[1]

    def _tails(self, x):
        """log P(X <= x) and log P(X > x): the smaller is a sum, the other what is left."""
        place = arange(length(self.p, self.p.ndim - 1))
        upto, log_p = place <= x[..., None], ew.maximum(self._log_p(), _NOTHING)
        below = reduce.logsumexp(ew.switch(upto, log_p, _NOTHING), axis=-1)
        above = reduce.logsumexp(ew.switch(upto, _NOTHING, log_p), axis=-1)
        first = below < above
        small = ew.switch(first, below, above)
        large = ew.log1mexp(small)
        small = ew.switch(small < 0.5 * _NOTHING, -np.inf, small)
        return ew.switch(first, small, large), ew.switch(first, large, small)

    def draw(self, rng, size, p):
        total = np.cumsum(p, axis=-1)
        drawn = rng.random((*size, 1)) * total[..., -1:]
        return np.sum(drawn >= total[..., :-1], axis=-1)

    def mean(self):
        return reduce.sum(self.p * ew.cast(arange(length(self.p, self.p.ndim - 1)), self.p.dtype), axis=-1)

    def variance(self):
        numbers = ew.cast(arange(length(self.p, self.p.ndim - 1)), self.p.dtype)
        return reduce.sum(self.p * ew.sqr(numbers - self.mean()[..., None]), axis=-1)

    def point(self):
        return ew.floor(self.mean())


class _Ordered(Distribution):
    """The interval between cutpoints in which a predictor with noise falls: 0 below the first, K - 1 above the last."""

    options = {"compute_p": True}

    def __new__(cls, name: str, *args: Any, **kwargs: Any) -> Any:
        variable = super().__new__(cls, name, *args, **kwargs)
        if kwargs.get("compute_p", True):
            given = {key: value for key, value in kwargs.items() if key in cls.dist_signature.parameters}
            model = open_model(f'{cls.__name__}("{name}", ...)')
            model.add_deterministic(f"{name}_probs", cls.dist(*args, **given).probabilities())
        return variable

    def prepare(self):
        self.support = integers_to(places(self.cutpoints))

    def probabilities(self) -> Variable:
        """Of each place, along a new last axis."""
        z = self.distances()
        ends = ew.zeros_like(z[..., :1])
        low, high = join(-1, ends, self.share(z)), join(-1, self.share(z), ends + 1.0)
        # Beyond the middle the upper tails are small, and their difference is exact.
        low_rest, high_rest = join(-1, ends + 1.0, self.share(-z)), join(-1, self.share(-z), ends)
        upper = join(-1, ends, z) > 0.0
        return ew.switch(upper, low_rest - high_rest, high - low)

    def distances(self) -> Variable:
        """Of the cutpoints from the predictor, in units of the noise."""
        return self.cutpoints - self.eta[..., None]

    def _ends(self, x):
        """The cutpoints below and above x, standing in for those that are not there, and where they are not."""
        last = places(self.cutpoints) - 1.0
        below = chosen(self.cutpoints, ew.clip(ew.switch(ew.isnan(x), 0.0, x) - 1.0, 0.0, last))
        above = chosen(self.cutpoints, ew.clip(ew.switch(ew.isnan(x), 0.0, x), 0.0, last))
        return below, above, x < 0.5, x > last + 0.5

    def point(self):
        return ew.floor(0.5 * places(self.cutpoints)) + self.eta * 0.0


class OrderedLogistic(_Ordered):
    """Ordered places by logistic noise: S(cutpoints[x] - eta) - S(cutpoints[x - 1] - eta), for x = 0 to K - 1.

    S is the logistic sigmoid, 0 and 1 beyond the ends; eta is a real predictor, cutpoints a vector of K - 1 numbers in
    ascending order. In a model the probabilities of the places are kept with the draws as `name_probs`, unless
    compute_p=False. McCullagh, "Regression models for ordinal data" (JRSS B 1980).

    >>> OrderedLogistic.dist(eta=0.0, cutpoints=[0.0, 1.0]).logp(0).eval()
    array(-0.69314718)
    """

    params = {"eta": real, "cutpoints": ascending}
    share = staticmethod(ew.sigmoid)

    def density(self, x):
        below, above, first, last = self._ends(x)
        gap = ew.switch(first | last, 1.0, above - below)
        lower = ew.switch(first, 0.0, -ew.softplus(below - self.eta))
        upper = ew.switch(last, 0.0, -ew.softplus(self.eta - above))
        return lower + upper + ew.switch(first | last, 0.0, ew.log1mexp(-gap))

    def cumulative(self, x):
        return -ew.softplus(self.eta - self._ends(x)[1])

    def survival(self, x):
        return -ew.softplus(self._ends(x)[1] - self.eta)

    def draw(self, rng, size, eta, cutpoints):
        return np.sum((eta + rng.logistic(size=size))[..., None] > cutpoints, axis=-1)


class OrderedProbit(_Ordered):
    """Ordered places by normal noise: Φ((cutpoints[x] - eta) / sigma) - Φ((cutpoints[x - 1] - eta) / sigma).

    Φ is the normal distribution function, 0 and 1 beyond the ends; eta is a real predictor, cutpoints a vector of K - 1
    numbers in ascending order, sigma positive; x = 0 to K - 1. In a model the probabilities of the places are kept with
    the draws as `name_probs`, unless compute_p=False. McCullagh, "Regression models for ordinal data" (JRSS B 1980).

    >>> OrderedProbit.dist(eta=0.0, cutpoints=[0.0, 1.0]).logp(0).eval()
    array(-0.69314718)
    """

    params = {"eta": real, "cutpoints": ascending, "sigma": positive}
    defaults = {"sigma": 1.0}

    @staticmethod
    def share(z: Variable) -> Variable:
        return 0.5 * ew.erfc(-ROOT_HALF * z)

    def distances(self):
        return super().distances() / self.sigma[..., None]

    def density(self, x):
        below, above, first, last = self._ends(x)
        outer = first | last
        low = (below - self.eta) / self.sigma
        high = (above - self.eta) / self.sigma
        inner = log_difference(ew.switch(outer, -1.0, low), ew.switch(outer, 1.0, high))
        return ew.switch(outer, log_normal_integral(ew.switch(first, high, -low)), inner)

    def cumulative(self, x):
        return log_normal_integral((self._ends(x)[1] - self.eta) / self.sigma)

    def survival(self, x):
        return log_normal_integral((self.eta - self._ends(x)[1]) / self.sigma)

    def draw(self, rng, size, eta, cutpoints, sigma):
        return np.sum((eta + sigma * rng.normal(size=size))[..., None] > cutpoints, axis=-1)


__all__ = ["Categorical", "OrderedLogistic", "OrderedProbit"]
