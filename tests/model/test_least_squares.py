"""Sums of squares by few rows: the same density and gradient as by all, with more digits rather than fewer."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

import probgraph as pm
import probgraph.engine.tensor as pt
from probgraph.distributions.folding import value_if_constant
from probgraph.engine.graph import toposort
from probgraph.engine.ops.reduce import Reduce
from probgraph.model import log_density as module

N = 300
rng = np.random.default_rng(20261125)
X, x, z = rng.normal(size=(N, 4)), rng.normal(size=N), rng.normal(size=N)
y = 2.0 + X @ [1.0, -2.0, 0.5, 0.0] + 3 * x + rng.normal(size=N)
group = rng.integers(0, 5, N)
known = np.exp(rng.normal(size=N))


def intercept_and_matrix():
    beta, a = pm.Normal("beta", 0, 1, shape=4), pm.Normal("a", 0, 10)
    pm.Normal("y", a + pt.dot(X, beta), pm.HalfNormal("sigma", 1), observed=y)


def written_out():
    a, b, c = (pm.Normal(name, 0, 10) for name in "abc")
    mu = a + b * x - z * c / 2 + 0.25 * (x - 1)
    pm.Normal("y", mu, pm.Exponential("sigma", 1), observed=y)


def groups():
    a, slope = pm.Normal("a", 0, 1, shape=5), pm.Normal("slope", 0, 1, shape=5)
    pm.Normal("y", a[group] + slope[group - 5] * x, 1.5, observed=y)


def known_errors():
    pm.Normal("y", X @ pm.Normal("beta", 0, 1, shape=4), known, observed=y)


def scaled_errors():
    pm.Normal(
        "y",
        X @ pm.Normal("beta", 0, 1, shape=4),
        pm.HalfNormal("s", 1) * known.mean(),
        observed=y.astype(int),
    )


def logarithms():
    pm.LogNormal("y", pm.Normal("a", 0, 1) + x * pm.Normal("b", 0, 1), 0.5, observed=np.exp(y / 3))


def one_mean():
    pm.Normal("y", pm.Normal("mu", 0, 10), pm.HalfNormal("sigma", 1), observed=y)


def no_mean():
    pm.Normal("y", 0, pm.HalfNormal("sigma", 1), observed=y)


def dependent_columns():
    twice = np.column_stack([X, X[:, 0], np.ones(N)])
    mu = pm.Normal("a", 0, 1) + pt.dot(twice, pm.Normal("beta", 0, 1, shape=6))
    pm.Normal("y", mu, pm.HalfNormal("sigma", 1), observed=y)


def one_unknown_twice():
    a = pm.Normal("a", 0, 1)
    pm.Normal("y", a * x + a * z - a, 1, observed=y)


def transposed():
    beta = pm.Normal("beta", 0, 1, shape=4)
    pm.Normal("y", pt.dot(beta, np.ascontiguousarray(X.T)) + pt.dot(X, 2 * beta), 1, observed=y)


def summed_products():
    beta = pm.Normal("beta", 0, 1, shape=4)
    pm.Normal("y", (X * beta).sum(axis=-1) + pt.sum(2 * beta * X, axis=1), 1, observed=y)


def a_deterministic():
    mu = pm.Deterministic("mu", pm.Normal("a", 0, 1) + x * pm.Normal("b", 0, 1))
    pm.Normal("y", mu, tau=pm.Gamma("tau", 1, 1), observed=y)


def many_blocks():
    long = np.tile(x, 100)
    pm.Normal("y", pm.Normal("a", 0, 1) + pm.Normal("b", 0, 1) * long, 1, observed=np.tile(y, 100))


FORMS = [
    intercept_and_matrix,
    written_out,
    groups,
    known_errors,
    scaled_errors,
    logarithms,
    one_mean,
    no_mean,
    dependent_columns,
    one_unknown_twice,
    transposed,
    summed_products,
    a_deterministic,
    many_blocks,
]


def model_of(build):
    with pm.Model() as model:
        build()
    return model


def densities(model, monkeypatch):
    """With few rows, and with all."""
    few, _ = module.log_density(model)
    with monkeypatch.context() as patch:
        patch.setattr(module, "without_rows", lambda outputs: outputs)
        return few, module.log_density(model)[0]


def longest(model):
    """Of the arrays of what is unknown over which the model's density sums."""
    sums = [n.inputs[0] for n in toposort([module.density_graphs(model).logp]) if isinstance(n.op, Reduce)]
    return max((np.prod(v.type.shape) for v in sums if value_if_constant(v) is None), default=0)


