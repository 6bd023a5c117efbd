"""sample(): from an open model to posterior draws, as one page.

model -> log density, compiled -> starts -> chains -> every draw in the user's variables -> ArviZ
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from probgraph.absent import take
from probgraph.assignment import Assignment, assigned, with_discrete, with_slices
from probgraph.diagnostics import Coordinates, diagnose
from probgraph.distributions.transforms import Circular
from probgraph.engine.blas_threads import one_blas_thread
from probgraph.engine.no_gradient import NullTypeGradError
from probgraph.marginal import result_with_recovered, with_recovered, without_discrete
from probgraph.model.checks import explanation
from probgraph.model.layout import Layout
from probgraph.model.log_density import DensityGraphs, compiled_density, density_graphs
from probgraph.model.model import Model, the_model
from probgraph.optimize import minimize
from probgraph.optimize.objective import CompiledObjective
from probgraph.options import between_0_and_1, place, real, whether, whole
from probgraph.pathfinder import starts_of_paths
from probgraph.posterior import Results, idata_options, to_arviz
from probgraph.remote import refuse_no_executor, sample_elsewhere
from probgraph.running import Place, Run, new_store, refuse_another_model, stored_run, watch_of
from probgraph.samplers import (
    LogDensity,
    StartError,
    Trace,
    jittered_starts,
    prepare,
    putting_together,
    sample_chains,
    seed_sequence,
    warn_if_no_compiler,
    warn_of_memory,
)

DTYPES = ("float64", "float32")
PROGRESSBARS = (True, False, "combined", "split", "combined+stats", "split+stats")
"""Shown or not; PyMC's names for how it is shown mean that it is."""

INITS = {
    "auto": None,
    "jitter+adapt_diag": None,
    "adapt_diag": None,
    "jitter+adapt_diag_grad": "diag",
    "jitter+adapt_full": "dense",
    "adapt_full": "dense",
    "pathfinder": None,
    "map": None,
}
"""PyMC's names: whether starts are jittered, and the metric where the name says one; `metric` goes before."""

Initvals = Mapping[str, Any] | Sequence[Mapping[str, Any] | None] | None
RandomSeed = int | Sequence[int] | np.random.SeedSequence | np.random.Generator | None


