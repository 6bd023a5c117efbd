"""Shared variables: their types, their values, and who sees whose changes."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import probgraph.engine.tensor as T
from probgraph.engine import config, function, shared


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (1.0, "float64"),
        (1, "int64"),
        (True, "bool"),
        (1j, "complex128"),
        (np.float32(1), "float32"),
        (np.zeros(2, "int8"), "int8"),
        (np.zeros((2, 3), "complex64"), "complex64"),
    ],
)
@pytest.mark.parametrize("floatx", ["float32", "float64"])
def test_the_type_comes_from_the_value_and_not_from_floatx(value, dtype, floatx):
    with config.change_flags(floatX=floatx):
        w = shared(value, "w")
    assert w.dtype == dtype and w.ndim == np.ndim(value) and w.broadcastable == (False,) * np.ndim(value)
    result = w.get_value()
    assert type(result) is np.ndarray and result.dtype == dtype
    np.testing.assert_array_equal(result, value)


@pytest.mark.parametrize("value", [[1.0, 2.0], "text", None, {}, np.array(["a"]), np.array([None])])
def test_what_is_not_numbers_is_refused(value):
    with pytest.raises(TypeError, match="shared takes"):
        shared(value)


def test_a_symbolic_value_is_refused():
    with pytest.raises(TypeError, match="Shared variable values can not be symbolic: x"):
        shared(T.dscalar("x"))


def test_borrow_as_in_the_documentation(mode):
    array = np.ones(2)
    default, copied, borrowed = shared(array), shared(array, borrow=False), shared(array, borrow=True)
    array += 1
    np.testing.assert_array_equal(default.get_value(), [1, 1])
    np.testing.assert_array_equal(copied.get_value(), [1, 1])
    np.testing.assert_array_equal(borrowed.get_value(), [2, 2])
    np.testing.assert_array_equal(function([], borrowed * 1)(), [2, 2])
    array += 1
    np.testing.assert_array_equal(function([], borrowed * 1)(), [3, 3])

    assert borrowed.get_value(borrow=True) is array
    taken = borrowed.get_value()
    taken[:] = 100
    np.testing.assert_array_equal(borrowed.get_value(), [3, 3])

    other = np.zeros(3)
    borrowed.set_value(other, borrow=True)
    other[0] = 5
    np.testing.assert_array_equal(borrowed.get_value(), [5, 0, 0])
    borrowed.set_value(other)
    other[0] = 6
    np.testing.assert_array_equal(borrowed.get_value(), [5, 0, 0])


def test_a_borrowed_view_is_read_as_it_lies(mode):
    base = np.arange(12.0).reshape(3, 4)
    w = shared(base.T[::2], "w", borrow=True)
    f = function([], w * 1)
    np.testing.assert_array_equal(f(), base.T[::2])
    base[:] = 0
    np.testing.assert_array_equal(f(), 0)


def test_set_value_goes_through_the_type():
    w = shared(np.zeros(2), "w")
    w.set_value([1, 2, 3])  # lengths may change, and whole numbers are exact
    np.testing.assert_array_equal(w.get_value(), [1, 2, 3])
    w.set_value(np.float32([0.5]))
    assert w.get_value().dtype == np.float64
    with pytest.raises(TypeError, match="Wrong number of dimensions: expected 1, got 0"):
        w.set_value(1.0)
    whole = shared(1, "n")
    with pytest.raises(TypeError, match=r"cannot store accurately value 1.5"):
        whole.set_value(1.5)
    with pytest.raises(TypeError, match="cannot store a value of dtype float64"):
        whole.set_value(np.array(1.0))
    assert whole.get_value() == 1


def test_strict_and_allow_downcast():
    strict = shared(np.zeros(2), strict=True)
    with pytest.raises(TypeError, match="expected a ndarray object"):
        strict.set_value([1.0, 2.0])
    single = shared(np.zeros(2, "float32"), allow_downcast=True)
    single.set_value(np.array([0.1, 1e300]))
    np.testing.assert_array_equal(single.get_value(), np.float32([0.1, np.inf]))
    assert single.clone().allow_downcast is True


def test_patterns_and_shapes_are_kept():
    column = shared(np.zeros((2, 1)), broadcastable=(False, True))
    assert column.broadcastable == (False, True)
    column.set_value(np.ones((5, 1)))
    with pytest.raises(TypeError, match="needs length 1 along axis 1"):
        column.set_value(np.ones((5, 2)))
    fixed = shared(np.zeros((2, 3)), shape=(None, 3))
    with pytest.raises(TypeError, match="needs length 3 along axis 1"):
        fixed.set_value(np.zeros((3, 2)))
    with pytest.raises(TypeError, match="needs length 3"):
        shared(np.zeros(2), shape=(3,))


def test_zero():
    array = np.ones(2)
    w = shared(array, borrow=True)
    w.zero()
    np.testing.assert_array_equal(w.get_value(), 0)
    np.testing.assert_array_equal(array, 1)
    w.set_value(array, borrow=True)
    w.zero(borrow=True)
    np.testing.assert_array_equal(array, 0)


def test_a_clone_shares_the_value():
    w = shared(1.0, "w")
    other = w.clone()
    assert other is not w and other.name == "w" and other.type == w.type
    other.set_value(2.0)
    assert w.get_value() == 2.0


def test_one_value_for_all_functions(mode):
    w = shared(np.zeros(2), "w")
    x = T.dvector("x")
    add = function([x], updates=[(w, w + x)])
    read = function([], w * 2)
    add([1.0, 2.0])
    np.testing.assert_array_equal(read(), [2, 4])
    w.set_value([5.0, 5.0, 5.0])
    np.testing.assert_array_equal(read(), 10)


def test_an_update_costs_one_new_array():
    w = shared(np.zeros(1000), "w")
    step = function([], updates=[(w, w + 1)])
    before = w.get_value(borrow=True)
    step()
    after = w.get_value(borrow=True)
    assert after is not before and after.base is None
    np.testing.assert_array_equal(before, 0)
    np.testing.assert_array_equal(after, 1)


def test_pickle_and_copy():
    w = shared(np.arange(3.0), "w")
    other = pickle.loads(pickle.dumps(w))
    assert other.name == "w" and other.type == w.type
    np.testing.assert_array_equal(other.get_value(), [0, 1, 2])
    other.zero()
    np.testing.assert_array_equal(w.get_value(), [0, 1, 2])
    assert copy.copy(w).container is w.container
