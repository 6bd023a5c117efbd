"""Graphs lowered to loops: C, and loops run in Python, against the NumPy meaning."""

from __future__ import annotations

import numpy as np
import pytest

import probgraph.engine.operators  # noqa: F401
from probgraph.engine.autodiff import grad
from probgraph.engine.compiled import CompiledGraph
from probgraph.engine.graph import FunctionGraph, Variable
from probgraph.engine.loops import For, walk_statements
from probgraph.engine.lower import lower
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import index, linalg, shape
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.run_loops import run
from probgraph.engine.toolchain import find_compiler
from probgraph.engine.types import TensorType

pytestmark = pytest.mark.skipif(find_compiler() is None, reason="needs a C compiler")


def root(name: str, *shape: int | None, dtype: str = "float64") -> Variable:
    return TensorType(dtype, shape)(name)


def agree(inputs, outputs, arrays, rtol=1e-10, atol=1e-12):
    """The compiled graph, after a check that C, Python loops and NumPy give the same."""
    graph = FunctionGraph(inputs, outputs)
    compiled = CompiledGraph(graph)
    expected = numpy_function(graph)(arrays)
    for _ in range(2):  # a second call must not see the first one's memory
        in_c = compiled(arrays)
        in_python = run(compiled.program, arrays)
        for c, p, n, v in zip(in_c, in_python, expected, outputs, strict=True):
            assert c.dtype == n.dtype == p.dtype == np.dtype(v.dtype)
            np.testing.assert_allclose(c, n, rtol, atol)
            np.testing.assert_allclose(p, n, rtol, atol)
    return compiled


def loop_count(compiled: CompiledGraph) -> int:
    """How many outermost loops the program has."""
    return sum(isinstance(s, For) for s in compiled.program.body)


RNG = np.random.default_rng(1)
M, N, K = (root("m", None, None), root("n", None, None), root("k", 4, 3))
V, W, S = root("v", None), root("w", None), root("s")
m, n, k = RNG.normal(size=(4, 3)), RNG.normal(size=(3, 5)), RNG.normal(size=(4, 3))
v, w, s = RNG.normal(size=3), RNG.normal(size=3), np.array(0.7)

