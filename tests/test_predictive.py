"""Draws forward from models: from priors, given a posterior, for new data; and densities of draws that are there."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import scipy.stats as st

import probgraph as pm

RNG = np.random.default_rng(11)
X = RNG.normal(size=40)
Y = 1.0 + 2.0 * X + RNG.normal(size=40)
GROUP = np.arange(40) % 3


def grouped():
    with pm.Model(coords={"group": list("abc"), "row": np.arange(40)}) as model:
        pm.Data("x", X, dims="row")
        mu = pm.Normal("mu", 1.0, 2.0)
        a = pm.Normal("a", mu, 0.5, dims="group")
        slope = pm.Normal("slope", 0.0, 1.0)
        sigma = pm.HalfNormal("sigma", 1.0)
        eta = pm.Deterministic("eta", a[GROUP] + slope * X, dims="row")
        pm.Normal("y", eta, sigma, observed=Y, dims="row")
        pm.Bernoulli("above", logit_p=eta, observed=Y > 1, dims="row")
    return model


MODEL = grouped()
with MODEL:
    IDATA = pm.sample(300, tune=300, chains=2, random_seed=3, progressbar=False)


def groups_of(idata):
    return set(idata.groups()) if callable(idata.groups) else set(idata.children)


def test_the_prior_has_the_moments_of_the_model():
    with MODEL:
        prior = pm.sample_prior_predictive(4000, random_seed=1)
        again = pm.sample_prior_predictive(4000, random_seed=1)
        other = pm.sample_prior_predictive(4000, random_seed=2)
    assert groups_of(prior) == {"prior", "prior_predictive", "observed_data", "constant_data"}
    assert prior["prior"]["a"].dims == ("chain", "draw", "group") and prior["prior"]["a"].shape == (
        1,
        4000,
        3,
    )
    assert list(prior["prior_predictive"]["y"].coords["row"].values) == list(range(40))
    a, mu = prior["prior"]["a"].values[0], prior["prior"]["mu"].values[0]
    assert st.kstest((a - mu[:, None])[:, 0] / 0.5, "norm").pvalue > 1e-3
    np.testing.assert_allclose(np.cov(a.T), 4 + 0.25 * np.eye(3), atol=0.35)
    eta, y, sigma = (
        prior[g][n].values[0] for g, n in (("prior", "eta"), ("prior_predictive", "y"), ("prior", "sigma"))
    )
    np.testing.assert_allclose(
        eta, a[:, GROUP] + prior["prior"]["slope"].values[0][:, None] * X, rtol=1e-12, atol=1e-14
    )
    assert st.kstest(((y - eta) / sigma[:, None])[:, 7], "norm").pvalue > 1e-3
    above = prior["prior_predictive"]["above"].values[0]
    np.testing.assert_allclose(above.mean(0), (1 / (1 + np.exp(-eta))).mean(0), atol=0.03)
    np.testing.assert_array_equal(
        prior["prior_predictive"]["y"].values, again["prior_predictive"]["y"].values
    )
    assert (prior["prior"]["mu"].values != other["prior"]["mu"].values).all()


def test_var_names_and_plain_arrays():
    with MODEL:
        arrays = pm.sample_prior_predictive(
            samples=7, var_names=["y", "eta"], random_seed=1, return_inferencedata=False
        )
        assert {n: a.shape for n, a in arrays.items()} == {"y": (7, 40), "eta": (7, 40)}
        with pytest.raises(
            KeyError, match="sample_prior_predictive: 'z' is no variable of the model to draw; those are"
        ):
            pm.sample_prior_predictive(var_names="z")
        with pytest.raises(ValueError, match="draws is 0; at least one is needed"):
            pm.sample_prior_predictive(0)
        with pytest.raises(TypeError, match="idata_kwargs: 'x' is no option"):
            pm.sample_prior_predictive(3, idata_kwargs={"x": 1})
    with pytest.raises(TypeError, match=r"sample_prior_predictive\(\)"):
        pm.sample_prior_predictive()


def test_the_posterior_predictive_goes_with_each_draw():
    with MODEL:
        more = pm.sample_posterior_predictive(IDATA, random_seed=1, progressbar=False)
    assert groups_of(more) == {"posterior_predictive", "observed_data", "constant_data"}
    y = more["posterior_predictive"]["y"]
    assert y.dims == ("chain", "draw", "row") and y.shape == (2, 300, 40)
    sigma = IDATA["posterior"]["sigma"].values[..., None]
    noise = (y.values - IDATA["posterior"]["eta"].values) / sigma
    assert st.kstest(noise[..., ::7].ravel(), "norm").pvalue > 1e-3
    with MODEL:
        again = pm.sample_posterior_predictive(
            {n: IDATA["posterior"][n].values for n in ("a", "slope", "sigma")},
            var_names=["y"],
            random_seed=1,
            progressbar=False,
            return_inferencedata=False,
        )
    assert list(again) == ["y"] and again["y"].shape == (2, 300, 40)


def test_what_the_trace_lacks_is_drawn_and_what_is_named_too():
    with MODEL:
        drawn = pm.sample_posterior_predictive(
            IDATA, var_names=["a", "eta"], random_seed=5, progressbar=False, return_inferencedata=False
        )
    mu, slope = (IDATA["posterior"][n].values for n in ("mu", "slope"))
    assert st.kstest(((drawn["a"] - mu[..., None]) / 0.5)[..., 1].ravel(), "norm").pvalue > 1e-3
    np.testing.assert_allclose(
        drawn["eta"], drawn["a"][..., GROUP] + slope[..., None] * X, rtol=1e-12, atol=1e-14
    )
    trace = {n: IDATA["posterior"][n].values for n in ("a", "slope")}
    with MODEL:
        new = pm.sample_posterior_predictive(
            trace, var_names=["sigma"], random_seed=5, progressbar=False, return_inferencedata=False
        )
    assert st.kstest(new["sigma"].ravel(), st.halfnorm.cdf).pvalue > 1e-3


def test_extending_and_its_errors():
    with MODEL:
        result = pm.sample(20, tune=50, chains=1, random_seed=1, progressbar=False)
        same = pm.sample_posterior_predictive(
            result, extend_inferencedata=True, progressbar=False, random_seed=1
        )
        assert same is result and {"posterior", "posterior_predictive"} <= groups_of(result)
        pm.sample_posterior_predictive(result, extend_inferencedata=True, progressbar=False, random_seed=1)
        with pytest.raises(KeyError, match="the trace has no group 'posterior'; it has prior"):
            pm.sample_posterior_predictive(pm.sample_prior_predictive(3, random_seed=1), progressbar=False)
        with pytest.raises(TypeError, match="the trace is a int; it must be what sample"):
            pm.sample_posterior_predictive(3, progressbar=False)
        with pytest.raises(ValueError, match=r"a has shape \(2,\) in the trace and \(3,\) in the model"):
            pm.sample_posterior_predictive(
                {"a": np.zeros((1, 5, 2)), "slope": np.zeros((1, 5))}, progressbar=False
            )
    with pm.Model():
        pm.Normal("z")
        with pytest.raises(
            ValueError, match="the model has no observed variables; say which to draw with var_names="
        ):
            pm.sample_posterior_predictive({"z": np.zeros((1, 5))}, progressbar=False)


def test_new_predictors_and_new_lengths():
    with pm.Model(coords={"row": np.arange(40)}) as model:
        x = pm.Data("x", X, dims="row")
        slope = pm.Normal("slope", 0.0, 1.0)
        pm.Normal("y", slope * x, 1e-6, observed=Y, dims="row")
        pm.Normal("same", slope, 1.0, observed=Y)
    trace = {"slope": np.linspace(-1, 1, 10).reshape(2, 5)}
    with model:
        before = pm.sample_posterior_predictive(trace, progressbar=False, random_seed=1)
        assert before["posterior_predictive"]["same"].shape == (2, 5, 40)
        pm.set_data({"x": [0.0, 1.0, 10.0]}, coords={"row": [100, 101, 102]})
        after = pm.sample_posterior_predictive(
            trace, var_names=["y"], predictions=True, progressbar=False, random_seed=1
        )
    assert groups_of(after) == {"predictions", "predictions_constant_data"}
    y = after["predictions"]["y"]
    assert list(y.coords["row"].values) == [100, 101, 102]
    np.testing.assert_allclose(y.values, trace["slope"][..., None] * np.array([0.0, 1.0, 10.0]), atol=1e-5)
    with pm.Model() as model:
        x = pm.Data("x", X)
        slope = pm.Normal("slope", 0.0, 1.0)
        pm.Normal("y", slope * x, 1.0, observed=Y)
        x.set_value([1.0, 2.0])
        without_dims = pm.sample_posterior_predictive(
            trace, progressbar=False, return_inferencedata=False, random_seed=1
        )
    assert without_dims["y"].shape == (2, 5, 2)
    with pm.Model(coords={"row": np.arange(40)}):
        x = pm.Data("x", X)
        slope = pm.Normal("slope", 0.0, 1.0)
        pm.Normal("y", slope * x, 1.0, observed=Y, dims="row")
        x.set_value([1.0, 2.0])
        with pytest.raises(
            ValueError, match=r"y: its parameters have length 2 along axis 0, its dim 'row' has 40: set_data"
        ):
            pm.sample_posterior_predictive(trace, progressbar=False)


def _grouped(labels, x):
    with pm.Model(coords={"group": labels, "row": np.arange(len(x))}) as model:
        level = pm.Data("level", np.zeros(len(labels)), dims="group")
        data = pm.Data("x", x, dims="row")
        mu = pm.Normal("mu", 0.0, 1.0)
        a = pm.Normal("a", mu + level, 1e-3, dims="group")
        b = pm.Normal("b", 0.0, 1.0)
        twice = pm.Deterministic("twice", 2 * a, dims="group")
        pm.Normal("y", twice[np.arange(len(x)) % len(labels)] + b * data, 1e-3, observed=x, dims="row")
    return model


def test_what_depends_on_changed_data_is_drawn_again_and_told(capsys):
    model = _grouped(["p", "q"], np.zeros(4))
    with model:
        idata = pm.sample(20, tune=20, chains=1, random_seed=1, progressbar=False)
        draw = lambda **more: pm.sample_posterior_predictive(
            idata, random_seed=2, progressbar=False, return_inferencedata=False, **more
        )
        capsys.readouterr()
        draw()
        pm.set_data({"x": np.ones(4)})  # no prior reads it
        before = draw()
        assert "again" not in capsys.readouterr().err
        pm.set_data({"level": [100.0, 200.0]})
        after = draw()
        said = capsys.readouterr().err
        assert "Drawn again" in said and "a, which depends on level" in said and "freeze_vars=" in said
        kept = draw(freeze_vars=["a"])
        assert "again" not in capsys.readouterr().err
        twice = draw(var_names=["a", "twice"], freeze_vars="a")
        only = draw(sample_vars=["a"])
        # A posterior by itself says nothing of its data.
        alone = pm.sample_posterior_predictive(
            {n: idata["posterior"][n].values for n in ("mu", "a", "b")},
            random_seed=2,
            progressbar=False,
            return_inferencedata=False,
        )
    mu, a, b = (idata["posterior"][n].values for n in ("mu", "a", "b"))
    near = {"atol": 0.05}
    np.testing.assert_allclose(before["y"], 2 * a[..., [0, 1, 0, 1]] + b[..., None], **near)
    np.testing.assert_allclose(
        after["y"], 2 * (mu[..., None] + np.array([100.0, 200, 100, 200])) + b[..., None], **near
    )
    np.testing.assert_allclose(kept["y"], before["y"], **near)
    np.testing.assert_allclose(alone["y"], before["y"], **near)
    np.testing.assert_array_equal(twice["a"], a)
    np.testing.assert_allclose(twice["twice"], 2 * a)
    assert list(only) == ["a"]
    np.testing.assert_allclose(only["a"], mu[..., None] + np.array([100.0, 200.0]), **near)
    with model, pytest.raises(ValueError, match="freeze_vars has 'y', of which the trace has no draws"):
        pm.sample_posterior_predictive(idata, freeze_vars=["y"], progressbar=False)
    with model, pytest.raises(ValueError, match="'a' is in sample_vars and in freeze_vars"):
        pm.sample_posterior_predictive(idata, freeze_vars=["a"], sample_vars=["a"], progressbar=False)


def test_labels_in_other_units_or_as_text_are_no_changes(capsys):
    days = np.array(["2020-01-01", "2020-01-02"], dtype="datetime64[s]")
    with pm.Model(coords={"day": days, "half": [0.5, 1.5], "name": ["a", "b"]}):
        mu = pm.Normal("mu", dims=("day", "half", "name"))
        pm.Normal("y", mu, 1.0, observed=np.zeros((2, 2, 2)), dims=("day", "half", "name"))
        idata = pm.sample(20, tune=20, chains=1, random_seed=1, progressbar=False)
        other = idata["posterior"]
        other = other.to_dataset() if hasattr(other, "to_dataset") else other
        other = other.assign_coords(
            day=days.astype("datetime64[ns]"), half=np.array(["0.5", "1.5"], dtype=object)
        )
        for trace in (idata, other):
            pm.sample_posterior_predictive(trace, random_seed=1, progressbar=False)
        assert "again" not in capsys.readouterr().err
        changed = other.assign_coords(day=days + np.timedelta64(1, "D"))
        pm.sample_posterior_predictive(changed, random_seed=1, progressbar=False)
    assert "mu, which depends on day" in capsys.readouterr().err


def test_groups_with_other_labels_are_drawn_from_their_prior(capsys):
    model = _grouped(["p", "q"], np.zeros(4))
    with model:
        idata = pm.sample(20, tune=20, chains=1, random_seed=1, progressbar=False)
        pm.set_data({"level": [0.0, 0.0, 50.0]}, coords={"group": ["r", "s", "t"]})
        capsys.readouterr()
        new = pm.sample_posterior_predictive(
            idata, var_names=["twice"], predictions=True, random_seed=2, progressbar=False
        )["predictions"]["twice"]
    said = capsys.readouterr().err
    assert "a, which depends on level, group" in said
    assert list(new["group"].values) == ["r", "s", "t"]
    mu = idata["posterior"]["mu"].values[..., None]
    np.testing.assert_allclose(new.values, 2 * (mu + np.array([0, 0, 50.0])), atol=0.05)


def test_what_depends_on_what_is_drawn_again_is_too(capsys):
    with pm.Model():
        mu = pm.Normal("mu", 50.0, 1e-3)
        theta = pm.Normal("theta", mu, 1e-3)
        pm.Normal("y", theta, 1e-3, observed=0.0)
        trace = {"mu": np.zeros((1, 5)), "theta": np.zeros((1, 5))}
        drawn = pm.sample_posterior_predictive(
            trace, var_names=["mu", "y"], progressbar=False, return_inferencedata=False, random_seed=1
        )
    np.testing.assert_allclose(drawn["y"], 50.0, atol=0.1)
    assert "theta, which depends on mu" in capsys.readouterr().err


def test_what_is_made_of_what_is_observed_is_predicted_too():
    with pm.Model():
        mu = pm.Normal("mu", 0.0, 1.0)
        y = pm.Normal("y", mu, 1e-3, observed=[1.0, 2.0])
        pm.Deterministic("double", 2 * y)
        pm.Deterministic("other", 2 * mu)
        drawn = pm.sample_posterior_predictive(
            {"mu": np.full((1, 5), 3.0)}, progressbar=False, return_inferencedata=False, random_seed=1
        )
    assert list(drawn) == ["y", "double"]
    np.testing.assert_allclose(drawn["double"], 2 * drawn["y"])


def test_lengths_that_are_graphs_follow_the_data():
    trace = {"slope": np.linspace(-1, 1, 10).reshape(2, 5)}
    for of in (
        lambda x, mu: x.shape,
        lambda x, mu: x.shape[0],
        lambda x, mu: mu.shape,
        lambda x, mu: (mu.shape[0],),
    ):
        with pm.Model() as model:
            x = pm.Data("x", X)
            mu = pm.Normal("slope") * x
            pm.Normal("y", mu, 1e-6, observed=Y, shape=of(x, mu))
            assert np.isfinite(model.point_logps()["y"])
            x.set_value([1.0, 2.0])
            drawn = pm.sample_posterior_predictive(
                trace, progressbar=False, return_inferencedata=False, random_seed=1
            )["y"]
        np.testing.assert_allclose(drawn, trace["slope"][..., None] * [1.0, 2.0], atol=1e-4)
    with pm.Model() as model:
        x = pm.Data("x", np.ones((4, 3)))
        free = pm.Normal("free", 0, 1, shape=x.shape[1])
        both = pm.Normal("both", 0, 1, shape=(x.shape[0], 2))
        assert free.type.shape == (3,) and both.type.shape == (4, 2)
        assert pm.Normal("alike", 0, 1, shape=free.shape).type.shape == (3,)
    n = pm.math.as_tensor_variable(np.array(2)) * pm.Poisson.dist(3).logp(2).astype("int64")
    assert pm.Normal.dist(0, 1, shape=abs(n)).shape == (2,)
    with pm.Model():
        k = pm.Poisson("k", 3)
        with pytest.raises(ValueError, match=r'Normal\("z"\): a length in shape depends on k: give a number'):
            pm.Normal("z", 0, 1, shape=k)


def test_distributions_of_every_kind_in_one_model():
    with pm.Model() as model:
        w = pm.Dirichlet("w", [1.0, 1.0])
        m = pm.Normal("m", [0.0, 50.0], 1.0, shape=2)
        chol, *_ = pm.LKJCholeskyCov("chol", eta=2, n=2, sd_dist=pm.Exponential.dist([1.0, 2.0]))
        pm.MvNormal("v", m, chol=chol, observed=np.zeros((5, 2)))
        pm.NormalMixture("mix", w, m, 1.0, observed=np.zeros(4))
        pm.Censored("c", pm.Normal.dist(m[0], 1.0), upper=1.0, observed=np.ones(3))
        pm.Truncated("t", pm.Normal.dist(m[1], 1.0), lower=m[1], observed=np.full(3, 90.0))
        pm.GaussianRandomWalk(
            "walk", sigma=pm.math.exp(m[0]), init_dist=pm.Normal.dist(m[1], 1.0), observed=np.zeros(6)
        )
        pm.Categorical("k", p=w, observed=[0, 1, 1])
        prior = pm.sample_prior_predictive(200, random_seed=1, return_inferencedata=False)
    shapes = {n: a.shape for n, a in prior.items()}
    expected = {"v": (5, 2), "mix": (4,), "c": (3,), "t": (3,), "walk": (6,), "k": (3,)}
    assert {n: shapes[n] for n in expected} == {n: (200, *s) for n, s in expected.items()}
    m0, m1 = prior["m"].T
    assert prior["c"].max() == 1.0 and (prior["t"] >= m1[:, None]).all()
    nearest = np.minimum(abs(prior["mix"] - m0[:, None]), abs(prior["mix"] - m1[:, None]))
    assert nearest.max() < 6 and abs(prior["walk"][:, 0] - m1).max() < 6
    share = (abs(prior["mix"] - m1[:, None]) < 6).mean()
    assert abs(share - prior["w"][:, 1].mean()) < 0.06
    assert st.pearsonr(prior["k"].mean(1), prior["w"][:, 1]).statistic > 0.5
    assert model is not None


def test_many_draws_in_chunks_are_the_same_shape(monkeypatch):
    monkeypatch.setattr("probgraph.predictive.CHUNK", 1000)
    with MODEL:
        y = pm.sample_posterior_predictive(IDATA, random_seed=1, progressbar=False)["posterior_predictive"][
            "y"
        ].values
    noise = (y - IDATA["posterior"]["eta"].values) / IDATA["posterior"]["sigma"].values[..., None]
    assert st.kstest(noise[..., ::7].ravel(), "norm").pvalue > 1e-3


def test_log_densities_of_draws(monkeypatch):
    monkeypatch.setattr("probgraph.log_likelihood.CHUNK", 4000)
    post = IDATA["posterior"]
    with MODEL:
        prior = pm.compute_log_prior(IDATA, extend_inferencedata=False)
        likelihood = pm.compute_log_likelihood(IDATA, extend_inferencedata=False)
        one = pm.compute_log_prior(IDATA, var_names="sigma", extend_inferencedata=False)
    expected = {
        "mu": st.norm.logpdf(post["mu"].values, 1, 2),
        "a": st.norm.logpdf(post["a"].values, post["mu"].values[..., None], 0.5),
        "slope": st.norm.logpdf(post["slope"].values),
        "sigma": st.halfnorm.logpdf(post["sigma"].values),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(prior[name].values, values, rtol=1e-10, err_msg=name)
    assert list(one.data_vars) == ["sigma"] and prior["a"].dims == ("chain", "draw", "group")
    eta = post["eta"].values
    np.testing.assert_allclose(
        likelihood["y"].values, st.norm.logpdf(Y, eta, post["sigma"].values[..., None]), rtol=1e-10
    )
    with MODEL, pytest.raises(KeyError, match="compute_log_prior: 'y' is no free variable"):
        pm.compute_log_prior(IDATA, var_names="y")


def test_log_likelihoods_in_files(tmp_path, monkeypatch):
    monkeypatch.setattr("probgraph.log_likelihood.CHUNK", 4000)
    with MODEL:
        there = pm.compute_log_likelihood(IDATA, extend_inferencedata=False)
        options = {"extend_inferencedata": False, "progressbar": False, "store": tmp_path / "run" / "terms"}
        stored = pm.compute_log_likelihood(IDATA, **options)
        with pytest.raises(FileExistsError):
            pm.compute_log_likelihood(IDATA, **options)
        half = pm.compute_log_likelihood(
            IDATA, **(options | {"store": tmp_path / "half", "dtype": "float32"})
        )
        with pytest.raises(
            ValueError, match="compute_log_likelihood: dtype is 'float64' or 'float32', got 'int8'"
        ):
            pm.compute_log_likelihood(IDATA, dtype="int8")
    assert half["y"].dtype == "float32" and np.load(tmp_path / "half" / "y.npy").dtype == "float32"
    np.testing.assert_array_equal(half["y"].values, there["y"].values.astype("float32"))
    np.testing.assert_array_equal(stored["y"].values, there["y"].values)
    assert stored["y"].dims == there["y"].dims
    np.testing.assert_array_equal(np.load(tmp_path / "run" / "terms" / "y.npy"), there["y"].values)


def test_files_bound_the_memory(tmp_path):
    """80 MB of log likelihoods, of which a tenth is ever in memory."""
    many = 100_000
    with pm.Model():
        mu = pm.Normal("mu")
        pm.Normal("y", mu, 1, observed=np.zeros(many))
        draws = {"mu": np.random.default_rng(1).normal(size=(1, 100))}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("probgraph.log_likelihood.CHUNK", 5 * many)
            tracemalloc.start()
            found = pm.compute_log_likelihood(
                draws, extend_inferencedata=False, progressbar=False, store=tmp_path / "terms"
            )
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
    assert peak < 24e6
    np.testing.assert_allclose(found["y"].values[0, :, -1], st.norm.logpdf(0.0, draws["mu"][0]))


def test_deterministics_of_draws():
    post = IDATA["posterior"]
    with MODEL:
        alone = pm.compute_deterministics(post)
        merged = pm.compute_deterministics(post, merge_dataset=True)
        with pytest.raises(KeyError, match="compute_deterministics: 'y' is no Deterministic; those are eta"):
            pm.compute_deterministics(post, var_names=["y"])
    np.testing.assert_array_equal(alone["eta"].values, post["eta"].values)
    assert list(alone.data_vars) == ["eta"] and {"eta", "mu"} <= set(merged.data_vars)
    with pm.Model():
        pm.Normal("z")
        with pytest.raises(ValueError, match="the model has no Deterministics"):
            pm.compute_deterministics({"z": np.zeros((1, 4))})
