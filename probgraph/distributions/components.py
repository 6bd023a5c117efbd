"""What distributions made of other distributions share: how they take them, and the sets they live on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from probgraph.distributions.base import Distribution
from probgraph.distributions.constraints import Bound, Constraint, Interval, is_everywhere
from probgraph.distributions.folding import folded
from probgraph.distributions.random_variable import RandomVariable
from probgraph.distributions.transform import Transform
from probgraph.distributions.transforms import Interval as IntervalTransform
from probgraph.engine.graph import Constant, FunctionGraph, Variable, rebuild
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.types import TensorType
from probgraph.engine.vectorize import vectorize_graph

#: a bound that may also be absent
extended = Interval(
    "a number, or an infinity", -float("inf"), float("inf"), closed_lower=True, closed_upper=True
)


def component(who: str, name: str, given: Any) -> Distribution:
    """TypeError, saying what to write, for anything but a distribution without a name."""
    if isinstance(given, Distribution):
        return given
    if isinstance(given, RandomVariable):
        kind = type(given.distribution).__name__
        raise TypeError(
            f"{who}: {name} is {given.name!r}, a variable of the model; it takes a distribution: {kind}.dist(...)"
        )
    raise TypeError(f"{who}: {name} is a distribution such as Normal.dist(0, 1), got {given!r}")


def of_numbers(who: str, dist: Distribution) -> Interval:
    """The support of a distribution of numbers in order; NotImplementedError for one of arrays."""
    if not isinstance(dist.support, Interval):
        raise NotImplementedError(
            f"{who}: {type(dist).__name__} is a distribution of arrays, whose parts are not in order: bounds are for"
            " distributions of numbers"
        )
    return dist.support


def asked(who: str, dist: Distribution, name: str, *args: Variable) -> Variable:
    """A method's result; NotImplementedError that says who needs it of what, where the distribution has none."""
    try:
        return getattr(dist, name)(*args)
    except NotImplementedError as error:
        raise NotImplementedError(f"{who} needs the {name} of {dist}: {error}") from None


def greater(a: Bound, b: Bound) -> Bound:
    """The greater of two bounds; the other one where one is minus infinity."""
    if is_everywhere(a, -np.inf):
        return b
    return a if is_everywhere(b, -np.inf) else folded(ew.maximum(as_variable(a), b))


def lesser(a: Bound, b: Bound) -> Bound:
    """The lesser of two bounds; the other one where one is infinity."""
    if is_everywhere(a, np.inf):
        return b
    return a if is_everywhere(b, np.inf) else folded(ew.minimum(as_variable(a), b))


def from_to(lower: Bound, upper: Bound) -> Transform | None:
    """The bijection to R from between two bounds, which may be infinite."""
    low = None if is_everywhere(lower, -np.inf) else lower
    high = None if is_everywhere(upper, np.inf) else upper
    return None if low is None and high is None else IntervalTransform(low, high)


class AnyOf(Constraint):
    """What is in one of several sets, all of numbers or all of arrays of one rank."""

    def __init__(self, sets: Sequence[Constraint]) -> None:
        self.sets = list(sets)
        self.text = ", or ".join(dict.fromkeys(s.text for s in self.sets))
        self.discrete, self.event_ndim = self.sets[0].discrete, self.sets[0].event_ndim

    def holds(self, x: Variable) -> Variable:
        result = self.sets[0].holds(x)
        for other in self.sets[1:]:
            result = result | other.holds(x)
        return result


def log_difference(a: Variable, b: Variable) -> Variable:
    """log(exp(a) - exp(b)) for a >= b; minus infinity where they are equal."""
    empty = ew.le(a, b)
    return ew.switch(empty, -np.inf, a + ew.log1mexp(ew.switch(empty, -1.0, b - a)))


def evaluated(
    dist: Distribution, values: Mapping[str, np.ndarray], x: Variable, outputs: Sequence[Variable]
) -> Callable[[np.ndarray], list[np.ndarray]]:
    """A NumPy function of x: the values of graphs of x, the distribution's parameters being `values`.

    x may be given with more axes in front than the variable has; parameters too, as `many_draws` hands them over.
    """
    known = {
        v: np.asarray(values[name]) for name, v in dist.parameters.items() if not isinstance(v, Constant)
    }

    def run(at: np.ndarray) -> list[np.ndarray]:
        lead = max(at.ndim - x.ndim, 0)
        arrays = {v: _without_padding(value, v.ndim, lead) for v, value in known.items()}
        arrays[x] = at
        types = {v: TensorType(v.dtype, [1 if n == 1 else None for n in a.shape]) for v, a in arrays.items()}
        roots = {v: Variable(kind, v.name) for v, kind in types.items()}
        raised = {v: root for v, root in roots.items() if root.ndim != v.ndim}
        key = tuple(types.values())
        if key not in made:
            graphs = vectorize_graph(list(outputs), raised) if raised else list(outputs)
            graphs = rebuild(graphs, {v: root for v, root in roots.items() if v not in raised})
            made[key] = list(roots.values()), numpy_function(FunctionGraph(list(roots.values()), graphs))
        return made[key][1](list(arrays.values()))

    made: dict[tuple[TensorType, ...], Any] = {}
    return run


def _without_padding(value: np.ndarray, own: int, lead: int) -> np.ndarray:
    """A parameter of `own` axes for many draws: without the axes of length 1 between those of the draws and its own."""
    if value.ndim <= own:
        return value
    return value.reshape(*value.shape[:lead], *value.shape[value.ndim - own :])
