"""A step of a loop: from what the user's function returned to a graph with nothing left open.

The function may use whatever is around it. `closed_step` finds the widest expressions that do not change from
step to step and makes them inputs, so that they are computed once, outside; and it finds the shared variables
that change, which become states of the loop.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from probgraph.engine.graph import (
    Constant,
    FunctionGraph,
    MissingInputError,
    Variable,
    ancestors,
    graph_inputs,
    rebuild,
    toposort,
)
from probgraph.engine.inputs import converted
from probgraph.engine.op import as_variable, literal
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.shape import expand_dims, specify_shape
from probgraph.engine.rewrite import uniform
from probgraph.engine.shared import SharedVariable
from probgraph.engine.types import TensorType, describe, literal_dtype


class until:
    """Returned last by a step, ends the loop: the step in which `condition` is true is kept, none follow."""

    def __init__(self, condition: Any) -> None:
        condition = as_variable(condition)
        if condition.ndim != 0:
            raise TypeError(
                f"until takes a scalar condition, got {describe([condition.type])}: use all or any"
            )
        self.condition = condition if condition.dtype == "bool" else ew.neq(condition, 0)


class OrderedUpdates(OrderedDict):
    """New values by shared variable. TypeError for other keys; KeyError if an update contradicts another."""

    def __setitem__(self, key: Any, value: Any) -> None:
        if not isinstance(key, SharedVariable):
            raise TypeError(f"OrderedUpdates keys must inherit from SharedVariable: {key!r} does not")
        super().__setitem__(key, value)

    def update(self, other: Mapping[Any, Any] | Iterable[Any] | None = None) -> None:
        for key, value in dict(other or {}).items():
            if key in self and self[key] is not value:
                raise KeyError("Collision", key)
            self[key] = value

    def __add__(self, other: Mapping[Any, Any]) -> OrderedUpdates:
        together = OrderedUpdates(self)
        together.update(other)
        return together

    def __radd__(self, other: Mapping[Any, Any]) -> OrderedUpdates:
        return OrderedUpdates(other) + self


# ------------------------------------------------------------------------------------ what a step returns


@dataclass
class Returned:
    """What a step's function returned, sorted: outputs, updates of shared variables, when to stop."""

    outputs: list[Any] = field(default_factory=list)
    updates: dict[SharedVariable, Any] = field(default_factory=dict)
    stop: Variable | None = None


def returned(given: Any) -> Returned:
    """Outputs (one, or a list), updates (a dict, or pairs), or both; and last, perhaps, an `until`."""
    if given is None:
        raise ValueError("scan: fn returned None; it returns the outputs of a step, or updates, or both")
    result = Returned()
    items = list(given) if isinstance(given, list | tuple) and not _is_updates(given) else [given]
    if items and isinstance(items[-1], until):
        result.stop = items.pop().condition
    if any(isinstance(item, until) for item in items):
        raise ValueError("scan: fn returns until(...) once, and last")
    place = next((i for i, item in enumerate(items) if _is_updates(item)), None)
    if place is None and len(items) == 2 and items[1] in ([], ()):
        place = 1
    if place is not None:
        for key, value in dict(items.pop(place)).items():
            if not isinstance(key, SharedVariable):
                raise TypeError(f"scan: fn updates {key!r}, but only shared variables can be updated")
            result.updates[key] = converted(value, key, "an update")
    if len(items) == 1 and isinstance(items[0], list | tuple):
        items = list(items[0])
    for item in items:
        if item is None or isinstance(item, list | tuple | dict | until):
            raise ValueError(
                "The return value of your scan function may only be made of lists, tuples, or dictionaries of"
                f" variables, and `until` conditions: outputs, (outputs, updates), (outputs, updates, until(...));"
                f" it holds {item!r:.80}"
            )
    result.outputs = items
    return result


def _is_updates(item: Any) -> bool:
    if isinstance(item, Mapping):
        return True
    return (
        isinstance(item, list | tuple)
        and len(item) > 0
        and all(isinstance(p, list | tuple) and len(p) == 2 and isinstance(p[0], Variable) for p in item)
    )


# ------------------------------------------------------------------------------------ states


