"""What nobody asks of a loop is left out, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

import probgraph.engine as theano
import probgraph.engine.tensor as T
from probgraph.engine.graph import FunctionGraph
from probgraph.engine.loop_op import Scan
from probgraph.engine.needed import only_needed
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.scanning import scan, until

x, y, w = T.dvector("x"), T.dvector("y"), T.dscalar("w")
X, Y = np.array([0.3, -1.0, 2.0]), np.array([1.0, 0.5, -0.2])


def trimmed(*outputs):
    """The loops of the graph after leaving out; the values are the same as before."""
    needed = only_needed(outputs)
    values = [
        numpy_function(FunctionGraph([x, y, w], list(these)))([X, Y, np.array(0.7)])
        for these in (outputs, needed)
    ]
    for before, after in zip(*values, strict=True):
        np.testing.assert_array_equal(before, after)
    assert all(a is b for a, b in zip(only_needed(needed), needed, strict=True))
    return [node.op for node in FunctionGraph([x, y, w], needed).toposort() if isinstance(node.op, Scan)]


def test_results_states_sequences_and_fixed_inputs():
    def step(x, y, h, g, k):
        return [h * x + g, g * 0.5, k * y * w, x + y, k]

    outputs, _ = scan(step, [x, y], [1.0, 2.0, 3.0, None, None])
    h, g, k, both, before = outputs
    (loop,) = trimmed(h)
    assert (len(loop.taps), loop.sequences, len(loop.step_fixed), len(loop.results)) == (2, 1, 0, 2)
    (loop,) = trimmed(g)
    assert (len(loop.taps), loop.sequences, len(loop.results)) == (1, 0, 1)
    (loop,) = trimmed(both)
    assert (len(loop.taps), loop.sequences, len(loop.results)) == (0, 2, 1)
    (loop,) = trimmed(before, k)
    assert (len(loop.taps), loop.sequences, len(loop.step_fixed), len(loop.results)) == (1, 1, 1, 2)
    (loop,) = trimmed(*outputs)
    assert loop is h.owner.op


def test_what_ends_a_loop_stays():
    (h, g), _ = scan(lambda x, h, g: ([h + x, g * 2], until(g > 5)), x, [0.0, w])
    (loop,) = trimmed(h)
    assert loop.until
    assert len(loop.taps) == 2
    (loop,) = trimmed(g)
    assert len(loop.taps) == 1


def test_in_steps_and_before_loops():
    def row(x):
        (h, g), _ = scan(lambda y, h, g: [h + y, g * y], y, [x, x])
        return h[-1], g[-1]

    (h, _), _ = scan(row, x)
    outer, *_ = trimmed(h)
    (inner,) = [node.op for node in outer.graph.toposort() if isinstance(node.op, Scan)]
    assert len(inner.taps) == 1
    # A loop that only fed what is left out is gone itself.
    feeding, _ = scan(lambda y, h: h * y, y, 1.0)
    (first, _), _ = scan(lambda x, f: [x * 2, f * 3], [x, feeding], n_steps=3)
    assert len(trimmed(first)) == 1


@pytest.mark.parametrize("mode", ["FAST_COMPILE", "FAST_RUN"])
def test_functions_leave_it_out(mode):
    (h, _), _ = scan(lambda x, h, g: [h + x, T.exp(g)], x, [0.0, 1000.0])
    f = theano.function([x], h, mode=mode)
    assert f(X).tolist() == np.cumsum(X).tolist()
    loops = [n.op for n in f.maker.executable.graph.toposort() if isinstance(n.op, Scan)]
    assert [len(op.taps) for op in loops] == [1]
    assert "leaving out" in str(f.explain())
