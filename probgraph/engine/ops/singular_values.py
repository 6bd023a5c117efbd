"""The singular value decomposition, and what is made of it: pseudo-inverses and least squares."""

from __future__ import annotations

from typing import Any

import numpy as np

from probgraph.engine import loops
from probgraph.engine.graph import Apply, Variable
from probgraph.engine.loops import Expr, Kernel
from probgraph.engine.op import LengthReader, as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.diagonals import alloc_diag, matrix_transpose
from probgraph.engine.ops.matrices import (
    Composite,
    MatrixKernel,
    check_matrix,
    gesdd,
    kernels,
    matrices,
    over_batch,
)
from probgraph.engine.ops.products import matmul
from probgraph.engine.ops.reduce import reduce
from probgraph.engine.ops.shape import dimshuffle, length
from probgraph.engine.types import TensorType, describe

_SVD_C = r"""
/* To LAPACK our matrix is its transpose, so that its left vectors are our right ones. `u` has ku columns, `vt` kv
   rows: the shorter side's, or all of them. */
static int NAME_T(const T *restrict a, OUTPUTS int64_t m, int64_t n, int64_t full) {
    const int64_t k = m < n ? m : n;
    FULL
    if (k == 0) return 0;
    for (int64_t i = 0; i < m * n; i++) if (!(a[i] - a[i] == 0)) return 1;
    int rows = (int)n, columns = (int)m, room = -1, info = 0, few = (int)(full ? m : k);
    T best = 0, *copy = __builtin_malloc(m * n * sizeof(T));
    int *whole = __builtin_malloc(8 * k * sizeof(int));
    if (!copy || !whole) { __builtin_free(copy); __builtin_free(whole); return 1; }
    __builtin_memcpy(copy, a, m * n * sizeof(T));
    LAPACK(gesdd)(JOB, &rows, &columns, copy, &rows, s, VT, &rows, U, &few, &best, &room, whole, &info);
    room = (int)(best * 1.01) + 1;
    T *work = __builtin_malloc(room * sizeof(T));
    if (work) LAPACK(gesdd)(JOB, &rows, &columns, copy, &rows, s, VT, &rows, U, &few, work, &room, whole, &info);
    else info = 1;
    __builtin_free(work);
    __builtin_free(whole);
    __builtin_free(copy);
    return info != 0;
}
"""
_EMPTY_FULL = r"""if (k == 0 && full) {
        for (int64_t i = 0; i < m * m; i++) u[i] = i / m == i % m;
        for (int64_t i = 0; i < n * n; i++) vt[i] = i / n == i % n;
    }"""


def _svd(a: np.ndarray, full: bool, vectors: bool) -> Any:
    if not np.isfinite(a).all():
        return None
    try:
        return tuple(np.linalg.svd(a, full, True)) if vectors else np.linalg.svd(a, full, False)
    except np.linalg.LinAlgError:
        return None


def _svd_python(arrays: list[np.ndarray], sizes: list[int]) -> int:
    m, n, full = sizes
    vectors = len(arrays) > 2
    found = _svd(arrays[0][: m * n].reshape(m, n), bool(full), vectors)
    if found is None:
        return 1
    for array, result in zip(arrays[1:], found if vectors else (found,), strict=True):
        array[: result.size] = result.reshape(-1)
    return 0


_SVD = kernels(
    "pg_svd",
    _SVD_C.replace("NAME", "pg_svd")
    .replace("OUTPUTS", "T *restrict u, T *restrict s, T *restrict vt,")
    .replace("FULL", _EMPTY_FULL)
    .replace("JOB", 'full ? "A" : "S"')
    .replace("VT", "vt")
    .replace("U, &few", "u, &few"),
    _svd_python,
    [gesdd],
)
_SVDVALS = kernels(
    "pg_svdvals",
    _SVD_C.replace("NAME", "pg_svdvals")
    .replace("OUTPUTS", "T *restrict s,")
    .replace("FULL", "")
    .replace("JOB", '"N"')
    .replace("VT", "(T *)0")
    .replace("U, &few", "(T *)0, &few"),
    _svd_python,
    [gesdd],
)
_UNSOLVED = "svd: the matrix is not finite, or its singular values did not converge"


