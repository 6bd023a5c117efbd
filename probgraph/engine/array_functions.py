"""More functions of NumPy and SciPy made of a few operations: odds and ends of arrays, interpolation, structured
matrices and linear matrix equations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from probgraph.engine.config import config
from probgraph.engine.graph import Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import shape
from probgraph.engine.ops.linalg import eye, matrix_transpose, solve
from probgraph.engine.ops.masks import nonzero
from probgraph.engine.ops.sorting import searchsorted
from probgraph.engine.types import COMPLEX, FLOATS, describe, promote, to_float

# ------------------------------------------------------------------------------------ elementwise


def isposinf(x: Any) -> Variable:
    """Where `x` is +inf."""
    return ew.isinf(x) & ew.gt(x, 0)


def isneginf(x: Any) -> Variable:
    """Where `x` is -inf."""
    return ew.isinf(x) & ew.lt(x, 0)


def nan_to_num(x: Any, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Variable:
    """`x` with nan and the infinities replaced; the latter by the largest and least finite number, unless given.

    >>> nan_to_num(np.array([np.nan, 1.0])).eval()
    array([0., 1.])
    """
    x = as_variable(x)
    if x.dtype in COMPLEX:
        raise TypeError(
            "nan_to_num is not defined for complex numbers here: do real(z) and imag(z) one by one"
        )
    if x.dtype not in FLOATS:
        return x
    bounds = np.finfo(x.dtype)
    posinf, neginf = (bounds.max if posinf is None else posinf), (bounds.min if neginf is None else neginf)
    finite = ew.switch(
        isposinf(x), ew.cast(posinf, x.dtype), ew.switch(isneginf(x), ew.cast(neginf, x.dtype), x)
    )
    return ew.switch(ew.isnan(x), ew.cast(nan, x.dtype), finite)


def complex_from_polar(abs: Any, angle: Any) -> Variable:
    """The complex number of this magnitude in this direction (radians).

    >>> complex_from_polar(2.0, 0.0).eval()
    array(2.+0.j)
    """
    radius, angle = as_variable(abs), as_variable(angle)
    return ew.complex(radius * ew.cos(angle), radius * ew.sin(angle))


# ------------------------------------------------------------------------------------ making arrays


def empty(shape_: Any, dtype: str | None = None) -> Variable:
    """An array for values to come: zeros here, so that nothing undefined is ever read."""
    return shape.zeros(shape_, dtype)


def empty_like(model: Any, dtype: str | None = None) -> Variable:
    """`empty` in the shape (and dtype) of `model`."""
    return ew.zeros_like(as_variable(model), dtype)


def tril_indices(n: Any, k: int = 0, m: Any = None) -> list[Variable]:
    """Rows and columns of the elements of an (n, m) matrix on and below the k-th diagonal.

    >>> [i.eval() for i in tril_indices(2)]
    [array([0, 1, 1]), array([0, 0, 1])]
    """
    rows, columns = shape.arange(n), shape.arange(n if m is None else m)
    return list(nonzero(ew.le(shape.dimshuffle(columns, "x", 0), shape.dimshuffle(rows, 0, "x") + k)))


def triu_indices(n: Any, k: int = 0, m: Any = None) -> list[Variable]:
    """Rows and columns of the elements of an (n, m) matrix on and above the k-th diagonal."""
    rows, columns = shape.arange(n), shape.arange(n if m is None else m)
    return list(nonzero(ew.ge(shape.dimshuffle(columns, "x", 0), shape.dimshuffle(rows, 0, "x") + k)))


def tril_indices_from(a: Any, k: int = 0) -> list[Variable]:
    """`tril_indices` of the shape of a matrix."""
    a = _matrix("tril_indices_from", a)
    return tril_indices(shape.length(a, 0), k, shape.length(a, 1))


def triu_indices_from(a: Any, k: int = 0) -> list[Variable]:
    """`triu_indices` of the shape of a matrix."""
    a = _matrix("triu_indices_from", a)
    return triu_indices(shape.length(a, 0), k, shape.length(a, 1))


def _matrix(who: str, a: Any) -> Variable:
    a = as_variable(a)
    if a.ndim != 2:
        raise ValueError(f"{who} takes a matrix, got {describe([a.type])}")
    return a


def bartlett(M: Any) -> Variable:
    """The Bartlett window, a triangle of `M` points from 0 to 0.

    >>> bartlett(5).eval()
    array([0. , 0.5, 1. , 0.5, 0. ])
    """
    n = as_variable(M)
    places = ew.cast(shape.arange(n), config.floatX)
    last = ew.cast(ew.maximum(n - 1, 1), config.floatX)
    rising = 1 - ew.abs(2 * places / last - 1)
    return ew.switch(ew.le(n, 1), ew.ones_like(rising), rising)


def flip(x: Any, axis: int | Sequence[int] | None = None) -> Variable:
    """The elements along one, some or (without `axis`) all axes in reverse."""
    x = as_variable(x)
    axes = range(x.ndim) if axis is None else [axis] if isinstance(axis, int) else axis
    if not all(-x.ndim <= a < x.ndim for a in axes):
        raise ValueError(f"flip: axes {tuple(axes)} do not all exist, {x} has {x.ndim} dimensions")
    turned = {a % x.ndim for a in axes}
    return x[tuple(slice(None, None, -1) if a in turned else slice(None) for a in range(x.ndim))]


def hstack(parts: Sequence[Any]) -> Variable:
    """Arrays side by side: along the second axis, vectors along their only one."""
    variables = [_at_least(as_variable(p), 1) for p in parts]
    return shape.join(0 if variables and variables[0].ndim == 1 else 1, *variables)


def vstack(parts: Sequence[Any]) -> Variable:
    """Arrays one below the other; a vector is a row."""
    return shape.join(0, *[_at_least(as_variable(p), 2) for p in parts])


def _at_least(x: Variable, rank: int) -> Variable:
    return shape.shape_padleft(x, rank - x.ndim) if x.ndim < rank else x


def fill_diagonal_offset(a: Any, val: Any, offset: Any) -> Variable:
    """A matrix whose `offset`-th diagonal is overwritten by a number; `offset` may be symbolic.

    >>> fill_diagonal_offset(np.zeros((2, 2)), 5.0, 1).eval()
    array([[0., 5.],
           [0., 0.]])
    """
    a = _matrix("fill_diagonal_offset", a)
    rows, columns = shape.arange(shape.length(a, 0)), shape.arange(shape.length(a, 1))
    on = ew.eq(shape.dimshuffle(columns, "x", 0), shape.dimshuffle(rows, 0, "x") + offset)
    return ew.switch(on, ew.cast(val, a.dtype), a)


# ------------------------------------------------------------------------------------ axes


def unbroadcast(x: Any, *axes: int) -> Variable:
    """`x` itself: what is known of lengths is only ever used for better code. Checks that the axes exist."""
    x = as_variable(x)
    if not all(-x.ndim <= a < x.ndim for a in axes):
        raise ValueError(f"unbroadcast: axes {axes} do not all exist, {x} has {x.ndim} dimensions")
    return x


def patternbroadcast(x: Any, broadcastable: Sequence[bool]) -> Variable:
    """`x`, the axes marked True of which are said to have length 1 (checked at the call)."""
    x = as_variable(x)
    if len(broadcastable) != x.ndim:
        raise ValueError(f"patternbroadcast: {len(broadcastable)} marks for {x.ndim} dimensions")
    return shape.specify_shape(x, [1 if one else None for one in broadcastable])


def join_dims(x: Any, start_axis: int = 0, n_axes: int | None = None) -> Variable:
    """`n_axes` neighbouring axes from `start_axis` on (all that follow, if not given) run together into one.

    >>> join_dims(np.zeros((2, 3, 4)), 1).eval().shape
    (2, 12)
    """
    x = as_variable(x)
    start = start_axis + x.ndim if start_axis < 0 else start_axis
    n_axes = x.ndim - start if n_axes is None else n_axes
    if not 0 <= start <= x.ndim or n_axes < 0 or start + n_axes > x.ndim:
        raise ValueError(f"join_dims: {n_axes} axes from {start_axis} on, but {x} has {x.ndim} dimensions")
    lengths = [shape.length(x, a) for a in range(x.ndim)]
    joined: Any = 1
    for n in lengths[start : start + n_axes]:
        joined = joined * n
    return shape.reshape(x, [*lengths[:start], joined, *lengths[start + n_axes :]])


def split_dims(x: Any, shape_: Any, axis: int = 0) -> Variable:
    """One axis as several of these lengths, whose product is its own: undoes `join_dims`."""
    x = as_variable(x)
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"split_dims: axis {axis} does not exist, {x} has {x.ndim} dimensions")
    place = axis % x.ndim
    lengths = [shape.length(x, a) for a in range(x.ndim)]
    inner = shape.as_lengths(shape_, "split_dims")
    return shape.reshape(x, [*lengths[:place], *inner, *lengths[place + 1 :]])


def pack(*xs: Any) -> tuple[Variable, list[Variable]]:
    """All elements of some arrays in one vector, and the shapes to `unpack` it by."""
    variables = [as_variable(x) for x in xs]
    if not variables:
        raise ValueError("pack: nothing to pack")
    return shape.join(0, *[shape.flatten(x) for x in variables]), [shape.shape(x) for x in variables]


def unpack(packed: Any, shapes: Sequence[Any]) -> list[Variable]:
    """The arrays of these shapes that `pack` put into a vector."""
    packed = as_variable(packed)
    if packed.ndim != 1:
        raise ValueError(f"unpack takes a vector, got {describe([packed.type])}")
    result, start = [], as_variable(np.int64(0))
    for one in shapes:
        lengths = shape.as_lengths(one, "unpack")
        stop = start
        size = math.prod(lengths) if all(isinstance(n, int) for n in lengths) else None
        if size is None:
            size = as_variable(np.int64(1))
            for n in lengths:
                size = size * n
        stop = start + size
        result.append(shape.reshape(packed[start:stop], lengths))
        start = stop
    return result


# ------------------------------------------------------------------------------------ interpolation


def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None) -> Variable:
    """The values at `x` of straight lines through the points (xp, fp), `xp` ascending; fp's ends beyond them.

    `left` and `right` replace these ends. Differentiable in x, xp and fp. IndexError at the call without points.

    >>> interp([0.5, 9.0], [0.0, 1.0], [0.0, 10.0]).eval()
    array([ 5., 10.])
    """
    x, xp, fp = as_variable(x), as_variable(xp), as_variable(fp)
    if xp.ndim != 1 or fp.ndim != 1:
        raise ValueError(f"interp: xp and fp are vectors, got {describe([xp.type, fp.type])}")
    kind = to_float(promote(promote(x.dtype, xp.dtype), fp.dtype))
    if kind in COMPLEX:
        raise TypeError("interp takes real numbers: interpolate real(z) and imag(z) one by one")
    x, xp, fp = (ew.cast(v, kind) for v in (x, xp, fp))
    last = shape.length(xp, 0) - 1
    flat = shape.flatten(x)
    below = ew.clip(searchsorted(xp, flat, side="right") - 1, 0, ew.maximum(last - 1, 0))
    above = ew.minimum(below + 1, last)
    x0, x1, f0, f1 = xp[below], xp[above], fp[below], fp[above]
    width = ew.switch(ew.eq(x1, x0), ew.ones_like(x0), x1 - x0)
    inside = f0 + (f1 - f0) * ((flat - x0) / width)
    low = fp[0] if left is None else ew.cast(left, kind)
    high = fp[-1] if right is None else ew.cast(right, kind)
    value = ew.switch(ew.lt(flat, xp[0]), low, ew.switch(ew.gt(flat, xp[-1]), high, inside))
    value = ew.switch(ew.eq(flat, xp[-1]), fp[-1], value)
    return shape.reshape(value, [shape.length(x, a) for a in range(x.ndim)])


# ------------------------------------------------------------------------------------ matrices


def toeplitz(c: Any, r: Any = None) -> Variable:
    """The matrix with first column `c` and first row `r` (its first element is not read) whose diagonals are constant.

    Without `r` it is symmetric (Hermitian). Vectors may be batched: (..., n) and (..., m) give (..., n, m).

    >>> toeplitz([1.0, 2.0]).eval()
    array([[1., 2.],
           [2., 1.]])
    """
    c = as_variable(c)
    r = ew.conj(c) if r is None else as_variable(r)
    if c.ndim < 1 or c.ndim != r.ndim:
        raise ValueError(
            f"toeplitz takes vectors (or batches alike of them), got {describe([c.type, r.type])}"
        )
    n, m = shape.length(c, c.ndim - 1), shape.length(r, r.ndim - 1)
    values = shape.join(c.ndim - 1, c[..., ::-1], r[..., 1:])
    rows, columns = shape.arange(n), shape.arange(m)
    return values[..., n - 1 - shape.dimshuffle(rows, 0, "x") + shape.dimshuffle(columns, "x", 0)]


def _kronecker(a: Variable, b: Variable) -> Variable:
    """The Kronecker product of the last two axes."""
    n, m = shape.length(a, a.ndim - 1), shape.length(b, b.ndim - 1)
    wide = a[..., :, None, :, None] * b[..., None, :, None, :]
    lead = [shape.length(wide, i) for i in range(wide.ndim - 4)]
    return shape.reshape(wide, [*lead, n * m, n * m])


def _matrices(who: str, *given: Any) -> list[Variable]:
    variables = [as_variable(v) for v in given]
    kind = variables[0].dtype
    for v in variables[1:]:
        kind = promote(kind, v.dtype)
    if any(v.ndim < 2 for v in variables) or kind in COMPLEX:
        raise ValueError(f"{who} takes real matrices, got {describe([v.type for v in variables])}")
    return [ew.cast(v, to_float(kind)) for v in variables]


def solve_sylvester(A: Any, B: Any, Q: Any) -> Variable:
    """X with A X + X B = Q, for matrices (..., n, n), (..., m, m) and (..., n, m).

    Solved as one linear system of n m unknowns: meant for small matrices. LinAlgError at the call if A and -B share an
    eigenvalue.

    >>> solve_sylvester([[1.0]], [[3.0]], [[8.0]]).eval()
    array([[2.]])
    """
    a, b, q = _matrices("solve_sylvester", A, B, Q)
    n, m = shape.length(a, a.ndim - 1), shape.length(b, b.ndim - 1)
    system = _kronecker(a, eye(m, dtype=b.dtype)) + _kronecker(eye(n, dtype=a.dtype), matrix_transpose(b))
    return _unfolded(system, q)


def solve_continuous_lyapunov(A: Any, Q: Any) -> Variable:
    """X with A X + X Aᵀ = Q, for matrices (..., n, n); see `solve_sylvester`."""
    a, q = _matrices("solve_continuous_lyapunov", A, Q)
    return solve_sylvester(a, matrix_transpose(a), q)


def solve_discrete_lyapunov(A: Any, Q: Any) -> Variable:
    """X with A X Aᵀ - X + Q = 0, for matrices (..., n, n): the covariance of a stationary x' = A x + noise(Q).

    Solved as one linear system of n² unknowns: meant for small matrices. LinAlgError at the call if it is singular.

    >>> solve_discrete_lyapunov([[0.5]], [[3.0]]).eval()
    array([[4.]])
    """
    a, q = _matrices("solve_discrete_lyapunov", A, Q)
    n = shape.length(a, a.ndim - 1)
    return _unfolded(eye(n * n, dtype=a.dtype) - _kronecker(a, a), q)


def _unfolded(system: Variable, q: Variable) -> Variable:
    """The matrix, row by row, whose image under `system` is `q`."""
    lengths = [shape.length(q, i) for i in range(q.ndim)]
    column = shape.reshape(q, [*lengths[:-2], lengths[-2] * lengths[-1], 1])
    x = solve(system, column)
    lead = [shape.length(x, i) for i in range(x.ndim - 2)]
    return shape.reshape(x, [*lead, *lengths[-2:]])
