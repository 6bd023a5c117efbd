"""Shapes: asking for them, and index arithmetic that moves elements without copying them."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from probgraph.engine import loops
from probgraph.engine.config import config
from probgraph.engine.graph import Apply, Constant, Variable
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
    literal,
)
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.types import INTEGERS, TensorType, describe, literal_dtype, promote


class Shape(Pointwise):
    """The lengths of a variable as an int64 vector. The variable itself need not be computed."""

    def infer_type(self, x: Variable) -> list[TensorType]:
        return [TensorType("int64", (x.ndim,))]

    def numpy(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(x.shape, dtype="int64")

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[None]:
        return [None]

    def batched(self, node: Apply, inputs: Sequence[Variable]) -> list[Variable]:
        return [Shape()(inputs[0])[1:]]

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        return [(loops.integer(node.inputs[0].ndim),)]

    def element(self, reader: ValueReader, node: Apply, index: tuple[Expr, ...]) -> Expr:
        lengths = reader.lengths(node.inputs[0])
        result = lengths[-1]
        for axis in range(len(lengths) - 2, -1, -1):
            result = loops.choose(loops.equal(index[0], loops.integer(axis)), lengths[axis], result)
        return result


def shape(x: Any) -> Variable:
    """The shape of `x`: an int64 vector."""
    return Shape()(as_variable(x))


def length(x: Variable, axis: int) -> int | Variable:
    """The length along one axis: an int if the type knows it."""
    known = x.type.shape[axis]
    return known if known is not None else shape(x)[axis]


class DimShuffle(Pointwise):
    """Axes in a new order; "x" is a new axis of length 1. Dropped axes must have length 1."""

    __props__ = ("order",)

    def __init__(self, order: tuple[int | str, ...]) -> None:
        self.order = order

    def __str__(self) -> str:
        return f"DimShuffle{{{', '.join(map(str, self.order))}}}"

    def infer_type(self, x: Variable) -> list[TensorType]:
        given = [a for a in self.order if a != "x"]
        if any(not 0 <= a < x.ndim for a in given) or len(set(given)) < len(given):
            raise ValueError(
                f"dimshuffle{self.order}: the axes of {x} are 0 to {x.ndim - 1}, each at most once"
            )
        for axis in set(range(x.ndim)) - set(given):
            if x.type.shape[axis] != 1:
                raise ValueError(
                    f"dimshuffle{self.order} drops axis {axis} of {describe([x.type])}, which is not known to have length 1"
                )
        return [TensorType(x.dtype, [1 if a == "x" else x.type.shape[a] for a in self.order])]

    def numpy(self, x: np.ndarray) -> np.ndarray:
        given = [a for a in self.order if a != "x"]
        kept = np.transpose(x, given + [a for a in range(x.ndim) if a not in given])
        return kept.reshape([1 if a == "x" else x.shape[a] for a in self.order])

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        (g,), (x,) = cotangents, inputs
        return [dimshuffle(g, tuple(self.order.index(a) if a in self.order else "x" for a in range(x.ndim)))]

    def batched(self, node: Apply, inputs: Sequence[Variable]) -> list[Variable]:
        return [dimshuffle(inputs[0], (0, *(a if a == "x" else a + 1 for a in self.order)))]

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        lengths = reader.lengths(node.inputs[0])
        return [tuple(loops.ONE if a == "x" else lengths[a] for a in self.order)]

    def element(self, reader: ValueReader, node: Apply, index: tuple[Expr, ...]) -> Expr:
        (x,) = node.inputs
        mine: list[Expr] = [loops.ZERO] * x.ndim
        for i, axis in zip(index, self.order, strict=True):
            if axis != "x":
                mine[axis] = i
        return reader.value(x, tuple(mine))


def dimshuffle(x: Variable, *order: Any) -> Variable:
    """Axes in the given order: ints, and "x" for a new axis of length 1."""
    if len(order) == 1 and isinstance(order[0], list | tuple):
        order = tuple(order[0])
    pattern = tuple("x" if a == "x" else int(a) + (x.ndim if a < 0 else 0) for a in order)
    if pattern == tuple(range(x.ndim)):
        return x
    return DimShuffle(pattern)(x)


def transpose(x: Any, axes: Sequence[int] | None = None) -> Variable:
    """Axes reversed, or in the order of `axes`."""
    x = as_variable(x)
    return dimshuffle(x, tuple(range(x.ndim))[::-1] if axes is None else tuple(axes))


def moveaxis(x: Any, source: int, destination: int) -> Variable:
    """One axis moved to another place, the others in order."""
    x = as_variable(x)
    order = list(range(x.ndim))
    order.insert(destination % x.ndim, order.pop(source % x.ndim))
    return dimshuffle(x, order)


def swapaxes(x: Any, a: int, b: int) -> Variable:
    """Two axes exchanged."""
    x = as_variable(x)
    order = list(range(x.ndim))
    order[a], order[b] = order[b], order[a]
    return dimshuffle(x, order)


def expand_dims(x: Any, axis: int | Sequence[int]) -> Variable:
    """New axes of length 1, at these places of the result."""
    x = as_variable(x)
    axes = [axis] if isinstance(axis, int) else list(axis)
    rank = x.ndim + len(axes)
    places = {a % rank for a in axes}
    kept = iter(range(x.ndim))
    return dimshuffle(x, tuple("x" if a in places else next(kept) for a in range(rank)))


def shape_padleft(x: Any, n_ones: int = 1) -> Variable:
    """`n_ones` new axes of length 1 in front."""
    x = as_variable(x)
    return dimshuffle(x, ("x",) * n_ones + tuple(range(x.ndim)))


def shape_padright(x: Any, n_ones: int = 1) -> Variable:
    """`n_ones` new axes of length 1 at the end."""
    x = as_variable(x)
    return dimshuffle(x, tuple(range(x.ndim)) + ("x",) * n_ones)


def squeeze(x: Any, axis: int | Sequence[int] | None = None) -> Variable:
    """Axes of length 1 dropped: those named, or all that are known to be."""
    x = as_variable(x)
    if axis is None:
        dropped = {a for a, n in enumerate(x.type.shape) if n == 1}
    else:
        dropped = {a % x.ndim for a in ([axis] if isinstance(axis, int) else axis)}
    return dimshuffle(x, tuple(a for a in range(x.ndim) if a not in dropped))


# ------------------------------------------------------------------------------------ new lengths


def as_length(x: Any, who: str) -> Variable:
    """A length: an int, or a 0-d integer variable."""
    v = as_variable(x)
    if v.ndim != 0 or v.dtype not in INTEGERS:
        raise TypeError(f"{who}: a length is an integer scalar, got {describe([v.type])}")
    return ew.cast(v, "int64")


def as_lengths(lengths: Any, who: str) -> list[Variable]:
    """Lengths given one by one, as a list, or as a vector whose length is known."""
    if isinstance(lengths, Variable) and lengths.ndim == 1:
        known = lengths.type.shape[0]
        if known is None:
            raise ValueError(f"{who}: {lengths} has an unknown number of lengths; give a list")
        if isinstance(lengths, Constant):
            return [as_length(int(n), who) for n in lengths.data]
        return [as_length(lengths[i], who) for i in range(known)]
    if isinstance(lengths, list | tuple | np.ndarray):
        return [as_length(int(n) if isinstance(n, np.integer) else n, who) for n in lengths]
    return [as_length(int(lengths) if isinstance(lengths, np.integer) else lengths, who)]


def _static(lengths: Sequence[Variable]) -> list[int | None]:
    return [int(n.data) if isinstance(n, Constant) else None for n in lengths]


class Reshape(Pointwise):
    """The same elements, row by row, under other lengths; one of them may be -1."""

    stored = (0,)

    def __str__(self) -> str:
        return "Reshape"

    def infer_type(self, x: Variable, *lengths: Variable) -> list[TensorType]:
        static = _static(lengths)
        if static.count(-1) > 1:
            raise ValueError(f"reshape: only one length can be -1, got {static}")
        size = None if None in x.type.shape else int(np.prod(x.type.shape))
        rest = [n for n in static if n != -1]
        if -1 in static:
            known = None if size is None or None in rest else int(np.prod(rest))
            if known is not None and (known == 0 or size % known):
                raise ValueError(f"reshape: cannot arrange {describe([x.type])} as {tuple(static)}")
            static[static.index(-1)] = None if known is None else size // known
        elif size is not None and None not in static and int(np.prod(static)) != size:
            raise ValueError(
                f"reshape: {describe([x.type])} has {size} elements, {tuple(static)} {int(np.prod(static))}"
            )
        return [TensorType(x.dtype, static)]

    def numpy(self, x: np.ndarray, *lengths: np.ndarray) -> np.ndarray:
        return x.reshape([int(n) for n in lengths])

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable | None]:
        (g,), (x, *lengths) = cotangents, inputs
        return [reshape(g, [length(x, a) for a in range(x.ndim)]), *(None for _ in lengths)]

    def batched(self, node: Apply, inputs: Sequence[Variable]) -> list[Variable] | None:
        x, *lengths = inputs
        if any(n.ndim for n in lengths):
            return None
        left = [place for place, n in enumerate(lengths) if isinstance(n, Constant) and n.data == -1]
        for place in left:  # what is left of an element, not of the batch, which may be empty
            rest = _product([n for i, n in enumerate(lengths) if i != place])
            lengths[place] = as_length(_product([length(x, a) for a in range(1, x.ndim)]) // rest, "reshape")
        return [reshape(x, [length(x, 0), *lengths])]

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        x, *wanted = node.inputs
        size = loops.product(reader.lengths(x))
        lengths: list[Expr] = []
        for position, (n, known) in enumerate(zip(wanted, node.out.type.shape, strict=True)):
            if known is not None:
                lengths.append(loops.integer(known))
            elif isinstance(n, Constant):
                rest = loops.product(reader.integer(m) for i, m in enumerate(wanted) if i != position)
                lengths.append(loops.divide(size, loops.maximum(rest, loops.ONE)))
            else:
                given = reader.integer(n)
                rest = loops.product(reader.integer(m) for i, m in enumerate(wanted) if i != position)
                inferred = loops.divide(size, loops.maximum(rest, loops.ONE))
                lengths.append(loops.choose(loops.less(given, loops.ZERO), inferred, given))
        total = loops.product(lengths)
        message = f"reshape: {node.inputs[0]} has {{0}} elements, the new shape {{1}}"
        reader.require(loops.equal(total, size), ValueError, message, size, total)
        return [tuple(lengths)]

    def element(self, reader: ValueReader, node: Apply, index: tuple[Expr, ...]) -> Expr:
        return reader.flat(node.inputs[0], loops.row_major(index, reader.lengths(node.out)))


def _product(lengths: Sequence[Any]) -> Any:
    known = [int(n.data) if isinstance(n, Constant) else n for n in lengths]
    return functools.reduce(lambda a, b: a * b, known, 1)


def reshape(x: Any, newshape: Any, ndim: int | None = None) -> Variable:
    """`x` with other lengths (a list, an int, or an integer vector of known length; -1: what is left)."""
    x = as_variable(x)
    if (
        isinstance(newshape, Variable)
        and newshape.ndim == 1
        and newshape.type.shape[0] is None
        and ndim is not None
    ):
        lengths = [as_length(newshape[i], "reshape") for i in range(ndim)]
    else:
        lengths = as_lengths(newshape, "reshape")
    if ndim is not None and len(lengths) != ndim:
        raise ValueError(f"reshape: {len(lengths)} lengths were given for ndim={ndim}")
    static = _static(lengths)
    ones = [a for a, n in enumerate(static) if n == 1]
    squeezed = [n for n in x.type.shape if n != 1]
    if None not in squeezed and None not in static and [n for n in static if n != 1] == squeezed:
        # Only axes of length 1 come and go: no elements move, so nothing need be stored.
        bare = squeeze(x)
        return expand_dims(bare, ones) if ones else bare
    return Reshape()(x, *lengths)


def flatten(x: Any, ndim: int = 1) -> Variable:
    """The trailing axes run together until `ndim` are left."""
    x = as_variable(x)
    if not 1 <= ndim <= max(x.ndim, 1):
        raise ValueError(f"flatten: ndim={ndim} for a variable of {x.ndim} dimensions")
    return reshape(x, [length(x, a) for a in range(ndim - 1)] + [-1])


class Alloc(Pointwise):
    """A value repeated to given lengths, aligned at the last axis."""

    def __str__(self) -> str:
        return "Alloc"

    def infer_type(self, value: Variable, *lengths: Variable) -> list[TensorType]:
        static = _static(lengths)
        if value.ndim > len(static):
            raise ValueError(
                f"alloc: {describe([value.type])} has more dimensions than the {len(static)} asked for"
            )
        for axis in range(-value.ndim, 0):
            mine = value.type.shape[axis]
            if mine not in (None, 1) and static[axis] not in (None, mine):
                raise ValueError(f"alloc: {describe([value.type])} does not broadcast to {tuple(static)}")
        return [TensorType(value.dtype, static)]

    def numpy(self, value: np.ndarray, *lengths: np.ndarray) -> np.ndarray:
        return np.broadcast_to(value, [int(n) for n in lengths])

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable | None]:
        (g,), (value, *lengths) = cotangents, inputs
        return [ew.summed_to(g, value), *(None for _ in lengths)]

    def batched(self, node: Apply, inputs: Sequence[Variable]) -> list[Variable] | None:
        value, *lengths = inputs
        if any(n.ndim for n in lengths):
            return None
        return [alloc(behind_batch(value, node.inputs[0], node.out.ndim), length(value, 0), *lengths)]

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        value, *wanted = node.inputs
        lengths = [reader.integer(n) for n in wanted]
        for n in lengths:
            if not isinstance(n, loops.Literal):
                message = "alloc: a length is negative: {0}"
                reader.require(loops.less_equal(loops.ZERO, n), ValueError, message, n)
        for axis in range(-value.ndim, 0):
            if value.type.shape[axis] != 1:
                lengths[axis] = reader.unify(node, lengths[axis], reader.lengths(value)[axis])
        return [tuple(lengths)]

    def element(self, reader: ValueReader, node: Apply, index: tuple[Expr, ...]) -> Expr:
        return reader.value(node.inputs[0], broadcast_index(node.inputs[0], index))


def alloc(value: Any, *lengths: Any) -> Variable:
    """`value` repeated to a shape given as lengths."""
    return Alloc()(as_variable(value), *as_lengths(lengths, "alloc"))


def broadcast_to(x: Any, newshape: Any) -> Variable:
    """`x` stretched to a shape: NumPy's function of that name."""
    return Alloc()(as_variable(x), *as_lengths(newshape, "broadcast_to"))


