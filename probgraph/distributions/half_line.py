"""Continuous distributions of one positive number: one class each.

Parameters are numbers, or arrays of any shapes that broadcast. Formulas without another source are those of Johnson,
Kotz & Balakrishnan, "Continuous Univariate Distributions" (2nd edition, 1994 and 1995).
"""

from __future__ import annotations

from math import log, pi, sqrt

import numpy as np

from probgraph.distributions.base import Distribution
from probgraph.distributions.constraints import above, from_on, nonnegative, positive, real
from probgraph.distributions.gamma_tails import (
    gamma_quantile,
    log_lower_gamma,
    log_upper_gamma,
    upper_gamma_quantile,
)
from probgraph.distributions.normal_functions import (
    HALF_LOG_TWO_PI,
    ROOT_HALF,
    log_normal_integral,
    normal_quantile,
    quantile,
)
from probgraph.distributions.parameters import Alternative
from probgraph.distributions.passages import log_passage_tails
from probgraph.distributions.special import betaln, log1mexp_exp, log1p_square, log_gamma_kernel
from probgraph.distributions.student_tails import log_student_middle, log_student_tail, student_distance
from probgraph.engine.graph import Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew


def _greatest(x: Variable) -> float:
    return float(np.finfo(x.dtype).max)


class HalfNormal(Distribution):
    """Normal with mean 0, cut to x >= 0: 2 exp(-(x / sigma)² / 2) / (sigma √2π).

    sigma is the scale, positive, or instead of it tau = 1 / sigma².

    >>> HalfNormal.dist(sigma=2.0).logp(-1.0).eval()
    array(-inf)
    """

    params = {"sigma": positive}
    defaults = {"sigma": 1.0}
    alternatives = (Alternative({"tau": positive}, lambda tau: {"sigma": tau**-0.5}),)
    support = nonnegative

    def density(self, x):
        return -0.5 * ew.sqr(x * (1.0 / self.sigma)) - (ew.log(self.sigma) + 0.5 * log(pi / 2))

    def cumulative(self, x):
        t = x / self.sigma * ROOT_HALF
        return ew.switch(t < 0.5, ew.log(ew.erf(t)), ew.log1p(-ew.erfc(t)))

    def survival(self, x):
        return ew.log_erfc(x / self.sigma * ROOT_HALF)

    def quantile(self, q):
        return self.sigma * normal_quantile(0.5 * q, 0.5 * (1.0 - q))

    def draw(self, rng, size, sigma):
        return np.abs(rng.normal(0.0, sigma, size))

    def mean(self):
        return self.sigma * sqrt(2 / pi)

    def variance(self):
        return ew.sqr(self.sigma) * (1 - 2 / pi)

    def point(self):
        return self.sigma


