"""Functions that are nothing but a few operations: no type rule, gradient or C of their own.

Everything here could be written by a user; it is here because Theano, NumPy or SciPy have it under this name.
"""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np

from probgraph.engine.assertions import CheckAndRaise
from probgraph.engine.barriers import zero_grad
from probgraph.engine.config import config
from probgraph.engine.graph import Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import reduce, shape
from probgraph.engine.ops.reduce import Axis, normalized_axes
from probgraph.engine.types import INTEGERS, describe

# ------------------------------------------------------------------------------------ arithmetic


def add(*terms: Any) -> Variable:
    """The sum of one or more variables, elementwise."""
    return functools.reduce(ew.add, terms)


def mul(*factors: Any) -> Variable:
    """The product of one or more variables, elementwise."""
    return functools.reduce(ew.mul, factors)


def largest(*xs: Any) -> Variable:
    """The elementwise maximum of one or more variables."""
    return functools.reduce(ew.maximum, xs)


def smallest(*xs: Any) -> Variable:
    """The elementwise minimum of one or more variables."""
    return functools.reduce(ew.minimum, xs)


def divmod(a: Any, b: Any) -> tuple[Variable, Variable]:
    """The floored quotient and the remainder."""
    return ew.int_div(a, b), ew.mod(a, b)


def ceil_intdiv(a: Any, b: Any) -> Variable:
    """The quotient of integers, rounded up."""
    a, b = as_variable(a), as_variable(b)
    return ew.int_div(a, b) + ew.cast(ew.neq(ew.mod(a, b), 0), a.dtype)


def round(x: Any, mode: str = "half_to_even") -> Variable:
    """The nearest whole number; ties go to the even one, or with mode="half_away_from_zero" outwards."""
    if mode not in ("half_to_even", "half_away_from_zero"):
        raise ValueError(f"round: mode is 'half_to_even' or 'half_away_from_zero', got {mode!r}")
    return ew.round_half_to_even(x) if mode == "half_to_even" else ew.round_half_away_from_zero(x)


def iround(x: Any, mode: str = "half_to_even") -> Variable:
    """`round`, as an int64."""
    return ew.cast(round(x, mode), "int64")


def isfinite(x: Any) -> Variable:
    """Where `x` is neither inf nor nan."""
    x = as_variable(x)
    return ew.invert(ew.isnan(x) | ew.isinf(x))


def isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Variable:
    """Where |a - b| <= atol + rtol |b|; equal infinities are close, and with `equal_nan` nan is to nan."""
    a, b = as_variable(a), as_variable(b)
    near = ew.le(ew.abs(a - b), atol + rtol * ew.abs(b)) & isfinite(a) & isfinite(b)
    close = near | ew.eq(a, b)
    return close | (ew.isnan(a) & ew.isnan(b)) if equal_nan else close


def allclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Variable:
    """Whether all elements are close, as `isclose` says."""
    return reduce.all(isclose(a, b, rtol, atol, equal_nan))


def logit(p: Any) -> Variable:
    """log(p / (1 - p)): the inverse of `sigmoid`."""
    return ew.log(p) - ew.log1p(-as_variable(p))


# ------------------------------------------------------------------------------------ making arrays


def zeros_like(model: Any, dtype: str | None = None) -> Variable:
    """Zeros of the shape (and dtype) of `model`."""
    return ew.zeros_like(as_variable(model), dtype)


def ones_like(model: Any, dtype: str | None = None) -> Variable:
    """Ones of the shape (and dtype) of `model`."""
    return ew.ones_like(as_variable(model), dtype)


def full_like(model: Any, value: Any, dtype: str | None = None) -> Variable:
    """`value` in the shape (and dtype) of `model`."""
    model = as_variable(model)
    return ew.fill(model, ew.cast(value, dtype or model.dtype))


def to_one_hot(y: Any, nb_class: Any, dtype: str | None = None) -> Variable:
    """Rows with a 1 at the place that `y` (a vector of integers) says: (n,) to (n, nb_class)."""
    y = as_variable(y)
    if y.ndim != 1 or y.dtype not in INTEGERS:
        raise TypeError(f"to_one_hot takes a vector of integers, got {describe([y.type])}")
    places = shape.dimshuffle(shape.arange(nb_class), "x", 0)
    return ew.cast(ew.eq(shape.dimshuffle(y, 0, "x"), places), dtype or config.floatX)


# ------------------------------------------------------------------------------------ parts and axes


def shape_padaxis(x: Any, axis: int) -> Variable:
    """A new axis of length 1 at this place of the result."""
    return shape.expand_dims(x, axis)


