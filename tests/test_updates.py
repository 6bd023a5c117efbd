"""Update rules as graphs: against the same formulas in NumPy, step by step."""

from __future__ import annotations

import numpy as np
import pytest

import probgraph as pm
import probgraph.engine as theano
import probgraph.engine.tensor as T

A = np.array([[3.0, 0.5], [0.5, 1.0]])
START = np.array([1.0, -2.0])


def run(rule, steps=5, **settings):
    w = theano.shared(START.copy(), "w")
    loss = 0.5 * T.dot(w, T.dot(A, w))
    step = theano.function([], loss, updates=rule(loss, [w], **settings))
    for _ in range(steps):
        step()
    return w.get_value()


def by_hand(rule, steps=5):
    w, memory = START.copy(), {}
    for t in range(1, steps + 1):
        w = rule(w, A @ w, memory, t)
    return w


def _adagrad(w, g, m, t):
    m["s"] = m.get("s", 0) + g**2
    return w - 0.3 * g / np.sqrt(m["s"] + 1e-6)


def _rmsprop(w, g, m, t):
    m["s"] = 0.8 * m.get("s", 0) + 0.2 * g**2
    return w - 0.3 * g / np.sqrt(m["s"] + 1e-6)


def _adadelta(w, g, m, t):
    m["s"] = 0.95 * m.get("s", 0) + 0.05 * g**2
    move = g * np.sqrt(m.get("d", 0) + 1e-6) / np.sqrt(m["s"] + 1e-6)
    m["d"] = 0.95 * m.get("d", 0) + 0.05 * move**2
    return w - move


def _adam(w, g, m, t):
    m["a"] = 0.9 * m.get("a", 0) + 0.1 * g
    m["b"] = 0.999 * m.get("b", 0) + 0.001 * g**2
    return w - 0.1 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m["a"] / (np.sqrt(m["b"]) + 1e-8)


def _adamax(w, g, m, t):
    m["a"] = 0.9 * m.get("a", 0) + 0.1 * g
    m["b"] = np.maximum(0.999 * m.get("b", 0), np.abs(g))
    return w - 0.1 / (1 - 0.9**t) * m["a"] / (m["b"] + 1e-8)


def _momentum(w, g, m, t):
    m["v"] = 0.7 * m.get("v", 0) - 0.1 * g
    return w + m["v"]


def _nesterov(w, g, m, t):
    m["v"] = 0.7 * m.get("v", 0) - 0.1 * g
    return w + 0.7 * m["v"] - 0.1 * g


@pytest.mark.parametrize(
    ("rule", "settings", "truth"),
    [
        (pm.sgd, {"learning_rate": 0.1}, lambda w, g, m, t: w - 0.1 * g),
        (pm.momentum, {"learning_rate": 0.1, "momentum": 0.7}, _momentum),
        (pm.nesterov_momentum, {"learning_rate": 0.1, "momentum": 0.7}, _nesterov),
        (pm.adagrad, {"learning_rate": 0.3}, _adagrad),
        (pm.rmsprop, {"learning_rate": 0.3, "rho": 0.8}, _rmsprop),
        (pm.adadelta, {}, _adadelta),
        (pm.adam, {"learning_rate": 0.1}, _adam),
        (pm.adamax, {"learning_rate": 0.1}, _adamax),
    ],
    ids=lambda v: getattr(v, "__name__", ""),
)
def test_steps_are_the_papers(rule, settings, truth):
    np.testing.assert_allclose(run(rule, **settings), by_hand(truth), rtol=1e-12)
    later = rule(**settings)  # without loss and parameters: a rule for later
    np.testing.assert_allclose(run(later), by_hand(truth), rtol=1e-12)


def test_gradients_instead_of_a_loss_and_norms():
    w = theano.shared(START.copy(), "w")
    gradient = T.dot(A, w)
    (scaled,), norm = pm.total_norm_constraint([gradient], 0.5, return_norm=True)
    step = theano.function([], norm, updates=pm.sgd([scaled], [w], learning_rate=1.0))
    assert step() == pytest.approx(np.linalg.norm(A @ START))
    assert np.linalg.norm(w.get_value() - START) == pytest.approx(0.5, rel=1e-6)
    columns = pm.norm_constraint(np.array([[3.0, 0.1], [4.0, 0.2]]), 1.0).eval()
    np.testing.assert_allclose(columns, [[0.6, 0.1], [0.8, 0.2]], rtol=1e-5)


def test_bad_input():
    w, x = theano.shared(1.0, "w"), T.dscalar("x")
    with pytest.raises(ValueError, match="sgd: give both loss_or_grads and params, or neither"):
        pm.sgd(w**2)
    with pytest.raises(ValueError, match="adam: params must be shared variables, got x"):
        pm.adam(x**2, [x])
    with pytest.raises(ValueError, match="adam: 2 gradients for 1 parameters"):
        pm.adam([w, w], [w])
    with pytest.raises(ValueError, match="give norm_axes for a tensor of 1 axes"):
        pm.norm_constraint(np.ones(3), 1.0)
