"""Graphs with random draws or choices in them: cut where Python runs, compiled in between."""

import numpy as np
import pytest

import probgraph.engine as theano
import probgraph.engine.tensor as T
from probgraph.engine import staged
from probgraph.engine.execute import c_or_numpy
from probgraph.engine.graph import FunctionGraph
from probgraph.engine.ifelse import ifelse
from probgraph.engine.op import Op
from probgraph.engine.ops.random_op import next_state
from probgraph.engine.rewrite import run_passes
from probgraph.engine.rules import FAST_RUN
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.staged import StagedGraph, is_hosted, with_cheap_choices_selected


def recorded(graph):
    """The graph in stages, and its parts as they are compiled."""
    parts = []

    def make(part):
        parts.append(part)
        return numpy_function(part)

    return StagedGraph(graph, make), parts


def ops(graph):
    return [str(node.op) for node in graph.toposort()]


def test_no_part_holds_what_python_runs():
    x = T.dvector("x")
    z = T.random.normal(T.exp(x), 1.0, rng=np.random.default_rng(1))
    k = T.random.poisson(abs(z), rng=next_state(z))
    graph = FunctionGraph([x], [(z * k * x).sum(), k, z])
    run, parts = recorded(graph)
    assert len(parts) == 3
    assert not any(is_hosted(node) for part in parts for node in part.toposort())
    assert run.hosted == ["RandomFunction{normal}", "RandomFunction{poisson}"]
    values = np.array([0.0, 1.0])
    g = np.random.default_rng(1)
    draws = g.normal(np.exp(values), 1.0)
    counts = g.poisson(abs(draws))
    total, *rest = run([values])
    np.testing.assert_allclose(total, (draws * counts * values).sum())
    np.testing.assert_array_equal(rest, [counts, draws])


def test_few_scalars_are_not_worth_a_compiler():
    n, s = T.lscalar("n"), T.dscalar("s")
    rng = np.random.default_rng(1)
    run, parts = recorded(
        FunctionGraph([n, s], [T.random.normal(0.0, T.exp(s) + 1, size=[n * 2, 3], rng=rng)])
    )
    assert parts == []
    assert run([np.array(2), np.array(0.0)])[0].shape == (4, 3)
    many = s
    for _ in range(staged._FEW_NODES + 5):
        many = T.sin(many) + s
    _, parts = recorded(FunctionGraph([s], [T.random.normal(many, rng=rng)]))
    assert len(parts) == 1


def test_what_is_costly_is_computed_once():
    x = T.dmatrix("x")
    product = T.dot(x, x)
    z = T.random.normal(product.sum(), 1.0, rng=np.random.default_rng(1))
    _, parts = recorded(FunctionGraph([x], [z * product + T.exp(x)]))
    assert sum(str(op).lower().startswith(("dot", "matmul")) for part in parts for op in ops(part)) == 1


def test_results_are_the_callers_own():
    x = T.dvector("x")
    z = T.random.normal(x, 1.0, rng=np.random.default_rng(1))
    constant = T.constant(np.arange(3.0))
    f = theano.function([x], [z, z, x, constant, z[::-1]])
    given = np.zeros(3)
    results = f(given)
    for i, a in enumerate(results):
        assert a.flags.writeable
        assert not np.shares_memory(a, given) and not np.shares_memory(a, constant.data)
        assert not any(np.shares_memory(a, b) for b in results[:i])
    assert f.maker.executable.backend == "C, with Python in between for RandomFunction{normal}"


def test_only_needed_branches_are_made():
    c, x = T.dscalar("c"), T.dvector("x")
    graph = FunctionGraph([c, x], [ifelse(c, T.exp(x).sum(), T.sin(x).sum() * 2)])
    run, parts = recorded(graph)
    assert parts == []
    values = np.array([1.0, 2.0])
    for _ in range(2):
        np.testing.assert_allclose(run([np.array(0.0), values])[0], np.sin(values).sum() * 2)
    assert len(parts) == 1
    np.testing.assert_allclose(run([np.array(1.0), values])[0], np.exp(values).sum())
    assert len(parts) == 2


def test_draws_in_a_branch_are_drawn_only_if_it_is_taken():
    c = T.dscalar("c")
    z = T.random.normal(0.0, c, size=[3], rng=np.random.default_rng(1))  # an error for negative c
    for mode in ("FAST_RUN", "FAST_COMPILE", "DebugMode"):
        f = theano.function([c], ifelse(c > 0, z, T.zeros((3,))), mode=mode)
        assert f(-1.0).tolist() == [0, 0, 0]
        np.testing.assert_array_equal(f(2.0), np.random.default_rng(1).normal(0, 2, 3))


