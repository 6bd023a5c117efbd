"""Loops over the same inputs, of which one has all the results of the other and more, as that one.

The gradient of a loop asks for things that the loop computes on its way and does not hand out: it has a loop of its own
that does (see `loop_gradient`). Where the results are needed too, this is that loop.
"""

from __future__ import annotations

from collections.abc import Sequence

from probgraph.engine.graph import Apply, FunctionGraph, Variable, rebuild, toposort
from probgraph.engine.loop_op import Scan


def merged(outputs: Sequence[Variable]) -> list[Variable]:
    """The same outputs from fewer loops, and in the steps of loops too."""
    order = toposort(outputs)
    scans = [node for node in order if isinstance(node.op, Scan)]
    if not scans:
        return list(outputs)
    larger = _larger(scans)
    new: dict[Variable, Variable] = {}
    done: set[Apply] = set()
    for node in order:
        whole, places = larger.get(node, (node, range(len(node.outputs))))
        if whole not in done:  # both have the same inputs, which are known now
            done.add(whole)
            new.update(_anew(whole, [new.get(v, v) for v in whole.inputs]))
        if whole is not node:
            found = [whole.outputs[k] for k in places]
            new.update((mine, new.get(v, v)) for mine, v in zip(node.outputs, found, strict=True))
    return [new.get(v, v) for v in outputs]


def _anew(node: Apply, inputs: Sequence[Variable]) -> dict[Variable, Variable]:
    """What stands for the outputs of a node, where that is not they themselves."""
    op = node.op
    if isinstance(op, Scan):
        inner = merged(op.graph.outputs)
        if any(a is not b for a, b in zip(inner, op.graph.outputs, strict=True)):
            results = op.rebuilt_inner(FunctionGraph(op.graph.inputs, inner))(*inputs)
            return dict(zip(node.outputs, results if isinstance(results, list) else [results], strict=True))
    if all(a is b for a, b in zip(inputs, node.inputs, strict=True)):
        return {}
    return dict(zip(node.outputs, node.rebuilt(inputs).outputs, strict=True))


def _larger(scans: Sequence[Apply]) -> dict[Apply, tuple[Apply, Sequence[int]]]:
    """For each loop that another one can stand for: that, and which of its results are the loop's."""
    groups: dict[tuple[object, ...], list[Apply]] = {}
    for node in scans:
        op = node.op
        same = (op.sequences, op.taps, op.until, op.truncate_gradient, *node.inputs)
        groups.setdefault(same, []).append(node)
    larger: dict[Apply, tuple[Apply, Sequence[int]]] = {}
    for group in groups.values():
        group.sort(key=lambda node: -len(node.outputs))
        for k, node in enumerate(group):
            for other in group[:k]:
                places = _places(node.op, other.op) if other not in larger else None
                if places is not None:
                    larger[node] = other, places
                    break
    return larger


def _places(small: Scan, large: Scan) -> list[int] | None:
    """Where the results of one loop are among those of the other, if its states are the other's too."""
    if [v.type for v in small.graph.inputs] != [v.type for v in large.graph.inputs]:
        return None
    count = len(small.results)
    both = [
        *small.results,
        *large.results,
        *small.graph.outputs[count:],
        *large.graph.outputs[len(large.results) :],
    ]
    found = rebuild(both, dict(zip(small.graph.inputs, large.graph.inputs, strict=True)))
    place = {v: k for k, v in reversed(list(enumerate(found[count : count + len(large.results)])))}
    states = len(small.taps)
    if found[:states] != found[count : count + states] or not all(v in place for v in found[:count]):
        return None
    if small.until and found[-2] is not found[-1]:
        return None
    return [*range(states), *(place[v] for v in found[states:count])]
