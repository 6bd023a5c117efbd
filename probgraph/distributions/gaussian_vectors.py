"""Distributions of vectors that normal ones are made of: one class each."""

from __future__ import annotations

import numpy as np

from probgraph.distributions.base import Distribution
from probgraph.distributions.constraints import real_vector
from probgraph.distributions.event_constraints import cholesky_factor, positive_definite
from probgraph.distributions.parameters import Alternative
from probgraph.distributions.special import LOG_TWO_PI
from probgraph.engine.graph import Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import reduce
from probgraph.engine.ops.cholesky import cholesky
from probgraph.engine.ops.diagonals import diagonal, eye, matrix_transpose
from probgraph.engine.ops.products import matmul
from probgraph.engine.ops.shape import length, reshape
from probgraph.engine.ops.triangular import solve_triangular


def _factor_of_inverse(tau: Variable) -> Variable:
    """The upper U with U Uᵀ = tau, so that its inverse, transposed, is the lower factor of tau's inverse."""
    return cholesky(tau[..., ::-1, ::-1], on_error="nan")[..., ::-1, ::-1]


def _lower_from_inverse(tau: Variable) -> Variable:
    return solve_triangular(_factor_of_inverse(tau), eye(length(tau, tau.ndim - 1), dtype=tau.dtype), trans=1)


def whitened(chol: Variable, delta: Variable) -> Variable:
    """chol⁻¹ delta for vectors in the last axis; one factor is solved with once for all of them."""
    if chol.ndim > 2:
        return solve_triangular(chol, delta[..., None], lower=True)[..., 0]
    if delta.ndim < 2:
        return solve_triangular(chol, delta, lower=True)
    n = length(delta, delta.ndim - 1)
    columns = matrix_transpose(reshape(delta, (-1, n)) if delta.ndim > 2 else delta)
    rows = matrix_transpose(solve_triangular(chol, columns, lower=True))
    return rows if delta.ndim == 2 else reshape(rows, [length(delta, i) for i in range(delta.ndim)])


def log_diagonal(factor: Variable) -> Variable:
    """The log determinant of a triangular matrix with a positive diagonal."""
    return reduce.sum(ew.log(diagonal(factor, axis1=-2, axis2=-1)), axis=-1)


class _OfCovariance(Distribution):
    """What distributions with a location and a matrix of scales share: `chol`, or what it is computed from."""

    defaults = {"mu": 0.0}
    support = real_vector

    @classmethod
    def _made(cls, who, args, kwargs):
        if kwargs.get("lower") is False and kwargs.get("chol") is not None:
            kwargs["chol"] = matrix_transpose(as_variable(kwargs["chol"]))
        return super()._made(who, args, kwargs)

    def event_lengths(self, lengths):
        n, mu = lengths["chol"][-1], lengths["mu"][-1]
        if n is not None and mu not in (None, 1, n):
            raise ValueError(
                f"{type(self).__name__}: mu has vectors of length {mu}, but its matrix is {n} x {n}"
            )
        return (mu if n is None and mu != 1 else n,)

    def distance_and_log_scale(self, x: Variable) -> tuple[Variable, Variable]:
        """The squared distance from mu in units of the matrix, and the log determinant of `chol`."""
        delta = x - self.mu
        if "tau" in self._given:
            factor = _factor_of_inverse(self._given["tau"])
            white, log_scale = matmul(delta[..., None, :], factor)[..., 0, :], -log_diagonal(factor)
        else:
            white, log_scale = whitened(self.chol, delta), log_diagonal(self.chol)
        return reduce.sum(ew.sqr(white), axis=-1), log_scale

    def places(self, x: Variable) -> Variable:
        """How many there are in a vector, as a float."""
        return ew.cast(length(x, x.ndim - 1), x.dtype)

    def point(self):
        return self.mu


class MvNormal(_OfCovariance):
    """Vectors with normal elements: exp(-|chol⁻¹ (x - mu)|² / 2) / ((2π)^(n/2) det chol), on Rⁿ.

    mu (..., n), 0 if not given; and one of cov (..., n, n), its inverse tau, or chol, lower triangular with
    cov = chol cholᵀ (upper, with cov = cholᵀ chol, if lower=False). A batch of vectors with one matrix shares one
    factorisation; `chol` needs none. Rasmussen & Williams, Gaussian Processes for Machine Learning (2006), A.2.

    >>> MvNormal.dist(mu=[0.0, 0.0], cov=[[2.0, 1.0], [1.0, 2.0]]).logp([0.0, 0.0]).eval()
    array(-2.38718321)
    """

    params = {"mu": real_vector, "chol": cholesky_factor}
    alternatives = (
        Alternative(
            {"mu": real_vector, "cov": positive_definite},
            lambda mu, cov: {"mu": mu, "chol": cholesky(cov, on_error="nan")},
        ),
        Alternative(
            {"mu": real_vector, "tau": positive_definite},
            lambda mu, tau: {"mu": mu, "chol": _lower_from_inverse(tau)},
        ),
    )
    options = {"lower": True}
    positional = ("mu", "cov")

    def density(self, x):
        distance, log_scale = self.distance_and_log_scale(x)
        return -0.5 * distance - log_scale - 0.5 * LOG_TWO_PI * self.places(x)

    def draw(self, rng, size, mu, chol):
        z = rng.standard_normal((*size, chol.shape[-1]))
        return mu + np.matmul(chol, z[..., None])[..., 0]

    def mean(self):
        return self.mu

    def variance(self):
        return reduce.sum(ew.sqr(self.chol), axis=-1)


__all__ = ["MvNormal"]
