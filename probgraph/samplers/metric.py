"""The metric of a Hamiltonian sampler: the coordinates in which the posterior looks alike in all directions.

The inverse metric is L L' with L = diag(scales) S. The idea worth knowing: a good L makes draws and gradients,
seen in its coordinates, each other's negatives, as they are for a standard normal. Measured by the Fisher divergence
E|L' grad + L^-1 (q - mean)|², the best diagonal is sqrt(var(draw) / var(grad)) for each coordinate, and the best
matrix the geometric mean of the draws' covariance and the inverse of the gradients'. Seyboldt, Carlson & Carpenter,
"Preconditioning Hamiltonian Monte Carlo by minimizing Fisher divergence" (arXiv:2603.18845).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

SMALLEST, LARGEST = 1e-20, 1e20
"""Between these an inverse metric is kept."""

CUTOFF = 2.0
"""A direction is singled out where the posterior is this many times wider, or narrower, than the diagonal says."""

REGULARIZATION = 1e-5
"""What the low-rank estimate adds to variances along directions, as a multiple of one draw's weight."""


@dataclass(frozen=True, eq=False)
class Metric:
    """``scales`` (dim,) and S: the identity; with ``vectors`` (rank, dim), orthonormal, and ``stretches`` (rank,)
    the matrix I + sum_k stretches[k] v_k v_k'; with ``matrix`` (dim, dim), symmetric, that.
    """

    scales: np.ndarray
    vectors: np.ndarray | None = None
    stretches: np.ndarray | None = None
    matrix: np.ndarray | None = None

    @property
    def dim(self) -> int:
        return len(self.scales)

    @property
    def kind(self) -> str:
        """ "diag", "low_rank" or "dense"."""
        return "dense" if self.matrix is not None else "low_rank" if self.vectors is not None else "diag"

    @functools.cached_property
    def matrices(self) -> dict[int, np.ndarray]:
        """The powers of S that a sampler needs, where it is a matrix."""
        if self.matrix is None:
            return {}
        return {2: self.matrix @ self.matrix, 1: self.matrix, -1: np.linalg.inv(self.matrix)}

    def stretches_of(self, power: int) -> np.ndarray:
        """The stretches (rank,) of a power of S."""
        return (1.0 + self.stretches) ** power - 1.0 if self.stretches is not None else np.empty(0)

    def mix(self, x: np.ndarray, power: int = 1) -> np.ndarray:
        """A power of S, 2, 1 or -1, times x (..., dim)."""
        if self.matrix is not None:
            return x @ self.matrices[power]
        if self.vectors is not None:
            return x + (x @ self.vectors.T * self.stretches_of(power)) @ self.vectors
        return x

    def variances(self) -> np.ndarray:
        """The diagonal (dim,) of the inverse metric."""
        if self.matrix is not None:
            inner = (self.matrix**2).sum(axis=1)
        elif self.vectors is not None and self.stretches is not None:
            inner = 1.0 + ((self.stretches + 2.0) * self.stretches) @ self.vectors**2
        else:
            inner = 1.0
        return self.scales**2 * inner


def of_variances(variances: np.ndarray) -> Metric:
    """The diagonal metric whose inverse has this diagonal (dim,)."""
    return Metric(np.sqrt(np.asarray(variances, dtype=np.float64)))


def identity(dim: int) -> Metric:
    """The metric of one who knows nothing."""
    return Metric(np.ones(dim))


def of_gradient(gradient: np.ndarray) -> Metric:
    """The metric of one who has seen a single gradient: inverse metric 1/|gradient|.

    A standard deviation away from the mode of a normal of scale s the gradient is 1/s: this scale is the geometric
    mean of s and 1, and so half the way, in logarithms, is gone before the first draw.
    """
    with np.errstate(divide="ignore"):
        inverse = 1.0 / np.abs(gradient)
    usable = np.isfinite(inverse)
    return of_variances(np.where(usable, np.clip(inverse, 1e-10, 1e10), 1.0))


