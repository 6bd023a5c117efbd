"""Evenly spaced numbers, and grids of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from probgraph.engine.config import config
from probgraph.engine.graph import Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import shape
from probgraph.engine.types import INTEGERS, promote


def linspace(
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: str | None = None,
    axis: int = 0,
) -> Any:
    """`num` numbers from `start` to `stop` at equal distances, `stop` being the last unless endpoint=False.

    Arrays of starts and stops broadcast, and the numbers run along the new axis `axis`. With `retstep` also the
    distance.

    >>> linspace(0.0, 1.0, 3).eval()
    array([0. , 0.5, 1. ])
    """
    if isinstance(num, int) and num < 0:
        raise ValueError(f"linspace: num is not negative, got {num}")
    start, stop = as_variable(start), as_variable(stop)
    kind = _real_dtype(start, stop)
    start, stop = ew.cast(start, kind), ew.cast(stop, kind)
    intervals = num - 1 if endpoint else num
    divisor = ew.cast(ew.maximum(intervals, 1), kind)
    step = (stop - start) / divisor
    places = shape.shape_padright(shape.arange(num), step.ndim)
    result = ew.cast(places, kind) * shape.shape_padleft(step) + shape.shape_padleft(start)
    if endpoint:  # the last one as it was given
        last = ew.eq(places, intervals) & ew.gt(as_variable(intervals), 0)
        result = ew.switch(last, shape.shape_padleft(stop), result)
    if dtype is not None:
        whole = np.dtype(dtype).kind in "iu"
        result = ew.cast(ew.floor(result) if whole else result, dtype)
    if axis not in (0, -result.ndim):
        result = shape.moveaxis(result, 0, axis)
    return (result, step) if retstep else result


def _real_dtype(*ends: Variable) -> str:
    """As precise as the ends of a grid; floatX between whole numbers, as their quotients are."""
    common = promote(*(v.dtype for v in ends))
    return config.floatX if common == "bool" or common in INTEGERS else common


def logspace(
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: str | None = None,
    axis: int = 0,
) -> Variable:
    """`base` to the powers `linspace(start, stop, num)`."""
    powers = linspace(start, stop, num, endpoint, axis=axis)
    result = ew.pow(ew.cast(base, powers.dtype), powers)
    return result if dtype is None else ew.cast(result, dtype)


def geomspace(
    start: Any, stop: Any, num: Any = 50, endpoint: bool = True, dtype: str | None = None, axis: int = 0
) -> Variable:
    """`num` numbers from `start` to `stop`, each the same multiple of the one before; both of one sign, not 0."""
    start, stop = as_variable(start), as_variable(stop)
    kind = _real_dtype(start, stop)
    start, stop = ew.cast(start, kind), ew.cast(stop, kind)
    ratio = ew.log(stop / start)  # nan if the signs differ
    result = ew.exp(linspace(ew.zeros_like(ratio), ratio, num, endpoint)) * shape.shape_padleft(start)
    if endpoint:
        places = shape.shape_padright(shape.arange(num), ratio.ndim)
        last = ew.eq(places, num - 1) & ew.gt(as_variable(num), 1)
        result = ew.switch(last, shape.shape_padleft(stop), result)
    if axis not in (0, -result.ndim):
        result = shape.moveaxis(result, 0, axis)
    return result if dtype is None else ew.cast(result, dtype)


def meshgrid(*xs: Any, indexing: str = "xy", sparse: bool = False) -> list[Variable]:
    """Coordinates of a grid from vectors of them: one array a vector; with "xy" the first two axes exchanged.

    With `sparse` the arrays are not stretched: they broadcast to the grid.
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing is 'xy' or 'ij', got {indexing!r}")
    vectors = [shape.flatten(as_variable(x)) if as_variable(x).ndim != 1 else as_variable(x) for x in xs]
    rank = len(vectors)
    axes = list(range(rank))
    if indexing == "xy" and rank > 1:
        axes[:2] = [1, 0]
    wide = [
        shape.dimshuffle(v, tuple(0 if a == place else "x" for a in range(rank)))
        for v, place in zip(vectors, axes, strict=True)
    ]
    if sparse:
        return wide
    by_axis = {place: v for v, place in zip(vectors, axes, strict=True)}
    lengths = [shape.length(by_axis[a], 0) for a in range(rank)]
    return [shape.broadcast_to(w, lengths) for w in wide]


class _Grid:
    """Coordinates by slices: `mgrid[0:3, 0:2]`, stretched, or `ogrid[0:3, 0:2]`, ready to broadcast.

    A step of an imaginary number, 5j, is a number of points, the last one among them.
    """

    def __init__(self, sparse: bool) -> None:
        self._sparse = sparse

    def __getitem__(self, key: Any) -> Any:
        slices = key if isinstance(key, tuple) else (key,)
        if not all(isinstance(s, slice) and s.stop is not None for s in slices):
            raise TypeError(f"{'ogrid' if self._sparse else 'mgrid'} takes slices with an end, got {key!r}")
        vectors = [_of_slice(s) for s in slices]
        if not isinstance(key, tuple):
            return vectors[0]
        arrays = meshgrid(*vectors, indexing="ij", sparse=self._sparse)
        return arrays if self._sparse else shape.stack(arrays)


def _of_slice(s: slice) -> Variable:
    start = 0 if s.start is None else s.start
    if isinstance(s.step, complex):
        return linspace(start, s.stop, int(abs(s.step)))
    return shape.arange(start, s.stop, 1 if s.step is None else s.step)


mgrid = _Grid(False)
ogrid = _Grid(True)
