"""Closing a graph: from what the user says of a function to one graph with every input named.

`function` is given inputs, outputs, updates and replacements (`givens`); shared variables are found in the
graph. `close` checks all of it, with the user's names in every error, and returns one `FunctionGraph` whose
inputs are the explicit ones followed by the shared, and whose outputs are the results followed by the new
values of what is updated. Nothing is computed in place, so old values stay what they are until the call ends.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from probgraph.engine.config import config
from probgraph.engine.graph import (
    Constant,
    FunctionGraph,
    Interner,
    MissingInputError,
    Variable,
    ancestors,
    rebuild,
    toposort,
)
from probgraph.engine.inputs import In, UnusedInputError, converted
from probgraph.engine.shared import SharedVariable

Pairs = Mapping[Variable, Any] | Iterable[Sequence[Any]] | None


@dataclass
class ClosedGraph:
    """A graph with nothing left open.

    `graph.inputs` are the explicit inputs, then `shared`; `graph.outputs` are the results, then one new value
    for each of `updated` (inputs with an update, and shared variables).
    """

    graph: FunctionGraph
    shared: list[SharedVariable]
    updated: list[Variable]


def close(
    inputs: Sequence[In],
    outputs: Sequence[Variable],
    updates: Pairs = None,
    givens: Pairs = None,
    no_default_updates: bool | Sequence[Variable] = False,
    rebuild_strict: bool = True,
    on_unused_input: str | None = None,
) -> ClosedGraph:
    """The closed graph of a function; see `function` for the arguments and the errors."""
    _reject_duplicates(inputs)
    wanted = _update_pairs(updates)
    interner = Interner()
    replace = _replacements(_given_pairs(givens), inputs, rebuild_strict, interner)

    results = rebuild(outputs, replace, interner)
    targets: dict[Variable, Variable] = {}
    for given in inputs:
        if given.update is not None:
            (targets[given.variable],) = rebuild([given.update], replace, interner)
    for target, value in wanted.items():
        (targets[target],) = rebuild([value], replace, interner)
    shared = _with_default_updates(results, targets, replace, interner, no_default_updates)

    variables = [replace.get(given.variable, given.variable) for given in inputs]
    everything = [*results, *targets.values()]
    _reject_missing(everything, variables)
    _report_unused(inputs, variables, everything, on_unused_input)
    return ClosedGraph(FunctionGraph([*variables, *shared], everything), shared, list(targets))


def _reject_duplicates(inputs: Sequence[In]) -> None:
    first: dict[Variable, int] = {}
    for index, given in enumerate(inputs):
        before = first.setdefault(given.variable, index)
        if before != index:
            raise UnusedInputError(
                f"Variable {given.variable} is used twice in inputs to function, at indices {before} and {index}."
                f" This would result in values provided for it being ignored. Please do not duplicate variables in"
                f" the inputs list."
            )


# ------------------------------------------------------------------------------------ updates


def _pairs(given: Any, message: str) -> list[tuple[Any, Any]]:
    if given is None:
        return []
    if isinstance(given, Mapping):
        return list(given.items())
    # Not a set: what order its elements come in is chance. A variable would be taken for a list of its elements.
    if isinstance(given, set | frozenset | str | Variable) or not isinstance(given, Iterable):
        raise ValueError(message)
    pairs: list[tuple[Any, Any]] = []
    for pair in given:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise ValueError(message)
        pairs.append((pair[0], pair[1]))
    return pairs


def _update_pairs(updates: Pairs) -> dict[Variable, Variable]:
    message = (
        "The updates parameter must be an OrderedDict/dict or a list of lists/tuples with 2 elements,"
        f" the shared variable and its new value; got {updates!r:.200}"
    )
    wanted: dict[Variable, Variable] = {}
    for target, value in _pairs(updates, message):
        if not isinstance(target, SharedVariable):
            raise TypeError("update target must be a SharedVariable", target)
        if target in wanted:
            raise ValueError(
                "this shared variable already has an update expression", (target, wanted[target])
            )
        wanted[target] = _update_value(target, value)
    return wanted


def _update_value(target: SharedVariable, value: Any) -> Variable:
    try:
        return converted(value, target, "an update")
    except (TypeError, ValueError) as error:
        given = getattr(value, "type", type(value))
        if isinstance(value, Variable) and value.ndim == target.ndim and value.dtype == target.dtype:
            remedy = f"tell its lengths with specify_shape({value}, {target.type.shape})"
        elif isinstance(value, Variable) and value.ndim == target.ndim:
            remedy = f"convert it: ({value}).astype('{target.dtype}')"
        else:
            remedy = str(error)
        raise TypeError(
            f"An update must have the same type as the original shared variable (shared_var={target},"
            f" shared_var.type={target.type}, update_val={value}, update_val.type={given}). If the difference is"
            f" meant, {remedy}"
        ) from None


def _with_default_updates(
    results: Sequence[Variable],
    targets: dict[Variable, Variable],
    replace: Mapping[Variable, Variable],
    interner: Interner,
    without: bool | Sequence[Variable],
) -> list[SharedVariable]:
    """All shared variables, in order of first use. Adds their default updates to `targets`; these may bring in
    shared variables of their own."""
    if not isinstance(without, bool | list | tuple):
        raise TypeError(
            f"no_default_update should be either a boolean or a list, got {type(without).__name__}"
        )
    excluded = set() if isinstance(without, bool) else set(without)
    found: dict[SharedVariable, None] = {}
    waiting = [*results, *targets.values()]
    seen: set[Variable] = set()
    while waiting:
        new = [v for v in ancestors(waiting) if v not in seen]
        seen.update(new)
        waiting = []
        for v in new:
            if not isinstance(v, SharedVariable):
                continue
            found[v] = None
            if v.default_update is None or v in targets or without is True or v in excluded:
                continue
            (targets[v],) = rebuild([_update_value(v, v.default_update)], replace, interner)
            waiting.append(targets[v])
    return list(found)


# ------------------------------------------------------------------------------------ givens


def _given_pairs(givens: Pairs) -> list[tuple[Variable, Any]]:
    message = (
        f"The givens parameter is a dict or a list of pairs (variable, replacement); got {givens!r:.200}"
    )
    pairs = _pairs(givens, message)
    for key, _ in pairs:
        if not isinstance(key, Variable):
            raise TypeError("given keys must be Variable", key)
    return pairs


def _replacements(
    pairs: Sequence[tuple[Variable, Any]], inputs: Sequence[In], strict: bool, interner: Interner
) -> dict[Variable, Variable]:
    explicit = {given.variable for given in inputs}
    # An input may be an intermediate variable: a root then stands for it, and what is behind it is not looked at.
    replace = {v: Variable(v.type, v.name) for v in explicit if v.owner is not None}
    read: set[Variable] = set()  # what the replacements so far are computed from
    for old, value in pairs:
        if old in explicit:
            raise RuntimeError(
                f"You are trying to replace variable '{old}' through the `givens` parameter, but this variable is"
                f" an input to your function. Replacing inputs is currently forbidden because it has no effect. One"
                f" way to modify an input `x` to a function evaluating f(x) is to define a new input `y` and use"
                f" `function([y], f(x), givens={{x: g(y)}})`. Another solution consists in using `clone`, e.g. like"
                f" this: `function([x], clone(f(x), replace={{x: g(x)}}))`."
            )
        new = converted(value, old, "givens") if strict or not isinstance(value, Variable) else value
        if old in replace or old in read:
            raise AssertionError(
                f"When using 'givens' or 'replace' with several (old_v, new_v) replacement pairs, you can not have"
                f" a new_v variable depend on an old_v one. For instance, givens = {{a:b, b:(a+1)}} is not allowed."
                f" Here, the old_v {old} is used to compute other new_v's, but it is scheduled to be replaced by"
                f" {new}."
            )
        read.update(ancestors([new], stop=replace))
        (replace[old],) = rebuild([new], replace, interner)
    return replace


# ------------------------------------------------------------------------------------ what is missing or unused


def _open(v: Variable) -> bool:
    return v.owner is None and not isinstance(v, Constant | SharedVariable)


def _reject_missing(outputs: Sequence[Variable], inputs: Sequence[Variable]) -> None:
    given = set(inputs)
    for v in outputs:
        if _open(v) and v not in given:
            raise MissingInputError(
                f"Undeclared input: {v} is asked for as an output, but is not among the inputs"
            )
    for node in toposort(outputs, stop=given):
        for position, v in enumerate(node.inputs):
            if _open(v) and v not in given:
                raise MissingInputError(
                    f"Input {position} of the graph (indices start from 0), used to compute {node}, was not"
                    f" provided and not given a value. Add the variable {v} to the function's inputs, or give it a"
                    f" value with `givens`. (Made in {node.trace[0]}, line {node.trace[1]})"
                )


def _report_unused(
    inputs: Sequence[In], variables: Sequence[Variable], outputs: Sequence[Variable], action: str | None
) -> None:
    action = config.on_unused_input if action is None else action
    if action not in ("raise", "warn", "ignore"):
        raise ValueError(f"on_unused_input is 'raise', 'warn' or 'ignore', got {action!r}")
    if action == "ignore":
        return
    used = set(ancestors(outputs))
    for index, (given, variable) in enumerate(zip(inputs, variables, strict=True)):
        if variable in used or given.update is not None:
            continue
        message = (
            f"function was asked to create a function computing outputs given certain inputs, but the provided"
            f" input variable at index {index} is not part of the computational graph needed to compute the"
            f" outputs: {given.variable}.\nTo make this error into a warning, you can pass the parameter"
            f" on_unused_input='warn' to function. To disable it completely, use on_unused_input='ignore'."
        )
        if action == "raise":
            raise UnusedInputError(message)
        warnings.warn(message, stacklevel=4)
