"""NanGuardMode: which values are errors, and what the error says."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import probgraph.engine.tensor as T
from probgraph.engine import NanGuardMode, config, function, get_mode
from probgraph.engine.nan_guard import Guard


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        (np.nan, "NaN"),
        (np.inf, "Inf"),
        (-np.inf, "Inf"),
        (1e11, "Big value"),
        (-1e11, "Big value"),
        (1e308, "Big value"),
        (1e10, None),
        (0.0, None),
        ([], None),
        (np.float32("nan"), "NaN"),
        (np.complex128(complex(0, np.nan)), "NaN"),
        (np.complex128(1e11j), "Big value"),
        (np.int64(10**12), "Big value"),
        (np.iinfo(np.int64).min, "Big value"),
        (True, None),
    ],
)
def test_what_is_wrong(value, wrong):
    assert Guard().complaint(value) == wrong
    assert Guard(False, False, False).complaint(value) is None


def test_an_op_that_makes_nan_is_named():
    x = T.dvector("x")
    y = T.sqrt(x - 2)
    f = function([x], T.exp(y) * 2, mode=NanGuardMode(True, True, True))
    np.testing.assert_allclose(f([3.0, 2.0]), [2 * np.e, 2.0])
    with pytest.raises(AssertionError) as caught:
        f([1.0, 3.0])
    text = str(caught.value)
    assert text.startswith(
        "NaN detected in output of a node in this variable:\nElemwise{sqrt,no_inplace} [id A]"
    )
    assert "Inputs shapes: [(2,)]" in text and "[nan  1.]" in text and "test_nan_guard.py, line" in text


def test_inf_and_big_values():
    x = T.dscalar("x")
    f = function([x], T.exp(x), mode=NanGuardMode())
    with pytest.raises(AssertionError, match="^Inf detected"):
        f(1000.0)
    with pytest.raises(AssertionError, match="^Big value detected"):
        f(30.0)
    assert np.isinf(function([x], T.exp(x), mode=NanGuardMode(True, False, True))(1000.0))
    assert function([x], T.exp(x), mode=NanGuardMode(big_is_error=False))(30.0) > 1e10


def test_an_input_is_named():
    x = T.dscalar("x")
    f = function([x], x + 1, mode="NanGuardMode")
    with pytest.raises(
        AssertionError, match=r"NaN detected in an input of a graph: x, a TensorType\(float64, scalar\)"
    ):
        f(np.nan)


def test_as_a_value_and_by_name():
    assert get_mode("NanGuardMode") == NanGuardMode() != NanGuardMode(big_is_error=False)
    assert pickle.loads(pickle.dumps(NanGuardMode(True, False, True))) == NanGuardMode(True, False, True)
    x = T.dscalar("x")
    with config.change_flags(mode="NanGuardMode"), pytest.raises(AssertionError, match="Inf detected"):
        function([x], 1 / x)(0.0)
    assert "under NanGuardMode" in function([x], 1 / x, mode="NanGuardMode").explain()
