"""`function`: what it computes, what it updates, and what it refuses."""

from __future__ import annotations

import copy
import pickle
import sys
import threading
from collections import OrderedDict

import numpy as np
import pytest

import probgraph.engine as theano
import probgraph.engine.tensor as T
from probgraph.engine import (
    MissingInputError,
    Out,
    UnusedInputError,
    config,
    function,
    grad,
    pp,
    shared,
)

# ------------------------------------------------------------------------------------ results


def test_one_output_is_an_array_also_of_no_dimensions(mode):
    x = T.dscalar("x")
    result = function([x], x**2)(3.0)
    assert type(result) is np.ndarray and result.shape == () and result == 9.0


def test_lists_tuples_dicts_and_nothing(mode):
    x, y = T.dscalars("x", "y")
    assert function([x, y], [x + y, x - y])(3, 1) == [4.0, 2.0]
    assert isinstance(function([x], (x,))(3), list)
    result = function([x, y], {"sum": x + y, "difference": x - y})(3, 1)
    assert list(result) == ["difference", "sum"] and result == {"sum": 4.0, "difference": 2.0}
    w = shared(0.0, "w")
    assert function([x], None, updates=[(w, w + x)])(2) == []
    assert function([x], [], updates=[(w, w + x)])(2) == []
    assert w.get_value() == 4.0
    assert function([], [])() == []


def test_out_and_constant_outputs(mode):
    x = T.dvector("x")
    (result,) = function([x], [Out(x * 2, borrow=True)])([1.0, 2.0])
    np.testing.assert_array_equal(result, [2, 4])
    first = function([], T.constant([1.0, 2.0]))
    first()[:] = 7
    np.testing.assert_array_equal(first(), [1, 2])


def test_output_subset(mode):
    x = T.dscalar("x")
    f = function([x], [x, 2 * x, 3 * x])
    assert f(1.0, output_subset=[2, 0]) == [3.0, 1.0]
    g = function([x], {"a": x, "b": 2 * x})
    assert g(1.0, output_subset=["b"]) == {"b": 2.0}


def test_results_are_nobody_elses_array(mode):
    x = T.dmatrix("x")
    w = shared(np.arange(6.0).reshape(2, 3), "w")
    f = function([x], [x, x.T, x[0], x, w, w.T, w + x])
    given = np.ones((2, 3))
    results = f(given)
    for i, result in enumerate(results):
        assert not np.shares_memory(result, given)
        assert not np.shares_memory(result, w.get_value(borrow=True))
        assert not any(np.shares_memory(result, other) for other in results[:i])
        result[...] = -1
    np.testing.assert_array_equal(given, 1)
    np.testing.assert_array_equal(w.get_value(), np.arange(6.0).reshape(2, 3))


def test_the_results_of_one_call_survive_the_next(mode):
    x = T.dvector("x")
    f = function([x], x + 1)
    first = f([1.0, 2.0])
    f([5.0, 6.0])
    np.testing.assert_array_equal(first, [2, 3])


def test_the_tutorials_gradient(mode):
    x = T.dscalar("x")
    y = (x - 4) * (x**2 * 2 + 6)
    f = function([x], T.grad(y, x))
    assert [float(f(v)) for v in (0, 1, 2)] == [6.0, -4.0, -2.0]
    text = pp(f.maker.fgraph.outputs[0])
    words = text.replace("TensorConstant{", "(").replace("}", ")")
    for v in (-3.0, 0.0, 1.7, 1e3):
        value = eval(words, {"x": v, "sqr": lambda t: t * t})
        assert value == pytest.approx(float(f(v)), rel=1e-12)


def test_an_intermediate_variable_as_input(mode):
    x = T.dscalar("x")
    middle = T.exp(x)
    middle.name = "middle"
    f = function([middle], middle**2 + 1)
    assert f(3.0) == 10.0
    assert function([x, middle], x + middle)(1.0, 3.0) == 4.0


