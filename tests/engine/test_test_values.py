"""Test values: graphs computed while they are built."""

from __future__ import annotations

import numpy as np
import pytest

import probgraph.engine.tensor as T
from probgraph.engine import config, function, grad, scan, shared
from probgraph.engine.test_values import get_test_value


@pytest.fixture
def raising():
    with config.change_flags(compute_test_value="raise"):
        yield


def given(constructor, name, value):
    v = constructor(name)
    v.tag.test_value = np.asarray(value, v.dtype)
    return v


def test_values_flow_through_the_graph(raising):
    x = given(T.dvector, "x", [1.0, 2.0])
    w = shared(np.array([3.0, 4.0]), "w")
    y = (x * w + 1).sum()
    assert y.tag.test_value == 13.0
    np.testing.assert_array_equal(grad(y, x).tag.test_value, [3, 4])
    assert function([x], y)([0.0, 0.0]) == 2.0


def test_a_wrong_shape_fails_where_it_is_made(raising):
    x, m = given(T.dvector, "x", np.ones(3)), given(T.dmatrix, "m", np.ones((2, 4)))
    with pytest.raises(ValueError, match="not aligned|mismatch") as caught:
        T.dot(m, x)
    assert "While the test value of" in caught.value.__notes__[0] and __file__ in caught.value.__notes__[0]
    with pytest.raises(ValueError, match="mis-match"):
        x + given(T.dvector, "y", np.ones(2))


def test_a_missing_value(raising):
    x = T.dvector("x")
    with pytest.raises(
        ValueError,
        match=r"Cannot compute test value: input 0 \(x\) of Op Elemwise\{exp,no_inplace\}\(x\) missing default value.",
    ):
        T.exp(x)
    with config.change_flags(compute_test_value="ignore"):
        y = T.exp(x)
    assert not hasattr(y.tag, "test_value")
    with (
        config.change_flags(compute_test_value="warn"),
        pytest.warns(UserWarning, match="input 0 .x. of Op") as caught,
    ):
        T.exp(x)
    assert len(caught) == 1
    with config.change_flags(compute_test_value="off"):
        assert T.exp(x).owner is not None
    with pytest.raises(ValueError, match=r"x has no test value: x needs a tag\.test_value"):
        get_test_value(x)


def test_ignore_lets_wrong_shapes_pass():
    with config.change_flags(compute_test_value="ignore"):
        y = given(T.dvector, "x", np.ones(3)) + given(T.dvector, "y", np.ones(2))
    assert not hasattr(y.tag, "test_value")


def test_a_value_of_the_wrong_type_is_refused(raising):
    x = T.dvector("x")
    x.tag.test_value = np.ones((2, 2))
    with pytest.raises(TypeError, match="vector|rank|dimension|ndim"):
        T.exp(x)


def test_what_was_built_before_is_computed_when_needed():
    x = given(T.dvector, "x", [1.0, 2.0])
    y = x
    for _ in range(3000):
        y = y + 1
    with config.change_flags(compute_test_value="raise"):
        z = y * 1
    np.testing.assert_array_equal(z.tag.test_value, [3001, 3002])


def test_scan_and_rewrites(raising):
    x = given(T.dvector, "x", [1.0, 2.0, 3.0])
    sums, _ = scan(lambda e, s: T.log(1 + T.exp(e)) * 0 + s + e, sequences=x, outputs_info=T.constant(0.0))
    np.testing.assert_allclose(sums.tag.test_value, [1, 3, 6])
    for mode in ("FAST_RUN", "FAST_COMPILE"):
        np.testing.assert_allclose(function([x], sums, mode=mode)([1.0, 1.0]), [1, 2])