def full(newshape: Any, value: Any, dtype: str | None = None) -> Variable:
    """A shape filled with one value."""
    value = as_variable(value)
    value = value if dtype is None else ew.cast(value, dtype)
    return Alloc()(value, *as_lengths(newshape, "full"))


def zeros(newshape: Any, dtype: str | None = None) -> Variable:
    """Zeros of a shape; floatX unless `dtype` is given."""
    return full(newshape, literal(0, dtype or config.floatX))


def ones(newshape: Any, dtype: str | None = None) -> Variable:
    """Ones of a shape; floatX unless `dtype` is given."""
    return full(newshape, literal(1, dtype or config.floatX))


class ARange(Pointwise):
    """start, start + step, ... before stop."""

    __props__ = ("dtype",)

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype

    def infer_type(self, start: Variable, stop: Variable, step: Variable) -> list[TensorType]:
        bounds = (start, stop, step)
        if any(v.ndim for v in bounds):
            raise TypeError("arange: start, stop and step are scalars")
        if all(isinstance(v, Constant) for v in bounds):
            if step.data == 0:
                raise ValueError("arange: step is 0")
            return [TensorType(self.dtype, (len(np.arange(start.data, stop.data, step.data)),))]
        return [TensorType(self.dtype, (None,))]

    def numpy(self, start: np.ndarray, stop: np.ndarray, step: np.ndarray) -> np.ndarray:
        return np.arange(start.item(), stop.item(), step.item(), dtype=self.dtype)

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable | None]:
        (g,), (_, stop, _) = cotangents, inputs
        steps = arange(length(outputs[0], 0), dtype=g.dtype)
        return [g.sum(), ew.zeros_like(stop), (g * steps).sum()]

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        known = node.out.type.shape[0]
        if known is not None:
            return [(loops.integer(known),)]
        start, stop, step = node.inputs
        if any(v.dtype not in INTEGERS for v in node.inputs) or not isinstance(step, Constant):
            raise NotImplementedError("arange with symbolic floats or a symbolic step runs only in NumPy")
        by = int(step.data)
        first, last = reader.integer(start), reader.integer(stop)
        span = loops.subtract(last, first) if by > 0 else loops.subtract(first, last)
        by = max(by, -by)
        count = loops.divide(loops.add(span, loops.integer(by - 1)), loops.integer(by))
        return [(loops.maximum(count, loops.ZERO),)]

    def element(self, reader: ValueReader, node: Apply, index: tuple[Expr, ...]) -> Expr:
        start, _, step = node.inputs
        place = reader.convert(index[0], self.dtype)
        scaled = reader.compute(
            ew.mul.function, (place, reader.convert(reader.value(step, ()), self.dtype)), self.dtype
        )
        return reader.compute(
            ew.add.function, (reader.convert(reader.value(start, ()), self.dtype), scaled), self.dtype
        )


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: str | None = None) -> Variable:
    """NumPy's arange: int64 of integers; Python's numbers take the dtype of what they stand beside."""
    if stop is None:
        start, stop = 0, start
    given = (start, stop, step)
    bounds = [as_variable(v) for v in given]
    weak = [isinstance(v, int | float) and not isinstance(v, np.generic) for v in given]
    told = [v.dtype for v, plain in zip(bounds, weak, strict=True) if not plain]
    common = promote(*told) if told else "int64"
    if any(plain and isinstance(v, float) for v, plain in zip(given, weak, strict=True)):
        common = literal_dtype(1.0, told)
    return ARange(dtype or ("int64" if common in INTEGERS else common))(*bounds)


