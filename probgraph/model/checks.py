"""Why a log density is not finite at a point: term by term, down to the element and its parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from probgraph.distributions.base import Distribution
from probgraph.engine.graph import FunctionGraph, Variable
from probgraph.engine.op import as_variable
from probgraph.engine.rewrite import run_passes
from probgraph.engine.rules import FAST_RUN
from probgraph.engine.run_graph import numpy_function
from probgraph.model.layout import Layout
from probgraph.model.model import Model


def term_values(model: Model, point: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Each term of the log density at a point (by names of value variables), element by element."""
    terms = model.terms()
    return dict(zip(terms, _values(model, point, list(terms.values())), strict=True))


def explanation(model: Model, point: Mapping[str, np.ndarray], gradient: np.ndarray | None = None) -> str:
    """A table of the terms at a point, with the first element of each that is not finite, and why."""
    terms = term_values(model, point)
    distributions = {f.name: f.variable.distribution for f in model.free}
    distributions |= {o.name: o.distribution for o in model.observed}
    values = _named_values(model, point)
    width = max(map(len, terms))
    lines = [f"  {'term':<{width}}  log density"]
    for name, elements in terms.items():
        with np.errstate(all="ignore"):
            line = f"  {name:<{width}}  {np.sum(elements):.6g}"
        bad = np.argwhere(~np.isfinite(elements))
        if len(bad):
            index = tuple(int(i) for i in bad[0])
            line += _where(index, len(bad), elements.size)
            if name in distributions:
                line += (
                    f": {_why(model, point, name, distributions[name], values[name], index, elements.shape)}"
                )
        lines.append(line)
    if gradient is not None and not np.isfinite(gradient).all():
        slots = Layout(model.value_vars).slots
        bad_slots = [s.name for s in slots if not np.isfinite(gradient[s.start : s.stop]).all()]
        lines.append(f"  the gradient is not finite for {', '.join(bad_slots)}")
    lines.append("at " + ", ".join(f"{f.name} = {_short(values[f.name])}" for f in model.free))
    return "\n".join(lines)


def _why(
    model: Model,
    point: Mapping[str, np.ndarray],
    name: str,
    distribution: Distribution,
    value: np.ndarray,
    index: tuple[int, ...],
    shape: tuple[int, ...],
) -> str:
    parameters = distribution.parameters
    found = dict(zip(parameters, _values(model, point, list(parameters.values())), strict=True))
    constraints = distribution.params
    ranks = {p: constraints[p].event_ndim if p in constraints else 0 for p in found}
    here = {p: _element(v, shape, index, ranks[p]) for p, v in found.items()}
    x = _element(value, shape, index, distribution.event_ndim)
    text = f"{name} = {_number(x)} of {type(distribution).__name__}"
    text += f"({', '.join(f'{p}={_number(v)}' for p, v in here.items())})"
    for p, constraint in constraints.items():
        v = here[p]
        holds = _values(model, point, [constraint.holds(as_variable(v))])[0]
        if not holds:
            text += f"; {p} must be {constraint.text}"
    if not _values(model, point, [distribution.support.holds(as_variable(x))])[0].all():
        text += f"; {name} must be {distribution.support.text}"
    return text


def _element(value: np.ndarray, shape: tuple[int, ...], index: tuple[int, ...], rank: int) -> np.ndarray:
    """What stands at an index of a batch: a number, or an array of that many axes."""
    event = value.shape[value.ndim - rank :]
    return np.asarray(np.broadcast_to(value, shape + event)[index])


def _named_values(model: Model, point: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    variables: list[Variable] = [*model.free_RVs, *(o.value for o in model.observed)]
    names = [f.name for f in model.free] + [o.name for o in model.observed]
    return dict(zip(names, _values(model, point, variables), strict=True))


def _values(model: Model, point: Mapping[str, np.ndarray], outputs: Sequence[Variable]) -> list[np.ndarray]:
    graphs = run_passes(model.on_values(outputs), FAST_RUN)
    values = [v for v in model.value_vars if v.name in point]
    with np.errstate(all="ignore"):
        return [
            np.asarray(v)
            for v in numpy_function(FunctionGraph(values, graphs))([point[v.name] for v in values])
        ]


def _where(index: tuple[int, ...], count: int, size: int) -> str:
    if not index:
        return ""
    others = f", the first of {count} of {size}" if count > 1 else ""
    return f" at index {index if len(index) > 1 else index[0]}{others}"


def _number(value: np.ndarray) -> str:
    return f"{value:.6g}" if np.ndim(value) == 0 else _short(value)


def _short(value: np.ndarray) -> str:
    return np.array2string(value, precision=6, threshold=8, edgeitems=3, separator=", ").replace("\n", "")
