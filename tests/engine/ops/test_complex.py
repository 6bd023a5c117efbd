"""Elementary functions of complex numbers, and the gradients of real costs through them, by finite differences."""

from __future__ import annotations

import numpy as np
import pytest

import probgraph.engine.tensor as T
from probgraph.engine import function, grad

NAMES = [
    "exp",
    "log",
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


def test_dtypes_stay():
    z = T.cvector("z")
    got = function([z], [T.tan(z), grad(T.angle(z).sum(), z), T.angle(z)])(POINTS.astype("complex64"))
    assert [str(g.dtype) for g in got] == ["complex64", "complex64", "float32"]
