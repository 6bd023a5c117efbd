"""Scan: a step, given as a graph, run again and again; what it means and what types it takes.

How it differentiates is told in `loop_gradient`; how users come to one, in `scanning`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from probgraph.engine.graph import Apply, Constant, FunctionGraph, MissingInputError, Variable
from probgraph.engine.loop_gradient import Backward
from probgraph.engine.op import Loop
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.types import TensorType, describe


class Scan(Loop):
    """`graph` run step after step: see `Loop` for the order of its inputs and of a node's.

    The sequences of a node have exactly as many rows as there are steps to make; `until` may end it earlier.
    With `truncate_gradient` = n gradients flow back through the last n steps only. Two scans are equal when
    their graphs are the same operations in the same order, whatever their names.
    """

    def __init__(
        self,
        graph: FunctionGraph,
        sequences: int,
        taps: Sequence[Sequence[int]],
        until: bool = False,
        truncate_gradient: int = -1,
        name: str | None = None,
    ) -> None:
        self.graph = graph
        self.sequences = sequences
        self.taps = tuple(tuple(steps_back) for steps_back in taps)
        self.until = until
        self.truncate_gradient = truncate_gradient
        self.name = name
        if any(not t or t[0] < 1 or list(t) != sorted(set(t)) for t in self.taps):
            raise ValueError(f"{self}: taps are ascending numbers of steps back, from 1; got {self.taps}")
        given = set(graph.inputs)
        missing = [v for v in graph.variables if v.owner is None and not isinstance(v, Constant)]
        missing = [str(v) for v in missing if v not in given]
        if missing:
            raise MissingInputError(f"{self}: the step needs {', '.join(missing)}, which are not its inputs")
        for i, (before, after) in enumerate(zip(self.step_taps, graph.outputs, strict=False)):
            if not all(v.type.accepts(after.type) for v in before):
                given_and_needed = describe([after.type, before[0].type])
                raise TypeError(f"{self}: state {i} changes its type in a step: {given_and_needed}")

    def __str__(self) -> str:
        return f"{'do_while' if self.until else 'for'}{{cpu,{self.name or 'scan_fn'}}}"

    __repr__ = __str__

    def __getstate__(self) -> dict[str, Any]:
        kept = ("graph", "sequences", "taps", "until", "truncate_gradient", "name")
        return {name: getattr(self, name) for name in kept}

    def _identity(self) -> tuple[Any, ...]:
        return (Scan, self._structure, self.sequences, self.taps, self.until, self.truncate_gradient)

    @cached_property
    def _structure(self) -> tuple[Any, ...]:
        """The step with its variables numbered: equal for steps that are the same but for names."""
        number: dict[Variable, Any] = {v: i for i, v in enumerate(self.graph.inputs)}
        nodes: list[Any] = []

        def seen(v: Variable) -> Any:
            found = number.get(v)
            return v.signature if found is None else found

        for node in self.graph.toposort():
            nodes.append((node.op, tuple(seen(v) for v in node.inputs)))
            number.update((v, (len(nodes), i)) for i, v in enumerate(node.outputs))
        return tuple(v.type for v in self.graph.inputs), tuple(nodes), tuple(map(seen, self.graph.outputs))

    def rebuilt_inner(self, graph: FunctionGraph) -> Scan:
        """The same loop with another graph for its step, whose inputs and outputs mean what they did."""
        if (len(graph.inputs), len(graph.outputs)) != (len(self.graph.inputs), len(self.graph.outputs)):
            raise ValueError(f"{self}: the new step has other numbers of inputs and outputs than the old")
        return Scan(graph, self.sequences, self.taps, self.until, self.truncate_gradient, self.name)

    # What stands where --------------------------------------------------------------------------------

    @property
    def results(self) -> list[Variable]:
        """The step's outputs that become outputs of the loop: all but the condition to stop."""
        return self.graph.outputs[: len(self.graph.outputs) - self.until]

    @cached_property
    def step_taps(self) -> list[list[Variable]]:
        """The step's inputs that are earlier values of each state."""
        rest = iter(self.graph.inputs[self.sequences :])
        return [[next(rest) for _ in taps] for taps in self.taps]

    @property
    def step_fixed(self) -> list[Variable]:
        return self.graph.inputs[self.sequences + sum(map(len, self.taps)) :]

    def given(self, inputs: Sequence[Any]) -> tuple[Any, list[Any], list[Any], list[Any]]:
        """A node's inputs (or their values): the number of steps, sequences, pasts of states, what is fixed."""
        count, *rest = inputs
        first, last = self.sequences, self.sequences + len(self.taps)
        return count, rest[:first], rest[first:last], rest[last:]

    # Types --------------------------------------------------------------------------------------------

    def infer_type(self, *inputs: Variable) -> list[TensorType]:
        expected = 1 + self.sequences + len(self.taps) + len(self.step_fixed)
        if len(inputs) != expected:
            raise TypeError(f"{self} takes {expected} inputs, got {len(inputs)}")
        count, sequences, pasts, fixed = self.given(inputs)
        if count.type != TensorType("int64", ()):
            raise TypeError(f"{self}: the number of steps is an int64 scalar, got {describe([count.type])}")
        steps = int(count.data) if isinstance(count, Constant) else None
        if steps is not None and steps < 0:
            raise IndexError(f"{self}: the number of steps is negative: {steps}")
        for v, mine in zip(sequences, self.graph.inputs, strict=False):
            self._fits("sequence", v, _rows(v), mine)
            if steps is not None and v.type.shape[0] not in (None, steps):
                raise ValueError(_wrong_length(self, v, v.type.shape[0], steps))
        for v, taps, mine in zip(pasts, self.taps, self.step_taps, strict=True):
            for tap in mine:
                self._fits("initial state", v, _rows(v), tap)
            if v.type.shape[0] not in (None, taps[-1]):
                raise ValueError(_wrong_past(self, v, v.type.shape[0], taps[-1]))
        for v, mine in zip(fixed, self.step_fixed, strict=True):
            self._fits("input", v, v.type, mine)
        made = None if self.until else steps
        return [TensorType(v.dtype, (made, *v.type.shape)) for v in self.results]

    def _fits(self, what: str, v: Variable, given: TensorType | None, mine: Variable) -> None:
        if given is None or not mine.type.accepts(given):
            raise TypeError(
                f"{self}: the {what} {v} is {describe([v.type])}, of which the step sees {describe([mine.type])}"
            )

    # What it means ------------------------------------------------------------------------------------

    def check_lengths(self, node: Apply, arrays: Sequence[Any]) -> None:
        steps, sequences, pasts, _ = self.given(arrays)
        _, sequence_variables, past_variables, _ = self.given(node.inputs)
        if steps < 0:
            raise IndexError(f"{self}: the number of steps is negative: {int(steps)}")
        for v, array in zip(sequence_variables, sequences, strict=True):
            if len(array) != steps:
                raise ValueError(_wrong_length(self, v, len(array), int(steps)))
        for v, array, taps in zip(past_variables, pasts, self.taps, strict=True):
            if len(array) != taps[-1]:
                raise ValueError(_wrong_past(self, v, len(array), taps[-1]))

    @cached_property
    def _run(self) -> Any:
        return numpy_function(self.graph)

    def numpy(self, *arrays: Any) -> Any:
        return self.repeated(self._run, arrays)

    def repeated(self, run: Callable[[Sequence[Any]], Sequence[Any]], arrays: Sequence[Any]) -> Any:
        steps, sequences, pasts, fixed = self.given(arrays)
        steps = int(steps)
        saved: list[np.ndarray] = []
        made = 0
        while made < steps:
            t = made
            earlier = [
                saved[i][t - tap, ...] if tap <= t else np.asarray(past[taps[-1] + t - tap])
                for i, (past, taps) in enumerate(zip(pasts, self.taps, strict=True))
                for tap in taps
            ]
            values = run([*(np.asarray(s[t]) for s in sequences), *earlier, *fixed])
            if not saved:
                saved = [
                    np.empty((steps, *np.shape(value)), v.dtype)
                    for v, value in zip(self.results, values, strict=False)
                ]
                self._check_states(saved, pasts)
            for i, array in enumerate(saved):
                if np.shape(values[i]) != array.shape[1:]:
                    raise ValueError(
                        f"{self}: output {i} of the step has shape {np.shape(values[i])} in step {t}, and had"
                        f" {array.shape[1:]} before"
                    )
                array[t] = values[i]
            made += 1
            if self.until and values[-1]:
                break
        if not saved:
            saved = self._nothing(run, sequences, pasts, fixed)
        results = tuple(array[:made] for array in saved)
        return results if len(results) > 1 else results[0]

    def _check_states(self, saved: Sequence[np.ndarray], pasts: Sequence[np.ndarray]) -> None:
        for i, past in enumerate(pasts):
            if saved[i].shape[1:] != past.shape[1:]:
                raise ValueError(
                    f"{self}: state {i} has shape {past.shape[1:]} at first, and {saved[i].shape[1:]} after a step"
                )

    def _nothing(self, run: Any, sequences: Any, pasts: Any, fixed: Any) -> list[np.ndarray]:
        """The outputs of no steps: empty, with the lengths that a step on zeros would give them."""
        states = [np.zeros(past.shape[1:], past.dtype) for past in pasts]
        earlier = [state for state, taps in zip(states, self.taps, strict=True) for _ in taps]
        elements = [np.zeros(s.shape[1:], s.dtype) for s in sequences]
        try:
            shapes = [np.shape(v) for v in run([*elements, *earlier, *fixed])]
        except (ArithmeticError, ValueError, IndexError, np.linalg.LinAlgError):
            shapes = [tuple(n or 0 for n in v.type.shape) for v in self.graph.outputs]
        return [np.empty((0, *shape), v.dtype) for v, shape in zip(self.results, shapes, strict=False)]

    # How it differentiates ----------------------------------------------------------------------------

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable | None]:
        return Backward(self, cotangents, outputs, inputs).flows()


def _rows(v: Variable) -> TensorType | None:
    return TensorType(v.dtype, v.type.shape[1:]) if v.ndim else None


def _wrong_length(op: Scan, v: Variable, given: int, steps: int) -> str:
    return f"{op}: the sequence {v} has length {given} along axis 0, {steps} steps need {steps}"


def _wrong_past(op: Scan, v: Variable, given: int, needed: int) -> str:
    return f"{op}: the initial state {v} has length {given} along axis 0; its taps go {needed} steps back"
