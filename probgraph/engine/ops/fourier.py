"""The discrete Fourier transform along the last axis, of any length, unnormalised: all others are made of it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from probgraph.engine import loops
from probgraph.engine.graph import Apply, Variable
from probgraph.engine.loops import Expr, Kernel
from probgraph.engine.op import LengthReader
from probgraph.engine.ops.along_axis import AlongLast, flag
from probgraph.engine.types import COMPLEX, TensorType, describe

# Cooley and Tukey (1965) for any factors, smallest first; a length with a prime factor over PG_DIRECT becomes a
# convolution with a chirp (Bluestein 1970), whose length is a power of two. Always computed in double precision.
_SHARED_C = r"""
#ifndef PG_FOURIER
#define PG_FOURIER
#define PG_DIRECT 61
typedef struct { double re, im; } pg_point;

static inline pg_point pg_times(pg_point a, pg_point b) {
    return (pg_point){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

/* exp(2 pi i k / n) for 0 <= k < n, from an angle of at most pi / 4: exact at the eighths, no digit lost */
static pg_point pg_root(int64_t k, int64_t n) {
    const int below = 2 * k > n;
    if (below) k = n - k;
    const int left = 4 * k > n;
    int64_t quarter = left ? 2 * n - 4 * k : 4 * k;
    const int steep = 2 * quarter > n;
    if (steep) quarter = n - quarter;
    const double angle = 1.57079632679489661923 * (double)quarter / (double)n;
    const double c = __builtin_cos(angle), s = __builtin_sin(angle);
    const double re = steep ? s : c, im = steep ? c : s;
    return (pg_point){left ? -re : re, below ? -im : im};
}

/* out[0..n) from every stride-th point of `in`; `roots` has the powers of the root of order n * stride */
static void pg_split(const pg_point *in, pg_point *out, const pg_point *roots, int64_t n, int64_t stride) {
    if (n == 1) { out[0] = in[0]; return; }
    int64_t p = n % 4 == 0 ? 4 : 2;
    while (n % p) p += p == 2 ? 1 : 2;
    const int64_t m = n / p;
    for (int64_t k = 0; k < p; k++) pg_split(in + k * stride, out + k * m, roots, m, stride * p);
    for (int64_t j = 0; j < m; j++) {
        pg_point t[PG_DIRECT];
        t[0] = out[j];
        for (int64_t k = 1; k < p; k++) t[k] = pg_times(out[k * m + j], roots[j * k * stride]);
        if (p == 2) {
            out[j] = (pg_point){t[0].re + t[1].re, t[0].im + t[1].im};
            out[m + j] = (pg_point){t[0].re - t[1].re, t[0].im - t[1].im};
            continue;
        }
        if (p == 4) {
            const pg_point a = {t[0].re + t[2].re, t[0].im + t[2].im}, b = {t[0].re - t[2].re, t[0].im - t[2].im};
            const pg_point c = {t[1].re + t[3].re, t[1].im + t[3].im}, d = {t[1].re - t[3].re, t[1].im - t[3].im};
            out[j] = (pg_point){a.re + c.re, a.im + c.im};
            out[m + j] = (pg_point){b.re - d.im, b.im + d.re};
            out[2 * m + j] = (pg_point){a.re - c.re, a.im - c.im};
            out[3 * m + j] = (pg_point){b.re + d.im, b.im - d.re};
            continue;
        }
        for (int64_t q = 0; q < p; q++) {
            pg_point s = t[0];
            for (int64_t k = 1; k < p; k++) {
                const pg_point u = pg_times(t[k], roots[k * q % p * m * stride]);
                s.re += u.re;
                s.im += u.im;
            }
            out[q * m + j] = s;
        }
    }
}

static int pg_smooth(int64_t n) {
    for (int64_t p = 2; p <= PG_DIRECT; p++) while (n % p == 0) n /= p;
    return n == 1;
}

static void pg_conjugate(pg_point *z, int64_t n) {
    for (int64_t k = 0; k < n; k++) z[k].im = -z[k].im;
}

/* y[q] = sum over k of x[k] exp(2 pi i k q / n); y is not x */
static int pg_sums(const pg_point *x, pg_point *y, int64_t n) {
    if (pg_smooth(n)) {
        pg_point *roots = __builtin_malloc(n * sizeof(pg_point));
        if (!roots) return 1;
        for (int64_t k = 0; k < n; k++) roots[k] = pg_root(k, n);
        pg_split(x, y, roots, n, 1);
        __builtin_free(roots);
        return 0;
    }
    int64_t m = 1;
    while (m < 2 * n - 1) m *= 2;
    pg_point *chirp = __builtin_malloc((n + 4 * m) * sizeof(pg_point));
    if (!chirp) return 1;
    pg_point *a = chirp + n, *b = a + m, *fa = b + m, *fb = fa + m;
    for (int64_t k = 0; k < m; k++) a[k] = b[k] = (pg_point){0, 0};
    for (int64_t k = 0, square = 0; k < n; square = (square + 2 * k + 1) % (2 * n), k++) {
        chirp[k] = pg_root(square, 2 * n);
        a[k] = pg_times(x[k], chirp[k]);
        b[k] = (pg_point){chirp[k].re, -chirp[k].im};
        if (k) b[m - k] = b[k];
    }
    int failed = pg_sums(a, fa, m) || pg_sums(b, fb, m);
    for (int64_t k = 0; k < m; k++) fa[k] = pg_times(fa[k], fb[k]);
    pg_conjugate(fa, m);
    failed = failed || pg_sums(fa, a, m);
    pg_conjugate(a, n);
    for (int64_t k = 0; k < n; k++) {
        y[k] = pg_times(a[k], chirp[k]);
        y[k].re /= m;
        y[k].im /= m;
    }
    __builtin_free(chirp);
    return failed;
}
#endif
"""

_FOURIER_C = r"""
static int pg_fourier_T(const T _Complex *restrict x, T _Complex *restrict y, int64_t n, int64_t forward) {
    pg_point *in = __builtin_malloc(2 * n * sizeof(pg_point)), *out = in + n;
    if (!in) return 1;
    const double turn = forward ? -1 : 1;
    for (int64_t k = 0; k < n; k++) in[k] = (pg_point){__real__ x[k], turn * __imag__ x[k]};
    const int failed = pg_sums(in, out, n);
    if (!failed) for (int64_t k = 0; k < n; k++) y[k] = __builtin_complex((T)out[k].re, (T)(turn * out[k].im));
    __builtin_free(in);
    return failed;
}
"""


def _sums(x: np.ndarray, forward: bool) -> np.ndarray:
    with np.errstate(all="ignore"):
        y = np.fft.fft(x) if forward else np.fft.ifft(x, norm="forward")
    return y.astype(x.dtype)


def _python(arrays: list[np.ndarray], sizes: list[int]) -> int:
    n, forward = sizes
    arrays[1][:n] = _sums(arrays[0][:n], bool(forward))
    return 0


def _kernel(dtype: str, kind: str) -> Kernel:
    text = _FOURIER_C.replace("pg_fourier_T", f"pg_fourier_{dtype}")
    return Kernel(f"pg_fourier_{dtype}", _SHARED_C + re.sub(r"\bT\b", kind, text), _python)


_KERNELS = {dtype: _kernel(dtype, kind) for dtype, kind in zip(COMPLEX, ("float", "double"), strict=True)}


class Fourier(AlongLast):
    """y[q] = sum over k of x[k] exp(-2 pi i k q / n) along the last axis; +2 pi i if not `forward`."""

    __props__ = ("forward",)

    def __init__(self, forward: bool) -> None:
        self.forward = forward

    def infer_type(self, x: Variable) -> list[TensorType]:
        if x.dtype not in COMPLEX or not x.ndim:
            raise TypeError(f"{self} is of complex arrays with an axis, got {describe([x.type])}")
        return [x.type]

    def numpy(self, x: np.ndarray) -> np.ndarray:
        return _sums(x, self.forward)

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        return [Fourier(not self.forward)(cotangents[0])]  # the conjugate transpose of a symmetric matrix

    def texts(self) -> dict[str, Kernel]:
        return _KERNELS

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        lengths = reader.lengths(node.inputs[0])
        some = loops.less(loops.ZERO, lengths[-1])
        reader.require(some, ValueError, "a Fourier transform of no points: the axis has length 0")
        return [lengths]

    def sizes(self, reader: LengthReader, node: Apply) -> tuple[Expr, ...]:
        return reader.lengths(node.inputs[0])[-1], flag(self.forward)
