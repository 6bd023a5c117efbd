"""Rules that see structure in matrices: what is triangular, diagonal, inverted or transposed, by the operation
that made it.

`STABLE_MATRICES` is part of what is done before differentiating, `MATRICES` leaves less to compute, and
`LIBRARY` hands products of large matrices to BLAS on the way to C. As everywhere the equations hold where their left side is defined: of a
diagonal matrix with a 0 the inverse is inf, where the general one is a LinAlgError.
"""

from __future__ import annotations

import string

import numpy as np

from probgraph.engine.graph import Apply, Variable, tensor_constant
from probgraph.engine.matrix_structure import factors, transposed
from probgraph.engine.op import Op
from probgraph.engine.ops.cholesky import Cholesky
from probgraph.engine.ops.diagonals import Diagonal, SetDiagonal, alloc_diag, eye, matrix_transpose
from probgraph.engine.ops.elementwise import abs, cast, fill, log, lt, sgn, sqr, switch
from probgraph.engine.ops.matrix_products import MatrixProduct
from probgraph.engine.ops.products import Contraction, Dot, contract, matmul
from probgraph.engine.ops.shape import DimShuffle, dimshuffle, length
from probgraph.engine.ops.solves import Determinant, Inverse, SLogDet, Solve
from probgraph.engine.ops.triangular import SolveTriangular, solved
from probgraph.engine.rewrite import OpRule, uniform

# ------------------------------------------------------------------------------------ what can be seen


def _made_by(v: Variable, op: type[Op]) -> bool:
    return v.owner is not None and isinstance(v.owner.op, op)


def _inverted(v: Variable) -> tuple[Variable, bool] | None:
    """A, and whether it is transposed, if `v` is the inverse of it."""
    if _made_by(v, Inverse):
        return v.owner.inputs[0], False
    turned = transposed(v)
    return (turned.owner.inputs[0], True) if turned is not None and _made_by(turned, Inverse) else None


def _factor(v: Variable) -> Variable | None:
    """`v` if it is lower triangular with a positive diagonal: a Cholesky factor, which is no nan."""
    return v if _made_by(v, Cholesky) and not v.owner.op.nan_on_error else None


def _diagonal(v: Variable) -> Variable | None:
    """The diagonal of a diagonal matrix."""
    if not _made_by(v, SetDiagonal) or v.owner.op.offset:
        return None
    zeros, d = v.owner.inputs
    square = v.type.shape[-1] is not None and v.type.shape[-1] == v.type.shape[-2]
    if uniform(zeros, 0) is None or not (square or _square_zeros(zeros)):
        return None
    return d if d.type.shape == v.type.shape[:-1] and d.ndim == v.ndim - 1 else None


def _square_zeros(v: Variable) -> bool:
    """Whether an allocation has the same length twice at its end."""
    return v.owner is not None and len(v.owner.inputs) > 2 and v.owner.inputs[-1] is v.owner.inputs[-2]


def _square_root(v: Variable) -> Variable | None:
    """L, if `v` is L Lᵀ (or its transpose, which is the same) with a Cholesky factor L."""
    turned = transposed(v)
    parts = factors(v if turned is None else turned)
    if parts is None or transposed(parts[1]) is not parts[0]:
        return None
    return _factor(parts[0])


# ------------------------------------------------------------------------------------ solves


def _solve_of_product(node: Apply) -> Variable | None:
    """inv(A) @ b and b @ inv(A): a solve instead."""
    a, b = node.inputs
    dtype = node.out.dtype
    if isinstance(node.op, Contraction) and factors(node.out) is None:
        return None
    found = _inverted(a)
    if found is not None:
        return solved(Solve("gen", found[1]), cast(found[0], dtype), cast(b, dtype))
    found = _inverted(b)
    if found is None:
        return None
    op, matrix, right = Solve("gen", not found[1]), cast(found[0], dtype), cast(a, dtype)
    return solved(op, matrix, right) if a.ndim == 1 else matrix_transpose(op(matrix, matrix_transpose(right)))


def _structured_solve(node: Apply) -> Variable | None:
    (a, b), op = node.inputs, node.op
    turned = transposed(a)
    if op.assume == "gen" and turned is not None:
        return Solve("gen", not op.transposed)(turned, b)
    if _factor(a) is not None and op.assume == "gen":
        return SolveTriangular(True, op.transposed, False)(a, b)
    root = _square_root(a)
    if root is not None:
        return SolveTriangular(True, True, False)(root, SolveTriangular(True, False, False)(root, b))
    d = _diagonal(a) if op.assume == "gen" else None
    if d is None:
        return None
    return b / (d if b.ndim == 1 else dimshuffle(d, *range(d.ndim), "x"))


def _solve_with_identity(a: Variable, lower_factor: Variable) -> Variable:
    return SolveTriangular(True, False, False)(lower_factor, eye(length(a, -1), dtype=a.dtype))


