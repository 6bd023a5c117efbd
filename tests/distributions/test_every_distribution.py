"""Every distribution against the textbook's formula with 60 digits, SciPy, its own draws and finite differences."""

from __future__ import annotations

import checks
import mpmath as mp
import numpy as np
import pytest
import scipy.stats as st
from checks import inside
from distribution_table import CASES, CLASSES, NAMES, TABLE

import probgraph.distributions as public
from probgraph.distributions.constraints import real
from probgraph.distributions.known_signs import certainly
from probgraph.engine.autodiff import grad
from probgraph.engine.config import config
from probgraph.engine.function import function
from probgraph.engine.graph import Variable
from probgraph.engine.op import as_variable
from probgraph.engine.types import TensorType

each_case = pytest.mark.parametrize(("cls", "params"), CASES, ids=NAMES)
each_class = pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)


def row(cls):
    return TABLE[cls.__name__]


@each_class
def test_every_class_is_in_the_table_and_public(cls):
    assert cls.__name__ in TABLE, f"{cls.__name__} needs a row in tests/distributions/distribution_table.py"
    assert getattr(public, cls.__name__) is cls
    assert cls.__doc__ and ">>>" in cls.__doc__


@each_case
def test_density_is_the_textbooks_to_the_last_digits(cls, params):
    assert len(inside(cls, params)) >= 1
    assert checks.logp_errors(cls, params).wrong == []


@each_case
def test_both_tails_are_the_textbooks_to_the_last_digits(cls, params):
    found = checks.tail_errors(cls, params)
    if found is None:
        with pytest.raises(NotImplementedError, match=f"{cls.__name__} has no logcdf"):
            cls.dist(**params).logcdf(1.0)
    else:
        assert found.wrong == []


@each_case
def test_beyond_the_support_the_tails_are_empty_or_full(cls, params):
    if row(cls).cdf is None:
        return
    dist = cls.dist(**params)
    x = Variable(TensorType("float64", (None,)), "x")
    both = [dist.logcdf(x), dist.logccdf(x)]
    below, above = (v.eval(x=[-np.inf, np.inf]) for v in both)
    assert list(below) == [-np.inf, 0.0] and list(above) == [0.0, -np.inf]
    for bad in row(cls).outside:
        if dist.discrete and bad != np.floor(bad):
            continue  # between two integers, where the tails are those of the lower one
        full, empty = (0.0, -np.inf) if bad > float(dist.point().eval()) else (-np.inf, 0.0)
        assert [float(v.eval(x=[bad])[0]) for v in both] == [full, empty]
    assert both[0].eval(x=[np.nan])[0] == -np.inf


@each_case
def test_quantiles_are_the_textbooks_to_the_last_digits(cls, params):
    found = checks.quantile_errors(cls, params)
    if found is None:
        with pytest.raises(NotImplementedError, match=f"{cls.__name__} has no icdf"):
            cls.dist(**params).icdf(0.5)
        return
    assert found.wrong == []
    dist = cls.dist(**params)
    ends = dist.icdf([0.0, 1.0, -0.1, 1.1, np.nan]).eval()
    bounds = [float(as_variable(b).eval()) for b in (dist.support.lower, dist.support.upper)]
    np.testing.assert_array_equal(ends, [*bounds, np.nan, np.nan, np.nan])


@each_case
def test_moments_are_known(cls, params):
    found = checks.moments(cls, params)
    if found is None:
        return
    for ours, exact in found:
        assert ours == pytest.approx(exact, rel=1e-9) if np.isfinite(exact) else not np.isfinite(ours)


@each_case
def test_density_is_scipys(cls, params):
    if row(cls).scipy is None:
        pytest.skip("SciPy has no improper distributions")
    frozen = row(cls).scipy(**{k: float(v) for k, v in params.items()})
    points = np.array([frozen.ppf(q) for q in (0.01, 0.2, 0.5, 0.9, 0.99)])
    points = points[points > 0] if cls.__name__ == "Gamma" else points
    logpdf = frozen.logpmf if isinstance(frozen.dist, st.rv_discrete) else frozen.logpdf
    # SciPy adds logarithms of gamma functions of the parameters, and rounds each: mpmath decides about the digits.
    largest = max((abs(float(v)) for v in params.values()), default=0.0)
    atol = 1e-8 + 1e-15 * largest * np.log1p(largest)
    np.testing.assert_allclose(cls.dist(**params).logp(points).eval(), logpdf(points), rtol=1e-8, atol=atol)


@each_case
def test_outside_the_support_is_minus_infinity_and_never_nan(cls, params):
    dist = cls.dist(**params)
    x = Variable(TensorType("float64", (None,)), "x")
    bad = [*row(cls).outside, np.nan, np.inf, -np.inf]
    bad = [b for b in bad if not (dist.support.holds(x).eval(x=[b])[0])]
    assert {np.inf, -np.inf} <= set(bad)
    np.testing.assert_array_equal(dist.logp(x).eval(x=bad), np.full(len(bad), -np.inf))
    for b in bad:
        assert dist.logp(b).eval() == -np.inf
    extreme = [-1e308, -1e-308, 0.0, 5e-324, 1e-308, 745.0, 1e308]
    with np.errstate(all="ignore"):
        assert not np.isnan(dist.logp(x).eval(x=extreme)).any()


