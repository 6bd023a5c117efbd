"""A model to look at: as a table, as a diagram in Mermaid's or Graphviz's language, as LaTeX and HTML."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from probgraph.distributions.base import Distribution
from probgraph.engine.graph import Variable, graph_inputs


class Pictured(Protocol):
    """What is asked of a model here."""

    free: Sequence[Any]
    marginals: Sequence[Any]
    observed: Sequence[Any]
    deterministics: Sequence[Variable]
    potentials: Sequence[Variable]
    data_vars: Sequence[Any]
    named_vars_to_dims: Mapping[str, tuple[str | None, ...]]

    @property
    def dim_lengths(self) -> Mapping[str, int]: ...


@dataclass
class Box:
    """One variable: its kind, what it is in words, and the names of those it is made from."""

    name: str
    kind: str
    what: str
    shape: tuple[Any, ...]
    dims: tuple[str | None, ...]
    parents: list[str] = field(default_factory=list)
    distribution: Distribution | None = None

    @property
    def plate(self) -> str:
        """The lengths that it is repeated over: its dims, or the lengths of its axes."""
        axes = self.dims or (None,) * len(self.shape)
        return " x ".join(dim if dim else str(n) for dim, n in zip(axes, self.shape, strict=False))


def boxes(model: Pictured) -> list[Box]:
    """The variables of a model, parents first."""
    made: dict[Variable, str] = {}
    for v in (
        *model.data_vars,
        *(f.variable for f in (*model.free, *model.marginals)),
        *(o.variable for o in model.observed),
        *model.deterministics,
        *model.potentials,
    ):
        made[v] = v.name or ""
    found = []

    def add(
        kind: str, v: Variable, what: str, graphs: Sequence[Variable], d: Distribution | None = None
    ) -> None:
        dims = model.named_vars_to_dims.get(v.name or "", ())
        shape = tuple(
            model.dim_lengths[dim] if dim is not None and n is None else n
            for dim, n in zip(dims or (None,) * v.ndim, v.type.shape, strict=False)
        )
        stop = [m for m in made if m is not v]
        parents = [made[r] for r in graph_inputs(graphs, stop=stop) if r in made and r is not v]
        found.append(Box(v.name or "", kind, what, shape, dims, list(dict.fromkeys(parents)), d))

    for v in model.data_vars:
        add("data", v, "Data", [])
    for f in (*model.free, *model.marginals):
        d = f.variable.distribution
        add("free", f.variable, type(d).__name__, list(d.parameters.values()), d)
    for v in model.deterministics:
        add("deterministic", v, "Deterministic", list(v.owner.inputs) if v.owner is not None else [])
    for v in model.potentials:
        add("potential", v, "Potential", list(v.owner.inputs) if v.owner is not None else [])
    for o in model.observed:
        inputs = list(o.distribution.parameters.values())
        add("observed", o.variable, type(o.distribution).__name__, inputs, o.distribution)
    return found


# ------------------------------------------------------------------------------------ tables


_COLUMNS = ("name", "kind", "distribution", "shape", "dims")


def rows(model: Pictured) -> list[tuple[str, str, str, str, str]]:
    """Name, kind, distribution or what else, shape and dims of each variable."""
    return [
        (
            box.name,
            box.kind,
            str(box.distribution) if box.distribution is not None else box.what,
            str(tuple("?" if n is None else n for n in box.shape)).replace("'", ""),
            ", ".join(str(dim) for dim in box.dims),
        )
        for box in boxes(model)
    ]


class Table:
    """The variables of a model, a row each: as text, and in a notebook as a table."""

    def __init__(self, model: Pictured) -> None:
        self.rows = rows(model)

    def __repr__(self) -> str:
        every = [_COLUMNS, *self.rows]
        widths = [max(len(row[k]) for row in every) for k in range(len(_COLUMNS))]
        return "\n".join(
            "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in every
        )

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{c}</th>" for c in _COLUMNS)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>" for row in self.rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


# ------------------------------------------------------------------------------------ diagrams

_MERMAID = {"data": ("[", "]"), "deterministic": ("[", "]"), "potential": ("{{", "}}")}
_SHAPES = {"data": "box", "deterministic": "box", "potential": "octagon"}


def mermaid(model: Pictured) -> str:
    """The model as a Mermaid flowchart: variables that are repeated alike stand together, observed ones are filled."""
    found = boxes(model)
    ids = {box.name: f"n{k}" for k, box in enumerate(found)}
    lines = ["graph TD"]
    for plate in dict.fromkeys(box.plate for box in found):
        inside = [box for box in found if box.plate == plate]
        indent = "    " if plate else "  "
        if plate:
            lines.append(f'  subgraph {ids[inside[0].name]}_plate["{_quoted(plate)}"]')
        for box in inside:
            left, right = _MERMAID.get(box.kind, ("([", "])"))
            label = _quoted(box.name) if box.kind == "data" else f"{_quoted(box.name)} ~ {box.what}"
            lines.append(f'{indent}{ids[box.name]}{left}"{label}"{right}')
        if plate:
            lines.append("  end")
    lines += [f"  {ids[p]} --> {ids[box.name]}" for box in found for p in box.parents]
    lines += [f"  style {ids[box.name]} fill:#ccc" for box in found if box.kind == "observed"]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return text.replace('"', "#quot;")


def dot(model: Pictured) -> str:
    """The model in Graphviz's language, plates as clusters."""
    found = boxes(model)
    lines = ["digraph model {"]
    for k, plate in enumerate(dict.fromkeys(box.plate for box in found)):
        if plate:
            lines.append(
                f"  subgraph cluster_{k} {{ label={_string(plate)}; labeljust=r; labelloc=b; style=rounded;"
            )
        for box in found:
            if box.plate == plate:
                filled = " style=filled fillcolor=lightgrey" if box.kind == "observed" else ""
                label = _string(f"{box.name}\n~\n{box.what}")
                lines.append(
                    f"    {_string(box.name)} [label={label} shape={_SHAPES.get(box.kind, 'ellipse')}{filled}];"
                )
        if plate:
            lines.append("  }")
    lines += [f"  {_string(p)} -> {_string(box.name)};" for box in found for p in box.parents]
    return "\n".join([*lines, "}"])


def _string(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def graphviz(model: Pictured) -> Any:
    """The model as `graphviz.Digraph`'s kin. ImportError, naming the package, where that is not installed."""
    try:
        from graphviz import Source  # late: optional
    except ImportError:
        raise ImportError(
            "to_graphviz needs the package graphviz (pip install graphviz); to_mermaid() gives a diagram without it"
        ) from None
    return Source(dot(model))


# ------------------------------------------------------------------------------------ formulas


def latex(model: Pictured) -> str:
    """The model as it would be written on paper, in LaTeX."""
    lines = []
    for box in boxes(model):
        name = rf"\text{{{_escaped(box.name)}}}"
        if box.distribution is not None:
            lines.append(rf"{name} &\sim \operatorname{{{box.what}}}({_arguments(box.distribution)})")
        elif box.kind != "data":
            lines.append(rf"{name} &= \operatorname{{{box.what}}}({', '.join(map(_escaped, box.parents))})")
    return "$$\n\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}\n$$"


def _arguments(distribution: Distribution) -> str:
    inside = str(distribution).partition("(")[2][:-1]
    return rf"\text{{{_escaped(inside)}}}"


def _escaped(text: str) -> str:
    for mark in "\\{}":
        text = text.replace(mark, " ")
    for mark in "_%&#$":
        text = text.replace(mark, "\\" + mark)
    return text.replace("~", r"\sim ").replace("^", r"\^{}")
