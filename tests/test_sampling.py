"""sample(): known posteriors, the form of the result, seeds, errors."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings

import numpy as np
import pytest
import scipy.stats as st

import probgraph as pg
from probgraph.diagnostics import Coordinates, diagnose
from probgraph.samplers import Trace, chains
from probgraph.samplers.metric import identity

QUIET = {"progressbar": False}


def groups(idata):
    names = idata.groups() if callable(idata.groups) else idata.groups
    return {name.strip("/") for name in names} - {""}


def conjugate():
    """A normal mean with known posterior."""
    y = np.random.default_rng(0).normal(3.0, 2.0, 50)
    with pg.Model(coords={"i": range(50)}) as model:
        mu = pg.Normal("mu", 0, 10)
        pg.Deterministic("twice", 2 * mu)
        pg.Normal("y", mu, 2.0, observed=y, dims="i")
    precision = 1 / 100 + 50 / 4
    return model, st.norm(y.sum() / 4 / precision, precision**-0.5)


def check_against(draws, exact, tolerance=4.0):
    """Means of draws and squares within so many standard errors, by means of batches."""
    cdf = exact.cdf(draws)
    assert st.kstest(cdf[:, ::10].ravel(), "uniform").pvalue > 1e-3
    assert abs(draws.mean() - exact.mean()) < tolerance * exact.std() / np.sqrt(draws.size / 5)


def test_a_conjugate_normal():
    model, exact = conjugate()
    with model:
        idata = pg.sample(random_seed=3, **QUIET)
    draws = idata.posterior["mu"].values
    assert draws.shape == (4, 1000)
    check_against(draws, exact)
    np.testing.assert_allclose(idata.posterior["twice"].values, 2 * draws)


@pytest.mark.parametrize(
    ("make", "exact"),
    [
        (lambda: pg.Binomial("k", 20, pg.Beta("x", 2, 3), observed=14), st.beta(16, 9)),
        (lambda: pg.Poisson("k", pg.Gamma("x", 3, 2), observed=[4, 1, 3]), st.gamma(11, 0, 1 / 5)),
        (lambda: pg.Bernoulli("k", pg.Uniform("x", 0, 1), observed=[1, 1, 0, 1]), st.beta(4, 2)),
        (lambda: pg.Exponential("k", pg.Exponential("x", 1), observed=[2.0, 3.0]), st.gamma(3, 0, 1 / 6)),
        (lambda: pg.LogNormal("x", 1, 0.5), st.lognorm(0.5, 0, np.e)),
        (lambda: pg.HalfNormal("x", 3), st.halfnorm(0, 3)),
        (lambda: pg.Uniform("x", -2, 5), st.uniform(-2, 7)),
        (lambda: pg.StudentT("x", 8, 1, 2), st.t(8, 1, 2)),
    ],
    ids=["beta", "gamma", "uniform", "exponential", "lognormal", "halfnormal", "interval", "student"],
)
def test_known_posteriors(make, exact):
    with pg.Model():
        make()
        arrays = pg.sample(2000, random_seed=11, return_inferencedata=False, **QUIET)
    check_against(arrays["x"], exact, 5.0)


def test_the_result_is_arvizs():
    with pg.Model(coords={"school": ["A", "B"], "time": [10, 20, 30]}) as model:
        x = pg.Data("x", [1.0, 2.0], dims="school")
        a = pg.Normal("a", 0, 1, dims="school")
        s = pg.HalfNormal("s", 1)
        pg.Deterministic("b", pg.math.outer(a * x, [1.0, 2.0, 3.0]), dims=("school", "time"))
        pg.Normal("free_shape", shape=(2, 2))
        pg.Bernoulli("y", logit_p=a / s, observed=[0, 1], dims="school")
        idata = pg.sample(
            50,
            tune=60,
            chains=3,
            random_seed=5,
            discard_tuned_samples=False,
            idata_kwargs={"log_likelihood": True, "include_transformed": True},
            **QUIET,
        )
    assert groups(idata) == {
        "posterior",
        "sample_stats",
        "observed_data",
        "constant_data",
        "log_likelihood",
        "warmup_posterior",
        "warmup_sample_stats",
    }
    posterior = idata.posterior
    assert set(posterior.data_vars) == {"a", "s", "b", "free_shape", "s_log__"}
    assert posterior["b"].dims == ("chain", "draw", "school", "time") and posterior["b"].shape == (
        3,
        50,
        2,
        3,
    )
    assert posterior["free_shape"].dims == ("chain", "draw", "free_shape_dim_0", "free_shape_dim_1")
    assert list(posterior["school"].values) == ["A", "B"] and list(posterior["time"].values) == [10, 20, 30]
    expected = posterior["a"].values * [1, 2]
    np.testing.assert_allclose(posterior["b"].sel(time=20).values, 2 * expected)
    np.testing.assert_allclose(np.log(posterior["s"].values), posterior["s_log__"].values)
    stats = {
        "lp",
        "acceptance_rate",
        "step_size",
        "tree_depth",
        "n_steps",
        "diverging",
        "energy",
        "reached_max_treedepth",
    }
    assert stats <= set(idata.sample_stats.data_vars)
    assert idata.warmup_posterior["a"].shape == (3, 60, 2)
    assert idata.observed_data["y"].dims == ("school",) and idata.observed_data["y"].dtype == "int64"
    np.testing.assert_array_equal(idata.constant_data["x"].values, [1, 2])
    eta = (posterior["a"].values / posterior["s"].values[..., None]) * [-1, 1]
    np.testing.assert_allclose(idata.log_likelihood["y"].values, -np.logaddexp(0, -eta), rtol=1e-10)
    attrs = idata.posterior.attrs
    assert attrs["tuning_steps"] == 60 and attrs["target_accept"] == 0.8 and attrs["random_seed"] == 5
    assert {"build_time", "compile_time", "tuning_time", "sampling_time"} <= set(attrs)
    assert model.named_vars_to_dims["b"] == ("school", "time")


def test_log_likelihood_computed_later_is_the_same():
    model, _ = conjugate()
    with model:
        idata = pg.sample(50, chains=2, random_seed=5, idata_kwargs={"log_likelihood": ["y"]}, **QUIET)
        bare = pg.sample(50, chains=2, random_seed=5, **QUIET)
        assert pg.compute_log_likelihood(bare) is bare
        dataset = pg.compute_log_likelihood(bare, extend_inferencedata=False)
        with pytest.raises(KeyError, match="'mu' is not observed; observed are y"):
            pg.compute_log_likelihood(bare, var_names="mu")
    expected = st.norm.logpdf(model["y"].eval(), idata.posterior["mu"].values[..., None], 2.0)
    for group in (idata.log_likelihood, bare.log_likelihood, dataset):
        assert group["y"].dims == ("chain", "draw", "i")
        np.testing.assert_allclose(group["y"].values, expected, rtol=1e-10)


def test_the_seed_alone_decides_the_draws():
    model, _ = conjugate()

    def draws(**options):
        with model:
            return pg.sample(100, tune=100, return_inferencedata=False, **{**QUIET, **options})["mu"]

    first = draws(random_seed=7)
    np.testing.assert_array_equal(first, draws(random_seed=7, cores=1))
    np.testing.assert_array_equal(first, draws(random_seed=7, cores=2, progressbar=True))
    np.testing.assert_array_equal(first, draws(random_seed=np.random.SeedSequence(7)))
    np.testing.assert_array_equal(first[:2], draws(random_seed=7, chains=2))
    assert (first != draws(random_seed=8)).any()
    assert (draws() != draws()).any()
    rng = np.random.default_rng
    np.testing.assert_array_equal(draws(random_seed=rng(1)), draws(random_seed=rng(1)))
    assert len(np.unique(first[:, -1])) == 4


def test_starts():
    with pg.Model():
        s = pg.HalfNormal("s", 1)
        pg.Normal("x", 0, s)
        fixed = {"tune": 0, "draws": 1, "chains": 2, "random_seed": 1, "return_inferencedata": False, **QUIET}
        for given in ({"s": 1e-3, "x": 0.1}, [{"s": 1e-3}, {"s_log__": np.log(1e-3)}]):
            near = pg.sample(init="adapt_diag", initvals=given, **fixed)
            assert (near["s"] < 0.1).all()
        with pytest.raises(ValueError, match="initvals is a list of 1 for 2 chains"):
            pg.sample(initvals=[{}], **fixed)
        with pytest.raises(
            KeyError, match="initvals names 'q', which is no free variable; those are s, s_log__, x"
        ):
            pg.sample(initvals={"q": 1}, **fixed)
        with pytest.raises(ValueError, match=r"the initial value of s is -1; .*Give initval= or initvals="):
            pg.sample(initvals={"s": -1}, **fixed)


def test_no_finite_start_says_which_variable_and_why():
    with pg.Model():
        s = pg.HalfNormal("s", 1)
        pg.Normal("y", [0, 1, 2], s - 5, observed=[1, 2, 3])
        text = r"(?s)for chain 0 in 20 tries.*y  -inf at index 0.*y = 1 of Normal\(mu=0, sigma=-.*sigma must be positive.*at s ="
        with pytest.raises(ValueError, match=text):
            pg.sample(jitter_max_retries=20, **QUIET)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"tunes": 3}, TypeError, "unexpected keyword argument 'tunes'"),
        ({"init": "advi"}, ValueError, "init is 'advi'; it must be one of 'auto', 'jitter"),
        ({"chains": 0}, ValueError, "chains is 0"),
        ({"draws": -1}, ValueError, "draws is -1"),
        ({"target_accept": 1.5}, ValueError, "target_accept is 1.5"),
        ({"random_seed": -1}, ValueError, "random_seed is -1"),
        (
            {"idata_kwargs": {"loglik": True}},
            TypeError,
            "idata_kwargs: 'loglik' is no option; those are log_lik",
        ),
        (
            {"idata_kwargs": {"log_likelihood": ["q"]}},
            KeyError,
            "log_likelihood: 'q' is not observed; observed are y",
        ),
        (
            {"var_names": ["q"]},
            KeyError,
            "var_names: 'q' is no free variable or Deterministic; those are mu, twice",
        ),
    ],
)
def test_bad_options(options, error, text):
    model, _ = conjugate()
    with model, pytest.raises(error, match=text):
        pg.sample(**{**QUIET, **options})


def test_var_names_choose():
    model, _ = conjugate()
    with model:
        arrays = pg.sample(5, tune=5, chains=1, var_names=["twice"], return_inferencedata=False, **QUIET)
        (alone,) = pg.sample(5, tune=5, chains=1, var_names="mu", return_inferencedata=False, **QUIET)
    assert set(arrays) == {"twice"} and arrays["twice"].shape == (1, 5) and alone == "mu"


def test_divergences_are_counted_with_advice():
    with pg.Model():
        s = pg.Normal("s", 0, 3)
        pg.Normal("x", 0, pg.math.exp(s), shape=9)
        with pytest.warns(
            UserWarning, match=r"There were \d+ divergences among 2,000 draws.*try 0.9\).*mu \+ sigma \* z"
        ):
            pg.sample(500, tune=300, random_seed=1, return_inferencedata=False, **QUIET)


def test_too_deep_trees_are_told():
    with pg.Model():
        pg.Normal("x", 0, np.logspace(-3, 1, 5))
        with pytest.warns(UserWarning, match="of 100 draws reached max_treedepth=1"):
            pg.sample(
                100, tune=50, chains=1, max_treedepth=1, random_seed=1, return_inferencedata=False, **QUIET
            )


def test_nothing_to_say_about_a_good_run():
    model, _ = conjugate()
    with model, warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        pg.sample(1000, random_seed=1, return_inferencedata=False, **QUIET)


@pytest.mark.skipif(os.name == "nt", reason="no signals to one's own process")
def test_an_interruption_returns_what_is_there(monkeypatch):
    def press_ctrl_c(trace_begins):
        # Once a chain draws, however long the machine takes to come to that.
        while not any(chain.drawn > 100 for chain in trace_begins):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    begun = []

    class Chain(chains._Chain):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            begun.append(self)

    monkeypatch.setattr(chains, "_Chain", Chain)
    threading.Thread(target=press_ctrl_c, args=(begun,), daemon=True).start()
    with pg.Model():
        pg.Normal("x", 0, 1, shape=50)
        with pytest.warns(UserWarning, match="Sampling was interrupted; what is returned is"):
            idata = pg.sample(1_000_000, tune=20, chains=2, random_seed=1, **QUIET)
    assert 0 < idata.posterior["x"].shape[1] < 1_000_000
    assert idata.posterior.attrs["interrupted"] == 1
    assert np.isfinite(idata.posterior["x"].values).all()


def trace_of(chains, draws, interrupted=False, divergences=0):
    diverging = np.arange(chains * draws).reshape(chains, draws) < divergences
    return Trace(
        draws=np.zeros((chains, draws, 1)),
        stats={"diverging": diverging, "reached_max_treedepth": np.zeros((chains, draws), bool)},
        step_size=np.ones(chains),
        metric=(identity(1),) * chains,
        chains=np.arange(chains),
        interrupted=interrupted,
        seconds=1.0,
        seconds_tuning=np.ones(chains),
        seconds_sampling=np.ones(chains),
        gradients=1,
        gradients_tuning=1,
    )


@pytest.mark.parametrize(
    ("trace", "target_accept", "text"),
    [
        (trace_of(2, 3, interrupted=True), 0.8, "what is returned is 2 chains with 3 draws each"),
        (trace_of(1, 1, interrupted=True), 0.8, "what is returned is 1 chain with 1 draw each"),
        (trace_of(1, 9, divergences=1), 0.8, r"There was 1 divergence among 9 draws after .*\(try 0\.9\)"),
        (trace_of(2, 900, divergences=2), 0.95, r"There were 2 divergences among 1,800 .*\(try 0\.975\)"),
        (trace_of(1, 9, divergences=9), 0.99, r"There were 9 divergences among 9 .*\(try 0\.995\)"),
    ],
)
def test_the_words_of_warnings(trace, target_accept, text):
    with pytest.warns(UserWarning, match=text):
        diagnose(trace, [Coordinates("x", 0, 1, ())], 10, target_accept).warn()


def test_data_exchanged_between_runs():
    with pg.Model() as model:
        y = pg.Data("y_data", [0.0, 0.0, 0.0, 0.0])
        mu = pg.Normal("mu", 0, 100)
        pg.Normal("y", mu, 1, observed=y)
        first = pg.sample(500, random_seed=1, **QUIET)
        model.set_data("y_data", [9.0, 10.0, 11.0])
        second = pg.sample(500, random_seed=1, **QUIET)
    assert abs(first.posterior["mu"].values.mean()) < 0.1
    assert abs(second.posterior["mu"].values.mean() - 10) < 0.1
    np.testing.assert_array_equal(second.observed_data["y"].values, [9, 10, 11])
