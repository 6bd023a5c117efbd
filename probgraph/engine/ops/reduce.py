"""Reductions: one op, and one row for each way to combine (sum, prod, max, min, any, all)."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from probgraph.engine import loops
from probgraph.engine.graph import Apply, Variable
from probgraph.engine.loops import Expr, ScalarFunction
from probgraph.engine.op import LengthReader, Op, Reduction, ValueReader, as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.shape import dimshuffle, length
from probgraph.engine.types import COMPLEX, FLOATS, INTEGERS, TensorType, describe, to_float

Axis = int | Sequence[int] | None


@dataclass(frozen=True, eq=False)
class Combine:
    """A way to combine elements: its name, NumPy's reduction, and the elementwise row that joins two."""

    name: str
    numpy: Callable[..., Any]
    row: ew.Elementwise
    identity: Callable[[str], Any]
    vjp: Callable[..., Variable]
    needs_elements: bool = False


def _lowest(dtype: str) -> Any:
    return -np.inf if dtype in FLOATS else False if dtype == "bool" else int(np.iinfo(dtype).min)


def _highest(dtype: str) -> Any:
    return np.inf if dtype in FLOATS else True if dtype == "bool" else int(np.iinfo(dtype).max)


def _supremum(x: np.ndarray, axis: tuple[int, ...]) -> np.ndarray:
    """The largest element, where no elements are no error: the lowest value."""
    return np.max(x, axis=axis, initial=_lowest(x.dtype.name))


def _product_vjp(g: Variable, y: Variable, x: Variable, axis: tuple[int, ...]) -> Variable:
    """Each element's cofactor, exact where elements are zero."""
    zeros = restored(sum(ew.cast(ew.eq(x, 0), "int64"), axis), x, axis)
    others = restored(prod(ew.switch(ew.eq(x, 0), ew.ones_like(x), x), axis), x, axis)
    cofactor = ew.switch(
        ew.eq(x, 0),
        ew.switch(ew.eq(zeros, 1), others, ew.zeros_like(others)),
        ew.switch(ew.eq(zeros, 0), others / x, ew.zeros_like(x)),
    )
    return g * cofactor


COMBINE = {
    c.name: c
    for c in (
        Combine("sum", np.sum, ew.add, lambda d: 0, lambda g, y, x, axis: ew.fill(x, g)),
        Combine("prod", np.prod, ew.mul, lambda d: 1, _product_vjp),
        Combine("max", np.max, ew.maximum, _lowest, lambda g, y, x, axis: g * ew.eq(x, y), True),
        Combine("min", np.min, ew.minimum, _highest, lambda g, y, x, axis: g * ew.eq(x, y), True),
        Combine("supremum", _supremum, ew.maximum, _lowest, lambda g, y, x, axis: g * ew.eq(x, y)),
        Combine("any", np.any, ew.or_, lambda d: False, lambda g, y, x, axis: ew.zeros_like(x)),
        Combine("all", np.all, ew.and_, lambda d: True, lambda g, y, x, axis: ew.zeros_like(x)),
    )
}


