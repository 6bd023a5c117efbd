"""A graph run in NumPy, op by op: the meaning of every graph, and what constant folding uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from probgraph.engine.graph import Apply, Constant, FunctionGraph, MissingInputError, Variable, graph_inputs
from probgraph.engine.op import Choice
from probgraph.engine.shared import SharedVariable


def apply_numpy(
    node: Apply, values: Sequence[Any], evaluate: Callable[[Apply, Sequence[Any]], Any] | None = None
) -> tuple[Any, ...]:
    """The values of a node's outputs from those of its inputs, by its op or by another way to do the same. Errors
    say which op, and who made it."""
    try:
        node.op.check_lengths(node, values)
        results = (evaluate or node.op.evaluate)(node, values)
    except Exception as error:
        error.add_note(explanation(node, values))
        raise
    return results if len(node.outputs) > 1 else (results,)


def explanation(node: Apply, values: Sequence[Any] | None = None) -> str:
    """What a run-time error says of the node that failed."""
    lines = [f"Apply node that caused the error: {node}"]
    lines.append(f"Inputs types: [{', '.join(str(v.type) for v in node.inputs)}]")
    if values is not None:
        lines.append(f"Inputs shapes: {[np.shape(v) for v in values]}")
        lines.append(f"Inputs values: {[v if np.size(v) <= 5 else 'not shown' for v in values]}")
    lines.append(f"Made in {node.trace[0]}, line {node.trace[1]}")
    return "\n".join(lines)


def numpy_function(graph: FunctionGraph) -> Callable[[Sequence[Any]], list[Any]]:
    """The graph as a Python function from the inputs' values to the outputs'."""
    steps = graph.toposort()
    on_demand = any(isinstance(node.op, Choice) for node in steps)

    def run(values: Sequence[Any]) -> list[Any]:
        known: dict[Variable, Any] = dict(zip(graph.inputs, values, strict=True))
        for node in demanded(graph, known) if on_demand else steps:
            results = apply_numpy(node, [value_read(v, known) for v in node.inputs])
            for v, result in zip(node.outputs, results, strict=True):
                known[v] = np.asarray(result) if isinstance(result, np.generic) else result
        return [known[v] if v in known else _root_value(v) for v in graph.outputs]

    return run


def demanded(graph: FunctionGraph, known: Mapping[Variable, Any]) -> Iterator[Apply]:
    """The nodes that the outputs need, each when its inputs are in `known`, where the caller puts its results.

    Of a choice only the inputs that it asks for are needed, and so no more than these are computed.
    """
    waiting = [v.owner for v in reversed(graph.outputs) if v.owner is not None and v not in known]
    while waiting:
        node = waiting[-1]
        if all(v in known for v in node.outputs):
            waiting.pop()
            continue
        first = node.inputs[:1]
        if isinstance(node.op, Choice) and (first[0] in known or first[0].owner is None):
            read = [*first, *(node.inputs[i] for i in node.op.wanted(value_read(first[0], known)))]
        else:
            read = first if isinstance(node.op, Choice) else node.inputs
        missing = [v.owner for v in read if v.owner is not None and v not in known]
        if missing:
            waiting.extend(reversed(missing))
            continue
        waiting.pop()
        yield node


def value_read(v: Variable, known: Mapping[Variable, Any]) -> Any:
    """What is known of a node's input; None for what a choice does not ask for."""
    if v in known:
        return known[v]
    return _root_value(v) if v.owner is None else None


def _root_value(v: Variable) -> Any:
    if isinstance(v, Constant):
        return v.data
    if isinstance(v, SharedVariable):
        return v.container.value
    raise MissingInputError(f"the graph needs the value of {v}, which was not given")


def evaluate(output: Variable, given: dict[Variable | str, Any] | None = None, **by_name: Any) -> Any:
    """The value of a variable, given those of its roots by variable or by name."""
    if isinstance(output, Constant | SharedVariable):
        return np.array(_root_value(output))
    values = {v: value for v, value in (given or {}).items() if isinstance(v, Variable)}
    by_name = {v: value for v, value in (given or {}).items() if not isinstance(v, Variable)} | by_name
    roots = {v.name: v for v in graph_inputs([output]) if v.name is not None}
    for name, value in by_name.items():
        if name not in roots:
            raise MissingInputError(
                f"{name} is not a root of {output}: its roots are {', '.join(roots) or 'unnamed'}"
            )
        values[roots[name]] = value
    arrays = [v.type.filter(value) for v, value in values.items()]
    (result,) = numpy_function(FunctionGraph(list(values), [output]))(arrays)
    return np.array(result)
