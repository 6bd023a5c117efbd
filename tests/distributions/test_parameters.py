"""What a user may give a distribution, and what is said when it makes no sense."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import scipy.special
import scipy.stats as st

import probgraph as pg
from probgraph.distributions import (
    Bernoulli,
    Beta,
    Binomial,
    Distribution,
    Exponential,
    Gamma,
    HalfNormal,
    Normal,
    Uniform,
    draw,
    logp,
)
from probgraph.distributions.constraints import positive, real, unit
from probgraph.distributions.known_signs import certainly
from probgraph.engine.graph import Constant, MissingInputError, Variable, toposort
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.types import TensorType


def scalar(name="v"):
    return Variable(TensorType("float64", ()), name)


def vector(name="v", length=None):
    return Variable(TensorType("float64", (length,)), name)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: Normal.dist(0, -1), ValueError, "Normal: sigma is -1; it must be positive"),
        (lambda: Normal.dist(0, [1, 2, -3.5]), ValueError, "sigma is -3.5 at index 2; it must be positive"),
        (lambda: Normal.dist(np.zeros((2, 2)), -np.eye(2)), ValueError, r"sigma is -1 at index \(0, 0\)"),
        (lambda: Normal.dist(0, tau=0), ValueError, "Normal: tau is 0; it must be positive"),
        (
            lambda: Normal.dist(sigma=1, tau=1),
            TypeError,
            r"takes \(mu, sigma\) or \(mu, tau\); given was sigma, tau",
        ),
        (lambda: Gamma.dist(1), TypeError, r"Gamma takes \(alpha, beta\) or \(mu, sigma\); given was alpha$"),
        (lambda: Gamma.dist(), TypeError, "given was nothing"),
        (
            lambda: Beta.dist(mu=0.5, sigma=0.6),
            ValueError,
            r"alpha is -0.15\d* \(computed from mu=0.5 and sigma=0.6\)",
        ),
        (
            lambda: Beta.dist(mu=1.0, nu=2),
            ValueError,
            "Beta: mu is 1; it must be between 0 and 1, both excluded",
        ),
        (lambda: Uniform.dist(2, 1), ValueError, "Uniform needs lower < upper, given lower=2, upper=1"),
        (lambda: Binomial.dist(n=2.5, p=0.5), ValueError, "n is 2.5; it must be an integer, at least 0"),
        (lambda: Bernoulli.dist(p=1.5), ValueError, "p is 1.5; it must be between 0 and 1"),
        (lambda: Bernoulli.dist(p=0.5, logit_p=0), TypeError, r"takes \(p\) or \(logit_p\)"),
        (
            lambda: Normal.dist(scale=1),
            TypeError,
            "unexpected keyword argument 'scale'; it takes mu, sigma, tau, shape",
        ),
        (lambda: Normal.dist(1, 2, 3), TypeError, "too many positional arguments; it takes mu, sigma"),
        (lambda: Normal.dist("a"), TypeError, "mu is 'a'; it must be a number, an array or a variable"),
        (
            lambda: Normal.dist([0, 1], shape=3),
            ValueError,
            r"mu has shape \(2,\), which does not broadcast to \(3,\)",
        ),
        (lambda: Normal.dist([0, 1], [1, 2, 3]), ValueError, "do not broadcast"),
        (lambda: Normal(0, 1), TypeError, r"a variable's name comes first, got 0.*Normal.dist\(...\)"),
        (
            lambda: Normal("x", 0, 1),
            TypeError,
            r'No model on context stack: Normal\("x", ...\) joins the model',
        ),
    ],
)
def test_errors_say_who_what_and_what_is_needed(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_constants_fold_so_the_graph_is_small():
    x = vector("x")
    names = [str(node.op) for node in toposort([Normal.dist(0, 2).density(x)])]
    assert sum("sqr" in n for n in names) == 1
    sigma = Normal.dist(0, tau=4).parameters["sigma"]
    assert isinstance(sigma, Constant) and sigma.data == 0.5
    assert isinstance(Gamma.dist(mu=2, sigma=1).parameters["alpha"], Constant)


def test_what_is_certain_is_not_checked():
    """A switch is only there where something could be wrong."""

    def switches(v):
        return sum(node.op == ew.switch for node in toposort([v]))

    x = scalar("x")
    assert switches(Normal.dist(0, ew.exp(x)).logp(1.0)) == 0
    assert switches(Normal.dist(0, x).logp(1.0)) == 1
    assert switches(HalfNormal.dist(1).logp([1.0, 2.0])) == 0
    assert switches(HalfNormal.dist(1).logp([-1.0, 2.0])) == 1
    assert switches(Bernoulli.dist(logit_p=x).logp([0, 1])) == 0
    assert switches(Normal.dist(0, Normal.dist(0, 1).logp(x)).logp(1.0)) == 2


@pytest.mark.parametrize(
    ("make", "constraint", "expected"),
    [
        (lambda x: ew.exp(x), positive, True),
        (lambda x: ew.exp(x)[0], positive, True),
        (lambda x: ew.exp(x)[np.array([0, 1])], positive, True),
        (lambda x: 1.0 / ew.exp(x), positive, True),
        (lambda x: ew.exp(x) * 2.0 + x * x, positive, False),
        (lambda x: ew.exp(x) * 2.0 + ew.sqr(x), positive, True),
        (lambda x: ew.exp(x) - 1.0, positive, False),
        (lambda x: ew.exp(x) * -1.0, positive, False),
        (lambda x: ew.sqrt(ew.exp(x) + 1.0), positive, True),
        (lambda x: ew.sqr(x), positive, False),
        (lambda x: ew.maximum(x, 1e-6), positive, True),
        (lambda x: ew.minimum(x, 1e-6), positive, False),
        (lambda x: ew.sigmoid(x), unit, True),
        (lambda x: 1.0 - ew.sigmoid(x), unit, True),
        (lambda x: ew.sigmoid(x) * 0.5, unit, True),
        (lambda x: ew.sigmoid(x) * 2.0, unit, False),
        (lambda x: ew.exp(x), unit, False),
        (lambda x: ew.switch(x > 0, ew.exp(x), 1.0), positive, True),
        (lambda x: ew.switch(x > 0, ew.exp(x), 0.0), positive, False),
        (lambda x: ew.log1p(ew.exp(x)), positive, True),
        (lambda x: ew.exp(x) ** 0.5, positive, True),
        (lambda x: x, positive, False),
        (lambda x: ew.exp(x), real, False),
    ],
)
def test_known_signs(make, constraint, expected):
    assert certainly(make(vector("x", 3)), constraint) is expected


def test_shapes_broadcast():
    dist = Normal.dist([0.0, 1.0, 2.0], [[1.0], [2.0]])
    assert dist.shape == (2, 3)
    assert dist.sample(random_seed=1).shape == (2, 3)
    assert dist.sample(4, random_seed=1).shape == (4, 2, 3)
    assert dist.sample((4, 5), random_seed=1).shape == (4, 5, 2, 3)
    assert Normal.dist(0, 1, shape=(2, 0)).sample(random_seed=1).shape == (2, 0)
    assert Normal.dist(0, 1, shape=1).shape == (1,)
    assert dist.logp(np.zeros((2, 3))).eval().shape == (2, 3)


def test_empty_arrays():
    assert Normal.dist(np.zeros(0), 1).logp(np.zeros(0)).eval().shape == (0,)
    assert Bernoulli.dist(np.zeros(0)).sample(3, random_seed=1).shape == (3, 0)


def test_draws_repeat_with_the_seed():
    dist = Gamma.dist(2, 3)
    np.testing.assert_array_equal(dist.sample(10, random_seed=5), dist.sample(10, random_seed=5))
    assert (dist.sample(10, random_seed=5) != dist.sample(10, random_seed=6)).all()
    np.testing.assert_array_equal(draw(dist, 10, random_seed=5), draw(dist, 10, random_seed=5))
    assert np.shape(draw(dist, random_seed=5)) == ()
    assert draw(dist, 7, random_seed=np.random.default_rng(1)).shape == (7,)


def test_draw_and_logp_refuse_what_they_cannot_take():
    with pytest.raises(TypeError, match="draw takes distributions and variables, got int"):
        draw(3)
    with pytest.raises(ValueError, match="draws is 0"):
        draw(Normal.dist(), draws=0)
    with pytest.raises(TypeError, match="logp takes a distribution or a random variable, got int"):
        logp(3, 0.0)


def test_parameters_are_attributes_and_print():
    dist = Normal.dist(mu=scalar("m"), sigma=2)
    assert dist.mu.name == "m" and dist.sigma.data == 2.0
    assert str(dist) == "Normal(mu=m, sigma=2)"
    assert str(Normal.dist(scalar("a") + 1, [1, 2])) == "Normal(mu=f(a), sigma=<2 constants>)"
    assert str(Exponential.dist(scale=3)) == "Exponential(scale=3)"


def test_signatures_are_pymcs():
    assert str(inspect.signature(Normal)).startswith("(name, mu=None, sigma=None, *, tau=None")
    assert str(inspect.signature(Exponential)).startswith("(name, lam=None, *, scale=None")
    assert str(inspect.signature(Beta)).startswith(
        "(name, alpha=None, beta=None, *, mu=None, sigma=None, nu=None"
    )


def test_a_bernoulli_of_a_sigmoid_keeps_its_digits():
    eta = scalar("eta")
    logp_p, logp_logit = Bernoulli.dist(ew.sigmoid(eta)).logp(0), Bernoulli.dist(logit_p=eta).logp(0)
    for value in (-745.0, -40.0, 0.0, 40.0, 745.0):
        expected = -np.logaddexp(0.0, value)
        assert logp_p.eval({eta: value}) == expected == logp_logit.eval({eta: value})


def test_a_new_distribution_is_one_class():
    class Laplace(Distribution):
        """exp(-|x - mu| / b) / 2b."""

        params = {"mu": real, "b": positive}
        support = real

        def density(self, x):
            return -ew.abs(x - self.mu) / self.b - ew.log(2.0 * self.b)

        def draw(self, rng, size, mu, b):
            return rng.laplace(mu, b, size)

    assert Laplace.dist(0, 1).logp(0.0).eval() == -np.log(2)
    assert Laplace.dist(0, 1).logp(np.nan).eval() == -np.inf
    with pytest.raises(ValueError, match="Laplace: b is 0; it must be positive"):
        Laplace.dist(0, 0)
    assert Laplace.dist(0, [1, 2]).sample(3, random_seed=1).shape == (3, 2)


def test_random_variables_are_drawn_with_what_they_depend_on():
    with pg.Model():
        mu = Normal("mu", 10, 0.1)
        sigma = HalfNormal("sigma", [1.0, 3.0])
        x = Normal("x", mu, sigma)
        total = x.sum() + mu
        k = Bernoulli("k", p=ew.sigmoid(mu - 10.0))
    drawn_mu, drawn_sigma, drawn_x, drawn_total, drawn_k = draw([mu, sigma, x, total, k], 500, random_seed=1)
    assert drawn_x.shape == (500, 2) and drawn_k.dtype == np.int64 and set(drawn_k) == {0, 1}
    np.testing.assert_allclose(drawn_total, drawn_x.sum(axis=1) + drawn_mu)
    z = (drawn_x - drawn_mu[:, None]) / drawn_sigma
    assert abs(z.mean()) < 0.2 and abs(z.std() - 1) < 0.1
    np.testing.assert_array_equal(draw(x, 500, random_seed=1), draw(x, 500, random_seed=1))
    assert draw(Normal.dist(x, 1), random_seed=1).shape == (2,)
    assert logp(x, 0.0).ndim == 1


def test_what_hangs_on_no_value_is_said():
    with pytest.raises(MissingInputError, match="needs the value of v"):
        draw(Normal.dist(scalar("v"), 1))


def test_parameters_may_be_lists_with_variables_inside():
    with pg.Model() as model:
        x = pg.Beta("x", 2, 3)
        pg.Categorical("k", p=[x, 1 - x], observed=[0, 1, 1])
        pg.MvNormal("v", [x, 1.0], cov=[[1.0, x / 2], [x / 2, 1.0]], observed=[[0.1, 0.2]])
        pg.Deterministic("pair", [x, 2 * x])
    at = 0.3
    found = model.point_logps({"x_logodds__": scipy.special.logit(at)}, round_vals=None)
    np.testing.assert_allclose(found["k"], np.log(at) + 2 * np.log(1 - at))
    cov = [[1.0, at / 2], [at / 2, 1.0]]
    np.testing.assert_allclose(found["v"], st.multivariate_normal.logpdf([0.1, 0.2], [at, 1.0], cov))
