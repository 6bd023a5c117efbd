"""The workloads: one file each, with the data and the model in every library's language."""

from __future__ import annotations

import re

from benchmarks.workload import Workload
from benchmarks.workloads import (
    autoregression,
    diamonds,
    eight_schools,
    garch,
    gaussian_process,
    hidden_markov,
    item_response,
    logistic_regression,
    multivariate_normal,
    poisson,
    radon,
    scalar_terms,
    softmax_regression,
)

MODULES = (
    eight_schools,
    logistic_regression,
    diamonds,
    radon,
    poisson,
    item_response,
    gaussian_process,
    garch,
    autoregression,
    hidden_markov,
    multivariate_normal,
    scalar_terms,
    softmax_regression,
)
WORKLOADS: dict[str, Workload] = {w.name: w for module in MODULES for w in module.WORKLOADS}


def by_name(name: str) -> Workload:
    """A workload by its name; `scalar_terms_N` has N terms.

    Raises KeyError where there is none of that name.
    """
    if name not in WORKLOADS and (found := re.fullmatch(r"scalar_terms_(\d+)", name)):
        return scalar_terms.workload(int(found[1]))
    if name not in WORKLOADS:
        raise KeyError(f"there is no workload {name!r}; those are {', '.join(WORKLOADS)}")
    return WORKLOADS[name]
