"""One row for each distribution: parameters to try, points to try, and its log density in mpmath and SciPy.

The formulas here are the textbooks', evaluated with 60 digits; they share nothing with the library.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import mpmath as mp
import numpy as np
import scipy.stats as st
from event_table import MODULES as EVENTS
from mpmath.calculus.quadrature import GaussLegendre

import probgraph.distributions as pd
from probgraph.distributions import Distribution

mp.mp.dps = 60
#: files of distributions made of others, of points and of series, which have tests of their own
COMBINATORS = (
    "points",
    "mixtures",
    "truncated",
    "censored",
    "custom",
    "series",
    "formulas",
    "random_walks",
    "autoregressions",
)

REAL_LINE = (-1e8, -30.0, -1.3, 0.0, 1e-10, 0.3, 2.0, 50.0, 1e8)
HALF_LINE = (1e-300, 1e-8, 0.2, 1.0, 7.5, 300.0, 1e6)
COUNTS = (0, 1, 3, 20, 150, 100_000)


@dataclass(frozen=True)
class Row:
    """`exact(x, **params)` is the log density in mpmath; `scipy(**params)` a frozen distribution or None.

    `cdf` and `ccdf` are P(X <= x) and P(X > x) in mpmath, exact in the tails; None where the library has none.
    `moments` are the mean and the variance where SciPy has none.
    """

    params: tuple[dict[str, Any], ...]
    points: tuple[float, ...]
    outside: tuple[float, ...]
    exact: Callable[..., Any]
    scipy: Callable[..., Any] | None
    cdf: Callable[..., Any] | None = None
    ccdf: Callable[..., Any] | None = None
    moments: Callable[..., tuple[float, float]] | None = None
    alternatives: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = field(default=())


def _normal(x, mu, sigma):
    return -(((x - mu) / sigma) ** 2) / 2 - mp.log(sigma) - mp.log(2 * mp.pi) / 2


def _normal_below(x, mu, sigma):
    return mp.erfc((mu - x) / sigma / mp.sqrt(2)) / 2


def _skew_normal(x, alpha, mu, sigma):
    return mp.log(2) + _normal(x, mu, sigma) + mp.log(_normal_below(alpha * (x - mu) / sigma, 0, 1))


#: 48 places between -1 and 1 with their weights
_GAUSS = GaussLegendre(mp.mp).calc_nodes(5, 200)


def _along(density, low, high, places):
    """The integral of a density between two points, in pieces: `places` are where it turns, each with a width there."""
    ends = {low, high}
    for place, width in places:
        ends |= {place + side * width * far for side in (-1, 1) for far in (0, 2, 6, 14, 30, 62)}
    ends = sorted(end for end in ends if low <= end <= high)
    total = mp.mpf(0)
    for start, end in itertools.pairwise(ends):
        middle, half = (start + end) / 2, (end - start) / 2
        total += half * sum(weight * density(middle + half * place) for place, weight in _GAUSS)
    return total


def _skew_normal_below(x, alpha, mu, sigma):
    z = (x - mu) / sigma
    step = 1 / (1 + abs(z) + (alpha**2 * abs(z) if alpha * z < 0 else 0))
    places = [(z, step), (mp.mpf(0), 1 / (1 + abs(alpha)))]
    density = lambda t: mp.npdf(t) * mp.erfc(-alpha * t / mp.sqrt(2))
    return _along(density, min(z, 0) - 25, z, places)


def _skew_normal_above(x, alpha, mu, sigma):
    return _skew_normal_below(-x, -alpha, -mu, sigma)


def _exgaussian(x, mu, sigma, nu):
    z, s = (x - mu) / sigma, sigma / nu
    return s * (s / 2 - z) + mp.log(_normal_below(z - s, 0, 1)) - mp.log(nu)


def _exgaussian_above(x, mu, sigma, nu):
    return _normal_below(-x, -mu, sigma) + nu * mp.exp(_exgaussian(x, mu, sigma, nu))


def _exgaussian_below(x, mu, sigma, nu):
    return _normal_below(x, mu, sigma) - nu * mp.exp(_exgaussian(x, mu, sigma, nu))


def _wald_below(x, mu, lam, alpha):
    y = x - alpha
    root = mp.sqrt(lam / y)
    back = mp.exp(2 * lam / mu) * _normal_below(-root * (y / mu + 1), 0, 1)
    return _normal_below(root * (y / mu - 1), 0, 1) + back


def _wald_above(x, mu, lam, alpha):
    y = x - alpha
    root = mp.sqrt(lam / y)
    back = mp.exp(2 * lam / mu) * _normal_below(-root * (y / mu + 1), 0, 1)
    return _normal_below(-root * (y / mu - 1), 0, 1) - back


def _student(x, nu, mu, sigma):
    z = (x - mu) / sigma
    constant = mp.loggamma((nu + 1) / 2) - mp.loggamma(nu / 2) - mp.log(nu * mp.pi) / 2 - mp.log(sigma)
    return constant - (nu + 1) / 2 * mp.log(1 + z * z / nu)


def _cauchy(x, alpha, beta):
    return -mp.log(mp.pi * beta * (1 + ((x - alpha) / beta) ** 2))


def _gamma(x, alpha, beta):
    return alpha * mp.log(beta) + (alpha - 1) * mp.log(x) - beta * x - mp.loggamma(alpha)


def _gamma_below(x, alpha, beta):
    return mp.gammainc(alpha, 0, beta * x, regularized=True)


def _gamma_above(x, alpha, beta):
    """By Legendre's continued fraction where mpmath's sum of two large parts needs thousands of digits."""
    y = beta * x
    if y < alpha + 30 * mp.sqrt(alpha) + 100:
        return mp.gammainc(alpha, y, regularized=True)
    fraction = y - alpha
    for n in range(400, 0, -1):
        fraction = y - alpha + 2 * n - 1 + n * (alpha - n) / fraction
    return mp.exp(alpha * mp.log(y) - y - mp.loggamma(alpha)) / fraction


def _cauchy_below(x, alpha, beta):
    """P(X <= x), without subtracting from 1."""
    angle = mp.atan(beta / abs(x - alpha)) / mp.pi if x != alpha else mp.mpf(1) / 2
    return angle if x <= alpha else 1 - angle


def _half_cauchy(x, beta):
    return 2 * mp.atan(x / beta) / mp.pi


def _laplace_below(x, mu, b):
    z = (x - mu) / b
    return mp.exp(z) / 2 if z < 0 else 1 - mp.exp(-z) / 2


def _asymmetric_laplace(x, kappa, mu, b):
    d = (x - mu) * b
    return mp.log(b / (kappa + 1 / kappa)) + (d / kappa if d < 0 else -d * kappa)


def _asymmetric_laplace_below(x, kappa, mu, b):
    d = (x - mu) * b
    if d < 0:
        return kappa**2 / (1 + kappa**2) * mp.exp(d / kappa)
    return 1 - mp.exp(-d * kappa) / (1 + kappa**2)


def _logistic(x, mu, s):
    z = (x - mu) / s
    return -z - mp.log(s) - 2 * mp.log(1 + mp.exp(-z))


def _logistic_below(x, mu, s):
    return 1 / (1 + mp.exp(-(x - mu) / s))


def _gumbel(x, mu, beta):
    z = (x - mu) / beta
    return -z - mp.exp(-z) - mp.log(beta)


def _gumbel_below(x, mu, beta):
    return mp.exp(-mp.exp(-(x - mu) / beta))


def _weibull(x, alpha, beta):
    return mp.log(alpha / beta) + (alpha - 1) * mp.log(x / beta) - (x / beta) ** alpha


def _loglogistic(x, alpha, beta):
    r = (x / alpha) ** beta
    return mp.log(beta / x) + mp.log(r) - 2 * mp.log(1 + r)


def _inverse_gamma(x, alpha, beta):
    return alpha * mp.log(beta) - (alpha + 1) * mp.log(x) - beta / x - mp.loggamma(alpha)


def _wald(x, mu, lam, alpha):
    y = x - alpha
    return mp.log(lam / (2 * mp.pi * y**3)) / 2 - lam * (y - mu) ** 2 / (2 * mu**2 * y)


def _pareto(x, alpha, m):
    return mp.log(alpha) + alpha * mp.log(m) - (alpha + 1) * mp.log(x)


def _frechet(x, alpha, s, m):
    z = (x - m) / s
    return mp.log(alpha / s) - (1 + alpha) * mp.log(z) - z ** (-alpha)


def _gev_t(x, mu, sigma, xi):
    z = (x - mu) / sigma
    return mp.exp(-z) if xi == 0 else (1 + xi * z) ** (-1 / xi)


def _gpd_below(x, mu, sigma, xi):
    z = (x - mu) / sigma
    return -mp.expm1(-z if xi == 0 else -mp.log1p(xi * z) / xi)


def _gev(x, mu, sigma, xi):
    t = _gev_t(x, mu, sigma, xi)
    return -mp.log(sigma) + (xi + 1) * mp.log(t) - t


def _gev_moments(mu, sigma, xi):
    if xi == 0:
        return float(mu + sigma * mp.euler), float(sigma**2 * mp.pi**2 / 6)
    xi = mp.mpf(xi)
    first, second = (mp.gamma(1 - i * xi) for i in (1, 2))
    return float(mu + sigma * (first - 1) / xi), float((sigma / xi) ** 2 * (second - first**2))


def _log_uniform_moments(lower, upper):
    low, high = mp.mpf(lower), mp.mpf(upper)
    width = mp.log(high / low)
    first, second = (high - low) / width, (high**2 - low**2) / (2 * width)
    return float(first), float(second - first**2)


def _moyal(x, mu, sigma):
    z = (x - mu) / sigma
    return -(z + mp.exp(-z)) / 2 - mp.log(2 * mp.pi) / 2 - mp.log(sigma)


def _triangular(x, lower, upper, c):
    if x == c:
        return mp.log(2 / (upper - lower))
    height = (x - lower) / (c - lower) if x < c else (upper - x) / (upper - c)
    return mp.log(2 / (upper - lower) * height) if height else -mp.inf


def _triangular_below(x, lower, upper, c):
    if x <= c:
        return (x - lower) ** 2 / ((upper - lower) * (c - lower)) if x > lower else mp.mpf(0)
    return 1 - (upper - x) ** 2 / ((upper - lower) * (upper - c))


def _kumaraswamy(x, a, b):
    return mp.log(a * b) + (a - 1) * mp.log(x) + (b - 1) * mp.log(1 - x**a)


def _kumaraswamy_moments(a, b):
    first, second = (b * mp.beta(1 + i / mp.mpf(a), b) for i in (1, 2))
    return float(first), float(second - first**2)


def _logit_normal(x, mu, sigma):
    return _normal(mp.log(x / (1 - x)), mu, sigma) - mp.log(x) - mp.log(1 - x)


def _log_beta(a, b):
    return mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)


def _beta(x, alpha, beta):
    return (alpha - 1) * mp.log(x) + (beta - 1) * mp.log(1 - x) - _log_beta(alpha, beta)


def _beta_below(x, alpha, beta):
    """By the hypergeometric series of the side that is nearer to its end (DLMF 8.17.8)."""
    if x > alpha / (alpha + beta):
        return 1 - _beta_below(1 - x, beta, alpha)
    term, total, n = mp.mpf(1), mp.mpf(1), 0
    while term > total * mp.mpf(10) ** -70:
        term *= (alpha + beta + n) / (alpha + 1 + n) * x
        total, n = total + term, n + 1
    front = alpha * mp.log(x) + beta * mp.log(1 - x) - _log_beta(alpha, beta)
    return mp.exp(front) / alpha * total


def _beta_above(x, alpha, beta):
    return _beta_below(1 - x, beta, alpha)


def _binomial(x, n, p):
    ways = mp.loggamma(n + 1) - mp.loggamma(x + 1) - mp.loggamma(n - x + 1)
    return ways + x * mp.log(p) + (n - x) * mp.log(1 - p)


def _mass_below(x, log_mass, ratio, low=0):
    """P(X <= x) by summing downwards from x; `ratio` is p(k + 1) / p(k)."""
    k = int(x)
    term, total = mp.exp(log_mass(mp.mpf(k))), mp.mpf(0)
    while k >= low and (term > total * mp.mpf(10) ** -65 or not total):
        total += term
        k -= 1
        term = term / ratio(k) if k >= low else term
    return total


def _mass_above(x, log_mass, ratio, high=mp.inf):
    """P(X > x) by summing upwards."""
    k = int(x) + 1
    if k > high:
        return mp.mpf(0)
    term, total = mp.exp(log_mass(mp.mpf(k))), mp.mpf(0)
    while k <= high and (term > total * mp.mpf(10) ** -65 or ratio(k) > 1):
        total += term
        term, k = term * ratio(k), k + 1
    return total


def _tails(log_mass, ratio, low=lambda **p: 0, high=lambda **p: mp.inf):
    """P(X <= x) and P(X > x) of integers: that sum which falls away from x, and what it lacks to 1."""

    def both(x, params):
        mass = (lambda k: log_mass(k, **params)), (lambda k: ratio(k, **params))
        if x + 1 > high(**params):
            return mp.mpf(1), mp.mpf(0)
        if ratio(int(x), **params) < 1:
            above = _mass_above(x, *mass, high(**params))
            return 1 - above, above
        below = _mass_below(x, *mass, low(**params))
        return below, 1 - below

    return (lambda x, **params: both(x, params)[0]), (lambda x, **params: both(x, params)[1])


class _Masses:
    """A distribution of integers that SciPy does not have, by its masses from `low` on, as its frozen ones are."""

    dist = st.bernoulli

    def __init__(self, log_mass, low=0, count=4000):
        self.low = low
        with mp.workdps(30):
            self.log_masses = np.array([float(log_mass(mp.mpf(k))) for k in range(low, low + count)])
        self.total = np.cumsum(np.exp(self.log_masses))
        assert abs(self.total[-1] - 1) < 1e-10

    def cdf(self, x):
        at = np.floor(np.asarray(x, dtype="float64")) - self.low
        return np.where(at < 0, 0.0, self.total[np.clip(at, 0, len(self.total) - 1).astype(int)])

    def ppf(self, q):
        return np.searchsorted(self.total, np.asarray(q) * (1 - 1e-13)) + float(self.low)

    def logpmf(self, x):
        return self.log_masses[np.asarray(x).astype(int) - self.low]

    def mean(self):
        return float(np.exp(self.log_masses) @ np.arange(self.low, self.low + len(self.total)))

    def var(self):
        squares = (np.arange(self.low, self.low + len(self.total)) - self.mean()) ** 2
        return float(np.exp(self.log_masses) @ squares)


def _poisson(x, mu):
    return x * mp.log(mu) - mu - mp.loggamma(x + 1)


def _negative_binomial(x, mu, alpha):
    ways = mp.loggamma(x + alpha) - mp.loggamma(alpha) - mp.loggamma(x + 1)
    return ways + alpha * mp.log(alpha / (mu + alpha)) + x * mp.log(mu / (mu + alpha))


def _log_ways(n, k):
    return mp.loggamma(n + 1) - mp.loggamma(k + 1) - mp.loggamma(n - k + 1)


def _hyper_geometric(x, N, k, n):
    return _log_ways(k, x) + _log_ways(N - k, n - x) - _log_ways(N, n)


def _sums(log_mass, bounds):
    """P(X <= x) and P(X > x) of finitely many integers, mass by mass."""

    def summed(x, above, params):
        low, high = (int(b) for b in bounds(**params))
        chosen = range(max(int(x) + 1, low), high + 1) if above else range(low, min(int(x), high) + 1)
        return mp.fsum(mp.exp(log_mass(mp.mpf(j), **params)) for j in chosen)

    return (lambda x, **params: summed(x, False, params)), (lambda x, **params: summed(x, True, params))


def _beta_binomial(x, alpha, beta, n):
    return _log_ways(n, x) + _log_beta(x + alpha, n - x + beta) - _log_beta(alpha, beta)


def _discrete_weibull(x, q, beta):
    return mp.log(q ** (x**beta) - q ** ((x + 1) ** beta))


_POISSON_TAILS = _tails(_poisson, lambda k, mu: mu / (k + 1))
_BINOMIAL_TAILS = _tails(
    lambda x, n, p: _binomial(x, n, p),
    lambda k, n, p: (n - k) / (k + 1) * p / (1 - p),
    high=lambda n, p: n,
)
_NEGATIVE_BINOMIAL_TAILS = _tails(
    _negative_binomial, lambda k, mu, alpha: (k + alpha) / (k + 1) * mu / (mu + alpha)
)


def _inflated(log_mass):
    """The log density of a mixture with a point at 0."""

    def mixed(x, psi, **params):
        inner = psi * mp.exp(log_mass(x, **params))
        return mp.log(inner + (0 if x else 1 - psi))

    return mixed


def _inflated_tails(tails):
    below, above = tails
    return (
        lambda x, psi, **params: 1 - psi + psi * below(x, **params),
        lambda x, psi, **params: psi * above(x, **params),
    )


def _hurdle_poisson(x, psi, mu):
    return mp.log(psi) + _poisson(x, mu) - mp.log(-mp.expm1(-mu)) if x else mp.log(1 - psi)


def _hurdle_negative_binomial(x, psi, mu, alpha):
    if not x:
        return mp.log(1 - psi)
    return mp.log(psi) + _negative_binomial(x, mu, alpha) - mp.log(-mp.expm1(-alpha * mp.log1p(mu / alpha)))


def _hurdle_count_tails(log_mass, inner_ratio):
    return _tails(
        log_mass,
        lambda k, psi, **params: (
            inner_ratio(k, **params)
            if k
            else mp.exp(log_mass(mp.mpf(1), psi, **params) - log_mass(mp.mpf(0), psi, **params))
        ),
    )


_HURDLE_POISSON_TAILS = _hurdle_count_tails(_hurdle_poisson, lambda k, mu: mu / (k + 1))
_HURDLE_NEGATIVE_BINOMIAL_TAILS = _hurdle_count_tails(
    _hurdle_negative_binomial, lambda k, mu, alpha: (k + alpha) / (k + 1) * mu / (mu + alpha)
)
_BETA_BINOMIAL_TAILS = _sums(_beta_binomial, lambda alpha, beta, n: (0, n))
_HYPER_GEOMETRIC_TAILS = _sums(_hyper_geometric, lambda N, k, n: (max(0, n + k - N), min(n, k)))


def _masses_of(log_mass, **params):
    exact = {k: mp.mpf(v) for k, v in params.items()}
    count = int(params["n"]) + 1 if "n" in params else 4000
    return _Masses(lambda x: log_mass(x, **exact), count=count)


class _FoldedT:
    """SciPy has no half Student's t."""

    dist = st.t

    def __init__(self, nu, sigma):
        self.t = st.t(nu, 0, sigma)

    def cdf(self, x):
        return np.where(np.asarray(x) < 0, 0.0, 2 * self.t.cdf(x) - 1)

    def ppf(self, q):
        return self.t.ppf(0.5 + 0.5 * np.asarray(q))

    def logpdf(self, x):
        return self.t.logpdf(x) + np.log(2)


