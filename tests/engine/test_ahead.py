"""What steps compute of their sequences alone is computed before the loop, where it is costly; no value changes."""

from __future__ import annotations

import numpy as np
import pytest

import probgraph.engine.tensor as T
from probgraph.engine import function, grad
from probgraph.engine.ahead import computed_ahead
from probgraph.engine.graph import FunctionGraph
from probgraph.engine.loop_op import Scan
from probgraph.engine.ops.elementwise import Elementwise
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.scanning import scan, until

x, w, m = T.dvector("x"), T.dscalar("w"), T.TensorType("float64", (4,))("m")
GIVEN = [np.array([0.3, -1.0, 2.0]), np.array(0.7), np.array([0.1, 0.2, -0.3, 0.9])]


def steps(*outputs):
    """The operations of each loop's step, but for those on shapes; the values are the same as before."""
    ahead = computed_ahead(outputs)
    before, after = (numpy_function(FunctionGraph([x, w, m], list(v)))(GIVEN) for v in (outputs, ahead))
    for a, b in zip(before, after, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-14)
    assert all(a is b for a, b in zip(computed_ahead(ahead), ahead, strict=True))
    loops = [n.op for n in FunctionGraph([x, w, m], ahead).toposort() if isinstance(n.op, Scan)]
    return [[n.op.name for n in op.graph.toposort() if isinstance(n.op, Elementwise)] for op in loops]


@pytest.mark.parametrize(
    ("step", "left"),
    [
        (lambda x, h: h * 0.5 + T.exp(x), ["mul", "add"]),
        (lambda x, h: h * 0.5 + T.exp(x * w) * T.sqr(x), ["mul", "add"]),  # what is fixed may be in it
        (lambda x, h: T.exp(h) * 0.1 + x, ["exp", "mul", "add"]),
        (lambda x, h: T.tanh(h + x), ["add", "tanh"]),
        (lambda x, h: h * T.sqr(x), ["sqr", "mul"]),  # not worth an array
        (lambda x, h: h + T.exp(x * m).sum(), ["add"]),
        (lambda x, h: h + T.logsumexp(x + m), ["add"]),
    ],
)
def test_what_is_taken_out(step, left):
    states, _ = scan(step, x, T.constant(1.0))
    ((found),) = steps(states)
    assert sorted(found) == sorted(left)


def test_small_results_are_handed_over_rather_than_large_ones():
    states, _ = scan(lambda x, h: h + T.exp(x) * m, x, T.zeros(4))
    ((found),) = steps(states)
    assert sorted(found) == ["add", "mul"]


def test_loops_that_may_end_early_keep_it():
    states, _ = scan(lambda x, h: (h + T.exp(x), until(h > 1)), x, T.constant(0.0))
    assert "exp" in steps(states)[0]


def test_gradients_through_loops():
    def step(x, h):
        return T.log(T.exp(h * m).sum() + T.exp(x))

    cost = scan(step, x, w)[0][-1]
    in_c = function([x, w, m], [cost, *grad(cost, [x, w, m])])(*GIVEN)
    as_given = function([x, w, m], [cost, *grad(cost, [x, w, m])], mode="FAST_COMPILE")(*GIVEN)
    for a, b in zip(in_c, as_given, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_no_steps():
    states, _ = scan(lambda x, h: h + T.exp(x), x, w)
    total = function([x, w], states.sum() + grad(states.sum(), w))
    assert total(np.zeros(0), 2.0) == 0.0