class SVD(MatrixKernel):
    """U, s and Vᵀ with A = U diag(s) Vᵀ; only s without `vectors`. `full`: U and V are square."""

    __props__ = ("full", "vectors")
    square = False

    def __init__(self, full: bool = False, vectors: bool = True) -> None:
        self.full = full
        self.vectors = vectors
        self.made = (2, 1, 2) if vectors else (1,)

    def infer_type(self, a: Variable) -> list[TensorType]:
        check_matrix("svd", a, square=False)
        *batch, m, n = a.type.shape
        k = None if m is None or n is None else min(m, n)
        if m == 1 or n == 1:
            k = 1 if 0 not in (m, n) and None not in (m, n) else k
        left, right = (m, n) if self.full else (k, k)
        shapes = ((*batch, m, left), (*batch, k), (*batch, right, n))
        return [TensorType(a.dtype, shape) for shape in (shapes if self.vectors else shapes[1:2])]

    def numpy(self, a: np.ndarray) -> Any:
        return over_batch(self._one, (2,), [a])

    def _one(self, a: np.ndarray) -> Any:
        found = _svd(a, self.full, self.vectors)
        if found is None:
            raise np.linalg.LinAlgError(_UNSOLVED)
        return found

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        """Townsend (2016), Differentiating the singular value decomposition.

        Where singular values are equal or zero their vectors are not determined: what depends on the choice
        counts as 0.
        """
        (a,) = inputs
        if not self.vectors:
            u, _, vt = SVD()(a)
            return [matmul(u * _row(cotangents[0]), vt)]
        if self.full and not _is_square(a):
            raise NotImplementedError(
                f"svd of {describe([a.type])} with full_matrices=True has no gradient: use full_matrices=False"
            )
        (gu, gs, gvt), (u, s, vt) = cotangents, outputs
        v, gv = matrix_transpose(vt), matrix_transpose(gvt)
        squares = ew.sqr(s)
        gaps = _row(squares) - _column(squares)
        weights = _inverse(gaps)
        inverse = _inverse(s)
        left = weights * _twist(matmul(matrix_transpose(u), gu))
        right = weights * _twist(matmul(vt, gv))
        inner = left * _row(s) + _column(s) * right + alloc_diag(gs)
        flow = matmul(matmul(u, inner), vt)
        # What the columns of U and V do not span.
        gu_rest = (gu - matmul(u, matmul(matrix_transpose(u), gu))) * _row(inverse)
        gv_rest = (gv - matmul(v, matmul(vt, gv))) * _row(inverse)
        return [flow + matmul(gu_rest, vt) + matmul(u, matrix_transpose(gv_rest))]

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        *batch, m, n = reader.lengths(node.inputs[0])
        k = loops.minimum(m, n)
        left, right = (m, n) if self.full else (k, k)
        shapes = [(*batch, m, left), (*batch, k), (*batch, right, n)]
        return shapes if self.vectors else shapes[1:2]

    def kernel(self, reader: LengthReader, node: Apply) -> tuple[Kernel, tuple[Expr, ...], Any, str]:
        m, n = reader.lengths(node.inputs[0])[-2:]
        kernel = (_SVD if self.vectors else _SVDVALS)[node.outputs[0].dtype]
        return kernel, (m, n, loops.integer(self.full)), np.linalg.LinAlgError, _UNSOLVED


def _is_square(a: Variable) -> bool:
    n, m = a.type.shape[-2:]
    return n is not None and n == m


def _row(x: Variable) -> Variable:
    return dimshuffle(x, *range(x.ndim - 1), "x", x.ndim - 1)


def _column(x: Variable) -> Variable:
    return dimshuffle(x, *range(x.ndim), "x")


def _twist(x: Variable) -> Variable:
    return x - matrix_transpose(x)


def _inverse(x: Variable) -> Variable:
    """1 / x, and 0 where x is 0."""
    there = ew.neq(x, 0)
    return ew.switch(there, 1 / ew.switch(there, x, ew.ones_like(x)), ew.zeros_like(x))


def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """U (..., m, k), s (..., k), descending, and Vᵀ (..., k, n) with a = U diag(s) Vᵀ; k = min(m, n).

    With full_matrices (as in NumPy the default) U is (m, m) and Vᵀ (n, n), and there is no gradient unless a is
    known to be square; compute_uv=False gives s alone. The sign of a pair of vectors is not determined. Raises
    LinAlgError at the call if a matrix is not finite.
    """
    (a,) = matrices("svd", a)
    return SVD(bool(full_matrices), True)(a) if compute_uv else SVD(False, False)(a)


# ------------------------------------------------------------------------------------ pseudo-inverses