class LogNormal(Distribution):
    """exp of a Normal: exp(-z² / 2) / (x sigma √2π), where z = (log x - mu) / sigma, for x > 0.

    mu and sigma are those of log x, real and positive; instead of sigma also tau = 1 / sigma².

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

    def cumulative(self, x):
        return log_normal_integral((ew.log(x) - self.mu) / self.sigma)

    def survival(self, x):
        return log_normal_integral((self.mu - ew.log(x)) / self.sigma)

    def quantile(self, q):
        return ew.exp(self.mu + self.sigma * quantile(q))

    def draw(self, rng, size, mu, sigma):
        return rng.lognormal(mu, sigma, size)

    def mean(self):
        return ew.exp(self.mu + 0.5 * ew.sqr(self.sigma))

    def variance(self):
        square = ew.sqr(self.sigma)
        return ew.exp(2.0 * self.mu + square) * ew.expm1(square)

    def point(self):
        return ew.exp(self.mu)


class HalfStudentT(Distribution):
    """Student's t around 0, cut to x >= 0: 2 (1 + z² / nu)^(-(nu + 1) / 2) / (sigma √nu B(nu / 2, 1 / 2)), z = x / sigma.

    nu is the number of degrees of freedom, positive; sigma the scale, positive, or instead of it lam = 1 / sigma².

    >>> HalfStudentT.dist(nu=3, sigma=1.0).logp(0.0).eval()
    array(-0.30774167)
    """

    params = {"nu": positive, "sigma": positive}
    defaults = {"sigma": 1.0}
    alternatives = (
        Alternative({"nu": positive, "lam": positive}, lambda nu, lam: {"nu": nu, "sigma": lam**-0.5}),
    )
    support = nonnegative

    def density(self, x):
        z = x * (1.0 / self.sigma)
        constant = betaln(0.5 * self.nu, 0.5) + 0.5 * ew.log(self.nu) + (ew.log(self.sigma) - log(2.0))
        return -0.5 * (self.nu + 1.0) * log1p_square(z * (1.0 / ew.sqrt(self.nu))) - constant

    def cumulative(self, x):
        return log_student_middle(self.nu, x / self.sigma)

    def survival(self, x):
        z = x / self.sigma
        middle = log_student_middle(self.nu, z)
        return ew.switch(middle < -1.0, ew.log1mexp(ew.minimum(middle, -1.0)), log_student_tail(self.nu, z))

    def quantile(self, q):
        return self.sigma * student_distance(self.nu, 1.0 - q, q)

    def draw(self, rng, size, nu, sigma):
        return np.abs(sigma * rng.standard_t(nu, size))

    def mean(self):
        half = 0.5 * (self.nu - 1.0)
        factor = 2.0 * ew.sqrt(self.nu) / ((self.nu - 1.0) * ew.exp(betaln(0.5 * self.nu, 0.5)))
        return ew.switch(half > 0.0, self.sigma * factor, np.inf)

    def variance(self):
        second = ew.sqr(self.sigma) * self.nu / (self.nu - 2.0)
        return ew.switch(self.nu > 2.0, second - ew.sqr(self.mean()), np.inf)

    def point(self):
        return self.sigma


class HalfCauchy(Distribution):
    """Cauchy around 0, cut to x >= 0: 2 / (π beta (1 + (x / beta)²)).

    beta is the median, positive.

    >>> HalfCauchy.dist(beta=5.0).logp(0.0).eval()
    array(-2.06102062)
    """

    params = {"beta": positive}
    defaults = {"beta": 1.0}
    support = nonnegative

    def density(self, x):
        return -log1p_square(x * (1.0 / self.beta)) - (ew.log(self.beta) + log(pi / 2))

    def cumulative(self, x):
        return _log_part_of_right_angle(x, self.beta)

    def survival(self, x):
        return _log_part_of_right_angle(self.beta, x)

    def quantile(self, q):
        low, high = ew.tan(0.5 * pi * q), 1.0 / ew.tan(0.5 * pi * (1.0 - q))
        return self.beta * ew.switch(q < 0.5, low, high)

    def draw(self, rng, size, beta):
        return np.abs(beta * rng.standard_cauchy(size))

    def mean(self):
        return ew.fill(self.beta, np.inf)

    def variance(self):
        return ew.fill(self.beta, np.inf)

    def point(self):
        return self.beta


def _log_part_of_right_angle(y: Variable, x: Variable) -> Variable:
    """log of the angle whose tangent is y / x, in right angles: from the side where it is small."""
    small = ew.arctan2(ew.minimum(y, x), ew.maximum(y, x)) * (2 / pi)
    return ew.switch(y < x, ew.log(small), ew.log1p(-small))


class Exponential(Distribution):
    """Exponential: lam exp(-lam x), for x >= 0.

    lam is the rate, positive, or instead of it scale = 1 / lam, the mean.

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

    def draw(self, rng, size, lam):
        return rng.exponential(1.0 / lam, size)

    def mean(self):
        return 1.0 / self.lam

    def variance(self):
        return 1.0 / ew.sqr(self.lam)


def _gamma_from_moments(mu: Variable, sigma: Variable) -> dict[str, Variable]:
    return {"alpha": ew.sqr(mu / sigma), "beta": mu / ew.sqr(sigma)}


class Gamma(Distribution):
    """Gamma: beta^alpha x^(alpha - 1) exp(-beta x) / Γ(alpha), for x >= 0.

    alpha is the shape and beta the rate, both positive; or instead of them the mean mu and the standard deviation
    sigma, positive.

    >>> Gamma.dist(alpha=2.0, beta=1.0).logp(1.0).eval()
    array(-1.)
    """

    params = {"alpha": positive, "beta": positive}
    alternatives = (Alternative({"mu": positive, "sigma": positive}, _gamma_from_moments),)
    support = nonnegative

    def density(self, x):
        return log_gamma_kernel(self.alpha, self.beta, x)

    def cumulative(self, x):
        return log_lower_gamma(self.alpha, self.beta, x)

    def survival(self, x):
        return log_upper_gamma(self.alpha, self.beta, x)

    def quantile(self, q):
        return gamma_quantile(self.alpha, q) / self.beta

    def draw(self, rng, size, alpha, beta):
        return rng.gamma(alpha, 1.0 / beta, size)

    def mean(self):
        return self.alpha / self.beta

    def variance(self):
        return self.alpha / ew.sqr(self.beta)