def diagonal(draws: np.ndarray, gradients: np.ndarray, before: Metric) -> Metric:
    """From draws and gradients (n, dim) sqrt(var(draw) / var(gradient)) as the inverse metric's diagonal."""
    return in_diagonal(draws, gradients, before)[0]


def in_diagonal(
    draws: np.ndarray, gradients: np.ndarray, before: Metric
) -> tuple[Metric, np.ndarray, np.ndarray]:
    """The `diagonal` metric, and draws and gradients in its coordinates, without their means."""
    with np.errstate(all="ignore"):
        x, g = centred(draws), centred(gradients)
        found = of_variances(root_of_ratio((x * x).mean(axis=0), (g * g).mean(axis=0), before))
        return found, x / found.scales, g * found.scales


def centred(rows: np.ndarray) -> np.ndarray:
    """Rows (..., n, dim) without their mean."""
    return rows - rows.mean(axis=-2, keepdims=True)


def root_of_ratio(of_draws: np.ndarray, of_gradients: np.ndarray, before: Metric) -> np.ndarray:
    """The root of variances (..., dim) over variances, within bounds; where it is no number that of the metric before."""
    inverse = np.sqrt(of_draws / of_gradients)
    usable = np.isfinite(inverse) & (inverse > 0)
    return np.where(usable, np.minimum(np.maximum(inverse, SMALLEST), LARGEST), before.variances())


Estimate = Callable[[np.ndarray, np.ndarray, Metric], Metric]
"""From draws and gradients (n, dim), and the metric before, to a metric."""


def of_some(estimate: Estimate, places: np.ndarray) -> Estimate:
    """An estimate from some of the coordinates, the metric of all: the others have scale 0 and do not move."""

    def estimated(draws: np.ndarray, gradients: np.ndarray, before: Metric) -> Metric:
        known = of_variances(before.variances()[places])
        return among(estimate(draws[:, places], gradients[:, places], known), places, before.dim)

    return estimated


def among(metric: Metric, places: np.ndarray, dim: int) -> Metric:
    """A metric of the coordinates at `places` as one of dim coordinates, of which the others have scale 0."""
    scales = np.zeros(dim)
    scales[places] = metric.scales
    vectors = matrix = None
    if metric.vectors is not None:
        vectors = np.zeros((len(metric.vectors), dim))
        vectors[:, places] = metric.vectors
    if metric.matrix is not None:
        matrix = np.eye(dim)
        matrix[np.ix_(places, places)] = metric.matrix
    return Metric(scales, vectors, metric.stretches, matrix)


def of_draws(draws: np.ndarray, before: Metric) -> Metric:
    """The diagonal metric from draws (n, dim) alone: their variances, shrunk as in Stan.

    With the weight of five draws they are shrunk towards something small: a coordinate which has hardly moved yet
    must not get a metric that keeps it from moving. Stan's 1e-3 is here 1e-3 of the inverse metric ``before``; in the
    first window they are the same, later the scale of the model's coordinates no longer matters.
    """
    n = len(draws)
    variance = draws.var(axis=0, ddof=1) if n > 1 else np.zeros(draws.shape[1])
    shrunk = (n * variance + 5.0 * 1e-3 * before.variances()) / (n + 5.0)
    # A variance can overflow, or vanish; such a coordinate keeps the scale that it had.
    return of_variances(np.where(np.isfinite(shrunk) & (shrunk > 0), shrunk, before.variances()))


def low_rank(draws: np.ndarray, gradients: np.ndarray, before: Metric) -> Metric:
    """A diagonal, and along the few directions where it is wrong by more than `CUTOFF` a stretch.

    The directions lie in the space that draws and gradients span; outside of it the diagonal stands alone. The cost
    is dim * n²: much below dim³ where n is small.
    """
    return _directions(draws, gradients, before, cutoff=CUTOFF)


