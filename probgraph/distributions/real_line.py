"""Continuous distributions of one number on the whole real line: one class each.

Parameters are numbers, or arrays of any shapes that broadcast. Scales enter as their reciprocal,
(x - mu) * (1 / sigma), so that a scale shared by many points is inverted once; logarithms of constants fold into one
number. Formulas without another source are those of Johnson, Kotz & Balakrishnan, "Continuous Univariate
Distributions" (2nd edition, 1994 and 1995).
"""

from __future__ import annotations

from math import log, pi, sqrt

import numpy as np

from probgraph.distributions.base import Distribution
from probgraph.distributions.constraints import positive, real, unit
from probgraph.distributions.normal_functions import (
    HALF_LOG_TWO_PI,
    log_half_erfcx,
    log_normal_integral,
    mills_slope,
    quantile,
)
from probgraph.distributions.parameters import Alternative
from probgraph.distributions.quadrature import average, integral
from probgraph.distributions.skewed import log_kept_and_rest
from probgraph.distributions.special import betaln, log1p_square
from probgraph.distributions.student_tails import log_student_tail, student_distance
from probgraph.engine.graph import Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew


class Normal(Distribution):
    """Normal: exp(-z² / 2) / (sigma √2π), where z = (x - mu) / sigma, for all real x.

    mu is the mean, real; sigma the standard deviation, positive, or instead of it tau = 1 / sigma².

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

    def cumulative(self, x):
        return log_normal_integral((x - self.mu) / self.sigma)

    def survival(self, x):
        return log_normal_integral((self.mu - x) / self.sigma)

    def quantile(self, q):
        return self.mu + self.sigma * quantile(q)

    def draw(self, rng, size, mu, sigma):
        return rng.normal(mu, sigma, size)

    def mean(self):
        return self.mu

    def variance(self):
        return ew.sqr(self.sigma)


class StudentT(Distribution):
    """Student's t: (1 + z² / nu)^(-(nu + 1) / 2) / (sigma √nu B(nu / 2, 1 / 2)), z = (x - mu) / sigma, for all real x.

    nu is the number of degrees of freedom, positive; mu the location, real; sigma the scale, positive, or instead of
    it lam = 1 / sigma².

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
        return -0.5 * (self.nu + 1.0) * log1p_square(z * (1.0 / ew.sqrt(self.nu))) - constant

    def _below(self, z):
        tail = log_student_tail(self.nu, z) - log(2.0)
        return ew.switch(z < 0.0, tail, ew.log1mexp(tail))

    def cumulative(self, x):
        return self._below((x - self.mu) / self.sigma)

    def survival(self, x):
        return self._below((self.mu - x) / self.sigma)

    def quantile(self, q):
        low = q < 0.5
        outside, middle = (
            ew.switch(low, 2.0 * q, 2.0 * (1.0 - q)),
            ew.switch(low, 1.0 - 2.0 * q, 2.0 * q - 1.0),
        )
        z = student_distance(self.nu, outside, middle)
        return self.mu + self.sigma * ew.switch(low, -z, z)

    def draw(self, rng, size, nu, mu, sigma):
        return mu + sigma * rng.standard_t(nu, size)

    def mean(self):
        return ew.switch(self.nu > 1.0, self.mu, np.nan)

    def variance(self):
        beyond = ew.switch(self.nu > 1.0, np.inf, np.nan)
        return ew.switch(self.nu > 2.0, ew.sqr(self.sigma) * self.nu / (self.nu - 2.0), beyond)

    def point(self):
        return self.mu


