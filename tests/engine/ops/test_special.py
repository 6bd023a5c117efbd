"""Special functions against mpmath with 50 digits: values, tails, and the derivative by every argument that has one."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from probgraph.engine import tensor as T
from probgraph.engine.autodiff import grad
from probgraph.engine.function import function
from probgraph.engine.no_gradient import NullTypeGradError
from probgraph.engine.toolchain import find_compiler

MODES = [
    "FAST_COMPILE",
    pytest.param("FAST_RUN", marks=pytest.mark.skipif(find_compiler() is None, reason="no compiler")),
]


def lower(a, x):
    return mp.gammainc(a, 0, x, regularized=True)


def beta(a, b, x):
    return mp.betainc(a, b, 0, x, regularized=True)


def ndtr(x):
    return mp.erfc(-x / mp.sqrt(2)) / 2


def owens(h, a):
    return mp.quad(lambda t: mp.exp(-h * h * (1 + t * t) / 2) / (1 + t * t), [0, a]) / (2 * mp.pi)


def of_orders(*orders):
    return [(v, x) for v in orders for x in (0.01, 0.5, 2.0, 7.5, 30.0)]


#: by name: the truth, points, and the places of the arguments by which it is differentiated
CASES = {
    "gamma": (mp.gamma, [(-2.5,), (0.1,), (1.0,), (4.5,), (170.0,)], (0,)),
    "polygamma": (
        lambda n, x: mp.psi(int(n), x),
        [(n, x) for n in (0, 1, 2, 5) for x in (0.01, 0.7, 3.0, 80.0)],
        (1,),
    ),
    "tri_gamma": (lambda x: mp.psi(1, x), [(0.01,), (0.7,), (3.0,), (80.0,), (1e6,)], (0,)),
    "poch": (
        lambda a, m: mp.gamma(a + m) / mp.gamma(a),
        [(0.5, 1.5), (3.0, 0.25), (20.0, 4.0), (200.0, 2.0)],
        (0, 1),
    ),
    "betaln": (
        lambda a, b: mp.log(mp.beta(a, b)),
        [(0.1, 3.0), (5.0, 700.0), (1e5, 2e5), (1e-8, 1e8)],
        (0, 1),
    ),
    "gammainc": (
        lower,
        [
            (a, a * r)
            for a in (0.01, 0.5, 1.0, 3.5, 30.0, 1e4)
            for r in (0.01, 0.5, 0.97, 1.0, 1.04, 3.0)
            if a * r < 5e4
        ],
        (0, 1),
    ),
    "gammaincc": (
        lambda a, x: 1 - lower(a, x),
        [(0.5, 0.1), (3.0, 40.0), (30.0, 31.0), (200.0, 150.0)],
        (0, 1),
    ),
    "betainc": (
        beta,
        [
            (a, b, x)
            for a in (0.1, 1.0, 7.0, 300.0)
            for b in (0.2, 1.0, 40.0)
            for x in (1e-5, 0.2, 0.5, 0.9, 0.9995)
        ],
        (0, 1, 2),
    ),
    "erfcx": (
        lambda x: mp.exp(x * x) * mp.erfc(x),
        [(-5.0,), (-0.3,), (0.0,), (2.0,), (30.0,), (1e8,)],
        (0,),
    ),
    "erfinv": (mp.erfinv, [(-0.999,), (-0.2,), (0.0,), (1e-9,), (0.7,), (0.9999999,)], (0,)),
    "erfcinv": (lambda x: mp.erfinv(1 - x), [(1e-20,), (0.01,), (0.9,), (1.0,), (1.99,)], (0,)),
    "ndtr": (ndtr, [(-37.0,), (-5.0,), (0.0,), (1.3,), (8.0,)], (0,)),
    "log_ndtr": (
        lambda x: mp.log(ndtr(x)),
        [(-1e6,), (-300.0,), (-5.0,), (-1.0,), (0.0,), (1.3,), (8.0,), (20.0,)],
        (0,),
    ),
    "ndtri": (
        lambda p: mp.sqrt(2) * mp.erfinv(2 * p - 1),
        [(1e-30,), (1e-3,), (0.4,), (0.5,), (0.999,)],
        (0,),
    ),
    "owens_t": (owens, [(0.1, 0.5), (1.0, 2.0), (-2.0, 0.3), (3.0, -1.0)], (0, 1)),
    "jv": (mp.besselj, of_orders(0.5, 2.0), (1,)),
    "iv": (mp.besseli, of_orders(0.0, 1.5, 4.0), (1,)),
    "ive": (lambda v, x: mp.besseli(v, x) * mp.exp(-abs(x)), of_orders(0.0, 1.5, 4.0), (1,)),
    "kv": (mp.besselk, of_orders(0.0, 1.5, 4.0), (1,)),
    "kve": (lambda v, x: mp.besselk(v, x) * mp.exp(x), of_orders(0.0, 1.5, 4.0), (1,)),
    "j0": (lambda x: mp.besselj(0, x), [(-3.0,), (0.0,), (1.0,), (25.0,)], (0,)),
    "j1": (lambda x: mp.besselj(1, x), [(-3.0,), (0.0,), (1.0,), (25.0,)], (0,)),
    "i0": (lambda x: mp.besseli(0, x), [(-3.0,), (0.0,), (1.0,), (25.0,)], (0,)),
    "i1": (lambda x: mp.besseli(1, x), [(-3.0,), (0.0,), (1.0,), (25.0,)], (0,)),
    "i0e": (lambda x: mp.besseli(0, x) * mp.exp(-abs(x)), [(-3.0,), (1.0,), (25.0,), (800.0,)], (0,)),
    "i1e": (lambda x: mp.besseli(1, x) * mp.exp(-abs(x)), [(-3.0,), (1.0,), (25.0,), (800.0,)], (0,)),
    "hyp2f1": (mp.hyp2f1, [(1.0, 2.0, 3.0, 0.5), (0.5, 0.25, 1.5, -0.7), (2.0, 1.0, 4.0, 0.9)], (3,)),
    "gammaincinv": (None, [(0.5, 0.2), (3.0, 0.9), (30.0, 0.5)], (0, 1)),
    "gammainccinv": (None, [(0.5, 0.2), (3.0, 0.9), (30.0, 0.5)], (0, 1)),
    "betaincc": (
        lambda a, b, x: 1 - beta(a, b, x),
        [(0.5, 0.7, 0.2), (3.0, 2.0, 0.9), (30.0, 10.0, 0.99)],
        (0, 1, 2),
    ),
    "betaincinv": (None, [(0.5, 0.7, 0.2), (3.0, 2.0, 0.9), (30.0, 10.0, 0.5)], (0, 1, 2)),
    "ndtri_exp": (None, [(-800.0,), (-3.0,), (-0.5,), (-1e-3,)], (0,)),
    "gammau": (lambda a, x: mp.gammainc(a, x), [(0.5, 0.2), (3.0, 7.0)], (0, 1)),
    "gammal": (lambda a, x: mp.gammainc(a, 0, x), [(0.5, 0.2), (3.0, 7.0)], (0, 1)),
    "chi2sf": (lambda x, k: 1 - lower(k / 2, x / 2), [(0.3, 1.0), (12.0, 5.0)], (0, 1)),
    "factorial": (mp.factorial, [(0.0,), (5.0,), (2.5,)], (0,)),
    "entr": (lambda x: -x * mp.log(x), [(0.1,), (1.0,), (3.0,)], (0,)),
    "logdiffexp": (
        lambda a, b: mp.log(mp.exp(a) - mp.exp(b)),
        [(1.0, 0.5), (-900.0, -901.0), (800.0, 1.0)],
        (0, 1),
    ),
}


def derivative(truth, point, place):
    at = [mp.mpf(p) for p in point]

    def along(t):
        return truth(*at[:place], t, *at[place + 1 :])

    step = mp.mpf(10) ** -20 * (abs(at[place]) or 1)
    return float((along(at[place] + step) - along(at[place] - step)) / (2 * step))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", CASES)
def test_values_and_derivatives(name, mode):
    truth, points, places = CASES[name]
    xs = [T.dvector(f"x{k}") for k in range(len(points[0]))]
    y = getattr(T, name)(*xs)
    slopes = grad(y.sum(), [xs[k] for k in places])
    value, *found = function(xs, [y, *slopes], mode=mode)(*np.array(points).T)
    with mp.workdps(130):
        for row, point in enumerate(points):
            if truth is None:
                continue
            assert value[row] == pytest.approx(float(truth(*map(mp.mpf, point))), rel=2e-12, abs=1e-300), (
                point
            )
            for place, slope in zip(places, found, strict=True):
                expected = derivative(truth, point, place)
                assert slope[row] == pytest.approx(expected, rel=3e-11, abs=2e-16 if expected else 1e-12), (
                    point,
                    place,
                )


def test_the_derivatives_of_inverses_undo_those_of_the_functions():
    a, b, p, y = (T.dvector(n) for n in "abpy")
    for inverse, forward, parameters in (
        (T.gammaincinv, T.gammainc, [a]),
        (T.gammainccinv, T.gammaincc, [a]),
        (T.betaincinv, T.betainc, [a, b]),
    ):
        x = inverse(*parameters, p)
        back = forward(*parameters, x)
        given = [np.array([0.5, 3.0, 20.0]), np.array([2.0, 0.7, 11.0])][: len(parameters)]
        run = function([*parameters, p], [back, *grad(back.sum(), [*parameters, p])])
        value, *slopes = run(*given, np.array([0.2, 0.5, 0.9]))
        np.testing.assert_allclose(value, [0.2, 0.5, 0.9], rtol=1e-10)
        for slope in slopes[:-1]:
            np.testing.assert_allclose(slope, 0, atol=1e-9)
        np.testing.assert_allclose(slopes[-1], 1, rtol=1e-9)
    x = T.ndtri_exp(y)
    value, slope = function([y], [T.log_ndtr(x), grad(T.log_ndtr(x).sum(), y)])(
        np.array([-900.0, -5.0, -1e-4])
    )
    np.testing.assert_allclose(value, [-900.0, -5.0, -1e-4], rtol=1e-9)
    np.testing.assert_allclose(slope, 1, rtol=1e-9)


@pytest.mark.parametrize("mode", MODES)
def test_the_ends_of_the_shape_derivatives(mode):
    a, b, x = (T.dvector(n) for n in "abx")
    by_gamma = function([a, x], T.gammainc_da(a, x), mode=mode)
    np.testing.assert_array_equal(
        by_gamma(
            [1.0, 1.0, 0.0, -1.0, 1.0, np.nan, np.inf, 3.0], [0.0, np.inf, 1.0, 1.0, -1.0, 1.0, 1.0, 1e308]
        ),
        [0, 0, np.nan, np.nan, np.nan, np.nan, 0, 0],
    )
    by_beta = function([a, b, x], [T.betainc_da(a, b, x), T.betainc_db(a, b, x)], mode=mode)
    for slopes in by_beta(
        [1.0, 1.0, 0.0, 1.0, np.inf, 2.0], [1.0, 1.0, 1.0, -2.0, 1.0, 1.0], [0.0, 1.0, 0.5, 0.5, 0.5, 1.5]
    ):
        np.testing.assert_array_equal(slopes, [0, 0, np.nan, np.nan, 0, np.nan])


@pytest.mark.parametrize("mode", MODES)
def test_large_shapes_go_over_into_their_limits(mode):
    """On both sides of where the series are given up for limits the scaled derivatives agree."""
    a, x = T.dvector("a"), T.dvector("x")
    run = function([a, x], T.gammainc_da(a, x), mode=mode)
    at = np.array([0.99e8, 1.01e8])
    for z in (-2.0, 0.0, 1.5):
        low, high = run(at, at + z * np.sqrt(at)) * np.sqrt(at)
        assert low == pytest.approx(high, rel=1e-5)
        assert low == pytest.approx(-np.exp(-z * z / 2) / np.sqrt(2 * np.pi), rel=1e-3)
    b = T.dvector("b")
    run = function([a, b, x], [T.betainc_da(a, b, x), T.betainc_db(a, b, x)], mode=mode)
    n = np.array([2e11, 2e11])
    by_a, by_b = run(n, n, np.array([0.5, 0.5 + 1e-7]))
    np.testing.assert_allclose(by_a, -by_b, rtol=1e-4)
    np.testing.assert_allclose(by_a[0], -np.sqrt(1 / (2 * np.pi * 4e11)), rtol=1e-4)


def test_an_argument_without_a_derivative_says_so():
    v, x = T.dscalar("v"), T.dscalar("x")
    for y in (T.iv(v, x), T.jv(v, x), T.kve(v, x), T.polygamma(v, x), T.hyp2f1(v, 1.0, 2.0, x)):
        with pytest.raises(NullTypeGradError, match="not implemented"):
            grad(y, v)
        grad(y, x)


def test_higher_derivatives_of_the_log_gamma_function():
    x = T.dscalar("x")
    y = T.gammaln(x)
    for order in range(1, 6):
        y = grad(y, x)
        assert y.eval({x: 2.3}) == pytest.approx(float(mp.psi(order - 1, 2.3)), rel=1e-12)


def test_the_multivariate_gamma_function():
    a = T.dscalar("a")
    for p in (1, 2, 5):
        expected = mp.log(mp.pi) * p * (p - 1) / 4 + sum(
            mp.loggamma(mp.mpf(7.5) - mp.mpf(j) / 2) for j in range(p)
        )
        assert T.multigammaln(a, p).eval({a: 7.5}) == pytest.approx(float(expected), rel=1e-13)


@pytest.mark.parametrize("order", [0.0, 1.0, 2.5, 10.0])
def test_slopes_of_scaled_bessel_functions_keep_their_digits_far_out(order):
    """They are differences of nearly equal numbers there."""
    x = T.dvector("x")
    points = np.array([0.3, 10.0, 49.0, 51.0, 200.0, 1e4])
    functions = {T.ive: (mp.besseli, -1), T.kve: (mp.besselk, 1)}
    for mine, (truth, sign) in functions.items():
        slopes = function([x], grad(mine(order, x).sum(), x))(points)
        with mp.workdps(60):
            exact = [
                float(mp.diff(lambda q: truth(order, q) * mp.exp(sign * q), mp.mpf(p)))  # noqa: B023
                for p in points
            ]
        np.testing.assert_allclose(slopes, exact, rtol=2e-13)
    if order < 2:
        scaled = (T.i0e, T.i1e)[int(order)]
        there, back = (function([x], grad(scaled(x).sum(), x))(s * points) for s in (1, -1))
        with mp.workdps(60):
            exact = [float(mp.diff(lambda q: mp.besseli(order, q) * mp.exp(-q), mp.mpf(p))) for p in points]
        np.testing.assert_allclose(there, exact, rtol=2e-13)
        np.testing.assert_array_equal(back, there if order else -there)
    far = function([x], grad(T.i0e(x).sum(), x))([1e8, 1e15, 1e300])
    np.testing.assert_allclose(
        far, -0.5 / np.sqrt(2 * np.pi) * np.array([1e8, 1e15, 1e300]) ** -1.5, rtol=1e-7
    )


def test_mixed_second_derivatives_of_the_incomplete_functions():
    a, b, x = T.dscalars("a", "b", "x")
    given = 2.3, 1.7, 0.4
    by_gamma = function([a, x], grad(grad(T.gammainc(a, x), a), x))(2.3, 0.4)
    by_beta = function([a, b, x], [grad(grad(T.betainc(a, b, x), v), x) for v in (a, b)])(*given)
    with mp.workdps(40):
        exact = [
            mp.diff(lambda a, x: mp.gammainc(a, 0, x, regularized=True), (2.3, 0.4), (1, 1)),
            mp.diff(lambda a, b, x: mp.betainc(a, b, 0, x, regularized=True), given, (1, 0, 1)),
            mp.diff(lambda a, b, x: mp.betainc(a, b, 0, x, regularized=True), given, (0, 1, 1)),
        ]
    np.testing.assert_allclose([by_gamma, *by_beta], np.array(exact, float), rtol=1e-12)
    with pytest.raises(NullTypeGradError, match="gammainc_da"):
        grad(grad(T.gammainc(a, x), a), a)
