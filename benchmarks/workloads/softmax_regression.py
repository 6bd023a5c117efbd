"""Softmax regression, 5,000 rows, 20 columns, 10 classes: a product of matrices, and a reduction for each row."""

from __future__ import annotations

import numpy as np

from benchmarks.workload import Workload

ROWS, COLUMNS, CLASSES = 5000, 20, 10


def data():
    random = np.random.default_rng(0)
    X = random.normal(size=(ROWS, COLUMNS))
    score = X @ random.normal(size=(COLUMNS, CLASSES)) * 0.5
    y = np.argmax(score + random.gumbel(size=score.shape), axis=1)
    return {"X": X, "y": y.astype(np.int64), "row": np.arange(ROWS)}


def probgraph(pg, engine, T, data):
    with pg.Model() as model:
        intercept = pg.Normal("intercept", 0, 1, shape=CLASSES)
        beta = pg.Normal("beta", 0, 1, shape=(COLUMNS, CLASSES))
        score = intercept + T.dot(data["X"], beta)
        chosen = score[data["row"], data["y"]]
        pg.Potential("y", (chosen - T.logsumexp(score, axis=1)).sum())
    return model


def pymc(pm, pytensor, pt, data):
    with pm.Model() as model:
        intercept = pm.Normal("intercept", 0, 1, shape=CLASSES)
        beta = pm.Normal("beta", 0, 1, shape=(COLUMNS, CLASSES))
        pm.Categorical("y", logit_p=intercept + pt.dot(data["X"], beta), observed=data["y"])
    return model


def numpyro(numpyro, dist, jax, data):
    intercept = numpyro.sample("intercept", dist.Normal(0, 1).expand([CLASSES]))
    beta = numpyro.sample("beta", dist.Normal(0, 1).expand([COLUMNS, CLASSES]))
    numpyro.sample("y", dist.Categorical(logits=intercept + data["X"] @ beta), obs=data["y"])


# Stan stores matrices column by column: the transposed one has the order of the others.
STAN = """
data { int N; int K; int C; matrix[N, K] X; array[N] int<lower=1> y; }
parameters { vector[C] intercept; matrix[C, K] transposed_beta; }
model {
  intercept ~ std_normal();
  to_vector(transposed_beta) ~ std_normal();
  y ~ categorical_logit_glm(X, intercept, transposed_beta');
}
"""


def stan_data(data):
    return {"N": ROWS, "K": COLUMNS, "C": CLASSES, "X": data["X"], "y": data["y"] + 1}


WORKLOADS = (
    Workload(
        "softmax",
        "softmax regression, 5,000 × 20, 10 classes",
        data,
        probgraph,
        pymc,
        numpyro,
        STAN,
        stan_data,
    ),
)
