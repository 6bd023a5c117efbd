"""Distributions of matrices: one class each."""

from __future__ import annotations

import math

import numpy as np

from probgraph.distributions.base import Distribution
from probgraph.distributions.constraints import positive, real_matrix
from probgraph.distributions.event_constraints import (
    PositiveDefiniteOfSide,
    cholesky_factor,
    positive_definite,
)
from probgraph.distributions.parameters import Alternative
from probgraph.distributions.special import LOG_TWO_PI, in_floatX, or_infinite
from probgraph.engine.graph import Variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import reduce
from probgraph.engine.ops.cholesky import cholesky
from probgraph.engine.ops.diagonals import diagonal, matrix_transpose
from probgraph.engine.ops.shape import length
from probgraph.engine.ops.triangular import solve_triangular


def _by_factors(row: str, column: str) -> Alternative:
    """Rows and columns given by covariances or by their factors."""

    def convert(**given: Variable) -> dict[str, Variable]:
        factors = {
            name.replace("cov", "chol"): cholesky(v, on_error="nan") if name.endswith("cov") else v
            for name, v in given.items()
        }
        return factors

    kinds = {name: positive_definite if name.endswith("cov") else cholesky_factor for name in (row, column)}
    return Alternative({"mu": real_matrix, **kinds}, convert)


class MatrixNormal(Distribution):
    """Matrices (m, n) mu + R Z Cᵀ, with the elements of Z independent standard normals, R = rowchol, C = colchol.

    exp(-|R⁻¹ (x - mu) C⁻ᵀ|² / 2) / ((2π)^(m n / 2) det(R)^n det(C)^m). mu (..., m, n), 0 if not given; rowcov (m, m),
    the covariance within a column, or its lower Cholesky factor rowchol; colcov (n, n), that within a row, or colchol.
    Gupta & Nagar, Matrix Variate Distributions (1999), 2.2.

    >>> MatrixNormal.dist(mu=np.zeros((1, 2)), rowcov=[[1.0]], colcov=[[1.0, 0.0], [0.0, 1.0]]).logp([[0.0, 0.0]]).eval()
    array(-1.83787707)
    """

    params = {"mu": real_matrix, "rowchol": cholesky_factor, "colchol": cholesky_factor}
    defaults = {"mu": 0.0}
    alternatives = (
        _by_factors("rowcov", "colcov"),
        _by_factors("rowcov", "colchol"),
        _by_factors("rowchol", "colcov"),
    )
    support = real_matrix
    positional = ("mu", "rowcov")

    def event_lengths(self, lengths):
        sides = (lengths["rowchol"][-1], lengths["colchol"][-1])
        mu = lengths["mu"][-2:]
        if any(None not in (m, n) and m not in (1, n) for m, n in zip(mu, sides, strict=True)):
            raise ValueError(
                f"{type(self).__name__}: mu has matrices of shape {mu}, but those of rows and columns are for {sides}"
            )
        return sides

    def density(self, x):
        rows = solve_triangular(self.rowchol, x - self.mu, lower=True)
        white = solve_triangular(self.colchol, matrix_transpose(rows), lower=True)
        m, n = (ew.cast(length(x, x.ndim - axis), x.dtype) for axis in (2, 1))
        log_scale = n * _log_diagonal(self.rowchol) + m * _log_diagonal(self.colchol)
        distance = or_infinite(reduce.sum(ew.sqr(white), axis=(-2, -1)))
        return -0.5 * distance - log_scale - 0.5 * m * n * LOG_TWO_PI

    def draw(self, rng, size, mu, rowchol, colchol):
        z = rng.standard_normal((*size, rowchol.shape[-1], colchol.shape[-1]))
        return mu + np.matmul(np.matmul(rowchol, z), colchol.swapaxes(-1, -2))

    def mean(self):
        return self.mu

    def variance(self):
        rows, columns = (reduce.sum(ew.sqr(chol), axis=-1) for chol in (self.rowchol, self.colchol))
        return rows[..., None] * columns[..., None, :]


class Wishart(Distribution):
    """Positive definite matrices, as Σ z zᵀ of nu normal vectors with covariance V. LKJCholeskyCov is the better prior.

    |x|^((nu - p - 1) / 2) exp(-tr(V⁻¹ x) / 2) / (2^(nu p / 2) |V|^(nu / 2) Γ_p(nu / 2)), by the lower triangle of x
    (p, p). nu (...) is greater than p - 1, V (..., p, p) positive definite.

    It is discouraged: as a prior of covariances it ties their sizes to the correlations, and each evaluation factors a
    matrix. Gupta & Nagar, Matrix Variate Distributions (1999), 3.2; draws by Bartlett's decomposition.

    >>> Wishart.dist(nu=2.0, V=[[1.0]]).logp([[2.0]]).eval()
    array(-1.69314718)
    """

    params = {"nu": positive, "V": positive_definite}

    def requirements(self):
        p = self.V.type.shape[-1]
        if p is None:
            raise ValueError(
                f"{type(self).__name__}: V has shape {self.V.type.shape}; its length must be known"
            )
        return [(self.nu > p - 1.0, f"nu > p - 1 = {p - 1} for V of side {p}")]

    def prepare(self):
        self.p = self.V.type.shape[-1]
        self.support = PositiveDefiniteOfSide(self.p)

    def density(self, x):
        p, nu = self.p, self.nu
        scale, factor = cholesky(self.V, on_error="nan"), cholesky(x, on_error="nan")
        traces = or_infinite(reduce.sum(ew.sqr(solve_triangular(scale, factor, lower=True)), axis=(-2, -1)))
        gammas = reduce.sum(ew.gammaln(0.5 * (nu[..., None] - in_floatX(np.arange(p)))), axis=-1)
        constant = 0.5 * p * math.log(2.0) * nu + nu * _log_diagonal(scale) + gammas
        constant = constant + 0.25 * p * (p - 1.0) * math.log(math.pi)
        return (nu - (p + 1.0)) * _log_diagonal(factor) - 0.5 * traces - constant

    def draw(self, rng, size, nu, V):
        p = self.p
        part = np.tril(rng.standard_normal((*size, p, p)), -1)
        places = np.arange(p)
        part[..., places, places] = np.sqrt(rng.chisquare(np.asarray(nu)[..., None] - places, (*size, p)))
        root = np.matmul(np.linalg.cholesky(V), part)
        return np.matmul(root, root.swapaxes(-1, -2))

    def mean(self):
        return self.nu[..., None, None] * self.V

    def variance(self):
        own = diagonal(self.V, axis1=-2, axis2=-1)
        return self.nu[..., None, None] * (ew.sqr(self.V) + own[..., None] * own[..., None, :])


def _log_diagonal(factor: Variable) -> Variable:
    return reduce.sum(ew.log(diagonal(factor, axis1=-2, axis2=-1)), axis=-1)


__all__ = ["MatrixNormal", "Wishart"]
