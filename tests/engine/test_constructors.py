"""Names that make roots, and constants."""

from __future__ import annotations

import numpy as np
import pytest

import probgraph.engine.tensor as T
from probgraph.engine import config, function

LETTERS = {
    "b": "int8",
    "w": "int16",
    "i": "int32",
    "l": "int64",
    "f": "float32",
    "d": "float64",
    "c": "complex64",
    "z": "complex128",
}
PATTERNS = {
    "scalar": (),
    "vector": (False,),
    "matrix": (False, False),
    "row": (True, False),
    "col": (False, True),
    "tensor3": (False,) * 3,
    "tensor4": (False,) * 4,
    "tensor5": (False,) * 5,
    "tensor6": (False,) * 6,
    "tensor7": (False,) * 7,
}


@pytest.mark.parametrize("letter", LETTERS)
@pytest.mark.parametrize("word", PATTERNS)
def test_prefixed_names_are_types_that_are_called(letter, word):
    kind = getattr(T, letter + word)
    assert isinstance(kind, T.TensorType) and kind == T.TensorType(LETTERS[letter], PATTERNS[word])
    v = kind("v")
    assert (v.name, v.dtype, v.broadcastable, v.ndim) == (
        "v",
        LETTERS[letter],
        PATTERNS[word],
        len(PATTERNS[word]),
    )
    assert kind().name is None and isinstance(v, T.TensorVariable)


@pytest.mark.parametrize("word", PATTERNS)
def test_names_without_a_letter_take_floatx_at_the_call(word):
    make = getattr(T, word)
    assert make("v").type == T.TensorType("float64", PATTERNS[word])
    with config.change_flags(floatX="float32"):
        assert make("v").dtype == "float32" and make("v", dtype="int8").dtype == "int8"
    assert make(dtype="complex64").dtype == "complex64" and make(name="n").name == "n"


def test_known_lengths():
    assert T.matrix("m", shape=(None, 3)).type.shape == (None, 3)
    with pytest.raises(ValueError, match=r"vector: shape \(2, 3\) has 2 axes, 1 are needed"):
        T.vector("v", shape=(2, 3))
    assert T.tensor("t", dtype="int8", shape=(2, None)).type == T.TensorType("int8", (2, None))


@pytest.mark.parametrize(
    ("plural", "dtype"),
    [
        ("scalars", "float64"),
        ("dscalars", "float64"),
        ("ivectors", "int32"),
        ("fmatrices", "float32"),
        ("rows", "float64"),
        ("lcols", "int64"),
        ("tensor3s", "float64"),
    ],
)
def test_plurals(plural, dtype):
    make = getattr(T, plural)
    assert [v.name for v in make("x", "y")] == ["x", "y"]
    assert [v.name for v in make("xys")] == ["x", "y", "s"]
    three = make(3)
    assert len(three) == 3 and all(v.name is None for v in three) and three[0].dtype == dtype
    assert make("x").name == "x"


def test_constants():
    assert (
        T.constant(2).dtype == "int64"
        and T.constant(2.0).dtype == "float64"
        and T.constant(True).dtype == "bool"
    )
    assert T.constant(np.int8([1, 2])).dtype == "int8" and T.constant(2, dtype="float32").dtype == "float32"
    assert T.constant(1.5, name="c").name == "c" and isinstance(T.constant(1.0), T.TensorConstant)
    with config.change_flags(floatX="float32"):
        assert T.constant(2.0).dtype == "float32" and T.constant(np.float64(2)).dtype == "float64"
    data = np.ones(2)
    c = T.constant(data)
    data[:] = 5
    np.testing.assert_array_equal(c.data, 1)
    with pytest.raises(ValueError, match="read-only"):
        c.data[:] = 3
    with pytest.raises(TypeError, match="constant takes a number or an array, x is a variable"):
        T.constant(T.dscalar("x"))
    with pytest.raises(ValueError, match="has 1 dimensions, ndim=0 was asked for"):
        T.constant([1.0], ndim=0)


def test_as_tensor_variable():
    x = T.dscalar("x")
    assert T.as_tensor_variable(x) is x and T.as_tensor_variable(T.exp(x).owner).owner.op is T.exp
    np.testing.assert_array_equal(T.as_tensor_variable([x, 2.0, 3]).eval({x: 1.0}), [1, 2, 3])
    np.testing.assert_array_equal(T.as_tensor_variable([[x, 0], [0, x]]).eval({x: 5.0}), [[5, 0], [0, 5]])
    assert T.as_tensor_variable(x, ndim=2).broadcastable == (True, True)
    with pytest.raises(ValueError, match="v has 1 dimensions, ndim=0 was asked for"):
        T.as_tensor_variable(T.dvector("v"), ndim=0)
    with pytest.raises(TypeError, match="Cannot convert"):
        T.as_tensor_variable("text")


def test_lists_with_variables_inside_are_operands():
    x, v = T.dscalar("x"), T.dvector("v")
    at = 2.0, np.array([1.0, 3.0])
    for graph, truth in (
        (T.exp([x, 0.0]), np.exp([2.0, 0.0])),
        (v * [x, 1], [2.0, 3.0]),
        (T.concatenate([[x], v]), [2.0, 1.0, 3.0]),
        (T.stack([[1.0, x], [x, 1.0]]), [[1.0, 2.0], [2.0, 1.0]]),
        (T.dot([x, 1.0], v), 5.0),
        (T.sum((x, x)), 4.0),
        (T.switch([True, False], [x, x], -1.0), [2.0, -1.0]),
    ):
        np.testing.assert_allclose(function([x, v], graph, on_unused_input="ignore")(*at), truth)
    with pytest.raises(TypeError, match="Cannot convert \\['a'\\]"):
        T.exp(["a"])
    with pytest.raises(TypeError, match="all parts need the same number of dimensions"):
        T.exp([x, v, [x, x, x]])