def test_a_part_without_c_takes_the_whole_to_numpy():
    class Foreign(Op):
        def infer_type(self, x):
            return [x.type]

        def numpy(self, x):
            return x + 1

    x = T.dvector("x")
    out = Foreign()(T.exp(x)) + T.random.normal(rng=np.random.default_rng(1))
    run, backend, compiled = c_or_numpy(FunctionGraph([x], [out]))
    assert backend == "NumPy, because an operation has no C: Foreign cannot be lowered to loops"
    assert compiled is None
    np.testing.assert_allclose(run([np.zeros(2)])[0], 2 + np.random.default_rng(1).normal() * np.ones(2))


def test_errors_of_a_part():
    x = T.dvector("x")
    z = T.random.normal(x[5], 1.0, rng=np.random.default_rng(1))
    f = theano.function([x], z * x)
    with pytest.raises(IndexError):
        f([1.0])
    assert f(np.arange(6.0)).shape == (6,)


def test_a_loop_with_draws_is_run_by_python_and_the_rest_is_compiled():
    x = T.dvector("x")
    e = T.random.normal(size=[2])
    e.rng.set_value(np.random.default_rng(5))
    walk, updates = theano.scan(lambda s: s + e, outputs_info=T.zeros((2,)), n_steps=4)
    f = theano.function([x], (walk * x).sum(0), updates=updates)
    assert f.maker.executable.backend.startswith("C, with Python in between for for{")
    g = np.random.default_rng(5)
    for _ in range(2):
        np.testing.assert_allclose(f([1.0, 2.0]), np.cumsum(g.normal(size=(4, 2)), 0).sum(0) * [1, 2])


def test_the_step_of_a_loop_with_draws_is_compiled_in_parts():
    x, W = T.dmatrix("x"), T.dmatrix("W")
    e = T.random.normal(size=[40])
    e.rng.set_value(np.random.default_rng(5))

    def step(x, h):
        new = T.tanh(T.dot(W, h) + x + 0.1 * e)
        return [new, T.exp(new).sum()], theano.scan_module.until(new.sum() > 3)

    (h, totals), updates = theano.scan(step, x, [T.zeros((40,)), None])
    outputs = [h, totals, *theano.grad(totals.sum(), [x, W])]
    rng = np.random.default_rng(1)
    X, M = rng.normal(size=(30, 40)), rng.normal(size=(40, 40)) / 8
    found = {}
    for mode in ("FAST_RUN", "FAST_COMPILE"):
        e.rng.set_value(np.random.default_rng(5))
        f = theano.function([x, W], outputs, updates=updates, mode=mode)
        found[mode] = [f(X, M) for _ in range(2)]
    assert f.maker.executable.backend.startswith("NumPy")
    for fast, plain in zip(found["FAST_RUN"], found["FAST_COMPILE"], strict=True):
        assert 0 < len(fast[0]) < 30
        for a, b in zip(fast, plain, strict=True):
            np.testing.assert_allclose(a, b, 1e-10, 1e-12)
    first, second = (hs[:2] for hs, *_ in found["FAST_RUN"])
    assert not np.array_equal(first, second)

    made: list[FunctionGraph] = []

    def make(part):
        made.append(part)
        return numpy_function(part)

    graph = FunctionGraph([x, W, e.rng], run_passes(outputs[:2], FAST_RUN))
    given = [X, M, e.rng.container.value]
    run = StagedGraph(graph, make)
    assert any("tanh" in str(part.toposort()) for part in made)  # of the step, after the draw
    for a, b in zip(run(given), numpy_function(graph)(given), strict=True):
        np.testing.assert_allclose(a, b, 1e-12)


def test_a_step_with_a_cheap_choice_is_c():
    x = T.dvector("x")
    values, _ = theano.scan(lambda e, total: ifelse(e > 0, total + e, total * 2), x, outputs_info=1.0)
    f = theano.function([x], [values, theano.grad(values[-1], x)])
    assert f.maker.executable.backend == "C"
    assert [v.tolist() for v in f([2.0, -1.0, 3.0])] == [[3, 6, 9], [2, 0, 1]]


def test_cheap_choices():
    c, x = T.dscalars("c", "x")
    graph = with_cheap_choices_selected(FunctionGraph([c, x], [ifelse(c, ifelse(x, x + 1, c), x * 2)]))
    assert not any("if{}" in op for op in ops(graph))
    for values in ([0.0, 3.0], [1.0, 3.0], [1.0, 0.0]):
        assert numpy_function(graph)(list(map(np.array, values))) == [
            values[1] * 2 if not values[0] else values[1] + 1 if values[1] else values[0]
        ]
    much = x
    for _ in range(100):
        much = T.exp(T.sin(much))
    graph = FunctionGraph([c, x], [ifelse(c, much, x)])
    assert with_cheap_choices_selected(graph) is graph
