"""Powers, the exponential, norms and tensors as matrices, against NumPy, SciPy and mpmath."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
import scipy.linalg

from probgraph.engine.autodiff import grad
from probgraph.engine.ops import linalg
from probgraph.engine.rewrite import run_passes
from probgraph.engine.rules import DECOMPOSE
from probgraph.engine.toolchain import find_compiler
from probgraph.engine.types import TensorType
from tests.engine.op_cases import Case, check_compiled, check_gradient, check_values
from tests.engine.ops.matrix_cases import all_ways, check_float32, check_lengths, random, regular

A, AS, M, V, T = random(3, 3), regular(2, 3, 3), random(2, 3), random(3), random(2, 3, 4)

EXPONENTIALS = [
    Case("expm", linalg.expm, scipy.linalg.expm, (A,)),
    Case("expm of a stack", linalg.expm, scipy.linalg.expm, (AS,)),
    Case("expm of something small", linalg.expm, scipy.linalg.expm, (A / 1000,)),
]
CASES = [
    *(
        Case(
            f"power {n}",
            lambda a, n=n: linalg.matrix_power(a, n),
            lambda a, n=n: np.linalg.matrix_power(a, n),
            (AS,),
        )
        for n in (0, 1, 2, 5, -3)
    ),
    *(
        Case(
            f"norm {ord} {axis} of {x.shape}",
            lambda x, o=ord, a=axis: linalg.norm(x, o, a),
            lambda x, o=ord, a=axis: np.linalg.norm(x, o, a),
            (x,),
        )
        for ord, axis, x in [
            *((ord, None, M) for ord in (None, "fro", "nuc", np.inf, -np.inf, 1, -1, 2, -2)),
            *((ord, None, V) for ord in (None, 1, 2, 3, -2.5, np.inf, -np.inf)),
            (None, None, T),
            (-np.inf, 0, M),
            (2, 1, M),
            (1, -1, T),
            ("fro", (0, 2), T),
            (2, (2, 0), T),
            (np.inf, (1, 2), T),
        ]
    ),
    Case(
        "norm with axes kept",
        lambda x: linalg.norm(x, 2, (0, 2), keepdims=True),
        lambda x: np.linalg.norm(x, 2, (0, 2), keepdims=True),
        (T,),
    ),
    Case("tensorinv", linalg.tensorinv, np.linalg.tensorinv, (random(2, 3, 3, 2),)),
    Case("tensorsolve", linalg.tensorsolve, np.linalg.tensorsolve, (random(2, 3, 6), M)),
    Case(
        "tensorsolve of axes",
        lambda a, b: linalg.tensorsolve(a, b, (0, 2)),
        lambda a, b: np.linalg.tensorsolve(a, b, (0, 2)),
        (random(2, 6, 3), random(6)),
    ),
]


@pytest.mark.parametrize("case", [*CASES, *EXPONENTIALS], ids=lambda c: c.name)
def test_values(case):
    check_values(case)


@pytest.mark.parametrize("case", [*CASES, *EXPONENTIALS[::2]], ids=lambda c: c.name)
def test_gradients_first_and_second(case):
    check_gradient(case, twice=True)


@pytest.mark.skipif(find_compiler() is None, reason="needs a C compiler")
def test_compiled():
    check_compiled([*CASES, *EXPONENTIALS])


def test_single_precision():
    check_float32([*CASES, *EXPONENTIALS], tolerance=1e-3)


def test_the_gradient_of_expm_is_its_derivative():
    """Against SciPy's derivative in a direction, also where what flows back is much larger than the matrix."""
    a, direction = TensorType("float64", (None, None, None))("a"), random(2, 3, 3)
    for size in (1e-8, 1.0, 1e12):
        weights = size * random(2, 3, 3)
        gradient = grad((linalg.expm(a) * weights).sum(), a)
        truth = sum(
            (scipy.linalg.expm_frechet(x, d, compute_expm=False) * w).sum()
            for x, d, w in zip(AS, direction, weights, strict=True)
        )
        for way, (got,) in all_ways([a], run_passes([gradient], DECOMPOSE), [AS]).items():
            assert (got * direction).sum() == pytest.approx(truth, rel=1e-10), way


@pytest.mark.parametrize(
    "value",
    [
        np.zeros((2, 2)),
        np.array([[0.0, 1.0], [0.0, 0.0]]),
        np.array([[-40.0, 39.0], [1.0, -41.0]]),
        np.array([[0.0, -30.0], [30.0, 0.0]]),
        np.array([[1e-200, 0.0], [0.0, -700.0]]),
    ],
)
def test_expm_in_many_digits(value):
    a = TensorType("float64", (None, None))("a")
    with mp.workdps(60):
        truth = np.array(mp.expm(mp.matrix(value.tolist()), method="taylor").tolist(), dtype=float)
    for way, (got,) in all_ways([a], [linalg.expm(a)], [value]).items():
        np.testing.assert_allclose(got, truth, 1e-12, 1e-13 * np.abs(truth).max(), err_msg=way)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_expm_of_what_is_not_finite_is_nan(bad):
    a = TensorType("float64", (None, None))("a")
    for way, (got,) in all_ways([a], [linalg.expm(a)], [np.array([[1.0, bad], [0.0, 1.0]])]).items():
        assert np.isnan(got).all(), way


def test_empty_and_of_length_one():
    for shape in ((0, 0), (1, 1), (0, 2, 2), (2, 0, 0)):
        check_lengths(linalg.expm, scipy.linalg.expm, shape)
        for n in (0, 3):
            check_lengths(
                lambda a, n=n: linalg.matrix_power(a, n), lambda a, n=n: np.linalg.matrix_power(a, n), shape
            )


def test_norm_zero_counts():
    assert linalg.norm(np.array([0.0, 2.0, -1.0]), 0).eval() == 2


def test_powers_of_integers_stay_integers():
    a = TensorType("int64", (2, 2))("a")
    got = linalg.matrix_power(a, 10).eval({a: np.array([[1, 1], [1, 0]])})
    assert got.dtype == np.int64
    np.testing.assert_array_equal(got, [[89, 55], [55, 34]])


def test_errors_say_who_and_what():
    m, t = TensorType("float64", (2, 3))("m"), TensorType("float64", (2, 3, 4))("t")
    for error, message, wrong in (
        (TypeError, "the exponent is an int, got 0.5", lambda: linalg.matrix_power(m, 0.5)),
        (
            ValueError,
            r"matrix_power takes square matrices, got float64\[2, 3\]",
            lambda: linalg.matrix_power(m, 2),
        ),
        (ValueError, "expm takes a square matrix", lambda: linalg.expm(m)),
        (ValueError, "norm: ord=2 is for vectors and matrices", lambda: linalg.norm(t, 2)),
        (ValueError, "the norm of a matrix has ord", lambda: linalg.norm(m, 3)),
        (ValueError, "the norm of a vector has a number", lambda: linalg.norm(m, "fro", 0)),
        (ValueError, "axis 5 does not exist", lambda: linalg.norm(m, None, 5)),
        (ValueError, "two different ones", lambda: linalg.norm(t, None, (0, 1, 2))),
        (ValueError, "tensorinv: ind=3", lambda: linalg.tensorinv(t, 3)),
        (ValueError, "tensorsolve: .* do not fit", lambda: linalg.tensorsolve(m, t)),
    ):
        with pytest.raises(error, match=message):
            wrong()
