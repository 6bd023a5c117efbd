"""RandomStreams as Theano documents them: seeds, default updates, the documented draws."""

import pickle

import numpy as np
import pytest
from scipy import stats

import probgraph.engine as theano
import probgraph.engine.tensor as T
from probgraph.engine import raw_random
from probgraph.engine.random_streams import MRG_RandomStreams, RandomStream, RandomStreams

MODES = ["FAST_RUN", "FAST_COMPILE", "DebugMode"]


def states(seed, count):
    """The generators of a stream's first random variables: trap 24 of Theano's."""
    seeds = np.random.RandomState(seed)
    return [np.random.RandomState(int(seeds.randint(2**30))) for _ in range(count)]


def test_names():
    assert T.shared_randomstreams.RandomStreams is RandomStreams
    assert theano.sandbox.rng_mrg.MRG_RandomStreams is MRG_RandomStreams


@pytest.mark.parametrize("mode", MODES)
def test_the_lesson_on_random_numbers(mode):
    srng = T.shared_randomstreams.RandomStreams(seed=234)
    rv_u, rv_n = srng.uniform((2, 2)), srng.normal((2, 2))
    f = theano.function([], rv_u, mode=mode)
    g = theano.function([], rv_n, no_default_updates=True, mode=mode)
    nearly_zeros = theano.function([], rv_u + rv_u - 2 * rv_u, mode=mode)
    first = f()
    # As printed in Theano's documentation.
    np.testing.assert_allclose(first, [[0.12672381, 0.97091597], [0.13989098, 0.88754825]], atol=5e-9)
    assert not np.any(f() == first)
    np.testing.assert_array_equal(g(), g())
    np.testing.assert_array_equal(nearly_zeros(), np.zeros((2, 2)))


def test_each_method_draws_what_a_random_state_draws():
    srng = RandomStreams(42)
    a = np.arange(12.0).reshape(3, 4)
    variables = [
        srng.uniform((3,), 1.0, 2.0),
        srng.normal((3,), 1.0, 2.0),
        srng.binomial((3,), 10, 0.3),
        srng.poisson((3,), 4.0),
        srng.random_integers((3,), 1, 6),
        srng.choice((3,), 10),
        srng.choice((3,), 10, replace=False),
        srng.choice((3,), 2, p=[0.1, 0.9]),
        srng.permutation(n=5),
        srng.permutation((2,), n=5),
        srng.multinomial((2,), 4, [0.2, 0.8]),
        srng.shuffle_row_elements(a),
    ]
    r = states(42, len(variables))
    expected = [
        r[0].uniform(1, 2, 3),
        r[1].normal(1, 2, 3),
        r[2].binomial(10, 0.3, 3),
        r[3].poisson(4.0, 3),
        r[4].randint(1, 7, 3),
        r[5].choice(10, 3),
        r[6].choice(10, 3, False),
        r[7].choice(2, 3, True, [0.1, 0.9]),
        r[8].permutation(5),
        np.array([r[9].permutation(5) for _ in range(2)]),
        r[10].multinomial(4, [0.2, 0.8], 2),
        np.array([row[r[11].permutation(4)] for row in a]),
    ]
    f = theano.function([], variables)
    for given, wanted in zip(f(), expected, strict=True):
        np.testing.assert_array_equal(given, wanted)
    assert [v.dtype for v in variables[:3]] == ["float64", "float64", "int64"]


def test_defaults():
    srng = RandomStreams(1)
    assert 20 < srng.binomial((100,)).eval().sum() < 80
    assert set(srng.random_integers((100,)).eval()) == {0, 1}
    assert set(srng.choice((100,)).eval()) == {0, 1}
    assert srng.permutation().eval().tolist() == [0]
    assert srng.multinomial().eval().sum() == 1
    assert srng.uniform().ndim == srng.choice().ndim == 0
    assert srng.binomial((2,), 1, 0.5, dtype="float32").dtype == "float32"
    assert srng.binomial((2,), prob=0.0).eval().tolist() == [0, 0]
    with theano.change_flags(floatX="float32"):
        assert srng.uniform((2,)).dtype == srng.normal((2,)).dtype == "float32"
        assert srng.normal((2,), np.zeros(2)).dtype == "float64"


def test_distributions_of_streams():
    srng = RandomStreams(5)
    low = T.dvector("low")
    f = theano.function([low], [srng.uniform((2000, 2), low, low + 3), srng.normal((2000,), -1.0, 0.5)])
    u, n = f([0.0, 10.0])
    assert stats.kstest(u[:, 1], stats.uniform(10, 3).cdf).pvalue > 1e-3
    assert stats.kstest(n, stats.norm(-1, 0.5).cdf).pvalue > 1e-3
    # Two streams are independent.
    a, b = theano.function([], [srng.normal((2000,)), srng.normal((2000,))])()
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.1


