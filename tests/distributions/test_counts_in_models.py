"""Models whose data are counts or places: compiled, with gradients against differences; naive links at extremes."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

import probgraph as pg
from probgraph.distributions import NegativeBinomial, transforms
from probgraph.engine.autodiff import grad
from probgraph.engine.function import function
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.types import TensorType
from probgraph.model.log_density import log_density

X = np.random.default_rng(1).normal(size=(6, 2))
PLACES = np.array([0, 1, 2, 2, 1, 0])
COUNTS = np.array([0, 3, 1, 0, 12, 2])


def test_gradients_in_a_compiled_model():
    with pg.Model() as model:
        b = pg.Normal("b", 0, 1, shape=(2, 3))
        cuts = pg.Normal("cuts", [-1.0, 1.0], 1, transform=transforms.ordered, shape=2)
        psi, alpha = pg.Beta("psi", 2, 2), pg.Exponential("alpha", 1.0)
        eta = (X[:, :, None] * b).sum(axis=1)
        mu = ew.exp(eta[:, 0])
        pg.Categorical("c", logit_p=eta, observed=PLACES)
        pg.OrderedLogistic("l", eta[:, 0], cuts, observed=PLACES)
        pg.OrderedProbit("o", eta[:, 1], cuts, observed=PLACES)
        pg.ZeroInflatedPoisson("zp", psi, mu, observed=COUNTS)
        pg.ZeroInflatedNegativeBinomial("zn", psi, mu, alpha, observed=COUNTS)
        pg.HurdlePoisson("h", psi, mu, observed=COUNTS)
        pg.BetaBinomial("bb", alpha, 2.0, 15, observed=COUNTS)
        pg.Geometric("g", psi, observed=COUNTS + 1)
        pg.DiscreteWeibull("dw", psi, alpha, observed=COUNTS)
    density, layout = log_density(model)
    q = layout.vector(model.initial_point()) + 0.1 * np.random.default_rng(2).normal(size=layout.dim)
    value, gradient = density(q)
    np.testing.assert_allclose(model.compile_logp()(layout.point(q)), value, rtol=1e-12)
    for i in range(layout.dim):
        step = 1e-6 * (np.arange(layout.dim) == i)
        slope = (density(q + step)[0] - density(q - step)[0]) / 2e-6
        assert gradient[i] == pytest.approx(slope, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("x", [0, 3])
def test_a_negative_binomial_sees_through_the_exponential(x):
    eta = TensorType("float64", (None,))("eta")
    logp = NegativeBinomial.dist(mu=ew.exp(eta), alpha=2.5).logp(x)
    value, slope = function([eta], [logp, grad(logp.sum(), eta)])(np.array([-800.0, 0.3, 800.0]))
    for got, by, at in zip(value, slope, (-800, mp.mpf(0.3), 800), strict=True):
        with mp.workdps(800):
            a, mu = mp.mpf(2.5), mp.exp(at)
            ways = mp.loggamma(x + a) - mp.loggamma(a) - mp.loggamma(x + 1)
            expected = float(ways + x * mp.log(mu / (mu + a)) + a * mp.log(a / (mu + a)))
            expected_slope = float((x - mu) * a / (mu + a))
        assert got == pytest.approx(expected, rel=1e-13, abs=1e-15)
        assert by == pytest.approx(expected_slope, rel=1e-13, abs=1e-300)