def sample(
    draws: int = 1000,
    *,
    tune: int = 1000,
    chains: int = 4,
    cores: int | None = None,
    random_seed: RandomSeed = None,
    step: Any = None,
    target_accept: float = 0.8,
    max_treedepth: int = 10,
    metric: str = "auto",
    step_jitter: float = 0.0,
    progressbar: bool = True,
    initvals: Initvals = None,
    init: str = "jitter+adapt_diag",
    jitter_max_retries: int = 100,
    discard_tuned_samples: bool = True,
    var_names: Sequence[str] | None = None,
    return_inferencedata: bool = True,
    store: Place | None = None,
    resume: Place | None = None,
    target_ess: float | None = None,
    max_time: float | None = None,
    callback: Callable[..., None] | None = None,
    executor: Executor | None = None,
    thin: int = 1,
    dtype: str = "float64",
    compute_convergence_checks: bool = True,
    idata_kwargs: Mapping[str, Any] | None = None,
    model: Model | None = None,
    **of_pymc: Any,
) -> Any:
    """Draw from the posterior of the open model with the No-U-Turn sampler or its like, in compiled code.

    Where there is no C compiler it runs in Python, from twenty times (much data) to a thousand times (small models)
    slower, and a warning says so.

    Parameters
    ----------
    draws, tune, chains
        Draws kept and warm-up transitions of each chain, and how many chains.
    cores
        Chains at a time; as many as there are processors by default. The draws do not depend on it.
    random_seed
        The same seed gives the same draws, bit for bit (without a compiler, to rounding).
    step
        "nuts", the default; "walnuts", which halves its steps where a posterior is narrow; "hmc", with trajectories of
        a fixed length; "mala", with a single step. Or `NUTS(...)`, `WALNUTS(...)`, `HamiltonianMC(...)`, `MALA(...)`
        with their own settings. For variables that are discrete, or without gradients: `Metropolis`, `Slice`,
        `BinaryGibbsMetropolis`, `CategoricalGibbsMetropolis`, `DEMetropolisZ`, alone or in a list:
        ``step=[Metropolis([z]), NUTS()]``. What is not named is moved by what fits: discrete variables are summed out
        where they can be, and else moved by the methods that PyMC gives them.
    target_accept
        Acceptance rate that the step size is tuned to; nearer to 1 for posteriors with narrow places.
    max_treedepth
        A trajectory has at most 2**max_treedepth - 1 steps.
    metric
        The coordinates that trajectories move in, learned from draws and gradients: "diag" a scale for each element;
        "low_rank" also the directions that are wider or narrower than those scales say; "dense" a full matrix;
        "auto" of "diag" and "low_rank" the one that fits better. "stan" is the diagonal as Stan learns it.
    step_jitter
        Each draw's step size is varied by up to this part of it (0 to 1), against orbits that close.
    initvals
        Where to start: values by variable name, for all chains or a list with one for each.
    init
        "jitter+adapt_diag" starts each chain at its own place within 1 (over R) around the centre, retried
        up to `jitter_max_retries` times until the density is finite; "adapt_diag" starts at the centre.
        "pathfinder" starts each chain at a draw of its own normal approximation (`fit_pathfinder`), "map" all at the mode
        over R. With "jitter+adapt_diag_grad" the metric is "diag", with "jitter+adapt_full" and "adapt_full" it is "dense",
        where `metric` does not say another.
    discard_tuned_samples
        False keeps the warm-up in groups of its own.
    var_names
        The variables to keep; all by default.
    return_inferencedata
        False returns a dict of arrays (chain, draw, \\*shape) by name instead of ArviZ's object.
    store
        A directory, made anew, to which draws are appended as they come, with all that is needed to go on.
    resume
        A directory that `store` made. The run goes on with the settings it was begun with (those of chains and steps
        given here are not looked at), and ends with exactly the draws of a run that was never stopped.
    target_ess
        End as soon as each unconstrained coordinate has so many effective draws over all chains, looked at after each
        100 draws; `draws` is then the most. The same seed ends at the same draw.
    max_time
        End after so many seconds; what is kept is a multiple of 100 draws where there are as many.
    callback
        ``callback(trace=..., draw=...)`` is called for each draw, in the main thread, soon after it was made: `draw`
        has `chain`, `draw_idx`, `tuning`, `is_last`, `stats` and `point`, the unconstrained values by name; `trace` are
        the chain's draws so far over R^n. Where it raises, the run ends with the draws so far, marked `interrupted`.
    executor
        Any `concurrent.futures.Executor`: a process pool, `dask.distributed.Client.get_executor()`, that of
        `mpi4py.futures`. Each chain is a task; the model is pickled, and compiled by the worker. The draws are those of
        a run without it.
    thin
        Of `draws` draws of each chain every `thin`-th is kept, in memory as in a store; the others are counted in its
        `n_steps`, `diverging` and `reached_max_treedepth`. What else counts draws (`callback`, `target_ess`) sees these.
    dtype
        "float32" stores real results in half the memory; what is computed is float64 all the same.
    compute_convergence_checks
        False says nothing of what went wrong; the attrs have it still.
    of_pymc
        Arguments of PyMC's that change nothing here, such as `nuts_sampler`: there is one way, which is compiled.
    idata_kwargs
        `log_likelihood` (True, or names of observed variables), `include_transformed`, `coords`, `dims`.

    Returns
    -------
    `arviz.InferenceData`, or `xarray.DataTree` with ArviZ 1: posterior, sample_stats, observed_data,
    constant_data. Its attrs hold the settings, and the seconds taken: `build_time` (graphs), `compile_time`,
    `tuning_time`, `sampling_time`; and how well it went, over R^n: `divergences`, `reached_max_treedepth`, `min_ebfmi`,
    `max_rhat`, `min_ess_bulk`, `min_ess_tail` (with the name of the worst variable as `max_rhat_variable` ...), and
    `problems`, the names of what one warning told of. Ctrl-C, SIGTERM and an exception of an operation or callback of
    yours return the draws so far, with `interrupted` in the attrs.

    Raises
    ------
    FileExistsError where `store` is there already, FileNotFoundError where `resume` is not;
    ValueError where the model has no free variable, or no start with a finite density is found (saying which
    term of which variable is not finite there, and why; or where a step is for other variables);
    TypeError where no model is open.

    Hoffman & Gelman, "The No-U-Turn Sampler" (JMLR 2014); Betancourt, "A Conceptual Introduction to Hamiltonian
    Monte Carlo" (2017).

    >>> with Model():
    ...     x = Normal("x", 0, 1)
    ...     idata = sample(200, chains=2, random_seed=1, progressbar=False)
    """
    take("sample", of_pymc)
    for name, number, least in (
        ("draws", draws, 0),
        ("tune", tune, 0),
        ("chains", chains, 1),
        ("thin", thin, 1),
        ("jitter_max_retries", jitter_max_retries, 0),
    ):
        whole(name, number, least)
    if cores is not None:
        whole("cores", cores, 1)
    whole("max_treedepth", max_treedepth, 1, 30)
    between_0_and_1("target_accept", target_accept)
    real("step_jitter", step_jitter, "at least 0 and below 1")
    for name, end in (("target_ess", target_ess), ("max_time", max_time)):
        if end is not None:
            real(name, end, "positive, or None for no such end")
    for name, flag in (
        ("discard_tuned_samples", discard_tuned_samples),
        ("return_inferencedata", return_inferencedata),
        ("compute_convergence_checks", compute_convergence_checks),
    ):
        whether(name, flag)
    if progressbar not in PROGRESSBARS:
        raise TypeError(
            f"progressbar is {progressbar!r}; it must be True or False, or of PyMC's {', '.join(PROGRESSBARS[2:])}"
        )
    for name, path in (("store", store), ("resume", resume)):
        place(name, path)
    if isinstance(initvals, str) or not isinstance(initvals, Mapping | Sequence | None):
        raise TypeError(
            f"initvals is {initvals!r}; it must be a dict of values by variable name, a list of them for the chains, or None"
        )
    model = the_model(model, "sample()")
    options = idata_options(idata_kwargs)
    if not isinstance(init, str) or init not in INITS:
        raise ValueError(f"init is {init!r}; it must be one of {', '.join(map(repr, INITS))}")
    if metric == "auto":
        metric = INITS[init] or metric
    if executor is not None:
        refuse_no_executor(executor)
        if any(x is not None for x in (store, resume, target_ess, max_time, callback)):
            raise ValueError(
                "executor runs chains elsewhere: no store, resume, target_ess, max_time or callback"
            )
    if dtype not in DTYPES:
        raise ValueError(f"dtype is {dtype!r}; it must be one of {', '.join(map(repr, DTYPES))}")
    if resume is not None and (store is not None or not discard_tuned_samples):
        raise ValueError(
            "resume goes on in its own directory, without the warm-up: no store=, no kept warm-up"
        )
    seed = _sequence(random_seed)
    warn_if_no_compiler()
    stored = None
    if resume is not None:
        stored, run = stored_run(resume)
        model = _model_of(run, model, progressbar)
        began = time.perf_counter()
        graphs = density_graphs(model, moved=frozenset(run.moved))
    else:
        model, steps = _model_and_steps(model, step, progressbar)
        began = time.perf_counter()
        graphs, steps = _graphs(model, steps)
        way = steps.way
        run = Run(
            draws,
            tune,
            chains,
            way.name,
            target_accept if way.target_accept is None else way.target_accept,
            max_treedepth if way.max_treedepth is None else way.max_treedepth,
            metric,
            step_jitter,
            way.max_error,
            way.path,
            [int(n) for n in seed.entropy] if np.ndim(seed.entropy) else int(seed.entropy),
            [int(key) for key in seed.spawn_key],
            steps.moves(model, graphs.layout),
            tuple(sorted(steps.values(model))),
            thin,
        )
    built = time.perf_counter() - began
    # What was summed out is drawn again from all that is left.
    compiled = _compile(model, graphs, options, None if model.marginals else var_names, dtype)
    if stored is not None:
        refuse_another_model(stored, compiled.density, compiled.layout)
        starts = stored.starts
    else:
        starts = _starts(model, compiled, chains, run.seed, initvals, init, jitter_max_retries)
    if options:
        compiled.results.refuse_what_does_not_fit(starts[0], options)
    of_results = compiled.results.bytes_of_draw(starts[0]) * len(starts) * run.kept
    warn_of_memory(compiled.layout.dim, len(starts), run.kept, run.tune, of_results)
    watch = watch_of(stored, callback, target_ess, max_time, compiled.layout)
    if store is not None:
        watch.store = new_store(store, run, compiled.density, compiled.layout, starts)
    if executor is not None:
        trace = sample_elsewhere(executor, model, run, starts, discard_tuned_samples)
    else:
        with one_blas_thread():
            trace = sample_chains(
                compiled.density,
                starts,
                **run.options(),
                cores=cores,
                progressbar=progressbar,
                discard_tuned=discard_tuned_samples,
                watch=watch,
                resume=stored,
            )
    if trace.interrupted and not trace.draws.shape[1] and run.draws:
        raise KeyboardInterrupt("sampling was interrupted before the first draw was kept")
    with putting_together():
        coordinates = _coordinates(model, compiled.layout)
        diagnosis = diagnose(
            trace, coordinates, run.max_treedepth, run.target_accept, halved=run.max_error > 0
        )
        if compute_convergence_checks:
            diagnosis.warn()
        if not return_inferencedata:
            arrays = compiled.results.arrays(trace.draws)["posterior"]
            return arrays if not model.marginals else with_recovered(model, arrays, run.seed, var_names)
        settings = {
            **run.attributes(),
            "init": init,
            "random_seed": int(random_seed) if isinstance(random_seed, int | np.integer) else None,
            "interrupted": trace.interrupted,
            "ended_by": trace.ended_by,
            "gradient_evaluations": trace.gradients + trace.gradients_tuning,
            "build_time": built,
            "compile_time": compiled.seconds,
            **_split(trace),
            **diagnosis.attributes(),
            **{f"acceptance of {name}": rate for name, rate in trace.acceptance.items()},
        }
        result = to_arviz(model, compiled.results, trace, settings, options)
        return result if not model.marginals else result_with_recovered(model, result, run.seed, var_names)


