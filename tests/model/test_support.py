"""Observations that cannot be are refused when the model is built, with the variable, the value and its index."""

from __future__ import annotations

import numpy as np
import pytest

import probgraph as pm

#: how each is made, and what is said: value, index, and what it must be
CASES = {
    "a number that is none": (
        lambda: pm.Normal("y", 0, 1, observed=[0.0, np.inf]),
        "inf at index 1",
        "a finite",
    ),
    "half line": (
        lambda: pm.HalfNormal("y", 1, observed=[[1.0], [-1.0]]),
        r"-1 at index \(1, 0\)",
        "at least 0",
    ),
    "counts": (lambda: pm.Poisson("y", 1, observed=[1, 1.5]), "1.5 at index 1", "an integer, at least 0"),
    "bounded counts": (
        lambda: pm.Binomial("y", 5, 0.5, observed=[3, 7]),
        "7 at index 1",
        "an integer from 0 to 5",
    ),
    "labels": (
        lambda: pm.Categorical("y", p=[0.2, 0.8], observed=[0, 2]),
        "2 at index 1",
        "an integer from 0",
    ),
    "ordered": (
        lambda: pm.OrderedLogistic("y", eta=pm.Normal("m"), cutpoints=[-1.0, 1.0], observed=[0, 3]),
        "3 at index 1",
        "an integer from 0",
    ),
    "simplex": (
        lambda: pm.Dirichlet("y", np.ones(3), observed=[[0.2, 0.3, 0.5], [0.2, 0.2, 0.2]]),
        r"\[0.2, 0.2, 0.2\] at index 1",
        "with the sum 1",
    ),
    "vectors of counts": (
        lambda: pm.Multinomial("y", 5, [0.5, 0.5], observed=[[2, 3], [1, 3]]),
        r"\[1., 3.\] at index 1",
        "with the sum 5",
    ),
    "vectors": (
        lambda: pm.MvNormal("y", np.zeros(2), np.eye(2), observed=[[1.0, np.inf]]),
        r"\[ 1., inf\] at index 0",
        "a finite number in each element",
    ),
    "matrices": (
        lambda: pm.Wishart("y", nu=3, V=np.eye(2), observed=[[1.0, 2.0], [2.0, 1.0]]),
        r"\[\[1., 2.\], \[2., 1.\]\]",
        "symmetric positive definite",
    ),
    "truncated": (
        lambda: pm.Truncated("y", pm.Normal.dist(pm.Normal("m"), 1), lower=0, observed=[1.0, -1.0]),
        "-1 at index 1",
        "from 0 to inf",
    ),
    "censored": (
        lambda: pm.Censored(
            "y", pm.Weibull.dist(pm.HalfNormal("a"), 1), lower=None, upper=2, observed=[1.0, -3.0]
        ),
        "-3 at index 1",
        "at least 0, or a bound of Censored",
    ),
    "beyond the censoring": (
        lambda: pm.Censored("y", pm.Normal.dist(0, 1), lower=None, upper=2, observed=[1.0, 3.0]),
        "3 at index 1",
        "or a bound of Censored",
    ),
    "mixture": (
        lambda: pm.Mixture(
            "y", [0.5, 0.5], [pm.HalfNormal.dist(1), pm.Gamma.dist(1, 1)], observed=[1.0, -1.0]
        ),
        "-1 at index 1",
        "at least 0",
    ),
    "zeros": (
        lambda: pm.ZeroInflatedBinomial("y", 0.5, 5, 0.5, observed=[0, 6]),
        "6 at index 1",
        "from 0 to 5",
    ),
    "hurdle": (lambda: pm.HurdleGamma("y", 0.5, 1, 1, observed=[0, -1.0]), "-1 at index 1", "at least 0"),
    "sum to zero": (
        lambda: pm.ZeroSumNormal("y", 1, observed=[1.0, 2, 3]),
        r"\[1., 2., 3.\]",
        "with the sum 0",
    ),
    "one known bound": (
        lambda: pm.Uniform("y", 0, pm.HalfNormal("h"), observed=[0.5, -2.0]),
        "-2 at index 1",
        "between 0 and h",
    ),
    "whole numbers up to an unknown": (
        lambda: pm.DiscreteUniform("y", 0, pm.Poisson("h", 5), observed=[1, 2.5]),
        "2.5 at index 1",
        "an integer",
    ),
    "a point": (lambda: pm.DiracDelta("y", 3, observed=[3, 4]), "4 at index 1", "the point c itself"),
    "the beginning of a walk": (
        lambda: pm.GaussianRandomWalk(
            "y", 0, pm.HalfNormal("s"), init_dist=pm.HalfNormal.dist(1), observed=[-1.0, 2.0]
        ),
        r"\[-1.,  2.\]",
        "a walk whose first value is at least 0",
    ),
    "the steps of a walk": (
        lambda: pm.RandomWalk(
            "y", pm.Normal.dist(0, 1), pm.HalfNormal.dist(1), steps=2, observed=[[0.0, 1, 2], [1.0, 0.5, 2.0]]
        ),
        r"\[1. , 0.5, 2. \] at index 1",
        "each of whose steps is at least 0",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_when_the_model_is_built(case):
    make, value, must = CASES[case]
    with (
        pm.Model(),
        pytest.raises(ValueError, match=f"y: observed is {value}, where .* has no density; .*{must}"),
    ):
        make()


def test_what_can_be_is_taken():
    with pm.Model() as model:
        pm.RandomWalk("y", pm.Normal.dist(0, 1), pm.HalfNormal.dist(1), steps=2, observed=[0.0, 1.0, 1.5])
        h = pm.HalfNormal("h")
        pm.Uniform("u", 0, h, observed=[0.5, 2.0])
    assert np.isfinite(model.point_logps()["y"])
    assert model.compile_logp()({"h_log__": np.log(1.0)}) == -np.inf  # known only with h
    assert np.isfinite(model.compile_logp()({"h_log__": np.log(3.0)}))


def test_a_covariance_that_is_none_is_named_as_it_was_given():
    with pm.Model() as model:
        s = pm.Normal("s", 0.5)
        pm.MvNormal("y", np.zeros(2), cov=[[1.0, s], [s, 1.0]], observed=np.zeros(2))
    report = model.check({"s": np.array(2.0)})
    assert not report
    assert "cov=[[1., 2.], [2., 1.]]); cov must be a symmetric positive definite matrix" in str(report)
    with pytest.raises(
        ValueError, match=r"MvNormal: cov is \[\[1., 2.\], \[2., 1.\]\]; it must be a symmetric pos"
    ):
        pm.MvNormal.dist(np.zeros(2), cov=[[1.0, 2.0], [2.0, 1.0]])
