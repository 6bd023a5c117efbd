"""Fifteen models of the tutorials, written as PyMC's users write them: each is sampled until its chains agree, and held
against the truth that its data were made from, published values, or integrals.
"""

from __future__ import annotations

import arviz as az
import numpy as np

import probgraph as pm


def sampled(model, expected, draws=1000, tune=1000, within=4.0, **options):
    """The posterior, after a check: R-hat below 1.01 throughout, and each of `expected` within so many standard
    deviations of the posterior (its own, of parameters that are known, not of the Monte Carlo error)."""
    with model:
        idata = pm.sample(draws, tune=tune, chains=4, random_seed=20240611, progressbar=False, **options)
    post = idata["posterior"]
    rhat = az.rhat(idata)
    rhat = rhat["posterior"] if hasattr(rhat, "subtree") and "posterior" in rhat.children else rhat
    for name in rhat.data_vars:
        values = rhat[name].values
        assert np.nanmax(values, initial=1.0) < 1.01, (name, np.nanmax(values))
    for name, truth in expected.items():
        values = post[name].values
        z = (values.mean((0, 1)) - truth) / values.std((0, 1))
        assert np.all(np.abs(z) < within), (name, values.mean((0, 1)), truth, z)
    return post


RNG = np.random.default_rng(20240611)


def test_linear_regression():
    x = RNG.normal(size=100)
    y = 1.0 + 2.5 * x + RNG.normal(0, 0.5, 100)
    with pm.Model() as model:
        alpha = pm.Normal("alpha", mu=0, sigma=10)
        beta = pm.Normal("beta", mu=0, sigma=10)
        sigma = pm.HalfNormal("sigma", sigma=1)
        pm.Normal("y", mu=alpha + beta * x, sigma=sigma, observed=y)
    post = sampled(model, {"alpha": 1.0, "beta": 2.5, "sigma": 0.5})
    least_squares = np.polyfit(x, y, 1)
    np.testing.assert_allclose([post["beta"].mean(), post["alpha"].mean()], least_squares, atol=0.01)


def test_logistic_regression_of_the_o_rings():
    """Dalal, Fowlkes & Hoadley, "Risk analysis of the space shuttle" (JASA 1989): the maximum is at 15.04, -0.232."""
    degrees = np.array(
        [66, 70, 69, 68, 67, 72, 73, 70, 57, 63, 70, 78, 67, 53, 67, 75, 70, 81, 76, 79, 75, 76, 58]
    )
    damage = np.array([0, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1])
    with pm.Model() as model:
        alpha = pm.Normal("alpha", 0, 100)
        beta = pm.Normal("beta", 0, 10)
        pm.Bernoulli("damage", p=pm.math.invlogit(alpha + beta * (degrees - 69.57)), observed=damage)
    post = sampled(model, {"beta": -0.232}, within=1.5)
    at_31 = 1 / (1 + np.exp(-(post["alpha"] + post["beta"] * (31 - 69.57))))
    assert at_31.values.mean() > 0.95


def test_poisson_regression():
    x = RNG.normal(size=200)
    y = RNG.poisson(np.exp(0.5 + 0.8 * x))
    with pm.Model() as model:
        b = pm.Normal("b", 0, 2, shape=2)
        pm.Poisson("y", mu=pm.math.exp(b[0] + b[1] * x), observed=y)
    sampled(model, {"b": np.array([0.5, 0.8])})


def test_negative_binomial_regression():
    x = RNG.normal(size=400)
    mu = np.exp(1.0 + 0.5 * x)
    y = RNG.poisson(RNG.gamma(3.0, mu / 3.0))
    with pm.Model() as model:
        b = pm.Normal("b", 0, 2, shape=2)
        alpha = pm.Exponential("alpha", 0.2)
        pm.NegativeBinomial("y", mu=pm.math.exp(b[0] + b[1] * x), alpha=alpha, observed=y)
    sampled(model, {"b": np.array([1.0, 0.5]), "alpha": 3.0})


SCHOOLS = {
    "coords": {
        "school": [
            "Choate",
            "Deerfield",
            "Andover",
            "Exeter",
            "Hotchkiss",
            "Lawrenceville",
            "St. Paul's",
            "Mt. Hermon",
        ]
    }
}
EFFECTS, ERRORS = np.array([28.0, 8, -3, 7, -1, 1, 18, 12]), np.array([15.0, 10, 16, 11, 9, 11, 10, 18])