@dataclass(frozen=True)
class _Compiled:
    density: LogDensity
    layout: Layout
    results: Results
    seconds: float


def _model_and_steps(model: Model, step: Any, say: bool) -> tuple[Model, Assignment]:
    """What is sampled, discrete unknowns summed out where they can be and the user gave them no step; and its steps."""
    found = assigned(model, step)
    if not found.discrete_given:
        summed = without_discrete(model, say)
        if summed is not None:
            return summed, found
    complete = with_discrete(found, model)
    if say and len(complete.methods) > len(found.methods):
        print(f"Steps: {complete.said(model)}", file=sys.stderr)
    return model, complete


def _model_of(run: Run, model: Model, say: bool) -> Model:
    """What a stored run sampled: summed out were discrete unknowns that no step moved."""
    discrete = {f.value.name for f in model.free if f.variable.distribution.discrete}
    return model if discrete.intersection(run.moved) else without_discrete(model, say) or model


def _graphs(model: Model, steps: Assignment) -> tuple[DensityGraphs, Assignment]:
    """The density and its gradient; where some variable has no gradient, with steps that need none."""
    try:
        return density_graphs(model, moved=steps.values(model)), steps
    except (NotImplementedError, NullTypeGradError):
        sliced = with_slices(steps, model)
        if sliced is None:
            raise
        print(f"Without gradients: {sliced.said(model)}", file=sys.stderr)
        return density_graphs(model, moved=sliced.values(model)), sliced