def test_seeding():
    srng = RandomStreams(seed=7)
    u, n = srng.uniform(), srng.normal()
    f = theano.function([], [u, n])
    first, second = f(), f()
    assert first != second
    srng.seed()
    assert f() == first
    srng.seed(902340)
    other = f()
    assert other == [r.uniform() if i == 0 else r.normal() for i, r in enumerate(states(902340, 2))]
    srng.seed(902340)
    assert f() == other
    srng.seed()
    assert f() == first
    assert RandomStreams(7).uniform().eval() == first[0]
    assert RandomStreams().uniform().eval() != RandomStreams().uniform().eval()


def test_one_stream_seeded_by_hand():
    srng = RandomStreams(seed=234)
    u = srng.uniform((2,))
    f = theano.function([], u)
    rng = u.rng.get_value(borrow=True)
    rng.seed(89234)
    u.rng.set_value(rng, borrow=True)
    np.testing.assert_array_equal(f(), np.random.RandomState(89234).uniform(size=2))
    state = u.rng.get_value().get_state()
    v1 = f()
    f()
    rng = u.rng.get_value(borrow=True)
    rng.set_state(state)
    u.rng.set_value(rng, borrow=True)
    np.testing.assert_array_equal(f(), v1)
    srng[u.rng] = np.random.RandomState(3)
    assert srng[u.rng].uniform() == np.random.RandomState(3).uniform()
    with pytest.raises(KeyError):
        srng[RandomStreams(1).uniform().rng]
    with pytest.raises(TypeError, match="cannot store the state of a PCG64"):
        u.rng.set_value(np.random.default_rng(1))


def test_states_shared_between_functions():
    srng = RandomStreams(3)
    u = srng.uniform()
    f, g = theano.function([], u), theano.function([], u * 10)
    (r,) = states(3, 1)
    expected = r.uniform(size=4)
    np.testing.assert_allclose([f(), g() / 10, f(), g() / 10], expected)


def test_states_copied_from_one_graph_to_another():
    class Graph:
        def __init__(self, seed):
            self.rng = RandomStreams(seed)
            self.y = self.rng.uniform(size=(1,))

    g1, g2 = Graph(123), Graph(987)
    f1, f2 = theano.function([], g1.y), theano.function([], g2.y)
    assert f1() != f2()
    for (one, _), (other, _) in zip(g1.rng.state_updates, g2.rng.state_updates, strict=True):
        other.set_value(one.get_value())
    assert f1() == f2()


def test_updates():
    srng = RandomStreams(3)
    u, n = srng.uniform(), srng.normal()
    assert srng.updates() == srng.state_updates == [u.update, n.update]
    assert u.update[0] is u.rng and u.rng.default_update is u.update[1]
    f = theano.function([], u, no_default_updates=[u.rng])
    assert f() == f()
    g = theano.function([], u, no_default_updates=True, updates=srng.updates())
    r = states(3, 2)
    assert n.rng.get_value().normal() == r[1].normal()
    assert [g(), g()] == r[0].uniform(size=2).tolist()
    # All pairs were updated, that of a variable which the function does not compute too.
    assert n.rng.get_value().normal() == r[1].normal(size=2)[1]


@pytest.mark.parametrize("mode", MODES)
def test_a_mask_drawn_in_each_step(mode):
    X, W, b = T.matrix("X"), T.matrix("W"), T.vector("b")
    trng = T.shared_randomstreams.RandomStreams(1234)
    d = trng.binomial(size=W[1].shape)
    results, updates = theano.scan(lambda v: T.tanh(T.dot(v, W) + b) * d, sequences=X)
    f = theano.function([X, W, b], results, updates=updates, allow_input_downcast=True, mode=mode)
    given = np.eye(10, 2), np.ones((2, 2)), np.ones(2)
    # As printed in Theano's documentation of loops.
    mask = [[1, 0], [0, 1], [0, 0], [1, 1], [1, 0], [0, 1], [0, 1], [0, 1], [0, 0], [1, 1]]
    values = np.where(np.arange(10)[:, None] < 2, np.tanh(2), np.tanh(1))
    np.testing.assert_allclose(f(*given), values * mask, atol=1e-12)
    assert not np.array_equal(f(*given) != 0, np.array(mask) != 0)
    (r,) = states(1234, 1)
    r.binomial(1, 0.5, (20, 2))
    assert d.rng.get_value().binomial(1, 0.5, 50).tolist() == r.binomial(1, 0.5, 50).tolist()


