"""Random loops: C, loops in Python and NumPy agree, gradients are finite differences, and moves are gradients along
them. Taps of states and of sequences, several states of two ranks, an end by `until`, loops in steps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import probgraph.engine as theano
import probgraph.engine.tensor as T
from probgraph.engine.autodiff import grad
from probgraph.engine.compiled import CompiledGraph
from probgraph.engine.derivatives import Rop
from probgraph.engine.graph import FunctionGraph, Variable
from probgraph.engine.needed import only_needed
from probgraph.engine.rewrite import run_passes
from probgraph.engine.rules import FAST_RUN
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.run_loops import run
from probgraph.engine.toolchain import find_compiler

pytestmark = pytest.mark.skipif(find_compiler() is None, reason="needs a C compiler")

SMOOTH = [
    T.tanh,
    T.sin,
    T.sigmoid,
    T.softplus,
    lambda v: 0.5 * v,
    lambda v: v * v / 4,
    lambda v: T.log1p(v * v),
]


def mixed(draw, given: list[Variable], rank: int) -> Variable:
    """A smooth formula of some of these, a scalar or a vector of 2."""
    result = None
    for _ in range(draw(st.integers(1, 3))):
        v = draw(st.sampled_from(given))
        v = T.cast(v, "float64")
        if v.ndim > rank:
            v = draw(st.sampled_from([lambda v: v.sum(), lambda v: v[0], lambda v: v[-1] - v[0]]))(v)
        v = draw(st.sampled_from(SMOOTH))(v * draw(st.sampled_from([1.0, -0.7, 0.3])))
        result = v if result is None else draw(st.sampled_from([T.add, T.mul, T.sub]))(result, v)
    return result if result.ndim == rank else result + T.zeros((2,))


def inner_loop(draw, given: list[Variable]) -> Variable:
    """A loop in a step: over a vector, or of a number of steps; perhaps it ends early."""
    vectors = [v for v in given if v.ndim == 1]
    sequence = draw(st.sampled_from([*vectors, None]))
    limit = draw(st.sampled_from([None, 0.1, 0.5]))

    def step(*inside):
        new = mixed(draw, [*inside, *given], 0)
        return new if limit is None else (new, theano.scan_module.until(new > limit))

    start = mixed(draw, given, 0)
    steps = None if sequence is not None else draw(st.integers(1, 3))
    values, _ = theano.scan(step, sequence, start, n_steps=steps)
    return draw(
        st.sampled_from(
            [lambda v: v[-1], lambda v: T.tanh(v).sum(), lambda v: (v * T.arange(v.shape[0])).sum()]
        )
    )(values)


@st.composite
def loops(draw):
    """(roots, arrays, outputs) of a loop."""
    n = draw(st.sampled_from([0, 1, 2, 4, 6]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    x, m, s, v = T.dvector("x"), T.TensorType("float64", (None, 2))("m"), T.dscalar("s"), T.dvector("v")
    past, rows = T.TensorType("float64", (3,))("past"), T.TensorType("float64", (3, 2))("rows")
    roots = [x, m, s, v, past, rows]
    arrays = [rng.normal(size=shape) for shape in ((n,), (n, 2), (), (2,), (3,), (3, 2))]
    fixed = [s, T.specify_shape(v, (2,))]
    sequences = []
    for v in draw(st.lists(st.sampled_from([x, m]), max_size=2, unique=True)):
        taps = draw(st.sampled_from([[0], [0], [0, 1], [-1, 0]]))
        sequences.append({"input": v, "taps": taps})
    infos: list = []
    for _ in range(draw(st.integers(0 if sequences else 1, 2))):
        taps = sorted(draw(st.sets(st.integers(-3, -1), min_size=1, max_size=2)))
        initial = draw(st.sampled_from([past, rows]))
        infos.append({"initial": initial[: -taps[0]], "taps": taps} if taps != [-1] else initial[0])
    ranks = [(i["initial"].ndim - 1 if isinstance(i, dict) else i.ndim) for i in infos]
    if draw(st.booleans()):
        infos.append(np.int64(0))
    collects = not infos or draw(st.booleans())
    ends = draw(st.sampled_from([None, None, 0.0, 0.4, 9.0]))

    def step(*args):
        inside = [*args, *fixed]
        if draw(st.integers(0, 2)) == 0:
            inside.append(inner_loop(draw, inside))
        outputs = [mixed(draw, inside, rank) for rank in ranks]
        if len(infos) > len(ranks):
            outputs.append(args[-1] + 1)
        if collects:
            outputs.append(mixed(draw, [*inside, *outputs], draw(st.integers(0, 1))))
        if ends is None:
            return outputs
        return outputs, theano.scan_module.until(mixed(draw, outputs, 0) > ends)

    steps = None if sequences else draw(st.sampled_from([n, T.constant(n) * 1]))
    backwards = draw(st.booleans())
    outputs, _ = theano.scan(
        step,
        sequences,
        [*infos, *[None] * collects],
        n_steps=steps,
        go_backwards=backwards,
        return_list=True,
    )
    return roots, arrays, outputs


def cost_of(outputs: list[Variable]) -> Variable:
    terms = [
        (T.tanh(T.cast(v, "float64")) * T.shape_padright(T.arange(v.shape[0]) + 1, v.ndim - 1)).sum()
        for v in outputs
    ]
    return sum(terms[1:], start=terms[0])


def check(case) -> None:
    roots, arrays, outputs = case
    cost = cost_of(outputs)
    slopes = grad(cost, roots, disconnected_inputs="ignore")
    rng = np.random.default_rng(0)
    moves = [rng.normal(size=a.shape) for a in arrays]
    moved = Rop(cost, roots, [T.constant(move) for move in moves], disconnected_outputs="ignore")
    wanted = [*outputs, cost, moved, *slopes]
    plain = numpy_function(FunctionGraph(roots, wanted))
    expected = plain(arrays)
    graph = FunctionGraph(roots, only_needed(run_passes(wanted, FAST_RUN)))
    compiled = CompiledGraph(graph)
    for c, p, n in zip(compiled(arrays), run(compiled.program, arrays), expected, strict=True):
        assert c.shape == p.shape == n.shape
        np.testing.assert_allclose(c, n, 1e-8, 1e-10)
        np.testing.assert_allclose(p, n, 1e-8, 1e-10)

    place = len(outputs)
    along = sum((g * move).sum() for g, move in zip(expected[place + 2 :], moves, strict=True))
    np.testing.assert_allclose(expected[place + 1], along, 1e-8, 1e-10)
    ends = [plain([a + t * move for a, move in zip(arrays, moves, strict=True)]) for t in (1e-6, -1e-6)]
    if all(np.shape(v[0]) == np.shape(expected[0]) for v in ends):  # no other number of steps so near
        difference = (ends[0][place] - ends[1][place]) / 2e-6
        kinks = max(abs(difference), 1.0) * 1e-4
        if abs(ends[0][place] + ends[1][place] - 2 * expected[place]) < kinks * 1e-6:
            np.testing.assert_allclose(along, difference, 1e-5, 1e-6)


@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(loops())
def test_loops_agree(case):
    check(case)
