"""Posteriors by normal distributions over R^n: around the mode (Laplace), and the nearest ones (ADVI)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from probgraph.arviz_names import pareto_smoothed
from probgraph.engine.minibatch import batches_in
from probgraph.engine.no_gradient import NullTypeGradError
from probgraph.inference_data import build
from probgraph.model.checks import explanation
from probgraph.model.layout import Layout
from probgraph.model.log_density import DensityGraphs, compiled_density, density_graphs
from probgraph.model.model import Model, the_model
from probgraph.optimize import SECOND_ORDER, minimize, refuse_unknown
from probgraph.optimize.objective import Batches, CompiledObjective
from probgraph.options import real, values_by_name, whether, whole
from probgraph.pathfinder import pathfinder
from probgraph.posterior import Results, dims_of_results
from probgraph.progress import Bar
from probgraph.samplers import LogDensity, generator, jittered_starts
from probgraph.second_derivatives import curvature_for

METHODS = ("advi", "fullrank_advi")


@dataclass
class Approximation:
    """A normal distribution over R^n in the place of a model's posterior.

    `mean` (n,) and `factor` (n, n), lower triangular, whose product with its transpose is the covariance, are those of the
    value variables one after another. `hist` (iterations,) is the loss, the evidence lower bound's negative, at each
    iteration, of ADVI.
    """

    model: Model
    layout: Layout
    mean: np.ndarray
    factor: np.ndarray
    method: str
    hist: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def sample(self, draws: int = 500, *, random_seed: Any = None, return_inferencedata: bool = True) -> Any:
        """Draws as ArviZ's object, one chain of them; as a dict of arrays (draws, \\*shape) by name on request."""
        if draws < 1:
            raise ValueError(f"sample: draws is {draws}; at least one is needed")
        rng = generator(random_seed)
        q = self.mean + rng.standard_normal((draws, len(self.mean))) @ self.factor.T
        arrays = Results(self.model, self.layout).arrays(q[None])["posterior"]
        if not return_inferencedata:
            return {name: a[0] for name, a in arrays.items()}
        return _as_arvizs(self.model, arrays, self.method)

    def __repr__(self) -> str:
        return f"Approximation({self.method}, {len(self.mean)} unknowns)"


def _ready(
    who: str, model: Model | None, start: Mapping[str, Any] | None, batches: bool = False
) -> tuple[Model, DensityGraphs, LogDensity, np.ndarray]:
    model = the_model(model, f"{who}()")
    graphs = density_graphs(model, batches=batches)
    density, layout = compiled_density(graphs), graphs.layout
    values_by_name(f"{who}: start", start)
    point = model.initial_point(start, f"{who}: start")
    q = layout.vector(point)
    logp, gradient = density(q)
    if not (np.isfinite(logp) and np.isfinite(gradient).all()):
        raise ValueError(
            f"{who}: the log density is not finite at the start:\n{explanation(model, point, gradient)}"
        )
    return model, graphs, density, q


def fit_laplace(
    *,
    start: Mapping[str, Any] | None = None,
    draws: int = 500,
    chains: int = 4,
    random_seed: Any = None,
    model: Model | None = None,
    **options: Any,
) -> Any:
    """The normal distribution around the posterior's mode over R^n, as draws: Laplace's approximation.

    The mode is that of the value variables' density, with the Jacobians of their transforms; the covariance is the
    inverse of the negative Hessian there, which is exact; by differences of the exact gradient where an operation has no
    second derivative. `options` go to the search, as in `find_MAP`. Tierney & Kadane, "Accurate approximations for posterior moments" (JASA 1986).

    Returns ArviZ's object of chains x draws independent draws. Raises ValueError where the search does not converge, or
    the mode is no maximum in every direction.

    >>> with Model():
    ...     x = Normal("x", 3.0, 0.5)
    ...     idata = fit_laplace(random_seed=1)
    """
    whole("fit_laplace: draws", draws, 1)
    whole("fit_laplace: chains", chains, 1)
    model, graphs, density, q = _ready("fit_laplace", model, start)
    layout = graphs.layout
    method = options.pop("method", "L-BFGS")
    refuse_unknown(method, options)
    second = curvature_for(method, graphs.logp, graphs.roots, sign=-1.0) if method in SECOND_ORDER else None
    found = minimize(CompiledObjective(density, sign=-1.0), q, method, curvature=second, **options)
    if not found.converged:
        raise ValueError(f"fit_laplace: the search for the mode {found.message}")
    precision = _precision(graphs, density, found.x)
    try:
        upper = np.linalg.cholesky(precision[::-1, ::-1])[::-1, ::-1]
    except np.linalg.LinAlgError:
        raise ValueError(
            "fit_laplace: the posterior has no maximum there in every direction: a parameter is not determined by the data,"
            " or lies at a bound. Give it a narrower prior, or sample()"
        ) from None
    # precision = upper upperᵀ, so that the covariance is L Lᵀ with L = upper⁻ᵀ, lower triangular.
    factor = np.linalg.inv(upper).T
    both = Approximation(model, layout, found.x, factor, "laplace")
    rng = generator(random_seed)
    z = rng.standard_normal((chains, draws, len(found.x)))
    arrays = Results(model, layout).arrays(both.mean + z @ factor.T)["posterior"]
    return _as_arvizs(model, arrays, "laplace")


