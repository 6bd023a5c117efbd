"""Alike scalars as vectors: the same values and gradients, and so few nodes that their number does not matter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probgraph.engine import tensor as T
from probgraph.engine.autodiff import grad
from probgraph.engine.function import function
from probgraph.engine.graph import FunctionGraph, toposort
from probgraph.engine.ops.index import Gather
from probgraph.engine.rolling import FEWEST, WORTH_SEARCHING, rolled


def values(outputs, roots, at, mode="FAST_COMPILE"):
    return function(roots, outputs, mode=mode, on_unused_input="ignore")(*at)


def terms(count, roots, random):
    a, b, c = (random.integers(0, len(roots), count) for _ in range(3))
    x, y = random.normal(size=(2, count))
    return [
        -0.5 * T.sqr((x[k] - roots[a[k]] * T.exp(0.1 * roots[b[k]])) / (1.5 + T.sin(roots[c[k]] * y[k])))
        for k in range(count)
    ]


def total(parts):
    result = parts[0]
    for part in parts[1:]:
        result = result + part
    return result


def test_values_and_gradients_stay_the_same():
    roots = [T.dscalar(f"r{k}") for k in range(7)]
    cost = total(terms(120, roots, np.random.default_rng(0)))
    (new,) = rolled([cost])
    at = np.random.default_rng(1).normal(size=7)
    before = values([cost, *grad(cost, roots)], roots, at)
    for mode in ("FAST_COMPILE", "FAST_RUN"):
        np.testing.assert_allclose(values([new, *grad(new, roots)], roots, at, mode), before, rtol=1e-12)


def test_the_size_no_longer_depends_on_the_number_of_terms():
    roots = [T.dscalar(f"r{k}") for k in range(7)]
    sizes = [
        len(toposort(rolled([total(terms(count, roots, np.random.default_rng(0)))]))) for count in (100, 400)
    ]
    assert sizes[0] == sizes[1] < 100


def test_small_graphs_are_left_alone():
    x = T.dscalar("x")
    cost = total([T.exp(x * k) for k in range(WORTH_SEARCHING // 4)])
    assert rolled([cost]) == [cost]


def test_elements_of_a_vector_are_gathered_from_it():
    v = T.TensorType("float64", (50,))("v")
    random = np.random.default_rng(0)
    places = random.integers(-50, 50, 200)
    cost = total([T.tanh(v[int(k)]) * 0.5 for k in places])
    (new,) = rolled([cost])
    gathers = [node for node in toposort([new]) if isinstance(node.op, Gather)]
    assert len(gathers) <= 2 and gathers[0].inputs[0] is v
    at = random.normal(size=50)
    np.testing.assert_allclose(new.eval({v: at}), np.tanh(at[places]).sum() / 2, rtol=1e-12)


def test_scalars_that_need_each_other_through_vectors_stay_apart():
    """exp(x) and exp(sum(... exp(x) ...)) have one formula, and must not be one vector."""
    xs = [T.dscalar(f"x{k}") for k in range(FEWEST)]
    inner = [T.exp(x) for x in xs]
    vector = T.stack(inner)
    outer = [T.exp(T.sum(vector * (0.1 * k))) for k in range(FEWEST * 2)]
    cost = total(inner + outer) + total([T.sin(x * k) for x in xs for k in range(4)])
    (new,) = rolled([cost])
    at = np.linspace(-1, 1, len(xs))
    np.testing.assert_allclose(values(new, xs, at), values(cost, xs, at), rtol=1e-12)


def test_conditions_are_one_decision():
    xs = [T.dscalar(f"x{k}") for k in range(80)]
    condition = xs[0] > 0
    for x in xs[1:]:
        condition = condition & (x > 0)
    out = T.switch(condition, total([T.log(x) for x in xs]), -np.inf)
    (new,) = rolled([out])
    assert len(FunctionGraph(xs, [new]).toposort()) < 100
    at = np.full(80, 2.0)
    np.testing.assert_allclose(values(new, xs, at), 80 * np.log(2.0))
    at[17] = -1.0
    assert values(new, xs, at) == -np.inf


def test_outputs_that_are_alike_are_elements():
    xs = [T.dscalar(f"x{k}") for k in range(40)]
    outputs = [T.exp(x) * 2 + x for x in xs]
    at = np.linspace(0, 1, 40)
    np.testing.assert_allclose(values(rolled(outputs), xs, at), np.exp(at) * 2 + at)


@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_other_dtypes(dtype):
    xs = [T.scalar(f"x{k}", dtype=dtype) for k in range(40)]
    outputs = [total([(x + k) * 2 for x in xs for k in range(3)])]
    new = rolled(outputs)
    at = np.arange(40).astype(dtype)
    assert new[0].dtype == outputs[0].dtype
    np.testing.assert_array_equal(values(new, xs, at), values(outputs, xs, at))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_random_scalar_graphs(data):
    """Graphs in which formulas share parts, in any order, with several outputs."""
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    roots = [T.dscalar(f"r{k}") for k in range(5)]
    v = T.dvector("v")
    pool = [*roots, *(v[k] for k in range(3)), T.sum(v)]
    for _ in range(150):
        picks = [pool[k] for k in random.integers(0, len(pool), 3)]
        made = [
            T.sin(picks[0]) * picks[1],
            picks[0] + picks[1],
            T.tanh(picks[0] - 0.5),
            T.switch(picks[0] > picks[1], picks[2], 0.25),
            total([T.cos(p * 1.5) for p in pool[-20:]]),
        ]
        pool.append(made[random.integers(0, len(made))])
    outputs = [total(pool[-40:]) * 0.01, pool[-1], T.stack(pool[-3:])]
    at = [*random.normal(size=5), random.normal(size=3)]
    old, new = (values(graph, [*roots, v], at) for graph in (outputs, rolled(outputs)))
    for a, b in zip(old, new, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-7, atol=1e-9)
