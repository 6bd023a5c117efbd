"""Products of large matrices by BLAS: what `Dot` becomes in C where a matrix is not known to be small."""

from __future__ import annotations

from typing import Any

import numpy as np

from probgraph.engine import loops
from probgraph.engine.graph import Apply, Variable
from probgraph.engine.loops import Expr, Kernel
from probgraph.engine.op import LengthReader
from probgraph.engine.ops.diagonals import matrix_transpose
from probgraph.engine.ops.matrices import MatrixKernel, batch_shape, check_matrix, gemm, kernels
from probgraph.engine.ops.products import matmul
from probgraph.engine.types import TensorType

_PRODUCT_C = r"""
/* z (m, n) = x (m, k) y (k, n), either of them stored as its transpose. To BLAS all are transposed: zᵀ = yᵀ xᵀ. */
static int pg_product_T(const T *restrict x, const T *restrict y, T *restrict z, int64_t m, int64_t k, int64_t n,
                        int64_t xt, int64_t yt) {
    if (m * n * k >= CROSSING) {
        T one = 1, zero = 0;
        int rows = (int)m, inner = (int)k, columns = (int)n, wide_x = xt ? rows : inner, wide_y = yt ? inner : columns;
        LAPACK(gemm)(yt ? "T" : "N", xt ? "T" : "N", &columns, &rows, &inner, &one, (T *)y, &wide_y, (T *)x, &wide_x,
                     &zero, z, &columns);
        return 0;
    }
    for (int64_t i = 0; i < m; i++) for (int64_t j = 0; j < n; j++) {
        T s = 0;
        for (int64_t l = 0; l < k; l++) s += x[xt ? l * m + i : i * k + l] * y[yt ? j * k + l : l * n + j];
        z[i * n + j] = s;
    }
    return 0;
}
"""

#: multiplications from which on BLAS is faster: loops of our own and BLAS, with the call of a function around them,
#: took 1.3 and 0.5 + 0.9 µs for (8, 8), 1.9 and 1.5 for (16, 16), 6.8 and 2.4 for (32, 32), 30 and 8 for (64, 64)
_CROSSING = 16**3
#: for a side this short the loops are as fast, and can be shared with what reads the product
_THIN = 8


def _python(arrays: list[np.ndarray], sizes: list[int]) -> int:
    m, k, n, xt, yt = sizes
    x, y, z = arrays
    left = x[: m * k].reshape(k, m).T if xt else x[: m * k].reshape(m, k)
    right = y[: k * n].reshape(n, k).T if yt else y[: k * n].reshape(k, n)
    z[: m * n] = np.matmul(left, right).reshape(-1)
    return 0


_PRODUCT = kernels("pg_product", _PRODUCT_C.replace("CROSSING", str(_CROSSING)), _python, [gemm])


class MatrixProduct(MatrixKernel):
    """A B, either of which is given as its transpose."""

    __props__ = ("left_transposed", "right_transposed")
    core = (2, 2)
    square = False

    def __init__(self, left_transposed: bool = False, right_transposed: bool = False) -> None:
        self.left_transposed = left_transposed
        self.right_transposed = right_transposed

    @staticmethod
    def pays(m: int | None, k: int | None, n: int | None) -> bool:
        """Whether BLAS is worth it; lengths that are not known count as large."""
        sides = [64 if side is None else side for side in (m, k, n)]
        return min(sides) >= _THIN and int(np.prod(sides)) >= _CROSSING

    def _sides(self, a: tuple[Any, ...], b: tuple[Any, ...]) -> tuple[Any, Any, Any, Any]:
        m, k = a[-2:][::-1] if self.left_transposed else a[-2:]
        l, n = b[-2:][::-1] if self.right_transposed else b[-2:]
        return m, k, l, n

    def infer_type(self, a: Variable, b: Variable) -> list[TensorType]:
        for v in (a, b):
            check_matrix("matmul", v, square=False)
        m, _, _, n = self._sides(a.type.shape, b.type.shape)
        return [TensorType(a.dtype, (*batch_shape("matmul", (a, b), self.core), m, n))]

    def numpy(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        a = np.swapaxes(a, -1, -2) if self.left_transposed else a
        b = np.swapaxes(b, -1, -2) if self.right_transposed else b
        with np.errstate(all="ignore"):
            return np.matmul(a, b)

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        (g,), (a, b) = cotangents, inputs
        left = matrix_transpose(a) if self.left_transposed else a
        right = matrix_transpose(b) if self.right_transposed else b
        flows = matmul(g, matrix_transpose(right)), matmul(matrix_transpose(left), g)
        turned = self.left_transposed, self.right_transposed
        return [matrix_transpose(f) if t else f for f, t in zip(flows, turned, strict=True)]

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        m, k, l, n = self._sides(*(reader.lengths(v) for v in node.inputs))
        reader.unify(node, k, l)
        return [(*self.batch(reader, node), m, n)]

    def kernel(self, reader: LengthReader, node: Apply) -> tuple[Kernel, tuple[Expr, ...], Any, str]:
        m, k, _, n = self._sides(*(reader.lengths(v) for v in node.inputs))
        flags = loops.integer(self.left_transposed), loops.integer(self.right_transposed)
        return _PRODUCT[node.out.dtype], (m, k, n, *flags), np.linalg.LinAlgError, "matmul failed"
