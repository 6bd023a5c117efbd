"""Results that are there already: their posterior draws as arrays, and groups added to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def posterior_draws(
    who: str, trace: Any, sample_dims: Sequence[str] | None = None
) -> tuple[dict[str, np.ndarray], Any]:
    """Arrays (chain, draw, \\*shape) by name, and the labels of the chains.

    `trace` is ArviZ's object, a dataset, or a mapping of arrays; KeyError where it has no posterior.
    """
    dims = tuple(sample_dims or ("chain", "draw"))
    dataset = posterior_dataset(who, trace)
    if isinstance(dataset, Mapping) and not hasattr(dataset, "data_vars"):
        arrays = {name: np.asarray(values) for name, values in dataset.items()}
        for name, values in arrays.items():
            if values.ndim < 2:
                raise ValueError(
                    f"{who}: {name} has shape {values.shape}; arrays of draws are (chain, draw, *shape)"
                )
        if not arrays:
            raise ValueError(f"{who}: the trace is empty")
        return arrays, np.arange(next(iter(arrays.values())).shape[0])
    if len(dims) == 1:
        dataset = dataset.expand_dims({"__one__": 1})
        dims = ("__one__", *dims)
    arrays = {}
    for name, values in dataset.data_vars.items():
        rest = [d for d in values.dims if d not in dims]
        if set(dims) - {"__one__"} <= set(values.dims):
            arrays[str(name)] = values.transpose(*dims, *rest).values
    if not arrays:
        shown = ", ".join(repr(d) for d in dims if d != "__one__")
        raise ValueError(f"{who}: no variable of the trace has the dims {shown}")
    return arrays, dataset[dims[0]].values if dims[0] in dataset.coords else None


def posterior_dataset(who: str, trace: Any) -> Any:
    """The posterior of ArviZ's object; what is a dataset or a mapping of arrays itself."""
    if hasattr(trace, "subtree"):  # ArviZ 1
        names = list(trace.children)
        found = trace["posterior"] if "posterior" in names else trace if len(trace.data_vars) else None
        found = None if found is None else found.to_dataset()
        names = names or ["posterior"]
    elif callable(getattr(trace, "groups", None)):
        names = list(trace.groups())
        found = trace["posterior"] if "posterior" in names else None
    elif hasattr(trace, "data_vars") or isinstance(trace, Mapping):
        return trace
    else:
        names, found = [], trace
    if found is None:
        raise KeyError(f"{who}: the trace has no group 'posterior'; it has {', '.join(names) or 'none'}")
    if names:
        return found
    raise TypeError(
        f"{who}: the trace is a {type(trace).__name__}; it must be what sample() returned, a dataset, or a dict of arrays"
        " (chain, draw, *shape)"
    )


def extend(idata: Any, groups: Any) -> Any:
    """`idata` with groups in addition; those that it has already are replaced."""
    if hasattr(idata, "extend"):  # ArviZ before 1
        for name in groups.groups():
            if name in idata.groups():
                delattr(idata, name)
        idata.extend(groups)
        return idata
    if not hasattr(idata, "subtree"):
        raise TypeError(
            f"extend_inferencedata needs ArviZ's object, what sample() returned; got {type(idata).__name__}"
        )
    for name in groups.children:
        idata[name] = groups[name]
    return idata
