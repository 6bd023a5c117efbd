"""ArviZ's functions under PyMC's addresses, as in ``pg.summary``: found in the installed ArviZ when first asked for."""

from __future__ import annotations

from typing import Any

import numpy as np

#: statistics and conversions; plots are whatever begins with plot_
NAMES = (
    "bfmi",
    "compare",
    "concat",
    "ess",
    "eti",
    "extract",
    "from_netcdf",
    "from_zarr",
    "hdi",
    "loo",
    "loo_pit",
    "mcse",
    "psense",
    "psense_summary",
    "r2_score",
    "rhat",
    "summary",
    "waic",
)

#: names of one generation for what the other calls otherwise; a plot's arguments may differ still
OTHER_NAMES = {
    "plot_dist": "plot_posterior",
    "plot_posterior": "plot_dist",
    "plot_ppc": "plot_ppc_dist",
    "plot_ppc_dist": "plot_ppc",
    "plot_trace_dist": "plot_trace",
}


def is_arvizs(name: str) -> bool:
    """Whether a name is looked for in ArviZ."""
    return name in NAMES or name.startswith("plot_")


def pareto_smoothed(log_weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Log weights (n,) of importance sampling, Pareto smoothed and normalised, and the estimate of the Pareto shape k: from
    0.7 on the weights are not to be trusted. Vehtari, Simpson, Gelman, Yao & Gabry (JMLR 2024).
    """
    import arviz  # late: it takes longer than sampling a small model

    if hasattr(arviz, "psislw"):
        smoothed, k = arviz.psislw(log_weights)
    else:
        from arviz_stats.base import array_stats

        smoothed, k = array_stats.psislw(-log_weights)  # it wants the negative logarithms
    return np.asarray(smoothed) - np.logaddexp.reduce(np.asarray(smoothed)), float(k)


def from_arviz(name: str) -> Any:
    """The function of that name in the installed ArviZ, or what that calls it.

    Raises AttributeError where it has none.

    >>> from_arviz("summary").__name__
    'summary'
    """
    import arviz  # late: it takes longer than sampling a small model

    for known in (name, OTHER_NAMES.get(name, name)):
        if hasattr(arviz, known):
            return getattr(arviz, known)
    raise AttributeError(
        f"probgraph has no {name!r}: ArviZ {arviz.__version__}, which is installed, has none"
    )
