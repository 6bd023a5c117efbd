"""A graph run in NumPy, op by op: the meaning of every graph, and what constant folding uses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from probgraph.engine.graph import Apply, Constant, FunctionGraph, MissingInputError, Variable, graph_inputs
from probgraph.engine.shared import SharedVariable


def apply_numpy(node: Apply, values: Sequence[Any]) -> tuple[Any, ...]:
    """The values of a node's outputs from those of its inputs. Errors say which op, and who made it."""
    try:
        node.op.check_lengths(node, values)
        results = node.op.numpy(*values)
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

    def run(values: Sequence[Any]) -> list[Any]:
        known: dict[Variable, Any] = dict(zip(graph.inputs, values, strict=True))
        for node in steps:
            results = apply_numpy(node, [known[v] if v in known else _root_value(v) for v in node.inputs])
            for v, result in zip(node.outputs, results, strict=True):
                known[v] = np.asarray(result) if isinstance(result, np.generic) else result
        return [known[v] if v in known else _root_value(v) for v in graph.outputs]

    return run


def _root_value(v: Variable) -> Any:
    if isinstance(v, Constant):
        return v.data
    if isinstance(v, SharedVariable):
        return v.container.value
    raise MissingInputError(f"the graph needs the value of {v}, which was not given")


def evaluate(output: Variable, given: dict[Variable, Any] | None = None, **by_name: Any) -> Any:
    """The value of a variable, given those of its roots by variable or by name."""
    if isinstance(output, Constant | SharedVariable):
        return np.array(_root_value(output))
    values = dict(given or {})
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