class PseudoInverse(Composite):
    """Moore and Penrose's inverse; singular values up to `rcond` times the largest count as 0."""

    __props__ = ("rcond",)
    square = False

    def __init__(self, rcond: float) -> None:
        self.rcond = rcond

    def infer_type(self, a: Variable) -> list[TensorType]:
        check_matrix("pinv", a, square=False)
        *batch, m, n = a.type.shape
        return [TensorType(a.dtype, (*batch, n, m))]

    def numpy(self, a: np.ndarray) -> np.ndarray:
        if a.shape[-1] == 0 or a.shape[-2] == 0:
            return np.zeros((*a.shape[:-2], a.shape[-1], a.shape[-2]), a.dtype)
        if not np.isfinite(a).all():
            raise np.linalg.LinAlgError(_UNSOLVED)
        return np.linalg.pinv(a, self.rcond)

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        """Golub & Pereyra (1973), The differentiation of pseudo-inverses, eq. 4.12 (the rank being locally fixed)."""
        (g,), (y,), (a,) = cotangents, outputs, inputs
        gt, yt = matrix_transpose(g), matrix_transpose(y)
        beside = matmul(gt, matmul(y, yt))
        below = matmul(matmul(yt, y), gt)
        flow = beside - matmul(a, matmul(y, beside)) + below - matmul(matmul(below, y), a)
        return [flow - matmul(matmul(yt, g), yt)]

    def expand(self, a: Variable) -> Variable:
        u, s, vt = SVD()(a)
        kept = ew.gt(s, ew.cast(self.rcond, a.dtype) * reduce("supremum", s, -1, keepdims=True))
        inverse = ew.switch(kept, 1 / ew.switch(kept, s, ew.ones_like(s)), ew.zeros_like(s))
        return matmul(matrix_transpose(vt) * _row(inverse), matrix_transpose(u))


def pinv(a: Any, rcond: float = 1e-15, hermitian: bool = False) -> Variable:
    """The pseudo-inverse (..., n, m) of matrices (..., m, n), of any rank.

    Singular values up to `rcond` times the largest count as 0. The gradient holds where the rank does not
    change. Raises LinAlgError at the call if a matrix is not finite.
    """
    if hermitian:
        raise NotImplementedError("pinv: hermitian=True is not supported: the general way gives the same")
    (a,) = matrices("pinv", a)
    return PseudoInverse(float(rcond))(a)


def lstsq(a: Any, b: Any, rcond: float | None = None) -> list[Variable]:
    """x that makes |b - a x| least: [x, residuals, rank, singular values], as NumPy's.

    a is (m, n), b (m,) or (m, k). Singular values up to `rcond` (the precision times max(m, n)) times the
    largest count as 0; of several solutions x is the shortest. Other than in NumPy the residuals, sums of
    squares, are there also where the rank is not full.
    """
    a, b = matrices("lstsq", a, b)
    if a.ndim != 2 or b.ndim not in (1, 2):
        raise ValueError(
            f"lstsq takes a matrix and a vector or matrix, got {describe([a.type, b.type])}: for stacks use matmul(pinv(a), b)"
        )
    if rcond is None:
        m, n = a.type.shape
        if m is None or n is None:
            raise NotImplementedError(
                f"lstsq: {describe([a.type])} has unknown lengths, on which NumPy's rcond depends: give rcond"
            )
        rcond = float(np.finfo(a.dtype).eps) * max(m, n)
    x = matmul(pinv(a, rcond), b)
    s = svd(a, compute_uv=False)
    residuals = ew.sqr(b - matmul(a, x)).sum(axis=0, keepdims=b.ndim == 1)
    cut = ew.cast(rcond, a.dtype) * reduce("supremum", s, -1)
    rank = ew.cast(ew.gt(s, cut), "int32").sum(dtype="int32")
    return [x, residuals, rank, s]


def matrix_rank(a: Any, tol: Any = None) -> Variable:
    """The number of singular values above `tol` (the largest times max(m, n) times the precision)."""
    (a,) = matrices("matrix_rank", a)
    s = svd(a, compute_uv=False)
    if tol is None:
        longest = ew.maximum(as_variable(length(a, -2)), as_variable(length(a, -1)))
        tol = (
            reduce("supremum", s, -1, keepdims=True)
            * ew.cast(longest, a.dtype)
            * float(np.finfo(a.dtype).eps)
        )
    return ew.cast(ew.gt(s, tol), "int64").sum(axis=-1)
