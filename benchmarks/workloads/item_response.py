"""Two-parameter logistic item response: 20 items by 100 persons, a table of outer products."""

from __future__ import annotations

from benchmarks import posteriordb
from benchmarks.workload import Workload


def data():
    given = posteriordb.data("irt_2pl")
    return {"y": given["y"].astype("int64")}  # items by persons


def probgraph(pg, engine, T, data):
    items, persons = data["y"].shape
    with pg.Model() as model:
        sigma_theta = pg.HalfCauchy("sigma_theta", 2)
        theta = pg.Normal("theta", 0, sigma_theta, shape=persons)
        sigma_a = pg.HalfCauchy("sigma_a", 2)
        a = pg.LogNormal("a", 0, sigma_a, shape=items)
        mu_b = pg.Normal("mu_b", 0, 5)
        sigma_b = pg.HalfCauchy("sigma_b", 2)
        b = pg.Normal("b", mu_b, sigma_b, shape=items)
        pg.Bernoulli("y", logit_p=a[:, None] * (theta - b[:, None]), observed=data["y"])
    return model


def pymc(pm, pytensor, pt, data):
    items, persons = data["y"].shape
    with pm.Model() as model:
        sigma_theta = pm.HalfCauchy("sigma_theta", 2)
        theta = pm.Normal("theta", 0, sigma_theta, shape=persons)
        sigma_a = pm.HalfCauchy("sigma_a", 2)
        a = pm.LogNormal("a", 0, sigma_a, shape=items)
        mu_b = pm.Normal("mu_b", 0, 5)
        sigma_b = pm.HalfCauchy("sigma_b", 2)
        b = pm.Normal("b", mu_b, sigma_b, shape=items)
        pm.Bernoulli("y", logit_p=a[:, None] * (theta - b[:, None]), observed=data["y"])
    return model


def numpyro(numpyro, dist, jax, data):
    items, persons = data["y"].shape
    sigma_theta = numpyro.sample("sigma_theta", dist.HalfCauchy(2))
    theta = numpyro.sample("theta", dist.Normal(0, sigma_theta).expand([persons]))
    sigma_a = numpyro.sample("sigma_a", dist.HalfCauchy(2))
    a = numpyro.sample("a", dist.LogNormal(0, sigma_a).expand([items]))
    mu_b = numpyro.sample("mu_b", dist.Normal(0, 5))
    sigma_b = numpyro.sample("sigma_b", dist.HalfCauchy(2))
    b = numpyro.sample("b", dist.Normal(mu_b, sigma_b).expand([items]))
    numpyro.sample("y", dist.Bernoulli(logits=a[:, None] * (theta - b[:, None])), obs=data["y"])


STAN = """
data { int I; int J; array[I, J] int<lower=0, upper=1> y; }
parameters {
  real<lower=0> sigma_theta; vector[J] theta;
  real<lower=0> sigma_a; vector<lower=0>[I] a;
  real mu_b; real<lower=0> sigma_b; vector[I] b;
}
model {
  sigma_theta ~ cauchy(0, 2);
  theta ~ normal(0, sigma_theta);
  sigma_a ~ cauchy(0, 2);
  a ~ lognormal(0, sigma_a);
  mu_b ~ normal(0, 5);
  sigma_b ~ cauchy(0, 2);
  b ~ normal(mu_b, sigma_b);
  for (i in 1 : I) y[i] ~ bernoulli_logit(a[i] * (theta - b[i]));
}
"""


def stan_data(data):
    items, persons = data["y"].shape
    return {"I": items, "J": persons, "y": data["y"]}


WORKLOADS = (
    Workload(
        "item_response",
        "item response, 2PL, 20 items × 100 persons",
        data,
        probgraph,
        pymc,
        numpyro,
        STAN,
        stan_data,
        needs="irt_2pl",
    ),
)
