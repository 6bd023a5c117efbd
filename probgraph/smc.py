"""sample_smc(): posterior draws and the marginal likelihood by tempering the prior into the posterior."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from probgraph.absent import take
from probgraph.engine.graph import Variable
from probgraph.engine.op import as_variable
from probgraph.inference_data import build
from probgraph.model.layout import Layout
from probgraph.model.log_density import (
    compiled_rows,
    refuse_batches,
    refuse_without_gradient,
    tempered_density,
)
from probgraph.model.model import Model, the_model
from probgraph.options import between_0_and_1, whether, whole
from probgraph.posterior import Results, dims_of_results, idata_options, pointwise_rows
from probgraph.predictive import sample_prior_predictive
from probgraph.progress import counted
from probgraph.samplers import Path, RandomWalks, Trajectories, putting_together, seed_sequence, tempered
from probgraph.samplers.interruption import terminated_as_interrupted, warn_and_keep
from probgraph.samplers.particle_moves import ParticleMoves
from probgraph.samplers.tempered import Tempered

KERNELS = ("mh", "hmc", "nuts")

PATH = Path(2.0, 0.5)
"""Of "hmc", as `HamiltonianMC` has it by default: in the particles' scales."""


def sample_smc(
    draws: int = 2000,
    *,
    kernel: str = "mh",
    chains: int = 4,
    threshold: float = 0.5,
    correlation_threshold: float = 0.05,
    random_seed: Any = None,
    var_names: Sequence[str] | None = None,
    return_inferencedata: bool = True,
    idata_kwargs: Mapping[str, Any] | None = None,
    model: Model | None = None,
    **of_pymc: Any,
) -> Any:
    """Draw from the posterior by sequential Monte Carlo, which finds several modes and the marginal likelihood.

    Parameters
    ----------
    draws, chains
        Particles of each run, and how many independent runs.
    kernel
        What moves the particles: "mh", random walks with their covariance, which need no gradient; "nuts" or "hmc",
        trajectories along the gradient with the particles' covariance as metric.
    threshold
        Effective part of the particles that a stage leaves: nearer to 1 means more and smaller stages.
    correlation_threshold
        Particles are moved until their correlation with where the stage began is below it, or falls no more, at most 500 times.
    var_names
        The variables to keep; all by default.
    return_inferencedata
        False returns a dict of arrays (chain, draw, \\*shape) by name.
    idata_kwargs
        `coords`, `dims`.
    of_pymc
        Arguments of PyMC's that change nothing here, such as `cores` and `progressbar`.

    Returns
    -------
    ArviZ's object with the groups posterior, sample_stats and observed_data. In sample_stats `log_marginal_likelihood`
    is the log evidence as each chain estimated it (its densities count with their constants), `stages` their number, and
    `beta` the temperature that the draws are at: 1. Ctrl-C and SIGTERM return the chains that are finished, with `interrupted`
    in the attrs; where there are none, one chain as far as it came, which is of the posterior tempered by `beta` below 1.

    Raises
    ------
    NotImplementedError for models with discrete free variables or improper priors, which cannot be drawn from;
    ValueError where no draw of the prior has a finite likelihood, and for settings out of range.

    Del Moral, Doucet & Jasra, "Sequential Monte Carlo samplers" (2006).

    >>> with Model():
    ...     x = Normal("x", 0, 1)
    ...     y = Normal("y", x, 1, observed=0.5)
    ...     idata = sample_smc(200, chains=2, random_seed=1)
    """
    take("sample_smc", of_pymc, ("compute_convergence_checks", "cores", "progressbar"))
    model = the_model(model, "sample_smc()")
    whole("draws", draws, 10)
    whole("chains", chains, 1)
    if kernel not in KERNELS:
        raise ValueError(f"kernel is {kernel!r}; it must be one of {', '.join(map(repr, KERNELS))}")
    between_0_and_1("threshold", threshold)
    between_0_and_1("correlation_threshold", correlation_threshold)
    refuse_without_gradient(model)
    if model.marginals:
        raise NotImplementedError(
            "sample_smc: variables that are summed out are drawn again by sample() alone; use that"
        )
    whether("return_inferencedata", return_inferencedata)
    options = idata_options(idata_kwargs, ("coords", "dims"))
    layout = Layout(model.value_vars)
    results = Results(model, layout, var_names)
    moves = _moves(model, layout, kernel)
    streams = seed_sequence(random_seed).spawn(chains)
    runs: list[Tempered] = []
    with terminated_as_interrupted(), contextlib.suppress(KeyboardInterrupt):
        for stream in streams:
            random = np.random.default_rng(stream)
            start = _prior_particles(model, layout, draws, random)
            runs.append(
                tempered(
                    moves(random),
                    start,
                    random,
                    threshold=threshold,
                    correlation_threshold=correlation_threshold,
                )
            )
            if not runs[-1].complete:
                break
    with putting_together():
        interrupted = len(runs) < chains or not runs[-1].complete
        if interrupted:
            runs = _of_an_interrupted_run(runs)
        groups = results.arrays(np.stack([run.particles for run in runs]))
        if not return_inferencedata:
            return groups["posterior"]
        groups["sample_stats"] = {
            "log_marginal_likelihood": np.array([[run.log_marginal_likelihood] * draws for run in runs]),
            "stages": np.array([[len(run.betas)] * draws for run in runs]),
            "beta": np.array([[run.betas[-1]] * draws for run in runs]),
        }
        groups["observed_data"] = {o.name: o.present_array() for o in model.observed}
        groups["constant_data"] = {d.name or "": d.get_value() for d in model.data_vars}
        coords = {**model.coords, **(options.get("coords") or {})}
        dims = {**dims_of_results(model), **(options.get("dims") or {})}
        return build(
            groups,
            dims,
            coords,
            {"sampler": "SMC", "kernel": kernel, "threshold": threshold, "interrupted": interrupted},
        )


