"""Sequential Monte Carlo on posteriors and evidences that are known."""

import signal

import numpy as np
import pytest
import scipy.stats as st

import probgraph as pg
from probgraph.model.log_density import tempered_density
from probgraph.samplers import LogDensity, Path, RandomWalks, tempered
from probgraph.samplers.compiled_nuts import CompiledNuts
from probgraph.samplers.metric import Metric
from probgraph.samplers.nuts import STATISTICS
from probgraph.samplers.python_nuts import PythonNuts

DATA = np.array([1.2, 0.3, 2.1, -0.4, 1.0])


def conjugate():
    with pg.Model() as model:
        mu = pg.Normal("mu", 0.5, 2.0)
        pg.Normal("y", mu, 1.0, observed=DATA)
    return model


KERNELS = ("mh", "hmc", "nuts")


@pytest.mark.parametrize("kernel", KERNELS)
def test_evidence_and_posterior_of_a_conjugate_model(kernel):
    result = pg.sample_smc(3000, kernel=kernel, chains=4, random_seed=1, model=conjugate())
    covariance = np.eye(5) + 4.0
    truth = st.multivariate_normal(np.full(5, 0.5), covariance).logpdf(DATA)
    found = result.sample_stats["log_marginal_likelihood"].values[:, 0]
    assert len(np.unique(found)) == 4 and np.abs(found - truth).max() < 0.1
    precision = 5 + 0.25
    mean, scale = (DATA.sum() + 0.5 * 0.25) / precision, precision**-0.5
    mu = result.posterior["mu"].values
    assert mu.shape == (4, 3000)
    assert abs(mu.mean() - mean) < 0.03 * scale * 2 and abs(mu.std() / scale - 1) < 0.04
    assert st.kstest(mu.ravel()[::10], st.norm(mean, scale).cdf).pvalue > 0.01


@pytest.mark.parametrize("kernel", KERNELS)
def test_evidence_of_a_bounded_variable(kernel):
    """Beta-binomial, through the transform to R."""
    with pg.Model():
        p = pg.Beta("p", 2, 3)
        pg.Binomial("k", 20, p, observed=13)
        result = pg.sample_smc(3000, kernel=kernel, chains=2, random_seed=2)
    found = result.sample_stats["log_marginal_likelihood"].values[:, 0]
    assert np.abs(found - st.betabinom(20, 2, 3).logpmf(13)).max() < 0.1
    assert abs(float(result.posterior["p"].mean()) - 15 / 25) < 0.01
    assert abs(float(result.posterior["p"].std()) - st.beta(15, 10).std()) < 0.005


@pytest.mark.parametrize("kernel", ["hmc", "nuts"])
def test_evidence_of_a_regression(kernel):
    """Twenty correlated coefficients, of which the evidence is a normal density."""
    random = np.random.default_rng(11)
    x = random.normal(size=(40, 20)) @ (np.eye(20) + 0.3)
    y = x @ random.normal(size=20) + random.normal(size=40)
    with pg.Model():
        beta = pg.Normal("beta", 0.0, 2.0, shape=20)
        pg.Normal("y", pg.math.dot(x, beta), 1.0, observed=y)
        result = pg.sample_smc(1000, kernel=kernel, chains=4, random_seed=12)
    truth = st.multivariate_normal(np.zeros(40), np.eye(40) + 4.0 * x @ x.T).logpdf(y)
    found = result.sample_stats["log_marginal_likelihood"].values[:, 0]
    assert np.abs(found - truth).max() < 1.2 and abs(found.mean() - truth) < 0.6
    covariance = np.linalg.inv(x.T @ x + np.eye(20) / 4)
    draws = result.posterior["beta"].values.reshape(-1, 20)
    scales = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose((draws.mean(0) - covariance @ x.T @ y) / scales, 0, atol=0.12)
    np.testing.assert_allclose(draws.std(0) / scales, 1, atol=0.1)


