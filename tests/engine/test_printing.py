"""Graphs as text: Theano's form of `pp` and `debugprint`, and graphs too deep or too wide to write out."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest

import probgraph.engine.tensor as T
from probgraph.engine import debugprint, function, grad, pp, pprint, printing, shared
from probgraph.engine.printing import _letters

x, y = T.dscalars("x", "y")
v, u = T.dvectors("v", "u")
m = T.dmatrix("m")
i, j = T.lscalars("i", "j")


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        (x, "x"),
        (T.dscalar(), "<TensorType(float64, scalar)>"),
        (T.dmatrix(), "<TensorType(float64, matrix)>"),
        (shared(1.0), "<TensorType(float64, scalar)>"),
        (shared(1.0, "w"), "w"),
        (x + y, "(x + y)"),
        (x - y, "(x - y)"),
        (x * y, "(x * y)"),
        (x / y, "(x / y)"),
        (x // y, "(x // y)"),
        (x**2, "(x ** TensorConstant{2})"),
        (x**2.0, "(x ** TensorConstant{2.0})"),
        (2 * x, "(TensorConstant{2} * x)"),
        (-x, "(-x)"),
        (abs(x), "|x|"),
        (abs(x - y), "|(x - y)|"),
        (x % y, "mod(x, y)"),
        (x > y, "gt(x, y)"),
        (T.eq(x, y), "eq(x, y)"),
        (T.exp(x), "exp(x)"),
        (T.nnet.sigmoid(x), "sigmoid(x)"),
        (T.sqr(x), "sqr(x)"),
        (1 / T.inv(x), "(TensorConstant{1} / inv(x))"),
        (T.switch(x > 0, x, y), "switch(gt(x, TensorConstant{0}), x, y)"),
        (T.cast(x, "float32"), "float32(x)"),
        (T.ones_like(x), "fill(x, TensorConstant{1.0})"),
        (T.dot(m, v), "(m \\dot v)"),
        (m.T, "m.T"),
        (v.dimshuffle(0, "x"), "DimShuffle{0, x}(v)"),
        (v.dimshuffle("x", 0), "v"),
        (x.dimshuffle("x", "x"), "x"),
        (m.sum(axis=0), "Sum{axis=[0], acc_dtype=float64}(m)"),
        (m.sum(), "Sum{acc_dtype=float64}(m)"),
        (v.max(), "Max(v)"),
        (m.shape, "Shape(m)"),
        (v[0], "v[Constant{0}]"),
        (v[i], "v[i]"),
        (v[1:3], "v[int64:int64]"),
        (v[i:], "v[int64:]"),
        (v[::-1], "v[::-1]"),
        (m[0, 1:], "m[Constant{0}, int64:]"),
        (m[i, j], "m[i, j]"),
        (v[T.lvector("k")], "v[k]"),
        (T.alloc(x, i, j), "alloc(x, i, j)"),
        (T.join(0, v, v), "join(TensorConstant{0}, v, v)"),
        (T.set_subtensor(v[0], x), "IncSubtensor{Set;int64}(v, x, Constant{0})"),
        ((x + y) * (x - y), "((x + y) * (x - y))"),
        (T.constant(2), "TensorConstant{2}"),
        (T.constant(2.0), "TensorConstant{2.0}"),
        (T.constant(2.0, name="two"), "two"),
        (T.constant([1, 2, 3]), "TensorConstant{[1 2 3]}"),
        (T.constant([1.0, 1.0, 1.0]), "TensorConstant{(3,) of 1.0}"),
        (T.bscalar("a") & T.bscalar("b"), "(a & b)"),
    ],
)
def test_forms(variable, text):
    assert pp(variable) == text
    assert pprint(variable) == printing.pp(variable) == text


def test_a_long_constant_is_shortened():
    text = pp(T.constant(np.arange(30)))
    assert text == "TensorConstant{[ 0  1  2 .. 27 28 29]}"


def test_the_gradient_of_the_first_tutorial_under_fast_compile():
    cost = (x - 4) * (x**2 * 2 + 6)
    f = function([x], T.grad(cost, x), mode="FAST_COMPILE")
    assert pp(f.maker.fgraph.outputs[0]) == (
        "((TensorConstant{1.0} * (((x ** TensorConstant{2}) * TensorConstant{2}) + TensorConstant{6})) + "
        "((((TensorConstant{1.0} * (x - TensorConstant{4})) * TensorConstant{2}) * TensorConstant{2}) * "
        "(x ** TensorConstant{1})))"
    )


def test_the_documentations_gradient_before_any_rewriting():
    text = pp(grad(x**2, x))
    assert text == (
        "((fill((x ** TensorConstant{2}), TensorConstant{1.0}) * TensorConstant{2}) * "
        "(x ** (TensorConstant{2} - TensorConstant{1})))"
    )


def test_named_results_are_written_out():
    middle = x + y
    middle.name = "middle"
    assert pp(middle * 2) == "((x + y) * TensorConstant{2})"


def test_pp_takes_variables_only():
    with pytest.raises(TypeError, match="pp prints a variable, got 3 of type int"):
        pp(3)


def test_debugprint_as_in_the_documentation():
    w, b = shared(np.zeros(2), "w"), shared(0.0, "b")
    prediction = 1 / (1 + T.exp(-T.dot(T.dmatrix("x"), w) - b)) > 0.5
    lines = debugprint(prediction, file="str").splitlines()
    assert [line.rstrip() for line in lines] == [
        "Elemwise{gt,no_inplace} [id A] ''",
        " |Elemwise{true_div,no_inplace} [id B] ''",
        " | |TensorConstant{1} [id C]",
        " | |Elemwise{add,no_inplace} [id D] ''",
        " |   |TensorConstant{1} [id E]",
        " |   |Elemwise{exp,no_inplace} [id F] ''",
        " |     |Elemwise{sub,no_inplace} [id G] ''",
        " |       |Elemwise{neg,no_inplace} [id H] ''",
        " |       | |dot [id I] ''",
        " |       |   |x [id J]",
        " |       |   |w [id K]",
        " |       |b [id L]",
        " |TensorConstant{0.5} [id M]",
    ]
    assert lines[0] == "Elemwise{gt,no_inplace} [id A] ''   "


def test_debugprint_of_a_function_shows_the_order_and_the_updates():
    w = shared(1.0, "w")
    f = function([x], [x * w], updates=[(w, x * w + 1)], mode="FAST_COMPILE")
    assert debugprint(f, file="str").splitlines() == [
        "Elemwise{mul,no_inplace} [id A] ''   0",
        " |x [id B]",
        " |w [id C]",
        "Elemwise{add,no_inplace} [id D] ''   1",
        " |Elemwise{mul,no_inplace} [id A] ''   0",
        " |TensorConstant{1} [id E]",
    ]
    assert debugprint(f.maker.fgraph, file="str") == debugprint(f, file="str")


def test_debugprint_options():
    z = x + y
    z.name = "z"
    cost = T.exp(z) * z
    assert debugprint(cost, depth=2, file="str").splitlines() == [
        "Elemwise{mul,no_inplace} [id A] ''   ",
        " |Elemwise{exp,no_inplace} [id B] ''   ",
        " |Elemwise{add,no_inplace} [id C] 'z'   ",
    ]
    named = debugprint(cost, stop_on_name=True, file="str")
    assert named.count("'z'") == 2 and "|x " not in named
    assert "x [id D] <TensorType(float64, scalar)>" in debugprint(cost, print_type=True, file="str")
    assert "[id 0]" in debugprint(cost, ids="int", file="str")
    assert f"[id {id(x)}]" in debugprint(cost, ids="id", file="str")
    assert "id" not in debugprint(cost, ids="", file="str")
    with pytest.raises(ValueError, match="ids is 'CHAR', 'int', 'id' or ''"):
        debugprint(cost, ids="roman")
    f = function([x], [T.exp(x) * x], mode="FAST_COMPILE")
    text = debugprint(f, print_clients=True, file="str")
    assert "clients:[(output, 0)]" in text and "clients:[(Elemwise{mul,no_inplace}, 0)]" in text


def test_debugprint_writes_to_a_file_or_to_standard_output(capsys):
    stream = io.StringIO()
    assert debugprint(x + y, file=stream) is stream
    assert debugprint(x + y) is sys.stdout
    assert capsys.readouterr().out == stream.getvalue()
    assert stream.getvalue().endswith(" |y [id C]\n")


def test_debugprint_of_lists_nodes_and_other_things():
    both = debugprint([x + y, x], file="str").splitlines()
    assert len(both) == 4 and both[-1] == "x [id B]"
    assert debugprint((x + y).owner, file="str").startswith("Elemwise{add")
    done: dict = {}
    first = debugprint(x, file="str", done=done)
    assert first == "x [id A]" and debugprint(y, file="str", done=done) == "y [id B]"
    with pytest.raises(TypeError, match="debugprint cannot print an object of type"):
        debugprint(3)


def test_letters_count_in_base_26():
    assert [_letters(n) for n in (0, 1, 25, 26, 27, 51, 52, 26 * 26 - 1, 26 * 26)] == [
        *("A", "B", "Z", "BA", "BB", "BZ", "CA", "ZZ", "BAA")
    ]


def test_a_graph_of_any_depth():
    deep = x
    for _ in range(100_000):
        deep = deep + 1
    text = pp(deep, limit=10_000_000)
    assert text.startswith("(((((") and text.endswith("+ TensorConstant{1})") and text.count("+") == 100_000
    tree = debugprint(deep, file="str")
    assert len(tree) < 10_200_000 and tree.endswith(
        "\n... (cut after 10000000 characters: depth= shows less)"
    )
    assert len(debugprint(deep, depth=100, file="str").splitlines()) == 199


def test_a_formula_that_would_be_exponentially_long_ends_with_a_note():
    wide = x
    for _ in range(100):
        wide = wide * wide
    text = pp(wide)
    assert len(text) < 1_001_000 and text.endswith(
        "... (cut after 1000000 characters: debugprint shows shared parts once)"
    )
    assert len(debugprint(wide, file="str").splitlines()) == 201


def test_operations_as_text():
    assert str(T.exp(x)) == "Elemwise{exp,no_inplace}.0"
    assert str((x + y).owner) == "Elemwise{add,no_inplace}(x, y)"
