"""Graphs as pictures: text for graphviz and mermaid, and an SVG of our own that needs neither.

The SVG puts each node in the row of its distance from the roots, and in a row near what it reads (Sugiyama's
layers and barycentres, without more). It goes into a page that loads nothing from anywhere, and into notebooks.
"""

from __future__ import annotations

import html
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from probgraph.engine.graph import Apply, Constant, FunctionGraph, Variable, toposort
from probgraph.engine.printing import debugprint, operation_name
from probgraph.engine.shared import SharedVariable

#: a larger graph is shown in notebooks as text
MOST_NODES = 150
_COLOURS = {
    "op": "#e8eefc",
    "input": "#d8f2d8",
    "shared": "#fdeccf",
    "constant": "#eeeeee",
    "output": "#cfe3ff",
}
_WIDTH, _HEIGHT, _GAP, _ROW = 7.2, 26, 18, 64


@dataclass
class Box:
    """A node of the picture: an op, a root, or an output. `note` is what is told when one points at it."""

    key: str
    kind: str
    label: str
    note: str


@dataclass
class Picture:
    """Boxes, and arrows (from, to, type)."""

    boxes: list[Box] = field(default_factory=list)
    arrows: list[tuple[str, str, str]] = field(default_factory=list)


def picture(obj: Any) -> Picture:
    """The boxes and arrows of a variable, an Apply, a FunctionGraph, a compiled function, or a list of these.

    TypeError for other objects.
    """
    outputs, stop = _outputs(obj)
    result = Picture()
    keys: dict[Any, str] = {}

    def root(v: Variable) -> str:
        if v not in keys:
            keys[v] = f"v{len(keys)}"
            kind = (
                "constant"
                if isinstance(v, Constant)
                else "shared"
                if isinstance(v, SharedVariable)
                else "input"
            )
            result.boxes.append(Box(keys[v], kind, _cut(str(v)), str(v.type)))
        return keys[v]

    def source(v: Variable) -> str:
        return root(v) if v.owner is None or v in stop else keys[v.owner]

    for node in toposort(outputs, stop=stop):
        for v in node.inputs:
            source(v)
        key = keys[node] = f"n{len(keys)}"
        names = [v.name for v in node.outputs if v.name]
        note = f"{node}\n{', '.join(str(v.type) for v in node.outputs)}\nmade in {node.trace[0]}, line {node.trace[1]}"
        label = operation_name(node) + (f" '{', '.join(names)}'" if names else "")
        result.boxes.append(Box(key, "op", _cut(label), note))
        result.arrows.extend((source(v), key, str(v.type)) for v in node.inputs)
    for k, v in enumerate(outputs):
        result.arrows.append((source(v), f"out{k}", str(v.type)))
        result.boxes.append(Box(f"out{k}", "output", f"output {k}", str(v.type)))
    return result


def _outputs(obj: Any) -> tuple[list[Variable], set[Variable]]:
    if hasattr(obj, "maker"):
        obj = obj.maker.fgraph
    match obj:
        case Variable():
            return [obj], set()
        case Apply():
            return list(obj.outputs), set()
        case FunctionGraph():
            return obj.outputs, set(obj.inputs)
        case list() | tuple():
            parts = [_outputs(each) for each in obj]
            return [v for outputs, _ in parts for v in outputs], set().union(*(stop for _, stop in parts))
        case _:
            raise TypeError(f"there is no picture of an object of type {type(obj)}: {obj!r:.80}")


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 40 else f"{text[:39]}…"


# ------------------------------------------------------------------------------------ text for other programs


def dot(obj: Any) -> str:
    """The graph as graphviz source.

    >>> from probgraph.engine.types import TensorType
    >>> dot(TensorType("float64", ())("x")).splitlines()[0]
    'digraph graph_of_operations {'
    """
    lines = ["digraph graph_of_operations {", "  node [style=filled, fontname=Helvetica];"]
    drawn = picture(obj)
    for box in drawn.boxes:
        shape = "ellipse" if box.kind == "op" else "box"
        lines.append(
            f"  {box.key} [label={_quoted(box.label)}, shape={shape}, fillcolor={_quoted(_COLOURS[box.kind])},"
            f" tooltip={_quoted(box.note)}];"
        )
    lines += [f"  {a} -> {b} [label={_quoted(kind)}];" for a, b, kind in drawn.arrows]
    return "\n".join([*lines, "}", ""])


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def mermaid(obj: Any) -> str:
    """The graph as mermaid source, which many Markdown viewers draw.

    >>> from probgraph.engine.types import TensorType
    >>> mermaid(TensorType("float64", ())("x")).splitlines()[0]
    'flowchart TD'
    """
    drawn = picture(obj)
    lines = ["flowchart TD"]
    for box in drawn.boxes:
        left, right = ("([", "])") if box.kind == "op" else ("[", "]")
        label = "".join(c if c.isalnum() or c in " .,_-" else f"#{ord(c)};" for c in box.label)
        lines.append(f'  {box.key}{left}"{label}"{right}')
    return "\n".join([*lines, *(f"  {a} --> {b}" for a, b, _ in drawn.arrows), ""])


