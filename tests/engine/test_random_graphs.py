"""Random graphs: C, loops in Python and NumPy give the same values and the same gradients."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import probgraph.engine.operators  # noqa: F401
from probgraph.engine.autodiff import grad
from probgraph.engine.compiled import CompiledGraph
from probgraph.engine.graph import FunctionGraph, Variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import index, linalg, shape
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.run_loops import run
from probgraph.engine.toolchain import find_compiler
from probgraph.engine.types import TensorType

pytestmark = pytest.mark.skipif(find_compiler() is None, reason="needs a C compiler")

UNARY = [
    ew.tanh,
    ew.sin,
    ew.sigmoid,
    ew.softplus,
    ew.sqr,
    ew.neg,
    lambda x: ew.exp(-abs(x)),
    lambda x: x * 0.5 + 1,
]
BINARY = [
    ew.add,
    ew.sub,
    ew.mul,
    ew.maximum,
    ew.minimum,
    lambda x, y: x / (1 + y * y),
    lambda x, y: ew.switch(x > y, x, y * 2),
]


@st.composite
def graphs(draw):
    """(roots, arrays, outputs): float64 variables of up to two dimensions, lengths 1 to 4, some unknown."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    pool: list[Variable] = []
    arrays = []
    for i in range(draw(st.integers(1, 3))):
        lengths = draw(st.lists(st.sampled_from([1, 3, 4]), max_size=2))
        hidden = draw(st.booleans())
        pool.append(TensorType("float64", [None if hidden and n != 1 else n for n in lengths])(f"x{i}"))
        arrays.append(rng.normal(size=lengths))
    roots = list(pool)
    size = {v: a.shape for v, a in zip(roots, arrays, strict=True)}
    evaluate = []

    def keep(v: Variable, lengths: tuple[int, ...]) -> None:
        size[v] = lengths
        pool.append(v)
        evaluate.append(v)

    for _ in range(draw(st.integers(2, 9))):
        x = draw(st.sampled_from(pool))
        lengths = size[x]
        match draw(st.integers(0, 9)):
            case 0 | 1:
                keep(draw(st.sampled_from(UNARY))(x), lengths)
            case 2 | 3:
                y = draw(st.sampled_from(pool))
                try:
                    together = np.broadcast_shapes(lengths, size[y])
                    v = draw(st.sampled_from(BINARY))(x, y)
                except ValueError:
                    continue
                # An axis of unknown length never broadcasts: the lengths must be the same there.
                if any(
                    n is None and m != length
                    for z in (x, y)
                    for n, m, length in zip(
                        z.type.shape, size[z], together[len(together) - z.ndim :], strict=True
                    )
                ):
                    continue
                keep(v, together)
            case 4 if x.ndim:
                axis = draw(st.integers(0, x.ndim - 1))
                how = draw(st.sampled_from(["sum", "max", "mean", "prod"]))
                keepdims = draw(st.booleans())
                reduced = tuple(1 if a == axis else n for a, n in enumerate(lengths))
                v = getattr(x, how)(axis=axis, keepdims=keepdims)
                keep(v, reduced if keepdims else lengths[:axis] + lengths[axis + 1 :])
            case 5 if x.ndim == 2:
                keep(x.T, lengths[::-1])
            case 6 if x.ndim:
                start, step = draw(st.integers(-4, 3)), draw(st.sampled_from([1, 2, -1]))
                kept = len(range(*slice(start, None, step).indices(lengths[0])))
                if kept:
                    keep(x[start::step], (kept, *lengths[1:]))
            case 7 if x.ndim:
                places = np.array(
                    draw(st.lists(st.integers(-lengths[0], lengths[0] - 1), min_size=1, max_size=5))
                )
                if draw(st.booleans()):
                    keep(x[places], (len(places), *lengths[1:]))
                else:
                    keep(index.inc_subtensor(x[places], 0.5), lengths)
            case 8 if x.ndim:
                y = draw(
                    st.sampled_from([v for v in pool if v.ndim == x.ndim and size[v][1:] == lengths[1:]])
                )
                keep(shape.concatenate([x, ew.tanh(y)]), (lengths[0] + size[y][0], *lengths[1:]))
            case 9 if x.ndim == 2:
                partners = [v for v in pool if v.ndim and size[v][0] == lengths[1]]
                if partners:
                    y = draw(st.sampled_from(partners))
                    keep(linalg.dot(x, y), lengths[:1] + size[y][1:])
    return roots, arrays, (evaluate or pool)[-3:]


@settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(graphs())
def test_c_is_python_loops_is_numpy(case):
    roots, arrays, outputs = case
    cost = sum(ew.tanh(v).sum() for v in outputs)
    gradients = grad(cost, roots, disconnected_inputs="ignore")
    graph = FunctionGraph(roots, [*outputs, cost, *gradients])
    expected = numpy_function(graph)(arrays)
    compiled = CompiledGraph(graph)
    in_c = compiled(arrays)
    in_python = run(compiled.program, arrays)
    for c, p, n in zip(in_c, in_python, expected, strict=True):
        np.testing.assert_allclose(c, n, 1e-9, 1e-11)
        np.testing.assert_allclose(p, n, 1e-9, 1e-11)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(graphs())
def test_gradients_are_finite_differences(case):
    roots, arrays, outputs = case
    if any(v.ndim > 2 for v in outputs):
        return
    cost = sum(ew.sin(v).sum() for v in outputs)
    value = numpy_function(FunctionGraph(roots, [cost, *grad(cost, roots, disconnected_inputs="ignore")]))
    _, *gradients = value(arrays)
    rng = np.random.default_rng(0)
    for k, (array, gradient) in enumerate(zip(arrays, gradients, strict=True)):
        direction = rng.normal(size=array.shape)
        slopes = []
        for step in (1e-5, 5e-6):
            up, down = (
                value([a + s * step * direction if i == k else a for i, a in enumerate(arrays)])[0]
                for s in (1, -1)
            )
            slopes.append((up - down) / (2 * step))
        if abs(slopes[0] - slopes[1]) > 1e-6 * max(1, abs(slopes[0])):
            continue  # a kink within the step: a difference says nothing
        np.testing.assert_allclose((gradient * direction).sum(), slopes[1], 1e-4, 1e-5)
