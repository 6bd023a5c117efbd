"""What is said of runs that went wrong, against ArviZ's numbers; silence where all is well."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import probgraph as pg
from probgraph.diagnostics import Coordinates, convergence, diagnose
from probgraph.inference_data import build
from probgraph.samplers import Trace
from probgraph.samplers.metric import identity

X = [Coordinates("a", 0, 1, ()), Coordinates("theta", 1, 5, (2, 2))]


def trace_of(draws, **stats):
    chains, count, dim = draws.shape
    none = np.zeros((chains, count), bool)
    return Trace(
        draws=draws,
        stats={"diverging": none, "reached_max_treedepth": none, **stats},
        step_size=np.ones(chains),
        metric=(identity(dim),) * chains,
        chains=np.arange(chains),
        interrupted=False,
        seconds=1.0,
        seconds_tuning=np.ones(chains),
        seconds_sampling=np.ones(chains),
        gradients=1,
        gradients_tuning=1,
    )


def good(chains=4, count=1000, dim=5):
    return np.random.default_rng(1).normal(size=(chains, count, dim))


def walk(draws, part=0.97):
    """An autoregression made of independent draws."""
    x = draws.copy()
    for t in range(1, x.shape[1]):
        x[:, t] = part * x[:, t - 1] + np.sqrt(1 - part**2) * draws[:, t]
    return x


def test_the_numbers_are_arvizs():
    az = pytest.importorskip("arviz")
    draws = good()
    draws[1, :, 4] *= 2  # a chain that is wider: only folded ranks tell
    draws[..., 1] = walk(draws[..., 1])
    draws[..., 2] = np.exp(3 * draws[..., 2])  # heavy tails
    draws[2, :, 3] = np.repeat(draws[2, ::10, 3], 10) + 0.4  # ties, and a chain apart
    found = convergence(draws)
    idata = build({"posterior": {"x": draws}})
    for ours, theirs, near in (
        (found.rhat, az.rhat(idata), 1e-4),
        (found.bulk, az.ess(idata, method="bulk"), 0.02),
        (found.tail, az.ess(idata, method="tail", prob=(0.05, 0.95)), 0.02),
    ):
        np.testing.assert_allclose(ours, np.asarray(theirs["x"]), rtol=near)


def test_nothing_is_said_of_a_good_run():
    trace = trace_of(good(), energy=good(dim=1)[..., 0])
    found = diagnose(trace, X, 10, 0.8)
    assert found.text == "" and found.attributes()["problems"] == ""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found.warn()
    assert found.numbers["max_rhat"] < 1.01 and found.numbers["min_ess_bulk"] > 3000


def test_chains_that_disagree_are_named_worst_first():
    draws = good()
    draws[0, :, 4] += 3
    draws[1, :, 0] += 0.5
    found = diagnose(trace_of(draws), X, 10, 0.8)
    assert set(found.problems) == {"rhat", "ess"}
    assert "R-hat is above 1.01 for theta[1, 1] (" in found.text and "), a (" in found.text
    assert "The chains" not in found.text and "Draw longer" in found.text
    assert found.attributes()["max_rhat_variable"] == "theta[1, 1]"
    assert found.attributes()["problems"] == "rhat, ess"
    with pytest.warns(
        UserWarning, match="^Of these draws there is to say:\n- R-hat.*\n- There are fewer than 400"
    ):
        found.warn()


def test_few_effective_draws_say_how_many_to_draw():
    draws = good()
    draws[..., 2] = walk(draws[..., 2], 0.9)
    found = diagnose(trace_of(draws[:, :500]), X, 10, 0.8)
    assert "fewer than 400 effective draws (100 a chain) for theta[0, 1] (" in found.problems["ess"]
    assert "times as many (draws=" in found.problems["ess"]
    assert found.numbers["min_ess_bulk_variable"] == "theta[0, 1]"


def test_divergences_say_where_they_start():
    draws = good()
    diverging = np.zeros(draws.shape[:2], bool)
    diverging[:, 1:] = draws[:, :-1, 0] < np.quantile(draws[..., 0], 0.02)
    halved = diagnose(trace_of(draws, diverging=diverging), X, 10, 0.8, halved=True).text
    assert "step='walnuts'" not in halved and "with a smaller max_error" in halved
    found = diagnose(trace_of(draws, diverging=diverging), X, 10, 0.8)
    assert "most starting with a low (half of them below its 1 % quantile): the sampler" in found.text
    assert "theta" not in found.text
    diverging = np.random.default_rng(3).random(draws.shape[:2]) < 0.01  # anywhere
    found = diagnose(trace_of(draws, diverging=diverging), X, 10, 0.8)
    assert "after tuning: the sampler" in found.text


def test_slow_energies_name_the_variable():
    draws = good()
    energy = walk(good(dim=1)[..., 0], 0.95)
    draws[..., 3] += energy
    found = diagnose(trace_of(draws, energy=energy), X, 10, 0.8)
    assert "below 0.3, in 4 chains: energies are explored slowly" in found.problems["energy"]
    assert "they go most with theta[1, 0]." in found.problems["energy"]
    assert found.numbers["min_ebfmi"] < 0.3


def test_short_and_single_chains_are_not_compared():
    assert diagnose(trace_of(good(count=99)), X, 10, 0.8).numbers.keys() == {
        "divergences",
        "reached_max_treedepth",
    }
    assert "max_rhat" not in diagnose(trace_of(good(chains=1)), X, 10, 0.8).numbers
    assert diagnose(trace_of(good(count=0)), X, 10, 0.8).text == ""


def test_a_chain_that_stands_still():
    draws = good()
    draws[..., 0] = np.arange(4)[:, None]
    found = diagnose(trace_of(draws), X, 10, 0.8)
    assert "R-hat is above 1.01 for a (inf)" in found.text


def test_sample_tells_of_the_funnel():
    with pg.Model():
        s = pg.Normal("s", 0, 3)
        pg.Normal("x", 0, pg.math.exp(s), shape=9)
        with pytest.warns(UserWarning, match="divergences among 4,000 draws after tuning"):
            result = pg.sample(1000, tune=300, target_accept=0.6, random_seed=1, progressbar=False)
    attrs = result["posterior"].attrs
    assert "divergences" in attrs["problems"].split(", ")
    assert attrs["divergences"] == int(result["sample_stats"]["diverging"].sum()) > 0
    assert attrs["max_rhat"] > 1.0 and attrs["min_ess_tail"] > 0 and attrs["min_ebfmi"] > 0


def test_angles_are_compared_as_angles():
    """Over R^n a chain may come to another turn than its neighbour; the angles are the same."""
    rng = np.random.default_rng(8)
    angles = 0.5 * rng.normal(size=(4, 400, 1))
    turns = 2 * np.pi * np.cumsum(rng.integers(-1, 2, size=(4, 400, 1)), axis=1)
    trace = trace_of(angles + turns)
    there, wound = Coordinates("vm", 0, 1, ()), Coordinates("vm", 0, 1, (), circular=True)
    assert diagnose(trace, [there], 10, 0.8).numbers["max_rhat"] > 1.05
    found = diagnose(trace, [wound], 10, 0.8)
    assert found.numbers["max_rhat"] < 1.01 and found.numbers["min_ess_bulk"] > 1000
    assert not found.problems


def test_a_lone_angle_is_not_complained_of():
    with pg.Model(), warnings.catch_warnings():
        warnings.simplefilter("error")
        pg.VonMises("vm", 0.0, 1.0)
        idata = pg.sample(1000, tune=500, random_seed=1, progressbar=False)
    assert idata.posterior.attrs["max_rhat"] < 1.01
