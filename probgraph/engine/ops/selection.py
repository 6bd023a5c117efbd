"""The places of the largest and of the smallest element, and elements by a place for each row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from probgraph.engine import loops
from probgraph.engine.graph import Apply, Variable
from probgraph.engine.loops import Expr, Kernel
from probgraph.engine.op import LengthReader, as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import reduce
from probgraph.engine.ops.along_axis import AlongLast, flag, kernels
from probgraph.engine.ops.index import Gather, IncGather, get_item
from probgraph.engine.ops.reduce import Axis, normalized_axes
from probgraph.engine.ops.shape import arange, dimshuffle, flatten, length, reshape
from probgraph.engine.types import COMPLEX, INTEGERS, TensorType, describe

_ARGBEST_C = r"""
/* The first nan wins, as in NumPy; else the first of the best. */
static int pg_argbest_T(const T *restrict x, int64_t *restrict place, int64_t n, int64_t largest) {
    if (n == 0) return 1;
    T best = x[0];
    int64_t at = 0;
    for (int64_t i = 1; i < n && best == best; i++) {
        const T v = x[i];
        if ((largest ? v > best : v < best) || v != v) { best = v; at = i; }
    }
    *place = at;
    return 0;
}
"""


def _argbest_python(arrays: list[np.ndarray], sizes: list[int]) -> int:
    n, largest = sizes
    if n == 0:
        return 1
    arrays[1][0] = (np.argmax if largest else np.argmin)(arrays[0][:n])
    return 0


_ARGBEST = kernels("pg_argbest", _ARGBEST_C, _argbest_python)


class ArgBest(AlongLast):
    """The place of the first of the largest (or smallest) elements along the last axis: int64."""

    __props__ = ("largest",)

    def __init__(self, largest: bool) -> None:
        self.largest = largest
        self.failure = (ValueError, f"{self}: there are no elements to choose from")

    def __str__(self) -> str:
        return "Argmax" if self.largest else "Argmin"

    def infer_type(self, x: Variable) -> list[TensorType]:
        if x.type.shape[-1] == 0:
            raise ValueError(f"{self}: there are no elements to choose from in {describe([x.type])}")
        return [TensorType("int64", x.type.shape[:-1])]

    def numpy(self, x: np.ndarray) -> np.ndarray:
        if x.shape[-1] == 0:
            raise self.failure[0](self.failure[1])
        return np.asarray((np.argmax if self.largest else np.argmin)(x, -1), "int64")

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        return [ew.zeros_like(inputs[0])]

    def texts(self) -> dict[str, Kernel]:
        return _ARGBEST

    def ranks(self, node: Apply) -> tuple[int, ...]:
        return 1, 0

    def sizes(self, reader: LengthReader, node: Apply) -> tuple[Expr, ...]:
        return reader.lengths(node.inputs[0])[-1], flag(self.largest)

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        *leading, n = reader.lengths(node.inputs[0])
        reader.require(loops.less(loops.ZERO, n), *self.failure)
        return [tuple(leading)]


def _arg_best(who: str, x: Any, axis: Axis, keepdims: bool) -> Variable:
    x = as_variable(x)
    if x.dtype in COMPLEX:
        raise TypeError(f"{who} is not defined for complex numbers (given {describe([x.type])})")
    axes = normalized_axes(who, axis, x.ndim)
    kept = [a for a in range(x.ndim) if a not in axes]
    last = dimshuffle(x, (*kept, *axes))
    if len(axes) != 1:  # several axes count as one, run through row by row
        last = reshape(last, [*(length(x, a) for a in kept), _count(x, axes)])
    found = ArgBest(who == "argmax")(last)
    return reduce.restored(found, x, axes) if keepdims else found


def _count(x: Variable, axes: Sequence[int]) -> Any:
    result: Any = 1
    for a in axes:
        result = result * length(x, a)
    return result


def argmax(x: Any, axis: Axis = None, keepdims: bool = False) -> Variable:
    """The place of the first of the largest elements along `axis` (the first nan, if there is one): int64.

    Without an axis the place in the flattened array; of several axes the place in these flattened. Raises
    ValueError where there are no elements.

    >>> argmax(np.array([1.0, 3.0, 3.0])).eval()
    array(1)
    """
    return _arg_best("argmax", x, axis, keepdims)


def argmin(x: Any, axis: Axis = None, keepdims: bool = False) -> Variable:
    """The place of the first of the smallest elements along `axis` (the first nan, if there is one); see `argmax`."""
    return _arg_best("argmin", x, axis, keepdims)


def max_and_argmax(x: Any, axis: Axis = None, keepdims: bool = False) -> list[Variable]:
    """The largest element along an axis, and its place."""
    return [reduce.max(x, axis, keepdims), argmax(x, axis, keepdims)]


# ------------------------------------------------------------------------------------ a place for each row


def _along(x: Variable, places: Variable, axis: int) -> tuple[Variable, ...]:
    """The index arrays of `take_along_axis`."""

    def rounds(a: int) -> Variable:
        # An axis of length 1 is stretched: there every place is the first.
        n, m = x.type.shape[a], places.type.shape[a]
        counted = arange(length(places if n == 1 and m != 1 else x, a))
        if n == 1 and m != 1:
            counted = ew.zeros_like(counted)
        return dimshuffle(counted, tuple(0 if b == a else "x" for b in range(x.ndim)))

    return tuple(places if a == axis else rounds(a) for a in range(x.ndim))


def _places(who: str, x: Any, indices: Any, axis: int | None) -> tuple[Variable, Variable, int]:
    x, indices = as_variable(x), as_variable(indices)
    if indices.dtype not in INTEGERS:
        raise IndexError(f"{who}: indices are integers, got {describe([indices.type])}")
    if axis is None:
        x, axis = flatten(x), 0
        indices = flatten(indices)
    if x.ndim != indices.ndim:
        raise ValueError(
            f"{who}: the array and the indices need the same number of dimensions, got"
            f" {describe([x.type, indices.type])}"
        )
    (place,) = normalized_axes(who, axis, x.ndim)
    return x, indices, place


def take_along_axis(x: Any, indices: Any, axis: int | None = -1) -> Variable:
    """For each row along `axis` the elements at that row's places: `take_along_axis(x, argsort(x))` is sorted.

    `indices` has as many dimensions as `x`; the axes other than `axis` broadcast. Without an axis both are
    flattened. Raises IndexError for places that do not exist.
    """
    x, indices, place = _places("take_along_axis", x, indices, axis)
    if x.ndim == 1:
        return Gather((0,))(x, indices)
    return get_item(x, _along(x, indices, place))


def put_along_axis(x: Any, indices: Any, values: Any, axis: int | None = -1) -> Variable:
    """`x` with `values` at the places that `take_along_axis` would read; flattened without an axis."""
    x, indices, place = _places("put_along_axis", x, indices, axis)
    values = ew.cast(values, x.dtype)
    return IncGather(tuple(range(x.ndim)), True)(x, values, *_along(x, indices, place))