def fit_pathfinder(
    *,
    num_paths: int = 4,
    num_draws: int = 1000,
    num_draws_per_path: int = 1000,
    maxcor: int = 6,
    maxiter: int = 1000,
    num_elbo_draws: int = 10,
    jitter: float = 2.0,
    importance_sampling: str | None = "psis",
    start: Mapping[str, Any] | None = None,
    random_seed: Any = None,
    model: Model | None = None,
) -> Any:
    """Draws of the best normal approximations along several optimisers' paths: multi-path Pathfinder.

    Parameters
    ----------
    num_paths, jitter
        Paths, each from within `jitter` (over R^n) of the initial point.
    num_draws, num_draws_per_path
        Draws returned, resampled from those of all paths by their importance.
    maxcor, maxiter, num_elbo_draws
        Steps that L-BFGS remembers, its iterations, and draws for the lower bound at each point of a path.
    importance_sampling
        "psis": by Pareto smoothed weights; "psir": by plain weights; None: all paths alike.

    Returns ArviZ's object, one chain of `num_draws`; in its attrs `pareto_k`, which from 0.7 on says that the approximation
    is not near the posterior, and the `elbo` of each path. Zhang, Carpenter, Gelman & Vehtari, "Pathfinder" (JMLR 2022).
    Raises ValueError for settings that make no sense, and where no path ends.

    >>> with Model():
    ...     x = Normal("x", 3.0, 0.5)
    ...     idata = fit_pathfinder(random_seed=1)
    """
    for name, value in (
        ("num_paths", num_paths),
        ("num_draws", num_draws),
        ("num_draws_per_path", num_draws_per_path),
        ("maxcor", maxcor),
        ("maxiter", maxiter),
        ("num_elbo_draws", num_elbo_draws),
    ):
        whole(f"fit_pathfinder: {name}", value, 1)
    if importance_sampling not in ("psis", "psir", None):
        raise ValueError(
            f"fit_pathfinder: importance_sampling is {importance_sampling!r}; it must be 'psis', 'psir' or None"
        )
    real("fit_pathfinder: jitter", jitter, "finite, at least 0")
    if not 0 <= jitter < np.inf:
        raise ValueError(f"fit_pathfinder: jitter is {jitter}; it must be finite, and at least 0")
    model, graphs, density, q = _ready("fit_pathfinder", model, start)
    rng = generator(random_seed)
    starts = jittered_starts(density, q, num_paths, int(rng.integers(2**62)), radius=jitter)
    paths = [
        pathfinder(density, one, rng, history=maxcor, max_iterations=maxiter, elbo_draws=num_elbo_draws)
        for one in starts
    ]
    drawn = [path.normal.draw(rng, num_draws_per_path) for path in paths]
    places = np.concatenate([places for places, _ in drawn])
    log_normal = np.concatenate([logs for _, logs in drawn])
    with np.errstate(invalid="ignore"):
        ratios = np.array([density(one)[0] for one in places]) - log_normal
    ratios[~np.isfinite(ratios)] = -np.inf
    weights, k = np.zeros(len(places)), float("nan")
    if importance_sampling == "psis":
        smoothed, k = pareto_smoothed(
            np.where(np.isfinite(ratios), ratios, ratios[np.isfinite(ratios)].min())
        )
        weights = np.where(np.isfinite(ratios), smoothed, -np.inf)
    elif importance_sampling == "psir":
        weights = ratios
    else:
        weights = np.where(np.isfinite(ratios), 0.0, -np.inf)
    chances = np.exp(weights - weights.max())
    chosen = rng.choice(len(places), num_draws, p=chances / chances.sum())
    if k > 0.7:
        warnings.warn(
            f"Pareto k is {k:.2f}, above 0.7: the normal approximations are far from the posterior, and quantiles of these"
            ' draws cannot be trusted. They may serve as starts: sample(init="pathfinder")',
            stacklevel=2,
        )
    arrays = Results(model, graphs.layout).arrays(places[chosen][None])["posterior"]
    attributes = {
        "pareto_k": k,
        "elbo": [path.elbo for path in paths],
        "gradient_evaluations": sum(p.gradients for p in paths),
    }
    return _as_arvizs(model, arrays, "pathfinder", attributes)


def _as_arvizs(
    model: Model, arrays: Mapping[str, np.ndarray], sampler: str, attributes: Mapping[str, Any] | None = None
) -> Any:
    groups = {
        "posterior": arrays,
        "observed_data": {o.name: o.present_array() for o in model.observed},
        "constant_data": {d.name or "": d.get_value() for d in model.data_vars},
    }
    return build(groups, dims_of_results(model), model.coords, {"sampler": sampler, **(attributes or {})})


