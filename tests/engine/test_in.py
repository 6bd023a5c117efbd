"""`In`, `Param`, the old tuples, and the values a function stores."""

from __future__ import annotations

import numpy as np
import pytest

import probgraph.engine.tensor as T
from probgraph.engine import In, Out, Param, function, shared


def test_defaults_as_in_the_tutorial(mode):
    x, y, w = T.dscalars("x", "y", "w")
    f = function([x, In(y, value=1), In(w, value=2, name="w_by_name")], (x + y) * w)
    assert f(33) == 68.0
    assert f(33, 2) == 70.0
    assert f(33, 0, 1) == 33.0
    assert f(33, w_by_name=1) == 34.0
    assert f(33, w_by_name=1, y=0) == 33.0
    assert f(33) == 68.0, "a default is not changed by a call"


def test_a_default_before_a_mandatory_input():
    x, y = T.dscalars("x", "y")
    f = function([In(x, value=1.0), y], x - y)
    assert f(y=3) == -2.0 and f(5, 3) == 2.0
    with pytest.raises(TypeError, match="Missing required input: y"):
        f(5)


def test_an_update_makes_a_state(mode):
    x, total = T.dscalars("x", "total")
    f = function([x, In(total, value=0.0, update=total + x)], total)
    assert [float(f(v)) for v in (1, 2, 3)] == [0.0, 1.0, 3.0]
    assert f[total] == 6.0
    f[total] = 100
    assert f(1) == 100.0 and f["total"] == 101.0
    assert f(1, 5) == 5.0 and f[1] == 6.0


def test_stored_values_by_variable_name_and_index():
    x, y, s = T.dscalar("x"), T.dscalar("y"), shared(7.0, "s")
    f = function([x, In(y, value=2.0)], x + y + s)
    assert f[y] == f["y"] == f[1] == 2.0 and f[s] == f["s"] == f[2] == 7.0
    assert f.value[y] == 2.0 and f.container[y].value == 2.0 and f.container["s"] is s.container
    f["y"] = 3.0
    assert f(0) == 10.0, "the value set is used once"
    assert f(0) == 9.0, "and then the default is back"
    f.value[s] = 1
    assert s.get_value() == 1.0 and f(0) == 3.0
    assert "y" in f and y in f and "q" not in f
    with pytest.raises(TypeError, match="Unknown input or state: q"):
        f["q"]
    with pytest.raises(TypeError, match="Wrong number of dimensions"):
        f[y] = [1.0]


def test_a_shared_variable_as_default():
    x, s = T.dscalar("x"), shared(2.0, "s")
    f = function([In(x, value=s)], x * 10)
    assert f() == 20.0
    s.set_value(3.0)
    assert f() == 30.0 and f(1.0) == 10.0 and s.get_value() == 3.0


def test_the_users_default_is_copied():
    v = T.dvector("v")
    default = np.zeros(2)
    f = function([In(v, value=default)], v + 1)
    default[:] = 5
    np.testing.assert_array_equal(f(), 1)


def test_param_warns_and_works():
    x, y = T.dscalars("x", "y")
    with pytest.warns(
        UserWarning, match=r"The Param class is deprecated. Replace Param\(default=N\) by In\(value=N\)"
    ):
        y_in = Param(y, default=1.0)
    assert function([x, y_in], x + y)(2) == 3.0
    with pytest.warns(UserWarning, match="deprecated"):
        assert function([x, Param(y, 5.0, name="other")], x + y)(2, other=1) == 3.0


def test_the_old_tuples():
    x, y = T.dscalars("x", "y")
    assert function([("a", x)], x * 2)(a=3) == 6.0
    assert function([(x, 4.0)], x * 2)() == 8.0
    assert function([("a", x, 4.0), y], x * y)(y=2) == 8.0
    counter = function([((x, x + 1), 0.0)], x)
    assert [float(counter()) for _ in range(3)] == [0.0, 1.0, 2.0]
    with pytest.raises(TypeError, match="Invalid input syntax"):
        function([("a", x, 1.0, 2.0)], x)


def test_strict_takes_nothing_but_the_very_dtype():
    v = T.dvector("v")
    f = function([In(v, strict=True)], v)
    np.testing.assert_array_equal(f(np.ones(2)), 1)
    for given in ([1.0, 2.0], np.ones(2, "float32")):
        with pytest.raises(TypeError, match="expected a ndarray object"):
            f(given)
    s = T.dscalar("s")
    with pytest.raises(TypeError, match="expected a ndarray object"):
        function([In(s, strict=True)], s)(1.0)


def test_allow_downcast_of_one_input():
    a, b = T.fvectors("a", "b")
    f = function([In(a, allow_downcast=True), b], a + b)
    f(np.ones(2), np.ones(2, "float32"))
    with pytest.raises(TypeError, match="at index 1"):
        f(np.ones(2), np.ones(2))
    g = function([In(a, allow_downcast=False), b], a + b, allow_input_downcast=True)
    with pytest.raises(TypeError, match="at index 0"):
        g(np.ones(2), np.ones(2))


def test_mutable_inputs_are_left_alone(mode):
    v = T.dvector("v")
    data = np.ones(3)
    np.testing.assert_array_equal(function([In(v, mutable=True)], v * 2)(data), 2)
    np.testing.assert_array_equal(data, 1)
    with pytest.raises(AssertionError, match="mutable=True asks for borrow=True"):
        In(v, mutable=True, borrow=False)


def test_what_in_and_out_refuse():
    x, v = T.dscalar("x"), T.dvector("v")
    with pytest.raises(TypeError, match="In takes a variable, got 3"):
        In(3)
    with pytest.raises(TypeError, match=r"Cannot convert Type TensorType\(float64, vector\)"):
        In(x, value=0.0, update=v)
    with pytest.raises(TypeError, match="Cannot use a shared variable"):
        function([In(shared(1.0, "w"))], x)
    with pytest.raises(TypeError, match="Bad input argument"):
        function([In(x, value=[1.0])], x)
    assert repr(In(x, value=1, update=x + 1)) == "In(x, value=1, update=Elemwise{add,no_inplace}.0)"
    assert repr(Out(x)) == "Out(x, borrow=False)"
    assert In(x).name == "x" and In(x, autoname=False).name is None and In(x, name="other").name == "other"


def test_an_unused_input_with_an_update_is_not_unused():
    x, n = T.dscalar("x"), T.lscalar("n")
    f = function([x, In(n, value=0, update=n + 1)], x)
    f(1.0), f(1.0)
    assert f[n] == 2
