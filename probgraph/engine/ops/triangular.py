"""Solves with triangular matrices: plain loops while a matrix is small, BLAS beyond."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from probgraph.engine import loops
from probgraph.engine.graph import Apply, Variable
from probgraph.engine.loops import Expr, Kernel
from probgraph.engine.op import LengthReader, Op
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.diagonals import matrix_transpose, tril, triu
from probgraph.engine.ops.matrices import (
    MatrixKernel,
    batch_shape,
    check_matrix,
    kernels,
    matrices,
    over_batch,
    side,
    trsm,
)
from probgraph.engine.ops.products import matmul
from probgraph.engine.ops.shape import dimshuffle
from probgraph.engine.types import TensorType, describe

# ------------------------------------------------------------------------------------ solves

_SOLVE_C = r"""
/* Substitution. One right-hand side runs along the rows of the matrix, several along those of the right-hand
   sides; element (i, k) of the triangular matrix is at i*si + k*sk. */
static int pg_trisolve_T(const T *restrict a, const T *restrict b, T *restrict x, int64_t n, int64_t m,
                         int64_t transposed, int64_t lower, int64_t unit) {
    const int forward = transposed ? !lower : lower;
    if (!unit) for (int64_t i = 0; i < n; i++) if (a[i * n + i] == 0) return 1;
    for (int64_t i = 0; i < n * m; i++) x[i] = b[i];
    if (m == 1) {
        for (int64_t r = 0; r < n; r++) {
            const int64_t i = forward ? r : n - 1 - r;
            const int64_t left = transposed == forward ? i + 1 : 0, right = transposed == forward ? n : i;
            const T *row = a + i * n;
            T xi = x[i];
            if (transposed) {
                if (!unit) xi /= row[i];
                _Pragma("omp simd")
                for (int64_t k = left; k < right; k++) x[k] -= row[k] * xi;
            }
            else {
                T s = 0;
                _Pragma("omp simd reduction(+:s)")
                for (int64_t k = left; k < right; k++) s += row[k] * x[k];
                xi -= s;
                if (!unit) xi /= row[i];
            }
            x[i] = xi;
        }
        return 0;
    }
    if (n >= CROSSING) {
        int rows = (int)m, size = (int)n;
        T one = 1;
        LAPACK(trsm)("R", lower ? "U" : "L", transposed ? "T" : "N", unit ? "U" : "N", &rows, &size, &one,
                     (T *)a, &size, x, &rows);
        return 0;
    }
    const int64_t si = transposed ? 1 : n, sk = transposed ? n : 1;
    for (int64_t r = 0; r < n; r++) {
        const int64_t i = forward ? r : n - 1 - r;
        T *restrict xi = x + i * m;
        for (int64_t q = 0; q < r; q++) {
            const int64_t k = forward ? q : n - 1 - q;
            const T f = a[i * si + k * sk];
            const T *restrict xk = x + k * m;
            for (int64_t c = 0; c < m; c++) xi[c] -= f * xk[c];
        }
        if (!unit) {
            const T d = a[i * si + i * sk];
            for (int64_t c = 0; c < m; c++) xi[c] /= d;
        }
    }
    return 0;
}
"""

#: loops and BLAS took 0.25 and 0.30 µs with 4 right-hand sides at 16, 0.60 and 0.54 at 24, 5.0 and 2.8 at 64; nearly
#: the same is true of 2 and of n right-hand sides
_SOLVE_CROSSING = 20


def _solve_python(arrays: list[np.ndarray], sizes: list[int]) -> int:
    n, m, transposed, lower, unit = sizes
    a = arrays[0][: n * n].reshape(n, n)
    b, x = (array[: n * m].reshape(n, m) for array in arrays[1:])
    if not unit and (np.diagonal(a) == 0).any():
        return 1
    x[...] = _substituted(a, b, bool(transposed), bool(lower), bool(unit))
    return 0


def _substituted(a: np.ndarray, b: np.ndarray, transposed: bool, lower: bool, unit: bool) -> np.ndarray:
    triangle = np.tril(a) if lower else np.triu(a)
    if unit:
        np.fill_diagonal(triangle, 1)
    matrix = triangle.T if transposed else triangle
    forward = lower != transposed
    x = np.array(b)
    with np.errstate(all="ignore"):
        for i in range(len(a)) if forward else range(len(a) - 1, -1, -1):
            known = slice(None, i) if forward else slice(i + 1, None)
            x[i] = (x[i] - matrix[i, known] @ x[known]) / matrix[i, i]
    return x


_TRISOLVE = kernels("pg_trisolve", _SOLVE_C.replace("CROSSING", str(_SOLVE_CROSSING)), _solve_python, [trsm])
_SINGULAR = "solve_triangular: the matrix is singular, a diagonal element is 0"


class SolveTriangular(MatrixKernel):
    """x with A x = b (or Aᵀ x = b), A triangular; b is a vector, or (a stack of) matrices."""

    __props__ = ("lower", "transposed", "unit")

    def __init__(self, lower: bool, transposed: bool, unit: bool) -> None:
        self.lower = lower
        self.transposed = transposed
        self.unit = unit

    def cores(self, inputs: Sequence[Variable]) -> tuple[int, ...]:
        return 2, min(inputs[1].ndim, 2)

    def mades(self, inputs: Sequence[Variable]) -> tuple[int, ...]:
        return (min(inputs[1].ndim, 2),)

    def infer_type(self, a: Variable, b: Variable) -> list[TensorType]:
        return [solution_type("solve_triangular", a, b)]

    def numpy(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        if not self.unit and (np.diagonal(a, 0, -2, -1) == 0).any():
            raise np.linalg.LinAlgError(_SINGULAR)
        return over_batch(self._one, (2, min(b.ndim, 2)), [a, b])

    def _one(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        if a.size == 0 or b.size == 0:
            return np.array(b)
        # SciPy's linear algebra, on first use: importing it would double the import time of the package.
        linalg = importlib.import_module("scipy.linalg")
        return linalg.solve_triangular(
            a,
            b,
            trans=int(self.transposed),
            lower=self.lower,
            unit_diagonal=self.unit,
            check_finite=False,
        )

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        (g,), (x,), (a, b) = cotangents, outputs, inputs
        back = SolveTriangular(self.lower, not self.transposed, self.unit)(a, g)
        product = solution_products(back, x, b, self.transposed)
        triangle = (tril if self.lower else triu)(product, (-1 if self.lower else 1) if self.unit else 0)
        return [ew.summed_to(-triangle, a), ew.summed_to(back, b)]

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        return [solution_lengths(self, reader, node, *node.inputs)]

    def kernel(self, reader: LengthReader, node: Apply) -> tuple[Kernel, tuple[Expr, ...], Any, str]:
        flags = (loops.integer(f) for f in (self.transposed, self.lower, self.unit))
        sizes = (*solution_sizes(reader, node, node.inputs[1]), *flags)
        return _TRISOLVE[node.out.dtype], sizes, np.linalg.LinAlgError, _SINGULAR


def solve_triangular(
    a: Any, b: Any, trans: int | str = 0, lower: bool = False, unit_diagonal: bool = False
) -> Variable:
    """x with a x = b for triangular matrices a (..., n, n) and b (n,) or (..., n, m); with trans=1, aᵀ x = b.

    The arguments are SciPy's. The other triangle of `a` is not read. Only a `b` of one dimension is a vector;
    leading axes broadcast. Raises LinAlgError at the call if a diagonal element is 0.
    """
    if trans not in (0, 1, "N", "T"):
        raise ValueError(f"solve_triangular: trans is 0 or 1, got {trans!r}")
    a, b = matrices("solve_triangular", a, b)
    return solved(SolveTriangular(bool(lower), trans in (1, "T"), bool(unit_diagonal)), a, b)


# ------------------------------------------------------------------------------------ of every solve


def solved(op: Op, a: Variable, b: Variable) -> Variable:
    """A solve's operation applied; one vector for a stack of matrices goes as a matrix of one column."""
    if b.ndim != 1 or a.ndim <= 2:
        return op(a, b)
    x = op(a, dimshuffle(b, 0, "x"))
    return dimshuffle(x, *range(x.ndim - 1))


