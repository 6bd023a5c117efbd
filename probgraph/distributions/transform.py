"""Transform: a bijection between a support and unconstrained numbers, so that a sampler may walk without walls.

The idea worth knowing: each has three parts, all graphs. `forward` leads from the support to R^n, `inverse` back,
and `log_det(y)` is log |d inverse(y) / dy|, what the density gains when it is stated over R^n. They are written
in the unconstrained y, where nothing overflows: at y = ±700 they are still exact.

A transform of vectors acts on the last `event_ndim` axes and may change their lengths: a simplex of K places is
K - 1 numbers. Its `log_det` lacks these axes.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import Any

from probgraph.engine import operators as _operators  # noqa: F401  (gives variables their arithmetic)
from probgraph.engine.graph import Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops import reduce

Shape = tuple[int, ...]


class Transform:
    """A bijection from a support to R^n. `name` ends up in the value variable's: `tau` is `tau_log__` over R."""

    name: str
    #: how many of the last axes of x are transformed together; `log_det` has no such axes
    event_ndim: int = 0
    #: and how many of y belong to them, where that differs: a matrix may come from a vector
    value_ndim: int | None = None

    def forward(self, x: Variable) -> Variable:
        """The unconstrained value of a point of the support."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def inverse(self, y: Variable) -> Variable:
        """The point of the support that belongs to an unconstrained value."""
        if type(self).backward is not Transform.backward:
            return self.backward(y)
        raise NotImplementedError(f"{type(self).__name__} has no inverse")

    def log_det(self, y: Variable) -> Variable:
        """log |d inverse(y) / dy|, event by event."""
        if type(self).log_jac_det is not Transform.log_jac_det:
            return self.log_jac_det(y)
        raise NotImplementedError(f"{type(self).__name__} has no log_det")

    def backward(self, value: Any, *inputs: Any) -> Variable:
        """`inverse` under PyMC's name; a transform of one's own may have either. There are no further inputs here."""
        return self.inverse(as_variable(value))

    def log_jac_det(self, value: Any, *inputs: Any) -> Variable:
        """`log_det` under PyMC's name."""
        return self.log_det(as_variable(value))

    def unconstrained_shape(self, shape: Shape) -> Shape:
        """The shape of y for an x of this shape; ValueError where x cannot have it."""
        return shape


class Chain(Transform):
    """One transform after another: the first is that of the support, each next one of what the last one made.

    `Chain([log, ordered])` is for positive numbers whose logarithms are in ascending order.
    """

    def __init__(self, transforms: Sequence[Transform]) -> None:
        if not transforms:
            raise ValueError("Chain needs at least one transform")
        self.transforms = list(transforms)
        self.name = "+".join(t.name for t in self.transforms)
        rank = shift = 0
        for t in self.transforms:
            grown = 0 if t.value_ndim is None else t.value_ndim - t.event_ndim
            rank, shift = max(rank, t.event_ndim) + grown, shift + grown
        self.event_ndim, self.value_ndim = rank - shift, rank

    def forward(self, x: Variable) -> Variable:
        for transform in self.transforms:
            x = transform.forward(x)
        return x

    def inverse(self, y: Variable) -> Variable:
        for transform in reversed(self.transforms):
            y = transform.inverse(y)
        return y

    def log_det(self, y: Variable) -> Variable:
        parts = []
        for transform in reversed(self.transforms):
            parts.append(transform.log_det(y))
            y = transform.inverse(y)
        rank = min(part.ndim for part in parts)
        return functools.reduce(operator.add, [summed_behind(part, part.ndim - rank) for part in parts])

    def unconstrained_shape(self, shape: Shape) -> Shape:
        for transform in self.transforms:
            shape = transform.unconstrained_shape(shape)
        return shape


def summed_behind(x: Variable, axes: int) -> Variable:
    """`x` summed over its last axes, as many as told: none if the number is not positive."""
    return reduce.sum(x, axis=tuple(range(-axes, 0))) if axes > 0 else x
