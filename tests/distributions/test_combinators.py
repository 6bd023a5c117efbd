"""Distributions made of distributions: Mixture, Truncated, Censored, CustomDist, against mpmath, SciPy and draws."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
import scipy.stats as st
from hypothesis import given, settings
from hypothesis import strategies as some

import probgraph as pm
from probgraph.distributions import formulas
from probgraph.engine import function, grad
from probgraph.engine.tensor import as_tensor_variable, dscalar

mp.mp.dps = 50


def value(graph):
    return np.asarray(graph.eval())


def normal(x, mu=0, sigma=1):
    return mp.npdf(mp.mpf(x), mu, sigma)


def below(x, mu=0, sigma=1):
    return mp.erfc((mu - mp.mpf(x)) / sigma / mp.sqrt(2)) / 2


# ------------------------------------------------------------------------------------ mixtures

POINTS = np.array([-300.0, -20.0, -1.0, 0.5, 6.0, 40.0, 1e6])
MIXTURES = {
    "a list": lambda: pm.Mixture.dist([0.3, 0.7], [pm.Normal.dist(0, 1), pm.Normal.dist(5, 2)]),
    "an axis": lambda: pm.Mixture.dist([0.3, 0.7], pm.Normal.dist([0, 5], [1, 2])),
    "of normals": lambda: pm.NormalMixture.dist([0.3, 0.7], [0, 5], [1, 2]),
    "by precisions": lambda: pm.NormalMixture.dist([0.3, 0.7], [0, 5], tau=[1, 0.25]),
}


@pytest.mark.parametrize("form", MIXTURES)
def test_a_mixture_of_normals(form):
    d = MIXTURES[form]()
    exact = [mp.log(mp.mpf(3) / 10 * normal(x) + mp.mpf(7) / 10 * normal(x, 5, 2)) for x in POINTS]
    np.testing.assert_allclose(value(d.logp(POINTS)), [float(e) for e in exact], rtol=1e-12)
    tails = [mp.log(mp.mpf(3) / 10 * below(-x) + mp.mpf(7) / 10 * below(-x, -5, 2)) for x in (0.5, 6.0, 40.0)]
    np.testing.assert_allclose(value(d.logccdf([0.5, 6.0, 40.0])), [float(e) for e in tails], rtol=1e-12)
    lower = [mp.log(mp.mpf(3) / 10 * below(x) + mp.mpf(7) / 10 * below(x, 5, 2)) for x in (-20.0, 0.5)]
    np.testing.assert_allclose(value(d.logcdf([-20.0, 0.5])), [float(e) for e in lower], rtol=1e-12)
    np.testing.assert_allclose([value(d.mean()), value(d.variance())], [3.5, 8.35], rtol=1e-14)
    drawn = d.sample(20_000, random_seed=4)
    cdf = lambda x: 0.3 * st.norm.cdf(x) + 0.7 * st.norm.cdf(x, 5, 2)
    assert d.shape == () and st.kstest(drawn, cdf).pvalue > 1e-3


def test_batches_of_mixtures():
    w, mu = np.array([[0.2, 0.8], [0.5, 0.5], [0.9, 0.1]]), np.arange(6.0).reshape(3, 2)
    x = np.array([0.0, 1.0, 2.0])
    d = pm.Mixture.dist(w, pm.Normal.dist(mu, 1.0))
    truth = np.log((w * st.norm.pdf(x[:, None], mu)).sum(-1))
    np.testing.assert_allclose(value(d.logp(x)), truth, rtol=1e-13)
    assert d.shape == (3,) and d.sample(5, random_seed=1).shape == (5, 3)
    one_w = pm.Mixture.dist([0.4, 0.6], [pm.Normal.dist([0, 1, 2], 1), pm.Normal.dist(9, 1)])
    assert one_w.shape == (3,)
    truth = np.log(0.4 * st.norm.pdf(x, [0, 1, 2]) + 0.6 * st.norm.pdf(x, 9))
    np.testing.assert_allclose(value(one_w.logp(x)), truth, rtol=1e-13)
    drawn = one_w.sample(20_000, random_seed=2)
    np.testing.assert_allclose(drawn.mean(0), 0.4 * np.arange(3) + 5.4, atol=0.15)
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.03  # each element chooses for itself


def test_mixtures_of_vectors():
    lists = [pm.MvNormal.dist([0, 0], np.eye(2)), pm.MvNormal.dist([3, 3], 2 * np.eye(2))]
    axis = pm.MvNormal.dist([[0.0, 0.0], [3.0, 3.0]], np.array([np.eye(2), 2 * np.eye(2)]))
    x = np.array([[1.0, 1.0], [0.0, -4.0], [30.0, 2.0]])
    pdf = 0.4 * st.multivariate_normal([0, 0]).pdf(x) + 0.6 * st.multivariate_normal(
        [3, 3], 2 * np.eye(2)
    ).pdf(x)
    for comp_dists in (lists, axis):
        d = pm.Mixture.dist([0.4, 0.6], comp_dists)
        assert d.shape == (2,) and d.sample(3, random_seed=1).shape == (3, 2)
        np.testing.assert_allclose(value(d.logp(x)), np.log(pdf), rtol=1e-12)
        np.testing.assert_allclose(value(d.mean()), [1.8, 1.8])
        np.testing.assert_allclose(value(d.variance()), [1.6 + 0.24 * 9] * 2)
        drawn = d.sample(20_000, random_seed=2)
        np.testing.assert_allclose(np.cov(drawn.T), [[3.76, 2.16], [2.16, 3.76]], atol=0.12)


def test_mixtures_of_counts_and_of_half_lines():
    counts = pm.Mixture.dist([0.4, 0.6], [pm.Poisson.dist(2), pm.ZeroInflatedPoisson.dist(0.5, 20)])
    k = np.arange(60)
    second = 0.5 * st.poisson.pmf(k, 20) + 0.5 * (k == 0)
    pmf = 0.4 * st.poisson.pmf(k, 2) + 0.6 * second
    np.testing.assert_allclose(value(counts.logp(k)), np.log(pmf), rtol=1e-11)
    assert counts.discrete and value(counts.logp([-1, 1.5])).tolist() == [-np.inf, -np.inf]
    seen = np.bincount(counts.sample(20_000, random_seed=3).astype(int), minlength=60)
    assert (
        st.chisquare([*seen[:5], seen[5:].sum()], 20_000 * np.array([*pmf[:5], 1 - pmf[:5].sum()])).pvalue
        > 1e-3
    )
    half = pm.Mixture.dist([0.5, 0.5], [pm.Exponential.dist(1.0), pm.Gamma.dist(3.0, 1.0)])
    assert half.default_transform.name in ("log", "interval") and value(half.logp(-1.0)) == -np.inf
    bounds = pm.Mixture.dist([0.5, 0.5], [pm.Uniform.dist(0, 1), pm.Uniform.dist(0.5, 3)])
    np.testing.assert_allclose(
        value(bounds.logp([0.2, 0.7, 2.0, 3.5])), [*np.log([0.5, 0.7, 0.2]), -np.inf], rtol=1e-13
    )
    line = pm.Mixture.dist([0.5, 0.5], [pm.Exponential.dist(1.0), pm.Normal.dist(0, 1)])
    assert line.default_transform is None and np.isfinite(value(line.logp(-2.0)))


def test_what_is_no_mixture():
    normal_dist = pm.Normal.dist(0, 1)
    with pytest.raises(ValueError, match="w has 2 weights for 3 components"):
        pm.Mixture.dist([0.5, 0.5], [normal_dist] * 3)
    with pytest.raises(ValueError, match="no axis for the components"):
        pm.Mixture.dist([0.5, 0.5], normal_dist)
    with pytest.raises(ValueError, match="a list of one distribution is no mixture"):
        pm.Mixture.dist([1.0], [normal_dist])
    with pytest.raises(ValueError, match=r"components must be of one kind: .* discrete"):
        pm.Mixture.dist([0.5, 0.5], [normal_dist, pm.Poisson.dist(1)])
    with pytest.raises(TypeError, match=r"comp_dists\[1\] is a distribution such as"):
        pm.Mixture.dist([0.5, 0.5], [normal_dist, 3])
    with pytest.raises(ValueError, match="w is .*; it must be"):
        pm.Mixture.dist([0.5, 0.6], [normal_dist, normal_dist])
    with pm.Model():
        z = pm.Normal("z", 0, 1)
        with pytest.raises(
            TypeError, match=r"'z', a variable of the model; it takes a distribution: Normal.dist"
        ):
            pm.Mixture("y", [0.5, 0.5], [z, normal_dist])


# ------------------------------------------------------------------------------------ truncated

BOUNDS = [
    (None, 1.0),
    (2.0, None),
    (-1.0, 1.0),
    (10.0, None),
    (30.0, 31.0),
    (-40.0, -39.0),
    (100.0, None),
    (None, -50.0),
]


@pytest.mark.parametrize(("lower", "upper"), BOUNDS)
def test_a_truncated_normal_far_in_either_tail(lower, upper):
    d = pm.Truncated.dist(pm.Normal.dist(0, 1), lower, upper)
    a, b = -mp.inf if lower is None else mp.mpf(lower), mp.inf if upper is None else mp.mpf(upper)
    # the part from the tail that it is in: the other would lose it
    mass = below(b) - below(a) if b < 0 else below(-a) - below(-b)
    drawn = d.sample(4000, random_seed=3)
    x = np.sort(drawn)[[0, 50, 2000, 3999]]
    exact = [float(mp.log(normal(p) / mass)) for p in x]
    np.testing.assert_allclose(value(d.logp(x)), exact, rtol=1e-12)
    outside = [p for p in (lower and lower - 1e-3, upper and upper + 1e-3) if p is not None]
    assert np.all(value(d.logp(outside)) == -np.inf)

    def cdf(points):
        parts = [below(p) - below(a) if b < 0 else below(-a) - below(-p) for p in map(mp.mpf, points)]
        return np.array([float(p / mass) for p in parts])

    assert st.kstest(drawn[:400], cdf).pvalue > 1e-3
    np.testing.assert_allclose(np.exp(value(d.logcdf(x))), cdf(x), rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(np.exp(value(d.logccdf(x[:3]))), 1 - cdf(x[:3]), rtol=1e-10, atol=1e-11)
    point = value(d.point())
    assert np.isfinite(value(d.logp(point)))


def test_truncated_counts():
    d = pm.Truncated.dist(pm.Poisson.dist(3.0), 1, 5)
    pmf = st.poisson.pmf(np.arange(1, 6), 3)
    np.testing.assert_allclose(value(d.logp(np.arange(1, 6))), np.log(pmf / pmf.sum()), rtol=1e-12)
    assert np.all(value(d.logp([0, 6, 2.5])) == -np.inf) and d.discrete
    drawn = d.sample(20_000, random_seed=1)
    assert set(drawn) <= {1, 2, 3, 4, 5}
    assert st.chisquare(np.bincount(drawn.astype(int))[1:], 20_000 * pmf / pmf.sum()).pvalue > 1e-3
    tail = pm.Truncated.dist(pm.Poisson.dist(3.0), lower=60)
    assert value(tail.logp(60)) == pytest.approx(st.poisson.logpmf(60, 3) - st.poisson.logsf(59, 3), rel=1e-9)
    assert tail.sample(5, random_seed=1).min() == 60


def test_truncated_where_there_is_a_support_already():
    d = pm.Truncated.dist(pm.Exponential.dist(1.0), upper=[1.0, 2.0])
    truth = -0.5 - np.log1p(-np.exp([-1.0, -2.0]))
    np.testing.assert_allclose(value(d.logp(0.5)), truth, rtol=1e-13)
    assert d.shape == (2,) and d.sample(3, random_seed=1).shape == (3, 2)
    assert pm.Truncated.dist(pm.HalfNormal.dist(1.0), lower=-1.0).default_transform.name in (
        "log",
        "interval",
    )
    np.testing.assert_allclose(
        value(pm.Truncated.dist(pm.Exponential.dist(1.0), 0.5, 2.0).icdf([0.0, 0.5, 1.0])),
        st.truncexpon(1.5, loc=0.5).ppf([0, 0.5, 1]),
        rtol=1e-12,
    )


@pytest.mark.parametrize(("lower", "upper"), BOUNDS)
def test_quantiles_far_in_either_tail(lower, upper):
    d = pm.Truncated.dist(pm.Normal.dist(0, 1), lower, upper)
    a, b = -mp.inf if lower is None else mp.mpf(lower), mp.inf if upper is None else mp.mpf(upper)
    mass = below(b) - below(a) if b < 0 else below(-a) - below(-b)
    shares = [1e-6, 0.1, 0.5, 0.9]
    for q, x in zip(shares, value(d.icdf(shares)), strict=True):
        inside = below(x) - below(a) if b < 0 else below(-a) - below(-mp.mpf(x))
        # what the last digits of x and of the share below the bound make of it
        digit = normal(x) / mass * mp.mpf(np.spacing(abs(x))) / q
        assert abs(inside / mass / q - 1) < 1e-12 + 8 * digit


def test_quantiles_of_what_has_none_by_itself():
    counts = pm.Truncated.dist(pm.Poisson.dist(3.0), 1, 5)
    cdf = np.cumsum(st.poisson.pmf(np.arange(1, 6), 3)) / st.poisson.pmf(np.arange(1, 6), 3).sum()
    for k in range(4):
        got = value(counts.icdf([cdf[k] - 1e-9, cdf[k] + 1e-9]))
        assert got.tolist() == [k + 1, k + 2]
    mu, q = dscalar("mu"), dscalar("q")
    x = pm.Truncated.dist(pm.Normal.dist(mu, 1.0), 10.0, 12.0).icdf(q)
    f = function([mu, q], [x, *grad(x, [mu, q])])

    def exact(mu, q):
        a, b = below(-10, -mu), below(-12, -mu)
        return mp.findroot(lambda t: mp.log(below(-t, -mu) / (a - q * (a - b))), 10.1)

    slopes = [mp.diff(lambda t: exact(t, 0.5), 0), mp.diff(lambda t: exact(0, t), mp.mpf("0.5"))]
    np.testing.assert_allclose(f(0.0, 0.5), [float(v) for v in (exact(0, 0.5), *slopes)], rtol=1e-9)


def test_gradients_of_bounds_and_parameters():
    x, lower, mu = dscalar("x"), dscalar("lower"), dscalar("mu")
    logp = pm.Truncated.dist(pm.Normal.dist(mu, 1.0), lower, 12.0).logp(x)
    f = function([x, lower, mu], [logp, *grad(logp, [x, lower, mu])])
    got = f(11.0, 10.0, 0.5)

    def exact(x, lower, mu):
        return mp.log(normal(x, mu) / (below(-lower, -mu) - below(-12, -mu)))

    at = (11.0, 10.0, 0.5)
    slopes = [mp.diff(lambda t, k=k: exact(*at[:k], t, *at[k + 1 :]), at[k]) for k in range(3)]
    np.testing.assert_allclose(got, [float(v) for v in (exact(*at), *slopes)], rtol=1e-10)


def test_rejection_where_there_is_no_logcdf():
    sums = pm.CustomDist.dist(logp=lambda v: -v, random=lambda rng, size: rng.normal(size=size))
    drawn = pm.Truncated.dist(sums, lower=1.0).sample(500, random_seed=1)
    assert drawn.min() >= 1.0
    with pytest.raises(ValueError, match="after 3 rounds of rejection"):
        pm.Truncated.dist(sums, lower=8.0, max_n_steps=3).sample(5, random_seed=1)


def test_what_cannot_be_truncated():
    with pytest.raises(NotImplementedError, match="MvNormal is a distribution of arrays"):
        pm.Truncated.dist(pm.MvNormal.dist([0, 0], np.eye(2)), 0)
    with pytest.raises(ValueError, match=r"nothing of it is from 2 to 3"):
        pm.Truncated.dist(pm.Uniform.dist(0, 1), 2, 3)
    with pytest.raises(NotImplementedError, match="has probability at single numbers"):
        pm.Truncated.dist(pm.HurdleGamma.dist(0.5, 1, 1), 0)
    with pytest.raises(
        NotImplementedError, match=r"Truncated needs the logcdf of CustomDist\(\): .*without logcdf="
    ):
        pm.Truncated.dist(pm.CustomDist.dist(logp=lambda v: -v), 1).logp(2.0)
    with pytest.raises(ValueError, match="Truncated needs lower <= upper"):
        pm.Truncated.dist(pm.Normal.dist(0, 1), 2, 1)
    with pytest.raises(TypeError, match="Truncated: dist is a distribution such as"):
        pm.Truncated.dist(3, 1)


# ------------------------------------------------------------------------------------ censored


def test_censored_numbers():
    d = pm.Censored.dist(pm.Normal.dist(1.0, 2.0), -1.0, 3.0)
    exact = [below(-1, 1, 2), normal(0, 1, 2), normal(1, 1, 2), below(-3, -1, 2)]
    np.testing.assert_allclose(value(d.logp([-1, 0, 1, 3])), [float(mp.log(e)) for e in exact], rtol=1e-13)
    assert np.all(value(d.logp([-1.1, 3.1])) == -np.inf)
    np.testing.assert_allclose(np.exp(value(d.logcdf([-2, -1, 0, 3]))), [0, *st.norm.cdf([-1, 0], 1, 2), 1])
    np.testing.assert_allclose(np.exp(value(d.logccdf([-2, -1, 0, 3]))), [1, *st.norm.sf([-1, 0], 1, 2), 0])
    np.testing.assert_allclose(value(d.icdf([0.01, 0.5, 0.99])), [-1, 1, 3])
    drawn = d.sample(20_000, random_seed=1)
    np.testing.assert_allclose((drawn == 3.0).mean(), st.norm.sf(3, 1, 2), atol=0.01)
    far = pm.Censored.dist(pm.Normal.dist(0, 1), upper=60.0)
    assert value(far.logp(60.0)) == pytest.approx(float(mp.log(below(-60))), rel=1e-13)


def test_censored_counts():
    d = pm.Censored.dist(pm.Poisson.dist(3.0), None, 4)
    truth = np.array([*st.poisson.logpmf(range(4), 3), st.poisson.logsf(3, 3), -np.inf])
    np.testing.assert_allclose(value(d.logp(np.arange(6))), truth, rtol=1e-12)
    assert d.discrete
    with pytest.raises(ValueError, match="needs bounds that are integers"):
        pm.Censored.dist(pm.Poisson.dist(3.0), 1.5, 4)


def test_a_mixture_of_censored_numbers_has_their_single_numbers():
    d = pm.Mixture.dist([0.5, 0.5], [pm.Censored.dist(pm.Normal.dist(m, 1), 0, 1) for m in (0, 1)])
    assert d.atoms
    truth = [0.5 * st.norm.cdf([0, -1]).sum(), 0.5 * st.norm.sf([1, 0]).sum()]
    np.testing.assert_allclose(np.exp(value(d.logp([0, 1]))), truth, rtol=1e-13)
    np.testing.assert_allclose(np.exp(value(d.logcdf([-0.1, 0, 1]))), [0, truth[0], 1], rtol=1e-13)


def test_a_continuous_censored_variable_is_not_free():
    with (
        pm.Model(),
        pytest.raises(NotImplementedError, match="c: Censored.* has probability at single numbers"),
    ):
        pm.Censored("c", pm.Normal.dist(0, 1), 0, 1)


@settings(max_examples=150, deadline=None)
@given(
    *(some.floats(-1e300, 1e300) for _ in range(3)),
    some.floats(1e-300, 1e300),
    some.floats(-1e300, 1e300),
)
def test_no_finite_numbers_give_nan(lower, upper, mu, sigma, x):
    low, high = sorted((lower, upper))
    if low < high:
        inner = pm.Normal.dist(mu, sigma)
        for d in (pm.Censored.dist(inner, low, high), pm.Truncated.dist(inner, low, high)):
            got = value(d.logp(np.array([x, low, high])))
            assert not np.isnan(got).any(), (d, got)
    mixed = pm.Mixture.dist([0.25, 0.75], [pm.Normal.dist(mu, sigma), pm.Normal.dist(low, 1.0)])
    assert not np.isnan(value(mixed.logp(x)))


# ------------------------------------------------------------------------------------ custom


def _logp(x, mu, sigma):
    return -0.5 * ((x - mu) / sigma) ** 2 - pm.math.log(sigma) - 0.5 * np.log(2 * np.pi)


def _random(mu, sigma, rng=None, size=None):
    return rng.normal(mu, sigma, size)


def test_a_distribution_of_ones_own():
    d = pm.CustomDist.dist([1.0, 3.0], 2.0, logp=_logp, random=_random, class_name="Mine")
    np.testing.assert_allclose(value(d.logp([0.0, 5.0])), st.norm.logpdf([0, 5], [1, 3], 2))
    assert d.shape == (2,) and d.sample(4, random_seed=1).shape == (4, 2)
    assert str(d) == "Mine(parameter 1=<2 constants>, parameter 2=2)"
    vectors = pm.CustomDist.dist(
        np.zeros(3), np.eye(3), signature="(n),(n,n)->(n)", logp=lambda v, m, c: -((v - m) ** 2).sum(-1)
    )
    assert vectors.shape == (3,) and value(vectors.logp(np.ones((4, 3)))).tolist() == [-3.0] * 4
    counts = pm.CustomDist.dist(
        2.0, logp=lambda v, r: v * pm.math.log(r) - r - pm.math.gammaln(v + 1), dtype="int64"
    )
    assert counts.discrete and value(counts.logp(3)) == pytest.approx(st.poisson.logpmf(3, 2))


def test_bounds_of_a_distribution_of_ones_own():
    below = lambda v, rate: pm.math.log1p(-pm.math.exp(-rate * v))
    logp = lambda v, rate: pm.math.log(rate) - rate * v
    own = pm.CustomDist.dist(2.0, logp=logp, logcdf=below)
    known = pm.Exponential.dist(2.0)
    x = np.array([0.1, 0.7, 1.5])
    for make in (lambda d: pm.Truncated.dist(d, 0.1, 1.5), lambda d: pm.Censored.dist(d, 0.1, 1.5)):
        np.testing.assert_allclose(value(make(own).logp(x)), value(make(known).logp(x)), rtol=1e-12)
    np.testing.assert_allclose(value(own.logccdf(x)), -2.0 * x, rtol=1e-14)
    both = pm.CustomDist.dist(2.0, logp=logp, logcdf=below, logccdf=lambda v, rate: -rate * v)
    assert value(both.logccdf(100.0)) == -200.0
    generator = pm.CustomDist.dist(
        np.zeros(3), signature="[rng],[size],(n)->[rng],(n)", logp=lambda v, m: -(v**2).sum(-1)
    )
    assert generator.shape == (3,)


def test_a_model_with_distributions_of_ones_own_has_the_posterior_of_the_known_ones():
    data = np.random.default_rng(0).normal(3, 2, 50)

    def made(own):
        with pm.Model() as model:
            mu, sigma = pm.Normal("mu", 0, 10), pm.HalfNormal("sigma", 5)
            if own:
                pm.CustomDist("y", mu, sigma, logp=_logp, random=_random, observed=data)
                mixed = lambda mu, size: pm.Mixture.dist(
                    [0.5, 0.5], [pm.Normal.dist(mu, 1), pm.Normal.dist(-mu, 1)]
                )
                pm.CustomDist("z", mu, dist=mixed, observed=[1.0, 2.0])
            else:
                pm.Normal("y", mu, sigma, observed=data)
                pm.Mixture(
                    "z", [0.5, 0.5], [pm.Normal.dist(mu, 1), pm.Normal.dist(-mu, 1)], observed=[1.0, 2.0]
                )
        return model.compile_logp()(model.initial_point({"mu": 2.0, "sigma": 1.5}))

    assert made(True) == pytest.approx(made(False), rel=1e-12)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: pm.CustomDist.dist(1.0), TypeError, "give logp=, to sample from the posterior, or random="),
        (lambda: pm.CustomDist.dist(1.0, lopg=1), TypeError, "there is no lopg; parameters come by position"),
        (lambda: pm.CustomDist.dist(1.0, logp=3), TypeError, "logp is a function, got 3"),
        (lambda: pm.CustomDist.dist(1.0, logp=_logp, signature="x"), ValueError, "does not fit 1 parameters"),
        (lambda: pm.CustomDist.dist(1.0, logp=_logp).sample(), NotImplementedError, "without random="),
        (lambda: pm.CustomDist.dist(1.0, random=_random).logp(1), NotImplementedError, "without logp="),
        (lambda: pm.CustomDist.dist(1.0, logp=_logp).logcdf(1), NotImplementedError, "without logcdf="),
        (
            lambda: pm.CustomDist.dist(1.0, dist=lambda a, size: 3),
            TypeError,
            "what dist returned is a distribution",
        ),
        (
            lambda: pm.CustomDist.dist(dist=_logp, logp=_logp),
            TypeError,
            "dist= says all; logp cannot be given",
        ),
        (
            lambda: pm.CustomDist.dist(random=lambda rng, size: np.zeros(3)).sample(5),
            ValueError,
            r"random gave an array of shape \(3,\) for size=\(5,\)",
        ),
    ],
)
def test_what_is_missing_is_named(make, error, text):
    with pytest.raises(error, match=text):
        make()


# ------------------------------------------------------------------------------------ formulas

STEPS = [*((op, 0, None) for op in formulas.ONE), *((op, place, 1.7) for op, place in formulas.TWO)]
STEPS += [(op, place, -0.6) for op, place in formulas.TWO]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step[0].name}-{step[1]}-{step[2]}")
def test_each_step_of_formulas(step):
    op, place, c = step
    one_sided = (formulas.ONE[op] if c is None else formulas.TWO[op, place]).domain[0] == 0.0
    inner = pm.Gamma.dist(3.0, 2.0) if one_sided or op.name == "log1p" else pm.Logistic.dist(0.2, 0.7)
    known = st.gamma(3, scale=0.5) if one_sided or op.name == "log1p" else st.logistic(0.2, 0.7)
    x = known.ppf([0.01, 0.2, 0.7, 0.95])
    f = lambda v: op(v) if c is None else op(c, v) if place else op(v, c)
    d = pm.CustomDist.dist(dist=lambda size: f(inner._as_TensorVariable()))
    v = dscalar("v")
    slope = function([v], grad(f(v), v))
    slopes = np.array([slope(p) for p in x])
    y = np.array([value(f(as_tensor_variable(p))) for p in x])
    np.testing.assert_allclose(value(d.logp(y)), known.logpdf(x) - np.log(np.abs(slopes)), rtol=1e-11)
    tails = (known.logcdf(x), known.logsf(x))
    below, above = tails if slopes[0] > 0 else tails[::-1]
    np.testing.assert_allclose(value(d.logcdf(y)), below, rtol=1e-11)
    np.testing.assert_allclose(value(d.logccdf(y)), above, rtol=1e-11)
    np.testing.assert_allclose(value(d.icdf(np.exp(below))), y, rtol=1e-9)
    drawn = d.sample(2000, random_seed=3)
    assert st.kstest(drawn, lambda p: np.exp(value(d.logcdf(p)))).pvalue > 1e-3
    ends = (d.support.lower, d.support.upper)
    assert np.all(drawn >= value(as_tensor_variable(ends[0]))) and np.all(
        drawn <= value(as_tensor_variable(ends[1]))
    )
    assert not np.isnan(value(d.logp([-1e300, -1.0, 0.0, 1.0, 1e300, np.inf, -np.inf]))).any()


def test_formulas_are_the_known_distributions_far_out():
    lognormal = pm.CustomDist.dist(
        1.0, 2.0, dist=lambda m, s, size: np.exp(m + s * pm.Normal.dist(0, 1, size=size))
    )
    x = np.array([1e-300, 1e-5, 3.0, 1e200])
    np.testing.assert_allclose(
        value(lognormal.logp(x)), value(pm.LogNormal.dist(1.0, 2.0).logp(x)), rtol=1e-13
    )
    np.testing.assert_allclose(
        value(lognormal.logccdf(x)), value(pm.LogNormal.dist(1.0, 2.0).logccdf(x)), rtol=1e-13
    )
    assert value(lognormal.logp([0.0, -1.0])).tolist() == [-np.inf, -np.inf]
    pareto = pm.CustomDist.dist(dist=lambda size: 2.0 * pm.math.exp(pm.Exponential.dist(3.0, size=size)))
    np.testing.assert_allclose(
        value(pareto.logp([1.9, 2.5, 1e100])),
        value(pm.Pareto.dist(3.0, 2.0).logp([1.9, 2.5, 1e100])),
        rtol=1e-13,
    )


def test_a_model_with_a_formula():
    def shifted(mu, slope, size):
        return mu + slope * pm.StudentT.dist(4, 0, 1, size=size)

    def made(own):
        with pm.Model(coords={"row": range(3)}) as model:
            mu, slope = pm.Normal("mu", 0, 1), pm.Normal("slope", 0, 1)
            if own:
                pm.CustomDist("y", mu, slope, dist=shifted, dims="row", observed=[0.5, 2.0, 9.0])
                pm.CustomDist("z", mu, dist=lambda m, size: pm.math.exp(pm.Normal.dist(m, 1, size=size)))
            else:
                pm.StudentT("y", 4, mu, abs(slope), dims="row", observed=[0.5, 2.0, 9.0])
                pm.LogNormal("z", mu, 1)
        return model

    for slope in (0.7, -0.7):  # its sign is not known when the model is built
        at = [
            m.compile_logp()(m.initial_point({"mu": 0.3, "slope": slope, "z": 1.2}))
            for m in map(made, (True, False))
        ]
        assert at[0] == pytest.approx(at[1], rel=1e-12)
    with made(True):
        prior = pm.sample_prior_predictive(2000, random_seed=1)
    assert prior.prior_predictive["y"].shape == (1, 2000, 3)
    assert abs(np.log(prior.prior["z"]).std().item() / np.sqrt(2) - 1) < 0.1


@pytest.mark.parametrize(
    ("formula", "error", "text"),
    [
        (lambda m: (lambda x: x + x**2)(pm.Normal.dist(0, 1)), NotImplementedError, "in 2 of its operands"),
        (
            lambda m: pm.Normal.dist(0, 1) + pm.Laplace.dist(0, 1),
            NotImplementedError,
            r"of one random variable, this one is of Normal\(.*\) and Laplace",
        ),
        (lambda m: m * 2, NotImplementedError, "this one is of none"),
        (
            lambda m: abs(pm.Normal.dist(0, 1)._as_TensorVariable()),
            NotImplementedError,
            "the inverse of .*abs",
        ),
        (lambda m: np.log(pm.Normal.dist(0, 1)), NotImplementedError, "from 0 on only"),
        (lambda m: np.ones(2) * pm.Normal.dist(0, 1), NotImplementedError, "repeats one random number; give"),
        (lambda m: (m - 1.0) * pm.Normal.dist(0, 1), ValueError, "multiplied or divided by 0"),
        (
            lambda m: 1 + pm.Poisson.dist(1),
            NotImplementedError,
            "it is discrete; formulas are for continuous",
        ),
        (lambda m: 1 + pm.MvNormal.dist([0, 0], np.eye(2)), NotImplementedError, "it is of arrays"),
    ],
)
def test_formulas_that_cannot_be_undone(formula, error, text):
    with pytest.raises(error, match=text):
        pm.CustomDist.dist(1.0, dist=lambda m, size: formula(m))


def test_distributions_are_no_numbers_elsewhere():
    with pytest.raises(TypeError, match=r"is a distribution, not a number .* CustomDist\(dist=...\)"):
        pm.Normal.dist(0, 1) + 1
    with pytest.raises(TypeError, match="Normal: mu must be a number"):
        pm.Normal.dist(pm.Normal.dist(0, 1), 1)


# ------------------------------------------------------------------------------------ in models


def test_a_mixture_whose_length_is_that_of_data():
    with pm.Model() as model:
        x = pm.Data("x", np.arange(4.0))
        mu = pm.Normal("mu", 0, 1)
        both = [pm.Normal.dist(mu * x, 1.0), pm.Normal.dist(0.0, 9.0)]
        pm.Mixture("y", [0.9, 0.1], both, observed=np.zeros(4))
        pm.Censored("c", pm.Normal.dist(mu * x, 1.0), upper=1.0, observed=np.ones(4))
    at = {"mu": 0.5}
    m = 0.5 * np.arange(4.0)
    truth = st.norm.logpdf(0.5) + st.norm.logsf(1, m).sum()
    truth += np.log(0.9 * st.norm.pdf(0, m) + 0.1 * st.norm.pdf(0, 0, 9)).sum()
    assert model.compile_logp()(at) == pytest.approx(truth, rel=1e-12)


def test_posterior_of_censored_data_is_that_of_a_grid():
    rng = np.random.default_rng(3)
    data = np.minimum(rng.normal(1.0, 1.0, 60), 1.5)
    with pm.Model():
        mu = pm.Normal("mu", 0.0, 5.0)
        pm.Censored("y", pm.Normal.dist(mu, 1.0), upper=1.5, observed=data)
        draws = pm.sample(1000, tune=500, chains=2, random_seed=1, progressbar=False).posterior["mu"].values
    grid = np.linspace(-1, 3, 4001)
    logp = st.norm.logpdf(grid, 0, 5)
    for y in data:
        logp += st.norm.logpdf(y, grid, 1) if y < 1.5 else st.norm.logsf(1.5, grid, 1)
    weight = np.exp(logp - logp.max())
    weight /= weight.sum()
    mean = (weight * grid).sum()
    sd = np.sqrt((weight * (grid - mean) ** 2).sum())
    assert abs(draws.mean() - mean) < 4 * sd / np.sqrt(500) and abs(draws.std() / sd - 1) < 0.15


def test_posterior_of_an_ordered_mixture_finds_the_parts():
    rng = np.random.default_rng(5)
    data = np.concatenate([rng.normal(-2, 1, 150), rng.normal(2, 1, 350)])
    with pm.Model():
        w = pm.Dirichlet("w", [1.0, 1.0])
        mu = pm.Normal(
            "mu", 0, 5, shape=2, transform=pm.distributions.transforms.ordered, initval=[-1.0, 1.0]
        )
        pm.NormalMixture("y", w, mu, 1.0, observed=data)
        post = pm.sample(500, tune=500, chains=2, random_seed=2, progressbar=False).posterior
    np.testing.assert_allclose(post["mu"].mean(("chain", "draw")), [-2, 2], atol=0.3)
    np.testing.assert_allclose(post["w"].mean(("chain", "draw")), [0.3, 0.7], atol=0.06)
