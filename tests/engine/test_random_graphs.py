"""Random graphs: C, loops in Python and NumPy give the same values and the same gradients.

A graph grows from a few roots of any dtype and of lengths 0 to 4, some of them unknown to the graph, by moves
drawn at random. A move that NumPy refuses (shapes that do not fit, nothing to choose from) is not made.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import probgraph.engine as theano
from probgraph.engine.autodiff import grad
from probgraph.engine.compiled import CompiledGraph
from probgraph.engine.graph import FunctionGraph, Variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import index, linalg, shape
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.run_loops import run
from probgraph.engine.toolchain import find_compiler
from probgraph.engine.types import FLOATS, TensorType

pytestmark = pytest.mark.skipif(find_compiler() is None, reason="needs a C compiler")

DTYPES = ["float64"] * 6 + ["float32", "int64", "int32", "int8", "uint8", "bool"]
#: for floats, and what may be done to any number
SMOOTH = [
    ew.tanh,
    ew.sin,
    ew.sigmoid,
    ew.softplus,
    lambda x: ew.exp(-abs(x)),
    lambda x: ew.log1p(x * x),
    lambda x: x * 0.5 + 1,
]
STEPPED = [
    lambda x: abs(ew.cast(x, "int32")),
    lambda x: ew.cast(x > 0, "int64"),
    lambda x: ew.cast(x, "float64"),
    lambda x: ew.cast(x, "float32") / 2,
    ew.floor,
    ew.sgn,
]
BINARY = [
    ew.add,
    ew.mul,
    ew.maximum,
    ew.minimum,
    lambda x, y: x / (1 + y * y),
    lambda x, y: ew.switch(x > y, x, y * 2),
    lambda x, y: x - ew.cast(y, "float64"),
    lambda x, y: ew.cast(x, "int64") // ew.cast(y, "int64"),
    lambda x, y: ew.cast(x, "int64") % ew.cast(y, "int64"),
]
REDUCTIONS = ["sum", "max", "min", "mean", "prod", "any", "all", "var"]


def elementwise(draw, pool):
    x = draw(st.sampled_from(pool))
    return draw(st.sampled_from(SMOOTH if x.dtype in FLOATS else STEPPED))(x)


def step_function(draw, pool):
    return draw(st.sampled_from(STEPPED))(draw(st.sampled_from(pool)))


def binary(draw, pool):
    return draw(st.sampled_from(BINARY))(draw(st.sampled_from(pool)), draw(st.sampled_from(pool)))


def reduction(draw, pool):
    x = draw(st.sampled_from([v for v in pool if v.ndim]))
    axis = draw(st.sampled_from([None, *range(x.ndim)]))
    return getattr(x, draw(st.sampled_from(REDUCTIONS)))(axis=axis, keepdims=draw(st.booleans()))


def view(draw, pool):
    x = draw(st.sampled_from([v for v in pool if v.ndim]))
    bound = st.none() | st.integers(-5, 5)
    part = slice(draw(bound), draw(bound), draw(st.sampled_from([None, 2, -1, -2])))
    match draw(st.integers(0, 4)):
        case 0:
            return x.T
        case 1:
            return x[part]
        case 2:
            return x[..., part]
        case 3:
            return x[draw(st.integers(-4, 3))]
        case _:
            return x.reshape((-1,))


def gather(draw, pool):
    x = draw(st.sampled_from([v for v in pool if v.ndim]))
    places = np.array(draw(st.lists(st.integers(-4, 3), min_size=0, max_size=5)), dtype="int64")
    match draw(st.integers(0, 2)):
        case 0:
            return x[places]
        case 1:
            return index.inc_subtensor(x[places], 1)
        case _:
            return index.set_subtensor(x[1:], x[:-1])


def joined(draw, pool):
    x = draw(st.sampled_from([v for v in pool if v.ndim]))
    y = draw(st.sampled_from([v for v in pool if v.ndim == x.ndim]))
    return shape.concatenate([x, y], axis=draw(st.integers(0, x.ndim - 1)))


def product(draw, pool):
    x = draw(st.sampled_from([v for v in pool if v.ndim in (1, 2) and v.dtype != "bool"]))
    y = draw(st.sampled_from([v for v in pool if v.ndim in (1, 2) and v.dtype != "bool"]))
    return linalg.dot(x, y)


def recurrence(draw, pool):
    x = draw(st.sampled_from([v for v in pool if v.ndim and v.dtype == "float64"]))
    factor = draw(st.sampled_from([v for v in pool if v.ndim == 0 and v.dtype == "float64"] or [0.5]))
    if draw(st.booleans()):
        states, _ = theano.scan(lambda row, s, f: ew.tanh(row.sum() + s * f), x, 0.1, factor)
    else:
        states, _ = theano.scan(lambda row, s, f: row * f + ew.sin(s), x, ew.zeros_like(x[0]), factor)
    return states if draw(st.booleans()) else states.sum(0)


MOVES = (
    [elementwise] * 3
    + [binary] * 3
    + [step_function, reduction, reduction, view, view, gather, joined, product, recurrence]
)


@st.composite
def graphs(draw):
    """(roots, arrays, outputs)."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    roots: list[Variable] = []
    arrays: list[np.ndarray] = []
    for i in range(draw(st.integers(1, 3))):
        lengths = draw(st.lists(st.sampled_from([0, 1, 3, 3, 4]), max_size=2))
        dtype = draw(st.sampled_from(DTYPES))
        hidden = draw(st.booleans())
        roots.append(TensorType(dtype, [None if hidden and n != 1 else n for n in lengths])(f"x{i}"))
        numbers = rng.normal(size=lengths) * 2
        arrays.append(np.asarray(abs(numbers) if dtype == "uint8" else numbers).astype(dtype))
    pool, made = list(roots), []
    for _ in range(draw(st.integers(2, 8))):
        try:
            v = draw(st.sampled_from(MOVES))(draw, pool)
            (value,) = numpy_function(FunctionGraph(roots, [v]))(arrays)
        except (ValueError, TypeError, IndexError, OverflowError, NotImplementedError, AssertionError):
            continue
        if np.size(value) > 200 or (value.dtype.kind == "f" and not np.all(np.abs(value) < 1e6)):
            continue
        pool.append(v)
        made.append(v)
    return roots, arrays, (made or pool)[-3:]


