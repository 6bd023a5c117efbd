"""do and observe: the densities and draws of the changed models, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats as st

import probgraph as pm


def confounded():
    with pm.Model(coords={"row": range(3)}) as model:
        c = pm.Normal("c", 0.0, 1.0)
        x = pm.Normal("x", 2.0 * c, 0.5)
        effect = pm.Deterministic("effect", 3.0 * x)
        scale = pm.HalfNormal("scale", 1.0)
        pm.Normal("y", effect + c + np.zeros(3), scale, dims="row")
        pm.Potential("bound", -(x**2))
    return model


def test_do_cuts_what_caused_a_variable():
    model = confounded()
    cut = pm.do(model, {"x": 1.0})
    assert [v.name for v in cut.free_RVs] == ["c", "scale", "y"] and [v.name for v in model.free_RVs] == [
        "c",
        "x",
        "scale",
        "y",
    ]
    drawn = pm.draw([cut["y"], cut["c"], cut["effect"]], 4000, random_seed=1)
    assert abs(np.cov(drawn[0][:, 0], drawn[1])[0, 1] - 1.0) < 0.15  # c reaches y on one way only
    assert (drawn[2] == 3.0).all()
    at = {"c": 0.2, "scale_log__": 0.0, "y": np.array([3.0, 3.5, 4.0])}
    truth = st.norm.logpdf(0.2) + st.halfnorm.logpdf(1.0) + st.norm.logpdf(at["y"], 3.2, 1.0).sum() - 1.0
    assert cut.compile_logp(jacobian=False)(at) == pytest.approx(truth, rel=1e-12)


def test_do_on_a_deterministic_and_with_data():
    model = confounded()
    with model:
        values = pm.Data("values", 0.0)
    cut = pm.do(model, {model["effect"]: values})
    at = {"c": 0.2, "x": 1.0, "scale_log__": 0.0, "y": np.zeros(3)}
    before = cut.compile_logp(jacobian=False)(at)
    values.set_value(2.0)
    after = cut.compile_logp(jacobian=False)(at)
    change = st.norm.logpdf(0, 2.2, 1).sum() * 3 - st.norm.logpdf(0, 0.2, 1).sum() * 3
    assert after - before == pytest.approx(change, rel=1e-12)


def test_observe_makes_a_likelihood():
    model = confounded()
    seen = pm.observe(model, {"y": [1.0, 2.0, 3.0]})
    assert [v.name for v in seen.observed_RVs] == ["y"] and seen.named_vars_to_dims["y"] == ("row",)
    at = {"c": 0.2, "x": 0.5, "scale_log__": 0.0}
    with_y = {**at, "y": np.array([1.0, 2.0, 3.0])}
    assert seen.compile_logp()(at) == pytest.approx(model.compile_logp()(with_y), rel=1e-12)
    with seen:
        post = pm.sample(200, tune=300, chains=1, random_seed=1, progressbar=False, target_accept=0.95)[
            "posterior"
        ]
    assert {"c", "x", "scale", "effect"} == set(post.data_vars)
    both = pm.do(seen, {"x": 0.0}, prune_vars=True)
    assert [v.name for v in both.free_RVs] == ["c", "scale"]


def test_compound_distributions_take_new_parameters():
    with pm.Model() as model:
        m = pm.Normal("m", 0.0, 1.0)
        pm.Mixture("mix", [0.4, 0.6], [pm.Normal.dist(m, 1.0), pm.Normal.dist(-m, 1.0)], observed=[0.3])
        pm.Truncated("t", pm.Normal.dist(m, 1.0), lower=m - 1.0, observed=[5.0])
        pm.GaussianRandomWalk(
            "walk", sigma=pm.math.exp(m), init_dist=pm.Normal.dist(m, 1.0), observed=np.zeros(3)
        )
    cut = pm.do(model, {"m": 0.7})
    terms = {n: np.asarray(t.eval()).sum() for n, t in cut.terms().items()}
    exact = {
        "mix": np.log(0.4 * st.norm.pdf(0.3, 0.7) + 0.6 * st.norm.pdf(0.3, -0.7)),
        "t": st.norm.logpdf(5.0, 0.7) - st.norm.logsf(-1.0),
        "walk": st.norm.logpdf(0, 0.7) + 2 * st.norm.logpdf(0, 0, np.exp(0.7)),
    }
    assert terms == pytest.approx(exact, rel=1e-12)


def test_errors_name_the_variable():
    model = confounded()
    with pytest.raises(
        KeyError, match="do: 'q' is no free variable or Deterministic; those are c, x, scale, y, effect"
    ):
        pm.do(model, {"q": 1.0})
    with pytest.raises(KeyError, match="observe: 'effect' is no free variable; those are c, x, scale, y"):
        pm.observe(model, {"effect": 1.0})
    with pytest.raises(ValueError, match=r"do: y has shape \(3,\), the value has \(2,\)"):
        pm.do(model, {"y": [1.0, 2.0]})
    with pytest.raises(ValueError, match="scale: observed is -1, where HalfNormal"):
        pm.observe(model, {"scale": -1.0})
    with pytest.raises(TypeError, match="do: a mapping from variables to values is needed"):
        pm.do(model, {})
