"""Counts, and positive numbers, with zeros of their own: mixtures with a point at 0, and hurdles.

The idea worth knowing: each is made of another distribution of counts, `inner`, of whose kernels it makes its own.
"""

from __future__ import annotations

import numpy as np

from probgraph.distributions.base import Distribution
from probgraph.distributions.constraints import (
    integers_to,
    natural,
    nonnegative,
    positive,
    probability,
    real,
    unit,
)
from probgraph.distributions.counts import NegativeBinomial
from probgraph.distributions.discrete import Binomial, Poisson
from probgraph.distributions.half_line import Gamma, LogNormal
from probgraph.distributions.parameters import Alternative
from probgraph.distributions.special import log1p_over
from probgraph.engine.ops import elementwise as ew


class _OrZero(Distribution):
    """0 with probability 1 - psi, else a value of `inner`."""

    inner: Distribution

    def draw(self, rng, size, psi, **inner):
        return np.where(rng.random(size) < psi, self.inner.draw(rng, size, **inner), 0)

    def mean(self):
        return self.psi * self.inner.mean()

    def variance(self):
        mean = self.inner.mean()
        return self.psi * (self.inner.variance() + (1.0 - self.psi) * ew.sqr(mean))

    def point(self):
        return self.inner.point()


class _ZeroInflated(_OrZero):
    """0 with probability 1 - psi, else a count of `inner`, which may be 0 too."""

    def density(self, x):
        extra = ew.logaddexp(ew.log1p(-self.psi), ew.log(self.psi) + self.inner.density(ew.zeros_like(x)))
        return ew.switch(x > 0.5, ew.log(self.psi) + self.inner.density(x), extra)

    def cumulative(self, x):
        above = self.survival(x)
        below = ew.logaddexp(ew.log1p(-self.psi), ew.log(self.psi) + self.inner.cumulative(x))
        return ew.switch(above < -1.0, ew.log1mexp(ew.minimum(above, -1.0)), below)

    def survival(self, x):
        return ew.log(self.psi) + self.inner.survival(x)


class ZeroInflatedPoisson(_ZeroInflated):
    """Poisson counts, or 0 instead: (1 - psi) [x = 0] + psi mu^x exp(-mu) / x!, for x = 0, 1, ...

    psi is the share of Poisson counts, between 0 and 1, and mu their mean, at least 0. Lambert, "Zero-inflated Poisson
    regression" (Technometrics 1992).

    >>> ZeroInflatedPoisson.dist(psi=0.5, mu=2.0).logp(0).eval()
    array(-0.56621917)
    """

    params = {"psi": probability, "mu": nonnegative}
    support = natural

    def prepare(self):
        self.inner = Poisson.dist(mu=self.mu)


class ZeroInflatedBinomial(_ZeroInflated):
    """Binomial counts, or 0 instead: (1 - psi) [x = 0] + psi (n over x) p^x (1 - p)^(n - x), for x = 0, 1, ..., n.

    psi is the share of binomial counts and p the probability of success, between 0 and 1; n an integer, at least 0.
    Hall, "Zero-inflated Poisson and binomial regression with random effects" (Biometrics 2000).

    >>> ZeroInflatedBinomial.dist(psi=0.5, n=1, p=0.5).logp(1).eval()
    array(-1.38629436)
    """

    params = {"psi": probability, "n": natural, "p": probability}

    def prepare(self):
        self.support = integers_to(self.n)
        self.inner = Binomial.dist(n=self.n, p=self.p)


def _by_successes(psi, n, p):
    return {"psi": psi, "mu": n * (1.0 - p) / p, "alpha": n}


class ZeroInflatedNegativeBinomial(_ZeroInflated):
    """Negative binomial counts, or 0 instead: (1 - psi) [x = 0] + psi f(x), for x = 0, 1, ...

    psi is the share of such counts, between 0 and 1; f is NegativeBinomial's, of mu and alpha or of n and p, positive.

    >>> ZeroInflatedNegativeBinomial.dist(psi=0.5, mu=1.0, alpha=1.0).logp(1).eval()
    array(-2.07944154)
    """

    params = {"psi": probability, "mu": positive, "alpha": positive}
    alternatives = (Alternative({"psi": probability, "n": positive, "p": unit}, _by_successes),)
    support = natural

    def prepare(self):
        self.inner = NegativeBinomial.dist(mu=self.mu, alpha=self.alpha)


