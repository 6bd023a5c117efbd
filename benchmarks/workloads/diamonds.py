"""Diamonds: a linear regression on 24 strongly correlated columns, 5,000 rows; long trajectories."""

from __future__ import annotations

import numpy as np

from benchmarks import posteriordb
from benchmarks.workload import Workload


def data():
    given = posteriordb.data("diamonds")
    X = given["X"][:, 1:]
    return {"X": np.ascontiguousarray(X - X.mean(axis=0)), "y": given["Y"]}


def probgraph(pg, engine, T, data):
    with pg.Model() as model:
        beta = pg.Normal("beta", 0, 1, shape=data["X"].shape[1])
        intercept = pg.StudentT("intercept", nu=3, mu=8, sigma=10)
        sigma = pg.HalfStudentT("sigma", nu=3, sigma=10)
        pg.Normal("y", intercept + T.dot(data["X"], beta), sigma, observed=data["y"])
    return model


def pymc(pm, pytensor, pt, data):
    with pm.Model() as model:
        beta = pm.Normal("beta", 0, 1, shape=data["X"].shape[1])
        intercept = pm.StudentT("intercept", nu=3, mu=8, sigma=10)
        sigma = pm.HalfStudentT("sigma", nu=3, sigma=10)
        pm.Normal("y", intercept + pt.dot(data["X"], beta), sigma, observed=data["y"])
    return model


def numpyro(numpyro, dist, jax, data):
    beta = numpyro.sample("beta", dist.Normal(0, 1).expand([data["X"].shape[1]]))
    intercept = numpyro.sample("intercept", dist.StudentT(3, 8, 10))
    sigma = numpyro.sample("sigma", dist.FoldedDistribution(dist.StudentT(3, 0, 10)))
    numpyro.sample("y", dist.Normal(intercept + data["X"] @ beta, sigma), obs=data["y"])


STAN = """
data { int N; int K; matrix[N, K] X; vector[N] y; }
parameters { vector[K] beta; real intercept; real<lower=0> sigma; }
model {
  beta ~ std_normal();
  intercept ~ student_t(3, 8, 10);
  sigma ~ student_t(3, 0, 10);
  y ~ normal_id_glm(X, intercept, beta, sigma);
}
"""


def stan_data(data):
    rows, columns = data["X"].shape
    return {**data, "N": rows, "K": columns}


WORKLOADS = (
    Workload(
        "diamonds",
        "diamonds, 5,000 × 24, correlated",
        data,
        probgraph,
        pymc,
        numpyro,
        STAN,
        stan_data,
        needs="diamonds",
        reads="X",
    ),
)
