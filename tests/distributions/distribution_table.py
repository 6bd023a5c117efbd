"""One row for each distribution: parameters to try, points to try, and its log density in mpmath and SciPy.

The formulas here are the textbooks', evaluated with 60 digits; they share nothing with the library.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import mpmath as mp
import scipy.stats as st

import probgraph.distributions as pd
from probgraph.distributions import Distribution

mp.mp.dps = 60

REAL_LINE = (-1e8, -30.0, -1.3, 0.0, 1e-10, 0.3, 2.0, 50.0, 1e8)
HALF_LINE = (1e-300, 1e-8, 0.2, 1.0, 7.5, 300.0, 1e6)
COUNTS = (0, 1, 3, 20, 150, 100_000)


@dataclass(frozen=True)
class Row:
    """`exact(x, **params)` is the log density in mpmath; `scipy(**params)` a frozen distribution or None."""

    params: tuple[dict[str, Any], ...]
    points: tuple[float, ...]
    outside: tuple[float, ...]
    exact: Callable[..., Any]
    scipy: Callable[..., Any] | None
    mean: Callable[..., float] | None = None
    alternatives: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = field(default=())


def _normal(x, mu, sigma):
    return -(((x - mu) / sigma) ** 2) / 2 - mp.log(sigma) - mp.log(2 * mp.pi) / 2


def _student(x, nu, mu, sigma):
    z = (x - mu) / sigma
    constant = mp.loggamma((nu + 1) / 2) - mp.loggamma(nu / 2) - mp.log(nu * mp.pi) / 2 - mp.log(sigma)
    return constant - (nu + 1) / 2 * mp.log(1 + z * z / nu)


def _cauchy(x, alpha, beta):
    return -mp.log(mp.pi * beta * (1 + ((x - alpha) / beta) ** 2))


def _gamma(x, alpha, beta):
    return alpha * mp.log(beta) + (alpha - 1) * mp.log(x) - beta * x - mp.loggamma(alpha)


def _log_beta(a, b):
    return mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)


def _beta(x, alpha, beta):
    return (alpha - 1) * mp.log(x) + (beta - 1) * mp.log(1 - x) - _log_beta(alpha, beta)


def _binomial(x, n, p):
    ways = mp.loggamma(n + 1) - mp.loggamma(x + 1) - mp.loggamma(n - x + 1)
    return ways + x * mp.log(p) + (n - x) * mp.log(1 - p)


TABLE: dict[str, Row] = {
    "Normal": Row(
        ({"mu": 0.0, "sigma": 1.0}, {"mu": -3.0, "sigma": 0.02}, {"mu": 1e3, "sigma": 40.0}),
        REAL_LINE,
        (),
        _normal,
        lambda mu, sigma: st.norm(mu, sigma),
        alternatives=(({"mu": 1.0, "tau": 0.25}, {"mu": 1.0, "sigma": 2.0}),),
    ),
    "HalfNormal": Row(
        ({"sigma": 1.0}, {"sigma": 25.0}),
        (0.0, *HALF_LINE),
        (-1e-300, -1.0),
        lambda x, sigma: _normal(x, 0, sigma) + mp.log(2),
        lambda sigma: st.halfnorm(0, sigma),
        alternatives=(({"tau": 4.0}, {"sigma": 0.5}),),
    ),
    "LogNormal": Row(
        ({"mu": 0.0, "sigma": 1.0}, {"mu": -1.0, "sigma": 0.3}),
        HALF_LINE,
        (0.0, -1.0),
        lambda x, mu, sigma: _normal(mp.log(x), mu, sigma) - mp.log(x),
        lambda mu, sigma: st.lognorm(sigma, 0, float(mp.e**mu)),
        alternatives=(({"mu": 1.0, "tau": 4.0}, {"mu": 1.0, "sigma": 0.5}),),
    ),
    "StudentT": Row(
        (
            {"nu": 3.0, "mu": 0.0, "sigma": 36.0},
            {"nu": 0.3, "mu": -1.0, "sigma": 1.0},
            {"nu": 50.0, "mu": 2.0, "sigma": 0.1},
            {"nu": 1e9, "mu": 0.0, "sigma": 1.0},
        ),
        tuple(x for x in REAL_LINE if abs(x) < 1e5),
        (),
        _student,
        lambda nu, mu, sigma: st.t(nu, mu, sigma),
        alternatives=(({"nu": 4.0, "mu": 1.0, "lam": 4.0}, {"nu": 4.0, "mu": 1.0, "sigma": 0.5}),),
    ),
    "Cauchy": Row(
        ({"alpha": 0.0, "beta": 1.0}, {"alpha": -4.0, "beta": 0.1}),
        REAL_LINE,
        (),
        _cauchy,
        lambda alpha, beta: st.cauchy(alpha, beta),
    ),
    "HalfCauchy": Row(
        ({"beta": 1.0}, {"beta": 5.0}),
        (0.0, *HALF_LINE),
        (-1e-300, -2.0),
        lambda x, beta: _cauchy(x, 0, beta) + mp.log(2),
        lambda beta: st.halfcauchy(0, beta),
    ),
    "Exponential": Row(
        ({"lam": 1.0}, {"lam": 0.02}),
        (0.0, *HALF_LINE),
        (-1e-300, -2.0),
        lambda x, lam: mp.log(lam) - lam * x,
        lambda lam: st.expon(0, 1 / lam),
        alternatives=(({"scale": 4.0}, {"lam": 0.25}),),
    ),
    "Gamma": Row(
        ({"alpha": 2.0, "beta": 0.5}, {"alpha": 0.3, "beta": 3.0}, {"alpha": 400.0, "beta": 20.0}),
        HALF_LINE,
        (-1e-300, -2.0),
        _gamma,
        lambda alpha, beta: st.gamma(alpha, 0, 1 / beta),
        alternatives=(({"mu": 3.0, "sigma": 1.5}, {"alpha": 4.0, "beta": 4.0 / 3.0}),),
    ),
    "Beta": Row(
        ({"alpha": 2.0, "beta": 5.0}, {"alpha": 0.4, "beta": 0.7}, {"alpha": 3e7, "beta": 2e7}),
        (1e-300, 1e-9, 0.3, 0.5, 0.9, 1 - 2.0**-50),
        (-0.1, 0.0, 1.0, 1.1),
        _beta,
        lambda alpha, beta: st.beta(alpha, beta),
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
    ),
    "Flat": Row(({},), REAL_LINE, (), lambda x: mp.mpf(0), None),
    "HalfFlat": Row(({},), (0.0, *HALF_LINE), (-1.0,), lambda x: mp.mpf(0), None),
    "Bernoulli": Row(
        ({"p": 0.3}, {"p": 1e-12}),
        (0, 1),
        (-1, 0.5, 2),
        lambda x, p: mp.log(p if x else 1 - p),
        lambda p: st.bernoulli(p),
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
        alternatives=(({"n": 7, "logit_p": 0.0}, {"n": 7, "p": 0.5}),),
    ),
    "Poisson": Row(
        ({"mu": 0.2}, {"mu": 30.0}, {"mu": 1e5}),
        COUNTS,
        (-1, 0.5),
        lambda x, mu: x * mp.log(mu) - mu - mp.loggamma(x + 1),
        lambda mu: st.poisson(mu),
    ),
}


def _classes() -> list[type[Distribution]]:
    found: list[type[Distribution]] = []
    queue = [Distribution]
    while queue:
        for sub in queue.pop().__subclasses__():
            if sub.__module__.startswith("probgraph."):
                found.append(sub)
                queue.append(sub)
    return sorted(found, key=lambda c: c.__name__)


CLASSES = _classes()
CASES = [(cls, params) for cls in CLASSES if cls.__name__ in TABLE for params in TABLE[cls.__name__].params]
NAMES = [f"{cls.__name__}({', '.join(f'{k}={v:g}' for k, v in params.items())})" for cls, params in CASES]

assert pd.Normal in CLASSES
