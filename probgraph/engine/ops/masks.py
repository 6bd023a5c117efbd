"""Masks: the places where something holds, and what is selected, counted or told apart by them.

How many places there are depends on values, so no loops can be sized for them: Python finds them (`Hosted`), and
what is made of them, `x[mask]` for one, is compiled around that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from probgraph.engine import loops
from probgraph.engine.graph import Apply, Constant, Variable
from probgraph.engine.loops import Expr
from probgraph.engine.op import Hosted, LengthReader, Pointwise, ValueReader, as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.shape import dimshuffle, flatten, length, reshape, zeros
from probgraph.engine.types import COMPLEX, INTEGERS, TensorType, describe


class Nonzero(Hosted):
    """Where a mask holds: an int64 vector for each of its axes, all of one length."""

    def infer_type(self, mask: Variable) -> list[TensorType]:
        if mask.ndim == 0:
            raise ValueError(f"nonzero: {mask} is a scalar, which has no places: use atleast_1d")
        return [TensorType("int64", (None,)) for _ in range(mask.ndim)]

    def numpy(self, mask: np.ndarray) -> Any:
        places = tuple(np.asarray(p, "int64") for p in np.nonzero(mask))
        return places if len(places) > 1 else places[0]

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[None]:
        return [None]


class MatchesMask(Pointwise):
    """An array as it is, after a check that the axes from `axis` on are as long as those of a mask."""

    __props__ = ("axis",)

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def _message(self, x: Variable, axis: int) -> str:
        return f"a mask for axis {axis} of {x} has length {{0}}, the axis has {{1}}"

    def infer_type(self, x: Variable, mask: Variable) -> list[TensorType]:
        lengths = list(x.type.shape)
        for k, n in enumerate(mask.type.shape):
            axis = self.axis + k
            if n is not None and lengths[axis] not in (None, n):
                raise IndexError(self._message(x, axis).format(n, lengths[axis]))
            lengths[axis] = n if lengths[axis] is None else lengths[axis]
        return [TensorType(x.dtype, lengths)]

    def numpy(self, x: np.ndarray, mask: np.ndarray) -> np.ndarray:
        for axis, n in enumerate(mask.shape, self.axis):
            if n != x.shape[axis]:
                raise IndexError(f"a mask for axis {axis} has length {n}, the axis has {x.shape[axis]}")
        return x

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable | None]:
        return [cotangents[0], None]

    def batched(self, node: Apply, inputs: Sequence[Variable]) -> list[Variable] | None:
        x, mask = inputs
        return [MatchesMask(self.axis + 1)(x, mask)] if mask.ndim == node.inputs[1].ndim else None

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        x, mask = node.inputs
        lengths = list(reader.lengths(x))
        for axis, n in enumerate(reader.lengths(mask), self.axis):
            reader.require(
                loops.equal(n, lengths[axis]), IndexError, self._message(x, axis), n, lengths[axis]
            )
            lengths[axis] = n
        return [tuple(lengths)]

    def element(self, reader: ValueReader, node: Apply, index: tuple[Expr, ...]) -> Expr:
        return reader.value(node.inputs[0], index)


def matching(x: Variable, mask: Variable, axis: int) -> Variable:
    """`x`, checked to be as long as the mask from `axis` on: now where lengths are known, else at the call."""
    known = zip(x.type.shape[axis:], mask.type.shape, strict=False)
    checked = MatchesMask(axis)(x, mask)
    return x if all(n is not None and n == m for n, m in known) else checked


def places(mask: Any) -> list[Variable]:
    """Where a mask holds, an int64 vector an axis; of a constant mask constants."""
    mask = as_variable(mask)
    if isinstance(mask, Constant) and mask.ndim:
        return [as_variable(np.asarray(found, "int64")) for found in np.nonzero(mask.data)]
    found = Nonzero()(mask)
    return found if isinstance(found, list) else [found]


def nonzero(x: Any, return_matrix: bool = False) -> Any:
    """The places of what is not zero: a tuple of int64 vectors, one an axis; with `return_matrix` its rows.

    >>> import numpy as np
    >>> nonzero(as_variable(np.array([0.0, 2.0, 3.0])))[0].eval()
    array([1, 2])
    """
    found = places(x)
    if not return_matrix:
        return tuple(found)
    rows = [dimshuffle(v, "x", 0) for v in found]
    return rows[0] if len(rows) == 1 else _joined(rows)


def _joined(rows: Sequence[Variable]) -> Variable:
    count = length(rows[0], 1)
    result = zeros([len(rows), count], dtype="int64")
    for axis, row in enumerate(rows):
        result = result[axis].set(row[0])
    return result


def flatnonzero(x: Any) -> Variable:
    """The places of what is not zero in the flattened array: an int64 vector."""
    return places(flatten(as_variable(x)))[0]


def nonzero_values(x: Any) -> Variable:
    """What is not zero, as a vector: `x[x.nonzero()]`."""
    x = as_variable(x)
    return x[nonzero(x)]


def compress(condition: Any, x: Any, axis: int | None = None) -> Variable:
    """Of the flattened array, or of an axis, those for which `condition` (a vector, at most so long) holds.

    >>> import numpy as np
    >>> compress([True, False, True], as_variable(np.array([1.0, 2.0, 3.0]))).eval()
    array([1., 3.])
    """
    condition, x = as_variable(condition), as_variable(x)
    if condition.ndim != 1:
        raise ValueError(f"compress: the condition is a vector, got {describe([condition.type])}")
    if axis is None:
        x, axis = flatten(x), 0
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"compress: axis {axis} does not exist, the variable has {x.ndim} dimensions")
    return x[(slice(None),) * (axis % x.ndim) + (places(condition)[0],)]


# ------------------------------------------------------------------------------------ counting


class CountLength(Hosted):
    """How many counts there are: one more than the largest of some integers, and no fewer than a minimum."""

    def infer_type(self, x: Variable, least: Variable) -> list[TensorType]:
        return [TensorType("int64", ())]

    def numpy(self, x: np.ndarray, least: np.ndarray) -> np.ndarray:
        if x.size and x.min() < 0:
            raise ValueError(f"bincount: what is counted is not negative, found {x.min()}")
        return np.asarray(max(int(x.max()) + 1 if x.size else 0, int(least)), "int64")

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[None]:
        return [None, None]


def bincount(x: Any, weights: Any = None, minlength: Any = 0, assert_nonneg: bool = False) -> Variable:
    """How often each integer 0, 1, ... occurs in the vector `x`, or the sum of the `weights` where it does.

    The result has one more element than the largest of `x` says, but at least `minlength`. Negative integers are an
    error at the call with and without `assert_nonneg`.

    >>> import numpy as np
    >>> bincount(np.array([1, 1, 3])).eval()
    array([0, 2, 0, 1])
    """
    x = as_variable(x)
    if x.ndim != 1 or x.dtype not in INTEGERS:
        raise TypeError(f"bincount takes a vector of integers, got {describe([x.type])}")
    if isinstance(minlength, int) and minlength < 0:
        raise ValueError(f"bincount: minlength is not negative, got {minlength}")
    x = ew.cast(x, "int64")
    size = CountLength()(x, as_variable(minlength))
    if weights is None:
        return zeros([size], dtype="int64")[x].inc(np.int64(1))
    weights = as_variable(weights)
    if weights.dtype in COMPLEX or weights.ndim != 1:
        raise TypeError(f"bincount: the weights are a vector of real numbers, got {describe([weights.type])}")
    # Weights of another length than x are an error, even one alone, which would be stretched.
    n, m = x.type.shape[0], weights.type.shape[0]
    if n is not None and m is not None and n != m:
        raise ValueError(f"bincount: {n} integers and {m} weights")
    return zeros([size], dtype="float64")[x].inc(ew.cast(weights, "float64"))


# ------------------------------------------------------------------------------------ telling apart


class Distinct(Hosted):
    """Of what is distinct along axis 0, sorted: where each is first, which one each element is, how many."""

    def infer_type(self, x: Variable) -> list[TensorType]:
        n = x.type.shape[0]
        return [TensorType("int64", (None,)), TensorType("int64", (n,)), TensorType("int64", (None,))]

    def numpy(self, x: np.ndarray) -> Any:
        axis = 0 if x.ndim > 1 else None
        _, first, which, counts = np.unique(x, True, True, True, axis=axis)
        return tuple(np.asarray(v, "int64").reshape(-1) for v in (first, which, counts))

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[None]:
        return [None]


def unique(
    x: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
) -> Any:
    """The distinct elements, sorted, of the flattened array, or the distinct parts along `axis`.

    With `return_index`, `return_inverse`, `return_counts` a list: those, where each is first, which one each
    element is, and how often each occurs. Gradients go to the first of equal elements.

    >>> import numpy as np
    >>> unique(np.array([3.0, 1.0, 3.0])).eval()
    array([1., 3.])
    """
    x = as_variable(x)
    shape = [length(x, a) for a in range(x.ndim)]
    if axis is None:
        x, place = flatten(x), 0
    elif -x.ndim <= axis < x.ndim:
        place = axis % x.ndim
    else:
        raise ValueError(f"unique: axis {axis} does not exist, the variable has {x.ndim} dimensions")
    order = (place, *(a for a in range(x.ndim) if a != place))
    first, which, counts = Distinct()(dimshuffle(x, order))
    result = [x[(slice(None),) * place + (first,)]]
    if return_index:
        result.append(first)
    if return_inverse:
        result.append(which if axis is not None else reshape(which, shape))
    if return_counts:
        result.append(counts)
    return result[0] if len(result) == 1 else result


# ------------------------------------------------------------------------------------ repeating


class RepeatedPlaces(Hosted):
    """Each of 0, 1, ..., n - 1 as many times as a vector of n counts says, or its only count."""

    def infer_type(self, counts: Variable, n: Variable) -> list[TensorType]:
        return [TensorType("int64", (None,))]

    def numpy(self, counts: np.ndarray, n: np.ndarray) -> np.ndarray:
        if counts.size not in (1, int(n)):
            raise ValueError(f"repeat: {counts.size} counts for an axis of length {n}")
        if counts.size and counts.min() < 0:
            raise ValueError(f"repeat: a count is negative: {counts.min()}")
        return np.repeat(np.arange(int(n)), counts)

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[None]:
        return [None, None]


def repeated_places(counts: Variable, n: Variable) -> Variable:
    """The places of n elements, each repeated by its count: an int64 vector."""
    return RepeatedPlaces()(counts, n)
