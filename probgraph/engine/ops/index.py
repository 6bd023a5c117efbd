"""Indexing: parts of an array read, overwritten and added to.

`x[key]` becomes at most three steps: slices and integers (`Subtensor`), new axes (`DimShuffle`), and integer
arrays (`Gather`). Each reading op has a writing twin that is also its gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from probgraph.engine import loops
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
    same_lengths,
)
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.masks import MatchesMask, matching, places
from probgraph.engine.ops.shape import (
    arange,
    dimshuffle,
    in_batch,
    length,
    moveaxis,
    reshape,
    shape_padright,
)
from probgraph.engine.types import INTEGERS, TensorType, broadcast_shapes, describe


@dataclass(frozen=True)
class Slice:
    """A slice: whether it has a start and a stop, each then being an input of the op, and its step. A step of None
    is an input too, the third."""

    start: bool = False
    stop: bool = False
    step: int | None = 1


INDEX = "index"
Entry = Slice | str


def _bounds(entries: Sequence[Entry], scalars: Sequence[Any]) -> list[Any]:
    """One item an axis: the index, or (start, stop, step) with None where absent."""
    given = iter(scalars)
    result: list[Any] = []
    for entry in entries:
        if entry == INDEX:
            result.append(next(given))
        else:
            start = next(given) if entry.start else None
            stop = next(given) if entry.stop else None
            result.append((start, stop, next(given) if entry.step is None else entry.step))
    return result


def _numpy_key(entries: Sequence[Entry], scalars: Sequence[np.ndarray]) -> tuple[Any, ...]:
    return tuple(
        slice(*(None if b is None else int(b) for b in item)) if isinstance(item, tuple) else int(item)
        for item in _bounds(entries, scalars)
    )


def _part_shape(x: Variable, entries: Sequence[Entry], scalars: Sequence[Variable]) -> list[int | None]:
    lengths: list[int | None] = []
    items = _bounds(entries, scalars)
    for axis, n in enumerate(x.type.shape):
        if axis >= len(items):
            lengths.append(n)
            continue
        item = items[axis]
        if not isinstance(item, tuple):
            if n is not None and isinstance(item, Constant) and not -n <= int(item.data) < n:
                raise IndexError(
                    f"index {int(item.data)} is out of bounds for axis {axis} of {x} with length {n}"
                )
            continue
        bounds = item[:2]
        if bounds == (None, None) and isinstance(item[2], int) and item[2] in (1, -1):
            lengths.append(n)
        elif not isinstance(item[2], int):
            lengths.append(None)
        elif n is not None and all(b is None or isinstance(b, Constant) for b in bounds):
            key = slice(*(None if b is None else int(b.data) for b in bounds), item[2])
            lengths.append(len(range(*key.indices(n))))
        else:
            lengths.append(None)
    return lengths


def _clipped(bound: Expr, n: Expr, low: Expr, high: Expr) -> Expr:
    if isinstance(bound, loops.Literal):
        counted = bound if bound.value >= 0 else loops.add(n, bound)
    else:
        counted = loops.choose(loops.less(bound, loops.ZERO), loops.add(bound, n), bound)
    return loops.minimum(loops.maximum(counted, low), high)


def _slice_range(
    reader: LengthReader, n: Expr, item: tuple[Variable | None, Variable | None, int | Variable]
) -> tuple[Expr, Expr, Expr]:
    """The first place, the number of places and the step of a slice of an axis of length n."""
    start, stop, step = item
    if not isinstance(step, int):
        return _unknown_range(reader, n, start, stop, reader.integer(step))
    if step > 0:
        first = loops.ZERO if start is None else _clipped(reader.integer(start), n, loops.ZERO, n)
        last = n if stop is None else _clipped(reader.integer(stop), n, loops.ZERO, n)
        span = loops.subtract(last, first)
    else:
        end, none = loops.subtract(n, loops.ONE), loops.integer(-1)
        first = end if start is None else _clipped(reader.integer(start), n, none, end)
        last = none if stop is None else _clipped(reader.integer(stop), n, none, end)
        span = loops.subtract(first, last)
    count = loops.divide(loops.add(span, loops.integer(abs(step) - 1)), loops.integer(abs(step)))
    count = count if span == n and abs(step) == 1 else loops.maximum(count, loops.ZERO)
    return first, count, loops.integer(step)


def _unknown_range(
    reader: LengthReader, n: Expr, start: Variable | None, stop: Variable | None, step: Expr
) -> tuple[Expr, Expr, Expr]:
    """`_slice_range` for a step that is known at the call only."""
    reader.require(
        loops.less(loops.ZERO, loops.multiply(step, step)), ValueError, "slice step cannot be zero"
    )
    back = loops.less(step, loops.ZERO)
    low = loops.choose(back, loops.integer(-1), loops.ZERO)
    high = loops.choose(back, loops.subtract(n, loops.ONE), n)
    first = loops.choose(back, high, low) if start is None else _clipped(reader.integer(start), n, low, high)
    last = loops.choose(back, low, high) if stop is None else _clipped(reader.integer(stop), n, low, high)
    span = loops.subtract(last, first)
    span = loops.choose(back, loops.subtract(loops.ZERO, span), span)
    stride = loops.maximum(loops.maximum(step, loops.subtract(loops.ZERO, step)), loops.ONE)
    count = loops.divide(loops.add(span, loops.subtract(stride, loops.ONE)), stride)
    return first, loops.maximum(count, loops.ZERO), step


def _checked(reader: ValueReader, x: Variable, axis: int, i: Expr, n: Expr) -> Expr:
    """An index counted from the front, after a check that it exists."""
    if isinstance(i, loops.Literal) and isinstance(n, loops.Literal):
        return i if i.value >= 0 else loops.add(i, n)
    minus_n = loops.subtract(loops.ZERO, n)
    reader.require(
        loops.both(loops.less_equal(minus_n, i), loops.less(i, n)),
        IndexError,
        f"index {{0}} is out of bounds for axis {axis} of {x} with length {{1}}",
        i,
        n,
    )
    return loops.choose(loops.less(i, loops.ZERO), loops.add(i, n), i)


class _Basic:
    """What reading and writing a basic part share: the map from a round of the loops to a place in x."""

    entries: tuple[Entry, ...]

    def _map(self, reader: LengthReader, x: Variable, scalars: Sequence[Variable]):
        lengths = reader.lengths(x)
        counts: list[Expr] = []
        steps: list[Callable[[ValueReader, Any], Expr]] = []
        items = _bounds(self.entries, scalars)
        for axis, n in enumerate(lengths):
            item = items[axis] if axis < len(items) else (None, None, 1)
            if isinstance(item, tuple):
                first, count, step = _slice_range(reader, n, item)
                counts.append(count)
                steps.append(_strided(first, step))
            else:
                steps.append(_fixed(x, axis, item, n))

        def place(values: ValueReader, index: tuple[Expr, ...]) -> tuple[Expr, ...]:
            rounds = iter(index)
            return tuple(step(values, rounds) for step in steps)

        return tuple(counts), place


def _strided(first: Expr, step: Expr) -> Callable[[ValueReader, Any], Expr]:
    return lambda values, rounds: loops.add(first, loops.multiply(next(rounds), step))


def _fixed(x: Variable, axis: int, item: Variable, n: Expr) -> Callable[[ValueReader, Any], Expr]:
    return lambda values, rounds: _checked(values, x, axis, values.integer(item), n)


class Subtensor(_Basic, Pointwise):
    """`x[...]` by integers and slices. Integers, bounds and unknown steps are inputs; known steps are the op's."""

    __props__ = ("entries",)

    def __init__(self, entries: tuple[Entry, ...]) -> None:
        self.entries = entries

    def __str__(self) -> str:
        return f"Subtensor{{{', '.join(_entry_text(e) for e in self.entries)}}}"

    def infer_type(self, x: Variable, *scalars: Variable) -> list[TensorType]:
        return [TensorType(x.dtype, _part_shape(x, self.entries, scalars))]

    def numpy(self, x: np.ndarray, *scalars: np.ndarray) -> np.ndarray:
        return np.asarray(x[_numpy_key(self.entries, scalars)])

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable | None]:
        (g,), (x, *scalars) = cotangents, inputs
        grown = IncSubtensor(self.entries, False)(ew.zeros_like(x, g.dtype), g, *scalars)
        return [grown, *(None for _ in scalars)]

    def batched(self, node: Apply, inputs: Sequence[Variable]) -> list[Variable] | None:
        x, *scalars = inputs
        if not any(s.ndim for s in scalars):
            return [Subtensor((Slice(), *self.entries))(x, *scalars)]
        plan = _by_gathering(self.entries, scalars)
        if plan is None:
            return None
        # The slices first, then the places, each element of the batch having its own.
        slices, bounds, axes, places = plan
        front = (Slice(),) if x.ndim > node.inputs[0].ndim else ()
        sliced = Subtensor((*front, *slices))(x, *bounds)
        return [_gathered(sliced, axes, places, bool(front), 0)]

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        counts, _ = self._map(reader, node.inputs[0], node.inputs[1:])
        known = zip(counts, node.out.type.shape, strict=True)
        return [tuple(c if n is None else loops.integer(n) for c, n in known)]

    def element(self, reader: ValueReader, node: Apply, index: tuple[Expr, ...]) -> Expr:
        x, *scalars = node.inputs
        _, place = self._map(reader, x, scalars)
        return reader.value(x, place(reader, index))


