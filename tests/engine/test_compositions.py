"""Functions made of operations, against NumPy and SciPy."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
import scipy.special
from scipy.optimize import check_grad

import probgraph.engine.tensor as T
from probgraph.engine import config, function, grad, graph


def value(output, **given):
    """The value of a graph, by FAST_COMPILE and by the default mode, which must agree."""
    roots = {v.name: v for v in graph.graph_inputs([output]) if v.name in given}
    names = list(roots)
    results = [
        function([roots[n] for n in names], output, mode=mode)(*(given[n] for n in names))
        for mode in ("FAST_COMPILE", None)
    ]
    np.testing.assert_allclose(results[1], results[0], rtol=1e-12, atol=1e-300)
    return results[0]


# ------------------------------------------------------------------------------------ arithmetic


def test_sums_and_products_of_many():
    x, y, z = T.dscalars("x", "y", "z")
    assert value(T.add(x, y, z), x=1, y=2, z=3) == 6 and value(T.mul(x, y, z), x=2, y=3, z=4) == 24
    assert value(T.largest(x, y, z), x=1, y=5, z=3) == 5 and value(T.smallest(x, y, z), x=1, y=5, z=-3) == -3
    assert value(T.add(x), x=7) == 7


@pytest.mark.parametrize(
    "v", [-2.5, -1.5, -0.5, 0.0, 0.5, 0.49999999999999994, 1.5, 2.5, 1e308, np.inf, np.nan]
)
def test_round(v):
    x = T.dscalar("x")
    np.testing.assert_array_equal(value(T.round(x), x=v), np.round(v))
    away = (
        np.copysign(np.floor(np.abs(v)) + (np.abs(v) - np.floor(np.abs(v)) >= 0.5), v)
        if np.isfinite(v)
        else v
    )
    np.testing.assert_array_equal(value(T.round(x, mode="half_away_from_zero"), x=v), away)
    with pytest.raises(ValueError, match="mode is 'half_to_even' or 'half_away_from_zero', got 'up'"):
        T.round(x, mode="up")


def test_whole_numbers():
    a, b = T.lvectors("a", "b")
    n, d = np.array([-7, 7, 6, 0, -6]), np.array([2, 2, 3, 5, 4])
    np.testing.assert_array_equal(value(T.ceil_intdiv(a, b), a=n, b=d), np.ceil(n / d))
    q, r = T.divmod(a, b)
    np.testing.assert_array_equal(value(q, a=n, b=d), n // d)
    np.testing.assert_array_equal(value(r, a=n, b=d), n % d)
    assert value(T.iround(T.dscalar("x")), x=2.6).dtype == np.int64


def test_closeness_is_numpys():
    a, b = T.dvectors("a", "b")
    p = np.array([0, 1, 1e-9, 1, np.inf, np.inf, -np.inf, np.nan, 1e308])
    q = np.array([0, 1 + 1e-6, 0, 1.1, np.inf, -np.inf, 0, np.nan, np.inf])
    for equal_nan in (False, True):
        expected = np.isclose(p, q, equal_nan=equal_nan)
        np.testing.assert_array_equal(value(T.isclose(a, b, equal_nan=equal_nan), a=p, b=q), expected)
    np.testing.assert_array_equal(value(T.isfinite(a), a=p), np.isfinite(p))
    assert value(T.allclose(a, b), a=p[:2], b=q[:2]) and not value(T.allclose(a, b), a=p, b=q)


def test_logit_and_betaln():
    p = T.dvector("p")
    at = np.array([0.0, 1e-300, 0.1, 0.5, 0.999999, 1.0])
    np.testing.assert_allclose(value(T.logit(p), p=at), scipy.special.logit(at), rtol=1e-12)
    a = np.array([0.5, 1.0, 30.0])
    np.testing.assert_allclose(value(T.betaln(p, p + 1), p=a), scipy.special.betaln(a, a + 1), rtol=1e-12)


# ------------------------------------------------------------------------------------ making arrays


@pytest.mark.parametrize(
    ("n", "m", "k"), [(3, None, 0), (3, 4, 1), (4, 2, -1), (0, None, 0), (1, 1, 0), (2, 3, 9)]
)
def test_eye(n, m, k):
    result = value(T.eye(n, m, k))
    np.testing.assert_array_equal(result, np.eye(n, m, k))
    assert result.dtype == np.float64
    with config.change_flags(floatX="float32"):
        assert T.eye(2).dtype == "float32" and T.eye(2, dtype="int8").dtype == "int8"


def test_like():
    m = T.fmatrix("m")
    data = np.float32([[1, np.nan], [np.inf, 0]])
    for made, expected in (
        (T.zeros_like(m), np.zeros_like(data)),
        (T.ones_like(m), np.ones_like(data)),
        (T.full_like(m, 7), np.full_like(data, 7)),
        (T.identity_like(m), np.eye(2, dtype="float32")),
        (T.zeros_like(m, dtype="int8"), np.zeros_like(data, dtype="int8")),
    ):
        result = value(made, m=data)
        assert result.dtype == expected.dtype
        np.testing.assert_array_equal(result, expected)
    np.testing.assert_array_equal(value(T.zeros_like([1, 2])), [0, 0])
    with pytest.raises(TypeError, match="identity_like takes a matrix"):
        T.identity_like(T.dvector("v"))


def test_diag_both_ways():
    v, m = T.dvector("v"), T.dmatrix("m")
    for n in (0, 1, 3):
        data = np.arange(1.0, n + 1)
        np.testing.assert_array_equal(value(T.diag(v), v=data), np.diag(data))
    np.testing.assert_array_equal(value(T.diag(m), m=np.arange(9.0).reshape(3, 3)), [0, 4, 8])
    np.testing.assert_array_equal(value(T.diag(v), v=[np.nan, np.inf]), [[np.nan, 0], [0, np.inf]])
    with pytest.raises(ValueError, match="diag takes a vector or a matrix"):
        T.diag(T.dtensor3("t"))


def test_to_one_hot():
    y = T.ivector("y")
    np.testing.assert_array_equal(value(T.to_one_hot(y, 3), y=np.int32([0, 2, 1])), np.eye(3)[[0, 2, 1]])
    with pytest.raises(TypeError, match="to_one_hot takes a vector of integers, got float64"):
        T.to_one_hot(T.dvector("v"), 3)


# ------------------------------------------------------------------------------------ parts and axes

CUBE = np.random.default_rng(1).normal(size=(2, 3, 4))


@pytest.mark.parametrize("axis", [None, 0, 1, 2, -1])
def test_argmax_argmin_and_ptp(axis):
    t = T.dtensor3("t")
    data = np.round(CUBE, 1)  # with ties
    np.testing.assert_array_equal(value(T.argmax(t, axis), t=data), np.argmax(data, axis))
    np.testing.assert_array_equal(value(T.argmin(t, axis), t=data), np.argmin(data, axis))
    np.testing.assert_array_equal(value(T.ptp(t, axis), t=data), np.ptp(data, axis))
    best, place = T.max_and_argmax(t, axis)
    np.testing.assert_array_equal(value(best, t=data), np.max(data, axis))
    assert value(place, t=data).dtype == np.int64


@pytest.mark.parametrize(
    "data", [[3.0], [1, np.nan, 5, np.nan], [-np.inf, -np.inf], [np.inf, 1], [0.0, -0.0]]
)
def test_argmax_at_the_edges(data):
    v = T.dvector("v")
    assert value(T.argmax(v), v=data) == np.argmax(data) and value(T.argmin(v), v=data) == np.argmin(data)
    assert value(T.argmax(v, axis=0, keepdims=True), v=data).shape == (1,)


def test_argmax_of_nothing_is_an_error():
    v = T.dvector("v")
    for mode in ("FAST_COMPILE", "FAST_RUN"):
        with pytest.raises(ValueError, match="no elements"):
            function([v], T.argmax(v), mode=mode)([])


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_repeat_and_roll(axis, count):
    t = T.dtensor3("t")
    np.testing.assert_array_equal(value(T.repeat(t, count, axis), t=CUBE), np.repeat(CUBE, count, axis))
    for shift in (count, -count, 7):
        np.testing.assert_array_equal(value(T.roll(t, shift, axis), t=CUBE), np.roll(CUBE, shift, axis))


@pytest.mark.parametrize("reps", [2, (2,), (2, 1), (1, 3), (2, 2, 2)])
def test_tile(reps):
    m = T.dmatrix("m")
    np.testing.assert_array_equal(value(T.tile(m, reps), m=CUBE[0]), np.tile(CUBE[0], reps))


@pytest.mark.parametrize(("n", "axis"), [(1, -1), (2, 0), (1, 1), (0, 0)])
def test_diff(n, axis):
    m = T.dmatrix("m")
    np.testing.assert_allclose(value(T.diff(m, n, axis), m=CUBE[0]), np.diff(CUBE[0], n, axis))


def test_split_stacklists_and_stacks():
    m, x = T.dmatrix("m"), T.dscalar("x")
    a, b = T.split(m, [1, 2], 2, axis=0)
    np.testing.assert_array_equal(value(a, m=CUBE[0]), CUBE[0][:1])
    np.testing.assert_array_equal(value(b, m=CUBE[0]), CUBE[0][1:])
    with pytest.raises(ValueError, match="2 lengths were given for n_splits=3"):
        T.split(m, [1, 2], 3)
    with pytest.raises(ValueError, match="add up to 3, axis 0 has length 4"):
        T.split(T.vector("v", shape=(4,)), [1, 2])
    np.testing.assert_array_equal(value(T.stacklists([[x, 1.0], [2.0, x]]), x=9), [[9, 1], [2, 9]])
    np.testing.assert_array_equal(value(T.horizontal_stack(m, m), m=CUBE[0]), np.hstack([CUBE[0]] * 2))
    np.testing.assert_array_equal(value(T.vertical_stack(m, m), m=CUBE[0]), np.vstack([CUBE[0]] * 2))


def test_axes():
    m, x = T.dmatrix("m"), T.dscalar("x")
    assert T.shape_padaxis(m, 1).broadcastable == (False, True, False)
    assert T.addbroadcast(m, 0).broadcastable == (True, False) and T.atleast_1d(x).broadcastable == (True,)
    with pytest.raises(ValueError):
        function([m], T.addbroadcast(m, 0) * 1)(np.ones((2, 2)))


# ------------------------------------------------------------------------------------ products


@pytest.mark.parametrize("axes", [1, 2, [[0], [1]], [[1, 2], [1, 0]], (2, 0), 0])
def test_tensordot(axes):
    a, b = T.dtensor3("a"), T.dtensor3("b")
    rng = np.random.default_rng(2)
    shapes = {1: ((2, 3, 4), (4, 2, 2)), 2: ((2, 3, 4), (3, 4, 2)), 0: ((1, 2, 3), (2, 1, 2))}
    if isinstance(axes, int):
        shape_a, shape_b = shapes[axes]
    elif axes == [[0], [1]]:
        shape_a, shape_b = (2, 3, 4), (3, 2, 2)
    elif axes == (2, 0):
        shape_a, shape_b = (2, 3, 4), (4, 2, 2)
    else:
        shape_a, shape_b = (2, 3, 4), (4, 3, 2)
    p, q = rng.normal(size=shape_a), rng.normal(size=shape_b)
    np.testing.assert_allclose(value(T.tensordot(a, b, axes), a=p, b=q), np.tensordot(p, q, axes), rtol=1e-12)


def test_batched_dot_and_matrix_dot():
    a, b, v = T.dtensor3("a"), T.dtensor3("b"), T.dmatrix("v")
    p, q = CUBE, CUBE.transpose(0, 2, 1)
    np.testing.assert_allclose(value(T.batched_dot(a, b), a=p, b=q), p @ q, rtol=1e-12)
    np.testing.assert_allclose(
        value(T.batched_dot(a, v), a=p, v=p[:, 0]), np.einsum("nij,nj->ni", p, p[:, 0])
    )
    np.testing.assert_allclose(value(T.matrix_dot(v, v.T, v), v=p[0]), p[0] @ p[0].T @ p[0])
    np.testing.assert_allclose(value(T.batched_dot(v, v), v=p[0]), (p[0] ** 2).sum(1))
    with pytest.raises(TypeError, match="batched_dot takes"):
        T.batched_dot(T.dvector("w"), v)


# ------------------------------------------------------------------------------------ neural networks

WIDE = np.array([[1000.0, 1000.0, 0.0], [-1000.0, 0.0, 1.0], [3.0, 3.0, 3.0]])


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_softmax_and_its_logarithm(axis):
    m = T.dmatrix("m")
    where = -1 if axis is None else axis
    np.testing.assert_allclose(
        value(T.nnet.softmax(m, axis=axis), m=WIDE), scipy.special.softmax(WIDE, where), rtol=1e-14
    )
    np.testing.assert_allclose(
        value(T.nnet.logsoftmax(m, axis=axis), m=WIDE), scipy.special.log_softmax(WIDE, where), rtol=1e-14
    )


def test_softmax_of_a_vector_is_a_vector():
    v = T.dvector("v")
    assert T.nnet.softmax(v).ndim == 1
    np.testing.assert_allclose(value(T.nnet.softmax(v), v=[0.0, np.log(3.0)]), [0.25, 0.75])


@pytest.mark.parametrize(
    "make",
    [
        lambda m: (T.nnet.softmax(m) * [[1.0, 2.0, 3.0]]).sum(),
        lambda m: (T.nnet.logsoftmax(m) * [[1.0, 2.0, 3.0]]).sum(),
        lambda m: T.nnet.relu(m, 0.1).sum(),
        lambda m: T.nnet.elu(m).sum(),
        lambda m: T.nnet.softsign(m).sum(),
        lambda m: T.nnet.sigmoid_binary_crossentropy(m, 0.3).sum(),
        lambda m: T.nnet.binary_crossentropy(T.nnet.sigmoid(m), 0.3).sum(),
        lambda m: T.nnet.categorical_crossentropy(T.nnet.softmax(m), T.constant([0, 2])).sum(),
        lambda m: T.tensordot(m, m, 2),
        lambda m: (T.repeat(m, 2, 1) ** 2).sum(),
        lambda m: (T.roll(m, 1, 0) * m).sum(),
        lambda m: (T.tile(m, 2) ** 2).sum(),
        lambda m: (T.diff(m) ** 2).sum(),
        lambda m: (T.diag(m[0]) ** 3).sum(),
    ],
)
def test_gradients_of_compositions(make):
    m = T.matrix("m", shape=(2, 3))
    cost = make(m)
    f, g = function([m], cost), function([m], grad(cost, m))
    at = np.random.default_rng(3).normal(size=6)
    error = check_grad(lambda q: float(f(q.reshape(2, 3))), lambda q: g(q.reshape(2, 3)).ravel(), at)
    assert error < 1e-5


def test_activations():
    v = T.dvector("v")
    at = np.array([-np.inf, -745.0, -2.0, 0.0, 2.0, 745.0, np.inf])
    np.testing.assert_array_equal(value(T.nnet.relu(v), v=at), np.maximum(at, 0))
    np.testing.assert_allclose(value(T.nnet.relu(v, 0.5), v=at), np.where(at > 0, at, at / 2))
    np.testing.assert_allclose(value(T.nnet.elu(v), v=at), np.where(at > 0, at, np.expm1(np.minimum(at, 0))))
    np.testing.assert_allclose(value(T.nnet.hard_sigmoid(v), v=at), np.clip(0.2 * at + 0.5, 0, 1))
    np.testing.assert_allclose(value(T.nnet.softplus(v), v=at), np.logaddexp(0, at))
    np.testing.assert_allclose(value(T.nnet.sigmoid(v), v=at), scipy.special.expit(at))
    finite = at[1:-1]
    np.testing.assert_allclose(value(T.nnet.softsign(v), v=finite), finite / (1 + np.abs(finite)))


def test_crossentropies():
    m, y = T.dmatrix("m"), T.lvector("y")
    q = scipy.special.softmax(CUBE[0], axis=1)
    classes = np.array([0, 3, 1])
    expected = -np.log(q[np.arange(3), classes])
    np.testing.assert_allclose(value(T.nnet.categorical_crossentropy(m, y), m=q, y=classes), expected)
    one_hot = T.constant(np.eye(4)[classes])
    np.testing.assert_allclose(value(T.nnet.categorical_crossentropy(m, one_hot), m=q), expected)
    with pytest.raises(TypeError, match="categorical_crossentropy takes"):
        T.nnet.categorical_crossentropy(m, T.dvector("v"))
    logits = np.array([[-800.0, 0.0, 800.0]])
    np.testing.assert_allclose(
        value(T.nnet.sigmoid_binary_crossentropy(m, 1.0), m=logits), [[800, np.log(2), 0]]
    )


def test_log_softmax_keeps_the_digits_of_what_is_nearly_0():
    x = T.dvector("x")
    y = T.log_softmax(x)
    run = function([x], [y, T.grad(y[0], x)])
    for at in ([100.0, 0.0], [30.0, 0.0, -30.0], [1e8, 1e8 - 40.0], [2.0, 2.0, 1.0], [-800.0, 5.0], [3.0]):
        value, slope = run(at)
        with mp.workdps(60):
            total = sum(mp.exp(mp.mpf(v)) for v in at)
            expected = [float(mp.mpf(v) - mp.log(total)) for v in at]
            slopes = [(k == 0) - float(mp.exp(mp.mpf(v)) / total) for k, v in enumerate(at)]
        np.testing.assert_allclose(value, expected, rtol=1e-14, atol=1e-300)
        np.testing.assert_allclose(slope, slopes, rtol=1e-13, atol=1e-15)
