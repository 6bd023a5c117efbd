"""Graphs with something in them that Python runs: compiled parts with calls of Python between.

Random draws and choices have no loops (`Hosted`). A graph that has them is cut there: what the first of them need
is compiled, they are run, what the next ones need is compiled, and so on; the last part computes the outputs from
all of it. A loop that has them in its step is run by Python, with its step cut in the same way. Parts of a few scalars are not worth a compiler and are run by NumPy. A branch of a choice is a graph
of its own, compiled when it is first taken. All operations are pure, so that parts may compute small things anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from probgraph.engine.graph import Apply, Constant, FunctionGraph, Variable, ancestors, rebuild, toposort
from probgraph.engine.op import Choice, Hosted, Loop, Pointwise
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.choice import IfElse, always_needed
from probgraph.engine.ops.shape import DimShuffle
from probgraph.engine.run_graph import apply_numpy, numpy_function

Run = Callable[[Sequence[Any]], list[Any]]
Make = Callable[[FunctionGraph], Run]

#: a part is not compiled if no value in it has more elements, nor it more nodes
_FEW_ELEMENTS, _FEW_NODES = 8, 30
#: both branches of a choice are computed if they cost no more than this, in additions
_CHEAP = 60
#: so many choices may stand in branches of each other
_DEEP = 30


def is_hosted(node: Apply) -> bool:
    """Whether Python runs this node: itself, or what is in its loop."""
    if isinstance(node.op, Loop):
        return any(is_hosted(inner) for inner in node.op.graph.toposort())
    return isinstance(node.op, Hosted)


class StagedGraph:
    """A graph run in stages. `make` compiles a part of it.

    `hosted` names the operations that Python runs; `last` is the run of the part that gives the outputs.
    """

    def __init__(self, graph: FunctionGraph, make: Make) -> None:
        self._graph = graph
        self._make = make
        self._inputs = list(graph.inputs)
        self._needed = always_needed(graph.toposort(), graph.outputs)
        _reject_deep(graph, self._needed)
        between = [node for node in graph.toposort() if node in self._needed and is_hosted(node)]
        self.hosted = sorted({str(node.op) for node in between})
        self._steps: list[Callable[[dict[Variable, Any]], None]] = []
        self._known = dict.fromkeys(graph.inputs)
        for stage in _stages(between, set(graph.inputs)):
            self._compute([v for node in stage for v in self._read_before(node)])
            for node in stage:
                match node.op:
                    case Choice():
                        self._steps.append(self._choosing(node))
                    case Loop():
                        self._steps.append(_calling(node, self._repeating(node.op)))
                    case _:
                        self._steps.append(_calling(node))
            self._known.update(dict.fromkeys(v for node in stage for v in node.outputs))
        self.last: Run | None = self._compute(graph.outputs)

    def __call__(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        values: dict[Variable, Any] = dict(zip(self._inputs, arrays, strict=True))
        for step in self._steps:
            step(values)
        taken = set(map(id, arrays))
        results = []
        for v in self._graph.outputs:
            array = _value(v, values)
            if id(array) in taken or array.base is not None or isinstance(v, Constant):
                array = np.array(array, order="C")
            taken.add(id(array))
            results.append(array)
        return results

    def _compute(self, wanted: Sequence[Variable]) -> Run | None:
        """Adds a part for what is wanted and not known yet."""
        targets = list(
            dict.fromkeys(v for v in wanted if v not in self._known and not isinstance(v, Constant))
        )
        if not targets:
            return None
        targets += self._worth_keeping(targets)
        part = _part(targets, self._known)
        run = numpy_function(part) if _is_small(part) else self._make(part)
        given = self._leaves(targets)
        self._known.update(dict.fromkeys(targets))

        def step(values: dict[Variable, Any]) -> None:
            results = run([values[v] for v in given])
            values.update(zip(targets, results, strict=True))

        self._steps.append(step)
        return run

    def _read_before(self, node: Apply) -> list[Variable]:
        """What a node reads; of a choice what is computed in any case, if it is worth keeping for the branch."""
        if not isinstance(node.op, Choice):
            return list(node.inputs)
        found = [node.inputs[0]]
        waiting = list(node.inputs[1:])
        seen: set[Variable] = set()
        while waiting:
            v = waiting.pop()
            if v in seen or v in self._known or v.owner is None:
                continue
            seen.add(v)
            if v.owner in self._needed and not isinstance(v.owner.op, Pointwise):
                found.append(v)
            else:
                waiting.extend(v.owner.inputs)
        return found

    def _leaves(self, targets: Sequence[Variable]) -> list[Variable]:
        """What is known and these are computed from."""
        return [v for v in ancestors(targets, stop=self._known) if v in self._known]

    def _worth_keeping(self, targets: Sequence[Variable]) -> list[Variable]:
        """What a part computes at some cost, and others need too."""
        inside = set(toposort(targets, stop=self._known))
        return [
            v
            for node in inside
            if not isinstance(node.op, Pointwise)
            for v in node.outputs
            if v not in targets
            and any(
                isinstance(reader, Apply) and reader not in inside
                for reader, _ in self._graph.clients.get(v, ())
            )
        ]

    def _repeating(self, op: Loop) -> Callable[[Apply, Sequence[Any]], Any]:
        """The loop by a step that is itself run in stages."""
        step = StagedGraph(with_cheap_choices_selected(op.graph), self._make)
        return lambda node, arrays: op.repeated(step, arrays)

    def _choosing(self, node: Apply) -> Callable[[dict[Variable, Any]], None]:
        """A step that computes the branch which is taken, compiled when that happens first."""
        condition, known = node.inputs[0], dict(self._known)
        made: dict[bool, tuple[list[Variable], Run]] = {}

        def branch(holds: bool) -> tuple[list[Variable], Run]:
            targets = _decided([node.inputs[i] for i in node.op.wanted(holds)], condition, holds, known)
            part = _part(targets, known)
            leaves = [v for v in ancestors(targets, stop=known) if v in known]
            return leaves, numpy_function(part) if _is_small(part) else self._make(part)

        def step(values: dict[Variable, Any]) -> None:
            holds = bool(_value(condition, values))
            if holds not in made:
                made[holds] = branch(holds)
            given, run = made[holds]
            values.update(zip(node.outputs, run([values[v] for v in given]), strict=True))

        return step


def _calling(
    node: Apply, evaluate: Callable[[Apply, Sequence[Any]], Any] | None = None
) -> Callable[[dict[Variable, Any]], None]:
    def step(values: dict[Variable, Any]) -> None:
        results = apply_numpy(node, [_value(v, values) for v in node.inputs], evaluate)
        for v, result in zip(node.outputs, results, strict=True):
            values[v] = np.asarray(result)

    return step


def _value(v: Variable, values: dict[Variable, Any]) -> Any:
    return v.data if isinstance(v, Constant) else values[v]


def _stages(between: Sequence[Apply], inputs: set[Variable]) -> list[list[Apply]]:
    """The nodes that Python runs, those first that need no others. A branch may read whatever was before it."""
    place: dict[Variable, int] = {}
    stages: list[list[Apply]] = []
    for node in between:
        behind = ancestors(node.inputs, stop=inputs | place.keys())
        at = max((place[v] + 1 for v in behind if v in place), default=0)
        place.update(dict.fromkeys(node.outputs, at))
        while len(stages) <= at:
            stages.append([])
        stages[at].append(node)
    return stages


def _reject_deep(graph: FunctionGraph, always: set[Apply]) -> None:
    """NotImplementedError for choices in branches of choices beyond what calls in Python can be nested."""
    depth: dict[Variable, int] = {}
    for node in graph.toposort():
        below = [depth.get(v, 0) for v in node.inputs]
        if isinstance(node.op, Choice):
            below = [below[0], 1 + max(below[1:])]
        deepest = max(below, default=0)
        if deepest > _DEEP:
            raise NotImplementedError(
                f"{node.op} in branches of {deepest - 1} others: use switch for the inner ones"
            )
        depth.update(dict.fromkeys(node.outputs, 0 if node in always else deepest))


def _part(targets: Sequence[Variable], known: dict[Variable, Any]) -> FunctionGraph:
    """What is between the known and the targets, as a graph with roots of its own."""
    leaves = [v for v in ancestors(targets, stop=known) if v in known]
    roots = {v: Variable(v.type, v.name) for v in leaves}
    return FunctionGraph(list(roots.values()), rebuild(targets, roots))


def _is_small(part: FunctionGraph) -> bool:
    nodes = part.toposort()
    return len(nodes) <= _FEW_NODES and all(
        not isinstance(node.op, Loop)
        and None not in v.type.shape
        and int(np.prod(v.type.shape)) <= _FEW_ELEMENTS
        for node in nodes
        for v in node.outputs
    )


def _decided(
    targets: Sequence[Variable], condition: Variable, holds: bool, known: dict[Variable, Any]
) -> list[Variable]:
    """The same where all choices by this condition are made."""

    def each(node: Apply) -> Sequence[Variable] | None:
        if isinstance(node.op, Choice) and node.inputs[0] is condition:
            return [node.inputs[i] for i in node.op.wanted(holds)]
        return None

    return rebuild(targets, {v: v for v in (*known, condition)}, each=each)


# ------------------------------------------------------------------------------------ choices that are none


def with_cheap_choices_selected(graph: FunctionGraph) -> FunctionGraph:
    """The graph with both branches computed, and one selected, where that is cheap and cannot fail.

    It cannot where a branch holds but formulas of scalars, or of arrays whose lengths are known. So in the steps of
    loops.
    """
    graph = _with_selecting_steps(graph)
    while True:
        order = graph.toposort()
        always = always_needed(order, graph.outputs)
        settled = {*graph.inputs, *(v for node in always for v in node.outputs)}
        cheap = [isinstance(node.op, IfElse) and _is_cheap(node, settled) for node in order]
        if not any(cheap):
            return graph
        graph = FunctionGraph(graph.inputs, _selected(graph, cheap))


def _with_selecting_steps(graph: FunctionGraph) -> FunctionGraph:
    steps: dict[Loop, Loop] = {}
    for node in graph.toposort():
        if isinstance(node.op, Loop) and is_hosted(node):
            step = with_cheap_choices_selected(node.op.graph)
            if step is not node.op.graph:
                steps[node.op] = node.op.rebuilt_inner(step)
    if not steps:
        return graph

    def each(node: Apply) -> Sequence[Variable] | None:
        op = steps.get(node.op) if isinstance(node.op, Loop) else None
        return (
            None if op is None else Apply(op, node.inputs, [v.type for v in node.outputs], node.trace).outputs
        )

    return FunctionGraph(graph.inputs, rebuild(graph.outputs, {v: v for v in graph.inputs}, each=each))


def _selected(graph: FunctionGraph, chosen: Sequence[bool]) -> list[Variable]:
    """The outputs with some choices made selections; `chosen` says which of the nodes in order."""
    turn = iter(chosen)

    def each(node: Apply) -> Sequence[Variable] | None:
        if not next(turn):
            return None
        condition = node.inputs[0] if node.inputs[0].dtype == "bool" else ew.neq(node.inputs[0], 0)
        return [ew.switch(condition, a, b) for a, b in zip(*node.op.branches(node.inputs), strict=True)]

    return rebuild(graph.outputs, {v: v for v in graph.inputs}, each=each)


def _is_cheap(node: Apply, settled: set[Variable]) -> bool:
    if any(None in v.type.shape for v in (*node.inputs, *node.outputs)):
        return False
    if any(a.type.shape != b.type.shape for a, b in zip(*node.op.branches(node.inputs), strict=True)):
        return False
    cost = 0
    for inner in toposort(node.inputs[1:], stop=settled):
        known = all(None not in v.type.shape for v in (*inner.inputs, *inner.outputs))
        if not known or not isinstance(inner.op, ew.Elementwise | DimShuffle):
            return False
        cost += getattr(inner.op, "cost", 0)
    return cost <= _CHEAP
