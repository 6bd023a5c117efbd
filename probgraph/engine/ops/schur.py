"""Schur forms of a matrix, and of two (the QZ form): by SciPy, without gradients."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from probgraph.engine.graph import Variable
from probgraph.engine.op import Hosted
from probgraph.engine.ops.matrices import check_matrix, matrices, over_batch
from probgraph.engine.types import TensorType


class Schur(Hosted):
    """Triangular (or, real, nearly triangular) matrices and the unitary ones that make them of one matrix or two."""

    __props__ = ("output",)

    def __init__(self, output: str = "real") -> None:
        self.output = output

    def infer_type(self, *matrices: Variable) -> list[TensorType]:
        (kind,) = {m.dtype for m in matrices}
        if self.output == "complex":
            kind = {"float32": "complex64", "float64": "complex128"}[kind]
        return [TensorType(kind, matrices[0].type.shape)] * (2 * len(matrices))

    def numpy(self, *arrays: np.ndarray) -> Any:
        return over_batch(self._one, (2,) * len(arrays), arrays)

    def _one(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        # SciPy's linear algebra, on first use: importing it would double the import time of the package.
        scipy = importlib.import_module("scipy.linalg")
        if not all(np.isfinite(a).all() for a in arrays):
            raise np.linalg.LinAlgError(f"{self}: a matrix is not finite")
        kind = np.result_type(arrays[0], "complex64" if self.output == "complex" else arrays[0])
        if arrays[0].size == 0:
            return (np.zeros(arrays[0].shape, kind),) * (2 * len(arrays))
        return tuple(
            np.asarray(m, kind) for m in (scipy.schur if len(arrays) == 1 else scipy.qz)(*arrays, self.output)
        )

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        raise NotImplementedError("schur and qz have no gradient; those of eigh, eig, qr and svd are there")


def _checked(who: str, output: str, *operands: Any) -> list[Variable]:
    if output not in ("real", "complex"):
        raise ValueError(f"{who}: output is 'real' or 'complex', got {output!r}")
    found = matrices(who, *operands)
    for m in found:
        check_matrix(who, m)
    return found


def schur(a: Any, output: str = "real") -> list[Variable]:
    """[T, Z] with a = Z T Zᴴ of real matrices (..., n, n): Z unitary, T upper triangular, with blocks of 2 x 2 on its
    diagonal where it is real and eigenvalues are not. No gradient. LinAlgError at the call if a matrix is not finite.
    """
    return Schur(output)(*_checked("schur", output, a))


def qz(a: Any, b: Any, output: str = "real") -> list[Variable]:
    """[AA, BB, Q, Z] with a = Q AA Zᴴ and b = Q BB Zᴴ of real matrices (..., n, n), the generalised Schur form. No
    gradient. LinAlgError at the call if a matrix is not finite.
    """
    return Schur(output)(*_checked("qz", output, a, b))
