"""argmax, argmin and places for each row, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from probgraph.engine.autodiff import grad
from probgraph.engine.ops import selection
from probgraph.engine.toolchain import find_compiler
from probgraph.engine.types import TensorType
from probgraph.engine.vectorize import vectorize_graph
from tests.engine.op_cases import Case, check_compiled, check_gradient, check_values
from tests.engine.ops.along_axis_cases import CUBE, HARD, REALS, SMALL, check_everywhere, of_dtype

compiled = pytest.mark.skipif(find_compiler() is None, reason="needs a C compiler")
PLACES = np.array([[0, 2, -1], [1, 1, 0], [3, -4, 2]])

CASES = [
    Case(f"{name} axis={axis} keepdims={keep} {number}", lambda x, f=name, a=axis, k=keep: getattr(selection, f)(x, a, k),
         lambda x, f=name, a=axis, k=keep: getattr(np, f)(x, axis=a, keepdims=k), (x,), differentiable=False)
    for name in ("argmax", "argmin")
    for keep in (False, True)
    for number, (x, axis) in enumerate([(HARD, None), (HARD, 0), (HARD, -1), (CUBE, 1), (CUBE, None), (CUBE[:, :, :1], 2), (np.array([5.0]), None)])
]  # fmt: skip

PARTS = [
    Case(
        "take",
        lambda x, i: selection.take_along_axis(x, i, 1),
        lambda x, i: np.take_along_axis(x, i, 1),
        (SMALL, PLACES),
    ),
    Case(
        "take of columns",
        lambda x, i: selection.take_along_axis(x, i, 0),
        lambda x, i: np.take_along_axis(x, i, 0),
        (SMALL, np.array([[0, 1, 2, -1]])),
    ),
    Case(
        "take of all",
        lambda x, i: selection.take_along_axis(x, i, None),
        lambda x, i: np.take_along_axis(x, i, None),
        (SMALL, np.array([11, 0, 0])),
    ),
    Case(
        "put",
        lambda x, i: selection.put_along_axis(x, i, x[:, :2] * 2, 1),
        lambda x, i: _put(x, i, x[:, :2] * 2),
        (SMALL, np.array([[0, 2], [1, 0], [3, 2]])),
    ),
]


def _put(x, i, values):
    x = np.array(x)
    np.put_along_axis(x, i, values, 1)
    return x


@pytest.mark.parametrize("case", [*CASES, *PARTS], ids=lambda c: c.name)
def test_values(case):
    check_values(case)


@pytest.mark.parametrize("case", PARTS, ids=lambda c: c.name)
def test_gradients(case):
    check_gradient(case, twice=True)


@compiled
def test_compiled():
    check_compiled([*CASES, *PARTS])


@compiled
@pytest.mark.parametrize("dtype", REALS)
def test_every_dtype(dtype):
    check_everywhere(
        lambda x: [selection.argmax(x, 1), selection.argmin(x, 0), *selection.max_and_argmax(x)],
        lambda x: [np.argmax(x, 1), np.argmin(x, 0), np.max(x), np.asarray(np.argmax(x))],
        of_dtype(dtype),
    )


def test_several_axes_count_as_one():
    x = TensorType("float64", (None, None, None))("x")
    got = selection.argmax(x, (0, 2)).eval({x: CUBE})
    np.testing.assert_array_equal(got, np.moveaxis(CUBE, 1, 0).reshape(3, -1).argmax(1))


def test_its_gradient_is_zero():
    x = TensorType("float64", (None,))("x")
    y = selection.argmax(x).astype("float64") * x.sum()
    np.testing.assert_array_equal(grad(y, x).eval({x: np.array([1.0, 3.0, 2.0])}), np.ones(3))


def test_nothing_to_choose_from():
    x = TensorType("float64", (None,))("x")
    with pytest.raises(ValueError, match="Argmax: there are no elements"):
        selection.argmax(x).eval({x: np.zeros(0)})
    with pytest.raises(ValueError, match="Argmin: there are no elements"):
        selection.argmin(TensorType("float64", (2, 0))("y"), 1)
    y = TensorType("float64", (None, None))("y")
    assert selection.argmax(y, 1).eval({y: np.zeros((0, 3))}).shape == (0,)


def test_what_is_refused():
    z, x = TensorType("complex128", (None,))("z"), TensorType("float64", (None,))("x")
    with pytest.raises(TypeError, match="argmax is not defined for complex"):
        selection.argmax(z)
    with pytest.raises(ValueError, match="axis 1 does not exist"):
        selection.argmin(x, 1)
    with pytest.raises(IndexError, match="indices are integers"):
        selection.take_along_axis(x, x)
    with pytest.raises(ValueError, match="same number of dimensions"):
        selection.take_along_axis(x, PLACES, 0)
    with pytest.raises(IndexError, match="index 7 is out of bounds"):
        selection.take_along_axis(x, np.array([7])).eval({x: np.zeros(3)})


def test_over_new_leading_dimensions():
    x, wide = TensorType("float64", (None, None))("x"), TensorType("float64", (None, None, None))("w")
    y = vectorize_graph(selection.argmax(x, 0), {x: wide})
    np.testing.assert_array_equal(y.eval({wide: CUBE}), CUBE.argmax(1))