def batch_length(node: Apply, inputs: Sequence[Variable]) -> int | Variable:
    """How many elements a batch has, if `inputs` are those of `node` but that some have a batch in front."""
    pairs = zip(inputs, node.inputs, strict=True)
    return next(length(new, 0) for new, old in pairs if new.ndim > old.ndim)


def in_batch(node: Apply, inputs: Sequence[Variable]) -> list[Variable]:
    """The inputs, all of them with the batch: those that have none are repeated (nothing is stored for it)."""
    count = batch_length(node, inputs)
    return [
        new if new.ndim > old.ndim else alloc(new, count, *(length(new, a) for a in range(new.ndim)))
        for new, old in zip(inputs, node.inputs, strict=True)
    ]


# ------------------------------------------------------------------------------------ joining


class Join(Scatter):
    """Arrays laid end to end along an axis."""

    __props__ = ("axis",)
    base = False

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def __str__(self) -> str:
        return "Join"

    def infer_type(self, *parts: Variable) -> list[TensorType]:
        types = [p.type for p in parts]
        rank = types[0].ndim
        if any(t.ndim != rank for t in types):
            raise TypeError(f"join: all parts need the same number of dimensions, got {describe(types)}")
        lengths: list[int | None] = []
        for axis in range(rank):
            known = {t.shape[axis] for t in types}
            if axis == self.axis:
                lengths.append(None if None in known else int(np.sum([t.shape[axis] for t in types])))
                continue
            known.discard(None)
            if len(known) > 1:
                raise ValueError(f"join along axis {self.axis}: {describe(types)} disagree along axis {axis}")
            lengths.append(known.pop() if known else None)
        return [TensorType(promote(*(t.dtype for t in types)), lengths)]

    def numpy(self, *parts: np.ndarray) -> np.ndarray:
        return np.concatenate(parts, axis=self.axis)

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        (g,) = cotangents
        flows: list[Variable] = []
        start: Any = 0
        for x in inputs:
            stop = start + length(x, self.axis)
            piece = g[(slice(None),) * self.axis + (slice(start, stop),)]
            flows.append(ew.summed_to(_with_shape(piece, x), x))
            start = stop
        return flows

    def batched(self, node: Apply, inputs: Sequence[Variable]) -> list[Variable]:
        return [Join(self.axis + 1)(*in_batch(node, inputs))]

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        lengths = list(reader.lengths(node.inputs[0]))
        for x in node.inputs[1:]:
            for axis, n in enumerate(reader.lengths(x)):
                if axis == self.axis:
                    lengths[axis] = loops.add(lengths[axis], n)
                else:
                    lengths[axis] = reader.unify(node, lengths[axis], n)
        return [tuple(lengths)]

    def regions(self, reader: LengthReader, node: Apply) -> list[Region]:
        result: list[Region] = []
        start: Expr = loops.ZERO
        for x in node.inputs:
            result.append(_part(x, self.axis, start, reader.lengths(x), node.out.dtype))
            start = loops.add(start, reader.lengths(x)[self.axis])
        return result


