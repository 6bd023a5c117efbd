"""Continuous distributions of one number between two bounds: one class each.

Parameters are numbers, or arrays of any shapes that broadcast. Formulas without another source are those of Johnson,
Kotz & Balakrishnan, "Continuous Univariate Distributions" (2nd edition, 1994 and 1995).
"""

from __future__ import annotations

from math import log

import numpy as np

from probgraph.distributions.base import Distribution
from probgraph.distributions.beta_tails import beta_quantile, log_beta_below
from probgraph.distributions.constraints import between, positive, real, unit
from probgraph.distributions.normal_functions import HALF_LOG_TWO_PI, log_normal_integral, quantile
from probgraph.distributions.parameters import Alternative
from probgraph.distributions.special import betaln, log1mexp_exp, times_log, times_log1m
from probgraph.engine.graph import Variable
from probgraph.engine.ops import elementwise as ew


def _beta_from_moments(mu: Variable, sigma: Variable) -> dict[str, Variable]:
    count = mu * (1.0 - mu) / ew.sqr(sigma) - 1.0
    return {"alpha": mu * count, "beta": (1.0 - mu) * count}


def _beta_from_count(mu: Variable, nu: Variable) -> dict[str, Variable]:
    return {"alpha": mu * nu, "beta": (1.0 - mu) * nu}


class Beta(Distribution):
    """Beta: x^(alpha - 1) (1 - x)^(beta - 1) / B(alpha, beta), for 0 < x < 1.

    alpha and beta are positive; instead of them the mean mu, between 0 and 1, with the standard deviation sigma, or with
    nu = alpha + beta.

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

    def cumulative(self, x):
        return log_beta_below(self.alpha, self.beta, x, 1.0 - x)

    def survival(self, x):
        return log_beta_below(self.beta, self.alpha, 1.0 - x, x)

    def quantile(self, q):
        return beta_quantile(self.alpha, self.beta, q)

    def draw(self, rng, size, alpha, beta):
        return rng.beta(alpha, beta, size)

    def mean(self):
        return self.alpha / (self.alpha + self.beta)

    def variance(self):
        total = self.alpha + self.beta
        return (self.alpha / total) * (self.beta / total) / (total + 1.0)


class Uniform(Distribution):
    """Uniform: 1 / (upper - lower), for lower <= x <= upper.

    lower and upper are real, lower < upper.

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

    def cumulative(self, x):
        return _log_part(x - self.lower, self.upper - x)

    def survival(self, x):
        return _log_part(self.upper - x, x - self.lower)

    def quantile(self, q):
        return self.lower + (self.upper - self.lower) * q

    def draw(self, rng, size, lower, upper):
        return rng.uniform(lower, upper, size)

    def mean(self):
        return 0.5 * self.lower + 0.5 * self.upper

    def variance(self):
        return ew.sqr(self.upper - self.lower) * (1 / 12)


def _log_part(a: Variable, b: Variable) -> Variable:
    """log(a / (a + b)) of nonnegative numbers, with the digits that it has near 0."""
    whole = a + b
    return ew.switch(a < b, ew.log(a) - ew.log(whole), ew.log1p(-b / whole))


class Triangular(Distribution):
    """Triangular: from 0 at lower in a straight line to 2 / (upper - lower) at c, and back to 0 at upper.

    lower <= c <= upper are real, lower < upper.

    >>> Triangular.dist(lower=0.0, upper=1.0, c=0.5).logp(0.25).eval()
    array(0.)
    """

    params = {"lower": real, "upper": real, "c": real}
    defaults = {"lower": 0.0, "upper": 1.0, "c": 0.5}

    def prepare(self):
        self.support = between(self.lower, self.upper)

    def requirements(self):
        ordered = (self.lower <= self.c) & (self.c <= self.upper)
        return [(ordered, "lower <= c <= upper"), (self.lower < self.upper, "lower < upper")]

    def density(self, x):
        rising, falling = x < self.c, x > self.c
        height = ew.switch(rising, x - self.lower, ew.switch(falling, self.upper - x, 1.0))
        side = ew.switch(rising, self.c - self.lower, ew.switch(falling, self.upper - self.c, 1.0))
        return ew.log(height) - ew.log(side) + (log(2.0) - ew.log(self.upper - self.lower))

    def cumulative(self, x):
        return self._side(x - self.lower, self.upper - x, self.c - self.lower, self.upper - self.c)

    def survival(self, x):
        return self._side(self.upper - x, x - self.lower, self.upper - self.c, self.c - self.lower)

    def _side(self, a, b, near, far):
        """log of the probability within a of one end, b from the other; the peak is `near` and `far` from them."""
        width = near + far
        rising = a <= near
        low = 2.0 * ew.log(ew.switch(rising, a, 1.0)) - ew.log(ew.switch(rising, near, 1.0)) - ew.log(width)
        past = ew.switch(rising, 0.0, a - near)
        beyond = ew.switch(rising, 1.0, far)
        rest = ew.sqr(ew.switch(rising, 0.0, b)) / (width * beyond)
        # What is near 0 for a peak at this end is a sum of positive parts.
        part = (beyond * near + past * (2.0 * beyond - past)) / (width * beyond)
        return ew.switch(rising, low, ew.switch(rest < 0.5, ew.log1p(-rest), ew.log(part)))

    def quantile(self, q):
        width, left, right = self.upper - self.lower, self.c - self.lower, self.upper - self.c
        low = self.lower + ew.sqrt(q * width * left)
        return ew.switch(q * width < left, low, self.upper - ew.sqrt((1.0 - q) * width * right))

    def draw(self, rng, size, lower, upper, c):
        return rng.triangular(lower, c, upper, size)

    def mean(self):
        return (self.lower + self.upper + self.c) / 3.0

    def variance(self):
        width = self.upper - self.lower
        return (ew.sqr(width) - (self.upper - self.c) * (self.c - self.lower)) * (1 / 18)


