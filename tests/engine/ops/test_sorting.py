"""Sorting, orders, the first few and places in what is sorted, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from probgraph.engine.ops import sorting
from probgraph.engine.toolchain import find_compiler
from probgraph.engine.types import TensorType
from probgraph.engine.vectorize import vectorize_graph
from tests.engine.op_cases import Case, check_compiled, check_gradient, check_values
from tests.engine.ops.along_axis_cases import CUBE, HARD, REALS, SMALL, check_everywhere, of_dtype

compiled = pytest.mark.skipif(find_compiler() is None, reason="needs a C compiler")
GRID = np.array([-2.0, 0.0, 0.0, 1.5, np.inf, np.nan])
POINTS = np.array([[-3.0, -2.0, 0.0], [1.4, np.inf, np.nan], [-np.inf, 2.0, -0.0]])

SORTS = [
    Case(f"sort axis={axis} {number}", lambda x, a=axis: sorting.sort(x, a), lambda x, a=axis: np.sort(x, a), (x,))
    for number, (x, axis) in enumerate([(SMALL, -1), (SMALL, 0), (SMALL, None), (CUBE, 1), (np.zeros((2, 0)), 1), (np.array([5.0]), 0)])
] + [
    Case("largest", lambda x: sorting.topk(x, 2, 0), lambda x: np.sort(x, 0)[:0:-1], (SMALL,)),
    Case("smallest", lambda x: sorting.topk(x, -3), lambda x: np.sort(x, -1)[:, :3], (SMALL,)),
]  # fmt: skip

PLACES = [
    Case(f"argsort axis={axis} {number}", lambda x, a=axis: sorting.argsort(x, a),
         lambda x, a=axis: np.argsort(x, a, kind="stable"), (x,), differentiable=False)
    for number, (x, axis) in enumerate([(HARD, -1), (HARD, 0), (HARD, None), (CUBE, 1), (np.zeros((0, 2)), 0)])
] + [
    Case("sort with nan", lambda x: sorting.sort(x), lambda x: np.sort(x), (HARD,), differentiable=False),
    Case("argtopk", lambda x: sorting.argtopk(x, 2, 1, idx_dtype="int32"),
         lambda x: np.argsort(x, 1)[:, :-3:-1].astype("int32"), (SMALL,), differentiable=False),
] + [
    Case(f"searchsorted {side}", lambda a, v, s=side: sorting.searchsorted(a, v, s),
         lambda a, v, s=side: np.searchsorted(a, v, s), (GRID, POINTS), differentiable=False)
    for side in ("left", "right")
]  # fmt: skip


@pytest.mark.parametrize("case", [*SORTS, *PLACES], ids=lambda c: c.name)
def test_values(case):
    check_values(case)


@pytest.mark.parametrize("case", SORTS, ids=lambda c: c.name)
def test_gradients(case):
    check_gradient(case, twice=True)


@compiled
def test_compiled():
    check_compiled([*SORTS, *PLACES])


@compiled
@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize("n", [16, 17, 33, 500])
def test_every_dtype(dtype, n):
    check_everywhere(
        lambda x: [sorting.sort(x), sorting.argsort(x), sorting.sort(x, 0)],
        lambda x: [np.sort(x), np.argsort(x, kind="stable"), np.sort(x, 0)],
        of_dtype(dtype, (3, n)),
    )


@compiled
@pytest.mark.parametrize("dtype", REALS)
def test_searchsorted_of_every_dtype(dtype):
    x = of_dtype(dtype)[0]
    for side in ("left", "right"):
        check_everywhere(
            lambda a, v, s=side: sorting.searchsorted(a, v, s),
            lambda a, v, s=side: np.searchsorted(a, v, s),
            np.sort(x),
            x,
        )


def test_searchsorted_by_an_order_and_of_a_scalar():
    a, v = TensorType("float64", (None,))("a"), TensorType("int64", ())("v")
    value = np.array([3.0, 1.0, 2.0])
    found = sorting.searchsorted(a, v, sorter=sorting.argsort(a))
    assert found.eval({a: value, v: np.int64(2)}) == 1
    assert sorting.searchsorted(a, v).eval({a: np.zeros(0), v: np.int64(2)}) == 0


def test_complex_numbers_run_in_numpy():
    z = TensorType("complex128", (None,))("z")
    value = np.array([1 + 1j, 1, -1j])
    np.testing.assert_array_equal(sorting.sort(z).eval({z: value}), np.sort(value))


def test_what_is_refused():
    x = TensorType("float64", (None,))("x")
    with pytest.raises(ValueError, match="kind is 'quicksort'"):
        sorting.sort(x, kind="bubble")
    with pytest.raises(ValueError, match="kth is not 0"):
        sorting.topk(x, 0)
    with pytest.raises(ValueError, match="at most the length 3"):
        sorting.topk(TensorType("float64", (3,))("y"), -4)
    with pytest.raises(IndexError, match="out of bounds"):
        sorting.topk(x, 4).eval({x: np.zeros(3)})
    with pytest.raises(TypeError, match="kth is an int"):
        sorting.topk(x, x.sum())
    with pytest.raises(ValueError, match="side is 'left' or 'right'"):
        sorting.searchsorted(x, x, "middle")
    with pytest.raises(ValueError, match="sorted vector"):
        sorting.searchsorted(SMALL, x)


def test_over_new_leading_dimensions():
    x, wide = TensorType("float64", (None,))("x"), TensorType("float64", (None, None))("w")
    y = vectorize_graph(sorting.sort(x), {x: wide})
    np.testing.assert_array_equal(y.eval({wide: SMALL}), np.sort(SMALL))
    found = vectorize_graph(sorting.searchsorted(x, np.array([0.0, 9.0])), {x: wide})
    expected = [np.searchsorted(row, [0.0, 9.0]) for row in np.sort(SMALL)]
    np.testing.assert_array_equal(found.eval({wide: np.sort(SMALL)}), expected)