def _entry_text(entry: Entry) -> str:
    if entry == INDEX:
        return "int64"
    step = "" if entry.step == 1 else "int64" if entry.step is None else str(entry.step)
    return f"{'int64' if entry.start else ''}:{'int64' if entry.stop else ''}:{step}"


class IncSubtensor(_Basic, Scatter):
    """A copy of `x` whose part `x[...]` is overwritten by (`set`) or increased by `y`."""

    __props__ = ("entries", "set")

    def __init__(self, entries: tuple[Entry, ...], set: bool) -> None:
        self.entries = entries
        self.set = set

    def __str__(self) -> str:
        kind = "Set" if self.set else "Inc"
        return f"IncSubtensor{{{kind};{', '.join(_entry_text(e) for e in self.entries)}}}"

    def infer_type(self, x: Variable, y: Variable, *scalars: Variable) -> list[TensorType]:
        return [_written_type(self, x, y, _part_shape(x, self.entries, scalars))]

    def numpy(self, x: np.ndarray, y: np.ndarray, *scalars: np.ndarray) -> np.ndarray:
        result = np.array(x)
        key = _numpy_key(self.entries, scalars)
        if self.set:
            result[key] = y
        else:
            result[key] += y.astype(x.dtype)
        return result

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable | None]:
        (g,), (_, y, *scalars) = cotangents, inputs
        part = Subtensor(self.entries)(g, *scalars)
        through = IncSubtensor(self.entries, True)(g, np.zeros((), g.dtype), *scalars) if self.set else g
        return [through, ew.summed_to(part, y), *(None for _ in scalars)]

    def batched(self, node: Apply, inputs: Sequence[Variable]) -> list[Variable] | None:
        if any(s.ndim for s in inputs[2:]):
            return None
        x, *_ = in_batch(node, inputs)
        y = behind_batch(inputs[1], node.inputs[1], x.ndim - 1 - self.entries.count(INDEX))
        return [IncSubtensor((Slice(), *self.entries), self.set)(x, y, *inputs[2:])]

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        return [reader.lengths(node.inputs[0])]

    def regions(self, reader: LengthReader, node: Apply) -> list[Region]:
        x, y, *scalars = node.inputs
        counts, place = self._map(reader, x, scalars)
        counts = _agreeing(reader, node, counts, y)
        return [_written(node, y, counts, place, self.set)]


