"""Newton's methods: known minima, C against Python step by step, saddles that are left, walls, interrupts, what goes wrong."""

from __future__ import annotations

import ctypes
import functools
import signal

import numpy as np
import pytest

import probgraph as pm
import probgraph.engine as theano
import probgraph.engine.tensor as T
from benchmarks.optimisers import FUNCTIONS
from probgraph import minimizing, second_derivatives
from probgraph.engine import toolchain
from probgraph.model.layout import Layout
from probgraph.model.log_density import density_graphs
from probgraph.optimize import SECOND_ORDER, minimize
from probgraph.optimize.objective import CompiledCurvature, CompiledObjective
from probgraph.samplers import LogDensity
from probgraph.second_derivatives import curvature_for

needs_compiler = pytest.mark.skipif(toolchain.find_compiler() is None, reason="needs a C compiler")
both = pytest.mark.parametrize("method", SECOND_ORDER)


def as_curvature(method, hessian):
    """What the method asks for, of a Hessian as a function."""
    return hessian if method == "newton" else lambda x, p: hessian(x) @ p


def quadratic(H, centre=0.0):
    return lambda x: (0.5 * (x - centre) @ H @ (x - centre), H @ (x - centre))


@functools.cache
def compiled(name, method):
    """The objective of one of the gallery's functions, its curvature and its start."""
    f = FUNCTIONS[name]
    point = T.dvector("point")
    problem = pm.minimize(f.cost(point), start={"point": f.start}, max_iterations=1)._problem
    return problem.objective, problem._curvature(method), np.array(f.start, float)


@both
@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - {"Ackley"}))  # which has a corner at its minimum
def test_known_minima_and_those_of_scipy(name, method):
    f = FUNCTIONS[name]
    point = T.dvector("point")
    found = pm.minimize(f.cost(point), start={"point": f.start}, method=method)
    assert found.converged and found.gradient_norm <= 1e-6 and found.kind == "minimum", found
    assert min(np.abs(found["point"] - np.array(m)).max() for m in f.minima) < 1e-4
    theirs = pm.minimize(f.cost(point), start={"point": f.start}, method="trust-exact")
    assert found.cost == pytest.approx(theirs.cost, abs=1e-9)
    # Products are many to a step, Hessians are not.
    assert found.iterations <= theirs.iterations if method == "newton" else found.iterations <= 70
    assert found.curvature_evaluations >= found.iterations + 1


