"""Solving linear systems, inverses and determinants: what they mean and how they differentiate.

They are composites: compiled, they become eliminations or Cholesky factors, shared by all that need them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from probgraph.engine.graph import Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.cholesky import Cholesky
from probgraph.engine.ops.diagonals import Diagonal, eye, matrix_transpose, tril
from probgraph.engine.ops.elimination import Eliminate, InvertEliminated, SolveEliminated, singular
from probgraph.engine.ops.matrices import Composite, check_matrix, matrices, over_batch, side
from probgraph.engine.ops.products import matmul
from probgraph.engine.ops.shape import arange, dimshuffle, length
from probgraph.engine.ops.triangular import (
    SolveTriangular,
    solution_products,
    solution_type,
    solve_triangular,
    solved,
)
from probgraph.engine.types import TensorType

# ------------------------------------------------------------------------------------ solving


class Solve(Composite):
    """x with A x = b (or Aᵀ x = b). `assume` is "gen", or "pos": A is read in its lower triangle only."""

    __props__ = ("assume", "transposed")

    def __init__(self, assume: str = "gen", transposed: bool = False) -> None:
        self.assume = assume
        self.transposed = transposed

    def cores(self, inputs: Sequence[Variable]) -> tuple[int, ...]:
        return 2, min(inputs[1].ndim, 2)

    def infer_type(self, a: Variable, b: Variable) -> list[TensorType]:
        return [solution_type("solve", a, b)]

    def numpy(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return over_batch(self._one, (2, min(b.ndim, 2)), [a, b])

    def _one(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        if self.assume == "pos":
            factor = Cholesky().numpy(a)
            half = SolveTriangular(True, False, False)._one(factor, b)
            return SolveTriangular(True, True, False)._one(factor, half)
        try:
            with np.errstate(all="ignore"):
                return np.linalg.solve(a.T if self.transposed else a, b)
        except np.linalg.LinAlgError:
            raise np.linalg.LinAlgError(singular("solve")) from None

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        (g,), (x,), (a, b) = cotangents, outputs, inputs
        back = Solve(self.assume, self.assume == "gen" and not self.transposed)(a, g)
        flow = -solution_products(back, x, b, self.transposed)
        if self.assume == "pos":
            flow = onto_triangle(flow)
        return [ew.summed_to(flow, a), ew.summed_to(back, b)]

    def expand(self, a: Variable, b: Variable) -> Variable:
        if self.assume == "pos":
            factor = Cholesky()(a)
            half = SolveTriangular(True, False, False)(factor, b)
            return SolveTriangular(True, True, False)(factor, half)
        return SolveEliminated(self.transposed)(*Eliminate()(a), b)


def onto_triangle(flow: Variable) -> Variable:
    """What flows back to a matrix that is read in its lower triangle and stands for a symmetric one."""
    half = 1 - ew.cast(0.5, flow.dtype) * eye(length(flow, -1), dtype=flow.dtype)
    return tril(flow + matrix_transpose(flow)) * half


def solve(
    a: Any,
    b: Any,
    assume_a: str = "gen",
    lower: bool = False,
    trans: int | str = 0,
    *,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
) -> Variable:
    """x with a x = b for matrices a (..., n, n) and b (n,) or (..., n, m); with trans=1, aᵀ x = b.

    `assume_a` is SciPy's: "gen" any matrix, "sym" symmetric, "pos" symmetric positive definite; of the latter
    two only one triangle is read, the upper one unless `lower`. Only a `b` of one dimension is a
    vector; leading axes broadcast. Raises LinAlgError at the call if a matrix is singular (or not positive
    definite). The last three are SciPy's and change nothing: memory is reused where that is safe.

    >>> solve(np.array([[2.0, 0.0], [0.0, 4.0]]), np.array([1.0, 1.0])).eval()
    array([0.5 , 0.25])
    """
    names = {"gen": "gen", "general": "gen", "sym": "sym", "her": "sym", "pos": "pos"}
    names |= {"symmetric": "sym", "hermitian": "sym", "positive definite": "pos"}
    if assume_a not in names:
        raise ValueError(
            f"solve: assume_a is 'gen', 'sym' or 'pos', got {assume_a!r}; for triangular matrices use solve_triangular,"
            " for diagonal ones a division"
        )
    if trans not in (0, 1, "N", "T"):
        raise ValueError(f"solve: trans is 0 or 1, got {trans!r}")
    kind = names[assume_a]
    a, b = matrices("solve", a, b)
    check_matrix("solve", a)
    if kind == "gen":
        return solved(Solve("gen", trans in (1, "T")), a, b)
    a = a if lower else matrix_transpose(a)
    return solved(Solve("pos"), a, b) if kind == "pos" else solved(Solve("gen"), symmetric(a), b)


def solve_lower_triangular(a: Any, b: Any) -> Variable:
    """x with a x = b, `a` read in its lower triangle: see `solve_triangular`."""
    return solve_triangular(a, b, lower=True)


def solve_upper_triangular(a: Any, b: Any) -> Variable:
    """x with a x = b, `a` read in its upper triangle: see `solve_triangular`."""
    return solve_triangular(a, b, lower=False)


def solve_symmetric(a: Any, b: Any) -> Variable:
    """x with a x = b, `a` symmetric and read in its upper triangle: see `solve`."""
    return solve(a, b, assume_a="sym")


def cho_solve(c_and_lower: tuple[Any, bool], b: Any) -> Variable:
    """x with a x = b from (c, lower), the Cholesky factor of `a` and whether that is the lower one."""
    if not isinstance(c_and_lower, tuple | list) or len(c_and_lower) != 2:
        raise TypeError(
            f"cho_solve takes a pair (factor, lower) and a right-hand side, got {c_and_lower!r:.80}"
        )
    factor, lower = c_and_lower
    half = solve_triangular(factor, b, trans=0 if lower else 1, lower=lower)
    return solve_triangular(factor, half, trans=1 if lower else 0, lower=lower)


def symmetric(a: Variable) -> Variable:
    """The symmetric matrix with the lower triangle of `a`."""
    return tril(a) + matrix_transpose(tril(a, -1))


# ------------------------------------------------------------------------------------ inverses


class Inverse(Composite):
    """The inverse of matrices."""

    def infer_type(self, a: Variable) -> list[TensorType]:
        check_matrix("inv", a)
        return [TensorType(a.dtype, (*a.type.shape[:-2], side(a), side(a)))]

    def numpy(self, a: np.ndarray) -> np.ndarray:
        try:
            with np.errstate(all="ignore"):
                return np.linalg.inv(a)
        except np.linalg.LinAlgError:
            if a.shape[-1] != a.shape[-2]:
                raise
            raise np.linalg.LinAlgError(singular("inv")) from None

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        (g,), (y,) = cotangents, outputs
        turned = matrix_transpose(y)
        return [-matmul(matmul(turned, g), turned)]

    def expand(self, a: Variable) -> Variable:
        return InvertEliminated()(*Eliminate()(a))


def inv(a: Any) -> Variable:
    """The inverse of matrices (..., n, n). Raises LinAlgError at the call if one is singular.

    To solve a system use `solve`: it is faster and more accurate than a product with the inverse.
    """
    (a,) = matrices("inv", a)
    return Inverse()(a)


matrix_inverse = inv


# ------------------------------------------------------------------------------------ determinants


class Determinant(Composite):
    """The determinant of matrices."""

    def infer_type(self, a: Variable) -> list[TensorType]:
        check_matrix("det", a)
        return [TensorType(a.dtype, a.type.shape[:-2])]

    def numpy(self, a: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return np.asarray(np.linalg.det(a))

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        (g,), (y,), (a,) = cotangents, outputs, inputs
        return [_as_matrices(g * y) * matrix_transpose(Inverse()(a))]

    def expand(self, a: Variable) -> Variable:
        factors, pivots = Eliminate()(a)
        return _exchanges(pivots, a.dtype) * Diagonal()(factors).prod(axis=-1)


class SLogDet(Composite):
    """The sign of the determinant of matrices and the logarithm of its size."""

    def infer_type(self, a: Variable) -> list[TensorType]:
        check_matrix("slogdet", a)
        return [TensorType(a.dtype, a.type.shape[:-2])] * 2

    def numpy(self, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with np.errstate(all="ignore"):
            sign, logarithm = np.linalg.slogdet(a)
        return np.asarray(sign), np.asarray(logarithm)

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        (a,) = inputs
        return [_as_matrices(cotangents[1]) * matrix_transpose(Inverse()(a))]

    def expand(self, a: Variable) -> list[Variable]:
        factors, pivots = Eliminate()(a)
        diagonal = Diagonal()(factors)
        sign = _exchanges(pivots, a.dtype) * ew.sgn(diagonal).prod(axis=-1)
        return [sign, ew.log(ew.abs(diagonal)).sum(axis=-1)]


def _as_matrices(x: Variable) -> Variable:
    return dimshuffle(x, *range(x.ndim), "x", "x")


def _exchanges(pivots: Variable, dtype: str) -> Variable:
    """1 or -1, by the number of rows that were exchanged."""
    own = ew.cast(arange(length(pivots, -1)) + 1, "int32")
    one = as_variable(np.ones((), dtype))
    return ew.switch(ew.eq(pivots, own), one, -one).prod(axis=-1)


def det(a: Any) -> Variable:
    """The determinant of matrices (..., n, n). Its gradient needs the inverse: a LinAlgError where it is 0."""
    (a,) = matrices("det", a)
    return Determinant()(a)


def slogdet(a: Any) -> list[Variable]:
    """The sign of the determinant of matrices (..., n, n), and the logarithm of its size: no overflow."""
    (a,) = matrices("slogdet", a)
    return SLogDet()(a)


def logdet(a: Any) -> Variable:
    """log|det(a)| of matrices (..., n, n); -inf where they are singular."""
    return slogdet(a)[1]