def _written_type(op: Any, x: Variable, y: Variable, part: Sequence[int | None]) -> TensorType:
    """The type of x after writing y to a part of it; an error where y does not fit."""
    if y.ndim > len(part):
        raise ValueError(
            f"{op}: {describe([y.type])} has more dimensions than the part, which has {len(part)}"
        )
    for axis in range(-y.ndim, 0):
        mine, its = y.type.shape[axis], part[axis]
        if mine != 1 and mine is not None and its is not None and mine != its:
            raise ValueError(f"{op}: {describe([y.type])} does not fit a part of shape {tuple(part)}")
    if np.result_type(x.dtype, y.dtype) != x.dtype:
        raise TypeError(f"{op}: cannot write {y.dtype} into {x.dtype} without losing precision: cast first")
    return x.type


def _agreeing(reader: LengthReader, node: Apply, counts: tuple[Expr, ...], y: Variable) -> tuple[Expr, ...]:
    result = list(counts)
    for axis in range(-y.ndim, 0):
        if y.type.shape[axis] != 1:
            result[axis] = reader.unify(node, result[axis], reader.lengths(y)[axis])
    return tuple(result)


def _written(node: Apply, y: Variable, counts: tuple[Expr, ...], place: Any, set: bool) -> Region:
    dtype = node.out.dtype

    def what(reader: ValueReader, index: tuple[Expr, ...]) -> Expr:
        return reader.convert(reader.value(y, broadcast_index(y, index)), dtype)

    return Region(counts, place, what, None if set else ew.add.function)


