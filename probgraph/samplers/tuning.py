"""Warm-up of one chain: the order in which step size and metric are learned.

The course is Stan's. A first stretch finds the bulk of the posterior with a unit metric; growing windows then
estimate the metric, each from its own draws alone, so that what the chain saw on its way is forgotten; a last
stretch settles the step size for the final metric.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from probgraph.samplers import metric
from probgraph.samplers.adaptation import DualAveraging, reasonable_step_size, windows
from probgraph.samplers.nuts import Nuts

SHORT_TRANSITION = 50e-6
"""Seconds below which a transition keeps the interpreter lock: handing it over would take longer."""


@dataclass
class Tuning:
    """What has been learned so far; ``done`` transitions may be read by other threads."""

    step_size: float
    inverse_metric: np.ndarray
    done: int = 0


def tune(
    chain: Nuts, tuning: Tuning, draws: np.ndarray, statistics: np.ndarray, target_accept: float
) -> None:
    """Run len(draws) transitions, leaving step size and inverse metric in ``tuning`` (updated as it goes).

    Fills draws (n, dim) and statistics (n,). When stopped, ``tuning.done`` is below n.
    """
    gradient_seconds = np.inf

    def energy_loss(step_size: float) -> float:
        nonlocal gradient_seconds
        started = time.perf_counter()
        loss = chain.energy_loss(step_size)
        gradient_seconds = min(gradient_seconds, time.perf_counter() - started)
        return loss

    chain.set_metric(tuning.inverse_metric)
    averaging = DualAveraging(reasonable_step_size(energy_loss, tuning.step_size), target_accept)
    tuning.step_size = averaging.step_size

    transition = chain.transitions(draws, statistics)
    acceptance_rate, n_steps = statistics["acceptance_rate"], statistics["n_steps"]
    short = False

    plan = windows(len(draws))
    begin = 0
    for end in (plan.start, *plan.ends, len(draws)):
        for i in range(begin, end):
            if not transition(i, tuning.step_size, short):
                return
            tuning.step_size = averaging.update(float(acceptance_rate[i]))
            tuning.done = i + 1
            short = gradient_seconds * n_steps[i] < SHORT_TRANSITION
        if end in plan.ends:
            tuning.inverse_metric = metric.diagonal(draws[begin:end], tuning.inverse_metric)
            chain.set_metric(tuning.inverse_metric)
            averaging.restart(reasonable_step_size(energy_loss, averaging.final()))
            tuning.step_size = averaging.step_size
        begin = end
    tuning.step_size = averaging.final()
