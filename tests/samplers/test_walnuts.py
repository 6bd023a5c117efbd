"""Halved steps where NUTS fails: the scale of a funnel, and of eight schools as they are usually written."""

import arviz as az
import numpy as np
import pytest
import scipy.stats as st
from densities import compiled

import probgraph as pg
from probgraph.samplers import sample_chains

FUNNEL = """
double v = q[0], squares = 0, inverse = exp(-v);
for (long i = 1; i < n; i++) { squares += q[i] * q[i]; grad[i] = -inverse * q[i]; }
*logp = -v * v / 18 - 0.5 * inverse * squares - 0.5 * (n - 1) * v;
grad[0] = -v / 9 + 0.5 * inverse * squares - 0.5 * (n - 1);
return 0;
"""
LEVELS = np.array([0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99])


def errors_of_quantiles(draws, truth):
    """By how many standard errors the parts of the draws below the true quantiles are off; draws (chains, n)."""
    below = draws[..., None] < truth
    sizes = np.array([float(az.ess(below[..., k].astype(float))) for k in range(len(truth))])
    return (below.mean((0, 1)) - LEVELS) / np.sqrt(LEVELS * (1 - LEVELS) / sizes)


def funnel_draws(**options):
    starts = np.random.default_rng(0).uniform(-1, 1, (4, 10))
    return sample_chains(
        compiled(FUNNEL, 10), starts, draws=10_000, random_seed=4, progressbar=False, metric="diag", **options
    )


def test_the_funnel_has_its_mouth_and_its_neck():
    """Neal's funnel in 10 dimensions, centred: the log scale is N(0, 3)."""
    truth = st.norm(0, 3).ppf(LEVELS)
    trace = funnel_draws(max_error=0.5)
    assert np.abs(errors_of_quantiles(trace.draws[:, :, 0], truth)).max() < 3.5
    assert trace.stats["diverging"].mean() < 1e-3
    # Where the sampler of fixed steps diverges and never sees the neck.
    plain = funnel_draws()
    assert plain.stats["diverging"].sum() > 50
    assert plain.draws[:, :, 0].min() > -5.5 > trace.draws[:, :, 0].min()


def eight_schools(centred):
    effect, error = [28, 8, -3, 7, -1, 1, 18, 12], [15, 10, 16, 11, 9, 11, 10, 18]
    with pg.Model() as model:
        mu, tau = pg.Normal("mu", 0, 5), pg.HalfCauchy("tau", 5)
        if centred:
            theta = pg.Normal("theta", mu, tau, shape=8)
        else:
            theta = mu + tau * pg.Normal("z", 0, 1, shape=8)
        pg.Normal("y", theta, error, observed=effect)
    return model


def test_eight_schools_centred():
    options = {"progressbar": False, "random_seed": 3}
    known = pg.sample(4000, model=eight_schools(False), target_accept=0.95, **options)
    truth = np.quantile(np.log(known.posterior["tau"].values), LEVELS)
    centred = pg.sample(10_000, model=eight_schools(True), step="walnuts", **options)
    assert centred.posterior.attrs["sampler"] == "WALNUTS"
    assert float(centred.sample_stats["diverging"].mean()) < 2e-3
    # Also the truth is an estimate, from 16,000 draws.
    assert np.abs(errors_of_quantiles(np.log(centred.posterior["tau"].values), truth)).max() < 4


def volatility(centred):
    """Returns whose log variance is a random walk; centred, by its values, not its steps."""
    rng = np.random.default_rng(4)
    log_variance = np.cumsum(rng.normal(0, 0.12, 25)) - 1
    returns = rng.normal(0, np.exp(log_variance / 2))
    with pg.Model() as model:
        scale, start = pg.HalfNormal("scale", 0.3), pg.Normal("start", -1, 1)
        if centred:
            h = pg.Flat("h", shape=25)
            first = pg.logp(pg.Normal.dist(start, scale), h[0])
            pg.Potential("walk", first + pg.logp(pg.Normal.dist(h[:-1], scale), h[1:]).sum())
        else:
            h = start + scale * pg.math.cumsum(pg.Normal("step", 0, 1, shape=25))
        pg.Normal("returns", 0, pg.math.exp(h / 2), observed=returns)
    return model


def test_a_stochastic_volatility():
    """The scale of the steps may be as good as 0, where the walk is as narrow: NUTS stays out, or gets stuck there."""
    options = {"progressbar": False, "random_seed": 3, "tune": 2000}
    known = pg.sample(4000, model=volatility(False), target_accept=0.95, **options)
    truth = np.quantile(np.log(known.posterior["scale"].values), LEVELS)
    # How often plain NUTS diverges differs by far between seeds, with how near it comes: hence some.
    plain = [pg.sample(4000, model=volatility(True), **options | {"random_seed": s}) for s in range(1, 6)]
    halved = pg.sample(14_000, model=volatility(True), step=pg.WALNUTS(max_error=1.0), **options)
    found = np.log(halved.posterior["scale"].values)
    assert np.abs(errors_of_quantiles(found, truth)[1:]).max() < 4
    assert float(halved.sample_stats["diverging"].mean()) < 2e-3
    assert np.median([float(one.sample_stats["diverging"].mean()) for one in plain]) > 2e-3
    for one in plain:
        assert np.quantile(np.log(one.posterior["scale"].values), 0.01) > truth[0] + 0.5  # has not been there


def test_a_step_has_its_own_settings():
    with pg.Model():
        pg.Normal("x")
        settings = {"chains": 1, "tune": 20, "progressbar": False}
        one = pg.sample(5, step=pg.NUTS(target_accept=0.9, max_treedepth=3), **settings)
        two = pg.sample(5, step=pg.WALNUTS, **settings)
    assert one.posterior.attrs["target_accept"] == 0.9 and one.posterior.attrs["max_treedepth"] == 3
    assert two.posterior.attrs["sampler"] == "WALNUTS"


@pytest.mark.parametrize("wrong, error", [("hmc2", ValueError), (3, TypeError), (pg.Normal, TypeError)])
def test_bad_steps(wrong, error):
    with pg.Model():
        pg.Normal("x")
        with pytest.raises(
            error, match=r"it must be one of 'nuts', 'walnuts', 'hmc', 'mala', NUTS\(\.\.\.\), WALNUTS"
        ):
            pg.sample(step=wrong)
    with pytest.raises(ValueError, match="max_error is -1"):
        pg.WALNUTS(max_error=-1)
    with pytest.raises(ValueError, match="max_error is -1"):
        sample_chains(compiled(FUNNEL, 10), np.zeros((1, 10)), max_error=-1)