def test_the_temperature_is_a_coordinate_with_the_likelihood_as_derivative():
    model = conjugate()
    density = tempered_density(model, model.logp(vars=model.free_RVs), model.logp(vars=[model["y"]]))
    for mu, beta in ((0.3, 0.0), (1.2, 0.4), (-2.0, 1.0)):
        prior, likelihood = st.norm(0.5, 2).logpdf(mu), st.norm(mu, 1).logpdf(DATA).sum()
        logp, gradient = density(np.array([mu, beta]))
        np.testing.assert_allclose(logp, prior + beta * likelihood, rtol=1e-13)
        np.testing.assert_allclose(gradient, [(0.5 - mu) / 4 + beta * (DATA - mu).sum(), likelihood])


@pytest.mark.parametrize("path", [None, Path(2.0, 0.5)])
def test_each_particle_is_moved_alike_in_python_and_in_c(path):
    density = LogDensity.from_python(lambda q: (-0.5 * q[:2] @ q[:2], np.append(-q[:2], 3.0)), 3)
    found = []
    for kind in (CompiledNuts, PythonNuts):
        q = np.random.default_rng(1).normal(size=(20, 3))
        gradients, statistics = np.zeros((20, 3)), np.zeros(20, STATISTICS)
        chain = kind(density, q[0], np.random.PCG64(2), path=path)
        chain.set_metric(Metric(np.array([0.8, 1.3, 0.0])))
        third = q[:, 2].copy()
        assert chain.each(0.3, q, gradients, statistics) == 20
        np.testing.assert_array_equal(q[:, 2], third)  # the scale of which is 0
        np.testing.assert_array_equal(gradients, np.column_stack([-q[:, :2], np.full(20, 3.0)]))
        found.append((q, statistics["n_steps"].copy()))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-11)
    np.testing.assert_array_equal(found[0][1], found[1][1])


def test_two_modes_keep_their_weights():
    """A mixture of which two thirds lie at 4 and one third at -4: particles do not have to cross."""

    def densities(q):
        prior = st.norm(0, 5).logpdf(q).sum(1)
        modes = np.logaddexp(
            np.log(2 / 3) + st.norm(4, 0.3).logpdf(q).sum(1),
            np.log(1 / 3) + st.norm(-4, 0.3).logpdf(q).sum(1),
        )
        return prior, modes - prior

    random = np.random.default_rng(3)
    parts = [
        (
            tempered(RandomWalks(densities, 2, random), random.normal(size=(2000, 2)) * 5, random).particles[
                :, 0
            ]
            > 0
        ).mean()
        for _ in range(8)
    ]
    assert abs(np.mean(parts) - 2 / 3) < 4 * np.std(parts, ddof=1) / np.sqrt(8)


def test_many_dimensions_and_stages():
    def densities(q):
        return st.norm.logpdf(q).sum(1), st.norm(1.0, 0.1).logpdf(q).sum(1)

    random = np.random.default_rng(4)
    run = tempered(RandomWalks(densities, 10, random), random.normal(size=(2000, 10)), random)
    assert len(run.betas) > 4 and run.betas[-1] == 1.0 and np.all(np.diff(run.betas) > 0)
    assert abs(np.mean(run.acceptance_rate) - 0.234) < 0.1
    truth = 10 * st.norm(0, np.sqrt(1.01)).logpdf(1.0)
    assert abs(run.log_marginal_likelihood - truth) < 0.8
    np.testing.assert_allclose(run.particles.mean(0), 1 / 1.01, atol=0.015)
    np.testing.assert_allclose(run.particles.std(0), (101) ** -0.5, rtol=0.12)


def test_same_seed_same_draws_and_coords():
    with pg.Model(coords={"k": ["a", "b"]}):
        x = pg.Normal("x", 0, 1, dims="k")
        pg.Deterministic("twice", 2 * x, dims="k")
        pg.Potential("near", -(x.sum() ** 2))
        one, two = (pg.sample_smc(100, chains=2, random_seed=5) for _ in range(2))
        arrays = pg.sample_smc(100, chains=2, random_seed=5, return_inferencedata=False, var_names=["x"])
    np.testing.assert_array_equal(one.posterior["x"].values, two.posterior["x"].values)
    np.testing.assert_array_equal(one.posterior["x"].values, arrays["x"])
    np.testing.assert_allclose(one.posterior["twice"].sel(k="b"), 2 * one.posterior["x"].sel(k="b"))
    assert list(arrays) == ["x"]


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"draws": 3}, "draws is 3; it must be at least 10"),
        ({"chains": 0}, "chains is 0"),
        ({"kernel": "metropolis"}, "kernel is 'metropolis'; it must be one of 'mh', 'hmc', 'nuts'"),
        ({"threshold": 1.0}, r"threshold is 1\.0; it must lie between 0 and 1"),
        ({"correlation_threshold": 0}, "correlation_threshold is 0"),
    ],
)
def test_bad_settings(wrong, message):
    with pytest.raises(ValueError, match=message):
        pg.sample_smc(model=conjugate(), **wrong)


