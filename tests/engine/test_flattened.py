"""What is costly in short inner loops becomes one loop over a block: the same values, fewer calls of scalar functions."""

from __future__ import annotations

import numpy as np
import pytest

from probgraph.engine import tensor as T
from probgraph.engine.autodiff import grad
from probgraph.engine.compiled import CompiledGraph
from probgraph.engine.flattened import split
from probgraph.engine.graph import FunctionGraph
from probgraph.engine.loops import Compute, For, Let, Literal, Load, Name, Store, walk_statements
from probgraph.engine.lower import lower
from probgraph.engine.ops.elementwise import exp
from probgraph.engine.rewrite import run_passes
from probgraph.engine.rules import DECOMPOSE, FAST_RUN
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.run_loops import run


def outputs(x, w):
    """Costly values that depend on the row's, on each other, and are stored, summed and read later."""
    share = T.softmax(x * w, axis=1)
    rows = T.logsumexp(x + w, axis=1)
    chain = T.log1p(T.exp(-T.sqr(x))) * w
    cost = T.sum(rows) + T.sum(T.log(share) * chain) + T.sum(T.max(x, axis=1))
    return [cost, grad(cost, x), grad(cost, w), chain, rows]


@pytest.mark.parametrize("columns", [1, 2, 3, 7, 8, 10, 33])
def test_values_and_gradients(columns):
    random = np.random.default_rng(columns)
    x, w = T.TensorType("float64", (130, columns))("x"), T.TensorType("float64", (columns,))("w")
    wanted = outputs(x, w)
    graph = FunctionGraph([x, w], run_passes(run_passes(wanted, FAST_RUN), DECOMPOSE))
    reference = numpy_function(graph)
    compiled, program = CompiledGraph(graph), lower(graph)
    for scale in (1.0, 300.0):
        at = [random.normal(size=(130, columns)) * scale, random.normal(size=columns)]
        expected = reference(at)
        for found in (compiled(at), run(program, at)):
            for a, b in zip(found, expected, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)


def test_the_long_loop_is_there_and_is_a_vector_loop():
    x = T.TensorType("float64", (130, 10))("x")
    rows = T.logsumexp(x, axis=1)
    program = lower(FunctionGraph([x], run_passes([T.sum(rows)], DECOMPOSE)))
    flat = [s for s in walk_statements(program.body) if isinstance(s, For) and s.variable.endswith("_flat")]
    assert len(flat) == 1 and flat[0].vector


def inner(*body, rounds=10):
    return For("k", Literal(rounds, "int64"), list(body))


def test_loops_that_gain_nothing_or_would_change_are_left():
    k, i = Name("k"), Name("i")
    x = Let("x", Load("in0", k, "float64"))
    costly = Let("y", Compute(exp.function, (Name("x", "float64"),), "float64"))
    stored = Store("out0", k, Name("y", "float64"))
    assert split(inner(x, costly, stored), i) is not None
    assert split(inner(x, costly, stored, rounds=16), i) is None  # whole vectors already
    assert split(inner(x, costly, stored, rounds=100_001), i) is None  # its arrays would not fit the stack
    assert split(inner(x, stored), i) is None  # nothing costly
    assert split(inner(x, costly, Store("in0", k, Name("y", "float64"))), i) is None  # read and written
    assert split(stored, i) is None
