"""Operations made of graphs: what they compute, that they cost nothing, and whose gradient they have."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest

import probgraph.engine as theano
import probgraph.engine.tensor as T
from probgraph.engine.derivatives import Rop, hessian, jacobian, verify_grad
from probgraph.engine.function import function
from probgraph.engine.graph import MissingInputError, toposort
from probgraph.engine.inner_graph import OpFromGraph
from probgraph.engine.no_gradient import DisconnectedType, NullType, NullTypeGradError
from probgraph.engine.scanning import scan
from probgraph.engine.shared import shared
from probgraph.engine.types import TensorType
from probgraph.engine.vectorize import vectorize_graph

MODES = ("FAST_RUN", "FAST_COMPILE", "DebugMode")
x, y, z = T.dvectors("x", "y", "z")
X, Y, Z = np.array([1.0, 2.0]), np.array([3.0, -1.0]), np.array([0.5, 0.25])
SUMS = OpFromGraph([x, y, z], [x + y * z], name="sums")
BOTH = OpFromGraph([x, y], [T.exp(x) * y, (x * y).sum()])


@pytest.mark.parametrize("mode", MODES)
def test_from_theanos_documentation(mode):
    e = SUMS(x, y, z) + SUMS(z, y, x)
    f = function([x, y, z], [e, *T.grad((e**2).sum(), [x, y, z])], mode=mode)
    value, by_x, by_y, by_z = f(X, Y, Z)
    expected = X + Y * Z + Z + Y * X
    np.testing.assert_allclose(value, expected)
    np.testing.assert_allclose(by_x, 2 * expected * (1 + Y))
    np.testing.assert_allclose(by_y, 2 * expected * (X + Z))
    np.testing.assert_allclose(by_z, 2 * expected * (1 + Y))


@pytest.mark.parametrize("mode", MODES)
def test_several_results(mode):
    a, b = BOTH(T.sin(x), y)
    f = function([x, y], [a, b, T.grad(a.sum() * b, x)], mode=mode)
    s = np.sin(X)
    np.testing.assert_allclose(f(X, Y)[0], np.exp(s) * Y)
    p, q = (np.exp(s) * Y).sum(), (s * Y).sum()
    np.testing.assert_allclose(f(X, Y)[2], (np.exp(s) * Y * q + p * Y) * np.cos(X))


def test_it_costs_nothing():
    apart = function([x, y, z], SUMS(x, y, z) * 2)
    plain = function([x, y, z], (x + y * z) * 2)
    assert apart.maker.executable.compiled.c_text == plain.maker.executable.compiled.c_text
    # What it is made of is shared and stabilised like anything else.
    soft = OpFromGraph([x], [1 + T.exp(x)])
    f = function([x], T.log(soft(x)))
    assert f(np.array([2400.0])).tolist() == [2400]
    nested = OpFromGraph([x], [SUMS(x, x, SUMS(x, x, x))])
    f = function([x], nested(x))
    assert not any(isinstance(node.op, OpFromGraph) for node in f.maker.fgraph.toposort())
    np.testing.assert_allclose(f(X), X + X * (X + X * X))


def test_before_it_runs_it_is_one_node():
    (node,) = toposort([SUMS(x, y, z)])
    assert str(node) == "sums{inline=False}(x, y, z)"
    f = function([x, y, z], SUMS(x, y, z), mode="FAST_COMPILE")
    assert [n.op for n in f.maker.fgraph.toposort()] == [SUMS]


def test_shared_variables_belong_to_it():
    w = shared(np.array([2.0, 3.0]), "w")
    op = OpFromGraph([x], [x * w])
    total = op(x).sum()
    f = function([x], [total, *T.grad(total, [x, w])])
    assert [v.tolist() for v in f(X)] == [8.0, [2, 3], [1, 2]]
    w.set_value(np.array([0.0, 1.0]))
    assert f(X)[0] == 2
    step = function([x], total, updates={w: w - T.grad(total, w)})
    step(X)
    assert w.get_value().tolist() == [-1, -1]


def test_derivatives_of_every_kind():
    verify_grad(SUMS, [X, Y, Z])
    verify_grad(lambda a, b: BOTH(a, b), [X, Y])
    cost = BOTH(x, x)[0].sum()
    plain = (T.exp(x) * x).sum()
    np.testing.assert_allclose(hessian(cost, x).eval({x: X}), hessian(plain, x).eval({x: X}))
    np.testing.assert_allclose(Rop(SUMS(x, x, z), x, y).eval({x: X, y: Y, z: Z}), Y * (1 + Z))
    np.testing.assert_allclose(jacobian(SUMS(x, x, x), x).eval({x: X}), np.diag(1 + 2 * X))


def test_in_a_scan_and_over_a_batch():
    a, b = T.dscalars("a", "b")
    inside = OpFromGraph([a, b], [T.tanh(a + 0.5 * b)])
    rows, _ = scan(lambda v, before: inside(v, before), x, T.constant(0.0))
    again, _ = scan(lambda v, before: T.tanh(v + 0.5 * before), x, T.constant(0.0))
    for mode in MODES:
        f = function([x], [rows, again, T.grad(rows[-1], x), T.grad(again[-1], x)], mode=mode)
        first, second, third, fourth = f(X)
        np.testing.assert_allclose(first, second)
        np.testing.assert_allclose(third, fourth)
    many = vectorize_graph(inside(a, b), {a: x})
    np.testing.assert_allclose(many.eval({x: X, b: 1.0}), np.tanh(X + 0.5))


# ------------------------------------------------------------------------------------ overrides


def _clipped(inputs, gradients):
    (a, b), (g,) = inputs, gradients
    return [T.clip(g * b, -1, 1), g * a * 10]


def test_the_gradient_as_a_function():
    op = OpFromGraph([x, y], [x * y], grad_overrides=_clipped)
    by_x, by_y = T.grad(op(x, y).sum(), [x, y])
    assert by_x.eval({x: X, y: Y}).tolist() == [1, -1]
    assert by_y.eval({x: X, y: Y}).tolist() == [10, 20]
    f = function([x, y], T.grad(T.log(op(x, y)).sum(), y))
    np.testing.assert_allclose(f(X, np.abs(Y)), 10 / np.abs(Y))


def test_the_gradient_with_the_outputs():
    op = OpFromGraph([x], [T.exp(x)], lop_overrides=lambda inputs, outputs, g: [g[0] * outputs[0] * 2])
    np.testing.assert_allclose(T.grad(op(x).sum(), x).eval({x: X}), 2 * np.exp(X))
    gradient = OpFromGraph([x, y, z], [y * z * 3])
    op = OpFromGraph([x], [T.exp(x)], lop_overrides=gradient)
    np.testing.assert_allclose(T.grad(op(x).sum(), x).eval({x: X}), 3 * np.exp(X))


def test_a_gradient_for_each_input():
    op = OpFromGraph([x, y, z], [x * y * z], grad_overrides=["default", lambda inputs, g: g[0] * 7, None])
    by_x, by_y, by_z = T.grad(op(x, y, z).sum(), [x, y, z])
    given = {x: X, y: Y, z: Z}
    np.testing.assert_allclose(by_x.eval(given), Y * Z)
    assert by_y.eval(given).tolist() == [7, 7] and by_z.eval(given).tolist() == [0, 0]
    op = OpFromGraph([x, y], [x * y], lop_overrides=[NullType("mine")(), DisconnectedType()()])
    with pytest.raises(NullTypeGradError, match="mine"):
        T.grad(op(x, y).sum(), x)
    with pytest.raises(theano.DisconnectedInputError):
        T.grad(op(x, y).sum(), y)


def test_shared_variables_have_their_own_gradient_beside_an_override():
    w = shared(2.0, "w")
    op = OpFromGraph([x], [x * w], grad_overrides=lambda inputs, g: [g[0] * 100])
    by_x, by_w = T.grad(op(x).sum(), [x, w])
    assert by_x.eval({x: X}).tolist() == [100, 100] and by_w.eval({x: X}) == 3


def test_what_overrides_may_get_wrong():
    few = OpFromGraph([x, y], [x * y], grad_overrides=lambda inputs, g: [g[0]])
    with pytest.raises(ValueError, match="the gradient override gave 1 gradients for 2 inputs"):
        T.grad(few(x, y).sum(), x)
    rank = OpFromGraph([x], [x * 2], grad_overrides=lambda inputs, g: [g[0].sum()], name="mine")
    with pytest.raises(ValueError, match=r"mine.*: the gradient override gave float64\[\] for the input x"):
        T.grad(rank(x).sum(), x)
    with pytest.raises(ValueError, match="2 gradient overrides were given for 1 inputs"):
        OpFromGraph([x], [x], grad_overrides=[None, None])
    with pytest.raises(ValueError, match="lop_overrides or grad_overrides, not both"):
        OpFromGraph([x], [x], grad_overrides=_clipped, lop_overrides=_clipped)
    with pytest.raises(NotImplementedError, match="has no rop_overrides"):
        OpFromGraph([x], [x], rop_overrides=_clipped)


# ------------------------------------------------------------------------------------ refusals


def test_what_is_refused():
    with pytest.raises(MissingInputError, match="the graph needs y, not among its inputs"):
        OpFromGraph([x], [x * y])
    with pytest.raises(TypeError, match="are variables, got 2"):
        OpFromGraph([2], [x])
    with pytest.raises(TypeError, match="neither constant nor shared, got w"):
        OpFromGraph([shared(1.0, "w")], [x])
    with pytest.raises(ValueError, match="an input is named twice"):
        OpFromGraph([x, x], [x])
    with pytest.raises(ValueError, match="Wrong number of inputs, .* expected 3, got 2"):
        SUMS(x, y)
    with pytest.raises(
        TypeError, match=r"the input x is float64\[\?\], it was given m, which is float64\[\?, \?\]"
    ):
        SUMS(T.dmatrix("m"), y, z)
    with pytest.raises(TypeError, match="it was given f, which is float32"):
        SUMS(T.fvector("f"), y, z)


def test_numbers_and_arrays_are_taken():
    assert SUMS([1.0, 2.0], np.array([1, 1]), x).eval({x: X}).tolist() == [2, 4]
    assert SUMS(TensorType("float64", (2,))("two"), y, z).ndim == 1
    assert OpFromGraph([x, y, z], [x + y * z]) != SUMS
    op = OpFromGraph([x], x)  # its input is its output
    assert op(x).eval({x: X}).tolist() == [1, 2]
    assert T.grad(op(x).sum(), x).eval({x: X}).tolist() == [1, 1]


_PROCESS = """
import pickle, sys
import numpy as np
from probgraph.engine.function import function
inputs, output = pickle.load(open(sys.argv[1], "rb"))
print(function(inputs, output)(np.array([1.0, 2.0])).tolist())
"""


def test_pickled_to_another_process(tmp_path):
    op = OpFromGraph([x], [x**2 * shared(3.0)])
    op(x).eval({x: X})
    T.grad(op(x).sum(), x)  # what was worked out in between is not pickled
    path = tmp_path / "graph.pkl"
    path.write_bytes(pickle.dumps(([x], op(x) + T.grad(op(x).sum(), x))))
    out = subprocess.run([sys.executable, "-c", _PROCESS, path], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[9.0, 24.0]"