def _of_an_interrupted_run(runs: list[Tempered]) -> list[Tempered]:
    """The chains that are of the posterior; where there are none, the first as far as it came. A warning says which.

    Raises KeyboardInterrupt where none came anywhere.
    """
    if not runs:
        raise KeyboardInterrupt("sample_smc was interrupted before the first stage was finished")
    if whole := [run for run in runs if run.complete]:
        warn_and_keep(
            f"sample_smc was interrupted; what is returned is {counted(len(whole), 'chain')}, finished before.",
            stacklevel=3,
        )
        return whole
    (run,) = runs
    warn_and_keep(
        f"sample_smc was interrupted at temperature {run.betas[-1]:.3g} of 1: these are NOT draws of the posterior, but of"
        " the prior times the likelihood to that power, which are wider. beta in sample_stats says so, and"
        " log_marginal_likelihood is nan.",
        stacklevel=3,
    )
    return [replace(run, log_marginal_likelihood=np.nan)]


def _moves(model: Model, layout: Layout, kernel: str) -> Callable[[np.random.Generator], ParticleMoves]:
    """What moves the particles of one chain; potentials count to the likelihood, as in PyMC."""
    data = [
        model[name] for name in (*(o.name for o in model.observed), *(p.name or "" for p in model.potentials))
    ]
    prior = model.logp(vars=model.free_RVs)
    likelihood: Variable = model.logp(vars=data) if data else as_variable(np.zeros(()))
    refuse_batches([prior, likelihood])
    if kernel != "mh":
        density = tempered_density(model, prior, likelihood)
        return lambda random: Trajectories(density, random, PATH if kernel == "hmc" else None)
    rows = compiled_rows(layout, [prior.astype("float64"), likelihood.astype("float64")])

    def densities(q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        one, two = rows(np.ascontiguousarray(q))
        return one, two

    return lambda random: RandomWalks(densities, layout.dim, random)


def _prior_particles(model: Model, layout: Layout, draws: int, random: np.random.Generator) -> np.ndarray:
    """Draws of the prior (draws, dim) over R^n."""
    values = sample_prior_predictive(
        draws,
        model=model,
        var_names=[f.name for f in model.free],
        random_seed=random,
        return_inferencedata=False,
    )
    forward = {
        f.name: f.variable if f.transform is None else f.transform.forward(f.variable) for f in model.free
    }
    own, rows = pointwise_rows(model, forward)
    columns = [np.asarray(values[name], dtype=np.float64).reshape(draws, -1) for name in forward]
    assert sum(c.shape[1] for c in columns) == own.dim
    over_r = rows(np.ascontiguousarray(np.hstack(columns)))
    particles = np.hstack([np.asarray(c, dtype=np.float64).reshape(draws, -1) for c in over_r])
    assert particles.shape[1] == layout.dim
    return particles
