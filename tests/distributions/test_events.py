"""Every distribution of vectors and matrices against the textbook's formula, differences, and its own draws."""

from __future__ import annotations

import event_checks
import numpy as np
import pytest
from event_checks import made, root, row
from event_table import CASES, CLASSES, NAMES, TABLE

import probgraph as pg
import probgraph.distributions as public
from probgraph.engine.config import config
from probgraph.engine.op import as_variable

each_case = pytest.mark.parametrize(("cls", "params"), CASES, ids=NAMES)
each_class = pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)


@each_class
def test_every_class_is_in_the_table_and_public(cls):
    assert cls.__name__ in TABLE, f"{cls.__name__} needs a row in tests/distributions/event_table.py"
    assert getattr(public, cls.__name__) is cls and getattr(pg, cls.__name__) is cls
    assert cls.__doc__ and ">>>" in cls.__doc__


@each_case
def test_density_is_the_textbooks(cls, params):
    errors = event_checks.logp_errors(cls, params)
    assert max(errors) <= 1e-12, errors
    points, dist = row(cls).points(**params), made(cls, params)
    assert dist.batch_shape == ()
    together = dist.logp(np.stack(points)).eval()
    for x, got in zip(points, together, strict=True):
        np.testing.assert_allclose(dist.logp(x).eval(), got, rtol=1e-14, atol=1e-14)


@each_case
def test_outside_the_support_the_density_is_zero(cls, params):
    dist = made(cls, params)
    outside = row(cls).outside(**params)
    x = root("x", outside[0])
    logp = dist.logp(x)
    assert [float(logp.eval(x=np.asarray(bad, dtype="float64"))) for bad in outside] == [-np.inf] * len(
        outside
    )


@each_class
def test_bad_parameters_are_refused(cls):
    for bad in row(cls).bad:
        with pytest.raises(ValueError, match=cls.__name__):
            made(cls, bad)


def _asymmetric(params):
    """Whether the fault is in a triangle that is read of constants alone."""
    cov, chol = params.get("cov", params.get("scale", np.eye(2))), params.get("chol", np.eye(2))
    return bool(np.any(np.tril(cov) != np.triu(cov).T) or np.any(np.triu(chol, 1)))


@each_class
def test_bad_parameters_that_are_graphs_have_no_density(cls):
    tried = 0
    for good in row(cls).params:
        shapes = {k: np.shape(v) for k, v in good.items()}
        alike = [bad for bad in row(cls).bad if {k: np.shape(v) for k, v in bad.items()} == shapes]
        roots = {k: root(k, v) for k, v in good.items()}
        logp = made(cls, roots).logp(row(cls).points(**good)[0])
        for bad in alike:
            value = logp.eval(**{k: np.asarray(v, dtype="float64") for k, v in bad.items()})
            asymmetric = _asymmetric(bad)
            assert asymmetric or value == -np.inf, bad
            tried += not asymmetric
    assert tried


@each_case
def test_gradients_are_the_differences(cls, params):
    assert event_checks.gradient_errors(cls, params) == []


@each_case
def test_draws_are_in_the_support_and_have_the_moments(cls, params):
    count = 4000
    dist = made(cls, params)
    draws = dist.sample(count, random_seed=11)
    assert draws.shape == (count, *dist.event_shape)
    assert dist.support.holds(as_variable(draws.astype("float64"))).eval().all()
    if dist.discrete:
        assert draws.dtype == np.int64
    assert np.isfinite(dist.logp(dist.support_point()).eval())
    assert event_checks.moments_agree(dist, draws) in (True, None)


@each_case
def test_batches_of_parameters_and_of_draws(cls, params):
    dist = made(cls, params, size=(2, 3))
    assert dist.batch_shape == (2, 3)
    draws = dist.sample(4, random_seed=1)
    assert draws.shape == (4, 2, 3, *dist.event_shape)
    one = made(cls, params)
    np.testing.assert_allclose(dist.logp(draws).eval(), one.logp(draws).eval(), rtol=1e-13)
    each = {
        k: np.broadcast_to(v, getattr(one, k, v).type.shape if k in cls.params else np.shape(v))
        for k, v in params.items()
    }
    if cls.__name__ == "ZeroSumNormal":  # its sigma has the event's axes, of length 1
        each = {"sigma": np.reshape(params["sigma"], (1,))}
    many = {k: np.stack([np.asarray(v, dtype="float64")] * 2)[:, None] for k, v in each.items()}
    batched = made(cls, many, size=(2, 3))
    assert batched.sample(4, random_seed=1).shape == draws.shape
    np.testing.assert_allclose(batched.logp(draws).eval(), one.logp(draws).eval(), rtol=1e-12)


@each_case
def test_no_finite_value_has_a_density_of_nan(cls, params):
    """Each place of x is 0 or a number of any size; if that is not in the support, the density is zero."""
    rng = np.random.default_rng(5)
    dist, shape = made(cls, params), np.shape(row(cls).points(**params)[0])
    sizes = 10.0 ** rng.choice([-320, -300, -200, -150, -3, 0, 3, 150, 200, 300, 308], size=(200, *shape))
    x = sizes * rng.choice([-1.0, 0.0, 1.0, 1.0], size=sizes.shape)
    if cls.__name__ in ("Dirichlet", "StickBreakingWeights"):
        x = np.abs(x) / np.maximum(np.abs(x).max(axis=-1, keepdims=True), 1e-300)
        x = x / np.maximum(x.sum(axis=-1, keepdims=True), 1e-300)
    if cls.__name__ == "LKJCholeskyCov":
        x[:100, [0, 2, 5]] = np.maximum(np.abs(x[:100, [0, 2, 5]]), 1e-300)
    if cls.__name__ == "Wishart":
        x = np.einsum("nij,nkj->nik", x, x) + sizes[:, :1, :1] * np.eye(shape[-1])
        x = x[np.isfinite(x).all((-1, -2))]
    with np.errstate(all="ignore"):
        logp = dist.logp(x).eval()
    assert not np.isnan(logp).any(), x[np.isnan(logp)][0]


@each_class
def test_single_precision_stays_single(cls, monkeypatch):
    monkeypatch.setattr(config, "floatX", "float32")
    good = row(cls).params[0]
    x = np.asarray(row(cls).points(**good)[0], dtype="float32")
    options = dict(row(cls).options)
    if "sd_dist" in options:
        options["sd_dist"] = pg.Exponential.dist(1.0)
    if "covs" in options:
        options["covs"] = [c.astype("float32") for c in options["covs"]]
    dist = cls.dist(**options, **{k: np.asarray(v, dtype="float32") for k, v in good.items()})
    assert dist.logp(x).dtype == dist.point().dtype == "float32"
    exactly_so = made(cls, good).logp(x.astype("float64")).eval()
    np.testing.assert_allclose(dist.logp(x).eval(), exactly_so, rtol=1e-4, atol=1e-4)