class _Hurdle(Distribution):
    """0 with probability 1 - psi, else a count of `inner` that is not 0."""

    inner: Distribution

    def _log_positive(self, x):
        return self.inner.survival(ew.zeros_like(x))

    def density(self, x):
        at = ew.maximum(x, 1.0)
        above = ew.log(self.psi) + self.inner.density(at) - self._log_positive(at)
        return ew.switch(x > 0.5, above, ew.log1p(-self.psi))

    def cumulative(self, x):
        above = self.survival(x)
        # P(0 < X <= x) / P(X > 0), from the side on which digits are left.
        rest = self.inner.survival(x) - self._log_positive(x)
        upto, at_zero = self.inner.cumulative(x), self.inner.cumulative(ew.zeros_like(x))
        few = upto + ew.log1mexp(ew.minimum(at_zero - upto, 0.0)) - self._log_positive(x)
        share = ew.switch(rest < -0.5, ew.log1mexp(ew.minimum(rest, -0.5)), few)
        below = ew.logaddexp(ew.log1p(-self.psi), ew.log(self.psi) + share)
        below = ew.switch(x > 0.5, below, ew.log1p(-self.psi))
        return ew.switch((above < -1.0) & (x > 0.5), ew.log1mexp(ew.minimum(above, -1.0)), below)

    def survival(self, x):
        return ew.log(self.psi) + ew.switch(x > 0.5, self.inner.survival(x) - self._log_positive(x), 0.0)

    def _positive_chance(self):
        return ew.exp(self._log_positive(self.inner.mean()))

    def mean(self):
        return self.psi * (self.inner.mean() / self._positive_chance())

    def variance(self):
        square = (self.inner.variance() + ew.sqr(self.inner.mean())) / self._positive_chance()
        return self.psi * square - ew.sqr(self.mean())

    def draw(self, rng, size, psi, **inner):
        chosen = rng.random(size) < psi
        counts = self.draw_positive(rng, size, **inner)
        return np.where(chosen, counts, 0)

    def point(self):
        return ew.maximum(self.inner.point(), 1.0)


class HurdlePoisson(_Hurdle):
    """0 with probability 1 - psi, else a Poisson count above 0: psi mu^x exp(-mu) / (x! (1 - exp(-mu))), x = 1, 2, ...

    psi is between 0 and 1, mu positive. Mullahy, "Specification and testing of some modified count data models"
    (Journal of Econometrics 1986).

    >>> HurdlePoisson.dist(psi=0.5, mu=2.0).logp(0).eval()
    array(-0.69314718)
    """

    params = {"psi": probability, "mu": positive}
    support = natural

    def prepare(self):
        self.inner = Poisson.dist(mu=self.mu)

    def _log_positive(self, x):
        return ew.log1mexp(-self.mu)

    def draw_positive(self, rng, size, mu):
        """One and what comes after the first event, whose time is of an exponential cut off at mu."""
        first = -np.log1p(rng.random(size) * np.expm1(-mu))
        return 1 + rng.poisson(np.maximum(mu - first, 0.0))


class HurdleNegativeBinomial(_Hurdle):
    """0 with probability 1 - psi, else a negative binomial count above 0: psi f(x) / (1 - f(0)), x = 1, 2, ...

    psi is between 0 and 1; f is NegativeBinomial's, of mu and alpha or of n and p, positive. Mullahy, "Specification and
    testing of some modified count data models" (Journal of Econometrics 1986).

    >>> HurdleNegativeBinomial.dist(psi=0.5, mu=1.0, alpha=1.0).logp(1).eval()
    array(-1.38629436)
    """

    params = {"psi": probability, "mu": positive, "alpha": positive}
    alternatives = (Alternative({"psi": probability, "n": positive, "p": unit}, _by_successes),)
    support = natural

    def prepare(self):
        self.inner = NegativeBinomial.dist(mu=self.mu, alpha=self.alpha)

    def _log_positive(self, x):
        ratio = self.mu / self.alpha
        many = ratio > 1e10
        few = self.mu * log1p_over(ew.switch(many, 1.0, ratio))
        return ew.log1mexp(-ew.switch(many, self.alpha * (ew.log(self.mu) - ew.log(self.alpha)), few))

    def draw_positive(self, rng, size, mu, alpha):
        """One and what comes after the first event before time 1 of a Pólya process, whose rate is Gamma's."""
        log_none = -alpha * np.log1p(mu / alpha)
        first = np.expm1(-np.log1p(rng.random(size) * np.expm1(log_none)) / alpha) * (alpha / mu)
        rate = rng.gamma(alpha + 1.0, 1.0, size) / (alpha / mu + first)
        return 1 + rng.poisson(rate * np.maximum(1.0 - first, 0.0))