class Reduce(Reduction):
    """Elements combined along `axis` (a sorted tuple), accumulated in `acc_dtype`, returned as `dtype`."""

    __props__ = ("name", "axis", "dtype", "acc_dtype")

    def __init__(self, name: str, axis: tuple[int, ...], dtype: str, acc_dtype: str) -> None:
        self.name = name
        self.axis = axis
        self.dtype = dtype
        self.acc_dtype = acc_dtype

    @property
    def how(self) -> Combine:
        return COMBINE[self.name]

    def __str__(self) -> str:
        parts = [f"axis={list(self.axis)}"] if self.axis else []
        if self.name in ("sum", "prod"):
            parts.append(f"acc_dtype={self.acc_dtype}")
        return f"{self.name.capitalize()}{{{', '.join(parts)}}}"

    def infer_type(self, x: Variable) -> list[TensorType]:
        if x.dtype in COMPLEX and self.how.row in (ew.maximum, ew.minimum):
            raise TypeError(f"{self.name} is not defined for complex numbers, which have no order: {x}")
        kept = [n for axis, n in enumerate(x.type.shape) if axis not in self.axis]
        return [TensorType(self.dtype, kept)]

    def numpy(self, x: np.ndarray) -> np.ndarray:
        if self.how.needs_elements and builtins.any(x.shape[a] == 0 for a in self.axis):
            raise ValueError(_EMPTY.format(self.name, x.shape))
        with np.errstate(all="ignore"):
            if self.name in ("sum", "prod"):
                return np.asarray(self.how.numpy(x, axis=self.axis, dtype=self.acc_dtype)).astype(self.dtype)
            return np.asarray(self.how.numpy(x, axis=self.axis)).astype(self.dtype)

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        (g,), (y,), (x,) = cotangents, outputs, inputs
        if g.dtype == "float64" and x.dtype == "float32":
            g = ew.cast(g, x.dtype)  # one number now, and not one for each element later
        flow = self.how.vjp(restored(g, x, self.axis), restored(y, x, self.axis), x, self.axis)
        return [ew.summed_to(flow, x)]

    def batched(self, node: Apply, inputs: Sequence[Variable]) -> list[Variable]:
        return [Reduce(self.name, _behind(self.axis), self.dtype, self.acc_dtype)(*inputs)]

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        lengths = reader.lengths(node.inputs[0])
        if self.how.needs_elements:
            for axis in self.axis:
                known = node.inputs[0].type.shape[axis]
                message = _EMPTY.format(self.name, describe([node.inputs[0].type]))
                if known is None or known == 0:
                    reader.require(loops.less(loops.ZERO, lengths[axis]), ValueError, message)
        return [tuple(n for axis, n in enumerate(lengths) if axis not in self.axis)]

    def combination(self, node: Apply) -> tuple[ScalarFunction, Any, str]:
        return self.how.row.function, self.how.identity(self.acc_dtype), self.acc_dtype

    def reduced(self, reader: LengthReader, node: Apply) -> tuple[Expr, ...]:
        lengths = reader.lengths(node.inputs[0])
        return tuple(lengths[axis] for axis in self.axis)

    def term(self, reader: ValueReader, node: Apply, index: tuple[Expr, ...], over: tuple[Expr, ...]) -> Expr:
        kept, summed = iter(index), iter(over)
        x = node.inputs[0]
        return reader.value(x, tuple(next(summed if a in self.axis else kept) for a in range(x.ndim)))


_EMPTY = "{}: no elements to choose from, the reduced axis of {} is empty"


def _behind(axis: tuple[int, ...]) -> tuple[int, ...]:
    """The same axes where one more stands in front."""
    return tuple(a + 1 for a in axis)


def restored(y: Variable, x: Variable, axis: tuple[int, ...]) -> Variable:
    """A reduced variable with its axes put back at length 1."""
    kept = iter(range(y.ndim))
    return dimshuffle(y, tuple("x" if a in axis else next(kept) for a in range(x.ndim)))


def normalized_axes(who: str, axis: Axis, ndim: int) -> tuple[int, ...]:
    """Axes counted from the front, sorted; None means all."""
    if axis is None:
        return tuple(range(ndim))
    axes = [axis] if isinstance(axis, int | np.integer) else list(axis)
    for a in axes:
        if not -ndim <= a < ndim:
            raise ValueError(f"{who}: axis {a} does not exist, the variable has {ndim} dimensions")
    normal = sorted(int(a) % ndim for a in axes)
    if len(set(normal)) < len(normal):
        raise ValueError(f"{who}: an axis is named twice in {axis}")
    return tuple(normal)


def reduce(
    name: str,
    x: Any,
    axis: Axis = None,
    dtype: str | None = None,
    keepdims: bool = False,
    acc_dtype: str | None = None,
) -> Variable:
    """`x` reduced along `axis` in the way called `name`; see `sum`."""
    x = as_variable(x)
    axes = normalized_axes(name, axis, x.ndim)
    result, accumulator = _dtypes(name, x.dtype, dtype, acc_dtype)
    if name in ("any", "all") and x.dtype != "bool":
        x = ew.cast(x, "bool")
    y = Reduce(name, axes, result, accumulator)(x) if axes else ew.cast(x, result)
    return restored(y, x, axes) if keepdims else y


