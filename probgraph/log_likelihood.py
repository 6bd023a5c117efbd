"""The pointwise log likelihood of draws that are already there, for `az.loo` and `az.compare`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from probgraph.inference_data import build
from probgraph.model.model import Model, the_model
from probgraph.posterior import likelihood_terms, pointwise_rows


def compute_log_likelihood(
    idata: Any,
    *,
    var_names: str | Sequence[str] | None = None,
    extend_inferencedata: bool = True,
    model: Model | None = None,
) -> Any:
    """The log likelihood of each observation at each draw of `idata.posterior`, under the model's present data.

    Adds the group `log_likelihood` to `idata`, with an array (chain, draw, \\*shape) for each observed variable
    (or those of `var_names`), and returns `idata`; without `extend_inferencedata` returns the group's dataset.

    Raises KeyError where the posterior lacks a free variable of the model, or a name is not observed.

    >>> with model:
    ...     idata = compute_log_likelihood(idata)
    """
    model = the_model(model, "compute_log_likelihood()")
    terms = likelihood_terms(
        model, True if var_names is None else [var_names] if isinstance(var_names, str) else var_names
    )
    layout, rows = pointwise_rows(model, terms)
    posterior = idata["posterior"]
    parts = []
    for slot in layout.slots:
        if slot.name not in posterior:
            raise KeyError(f"the posterior has no {slot.name!r}, a free variable of the model")
        values = np.asarray(posterior[slot.name].values, dtype="float64")
        if values.shape[2:] != slot.shape:
            raise ValueError(
                f"{slot.name} has shape {values.shape[2:]} in the posterior and {slot.shape} in the model"
            )
        parts.append(values.reshape(*values.shape[:2], -1))
    draws = np.concatenate(parts, axis=2)
    chains, count, dim = draws.shape
    columns = rows(draws.reshape(chains * count, dim))
    arrays = {name: c.reshape(chains, count, *c.shape[1:]) for name, c in zip(terms, columns, strict=True)}
    coords: dict[str, Any] = {**model.coords, "chain": posterior["chain"].values}
    group = build({"log_likelihood": arrays}, model.named_vars_to_dims, coords)
    if not extend_inferencedata:
        return group["log_likelihood"]
    if hasattr(idata, "extend"):  # ArviZ before 1
        if "log_likelihood" in idata.groups():
            del idata.log_likelihood
        idata.extend(group)
    else:
        idata["log_likelihood"] = group["log_likelihood"]
    return idata
