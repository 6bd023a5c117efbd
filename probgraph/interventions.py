"""Models changed after they were made: variables set to values (do), and observed (observe)."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from probgraph.distributions.base import Distribution
from probgraph.distributions.random_variable import RandomVariable
from probgraph.engine.graph import Variable, ancestors, rebuild
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.model.model import Model
from probgraph.model.variables import FreeVariable, ObservedVariable

Values = Mapping[str | Variable, Any]


def do(model: Model, vars_to_interventions: Values, prune_vars: bool = False) -> Model:
    """A model in which variables have been set to values, whatever they were caused by: Pearl's do.

    `vars_to_interventions` maps names, or variables, of free variables and Deterministics to numbers, arrays or Data.
    What depends on them takes the value; what they depended on is as it was. With `prune_vars` variables that nothing
    observed or random depends on any more are left out. Pearl, Causality (2009), 3.2.

    Raises KeyError for an unknown name, ValueError for a value of another shape.

    >>> with Model() as model:
    ...     x = Normal("x", 0.0, 1.0)
    ...     y = Normal("y", 2.0 * x, 1.0)
    >>> [v.name for v in do(model, {"x": 3.0}).free_RVs]
    ['y']
    """
    given = _by_name("do", model, vars_to_interventions)
    replace: dict[Variable, Variable] = {}
    free = {f.name: f for f in model.free}
    known = {**{n: f.variable for n, f in free.items()}, **{d.name or "": d for d in model.deterministics}}
    for name, value in given.items():
        if name not in known:
            raise KeyError(f"do: {name!r} is no free variable or Deterministic; those are {', '.join(known)}")
        replace[known[name]] = _value("do", name, known[name], value)
    new = _changed(model, replace, without=set(given))
    for name in given:
        new.named_vars[name] = replace[known[name]]
    if prune_vars:
        _prune(new)
    return new


def observe(model: Model, vars_to_observations: Values) -> Model:
    """A model in which free variables have been observed.

    `vars_to_observations` maps names, or variables, of free variables to numbers, arrays or Data.

    Raises KeyError for what is no free variable, ValueError for values of another shape or out of the support.

    >>> with Model() as model:
    ...     x = Normal("x", 0.0, 1.0)
    >>> [v.name for v in observe(model, {"x": 0.5}).observed_RVs]
    ['x']
    """
    given = _by_name("observe", model, vars_to_observations)
    free = {f.name: f for f in model.free}
    for name in given:
        if name not in free:
            raise KeyError(f"observe: {name!r} is no free variable; those are {', '.join(free) or 'none'}")
    replace = {
        free[name].variable: _value("observe", name, free[name].variable, value)
        for name, value in given.items()
    }
    new = _changed(model, replace, without=set(given))
    for name in given:
        distribution = _moved(free[name].variable.distribution, replace)
        new.named_vars.pop(name)
        with new:
            observed = new.register(
                name, distribution, observed=given[name], dims=new.named_vars_to_dims.pop(name, None)
            )
        assert observed.name == name
    return new


def _by_name(who: str, model: Model, given: Values) -> dict[str, Any]:
    if not isinstance(given, Mapping) or not given:
        raise TypeError(f"{who}: a mapping from variables to values is needed, got {given!r}")
    return {key if isinstance(key, str) else key.name or "": value for key, value in given.items()}


def _value(who: str, name: str, variable: Variable, value: Any) -> Variable:
    v = as_variable(value)
    v = v if v.dtype == variable.dtype else ew.cast(v, variable.dtype)
    if v.ndim != variable.ndim or any(
        None not in (a, b) and a != b for a, b in zip(v.type.shape, variable.type.shape, strict=True)
    ):
        raise ValueError(f"{who}: {name} has shape {variable.type.shape}, the value has {v.type.shape}")
    set_to = ew.identity(v)
    set_to.name = name
    return set_to


def _changed(model: Model, replace: dict[Variable, Variable], without: set[str]) -> Model:
    """A model of new variables that read the replacements, without those of these names."""
    new = copy.copy(model)
    new._tokens, new.coordinates = [], copy.deepcopy(model.coordinates)
    new.named_vars, new.named_vars_to_dims = dict(model.named_vars), dict(model.named_vars_to_dims)
    new.free, new.observed, new.deterministics, new.potentials = [], [], [], []
    new.marginals = []
    new.data_vars = list(model.data_vars)
    for f in (*model.free, *model.marginals):
        if f.name in without:
            continue
        distribution = _moved(f.variable.distribution, replace)
        variable = RandomVariable(f.variable.type, f.name, distribution, f.variable.confined)
        replace[f.variable] = variable
        moved = FreeVariable(variable, f.value, f.transform, f.initval)
        (new.free if f in model.free else new.marginals).append(moved)
        new.named_vars[f.name] = variable
    for o in model.observed:
        moved_observed = ObservedVariable(o.variable, _moved(o.distribution, replace), o.value, o.array)
        new.observed.append(moved_observed)
    for kind in ("deterministics", "potentials"):
        for v in getattr(model, kind):
            if v.name in without:
                continue
            (graph,) = rebuild([v], dict(replace))
            if graph is not v:
                graph = ew.identity(graph) if graph.name is not None and graph.name != v.name else graph
                graph.name = v.name
            getattr(new, kind).append(graph)
            new.named_vars[v.name or ""] = graph
            replace[v] = graph
    return new


def _moved(distribution: Distribution, replace: Mapping[Variable, Variable]) -> Distribution:
    """The distribution with other variables in its parameters; itself where nothing changes."""
    graphs = list(distribution.parameters.values())
    new = rebuild(graphs, dict(replace))
    if all(a is b for a, b in zip(graphs, new, strict=True)):
        return distribution
    return distribution.with_parameters(dict(zip(distribution.parameters, new, strict=True)))


def _prune(model: Model) -> None:
    """Leaves out free variables and Deterministics that nothing observed depends on."""
    graphs = [g for o in model.observed for g in o.distribution.parameters.values()] + list(model.potentials)
    needed: set[Variable] = set()
    stack: Sequence[Variable] = graphs
    while stack:
        reached = {v for v in ancestors(stack) if v not in needed}
        needed |= reached
        stack = [
            g
            for v in reached
            if isinstance(v, RandomVariable)
            for g in v.distribution.parameters.values()
            if g not in needed
        ]
    for f in [f for f in model.free if f.variable not in needed]:
        model.free.remove(f)
        del model.named_vars[f.name]
    for d in [d for d in model.deterministics if d not in needed]:
        model.deterministics.remove(d)
        del model.named_vars[d.name or ""]
