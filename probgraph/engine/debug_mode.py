"""DebugMode: every way to compute a graph is tried, and they must agree.

At each call the graph runs in NumPy as it was given and after each pass (a pass that changed what is computed
is named), every op's result is held against the type it announced, and the C results are held against NumPy's;
where they differ, the graph is compiled again with every intermediate value as an output, to name the first op
that is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from probgraph.engine.compiled import CompiledGraph
from probgraph.engine.execute import Run, Stage, numpy_run
from probgraph.engine.graph import Apply, FunctionGraph, Variable
from probgraph.engine.rounding import rounding
from probgraph.engine.run_graph import apply_numpy, demanded, value_read
from probgraph.engine.types import TensorType


class DebugModeError(AssertionError):
    """Two ways to compute the same thing gave different results."""


def debug_run(final: FunctionGraph, stages: Sequence[Stage], fast: Run, backend: str) -> Run:
    """A run of `final` by NumPy, which checks the passes that led to it and the fast way to run it."""
    graphs = [(stage.name, FunctionGraph(final.inputs, stage.outputs)) for stage in stages]

    def run(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        _check_passes(graphs, final, arrays)
        values = _every_value(final, arrays)
        reference = [np.array(values[v]) for v in final.outputs]
        if not backend.startswith("C"):
            return reference
        results = fast([array.copy() for array in arrays])
        allowed = None
        for position, (expected, given) in enumerate(zip(reference, results, strict=True)):
            if agree(expected, given):
                continue
            if allowed is None:
                allowed = rounding(final, arrays, reference)
            if not agree(expected, given, within=allowed[position]):
                raise DebugModeError(_first_difference(final, arrays, values, position, expected, given))
        return results

    return run


def agree(
    expected: np.ndarray, given: np.ndarray, better: bool = False, within: np.ndarray | None = None
) -> bool:
    """Whether two results are the same but for rounding. With `better`, numbers may stand where nan or inf did:
    that is what stabilising a graph is for. `within` is how far rounding takes each element, where that is more
    than usual."""
    if expected.shape != given.shape or expected.dtype != given.dtype:
        return False
    if expected.dtype.kind not in "fc":
        same = expected == given
        if within is not None and expected.dtype.kind in "biu":
            same |= np.abs(given.astype(np.float64) - expected.astype(np.float64)) <= within
        return bool(np.all(same))
    single = expected.dtype in (np.float32, np.complex64)
    close = np.isclose(
        given, expected, rtol=1e-4 if single else 1e-6, atol=1e-5 if single else 1e-9, equal_nan=True
    )
    if within is not None:
        with np.errstate(all="ignore"):
            close |= np.isfinite(given) & (np.abs(given - expected) <= within)
    if better:
        close |= ~np.isfinite(expected)
    return bool(np.all(close))


def _check_passes(
    graphs: Sequence[tuple[str, FunctionGraph]], final: FunctionGraph, arrays: Sequence[np.ndarray]
) -> None:
    """A pass may change a result by as much as rounding did in the graph it was given: it may even be its task."""
    (_, graph), *later = graphs
    before = numpy_run(graph)(arrays)
    for name, rewritten in later:
        after = numpy_run(rewritten)(arrays)
        allowed = None
        for position, (expected, given) in enumerate(zip(before, after, strict=True)):
            if agree(expected, given, better=True):
                continue
            if allowed is None:
                allowed = rounding(graph, arrays, before)
            if not agree(expected, given, better=True, within=allowed[position]):
                raise DebugModeError(
                    f"the pass {name} changed output {position} ({final.outputs[position]}):"
                    f"{_compared('before', expected, 'after', given)}"
                )
        before, graph = after, rewritten


def _every_value(graph: FunctionGraph, arrays: Sequence[np.ndarray]) -> dict[Variable, Any]:
    """The value of every variable of a graph, each held against its type."""
    values: dict[Variable, Any] = dict(zip(graph.inputs, arrays, strict=True))
    for node in demanded(graph, values):
        results = apply_numpy(node, [value_read(v, values) for v in node.inputs])
        for v, result in zip(node.outputs, results, strict=True):
            _check_type(node, v, result)
            values[v] = result
    for v in graph.outputs:
        values[v] = value_read(v, values)
    return values


def _check_type(node: Apply, v: Variable, result: Any) -> None:
    array = np.asarray(result)
    kind = v.type
    if not isinstance(kind, TensorType):
        return
    fits = array.dtype.name == kind.dtype and array.ndim == kind.ndim
    if not fits or any(n is not None and n != m for n, m in zip(kind.shape, array.shape, strict=True)):
        raise DebugModeError(
            f"{node.op} announced a {kind} and made an array of dtype {array.dtype} and shape {array.shape}."
            f" {_made(node)}"
        )


def _first_difference(
    graph: FunctionGraph,
    arrays: Sequence[np.ndarray],
    values: dict[Variable, Any],
    position: int,
    expected: np.ndarray,
    given: np.ndarray,
) -> str:
    """Says which op's C result differs from NumPy's first, by compiling the graph with all values as outputs."""
    between = [v for node in graph.toposort() for v in node.outputs]
    try:
        compiled = CompiledGraph(FunctionGraph(graph.inputs, between))([a.copy() for a in arrays])
    except (NotImplementedError, ValueError, ArithmeticError) as error:
        compiled, between = [], []
        note = f" (the values in between could not be compared: {error})"
    else:
        note = " (with every value stored the C results agree: the difference is in how ops are fused)"
    for v, result in zip(between, compiled, strict=True):
        if not agree(np.asarray(values[v]), result):
            node = v.owner
            assert node is not None
            return (
                f"the C of {node.op} differs from its NumPy meaning."
                f"{_compared('NumPy', np.asarray(values[v]), 'C', result)}\n{_made(node)}"
            )
    node = graph.outputs[position].owner
    who = f"output {position}, {graph.outputs[position] if node is None else node.op}"
    made = "" if node is None else f"\n{_made(node)}"
    return (
        f"the C result of {who} differs from NumPy's{note}.{_compared('NumPy', expected, 'C', given)}{made}"
    )


def _made(node: Apply) -> str:
    return f"Apply node: {node}\nMade in {node.trace[0]}, line {node.trace[1]}"


def _compared(one: str, a: np.ndarray, other: str, b: np.ndarray) -> str:
    if a.shape != b.shape or a.dtype != b.dtype:
        return f"\n{one}: {a.dtype} of shape {a.shape}\n{other}: {b.dtype} of shape {b.shape}"
    with np.errstate(all="ignore"):
        wrong = ~np.isclose(b, a, rtol=1e-9, atol=0, equal_nan=True)
        place = tuple(int(i[0]) for i in np.nonzero(wrong)) if a.ndim else ()
    return f"\n{one}: {a[place]!r}\n{other}: {b[place]!r}" + (f" at index {place}" if place else "")
