"""Gaussian elimination in C: the factors of a matrix, and solves and inverses from them.

These operations are what `solve`, `inv`, `det` and their kin become when they are compiled. The factors of one
matrix are one node of the graph, so a value and its gradient, a solve and a determinant share one elimination.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from probgraph.engine import loops
from probgraph.engine.graph import Apply, Variable
from probgraph.engine.loops import Expr, Kernel
from probgraph.engine.op import LengthReader
from probgraph.engine.ops.matrices import (
    MatrixKernel,
    check_matrix,
    getrf,
    getri,
    getrs,
    kernels,
    over_batch,
    side,
)
from probgraph.engine.ops.triangular import solution_lengths, solution_sizes, solution_type
from probgraph.engine.types import TensorType

# Everything here sees the memory of a matrix as LAPACK does, column by column: what is factored is Aᵀ.

_FACTOR_C = r"""
/* Elimination with row exchanges (Golub & Van Loan, Matrix Computations, 3.4.1), column by column. */
static int pg_eliminate_T(const T *restrict a, T *restrict f, int32_t *restrict pivots, int64_t n) {
    __builtin_memcpy(f, a, n * n * sizeof(T));
    if (n >= CROSSING) {
        int size = (int)n, info = 0;
        LAPACK(getrf)(&size, &size, f, &size, pivots, &info);
        return 0;
    }
    for (int64_t k = 0; k < n; k++) {
        T *column = f + k * n;
        int64_t p = k;
        for (int64_t i = k + 1; i < n; i++)
            if ((column[i] < 0 ? -column[i] : column[i]) > (column[p] < 0 ? -column[p] : column[p])) p = i;
        pivots[k] = (int32_t)(p + 1);
        if (column[p] == 0) continue;
        if (p != k) for (int64_t j = 0; j < n; j++) {
            const T t = f[j * n + k];
            f[j * n + k] = f[j * n + p];
            f[j * n + p] = t;
        }
        const T d = column[k];
        for (int64_t i = k + 1; i < n; i++) column[i] /= d;
        for (int64_t j = k + 1; j < n; j++) {
            T *restrict other = f + j * n;
            const T factor = other[k];
            _Pragma("omp simd")
            for (int64_t i = k + 1; i < n; i++) other[i] -= column[i] * factor;
        }
    }
    return 0;
}
"""

_SOLVE_C = r"""
/* The factors are those of the transpose, so that solving with the matrix itself goes through Uᵀ, then Lᵀ. */
static void pg_eliminated_one_T(const T *restrict f, const int32_t *restrict pivots, T *restrict x, int64_t n,
                                int64_t transposed) {
    if (transposed) {
        for (int64_t i = 0; i < n; i++) {
            const int64_t p = pivots[i] - 1;
            const T t = x[i];
            x[i] = x[p];
            x[p] = t;
        }
        for (int64_t k = 0; k < n; k++) {
            const T xk = x[k];
            _Pragma("omp simd")
            for (int64_t i = k + 1; i < n; i++) x[i] -= f[k * n + i] * xk;
        }
        for (int64_t k = n - 1; k >= 0; k--) {
            const T xk = x[k] /= f[k * n + k];
            _Pragma("omp simd")
            for (int64_t i = 0; i < k; i++) x[i] -= f[k * n + i] * xk;
        }
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        T s = 0;
        _Pragma("omp simd reduction(+:s)")
        for (int64_t k = 0; k < i; k++) s += f[i * n + k] * x[k];
        x[i] = (x[i] - s) / f[i * n + i];
    }
    for (int64_t i = n - 1; i >= 0; i--) {
        T s = 0;
        _Pragma("omp simd reduction(+:s)")
        for (int64_t k = i + 1; k < n; k++) s += f[i * n + k] * x[k];
        x[i] -= s;
    }
    for (int64_t i = n - 1; i >= 0; i--) {
        const int64_t p = pivots[i] - 1;
        const T t = x[i];
        x[i] = x[p];
        x[p] = t;
    }
}
static int pg_eliminated_T(const T *restrict f, const int32_t *restrict pivots, const T *restrict b, T *restrict x,
                           int64_t n, int64_t m, int64_t transposed) {
    for (int64_t i = 0; i < n; i++) if (f[i * n + i] == 0) return 1;
    if (n == 0 || m == 0) return 0;
    if (m == 1) {
        for (int64_t i = 0; i < n; i++) x[i] = b[i];
        pg_eliminated_one_T(f, pivots, x, n, transposed);
        return 0;
    }
    T *columns = __builtin_malloc(n * m * sizeof(T));
    if (!columns) return 1;
    for (int64_t i = 0; i < n; i++) for (int64_t c = 0; c < m; c++) columns[c * n + i] = b[i * m + c];
    if (n >= CROSSING) {
        int size = (int)n, count = (int)m, info = 0;
        LAPACK(getrs)(transposed ? "N" : "T", &size, &count, (T *)f, &size, (int *)pivots, columns, &size, &info);
    }
    else for (int64_t c = 0; c < m; c++) pg_eliminated_one_T(f, pivots, columns + c * n, n, transposed);
    for (int64_t i = 0; i < n; i++) for (int64_t c = 0; c < m; c++) x[i * m + c] = columns[c * n + i];
    __builtin_free(columns);
    return 0;
}
"""

_INVERT_C = r"""
/* Column c of the inverse of the transpose is row c of ours. */
static int pg_invert_T(const T *restrict f, const int32_t *restrict pivots, T *restrict x, int64_t n) {
    for (int64_t i = 0; i < n; i++) if (f[i * n + i] == 0) return 1;
    if (n >= CROSSING) {
        int size = (int)n, room = (int)n * 64, info = 0;
        T *work = __builtin_malloc(room * sizeof(T));
        if (!work) return 1;
        __builtin_memcpy(x, f, n * n * sizeof(T));
        LAPACK(getri)(&size, x, &size, (int *)pivots, work, &room, &info);
        __builtin_free(work);
        return info != 0;
    }
    for (int64_t c = 0; c < n; c++) {
        T *restrict column = x + c * n;
        for (int64_t i = 0; i < n; i++) column[i] = i == c;
        for (int64_t i = 0; i < n; i++) {
            const int64_t p = pivots[i] - 1;
            const T t = column[i];
            column[i] = column[p];
            column[p] = t;
        }
        for (int64_t k = 0; k < n; k++) {
            const T xk = column[k];
            if (xk != 0) {
                _Pragma("omp simd")
                for (int64_t i = k + 1; i < n; i++) column[i] -= f[k * n + i] * xk;
            }
        }
        for (int64_t k = n - 1; k >= 0; k--) {
            const T xk = column[k] /= f[k * n + k];
            _Pragma("omp simd")
            for (int64_t i = 0; i < k; i++) column[i] -= f[k * n + i] * xk;
        }
    }
    return 0;
}
"""

# From these sizes on LAPACK is faster. Loops and LAPACK took, in µs: to factor 2.1 and 2.3 at 24, 4.1 and 4.0 at 32,
# 25 and 16 at 64; to solve with 4 right-hand sides 0.14 and 0.18 at 4, 0.43 and 0.35 at 8; to invert 0.11 and 0.20 at 4,
# 0.55 and 0.47 at 8.
_FACTOR_CROSSING = 32
_SOLVE_CROSSING = 6
_INVERT_CROSSING = 8


def _lapack(name: str, dtype: np.dtype) -> Any:
    # SciPy's linear algebra, on first use: importing it would double the import time of the package.
    module = importlib.import_module("scipy.linalg.lapack")
    return getattr(module, ("d" if dtype == np.float64 else "s") + name)


def _factored(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if a.size == 0:
        return a, np.zeros(0, "int32")
    f, pivots, _ = _lapack("getrf", a.dtype)(a.T)
    return np.ascontiguousarray(f.T), (pivots + 1).astype("int32")


def _solved(f: np.ndarray, pivots: np.ndarray, b: np.ndarray, transposed: bool) -> np.ndarray | None:
    if (np.diagonal(f) == 0).any():
        return None
    if b.size == 0:
        return np.array(b)
    x, _ = _lapack("getrs", f.dtype)(f.T, pivots - 1, b, trans=0 if transposed else 1)
    return np.ascontiguousarray(x)


def _factor_python(arrays: list[np.ndarray], sizes: list[int]) -> int:
    (n,) = sizes
    a, f, pivots = arrays
    factors, exchanges = _factored(a[: n * n].reshape(n, n))
    f[: n * n] = factors.reshape(-1)
    pivots[:n] = exchanges
    return 0


def _solve_python(arrays: list[np.ndarray], sizes: list[int]) -> int:
    n, m, transposed = sizes
    f, pivots, b, x = arrays
    result = _solved(f[: n * n].reshape(n, n), pivots[:n], b[: n * m].reshape(n, m), bool(transposed))
    if result is None:
        return 1
    x[: n * m] = result.reshape(-1)
    return 0


def _invert_python(arrays: list[np.ndarray], sizes: list[int]) -> int:
    (n,) = sizes
    f, pivots, x = arrays
    identity = np.eye(n, dtype=f.dtype)
    result = _solved(f[: n * n].reshape(n, n), pivots[:n], identity, False)
    if result is None:
        return 1
    x[: n * n] = result.reshape(-1)
    return 0


_FACTOR = kernels(
    "pg_eliminate", _FACTOR_C.replace("CROSSING", str(_FACTOR_CROSSING)), _factor_python, [getrf]
)
_SOLVE = kernels("pg_eliminated", _SOLVE_C.replace("CROSSING", str(_SOLVE_CROSSING)), _solve_python, [getrs])
_INVERT = kernels("pg_invert", _INVERT_C.replace("CROSSING", str(_INVERT_CROSSING)), _invert_python, [getri])


class Eliminate(MatrixKernel):
    """The factors of Aᵀ as LAPACK's getrf has them in memory, and its row exchanges (int32, from 1). Never fails."""

    made = (2, 1)

    def infer_type(self, a: Variable) -> list[TensorType]:
        check_matrix("eliminate", a)
        batch, n = a.type.shape[:-2], side(a)
        return [TensorType(a.dtype, (*batch, n, n)), TensorType("int32", (*batch, n))]

    def numpy(self, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return over_batch(_factored, (2,), [a])

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        *batch, n, m = reader.lengths(node.inputs[0])
        n = reader.unify(node, n, m)
        return [(*batch, n, n), (*batch, n)]

    def kernel(self, reader: LengthReader, node: Apply) -> tuple[Kernel, tuple[Expr, ...], Any, str]:
        sizes = (reader.lengths(node.outputs[0])[-1],)
        return _FACTOR[node.outputs[0].dtype], sizes, np.linalg.LinAlgError, "eliminate failed"


class SolveEliminated(MatrixKernel):
    """x with A x = b (or Aᵀ x = b) from the factors of A. `who` is to be named if A is singular."""

    __props__ = ("transposed", "who")

    def __init__(self, transposed: bool, who: str = "solve") -> None:
        self.transposed = transposed
        self.who = who

    def cores(self, inputs: Sequence[Variable]) -> tuple[int, ...]:
        return 2, 1, min(inputs[2].ndim, 2)

    def mades(self, inputs: Sequence[Variable]) -> tuple[int, ...]:
        return (min(inputs[2].ndim, 2),)

    def infer_type(self, f: Variable, pivots: Variable, b: Variable) -> list[TensorType]:
        return [solution_type(self.who, f, b)]

    def numpy(self, f: np.ndarray, pivots: np.ndarray, b: np.ndarray) -> np.ndarray:
        return over_batch(self._one, (2, 1, min(b.ndim, 2)), [f, pivots, b])

    def _one(self, f: np.ndarray, pivots: np.ndarray, b: np.ndarray) -> np.ndarray:
        x = _solved(f, pivots, b, self.transposed)
        if x is None:
            raise np.linalg.LinAlgError(singular(self.who))
        return x

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        f, pivots, b = node.inputs
        reader.unify(node, reader.lengths(f)[-1], reader.lengths(pivots)[-1])
        return [solution_lengths(self, reader, node, f, b)]

    def kernel(self, reader: LengthReader, node: Apply) -> tuple[Kernel, tuple[Expr, ...], Any, str]:
        sizes = (*solution_sizes(reader, node, node.inputs[2]), loops.integer(self.transposed))
        return _SOLVE[node.out.dtype], sizes, np.linalg.LinAlgError, singular(self.who)


class InvertEliminated(MatrixKernel):
    """The inverse of a matrix from its factors."""

    core = (2, 1)

    def infer_type(self, f: Variable, pivots: Variable) -> list[TensorType]:
        return [f.type]

    def numpy(self, f: np.ndarray, pivots: np.ndarray) -> np.ndarray:
        return over_batch(self._one, (2, 1), [f, pivots])

    def _one(self, f: np.ndarray, pivots: np.ndarray) -> np.ndarray:
        x = _solved(f, pivots, np.eye(len(f), dtype=f.dtype), False)
        if x is None:
            raise np.linalg.LinAlgError(singular("inv"))
        return x

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        return [reader.lengths(node.inputs[0])]

    def kernel(self, reader: LengthReader, node: Apply) -> tuple[Kernel, tuple[Expr, ...], Any, str]:
        sizes = (reader.lengths(node.out)[-1],)
        return _INVERT[node.out.dtype], sizes, np.linalg.LinAlgError, singular("inv")


def singular(who: str) -> str:
    """What a LinAlgError says."""
    return f"{who}: the matrix is singular"
