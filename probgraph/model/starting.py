"""Where a search begins: each free variable at its distribution's point, given those before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from probgraph.distributions.parameters import shown
from probgraph.engine.graph import FunctionGraph, Variable
from probgraph.engine.op import as_variable
from probgraph.engine.run_graph import numpy_function
from probgraph.model.variables import FreeVariable


def starting_point(
    free: Sequence[FreeVariable], given: Mapping[str, Any] | None = None, argument: str = "initial_point"
) -> dict[str, np.ndarray]:
    """A value for each value variable, by its name.

    `given` has values for some: in a variable's own space under its name, or over R under that of its value
    variable; it goes before a variable's `initval`, and that before the distribution's point. `argument` is what errors
    call it.
    """
    given = dict(given or {})
    point: dict[str, np.ndarray] = {}
    known: dict[Variable, np.ndarray] = {}
    for f in free:
        value_name = f.value.name or ""
        if value_name in given:
            y = _shaped(value_name, given.pop(value_name), f.value)
            given.pop(f.name, None)
            x = _run(f.constrained(), {**known, f.value: y})
        else:
            own = given.pop(f.name) if f.name in given else f.initval
            if own is None:
                x = _run(f.variable.distribution.support_point(), known)
            elif isinstance(own, Variable):
                x = _run(own, known)
            else:
                x = _shaped(f.name, own, f.variable)
            x = np.broadcast_to(x, f.variable.type.shape).astype(f.variable.dtype)
            y = x if f.transform is None else _run(f.transform.forward(as_variable(x)), known)
            y = np.broadcast_to(y, f.value.type.shape).astype(f.value.dtype)
        _refuse_outside(f, x, y, known)
        known[f.variable], point[value_name] = x, np.array(y)
    for name in given:
        legal = ", ".join(n for f in free for n in dict.fromkeys((f.name, f.value.name)) if n)
        raise KeyError(f"{argument} names {name!r}, which is no free variable; those are {legal or 'none'}")
    return point


def _run(v: Variable, known: Mapping[Variable, np.ndarray]) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.asarray(numpy_function(FunctionGraph(list(known), [v]))(list(known.values()))[0])


def _shaped(name: str, value: Any, like: Variable) -> np.ndarray:
    array = np.asarray(value, dtype=like.dtype)
    try:
        return np.array(np.broadcast_to(array, like.type.shape))
    except ValueError:
        raise ValueError(
            f"the initial value of {name} has shape {array.shape}, the variable {like.type.shape}"
        ) from None


def _refuse_outside(
    f: FreeVariable, x: np.ndarray, y: np.ndarray, known: Mapping[Variable, np.ndarray]
) -> None:
    support = f.variable.distribution.support
    inside = np.broadcast_to(
        _run(support.holds(as_variable(x)), known), x.shape[: x.ndim - support.event_ndim]
    )
    if inside.all() and np.isfinite(y).all():
        return
    edge = ""
    if inside.all():  # on the edge of the support, or where another transform does not lead
        edge = f", where its transform {f.transform.name} leads" if f.transform is not None else ""
        inside = np.isfinite(y) if x.shape == y.shape else np.zeros((), bool)
    bad = tuple(int(i) for i in np.argwhere(~inside)[0])
    where = f" at index {bad if len(bad) > 1 else bad[0]}" if bad else ""
    raise ValueError(
        f"the initial value of {f.name} is {shown(x[bad])}{where}; it must be inside its support, that is"
        f" {support.text}{edge}: {f.variable!r}. Give initval= or initvals="
    )
