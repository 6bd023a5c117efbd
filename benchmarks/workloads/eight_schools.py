"""Eight schools, non-centred: ten unknowns, where the cost of a call is all there is."""

from __future__ import annotations

import numpy as np

from benchmarks.workload import Workload


def data():
    return {
        "y": np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0]),
        "error": np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0]),
    }


def probgraph(pg, engine, T, data):
    with pg.Model() as model:
        mu = pg.Normal("mu", 0, 5)
        tau = pg.HalfCauchy("tau", 5)
        standard = pg.Normal("standard", 0, 1, shape=8)
        pg.Normal("y", mu + tau * standard, data["error"], observed=data["y"])
    return model


def pymc(pm, pytensor, pt, data):
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 5)
        tau = pm.HalfCauchy("tau", 5)
        standard = pm.Normal("standard", 0, 1, shape=8)
        pm.Normal("y", mu + tau * standard, data["error"], observed=data["y"])
    return model


def numpyro(numpyro, dist, jax, data):
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    standard = numpyro.sample("standard", dist.Normal(0, 1).expand([8]))
    numpyro.sample("y", dist.Normal(mu + tau * standard, data["error"]), obs=data["y"])


STAN = """
data { vector[8] y; vector[8] error; }
parameters { real mu; real<lower=0> tau; vector[8] standard; }
model {
  mu ~ normal(0, 5);
  tau ~ cauchy(0, 5);
  standard ~ std_normal();
  y ~ normal(mu + tau * standard, error);
}
"""

WORKLOADS = (Workload("eight_schools", "eight schools, non-centred", data, probgraph, pymc, numpyro, STAN),)
