"""Variables, walking, interning and replacing: nothing that was built ever changes."""

from __future__ import annotations

import numpy as np
import pytest

import probgraph.engine.operators  # noqa: F401
from probgraph.engine.graph import (
    Apply,
    Constant,
    FunctionGraph,
    Interner,
    MissingInputError,
    Variable,
    ancestors,
    clone,
    graph_inputs,
    graph_replace,
    rebuild,
    tensor_constant,
    toposort,
)
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import linalg, reduce, shape
from probgraph.engine.shared import shared
from probgraph.engine.types import TensorType

SCALAR = TensorType("float64", ())
X, Y = SCALAR("x"), SCALAR("y")
V = TensorType("float64", (None,))("v")


def test_a_variable_says_what_it_is():
    assert (V.dtype, V.ndim, V.broadcastable, str(V)) == ("float64", 1, (False,), "v")
    assert str(SCALAR()) == "<TensorType(float64, scalar)>"
    assert [node.op for node in (X + Y).get_parents()] == [ew.add] and X.get_parents() == []
    assert V.clone().type == V.type and V.clone() is not V
    V.tag.note = 3
    assert V.tag.note == 3
    with pytest.raises(TypeError, match="a variable's name is a str, got 3"):
        Variable(SCALAR, 3)


def test_equality_is_identity_and_truth_is_refused_to_comparisons():
    assert (X == Y) is False and (X == X) is True
    assert bool(X)
    with pytest.raises(TypeError, match="Variables do not support boolean operations"):
        bool(X > Y)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2, "2"),
        (2.0, "2.0"),
        ([1, 2, 3], "[1 2 3]"),
        ([1.0, 1.0, 1.0], "(3,) of 1.0"),
        (True, "True"),
        (np.float32(0.5), "0.5"),
    ],
)
def test_constants_print_their_value(value, text):
    assert str(as_variable(value)) == f"TensorConstant{{{text}}}"


def test_a_literal_prints_as_written_beside_a_float():
    assert str((X * 2).owner.inputs[1]) == "TensorConstant{2}"
    assert str((X * 2.0).owner.inputs[1]) == "TensorConstant{2.0}"
    assert (X * 2).owner.inputs[1].dtype == "float64"