class Cauchy(Distribution):
    """Cauchy: 1 / (π beta (1 + z²)), where z = (x - alpha) / beta, for all real x.

    alpha is the median, real; beta half the distance between the quartiles, positive. It has no mean.

    >>> Cauchy.dist(alpha=0.0, beta=1.0).logp(0.0).eval()
    array(-1.14472989)
    """

    params = {"alpha": real, "beta": positive}
    defaults = {"alpha": 0.0, "beta": 1.0}
    support = real

    def density(self, x):
        z = (x - self.alpha) * (1.0 / self.beta)
        return -log1p_square(z) - (ew.log(self.beta) + log(pi))

    def cumulative(self, x):
        return _log_angle((x - self.alpha) / self.beta)

    def survival(self, x):
        return _log_angle((self.alpha - x) / self.beta)

    def quantile(self, q):
        # The tangent is exact where its angle is small: at each end, the angle from there.
        low = -1.0 / ew.tan(pi * q)
        high = 1.0 / ew.tan(pi * (1.0 - q))
        return self.alpha + self.beta * ew.switch(q < 0.5, low, high)

    def draw(self, rng, size, alpha, beta):
        return alpha + beta * rng.standard_cauchy(size)

    def mean(self):
        return ew.fill(self.alpha, np.nan)

    def variance(self):
        return ew.fill(self.beta, np.nan)

    def point(self):
        return self.alpha


def _log_angle(z: Variable) -> Variable:
    """log(1 / 2 + arctan(z) / π), by the angle that is small in each tail."""
    small = ew.arctan2(1.0, ew.abs(z)) * (1.0 / pi)
    return ew.switch(z < 0.0, ew.log(small), ew.log1p(-small))


class Laplace(Distribution):
    """Laplace: exp(-|x - mu| / b) / 2b, for all real x.

    mu is the mean and the median, real; b the mean distance from it, positive.

    >>> Laplace.dist(mu=0.0, b=1.0).logp(-2.0).eval()
    array(-2.69314718)
    """

    params = {"mu": real, "b": positive}
    defaults = {"mu": 0.0, "b": 1.0}
    support = real

    def density(self, x):
        return -ew.abs(x - self.mu) * (1.0 / self.b) - (ew.log(self.b) + log(2.0))

    def cumulative(self, x):
        return self._side((x - self.mu) / self.b)

    def survival(self, x):
        return self._side((self.mu - x) / self.b)

    def _side(self, z):
        return ew.switch(z < 0.0, z - log(2.0), ew.log1p(-0.5 * ew.exp(-ew.abs(z))))

    def quantile(self, q):
        return self.mu + self.b * ew.switch(q < 0.5, ew.log(2.0 * q), -ew.log(2.0 * (1.0 - q)))

    def draw(self, rng, size, mu, b):
        return rng.laplace(mu, b, size)

    def mean(self):
        return self.mu

    def variance(self):
        return 2.0 * ew.sqr(self.b)


def _asymmetry(q: Variable) -> Variable:
    return ew.sqrt(q / (1.0 - q))


class AsymmetricLaplace(Distribution):
    """Asymmetric Laplace: b exp(-d kappa) / (kappa + 1 / kappa) where d = (x - mu) b >= 0, with exp(d / kappa) below.

    It is for all real x. kappa is the asymmetry, positive (1: none), or instead of it q = kappa² / (1 + kappa²), the
    probability below mu; mu the mode, real; b the inverse of the scale, positive.
    Kotz, Kozubowski & Podgórski, "The Laplace Distribution and Generalizations" (2001).

    >>> AsymmetricLaplace.dist(kappa=2.0, mu=0.0, b=1.0).logp(0.0).eval()
    array(-0.91629073)
    """

    params = {"kappa": positive, "mu": real, "b": positive}
    defaults = {"mu": 0.0, "b": 1.0}
    alternatives = (
        Alternative(
            {"q": unit, "mu": real, "b": positive},
            lambda q, mu, b: {"kappa": _asymmetry(q), "mu": mu, "b": b},
        ),
    )
    support = real

    def density(self, x):
        d = (x - self.mu) * self.b
        slope = ew.switch(d < 0.0, 1.0 / self.kappa, -self.kappa)
        log_kappa = ew.log(self.kappa)
        return d * slope + (ew.log(self.b) + log_kappa - ew.softplus(2.0 * log_kappa))

    def cumulative(self, x):
        return self._side((x - self.mu) * self.b, self.kappa)

    def survival(self, x):
        return self._side((self.mu - x) * self.b, 1.0 / self.kappa)

    def _side(self, d, kappa):
        """log P(X <= mu + d / b)."""
        log_kappa = ew.log(kappa)
        below = ew.minimum(d, 0.0) / kappa - ew.softplus(-2.0 * log_kappa)
        above = ew.log1mexp(-kappa * ew.maximum(d, 0.0) - ew.softplus(2.0 * log_kappa))
        return ew.switch(d < 0.0, below, above)

    def quantile(self, q):
        log_kappa = ew.log(self.kappa)
        low = self.kappa * (ew.log(q) + ew.softplus(-2.0 * log_kappa))
        high = -(ew.log1p(-q) + ew.softplus(2.0 * log_kappa)) / self.kappa
        return self.mu + ew.switch(ew.log(q) < -ew.softplus(-2.0 * log_kappa), low, high) / self.b

    def draw(self, rng, size, kappa, mu, b):
        up, down = rng.exponential(size=size) / kappa, rng.exponential(size=size) * kappa
        return mu + (up - down) / b

    def mean(self):
        return self.mu + (1.0 / self.kappa - self.kappa) / self.b

    def variance(self):
        return (ew.sqr(1.0 / self.kappa) + ew.sqr(self.kappa)) / ew.sqr(self.b)

    def point(self):
        return self.mu


