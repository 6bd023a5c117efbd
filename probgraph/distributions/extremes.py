"""Distributions of the greatest of many, and of what is beyond a threshold: one class each.

Parameters are numbers, or arrays of any shapes that broadcast. Formulas are those of Coles, "An Introduction to
Statistical Modeling of Extreme Values" (2001), if there is no other source.
"""

from __future__ import annotations

from math import log, pi

import numpy as np

from probgraph.distributions.base import Distribution
from probgraph.distributions.constraints import Interval, above, positive, real
from probgraph.distributions.normal_functions import HALF_LOG_TWO_PI, ROOT_HALF, normal_quantile
from probgraph.distributions.special import VAST, expm1_over, log1mexp_exp, stretched
from probgraph.engine.graph import Variable
from probgraph.engine.ops import elementwise as ew

VANISHED = -1000.0
"""Where exp(-z) is infinite, as a density's exponent: so far down that no z beyond needs another."""


ZETA = {2: pi**2 / 6, 3: 1.2020569031595943, 4: pi**4 / 90, 5: 1.0369277551433699}
"""Riemann's zeta function, of which the logarithm of the gamma function near 1 is a series."""


class Gumbel(Distribution):
    """Gumbel: exp(-z - exp(-z)) / beta, where z = (x - mu) / beta, for all real x.

    mu is the mode, real; beta the scale, positive.

    >>> Gumbel.dist(mu=0.0, beta=1.0).logp(0.0).eval()
    array(-1.)
    """

    params = {"mu": real, "beta": positive}
    defaults = {"mu": 0.0, "beta": 1.0}
    support = real

    def density(self, x):
        z = ew.maximum((x - self.mu) * (1.0 / self.beta), VANISHED)
        return -z - ew.exp(-z) - ew.log(self.beta)

    def cumulative(self, x):
        return -ew.exp((self.mu - x) / self.beta)

    def survival(self, x):
        return log1mexp_exp((self.mu - x) / self.beta)

    def quantile(self, q):
        return self.mu - self.beta * ew.log(-ew.log(q))

    def draw(self, rng, size, mu, beta):
        return rng.gumbel(mu, beta, size)

    def mean(self):
        return self.mu + np.euler_gamma * self.beta

    def variance(self):
        return (pi**2 / 6) * ew.sqr(self.beta)


class Frechet(Distribution):
    """Fréchet: (alpha / s) z^(-alpha - 1) exp(-z^-alpha), where z = (x - m) / s > 0.

    alpha is the shape and s the scale, both positive; m the least value, real.

    >>> Frechet.dist(alpha=1.0, s=1.0).logp(1.0).eval()
    array(-1.)
    """

    params = {"alpha": positive, "s": positive, "m": real}
    defaults = {"s": 1.0, "m": 0.0}

    def prepare(self):
        self.support = above(self.m)

    def _power(self, x):
        return -self.alpha * (ew.log(x - self.m) - ew.log(self.s))

    def density(self, x):
        power = self._power(x)
        return ew.log(self.alpha) - ew.log(x - self.m) + ew.minimum(power, VAST) - ew.exp(power)

    def cumulative(self, x):
        return -ew.exp(self._power(x))

    def survival(self, x):
        return log1mexp_exp(self._power(x))

    def quantile(self, q):
        return self.m + self.s * ew.pow(-ew.log(q), -1.0 / self.alpha)

    def draw(self, rng, size, alpha, s, m):
        return m + s * rng.exponential(size=size) ** (-1.0 / alpha)

    def mean(self):
        some = self.alpha > 1.0
        first = ew.gammaln(1.0 - 1.0 / ew.switch(some, self.alpha, 2.0))
        return ew.switch(some, self.m + self.s * ew.exp(first), np.inf)

    def variance(self):
        some = self.alpha > 2.0
        shape = ew.switch(some, self.alpha, 3.0)
        first, second = ew.gammaln(1.0 - 1.0 / shape), ew.gammaln(1.0 - 2.0 / shape)
        finite = ew.sqr(self.s) * ew.exp(2.0 * first) * ew.expm1(second - 2.0 * first)
        return ew.switch(some, finite, np.inf)

    def point(self):
        return self.quantile(0.5 + 0.0 * self.alpha)


