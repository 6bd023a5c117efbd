"""What went wrong in a run of chains, in which variables, and what to try next; and the same as numbers.

The idea worth knowing: ranks do not change under increasing functions, so all of this is looked at over R^n, where the
samplers walk, and speaks of the variables that the user knows.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from probgraph.progress import counted
from probgraph.samplers.effective import effective_sizes
from probgraph.samplers.interruption import warn_and_keep
from probgraph.samplers.trace import Trace

#: A run is called good where R-hat is at most this,
LARGEST_RHAT = 1.01
#: the effective draws of each chain are at least this many, on average,
FEWEST_EFFECTIVE = 100
#: the energy's Bayesian fraction of missing information is at least this,
SMALLEST_EBFMI = 0.3
#: and at most this part of the trajectories was cut short.
DEEP = 0.05
#: Chains shorter than this are not compared: too much is chance.
FEWEST_DRAWS = 100
#: coordinates that are ranked at a time, which bounds the memory
CHUNK = 256


@dataclass(frozen=True)
class Coordinates:
    """A variable's place among the coordinates over R^n: [start, stop), of this shape; `circular` ones are angles, which come
    back to where they were by whole turns."""

    name: str
    start: int
    stop: int
    shape: tuple[int, ...]
    circular: bool = False

    def element(self, coordinate: int) -> str:
        """The name of one coordinate, such as ``theta[2]``."""
        if not self.shape:
            return self.name
        place = np.unravel_index(coordinate - self.start, self.shape)
        return f"{self.name}[{', '.join(map(str, map(int, place)))}]"


@dataclass(frozen=True)
class Diagnosis:
    """What is known of a run: `numbers` for programs, `problems` for people, each a name and what it means."""

    numbers: dict[str, Any]
    problems: dict[str, str]

    @property
    def text(self) -> str:
        """All problems in one block; empty where there are none."""
        if len(self.problems) == 1:
            return next(iter(self.problems.values()))
        return "\n".join(f"- {text}" for text in self.problems.values())

    def attributes(self) -> dict[str, Any]:
        """What goes on the results: the numbers, and the names of the problems, joined by commas ("" if there are none)."""
        return {**self.numbers, "problems": ", ".join(self.problems)}

    def warn(self, stacklevel: int = 2) -> None:
        """One warning with the whole block; none where there is nothing to say."""
        if self.problems:
            begin = "" if len(self.problems) == 1 else "Of these draws there is to say:\n"
            # Of a run that was interrupted there is no second one: nothing may cost its draws.
            warn = warn_and_keep if "interrupted" in self.problems else warnings.warn
            warn(begin + self.text, stacklevel=stacklevel + 1)


def diagnose(
    trace: Trace,
    variables: Sequence[Coordinates],
    max_treedepth: int,
    target_accept: float,
    halved: bool = False,
) -> Diagnosis:
    """Looks at divergences, tree depths, energies, R-hat and effective sizes of a run; `halved` says that its steps were halved
    where they had to be (WALNUTS).

    R-hat and effective sizes are left out for chains shorter than 100 draws, R-hat also for a single chain. Vehtari,
    Gelman, Simpson, Carpenter & Bürkner (2021); for energies Betancourt, "Diagnosing suboptimal cotangent disintegrations"
    (2016).
    """
    numbers: dict[str, Any] = {}
    problems: dict[str, str] = {}
    chains, count, _ = trace.draws.shape
    total = chains * count
    if trace.interrupted:
        problems["interrupted"] = (
            f"Sampling was interrupted; what is returned is {counted(len(trace.chains), 'chain')} with"
            f" {counted(count, 'draw')} each."
        )
    divergences = numbers["divergences"] = int(trace.stats["diverging"].sum())
    if divergences:
        walnuts = " with a smaller max_error," if halved else " or step='walnuts',"
        were = "was" if divergences == 1 else "were"
        problems["divergences"] = (
            f"There {were} {counted(divergences, 'divergence')} among {counted(total, 'draw')} after tuning"
            f"{_where_they_start(trace, variables)}: the sampler could not follow the posterior everywhere, and the result may"
            f" be biased. Increase target_accept (try {1 - (1 - target_accept) / 2:.3g}),{walnuts} or"
            " reparameterise, e.g. write x = mu + sigma * z with z standard normal."
        )
    deep = numbers["reached_max_treedepth"] = int(trace.stats["reached_max_treedepth"].sum())
    if deep > DEEP * total:
        problems["tree depth"] = (
            f"{deep:,} of {counted(total, 'draw')} reached max_treedepth={max_treedepth}: they are less independent than"
            " they could be. Increase max_treedepth, or standardise predictors and parameters."
        )
    if count >= FEWEST_DRAWS:
        _energies(trace, variables, numbers, problems)
        _agreement(trace, variables, numbers, problems)
    return Diagnosis(numbers, problems)


def _energies(
    trace: Trace, variables: Sequence[Coordinates], numbers: dict[str, Any], problems: dict[str, str]
) -> None:
    energy = trace.stats.get("energy")
    # Between trajectories step methods change the energy, so that it says nothing of how those explore it.
    if energy is None or trace.acceptance:
        return
    with np.errstate(divide="ignore", invalid="ignore"):
        each = np.mean(np.diff(energy, axis=1) ** 2, axis=1) / np.var(energy, axis=1)
    if not np.isfinite(each).any():
        return
    lowest = numbers["min_ebfmi"] = float(np.nanmin(each))
    if lowest >= SMALLEST_EBFMI:
        return
    low = int((each < SMALLEST_EBFMI).sum())
    tied = _most_tied(trace.draws, energy)
    problems["energy"] = (
        f"E-BFMI is {lowest:.3g}, below {SMALLEST_EBFMI}, in {counted(low, 'chain')}: energies are explored slowly, so that"
        f" tails may be missed{f'; they go most with {_named(variables, tied)}' if tied is not None else ''}. Reparameterise"
        " (x = mu + sigma * z with z standard normal), or give scales a prior with lighter tails, and tune longer."
    )


def _most_tied(draws: np.ndarray, energy: np.ndarray) -> int | None:
    """The coordinate that is most correlated with the energy."""
    x = draws.reshape(-1, draws.shape[-1])
    x, e = x - x.mean(axis=0), energy.ravel() - energy.mean()
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = np.abs(e @ x) / np.sqrt((e @ e) * np.einsum("ij,ij->j", x, x))
    return int(np.nanargmax(correlation)) if np.isfinite(correlation).any() else None


def _agreement(
    trace: Trace, variables: Sequence[Coordinates], numbers: dict[str, Any], problems: dict[str, str]
) -> None:
    chains = trace.draws.shape[0]
    measures = convergence(_without_turns(trace.draws, variables))
    if chains > 1:
        rhat = measures.rhat
        if np.isfinite(rhat).any():
            worst = int(np.nanargmax(rhat))
            numbers["max_rhat"] = float(rhat[worst])
            numbers["max_rhat_variable"] = _named(variables, worst)
        # nan is a coordinate that never moved; inf one that stood still in each chain, in different places
        bad = np.flatnonzero(~(rhat <= LARGEST_RHAT))
        if bad.size:
            problems["rhat"] = (
                f"R-hat is above {LARGEST_RHAT} for {_list(variables, bad, -_large(rhat), rhat, '.3g')}: the chains do not"
                " agree yet. Draw longer (tune=, draws=); if that does not help look at plot_trace for chains that sit apart,"
                " which means several modes, or parameters that the data cannot tell apart."
            )
    bulk, tail = measures.bulk, measures.tail
    for kind, values in (("bulk", bulk), ("tail", tail)):
        if np.isfinite(values).any():
            worst = int(np.nanargmin(values))
            numbers[f"min_ess_{kind}"] = float(values[worst])
            numbers[f"min_ess_{kind}_variable"] = _named(variables, worst)
    least = np.fmin(bulk, tail)
    few = np.flatnonzero(least < FEWEST_EFFECTIVE * chains)
    if few.size:
        needed = FEWEST_EFFECTIVE * chains
        times = needed / least[few].min()
        problems["ess"] = (
            f"There are fewer than {needed} effective draws ({FEWEST_EFFECTIVE} a chain) for"
            f" {_list(variables, few, least, least, '.0f')}: quantiles and their errors cannot be trusted. Draw about"
            f" {times:.1f} times as many (draws={int(np.ceil(times * trace.thin * trace.draws.shape[1] / 100)) * 100}), or reparameterise."
        )


def _without_turns(draws: np.ndarray, variables: Sequence[Coordinates]) -> np.ndarray:
    """Draws with angles from -π to π: over R^n they wander by whole turns, which mean nothing."""
    angles = [v for v in variables if v.circular]
    if not angles:
        return draws
    draws = draws.copy()
    for v in angles:
        part = draws[..., v.start : v.stop]
        part[...] = np.remainder(part + np.pi, 2 * np.pi) - np.pi
    return draws


def _large(values: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(values), np.inf, values)


@dataclass(frozen=True)
class Convergence:
    """R-hat, and effective sizes for the bulk and the tails, of each coordinate."""

    rhat: np.ndarray
    bulk: np.ndarray
    tail: np.ndarray


def convergence(draws: np.ndarray) -> Convergence:
    """Rank-normalised split R-hat, bulk and tail effective sizes of draws (chains, n, dim); nan where nothing moved.

    Vehtari, Gelman, Simpson, Carpenter & Bürkner, "Rank-normalization, folding, and localization: an improved R-hat"
    (2021), sections 3 and 4; the tails are the quantiles at 5 % and 95 %.

    >>> found = convergence(np.random.default_rng(0).normal(size=(4, 1000, 1)))
    >>> found.rhat.round(2), found.bulk.round(-3)
    (array([1.]), array([4000.]))
    """
    parts = [
        _convergence(draws[..., start : start + CHUNK]) for start in range(0, draws.shape[-1], CHUNK)
    ] or [(np.empty(0),) * 3]
    return Convergence(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _convergence(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n = draws.shape[1] // 2
    halves = np.concatenate([draws[:, :n], draws[:, -n:]])
    normal = _rank_normalised(halves)
    folded = _rank_normalised(np.abs(halves - np.median(halves, axis=(0, 1))))
    rhat = np.maximum(_rhat(normal), _rhat(folded))
    # effective_sizes splits chains in halves itself, so halves are put together again
    bulk = effective_sizes(np.concatenate([normal[: len(draws)], normal[len(draws) :]], axis=1))
    low, high = np.quantile(draws, [0.05, 0.95], axis=(0, 1))
    tail = np.fmin(effective_sizes((draws <= low) * 1.0), effective_sizes((draws <= high) * 1.0))
    return rhat, bulk, tail


def _rhat(halves: np.ndarray) -> np.ndarray:
    n = halves.shape[1]
    within = halves.var(axis=1, ddof=1).mean(axis=0)
    between = halves.mean(axis=1).var(axis=0, ddof=1)
    within = np.where(within < 1e-20 * between, 0.0, within)  # of a chain that stands still, but for rounding
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sqrt((n - 1) / n + between / within)


def _rank_normalised(draws: np.ndarray) -> np.ndarray:
    """Normal scores of the ranks among all draws (chains, n, dim) of a coordinate, ties at their average."""
    flat = draws.reshape(-1, draws.shape[-1])
    return _by_rank(flat, _scores(len(flat))).reshape(draws.shape)


def _by_rank(flat: np.ndarray, values: np.ndarray) -> np.ndarray:
    """For each of flat (n, dim) what its rank in its column has in ``values`` (2 n - 1,), those of the ranks 1, 1.5, 2 to
    n: ties have the average of their ranks."""
    found = np.empty(flat.shape[::-1])
    for column, place in zip(flat.T, found, strict=True):  # one by one they stay in the processor's cache
        order = np.argsort(column)
        inorder = column[order]
        first = np.append(0, 1 + np.flatnonzero(inorder[1:] != inorder[:-1]))
        after = np.append(first[1:], len(column))
        place[order] = np.repeat(values[first + after - 1], after - first)
    return found.T


@functools.lru_cache(4)
def _scores(n: int) -> np.ndarray:
    """Blom's normal scores of the ranks 1 to n, and between any two of them their mean. The standard library's quantile:
    importing SciPy's takes longer."""
    quantile = NormalDist().inv_cdf
    half = np.array([quantile((rank - 0.375) / (n + 0.25)) for rank in range(1, n // 2 + 1)])
    scores = np.concatenate([half, [0.0] * (n % 2), -half[::-1]])
    return np.interp(np.arange(2 * n - 1) / 2, np.arange(n), scores)


def _where_they_start(trace: Trace, variables: Sequence[Coordinates]) -> str:
    """The one or two coordinates whose values are most unusual where divergent trajectories start; "" if none are."""
    starts = np.zeros(trace.draws.shape[:2], bool)
    starts[:, :-1] = trace.stats["diverging"][:, 1:]
    if starts.sum() < 5:
        return ""
    found = []
    for begin in range(0, trace.draws.shape[-1], CHUNK):
        flat = trace.draws[..., begin : begin + CHUNK].reshape(starts.size, -1)
        level = _by_rank(flat, (np.arange(2 * len(flat) - 1) / 2 + 0.5) / len(flat))
        middle = np.median(level[starts.ravel()], axis=0)
        found.append(middle)
    middle = np.concatenate(found)
    unusual = np.argsort(-np.abs(middle - 0.5), kind="stable")[:2]
    # the median rank of that many independent draws is within this of one half, three standard errors
    chance = max(0.15, 1.5 / np.sqrt(starts.sum()))
    said = [
        f"{_named(variables, k)} {'low' if middle[k] < 0.5 else 'high'} (half of them"
        f" {'below' if middle[k] < 0.5 else 'above'} its {100 * middle[k]:.0f} % quantile)"
        for k in unusual
        if abs(middle[k] - 0.5) > chance
    ]
    return f", most starting with {' and '.join(said)}" if said else ""


def _named(variables: Sequence[Coordinates], coordinate: int) -> str:
    for v in variables:
        if v.start <= coordinate < v.stop:
            return v.element(coordinate)
    return f"coordinate {coordinate}"


def _list(
    variables: Sequence[Coordinates],
    coordinates: np.ndarray,
    order: np.ndarray,
    values: np.ndarray,
    how: str,
    most: int = 4,
) -> str:
    """The worst of them with their values, and how many more."""
    worst = coordinates[np.argsort(order[coordinates], kind="stable")]
    said = ", ".join(f"{_named(variables, int(k))} ({values[k]:{how}})" for k in worst[:most])
    return said + (f" and {len(worst) - most:,} more" if len(worst) > most else "")
