"""What every distribution may rely on: batches and events, options and components, transforms in a model."""

from __future__ import annotations

import numpy as np
import pytest

import probgraph as pg
from probgraph.distributions import Distribution, Exponential, HalfNormal, Normal, transforms
from probgraph.distributions.constraints import positive, real_vector
from probgraph.engine.graph import Variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import reduce
from probgraph.engine.types import TensorType
from probgraph.model.log_density import log_density


class Ball(Distribution):
    """Independent normals with one scale, as one vector."""

    params = {"mu": real_vector, "sigma": positive}
    options = {"sharp": 1}
    support = real_vector

    def density(self, x):
        z = (x - self.mu) * (1.0 / self.sigma)[..., None]
        size = ew.cast(x.shape[-1], "float64")
        return -0.5 * reduce.sum(ew.sqr(z), axis=-1) - size * (ew.log(self.sigma) + 0.5 * np.log(2 * np.pi))

    def draw(self, rng, size, mu, sigma):
        return mu + sigma[..., None] * rng.normal(size=(*size, mu.shape[-1]))

    def mean(self):
        return self.mu


class Shifted(Distribution):
    """A component moved by a constant."""

    params = {"by": positive}
    options = {"dist": None, "others": ()}
    support = positive

    def density(self, x):
        return self.dist.density(x - self.by)

    def draw(self, rng, size, by, **inner):
        return by + self.draw_component(rng, "dist", {"by": by, **inner}, size)

    def point(self):
        return self.by + self.dist.point()


def test_the_event_is_part_of_the_shape_and_not_of_the_density():
    one = Ball.dist(np.zeros(3), 1.0)
    assert (one.batch_shape, one.event_shape, one.shape, one.event_ndim) == ((), (3,), (3,), 1)
    many = Ball.dist(np.zeros((4, 1, 3)), np.ones(2))
    assert (many.batch_shape, many.event_shape) == ((4, 2), (3,))
    assert many.sample(5, random_seed=1).shape == (5, 4, 2, 3)
    x = many.sample(random_seed=1)
    expected = Normal.dist(0, 1).logp(x).eval().sum(-1)
    np.testing.assert_allclose(many.logp(x).eval(), expected, rtol=1e-14)
    bad = x.copy()
    bad[1, 0, 2] = np.inf
    assert np.argwhere(np.isneginf(many.logp(bad).eval())).tolist() == [[1, 0]]


def test_shape_is_the_whole_and_size_the_batch():
    assert Ball.dist(np.zeros(3), 1, shape=(2, 3)).batch_shape == (2,)
    assert Ball.dist(np.zeros(3), 1, size=(2, 5)).shape == (2, 5, 3)
    assert Normal.dist(0, 1, size=4).shape == (4,) == Normal.dist(0, 1, shape=4).shape
    with pytest.raises(ValueError, match=r"shape \(2, 4\) has to end in the event's \(3,\)"):
        Ball.dist(np.zeros(3), 1, shape=(2, 4))
    with pytest.raises(ValueError, match="two ways to say the same"):
        Normal.dist(0, 1, shape=3, size=3)
    with pytest.raises(ValueError, match=r"sigma has shape \(2,\), which does not broadcast to \(4, 3\)"):
        Ball.dist(np.zeros(3), [1, 2], size=4)


def test_an_event_is_refused_as_a_whole():
    with pytest.raises(
        ValueError, match=r"mu is \[ *0., inf\] at index 1; it must be a finite number in each"
    ):
        Ball.dist([[0, 0], [0, np.inf]], 1)


def test_a_model_takes_events():
    with pg.Model(coords={"g": range(2), "k": range(3)}) as model:
        sigma = HalfNormal("sigma", 1)
        x = Ball("x", np.arange(3.0), sigma, dims=("g", "k"))
        Ball("y", x, 0.5, observed=np.ones((4, 2, 3)))
    assert x.type.shape == (2, 3)
    values = model.initial_point()
    terms = model.logp(sum=False)
    assert [t.ndim for t in terms] == [0, 1, 2]
    expected = sum(
        [
            HalfNormal.dist(1).logp(1.0).eval(),
            Normal.dist(0, 1).logp(0.0).eval() * 6,
            Normal.dist(np.arange(3.0), 0.5).logp(np.ones((4, 2, 3))).eval().sum(),
        ]
    )
    np.testing.assert_allclose(model.compile_logp()(values), expected, rtol=1e-12)
    density, layout = log_density(model)
    assert layout.dim == 7
    assert np.isfinite(density(layout.vector(values))[1]).all()


def test_components_are_drawn_with_their_parameters():
    with pg.Model():
        scale = HalfNormal("scale", 1)
        x = Shifted("x", 10.0, dist=Exponential.dist(scale=scale), shape=3)
    assert list(x.distribution.parameters) == ["by", "dist.lam"]
    drawn_scale, drawn = pg.draw([scale, x], 2000, random_seed=1)
    assert drawn.shape == (2000, 3) and (drawn > 10).all()
    assert abs(((drawn - 10) / drawn_scale[:, None]).mean() - 1) < 0.1
    assert list(Shifted.dist(1, others=[Normal.dist(0, 1)]).components) == ["others.0"]


def test_default_transform_none_walks_in_the_support_itself():
    with pg.Model() as model:
        HalfNormal("s", 2.0, default_transform=None)
        HalfNormal("t", 2.0)
    assert [v.name for v in model.value_vars] == ["s", "t_log__"]
    run = model.compile_logp()
    expected = 2 * HalfNormal.dist(2.0).logp(1.5).eval() + np.log(1.5)
    np.testing.assert_allclose(run({"s": np.array(1.5), "t_log__": np.log(1.5)}), expected, rtol=1e-13)
    assert run({"s": np.array(-1.0), "t_log__": np.array(0.0)}) == -np.inf


def test_another_transform_comes_after_the_default_one():
    with pg.Model() as model:
        HalfNormal("s", 1.0, transform=transforms.Interval(-5.0, 5.0))
    (value,) = model.value_vars
    assert value.name == "s_log+interval__"
    y = 0.3
    line = 10 / (1 + np.exp(-y)) - 5
    slope = 10 * np.exp(-y) / (1 + np.exp(-y)) ** 2
    expected = HalfNormal.dist(1).logp(np.exp(line)).eval() + line + np.log(slope)
    np.testing.assert_allclose(model.compile_logp()({value.name: np.array(y)}), expected, rtol=1e-13)


def test_discrete_variables_have_no_transform():
    with pg.Model(), pytest.raises(ValueError, match="k: Poisson is discrete; transform is for continuous"):
        pg.Poisson("k", 3, transform=transforms.log)


def test_a_parameter_that_is_a_graph_is_padded_to_its_event():
    v = Variable(TensorType("float64", ()), "v")
    assert Ball.dist(v, 1.0).mu.ndim == 1
