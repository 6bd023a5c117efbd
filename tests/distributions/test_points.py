"""DiracDelta and Interpolated: by hand, by SciPy's interpolation and integration, and draws by the cdf."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats as st
from scipy.integrate import quad

import probgraph as pm

X = np.array([-1.0, 0.0, 0.5, 2.0, 5.0])
F = np.array([0.0, 1.0, 4.0, 0.5, 0.0])
AREA = np.trapezoid(F, X)


def value(graph):
    return np.asarray(graph.eval())


def test_one_point():
    d = pm.DiracDelta.dist([2.0, -0.5])
    assert value(d.logp([2.0, 3.0])).tolist() == [0.0, -np.inf] and d.shape == (2,) and d.discrete
    assert value(d.logcdf([1.9, 0.0])).tolist() == [-np.inf, 0.0]
    assert value(d.logccdf([1.9, 0.0])).tolist() == [0.0, -np.inf]
    assert d.sample(3, random_seed=1).tolist() == [[2.0, -0.5]] * 3
    assert value(d.mean()).tolist() == [2.0, -0.5] and value(d.variance()).tolist() == [0.0, 0.0]


def test_lines_through_points():
    d = pm.Interpolated.dist(X, F)
    at = np.array([-0.7, 0.0, 0.2, 0.5, 1.3, 4.9])
    np.testing.assert_allclose(value(d.logp(at)), np.log(np.interp(at, X, F) / AREA), rtol=1e-12)
    assert value(d.logp([-1.1, 5.1, -1.0])).tolist() == [-np.inf] * 3

    def below(x):
        inner = X[(X > -1) & (x > X)]
        return quad(lambda t: np.interp(t, X, F) / AREA, -1, x, points=inner if len(inner) else None)[0]

    cdf = np.array([below(x) for x in at])
    np.testing.assert_allclose(np.exp(value(d.logcdf(at))), cdf, rtol=1e-10)
    np.testing.assert_allclose(np.exp(value(d.logccdf(at))), 1 - cdf, rtol=1e-7)
    np.testing.assert_allclose(value(d.icdf(cdf)), at, rtol=1e-9)
    mean = quad(lambda t: t * np.interp(t, X, F) / AREA, -1, 5, points=X[1:-1])[0]
    variance = quad(lambda t: (t - mean) ** 2 * np.interp(t, X, F) / AREA, -1, 5, points=X[1:-1])[0]
    np.testing.assert_allclose([value(d.mean()), value(d.variance())], [mean, variance], rtol=1e-10)
    drawn = d.sample(1000, random_seed=2)
    assert st.kstest(drawn, lambda v: np.exp(value(d.logcdf(v)))).pvalue > 1e-3


def test_a_posterior_can_become_a_prior():
    with pm.Model():
        pm.Interpolated("a", X, F)
        post = pm.sample(8000, tune=500, chains=2, random_seed=4, progressbar=False).posterior["a"].values
    d = pm.Interpolated.dist(X, F)
    assert abs(post.mean() - value(d.mean())) < 0.06 and abs(post.var() / value(d.variance()) - 1) < 0.15


def test_what_is_no_density():
    for x, f in (([0, 1], [0, 0]), ([1, 0], [1, 1]), ([0, 1, 2], [1, 1]), ([0, 1], [-1, 2]), ([0], [1])):
        with pytest.raises(
            ValueError, match="Interpolated needs x_points that ascend and as many pdf_points"
        ):
            pm.Interpolated.dist(x, f)
    with pytest.raises(TypeError, match="Interpolated: pdf_points is a vector of numbers, got None"):
        pm.Interpolated.dist([0.0, 1.0])
