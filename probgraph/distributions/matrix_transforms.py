"""Transforms of triangular matrices: Cholesky factors of correlations and of covariances.

Their unconstrained values are vectors: the places of the triangle, row by row.
"""

from __future__ import annotations

import math

import numpy as np

from probgraph.distributions.transform import Shape, Transform
from probgraph.engine import operators as _operators  # noqa: F401  (gives variables their arithmetic)
from probgraph.engine.graph import Variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import reduce
from probgraph.engine.ops.cholesky import cholesky
from probgraph.engine.ops.cumulative import cumsum
from probgraph.engine.ops.diagonals import diagonal, matrix_transpose
from probgraph.engine.ops.products import matmul
from probgraph.engine.ops.shape import join


class CholeskyCorr(Transform):
    """Lower Cholesky factors (n, n) of correlation matrices, from n (n - 1) / 2 numbers; with `upper` their transposes.

    Each number is, by tanh, the partial correlation of two variables given those before them both: as log-odds are to
    a probability. Row i is a point of a sphere, of which each number takes its part of what is left.

    Lewandowski, Kurowicka & Joe, "Generating random correlation matrices based on vines and extended onion method"
    (J. Multivariate Analysis 2009).
    """

    name = "cholesky_corr"
    event_ndim, value_ndim = 2, 1

    def __init__(self, n: int, upper: bool = False) -> None:
        if n < 1:
            raise ValueError(f"CholeskyCorr: n is {n}; it must be at least 1")
        self.n, self.upper = int(n), bool(upper)
        self.rows, self.columns = np.tril_indices(self.n, -1)
        self.below = np.tri(self.n, k=-1, dtype=bool)

    def forward(self, x: Variable) -> Variable:
        x = matrix_transpose(x) if self.upper else x
        # What is left of each row from a place on, without subtracting from 1.
        left = ew.sqrt(cumsum(ew.sqr(x)[..., ::-1], axis=-1)[..., ::-1])
        ratio = x[..., self.rows, self.columns] / left[..., self.rows, self.columns + 1]
        return ew.arcsinh(ratio)

    def inverse(self, y: Variable) -> Variable:
        if self.n == 1:
            return reduce.sum(y, axis=-1, keepdims=True)[..., None] + 1.0
        square, left = self._parts(y)
        part = ew.switch(self.below, ew.tanh(square), np.eye(self.n))
        factor = part * ew.exp(left)
        return matrix_transpose(factor) if self.upper else factor

    def log_det(self, y: Variable) -> Variable:
        if self.n == 1:
            return reduce.sum(y, axis=-1)
        _, left = self._parts(y)
        return reduce.sum(left[..., self.rows, self.columns], axis=-1) + 2.0 * reduce.sum(
            _log_sech(y), axis=-1
        )

    def _parts(self, y: Variable) -> tuple[Variable, Variable]:
        """The numbers in their places, and the log of what is left of each row before each place."""
        places = np.zeros((self.n, self.n), dtype="int64")
        places[self.rows, self.columns] = np.arange(len(self.rows))
        square = y[..., places]
        taken = ew.switch(self.below, _log_sech(square), 0.0)
        before = join(-1, ew.zeros_like(taken[..., :1]), taken[..., :-1])
        return square, cumsum(before, axis=-1)

    def unconstrained_shape(self, shape: Shape) -> Shape:
        if shape[-2:] != (self.n, self.n):
            raise ValueError(
                f"the transform {self.name} is for matrices ({self.n}, {self.n}); the shape is {shape}"
            )
        return (*shape[:-2], len(self.rows))


class CorrelationVector(CholeskyCorr):
    """Correlations above the diagonal of a matrix (n, n), row by row, from as many numbers: by way of its factor."""

    name = "cholesky_corr"
    event_ndim, value_ndim = 1, None

    def __init__(self, n: int) -> None:
        super().__init__(n)

    def forward(self, x: Variable) -> Variable:
        return super().forward(cholesky(correlation_matrix(self.n, x), on_error="nan"))

    def inverse(self, y: Variable) -> Variable:
        factor = super().inverse(y)
        return matmul(factor, matrix_transpose(factor))[(..., *np.triu_indices(self.n, 1))]

    def log_det(self, y: Variable) -> Variable:
        if self.n == 1:
            return super().log_det(y)
        # Of the correlations by the factor's places below its diagonal.
        diagonals = diagonal(self._parts(y)[1], axis1=-2, axis2=-1)
        powers = self.n - 1.0 - np.arange(self.n)
        return super().log_det(y) + reduce.sum(powers * diagonals, axis=-1)

    def unconstrained_shape(self, shape: Shape) -> Shape:
        if shape[-1] != len(self.rows):
            raise ValueError(
                f"the transform {self.name} of n={self.n} is for {len(self.rows)} correlations; the shape is {shape}"
            )
        return shape


