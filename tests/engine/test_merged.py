"""Loops of which one has all that the other has are one; the way back of a loop asks for such."""

from __future__ import annotations

import numpy as np
import pytest

import probgraph.engine as engine
import probgraph.engine.tensor as T
from probgraph.engine.compiled import CompiledGraph
from probgraph.engine.graph import FunctionGraph, rebuild, toposort
from probgraph.engine.loop_op import Scan
from probgraph.engine.loops import Compute, For, expressions, walk_expr, walk_statements
from probgraph.engine.merged import merged
from probgraph.engine.needed import only_needed
from probgraph.engine.rewrite import run_passes
from probgraph.engine.rules import DECOMPOSE, FAST_RUN
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.run_loops import run
from probgraph.engine.steps import until

STEPS, STATES = 7, 3


def scans(outputs) -> list:
    return [node for node in toposort(outputs) if isinstance(node.op, Scan)]


def inputs() -> tuple:
    return T.TensorType("float64", (STEPS, STATES))("x"), T.TensorType("float64", (STATES,))("h")


def looped(step, x, h, n_outputs: int = 1):
    return engine.scan(step, x, [h, *[None] * (n_outputs - 1)])[0]


def values(outputs, variables) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return numpy_function(FunctionGraph(variables, outputs))(
        [random.normal(size=v.type.shape) for v in variables]
    )


def agree_as_one(outputs, variables) -> None:
    outputs = rebuild(outputs)
    one = merged(outputs)
    assert len(scans(one)) == 1
    for a, b in zip(values(one, variables), values(outputs, variables), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_loop_with_more_results_takes_the_place_of_one_with_less():
    x, h = inputs()
    small = looped(lambda x, h: T.tanh(x + h), x, h)
    large = looped(lambda x, h: [T.tanh(x + h), T.exp(h), T.sin(x)], x, h, 3)
    agree_as_one([small.sum(), *large], [x, h])
    agree_as_one([*large, small[-1]], [x, h])


def test_results_may_stand_in_another_order():
    x, h = inputs()
    small = looped(lambda x, h: [h * x, T.sin(x)], x, h, 2)
    large = looped(lambda x, h: [h * x, T.exp(h), T.sin(x)], x, h, 3)
    agree_as_one([*small, *large], [x, h])


def test_loops_behind_merged_ones_are_merged_too():
    x, h = inputs()
    first = looped(lambda x, h: x + h, x, h)
    small = looped(lambda x, h: T.tanh(x + h), first, h)
    large = looped(lambda x, h: [T.tanh(x + h), T.exp(h)], first, h, 2)
    more = looped(lambda x, h: [x + h, h], x, h, 2)[1]
    outputs = rebuild([small, *large, more])
    both = merged(outputs)
    assert len(scans(outputs)) == 4
    assert len(scans(both)) == 2
    for a, b in zip(values(both, [x, h]), values(outputs, [x, h]), strict=True):
        np.testing.assert_array_equal(a, b)


def test_loops_in_the_steps_of_loops():
    x, h = inputs()

    def step(row, h):
        small = looped(lambda a, s: T.tanh(a + s), row, h[0])
        large = looped(lambda a, s: [T.tanh(a + s), a * s], row, h[0], 2)
        return h + small[-1] + large[1].sum()

    outer = looped(step, x, h)
    agree_as_one([outer], [x, h])
    (node,) = scans(merged([outer]))
    assert len(scans(node.op.graph.outputs)) == 1


@pytest.mark.parametrize(
    "other",
    [
        lambda x, h: looped(lambda x, h: [T.tanh(x - h), T.exp(h)], x, h, 2),
        lambda x, h: looped(lambda x, h: [T.exp(h) + x, T.tanh(x + h)], x, h, 2),
        lambda x, h: looped(lambda x, h: [T.tanh(x + h), T.exp(h)], 2 * x, h, 2),
    ],
)
def test_loops_that_differ_stay_two(other):
    x, h = inputs()
    outputs = rebuild([looped(lambda x, h: T.tanh(x + h), x, h), *other(x, h)])
    assert len(scans(merged(outputs))) == 2


@pytest.mark.parametrize(("limit", "count"), [(2.0, 1), (3.0, 2)])
def test_loops_that_end_by_themselves_end_alike(limit, count):
    x, h = inputs()
    small = looped(lambda x, h: (x * x + h, until(h.sum() > 2.0)), x, h)
    large = looped(lambda x, h: ([x * x + h, T.exp(h)], until(h.sum() > limit)), x, h, 2)
    outputs = rebuild([small, *large])
    assert len(scans(merged(outputs))) == count
    for a, b in zip(values(merged(outputs), [x, h]), values(outputs, [x, h]), strict=True):
        np.testing.assert_array_equal(a, b)


def hidden_markov():
    """A forward recursion: its log density by the emissions, the start and the moves."""
    x, h = inputs()
    moves = T.TensorType("float64", (STATES, STATES))("moves")
    forward, _ = engine.scan(
        lambda now, before, moves: T.logsumexp(before[:, None] + moves, axis=0) + now, x, h, moves
    )
    return [x, h, moves], T.logsumexp(forward[-1])


def test_the_way_back_computes_no_exponentials_again():
    variables, logp = hidden_markov()
    outputs = [logp, *engine.grad(logp, variables)]
    rewritten = only_needed(merged(run_passes(outputs, FAST_RUN)))
    assert len(scans(rewritten)) == 2
    compiled = CompiledGraph(FunctionGraph(variables, run_passes(rewritten, DECOMPOSE)))
    loops_over_steps = [s for s in walk_statements(compiled.program.body) if isinstance(s, For) and s.serial]
    with_exponentials = [
        any(
            isinstance(part, Compute) and part.function.name == "exp"
            for s in walk_statements(loop.body)
            for e in expressions(s)
            for part in walk_expr(e)
        )
        for loop in loops_over_steps
    ]
    assert with_exponentials == [True, False]
    random = np.random.default_rng(1)
    at = [random.normal(size=v.type.shape) * 5 for v in variables]
    expected = numpy_function(FunctionGraph(variables, outputs))(at)
    for found in (compiled(at), run(compiled.program, at)):
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, 1e-10, 1e-12)