class ChiSquared(Gamma):
    """Chi squared: x^(nu / 2 - 1) exp(-x / 2) / (2^(nu / 2) Γ(nu / 2)), for x >= 0.

    nu is the number of degrees of freedom, positive.

    >>> ChiSquared.dist(nu=2.0).logp(0.0).eval()
    array(-0.69314718)
    """

    params = {"nu": positive}
    alternatives = ()

    def prepare(self):
        self.alpha, self.beta = 0.5 * self.nu, as_variable(np.asarray(0.5, self.nu.dtype))

    def draw(self, rng, size, nu):
        return rng.chisquare(nu, size)


def _inverse_gamma_from_moments(mu: Variable, sigma: Variable) -> dict[str, Variable]:
    alpha = ew.sqr(mu / sigma) + 2.0
    return {"alpha": alpha, "beta": mu * (alpha - 1.0)}


class InverseGamma(Distribution):
    """1 / x of a Gamma: beta^alpha x^(-alpha - 1) exp(-beta / x) / Γ(alpha), for x > 0.

    alpha is the shape and beta the scale, both positive; or instead of them the mean mu and the standard deviation
    sigma, positive.

    >>> InverseGamma.dist(alpha=2.0, beta=1.0).logp(1.0).eval()
    array(-1.)
    """

    params = {"alpha": positive, "beta": positive}
    defaults = {"beta": 1.0}
    alternatives = (Alternative({"mu": positive, "sigma": positive}, _inverse_gamma_from_moments),)
    support = positive

    def density(self, x):
        return log_gamma_kernel(self.alpha, self.beta, self._inverse(x)) - 2.0 * ew.log(x)

    def _inverse(self, x):
        return ew.minimum(1.0 / x, _greatest(x))

    def cumulative(self, x):
        return log_upper_gamma(self.alpha, self.beta, self._inverse(x))

    def survival(self, x):
        return log_lower_gamma(self.alpha, self.beta, self._inverse(x))

    def quantile(self, q):
        return self.beta / upper_gamma_quantile(self.alpha, q)

    def draw(self, rng, size, alpha, beta):
        return beta / rng.gamma(alpha, 1.0, size)

    def mean(self):
        return ew.switch(self.alpha > 1.0, self.beta / (self.alpha - 1.0), np.inf)

    def variance(self):
        less = self.alpha - 1.0
        return ew.switch(self.alpha > 2.0, ew.sqr(self.beta / less) / (self.alpha - 2.0), np.inf)

    def point(self):
        return self.beta / (self.alpha + 1.0)


class Weibull(Distribution):
    """Weibull: alpha / beta (x / beta)^(alpha - 1) exp(-(x / beta)^alpha), for x >= 0.

    alpha is the shape and beta the scale, both positive.

    >>> Weibull.dist(alpha=2.0, beta=1.0).logp(1.0).eval()
    array(-0.30685282)
    """

    params = {"alpha": positive, "beta": positive}
    support = nonnegative

    def density(self, x):
        ratio = ew.minimum(x * (1.0 / self.beta), _greatest(x))
        power = ew.pow(ratio, self.alpha)
        return ew.log(self.alpha) - ew.log(self.beta) + ew.xlogy(self.alpha - 1.0, ratio) - power

    def cumulative(self, x):
        return log1mexp_exp(self.alpha * ew.log(x / self.beta))

    def survival(self, x):
        return -ew.pow(x / self.beta, self.alpha)

    def quantile(self, q):
        return self.beta * ew.pow(-ew.log1p(-q), 1.0 / self.alpha)

    def draw(self, rng, size, alpha, beta):
        return beta * rng.weibull(alpha, size)

    def mean(self):
        return self.beta * ew.exp(ew.gammaln(1.0 + 1.0 / self.alpha))

    def variance(self):
        first, second = ew.gammaln(1.0 + 1.0 / self.alpha), ew.gammaln(1.0 + 2.0 / self.alpha)
        return ew.sqr(self.beta) * ew.exp(2.0 * first) * ew.expm1(second - 2.0 * first)

    def point(self):
        return self.beta * ew.pow(log(2.0), 1.0 / self.alpha)


def _pareto_power(x: Variable, m: Variable) -> Variable:
    """log(x / m), with all its digits near m."""
    return ew.switch(x < 2.0 * m, ew.log1p((x - m) / m), ew.log(x) - ew.log(m))


