"""The metric of a Hamiltonian sampler: the scales along which trajectories move.

The inverse metric is an estimate of the posterior's covariance; here its diagonal. A momentum has variance
1 / inverse_metric, so that all coordinates are crossed in about the same number of steps.
"""

from __future__ import annotations

import numpy as np


def identity(dim: int) -> np.ndarray:
    """The inverse metric before anything is known: ones (dim,)."""
    return np.ones(dim)


def diagonal(draws: np.ndarray, before: np.ndarray) -> np.ndarray:
    """The inverse metric (dim,) from draws (n, dim) of one warm-up window: their variances, regularised.

    As in Stan, the variances are shrunk, with the weight of five draws, towards something small: a coordinate
    which has hardly moved yet must not get a metric that keeps it from moving. Stan's 1e-3 is here 1e-3 of the
    inverse metric ``before`` (dim,); in the first window they are the same, later the scale of the model's
    coordinates no longer matters.
    """
    n = len(draws)
    variance = draws.var(axis=0, ddof=1) if n > 1 else np.zeros(draws.shape[1])
    shrunk = (n * variance + 5.0 * 1e-3 * before) / (n + 5.0)
    # A variance can overflow, or vanish; such a coordinate keeps the scale that it had.
    return np.where(np.isfinite(shrunk) & (shrunk > 0), shrunk, before)
