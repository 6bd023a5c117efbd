"""Vectors and matrices as free variables: sampled posteriors that are known in closed form, and what models keep."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats as st

import probgraph as pg
from probgraph.distributions import (
    CAR,
    ICAR,
    Dirichlet,
    Exponential,
    KroneckerNormal,
    LKJCholeskyCov,
    LKJCorr,
    MatrixNormal,
    Multinomial,
    MvNormal,
    MvStudentT,
    StickBreakingWeights,
    Wishart,
    ZeroSumNormal,
)

SAMPLER = {"tune": 500, "chains": 2, "random_seed": 7, "progressbar": False}


def draws_of(idata, name):
    values = idata.posterior[name].values
    return values.reshape((-1, *values.shape[2:]))


def test_the_mean_of_normal_vectors_has_its_conjugate_posterior():
    rng = np.random.default_rng(1)
    cov = np.array([[2.0, 0.9], [0.9, 1.0]])
    y = rng.multivariate_normal([1.0, -1.0], cov, 20)
    with pg.Model(coords={"place": ["a", "b"]}):
        mu = MvNormal("mu", mu=0.0, cov=4.0 * np.eye(2), dims="place")
        MvNormal("y", mu=mu, cov=cov, observed=y)
        idata = pg.sample(2000, **SAMPLER)
    precision = np.eye(2) / 4 + 20 * np.linalg.inv(cov)
    posterior = np.linalg.inv(precision)
    mean = posterior @ (20 * np.linalg.solve(cov, y.mean(axis=0)))
    draws = draws_of(idata, "mu")
    assert int(idata.sample_stats.diverging.sum()) == 0
    np.testing.assert_allclose(draws.mean(axis=0), mean, atol=0.05)
    np.testing.assert_allclose(np.cov(draws.T), posterior, atol=0.015)


def test_parts_of_a_whole_have_their_conjugate_posterior():
    counts = np.array([3, 12, 0, 5])
    with pg.Model() as model:
        p = Dirichlet("p", a=np.ones(4))
        Multinomial("y", n=20, p=p, observed=counts)
        idata = pg.sample(2000, **SAMPLER)
    assert [v.name for v in model.value_vars] == ["p_simplex__"] and model.value_vars[0].type.shape == (3,)
    draws = draws_of(idata, "p")
    np.testing.assert_allclose(draws.sum(axis=-1), 1.0, rtol=1e-12)
    exact = st.dirichlet(1.0 + counts)
    np.testing.assert_allclose(draws.mean(axis=0), exact.mean(), atol=0.01)
    np.testing.assert_allclose(draws.var(axis=0), exact.var(), rtol=0.2)


def test_a_factor_of_a_covariance_brings_its_correlations_and_deviations():
    with pg.Model() as model:
        chol, corr, stds = LKJCholeskyCov("chol", eta=2.0, n=3, sd_dist=Exponential.dist(1.0))
        idata = pg.sample(4000, **SAMPLER)
    assert [v.type.shape for v in (chol, corr, stds)] == [(3, 3), (3, 3), (3,)]
    assert [v.name for v in model.unobserved_RVs] == ["chol", "chol_corr", "chol_stds"]
    packed, correlations = draws_of(idata, "chol"), draws_of(idata, "chol_corr")
    factor = pg.expand_packed_triangular(3, packed).eval()
    deviations = draws_of(idata, "chol_stds")
    rebuilt = correlations * deviations[:, None] * deviations[:, :, None]
    np.testing.assert_allclose(factor @ factor.swapaxes(-1, -2), rebuilt, atol=1e-10)
    # Of the draws about a fifth are worth one each: every twentieth is independent. Each correlation is that of a beta with both parameters eta - 1 + n / 2, from -1 to 1.
    for i, j in ((1, 0), (2, 0), (2, 1)):
        assert st.kstest(correlations[::20, i, j], st.beta(2.5, 2.5, -1, 2).cdf).pvalue > 1e-3
        assert st.kstest(deviations[::10, i], st.expon.cdf).pvalue > 1e-3
    prior = pg.draw([chol, stds], 500, random_seed=1)
    np.testing.assert_allclose(np.sqrt((prior[0] ** 2).sum(-1)), prior[1], rtol=1e-12)


def test_a_covariance_is_learnt_through_its_factor():
    rng = np.random.default_rng(2)
    true = np.array([[1.0, 0.0], [1.2, 1.6]])
    y = rng.standard_normal((200, 2)) @ true.T
    with pg.Model():
        chol, _, _ = LKJCholeskyCov("chol", eta=1.0, n=2, sd_dist=Exponential.dist([1.0, 1.0]))
        MvNormal("y", mu=np.zeros(2), chol=chol, observed=y)
        idata = pg.sample(500, **SAMPLER)
    empirical = np.corrcoef(y.T)[0, 1]
    assert abs(draws_of(idata, "chol_corr")[:, 0, 1].mean() - empirical) < 0.03
    np.testing.assert_allclose(draws_of(idata, "chol_stds").mean(axis=0), y.std(axis=0), rtol=0.05)


def test_the_packed_factor_alone_and_what_is_wrong_with_its_arguments():
    sd = Exponential.dist(1.0)
    with pg.Model() as model:
        packed = LKJCholeskyCov("packed", 1.0, 4, sd, compute_corr=False)
        LKJCholeskyCov("untold", 1.0, 2, sd, store_in_trace=False)
    assert packed.type.shape == (10,) and model.deterministics == []
    one = LKJCholeskyCov.dist(2.0, 1, sd)
    np.testing.assert_allclose(one.logp([1.5]).eval(), -1.5, rtol=1e-14)
    assert one.sample(3, random_seed=1).shape == (3, 1)
    with pytest.raises(TypeError, match="sd_dist is None; it must be a distribution"):
        LKJCholeskyCov.dist(1.0, 2)
    with pytest.raises(ValueError, match=r"sd_dist has shape \(3,\); it must be \(\) or \(2,\)"):
        LKJCholeskyCov.dist(1.0, 2, Exponential.dist(np.ones(3)))
    with pytest.raises(TypeError, match="n is 2.5; it must be an integer"):
        LKJCholeskyCov.dist(1.0, 2.5, sd)


def test_observations_outside_the_support_are_refused():
    with pg.Model():
        p = Dirichlet("p", a=np.ones(3))
        with pytest.raises(ValueError, match=r"y: observed is .* with the sum 4"):
            Multinomial("y", n=4, p=p, observed=[[1, 2, 1], [1, 1, 1]])


def test_arrays_that_sum_to_zero_along_two_axes():
    sigma = np.array([[[1.0]], [[3.0]]])
    dist = ZeroSumNormal.dist(sigma, n_zerosum_axes=2, shape=(2, 3, 4))
    assert (dist.batch_shape, dist.event_shape) == ((2,), (3, 4))
    x = dist.sample(500, random_seed=1)
    assert abs(x.sum(axis=-1)).max() < 1e-12 and abs(x.sum(axis=-2)).max() < 1e-12
    np.testing.assert_allclose(x.var(axis=0), np.broadcast_to(dist.variance().eval(), (2, 3, 4)), rtol=0.35)
    free = 6
    expected = -0.5 * (x / sigma) ** 2
    expected = expected.sum((-1, -2)) - free * (np.log(sigma[:, 0, 0]) + 0.5 * np.log(2 * np.pi))
    np.testing.assert_allclose(dist.logp(x).eval(), expected, rtol=1e-12)
    with pytest.raises(ValueError, match="sigma has shape .*it must have length 1"):
        ZeroSumNormal.dist(np.ones(3), shape=3)
    with pytest.raises(ValueError, match="give shape= or support_shape="):
        ZeroSumNormal.dist(1.0).sample()


def test_zero_sums_and_correlations_and_sticks_are_sampled():
    coords = {"group": range(4)}
    with pg.Model(coords=coords) as model:
        effect = ZeroSumNormal("effect", sigma=2.0, dims="group")
        corr = LKJCorr("corr", n=3, eta=1.5, return_matrix=True)
        StickBreakingWeights("w", alpha=2.0, K=2)
        MvStudentT("t", nu=5.0, mu=np.zeros(3), chol=pg.math.cholesky(corr))
        pg.Normal("y", effect, 1.0, observed=[3.0, 1.0, 1.0, -1.0])
        idata = pg.sample(2000, target_accept=0.95, **SAMPLER)
    assert corr.type.shape == (3, 3) and [v.type.shape for v in model.value_vars] == [(3,), (3,), (2,), (3,)]
    # Precisions add up on the plane of zero sums, where the data's own mean does not count.
    draws = draws_of(idata, "effect")
    np.testing.assert_allclose(draws.mean(axis=0), 0.8 * np.array([2.0, 0.0, 0.0, -2.0]), atol=0.06)
    np.testing.assert_allclose(draws.var(axis=0), 0.8 * 0.75, rtol=0.15)
    for i in range(3):
        assert st.kstest(draws_of(idata, "corr")[::10, i], st.beta(2.0, 2.0, -1, 2).cdf).pvalue > 1e-3
    weights = StickBreakingWeights.dist(alpha=2.0, K=2)
    np.testing.assert_allclose(draws_of(idata, "w").mean(axis=0), weights.mean().eval(), atol=0.02)
    np.testing.assert_allclose(draws_of(idata, "w").var(axis=0), weights.variance().eval(), rtol=0.15)
    t = draws_of(idata, "t")[:, 0]
    assert st.kstest(t[::10], st.t(5.0).cdf).pvalue > 1e-3


def test_matrices_and_areas_are_sampled():
    W = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    V = np.array([[1.0, 0.3], [0.3, 0.5]])
    priors = {
        "s": Wishart.dist(nu=6.0, V=V),
        "m": MatrixNormal.dist(np.ones((2, 3)), rowcov=V, colchol=np.tri(3)),
        "car": CAR.dist(mu=np.zeros(3), W=W, alpha=0.8, tau=2.0),
        "icar": ICAR.dist(W, sigma=2.0, zero_sum_stdev=0.5),
    }
    with pg.Model() as model:
        Wishart("s", nu=6.0, V=V)
        MatrixNormal("m", np.ones((2, 3)), rowcov=V, colchol=np.tri(3))
        CAR("car", np.zeros(3), W, 0.8, 2.0)
        ICAR("icar", W, sigma=2.0, zero_sum_stdev=0.5)
        idata = pg.sample(2000, **SAMPLER)
    assert [v.name for v in model.value_vars] == ["s_positive_definite__", "m", "car", "icar"]
    for name, prior in priors.items():
        draws, variance = draws_of(idata, name), prior.variance().eval()
        z = (draws - prior.mean().eval()) / np.sqrt(variance)
        assert abs(z.mean(axis=0)).max() < 0.12, name
        np.testing.assert_allclose(z.var(axis=0), 1.0, rtol=0.2, err_msg=name)


def test_a_kronecker_product_is_given_in_three_ways_and_learnt_through():
    covs = [np.array([[1.0, 0.4], [0.4, 2.0]]), np.array([[1.0, 0.3, 0.1], [0.3, 1.0, 0.2], [0.1, 0.2, 3.0]])]
    chols = [np.linalg.cholesky(c) for c in covs]
    evds = [np.linalg.eigh(c) for c in covs]
    x = np.random.default_rng(3).normal(size=(4, 6))
    for sigma in (0.0, 0.5):
        exact = st.multivariate_normal(np.ones(6), np.kron(*covs) + sigma**2 * np.eye(6))
        for given in ({"covs": covs}, {"chols": chols}, {"evds": evds}):
            dist = KroneckerNormal.dist(1.0, sigma=sigma, **given)
            np.testing.assert_allclose(dist.logp(x).eval(), exact.logpdf(x), rtol=1e-12)
            np.testing.assert_allclose(dist.variance().eval(), np.diag(exact.cov), rtol=1e-12)
            draws = dist.sample(20000, random_seed=4)
            np.testing.assert_allclose(np.cov(draws.T), exact.cov, atol=0.25)
    with pg.Model() as model:
        scale = pg.HalfNormal("scale", 1.0)
        KroneckerNormal("y", np.zeros(6), covs=[scale * covs[0], covs[1]], observed=x)
        with pytest.raises(NotImplementedError, match=r"covs\[0\] has to be a constant.*Write MvNormal"):
            KroneckerNormal("z", np.zeros(6), covs=[scale * covs[0], covs[1]], sigma=1.0, observed=x)
        prior = pg.draw(KroneckerNormal.dist(np.zeros(6), covs=[scale * covs[0], covs[1]]), 3, random_seed=1)
    assert prior.shape == (3, 6)
    likelihood = st.multivariate_normal(np.zeros(6), 1.7 * np.kron(*covs)).logpdf(x).sum()
    found = model.compile_logp()({"scale_log__": np.log(1.7)})
    np.testing.assert_allclose(found, likelihood + st.halfnorm.logpdf(1.7) + np.log(1.7), rtol=1e-12)
    with pytest.raises(TypeError, match="takes one of covs, chols and evds; given was none"):
        KroneckerNormal.dist(0.0)
