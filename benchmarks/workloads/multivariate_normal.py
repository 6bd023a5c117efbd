"""A multivariate normal of 200 dimensions with a dense precision: one product with a matrix, and a hard metric.

All versions state the quadratic form itself: classes of multivariate normals factorise the constant matrix anew at
each call in some libraries, which would compare constants instead of products.
"""

from __future__ import annotations

import numpy as np

from benchmarks.workload import Workload

DIMENSIONS = 200


def data():
    random = np.random.default_rng(0)
    rotation, _ = np.linalg.qr(random.normal(size=(DIMENSIONS, DIMENSIONS)))
    precision = (rotation * np.geomspace(0.1, 10, DIMENSIONS)) @ rotation.T
    return {"precision": (precision + precision.T) / 2}


def probgraph(pg, engine, T, data):
    with pg.Model() as model:
        x = pg.Flat("x", shape=DIMENSIONS)
        pg.Potential("quadratic_form", -0.5 * T.dot(x, T.dot(data["precision"], x)))
    return model


def pymc(pm, pytensor, pt, data):
    with pm.Model() as model:
        x = pm.Flat("x", shape=DIMENSIONS)
        pm.Potential("quadratic_form", -0.5 * pt.dot(x, pt.dot(data["precision"], x)))
    return model


def numpyro(numpyro, dist, jax, data):
    real = dist.constraints.real_vector
    x = numpyro.sample("x", dist.ImproperUniform(real, (), (DIMENSIONS,)))
    numpyro.factor("quadratic_form", -0.5 * x @ (data["precision"] @ x))


STAN = """
data { int N; matrix[N, N] precision; }
parameters { vector[N] x; }
model { target += -0.5 * dot_product(x, precision * x); }
"""


def stan_data(data):
    return {**data, "N": DIMENSIONS}


WORKLOADS = (
    Workload(
        "multivariate_normal",
        "multivariate normal, 200 dimensions, dense precision",
        data,
        probgraph,
        pymc,
        numpyro,
        STAN,
        stan_data,
        spread=1.0,
        reads="precision",
    ),
)
