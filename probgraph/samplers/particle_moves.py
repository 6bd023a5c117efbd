"""How the particles of sequential Monte Carlo are moved at a temperature: random walks, or trajectories along gradients.

The idea worth knowing: the temperature is one more coordinate of the density, which no trajectory moves (its scale in the
metric is 0). One program serves all temperatures; and its derivative by the temperature is the log likelihood, which the
next temperature is chosen by.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from probgraph.samplers.chains import kernel_of_chains
from probgraph.samplers.density import LogDensity
from probgraph.samplers.metric import Metric, among
from probgraph.samplers.nuts import STATISTICS, Path

Densities = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""``densities(q)``: log prior and log likelihood (n,) of particles q (n, dim)."""

WANTED_ACCEPTANCE = 0.234
"""Of random walks, the best in many dimensions: Roberts, Gelman & Gilks (1997)."""

WANTED_OF_TRAJECTORIES = 0.8
"""The acceptance that the step size of trajectories is tuned to, as a chain's."""

DENSE = 10
"""So many particles for each dimension say enough of correlations for a full matrix."""


class ParticleMoves(Protocol):
    """What moves the particles q (n, dim) of one stage.

    ``likelihood(q)`` are their log likelihoods (n,), -inf where there is no density. ``begin`` is told of each stage with the
    particles as resampled, and ``move`` moves them and their likelihoods in place, once each; it returns the acceptance rate.
    ``look_after`` so many moves it is worth asking whether there were enough.
    """

    look_after: int

    def likelihood(self, q: np.ndarray) -> np.ndarray: ...

    def begin(self, q: np.ndarray, likelihood: np.ndarray, beta: float) -> None: ...

    def move(self, q: np.ndarray, likelihood: np.ndarray) -> float: ...


class RandomWalks:
    """Metropolis's moves with the particles' covariance; they need no gradient."""

    look_after = 5

    def __init__(self, densities: Densities, dim: int, random: np.random.Generator) -> None:
        self.densities, self.random = densities, random
        self.scale = 2.38 / np.sqrt(dim)

    def likelihood(self, q: np.ndarray) -> np.ndarray:
        return self._both(q)[1]

    def _both(self, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        prior, likelihood = self.densities(q)
        here = np.isfinite(prior) & np.isfinite(likelihood)
        return np.where(here, prior, -np.inf), np.where(here, likelihood, -np.inf)

    def begin(self, q: np.ndarray, likelihood: np.ndarray, beta: float) -> None:
        self.beta, self.done = beta, 0
        self.prior = self._both(q)[0]
        values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(q.T)))
        self.root = vectors * np.sqrt(np.maximum(values, 1e-12 * max(values[-1], 1e-300)))

    def move(self, q: np.ndarray, likelihood: np.ndarray) -> float:
        proposal = q + self.scale * self.random.normal(size=q.shape) @ self.root.T
        new_prior, new_likelihood = self._both(proposal)
        with np.errstate(invalid="ignore"):
            gain = new_prior + self.beta * new_likelihood - self.prior - self.beta * likelihood
        taken = np.log(self.random.random(len(q))) < gain  # a gain of nan is none
        q[taken], likelihood[taken] = proposal[taken], new_likelihood[taken]
        self.prior[taken] = new_prior[taken]
        rate = float(taken.mean())
        # The scale is that of all later moves: it settles as they are more and more.
        self.scale *= np.exp((rate - WANTED_ACCEPTANCE) / np.sqrt(1.0 + self.done))
        self.done += 1
        return rate


class Trajectories:
    """The transitions of NUTS, or with ``path`` those of HMC, with the metric and the step size that the particles say.

    ``density`` is over R^(dim + 1): the last coordinate is the temperature beta, the value log prior + beta * log
    likelihood, and so the last element of its gradient the log likelihood.
    """

    look_after = 1

    def __init__(self, density: LogDensity, random: np.random.Generator, path: Path | None = None) -> None:
        self.density, self.path = density, path
        self.evaluate = density.evaluator()
        self.bits = random.bit_generator
        self.step_size = 1.0 / (density.dim - 1) ** 0.25
        self.chain = None

    def likelihood(self, q: np.ndarray) -> np.ndarray:
        found = np.full(len(q), -np.inf)
        for i, row in enumerate(np.column_stack([q, np.ones(len(q))])):
            logp, gradient = self.evaluate(row)
            if np.isfinite(logp) and np.isfinite(gradient[-1]):
                found[i] = gradient[-1]
        return found

    def begin(self, q: np.ndarray, likelihood: np.ndarray, beta: float) -> None:
        count, dim = q.shape
        self.rows = np.column_stack([q, np.full(count, beta)])
        self.gradients = np.zeros_like(self.rows)
        self.statistics = np.zeros(count, STATISTICS)
        self.done = 0
        if self.chain is None:
            self.chain = kernel_of_chains()(self.density, self.rows[0], self.bits, path=self.path)
        self.chain.set_metric(among(metric_of_particles(q), np.arange(dim), dim + 1))

    def move(self, q: np.ndarray, likelihood: np.ndarray) -> float:
        assert self.chain is not None
        self.chain.each(self.step_size, self.rows, self.gradients, self.statistics)
        q[:], likelihood[:] = self.rows[:, :-1], self.gradients[:, -1]
        rate = float(self.statistics["acceptance_rate"].mean())
        self.step_size *= np.exp((rate - WANTED_OF_TRAJECTORIES) / np.sqrt(1.0 + self.done))
        self.done += 1
        return rate


def metric_of_particles(q: np.ndarray) -> Metric:
    """The metric whose inverse is the covariance of q (n, dim), or with few particles its diagonal."""
    count, dim = q.shape
    scales = q.std(axis=0)
    scales = np.where(scales > 0, scales, 1e-10)
    if dim == 1 or count < DENSE * dim:
        return Metric(scales)
    z = (q - q.mean(axis=0)) / scales
    # As many particles may be copies of few: as if a few more had been seen that are not correlated.
    values, vectors = np.linalg.eigh((z.T @ z + 5.0 * np.eye(dim)) / (count + 5.0))
    return Metric(scales, matrix=np.ascontiguousarray((vectors * np.sqrt(values)) @ vectors.T))