def test_a_graph_used_in_two_functions_is_not_changed(mode):
    x = T.dscalar("x")
    y = T.log(1 + T.exp(x))
    before = pp(y)
    assert function([x], y)(0.0) == pytest.approx(np.log(2))
    assert function([x], y + 1)(0.0) == pytest.approx(np.log(2) + 1)
    assert pp(y) == before


@pytest.mark.parametrize("value", [0.0, -0.0, np.inf, -np.inf, np.nan, 1e308, 5e-324])
def test_extreme_numbers_pass_unharmed(mode, value):
    x = T.dscalar("x")
    result = function([x], [x * 1, x + x])(value)
    np.testing.assert_array_equal(result, [value, value + value])
    assert np.signbit(result[0]) == np.signbit(value)


def test_empty_arrays_and_arrays_of_length_one(mode):
    x = T.dvector("x")
    f = function([x], [x * 2, x.sum()])
    assert f([])[0].shape == (0,) and f(np.zeros(0))[1] == 0.0
    assert f([3.0])[0].shape == (1,) and f([3.0])[1] == 3.0


def test_strided_and_reversed_arguments(mode):
    x = T.dmatrix("x")
    data = np.arange(24.0).reshape(4, 6)
    f = function([x], x * 2)
    for view in (data.T, data[::2, ::-1], np.asfortranarray(data), data[1:, 1:3]):
        np.testing.assert_array_equal(f(view), view * 2)


def test_another_byte_order(mode):
    x = T.dvector("x")
    np.testing.assert_array_equal(function([x], x + 1)(np.array([1.0, 2.0], dtype=">f8")), [2, 3])


def test_lengths_that_do_not_fit_are_an_error_that_names_something(mode):
    x, y = T.dvectors("x", "y")
    f = function([x, y], x + y)
    with pytest.raises(ValueError, match=r"(?s)3.*2|2.*3"):
        f(np.ones(3), np.ones(2))
    np.testing.assert_array_equal(f([1, 2], [3, 4]), [4, 6])


def test_broadcasting_is_decided_by_types(mode):
    m, n, r = T.dmatrix("m"), T.dmatrix("n"), T.drow("r")
    np.testing.assert_array_equal(
        function([m, r], m + r)(np.ones((2, 3)), np.ones((1, 3))), np.full((2, 3), 2)
    )
    with pytest.raises(TypeError, match="Wrong length"):
        function([m, r], m + r)(np.ones((2, 3)), np.ones((2, 3)))
    with pytest.raises(ValueError):
        function([m, n], m + n)(np.ones((2, 3)), np.ones((1, 3)))


# ------------------------------------------------------------------------------------ updates


def test_outputs_see_the_old_values(mode):
    a, b = T.dscalars("a", "b")
    w = shared(0.0, name="w")
    f = function([a, b], a + 2 * b + w, updates={w: w + 1})
    assert [float(f(2, 3)) for _ in range(5)] == [8, 9, 10, 11, 12]
    assert w.get_value() == 5.0


@pytest.mark.parametrize("form", [dict, OrderedDict, list, tuple, iter, lambda p: [list(q) for q in p]])
def test_updates_may_be_pairs_or_mappings(form):
    w, v = shared(1.0, "w"), shared(2.0, "v")
    function([], updates=form([(w, v), (v, w)]))()
    assert (w.get_value(), v.get_value()) == (2.0, 1.0)


def test_updates_are_simultaneous(mode):
    u, v = shared(np.array([1.0, 2.0]), "u"), shared(np.array([3.0, 4.0]), "v")
    step = function([], u + v, updates=[(u, v), (v, u + v)])
    for _ in range(3):
        step()
    np.testing.assert_array_equal(u.get_value(), [7, 10])
    np.testing.assert_array_equal(v.get_value(), [11, 16])
    assert not np.shares_memory(u.get_value(borrow=True), v.get_value(borrow=True))


def test_an_update_never_writes_into_an_array_somebody_holds(mode):
    w = shared(np.zeros(3), "w")
    x = T.dvector("x")
    held = w.get_value(borrow=True)
    given = np.ones(3)
    out = function([x], w, updates=[(w, x)])(given)
    np.testing.assert_array_equal(held, 0)
    np.testing.assert_array_equal(out, 0)
    given[:] = 9
    np.testing.assert_array_equal(w.get_value(), 1)


