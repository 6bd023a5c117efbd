"""Distributions of one number for each of some areas, where neighbours resemble each other: conditional autoregressions.

The idea worth knowing: their quadratic forms are sums over pairs of neighbours, so that a density takes time in
proportion to the number of pairs, not to the square of that of areas.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from probgraph.distributions.base import Distribution
from probgraph.distributions.constraints import Interval, positive, real_vector
from probgraph.distributions.folding import value_if_constant
from probgraph.distributions.special import LOG_TWO_PI, in_floatX, or_infinite
from probgraph.engine.graph import Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import reduce
from probgraph.engine.ops.diagonals import diagonal
from probgraph.engine.ops.solves import inv


class _OfNeighbours(Distribution):
    """What the distributions over areas share: `W`, its pairs of neighbours, and how many areas there are."""

    support = real_vector

    def prepare(self):
        self.W = neighbours(type(self).__name__, self.W)
        self.left, self.right = np.nonzero(np.triu(self.W, 1))
        self.weights = in_floatX(self.W[self.left, self.right])
        self.degrees = self.W.sum(axis=1)

    def event_lengths(self, lengths):
        n = len(self.W)
        mu = lengths["mu"][-1] if "mu" in lengths else n
        if mu not in (None, 1, n):
            raise ValueError(f"{type(self).__name__}: mu has vectors of length {mu}, but W is {n} x {n}")
        return (n,)

    def roughness(self, x: Variable, sign: float = 1.0) -> Variable:
        """The sum over pairs of neighbours of the weighted squares of their differences; of their sums for sign=-1."""
        return reduce.sum(self.weights * ew.sqr(x[..., self.left] - sign * x[..., self.right]), axis=-1)


def neighbours(who: str, W: Any) -> np.ndarray:
    """W as an array: TypeError where it is no constant, ValueError where it is no symmetric matrix of weights."""
    if W is None:
        raise TypeError(f"{who}: W is missing; it is the matrix that says which areas are neighbours")
    value = value_if_constant(as_variable(W))
    if value is None:
        raise TypeError(f"{who}: W is {W!r}; it must be an array that is known when the model is built")
    value = np.asarray(value, dtype="float64")
    if value.ndim != 2 or value.shape[0] != value.shape[1] or len(value) < 2:
        raise ValueError(f"{who}: W has shape {value.shape}; it must be a square matrix of two areas or more")
    if not (np.isfinite(value).all() and (value >= 0).all() and (value == value.T).all()):
        raise ValueError(f"{who}: W must be a symmetric matrix of finite weights, at least 0")
    if np.diagonal(value).any():
        raise ValueError(f"{who}: W must have zeros on its diagonal: no area is a neighbour of itself")
    if not value.any(axis=1).all():
        lonely = int(np.argmin(value.any(axis=1)))
        raise ValueError(f"{who}: W gives area {lonely} no neighbour; each needs one")
    return value


class CAR(_OfNeighbours):
    """Conditional autoregression: normal vectors with mean mu and precision tau (D - alpha W), on Rⁿ.

    Given the others, an area is normal around mu_i + alpha Σ_j w_ij (x_j - mu_j) / d_i, with precision tau d_i. W (n, n)
    is a symmetric array of weights, 1 for neighbours and 0 for others; D has its row sums d on the diagonal. mu
    (..., n); alpha (...) is between -1 and 1, both excluded, tau (...) positive. Jin, Carlin & Banerjee, "Generalized
    hierarchical multivariate CAR models for areal data" (Biometrics 2005).

    >>> CAR.dist(mu=[0.0, 0.0], W=[[0, 1], [1, 0]], alpha=0.5, tau=1.0).logp([0.0, 0.0]).eval()
    array(-1.9817181)
    """

    params = {
        "mu": real_vector,
        "alpha": Interval("between -1 and 1, both excluded", -1.0, 1.0),
        "tau": positive,
    }
    options = {"W": None}
    positional = ("mu", "W", "alpha", "tau")

    def prepare(self):
        super().prepare()
        root = np.sqrt(self.degrees)
        values = np.linalg.eigvalsh(self.W / root / root[:, None])
        # The largest of each part that is connected is 1: exactly, for alpha near it.
        self.eigenvalues = np.where(np.abs(values - 1.0) < 1e-12, 1.0, values)

    def density(self, x):
        delta = x - self.mu
        # As a sum of squares, of which none cancel, for either sign of alpha.
        squares = reduce.sum(in_floatX(self.degrees) * ew.sqr(delta), axis=-1)
        above = (1.0 - self.alpha) * squares + self.alpha * self.roughness(delta)
        below = (1.0 + self.alpha) * squares - self.alpha * self.roughness(delta, -1.0)
        distance = self.tau * or_infinite(ew.switch(self.alpha < 0.0, below, above))
        log_det = reduce.sum(ew.log1p(-self.alpha[..., None] * in_floatX(self.eigenvalues)), axis=-1)
        n = len(self.W)
        log_det = log_det + n * ew.log(self.tau) + float(np.log(self.degrees).sum())
        return 0.5 * (log_det - distance) - 0.5 * n * LOG_TWO_PI

    def draw(self, rng, size, mu, alpha, tau):
        scaled = np.diag(self.degrees) - np.asarray(alpha)[..., None, None] * self.W
        factor = np.linalg.cholesky(scaled).swapaxes(-1, -2)
        z = rng.standard_normal((*size, len(self.W), 1))
        return mu + np.linalg.solve(factor, z)[..., 0] / np.sqrt(tau)[..., None]

    def mean(self):
        return self.mu

    def variance(self):
        scaled = in_floatX(np.diag(self.degrees)) - self.alpha[..., None, None] * in_floatX(self.W)
        return diagonal(inv(scaled), axis1=-2, axis2=-1) / self.tau[..., None]


class ICAR(_OfNeighbours):
    """Intrinsic conditional autoregression: exp(-Σ (x_i - x_j)² / (2 sigma²)) over pairs of neighbours, with mean near 0.

    Of the differences alone it is improper; the mean of x is normal around 0 with standard deviation
    `zero_sum_stdev`, 0.001 if not given, which makes it a density on Rⁿ. It is normalised, also in sigma: to the power
    1 - n. W (n, n) is a symmetric array, 1 for neighbours and 0 for others, in which all areas are connected; sigma
    (...) is positive, 1 if not given. Besag, York & Mollié, "Bayesian image restoration, with two applications in
    spatial statistics" (1991).

    >>> ICAR.dist(W=[[0, 1], [1, 0]], sigma=1.0, zero_sum_stdev=1.0).logp([0.0, 0.0]).eval()
    array(-1.83787707)
    """

    params = {"sigma": positive, "zero_sum_stdev": positive}
    defaults = {"sigma": 1.0, "zero_sum_stdev": 0.001}
    options = {"W": None}
    positional = ("W", "sigma", "zero_sum_stdev")

    def prepare(self):
        super().prepare()
        who = type(self).__name__
        if not np.isin(self.W, (0.0, 1.0)).all():
            raise ValueError(f"{who}: W must have no other elements than 0 and 1")
        values, vectors = np.linalg.eigh(np.diag(self.degrees) - self.W)
        if values[1] < 1e-10 * values[-1]:
            raise ValueError(f"{who}: W has parts that are not connected; give each an {who} of its own")
        self.roots = vectors[:, 1:] / np.sqrt(values[1:])
        # Of the non-zero eigenvalues, by the matrix-tree theorem.
        minor = (np.diag(self.degrees) - self.W)[1:, 1:]
        self.log_product = float(np.linalg.slogdet(minor)[1] + np.log(len(self.W)))

    def density(self, x):
        n = len(self.W)
        mean = reduce.mean(x, axis=-1) / self.zero_sum_stdev
        distance = or_infinite(self.roughness(x)) / ew.sqr(self.sigma) + ew.sqr(mean)
        log_scale = (n - 1.0) * ew.log(self.sigma) + ew.log(self.zero_sum_stdev)
        constant = 0.5 * (self.log_product - math.log(n) - n * LOG_TWO_PI)
        return constant - 0.5 * distance - log_scale

    def draw(self, rng, size, sigma, zero_sum_stdev):
        z = rng.standard_normal((*size, len(self.W)))
        differences = np.matmul(self.roots, z[..., 1:, None])[..., 0]
        return sigma[..., None] * differences + zero_sum_stdev[..., None] * z[..., :1]

    def mean(self):
        return 0.0 * self.sigma[..., None]

    def variance(self):
        own = in_floatX((self.roots**2).sum(axis=1))
        return ew.sqr(self.sigma[..., None]) * own + ew.sqr(self.zero_sum_stdev[..., None])


__all__ = ["CAR", "ICAR"]
