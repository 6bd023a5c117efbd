"""Distributions of vectors of parts, that are at least 0 and have the sum 1: one class each."""

from __future__ import annotations

import operator

import numpy as np

from probgraph.distributions.base import Distribution
from probgraph.distributions.constraints import Each, positive
from probgraph.distributions.event_constraints import open_simplex, simplex
from probgraph.distributions.folding import value_if_constant
from probgraph.distributions.special import in_floatX, times_log
from probgraph.engine.graph import Variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import reduce
from probgraph.engine.ops.cumulative import cumsum


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
        powers = reduce.sum(times_log(self.a - 1.0, x), axis=-1)
        known = value_if_constant(self.a)
        if known is None or (np.any(known < 1.0) and np.any(known > 1.0)):
            # On an edge where one power is 0 and another infinite there is no density.
            powers = ew.switch(ew.isnan(powers), -np.inf, powers)
        return powers + constant

    def draw(self, rng, size, a):
        return draw_dirichlet(rng, size, a)

    def mean(self):
        return self.a / reduce.sum(self.a, axis=-1, keepdims=True)

    def variance(self):
        mean = self.mean()
        return mean * (1.0 - mean) / (reduce.sum(self.a, axis=-1, keepdims=True) + 1.0)


class StickBreakingWeights(Distribution):
    """Weights of which each takes a part, Beta(1, alpha), of what those before it left: K of them, and what is left.

    alpha^K w_K^(alpha - 1) / Π_k r_k, with w_K the last of K + 1 weights and r_k the sum of those from k on, for
    weights >= 0 with the sum 1; the density is by the first K places. alpha (...) is positive, K an integer. Ishwaran &
    James, "Gibbs sampling methods for stick-breaking priors" (JASA 2001).

    >>> StickBreakingWeights.dist(alpha=1.0, K=2).logp([0.5, 0.25, 0.25]).eval()
    array(0.69314718)
    """

    params = {"alpha": positive}
    options = {"K": None}
    support = open_simplex

    def prepare(self):
        try:
            self.K = operator.index(self.K)
        except TypeError:
            raise TypeError(f"{type(self).__name__}: K is {self.K!r}; it must be an integer") from None
        if self.K < 1:
            raise ValueError(f"{type(self).__name__}: K is {self.K}; it must be at least 1")

    def event_lengths(self, lengths):
        return (self.K + 1,)

    def density(self, x):
        left = cumsum(x[..., ::-1], axis=-1)[..., 1:-1]
        last = (self.alpha - 1.0) * ew.log(x[..., -1])
        return self.K * ew.log(self.alpha) + last - reduce.sum(ew.log(left), axis=-1)

    def draw(self, rng, size, alpha):
        log_left = -rng.standard_exponential((*size, self.K)) / alpha[..., None]
        start = np.zeros((*size, 1))
        before = np.concatenate([start, np.cumsum(log_left, axis=-1)], axis=-1)
        taken = np.concatenate([-np.expm1(log_left), start + 1.0], axis=-1)
        return np.exp(before) * taken

    def mean(self):
        return self._moment(1.0 / (1.0 + self.alpha), self.alpha / (1.0 + self.alpha))

    def variance(self):
        alpha = self.alpha
        square = self._moment(2.0 / ((1.0 + alpha) * (2.0 + alpha)), alpha / (2.0 + alpha))
        return square - ew.sqr(self.mean())

    def _moment(self, taken: Variable, left: Variable) -> Variable:
        """The expectation of a power of each weight, from that of what is taken and of what is left at each."""
        k = in_floatX(np.arange(self.K + 1))
        return ew.switch(k < self.K, taken[..., None], 1.0) * left[..., None] ** k


def draw_dirichlet(rng: np.random.Generator, size: tuple[int, ...], a: np.ndarray) -> np.ndarray:
    """Draws (*size, K), by logarithms: for small a the gamma draws themselves may vanish all together.

    A gamma draw with shape a is one with shape a + 1 times a uniform to the power 1 / a.
    """
    size = (*size, a.shape[-1])
    with np.errstate(over="ignore"):
        log_gamma = np.log(rng.gamma(a + 1.0, size=size)) - rng.standard_exponential(size) / a
    parts = np.exp(log_gamma - log_gamma.max(axis=-1, keepdims=True))
    return parts / parts.sum(axis=-1, keepdims=True)


__all__ = ["Dirichlet", "StickBreakingWeights"]
