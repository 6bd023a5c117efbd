"""What is known of a matrix beyond its type: said by the user, checked by nobody, used by the rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from probgraph.engine.graph import Apply, Variable
from probgraph.engine.loops import Expr
from probgraph.engine.op import LengthReader, Pointwise, ValueReader, as_variable
from probgraph.engine.ops.matrices import check_matrix
from probgraph.engine.types import TensorType

#: what may be said of a matrix
PROPERTIES = (
    "positive_definite",
    "symmetric",
    "diagonal",
    "lower_triangular",
    "upper_triangular",
    "orthogonal",
)


class Assumed(Pointwise):
    """The same matrices, known to have `properties`."""

    __props__ = ("properties",)

    def __init__(self, properties: tuple[str, ...]) -> None:
        self.properties = properties

    def __str__(self) -> str:
        return f"Assume{{{', '.join(self.properties)}}}"

    def infer_type(self, x: Variable) -> list[TensorType]:
        check_matrix("assume", x)
        return [x.type]

    def numpy(self, x: np.ndarray) -> np.ndarray:
        return x

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        return [cotangents[0]]

    def batched(self, node: Apply, inputs: Sequence[Variable]) -> list[Variable]:
        return [self(*inputs)]

    def expand(self, x: Variable) -> Variable:
        return x

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        return [reader.lengths(node.inputs[0])]

    def element(self, reader: ValueReader, node: Apply, index: tuple[Expr, ...]) -> Expr:
        return reader.value(node.inputs[0], index)


def assume(
    x: Any,
    *,
    positive_definite: bool = False,
    symmetric: bool = False,
    diagonal: bool = False,
    lower_triangular: bool = False,
    upper_triangular: bool = False,
    orthogonal: bool = False,
) -> Variable:
    """`x`, square matrices (..., n, n), known to have properties that nothing shows.

    The rules then take the cheaper way: a Cholesky factor for what is positive definite (and symmetric), a
    substitution for what is triangular, a division for what is diagonal, a transpose for the inverse of what is
    orthogonal. Nothing is checked: where the property does not hold the results are wrong. Raises ValueError if
    no property is given or `x` is no square matrix.

    >>> inverse = assume(np.array([[0.0, 1.0], [-1.0, 0.0]]), orthogonal=True)
    >>> inverse.owner.op.properties
    ('orthogonal',)
    """
    said = (positive_definite, symmetric, diagonal, lower_triangular, upper_triangular, orthogonal)
    properties = tuple(name for name, holds in zip(PROPERTIES, said, strict=True) if holds)
    if not properties:
        raise ValueError(
            f"assume: say what is known of the matrix: one of {', '.join(PROPERTIES)} as name=True"
        )
    return Assumed(properties)(as_variable(x))