@pytest.mark.parametrize("build", FORMS)
def test_value_and_gradient_are_those_of_all_rows(build, monkeypatch, forgetful):
    model = model_of(build)
    assert longest(model) < N
    few, all_rows = densities(model, monkeypatch)
    for scale in (0.1, 1.0, 30.0):
        q = scale * np.random.default_rng(5).normal(size=few.dim)
        (value, gradient), (exact, slopes) = few(q), all_rows(q)
        assert value == pytest.approx(exact, rel=1e-12)
        np.testing.assert_allclose(gradient, slopes, rtol=1e-10, atol=1e-12 * np.abs(slopes).max())


def unknown_elements():
    pm.Normal("y", pm.Normal("mu", 0, 1, shape=N), 1, observed=y)


def heavy_tails():
    pm.StudentT("y", 3, pm.Normal("a", 0, 1) + x, 1, observed=y)


def too_many_groups():
    pm.Normal("y", pm.Normal("a", 0, 1, shape=200)[np.arange(N) % 200], 1, observed=y)


def an_infinite_number():
    pm.Normal("y", pm.Normal("a", 0, 1) * np.where(x > 2, np.inf, x), 1, observed=y)


def a_product_of_unknowns():
    pm.Normal("y", pm.Normal("a", 0, 1) * (x + pm.Normal("b", 0, 1)), 1, observed=y)


def few_rows_already():
    pm.Normal("y", x[:20] * pm.Normal("a", 0, 1), 1, observed=y[:20])


@pytest.mark.parametrize(
    "build",
    [
        unknown_elements,
        heavy_tails,
        too_many_groups,
        an_infinite_number,
        a_product_of_unknowns,
        few_rows_already,
    ],
)
def test_what_is_not_linear_or_no_less_work_stays_as_it_is(build):
    model = model_of(build)
    assert longest(model) >= min(N, 20)


def test_scalars_that_multiply_all_of_a_product_come_out_of_it():
    def build():
        a = pm.Normal("a", 0, 1)
        pm.Normal("y", 0, 1 / pm.HalfNormal("s", 1), observed=y)
        pm.Potential("more", -pt.sum(((x - a) / pt.exp(a)) ** 2 / 3))

    assert longest(model_of(build)) < N


def test_a_perfect_fit_far_from_zero_keeps_the_digits_of_its_residuals():
    """A line through 10⁶, of which the residuals are 10⁻⁶: at the best fit, and 10⁻⁶ beside it."""
    noise = 1e-6 * rng.normal(size=N)
    far = 1e6 + 3 * x + noise

    def build():
        a, b = pm.Flat("a"), pm.Flat("b")
        pm.Normal("y", a + b * x, 1e-6, observed=far)

    few, layout = module.log_density(model_of(build))
    for step in (0.0, 1e-6):
        a, b = 1e6 + step, 3.0 + step
        value, gradient = few(layout.vector({"a": np.array(a), "b": np.array(b)}))
        with mp.workdps(50):
            r = [
                (mp.mpf(v) - mp.mpf(a) - mp.mpf(b) * mp.mpf(u)) / mp.mpf(1e-6)
                for v, u in zip(far, x, strict=True)
            ]
            exact = -sum(v * v for v in r) / 2 - N * mp.log(mp.mpf(1e-6) * mp.sqrt(2 * mp.pi))
            slopes = [
                sum(r) / mp.mpf(1e-6),
                sum(v * mp.mpf(u) for v, u in zip(r, x, strict=True)) / mp.mpf(1e-6),
            ]
        assert value == pytest.approx(float(exact), rel=1e-9)
        np.testing.assert_allclose(gradient, [float(s) for s in slopes], rtol=1e-7)


def test_data_count_as_what_they_hold_and_a_gradient_that_is_kept_follows_them():
    with pm.Model() as model:
        pm.Normal("y", pm.Data("x", x) * pm.Normal("a", 0, 1), 1, observed=pm.Data("seen", y))
    assert longest(model) < N
    gradient, point = model.compile_dlogp(), {"a": np.array(0.7)}
    for values in (x, z):
        model.set_data("x", values)
        assert module.log_density(model)[0](np.array([0.7]))[1] == pytest.approx(gradient(point), rel=1e-12)
        assert gradient(point) == pytest.approx([-0.7 + np.sum(values * (y - 0.7 * values))], rel=1e-12)


def test_without_a_compiler_too(monkeypatch):
    model = model_of(intercept_and_matrix)
    graphs = module.density_graphs(model)
    q = np.full(6, 0.3)
    compiled, python = module.compiled_density(graphs)(q), module._python_density(graphs)(q)
    assert python[0] == pytest.approx(compiled[0], rel=1e-13)
    np.testing.assert_allclose(python[1], compiled[1], rtol=1e-12)


def test_what_is_said_of_single_observations_still_has_them_all():
    with model_of(intercept_and_matrix):
        idata = pm.sample(20, tune=20, chains=1, random_seed=1, progressbar=False)
        pm.compute_log_likelihood(idata, progressbar=False)
    assert idata["log_likelihood"]["y"].shape == (1, 20, N)
