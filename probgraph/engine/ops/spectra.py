"""Eigenvalues and eigenvectors: of symmetric matrices with gradients, of any real matrix as complex values."""

from __future__ import annotations

from typing import Any

import numpy as np

from probgraph.engine import loops
from probgraph.engine.graph import Apply, Variable
from probgraph.engine.loops import Expr, Kernel
from probgraph.engine.op import LengthReader
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.diagonals import alloc_diag, diagonal, eye, matrix_transpose, tril, triu
from probgraph.engine.ops.matrices import (
    MatrixKernel,
    check_matrix,
    geev,
    kernels,
    matrices,
    over_batch,
    side,
    syevd,
)
from probgraph.engine.ops.products import matmul
from probgraph.engine.ops.shape import dimshuffle, join, length
from probgraph.engine.ops.solves import Solve
from probgraph.engine.types import TensorType

# ------------------------------------------------------------------------------------ symmetric matrices

_EIGH_C = r"""
/* LAPACK gets the matrix column by column, and one triangle is read. Workspace as it asks for. */
static int NAME_T(const T *restrict a, T *restrict w, OUTPUT int64_t n, int64_t lower) {
    if (n == 0) return 0;
    int size = (int)n, info = 0, room = -1, whole_room = -1, whole_best = 0;
    T best = 0, *m = __builtin_malloc(n * n * sizeof(T));
    if (!m) return 1;
    for (int64_t i = 0; i < n; i++) for (int64_t j = 0; j < n; j++) {
        m[j * n + i] = a[i * n + j];
        if ((lower ? j <= i : j >= i) && !(a[i * n + j] - a[i * n + j] == 0)) { __builtin_free(m); return 1; }
    }
    LAPACK(syevd)("JOB", lower ? "L" : "U", &size, m, &size, w, &best, &room, &whole_best, &whole_room, &info);
    room = (int)(best * 1.01) + 1;
    whole_room = whole_best;
    T *work = __builtin_malloc(room * sizeof(T));
    int *whole = __builtin_malloc(whole_room * sizeof(int));
    if (work && whole)
        LAPACK(syevd)("JOB", lower ? "L" : "U", &size, m, &size, w, work, &room, whole, &whole_room, &info);
    else info = 1;
    RESULT
    __builtin_free(whole);
    __builtin_free(work);
    __builtin_free(m);
    return info != 0;
}
"""
_VECTORS = "for (int64_t i = 0; i < n; i++) for (int64_t k = 0; k < n; k++) v[i * n + k] = m[k * n + i];"


def _eigh(a: np.ndarray, lower: bool) -> tuple[np.ndarray, np.ndarray] | None:
    if not np.isfinite(np.tril(a) if lower else np.triu(a)).all():
        return None
    try:
        w, v = np.linalg.eigh(a, UPLO="L" if lower else "U")
    except np.linalg.LinAlgError:
        return None
    return w, v


def _eigh_python(arrays: list[np.ndarray], sizes: list[int]) -> int:
    n, lower = sizes
    found = _eigh(arrays[0][: n * n].reshape(n, n), bool(lower))
    if found is None:
        return 1
    arrays[1][:n] = found[0]
    if len(arrays) > 2:
        arrays[2][: n * n] = found[1].reshape(-1)
    return 0


_EIGH = kernels(
    "pg_eigh",
    _EIGH_C.replace("NAME", "pg_eigh")
    .replace("OUTPUT", "T *restrict v,")
    .replace("JOB", "V")
    .replace("RESULT", _VECTORS),
    _eigh_python,
    [syevd],
)
_EIGVALSH = kernels(
    "pg_eigvalsh",
    _EIGH_C.replace("NAME", "pg_eigvalsh").replace("OUTPUT", "").replace("JOB", "N").replace("RESULT", ""),
    _eigh_python,
    [syevd],
)


