"""The same model of other data is the same program: a bootstrap, or a calibration, compiles once."""

from __future__ import annotations

import numpy as np
import pytest

import probgraph as pm
from probgraph.model.log_density import log_density

N = 60


def poisson(r):
    X = r.normal(size=(N, 2))
    b = pm.Normal("b", 0, 1, shape=2)
    pm.Poisson("y", pm.math.exp(X @ b), observed=r.poisson(3.0, N))


def regression(r):
    X = r.normal(size=(N, 3))
    mu = pm.Normal("a", 0, 1) + X @ pm.Normal("b", 0, 1, shape=3)
    pm.Normal("y", mu, pm.HalfNormal("s", 1), observed=r.normal(size=N))


def known_errors(r):
    pm.Normal("y", pm.Normal("mu", 0, 5, shape=8), r.uniform(1, 2, 8), observed=r.normal(size=8))


def logistic(r):
    eta = pm.Normal("a", 0, 1) + r.normal(size=N) * pm.Normal("b", 0, 1)
    pm.Bernoulli("y", logit_p=eta, observed=r.integers(0, 2, N))


def groups(r):
    a = pm.Normal("a", 0, 1, shape=5)
    pm.Gamma("y", 2.0, pm.math.exp(a[r.integers(0, 5, N)]), observed=r.gamma(2.0, size=N))


def heavy_tails(r):
    pm.StudentT("y", pm.Gamma("nu", 2, 0.1), pm.Normal("mu", 0, 1), 1.0, observed=r.normal(size=N))


def exponential(r):
    pm.Exponential("y", pm.HalfNormal("rate", 1), observed=r.exponential(size=N))


def shared_data(r):
    pm.Normal(
        "y",
        pm.Data("x", r.normal(size=N)) * pm.Normal("b", 0, 1),
        1,
        observed=pm.Data("seen", r.normal(size=N)),
    )


@pytest.mark.parametrize(
    "build", [poisson, regression, known_errors, logistic, groups, heavy_tails, exponential, shared_data]
)
def test_the_program_does_not_depend_on_the_numbers(build):
    libraries, values = set(), set()
    for seed in range(3):
        with pm.Model() as model:
            build(np.random.default_rng(seed))
        density, layout = log_density(model)
        libraries.add(density.keep_alive.library._name)
        values.add(density(np.full(layout.dim, 0.1))[0])
        assert density(np.full(layout.dim, 0.1))[0] == pytest.approx(
            float(model.logp().eval({v.name: np.full(v.type.shape, 0.1) for v in model.value_vars})),
            rel=1e-12,
        )
    assert len(libraries) == 1
    assert len(values) == 3
