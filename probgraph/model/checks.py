"""Why a log density is not finite at a point: term by term, down to the element and its parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from probgraph.distributions.base import Distribution
from probgraph.engine.graph import FunctionGraph, Variable
from probgraph.engine.op import as_variable
from probgraph.engine.rewrite import run_passes
from probgraph.engine.rules import FAST_RUN
from probgraph.engine.run_graph import numpy_function
from probgraph.model.layout import Layout
from probgraph.model.log_density import log_density
from probgraph.model.model import Model
from probgraph.samplers import LogDensity


def term_values(model: Model, point: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Each term of the log density at a point (by names of value variables), element by element.

    nan where a matrix has no Cholesky factor.
    """
    return {name: _term(model, point, term)[0] for name, term in model.terms().items()}


def _term(model: Model, point: Mapping[str, np.ndarray], term: Variable) -> tuple[np.ndarray, str]:
    """A term's values, and what was raised instead of them."""
    try:
        return _values(model, point, [term])[0], ""
    except np.linalg.LinAlgError as error:
        shape = tuple(1 if n is None else n for n in term.type.shape)
        return np.full(shape, np.nan), str(error)


@dataclass(frozen=True)
class Report:
    """What `model.check()` found. True where nothing is wrong; its text is for people.

    `terms` are the terms of the log density at `point`, the lowest first; `logp` is their sum with the Jacobians,
    `gradient` by the value variables, and `gradient_error` how far that is at most from differences, relative to the
    larger of 1 and their size.
    """

    point: dict[str, np.ndarray]
    shapes: dict[str, tuple[int | None, ...]]
    terms: dict[str, float]
    logp: float
    gradient: np.ndarray
    gradient_error: float
    problems: list[str]

    def __bool__(self) -> bool:
        return not self.problems

    def __repr__(self) -> str:
        width = max(map(len, self.terms), default=4)
        lines = [
            f"  {name:<{width}}  {value:12.6g}  {self.shapes.get(name, ())}"
            for name, value in self.terms.items()
        ]
        head = f"log density {self.logp:.6g} at the start"
        if np.isfinite(self.gradient_error):
            head += f"; the gradient is within {self.gradient_error:.1g} of differences"
        said = self.problems or ["nothing is wrong at the start"]
        return "\n".join([head, f"  {'term':<{width}}  {'value':>12}  shape", *lines, *said])


#: a gradient that is farther than this from differences is wrong
WRONG_GRADIENT = 1e-3


def check(self: Model, point: Mapping[str, np.ndarray] | None = None) -> Report:
    """A look at the model before sampling, at its start or at a point by names of value variables.

    Each term's value, the lowest first; whether the log density and its gradient are finite, with the variable, element
    and parameters that are to blame if not; the gradient against differences. Discrete unknowns have no gradient: they
    are summed out first, as `sample` does.

    >>> with Model() as model:
    ...     x = Normal("x", 0.0, 1.0)
    >>> bool(model.check())
    True
    """
    at = dict(self.initial_point() if point is None else point)
    discrete = [f.name for f in self.free if f.variable.distribution.discrete]
    model = self.marginalized(discrete) if discrete else self
    needed = [f.value.name or "" for f in model.free]
    for name in needed:
        if name not in at:
            raise KeyError(f"check: the point has no {name!r}; it needs {', '.join(needed)}")
    at = {name: np.asarray(v, dtype="float64") for name, v in at.items() if name in needed}
    values = {name: float(np.sum(v)) for name, v in term_values(model, at).items()}
    terms = dict(sorted(values.items(), key=lambda item: (np.isfinite(item[1]), item[1])))
    density, layout = log_density(model)
    q = layout.vector(at)
    logp, gradient = density(q)
    problems, error = [], np.nan
    if not (np.isfinite(logp) and np.isfinite(gradient).all()):
        problems.append(explanation(model, at, gradient))
    else:
        slopes = np.array([_slope(density, q, k) for k in range(len(q))])
        errors = np.abs(slopes - gradient) / np.maximum(np.abs(slopes), 1.0)
        error = float(np.nanmax(errors, initial=0.0))
        if error > WRONG_GRADIENT:
            k = int(np.nanargmax(errors))
            slot = next(s for s in layout.slots if s.start <= k < s.stop)
            problems.append(
                f"the gradient by {slot.name} is {gradient[k]:.6g} at element {k - slot.start}, differences give"
                f" {slopes[k]:.6g}: an operation of your own may have a wrong gradient, or the density has a corner there"
            )
    shapes = {f.name: f.variable.type.shape for f in model.free} | {
        o.name: o.array.shape for o in model.observed
    }
    return Report(at, shapes, terms, float(logp), gradient, error, problems)


def _slope(density: LogDensity, q: np.ndarray, k: int) -> float:
    step = np.zeros_like(q)
    step[k] = 6e-6 * max(1.0, abs(q[k]))
    return (density(q + step)[0] - density(q - step)[0]) / (2 * step[k])


def debug(self: Model, point: Mapping[str, np.ndarray] | None = None, verbose: bool = False) -> None:
    """Prints each term's value at the start, or at a point, and what is wrong with those that are not finite.

    `verbose` is taken for the sake of scripts written for PyMC.
    """
    print(explanation(self, self.initial_point() if point is None else point))


# A model's own methods, which stand on a floor above it: they read it from outside.
Model.check, Model.debug = check, debug  # type: ignore[attr-defined]


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
        failed = _term(model, point, model.terms()[name])[1] if len(bad) else ""
        if failed:
            line += f": {failed}"
        elif len(bad):
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
    parameters, constraints = distribution.as_given()
    found = dict(zip(parameters, _values(model, point, list(parameters.values())), strict=True))
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