def _structured_inverse(node: Apply) -> Variable | None:
    (a,) = node.inputs
    if _made_by(a, Inverse):
        return a.owner.inputs[0]
    turned = transposed(a)
    if turned is not None:
        return matrix_transpose(Inverse()(turned))
    if _factor(a) is not None:
        return _solve_with_identity(a, a)
    root = _square_root(a)
    if root is not None:
        half = _solve_with_identity(a, root)
        return matmul(matrix_transpose(half), half)
    d = _diagonal(a)
    return None if d is None else alloc_diag(1 / d)


# ------------------------------------------------------------------------------------ determinants


def _log_of_determinant(node: Apply) -> Variable | None:
    """log(det(A)) and log(|det(A)|), which overflow or vanish where the logarithm does not."""
    v = node.inputs[0]
    if _made_by(v, Determinant):
        sign, logarithm = SLogDet()(v.owner.inputs[0])
        nan = tensor_constant(np.asarray(np.nan, logarithm.dtype))
        return switch(lt(sign, 0), fill(logarithm, nan), logarithm)
    if v.owner is not None and v.owner.op is abs and _made_by(v.owner.inputs[0], Determinant):
        return SLogDet()(v.owner.inputs[0].owner.inputs[0])[1]
    return None


def _structured_slogdet(node: Apply) -> list[Variable] | None:
    (a,) = node.inputs
    turned = transposed(a)
    if turned is not None:
        return list(SLogDet()(turned))
    root, times = _square_root(a), 2
    if root is None:
        root, times = _factor(a), 1
    if root is not None:
        logarithm = log(Diagonal()(root)).sum(axis=-1)
        one = fill(logarithm, tensor_constant(np.ones((), a.dtype)))
        return [one, logarithm * times if times > 1 else logarithm]
    d = _diagonal(a)
    return None if d is None else [sgn(d).prod(axis=-1), log(abs(d)).sum(axis=-1)]


def _structured_determinant(node: Apply) -> Variable | None:
    (a,) = node.inputs
    turned = transposed(a)
    if turned is not None:
        return Determinant()(turned)
    root = _square_root(a)
    if root is not None:
        return sqr(Diagonal()(root).prod(axis=-1))
    if _factor(a) is not None:
        return Diagonal()(a).prod(axis=-1)
    d = _diagonal(a)
    return None if d is None else d.prod(axis=-1)


# ------------------------------------------------------------------------------------ factors and products


def _known_factor(node: Apply) -> Variable | None:
    return _square_root(node.inputs[0])


def _transposed_product(node: Apply) -> Variable | None:
    """(A B)ᵀ where a factor is a transpose already."""
    product = transposed(node.out)
    parts = None if product is None else factors(product)
    if parts is None or all(transposed(part) is None for part in parts):
        return None
    return matmul(*(matrix_transpose(part) for part in reversed(parts)))


def _diagonal_of_product(node: Apply) -> Variable | None:
    """The diagonal of A B, of whose other elements nobody asked: row i of A times column i of B."""
    parts = factors(node.inputs[0])
    if node.op.offset or parts is None:
        return None
    n, m = node.inputs[0].type.shape[-2:]
    if n is None or n != m:
        return None
    batch = string.ascii_lowercase[: node.out.ndim - 1]
    return contract("diagonal", parts, (batch + "yx", batch + "xy"), batch + "y")


STABLE_MATRICES = [
    OpRule("log(det(A)) → logdet(A)", log, _log_of_determinant),
    OpRule("slogdet of a triangular, diagonal or transposed matrix", SLogDet, _structured_slogdet),
    OpRule("inv(A) @ b → solve(A, b)", Dot, _solve_of_product),
    OpRule("inv(A) @ b → solve(A, b), batched", Contraction, _solve_of_product),
    OpRule("cholesky(L Lᵀ) → L", Cholesky, _known_factor),
    OpRule("solve with a triangular, diagonal or transposed matrix", Solve, _structured_solve),
]

MATRICES = [
    OpRule(
        "inverse of an inverse, of a triangular, diagonal or transposed matrix", Inverse, _structured_inverse
    ),
    OpRule("det of a triangular, diagonal or transposed matrix", Determinant, _structured_determinant),
    OpRule("(A B)ᵀ → Bᵀ Aᵀ", DimShuffle, _transposed_product),
    OpRule("diagonal of A B → row times column", Diagonal, _diagonal_of_product),
]

# ------------------------------------------------------------------------------------ on the way to C


def _library_product(node: Apply) -> Variable | None:
    """A product of matrices that are not known to be small, by BLAS."""
    parts = factors(node.out)
    if parts is None or node.out.dtype not in ("float32", "float64"):
        return None
    if any(v.dtype != node.out.dtype for v in parts):
        return None
    a, b = parts
    if not MatrixProduct.pays(a.type.shape[-2], a.type.shape[-1], b.type.shape[-1]):
        return None
    flags, operands = [], []
    for v in parts:
        turned = transposed(v)
        flags.append(turned is not None)
        operands.append(v if turned is None else turned)
    return MatrixProduct(*flags)(*operands)


LIBRARY = [
    OpRule("product of large matrices → BLAS", Dot, _library_product),
    OpRule("product of stacks of large matrices → BLAS", Contraction, _library_product),
]