# ------------------------------------------------------------------------------------ integer arrays


class _ByArrays:
    """Integer arrays for some axes, broadcast against each other. As in NumPy, their axes stand where the
    indexed axes were if those are adjacent, and in front otherwise."""

    axes: tuple[int, ...]

    def _front(self) -> int:
        adjacent = self.axes == tuple(range(self.axes[0], self.axes[0] + len(self.axes)))
        return self.axes[0] if adjacent else 0

    def _part(self, x: Variable, arrays: Sequence[Variable]) -> list[int | None]:
        together = broadcast_shapes(str(self), [a.type for a in arrays])
        kept = [n for axis, n in enumerate(x.type.shape) if axis not in self.axes]
        front = self._front()
        return [*kept[:front], *together, *kept[front:]]

    def _key(self, x: np.ndarray, arrays: Sequence[np.ndarray]) -> tuple[Any, ...]:
        by_axis = dict(zip(self.axes, arrays, strict=True))
        for axis, a in by_axis.items():
            bad = (a < -x.shape[axis]) | (a >= x.shape[axis])
            if bad.any():
                raise IndexError(
                    f"index {a[bad].flat[0]} is out of bounds for axis {axis} with length {x.shape[axis]}"
                )
        arrays = np.broadcast_arrays(*arrays)
        by_axis = dict(zip(self.axes, arrays, strict=True))
        return tuple(by_axis.get(axis, slice(None)) for axis in range(x.ndim))

    def _map(self, reader: LengthReader, node: Apply, x: Variable, arrays: Sequence[Variable]):
        rank = max(a.ndim for a in arrays)
        together = same_lengths(reader, node, rank, arrays)
        lengths = reader.lengths(x)
        kept = [n for axis, n in enumerate(lengths) if axis not in self.axes]
        front = self._front()

        def place(values: ValueReader, index: tuple[Expr, ...]) -> tuple[Expr, ...]:
            mine = index[front : front + rank]
            rest = iter((*index[:front], *index[front + rank :]))
            found = {
                axis: _array_index(values, x, axis, a, broadcast_index(a, mine), lengths[axis])
                for axis, a in zip(self.axes, arrays, strict=True)
            }
            return tuple(found[axis] if axis in found else next(rest) for axis in range(x.ndim))

        return (*kept[:front], *together, *kept[front:]), place


def _array_index(
    reader: ValueReader, x: Variable, axis: int, array: Variable, index: tuple[Expr, ...], n: Expr
) -> Expr:
    """An element of an index array, counted from the front and known to exist."""
    i = reader.convert(reader.value(array, index), "int64")
    if isinstance(array, Constant) and array.data.size and isinstance(n, loops.Literal):
        low, high = int(array.data.min()), int(array.data.max())
        if low < -n.value or high >= n.value:
            bad = high if high >= n.value else low
            raise IndexError(f"index {bad} is out of bounds for axis {axis} of {x} with length {n.value}")
        if low >= 0:
            return i
    return _checked(reader, x, axis, i, n)