def test_a_gradient_through_a_scan_with_draws():
    x = T.dscalar("x")
    e = RandomStreams(9).normal()
    values, updates = theano.scan(lambda s: s + x * e, outputs_info=T.zeros(()), n_steps=4)
    f = theano.function(
        [x], [values[-1], theano.grad(values[-1], x)], updates=updates, no_default_updates=True
    )
    (r,) = states(9, 1)
    total = r.normal(size=4).sum()
    np.testing.assert_allclose(f(2.0), [2 * total, total])


def test_symbolic_sizes():
    srng = RandomStreams(1)
    n, x, v = T.lscalar("n"), T.dmatrix("x"), T.lvector("v")
    f = theano.function([n, x], [srng.normal((n, 2)), srng.uniform(x.shape), srng.normal(avg=x)])
    assert [a.shape for a in f(3, np.zeros((2, 5)))] == [(3, 2), (2, 5), (2, 5)]
    assert theano.function([v], srng.normal(v, ndim=2))([3, 4]).shape == (3, 4)
    with pytest.raises(
        ValueError, match="normal: the size v has an unknown number of lengths: say how many by ndim="
    ):
        srng.normal(v)
    with pytest.raises(ValueError, match="normal: ndim is 3, but size has 2 lengths"):
        srng.normal((2, 2), ndim=3)
    with pytest.raises(IndexError):
        theano.function([v], srng.normal(v, ndim=2))([3])


def test_shuffled_rows_carry_gradients():
    x = T.dmatrix("x")
    w = np.arange(6.0).reshape(2, 3)
    shuffled = RandomStreams(1).shuffle_row_elements(x)
    f = theano.function([x], [shuffled, theano.grad((shuffled * w).sum(), x)])
    values = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    s, g = f(values)
    for row, shuffled_row, weights, gradient in zip(values, s, w, g, strict=True):
        order = [int(np.flatnonzero(row == e)[0]) for e in shuffled_row]
        expected = np.zeros(3)
        expected[order] = weights
        np.testing.assert_array_equal(gradient, expected)
    for shape in ((4,), (2, 2, 3)):
        y = RandomStreams(1).shuffle_row_elements(np.arange(np.prod(shape)).reshape(shape)).eval()
        np.testing.assert_array_equal(np.sort(y, -1), np.arange(np.prod(shape)).reshape(shape))
    with pytest.raises(TypeError, match="shuffle_row_elements: an array with rows is needed"):
        RandomStreams(1).shuffle_row_elements(1.0)


def test_raw_random():
    rng = raw_random.random_state_type("rng")
    after, u = raw_random.uniform(rng, (2,), -1.0, 1.0)
    _, k = raw_random.random_integers(after, (3,), 1, 6)
    f = theano.function([rng], [u, k])
    r = np.random.RandomState(11)
    u_value, k_value = f(np.random.RandomState(11))
    np.testing.assert_array_equal(u_value, r.uniform(-1, 1, 2))
    np.testing.assert_array_equal(k_value, r.randint(1, 7, 3))
    choose = raw_random.choice(rng, (4,), np.array([1.5, 2.5]))[1]
    assert set(choose.eval({rng: np.random.RandomState(1)})) <= {1.5, 2.5}
    with pytest.raises(TypeError, match="replace is True or False, got the variable r"):
        raw_random.choice(rng, (4,), 3, T.bscalar("r"))


def test_other_streams():
    assert MRG_RandomStreams().normal((2,), nstreams=3).eval().shape == (2,)
    srng = RandomStream(1)
    z, k, p = srng.gamma(2.0, scale=[1.0, 2.0]), srng.choice(5, size=[3]), srng.permutation(4)
    f = theano.function([], [z, k, p])
    assert [a.shape for a in f()] == [(2,), (3,), (4,)]
    assert not np.any(f()[0] == f()[0])
    assert isinstance(z.rng.get_value(), np.random.Generator)
    again = RandomStream(1)
    np.testing.assert_array_equal(
        again.gamma(2.0, scale=[1.0, 2.0]).eval(),
        np.random.default_rng(states_seed(1)).gamma(2.0, [1.0, 2.0]),
    )
    with pytest.raises(AttributeError, match="there is no distribution 'gama': there are uniform, normal"):
        srng.gama(1.0)


def states_seed(seed):
    return int(np.random.RandomState(seed).randint(2**30))


def test_pickling():
    srng = RandomStreams(1)
    u = srng.uniform()
    f = theano.function([], [u, u])
    twin_srng, twin_u, g = pickle.loads(pickle.dumps((srng, u, f)))
    assert f() == g()
    assert twin_u.rng is twin_srng.state_updates[0][0]
    assert f() == g()
    twin_srng.seed(5)
    assert g()[0] == states(5, 1)[0].uniform()
    assert pickle.loads(pickle.dumps(RandomStream(3))).default_instance_seed == 3
