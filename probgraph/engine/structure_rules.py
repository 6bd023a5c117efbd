"""`STRUCTURED` and `STRUCTURED_DETERMINANTS`: linear algebra with matrices whose structure is known (`matrix_structure`), and with Kronecker products.

Of a matrix that is said to be triangular only that triangle is read.
"""

from __future__ import annotations

from probgraph.engine.graph import Apply, Variable
from probgraph.engine.matrix_structure import factors, structure, transposed
from probgraph.engine.ops.cholesky import Cholesky
from probgraph.engine.ops.diagonals import Diagonal, alloc_diag, eye, matrix_transpose
from probgraph.engine.ops.elementwise import abs, cast, log, mul, ones_like, sgn, sqr, sqrt
from probgraph.engine.ops.products import Contraction, Dot, kron, matmul
from probgraph.engine.ops.shape import DimShuffle, Reshape, dimshuffle, length
from probgraph.engine.ops.solves import Determinant, Inverse, SLogDet, Solve
from probgraph.engine.ops.triangular import SolveTriangular, solved
from probgraph.engine.rewrite import OpRule

# ------------------------------------------------------------------------------------ by structure


def _column(d: Variable) -> Variable:
    return dimshuffle(d, *range(d.ndim), "x")


def _solve(node: Apply) -> Variable | None:
    (a, b), op = node.inputs, node.op
    known = structure(a)
    if op.assume != "gen" or not known:
        return None
    if "diagonal" in known:
        d = Diagonal(0, True)(a)
        return b / (d if b.ndim == 1 else _column(d))
    for name, lower in (("lower_triangular", True), ("upper_triangular", False)):
        if name in known:
            return solved(SolveTriangular(lower, op.transposed, False), a, b)
    if "orthogonal" in known:
        return matmul(a if op.transposed else matrix_transpose(a), b)
    return solved(Solve("pos"), a, b) if "positive_definite" in known else None


def _inverse(node: Apply) -> Variable | None:
    (a,) = node.inputs
    known = structure(a)
    if "diagonal" in known:
        return alloc_diag(1 / Diagonal(0, True)(a))
    if "orthogonal" in known:
        return matrix_transpose(a)
    identity = eye(length(a, -1), dtype=a.dtype)
    for name, lower in (("lower_triangular", True), ("upper_triangular", False)):
        if name in known and a.ndim == 2:
            return SolveTriangular(lower, False, False)(a, identity)
    if "positive_definite" in known:
        half = SolveTriangular(True, False, False)(Cholesky()(a), identity)
        return matmul(matrix_transpose(half), half)
    return None


def _determinant(node: Apply) -> Variable | None:
    (a,) = node.inputs
    known = structure(a)
    if known & {"lower_triangular", "upper_triangular"}:
        return Diagonal(0, True)(a).prod(axis=-1)
    if "positive_definite" in known:
        return sqr(Diagonal()(Cholesky()(a)).prod(axis=-1))
    return None


def _slogdet(node: Apply) -> list[Variable] | None:
    (a,) = node.inputs
    known = structure(a)
    if known & {"lower_triangular", "upper_triangular"}:
        d = Diagonal(0, True)(a)
        return [sgn(d).prod(axis=-1), log(abs(d)).sum(axis=-1)]
    if "positive_definite" in known:
        logarithm = 2 * log(Diagonal()(Cholesky()(a))).sum(axis=-1)
        return [ones_like(logarithm), logarithm]
    return None


def _factor(node: Apply) -> Variable | None:
    (a,) = node.inputs
    if "diagonal" not in structure(a) or node.op != Cholesky() or "positive_definite" not in structure(a):
        return None
    return alloc_diag(sqrt(Diagonal(0, True)(a)))


def _turned(node: Apply) -> Variable | None:
    a = transposed(node.out)
    return a if a is not None and "symmetric" in structure(a) and a.type == node.out.type else None