class Gather(_ByArrays, Pointwise):
    """`x[..., i, ...]` by integer arrays, one for each of `axes`."""

    __props__ = ("axes",)
    stored = (0,)

    def __init__(self, axes: tuple[int, ...]) -> None:
        self.axes = axes

    def __str__(self) -> str:
        return "AdvancedSubtensor1" if self.axes == (0,) else f"AdvancedSubtensor{{{self.axes}}}"

    def infer_type(self, x: Variable, *arrays: Variable) -> list[TensorType]:
        for a in arrays:
            if a.dtype not in INTEGERS:
                raise IndexError(f"an index array holds integers, {a} is {a.dtype}")
        return [TensorType(x.dtype, self._part(x, arrays))]

    def numpy(self, x: np.ndarray, *arrays: np.ndarray) -> np.ndarray:
        return x[self._key(x, arrays)]

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable | None]:
        (g,), (x, *arrays) = cotangents, inputs
        grown = IncGather(self.axes, False)(ew.zeros_like(x, g.dtype), g, *arrays)
        return [grown, *(None for _ in arrays)]

    def batched(self, node: Apply, inputs: Sequence[Variable]) -> list[Variable]:
        x, *arrays = inputs
        rank = max(a.ndim for a in node.inputs[1:])
        places = [behind_batch(new, old, rank) for new, old in zip(arrays, node.inputs[1:], strict=True)]
        if any(new.ndim > old.ndim for new, old in zip(arrays, node.inputs[1:], strict=True)):
            return [_gathered(x, self.axes, places, x.ndim > node.inputs[0].ndim, self._front())]
        axes = tuple(a + 1 for a in self.axes)
        together = Gather(axes)(x, *places)
        return [together if Gather(axes)._front() else moveaxis(together, rank, 0)]

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        counts, _ = self._map(reader, node, node.inputs[0], node.inputs[1:])
        return [counts]

    def element(self, reader: ValueReader, node: Apply, index: tuple[Expr, ...]) -> Expr:
        x, *arrays = node.inputs
        _, place = self._map(reader, node, x, arrays)
        return reader.value(x, place(reader, index))


def _by_gathering(
    entries: Sequence[Entry], scalars: Sequence[Variable]
) -> tuple[list[Entry], list[Variable], tuple[int, ...], list[Variable]] | None:
    """A part by slices and integers as slices (with their bounds) and places along axes; None if a bound has a
    batch, so that lengths might differ."""
    slices: list[Entry] = []
    bounds: list[Variable] = []
    places: dict[int, Variable] = {}
    for axis, item in enumerate(_bounds(entries, scalars)):
        if isinstance(item, tuple):
            given = [b for b in item if isinstance(b, Variable)]
            if any(b.ndim for b in given):
                return None
            slices.append(entries[axis])
            bounds.extend(given)
        else:
            slices.append(Slice())
            places[axis] = item
    return slices, bounds, tuple(places), list(places.values())


def _gathered(
    x: Variable, axes: tuple[int, ...], places: Sequence[Variable], in_front: bool, wanted: int
) -> Variable:
    """`x` by integer arrays that have a batch in front, as does `x` if `in_front`; the batch comes first in the
    result, and the arrays' other axes begin at `wanted` of the rest."""
    rank = max(p.ndim for p in places)
    if in_front:
        rounds = shape_padright(arange(length(x, 0)), rank - 1)
        axes, places = (0, *(a + 1 for a in axes)), [rounds, *places]
    result = Gather(axes)(x, *places)
    start = Gather(axes)._front()
    own = [*range(start, start + rank)]
    rest = [a for a in range(result.ndim) if a not in own]
    return dimshuffle(result, (own[0], *rest[:wanted], *own[1:], *rest[wanted:]))


