"""Every distribution of the table: NumPy's draws in every mode, the right distribution, errors that name the culprit."""

import pickle

import numpy as np
import pytest
from scipy import stats

import probgraph.engine as theano
import probgraph.engine.tensor as T
from probgraph.engine.ops.random import ARRANGEMENTS, DISTRIBUTIONS
from probgraph.engine.ops.random_op import next_state
from probgraph.engine.types import TensorType

# For each distribution of numbers: parameters, and SciPy's distribution of that meaning.
CASES = {
    "uniform": ((-1.0, 3.0), stats.uniform(-1, 4)),
    "normal": ((1.0, 2.0), stats.norm(1, 2)),
    "halfnormal": ((1.0, 2.0), stats.halfnorm(1, 2)),
    "lognormal": ((0.5, 0.7), stats.lognorm(0.7, scale=np.exp(0.5))),
    "exponential": ((3.0,), stats.expon(scale=3)),
    "gamma": ((2.5, 0.5), stats.gamma(2.5, scale=0.5)),
    "invgamma": ((3.0, 2.0), stats.invgamma(3, scale=2)),
    "beta": ((2.0, 0.5), stats.beta(2, 0.5)),
    "chisquare": ((3.0,), stats.chi2(3)),
    "f": ((4.0, 9.0), stats.f(4, 9)),
    "t": ((4.0, 1.0, 2.0), stats.t(4, 1, 2)),
    "cauchy": ((1.0, 2.0), stats.cauchy(1, 2)),
    "laplace": ((1.0, 2.0), stats.laplace(1, 2)),
    "logistic": ((1.0, 2.0), stats.logistic(1, 2)),
    "gumbel": ((1.0, 2.0), stats.gumbel_r(1, 2)),
    "weibull": ((1.5,), stats.weibull_min(1.5)),
    "pareto": ((3.0,), stats.lomax(3)),
    "power": ((3.0,), stats.powerlaw(3)),
    "rayleigh": ((2.0,), stats.rayleigh(scale=2)),
    "triangular": ((0.0, 1.0, 4.0), stats.triang(0.25, 0, 4)),
    "vonmises": ((0.5, 2.0), stats.vonmises(2, 0.5)),
    "wald": ((1.0, 2.0), stats.invgauss(0.5, scale=2)),
    "binomial": ((10, 0.3), stats.binom(10, 0.3)),
    "negative_binomial": ((3, 0.4), stats.nbinom(3, 0.4)),
    "geometric": ((0.3,), stats.geom(0.3)),
    "hypergeometric": ((7, 5, 6), stats.hypergeom(12, 7, 6)),
    "logseries": ((0.6,), stats.logser(0.6)),
    "poisson": ((3.5,), stats.poisson(3.5)),
    "zipf": ((4.0,), stats.zipf(4)),
    "bernoulli": ((0.3,), stats.bernoulli(0.3)),
    "integers": ((2, 9), stats.randint(2, 9)),
    "categorical": (([0.2, 0.5, 0.3],), stats.rv_discrete(values=([0, 1, 2], [0.2, 0.5, 0.3]))),
}
VECTORS = {
    "multinomial": (6, [0.2, 0.3, 0.5]),
    "dirichlet": ([1.0, 2.0, 3.0],),
    "multivariate_normal": ([1.0, -1.0], [[2.0, 0.5], [0.5, 1.0]]),
}
GENERATORS = {"PCG64": np.random.default_rng, "RandomState": np.random.RandomState}


def shared(seed=1):
    return theano.shared(np.random.default_rng(seed))


def draw(name, *args, generator="PCG64", seed=1, mode="FAST_COMPILE", **settings):
    v = DISTRIBUTIONS[name](*args, rng=GENERATORS[generator](seed), **settings)
    return theano.function([], v, mode=mode)()


def test_every_row_has_a_case():
    assert set(DISTRIBUTIONS) == {*CASES, *VECTORS}
    assert not set(DISTRIBUTIONS) & set(ARRANGEMENTS)


