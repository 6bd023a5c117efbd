"""From positions over R^n to the user's variables, and those, with all that belongs to them, to ArviZ.

One compiled function maps every draw to the free variables in their own spaces, the Deterministics and, if asked
for, the pointwise log likelihood.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from probgraph.engine.graph import Variable, rebuild
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.types import TensorType
from probgraph.inference_data import build
from probgraph.model.layout import Layout
from probgraph.model.log_density import Rows, compiled_rows
from probgraph.model.model import Model
from probgraph.options import names, options_by_name, values_by_name, whether
from probgraph.samplers.trace import Trace

CHUNK = 2**20
"""Numbers in a chunk of positions whose values are computed at a time."""

IDATA_OPTIONS = ("log_likelihood", "include_transformed", "coords", "dims")


def idata_options(given: Any, legal: Sequence[str] = IDATA_OPTIONS) -> dict[str, Any]:
    """What `idata_kwargs` asks for. TypeError for names or values that are none of the `legal` options'."""
    options = options_by_name("idata_kwargs", given, legal)
    for name in ("coords", "dims"):
        values_by_name(f"idata_kwargs: {name}", options.get(name))
    whether("idata_kwargs: include_transformed", options.get("include_transformed", False))
    likelihood = options.get("log_likelihood")
    if not isinstance(likelihood, bool):
        names("idata_kwargs: log_likelihood", likelihood)
    return options


class Results:
    """What is computed from each draw: compiled once, run over all draws of all chains."""

    def __init__(
        self,
        model: Model,
        layout: Layout,
        var_names: Sequence[str] | None = None,
        log_likelihood: bool | Sequence[str] = False,
        include_transformed: bool = False,
        dtype: str = "float64",
    ) -> None:
        self.dtype = np.dtype(dtype)
        self.model = model
        self.posterior = _chosen(model, var_names)
        self.likelihoods = likelihood_terms(model, log_likelihood)
        self.transformed = (
            [f.value.name or "" for f in model.free if f.transform] if include_transformed else []
        )
        of_names = {f.value.name: f.value for f in model.free}
        variables = [*(model[name] for name in self.posterior), *self.likelihoods.values()]
        outputs = [*model.on_values(variables), *(of_names[name] for name in self.transformed)]
        self.rows: Rows = compiled_rows(layout, outputs)

    def arrays(self, draws: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
        """Draws (chains, draws, dim) as the groups "posterior" and "log_likelihood", by name."""
        chains, count, dim = draws.shape
        columns = self._in_chunks(np.ascontiguousarray(draws).reshape(chains * count, dim))
        arrays = [column.reshape(chains, count, *column.shape[1:]) for column in columns]
        names = [*self.posterior, *self.likelihoods, *self.transformed]
        values = list(zip(names, arrays, strict=True))
        first, second = len(self.posterior), len(self.posterior) + len(self.likelihoods)
        groups = {"posterior": dict(values[:first] + values[second:])}
        if self.likelihoods:
            groups["log_likelihood"] = dict(values[first:second])
        return groups

    def bytes_of_draw(self, q: np.ndarray) -> int:
        """How much is kept of one draw, as that at q (dim,)."""
        groups = self.arrays(q[None, None])
        return sum(array.nbytes for group in groups.values() for array in group.values())

    def refuse_what_does_not_fit(self, q: np.ndarray, options: Mapping[str, Any]) -> None:
        """Raise what ArviZ's object of the draw at q (dim,) raises, as of coords of another length: before there are
        draws that it would cost."""
        dims, coords = _dims_and_coords(self.model, options)
        build(self.arrays(q[None, None]), dims, coords, {})

    def _in_chunks(self, q: np.ndarray) -> list[np.ndarray]:
        """The rows' values, some thousands of rows at a time: what is stored as float32 is never all float64 at once."""
        # A multiple of what vector instructions take at a time, so that chunks change no digit.
        step = max(CHUNK // max(q.shape[1], 1) // 64 * 64, 64)
        if len(q) <= step and self.dtype == np.float64:
            return self.rows(q)
        whole: list[np.ndarray] = []
        for begin in range(0, max(len(q), 1), step):
            for k, part in enumerate(self.rows(q[begin : begin + step])):
                if begin == 0:
                    dtype = self.dtype if part.dtype == np.float64 else part.dtype
                    whole.append(np.empty((len(q), *part.shape[1:]), dtype))
                whole[k][begin : begin + step] = part
        return whole


def _chosen(model: Model, var_names: Sequence[str] | None) -> list[str]:
    known = [v.name or "" for v in model.unobserved_RVs]
    wanted = names("var_names", var_names)
    if wanted is None:
        return known
    for name in wanted:
        if name not in known:
            raise KeyError(
                f"var_names: {name!r} is no free variable or Deterministic; those are {', '.join(known)}"
            )
    return [name for name in known if name in set(wanted)]


def likelihood_terms(model: Model, wanted: bool | Sequence[str] = True) -> dict[str, Variable]:
    """The pointwise log likelihood of each observed variable, of the observed shape; True means of all."""
    if wanted is False or wanted is None:
        return {}
    names = [o.name for o in model.observed]
    if wanted is not True:
        wanted = [wanted] if isinstance(wanted, str) else list(wanted)
        for name in wanted:
            if name not in names:
                raise KeyError(
                    f"log_likelihood: {name!r} is not observed; observed are {', '.join(names) or 'none'}"
                )
        names = [name for name in names if name in set(wanted)]
    if not names:
        raise ValueError("log_likelihood: the model has no observed variables")
    terms = model.terms()
    return {name: terms[name] for name in names}


def to_arviz(
    model: Model,
    results: Results,
    trace: Trace,
    attrs: Mapping[str, Any],
    options: Mapping[str, Any],
) -> Any:
    """The trace as ArviZ's object: posterior, sample_stats, observed_data, constant_data and what was asked for."""
    groups: dict[str, dict[str, np.ndarray]] = results.arrays(trace.draws)
    groups["sample_stats"] = dict(trace.stats)
    if trace.tuning_draws is not None and trace.tuning_stats is not None:
        groups["warmup_posterior"] = results.arrays(trace.tuning_draws)["posterior"]
        groups["warmup_sample_stats"] = dict(trace.tuning_stats)
    groups["observed_data"] = {o.name: o.present_array() for o in model.observed}
    groups["constant_data"] = {d.name or "": d.get_value() for d in model.data_vars}
    dims, coords = _dims_and_coords(model, options)
    if trace.interrupted:
        coords["chain"] = trace.chains
    return build(groups, dims, coords, attrs)


def _dims_and_coords(model: Model, options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    return (
        {**dims_of_results(model), **(options.get("dims") or {})},
        {**model.coords, **(options.get("coords") or {})},
    )


def dims_of_results(model: Model) -> dict[str, tuple[str | None, ...]]:
    """The dims of each variable, and of each value variable of the same shape."""
    dims = dict(model.named_vars_to_dims)
    return dims | {f.value.name or "": dims[f.name] for f in model.free if f.name in dims}


def pointwise_rows(model: Model, terms: Mapping[str, Variable]) -> tuple[Layout, Rows]:
    """`terms` as a function of the free variables in their own spaces, laid out one after another."""
    roots = [Variable(TensorType("float64", v.type.shape), v.name) for v in model.free_RVs]
    own = [
        root if v.dtype == "float64" else ew.cast(root, v.dtype)
        for root, v in zip(roots, model.free_RVs, strict=True)
    ]
    outputs = rebuild(list(terms.values()), dict(zip(model.free_RVs, own, strict=True)))
    layout = Layout(roots)
    return layout, compiled_rows(layout, outputs)
