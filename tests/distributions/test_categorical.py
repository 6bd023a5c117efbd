"""Distributions over a few places whose parameters are vectors: against mpmath, in batches, by draws, at extremes."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
import scipy.stats as st

import probgraph.distributions as pd
from probgraph.engine.autodiff import grad
from probgraph.engine.function import function
from probgraph.engine.ops import reduce
from probgraph.engine.types import TensorType
from probgraph.model import Model

CUTS = np.array([-1.0, 0.5, 0.500001, 40.0])


def _sigmoid(z):
    return 1 / (1 + mp.exp(-z))


def _phi(z):
    return mp.erfc(-z / mp.sqrt(2)) / 2


def _ordered(cdf, x, eta, scale=1):
    ends = [-mp.inf, *map(mp.mpf, CUTS), mp.inf]
    low, high = ((c - mp.mpf(eta)) / scale for c in (ends[x], ends[x + 1]))
    return (
        float(mp.log(cdf(high) - (cdf(low) if low != -mp.inf else 0)))
        if high != mp.inf
        else float(mp.log(cdf(-low)))
    )


@pytest.mark.parametrize("eta", [0.0, 3.0, -60.0, 700.0, -800.0])
def test_ordered_densities_and_tails(eta):
    x = np.arange(5)
    with mp.workdps(700):
        logistic = [_ordered(_sigmoid, k, eta) for k in range(5)]
    np.testing.assert_allclose(pd.OrderedLogistic.dist(eta, CUTS).logp(x).eval(), logistic, rtol=1e-10)
    if abs(eta) < 100:
        with mp.workdps(3000):
            probit = [_ordered(_phi, k, eta, 2) for k in range(5)]
        np.testing.assert_allclose(pd.OrderedProbit.dist(eta, CUTS, 2).logp(x).eval(), probit, rtol=1e-9)
    for dist in (pd.OrderedLogistic.dist(eta, CUTS), pd.OrderedProbit.dist(eta, CUTS)):
        below, above = np.exp(dist.logcdf(x).eval()), np.exp(dist.logccdf(x).eval())
        np.testing.assert_allclose(below, np.cumsum(np.exp(dist.logp(x).eval())), atol=1e-14)
        np.testing.assert_allclose(below + above, 1, atol=1e-14)


def test_categorical_is_its_probabilities_in_batches():
    p = np.random.default_rng(1).dirichlet([0.3, 1, 2], size=(2, 1))
    x = np.array([[0, 1, 2, 0], [2, 2, 1, 1]])
    expected = np.log(p[np.arange(2)[:, None], 0, x])
    dist = pd.Categorical.dist(p=p, shape=(2, 4))
    np.testing.assert_allclose(dist.logp(x).eval(), expected, rtol=1e-14)
    np.testing.assert_allclose(
        pd.Categorical.dist(logit_p=np.log(p) + 5).logp(x).eval(), expected, rtol=1e-12
    )
    np.testing.assert_allclose(pd.Categorical.dist(p=p[0, 0]).logp(x).eval(), np.log(p[0, 0][x]), rtol=1e-14)
    outside = [-1, 3, 0.5, np.nan, np.inf]
    assert np.isneginf(pd.Categorical.dist(p=p[0, 0]).logp(outside).eval()).all()
    assert dist.sample(3, random_seed=1).shape == (3, 2, 4)


@pytest.mark.parametrize("given", ["p", "logit_p"])
def test_categorical_sees_through_softmax(given):
    eta = TensorType("float64", (2, 3))("eta")
    value = reduce.softmax(eta, axis=-1) if given == "p" else eta
    logp = pd.Categorical.dist(**{given: value}).logp(np.array([1, 2]))
    run = function([eta], [logp, grad(logp.sum(), eta)])
    got, slope = run(np.array([[800.0, -800.0, 0.0], [0.3, 0.0, 1.0]]))
    with mp.workdps(50):
        last = float(1 - mp.log(mp.exp(mp.mpf(0.3)) + 1 + mp.e))
    np.testing.assert_allclose(got, [-1600.0, last], rtol=1e-14)
    np.testing.assert_allclose(slope[0], [-1.0, 1.0, 0.0], atol=1e-14)


@pytest.mark.parametrize(
    "dist",
    [
        pd.Categorical.dist(p=[0.1, 0.2, 0.3, 0.4]),
        pd.OrderedLogistic.dist(0.3, [-1.0, 0.0, 2.0]),
        pd.OrderedProbit.dist(0.3, [-1.0, 0.0, 2.0], 1.5),
    ],
    ids=lambda d: type(d).__name__,
)
def test_draws_follow_the_masses(dist):
    mass = np.exp(dist.logp(np.arange(4)).eval())
    assert mass.sum() == pytest.approx(1, abs=1e-14)
    counts = np.bincount(dist.sample(4000, random_seed=2), minlength=4)
    assert st.chisquare(counts, 4000 * mass).pvalue > 1e-3
    assert dist.logp(dist.support_point().eval()).eval() > -np.inf
    assert np.isneginf(dist.logp([-1, 4, 0.5, np.nan]).eval()).all()


@pytest.mark.parametrize("cls", [pd.OrderedLogistic, pd.OrderedProbit])
def test_probabilities_of_ordered_places_are_kept_with_the_draws(cls):
    eta, cuts = np.array([0.3, -9.0, 40.0]), np.array([[-1.0, 0.0, 1.0], [0.0, 1.0, 2.0], [39.0, 39.5, 80.0]])
    dist = cls.dist(eta, cuts)
    p = dist.probabilities().eval()
    np.testing.assert_allclose(p, np.exp(dist.logp(np.arange(4)[:, None]).eval()).T, rtol=1e-10)
    with Model() as model:
        at = pd.Normal("at", 0.0, 1.0)
        cls("y", at * np.ones(5), [-1.0, 0.5], observed=[0, 1, 2, 1, 0])
        cls("z", at, [-1.0, 0.5], compute_p=False, observed=1)
    assert [v.name for v in model.deterministics] == ["y_probs"] and model["y_probs"].type.shape == (5, 3)


def test_categorical_tails_with_places_that_cannot_be():
    dist = pd.Categorical.dist(p=[0.0, 1.0, 0.0])
    with np.errstate(divide="ignore"):
        expected = np.log([0.0, 0.0, 0.0, 1.0, 1.0, 1.0])
    np.testing.assert_array_equal(dist.logcdf([-1, 0, 0.5, 1, 2, 3]).eval(), expected)
    np.testing.assert_array_equal(dist.logccdf([-1, 0, 0.5, 1, 2, 3]).eval(), expected[::-1])


def test_what_is_no_distribution_is_refused():
    with pytest.raises(ValueError, match="p is .*with the sum 1"):
        pd.Categorical.dist(p=[0.5, 0.6])
    with pytest.raises(ValueError, match="ascending order"):
        pd.OrderedLogistic.dist(0.0, [1.0, 0.0])
    with pytest.raises(ValueError, match="sigma is -1; it must be positive"):
        pd.OrderedProbit.dist(0.0, [0.0, 1.0], -1.0)
