"""The metric of a Hamiltonian sampler: the scales along which trajectories move.

The inverse metric is an estimate of the posterior's covariance; here its diagonal. A momentum has variance
1 / inverse_metric, so that all coordinates are crossed in about the same number of steps.
"""

from __future__ import annotations

import numpy as np


def identity(dim: int) -> np.ndarray:
    """The inverse metric before anything is known: ones (dim,)."""
    return np.ones(dim)


def diagonal(draws: np.ndarray) -> np.ndarray:
    """The inverse metric (dim,) from draws (n, dim) of one warm-up window: their variances, regularised.

    As in Stan, the variances are shrunk towards 1e-3 with the weight of five draws, so that a coordinate
    which has hardly moved yet does not get a metric that would keep it from moving.
    """
    n = len(draws)
    variance = draws.var(axis=0, ddof=1) if n > 1 else np.zeros(draws.shape[1])
    shrunk = (n / (n + 5.0)) * variance + 1e-3 * (5.0 / (n + 5.0))
    # A variance can overflow; such a coordinate has no scale that we could use.
    return np.where(np.isfinite(shrunk), shrunk, 1.0)
