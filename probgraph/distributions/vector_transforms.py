"""Transforms of vectors: ordered ones, simplexes, those that sum to 0, those of length 1.

The idea worth knowing: numbers that sum to 0 are a plane in R^K, and a reflection (Householder's) turns that plane
into the one where the last place is 0. It changes no length, so that its Jacobian is 1, whatever K is; a simplex is
that plane after the logarithm, which makes unit steps of equal weight in all directions.
"""

from __future__ import annotations

from collections.abc import Sequence

from probgraph.distributions.transform import Shape, Transform
from probgraph.engine import operators as _operators  # noqa: F401  (gives variables their arithmetic)
from probgraph.engine.graph import Variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import reduce
from probgraph.engine.ops.cumulative import cumsum
from probgraph.engine.ops.shape import join, length, moveaxis


class Ordered(Transform):
    """Vectors in ascending order, or descending; with `positive` their least element is positive too.

    The first element is y[0], or exp(y[0]), and each next one exp(y[i]) further on.
    """

    name = "ordered"
    event_ndim = 1

    def __init__(self, positive: bool = False, ascending: bool = True) -> None:
        self.positive, self.ascending = positive, ascending

    def forward(self, x: Variable) -> Variable:
        x = x if self.ascending else x[..., ::-1]
        first = ew.log(x[..., :1]) if self.positive else x[..., :1]
        return join(-1, first, ew.log(x[..., 1:] - x[..., :-1]))

    def inverse(self, y: Variable) -> Variable:
        steps = ew.exp(y) if self.positive else join(-1, y[..., :1], ew.exp(y[..., 1:]))
        x = cumsum(steps, axis=-1)
        return x if self.ascending else x[..., ::-1]

    def log_det(self, y: Variable) -> Variable:
        return reduce.sum(y if self.positive else y[..., 1:], axis=-1)


class Simplex(Transform):
    """Positive numbers with sum 1, K of them from K - 1: the isometric log-ratio, x = softmax(z) with z in the plane.

    Its Jacobian, in the first K - 1 places, is √K times the product of x.

    Egozcue et al., "Isometric logratio transformations for compositional data analysis" (Math. Geology 2003).
    """

    name = "simplex"
    event_ndim = 1

    def forward(self, x: Variable) -> Variable:
        log_x = ew.log(x)
        return without_last(log_x - reduce.mean(log_x, axis=-1, keepdims=True))

    def inverse(self, y: Variable) -> Variable:
        return reduce.softmax(with_last(y), axis=-1)

    def log_det(self, y: Variable) -> Variable:
        count = _length(y) + 1.0
        return 0.5 * ew.log(count) - count * reduce.logsumexp(with_last(y), axis=-1)

    def unconstrained_shape(self, shape: Shape) -> Shape:
        return _one_less(self.name, shape, -1)


class SumTo1(Transform):
    """Numbers with sum 1 of which the last is what is left of it: K from K - 1, as they are."""

    name = "sumto1"
    event_ndim = 1

    def forward(self, x: Variable) -> Variable:
        return x[..., :-1]

    def inverse(self, y: Variable) -> Variable:
        return join(-1, y, 1.0 - reduce.sum(y, axis=-1, keepdims=True))

    def log_det(self, y: Variable) -> Variable:
        return reduce.sum(ew.zeros_like(y), axis=-1)

    def unconstrained_shape(self, shape: Shape) -> Shape:
        return _one_less(self.name, shape, -1)


class ZeroSumTransform(Transform):
    """Arrays that sum to 0 along some axes, counted from the last: -1, -2 ... Each is one shorter over R^n.

    It changes no length: the density is per unit of the plane on which the arrays lie.
    """

    name = "zerosum"

    def __init__(self, zerosum_axes: Sequence[int] = (-1,)) -> None:
        self.axes = tuple(int(axis) for axis in zerosum_axes)
        if not self.axes or max(self.axes) >= 0 or len(set(self.axes)) < len(self.axes):
            raise ValueError(
                f"ZeroSumTransform: axes are counted from the last, -1, -2 ...; given {zerosum_axes}"
            )
        self.event_ndim = -min(self.axes)

    def forward(self, x: Variable) -> Variable:
        for axis in self.axes:
            x = moveaxis(without_last(moveaxis(x, axis, -1)), -1, axis)
        return x

    def inverse(self, y: Variable) -> Variable:
        for axis in self.axes:
            y = moveaxis(with_last(moveaxis(y, axis, -1)), -1, axis)
        return y

    def log_det(self, y: Variable) -> Variable:
        return reduce.sum(ew.zeros_like(y), axis=tuple(range(-self.event_ndim, 0)))

    def unconstrained_shape(self, shape: Shape) -> Shape:
        for axis in self.axes:
            shape = _one_less(self.name, shape, axis)
        return shape


class UnitVector(Transform):
    """Vectors of length 1: y / |y|, with y as of independent standard normals, which makes no direction an end.

    There are as many numbers as places, one more than a direction needs: its log_det, -|y|²/2, is the density that
    keeps |y| in place (Marsaglia, "Choosing a point from the surface of a sphere", 1972).
    """

    name = "unit_vector"
    event_ndim = 1

    def forward(self, x: Variable) -> Variable:
        return x

    def inverse(self, y: Variable) -> Variable:
        # By the greatest first, lest squares overflow or vanish.
        y = y / reduce.max(ew.abs(y), axis=-1, keepdims=True)
        return y / ew.sqrt(reduce.sum(ew.sqr(y), axis=-1, keepdims=True))

    def log_det(self, y: Variable) -> Variable:
        return -0.5 * reduce.sum(ew.sqr(y), axis=-1)


def with_last(y: Variable) -> Variable:
    """K - 1 numbers as K that sum to 0, of the same Euclidean length."""
    total, root = reduce.sum(y, axis=-1, keepdims=True), ew.sqrt(_length(y) + 1.0)
    return join(-1, y - total / (root + ew.sqr(root)), -total / root)


def without_last(z: Variable) -> Variable:
    """K numbers that sum to 0 as the K - 1 that `with_last` makes them of."""
    return z[..., :-1] - z[..., -1:] / (1.0 + ew.sqrt(_length(z)))


def _length(y: Variable) -> Variable:
    return ew.cast(length(y, y.ndim - 1), y.dtype)


def _one_less(name: str, shape: Shape, axis: int) -> Shape:
    if shape[axis] < 1:
        raise ValueError(
            f"the transform {name} needs at least one place along axis {axis}; the shape is {shape}"
        )
    position = len(shape) + axis
    return (*shape[:position], shape[position] - 1, *shape[position + 1 :])
