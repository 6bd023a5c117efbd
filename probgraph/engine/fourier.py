"""Fourier transforms: NumPy's `fft` family on complex variables, and Theano's two on pairs of real numbers.

Gradients of real costs go through all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from probgraph.engine.arrangements import roll
from probgraph.engine.graph import Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import shape
from probgraph.engine.ops.fourier import Fourier
from probgraph.engine.ops.index import get_item, set_subtensor
from probgraph.engine.ops.reduce import normalized_axes
from probgraph.engine.ops.shape import moveaxis, stack
from probgraph.engine.types import COMPLEX, FLOATS, describe

#: what `tensor.fft` offers
NAMES = (
    "rfft",
    "irfft",
    "fft",
    "ifft",
    "fft2",
    "ifft2",
    "fftn",
    "ifftn",
    "fftfreq",
    "rfftfreq",
    "fftshift",
    "ifftshift",
)

_NORMS = ("backward", "ortho", "forward")
_THEANO_NORMS = {None: "backward", "ortho": "ortho", "no_norm": "no_norm"}


def fft(a: Any, n: Any = None, axis: int = -1, norm: str | None = None) -> Variable:
    """The discrete Fourier transform along an axis, cut or filled with zeros to length `n`; as `numpy.fft.fft`.

    >>> fft(np.array([1.0, 0, 0, 0])).eval()
    array([1.+0.j, 1.+0.j, 1.+0.j, 1.+0.j])
    """
    return _along("fft", a, n, axis, norm, forward=True)


def ifft(a: Any, n: Any = None, axis: int = -1, norm: str | None = None) -> Variable:
    """The inverse of `fft`; as `numpy.fft.ifft`."""
    return _along("ifft", a, n, axis, norm, forward=False)


def fftn(
    a: Any, s: Sequence[Any] | None = None, axes: Sequence[int] | None = None, norm: str | None = None
) -> Variable:
    """The transform along several axes, by default all of them (or as many last ones as `s` has lengths)."""
    return _along_each("fftn", fft, a, s, axes, norm)


def ifftn(
    a: Any, s: Sequence[Any] | None = None, axes: Sequence[int] | None = None, norm: str | None = None
) -> Variable:
    """The inverse of `fftn`."""
    return _along_each("ifftn", ifft, a, s, axes, norm)


def fft2(
    a: Any, s: Sequence[Any] | None = None, axes: Sequence[int] = (-2, -1), norm: str | None = None
) -> Variable:
    """The transform along two axes, the last two by default."""
    return fftn(a, s, axes, norm)


def ifft2(
    a: Any, s: Sequence[Any] | None = None, axes: Sequence[int] = (-2, -1), norm: str | None = None
) -> Variable:
    """The inverse of `fft2`."""
    return ifftn(a, s, axes, norm)


def fftfreq(n: Any, d: Any = 1.0) -> Variable:
    """The frequencies of the n points of a transform, in cycles per unit of the sample spacing `d`."""
    n = as_variable(n)
    k = shape.arange(n)
    return ew.switch(ew.lt(k, (n + 1) // 2), k, k - n) / (n * d)


def rfftfreq(n: Any, d: Any = 1.0) -> Variable:
    """The frequencies of the n // 2 + 1 points of a transform of real numbers."""
    n = as_variable(n)
    return shape.arange(n // 2 + 1) / (n * d)


def fftshift(x: Any, axes: int | Sequence[int] | None = None) -> Variable:
    """The zero frequency moved to the middle of the axes, by default of all."""
    return _shifted("fftshift", x, axes, lambda n: n // 2)


def ifftshift(x: Any, axes: int | Sequence[int] | None = None) -> Variable:
    """The inverse of `fftshift`."""
    return _shifted("ifftshift", x, axes, lambda n: -(n // 2))


def rfft(inp: Any, norm: str | None = None) -> Variable:
    """Theano's transform of real numbers, over all axes but the first, which is that of a batch.

    Parameters
    ----------
    inp
        Real, of shape (batch, n1, ..., nk).
    norm
        None: the inverse divides by n1 * ... * nk; "ortho": both by its root; "no_norm": neither.

    Returns
    -------
    Variable
        Of shape (batch, n1, ..., nk // 2 + 1, 2): real and imaginary parts along the last axis. For a
        complex variable see `fft`.
    """
    inp = as_variable(inp)
    if inp.ndim < 2 or inp.dtype not in FLOATS:
        raise TypeError(
            f"rfft: a real array with a batch in front, (batch, ..., n), is needed, got {describe([inp.type])}"
        )
    axes = range(1, inp.ndim)
    z = _scaled(
        Fourier(True)(ew.complex(inp, ew.zeros_like(inp))), inp, axes, _theano_norm("rfft", norm), True
    )
    z = get_item(z, (Ellipsis, slice(0, shape.length(inp, -1) // 2 + 1)))
    for axis in axes[:-1]:
        z = _one(z, axis, True)
    return stack([ew.real(z), ew.imag(z)], axis=-1)


def irfft(inp: Any, norm: str | None = None, is_odd: bool = False) -> Variable:
    """The inverse of `rfft`: from (batch, n1, ..., nk // 2 + 1, 2) to the real (batch, n1, ..., nk).

    nk is taken as even, unless `is_odd`; `norm` as in `rfft`.
    """
    inp = as_variable(inp)
    if inp.ndim < 3 or inp.dtype not in FLOATS or inp.type.shape[-1] not in (2, None):
        raise TypeError(
            f"irfft: a real array (batch, ..., n // 2 + 1, 2) is needed, whose last axis holds real and imaginary"
            f" parts; got {describe([inp.type])}"
        )
    if is_odd not in (True, False):
        raise ValueError(f"irfft: is_odd is True or False, got {is_odd!r}")
    z = ew.complex(inp[..., 0], inp[..., 1])
    axes = range(1, z.ndim)
    for axis in axes[:-1]:
        z = _one(z, axis, False)
    rest = slice(None, 0, -1) if is_odd else slice(-2, 0, -1)  # the half that a real signal makes redundant
    whole = shape.join(-1, z, ew.conj(get_item(z, (Ellipsis, rest))))
    real = ew.real(Fourier(False)(whole))
    return _scaled(real, real, axes, _theano_norm("irfft", norm), False)


# ------------------------------------------------------------------------------------ what they share


def _along(who: str, a: Any, n: Any, axis: int, norm: str | None, forward: bool) -> Variable:
    a = as_variable(a)
    (axis,) = normalized_axes(who, axis, a.ndim)
    if norm not in (None, *_NORMS):
        raise ValueError(f"{who}: norm is one of {', '.join(_NORMS)}, got {norm!r}")
    if n is not None:
        a = _of_length(who, a, n, axis)
    if a.dtype not in COMPLEX:
        real = a if a.dtype in FLOATS else ew.cast(a, "float64")
        a = ew.complex(real, ew.zeros_like(real))
    return _scaled(_one(a, axis, forward), a, (axis,), norm or "backward", forward)


def _one(z: Variable, axis: int, forward: bool) -> Variable:
    return moveaxis(Fourier(forward)(moveaxis(z, axis, -1)), -1, axis)


def _scaled(z: Variable, points: Variable, axes: Sequence[int], norm: str, forward: bool) -> Variable:
    """Divided by the number of points, if that falls to this direction, or by its root."""
    if norm != "ortho" and norm != ("forward" if forward else "backward"):
        return z
    dtype = {"complex64": "float32", "complex128": "float64"}.get(z.dtype, z.dtype)
    n = ew.cast(
        math.prod((shape.length(points, axis) for axis in axes[1:]), start=shape.length(points, axes[0])),
        dtype,
    )
    return z / (ew.sqrt(n) if norm == "ortho" else n)


def _of_length(who: str, a: Variable, n: Any, axis: int) -> Variable:
    if not isinstance(n, Variable) and (isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1):
        raise ValueError(f"{who}: n is a positive number of points, got {n!r}")
    lengths = [n if k == axis else shape.length(a, k) for k in range(a.ndim)]
    front = (*(slice(None),) * axis, slice(0, ew.minimum(n, shape.length(a, axis))))
    empty = shape.full(lengths, np.zeros((), a.dtype))
    return set_subtensor(get_item(empty, front), get_item(a, front))


def _along_each(
    who: str,
    transform: Callable[..., Variable],
    a: Any,
    s: Sequence[Any] | None,
    axes: Sequence[int] | None,
    norm: str | None,
) -> Variable:
    a = as_variable(a)
    if axes is None:
        axes = range(a.ndim) if s is None else range(a.ndim - len(s), a.ndim)
    if s is not None and len(s) != len(axes):
        raise ValueError(f"{who}: {len(s)} lengths for {len(axes)} axes")
    for axis, n in zip(axes, s if s is not None else [None] * len(axes), strict=True):
        a = transform(a, n, axis, norm)
    return a


def _shifted(who: str, x: Any, axes: int | Sequence[int] | None, by: Callable[[Any], Any]) -> Variable:
    x = as_variable(x)
    for axis in normalized_axes(who, axes, x.ndim):
        x = roll(x, by(shape.length(x, axis)), axis)
    return x


def _theano_norm(who: str, norm: str | None) -> str:
    if norm not in _THEANO_NORMS:
        raise ValueError(f"{who}: norm is None, 'ortho' or 'no_norm', got {norm!r}")
    return _THEANO_NORMS[norm]
