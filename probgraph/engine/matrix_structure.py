"""What structure a matrix has: by what the user assumed, by the operation that made it, by what that was made of.

Structure passes through transposes, inverses, products, sums and scalings as the textbooks have it (Golub & Van Loan,
"Matrix Computations", sections 1.2 and 3.1).
"""

from __future__ import annotations

import numpy as np

from probgraph.engine.graph import Constant, Variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.assumptions import Assumed
from probgraph.engine.ops.cholesky import Cholesky
from probgraph.engine.ops.diagonals import SetDiagonal
from probgraph.engine.ops.products import Contraction, Dot
from probgraph.engine.ops.shape import ARange, DimShuffle
from probgraph.engine.ops.solves import Inverse
from probgraph.engine.ops.triangular import SolveTriangular
from probgraph.engine.rewrite import uniform

Structure = frozenset[str]
NOTHING: Structure = frozenset()
_TRIANGLES = {"lower_triangular": "upper_triangular", "upper_triangular": "lower_triangular"}
#: how far back one looks, and the largest constant that is looked at
_DEPTH, _LARGEST = 8, 500


def structure(v: Variable, depth: int = _DEPTH) -> Structure:
    """The properties (of `assumptions.PROPERTIES`) that a matrix is known to have."""
    if v.ndim < 2 or not depth:
        return NOTHING
    if v.owner is None:
        return _of_constant(v) if isinstance(v, Constant) else NOTHING
    op, inputs = v.owner.op, v.owner.inputs
    match op:
        case Assumed():
            return _closed(structure(inputs[0], depth - 1) | set(op.properties))
        case Cholesky():
            return frozenset({"lower_triangular"})
        case Inverse():
            return structure(inputs[0], depth - 1)
        case DimShuffle() if v.ndim == inputs[0].ndim and op.order == _turned(v.ndim):
            return frozenset(_TRIANGLES.get(name, name) for name in structure(inputs[0], depth - 1))
        case SetDiagonal() if not op.offset and uniform(inputs[0], 0) is not None:
            square = v.type.shape[-1] == v.type.shape[-2] is not None
            made = inputs[0].owner
            same = made is not None and len(made.inputs) > 2 and made.inputs[-1] is made.inputs[-2]
            return _closed({"diagonal"}) if square or same else NOTHING
        case SetDiagonal() if not op.offset:
            return structure(inputs[0], depth - 1) & {
                "lower_triangular",
                "upper_triangular",
                "diagonal",
                "symmetric",
            }
        case SolveTriangular():
            solves = "lower_triangular" if op.lower != op.transposed else "upper_triangular"
            return structure(inputs[1], depth - 1) & {solves}
    if _is_identity(v):
        return _closed({"diagonal", "positive_definite", "orthogonal"})
    parts = factors(v)
    if parts is not None:
        a, b = parts
        both = structure(a, depth - 1) & structure(b, depth - 1)
        found = both & {"lower_triangular", "upper_triangular", "diagonal", "orthogonal"}
        return _closed(found | ({"symmetric"} if transposed(b) is a or transposed(a) is b else set()))
    if op is ew.add and all(i.type == v.type for i in inputs):
        both = structure(inputs[0], depth - 1) & structure(inputs[1], depth - 1)
        return _closed(both - {"orthogonal"})
    if op is ew.neg:
        return structure(inputs[0], depth - 1) - {"positive_definite"}
    if op in (ew.mul, ew.true_div):
        for scalar, matrix in (inputs[::-1], inputs)[: 2 if op is ew.mul else 1]:
            if scalar.ndim == 0 and matrix.type == v.type:
                lost = {"orthogonal"} if _surely_positive(scalar) else {"orthogonal", "positive_definite"}
                return structure(matrix, depth - 1) - lost
    return NOTHING


def _is_identity(v: Variable) -> bool:
    """Whether `v` is what `eye` makes: ones where the numbers of row and column agree."""
    made = v.owner
    if v.ndim != 2 or made is None or not isinstance(made.op, ew.Elementwise) or made.op.name[:4] != "Cast":
        return False
    on = made.inputs[0].owner
    sides = [] if on is None or on.op is not ew.eq else [_without_zero(i) for i in on.inputs]
    if not sides or not all(_made_by(i, DimShuffle) for i in sides):
        return False
    first, second = (i.owner.inputs[0] for i in sides)
    orders = {i.owner.op.order for i in sides}
    counts = first is second or (
        _made_by(first, ARange)
        and _made_by(second, ARange)
        and all(map(_same, first.owner.inputs, second.owner.inputs))
    )
    return counts and _made_by(first, ARange) and orders == {(0, "x"), ("x", 0)}


def _without_zero(v: Variable) -> Variable:
    """x, if `v` is x + 0."""
    if v.owner is not None and v.owner.op is ew.add and uniform(v.owner.inputs[1], 0) is not None:
        return v.owner.inputs[0]
    return v


def _same(a: Variable, b: Variable) -> bool:
    known, other = uniform(a), uniform(b)
    return a is b or (known is not None and other is not None and known.data == other.data)


def _made_by(v: Variable, op: type) -> bool:
    return v.owner is not None and isinstance(v.owner.op, op)


def _surely_positive(v: Variable) -> bool:
    number = uniform(v)
    return number is not None and bool(number.data > 0)


def _of_constant(v: Constant) -> Structure:
    a = v.data
    if a.ndim != 2 or a.shape[0] != a.shape[1] or a.size > _LARGEST**2 or a.dtype.kind != "f":
        return NOTHING
    found = set()
    if np.array_equal(a, np.tril(a)):
        found.add("lower_triangular")
    if np.array_equal(a, np.triu(a)):
        found.add("upper_triangular")
    if np.array_equal(a, a.T):
        found.add("symmetric")
    return _closed(found)


def _closed(properties: set[str] | Structure) -> Structure:
    """With all that follows from them."""
    found = set(properties)
    if "positive_definite" in found or "diagonal" in found:
        found.add("symmetric")
    if found >= set(_TRIANGLES) or ("symmetric" in found and found & set(_TRIANGLES)):
        found.add("diagonal")
    if "diagonal" in found:
        found |= {"symmetric", *_TRIANGLES}
    return frozenset(found)


def _turned(rank: int) -> tuple[int, ...]:
    return (*range(rank - 2), rank - 1, rank - 2)


def transposed(v: Variable) -> Variable | None:
    """A, if `v` is Aᵀ."""
    if v.owner is None or v.ndim < 2 or not isinstance(v.owner.op, DimShuffle):
        return None
    return v.owner.inputs[0] if v.owner.op.order == _turned(v.ndim) else None


def factors(v: Variable) -> tuple[Variable, Variable] | None:
    """A and B, if `v` is the product A B of matrices, or of stacks of them with the same leading axes."""
    if v.owner is None or v.ndim < 2:
        return None
    match v.owner.op:
        case Dot():
            a, b = v.owner.inputs
            return (a, b) if a.ndim == b.ndim == 2 else None
        case Contraction(left=left, right=right, result=result):
            batch, rows, columns = result[:-2], result[-2], result[-1]
            if left == batch + rows + left[-1] and right == batch + left[-1] + columns:
                return v.owner.inputs[0], v.owner.inputs[1]
    return None