def test_an_output_that_is_also_an_update(mode):
    w = shared(np.ones(3), "w")
    new = w * 2
    result = function([], [new, new], updates=[(w, new)])()
    result[0][:] = 0
    np.testing.assert_array_equal(result[1], 2)
    np.testing.assert_array_equal(w.get_value(), 2)


def test_an_update_may_change_lengths(mode):
    w = shared(np.arange(2.0), "w")
    grow = function([], updates=[(w, T.concatenate([w, w]))])
    grow()
    grow()
    np.testing.assert_array_equal(w.get_value(), np.tile([0.0, 1.0], 4))


def test_numbers_as_updates(mode):
    w, n = shared(1.5, "w"), shared(1, "n")
    function([], updates=[(w, 3), (n, 7)])()
    assert w.get_value() == 3.0 and w.get_value().dtype == np.float64
    assert n.get_value() == 7 and n.get_value().dtype == np.int64


def test_a_failing_call_updates_nothing(mode):
    w = shared(0.0, "w")
    x, y = T.dvectors("x", "y")
    f = function([x, y], (x + y).sum(), updates=[(w, w + 1)])
    with pytest.raises(ValueError):
        f([1, 2], [1, 2, 3])
    assert w.get_value() == 0.0


def test_default_updates():
    w = shared(0.0, "w")
    w.default_update = w + 1
    x = T.dscalar("x")
    function([x], x + w)(1.0)
    assert w.get_value() == 1.0
    function([x], x + w, no_default_updates=True)(1.0)
    function([x], x + w, no_default_updates=[w])(1.0)
    assert w.get_value() == 1.0
    function([x], x + w, updates=[(w, w * 10)])(1.0)
    assert w.get_value() == 10.0
    v = shared(0.0, "v")
    v.default_update = v + w  # brings in w and what happens to it
    function([], v)()
    assert (v.get_value(), w.get_value()) == (10.0, 11.0)
    with pytest.raises(TypeError, match="no_default_update should be either a boolean or a list"):
        function([], v, no_default_updates="yes")


def test_the_tutorials_loop(mode):
    for floatx, end in (("float32", 0.98999995552), ("float64", 0.9900000000000014)):
        with config.change_flags(floatX=floatx):
            x = shared(-1.0, name="x")
            f = function([], (x - 1.0) ** 4, updates={x: x + 0.01})
            previous, current = np.inf, float(f())
            while abs(previous - current) >= 1e-6:
                previous, current = current, float(f())
            assert x.get_value().dtype == np.float64
            assert f"{float(x.get_value()):.11g}" == f"{end:.11g}"
    assert float(x.get_value()) == 0.9900000000000014


def test_ten_thousand_steps_down_rosenbrocks_valley():
    x, y = shared(2.0, "x"), shared(2.0, "y")
    cost = (1 - x) ** 2 + 100 * (y - x**2) ** 2
    gx, gy = grad(cost, [x, y])
    step = function([], cost, updates=[(x, x - 0.001 * gx), (y, y - 0.001 * gy)])
    for _ in range(10_000):
        step()
    assert round(float(x.get_value()), 3) == 1.008
    assert round(float(y.get_value()), 3) == 1.016


