"""Logistic regression: in the cache of the processor (1,000 x 25), and far beyond it (100,000 x 100)."""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.workload import Workload


def data(rows: int, columns: int):
    random = np.random.default_rng(0)
    X = random.normal(size=(rows, columns))
    beta = random.normal(size=columns) * (1.5 / np.sqrt(columns))
    y = random.random(rows) < 1 / (1 + np.exp(-X @ beta))
    return {"X": X, "y": y.astype(np.int64)}


def probgraph(pg, engine, T, data):
    with pg.Model() as model:
        intercept = pg.Normal("intercept", 0, 5)
        beta = pg.Normal("beta", 0, 1, shape=data["X"].shape[1])
        pg.Bernoulli("y", logit_p=intercept + T.dot(data["X"], beta), observed=data["y"])
    return model


def pymc(pm, pytensor, pt, data):
    with pm.Model() as model:
        intercept = pm.Normal("intercept", 0, 5)
        beta = pm.Normal("beta", 0, 1, shape=data["X"].shape[1])
        pm.Bernoulli("y", logit_p=intercept + pt.dot(data["X"], beta), observed=data["y"])
    return model


def numpyro(numpyro, dist, jax, data):
    intercept = numpyro.sample("intercept", dist.Normal(0, 5))
    beta = numpyro.sample("beta", dist.Normal(0, 1).expand([data["X"].shape[1]]))
    numpyro.sample("y", dist.Bernoulli(logits=intercept + data["X"] @ beta), obs=data["y"])


STAN = """
data { int N; int K; matrix[N, K] X; array[N] int<lower=0, upper=1> y; }
parameters { real intercept; vector[K] beta; }
model {
  intercept ~ normal(0, 5);
  beta ~ std_normal();
  y ~ bernoulli_logit_glm(X, intercept, beta);
}
"""


def stan_data(data):
    rows, columns = data["X"].shape
    return {**data, "N": rows, "K": columns}


def workload(name: str, rows: int, columns: int, spread: float) -> Workload:
    return Workload(
        name,
        f"logistic regression, {rows:,} × {columns}",
        partial(data, rows, columns),
        probgraph,
        pymc,
        numpyro,
        STAN,
        stan_data,
        spread=spread,
        reads="X",
    )


WORKLOADS = (workload("logistic", 1000, 25, 0.3), workload("logistic_large", 100_000, 100, 0.1))
