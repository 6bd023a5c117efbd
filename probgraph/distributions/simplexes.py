"""Distributions of vectors of parts, that are at least 0 and have the sum 1: one class each."""

from __future__ import annotations

import numpy as np

from probgraph.distributions.base import Distribution
from probgraph.distributions.constraints import Each, positive
from probgraph.distributions.event_constraints import simplex
from probgraph.distributions.special import times_log
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import reduce


class Dirichlet(Distribution):
    """Parts of a whole: Π x_i^(a_i - 1) Γ(Σ a) / Π Γ(a_i), for x_i >= 0 with the sum 1.

    a (..., K) is positive; the density is by the first K - 1 places. Gelman et al., Bayesian Data Analysis (2013), A.1.

    >>> Dirichlet.dist(a=[2.0, 1.0, 1.0]).logp([0.5, 0.25, 0.25]).eval()
    array(1.09861229)
    """

    params = {"a": Each(positive)}
    support = simplex

    def density(self, x):
        constant = ew.gammaln(reduce.sum(self.a, axis=-1)) - reduce.sum(ew.gammaln(self.a), axis=-1)
        return reduce.sum(times_log(self.a - 1.0, x), axis=-1) + constant

    def draw(self, rng, size, a):
        # By logarithms: for small a the gamma draws themselves may vanish all together.
        log_gamma = _log_gamma(rng, a, (*size, a.shape[-1]))
        parts = np.exp(log_gamma - log_gamma.max(axis=-1, keepdims=True))
        return parts / parts.sum(axis=-1, keepdims=True)

    def mean(self):
        return self.a / reduce.sum(self.a, axis=-1, keepdims=True)

    def variance(self):
        mean = self.mean()
        return mean * (1.0 - mean) / (reduce.sum(self.a, axis=-1, keepdims=True) + 1.0)


def _log_gamma(rng: np.random.Generator, a: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """The logs of gamma draws; those with shape a are those with a + 1 times a uniform to the power 1 / a."""
    with np.errstate(over="ignore"):
        return np.log(rng.gamma(a + 1.0, size=size)) - rng.standard_exponential(size) / a


__all__ = ["Dirichlet"]
