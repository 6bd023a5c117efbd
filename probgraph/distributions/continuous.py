"""Continuous distributions of one number: one class each.

Scales enter as their reciprocal, (x - mu) * (1 / sigma), so that a scale shared by many points is inverted
once; logarithms of constants fold into one number.
"""

from __future__ import annotations

from math import log, pi

import numpy as np

from probgraph.distributions.base import Distribution
from probgraph.distributions.constraints import between, nonnegative, positive, real, unit
from probgraph.distributions.parameters import Alternative
from probgraph.distributions.special import betaln, times_log, times_log1m
from probgraph.engine.graph import Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew

HALF_LOG_TWO_PI = 0.5 * log(2 * pi)


class Normal(Distribution):
    """Normal: exp(-((x - mu) / sigma)² / 2) / (sigma √2π), with tau = 1 / sigma² instead of sigma if you like.

    >>> Normal.dist(mu=0.0, sigma=2.0).logp(1.0).eval()
    array(-1.73708571)
    """

    params = {"mu": real, "sigma": positive}
    defaults = {"mu": 0.0, "sigma": 1.0}
    alternatives = (
        Alternative({"mu": real, "tau": positive}, lambda mu, tau: {"mu": mu, "sigma": tau**-0.5}),
    )
    support = real

    def density(self, x):
        z = (x - self.mu) * (1.0 / self.sigma)
        return -0.5 * ew.sqr(z) - (ew.log(self.sigma) + HALF_LOG_TWO_PI)

    def draw(self, rng, size, mu, sigma):
        return rng.normal(mu, sigma, size)

    def point(self):
        return self.mu


class HalfNormal(Distribution):
    """Normal with mean 0, cut to x >= 0: 2 exp(-(x / sigma)² / 2) / (sigma √2π); or tau = 1 / sigma².

    >>> HalfNormal.dist(sigma=2.0).logp(-1.0).eval()
    array(-inf)
    """

    params = {"sigma": positive}
    defaults = {"sigma": 1.0}
    alternatives = (Alternative({"tau": positive}, lambda tau: {"sigma": tau**-0.5}),)
    support = nonnegative

    def density(self, x):
        return -0.5 * ew.sqr(x * (1.0 / self.sigma)) - (ew.log(self.sigma) + 0.5 * log(pi / 2))

    def draw(self, rng, size, sigma):
        return np.abs(rng.normal(0.0, sigma, size))

    def point(self):
        return self.sigma


class LogNormal(Distribution):
    """exp of a Normal with mu and sigma (or tau = 1 / sigma²): Normal's density at log x, divided by x.

    >>> LogNormal.dist(mu=0.0, sigma=1.0).logp(1.0).eval()
    array(-0.91893853)
    """

    params = {"mu": real, "sigma": positive}
    defaults = {"mu": 0.0, "sigma": 1.0}
    alternatives = (
        Alternative({"mu": real, "tau": positive}, lambda mu, tau: {"mu": mu, "sigma": tau**-0.5}),
    )
    support = positive

    def density(self, x):
        log_x = ew.log(x)
        z = (log_x - self.mu) * (1.0 / self.sigma)
        return -0.5 * ew.sqr(z) - log_x - (ew.log(self.sigma) + HALF_LOG_TWO_PI)

    def draw(self, rng, size, mu, sigma):
        return rng.lognormal(mu, sigma, size)

    def point(self):
        return ew.exp(self.mu)


class StudentT(Distribution):
    """Student's t with nu degrees of freedom, location mu and scale sigma (or lam = 1 / sigma²).

    Its density is (1 + z² / nu)^(-(nu + 1) / 2) / (sigma √nu B(nu / 2, 1 / 2)), where z = (x - mu) / sigma.

    >>> StudentT.dist(nu=3, mu=0.0, sigma=1.0).logp(0.0).eval()
    array(-1.00088885)
    """

    params = {"nu": positive, "mu": real, "sigma": positive}
    defaults = {"mu": 0.0, "sigma": 1.0}
    alternatives = (
        Alternative(
            {"nu": positive, "mu": real, "lam": positive},
            lambda nu, mu, lam: {"nu": nu, "mu": mu, "sigma": lam**-0.5},
        ),
    )
    support = real

    def density(self, x):
        z = (x - self.mu) * (1.0 / self.sigma)
        constant = betaln(0.5 * self.nu, 0.5) + 0.5 * ew.log(self.nu) + ew.log(self.sigma)
        return -0.5 * (self.nu + 1.0) * ew.log1p(ew.sqr(z) * (1.0 / self.nu)) - constant

    def draw(self, rng, size, nu, mu, sigma):
        return mu + sigma * rng.standard_t(nu, size)

    def point(self):
        return self.mu


class Cauchy(Distribution):
    """Cauchy with location alpha and scale beta: 1 / (π beta (1 + z²)), where z = (x - alpha) / beta.

    >>> Cauchy.dist(alpha=0.0, beta=1.0).logp(0.0).eval()
    array(-1.14472989)
    """

    params = {"alpha": real, "beta": positive}
    defaults = {"alpha": 0.0, "beta": 1.0}
    support = real

    def density(self, x):
        z = (x - self.alpha) * (1.0 / self.beta)
        return -ew.log1p(ew.sqr(z)) - (ew.log(self.beta) + log(pi))

    def draw(self, rng, size, alpha, beta):
        return alpha + beta * rng.standard_cauchy(size)

    def point(self):
        return self.alpha