class GenExtreme(Distribution):
    """Generalised extreme values: t^(xi + 1) exp(-t) / sigma, where t = (1 + xi z)^(-1 / xi), z = (x - mu) / sigma.

    It is where 1 + xi z > 0: all reals for xi = 0, where t = exp(-z). mu is the location, real; sigma the scale,
    positive; xi the shape, real: positive for a heavy upper tail (SciPy's c is -xi), negative for a greatest value.

    >>> GenExtreme.dist(mu=0.0, sigma=1.0, xi=0.5).logp(0.0).eval()
    array(-1.)
    """

    params = {"mu": real, "sigma": positive, "xi": real}
    defaults = {"mu": 0.0, "sigma": 1.0, "xi": 0.0}

    def prepare(self):
        end = self.mu - self.sigma / self.xi
        lower, upper = ew.switch(self.xi > 0.0, end, -np.inf), ew.switch(self.xi < 0.0, end, np.inf)
        self.support = Interval("where 1 + xi (x - mu) / sigma is positive", lower, upper)

    def _stretched(self, x):
        """-log t."""
        return stretched(x - self.mu, self.sigma, self.xi)

    def density(self, x):
        w = self._stretched(x)
        return -(self.xi + 1.0) * w - ew.exp(-w) - ew.log(self.sigma)

    def cumulative(self, x):
        return -ew.exp(-self._stretched(x))

    def survival(self, x):
        return log1mexp_exp(-self._stretched(x))

    def quantile(self, q):
        w = -ew.log(-ew.log(q))
        return self.mu + self.sigma * w * expm1_over(self.xi * w)

    def draw(self, rng, size, mu, sigma, xi):
        w = rng.gumbel(size=size)
        with np.errstate(all="ignore"):
            return mu + sigma * np.where(xi == 0, w, np.expm1(xi * w) / np.where(xi == 0, 1.0, xi))

    def mean(self):
        some = self.xi < 1.0
        xi = ew.switch(some, self.xi, 0.5)
        first = expm1_over(xi * _log_gamma_over(xi)) * _log_gamma_over(xi)
        return ew.switch(some, self.mu + self.sigma * first, np.inf)

    def variance(self):
        some = self.xi < 0.5
        xi = ew.switch(some, self.xi, 0.25)
        near = ew.abs(xi) < 1e-3
        flat, bent = ew.switch(near, xi, 0.0), ew.switch(near, 0.25, xi)
        first = xi * _log_gamma_over(xi)
        # log Γ(1 - 2 xi) - 2 log Γ(1 - xi), of which the first terms cancel.
        scaled = ZETA[2] + flat * (2 * ZETA[3] + flat * (7 / 2 * ZETA[4] + flat * (6 * ZETA[5])))
        excess = ew.gammaln(1.0 - 2.0 * bent) - 2.0 * ew.gammaln(1.0 - bent)
        spread = ew.switch(near, expm1_over(ew.sqr(flat) * scaled) * scaled, ew.expm1(excess) / ew.sqr(bent))
        return ew.switch(some, ew.sqr(self.sigma) * ew.exp(2.0 * first) * spread, np.inf)

    def point(self):
        return self.quantile(0.5 + 0.0 * self.mu)


def _log_gamma_over(xi: Variable) -> Variable:
    """log Γ(1 - xi) / xi, which is Euler's constant at xi = 0 (Abramowitz & Stegun 6.1.33)."""
    near = ew.abs(xi) < 1e-3
    flat, bent = ew.switch(near, xi, 0.0), ew.switch(near, 0.25, xi)
    series = np.euler_gamma + flat * (
        ZETA[2] / 2 + flat * (ZETA[3] / 3 + flat * (ZETA[4] / 4 + flat * ZETA[5] / 5))
    )
    return ew.switch(near, series, ew.gammaln(1.0 - bent) / bent)


