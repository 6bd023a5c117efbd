"""Pathfinder: exact where the posterior is normal, near elsewhere, and a warning where it is not; and starts by it."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import probgraph as pm
from probgraph.pathfinder import Normal, _normal, pathfinder
from probgraph.samplers import LogDensity


def normal_density(mean, covariance):
    precision = np.linalg.inv(covariance)

    def density(q):
        return -0.5 * (q - mean) @ precision @ (q - mean), -precision @ (q - mean)

    return LogDensity.from_python(density, len(mean))


@pytest.mark.parametrize("dim", [1, 2])
def test_a_normal_posterior_is_found_exactly(dim):
    rng = np.random.default_rng(dim)
    root = rng.normal(size=(dim, dim)) + np.eye(dim)
    mean, covariance = rng.normal(size=dim), root @ root.T
    path = pathfinder(normal_density(mean, covariance), mean + rng.normal(size=dim), rng, elbo_draws=30)
    found = path.normal
    spread = covariance_of(found)
    np.testing.assert_allclose(found.mean, mean, atol=1e-3)
    np.testing.assert_allclose(spread, covariance, atol=0.03 * covariance.max())  # of a few steps
    assert path.elbo == pytest.approx(0.5 * np.log(np.linalg.det(2 * np.pi * covariance)), abs=0.01)
    q, log_normal = found.draw(rng, 3)
    exact = [-0.5 * (x - found.mean) @ np.linalg.solve(spread, x - found.mean) for x in q]
    volume = 0.5 * np.log(np.linalg.det(2 * np.pi * spread))
    np.testing.assert_allclose(log_normal, np.array(exact) - volume, rtol=1e-8)


@pytest.mark.parametrize(("dim", "count"), [(5, 3), (5, 5), (3, 4), (40, 6)])
def test_the_inverse_hessian_is_that_of_bfgs(dim, count):
    """Step after step from the diagonal: Nocedal & Wright, "Numerical Optimization" (2006), 6.17."""
    rng = np.random.default_rng(count)
    root = rng.normal(size=(dim, dim))
    steps, diagonal = rng.normal(size=(dim, count)), rng.uniform(0.5, 2.0, dim)
    changes = (root @ root.T + np.eye(dim)) @ steps
    expected = np.diag(diagonal)
    for s, z in zip(steps.T, changes.T, strict=True):
        turn = np.eye(dim) - np.outer(z, s) / (s @ z)
        expected = turn.T @ expected @ turn + np.outer(s, s) / (s @ z)
    gradient = rng.normal(size=dim)
    found = _normal(np.ones(dim), gradient, diagonal, steps, changes)
    np.testing.assert_allclose(covariance_of(found), expected, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(found.mean, 1 + expected @ gradient, rtol=1e-8)


def test_several_paths_and_weights_make_up_for_rough_normals():
    rng = np.random.default_rng(7)
    root = rng.normal(size=(6, 6)) / 2 + np.diag(np.linspace(0.3, 2, 6))
    with pm.Model():
        pm.MvNormal("x", np.arange(6.0), cov=root @ root.T)
        idata = pm.fit_pathfinder(random_seed=2, num_draws=4000, maxcor=12)
    x = idata["posterior"]["x"].values[0]
    sd = np.sqrt(np.diag(root @ root.T))
    np.testing.assert_allclose(x.mean(0), np.arange(6.0), atol=0.15 * sd.max())
    np.testing.assert_allclose(x.std(0) / sd, 1.0, atol=0.12)


def test_draws_have_the_covariance_that_they_say():
    basis = np.linalg.qr(np.random.default_rng(1).normal(size=(4, 2)))[0]
    factor = np.array([[2.0, 0.0], [0.5, 0.3]])
    normal = Normal(np.arange(4.0), np.array([1.0, 2.0, 0.5, 3.0]), basis, factor)
    q, _ = normal.draw(np.random.default_rng(2), 200_000)
    inner = np.eye(4) + basis @ (factor @ factor.T - np.eye(2)) @ basis.T
    np.testing.assert_allclose(np.cov(q.T), np.outer(normal.scales, normal.scales) * inner, atol=0.2)
    np.testing.assert_allclose(q.mean(0), normal.mean, atol=0.05)


def covariance_of(normal):
    inner = normal.factor @ normal.factor.T - np.eye(normal.factor.shape[0])
    whole = np.eye(len(normal.mean)) + normal.basis @ inner @ normal.basis.T
    return normal.scales[:, None] * whole * normal.scales


def eight_schools():
    with pm.Model() as model:
        mu, tau = pm.Normal("mu", 0, 5), pm.HalfCauchy("tau", 5)
        theta = pm.Normal("theta", 0, 1, shape=8)
        pm.Normal(
            "y", mu + tau * theta, [15, 10, 16, 11, 9, 11, 10, 18], observed=[28, 8, -3, 7, -1, 1, 18, 12]
        )
    return model


@pytest.mark.parametrize("importance_sampling", ["psis", "psir"])
def test_a_logistic_regression_is_near(importance_sampling):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(200, 3))
    y = rng.random(200) < 1 / (1 + np.exp(-(x @ [1.0, -0.5, 0.2] + 0.3)))
    with pm.Model():
        b, a = pm.Normal("b", 0, 2, shape=3), pm.Normal("a", 0, 2)
        pm.Bernoulli("y", logit_p=a + pm.math.dot(x, b), observed=y)
        idata = pm.fit_pathfinder(
            num_paths=6, num_draws=3000, random_seed=3, importance_sampling=importance_sampling
        )
        reference = pm.sample(1000, random_seed=1, progressbar=False)
    found, truth = idata["posterior"]["b"].values, reference["posterior"]["b"].values
    assert found.shape == (1, 3000, 3)
    sd = truth.std(axis=(0, 1))
    assert (np.abs(found.mean(axis=(0, 1)) - truth.mean(axis=(0, 1))) < 0.2 * sd).all()
    np.testing.assert_allclose(found.std(axis=(0, 1)) / sd, 1.0, atol=0.15)


def test_what_is_not_near_says_so():
    """Neal's funnel is no normal distribution; how far from it Pareto's k sees depends on the draws."""
    shapes = []
    with pm.Model():
        scale = pm.Normal("scale", 0, 3)
        pm.Normal("x", 0, pm.math.exp(scale), shape=9)
        for seed in range(6):
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                shapes.append(pm.fit_pathfinder(random_seed=seed, num_draws=100).attrs["pareto_k"])
            is_told = any("Pareto k is" in str(w.message) and "above 0.7" in str(w.message) for w in said)
            assert is_told == (shapes[-1] > 0.7)
    assert np.median(shapes) > 0.7


@pytest.mark.parametrize("init", ["pathfinder", "map"])
def test_starts(init):
    with eight_schools():
        idata = pm.sample(300, tune=300, chains=2, random_seed=4, init=init, progressbar=False)
        again = pm.sample(300, tune=300, chains=2, random_seed=4, init=init, progressbar=False, cores=1)
    np.testing.assert_array_equal(idata["posterior"]["mu"].values, again["posterior"]["mu"].values)
    assert idata.attrs["init"] == init and abs(float(idata["posterior"]["mu"].mean()) - 4.4) < 1.2


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"num_paths": 0}, "num_paths is 0; it must be at least 1"),
        ({"maxcor": 0}, "maxcor is 0"),
        ({"jitter": -1.0}, "jitter is -1.0; it must be finite"),
        ({"importance_sampling": "all"}, "it must be 'psis', 'psir' or None"),
    ],
)
def test_bad_settings(options, text):
    with eight_schools(), pytest.raises(ValueError, match=text):
        pm.fit_pathfinder(**options)


def test_a_wrong_init_names_the_right_ones():
    with (
        eight_schools(),
        pytest.raises(ValueError, match="init is 'advi'; it must be one of .*'pathfinder', 'map'"),
    ):
        pm.sample(10, init="advi", progressbar=False)
