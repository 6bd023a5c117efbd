"""`scan`: a Python function of one step, called once to learn the step's graph, then looped over in the graph.

What the function is given and may return is Theano's. The graph it builds may use anything around it: `steps`
finds what does not change from step to step and hands it to the loop as inputs. `map`, `reduce`, `foldl` and
`foldr` are scans of a usual form.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from probgraph.engine.config import config
from probgraph.engine.graph import Constant, Variable
from probgraph.engine.loop_op import Scan
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.shape import as_length, expand_dims, join, length
from probgraph.engine.steps import OrderedUpdates, State, Step, closed_step, returned, until
from probgraph.engine.types import TensorType

__all__ = ["OrderedUpdates", "foldl", "foldr", "map", "reduce", "scan", "until"]

_NO_COUNT = (
    "No information about the number of steps provided. Either provide a value for n_steps argument of scan or"
    " provide an input sequence"
)


def scan(
    fn: Callable[..., Any],
    sequences: Any = None,
    outputs_info: Any = None,
    non_sequences: Any = None,
    n_steps: Any = None,
    truncate_gradient: int = -1,
    go_backwards: bool = False,
    mode: Any = None,
    name: str | None = None,
    profile: bool = False,
    allow_gc: bool | None = None,
    strict: bool = False,
    return_list: bool = False,
) -> tuple[Any, OrderedUpdates]:
    """A loop: `fn` is one step, a function from variables to variables. Gives (outputs, updates).

    `fn` is called once, with an element of each of `sequences` (of each tap, in the order given), then the
    earlier values of each output that has an initial state in `outputs_info` (each tap, in the order given),
    then `non_sequences` as they are.

    * `sequences`: a variable or a list of them, iterated over along axis 0, the shortest one deciding; or
      `dict(input=x, taps=[-1, 0])`, with which a step sees x[t - 1] and x[t]. `go_backwards` starts at the end.
    * `outputs_info`: for each output None (it does not feed back), the initial state, or `dict(initial=x0,
      taps=[-2, -1])`, with the past along axis 0 of `x0`, the oldest first. A Python number takes the dtype
      that the step gives it.
    * `n_steps`: how many steps, an int or an integer scalar. 0 is allowed.
    * `truncate_gradient`: gradients flow back through the last so many steps only; -1: through all.
    * `strict`: variables around the step that are not among `non_sequences` are a MissingInputError.
    * `mode`, `profile` and `allow_gc` are accepted: a loop is compiled with the function that it is part of.

    `fn` returns an output or a list of them; updates of shared variables (a dict, or pairs); both, as
    (outputs, updates); and last, if it likes, `until(condition)`: the step where that is true is the last one.
    Shared variables may be used freely in it. One that is updated changes from step to step, and its last
    value is among the updates that scan returns: pass these on to `function`.

    The outputs have a leading axis: the steps. A single one comes bare (unless `return_list`), none as None.
    Raises ValueError where dtype, rank or lengths of an initial state and of the step's result differ, where
    nothing says how many steps to make, and at the call where a sequence is too short; IndexError for a
    negative number of steps.

    >>> powers, updates = scan(lambda before, a: before * a, outputs_info=1.0,
    ...                        non_sequences=as_variable(2.0), n_steps=3)
    >>> powers.eval()
    array([2., 4., 8.])
    """
    read = [s for given in _listed(sequences) if (s := _sequence(given, go_backwards)) is not None]
    count = _count(n_steps, read)
    for sequence in read:
        sequence.cut(count, alone=n_steps is None and len(read) == 1)
    fixed = [as_variable(v) for v in _listed(non_sequences)]
    infos = _listed(outputs_info)
    states = [_state(given, place) for place, given in enumerate(infos)]

    elements = [v for sequence in read for v in sequence.elements]
    earlier = [v for state in states if state is not None for v in state.arguments]
    with config.change_flags(compute_test_value="off"):  # what a step is given has no values
        results = returned(fn(*elements, *earlier, *fixed))
    if not infos:
        states = [None] * len(results.outputs)
    if len(states) != len(results.outputs):
        raise ValueError(
            f"Please provide None as outputs_info for any output that does not feed back into scan (i.e. it behaves"
            f" like a map): the step gives {len(results.outputs)} outputs, outputs_info has {len(states)}"
        )
    step = closed_step(results, elements, states, fixed, strict)
    return _applied(step, count, read, truncate_gradient, name, return_list)


def _applied(
    step: Step,
    count: Variable,
    read: Sequence[_Sequence],
    truncate_gradient: int,
    name: str | None,
    return_list: bool,
) -> tuple[Any, OrderedUpdates]:
    """The loop in the graph, and its outputs in the order that the user knows."""
    op = Scan(
        step.graph,
        sum(len(sequence.rows) for sequence in read),
        [state.taps for state in step.states],
        step.until,
        truncate_gradient,
        name,
    )
    pasts = [state.past for state in step.states]
    found = op(count, *(v for s in read for v in s.rows), *pasts, *step.outside)
    found = found if isinstance(found, list) else [found]
    outputs = [found[place] for place in step.order]
    updates = OrderedUpdates()
    for shared, place in step.updated.items():
        updates[shared] = _last(found[place], pasts[place])
    if return_list or len(outputs) > 1:
        return outputs, updates
    return (outputs[0] if outputs else None), updates


def _last(rows: Variable, past: Variable) -> Variable:
    """The value after the last step: the first one, if there were no steps."""
    if rows.type.shape[0]:
        return rows[-1]
    return join(0, past[-1:], rows[-1:])[-1]


# ------------------------------------------------------------------------------------ sequences and steps


def _listed(given: Any) -> list[Any]:
    if given is None:
        return []
    if isinstance(given, list | tuple):
        return list(given)
    return [given]


@dataclass
class _Sequence:
    """A sequence as the loop reads it: one array and one element of a step for each tap."""

    variable: Variable
    rows: list[Variable]
    elements: list[Variable] = field(default_factory=list)

    def cut(self, count: Variable, alone: bool) -> None:
        """Makes the arrays as long as there are steps, where they are not known to be."""
        for place, rows in enumerate(self.rows):
            known = rows.type.shape[0]
            steps = int(count.data) if isinstance(count, Constant) else None
            if known is not None and steps is not None and known < steps:
                raise ValueError(
                    f"scan: the sequence {self.variable} is too short: axis 0 allows {known} steps, n_steps is {steps}"
                )
            if not alone and (known is None or known != steps):
                self.rows[place] = rows[:count]
                self.rows[place].name = self.elements[
                    place
                ].name  # errors of lengths speak of x[t], not of a slice
        self.elements = [
            Variable(TensorType(rows.dtype, rows.type.shape[1:]), element.name)
            for rows, element in zip(self.rows, self.elements, strict=True)
        ]


def _sequence(given: Any, go_backwards: bool) -> _Sequence | None:
    if given is None:
        return None
    taps: list[int] = [0]
    if isinstance(given, Mapping):
        if given.get("input") is None:
            raise ValueError(f"scan: a dict in sequences needs 'input', got {dict(given)}")
        taps = _taps(given.get("taps"), [0], "sequences")
        given = given["input"]
    v = as_variable(given)
    if v.ndim == 0:
        raise ValueError(f"scan: a sequence is iterated over along axis 0, {v} is a scalar")
    first, last = min(*taps, 0), max(*taps, 0)
    rows: list[Variable] = []
    elements: list[Variable] = []
    for tap in taps:
        start, stop = tap - first, tap - last
        part = v if first == last else v[start : stop if stop else None]
        rows.append(part[::-1] if go_backwards else part)
        name = None if v.name is None else f"{v.name}[t{tap:+d}]" if tap else f"{v.name}[t]"
        elements.append(Variable(TensorType(v.dtype, v.type.shape[1:]), name))
    return _Sequence(v, rows, elements)


def _taps(given: Any, default: list[int], what: str) -> list[int]:
    if given is None:
        return default
    taps = [given] if isinstance(given, int | np.integer) else list(given)
    if not taps or any(not isinstance(t, int | np.integer) for t in taps) or len(set(taps)) < len(taps):
        raise ValueError(f"scan: taps in {what} are different ints, got {given!r}")
    return [int(t) for t in taps]


def _count(n_steps: Any, read: Sequence[_Sequence]) -> Variable:
    """How many steps: as said, or as many as the shortest sequence allows."""
    if isinstance(n_steps, float | np.floating):
        if not math.isfinite(n_steps):
            n_steps = None
        elif n_steps != int(n_steps):
            raise ValueError(f"n_steps must be an int. The value given is {n_steps}")
        else:
            n_steps = int(n_steps)
    if n_steps is not None:
        count = as_length(n_steps, "scan: n_steps")
        if isinstance(count, Constant) and count.data < 0:
            raise IndexError(f"Scan was asked to run for negative number of step {int(count.data)}")
        return count
    if not read:
        raise ValueError(_NO_COUNT)
    lengths = [length(sequence.rows[0], 0) for sequence in read]
    known = [n for n in lengths if isinstance(n, int)]
    count = None if not known else as_length(min(known), "scan")
    for n in lengths:
        if not isinstance(n, int):
            n = as_length(n, "scan")
            count = n if count is None else ew.minimum(count, n)
    return count


# ------------------------------------------------------------------------------------ states


def _state(given: Any, place: int) -> State | None:
    """What outputs_info says of an output: None if it does not feed back."""
    taps = [-1]
    if isinstance(given, Mapping):
        if given.get("initial") is None:
            if given.get("taps") is not None:
                raise ValueError(
                    f"If you are using slices of an output you need to provide an initial state for it:"
                    f" outputs_info[{place}] is {dict(given)}"
                )
            return None
        taps = _taps(given.get("taps"), [-1], f"outputs_info[{place}]")
        given = given["initial"]
    if given is None:
        return None
    if max(taps) >= 0:
        raise ValueError(
            f"scan: taps of an output are negative, outputs_info[{place}] has {taps}: a step cannot read what is not"
            f" yet computed"
        )
    number = given if isinstance(given, bool | int | float) and not isinstance(given, np.generic) else None
    initial = as_variable(given)
    longest = -min(taps)
    if taps == [-1]:
        past = expand_dims(initial, 0)
    elif initial.ndim == 0:
        raise ValueError(
            f"scan: the initial state {initial} of an output with taps {taps} holds the last {longest} values along"
            f" axis 0, but it is a scalar"
        )
    else:
        known = initial.type.shape[0]
        if known is not None and known < longest:
            raise ValueError(
                f"scan: the initial state {initial} has length {known} along axis 0; its taps {taps} go {longest}"
                f" steps back"
            )
        past = initial if known == longest else initial[:longest]
    return State(initial, past, taps, number)


# ------------------------------------------------------------------------------------ usual forms


def map(
    fn: Callable[..., Any],
    sequences: Any,
    non_sequences: Any = None,
    truncate_gradient: int = -1,
    go_backwards: bool = False,
    mode: Any = None,
    name: str | None = None,
) -> tuple[Any, OrderedUpdates]:
    """`fn(element of each sequence, *non_sequences)` for each place along axis 0. Gives (outputs, updates).

    >>> map(lambda x: x ** 2, np.arange(3))[0].eval()
    array([0, 1, 4])
    """
    return scan(
        fn,
        sequences,
        [],
        non_sequences,
        truncate_gradient=truncate_gradient,
        go_backwards=go_backwards,
        name=name,
    )


def reduce(
    fn: Callable[..., Any],
    sequences: Any,
    outputs_info: Any,
    non_sequences: Any = None,
    go_backwards: bool = False,
    mode: Any = None,
    name: str | None = None,
) -> tuple[Any, OrderedUpdates]:
    """The last value of a scan: `fn(element of each sequence, accumulator, *non_sequences)` is the next one.

    Of empty sequences it is the initial value. Gives (outputs, updates).

    >>> reduce(lambda x, total: total + x, np.arange(4), 0)[0].eval()
    array(6)
    """
    outputs, updates = scan(
        fn, sequences, outputs_info, non_sequences, go_backwards=go_backwards, name=name, return_list=True
    )
    states = [_state(given, place) for place, given in enumerate(_listed(outputs_info))]
    states = states or [None] * len(outputs)
    final = [
        rows[-1] if state is None else _last(rows, ew.cast(state.past, rows.dtype))
        for rows, state in zip(outputs, states, strict=True)
    ]
    return (final if len(final) != 1 else final[0]), updates


def foldl(
    fn: Callable[..., Any],
    sequences: Any,
    outputs_info: Any,
    non_sequences: Any = None,
    mode: Any = None,
    name: str | None = None,
) -> tuple[Any, OrderedUpdates]:
    """`reduce` from the first element to the last."""
    return reduce(fn, sequences, outputs_info, non_sequences, go_backwards=False, name=name)


def foldr(
    fn: Callable[..., Any],
    sequences: Any,
    outputs_info: Any,
    non_sequences: Any = None,
    mode: Any = None,
    name: str | None = None,
) -> tuple[Any, OrderedUpdates]:
    """`reduce` from the last element to the first. `fn` takes the element first, then the accumulator."""
    return reduce(fn, sequences, outputs_info, non_sequences, go_backwards=True, name=name)
