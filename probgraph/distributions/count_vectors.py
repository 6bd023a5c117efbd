"""Distributions of vectors of counts that have a given sum: one class each."""

from __future__ import annotations

from probgraph.distributions.base import Distribution
from probgraph.distributions.constraints import Each, natural, positive
from probgraph.distributions.event_constraints import CountsTo, simplex
from probgraph.distributions.simplexes import draw_dirichlet
from probgraph.distributions.special import times_log
from probgraph.engine.graph import Variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import reduce
from probgraph.engine.ops.cumulative import cumsum, diff
from probgraph.engine.ops.shape import join
from probgraph.engine.ops.special import betaln


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


class DirichletMultinomial(_CountsTo):
    """Counts of n things among kinds whose parts of the whole are Dirichlet(a): n B(Σ a, n) / Π_(x_i > 0) x_i B(a_i, x_i).

    For integers x_i >= 0 with the sum n. n (...) is an integer, a (..., K) positive. Mosimann, "On the compound
    multinomial distribution" (Biometrika 1962).

    >>> DirichletMultinomial.dist(n=1, a=[1.0, 1.0, 2.0]).logp([0, 0, 1]).eval()
    array(-0.69314718)
    """

    params = {"n": natural, "a": Each(positive)}

    def density(self, x):
        # Each pair of gamma functions as a beta function keeps its digits for large a.
        parts = _log_times_beta(x, self.a)
        return _log_times_beta(self.n, reduce.sum(self.a, axis=-1)) - reduce.sum(parts, axis=-1)

    def draw(self, rng, size, n, a):
        return rng.multinomial(n.astype("int64"), draw_dirichlet(rng, size, a.astype("float64")), size)

    def mean(self):
        return self.n[..., None] * self.a / reduce.sum(self.a, axis=-1, keepdims=True)

    def variance(self):
        total, n = reduce.sum(self.a, axis=-1, keepdims=True), self.n[..., None]
        p = self.a / total
        return n * p * (1.0 - p) * (n + total) / (1.0 + total)


def _log_times_beta(x: Variable, a: Variable) -> Variable:
    """log(x B(x, a)), which is 0 at x = 0."""
    some = ew.maximum(x, 1.0)
    return ew.switch(x > 0.0, ew.log(some) + betaln(a, some), 0.0)


__all__ = ["DirichletMultinomial", "Multinomial"]