class State:
    """An output that feeds back. `initial` is what the user gave, `past` the same with the steps along axis 0."""

    def __init__(
        self, initial: Variable, past: Variable, taps: Sequence[int], number: bool | int | float | None = None
    ) -> None:
        self.initial = initial
        self.past = past
        self.user_taps = list(taps)
        self.taps = tuple(sorted(-tap for tap in taps))
        self.number = number
        self.type = TensorType(past.dtype, past.type.shape[1:])
        self.inputs = [Variable(self.type, self._name(-tap)) for tap in self.taps]

    def _name(self, tap: int) -> str | None:
        return None if self.initial.name is None else f"{self.initial.name}[t{tap:+d}]"

    @property
    def arguments(self) -> list[Variable]:
        """The earlier values as the step's function takes them: in the order in which the user named the taps."""
        return [self.inputs[self.taps.index(-tap)] for tap in self.user_taps]

    def settle(self, new: Variable, place: int) -> dict[Variable, Variable]:
        """Learns from the step's result what the state's type is. What stands for the inputs, if they changed."""
        self._check(new, place)
        if new.dtype != self.type.dtype:
            self.past = expand_dims(literal(self.number, new.dtype), 0)
        lengths = [m if m is not None else n for m, n in zip(self.type.shape, new.type.shape, strict=True)]
        settled = TensorType(new.dtype, lengths)
        if settled == self.type:
            return {}
        if settled.shape != self.type.shape:
            self.past = specify_shape(self.past, (self.past.type.shape[0], *lengths))
        self.type = settled
        before, self.inputs = self.inputs, [Variable(settled, v.name) for v in self.inputs]
        return dict(zip(before, self.inputs, strict=True))

    def _check(self, new: Variable, place: int) -> None:
        who = f"The initial state (`outputs_info` in scan nomenclature) of variable {self.initial} (output {place})"
        if new.ndim != self.type.ndim:
            raise ValueError(
                f"{who} has {self.type.ndim} dimension(s), while the result of the inner function (`fn`) has"
                f" {new.ndim} dimension(s): {describe([self.type, new.type])}."
                + (
                    " With taps other than [-1], axis 0 of the initial state is the past."
                    if self.user_taps != [-1]
                    else ""
                )
            )
        weak = self.number is not None and literal_dtype(self.number, [new.dtype]) == new.dtype
        if new.dtype != self.type.dtype and not weak:
            raise ValueError(
                f"{who} has dtype {self.type.dtype}, while the result of the inner function (`fn`) has dtype"
                f" {new.dtype}. This can happen if the inner function of scan results in an upcast or downcast:"
                f" convert one of them with .astype(...)."
            )
        for axis, (mine, its) in enumerate(zip(self.type.shape, new.type.shape, strict=True)):
            if mine is not None and its is not None and mine != its:
                raise ValueError(
                    f"{who} has length {mine} along axis {axis}, while the result of the inner function (`fn`) has"
                    f" length {its} there: {describe([self.type, new.type])}."
                )


# ------------------------------------------------------------------------------------ closing


@dataclass
class Step:
    """A closed step. `graph` is as `Loop` wants it; `outside` are the variables that its fixed inputs stand for.

    `order` says at which place of the loop's outputs each of the user's outputs is, `updated` where the new
    values of shared variables are.
    """

    graph: FunctionGraph
    states: list[State]
    outside: list[Variable]
    until: bool
    order: list[int]
    updated: dict[SharedVariable, int]


def closed_step(
    results: Returned,
    elements: Sequence[Variable],
    states: Sequence[State | None],
    fixed: Sequence[Variable],
    strict: bool,
) -> Step:
    """The step's graph with every input named. `states` has one entry for each of the user's outputs."""
    outputs = [_as_output(v, state) for v, state in zip(results.outputs, states, strict=True)]
    stop = [] if results.stop is None else [results.stop]
    updates = _with_default_updates(results.updates, [*outputs, *stop], fixed)
    for v in updates:
        if not isinstance(v.type, TensorType):
            raise NotImplementedError(
                f"scan: the step updates {v}, a {v.type}: a state of a loop is a tensor; update it around the scan"
            )
    shared = [State(v, expand_dims(v, 0), [-1]) for v in updates]

    feeding = [i for i, state in enumerate(states) if state is not None]
    collecting = [i for i, state in enumerate(states) if state is None]
    all_states = [*(states[i] for i in feeding), *shared]
    wanted = [*(outputs[i] for i in feeding), *updates.values(), *(outputs[i] for i in collecting), *stop]

    changing = {*elements, *(v for state in all_states for v in state.inputs), *updates}
    given = [v for v in fixed if v not in updates]
    outside = _unchanging(wanted, changing, given)
    if strict:
        _reject_captured(outside, given)
    inside = {v: Variable(v.type, v.name) for v in outside}
    own = {v: state.inputs[0] for v, state in zip(updates, shared, strict=True)}
    wanted = _settled(rebuild(wanted, {**inside, **own}), all_states)

    inputs = [*elements, *(v for state in all_states for v in state.inputs), *inside.values()]
    order = {i: place for place, i in enumerate(feeding)}
    order.update((i, len(all_states) + place) for place, i in enumerate(collecting))
    return Step(
        FunctionGraph(inputs, wanted),
        all_states,
        outside,
        results.stop is not None,
        [order[i] for i in range(len(outputs))],
        {v: len(feeding) + place for place, v in enumerate(updates)},
    )