def addbroadcast(x: Any, *axes: int) -> Variable:
    """`x`, these axes of which are said to have length 1 (checked at the call)."""
    x = as_variable(x)
    return shape.specify_shape(x, [1 if a in axes else None for a in range(x.ndim)])


def ptp(x: Any, axis: Axis = None) -> Variable:
    """The range along an axis: the largest less the smallest."""
    return reduce.max(x, axis) - reduce.min(x, axis)


def repeat(x: Any, repeats: int, axis: int | None = None) -> Variable:
    """Each element along an axis `repeats` times in a row; of the flattened array without `axis`."""
    x = as_variable(x)
    if axis is None:
        x, axis = shape.flatten(x), 0
    (place,) = normalized_axes("repeat", axis, x.ndim)
    wide = shape.expand_dims(x, place + 1)
    lengths = [shape.length(x, a) for a in range(x.ndim)]
    stretched = shape.broadcast_to(wide, [*lengths[: place + 1], repeats, *lengths[place + 1 :]])
    return shape.reshape(stretched, [*lengths[:place], lengths[place] * repeats, *lengths[place + 1 :]])


def tile(x: Any, reps: Any) -> Variable:
    """The whole array laid side by side, `reps` times along each axis (the last ones, if there are fewer).

    `reps` is a number or a list of them, each of which may be symbolic, or an integer vector of known length.

    >>> tile(np.array([1.0, 2.0]), 2).eval()
    array([1., 2., 1., 2.])
    """
    x = as_variable(x)
    if isinstance(reps, int | np.integer):
        reps = [int(reps)]
    elif isinstance(reps, Variable):
        reps = [reps] if reps.ndim == 0 else shape.as_lengths(reps, "tile")
    counts = list(reps)
    rank = max(x.ndim, len(counts))
    counts = [1] * (rank - len(counts)) + counts
    x = shape.shape_padleft(x, rank - x.ndim)
    for axis, count in enumerate(counts):
        if isinstance(count, Variable):
            lengths: list[Any] = [shape.length(x, a) for a in range(rank)]
            wide = shape.broadcast_to(shape.expand_dims(x, axis), [*lengths[:axis], count, *lengths[axis:]])
            lengths[axis] = count * lengths[axis]
            x = shape.reshape(wide, lengths)
        elif count != 1:
            x = shape.join(axis, *[x] * count) if count > 0 else x[(slice(None),) * axis + (slice(0, 0),)]
    return x


def roll(x: Any, shift: int, axis: int | None = None) -> Variable:
    """Elements moved along an axis, those that fall off coming back in front; flattened without `axis`."""
    x = as_variable(x)
    if axis is None:
        flat = roll(shape.flatten(x), shift, 0)
        return shape.reshape(flat, [shape.length(x, a) for a in range(x.ndim)])
    (place,) = normalized_axes("roll", axis, x.ndim)
    n = shape.length(x, place)
    moved = shape.arange(n) - shift
    return x[(slice(None),) * place + (ew.mod(moved, n),)]


def split(x: Any, splits_size: Any, n_splits: int | None = None, axis: int = 0) -> list[Variable]:
    """Consecutive parts of these lengths along an axis.

    `splits_size` is a list of numbers, some of which may be symbolic, or an integer vector of `n_splits` of them. They
    add up to the length of the axis: ValueError, at the call where that is not known before.

    >>> [part.eval() for part in split(np.array([1.0, 2.0, 3.0]), [1, 2])]
    [array([1.]), array([2., 3.])]
    """
    x = as_variable(x)
    if isinstance(splits_size, Variable) and splits_size.ndim == 1:
        parts = splits_size.type.shape[0] if n_splits is None else n_splits
        if parts is None:
            raise ValueError(f"split: how many lengths {splits_size} holds is not known; give n_splits")
        sizes = [splits_size[i] for i in range(parts)]
    else:
        sizes = list(splits_size)
    if n_splits is not None and n_splits != len(sizes):
        raise ValueError(f"split: {len(sizes)} lengths were given for n_splits={n_splits}")
    (place,) = normalized_axes("split", axis, x.ndim)
    known = x.type.shape[place]
    if any(isinstance(n, Variable) for n in sizes) or known is None:
        n = shape.length(x, place)
        bounds: list[Any] = [np.int64(0)]
        for size in sizes:
            bounds.append(bounds[-1] + size)
        fits = ew.eq(as_variable(bounds[-1]), n)
        for size in sizes:
            if isinstance(size, Variable):
                fits = fits & ew.ge(size, 0)
        if isinstance(splits_size, Variable):
            fits = fits & ew.eq(shape.length(splits_size, 0), len(sizes))
        x = CheckAndRaise(ValueError, f"split: the lengths do not add up to that of axis {axis}")(x, fits)
        cuts = [(slice(None),) * place + (slice(a, b),) for a, b in itertools.pairwise(bounds)]
        return [x[cut] for cut in cuts]
    if known != sum(sizes):
        raise ValueError(f"split: the lengths {sizes} add up to {sum(sizes)}, axis {axis} has length {known}")
    starts = np.concatenate([[0], np.cumsum(sizes)]).tolist()
    before = (slice(None),) * place
    return [x[(*before, slice(a, b))] for a, b in itertools.pairwise(starts)]


