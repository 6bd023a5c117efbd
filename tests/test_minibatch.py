"""Mini-batches: rows drawn anew for each evaluation, in the loop in C as in that in Python."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.stats as st

import probgraph as pm
import probgraph.engine.tensor as T
from probgraph.engine import shared
from probgraph.engine.minibatch import batches_in
from probgraph.model.log_density import log_density
from probgraph.optimize import descent

N = 2000
rng = np.random.default_rng(20261126)
X = rng.normal(size=(N, 3))
TRUE = np.array([1.0, -2.0, 0.5])
y = X @ TRUE + 0.1 * rng.normal(size=N)
FITTED = np.linalg.lstsq(X, y, rcond=None)[0]


def squares(batch_size=50):
    w = shared(np.zeros(3), "w")
    rows, seen = pm.Minibatch(X, y, batch_size=batch_size)
    return T.mean((seen - T.dot(rows, w)) ** 2), w


def test_a_batch_is_rows_of_the_data_and_several_have_the_same():
    rows, seen = pm.Minibatch(X, y, batch_size=7)
    (index,) = batches_in([rows.sum() + seen.sum()])
    index.present()[...] = [5, 5, 0, N - 1, 3, 2, 1]
    np.testing.assert_array_equal(rows.eval(), X[index.present()])
    np.testing.assert_array_equal(seen.eval(), y[index.present()])


@pytest.mark.parametrize(
    "method", ["gradient descent", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"]
)
def test_descents_come_to_the_fit_of_all_rows(method):
    cost, w = squares()
    rate = {"adagrad": 0.5}.get(method, 0.01)
    found = pm.minimize(
        cost,
        w,
        method=method,
        max_iterations=4000,
        learning_rate=rate,
        learning_rate_decay=0.002,
        random_seed=1,
    )
    np.testing.assert_allclose(found["w"], FITTED, atol=0.02)
    assert found.iterations == 4000 and not found.converged
    assert "with mini-batches there is no test of convergence" in found.message


def test_all_rows_are_drawn_and_each_as_often_as_any():
    cost, _ = squares(batch_size=100)
    (index,) = batches_in([cost])
    drawn = []
    batches = pm.minimizing.Batches([index], np.random.default_rng(3))
    for _ in range(2000):
        batches.redraw()
        drawn.append(index.present().copy())
    counts = np.bincount(np.concatenate(drawn), minlength=N)
    assert len(counts) == N
    assert abs((counts - 100).std() / 10 - 1) < 0.1, "of Poisson's distribution, nearly"


def test_the_loop_in_python_draws_the_same(monkeypatch):
    results = []
    for path in (descent._in_c, descent._in_python):
        monkeypatch.setattr(descent, "_in_c", path)
        cost, w = squares()
        results.append(
            pm.minimize(cost, w, method="adam", max_iterations=200, random_seed=4, record_path=True)
        )
    np.testing.assert_allclose(results[0].path["w"], results[1].path["w"], rtol=1e-10)
    assert results[0].iterations == results[1].iterations == 200


def test_seeds():
    found = []
    for seed in (1, 1, 2):
        cost, w = squares()
        found.append(pm.minimize(cost, w, method="adam", max_iterations=50, random_seed=seed)["w"])
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


def test_a_model_of_batches_is_fitted_as_that_of_all_rows():
    def build(rows, seen, **size):
        with pm.Model() as model:
            beta = pm.Normal("beta", 0, 10, shape=3)
            sigma = pm.HalfNormal("sigma", 1)
            pm.Normal("y", T.dot(rows, beta), sigma, observed=seen, **size)
        return model

    rows, seen = pm.Minibatch(X, y, batch_size=200)
    part, whole = build(rows, seen, total_size=N), build(X, y)
    options = {"n": 8000, "random_seed": 2, "progressbar": False, "learning_rate": 0.02}
    by_part, by_whole = (
        pm.fit(model=m, **options).sample(2000, random_seed=3).posterior for m in (part, whole)
    )
    for name in ("beta", "sigma"):
        a, b = by_part[name].values, by_whole[name].values
        np.testing.assert_allclose(a.mean((0, 1)), b.mean((0, 1)), atol=0.01)
        np.testing.assert_allclose(a.std((0, 1)), b.std((0, 1)), rtol=0.4)


def test_a_density_that_was_compiled_before_reads_the_batches_of_its_own_model():
    for _ in range(2):  # the second is found in the cache
        model = of_batches(total_size=N)
        density, _ = log_density(model, batches=True)
        (index,) = batches_in([model.logp()])
        index.present()[...] = np.arange(100, 120)
        exact = st.norm.logpdf(0) + N / 20 * st.norm.logpdf(y[100:120]).sum()
        assert density(np.zeros(1))[0] == pytest.approx(exact, rel=1e-12)


def test_total_size_weighs_each_row():
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 1)
        pm.Normal("y", mu, 1, observed=y[:10], total_size=30)
        pm.Potential("zero", 0.0 * mu)
    with pm.Model() as plain:
        pm.Normal("y", pm.Normal("mu", 0, 1), 1, observed=np.tile(y[:10], 3))
    point = {"mu": np.array(0.3)}
    assert model.compile_logp()(point) == pytest.approx(plain.compile_logp()(point), rel=1e-13)
    assert model.compile_dlogp()(point) == pytest.approx(plain.compile_dlogp()(point), rel=1e-13)


def of_batches(**size):
    with pm.Model() as model:
        pm.Normal("y", pm.Normal("mu", 0, 1), 1, observed=pm.Minibatch(y, batch_size=20), **size)
    return model


def test_what_needs_all_rows_says_so():
    model = of_batches(total_size=N)
    for run in (pm.sample, pm.find_MAP, pm.fit_laplace, pm.fit_pathfinder, pm.sample_smc):
        with pytest.raises(
            ValueError, match=r"reads mini-batches \(20 of 2000 rows\).*only fit\(\) and minimize\(\)"
        ):
            run(model=model)
    cost, w = squares()
    for method in ("L-BFGS", "newton", "trust-newton"):
        with pytest.raises(ValueError, match=f"method '{method}' compares values.*'adam'"):
            pm.minimize(cost, w, method=method)
    with pytest.raises(ValueError, match="got 'BFGS': use 'adam'"):
        pm.minimize(cost, w, method="BFGS")
    with pytest.raises(ValueError, match="tolerance: with Minibatch there is no test of convergence"):
        pm.minimize(cost, w, method="adam", tolerance=1e-3)


def test_wrong_batches_are_refused():
    with pytest.raises(ValueError, match=r"as many rows each, got shapes \(2000, 3\), \(1999,\)"):
        pm.Minibatch(X, y[1:], batch_size=5)
    with pytest.raises(ValueError, match=r"got shapes \(\)"):
        pm.Minibatch(1.0, batch_size=5)
    with pytest.raises(TypeError, match="batch_size is 2.5; it must be a whole number"):
        pm.Minibatch(X, batch_size=2.5)
    for size in (0, N + 1):
        with pytest.raises(ValueError, match=f"batch_size is {size}; it must be from 1 to 2000"):
            pm.Minibatch(X, batch_size=size)
    with pytest.warns(UserWarning, match=r"y is observed in mini-batches and has no total_size=.*len\(y\)"):
        of_batches()
    for wrong in ("all", -3, True, [1, 2], np.nan):
        with pytest.raises(TypeError, match="y: total_size is .*; it must be the number of rows"):
            of_batches(total_size=wrong)
    with pm.Model(), pytest.raises(TypeError, match="x: total_size is of what was observed"):
        pm.Normal("x", 0, 1, total_size=5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        of_batches(total_size=[N])