def test_logistic_regression_fits_its_training_set():
    rng = np.random.default_rng(42)
    samples, features = 400, 784
    data = rng.normal(size=(samples, features)), rng.integers(0, 2, samples).astype("float64")
    x, y = T.dmatrix("x"), T.dvector("y")
    w, b = shared(rng.normal(size=features), "w"), shared(0.0, "b")
    p = 1 / (1 + T.exp(-T.dot(x, w) - b))
    cost = (-y * T.log(p) - (1 - y) * T.log(1 - p)).mean() + 0.01 * (w**2).sum()
    gw, gb = grad(cost, [w, b])
    train = function([x, y], cost, updates=[(w, w - 0.1 * gw), (b, b - 0.1 * gb)])
    first = train(*data)
    for _ in range(10_000):
        last = train(*data)
    assert last < first / 10
    assert (function([x], p > 0.5)(data[0]) == data[1]).all()


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda w, y: {y: w}, TypeError, "update target must be a SharedVariable"),
        (lambda w, y: [(w, w + 1), (w, w + 2)], ValueError, "this shared variable already has an update"),
        (lambda w, y: (w, w + 1), ValueError, "updates parameter must be an OrderedDict/dict or a list"),
        (lambda w, y: w, ValueError, "updates parameter must be an OrderedDict/dict or a list"),
        (lambda w, y: {w}, ValueError, "updates parameter must be an OrderedDict/dict or a list"),
        (lambda w, y: [(w, T.dvector("v"))], TypeError, "An update must have the same type as the original"),
        (lambda w, y: [(w, "text")], TypeError, "An update must have the same type as the original"),
    ],
)
def test_updates_that_are_refused(make, kind, message):
    w, y = shared(1.0, "w"), T.dscalar("y")
    with pytest.raises(kind, match=message):
        function([y], y, updates=make(w, y))


def test_an_update_is_never_converted_silently():
    single, double, whole = shared(np.float32(1), "single"), shared(1.0, "double"), shared(1, "whole")
    for target, value in ((single, double + 0.5), (double, whole + 1), (whole, double)):
        with pytest.raises(TypeError, match=f"shared_var={target.name}.*astype\\('{target.dtype}'\\)"):
            function([], updates=[(target, value)])
    function([], updates=[(single, (double + 0.5).astype("float32"))])()
    assert single.get_value() == 1.5 and single.get_value().dtype == np.float32


# ------------------------------------------------------------------------------------ givens


def test_givens(mode):
    a, b, w1 = T.dscalars("a", "b", "w1")
    c = a + w1 * b
    assert function([a, b], c, givens=[(w1, -2.0)])(2, 3) == -4.0
    assert function([a, b], c, givens={w1: 3})(2, 3) == 11.0
    assert function([a, b], c, givens={w1: np.float64(0.5)})(2, 3) == 3.5
    w2 = shared(10.0, "w2")
    assert function([a, b], c, givens={w1: w2})(2, 3) == 32.0
    assert function([a, b], c, givens={w1: a * b})(2, 3) == 20.0
    assert function([b], c, givens={w1: b, a: b + 1})(3) == 13.0


def test_givens_replace_shared_intermediate_and_constant_variables(mode):
    x, w = T.dscalar("x"), shared(5.0, "w")
    assert function([x], x + w, givens={w: x * 2})(1) == 3.0
    middle = T.exp(x)
    assert function([x], middle + x, givens={middle: x})(2) == 4.0
    ten = T.constant(10.0)
    assert function([x], x * ten, givens={ten: 2.0})(3) == 6.0


def test_givens_reach_the_updates(mode):
    x, w = T.dscalar("x"), shared(1.0, "w")
    function([], updates={w: w + x}, givens={x: 4.0})()
    assert w.get_value() == 5.0


def test_givens_that_are_refused():
    x, y, z = T.dscalars("x", "y", "z")
    v = T.dvector("v")
    with pytest.raises(
        RuntimeError, match="replace variable 'x' through the `givens` parameter, but this variable"
    ):
        function([x], x + y, givens={x: 1.0})
    with pytest.raises(
        TypeError, match=r"Cannot convert Type TensorType\(float64, vector\) \(of Variable v\)"
    ):
        function([v], x + 1, givens={x: v})
    with pytest.raises(TypeError, match=r"Cannot convert Type TensorType.float32, scalar."):
        function([], x + 1, givens={x: T.fscalar("single") + 1})
    with pytest.raises(AssertionError, match="you can not have a new_v variable depend on an old_v"):
        function([z], x + y, givens=[(y, x + 1), (x, z)])
    with pytest.raises(AssertionError, match="several"):
        function([z], x + y, givens=[(x, z), (x, z + 1)])
    with pytest.raises(TypeError, match="given keys must be Variable"):
        function([x], x, givens={"x": 1.0})
    with pytest.raises(ValueError, match="givens parameter is a dict or a list of pairs"):
        function([x], x + y, givens=[y, 1.0])
    with pytest.raises(TypeError):
        function([x], x + y, givens={y: [1.0, 2.0]})