@needs_compiler
@both
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_loop_in_c_takes_the_steps_of_the_one_in_python(name, method):
    objective, curvature, start = compiled(name, method)
    assert objective.address and curvature.address
    in_c = minimize(objective, start, method, curvature=curvature, record_path=True)
    in_python = minimize(
        lambda q: objective(q), start, method, curvature=lambda *q: curvature(*q), record_path=True
    )
    # Rounding grows from step to step: the first ones are the same, and both ends are.
    np.testing.assert_allclose(in_c.path[:6], in_python.path[:6], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(in_c.x, in_python.x, atol=1e-6)
    assert in_c.converged == in_python.converged and abs(in_c.iterations - in_python.iterations) <= 1
    if len(start) == 2:
        assert in_c.message == in_python.message and in_c.evaluations == in_python.evaluations
        assert in_c.curvature_evaluations == in_python.curvature_evaluations
    assert in_c.path.shape == (in_c.iterations + 1, len(start))
    np.testing.assert_array_equal(in_c.path[-1], in_c.x)
    value, gradient = objective(in_c.x)
    assert in_c.value == value and in_c.gradient_norm == pytest.approx(np.linalg.norm(gradient), rel=1e-12)


x, y = T.dscalars("x", "y")
SADDLES = {  # a cost, its start, its lowest value
    "at a saddle": (x**2 - y**2 + y**4, (0.0, 0.0), -0.25),
    "on the ridge that leads to it": (x**2 - y**2 + y**4, (3.0, 0.0), -0.25),
    "at one along the diagonals": (x * y + (x**2 + y**2) ** 2, (0.0, 0.0), -0.0625),
    "at a maximum": (T.cos(x) + T.cos(y), (0.0, 0.0), -2.0),
    "at one in small units": (1e12 * x**2 - 1e12 * y**2 + 1e26 * y**4, (0.0, 0.0), -0.0025),
}


@both
@pytest.mark.parametrize("python", [False, True])
@pytest.mark.parametrize("name", SADDLES)
def test_saddles_are_left(name, method, python):
    cost, (x0, y0), lowest = SADDLES[name]
    start = {"x": x0, "y": y0}
    problem = pm.minimize(cost, start=start, max_iterations=0)._problem
    objective, curvature = problem.objective, problem._curvature(method)
    if python:
        objective, curvature = (lambda q: problem.objective(q)), (lambda *q: problem._curvature(method)(*q))
    found = minimize(objective, np.array([x0, y0]), method, curvature=curvature)
    assert found.converged and found.value == pytest.approx(lowest, rel=1e-6), found
    assert found.iterations < 20, "and not step by step along the ridge"
    assert minimize(problem.objective, np.array([0.0, 0.0])).iterations == 0, "L-BFGS stays"


@both
def test_the_one_direction_down_is_found_among_many(method):
    for seed in range(30):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(2, 30))
        Q = np.linalg.qr(rng.normal(size=(n, n)))[0]
        curvatures = 10 ** rng.uniform(-3, 3, n)
        curvatures[0] *= -1
        H = (Q * curvatures) @ Q.T

        def cost(x, H=H):
            return 0.5 * x @ H @ x + (x @ x) ** 2, H @ x + 4 * (x @ x) * x

        def hessian(x, H=H):
            return H + 4 * (x @ x) * np.eye(len(x)) + 8 * np.outer(x, x)

        found = minimize(cost, np.zeros(n), method, curvature=as_curvature(method, hessian))
        assert found.converged and found.value < 0
        assert np.linalg.eigvalsh(hessian(found.x)).min() > 0
        # On the way into the saddle too: from a point that has no part in that direction.
        there = Q[:, 1:] @ rng.normal(size=n - 1)
        found = minimize(cost, there, method, curvature=as_curvature(method, hessian))
        assert found.converged and np.linalg.eigvalsh(hessian(found.x)).min() > 0


@both
def test_flat_valleys_and_degenerate_minima_are_ends(method):
    H = np.array([[2.0, -2.0], [-2.0, 2.0]])
    found = minimize(quadratic(H), [1.0, 0.0], method, curvature=as_curvature(method, lambda x: H))
    assert found.converged and found.value < 1e-15
    quartic = as_curvature(method, lambda x: np.diag(12 * x**2))
    found = minimize(lambda x: (np.sum(x**4), 4 * x**3), np.ones(3), method, curvature=quartic)
    assert found.converged and np.abs(found.x).max() < 1e-2


def test_a_quadratic_takes_newton_one_step():
    rng = np.random.default_rng(0)
    A = rng.normal(size=(20, 20))
    H = A @ A.T + 0.01 * np.eye(20)
    for scale in (1e-8, 1.0, 1e8):
        found = minimize(
            quadratic(scale * H, 3.0),
            np.zeros(20),
            "newton",
            curvature=lambda x, s=scale: s * H,
            tolerance=1e-6 * scale,
        )
        assert found.converged and (found.iterations, found.evaluations) == (1, 2)
        np.testing.assert_allclose(found.x, 3.0, rtol=1e-8)


def test_a_quadratic_takes_conjugate_gradients_as_many_products_as_it_has_curvatures():
    H = np.diag(np.repeat([1.0, 4.0, 9.0], 50))
    found = minimize(
        quadratic(H, 3.0),
        np.zeros(150),
        "trust-newton",
        curvature=lambda x, p: H @ p,
        radius=1e3,
        tolerance=1e-3,
    )
    assert found.converged and found.iterations <= 4
    # At most three for each step, and three to see that it is no saddle.
    assert found.curvature_evaluations <= 3 * (found.iterations + 1)


