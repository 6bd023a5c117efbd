"""Statistics of what is sorted, medians and quantiles; and covariances."""

from __future__ import annotations

from typing import Any

import numpy as np

from probgraph.engine.graph import Constant, Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import linalg, reduce, shape
from probgraph.engine.ops.index import get_item
from probgraph.engine.ops.reduce import Axis, normalized_axes
from probgraph.engine.ops.sorting import sort
from probgraph.engine.types import COMPLEX, describe, to_float

_METHODS = ("linear", "lower", "higher", "nearest", "midpoint")


def quantile(x: Any, q: Any, axis: Axis = None, method: str = "linear", keepdims: bool = False) -> Variable:
    """The values below which a share `q` (in [0, 1]; a number or a vector) of the elements along `axis` lies.

    Between two elements it is by `method` "linear", "lower", "higher", "nearest" or "midpoint". An axis for a vector
    `q` comes first. nan if there is a nan; of nothing an IndexError.

    >>> quantile(np.array([1.0, 2.0, 4.0]), 0.75).eval()
    array(3.)
    """
    if method not in _METHODS:
        raise ValueError(f"quantile: method is one of {', '.join(_METHODS)}, got {method!r}")
    x, q = as_variable(x), as_variable(q)
    if x.dtype in COMPLEX or q.ndim > 1:
        raise TypeError(
            f"quantile takes real numbers and a number or vector q, got {describe([x.type, q.type])}"
        )
    if isinstance(q, Constant) and q.data.size and not (q.data.min() >= 0 and q.data.max() <= 1):
        raise ValueError(f"quantile: q lies in [0, 1], got {q.data}")
    axes = normalized_axes("quantile", axis, x.ndim)
    x = ew.cast(x, to_float(x.dtype))
    kept = [a for a in range(x.ndim) if a not in axes]
    count: Any = 1
    for a in axes:
        count = count * shape.length(x, a)
    rows = shape.reshape(shape.dimshuffle(x, (*kept, *axes)), [*(shape.length(x, a) for a in kept), count])
    ordered = sort(rows)
    at = ew.cast(q, x.dtype) * (count - 1 if isinstance(count, int) else ew.cast(count - 1, x.dtype))
    found = _between(ordered, at, method)
    found = ew.switch(ew.isnan(shape.shape_padright(ordered[..., -1])), ew.cast(np.nan, x.dtype), found)
    found = shape.moveaxis(found, -1, 0)
    if q.ndim == 0:
        return reduce.restored(found[0], x, axes) if keepdims else found[0]
    if keepdims:
        left = iter(range(1, found.ndim))
        return shape.dimshuffle(found, (0, *("x" if a in axes else next(left) for a in range(x.ndim))))
    return found


def _between(ordered: Variable, at: Variable, method: str) -> Variable:
    """Elements along the last axis at places that need not be whole; a last axis for the places."""
    at = shape.shape_padright(at, 1 - at.ndim)
    if method == "nearest":
        at = ew.round_half_to_even(at)
    low, high = (ew.cast(f(at), "int64") for f in (ew.floor, ew.ceil))
    if method in ("lower", "nearest"):
        return get_item(ordered, (Ellipsis, low))
    above = get_item(ordered, (Ellipsis, high))
    if method == "higher":
        return above
    below = get_item(ordered, (Ellipsis, low))
    part = at - ew.cast(low, at.dtype)
    if method == "midpoint":
        part = ew.switch(part > 0, ew.cast(0.5, at.dtype), ew.zeros_like(part))
    # Equal ends may be infinite; and from the nearer end less is lost.
    step = ew.switch(ew.eq(below, above), ew.zeros_like(below), above - below)
    return ew.switch(part < 0.5, below + step * part, above - step * (1 - part))


def percentile(x: Any, q: Any, axis: Axis = None, method: str = "linear", keepdims: bool = False) -> Variable:
    """`quantile` for `q` in percent."""
    if not isinstance(q, Variable):
        q = np.asarray(q, "float64")
    return quantile(x, q / 100.0, axis, method, keepdims)


def median(x: Any, axis: Axis = None, keepdims: bool = False) -> Variable:
    """The middle element along `axis`, or the mean of the two in the middle; nan if there is a nan.

    >>> median(np.array([3.0, 1.0, 2.0])).eval()
    array(2.)
    """
    return quantile(x, 0.5, axis, keepdims=keepdims)


def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
) -> Variable:
    """The covariances of variables, one a row of `m` (with rowvar=False a column), and of those in `y`.

    They are sums over n - 1 (with `bias` over n, with `ddof` over n - ddof); `fweights` says how often each
    observation was made, `aweights` how much it weighs.
    """
    x = _variables(m, rowvar)
    if y is not None:
        x = shape.join(0, x, _variables(y, rowvar))
    ddof = (0 if bias else 1) if ddof is None else ddof
    weights = None
    for given in (fweights, aweights):
        if given is not None:
            given = ew.cast(given, x.dtype)
            weights = given if weights is None else weights * given
    if weights is None:
        total: Any = ew.cast(shape.length(x, 1), x.dtype)
        mean = reduce.mean(x, 1, keepdims=True)
        factor = total - ddof
    else:
        total = reduce.sum(weights)
        mean = reduce.sum(x * weights, 1, keepdims=True) / total
        more = reduce.sum(weights * ew.cast(aweights, x.dtype)) / total if aweights is not None else 1
        factor = total - ddof * more
    deviation = x - mean
    weighed = deviation if weights is None else deviation * weights
    result = linalg.dot(weighed, shape.transpose(deviation)) / factor
    one = result.type.shape == (1, 1)
    return result[0, 0] if one else result


def _variables(m: Any, rowvar: bool) -> Variable:
    m = as_variable(m)
    if m.ndim > 2 or m.ndim == 0 or m.dtype in COMPLEX:
        raise ValueError(f"cov takes real vectors and matrices, got {describe([m.type])}")
    m = ew.cast(m, to_float(m.dtype))
    if m.ndim == 1:
        return shape.dimshuffle(m, "x", 0)
    return m if rowvar or m.type.shape[0] == 1 else shape.transpose(m)