def _dtypes(name: str, given: str, dtype: str | None, acc_dtype: str | None) -> tuple[str, str]:
    if name in ("any", "all"):
        return "bool", "bool"
    if name in ("max", "min", "supremum"):
        return given, given
    if dtype is None:
        whole = given == "bool" or given in INTEGERS
        dtype = ("uint64" if given.startswith("uint") else "int64") if whole else given
    if acc_dtype is None:
        acc_dtype = {"float32": "float64", "complex64": "complex128"}.get(dtype, dtype)
    return dtype, acc_dtype


def sum(
    x: Any, axis: Axis = None, dtype: str | None = None, keepdims: bool = False, acc_dtype: str | None = None
) -> Variable:
    """The sum along `axis` (None: all; an int; several). Integers sum in 64 bits, float32 in float64."""
    return reduce("sum", x, axis, dtype, keepdims, acc_dtype)


def prod(
    x: Any,
    axis: Axis = None,
    dtype: str | None = None,
    keepdims: bool = False,
    acc_dtype: str | None = None,
    no_zeros_in_input: bool = False,
) -> Variable:
    """The product along `axis`; of nothing it is 1. Its gradient is exact where elements are zero."""
    return reduce("prod", x, axis, dtype, keepdims, acc_dtype)


def max(x: Any, axis: Axis = None, keepdims: bool = False) -> Variable:
    """The largest element along `axis`; nan if there is one. Ties share the gradient in full."""
    return reduce("max", x, axis, None, keepdims)


def min(x: Any, axis: Axis = None, keepdims: bool = False) -> Variable:
    """The smallest element along `axis`; nan if there is one. Ties share the gradient in full."""
    return reduce("min", x, axis, None, keepdims)


def any(x: Any, axis: Axis = None, keepdims: bool = False) -> Variable:
    """Whether some element along `axis` is not zero."""
    return reduce("any", x, axis, None, keepdims)


def all(x: Any, axis: Axis = None, keepdims: bool = False) -> Variable:
    """Whether every element along `axis` is not zero."""
    return reduce("all", x, axis, None, keepdims)


def mean(
    x: Any, axis: Axis = None, dtype: str | None = None, keepdims: bool = False, acc_dtype: str | None = None
) -> Variable:
    """The mean along `axis`; of integers a float64, of nothing nan."""
    x = as_variable(x)
    axes = normalized_axes("mean", axis, x.ndim)
    if dtype is None and (x.dtype == "bool" or x.dtype in INTEGERS):
        dtype = "float64"
    total = sum(x, axes, dtype, keepdims, acc_dtype)
    count: Any = 1
    for a in axes:
        count = count * length(x, a)
    return total / (ew.cast(count, total.dtype) if isinstance(count, Variable) else count)


def var(
    x: Any, axis: Axis = None, ddof: int = 0, keepdims: bool = False, corrected: bool = False
) -> Variable:
    """The variance along `axis`, divided by the count less `ddof`.

    `corrected` takes what rounding left of the sum of the deviations out of their squares (Chan, Golub and LeVeque
    1983); it matters for single precision.
    """
    x = as_variable(x)
    axes = normalized_axes("var", axis, x.ndim)
    deviation = x - mean(x, axes, keepdims=True)
    total = sum(ew.sqr(ew.abs(deviation)), axes, keepdims=keepdims)
    count: Any = 1
    for a in axes:
        count = count * length(x, a)
    if corrected:
        rest = sum(deviation, axes, keepdims=keepdims)
        total = total - ew.sqr(ew.abs(rest)) / (
            ew.cast(count, total.dtype) if isinstance(count, Variable) else count
        )
    count = count - ddof
    return total / (ew.cast(count, total.dtype) if isinstance(count, Variable) else count)


def std(
    x: Any, axis: Axis = None, ddof: int = 0, keepdims: bool = False, corrected: bool = False
) -> Variable:
    """The square root of `var`."""
    return ew.sqrt(var(x, axis, ddof, keepdims, corrected))


