"""The naive model is as right as the expert's: probabilities and means that are functions of a predictor are seen through."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from probgraph.distributions import Bernoulli, Binomial, Poisson
from probgraph.engine.autodiff import grad
from probgraph.engine.graph import toposort
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import reduce
from probgraph.engine.rewrite import run_passes
from probgraph.engine.rules import DECOMPOSE, FAST_RUN
from probgraph.engine.types import TensorType

ETA = TensorType("float64", (2,))("eta")
SHAPE = TensorType("float64", ())("log_shape")
ROWS = np.array([0, 1, 0])
POINTS = [0.3, -2.0, 40.0, -40.0, 800.0, -800.0]
LINKS = {
    "sigmoid": lambda eta: ew.sigmoid(eta)[ROWS],
    "written out": lambda eta: 1 / (1 + ew.exp(-eta[ROWS])),
    "of a complement": lambda eta: 1 - ew.sigmoid(-eta)[ROWS],
    "with a new axis": lambda eta: ew.sigmoid(eta[ROWS])[None],
}


def both(logp, wrt):
    return run_passes([logp, *grad(logp, wrt)], FAST_RUN)


def log_p(eta):
    return -mp.log1p(mp.exp(-eta))


def log_q(eta):
    return -mp.log1p(mp.exp(eta))


def checked(logp, truth):
    """Value and gradient against many digits, `truth` being a function of the two elements of eta."""
    value, slope = both(logp, [ETA])
    for a in POINTS:
        for b in (0.7, a):
            point = np.array([a, b])
            with mp.workdps(1000):
                exact = [mp.mpf(t) for t in point]
                expected = float(truth(*exact))
                slopes = [
                    float(mp.diff(truth, exact, order, h=mp.mpf(10) ** -300)) for order in ((1, 0), (0, 1))
                ]
            with np.errstate(all="ignore"):
                assert value.eval({ETA: point}) == pytest.approx(expected, rel=4e-15, abs=1e-300), point
                np.testing.assert_allclose(
                    slope.eval({ETA: point}), slopes, 4e-15, 1e-300, err_msg=str(point)
                )


@pytest.mark.parametrize("link", LINKS)
def test_bernoulli(link):
    data = np.array([1.0, 0.0, 0.0])
    logp = Bernoulli.dist(p=LINKS[link](ETA)).logp(data).sum()
    checked(logp, lambda a, b: log_p(a) + log_q(b) + log_q(a))
    names = [getattr(n.op, "name", "") for n in toposort(both(logp, [ETA])[:1])]
    assert names.count("softplus") <= 2 and "log" not in names and "log1p" not in names


def test_bernoulli_costs_one_exponential_an_observation():
    value, slope = both(
        Bernoulli.dist(p=LINKS["written out"](ETA)).logp(np.array([1.0, 0.0, 0.0])).sum(), [ETA]
    )
    names = [getattr(n.op, "name", "") for n in toposort(run_passes([value, slope], DECOMPOSE))]
    assert names.count("exp") == 1 and names.count("log1p") == 1


@pytest.mark.parametrize("link", LINKS)
def test_binomial(link):
    data, n = np.array([3.0, 0.0, 5.0]), 5.0
    binomials = sum(mp.log(mp.binomial(5, int(k))) for k in data)
    logp = Binomial.dist(n=n, p=LINKS[link](ETA)).logp(data).sum()

    def truth(a, b):
        return 3 * log_p(a) + 2 * log_q(a) + 5 * log_q(b) + 5 * log_p(a) + binomials

    checked(logp, truth)


@pytest.mark.parametrize("rate", [lambda eta: ew.exp(eta)[ROWS], lambda eta: 2.0 * ew.exp(eta[ROWS]) / 2.0])
def test_poisson(rate):
    data = np.array([3.0, 0.0, 1.0])
    logp = Poisson.dist(mu=rate(ETA)).logp(data).sum()
    value, slope = both(logp, [ETA])
    for point in ([0.3, -2.0], [-800.0, 3.0], [5.0, -800.0], [-745.5, -745.5]):
        with mp.workdps(50):
            a, b = map(mp.mpf, point)
            expected = float(4 * a - 2 * mp.exp(a) - mp.exp(b) - mp.log(6))
            slopes = [float(4 - 2 * mp.exp(a)), float(-mp.exp(b))]
        assert value.eval({ETA: np.array(point)}) == pytest.approx(expected, rel=4e-15)
        np.testing.assert_allclose(slope.eval({ETA: np.array(point)}), slopes, 4e-15, 1e-320)
    assert "log" not in [getattr(n.op, "name", "") for n in toposort([value])]


LOGITS = TensorType("float64", (3, 4))("logits")


@pytest.mark.parametrize(
    "logp",
    [
        lambda p, k: ew.log(p[np.arange(3), k]).sum(),
        lambda p, k: ew.log(p)[np.arange(3), k].sum(),
        lambda p, k: ew.xlogy(np.eye(4)[k], p).sum(),
    ],
    ids=["of the chosen", "chosen of all", "by indicators"],
)
def test_categorical_forms(logp):
    chosen = np.array([2, 0, 3])
    value, slope = both(logp(reduce.softmax(LOGITS, 1), chosen), [LOGITS])
    for scale in (1.0, 800.0):
        eta = scale * np.array([[0.3, -1.0, 1.0, 0.0], [-1.0, 0.5, 0.9, 1.0], [1.0, 1.0, -0.4, 0.99]])
        with mp.workdps(1000):
            tables = [[mp.exp(mp.mpf(t)) for t in row] for row in eta]
            expected = float(sum(mp.log(t[k] / sum(t)) for t, k in zip(tables, chosen, strict=True)))
            slopes = [
                [float((j == k) - t[j] / sum(t)) for j in range(4)]
                for t, k in zip(tables, chosen, strict=True)
            ]
        assert value.eval({LOGITS: eta}) == pytest.approx(expected, rel=4e-15)
        np.testing.assert_allclose(slope.eval({LOGITS: eta}), slopes, 1e-14, 1e-15)


def negative_binomial_forms():
    mu, alpha, x = ew.exp(ETA), ew.exp(SHAPE), np.array([3.0, 0.0])
    return {
        "by logarithms": ew.xlogy(x, mu / (mu + alpha)) + alpha * ew.log(alpha / (mu + alpha)),
        "by log1p": ew.xlogy(x, mu / (mu + alpha)) - alpha * ew.log1p(mu / alpha),
    }


@pytest.mark.parametrize("form", negative_binomial_forms())
def test_negative_binomial_forms(form):
    value, slope = both(negative_binomial_forms()[form].sum(), [ETA])

    def truth(a, b, s):
        def one(x, eta):
            return x * (eta - mp.log(mp.exp(eta) + mp.exp(s))) - mp.exp(s) * mp.log1p(mp.exp(eta - s))

        return one(3, a) + one(0, b)

    for point in ([0.3, -2.0], [800.0, 0.5], [-800.0, 1.0], [2.0, 800.0]):
        for s in (0.4, -3.0):
            with mp.workdps(1000):
                a, b, shape = mp.mpf(point[0]), mp.mpf(point[1]), mp.mpf(s)
                expected = float(truth(a, b, shape))
                slopes = [
                    float(mp.diff(truth, (a, b, shape), order, h=mp.mpf(10) ** -300))
                    for order in ((1, 0, 0), (0, 1, 0))
                ]
            given = {ETA: np.array(point), SHAPE: s}
            assert value.eval(given) == pytest.approx(expected, rel=1e-13)
            np.testing.assert_allclose(slope.eval(given), slopes, 1e-13, 1e-14)
