"""Densities and tails where points and parameters are 10^±150: every distribution of numbers, against mpmath.

A grid around the first parameters of each row of the table, one of them at a time far out, or near 0. A value too
large for a number is an infinity of its sign; everywhere else the digits are those that the inputs allow.
"""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from checks import EPS, RELATIVE, condition, exactly, row
from distribution_table import CLASSES

from probgraph.distributions import (
    Beta,
    ChiSquared,
    Gamma,
    HalfStudentT,
    InverseGamma,
    StudentT,
    VonMises,
    Wald,
)
from probgraph.engine.graph import Variable
from probgraph.engine.types import TensorType

FAR = (1e-150, 1e-30, 1e30, 1e150)
POINTS = np.array([0.0, *(sign * size for size in (*FAR, 1.0) for sign in (1.0, -1.0))])
COUNTS = np.array([0.0, 1.0, 3.0, 150.0])
#: numbers of trials, which mpmath would take one by one
TRIALS = {"n", "N", "k"}
#: whose tails mpmath has by series that do not end so far out, or (DiscreteUniform) has for whole numbers only
SERIES = {
    "Beta", "BetaBinomial", "ChiSquared", "DiscreteUniform", "Gamma", "HalfStudentT", "HurdleGamma", "HurdlePoisson",
    "HurdleNegativeBinomial", "InverseGamma", "Moyal", "NegativeBinomial", "Rice", "SkewNormal", "StudentT", "VonMises",
    "ZeroInflatedNegativeBinomial",
}  # fmt: skip
#: enough for 1 ± 10^-300 to be something else than 1
DIGITS = 360


def far_out(cls):
    """The first parameters, and those in which one is far out; those which are no legal parameters are left out."""
    base = row(cls).params[0]
    for moved in ({}, *({name: size} for name in base for size in FAR if name not in TRIALS)):
        try:
            yield {**base, **moved}, cls.dist(**{**base, **moved})
        except ValueError:
            continue


def legal(dist):
    points = COUNTS if dist.discrete else POINTS
    return points[dist.support.holds(Variable(TensorType("float64", (None,)), "x")).eval(x=points)]


def wrong(params, points, got, exact):
    """What is nan, or not the exact value where mpmath has one."""
    for x, value in zip(points, np.broadcast_to(got, points.shape), strict=True):
        assert not np.isnan(value), (params, x)
        with mp.workdps(DIGITS):
            try:
                true = exact(mp.mpf(float(x)), **exactly(params))
                slack = condition(exact, x, params)
            except (OverflowError, mp.libmp.NoConvergence):
                continue  # mpmath's, of an erfc too far out, and below
            if isinstance(true, mp.mpc) or not mp.isfinite(true):
                continue
            allowed = RELATIVE * abs(true) + 4 * EPS * slack + mp.mpf(10) ** -14
            if np.isinf(value):
                right = abs(true) > 1e290 and (value < 0) == (true < 0)
            else:
                right = abs(mp.mpf(float(value)) - true) <= allowed
            if not right:
                yield params, float(x), float(value), mp.nstr(true, 17)


@pytest.fixture
def no_endless_exponentials(monkeypatch):
    """No exp of what is so large that mpmath would work on it for ever, with as many bits."""

    def bounded(function):
        def of(x):
            if abs(x) > 1e30:
                raise OverflowError
            return function(x)

        return of

    monkeypatch.setattr(mp, "exp", bounded(mp.exp))
    monkeypatch.setattr(mp, "expm1", bounded(mp.expm1))


@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_density(cls):
    for params, dist in far_out(cls):
        points = legal(dist)
        assert not [*wrong(params, points, dist.logp(points).eval(), row(cls).exact)]


