"""Laplace's approximation and ADVI on posteriors that are normal, where they are exact, and on one that is not."""

from __future__ import annotations

import numpy as np
import pytest

import probgraph as pm
import probgraph.engine.tensor as T
from probgraph import approximations
from probgraph.approximations import Approximation
from probgraph.engine.user_ops import Op

RNG = np.random.default_rng(3)
DESIGN = np.column_stack([np.ones(40), RNG.normal(size=40)])
DESIGN[:, 1] += 1.5  # so that the coefficients depend on each other
Y = DESIGN @ [1.0, 2.0] + RNG.normal(size=40)


def regression():
    with pm.Model(coords={"term": ["one", "x"]}) as model:
        b = pm.Normal("b", 0.0, 10.0, dims="term")
        pm.Deterministic("twice", 2 * b, dims="term")
        pm.Normal("y", pm.math.dot(DESIGN, b), 1.0, observed=Y)
    precision = DESIGN.T @ DESIGN + np.eye(2) / 100
    return model, np.linalg.solve(precision, DESIGN.T @ Y), np.linalg.inv(precision)


def test_laplace_is_exact_where_the_posterior_is_normal():
    model, mean, cov = regression()
    with model:
        idata = pm.fit_laplace(draws=5000, random_seed=1)
    b = idata["posterior"]["b"]
    assert b.dims == ("chain", "draw", "term") and b.shape == (4, 5000, 2)
    flat = b.values.reshape(-1, 2)
    np.testing.assert_allclose(flat.mean(0), mean, atol=4 * np.sqrt(cov.max() / 20_000))
    np.testing.assert_allclose(np.cov(flat.T), cov, rtol=0.06)
    np.testing.assert_array_equal(idata["posterior"]["twice"].values, 2 * b.values)


def test_laplace_over_the_line():
    """Of an exponential's logarithm y, whose density exp(y - e^y) has its mode and a curvature of 1 at 0."""
    with pm.Model():
        pm.Exponential("x", 1.0)
        x = pm.fit_laplace(draws=5000, random_seed=1)["posterior"]["x"].values
    assert abs(np.log(x).mean()) < 0.03 and abs(np.log(x).std() - 1) < 0.03


@pytest.mark.parametrize("method", ["advi", "fullrank_advi"])
def test_advi_is_near(method):
    model, mean, cov = regression()
    with model:
        found = pm.fit(8000, method=method, random_seed=1, progressbar=False)
    np.testing.assert_allclose(found.mean, mean, atol=0.1)
    spread = found.factor @ found.factor.T
    # Independent coordinates have the conditional variances, which are the reciprocals of the precision's diagonal.
    wanted = cov if method == "fullrank_advi" else np.diag(1 / np.diag(np.linalg.inv(cov)))
    np.testing.assert_allclose(spread, wanted, rtol=0.2, atol=2e-3)
    assert found.hist[:50].mean() > found.hist[-50:].mean() and len(found.hist) == 8000
    idata = found.sample(1000, random_seed=2)
    assert (
        idata["posterior"]["b"].shape == (1, 1000, 2)
        and repr(found) == f"Approximation({method}, 2 unknowns)"
    )
    arrays = found.sample(10, random_seed=2, return_inferencedata=False)
    assert arrays["b"].shape == (10, 2)


def test_the_bound_is_the_evidence_where_the_posterior_is_normal():
    with pm.Model():
        mu = pm.Normal("mu", 0.0, 1.0)
        pm.Normal("y", mu, 1.0, observed=1.0)
        found = pm.fit(6000, random_seed=1, progressbar=False)
    evidence = -0.5 * (np.log(2 * np.pi * 2) + 0.5)
    assert abs(-found.hist[-500:].mean() - evidence) < 0.05


def test_bad_input_and_what_has_no_mode():
    model, *_ = regression()
    with model:
        with pytest.raises(
            ValueError, match="fit: method is 'svgd'; it must be one of 'advi', 'fullrank_advi'"
        ):
            pm.fit(method="svgd")
        with pytest.raises(ValueError, match="fit: n is 0; it must be at least 1"):
            pm.fit(0)
        with pytest.raises(ValueError, match="learning_rate is -1"):
            pm.fit(learning_rate=-1)
        with pytest.raises(ValueError, match="sample: draws is 0"):
            pm.fit(5, progressbar=False).sample(0)
        with pytest.raises(ValueError, match="the search for the mode not converged in"):
            pm.fit_laplace(max_iterations=0)
        with pytest.raises(ValueError, match="curvature: not an option of method 'L-BFGS'; its options are"):
            pm.fit_laplace(curvature=abs)
    with pm.Model():
        pm.Flat("a")
        pm.Normal("x")
        with pytest.raises(ValueError, match="the posterior has no maximum there in every direction"):
            pm.fit_laplace()


def regression_of_logits():
    with pm.Model() as model:
        b = pm.Normal("b", 0.0, 1.0, shape=2)
        pm.Bernoulli("y", logit_p=pm.math.dot(DESIGN, b), observed=Y > 3)
    return model


def test_laplaces_covariance_is_exact(monkeypatch):
    """Not by differences: of them eight digits are right."""
    made = []
    monkeypatch.setattr(
        approximations, "Approximation", lambda *given: made.append(Approximation(*given)) or made[-1]
    )
    for method in ("L-BFGS", "newton"):
        with regression_of_logits():
            pm.fit_laplace(draws=1, random_seed=1, method=method)
        found = made[-1]
        p = 1 / (1 + np.exp(-DESIGN @ found.mean))
        precision = DESIGN.T @ ((p * (1 - p))[:, None] * DESIGN) + np.eye(2)
        np.testing.assert_allclose(found.factor @ found.factor.T, np.linalg.inv(precision), rtol=1e-12)


class Halved(Op):
    """x² / 2, whose slope is an operation without one."""

    itypes, otypes = [T.dscalar], [T.dscalar]

    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = np.asarray(0.5 * inputs[0] ** 2)

    def grad(self, inputs, output_gradients):
        return [output_gradients[0] * Same()(*inputs)]


class Same(Op):
    itypes, otypes = [T.dscalar], [T.dscalar]

    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = np.array(inputs[0])


@pytest.mark.filterwarnings("ignore:The model runs in NumPy")
def test_laplace_goes_by_differences_where_an_operation_has_no_second_derivative():
    with pm.Model():
        x = pm.Flat("x")
        pm.Potential("p", -Halved()(x - 3.0) / 4)
        x = pm.fit_laplace(draws=5000, random_seed=1)["posterior"]["x"].values
    assert abs(x.mean() - 3) < 0.06 and abs(x.std() - 2) < 0.06
