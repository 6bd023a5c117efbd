"""Tensor types: what they hold, what they take, how they promote and broadcast."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import probgraph.engine.tensor as T
from probgraph.engine import TensorType, config
from probgraph.engine.types import (
    DTYPES,
    broadcast_shapes,
    describe,
    literal_dtype,
    promote,
    real_part,
    to_float,
)


def test_equality_and_hash():
    assert TensorType("float64", (None, 3)) == TensorType(np.float64, [None, 3])
    assert (
        hash(TensorType("float64", (None,))) == hash(T.dvector)
        and TensorType("float64", (False,)) == T.dvector
    )
    assert TensorType("float64", (True, False)) == T.drow == TensorType("float64", (1, None))
    assert T.dvector not in (T.fvector, T.dmatrix, T.TensorType("float64", (3,)), "float64")
    assert pickle.loads(pickle.dumps(T.drow)) == T.drow


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (T.dscalar, "TensorType(float64, scalar)"),
        (T.fvector, "TensorType(float32, vector)"),
        (T.imatrix, "TensorType(int32, matrix)"),
        (T.dtensor3, "TensorType(float64, 3D)"),
        (T.dtensor5, "TensorType(float64, 5D)"),
    ],
)
def test_text(kind, text):
    assert str(kind) == repr(kind) == text
    assert str(kind()) == f"<{text}>" and str(kind("x")) == "x"


def test_text_of_known_lengths():
    assert str(TensorType("float64", (None, 3))) == "TensorType(float64, shape=(?, 3))"
    assert str(TensorType("float64", (3,))) == "TensorType(float64, shape=(3,))"
    assert describe([T.dscalar, TensorType("int8", (2, None))]) == "float64[] and int8[2, ?]"
    assert (
        describe([T.dscalar]) == "float64[]"
        and describe([T.dscalar] * 3) == "float64[], float64[] and float64[]"
    )


@pytest.mark.parametrize("dtype", ["foo", "float16", "object", "datetime64[s]", "str"])
def test_unsupported_dtypes(dtype):
    with pytest.raises(TypeError):
        TensorType(dtype, ())


def test_a_negative_length():
    with pytest.raises(ValueError, match="a static length is not negative, got -1"):
        TensorType("float64", (-1,))


def test_floatx_is_a_dtype():
    assert TensorType("floatX", ()).dtype == "float64"
    with config.change_flags(floatX="float32"):
        assert TensorType("floatX", ()).dtype == "float32"


def test_clone_and_accepts():
    wide, fixed = TensorType("float64", (None, 3)), TensorType("float64", (2, 3))
    assert wide.accepts(fixed) and not fixed.accepts(wide) and wide.accepts(wide)
    assert not wide.accepts(fixed.clone(dtype="float32")) and not wide.accepts(T.dvector)
    assert fixed.clone(shape=(None, 3)) == wide


def test_filter_keeps_the_very_array_where_it_can():
    array = np.ones(3)
    assert T.dvector.filter(array) is array
    assert T.dvector.filter(array.astype("float32")).dtype == np.float64
    assert T.dvector.filter(array.astype(">f8")).dtype.isnative
    assert T.dvector.filter((1, 2)).dtype == np.float64
    assert T.dvector.filter(np.ones(2).view(np.recarray)).dtype == np.float64
    assert T.dvector.filter([]).shape == (0,)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (T.bscalar, 128),
        (T.lscalar, 2**63),
        (T.lscalar, 2**70),
        (TensorType("uint64", ()), -1),
        (TensorType("uint8", (None,)), [1, -1]),
        (T.iscalar, np.nan),
        (T.iscalar, np.inf),
        (T.fscalar, 0.1),
        (T.fscalar, 1e39),
        (T.dscalar, 2**53 + 1),
        (T.dvector, np.ones((1, 2))),
        (T.dvector, 1.0),
        (T.fvector, np.ones(2)),
        (T.fvector, np.ones(2, "int32")),
        (T.dscalar, None),
        (T.dscalar, object()),
        (TensorType("float64", (3,)), np.ones(2)),
    ],
)
def test_filter_refuses_loss(kind, value):
    with pytest.raises(TypeError):
        kind.filter(value)
    assert not kind.is_valid_value(value, strict=False)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.0, 0.5, 2**24])
def test_exact_numbers_fit_single_precision(value):
    result = T.fscalar.filter(value)
    np.testing.assert_array_equal(result, np.float32(value))
    assert np.signbit(result) == np.signbit(value)


def test_values_eq():
    assert T.dvector.values_eq([1, 2], [1, 2]) and not T.dvector.values_eq([1, 2], [1, 3])
    assert T.dvector.values_eq_approx(np.ones(2), np.ones(2) + 1e-12)
    assert not T.dvector.values_eq_approx(np.ones(2), np.ones(2) + 1e-6)
    assert T.fvector.values_eq_approx(np.ones(2), np.ones(2) + 1e-6)
    assert not T.dvector.values_eq_approx(np.ones(2), np.ones(3))
    assert T.dscalar.values_eq_approx(np.nan, np.nan)


@given(st.lists(st.sampled_from(DTYPES), min_size=1, max_size=3))
def test_promotion_is_numpys(dtypes):
    assert promote(*dtypes) == np.result_type(*map(np.dtype, dtypes)).name


def test_float_results():
    assert [to_float(d) for d in ("bool", "int8", "uint16", "int32", "int64", "float32", "complex64")] == [
        *("float32", "float32", "float32", "float64", "float64", "float32", "complex64")
    ]
    assert real_part("complex64") == "float32" and real_part("int8") == "int8"


@pytest.mark.parametrize(
    ("value", "others", "expected"),
    [
        (2, ["float32"], "float32"),
        (0.1, ["float32"], "float32"),
        (2, ["int8"], "int8"),
        (0.5, ["int8"], "float64"),
        (1j, ["float32"], "complex64"),
        (1j, ["float64"], "complex128"),
        (True, ["float64"], "float64"),
        (2, ["bool"], "int64"),
        (2, [], "int64"),
        (2.0, [], "float64"),
        (1j, [], "complex128"),
        (True, [], "bool"),
        (2, ["int8", "float32"], "float32"),
    ],
)
def test_literals_are_weak(value, others, expected):
    assert literal_dtype(value, others) == expected


def test_a_literal_too_large_for_what_it_meets():
    with pytest.raises(OverflowError, match="the literal 300 does not fit int8"):
        literal_dtype(300, ["int8"])


_LENGTHS = st.lists(st.integers(1, 3), max_size=4).map(tuple)


@given(_LENGTHS, _LENGTHS)
def test_known_shapes_broadcast_as_in_numpy(a, b):
    types = [TensorType("float64", a), TensorType("float64", b)]
    try:
        expected = np.broadcast_shapes(a, b)
    except ValueError:
        with pytest.raises(ValueError, match="do not broadcast: axis -"):
            broadcast_shapes("add", types)
    else:
        assert broadcast_shapes("add", types) == expected


def test_unknown_lengths_are_taken_to_agree():
    wide, fixed, row = T.dmatrix, TensorType("float64", (2, 3)), T.drow
    assert broadcast_shapes("add", [wide, wide]) == (None, None)
    assert broadcast_shapes("add", [wide, fixed]) == (2, 3)
    assert broadcast_shapes("add", [row, row]) == (1, None)
    assert broadcast_shapes("add", [row, wide, T.dscalar]) == (None, None)
    assert broadcast_shapes("add", []) == ()
