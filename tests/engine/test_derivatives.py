"""Jacobians, Hessians and products with them, against formulas and differences."""

from __future__ import annotations

import numpy as np
import pytest

import probgraph.engine as theano
import probgraph.engine.tensor as T
from probgraph.engine.config import config
from probgraph.engine.derivatives import (
    GradientError,
    Lop,
    Rop,
    hessian,
    hessian_vector_product,
    jacobian,
    verify_grad,
)
from probgraph.engine.function import function
from probgraph.engine.graph import toposort
from probgraph.engine.loop_op import Scan
from probgraph.engine.modes import Mode
from probgraph.engine.op import Op
from probgraph.engine.ops.products import Dot
from probgraph.engine.scanning import scan
from probgraph.engine.shared import shared
from probgraph.engine.types import TensorType

RNG = np.random.default_rng(11)
X = np.array([0.3, -1.2, 2.0])
A = RNG.normal(size=(4, 3))
x, a, s = T.dvector("x"), T.dmatrix("a"), T.dscalar("s")
MODES = ("FAST_RUN", "FAST_COMPILE", "DebugMode")
WAYS = (None, True, False)


def differences(f, *points, at=0, step=1e-6):
    """The Jacobian of a NumPy function by its argument `at`: output.shape + input.shape."""
    points = [np.array(p, dtype=float) for p in points]
    shape = np.shape(f(*points))
    result = np.zeros((*shape, *points[at].shape))
    for place in np.ndindex(*points[at].shape):
        ends = []
        for move in (step, -step):
            moved = [p.copy() for p in points]
            moved[at][place] += move
            ends.append(np.asarray(f(*moved)))
        result[(..., *place)] = (ends[0] - ends[1]) / (2 * step)
    return result


# ------------------------------------------------------------------------------------ jacobian


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("vectorize", WAYS)
def test_jacobian_of_a_vector(mode, vectorize):
    by_x, by_a = function([x, a], jacobian(T.tanh(T.dot(a, x)), [x, a], vectorize=vectorize), mode=mode)(X, A)
    slope = 1 - np.tanh(A @ X) ** 2
    np.testing.assert_allclose(by_x, slope[:, None] * A)
    np.testing.assert_allclose(by_a, np.einsum("i,ij,k->ijk", slope, np.eye(4), X))