def _folded_t(nu, sigma):
    return _FoldedT(nu, sigma)


def _folded_t_moments(nu, sigma):
    if nu <= 1:
        return np.inf, np.inf
    mean = sigma * 2 * mp.sqrt(nu / mp.pi) * mp.gamma((nu + 1) / 2) / (mp.gamma(nu / 2) * (nu - 1))
    return float(mean), float(sigma**2 * nu / (nu - 2) - mean**2) if nu > 2 else np.inf


def _student_below(z, nu):
    if z > 0:
        return 1 - _student_below(-z, nu)
    return mp.betainc(nu / 2, mp.mpf(1) / 2, 0, nu / (nu + z**2), regularized=True) / 2


def _truncated_normal_mass(a, b, mu, sigma):
    """From the tail that the bounds are in."""
    if a > mu:
        a, b, mu = -b, -a, -mu
    return _normal_below(b, mu, sigma) - _normal_below(a, mu, sigma)


def _truncated_normal(x, mu, sigma, lower, upper):
    return _normal(x, mu, sigma) - mp.log(_truncated_normal_mass(lower, upper, mu, sigma))


def _von_mises(x, mu, kappa):
    return kappa * mp.cos(x - mu) - mp.log(2 * mp.pi * mp.besseli(0, kappa))