def _with_shape(piece: Variable, x: Variable) -> Variable:
    """A slice whose type knows that it has the shape of `x`."""
    return piece if piece.type.broadcastable == x.type.broadcastable else SpecifyShape(x.type.shape)(piece)


def _part(x: Variable, axis: int, start: Expr, lengths: tuple[Expr, ...], dtype: str) -> Region:
    def place(reader: ValueReader, index: tuple[Expr, ...]) -> tuple[Expr, ...]:
        return (*index[:axis], loops.add(start, index[axis]), *index[axis + 1 :])

    def what(reader: ValueReader, index: tuple[Expr, ...]) -> Expr:
        return reader.convert(reader.value(x, index), dtype)

    return Region(lengths, place, what, None)


class SpecifyShape(Pointwise):
    """The same value with more known about its shape; checked at the call."""

    __props__ = ("shape",)

    def __init__(self, shape: tuple[int | None, ...]) -> None:
        self.shape = shape

    def infer_type(self, x: Variable) -> list[TensorType]:
        if x.ndim != len(self.shape):
            raise ValueError(
                f"specify_shape: {describe([x.type])} has {x.ndim} dimensions, {self.shape} was asked for"
            )
        merged: list[int | None] = []
        for axis, (mine, wanted) in enumerate(zip(x.type.shape, self.shape, strict=True)):
            if mine is not None and wanted is not None and mine != wanted:
                raise ValueError(f"specify_shape: axis {axis} of {describe([x.type])} is not {wanted}")
            merged.append(mine if wanted is None else wanted)
        return [TensorType(x.dtype, merged)]

    def numpy(self, x: np.ndarray) -> np.ndarray:
        if any(want is not None and want != n for want, n in zip(self.shape, x.shape, strict=True)):
            raise ValueError(f"specify_shape: expected {self.shape}, got {x.shape}")
        return x

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        return [cotangents[0]]

    def batched(self, node: Apply, inputs: Sequence[Variable]) -> list[Variable]:
        return [SpecifyShape((None, *self.shape))(*inputs)]

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        lengths = list(reader.lengths(node.inputs[0]))
        for axis, wanted in enumerate(self.shape):
            if wanted is not None:
                lengths[axis] = reader.unify(node, loops.integer(wanted), lengths[axis])
        return [tuple(lengths)]

    def element(self, reader: ValueReader, node: Apply, index: tuple[Expr, ...]) -> Expr:
        return reader.value(node.inputs[0], index)