EXPRESSIONS = {
    "scalar": lambda x, a: T.exp(x).sum(),
    "matrix": lambda x, a: T.exp(a) * x,
    "rank 3": lambda x, a: a[:, None, :] * x[None, :, None],
    "gather": lambda x, a: x[np.array([2, 0, 2, 2])] ** 2,
    "parts": lambda x, a: T.concatenate([x[1:] * x[:-1], x[::-1]]),
    "reductions": lambda x, a: a.prod(axis=1) + T.logsumexp(a * x, axis=1),
    "reshape": lambda x, a: (a * x).reshape((2, -1)),
    "written": lambda x, a: T.set_subtensor(x[1:], x[:-1] ** 2),
    "linear algebra": lambda x, a: T.cholesky(T.dot(a.T, a) + T.diag(T.exp(x))),
    "solve": lambda x, a: T.solve_triangular(T.cholesky(T.dot(a.T, a)), x, lower=True),
    "softmax": lambda x, a: T.softmax(a * x, axis=1)[1],
    "scan": lambda x, a: scan(lambda row, h: T.tanh(T.dot(row, h) + h), a, x)[0][-1],
    "scan, all steps": lambda x, a: scan(lambda s, h: T.tanh(s + 0.5 * h), x, a[0, 0])[0],
    "by itself": lambda x, a: x,
    "constant in x": lambda x, a: a[0],
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_jacobian_of_any_rank(name):
    expression = EXPRESSIONS[name](x, a)
    value = function([x, a], expression, mode="FAST_COMPILE", on_unused_input="ignore")
    for way in (None, False):
        found = jacobian(expression, (x, a), disconnected_inputs="ignore", vectorize=way)
        assert isinstance(found, tuple)
        for at, (v, got) in enumerate(zip((x, a), found, strict=True)):
            assert got.ndim == expression.ndim + v.ndim
            expected = differences(value, X, A, at=at)
            for mode in ("FAST_RUN", "FAST_COMPILE"):
                matrix = function([x, a], got, mode=mode, on_unused_input="ignore")(X, A)
                np.testing.assert_allclose(matrix, expected, 1e-6, 1e-7, err_msg=f"{name} {way} {mode}")


def test_jacobian_by_intermediate_shared_and_scalar_variables():
    w = shared(np.array([1.0, 2.0, 3.0]), "w")
    middle = w * s
    by_w, by_middle, by_s = jacobian(T.exp(middle), [w, middle, s])
    e = np.exp(0.5 * np.array([1.0, 2, 3]))
    np.testing.assert_allclose(by_w.eval({s: 0.5}), np.diag(e * 0.5))
    np.testing.assert_allclose(by_middle.eval({s: 0.5}), np.diag(e))
    np.testing.assert_allclose(by_s.eval({s: 0.5}), e * [1, 2, 3])


def test_jacobian_of_static_and_empty_shapes():
    three = TensorType("float64", (3,))("three")
    assert jacobian(three**2, three).type.shape == (3, 3)
    for way in WAYS:
        found = function([x], jacobian(x**2, x, vectorize=way))
        assert found(np.zeros(0)).shape == (0, 0)
        assert found([2.0]).tolist() == [[4]]


def test_jacobian_of_float32():
    f = T.fvector("f")
    g = jacobian(T.exp(f), f)
    assert g.dtype == "float32"
    assert g.eval({f: np.zeros(2, "float32")}).tolist() == [[1, 0], [0, 1]]


def test_jacobian_at_extremes():
    softplus = T.log(1 + T.exp(x))
    value = function([x], jacobian(softplus, x))(np.array([-745.0, 0.0, 1e308]))
    np.testing.assert_allclose(value, np.diag([np.exp(-745.0), 0.5, 1.0]))


def test_consider_constant_and_disconnected():
    middle = x**2
    np.testing.assert_allclose(
        jacobian(middle * x, x, consider_constant=[middle]).eval({x: X}), np.diag(X**2)
    )
    with pytest.raises(theano.DisconnectedInputError, match="not part of the"):
        jacobian(x**2, a)
    zero = jacobian(x**2, a, disconnected_inputs="ignore")
    assert zero.eval({x: X, a: A}).shape == (3, 4, 3)
    assert not zero.eval({x: X, a: A}).any()


def test_jacobian_refuses():
    with pytest.raises(TypeError, match="expects a Variable as `expression`, got 2"):
        jacobian(2, x)
    with pytest.raises(TypeError, match="jacobian: expected a variable, got 'x'"):
        jacobian(x, ["x"])
    with pytest.raises(TypeError, match=r"k is int64\[\?\]; differentiate a float expression"):
        jacobian(T.lvector("k"), x)
    with pytest.raises(TypeError, match=r"z is complex128\[\?\]; differentiate real\(z\) and imag\(z\)"):
        jacobian(TensorType("complex128", (None,))("z"), x)


SCALED = {
    "by a vector": lambda y: T.tanh(y),
    "by a number": lambda y: y * s,
    "by a quotient": lambda y: 1 / y,
    "negated": lambda y: -(y**2),
    "by a column": lambda y: (y[:, None] * a).sum(axis=1) * y,
    "through float32": lambda y: T.exp(T.cast(y, "float32")),
}


@pytest.mark.parametrize("name", SCALED)
def test_products_with_diagonal_matrices_are_scalings(name):
    y = SCALED[name](T.dot(a, x))
    values = {a: A, x: X, s: 1.5}
    given = [v for v in (a, x, s) if v is not s or name == "by a number"]
    values = {v: values[v] for v in given}
    found = jacobian(y, x)
    products = [n for n in toposort([found]) if isinstance(n.op, Dot) and n.out.ndim == 2]
    assert products == [] or name == "by a column"
    slow = jacobian(y, x, vectorize=False)
    tolerance = 1e-6 if y.dtype == "float32" else 1e-12
    np.testing.assert_allclose(found.eval(values), slow.eval(values), tolerance)


def test_rows_at_once_are_no_loop_and_need_no_identity_matrix():
    whole = jacobian(T.tanh(T.dot(a, x)), x)
    nodes = toposort([whole])
    assert not any(isinstance(node.op, Scan) for node in nodes)
    # The rows of the identity times the matrix are the matrix.
    products = [node for node in toposort([jacobian(T.dot(a, x), x)]) if isinstance(node.op, Dot)]
    assert products == []
    np.testing.assert_allclose(jacobian(T.dot(a, x), x).eval({x: X, a: A}), A)
    rows = jacobian(T.tanh(T.dot(a, x)), x, vectorize=False)
    assert any(isinstance(node.op, Scan) for node in toposort([rows]))


# ------------------------------------------------------------------------------------ hessian


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("vectorize", WAYS)
def test_hessian_of_a_logistic_regression(mode, vectorize):
    cost = T.log(1 + T.exp(T.dot(a, x))).sum()
    p = 1 / (1 + np.exp(-A @ X))
    got = function([x, a], hessian(cost, x, vectorize=vectorize), mode=mode)(X, A)
    np.testing.assert_allclose(got, A.T @ np.diag(p * (1 - p)) @ A)


def test_hessian_of_any_rank():
    by_s, by_x, by_a = hessian(T.sin(s) * T.exp(a * x).sum(), [s, x, a])
    value = {s: 0.7, x: X, a: A}
    e = np.exp(A * X)
    np.testing.assert_allclose(by_s.eval(value), -np.sin(0.7) * e.sum())
    np.testing.assert_allclose(by_x.eval(value), np.sin(0.7) * np.diag((A**2 * e).sum(0)))
    expected = np.zeros((4, 3, 4, 3))
    for i, j in np.ndindex(4, 3):
        expected[i, j, i, j] = np.sin(0.7) * X[j] ** 2 * e[i, j]
    np.testing.assert_allclose(by_a.eval(value), expected)
    assert isinstance(hessian(s**2, (s,)), tuple)


def test_hessian_of_what_is_linear_is_zero():
    cost = T.dot(a, x).sum()
    assert function([a, x], hessian(cost, x))(A, X).tolist() == np.zeros((3, 3)).tolist()
    with pytest.raises(theano.DisconnectedInputError):
        hessian(x.sum(), a)
    with pytest.raises(TypeError, match="cost must be a scalar"):
        hessian(x, x)


def test_hessian_vector_product():
    p, q = T.dvector("p"), T.dmatrix("q")
    cost = T.exp(T.dot(a, x)).sum() + (a**3).sum()
    to_x, to_a = hessian_vector_product(cost, [x, a], [p, q])
    P, Q = RNG.normal(size=3), RNG.normal(size=(4, 3))
    given = {x: X, a: A, p: P, q: Q}
    gradient = function([x, a], theano.grad(cost, [x, a]))
    step = 1e-6
    ends = [gradient(X + t * P, A + t * Q) for t in (step, -step)]
    for got, plus, minus in zip((to_x, to_a), *ends, strict=True):
        np.testing.assert_allclose(got.eval(given), (plus - minus) / (2 * step), 1e-6, 1e-6)
    # A vector that is itself computed from x is taken as it is.
    np.testing.assert_allclose(hessian_vector_product((x**3).sum(), x, x).eval({x: X}), 6 * X * X)
    with pytest.raises(ValueError, match="`wrt` has 2 entries, `p` has 1"):
        hessian_vector_product(cost, [x, a], p)
    with pytest.raises(ValueError, match="element 0 of `wrt`, x, has 1 dimensions, the one of `p`, q, has 2"):
        hessian_vector_product(cost, x, q)


# ------------------------------------------------------------------------------------ products with a Jacobian


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_products_from_the_left_and_from_the_right(name):
    expression = EXPRESSIONS[name](x, a)
    value = function([x, a], expression, mode="FAST_COMPILE", on_unused_input="ignore")
    by_x, by_a = differences(value, X, A), differences(value, X, A, at=1)
    move_x, move_a = RNG.normal(size=3), RNG.normal(size=(4, 3))
    expected = np.tensordot(by_x, move_x, 1) + np.tensordot(by_a, move_a, 2)
    pushed = Rop(expression, [x, a], [T.constant(move_x), T.constant(move_a)])
    assert pushed.type.dtype == "float64" and pushed.ndim == expression.ndim
    weights = RNG.normal(size=np.shape(value(X, A)))
    pulled = Lop(expression, [x, a], T.constant(weights), disconnected_inputs="ignore")
    for mode in ("FAST_RUN", "FAST_COMPILE"):
        got, left_x, left_a = function([x, a], [pushed, *pulled], mode=mode, on_unused_input="ignore")(X, A)
        np.testing.assert_allclose(got, expected, 1e-6, 1e-7)
        np.testing.assert_allclose(left_x, np.tensordot(weights, by_x, weights.ndim), 1e-6, 1e-7)
        np.testing.assert_allclose(left_a, np.tensordot(weights, by_a, weights.ndim), 1e-6, 1e-7)


def test_rop_of_lists():
    first, second = Rop([x**2, x.sum() * s], x, T.ones_like(x))
    assert first.eval({x: X}).tolist() == (2 * X).tolist()
    assert second.eval({x: X, s: 2.0}) == 6
    assert isinstance(Rop((x**2,), x, x), tuple)
    # No move by one of them.
    assert Rop(x.sum() * s, [x, s], [None, T.constant(1.0)]).eval({x: X, s: 9.0}) == pytest.approx(X.sum())
    # A part that is reached twice moves twice.
    y = x**2
    np.testing.assert_allclose(Rop(y * x, [x, y], [x, x]).eval({x: X}), 3 * X**3 + X * X)


def test_rop_of_what_does_not_depend():
    with pytest.raises(theano.DisconnectedInputError, match="which does not depend on `wrt`"):
        Rop(x**2, s, s)
    assert Rop(x**2, s, s, disconnected_outputs="ignore").eval({x: X}).tolist() == [0, 0, 0]
    assert Rop(x**2, s, s, disconnected_outputs="ignore", return_disconnected="none") is None
    with pytest.warns(UserWarning, match="Rop method"):
        Rop(x**2, s, s, disconnected_outputs="warn")
    with pytest.raises(ValueError, match="disconnected_outputs is"):
        Rop(x**2, x, x, disconnected_outputs="perhaps")
    with pytest.raises(ValueError, match="`wrt` has 1 entries, `eval_points` has 2"):
        Rop(x**2, x, [x, x])
    with pytest.raises(ValueError, match="they are of one shape"):
        Rop(x**2, x, s)
    assert Rop(T.floor(x), x, x).eval({x: X}).tolist() == [0, 0, 0]


def test_lop_refuses():
    with pytest.raises(ValueError, match="`f` has 1 entries, `eval_points` has 2"):
        Lop(x**2, x, [x, x])
    np.testing.assert_allclose(Lop([x**2, x**2], x, [x, x]).eval({x: X}), 4 * X * X)


def test_newtons_method():
    """What Hessians are for: Rosenbrock's function from afar in a handful of steps."""
    w = shared(np.array([-1.2, 1.0]))
    cost = 100 * (w[1] - w[0] ** 2) ** 2 + (1 - w[0]) ** 2
    step = function([], [theano.grad(cost, w), hessian(cost, w)])
    for _ in range(8):
        g, h = step()
        w.set_value(w.get_value() - np.linalg.solve(h, g))
    np.testing.assert_allclose(w.get_value(), [1, 1], rtol=1e-9)


# ------------------------------------------------------------------------------------ verify_grad


class Wrong(Op):
    """Squares, with a wrong gradient."""

    def infer_type(self, x):
        return [x.type]

    def numpy(self, x):
        return x * x

    def vjp(self, cotangents, outputs, inputs):
        return [cotangents[0] * inputs[0]]


def test_verify_grad():
    verify_grad(lambda x, a: T.tanh(T.dot(a, x)), [X, A], rng=np.random.RandomState(3))
    verify_grad(lambda x: [T.exp(x), x.sum() ** 2], [X], n_tests=1)
    verify_grad(T.exp, [np.zeros((1, 3), "float32")], rng=np.random.default_rng(0), mode="FAST_COMPILE")
    verify_grad(lambda x: T.constant(2.0) + x.shape[0], [X])
    verify_grad(T.abs, [np.array(2.0)], mode=Mode("py", None), eps=1e-6)
    with pytest.raises(GradientError, match=r"by argument 0 at index \(2,\) is .*absolute error") as error:
        verify_grad(Wrong(), [X], mode="FAST_COMPILE", rng=np.random.default_rng(1))
    assert error.value.largest > 0.1 and "argument 0" in error.value.where
    verify_grad(Wrong(), [X], mode="FAST_COMPILE", abs_tol=1e3)
    with pytest.raises(GradientError):  # nan is an error
        verify_grad(T.log, [np.array([-1.0])])
    with pytest.raises(TypeError, match="only with floating point inputs, but input 0 has dtype int64"):
        verify_grad(T.exp, [np.array([1])])


def test_where_theanos_users_look():
    for name in ("jacobian", "hessian", "Rop", "Lop", "verify_grad", "grad"):
        assert getattr(theano.gradient, name) is getattr(T, name) is getattr(theano, name)
    assert config.floatX == "float64"
