"""AR(5), 195 steps: each value on the five before it, which are slices of the same data."""

from __future__ import annotations

from benchmarks import posteriordb
from benchmarks.workload import Workload


def data():
    given = posteriordb.data("arK")
    return {"y": given["y"], "K": int(given["K"])}


def _mean(data, alpha, beta):
    y, K = data["y"], data["K"]
    mean = alpha
    for k in range(K):
        mean = mean + beta[k] * y[K - 1 - k : len(y) - 1 - k]
    return mean


def probgraph(pg, engine, T, data):
    with pg.Model() as model:
        alpha = pg.Normal("alpha", 0, 10)
        beta = pg.Normal("beta", 0, 10, shape=data["K"])
        sigma = pg.HalfCauchy("sigma", 2.5)
        pg.Normal("y", _mean(data, alpha, beta), sigma, observed=data["y"][data["K"] :])
    return model


def pymc(pm, pytensor, pt, data):
    with pm.Model() as model:
        alpha = pm.Normal("alpha", 0, 10)
        beta = pm.Normal("beta", 0, 10, shape=data["K"])
        sigma = pm.HalfCauchy("sigma", 2.5)
        pm.Normal("y", _mean(data, alpha, beta), sigma, observed=data["y"][data["K"] :])
    return model


def numpyro(numpyro, dist, jax, data):
    alpha = numpyro.sample("alpha", dist.Normal(0, 10))
    beta = numpyro.sample("beta", dist.Normal(0, 10).expand([data["K"]]))
    sigma = numpyro.sample("sigma", dist.HalfCauchy(2.5))
    numpyro.sample("y", dist.Normal(_mean(data, alpha, beta), sigma), obs=data["y"][data["K"] :])


STAN = """
data { int K; int T; array[T] real y; }
parameters { real alpha; array[K] real beta; real<lower=0> sigma; }
model {
  alpha ~ normal(0, 10);
  beta ~ normal(0, 10);
  sigma ~ cauchy(0, 2.5);
  for (t in (K + 1) : T) {
    real mu = alpha;
    for (k in 1 : K) mu += beta[k] * y[t - k];
    y[t] ~ normal(mu, sigma);
  }
}
"""


def stan_data(data):
    return {**data, "T": len(data["y"])}


WORKLOADS = (
    Workload(
        "autoregression",
        "AR(5), 195 steps",
        data,
        probgraph,
        pymc,
        numpyro,
        STAN,
        stan_data,
        needs="arK",
    ),
)
