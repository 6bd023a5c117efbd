"""Values insisted on and printed while a graph runs, in every mode."""

from __future__ import annotations

import numpy as np
import pytest

import probgraph.engine as theano
import probgraph.engine.tensor as T
from probgraph.engine.assertions import Assert, CheckAndRaise, Print, assert_op
from probgraph.engine.function import function
from probgraph.engine.graph import toposort
from probgraph.engine.modes import Mode
from probgraph.engine.rules import FAST_RUN, WITHOUT_ASSERTIONS
from probgraph.engine.scanning import scan
from probgraph.engine.vectorize import vectorize_graph

MODES = ("FAST_RUN", "FAST_COMPILE", "DebugMode")
x, s = T.dvector("x"), T.dscalar("s")
X = np.array([1.0, 2.0])


@pytest.mark.parametrize("mode", MODES)
def test_an_assertion(mode):
    y = Assert("all are positive, {x}%")(T.log(x), x > 0, s < 5)
    f = function([x, s], [y.sum(), y * 2], mode=mode)
    np.testing.assert_allclose(f(X, 1.0)[1], 2 * np.log(X))
    for bad in ((np.array([1.0, -1.0]), 1.0), (X, 7.0), (np.array([np.nan]), 1.0)):
        with pytest.raises(AssertionError, match=r"^all are positive, \{x\}%"):
            f(*bad)
    with pytest.raises(AssertionError):  # also where there is no element
        f(np.zeros(0), 7.0)
    assert f(np.zeros(0), 1.0)[1].shape == (0,)


def test_assertions_are_compiled():
    f = function([x], Assert("finite")(T.exp(x), ~T.isinf(T.exp(x).sum())) + 1)
    assert f.maker.executable.backend == "C"
    with pytest.raises(AssertionError, match="^finite"):
        f(np.array([1e308]))


@pytest.mark.parametrize("mode", MODES)
def test_other_exceptions(mode):
    y = CheckAndRaise(IndexError, "too many")(x, x.shape[0] < 3)
    f = function([x], y.sum(), mode=mode)
    assert f(X) == 3
    with pytest.raises(IndexError, match="too many"):
        f(np.zeros(3))


def test_gradients_go_through():
    y = Assert("positive")(x**2, x > 0)
    g = T.grad(y.sum(), x)
    assert function([x], g)(X).tolist() == [2, 4]
    with pytest.raises(theano.DisconnectedInputError):
        T.grad(Assert()(s, x > 0), x)


@pytest.mark.parametrize("mode", MODES)
def test_in_a_loop_and_over_a_batch(mode):
    rows, _ = scan(lambda v, total: Assert("below 4")(total + v, total + v < 4), x, T.constant(0.0))
    f = function([x], rows, mode=mode)
    assert f(X).tolist() == [1, 3]
    with pytest.raises(AssertionError, match="below 4"):
        f([1.0, 2.0, 3.0])
    many = vectorize_graph(assert_op(s * 2, s > 0), {s: x})
    f = function([x], many, mode=mode)
    assert f(X).tolist() == [2, 4]
    with pytest.raises(AssertionError, match="Theano Assert failed!"):
        f([1.0, 0.0])


def test_conditions_that_are_numbers():
    assert Assert("yes")(x, 1, True, np.array([1, 2])).eval({x: X}).tolist() == [1, 2]
    for mode in MODES:
        with pytest.raises(AssertionError, match="no"):
            function([x], Assert("no")(x, np.array([1, 0])), mode=mode)(X)
    assert Assert("no condition")(x).eval({x: X}).tolist() == [1, 2]


def test_assertions_can_be_left_out():
    y = T.exp(Assert("positive")(x, x > 0))
    f = function([x], y, mode=Mode("c", [*FAST_RUN, *WITHOUT_ASSERTIONS]))
    assert f([-1.0]) == np.exp(-1.0)
    assert len(toposort(f.maker.fgraph.outputs)) == 1


def test_a_length_may_depend_on_an_assertion():
    n = T.lscalar("n")
    f = function([n], T.zeros(Assert("small")(n, n < 4)))
    assert f(3).shape == (3,)
    with pytest.raises(AssertionError, match="small"):
        f(5)


def test_what_assertions_refuse():
    with pytest.raises(TypeError, match="`exc_type` must be an Exception type, got 3"):
        CheckAndRaise(3)
    with pytest.raises(TypeError, match="takes a value and the conditions"):
        Assert("m")()
    assert Assert("m") == Assert("m") != Assert("n")
    assert CheckAndRaise(ValueError, "m") != CheckAndRaise(TypeError, "m")
    assert str(Assert("m")) == "Assert{msg='m'}"
    assert str(CheckAndRaise(ValueError, "m")) == "CheckAndRaise{ValueError(m)}"
    assert theano.raise_op.Assert is T.opt.Assert is T.Assert is Assert


# ------------------------------------------------------------------------------------ printing


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_print(mode, capsys):
    y = Print("x is", attrs=["__str__", "shape"])(x * 2)
    f = function([x], [y + 1, y.sum()], mode=mode)
    assert capsys.readouterr().out == ""
    assert f(X)[0].tolist() == [3, 5]
    assert capsys.readouterr().out == "x is __str__ = [2. 4.]\nx is shape = (2,)\n"
    f(X)
    assert capsys.readouterr().out.count("shape") == 1
    if mode == "FAST_RUN":
        assert f.maker.executable.backend.startswith("C, with Python in between for Print{message='x is'")


def test_print_in_a_loop_and_of_gradients(capsys):
    rows, _ = scan(lambda v: Print("row")(v) ** 2, x)
    f = function([x], T.grad(rows.sum(), x))
    assert f(X).tolist() == [2, 4]
    capsys.readouterr()
    assert function([x], rows)(X).tolist() == [1, 4]
    assert capsys.readouterr().out == "row __str__ = 1.0\nrow __str__ = 2.0\n"
    assert vectorize_graph(Print("batch")(s), {s: x}).eval({x: X}).tolist() == [1, 2]
    assert capsys.readouterr().out == "batch __str__ = [1. 2.]\n"


def test_print_of_something_else():
    seen = []
    y = Print("mine", "max", global_fn=lambda op, value: seen.append((op.message, op.attrs, value.tolist())))(
        x
    )
    function([x], y + 1)(X)
    assert seen == [("mine", ("max",), [1, 2])]
    assert theano.printing.Print is theano.Print is Print
    assert Print("a") == Print("a") != Print("b")
    assert str(Print("a")) == "Print{message='a', attrs=('__str__',)}"
