"""What is said where a model, a trace and a question do not fit together: errors that no test of a verb raises."""

from __future__ import annotations

import numpy as np
import pytest

import probgraph as pm

QUIET = {"progressbar": False}
DRAWS = {"x": np.zeros((1, 5))}


@pytest.fixture
def model():
    with pm.Model() as made:
        x = pm.Normal("x")
        pm.Deterministic("d", 2 * x)
        pm.Normal("y", x, 1, observed=np.zeros(3))
    return made


def test_of_variables():
    with pm.Model():
        with pytest.raises(
            ValueError, match=r"y: observed has shape \(2,\), the parameters of Normal.* have shape \(3,\)"
        ):
            pm.Normal("y", np.zeros(3), 1, observed=[0.0, np.nan])
        with pytest.raises(
            NotImplementedError, match="c: Censored.* no density to walk on: observe it, or make"
        ):
            pm.Censored("c", pm.Normal.dist(0, 1), lower=0.0, upper=None)
        with pytest.raises(
            ValueError, match=r"o: its shape is \(\), and the transform ordered needs 1 axes or more"
        ):
            pm.Normal("o", transform=pm.distributions.transforms.ordered)


def test_of_draws_that_do_not_fit(model):
    with model:
        for verb in (pm.compute_log_likelihood, pm.compute_log_prior):
            who = verb.__name__
            with pytest.raises(
                KeyError, match=f"{who}: the posterior has no 'x', a free variable of the model"
            ):
                verb({"z": np.zeros((1, 5))}, extend_inferencedata=False, **QUIET)
            with pytest.raises(
                ValueError, match=rf"{who}: x has shape \(2,\) in the posterior and \(\) in the model"
            ):
                verb({"x": np.zeros((1, 5, 2))}, extend_inferencedata=False, **QUIET)
            with pytest.raises(
                ValueError, match=rf"{who}: x has shape \(5,\); arrays of draws are \(chain, draw"
            ):
                verb({"x": np.zeros(5)}, extend_inferencedata=False, **QUIET)
            with pytest.raises(ValueError, match=f"{who}: the trace is empty"):
                verb({}, extend_inferencedata=False, **QUIET)
            with pytest.raises(TypeError, match="extend_inferencedata needs ArviZ's object, .*; got dict"):
                verb(DRAWS, **QUIET)
        idata = pm.sample(5, tune=5, chains=1, compute_convergence_checks=False, **QUIET)
        with pytest.raises(ValueError, match="no variable of the trace has the dims 'sample'"):
            pm.sample_posterior_predictive(idata, sample_dims=["sample"], **QUIET)


def test_of_names(model):
    few = {"draws": 5, "tune": 5, "chains": 1, **QUIET}
    with model:
        with pytest.raises(
            KeyError, match="var_names: 'q' is no free variable or Deterministic; those are x, d"
        ):
            pm.sample(var_names=["q"], **few)
        with pytest.raises(KeyError, match="log_likelihood: 'q' is not observed; observed are y"):
            pm.compute_log_likelihood(DRAWS, var_names=["q"], **QUIET)
    with pm.Model():
        pm.Normal("x")
        with pytest.raises(ValueError, match="log_likelihood: the model has no observed variables"):
            pm.compute_log_likelihood(DRAWS, **QUIET)
    with pytest.raises(
        ValueError, match=r"expand_packed_triangular: n=3 needs vectors of 6 places, given \(5,\)"
    ):
        pm.math.expand_packed_triangular(3, np.zeros(5))