def cost_of(outputs: list[Variable]) -> Variable:
    terms = [ew.tanh(ew.cast(v, "float64")).sum() for v in outputs]
    return sum(terms[1:], start=terms[0])


@settings(max_examples=2000, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(graphs())
def test_c_is_python_loops_is_numpy(case):
    roots, arrays, outputs = case
    cost = cost_of(outputs)
    continuous = [v for v in roots if v.dtype in FLOATS]
    graph = FunctionGraph(roots, [*outputs, cost, *grad(cost, continuous, disconnected_inputs="ignore")])
    expected = numpy_function(graph)(arrays)
    compiled = CompiledGraph(graph)
    rough = any(v.dtype == "float32" for v in (*roots, *outputs))
    rtol, atol = (2e-3, 2e-4) if rough else (1e-9, 1e-11)
    for c, p, n in zip(compiled(arrays), run(compiled.program, arrays), expected, strict=True):
        assert c.dtype == p.dtype == n.dtype
        np.testing.assert_allclose(c, n, rtol, atol)
        np.testing.assert_allclose(p, n, rtol, atol)


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(graphs())
def test_gradients_are_finite_differences(case):
    roots, arrays, outputs = case
    which = [k for k, v in enumerate(roots) if v.dtype == "float64"]
    if any(v.dtype == "float32" for v in (*roots, *outputs)) or not which:
        return
    cost = cost_of(outputs)
    gradients = grad(cost, [roots[k] for k in which], disconnected_inputs="ignore")
    value = numpy_function(FunctionGraph(roots, [cost, *gradients]))
    _, *found = value(arrays)
    rng = np.random.default_rng(0)
    for k, gradient in zip(which, found, strict=True):
        direction = rng.normal(size=arrays[k].shape)

        def slope(step: float, k=k, direction=direction) -> tuple[float, float]:
            moved = [
                [a + s * direction if i == k else a for i, a in enumerate(arrays)] for s in (step, 0, -step)
            ]
            up, here, down = (float(value(m)[0]) for m in moved)
            return (up - here) / step, (here - down) / step

        sides = [side for step in (1e-5, 3e-6) for side in slope(step)]
        if max(sides) - min(sides) > 1e-3 * max(1, abs(sides[0])):
            continue  # a kink or a jump within the step: a difference says nothing
        np.testing.assert_allclose((gradient * direction).sum(), np.mean(sides[:2]), 1e-3, 1e-4)