class IncGather(_ByArrays, Scatter):
    """A copy of `x` with `x[..., i, ...]` overwritten by (`set`) or increased by `y`; repeats accumulate."""

    __props__ = ("axes", "set")

    def __init__(self, axes: tuple[int, ...], set: bool) -> None:
        self.axes = axes
        self.set = set

    def __str__(self) -> str:
        return f"AdvancedIncSubtensor{{{'Set' if self.set else 'Inc'};{self.axes}}}"

    def infer_type(self, x: Variable, y: Variable, *arrays: Variable) -> list[TensorType]:
        return [_written_type(self, x, y, self._part(x, arrays))]

    def numpy(self, x: np.ndarray, y: np.ndarray, *arrays: np.ndarray) -> np.ndarray:
        result = np.array(x)
        key = self._key(x, arrays)
        if self.set:
            result[key] = y
        else:
            np.add.at(result, key, y.astype(x.dtype))
        return result

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable | None]:
        (g,), (x, y, *arrays) = cotangents, inputs
        part = Gather(self.axes)(g, *arrays)
        if not self.set:
            return [g, ew.summed_to(part, y), *(None for _ in arrays)]
        through = IncGather(self.axes, True)(g, np.zeros((), g.dtype), *arrays)
        if not _without_repeats(x, self.axes, arrays):
            part = ew.switch(self._last_written(x, part, arrays), part, ew.zeros_like(part))
        return [through, ew.summed_to(part, y), *(None for _ in arrays)]

    def batched(self, node: Apply, inputs: Sequence[Variable]) -> list[Variable]:
        x, y, *_ = in_batch(node, inputs)
        arrays, old = inputs[2:], node.inputs[2:]
        rank, front, parts = max(a.ndim for a in old), self._front(), len(self._part(node.inputs[0], old))
        y = behind_batch(y, node.inputs[1], parts)
        places = [behind_batch(new, its, rank) for new, its in zip(arrays, old, strict=True)]
        axes = tuple(a + 1 for a in self.axes)
        if any(new.ndim > its.ndim for new, its in zip(arrays, old, strict=True)):
            rounds = shape_padright(arange(length(x, 0)), rank)
            axes, places = (0, *axes), [rounds, *places]
            own = range(1 + front, 1 + front + rank)
            y = dimshuffle(y, (0, *own, *(a for a in range(1, y.ndim) if a not in own)))
        elif not IncGather(axes, self.set)._front():
            y = moveaxis(y, 0, rank)
        return [IncGather(axes, self.set)(x, y, *places)]

    def _last_written(self, x: Variable, part: Variable, arrays: Sequence[Variable]) -> Variable:
        """Which elements of the part are still there at the end: where an index repeats, only the last."""
        front, rank = self._front(), max(a.ndim for a in arrays)
        lengths = [length(part, front + axis) for axis in range(rank)]
        count: Any = 1
        for n in lengths:
            count = count * n
        rounds = reshape(arange(count), lengths) if rank else as_variable(np.int64(0))
        rounds = shape_padright(rounds, part.ndim - front - rank)
        written = IncGather(self.axes, True)(ew.zeros_like(x, "int64"), rounds, *arrays)
        return ew.eq(Gather(self.axes)(written, *arrays), rounds)

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        return [reader.lengths(node.inputs[0])]

    def regions(self, reader: LengthReader, node: Apply) -> list[Region]:
        x, y, *arrays = node.inputs
        counts, place = self._map(reader, node, x, arrays)
        return [_written(node, y, _agreeing(reader, node, counts, y), place, self.set)]


def _without_repeats(x: Variable, axes: Sequence[int], arrays: Sequence[Variable]) -> bool:
    """Whether it is known that no place is indexed twice."""
    if len(arrays) > 1 or not isinstance(arrays[0], Constant):
        return arrays[0].ndim == 0 and len(arrays) == 1
    places, n = arrays[0].data.reshape(-1), x.type.shape[axes[0]]
    if n is not None:
        places = np.where(places < 0, places + n, places)
    elif places.size and places.min() < 0 <= places.max():
        return False
    return len(np.unique(places)) == places.size


# ------------------------------------------------------------------------------------ x[key]


def _is_array(item: Any) -> bool:
    if isinstance(item, Variable):
        return item.ndim > 0
    return isinstance(item, list | tuple) or (isinstance(item, np.ndarray) and item.ndim > 0)


def _index_array(item: Any) -> Variable:
    """An index array as a variable of integers, or a mask."""
    if not isinstance(item, Variable):
        given = np.asarray(item)
        if given.size == 0 and not isinstance(item, np.ndarray):
            given = given.astype("int64")
        item = as_variable(given)
    if item.dtype not in INTEGERS and item.dtype != "bool":
        raise IndexError(
            f"only integers, slices, None, ... and arrays of integers or booleans are indices; {item} is {item.dtype}"
        )
    return item


def _scalar(item: Any) -> Variable:
    v = as_variable(item)
    if v.dtype not in INTEGERS or v.ndim != 0:
        raise IndexError(f"only integers, slices, None, ... and integer arrays are indices; got {item!r}")
    return ew.cast(v, "int64")


def _is_mask(item: Any) -> bool:
    return isinstance(item, Variable) and item.dtype == "bool"


def _width(item: Any) -> int:
    """How many axes an item of a key indexes."""
    return 0 if item is None or item is Ellipsis else item.ndim if _is_mask(item) else 1


