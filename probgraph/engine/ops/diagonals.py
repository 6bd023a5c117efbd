"""Diagonals and triangles: the parts of matrices that have names, read and written. All work on the last two axes
unless axes are given; leading axes are a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from probgraph.engine import loops
from probgraph.engine.config import config
from probgraph.engine.graph import Apply, Variable
from probgraph.engine.loops import Expr
from probgraph.engine.op import (
    LengthReader,
    Pointwise,
    Region,
    Scatter,
    ValueReader,
    as_variable,
    behind_batch,
    broadcast_index,
)
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.shape import arange, dimshuffle, in_batch, join, length, zeros
from probgraph.engine.types import TensorType, describe


def matrix_transpose(x: Any) -> Variable:
    """The last two axes exchanged: (..., m, n) to (..., n, m)."""
    x = as_variable(x)
    if x.ndim < 2:
        raise ValueError(f"matrix_transpose takes matrices, got {describe([x.type])}")
    return dimshuffle(x, *range(x.ndim - 2), x.ndim - 1, x.ndim - 2)


# ------------------------------------------------------------------------------------ triangles


def tri(n: Any, m: Any = None, k: int = 0, dtype: str = "bool") -> Variable:
    """A matrix (n, m) with ones on and below its k-th diagonal; square without `m`."""
    m = n if m is None else m
    return ew.cast(dimshuffle(arange(n), 0, "x") + k >= dimshuffle(arange(m), "x", 0), dtype)


def _triangle(who: str, x: Any, k: int) -> tuple[Variable, Variable]:
    x = as_variable(x)
    if x.ndim < 2:
        raise ValueError(f"{who} takes matrices, got {describe([x.type])}")
    return x, tri(length(x, -2), length(x, -1), k)


def tril(x: Any, k: int = 0) -> Variable:
    """The lower triangle of matrices, on and below the k-th diagonal; zeros elsewhere."""
    x, below = _triangle("tril", x, k)
    return ew.switch(below, x, ew.zeros_like(x))


def triu(x: Any, k: int = 0) -> Variable:
    """The upper triangle of matrices, on and above the k-th diagonal; zeros elsewhere."""
    x, below = _triangle("triu", x, k - 1)
    return ew.switch(below, ew.zeros_like(x), x)


# ------------------------------------------------------------------------------------ diagonals


def _start(offset: int) -> tuple[int, int]:
    """Row and column where a diagonal begins."""
    return max(-offset, 0), max(offset, 0)


def _static_count(x: Variable, offset: int) -> int | None:
    n, m = x.type.shape[-2:]
    down, right = _start(offset)
    return None if n is None or m is None else max(0, min(n - down, m - right))


def _count(lengths: tuple[Expr, ...], offset: int) -> Expr:
    """How many elements a diagonal has."""
    if offset == 0:
        return loops.minimum(*lengths[-2:])
    n, m = (loops.subtract(n, loops.integer(k)) for n, k in zip(lengths[-2:], _start(offset), strict=True))
    return loops.maximum(loops.minimum(n, m), loops.ZERO)


class Diagonal(Pointwise):
    """The `offset`-th diagonal of the last two axes. `square`: these must have one length."""

    __props__ = ("offset", "square")

    def __init__(self, offset: int = 0, square: bool = False) -> None:
        self.offset = offset
        self.square = square

    def infer_type(self, x: Variable) -> list[TensorType]:
        if x.ndim < 2:
            raise ValueError(f"diagonal takes matrices, got {describe([x.type])}")
        n, m = x.type.shape[-2:]
        if self.square and n is not None and m is not None and n != m:
            raise ValueError(
                f"diagonal: {describe([x.type])} has lengths {n} and {m} along axes that must agree"
            )
        return [TensorType(x.dtype, (*x.type.shape[:-2], _static_count(x, self.offset)))]

    def numpy(self, x: np.ndarray) -> np.ndarray:
        if self.square and x.shape[-2] != x.shape[-1]:
            raise ValueError(f"diagonal: shape {x.shape} has different lengths along axes that must agree")
        return np.diagonal(x, self.offset, -2, -1).copy()

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        (g,), (x,) = cotangents, inputs
        return [SetDiagonal(self.offset)(ew.zeros_like(x), ew.cast(g, x.dtype))]

    def batched(self, node: Apply, inputs: Sequence[Variable]) -> list[Variable]:
        return [self(*inputs)]

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        lengths = reader.lengths(node.inputs[0])
        if self.square:
            return [(*lengths[:-2], reader.unify(node, *lengths[-2:]))]
        return [(*lengths[:-2], _count(lengths, self.offset))]

    def element(self, reader: ValueReader, node: Apply, index: tuple[Expr, ...]) -> Expr:
        *batch, i = index
        place = (loops.add(i, loops.integer(k)) for k in _start(self.offset))
        return reader.value(node.inputs[0], (*batch, *place))


class SetDiagonal(Scatter):
    """`x` with the `offset`-th diagonal of its last two axes overwritten by `v`."""

    __props__ = ("offset",)

    def __init__(self, offset: int = 0) -> None:
        self.offset = offset

    def infer_type(self, x: Variable, v: Variable) -> list[TensorType]:
        if x.ndim < 2 or v.ndim > x.ndim - 1:
            raise ValueError(
                f"a diagonal of {describe([x.type])} cannot be set to {describe([v.type])}: the ranks do not fit"
            )
        if v.dtype != x.dtype:
            raise TypeError(f"a diagonal of {x.dtype} cannot be set to {v.dtype}: cast it first")
        part = (*x.type.shape[:-2], _static_count(x, self.offset))
        for mine, its in zip(part[::-1], v.type.shape[::-1], strict=False):
            if mine is not None and its not in (None, 1, mine):
                raise ValueError(
                    f"a diagonal of {describe([x.type])} has shape {part}: {describe([v.type])} does not fit"
                )
        return [x.type]

    def numpy(self, x: np.ndarray, v: np.ndarray) -> np.ndarray:
        result = np.array(x)
        down, right = _start(self.offset)
        count = max(0, min(x.shape[-2] - down, x.shape[-1] - right))
        places = np.arange(count)
        result[..., places + down, places + right] = v
        return result

    def check_lengths(self, node: Apply, arrays: Any) -> None:
        x, v = arrays
        part = np.diagonal(x, self.offset, -2, -1).shape
        known = (*node.inputs[1].type.shape,)
        for its, n, mine in zip(known[::-1], v.shape[::-1], part[::-1], strict=False):
            if its != 1 and n != mine:
                raise ValueError(
                    f"SetDiagonal: the diagonal of shape {part} cannot be set to shape {v.shape}"
                )

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        (g,), (_, v) = cotangents, inputs
        rest = SetDiagonal(self.offset)(g, ew.zeros_like(v, g.dtype))
        return [rest, ew.summed_to(Diagonal(self.offset)(g), v)]

    def batched(self, node: Apply, inputs: Sequence[Variable]) -> list[Variable]:
        x, _ = in_batch(node, inputs)
        return [self(x, behind_batch(inputs[1], node.inputs[1], node.out.ndim - 1))]

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        x, v = node.inputs
        lengths = reader.lengths(x)
        part = (*lengths[:-2], _count(lengths, self.offset))
        for axis in range(-v.ndim, 0):
            if v.type.shape[axis] != 1:
                reader.unify(node, part[axis], reader.lengths(v)[axis])
        return [lengths]

    def regions(self, reader: LengthReader, node: Apply) -> list[Region]:
        x, v = node.inputs
        lengths = reader.lengths(x)
        starts = [loops.integer(k) for k in _start(self.offset)]

        def place(reader: ValueReader, index: tuple[Expr, ...]) -> tuple[Expr, ...]:
            return (*index[:-1], *(loops.add(index[-1], start) for start in starts))

        def what(reader: ValueReader, index: tuple[Expr, ...]) -> Expr:
            return reader.value(v, broadcast_index(v, index))

        return [Region((*lengths[:-2], _count(lengths, self.offset)), place, what, None)]


def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Variable:
    """A diagonal of two axes, as the last axis of the result; `offset` counts upwards from the main one."""
    x = as_variable(x)
    if x.ndim < 2:
        raise ValueError(f"diagonal takes matrices, got {describe([x.type])}")
    for axis in (axis1, axis2):
        if not -x.ndim <= axis < x.ndim:
            raise ValueError(f"diagonal: axis {axis} does not exist, {x} has {x.ndim} dimensions")
    first, second = axis1 % x.ndim, axis2 % x.ndim
    if first == second:
        raise ValueError(f"diagonal: axis1 and axis2 are the same, {axis1}")
    rest = [a for a in range(x.ndim) if a not in (first, second)]
    return Diagonal(int(offset))(dimshuffle(x, *rest, first, second))


def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Variable:
    """The sum of a diagonal of two axes (the first two, as in NumPy)."""
    return diagonal(x, offset, axis1, axis2).sum(axis=-1)


def alloc_diag(v: Any, offset: int = 0) -> Variable:
    """Matrices of zeros but for a diagonal: (..., n) to (..., n + |offset|, n + |offset|)."""
    v = as_variable(v)
    if v.ndim == 0:
        raise ValueError(f"alloc_diag takes vectors, got {describe([v.type])}")
    n = length(v, -1) + abs(offset) if offset else length(v, -1)
    lengths = [length(v, a) for a in range(v.ndim - 1)]
    return SetDiagonal(int(offset))(zeros([*lengths, n, n], v.dtype), v)


def diag(x: Any, k: int = 0) -> Variable:
    """The k-th diagonal of a matrix, or the matrix with a vector on its k-th diagonal."""
    x = as_variable(x)
    if x.ndim not in (1, 2):
        raise ValueError(
            f"diag takes a vector or a matrix, got {describe([x.type])}: use diagonal or alloc_diag"
        )
    return diagonal(x, k) if x.ndim == 2 else alloc_diag(x, k)


def fill_diagonal(a: Any, val: Any, offset: int = 0) -> Variable:
    """Matrices with a diagonal overwritten by a number (or by a vector along it)."""
    a = as_variable(a)
    return SetDiagonal(int(offset))(a, ew.cast(val, a.dtype))


def eye(n: Any, m: Any = None, k: int = 0, dtype: str | None = None) -> Variable:
    """Ones on the k-th diagonal of an (n, m) matrix, zeros elsewhere; floatX unless `dtype` is given."""
    rows, columns = arange(n), arange(n if m is None else m)
    on = ew.eq(dimshuffle(rows, 0, "x") + k, dimshuffle(columns, "x", 0))
    return ew.cast(on, dtype or config.floatX)


def identity_like(x: Any, dtype: str | None = None) -> Variable:
    """Ones on the diagonal, in the shape (and dtype) of a matrix."""
    x = as_variable(x)
    if x.ndim != 2:
        raise TypeError(f"identity_like takes a matrix, got {describe([x.type])}")
    return eye(length(x, 0), length(x, 1), dtype=dtype or x.dtype)


def block_diag(*matrices: Any) -> Variable:
    """Matrices along the diagonal of a larger one, zeros elsewhere; they share their leading axes.

    As in SciPy a vector counts as one row and a number as a 1 by 1 matrix.
    """
    if not matrices:
        raise ValueError("block_diag: no matrices were given")
    blocks = [as_variable(m) for m in matrices]
    blocks = [b if b.ndim >= 2 else dimshuffle(b, *("x",) * (2 - b.ndim), *range(b.ndim)) for b in blocks]
    if len({b.ndim for b in blocks}) > 1:
        raise ValueError(
            f"block_diag: the blocks need the same number of dimensions, got {describe([b.type for b in blocks])}"
        )
    leading = [length(blocks[0], a) for a in range(blocks[0].ndim - 2)]
    rows = []
    for k, block in enumerate(blocks):
        height = length(block, -2)
        row = [
            block if i == k else zeros([*leading, height, length(other, -1)], block.dtype)
            for i, other in enumerate(blocks)
        ]
        rows.append(join(-1, *row))
    return join(-2, *rows)
