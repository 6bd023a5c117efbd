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
from probgraph.engine.scanning import scan


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


@pytest.mark.parametrize(("rows", "first", "second"), [(100, 3, 3), (1, 3, 3), (5, 2, 7), (70, 1, 5)])
def test_two_short_loops_are_one(rows, first, second):
    """Costly values of a small matrix for each row: all of a block's in one loop."""
    random = np.random.default_rng(3)
    x, w = T.TensorType("float64", (rows, first))("x"), T.TensorType("float64", (first, second))("w")
    sums = T.softmax(x[:, :, None] + w, axis=1)
    outputs = [(sums * x[:, :, None]).sum(), grad((sums * x[:, :, None]).sum(), w)]
    graph = FunctionGraph([x, w], run_passes(run_passes(outputs, FAST_RUN), DECOMPOSE))
    at = [random.normal(size=(rows, first)), random.normal(size=(first, second))]
    compiled = CompiledGraph(graph)
    expected = numpy_function(graph)(at)
    for found in (compiled(at), run(compiled.program, at)):
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)
    flat = [
        s
        for s in walk_statements(compiled.program.body)
        if isinstance(s, For) and s.variable.endswith("_flat")
    ]
    assert (rows < 8 or first == 1) or (flat and all(s.vector for s in flat))


def test_a_few_rows_of_a_small_matrix_in_a_loop():
    """A step of a hidden Markov model: nine exponentials side by side, though there are but three rows."""
    a, start = T.TensorType("float64", (3, 3))("a"), T.TensorType("float64", (3,))("start")
    states, _ = scan(lambda h: T.logsumexp(h[:, None] + a, axis=0), outputs_info=start, n_steps=20)
    graph = FunctionGraph([a, start], run_passes(run_passes([states[-1]], FAST_RUN), DECOMPOSE))
    at = [np.random.default_rng(4).normal(size=(3, 3)), np.array([0.1, -2.0, -np.inf])]
    compiled = CompiledGraph(graph)
    expected = numpy_function(graph)(at)[0]
    for found in (compiled(at), run(compiled.program, at)):
        np.testing.assert_allclose(found[0], expected, rtol=1e-12)
    flat = [
        s
        for s in walk_statements(compiled.program.body)
        if isinstance(s, For) and s.variable.endswith("_flat")
    ]
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
