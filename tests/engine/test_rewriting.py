"""Rewrites in Theano's and PyTensor's form, and the editing of function graphs."""

from __future__ import annotations

import io

import numpy as np
import pytest

import probgraph.engine as theano
import probgraph.engine.tensor as T
from probgraph.engine import rules
from probgraph.engine.gof import local_optimizer
from probgraph.engine.gof.opt import OpSub, PatternSub, register_specialize
from probgraph.engine.graph.rewriting.basic import PatternNodeRewriter, node_rewriter, rewrite_graph
from probgraph.engine.misc import pkl_utils

x, y, v = T.dscalar("x"), T.dscalar("y"), T.dvector("v")


@pytest.fixture
def as_before():
    kept = [(p, list(p.rules)) for p in rules.FAST_RUN]
    yield
    for p, before in kept:
        p.rules = before
        p.add([])


def printed(variable):
    return theano.pp(variable).replace("TensorConstant{", "").replace("}", "")


def test_a_function_of_a_node_in_either_form():
    @node_rewriter([T.tanh])
    def mine(fgraph, node):
        return [T.sin(node.inputs[0])]

    @local_optimizer([T.tanh])
    def old(node):
        return [T.sin(node.inputs[0])] if node.inputs[0] is x else False

    assert printed(rewrite_graph(T.tanh(x) + 1, custom_rewrite=mine)) == "(sin(x) + 1)"
    assert printed(rewrite_graph(T.tanh(x) + T.tanh(y), custom_rewrite=old)) == "(sin(x) + tanh(y))"
    assert str(mine) == "mine" and mine.transform(None, T.tanh(x).owner)[0].owner.op == T.sin
    assert old.transform(None, T.tanh(y).owner) is None


def test_results_must_fit():
    @node_rewriter([T.tanh])
    def two(fgraph, node):
        return [x, y]

    with pytest.raises(ValueError, match="two gave 2 results for the 1 of"):
        rewrite_graph(T.tanh(x), custom_rewrite=two)
    with pytest.raises(TypeError, match="tracks is a list of operations"):
        node_rewriter(T.tanh)

    @node_rewriter([T.tanh])
    def wrong(fgraph, node):
        return v

    with pytest.raises(TypeError, match="the rule wrong would replace"):
        rewrite_graph(T.tanh(x), custom_rewrite=wrong)


def test_patterns():
    rule = PatternSub((T.log, (T.mul, "a", "b")), (T.add, (T.log, "a"), (T.log, "b")))
    assert printed(rewrite_graph(T.log(x * y), custom_rewrite=rule)) == "(log(x) + log(y))"
    twice = PatternNodeRewriter((T.add, "a", "a"), (T.mul, 2, "a"))
    assert printed(rewrite_graph([T.exp(x) + T.exp(x), x + y], custom_rewrite=twice)[0]) == "(2 * exp(x))"
    named = {"pattern": "a", "constraint": lambda found: found.name == "x"}
    only_x = PatternSub((T.tanh, named), "a")
    assert printed(rewrite_graph(T.tanh(x) + T.tanh(y), custom_rewrite=only_x)) == "(x + tanh(y))"
    with pytest.raises(ValueError, match=r"\['b'\] stand in the replacement"):
        PatternSub((T.tanh, "a"), "b")
    swap = OpSub(T.tanh, T.sin)
    assert printed(rewrite_graph(T.tanh(x), custom_rewrite=swap)) == "sin(x)"


def test_registered_rewrites_are_in_functions_from_then_on(as_before):
    before = theano.function([x], T.tanh(x), mode="FAST_RUN")

    @register_specialize("mine")
    @node_rewriter([T.tanh])
    def mine(fgraph, node):
        return [T.sin(node.inputs[0])]

    after = theano.function([x], T.tanh(x), mode="FAST_RUN")
    assert before(0.5) == pytest.approx(np.tanh(0.5)) and after(0.5) == pytest.approx(np.sin(0.5))


def test_graphs_are_edited():
    g = theano.FunctionGraph([x, y], [T.exp(x) + y, x * 2])
    twin = g.clone()
    g.replace(x, T.sin(y))
    assert [printed(o) for o in g.outputs] == ["(exp(sin(y)) + y)", "(sin(y) * 2)"]
    assert [n.op.name for n in g.toposort() if n.op == T.exp] == ["exp"] and len(g.apply_nodes) == 4
    g.replace_all([(y, x)], reason="why not")
    assert printed(g.outputs[1]) == "(sin(x) * 2)"
    assert [printed(o) for o in twin.outputs] == ["(exp(x) + y)", "(x * 2)"] and twin.inputs[0] is not x
    with pytest.raises(TypeError, match="cannot be replaced by v"):
        g.replace(x, v)
    with pytest.raises(theano.MissingInputError, match="w is needed, and is no input"):
        g.replace(x, T.dscalar("w"))


