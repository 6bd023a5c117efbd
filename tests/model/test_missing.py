"""Missing observations become free variables beside the others; models are copied through pickles."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import scipy.stats as st

import probgraph as pm

RNG = np.random.default_rng(6)
X = RNG.normal(size=(6, 3))
Y = 1.0 + X
Y[1, 2] = Y[4, 0] = np.nan


@pytest.mark.parametrize("form", ["nan", "masked", "pandas"])
def test_what_is_missing_is_free(form):
    given = {"nan": Y, "masked": np.ma.masked_invalid(Y)}.get(form)
    if form == "pandas":
        given = pytest.importorskip("pandas").DataFrame(Y)
    with pm.Model(coords={"row": range(6), "column": list("abc")}) as model:
        slope = pm.Normal("slope", 1.0, 0.1, shape=3)
        with pytest.warns(
            UserWarning, match="y: 2 of 18 observations are missing. They become the free variable y_unobs"
        ):
            y = pm.Normal("y", 1.0 + slope * X, [0.1, 0.2, 0.3], observed=given, dims=("row", "column"))
    assert [f.name for f in model.free] == ["slope", "y_unobserved"] and [o.name for o in model.observed] == [
        "y_observed"
    ]
    assert model["y"] is y and model.named_vars_to_dims["y"] == ("row", "column")
    at = {"slope": np.array([1.0, 1.1, 0.9]), "y_unobserved": np.array([0.5, 0.7])}
    mean = 1.0 + at["slope"] * X
    whole = np.where(np.isnan(Y), 0, Y)
    whole[1, 2], whole[4, 0] = at["y_unobserved"]
    truth = st.norm.logpdf(whole, mean, [0.1, 0.2, 0.3]).sum() + st.norm.logpdf(at["slope"], 1, 0.1).sum()
    assert model.compile_logp()(at) == pytest.approx(truth, rel=1e-12)


def test_missing_numbers_of_compound_distributions():
    data = np.array([0.3, np.nan, 1.0, 0.2])
    mu = np.array([0.0, 1.0, 2.0, 3.0])
    makers = {
        "Mixture": lambda: pm.Mixture.dist([0.4, 0.6], [pm.Normal.dist(mu, 1.0), pm.Normal.dist(0.0, 2.0)]),
        "axis": lambda: pm.Mixture.dist([0.4, 0.6], pm.Normal.dist(mu[:, None] + [0.0, 1.0], 1.0)),
        "Truncated": lambda: pm.Truncated.dist(pm.Normal.dist(mu, 1.0), lower=-5.0, upper=mu + 9.0),
    }
    for make in makers.values():
        with pm.Model() as model, pytest.warns(UserWarning, match="1 of 4 observations are missing"):
            model.register("y", make(), observed=data)
        value = {f.value.name: np.array([0.5]) for f in model.free}
        whole = data.copy()
        whole[1] = 0.5
        assert model.compile_logp(jacobian=False)(
            value if model.free[0].transform is None else model.initial_point({"y_unobserved": [0.5]})
        ) == pytest.approx(make().logp(whole).eval().sum(), rel=1e-10)


def test_the_posterior_of_what_is_missing_is_its_prediction():
    data = np.array([0.0, 1.0, np.nan, 2.0])
    with pm.Model(), pytest.warns(UserWarning):
        mu = pm.Normal("mu", 0.0, 1.0)
        pm.Normal("y", mu, 1.0, observed=data)
        post = pm.sample(2000, tune=500, chains=2, random_seed=1, progressbar=False).posterior
    # normal and conjugate: mu given three numbers of sum 3 is Normal(3/4, 1/2), the missing one has a variance more
    missing = post["y_unobserved"].values
    assert abs(missing.mean() - 0.75) < 0.1 and abs(missing.var() - 1.25) < 0.15
    np.testing.assert_array_equal(post["y"].values[..., 2], missing[..., 0])
    assert (post["y"].values[..., [0, 1, 3]] == [0.0, 1.0, 2.0]).all()


def test_where_nothing_can_be_imputed():
    with pm.Model():
        with pytest.raises(
            NotImplementedError, match="v: single missing values of MvNormal cannot be imputed"
        ):
            pm.MvNormal("v", np.zeros(2), np.eye(2), observed=[[0.0, np.nan]])
        with pytest.raises(ValueError, match="x: 1 values are masked; drop them"):
            pm.Data("x", np.ma.masked_equal([1.0, 2.0], 2.0))
        data = pm.Data("d", [1.0, np.nan])
        with pytest.raises(
            ValueError, match=r"y: observed is Data with nan at 1 of 2 places \(the first at index 1\)"
        ):
            pm.Normal("y", 0, 1, observed=data)


def test_a_pickled_model_draws_the_same():
    with pm.Model(coords={"row": range(5)}) as model:
        x = pm.Data("x", np.arange(5.0), dims="row")
        slope, sigma = pm.Normal("slope"), pm.HalfNormal("sigma")
        w = pm.Dirichlet("w", [1.0, 1.0])
        pm.Normal(
            "y", pm.Deterministic("eta", slope * x, dims="row"), sigma, observed=np.arange(5.0), dims="row"
        )
        pm.NormalMixture("z", w, pm.math.stack([slope, -slope]), 1.0, observed=[1.0, 2.0])
        pm.GaussianRandomWalk("walk", sigma=sigma, init_dist=pm.Normal.dist(0, 1), observed=np.zeros(4))
        pm.LKJCholeskyCov("chol", eta=2, n=2, sd_dist=pm.Exponential.dist(1.0))
        pm.Potential("p", -(slope**2))
    fixed = {"draws": 30, "tune": 50, "chains": 1, "random_seed": 1, "progressbar": False}
    with model:
        first = pm.sample(**fixed)
    other = pickle.loads(pickle.dumps(model))
    with other:
        second = pm.sample(**fixed)
    assert repr(other) == repr(model)
    for name in first["posterior"].data_vars:
        np.testing.assert_array_equal(first["posterior"][name].values, second["posterior"][name].values)
