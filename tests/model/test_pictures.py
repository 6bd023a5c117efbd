"""Models to look at: tables, diagrams, formulas."""

from __future__ import annotations

import numpy as np
import pytest

import probgraph as pm


@pytest.fixture
def model():
    with pm.Model(coords={"city": ["Rome", "Oslo"]}) as model:
        x = pm.Data("x", [1.0, 2.0], dims="city")
        slope = pm.Normal("slope_1", 0, 1)
        eta = pm.Deterministic("eta", slope * x, dims="city")
        pm.Potential("p", -(slope**2))
        pm.Normal('y "quoted"', eta, pm.HalfNormal("s"), observed=np.zeros(2), dims="city")
    return model


def test_the_table_has_a_row_for_each(model):
    lines = str(model.table()).splitlines()
    assert lines[0].split() == ["name", "kind", "distribution", "shape", "dims"]
    assert [line.split()[0] for line in lines[1:]] == ["x", "slope_1", "s", "eta", "p", "y"]
    assert "Normal(mu=eta, sigma=s)" in lines[-1] and lines[-1].endswith("(2,)   city")
    page = model._repr_html_()
    assert page.count("<tr>") == 7 and "y &quot;quoted&quot;" in page


def test_the_diagram_in_mermaid(model):
    text = model.to_mermaid()
    assert text == pm.model_to_mermaid(model)
    lines = [line.strip() for line in text.splitlines()]
    assert lines[0] == "graph TD" and 'n1(["slope_1 ~ Normal"])' in lines and 'n0["x"]' in lines
    assert 'n5(["y #quot;quoted#quot; ~ Normal"])' in lines and 'n4{{"p ~ Potential"}}' in lines
    arrows = {line for line in lines if "-->" in line}
    assert arrows == {"n1 --> n3", "n0 --> n3", "n1 --> n4", "n3 --> n5", "n2 --> n5"}
    start = lines.index('subgraph n0_plate["city"]')
    assert lines[start + 4] == "end" and "style n5 fill:#ccc" in lines


def test_the_diagram_for_graphviz(model):
    text = pm.model.pictures.dot(model)
    assert text.startswith("digraph model {") and text.endswith("}") and '"eta" -> "y \\"quoted\\"";' in text
    assert 'label="city"' in text and "fillcolor=lightgrey" in text
    try:
        import graphviz  # noqa: F401
    except ImportError:
        with pytest.raises(
            ImportError, match=r"needs the package graphviz \(pip install graphviz\); to_mermaid"
        ):
            model.to_graphviz()
    else:
        assert "digraph" in pm.model_to_graphviz(model).source


def test_formulas(model):
    text = model.str_repr("latex")
    assert text == model._repr_latex_() and r"\text{slope\_1} &\sim \operatorname{Normal}" in text
    assert r"\text{eta} &= \operatorname{Deterministic}" in text
    assert model.str_repr() == repr(model)
    with pytest.raises(ValueError, match="formatting is 'plain' or 'latex', got 'html'"):
        model.str_repr("html")
