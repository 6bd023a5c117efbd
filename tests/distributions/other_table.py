"""Distributions made of others, of points and of places, and series: one or more forms of each, and mpmath's formulas.

The formulas are the textbooks', evaluated with 60 digits; they share nothing with the library.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath as mp
import numpy as np
from distribution_table import COMBINATORS

import probgraph as pm
from probgraph.distributions import Distribution

mp.mp.dps = 60


@dataclass(frozen=True)
class Form:
    """One way to make a distribution: `make(**params)`, and its log density `exact(x, **params)` in mpmath.

    Parameters are numbers, or lists of them, in both. `below` and `above` are P(X <= x) and P(X > x); None where there
    are none. Along `directions` a parameter may move; any, if not there.
    """

    make: Callable[..., Distribution]
    params: dict[str, Any]
    points: tuple[Any, ...]
    exact: Callable[..., Any]
    below: Callable[..., Any] | None = None
    above: Callable[..., Any] | None = None
    directions: dict[str, Callable[[np.ndarray], np.ndarray]] | None = None


def _normal(x, mu=0, sigma=1):
    return -(((x - mu) / sigma) ** 2) / 2 - mp.log(sigma) - mp.log(2 * mp.pi) / 2


def _phi(z):
    return mp.erfc(-z / mp.sqrt(2)) / 2


def _sigmoid(z):
    return 1 / (1 + mp.exp(-z))


# ------------------------------------------------------------------------------------ places


def _to_place(p, first, last):
    return sum(p[first:last], mp.mpf(0))


def _softmax(logit_p):
    return [mp.exp(v) / sum(map(mp.exp, logit_p)) for v in logit_p]


def _ordered_forms(cdf, make, **more):
    def below(x, eta, cutpoints, sigma=1):
        return cdf((cutpoints[int(x)] - eta) / sigma) if x < len(cutpoints) else mp.mpf(1)

    def above(x, eta, cutpoints, sigma=1):
        return cdf((eta - cutpoints[int(x)]) / sigma) if x < len(cutpoints) else mp.mpf(0)

    return Form(
        make,
        {"eta": 0.3, "cutpoints": [-1.0, 0.2, 2.5], **more},
        (0, 1, 2, 3),
        lambda x, **p: mp.log(below(x, **p) - (below(x - 1, **p) if x else 0)),
        below,
        above,
    )


# ------------------------------------------------------------------------------------ points

_X, _F = [-1.0, 0.0, 0.5, 2.0, 5.0], [0.0, 1.0, 4.0, 0.5, 0.0]


def _lines(x):
    """The height of the lines through the points, and the area to the left of x, both as they are."""
    area = mp.mpf(0)
    for a, b, f, g in zip(_X, _X[1:], _F, _F[1:], strict=False):
        end = min(mp.mpf(b), x)
        height = f + (g - mp.mpf(f)) * (end - a) / (mp.mpf(b) - a)
        area += (end - a) * (f + height) / 2
        if x <= b:
            return height, area
    return mp.mpf(0), area


_AREA = _lines(mp.mpf(5))[1]

# ------------------------------------------------------------------------------------ made of others


def _mixed(part, w, *each):
    return sum(wi * part(*p) for wi, *p in zip(w, *each, strict=True))


def _mixture(make):
    return Form(
        make,
        {"w": [0.3, 0.7], "mu": [0.0, 5.0], "sigma": [1.0, 2.0]},
        (-300.0, -20.0, -1.0, 0.5, 6.0, 40.0),
        lambda x, w, mu, sigma: mp.log(_mixed(lambda m, s: mp.exp(_normal(x, m, s)), w, mu, sigma)),
        lambda x, w, mu, sigma: _mixed(lambda m, s: _phi((x - m) / s), w, mu, sigma),
        lambda x, w, mu, sigma: _mixed(lambda m, s: _phi((m - x) / s), w, mu, sigma),
        {"w": lambda d: d - d.mean()},
    )


def _gamma_above(x, alpha, beta):
    return mp.gammainc(alpha, beta * x, mp.inf, regularized=True)


def _kept(alpha, beta, lower, upper):
    return _gamma_above(lower, alpha, beta) - _gamma_above(upper, alpha, beta)


def _poisson(k, mu):
    return mp.exp(-mu) * mu ** int(k) / mp.factorial(int(k))


def _poisson_between(first, last, mu):
    return sum((_poisson(k, mu) for k in range(int(first), int(last) + 1)), mp.mpf(0))


def _laplace(x, b):
    return -abs(x) / b - mp.log(2 * b)


# ------------------------------------------------------------------------------------ series

SERIES = np.array([0.3, -0.8, 0.1, 1.9, 0.4, 0.7])


def _walk(x, start, step):
    return start(x[0]) + sum(step(b - a) for a, b in itertools.pairwise(x))


def _start():
    return pm.Normal.dist(0.5, 2.0)


def _from_start(x):
    return _normal(x, mp.mpf("0.5"), 2)


def _vector_walk(x, mu, chol):
    """Of steps in coordinates in which they are standard normal; the first place is standard normal around 0."""
    total = sum(_normal(v) for v in x[0])
    for a, b in itertools.pairwise(x):
        first = (b[0] - a[0] - mu[0]) / chol[0][0]
        second = (b[1] - a[1] - mu[1] - chol[1][0] * first) / chol[1][1]
        total += _normal(first) + _normal(second) - mp.log(chol[0][0]) - mp.log(chol[1][1])
    return total


def _vector_student_walk(x, nu, chol):
    total = sum(_normal(v) for v in x[0])
    for a, b in itertools.pairwise(x):
        first = (b[0] - a[0]) / chol[0][0]
        second = (b[1] - a[1] - chol[1][0] * first) / chol[1][1]
        total += -mp.log(2 * mp.pi) - mp.log(chol[0][0]) - mp.log(chol[1][1])
        total -= (nu / 2 + 1) * mp.log(
            1 + (first**2 + second**2) / nu
        )  # Γ(nu / 2 + 1) / (Γ(nu / 2) nu π) is 1 / 2π
    return total


def _autoregression(x, rho, sigma):
    c, a, b = rho
    begin = _normal(x[0]) + _normal(x[1])
    return begin + sum(_normal(x[t], c + a * x[t - 1] + b * x[t - 2], sigma) for t in range(2, len(x)))


def _garch(x, omega, alpha_1, beta_1, initial_vol):
    variance, total = initial_vol**2, mp.mpf(0)
    for t in range(len(x)):
        if t:
            variance = omega + alpha_1 * x[t - 1] ** 2 + beta_1 * variance
        total += _normal(x[t], 0, mp.sqrt(variance))
    return total


def _logistic_growth(x, r, s):
    dt, total = mp.mpf("0.125"), _normal(x[0])
    for t in range(1, len(x)):
        drift = r * x[t - 1] * (1 - x[t - 1])
        total += _normal(x[t], x[t - 1] + dt * drift, mp.sqrt(dt) * s * (1 + x[t - 1] ** 2))
    return total


_CHOL = [[1.0, 0.0], [0.5, 2.0]]
_FOUR = np.array([[0.3, -0.8], [0.1, 1.9], [0.4, 0.7], [-1.0, 0.2]])
_STANDARD = {"init_dist": pm.MvNormal.dist([0.0, 0.0], np.eye(2)), "steps": 3}

TABLE: dict[str, Form] = {
    "Categorical": Form(
        lambda p: pm.Categorical.dist(p=p),
        {"p": [0.2, 0.3, 0.4, 0.1]},
        (0, 1, 2, 3),
        lambda x, p: mp.log(p[int(x)]),
        lambda x, p: _to_place(p, 0, int(x) + 1),
        lambda x, p: _to_place(p, int(x) + 1, len(p)),
        {"p": lambda d: d - d.mean()},
    ),
    "Categorical, of log odds": Form(
        lambda logit_p: pm.Categorical.dist(logit_p=logit_p),
        {"logit_p": [-300.0, 0.3, -1.0, 2.0]},
        (0, 1, 2, 3),
        lambda x, logit_p: mp.log(_softmax(logit_p)[int(x)]),
        lambda x, logit_p: _to_place(_softmax(logit_p), 0, int(x) + 1),
        lambda x, logit_p: _to_place(_softmax(logit_p), int(x) + 1, len(logit_p)),
    ),
    "OrderedLogistic": _ordered_forms(
        _sigmoid, lambda eta, cutpoints: pm.OrderedLogistic.dist(eta, cutpoints)
    ),
    "OrderedProbit": _ordered_forms(
        _phi,
        lambda eta, cutpoints, sigma: pm.OrderedProbit.dist(eta, cutpoints, sigma),
        sigma=1.5,
    ),
    "DiracDelta": Form(
        lambda c: pm.DiracDelta.dist(c),
        {"c": 3.0},
        (3.0,),
        lambda x, c: mp.mpf(0),
        lambda x, c: mp.mpf(1),
        lambda x, c: mp.mpf(0),
    ),
    "Interpolated": Form(
        lambda: pm.Interpolated.dist(_X, _F),
        {},
        (-0.7, 0.2, 1.3, 4.9),
        lambda x: mp.log(_lines(x)[0] / _AREA),
        lambda x: _lines(x)[1] / _AREA,
        lambda x: 1 - _lines(x)[1] / _AREA,
    ),
    "Mixture": _mixture(
        lambda w, mu, sigma: pm.Mixture.dist(
            w, [pm.Normal.dist(mu[0], sigma[0]), pm.Normal.dist(mu[1], sigma[1])]
        )
    ),
    "Mixture, along an axis": _mixture(lambda w, mu, sigma: pm.Mixture.dist(w, pm.Normal.dist(mu, sigma))),
    "NormalMixture": _mixture(lambda w, mu, sigma: pm.NormalMixture.dist(w, mu, sigma)),
    "Truncated, a Gamma": Form(
        lambda alpha, beta: pm.Truncated.dist(pm.Gamma.dist(alpha, beta), lower=0.5, upper=4.0),
        {"alpha": 2.5, "beta": 1.5},
        (0.51, 1.0, 2.0, 3.9),
        lambda x, alpha, beta: (
            alpha * mp.log(beta)
            + (alpha - 1) * mp.log(x)
            - beta * x
            - mp.loggamma(alpha)
            - mp.log(_kept(alpha, beta, mp.mpf("0.5"), mp.mpf(4)))
        ),
        lambda x, **p: (
            _kept(lower=mp.mpf("0.5"), upper=x, **p) / _kept(lower=mp.mpf("0.5"), upper=mp.mpf(4), **p)
        ),
        lambda x, **p: (
            _kept(lower=x, upper=mp.mpf(4), **p) / _kept(lower=mp.mpf("0.5"), upper=mp.mpf(4), **p)
        ),
    ),
    "Truncated, a Poisson": Form(
        lambda mu: pm.Truncated.dist(pm.Poisson.dist(mu), lower=2, upper=9),
        {"mu": 3.7},
        (2, 3, 5, 9),
        lambda x, mu: mp.log(_poisson(x, mu) / _poisson_between(2, 9, mu)),
        lambda x, mu: _poisson_between(2, x, mu) / _poisson_between(2, 9, mu),
        lambda x, mu: _poisson_between(x + 1, 9, mu) / _poisson_between(2, 9, mu),
    ),
    "Censored, a Normal": Form(
        lambda mu, sigma: pm.Censored.dist(pm.Normal.dist(mu, sigma), lower=-1.0, upper=1.5),
        {"mu": 0.3, "sigma": 1.2},
        (-1.0, 0.2, 1.1, 1.5),
        lambda x, mu, sigma: (
            mp.log(_phi((x - mu) / sigma))
            if x == -1
            else mp.log(_phi((mu - x) / sigma))
            if x == mp.mpf("1.5")
            else _normal(x, mu, sigma)
        ),
        lambda x, mu, sigma: _phi((x - mu) / sigma) if x < 1.5 else mp.mpf(1),
        lambda x, mu, sigma: _phi((mu - x) / sigma) if x < 1.5 else mp.mpf(0),
    ),
    "CustomDist, of a density": Form(
        lambda b: pm.CustomDist.dist(
            b,
            logp=lambda x, b: -abs(x) / b - pm.math.log(2.0 * b),
            random=lambda b, rng=None, size=None: rng.laplace(0.0, b, size),
        ),
        {"b": 1.7},
        (-30.0, -0.2, 1.1, 7.0),
        _laplace,
    ),
    "CustomDist, of a formula": Form(
        lambda mu, sigma: pm.CustomDist.dist(
            mu, sigma, dist=lambda mu, sigma, size: pm.math.exp(pm.Normal.dist(mu, sigma, size=size))
        ),
        {"mu": 0.3, "sigma": 0.8},
        (1e-3, 0.2, 1.1, 70.0),
        lambda x, mu, sigma: _normal(mp.log(x), mu, sigma) - mp.log(x),
        lambda x, mu, sigma: _phi((mp.log(x) - mu) / sigma),
        lambda x, mu, sigma: _phi((mu - mp.log(x)) / sigma),
    ),
    "GaussianRandomWalk": Form(
        lambda mu, sigma: pm.GaussianRandomWalk.dist(mu, sigma, init_dist=_start(), steps=5),
        {"mu": 0.1, "sigma": 0.7},
        (SERIES, 1e-8 * SERIES, 300.0 * SERIES),
        lambda x, mu, sigma: _walk(x, _from_start, lambda step: _normal(step, mu, sigma)),
    ),
    "RandomWalk": Form(
        lambda b: pm.RandomWalk.dist(_start(), pm.Laplace.dist(0.0, b), steps=5),
        {"b": 0.4},
        (SERIES, 1e-8 * SERIES, 300.0 * SERIES),
        lambda x, b: _walk(x, _from_start, lambda step: _laplace(step, b)),
    ),
    "MvGaussianRandomWalk": Form(
        lambda mu, chol: pm.MvGaussianRandomWalk.dist(mu, chol=chol, **_STANDARD),
        {"mu": [0.1, -0.2], "chol": _CHOL},
        (_FOUR, 1e-8 * _FOUR, 300.0 * _FOUR),
        _vector_walk,
        directions={"chol": np.tril},
    ),
    "MvStudentTRandomWalk": Form(
        lambda nu, chol: pm.MvStudentTRandomWalk.dist(nu, mu=[0.0, 0.0], chol=chol, **_STANDARD),
        {"nu": 4.0, "chol": _CHOL},
        (_FOUR, 1e-8 * _FOUR, 300.0 * _FOUR),
        _vector_student_walk,
        directions={"chol": np.tril},
    ),
    "AR": Form(
        lambda rho, sigma: pm.AR.dist(
            rho, sigma=sigma, constant=True, init_dist=pm.Normal.dist(0, 1, shape=2), steps=4
        ),
        {"rho": [0.3, 0.5, -0.2], "sigma": 0.6},
        (SERIES, 1e-8 * SERIES, 300.0 * SERIES),
        _autoregression,
    ),
    "GARCH11": Form(
        lambda **p: pm.GARCH11.dist(**p, steps=5),
        {"omega": 0.1, "alpha_1": 0.2, "beta_1": 0.6, "initial_vol": 1.3},
        (SERIES, 1e-8 * SERIES, 300.0 * SERIES),
        _garch,
    ),
    "EulerMaruyama": Form(
        lambda r, s: pm.EulerMaruyama.dist(
            0.125,
            lambda x, r, s: (r * x * (1 - x), s * (1 + x**2)),
            (r, s),
            init_dist=pm.Normal.dist(0, 1),
            steps=5,
        ),
        {"r": 1.2, "s": 0.4},
        (SERIES, 1e-8 * SERIES),
        _logistic_growth,
    ),
}

MODULES = (*COMBINATORS, "categorical")
