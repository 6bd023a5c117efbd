"""Log densities of draws that are already there: of each observation, for `az.loo`, and of the priors; and what is
computed from draws."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

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
    store: str | os.PathLike[str] | None = None,
    dtype: str = "float64",
) -> Any:
    """The log likelihood of each observation at each draw of `idata.posterior`, under the model's present data.

    Adds the group `log_likelihood` to `idata`, with an array (chain, draw, \\*shape) for each observed variable
    (or those of `var_names`), and returns `idata`; without `extend_inferencedata` returns the group's dataset.

    With `store`, a directory that is made anew, arrays are written to files ``name.npy`` (chain, draw, \\*shape) as they
    are computed, and those of the result are read from there when looked at: more than fits into memory can be kept.
    `dtype` "float32" keeps them in half the room; what is computed is float64 all the same.

    Raises KeyError where the posterior lacks a free variable of the model, or a name is not observed; FileExistsError
    where `store` is there already; ValueError for another `dtype`.

    >>> with model:
    ...     idata = compute_log_likelihood(idata)
    """
    who = "compute_log_likelihood"
    model = the_model(model, f"{who}()")
    if dtype not in ("float64", "float32"):
        raise ValueError(f"{who}: dtype is 'float64' or 'float32', got {dtype!r}")
    terms = likelihood_terms(
        model, True if var_names is None else [var_names] if isinstance(var_names, str) else var_names
    )
    where = Path(store) if store is not None else None
    return _added(
        who,
        "log_likelihood",
        model,
        idata,
        terms,
        sample_dims,
        progressbar,
        extend_inferencedata,
        where,
        dtype,
    )


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
    store: Path | None = None,
    dtype: str = "float64",
) -> Any:
    made = _group(who, group, model, idata, terms, sample_dims, progressbar, store, dtype)
    if extended:
        return extend(idata, made)
    return made[group].to_dataset() if hasattr(made, "subtree") else made[group]


class Kept:
    """Arrays that come by rows, of all draws of all chains: in memory, or each in a file of a directory made anew."""

    def __init__(self, names: Iterable[str], shape: tuple[int, int], store: Path | None) -> None:
        self.names = list(names)
        self.shape = shape
        self.store = store
        self._whole: list[np.ndarray] = []
        self._files: list[IO[bytes]] = []

    def __enter__(self) -> Kept:
        if self.store is not None:
            self.store.mkdir(parents=True)
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()

    def add(self, start: int, parts: Sequence[np.ndarray]) -> None:
        """The next rows, which begin at `start`."""
        if self.store is None:
            count = int(np.prod(self.shape))
            self._whole = self._whole or [np.empty((count, *p.shape[1:]), p.dtype) for p in parts]
            for whole, part in zip(self._whole, parts, strict=True):
                whole[start : start + len(part)] = part
            return
        if not self._files:
            for name, part in zip(self.names, parts, strict=True):
                file = open(self._place(name), "wb")  # noqa: SIM115  closed at the end of all rows
                self._files.append(file)
                header = {
                    "descr": np.lib.format.dtype_to_descr(part.dtype),
                    "fortran_order": False,
                    "shape": (*self.shape, *part.shape[1:]),
                }
                np.lib.format.write_array_header_1_0(file, header)
        for file, part in zip(self._files, parts, strict=True):
            file.write(np.ascontiguousarray(part).data)

    def arrays(self) -> dict[str, np.ndarray]:
        """All of them by name, (chain, draw, *shape)."""
        if self.store is None:
            return {
                n: w.reshape(*self.shape, *w.shape[1:]) for n, w in zip(self.names, self._whole, strict=True)
            }
        return {n: np.load(self._place(n), mmap_mode="r") for n in self.names}

    def _place(self, name: str) -> Path:
        assert self.store is not None
        return self.store / f"{quote(name, safe=' ')}.npy"


def _group(
    who: str,
    group: str,
    model: Model,
    trace: Any,
    terms: Mapping[str, Variable],
    sample_dims: Sequence[str],
    progressbar: bool,
    store: Path | None = None,
    dtype: str = "float64",
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
    shape = together.shape[:2]
    kept = Kept(terms, shape, store)
    with kept, Bar(who, count, progressbar) as bar:
        for start in range(0, count, step):
            kept.add(start, [part.astype(dtype, copy=False) for part in rows(flat[start : start + step])])
            bar.update(min(start + step, count))
    arrays = kept.arrays()
    dims = {n: d for n, d in model.named_vars_to_dims.items() if n in arrays and len(d) == arrays[n].ndim - 2}
    return build({group: arrays}, dims, {**model.coords, "chain": chains})