def _von_mises_arc(low, high, mu, kappa):
    top = mu + 2 * mp.pi * mp.nint((low - mu) / (2 * mp.pi))
    places = [(end, 1 / (1 + kappa * abs(mp.sin(end - mu)) + mp.sqrt(kappa))) for end in (low, high)]
    places += [(top + turn, 1 / (1 + mp.sqrt(kappa))) for turn in (0, 2 * mp.pi)]
    total = 2 * mp.pi * mp.besseli(0, kappa) * mp.exp(-kappa)
    return _along(lambda t: mp.exp(-2 * kappa * mp.sin((t - mu) / 2) ** 2), low, high, places) / total


def _rice(x, nu, sigma):
    y = x * nu / sigma**2
    return mp.log(x) - 2 * mp.log(sigma) - (x**2 + nu**2) / (2 * sigma**2) + mp.log(mp.besseli(0, y))


def _rice_below(x, nu, sigma):
    return _along(
        lambda t: mp.exp(_rice(t, nu, sigma)) if t else mp.mpf(0),
        mp.mpf(0),
        x,
        [(x, _rice_width(x, nu, sigma)), (nu, sigma)],
    )


def _rice_above(x, nu, sigma):
    width = _rice_width(x, nu, sigma)
    far = max(x, nu) + 25 * sigma
    return _along(lambda t: mp.exp(_rice(t, nu, sigma)), x, far, [(x, width), (nu, sigma)])


