"""The LU factors of matrices as SciPy gives them: a permutation, a lower and an upper triangle."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from probgraph.engine import loops
from probgraph.engine.graph import Apply, Variable
from probgraph.engine.loops import Expr, Kernel
from probgraph.engine.op import LengthReader
from probgraph.engine.ops.diagonals import matrix_transpose, tril, triu
from probgraph.engine.ops.matrices import (
    MatrixKernel,
    check_matrix,
    getrf,
    kernels,
    matrices,
    over_batch,
)
from probgraph.engine.ops.products import matmul
from probgraph.engine.ops.triangular import SolveTriangular
from probgraph.engine.types import TensorType, describe

_LU_C = r"""
static int pg_lu_T(const T *restrict a, T *restrict p, T *restrict l, T *restrict u, int64_t m, int64_t n) {
    const int64_t k = m < n ? m : n;
    int64_t *order = __builtin_malloc((m + 1) * sizeof(int64_t));
    int *pivots = __builtin_malloc((k + 1) * sizeof(int));
    T *f = __builtin_malloc((m * n + 1) * sizeof(T));
    if (!order || !pivots || !f) { __builtin_free(f); __builtin_free(pivots); __builtin_free(order); return 1; }
    for (int64_t i = 0; i < m; i++) for (int64_t j = 0; j < n; j++) f[j * m + i] = a[i * n + j];
    int rows = (int)m, columns = (int)n, info = 0;
    if (k) LAPACK(getrf)(&rows, &columns, f, &rows, pivots, &info);
    for (int64_t i = 0; i < m; i++) order[i] = i;
    for (int64_t i = 0; i < k; i++) {
        const int64_t other = pivots[i] - 1, t = order[i];
        order[i] = order[other];
        order[other] = t;
    }
    for (int64_t i = 0; i < m * m; i++) p[i] = 0;
    for (int64_t i = 0; i < m; i++) p[order[i] * m + i] = 1;
    for (int64_t i = 0; i < m; i++) for (int64_t j = 0; j < k; j++) l[i * k + j] = i > j ? f[j * m + i] : i == j;
    for (int64_t i = 0; i < k; i++) for (int64_t j = 0; j < n; j++) u[i * n + j] = i > j ? 0 : f[j * m + i];
    __builtin_free(f);
    __builtin_free(pivots);
    __builtin_free(order);
    return 0;
}
"""


def _lu(a: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    m, n = a.shape
    if a.size == 0:
        return np.eye(m, dtype=a.dtype), np.eye(m, 0, dtype=a.dtype), np.eye(0, n, dtype=a.dtype)
    # SciPy's linear algebra, on first use: importing it would double the import time of the package.
    p, l, u = importlib.import_module("scipy.linalg").lu(a, check_finite=False)
    return p.astype(a.dtype), l, u


def _python(arrays: list[np.ndarray], sizes: list[int]) -> int:
    m, n = sizes
    for array, factor in zip(arrays[1:], _lu(arrays[0][: m * n].reshape(m, n)), strict=True):
        array[: factor.size] = factor.reshape(-1)
    return 0


_LU = kernels("pg_lu", _LU_C, _python, [getrf])


class LU(MatrixKernel):
    """P, L and U with A = P L U: rows exchanged so that no element of L is larger than 1."""

    made = (2, 2, 2)
    square = False

    def infer_type(self, a: Variable) -> list[TensorType]:
        check_matrix("lu", a, square=False)
        *batch, m, n = a.type.shape
        k = None if m is None or n is None else min(m, n)
        return [TensorType(a.dtype, (*batch, *shape)) for shape in ((m, m), (m, k), (k, n))]

    def numpy(self, a: np.ndarray) -> tuple[np.ndarray, ...]:
        return over_batch(_lu, (2,), [a])

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        """Walter & Lehmann (2013), Algorithmic differentiation of linear algebra functions; P moves in jumps."""
        (_, gl, gu), (p, l, u), (a,) = cotangents, outputs, inputs
        m, n = a.type.shape[-2:]
        if m is not None and n is not None and m != n:
            raise NotImplementedError(f"lu of {describe([a.type])} has no gradient: only of square matrices")
        inner = tril(matmul(matrix_transpose(l), gl), -1) + triu(matmul(gu, matrix_transpose(u)))
        left = SolveTriangular(True, True, True)(l, inner)
        both = SolveTriangular(False, False, False)(u, matrix_transpose(left))
        return [matmul(p, matrix_transpose(both))]

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        *batch, m, n = reader.lengths(node.inputs[0])
        k = loops.minimum(m, n)
        return [(*batch, m, m), (*batch, m, k), (*batch, k, n)]

    def kernel(self, reader: LengthReader, node: Apply) -> tuple[Kernel, tuple[Expr, ...], Any, str]:
        sizes = reader.lengths(node.inputs[0])[-2:]
        return _LU[node.outputs[0].dtype], sizes, np.linalg.LinAlgError, "lu failed"


def lu(a: Any, permute_l: bool = False) -> list[Variable]:
    """[P, L, U] with a = P L U of matrices (..., m, n): P (m, m) a permutation, L (m, k) lower triangular with ones
    on its diagonal, U (k, n) upper triangular, k = min(m, n). With permute_l, [P L, U].

    The gradient is that of square matrices that are not singular.
    """
    (a,) = matrices("lu", a)
    p, l, u = LU()(a)
    return [matmul(p, l), u] if permute_l else [p, l, u]