def test_eight_schools_non_centred():
    """Rubin (1981); means of Gelman et al., Bayesian Data Analysis: mu 4.4, tau 3.6, by half-Cauchy priors of scale 5."""
    with pm.Model(**SCHOOLS) as model:
        mu = pm.Normal("mu", 0, 5)
        tau = pm.HalfCauchy("tau", 5)
        theta_tilde = pm.Normal("theta_tilde", 0, 1, dims="school")
        theta = pm.Deterministic("theta", mu + tau * theta_tilde, dims="school")
        pm.Normal("obs", theta, ERRORS, observed=EFFECTS, dims="school")
    post = sampled(model, {}, draws=2000, target_accept=0.95)
    assert abs(post["mu"].values.mean() - 4.4) < 0.3 and abs(post["tau"].values.mean() - 3.6) < 0.3


def test_eight_schools_centred():
    with pm.Model(**SCHOOLS) as model:
        mu = pm.Normal("mu", 0, 5)
        tau = pm.HalfCauchy("tau", 5)
        theta = pm.Normal("theta", mu, tau, dims="school")
        pm.Normal("obs", theta, ERRORS, observed=EFFECTS, dims="school")
    # The neck of its funnel is narrow: steps are halved there, and it takes many draws to come and go often enough.
    post = sampled(model, {}, draws=40_000, step="walnuts")
    assert abs(post["mu"].values.mean() - 4.4) < 0.2 and abs(post["tau"].values.mean() - 3.6) < 0.2


def test_radon_with_dims():
    counties, n = 20, 400
    county, floor = RNG.integers(0, counties, n), RNG.integers(0, 2, n)
    truth = RNG.normal(1.5, 0.4, counties)
    y = truth[county] - 0.7 * floor + RNG.normal(0, 0.7, n)
    coords = {"county": [f"county {i}" for i in range(counties)], "obs": np.arange(n)}
    with pm.Model(coords=coords) as model:
        floor_data = pm.Data("floor", floor, dims="obs")
        county_data = pm.Data("county_index", county, dims="obs")
        mu_a = pm.Normal("mu_a", 0, 5)
        sigma_a = pm.HalfNormal("sigma_a", 1)
        z = pm.Normal("z", 0, 1, dims="county")
        a = pm.Deterministic("a", mu_a + sigma_a * z, dims="county")
        b = pm.Normal("b", 0, 2)
        sigma = pm.Exponential("sigma", 1)
        pm.Normal("y", a[county_data] + b * floor_data, sigma, observed=y, dims="obs")
    post = sampled(model, {"mu_a": 1.5, "sigma_a": 0.4, "b": -0.7, "sigma": 0.7, "a": truth})
    assert post["a"].dims == ("chain", "draw", "county")


def test_rugby():
    teams, games = 6, [(i, j) for i in range(6) for j in range(6) if i != j] * 6
    home, away = np.array(games).T
    attack = np.array([0.3, 0.1, 0.0, -0.1, -0.2, -0.1])
    defence = np.array([-0.2, 0.1, 0.0, 0.1, 0.1, -0.1])
    home_points = RNG.poisson(np.exp(2.9 + 0.2 + attack[home] + defence[away]))
    away_points = RNG.poisson(np.exp(2.9 + attack[away] + defence[home]))
    with pm.Model(coords={"team": list("ABCDEF")}) as model:
        home_adv = pm.Normal("home_adv", 0, 1)
        intercept = pm.Normal("intercept", 3, 1)
        sd_att = pm.HalfNormal("sd_att", 1)
        sd_def = pm.HalfNormal("sd_def", 1)
        atts = pm.ZeroSumNormal("atts", sigma=sd_att, dims="team")
        defs = pm.ZeroSumNormal("defs", sigma=sd_def, dims="team")
        home_theta = pm.math.exp(intercept + home_adv + atts[home] + defs[away])
        away_theta = pm.math.exp(intercept + atts[away] + defs[home])
        pm.Poisson("home_points", mu=home_theta, observed=home_points)
        pm.Poisson("away_points", mu=away_theta, observed=away_points)
    sampled(model, {"home_adv": 0.2, "intercept": 2.9, "atts": attack, "defs": defence})
    assert teams == 6


def test_mixture_of_normals():
    data = np.concatenate([RNG.normal(-2, 0.8, 150), RNG.normal(2, 1.2, 250)])
    with pm.Model(coords={"cluster": range(2)}) as model:
        mu = pm.Normal(
            "mu", 0, 5, transform=pm.distributions.transforms.ordered, initval=[-1, 1], dims="cluster"
        )
        sigma = pm.HalfNormal("sigma", 2, dims="cluster")
        weights = pm.Dirichlet("w", np.ones(2), dims="cluster")
        pm.NormalMixture("x", w=weights, mu=mu, sigma=sigma, observed=data)
    sampled(model, {"mu": [-2.0, 2.0], "sigma": [0.8, 1.2], "w": [0.375, 0.625]})


