"""Models made inside of others: names with prefixes, shared dims, variables of both."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import scipy.stats as st

import probgraph as pm


def nested():
    with pm.Model(coords={"row": range(3)}) as whole:
        mu = pm.Normal("mu", 0.0, 1.0)
        with pm.Model("left", coords={"column": range(2)}) as left:
            x = pm.Normal("x", mu, 1.0, dims="row")
            pm.Deterministic("twice", 2 * x, dims="row")
            with pm.Model("inner") as inner:
                pm.HalfNormal("s")
        with pm.Model(name="right"):
            data = pm.Data("d", np.ones(3), dims="row")
            pm.Normal("x", mu + data, 1.0, observed=np.zeros(3), dims="row")
            pm.Potential("p", -(mu**2))
    return whole, left, inner


def test_names_have_prefixes_and_variables_join_both():
    whole, left, inner = nested()
    assert [v.name for v in whole.free_RVs] == ["mu", "left::x", "left::inner::s"]
    assert [v.name for v in left.free_RVs] == ["left::x", "left::inner::s"] and inner.name == "left::inner"
    assert [v.name for v in whole.observed_RVs] == ["right::x"] and [v.name for v in whole.potentials] == [
        "right::p"
    ]
    assert left["x"] is whole["left::x"] is left["left::x"] and "x" in left and "x" not in whole
    assert left.name_for("x") == "left::x" and left.name_of("left::x") == "x"
    assert whole.named_vars_to_dims["left::x"] == ("row",) and whole.dim_lengths == {"row": 3, "column": 2}
    assert inner["s"] is whole["left::inner::s"]


def test_the_density_is_that_of_all_parts():
    whole, *_ = nested()
    at = {"mu": 0.5, "left::x": np.array([0.1, 0.2, 0.3]), "left::inner::s_log__": 0.0}
    inside = st.norm.logpdf(at["left::x"], 0.5, 1).sum() + st.halfnorm.logpdf(1.0)
    total = inside + st.norm.logpdf(0.5) + 3 * st.norm.logpdf(0, 1.5, 1) - 0.25
    assert whole.compile_logp(jacobian=False)(at) == pytest.approx(total, rel=1e-12)
    with whole:
        post = pm.sample(20, tune=50, chains=1, random_seed=1, progressbar=False)["posterior"]
        pm.set_data({"right::d": np.zeros(3)})
    assert {"mu", "left::x", "left::twice", "left::inner::s"} == set(post.data_vars)
    assert pickle.loads(pickle.dumps(whole))["left::x"].name == "left::x"


def test_parts_that_stand_alone_and_names_that_are_taken():
    with pm.Model() as whole:
        pm.Normal("x")
        with pm.Model("part"):
            pm.Normal("x")
            with pytest.raises(ValueError, match="Variable name part::x already exists"):
                pm.Normal("x")
        with pm.Model(model=None) as alone:
            pm.Normal("x")
    assert [v.name for v in alone.free_RVs] == ["x"] and [v.name for v in whole.free_RVs] == ["x", "part::x"]
    with pytest.raises(ValueError, match="Model: name is a str without '::', got 'a::b'"):
        pm.Model("a::b")
    with pytest.raises(ValueError, match="got 3"):
        pm.Model(3)
