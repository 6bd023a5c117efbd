"""What has changed in a model since draws of it were made, and which variables the draws say nothing of any more.

The idea worth knowing: draws of a variable that depends on data, or on the labels of its dims, are of those data and
labels. Where these have been exchanged such a variable has to be drawn again, and with it all that depends on it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from probgraph.engine.graph import Variable, ancestors
from probgraph.model.model import Model


def changed_data(model: Model, trace: Any) -> list[str]:
    """The names of Data whose values are not those in the trace's constant_data; a trace without has no changes."""
    found = _group(trace, "constant_data")
    if found is None:
        return []
    before = {str(n): np.asarray(v.values) for n, v in found.data_vars.items()}
    now = {d.name or "": np.asarray(d.get_value()) for d in model.data_vars}
    return [n for n, a in now.items() if n in before and not _same(a, before[n])]


def changed_dims(model: Model, trace: Any) -> list[str]:
    """The dims whose labels, or length where they have none, are not those of the trace."""
    groups = [_group(trace, "constant_data"), _group(trace, "posterior")]
    groups += [trace] if hasattr(trace, "data_vars") and not hasattr(trace, "subtree") else []
    before = {
        str(n): np.asarray(c.values)
        for g in groups
        if g is not None
        for n, c in g.coords.items()
        if c.ndim == 1 and n == c.dims[0]
    }
    changed = []
    for dim, length in model.dim_lengths.items():
        if dim not in before:
            continue
        labels, old = model.coords[dim], before[dim]
        if len(old) != length or not (labels is None or _same_labels(labels, old)):
            changed.append(dim)
    return changed


def drawn_again(
    model: Model,
    known: Collection[str],
    data: Sequence[str],
    dims: Sequence[str],
    named: Collection[str],
    kept: Collection[str],
) -> dict[str, list[str]]:
    """The free variables of `known` draws that have to be drawn again, each with what it depends on that changed.

    That is `data` and `dims`, or is drawn again itself, as those `named` are. Those `kept` are never drawn again, nor what
    depends on changes through them alone.
    """
    sources: dict[Variable, str] = {d: d.name or "" for d in model.data_vars if d.name in set(data)}
    found: dict[str, list[str]] = {}
    for f in (*model.free,):  # parents come first
        if f.name in kept:
            continue
        behind = ancestors(list(f.variable.distribution.parameters.values()))
        why = [sources[v] for v in behind if v in sources]
        why += [d for d in model.named_vars_to_dims.get(f.name, ()) if d in set(dims)]
        if f.name in named:
            sources[f.variable] = f.name
        elif why and f.name in known:
            sources[f.variable] = f.name
            found[f.name] = list(dict.fromkeys(why))
    return found


def told(again: Mapping[str, Sequence[str]]) -> str:
    """The notice of what is drawn again."""
    each = "; ".join(f"{name}, which depends on {', '.join(why)}" for name, why in again.items())
    return f"Drawn again, not taken from the trace, because of changes: {each}. freeze_vars= keeps them"


def _group(trace: Any, name: str) -> Any:
    """A group of ArviZ's object; None where there is none."""
    if hasattr(trace, "subtree"):  # ArviZ 1
        return trace[name].to_dataset() if name in trace.children else None
    if callable(getattr(trace, "groups", None)):
        return trace[name] if name in trace.groups() else None
    return None


def _same_labels(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether labels are alike, be it in other units of time, or as the text that they are in a file."""
    return np.array_equal(a, b) or list(map(str, a)) == list(map(str, b))


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    if a.shape != b.shape:
        return False
    return bool(np.allclose(a, b, rtol=1e-6, atol=1e-300, equal_nan=True))  # a trace in float32 is no change
