"""The driver: what matches, what types and names become, that it ends, and that no size is too large."""

from __future__ import annotations

import numpy as np
import pytest

from probgraph.engine import rules
from probgraph.engine.autodiff import grad
from probgraph.engine.graph import garbage_kept, tensor_constant, toposort
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import reduce, shape
from probgraph.engine.rewrite import OpRule, Pass, Rule, run_passes, uniform, wildcard
from probgraph.engine.types import TensorType

x, y = wildcard("x"), wildcard("y")
c = wildcard("c", constant=True)
A, B = TensorType("float64", (None,))("a"), TensorType("float64", (None,))("b")
S = TensorType("float64", ())("s")


def after(v, *rewrites, log=None):
    return run_passes([v], [Pass("test", list(rewrites))], log)[0]


SOFTPLUS = Rule(ew.log(1 + ew.exp(x)), ew.softplus(x))
ONCE = Rule(x * 1, x, over="numbers")


@pytest.mark.parametrize(
    "v",
    [
        ew.log(1 + ew.exp(A)),
        ew.log(ew.exp(A) + 1.0),
        ew.log(np.float32(1) + ew.exp(A)),
        ew.log(np.ones(1) + ew.exp(A)),
        ew.log(ew.ones_like(A) + ew.exp(A)),
        ew.log(shape.alloc(1.0, 1) + ew.exp(A)),
    ],
)
def test_numbers_match_by_value_and_commutative_operations_in_both_orders(v):
    assert after(v, SOFTPLUS).owner.op is ew.softplus


@pytest.mark.parametrize(
    "v", [ew.log(2 + ew.exp(A)), ew.log(1 - ew.exp(A)), ew.log(1 + ew.exp2(A)), ew.exp(A)]
)
def test_what_differs_does_not_match(v):
    log = []
    assert after(v, SOFTPLUS, log=log) is v
    assert log == []


def test_repeated_wildcards_are_one_variable_after_interning():
    twice = Rule(x * x, ew.sqr(x))
    assert after(ew.exp(A) * ew.exp(A), twice).owner.op is ew.sqr
    assert after(ew.exp(A) * ew.exp(B), twice).owner.op is ew.mul


def test_constant_wildcards_and_where():
    rule = Rule(c * x, -x, where=lambda c, x: c.data < 0)
    assert after(-3.0 * A, rule).owner.op is ew.neg
    assert after(3.0 * A, rule).owner.op is ew.mul
    assert after(B * A, rule).owner.op is ew.mul
    assert after(np.array([-1.0, -2.0]) * A, rule).owner.op is ew.mul


def test_floats_only_unless_said_otherwise():
    z = TensorType("complex128", (None,))("z")
    assert after(ew.log(1 + ew.exp(z)), SOFTPLUS).owner.op is ew.log
    n = TensorType("int8", (None,))("n")
    assert after(n * np.int64(1), ONCE).dtype == "int64"


def test_literals_are_weak():
    f = TensorType("float32", (None,))("f")
    doubled = after(ew.exp(f), Rule(ew.exp(x), 2.5 * x))
    assert doubled.dtype == "float32" and doubled.owner.inputs[0].dtype == "float32"


@pytest.mark.parametrize(
    ("v", "given"),
    [
        (S * np.ones((2, 3)), {S: 2.0}),
        (A * np.ones((2, 1)), {A: np.arange(3.0)}),
        (TensorType("float32", (3,))("g") * np.ones(3), None),
        (TensorType("float64", (1, 3))("h") * np.ones((2, 1)), None),
    ],
)
def test_the_driver_restores_dtype_and_shape(v, given):
    new = after(v, ONCE)
    assert new.type == v.type
    assert ew.mul not in [n.op for n in toposort([new])]
    given = given or {v.owner.inputs[0]: np.ones(v.owner.inputs[0].type.shape, v.owner.inputs[0].dtype)}
    np.testing.assert_array_equal(new.eval(given), v.eval(given))