def _expanded(x: Variable, key: Any) -> tuple[Variable, list[Any], bool]:
    """The key as a list with an item for every axis: Ellipsis spelled out, masks made arrays of places; and x,
    checked to have the lengths of its masks. Lastly whether an Ellipsis that stands for no axis is between indices:
    to NumPy they are not adjacent then."""
    items: list[Any] = []
    for item in key if isinstance(key, tuple) else (key,):
        if isinstance(item, bool | np.bool_) or (isinstance(item, Variable | np.ndarray) and _is_truth(item)):
            raise IndexError("a single boolean is not an index here: use switch")
        items.append(_index_array(item) if _is_array(item) else item)
    used = sum(map(_width, items))
    if sum(1 for i in items if i is Ellipsis) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if used > x.ndim:
        raise IndexError(f"too many indices for {x}: it has {x.ndim} dimensions, {used} were indexed")
    fill = [slice(None)] * (x.ndim - used)
    at = next((k for k, i in enumerate(items) if i is Ellipsis), None)
    parted = (
        at is not None and not fill and all(any(map(_is_index, s)) for s in (items[:at], items[at + 1 :]))
    )
    items = items + fill if at is None else items[:at] + fill + items[at + 1 :]
    result: list[Any] = []
    axis = 0
    for item in items:
        if _is_mask(item):
            x = matching(x, item, axis)
            result.extend(places(item))
        else:
            result.append(item)
        axis += _width(item)
    return x, result, parted


def _is_index(item: Any) -> bool:
    """Whether an item is an integer or an array."""
    return item is not None and not isinstance(item, slice)


def _is_truth(item: Any) -> bool:
    return item.ndim == 0 and item.dtype == "bool"


def _entry(item: slice) -> tuple[Slice, list[Variable]]:
    step = 1 if item.step is None else item.step
    if isinstance(step, Constant) and step.ndim == 0:
        step = step.data.item()
    scalars = [_scalar(b) for b in (item.start, item.stop) if b is not None]
    if not isinstance(step, int | np.integer):
        return Slice(item.start is not None, item.stop is not None, None), [*scalars, _scalar(step)]
    if step == 0:
        raise ValueError("slice step cannot be zero")
    return Slice(item.start is not None, item.stop is not None, int(step)), scalars


def get_item(x: Variable, key: Any) -> Variable:
    """`x[key]` with NumPy's meaning, for integers, slices, None, Ellipsis, integer arrays and masks.

    All of them may be symbolic, bounds and steps of slices too. An index that does not exist is an IndexError: at
    once where the lengths are known, else at the call.
    """
    given = x
    x, items, parted = _expanded(x, key)
    by_arrays = any(isinstance(i, Variable) and i.ndim > 0 for i in items)
    entries: list[Entry] = []
    scalars: list[Variable] = []
    after: list[Any] = []  # what each axis of the sliced array becomes: "keep", "new" or an index array
    for item in items:
        if item is None:
            after.append("new")
        elif isinstance(item, slice):
            entry, bounds = _entry(item)
            entries.append(entry)
            scalars.extend(bounds)
            after.append("keep")
        elif by_arrays:  # beside an array an integer counts as one, as in NumPy
            entries.append(Slice())
            after.append(item if isinstance(item, Variable) and item.ndim > 0 else _scalar(item))
        else:
            entries.append(INDEX)
            scalars.append(_scalar(item))
    result = x
    if any(e != Slice() for e in entries):
        while entries and entries[-1] == Slice():
            entries.pop()
        result = Subtensor(tuple(entries))(x, *scalars)
    if "new" in [a for a in after if isinstance(a, str)]:
        axes = iter(range(result.ndim))
        result = dimshuffle(
            result, tuple("x" if isinstance(a, str) and a == "new" else next(axes) for a in after)
        )
    if by_arrays:
        places = tuple(axis for axis, a in enumerate(after) if isinstance(a, Variable))
        result = Gather(places)(result, *(after[axis] for axis in places))
        front, rank = result.owner.op._front(), max(after[axis].ndim for axis in places)
        if parted and front:
            own = range(front, front + rank)
            result = dimshuffle(result, (*own, *(a for a in range(result.ndim) if a not in own)))
    elif result is x:  # all of it, to read or to write
        result = Subtensor((Slice(),) if x.ndim else ())(x)
    result.tag.indexed = (given, key)
    return result


def _write(part: Variable, y: Any, set: bool, who: str) -> Variable:
    found = getattr(part, "_tag", None)
    indexed = getattr(found, "indexed", None)
    if indexed is None:
        raise TypeError(f"{who}: x must be the result of a subtensor operation, as in {who}(x[2:5], y)")
    x, key = indexed
    y = (
        as_variable(y)
        if isinstance(y, Variable | np.ndarray | np.generic)
        else as_variable(np.asarray(y, x.dtype))
    )
    selected = _under_mask(x, key, y, set)
    return _written_back(part, x, y, set) if selected is None else selected