@pytest.mark.parametrize("generator", GENERATORS)
@pytest.mark.parametrize("name", CASES)
def test_draws_are_of_their_distribution(name, generator):
    parameters, reference = CASES[name]
    draws = draw(name, *parameters, size=[4000], generator=generator, seed=20)
    assert draws.shape == (4000,)
    if DISTRIBUTIONS[name].dtype == "float":
        assert stats.kstest(draws, reference.cdf).pvalue > 1e-3
        return
    values, observed = np.unique(draws, return_counts=True)
    expected = 4000 * reference.pmf(values)
    assert np.all(expected > 0)
    often = expected > 5
    counts, wanted = observed[often], expected[often]
    rest = 4000 - wanted.sum()
    if rest > 1:
        counts, wanted = np.append(counts, 4000 - counts.sum()), np.append(wanted, rest)
    assert stats.chisquare(counts, wanted * counts.sum() / wanted.sum()).pvalue > 1e-3


@pytest.mark.parametrize("generator", GENERATORS)
def test_draws_of_vectors(generator):
    m = draw("multinomial", *VECTORS["multinomial"], size=[3000], generator=generator)
    assert m.dtype == np.int64 and m.shape == (3000, 3) and np.all(m.sum(1) == 6)
    np.testing.assert_allclose(m.mean(0), [1.2, 1.8, 3.0], atol=0.1)
    np.testing.assert_allclose(
        np.cov(m.T), 6 * (np.diag([0.2, 0.3, 0.5]) - np.outer([0.2, 0.3, 0.5], [0.2, 0.3, 0.5])), atol=0.15
    )
    d = draw("dirichlet", *VECTORS["dirichlet"], size=[3000], generator=generator)
    np.testing.assert_allclose(d.sum(1), 1)
    assert stats.kstest(d[:, 0], stats.beta(1, 5).cdf).pvalue > 1e-3
    n = draw("multivariate_normal", *VECTORS["multivariate_normal"], size=[3000], generator=generator)
    np.testing.assert_allclose(n.mean(0), [1, -1], atol=0.15)
    np.testing.assert_allclose(np.cov(n.T), VECTORS["multivariate_normal"][1], atol=0.2)


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE", "DebugMode"])
def test_the_same_draws_in_every_mode(mode):
    rng = shared(7)
    mu, s = T.dvector("mu"), T.dscalar("s")
    z = T.random.normal(mu, T.exp(s), rng=rng)
    k = T.random.poisson(abs(z).sum(), size=mu.shape, rng=next_state(z))
    f = theano.function([mu, s], [z * 2 + mu, k, (z * k).sum()], updates={rng: next_state(k)}, mode=mode)
    g = np.random.default_rng(7)
    for _ in range(3):
        at = g.normal([1.0, 2.0, 3.0], np.exp(0.1))
        count = g.poisson(abs(at).sum(), 3)
        doubled, counts, total = f([1.0, 2.0, 3.0], 0.1)
        np.testing.assert_allclose(doubled, at * 2 + [1, 2, 3], rtol=1e-14)
        np.testing.assert_array_equal(counts, count)
        np.testing.assert_allclose(total, (at * count).sum(), rtol=1e-14)
    np.testing.assert_array_equal(rng.get_value().bytes(9), g.bytes(9))


@pytest.mark.parametrize("name", [*CASES, *VECTORS])
def test_c_and_numpy_agree(name):
    parameters = CASES[name][0] if name in CASES else VECTORS[name]
    a, b = (draw(name, *parameters, size=[2, 3], mode=mode) for mode in ("FAST_RUN", "FAST_COMPILE"))
    np.testing.assert_array_equal(a, b)
    assert a.dtype == b.dtype


