"""Cholesky factors and how they differentiate: plain loops while a matrix is small, LAPACK and BLAS beyond."""

from __future__ import annotations

from typing import Any

import numpy as np

from probgraph.engine import loops
from probgraph.engine.graph import Apply, Variable
from probgraph.engine.loops import Expr, Kernel
from probgraph.engine.op import LengthReader
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.diagonals import eye, matrix_transpose, tril
from probgraph.engine.ops.matrices import (
    MatrixKernel,
    batch_shape,
    check_matrix,
    gemm,
    kernels,
    matrices,
    over_batch,
    potrf,
    side,
    trsm,
)
from probgraph.engine.ops.products import matmul
from probgraph.engine.ops.shape import length
from probgraph.engine.ops.triangular import solve_triangular
from probgraph.engine.types import TensorType

_CHOLESKY_C = r"""
/* Only the lower triangle of a is read. Small ones row by row (Golub & Van Loan, Matrix Computations, 4.2.5);
   to LAPACK our rows are columns, and a lower triangle is an upper one. */
static int pg_cholesky_T(const T *restrict a, T *restrict l, int64_t n, int64_t nan_on_error) {
    int failed = 0;
    if (n >= CROSSING) {
        for (int64_t i = 0; i < n; i++) {
            __builtin_memcpy(l + i * n, a + i * n, (i + 1) * sizeof(T));
            for (int64_t j = i + 1; j < n; j++) l[i * n + j] = 0;
        }
        int size = (int)n, info = 0;
        LAPACK(potrf)("U", &size, l, &size, &info);
        failed = info != 0;
        for (int64_t i = 0; i < n; i++) failed |= !(l[i * n + i] - l[i * n + i] == 0);
    }
    else for (int64_t i = 0; i < n && !failed; i++) {
        for (int64_t j = 0; j <= i; j++) {
            T s = 0;
            _Pragma("omp simd reduction(+:s)")
            for (int64_t k = 0; k < j; k++) s += l[i * n + k] * l[j * n + k];
            const T rest = a[i * n + j] - s;
            if (i != j) l[i * n + j] = rest / l[j * n + j];
            else if (rest > 0 && rest - rest == 0) l[i * n + i] = (T)__builtin_sqrt(rest);
            else failed = 1;
        }
        for (int64_t j = i + 1; j < n; j++) l[i * n + j] = 0;
    }
    if (failed && nan_on_error) {
        for (int64_t i = 0; i < n * n; i++) l[i] = __builtin_nan("");
        return 0;
    }
    return failed;
}
"""

#: from this size on LAPACK is faster: loops and LAPACK took 0.17 and 0.16 µs at 8, 0.75 and 0.48 at 16, 24 and 11 at 64
_CHOLESKY_CROSSING = 12


def _cholesky_python(arrays: list[np.ndarray], sizes: list[int]) -> int:
    n, nan_on_error = sizes
    a, l = (array[: n * n].reshape(n, n) for array in arrays)
    factor = _factor(a)
    if factor is None:
        l[...] = np.nan
        return 0 if nan_on_error else 1
    l[...] = factor
    return 0


def _factor(a: np.ndarray) -> np.ndarray | None:
    """The factor of one matrix, or None."""
    if not np.isfinite(np.tril(a)).all():
        return None
    try:
        with np.errstate(all="ignore"):
            factor = np.linalg.cholesky(np.tril(a) + np.tril(a, -1).T)
    except np.linalg.LinAlgError:
        return None
    return factor if np.isfinite(factor).all() else None


_CHOLESKY = kernels(
    "pg_cholesky", _CHOLESKY_C.replace("CROSSING", str(_CHOLESKY_CROSSING)), _cholesky_python, [potrf]
)
_NOT_POSITIVE = "cholesky: the matrix is not positive definite"


