"""Functions of whole matrices: powers, the exponential, norms."""

from __future__ import annotations

import functools
import importlib
from typing import Any

import numpy as np

from probgraph.engine.graph import Apply, Variable
from probgraph.engine.loops import Expr, Kernel
from probgraph.engine.op import LengthReader, as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.diagonals import eye, matrix_transpose
from probgraph.engine.ops.matrices import (
    MatrixKernel,
    check_matrix,
    gemm,
    gesv,
    kernels,
    matrices,
    over_batch,
    side,
)
from probgraph.engine.ops.products import matmul
from probgraph.engine.ops.reduce import reduce
from probgraph.engine.ops.shape import concatenate, dimshuffle, length, reshape
from probgraph.engine.ops.singular_values import svd
from probgraph.engine.ops.solves import inv, solve
from probgraph.engine.types import COMPLEX, FLOATS, TensorType, describe, to_float

# ------------------------------------------------------------------------------------ powers


def matrix_power(a: Any, n: int) -> Variable:
    """The n-th power of square matrices by repeated squaring; of a negative `n` that of the inverse."""
    a = as_variable(a)
    if not isinstance(n, int | np.integer) or isinstance(n, bool):
        raise TypeError(f"matrix_power: the exponent is an int, got {n!r}")
    if a.ndim < 2:
        raise ValueError(f"matrix_power takes square matrices, got {describe([a.type])}")
    rows, columns = a.type.shape[-2:]
    if rows is not None and columns is not None and rows != columns:
        raise ValueError(f"matrix_power takes square matrices, got {describe([a.type])}")
    if n == 0:
        return ew.fill(a, eye(length(a, -1), dtype=a.dtype))
    if n < 0:
        a, n = inv(a), -n
    square, result = a, None
    while n:
        if n % 2:
            result = square if result is None else matmul(result, square)
        n //= 2
        square = matmul(square, square) if n else square
    return result


# ------------------------------------------------------------------------------------ arrays as matrices


def _product(lengths: list[Any]) -> Any:
    return functools.reduce(lambda m, n: m * n, lengths, 1)


def tensorinv(a: Any, ind: int = 2) -> Variable:
    """The inverse of `a` as a map from its last axes to its first `ind`: tensordot(tensorinv(a), a, ind) is the identity."""
    a = as_variable(a)
    if not 0 < ind < a.ndim:
        raise ValueError(f"tensorinv: ind={ind} must leave axes on both sides of {describe([a.type])}")
    lengths = [length(a, k) for k in range(a.ndim)]
    side = _product(lengths[:ind])
    return reshape(inv(reshape(a, [side, -1])), [*lengths[ind:], *lengths[:ind]])


def tensorsolve(a: Any, b: Any, axes: Any = None) -> Variable:
    """x with tensordot(a, x, x.ndim) = b. `axes` of `a` are moved to its end before."""
    a, b = as_variable(a), as_variable(b)
    if axes is not None:
        last = [k % a.ndim for k in axes]
        a = dimshuffle(a, *(k for k in range(a.ndim) if k not in last), *last)
    if a.ndim < b.ndim:
        raise ValueError(
            f"tensorsolve: {describe([a.type, b.type])} do not fit, the first has too few dimensions"
        )
    lengths = [length(a, k) for k in range(b.ndim, a.ndim)]
    side = _product(lengths)
    return reshape(solve(reshape(a, [-1, side]), reshape(b, [-1])), lengths)


# ------------------------------------------------------------------------------------ the exponential

