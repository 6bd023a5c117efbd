"""`function`: from a graph to something to call.

It closes the graph (`closing`), has it rewritten and compiled (`modes`), and makes a `Function` of the result.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from probgraph.engine.callable import Function, Layout
from probgraph.engine.closing import Pairs, close
from probgraph.engine.graph import Variable, _users_line, garbage_kept
from probgraph.engine.inputs import In, as_input, as_output
from probgraph.engine.modes import Mode, get_mode
from probgraph.engine.profile import Profile


def function(
    inputs: Sequence[Any],
    outputs: Any = None,
    mode: Mode | str | None = None,
    updates: Pairs = None,
    givens: Pairs = None,
    no_default_updates: bool | Sequence[Variable] = False,
    accept_inplace: bool = False,
    name: str | None = None,
    rebuild_strict: bool = True,
    allow_input_downcast: bool | None = None,
    profile: bool | str | Profile | None = None,
    on_unused_input: str | None = None,
) -> Function:
    """A callable that computes `outputs` from `inputs`.

    `inputs` is a list of variables or `In`s; calls give their values by position or by the variables' names.
    `outputs` is a variable (the call returns an array), a list (a list), a dict with str keys (a dict) or None.
    `updates` pairs shared variables with expressions for their new values: all see the old values, outputs
    too, and they take effect together when the call ends. `givens` replaces variables of the graph by
    others, by numbers or by arrays; their types must agree, unless `rebuild_strict` is False.
    `no_default_updates` leaves out all default updates of shared variables (True) or those of a list.
    `mode` is "FAST_RUN", "FAST_COMPILE", "DebugMode" or a `Mode`; None is `config.mode`. `allow_input_downcast`
    lets arguments lose precision (True), or refuses even Python floats for float32 (False).
    `on_unused_input` is "raise", "warn" or "ignore"; `name` stands in errors (default: "file:line" of the call);
    with `profile` the function counts and times its calls (`f.profile.summary()`). `accept_inplace` is
    Theano's and changes nothing: no graph computes in place.

    Raises TypeError for inputs, outputs, updates and givens of the wrong kind or type, UnusedInputError for
    inputs that are not needed or given twice, MissingInputError for variables that nobody gives a value.

    >>> from probgraph.engine import tensor as T
    >>> x = T.dscalar("x")
    >>> function([x], x ** 2)(3.0)
    array(9.)
    """
    if not isinstance(inputs, list | tuple):
        raise TypeError(
            "Input variables of a function should be contained in a list, even when there is a single input."
        )
    variables, layout = _layout(outputs)
    given = [_own(as_input(i), allow_input_downcast) for i in inputs]
    closed = close(given, variables, updates, givens, no_default_updates, rebuild_strict, on_unused_input)
    if name is None:
        name = "{}:{}".format(*_users_line())
    with garbage_kept():
        return Function(given, closed, layout, get_mode(mode), name, profile=profile)


def _own(given: In, allow_input_downcast: bool | None) -> In:
    """A copy of the user's In, with what the function says of all inputs filled in."""
    given = copy.copy(given)
    if given.allow_downcast is None:
        given.allow_downcast = allow_input_downcast
    return given


def _layout(outputs: Any) -> tuple[list[Variable], Layout]:
    if outputs is None:
        return [], Layout(0)
    if isinstance(outputs, Mapping):
        for key in outputs:
            if not isinstance(key, str):
                raise AssertionError(
                    f"The keys of a dictionary of outputs are strings, got {key!r} of type {type(key)}"
                )
        keys = tuple(sorted(outputs))
        return [as_output(outputs[key]) for key in keys], Layout(len(keys), keys=keys)
    if isinstance(outputs, list | tuple):
        return [as_output(v) for v in outputs], Layout(len(outputs))
    return [as_output(outputs)], Layout(1, alone=True)
