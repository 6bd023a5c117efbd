"""Arrays for operations along an axis: ties, nan, both zeros, nothing, one element, every real dtype, long rows."""

from __future__ import annotations

import numpy as np

from probgraph.engine.compiled import CompiledGraph
from probgraph.engine.graph import FunctionGraph
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.run_loops import run
from probgraph.engine.types import TensorType

REALS = [
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float32",
    "float64",
]

RNG = np.random.default_rng(8)
HARD = np.array(
    [[3.0, np.nan, -0.0, 0.0, 3.0], [np.inf, 1.0, -np.inf, np.nan, np.nan], [2.0, 2, 2, 2, 1e308]]
)
SMALL = RNG.normal(size=(3, 4))
CUBE = RNG.permutation(24).reshape(2, 3, 4) / 7


def of_dtype(dtype, shape=(3, 37)):
    """Values with many ties and the dtype's extremes."""
    if dtype.startswith("float"):
        values = RNG.integers(-9, 9, shape) / 4
        values.flat[:3] = np.nan, np.inf, -np.inf
        return values.astype(dtype)
    if dtype == "bool":
        return RNG.integers(0, 2, shape).astype(bool)
    limits = np.iinfo(dtype)
    values = RNG.integers(0, 9, shape).astype(dtype)
    values.flat[:2] = limits.max, limits.min
    return values


def check_everywhere(graph, truth, *arrays):
    """C, its loops in Python, and the ops in NumPy give the truth, bit for bit."""
    inputs = [TensorType(a.dtype, (None,) * a.ndim)(f"x{i}") for i, a in enumerate(arrays)]
    made = graph(*inputs)
    outputs = made if isinstance(made, list) else [made]
    with np.errstate(all="ignore"):
        expected = truth(*arrays)
    expected = expected if isinstance(expected, list) else [expected]
    whole = FunctionGraph(inputs, outputs)
    program = CompiledGraph(whole)
    ways = {
        "NumPy": numpy_function(whole)(list(arrays)),
        "C": program(arrays),
        "Python": run(program.program, arrays),
    }
    for way, results in ways.items():
        for got, value in zip(results, expected, strict=True):
            assert got.dtype == np.asarray(value).dtype, way
            np.testing.assert_array_equal(got, value, way)
