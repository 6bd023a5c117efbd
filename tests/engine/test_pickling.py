"""Variables, graphs, shared variables and functions go through pickle, into other processes too."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest

import probgraph.engine as theano
import probgraph.engine.tensor as T
from probgraph.engine.function import function
from probgraph.engine.graph import Constant, FunctionGraph, graph_inputs, toposort
from probgraph.engine.inputs import In
from probgraph.engine.modes import Mode
from probgraph.engine.scanning import scan
from probgraph.engine.shared import shared

X = np.array([1.0, -2.0, 0.5])


def again(thing):
    return pickle.loads(pickle.dumps(thing))


def in_another_process(tmp_path, thing, code):
    """What a new process prints that has the thing as `it`."""
    path = tmp_path / "thing.pkl"
    path.write_bytes(pickle.dumps(thing))
    program = f"import pickle, sys, numpy as np\nit = pickle.load(open(sys.argv[1], 'rb'))\n{code}"
    out = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    return out.stdout.strip()


def test_roots_and_types():
    x = T.dmatrix("x")
    x.tag.test_value = np.ones((1, 2))
    y = again(x)
    assert y is not x and y.name == "x" and y.type == x.type and y.owner is None
    np.testing.assert_array_equal(y.tag.test_value, x.tag.test_value)
    assert again(T.TensorType("float32", (None, 3))) == T.TensorType("float32", (None, 3))
    c = again(T.constant(X, name="c"))
    assert isinstance(c, Constant) and c.name == "c" and not c.data.flags.writeable
    c.tag.note = "mine"
    assert again(c).tag.note == "mine"
    large = T.constant(np.arange(1000.0))
    assert again(large).signature != large.signature  # by identity: the array is another one
    assert str(again(T.constant(2))) == "TensorConstant{2}"


def test_graphs_keep_what_they_share():
    x = T.dvector("x")
    middle = T.exp(x)
    first, second, root = again([middle.sum(), middle * 2, x])
    assert first.owner.inputs[0] is second.owner.inputs[0]
    assert graph_inputs([first]) == [root]
    np.testing.assert_allclose(second.eval({root: X}), 2 * np.exp(X))
    np.testing.assert_allclose(T.grad(first, root).eval({root: X}), np.exp(X))
    trace = middle.owner.trace
    assert again(middle).owner.trace == trace  # errors still name the user's line


def test_every_op_of_a_graph_is_itself_again():
    x = T.dvector("x")
    m = T.outer(x, x) + T.eye(3) * 5
    y = T.softmax(T.solve_triangular(T.cholesky(m), x, lower=True))[::-1]
    z = T.set_subtensor(y[1:], T.logsumexp(m, axis=1)[np.array([0, 2])])
    root, twin = again((x, z))
    assert [n.op for n in toposort([twin])] == [n.op for n in toposort([z])]
    np.testing.assert_array_equal(twin.eval({root: X}), z.eval({x: X}))


def test_shared_variables():
    w = shared(X, "w")
    v = again(w)
    assert v.name == "w" and v.type == w.type and v.get_value().tolist() == X.tolist()
    v.set_value(np.zeros(2))
    assert w.get_value().tolist() == X.tolist()
    w.default_update = w + 1
    v = again(w)
    f = function([], v)
    f()
    np.testing.assert_array_equal(v.get_value(), X + 1)
    np.testing.assert_array_equal(w.get_value(), X)


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE", "DebugMode"])
def test_functions_keep_their_states(mode):
    x, w = T.dvector("x"), shared(10.0, "w")
    f = function(
        [x, In(T.dscalar("k"), value=2.0, name="k")],
        x.sum() * w,
        updates={w: w + 1},
        mode=mode,
        on_unused_input="ignore",
        name="mine",
    )
    f(X)
    g, v = again((f, w))
    assert g.name == "mine" and g.maker.mode == f.maker.mode
    assert g.get_shared() == [v]
    assert g(X) == f(X) == X.sum() * 11
    assert v.get_value() == w.get_value() == 12
    f(X)
    assert v.get_value() == 12 and w.get_value() == 13
    assert g(x=X, k=3.0) == X.sum() * 12


def test_two_functions_of_one_shared_variable_still_share_it():
    w = shared(0.0)
    up, read = again([function([], updates={w: w + 1}), function([], w)])
    up()
    up()
    assert read() == 2 and w.get_value() == 0


def test_a_function_with_a_mode_of_ones_own_and_a_dict_of_results():
    x = T.dvector("x")
    f = again(function([x], {"a": x + 1, "b": x.sum()}, mode=Mode("py", None)))
    found = f(X)
    assert found["b"] == X.sum() and found["a"].tolist() == (X + 1).tolist()


def test_functions_are_copied():
    w = shared(1.0)
    f = function([], w * 2, updates={w: w + 1})
    deep = copy.deepcopy(f)
    assert deep() == 2 and w.get_value() == 1
    assert copy.copy(f)() == [2] and w.get_value() == 2


CASES = {
    "gradient": lambda x, w: T.grad(T.log(1 + T.exp(x * w)).sum(), x),
    "loop": lambda x, w: scan(lambda v, before: T.tanh(v + w.sum() * before), x, T.constant(0.5))[0],
    "gradient of a loop": lambda x, w: T.grad(
        scan(lambda v, before: T.tanh(v + w.sum() * before), x, T.constant(0.5))[0].sum(), x
    ),
    "hessian": lambda x, w: theano.hessian((T.exp(x) * w).prod(), x),
    "assertion": lambda x, w: T.Assert("positive")(w, w > 0) * x,
    "barrier": lambda x, w: theano.gradient.grad_clip(x, -1, 1) * w,
    "linear algebra": lambda x, w: T.cholesky(T.outer(w, w) + T.diag(T.exp(x))),
}


def test_functions_in_another_process(tmp_path):
    x, w = T.dvector("x"), shared(np.array([0.5, 1.5, 2.0]), "w")
    functions = [function([x], case(x, w)) for case in CASES.values()]
    code = "print(repr([f(np.array([1.0, -2.0, 0.5])).tolist() for f in it]), {f.maker.executable.backend for f in it})"
    results, backends = in_another_process(tmp_path, functions, code).rsplit(" {", 1)
    assert backends == "'C'}"
    for got, f in zip(eval(results), functions, strict=True):
        np.testing.assert_array_equal(got, f(X))


def test_graphs_in_another_process(tmp_path):
    x, w = T.dvector("x"), shared(np.array([0.5, 1.5, 2.0]), "w")
    y = sum(case(x, w).sum() for case in CASES.values())
    code = "x, y, w = it\nw.set_value(w.get_value() * 2)\nprint(repr(float(y.eval({x: [1.0, -2.0, 0.5]}))))"
    got = in_another_process(tmp_path, (x, y, w), code)
    w.set_value(w.get_value() * 2)
    assert float(got) == pytest.approx(float(y.eval({x: X})), rel=1e-13)


def test_a_deep_graph_needs_no_recursion():
    y = x = T.dscalar("x")
    for _ in range(20_000):
        y = T.sin(y) + x
    graph = again(FunctionGraph([x], [y]))
    assert len(graph.toposort()) == 40_000
    f = again(function([x], y, mode=Mode("py", None)))
    assert f(0.1) == y.eval({x: 0.1})