class Cholesky(MatrixKernel):
    """The lower triangular L with L Lᵀ = A; A is read in its lower triangle. Failing, an error or nan."""

    __props__ = ("nan_on_error",)

    def __init__(self, nan_on_error: bool = False) -> None:
        self.nan_on_error = nan_on_error

    def __str__(self) -> str:
        return "Cholesky{nan_on_error}" if self.nan_on_error else "Cholesky"

    def infer_type(self, a: Variable) -> list[TensorType]:
        check_matrix("cholesky", a)
        return [TensorType(a.dtype, (*a.type.shape[:-2], side(a), side(a)))]

    def numpy(self, a: np.ndarray) -> np.ndarray:
        return over_batch(self._one, (2,), [a])

    def _one(self, a: np.ndarray) -> np.ndarray:
        factor = _factor(a)
        if factor is not None:
            return factor
        if not self.nan_on_error:
            raise np.linalg.LinAlgError(_NOT_POSITIVE)
        return np.full_like(a, np.nan)

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        return [CholeskyGradient()(outputs[0], cotangents[0])]

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        *_, n, m = reader.lengths(node.inputs[0])
        n = reader.unify(node, n, m)
        return [(*self.batch(reader, node), n, n)]

    def kernel(self, reader: LengthReader, node: Apply) -> tuple[Kernel, tuple[Expr, ...], Any, str]:
        sizes = (reader.lengths(node.out)[-1], loops.integer(self.nan_on_error))
        return _CHOLESKY[node.out.dtype], sizes, np.linalg.LinAlgError, _NOT_POSITIVE


def cholesky(a: Any, lower: bool = True, on_error: str = "raise") -> Variable:
    """The Cholesky factor of symmetric positive definite matrices (..., n, n): L with L Lᵀ = a.

    Only the lower triangle of `a` is read; with lower=False only the upper one, and the result is Lᵀ. Raises
    LinAlgError at the call if a matrix is not positive definite; with on_error="nan" its factor is nan.
    """
    if on_error not in ("raise", "nan"):
        raise ValueError(f"cholesky: on_error is 'raise' or 'nan', got {on_error!r}")
    (a,) = matrices("cholesky", a)
    check_matrix("cholesky", a)
    factor = Cholesky(on_error == "nan")
    return factor(a) if lower else matrix_transpose(factor(matrix_transpose(a)))


# ------------------------------------------------------------------------------------ its gradient

_GRADIENT_C = r"""
/* z (m, n) -= x y of parts of matrices with rows of w numbers; x is stored as its transpose if xt. */
static void pg_subtract_product_T(const T *x, const T *y, T *z, int64_t m, int64_t n, int64_t k, int64_t w,
                                  int64_t xt) {
    int columns = (int)n, rows = (int)m, inner = (int)k, wide = (int)w;
    T minus = -1, one = 1;
    if (m > 0 && n > 0 && k > 0)
        LAPACK(gemm)("N", xt ? "T" : "N", &columns, &rows, &inner, &minus, (T *)y, &wide, (T *)x, &wide, &one, z, &wide);
}
/* From the gradient by L, in g, that by A, in place, both in the lower triangle (Murray 2016, section 3.1: column by
   column from the last, at the places of the formulas' rows and columns). */
static void pg_cholesky_gradient_small_T(const T *restrict l, T *restrict g, int64_t n, int64_t w) {
    for (int64_t j = n - 1; j >= 0; j--) {
        const T *restrict row = l + j * w;
        const T over = 1 / row[j];
        T s = 0;
        for (int64_t i = j + 1; i < n; i++) {
            g[i * w + j] *= over;
            s += l[i * w + j] * g[i * w + j];
        }
        const T d = (g[j * w + j] - s) * over;
        T *restrict mine = g + j * w;
        _Pragma("omp simd")
        for (int64_t k = 0; k < j; k++) mine[k] -= d * row[k];
        for (int64_t i = j + 1; i < n; i++) {
            const T f = g[i * w + j];
            const T *restrict lower = l + i * w;
            T *restrict theirs = g + i * w;
            _Pragma("omp simd")
            for (int64_t k = 0; k < j; k++) {
                mine[k] -= f * lower[k];
                theirs[k] -= f * row[k];
            }
        }
        mine[j] = d / 2;
    }
}
/* The same by blocks (section 3.2): nearly all of the work is products of matrices. */
static int pg_cholesky_gradient_T(const T *restrict l, const T *restrict given, T *restrict g, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        __builtin_memcpy(g + i * n, given + i * n, (i + 1) * sizeof(T));
        for (int64_t j = i + 1; j < n; j++) g[i * n + j] = 0;
    }
    for (int64_t stop = n; stop > 0;) {
        const int64_t first = stop > BLOCK ? stop - BLOCK : 0, size = stop - first, below = n - stop;
        const T *r = l + first * n, *d = r + first, *b = l + stop * n, *c = b + first;
        T *gr = g + first * n, *gd = gr + first, *gb = g + stop * n, *gc = gb + first;
        if (below > 0) {
            int side = (int)size, rows = (int)below, wide = (int)n;
            T one = 1;
            LAPACK(trsm)("L", "U", "N", "N", &side, &rows, &one, (T *)d, &wide, gc, &wide);
            pg_subtract_product_T(gc, r, gb, below, first, size, n, 0);
            pg_subtract_product_T(gc, c, gd, size, size, below, n, 1);
        }
        pg_cholesky_gradient_small_T(d, gd, size, n);
        pg_subtract_product_T(gc, b, gr, size, first, below, n, 1);
        for (int64_t i = 0; i < size; i++) {
            for (int64_t j = 0; j < i; j++) gd[j * n + i] = gd[i * n + j];
            gd[i * n + i] *= 2;
        }
        pg_subtract_product_T(gd, r, gr, size, first, size, n, 0);
        for (int64_t i = 0; i < size; i++) {
            for (int64_t j = i + 1; j < size; j++) gd[i * n + j] = 0;
            gd[i * n + i] /= 2;
        }
        stop = first;
    }
    return 0;
}
"""

