"""Loops without what nobody asks of them: results that are not read, the states that only served those, and the
sequences and fixed inputs that no step reads any more.

Rules look at one node and what is behind it; this looks at who reads what, from the outputs backwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from probgraph.engine.graph import Apply, FunctionGraph, Variable, ancestors, toposort
from probgraph.engine.loop_op import Scan


def only_needed(outputs: Sequence[Variable]) -> list[Variable]:
    """The same outputs from loops that compute what is needed for them, and in their steps too."""
    order = toposort(outputs)
    if not any(isinstance(node.op, Scan) for node in order):
        return list(outputs)
    alive, steps = _alive(order, outputs)
    new: dict[Variable, Variable] = {}
    for node in order:
        if node not in alive:
            continue
        inputs = [new.get(v, v) for v in node.inputs]
        if node in steps:
            new.update(_trimmed(node, inputs, steps[node]))
        elif any(a is not b for a, b in zip(inputs, node.inputs, strict=True)):
            new.update(zip(node.outputs, node.rebuilt(inputs).outputs, strict=True))
    return [new.get(v, v) for v in outputs]


class _Step:
    """What of a loop's step is needed: its outputs, and the numbers of the results among them."""

    def __init__(self, op: Scan, wanted: Iterable[int]) -> None:
        self.outputs = list(op.graph.outputs)
        stop = range(len(op.results), len(self.outputs))
        needed, before = self._closure(op, wanted), None
        while needed != before:  # less of the loops in it may need less of it
            before = needed
            places = sorted(needed | set(stop))
            for i, v in zip(places, only_needed([self.outputs[i] for i in places]), strict=True):
                self.outputs[i] = v
            needed = self._closure(op, wanted)
        self.results = sorted(needed)

    def _closure(self, op: Scan, wanted: Iterable[int]) -> set[int]:
        """These results, the states that are read for them and for whether to stop, and so on."""
        stop = self.outputs[len(op.results) :]
        needed = set(wanted)
        while True:
            self.read = set(ancestors([*(self.outputs[i] for i in needed), *stop]))
            more = {i for i, taps in enumerate(op.step_taps) if any(v in self.read for v in taps)} - needed
            if not more:
                return needed
            needed |= more

    def is_all(self, op: Scan) -> bool:
        """Whether nothing can be left out."""
        same = all(a is b for a, b in zip(self.outputs, op.graph.outputs, strict=True))
        others = [*op.graph.inputs[: op.sequences], *op.step_fixed]
        return same and len(self.results) == len(op.results) and all(v in self.read for v in others)


def _alive(order: Sequence[Apply], outputs: Sequence[Variable]) -> tuple[set[Apply], dict[Apply, _Step]]:
    """The nodes on which outputs depend, and those among them that are loops which can do with less."""
    read = set(outputs)
    alive: set[Apply] = set()
    steps: dict[Apply, _Step] = {}
    for node in reversed(order):
        if not any(v in read for v in node.outputs):
            continue
        alive.add(node)
        op = node.op
        if not isinstance(op, Scan):
            read.update(node.inputs)
            continue
        step = _Step(op, [i for i, v in enumerate(node.outputs) if v in read])
        if step.is_all(op):
            read.update(node.inputs)
        else:
            steps[node] = step
            read.update(_kept_inputs(op, node.inputs, step))
    return alive, steps


def _kept_inputs(op: Scan, inputs: Sequence[Variable], step: _Step) -> list[Variable]:
    """Of a loop's inputs those that it needs."""
    count, sequences, pasts, fixed = op.given(inputs)
    kept = [count]
    kept += [v for v, mine in zip(sequences, op.graph.inputs, strict=False) if mine in step.read]
    kept += [past for i, past in enumerate(pasts) if i in step.results]
    kept += [v for v, mine in zip(fixed, op.step_fixed, strict=True) if mine in step.read]
    return kept


def _trimmed(node: Apply, inputs: Sequence[Variable], step: _Step) -> dict[Variable, Variable]:
    """What stands for the results of a loop that are read."""
    op = node.op
    states = [i for i in step.results if i < len(op.taps)]
    rows = [v for v in op.graph.inputs[: op.sequences] if v in step.read]
    taps = [v for i in states for v in op.step_taps[i]]
    fixed = [v for v in op.step_fixed if v in step.read]
    wanted = [*(step.outputs[i] for i in step.results), *step.outputs[len(op.results) :]]
    smaller = Scan(
        FunctionGraph([*rows, *taps, *fixed], wanted),
        len(rows),
        [op.taps[i] for i in states],
        op.until,
        op.truncate_gradient,
        op.name,
    )
    types = smaller.infer_type(*_kept_inputs(op, inputs, step))
    made = Apply(smaller, _kept_inputs(op, inputs, step), types, node.trace)
    results: dict[Variable, Variable] = {}
    for i, v in zip(step.results, made.outputs, strict=True):
        v.name = node.outputs[i].name
        results[node.outputs[i]] = v
    return results