def _rice_width(x, nu, sigma):
    return sigma**2 / (sigma + abs(x - nu))


def _rice_moments(nu, sigma):
    nu, sigma = mp.mpf(nu), mp.mpf(sigma)
    mean = sigma * mp.sqrt(mp.pi / 2) * mp.laguerre(mp.mpf(1) / 2, 0, -(nu**2) / (2 * sigma**2))
    return float(mean), float(2 * sigma**2 + nu**2 - mean**2)


class _Hurdle:
    """SciPy has none: 0 with probability 1 - psi, else `inner`."""

    dist = st.norm

    def __init__(self, psi, inner):
        self.psi, self.inner = psi, inner

    def cdf(self, x):
        return np.where(np.asarray(x) < 0, 0.0, 1 - self.psi + self.psi * self.inner.cdf(x))

    def ppf(self, q):
        return self.inner.ppf(np.clip((q - 1 + self.psi) / self.psi, 0.01, 1))

    def logpdf(self, x):
        return np.where(np.asarray(x) == 0, np.log1p(-self.psi), np.log(self.psi) + self.inner.logpdf(x))


def _hurdle(inner):
    return lambda x, psi, **params: mp.log(1 - psi) if x == 0 else mp.log(psi) + inner(x, **params)


def _hurdle_tails(below, above):
    return (
        lambda x, psi, **p: 1 - psi + (psi * below(x, **p) if x else 0),
        lambda x, psi, **p: psi * (above(x, **p) if x else 1),
    )


def _hurdle_moments(inner):
    def moments(psi, **params):
        frozen = inner(**params)
        mean, variance = float(frozen.mean()), float(frozen.var())
        return psi * mean, psi * (variance + (1 - psi) * mean**2)

    return moments


def _gamma_of(alpha, beta):
    return st.gamma(alpha, 0, 1 / beta)


def _lognormal_of(mu, sigma):
    return st.lognorm(sigma, 0, float(mp.e**mu))