class Eigh(MatrixKernel):
    """Eigenvalues (ascending) and, with `vectors`, eigenvectors of symmetric matrices, one triangle of which is read."""

    __props__ = ("lower", "vectors")

    def __init__(self, lower: bool = True, vectors: bool = True) -> None:
        self.lower = lower
        self.vectors = vectors
        self.who = "eigh" if vectors else "eigvalsh"
        self.made = (1, 2) if vectors else (1,)

    def infer_type(self, a: Variable) -> list[TensorType]:
        check_matrix(self.who, a)
        batch, n = a.type.shape[:-2], side(a)
        values = TensorType(a.dtype, (*batch, n))
        return [values, TensorType(a.dtype, (*batch, n, n))] if self.vectors else [values]

    def numpy(self, a: np.ndarray) -> Any:
        return over_batch(self._one, (2,), [a])

    def _one(self, a: np.ndarray) -> Any:
        found = _eigh(a, self.lower)
        if found is None:
            raise np.linalg.LinAlgError(_unsolved(self.who))
        return found if self.vectors else found[0]

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        """Giles (2008), An extended collection of matrix derivative results, 3.1.

        Where eigenvalues are equal their vectors are not determined: what depends on the choice counts as 0.
        """
        (a,) = inputs
        if not self.vectors:
            _, v = Eigh(self.lower)(a)
            inner = alloc_diag(cotangents[0])
        else:
            w, v = outputs
            gaps = dimshuffle(w, *range(w.ndim - 1), "x", w.ndim - 1) - dimshuffle(w, *range(w.ndim), "x")
            apart = ew.neq(gaps, 0)
            weights = ew.switch(apart, 1 / ew.switch(apart, gaps, ew.ones_like(gaps)), ew.zeros_like(gaps))
            inner = alloc_diag(cotangents[0]) + weights * matmul(matrix_transpose(v), cotangents[1])
        flow = matmul(matmul(v, inner), matrix_transpose(v))
        half = 1 - ew.cast(0.5, a.dtype) * eye(length(a, -1), dtype=a.dtype)
        return [(tril if self.lower else triu)(flow + matrix_transpose(flow)) * half]

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        *batch, n, m = reader.lengths(node.inputs[0])
        n = reader.unify(node, n, m)
        return [(*batch, n), (*batch, n, n)] if self.vectors else [(*batch, n)]

    def kernel(self, reader: LengthReader, node: Apply) -> tuple[Kernel, tuple[Expr, ...], Any, str]:
        sizes = (reader.lengths(node.outputs[0])[-1], loops.integer(self.lower))
        chosen = (_EIGH if self.vectors else _EIGVALSH)[node.outputs[0].dtype]
        return chosen, sizes, np.linalg.LinAlgError, _unsolved(self.who)


def _unsolved(who: str) -> str:
    return f"{who}: the matrix is not finite, or its eigenvalues did not converge"


def _lower(who: str, uplo: str) -> bool:
    if uplo not in ("L", "U"):
        raise ValueError(f"{who}: UPLO is 'L' or 'U', the triangle to read, got {uplo!r}")
    return uplo == "L"


def eigh(a: Any, UPLO: str = "L") -> list[Variable]:
    """Eigenvalues (..., n), ascending, and eigenvectors (..., n, n) in columns, of symmetric matrices.

    Only the triangle `UPLO` is read. The sign of a vector is not determined: a cost that depends on it has no
    meaningful gradient. Raises LinAlgError at the call if a matrix is not finite.
    """
    (a,) = matrices("eigh", a)
    return Eigh(_lower("eigh", UPLO))(a)


def eigvalsh(a: Any, UPLO: str = "L") -> Variable:
    """The eigenvalues (..., n) of symmetric matrices, ascending; only the triangle `UPLO` is read."""
    (a,) = matrices("eigvalsh", a)
    return Eigh(_lower("eigvalsh", UPLO), vectors=False)(a)


# ------------------------------------------------------------------------------------ any real matrix

_EIG_C = r"""
/* LAPACK has conjugate pairs of vectors as a real column and an imaginary one. */
static int pg_eig_T(const T *restrict a, T _Complex *restrict w, T _Complex *restrict v, int64_t n) {
    if (n == 0) return 0;
    int size = (int)n, info = 0, room = (int)(8 * n);
    T *m = __builtin_malloc((2 * n * n + 2 * n + 8 * n) * sizeof(T));
    if (!m) return 1;
    T *vectors = m + n * n, *real = vectors + n * n, *imaginary = real + n, *work = imaginary + n;
    for (int64_t i = 0; i < n; i++) for (int64_t j = 0; j < n; j++) {
        m[j * n + i] = a[i * n + j];
        if (!(a[i * n + j] - a[i * n + j] == 0)) { __builtin_free(m); return 1; }
    }
    LAPACK(geev)("N", "V", &size, m, &size, real, imaginary, (T *)0, &size, vectors, &size, work, &room, &info);
    for (int64_t k = 0; k < n; k++) {
        w[k] = __builtin_complex(real[k], imaginary[k]);
        const int64_t first = imaginary[k] < 0 ? k - 1 : k;
        for (int64_t i = 0; i < n; i++) {
            const T s = imaginary[k] == 0 ? 0 : vectors[(first + 1) * n + i];
            v[i * n + k] = __builtin_complex(vectors[first * n + i], imaginary[k] < 0 ? -s : s);
        }
    }
    __builtin_free(m);
    return info != 0;
}
"""


