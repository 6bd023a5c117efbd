"""Distributions of vectors that normal ones are made of: one class each."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from probgraph.distributions.base import Distribution
from probgraph.distributions.constraints import positive, real_vector
from probgraph.distributions.event_constraints import SumTo0, cholesky_factor, positive_definite
from probgraph.distributions.parameters import Alternative
from probgraph.distributions.special import LOG_TWO_PI, or_infinite
from probgraph.engine.graph import Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import reduce
from probgraph.engine.ops.cholesky import cholesky
from probgraph.engine.ops.diagonals import diagonal, eye, matrix_transpose
from probgraph.engine.ops.products import matmul
from probgraph.engine.ops.shape import length, reshape, shape_padright
from probgraph.engine.ops.special import betaln
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


def lower_given(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Arguments in which `chol` is lower triangular: with lower=False it was given upper."""
    if kwargs.get("lower") is False and kwargs.get("chol") is not None:
        return {**kwargs, "chol": matrix_transpose(as_variable(kwargs["chol"])), "lower": True}
    return kwargs


def log_diagonal(factor: Variable) -> Variable:
    """The log determinant of a triangular matrix with a positive diagonal."""
    return reduce.sum(ew.log(diagonal(factor, axis1=-2, axis2=-1)), axis=-1)


class _OfCovariance(Distribution):
    """What distributions with a location and a matrix of scales share: `chol`, or what it is computed from."""

    defaults = {"mu": 0.0}
    support = real_vector

    @classmethod
    def _made(cls, who, args, kwargs):
        return super()._made(who, args, lower_given(kwargs))

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
        return or_infinite(reduce.sum(ew.sqr(white), axis=-1)), log_scale

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


class MvStudentT(_OfCovariance):
    """Vectors with heavy tails: Γ((nu + n) / 2) / (Γ(nu / 2) (nu π)^(n/2) det chol) (1 + d² / nu)^(-(nu + n) / 2).

    d² = |chol⁻¹ (x - mu)|², on Rⁿ. nu is positive; mu (..., n), 0 if not given; and one of scale (..., n, n), its
    inverse tau, or chol, lower triangular with scale = chol cholᵀ (upper if lower=False). Kotz & Nadarajah,
    Multivariate t Distributions and Their Applications (2004), 1.1.

    >>> MvStudentT.dist(nu=1.0, mu=[0.0, 0.0], scale=[[1.0, 0.0], [0.0, 1.0]]).logp([0.0, 0.0]).eval()
    array(-1.83787707)
    """

    params = {"nu": positive, "mu": real_vector, "chol": cholesky_factor}
    alternatives = (
        Alternative(
            {"nu": positive, "mu": real_vector, "scale": positive_definite},
            lambda nu, mu, scale: {"nu": nu, "mu": mu, "chol": cholesky(scale, on_error="nan")},
        ),
        Alternative(
            {"nu": positive, "mu": real_vector, "tau": positive_definite},
            lambda nu, mu, tau: {"nu": nu, "mu": mu, "chol": _lower_from_inverse(tau)},
        ),
    )
    options = {"lower": True}
    positional = ("nu",)

    def density(self, x):
        distance, log_scale = self.distance_and_log_scale(x)
        half, nu = 0.5 * self.places(x), self.nu
        constant = ew.gammaln(half) - betaln(0.5 * nu, half) - half * (ew.log(nu) + math.log(math.pi))
        return constant - log_scale - (0.5 * nu + half) * ew.log1p(distance / nu)

    def draw(self, rng, size, nu, mu, chol):
        z = np.matmul(chol, rng.standard_normal((*size, chol.shape[-1]))[..., None])[..., 0]
        return mu + z / np.sqrt(rng.chisquare(nu, size) / nu)[..., None]

    def mean(self):
        return ew.switch(self.nu[..., None] > 1.0, self.mu, np.nan)

    def variance(self):
        nu = self.nu[..., None]
        finite = reduce.sum(ew.sqr(self.chol), axis=-1) * nu / (nu - 2.0)
        return ew.switch(nu > 2.0, finite, ew.switch(nu > 1.0, np.inf, np.nan))