@both
@pytest.mark.parametrize("offset", [0.0, 1e8])
def test_values_that_differ_by_rounding_only(method, offset):
    H = np.diag(np.logspace(0, 4, 20))
    cost = quadratic(H, 1.0)
    found = minimize(
        lambda x: (offset + cost(x)[0], cost(x)[1]),
        np.zeros(20),
        method,
        curvature=as_curvature(method, lambda x: H),
        relative_change=0.0,
    )
    assert found.converged and found.gradient_norm <= 1e-6, found.message


@both
def test_a_gradient_that_cannot_be_smaller_is_an_end(method):
    H = np.diag([1.0, 1e3])
    rng = np.random.default_rng(0)

    def noisy(x):
        value, gradient = quadratic(H, 1.0)(x)
        return value + 5.0, gradient + 1e-5 * rng.normal(size=2)

    found = minimize(
        noisy, np.zeros(2), method, curvature=as_curvature(method, lambda x: H), max_iterations=500
    )
    assert found.iterations < 100 and found.value == pytest.approx(5.0, abs=1e-8)


@both
def test_a_wall_turns_them_back(method):
    def barrier(x):
        if (x <= 0).any():
            return np.inf, np.full(len(x), np.nan)
        return np.sum(x - np.log(x)), 1 - 1 / x

    def hessian(x):
        assert (x > 0).all(), "second derivatives are asked for where the search is"
        return np.diag(1 / x**2)

    for start in (0.01, 5.0, 100.0, 1e4):
        found = minimize(barrier, np.full(3, start), method, curvature=as_curvature(method, hessian))
        assert found.converged, found.message
        np.testing.assert_allclose(found.x, 1.0, atol=1e-4)


@both
def test_without_finite_second_derivatives_it_is_steepest_descent(method):
    H = np.diag([1.0, 5.0])
    nothing = as_curvature(method, lambda x: np.full((2, 2), np.nan) if x[0] < 0.9 else H)
    found = minimize(quadratic(H, 1.0), np.zeros(2), method, curvature=nothing)
    assert found.converged
    np.testing.assert_allclose(found.x, 1.0, atol=1e-5)


@both
def test_a_hole_around_the_start_is_said(method):
    def hole(x):
        return (x[0], np.ones(1)) if x[0] >= 0.6 else (np.nan, np.array([np.nan]))

    found = minimize(hole, [0.6], method, curvature=as_curvature(method, lambda x: np.ones((1, 1))))
    assert not found.converged and found.x.tolist() == [0.6] and "no lower point was found" in found.message


@both
def test_a_wrong_gradient_is_no_convergence(method):
    I = np.eye(2)
    found = minimize(
        lambda x: (x @ x, -2 * x), np.ones(2), method, curvature=as_curvature(method, lambda x: 2 * I)
    )
    assert not found.converged and "no lower point was found after iteration 0" in found.message
    assert "check the gradient" in found.message and found.x.tolist() == [1.0, 1.0]


@both
def test_what_has_no_lowest_point_ends(method):
    for H, slope in ((np.diag([1.0, -1.0]), 0.0), (np.zeros((2, 2)), 1.0)):
        with np.errstate(all="ignore"):
            found = minimize(
                lambda x, H=H, slope=slope: (0.5 * x @ H @ x + slope * x.sum(), H @ x + slope),
                [1.0, 0.0],
                method,
                curvature=as_curvature(method, lambda x, H=H: H),
                max_iterations=400,
            )
        assert not found.converged and found.value < -1e10