def pydotprint(fct: Any, outfile: str | Path | None = None, format: str | None = None) -> Path:
    """Writes a picture of a graph to a file, and returns the file's path.

    `format` is by default what the file's name ends with. "dot" and "gv" (graphviz source), "html" and "svg" need
    nothing; others ("png", "pdf") need graphviz's `dot` on the PATH: RuntimeError without it. The default file
    is `graph.dot` in the current directory.
    """
    path = Path("graph.dot" if outfile is None else outfile)
    kind = format or path.suffix.removeprefix(".") or "dot"
    match kind:
        case "dot" | "gv":
            path.write_text(dot(fct), encoding="utf-8")
        case "svg":
            path.write_text(svg(fct), encoding="utf-8")
        case "html":
            path.write_text(page(fct), encoding="utf-8")
        case _:
            program = shutil.which("dot")
            if program is None:
                raise RuntimeError(
                    f"pydotprint: {kind!r} needs graphviz's program `dot`, which is not on the PATH; 'dot', 'svg' and"
                    " 'html' need nothing"
                )
            subprocess.run([program, f"-T{kind}", "-o", str(path)], input=dot(fct).encode(), check=True)
    return path


# ------------------------------------------------------------------------------------ SVG and HTML


def svg(obj: Any) -> str:
    """The graph as an SVG element; pointing at a node tells its type and the line that made it."""
    drawn = picture(obj)
    places, width, height = _layout(drawn)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" font-family="sans-serif"'
        f' font-size="12" viewBox="0 0 {width:.0f} {height:.0f}">'
    ]
    for a, b, kind in drawn.arrows:
        (xa, ya, _), (xb, yb, _) = places[a], places[b]
        top, bottom, middle = ya + _HEIGHT, yb, (ya + _HEIGHT + yb) / 2
        parts.append(
            f'<path d="M{xa:.0f} {top:.0f} C{xa:.0f} {middle:.0f} {xb:.0f} {middle:.0f} {xb:.0f} {bottom:.0f}"'
            f' fill="none" stroke="#888"><title>{html.escape(kind)}</title></path>'
        )
    for box in drawn.boxes:
        x, y, w = places[box.key]
        parts.append(
            f'<g><title>{_xml(box.note)}</title><rect x="{x - w / 2:.0f}" y="{y:.0f}" width="{w:.0f}"'
            f' height="{_HEIGHT}" rx="{12 if box.kind == "op" else 2}" fill="{_COLOURS[box.kind]}" stroke="#667"/>'
            f'<text x="{x:.0f}" y="{y + 17:.0f}" text-anchor="middle" fill="#000">{_xml(box.label)}</text></g>'
        )
    return "\n".join([*parts, "</svg>\n"])


def _xml(text: str) -> str:
    """Escaped, and without the control characters that XML has no way to write."""
    return html.escape("".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text))


def _layout(drawn: Picture) -> tuple[dict[str, tuple[float, float, float]], float, float]:
    """Of each box the middle, the top and the width; and the size of the whole."""
    read: dict[str, list[str]] = {box.key: [] for box in drawn.boxes}
    for a, b, _ in drawn.arrows:
        read[b].append(a)
    level: dict[str, int] = {}
    rows: list[list[Box]] = []
    for box in drawn.boxes:  # each comes after what it reads
        row = level[box.key] = max((level[a] + 1 for a in read[box.key]), default=0)
        while len(rows) <= row:
            rows.append([])
        rows[row].append(box)
    places: dict[str, tuple[float, float, float]] = {}
    width = 0.0
    for number, row in enumerate(rows):
        wanted = {b.key: _mean([places[a][0] for a in read[b.key] if a in places]) for b in row}
        edge = float(_GAP)
        for box in sorted(row, key=lambda b: wanted[b.key]):
            w = 20 + _WIDTH * len(box.label)
            middle = max(edge + w / 2, wanted[box.key])
            places[box.key] = (middle, 10 + number * _ROW, w)
            edge = middle + w / 2 + _GAP
        width = max(width, edge)
    return places, width, 20 + len(rows) * _ROW


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def page(obj: Any) -> str:
    """The graph as a page of HTML that needs no other file and no network."""
    text = debugprint(obj, print_type=True, file="str", limit=1_000_000)
    return (
        '<!DOCTYPE html>\n<html><head><meta charset="utf-8"><title>graph</title>\n<style>body{font-family:sans-serif}'
        "rect:hover{stroke-width:3}div{overflow:auto}</style></head><body>\n"
        f"<div>{svg(obj)}</div>\n<details><summary>as text</summary><pre>{_xml(str(text))}</pre></details>\n"
        "</body></html>\n"
    )


def d3viz(fct: Any, outfile: str | Path) -> Path:
    """Writes a picture of a graph as a page of HTML, self-contained; returns the file's path."""
    path = Path(outfile)
    path.write_text(page(fct), encoding="utf-8")
    return path


def notebook_html(obj: Any) -> str:
    """What a notebook shows: the picture, or of a large graph the beginning of the text."""
    outputs, stop = _outputs(obj)
    if len(toposort(outputs, stop=stop)) <= MOST_NODES:
        return f'<div style="overflow:auto">{svg(obj)}</div>'
    return f"<pre>{_xml(str(debugprint(obj, file='str', limit=20_000)))}</pre>"


Variable._repr_html_ = notebook_html  # type: ignore[attr-defined]