def test_nothing_to_begin_with():
    with pg.Model():
        x = pg.Normal("x")
        pg.Potential("nowhere", x * 0 - np.inf)
        with pytest.raises(ValueError, match="no draw of the prior has a finite likelihood"):
            pg.sample_smc(100, chains=1)
    with pg.Model():
        pg.Normal("y", pg.Flat("x"), 1, observed=0.0)
        with pytest.raises(NotImplementedError):
            pg.sample_smc(100, chains=1)


@pytest.fixture
def interrupted_after(monkeypatch):
    """SIGTERM, which is as Ctrl-C, in the middle of that many-th move, when half of the particles have been moved."""

    def after(count):
        left = [count]
        move = RandomWalks.move

        def interrupting(self, q, likelihood):
            left[0] -= 1
            if left[0] == 0:
                q[: len(q) // 2] = np.nan
                signal.raise_signal(signal.SIGTERM)
            return move(self, q, likelihood)

        monkeypatch.setattr(RandomWalks, "move", interrupting)

    return after


def narrow():
    """x ~ N(0, 1) seen once as 2 with an error of 0.05: some stages; at temperature b the precision is 1 + 400 b."""
    with pg.Model() as model:
        x = pg.Normal("x", 0, 1)
        pg.Normal("y", x, 0.05, observed=2.0)
    return model


def test_an_interrupted_run_has_the_chains_that_were_finished(interrupted_after):
    settings = {"draws": 1000, "random_seed": 3, "model": narrow()}
    whole = pg.sample_smc(chains=3, **settings)
    assert whole.posterior.attrs["interrupted"] == 0 and (whole.sample_stats["beta"] == 1).all()
    counted = []
    original = RandomWalks.move
    RandomWalks.move = lambda self, *given: counted.append(1) or original(self, *given)
    try:
        pg.sample_smc(chains=2, **settings)
    finally:
        RandomWalks.move = original
    interrupted_after(len(counted) + 3)
    with pytest.warns(UserWarning, match="interrupted; what is returned is 2 chains, finished before"):
        part = pg.sample_smc(chains=3, **settings)
    assert part.posterior.attrs["interrupted"] == 1 and (part.sample_stats["beta"] == 1).all()
    np.testing.assert_array_equal(part.posterior["x"].values, whole.posterior["x"].values[:2])
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_where_no_chain_was_finished_the_draws_are_of_the_temperature_reached_and_say_so(interrupted_after):
    interrupted_after(25)
    with pytest.warns(
        UserWarning, match=r"interrupted at temperature 0\.\d+ of 1: these are NOT draws of the post"
    ):
        part = pg.sample_smc(4000, chains=2, random_seed=1, model=narrow())
    stats = part.sample_stats
    beta = float(stats["beta"][0, 0])
    assert part.posterior.attrs["interrupted"] == 1 and 0 < beta < 1 and stats.sizes["chain"] == 1
    assert np.isnan(stats["log_marginal_likelihood"]).all()
    precision = 1 + 400 * beta
    x = part.posterior["x"].values
    assert x.mean() == pytest.approx(800 * beta / precision, abs=4 / np.sqrt(precision * 1000))
    assert x.std() == pytest.approx(precision**-0.5, rel=0.1)


def test_before_the_first_stage_there_is_nothing_to_return(interrupted_after):
    interrupted_after(1)
    with pytest.raises(KeyboardInterrupt, match="before the first stage was finished"):
        pg.sample_smc(100, chains=2, random_seed=1, model=narrow())