def stacklists(nested: Any) -> Variable:
    """Lists of lists of variables of one shape as one array, a leading axis for each level."""
    if isinstance(nested, list | tuple):
        return shape.stack([stacklists(item) for item in nested])
    return as_variable(nested)


def horizontal_stack(*matrices: Any) -> Variable:
    """Matrices side by side."""
    return shape.join(1, *matrices)


def vertical_stack(*matrices: Any) -> Variable:
    """Matrices one below the other."""
    return shape.join(0, *matrices)


# ------------------------------------------------------------------------------------ neural networks


def softmax(x: Any, axis: Axis = None) -> Variable:
    """exp(x) over its sum along `axis`; without one along the last axis, as Theano's softmax of a matrix.

    The largest element is taken off first, so that nothing overflows.
    """
    x = as_variable(x)
    axis = -1 if axis is None else axis
    # A shift changes nothing, so no gradient need flow through the one that is chosen.
    e = ew.exp(x - zero_grad(reduce.max(x, axis, keepdims=True)))
    return e / reduce.sum(e, axis, keepdims=True)


def log_softmax(x: Any, axis: Axis = None) -> Variable:
    """The logarithm of `softmax`, exact where that is too small to be a number, and where it is nearly 1."""
    x = as_variable(x)
    axis = -1 if axis is None else axis
    shifted = x - zero_grad(reduce.max(x, axis, keepdims=True))
    # The sum of exponentials less the 1 that the largest contributes: expm1 is 0 there, with the same slope.
    largest = ew.eq(shifted, 0)
    others = reduce.sum(ew.switch(largest, ew.expm1(shifted), ew.exp(shifted)), axis, keepdims=True)
    ties = ew.cast(reduce.sum(largest, axis, keepdims=True) - 1, shifted.dtype)
    return shifted - ew.log1p(others + ties)


def relu(x: Any, alpha: Any = 0) -> Variable:
    """`x` where it is positive, `alpha` times it elsewhere."""
    x = as_variable(x)
    return ew.maximum(x, 0) if isinstance(alpha, int) and alpha == 0 else ew.switch(x > 0, x, alpha * x)


def elu(x: Any, alpha: Any = 1) -> Variable:
    """`x` where it is positive, alpha (exp(x) - 1) elsewhere."""
    x = as_variable(x)
    return ew.switch(x > 0, x, alpha * ew.expm1(ew.minimum(x, 0)))


def softsign(x: Any) -> Variable:
    """x / (1 + |x|)"""
    x = as_variable(x)
    return x / (1 + ew.abs(x))


def hard_sigmoid(x: Any) -> Variable:
    """A sigmoid of three straight lines: 0.2 x + 0.5, clipped to [0, 1]."""
    return ew.clip(as_variable(x) * 0.2 + 0.5, 0.0, 1.0)


def binary_crossentropy(output: Any, target: Any) -> Variable:
    """-(target log(output) + (1 - target) log(1 - output)), elementwise."""
    output, target = as_variable(output), as_variable(target)
    return -(target * ew.log(output) + (1 - target) * ew.log1p(-output))


def sigmoid_binary_crossentropy(output: Any, target: Any) -> Variable:
    """`binary_crossentropy` of sigmoid(output), without overflow."""
    output, target = as_variable(output), as_variable(target)
    return ew.softplus(output) - target * output


def categorical_crossentropy(coding_dist: Any, true_dist: Any) -> Variable:
    """Minus the log probability of the true class, for each row of `coding_dist` (n, k).

    `true_dist` holds classes (integers, (n,)) or distributions over them (n, k).
    """
    q, p = as_variable(coding_dist), as_variable(true_dist)
    if p.ndim == q.ndim:
        return -reduce.sum(p * ew.log(q), q.ndim - 1)
    if q.ndim != 2 or p.ndim != 1 or p.dtype not in INTEGERS:
        raise TypeError(
            f"categorical_crossentropy takes (n, k) and (n, k), or (n, k) and n integers, got {describe([q.type, p.type])}"
        )
    return -ew.log(q[shape.arange(shape.length(q, 0)), p])