class GenPareto(Distribution):
    """Generalised Pareto: (1 + xi z)^(-1 / xi - 1) / sigma, where z = (x - mu) / sigma >= 0.

    For xi = 0 it is exp(-z) / sigma, and for xi < 0 it ends at mu - sigma / xi. mu is the threshold, real; sigma the
    scale, positive; xi the shape, real.

    >>> GenPareto.dist(mu=0.0, sigma=1.0, xi=1.0).logp(1.0).eval()
    array(-1.38629436)
    """

    params = {"mu": real, "sigma": positive, "xi": real}
    defaults = {"mu": 0.0, "sigma": 1.0, "xi": 0.0}

    def prepare(self):
        end = ew.switch(self.xi < 0.0, self.mu - self.sigma / self.xi, np.inf)
        text = "at least mu, and where 1 + xi (x - mu) / sigma is positive"
        self.support = Interval(text, self.mu, end, closed_lower=True)

    def _stretched(self, x):
        return stretched(x - self.mu, self.sigma, self.xi)

    def density(self, x):
        return -(self.xi + 1.0) * self._stretched(x) - ew.log(self.sigma)

    def cumulative(self, x):
        return ew.log1mexp(-self._stretched(x))

    def survival(self, x):
        return -self._stretched(x)

    def quantile(self, q):
        w = -ew.log1p(-q)
        return self.mu + self.sigma * w * expm1_over(self.xi * w)

    def draw(self, rng, size, mu, sigma, xi):
        w = rng.exponential(size=size)
        with np.errstate(all="ignore"):
            return mu + sigma * np.where(xi == 0, w, np.expm1(xi * w) / np.where(xi == 0, 1.0, xi))

    def mean(self):
        return ew.switch(self.xi < 1.0, self.mu + self.sigma / (1.0 - self.xi), np.inf)

    def variance(self):
        finite = ew.sqr(self.sigma / (1.0 - self.xi)) / (1.0 - 2.0 * self.xi)
        return ew.switch(self.xi < 0.5, finite, np.inf)

    def point(self):
        return self.quantile(0.5 + 0.0 * self.mu)


class Moyal(Distribution):
    """Moyal: exp(-(z + exp(-z)) / 2) / (sigma √2π), where z = (x - mu) / sigma, for all real x.

    mu is the mode, real; sigma the scale, positive. Moyal, "Theory of ionization fluctuations" (Phil. Mag. 1955).

    >>> Moyal.dist(mu=0.0, sigma=1.0).logp(0.0).eval()
    array(-1.41893853)
    """

    params = {"mu": real, "sigma": positive}
    defaults = {"mu": 0.0, "sigma": 1.0}
    support = real

    def density(self, x):
        z = ew.maximum((x - self.mu) * (1.0 / self.sigma), VANISHED)
        return -0.5 * (z + ew.exp(-z)) - (ew.log(self.sigma) + HALF_LOG_TWO_PI)

    def cumulative(self, x):
        return ew.log_erfc(ew.exp(-0.5 * self._place(x)) * ROOT_HALF)

    def survival(self, x):
        z = self._place(x)
        t = ew.exp(-0.5 * ew.minimum(z, 100.0)) * ROOT_HALF
        tail = ew.switch(t < 0.5, ew.log(ew.erf(t)), ew.log1p(-ew.erfc(t)))
        return ew.switch(z < 100.0, tail, 0.5 * log(2 / pi) - 0.5 * z)

    def _place(self, x):
        return ew.maximum((x - self.mu) / self.sigma, VANISHED)

    def quantile(self, q):
        return self.mu - 2.0 * self.sigma * ew.log(normal_quantile(0.5 * (1.0 - q), 0.5 * q))

    def draw(self, rng, size, mu, sigma):
        return mu - sigma * np.log(rng.chisquare(1.0, size))

    def mean(self):
        return self.mu + (np.euler_gamma + log(2.0)) * self.sigma

    def variance(self):
        return (pi**2 / 2) * ew.sqr(self.sigma)


__all__ = [
    name
    for name, value in globals().items()
    if getattr(value, "__module__", "") == __name__ and name[0] != "_"
]