class LogSumExp(Op):
    """log(sum(exp(x))) along `axis` (a sorted tuple), finite wherever the result is. It becomes its parts."""

    __props__ = ("axis",)

    def __init__(self, axis: tuple[int, ...]) -> None:
        self.axis = axis

    def infer_type(self, x: Variable) -> list[TensorType]:
        kept = [n for axis, n in enumerate(x.type.shape) if axis not in self.axis]
        return [TensorType(x.dtype, kept)]

    def numpy(self, x: np.ndarray) -> np.ndarray:
        top = np.max(x, axis=self.axis, initial=-np.inf, keepdims=True)
        top = np.where(np.isinf(top), np.zeros((), x.dtype), top)
        with np.errstate(all="ignore"):
            total = np.sum(np.exp(x - top), axis=self.axis, dtype="float64")
            return np.asarray(np.log(total) + np.squeeze(top, self.axis)).astype(x.dtype)

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        (g,), (x,) = cotangents, inputs
        return [restored(g, x, self.axis) * Softmax(self.axis)(x)]

    def batched(self, node: Apply, inputs: Sequence[Variable]) -> list[Variable]:
        return [LogSumExp(_behind(self.axis))(*inputs)]

    def expand(self, x: Variable) -> Variable:
        exponentials, top = _shifted(x, self.axis)
        shifted = ew.log(sum(exponentials, self.axis, keepdims=True)) + top
        kept = [axis for axis in range(x.ndim) if axis not in self.axis]
        return dimshuffle(shifted, kept)


def _shifted(x: Variable, axis: tuple[int, ...]) -> tuple[Variable, Variable]:
    """exp(x - top) and top, the largest element: nothing overflows. An infinite one shifts nothing."""
    top = reduce("supremum", x, axis, keepdims=True)
    top = ew.switch(ew.isinf(top), ew.zeros_like(top), top)
    return ew.exp(x - top), top


class Softmax(Op):
    """exp(x) / sum(exp(x)) along `axis` (a sorted tuple), without overflow. It becomes its parts."""

    __props__ = ("axis",)

    def __init__(self, axis: tuple[int, ...]) -> None:
        self.axis = axis

    def infer_type(self, x: Variable) -> list[TensorType]:
        return [x.type]

    def numpy(self, x: np.ndarray) -> np.ndarray:
        top = np.max(x, axis=self.axis, initial=-np.inf, keepdims=True)
        top = np.where(np.isinf(top), np.zeros((), x.dtype), top)
        with np.errstate(all="ignore"):
            exponentials = np.exp(x - top)
            total = np.sum(exponentials, axis=self.axis, dtype="float64", keepdims=True).astype(x.dtype)
            return exponentials / total

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        (g,), (y,) = cotangents, outputs
        return [y * (g - sum(g * y, self.axis, keepdims=True))]

    def batched(self, node: Apply, inputs: Sequence[Variable]) -> list[Variable]:
        return [Softmax(_behind(self.axis))(*inputs)]

    def expand(self, x: Variable) -> Variable:
        exponentials, _ = _shifted(x, self.axis)
        return exponentials / sum(exponentials, self.axis, keepdims=True)


def logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Variable:
    """log(sum(exp(x))) along `axis`, without overflow; of nothing it is -inf.

    >>> logsumexp(np.array([1000.0, 1000.0])).eval()
    array(1000.69314718)
    """
    x = as_variable(x)
    if x.dtype in COMPLEX:
        raise TypeError(f"logsumexp is not defined for complex numbers (given {describe([x.type])})")
    x = ew.cast(x, to_float(x.dtype))
    axes = normalized_axes("logsumexp", axis, x.ndim)
    if not axes:
        return x
    y = LogSumExp(axes)(x)
    return restored(y, x, axes) if keepdims else y


def softmax(x: Any, axis: Axis = None) -> Variable:
    """exp(x) / sum(exp(x)) along `axis` (None: all), without overflow: positive, of sum 1.

    >>> softmax(np.array([1000.0, 1000.0])).eval()
    array([0.5, 0.5])
    """
    x = as_variable(x)
    if x.dtype in COMPLEX:
        raise TypeError(f"softmax is not defined for complex numbers (given {describe([x.type])})")
    x = ew.cast(x, to_float(x.dtype))
    return Softmax(normalized_axes("softmax", axis, x.ndim))(x)
