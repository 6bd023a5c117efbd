"""More distributions of one integer: waiting times, counts that vary more than Poisson's, draws from an urn.

Formulas without another source are those of Johnson, Kemp & Kotz, "Univariate Discrete Distributions" (3rd edition,
2005). Parameters are numbers, or arrays of any shapes that broadcast.
"""

from __future__ import annotations

from math import log

import numpy as np

from probgraph.distributions.base import Distribution
from probgraph.distributions.beta_tails import log_beta_below
from probgraph.distributions.constraints import (
    Interval,
    integers_to,
    natural,
    positive,
    real,
    unit,
)
from probgraph.distributions.parameters import Alternative
from probgraph.distributions.special import betaln, log1mexp_exp, log_binomial, times_log, times_log1m
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import reduce
from probgraph.engine.ops.shape import arange, shape_padright

chance = Interval("greater than 0, at most 1", 0.0, 1.0, closed_upper=True)
from_one = Interval("an integer, at least 1", 1.0, 2.0**53, closed_lower=True, integers=True)


class NegativeBinomial(Distribution):
    """Poisson counts whose mean is Gamma's: Γ(x + alpha) / (x! Γ(alpha)) (alpha / m)^alpha (mu / m)^x, m = mu + alpha.

    mu is the mean and alpha the shape, both positive, with variance mu + mu² / alpha; or n = alpha, positive, and
    p = alpha / (mu + alpha), between 0 and 1: failures before the n-th success.

    >>> NegativeBinomial.dist(mu=1.0, alpha=1.0).logp(0).eval()
    array(-0.69314718)
    """

    params = {"mu": positive, "alpha": positive}
    alternatives = (
        Alternative({"n": positive, "p": unit}, lambda n, p: {"mu": n * (1.0 - p) / p, "alpha": n}),
    )
    support = natural

    def _shares(self):
        """p and 1 - p."""
        total = self.mu + self.alpha
        return self.alpha / total, self.mu / total

    def density(self, x):
        ways = -betaln(self.alpha, x + 1.0) - ew.log(x + self.alpha)
        return ways + times_log(x, self._shares()[1]) - self.alpha * ew.log1p(self.mu / self.alpha)

    def cumulative(self, x):
        return log_beta_below(self.alpha, x + 1.0, *self._shares())

    def survival(self, x):
        return log_beta_below(x + 1.0, self.alpha, *self._shares()[::-1])

    def draw(self, rng, size, mu, alpha):
        return rng.poisson(rng.gamma(alpha, mu / alpha, size))

    def mean(self):
        return self.mu

    def variance(self):
        return self.mu + self.mu * (self.mu / self.alpha)

    def point(self):
        return ew.floor(ew.minimum(self.mu, 2.0**52))


class Geometric(Distribution):
    """Trials up to the first success: p (1 - p)^(x - 1), for x = 1, 2, ...

    p is the probability of success, 0 < p <= 1.

    >>> Geometric.dist(p=0.5).logp(2).eval()
    array(-1.38629436)
    """

    params = {"p": chance}
    support = from_one

    def density(self, x):
        return times_log1m(x - 1.0, self.p) + ew.log(self.p)

    def cumulative(self, x):
        return ew.log1mexp(x * ew.log1p(-self.p))

    def survival(self, x):
        return x * ew.log1p(-self.p)

    def draw(self, rng, size, p):
        return rng.geometric(p, size)

    def mean(self):
        return 1.0 / self.p

    def variance(self):
        return (1.0 - self.p) / ew.sqr(self.p)

    def point(self):
        return ew.floor(ew.minimum(1.0 / self.p, 2.0**52))


class _SummedTails(Distribution):
    """Counts up to n whose tails have no closed form: sums over all of them, exact, in time and memory of order n."""

    def _both(self, x):
        """log P(X <= x) and log P(X > x): the smaller one a sum, the larger one what that lacks to 1."""
        counts = arange(ew.cast(reduce.max(self.n), "int64") + 1, dtype="float64")
        one = {name: shape_padright(getattr(self, name)) for name in self.params}
        masses = type(self).dist(**one).logp(counts)
        upto = counts <= shape_padright(x)
        below = reduce.logsumexp(ew.switch(upto, masses, -np.inf), axis=-1)
        above = reduce.logsumexp(ew.switch(upto, -np.inf, masses), axis=-1)
        left = below < above
        smaller = ew.log1mexp(ew.minimum(ew.switch(left, below, above), 0.0))
        return ew.switch(left, below, smaller), ew.switch(left, smaller, above)

    def cumulative(self, x):
        return self._both(x)[0]

    def survival(self, x):
        return self._both(x)[1]


class BetaBinomial(_SummedTails):
    """Successes in n trials whose probability is Beta's: (n over x) B(x + alpha, n - x + beta) / B(alpha, beta).

    alpha and beta are positive, n is an integer, at least 0; x = 0, 1, ..., n.

    >>> BetaBinomial.dist(alpha=1.0, beta=1.0, n=3).logp(2).eval()
    array(-1.38629436)
    """

    params = {"alpha": positive, "beta": positive, "n": natural}

    def prepare(self):
        self.support = integers_to(self.n)

    def density(self, x):
        failures = self.n - x
        mixed = betaln(x + self.alpha, failures + self.beta) - betaln(self.alpha, self.beta)
        return log_binomial(self.n, x) + mixed

    def draw(self, rng, size, alpha, beta, n):
        return rng.binomial(n.astype("int64"), rng.beta(alpha, beta, size))

    def mean(self):
        return self.n * (self.alpha / (self.alpha + self.beta))

    def variance(self):
        total = self.alpha + self.beta
        spread = self.n * (self.alpha / total) * (self.beta / total)
        return spread * ((total + self.n) / (total + 1.0))

    def point(self):
        return ew.floor(self.mean())


