"""model.check() and model.debug(): what they say of good models, bad starts, wrong gradients and failing matrices."""

from __future__ import annotations

import numpy as np
import pytest

import probgraph as pm
import probgraph.engine as theano


def test_a_good_model():
    with pm.Model() as model:
        x = pm.Normal("x", 0.0, 1.0, shape=3)
        s = pm.HalfNormal("s")
        pm.Normal("y", x.sum(), s, observed=[100.0, 2.0])
    report = model.check()
    assert report and report.problems == [] and list(report.terms) == ["y", "x", "s"]  # the lowest first
    assert report.gradient_error < 1e-6 and report.shapes == {"x": (3,), "s": (), "y": (2,)}
    lines = repr(report).splitlines()
    assert lines[0].startswith("log density -5007.32 at the start; the gradient is within")
    assert lines[2].split() == ["y", "-5003.84", "(2,)"] and lines[-1] == "nothing is wrong at the start"


def test_discrete_unknowns_are_summed_out_first():
    with pm.Model() as model:
        k = pm.Bernoulli("k", 0.3)
        pm.Normal("y", k, 1.0, observed=0.5)
        pm.Normal("x", k, 1.0)
    assert model.check() and model.check().gradient.shape == (1,)


def test_a_start_out_of_range_names_element_and_parameter():
    with pm.Model() as model:
        x = pm.Normal("x", 0.0, 1.0, initval=-2.0)
        pm.Normal("y", 0.0, pm.math.stack([1.0, x, 2.0]), observed=np.zeros(3))
    report = model.check()
    assert not report and next(iter(report.terms)) == "y"
    text = repr(report)
    assert "y  -inf at index 1" in text and "sigma=-2); sigma must be positive" in text
    assert model.check({"x": np.array(3.0)})


def test_a_matrix_that_is_not_positive_definite_is_named():
    with pm.Model() as model:
        x = pm.Normal("x", 0.0, 1.0)
        rows = [pm.math.stack([x, 1.0]), pm.math.stack([1.0, x])]
        pm.MvNormal("y", np.zeros(2), cov=pm.math.stack(rows), observed=[0.0, 0.0])
    assert "cov must be a symmetric positive definite matrix" in repr(model.check())
    with pm.Model() as model:
        x = pm.Normal("x", 0.0, 1.0)
        matrix = pm.math.stack([pm.math.stack([x, 1.0]), pm.math.stack([1.0, x])])
        pm.Potential("p", pm.math.log(theano.tensor.slinalg.cholesky(matrix)).sum())
    text = repr(model.check())
    assert not model.check() and "p " in text and "positive definite" in text


def test_a_wrong_gradient_is_found():
    def twice_too_steep(inputs, outputs, gradients):
        return [4.0 * gradients[0]]

    v = theano.tensor.dscalar()
    op = theano.OpFromGraph([v], [2.0 * v], lop_overrides=twice_too_steep)
    with pm.Model() as model:
        x = pm.Normal("x", 0.0, 1.0, initval=0.5)
        pm.Potential("p", op(x))
    report = model.check()
    assert not report and "the gradient by x is 3.5 at element 0, differences give 1.5" in repr(report)


def test_debug_prints(capsys):
    with pm.Model() as model:
        pm.Normal("x", 0.0, 1.0)
    model.debug()
    assert "term  log density" in capsys.readouterr().out
    with pytest.raises(KeyError, match="check: the point has no 'x'; it needs x"):
        model.check({"q": 1.0})