def dense(draws: np.ndarray, gradients: np.ndarray, before: Metric) -> Metric:
    """A full matrix: as `low_rank`, with all directions that draws and gradients span, however little they differ."""
    found = _directions(draws, gradients, before, cutoff=1.0)
    if found.vectors is None or found.stretches is None:
        return found
    matrix = np.eye(found.dim) + (found.vectors.T * found.stretches) @ found.vectors
    return Metric(found.scales, matrix=np.ascontiguousarray(0.5 * (matrix + matrix.T)))


def _directions(draws: np.ndarray, gradients: np.ndarray, before: Metric, cutoff: float) -> Metric:
    plain, x, g = in_diagonal(draws, gradients, before)
    n, dim = draws.shape
    if n < 3 or dim < 2:
        return plain
    if not (np.isfinite(x).all() and np.isfinite(g).all()):
        return plain
    try:
        basis = _span(x, g)
        a, b = regularized(x @ basis), regularized(g @ basis)
        if certainly_within(cutoff, a, b):
            return plain
        values, vectors = geometric_mean(a, b)
    except np.linalg.LinAlgError:  # an eigenvalue iteration that did not end
        return plain
    chosen = beyond(values, cutoff)
    if not chosen.any() or not np.isfinite(values).all():
        return plain
    values = np.clip(values[chosen], SMALLEST, LARGEST)
    directions = np.ascontiguousarray((basis @ vectors[:, chosen]).T)
    return Metric(plain.scales, directions, np.sqrt(values) - 1.0)


def _span(x: np.ndarray, g: np.ndarray) -> np.ndarray:
    """An orthonormal basis (dim, r) of what the rows of x and g span."""
    dim = x.shape[1]
    if 2 * len(x) >= dim:
        return np.eye(dim)
    parts = []
    for rows in (x, g):
        values, left = np.linalg.eigh(rows @ rows.T)
        kept = values > 1e-12 * values[-1]
        parts.append(rows.T @ (left[:, kept] / np.sqrt(values[kept])))
    return np.linalg.qr(np.hstack(parts))[0]


def regularized(x: np.ndarray) -> np.ndarray:
    """A multiple of the second moments of rows x (n, r), as if one more, of small weight, had been seen in each direction."""
    n, r = x.shape
    return 1.0 / (REGULARIZATION * n) * (x.T @ x) + np.eye(r)


def beyond(values: np.ndarray, cutoff: float) -> np.ndarray:
    """Which directions, by the variances along them, the diagonal is wrong about by this factor."""
    return (values >= cutoff) | (values <= 1.0 / cutoff)


def certainly_within(cutoff: float, a: np.ndarray, b: np.ndarray) -> bool:
    """Whether nothing is `beyond` in the geometric mean of a and the inverse of b, as far as Cholesky factors can tell, which
    they do much sooner than eigenvalues.

    The mean grows with a: where a < c² b it is less than that of c² b and the inverse of b, which is c; and so below.
    """
    if cutoff == 1.0:
        return False
    try:
        np.linalg.cholesky(np.array([cutoff**2 * b - a, cutoff**2 * a - b]))
    except np.linalg.LinAlgError:  # one is not positive definite
        return False
    return True


def geometric_mean(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and vectors of the matrix M for which M b M = a: the geometric mean of a and the inverse of b.

    Of matrices (..., dim, dim), for each.
    """
    # With b = L L', L' M L is the root of L' a L. So M is Y Y', and needs eigenvectors twice, not three times.
    factor = np.linalg.cholesky(b)
    transposed = factor.swapaxes(-1, -2)
    values, vectors = np.linalg.eigh(transposed @ a @ factor)
    fourth = np.maximum(values, np.finfo(float).tiny)[..., None, :] ** 0.25
    half = np.linalg.solve(transposed, vectors * fourth)
    return np.linalg.eigh(half @ half.swapaxes(-1, -2))