@both
def test_path_counts_and_limits(method):
    objective, curvature, start = compiled("Rosenbrock", method)
    whole = minimize(objective, start, method, curvature=curvature, record_path=True)
    assert whole.path.shape == (whole.iterations + 1, 2) and whole.path[0].tolist() == [-1.2, 1.0]
    costs = [objective(q)[0] for q in whole.path]
    assert (np.diff(costs) < 0).all()
    few = minimize(objective, start, method, curvature=curvature, max_iterations=3, record_path=True)
    assert not few.converged and few.iterations == 3 and "not converged in 3 iterations" in few.message
    np.testing.assert_array_equal(few.path, whole.path[:4])
    none = minimize(objective, start, method, curvature=curvature, max_iterations=0)
    assert not none.converged and none.x.tolist() == [-1.2, 1.0] and start.tolist() == [-1.2, 1.0]
    again = minimize(objective, whole.x, method, curvature=curvature)
    assert again.converged and again.iterations == 0 and again.evaluations == 1 and again.path is None
    saddle = np.diag([1.0, -1.0])
    out = minimize(
        quadratic(saddle),
        np.zeros(2),
        method,
        curvature=as_curvature(method, lambda x: saddle),
        max_iterations=0,
    )
    assert not out.converged, "a saddle is no minimum, even where there are no iterations to leave it"


@both
@pytest.mark.parametrize("where", ["objective", "curvature"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
@pytest.mark.parametrize("in_c", [False, pytest.param(True, marks=needs_compiler)])
def test_interrupts_keep_what_was_found_and_errors_come_out(method, where, error, in_c):
    objective, curvature, start = compiled("Rosenbrock", method)
    calls = {"objective": 0, "curvature": 0}

    def counted(name, result):
        calls[name] += 1
        if name == where and calls[name] == 9:
            raise error("here")
        return result

    def python_objective(q):
        return counted("objective", objective(q))

    def python_curvature(*q):
        return counted("curvature", curvature(*q))

    called = (python_objective, python_curvature)
    if in_c:
        size = 2 if method == "newton" else 4
        called = (
            CompiledObjective(LogDensity.from_python(python_objective, 2)),
            CompiledCurvature(
                _callback(python_curvature, method), (2, 2) if method == "newton" else (2,), size
            ),
        )
    if error is ZeroDivisionError:
        with pytest.raises(ZeroDivisionError, match="here"):
            minimize(called[0], start, method, curvature=called[1])
        return
    found = minimize(called[0], start, method, curvature=called[1])
    assert not found.converged and "interrupted in iteration" in found.message
    assert 0 < found.iterations < 9 and found.value < objective(start)[0]
    assert objective(found.x)[0] == found.value


@needs_compiler
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer's signal")
@pytest.mark.parametrize(("method", "dim"), [("newton", 1200), ("trust-newton", 100_000)])
def test_a_loop_in_c_hears_a_signal(method, dim):
    point = T.dvector("point")
    start = np.linspace(-1.5, 0.3, dim)
    problem = pm.minimize(
        FUNCTIONS["Rosenbrock"].cost(point), start={"point": start}, max_iterations=0
    )._problem
    curvature = problem._curvature(method)

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        found = minimize(
            problem.objective, start, method, curvature=curvature, tolerance=0.0, relative_change=0.0
        )
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert not found.converged and "interrupted in iteration" in found.message
    assert found.iterations > 0 and problem.objective(found.x)[0] == found.value < problem.objective(start)[0]


def _callback(curvature, method):
    """A Python curvature behind a C function, whose exceptions end the search as those of a density do."""
    asked = 2 if method == "newton" else 4

    def padded(q):
        parts = (q,) if method == "newton" else (q[:2], q[2:])
        return 0.0, np.resize(curvature(*parts).ravel(), 4)

    behind = LogDensity.from_python(lambda q: padded(q[:asked]), 4)

    class Behind:
        address, new_data, keep_alive = behind.address, behind.new_data, behind

    return Behind


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        (
            "newton",
            {"history": 3},
            "history: not an option of method 'newton'; its options are max_iterations",
        ),
        ("newton", {"radius": 3}, "radius: not an option of method 'newton'"),
        ("trust-newton", {"learning_rate": 3}, "learning_rate: not an option .* radius, record_path"),
        ("trust-newton", {"radius": 0.0}, r"radius is 0\.0; it must be a finite number above 0"),
        ("trust-newton", {"radius": np.inf}, "radius is inf"),
        ("newton", {"max_iterations": -1}, "max_iterations is -1"),
        ("trust-newton", {"tolerance": -1.0}, r"tolerance is -1\.0"),
        (
            "newton",
            {"curvature": None},
            r"method 'newton' needs curvature\(x\); 'newton' and 'trust-newton' go by",
        ),
        ("trust-newton", {"curvature": None}, r"method 'trust-newton' needs curvature\(x, vector\)"),
        ("L-BFGS", {}, "method 'L-BFGS' knows no curvature"),
        (
            "newton",
            {"curvature": lambda x: np.eye(3)},
            r"the second derivatives have shape \(3, 3\); needed is \(2, 2\)",
        ),
        ("trust-newton", {"curvature": lambda x, p: np.eye(2)}, r"shape \(2, 2\); needed is \(2,\)"),
        (
            "Newton",
            {},
            "method is 'Newton'; it must be one of 'L-BFGS', 'L-BFGS-B', 'newton', 'trust-newton', ",
        ),
    ],
)
def test_bad_options_name_the_legal_ones(method, options, message):
    options = {"curvature": lambda x, *p: np.eye(2), **options}
    with pytest.raises(ValueError, match=message):
        minimize(quadratic(np.eye(2)), [1.0, 1.0], method, **options)


