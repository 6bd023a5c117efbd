"""Distributions of correlation matrices and of the Cholesky factors of covariances.

The idea worth knowing: row i of the factor of a correlation matrix is a point of a sphere, and each of its places
takes a part, a partial correlation, of what the places before it left. Under LKJ's density these parts are
independent and have beta distributions: that is how draws are made.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from probgraph.distributions.base import Distribution
from probgraph.distributions.constraints import positive
from probgraph.distributions.event_constraints import Correlations, PackedCholeskyFactor
from probgraph.distributions.matrix_transforms import correlation_matrix
from probgraph.distributions.random_variable import open_model
from probgraph.distributions.special import in_floatX
from probgraph.engine.barriers import zero_grad
from probgraph.engine.graph import Variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import reduce
from probgraph.engine.ops.cholesky import cholesky
from probgraph.engine.ops.diagonals import diagonal, matrix_transpose
from probgraph.engine.ops.products import matmul
from probgraph.engine.ops.special import betaln
from probgraph.math import expand_packed_triangular


def lkj_constant(n: int, eta: Variable) -> Variable:
    """The log of the integral of |R|^(eta - 1) over the correlation matrices R (n, n).

    Lewandowski, Kurowicka & Joe (2009), eq. 17, its gamma functions in pairs, which keep their digits for large eta.
    """
    k = in_floatX(np.arange(1, n))
    parts = betaln(eta[..., None] + (n - 1.0 - k) / 2.0, k / 2.0)
    known = sum(0.5 * i * math.log(math.pi) - math.lgamma(0.5 * i) for i in range(1, n))
    return reduce.sum(parts, axis=-1) + known


def draw_correlation_factor(
    rng: np.random.Generator, size: tuple[int, ...], n: int, eta: np.ndarray
) -> np.ndarray:
    """Lower Cholesky factors (*size, n, n) of correlation matrices with density |R|^(eta - 1)."""
    rows, columns = np.tril_indices(n, -1)
    shape = np.asarray(eta)[..., None] + (n - 2 - columns) / 2.0
    partial = np.zeros((*size, n, n))
    partial[..., rows, columns] = 2.0 * rng.beta(shape, shape, (*size, len(rows))) - 1.0
    left = np.cumprod(np.sqrt(1.0 - partial**2), axis=-1)
    left = np.concatenate([np.ones((*size, n, 1)), left[..., :-1]], axis=-1)
    return np.tril((partial + np.eye(n)) * left)


def side_of_matrix(who: str, n: Any) -> int:
    """n as an int: TypeError or ValueError where it is not the side of a matrix."""
    try:
        side = operator.index(n)
    except TypeError:
        raise TypeError(f"{who}: n is {n!r}; it must be an integer, the side of the matrix") from None
    if side < 1:
        raise ValueError(f"{who}: n is {side}; it must be at least 1")
    return side


class LKJCholeskyCov(Distribution):
    """Cholesky factors of covariance matrices: correlations with density |R|^(eta - 1), deviations from `sd_dist`.

    `eta` is positive: at 1 all correlation matrices are equally likely, above 1 those near the identity. `n` is the
    side of the matrix, `sd_dist` a distribution of positive numbers, of shape () or (n,), made with `.dist`. The
    values are the lower triangles L, row by row, as vectors (..., n (n + 1) / 2). With s_i the length of row i, the
    density is that of s times c Π_i (L_ii / s_i)^(n - i + 2 eta - 3) (L_ii / s_i) / s_i^i, for i from 0.

    In a model the result is (chol, corr, stds), as matrices and vector, the latter two kept with the draws as
    `name_corr` and `name_stds`, unless store_in_trace=False; the vector alone with compute_corr=False. `.dist` is
    the distribution of the vector. Lewandowski, Kurowicka & Joe, "Generating random correlation matrices based on
    vines and extended onion method" (J. Multivariate Analysis 2009).

    >>> with Model():
    ...     chol, corr, stds = LKJCholeskyCov("chol", eta=2, n=3, sd_dist=Exponential.dist(1.0))
    ...     x = MvNormal("x", mu=np.zeros(3), chol=chol)
    """

    params = {"eta": positive}
    options = {"n": None, "sd_dist": None, "compute_corr": True, "store_in_trace": True}
    positional = ("eta", "n", "sd_dist")

    def __new__(cls, name: str, *args: Any, **kwargs: Any) -> Any:
        packed = super().__new__(cls, name, *args, **kwargs)
        if not kwargs.get("compute_corr", True):
            return packed
        chol = expand_packed_triangular(_side(cls, args, kwargs), packed)
        covariance = matmul(chol, matrix_transpose(chol))
        stds = ew.sqrt(diagonal(covariance, axis1=-2, axis2=-1))
        corr = covariance / stds[..., None] / stds[..., None, :]
        if kwargs.get("store_in_trace", True):
            model = open_model(f'{cls.__name__}("{name}", ...)')
            corr = model.add_deterministic(f"{name}_corr", corr)
            stds = model.add_deterministic(f"{name}_stds", stds)
        return chol, corr, stds

    def prepare(self):
        who = type(self).__name__
        self.n = side_of_matrix(who, self.n)
        if not isinstance(self.sd_dist, Distribution):
            raise TypeError(
                f"{who}: sd_dist is {self.sd_dist!r}; it must be a distribution of positive numbers without a name,"
                " such as Exponential.dist(1.0)"
            )
        if self.sd_dist.event_ndim or self.sd_dist.shape not in ((), (1,), (self.n,)):
            raise ValueError(
                f"{who}: sd_dist has shape {self.sd_dist.shape}; it must be () or ({self.n},), one deviation a row"
            )
        self.support = PackedCholeskyFactor(self.n)

    def event_lengths(self, lengths):
        return (self.n * (self.n + 1) // 2,)

    def extra_axes(self, name):
        return 1  # the rows

    def density(self, x):
        rows = expand_packed_triangular(self.n, x)
        # By the greatest of a row, lest squares overflow or vanish; what it is does not matter to the result.
        greatest = zero_grad(reduce.max(ew.abs(rows), axis=-1))
        stds = greatest * ew.sqrt(reduce.sum(ew.sqr(rows / greatest[..., None]), axis=-1))
        log_stds = ew.log(stds)
        log_parts = ew.log(x[..., self.support.transform.diagonal]) - log_stds
        places = in_floatX(np.arange(self.n))
        powers = 2.0 * self.eta[..., None] + (self.n - 2.0 - places)
        # The first row has one place, its deviation.
        terms = ew.switch(places > 0, powers * log_parts - places * log_stds, 0.0)
        return reduce.sum(self.sd_dist.logp(stds) + terms, axis=-1) - lkj_constant(self.n, self.eta)

    def draw(self, rng, size, eta, **sd):
        factor = draw_correlation_factor(rng, size, self.n, eta)
        stds = self.draw_component(rng, "sd_dist", sd, (*size, self.n))
        return (stds[..., None] * factor)[(..., *np.tril_indices(self.n))]

    def point(self):
        rows, columns = np.tril_indices(self.n)
        stds = self.sd_dist.point() + in_floatX(np.zeros(self.n))
        return ew.switch(rows == columns, stds[rows], 0.0)


class LKJCorr(Distribution):
    """Correlation matrices R with density c |R|^(eta - 1), as vectors (..., n (n - 1) / 2) of what is above the diagonal.

    `n` is the side of the matrix; `eta`, positive, at 1 makes all correlation matrices equally likely, and above 1
    those near the identity. In a model return_matrix=True gives the matrices (..., n, n) made of the vectors, of which
    the variable is one. Lewandowski, Kurowicka & Joe, "Generating random correlation matrices based on vines and
    extended onion method" (J. Multivariate Analysis 2009).

    >>> LKJCorr.dist(n=2, eta=1.0).logp([0.3]).eval()
    array(-0.69314718)
    """

    params = {"eta": positive}
    options = {"n": None, "return_matrix": False}
    positional = ("n", "eta")

    def __new__(cls, name: str, *args: Any, **kwargs: Any) -> Any:
        vector = super().__new__(cls, name, *args, **kwargs)
        if not kwargs.get("return_matrix"):
            return vector
        return correlation_matrix(_side(cls, args, kwargs), vector)

    def prepare(self):
        self.n = side_of_matrix(type(self).__name__, self.n)
        self.support = Correlations(self.n)

    def event_lengths(self, lengths):
        return (self.n * (self.n - 1) // 2,)

    def density(self, x):
        factor = cholesky(correlation_matrix(self.n, x), on_error="nan")
        log_det = 2.0 * reduce.sum(ew.log(diagonal(factor, axis1=-2, axis2=-1)), axis=-1)
        return (self.eta - 1.0) * log_det - lkj_constant(self.n, self.eta)

    def draw(self, rng, size, eta):
        factor = draw_correlation_factor(rng, size, self.n, eta)
        return np.matmul(factor, factor.swapaxes(-1, -2))[(..., *np.triu_indices(self.n, 1))]

    def mean(self):
        return 0.0 * self.eta[..., None] + in_floatX(np.zeros(self.event_shape))

    def variance(self):
        return 1.0 / (2.0 * self.eta[..., None] + (self.n - 1.0)) + in_floatX(np.zeros(self.event_shape))


def _side(cls: type[Distribution], args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    """The `n` among what a class was called with."""
    known = {key: value for key, value in kwargs.items() if key in cls.dist_signature.parameters}
    return operator.index(cls.dist_signature.bind(*args, **known).arguments["n"])


__all__ = ["LKJCholeskyCov", "LKJCorr", "expand_packed_triangular"]
