"""minimize() of graphs: known minima, C against Python step by step, bounds, starts, shared variables, what goes wrong."""

from __future__ import annotations

import numpy as np
import pytest

import probgraph as pm
import probgraph.engine as theano
import probgraph.engine.tensor as T
from benchmarks.optimisers import FUNCTIONS
from probgraph.engine import toolchain
from probgraph.optimize import minimize as minimize_objective
from probgraph.optimize.step_rule import RULES

x, y = T.dscalars("x", "y")
ROSENBROCK = (1 - x) ** 2 + 100 * (y - x**2) ** 2
START = {"x": -1.2, "y": 1.0}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_known_minima(name):
    f = FUNCTIONS[name]
    point = T.dvector("point")
    found = pm.minimize(f.cost(point), start={"point": f.start})
    assert found.converged, found
    if name != "Ackley":  # which has a corner at its minimum
        assert found.kind == "minimum", found
    values = np.array([f.cost(T.as_tensor_variable(np.array(m))).eval() for m in f.minima])
    np.testing.assert_allclose(values, f.lowest, atol=1e-4)
    if f.convex_enough:
        nearest = min(np.abs(found["point"] - np.array(m)).max() for m in f.minima)
        assert nearest < 1e-3, (found, f.minima)


@pytest.mark.skipif(toolchain.find_compiler() is None, reason="needs a C compiler")
@pytest.mark.parametrize("method", RULES)
def test_the_loop_in_c_takes_the_steps_of_the_one_in_python(method):
    problem = pm.minimize(ROSENBROCK, start=START, max_iterations=1)._problem
    assert problem.objective.address
    options = {
        "learning_rate": 1e-3,
        "learning_rate_decay": 0.01,
        "clip_norm": 50.0,
        "max_iterations": 200,
        "record_path": True,
    }
    in_c = minimize_objective(problem.objective, np.array([-1.2, 1.0]), method, **options)
    in_python = minimize_objective(lambda q: problem.objective(q), np.array([-1.2, 1.0]), method, **options)
    np.testing.assert_allclose(in_c.path, in_python.path, rtol=1e-10)
    assert (in_c.iterations, in_c.evaluations, in_c.converged) == (
        in_python.iterations,
        in_python.evaluations,
        in_python.converged,
    )
    assert in_c.message == in_python.message and in_c.value == pytest.approx(in_python.value, rel=1e-9)