FORMULAS = {
    "broadcast": ([M, V, S], lambda: [M * V + S, M / (1 + V * V)], [m, v, s]),
    "row and column": (
        [V, W],
        lambda: [V[:, None] * W[None, :], V.dimshuffle("x", 0) + W.dimshuffle(0, "x")],
        [v, w],
    ),
    "reductions": (
        [M],
        lambda: [
            M.sum(),
            M.sum(0),
            M.sum(1),
            M.mean(),
            M.max(0),
            M.min(1),
            M.prod(),
            M.sum(0, keepdims=True),
        ],
        [m],
    ),
    "normalised twice": ([V], lambda: [ew.exp(V - V.max()) / ew.exp(V - V.max()).sum()], [v]),
    "softmax rows": (
        [M],
        lambda: [
            ew.exp(M - M.max(1, keepdims=True)) / ew.exp(M - M.max(1, keepdims=True)).sum(1, keepdims=True)
        ],
        [m],
    ),
    "standardised": ([M], lambda: [(M - M.mean(0)) / M.std(0)], [m]),
    "products": ([M, N, V], lambda: [M.dot(N), M.dot(V), V.dot(V), V.dot(N), M.T.dot(M)], [m, n, v]),
    "chain of products": ([M, V], lambda: [M.T.dot(ew.tanh(M.dot(V)))], [m, v]),
    "transposed output": ([M], lambda: [M.T, (M + 1).T * 2], [m]),
    "output is input": ([M, S], lambda: [M, M, S, M + 1, M + 1], [m, s]),
    "constants": ([S], lambda: [as_variable(np.arange(3.0)) * S, as_variable(np.arange(3.0))], [s]),
    "slices": (
        [M, V],
        lambda: [M[1:, ::-1], M[-1], V[::2], V[2:0:-1], M[:, 1], M[1:3, :2].sum(), V[5:], V[:-1] - V[1:]],
        [m, v],
    ),
    "gather": (
        [M, V],
        lambda: [
            M[np.array([0, -1, 2])],
            V[np.array([[0, 1], [2, 2]])],
            (V * 2)[np.array([2, 0])],
            M[np.array([0, 1]), np.array([2, 0])],
        ],
        [m, v],
    ),
    "writes": (
        [M, V],
        lambda: [
            index.set_subtensor(M[1], V),
            index.inc_subtensor(M[:, 0], 1.0),
            index.inc_subtensor(V[np.array([0, 0, 1])], 2.0),
            index.set_subtensor(V[::2], V[::2] * 3),
        ],
        [m, v],
    ),
    "joins": (
        [M, V],
        lambda: [
            shape.concatenate([M, M * 2], 0),
            shape.concatenate([V, V[:1]]),
            shape.stack([V, V * V], axis=1),
            shape.stack([V.sum(), V.max()]),
        ],
        [m, v],
    ),
    "reshape": (
        [M],
        lambda: [
            M.reshape((-1,)),
            M.reshape((3, 4)),
            (M * 2).reshape((2, -1)),
            M.flatten().sum(),
            M.T.reshape((2, 6)),
        ],
        [m],
    ),
    "lengths": (
        [M, V],
        lambda: [
            M.shape,
            M.shape[0] + V.shape[0],
            shape.arange(V.shape[0]) * 2,
            shape.zeros((V.shape[0], 2)),
            V.sum() / V.shape[0],
        ],
        [m, v],
    ),
    "cholesky": (
        [K],
        lambda: [
            linalg.cholesky(K.T.dot(K)),
            linalg.solve_triangular(linalg.cholesky(K.T.dot(K)), K[0], lower=True),
            linalg.solve_triangular(linalg.cholesky(K.T.dot(K)), K.T, trans=1, lower=True),
        ],
        [k],
    ),
    "triangles": (
        [M],
        lambda: [linalg.tril(M), linalg.triu(M, 1), linalg.diagonal(M.T.dot(M)), linalg.trace(M.T.dot(M))],
        [m],
    ),
    "choices": (
        [V, S],
        lambda: [ew.switch(V > 0, ew.log(V), S), ew.maximum(V, S), (V > 0) & (V < 1), ~(V > 0)],
        [np.array([-1.0, 0.5, 2.0]), s],
    ),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_c_and_python_loops_mean_what_numpy_means(name):
    inputs, outputs, arrays = FORMULAS[name]
    agree(inputs, outputs(), arrays)


@pytest.mark.parametrize("name", [n for n in FORMULAS if n not in ("choices", "lengths", "output is input")])
def test_gradients_are_lowered_too(name):
    inputs, outputs, arrays = FORMULAS[name]
    weights = np.random.default_rng(2)
    cost = sum((o * weights.normal()).sum() + (ew.sin(o)).sum() for o in outputs() if o.dtype == "float64")
    agree(inputs, grad(cost, inputs, disconnected_inputs="ignore"), arrays, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(
    "name", ["broadcast", "reductions", "slices", "joins", "reshape", "lengths", "gather"]
)
@pytest.mark.parametrize("length", [0, 1])
def test_empty_and_single(name, length):
    inputs, outputs, _ = FORMULAS[name]
    if length == 0 and name in ("reductions", "slices", "joins", "reshape", "gather"):
        pytest.skip("not defined without elements")
    if length == 1 and name in ("slices", "gather", "reshape", "joins"):
        pytest.skip("reads elements that are not there")
    arrays = [np.ones((2,) * (v.ndim - 1) + (length,) * (v.ndim > 0)) for v in inputs]
    agree(inputs, outputs(), arrays)


def test_a_regression_reads_its_rows_once():
    X, y = as_variable(RNG.normal(size=(50, 4))), as_variable(RNG.normal(size=50))
    beta, tau = root("beta", 4), root("tau")
    mean = X.dot(beta)
    cost = (-0.5 * ((y - mean) / ew.exp(tau)) ** 2 - tau).sum() + ew.log1p(ew.exp(mean)).sum()
    compiled = agree([beta, tau], [cost, *grad(cost, [beta, tau])], [RNG.normal(size=4), s])
    rows = [f for f in compiled.program.body if isinstance(f, For) and f.stop.value == 50]
    assert len(rows) == 1


def test_gathers_and_their_gradients_share_the_sweep():
    group = np.array([0, 2, 1, 2, 0, 1, 2, 2])
    y = as_variable(RNG.normal(size=8))
    a, b = root("a", 3), root("b", 3)
    cost = -0.5 * ((y - a[group] - ew.exp(b[group])) ** 2).sum()
    compiled = agree([a, b], [cost, *grad(cost, [a, b])], [v, w])
    rows = [f for f in compiled.program.body if isinstance(f, For) and f.stop.value == 8]
    assert len(rows) == 1


def test_costly_values_needed_in_two_loops_are_stored():
    weight = ew.exp(V)
    compiled = agree([V], [weight / weight.sum()], [v])
    assert compiled.c_text.count("exp(t") == 1


def test_what_does_not_change_stays_outside():
    compiled = agree([V, S], [V * ew.exp(S)], [v, s])
    body = compiled.program.body
    inside = [s for f in body if isinstance(f, For) for s in walk_statements(f.body)]
    assert all("exp" not in str(s) for s in inside)


def test_lengths_that_disagree_are_an_error_with_names():
    compiled = CompiledGraph(FunctionGraph([V, W], [V + W]))
    with pytest.raises(ValueError, match=r"v and w have lengths 3 and 4"):
        compiled([np.ones(3), np.ones(4)])
    np.testing.assert_array_equal(compiled([np.ones(2), np.ones(2)])[0], [2.0, 2.0])


@pytest.mark.parametrize("bad", [3, -4, 10**12])
def test_an_index_out_of_range_is_an_error(bad):
    i = root("i", dtype="int64")
    places = root("places", None, dtype="int64")
    compiled = CompiledGraph(FunctionGraph([V, i, places], [V[i], V[places]]))
    with pytest.raises(IndexError, match=f"index {bad} is out of bounds for axis 0 of v with length 3"):
        compiled([v, np.array(bad), np.array([0])])
    with pytest.raises(IndexError, match=f"index {bad} is out of bounds"):
        compiled([v, np.array(0), np.array([0, bad])])
    a, b = compiled([v, np.array(-1), np.array([-3, 2])])
    assert a == v[2] and list(b) == [v[0], v[2]]


def test_a_matrix_that_is_not_positive_definite_is_an_error():
    compiled = CompiledGraph(FunctionGraph([M], [linalg.cholesky(M)]))
    with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
        compiled([np.array([[1.0, 2.0], [2.0, 1.0]])])
    with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
        compiled([np.array([[1.0, 2.0], [2.0, np.nan]])])


def test_results_are_fresh_arrays():
    compiled = CompiledGraph(FunctionGraph([K], [K * 2, K]))
    first = compiled([k])
    second = compiled([k + 1])
    np.testing.assert_array_equal(first[0], k * 2)
    assert not np.shares_memory(first[0], second[0])
    assert not np.shares_memory(first[1], k)


def test_small_and_large_inputs_of_any_layout():
    big = RNG.normal(size=(300, 200))
    agree([M], [M.sum(0), M * 2], [big.T])
    agree([M], [M.sum(0), M * 2], [np.asfortranarray(big)[::2, ::3]])


def test_float32_accumulates_in_float64():
    x = root("x", None, dtype="float32")
    many = np.full(100_000, 0.1, "float32")
    compiled = CompiledGraph(FunctionGraph([x], [x.sum(), (x[:, None] * np.ones((1, 2), "float32")).sum(0)]))
    total, both = compiled([many])
    assert total.dtype == both.dtype == np.float32
    assert total == np.float32(many.sum(dtype="float64"))
    np.testing.assert_array_equal(both, [total, total])


def test_an_op_without_loops_is_named():
    class Odd(type(shape.Shape()).__mro__[2]):
        def infer_type(self, x):
            return [x.type]

    with pytest.raises(NotImplementedError, match="Odd"):
        lower(FunctionGraph([V], [Odd()(V)]))
