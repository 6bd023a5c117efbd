"""What blocks of large matrices fetch for the next one: only where they are read again, and it changes nothing."""

from __future__ import annotations

import numpy as np
import pytest

from probgraph.engine import columns, fetching
from probgraph.engine import tensor as T
from probgraph.engine.autodiff import grad
from probgraph.engine.compiled import CompiledGraph
from probgraph.engine.graph import FunctionGraph
from probgraph.engine.loops import Fetch, For, Program, walk_statements
from probgraph.engine.lower import lower
from probgraph.engine.rewrite import run_passes
from probgraph.engine.rules import DECOMPOSE, FAST_RUN
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.run_loops import run

COLUMNS = 60


def logistic(x: np.ndarray, gradient: bool = True) -> FunctionGraph:
    b = T.TensorType(str(x.dtype), (x.shape[1],))("b")
    cost = T.sum(T.log1p(T.exp(T.dot(T.as_tensor_variable(x), b))))
    outputs = [cost, grad(cost, b)] if gradient else [cost]
    return FunctionGraph([b], run_passes(run_passes(outputs, FAST_RUN), DECOMPOSE))


def data(rows: int, dtype: str = "float64") -> np.ndarray:
    return (np.random.default_rng(0).normal(size=(rows, COLUMNS)) * 0.1).astype(dtype)


def fetches(program: Program) -> int:
    """How many lines a row asks for."""
    asking = [
        s
        for s in walk_statements(program.body)
        if isinstance(s, For) and any(isinstance(inner, Fetch) for inner in s.body)
    ]
    return sum(loop.stop.value for loop in asking)


@pytest.fixture
def small_caches(monkeypatch):
    monkeypatch.setattr(columns, "LARGEST", 100)
    monkeypatch.setattr(fetching, "LARGEST", 100)


@pytest.mark.parametrize(("dtype", "lines"), [("float64", 2), ("float32", 1)])
def test_a_part_of_the_next_block_is_asked_for(small_caches, dtype, lines):
    graph = logistic(data(700, dtype))
    program = lower(graph)
    assert fetches(program) == lines
    at = [np.linspace(-1, 1, COLUMNS).astype(dtype)]
    expected = numpy_function(graph)(at)
    tolerance = 1e-11 if dtype == "float64" else 1e-4
    for found in (run(program, at), CompiledGraph(graph)(at)):
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, tolerance, tolerance)


def test_what_is_read_once_is_not_fetched(small_caches):
    assert fetches(lower(logistic(data(700), gradient=False))) == 0


def test_what_stays_in_the_caches_is_not_fetched():
    assert fetches(lower(logistic(data(700)))) == 0
    assert fetches(lower(logistic(data(20_000)))) == 2
