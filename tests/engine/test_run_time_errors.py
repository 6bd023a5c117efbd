"""What an error in a run says in every mode: its class is the op's, its notes name the op, the line, the call."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import probgraph.engine.tensor as T
from probgraph.engine import config, function, scan


def line() -> int:
    return sys._getframe(1).f_lineno


def failing(call) -> tuple[Exception, str]:
    with pytest.raises(Exception) as caught:
        call()
    return caught.value, "\n".join(caught.value.__notes__)


def test_lengths_that_differ(mode):
    x, y = T.dvector("x"), T.dvector("y")
    total, made = x + y, line()
    error, notes = failing(lambda: function([x, y], total * 2, name="adder")([1, 2], [1, 2, 3]))
    assert type(error) is ValueError and "Input dimension mis-match" in str(error)
    assert "Apply node that caused the error: Elemwise{add,no_inplace}(x, y)" in notes
    assert "Inputs types: [TensorType(float64, vector), TensorType(float64, vector)]" in notes
    assert f"Made in {__file__}, line {made}\n" in notes
    assert (
        "In the function adder, which was given x: float64 of shape (2,); y: float64 of shape (3,)" in notes
    )
    assert "Hint: " in notes


def test_an_index_outside(mode):
    x, i = T.dvector("x"), T.lscalar("i")
    element, made = (x * 2)[i], line()
    error, notes = failing(lambda: function([x, i], T.exp(element))([1, 2], 5))
    assert type(error) is IndexError and "index 5 is out of bounds" in str(error)
    assert "Subtensor{int64}" in notes and f"Made in {__file__}, line {made}\n" in notes


def test_a_gathered_index_outside(mode):
    x, i = T.dvector("x"), T.lvector("i")
    gathered, made = x[i], line()
    error, notes = failing(lambda: function([x, i], T.exp(gathered).sum())([1, 2], [0, 1, 7]))
    assert type(error) is IndexError and f"Made in {__file__}, line {made}\n" in notes


def test_a_matrix_that_is_not_positive_definite(mode):
    m = T.dmatrix("m")
    factor, made = T.slinalg.cholesky(m), line()
    error, notes = failing(lambda: function([m], factor * 2)(-np.eye(2)))
    assert type(error) is np.linalg.LinAlgError and "Cholesky(m)" in notes
    assert f"Made in {__file__}, line {made}\n" in notes


def test_an_empty_maximum_and_a_reshape(mode):
    x, n = T.dvector("x"), T.lscalar("n")
    largest, made = T.max(x), line()
    error, notes = failing(lambda: function([x], largest)([]))
    assert type(error) is ValueError and f"Made in {__file__}, line {made}\n" in notes
    table, made = x.reshape((n, 2)), line()
    error, notes = failing(lambda: function([x, n], table)([1, 2, 3], 2))
    assert type(error) is ValueError and f"Made in {__file__}, line {made}\n" in notes


def test_inside_a_loop(mode):
    m, i = T.dmatrix("m"), T.lscalar("i")

    def step(row, total):
        return total + row[i]

    sums, _ = scan(step, sequences=m, outputs_info=T.constant(0.0))
    error, notes = failing(lambda: function([m, i], sums)(np.ones((2, 2)), 4))
    made = step.__code__.co_firstlineno + 1
    assert type(error) is IndexError and f"Made in {__file__}, line {made}\n" in notes


def test_where_rewrites_made_the_op_anew():
    x, y = T.dvector("x"), T.dvector("y")
    made = line() + 1
    soft = T.log(1 + T.exp(x + y))
    _, notes = failing(lambda: function([x, y], soft, mode="FAST_RUN")([1, 2], [1]))
    assert f"Made in {__file__}, line {made}\n" in notes


def test_numpy_shows_what_the_op_was_given():
    x, y = T.dvector("x"), T.dvector("y")
    _, notes = failing(lambda: function([x, y], x + y, mode="FAST_COMPILE")([1, 2], [1, 2, 3]))
    assert "Inputs shapes: [(2,), (3,)]" in notes and "Inputs values: [array([1., 2.])" in notes


def test_verbosity():
    x, y = T.dvector("x"), T.dvector("y")
    f = function([x, y], T.exp(x + y), mode="FAST_COMPILE")
    with config.change_flags(exception_verbosity="high"):
        _, notes = failing(lambda: f([1], [1, 2]))
    assert "The graph:\nElemwise{exp,no_inplace} [id A]" in notes
    _, notes = failing(lambda: f([1], [1, 2]))
    assert "[id A]" not in notes and "config.exception_verbosity = 'high'" in notes


def test_keywords_and_states_are_told_too():
    x, y = T.dvector("x"), T.dvector("y")
    _, notes = failing(lambda: function([x, y], x + y)(y=[1], x=[1, 2]))
    assert "which was given x: float64 of shape (2,); y: float64 of shape (1,)" in notes