TABLE: dict[str, Row] = {
    "TruncatedNormal": Row(
        (
            {"mu": 0.0, "sigma": 1.0, "lower": -1.0, "upper": 2.0},
            {"mu": 1.0, "sigma": 2.0, "lower": -1.0, "upper": 1e3},
            {"mu": 0.0, "sigma": 1.0, "lower": 8.0, "upper": 60.0},
            {"mu": 0.0, "sigma": 0.5, "lower": -60.0, "upper": -4.0},
        ),
        (-50.0, -20.5, -0.7, 0.3, 1.9, 8.5, 20.0, 50.0),
        (-1e3, 1e4),
        _truncated_normal,
        lambda mu, sigma, lower, upper: st.truncnorm((lower - mu) / sigma, (upper - mu) / sigma, mu, sigma),
        lambda x, mu, sigma, lower, upper: (
            _truncated_normal_mass(lower, x, mu, sigma) / _truncated_normal_mass(lower, upper, mu, sigma)
        ),
        lambda x, mu, sigma, lower, upper: (
            _truncated_normal_mass(x, upper, mu, sigma) / _truncated_normal_mass(lower, upper, mu, sigma)
        ),
        alternatives=(
            (
                {"mu": 1.0, "tau": 4.0, "lower": 0.0, "upper": 2.0},
                {"mu": 1.0, "sigma": 0.5, "lower": 0.0, "upper": 2.0},
            ),
        ),
    ),
    "VonMises": Row(
        (
            {"mu": 0.0, "kappa": 1.0},
            {"mu": 0.0, "kappa": 0.01},
            {"mu": -1.0, "kappa": 30.0},
            {"mu": 0.3, "kappa": 1e4},
        ),
        (-3.1, -1.0, -0.2, 0.0, 0.31, 2.0, 3.0),
        (-3.2, 4.0),
        _von_mises,
        lambda mu, kappa: st.vonmises(kappa, mu),
        lambda x, mu, kappa: _von_mises_arc(-mp.mpf(np.pi), x, mu, kappa),
        lambda x, mu, kappa: _von_mises_arc(x, mp.mpf(np.pi), mu, kappa),
    ),
    "Rice": Row(
        ({"nu": 1.0, "sigma": 1.0}, {"nu": 0.01, "sigma": 3.0}, {"nu": 40.0, "sigma": 2.0}),
        (1e-8, 0.2, 1.0, 7.5, 40.0, 300.0),
        (-1.0,),
        _rice,
        lambda nu, sigma: st.rice(nu / sigma, 0, sigma),
        _rice_below,
        _rice_above,
        moments=_rice_moments,
        alternatives=(({"b": 2.0, "sigma": 0.5}, {"nu": 1.0, "sigma": 0.5}),),
    ),
    "HurdleGamma": Row(
        ({"psi": 0.7, "alpha": 2.0, "beta": 0.5}, {"psi": 0.1, "alpha": 0.3, "beta": 3.0}),
        (0.0, *HALF_LINE),
        (-1e-300, -2.0),
        _hurdle(_gamma),
        lambda psi, **p: _Hurdle(psi, _gamma_of(**p)),
        *_hurdle_tails(_gamma_below, _gamma_above),
        moments=_hurdle_moments(_gamma_of),
        alternatives=(
            ({"psi": 0.5, "mu": 3.0, "sigma": 1.5}, {"psi": 0.5, "alpha": 4.0, "beta": 4.0 / 3.0}),
        ),
    ),
    "HurdleLogNormal": Row(
        ({"psi": 0.7, "mu": 0.0, "sigma": 1.0}, {"psi": 0.1, "mu": -1.0, "sigma": 0.3}),
        (0.0, *HALF_LINE),
        (-1e-300, -1.0),
        _hurdle(lambda x, mu, sigma: _normal(mp.log(x), mu, sigma) - mp.log(x)),
        lambda psi, **p: _Hurdle(psi, _lognormal_of(**p)),
        *_hurdle_tails(
            lambda x, mu, sigma: _normal_below(mp.log(x), mu, sigma),
            lambda x, mu, sigma: _normal_below(-mp.log(x), -mu, sigma),
        ),
        moments=_hurdle_moments(_lognormal_of),
        alternatives=(({"psi": 0.5, "mu": 1.0, "tau": 4.0}, {"psi": 0.5, "mu": 1.0, "sigma": 0.5}),),
    ),
    "Normal": Row(
        ({"mu": 0.0, "sigma": 1.0}, {"mu": -3.0, "sigma": 0.02}, {"mu": 1e3, "sigma": 40.0}),
        REAL_LINE,
        (),
        _normal,
        lambda mu, sigma: st.norm(mu, sigma),
        _normal_below,
        lambda x, mu, sigma: _normal_below(-x, -mu, sigma),
        alternatives=(({"mu": 1.0, "tau": 0.25}, {"mu": 1.0, "sigma": 2.0}),),
    ),
    "HalfNormal": Row(
        ({"sigma": 1.0}, {"sigma": 25.0}),
        (0.0, *HALF_LINE),
        (-1e-300, -1.0),
        lambda x, sigma: _normal(x, 0, sigma) + mp.log(2),
        lambda sigma: st.halfnorm(0, sigma),
        lambda x, sigma: mp.erf(x / sigma / mp.sqrt(2)),
        lambda x, sigma: mp.erfc(x / sigma / mp.sqrt(2)),
        alternatives=(({"tau": 4.0}, {"sigma": 0.5}),),
    ),
    "LogNormal": Row(
        ({"mu": 0.0, "sigma": 1.0}, {"mu": -1.0, "sigma": 0.3}),
        HALF_LINE,
        (0.0, -1.0),
        lambda x, mu, sigma: _normal(mp.log(x), mu, sigma) - mp.log(x),
        lambda mu, sigma: st.lognorm(sigma, 0, float(mp.e**mu)),
        lambda x, mu, sigma: _normal_below(mp.log(x), mu, sigma),
        lambda x, mu, sigma: _normal_below(-mp.log(x), -mu, sigma),
        alternatives=(({"mu": 1.0, "tau": 4.0}, {"mu": 1.0, "sigma": 0.5}),),
    ),
    "StudentT": Row(
        (
            {"nu": 3.0, "mu": 0.0, "sigma": 36.0},
            {"nu": 0.3, "mu": -1.0, "sigma": 1.0},
            {"nu": 50.0, "mu": 2.0, "sigma": 0.1},
            {"nu": 1e4, "mu": 0.0, "sigma": 1.0},
        ),
        tuple(x for x in REAL_LINE if abs(x) < 1e5),
        (),
        _student,
        lambda nu, mu, sigma: st.t(nu, mu, sigma),
        lambda x, nu, mu, sigma: _student_below((x - mu) / sigma, nu),
        lambda x, nu, mu, sigma: _student_below((mu - x) / sigma, nu),
        alternatives=(({"nu": 4.0, "mu": 1.0, "lam": 4.0}, {"nu": 4.0, "mu": 1.0, "sigma": 0.5}),),
    ),
    "Cauchy": Row(
        ({"alpha": 0.0, "beta": 1.0}, {"alpha": -4.0, "beta": 0.1}),
        REAL_LINE,
        (),
        _cauchy,
        lambda alpha, beta: st.cauchy(alpha, beta),
        _cauchy_below,
        lambda x, alpha, beta: _cauchy_below(2 * alpha - x, alpha, beta),
    ),
    "HalfCauchy": Row(
        ({"beta": 1.0}, {"beta": 5.0}),
        (0.0, *HALF_LINE),
        (-1e-300, -2.0),
        lambda x, beta: _cauchy(x, 0, beta) + mp.log(2),
        lambda beta: st.halfcauchy(0, beta),
        _half_cauchy,
        lambda x, beta: _half_cauchy(beta, x) if x else mp.mpf(1),
    ),
    "Exponential": Row(
        ({"lam": 1.0}, {"lam": 0.02}),
        (0.0, *HALF_LINE),
        (-1e-300, -2.0),
        lambda x, lam: mp.log(lam) - lam * x,
        lambda lam: st.expon(0, 1 / lam),
        lambda x, lam: -mp.expm1(-lam * x),
        lambda x, lam: mp.exp(-lam * x),
        alternatives=(({"scale": 4.0}, {"lam": 0.25}),),
    ),
    "Gamma": Row(
        ({"alpha": 2.0, "beta": 0.5}, {"alpha": 0.3, "beta": 3.0}, {"alpha": 400.0, "beta": 20.0}),
        HALF_LINE,
        (-1e-300, -2.0),
        _gamma,
        lambda alpha, beta: st.gamma(alpha, 0, 1 / beta),
        _gamma_below,
        _gamma_above,
        alternatives=(({"mu": 3.0, "sigma": 1.5}, {"alpha": 4.0, "beta": 4.0 / 3.0}),),
    ),
    "Beta": Row(
        ({"alpha": 2.0, "beta": 5.0}, {"alpha": 0.4, "beta": 0.7}, {"alpha": 3e3, "beta": 2e3}),
        (1e-300, 1e-9, 0.3, 0.5, 0.9, 1 - 2.0**-50),
        (-0.1, 0.0, 1.0, 1.1),
        _beta,
        lambda alpha, beta: st.beta(alpha, beta),
        _beta_below,
        _beta_above,
        alternatives=(
            ({"mu": 0.25, "nu": 8.0}, {"alpha": 2.0, "beta": 6.0}),
            ({"mu": 0.5, "sigma": 0.25}, {"alpha": 1.5, "beta": 1.5}),
        ),
    ),
    "Uniform": Row(
        ({"lower": 0.0, "upper": 1.0}, {"lower": -2.0, "upper": 0.7}),
        (0.0, 0.3, 0.7),
        (-2.5, 1.5),
        lambda x, lower, upper: -mp.log(upper - lower),
        lambda lower, upper: st.uniform(lower, upper - lower),
        lambda x, lower, upper: (x - lower) / (upper - lower),
        lambda x, lower, upper: (upper - x) / (upper - lower),
    ),
    "Laplace": Row(
        ({"mu": 0.0, "b": 1.0}, {"mu": -3.0, "b": 0.02}),
        REAL_LINE,
        (),
        lambda x, mu, b: -abs(x - mu) / b - mp.log(2 * b),
        lambda mu, b: st.laplace(mu, b),
        _laplace_below,
        lambda x, mu, b: _laplace_below(2 * mu - x, mu, b),
    ),
    "AsymmetricLaplace": Row(
        (
            {"kappa": 1.0, "mu": 0.0, "b": 1.0},
            {"kappa": 0.2, "mu": -3.0, "b": 5.0},
            {"kappa": 1e-9, "mu": 1.0, "b": 2.0},
        ),
        REAL_LINE,
        (),
        _asymmetric_laplace,
        lambda kappa, mu, b: st.laplace_asymmetric(kappa, mu, 1 / b),
        _asymmetric_laplace_below,
        lambda x, kappa, mu, b: _asymmetric_laplace_below(2 * mu - x, 1 / kappa, mu, b),
        alternatives=(({"q": 0.8, "mu": 0.0, "b": 1.0}, {"kappa": 2.0, "mu": 0.0, "b": 1.0}),),
    ),
    "Logistic": Row(
        ({"mu": 0.0, "s": 1.0}, {"mu": -3.0, "s": 0.02}, {"mu": 1e3, "s": 40.0}),
        REAL_LINE,
        (),
        _logistic,
        lambda mu, s: st.logistic(mu, s),
        _logistic_below,
        lambda x, mu, s: _logistic_below(2 * mu - x, mu, s),
    ),
    "Gumbel": Row(
        ({"mu": 0.0, "beta": 1.0}, {"mu": -3.0, "beta": 0.2}),
        (-30.0, -5.0, -1.3, 0.0, 1e-10, 0.3, 2.0, 50.0, 1e4),
        (),
        _gumbel,
        lambda mu, beta: st.gumbel_r(mu, beta),
        _gumbel_below,
        lambda x, mu, beta: -mp.expm1(-mp.exp(-(x - mu) / beta)),
    ),
    "Moyal": Row(
        ({"mu": 0.0, "sigma": 1.0}, {"mu": -3.0, "sigma": 0.2}),
        (-30.0, -5.0, -1.3, 0.0, 1e-10, 0.3, 2.0, 50.0, 1e4),
        (),
        _moyal,
        lambda mu, sigma: st.moyal(mu, sigma),
        lambda x, mu, sigma: mp.erfc(mp.exp(-(x - mu) / sigma / 2) / mp.sqrt(2)),
        lambda x, mu, sigma: mp.erf(mp.exp(-(x - mu) / sigma / 2) / mp.sqrt(2)),
    ),
    "SkewNormal": Row(
        (
            {"alpha": 0.0, "mu": 0.0, "sigma": 1.0},
            {"alpha": 3.0, "mu": -3.0, "sigma": 0.2},
            {"alpha": -40.0, "mu": 1.0, "sigma": 20.0},
        ),
        (-1e8, -30.0, -1.3, 0.0, 0.3, 2.0, 1e8),
        (),
        _skew_normal,
        lambda alpha, mu, sigma: st.skewnorm(alpha, mu, sigma),
        _skew_normal_below,
        _skew_normal_above,
        alternatives=(({"alpha": 3.0, "mu": 1.0, "tau": 4.0}, {"alpha": 3.0, "mu": 1.0, "sigma": 0.5}),),
    ),
    "ExGaussian": Row(
        (
            {"mu": 0.0, "sigma": 1.0, "nu": 1.0},
            {"mu": -3.0, "sigma": 0.2, "nu": 5.0},
            {"mu": 1.0, "sigma": 20.0, "nu": 0.001},
            {"mu": 0.0, "sigma": 1e-4, "nu": 1.0},
        ),
        (-1e4, -30.0, -1.3, 0.0, 1e-10, 0.3, 2.0, 50.0, 1e4),
        (),
        _exgaussian,
        lambda mu, sigma, nu: st.exponnorm(nu / sigma, mu, sigma),
        _exgaussian_below,
        _exgaussian_above,
    ),
    "HalfStudentT": Row(
        ({"nu": 3.0, "sigma": 36.0}, {"nu": 0.3, "sigma": 1.0}, {"nu": 50.0, "sigma": 0.1}),
        (0.0, *HALF_LINE),
        (-1e-300, -2.0),
        lambda x, nu, sigma: _student(x, nu, 0, sigma) + mp.log(2),
        _folded_t,
        lambda x, nu, sigma: mp.betainc(
            mp.mpf(1) / 2, nu / 2, 0, x**2 / (nu * sigma**2 + x**2), regularized=True
        ),
        lambda x, nu, sigma: 2 * _student_below(-x / sigma, nu),
        moments=lambda nu, sigma: _folded_t_moments(mp.mpf(nu), mp.mpf(sigma)),
        alternatives=(({"nu": 4.0, "lam": 4.0}, {"nu": 4.0, "sigma": 0.5}),),
    ),
    "ChiSquared": Row(
        ({"nu": 1.0}, {"nu": 7.5}, {"nu": 1e6}),
        HALF_LINE,
        (-1e-300, -2.0),
        lambda x, nu: _gamma(x, nu / 2, mp.mpf(1) / 2),
        lambda nu: st.chi2(nu),
        lambda x, nu: _gamma_below(x, nu / 2, mp.mpf(0.5)),
        lambda x, nu: _gamma_above(x, nu / 2, mp.mpf(0.5)),
    ),
    "InverseGamma": Row(
        ({"alpha": 3.0, "beta": 0.5}, {"alpha": 0.3, "beta": 3.0}, {"alpha": 400.0, "beta": 20.0}),
        HALF_LINE[1:],
        (0.0, -2.0),
        _inverse_gamma,
        lambda alpha, beta: st.invgamma(alpha, 0, beta),
        lambda x, alpha, beta: _gamma_above(1 / x, alpha, beta),
        lambda x, alpha, beta: _gamma_below(1 / x, alpha, beta),
        alternatives=(({"mu": 3.0, "sigma": 1.5}, {"alpha": 6.0, "beta": 15.0}),),
    ),
    "Weibull": Row(
        ({"alpha": 2.0, "beta": 0.5}, {"alpha": 0.3, "beta": 3.0}, {"alpha": 40.0, "beta": 1.0}),
        HALF_LINE,
        (-1e-300, -2.0),
        _weibull,
        lambda alpha, beta: st.weibull_min(alpha, 0, beta),
        lambda x, alpha, beta: -mp.expm1(-((x / beta) ** alpha)),
        lambda x, alpha, beta: mp.exp(-((x / beta) ** alpha)),
    ),
    "Pareto": Row(
        ({"alpha": 3.0, "m": 0.5}, {"alpha": 0.3, "m": 1e-8}, {"alpha": 40.0, "m": 7.0}),
        (1e-8, 0.5, 0.5 + 1e-10, 7.5, 300.0, 1e6),
        (-2.0, 0.0),
        _pareto,
        lambda alpha, m: st.pareto(alpha, 0, m),
        lambda x, alpha, m: -mp.expm1(alpha * mp.log(m / x)),
        lambda x, alpha, m: (m / x) ** alpha,
    ),
    "LogLogistic": Row(
        ({"alpha": 1.0, "beta": 3.0}, {"alpha": 7.0, "beta": 0.4}, {"alpha": 0.2, "beta": 30.0}),
        HALF_LINE,
        (0.0, -2.0),
        _loglogistic,
        lambda alpha, beta: st.fisk(beta, 0, alpha),
        lambda x, alpha, beta: 1 / (1 + (x / alpha) ** -beta),
        lambda x, alpha, beta: 1 / (1 + (x / alpha) ** beta),
    ),
    "Wald": Row(
        (
            {"mu": 1.0, "lam": 1.0, "alpha": 0.0},
            {"mu": 0.5, "lam": 8.0, "alpha": 0.0},
            {"mu": 3.0, "lam": 0.5, "alpha": 0.1},
        ),
        (1e-8, 0.2, 1.0, 7.5, 300.0, 1e6),
        (0.0, -2.0),
        _wald,
        lambda mu, lam, alpha: st.invgauss(mu / lam, alpha, lam),
        _wald_below,
        _wald_above,
        alternatives=(
            ({"mu": 2.0, "phi": 1.5, "alpha": 0.0}, {"mu": 2.0, "lam": 3.0, "alpha": 0.0}),
            ({"lam": 3.0, "phi": 1.5}, {"mu": 2.0, "lam": 3.0}),
        ),
    ),
    "Frechet": Row(
        (
            {"alpha": 3.0, "s": 1.0, "m": 0.0},
            {"alpha": 0.5, "s": 2.0, "m": 0.1},
            {"alpha": 30.0, "s": 4.0, "m": -2.0},
        ),
        (0.12, 0.7, 1.0, 7.5, 300.0, 1e6),
        (-2.0,),
        _frechet,
        lambda alpha, s, m: st.invweibull(alpha, m, s),
        lambda x, alpha, s, m: mp.exp(-(((x - m) / s) ** -alpha)),
        lambda x, alpha, s, m: -mp.expm1(-(((x - m) / s) ** -alpha)),
    ),
    "GenExtreme": Row(
        (
            {"mu": 0.0, "sigma": 1.0, "xi": 0.3},
            {"mu": -1.0, "sigma": 2.0, "xi": 0.0},
            {"mu": 1.0, "sigma": 2.0, "xi": -0.25},
            {"mu": 0.0, "sigma": 1.0, "xi": 1e-7},
        ),
        (-1.2, -0.3, 0.0, 0.4, 2.0, 8.5, 40.0, 300.0),
        (),
        _gev,
        lambda mu, sigma, xi: st.genextreme(-xi, mu, sigma),
        lambda x, mu, sigma, xi: mp.exp(-_gev_t(x, mu, sigma, xi)),
        lambda x, mu, sigma, xi: -mp.expm1(-_gev_t(x, mu, sigma, xi)),
        _gev_moments,
    ),
    "GenPareto": Row(
        (
            {"mu": 0.0, "sigma": 1.0, "xi": 0.3},
            {"mu": -1.0, "sigma": 2.0, "xi": 0.0},
            {"mu": 1.0, "sigma": 2.0, "xi": -0.25},
            {"mu": 0.0, "sigma": 1.0, "xi": 1e-7},
        ),
        (0.0, 1e-8, 0.4, 2.0, 8.5, 40.0, 300.0),
        (-3.0,),
        lambda x, mu, sigma, xi: (1 + xi) * mp.log(_gev_t(x, mu, sigma, xi)) - mp.log(sigma),
        lambda mu, sigma, xi: st.genpareto(xi, mu, sigma),
        _gpd_below,
        lambda x, mu, sigma, xi: _gev_t(x, mu, sigma, xi),
    ),
    "Triangular": Row(
        (
            {"lower": 0.0, "upper": 1.0, "c": 0.5},
            {"lower": -2.0, "upper": 3.0, "c": -1.999999},
            {"lower": 0.0, "upper": 1.0, "c": 1.0},
        ),
        (-1.9999995, 0.0, 1e-9, 0.3, 0.5, 0.7, 1 - 2.0**-50, 1.0),
        (-2.5, 3.5),
        _triangular,
        lambda lower, upper, c: st.triang((c - lower) / (upper - lower), lower, upper - lower),
        _triangular_below,
        lambda x, lower, upper, c: _triangular_below(-x, -upper, -lower, -c),
    ),
    "Kumaraswamy": Row(
        ({"a": 1.0, "b": 1.0}, {"a": 0.4, "b": 7.0}, {"a": 30.0, "b": 0.7}),
        (1e-300, 1e-9, 0.3, 0.5, 0.9, 1 - 2.0**-50),
        (-0.1, 0.0, 1.0, 1.1),
        _kumaraswamy,
        None,
        lambda x, a, b: -mp.expm1(b * mp.log1p(-(x**a))),
        lambda x, a, b: (1 - x**a) ** b,
        moments=_kumaraswamy_moments,
    ),
    "LogitNormal": Row(
        ({"mu": 0.0, "sigma": 1.0}, {"mu": -1.0, "sigma": 0.3}),
        (1e-300, 1e-9, 0.3, 0.5, 0.9, 1 - 2.0**-50),
        (-0.1, 0.0, 1.0, 1.1),
        _logit_normal,
        None,
        lambda x, mu, sigma: _normal_below(mp.log(x / (1 - x)), mu, sigma),
        lambda x, mu, sigma: _normal_below(mp.log((1 - x) / x), -mu, sigma),
        alternatives=(({"mu": 1.0, "tau": 4.0}, {"mu": 1.0, "sigma": 0.5}),),
    ),
    "LogUniform": Row(
        (
            {"lower": 1.0, "upper": 10.0},
            {"lower": 1e-30, "upper": 1e30},
            {"lower": 1.0, "upper": 1.0000001},
        ),
        (1e-29, 1.0, 1.00000003, 3.0, 9.9999999, 1e6),
        (-2.5, 0.0),
        lambda x, lower, upper: -mp.log(x) - mp.log(mp.log(upper / lower)),
        lambda lower, upper: st.loguniform(lower, upper),
        lambda x, lower, upper: mp.log(x / lower) / mp.log(upper / lower),
        lambda x, lower, upper: mp.log(upper / x) / mp.log(upper / lower),
        _log_uniform_moments,
    ),
    "Flat": Row(({},), REAL_LINE, (), lambda x: mp.mpf(0), None),
    "HalfFlat": Row(({},), (0.0, *HALF_LINE), (-1.0,), lambda x: mp.mpf(0), None),
    "Bernoulli": Row(
        ({"p": 0.3}, {"p": 1e-12}),
        (0, 1),
        (-1, 0.5, 2),
        lambda x, p: mp.log(p if x else 1 - p),
        lambda p: st.bernoulli(p),
        lambda x, p: 1 - p if x < 1 else mp.mpf(1),
        lambda x, p: p if x < 1 else mp.mpf(0),
        alternatives=(
            ({"logit_p": 0.0}, {"p": 0.5}),
            ({"logit_p": -40.0}, {"p": float(1 / (1 + mp.e**40))}),
        ),
    ),
    "Binomial": Row(
        ({"n": 20, "p": 0.3}, {"n": 150, "p": 0.99}, {"n": 10_000_000, "p": 0.01}),
        (0, 1, 3, 20),
        (-1, 0.5, 10_000_001),
        _binomial,
        lambda n, p: st.binom(n, p),
        *_BINOMIAL_TAILS,
        alternatives=(({"n": 7, "logit_p": 0.0}, {"n": 7, "p": 0.5}),),
    ),
    "Poisson": Row(
        ({"mu": 0.2}, {"mu": 30.0}, {"mu": 1e5}),
        COUNTS,
        (-1, 0.5),
        _poisson,
        lambda mu: st.poisson(mu),
        *_POISSON_TAILS,
    ),
    "NegativeBinomial": Row(
        (
            {"mu": 2.0, "alpha": 1.5},
            {"mu": 0.5, "alpha": 0.2},
            {"mu": 1e-8, "alpha": 3.0},
            {"mu": 30.0, "alpha": 1e6},
        ),
        (0, 1, 3, 20, 150, 2_000),
        (-1, 0.5),
        _negative_binomial,
        lambda mu, alpha: st.nbinom(alpha, alpha / (mu + alpha)),
        *_NEGATIVE_BINOMIAL_TAILS,
        alternatives=(({"n": 3.0, "p": 0.25}, {"mu": 9.0, "alpha": 3.0}),),
    ),
    "ZeroInflatedPoisson": Row(
        ({"psi": 0.7, "mu": 4.0}, {"psi": 1e-6, "mu": 0.1}, {"psi": 0.999, "mu": 30.0}),
        (0, 1, 3, 20, 150),
        (-1, 0.5),
        _inflated(_poisson),
        lambda **params: _masses_of(_inflated(_poisson), **params),
        *_inflated_tails(_POISSON_TAILS),
    ),
    "ZeroInflatedBinomial": Row(
        ({"psi": 0.7, "n": 20, "p": 0.3}, {"psi": 1e-6, "n": 150, "p": 0.99}),
        (0, 1, 3, 19),
        (-1, 0.5, 151),
        _inflated(_binomial),
        lambda **params: _masses_of(_inflated(_binomial), **params),
        *_inflated_tails(_BINOMIAL_TAILS),
    ),
    "ZeroInflatedNegativeBinomial": Row(
        ({"psi": 0.7, "mu": 2.0, "alpha": 1.5}, {"psi": 0.999, "mu": 0.1, "alpha": 3.0}),
        (0, 1, 3, 20, 150),
        (-1, 0.5),
        _inflated(_negative_binomial),
        lambda **params: _masses_of(_inflated(_negative_binomial), **params),
        *_inflated_tails(_NEGATIVE_BINOMIAL_TAILS),
        alternatives=(({"psi": 0.5, "n": 3.0, "p": 0.25}, {"psi": 0.5, "mu": 9.0, "alpha": 3.0}),),
    ),
    "HurdleNegativeBinomial": Row(
        (
            {"psi": 0.7, "mu": 4.0, "alpha": 1.5},
            {"psi": 1e-6, "mu": 0.001, "alpha": 3.0},
            {"psi": 0.999, "mu": 0.5, "alpha": 0.2},
        ),
        (0, 1, 3, 20, 150),
        (-1, 0.5),
        _hurdle_negative_binomial,
        lambda **params: _masses_of(_hurdle_negative_binomial, **params),
        *_HURDLE_NEGATIVE_BINOMIAL_TAILS,
        alternatives=(({"psi": 0.5, "n": 3.0, "p": 0.25}, {"psi": 0.5, "mu": 9.0, "alpha": 3.0}),),
    ),
    "HurdlePoisson": Row(
        ({"psi": 0.7, "mu": 4.0}, {"psi": 1e-6, "mu": 0.001}, {"psi": 0.999, "mu": 30.0}),
        (0, 1, 3, 20, 150),
        (-1, 0.5),
        _hurdle_poisson,
        lambda **params: _masses_of(_hurdle_poisson, **params),
        *_HURDLE_POISSON_TAILS,
    ),
    "Geometric": Row(
        ({"p": 0.3}, {"p": 1e-3}, {"p": 0.999}),
        (1, 2, 7, 150, 100_000),
        (0, -1, 1.5),
        lambda x, p: (x - 1) * mp.log(1 - p) + mp.log(p),
        lambda p: st.geom(p),
        lambda x, p: 1 - (1 - p) ** x,
        lambda x, p: (1 - p) ** x,
    ),
    "BetaBinomial": Row(
        (
            {"alpha": 2.0, "beta": 3.5, "n": 20},
            {"alpha": 0.1, "beta": 0.3, "n": 150},
            {"alpha": 300.0, "beta": 1e4, "n": 1000},
        ),
        (0, 1, 3, 20),
        (-1, 0.5, 1001),
        _beta_binomial,
        lambda alpha, beta, n: st.betabinom(n, alpha, beta),
        *_BETA_BINOMIAL_TAILS,
    ),
    "HyperGeometric": Row(
        ({"N": 50, "k": 20, "n": 10}, {"N": 12, "k": 10, "n": 5}, {"N": 1000, "k": 30, "n": 900}),
        (0, 1, 3, 5, 8, 20, 29),
        (-1, 0.5, 2000),
        _hyper_geometric,
        lambda N, k, n: st.hypergeom(N, k, n),
        *_HYPER_GEOMETRIC_TAILS,
    ),
    "DiscreteUniform": Row(
        ({"lower": 0.0, "upper": 5.0}, {"lower": -3.0, "upper": 1e6}, {"lower": 1.0, "upper": 1.0}),
        (0, 1, 3, 5, 7, 999_999),
        (-10, 0.5, 1_000_001),
        lambda x, lower, upper: -mp.log(upper - lower + 1),
        lambda lower, upper: st.randint(int(lower), int(upper) + 1),
        lambda x, lower, upper: (x - lower + 1) / (upper - lower + 1),
        lambda x, lower, upper: (upper - x) / (upper - lower + 1),
    ),
    "DiscreteWeibull": Row(
        (
            {"q": 0.5, "beta": 1.0},
            {"q": 0.9, "beta": 0.8},
            {"q": 1e-8, "beta": 3.0},
            {"q": 0.99, "beta": 2.5},
        ),
        (0, 1, 3, 20, 150),
        (-1, 0.5),
        _discrete_weibull,
        lambda q, beta: _Masses(lambda x: _discrete_weibull(x, mp.mpf(q), mp.mpf(beta))),
        lambda x, q, beta: 1 - q ** ((x + 1) ** beta),
        lambda x, q, beta: q ** ((x + 1) ** beta),
    ),
}


def _classes() -> list[type[Distribution]]:
    found: list[type[Distribution]] = []
    queue = [Distribution]
    while queue:
        for sub in queue.pop().__subclasses__():
            if sub.__module__.startswith("probgraph."):
                queue.append(sub)
                if sub.__name__[0] != "_" and sub.__module__.rpartition(".")[2] not in (
                    *(*EVENTS, *COMBINATORS),
                    "categorical",
                ):
                    found.append(sub)
    return sorted(found, key=lambda c: c.__name__)


CLASSES = _classes()
CASES = [(cls, params) for cls in CLASSES if cls.__name__ in TABLE for params in TABLE[cls.__name__].params]
NAMES = [f"{cls.__name__}({', '.join(f'{k}={v:g}' for k, v in params.items())})" for cls, params in CASES]

assert pd.Normal in CLASSES
