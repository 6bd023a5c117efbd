"""Every transform: there and back, its log_det against autodiff's log |det J|, far out, and inside a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

import probgraph as pg
from probgraph.distributions import transforms as tr
from probgraph.engine.autodiff import grad
from probgraph.engine.derivatives import jacobian
from probgraph.engine.function import function
from probgraph.engine.graph import Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import reduce
from probgraph.engine.types import TensorType
from probgraph.model.log_density import log_density

LOWER = np.tril_indices(4, -1)
TRIANGLE = np.tril_indices(3)


def all_places(x):
    return x.flatten()


@dataclass(frozen=True)
class Row:
    """`shape` of an x; `places` are coordinates of x on its support, as many as y has; `holds` says what x must be."""

    transform: Any
    shape: tuple[int, ...]
    holds: Callable[[np.ndarray], Any]
    places: Callable[[Any], Any] = all_places
    #: the support is a plane in its space, and the density is by its area
    plane: bool = False
    #: y that lead to finite x which keep their digits
    far: float = 30.0


def is_chol(x, n):
    return np.all(np.triu(x, 1) == 0) and np.all(np.diag(x) >= 0) and x.shape == (n, n)


TABLE = {
    "log": Row(tr.log, (3,), lambda x: x >= 0),
    "log_exp_m1": Row(tr.log_exp_m1, (3,), lambda x: x >= 0),
    "logodds": Row(tr.logodds, (3,), lambda x: (x >= 0) & (x <= 1)),
    "interval": Row(tr.Interval(-0.1, 0.3), (3,), lambda x: (x >= -0.1) & (x <= 0.3)),
    "interval to 0": Row(tr.Interval(-2.0, 0.0), (3,), lambda x: (x >= -2) & (x <= 0)),
    "interval from": Row(tr.Interval(2.0, None), (3,), lambda x: x >= 2),
    "interval up to": Row(tr.Interval(upper=-1.0), (3,), lambda x: x <= -1),
    "circular": Row(tr.circular, (3,), lambda x: abs(x) <= np.pi, far=3.0),
    "affine": Row(tr.Affine(2.0, [-3.0, 0.5, 1.0]), (3,), np.isfinite),
    "ordered": Row(tr.ordered, (4,), lambda x: np.diff(x) >= 0, far=5.0),
    "descending": Row(tr.Ordered(ascending=False), (4,), lambda x: np.diff(x) <= 0, far=5.0),
    "positive_ordered": Row(tr.positive_ordered, (4,), lambda x: (np.diff(x) >= 0) & (x[0] >= 0), far=5.0),
    "simplex": Row(tr.simplex, (4,), lambda x: (x >= 0).all() and abs(x.sum() - 1) < 1e-12, lambda x: x[:-1]),
    "sum_to_1": Row(tr.sum_to_1, (4,), lambda x: abs(x.sum() - 1) < 1e-12 * abs(x).max(), lambda x: x[:-1]),
    "zerosum": Row(
        tr.ZeroSumTransform([-1]), (4,), lambda x: abs(x.sum()) <= 1e-12 * (1 + abs(x).max()), plane=True
    ),
    "zerosum of rows and columns": Row(
        tr.ZeroSumTransform([-1, -2]),
        (3, 4),
        lambda x: abs(x.sum(0)).max() + abs(x.sum(1)).max() <= 1e-12 * (1 + abs(x).max()),
        plane=True,
    ),
    "cholesky_corr": Row(
        tr.CholeskyCorr(4),
        (4, 4),
        lambda x: is_chol(x, 4) and np.allclose((x**2).sum(1), 1, atol=1e-12),
        lambda x: x[LOWER],
        far=8.0,
    ),
    "cholesky_corr, upper": Row(
        tr.CholeskyCorr(4, upper=True),
        (4, 4),
        lambda x: is_chol(x.T, 4) and np.allclose((x**2).sum(0), 1, atol=1e-12),
        lambda x: x.T[LOWER],
        far=8.0,
    ),
    "correlations of a matrix": Row(
        tr.CorrelationVector(4), (6,), lambda x: (abs(x) <= 1 + 1e-12).all(), far=3.0
    ),
    "positive_definite": Row(
        tr.PositiveDefinite(3), (3, 3), lambda x: np.allclose(x, x.T), lambda x: x[TRIANGLE], far=2.0
    ),
    "cholesky_cov": Row(tr.CholeskyCov(3), (3, 3), lambda x: is_chol(x, 3), lambda x: x[TRIANGLE]),
    "cholesky_cov_packed": Row(tr.CholeskyCovPacked(3), (6,), lambda x: (x[[0, 2, 5]] >= 0).all()),
    "log, then ordered": Row(
        tr.Chain([tr.log, tr.ordered]), (3,), lambda x: (np.diff(x) >= 0) & (x[0] >= 0), far=2.0
    ),
    "cholesky, then interval": Row(
        tr.Chain([tr.CholeskyCorr(4), tr.Interval(-2.0, 2.0)]),
        (4, 4),
        lambda x: is_chol(x, 4),
        lambda x: x[LOWER],
    ),
}
ROWS = list(TABLE.values())
#: the points of y and of x are not equally many: see test_unit_vectors_of_normal_numbers_are_everywhere_alike
ELSEWHERE = {"UnitVector"}
each_row = pytest.mark.parametrize("name", TABLE)
_compiled: dict[str, Any] = {}


def parts(name):
    """y -> x, the way back, log_det, its gradient, and log |det J|: one function for each transform."""
    if name not in _compiled:
        row = TABLE[name]
        shape = row.transform.unconstrained_shape(row.shape)
        y = Variable(TensorType("float64", shape), "y")
        x = row.transform.inverse(y)
        log_det = row.transform.log_det(y)
        slopes = jacobian(row.places(x), y, disconnected_inputs="ignore")
        total = reduce.sum(log_det) if log_det.ndim else log_det
        slope = grad(total, y, disconnected_inputs="ignore")
        _compiled[name] = function(
            [y], [x, row.transform.forward(x), log_det, slope, slopes], mode="FAST_COMPILE"
        )
    return _compiled[name]


def unconstrained(name):
    return TABLE[name].transform.unconstrained_shape(TABLE[name].shape)


def test_every_transform_has_a_row():
    kinds = {t for t in vars(tr).values() if isinstance(t, type) and issubclass(t, tr.Transform)}
    assert {type(row.transform) for row in ROWS} == {t for t in kinds if t.__name__ not in ELSEWHERE} - {
        tr.Transform
    }


def test_pymcs_names_of_the_three_parts():
    y = np.array([-1.0, 0.5])
    for t in (tr.log, tr.Interval(-1.0, 2.0), tr.ordered):
        np.testing.assert_array_equal(t.backward(y).eval(), t.inverse(as_variable(y)).eval())
        np.testing.assert_array_equal(t.log_jac_det(y).eval(), t.log_det(as_variable(y)).eval())

    class Cube(tr.Transform):
        """As a script for PyMC has it."""

        name = "cube"

        def forward(self, value, *inputs):
            return pg.math.sgn(value) * pg.math.abs(value) ** (1 / 3)

        def backward(self, value, *inputs):
            return value**3

        def log_jac_det(self, value, *inputs):
            return pg.math.log(3 * value**2)

    with pg.Model() as model:
        pg.Normal("x", 0.0, 1.0, transform=Cube(), initval=8.0)
    assert model.initial_point()["x_cube__"] == pytest.approx(2.0)
    at = {"x_cube__": np.array(1.5)}
    expected = norm.logpdf(1.5**3) + np.log(3 * 1.5**2)
    assert model.compile_logp()(at) == pytest.approx(expected, rel=1e-14)
    with pytest.raises(NotImplementedError, match="bounds may be graphs"):
        tr.Interval(bounds_fn=lambda *args: (args[-2], None))


@each_row
def test_log_det_is_that_of_autodiff(name):
    row = TABLE[name]
    for seed in range(3):
        y = np.random.default_rng(seed).normal(size=unconstrained(name))
        x, _, log_det, _, slopes = parts(name)(y)
        assert np.all(row.holds(x))
        assert x.shape == row.shape
        assert log_det.ndim == len(row.shape) - row.transform.event_ndim
        matrix = slopes.reshape(-1, y.size)
        expected = (
            0.5 * np.linalg.slogdet(matrix.T @ matrix)[1] if row.plane else np.linalg.slogdet(matrix)[1]
        )
        np.testing.assert_allclose(np.sum(log_det), expected, rtol=1e-9, atol=1e-9)


@each_row
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_there_and_back(name, data):
    row, shape = TABLE[name], unconstrained(name)
    size = int(np.prod(shape))
    numbers = data.draw(st.lists(st.floats(-row.far, row.far), min_size=size, max_size=size))
    y = np.array(numbers).reshape(shape)
    x, back, log_det, _, _ = parts(name)(y)
    assert np.all(row.holds(x)) and np.isfinite(log_det).all()
    # A place near a bound that is not 0 has lost digits that the way back cannot find.
    scale = np.exp(row.far) * 1e-14 if name.startswith(("interval", "logodds", "cholesky, then")) else 0
    np.testing.assert_allclose(back, y, rtol=1e-7, atol=1e-7 + scale)


@each_row
@pytest.mark.parametrize("end", [-700.0, 700.0])
def test_far_out_nothing_overflows(name, end):
    x, _, log_det, slope, _ = parts(name)(np.full(unconstrained(name), end))
    assert not np.isnan(x).any()
    assert np.isfinite(log_det).all() and np.isfinite(slope).all()
    alternating = np.where(np.arange(x.size)[: slope.size].reshape(slope.shape) % 2, end, -end)
    x, _, log_det, slope, _ = parts(name)(alternating)
    assert not np.isnan(x).any()
    assert np.isfinite(log_det).all() and np.isfinite(slope).all()


@pytest.mark.parametrize("count", [2, 7, 500])
def test_the_simplex_has_unit_scale_whatever_its_length(count):
    """A unit step in any direction changes the centred logarithms by a length of 1."""
    y = np.random.default_rng(1).normal(size=count - 1)
    x = tr.simplex.inverse(Variable(TensorType("float64", (None,)), "y")).eval
    step = np.random.default_rng(2).normal(size=count - 1)
    step /= np.linalg.norm(step)
    centred = [np.log(v) - np.log(v).mean() for v in (x(y=y), x(y=y + step))]
    np.testing.assert_allclose(np.linalg.norm(centred[1] - centred[0]), 1.0, rtol=1e-10)
    np.testing.assert_allclose(x(y=np.zeros(count - 1)), 1 / count)


def test_unit_vectors_of_normal_numbers_are_everywhere_alike():
    y = Variable(TensorType("float64", (None, 3)), "y")
    x, log_det = tr.unit_vector.inverse(y), tr.unit_vector.log_det(y)
    numbers = np.random.default_rng(3).normal(size=(5, 3))
    numbers[0] *= 1e200
    numbers[1] *= 1e-200
    found = x.eval(y=numbers)
    np.testing.assert_allclose((found**2).sum(1), 1, rtol=1e-14)
    np.testing.assert_allclose(found[2:], numbers[2:] / np.linalg.norm(numbers[2:], axis=1)[:, None])
    np.testing.assert_allclose(log_det.eval(y=numbers)[2:], -0.5 * (numbers[2:] ** 2).sum(1))


def test_bounds_may_be_variables():
    low, y = Variable(TensorType("float64", ()), "low"), Variable(TensorType("float64", (2,)), "y")
    transform = tr.Interval(low, 1.0)
    x = transform.inverse(y).eval({low: -1.0, y: [0.0, 1.0]})
    np.testing.assert_allclose(x, [0.0, 2 / (1 + np.exp(-1)) - 1])
    back = transform.forward(transform.inverse(y)).eval({low: -1.0, y: [0.0, 1.0]})
    np.testing.assert_allclose(back, [0.0, 1.0], atol=1e-15)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: tr.Interval(), "needs a lower or an upper bound"),
        (lambda: tr.Interval(-np.inf, np.inf), "needs a lower or an upper bound"),
        (lambda: tr.Interval(2, 1), "needs lower < upper, given 2 and 1"),
        (lambda: tr.Affine(0, 0), "scale that is not 0"),
        (lambda: tr.Chain([]), "at least one"),
        (lambda: tr.ZeroSumTransform([0]), "counted from the last"),
        (lambda: tr.CholeskyCorr(0), "n is 0"),
        (lambda: tr.CholeskyCorr(3).unconstrained_shape((2, 4, 4)), r"is for matrices \(3, 3\)"),
        (lambda: tr.CholeskyCovPacked(3).unconstrained_shape((5,)), "is for 6 numbers"),
        (lambda: tr.simplex.unconstrained_shape((2, 0)), "at least one place"),
    ],
)
def test_what_makes_no_sense_is_said(make, text):
    with pytest.raises(ValueError, match=text):
        make()


def test_a_model_walks_over_fewer_numbers():
    """Transforms that shorten a vector, compiled, with their gradient; the term and the Jacobian have other ranks."""
    with pg.Model() as model:
        x = pg.Normal("x", [0.0, 1.0, 2.0], 1, transform=tr.ordered, shape=(2, 3))
        z = pg.Normal("z", 0, 2, transform=tr.ZeroSumTransform([-1]), shape=4)
        w = pg.Flat("w", transform=tr.simplex, shape=3, initval=[0.2, 0.3, 0.5])
        c = pg.Flat("c", transform=tr.CholeskyCorr(3), shape=(3, 3), initval=np.eye(3))
        pg.Normal("y", reduce.sum(x) + reduce.sum(ew.sqr(z)) + w[0] + c[2, 1], 1, observed=3.0)
        pg.HalfNormal("h", 1, transform=tr.ordered, shape=3, initval=[0.5, 1.0, 3.0])
    shapes = [v.type.shape for v in model.value_vars]
    assert shapes == [(2, 3), (3,), (2,), (3,), (3,)]
    point = model.initial_point({"x": [[0.0, 1.0, 2.0], [-1, 0, 1]]})
    density, layout = log_density(model)
    q = layout.vector(point) + 0.1 * np.random.default_rng(1).normal(size=layout.dim)
    value, gradient = density(q)
    for i in range(layout.dim):
        step = np.zeros(layout.dim)
        step[i] = 1e-6
        assert abs((density(q + step)[0] - density(q - step)[0]) / 2e-6 - gradient[i]) < 1e-6
    terms = model.compile_logp(sum=False)(layout.point(q))
    np.testing.assert_allclose(sum(np.sum(t) for t in terms), value, rtol=1e-12)
    assert [np.shape(t) for t in terms] == [(2,), (), (), (), (), ()]


def test_draws_of_an_ordered_normal_are_ordered():
    with pg.Model():
        pg.Normal("x", 0, 1, shape=3, transform=tr.ordered, initval=[-1, 0, 1])
        idata = pg.sample(300, tune=300, chains=2, random_seed=3, progressbar=False)
    x = idata.posterior["x"].values
    assert (np.diff(x, axis=-1) > 0).all()
    # The means of the order statistics of three normals.
    np.testing.assert_allclose(x.mean((0, 1)), [-0.846, 0, 0.846], atol=0.15)


def test_a_variable_that_is_too_flat_for_its_transform_is_named():
    with (
        pg.Model(),
        pytest.raises(ValueError, match=r"x: its shape is \(\), and the transform ordered needs 1"),
    ):
        pg.Normal("x", 0, 1, transform=tr.ordered)


def test_a_start_where_no_transform_leads_is_said():
    with pg.Model() as model:
        pg.Normal("x", 0, 1, transform=tr.ordered, shape=2)
    with pytest.raises(
        ValueError, match=r"x is 0 at index 1; .* a finite number, where its transform ordered leads"
    ):
        model.initial_point()
