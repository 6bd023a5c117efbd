"""Warm-up of one chain: the order in which step size and metric are learned.

The course is nutpie's (arXiv:2603.18845). From the first draw on the metric follows the draws and gradients of a
window that begins anew every so often: short at first, so that the way to the posterior is soon forgotten, then
longer. A window's successor gathers draws before it takes over, so that no estimate starts from nothing. A last stretch
settles the step size for the final metric. Stan's course, by variances in windows of their own, is there to be
compared with.
"""

from __future__ import annotations

import ctypes
import time
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from probgraph.samplers import metric
from probgraph.samplers.adaptation import (
    LATELY,
    DualAveraging,
    OverlappingWindows,
    largest_spread,
    on_its_way,
    reasonable_step_size,
    windows,
)
from probgraph.samplers.metric import Metric
from probgraph.samplers.metric_choice import ESTIMATES
from probgraph.samplers.nuts import Nuts, WarmUp

SHORT_STRETCH = 50e-6
"""Seconds below which transitions keep the interpreter lock: handing it over would take longer."""

PATIENCE = 30
"""The draws that local scales are learned from while a chain is on its way."""

METRICS = (*ESTIMATES, "stan")


@dataclass
class Tuning:
    """What has been learned so far; ``done`` transitions may be read by other threads."""

    step_size: float
    metric: Metric
    counter: ctypes.c_int64 = field(default_factory=ctypes.c_int64)

    @property
    def done(self) -> int:
        return self.counter.value


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
        # Step methods move everything, and tune themselves.
        alone = WarmUp(draws, statistics, None, tuning.counter, DualAveraging(tuning.step_size))
        chain.begin(alone)(len(draws), False, False)
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

    warm_up = WarmUp(draws, statistics, None, tuning.counter, averaging)
    if not stan:
        warm_up = replace(warm_up, gradients=np.empty_like(draws), spread=largest_spread(chain.dim))
    course = _Stan(warm_up, places) if stan else _Overlapping(warm_up, targets.metric, places)
    advance = chain.begin(warm_up)
    # On its way a chain gains energy: only later is a gain as bad as a loss. What a step would do that is not halved yet
    # is the same at all times; of a trajectory's end it is the chance to be taken that matters.
    early = OverlappingWindows(len(draws)).early
    if stan or chain.path is not None:
        early = len(draws)
    elif chain.max_error:
        early = 0
    seconds = np.inf
    while (done := tuning.done) < len(draws):
        end = course.until(done)
        if done < early:
            end = min(end, early)
        going_on = advance(end, done >= early, seconds * (end - done) < SHORT_STRETCH)
        tuning.step_size = averaging.step_size
        if not going_on:
            return
        done = tuning.done
        seconds = gradient_seconds * statistics["n_steps"][done - 1]
        found, anew = course.after(done, tuning.metric)
        if found is not tuning.metric:
            tuning.metric = found
            chain.set_metric(found)
        if anew:
            averaging.restart(reasonable_step_size(energy_loss, averaging.final()))
            tuning.step_size = averaging.step_size
    tuning.step_size = averaging.final()


class Course(Protocol):
    """When in a warm-up which metric is learned."""

    def until(self, done: int) -> int:
        """After ``done`` transitions: the number of them at which there is something to do next, at the earliest."""
        ...

    def after(self, done: int, before: Metric) -> tuple[Metric, bool]:
        """The metric from now on, and whether the step size must be sought anew."""
        ...


class _Stan:
    """Variances in windows of their own."""

    def __init__(self, warm_up: WarmUp, places: np.ndarray | None):
        def estimate(draws: np.ndarray, gradients: np.ndarray, before: Metric) -> Metric:
            return metric.of_draws(draws, before)

        self.estimate = estimate if places is None else metric.of_some(estimate, places)
        self.draws = warm_up.draws
        plan = windows(len(self.draws))
        self.begins = dict(zip(plan.ends, (plan.start, *plan.ends), strict=False))

    def until(self, done: int) -> int:
        return min((end for end in self.begins if end > done), default=len(self.draws))

    def after(self, done: int, before: Metric) -> tuple[Metric, bool]:
        if done not in self.begins:
            return before, False
        window = self.draws[self.begins[done] : done]
        return self.estimate(window, window, before), True


class _Overlapping:
    """Draws and gradients in windows that overlap, and what local scales there are while a chain is on its way."""

    def __init__(self, warm_up: WarmUp, kind: str, places: np.ndarray | None):
        self.draws, self.gradients, self.spread = warm_up.draws, warm_up.gradients, warm_up.spread
        self.lp, self.far, self.diverging = (
            warm_up.statistics[name] for name in ("lp", "index_in_trajectory", "diverging")
        )
        self.plan = OverlappingWindows(len(self.draws), 1.2 if kind == "diag" else 1.6)
        self.estimate, self.diagonal = ESTIMATES[kind], metric.diagonal
        if places is not None:
            self.estimate = metric.of_some(self.estimate, places)
            self.diagonal = metric.of_some(self.diagonal, places)
        self.good = np.zeros(len(self.draws), dtype=bool)
        self.asked = 0
        self.first = True

    def until(self, done: int) -> int:
        return self.plan.until(done) if done < self.plan.settled else len(self.draws)

    def after(self, done: int, before: Metric) -> tuple[Metric, bool]:
        plan = self.plan
        new = slice(self.asked, done)
        self.asked = done
        # A draw that did not move says nothing new; after a divergence only one from afar does.
        self.good[new] = np.abs(self.far[new]) > 4 * self.diverging[new]
        if done == plan.settled:
            return before, not self.first
        if done < plan.settled and on_its_way(self.lp[max(done - LATELY, 0) : done], self.spread):
            plan.forget(done)
            seen = slice(max(done - PATIENCE, 0), done)
            if done < PATIENCE or self.good[seen].sum() < plan.FEWEST:
                return before, False
            # Still on its way with the first metric: local scales may lead out of here.
            return self._estimated(self.diagonal, seen, before), False
        begin = plan.after(done, np.count_nonzero(self.good[new]))
        if begin is None:
            return before, False
        anew, self.first = self.first, False
        return self._estimated(self.estimate, slice(begin, done), before), anew

    def _estimated(self, estimate: metric.Estimate, rows: slice, before: Metric) -> Metric:
        good = self.good[rows]
        return estimate(self.draws[rows][good], self.gradients[rows][good], before)
