"""Fourier transforms against NumPy's, in C and NumPy, and the gradients of real costs through them."""

from __future__ import annotations

import numpy as np
import pytest

import probgraph.engine.tensor as T
from probgraph.engine import function, grad, verify_grad
from probgraph.engine.compiled import CompiledGraph
from probgraph.engine.graph import FunctionGraph
from probgraph.engine.run_loops import run

RNG = np.random.default_rng(5)


def _complex(*shape):
    return RNG.normal(size=shape) + 1j * RNG.normal(size=shape)


#: powers, products, primes that are summed directly, and the first two that become convolutions
LENGTHS = [1, 2, 3, 4, 5, 6, 8, 9, 12, 16, 35, 61, 64, 67, 71, 97, 122, 128, 134, 210, 1009, 3 * 67]


def test_any_length():
    z = T.zvector("z")
    program = CompiledGraph(FunctionGraph([z], [T.fft.fft(z), T.fft.ifft(z)]))
    for n in LENGTHS:
        x = _complex(n)
        truth = np.fft.fft(x), np.fft.ifft(x)
        for way in (program([x]), run(program.program, [x])):
            for got, wanted in zip(way, truth, strict=True):
                assert abs(got - wanted).max() <= 3e-15 * abs(wanted).max() * max(np.log2(n), 1), n


def test_single_precision_stays_so():
    z = T.cmatrix("z")
    x = _complex(3, 12).astype("complex64")
    (got,) = CompiledGraph(FunctionGraph([z], [T.fft.fft(z)]))([x])
    assert got.dtype == "complex64"
    np.testing.assert_allclose(got, np.fft.fft(x.astype("complex128")), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("norm", [None, "backward", "ortho", "forward"])
def test_the_family_is_numpys(norm):
    z, x = T.ztensor3("z"), T.dmatrix("x")
    a, b = _complex(3, 4, 5), RNG.normal(size=(4, 6))
    cases = [
        (lambda m, v: m.fft(v, norm=norm), True),
        (lambda m, v: m.ifft(v, 7, 1, norm), True),
        (lambda m, v: m.fft(v, 3, 0, norm), True),
        (lambda m, v: m.fft2(v, norm=norm), True),
        (lambda m, v: m.ifft2(v, (2, 8), (0, 1), norm), True),
        (lambda m, v: m.fftn(v, norm=norm), True),
        (lambda m, v: m.ifftn(v, (4, 5), (1, 2), norm=norm), True),
        (lambda m, v: m.fft(v, norm=norm), False),
        (lambda m, v: m.fftshift(v), False),
        (lambda m, v: m.ifftshift(v, 0), False),
        (lambda m, v: m.fftshift(v, (0, 1)), False),
    ]
    got = function([z, x], [case(T.fft, z if first else x) for case, first in cases])(a, b)
    for (case, first), value in zip(cases, got, strict=True):
        np.testing.assert_allclose(value, case(np.fft, a if first else b), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("n", [1, 4, 7])
def test_frequencies(n):
    k = T.lscalar("k")
    got = function([k], [T.fft.fftfreq(k, 0.1), T.fft.rfftfreq(k)])(n)
    np.testing.assert_allclose(got[0], np.fft.fftfreq(n, 0.1))
    np.testing.assert_allclose(got[1], np.fft.rfftfreq(n))


@pytest.mark.parametrize("n", [6, 7])
def test_theanos_pairs_of_real_numbers(n):
    x = T.dtensor3("x")
    b = RNG.normal(size=(2, 4, n))
    norms = {None: "backward", "ortho": "ortho", "no_norm": "backward"}
    pairs = [T.fft.rfft(x, norm) for norm in norms]
    back = [T.fft.irfft(y, norm, is_odd=n % 2 == 1) for y, norm in zip(pairs, norms, strict=True)]
    got = function([x], pairs + back)(b)
    for y, z, (theano, numpy) in zip(got[:3], got[3:], norms.items(), strict=True):
        truth = np.fft.rfftn(b, axes=(1, 2), norm=numpy)
        np.testing.assert_allclose(y, np.stack([truth.real, truth.imag], -1), rtol=1e-12, atol=1e-13)
        scale = b[0].size if theano == "no_norm" else 1
        np.testing.assert_allclose(z, b * scale, rtol=1e-12, atol=1e-12)


def test_gradients_of_the_pairs():
    x, y = RNG.normal(size=(2, 3, 5)), RNG.normal(size=(2, 3, 4, 2))
    verify_grad(lambda v: T.fft.rfft(v, "ortho"), [x], rng=np.random.default_rng(1))
    verify_grad(lambda v: T.fft.irfft(v), [y], rng=np.random.default_rng(2))
    verify_grad(lambda v: T.fft.irfft(v, "no_norm", is_odd=True), [y], rng=np.random.default_rng(3))


def test_gradients_by_complex_points():
    z = T.zvector("z")
    at, w = _complex(7), _complex(7)
    cost = (abs(T.fft.fft(z)) ** 2 * T.real(w)).sum() + T.imag(T.fft.ifft(z * z) * w).sum()
    (got,) = function([z], [grad(cost, z)])(at)
    f = function([z], cost)
    h = 1e-6
    for k in range(7):
        step = h * np.eye(7)[k]
        slope = (f(at + step) - f(at - step) + 1j * (f(at + 1j * step) - f(at - 1j * step))) / (2 * h)
        np.testing.assert_allclose(got[k], slope, rtol=1e-6)


def test_a_batch_and_a_second_gradient():
    x = T.dmatrix("x")
    spectrum = T.fft.rfft(x)
    cost = (spectrum**4).sum()
    v = RNG.normal(size=(2, 6))
    (second,) = function([x], [grad((grad(cost, x) * v).sum(), x)])(v)
    f = function([x], grad(cost, x))
    np.testing.assert_allclose(second, (f(v + 1e-5 * v) - f(v - 1e-5 * v)) / 2e-5, rtol=1e-6, atol=1e-4)


def test_errors_say_what_is_needed():
    x, z = T.dvector("x"), T.zvector("z")
    with pytest.raises(TypeError, match=r"rfft: a real array with a batch in front, \(batch, ..., n\)"):
        T.fft.rfft(x)
    with pytest.raises(TypeError, match="irfft: a real array .* real and imaginary"):
        T.fft.irfft(T.dmatrix())
    with pytest.raises(ValueError, match="rfft: norm is None, 'ortho' or 'no_norm', got 'forward'"):
        T.fft.rfft(T.dmatrix(), "forward")
    with pytest.raises(ValueError, match="fft: norm is one of backward, ortho, forward, got 'no_norm'"):
        T.fft.fft(z, norm="no_norm")
    with pytest.raises(ValueError, match="fft: n is a positive number of points, got 0"):
        T.fft.fft(z, 0)
    with pytest.raises(ValueError, match="fft: axis 2 does not exist"):
        T.fft.fft(z, axis=2)
    with pytest.raises(ValueError, match="fftn: 1 lengths for 2 axes"):
        T.fft.fftn(T.zmatrix(), (3,), (0, 1))
    with pytest.raises(ValueError, match="a Fourier transform of no points"):
        function([z], T.fft.fft(z))(np.zeros(0, "complex128"))
