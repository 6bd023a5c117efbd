"""Draws from a model forward: from the prior, and given draws of the posterior; for all of them at once.

The idea worth knowing: variables are drawn in stages, those of one stage needing only earlier ones. What the
parameters of a stage are at each draw is one compiled function of what is known of that draw; the draws themselves
are one call of NumPy for each variable. Many draws are worked off in chunks, so that memory stays bounded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from probgraph.changes import changed_data, changed_dims, drawn_again, told
from probgraph.distributions.base import Distribution
from probgraph.distributions.many_draws import batch_for, draw_for_each
from probgraph.engine.graph import FunctionGraph, Variable, ancestors, graph_inputs, rebuild
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.types import FLOATS, TensorType
from probgraph.inference_data import build
from probgraph.model.layout import Layout
from probgraph.model.log_density import compiled_rows
from probgraph.model.model import Model, the_model
from probgraph.progress import Bar
from probgraph.results import extend, posterior_draws
from probgraph.samplers import generator

#: numbers in a chunk of draws, all variables together
CHUNK = 2**24


@dataclass
class Drawn:
    """A random variable of a model: what others read, how it is distributed, and how long it is."""

    name: str
    variable: Variable
    distribution: Distribution
    shape: tuple[int, ...]
    dims: tuple[str | None, ...] | None
    model: Model

    @property
    def precision(self) -> str:
        """The dtype of real draws: the variable's, unless only whole numbers were observed of it."""
        return self.variable.dtype if self.variable.dtype in FLOATS else "float64"

    def batch(self, params: Mapping[str, np.ndarray]) -> tuple[int, ...]:
        """The batch's shape now: that of its dims, else of its parameters, else of what was observed.

        ValueError, saying what to do, where dims and parameters differ.
        """
        d = self.distribution
        rank = len(self.shape) - d.event_ndim
        own = batch_for(d, params, ())
        own = (1,) * (rank - len(own)) + own
        static = (1,) * (rank - len(d.batch_shape)) + d.batch_shape
        names = (self.dims or (None,) * len(self.shape))[:rank]
        lengths = []
        for axis, (n, known, length, dim) in enumerate(zip(own, static, self.shape, names, strict=False)):
            if dim is not None:
                length = self.model.dim_lengths[dim]
                if n not in (1, length):
                    raise ValueError(
                        f"{self.name}: its parameters have length {n} along axis {axis}, its dim {dim!r} has {length}: set_data"
                        f" with coords={{{dim!r}: ...}} gives the dim the new length"
                    )
            elif n != 1 or known is None:
                length = n
            lengths.append(length)
        return tuple(lengths)


@dataclass
class Stage:
    """Variables that are drawn together, and what tells their parameters for many draws."""

    variables: list[Drawn]
    parameters: Callable[[Mapping[str, np.ndarray], int], list[dict[str, np.ndarray]]]