@both
def test_bad_starts(method):
    curvature = as_curvature(method, lambda x: np.eye(1))
    with pytest.raises(ValueError, match=r"start has shape \(1, 1\)"):
        minimize(quadratic(np.eye(1)), [[1.0]], method, curvature=curvature)
    with pytest.raises(ValueError, match="at the start the value is nan"):
        minimize(quadratic(np.eye(1)), [np.nan], method, curvature=curvature)


@both
def test_graphs_with_bounds_shared_variables_and_several_starts(method):
    data = np.random.default_rng(1).normal(size=(50, 3))
    target = data @ [1.0, -2.0, 0.5] + 3.0
    w, b = theano.shared(np.zeros((3, 1)), "w"), theano.shared(np.float32(0.0), "b")
    loss = T.mean((T.dot(data, w)[:, 0] + b - target) ** 2)
    found = pm.minimize(loss, method=method)
    np.testing.assert_allclose(w.get_value()[:, 0], [1.0, -2.0, 0.5], atol=1e-6)
    assert b.get_value() == pytest.approx(3.0) and b.get_value().dtype == "float32" and found.converged
    only_b = pm.minimize(loss, wrt=b, start={"b": 0.0}, method=method)
    assert only_b["b"] == pytest.approx(3.0)
    inside = pm.minimize(
        (x - 5) ** 2 + (y - 0.3) ** 2, start={"x": 0.5, "y": 0.5}, bounds={"x": (0, 1)}, method=method
    )
    assert 0.999 < inside["x"] <= 1 and inside["y"] == pytest.approx(0.3)
    cost = T.sin(3 * x) + 0.1 * x**2
    best = pm.minimize(cost, start=[{"x": s} for s in (-3.0, 0.0, 3.0)], method=method)
    assert best["x"] == pytest.approx(-0.51221, abs=1e-4) and len(best.starts) == 3


def test_many_unknowns_by_products():
    point = T.dvector("point")
    start = {"point": np.full(10_000, 0.5)}
    found = pm.minimize(FUNCTIONS["Rosenbrock"].cost(point), start=start, method="trust-newton")
    assert found.converged and found.iterations < 100 and found.curvature_evaluations < 1000
    np.testing.assert_allclose(found["point"], 1.0, atol=1e-5)