def solution_type(who: str, a: Variable, b: Variable) -> TensorType:
    """The type of x with A x = b; errors where the shapes do not fit."""
    check_matrix(who, a)
    if b.dtype != a.dtype:
        raise TypeError(f"{who}: {describe([a.type, b.type])} need one dtype: cast one of them")
    if b.ndim == 0:
        raise ValueError(f"{who}: the right-hand side is a vector or a matrix, got {describe([b.type])}")
    if b.ndim == 1 and a.ndim > 2:
        raise ValueError(
            f"{who}: for a stack of matrices the right-hand side is a stack, got {describe([b.type])}"
        )
    rank = min(b.ndim, 2)
    n, m = side(a), b.type.shape[-rank]
    if n is not None and m is not None and n != m:
        hint = ": a stack of vectors needs an axis of length 1 at its end" if b.ndim == a.ndim - 1 else ""
        raise ValueError(
            f"{who}: {describe([a.type, b.type])} do not fit, the matrix has {n} rows and the right-hand side {m}{hint}"
        )
    batch = batch_shape(who, (a, b), (2, rank))
    return TensorType(a.dtype, (*batch, m if n is None else n, *b.type.shape[b.ndim - rank + 1 :]))


def solution_lengths(
    op: Any, reader: LengthReader, node: Apply, a: Variable, b: Variable
) -> tuple[Expr, ...]:
    """The lengths of x with A x = b, unified."""
    rank = min(b.ndim, 2)
    *_, rows, columns = reader.lengths(a)
    right = reader.lengths(b)[b.ndim - rank :]
    n = reader.unify(node, reader.unify(node, rows, columns), right[0])
    return (*op.batch(reader, node), n, *right[1:])


def solution_sizes(reader: LengthReader, node: Apply, b: Variable) -> tuple[Expr, Expr]:
    """The number of unknowns and of right-hand sides."""
    lengths = reader.lengths(node.out)
    return (lengths[-1], loops.ONE) if b.ndim == 1 else (lengths[-2], lengths[-1])


def solution_products(back: Variable, x: Variable, b: Variable, transposed: bool) -> Variable:
    """back xᵀ (xᵀ back if transposed): minus what flows back to the matrix of a solve."""
    if b.ndim == 1:
        back, x = (dimshuffle(v, *range(v.ndim), "x") for v in (back, x))
    return matmul(x, matrix_transpose(back)) if transposed else matmul(back, matrix_transpose(x))
