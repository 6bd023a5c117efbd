"""One of two: the operation behind `ifelse`, of which only the branch that is taken is computed.

Which values belong to a branch is a matter of the graph around it: `conditions` finds, for every variable, under
which conditions it is needed at all. Gradients use it: what flows out of a branch that was not taken is zero,
without asking what the derivatives there would be (they may be nan, or fail).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from probgraph.engine.graph import Apply, Variable
from probgraph.engine.op import Choice
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.shape import dimshuffle, in_batch
from probgraph.engine.types import TensorType, describe

#: the conditions under which a variable is needed, outermost first: pairs of a scalar and whether it must hold
Conditions = tuple[tuple[Variable, bool], ...]


class IfElse(Choice):
    """Inputs: a scalar, `count` values for when it is not zero, and as many for when it is."""

    __props__ = ("count",)

    def __init__(self, count: int) -> None:
        self.count = count

    def __str__(self) -> str:
        return "if{}"

    __repr__ = __str__

    def wanted(self, condition: Any) -> range:
        return range(1, 1 + self.count) if condition else range(1 + self.count, 1 + 2 * self.count)

    def branches(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        return inputs[1 : 1 + self.count], inputs[1 + self.count :]

    def infer_type(self, condition: Variable, *values: Variable) -> list[TensorType]:
        if condition.ndim != 0:
            raise TypeError(
                f"ifelse: the condition is a scalar, got {describe([condition.type])}: use all or any"
            )
        if len(values) != 2 * self.count:
            raise TypeError(
                f"ifelse: {self.count} values in each branch are needed, got {len(values)} in all"
            )
        return [_both(a, b) for a, b in zip(*self.branches((condition, *values)), strict=True)]

    def numpy(self, condition: Any, *values: Any) -> Any:
        chosen = tuple(np.asarray((condition, *values)[i]) for i in self.wanted(condition))
        return chosen if self.count > 1 else chosen[0]

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable | None]:
        condition = inputs[0]
        first, second = self.branches(inputs)
        return [
            ew.zeros_like(condition),
            *(gated(g, ((condition, True),), v) for g, v in zip(cotangents, first, strict=True)),
            *(gated(g, ((condition, False),), v) for g, v in zip(cotangents, second, strict=True)),
        ]

    def batched(self, node: Apply, inputs: Sequence[Variable]) -> list[Variable] | None:
        """With one condition for all a choice between batches; with one for each element both are computed."""
        if not all(isinstance(v.type, TensorType) for v in inputs):
            return None
        condition = inputs[0]
        first, second = self.branches(in_batch(node, inputs))
        if condition.ndim == 0:
            return choice(condition, first, second)
        holds = ew.neq(condition, 0)
        return [
            ew.switch(dimshuffle(holds, (0, *("x",) * (a.ndim - 1))), a, b)
            for a, b in zip(first, second, strict=True)
        ]


def _both(a: Variable, b: Variable) -> TensorType:
    """The type of either; lengths that differ or are unknown in one are unknown."""
    same = isinstance(a.type, TensorType) and isinstance(b.type, TensorType)
    if not same or a.dtype != b.dtype or a.ndim != b.ndim:
        raise TypeError(
            f"The two branches should have identical types, but they are {a.type} and {b.type} respectively. This"
            f" error could be raised if for example you provided a one element list on the `then` branch but a"
            f" tensor on the `else` branch, or values of different dtypes: convert one with .astype(...)"
        )
    if a.type == b.type:
        return a.type
    lengths = [n if n == m else None for n, m in zip(a.type.shape, b.type.shape, strict=True)]
    return TensorType(a.dtype, lengths)


def choice(condition: Variable, first: Sequence[Variable], second: Sequence[Variable]) -> list[Variable]:
    """The values of the one branch or of the other."""
    found = IfElse(len(first))(condition, *first, *second)
    return found if isinstance(found, list) else [found]


# ------------------------------------------------------------------------------------ under which conditions


def conditions(order: Sequence[Apply], ends: Sequence[Variable]) -> dict[Variable, Conditions]:
    """Under which conditions each variable is needed by `ends`. `order` holds all nodes behind them, sorted.

    A variable that is read in two ways is needed under the conditions which these have in common.
    """
    found: dict[Variable, Conditions] = dict.fromkeys(ends, ())
    for node in reversed(order):
        mine = common([found[v] for v in node.outputs if v in found])
        for position, v in enumerate(node.inputs):
            under = mine + branch_of(node, position)
            found[v] = common([under, found[v]]) if v in found else under
    return found


def always_needed(order: Sequence[Apply], ends: Sequence[Variable]) -> set[Apply]:
    """The nodes that `ends` need whatever the conditions: outright, or in both branches of a choice."""
    ways: dict[Variable, set[Conditions]] = {v: {()} for v in ends}
    found: set[Apply] = set()
    for node in reversed(order):
        mine = _together({way for v in node.outputs for way in ways.get(v, ())})
        if () in mine:
            found.add(node)
        for position, v in enumerate(node.inputs):
            if v.owner is not None:
                added = branch_of(node, position)
                ways.setdefault(v, set()).update(way + added for way in mine)
    return found


#: a value is followed through so many choices; one that is needed in more ways counts as not needed in some
_MANY = 16


def _together(ways: set[Conditions]) -> set[Conditions]:
    """Ways to need a value, those that differ in whether one condition holds taken together."""
    waiting = sorted(ways, key=len, reverse=True)
    kept: set[Conditions] = set()
    while waiting:
        way = waiting.pop()
        if any(way[:length] in kept for length in range(len(way) + 1)):
            continue
        if way and (other := (*way[:-1], (way[-1][0], not way[-1][1]))) in kept:
            kept.discard(other)
            waiting.append(way[:-1])
        elif len(kept) < _MANY:
            kept.add(way)
    return kept


def branch_of(node: Apply, position: int) -> Conditions:
    """The condition that a node adds to those of its own under which it reads an input."""
    if not isinstance(node.op, IfElse) or position == 0:
        return ()
    return ((node.inputs[0], position <= node.op.count),)


def common(several: Sequence[Conditions]) -> Conditions:
    """The conditions with which all of these begin."""
    first, *rest = several
    for length in range(len(first), 0, -1):
        if all(other[:length] == first[:length] for other in rest):
            return first[:length]
    return ()


def gated(g: Variable, under: Conditions, like: Variable, outside: Conditions = ()) -> Variable:
    """`g` where these conditions (beyond those of `outside`) hold, zeros shaped as `like` where one does not."""
    if not isinstance(g.type, TensorType):
        return g
    for condition, holds in reversed(under[len(common([under, outside])) :]):
        nothing = ew.zeros_like(like, g.dtype)
        (g,) = choice(condition, *(([g], [nothing]) if holds else ([nothing], [g])))
    return g


def left_branches(
    node: Apply,
    flows: Sequence[Variable | None],
    cotangents: Sequence[Variable],
    found: Mapping[Variable, Conditions],
) -> list[Variable | None]:
    """What flows from a node to its inputs: zero, where it leaves a branch that was not taken.

    Inside of a branch nothing need be zero, and nothing is asked about what only the other branch needs.
    """
    if isinstance(node.op, IfElse):
        flows = [flows[0], *cotangents, *cotangents]
    mine = common([found[v] for v in node.outputs if v in found])
    return [
        None if g is None else gated(g, mine + branch_of(node, position), v, found[v])
        for position, (v, g) in enumerate(zip(node.inputs, flows, strict=True))
    ]