def test_types():
    x = T.fvector("x")
    assert T.random.normal(x, 1.0, rng=shared()).type == TensorType("float64", (None,))
    with theano.change_flags(floatX="float32"):
        assert T.random.normal(x, 1.0, rng=shared()).dtype == "float32"
        assert T.random.normal(T.dscalar(), 1.0, rng=shared()).dtype == "float64"
        assert T.random.poisson(1.0, rng=shared()).dtype == "int64"
    assert T.random.normal(size=(2, T.lscalar("n")), rng=shared()).type.shape == (2, None)
    assert T.random.multinomial(3, np.ones((5, 1, 4)) / 4, rng=shared()).type.shape == (5, 1, 4)
    assert T.random.normal(np.zeros((3, 1)), np.ones(4), rng=shared()).type.shape == (3, 4)
    assert T.random.bernoulli(0.5, rng=shared()).dtype == "bool"
    assert T.random.binomial(1, 0.5, dtype="floatX", rng=shared()).dtype == "float64"
    assert T.random.normal(rng=np.random.RandomState(1)).owner.outputs[0].type.shape == (316,)
    assert T.random.normal(rng=shared(), name="z").name == "z"


@pytest.mark.parametrize("size", [(0,), (), (1,), (2, 0, 3), (2, 3)])
def test_sizes(size):
    for parameters in ((0.0, 1.0), (np.zeros(size), 1.0)):
        assert draw("normal", *parameters, size=size).shape == size
    assert draw("multinomial", 2, [0.5, 0.5], size=size).shape == (*size, 2)
    assert draw("multinomial", 2, np.full((*size, 2), 0.5), size=size).shape == (*size, 2)
    assert draw("categorical", np.full((*size, 2), 0.5)).shape == size
    n = T.lvector("n")
    v = T.random.normal(size=[n[i] for i in range(len(size))], rng=np.random.default_rng(1))
    if size:
        np.testing.assert_array_equal(v.eval({n: np.array(size)}), np.random.default_rng(1).normal(size=size))


def test_batches_draw_in_the_order_of_memory():
    p = np.array([[0.1, 0.9], [0.5, 0.5], [1.0, 0.0]])
    g = np.random.default_rng(3)
    expected = np.array([[g.multinomial(n, row) for row in p] for n in (4, 7)])
    np.testing.assert_array_equal(draw("multinomial", np.array([[4], [7]]), p, seed=3), expected)


def test_probabilities_of_float32():
    p = np.float32([1, 1, 1, 1, 1, 1, 1]) / np.float32(7)
    assert draw("multinomial", 100, p * np.float32(1.0000002)).sum() == 100
    assert 0 <= draw("categorical", p) < 7
    # The last outcomes are impossible: they never come, though the sum may be a rounding error below 1.
    assert draw("categorical", [0.1] * 9 + [0.1, 0.0], size=[5000]).max() == 9


def test_without_rng_each_call_draws_anew():
    z = T.random.normal(size=3)
    f = theano.function([], [z, z + 0])
    (a, b), (c, _) = f(), f()
    np.testing.assert_array_equal(a, b)
    assert not np.any(a == c)
    frozen = theano.function([], z, no_default_updates=True)
    np.testing.assert_array_equal(frozen(), frozen())


def test_with_rng_nothing_is_updated_unasked():
    rng = shared(4)
    z = T.random.normal(rng=rng)
    f = theano.function([], z)
    assert f() == f() == np.random.default_rng(4).normal()
    assert z.rng is rng
    assert not hasattr(T.dscalar(), "rng")


def test_equal_draws_are_one_node_and_others_are_not():
    rng = shared(4)
    a, b, c = (T.random.normal(loc, 1.0, rng=rng) for loc in (0.0, 0.0, 1.0))
    f = theano.function([], [a, b, c])
    nodes = [n for n in f.maker.fgraph.toposort() if str(n.op) == "RandomFunction{normal}"]
    assert len(nodes) == 2
    ops = {T.random.normal(rng=rng).owner.op, T.random.laplace(rng=rng).owner.op}
    ops.add(T.random.normal(rng=rng, dtype="float32").owner.op)
    ops.add(T.random.normal(rng=rng, size=2).owner.op)
    assert len(ops) == 4


