"""GARCH(1,1), 200 steps: a scan whose state is one number, and a bound that depends on another unknown."""

from __future__ import annotations

from benchmarks import posteriordb
from benchmarks.workload import Workload


def data():
    given = posteriordb.data("garch")
    return {"y": given["y"], "sigma1": float(given["sigma1"])}


def _next_variance(y, variance, mu, alpha0, alpha1, beta1):
    return alpha0 + alpha1 * (y - mu) ** 2 + beta1 * variance


def probgraph(pg, engine, T, data):
    y = data["y"]
    with pg.Model() as model:
        mu = pg.Flat("mu")
        alpha0 = pg.HalfFlat("alpha0")
        alpha1 = pg.Uniform("alpha1", 0, 1)
        beta1 = pg.Uniform("beta1", 0, 1 - alpha1)
        pg.Potential("flat_on_the_triangle", T.log1p(-alpha1))
        variance, _ = engine.scan(
            _next_variance,
            sequences=[T.constant(y[:-1])],
            outputs_info=[T.constant(data["sigma1"] ** 2)],
            non_sequences=[mu, alpha0, alpha1, beta1],
        )
        pg.Normal("first", mu, data["sigma1"], observed=y[0])
        pg.Normal("rest", mu, T.sqrt(variance), observed=y[1:])
    return model


def pymc(pm, pytensor, pt, data):
    y = data["y"]
    with pm.Model() as model:
        mu = pm.Flat("mu")
        alpha0 = pm.HalfFlat("alpha0")
        alpha1 = pm.Uniform("alpha1", 0, 1)
        beta1 = pm.Uniform("beta1", 0, 1 - alpha1)
        pm.Potential("flat_on_the_triangle", pt.log1p(-alpha1))
        variance = pytensor.scan(
            _next_variance,
            sequences=[pt.as_tensor(y[:-1])],
            outputs_info=[pt.as_tensor(data["sigma1"] ** 2, dtype="float64")],
            non_sequences=[mu, alpha0, alpha1, beta1],
            return_updates=False,
        )
        pm.Normal("first", mu, data["sigma1"], observed=y[0])
        pm.Normal("rest", mu, pt.sqrt(variance), observed=y[1:])
    return model


def numpyro(numpyro, dist, jax, data):
    y = data["y"]
    real, positive = dist.constraints.real, dist.constraints.positive
    mu = numpyro.sample("mu", dist.ImproperUniform(real, (), ()))
    alpha0 = numpyro.sample("alpha0", dist.ImproperUniform(positive, (), ()))
    alpha1 = numpyro.sample("alpha1", dist.Uniform(0, 1))
    beta1 = numpyro.sample("beta1", dist.Uniform(0, 1 - alpha1))
    numpyro.factor("flat_on_the_triangle", jax.numpy.log1p(-alpha1))

    def step(variance, y):
        new = _next_variance(y, variance, mu, alpha0, alpha1, beta1)
        return new, new

    _, variance = jax.lax.scan(step, jax.numpy.asarray(data["sigma1"] ** 2), y[:-1])
    numpyro.sample("first", dist.Normal(mu, data["sigma1"]), obs=y[0])
    numpyro.sample("rest", dist.Normal(mu, jax.numpy.sqrt(variance)), obs=y[1:])


STAN = """
data { int T; array[T] real y; real<lower=0> sigma1; }
parameters {
  real mu; real<lower=0> alpha0; real<lower=0, upper=1> alpha1; real<lower=0, upper=1 - alpha1> beta1;
}
model {
  array[T] real sigma;
  sigma[1] = sigma1;
  for (t in 2 : T)
    sigma[t] = sqrt(alpha0 + alpha1 * square(y[t - 1] - mu) + beta1 * square(sigma[t - 1]));
  y ~ normal(mu, sigma);
}
"""


def stan_data(data):
    return {**data, "T": len(data["y"])}


WORKLOADS = (
    Workload(
        "garch",
        "GARCH(1,1), 200 steps",
        data,
        probgraph,
        pymc,
        numpyro,
        STAN,
        stan_data,
        needs="garch",
    ),
)
