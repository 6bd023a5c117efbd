"""A hidden Markov chain of 3 states summed out by the forward recursion in logarithms, 500 steps of scan."""

from __future__ import annotations

import numpy as np

from benchmarks.workload import Workload

STATES, STEPS = 3, 500
CENTRES = np.array([-2.0, 0.0, 2.0])
STAYING = 2.0 * np.eye(STATES)


def data():
    random = np.random.default_rng(0)
    move = np.full((STATES, STATES), 0.05) + 0.85 * np.eye(STATES)
    states = [0]
    for _ in range(STEPS - 1):
        states.append(int(random.choice(STATES, p=move[states[-1]])))
    return {"y": random.normal(CENTRES[states], 0.8)}


def probgraph(pg, engine, T, data):
    with pg.Model() as model:
        mu = pg.Normal("mu", CENTRES, 0.3, shape=STATES)
        sigma = pg.HalfNormal("sigma", 1)
        logits = pg.Normal("logits", STAYING, 1, shape=(STATES, STATES))
        log_move = T.log_softmax(logits, axis=1)
        log_density = pg.Normal.dist(mu, sigma).logp(data["y"][:, None])

        def step(now, before, log_move):
            return T.logsumexp(before[:, None] + log_move, axis=0) + now

        forward, _ = engine.scan(
            step, sequences=[log_density[1:]], outputs_info=[log_density[0]], non_sequences=[log_move]
        )
        pg.Potential("y", T.logsumexp(forward[-1]))
    return model


def pymc(pm, pytensor, pt, data):
    with pm.Model() as model:
        mu = pm.Normal("mu", CENTRES, 0.3, shape=STATES)
        sigma = pm.HalfNormal("sigma", 1)
        logits = pm.Normal("logits", STAYING, 1, shape=(STATES, STATES))
        log_move = pt.special.log_softmax(logits, axis=1)
        log_density = pm.logp(pm.Normal.dist(mu, sigma, shape=(STEPS, STATES)), data["y"][:, None])

        def step(now, before, log_move):
            return pt.logsumexp(before[:, None] + log_move, axis=0) + now

        forward = pytensor.scan(
            step,
            sequences=[log_density[1:]],
            outputs_info=[log_density[0]],
            non_sequences=[log_move],
            return_updates=False,
        )
        pm.Potential("y", pt.logsumexp(forward[-1]))
    return model


def numpyro(numpyro, dist, jax, data):
    mu = numpyro.sample("mu", dist.Normal(CENTRES, 0.3))
    sigma = numpyro.sample("sigma", dist.HalfNormal(1))
    logits = numpyro.sample("logits", dist.Normal(STAYING, 1))
    log_move = jax.nn.log_softmax(logits, axis=1)
    log_density = dist.Normal(mu, sigma).log_prob(data["y"][:, None])

    def step(before, now):
        return jax.nn.logsumexp(before[:, None] + log_move, axis=0) + now, None

    last, _ = jax.lax.scan(step, log_density[0], log_density[1:])
    numpyro.factor("y", jax.nn.logsumexp(last))


STAN = """
data { int T; vector[T] y; vector[3] centres; matrix[3, 3] staying; }
parameters { vector[3] mu; real<lower=0> sigma; matrix[3, 3] transposed_logits; } // stored column by column
model {
  matrix[3, 3] log_move; // column k: from each state to k
  vector[3] before;
  for (j in 1 : 3) log_move[j] = log_softmax(transposed_logits[ : , j])';
  mu ~ normal(centres, 0.3);
  sigma ~ std_normal();
  to_vector(transposed_logits) ~ normal(to_vector(staying), 1);
  for (k in 1 : 3) before[k] = normal_lpdf(y[1] | mu[k], sigma);
  for (t in 2 : T) {
    vector[3] now;
    for (k in 1 : 3) now[k] = log_sum_exp(before + log_move[ : , k]) + normal_lpdf(y[t] | mu[k], sigma);
    before = now;
  }
  target += log_sum_exp(before);
}
"""


def stan_data(data):
    return {"T": STEPS, "y": data["y"], "centres": CENTRES, "staying": STAYING}


WORKLOADS = (
    Workload(
        "hidden_markov",
        "hidden Markov, 3 states, 500 steps",
        data,
        probgraph,
        pymc,
        numpyro,
        STAN,
        stan_data,
    ),
)