def _legal(constraint, value):
    return bool(constraint.holds(as_variable(value)).eval())


@each_class
def test_parameters_out_of_range_in_a_graph_give_minus_infinity(cls):
    params = row(cls).params[0]
    point = float(inside(cls, params)[0])
    for name, constraint in cls.params.items():
        if constraint is real:
            continue
        v = Variable(TensorType("float64", ()), name)
        logp = cls.dist(**{**params, name: v}).logp(point)
        for bad in (-1.0, np.nan, np.inf):
            if not _legal(constraint, bad):
                assert logp.eval({v: bad}) == -np.inf, (name, bad)
        if name != "n":
            np.testing.assert_allclose(
                logp.eval({v: params[name]}), cls.dist(**params).logp(point).eval(), rtol=1e-12
            )


@each_class
def test_a_constant_parameter_out_of_range_is_refused_by_name(cls):
    params = row(cls).params[0]
    for name, constraint in cls.params.items():
        for bad in (np.nan, np.inf, -np.inf):
            if _legal(constraint, bad):
                continue
            with pytest.raises(
                ValueError, match=rf"{cls.__name__}: {name} is {bad}; it must be {constraint.text}"
            ):
                cls.dist(**{**params, name: bad})
        with pytest.raises(ValueError, match=rf"{name} is nan at index 1; "):
            cls.dist(**{**params, name: [params[name], np.nan]})


@each_case
def test_gradients_are_those_of_the_textbooks_formula(cls, params):
    assert checks.gradient_errors(cls, params).wrong == []


@each_case
def test_gradients_of_the_tails(cls, params):
    """In x they are the density over the tail; in the parameters, what the tails do when these change a little."""
    if row(cls).cdf is None or cls.dist(**params).discrete or cls.atoms:
        return
    scalar = TensorType("float64", ())
    roots = {name: Variable(scalar, name) for name in cls.params}
    x, dist = Variable(scalar, "x"), cls.dist(**roots)
    for tail, sign in ((dist.logcdf(x), 1), (dist.logccdf(x), -1)):
        wrt = [x, *roots.values()]
        run = function(
            wrt,
            [tail, dist.logp(x), *grad(tail, wrt, disconnected_inputs="ignore")],
            on_unused_input="ignore",
        )
        for point in checks.smooth_points(cls, params):
            given = [point, *(float(v) for v in params.values())]
            value, density, *slopes = map(float, run(*given))
            assert slopes[0] == pytest.approx(sign * np.exp(density - value), rel=1e-9), (point, "x")
            for k, name in enumerate(roots, start=1):
                step = 3e-6 * (abs(given[k]) or 1.0)
                up, down = ([*given[:k], given[k] + s * step, *given[k + 1 :]] for s in (1, -1))
                change = (run(*up)[0] - run(*down)[0]) / (2 * step)
                if np.isfinite(change):
                    assert slopes[k] == pytest.approx(change, rel=1e-4, abs=1e-15 / step), (point, name)


@each_case
def test_draws_follow_the_distribution(cls, params):
    if not checks.is_proper(cls):
        with pytest.raises(NotImplementedError, match="improper"):
            cls.dist(**params).sample(random_seed=1)
        return
    assert checks.sampling_pvalue(cls, params) > 1e-3


@each_case
def test_the_density_is_normalised(cls, params):
    if row(cls).scipy is None:
        pytest.skip("improper, or not in SciPy")
    dist = cls.dist(**params)
    frozen = row(cls).scipy(**{k: float(v) for k, v in params.items()})
    if dist.discrete:
        low, high = frozen.ppf(1e-12), frozen.ppf(1 - 1e-12)
        mass = np.exp(dist.logp(np.arange(low, high + 1)).eval()).sum()
        assert abs(mass - 1) < 1e-8
        return
    mass = 1.0
    if cls.atoms:  # what is not at the point
        frozen, mass = frozen.inner, params["psi"]
    knots = np.linspace(0.001, 0.999, 401)  # SciPy's quantiles are slow where it has no formula for them
    x = np.interp(np.linspace(0.001, 0.999, 20001), knots, np.asarray(frozen.ppf(knots)))
    density = np.exp(dist.logp(x).eval())
    assert abs(np.trapezoid(density, x) - 0.998 * mass) < 2e-3


@each_case
def test_the_point_is_inside_the_support_and_broadcasts(cls, params):
    dist = cls.dist(**params, shape=(2, 3))
    point = dist.support_point()
    assert point.type.shape == (2, 3)
    assert certainly(point, dist.support) or dist.support.holds(point).eval().all()
    assert np.isfinite(dist.logp(point.eval()).eval()).all()