_EXPM_C = r"""
/* The Padé approximant of order 13 after scaling, then squaring (Higham 2005, algorithm 2.3). All matrices are
   transposed to LAPACK, which makes no difference: the exponential of the transpose is the transpose of ours. */
static void pg_expm_product_T(const T *x, const T *y, T *z, int size) {
    T one = 1, zero = 0;
    LAPACK(gemm)("N", "N", &size, &size, &size, &one, (T *)x, &size, (T *)y, &size, &zero, z, &size);
}
static int pg_expm_T(const T *restrict a, T *restrict e, int64_t n) {
    static const T b[] = {64764752532480000., 32382376266240000., 7771770303897600., 1187353796428800.,
        129060195264000., 10559470521600., 670442572800., 33522128640., 1323241920., 40840800., 960960., 16380.,
        182., 1.};
    if (n == 0) return 0;
    const int64_t nn = n * n;
    int size = (int)n, info = 0, squarings = 0;
    T norm = 0, scale = 1;
    for (int64_t j = 0; j < n; j++) {
        T s = 0;
        for (int64_t i = 0; i < n; i++) s += a[i * n + j] < 0 ? -a[i * n + j] : a[i * n + j];
        if (!(s - s == 0)) {
            for (int64_t i = 0; i < nn; i++) e[i] = __builtin_nan("");
            return 0;
        }
        if (s > norm) norm = s;
    }
    while (norm * scale > (T)5.371920351148152) { scale /= 2; squarings++; }
    T *x = __builtin_malloc(6 * nn * sizeof(T));
    int *pivots = __builtin_malloc(n * sizeof(int));
    if (!x || !pivots) { __builtin_free(x); __builtin_free(pivots); return 1; }
    T *x2 = x + nn, *x4 = x2 + nn, *x6 = x4 + nn, *u = x6 + nn, *v = u + nn;
    for (int64_t i = 0; i < nn; i++) x[i] = a[i] * scale;
    pg_expm_product_T(x, x, x2, size);
    pg_expm_product_T(x2, x2, x4, size);
    pg_expm_product_T(x4, x2, x6, size);
    for (int64_t i = 0; i < nn; i++) e[i] = b[13] * x6[i] + b[11] * x4[i] + b[9] * x2[i];
    pg_expm_product_T(x6, e, v, size);
    for (int64_t i = 0; i < nn; i++)
        v[i] += b[7] * x6[i] + b[5] * x4[i] + b[3] * x2[i] + (i % (n + 1) == 0 ? b[1] : 0);
    pg_expm_product_T(x, v, u, size);
    for (int64_t i = 0; i < nn; i++) e[i] = b[12] * x6[i] + b[10] * x4[i] + b[8] * x2[i];
    pg_expm_product_T(x6, e, v, size);
    for (int64_t i = 0; i < nn; i++) {
        v[i] += b[6] * x6[i] + b[4] * x4[i] + b[2] * x2[i] + (i % (n + 1) == 0 ? b[0] : 0);
        e[i] = v[i] + u[i];
        v[i] -= u[i];
    }
    LAPACK(gesv)(&size, &size, v, &size, pivots, e, &size, &info);
    for (int s = 0; s < squarings && !info; s++) {
        __builtin_memcpy(x, e, nn * sizeof(T));
        pg_expm_product_T(x, x, e, size);
    }
    __builtin_free(pivots);
    __builtin_free(x);
    return info != 0;
}
"""


def _expm(a: np.ndarray) -> np.ndarray:
    if a.size == 0:
        return np.array(a)
    if not np.isfinite(a).all():
        return np.full_like(a, np.nan)
    # SciPy's linear algebra, on first use: importing it would double the import time of the package.
    with np.errstate(all="ignore"):
        return importlib.import_module("scipy.linalg").expm(a)


def _expm_python(arrays: list[np.ndarray], sizes: list[int]) -> int:
    (n,) = sizes
    arrays[1][: n * n] = _expm(arrays[0][: n * n].reshape(n, n)).reshape(-1)
    return 0


_EXPM = kernels("pg_expm", _EXPM_C, _expm_python, [gemm, gesv])


class Expm(MatrixKernel):
    """The exponential of square matrices."""

    def infer_type(self, a: Variable) -> list[TensorType]:
        check_matrix("expm", a)
        return [TensorType(a.dtype, (*a.type.shape[:-2], side(a), side(a)))]

    def numpy(self, a: np.ndarray) -> np.ndarray:
        return over_batch(_expm, (2,), [a])

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        """The derivative in a direction is a block of an exponential of twice the size (Mathias 1996).

        It is linear in the direction, which is first brought near 1: a large one would scale the matrix away.
        """
        (g,), (a,) = cotangents, inputs
        n = length(a, -1)
        turned = matrix_transpose(a)
        nothing = ew.zeros_like(turned)
        largest = reduce("supremum", ew.abs(g), (-2, -1), keepdims=True)
        largest = ew.maximum(largest, float(np.finfo(a.dtype).tiny))
        size = ew.exp2(ew.ceil(ew.log2(largest)))  # whose gradient is 0, as it should be
        above = concatenate([turned, g / size], axis=-1)
        below = concatenate([nothing, turned], axis=-1)
        return [Expm()(concatenate([above, below], axis=-2))[..., :n, n:] * size]

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        *batch, n, m = reader.lengths(node.inputs[0])
        n = reader.unify(node, n, m)
        return [(*batch, n, n)]

    def kernel(self, reader: LengthReader, node: Apply) -> tuple[Kernel, tuple[Expr, ...], Any, str]:
        sizes = (reader.lengths(node.out)[-1],)
        return _EXPM[node.out.dtype], sizes, np.linalg.LinAlgError, "expm failed"


