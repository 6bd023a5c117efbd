"""Log densities of draws that are already there: of each observation, for `az.loo`, and of the priors; and what is
computed from draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from probgraph.engine.graph import Variable
from probgraph.inference_data import build
from probgraph.model.model import Model, the_model
from probgraph.posterior import likelihood_terms, pointwise_rows
from probgraph.progress import Bar
from probgraph.results import extend, posterior_dataset, posterior_draws

#: numbers worked out at a time
CHUNK = 2**24


def compute_log_likelihood(
    idata: Any,
    *,
    var_names: str | Sequence[str] | None = None,
    extend_inferencedata: bool = True,
    model: Model | None = None,
    sample_dims: Sequence[str] = ("chain", "draw"),
    progressbar: bool = True,
) -> Any:
    """The log likelihood of each observation at each draw of `idata.posterior`, under the model's present data.

    Adds the group `log_likelihood` to `idata`, with an array (chain, draw, \\*shape) for each observed variable
    (or those of `var_names`), and returns `idata`; without `extend_inferencedata` returns the group's dataset.

    Raises KeyError where the posterior lacks a free variable of the model, or a name is not observed.

    >>> with model:
    ...     idata = compute_log_likelihood(idata)
    """
    who = "compute_log_likelihood"
    model = the_model(model, f"{who}()")
    terms = likelihood_terms(
        model, True if var_names is None else [var_names] if isinstance(var_names, str) else var_names
    )
    return _added(who, "log_likelihood", model, idata, terms, sample_dims, progressbar, extend_inferencedata)


def compute_log_prior(
    idata: Any,
    var_names: str | Sequence[str] | None = None,
    extend_inferencedata: bool = True,
    model: Model | None = None,
    sample_dims: Sequence[str] = ("chain", "draw"),
    progressbar: bool = True,
) -> Any:
    """The log density of each free variable under its prior, at each draw of `idata.posterior`.

    Adds the group `log_prior`, with an array (chain, draw, \\*batch) for each free variable (or those of `var_names`);
    without `extend_inferencedata` returns the group's dataset. Potentials are no part of it.

    >>> with model:
    ...     idata = compute_log_prior(idata)
    """
    who = "compute_log_prior"
    model = the_model(model, f"{who}()")
    free = [f.name for f in model.free]
    names = free if var_names is None else [var_names] if isinstance(var_names, str) else list(var_names)
    for name in names:
        if name not in free:
            raise KeyError(f"{who}: {name!r} is no free variable; those are {', '.join(free)}")
    terms = model.terms()
    return _added(
        who,
        "log_prior",
        model,
        idata,
        {n: terms[n] for n in names},
        sample_dims,
        progressbar,
        extend_inferencedata,
    )


def compute_deterministics(
    dataset: Any,
    *,
    var_names: str | Sequence[str] | None = None,
    model: Model | None = None,
    sample_dims: Sequence[str] = ("chain", "draw"),
    merge_dataset: bool = False,
    progressbar: bool = True,
) -> Any:
    """The model's Deterministics at each draw of a posterior: for those that were not kept, or came later.

    Returns a dataset; with `merge_dataset` that of the posterior with them in addition.

    >>> with model:
    ...     more = compute_deterministics(idata.posterior)
    """
    who = "compute_deterministics"
    model = the_model(model, f"{who}()")
    known = {d.name or "": d for d in model.deterministics}
    names = (
        list(known) if var_names is None else [var_names] if isinstance(var_names, str) else list(var_names)
    )
    for name in names:
        if name not in known:
            raise KeyError(f"{who}: {name!r} is no Deterministic; those are {', '.join(known) or 'none'}")
    if not names:
        raise ValueError(f"{who}: the model has no Deterministics")
    terms = {n: known[n] for n in names}
    group = _group(who, "posterior", model, dataset, terms, sample_dims, progressbar)["posterior"]
    group = group.to_dataset() if hasattr(group, "subtree") else group
    return posterior_dataset(who, dataset).assign(group.data_vars) if merge_dataset else group


def _added(
    who: str,
    group: str,
    model: Model,
    idata: Any,
    terms: Mapping[str, Variable],
    sample_dims: Sequence[str],
    progressbar: bool,
    extended: bool,
) -> Any:
    made = _group(who, group, model, idata, terms, sample_dims, progressbar)
    if extended:
        return extend(idata, made)
    return made[group].to_dataset() if hasattr(made, "subtree") else made[group]


def _group(
    who: str,
    group: str,
    model: Model,
    trace: Any,
    terms: Mapping[str, Variable],
    sample_dims: Sequence[str],
    progressbar: bool,
) -> Any:
    """Graphs of the free variables at each draw, as a group of that name."""
    layout, rows = pointwise_rows(model, terms)
    draws, chains = posterior_draws(who, trace, sample_dims)
    parts = []
    for slot in layout.slots:
        if slot.name not in draws:
            raise KeyError(f"{who}: the posterior has no {slot.name!r}, a free variable of the model")
        values = np.asarray(draws[slot.name], dtype="float64")
        if values.shape[2:] != slot.shape:
            raise ValueError(
                f"{who}: {slot.name} has shape {values.shape[2:]} in the posterior and {slot.shape} in the model"
            )
        parts.append(values.reshape(*values.shape[:2], -1))
    together = np.concatenate(parts, axis=2)
    count = together.shape[0] * together.shape[1]
    flat = together.reshape(count, -1)
    width = sum(int(np.prod([n or 1 for n in v.type.shape])) for v in terms.values())
    step = max(1, CHUNK // max(width, 1))
    columns: list[np.ndarray] = []
    with Bar(who, count, progressbar) as bar:
        for start in range(0, count, step):
            found = rows(flat[start : start + step])
            columns = columns or [np.empty((count, *c.shape[1:]), c.dtype) for c in found]
            for whole, part in zip(columns, found, strict=True):
                whole[start : start + step] = part
            bar.update(min(start + step, count))
    shape = together.shape[:2]
    arrays = {name: c.reshape(*shape, *c.shape[1:]) for name, c in zip(terms, columns, strict=True)}
    dims = {n: d for n, d in model.named_vars_to_dims.items() if n in arrays and len(d) == arrays[n].ndim - 2}
    return build({group: arrays}, dims, {**model.coords, "chain": chains})
