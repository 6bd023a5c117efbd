"""LU factors as LAPACK has them, in one matrix, with the exchanges of rows (pivots); solving with them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from probgraph.engine.graph import Apply, Variable
from probgraph.engine.loops import Expr, Kernel
from probgraph.engine.op import LengthReader, as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.diagonals import tril
from probgraph.engine.ops.lu import LU
from probgraph.engine.ops.matrices import MatrixKernel, check_matrix, matrices, over_batch
from probgraph.engine.ops.products import matmul
from probgraph.engine.ops.selection import take_along_axis
from probgraph.engine.ops.shape import arange, length
from probgraph.engine.ops.sorting import argsort
from probgraph.engine.ops.triangular import solve_triangular
from probgraph.engine.types import INTEGERS, TensorType, describe

_PIVOTS_C = r"""
/* Which row each row was exchanged with, one after the other, so that they come into the order given. */
static int pg_pivots(const int64_t *restrict order, int32_t *restrict pivots, int64_t n) {
    int64_t *row = __builtin_malloc((2 * n + 1) * sizeof(int64_t)), *place = row + n;
    if (!row) return 1;
    for (int64_t i = 0; i < n; i++) row[i] = place[i] = i;
    for (int64_t i = 0; i < n; i++) {
        const int64_t wanted = order[i], found = place[wanted], moved = row[i];
        pivots[i] = (int32_t)found;
        row[found] = moved;
        place[moved] = found;
        row[i] = wanted;
        place[wanted] = i;
    }
    __builtin_free(row);
    return 0;
}
"""
_ORDER_C = r"""
static int pg_order_of_pivots(const int32_t *restrict pivots, int64_t *restrict order, int64_t n) {
    for (int64_t i = 0; i < n; i++) order[i] = i;
    for (int64_t i = 0; i < n; i++) {
        const int64_t other = pivots[i], t = order[i];
        if (other < 0 || other >= n) return 1;
        order[i] = order[other];
        order[other] = t;
    }
    return 0;
}
"""


def _pivots(order: np.ndarray) -> np.ndarray:
    rows, pivots = list(range(len(order))), np.empty(len(order), "int32")
    for i, wanted in enumerate(order.tolist()):
        pivots[i] = found = rows.index(wanted)
        rows[i], rows[found] = rows[found], rows[i]
    return pivots


def _order(pivots: np.ndarray) -> np.ndarray:
    order = np.arange(len(pivots))
    for i, other in enumerate(pivots.tolist()):
        if not 0 <= other < len(order):
            raise ValueError(_NO_ROW)
        order[[i, other]] = order[[other, i]]
    return order


_NO_ROW = "pivot_to_permutation: a pivot is no row of the matrix"


class _OrderAndPivots(MatrixKernel):
    """One integer vector made of another."""

    core, made, square = (1,), (1,), False
    kind: str
    one: Any
    text: str

    def infer_type(self, v: Variable) -> list[TensorType]:
        return [TensorType(self.kind, v.type.shape)]

    def numpy(self, v: np.ndarray) -> Any:
        return over_batch(type(self).one, (1,), [v])

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[None]:
        return [None]

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        return [reader.lengths(node.inputs[0])]

    @classmethod
    def python(cls, arrays: list[np.ndarray], sizes: list[int]) -> int:
        (n,) = sizes
        try:
            arrays[1][:n] = cls.one(arrays[0][:n])
        except ValueError:
            return 1
        return 0

    def kernel(self, reader: LengthReader, node: Apply) -> tuple[Kernel, tuple[Expr, ...], Any, str]:
        name = re.search(r"pg_\w+", self.text).group()
        return Kernel(name, self.text, self.python), reader.lengths(node.inputs[0])[-1:], ValueError, _NO_ROW


class Pivots(_OrderAndPivots):
    """The exchanges of rows that bring them into an order."""

    kind, one, text = "int32", staticmethod(_pivots), _PIVOTS_C


class OrderOfPivots(_OrderAndPivots):
    """The order into which exchanges of rows bring them."""

    kind, one, text = "int64", staticmethod(_order), _ORDER_C


def lu_factor(a: Any) -> list[Variable]:
    """[LU, pivots] of square matrices a (..., n, n), as scipy.linalg.lu_factor: U and, below its diagonal, L without its
    ones; row i was exchanged with row pivots[i] (int32).
    """
    (a,) = matrices("lu_factor", a)
    check_matrix("lu_factor", a)
    p, l, u = LU()(a)
    rows = arange(length(p, -2), dtype=p.dtype)
    return [tril(l, -1) + u, Pivots()(ew.cast(matmul(rows, p), "int64"))]


def pivot_to_permutation(pivots: Any, inverse: bool = False) -> Variable:
    """The permutation that the exchanges of `lu_factor` amount to: rows a[permutation] are L U. With inverse, its
    inverse. ValueError at the call where a pivot is no row."""
    pivots = as_variable(pivots)
    if pivots.ndim == 0 or pivots.dtype not in INTEGERS:
        raise TypeError(f"pivot_to_permutation takes a vector of integers, got {describe([pivots.type])}")
    order = OrderOfPivots()(ew.cast(pivots, "int32"))
    return argsort(order) if inverse else order


def lu_solve(lu_and_pivots: Any, b: Any, trans: int | str = 0) -> Variable:
    """x with a x = b (or, with trans=1, aᵀ x = b) from [LU, pivots] = lu_factor(a), for b (n,) or (..., n, m).

    >>> a = np.array([[0.0, 2.0], [4.0, 0.0]])
    >>> lu_solve(lu_factor(a), np.array([1.0, 1.0])).eval()
    array([0.25, 0.5 ])
    """
    if trans not in (0, 1, "N", "T"):
        raise ValueError(f"lu_solve: trans is 0 or 1, got {trans!r}")
    factors, b = matrices("lu_solve", lu_and_pivots[0], b)
    check_matrix("lu_solve", factors)
    back = trans in (1, "T")
    order = pivot_to_permutation(lu_and_pivots[1], inverse=back)
    if b.ndim > 1:
        order = order[..., None]

    def permuted(rows: Variable) -> Variable:
        return take_along_axis(rows, order, axis=-min(b.ndim, 2))

    def halves(rows: Variable) -> Variable:
        first = solve_triangular(factors, rows, trans=trans, lower=not back, unit_diagonal=not back)
        return solve_triangular(factors, first, trans=trans, lower=back, unit_diagonal=back)

    return permuted(halves(b)) if back else halves(permuted(b))
