"""Linear algebra: products as reductions, factorisations and solves as kernels over whole arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from probgraph.engine import loops
from probgraph.engine.graph import Apply, Variable
from probgraph.engine.loops import Expr, Kernel, ScalarFunction
from probgraph.engine.op import KernelCall, LengthReader, Reduction, ValueReader, as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.shape import arange, dimshuffle, length
from probgraph.engine.types import COMPLEX, TensorType, describe, promote, to_float


class Dot(Reduction):
    """The product of vectors and matrices: the last axis of `a` against the first but last (or only) of `b`."""

    def __str__(self) -> str:
        return "dot"

    def infer_type(self, a: Variable, b: Variable) -> list[TensorType]:
        if a.ndim not in (1, 2) or b.ndim not in (1, 2):
            raise TypeError(f"dot takes vectors and matrices, got {describe([a.type, b.type])}")
        m, n = a.type.shape[-1], b.type.shape[0]
        if m is not None and n is not None and m != n:
            raise ValueError(
                f"dot: shapes {describe([a.type, b.type])} do not fit: axis -1 of the first has length {m},"
                f" axis {-b.ndim} of the second {n}"
            )
        return [TensorType(promote(a.dtype, b.dtype), (*a.type.shape[:-1], *b.type.shape[1:]))]

    def numpy(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return np.asarray(np.dot(a, b))

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        (g,), (a, b) = cotangents, inputs
        ca, cb = ew.conj(a), ew.conj(b)
        match a.ndim, b.ndim:
            case 1, 1:
                flows = g * cb, g * ca
            case 2, 1:
                flows = dimshuffle(g, 0, "x") * cb, dot(dimshuffle(ca, 1, 0), g)
            case 1, 2:
                flows = dot(cb, g), dimshuffle(ca, 0, "x") * g
            case _:
                flows = dot(g, dimshuffle(cb, 1, 0)), dot(dimshuffle(ca, 1, 0), g)
        return [ew.summed_to(flow, x) for flow, x in zip(flows, inputs, strict=True)]

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        a, b = (reader.lengths(v) for v in node.inputs)
        reader.unify(node, a[-1], b[0])
        return [(*a[:-1], *b[1:])]

    def combination(self, node: Apply) -> tuple[ScalarFunction, Any, str]:
        return ew.add.function, 0, node.out.dtype

    def reduced(self, reader: LengthReader, node: Apply) -> tuple[Expr, ...]:
        return (reader.lengths(node.inputs[0])[-1],)

    def term(self, reader: ValueReader, node: Apply, index: tuple[Expr, ...], over: tuple[Expr, ...]) -> Expr:
        a, b = node.inputs
        rows = a.ndim - 1
        left = reader.convert(reader.value(a, (*index[:rows], *over)), node.out.dtype)
        right = reader.convert(reader.value(b, (*over, *index[rows:])), node.out.dtype)
        return reader.compute(ew.mul.function, (left, right), node.out.dtype)


def dot(a: Any, b: Any) -> Variable:
    """The product of vectors and matrices; with a scalar, multiplication."""
    a, b = as_variable(a), as_variable(b)
    return a * b if a.ndim == 0 or b.ndim == 0 else Dot()(a, b)


def outer(a: Any, b: Any) -> Variable:
    """The matrix of products of two vectors."""
    return dimshuffle(as_variable(a), 0, "x") * dimshuffle(as_variable(b), "x", 0)


def tri(n: Any, m: Any = None, k: int = 0, dtype: str = "bool") -> Variable:
    """A matrix with ones on and below its k-th diagonal."""
    m = n if m is None else m
    return ew.cast(dimshuffle(arange(n), 0, "x") + k >= dimshuffle(arange(m), "x", 0), dtype)


def tril(x: Any, k: int = 0) -> Variable:
    """The lower triangle of a matrix, zeros elsewhere."""
    x = as_variable(x)
    return ew.switch(tri(length(x, 0), length(x, 1), k), x, ew.zeros_like(x))


def triu(x: Any, k: int = 0) -> Variable:
    """The upper triangle of a matrix, zeros elsewhere."""
    x = as_variable(x)
    return ew.switch(tri(length(x, 0), length(x, 1), k - 1), ew.zeros_like(x), x)


def diagonal(x: Any) -> Variable:
    """The diagonal of a square matrix."""
    x = as_variable(x)
    places = arange(length(x, 0))
    return x[places, places]


def trace(x: Any) -> Variable:
    """The sum of the diagonal of a square matrix."""
    return diagonal(x).sum()


def _square(who: str, a: Variable) -> str:
    """The dtype of a result, after a check that `a` can be a real square matrix."""
    if a.ndim != 2:
        raise TypeError(f"{who} takes a matrix, got {describe([a.type])}")
    if a.dtype in COMPLEX:
        raise NotImplementedError(f"{who} of complex matrices is not supported")
    n, m = a.type.shape
    if n is not None and m is not None and n != m:
        raise ValueError(f"{who} takes a square matrix, got {describe([a.type])}")
    return to_float(a.dtype)


_CHOLESKY_C = r"""
/* Row by row (Golub & Van Loan, Matrix Computations, 4.2.5): only the lower triangle of a is read. */
static int pg_cholesky_T(const T *a, T *l, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j <= i; j++) {
            T s = 0;
            _Pragma("omp simd reduction(+:s)")
            for (int64_t k = 0; k < j; k++) s += l[i * n + k] * l[j * n + k];
            const T rest = a[i * n + j] - s;
            if (i != j) l[i * n + j] = rest / l[j * n + j];
            else if (rest > 0 && rest - rest == 0) l[i * n + i] = (T)__builtin_sqrt(rest);
            else return 1;
        }
        for (int64_t j = i + 1; j < n; j++) l[i * n + j] = 0;
    }
    return 0;
}
"""

_SOLVE_C = r"""
/* Substitution, row by row; element (i, k) of the triangular matrix is at i*si + k*sk. */
static int pg_trisolve_T(const T *a, const T *b, T *x, int64_t n, int64_t m, int64_t transposed, int64_t lower, int64_t unit) {
    const int64_t si = transposed ? 1 : n, sk = transposed ? n : 1;
    const int forward = transposed ? !lower : lower;
    for (int64_t r = 0; r < n; r++) {
        const int64_t i = forward ? r : n - 1 - r;
        T *xi = x + i * m;
        for (int64_t c = 0; c < m; c++) xi[c] = b[i * m + c];
        for (int64_t q = 0; q < r; q++) {
            const int64_t k = forward ? q : n - 1 - q;
            const T f = a[i * si + k * sk];
            const T *xk = x + k * m;
            for (int64_t c = 0; c < m; c++) xi[c] -= f * xk[c];
        }
        if (!unit) {
            const T d = a[i * si + i * sk];
            if (d == 0) return 1;
            for (int64_t c = 0; c < m; c++) xi[c] /= d;
        }
    }
    return 0;
}
"""


def _cholesky_python(arrays: list[np.ndarray], sizes: list[int]) -> int:
    n = sizes[0]
    a, l = (array[: n * n].reshape(n, n) for array in arrays)
    try:
        l[...] = np.linalg.cholesky(np.tril(a) + np.tril(a, -1).T)
    except np.linalg.LinAlgError:
        return 1
    return 0 if np.isfinite(l).all() else 1


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
    x = np.array(b, dtype=np.result_type(a, b))
    with np.errstate(all="ignore"):
        for i in range(len(a)) if forward else range(len(a) - 1, -1, -1):
            known = slice(None, i) if forward else slice(i + 1, None)
            x[i] = (x[i] - matrix[i, known] @ x[known]) / matrix[i, i]
    return x


def _typed(name: str, c: str, python: Any) -> dict[str, Kernel]:
    types = {"float64": "double", "float32": "float"}
    return {
        dtype: Kernel(
            f"{name}_{t}",
            c.replace(f"{name}_T", f"{name}_{t}").replace("T ", f"{t} ").replace("(T)", f"({t})"),
            python,
        )
        for dtype, t in types.items()
    }


_CHOLESKY = _typed("pg_cholesky", _CHOLESKY_C, _cholesky_python)
_TRISOLVE = _typed("pg_trisolve", _SOLVE_C, _solve_python)


class Cholesky(KernelCall):
    """The lower triangular L with L Lᵀ = A; A is read in its lower triangle."""

    def infer_type(self, a: Variable) -> list[TensorType]:
        return [TensorType(_square("cholesky", a), a.type.shape)]

    def numpy(self, a: np.ndarray) -> np.ndarray:
        if not np.isfinite(np.tril(a)).all():
            raise np.linalg.LinAlgError(_NOT_POSITIVE)
        try:
            return np.linalg.cholesky(np.tril(a) + np.tril(a, -1).T)
        except np.linalg.LinAlgError:
            raise np.linalg.LinAlgError(_NOT_POSITIVE) from None

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        """Murray (2016), Differentiation of the Cholesky decomposition, eq. 10."""
        (g,), (l,) = cotangents, outputs
        p = tril(dot(dimshuffle(l, 1, 0), tril(g)))
        eye = ew.cast(
            ew.eq(dimshuffle(arange(length(l, 0)), 0, "x"), dimshuffle(arange(length(l, 0)), "x", 0)), l.dtype
        )
        phi = p * (1 - 0.5 * eye)
        inner = solve_triangular(l, phi + dimshuffle(phi, 1, 0), trans=1, lower=True)
        s = solve_triangular(l, dimshuffle(inner, 1, 0), trans=1, lower=True)
        return [ew.cast(tril(s) * (1 - 0.5 * eye), inputs[0].dtype)]

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        n, m = reader.lengths(node.inputs[0])
        n = reader.unify(node, n, m)
        return [(n, n)]

    def kernel(self, reader: LengthReader, node: Apply) -> tuple[Kernel, tuple[Expr, ...], Any, str]:
        kernel = _CHOLESKY[node.out.dtype]
        return kernel, (reader.lengths(node.out)[0],), np.linalg.LinAlgError, _NOT_POSITIVE


_NOT_POSITIVE = "cholesky: the matrix is not positive definite"


def cholesky(a: Any) -> Variable:
    """The lower Cholesky factor of a symmetric positive definite matrix (n, n).

    Raises LinAlgError at the call if the matrix is not positive definite.
    """
    a = as_variable(a)
    return Cholesky()(ew.cast(a, to_float(a.dtype)))


class SolveTriangular(KernelCall):
    """x with A x = b (or Aᵀ x = b), A triangular."""

    __props__ = ("lower", "transposed", "unit")

    def __init__(self, lower: bool, transposed: bool, unit: bool) -> None:
        self.lower = lower
        self.transposed = transposed
        self.unit = unit

    def infer_type(self, a: Variable, b: Variable) -> list[TensorType]:
        _square("solve_triangular", a)
        n, m = a.type.shape[0], b.type.shape[0] if b.ndim else None
        if b.ndim not in (1, 2) or (n is not None and m is not None and n != m):
            raise ValueError(f"solve_triangular: {describe([a.type, b.type])} do not fit")
        return [TensorType(a.dtype, b.type.shape)]

    def numpy(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        if not self.unit and (np.diagonal(a) == 0).any():
            raise np.linalg.LinAlgError(_SINGULAR)
        return _substituted(a, b, self.transposed, self.lower, self.unit)

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        (g,), (x,), (a, b) = cotangents, outputs, inputs
        back = SolveTriangular(self.lower, not self.transposed, self.unit)(a, g)
        left, right = (x, back) if self.transposed else (back, x)
        product = outer(left, right) if b.ndim == 1 else dot(left, dimshuffle(right, 1, 0))
        triangle = (tril if self.lower else triu)(product, (-1 if self.lower else 1) if self.unit else 0)
        return [-triangle, back]

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        a, b = (reader.lengths(v) for v in node.inputs)
        reader.unify(node, reader.unify(node, a[0], a[1]), b[0])
        return [b]

    def kernel(self, reader: LengthReader, node: Apply) -> tuple[Kernel, tuple[Expr, ...], Any, str]:
        lengths = reader.lengths(node.out)
        flags = (loops.integer(f) for f in (self.transposed, self.lower, self.unit))
        sizes = (lengths[0], loops.product(lengths[1:]), *flags)
        return _TRISOLVE[node.out.dtype], sizes, np.linalg.LinAlgError, _SINGULAR


_SINGULAR = "solve_triangular: the matrix is singular, a diagonal element is 0"


def solve_triangular(
    a: Any, b: Any, trans: int | str = 0, lower: bool = False, unit_diagonal: bool = False
) -> Variable:
    """x with A x = b for a triangular A (n, n) and b (n,) or (n, m); with trans=1, Aᵀ x = b.

    The arguments are SciPy's. The other triangle of A is not read.
    """
    if trans not in (0, 1, "N", "T"):
        raise ValueError(f"solve_triangular: trans is 0 or 1, got {trans!r}")
    a, b = as_variable(a), as_variable(b)
    dtype = to_float(promote(a.dtype, b.dtype))
    return SolveTriangular(lower, trans in (1, "T"), unit_diagonal)(ew.cast(a, dtype), ew.cast(b, dtype))


def matmul(a: Any, b: Any) -> Variable:
    """`a @ b` for vectors and matrices."""
    a, b = as_variable(a), as_variable(b)
    if a.ndim > 2 or b.ndim > 2:
        raise NotImplementedError(
            "matmul of more than two dimensions is not supported yet: use sums of products"
        )
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError(f"matmul takes vectors and matrices, got {describe([a.type, b.type])}: use *")
    return Dot()(a, b)


__all__: Sequence[str] = (
    "cholesky",
    "diagonal",
    "dot",
    "matmul",
    "outer",
    "solve_triangular",
    "trace",
    "tri",
    "tril",
    "triu",
)
