"""x[key] for keys drawn at random: value, gradient, set and inc are NumPy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probgraph.engine.autodiff import grad
from probgraph.engine.compiled import CompiledGraph
from probgraph.engine.graph import FunctionGraph, Variable
from probgraph.engine.lower import lower
from probgraph.engine.op import as_variable
from probgraph.engine.ops import index
from probgraph.engine.rewrite import run_passes
from probgraph.engine.rules import FAST_RUN
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.run_loops import run
from probgraph.engine.toolchain import find_compiler
from probgraph.engine.types import TensorType


@st.composite
def keys(draw, masks=True):
    """A shape and a key that NumPy takes for it; some of its items are to be symbolic."""
    shape = tuple(draw(st.lists(st.integers(0, 4), min_size=1, max_size=3)))
    items, axis = [], 0
    together = draw(st.sampled_from([(), (1,), (2,), (2, 1), (2, 3), (0,)]))
    ellipsis = draw(st.integers(-1, len(shape)))
    while axis < len(shape):
        if axis == ellipsis:
            items.append(Ellipsis)
            axis += draw(st.integers(0, len(shape) - axis))
            ellipsis = -1
            continue
        n = shape[axis]
        kind = draw(st.sampled_from(["int", "slice", "slice", "none", "array", "mask", "stop"]))
        if kind == "stop":
            break
        if kind == "none":
            items.append(None)
            if draw(st.booleans()):
                continue
            items.append(slice(None))
        elif kind == "int" and n:
            items.append(draw(st.integers(-n, n - 1)))
        elif kind == "array" and n:
            values = draw(st.lists(st.integers(-n, n - 1), min_size=6, max_size=6))
            items.append(np.resize(values, together).astype("int64"))
        elif kind == "mask" and masks and not any(isinstance(i, np.ndarray) for i in items):
            wide = draw(st.integers(1, len(shape) - axis))
            size = int(np.prod(shape[axis : axis + wide]))
            held = draw(st.lists(st.booleans(), min_size=size, max_size=size))
            items.append(np.array(held, bool).reshape(shape[axis : axis + wide]))
            together = (1,)
            axis += wide - 1
        else:
            bound = st.none() | st.integers(-6, 6)
            step = draw(st.none() | st.sampled_from([1, 2, 3, -1, -2, -3]))
            items.append(slice(draw(bound), draw(bound), step))
        axis += 1
    return shape, tuple(items), draw(st.booleans())


def _symbolic(key, inputs, arrays):
    """The key with variables for its numbers and arrays."""

    def variable(value):
        array = np.asarray(value)
        v = TensorType(array.dtype, (None,) * array.ndim)(f"k{len(inputs)}")
        inputs.append(v)
        arrays.append(array)
        return v

    result = []
    for item in key:
        if isinstance(item, slice):
            parts = (item.start, item.stop, item.step)
            result.append(slice(*(b if b is None else variable(b) for b in parts)))
        else:
            result.append(item if item is None or item is Ellipsis else variable(item))
    return tuple(result)


def _programs(data):
    """The inputs, their arrays, the graphs and what NumPy says they are; None if NumPy refuses the key."""
    shape, key, symbolic = data
    x = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)
    dots = any(item is Ellipsis for item in key)
    masked = any(isinstance(item, np.ndarray) and item.dtype == bool for item in key)
    if dots and masked and x.size == 0:
        # Behind an Ellipsis an empty mask may be of another length than its axis: NumPy lets it pass if the array
        # is empty too, we do not.
        return None
    try:
        part = x[key]
    except IndexError:
        return None
    v = TensorType("float64", (None,) * x.ndim if symbolic else shape)("x")
    inputs: list[Variable] = [v]
    arrays = [x]
    own = _symbolic(key, inputs, arrays) if symbolic else key
    weights = np.cos(np.arange(part.size, dtype=float)).reshape(part.shape)
    found = v[own]
    y = as_variable(weights)
    graphs, expected = [found], [part]
    slope = np.zeros(shape)
    np.add.at(slope, key, weights)
    graphs.append(grad((found * y).sum(), v, disconnected_inputs="ignore"))
    expected.append(slope)
    for value in (0.5, weights):
        overwritten, increased = np.array(x), np.array(x)
        overwritten[key] = value
        np.add.at(increased, key, value)
        graphs += [index.set_subtensor(found, value), index.inc_subtensor(found, value)]
        expected += [overwritten, increased]
    return inputs, arrays, graphs, expected


def _check(results, expected, who):
    for number, (got, want) in enumerate(zip(results, expected, strict=True)):
        assert got.shape == want.shape, (who, number)
        np.testing.assert_allclose(got, want, 1e-12, 1e-12, err_msg=f"{who} {number}")


@settings(max_examples=2000, deadline=None)
@given(keys())
def test_in_numpy(data):
    made = _programs(data)
    if made is not None:
        inputs, arrays, graphs, expected = made
        for graph, want in zip(graphs, expected, strict=True):
            assert all(n in (None, m) for n, m in zip(graph.type.shape, want.shape, strict=True))
        _check(numpy_function(FunctionGraph(inputs, graphs))(arrays), expected, "NumPy")


@settings(max_examples=200, deadline=None)
@given(keys(masks=False))
def test_in_loops(data):
    made = _programs(data)
    if made is not None:
        inputs, arrays, graphs, expected = made
        program = lower(FunctionGraph(inputs, run_passes(graphs, FAST_RUN)))
        _check(run(program, arrays), expected, "loops")


@pytest.mark.skipif(find_compiler() is None, reason="needs a C compiler")
@settings(max_examples=12, deadline=None)
@given(keys(masks=False))
def test_in_c(data):
    made = _programs(data)
    if made is not None:
        inputs, arrays, graphs, expected = made
        _check(CompiledGraph(FunctionGraph(inputs, run_passes(graphs, FAST_RUN)))(arrays), expected, "C")