@both
def test_without_a_compiler(method, monkeypatch):
    with_one = pm.minimize(FUNCTIONS["Beale"].cost(T.dvector("p")), start={"p": [1.0, 1.0]}, method=method)

    def nothing(*_):
        raise toolchain.NoCompilerError("none")

    monkeypatch.setattr(minimizing, "compile_density", nothing)
    monkeypatch.setattr(second_derivatives, "compile_density", nothing)
    scale = theano.shared(2.0, "scale")
    p = T.dvector("p")
    cost = scale * FUNCTIONS["Beale"].cost(p) / 2
    without = pm.minimize(cost, wrt=p, start={"p": [1.0, 1.0]}, method=method)
    np.testing.assert_allclose(without["p"], with_one["p"], atol=1e-8)
    assert without.iterations == with_one.iterations
    assert without.curvature_evaluations == with_one.curvature_evaluations


def model_of_several_shapes():
    with pm.Model() as model:
        tau = pm.HalfNormal("tau", 1.0)
        m = pm.Normal("m", 0, 1, shape=(2, 3))
        a = pm.Normal("a", 0, 1)
        pm.Poisson("y", pm.math.exp(a + m), observed=np.arange(6).reshape(2, 3))
        pm.Normal("z", a, tau, observed=[1.0, 3.0, -2.0])
    return model


@pytest.mark.parametrize("compiler", [pytest.param(True, marks=needs_compiler), False])
def test_curvatures_are_the_derivatives_of_the_gradient(compiler, monkeypatch):
    model = model_of_several_shapes()
    graphs = density_graphs(model, jacobian=False)
    if not compiler:
        monkeypatch.setenv("PROBGRAPH_CC", "")
    functions = [curvature_for(m, graphs.logp, graphs.roots, sign=-1.0) for m in SECOND_ORDER]
    assert all(bool(getattr(f, "address", None)) == compiler for f in functions)
    monkeypatch.undo()
    hessian, product = functions
    density, _ = pm.model.log_density.log_density(model, jacobian=False)
    rng = np.random.default_rng(0)
    q, p = rng.normal(size=(2, 8))
    differences = [(density(q + h)[1] - density(q - h)[1]) / -2e-5 for h in 1e-5 * np.eye(8)]
    np.testing.assert_allclose(hessian(q), differences, atol=1e-6)
    np.testing.assert_allclose(hessian(q), hessian(q).T, atol=1e-12)
    np.testing.assert_allclose(product(q, p), hessian(q) @ p, rtol=1e-10)
    assert Layout(graphs.roots).dim == 8


@pytest.mark.parametrize("method", [*SECOND_ORDER, "trust-exact", "trust-ncg", "Newton-CG", "trust-krylov"])
def test_find_map(method):
    with model_of_several_shapes():
        by_lbfgs = pm.find_MAP(start={"tau": 2.0}, tolerance=1e-8)
        options = {} if method in SECOND_ORDER else {"tol": 1e-7}
        found = pm.find_MAP(start={"tau": 2.0}, method=method, **options)
    assert found.converged and found.logp == pytest.approx(by_lbfgs.logp, abs=1e-8)
    np.testing.assert_allclose(found["m"], by_lbfgs["m"], atol=1e-4)
    assert found["tau"] == pytest.approx(by_lbfgs["tau"], abs=1e-4)
    if method in SECOND_ORDER:
        assert found.curvature_evaluations > found.iterations
        with model_of_several_shapes():
            path = pm.find_MAP(start={"tau": 2.0}, method=method, record_path=True).path
        assert path["m"].shape == (found.iterations + 1, 2, 3) and path["tau"][0] == pytest.approx(2.0)


@needs_compiler
def test_a_curvature_in_c_says_not_here():
    def nowhere(*_):
        return 1

    signature = ctypes.CFUNCTYPE(ctypes.c_int, *(ctypes.c_void_p,) * 4)(nowhere)

    class Function:
        address = ctypes.cast(signature, ctypes.c_void_p).value
        new_data = staticmethod(LogDensity.from_python(lambda q: (0.0, q), 1).new_data)

    assert np.isnan(CompiledCurvature(Function, (2, 2), 4)(np.zeros(2))).all()