def _as_output(v: Any, state: State | None) -> Variable:
    if isinstance(v, bool | int | float) and not isinstance(v, np.generic) and state is not None:
        return literal(v, literal_dtype(v, [state.type.dtype]))
    return as_variable(v)


def _with_default_updates(
    explicit: Mapping[SharedVariable, Variable], outputs: Sequence[Variable], fixed: Sequence[Variable]
) -> dict[SharedVariable, Variable]:
    """The updates of a step: those it returned, and those of shared variables that update themselves."""
    updates = dict(explicit)
    constant = [
        v
        for v in fixed
        if v not in updates and (not isinstance(v, SharedVariable) or v.default_update is None)
    ]
    waiting = [*outputs, *updates.values()]
    while waiting:
        found = [v for v in ancestors(waiting, stop=constant) if isinstance(v, SharedVariable)]
        found = [v for v in found if v.default_update is not None and v not in updates and v not in constant]
        updates.update((v, converted(v.default_update, v, "an update")) for v in found)
        waiting = [updates[v] for v in found]
    return updates


def _unchanging(
    outputs: Sequence[Variable], changing: set[Variable], given: Sequence[Variable]
) -> list[Variable]:
    """The widest expressions behind `outputs` that do not depend on `changing`.

    What depends on nothing stays inside, and so does what is one number all over: rules can make use of it.
    """
    stop = changing | set(given)
    moving, known = set(changing), set()
    for node in toposort(outputs, stop=stop):
        if any(v in moving for v in node.inputs):
            moving.update(node.outputs)
        elif all(isinstance(v, Constant) or v in known for v in node.inputs):
            known.update(node.outputs)
    found: dict[Variable, None] = {}
    seen: set[Variable] = set()
    waiting = list(outputs)[::-1]
    while waiting:
        v = waiting.pop()
        if v in seen or v in changing or v in known or isinstance(v, Constant):
            continue
        seen.add(v)
        if v.owner is not None and v not in stop and (v in moving or uniform(v) is not None):
            waiting.extend(reversed(v.owner.inputs))
        else:
            found[v] = None
    return list(found)


def _reject_captured(outside: Sequence[Variable], given: Sequence[Variable]) -> None:
    allowed = set(given)
    roots = graph_inputs([v for v in outside if v not in allowed], stop=given)
    missing = [str(v) for v in roots if v not in allowed and not isinstance(v, Constant)]
    if missing:
        raise MissingInputError(
            f"scan(strict=True): the step uses {', '.join(missing)}, not among its non_sequences: an input of the"
            f" graph was not provided and not given a value"
        )


def _settled(outputs: list[Variable], states: Sequence[State]) -> list[Variable]:
    """The step's outputs once each state is of one type from the first step on."""
    changed: dict[Variable, Variable] = {}
    for _ in range(10):  # each round one state may make another known better
        changed = {}
        for place, state in enumerate(states):
            changed.update(state.settle(outputs[place], place))
        if not changed:
            break
        outputs = rebuild(outputs, changed)
    if changed:
        raise ValueError(
            f"scan: the types of the states {', '.join(str(s.initial) for s in states)} do not settle"
        )
    told = [
        v if state.type.accepts(v.type) else specify_shape(v, state.type.shape)
        for v, state in zip(outputs, states, strict=False)
    ]
    return [*told, *outputs[len(states) :]]
