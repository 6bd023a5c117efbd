"""Step methods without gradients: exact answers, what is assigned to what, and what is refused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.special as special
import scipy.stats as st

import probgraph as pm
from probgraph.assignment import assigned, with_discrete
from probgraph.engine import as_op
from probgraph.engine.tensor import dscalar
from probgraph.engine.toolchain import find_compiler

pytestmark = pytest.mark.skipif(find_compiler() is None, reason="step methods need a C compiler")

OPTIONS = {"progressbar": False, "random_seed": 20, "chains": 4}


def values(idata, name):
    return idata["posterior"][name].values


def close(found, truth, ess, sd, sigmas=4.5):
    """Whether a mean of draws is the truth, by its own error."""
    assert abs(found - truth) < sigmas * sd / np.sqrt(ess), (found, truth)


# ------------------------------------------------------------------------------------ exact answers


def number_and_probability():
    """How many were there, of whom three were seen? No finite set of values, so nothing to sum over."""
    with pm.Model() as model:
        n = pm.Poisson("n", 5.0)
        p = pm.Beta("p", 2.0, 2.0)
        pm.Binomial("seen", n=n, p=p, observed=3)
    numbers = np.arange(3, 80)
    weights = (
        st.poisson.logpmf(numbers, 5) + np.log(special.comb(numbers, 3)) + special.betaln(5, numbers - 1)
    )
    weights = special.softmax(weights)
    return model, (weights * numbers).sum(), (weights * 5 / (4 + numbers)).sum()


@pytest.mark.parametrize(
    "step", [None, "metropolis and nuts", pm.Metropolis, "metropolis and slice", "with other proposals"]
)
def test_a_number_that_cannot_be_summed_out(step):
    model, mean_n, mean_p = number_and_probability()
    steps = {
        "metropolis and nuts": [pm.Metropolis(["n"], scaling=2.0), pm.NUTS(["p"])],
        "metropolis and slice": [pm.Metropolis(model["n"]), pm.Slice(model["p"])],
        "with other proposals": pm.CompoundStep(
            [
                pm.Metropolis("n", proposal_dist=pm.LaplaceProposal),
                pm.Metropolis("p", proposal_dist=pm.CauchyProposal()),
            ]
        ),
    }
    with model:
        idata = pm.sample(8000, tune=1000, step=steps.get(step, step), **OPTIONS)
    n, p = values(idata, "n"), values(idata, "p")
    assert n.dtype == np.int64
    ess = float(pm.ess(idata)["n"])
    close(n.mean(), mean_n, ess, n.std())
    close(p.mean(), mean_p, float(pm.ess(idata)["p"]), p.std())


def ising(coupling=0.4):
    """Five spins in a row, each measured badly: they depend on each other, and are not summed out."""
    with pm.Model() as model:
        z = pm.Bernoulli("z", 0.5, shape=5)
        pm.Potential("neighbours", coupling * ((2 * z[1:] - 1) * (2 * z[:-1] - 1)).sum())
        pm.Normal("y", z, 1.0, observed=[1.4, 0.2, 0.9, -0.3, 0.6])
    states = np.array(list(itertools.product([0, 1], repeat=5)))
    spins = 2 * states - 1
    logp = coupling * (spins[:, 1:] * spins[:, :-1]).sum(1)
    logp = logp + st.norm(states, 1).logpdf([1.4, 0.2, 0.9, -0.3, 0.6]).sum(1)
    return model, special.softmax(logp) @ states


@pytest.mark.parametrize(
    "step",
    [
        None,
        pm.BinaryGibbsMetropolis(transit_p=1.0),
        pm.BinaryMetropolis,
        pm.CategoricalGibbsMetropolis(),
        pm.CategoricalGibbsMetropolis(proposal="proportional"),
        pm.Metropolis(),
    ],
    ids=str,
)
def test_spins_against_the_sum_over_all_states(step):
    model, truth = ising()
    with model:
        idata = pm.sample(5000, tune=500, step=step, **OPTIONS)
    ess = pm.ess(idata)["z"].values
    for k in range(5):
        close(values(idata, "z")[..., k].mean(), truth[k], ess[k], 0.5)


@pytest.mark.parametrize("proposal", ["uniform", "proportional"])
def test_categories_far_apart_in_probability(proposal):
    """Of which one has no probability at all, and another so little that its weight is no number."""
    logits = np.array([0.0, 2.0, -np.inf, -800.0, 1.0])
    with pm.Model():
        z = pm.Categorical("z", np.full(5, 0.2))
        pm.Potential("weights", pm.math.constant(logits)[z])
        idata = pm.sample(
            8000,
            tune=100,
            step=pm.CategoricalGibbsMetropolis(proposal=proposal),
            initvals={"z": 3},
            **OPTIONS,
        )
    found = np.bincount(values(idata, "z").ravel(), minlength=5) / values(idata, "z").size
    np.testing.assert_allclose(found, special.softmax(logits), atol=0.02)


@pytest.mark.parametrize(
    "step",
    [pm.DEMetropolisZ(), pm.Slice(), pm.Metropolis(tune_interval=50), pm.DEMetropolisZ(lamb=1.0, tune=None)],
    ids=str,
)
def test_a_correlated_normal(step):
    covariance = np.array([[1.0, 0.8], [0.8, 2.0]])
    with pm.Model():
        pm.MvNormal("x", [1.0, -1.0], cov=covariance)
        idata = pm.sample(20_000, tune=2000, step=step, **OPTIONS)
    x = values(idata, "x").reshape(-1, 2)
    ess = pm.ess(idata)["x"].values.min()
    assert ess > 200
    for k, mean in enumerate((1.0, -1.0)):
        close(x[:, k].mean(), mean, ess, np.sqrt(covariance[k, k]))
    np.testing.assert_allclose(np.cov(x.T), covariance, atol=6 * 2 / np.sqrt(ess))


def test_bounded_variables_and_many_elements():
    with pm.Model():
        pm.Uniform("u", 0, 1, shape=(2, 3))
        pm.Dirichlet("d", [1.0, 2.0, 3.0])
        idata = pm.sample(10_000, tune=1000, step=pm.Slice(), **OPTIONS)
    assert values(idata, "u").shape == (4, 10_000, 2, 3)
    for element in values(idata, "u").reshape(-1, 6).T:
        assert st.kstest(element[::20], "uniform").pvalue > 1e-4
    np.testing.assert_allclose(values(idata, "d").mean((0, 1)), np.array([1, 2, 3]) / 6, atol=0.01)


# ------------------------------------------------------------------------------------ running


def test_the_same_seed_gives_the_same_draws_on_any_number_of_cores():
    model, *_ = number_and_probability()
    runs = []
    for cores in (1, 2):
        with model:
            idata = pm.sample(300, tune=300, cores=cores, **OPTIONS)
        runs.append((values(idata, "n"), values(idata, "p")))
    for a, b in zip(*runs, strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_is_left_is_assigned_and_said(capsys):
    with pm.Model() as model:
        b = pm.Bernoulli("b", 0.3, shape=2)
        c = pm.Categorical("c", [0.2, 0.3, 0.5])
        k = pm.Poisson("k", 2.0)
        m = pm.DiscreteUniform("m", 0, 500)
        x = pm.Normal("x", b.sum() + c + k + m, 1.0)
        pm.Normal("y", x, 1.0, observed=3.0)
    found = with_discrete(assigned(model, None), model)
    by_name = {name: method.name for method, names in found.methods for name in names}
    assert by_name == {
        "b": "BinaryGibbsMetropolis",
        "c": "CategoricalGibbsMetropolis",
        "k": "Metropolis",
        "m": "Metropolis",
    }
    with model:
        idata = pm.sample(50, tune=50, chains=2, random_seed=1, progressbar=True, step=pm.Metropolis([k]))
    said = capsys.readouterr().err
    assert (
        "Steps: NUTS: x; Metropolis: k; BinaryGibbsMetropolis: b; CategoricalGibbsMetropolis: c; Metropolis: m"
        in said
    )
    assert 0 <= idata.attrs["acceptance of Metropolis(k)"] <= 1
    assert "min_ebfmi" not in idata.attrs


def test_summing_out_is_preferred_and_a_given_step_prevents_it(capsys):
    with pm.Model():
        z = pm.Bernoulli("z", 0.3)
        pm.Normal("x", z, 1.0)
        summed = pm.sample(2000, **OPTIONS)
        kept = pm.sample(2000, step=[pm.BinaryGibbsMetropolis([z])], **OPTIONS)
    for idata in (summed, kept):
        assert abs(values(idata, "z").mean() - 0.3) < 0.05 and abs(values(idata, "x").mean() - 0.3) < 0.1
    assert "acceptance of BinaryGibbsMetropolis(z)" in kept.attrs


def test_densities_without_a_gradient_are_sliced(capsys):
    @as_op([dscalar], [dscalar])
    def plain(x):
        return -0.5 * np.asarray(x) ** 2

    with pm.Model():
        x = pm.Flat("x")
        pm.Normal("z", 0, 1)
        pm.Potential("density", plain(x))
        with pytest.warns(UserWarning):
            idata = pm.sample(500, tune=100, chains=2, random_seed=3, progressbar=False)
    assert "Without gradients: NUTS: z; Slice: x" in capsys.readouterr().err
    assert abs(values(idata, "x").std() - 1) < 0.15


@pytest.mark.parametrize("init", ["pathfinder", "map"])
def test_whole_numbers_stay_whole_whatever_the_start(init):
    with pm.Model():
        z = pm.Bernoulli("z", 0.4, shape=4)
        pm.Normal("x", z.sum(), 1.0)
        idata = pm.sample(2000, tune=200, init=init, step=[pm.BinaryGibbsMetropolis([z])], **OPTIONS)
    assert set(np.unique(values(idata, "z"))) == {0, 1}
    assert abs(values(idata, "z").mean() - 0.4) < 0.05


def test_other_groups_follow():
    model, *_ = number_and_probability()
    with model:
        idata = pm.sample(
            100, tune=100, idata_kwargs={"log_likelihood": True}, discard_tuned_samples=False, **OPTIONS
        )
        predictive = pm.sample_posterior_predictive(idata, progressbar=False, random_seed=1)
    assert idata["log_likelihood"]["seen"].shape[:2] == (4, 100)
    assert idata["warmup_posterior"]["n"].shape == (4, 100)
    assert predictive["posterior_predictive"]["seen"].shape[:2] == (4, 100)


def test_chains_elsewhere(tmp_path):
    from concurrent.futures import ProcessPoolExecutor

    model, *_ = number_and_probability()
    with model:
        here = pm.sample(100, tune=100, chains=2, random_seed=5, progressbar=False)
        with ProcessPoolExecutor(1) as pool:
            there = pm.sample(100, tune=100, chains=2, random_seed=5, progressbar=False, executor=pool)
    np.testing.assert_array_equal(values(here, "n"), values(there, "n"))
    np.testing.assert_array_equal(values(here, "p"), values(there, "p"))


# ------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda m: pm.Metropolis(scaling=0.0), ValueError, "Metropolis: scaling is 0.0; it must be positive"),
        (
            lambda m: pm.Metropolis(proposal_dist=3),
            ValueError,
            "it must be one of NormalProposal, UniformProposal",
        ),
        (
            lambda m: pm.Metropolis(["x"], S=[1.0, 2.0]),
            ValueError,
            "S is .*; it must be 1 positive scales, one for each element of x",
        ),
        (lambda m: pm.Slice(w=-1.0), ValueError, "Slice: w is -1.0; it must be positive"),
        (lambda m: pm.Slice(iter_limit=0), ValueError, "iter_limit is 0; it must be at least 1"),
        (lambda m: pm.Slice(["z"]), ValueError, "Slice: z is discrete; use Metropolis"),
        (lambda m: pm.DEMetropolisZ(["x", "z"]), ValueError, "DEMetropolisZ: z is discrete"),
        (
            lambda m: pm.DEMetropolisZ(tune="scaling"),
            ValueError,
            "tune is 'scaling'; it must be 'lambda' or None",
        ),
        (lambda m: pm.DEMetropolis(), NotImplementedError, "use DEMetropolisZ"),
        (lambda m: pm.BinaryGibbsMetropolis(["k"]), ValueError, "k is not 0 or 1; use Metropolis"),
        (lambda m: pm.BinaryGibbsMetropolis(transit_p=2), ValueError, "transit_p is 2; it must be above 0"),
        (lambda m: pm.CategoricalGibbsMetropolis(["k"]), ValueError, "k is not one of the categories"),
        (lambda m: pm.CategoricalGibbsMetropolis(proposal="all"), ValueError, "'uniform' or 'proportional'"),
        (
            lambda m: pm.Metropolis(["nobody"]),
            ValueError,
            "vars is to have 'nobody', which is no free variable of the model; those are x, z, k",
        ),
        (
            lambda m: [pm.Metropolis(["z"]), pm.Slice(["z"])],
            ValueError,
            "z is given to Metropolis and to Slice",
        ),
        (lambda m: [pm.NUTS(["z"])], ValueError, "NUTS: z: discrete, and without gradients; use Metropolis"),
        (lambda m: [pm.NUTS(), pm.HamiltonianMC()], NotImplementedError, "step has 2 steps with gradients"),
        (lambda m: pm.NUTS(0.9), TypeError, "NUTS: vars is 0.9; it must be a variable, its name, or a list"),
        (lambda m: [3], TypeError, "step is 3; it must be one of"),
    ],
)
def test_bad_steps(make, error, text):
    with pm.Model() as model:
        pm.Normal("x", 0, 1)
        pm.Bernoulli("z", 0.5)
        pm.Poisson("k", 1.0)
        with pytest.raises(error, match=text):
            pm.sample(10, tune=10, step=make(model), progressbar=False)


def test_a_slice_without_an_end():
    with pm.Model():
        pm.Flat("x")
        with pytest.raises(
            ValueError,
            match=r"Slice\(x\): no end of the slice was found in 50 evaluations; is the density flat",
        ):
            pm.sample(10, tune=10, step=pm.Slice(iter_limit=50), progressbar=False)


# ---------------------------------------------------------------------------------- stored and resumed


def chosen_by_itself():
    """A number that cannot be summed out: moved by Metropolis, beside trajectories."""
    model, *_ = number_and_probability()
    return model, None


def summed_out_beside_a_method():
    with pm.Model() as model:
        z = pm.Bernoulli("z", 0.3)
        x = pm.Normal("x", z, 1.0)
        pm.Normal("w", x, 1.0)
    return model, [pm.Slice([x], w=np.int64(2), iter_limit=np.int64(1000)), pm.NUTS()]


def not_summed_out_for_it_has_a_method():
    with pm.Model() as model:
        z, b = pm.Bernoulli("z", 0.3), pm.Bernoulli("b", 0.2)
        pm.Normal("x", z + b, 1.0)
    return model, [pm.BinaryGibbsMetropolis([z])]


def without_a_gradient():
    @as_op([dscalar], [dscalar])
    def plain(x):
        return -0.5 * np.asarray(x) ** 2

    with pm.Model() as model:
        x = pm.Flat("x")
        pm.Normal("z", 0, 1)
        pm.Potential("density", plain(x))
    return model, None


@pytest.mark.filterwarnings("ignore:The model runs in NumPy")
@pytest.mark.parametrize(
    "make",
    [
        chosen_by_itself,
        summed_out_beside_a_method,
        not_summed_out_for_it_has_a_method,
        without_a_gradient,
    ],
)
def test_a_stored_run_knows_its_steps(make, tmp_path):
    """Resuming needs the model alone, and goes on with the steps that there were; how runs end is in
    test_interruptions.py."""
    model, step = make()
    settings = {"tune": 150, "chains": np.int64(2), "random_seed": 3, "progressbar": False}
    plain = pm.sample(300, step=step, model=model, **settings)
    pm.sample(300, step=step, model=model, store=tmp_path / "run", **settings)
    (tmp_path / "run" / "chain_1" / "state.json").unlink()  # as if that chain had never drawn
    resumed = pm.sample(resume=tmp_path / "run", model=model, progressbar=False)
    assert set(resumed.posterior.data_vars) == set(plain.posterior.data_vars)
    for name in plain.posterior.data_vars:
        np.testing.assert_array_equal(values(resumed, name), values(plain, name))
    of_methods = {name for name in plain.posterior.attrs if name.startswith("acceptance of")}
    assert of_methods and all(
        resumed.posterior.attrs[name] == plain.posterior.attrs[name] for name in of_methods
    )
