"""ifelse: the branch that is not taken is not computed, in any mode, nor are its derivatives."""

import pickle

import numpy as np
import pytest

import probgraph.engine as theano
import probgraph.engine.tensor as T
from probgraph.engine.ifelse import ifelse
from probgraph.engine.op import Op

MODES = ["FAST_RUN", "FAST_COMPILE", "DebugMode"]


class Counted(Op):
    """The identity, which counts how often it is computed, and fails if told to."""

    def __init__(self, fails=False):
        self.fails = fails
        self.count = 0

    def _identity(self):
        return (Counted, id(self))

    def infer_type(self, x):
        return [x.type]

    def numpy(self, x):
        self.count += 1
        if self.fails:
            raise ArithmeticError("computed, though not wanted")
        return x

    def vjp(self, cotangents, outputs, inputs):
        return [Counted(self.fails)(cotangents[0] + outputs[0] * 0)]


def test_the_name():
    assert theano.ifelse.ifelse is ifelse


@pytest.mark.parametrize("mode", MODES)
def test_scalars(mode):
    c, x, y = T.dscalars("c", "x", "y")
    f = theano.function([c, x, y], ifelse(T.lt(x, y), x * 2, y - 1) + ifelse(c, 10.0, 20.0), mode=mode)
    for values in ([0.0, 1.0, 2.0], [1.0, 3.0, 2.0], [-0.5, 2.0, 2.0], [np.nan, -np.inf, 0.0]):
        cond, a, b = values
        assert f(*values) == (a * 2 if a < b else b - 1) + (10 if cond != 0 else 20)


@pytest.mark.parametrize("mode", MODES)
def test_lengths_may_differ(mode):
    c, x = T.bscalar("c"), T.dvector("x")
    v = ifelse(c, x[:2], T.concatenate([x, x]))
    f = theano.function([c, x], [v, v.sum()], mode=mode)
    for cond, expected in ((1, [1.0, 2.0]), (0, [1.0, 2.0, 3.0] * 2)):
        values, total = f(cond, [1.0, 2.0, 3.0])
        np.testing.assert_array_equal(values, expected)
        assert total == sum(expected)
    assert ifelse(c, T.zeros((3,)), T.zeros((4,))).type.shape == (None,)
    assert ifelse(c, T.zeros((3,)), T.zeros((3,))).type.shape == (3,)


@pytest.mark.parametrize("mode", MODES)
def test_what_is_not_taken_cannot_fail(mode):
    c, A, i = T.dscalar("c"), T.dmatrix("A"), T.lscalar("i")
    f = theano.function([c, A, i], ifelse(c > 0, T.cholesky(A)[i].sum(), A.sum()), mode=mode)
    assert f(-1.0, -np.eye(2), 9) == -2
    np.testing.assert_allclose(f(1.0, 4 * np.eye(2), 0), 2)
    with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
        f(1.0, -np.eye(2), 0)
    with pytest.raises(IndexError):
        f(1.0, np.eye(2), 9)
    assert f(-1.0, -np.eye(2), 9) == -2


@pytest.mark.parametrize("mode", ["FAST_COMPILE", "FAST_RUN"])
def test_what_is_not_taken_is_not_computed(mode):
    c, x = T.dscalars("c", "x")
    first, second, both = Counted(), Counted(), Counted()
    shared_part = both(x)
    f = theano.function(
        [c, x], ifelse(c, first(x) + shared_part, second(shared_part)) * shared_part, mode=mode
    )
    f(1.0, 3.0)
    assert (first.count, second.count, both.count) == (1, 0, 1)
    f(0.0, 3.0)
    assert (first.count, second.count, both.count) == (1, 1, 2)


@pytest.mark.parametrize("mode", MODES)
def test_nested(mode):
    x = T.dvector("x")
    s = x.sum()
    inner = ifelse(s > 10, T.log(x)[5], T.sqrt(abs(x)).sum())
    f = theano.function([x], ifelse(s > 0, inner, ifelse(s < -5, x[0], x[7] * inner)), mode=mode)
    assert f([-9.0]) == -9
    np.testing.assert_allclose(f([4.0, 1.0]), 3)
    np.testing.assert_allclose(f([2.0, 3.0, 4.0, 5.0, 6.0, 7.0]), np.log(7))
    with pytest.raises(IndexError):
        f([-1.0])
    with pytest.raises(IndexError):
        f([20.0])