@pytest.mark.usefixtures("no_endless_exponentials")
@pytest.mark.parametrize(
    "cls",
    [cls for cls in CLASSES if row(cls).cdf is not None and cls.__name__ not in SERIES],
    ids=lambda c: c.__name__,
)
@pytest.mark.parametrize("side", ["logcdf", "logccdf"])
def test_tails(cls, side):
    both = (row(cls).cdf, row(cls).ccdf)
    part, rest = both if side == "logcdf" else both[::-1]

    def exact(x, **params):
        p = part(x, **params)
        if isinstance(p, mp.mpc) or p <= 0:
            return mp.nan  # a difference that has no digits left
        return mp.log(p) if p < 0.5 else mp.log1p(-rest(x, **params))

    for params, dist in far_out(cls):
        points = legal(dist)
        assert not [*wrong(params, points, getattr(dist, side)(points).eval(), exact)]


# ------------------------------------------------------------------------------------ what the series have as limits


def close(got, exact):
    assert got == pytest.approx(float(exact), rel=RELATIVE)


@pytest.mark.parametrize("alpha", [1e-150, 1e-30])
@pytest.mark.parametrize("x", [1e-150, 1e-30, 0.5, 1.0, 3.9, 4.1, 30.0])
def test_a_gammas_upper_tail_of_the_smallest_shapes_is_the_exponential_integral(alpha, x):
    exact = mp.log(alpha) + mp.log(mp.e1(x))
    close(Gamma.dist(alpha=alpha, beta=1.0).logccdf(x).eval(), exact)
    close(ChiSquared.dist(nu=2 * alpha).logccdf(2 * x).eval(), exact)
    close(InverseGamma.dist(alpha=alpha, beta=1.0).logcdf(1 / x).eval(), exact)


@pytest.mark.parametrize("alpha", [1e-150, 1e-30])
@pytest.mark.parametrize("x", [1e-150, 1e-30, 0.01, 0.5, 0.9])
def test_a_betas_upper_tail_of_the_smallest_parameters(alpha, x):
    # The integral of (1 - t)^4 / t from x to 1.
    terms = [mp.binomial(4, k) * (-1) ** k * (1 - mp.mpf(x) ** k) / k for k in range(1, 5)]
    exact = mp.log(alpha) + mp.log(sum(terms) - mp.log(x))
    close(Beta.dist(alpha=alpha, beta=5.0).logccdf(x).eval(), exact)
    close(Beta.dist(alpha=5.0, beta=alpha).logcdf(1 - x).eval() if x > 0.1 else exact, exact)


@pytest.mark.parametrize("nu", [1e-150, 1e-30, 1e-6, 3.0])
@pytest.mark.parametrize("size", [1e110, 1e150, 1e200])
def test_students_tail_far_out_is_a_power(nu, size):
    with mp.workdps(DIGITS):
        a, root = mp.mpf(nu) / 2, mp.mpf(size) / mp.sqrt(nu)
        exact = -2 * a * mp.log(root) - mp.log(a * mp.beta(a, 0.5))
        middle = mp.log(-mp.expm1(exact))
    dist = HalfStudentT.dist(nu=nu, sigma=1.0)
    close(dist.logccdf(size).eval(), exact)
    close(dist.logcdf(size).eval(), middle)
    close(StudentT.dist(nu=nu, mu=0.0, sigma=1.0).logccdf(size).eval(), exact - mp.log(2))


@pytest.mark.parametrize("kappa", [1e30, 1e150])
@pytest.mark.parametrize("z", [-40.0, -1.0, 0.0, 0.3, 30.0])
def test_very_concentrated_directions_are_normal(kappa, z):
    exact = mp.log(mp.ncdf(-z))
    close(VonMises.dist(mu=0.0, kappa=kappa).logccdf(z / np.sqrt(kappa)).eval(), exact)


@pytest.mark.parametrize("lam", [1e-150, 1e-30])
@pytest.mark.parametrize("x", [1e-3, 1.0, 1e30])
def test_a_passage_that_hardly_ever_takes_long(lam, x):
    # Both normal integrals are of nearly 0, and 2 √(lam / x) apart.
    exact = 0.5 * mp.log(lam) - 0.5 * mp.log(x) + mp.log(mp.sqrt(2 / mp.pi))
    close(Wald.dist(mu=1e200, lam=lam).logccdf(x).eval(), exact)