@dataclass
class Plan:
    """How `names` are drawn, given values of `given` for each draw."""

    given: list[str]
    stages: list[Stage]
    names: list[str]
    deterministics: Callable[[Mapping[str, np.ndarray], int], dict[str, np.ndarray]]
    width: int = field(default=1)

    def draws(
        self, rng: np.random.Generator, known: Mapping[str, np.ndarray], count: int
    ) -> dict[str, np.ndarray]:
        """Arrays (count, *shape) by name."""
        values = dict(known)
        for stage in self.stages:
            for v, params in zip(stage.variables, stage.parameters(values, count), strict=True):
                drawn = draw_for_each(v.distribution, rng, params, count, v.batch(params))
                values[v.name] = drawn if drawn.dtype.kind != "f" else drawn.astype(v.precision, copy=False)
        values.update(self.deterministics(values, count))
        return {name: values[name] for name in self.names}

    def in_chunks(
        self, rng: np.random.Generator, known: Mapping[str, np.ndarray], count: int, bar: Bar | None = None
    ) -> dict[str, np.ndarray]:
        """`draws`, a part at a time."""
        rows = max(1, CHUNK // max(self.width, 1))
        results: dict[str, np.ndarray] = {}
        for start in range(0, count, rows):
            stop = min(start + rows, count)
            part = self.draws(rng, {name: v[start:stop] for name, v in known.items()}, stop - start)
            for name, values in part.items():
                if name not in results:
                    results[name] = np.empty((count, *values.shape[1:]), values.dtype)
                results[name][start:stop] = values
            if bar is not None:
                bar.update(stop)
        return results


def _random(model: Model) -> dict[str, Drawn]:
    """All random variables by name."""
    dims = model.named_vars_to_dims
    found = {
        f.name: Drawn(
            f.name, f.variable, f.variable.distribution, f.variable.type.shape, dims.get(f.name), model
        )
        for f in model.free
    }
    return found | {
        o.name: Drawn(o.name, o.variable, o.distribution, o.present_array().shape, dims.get(o.name), model)
        for o in model.observed
    }


def plan(model: Model, names: Sequence[str], given: Sequence[str] = ()) -> Plan:
    """How to draw the variables `names` when values of `given` are known."""
    random = _random(model)
    variables = {v.variable: name for name, v in random.items()}
    deterministics = {d.name or "": d for d in model.deterministics}
    taken = set(given)
    targets = [random[n].distribution if n in random else deterministics[n] for n in names]
    needed = [n for n in names if n in random]
    order: list[str] = []
    stack = [(n, False) for n in reversed(needed)]
    for target in targets:
        if isinstance(target, Variable):
            stack.extend((n, False) for n in _read([target], variables))
    while stack:
        name, expanded = stack.pop()
        if name in order or name in taken:
            continue
        if expanded:
            order.append(name)
            continue
        stack.append((name, True))
        stack.extend((n, False) for n in _read(_graphs(random[name].distribution), variables))
    stages, level = [], dict.fromkeys(taken, -1)
    for name in order:
        read = _read(_graphs(random[name].distribution), variables)
        level[name] = 1 + max((level[n] for n in read), default=-1)
    known = list(given)
    for depth in range(1 + max(level.values(), default=-1)):
        now = [random[n] for n in order if level[n] == depth]
        stages.append(Stage(now, _parameters(now, [random[n].variable for n in known])))
        known += [v.name for v in now]
    wanted = {n: deterministics[n] for n in names if n in deterministics}
    plain = _values(list(wanted.values()), [random[n].variable for n in known])

    def compute(values: Mapping[str, np.ndarray], count: int) -> dict[str, np.ndarray]:
        return dict(zip(wanted, _repeated(plain(values), count, wanted.values()), strict=True))

    return Plan(list(given), stages, list(names), compute, _width(model, [*order, *wanted]))


def _width(model: Model, names: Sequence[str]) -> int:
    shapes = [model[n].type.shape for n in names]
    return sum(int(np.prod([1 if n is None else n for n in s])) for s in shapes)


def _graphs(distribution: Distribution) -> list[Variable]:
    return list(distribution.parameters.values())


def _read(outputs: Sequence[Variable], variables: Mapping[Variable, str]) -> list[str]:
    """The random variables that graphs are computed from, nothing behind them."""
    roots = graph_inputs(outputs, stop=variables)
    return [variables[v] for v in roots if v in variables]


def _parameters(
    stage: Sequence[Drawn], known: Sequence[Variable]
) -> Callable[[Mapping[str, np.ndarray], int], list[dict[str, np.ndarray]]]:
    graphs = [v.distribution.parameters for v in stage]
    run = _values([v for each in graphs for v in each.values()], known)

    def parameters(values: Mapping[str, np.ndarray], count: int) -> list[dict[str, np.ndarray]]:
        found = iter(run(values))
        return [{name: next(found) for name in each} for each in graphs]

    return parameters


def _values(
    outputs: Sequence[Variable], known: Sequence[Variable]
) -> Callable[[Mapping[str, np.ndarray]], list[np.ndarray]]:
    """Graphs of random variables as a function of their values: (count, *shape), or (*shape) where always the same."""
    places = {v: k for k, v in enumerate(known)}
    varies = [any(v in places for v in graph_inputs([o], stop=known)) for o in outputs]
    fixed = [o for o, moves in zip(outputs, varies, strict=True) if not moves]
    moving = [o for o, moves in zip(outputs, varies, strict=True) if moves]
    constants = numpy_function(FunctionGraph([], fixed))([])
    read = [v for v in known if any(v is r for r in graph_inputs(moving, stop=known))]
    run = _of_rows(moving, read)

    def values(given: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        still, rows = iter(constants), iter(run(given) if moving else ())
        return [np.asarray(next(rows) if moves else next(still)) for moves in varies]

    return values


def of_draws(
    outputs: Sequence[Variable], known: Sequence[Variable], given: Mapping[str, np.ndarray]
) -> list[np.ndarray]:
    """Graphs of known variables at many values of them (count, *shape): arrays (count, *shape)."""
    count = len(next(iter(given.values())))
    return list(_repeated(_values(outputs, known)(given), count, outputs))


def _of_rows(
    outputs: Sequence[Variable], read: Sequence[Variable]
) -> Callable[[Mapping[str, np.ndarray]], list[np.ndarray]]:
    """Graphs as a compiled function of many values of the variables that they read."""
    made: dict[tuple[tuple[int, ...], ...], Any] = {}

    def run(given: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        arrays = [np.asarray(given[v.name or ""], dtype="float64") for v in read]
        shapes = tuple(a.shape[1:] for a in arrays)
        if shapes not in made:
            roots = [Variable(TensorType("float64", s), v.name) for s, v in zip(shapes, read, strict=True)]
            own = [
                r if v.dtype == "float64" else ew.cast(r, v.dtype) for r, v in zip(roots, read, strict=True)
            ]
            made[shapes] = compiled_rows(
                Layout(roots), rebuild(list(outputs), dict(zip(read, own, strict=True)))
            )
        flat = [a.reshape(len(a), -1) for a in arrays]
        return made[shapes](np.concatenate(flat, axis=1))

    return run


def _repeated(values: Sequence[np.ndarray], count: int, variables: Any) -> Iterator[np.ndarray]:
    for array, v in zip(values, variables, strict=True):
        yield array if array.ndim > v.ndim else np.broadcast_to(array, (count, *array.shape))


# ------------------------------------------------------------------------------------ what users call


def _names(who: str, model: Model, var_names: str | Sequence[str] | None, usual: Sequence[str]) -> list[str]:
    if var_names is None:
        return list(usual)
    names = [var_names] if isinstance(var_names, str) else list(var_names)
    known = [*_random(model), *(d.name for d in model.deterministics)]
    for name in names:
        if name not in known:
            raise KeyError(
                f"{who}: {name!r} is no variable of the model to draw; those are {', '.join(map(str, known))}"
            )
    return names


def sample_prior_predictive(
    draws: int = 500,
    model: Model | None = None,
    var_names: str | Sequence[str] | None = None,
    random_seed: Any = None,
    return_inferencedata: bool = True,
    idata_kwargs: Mapping[str, Any] | None = None,
    samples: int | None = None,
) -> Any:
    """Draws of all variables before anything was observed.

    Parameters
    ----------
    draws
        How many; `samples` is its older name.
    var_names
        Free, observed and deterministic variables to keep; all by default.
    random_seed
        The same seed gives the same draws.
    return_inferencedata
        False returns a dict of arrays (draws, \\*shape) by name.
    idata_kwargs
        `coords`, `dims`.

    Returns
    -------
    ArviZ's object with the groups prior, prior_predictive (what is observed), observed_data and constant_data.

    >>> with model:
    ...     prior = sample_prior_predictive(100, random_seed=1)
    """
    who = "sample_prior_predictive"
    model = the_model(model, f"{who}()")
    count = draws if samples is None else samples
    if count < 1:
        raise ValueError(f"{who}: draws is {count}; at least one is needed")
    observed = [o.name for o in model.observed]
    usual = [*(f.name for f in model.free), *(d.name or "" for d in model.deterministics), *observed]
    names = _names(who, model, var_names, usual)
    arrays = plan(model, names).in_chunks(generator(random_seed), {}, count)
    if not return_inferencedata:
        return arrays
    groups = {
        "prior": {n: a[None] for n, a in arrays.items() if n not in observed},
        "prior_predictive": {n: a[None] for n, a in arrays.items() if n in observed},
        "observed_data": {o.name: o.present_array() for o in model.observed},
        "constant_data": {d.name or "": d.get_value() for d in model.data_vars},
    }
    return build(groups, *_labels(model, idata_kwargs))


def _labels(
    model: Model, idata_kwargs: Mapping[str, Any] | None, **more: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    options = dict(idata_kwargs or {})
    for name in options:
        if name not in ("coords", "dims"):
            raise TypeError(f"idata_kwargs: {name!r} is no option; those are coords, dims")
    dims = {**model.named_vars_to_dims, **(options.get("dims") or {})}
    return dims, {**model.coords, **more, **(options.get("coords") or {})}


def sample_posterior_predictive(
    trace: Any,
    model: Model | None = None,
    var_names: str | Sequence[str] | None = None,
    sample_dims: Sequence[str] | None = None,
    random_seed: Any = None,
    progressbar: bool = True,
    return_inferencedata: bool = True,
    extend_inferencedata: bool = False,
    predictions: bool = False,
    idata_kwargs: Mapping[str, Any] | None = None,
    *,
    sample_vars: str | Sequence[str] | None = None,
    freeze_vars: str | Sequence[str] | None = None,
) -> Any:
    """Draws of what is observed, or of other variables, one for each draw of the posterior.

    A free variable that the trace has is taken from it, unless `var_names` names it; one that it lacks is drawn
    anew, from its prior given the others. New predictors, and new lengths, come by `set_data` before. A free variable
    whose prior depends on Data that are not those of the trace any more, or whose dims have other labels, is drawn
    anew too, and so is what depends on one that is; a notice says which. (A trace that is a dict or a dataset says
    nothing of its data: they count as unchanged.)

    Parameters
    ----------
    trace
        What `sample` returned; or its posterior, or a dict of arrays (chain, draw, \\*shape) by name.
    var_names
        The variables to draw; by default those of `sample_vars`, without them the observed ones and the Deterministics
        that depend on these. Deterministics are computed.
    sample_vars
        Free variables to draw anew, whether or not `var_names` has them.
    freeze_vars
        Free variables to take from the trace even so.
    random_seed
        The same seed gives the same draws.
    return_inferencedata
        False returns a dict of arrays (chain, draw, \\*shape) by name.
    extend_inferencedata
        True adds the new group to `trace`, and returns that.
    predictions
        True says that they are for new data: the groups are then predictions and predictions_constant_data.
    sample_dims
        The axes of the draws, ("chain", "draw").

    Returns
    -------
    ArviZ's object with the groups posterior_predictive, observed_data and constant_data.

    >>> with model:
    ...     idata = sample_posterior_predictive(idata, extend_inferencedata=True, random_seed=1, progressbar=False)
    """
    who = "sample_posterior_predictive"
    model = the_model(model, f"{who}()")
    known, chains = posterior_draws(who, trace, sample_dims)
    anew = _names(who, model, sample_vars, [])
    frozen = _names(who, model, freeze_vars, [])
    names = _names(who, model, var_names, anew or _predicted(model))
    if not names:
        raise ValueError(f"{who}: the model has no observed variables; say which to draw with var_names=")
    free = {f.name: f for f in model.free}
    for name in frozen:
        if name not in known or name not in free:
            raise ValueError(f"{who}: freeze_vars has {name!r}, of which the trace has no draws")
        if name in anew:
            raise ValueError(
                f"{who}: {name!r} is in sample_vars and in freeze_vars; it can be in one of them"
            )
    named = {*anew, *names} - set(frozen)
    again = drawn_again(model, known, changed_data(model, trace), changed_dims(model, trace), named, frozen)
    given = [n for n in free if n in known and n not in named and n not in again]
    drawn_names = [n for n in names if n not in given]
    each = plan(model, drawn_names, _needed(model, drawn_names, given))
    needed = {
        n: why for n, why in again.items() if any(v.name == n for s in each.stages for v in s.variables)
    }
    if needed:
        print(told(needed), file=sys.stderr)
    shape = next(iter(known.values())).shape[:2]
    count = int(np.prod(shape))
    flat = {}
    for name in each.given:
        array, wanted = known[name], free[name].variable.type.shape
        if array.shape[2:] != wanted:
            raise ValueError(
                f"{who}: {name} has shape {array.shape[2:]} in the trace and {wanted} in the model; to draw it anew from its"
                f" prior, name it in sample_vars="
            )
        flat[name] = array.reshape(count, *array.shape[2:])
    with Bar(f"Drawing {', '.join(names)}", count, progressbar) as bar:
        drawn = each.in_chunks(generator(random_seed), flat, count, bar)
    arrays = {n: known[n] if n in given else drawn[n].reshape(*shape, *drawn[n].shape[1:]) for n in names}
    if not return_inferencedata:
        return arrays
    group, data = (
        ("predictions", "predictions_constant_data")
        if predictions
        else ("posterior_predictive", "constant_data")
    )
    groups: dict[str, Any] = {group: arrays}
    groups[data] = {d.name or "": d.get_value() for d in model.data_vars}
    if not predictions:
        groups["observed_data"] = {o.name: o.present_array() for o in model.observed}
    result = build(groups, *_labels(model, idata_kwargs, chain=chains))
    return extend(trace, result) if extend_inferencedata else result


def _predicted(model: Model) -> list[str]:
    """What is observed, and the Deterministics that depend on it: of missing observations, those and the others."""
    seen = set(model.observed_RVs)
    behind = [d.name or "" for d in model.deterministics if seen.intersection(ancestors([d]))]
    return [o.name for o in model.observed] + behind


def _needed(model: Model, names: Sequence[str], given: Sequence[str]) -> list[str]:
    """Those of `given` that the drawing of `names` reads."""
    random = _random(model)
    variables = {v.variable: name for name, v in random.items()}
    deterministics = {d.name: d for d in model.deterministics}
    needed: list[str] = []
    seen: set[str] = set()
    stack = list(names)
    while stack:
        name = stack.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in given and name not in names:
            needed.append(name)
            continue
        graphs = _graphs(random[name].distribution) if name in random else [deterministics[name]]
        stack.extend(_read(graphs, variables))
    return [n for n in given if n in needed]