class Logistic(Distribution):
    """Logistic: exp(-z) / (s (1 + exp(-z))²), where z = (x - mu) / s, for all real x.

    mu is the mean, real; s the scale, positive.

    >>> Logistic.dist(mu=0.0, s=1.0).logp(0.0).eval()
    array(-1.38629436)
    """

    params = {"mu": real, "s": positive}
    defaults = {"mu": 0.0, "s": 1.0}
    support = real

    def density(self, x):
        z = ew.abs(x - self.mu) * (1.0 / self.s)
        return -z - 2.0 * ew.log1p(ew.exp(-z)) - ew.log(self.s)

    def cumulative(self, x):
        return -ew.softplus((self.mu - x) / self.s)

    def survival(self, x):
        return -ew.softplus((x - self.mu) / self.s)

    def quantile(self, q):
        return self.mu + self.s * (ew.log(q) - ew.log1p(-q))

    def draw(self, rng, size, mu, s):
        return rng.logistic(mu, s, size)

    def mean(self):
        return self.mu

    def variance(self):
        return (pi**2 / 3) * ew.sqr(self.s)


class SkewNormal(Distribution):
    """Skew normal: 2 φ(z) Φ(alpha z) / sigma, where z = (x - mu) / sigma, for all real x.

    φ and Φ are the standard normal's density and integral. alpha is the skewness, real (0: none); mu the location, real;
    sigma the scale, positive, or instead of it tau = 1 / sigma².
    Azzalini, "A class of distributions which includes the normal ones" (Scand. J. Statistics 1985).

    >>> SkewNormal.dist(alpha=0.0, mu=0.0, sigma=1.0).logp(0.0).eval()
    array(-0.91893853)
    """

    params = {"alpha": real, "mu": real, "sigma": positive}
    defaults = {"alpha": 1.0, "mu": 0.0, "sigma": 1.0}
    alternatives = (
        Alternative(
            {"alpha": real, "mu": real, "tau": positive},
            lambda alpha, mu, tau: {"alpha": alpha, "mu": mu, "sigma": tau**-0.5},
        ),
    )
    support = real

    def density(self, x):
        z = (x - self.mu) * (1.0 / self.sigma)
        constant = ew.log(self.sigma) + (HALF_LOG_TWO_PI - log(2.0))
        return -0.5 * ew.sqr(z) + log_normal_integral(self.alpha * z) - constant

    def survival(self, x):
        return self._tails(x)[1]

    def cumulative(self, x):
        return self._tails(x)[0]

    def _tails(self, x):
        """log P(X <= x) and log P(X > x): on each side of mu it is the other's tail with the skewness turned."""
        z = (x - self.mu) * (1.0 / self.sigma)
        right = z >= 0.0
        beyond, rest = log_kept_and_rest(ew.switch(right, z, -z), ew.switch(right, self.alpha, -self.alpha))
        return ew.switch(right, rest, beyond), ew.switch(right, beyond, rest)

    def draw(self, rng, size, alpha, mu, sigma):
        # One normal, with its sign given by another: the sign is kept where the other is below alpha times it.
        z = rng.normal(size=size)
        return mu + sigma * np.where(rng.normal(size=size) < alpha * z, z, -z)

    def mean(self):
        return self.mu + self.sigma * self._shift()

    def variance(self):
        return ew.sqr(self.sigma) * (1.0 - ew.sqr(self._shift()))

    def _shift(self):
        return sqrt(2 / pi) * self.alpha / ew.sqrt(1.0 + ew.sqr(self.alpha))


