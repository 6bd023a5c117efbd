"""Distributions of one integer: one class each. Values are held as floats, which hold all counts up to 2**53."""

from __future__ import annotations

from probgraph.distributions.base import Distribution
from probgraph.distributions.beta_tails import log_beta_below
from probgraph.distributions.constraints import boolean, integers_to, natural, nonnegative, probability, real
from probgraph.distributions.gamma_tails import log_lower_gamma, log_upper_gamma
from probgraph.distributions.parameters import Alternative
from probgraph.distributions.special import log_binomial, times_log, times_log1m
from probgraph.engine.graph import Variable
from probgraph.engine.ops import elementwise as ew


def _log_odds(given: dict[str, Variable], p: Variable) -> Variable | None:
    """The log odds of p where they are at hand: given, or what p is the sigmoid of."""
    if "logit_p" in given:
        return given["logit_p"]
    return p.owner.inputs[0] if p.owner is not None and p.owner.op == ew.sigmoid else None


def _complement(given: dict[str, Variable], p: Variable) -> Variable:
    """1 - p, with all digits where p is nearly 1 and its log odds are at hand."""
    logit_p = _log_odds(given, p)
    return 1.0 - p if logit_p is None else ew.sigmoid(-logit_p)


class Bernoulli(Distribution):
    """1 with probability p, else 0; or logit_p = log(p / (1 - p)), which loses no digits near 0 and 1.

    >>> Bernoulli.dist(p=0.25).logp(1).eval()
    array(-1.38629436)
    """

    params = {"p": probability}
    alternatives = (Alternative({"logit_p": real}, lambda logit_p: {"p": ew.sigmoid(logit_p)}),)
    support = boolean

    def density(self, x):
        logit_p = _log_odds(self._given, self.p)
        if logit_p is not None:
            return -ew.softplus((1.0 - 2.0 * x) * logit_p)
        return ew.switch(x > 0.5, ew.log(self.p), ew.log1p(-self.p))

    def cumulative(self, x):
        return ew.fill(x, self.density(ew.zeros_like(x)))

    def survival(self, x):
        return ew.fill(x, self.density(ew.ones_like(x)))

    def draw(self, rng, size, p):
        return (rng.random(size) < p).astype("int64")

    def mean(self):
        return self.p

    def variance(self):
        return self.p * _complement(self._given, self.p)

    def point(self):
        return ew.switch(self.p < 0.5, 0.0, 1.0)


class Binomial(Distribution):
    """Successes in n trials: (n over x) p^x (1 - p)^(n - x); or logit_p = log(p / (1 - p)).

    >>> Binomial.dist(n=2, p=0.5).logp(1).eval()
    array(-0.69314718)
    """

    params = {"n": natural, "p": probability}
    alternatives = (
        Alternative({"n": natural, "logit_p": real}, lambda n, logit_p: {"n": n, "p": ew.sigmoid(logit_p)}),
    )

    def prepare(self):
        self.support = integers_to(self.n)

    def density(self, x):
        logit_p = _log_odds(self._given, self.p)
        if logit_p is not None:
            return x * logit_p - self.n * ew.softplus(logit_p) + log_binomial(self.n, x)
        return times_log(x, self.p) + times_log1m(self.n - x, self.p) + log_binomial(self.n, x)

    def cumulative(self, x):
        # At x = n, which is beyond all, any number of failures will do.
        return log_beta_below(ew.maximum(self.n - x, 0.5), x + 1.0, _complement(self._given, self.p), self.p)

    def survival(self, x):
        return log_beta_below(x + 1.0, ew.maximum(self.n - x, 0.5), self.p, _complement(self._given, self.p))

    def draw(self, rng, size, n, p):
        return rng.binomial(n.astype("int64"), p, size)

    def mean(self):
        return self.n * self.p

    def variance(self):
        return self.n * self.p * _complement(self._given, self.p)

    def point(self):
        return ew.floor(self.n * self.p)


class Poisson(Distribution):
    """Counts with mean mu: mu^x exp(-mu) / x!

    >>> Poisson.dist(mu=2.0).logp(0).eval()
    array(-2.)
    """

    params = {"mu": nonnegative}
    support = natural

    def density(self, x):
        return times_log(x, self.mu) - self.mu - ew.gammaln(x + 1.0)

    def cumulative(self, x):
        return log_upper_gamma(x + 1.0, ew.ones_like(self.mu), self.mu)

    def survival(self, x):
        return log_lower_gamma(x + 1.0, ew.ones_like(self.mu), self.mu)

    def draw(self, rng, size, mu):
        return rng.poisson(mu, size)

    def mean(self):
        return self.mu

    def variance(self):
        return self.mu

    def point(self):
        return ew.floor(self.mu)


__all__ = [
    name
    for name, value in globals().items()
    if getattr(value, "__module__", "") == __name__ and name[0] != "_"
]
