"""Cross-validation of more observations than fit into memory, some of them at a time: leave-one-out as ArviZ has it,
and the information criterion that comes near it."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import Any

import numpy as np

from probgraph.inference_data import build
from probgraph.progress import Bar
from probgraph.results import posterior_draws
from probgraph.samplers.effective import effective_sizes

#: numbers of the log likelihood that are read at a time
CHUNK = 2**22


@dataclass(frozen=True, eq=False)
class Loo:
    """The expected log predictive density, its standard error, the effective number of parameters; and for each
    observation its part `elpd_i` and `pareto_k`, above `good_k` where it is not to be trusted."""

    elpd: float
    se: float
    p: float
    n_samples: int
    n_data_points: int
    elpd_i: np.ndarray
    pareto_k: np.ndarray
    good_k: float

    @property
    def warning(self) -> bool:
        """Whether there are observations for which it is not to be trusted."""
        return bool((self.pareto_k > self.good_k).any())


def loo_in_chunks(idata: Any, var_name: str | None = None, progressbar: bool = True) -> Loo:
    """`az.loo` of the group `log_likelihood`, of which a part is read at a time, as from `compute_log_likelihood(store=)`.

    `var_name` says of which observed variable; not needed where there is one. Vehtari, Gelman & Gabry, "Practical
    Bayesian model evaluation using leave-one-out cross-validation and WAIC" (2017).

    Raises ValueError where there is no log likelihood, KeyError where it has no such variable.

    >>> with model:
    ...     idata = compute_log_likelihood(idata)
    >>> loo_in_chunks(idata, progressbar=False).n_data_points
    1
    """
    import arviz as az  # late: it takes longer than sampling a small model

    who = "loo_in_chunks"
    name, values = _log_likelihood(who, idata, var_name)
    chains, draws, count = values.shape
    efficiency = _relative_efficiency(who, idata)
    step = max(1, CHUNK // (chains * draws))
    parts = []
    with Bar(who, count, progressbar) as bar:
        for start in range(0, count, step):
            part = np.array(values[..., start : start + step], dtype="float64", order="C")
            parts.append(
                az.loo(
                    build({"log_likelihood": {name: part}}), pointwise=True, var_name=name, reff=efficiency
                )
            )
            _forget(values)
            bar.update(min(start + step, count))
    new = hasattr(parts[0], "elpd_i")  # ArviZ 1
    each = np.concatenate([np.ravel(one.elpd_i if new else one.loo_i) for one in parts])
    return Loo(
        float(each.sum()),
        float(np.sqrt(count * np.var(each, ddof=int(new and count > 1)))),  # as that ArviZ has it
        float(sum(one.p if new else one.p_loo for one in parts)),
        chains * draws,
        count,
        each,
        np.concatenate([np.ravel(one.pareto_k) for one in parts]),
        float(parts[0].good_k),
    )


@dataclass(frozen=True, eq=False)
class Waic:
    """The expected log predictive density, its standard error, the effective number of parameters; and for each
    observation its part `elpd_i` and `p_i`, above 0.4 where it is not to be trusted."""

    elpd: float
    se: float
    p: float
    n_samples: int
    n_data_points: int
    elpd_i: np.ndarray
    p_i: np.ndarray

    @property
    def warning(self) -> bool:
        """Whether there are observations for which it is not to be trusted: better ask `loo_in_chunks`."""
        return bool((self.p_i > 0.4).any())


def waic_in_chunks(idata: Any, var_name: str | None = None, progressbar: bool = True) -> Waic:
    """The widely applicable information criterion from the group `log_likelihood`, of which a part is read at a time.

    On the scale of `elpd`, as ArviZ before 1 has it; ArviZ 1 has none. Watanabe (JMLR 2010). Arguments and errors are those
    of `loo_in_chunks`, which is to be preferred.

    >>> with model:
    ...     idata = compute_log_likelihood(idata)
    >>> waic_in_chunks(idata, progressbar=False).n_data_points
    1
    """
    who = "waic_in_chunks"
    _, values = _log_likelihood(who, idata, var_name)
    chains, draws, count = values.shape
    density, spread = np.empty(count), np.empty(count)
    step = max(1, CHUNK // (chains * draws))
    with Bar(who, count, progressbar) as bar:
        for start in range(0, count, step):
            part = np.array(values[..., start : start + step], dtype="float64").reshape(chains * draws, -1)
            here = slice(start, start + step)
            density[here] = np.logaddexp.reduce(part, axis=0) - np.log(len(part))
            spread[here] = part.var(axis=0)
            _forget(values)
            bar.update(min(start + step, count))
    each = density - spread
    error = float(np.sqrt(count * np.var(each)))
    return Waic(float(each.sum()), error, float(spread.sum()), chains * draws, count, each, spread)


def _log_likelihood(who: str, idata: Any, var_name: str | None) -> tuple[str, np.ndarray]:
    """The name of an observed variable, and its log likelihood (chain, draw, observation): in a file, where it is."""
    groups = list(idata.children) if hasattr(idata, "subtree") else list(idata.groups())
    if "log_likelihood" not in groups:
        raise ValueError(
            f"{who}: the result has no group 'log_likelihood'; compute_log_likelihood(idata) adds it"
        )
    group = idata["log_likelihood"]
    names = [str(n) for n in group.data_vars]
    if var_name is None and len(names) > 1:
        raise ValueError(f"{who}: there are several observed variables, {', '.join(names)}; give var_name=")
    name = names[0] if var_name is None else var_name
    if name not in names:
        raise KeyError(f"{who}: {name!r} has no log likelihood; those that have are {', '.join(names)}")
    values = group[name].values
    return name, values.reshape(*values.shape[:2], -1)


def _forget(values: np.ndarray) -> None:
    """What was read of a file does not stay in memory: it is not read again, and would grow to the whole of it."""
    base: Any = values
    while base is not None and not isinstance(base, mmap.mmap):
        base = getattr(base, "base", None)
    if base is not None and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)


def _relative_efficiency(who: str, idata: Any) -> float:
    """Effective draws by draws, on average over the posterior."""
    arrays, _ = posterior_draws(who, idata)
    sizes = [effective_sizes(np.asarray(a, float).reshape(*a.shape[:2], -1)) for a in arrays.values()]
    chains, draws = next(iter(arrays.values())).shape[:2]
    found = float(np.nanmean(np.concatenate(sizes))) / (chains * draws) if chains > 1 else 1.0
    return found if np.isfinite(found) else 1.0
