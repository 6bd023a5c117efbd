"""Reading graphs: what is needed, in what order, what is the same."""

from __future__ import annotations

import numpy as np
import pytest

import probgraph.engine as theano
import probgraph.engine.tensor as T

x, y, z = T.dscalars("x", "y", "z")
w = theano.shared(1.0, name="w")


def test_roots():
    c = (x + y) * w * 2.0
    assert theano.graph.explicit_graph_inputs(c) == [x, y]
    assert theano.graph.explicit_graph_inputs([c, z]) == [x, y, z]
    roots = theano.gof.graph.inputs([c])
    assert {x, y, w} < set(roots) and len(roots) == 4


def test_order_and_what_lies_between():
    a = x + y
    b = T.exp(a)
    nodes = theano.gof.graph.io_toposort([x, y], [b])
    assert nodes == [a.owner, b.owner]
    assert theano.gof.graph.io_toposort([a], [b]) == [b.owner]
    assert theano.gof.graph.list_of_nodes([x, y], [b]) == nodes
    assert set(theano.gof.graph.variables([x, y], [b])) == {x, y, a, b}
    assert theano.gof.graph.ops([x, y], [b]) == [a.owner.op, b.owner.op]
    assert set(theano.gof.graph.ancestors([b])) == {x, y, a, b}


def test_the_same_graph():
    same = theano.graph.is_same_graph
    assert same(T.exp(x + y) * 2, T.exp(x + y) * 2)
    assert not same(T.exp(x + y) * 2, T.exp(x + y) * 3)
    assert not same(x + y, y + x) and not same(x + y, x * y) and not same(x, x + y)
    assert not same(x + z, x + y) and same(x + z, x + y, givens={z: y}) and same(x + z, x + y, [(z, y)])
    chain_1, chain_2 = x, x
    for _ in range(20_000):
        chain_1, chain_2 = T.sin(chain_1) + chain_1, T.sin(chain_2) + chain_2
    assert same(chain_1, chain_2)


def test_dependence():
    a = x + y
    b = T.exp(a)
    other = T.sin(z)
    assert theano.graph.apply_depends_on(b.owner, a.owner)
    assert not theano.graph.apply_depends_on(a.owner, b.owner)
    assert theano.graph.apply_depends_on(b.owner, [other.owner, b.owner])
    assert not theano.graph.apply_depends_on(b.owner, [other.owner])
    assert theano.graph.variable_depends_on(b, [z, x]) and not theano.graph.variable_depends_on(b, z)


def test_truncated_inputs():
    a = x + y
    b = T.exp(z)
    c = a * b
    assert set(theano.graph.truncated_graph_inputs([c])) == {x, y, z}
    assert set(theano.graph.truncated_graph_inputs([c], [a])) == {a, b}
    assert set(theano.graph.truncated_graph_inputs([c], [x])) == {x, y, b}
    assert set(theano.graph.truncated_graph_inputs([c], [a, x])) == {a, x, y, b}


def test_walks():
    a = (x + y) * z
    inputs = lambda v: v.owner.inputs if v.owner else None
    assert list(theano.graph.walk([a], inputs)) == [a, a.owner.inputs[0], z, x, y]
    assert set(theano.graph.walk([a], inputs, bfs=False)) == {a, a.owner.inputs[0], x, y, z}


def test_copies():
    a = T.exp(x) * w
    (root,), (copy,) = theano.gof.graph.clone([x], [a])
    assert root is not x and copy.eval({root: 0.5}) == a.eval({x: 0.5})
    (root,), (copy,) = theano.gof.graph.clone([x], [a], copy_inputs=False)
    assert root is x and copy.eval({x: 0.5}) == a.eval({x: 0.5})


def test_replacing_in_the_words_of_pytensor():
    for replace in (
        theano.graph.graph_replace,
        theano.graph.clone_replace,
        theano.graph.replace.graph_replace,
    ):
        assert replace(x + y, {x: w}).eval({y: 2.0}) == 3.0
    batch = theano.graph.vectorize_graph(x * y, {x: T.dvector("xs")})
    assert batch.ndim == 1


def test_values_by_name():
    assert (x + y).eval({"x": 1.0, "y": 2.0}) == 3.0 == (x + y).eval({x: 1.0, "y": 2.0})
    with pytest.raises(theano.MissingInputError, match="q is not a root.*x, y"):
        (x + y).eval({"q": 1.0, "x": 1.0})
    np.testing.assert_array_equal((T.dvector("v") * 2).eval({"v": [1.0, 2.0]}), [2.0, 4.0])