def test_rebuild_strict_false_lets_types_change(mode):
    x, v = T.dscalar("x"), T.dvector("v")
    f = function([v], x * 2, givens={x: v}, rebuild_strict=False)
    np.testing.assert_array_equal(f([1.0, 2.0]), [2, 4])


# ------------------------------------------------------------------------------------ inputs that are refused


def test_what_can_be_an_input():
    x, w2 = T.dscalar("x"), shared(1.0, "w2")
    with pytest.raises(TypeError, match="should be contained in a list, even when there is a single input"):
        function(x, x)
    with pytest.raises(
        TypeError,
        match=r"^Cannot use a shared variable \(w2\) as explicit input. Consider substituting a non-shared "
        r"variable via the `givens` parameter$",
    ):
        function([x, w2], x + w2)
    with pytest.raises(TypeError, match="Constants not allowed in param list"):
        function([T.constant(1.0)], x)
    with pytest.raises(TypeError, match="Unknown parameter type: <class 'int'>"):
        function([1], x)
    with pytest.raises(
        UnusedInputError, match="Variable x is used twice in inputs to function, at indices 0 and 1"
    ):
        function([x, x], x)


def test_two_inputs_of_one_name_are_legal_until_the_name_is_used():
    x, other = T.dscalar("x"), T.dscalar("x")
    f = function([x, other], x - other)
    assert f(3, 1) == 2.0
    with pytest.raises(TypeError, match="Ambiguous name: x"):
        f(3, x=1)


def test_what_can_be_an_output():
    x = T.dscalar("x")
    with pytest.raises(
        TypeError, match=r"Outputs must be Variable or Out instances. Received foo of type <class 'str'>"
    ):
        function([x], "foo")
    with pytest.raises(TypeError, match="Received 3 of type <class 'int'>"):
        function([x], [x, 3])
    with pytest.raises(AssertionError, match="keys of a dictionary of outputs are strings"):
        function([x], {1: x})


def test_missing_inputs_are_named():
    x, y = T.dscalars("x", "y")
    with pytest.raises(
        MissingInputError,
        match=r"(?s)Input 1 of the graph .*was not provided.*variable y to.*test_function.py",
    ):
        function([x], x + y)
    with pytest.raises(MissingInputError, match="Undeclared input: y"):
        function([x], [x, y])
    w = shared(1.0, "w")
    with pytest.raises(MissingInputError, match="variable y"):
        function([x], x, updates=[(w, w + y)])


def test_unused_inputs():
    x, y = T.dscalars("x", "y")
    with pytest.raises(
        UnusedInputError, match=r"(?s)at index 1 is not part of .* outputs: y\..*on_unused_input='warn'"
    ):
        function([x, y], x)
    with pytest.warns(UserWarning, match="at index 1 is not part of the computational graph"):
        function([x, y], x, on_unused_input="warn")
    assert function([x, y], x, on_unused_input="ignore")(1, 2) == 1.0
    with pytest.raises(ValueError, match="on_unused_input is 'raise', 'warn' or 'ignore', got 'never'"):
        function([x], x, on_unused_input="never")
    with config.change_flags(on_unused_input="ignore"):
        assert function([x, y], x)(1, 2) == 1.0
    w = shared(0.0, "w")
    function([x, y], x, updates=[(w, y)])(1, 2)  # used by an update
    assert w.get_value() == 2.0
    # x disappears in the rewriting, but it is part of what was asked for
    assert function([x, y], T.zeros_like(x) + y)(1, 2) == 2.0


# ------------------------------------------------------------------------------------ calls


def test_calls_by_name(mode):
    x, y = T.dscalars("x", "y")
    f = function([x, y], x - y)
    assert f(3, y=1) == f(y=1, x=3) == f(3, 1) == 2.0