def correlation_matrix(n: int, x: Variable) -> Variable:
    """Symmetric matrices (..., n, n) with 1 on the diagonal and x (..., n (n - 1) / 2) above it, row by row."""
    if n == 1:
        return reduce.sum(x, axis=-1, keepdims=True)[..., None] + 1.0
    places = np.zeros((n, n), dtype="int64")
    places[np.triu_indices(n, 1)] = np.arange(n * (n - 1) // 2)
    return ew.switch(np.eye(n, dtype=bool), 1.0, x[..., places + places.T])


def _log_sech(y: Variable) -> Variable:
    """log(1 / cosh y), half of log(1 - tanh² y)."""
    return y - ew.softplus(2.0 * y) + math.log(2.0)


class CholeskyCovPacked(Transform):
    """Lower triangles with a positive diagonal, packed row by row into n (n + 1) / 2 numbers: the diagonal as log."""

    name = "cholesky-cov-packed"
    event_ndim = 1

    def __init__(self, n: int) -> None:
        if n < 1:
            raise ValueError(f"{type(self).__name__}: n is {n}; it must be at least 1")
        self.n = int(n)
        self.diagonal = np.cumsum(np.arange(1, self.n + 1)) - 1
        self.on_diagonal = np.isin(np.arange(self.n * (self.n + 1) // 2), self.diagonal)

    def forward(self, x: Variable) -> Variable:
        return ew.switch(self.on_diagonal, ew.log(ew.switch(self.on_diagonal, x, 1.0)), x)

    def inverse(self, y: Variable) -> Variable:
        # exp sees the diagonal alone, lest large numbers elsewhere make an infinity times zero of a gradient.
        return ew.switch(self.on_diagonal, ew.exp(ew.switch(self.on_diagonal, y, 0.0)), y)

    def log_det(self, y: Variable) -> Variable:
        return reduce.sum(y[..., self.diagonal], axis=-1)

    def unconstrained_shape(self, shape: Shape) -> Shape:
        if shape[-1] != len(self.on_diagonal):
            raise ValueError(
                f"the transform {self.name} of n={self.n} is for {len(self.on_diagonal)} numbers; the shape is {shape}"
            )
        return shape


class CholeskyCov(CholeskyCovPacked):
    """Lower triangles with a positive diagonal as matrices (n, n), from n (n + 1) / 2 numbers: the diagonal as log."""

    name = "cholesky_cov"
    event_ndim, value_ndim = 2, 1

    def forward(self, x: Variable) -> Variable:
        return super().forward(x[(..., *np.tril_indices(self.n))])

    def inverse(self, y: Variable) -> Variable:
        places = np.zeros((self.n, self.n), dtype="int64")
        places[np.tril_indices(self.n)] = np.arange(len(self.on_diagonal))
        return ew.switch(np.tri(self.n, dtype=bool), super().inverse(y)[..., places], 0.0)

    def unconstrained_shape(self, shape: Shape) -> Shape:
        if shape[-2:] != (self.n, self.n):
            raise ValueError(
                f"the transform {self.name} is for matrices ({self.n}, {self.n}); the shape is {shape}"
            )
        return (*shape[:-2], len(self.on_diagonal))


class PositiveDefinite(CholeskyCov):
    """Symmetric positive definite matrices (n, n), from n (n + 1) / 2 numbers: by way of their Cholesky factors."""

    name = "positive_definite"

    def forward(self, x: Variable) -> Variable:
        return super().forward(cholesky(x, on_error="nan"))

    def inverse(self, y: Variable) -> Variable:
        factor = super().inverse(y)
        return matmul(factor, matrix_transpose(factor))

    def log_det(self, y: Variable) -> Variable:
        # Of the matrix's lower triangle by the factor's: 2^n times the product of its diagonal's powers n, n - 1 ... 1.
        powers = self.n - np.arange(float(self.n))
        diagonals = y[..., self.diagonal]
        return super().log_det(y) + reduce.sum(powers * diagonals, axis=-1) + self.n * math.log(2.0)