#: the size of a block
_BLOCK = 32


def _gradient_python(arrays: list[np.ndarray], sizes: list[int]) -> int:
    (n,) = sizes
    l, given, g = (array[: n * n].reshape(n, n) for array in arrays)
    g[...] = _gradient(l, given)
    return 0


def _gradient(l: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Murray (2016), eq. 10."""
    if l.size == 0:
        return np.array(given)
    with np.errstate(all="ignore"):
        half = 1 - np.eye(len(l), dtype=l.dtype) / 2
        phi = np.tril(l.T @ np.tril(given)) * half
        inverse = np.linalg.inv(l) if np.isfinite(l).all() else np.full_like(l, np.nan)
        return np.tril(inverse.T @ (phi + phi.T) @ inverse) * half


_GRADIENT = kernels(
    "pg_cholesky_gradient", _GRADIENT_C.replace("BLOCK", str(_BLOCK)), _gradient_python, [gemm, trsm]
)


class CholeskyGradient(MatrixKernel):
    """What flows back through Cholesky: of L and a gradient by L, the gradient by A's lower triangle.

    Source: Murray (2016), Differentiation of the Cholesky decomposition.
    """

    core = (2, 2)

    def __str__(self) -> str:
        return "CholeskyGradient"

    def infer_type(self, l: Variable, g: Variable) -> list[TensorType]:
        check_matrix("the gradient of cholesky", l)
        check_matrix("the gradient of cholesky", g)
        n = side(l) if side(l) is not None else side(g)
        return [TensorType(l.dtype, (*batch_shape(str(self), (l, g), (2, 2)), n, n))]

    def numpy(self, l: np.ndarray, g: np.ndarray) -> np.ndarray:
        return over_batch(_gradient, self.core, [l, g])

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        """With S = L⁻ᵀ (P + Pᵀ) L⁻¹ and P = phi(Lᵀ g), of which the result is phi(S); phi takes the lower triangle
        and half of the diagonal."""
        (h,), (result,), (l, g) = cotangents, outputs, inputs
        half = 1 - ew.cast(0.5, l.dtype) * eye(length(l, -1), dtype=l.dtype)

        def phi(m: Variable) -> Variable:
            return tril(m) * half

        def times_inverse(m: Variable) -> Variable:
            """m L⁻ᵀ"""
            return matrix_transpose(solve_triangular(l, matrix_transpose(m), lower=True))

        s = result + matrix_transpose(result)
        by_s = phi(h)
        both = by_s + matrix_transpose(by_s)
        inner = times_inverse(both)
        by_product = phi(solve_triangular(l, inner, lower=True))
        by_l = matmul(tril(g), matrix_transpose(by_product)) - matmul(s, inner)
        return [ew.summed_to(tril(by_l), l), ew.summed_to(tril(matmul(l, by_product)), g)]

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        (*_, n, m), (*_, rows, columns) = map(reader.lengths, node.inputs)
        n = reader.unify(node, reader.unify(node, n, m), reader.unify(node, rows, columns))
        return [(*self.batch(reader, node), n, n)]

    def kernel(self, reader: LengthReader, node: Apply) -> tuple[Kernel, tuple[Expr, ...], Any, str]:
        return (
            _GRADIENT[node.out.dtype],
            (reader.lengths(node.out)[-1],),
            np.linalg.LinAlgError,
            "cholesky: no gradient",
        )