class _ContinuousHurdle(_OrZero):
    """0 with probability 1 - psi, else a positive number of `inner`."""

    support = nonnegative
    atoms = True

    def density(self, x):
        positive_x = ew.switch(x > 0.0, x, 1.0)
        return ew.switch(x > 0.0, ew.log(self.psi) + self.inner.density(positive_x), ew.log1p(-self.psi))

    def cumulative(self, x):
        positive_x = ew.switch(x > 0.0, x, 1.0)
        above = self.survival(x)
        below = ew.logaddexp(ew.log1p(-self.psi), ew.log(self.psi) + self.inner.cumulative(positive_x))
        below = ew.switch(x > 0.0, below, ew.log1p(-self.psi))
        return ew.switch(above < -1.0, ew.log1mexp(ew.minimum(above, -1.0)), below)

    def quantile(self, q):
        share = (q - (1.0 - self.psi)) / self.psi
        inside = share > 0.0
        return ew.switch(inside, self.inner.quantile(ew.switch(inside, share, 0.5)), 0.0)

    def survival(self, x):
        positive_x = ew.switch(x > 0.0, x, 1.0)
        return ew.log(self.psi) + ew.switch(x > 0.0, self.inner.survival(positive_x), 0.0)


class HurdleGamma(_ContinuousHurdle):
    """0 with probability 1 - psi, else Gamma: psi beta^alpha x^(alpha - 1) exp(-beta x) / Γ(alpha), for x > 0.

    psi is between 0 and 1; alpha and beta are positive, or instead of them the mean mu and the standard deviation sigma
    of what is above 0.

    >>> HurdleGamma.dist(psi=0.5, alpha=1.0, beta=1.0).logp([0.0, 1.0]).eval()
    array([-0.69314718, -1.69314718])
    """

    params = {"psi": probability, "alpha": positive, "beta": positive}
    alternatives = (
        Alternative(
            {"psi": probability, "mu": positive, "sigma": positive},
            lambda psi, mu, sigma: {"psi": psi, "alpha": ew.sqr(mu / sigma), "beta": mu / ew.sqr(sigma)},
        ),
    )

    def prepare(self):
        self.inner = Gamma.dist(alpha=self.alpha, beta=self.beta)


class HurdleLogNormal(_ContinuousHurdle):
    """0 with probability 1 - psi, else LogNormal: psi exp(-(log x - mu)² / (2 sigma²)) / (x sigma √2π), for x > 0.

    psi is between 0 and 1; mu is real, 0 if not given, and sigma, or tau = 1 / sigma², positive, 1 if not given.

    >>> HurdleLogNormal.dist(psi=0.5, mu=0.0, sigma=1.0).logp([0.0, 1.0]).eval()
    array([-0.69314718, -1.61208571])
    """

    params = {"psi": probability, "mu": real, "sigma": positive}
    defaults = {"mu": 0.0, "sigma": 1.0}
    alternatives = (
        Alternative(
            {"psi": probability, "mu": real, "tau": positive},
            lambda psi, mu, tau: {"psi": psi, "mu": mu, "sigma": tau**-0.5},
        ),
    )

    def prepare(self):
        self.inner = LogNormal.dist(mu=self.mu, sigma=self.sigma)


__all__ = [
    name
    for name, value in globals().items()
    if getattr(value, "__module__", "") == __name__ and name[0] != "_" and isinstance(value, type)
]