def _eig(a: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    if not np.isfinite(a).all():
        return None
    try:
        w, v = np.linalg.eig(a)
    except np.linalg.LinAlgError:
        return None
    kind = "complex64" if a.dtype == np.float32 else "complex128"
    return w.astype(kind), v.astype(kind)


def _eig_python(arrays: list[np.ndarray], sizes: list[int]) -> int:
    (n,) = sizes
    found = _eig(arrays[0][: n * n].reshape(n, n))
    if found is None:
        return 1
    arrays[1][:n], arrays[2][: n * n] = found[0], found[1].reshape(-1)
    return 0


_EIG = kernels("pg_eig", _EIG_C, _eig_python, [geev])


class Eig(MatrixKernel):
    """Eigenvalues and right eigenvectors of real matrices, complex."""

    made = (1, 2)

    def infer_type(self, a: Variable) -> list[TensorType]:
        check_matrix("eig", a)
        batch, n = a.type.shape[:-2], side(a)
        kind = "complex64" if a.dtype == "float32" else "complex128"
        return [TensorType(kind, (*batch, n)), TensorType(kind, (*batch, n, n))]

    def numpy(self, a: np.ndarray) -> Any:
        return over_batch(self._one, (2,), [a])

    def _one(self, a: np.ndarray) -> Any:
        found = _eig(a)
        if found is None:
            raise np.linalg.LinAlgError(_unsolved("eig"))
        return found

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        """Boeddeker et al. (2017), On the computation of complex-valued gradients (arXiv 1701.00392), 4.2.

        Vectors have length 1. Where their phase is free, or eigenvalues are equal, what depends on the choice
        counts as 0.
        """
        (gw, gv), (w, v) = cotangents, outputs
        vh, rank = ew.conj(matrix_transpose(v)), w.ndim
        by_vectors = matmul(vh, gv)
        lengths = ew.real(dimshuffle(diagonal(by_vectors, 0, -2, -1), *range(rank - 1), "x", rank - 1))
        by_vectors = by_vectors - matmul(vh, v) * lengths
        gaps = dimshuffle(w, *range(rank - 1), "x", rank - 1) - dimshuffle(w, *range(rank), "x")
        apart = ew.neq(gaps, 0)
        weights = ew.switch(apart, by_vectors / ew.conj(ew.switch(apart, gaps, ew.ones_like(gaps))), 0)
        inner = matmul(alloc_diag(gw) + weights, vh)
        return [_real_part_of_solution(vh, inner)]

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        *batch, n, m = reader.lengths(node.inputs[0])
        n = reader.unify(node, n, m)
        return [(*batch, n), (*batch, n, n)]

    def kernel(self, reader: LengthReader, node: Apply) -> tuple[Kernel, tuple[Expr, ...], Any, str]:
        sizes = (reader.lengths(node.outputs[0])[-1],)
        return _EIG[node.inputs[0].dtype], sizes, np.linalg.LinAlgError, _unsolved("eig")


def _real_part_of_solution(a: Variable, b: Variable) -> Variable:
    """The real part of the solution x of a x = b for complex matrices, by real ones of twice the size."""
    n = length(a, -1)
    both = join(-1, join(-2, ew.real(a), ew.imag(a)), join(-2, -ew.imag(a), ew.real(a)))
    return Solve()(both, join(-2, ew.real(b), ew.imag(b)))[..., :n, :]


def eig(a: Any) -> list[Variable]:
    """Eigenvalues (..., n) and right eigenvectors (..., n, n) in columns, of real matrices; always complex.

    In no particular order. The phase of a complex vector is not determined, nor the sign of a real one: a cost that
    depends on it has no meaningful gradient. Raises LinAlgError at the call if a matrix is not finite.
    """
    (a,) = matrices("eig", a)
    return Eig()(a)


def eigvals(a: Any) -> Variable:
    """The eigenvalues (..., n) of real matrices, always complex, in no particular order."""
    return eig(a)[0]
