"""Gradients: what grad promises, at ordinary points, at extremes, and where it must refuse."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from probgraph.engine.autodiff import DisconnectedInputError, grad, subgraph_grad
from probgraph.engine.barriers import (
    consider_constant,
    disconnected_grad,
    grad_clip,
    grad_scale,
    undefined_grad,
    zero_grad,
)
from probgraph.engine.compiled import CompiledGraph
from probgraph.engine.config import config
from probgraph.engine.graph import FunctionGraph
from probgraph.engine.no_gradient import DisconnectedType, NullType, NullTypeGradError
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import reduce
from probgraph.engine.rewrite import run_passes
from probgraph.engine.rules import DECOMPOSE, FAST_COMPILE, FAST_RUN
from probgraph.engine.run_loops import run
from probgraph.engine.shared import shared
from probgraph.engine.types import TensorType

X, Y = TensorType("float64", ())("x"), TensorType("float64", ())("y")
V = TensorType("float64", (None,))("v")
K = TensorType("int64", ())("k")


def test_the_result_has_the_form_of_wrt():
    cost = X**2 * Y
    assert grad(cost, X).eval({X: 3.0, Y: 2.0}) == 12.0
    assert isinstance(grad(cost, [X, Y]), list) and isinstance(grad(cost, (X, Y)), tuple)
    assert [g.eval({X: 3.0, Y: 2.0}) for g in grad(cost, [Y, X])] == [9.0, 12.0]


def test_by_shared_constant_integer_and_intermediate_variables():
    w = shared(3.0, "w")
    c = as_variable(2.0)
    middle = X * w
    cost = middle**2 * c + K * X
    by_w, by_c, by_middle, by_k = grad(cost, [w, c, middle, K])
    given = {X: 1.5, K: 4}
    assert by_w.eval(given) == pytest.approx(2 * 4.5 * 2 * 1.5)
    assert by_c.eval(given) == pytest.approx(4.5**2)
    assert by_middle.eval(given) == pytest.approx(2 * 4.5 * 2)
    assert by_k.eval(given) == 0 and by_k.dtype == "float64"


def test_of_itself():
    assert grad(X, X).eval({X: 5.0}) == 1.0
    cost = X * X
    assert grad(cost, cost).eval({X: 5.0}) == 1.0


def test_gradients_have_the_type_of_what_they_belong_to():
    f = TensorType("float32", (None, 1))("f")
    m = TensorType("float64", (None, None))("m")
    g = grad((f * m).sum(), f)
    assert g.type == f.type
    assert g.eval({f: np.ones((2, 1), "float32"), m: np.ones((2, 3))}).tolist() == [[3], [3]]


def test_names():
    cost = X**2
    cost.name = "cost"
    assert grad(cost, X).name == "(dcost/dx)"
    assert grad(cost, X, add_names=False).name is None
    assert grad(X**2, X).name is None


def test_consider_constant():
    middle = X**2
    cost = middle * X
    assert grad(cost, X, consider_constant=[middle]).eval({X: 3.0}) == 9.0


def test_known_grads():
    middle = X**3
    assert grad(None, X, known_grads={middle: 2.0}).eval({X: 2.0}) == 24.0
    cost = middle * 5
    assert grad(cost, X, known_grads={middle: 2.0}).eval({X: 1.0}) == 21.0
    with pytest.raises(AssertionError, match="cost and known_grads can't both be None"):
        grad(None, X)


def test_disconnected():
    with pytest.raises(DisconnectedInputError, match="not part of the computational graph of the cost.*: y"):
        grad(X**2, Y)
    assert issubclass(DisconnectedInputError, ValueError)
    with pytest.warns(UserWarning, match="not part of the computational graph"):
        assert grad(X**2, Y, disconnected_inputs="warn").eval({Y: 1.0}) == 0
    assert grad(X**2, Y, disconnected_inputs="ignore").eval({Y: 1.0}) == 0
    assert grad(X**2, Y, disconnected_inputs="ignore", return_disconnected="None") is None
    with pytest.raises(ValueError, match="'raise', 'warn' or 'ignore', got 'maybe'"):
        grad(X, X, disconnected_inputs="maybe")


def test_shapes_are_disconnected_and_steps_are_zero():
    with pytest.raises(DisconnectedInputError):
        grad(ew.cast(V.shape[0], "float64"), V)
    for cost in (ew.floor(X), ew.cast(X > 0, "float64"), ew.cast(ew.cast(X, "int64"), "float64")):
        assert grad(cost, X).eval({X: 1.5}) == 0


def test_what_cannot_be_differentiated():
    with pytest.raises(TypeError, match=r"cost must be a scalar. v is float64\[\?\]"):
        grad(V, V)
    with pytest.raises(TypeError, match="Expected Variable, got 3"):
        grad(X, 3)
    with pytest.raises(TypeError, match="cost must be a variable"):
        grad(3.0, X)
    with pytest.raises(TypeError, match="cost must be real"):
        grad(ew.complex(X, Y), X)
    with pytest.raises(ValueError, match="return_disconnected is"):
        grad(X, X, return_disconnected="none of it")
    with pytest.raises(ValueError, match="null_gradients is"):
        grad(X, X, null_gradients="x")


@pytest.mark.parametrize(
    ("function", "point", "expected"),
    [
        (lambda x, y: ew.maximum(x, y), (1.0, 1.0), (1, 0)),
        (lambda x, y: ew.minimum(x, y), (1.0, 1.0), (1, 0)),
        (lambda x, y: ew.abs(x) + 0 * y, (0.0, 1.0), (0, 0)),
        (lambda x, y: ew.sqrt(x) + y, (0.0, 1.0), (np.inf, 1)),
        (lambda x, y: x**y, (0.0, 2.0), (0, 0)),
        (lambda x, y: x**y, (-2.0, 3.0), (12, np.nan)),
        (lambda x, y: ew.switch(x > 0, x, y), (1.0, 5.0), (1, 0)),
        (lambda x, y: ew.clip(x, 0.0, y), (3.0, 2.0), (0, 1)),
    ],
)
def test_at_ties_and_ends(function, point, expected):
    got = [g.eval({X: point[0], Y: point[1]}) for g in grad(function(X, Y), [X, Y])]
    np.testing.assert_array_equal(got, expected)


FAR = [-2400.0, -745.2, -40.0, -1.0, -1e-9, 0.0, 1e-9, 0.5, 40.0, 709.5, 2400.0]


@pytest.mark.parametrize(
    ("cost", "true"),
    [
        (lambda x: ew.log(1 + ew.exp(x)), lambda x: mp.log(1 + mp.exp(x))),
        (lambda x: ew.log(1 / (1 + ew.exp(-x))), lambda x: -mp.log(1 + mp.exp(-x))),
        (lambda x: ew.log(ew.sigmoid(x)), lambda x: -mp.log(1 + mp.exp(-x))),
        (lambda x: ew.log(1 - ew.sigmoid(x)), lambda x: -mp.log(1 + mp.exp(x))),
        (lambda x: ew.log1p(-ew.sigmoid(x)), lambda x: -mp.log(1 + mp.exp(x))),
        (lambda x: ew.exp(x) / (1 + ew.exp(x)), lambda x: 1 / (1 + mp.exp(-x))),
        (lambda x: ew.log(ew.exp(x) + ew.exp(2.0)), lambda x: mp.log(mp.exp(x) + mp.exp(2))),
        (lambda x: ew.log(ew.exp(x).sum() + 3.0), lambda x: mp.log(mp.exp(x) + 3)),
        (lambda x: ew.log(ew.sigmoid(x) / (1 - ew.sigmoid(x))), lambda x: x),
    ],
)
@pytest.mark.parametrize(
    "passes", [[], FAST_COMPILE, [*FAST_RUN, *DECOMPOSE]], ids=["none", "compile", "run"]
)
def test_derivatives_of_stable_forms_are_exact_far_out(cost, true, passes):
    first = grad(cost(X), X)
    second = grad(first, X, disconnected_inputs="ignore")
    first, second = run_passes([first, second], passes)
    for at in FAR:
        with mp.workdps(2200):
            expected = float(mp.diff(true, mp.mpf(at)))
            curvature = float(mp.diff(true, mp.mpf(at), 2))
        assert first.eval({X: at}) == pytest.approx(expected, rel=1e-14, abs=1e-305), at
        # About 0 a second derivative may be a difference of halves.
        rounding = 1e-16 if abs(at) < 1e-6 else 1e-305
        assert second.eval({X: at}) == pytest.approx(curvature, rel=1e-13, abs=rounding), at


def test_log_sum_exp_is_exact_far_out():
    for cost in (ew.log(reduce.sum(ew.exp(V))), ew.log(reduce.mean(ew.exp(V)))):
        g = grad(cost, V)
        for values in ([2400.0, 2400.0], [-2400.0, -2400.0], [-1e300, -1e300]):
            assert g.eval({V: np.array(values)}).tolist() == [0.5, 0.5]
        assert g.eval({V: np.array([0.0, -np.inf])}).tolist() == [1, 0]


def test_barriers():
    assert grad(X * zero_grad(X), X).eval({X: 3.0}) == 3.0
    assert grad(X * consider_constant(X), X).eval({X: 3.0}) == 3.0
    assert grad(X * disconnected_grad(X), X).eval({X: 3.0}) == 3.0
    with pytest.raises(DisconnectedInputError):
        grad(disconnected_grad(X) ** 2, X)
    assert grad(zero_grad(X) ** 2, X).eval({X: 3.0}) == 0.0
    assert grad(5 * grad_clip(X, -1, 1), X).eval({X: 3.0}) == 1.0
    assert grad(5 * grad_scale(X, 3), X).eval({X: 3.0}) == 15.0
    with pytest.raises(ValueError, match="lower bound 2 is not below the upper bound 1"):
        grad_clip(X, 2, 1)


BARRIERS = [
    zero_grad,
    consider_constant,
    disconnected_grad,
    undefined_grad,
    lambda x: grad_clip(x, -1, 1),
    lambda x: grad_scale(x, 2),
]


@pytest.mark.parametrize("barrier", BARRIERS)
def test_barriers_leave_values_alone(barrier):
    v = np.array([0.0, -1.5, np.inf, np.nan, 1e300])
    y = barrier(V)
    assert str(y.owner.op).startswith(
        ("zero_grad", "consider", "disconn", "undef", "grad_clip{-1.0", "grad_scale{2.0")
    )
    np.testing.assert_array_equal(y.eval({V: v}), v)
    program = CompiledGraph(FunctionGraph([V], [y * 2]))  # the barrier itself has loops
    np.testing.assert_array_equal(program([v])[0], 2 * v)
    np.testing.assert_array_equal(run(program.program, [v])[0], 2 * v)
    assert run_passes([y], FAST_RUN) == [V]  # and is gone from what is compiled


def test_undefined_gradients():
    cost = 3 * undefined_grad(X) + Y
    assert grad(cost, Y).eval({X: 0.0, Y: 0.0}) == 1
    with pytest.raises(
        NullTypeGradError, match=r"encountered a NaN.*input 0 \(x\) of the undefined_grad op is math"
    ):
        grad(cost, X)
    by_x, by_y = grad(cost, [X, Y], null_gradients="return")
    assert isinstance(by_x.type, NullType) and by_y.eval({X: 0.0, Y: 0.0}) == 1
    # What is computed of something undefined is undefined, whatever else flows there.
    with pytest.raises(NullTypeGradError):
        grad(X**2 + undefined_grad(ew.exp(X)), X)
    with pytest.raises(NullTypeGradError):
        grad(undefined_grad(ew.exp(X)) + X**2, X)


def test_what_stands_for_a_disconnected_gradient():
    g = grad(X**2, Y, disconnected_inputs="ignore", return_disconnected="Disconnected")
    assert isinstance(g.type, DisconnectedType)
    with pytest.raises(ValueError, match="has no value"):
        g.type.filter(1.0)
    assert grad(X**2, Y, disconnected_inputs="ignore", return_disconnected="None") is None


def test_a_flow_of_zeros_does_not_meet_infinities():
    # d/dx of a part that is not read: 0 * (1 / 0) would be nan
    cost = (ew.sqrt(V) * 0).sum() * zero_grad(X) + X
    assert grad(cost, X).eval({V: [0.0], X: 1.0}) == 1
    cost = zero_grad(ew.sqrt(V)).sum() + V.sum()
    assert grad(cost, V).eval({V: [0.0, 4.0]}).tolist() == [1, 1]


def test_subgraph_grad():
    a, b = TensorType("float64", (None,))("a"), TensorType("float64", (None,))("b")
    middle = ew.tanh(a * V)
    cost = (ew.exp(middle) * b).sum()
    given = {a: [0.1, 0.2], b: [1.0, -2.0], V: [0.5, 3.0]}
    (by_b,), (by_middle,) = subgraph_grad([b], [middle], cost=cost)
    (by_a,), _ = subgraph_grad([a], [V], start={middle: by_middle})
    for got, expected in zip((by_b, by_a), grad(cost, [b, a]), strict=True):
        np.testing.assert_allclose(got.eval(given), expected.eval(given))
    penalty = (a**2).sum()
    (both,), _, (first,), (second,) = subgraph_grad([a], [V], {middle: by_middle}, penalty, details=True)
    np.testing.assert_allclose(both.eval(given), grad(cost + penalty, a).eval(given))
    np.testing.assert_allclose(first.eval(given), grad(cost, a).eval(given))
    np.testing.assert_allclose(second.eval({a: [0.1, 0.2]}), [0.2, 0.4])
    with pytest.raises(AssertionError, match="`cost` or `start` must be specified"):
        subgraph_grad([a], [V])


def test_float32_stays_float32():
    f = TensorType("float32", (None,))("f")
    g = grad(ew.log(1 + ew.exp(f)).sum(), f)
    assert g.dtype == "float32"
    with config.change_flags(floatX="float32"):
        assert grad(ew.log(1 + ew.exp(f)).sum(), f).dtype == "float32"


def test_complex_variables_of_a_real_cost():
    z = TensorType("complex128", ())("z")
    g = grad(ew.abs(z) ** 2, z)
    assert g.eval({z: 3 + 4j}) == pytest.approx(6 + 8j)


def test_the_gradient_of_a_deep_graph_needs_no_recursion():
    y = X
    for _ in range(5_000):
        y = ew.sin(y) + X
    value = grad(y, X).eval({X: 0.1})
    assert np.isfinite(value)
