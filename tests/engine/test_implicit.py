"""Roots and minima as operations: the solution, and its derivatives by what it depends on, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

import probgraph.engine as theano
import probgraph.engine.tensor as T
from probgraph.engine.tensor import optimize

x, a, b = T.dvector("x"), T.dvector("a"), T.dscalar("b")
s, t = T.dscalar("s"), T.dscalar("t")


@pytest.mark.parametrize("mode", [None, "FAST_COMPILE"])
def test_a_minimum_moves_with_its_parameters(mode):
    """(x - a)' D (x - a) + b |x|^2 is least at a D / (D + b)."""
    weights = np.array([1.0, 3.0])
    best, success = optimize.minimize((weights * (x - a) ** 2).sum() + b * (x**2).sum(), x)
    f = theano.function([x, a, b], [best, success, *T.grad((best**2).sum(), [a, b])], mode=mode)
    at, rate = np.array([2.0, -1.0]), 0.5
    found, done, by_a, by_b = f([0.0, 0.0], at, rate)
    share = weights / (weights + rate)
    assert done
    np.testing.assert_allclose(found, at * share, rtol=1e-6)
    np.testing.assert_allclose(by_a, 2 * at * share**2, rtol=1e-5)
    np.testing.assert_allclose(by_b, -(2 * (at * share) ** 2 / (weights + rate)).sum(), rtol=1e-5)


def test_different_equations_of_the_same_variables_have_roots_of_their_own():
    square, _ = optimize.root_scalar(s**2 - t, s)
    cube, _ = optimize.root_scalar(s**3 - t, s)
    np.testing.assert_allclose(theano.function([s, t], [square, cube])(3.0, 64.0), [8.0, 4.0], rtol=1e-9)


def test_roots_of_equations_and_second_derivatives():
    there, success = optimize.root(T.stack([x[0] ** 3 - a[0], x[0] + x[1] - a[1]]), x)
    first = T.grad(there[1], a)
    f = theano.function([x, a], [there, success, first, T.grad(first[0], a)])
    found, done, slope, second = f([1.0, 1.0], [8.0, 5.0])
    assert done
    np.testing.assert_allclose(found, [2.0, 3.0], rtol=1e-9)
    np.testing.assert_allclose(slope, [-1 / 12, 1.0], rtol=1e-8)
    np.testing.assert_allclose(second, [2 / 9 * 8 ** (-5 / 3), 0.0], rtol=1e-7, atol=1e-12)


def test_scalars_and_shared_variables():
    rate = theano.shared(3.0, name="rate")
    there, _ = optimize.root_scalar(T.exp(s * rate) - t, s)
    best, _ = optimize.minimize_scalar((s - t) ** 4 + (s - t) ** 2 + rate * s, s)
    f = theano.function([s, t], [there, T.grad(there, t), T.grad(there, rate), best, T.grad(best, t)])
    found, by_t, by_rate, least, by_place = f(0.0, 5.0)
    assert found == pytest.approx(np.log(5.0) / 3, rel=1e-9)
    assert by_t == pytest.approx(1 / 15, rel=1e-8) and by_rate == pytest.approx(-np.log(5.0) / 9, rel=1e-8)
    assert 4 * (least - 5) ** 3 + 2 * (least - 5) + 3 == pytest.approx(0, abs=1e-4)
    assert by_place == pytest.approx(1.0, rel=1e-6)
    rate.set_value(6.0)
    assert f(0.0, 5.0)[0] == pytest.approx(np.log(5.0) / 6, rel=1e-9)


def test_what_is_not_found_says_so():
    there, success = optimize.root(x**2 + 1.0, x)
    with np.errstate(all="ignore"):
        assert not theano.function([x], [there, success])([1.0])[1]


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (
            lambda: optimize.minimize(x.sum(), s),
            TypeError,
            "minimize: x must be a floating point vector, got",
        ),
        (lambda: optimize.minimize(x, x), ValueError, "the objective must be a scalar"),
        (lambda: optimize.minimize(a.sum(), x), ValueError, "the graph does not depend on x"),
        (lambda: optimize.root(x, 2 * x), TypeError, "a variable that is an input of the graph"),
        (lambda: optimize.root(s, x), ValueError, "as many equations as unknowns"),
        (lambda: optimize.root_scalar(x, s), ValueError, "needs one equation"),
        (lambda: optimize.root_scalar(t, s), ValueError, "does not depend on s"),
    ],
)
def test_bad_questions(make, error, text):
    with pytest.raises(error, match=text):
        make()