class Kumaraswamy(Distribution):
    """Kumaraswamy: a b x^(a - 1) (1 - x^a)^(b - 1), for 0 < x < 1.

    a and b are positive. Jones, "Kumaraswamy's distribution" (Statistical Methodology 2009).

    >>> Kumaraswamy.dist(a=1.0, b=2.0).logp(0.5).eval()
    array(0.)
    """

    params = {"a": positive, "b": positive}
    support = unit

    def density(self, x):
        log_x = ew.log(x)
        rest = ew.log1mexp(self.a * log_x)
        return ew.log(self.a) + ew.log(self.b) + (self.a - 1.0) * log_x + (self.b - 1.0) * rest

    def cumulative(self, x):
        power = self.a * ew.log(x)
        return ew.switch(
            power < -37.0, log1mexp_exp(ew.log(self.b) + power), ew.log1mexp(self.b * ew.log1mexp(power))
        )

    def survival(self, x):
        return self.b * ew.log1mexp(self.a * ew.log(x))

    def quantile(self, q):
        return ew.exp(ew.log1mexp(ew.log1p(-q) / self.b) / self.a)

    def draw(self, rng, size, a, b):
        return np.exp(np.log(-np.expm1(-rng.exponential(size=size) / b)) / a)

    def mean(self):
        return self._moment(1.0)

    def variance(self):
        return self._moment(2.0) - ew.sqr(self._moment(1.0))

    def _moment(self, order):
        return self.b * ew.exp(betaln(1.0 + order / self.a, self.b))

    def point(self):
        return self.quantile(0.5 + 0.0 * self.b)


class LogitNormal(Distribution):
    """The sigmoid of a Normal: exp(-z² / 2) / (x (1 - x) sigma √2π), z = (logit x - mu) / sigma, for 0 < x < 1.

    mu and sigma are those of logit x = log(x / (1 - x)), real and positive; instead of sigma also tau = 1 / sigma².
    Atchison & Shen, "Logistic-normal distributions" (Biometrika 1980).

    >>> LogitNormal.dist(mu=0.0, sigma=1.0).logp(0.5).eval()
    array(0.46735583)
    """

    params = {"mu": real, "sigma": positive}
    defaults = {"mu": 0.0, "sigma": 1.0}
    alternatives = (
        Alternative({"mu": real, "tau": positive}, lambda mu, tau: {"mu": mu, "sigma": tau**-0.5}),
    )
    support = unit

    def density(self, x):
        log_x, log_rest = ew.log(x), ew.log1p(-x)
        z = (log_x - log_rest - self.mu) * (1.0 / self.sigma)
        return -0.5 * ew.sqr(z) - log_x - log_rest - (ew.log(self.sigma) + HALF_LOG_TWO_PI)

    def cumulative(self, x):
        return log_normal_integral((ew.log(x) - ew.log1p(-x) - self.mu) / self.sigma)

    def survival(self, x):
        return log_normal_integral((self.mu + ew.log1p(-x) - ew.log(x)) / self.sigma)

    def quantile(self, q):
        return ew.sigmoid(self.mu + self.sigma * quantile(q))

    def draw(self, rng, size, mu, sigma):
        with np.errstate(over="ignore"):
            return 1.0 / (1.0 + np.exp(-rng.normal(mu, sigma, size)))

    def point(self):
        return ew.sigmoid(self.mu)


class LogUniform(Distribution):
    """exp of a Uniform: 1 / (x log(upper / lower)), for lower <= x <= upper.

    lower and upper are positive, lower < upper.

    >>> LogUniform.dist(lower=1.0, upper=10.0).logp(1.0).eval()
    array(-0.83403245)
    """

    params = {"lower": positive, "upper": positive}

    def prepare(self):
        self.support = between(self.lower, self.upper)

    def requirements(self):
        return [(self.lower < self.upper, "lower < upper")]

    def density(self, x):
        return -ew.log(x) - ew.log(_log_ratio(self.upper, self.lower))

    def cumulative(self, x):
        return _log_part(_log_ratio(x, self.lower), _log_ratio(self.upper, x))

    def survival(self, x):
        return _log_part(_log_ratio(self.upper, x), _log_ratio(x, self.lower))

    def quantile(self, q):
        return self.lower * ew.exp(q * _log_ratio(self.upper, self.lower))

    def draw(self, rng, size, lower, upper):
        return np.exp(rng.uniform(np.log(lower), np.log(upper), size))

    def mean(self):
        return (self.upper - self.lower) / _log_ratio(self.upper, self.lower)

    def variance(self):
        width = _log_ratio(self.upper, self.lower)
        second = (self.upper - self.lower) * (self.upper + self.lower) / (2.0 * width)
        # sinh(w) / w - 2 (cosh(w) - 1) / w², as the series that it is when these are nearly equal.
        w = ew.sqr(ew.minimum(width, 0.5))
        series = w * (1 / 12 + w * (1 / 180 + w * (1 / 6720 + w * (1 / 453600 + w * (10 / 479001600)))))
        return ew.switch(width < 0.5, self.lower * self.upper * series, second - ew.sqr(self.mean()))


def _log_ratio(x: Variable, y: Variable) -> Variable:
    """log(x / y) for x >= y > 0, with all its digits where they are close."""
    return ew.switch(x < 2.0 * y, ew.log1p((x - y) / y), ew.log(x) - ew.log(y))


__all__ = [
    name
    for name, value in globals().items()
    if getattr(value, "__module__", "") == __name__ and name[0] != "_"
]
