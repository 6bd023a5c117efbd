"""Layers and costs of classifiers against their formulas in NumPy and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

import probgraph.engine.tensor as T
from probgraph.engine import function, grad

RNG = np.random.default_rng(5)
nnet = T.nnet


def both(inputs, outputs, *values):
    """The values of some graphs, by FAST_COMPILE and by the default mode, which must agree."""
    plain, compiled = (function(inputs, outputs, mode=mode)(*values) for mode in ("FAST_COMPILE", None))
    for a, b in zip(plain, compiled, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-12, atol=1e-300)
    return compiled


def test_selu():
    x = T.dvector("x")
    given = np.array([-800.0, -1.0, 0.0, 2.0, 1e308, np.nan])
    scale, alpha = 1.0507009873554805, 1.6732632423543772
    (got,) = both([x], [nnet.selu(x)], given)
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(
            got, scale * np.where(given > 0, given, alpha * np.expm1(given)), rtol=1e-14
        )
    T.verify_grad(nnet.selu, [np.array([-1.0, 0.5, 2.0])])


def test_crossentropies():
    x, y = T.dmatrix("x"), T.lvector("y")
    given, classes = np.array([[0.0, 1.0, 2.0], [1000.0, 0.0, -1000.0]]), np.array([2, 1])
    cost, probabilities = nnet.crossentropy_softmax_1hot(x, y)
    shifted, _ = nnet.crossentropy_softmax_1hot_with_bias(x, [0.0, 0.0, 1.0], y)
    again = nnet.crossentropy_categorical_1hot(probabilities[:1], y[:1])
    got = both([x, y], [cost, probabilities, shifted, again, grad(cost.sum(), x)], given, classes)
    log_p = scipy.special.log_softmax(given, axis=1)
    np.testing.assert_allclose(got[0], -log_p[[0, 1], classes], rtol=1e-14)
    np.testing.assert_allclose(got[1], np.exp(log_p), rtol=1e-14)
    np.testing.assert_allclose(
        got[2], -scipy.special.log_softmax(given + np.array([0, 0, 1]), axis=1)[[0, 1], classes], rtol=1e-14
    )
    np.testing.assert_allclose(got[3], got[0][:1], rtol=1e-12)
    np.testing.assert_allclose(got[4], np.exp(log_p) - np.eye(3)[classes], atol=1e-14)
    for f in (nnet.crossentropy_softmax_1hot, nnet.crossentropy_categorical_1hot):
        with pytest.raises(TypeError, match=r"takes \(n, k\) and n integers"):
            f(x, T.dvector())


@pytest.mark.parametrize(
    ("actual", "predicted"), [([2, 0, 2, 7], [0, 0, 2, 2]), ([1], [1]), ([], []), ([3, 3], [5, 3])]
)
def test_confusion_matrix(actual, predicted):
    a, p = T.lvectors("a", "p")
    got, order = both([a, p], nnet.confusion_matrix(a, p), np.array(actual, int), np.array(predicted, int))
    classes = sorted({*actual, *predicted})
    truth = [
        [sum(u == i and v == j for u, v in zip(actual, predicted, strict=True)) for j in classes]
        for i in classes
    ]
    np.testing.assert_array_equal(order, classes)
    np.testing.assert_array_equal(got, np.array(truth, int).reshape(len(classes), len(classes)))
    with pytest.raises(ValueError, match="pred is a vector of classes"):
        nnet.confusion_matrix(a, T.lmatrix())


@pytest.mark.parametrize(
    ("axes", "along"), [("per-activation", (0,)), ("spatial", (0, 2, 3)), ((0, -1), (0, 3))]
)
def test_batch_normalization(axes, along):
    x = T.dtensor4("x")
    given = RNG.normal(2.0, 3.0, size=(4, 3, 2, 5))
    kept = tuple(1 if a in along else n for a, n in enumerate(given.shape))
    gamma, beta, old_mean, old_var = RNG.uniform(0.5, 2.0, size=(4, *kept))
    out = nnet.bn.batch_normalization_train(x, gamma, beta, axes, 1e-3, 0.2, old_mean, old_var)
    bare = [np.squeeze(v, along) for v in (gamma, beta, old_mean, old_var)]
    test = nnet.bn.batch_normalization_test(x, *bare, axes, 1e-3)
    got = both([x], [*out, test, nnet.bn.batch_normalization_train(x, *bare[:2], axes, 1e-3)[0]], given)
    mean, var = given.mean(along, keepdims=True), given.var(along, keepdims=True)
    count = given.size / mean.size
    truth = [
        (given - mean) / np.sqrt(var + 1e-3) * gamma + beta,
        mean,
        1 / np.sqrt(var + 1e-3),
        0.8 * old_mean + 0.2 * mean,
        0.8 * old_var + 0.2 * var * count / (count - 1),
        (given - old_mean) / np.sqrt(old_var + 1e-3) * gamma + beta,
    ]
    for g, t in zip(got, [*truth, truth[0]], strict=True):
        np.testing.assert_allclose(g, t, rtol=1e-10)


def test_batch_normalization_in_float32_with_gradients_and_errors():
    x = T.fmatrix("x")
    out = nnet.bn.batch_normalization_train(
        x, np.ones(3, "f"), np.zeros(3, "f"), 0, 1e-4, 0.1, np.ones(3, "f"), np.ones(3, "f")
    )
    assert {v.dtype for v in out} == {"float32"}
    T.verify_grad(
        lambda x, g, b: nnet.bn.batch_normalization_train(x, g, b)[0],
        [RNG.normal(size=(4, 2)), np.ones(2), np.zeros(2)],
    )
    np.testing.assert_allclose(nnet.bn.batch_normalization(np.array([3.0]), 2.0, 1.0, 1.0, 4.0).eval(), [2.0])
    for call, message in [
        (lambda: nnet.bn.batch_normalization_train(x, 1.0, [0.0]), "gamma has 0 dimensions; 2 are needed"),
        (lambda: nnet.bn.batch_normalization_train(x, [1.0], [0.0], "all"), "'per-activation', 'spatial'"),
        (lambda: nnet.bn.batch_normalization_train(x, [1.0], [0.0], 2), "do not all exist"),
        (lambda: nnet.bn.batch_normalization_train(x, [1.0], [0.0], running_mean=[0.0]), "both or neither"),
        (lambda: nnet.bn.batch_normalization(x, 1.0, 0.0, 0.0, 1.0, mode="fast"), "'low_mem' or 'high_mem'"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