def _precision(graphs: DensityGraphs, density: LogDensity, x: np.ndarray) -> np.ndarray:
    """The negative Hessian of the log density; by differences where an operation has no second derivative."""
    try:
        matrix = curvature_for("newton", graphs.logp, graphs.roots, sign=-1.0)(x)
    except (NullTypeGradError, NotImplementedError):
        matrix = np.full((len(x), len(x)), np.nan)
    return matrix if np.isfinite(matrix).all() else -_by_differences(density, x)


def _by_differences(density: LogDensity, x: np.ndarray) -> np.ndarray:
    """The Hessian by central differences of the gradient, made symmetric."""
    rows = []
    for k, size in enumerate(np.abs(x)):
        step = np.zeros_like(x)
        step[k] = 6e-6 * max(1.0, size)
        rows.append((density(x + step)[1] - density(x - step)[1]) / (2 * step[k]))
    matrix = np.array(rows)
    return 0.5 * (matrix + matrix.T)


def fit(
    n: int = 10_000,
    method: str = "advi",
    model: Model | None = None,
    random_seed: Any = None,
    start: Mapping[str, Any] | None = None,
    *,
    learning_rate: float = 0.05,
    mc_samples: int = 1,
    progressbar: bool = True,
) -> Approximation:
    """The normal distribution over R^n that is nearest to the posterior: automatic differentiation variational inference.

    Parameters
    ----------
    n
        Iterations of Adam on the evidence lower bound, whose rate falls to a hundredth of `learning_rate` on the way.
    method
        "advi": independent coordinates; "fullrank_advi": any covariance.
    mc_samples
        Draws for each estimate of the gradient.

    Returns an `Approximation`: `.sample(draws)` and the losses `.hist`. Means are usually good; spreads of "advi" are too
    small where coordinates depend on each other. Kucukelbir et al., "Automatic differentiation variational inference"
    (JMLR 2017).

    >>> with Model():
    ...     x = Normal("x", 3.0, 0.5)
    ...     approximation = fit(200, random_seed=1, progressbar=False)
    """
    if method not in METHODS:
        raise ValueError(f"fit: method is {method!r}; it must be one of {', '.join(map(repr, METHODS))}")
    whole("fit: n", n, 1)
    whole("fit: mc_samples", mc_samples, 1)
    whether("fit: progressbar", progressbar)
    real("fit: learning_rate", learning_rate, "finite and above 0")
    if not (np.isfinite(learning_rate) and learning_rate > 0):
        raise ValueError(f"fit: learning_rate is {learning_rate}; it must be a finite number above 0")
    model, graphs, density, q = _ready("fit", model, start, batches=True)
    rng = generator(random_seed)
    batches = Batches(batches_in([model.logp()]), rng)
    dim, full = len(q), method == "fullrank_advi"
    inside = np.tril_indices(dim, -1)
    # The mean, the logarithms of the diagonal of the factor, and what is below the diagonal.
    x = np.concatenate([q, np.full(dim, np.log(0.1)), np.zeros(len(inside[0]) if full else 0)])
    first, second = np.zeros_like(x), np.zeros_like(x)
    hist = np.empty(n)
    average = np.zeros_like(x)
    last = max(n // 10, 1)
    done = 0
    with Bar("ADVI", n, progressbar) as bar:
        try:
            for t in range(n):
                slope, loss, used = np.zeros_like(x), 0.0, 0
                scale = np.exp(x[dim : 2 * dim])
                for _ in range(mc_samples):
                    z = rng.standard_normal(dim)
                    place = x[:dim] + scale * z
                    if full:
                        place = place + _below(x[2 * dim :], inside, dim) @ z
                    batches.redraw()
                    logp, gradient = density(place)
                    if not (np.isfinite(logp) and np.isfinite(gradient).all()):
                        continue  # as in a divergence: this draw says nothing
                    used += 1
                    loss -= logp
                    slope[:dim] -= gradient
                    slope[dim : 2 * dim] -= gradient * z * scale
                    if full:
                        slope[2 * dim :] -= gradient[inside[0]] * z[inside[1]]
                hist[t] = (
                    loss / used - x[dim : 2 * dim].sum() - 0.5 * dim * np.log(2 * np.pi * np.e)
                    if used
                    else np.nan
                )
                slope /= max(used, 1)
                slope[dim : 2 * dim] -= 1.0  # of the entropy
                first = 0.9 * first + 0.1 * slope
                second = 0.999 * second + 0.001 * slope**2
                rate = learning_rate * 0.01 ** (t / n)
                x = x - rate * (first / (1 - 0.9 ** (t + 1))) / (
                    np.sqrt(second / (1 - 0.999 ** (t + 1))) + 1e-8
                )
                done = t + 1
                if t >= n - last:  # the noise of single steps is averaged out
                    average += x / last
                bar.update(done)
        except KeyboardInterrupt:
            average = x
    if done < n:
        average = x
    factor = np.diag(np.exp(average[dim : 2 * dim]))
    if full:
        factor = factor + _below(average[2 * dim :], inside, dim)
    return Approximation(model, graphs.layout, average[:dim], factor, method, hist[:done])


def _below(values: np.ndarray, inside: Any, dim: int) -> np.ndarray:
    matrix = np.zeros((dim, dim))
    matrix[inside] = values
    return matrix
