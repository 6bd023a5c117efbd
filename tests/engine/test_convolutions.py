"""Convolutions against SciPy's and plain loops, pooling against plain loops, gradients by finite differences."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import signal

import probgraph.engine.tensor as T
from probgraph.engine import function, verify_grad
from probgraph.engine.tensor.nnet import conv2d, conv2d_transpose, conv3d
from probgraph.engine.tensor.nnet.abstract_conv import conv2d_grad_wrt_inputs, conv2d_grad_wrt_weights
from probgraph.engine.tensor.signal.conv import conv2d as signal_conv2d
from probgraph.engine.tensor.signal.pool import pool_2d, pool_3d

RNG = np.random.default_rng(4)
X, W = RNG.normal(size=(2, 3, 7, 6)), RNG.normal(size=(4, 3, 3, 2))


def convolved(x, w, pads, steps=(1, 1), gaps=(1, 1), flip=True):
    """By the definition, one number at a time."""
    x = np.pad(x, [(0, 0), (0, 0), *pads])
    w = w[..., ::-1, ::-1] if flip else w
    reach = [(n - 1) * g + 1 for n, g in zip(w.shape[2:], gaps, strict=True)]
    lengths = [(n - r) // s + 1 for n, r, s in zip(x.shape[2:], reach, steps, strict=True)]
    y = np.zeros((len(x), len(w), *lengths))
    for i, j in np.ndindex(*lengths):
        a, b = i * steps[0], j * steps[1]
        window = x[:, :, a : a + reach[0] : gaps[0], b : b + reach[1] : gaps[1]]
        y[:, :, i, j] = np.einsum("bcuv,fcuv->bf", window, w)
    return y


CASES = {
    "valid": ({}, [(0, 0), (0, 0)]),
    "full": ({"border_mode": "full"}, [(2, 2), (1, 1)]),
    "half": ({"border_mode": "half"}, [(1, 1), (1, 1)]),
    "a number": ({"border_mode": 2}, [(2, 2), (2, 2)]),
    "numbers": ({"border_mode": (1, 0)}, [(1, 1), (0, 0)]),
    "pairs": ({"border_mode": ((1, 2), (0, 3))}, [(1, 2), (0, 3)]),
    "steps": ({"subsample": (2, 3)}, [(0, 0), (0, 0)], (2, 3)),
    "gaps": ({"filter_dilation": (2, 3), "border_mode": "full"}, [(4, 4), (3, 3)], (1, 1), (2, 3)),
    "correlation": ({"filter_flip": False, "subsample": 2}, [(0, 0), (0, 0)], (2, 2), (1, 1), False),
}


@pytest.mark.parametrize("known", [False, True])
def test_conv2d_by_its_definition(known):
    x, w = T.tensor4("x"), T.tensor4("w")
    shapes = {"input_shape": (None, 3, 7, 6), "filter_shape": W.shape} if known else {}
    outputs = [conv2d(x, w, **shapes, **options) for options, *_ in CASES.values()]
    got = function([x, w], outputs)(X, W)
    for name, y, (_, *truth) in zip(CASES, got, CASES.values(), strict=True):
        np.testing.assert_allclose(y, convolved(X, W, *truth), rtol=1e-12, atol=1e-13, err_msg=name)


def test_gradients():
    options = {"border_mode": (1, 0), "subsample": (2, 1), "filter_dilation": (1, 2)}
    verify_grad(lambda x, w: conv2d(x, w, **options), [X[:1, :2], W[:2, :2]], rng=np.random.default_rng(1))
    verify_grad(lambda x: pool_2d(x, (2, 3), stride=(1, 2)), [X[:1, :1]], rng=np.random.default_rng(2))
    average = {"ignore_border": True, "pad": (1, 1), "mode": "average_exc_pad"}
    verify_grad(lambda x: pool_2d(x, (2, 3), **average), [X[:1, :1]], rng=np.random.default_rng(3))


def test_gradients_by_name_and_the_transpose():
    x, w, g = T.tensor4("x"), T.tensor4("w"), T.tensor4("g")
    options = {"border_mode": "half", "filter_flip": False}
    steps = {"subsample": (2, 2), **options}
    outputs = [
        conv2d(x, w, **steps),
        conv2d_grad_wrt_inputs(g, w, X.shape, **steps),
        conv2d_grad_wrt_weights(x, g, W.shape, **steps),
        conv2d_transpose(g, w, X.shape, input_dilation=(2, 2), **options),
    ]
    f = function([x, w, g], outputs)
    shape = convolved(X, W, [(1, 1), (1, 1)], (2, 2), flip=False).shape
    grown = RNG.normal(size=shape)
    y, by_x, by_w, transposed = f(X, W, grown)
    np.testing.assert_array_equal(by_x, transposed)
    # a bilinear map: <g, conv(x, w)> is <x, its gradient> and <w, its gradient>
    np.testing.assert_allclose([(X * by_x).sum(), (W * by_w).sum()], (grown * y).sum(), rtol=1e-12)


def test_three_axes():
    x, w = RNG.normal(size=(2, 2, 4, 5, 3)), RNG.normal(size=(3, 2, 2, 3, 2))
    got = conv3d(x, w).eval()
    truth = [
        [sum(signal.convolve(a, b, "valid") for a, b in zip(xs, ws, strict=True)) for ws in w] for xs in x
    ]
    np.testing.assert_allclose(got, truth, rtol=1e-12, atol=1e-13)
    top = pool_3d(x, (2, 2, 2)).eval()
    assert top.shape == (2, 2, 2, 3, 2)
    np.testing.assert_array_equal(top[1, 0, 1, 2, 1], x[1, 0, 2:, 4:, 2:].max())


def test_signals():
    a, b = RNG.normal(size=(7, 6)), RNG.normal(size=(3, 2))
    for mode in ("full", "valid", "same"):
        np.testing.assert_allclose(
            T.signal.convolve2d(a, b, mode).eval(), signal.convolve2d(a, b, mode), rtol=1e-12, atol=1e-14
        )
        rows = [np.convolve(row, b[:, 0], mode) for row in a]
        np.testing.assert_allclose(T.signal.convolve1d(a, b[:, 0], mode).eval(), rows, rtol=1e-12, atol=1e-14)
    truth = signal.convolve2d(a, b, "full")
    np.testing.assert_allclose(signal_conv2d(a, b, border_mode="full").eval(), truth, rtol=1e-12, atol=1e-14)
    many = signal_conv2d(np.stack([a, 2 * a, -a]), np.stack([b, -b]), border_mode="full").eval()
    assert many.shape == (3, 2, *truth.shape)
    np.testing.assert_allclose(many[1, 1], -2 * truth, rtol=1e-12, atol=1e-14)


def pooled(x, ws, steps, pads, mode, ignore_border):
    """Theano's rule, one window at a time."""
    rows, columns = x.shape[-2:]
    y = {}
    starts = []
    for n, w, s, p in zip((rows, columns), ws, steps, pads, strict=True):
        if ignore_border:
            starts.append([i * s - p for i in range((n + 2 * p - w) // s + 1)])
        elif s >= w:
            starts.append([i * s for i in range((n - 1) // s + 1)])
        else:
            starts.append([i * s for i in range(max(0, (n - 1 - w + s) // s) + 1)])
    for (i, a), (j, b) in itertools.product(*map(enumerate, starts)):
        window = x[..., max(a, 0) : a + ws[0], max(b, 0) : b + ws[1]]
        count = np.prod(ws) if mode == "average_inc_pad" and ignore_border else np.prod(window.shape[-2:])
        y[i, j] = window.max((-2, -1)) if mode == "max" else window.sum((-2, -1))
        if mode.startswith("average"):
            y[i, j] = y[i, j] / count
    return np.stack(
        [np.stack([y[i, j] for j in range(len(starts[1]))], -1) for i in range(len(starts[0]))], -2
    )


@pytest.mark.parametrize("mode", ["max", "sum", "average_inc_pad", "average_exc_pad"])
def test_pooling_by_its_definition(mode):
    x = T.tensor4("x")
    cases = [
        ((2, 2), None, False, (0, 0)),
        ((2, 3), None, True, (0, 0)),
        ((3, 2), (2, 1), False, (0, 0)),
        ((3, 3), (2, 2), True, (1, 2)),
        ((2, 2), (3, 4), False, (0, 0)),
        ((9, 9), (1, 2), False, (0, 0)),
    ]
    got = function([x], [pool_2d(x, ws, border, stride, pad, mode) for ws, stride, border, pad in cases])(X)
    for y, (ws, stride, border, pad) in zip(got, cases, strict=True):
        truth = pooled(X, ws, stride or ws, pad, mode, border)
        np.testing.assert_allclose(y, truth, rtol=1e-12, atol=1e-13, err_msg=str((ws, stride, border, pad)))


def test_errors_say_what_is_needed():
    x, w, m = T.tensor4("x"), T.tensor4("w"), T.dmatrix("m")
    with pytest.raises(ValueError, match="conv2d: input has 4 axes, got"):
        conv2d(m, w)
    with pytest.raises(ValueError, match="conv2d: border_mode is 'valid', 'full', 'half', a number of zeros"):
        conv2d(x, w, border_mode="same")
    with pytest.raises(ValueError, match="conv2d: subsample is a number from 1 on, or 2 of them"):
        conv2d(x, w, subsample=0)
    with pytest.raises(ValueError, match="a shape of 3 lengths was given for filters of 4 axes"):
        conv2d(x, w, filter_shape=(1, 2, 3))
    with pytest.raises(ValueError, match="a window of 3 does not fit into 2 elements"):
        conv2d(np.zeros((1, 1, 2, 2)), np.zeros((1, 1, 3, 3)))
    images, filters = T.tensor4("images"), T.tensor4("filters")
    small = function([images, filters], T.nnet.conv2d(images, filters))
    with pytest.raises(ValueError, match="a window does not fit into axis -2 of images"):
        small(np.zeros((1, 1, 2, 4)), np.zeros((1, 1, 3, 3)))
    with pytest.raises(ValueError, match="pool_2d: padding works with ignore_border=True only"):
        pool_2d(x, (2, 2), pad=(1, 1))
    with pytest.raises(ValueError, match=r"pool_2d: pad \(2, 0\) must be smaller than ws \(2, 2\)"):
        pool_2d(x, (2, 2), ignore_border=True, pad=(2, 0))
    with pytest.raises(ValueError, match="pool_2d: mode is one of max, sum, average_inc_pad"):
        pool_2d(x, 2, mode="mean")
    with pytest.raises(ValueError, match="convolve1d: mode is 'full', 'valid' or 'same'"):
        T.signal.convolve1d(m, m, "half")
