"""Sets of vectors and matrices: simplexes, counts with a given sum, positive definite matrices and their factors."""

from __future__ import annotations

import numpy as np

from probgraph.distributions.constraints import Constraint, Each, natural, nonnegative
from probgraph.distributions.matrix_transforms import CholeskyCovPacked, CorrelationVector, correlation_matrix
from probgraph.distributions.matrix_transforms import PositiveDefinite as PositiveDefiniteTransform
from probgraph.distributions.transforms import simplex as simplex_transform
from probgraph.distributions.vector_transforms import ZeroSumTransform
from probgraph.engine.graph import Constant, Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import reduce
from probgraph.engine.ops.cholesky import cholesky
from probgraph.engine.ops.diagonals import diagonal, matrix_transpose, triu

#: how far from 1 the sum of what was given as a simplex may be: data come rounded, and in single precision
SLACK = 1e-6


class Simplex(Constraint):
    """The vectors of numbers that are at least 0 and have the sum 1."""

    text = "at least 0 in each element, with the sum 1"
    event_ndim = 1
    transform = simplex_transform

    def holds(self, x: Variable) -> Variable:
        total = reduce.sum(x, axis=-1)
        return Each(nonnegative).holds(x) & (ew.abs(total - 1.0) < SLACK)


class CountsTo(Constraint):
    """The vectors of integers, at least 0, that have the sum n."""

    event_ndim = 1
    discrete = True

    def __init__(self, n: Variable) -> None:
        self.n = as_variable(n)
        total = f"{self.n.data:g}" if isinstance(self.n, Constant) and self.n.ndim == 0 else "n"
        self.text = f"an integer, at least 0, in each element, with the sum {total}"

    def holds(self, x: Variable) -> Variable:
        return Each(natural).holds(x) & ew.eq(reduce.sum(x, axis=-1), self.n)


class PositiveDefinite(Constraint):
    """The symmetric matrices that have a Cholesky factor. That they are symmetric is asked of constants alone."""

    text = "a symmetric positive definite matrix"
    event_ndim = 2

    def holds(self, x: Variable) -> Variable:
        # A factor that the density needs too: it is computed once. On failure all of it is nan.
        condition = diagonal(cholesky(x, on_error="nan"), axis1=-2, axis2=-1)[..., -1] > 0.0
        if isinstance(x, Constant):
            tolerance = 1e-4 if x.dtype == "float32" else 1e-9
            gap = reduce.max(ew.abs(x - matrix_transpose(x)), axis=(-2, -1))
            condition = condition & (gap <= tolerance * reduce.max(ew.abs(x), axis=(-2, -1)))
        return condition


class PositiveDefiniteOfSide(PositiveDefinite):
    """Those of one side, which have a transform."""

    def __init__(self, n: int) -> None:
        self.transform = PositiveDefiniteTransform(n)


class CholeskyFactor(Constraint):
    """The lower triangular matrices with a positive diagonal. Of graphs the upper triangle is taken to be 0."""

    text = "a lower triangular matrix with a positive diagonal"
    event_ndim = 2

    def holds(self, x: Variable) -> Variable:
        condition = reduce.all(diagonal(x, axis1=-2, axis2=-1) > 0.0, axis=-1)
        if isinstance(x, Constant):
            condition = condition & reduce.all(ew.eq(triu(x, 1), 0.0), axis=(-2, -1))
            condition = condition & reduce.all(ew.abs(x) < np.inf, axis=(-2, -1))
        return condition


class PackedCholeskyFactor(Constraint):
    """Lower triangles with a positive diagonal, row by row as vectors of n (n + 1) / 2 finite numbers."""

    event_ndim = 1

    def __init__(self, n: int) -> None:
        self.transform = CholeskyCovPacked(n)
        self.text = f"the lower triangle of a matrix {n} x {n}, row by row, with a positive diagonal"

    def holds(self, x: Variable) -> Variable:
        finite = reduce.all(ew.abs(x) < np.inf, axis=-1)
        return finite & reduce.all(x[..., self.transform.diagonal] > 0.0, axis=-1)


class Correlations(Constraint):
    """The correlations above the diagonal of a positive definite matrix (n, n), row by row."""

    event_ndim = 1

    def __init__(self, n: int) -> None:
        self.n, self.transform = n, CorrelationVector(n)
        self.text = f"the upper triangle, row by row, of a positive definite matrix {n} x {n} of correlations"

    def holds(self, x: Variable) -> Variable:
        return positive_definite.holds(correlation_matrix(self.n, x))


class SumTo0(Constraint):
    """Arrays of finite numbers that sum to 0 along each of their last axes, as many as told."""

    def __init__(self, axes: int) -> None:
        self.event_ndim = axes
        self.transform = ZeroSumTransform(range(-axes, 0))
        self.text = "finite numbers with the sum 0" + (
            f" along each of the last {axes} axes" if axes > 1 else ""
        )

    def holds(self, x: Variable) -> Variable:
        every = tuple(range(-self.event_ndim, 0))
        size = reduce.sum(ew.abs(x), axis=every)
        condition = size < np.inf
        for axis in every:
            largest = reduce.max(ew.abs(reduce.sum(x, axis=axis, keepdims=True)), axis=every)
            condition = condition & (largest <= SLACK * size)
        return condition


class OpenSimplex(Simplex):
    """The vectors of numbers that are at least 0 and have the sum 1, their last above 0."""

    text = "at least 0 in each element, above 0 in the last, with the sum 1"

    def holds(self, x: Variable) -> Variable:
        return super().holds(x) & (x[..., -1] > 0.0)


simplex = Simplex()
open_simplex = OpenSimplex()
positive_definite = PositiveDefinite()
cholesky_factor = CholeskyFactor()
