"""Distributions of series: extremes, batches, draws by their moments, and two posteriors that are known exactly."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.stats as st
from other_table import TABLE

import probgraph as pm

RNG = np.random.default_rng(7)


def value(graph):
    return np.asarray(graph.eval())


def start():
    return pm.Normal.dist(0.5, 2.0)


#: those with a point of six numbers
SERIES = {name: form for name, form in TABLE.items() if np.shape(form.points[0]) == (6,)}


@pytest.mark.parametrize("name", SERIES)
def test_outside_and_extreme_points_are_never_nan(name):
    form = SERIES[name]
    d = form.make(**form.params)
    assert d.shape == (6,)
    for bad in (np.nan, np.inf, -np.inf):
        x = np.zeros(6)
        x[3] = bad
        assert value(d.logp(x)) == -np.inf
    for huge in (1e150, -1e200, 1e308):
        assert not np.isnan(value(d.logp(np.full(6, huge) * [1, -1, 1, 0, 1, 1])))


def test_walks_have_the_moments_of_their_draws():
    walks = [
        pm.GaussianRandomWalk.dist(0.2, 0.7, init_dist=start(), steps=4),
        pm.GaussianRandomWalk.dist([0.1, 0.2, 0.0, 2.0], [1.0, 2.0, 0.5, 1.0], init_dist=start(), steps=4),
        pm.RandomWalk.dist(start(), pm.Laplace.dist(0.3, 0.5), 4),
        pm.MvGaussianRandomWalk.dist(
            [0.1, -0.2], chol=[[1.0, 0.0], [0.5, 2.0]], steps=4, init_dist=pm.MvNormal.dist([1, 2], np.eye(2))
        ),
        pm.GARCH11.dist(0.1, 0.2, 0.5, 1.0, steps=4),
    ]
    for d in walks:
        drawn = d.sample(40_000, random_seed=3)
        assert drawn.shape == (40_000, *d.shape)
        sd = np.sqrt(value(d.variance())) * np.ones(d.shape)
        np.testing.assert_allclose((drawn.mean(0) - value(d.mean())) / sd, 0, atol=0.025, err_msg=str(d))
        np.testing.assert_allclose(drawn.var(0) / sd**2, 1, atol=0.06, err_msg=str(d))


def test_draws_of_autoregressions_follow_their_density():
    d = pm.AR.dist(
        [0.3, 0.5, -0.2], sigma=0.6, constant=True, init_dist=pm.Normal.dist(0, 1, shape=2), steps=4
    )
    x = d.sample(5000, random_seed=4)
    noise = (x[:, 2:] - 0.3 - 0.5 * x[:, 1:-1] + 0.2 * x[:, :-2]) / 0.6
    assert (
        st.kstest(noise.ravel(), "norm").pvalue > 1e-3 and abs(np.corrcoef(noise.T) - np.eye(4)).max() < 0.06
    )
    form = SERIES["EulerMaruyama"]
    x = form.make(**form.params).sample(5000, random_seed=4)
    now, later = x[:, :-1], x[:, 1:]
    noise = (later - now - 0.125 * 1.2 * now * (1 - now)) / (np.sqrt(0.125) * 0.4 * (1 + now**2))
    assert st.kstest(noise.ravel(), "norm").pvalue > 1e-3


def test_batches_of_series():
    x = RNG.normal(size=(3, 6))
    mu = np.array([[0.1], [0.2], [0.3]])
    d = pm.GaussianRandomWalk.dist(mu, 0.7, init_dist=pm.Normal.dist([0, 1, 2], 1), steps=5)
    truth = st.norm.logpdf(x[:, 0], [0, 1, 2]) + st.norm.logpdf(np.diff(x), mu, 0.7).sum(-1)
    np.testing.assert_allclose(value(d.logp(x)), truth, rtol=1e-12)
    assert d.shape == (3, 6) and d.sample(4, random_seed=1).shape == (4, 3, 6)
    ar = pm.AR.dist(
        np.array([[0.5], [0.1], [0.9]]),
        sigma=[1.0, 2.0, 3.0],
        init_dist=pm.Normal.dist(0, 1, shape=1),
        steps=5,
    )
    truth = st.norm.logpdf(x[:, 0]) + st.norm.logpdf(
        x[:, 1:], x[:, :-1] * [[0.5], [0.1], [0.9]], [[1], [2], [3]]
    ).sum(-1)
    np.testing.assert_allclose(value(ar.logp(x)), truth, rtol=1e-12)
    assert ar.shape == (3, 6) and ar.sample(random_seed=1).shape == (3, 6)
    one = [value(pm.GARCH11.dist(w, 0.2, 0.5, 1.0, steps=5).logp(x[0])) for w in (0.1, 0.4)]
    both = pm.GARCH11.dist([0.1, 0.4], 0.2, 0.5, 1.0, steps=5)
    np.testing.assert_allclose(value(both.logp(np.stack([x[0], x[0]]))), one, rtol=1e-12)
    repeated = pm.GaussianRandomWalk.dist(init_dist=start(), shape=(3, 6))
    assert repeated.shape == (3, 6) and repeated.sample(random_seed=1).shape == (3, 6)


def test_walks_of_vectors_and_of_counts():
    x = RNG.normal(size=(4, 2))
    cov = np.array([[1.0, 0.3], [0.3, 2.0]])
    begin = pm.MvNormal.dist([0, 0], np.eye(2))
    truth = st.multivariate_normal([0, 0]).logpdf(x[0]) + sum(
        st.multivariate_normal([0.1, 0.2], cov).logpdf(x[t] - x[t - 1]) for t in range(1, 4)
    )
    upper = np.linalg.cholesky(cov).T
    for d in (
        pm.MvGaussianRandomWalk.dist([0.1, 0.2], cov=cov, init_dist=begin, steps=3),
        pm.MvGaussianRandomWalk.dist([0.1, 0.2], chol=upper, lower=False, init_dist=begin, steps=3),
        pm.RandomWalk.dist(begin, pm.MvNormal.dist([0.1, 0.2], cov), 3),
    ):
        np.testing.assert_allclose(value(d.logp(x)), truth, rtol=1e-12)
        assert d.shape == (4, 2) and d.sample(3, random_seed=1).shape == (3, 4, 2)
    student = pm.MvStudentTRandomWalk.dist(5.0, mu=[0.1, 0.2], scale=cov, init_dist=begin, steps=3)
    truth = st.multivariate_normal([0, 0]).logpdf(x[0]) + sum(
        st.multivariate_t([0.1, 0.2], cov, 5).logpdf(x[t] - x[t - 1]) for t in range(1, 4)
    )
    np.testing.assert_allclose(value(student.logp(x)), truth, rtol=1e-12)
    counts = pm.RandomWalk.dist(pm.Poisson.dist(2), pm.Poisson.dist(1), steps=3)
    truth = st.poisson.logpmf(1, 2) + st.poisson.logpmf([0, 2, 1], 1).sum()
    assert counts.discrete and value(counts.logp([1, 1, 3, 4])) == pytest.approx(truth, rel=1e-12)
    assert value(counts.logp([1, 0, 3, 4])) == -np.inf  # a step of -1


def test_how_long_a_series_is():
    with pm.Model(coords={"time": range(7)}) as model:
        by_dims = pm.GaussianRandomWalk("a", init_dist=start(), dims="time")
        by_data = pm.AR("b", rho=[0.5, 0.1], init_dist=pm.Normal.dist(0, 1, shape=2), observed=np.zeros(9))
        by_steps = pm.GARCH11("c", 0.1, 0.2, 0.3, 1.0, steps=4)
    assert (by_dims.type.shape, by_data.type.shape, by_steps.type.shape) == ((7,), (9,), (5,))
    assert np.isfinite(model.compile_logp()(model.initial_point()))
    with pytest.raises(
        ValueError, match=r"GaussianRandomWalk: how long is the series\? Give steps=, or shape="
    ):
        pm.GaussianRandomWalk.dist(init_dist=start())
    with pytest.raises(ValueError, match=r"shape \(5,\) has to end in the event's \(11,\)"):
        pm.GaussianRandomWalk.dist(init_dist=start(), steps=10, shape=5)
    with pytest.raises(ValueError, match="steps is a whole number from 1 on, got 0"):
        pm.GARCH11.dist(0.1, 0.2, 0.3, 1.0, steps=0)
    with pytest.raises(ValueError, match="AR: rho has length 2; of order 2 with a constant it has 3"):
        pm.AR.dist([0.1, 0.2], constant=True, ar_order=2, init_dist=start(), steps=3)
    with pytest.raises(ValueError, match=r"the last axis of mu is time and has length 3, for steps=5"):
        pm.GaussianRandomWalk.dist([0.1, 0.2, 0.3], init_dist=start(), steps=5)
    with pytest.raises(TypeError, match="RandomWalk: innovation_dist is a distribution such as"):
        pm.RandomWalk.dist(start(), 3, steps=2)
    with pytest.raises(ValueError, match="init_dist has events of 0 axes, the steps of 1"):
        pm.RandomWalk.dist(start(), pm.MvNormal.dist([0, 0], np.eye(2)), steps=2)
    with pytest.raises(TypeError, match="sde_fn is a function"):
        pm.EulerMaruyama.dist(0.1, 3, (), init_dist=start(), steps=2)
    with pytest.raises(ValueError, match="dt is -1; it must be a positive number"):
        pm.EulerMaruyama.dist(-1, lambda x: (x, x), (), init_dist=start(), steps=2)


def test_what_a_series_begins_from_is_said():
    with pytest.warns(
        UserWarning, match=r"Initial distribution not specified, defaulting to `Normal.dist\(0, 100\)`"
    ):
        d = pm.GaussianRandomWalk.dist(0.0, 1.0, steps=3)
    np.testing.assert_allclose(
        value(d.logp(np.zeros(4))), st.norm.logpdf([0, 0, 0, 0], 0, [100, 1, 1, 1]).sum()
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pm.GaussianRandomWalk.dist(0.0, 1.0, init_dist=start(), steps=3)


def test_a_walk_with_noise_has_kalmans_posterior():
    y = np.cumsum(RNG.normal(size=25)) + RNG.normal(size=25) * 0.5
    n = len(y)
    with pm.Model():
        x = pm.GaussianRandomWalk("x", 0.0, 1.0, init_dist=pm.Normal.dist(0, 2), shape=n)
        pm.Normal("y", x, 0.5, observed=y)
        post = pm.sample(1500, tune=700, chains=2, random_seed=5, progressbar=False).posterior["x"].values
    sums = np.tril(np.ones((n, n)))
    prior = sums @ np.diag([4.0, *np.ones(n - 1)]) @ sums.T
    gain = prior @ np.linalg.inv(prior + 0.25 * np.eye(n))
    mean, cov = gain @ y, prior - gain @ prior
    z = (post.mean((0, 1)) - mean) / np.sqrt(np.diag(cov))
    assert abs(z).max() < 0.15
    np.testing.assert_allclose(post.reshape(-1, n).std(0) / np.sqrt(np.diag(cov)), 1, atol=0.12)


def test_an_autoregression_has_the_posterior_of_a_regression():
    d = pm.AR.dist([0.6, -0.3], sigma=1.0, init_dist=pm.Normal.dist(0, 1, shape=2), steps=200)
    y = d.sample(random_seed=9)
    with pm.Model():
        rho = pm.Normal("rho", 0, 1, shape=2)
        pm.AR("y", rho, sigma=1.0, init_dist=pm.Normal.dist(0, 1, shape=2), observed=y)
        post = pm.sample(1500, tune=500, chains=2, random_seed=5, progressbar=False).posterior["rho"].values
    design = np.stack([y[1:-1], y[:-2]], axis=1)
    cov = np.linalg.inv(design.T @ design + np.eye(2))
    mean = cov @ design.T @ y[2:]
    sd = np.sqrt(np.diag(cov))
    assert abs((post.mean((0, 1)) - mean) / sd).max() < 0.12
    np.testing.assert_allclose(post.reshape(-1, 2).std(0) / sd, 1, atol=0.1)