def expm(a: Any) -> Variable:
    """The matrix exponential of (..., n, n); nan where a matrix is not finite.

    Higham (2005), The scaling and squaring method for the matrix exponential revisited.
    """
    (a,) = matrices("expm", a)
    return Expm()(a)


# ------------------------------------------------------------------------------------ norms


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Variable:
    """The norm of a vector or a matrix: NumPy's function of that name.

    Without `axis` a variable of one dimension is a vector, one of two a matrix, and ord=None takes all elements
    as a vector. `ord` of vectors is a number, inf, -inf or 0 (how many are not 0); of matrices None or "fro",
    "nuc", inf, -inf, 1, -1, 2 or -2.
    """
    x = as_variable(x)
    if x.dtype not in COMPLEX and x.dtype not in FLOATS:
        x = ew.cast(x, to_float(x.dtype))
    if axis is None:
        axes = tuple(range(x.ndim))
        if ord is not None and x.ndim not in (1, 2):
            raise ValueError(
                f"norm: ord={ord!r} is for vectors and matrices, got {describe([x.type])}: name the axes"
            )
        if ord is None:
            return ew.sqrt(ew.sqr(ew.abs(x)).sum(axis=axes, keepdims=keepdims))
    else:
        axes = (axis,) if isinstance(axis, int | np.integer) else tuple(axis)
    for a in axes:
        if not -x.ndim <= a < x.ndim:
            raise ValueError(f"norm: axis {a} does not exist, {x} has {x.ndim} dimensions")
    axes = tuple(int(a) % x.ndim for a in axes)
    if len(axes) == 1:
        return _vector_norm(x, ord, axes[0], keepdims)
    if len(axes) != 2 or axes[0] == axes[1]:
        raise ValueError(f"norm: axis names one axis, or two different ones, got {axis}")
    return _matrix_norm(x, ord, axes, keepdims)


def _vector_norm(x: Variable, ord: Any, axis: int, keepdims: bool) -> Variable:
    size = ew.abs(x)
    if ord is None or ord == 2:
        return ew.sqrt(ew.sqr(size).sum(axis=axis, keepdims=keepdims))
    if isinstance(ord, str):
        raise ValueError(f"norm: the norm of a vector has a number as its ord, got {ord!r}")
    if ord == np.inf:
        return size.max(axis=axis, keepdims=keepdims)
    if ord == -np.inf:
        return size.min(axis=axis, keepdims=keepdims)
    if ord == 0:
        return ew.cast(ew.neq(x, 0), size.dtype).sum(axis=axis, keepdims=keepdims)
    if ord == 1:
        return size.sum(axis=axis, keepdims=keepdims)
    return (size**ord).sum(axis=axis, keepdims=keepdims) ** (1 / ord)


def _matrix_norm(x: Variable, ord: Any, axes: tuple[int, int], keepdims: bool) -> Variable:
    rest = [a for a in range(x.ndim) if a not in axes]
    m = dimshuffle(x, *rest, *axes)
    if ord is None or ord == "fro":
        result = ew.sqrt(ew.sqr(ew.abs(m)).sum(axis=(-2, -1)))
    elif ord in ("nuc", 2, -2):
        s = svd(m, compute_uv=False)
        result = s.sum(axis=-1) if ord == "nuc" else s.max(axis=-1) if ord == 2 else s.min(axis=-1)
    elif ord in (1, -1, np.inf, -np.inf):
        sums = ew.abs(m).sum(axis=-2 if abs(ord) == 1 else -1)
        result = sums.max(axis=-1) if ord > 0 else sums.min(axis=-1)
    else:
        raise ValueError(
            f"norm: the norm of a matrix has ord None, 'fro', 'nuc', 1, -1, 2, -2, inf or -inf, got {ord!r}"
        )
    if not keepdims:
        return result
    kept = iter(range(result.ndim))
    return dimshuffle(result, *("x" if a in axes else next(kept) for a in range(x.ndim)))