def test_states_as_inputs_and_outputs():
    rng = T.random.generator("rng")
    after, z = T.random.normal.from_state(rng, 0.0, 1.0, size=[2])
    f = theano.function([rng], [after, z])
    state, first = f(np.random.default_rng(2))
    _, second = f(state)
    g = np.random.default_rng(2)
    np.testing.assert_array_equal([first, second], [g.normal(size=2), g.normal(size=2)])
    with pytest.raises(TypeError, match="the state of a random generator is needed, got 3"):
        f(3)


def test_a_generator_given_is_not_changed():
    g = np.random.default_rng(8)
    z = T.random.normal(rng=g)
    assert z.eval() == z.eval() == np.random.default_rng(8).normal()
    assert g.normal() == np.random.default_rng(8).normal()


def test_draws_are_constants_to_gradients():
    mu = T.dscalar("mu")
    z = T.random.normal(mu, 1.0, rng=np.random.default_rng(1))
    with pytest.raises(theano.DisconnectedInputError, match="non-differentiable operator: mu"):
        theano.grad(z, mu)
    assert theano.grad(z * mu, mu).eval({mu: 2.0}) == z.eval({mu: 2.0})
    unit = T.random.normal(rng=np.random.default_rng(1))
    s = T.dscalar("s")
    by_mu, by_s = theano.grad((mu + s * unit) ** 2, [mu, s])
    e = np.random.default_rng(1).normal()
    np.testing.assert_allclose(by_mu.eval({mu: 1.0, s: 2.0}), 2 * (1 + 2 * e))
    np.testing.assert_allclose(by_s.eval({mu: 1.0, s: 2.0}), 2 * (1 + 2 * e) * e)


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
@pytest.mark.parametrize(
    "name, parameters, message",
    [
        ("normal", (0.0, -1.0), r"normal: scale < 0 \(given loc = 0.0, scale = -1.0\)"),
        ("cauchy", (0.0, -1.0), "cauchy: scale < 0"),
        ("binomial", (3, 1.5), r"binomial: p < 0, p > 1 or p is NaN \(given n = 3, p = 1.5\)"),
        ("binomial", (-3, 0.5), "binomial: n < 0"),
        ("bernoulli", (np.nan,), "bernoulli: p < 0, p > 1 or p is NaN"),
        ("poisson", (-1.0,), r"poisson: lam < 0 or lam (is NaN|contains NaNs)"),
        ("multinomial", (3, [0.5, 0.9]), "multinomial: the probabilities sum to 1.4, more than 1"),
        ("multinomial", (3, [0.5, -0.1]), "multinomial: probabilities are < 0, > 1 or NaN"),
        ("categorical", ([0.5, 0.1],), "categorical: the probabilities sum to 0.6, not to 1"),
        ("integers", (5, 5), "integers: low >= high"),
        (
            "multivariate_normal",
            ([0.0, 0.0], [[1.0]]),
            r"cov has shape \(1, 1\), a mean of length 2 needs \(2, 2\)",
        ),
    ],
)
def test_parameters_out_of_range(name, parameters, message, mode):
    given = [T.TensorType(np.asarray(p).dtype, (None,) * np.ndim(p))() for p in parameters]
    f = theano.function(given, DISTRIBUTIONS[name](*given, rng=shared()), mode=mode)
    with pytest.raises(ValueError, match=message) as caught:
        f(*map(np.asarray, parameters))
    assert any("Apply node that caused the error" in note for note in caught.value.__notes__)


