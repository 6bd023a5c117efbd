"""Sequential Monte Carlo: particles of the prior become particles of the posterior, a little likelihood at a time.

Del Moral, Doucet & Jasra, "Sequential Monte Carlo samplers" (2006); the temperatures are chosen as the particles allow
(Jasra, Stephens, Doucet & Tsagaris, 2011). The idea worth knowing: how much the weights of each stage are on average
is, multiplied over the stages, the marginal likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from probgraph.samplers.particle_moves import ParticleMoves


@dataclass(frozen=True)
class Tempered:
    """Particles (n, dim) of the posterior, and by which temperatures they came there.

    ``betas`` end with 1, or lower where the run was interrupted: the particles are then of the prior times the likelihood to
    that power. ``acceptance_rate`` and ``moves`` are those of each stage.
    """

    particles: np.ndarray
    log_marginal_likelihood: float
    betas: tuple[float, ...]
    acceptance_rate: tuple[float, ...]
    moves: tuple[int, ...]

    @property
    def complete(self) -> bool:
        return self.betas[-1] == 1.0


def tempered(
    moves: ParticleMoves,
    particles: np.ndarray,
    random: np.random.Generator,
    *,
    threshold: float = 0.5,
    correlation_threshold: float = 0.05,
    max_moves: int = 500,
) -> Tempered:
    """From particles (n, dim) of the prior to as many of the posterior.

    Each temperature is the highest that leaves an effective number of ``threshold`` * n of them. The particles are then
    drawn anew by weight, and moved, until no coordinate's correlation with where the stage began exceeds
    ``correlation_threshold`` or it falls no more, or ``max_moves`` times. Raises ValueError where no particle of the prior
    has a finite likelihood. Ctrl-C returns the particles of the last stage that was finished, and comes out where none was.
    """
    q = np.array(particles, dtype=np.float64)
    likelihood = moves.likelihood(q)
    if not np.isfinite(likelihood).any():
        raise ValueError("no draw of the prior has a finite likelihood: there is nothing to begin with")
    beta, log_marginal = 0.0, 0.0
    betas, rates, counts = [], [], []
    reached: Tempered | None = None
    while reached is None or not reached.complete:
        try:
            before, beta = beta, _next_beta(likelihood, beta, threshold)
            log_weights = (beta - before) * likelihood
            peak = log_weights.max()
            weights = np.exp(log_weights - peak)
            log_marginal += peak + np.log(weights.mean())
            chosen = _systematic(weights / weights.sum(), random)
            q, likelihood = q[chosen], likelihood[chosen]
            moves.begin(q, likelihood, beta)
            first, accepted, done = q.copy(), 0.0, 0
            lowest, stalled = 1.0, 0
            while done < max_moves:
                accepted += moves.move(q, likelihood)
                done += 1
                if done % moves.look_after == 0:
                    correlation = _correlation(first, q)
                    # Between modes that are not crossed it never falls below some value.
                    stalled = stalled + 1 if correlation > lowest - 0.002 else 0
                    lowest = min(lowest, correlation)
                    if correlation < correlation_threshold or stalled == 3:
                        break
            betas.append(beta)
            rates.append(accepted / done)
            counts.append(done)
            reached = Tempered(q.copy(), float(log_marginal), tuple(betas), tuple(rates), tuple(counts))
        except KeyboardInterrupt:  # in the middle of a move the particles are neither here nor there
            if reached is None:
                raise
            break
    return reached


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


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    norm = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.nanmax(np.abs((a * b).sum(axis=0) / norm), initial=0.0))
