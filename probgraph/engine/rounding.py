"""How much of a result is rounding: a graph run again with each op's result moved by a unit in the last place.

Two ways to compute the same thing may differ by what rounding does in either, and how much that is depends on
the graph and on the values: log(1 - p) near p = 1 has no digit right, x + y nearly all. Moving every
intermediate result by the least amount shows it, with no analysis of the graph (Parker, "Monte Carlo
Arithmetic", 1997).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from probgraph.engine.graph import FunctionGraph, Variable, ancestors
from probgraph.engine.run_graph import apply_numpy, demanded, value_read


def coarsest(outputs: Sequence[Variable]) -> str:
    """What a graph rounds to: float32 where something in it is computed so, else float64."""
    kinds = {getattr(v.type, "dtype", None) for v in ancestors(outputs) if v.owner is not None}
    return "float32" if kinds & {"float32", "complex64"} else "float64"


RUNS = 8
#: an op's own error may be some units in the last place, and the runs do not meet the worst case
SAFETY = 10.0


def rounding(graph: FunctionGraph, arrays: Sequence[np.ndarray], results: Sequence[Any]) -> list[np.ndarray]:
    """For each output, how far rounding may have taken its elements from what they should be.

    `results` are the outputs' values for the inputs `arrays`. Of an element that no run moved it is 0; runs that
    fail, or give nan or inf, say nothing.

    >>> from probgraph.engine.types import TensorType
    >>> x = Variable(TensorType("float64", ()), "x")
    >>> [float(r) for r in rounding(FunctionGraph([x], [x]), [np.array(1.0)], [np.array(1.0)])]
    [0.0]
    """
    spread = [np.zeros(np.shape(result)) for result in results]
    random = np.random.default_rng(0)
    for _ in range(RUNS):
        try:
            with np.errstate(all="ignore"):
                moved = _run(graph, arrays, random)
        except Exception:
            continue
        for k, (before, after) in enumerate(zip(results, moved, strict=True)):
            if np.shape(before) != np.shape(after) or np.asarray(before).dtype.kind not in "biufc":
                continue
            with np.errstate(all="ignore"):
                wide = np.result_type(before, np.float64)
                distance = np.abs(np.asarray(after, wide) - np.asarray(before, wide))
            distance = np.where(np.isfinite(distance), distance, 0.0)
            spread[k] = np.maximum(spread[k], SAFETY * distance)
    return spread


def _run(graph: FunctionGraph, arrays: Sequence[Any], random: np.random.Generator) -> list[Any]:
    values: dict[Variable, Any] = dict(zip(graph.inputs, arrays, strict=True))
    for node in demanded(graph, values):
        results = apply_numpy(node, [value_read(v, values) for v in node.inputs])
        for v, result in zip(node.outputs, results, strict=True):
            values[v] = _moved(result, random)
    return [value_read(v, values) for v in graph.outputs]


def _moved(result: Any, random: np.random.Generator) -> Any:
    """Each floating number replaced by one of its neighbours, or kept. Zeros are kept: they are often exact."""
    array = np.asarray(result)
    if array.dtype.kind == "c":
        parts = np.ascontiguousarray(array).reshape(-1).view(array.real.dtype)
        return _moved(parts, random).view(array.dtype).reshape(array.shape)
    if array.dtype.kind != "f":
        return result
    towards = random.choice(np.array([-np.inf, np.inf], array.dtype), array.shape)
    moved = np.nextafter(array, towards)
    keep = (array == 0) | ~np.isfinite(array) | ~np.isfinite(moved) | (random.random(array.shape) < 0.25)
    return np.where(keep, array, moved)
