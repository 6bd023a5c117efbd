"""Running sums and products, recurrences and differences, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from probgraph.engine.ops import cumulative
from probgraph.engine.toolchain import find_compiler
from probgraph.engine.types import TensorType
from probgraph.engine.vectorize import vectorize_graph
from tests.engine.op_cases import Case, check_compiled, check_gradient, check_values
from tests.engine.ops.along_axis_cases import CUBE, REALS, SMALL, check_everywhere, of_dtype

compiled = pytest.mark.skipif(find_compiler() is None, reason="needs a C compiler")
ZEROS = np.array([[1.5, 0.0, 2.0, -1.0], [0.0, 3.0, 0.0, 0.5], [2.0, 1.0, -3.0, 0.25]])

CASES = [
    Case(f"{name} axis={axis} {number}", lambda x, f=name, a=axis: getattr(cumulative, f)(x, a),
         lambda x, f=name, a=axis: getattr(np, f)(x, axis=a), (x,))
    for name in ("cumsum", "cumprod")
    for number, (x, axis) in enumerate([(SMALL, None), (ZEROS, 0), (ZEROS, -1), (CUBE, 1), (np.zeros((2, 0)), 1), (np.array([5.0]), 0)])
] + [
    Case(f"diff {n} axis={axis}", lambda x, n=n, a=axis: cumulative.diff(x, n, a), lambda x, n=n, a=axis: np.diff(x, n, a), (CUBE,))
    for n, axis in [(0, 0), (1, -1), (2, 1), (1, 0)]
]  # fmt: skip

RECURRENCES = [
    Case(
        f"recurrence back={back}",
        lambda a, b, r=back: cumulative.Recurrence(r)(a, b),
        lambda a, b, r=back: _recurrence(a, b, r),
        (SMALL, ZEROS),
    )
    for back in (False, True)
]


def _recurrence(a, b, back):
    result = np.zeros_like(b)
    for row in range(len(b)):
        s = 0.0
        for k in range(b.shape[1])[:: -1 if back else 1]:
            at = k + 1 if back else k
            s = b[row, k] + (a[row, at] * s if at < b.shape[1] else 0.0)
            result[row, k] = s
    return result


@pytest.mark.parametrize("case", [*CASES, *RECURRENCES], ids=lambda c: c.name)
def test_values(case):
    check_values(case)


@pytest.mark.parametrize("case", [*CASES, *RECURRENCES], ids=lambda c: c.name)
def test_gradients(case):
    check_gradient(case, twice=True)


@compiled
def test_compiled():
    check_compiled([*CASES, *RECURRENCES])


@compiled
@pytest.mark.parametrize("dtype", REALS)
def test_every_dtype(dtype):
    check_everywhere(
        lambda x: [cumulative.cumsum(x, 1), cumulative.cumprod(x, 0), cumulative.cumsum(x)],
        lambda x: [np.cumsum(x, 1), np.cumprod(x, 0), np.cumsum(x)],
        of_dtype(dtype),
    )


def test_complex_numbers_run_in_numpy():
    z = TensorType("complex128", (None,))("z")
    value = np.array([1 + 1j, 2, -1j])
    np.testing.assert_array_equal(cumulative.cumprod(z).eval({z: value}), np.cumprod(value))


def test_differences_of_booleans():
    b = TensorType("bool", (None,))("b")
    value = np.array([True, True, False])
    np.testing.assert_array_equal(cumulative.diff(b).eval({b: value}), np.diff(value))


def test_what_is_refused():
    x = TensorType("float64", (None,))("x")
    with pytest.raises(ValueError, match="cumsum: axis 2 does not exist"):
        cumulative.cumsum(x, 2)
    with pytest.raises(TypeError, match="axis is an int or None"):
        cumulative.cumprod(x, (0,))
    with pytest.raises(ValueError, match="diff: n is the number"):
        cumulative.diff(x, -1)
    with pytest.raises(TypeError, match="two arrays of one type"):
        cumulative.Recurrence(False)(x, x.astype("float32"))


def test_over_new_leading_dimensions():
    x, wide = TensorType("float64", (None, None))("x"), TensorType("float64", (None, None, None))("w")
    y = vectorize_graph(cumulative.cumprod(x, 0), {x: wide})
    np.testing.assert_array_equal(y.eval({wide: CUBE}), np.cumprod(CUBE, 1))