class HalfCauchy(Distribution):
    """Cauchy around 0 with scale beta, cut to x >= 0: 2 / (π beta (1 + (x / beta)²)).

    >>> HalfCauchy.dist(beta=5.0).logp(0.0).eval()
    array(-2.06102062)
    """

    params = {"beta": positive}
    defaults = {"beta": 1.0}
    support = nonnegative

    def density(self, x):
        return -ew.log1p(ew.sqr(x * (1.0 / self.beta))) - (ew.log(self.beta) + log(pi / 2))

    def draw(self, rng, size, beta):
        return np.abs(beta * rng.standard_cauchy(size))

    def point(self):
        return self.beta


class Exponential(Distribution):
    """Exponential with rate lam (or scale = 1 / lam, the mean): lam exp(-lam x).

    >>> Exponential.dist(lam=2.0).logp(1.0).eval()
    array(-1.30685282)
    """

    params = {"lam": positive}
    defaults = {"lam": 1.0}
    alternatives = (Alternative({"scale": positive}, lambda scale: {"lam": 1.0 / scale}),)
    support = nonnegative

    def density(self, x):
        return ew.log(self.lam) - self.lam * x

    def cumulative(self, x):
        return ew.log1mexp(-self.lam * x)

    def survival(self, x):
        return -self.lam * x

    def quantile(self, q):
        return -ew.log1p(-q) / self.lam

    def mean(self):
        return 1.0 / self.lam

    def variance(self):
        return 1.0 / ew.sqr(self.lam)

    def draw(self, rng, size, lam):
        return rng.exponential(1.0 / lam, size)

    def point(self):
        return 1.0 / self.lam


def _gamma_from_moments(mu: Variable, sigma: Variable) -> dict[str, Variable]:
    return {"alpha": ew.sqr(mu / sigma), "beta": mu / ew.sqr(sigma)}


class Gamma(Distribution):
    """Gamma with shape alpha and rate beta (or mean mu and standard deviation sigma).

    Its density is beta^alpha x^(alpha - 1) exp(-beta x) / Γ(alpha).

    >>> Gamma.dist(alpha=2.0, beta=1.0).logp(1.0).eval()
    array(-1.)
    """

    params = {"alpha": positive, "beta": positive}
    alternatives = (Alternative({"mu": positive, "sigma": positive}, _gamma_from_moments),)
    support = nonnegative

    def density(self, x):
        constant = self.alpha * ew.log(self.beta) - ew.gammaln(self.alpha)
        return times_log(self.alpha - 1.0, x) - self.beta * x + constant

    def draw(self, rng, size, alpha, beta):
        return rng.gamma(alpha, 1.0 / beta, size)

    def point(self):
        return self.alpha / self.beta


def _beta_from_moments(mu: Variable, sigma: Variable) -> dict[str, Variable]:
    count = mu * (1.0 - mu) / ew.sqr(sigma) - 1.0
    return {"alpha": mu * count, "beta": (1.0 - mu) * count}


def _beta_from_count(mu: Variable, nu: Variable) -> dict[str, Variable]:
    return {"alpha": mu * nu, "beta": (1.0 - mu) * nu}


class Beta(Distribution):
    """Beta on 0 to 1: x^(alpha - 1) (1 - x)^(beta - 1) / B(alpha, beta).

    Instead of alpha and beta: the mean mu with the standard deviation sigma, or with nu = alpha + beta.

    >>> Beta.dist(alpha=2.0, beta=2.0).logp(0.5).eval()
    array(0.40546511)
    """

    params = {"alpha": positive, "beta": positive}
    alternatives = (
        Alternative({"mu": unit, "sigma": positive}, _beta_from_moments, safe=False),
        Alternative({"mu": unit, "nu": positive}, _beta_from_count),
    )
    support = unit

    def density(self, x):
        powers = times_log(self.alpha - 1.0, x) + times_log1m(self.beta - 1.0, x)
        return powers - betaln(self.alpha, self.beta)

    def draw(self, rng, size, alpha, beta):
        return rng.beta(alpha, beta, size)

    def point(self):
        return self.alpha / (self.alpha + self.beta)


class Uniform(Distribution):
    """Uniform from lower to upper, both included: 1 / (upper - lower).

    >>> Uniform.dist(lower=0.0, upper=4.0).logp(1.0).eval()
    array(-1.38629436)
    """

    params = {"lower": real, "upper": real}
    defaults = {"lower": 0.0, "upper": 1.0}

    def prepare(self):
        self.support = between(self.lower, self.upper)

    def requirements(self):
        return [(self.lower < self.upper, "lower < upper")]

    def density(self, x):
        return ew.fill(x, -ew.log(self.upper - self.lower))

    def draw(self, rng, size, lower, upper):
        return rng.uniform(lower, upper, size)

    def point(self):
        return 0.5 * self.lower + 0.5 * self.upper


class Flat(Distribution):
    """The constant density 1 on all of R: an improper prior that leaves a parameter to the data.

    >>> Flat.dist().logp(3.0).eval()
    array(0.)
    """

    support = real

    def density(self, x):
        return ew.zeros_like(x)

    def draw(self, rng, size):
        raise NotImplementedError(
            "Flat is improper: it has no draws. Give a wide Normal, e.g. Normal(0, 100)"
        )

    def point(self):
        return as_variable(0.0)


class HalfFlat(Distribution):
    """The constant density 1 on x >= 0: an improper prior for a scale.

    >>> HalfFlat.dist().logp(-1.0).eval()
    array(-inf)
    """

    support = nonnegative

    def density(self, x):
        return ew.zeros_like(x)

    def draw(self, rng, size):
        raise NotImplementedError("HalfFlat is improper: it has no draws. Give a wide HalfNormal instead")

    def point(self):
        return as_variable(1.0)


__all__ = [
    name
    for name, value in globals().items()
    if getattr(value, "__module__", "") == __name__ and name[0] != "_"
]
