"""Parts of a model's density, its derivatives, and functions of its variables: against SciPy and differences."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats as st

import probgraph as pm

POINT = {"mu": np.array(0.4), "sigma_log__": np.array(-0.3), "z": np.array([0.1, -0.2, 0.5])}
Y = np.array([0.3, 1.2, -0.4])


def model():
    with pm.Model(coords={"row": range(3)}) as made:
        mu, sigma = pm.Normal("mu", 1.0, 2.0), pm.HalfNormal("sigma", 1.5)
        z = pm.Normal("z", mu, 1.0, dims="row")
        pm.Deterministic("twice", 2 * z)
        pm.Potential("pull", -0.1 * (z**2).sum())
        pm.Normal("y", z, sigma, observed=Y, dims="row")
    return made


def parts(mu=0.4, log_sigma=-0.3, z=POINT["z"]):
    sigma = np.exp(log_sigma)
    free = st.norm(1, 2).logpdf(mu) + st.halfnorm(0, 1.5).logpdf(sigma) + st.norm(mu, 1).logpdf(z).sum()
    return free, log_sigma, st.norm(z, sigma).logpdf(Y).sum(), -0.1 * (z**2).sum()


def test_parts():
    m = model()
    free, jacobian, observed, pull = parts()
    for graph, truth in (
        (m.varlogp, free + jacobian),
        (m.varlogp_nojac, free),
        (m.observedlogp, observed),
        (m.potentiallogp, pull),
        (m.datalogp, observed + pull),
    ):
        assert m.compile_fn(graph)(POINT) == pytest.approx(truth, rel=1e-12)
    with pm.Model() as bare:
        pm.Normal("x")
    assert bare.observedlogp.eval() == 0.0


def test_derivatives():
    m = model()

    def logp(q):
        free, jacobian, observed, pull = parts(q[0], q[1], q[2:])
        return free + jacobian + observed + pull

    q = np.array([0.4, -0.3, 0.1, -0.2, 0.5])
    steps = 1e-4 * np.eye(5)
    slopes = np.array([(logp(q + s) - logp(q - s)) / 2e-4 for s in steps])
    np.testing.assert_allclose(m.compile_fn(m.dlogp())(POINT), slopes, rtol=1e-6)
    np.testing.assert_allclose(m.compile_dlogp()(POINT), slopes, rtol=1e-6)
    curvature = np.array(
        [
            [(logp(q + s + t) - logp(q + s - t) - logp(q - s + t) + logp(q - s - t)) / 4e-8 for t in steps]
            for s in steps
        ]
    )
    np.testing.assert_allclose(m.compile_d2logp()(POINT), -curvature, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(m.compile_d2logp(negate_output=False)(POINT), curvature, rtol=1e-5, atol=1e-5)
    by_z = m.compile_fn(m.dlogp([m["z"]]))(POINT)
    np.testing.assert_allclose(by_z, slopes[2:], rtol=1e-6)
    np.testing.assert_allclose(m.compile_d2logp(m["mu"])(POINT), [[-curvature[0, 0]]], rtol=1e-5)
    with pytest.raises(ValueError, match="is no free variable of the model; those are mu, sigma, z"):
        m.dlogp(m["y"])


def test_functions_and_lists():
    m = model()
    assert m.compile_fn([m["sigma"], m["twice"]])(POINT)[0] == pytest.approx(np.exp(-0.3))
    flat = m.compile_fn(m["twice"], point_fn=False)
    np.testing.assert_allclose(flat(0.4, -0.3, POINT["z"]), 2 * POINT["z"])
    with pytest.raises(NotImplementedError, match="use probgraph.engine.function"):
        m.compile_fn(m["mu"], inputs=[m["z"]])
    assert [v.name for v in m.continuous_value_vars] == [
        "mu",
        "sigma_log__",
        "z",
    ] and m.discrete_value_vars == []
    assert len(m.unobserved_value_vars) == 5
    assert m.eval_rv_shapes() == {"mu": (), "sigma_log__": (), "sigma": (), "z": (3,)}
    assert m.replace_rvs_by_values([m["mu"]])[0] is m.value_vars[0]
    found = m.profile(n=5)
    assert found["compile"] > 0 and found["call"] > 0
    m.check_start_vals(m.initial_point())
    with pytest.raises(ValueError, match="not finite at the start: mu: "):
        m.check_start_vals({**POINT, "mu": np.array(np.inf)})


def test_a_discrete_model_has_values_that_are_whole():
    with pm.Model() as m:
        pm.Poisson("k", 3.0)
        pm.Normal("x", m["k"], 1.0)
    assert [v.name for v in m.discrete_value_vars] == ["k"] and [v.name for v in m.continuous_value_vars] == [
        "x"
    ]
    at = {"k": np.array(2), "x": np.array(0.5)}
    np.testing.assert_allclose(m.compile_d2logp()(at), [[1.0]])
