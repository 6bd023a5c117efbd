"""Small matrices of data read column by column within blocks of rows: the same values, and only where it is right."""

from __future__ import annotations

import numpy as np
import pytest

from probgraph.engine import loops
from probgraph.engine import tensor as T
from probgraph.engine.autodiff import grad
from probgraph.engine.compiled import CompiledGraph
from probgraph.engine.graph import FunctionGraph
from probgraph.engine.loops import (
    Buffer,
    Compute,
    Declare,
    For,
    Let,
    Literal,
    Load,
    Name,
    Program,
    Store,
    Update,
)
from probgraph.engine.lower import lower
from probgraph.engine.ops.elementwise import add, exp, mul
from probgraph.engine.rewrite import run_passes
from probgraph.engine.rules import DECOMPOSE, FAST_RUN
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.run_loops import run
from probgraph.engine.tidy import tidy


def graph_of(inputs, outputs) -> FunctionGraph:
    return FunctionGraph(inputs, run_passes(run_passes(outputs, FAST_RUN), DECOMPOSE))


def regression(x, kind, dtype="float64"):
    """A likelihood and its gradients; `kind` says what stands between the two products."""
    b, s = T.TensorType(dtype, (x.shape[1],))("b"), T.scalar("s", dtype)
    y = np.cos(np.arange(len(x))).astype(dtype)
    eta = T.dot(x, b) + s
    terms = {
        "costly": T.log1p(T.exp(-y * eta)),
        "cheap": T.sqr(y - eta) * s,
        "weighted": T.exp(-T.sqr(eta)) * T.dot(np.tanh(x), b),
    }
    cost = T.sum(terms[kind])
    return [b, s], [cost, *grad(cost, [b, s])]


def laid_out(graph: FunctionGraph, x) -> bool:
    return not any(
        np.array_equal(c.reshape(-1)[: x.size], x.reshape(-1)) for c in lower(graph).constants.values()
    )


@pytest.mark.parametrize("kind", ["costly", "cheap", "weighted"])
@pytest.mark.parametrize(("rows", "columns"), [(2, 3), (63, 2), (64, 25), (65, 7), (200, 90), (130, 300)])
def test_values_and_gradients(rows, columns, kind):
    random = np.random.default_rng(rows)
    x = random.normal(size=(rows, columns))
    inputs, outputs = regression(x, kind)
    graph = graph_of(inputs, outputs)
    assert laid_out(graph, x) == (rows >= 8)  # a few rows are no block
    at = [random.normal(size=columns) * 0.3, np.float64(0.7)]
    expected = numpy_function(graph)(at)
    for found in (CompiledGraph(graph)(at), run(lower(graph), at)):
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)


def test_single_precision():
    x = np.random.default_rng(0).normal(size=(100, 5)).astype("float32")
    inputs, outputs = regression(x, "costly", "float32")
    graph = graph_of(inputs, outputs)
    at = [np.full(5, 0.2, "float32"), np.float32(0.1)]
    for a, b in zip(CompiledGraph(graph)(at), numpy_function(graph)(at), strict=True):
        assert a.dtype == "float32"
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_infinite_and_missing_data_go_where_they_belong():
    x = np.random.default_rng(0).normal(size=(70, 3))
    for bad in (np.inf, np.nan):
        x[69, 1] = bad
        inputs, outputs = regression(x, "cheap")
        graph = graph_of(inputs, outputs)
        at = [np.array([1.0, 0.0, 2.0]), np.float64(1.0)]
        for a, b in zip(CompiledGraph(graph)(at), numpy_function(graph)(at), strict=True):
            np.testing.assert_array_equal(np.isnan(a), np.isnan(b))


def test_a_matrix_that_something_else_reads_stays_as_it_is():
    x = np.random.default_rng(0).normal(size=(100, 4))
    inputs, outputs = regression(x, "costly")
    for other in (T.sum(T.as_tensor_variable(x)[:, 1] * inputs[1]), T.sum(T.sin(x * inputs[1]), axis=1)):
        graph = graph_of(inputs, [*outputs, other])
        at = [np.full(4, 0.3), np.float64(0.5)]
        for a, b in zip(CompiledGraph(graph)(at), numpy_function(graph)(at), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-11)


def test_what_is_larger_than_the_caches_or_exchanged_stays_as_it_is():
    large = np.random.default_rng(0).normal(size=(30_000, 40))
    inputs, outputs = regression(large, "costly")
    assert not laid_out(graph_of(inputs, outputs), large)
    x = T.dmatrix("x")
    b = T.dvector("b")
    cost = T.sum(T.log1p(T.exp(T.dot(x, b))))
    graph = graph_of([x, b], [cost, grad(cost, b)])
    at = [large[:100], np.full(40, 0.1)]
    for one, other in zip(CompiledGraph(graph)(at), numpy_function(graph)(at), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11)


def test_what_a_row_names_is_there_for_later_stages_too():
    """A value computed for each row is read by the sum over the columns and by what comes after it."""
    rows, columns = 70, 3
    x = np.random.default_rng(0).normal(size=(rows, columns)) * 0.3
    y = np.linspace(0.5, 1.5, rows)

    def program():
        i, k = Name("i"), Name("k")
        at = loops.add(loops.multiply(i, loops.integer(columns)), k)
        w, acc, e = (Name(n, "float64") for n in ("w", "acc", "e"))
        body = [
            For(
                "i",
                loops.integer(rows),
                [
                    Let("y", Load("in0", i, "float64")),
                    Let("w", Compute(mul.function, (Name("y", "float64"), Name("y", "float64")), "float64")),
                    Declare("acc", Literal(0.0, "float64")),
                    For(
                        "k",
                        loops.integer(columns),
                        [
                            Update(
                                "acc",
                                add.function,
                                Compute(mul.function, (Load("c0", at, "float64"), w), "float64"),
                            )
                        ],
                    ),
                    Let("e", Compute(exp.function, (acc,), "float64")),
                    Store("out0", i, Compute(mul.function, (e, w), "float64")),
                ],
            )
        ]
        buffers = [
            Buffer("in0", "float64", "input", loops.integer(rows)),
            Buffer("out0", "float64", "output", loops.integer(rows)),
            Buffer("c0", "float64", "constant", loops.integer(x.size)),
        ]
        return Program(buffers, [], [], body, [(loops.integer(rows),)], [], {"c0": x.reshape(-1)}, [(rows,)])

    tidied = tidy(program())
    assert tidied.constants["c0"].size > x.size  # laid out, and padded
    expected = np.exp(x.sum(1) * y**2) * y**2
    for each in (program(), tidied):
        np.testing.assert_allclose(run(each, [y])[0], expected, rtol=1e-12)
