"""Sets of numbers, vectors and matrices: where a parameter may lie, and where a random variable can.

A constraint says whether values are in it (a graph), in words what it is, and by which bijection it is mapped
to the whole real line. A support is a constraint; so a new support brings its transform with it.
"""

from __future__ import annotations

import functools
import operator

import numpy as np

from probgraph.distributions.transform import Transform
from probgraph.distributions.transforms import Interval as IntervalTransform
from probgraph.distributions.transforms import log, logodds
from probgraph.engine.graph import Constant, Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import reduce

Bound = float | Variable


class Constraint:
    """A set of numbers, or of arrays. `text` completes "it must be ..."."""

    text: str
    #: whether it has isolated points only, so that there is no density to walk on
    discrete: bool = False
    #: the bijection to R; None where the set is R itself, or discrete
    transform: Transform | None = None
    #: how many of the last axes are one element of the set: 1 for a set of vectors, 2 for matrices
    event_ndim: int = 0

    def holds(self, x: Variable) -> Variable:
        """Where `x` is in the set: a graph of booleans without the event's axes, false at nan."""
        raise NotImplementedError(f"{type(self).__name__} cannot be checked")

    def conditions(self, x: Variable) -> list[Variable]:
        """Graphs that `holds` is true where all are: some may be known where others are not."""
        return [self.holds(x)]

    def __repr__(self) -> str:
        return f"<{self.text}>"


class Interval(Constraint):
    """The finite numbers, or the integers, between two bounds, each of which may belong to it or not."""

    def __init__(
        self,
        text: str,
        lower: Bound = -float("inf"),
        upper: Bound = float("inf"),
        *,
        closed_lower: bool = False,
        closed_upper: bool = False,
        integers: bool = False,
        transform: Transform | None = None,
    ) -> None:
        self.text = text
        self.lower, self.upper = lower, upper
        self.closed_lower, self.closed_upper = closed_lower, closed_upper
        self.discrete = integers
        self.transform = transform

    def conditions(self, x: Variable) -> list[Variable]:
        conditions = [
            (ew.ge if self.closed_lower else ew.gt)(x, self.lower),
            (ew.le if self.closed_upper else ew.lt)(x, self.upper),
        ]
        if self.discrete:
            conditions.append(ew.eq(x, ew.floor(x)))
        return conditions

    def holds(self, x: Variable) -> Variable:
        return functools.reduce(operator.and_, self.conditions(x))

    @property
    def known_lower(self) -> float | None:
        """The least lower bound if it is a number, whatever the values of variables; else None."""
        return _known(self.lower, min)

    @property
    def known_upper(self) -> float | None:
        return _known(self.upper, max)


def _known(bound: Bound, extreme: object) -> float | None:
    if isinstance(bound, Constant):
        return float(bound.data.min() if extreme is min else bound.data.max()) if bound.data.size else None
    return None if isinstance(bound, Variable) else float(bound)


class Each(Constraint):
    """The arrays of `event_ndim` axes with all elements in one set of numbers."""

    def __init__(self, element: Constraint, event_ndim: int = 1) -> None:
        self.element, self.event_ndim = element, event_ndim
        self.text = f"{element.text} in each element"
        self.discrete, self.transform = element.discrete, element.transform

    def holds(self, x: Variable) -> Variable:
        return reduce.all(self.element.holds(x), axis=tuple(range(-self.event_ndim, 0)))


real = Interval("a finite number")
positive = Interval("positive", 0.0, transform=log)
nonnegative = Interval("at least 0", 0.0, closed_lower=True, transform=log)
unit = Interval("between 0 and 1, both excluded", 0.0, 1.0, transform=logodds)
probability = Interval("between 0 and 1", 0.0, 1.0, closed_lower=True, closed_upper=True, transform=logodds)
# Beyond 2**53 not every integer is a float.
natural = Interval("an integer, at least 0", 0.0, 2.0**53, closed_lower=True, integers=True)
integer = Interval("an integer", -(2.0**53), 2.0**53, closed_lower=True, closed_upper=True, integers=True)
boolean = Interval("0 or 1", 0.0, 1.0, closed_lower=True, closed_upper=True, integers=True)
real_vector = Each(real, 1)
real_matrix = Each(real, 2)


def between(lower: Variable, upper: Variable) -> Interval:
    """The closed interval between two bounds, numbers or graphs."""
    return Interval(
        f"between {_text(lower)} and {_text(upper)}",
        lower,
        upper,
        closed_lower=True,
        closed_upper=True,
        transform=IntervalTransform(lower, upper),
    )


def above(lower: Variable) -> Interval:
    """The numbers greater than a bound."""
    return Interval(f"greater than {_text(lower)}", lower, transform=IntervalTransform(lower, None))


def from_on(lower: Variable) -> Interval:
    """A bound and the numbers greater than it."""
    transform = IntervalTransform(lower, None)
    return Interval(f"at least {_text(lower)}", lower, closed_lower=True, transform=transform)


def unbounded(constraint: Constraint) -> bool:
    """Whether all finite numbers, or arrays of them, are in the set."""
    if isinstance(constraint, Each):
        return unbounded(constraint.element)
    return constraint is real


def integers_to(n: Variable) -> Interval:
    """The integers 0 to n, both included."""
    return Interval(
        f"an integer from 0 to {_text(n)}",
        0.0,
        as_variable(n),
        closed_lower=True,
        closed_upper=True,
        integers=True,
    )


def _text(bound: Variable) -> str:
    if isinstance(bound, Constant) and bound.ndim == 0:
        return f"{bound.data:g}"
    return bound.name or ("its bound" if bound.ndim == 0 else "the bound of its place")


def is_everywhere(bound: Bound, value: float) -> bool:
    """Whether a bound is this number, in every element."""
    if isinstance(bound, Variable):
        return isinstance(bound, Constant) and bool(np.all(bound.data == value))
    return bound == value
