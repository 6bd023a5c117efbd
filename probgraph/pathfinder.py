"""Pathfinder: normal approximations of a posterior along the path of an optimiser, and draws of the best of them.

Zhang, Carpenter, Gelman & Vehtari, "Pathfinder: parallel quasi-Newton variational inference" (JMLR 2022). On the way to
a mode L-BFGS learns the curvature; each point of the path with the inverse Hessian learned so far makes a normal
distribution, and that with the greatest evidence lower bound is kept. Its draws cost some hundred gradients.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from probgraph.optimize import minimize
from probgraph.optimize.objective import CompiledObjective
from probgraph.samplers import LogDensity
from probgraph.samplers.seeds import Seed, chain_generators

CURVED = 1e-12
"""A step tells of the curvature where (step) . (change of gradient) exceeds this times the change's square."""


@dataclass(frozen=True)
class Normal:
    """A normal distribution over R^n with covariance diag(scales) (I + Q (L L' - I) Q') diag(scales), Q (n, r)
    orthonormal and L (r, r) lower triangular."""

    mean: np.ndarray
    scales: np.ndarray
    basis: np.ndarray
    factor: np.ndarray

    def draw(self, rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Draws (count, n) and their log densities (count,)."""
        u = rng.standard_normal((count, len(self.mean)))
        along = u @ self.basis
        q = self.mean + self.scales * (u + (along @ self.factor.T - along) @ self.basis.T)
        log_volume = np.log(self.scales).sum() + np.log(np.diag(self.factor)).sum()
        return q, -0.5 * (u**2).sum(axis=1) - log_volume - 0.5 * len(self.mean) * np.log(2 * np.pi)


@dataclass(frozen=True)
class Path:
    """The best normal distribution of one path, its evidence lower bound, and how many gradients that took."""

    normal: Normal
    elbo: float
    gradients: int


def pathfinder(
    density: LogDensity,
    start: np.ndarray,
    rng: np.random.Generator,
    *,
    history: int = 6,
    max_iterations: int = 1000,
    elbo_draws: int = 10,
) -> Path:
    """One path from `start` (n,), with as many steps remembered as `history`.

    Raises ValueError where no point of the path has a normal distribution with a finite lower bound.
    """
    found = minimize(
        CompiledObjective(density, sign=-1.0), start, max_iterations=max_iterations, record_path=True
    )
    points = np.array(found.path)
    gradients = np.array([density(q)[1] for q in points])
    best: Path | None = None
    evaluations = found.evaluations + len(points)
    for normal in _along(points, gradients, history):
        q, log_normal = normal.draw(rng, elbo_draws)
        logp = np.array([density(one)[0] for one in q])
        evaluations += elbo_draws
        with np.errstate(invalid="ignore"):
            elbo = float(np.mean(logp - log_normal))
        if np.isfinite(elbo) and (best is None or elbo > best.elbo):
            best = Path(normal, elbo, 0)
    if best is None:
        raise ValueError(
            f"pathfinder: no normal distribution along the path of {len(points)} points is near the posterior; the search"
            f" {found.message}. Start elsewhere, or sample() with another init"
        )
    return Path(best.normal, best.elbo, evaluations)


def _along(points: np.ndarray, gradients: np.ndarray, history: int) -> Iterator[Normal]:
    """The normal distribution at each point of a path but the first; those that are none are left out."""
    diagonal = np.ones(points.shape[1])
    steps: list[np.ndarray] = []
    changes: list[np.ndarray] = []
    for before, here in zip(range(len(points) - 1), range(1, len(points)), strict=True):
        step, change = points[here] - points[before], gradients[before] - gradients[here]
        if np.isfinite(change).all() and step @ change > CURVED * (change @ change):
            diagonal = _scaled(diagonal, step, change)
            steps, changes = [*steps, step][-history:], [*changes, change][-history:]
        try:
            normal = _normal(points[here], gradients[here], diagonal, np.array(steps).T, np.array(changes).T)
        except np.linalg.LinAlgError:
            continue
        if np.isfinite(normal.mean).all():
            yield normal


def _scaled(diagonal: np.ndarray, step: np.ndarray, change: np.ndarray) -> np.ndarray:
    """The diagonal inverse Hessian after one more step: Gilbert & Lemaréchal (1989), the paper's algorithm 3."""
    a, b, c = change @ (diagonal * change), change @ step, step @ (step / diagonal)
    return 1.0 / (a / (b * diagonal) + change**2 / b - a * step**2 / (b * c * diagonal**2))


def _normal(
    point: np.ndarray, gradient: np.ndarray, diagonal: np.ndarray, steps: np.ndarray, changes: np.ndarray
) -> Normal:
    """The normal distribution at a point, by the inverse Hessian diag + b m b' of L-BFGS (Byrd, Nocedal & Schnabel 1994)."""
    scales = np.sqrt(diagonal)
    if not steps.size:
        none = np.zeros((len(point), 0))
        return Normal(point + diagonal * gradient, scales, none, np.zeros((0, 0)))
    count = steps.shape[1]
    upper = np.triu(steps.T @ changes)
    inverse = np.linalg.inv(upper)
    middle = np.zeros((2 * count, 2 * count))
    middle[:count, count:] = -inverse
    middle[count:, :count] = -inverse.T
    curvature = np.diag(np.diag(upper)) + changes.T @ (diagonal[:, None] * changes)
    middle[count:, count:] = inverse.T @ curvature @ inverse
    both = np.hstack([diagonal[:, None] * changes, steps])
    basis, triangle = np.linalg.qr(both / scales[:, None])
    inner = np.eye(basis.shape[1]) + triangle @ middle @ triangle.T
    factor = np.linalg.cholesky(0.5 * (inner + inner.T))
    mean = point + diagonal * gradient + both @ (middle @ (both.T @ gradient))
    return Normal(mean, scales, basis, factor)


def starts_of_paths(
    density: LogDensity, starts: np.ndarray, seed: Seed, places: np.ndarray | None = None
) -> np.ndarray:
    """For each start (chains, n) a draw of its own path's normal distribution, where the density is finite; only of the
    coordinates at `places`, where they are given."""
    found = starts.copy()
    chosen = np.arange(starts.shape[1]) if places is None else places
    if not len(chosen):
        return found
    for start, bits in zip(found, chain_generators(seed, len(starts), "paths"), strict=True):
        rng = np.random.Generator(bits)
        mine = density if len(chosen) == len(start) else _of_some(density, start.copy(), chosen)
        path = pathfinder(mine, start[chosen], rng)
        q, _ = path.normal.draw(rng, 20)
        usable = [one for one in q if np.isfinite(mine(one)[0]) and np.isfinite(mine(one)[1]).all()]
        start[chosen] = usable[0] if usable else path.normal.mean
    return found


def _of_some(density: LogDensity, start: np.ndarray, places: np.ndarray) -> LogDensity:
    """The density as a function of some coordinates, the others as they are at the start."""

    def conditional(q: np.ndarray) -> tuple[float, np.ndarray]:
        whole = start.copy()
        whole[places] = q
        logp, gradient = density(whole)
        return logp, gradient[places]

    return LogDensity.from_python(conditional, len(places))