class Pareto(Distribution):
    """Pareto: alpha m^alpha / x^(alpha + 1), for x >= m.

    alpha is the exponent and m the least value, both positive.

    >>> Pareto.dist(alpha=2.0, m=1.0).logp(2.0).eval()
    array(-1.38629436)
    """

    params = {"alpha": positive, "m": positive}

    def prepare(self):
        self.support = from_on(self.m)

    def density(self, x):
        return ew.log(self.alpha) - ew.log(x) - self.alpha * _pareto_power(x, self.m)

    def cumulative(self, x):
        return ew.log1mexp(-self.alpha * _pareto_power(x, self.m))

    def survival(self, x):
        return -self.alpha * _pareto_power(x, self.m)

    def quantile(self, q):
        return self.m * ew.exp(-ew.log1p(-q) / self.alpha)

    def draw(self, rng, size, alpha, m):
        return m * np.exp(rng.exponential(size=size) / alpha)

    def mean(self):
        return ew.switch(self.alpha > 1.0, self.m * self.alpha / (self.alpha - 1.0), np.inf)

    def variance(self):
        less = self.alpha - 1.0
        finite = self.alpha * ew.sqr(self.m / less) / (self.alpha - 2.0)
        return ew.switch(self.alpha > 2.0, finite, np.inf)

    def point(self):
        return self.m * ew.exp(log(2.0) / self.alpha)


class LogLogistic(Distribution):
    """exp of a Logistic: (beta / x) r / (1 + r)², where r = (x / alpha)^beta, for x > 0.

    alpha is the median and beta the shape, both positive.

    >>> LogLogistic.dist(alpha=1.0, beta=2.0).logp(1.0).eval()
    array(-0.69314718)
    """

    params = {"alpha": positive, "beta": positive}
    support = positive

    def density(self, x):
        z = self._power(x)
        return ew.log(self.beta) - ew.log(x) + (z - 2.0 * ew.softplus(z))

    def _power(self, x):
        return self.beta * (ew.log(x) - ew.log(self.alpha))

    def cumulative(self, x):
        return -ew.softplus(-self._power(x))

    def survival(self, x):
        return -ew.softplus(self._power(x))

    def quantile(self, q):
        return self.alpha * ew.exp((ew.log(q) - ew.log1p(-q)) / self.beta)

    def draw(self, rng, size, alpha, beta):
        return alpha * np.exp(rng.logistic(size=size) / beta)

    def mean(self):
        angle = pi / self.beta
        return ew.switch(self.beta > 1.0, self.alpha * angle / ew.sin(angle), np.inf)

    def variance(self):
        angle = pi / self.beta
        finite = 2.0 * angle / ew.sin(2.0 * angle) - ew.sqr(angle / ew.sin(angle))
        return ew.switch(self.beta > 2.0, ew.sqr(self.alpha) * finite, np.inf)

    def point(self):
        return self.alpha


class Wald(Distribution):
    """Wald, or inverse Gaussian: √(lam / (2π y³)) exp(-lam (y - mu)² / (2 mu² y)), where y = x - alpha > 0.

    mu is the mean of y and lam the shape, both positive; or phi = lam / mu instead of one of them; alpha the shift,
    at least 0.

    >>> Wald.dist(mu=1.0, lam=1.0).logp(1.0).eval()
    array(-0.91893853)
    """

    params = {"mu": positive, "lam": positive, "alpha": nonnegative}
    defaults = {"alpha": 0.0, "lam": 1.0}
    alternatives = (
        Alternative(
            {"mu": positive, "phi": positive, "alpha": nonnegative},
            lambda mu, phi, alpha: {"mu": mu, "lam": mu * phi, "alpha": alpha},
        ),
        Alternative(
            {"lam": positive, "phi": positive, "alpha": nonnegative},
            lambda lam, phi, alpha: {"mu": lam / phi, "lam": lam, "alpha": alpha},
        ),
    )

    def prepare(self):
        self.support = above(self.alpha)

    def density(self, x):
        y = x - self.alpha
        off = (y - self.mu) / self.mu
        distance = off * (off / y)
        return 0.5 * ew.log(self.lam) - HALF_LOG_TWO_PI - 1.5 * ew.log(y) - 0.5 * self.lam * distance

    def _tails(self, x):
        y = x - self.alpha
        root = ew.sqrt(self.lam / y)
        return log_passage_tails(root * ((y - self.mu) / self.mu), root * (y / self.mu + 1.0), 2.0 * root)

    def cumulative(self, x):
        return self._tails(x)[0]

    def survival(self, x):
        return self._tails(x)[1]

    def draw(self, rng, size, mu, lam, alpha):
        return alpha + rng.wald(mu, lam, size)

    def mean(self):
        return self.alpha + self.mu

    def variance(self):
        return self.mu * ew.sqr(self.mu) / self.lam


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