def _compile(
    model: Model,
    graphs: DensityGraphs,
    options: Mapping[str, Any],
    var_names: Sequence[str] | None,
    dtype: str,
) -> _Compiled:
    """The density, the sampler's kernel and the function from draws to values: three C files side by side."""
    began = time.perf_counter()
    with ThreadPoolExecutor(2, "compile") as pool:
        kernel = pool.submit(prepare)
        results = pool.submit(
            Results,
            model,
            graphs.layout,
            var_names,
            options.get("log_likelihood", False),
            options.get("include_transformed", False),
            dtype,
        )
        density = compiled_density(graphs)
        finished = results.result()
        kernel.result()
    return _Compiled(density, graphs.layout, finished, time.perf_counter() - began)


def _sequence(random_seed: RandomSeed) -> np.random.SeedSequence:
    """The seed of the whole run."""
    if isinstance(random_seed, np.random.Generator):
        return np.random.SeedSequence([int(n) for n in random_seed.integers(2**32, size=4)])
    return seed_sequence(random_seed)


def _starts(
    model: Model,
    compiled: _Compiled,
    chains: int,
    seed: Any,
    initvals: Initvals,
    init: str,
    retries: int,
) -> np.ndarray:
    layout = compiled.layout
    if initvals is None or isinstance(initvals, Mapping):
        centre = layout.vector(model.initial_point(initvals, "initvals"))
    else:
        if len(initvals) != chains:
            raise ValueError(f"initvals is a list of {len(initvals)} for {chains} chains")
        centre = np.stack([layout.vector(model.initial_point(given, "initvals")) for given in initvals])
    radius, tries = (0.0, 1) if init.startswith(("adapt", "map")) else (1.0, max(retries, 1))
    if init == "map":
        centre = np.atleast_2d(centre)
        centre = np.stack([minimize(CompiledObjective(compiled.density, sign=-1.0), one).x for one in centre])
        centre = centre if len(centre) == chains else centre[0]
    # Whole numbers begin at the centre, and then move by themselves.
    around = radius * np.concatenate(
        [np.full(slot.stop - slot.start, float(slot.value.dtype == "float64")) for slot in layout.slots]
    )
    try:
        starts = jittered_starts(compiled.density, centre, chains, seed, tries=tries, radius=around)
        if init == "pathfinder":
            return starts_of_paths(compiled.density, starts, seed, np.flatnonzero(around))
        return starts
    except StartError as error:
        why = explanation(model, layout.point(error.q), error.gradient)
        raise ValueError(
            f"no start with a finite log density was found for chain {error.chain} in {tries} tries"
            f"{' around the initial point' if radius else ''}. At the last:\n{why}"
        ) from None


def _coordinates(model: Model, layout: Layout) -> list[Coordinates]:
    """Where each free variable lies over R^n, by its own name; with elements where there are as many of them."""
    free = {f.value.name: f for f in model.free}
    return [
        Coordinates(
            free[s.name].name,
            s.start,
            s.stop,
            s.shape if s.shape == free[s.name].variable.type.shape else (),
            circular=isinstance(free[s.name].transform, Circular),
        )
        for s in layout.slots
    ]


def _split(trace: Trace) -> dict[str, float]:
    """The wall time of the run, divided as the chains' own times are."""
    tuning, sampling = float(trace.seconds_tuning.sum()), float(trace.seconds_sampling.sum())
    share = tuning / (tuning + sampling) if tuning + sampling else 0.0
    return {"tuning_time": trace.seconds * share, "sampling_time": trace.seconds * (1 - share)}
