"""ArviZ's functions under PyMC's addresses, as in ``pg.summary``: found in the installed ArviZ when first asked for."""

from __future__ import annotations

from typing import Any

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
