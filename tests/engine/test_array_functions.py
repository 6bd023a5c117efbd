"""Odds and ends of arrays, interpolation, structured matrices and matrix equations, against NumPy and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

import probgraph.engine.tensor as T
from probgraph.engine import function, grad

RNG = np.random.default_rng(3)
ODD = np.array([np.nan, np.inf, -np.inf, 0.0, -1e308, 5e-324])


def both(inputs, outputs, *values):
    """The values of some graphs, by FAST_COMPILE and by the default mode, which must agree."""
    plain, compiled = (function(inputs, outputs, mode=mode)(*values) for mode in ("FAST_COMPILE", None))
    for a, b in zip(plain, compiled, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(b, a, rtol=1e-12, atol=1e-300)
    return compiled


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_odd_numbers(dtype):
    x = T.vector("x", dtype=dtype)
    with np.errstate(over="ignore"):
        given = ODD.astype(dtype)
    got = both(
        [x],
        [T.nan_to_num(x), T.nan_to_num(x, 1.0, 2.0, 3.0), T.isposinf(x), T.isneginf(x)],
        given,
    )
    truth = [
        np.nan_to_num(given),
        np.nan_to_num(given, True, 1.0, 2.0, 3.0),
        np.isposinf(given),
        np.isneginf(given),
    ]
    for g, t in zip(got, truth, strict=True):
        assert g.dtype == t.dtype
        np.testing.assert_array_equal(g, t)


def test_integers_have_no_odd_numbers():
    i = T.ivector("i")
    given = np.array([-1, 0, 3], "int32")
    got = both([i], [T.nan_to_num(i), T.isposinf(i), T.isneginf(i)], given)
    np.testing.assert_array_equal(got[0], given)
    assert got[0].dtype == np.int32 and not got[1].any() and not got[2].any()


def test_gradient_of_nan_to_num_flows_where_nothing_was_replaced():
    x = T.dvector("x")
    (slope,) = both([x], [grad(T.nan_to_num(x, 1.0, 2.0, 3.0).sum(), x)], ODD)
    np.testing.assert_array_equal(slope, np.isfinite(ODD))


def test_complex_from_polar():
    r, t = T.dvectors("r", "t")
    z = T.complex_from_polar(r, t)
    radius, turn = np.array([0.0, 1.0, 2.5]), np.array([1.0, -np.pi, 0.3])
    got, size, turned = both([r, t], [z, grad((abs(z) ** 2).sum(), r), grad(z.imag.sum(), t)], radius, turn)
    np.testing.assert_allclose(got, radius * np.exp(1j * turn), rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(size, 2 * radius, atol=1e-14)
    np.testing.assert_allclose(turned, radius * np.cos(turn), atol=1e-14)


@pytest.mark.parametrize(
    ("n", "k", "m"), [(3, 0, None), (3, 1, 4), (4, -1, 2), (0, 0, None), (1, 0, 1), (2, -5, 3)]
)
def test_places_in_triangles(n, k, m):
    size = T.lscalar("n")
    a = T.zeros((size, size if m is None else m))
    got = both(
        [size],
        [
            *T.tril_indices(size, k, m),
            *T.triu_indices(size, k, m),
            *T.tril_indices_from(a, k),
            *T.triu_indices_from(a, k),
        ],
        n,
    )
    truth = [*np.tril_indices(n, k, m), *np.triu_indices(n, k, m)] * 2
    for g, t in zip(got, truth, strict=True):
        np.testing.assert_array_equal(g, t)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 6])
def test_bartlett(n):
    size = T.lscalar("n")
    np.testing.assert_allclose(both([size], [T.bartlett(size)], n)[0], np.bartlett(n), atol=1e-15)


@pytest.mark.parametrize("shape", [(2, 3), (1, 1), (0, 3)])
def test_axes(shape):
    m, v = T.dmatrix("m"), T.dvector("v")
    a, b = RNG.normal(size=shape), RNG.normal(size=shape[1])
    packed, shapes = T.pack(m, v, 2.0)
    got = both(
        [m, v],
        [
            T.flip(m),
            T.flip(m, -1),
            T.flip(m, (0,)),
            T.hstack([m, m]),
            T.hstack([v, v, 1.0]),
            T.vstack([m, v, v]),
            T.join_dims(m),
            T.join_dims(m, -1),
            T.join_dims(m, 1, 0),
            T.split_dims(m, (1, m.shape[1]), axis=-1),
            packed,
            *T.unpack(packed, shapes),
            T.unpack(T.constant(np.arange(5.0)), [(2, 2), ()])[0],
            T.patternbroadcast(T.unbroadcast(m, 0), (False, False)),
            T.empty_like(m, "int32"),
        ],
        a,
        b,
    )
    truth = [
        np.flip(a),
        np.flip(a, -1),
        np.flip(a, (0,)),
        np.hstack([a, a]),
        np.hstack([b, b, 1.0]),
        np.vstack([a, b, b]),
        a.reshape(a.size),
        a,
        a[:, None],
        a[:, None],
        np.hstack([a.ravel(), b, 2.0]),
        a,
        b,
        np.array(2.0),
        np.arange(4.0).reshape(2, 2),
        a,
        np.zeros(shape, "int32"),
    ]
    for g, t in zip(got, truth, strict=True):
        assert g.dtype == t.dtype and g.shape == t.shape
        np.testing.assert_array_equal(g, t)


def test_patternbroadcast_is_checked():
    m = T.dmatrix("m")
    row = T.patternbroadcast(m, (True, False))
    assert row.broadcastable == (True, False)
    with pytest.raises(Exception, match="1"):
        function([m], row)(np.ones((2, 3)))


@pytest.mark.parametrize("offset", [-3, -1, 0, 2, 7])
def test_fill_diagonal_offset(offset):
    a, k = T.dmatrix("a"), T.lscalar("k")
    filled = T.fill_diagonal_offset(a, 5.0, k)
    given = RNG.normal(size=(4, 3))
    on = np.eye(4, 3, offset, dtype=bool)
    got, slope = both([a, k], [filled, grad(filled.sum(), a)], given, offset)
    np.testing.assert_array_equal(got, np.where(on, 5.0, given))
    np.testing.assert_array_equal(slope, 1.0 - on)


# ------------------------------------------------------------------------------------ interpolation


@pytest.mark.parametrize("n", [1, 2, 5])
def test_interp(n):
    xp = np.sort(RNG.normal(size=n))
    fp = RNG.normal(size=n)
    places = np.concatenate([xp, [-np.inf, np.inf, np.nan, -9, 9], RNG.normal(size=7)]).reshape(1, -1)
    if n == 1:  # nan has no place: nan, where NumPy gives the value of a single point
        places = places[~np.isnan(places)][None]
    x, p, f = T.dmatrix("x"), T.dvector("p"), T.dvector("f")
    got = both([x, p, f], [T.interp(x, p, f), T.interp(x, p, f, left=-1.0, right=np.nan)], places, xp, fp)
    np.testing.assert_allclose(got[0], np.interp(places, xp, fp), rtol=1e-12)
    np.testing.assert_allclose(got[1], np.interp(places, xp, fp, left=-1.0, right=np.nan), rtol=1e-12)


def test_interp_at_a_jump_and_of_nothing():
    xp, fp = [0.0, 1.0, 1.0, 2.0], [0.0, 1.0, 5.0, 6.0]
    at = [0.5, 1.0, 1.5, 2.0]
    np.testing.assert_allclose(T.interp(at, xp, fp).eval(), np.interp(at, xp, fp))
    assert T.interp(np.zeros((0, 2)), xp, fp).eval().shape == (0, 2)


def test_gradient_of_interp():
    xp, fp = np.array([0.0, 1.0, 3.0]), np.array([1.0, 4.0, 2.0])
    T.verify_grad(lambda x, p, f: T.interp(x, p, f), [np.array([-1.0, 0.3, 2.2, 5.0]), xp, fp])


# ------------------------------------------------------------------------------------ matrices


@pytest.mark.parametrize(("n", "m"), [(3, 3), (1, 1), (2, 4), (4, 1)])
def test_toeplitz(n, m):
    c, r = RNG.normal(size=(2, n)), RNG.normal(size=(2, m))
    x, y = T.dmatrix("x"), T.dmatrix("y")
    got = both([x, y], [T.toeplitz(x, y), T.toeplitz(x), T.slinalg.toeplitz(x[0])], c, r)
    np.testing.assert_array_equal(got[0], [scipy.linalg.toeplitz(*pair) for pair in zip(c, r, strict=True)])
    np.testing.assert_array_equal(got[1], [scipy.linalg.toeplitz(one) for one in c])
    np.testing.assert_array_equal(got[2], scipy.linalg.toeplitz(c[0]))


def test_matrix_equations():
    a, b, q = RNG.normal(size=(2, 3, 3)), RNG.normal(size=(2, 2)), RNG.normal(size=(3, 2))
    square = RNG.normal(size=(3, 3))
    A, B, Q, S = T.dtensor3("A"), T.dmatrix("B"), T.dmatrix("Q"), T.dmatrix("S")
    got = both(
        [A, B, Q, S],
        [
            T.solve_sylvester(A, B, Q),
            T.solve_continuous_lyapunov(A, S),
            T.solve_discrete_lyapunov(0.3 * A, S),
        ],
        a,
        b,
        q,
        square,
    )
    for i, one in enumerate(a):
        np.testing.assert_allclose(got[0][i], scipy.linalg.solve_sylvester(one, b, q), rtol=1e-9)
        np.testing.assert_allclose(got[1][i], scipy.linalg.solve_continuous_lyapunov(one, square), rtol=1e-9)
        np.testing.assert_allclose(
            got[2][i], scipy.linalg.solve_discrete_lyapunov(0.3 * one, square), rtol=1e-9
        )


def test_gradients_of_matrix_equations():
    a, b, q = RNG.normal(size=(2, 2)), RNG.normal(size=(3, 3)), RNG.normal(size=(2, 3))
    T.verify_grad(T.solve_sylvester, [a, b, q])
    T.verify_grad(lambda x, y: T.solve_discrete_lyapunov(x, T.dot(y, y.T)), [0.3 * a, q])
    T.verify_grad(lambda x: T.grad(T.solve_discrete_lyapunov(x, x).sum(), x), [0.3 * a])


def test_errors():
    v = T.dvector("v")
    for call, message in [
        (lambda: T.tril_indices_from(v), "tril_indices_from takes a matrix, got"),
        (lambda: T.flip(v, 1), "flip: axes"),
        (lambda: T.join_dims(v, 0, 2), "join_dims: 2 axes from 0 on"),
        (lambda: T.split_dims(v, (2, 3), 1), "split_dims: axis 1 does not exist"),
        (lambda: T.pack(), "pack: nothing to pack"),
        (lambda: T.unpack(T.dmatrix(), [(2,)]), "unpack takes a vector"),
        (lambda: T.patternbroadcast(v, (True, False)), "2 marks for 1 dimensions"),
        (lambda: T.unbroadcast(v, 3), "unbroadcast: axes"),
        (lambda: T.interp(v, T.dmatrix(), v), "interp: xp and fp are vectors"),
        (lambda: T.toeplitz(2.0), "toeplitz takes vectors"),
        (lambda: T.solve_sylvester(v, v, v), "solve_sylvester takes real matrices"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
