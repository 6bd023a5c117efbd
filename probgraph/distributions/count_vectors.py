"""Distributions of vectors of counts that have a given sum: one class each."""

from __future__ import annotations

from probgraph.distributions.base import Distribution
from probgraph.distributions.constraints import natural
from probgraph.distributions.event_constraints import CountsTo, simplex
from probgraph.distributions.special import times_log
from probgraph.engine.graph import Variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import reduce
from probgraph.engine.ops.cumulative import cumsum, diff
from probgraph.engine.ops.shape import join


class _CountsTo(Distribution):
    """What vectors of counts with the sum `n` share."""

    def prepare(self):
        self.support = CountsTo(self.n)

    def log_arrangements(self, x: Variable) -> Variable:
        """The log of n! / Π x_i!"""
        return ew.gammaln(self.n + 1.0) - reduce.sum(ew.gammaln(x + 1.0), axis=-1)

    def point(self):
        # Differences of the rounded running sums of the mean are integers, and have the sum n.
        mean = self.mean()
        running = ew.round_half_to_even(cumsum(mean, axis=-1))[..., :-1]
        none = ew.zeros_like(mean[..., :1])
        return diff(join(-1, none, ew.minimum(running, self.n[..., None]), none + self.n[..., None]))


class Multinomial(_CountsTo):
    """Counts of n things among K kinds: n! Π p_i^x_i / x_i!, for integers x_i >= 0 with the sum n.

    n (...) is an integer, p (..., K) has the sum 1. Gelman et al., Bayesian Data Analysis (2013), A.1.

    >>> Multinomial.dist(n=2, p=[0.5, 0.25, 0.25]).logp([1, 1, 0]).eval()
    array(-1.38629436)
    """

    params = {"n": natural, "p": simplex}

    def density(self, x):
        return self.log_arrangements(x) + reduce.sum(times_log(x, self.p), axis=-1)

    def draw(self, rng, size, n, p):
        p = p.astype("float64")
        return rng.multinomial(n.astype("int64"), p / p.sum(axis=-1, keepdims=True), size)

    def mean(self):
        return self.n[..., None] * self.p

    def variance(self):
        return self.n[..., None] * self.p * (1.0 - self.p)


__all__ = ["Multinomial"]