class ExGaussian(Distribution):
    """A Normal plus an Exponential: exp(s (s / 2 - z)) Φ(z - s) / nu, z = (x - mu) / sigma, s = sigma / nu, for all real x.

    Φ is the standard normal's integral. mu and sigma are the normal's mean and standard deviation, real and positive; nu
    is the exponential's mean, positive. Luce, "Response Times" (1986), appendix.

    >>> ExGaussian.dist(mu=0.0, sigma=1.0, nu=1.0).logp(0.0).eval()
    array(-1.34102165)
    """

    params = {"mu": real, "sigma": positive, "nu": positive}
    defaults = {"mu": 0.0}
    support = real

    def density(self, x):
        z, s = (x - self.mu) * (1.0 / self.sigma), self.sigma / self.nu
        u = s - z
        # Two ways to write it, each without large parts that cancel on its side.
        left = -0.5 * ew.sqr(z) + log_half_erfcx(ew.maximum(u, 0.0))
        far = ew.isinf(z)
        lead = s * (0.5 * s - ew.switch(far, 0.0, z))
        lead = ew.switch(far, 0.5 * ew.sqr(s) - (x - self.mu) / self.nu, lead)
        right = lead + log_normal_integral(-ew.minimum(u, 0.0))
        return ew.switch(u > 0.0, left, right) - ew.log(self.nu)

    def survival(self, x):
        z = (x - self.mu) / self.sigma
        # The normal is beyond x, or the exponential leads there.
        return ew.minimum(ew.logaddexp(log_normal_integral(-z), self.density(x) + ew.log(self.nu)), 0.0)

    def cumulative(self, x):
        z, s = (x - self.mu) / self.sigma, self.sigma / self.nu
        above = self.survival(x)
        # What is left of the normal's integral; both are nearly the same where s is small, and an integral over s is not.
        narrow = s < 2.0
        log_normal, led = log_normal_integral(z), self.density(x) + ew.log(self.nu)
        # Far out on the left without the square that both have.
        out = ew.minimum(z, 0.0)
        nearer = log_half_erfcx(-out)
        inside = z < 0.0
        fall = ew.switch(inside, log_half_erfcx(s - out) - nearer, led - log_normal)
        fall = ew.switch(narrow, -1.0, ew.minimum(fall, -1e-300))  # what is not asked for spoils no gradient
        plain = ew.switch(inside, nearer - 0.5 * ew.sqr(out), log_normal) + ew.log1mexp(fall)
        left = z <= 0.5 * s
        width = ew.switch(narrow, s, 0.5)
        start = ew.switch(left, -z, 0.0)
        inner = average(lambda v, start: mills_slope(start + v), width, start)
        below = -0.5 * ew.sqr(z) - HALF_LOG_TWO_PI + ew.log(width) + ew.log(inner)
        most = above < -1.0
        at = ew.switch(left | most, width, z)
        passed = integral(lambda v, at: ew.exp(-0.5 * ew.sqr(at - v)), width, at)
        gone = ew.log1mexp(ew.minimum(width * (0.5 * width - at), 0.0)) + log_normal_integral(at - width)
        beside = ew.logaddexp(ew.log(ew.maximum(passed, 1e-300)) - HALF_LOG_TWO_PI, gone)
        result = ew.switch(narrow, ew.switch(left, below, beside), plain)
        return ew.switch(most, ew.log1mexp(ew.minimum(above, -1.0)), result)

    def draw(self, rng, size, mu, sigma, nu):
        return rng.normal(mu, sigma, size) + rng.exponential(nu, size)

    def mean(self):
        return self.mu + self.nu

    def variance(self):
        return ew.sqr(self.sigma) + ew.sqr(self.nu)


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


__all__ = [
    name
    for name, value in globals().items()
    if getattr(value, "__module__", "") == __name__ and name[0] != "_"
]
