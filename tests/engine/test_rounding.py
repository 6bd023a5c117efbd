"""DebugMode allows for what rounding does, and for no more."""

from __future__ import annotations

import numpy as np
import pytest

import probgraph.engine.tensor as T
from probgraph.engine import DebugModeError, Mode, function, grad, shared
from probgraph.engine.debug_mode import agree
from probgraph.engine.graph import FunctionGraph
from probgraph.engine.rewrite import OpRule, Pass
from probgraph.engine.rounding import rounding


def spread(x, y, *values):
    arrays = [np.asarray(v, dtype=x.dtype) for v in values]
    graph = FunctionGraph([x], [y])
    (result,) = (np.asarray(y.eval({x: arrays[0]})),)
    return rounding(graph, arrays, [result])[0], result


def test_cancellation_is_seen_and_plain_arithmetic_is_exact_to_some_units():
    x = T.dscalar("x")
    p = T.nnet.sigmoid(x)
    near, value = spread(x, T.log(1 - p), 36.0)
    exact = -36.0 - np.log1p(np.exp(-36.0))
    assert abs(value - exact) > 1e-3  # what NumPy says is wrong in the third digit
    assert abs(value - exact) < near < 10
    plain, value = spread(x, T.exp(x) * 3 + 1, 2.0)
    assert 0 < plain < 100 * np.spacing(value)
    nothing, _ = spread(x, x, 2.0)
    assert nothing == 0


def test_zeros_nans_and_failures_say_nothing():
    x = T.dvector("x")
    with np.errstate(all="ignore"):
        allowed, _ = spread(x, T.sqrt(x * 1), [0.0, np.nan, np.inf, -1.0, 1e308])
    assert list(allowed[:4]) == [0, 0, 0, 0] and np.isfinite(allowed).all()
    allowed, _ = spread(x, T.exp(x).sum(), [])
    assert allowed == 0


def test_complex_and_float32():
    x = T.fvector("x")
    allowed, value = spread(x, T.exp(x), [1.0, 2.0])
    assert (allowed > 0).all() and (allowed < 100 * np.spacing(value)).all()


@pytest.mark.parametrize("value", [30.0, 36.0, 36.9, 37.0, 38.0, 700.0, -36.0, -745.0, 0.0])
def test_what_stabilising_improves_is_let_pass(value):
    x = T.dscalar("x")
    p = T.nnet.sigmoid(x)
    f = function([x], [T.log(1 - p), T.log(p), 1e12 * T.log(1 - p)], mode="DebugMode")
    np.testing.assert_allclose(f(value)[0], -np.logaddexp(0, value), rtol=1e-12)


def test_without_the_allowance_it_would_not_pass():
    x = 36.0
    naive = np.log(1 - 1 / (1 + np.exp(-x)))
    assert not agree(np.array(naive), np.array(-np.logaddexp(0, x)), better=True)


@pytest.mark.parametrize("value", [0.3, 5.0, 36.0, -5.0])
def test_a_wrong_rule_is_found(value):
    x = T.dscalar("x")

    def wrong(node):
        return 1.001 * T.nnet.softplus(node.inputs[0]) if node.op == T.exp else None

    bad = Pass("bad", [OpRule("exp becomes something near", T.exp, wrong)])
    with pytest.raises(DebugModeError, match="the pass after bad changed output 0"):
        function([x], 1 + T.exp(x), mode=Mode("debug", [bad]))(value)


def test_a_slightly_wrong_rule_in_an_ill_conditioned_graph_is_found():
    x = T.dscalar("x")
    bad = Pass("bad", [OpRule("log is a little more", T.log, lambda node: T.log1p(node.inputs[0]))])
    with pytest.raises(DebugModeError, match="the pass after bad"):
        function([x], T.log(1 - T.nnet.sigmoid(x)), mode=Mode("debug", [bad]))(36.0)


def test_the_logistic_regression_of_the_tutorial():
    random = np.random.default_rng(1)
    n, features = 60, 5
    data = random.normal(size=(n, features)), random.integers(0, 2, n).astype(float)
    x, y = T.dmatrix("x"), T.dvector("y")
    w, b = shared(random.normal(size=features), "w"), shared(0.0, "b")
    p = 1 / (1 + T.exp(-T.dot(x, w) - b))
    entropy = -y * T.log(p) - (1 - y) * T.log(1 - p)
    cost = entropy.mean() + 0.01 * (w**2).sum()
    gw, gb = grad(cost, [w, b])
    train = function(
        [x, y], [p > 0.5, entropy], updates=[(w, w - 0.1 * gw), (b, b - 0.1 * gb)], mode="DebugMode"
    )
    for _ in range(20):
        train(*data)
    w.set_value(w.get_value() * 40)  # sure of itself: p is 0 or 1 but for rounding
    for _ in range(5):
        train(*data)
    assert np.isfinite(w.get_value()).all()
