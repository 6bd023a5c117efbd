"""Counts of 2,000 groups, 200,000 rows: a gather and its scatter-add over data beyond the cache."""

from __future__ import annotations

import numpy as np

from benchmarks.workload import Workload

ROWS, GROUPS = 200_000, 2000


def data():
    random = np.random.default_rng(0)
    group = random.integers(GROUPS, size=ROWS)
    x = random.normal(size=ROWS)
    effect = random.normal(0.5, 0.4, size=GROUPS)
    return {"group": group, "x": x, "y": random.poisson(np.exp(effect[group] + 0.3 * x))}


def probgraph(pg, engine, T, data):
    with pg.Model() as model:
        mu = pg.Normal("mu", 0, 1)
        sigma = pg.HalfNormal("sigma", 1)
        slope = pg.Normal("slope", 0, 1)
        effect = pg.Normal("effect", mu, sigma, shape=GROUPS)
        pg.Poisson("y", T.exp(effect[data["group"]] + slope * data["x"]), observed=data["y"])
    return model


def pymc(pm, pytensor, pt, data):
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 1)
        sigma = pm.HalfNormal("sigma", 1)
        slope = pm.Normal("slope", 0, 1)
        effect = pm.Normal("effect", mu, sigma, shape=GROUPS)
        pm.Poisson("y", pt.exp(effect[data["group"]] + slope * data["x"]), observed=data["y"])
    return model


def numpyro(numpyro, dist, jax, data):
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    sigma = numpyro.sample("sigma", dist.HalfNormal(1))
    slope = numpyro.sample("slope", dist.Normal(0, 1))
    effect = numpyro.sample("effect", dist.Normal(mu, sigma).expand([GROUPS]))
    rate = jax.numpy.exp(effect[data["group"]] + slope * data["x"])
    numpyro.sample("y", dist.Poisson(rate), obs=data["y"])


STAN = """
data { int N; int J; array[N] int group; vector[N] x; array[N] int y; }
parameters { real mu; real<lower=0> sigma; real slope; vector[J] effect; }
model {
  mu ~ std_normal();
  sigma ~ std_normal();
  slope ~ std_normal();
  effect ~ normal(mu, sigma);
  y ~ poisson_log(effect[group] + slope * x);
}
"""


def stan_data(data):
    return {"N": ROWS, "J": GROUPS, "group": data["group"] + 1, "x": data["x"], "y": data["y"]}


WORKLOADS = (
    Workload(
        "poisson",
        "Poisson, 2,000 groups, 200,000 rows",
        data,
        probgraph,
        pymc,
        numpyro,
        STAN,
        stan_data,
        spread=0.2,
    ),
)