def test_change_point():
    counts = np.concatenate([RNG.poisson(6, 40), RNG.poisson(2, 60)])
    times = np.arange(100)
    with pm.Model() as model:
        tau = pm.DiscreteUniform("tau", lower=0, upper=99)
        before, after = pm.Exponential("before", 0.2), pm.Exponential("after", 0.2)
        pm.Poisson("counts", pm.math.switch(tau > times, before, after), observed=counts)
    post = sampled(model, {"before": 6.0, "after": 2.0})
    assert abs(post["tau"].values.mean() - 40) < 3


def test_stochastic_volatility():
    steps = np.cumsum(RNG.normal(0, 0.15, 250))
    returns = np.exp(-2 + steps) * RNG.standard_t(8, 250)
    with pm.Model() as model:
        step_size = pm.Exponential("step_size", 10)
        volatility = pm.GaussianRandomWalk(
            "volatility", sigma=step_size, init_dist=pm.Normal.dist(-2, 1), shape=len(returns)
        )
        nu = pm.Exponential("nu", 0.1)
        pm.StudentT("returns", nu=nu, sigma=pm.math.exp(volatility), observed=returns)
    with model:
        post = pm.sample(500, tune=1000, chains=2, random_seed=1, progressbar=False, target_accept=0.9)[
            "posterior"
        ]
    z = (post["volatility"].values.mean((0, 1)) - (-2 + steps)) / post["volatility"].values.std((0, 1))
    assert np.mean(np.abs(z) < 2) > 0.85 and abs(post["step_size"].values.mean() - 0.15) < 0.1


def test_ordered_logistic():
    x = RNG.normal(size=500)
    latent = 1.2 * x + RNG.logistic(size=500)
    y = np.digitize(latent, [-1.0, 0.5, 2.0])
    with pm.Model() as model:
        cutpoints = pm.Normal(
            "cutpoints",
            0,
            3,
            shape=3,
            transform=pm.distributions.transforms.ordered,
            initval=[-1.0, 0.0, 1.0],
        )
        beta = pm.Normal("beta", 0, 2)
        pm.OrderedLogistic("y", eta=beta * x, cutpoints=cutpoints, observed=y)
    sampled(model, {"cutpoints": [-1.0, 0.5, 2.0], "beta": 1.2})


def test_zero_inflated_counts():
    y = RNG.poisson(3.0, 400) * (RNG.random(400) < 0.6)
    with pm.Model() as model:
        psi = pm.Beta("psi", 1, 1)
        mu = pm.Gamma("mu", 2, 0.5)
        pm.ZeroInflatedPoisson("y", psi=psi, mu=mu, observed=y)
    sampled(model, {"psi": 0.6, "mu": 3.0})


def test_censored_survival():
    lifetimes = 5.0 * RNG.weibull(1.5, 300)
    seen = np.minimum(lifetimes, 6.0)
    with pm.Model() as model:
        alpha, beta = pm.Exponential("alpha", 1.0), pm.Exponential("beta", 0.2)
        pm.Censored("t", pm.Weibull.dist(alpha=alpha, beta=beta), lower=None, upper=6.0, observed=seen)
    sampled(model, {"alpha": 1.5, "beta": 5.0})


def test_gaussian_process_by_mvnormal():
    x = np.linspace(0, 10, 40)
    square = (x[:, None] - x) ** 2
    f = RNG.multivariate_normal(np.zeros(40), 1.5**2 * np.exp(-square / (2 * 1.2**2)) + 1e-9 * np.eye(40))
    y = f + RNG.normal(0, 0.3, 40)
    with pm.Model() as model:
        length = pm.InverseGamma("length", 5, 5)
        amplitude = pm.HalfNormal("amplitude", 2)
        noise = pm.HalfNormal("noise", 1)
        cov = amplitude**2 * pm.math.exp(-square / (2 * length**2)) + noise**2 * np.eye(40)
        pm.MvNormal("y", mu=np.zeros(40), cov=cov, observed=y)
    sampled(model, {"length": 1.2, "amplitude": 1.5, "noise": 0.3}, draws=500)


def test_item_response():
    students, items = 100, 20
    ability, difficulty = RNG.normal(size=students), RNG.normal(0, 1, items)
    difficulty -= difficulty.mean()
    answers = RNG.random((students, items)) < 1 / (1 + np.exp(-(ability[:, None] - difficulty)))
    with pm.Model(coords={"student": range(students), "item": range(items)}) as model:
        theta = pm.Normal("theta", 0, 1, dims="student")
        b = pm.Normal("b", 0, 2, dims="item")
        pm.Bernoulli("y", logit_p=theta[:, None] - b, observed=answers, dims=("student", "item"))
    post = sampled(model, {"b": difficulty}, within=4.5)
    assert np.corrcoef(post["theta"].values.mean((0, 1)), ability)[0, 1] > 0.85


def test_there_are_fifteen():
    assert sum(name.startswith("test_") for name in globals()) - 1 >= 15
