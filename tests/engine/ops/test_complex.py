"""Elementary functions of complex numbers, and the gradients of real costs through them, by finite differences."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

import probgraph.engine.tensor as T
from probgraph.engine import function, grad

NAMES = [
    "exp",
    "log",
    "exp2",
    "expm1",
    "log1p",
    "log2",
    "log10",
    "sin",
    "cos",
    "tan",
    "arcsin",
    "arccos",
    "arctan",
    "sinh",
    "cosh",
    "tanh",
    "arcsinh",
    "arccosh",
    "arctanh",
    "sqrt",
]
POINTS = np.array([0.3 + 0.2j, -0.6 - 0.4j, 1.7 + 0.8j, -2.1 + 0.5j, 0.1 - 3.0j])


def _slopes(f, at):
    """d f / d real + i d f / d imag of a real function: what `grad` gives for a complex variable."""
    h = 1e-6
    return (f(at + h) - f(at - h)) / (2 * h) + 1j * (f(at + 1j * h) - f(at - 1j * h)) / (2 * h)


@pytest.mark.parametrize("mode", ["FAST_COMPILE", None])
def test_functions_and_gradients(mode):
    z = T.zvector("z")
    outputs = []
    for name in NAMES:
        y = getattr(T, name)(z)
        outputs += [y, grad((2 * y.real - 0.7 * y.imag).sum(), z)]
    got = iter(function([z], outputs, mode=mode)(POINTS))
    for name in NAMES:
        truth = getattr(np, name)
        np.testing.assert_allclose(next(got), truth(POINTS), rtol=1e-12, err_msg=name)
        slope = _slopes(lambda p: 2 * truth(p).real - 0.7 * truth(p).imag, POINTS)  # noqa: B023
        np.testing.assert_allclose(next(got), slope, rtol=1e-6, atol=1e-8, err_msg=name)


@pytest.mark.parametrize("mode", ["FAST_COMPILE", None])
def test_gradient_of_angle(mode):
    z, x = T.zvector("z"), T.dvector("x")
    turn = T.angle(z)
    second = grad((grad((turn**2).sum(), z).real).sum(), z)
    first, again, flat = function(
        [z, x], [grad((turn**2).sum(), z), second, grad(T.angle(x).sum(), x)], mode=mode
    )(POINTS, [-1.0, 0.0, 2.0])
    np.testing.assert_allclose(first, _slopes(lambda p: np.angle(p) ** 2, POINTS), rtol=1e-6)
    truth = _slopes(lambda p: _slopes(lambda q: np.angle(q) ** 2, p).real, POINTS)
    np.testing.assert_allclose(again, truth, rtol=1e-2, atol=2e-3)
    np.testing.assert_array_equal(flat, [0.0, 0.0, 0.0])


@pytest.mark.parametrize("mode", ["FAST_COMPILE", None])
def test_second_gradients_through_the_absolute_value(mode):
    z = T.zvector("z")
    first = grad((abs(z) ** 3).sum(), z)
    second, at_zero = (
        function([z], [grad((first.real * first.imag).sum(), z), grad(abs(z).sum(), z)], mode=mode)(POINTS),
        function([z], grad(abs(T.sgn(z)).sum(), z), mode=mode)([0j]),
    )
    slope = lambda p: 3 * np.abs(p) * p
    np.testing.assert_allclose(second[0], _slopes(lambda p: slope(p).real * slope(p).imag, POINTS), rtol=1e-6)
    np.testing.assert_array_equal(at_zero, [0])


def test_dtypes_stay():
    z = T.cvector("z")
    got = function([z], [T.tan(z), grad(T.angle(z).sum(), z), T.angle(z)])(POINTS.astype("complex64"))
    assert [str(g.dtype) for g in got] == ["complex64", "complex64", "float32"]


@pytest.mark.parametrize("mode", ["FAST_COMPILE", None])
def test_logarithms_of_nearly_one_keep_their_digits(mode):
    z = T.zvector("z")
    points = np.array(
        [1e-8 + 1e-9j, -1e-10 + 1e-5j, -0.5 + np.sqrt(0.75) * 1j, 1e-300, -0.3 + 0.7j, 1e200 + 1j]
    )
    log1p, expm1 = function([z], [T.log1p(z), T.expm1(z)], mode=mode)(points)
    with mp.workdps(40):
        truth = np.array([complex(mp.log1p(mp.mpc(p))) for p in points])
        less = np.array([complex(mp.expm1(mp.mpc(p))) for p in points[:-1]])
    digits = 1e-15 if mode is None else 1e-14  # SciPy's own
    np.testing.assert_allclose(log1p.real, truth.real, rtol=digits)
    np.testing.assert_allclose(log1p.imag, truth.imag, rtol=1e-15)
    np.testing.assert_allclose(expm1[:-1].imag, less.imag, rtol=1e-15)
    np.testing.assert_allclose(expm1[:-1].real, less.real, rtol=1e-15)


@pytest.mark.parametrize("mode", ["FAST_COMPILE", None])
def test_logarithms_do_not_undo_exponentials_of_complex_numbers(mode):
    """log(exp(z)) is z only up to 2 pi i."""
    z = T.zvector("z")
    points = np.array([0.5 + 4j, -1 - 9j])
    outputs = [T.log(T.exp(z)), T.log1p(T.expm1(z)), T.exp(T.log(z)), T.sqrt(z**2), T.expm1(T.log1p(z))]
    got = function([z], outputs, mode=mode)(points)
    truth = [np.log(np.exp(points)), np.log(np.exp(points)), points, np.sqrt(points**2), points]
    for mine, theirs in zip(got, truth, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12)
