"""Which step moves which variable: what the user said, and for the rest what fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from probgraph.engine.autodiff import grad
from probgraph.engine.graph import Variable
from probgraph.engine.no_gradient import NullTypeGradError
from probgraph.model.elimination import values_of
from probgraph.model.layout import Layout
from probgraph.model.model import Model
from probgraph.model.variables import FreeVariable
from probgraph.samplers import Moves
from probgraph.step_methods import (
    BinaryGibbsMetropolis,
    CategoricalGibbsMetropolis,
    CompoundStep,
    Metropolis,
    Slice,
    StepMethod,
    Target,
)
from probgraph.steps import Step, the_step

MOST_CATEGORIES = 20
"""Up to so many categories all are offered alike; of more, those beside the present one are the better guess."""


@dataclass
class Assignment:
    """``way`` moves what has gradients and no method of its own; each method the variables beside it, by name."""

    way: Step
    methods: list[tuple[StepMethod, list[str]]] = field(default_factory=list)
    #: whether the user said what moves some discrete variable
    discrete_given: bool = False

    @property
    def names(self) -> set[str]:
        """The variables that are moved without gradients."""
        return {name for _, names in self.methods for name in names}

    def values(self, model: Model) -> frozenset[str]:
        """The names of their value variables."""
        return frozenset(f.value.name or "" for f in model.free if f.name in self.names)

    def moves(self, model: Model, layout: Layout) -> tuple[Moves, ...]:
        """What the sampler is told. ValueError for a variable that a method is not for."""
        free = {f.name: f for f in model.free}
        slots = {slot.name: slot for slot in layout.slots}
        result: list[Moves] = []
        for method, names in self.methods:
            targets = []
            for name in names:
                slot = slots[free[name].value.name or ""]
                target = _target(free[name], range(slot.start, slot.stop))
                method.refuse(target)
                targets.append(target)
            groups = [targets] if method.together else [[t] for t in targets]
            result += [method.moves(group) for group in groups if any(t.places for t in group)]
        return tuple(result)

    def said(self, model: Model) -> str:
        """One line: each step and what it moves."""
        rest = [f.name for f in model.free if f.name not in self.names]
        parts = [f"{self.way.name}: {', '.join(rest)}"] if rest else []
        parts += [f"{method.name}: {', '.join(names)}" for method, names in self.methods]
        return "; ".join(parts)


def assigned(model: Model, step: Any) -> Assignment:
    """What `sample(step=...)` says of the model's variables: one step, a list of them, or a CompoundStep.

    Raises ValueError for a variable that is not free or is given twice, TypeError for what is no step.
    """
    given = _flat(step)
    methods = [one() if isinstance(one, type) else one for one in given if _is_method(one)]
    with_gradients = [one for one in given if not _is_method(one)]
    if len(with_gradients) > 1:
        raise NotImplementedError(
            f"step has {len(with_gradients)} steps with gradients: one moves all variables that have no other step"
        )
    free = {f.name: f for f in model.free}
    found = Assignment(the_step(with_gradients[0] if with_gradients else None))
    walked = _names(found.way.name, found.way.vars)
    _checked(found.way.name, walked, free)
    taken = dict.fromkeys(walked, found.way.name)
    for method in methods:
        names = _names(method.name, method.vars)
        _checked(method.name, names, free)
        for name in names:
            if name in taken:
                raise ValueError(f"step: {name} is given to {taken[name]} and to {method.name}")
            taken[name] = method.name
        found.methods.append((method, names))
    rest = [name for name in free if name not in taken]
    for k, (method, _) in enumerate(found.methods):
        if method.vars is None:
            here = [_target(free[name], ()) for name in rest]
            # Beside a step with gradients it is for what has none.
            names = [t.name for t in here if method.fits(t) and (t.discrete or not with_gradients)]
            found.methods[k] = method, names
            rest = [name for name in rest if name not in names]
    found.methods = [(method, names) for method, names in found.methods if names]
    wrong = [n for n in walked if free[n].variable.distribution.discrete]
    if wrong:
        raise ValueError(
            f"{found.way.name}: {', '.join(wrong)}: discrete, and without gradients; use Metropolis"
        )
    found.discrete_given = any(free[n].variable.distribution.discrete for n in found.names)
    return found


def with_discrete(found: Assignment, model: Model) -> Assignment:
    """The assignment with methods for the discrete variables that have none."""
    rest = [f for f in model.free if f.variable.distribution.discrete and f.name not in found.names]
    by_kind: dict[type[StepMethod], list[str]] = {}
    for f in rest:
        by_kind.setdefault(_fitting(_target(f, ())), []).append(f.name)
    return _with(found, [(kind(), names) for kind, names in by_kind.items()])


def with_slices(found: Assignment, model: Model) -> Assignment | None:
    """The assignment with slices for the variables whose gradient is not known; None where all have one."""
    logp = model.logp()
    names = []
    for f in model.free:
        if f.name in found.names or f.variable.distribution.discrete:
            continue
        try:
            grad(logp, f.value, disconnected_inputs="ignore")
        except (NotImplementedError, NullTypeGradError):
            names.append(f.name)
    return _with(found, [(Slice(), names)]) if names else None


def _with(found: Assignment, more: list[tuple[StepMethod, list[str]]]) -> Assignment:
    return Assignment(found.way, [*found.methods, *more], found.discrete_given)


def _fitting(target: Target) -> type[StepMethod]:
    if target.binary:
        return BinaryGibbsMetropolis
    few = target.values is not None and len(target.values) <= MOST_CATEGORIES
    return CategoricalGibbsMetropolis if few and CategoricalGibbsMetropolis().fits(target) else Metropolis


def _target(free: FreeVariable, places: Sequence[int]) -> Target:
    discrete = free.variable.distribution.discrete
    return Target(free.name, tuple(places), discrete, values_of(free) if discrete else None)


def _flat(step: Any) -> list[Any]:
    if step is None:
        return []
    if isinstance(step, CompoundStep):
        return _flat(step.methods)
    if isinstance(step, list | tuple):
        return [one for each in step for one in _flat(each)]
    if not _is_method(step):
        the_step(step)  # a TypeError or ValueError for what is none
    return [step]


def _is_method(step: Any) -> bool:
    return isinstance(step, StepMethod) or (isinstance(step, type) and issubclass(step, StepMethod))


def _names(who: str, variables: Any) -> list[str]:
    if variables is None:
        return []
    if isinstance(variables, str | Variable):
        variables = [variables]
    if not isinstance(variables, list | tuple) or not all(isinstance(v, str | Variable) for v in variables):
        raise TypeError(f"{who}: vars is {variables!r}; it must be a variable, its name, or a list of them")
    return [v if isinstance(v, str) else v.name or "" for v in variables]


def _checked(who: str, names: Sequence[str], free: dict[str, FreeVariable]) -> None:
    for name in names:
        if name not in free:
            raise ValueError(
                f"{who}: vars is to have {name!r}, which is no free variable of the model; those are"
                f" {', '.join(free) or 'none'}"
            )
