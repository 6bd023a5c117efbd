"""What a run of chains leaves: draws, statistics, and what was learned on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from probgraph.samplers.metric import Metric


@dataclass(frozen=True)
class Trace:
    """Draws of several chains over R^dim, with all arrays in the order of chains.

    ``draws`` (chains, draws, dim); ``stats`` maps each name of `nuts.STATISTICS` to (chains, draws).
    ``step_size`` (chains,) and ``metric``, one for each chain, are those of the draws; ``inverse_metric``
    (chains, dim) is the diagonal of its inverse. ``tuning_draws``
    and ``tuning_stats`` are the same for the warm-up where it was kept, else None. ``chains`` are the
    numbers of the chains that are here: fewer than were started only when ``interrupted``.
    ``seconds_tuning`` and ``seconds_sampling`` (chains,) are each chain's own; ``seconds`` is the whole
    run's. ``gradients`` counts the evaluations of the density after tuning, ``gradients_tuning`` those
    before. Every ``thin``-th draw is here. ``ended_by`` is "target_ess" or "max_time" where that ended the run. ``acceptance`` has the part of their
    proposals that step methods accepted, by name.
    """

    draws: np.ndarray
    stats: dict[str, np.ndarray]
    step_size: np.ndarray
    metric: tuple[Metric, ...]
    chains: np.ndarray
    interrupted: bool
    seconds: float
    seconds_tuning: np.ndarray
    seconds_sampling: np.ndarray
    gradients: int
    gradients_tuning: int
    tuning_draws: np.ndarray | None = None
    tuning_stats: dict[str, np.ndarray] | None = None
    ended_by: str | None = None
    thin: int = 1
    acceptance: dict[str, float] = field(default_factory=dict)

    @property
    def inverse_metric(self) -> np.ndarray:
        return np.stack([metric.variances() for metric in self.metric])


def joined_traces(traces: Sequence[Trace], interrupted: bool = False) -> Trace:
    """The traces of a run whose chains ran apart, as that of the whole; all have the same settings."""
    first = traces[0]

    def by_name(stats: list[dict[str, np.ndarray] | None]) -> dict[str, np.ndarray] | None:
        here = [one for one in stats if one is not None]
        return {name: np.concatenate([one[name] for one in here]) for name in here[0]} if here else None

    stats = by_name([trace.stats for trace in traces])
    tuning = [trace.tuning_draws for trace in traces if trace.tuning_draws is not None]
    assert stats is not None
    return Trace(
        draws=np.concatenate([trace.draws for trace in traces]),
        stats=stats,
        step_size=np.concatenate([trace.step_size for trace in traces]),
        metric=tuple(metric for trace in traces for metric in trace.metric),
        chains=np.concatenate([trace.chains for trace in traces]),
        interrupted=interrupted or any(trace.interrupted for trace in traces),
        seconds=max(trace.seconds for trace in traces),
        seconds_tuning=np.concatenate([trace.seconds_tuning for trace in traces]),
        seconds_sampling=np.concatenate([trace.seconds_sampling for trace in traces]),
        gradients=sum(trace.gradients for trace in traces),
        gradients_tuning=sum(trace.gradients_tuning for trace in traces),
        tuning_draws=np.concatenate(tuning) if tuning else None,
        tuning_stats=by_name([trace.tuning_stats for trace in traces]),
        ended_by=first.ended_by,
        thin=first.thin,
        acceptance={
            name: float(np.mean([trace.acceptance[name] for trace in traces])) for name in first.acceptance
        },
    )


def largest_rectangle(finished: list[int]) -> tuple[list[int], int]:
    """Which chains to keep, and how many draws of each, so that the most draws survive.

    Chains stopped at different draws make a ragged table; of all rectangles in it the largest is kept, of
    equal ones that with more chains.

        >>> largest_rectangle([100, 90, 3])
        ([0, 1], 90)
    """
    longest_first = sorted(range(len(finished)), key=lambda chain: -finished[chain])
    sizes = [(count * finished[chain], count) for count, chain in enumerate(longest_first, start=1)]
    _, count = max(sizes)
    kept = sorted(longest_first[:count])
    return kept, min(finished[chain] for chain in kept)