@pytest.mark.parametrize("mode", MODES)
def test_lists(mode):
    c, x, y = T.dscalar("c"), T.dvector("x"), T.lscalar("y")
    v = ifelse(c, [x * 2, y], (x[9:], y // 0), name="v")
    assert isinstance(v, list) and [u.name for u in v] == ["v[0]", "v[1]"]
    f = theano.function([c, x, y], v, mode=mode)
    a, b = f(1.0, [1.0, 2.0], 7)
    assert a.tolist() == [2.0, 4.0] and b == 7
    assert ifelse(c, [x], [x], name="v")[0].name == "v[0]"
    assert ifelse(c, x, x + 1, name="v").name == "v"
    (only,) = theano.function([c, x], ifelse(c, [x], [x + 1]), mode=mode)(0.0, [1.0])
    assert only.tolist() == [2.0]


def test_types():
    c, d, i, v = T.dscalar("c"), T.dscalar("d"), T.lscalar("i"), T.dvector("v")
    assert ifelse(c, T.fscalar("f"), 2.5).dtype == "float32"
    assert ifelse(True, d, 1).eval({d: 3.0}) == 3
    for a, b in ((d, i), (d, v), (T.fscalar("f"), d)):
        with pytest.raises(
            TypeError, match="The two branches should have identical types, but they are Tensor"
        ):
            ifelse(c, a, b)
    with pytest.raises(
        TypeError, match=r"ifelse: the condition is a scalar, got float64\[\?\]: use all or any"
    ):
        ifelse(v, d, d)
    with pytest.raises(
        ValueError, match=r"same number of variables as the `else` branch : \(variables on `then` 1"
    ):
        ifelse(c, [d], [d, d])
    with pytest.raises(ValueError, match="`then` branch is one variable, the `else` branch a list"):
        ifelse(c, d, [d])
    with pytest.raises(ValueError, match="the branches hold nothing"):
        ifelse(c, [], [])


@pytest.mark.parametrize("mode", MODES)
def test_gradients(mode):
    c, x, y = T.dscalars("c", "x", "y")
    v = ifelse(c > 0, x**2 * y, T.exp(y)) * x
    f = theano.function([c, x, y], theano.grad(v, [x, y]), mode=mode)
    np.testing.assert_allclose(f(1.0, 3.0, 2.0), [3 * 9 * 2, 27])
    np.testing.assert_allclose(f(-1.0, 3.0, 2.0), [np.exp(2), 3 * np.exp(2)])
    by_condition = theano.grad(ifelse(c, x, y), c)
    assert by_condition.eval({c: 1.0, x: 2.0, y: 3.0}) == 0
    second = theano.function([c, x, y], theano.grad(theano.grad(v, x), x), mode=mode)
    assert second(1.0, 3.0, 2.0) == 36 and second(0.0, 3.0, 2.0) == 0


@pytest.mark.parametrize("mode", MODES)
def test_gradients_of_a_branch_not_taken_are_zero_whatever_they_are(mode):
    x = T.dscalar("x")
    v = ifelse(x > 0, T.log(x) + T.sqrt(x), x * 2)
    f = theano.function([x], theano.grad(v, x), mode=mode)
    np.testing.assert_allclose([f(4.0), f(0.0), f(-1.0)], [0.5, 2, 2])
    # The same by an intermediate variable of a branch, which is needed only there.
    inside = T.log(x)
    w = ifelse(x > 0, inside * 3, x)
    g = theano.function([x], theano.grad(w, [inside, x]), mode=mode)
    np.testing.assert_allclose(g(2.0), [3, 1.5])
    np.testing.assert_allclose(g(-1.0), [0, 1])


@pytest.mark.parametrize("mode", MODES)
def test_derivatives_that_could_fail(mode):
    c, A = T.dscalar("c"), T.dmatrix("A")
    L = T.cholesky(A)
    cost = ifelse(c > 0, 2 * T.log(T.diagonal(L)).sum(), (A * c).sum())
    f = theano.function([c, A], [cost, *theano.grad(cost, [A, c])], mode=mode)
    value, by_A, by_c = f(-2.0, -np.eye(2))
    assert (value, by_c) == (4, -2)
    np.testing.assert_array_equal(by_A, np.full((2, 2), -2.0))
    S = np.array([[4.0, 1.0], [1.0, 3.0]])
    value, by_A, by_c = f(1.0, S)
    np.testing.assert_allclose(value, np.log(np.linalg.det(S)))
    np.testing.assert_allclose((by_A + by_A.T) / 2, np.linalg.inv(S))
    assert by_c == 0
    with pytest.raises(np.linalg.LinAlgError):
        f(1.0, -np.eye(2))


@pytest.mark.parametrize("mode", MODES)
def test_gradients_of_nested_branches(mode):
    x = T.dscalar("x")
    root = T.sqrt(x)
    v = ifelse(x > 0, ifelse(x > 1, T.log(x - 1) + root, root * 2), -x)
    f = theano.function([x], [v, theano.grad(v, x)], mode=mode)
    np.testing.assert_allclose(f(4.0), [np.log(3) + 2, 1 / 3 + 0.25])
    np.testing.assert_allclose(f(1.0), [2, 1])
    np.testing.assert_allclose(f(0.25), [1, 2])
    np.testing.assert_allclose(f(0.0), [0, -1])
    np.testing.assert_allclose(f(-3.0), [3, -1])


@pytest.mark.parametrize("mode", MODES)
def test_in_a_scan(mode):
    x = T.dvector("x")
    values, _ = theano.scan(
        lambda e, total: ifelse(e > 0, total + T.log(e), total * 2), x, outputs_info=T.ones(())
    )
    f = theano.function([x], [values, theano.grad(values[-1], x)], mode=mode)
    sums, g = f([2.0, -1.0, 3.0])
    np.testing.assert_allclose(sums, [1 + np.log(2), 2 + 2 * np.log(2), 2 + 2 * np.log(2) + np.log(3)])
    np.testing.assert_allclose(g, [1, 0, 1 / 3])


def test_a_choice_is_a_select_where_that_is_safe():
    c, x, v = T.dscalars("c", "x", "v")
    vector = T.dvector("vector")

    def backend(output):
        f = theano.function([c, x, v, vector], output, on_unused_input="ignore")
        return f.maker.executable.backend

    assert backend(ifelse(c, x * 2, T.exp(v))) == "C"
    assert backend(ifelse(c, vector + x, vector)) == "C, with Python in between for if{}"
    assert backend(ifelse(c, vector[3], x)) == "C, with Python in between for if{}"
    # What is computed anyway may fail: only what a branch adds counts.
    assert backend(ifelse(c, vector[3] + x, x) + vector[3]) == "C"


def test_pickling_and_copies():
    c, x = T.dscalar("c"), T.dvector("x")
    f = theano.function([c, x], ifelse(c, x[3], x.sum()))
    g = pickle.loads(pickle.dumps(f))
    assert f(0.0, [1.0, 2.0]) == g(0.0, [1.0, 2.0]) == 3


def test_results_are_new_arrays():
    c, x = T.dscalar("c"), T.dvector("x")
    given = np.ones(3)
    for mode in ("FAST_RUN", "FAST_COMPILE"):
        a, b = theano.function([c, x], [ifelse(c, x, x * 2), x], mode=mode)(1.0, given)
        assert (
            not np.shares_memory(a, given) and not np.shares_memory(a, b) and not np.shares_memory(b, given)
        )


def test_a_long_chain():
    x = T.dscalar("x")
    v = w = x
    for i in range(300):
        v = ifelse(x > i, v + 1, v)
        w = ifelse(x > i, w, T.sqrt(w) + i)
    for mode in ("FAST_COMPILE", "FAST_RUN"):
        f = theano.function([x], v, mode=mode)
        assert f(2.5) == 5.5
        assert f.maker.executable.backend == ("C" if mode == "FAST_RUN" else "NumPy")
    assert theano.grad(v, x).eval({x: 2.5}) == 1
    assert w.eval({x: 1000.0}) == 1000


def test_many_choices_in_each_other():
    x = T.dvector("x")
    v = x[0]
    for i in range(200):
        v = ifelse(x.sum() > i, x[i] + i, v)
    f = theano.function([x], v)
    assert f([1.0, 0.5, 0.25]) == 0.5 + 1
    with pytest.raises(IndexError):
        f([3.0, 1.5])
    assert f([0.25]) == 0.25
    assert f.maker.executable.backend.startswith("NumPy")
