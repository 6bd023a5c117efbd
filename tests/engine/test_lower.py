"""Graphs lowered to loops: C, and loops run in Python, against the NumPy meaning."""

from __future__ import annotations

import re

import numpy as np
import pytest

import probgraph.engine.operators  # noqa: F401
from probgraph.engine.autodiff import grad
from probgraph.engine.compiled import CompiledGraph
from probgraph.engine.graph import FunctionGraph, Variable
from probgraph.engine.loops import Accumulate, For, Local, walk_statements
from probgraph.engine.lower import lower
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import index, linalg, shape
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.run_loops import run
from probgraph.engine.scanning import scan
from probgraph.engine.toolchain import find_compiler, vector_functions
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


def test_few_sums_of_each_row_are_variables():
    x = root("x", 100, 3, 3)
    graph = FunctionGraph([x], [x.sum(axis=1)])
    program = lower(graph)
    assert not any(isinstance(s, Accumulate) for s in walk_statements(program.body))
    at = [np.random.default_rng(0).normal(size=(100, 3, 3))]
    np.testing.assert_allclose(run(program, at)[0], at[0].sum(1), 1e-12)


def test_gathers_and_their_gradients_share_the_sweep():
    group = np.array([0, 2, 1, 2, 0, 1, 2, 2])
    y = as_variable(RNG.normal(size=8))
    a, b = root("a", 3), root("b", 3)
    cost = -0.5 * ((y - a[group] - ew.exp(b[group])) ** 2).sum()
    compiled = agree([a, b], [cost, *grad(cost, [a, b])], [v, w])
    rows = [f for f in compiled.program.body if isinstance(f, For) and f.stop.value == 8]
    assert len(rows) == 1


@pytest.mark.parametrize(
    ("rows", "groups", "copies"), [(600, 7, 4), (600, 50, 4), (600, 90, 2), (600, 200, 0), (3, 2, 0)]
)
@pytest.mark.parametrize("costly", [False, True])
def test_scattered_sums_take_turns(rows, groups, copies, costly):
    """Where there are many more rows than groups; sorted, so that all rows of a group come one after the other."""
    group = np.sort(RNG.integers(groups, size=rows))
    y = as_variable(RNG.normal(size=rows))
    a, b = root("a", groups), root("b", groups)
    mean = a[group] + (ew.exp(b[group]) if costly else b[group] * y)
    cost = -0.5 * ((y - mean) ** 2).sum()
    given = [RNG.normal(size=groups), RNG.normal(size=groups)]
    compiled = agree([a, b], [cost, *grad(cost, [a, b])], given)
    found = [
        s.size // groups
        for s in walk_statements(compiled.program.body)
        if isinstance(s, Local) and "copies" in s.name
    ]
    assert found == [copies] * 2 * bool(copies)


def test_sums_that_are_read_on_the_way_take_no_turns():
    """Each row of a scan reads what the rows before it have added."""
    group = as_variable(np.sort(RNG.integers(3, size=100)))
    start = root("start", 3)
    totals, _ = scan(
        lambda g, total: index.inc_subtensor(total[g], total.sum()), sequences=group, outputs_info=start
    )
    agree([start], [totals[-1]], [np.array([1e-30, 2e-30, -1e-30])])


def test_loads_from_all_over_an_array_are_no_vector_loop():
    group = RNG.integers(3, size=200)
    a = root("a", 3)
    compiled = agree([a], [ew.exp(a[group] * 2).sum()], [RNG.normal(size=3)])
    loop = next(s for s in compiled.program.body if isinstance(s, For) and s.step > 1)
    stages = [s for s in loop.body if isinstance(s, For)]
    assert [s.vector for s in stages] == [False, True]


@pytest.mark.parametrize(
    "name", ["exp", "log", "log1p", "expm1", "exp2", "log2", "log10", "sin", "tanh", "pow"]
)
def test_functions_of_whole_vectors_are_declared_as_such(name):
    if name not in vector_functions():
        pytest.skip("the compiler has no vector variant of it here")
    x = V**2.3 if name == "pow" else getattr(ew, name)(V)
    compiled = agree([V], [x.sum()], [np.abs(v)])
    assert re.search(rf"simd\W.*double {name}\(", compiled.c_text)


def test_copies_do_not_take_all_of_the_stack():
    group = np.sort(RNG.integers(200, size=4000))
    roots = [root(f"a{k}", 200) for k in range(60)]
    cost = sum((ew.exp(0.01 * v[group]) ** 2).sum() for v in roots)
    program = lower(FunctionGraph(roots, [cost, *grad(cost, roots)]))
    taken = sum(
        8 * s.size for s in walk_statements(program.body) if isinstance(s, Local) and "copies" in s.name
    )
    assert 0 < taken <= 262144


def test_two_loops_that_add_to_the_same_groups_have_copies_each():
    first, second = np.sort(RNG.integers(5, size=300)), np.sort(RNG.integers(5, size=100))
    a = root("a", 5)
    x, y = as_variable(RNG.normal(size=300)), as_variable(RNG.normal(size=100))
    cost = ((x - a[first]) ** 2).sum() + ((y - a[second]) ** 3).sum()
    compiled = agree([a], [cost, grad(cost, a)], [RNG.normal(size=5)])
    copies = [
        s.name for s in walk_statements(compiled.program.body) if isinstance(s, Local) and "copies" in s.name
    ]
    assert len(set(copies)) == len(copies) == 2