def test_its_first_and_second_derivatives():
    variables, logp = hidden_markov()
    random = np.random.default_rng(2)
    at = [random.normal(size=v.type.shape) for v in variables]
    flow = engine.grad(logp, variables)
    directions = [random.normal(size=v.type.shape) for v in variables]
    along = sum((g * d).sum() for g, d in zip(flow, directions, strict=True))
    f = engine.function(variables, [logp, along, *engine.grad(along, variables)])

    def moved(step: float) -> list[np.ndarray]:
        return f(*(a + step * d for a, d in zip(at, directions, strict=True)))

    there, back = moved(1e-5), moved(-1e-5)
    value, slope, *curvature = moved(0.0)
    np.testing.assert_allclose(slope, (there[0] - back[0]) / 2e-5, 1e-7)
    total = sum((c * d).sum() for c, d in zip(curvature, directions, strict=True))
    np.testing.assert_allclose(total, (there[1] - back[1]) / 2e-5, 1e-6)
    assert np.isfinite(value)


def test_moves_without_chance_take_no_part_in_it():
    variables, logp = hidden_markov()
    f = engine.function(variables, [logp, *engine.grad(logp, variables)])
    moves = np.where(np.eye(STATES, dtype=bool), 0.0, -800.0)
    x = np.random.default_rng(3).normal(size=(STEPS, STATES))
    value, by_x, *_ = f(x, np.array([0.0, -800.0, -900.0]), moves)
    np.testing.assert_allclose(value, x[:, 0].sum(), 1e-12)
    np.testing.assert_allclose(by_x, np.eye(STATES)[[0] * STEPS], 1e-12, 1e-12)
