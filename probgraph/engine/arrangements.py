"""Elements put in another arrangement: repeated, rolled, padded, chosen, broadcast; and places in flat arrays."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from probgraph.engine import compositions
from probgraph.engine.graph import Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import shape
from probgraph.engine.ops.index import get_item, set_subtensor, take
from probgraph.engine.ops.masks import repeated_places
from probgraph.engine.ops.reduce import normalized_axes
from probgraph.engine.ops.selection import take_along_axis
from probgraph.engine.types import INTEGERS, describe


def repeat(x: Any, repeats: Any, axis: int | None = None) -> Variable:
    """Each element along an axis `repeats` times in a row; of the flattened array without `axis`.

    `repeats` is one number, or a vector with a number for each element of the axis; both may be symbolic.

    >>> repeat(np.array([1.0, 2.0]), [2, 1]).eval()
    array([1., 1., 2.])
    """
    counts = as_variable(repeats)
    if counts.dtype not in INTEGERS:
        raise TypeError(f"repeat: repeats are integers, got {describe([counts.type])}")
    if counts.ndim == 0:
        return compositions.repeat(x, repeats, axis)
    if counts.ndim != 1:
        raise ValueError(f"repeat: repeats are a number or a vector, got {describe([counts.type])}")
    x = as_variable(x)
    if axis is None:
        x, axis = shape.flatten(x), 0
    (place,) = normalized_axes("repeat", axis, x.ndim)
    n = ew.cast(shape.shape(x)[place], "int64")
    return take(x, repeated_places(counts, n), place)


def roll(x: Any, shift: Any, axis: int | Sequence[int] | None = None) -> Variable:
    """Elements moved along an axis, those that fall off coming back in front; flattened without `axis`.

    Several axes take a shift each, or one for all.
    """
    if axis is None or isinstance(axis, int):
        return compositions.roll(x, shift, axis)
    shifts = list(shift) if isinstance(shift, list | tuple) else [shift] * len(axis)
    if len(shifts) != len(axis):
        raise ValueError(f"roll: {len(shifts)} shifts for {len(axis)} axes")
    for s, a in zip(shifts, axis, strict=True):
        x = compositions.roll(x, s, a)
    return x


_PAD_MODES = ("constant", "edge", "reflect", "symmetric", "wrap")


def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Variable:
    """`x` with elements added before and after each axis.

    `pad_width` is a number, a pair for all axes, or a pair for each; integer scalars may stand for numbers. The elements are `constant_values`, or by
    `mode` the last one ("edge"), a mirror image without ("reflect") or with it ("symmetric"), or those of the other
    side ("wrap").

    >>> pad(np.array([1.0, 2.0]), (1, 2), "edge").eval()
    array([1., 1., 2., 2., 2.])
    """
    if mode not in _PAD_MODES:
        raise ValueError(f"pad: mode is one of {', '.join(_PAD_MODES)}, got {mode!r}")
    x = as_variable(x)
    widths = _pairs(pad_width, x.ndim)
    if mode == "constant":
        lengths = [before + shape.length(x, a) + after for a, (before, after) in enumerate(widths)]
        inside = tuple(slice(b, b + shape.length(x, a)) for a, (b, _) in enumerate(widths))
        around = shape.full(lengths, ew.cast(as_variable(constant_values), x.dtype))
        return set_subtensor(get_item(around, inside), x)
    for axis, (before, after) in enumerate(widths):
        if isinstance(before, Variable) or isinstance(after, Variable) or before or after:
            n = shape.length(x, axis)
            x = take(x, _reflected(shape.arange(-before, n + after), n, mode), axis)
    return x


def _pairs(pad_width: Any, rank: int) -> list[tuple[Any, Any]]:
    widths = pad_width if isinstance(pad_width, list | tuple | np.ndarray) else [pad_width] * 2
    pairs = (
        [tuple(pair) for pair in (widths if np.ndim(widths[0]) else [widths] * rank)] if len(widths) else []
    )
    pairs = pairs * rank if len(pairs) == 1 else pairs
    if len(pairs) != rank or any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"pad: pad_width is a number, a pair, or {rank} pairs; got {pad_width!r}")
    numbers = [n for pair in pairs for n in pair]
    if not all(n.dtype in INTEGERS if isinstance(n, Variable) else _is_width(n) for n in numbers):
        raise ValueError(f"pad: pad_width holds integers that are not negative, got {pad_width!r}")
    return pairs


def _is_width(n: Any) -> bool:
    return isinstance(n, int | np.integer) and n >= 0


def _reflected(places: Variable, n: Any, mode: str) -> Variable:
    """Places outside of an axis of length n led back into it."""
    if mode == "edge":
        return ew.clip(places, 0, n - 1)
    if mode == "wrap":
        return ew.mod(places, n)
    period = 2 * n if mode == "symmetric" else ew.maximum(2 * n - 2, 1)
    there = ew.mod(places, period)
    back = (2 * n - 1 if mode == "symmetric" else 2 * n - 2) - there
    return ew.maximum(ew.minimum(there, back), 0)


def _bounded(who: str, places: Variable, n: Any, mode: str) -> Variable:
    """Places below n: those that are not are an IndexError, or clipped, or wrapped."""
    if places.dtype not in INTEGERS:
        raise TypeError(f"{who}: places are integers, got {describe([places.type])}")
    places = ew.cast(places, "int64")
    if mode == "clip":
        return ew.clip(places, 0, n - 1)
    if mode == "wrap":
        return ew.mod(places, n)
    if mode != "raise":
        raise ValueError(f"{who}: mode is 'raise', 'wrap' or 'clip', got {mode!r}")
    # Read from 0, 1, ..., n - 1, where others are not to be found.
    return get_item(shape.arange(n), ew.switch(places < 0, n, places))


def choose(a: Any, choices: Any, mode: str = "raise") -> Variable:
    """For each element the one of `choices` (a list, or an array along its first axis) that `a` says.

    They broadcast with `a`. Numbers that are none of them are an IndexError, or with mode="clip" or "wrap" led back.

    >>> choose(np.array([1, 0]), [np.array([1.0, 2.0]), np.array([3.0, 4.0])]).eval()
    array([3., 2.])
    """
    a = as_variable(a)
    if isinstance(choices, list | tuple):
        given = [as_variable(c) for c in choices]
    else:
        choices = as_variable(choices)
        known = choices.type.shape[0] if choices.ndim else None
        if known is None:
            raise ValueError(
                f"choose: how many choices there are must be known, got {describe([choices.type])}"
            )
        given = [choices[i] for i in range(known)]
    if not given:
        raise ValueError("choose: there is nothing to choose from")
    a, *given = broadcast_arrays(_bounded("choose", a, len(given), mode), *given)
    return take_along_axis(shape.stack(given), shape.shape_padleft(a), 0)[0]


def unravel_index(indices: Any, dims: Any) -> tuple[Variable, ...]:
    """Places in a flattened array of shape `dims` as places along each axis. Others are an IndexError."""
    lengths = shape.as_lengths(dims, "unravel_index")
    size = functools.reduce(lambda m, n: m * n, lengths)
    rest = _bounded("unravel_index", as_variable(indices), size, "raise")
    result = []
    for n in lengths[:0:-1]:
        result.append(ew.mod(rest, n))
        rest = ew.int_div(rest, n)
    return (rest, *result[::-1])


def ravel_multi_index(multi_index: Sequence[Any], dims: Any, mode: str = "raise") -> Variable:
    """Places along each axis as places in the flattened array of shape `dims`; see `choose` for `mode`."""
    lengths = shape.as_lengths(dims, "ravel_multi_index")
    if len(multi_index) != len(lengths):
        raise ValueError(f"ravel_multi_index: {len(multi_index)} arrays of places for {len(lengths)} axes")
    result: Any = 0
    for places, n in zip(multi_index, lengths, strict=True):
        result = result * n + _bounded("ravel_multi_index", as_variable(places), n, mode)
    return result


def broadcast_arrays(*xs: Any) -> list[Variable]:
    """The arguments stretched to the shape that they have together."""
    variables = [as_variable(x) for x in xs]
    model = functools.reduce(lambda a, b: ew.fill(a, ew.fill(b, False)), variables)
    return [
        ew.fill(model, x) if x.type.shape != model.type.shape or None in x.type.shape else x
        for x in variables
    ]


def _each(function: Any, xs: Sequence[Any]) -> Any:
    results = [function(as_variable(x)) for x in xs]
    return results[0] if len(results) == 1 else results


def atleast_Nd(*xs: Any, n: int = 1, left: bool = True) -> Any:
    """Arrays with axes of length 1 put in front (or behind) until there are `n`; one, or a list."""
    pad_axes = shape.shape_padleft if left else shape.shape_padright
    return _each(lambda x: pad_axes(x, n - x.ndim) if x.ndim < n else x, xs)


def atleast_1d(*xs: Any) -> Any:
    """Scalars as vectors of length 1; one, or a list."""
    return atleast_Nd(*xs)


def atleast_2d(*xs: Any) -> Any:
    """Vectors as matrices of one row; one, or a list."""
    return atleast_Nd(*xs, n=2)


def atleast_3d(*xs: Any) -> Any:
    """Arrays of at least three axes; as in NumPy a vector stands in the middle, a matrix in front; one, or a list."""

    def one(x: Variable) -> Variable:
        if x.ndim == 1:
            return shape.dimshuffle(x, "x", 0, "x")
        return shape.dimshuffle(x, 0, 1, "x") if x.ndim == 2 else atleast_Nd(x, n=3)

    return _each(one, xs)