class ZeroSumNormal(Distribution):
    """Normal arrays that sum to 0: exp(-Σ x² / (2 sigma²)) / ((2π)^(1/2) sigma)^d on the plane where they do.

    They sum to 0 along each of the last `n_zerosum_axes` axes, one if not given; d is the product of their lengths,
    each less 1. `shape`, `dims` or `support_shape`, of these axes alone, says how long they are. sigma is positive, 1
    if not given, and has length 1 along these axes: its shape before them is the batch's. A normal array less its
    means is such; the density is by the plane's own measure.

    >>> ZeroSumNormal.dist(sigma=1.0, shape=3).logp([1.0, 0.0, -1.0]).eval()
    array(-2.83787707)
    """

    params = {"sigma": positive}
    defaults = {"sigma": 1.0}
    options = {"n_zerosum_axes": 1, "support_shape": None}
    positional = ("sigma",)

    @classmethod
    def _made(cls, who, args, kwargs):
        given = cls.dist_signature.bind_partial(*args, **kwargs).arguments
        axes = given.get("n_zerosum_axes")
        axes = 1 if axes is None else axes
        if not isinstance(axes, int) or axes < 1:
            raise ValueError(f"{who}: n_zerosum_axes is {axes!r}; it must be an integer, at least 1")
        if given.get("sigma") is not None and np.ndim(given["sigma"]):
            sigma = as_variable(given["sigma"])
            ours = sigma.type.shape[-axes:]
            if any(n != 1 for n in ours):
                raise ValueError(
                    f"{who}: sigma has shape {sigma.type.shape}; along the last {axes} axes, where the values sum"
                    " to 0, it must have length 1"
                )
            given = {**given, "sigma": sigma[(..., *[0] * len(ours))]}
        return super()._made(who, (), dict(given))

    def prepare(self):
        self.support = SumTo0(self.n_zerosum_axes)

    def event_lengths(self, lengths):
        if self.support_shape is None:
            return (None,) * self.n_zerosum_axes
        event = tuple(int(n) for n in np.atleast_1d(self.support_shape))
        if len(event) != self.n_zerosum_axes:
            raise ValueError(
                f"{type(self).__name__}: support_shape {event} has to have {self.n_zerosum_axes} axes, as many as"
                " n_zerosum_axes says"
            )
        return event

    def density(self, x):
        axes = tuple(range(-self.n_zerosum_axes, 0))
        free = 1.0
        for axis in axes:
            free = free * (ew.cast(length(x, x.ndim + axis), x.dtype) - 1.0)
        distance = reduce.sum(ew.sqr(x / self._along(self.sigma)), axis=axes)
        return -0.5 * distance - free * (ew.log(self.sigma) + 0.5 * LOG_TWO_PI)

    def _along(self, v: Variable) -> Variable:
        return shape_padright(v, self.n_zerosum_axes)

    def draw(self, rng, size, sigma):
        axes = tuple(range(-self.n_zerosum_axes, 0))
        z = rng.standard_normal((*size, *self._known_event()))
        for axis in axes:
            z = z - z.mean(axis=axis, keepdims=True)
        return np.asarray(sigma)[(..., *[None] * len(axes))] * z

    def mean(self):
        return 0.0 * self._along(self.sigma)

    def variance(self):
        return ew.sqr(self._along(self.sigma)) * math.prod(1.0 - 1.0 / n for n in self._known_event())

    def _known_event(self) -> tuple[int, ...]:
        known = tuple(n for n in self.event_shape if n is not None)
        if len(known) < len(self.event_shape):
            raise ValueError(
                f"{type(self).__name__}: give shape= or support_shape= to say how long its values are"
            )
        return known


__all__ = ["MvNormal", "MvStudentT", "ZeroSumNormal"]
