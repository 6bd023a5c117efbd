"""Which kind of metric fits: a diagonal, or one with directions, by the Fisher divergence on draws that it has not seen.

The idea worth knowing: with M the inverse metric, X and G the second moments of draws and gradients, the divergence is
tr(M G) + tr(M^-1 X) and something that is the same for all M. So a direction v with the value m adds
(m - 1) v'Gv + (1/m - 1) v'Xv to the diagonal's, in whose coordinates X and G are; moments are all that is needed.
"""

from __future__ import annotations

import numpy as np

from probgraph.samplers.metric import (
    CUTOFF,
    REGULARIZATION,
    Estimate,
    Metric,
    beyond,
    centred,
    certainly_within,
    dense,
    diagonal,
    geometric_mean,
    in_diagonal,
    low_rank,
    regularized,
    root_of_ratio,
)


def better(draws: np.ndarray, gradients: np.ndarray, before: Metric) -> Metric:
    """Of the diagonal and the low-rank metric that with the lower Fisher divergence on draws it has not seen.

    Each is estimated from one half of the draws and measured on the other; the better kind then from all.
    """
    n, dim = draws.shape
    plain, x, g = in_diagonal(draws, gradients, before)
    if n < 10 or dim < 2:
        return plain
    with np.errstate(all="ignore"):
        if dim <= n and certainly_within(CUTOFF, regularized(x), regularized(g)):
            return plain  # all draws single out no direction: there is nothing to choose
        added = added_by_moments if dim <= 2 * (n // 2) else added_by_draws
        if not added(draws, gradients, before) < 0:
            return plain
    return low_rank(draws, gradients, before)


ESTIMATES: dict[str, Estimate] = {"diag": diagonal, "low_rank": low_rank, "dense": dense, "auto": better}
"""Under the names that users say."""


def added_by_draws(draws: np.ndarray, gradients: np.ndarray, before: Metric) -> float:
    """What the directions of either half of the draws add to the divergence on the other half; 0 where there are none."""
    half = len(draws) // 2
    first, second = slice(0, half), slice(half, None)
    total = 0.0
    for seen, unseen in ((first, second), (second, first)):
        found = low_rank(draws[seen], gradients[seen], before)
        if found.vectors is None or found.stretches is None:
            continue
        x, g = centred(draws[unseen]) / found.scales, centred(gradients[unseen]) * found.scales
        along_x, along_g = (((a @ found.vectors.T) ** 2).mean(axis=0) for a in (x, g))
        total += _added((1.0 + found.stretches) ** 2, along_x, along_g)
    return total


def added_by_moments(draws: np.ndarray, gradients: np.ndarray, before: Metric) -> float:
    """The same from the moments (2, dim, dim) of the two halves at once: quicker where there are few coordinates, and draws
    in all their directions."""
    half, both = len(draws) // 2, np.array([draws, gradients])
    x, g = np.array([_moments(both[:, :half]), _moments(both[:, half:])]).swapaxes(0, 1)
    inverse = root_of_ratio(x.diagonal(axis1=1, axis2=2), g.diagonal(axis1=1, axis2=2), before)
    scale = np.sqrt(inverse[:, :, None] * inverse[:, None, :])
    one = np.eye(draws.shape[1])
    try:
        values, vectors = geometric_mean(x / scale / REGULARIZATION + one, g * scale / REGULARIZATION + one)
    except np.linalg.LinAlgError:  # an eigenvalue iteration that did not end
        return 0.0
    values = np.where(beyond(values, CUTOFF), values, 1.0)  # what is not singled out adds nothing
    along_x, along_g = (
        ((unseen @ vectors) * vectors).sum(axis=1) for unseen in (x[::-1] / scale, g[::-1] * scale)
    )
    return _added(values, along_x, along_g)


def _added(values: np.ndarray, along_x: np.ndarray, along_g: np.ndarray) -> float:
    return float(((values - 1.0) * along_g + (1.0 / values - 1.0) * along_x).sum())


def _moments(rows: np.ndarray) -> np.ndarray:
    """The second moments (..., dim, dim) of rows (..., n, dim)."""
    rows = centred(rows)
    return rows.swapaxes(-1, -2) @ rows / rows.shape[-2]
