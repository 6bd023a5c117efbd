"""A Gaussian process observed with noise at 200 places: building a covariance, its Cholesky factor, a solve."""

from __future__ import annotations

import numpy as np

from benchmarks.workload import Workload

POINTS = 200


def data():
    random = np.random.default_rng(0)
    x = np.sort(random.uniform(0, 10, size=POINTS))
    y = np.sin(x) + 0.3 * np.cos(3 * x) + 0.3 * random.normal(size=POINTS)
    return {"x": x, "y": y, "squared": (x[:, None] - x) ** 2, "identity": np.eye(POINTS)}


def probgraph(pg, engine, T, data):
    with pg.Model() as model:
        rho = pg.Gamma("rho", 4, 4)
        alpha = pg.HalfNormal("alpha", 2)
        sigma = pg.HalfNormal("sigma", 1)
        covariance = alpha**2 * T.exp(-data["squared"] / (2 * rho**2)) + sigma**2 * data["identity"]
        factor = T.linalg.cholesky(covariance)
        white = T.solve_triangular(factor, data["y"], lower=True)
        pg.Potential("y", -0.5 * T.dot(white, white) - T.log(T.diag(factor)).sum())
    return model


def pymc(pm, pytensor, pt, data):
    with pm.Model() as model:
        rho = pm.Gamma("rho", 4, 4)
        alpha = pm.HalfNormal("alpha", 2)
        sigma = pm.HalfNormal("sigma", 1)
        covariance = alpha**2 * pt.exp(-data["squared"] / (2 * rho**2)) + sigma**2 * data["identity"]
        pm.MvNormal("y", np.zeros(POINTS), cov=covariance, observed=data["y"])
    return model


def numpyro(numpyro, dist, jax, data):
    rho = numpyro.sample("rho", dist.Gamma(4, 4))
    alpha = numpyro.sample("alpha", dist.HalfNormal(2))
    sigma = numpyro.sample("sigma", dist.HalfNormal(1))
    covariance = alpha**2 * jax.numpy.exp(-data["squared"] / (2 * rho**2)) + sigma**2 * data["identity"]
    numpyro.sample("y", dist.MultivariateNormal(0, covariance_matrix=covariance), obs=data["y"])


STAN = """
data { int N; array[N] real x; vector[N] y; }
parameters { real<lower=0> rho; real<lower=0> alpha; real<lower=0> sigma; }
model {
  matrix[N, N] covariance = add_diag(gp_exp_quad_cov(x, alpha, rho), square(sigma));
  rho ~ gamma(4, 4);
  alpha ~ normal(0, 2);
  sigma ~ std_normal();
  y ~ multi_normal_cholesky(rep_vector(0, N), cholesky_decompose(covariance));
}
"""


def stan_data(data):
    return {"N": POINTS, "x": data["x"], "y": data["y"]}


WORKLOADS = (
    Workload(
        "gaussian_process",
        "Gaussian process, Cholesky, n = 200",
        data,
        probgraph,
        pymc,
        numpyro,
        STAN,
        stan_data,
    ),
)
