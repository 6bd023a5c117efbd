"""How a distribution takes its parameters: names, defaults, other legal sets of names, and what they must be.

A distribution is stated in its own parameters (mu and sigma); users may give others (mu and tau) that are
converted. Constants are checked and converted at once; graphs stay graphs, and are checked in the density.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from probgraph.distributions.constraints import Constraint, Each, unbounded
from probgraph.distributions.folding import folded, value_if_constant
from probgraph.distributions.known_signs import certainly
from probgraph.engine.config import config
from probgraph.engine.graph import Constant, Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.shape import shape_padleft
from probgraph.engine.types import FLOATS


@dataclass(frozen=True)
class Alternative:
    """Another legal set of parameters, and how the distribution's own come from it.

    `safe` says that legal values always convert to legal ones, so that only the given need be checked.
    """

    params: Mapping[str, Constraint]
    convert: Callable[..., Mapping[str, Variable]]
    safe: bool = True


@dataclass(frozen=True)
class Resolved:
    """The parameters in the distribution's own terms, and the checks that could not be made yet."""

    own: dict[str, Variable]
    given: dict[str, Variable]
    unchecked: list[Variable]


def resolve(
    who: str,
    params: Mapping[str, Constraint],
    defaults: Mapping[str, float],
    alternatives: Sequence[Alternative],
    given: Mapping[str, Any],
) -> Resolved:
    """The parameters of distribution `who` from those that the user gave by name.

    Raises TypeError, listing the legal sets, where the names make none, and ValueError where a constant lies
    outside its constraint.
    """
    named = {name: value for name, value in given.items() if value is not None}
    own = Alternative(params, lambda **values: values)
    for choice in (own, *alternatives):
        missing = set(choice.params) - set(named)
        if set(named) <= set(choice.params) and missing <= set(defaults):
            break
    else:
        raise TypeError(_no_such_set(who, params, defaults, alternatives, named))
    values = {
        name: _with_event(who, name, parameter(who, name, named.get(name, defaults.get(name))), constraint)
        for name, constraint in choice.params.items()
    }
    unchecked = [
        condition
        for name, constraint in choice.params.items()
        if (condition := _check(who, name, values[name], constraint)) is not None
    ]
    converted = {name: folded(v) for name, v in choice.convert(**values).items()}
    if not choice.safe:
        origin = f" (computed from {' and '.join(f'{n}={_shown(v)}' for n, v in values.items())})"
        for name, constraint in params.items():
            condition = _check(who, name, converted[name], constraint, origin)
            if condition is not None:
                unchecked.append(condition)
    return Resolved({name: converted[name] for name in params}, values, unchecked)


def parameter(who: str, name: str, value: Any) -> Variable:
    """A parameter as a variable of floating type: numbers, arrays of them, and variables of integers become floatX."""
    if isinstance(value, str) or value is None:
        raise TypeError(f"{who}: {name} is {value!r}; it must be a number, an array or a variable")
    try:
        v = as_variable(value)
    except TypeError as error:
        raise TypeError(f"{who}: {name} must be a number, an array or a variable: {error}") from None
    number = isinstance(v, Constant) and not isinstance(value, Variable)
    return folded(ew.cast(v, config.floatX) if number or v.dtype not in FLOATS else v)


def _with_event(who: str, name: str, v: Variable, constraint: Constraint) -> Variable:
    """A parameter with the axes that its values need: a number may stand for a vector of equal ones."""
    missing = constraint.event_ndim - v.ndim
    if missing <= 0:
        return v
    if not isinstance(constraint, Each):
        kind = {1: "vectors", 2: "matrices"}.get(constraint.event_ndim, "arrays")
        raise ValueError(
            f"{who}: {name} has shape {v.type.shape}; its values are {kind}, so that it needs at least"
            f" {constraint.event_ndim} axes"
        )
    return folded(shape_padleft(v, missing))


def _check(who: str, name: str, v: Variable, constraint: Constraint, origin: str = "") -> Variable | None:
    """A condition to be checked in the density; None where there is none. ValueError for a bad constant."""
    value = value_if_constant(v)
    if value is not None:
        refuse_outside(f"{who}: {name}", value, constraint, origin)
        return None
    # A location that is a graph is not checked: where it is not finite, neither is the density.
    return None if unbounded(constraint) or certainly(v, constraint) else constraint.holds(v)


def refuse_outside(what: str, value: np.ndarray, constraint: Constraint, origin: str = "") -> None:
    """ValueError naming the first element of `value` that is not in the constraint."""
    holds = value_if_constant(constraint.holds(as_variable(value)))
    if holds is None or np.all(holds):
        return
    batch = np.shape(value)[: np.ndim(value) - constraint.event_ndim]
    bad = tuple(int(i) for i in np.argwhere(~np.broadcast_to(holds, batch))[0])
    where = f" at index {bad if len(bad) > 1 else bad[0]}" if bad else ""
    raise ValueError(f"{what} is {shown(value[bad])}{where}{origin}; it must be {constraint.text}")


def shown(value: np.ndarray) -> str:
    """A number, vector or matrix for a message."""
    if np.ndim(value) == 0:
        return f"{value:.10g}"
    return np.array2string(value, threshold=6, precision=6, separator=", ").replace("\n", "")


def _shown(v: Variable) -> str:
    value = value_if_constant(v)
    return str(v) if value is None else np.array2string(value, threshold=6, precision=6)


def _no_such_set(
    who: str,
    params: Mapping[str, Constraint],
    defaults: Mapping[str, float],
    alternatives: Sequence[Alternative],
    named: Mapping[str, Any],
) -> str:
    sets = [tuple(params), *(tuple(a.params) for a in alternatives)]
    legal = " or ".join(f"({', '.join(names)})" for names in sets)
    usual = ", ".join(f"{name}={value:g}" for name, value in defaults.items())
    given = ", ".join(named) if named else "nothing"
    return f"{who} takes {legal}; given was {given}" + (f". Defaults: {usual}" if usual else "")