@pytest.mark.skipif(toolchain.find_compiler() is None, reason="needs a C compiler")
@pytest.mark.parametrize("name", ["Rosenbrock, 100 dims", "Beale", "Levy", "Goldstein-Price"])
def test_l_bfgs_in_c_takes_the_steps_of_the_one_in_python(name):
    f = FUNCTIONS[name]
    point = T.dvector("point")
    objective = pm.minimize(f.cost(point), start={"point": f.start}, max_iterations=1)._problem.objective
    options = {"record_path": True, "history": 5}
    in_c = minimize_objective(objective, np.array(f.start), **options)
    in_python = minimize_objective(lambda q: objective(q), np.array(f.start), **options)
    # Rounding grows from step to step: the first ones are the same, and both ends are.
    np.testing.assert_allclose(in_c.path[:8], in_python.path[:8], rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(in_c.x, in_python.x, atol=1e-6)
    assert in_c.converged and in_python.converged and abs(in_c.iterations - in_python.iterations) <= 2
    assert in_c.path.shape == (in_c.iterations + 1, len(f.start))
    np.testing.assert_array_equal(in_c.path[-1], in_c.x)
    value, gradient = objective(in_c.x)
    assert in_c.value == value and in_c.gradient_norm == pytest.approx(np.linalg.norm(gradient), rel=1e-12)


@pytest.mark.parametrize("method", ["BFGS", "Newton-CG", "trust-exact", "trust-ncg", "Nelder-Mead", "SLSQP"])
def test_scipys_methods_by_name(method):
    found = pm.minimize(ROSENBROCK, start=START, method=method)
    assert abs(found["x"] - 1) < 1e-3 and found.converged and found.iterations > 5


def test_what_is_returned():
    found = pm.minimize(ROSENBROCK, start=START, record_path=True)
    assert repr(found).startswith("Minimum(x=1., y=1.; cost=") and "converged in" in repr(found)
    assert found.path["x"].shape == (found.iterations + 1,) and found.path["x"][0] == -1.2
    assert found.costs[0] == pytest.approx(24.2) and found.costs[-1] == pytest.approx(found.cost, abs=1e-12)
    np.testing.assert_allclose(
        found.hessian_eigenvalues(), np.linalg.eigvalsh([[802, -400], [-400, 200]]), rtol=1e-4
    )
    assert pm.minimize(x**2 - y**2, start={"x": 1.0, "y": 0.0}).kind == "saddle"
    assert pm.minimize((x - y) ** 2, start=START).kind == "flat"
    axes = found.plot_path()
    assert axes.get_xlabel() == "x" and axes.get_ylabel() == "y"
    v = T.dvector("v")
    line = pm.minimize(((v - 1) ** 4).sum(), start={v: np.zeros(3)}, record_path=True).plot_path()
    assert line.get_xlabel() == "iteration"
    with pytest.raises(ValueError, match="no path was recorded"):
        pm.minimize(x**2, start={"x": 1.0}).plot_path()


def test_shared_variables_take_what_is_found():
    data = np.random.default_rng(1).normal(size=(50, 3))
    target = data @ [1.0, -2.0, 0.5] + 3.0
    w, b = theano.shared(np.zeros(3), "w"), theano.shared(0.0, "b")
    loss = T.mean((T.dot(data, w) + b - target) ** 2)
    found = pm.minimize(loss, method="adam", learning_rate=0.1, tolerance=1e-8)
    np.testing.assert_allclose(w.get_value(), [1.0, -2.0, 0.5], atol=1e-6)
    np.testing.assert_array_equal(b.get_value(), found["b"])
    only_b = pm.minimize(loss, wrt=b, start={"b": 0.0})
    assert list(only_b) == ["b"] and only_b["b"] == pytest.approx(3.0)


def test_bounds_are_kept():
    found = pm.minimize(
        (x - 5) ** 2 + (y + 5) ** 2, start={"x": 0.5, "y": 0.0}, bounds={x: (0, 1), "y": (-1, None)}
    )
    assert 0.999 < found["x"] <= 1 and -1 <= found["y"] < -0.999
    inside = pm.minimize((x - 0.3) ** 2, start={"x": 0.9}, bounds={"x": (0, 1)})
    assert inside["x"] == pytest.approx(0.3, abs=1e-5)
    with pytest.raises(ValueError, match="the start of x is 2.0, not strictly between its bounds"):
        pm.minimize(x**2, start={"x": 2.0}, bounds={"x": (0, 1)})


def test_several_starts_give_the_best():
    cost = T.sin(3 * x) + 0.1 * x**2
    found = pm.minimize(cost, start=[{"x": s} for s in (-3.0, 0.0, 3.0)])
    assert len(found.starts) == 3 and found.cost == min(m.cost for m in found.starts)
    assert found["x"] == pytest.approx(-0.51221, abs=1e-4)


def test_givens_and_float32():
    a = T.dscalar("a")
    assert pm.minimize((x - a) ** 2, x, start={"x": 0.0}, givens={a: 4.0})["x"] == pytest.approx(4.0)
    single = theano.shared(np.float32(0), "single")
    pm.minimize((single - 2) ** 2)
    assert single.get_value().dtype == "float32" and abs(single.get_value() - 2) < 1e-3


def test_an_interrupt_keeps_the_best_point(monkeypatch):
    calls = []

    def objective(q):
        calls.append(q.copy())
        if len(calls) == 20:
            raise KeyboardInterrupt
        return float(q @ q), 2 * q

    found = minimize_objective(objective, np.ones(2), "gradient descent", learning_rate=0.1)
    assert not found.converged and "interrupted in iteration" in found.message
    np.testing.assert_array_equal(found.x, calls[-2])


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: pm.minimize(x**2, start={"x": 1.0}, method="sgd"),
            ValueError,
            "method is 'sgd'; it must be one of 'L-BFGS', 'L-BFGS-B', 'newton', 'trust-newton', 'gradient descent'",
        ),
        (lambda: pm.minimize(x**2), ValueError, r"give a start for x: start=\{'x': ...\}"),
        (
            lambda: pm.minimize(x * y, x, start={"x": 1.0}),
            ValueError,
            "the cost depends on y too: give wrt= or givens=",
        ),
        (lambda: pm.minimize(T.dvector("v"), start={}), TypeError, "the cost is a real scalar graph, got v"),
        (
            lambda: pm.minimize(x**2, start={"z": 1.0}),
            KeyError,
            "start names z, which is no unknown; those are x",
        ),
        (lambda: pm.minimize(x**2, start={"x": [1.0]}), ValueError, r"the start of x has shape \(1,\), x is"),
        (lambda: pm.minimize(T.log(x), start={"x": -1.0}), ValueError, "at the start the value is nan"),
        (
            lambda: pm.minimize(x**2, start={"x": 1.0}, method="BFGS", learning_rate=1),
            ValueError,
            "learning_rate: not an option of method 'BFGS'",
        ),
        *(
            (
                lambda method=method: pm.minimize(x**2, start={"x": 1.0}, method=method, curvature=abs),
                ValueError,
                f"curvature: not an option of method '{method}'; its options are .*max_iterations, .*tolerance",
            )
            for method in ("L-BFGS", "newton", "adam")
        ),
        (
            lambda: pm.minimize(x**2, start={"x": 1.0}, method="adam", batches=[1]),
            ValueError,
            "batches: not an option of method 'adam'; its options are clip_norm, learning_rate",
        ),
        (
            lambda: pm.minimize(x**2, start={"x": 1.0}, bounds={"x": 3}),
            ValueError,
            r"the bounds of x are a pair \(lower, upper\)",
        ),
        (lambda: pm.minimize(x**2, start=[]), ValueError, "the list of starts is empty"),
        (
            lambda: pm.minimize(T.lscalar("k") * 1.0, start={"k": 1}),
            TypeError,
            "k is int64; unknowns are real numbers",
        ),
    ],
)
def test_bad_input_says_what_is_needed(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_a_step_too_long_is_said():
    found = pm.minimize(x**4, start={"x": 3.0}, method="gradient descent", learning_rate=1.0)
    assert not found.converged and "diverged in iteration" in found.message and found["x"] == 3.0
