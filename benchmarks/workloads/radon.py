"""Radon: intercepts and slopes that vary over 386 counties, non-centred; 12,573 rows that gather from both."""

from __future__ import annotations

from benchmarks import posteriordb
from benchmarks.workload import Workload


def data():
    given = posteriordb.data("radon_all")
    return {
        "counties": int(given["J"]),
        "county": given["county_idx"].astype("int64") - 1,
        "floor": given["floor_measure"].astype(float),
        "y": given["log_radon"],
    }


def probgraph(pg, engine, T, data):
    with pg.Model() as model:
        mu_alpha = pg.Normal("mu_alpha", 0, 10)
        mu_beta = pg.Normal("mu_beta", 0, 10)
        sigma_alpha = pg.HalfNormal("sigma_alpha", 1)
        sigma_beta = pg.HalfNormal("sigma_beta", 1)
        sigma_y = pg.HalfNormal("sigma_y", 1)
        alpha = mu_alpha + sigma_alpha * pg.Normal("alpha_raw", 0, 1, shape=data["counties"])
        beta = mu_beta + sigma_beta * pg.Normal("beta_raw", 0, 1, shape=data["counties"])
        mean = alpha[data["county"]] + beta[data["county"]] * data["floor"]
        pg.Normal("y", mean, sigma_y, observed=data["y"])
    return model


def pymc(pm, pytensor, pt, data):
    with pm.Model() as model:
        mu_alpha = pm.Normal("mu_alpha", 0, 10)
        mu_beta = pm.Normal("mu_beta", 0, 10)
        sigma_alpha = pm.HalfNormal("sigma_alpha", 1)
        sigma_beta = pm.HalfNormal("sigma_beta", 1)
        sigma_y = pm.HalfNormal("sigma_y", 1)
        alpha = mu_alpha + sigma_alpha * pm.Normal("alpha_raw", 0, 1, shape=data["counties"])
        beta = mu_beta + sigma_beta * pm.Normal("beta_raw", 0, 1, shape=data["counties"])
        mean = alpha[data["county"]] + beta[data["county"]] * data["floor"]
        pm.Normal("y", mean, sigma_y, observed=data["y"])
    return model


def numpyro(numpyro, dist, jax, data):
    mu_alpha = numpyro.sample("mu_alpha", dist.Normal(0, 10))
    mu_beta = numpyro.sample("mu_beta", dist.Normal(0, 10))
    sigma_alpha = numpyro.sample("sigma_alpha", dist.HalfNormal(1))
    sigma_beta = numpyro.sample("sigma_beta", dist.HalfNormal(1))
    sigma_y = numpyro.sample("sigma_y", dist.HalfNormal(1))
    each = dist.Normal(0, 1).expand([data["counties"]])
    alpha = mu_alpha + sigma_alpha * numpyro.sample("alpha_raw", each)
    beta = mu_beta + sigma_beta * numpyro.sample("beta_raw", each)
    mean = alpha[data["county"]] + beta[data["county"]] * data["floor"]
    numpyro.sample("y", dist.Normal(mean, sigma_y), obs=data["y"])


STAN = """
data { int N; int J; array[N] int county; vector[N] floor_measure; vector[N] y; }
parameters {
  real mu_alpha; real mu_beta;
  real<lower=0> sigma_alpha; real<lower=0> sigma_beta; real<lower=0> sigma_y;
  vector[J] alpha_raw; vector[J] beta_raw;
}
model {
  vector[J] alpha = mu_alpha + sigma_alpha * alpha_raw;
  vector[J] beta = mu_beta + sigma_beta * beta_raw;
  mu_alpha ~ normal(0, 10);
  mu_beta ~ normal(0, 10);
  sigma_alpha ~ normal(0, 1);
  sigma_beta ~ normal(0, 1);
  sigma_y ~ normal(0, 1);
  alpha_raw ~ std_normal();
  beta_raw ~ std_normal();
  y ~ normal(alpha[county] + beta[county] .* floor_measure, sigma_y);
}
"""


def stan_data(data):
    return {
        "N": len(data["y"]),
        "J": data["counties"],
        "county": data["county"] + 1,
        "floor_measure": data["floor"],
        "y": data["y"],
    }


WORKLOADS = (
    Workload(
        "radon",
        "radon, intercepts and slopes of 386 counties, 12,573 rows",
        data,
        probgraph,
        pymc,
        numpyro,
        STAN,
        stan_data,
        needs="radon_all",
    ),
)
