"""Sequential Monte Carlo: particles of the prior become particles of the posterior, a little likelihood at a time.

Del Moral, Doucet & Jasra, "Sequential Monte Carlo samplers" (2006); the temperatures are chosen as the particles allow
(Jasra, Stephens, Doucet & Tsagaris, 2011). The idea worth knowing: how much the weights of each stage are on average
is, multiplied over the stages, the marginal likelihood.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Densities = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""``densities(q)``: log prior and log likelihood (n,) of particles q (n, dim)."""

WANTED_ACCEPTANCE = 0.234
"""Of random walks, the best in many dimensions: Roberts, Gelman & Gilks (1997)."""


@dataclass(frozen=True)
class Tempered:
    """Particles (n, dim) of the posterior, and by which temperatures they came there.

    ``betas`` end with 1; ``acceptance_rate`` and ``moves`` are those of each stage.
    """

    particles: np.ndarray
    log_marginal_likelihood: float
    betas: tuple[float, ...]
    acceptance_rate: tuple[float, ...]
    moves: tuple[int, ...]


def tempered(
    densities: Densities,
    particles: np.ndarray,
    random: np.random.Generator,
    *,
    threshold: float = 0.5,
    correlation_threshold: float = 0.05,
    max_moves: int = 500,
) -> Tempered:
    """From particles (n, dim) of the prior to as many of the posterior.

    Each temperature is the highest that leaves an effective number of ``threshold`` * n of them. The particles are then
    drawn anew by weight, and moved by random walks with their covariance, until no coordinate's correlation with where
    the stage began exceeds ``correlation_threshold`` or it falls no more, or ``max_moves`` times. Raises ValueError where no particle of
    the prior has a finite likelihood.
    """
    q = np.array(particles, dtype=np.float64)
    count, dim = q.shape
    prior, likelihood = _finite(densities, q)
    if not np.isfinite(likelihood).any():
        raise ValueError("no draw of the prior has a finite likelihood: there is nothing to begin with")
    beta, log_marginal, scale = 0.0, 0.0, 2.38 / np.sqrt(dim)
    betas, rates, moves = [], [], []
    while beta < 1.0:
        before, beta = beta, _next_beta(likelihood, beta, threshold)
        log_weights = (beta - before) * likelihood
        peak = log_weights.max()
        weights = np.exp(log_weights - peak)
        log_marginal += peak + np.log(weights.mean())
        chosen = _systematic(weights / weights.sum(), random)
        q, prior, likelihood = q[chosen], prior[chosen], likelihood[chosen]
        root = _root_of_covariance(q)
        first, accepted, done = q.copy(), 0.0, 0
        lowest, stalled = 1.0, 0
        while done < max_moves:
            proposal = q + scale * random.normal(size=(count, dim)) @ root.T
            new_prior, new_likelihood = _finite(densities, proposal)
            with np.errstate(invalid="ignore"):
                gain = new_prior + beta * new_likelihood - prior - beta * likelihood
            taken = np.log(random.random(count)) < gain  # a gain of nan is none
            q[taken], prior[taken], likelihood[taken] = (
                proposal[taken],
                new_prior[taken],
                new_likelihood[taken],
            )
            rate = float(taken.mean())
            # The scale is that of all later moves: it settles as they are more and more.
            scale *= np.exp((rate - WANTED_ACCEPTANCE) / np.sqrt(1.0 + done))
            accepted += rate
            done += 1
            if done % 5 == 0:
                correlation = _correlation(first, q)
                # Between modes that a random walk does not cross it never falls below some value.
                stalled = stalled + 1 if correlation > lowest - 0.002 else 0
                lowest = min(lowest, correlation)
                if correlation < correlation_threshold or stalled == 3:
                    break
        betas.append(beta)
        rates.append(accepted / done)
        moves.append(done)
    return Tempered(q, float(log_marginal), tuple(betas), tuple(rates), tuple(moves))


def _finite(densities: Densities, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    prior, likelihood = densities(q)
    here = np.isfinite(prior) & np.isfinite(likelihood)
    return np.where(here, prior, -np.inf), np.where(here, likelihood, -np.inf)


def _next_beta(likelihood: np.ndarray, beta: float, threshold: float) -> float:
    """The highest temperature with an effective number of particles of the threshold; 1 where it is lower."""

    def effective(to: float) -> float:
        log_weights = (to - beta) * likelihood
        weights = np.exp(log_weights - log_weights.max())
        return float(weights.sum() ** 2 / (weights**2).sum() / len(weights))

    if effective(1.0) >= threshold:
        return 1.0
    low, high = beta, 1.0
    while high - low > 1e-8 * high:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if effective(middle) >= threshold else (low, middle)
    return high


def _systematic(weights: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """As many numbers of particles as there are, drawn by weight with one uniform."""
    count = len(weights)
    places = np.cumsum(weights)
    places[-1] = 1.0
    return np.searchsorted(places, (np.arange(count) + random.random()) / count)


def _root_of_covariance(q: np.ndarray) -> np.ndarray:
    covariance = np.atleast_2d(np.cov(q.T))
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.maximum(values, 1e-12 * max(values[-1], 1e-300)))


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    norm = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.nanmax(np.abs((a * b).sum(axis=0) / norm), initial=0.0))
