"""PyMC's names for changing a model after its variables were written down: dims, starts, variables made by `.dist()`."""

from __future__ import annotations

import copy as copying
import dataclasses
from collections.abc import Mapping
from typing import Any

from probgraph.distributions.base import Distribution
from probgraph.distributions.random_variable import RandomVariable
from probgraph.distributions.transform import Transform
from probgraph.engine.graph import Variable
from probgraph.model.coordinates import Dims
from probgraph.model.data import DataVariable
from probgraph.model.model import Model
from probgraph.model.variables import UNSET


def register_rv(
    model: Model,
    rv_var: Distribution,
    name: str,
    *,
    observed: Any = None,
    total_size: Any = None,
    dims: Dims = None,
    default_transform: Any = UNSET,
    transform: Transform | None = None,
    initval: Any = None,
) -> Variable:
    """A distribution made by `.dist()` as a variable of the model: observed where `observed` is given, else free.

    >>> with Model() as model:
    ...     x = model.register_rv(Normal.dist(0, 1), "x")
    """
    if not isinstance(rv_var, Distribution):
        raise TypeError(
            f"register_rv: {name} is made of a distribution, as Normal.dist(0, 1) gives it, got {rv_var!r:.60}"
        )
    given = {"initval": initval, "transform": transform, "default_transform": default_transform}
    given["total_size"] = total_size
    return model.register(name, rv_var, observed=observed, dims=dims, **given)


def register_data_var(model: Model, data: DataVariable, dims: Dims = None) -> DataVariable:
    """A shared variable of data as one of the model."""
    if not isinstance(data, DataVariable):
        raise TypeError(f"register_data_var: Data is needed, got {data!r:.60}; write Data(name, values)")
    return model.add_data(data, dims)


def add_named_variable(model: Model, var: Variable, dims: Dims = None) -> None:
    """A variable that has a name, under that name in `model.named_vars`; it is no term of the density, nor kept."""
    if not isinstance(var, Variable) or not var.name:
        raise ValueError(f"add_named_variable: a variable with a name is needed, got {var!r:.60}")
    if model.parent is not None:
        add_named_variable(model.parent, var, dims)
    else:
        model._refuse_taken(var.name)
    names = model.coordinates.normalized(var.name, dims)
    model.coordinates.check(var.name, names, var.type.shape)
    model._name(var, names)


def set_dim(model: Model, name: str, new_length: int, coord_values: Any = None) -> None:
    """Another length for a dim, and labels: before a prediction for other groups.

    Raises KeyError for an unknown dim, ValueError where it has labels and gets none, or as many as it is long.
    """
    model.coordinates.normalized("set_dim", name)
    if coord_values is None and model.coords[name] is not None:
        raise ValueError(
            f"set_dim: dim {name!r} has labels; give {new_length} new ones, set_dim({name!r}, {new_length}, coord_values=...)"
        )
    model.coordinates.replace(name, coord_values, int(new_length))


def shape_from_dims(model: Model, dims: Dims) -> tuple[int | None, ...]:
    """The lengths that dims have; KeyError where one is not known."""
    return model.shape_of("shape_from_dims", dims)


def set_initval(model: Model, rv_var: RandomVariable | str, initval: Any) -> None:
    """Where chains and searches begin with a free variable, in its own space; None for the distribution's own start.

    Raises KeyError for what is no free variable.
    """
    name = rv_var if isinstance(rv_var, str) else rv_var.name or ""
    if name not in {f.name for f in model.free}:
        known = ", ".join(f.name for f in model.free) or "none"
        raise KeyError(f"set_initval: {name!r} is no free variable; those are {known}")
    whole: Model | None = model
    while whole is not None:
        whole.free = [dataclasses.replace(f, initval=initval) if f.name == name else f for f in whole.free]
        whole = whole.parent


def copy(model: Model) -> Model:
    """A model with the same variables, to which others may be added; Data are shared."""
    new = copying.copy(model)
    new.coordinates = copying.deepcopy(model.coordinates)
    for kind in (
        "free",
        "observed",
        "deterministics",
        "potentials",
        "data_vars",
        "marginals",
        "behind_marginals",
    ):
        setattr(new, kind, list(getattr(model, kind)))
    new.named_vars, new.named_vars_to_dims = dict(model.named_vars), dict(model.named_vars_to_dims)
    new._tokens = []
    return new


def prefix(model: Model) -> str:
    """What a part's variables have before their names in the whole."""
    return model.name


def root(model: Model) -> Model:
    """The outermost model that this one is a part of."""
    while model.parent is not None:
        model = model.parent
    return model


def isroot(model: Model) -> bool:
    """Whether the model is no part of another one."""
    return model.parent is None


def values_to_rvs(model: Model) -> Mapping[Variable, RandomVariable]:
    """The free variable behind each value variable."""
    return {f.value: f.variable for f in model.free}


def rvs_to_transforms(model: Model) -> Mapping[RandomVariable, Transform | None]:
    """The transform of each free variable; None where it has none."""
    return {f.variable: f.transform for f in model.free}


def rvs_to_initial_values(model: Model) -> Mapping[RandomVariable, Any]:
    """The `initval` of each free variable; None where it has none."""
    return {f.variable: f.initval for f in model.free}


for _function in (
    register_rv,
    register_data_var,
    add_named_variable,
    set_dim,
    set_initval,
    shape_from_dims,
    copy,
):
    setattr(Model, _function.__name__, _function)
for _property in (prefix, root, isroot, values_to_rvs, rvs_to_transforms, rvs_to_initial_values):
    setattr(Model, _property.__name__, property(_property))
