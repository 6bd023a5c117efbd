"""Effective sample sizes of any library's draws, by one function of ArviZ's for all."""

from __future__ import annotations

from typing import Any

import arviz as az
import numpy as np
import xarray as xr

from benchmarks.libraries import Draws


def summary(draws: Draws) -> dict[str, Any]:
    """The smallest bulk and tail sizes over all elements of all free variables, and what the draws cost."""
    arrays = {
        name: (("chain", "draw", *(f"{name}_{axis}" for axis in range(np.ndim(values) - 2))), values)
        for name, values in draws.variables.items()
    }
    dataset = xr.Dataset({name: (dims, np.asarray(values, float)) for name, (dims, values) in arrays.items()})
    sizes = {
        method: min(float(v.min()) for v in az.ess(dataset, method=method).data_vars.values())
        for method in ("bulk", "tail")
    }
    rhat = max(float(v.max()) for v in az.rhat(dataset).data_vars.values())
    return {
        "ess_bulk": sizes["bulk"],
        "ess_tail": sizes["tail"],
        "rhat": rhat,
        "gradients": draws.gradients,
        "gradients_tuning": draws.gradients_tuning,
        "divergences": draws.divergences,
    }


def mean(summaries: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over runs with different seeds; of R-hat the largest."""
    means = {
        key: None if value is None else float(np.mean([summary[key] for summary in summaries]))
        for key, value in summaries[0].items()
    }
    return means | {"rhat": max(summary["rhat"] for summary in summaries)}