class HyperGeometric(_SummedTails):
    """Marked ones among n drawn without replacement from N of which k are: (k over x) (N - k over n - x) / (N over n).

    N, k and n are integers, k <= N and n <= N; x runs from max(0, n + k - N) to min(k, n).

    >>> HyperGeometric.dist(N=4, k=2, n=2).logp(1).eval()
    array(-0.40546511)
    """

    params = {"N": natural, "k": natural, "n": natural}

    def requirements(self):
        return [(self.k <= self.N, "k <= N"), (self.n <= self.N, "n <= N")]

    def prepare(self):
        self.support = Interval(
            "an integer from max(0, n + k - N) to min(k, n)",
            ew.maximum(0.0, self.n - (self.N - self.k)),
            ew.minimum(self.k, self.n),
            closed_lower=True,
            closed_upper=True,
            integers=True,
        )

    def density(self, x):
        rest = log_binomial(self.N - self.k, self.n - x)
        return log_binomial(self.k, x) + rest - log_binomial(self.N, self.n)

    def draw(self, rng, size, N, k, n):
        good, bad, taken = (v.astype("int64") for v in (k, N - k, n))
        return rng.hypergeometric(good, bad, taken, size)

    def mean(self):
        return self.n * (self.k / ew.maximum(self.N, 1.0))

    def variance(self):
        size = ew.maximum(self.N, 1.0)
        marked = (self.k / size) * ((self.N - self.k) / size)
        return self.n * marked * ((self.N - self.n) / ew.maximum(self.N - 1.0, 1.0))

    def point(self):
        return ew.maximum(ew.floor(self.mean()), self.support.lower)


class DiscreteUniform(Distribution):
    """The integers from lower to upper, each with probability 1 / (upper - lower + 1).

    lower and upper belong to them; what is not an integer is rounded down.

    >>> DiscreteUniform.dist(lower=1, upper=4).logp(3).eval()
    array(-1.38629436)
    """

    params = {"lower": real, "upper": real}
    defaults = {"lower": 0.0}
    positional = ("lower", "upper")

    def requirements(self):
        return [(ew.floor(self.lower) <= ew.floor(self.upper), "lower <= upper")]

    def prepare(self):
        self.support = Interval(
            "an integer from lower to upper",
            ew.floor(self.lower),
            ew.floor(self.upper),
            closed_lower=True,
            closed_upper=True,
            integers=True,
        )

    def _log_part(self, count):
        """The logarithm of a part of the integers, by what is missing where it is nearly all."""
        total = self.support.upper - self.support.lower + 1.0
        missing = ew.log1p(-(total - count) / total)
        return ew.switch(2.0 * count < total, ew.log(count) - ew.log(total), missing)

    def density(self, x):
        return ew.fill(x, -ew.log(self.support.upper - self.support.lower + 1.0))

    def cumulative(self, x):
        return self._log_part(x - self.support.lower + 1.0)

    def survival(self, x):
        return self._log_part(self.support.upper - x)

    def draw(self, rng, size, lower, upper):
        low, high = (np.floor(v).astype("int64") for v in (lower, upper))
        return rng.integers(low, high, size, endpoint=True)

    def mean(self):
        return 0.5 * self.support.lower + 0.5 * self.support.upper

    def variance(self):
        width = self.support.upper - self.support.lower
        return width * (width + 2.0) * (1 / 12)

    def point(self):
        return ew.floor(self.mean())


class DiscreteWeibull(Distribution):
    """Whole time units up to a failure: q^(x^beta) - q^((x + 1)^beta), for x = 0, 1, ...

    q is the probability to last one unit, 0 < q < 1, and beta the shape, positive. Nakagawa & Osaki, "The discrete
    Weibull distribution" (IEEE Transactions on Reliability, 1975).

    >>> DiscreteWeibull.dist(q=0.5, beta=1.0).logp(1).eval()
    array(-1.38629436)
    """

    params = {"q": unit, "beta": positive}
    support = natural

    def _log_hazard(self, x):
        """log(-log P(X >= x)), for x > 0."""
        return self.beta * ew.log(x) + ew.log(-ew.log(self.q))

    def density(self, x):
        # (x + 1)^beta - x^beta, as a multiple of the first: nothing cancels.
        at = ew.maximum(x, 1.0)
        log_step = ew.switch(x < 0.5, 0.0, ew.log1mexp(-self.beta * ew.log1p(1.0 / at)))
        reached = ew.switch(x < 0.5, 0.0, ew.exp(self._log_hazard(at)))
        return -reached + log1mexp_exp(self._log_hazard(x + 1.0) + log_step)

    def cumulative(self, x):
        return log1mexp_exp(self._log_hazard(x + 1.0))

    def survival(self, x):
        return -ew.exp(self._log_hazard(x + 1.0))

    def draw(self, rng, size, q, beta):
        time = (rng.exponential(size=size) / -np.log(q)) ** (1.0 / beta)
        return np.floor(np.minimum(time, 2.0**53 - 1)).astype("int64")

    def point(self):
        median = ew.exp((log(log(2.0)) - ew.log(-ew.log(self.q))) / self.beta)
        return ew.floor(ew.minimum(median, 2.0**52))


__all__ = [
    name
    for name, value in globals().items()
    if getattr(value, "__module__", "") == __name__ and name[0] != "_" and isinstance(value, type)
]