def test_a_constant_owns_its_value():
    array = np.zeros(3)
    c = tensor_constant(array)
    array[0] = 5
    assert c.data[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        c.data[0] = 1


def test_constants_are_one_by_value_and_text():
    i = Interner()
    assert i.constant(tensor_constant(2.0)) is i.constant(tensor_constant(2.0))
    assert i.constant(tensor_constant(2.0)) is not i.constant(tensor_constant(2))
    assert i.constant(tensor_constant(0.0)) is not i.constant(tensor_constant(-0.0))
    assert i.constant(tensor_constant(2.0, literal=2)) is not i.constant(tensor_constant(2.0))
    nan = i.constant(tensor_constant(np.nan))
    assert i.constant(tensor_constant(np.nan)) is nan


def test_toposort_puts_what_is_read_first():
    y = ew.exp(X * Y) + X * Y
    order = toposort([y])
    place = {node: n for n, node in enumerate(order)}
    for node in order:
        for v in node.inputs:
            assert v.owner is None or place[v.owner] < place[node]
    assert toposort([X]) == []
    middle = y.owner.inputs[0]
    assert middle.owner not in toposort([y], stop=[middle])


def test_ancestors_and_roots():
    y = ew.exp(X) * 2 + Y
    found = list(ancestors([y]))
    assert found[0] is y and len(found) == len(set(found))
    roots = graph_inputs([y])
    assert [v for v in roots if not isinstance(v, Constant)] == [X, Y]
    middle = y.owner.inputs[0]
    assert graph_inputs([y], stop=[middle]) == [middle, Y]


def test_rebuild_interns():
    y = (X + Y) * (X + Y)
    assert y.owner.inputs[0] is not y.owner.inputs[1]
    (new,) = rebuild([y])
    assert new.owner.inputs[0] is new.owner.inputs[1]
    assert y.owner.inputs[0] is not y.owner.inputs[1]


def test_rebuild_keeps_what_it_need_not_touch():
    y = ew.exp(X) + Y
    assert rebuild([y])[0] is y
    kept = ew.exp(X)
    y = kept + Y
    (new,) = rebuild([y], {Y: X})
    assert new.owner.inputs[0] is kept


def test_each_may_stand_in_for_a_node():
    y = ew.exp(ew.sin(X))
    (new,) = rebuild([y], each=lambda node: node.inputs if node.op is ew.sin else None)
    assert new.owner.inputs[0] is X


def test_names_and_lines_survive():
    y = ew.exp(X)
    y.name = "y"
    (new,) = rebuild([y], {X: Y})
    assert new.name == "y" and new.owner.trace == y.owner.trace
    assert y.owner.trace[0] == __file__


def test_a_rebuilt_node_knows_what_the_new_inputs_know():
    y = V * 2
    known = TensorType("float64", (3,))("known")
    assert rebuild([y], {V: known})[0].type.shape == (3,)
    other = TensorType("float64", (None,))("other")
    assert rebuild([y], {V: other})[0].type is y.type
    n = as_variable(2)
    filled = shape.alloc(X, n)
    assert rebuild([filled], {filled.owner.inputs[1]: as_variable(4)})[0].type.shape == (4,)


def test_clone_replaces_and_checks_types():
    y = ew.exp(X) + X
    new = clone(y, {X: Y})
    assert new.eval({Y: 0.0}) == 1.0
    assert clone([y], [(X, Y)])[0].eval({Y: 0.0}) == 1.0
    with pytest.raises(
        TypeError, match=r"Cannot convert Type TensorType\(float64, vector\) \(of Variable v\)"
    ):
        clone(y, {X: V})
    with pytest.raises(TypeError, match="replaces variables by variables"):
        clone(y, {X: 3})


def test_clone_with_other_types_and_roots_of_its_own():
    y = X + ew.exp(X)
    wide = clone(y, {X: V}, strict=False)
    assert wide.ndim == 1 and wide.eval({V: np.zeros(2)}).tolist() == [1, 1]
    w = shared(3.0, "w")
    for own in (clone(y * w, share_inputs=False), clone(y * w, copy_inputs=False)):
        roots = [v for v in graph_inputs([own]) if not isinstance(v, Constant)]
        assert X not in roots and w not in roots
        root, twin = sorted(roots, key=lambda v: v.name or "", reverse=True)
        assert root.name == X.name and root.type == X.type and twin.container is w.container
        assert own.eval({root: 0.0}) == 3
    same = clone(y * w)
    assert w in graph_inputs([same]) and X in graph_inputs([same])


def test_graph_replace():
    y = X + ew.exp(X)
    assert graph_replace(y, {X: V}).ndim == 1
    assert graph_replace([y], [(X, Y)])[0].eval({Y: 0.0}) == 1
    with pytest.raises(ValueError, match="Some replacements were not used: y is not part of the graph"):
        graph_replace(y, {Y: X})
    assert graph_replace(y, {Y: X}, strict=False).eval({X: 0.0}) == 1


def test_an_application_may_be_told_its_results_as_variables():
    node = Apply(ew.exp, [X], [TensorType("float64", ())("named")])
    assert node.out.name == "named" and node.out.owner is node and node.out.type == X.type


def test_function_graph():
    y = ew.exp(X) * X
    graph = FunctionGraph([X], [y])
    assert graph.toposort() == toposort([y])
    assert graph.variables == {X, y, y.owner.inputs[0]}
    assert {position for _, position in graph.clients[X]} == {0, 1}
    assert graph.clients[y] == [("output", 0)]


def test_eval_by_name_and_what_is_missing():
    y = X * Y
    assert y.eval(x=2.0, y=3.0) == 6.0
    with pytest.raises(MissingInputError, match="needs the value of y"):
        y.eval(x=2.0)
    with pytest.raises(MissingInputError, match="z is not a root"):
        y.eval(z=1.0)


def test_an_error_at_the_call_says_which_operation_failed():
    w = TensorType("float64", (None,))("w")
    with pytest.raises(ValueError) as caught:
        (V + w).eval({V: np.zeros(2), w: np.zeros(3)})
    text = str(caught.value) + "\n".join(caught.value.__notes__)
    assert "(v, w)" in text and "(2,)" in text and __file__ in text


def test_equal_operations_are_equal_and_others_are_not():
    assert reduce.Reduce("sum", (0,), "float64", "float64") == reduce.Reduce(
        "sum", (0,), "float64", "float64"
    )
    ops = [
        reduce.Reduce("sum", (0,), "float64", "float64"),
        reduce.Reduce("sum", (1,), "float64", "float64"),
        reduce.Reduce("prod", (0,), "float64", "float64"),
        reduce.LogSumExp((0,)),
        reduce.Softmax((0,)),
        shape.DimShuffle((0,)),
        shape.Shape(),
        shape.Alloc(),
        shape.Reshape(),
        linalg.Dot(),
        linalg.Cholesky(),
        linalg.SolveTriangular(True, False, False),
        linalg.SolveTriangular(False, False, False),
        *ew.TABLE.values(),
    ]
    assert len(set(ops)) == len(ops)
    assert not any(a == b for i, a in enumerate(ops) for b in ops[:i])


def test_a_deep_graph_is_walked_without_recursion():
    y = X
    for _ in range(30_000):
        y = ew.sin(y)
    assert len(toposort([y])) == 30_000
    assert sum(1 for _ in ancestors([y])) == 30_001
    assert rebuild([y], {X: Y})[0].eval({Y: 1.0}) == y.eval({X: 1.0})
