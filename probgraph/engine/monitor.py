"""A graph run op by op with functions called around each op: what MonitorMode, NanGuardMode and profiles use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from probgraph.engine.execute import Run, numpy_run
from probgraph.engine.graph import Apply, FunctionGraph, Variable
from probgraph.engine.printing import debugprint
from probgraph.engine.run_graph import apply_numpy, demanded, value_read


@dataclass
class Step:
    """One op at work. `inputs` and `outputs` are lists of cells: one-element lists that hold a value each.

    Before the op has run, its outputs' cells hold None.
    """

    inputs: list[list[Any]]
    outputs: list[list[Any]] = field(default_factory=list)


Watch = Callable[[int, Apply, Step], None]


def watched_run(graph: FunctionGraph, before: Watch | None = None, after: Watch | None = None) -> Run:
    """The graph run by NumPy, with `before(i, node, step)` and `after(i, node, step)` called around each op.

    `i` is the op's place in `graph.toposort()`. What they raise ends the run.
    """
    place = {node: i for i, node in enumerate(graph.toposort())}

    def compute(arrays: Sequence[Any]) -> list[Any]:
        values: dict[Variable, Any] = dict(zip(graph.inputs, arrays, strict=True))
        for node in demanded(graph, values):
            step = Step([[value_read(v, values)] for v in node.inputs], [[None] for _ in node.outputs])
            if before is not None:
                before(place[node], node, step)
            results = apply_numpy(node, [cell[0] for cell in step.inputs])
            step.outputs = [[np.asarray(r) if isinstance(r, np.generic) else r] for r in results]
            if after is not None:
                after(place[node], node, step)
            values.update((v, cell[0]) for v, cell in zip(node.outputs, step.outputs, strict=True))
        return [value_read(v, values) for v in graph.outputs]

    return numpy_run(graph, compute)


def detect_nan(i: int, node: Apply, fn: Step) -> None:
    """A `post_func` for MonitorMode: prints the op, its inputs and outputs, when an output has a nan."""
    for (value,) in fn.outputs:
        array = np.asarray(value)
        if array.dtype.kind in "fc" and np.isnan(array).any():
            print("*** NaN detected ***")
            debugprint(node)
            print(f"Inputs : {[cell[0] for cell in fn.inputs]}")
            print(f"Outputs: {[cell[0] for cell in fn.outputs]}")
            print(f"Made in {node.trace[0]}, line {node.trace[1]}")
            return