def _product(node: Apply) -> Variable | None:
    parts = factors(node.out)
    if parts is None:
        return None
    a, b = parts
    if a.dtype != b.dtype:
        return None
    for one, other in (parts, parts[::-1]):
        if transposed(one) is other and "orthogonal" in structure(other) and a.ndim == 2:
            return eye(length(a, 0), dtype=a.dtype)
    if "diagonal" in structure(a):
        return _column(Diagonal(0, True)(a)) * b
    if "diagonal" in structure(b):
        return a * dimshuffle(Diagonal(0, True)(b), *range(b.ndim - 2), "x", b.ndim - 2)
    return None


# ------------------------------------------------------------------------------------ Kronecker products


def _kronecker(v: Variable) -> tuple[Variable, Variable] | None:
    """A and B, if `v` is their Kronecker product, both known to be square."""
    if v.owner is None or v.ndim != 2 or not isinstance(v.owner.op, Reshape):
        return None
    product = v.owner.inputs[0].owner
    if product is None or product.op is not mul:
        return None
    first, second = (i.owner for i in product.inputs)
    if not all(n is not None and isinstance(n.op, DimShuffle) for n in (first, second)):
        return None
    for one, other in ((first, second), (second, first)):
        if one.op.order == (0, "x", 1, "x") and other.op.order == ("x", 0, "x", 1):
            a, b = one.inputs[0], other.inputs[0]
            if a.dtype == b.dtype and _side(a) is not None and _side(b) is not None:
                return a, b
    return None


def _side(a: Variable) -> int | None:
    n, m = a.type.shape
    return n if n == m else None


def _mixed_product(node: Apply) -> Variable | None:
    parts = factors(node.out)
    found = None if parts is None else [_kronecker(part) for part in parts]
    if found is None or None in found:
        return None
    (a, b), (c, d) = found
    return kron(matmul(a, c), matmul(b, d)) if _side(a) == _side(c) and _side(b) == _side(d) else None


def _kronecker_inverse(node: Apply) -> Variable | None:
    parts = _kronecker(node.inputs[0])
    return None if parts is None else kron(*(Inverse()(part) for part in parts))


def _kronecker_determinant(node: Apply) -> Variable | None:
    parts = _kronecker(node.inputs[0])
    if parts is None:
        return None
    a, b = parts
    return Determinant()(a) ** _side(b) * Determinant()(b) ** _side(a)


def _kronecker_slogdet(node: Apply) -> list[Variable] | None:
    parts = _kronecker(node.inputs[0])
    if parts is None:
        return None
    (sign, size), (its_sign, its_size) = (SLogDet()(part) for part in parts)
    n, m = (_side(part) for part in parts)
    return [sign**m * its_sign**n, cast(m, size.dtype) * size + cast(n, size.dtype) * its_size]


def _kronecker_factor(node: Apply) -> Variable | None:
    parts = _kronecker(node.inputs[0])
    if parts is None or node.op != Cholesky():
        return None
    known = all("positive_definite" in structure(part) for part in parts)
    return kron(*(Cholesky()(part) for part in parts)) if known else None


STRUCTURED = [
    OpRule("solve with a matrix of known structure", Solve, _solve),
    OpRule("slogdet of kron(A, B) → of A and of B", SLogDet, _kronecker_slogdet),
    OpRule("slogdet of a matrix of known structure", SLogDet, _slogdet),
    OpRule("inverse of kron(A, B) → kron of the inverses", Inverse, _kronecker_inverse),
    OpRule("inverse of a matrix of known structure", Inverse, _inverse),
    OpRule("cholesky of kron(A, B) → kron of the factors", Cholesky, _kronecker_factor),
    OpRule("cholesky of a diagonal matrix", Cholesky, _factor),
    OpRule("transpose of a symmetric matrix → the matrix", DimShuffle, _turned),
    OpRule("kron(A, B) @ kron(C, D) → kron(A C, B D)", Dot, _mixed_product),
    OpRule("product with a matrix of known structure", Dot, _product),
    OpRule("product with matrices of known structure, batched", Contraction, _product),
]

#: after differentiating, when no logarithm asks for these any more
STRUCTURED_DETERMINANTS = [
    OpRule("det of kron(A, B) → of A and of B", Determinant, _kronecker_determinant),
    OpRule("det of a matrix of known structure", Determinant, _determinant),
]
