"""Products: sums over pairs of axes, as reductions that share loops with whatever else reads the operands.

`Dot` is the product of vectors and matrices; `Contraction` that of two arrays whose axes have letters, as
`einsum` writes them, of which all the other products are made.
"""

from __future__ import annotations

import functools
import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from probgraph.engine.graph import Apply, Variable
from probgraph.engine.loops import Expr, ScalarFunction
from probgraph.engine.op import LengthReader, Reduction, ValueReader, as_variable, as_variables
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.diagonals import matrix_transpose
from probgraph.engine.ops.shape import dimshuffle, flatten, length, reshape, shape_padleft
from probgraph.engine.types import TensorType, describe, promote


class Dot(Reduction):
    """The product of vectors and matrices: the last axis of `a` against the first but last (or only) of `b`."""

    def __str__(self) -> str:
        return "dot"

    def infer_type(self, a: Variable, b: Variable) -> list[TensorType]:
        if a.ndim not in (1, 2) or b.ndim not in (1, 2):
            raise TypeError(f"dot takes vectors and matrices, got {describe([a.type, b.type])}")
        m, n = a.type.shape[-1], b.type.shape[0]
        if m is not None and n is not None and m != n:
            raise ValueError(
                f"dot: shapes {describe([a.type, b.type])} do not fit: axis -1 of the first has length {m},"
                f" axis {-b.ndim} of the second {n}"
            )
        return [TensorType(promote(a.dtype, b.dtype), (*a.type.shape[:-1], *b.type.shape[1:]))]

    def numpy(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return np.asarray(np.dot(a, b))

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        (g,), (a, b) = cotangents, inputs
        ca, cb = ew.conj(a), ew.conj(b)
        match a.ndim, b.ndim:
            case 1, 1:
                flows = g * cb, g * ca
            case 2, 1:
                flows = dimshuffle(g, 0, "x") * cb, dot(dimshuffle(ca, 1, 0), g)
            case 1, 2:
                flows = dot(cb, g), dimshuffle(ca, 0, "x") * g
            case _:
                flows = dot(g, dimshuffle(cb, 1, 0)), dot(dimshuffle(ca, 1, 0), g)
        return [ew.summed_to(flow, x) for flow, x in zip(flows, inputs, strict=True)]

    def batched(self, node: Apply, inputs: Sequence[Variable]) -> list[Variable]:
        left, right = ("r", "")[node.inputs[0].ndim == 1] + "i", "i" + ("c", "")[node.inputs[1].ndim == 1]
        return [_in_batch(str(self), node, inputs, (left, right), (left + right).replace("i", ""))]

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        a, b = (reader.lengths(v) for v in node.inputs)
        reader.unify(node, a[-1], b[0])
        return [(*a[:-1], *b[1:])]

    def combination(self, node: Apply) -> tuple[ScalarFunction, Any, str]:
        return ew.add.function, 0, node.out.dtype

    def reduced(self, reader: LengthReader, node: Apply) -> tuple[Expr, ...]:
        return (reader.lengths(node.inputs[0])[-1],)

    def term(self, reader: ValueReader, node: Apply, index: tuple[Expr, ...], over: tuple[Expr, ...]) -> Expr:
        a, b = node.inputs
        rows = a.ndim - 1
        left = reader.convert(reader.value(a, (*index[:rows], *over)), node.out.dtype)
        right = reader.convert(reader.value(b, (*over, *index[rows:])), node.out.dtype)
        return reader.compute(ew.mul.function, (left, right), node.out.dtype)


class Contraction(Reduction):
    """The sum of products of two arrays over the letters that the result does not have.

    Each letter stands once in an operand, and one that is summed over stands in both.
    """

    __props__ = ("left", "right", "result")

    def __init__(self, left: str, right: str, result: str) -> None:
        self.left = left
        self.right = right
        self.result = result

    def __str__(self) -> str:
        return f"Contraction{{{self.left},{self.right}->{self.result}}}"

    @property
    def summed(self) -> str:
        return "".join(c for c in self.left if c in self.right and c not in self.result)

    def infer_type(self, a: Variable, b: Variable) -> list[TensorType]:
        known = _letter_lengths(str(self), (a, b), (self.left, self.right))
        return [TensorType(promote(a.dtype, b.dtype), [known[c] for c in self.result])]

    def numpy(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """As a product of stacks of matrices, which NumPy hands to BLAS."""
        both = [c for c in self.left if c in self.right and c in self.result]
        rows = [c for c in self.left if c not in self.right]
        columns = [c for c in self.right if c not in self.left]
        sizes = dict(zip(self.left + self.right, a.shape + b.shape, strict=True))
        count = [int(np.prod([sizes[c] for c in part])) for part in (rows, self.summed, columns)]
        batch = [sizes[c] for c in both]
        first = np.transpose(a, [self.left.index(c) for c in (*both, *rows, *self.summed)])
        second = np.transpose(b, [self.right.index(c) for c in (*both, *self.summed, *columns)])
        with np.errstate(all="ignore"):
            product = np.matmul(first.reshape(*batch, *count[:2]), second.reshape(*batch, *count[1:]))
        order = (*both, *rows, *columns)
        product = product.reshape([sizes[c] for c in order])
        return np.asarray(np.transpose(product, [order.index(c) for c in self.result]))

    def check_lengths(self, node: Apply, arrays: Sequence[Any]) -> None:
        found: dict[str, int] = {}
        for letters, array in zip((self.left, self.right), arrays, strict=True):
            for c, n in zip(letters, array.shape, strict=True):
                if found.setdefault(c, n) != n:
                    shapes = " and ".join(str(array.shape) for array in arrays)
                    raise ValueError(f"{self}: shapes {shapes} disagree along {c!r}: {found[c]} and {n}")

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        (g,), (a, b) = cotangents, inputs
        flows = (
            contract(str(self), (g, ew.conj(b)), (self.result, self.right), self.left),
            contract(str(self), (g, ew.conj(a)), (self.result, self.left), self.right),
        )
        return [ew.summed_to(flow, x) for flow, x in zip(flows, inputs, strict=True)]

    def batched(self, node: Apply, inputs: Sequence[Variable]) -> list[Variable]:
        return [_in_batch(str(self), node, inputs, (self.left, self.right), self.result)]

    def _lengths(self, reader: LengthReader, node: Apply) -> dict[str, Expr]:
        found: dict[str, Expr] = {}
        for letters, v in zip((self.left, self.right), node.inputs, strict=True):
            for c, n in zip(letters, reader.lengths(v), strict=True):
                found[c] = reader.unify(node, found[c], n) if c in found else n
        return found

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        lengths = self._lengths(reader, node)
        return [tuple(lengths[c] for c in self.result)]

    def combination(self, node: Apply) -> tuple[ScalarFunction, Any, str]:
        return ew.add.function, 0, node.out.dtype

    def reduced(self, reader: LengthReader, node: Apply) -> tuple[Expr, ...]:
        lengths = self._lengths(reader, node)
        return tuple(lengths[c] for c in self.summed)

    def term(self, reader: ValueReader, node: Apply, index: tuple[Expr, ...], over: tuple[Expr, ...]) -> Expr:
        place = dict(zip(self.result + self.summed, (*index, *over), strict=True))
        left, right = (
            reader.convert(reader.value(v, tuple(place[c] for c in letters)), node.out.dtype)
            for v, letters in zip(node.inputs, (self.left, self.right), strict=True)
        )
        return reader.compute(ew.mul.function, (left, right), node.out.dtype)


def _letter_lengths(
    who: str, operands: Sequence[Variable], letters: Sequence[str], ones_stretch: bool = False
) -> dict[str, int | None]:
    """What is known of the length that goes with each letter; ValueError where operands disagree."""
    known: dict[str, int | None] = {}
    for v, mine in zip(operands, letters, strict=True):
        for c, n in zip(mine, v.type.shape, strict=True):
            before = known.get(c)
            if ones_stretch and before == 1:
                before = None
            if n is not None and before is not None and n != before and not (ones_stretch and n == 1):
                raise ValueError(
                    f"{who}: shapes {describe([v.type for v in operands])} do not fit: lengths {before} and {n} meet"
                )
            known[c] = n if before is None else before
    return known


def contract(who: str, operands: Sequence[Variable], letters: Sequence[str], result: str) -> Variable:
    """The product of two arrays with lettered axes, summed over the letters that `result` does not have.

    An axis known to have length 1 stretches to what it meets. The simplest operation that does it is made: a
    multiplication if nothing is summed, `Dot` for vectors and matrices.
    """
    _letter_lengths(who, operands, letters, ones_stretch=True)
    parts = []
    for k, (v, mine) in enumerate(zip(operands, letters, strict=True)):
        other, its = operands[1 - k], letters[1 - k]
        stretched = [
            c
            for c, n in zip(mine, v.type.shape, strict=True)
            if n == 1 and c in its and other.type.shape[its.index(c)] != 1
        ]
        v = dimshuffle(v, *(axis for axis, c in enumerate(mine) if c not in stretched))
        parts.append((v, "".join(c for c in mine if c not in stretched)))
    summed = []
    for k, (v, mine) in enumerate(parts):
        alone = [axis for axis, c in enumerate(mine) if c not in parts[1 - k][1] and c not in result]
        v = v.sum(axis=tuple(alone), dtype=v.dtype) if alone else v
        summed.append((v, "".join(c for axis, c in enumerate(mine) if axis not in alone)))
    (a, left), (b, right) = summed
    if not any(c in right and c not in result for c in left):
        return _laid_out(a, left, result) * _laid_out(b, right, result)
    if a.ndim <= 2 and b.ndim <= 2 and not any(c in right and c in result for c in left):
        (inner,) = (c for c in left if c in right) if len(set(left) & set(right)) == 1 else (None,)
        if inner is not None:
            return _as_dot(a, left, b, right, inner, result)
    return Contraction(left, right, result)(a, b)


def _in_batch(
    who: str, node: Apply, inputs: Sequence[Variable], letters: Sequence[str], result: str
) -> Variable:
    """`contract` where some of the operands have a batch in front, which is one letter more."""
    batch = next(c for c in string.ascii_letters if c not in "".join(letters))
    wide = [
        batch + mine if new.ndim > old.ndim else mine
        for new, old, mine in zip(inputs, node.inputs, letters, strict=True)
    ]
    return contract(who, inputs, wide, batch + result)


def _laid_out(v: Variable, letters: str, result: str) -> Variable:
    return dimshuffle(v, *(letters.index(c) if c in letters else "x" for c in result))


def _as_dot(a: Variable, left: str, b: Variable, right: str, inner: str, result: str) -> Variable:
    a = matrix_transpose(a) if a.ndim == 2 and left[0] == inner else a
    b = matrix_transpose(b) if b.ndim == 2 and right[1] == inner else b
    order = "".join(c for c in left + right if c != inner)
    y = Dot()(a, b)
    return y if order == result else matrix_transpose(y)


# ------------------------------------------------------------------------------------ by name


def dot(a: Any, b: Any) -> Variable:
    """The product of vectors and matrices; with a scalar, multiplication.

    As in NumPy, with more axes the last one of `a` meets the last but one of `b`, and all others stay.
    """
    a, b = as_variables([a, b])
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    if a.ndim <= 2 and b.ndim <= 2:
        return Dot()(a, b)
    return tensordot(a, b, axes=([a.ndim - 1], [max(b.ndim - 2, 0)]))


def matmul(a: Any, b: Any) -> Variable:
    """`a @ b`: products of vectors and matrices, one for each index of the leading axes, which broadcast."""
    a, b = as_variables([a, b])
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError(f"matmul takes vectors and matrices, got {describe([a.type, b.type])}: use *")
    if a.ndim <= 2 and b.ndim <= 2:
        return Dot()(a, b)
    rows = "y" if a.ndim > 1 else ""
    columns = "z" if b.ndim > 1 else ""
    batch = _letters(max(a.ndim, b.ndim) - 2)
    left = batch[len(batch) - max(a.ndim - 2, 0) :] + rows + "x"
    right = batch[len(batch) - max(b.ndim - 2, 0) :] + "x" + columns
    known = a.type.shape[-1], b.type.shape[-2 if columns else -1]
    if None not in known and known[0] != known[1]:  # the summed axis does not stretch
        raise ValueError(
            f"matmul: shapes {describe([a.type, b.type])} do not fit: axis -1 of the first has length {known[0]},"
            f" axis {-2 if columns else -1} of the second {known[1]}"
        )
    return contract("matmul", (a, b), (left, right), batch + rows + columns)


def _letters(count: int) -> str:
    if count > 23:
        raise NotImplementedError(f"products of arrays of more than 25 dimensions: {count + 2} were given")
    return string.ascii_lowercase[:count]


def vecdot(a: Any, b: Any) -> Variable:
    """Products of vectors along the last axis (the first conjugated); the leading axes broadcast."""
    return _by_last_axes("vecdot", a, b, "x", "x", "", conjugated=True)


def matvec(a: Any, b: Any) -> Variable:
    """Products of matrices (..., m, n) and vectors (..., n); the leading axes broadcast."""
    return _by_last_axes("matvec", a, b, "yx", "x", "y")


def vecmat(a: Any, b: Any) -> Variable:
    """Products of vectors (..., m), conjugated, and matrices (..., m, n); the leading axes broadcast."""
    return _by_last_axes("vecmat", a, b, "x", "xy", "y", conjugated=True)


def _by_last_axes(
    who: str, a: Any, b: Any, left: str, right: str, result: str, conjugated: bool = False
) -> Variable:
    a, b = as_variables([a, b])
    if a.ndim < len(left) or b.ndim < len(right):
        raise ValueError(f"{who}: {describe([a.type, b.type])} have too few dimensions")
    a = ew.conj(a) if conjugated else a
    batch = _letters(max(a.ndim - len(left), b.ndim - len(right)))
    left = batch[len(batch) - a.ndim + len(left) :] + left
    right = batch[len(batch) - b.ndim + len(right) :] + right
    return contract(who, (a, b), (left, right), batch + result)


def tensordot(a: Any, b: Any, axes: int | Sequence[Any] = 2) -> Variable:
    """Products summed over pairs of axes: the last `axes` of `a` with the first of `b`, or two lists of axes."""
    a, b = as_variables([a, b])
    return _tensordot("tensordot", a, b, _axis_pairs("tensordot", a, b, axes, 0), 0)


def batched_tensordot(a: Any, b: Any, axes: int | Sequence[Any] = 2) -> Variable:
    """`tensordot` for each index of the first axis.

    A number of axes does not count the first one; lists of axes do, and may not name it.
    """
    a, b = as_variables([a, b])
    if a.ndim == 0 or b.ndim == 0:
        raise TypeError(f"batched_tensordot takes arrays with a first axis, got {describe([a.type, b.type])}")
    left, right = _axis_pairs("batched_tensordot", a, b, axes, 1)
    if 0 in left or 0 in right:
        raise ValueError(f"batched_tensordot: axis 0 is the batch and cannot be summed over (axes={axes})")
    return _tensordot("batched_tensordot", a, b, (left, right), 1)


def _axis_pairs(
    who: str, a: Variable, b: Variable, axes: int | Sequence[Any], batch: int
) -> tuple[list[int], list[int]]:
    if isinstance(axes, int):
        if not 0 <= axes <= min(a.ndim, b.ndim) - batch:
            raise ValueError(f"{who}: {describe([a.type, b.type])} do not have {axes} axes to sum over")
        return list(range(a.ndim - axes, a.ndim)), list(range(batch, batch + axes))
    given = tuple([side] if isinstance(side, int) else list(side) for side in axes)
    for side, v in zip(given, (a, b), strict=True):
        for axis in side:
            if not -v.ndim <= axis < v.ndim:
                raise ValueError(f"{who}: axis {axis} does not exist, {describe([v.type])} was given")
    left, right = ([axis % v.ndim for axis in side] for side, v in zip(given, (a, b), strict=True))
    if len(left) != len(right):
        raise ValueError(f"{who}: {len(left)} axes of the first and {len(right)} of the second were named")
    if len(set(left)) < len(left) or len(set(right)) < len(right):
        raise ValueError(f"{who}: an axis is named twice in {axes}")
    return left, right


def _tensordot(
    who: str, a: Variable, b: Variable, pairs: tuple[list[int], list[int]], batch: int
) -> Variable:
    letters = string.ascii_letters
    if a.ndim + b.ndim > len(letters):
        raise NotImplementedError(f"{who} of {a.ndim} and {b.ndim} dimensions")
    first = letters[: a.ndim]
    second = list(letters[a.ndim : a.ndim + b.ndim])
    for mine, its in zip((*range(batch), *pairs[0]), (*range(batch), *pairs[1]), strict=True):
        second[its] = first[mine]
    for mine, its in zip(*pairs, strict=True):  # summed axes do not stretch
        n, m = a.type.shape[mine], b.type.shape[its]
        if n is not None and m is not None and n != m:
            raise ValueError(
                f"{who}: shapes {describe([a.type, b.type])} do not fit: axis {mine} of the first has length {n},"
                f" axis {its} of the second {m}"
            )
    result = "".join(c for k, c in enumerate(first) if k not in pairs[0])
    result += "".join(c for k, c in enumerate(second) if k >= batch and k not in pairs[1])
    return contract(who, (a, b), (first, "".join(second)), result)


def batched_dot(a: Any, b: Any) -> Variable:
    """Products of matrices or vectors for each index of the first axis: (n, i, j) and (n, j, k), and the like."""
    a, b = as_variables([a, b])
    if a.ndim < 2 or b.ndim < 2:
        raise TypeError(
            f"batched_dot takes (n, i, j) and (n, j, k) or (n, j), got {describe([a.type, b.type])}"
        )
    return batched_tensordot(a, b, ([a.ndim - 1], [max(1, b.ndim - 2)]))


def outer(a: Any, b: Any) -> Variable:
    """The matrix of products of two vectors; what is no vector is flattened."""
    a, b = (v if v.ndim == 1 else flatten(v) for v in as_variables([a, b]))
    return dimshuffle(a, 0, "x") * dimshuffle(b, "x", 0)


def kron(a: Any, b: Any) -> Variable:
    """The Kronecker product: of matrices (i, j) and (k, l) the blocks a[i, j] * b, (i k, j l)."""
    a, b = as_variables([a, b])
    rank = max(a.ndim, b.ndim)
    if rank == 0:
        return a * b
    a, b = shape_padleft(a, rank - a.ndim), shape_padleft(b, rank - b.ndim)
    first = dimshuffle(a, *(axis for k in range(rank) for axis in (k, "x")))
    second = dimshuffle(b, *(axis for k in range(rank) for axis in ("x", k)))
    return reshape(first * second, [length(a, k) * length(b, k) for k in range(rank)])


def matrix_dot(*matrices: Any) -> Variable:
    """The product of several matrices; from right to left if the last one is a vector."""
    if not matrices:
        raise ValueError("matrix_dot: no matrices were given")
    factors = [as_variable(m) for m in matrices]
    if factors[-1].ndim == 1:
        return functools.reduce(lambda right, left: _product(left, right), factors[::-1])
    return functools.reduce(_product, factors)


def _product(a: Variable, b: Variable) -> Variable:
    return matmul(a, b) if a.ndim > 2 or b.ndim > 2 else dot(a, b)