def test_calls_that_are_refused():
    x, y, unnamed, w = T.dscalar("x"), T.dscalar("y"), T.dscalar(), shared(1.0, "w")
    f = function([x, y, unnamed], x + y + unnamed + w)
    with pytest.raises(TypeError, match="Missing required input: y"):
        f(1)
    with pytest.raises(
        TypeError, match=r"Too many parameter passed to probgraph function .*3 inputs .*4 were given"
    ):
        f(1, 2, 3, 4)
    with pytest.raises(TypeError, match="Multiple values for input: x"):
        f(1, 2, 3, x=1)
    with pytest.raises(TypeError, match="Tried to provide value for implicit input: w"):
        f(1, 2, 3, w=1)
    with pytest.raises(
        TypeError,
        match=r"^Unknown input or state: q. The function has 3 named inputs \(x, y, w\), and 1 unnamed input which "
        r"thus cannot be accessed through keyword argument \(use 'name=...' in a variable's constructor to give it "
        r"a name\).$",
    ):
        f(1, 2, 3, q=1)
    with pytest.raises(
        TypeError, match="Expected an array-like object, but found a Variable: maybe you are trying"
    ):
        f(x, 2, 3)


def test_the_name_of_a_function_stands_in_its_errors():
    x = T.fvector("x")
    f = function([x], x * 2)
    assert f.name.endswith("test_function.py:" + f.name.rsplit(":")[-1]) and f.name.rsplit(":")[-1].isdigit()
    with pytest.raises(
        TypeError,
        match=rf'Bad input argument to probgraph function with name "{f.name}" at index 0 \(0-based\), input x. '
        r"TensorType\(float32, vector\) cannot store a value of dtype float64 without risking loss of precision. "
        r'.*set "allow_input_downcast=True" when calling "function"',
    ):
        f(np.ones(2))
    with pytest.raises(TypeError, match='name "twice" at index 0'):
        function([x], x * 2, name="twice")(np.ones(2))


def test_allow_input_downcast(mode):
    v, s = T.fvector("v"), T.fscalar("s")
    default, allowed = function([v], v), function([v], v, allow_input_downcast=True)
    np.testing.assert_array_equal(allowed(np.array([0.1])), np.float32([0.1]))
    np.testing.assert_array_equal(default(np.array([3], dtype="int16")), [3])
    with pytest.raises(TypeError, match="cannot store a value of dtype int64"):
        default(np.array([3]))
    with pytest.raises(
        TypeError, match=r"cannot store accurately value \[0.1, 0.2\], it would be represented as"
    ):
        default([0.1, 0.2])
    np.testing.assert_array_equal(default([0.5, 2]), [0.5, 2])
    with pytest.raises(
        TypeError, match=r"Wrong number of dimensions: expected 1, got 2 with shape \(1, 2\)."
    ):
        default(np.ones((1, 2), "float32"))
    with pytest.raises(ValueError, match="cannot store the text"):
        default("hello")
    with pytest.raises(TypeError, match="ragged"):
        default([[1.0], [1.0, 2.0]])
    with pytest.raises(TypeError, match="cannot store accurately"):
        function([s], s)(0.1)
    with config.change_flags(floatX="float32"):
        assert function([s], s)(0.1) == np.float32(0.1)
        with pytest.raises(TypeError, match="cannot store accurately"):
            function([s], s, allow_input_downcast=False)(0.1)
        with pytest.raises(TypeError, match="cannot store a value of dtype float64"):
            function([s], s)(np.float64(0.1))


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("int32", 2.0),
        ("int8", 127),
        ("float64", 2**53),
        ("int64", -(2**62)),
        ("bool", True),
        ("complex64", 1j),
    ],
)
def test_numbers_that_are_exactly_representable_are_taken(mode, dtype, value):
    x = T.TensorType(dtype, ())("x")
    result = function([x], x)(value)
    assert result.dtype == dtype and result == value


@pytest.mark.parametrize(
    ("dtype", "value"), [("int32", 1.5), ("int8", 128), ("float64", 2**53 + 1), ("int64", 2**63), ("bool", 2)]
)
def test_numbers_that_are_not_are_refused(dtype, value):
    x = T.TensorType(dtype, ())("x")
    with pytest.raises(TypeError, match="Bad input argument"):
        function([x], x)(value)


