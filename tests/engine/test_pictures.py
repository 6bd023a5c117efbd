"""Pictures of graphs: what stands in them, and that viewers can read them."""

from __future__ import annotations

import itertools
import shutil
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

import probgraph.engine as theano
import probgraph.engine.tensor as T
from probgraph.engine import d3viz, function, pydotprint, shared
from probgraph.engine.pictures import MOST_NODES, dot, mermaid, notebook_html, page, picture, svg

STRANGE = 'a"; } <b>&\\ \n\x07é'


def graph():
    x, w = T.dvector("x"), shared(2.0, "w")
    return x, T.exp(x * w) + T.exp(x * w).sum() + 3


def test_boxes_and_arrows():
    x, y = graph()
    drawn = picture(function([x], y, mode="FAST_COMPILE"))
    kinds = {kind: [b.label for b in drawn.boxes if b.kind == kind] for kind in ("input", "shared", "output")}
    assert kinds == {"input": ["x"], "shared": ["w"], "output": ["output 0"]}
    ops = [b.label for b in drawn.boxes if b.kind == "op"]
    assert sum("exp" in op for op in ops) == 1 and any("Sum" in op for op in ops)
    keys = [b.key for b in drawn.boxes]
    assert len(set(keys)) == len(keys)
    assert all(a in keys and b in keys and keys.index(a) < keys.index(b) for a, b, _ in drawn.arrows)


def test_every_kind_of_object():
    x, y = graph()
    for obj in (x, y, y.owner, [y, x], function([x], [y, y]), function([], []), T.constant(1.0)):
        assert dot(obj).startswith("digraph") and mermaid(obj).startswith("flowchart")
        ElementTree.fromstring(svg(obj))
    with pytest.raises(TypeError, match="no picture of an object of type <class 'int'>"):
        dot(3)


def test_strange_names_break_nothing():
    x = T.dvector(STRANGE)
    y = T.exp(x)
    y.name = STRANGE
    texts = [t.text for t in ElementTree.fromstring(svg(y)).iter("{http://www.w3.org/2000/svg}text")]
    assert any(t.startswith('a"; } <b>&\\ ') for t in texts)
    for line in dot(y).splitlines()[1:-1]:
        assert line.startswith("  ") and line.endswith("];")
        assert line.replace("\\\\", "").replace('\\"', "").count('"') % 2 == 0
    assert "<b>" not in page(y) and "<b>" not in notebook_html(y)
    assert all(line.count('"') in (0, 2) for line in mermaid(y).splitlines())


def test_boxes_do_not_overlap():
    x = T.dvector("x")
    y = sum(T.exp(x + k) for k in range(12))
    rows: dict[str, list[tuple[float, float]]] = {}
    for rect in ElementTree.fromstring(svg(y)).iter("{http://www.w3.org/2000/svg}rect"):
        rows.setdefault(rect.get("y"), []).append((float(rect.get("x")), float(rect.get("width"))))
    for row in rows.values():
        row.sort()
        assert all(left + width <= right for (left, width), (right, _) in itertools.pairwise(row))


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.loaded = []

    def handle_starttag(self, tag, attributes):
        if tag in ("script", "link", "img", "iframe") or any(k in ("src", "href") for k, _ in attributes):
            self.loaded.append(tag)


def test_the_page_loads_nothing(tmp_path):
    x, y = graph()
    path = d3viz(function([x], y), tmp_path / "a.html")
    text = path.read_text(encoding="utf-8")
    reader = Links()
    reader.feed(text)
    assert reader.loaded == [] and "<svg" in text and "Sum" in text and "test_pictures.py, line" in text


def test_files(tmp_path, monkeypatch):
    x, y = graph()
    f = function([x], y)
    assert theano.printing.pydotprint is pydotprint
    assert pydotprint(f, tmp_path / "a.dot").read_text(encoding="utf-8") == dot(f)
    assert pydotprint(f, tmp_path / "a.svg").read_text(encoding="utf-8") == svg(f)
    assert pydotprint(f, tmp_path / "b", format="html").read_text(encoding="utf-8") == page(f)
    monkeypatch.chdir(tmp_path)
    assert pydotprint(y).name == "graph.dot"
    if shutil.which("dot"):
        assert pydotprint(f, tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="'png' needs graphviz's program `dot`"):
        pydotprint(f, tmp_path / "a.png")


def test_notebooks():
    x, y = graph()
    assert "<svg" in y._repr_html_() and "<svg" in function([x], y)._repr_html_()
    for _ in range(MOST_NODES + 1):
        y = T.sin(y)
    assert y._repr_html_().startswith("<pre>") and len(y._repr_html_()) < 50_000


def test_deep_graphs():
    y = T.dscalar("x")
    for _ in range(20_000):
        y = T.sin(y)
    assert dot(y).count("->") == 20_001 and svg(y).count("<rect") == 20_002
