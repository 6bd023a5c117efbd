"""What the steps of a loop compute of its sequences alone, computed before the loop for all steps at once.

    scan: state = f(state) + exp(x[t])    =>    e = exp(x); scan: state = f(state) + e[t]

Functions that cost as much as ten additions or more are worth the memory for their results: of many steps they are
computed in vectors. It matters most where a loop runs backwards, for which all states of the loop are sequences.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from probgraph.engine.graph import Apply, Constant, FunctionGraph, Variable, rebuild, toposort
from probgraph.engine.loop_op import Scan
from probgraph.engine.ops.elementwise import Elementwise
from probgraph.engine.ops.reduce import LogSumExp, Reduce, Softmax
from probgraph.engine.ops.shape import DimShuffle
from probgraph.engine.vectorize import batched_once

#: an addition costs 1, a division 4, a call of a function 20
_COSTLY = 20


def computed_ahead(outputs: Sequence[Variable]) -> list[Variable]:
    """The same outputs, with what is costly and needs no state taken out of the steps of loops.

    Loops that may end early keep it: they may not come to the step at all.
    """
    order = toposort(outputs)
    if not any(isinstance(node.op, Scan) for node in order):
        return list(outputs)
    new: dict[Variable, Variable] = {}
    for node in order:
        inputs = [new.get(v, v) for v in node.inputs]
        taken = _taken_out(node.op) if isinstance(node.op, Scan) and not node.op.until else []
        if taken:
            new.update(zip(node.outputs, _with_sequences(node.op, inputs, taken), strict=True))
        elif any(a is not b for a, b in zip(inputs, node.inputs, strict=True)):
            new.update(zip(node.outputs, node.rebuilt(inputs).outputs, strict=True))
    return [new.get(v, v) for v in outputs]


def _taken_out(op: Scan) -> list[Variable]:
    """The variables of a step that become sequences of their own."""
    sequences = set(op.graph.inputs[: op.sequences])
    fixed = set(op.step_fixed)
    #: what depends on sequences, and on no state: whether something in it is costly
    ahead: dict[Variable, bool] = {}
    wanted: list[Variable] = []
    for node in op.graph.toposort():
        moving = [v for v in node.inputs if v in sequences or v in ahead]
        rest = [v for v in node.inputs if v not in moving]
        if not _is_light(node) or not all(v in fixed or isinstance(v, Constant) for v in rest):
            wanted += node.inputs
        elif moving:
            ahead[node.out] = _cost(node) >= _COSTLY or any(ahead.get(v, False) for v in moving)
        else:
            fixed.add(node.out)
    wanted += op.graph.outputs
    taken: dict[Variable, None] = {}
    while wanted:
        v = wanted.pop()
        if not ahead.get(v, False):
            continue
        moving = [u for u in v.owner.inputs if u in sequences or u in ahead]
        # A result that is larger than what it is made of had better be made in the step.
        if _cost(v.owner) >= _COSTLY or _size(v) <= max(map(_size, moving)):
            taken[v] = None
        else:
            wanted += v.owner.inputs
    return list(taken)


def _is_light(node: Apply) -> bool:
    """Whether an operation of all steps at once is as good as of one step after the other, and cannot fail."""
    return isinstance(node.op, Elementwise | DimShuffle | Reduce | LogSumExp | Softmax)


def _cost(node: Apply) -> int:
    if isinstance(node.op, LogSumExp | Softmax):
        return _COSTLY
    return node.op.cost if isinstance(node.op, Elementwise) else 0


def _size(v: Variable) -> float:
    return math.prod(math.inf if n is None else n for n in v.type.shape)


def _with_sequences(op: Scan, inputs: Sequence[Variable], taken: Sequence[Variable]) -> list[Variable]:
    """The results of the loop, given what was taken out of its steps."""
    count, sequences, pasts, fixed = op.given(inputs)
    mine = op.graph.inputs
    stands_for = {**dict(zip(mine, sequences, strict=False)), **dict(zip(op.step_fixed, fixed, strict=True))}
    ahead = batched_once(taken, stands_for)
    old = mine[: op.sequences]
    given = [Variable(v.type) for v in taken]
    outputs = rebuild(op.graph.outputs, dict(zip(taken, given, strict=True)))
    graph = FunctionGraph([*old, *given, *mine[op.sequences :]], outputs)
    smaller = Scan(graph, op.sequences + len(taken), op.taps, op.until, op.truncate_gradient, op.name)
    results = smaller(count, *sequences, *ahead, *pasts, *fixed)
    return results if isinstance(results, list) else [results]
