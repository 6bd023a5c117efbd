"""Convolutions and pooling over windows of any number of axes, under Theano's names.

All of them read windows of their input, gathered by index arithmetic: a convolution is the product of the windows
with the filters, pooling a reduction of them. Gradients, also second ones, follow from that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from probgraph.engine.arrangements import pad
from probgraph.engine.assertions import CheckAndRaise
from probgraph.engine.derivatives import Lop
from probgraph.engine.graph import Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import reduce, shape
from probgraph.engine.ops.einsum import einsum
from probgraph.engine.ops.index import get_item
from probgraph.engine.types import FLOATS, describe

_SPACE, _OFFSETS = "xyz", "uvw"


def conv2d(
    input: Any,
    filters: Any,
    input_shape: Sequence[int | None] | None = None,
    filter_shape: Sequence[int | None] | None = None,
    border_mode: Any = "valid",
    subsample: int | Sequence[int] = (1, 1),
    filter_flip: bool = True,
    image_shape: Sequence[int | None] | None = None,
    filter_dilation: int | Sequence[int] = (1, 1),
) -> Variable:
    """Convolution of images with filters, as Theano's `nnet.conv2d`.

    Parameters
    ----------
    input
        (batch, channels, rows, columns).
    filters
        (filters, channels, rows, columns).
    input_shape, filter_shape
        What is known of the two shapes (None: unknown): checked at the call, and used where it is of use.
    border_mode
        "valid": windows inside of the input; "full": all that overlap it; "half": as many as there are
        elements, for filters of odd lengths; a number, or one for each axis, or a pair of numbers for each axis:
        zeros added around the input.
    subsample
        Steps between windows.
    filter_flip
        False correlates: the filter is not turned around.
    filter_dilation
        Steps between the elements of a filter.

    Returns
    -------
    Variable
        (batch, filters, rows, columns).
    """
    return _conv(
        "conv2d",
        2,
        input,
        filters,
        input_shape or image_shape,
        filter_shape,
        border_mode,
        subsample,
        filter_flip,
        filter_dilation,
    )


def conv3d(
    input: Any,
    filters: Any,
    input_shape: Sequence[int | None] | None = None,
    filter_shape: Sequence[int | None] | None = None,
    border_mode: Any = "valid",
    subsample: int | Sequence[int] = (1, 1, 1),
    filter_flip: bool = True,
    filter_dilation: int | Sequence[int] = (1, 1, 1),
) -> Variable:
    """`conv2d` with one axis more: (batch, channels, depth, rows, columns) by (filters, channels, depth, ...)."""
    return _conv(
        "conv3d",
        3,
        input,
        filters,
        input_shape,
        filter_shape,
        border_mode,
        subsample,
        filter_flip,
        filter_dilation,
    )


def conv2d_grad_wrt_inputs(
    output_grad: Any,
    filters: Any,
    input_shape: Sequence[Any],
    filter_shape: Sequence[int | None] | None = None,
    border_mode: Any = "valid",
    subsample: int | Sequence[int] = (1, 1),
    filter_flip: bool = True,
    filter_dilation: int | Sequence[int] = (1, 1),
) -> Variable:
    """The gradient of a cost by the input of `conv2d`, of shape `input_shape`, from that by its output."""
    filters = as_variable(filters)
    x = shape.full(list(input_shape), np.zeros((), filters.dtype))
    y = conv2d(x, filters, None, filter_shape, border_mode, subsample, filter_flip, None, filter_dilation)
    return Lop(y, x, as_variable(output_grad))


def conv2d_grad_wrt_weights(
    input: Any,
    output_grad: Any,
    filter_shape: Sequence[Any],
    input_shape: Sequence[int | None] | None = None,
    border_mode: Any = "valid",
    subsample: int | Sequence[int] = (1, 1),
    filter_flip: bool = True,
    filter_dilation: int | Sequence[int] = (1, 1),
) -> Variable:
    """The gradient of a cost by the filters of `conv2d`, of shape `filter_shape`, from that by its output."""
    input = as_variable(input)
    w = shape.full(list(filter_shape), np.zeros((), input.dtype))
    y = conv2d(input, w, input_shape, None, border_mode, subsample, filter_flip, None, filter_dilation)
    return Lop(y, w, as_variable(output_grad))


def conv2d_transpose(
    input: Any,
    filters: Any,
    output_shape: Sequence[Any],
    filter_shape: Sequence[int | None] | None = None,
    border_mode: Any = "valid",
    input_dilation: int | Sequence[int] = (1, 1),
    filter_flip: bool = True,
    filter_dilation: int | Sequence[int] = (1, 1),
) -> Variable:
    """The transpose of the convolution that leads from `output_shape` to the shape of `input`, applied to `input`."""
    return conv2d_grad_wrt_inputs(
        input, filters, output_shape, filter_shape, border_mode, input_dilation, filter_flip, filter_dilation
    )


def signal_conv2d(
    input: Any,
    filters: Any,
    image_shape: Sequence[int | None] | None = None,
    filter_shape: Sequence[int | None] | None = None,
    border_mode: str = "valid",
    subsample: int | Sequence[int] = (1, 1),
) -> Variable:
    """Every image by every filter: Theano's `signal.conv.conv2d`.

    A matrix each, or stacks: (images, rows, columns) by (filters, rows, columns) is (images, filters, rows,
    columns); the axis of what is one matrix is absent.
    """
    input, filters = as_variable(input), as_variable(filters)
    for who, v in (("input", input), ("filters", filters)):
        if v.ndim not in (2, 3):
            raise ValueError(f"signal.conv2d: {who} is a matrix or a stack of them, got {describe([v.type])}")
    for who, v, known in (("input", input, image_shape), ("filters", filters, filter_shape)):
        if known is not None and len(known) != v.ndim:
            raise ValueError(f"signal.conv2d: {who} has {v.ndim} axes, a shape of {len(known)} was given")
    images = shape.expand_dims(input, 1 if input.ndim == 3 else (0, 1))
    weights = shape.expand_dims(filters, 1 if filters.ndim == 3 else (0, 1))
    y = conv2d(images, weights, border_mode=border_mode, subsample=subsample)
    return get_item(y, tuple(slice(None) if v.ndim == 3 else 0 for v in (input, filters)))


def convolve1d(in1: Any, in2: Any, mode: str = "full") -> Variable:
    """The convolution of vectors, batches of them along the axes before: PyTensor's `signal.convolve1d`.

    `mode` is "full", "valid" (windows inside of in1) or "same" (the middle of "full", of in1's length).

    >>> convolve1d(np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0])).eval()
    array([1., 3., 5., 3.])
    """
    return _convolve("convolve1d", 1, in1, in2, mode)


def convolve2d(in1: Any, in2: Any, mode: str = "full") -> Variable:
    """The convolution of matrices, batches of them along the axes before; `mode` as in `convolve1d`."""
    return _convolve("convolve2d", 2, in1, in2, mode)


def _convolve(who: str, rank: int, in1: Any, in2: Any, mode: str) -> Variable:
    if mode not in ("full", "valid", "same"):
        raise ValueError(f"{who}: mode is 'full', 'valid' or 'same', got {mode!r}")
    x, w = as_variable(in1), as_variable(in2)
    if min(x.ndim, w.ndim) < rank:
        raise ValueError(f"{who}: at least {rank} axes are needed, got {describe([x.type, w.type])}")
    sizes = [shape.length(w, axis) for axis in range(-rank, 0)]
    around = {
        "full": [(n - 1, n - 1) for n in sizes],
        "same": [(n // 2, (n - 1) // 2) for n in sizes],
        "valid": [(0, 0)] * rank,
    }[mode]
    windows = _windows(_padded(x, around, 0), sizes, [1] * rank, [1] * rank)
    turned = get_item(w, (Ellipsis, *(slice(None, None, -1),) * rank))
    space, offsets = _SPACE[:rank], _OFFSETS[:rank]
    return einsum(f"...{space}{offsets},...{offsets}->...{space}", windows, turned)


# ------------------------------------------------------------------------------------------- pooling

_POOL_MODES = ("max", "sum", "average_inc_pad", "average_exc_pad")


def pool_2d(
    input: Any,
    ws: Any = None,
    ignore_border: bool = False,
    stride: Any = None,
    pad: Any = (0, 0),
    mode: str = "max",
) -> Variable:
    """The largest element, sum or mean of windows over the last two axes, as Theano's `signal.pool.pool_2d`.

    Parameters
    ----------
    input
        Of any rank from 2 on; the windows are over its last two axes.
    ws
        Lengths of a window: a number, or one for each axis.
    ignore_border
        True: windows that do not fit wholly are left out; else they are of what is there of them.
    stride
        Steps between windows; by default their lengths.
    pad
        Elements added on both sides of each axis; needs ignore_border=True.
    mode
        "max", "sum", "average_inc_pad" or "average_exc_pad" (the padding counted or not).
    """
    return _pool("pool_2d", 2, input, ws, ignore_border, stride, pad, mode)


def pool_3d(
    input: Any,
    ws: Any = None,
    ignore_border: bool = False,
    stride: Any = None,
    pad: Any = (0, 0, 0),
    mode: str = "max",
) -> Variable:
    """`pool_2d` over the last three axes."""
    return _pool("pool_3d", 3, input, ws, ignore_border, stride, pad, mode)


def _pool(
    who: str, rank: int, x: Any, ws: Any, ignore_border: bool, stride: Any, around: Any, mode: str
) -> Variable:
    x = as_variable(x)
    if x.ndim < rank:
        raise ValueError(f"{who}: at least {rank} axes are needed, got {describe([x.type])}")
    if mode not in _POOL_MODES:
        raise ValueError(f"{who}: mode is one of {', '.join(_POOL_MODES)}, got {mode!r}")
    if ws is None:
        raise ValueError(f"{who}: ws, the lengths of a window, is needed: e.g. ws={(2,) * rank}")
    sizes = _steps(who, "ws", ws, rank)
    steps = sizes if stride is None else _steps(who, "stride", stride, rank)
    pads = _steps(who, "pad", around, rank, least=0)
    if any(pads) and not ignore_border:
        raise ValueError(f"{who}: padding works with ignore_border=True only")
    if any(p >= n for p, n in zip(pads, sizes, strict=True)):
        raise ValueError(f"{who}: pad {tuple(pads)} must be smaller than ws {tuple(sizes)}")
    widths: list[tuple[Any, Any]] = [(p, p) for p in pads]
    if not ignore_border:
        widths = [
            (0, _missing(shape.length(x, axis - rank), n, step))
            for axis, (n, step) in enumerate(zip(sizes, steps, strict=True))
        ]
    least = -np.inf if x.dtype in FLOATS else np.iinfo(x.dtype).min if x.dtype != "bool" else False
    windows = _windows(_padded(x, widths, least if mode == "max" else 0), sizes, steps, [1] * rank)
    axes = tuple(range(-rank, 0))
    if mode == "max":
        return reduce.max(windows, axis=axes)
    total = reduce.sum(windows, axis=axes, dtype=x.dtype)
    if mode == "sum":
        return total
    if mode == "average_inc_pad" and ignore_border:
        return total / ew.cast(as_variable(float(np.prod(sizes))), x.dtype)
    inside = shape.full([shape.length(x, axis) for axis in axes], np.ones((), x.dtype))
    there = _windows(_padded(inside, widths, 0), sizes, steps, [1] * rank)
    return total / reduce.sum(there, axis=axes, dtype=x.dtype)


def _missing(n: Any, size: int, step: int) -> Any:
    """How many elements more are needed for windows that reach the last one, each with something in it."""
    windows = (n + step - 1) // step if step >= size else (ew.maximum(n - size, 0) + step - 1) // step + 1
    return ew.maximum((windows - 1) * step + size - n, 0)


# ------------------------------------------------------------------------------------ what they share


def _conv(
    who: str,
    rank: int,
    x: Any,
    w: Any,
    input_shape: Sequence[int | None] | None,
    filter_shape: Sequence[int | None] | None,
    border_mode: Any,
    subsample: Any,
    flip: bool,
    dilation: Any,
) -> Variable:
    x, w = _announced(who, "input", x, input_shape, rank), _announced(who, "filters", w, filter_shape, rank)
    steps, gaps = _steps(who, "subsample", subsample, rank), _steps(who, "filter_dilation", dilation, rank)
    sizes = [shape.length(w, axis) for axis in range(2, 2 + rank)]
    reach = [(n - 1) * gap + 1 for n, gap in zip(sizes, gaps, strict=True)]
    windows = _windows(_padded(x, _borders(who, border_mode, reach), 0), sizes, steps, gaps)
    if flip:
        w = get_item(w, (Ellipsis, *(slice(None, None, -1),) * rank))
    space, offsets = _SPACE[:rank], _OFFSETS[:rank]
    return einsum(f"bc{space}{offsets},fc{offsets}->bf{space}", windows, w)


def _announced(who: str, name: str, v: Any, known: Sequence[int | None] | None, rank: int) -> Variable:
    v = as_variable(v)
    if v.ndim != rank + 2:
        raise ValueError(f"{who}: {name} has {rank + 2} axes, got {describe([v.type])}")
    if known is None:
        return v
    if len(known) != v.ndim:
        raise ValueError(f"{who}: a shape of {len(known)} lengths was given for {name} of {v.ndim} axes")
    return shape.specify_shape(v, [None if isinstance(n, Variable) else n for n in known])


def _steps(who: str, name: str, value: Any, rank: int, least: int = 1) -> list[int]:
    values = list(value) if isinstance(value, list | tuple | np.ndarray) else [value] * rank
    good = all(isinstance(n, int | np.integer) and not isinstance(n, bool) and n >= least for n in values)
    if len(values) != rank or not good:
        raise ValueError(f"{who}: {name} is a number from {least} on, or {rank} of them, got {value!r}")
    return [int(n) for n in values]


def _borders(who: str, mode: Any, reach: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Zeros before and after each axis; `reach` are the lengths of the filters, gaps included."""
    if mode == "valid":
        return [(0, 0)] * len(reach)
    if mode == "full":
        return [(n - 1, n - 1) for n in reach]
    if mode == "half":
        return [(n // 2, n // 2) for n in reach]
    modes = list(mode) if isinstance(mode, list | tuple) else [mode] * len(reach)
    pairs = [tuple(m) if isinstance(m, list | tuple) else (m, m) for m in modes]
    good = all(
        len(pair) == 2 and all(isinstance(n, int | np.integer) and n >= 0 for n in pair) for pair in pairs
    )
    if len(pairs) != len(reach) or not good:
        raise ValueError(
            f"{who}: border_mode is 'valid', 'full', 'half', a number of zeros, or {len(reach)} numbers or pairs of"
            f" them, got {mode!r}"
        )
    return pairs


def _padded(x: Variable, widths: Sequence[tuple[Any, Any]], value: Any) -> Variable:
    """The last axes with this many elements more before and after them."""
    if not any(isinstance(n, Variable) or n for pair in widths for n in pair):
        return x
    return pad(
        x, [(0, 0)] * (x.ndim - len(widths)) + list(widths), constant_values=np.asarray(value, x.dtype)
    )


def _windows(x: Variable, sizes: Sequence[Any], steps: Sequence[int], gaps: Sequence[int]) -> Variable:
    """(..., *places, *sizes): the windows over the last axes."""
    rank = len(sizes)
    index: list[Any] = [Ellipsis]
    for k, (size, step, gap) in enumerate(zip(sizes, steps, gaps, strict=True)):
        free = shape.length(x, k - rank) - (size - 1) * gap
        if not isinstance(free, Variable) and free < 1:
            raise ValueError(f"a window of {size} does not fit into {shape.length(x, k - rank)} elements")
        if isinstance(free, Variable):
            free = CheckAndRaise(ValueError, f"a window does not fit into axis {k - rank} of {x}")(
                free, free > 0
            )
        starts = shape.arange(0, free, step)
        places = shape.expand_dims(starts, 1) + shape.arange(size) * gap
        axes = [axis for axis in range(2 * rank) if axis not in (k, rank + k)]
        index.append(shape.expand_dims(places, axes))
    return get_item(x, tuple(index))
