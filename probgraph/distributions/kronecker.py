"""Normal vectors whose covariance is a Kronecker product: of a grid, with a matrix for each of its axes.

The idea worth knowing: a vector over a grid is an array with an axis for each matrix, and what is done with the
product is done along one axis after another, so that only the small matrices are ever factored.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from probgraph.distributions.base import Distribution
from probgraph.distributions.constraints import nonnegative, real_vector
from probgraph.distributions.event_constraints import cholesky_factor, positive_definite
from probgraph.distributions.folding import folded, value_if_constant
from probgraph.distributions.parameters import parameter, refuse_outside
from probgraph.distributions.special import LOG_TWO_PI, or_infinite
from probgraph.engine.graph import Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import reduce
from probgraph.engine.ops.cholesky import cholesky
from probgraph.engine.ops.diagonals import diagonal, matrix_transpose
from probgraph.engine.ops.products import matmul
from probgraph.engine.ops.shape import length, moveaxis, reshape, shape_padright
from probgraph.engine.ops.triangular import solve_triangular


class KroneckerNormal(Distribution):
    """Normal vectors with mean mu and covariance K_1 ⊗ K_2 ⊗ ... + sigma² I, on Rⁿ, n the product of the sides.

    mu (..., n); and a list of matrices of known side: `covs` the K_i, `chols` their lower Cholesky factors, or `evds`
    their eigenvalues and eigenvectors (v_i, Q_i), with K_i = Q_i diag(v_i) Q_iᵀ. sigma (...), at least 0, is 0 if not
    given. With it, covs and chols have to be constants: NotImplementedError otherwise, for eigenvectors have no
    derivative where eigenvalues meet. Saatchi, Scalable Inference for Structured Gaussian Process Models (2011), ch. 5.

    >>> KroneckerNormal.dist(mu=np.zeros(2), covs=[[[1.0]], [[1.0, 0.0], [0.0, 1.0]]]).logp([0.0, 0.0]).eval()
    array(-1.83787707)
    """

    params = {"mu": real_vector, "sigma": nonnegative}
    defaults = {"sigma": 0.0}
    options = {"covs": None, "chols": None, "evds": None}
    positional = ("mu", "covs", "chols", "evds", "sigma")
    support = real_vector

    def prepare(self):
        who = type(self).__name__
        given = [name for name in self.options if getattr(self, name) is not None]
        if len(given) != 1:
            raise TypeError(
                f"{who} takes one of covs, chols and evds; given was {' and '.join(given) or 'none'}"
            )
        (name,) = given
        noise = value_if_constant(self.sigma)
        self.noiseless = noise is not None and not np.any(noise)
        if name == "evds":
            pairs = [
                (self._vector(i, v), self._matrix(f"evds[{i}][1]", Q)) for i, (v, Q) in enumerate(self.evds)
            ]
        else:
            factors = [self._factor(name, i, given) for i, given in enumerate(getattr(self, name))]
            if self.noiseless:
                self.sides = [_side(factor) for factor in factors]
                self._own |= {f"chol_{i}": factor for i, factor in enumerate(factors)}
                return
            pairs = [self._decomposed(name, i, factor) for i, factor in enumerate(factors)]
        self.sides = [_side(vectors) for _, vectors in pairs]
        for i, (values, vectors) in enumerate(pairs):
            self._own |= {f"eigenvalues_{i}": values, f"eigenvectors_{i}": vectors}
        positive = reduce.all(self._scales() > 0.0, axis=tuple(range(-len(pairs), 0)))
        constant = value_if_constant(positive)
        if constant is None:
            self._unchecked.append(positive)
        elif not np.all(constant):
            raise ValueError(f"{who}: the eigenvalues of evds, with sigma², must be positive")

    def _matrix(self, what: str, value: Any) -> Variable:
        who = type(self).__name__
        v = parameter(who, what, value)
        if v.ndim != 2 or v.type.shape[0] != v.type.shape[1] or None in v.type.shape:
            raise ValueError(
                f"{who}: {what} has shape {v.type.shape}; it must be a square matrix of known side"
            )
        return v

    def _vector(self, i: int, value: Any) -> Variable:
        v = parameter(type(self).__name__, f"evds[{i}][0]", value)
        if v.ndim != 1:
            raise ValueError(
                f"{type(self).__name__}: evds[{i}][0] has shape {v.type.shape}; it must be a vector"
            )
        return v

    def _factor(self, name: str, i: int, value: Any) -> Variable:
        """The Cholesky factor of a matrix of the list, checked now or when its value is known."""
        what = f"{name}[{i}]"
        v = self._matrix(what, value)
        constraint = positive_definite if name == "covs" else cholesky_factor
        constant = value_if_constant(v)
        if constant is None:
            self._unchecked.append(constraint.holds(v))
        else:
            refuse_outside(f"{type(self).__name__}: {what}", constant, constraint)
        return folded(cholesky(v, on_error="nan")) if name == "covs" else v

    def _decomposed(self, name: str, i: int, factor: Variable) -> tuple[Variable, Variable]:
        constant = value_if_constant(factor)
        if constant is None:
            raise NotImplementedError(
                f"{type(self).__name__}: with sigma, {name}[{i}] has to be a constant: its eigenvectors have no derivative"
                " where eigenvalues meet. Write MvNormal(mu, cov=math.kron(...) + sigma**2 * math.eye(n)), or give evds"
            )
        left, singular, _ = np.linalg.svd(constant)
        return as_variable(singular**2), as_variable(left)

    def _batch_of(self, name, shape):
        if name.startswith(("chol_", "eigen")):
            return ()
        return super()._batch_of(name, shape)

    def event_lengths(self, lengths):
        n, mu = math.prod(self.sides), lengths["mu"][-1]
        if mu not in (None, 1, n):
            raise ValueError(
                f"{type(self).__name__}: mu has vectors of length {mu}, but the product of the sides {self.sides} is {n}"
            )
        return (n,)

    def _several(self, name: str) -> list[Variable]:
        return [self._own[f"{name}_{i}"] for i in range(len(self.sides))]

    def _scales(self) -> Variable:
        """The variances in the directions of the eigenvectors, as an array over the grid."""
        return _over_grid(self._several("eigenvalues")) + shape_padright(ew.sqr(self.sigma), len(self.sides))

    def density(self, x):
        delta, axes = x - self.mu, tuple(range(-len(self.sides), 0))
        grid = reshape(delta, [*(length(delta, i) for i in range(delta.ndim - 1)), *self.sides])
        n = math.prod(self.sides)
        if self.noiseless and self.evds is None:
            chols = self._several("chol")
            for i, chol in enumerate(chols):
                grid = _along(grid, i - len(chols), functools.partial(solve_triangular, chol, lower=True))
            distance = reduce.sum(ew.sqr(grid), axis=axes)
            parts = [ew.log(diagonal(c, axis1=-2, axis2=-1)) for c in chols]
            terms = [2.0 * n / side * reduce.sum(p) for side, p in zip(self.sides, parts, strict=True)]
            log_det = functools.reduce(operator.add, terms)
        else:
            for i, vectors in enumerate(self._several("eigenvectors")):
                grid = _along(grid, i - len(self.sides), functools.partial(matmul, matrix_transpose(vectors)))
            scales = self._scales()
            distance = reduce.sum(ew.sqr(grid) / scales, axis=axes)
            log_det = reduce.sum(ew.log(scales), axis=axes)
        return -0.5 * (or_infinite(distance) + log_det + n * LOG_TWO_PI)

    def draw(self, rng, size, mu, sigma, **matrices):
        n, count = math.prod(self.sides), len(self.sides)
        grid = rng.standard_normal((*size, *self.sides))
        for i in range(count):
            if f"chol_{i}" in matrices:
                root = matrices[f"chol_{i}"]
            else:
                root = matrices[f"eigenvectors_{i}"] * np.sqrt(matrices[f"eigenvalues_{i}"])[..., None, :]
            # Behind the batch, which matrices may have too, are the other sides: (..., others, 1, side).
            turned = np.swapaxes(root, -1, -2).reshape(
                *root.shape[:-2], *(1,) * (count - 1), *root.shape[-2:]
            )
            along = np.moveaxis(grid, i - count, -1)[..., None, :] @ turned
            grid = np.moveaxis(along[..., 0, :], -1, i - count)
        noise = 0.0 if self.noiseless else np.asarray(sigma)[..., None] * rng.standard_normal((*size, n))
        return mu + grid.reshape((*size, n)) + noise

    def mean(self):
        return self.mu

    def variance(self):
        if self.noiseless and self.evds is None:
            parts = [reduce.sum(ew.sqr(chol), axis=-1) for chol in self._several("chol")]
        else:
            pairs = zip(self._several("eigenvalues"), self._several("eigenvectors"), strict=True)
            parts = [reduce.sum(values * ew.sqr(vectors), axis=-1) for values, vectors in pairs]
        return reshape(_over_grid(parts), (-1,)) + ew.sqr(self.sigma)[..., None]


def _side(v: Variable) -> int:
    return int(v.type.shape[-1] or 0)


def _over_grid(vectors: Sequence[Variable]) -> Variable:
    """The products of an element of each vector, as an array with an axis for each."""
    padded = [shape_padright(v, len(vectors) - 1 - i) for i, v in enumerate(vectors)]
    return functools.reduce(operator.mul, padded)


def _along(grid: Variable, axis: int, linear: Callable[[Variable], Variable]) -> Variable:
    """A linear function of the columns of a matrix, applied to an array along one axis."""
    moved = moveaxis(grid, axis, 0)
    lengths = [length(moved, i) for i in range(moved.ndim)]
    return moveaxis(reshape(linear(reshape(moved, (lengths[0], -1))), lengths), 0, axis)


__all__ = ["KroneckerNormal"]