def test_misuse():
    with pytest.raises(
        TypeError, match="gamma: missing a required argument: 'shape': its parameters are shape, scale"
    ):
        T.random.gamma()
    with pytest.raises(TypeError, match="normal: got an unexpected keyword argument 'mean'"):
        T.random.normal(mean=1.0)
    with pytest.raises(
        ValueError, match=r"normal: parameters loc: float64\[2\], scale: float64\[\] do not fit size \(3\)"
    ):
        T.random.normal([0.0, 1.0], 1.0, size=3)
    with pytest.raises(
        ValueError, match="the shapes of loc: .* do not broadcast: axis -1 has lengths 2 and 3"
    ):
        T.random.normal([0.0, 1.0], [1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match=r"normal: size \(-1,\) has a negative length"):
        T.random.normal(size=-1)
    with pytest.raises(
        ValueError, match=r"multinomial: pvals has at least 1 dimension\(s\), got float64\[\]"
    ):
        T.random.multinomial(1, 0.5)
    with pytest.raises(TypeError, match="normal: loc is a real tensor, got complex128"):
        T.random.normal(1j, 1.0)
    with pytest.raises(TypeError, match="rng is a shared generator, .* got 5"):
        T.random.normal(rng=5)
    with pytest.raises(TypeError, match="rng: a generator's state is needed"):
        T.random.normal(rng=T.dvector("x"))
    with pytest.raises(TypeError, match="normal: draws cannot be int64"):
        T.random.normal(dtype="int64")
    with pytest.raises(TypeError, match="next_state takes the draws of a distribution, got x"):
        next_state(T.dvector("x"))
    x, n = T.dvector("x"), T.lscalar("n")
    f = theano.function([x, n], T.random.normal(x, 1.0, size=[n], rng=shared()))
    with pytest.raises(
        ValueError, match=r"normal: parameters of shape \(2,\) do not fit the size .*size = \(3,\)"
    ):
        f([1.0, 2.0], 3)
    with pytest.raises(ValueError, match="normal: negative dimensions are not allowed"):
        theano.function([n], T.random.normal(size=[n], rng=shared()))(-1)


def test_pickling():
    f = theano.function([], T.random.choice(5, size=[4]))
    g = pickle.loads(pickle.dumps(f))
    np.testing.assert_array_equal(f(), g())
    z = T.random.gamma(2.0, rng=shared(3))
    twin = pickle.loads(pickle.dumps(z))
    assert twin.owner.op == z.owner.op
    assert twin.eval() == z.eval()


def test_signatures_are_told():
    import inspect

    assert str(inspect.signature(T.random.normal)).startswith("(loc=0.0, scale=1.0, *, size=None, rng=None")
    assert repr(T.random.gamma) == "<distribution gamma(shape, scale)>"


def test_choice_and_permutation():
    def rng():
        return np.random.default_rng(6)

    np.testing.assert_array_equal(T.random.choice(9, size=[4], rng=rng()).eval(), rng().choice(9, 4))
    letters = np.array([2.5, 3.5, 4.5])
    p = [0.2, 0.2, 0.6]
    np.testing.assert_array_equal(
        T.random.choice(letters, size=[5], p=p, rng=rng()).eval(), rng().choice(letters, 5, p=p)
    )
    np.testing.assert_array_equal(
        T.random.choice(9, size=[9], replace=False, rng=rng()).eval(), rng().choice(9, 9, replace=False)
    )
    np.testing.assert_array_equal(
        T.random.choice(3, size=[2], replace=False, p=p, rng=rng()).eval(), rng().choice(3, 2, False, p)
    )
    np.testing.assert_array_equal(T.random.permutation(7, rng=rng()).eval(), rng().permutation(7))
    rows = np.arange(12.0).reshape(4, 3)
    np.testing.assert_array_equal(T.random.permutation(rows, rng=rng()).eval(), rng().permutation(rows))
    x = T.dvector("x")
    np.testing.assert_array_equal(
        T.random.permutation(x, rng=rng()).eval({x: letters}), rng().permutation(letters)
    )
    shuffled = T.random.shuffle_row_elements(rows, rng=rng()).eval()
    np.testing.assert_array_equal(np.sort(shuffled, 1), rows)
    with pytest.raises(ValueError, match="choice_once: Cannot take a larger sample than population"):
        T.random.choice(3, size=[4], replace=False).eval()
    with pytest.raises(TypeError, match="choice: a is an integer or a vector"):
        T.random.choice(rows)
    with pytest.raises(ValueError, match="choice: p is a vector"):
        T.random.choice(2, p=rows)
    with pytest.raises(TypeError, match="permutation: n is an integer, or an array"):
        T.random.permutation(2.5)