@each_class
def test_alternative_parameters_mean_the_same(cls):
    assert len({frozenset(a.params) for a in cls.alternatives}) <= len(row(cls).alternatives)
    for given, own in row(cls).alternatives:
        for point in inside(cls, own):
            expected = cls.dist(**own).logp(point).eval()
            np.testing.assert_allclose(cls.dist(**given).logp(point).eval(), expected, rtol=1e-10, atol=1e-12)
        as_graphs = {k: Variable(TensorType("float64", ()), k) for k in given}
        values = {v: float(given[k]) for k, v in as_graphs.items()}
        point = float(inside(cls, own)[0])
        expected = cls.dist(**own).logp(point).eval()
        got = cls.dist(**as_graphs).logp(point).eval(values)
        np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)
        np.testing.assert_array_equal(
            cls.dist(**given).sample(5, random_seed=3).shape, cls.dist(**own).sample(5, random_seed=3).shape
        )


@each_case
def test_transform_leads_to_the_line_and_back(cls, params):
    transform = cls.dist(**params).support.transform
    if transform is None:
        ends = cls.__name__ in ("GenExtreme", "GenPareto")  # bounds that may be there or not
        assert cls.dist(**params).discrete or cls.dist(**params).support is real or ends
        return
    y = Variable(TensorType("float64", ()), "y")
    x = transform.inverse(y)
    for value in (-3.0, -2.0, 0.0, 0.5, 3.0):
        back = transform.forward(x).eval({y: value})
        np.testing.assert_allclose(back, value, rtol=1e-5, atol=1e-8)
        slope = grad(x, y).eval({y: value})
        np.testing.assert_allclose(
            transform.log_det(y).eval({y: value}), np.log(slope), rtol=1e-9, atol=1e-12
        )
    for value in (-700.0, 700.0):
        assert np.isfinite(transform.log_det(y).eval({y: value}))
        assert np.isfinite(grad(transform.log_det(y), y).eval({y: value}))
        assert not np.isnan(x.eval({y: value}))


@each_class
def test_integers_become_floats(cls):
    params = {k: int(np.ceil(v)) for k, v in row(cls).params[0].items()}
    if cls.__name__ == "DiscreteWeibull":
        params["q"] = 0.5  # there is no integer that it may be
    if cls.__name__ == "StudentT":
        params = {"nu": 3, "mu": 0, "sigma": 36}
    dist = cls.dist(**params)
    assert all(v.dtype == "float64" for v in dist.parameters.values())
    assert dist.logp(1).dtype == "float64"
    np.testing.assert_allclose(
        dist.logp(1).eval(), cls.dist(**{k: float(v) for k, v in params.items()}).logp(1.0).eval()
    )


@each_case
def test_float32(cls, params):
    with config.change_flags(floatX="float32"):
        dist = cls.dist(**params)
        points = inside(cls, params)[:3]
        logp = dist.logp([float(x) for x in points if abs(x) > 1e-30 or x == 0])
        assert logp.dtype == "float32"
        assert not np.isnan(logp.eval()).any()


def test_students_density_is_right_for_very_many_degrees_of_freedom():
    for nu in (1e9, 1e15):
        points = np.array([-30.0, -1.3, 0.0, 5.0])
        got = public.StudentT.dist(nu, 0.0, 1.0).logp(points).eval()
        exact = [float(TABLE["StudentT"].exact(mp.mpf(p), mp.mpf(nu), mp.mpf(0), mp.mpf(1))) for p in points]
        np.testing.assert_allclose(got, exact, rtol=1e-12)


@pytest.mark.parametrize("nu", [9999.0, 10001.0, 1e7, 1e10, 1e15])
def test_students_tails_are_right_for_very_many_degrees_of_freedom(nu):
    """Where incomplete beta functions have no digits left: against the integral of the density."""

    def beyond(x):
        n = mp.mpf(nu)
        at = lambda t: -(n + 1) / 2 * mp.log1p(t * t / n)
        constant = mp.exp(mp.loggamma((n + 1) / 2) - mp.loggamma(n / 2)) / mp.sqrt(n * mp.pi)
        ends = [0, 1, 3, 8, 20, 60, 150, 400]
        part = mp.quad(lambda v: mp.exp(at(x + v / (1 + x)) - at(x)), ends) / (1 + x)
        return constant * mp.exp(at(x)) * part

    whole, half = public.StudentT.dist(nu=nu, mu=0.0, sigma=1.0), public.HalfStudentT.dist(nu=nu, sigma=1.0)
    for x in (0.01, 0.3, 0.69, 0.71, 3.0, 30.0):
        with mp.workdps(40):
            p = beyond(mp.mpf(x))
            expected = [mp.log(p), mp.log1p(-p), mp.log(2 * p), mp.log1p(-2 * p)]
        found = [whole.logccdf(x), whole.logcdf(x), half.logccdf(x), half.logcdf(x)]
        for got, true in zip(found, expected, strict=True):
            assert float(got.eval()) == pytest.approx(float(true), rel=1e-12), x
        assert float(whole.icdf(float(p)).eval()) == pytest.approx(-x, rel=1e-12, abs=1e-15)