def specify_shape(x: Any, newshape: int | Sequence[int | None]) -> Variable:
    """`x` with a static shape, checked at the call: ints, and None where nothing is known; one int for a vector."""
    lengths = newshape if isinstance(newshape, Sequence) else (newshape,)
    return SpecifyShape(tuple(lengths))(as_variable(x))


def join(axis: int, *parts: Any) -> Variable:
    """Arrays laid end to end along `axis`; they agree along the others."""
    if not parts:
        raise ValueError("join: nothing to join")
    variables = [as_variable(p) for p in parts]
    if len(variables) == 1:
        return variables[0]
    rank = variables[0].ndim
    if isinstance(axis, Constant):
        axis = int(axis.data)
    if isinstance(axis, Variable):
        raise TypeError(f"join: the axis must be a number, known when the graph is made; got {axis}")
    if not -rank <= axis < rank:
        raise ValueError(f"join: axis {axis} does not exist, the parts have {rank} dimensions")
    return Join(axis % rank)(*variables)


def concatenate(parts: Sequence[Any], axis: int = 0) -> Variable:
    """A list of arrays laid end to end along `axis`."""
    return join(axis, *parts)


def stack(*parts: Any, axis: int = 0) -> Variable:
    """Arrays of one shape laid side by side along a new axis: `stack([a, b], axis=0)`."""
    if len(parts) == 1 and isinstance(parts[0], list | tuple):
        parts = tuple(parts[0])
    variables = [as_variable(p) for p in parts]
    return join(axis % (variables[0].ndim + 1), *(expand_dims(v, axis) for v in variables))