def _under_mask(x: Variable, key: Any, y: Variable, set: bool) -> Variable | None:
    """`x` written where a symbolic mask says, as a choice for each element: it needs no list of places, and so
    fuses with what is around. None unless `y` is the same for all places, or another array under the same mask."""
    mask = key[0] if isinstance(key, tuple) and len(key) == 1 else key
    if not _is_mask(mask) or isinstance(mask, Constant) or mask.ndim == 0:
        return None
    rest = x.ndim - mask.ndim
    source, its = getattr(getattr(y, "_tag", None), "indexed", (None, None))
    if its is mask and source.type.shape == x.type.shape and source.ndim == x.ndim:
        y = source
    elif y.ndim <= rest:
        for mine, n in zip(y.type.shape[::-1], x.type.shape[::-1], strict=False):
            if mine != 1 and mine != n:
                return None
    else:
        return None
    if np.result_type(x.dtype, y.dtype) != x.dtype:
        raise TypeError(f"cannot write {y.dtype} into {x.dtype} without losing precision: cast first")
    y = ew.cast(y, x.dtype)
    checked = matching(x, mask, 0)
    return ew.switch(shape_padright(mask, rest), y if set else checked + y, checked)


def _written_back(part: Variable, x: Variable, y: Variable, set: bool) -> Variable:
    """`x` with what `part` reads of it written: from the last reading step inwards."""
    if part is x:
        return ew.fill(x, ew.cast(y, x.dtype)) if set else x + y
    node = part.owner
    inner = node.inputs[0]
    match node.op:
        case Subtensor():
            current = IncSubtensor(node.op.entries, set)(inner, y, *node.inputs[1:])
        case Gather():
            current = IncGather(node.op.axes, set)(inner, y, *node.inputs[1:])
        case MatchesMask():  # the very same elements
            current = y
        case _:  # new axes
            order = node.op.order
            y = dimshuffle(y, ("x",) * (len(order) - y.ndim) + tuple(range(y.ndim)))
            current = dimshuffle(y, tuple(order.index(a) for a in range(inner.ndim)))
            return _written_back(inner, x, current, set)
    return _written_back(inner, x, current, True) if inner is not x else current


def _refuse_in_place(who: str, inplace: bool) -> None:
    if inplace:
        raise NotImplementedError(
            f"{who}: inplace=True is not for users; the result is written over `x` where that is safe anyway"
        )


def set_subtensor(
    part: Variable, y: Any, inplace: bool = False, tolerate_inplace_aliasing: bool = False
) -> Variable:
    """`x` with `x[key]` replaced: `set_subtensor(x[2:5], y)`. Where an array repeats an index the last wins.

    Memory is reused where that is safe; of Theano's flags about it, inplace=True raises NotImplementedError.
    """
    _refuse_in_place("set_subtensor", inplace)
    return _write(part, y, True, "set_subtensor")


def inc_subtensor(
    part: Variable,
    y: Any,
    inplace: bool = False,
    set_instead_of_inc: bool = False,
    tolerate_inplace_aliasing: bool = False,
) -> Variable:
    """`x` with `x[key]` increased: `inc_subtensor(x[i], y)`. Repeated indices accumulate.

    With `set_instead_of_inc` it is `set_subtensor`, where the flags are told.
    """
    _refuse_in_place("inc_subtensor", inplace)
    return _write(part, y, set_instead_of_inc, "inc_subtensor")


def take(x: Any, indices: Any, axis: int | None = None, mode: str = "raise") -> Variable:
    """Elements along an axis by integers: `x[..., indices, ...]`; of the flattened array without `axis`.

    Places outside are an IndexError, or led back by `mode`: "wrap" counts round, "clip" takes the first or the last.
    """
    if mode not in ("raise", "wrap", "clip"):
        raise ValueError(f"take: mode is 'raise', 'wrap' or 'clip', got {mode!r}")
    x = as_variable(x)
    if axis is None:
        x, axis = x.flatten(), 0
    if mode != "raise":
        n = length(x, axis % x.ndim)
        places = as_variable(indices)
        indices = ew.mod(places, n) if mode == "wrap" else ew.clip(places, 0, n - 1)
    return get_item(x, (slice(None),) * (axis % x.ndim) + (indices,))