def test_trust_input():
    x = T.dscalar("x")
    f = function([x], x * 2)
    assert f.trust_input is False
    f.trust_input = True
    assert f(np.array(3.0)) == 6.0
    f.trust_input = False
    with pytest.raises(TypeError):
        f([3.0])


def test_one_function_in_many_threads():
    x = T.dvector("x")
    f = function([x], (x * 2).sum())
    wrong = []

    def work(k):
        data = np.full(100 + k, float(k))
        for _ in range(2000):
            if f(data) != 2.0 * k * (100 + k):
                wrong.append(k)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    finally:
        sys.setswitchinterval(interval)
    assert not wrong


# ------------------------------------------------------------------------------------ functions as objects


def test_maker_and_get_shared():
    x, w, v = T.dscalar("x"), shared(1.0, "w"), shared(2.0, "v")
    f = function([x], x * w, updates=[(v, x)], name="f")
    assert f.get_shared() == [w, v]
    assert f.maker.fgraph.inputs[0] is x and len(f.maker.fgraph.outputs) == 2
    assert repr(f) == "<probgraph function f (x)>" and f.name == "f"
    assert f.maker.fgraph.toposort()


def test_copies(mode):
    x, w, other = T.dscalar("x"), shared(1.0, "w"), shared(10.0, "other")
    f = function([x], x + w, updates=[(w, w + 1)], name="f")
    swapped = f.copy(swap={w: other})
    assert swapped(1) == [11.0]  # a list, as Theano's
    assert (w.get_value(), other.get_value()) == (1.0, 11.0)
    still = f.copy(delete_updates=True, name="still")
    assert still(1) == [2.0] and still(1) == [2.0] and w.get_value() == 1.0 and still.name == "still"
    assert f(1) == 2.0 and w.get_value() == 2.0
    assert copy.copy(f)(1) == [3.0]
    assert f.copy(swap={"w": other})(0) == [11.0]
    with pytest.raises(TypeError, match=r"copy: w is a .* swapped for a shared variable of that type only"):
        f.copy(swap={w: shared(np.ones(2), "v")})
    with pytest.raises(ValueError, match="other is not a shared variable of f"):
        f.copy(swap={other: w})


def test_pickles(mode):
    x, w = T.dscalar("x"), shared(1.0, "w")
    f = function(
        [x, theano.In(T.dscalar("unused"), value=2.0)],
        T.exp(x) + w,
        updates=[(w, w + 1)],
        on_unused_input="ignore",
    )
    f(0.0)
    g = pickle.loads(pickle.dumps(f))
    assert g(0.0) == 3.0 and g(0.0) == 4.0
    assert w.get_value() == 2.0, "the unpickled function has a shared variable of its own"
    assert f(0.0) == 3.0


def test_profile():
    x = T.dscalar("x")
    f = function([x], x * 2, profile=True, name="double")
    assert f.profile.summary() == "double: 0 calls"
    f(1.0), f(x=1.0)
    assert f.profile.calls == 2 and f.profile.summary().startswith("double: 2 calls, ")
    assert function([x], x).profile is None
    assert function([x], x, profile="mine").profile.message == "mine"


def test_explain():
    x = T.dvector("x")
    f = function([x], T.log(1 + T.exp(x)) * 1, name="f")
    text = f.explain()
    assert repr(text) == str(text)
    assert "function f" in text and "as given" in text and "softplus" in text and "x * 1 → x" in text
    plain = function([x], x + 1, mode="FAST_COMPILE").explain()
    assert "runs in NumPy" in plain and "=== the C" not in plain
    if "runs in C" in text:
        assert "=== the loops" in text and "for " in text and "=== the C" in text and "log1p" in text


def test_a_graph_of_a_hundred_thousand_operations():
    x = T.dscalar("x")
    y = x
    for _ in range(100_000):
        y = y + x
    f = function([x], y, mode="FAST_COMPILE")
    assert f(1.0) == 100_001.0
