"""Orthogonal and triangular factors of matrices: QR."""

from __future__ import annotations

from typing import Any

import numpy as np

from probgraph.engine import loops
from probgraph.engine.graph import Apply, Variable
from probgraph.engine.loops import Expr, Kernel
from probgraph.engine.op import LengthReader
from probgraph.engine.ops.diagonals import matrix_transpose, tril
from probgraph.engine.ops.matrices import (
    MatrixKernel,
    check_matrix,
    geqrf,
    kernels,
    matrices,
    orgqr,
    over_batch,
)
from probgraph.engine.ops.products import matmul
from probgraph.engine.ops.shape import concatenate, length
from probgraph.engine.ops.triangular import SolveTriangular
from probgraph.engine.types import TensorType, describe

_QR_C = r"""
/* Householder's reflections, column by column; q has `wide` columns and r as many rows. */
static int pg_qr_T(const T *restrict a, T *restrict q, T *restrict r, int64_t m, int64_t n, int64_t wide) {
    const int64_t k = m < n ? m : n, most = n > wide ? n : wide;
    for (int64_t i = 0; i < m * wide; i++) q[i] = 0;
    for (int64_t i = 0; i < wide * n; i++) r[i] = 0;
    for (int64_t i = 0; k == 0 && i < m && i < wide; i++) q[i * wide + i] = 1;
    if (k == 0) return 0;
    const int64_t space = 64 * most;
    T *columns = __builtin_malloc((m * most + k + space) * sizeof(T));
    if (!columns) return 1;
    T *scales = columns + m * most, *work = scales + k;
    for (int64_t i = 0; i < m; i++) for (int64_t j = 0; j < n; j++) columns[j * m + i] = a[i * n + j];
    int rows = (int)m, count = (int)n, few = (int)k, all = (int)wide, room = (int)space, info = 0;
    LAPACK(geqrf)(&rows, &count, columns, &rows, scales, work, &room, &info);
    for (int64_t i = 0; i < k; i++) for (int64_t j = i; j < n; j++) r[i * n + j] = columns[j * m + i];
    if (info == 0) LAPACK(orgqr)(&rows, &all, &few, columns, &rows, scales, work, &room, &info);
    for (int64_t i = 0; i < m; i++) for (int64_t j = 0; j < wide; j++) q[i * wide + j] = columns[j * m + i];
    __builtin_free(columns);
    return info != 0;
}
"""


def _qr_python(arrays: list[np.ndarray], sizes: list[int]) -> int:
    m, n, wide = sizes
    a, q, r = arrays
    mode = "reduced" if wide == min(m, n) else "complete"
    factors = np.linalg.qr(a[: m * n].reshape(m, n), mode)
    q[: m * wide], r[: wide * n] = (f.reshape(-1) for f in factors)
    return 0


_QR = kernels("pg_qr", _QR_C, _qr_python, [geqrf, orgqr])


class QR(MatrixKernel):
    """Q with orthonormal columns and R upper triangular, A = Q R. `complete`: Q is square."""

    __props__ = ("complete",)
    made = (2, 2)
    square = False

    def __init__(self, complete: bool = False) -> None:
        self.complete = complete

    def infer_type(self, a: Variable) -> list[TensorType]:
        check_matrix("qr", a, square=False)
        *batch, m, n = a.type.shape
        wide = m if self.complete else None if m is None or n is None else min(m, n)
        return [TensorType(a.dtype, (*batch, m, wide)), TensorType(a.dtype, (*batch, wide, n))]

    def numpy(self, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return over_batch(self._one, (2,), [a])

    def _one(self, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with np.errstate(all="ignore"):
            q, r = np.linalg.qr(a, "complete" if self.complete else "reduced")
        return q, r

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        """Walter & Lehmann (2013), Algorithmic differentiation of linear algebra functions; a wide matrix is its
        square part, and the rest, which is Qᵀ times that of A.
        """
        (gq, gr), (q, r), (a,) = cotangents, outputs, inputs
        m, n = a.type.shape[-2:]
        if self.complete and not (m is not None and n is not None and m <= n):
            raise NotImplementedError(
                f"qr of {describe([a.type])} with mode='complete' has no gradient: use mode='reduced'"
            )
        if m is not None and n is not None and m >= n:
            return [_tall(gq, gr, q, r)]
        rows = length(a, -2)
        square, rest = r[..., :, :rows], gr[..., :, rows:]
        gq = gq + matmul(a[..., :, rows:], matrix_transpose(rest))
        return [concatenate([_tall(gq, gr[..., :, :rows], q, square), matmul(q, rest)], axis=-1)]

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        *batch, m, n = reader.lengths(node.inputs[0])
        wide = m if self.complete else loops.minimum(m, n)
        return [(*batch, m, wide), (*batch, wide, n)]

    def kernel(self, reader: LengthReader, node: Apply) -> tuple[Kernel, tuple[Expr, ...], Any, str]:
        m, n = reader.lengths(node.inputs[0])[-2:]
        wide = reader.lengths(node.outputs[0])[-1]
        return _QR[node.outputs[0].dtype], (m, n, wide), np.linalg.LinAlgError, "qr failed"


def _tall(gq: Variable, gr: Variable, q: Variable, r: Variable) -> Variable:
    """What flows back to a matrix with at least as many rows as columns."""
    m = matmul(r, matrix_transpose(gr)) - matmul(matrix_transpose(gq), q)
    symmetric = tril(m) + matrix_transpose(tril(m, -1))
    # Rᵀ from the right: R X = (...)ᵀ from the left.
    turned = SolveTriangular(False, False, False)(r, matrix_transpose(gq + matmul(q, symmetric)))
    return matrix_transpose(turned)


def qr(a: Any, mode: str = "reduced") -> Any:
    """Q (..., m, k) with orthonormal columns and R (..., k, n), upper triangular, with a = Q R; k = min(m, n).

    `mode` is NumPy's: "reduced", "complete" (k = m) or "r" (R alone). The gradient needs the first k columns
    to be independent, and in mode "complete" no more rows than columns.
    """
    if mode not in ("reduced", "complete", "r"):
        raise ValueError(f"qr: mode is 'reduced', 'complete' or 'r', got {mode!r}")
    (a,) = matrices("qr", a)
    factors = QR(mode == "complete")(a)
    return factors[1] if mode == "r" else factors