def test_the_precision_is_that_of_the_replaced():
    f = TensorType("float32", ())("f")
    v = ew.log(tensor_constant(1.0, "float64") + ew.exp(f))
    new = after(v, SOFTPLUS)
    assert new.dtype == "float64"
    assert new.eval({f: np.float32(0.1)}) == pytest.approx(
        np.log1p(np.exp(np.float64(np.float32(0.1)))), rel=1e-15
    )


def test_a_function_that_changes_the_type_is_refused():
    bad = OpRule("sum → its argument", reduce.Reduce, lambda node: node.inputs[0])
    with pytest.raises(
        TypeError, match=r"the rule sum → its argument would replace TensorType\(float64, scalar\)"
    ):
        after(A.sum(), bad)


def test_a_result_is_rewritten_before_its_reader():
    inner = Rule(ew.sin(x), ew.exp(x))
    log = []
    v = after(ew.log(1 + ew.sin(A)), SOFTPLUS, inner, log=log)
    assert v.owner.op is ew.softplus
    assert log == [("test", "sin(x) → exp(x)", 1), ("test", "log(1 + exp(x)) → softplus(x)", 1)]


def test_names_are_kept_and_the_old_graph_is_left_alone():
    v = ew.log(1 + ew.exp(A))
    v.name = "loss"
    before = [(n.op, n.inputs) for n in toposort([v])]
    new = after(v, SOFTPLUS)
    assert new.name == "loss"
    assert [(n.op, n.inputs) for n in toposort([v])] == before
    same = A * 1
    same.name = "other"
    assert after(same, ONCE) is A and A.name == "a"


def test_the_users_line_is_kept():
    v = ew.log(1 + ew.exp(A))
    assert after(v, SOFTPLUS).owner.trace == v.owner.trace


def test_equal_applications_become_one():
    new = after(ew.exp(A) + ew.exp(A), ONCE)
    assert new.owner.inputs[0] is new.owner.inputs[1]


def test_rules_that_undo_each_other_are_named():
    there, back = Rule(ew.exp(x), ew.sin(x)), Rule(ew.sin(x), ew.exp(x))
    with pytest.raises(RuntimeError, match=r"'test' does not end.*exp\(x\) → sin\(x\)"):
        after(ew.exp(A), there, back)
    with pytest.raises(RuntimeError, match=r"exp\(x\) → exp\(x \+ 1\)"):
        after(ew.exp(A), Rule(ew.exp(x), ew.exp(x + 1)))
    with pytest.raises(RuntimeError, match="wrap"):
        after(ew.exp(A), OpRule("wrap", ew.exp, lambda node: node.out + 0.0))


def test_outputs_may_be_roots_constants_and_repeated():
    constant = tensor_constant(2.0)
    v = A * 1
    new = run_passes([A, constant, v, v], [Pass("test", [ONCE])])
    assert new[0] is A and new[1] is constant and new[2] is A and new[3] is A


def test_a_pattern_is_an_operation():
    with pytest.raises(ValueError, match="operation on wildcards"):
        Rule(x, x)


def test_uniform():
    assert uniform(ew.ones_like(A)).data == 1
    assert uniform(shape.alloc(2.0, 3).dimshuffle("x", 0)).data == 2
    assert uniform(tensor_constant([1.0, 2.0])) is None
    assert uniform(tensor_constant(np.zeros((0,)))) is None
    assert uniform(A) is None


def test_a_hundred_thousand_nodes_need_no_recursion():
    """Built, differentiated and rewritten; `benchmarks.graph_size` says how long that takes, and how it grows."""
    n = 100_000
    v = S
    with garbage_kept():
        for _ in range(n // 5):
            v = ew.sin(v * 1.5 + S) * 1 + 0.25
        assert len(toposort([v])) == n
        new = run_passes(run_passes([v, grad(v, S)], rules.FAST_RUN), rules.DECOMPOSE)
    assert len(toposort(new)) > n
