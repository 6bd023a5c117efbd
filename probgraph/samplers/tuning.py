"""Warm-up of one chain: the order in which step size and metric are learned.

The course is nutpie's (arXiv:2603.18845). From the first draw on the metric follows the draws and gradients of a
window that begins anew every so often: short at first, so that the way to the posterior is soon forgotten, then
longer. A window's successor gathers draws before it takes over, so that no estimate starts from nothing. A last stretch
settles the step size for the final metric. Stan's course, by variances in windows of their own, is there to be
compared with.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from probgraph.samplers import metric
from probgraph.samplers.adaptation import DualAveraging, OverlappingWindows, reasonable_step_size, windows
from probgraph.samplers.metric import Metric
from probgraph.samplers.nuts import Nuts

SHORT_TRANSITION = 50e-6
"""Seconds below which a transition keeps the interpreter lock: handing it over would take longer."""

LATELY, ON_ITS_WAY, PATIENCE = 8, 5.0, 30
"""A chain is still on its way where its log density varies so much in so many draws; see `on_its_way`."""

METRICS = (*metric.ESTIMATES, "stan")


@dataclass
class Tuning:
    """What has been learned so far; ``done`` transitions may be read by other threads."""

    step_size: float
    metric: Metric
    done: int = 0


@dataclass(frozen=True)
class Targets:
    """What tuning aims at: an acceptance rate, and a kind of metric out of `METRICS`."""

    target_accept: float = 0.8
    metric: str = "diag"

    def __post_init__(self) -> None:
        if not 0 < self.target_accept < 1:
            raise ValueError(f"target_accept is {self.target_accept}; it must lie between 0 and 1")
        if self.metric not in METRICS:
            raise ValueError(f"metric is {self.metric!r}; it must be one of {', '.join(map(repr, METRICS))}")


def tune(chain: Nuts, tuning: Tuning, draws: np.ndarray, statistics: np.ndarray, targets: Targets) -> None:
    """Run len(draws) transitions, leaving step size and metric in ``tuning`` (updated as it goes).

    Fills draws (n, dim) and statistics (n,). When stopped, ``tuning.done`` is below n.
    """
    places = chain.free
    if places is not None and not len(places):
        _moves_alone(chain, tuning, draws, statistics)
        return
    gradient_seconds = np.inf

    def energy_loss(step_size: float) -> float:
        nonlocal gradient_seconds
        started = time.perf_counter()
        loss = chain.energy_loss(step_size)
        gradient_seconds = min(gradient_seconds, time.perf_counter() - started)
        return loss

    stan = targets.metric == "stan"
    if not stan:
        tuning.metric = metric.of_gradient(chain.where()[1])
    if places is not None:
        tuning.metric = metric.among(
            metric.of_variances(tuning.metric.variances()[places]), places, chain.dim
        )
    chain.set_metric(tuning.metric)
    averaging = DualAveraging(reasonable_step_size(energy_loss, tuning.step_size), targets.target_accept)
    tuning.step_size = averaging.step_size

    gradients = None if stan else np.empty_like(draws)
    learned = (
        _stan(draws, places)
        if gradients is None
        else _overlapping(draws, gradients, statistics, targets.metric, places)
    )
    transition = chain.transitions(draws, statistics, gradients)
    plain, symmetric = statistics["acceptance_rate"], statistics["acceptance_rate_symmetric"]
    # On its way a chain gains energy: only later is a gain as bad as a loss. What a step would do that is not halved yet
    # is the same at all times; of a trajectory's end it is the chance to be taken that matters.
    early = OverlappingWindows(len(draws)).early
    if stan or chain.path is not None:
        early = len(draws)
    elif chain.max_error:
        early = 0
    n_steps = statistics["n_steps"]
    short = False
    for i in range(len(draws)):
        if not transition(i, tuning.step_size, short):
            return
        tuning.step_size = averaging.update(float(plain[i] if i < early else symmetric[i]))
        tuning.done = i + 1
        short = gradient_seconds * n_steps[i] < SHORT_TRANSITION
        found, anew = learned(i + 1, tuning.metric)
        if found is not tuning.metric:
            tuning.metric = found
            chain.set_metric(found)
        if anew:
            averaging.restart(reasonable_step_size(energy_loss, averaging.final()))
            tuning.step_size = averaging.step_size
    tuning.step_size = averaging.final()


Learned = Callable[[int, Metric], tuple[Metric, bool]]
"""``learned(done, before)`` after so many transitions: the metric from now on, and whether the step size must be
sought anew."""


def _moves_alone(chain: Nuts, tuning: Tuning, draws: np.ndarray, statistics: np.ndarray) -> None:
    """The warm-up of a chain in which step methods move everything, which tune themselves."""
    transition = chain.transitions(draws, statistics)
    for i in range(len(draws)):
        if not transition(i, tuning.step_size, True):
            return
        tuning.done = i + 1


def _stan(draws: np.ndarray, places: np.ndarray | None) -> Learned:
    def estimate(draws: np.ndarray, gradients: np.ndarray, before: Metric) -> Metric:
        return metric.of_draws(draws, before)

    if places is not None:
        estimate = metric.of_some(estimate, places)
    plan = windows(len(draws))
    begins = dict(zip(plan.ends, (plan.start, *plan.ends), strict=False))

    def learned(done: int, before: Metric) -> tuple[Metric, bool]:
        if done not in begins:
            return before, False
        window = draws[begins[done] : done]
        return estimate(window, window, before), True

    return learned


def _overlapping(
    draws: np.ndarray,
    gradients: np.ndarray,
    statistics: np.ndarray,
    kind: str,
    places: np.ndarray | None,
) -> Learned:
    plan = OverlappingWindows(len(draws), 1.2 if kind == "diag" else 1.6)
    estimate, diagonal = metric.ESTIMATES[kind], metric.diagonal
    if places is not None:
        estimate, diagonal = metric.of_some(estimate, places), metric.of_some(diagonal, places)
    good = np.zeros(len(draws), dtype=bool)
    first = True
    dim = draws.shape[1]
    lp = statistics["lp"]

    def learned(done: int, before: Metric) -> tuple[Metric, bool]:
        nonlocal first
        record = statistics[done - 1]
        # A draw that did not move says nothing new; after a divergence only one from afar does.
        far = abs(int(record["index_in_trajectory"]))
        good[done - 1] = far > 4 if record["diverging"] else far > 0
        if done == plan.settled:
            return before, done > 0 and not first
        if done < plan.settled and on_its_way(lp[max(done - LATELY, 0) : done], dim):
            plan.forget(done)
            seen = slice(max(done - PATIENCE, 0), done)
            if done < PATIENCE or good[seen].sum() < plan.FEWEST:
                return before, False
            # Still on its way with the first metric: local scales may lead out of here.
            return diagonal(draws[seen][good[seen]], gradients[seen][good[seen]], before), False
        window = plan.after(done, int(good[done - 1]))
        if window is None:
            return before, False
        chosen = slice(window, done)
        used = good[chosen]
        found = estimate(draws[chosen][used], gradients[chosen][used], before)
        anew, first = first, False
        return found, anew

    return learned


def on_its_way(lp: np.ndarray, dim: int) -> bool:
    """Whether a chain with these latest log densities has not yet found the bulk of its posterior.

    There the log density varies by about the square root of dim / 2. Before, it climbs by more than that at each draw;
    what is seen on the way says nothing of the posterior's shape, and a metric made of it can keep a chain there.
    """
    return bool(lp.max() - lp.min() > ON_ITS_WAY * (10 + dim))