def test_objects_in_one_file():
    w = theano.shared(np.arange(6.0).reshape(2, 3), "w")
    f = theano.function([v], T.dot(w, v), updates={w: w + 1})
    f(np.ones(3))
    file = io.BytesIO()
    pkl_utils.dump((w, f, {"same": w}), file)
    w2, f2, rest = pkl_utils.load(file)
    np.testing.assert_array_equal(w2.get_value(), w.get_value())
    assert rest["same"] is w2
    np.testing.assert_array_equal(f2(np.ones(3)), f(np.ones(3)))


def test_methods_and_names_that_theano_has():
    m = T.dmatrix("m")
    a = np.array([[3.0, 1.0, 2.0], [5.0, 9.0, 4.0]])
    outputs = [m.ptp(1), m.repeat(2, 0), m.mT, m.conjugate(), T.take(m, [4, -7], 1, "wrap")]
    outputs += [T.take(m, [4, -7], 1, mode="clip"), m.var(1, corrected=True), m.matmul(m.T)]
    expected = [np.ptp(a, 1), a.repeat(2, 0), a.T, a, a.take([4, -7], 1, mode="wrap")]
    expected += [a.take([4, -7], 1, mode="clip"), a.var(1), a @ a.T]
    for got, wanted in zip(theano.function([m], outputs)(a), expected, strict=True):
        np.testing.assert_allclose(got, wanted)
    text = (m + 1).dprint(file="str")
    assert text.startswith("Elemwise{add,no_inplace}") and "m [id" in text
    assert str(T.constant(np.arange(30))) == "TensorConstant{[ 0  1  2 .. 27 28 29]}"
    with pytest.raises(T.AsTensorError, match="Cannot convert"):
        T.as_tensor_variable(object())
    with pytest.raises(ValueError, match="take: mode is 'raise', 'wrap' or 'clip', got 'around'"):
        T.take(m, 1, mode="around")
    assert theano.config.compiledir and isinstance(theano.config.cxx, str)
    with pytest.raises(
        AttributeError, match="config.cxx is set from outside, by the environment variable PROBGRAPH_CC"
    ):
        theano.config.cxx = ""
    f = theano.function([m], m.sum())
    assert f.fn([a]) == [24.0] and f.free() is None


def test_pytensors_import_lines():
    from probgraph.engine.graph.traversal import ancestors
    from probgraph.engine.tensor.basic import as_tensor_variable
    from probgraph.engine.tensor.math import sigmoid
    from probgraph.engine.tensor.subtensor import set_subtensor

    assert set_subtensor is T.set_subtensor and sigmoid is T.sigmoid
    assert as_tensor_variable is T.as_tensor_variable and x in set(ancestors([x + 1]))


# ------------------------------------------------------------------------------------ optdb and features


def test_optdb_registers_and_finds_passes(as_before):
    from probgraph.engine.compile import optdb

    STABILIZE, SIMPLIFY = rules.FAST_RUN
    double = theano.gof.PatternSub((T.exp, (T.neg, "x")), (T.cos, "x"))
    before = len(optdb["specialize"].rules)
    optdb.register("silly", double, "specialize", "fast_run", position=3)
    assert len(optdb["simplify"].rules) == before + 1 and theano.gof.optdb is optdb
    assert optdb.query("fast_run") == [STABILIZE, SIMPLIFY] and optdb.query("canonicalize") == [STABILIZE]
    with pytest.raises(KeyError, match="there is no pass 'inplace'; those are canonicalize, specialize"):
        optdb["inplace"]
    with pytest.raises(TypeError, match="optdb: odd must be made by node_rewriter, PatternSub or OpSub"):
        optdb.register("odd", 3)


def test_features_are_told_of_changes_and_history_takes_them_back():
    from probgraph.engine.gof.toolbox import History, ReplaceValidate

    x, y = T.dscalar("x"), T.dscalar("y")
    fgraph = theano.gof.FunctionGraph([x, y], [T.exp(x) * x])
    seen = []

    class Watch:
        def on_change_input(self, fgraph, node, position, old, new, reason):
            seen.append((str(node.op), position, old.name, new.name, reason))

    watch = Watch()
    for feature in (watch, History(), ReplaceValidate()):
        fgraph.attach_feature(feature)
    mark = fgraph.checkpoint()
    fgraph.replace_validate(x, y, reason="why not")
    assert {entry[1:] for entry in seen} == {(0, "x", "y", "why not"), (1, "x", "y", "why not")}
    assert fgraph.outputs[0].eval({y: 0.0}) == 0.0 and y in fgraph.variables
    fgraph.revert(mark)
    assert fgraph.outputs[0].eval({x: 1.0}) == pytest.approx(np.e)
    fgraph.remove_feature(watch)
    fgraph.replace(x, y)
    assert len(seen) == 2
