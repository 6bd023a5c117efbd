"""What a model knows of each random variable: the free ones with their place over R, the observed with their data."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from probgraph.distributions.base import Distribution
from probgraph.distributions.constraints import unbounded
from probgraph.distributions.parameters import shown
from probgraph.distributions.random_variable import RandomVariable
from probgraph.distributions.transform import Chain, Transform, summed_behind
from probgraph.engine.graph import Constant, FunctionGraph, Variable, graph_inputs, rebuild
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.shared import SharedVariable
from probgraph.engine.types import TensorType

UNSET: Any = type("UNSET", (), {"__repr__": lambda self: "UNSET"})()
"""What default_transform is if not given: None means that there is to be none."""


@dataclass(frozen=True, eq=False)
class FreeVariable:
    """A free variable with the value variable behind it: over R^n, in double precision, unless discrete."""

    variable: RandomVariable
    value: Variable
    transform: Transform | None
    initval: Any = None

    @property
    def name(self) -> str:
        return self.variable.name or ""

    def density_and_condition(self) -> tuple[Variable, Variable | None]:
        """Its prior log density, and what must hold for it to be that; see `Distribution`."""
        return self.variable.distribution.density_and_condition(self.variable)

    def constrained(self) -> Variable:
        """The variable as a graph of its value variable."""
        x = self.value if self.transform is None else self.transform.inverse(self.value)
        return x if x.dtype == self.variable.dtype else ew.cast(x, self.variable.dtype)


@dataclass(frozen=True, eq=False)
class ObservedVariable:
    """What was observed of a distribution. `array` is the present value, in the dtype it was given in."""

    variable: Variable
    distribution: Distribution
    value: Variable
    array: np.ndarray
    weight: float = 1.0  # of each row, which may stand for several

    @property
    def name(self) -> str:
        return self.variable.name or ""

    def density_and_condition(self) -> tuple[Variable, Variable | None]:
        """Its log likelihood, and what must hold for it to be that; see `Distribution`.

        That the present data are possible is checked here, not at each evaluation.
        """
        possible = refuse_impossible(self.name, self.distribution, self.value)
        density, condition = self.distribution.density_and_condition(self.value, inside=possible)
        return density if self.weight == 1.0 else self.weight * density, condition

    def present_array(self) -> np.ndarray:
        """The observations at this moment: `Data` may have been exchanged since."""
        array = np.asarray(self.value.eval())
        return self.array if np.array_equal(array, self.array) else array


def free_variable(
    name: str,
    distribution: Distribution,
    shape: tuple[int, ...],
    initval: Any,
    transform: Transform | None = None,
    default_transform: Any = UNSET,
) -> FreeVariable:
    """A free variable of this distribution and shape, and its value variable.

    `transform` is applied after `default_transform`, which is the distribution's own if not said otherwise.
    """
    if distribution.atoms:
        raise NotImplementedError(
            f"{name}: {distribution} is continuous and has probability at single numbers, so that it has no density to walk"
            " on: observe it, or make the distribution in it the variable"
        )
    dtype = "int64" if distribution.discrete else distribution.point().dtype
    own = distribution.default_transform
    first = own if default_transform is UNSET else default_transform
    if transform is not None and distribution.discrete:
        raise ValueError(
            f"{name}: {type(distribution).__name__} is discrete; transform is for continuous ones"
        )
    both = [t for t in (first, transform) if t is not None]
    together = both[0] if len(both) == 1 else Chain(both) if both else None
    value_name = name if together is None else f"{name}_{together.name}__"
    value_shape = shape if together is None else unconstrained_shape(name, together, shape)
    value = Variable(TensorType("int64" if distribution.discrete else "float64", value_shape), value_name)
    # What no transform maps to its support may be proposed outside of it: counts, and default_transform=None.
    confined = first is own and (first is not None or unbounded(distribution.support))
    variable = RandomVariable(TensorType(dtype, shape), name, distribution, confined)
    return FreeVariable(variable, value, together, initval)


def unconstrained_shape(name: str, transform: Transform, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The value variable's shape; ValueError with the variable's name where there is none."""
    if len(shape) < transform.event_ndim:
        raise ValueError(
            f"{name}: its shape is {shape}, and the transform {transform.name} needs {transform.event_ndim} axes"
            " or more; give shape= or dims="
        )
    try:
        return transform.unconstrained_shape(shape)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def summed_alike(term: Variable, jacobian: Variable) -> tuple[Variable, Variable]:
    """A density and a log-Jacobian, each summed over the last axes that the other one lacks."""
    return (
        summed_behind(term, term.ndim - jacobian.ndim),
        summed_behind(jacobian, jacobian.ndim - term.ndim),
    )


def known_shape(name: str, distribution: Distribution) -> tuple[int, ...]:
    """The distribution's shape; lengths that depend on Data are those of the present Data.

    Raises ValueError where a length is not known even so.
    """
    shape = distribution.shape
    if None in shape:
        parameters = distribution.parameters
        outputs = list(parameters.values())
        there = rebuild(outputs, _with_present_lengths(outputs))
        batch, event = distribution.present_lengths(name, dict(zip(parameters, there, strict=True)))
        shape = batch + event
    if None in shape:
        raise ValueError(
            f"{name}: its shape {shape} is not known when the model is built; give dims= or shape="
        )
    return shape  # type: ignore[return-value]


def _with_present_lengths(outputs: list[Variable]) -> dict[Variable, Variable]:
    """Data replaced by roots of the same dtype with the lengths that the data have now."""
    return {
        v: Variable(TensorType(v.dtype, v.container.value.shape), v.name)
        for v in graph_inputs(outputs)
        if isinstance(v, SharedVariable)
    }


def _is_known(v: Variable) -> bool:
    """Whether a graph depends on no free variable."""
    return all(isinstance(root, Constant | SharedVariable) for root in graph_inputs([v]))


def refuse_impossible(name: str, distribution: Distribution, observed: Variable) -> bool:
    """ValueError where a present observation has density zero whatever the free variables are.

    Returns whether that could be decided: not where the support itself depends on a free variable.
    """
    support = distribution.support
    parts = support.conditions(observed)
    known = [c for c in parts if _is_known(c)]
    if not known:
        return False
    *each, array = (np.asarray(v) for v in numpy_function(FunctionGraph([], [*known, observed]))([]))
    holds = functools.reduce(np.logical_and, each)
    if holds.all():
        return len(known) == len(parts)
    bad = tuple(int(i) for i in np.argwhere(~holds)[0])
    value = np.broadcast_to(array, holds.shape + array.shape[array.ndim - support.event_ndim :])[bad]
    where = f" at index {bad if len(bad) > 1 else bad[0]}" if bad else ""
    raise ValueError(
        f"{name}: observed is {shown(value)}{where}, where {distribution} has no density; it must be {support.text}"
    )
