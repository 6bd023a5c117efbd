"""Discrete unknowns summed out: against sums over all cases by hand, and drawn again with the right probabilities."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.stats as st
from scipy.special import logsumexp

import probgraph as pm

RNG = np.random.default_rng(12)
Y = RNG.normal(size=4)


def switched():
    with pm.Model() as model:
        z = pm.Bernoulli("z", 0.3)
        mu = pm.Normal("mu", 0.0, 1.0)
        pm.Normal("y", pm.math.switch(z, mu, 2.0 - mu), 1.0, observed=Y)
    return model, lambda mu, z: st.norm.logpdf(Y, mu if z else 2 - mu).sum() + np.log(0.3 if z else 0.7)


def indexed():
    with pm.Model() as model:
        w = pm.math.as_tensor_variable(np.array([0.2, 0.5, 0.3]))
        mu = pm.Normal("mu", 0.0, 1.0)
        centres = pm.math.stack([mu, mu + 2.0, -mu])
        z = pm.Categorical("z", p=w, shape=4)
        pm.Normal("y", centres[z], 1.0, observed=Y)

    def density(mu, *z):
        centres = np.array([mu, mu + 2, -mu])
        return st.norm.logpdf(Y, centres[list(z)]).sum() + np.log([0.2, 0.5, 0.3])[list(z)].sum()

    return model, density


def chained():
    with pm.Model() as model:
        a = pm.Bernoulli("a", 0.4)
        b = pm.DiscreteUniform("b", 0, pm.math.as_tensor_variable(2))
        mu = pm.Normal("mu", 0.0, 1.0)
        c = pm.Bernoulli("c", pm.math.switch(a, 0.8, 0.1))
        pm.Normal("y", mu + a + 2 * b * c, 1.0, observed=Y)

    def density(mu, a, b, c):
        p = 0.8 if a else 0.1
        total = np.log(0.4 if a else 0.6) - np.log(3) + np.log(p if c else 1 - p)
        return total + st.norm.logpdf(Y, mu + a + 2 * b * c).sum()

    return model, density


def hidden_markov():
    move = np.array([[0.9, 0.1], [0.2, 0.8]])
    with pm.Model() as model:
        mu = pm.Normal("mu", 0.0, 1.0)
        z = pm.Categorical("z0", p=[0.5, 0.5])
        for t in range(4):
            z = z if t == 0 else pm.Categorical(f"z{t}", p=pm.math.constant(move)[z])
            pm.Normal(f"y{t}", mu + 2 * z, 1.0, observed=Y[t])

    def density(mu, *z):
        steps = sum(np.log(move[a, b]) for a, b in itertools.pairwise(z))
        return np.log(0.5) + steps + st.norm.logpdf(Y[:4], mu + 2 * np.array(z)).sum()

    return model, density


CASES = {
    "hidden Markov": (hidden_markov, [[0, 1]] * 4, ["z0", "z1", "z2", "z3"]),
    "switched": (switched, [[0, 1]], ["z"]),
    "indexed": (indexed, [range(3)] * 4, ["z"]),
    "chained": (chained, [[0, 1], range(3), [0, 1]], ["a", "b", "c"]),
}


@pytest.mark.parametrize("case", CASES)
def test_the_sum_is_that_over_all_cases(case):
    make, ranges, names = CASES[case]
    model, density = make()
    summed = pm.marginalize(model, names)
    logp, slope = summed.compile_logp(), summed.compile_dlogp()

    def exact(mu):
        return st.norm.logpdf(mu) + logsumexp([density(mu, *z) for z in itertools.product(*ranges)])

    for mu in (-1.3, 0.2, 40.0):
        assert logp({"mu": mu}) == pytest.approx(exact(mu), rel=1e-12)
        assert slope({"mu": mu})[0] == pytest.approx((exact(mu + 1e-5) - exact(mu - 1e-5)) / 2e-5, rel=1e-5)
    assert [v.name for v in summed.free_RVs] == ["mu"] and len(model.free_RVs) == 1 + len(names)


@pytest.mark.parametrize("case", CASES)
def test_what_was_summed_out_is_drawn_again(case):
    make, ranges, names = CASES[case]
    model, density = make()
    at = 0.7
    draws = {"mu": np.full((1, 20_000), at)}
    with pm.marginalize(model, names) as summed:
        got = pm.recover_marginals(draws, extend_inferencedata=False, random_seed=1)
    cases = list(itertools.product(*ranges))
    weights = np.array([density(at, *z) for z in cases])
    weights = np.exp(weights - logsumexp(weights))
    columns = [got[n].values.reshape(20_000, -1) for n in names]
    together = [tuple(row) for row in np.concatenate(columns, axis=1).astype(int)]
    seen = np.array([together.count(z) for z in cases])
    likely = weights * 20_000 > 5
    assert seen[~likely].sum() < 20_000 * weights[~likely].sum() + 40
    observed = np.append(seen[likely], seen[~likely].sum() + 1e-9)
    expected = np.append(weights[likely], weights[~likely].sum() + 1e-12) * observed.sum()
    keep = expected > 1
    assert (
        st.chisquare(observed[keep], expected[keep] * observed[keep].sum() / expected[keep].sum()).pvalue
        > 1e-3
    )
    lp = got[f"lp_{names[-1]}"].values
    np.testing.assert_allclose(logsumexp(lp, axis=-1), 0, atol=1e-12)
    assert summed.marginals


COAL = [
    4, 5, 4, 0, 1, 4, 3, 4, 0, 6, 3, 3, 4, 0, 2, 6, 3, 3, 5, 4, 5, 3, 1, 4, 4, 1, 5, 5, 3, 4, 2, 5, 2, 2, 3, 4, 2, 1, 3,
    2, 2, 1, 1, 1, 1, 3, 0, 0, 1, 0, 1, 1, 0, 0, 3, 1, 0, 3, 2, 2, 0, 1, 1, 1, 0, 1, 0, 1, 0, 0, 0, 2, 1, 0, 0, 0, 1, 1,
    0, 2, 3, 3, 1, 1, 2, 1, 1, 1, 1, 2, 4, 2, 0, 0, 1, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1,
]  # fmt: skip


def test_the_coal_mines_change_when_they_did(capsys):
    """Jarrett, "A note on the intervals between coal-mining disasters" (Biometrika 1979)."""
    years = np.arange(1851, 1962)
    counts = np.array(COAL)
    with pm.Model() as model:
        change = pm.DiscreteUniform("change", lower=1851, upper=1961)
        early, late = pm.Exponential("early", 1.0), pm.Exponential("late", 1.0)
        rate = pm.Deterministic("rate", pm.math.switch(change >= years, early, late))
        pm.Poisson("disasters", rate, observed=counts)
        idata = pm.sample(1000, tune=1000, chains=2, random_seed=1)
    assert "Summing out change" in capsys.readouterr().err
    post = idata["posterior"]
    # Given the change the rates are gamma distributed, and can be integrated: the change's exact posterior.
    first = np.cumsum(counts)
    last, n = first[-1] - first, np.arange(1, 112)
    from scipy.special import gammaln

    logp = (
        gammaln(first + 1)
        - (first + 1) * np.log(n + 1)
        + gammaln(last + 1)
        - (last + 1) * np.log(111 - n + 1)
    )
    weight = np.exp(logp - logsumexp(logp))
    mean = (weight * years).sum()
    sd = np.sqrt((weight * (years - mean) ** 2).sum())
    assert abs(post["change"].values.mean() - mean) < 5 * sd / np.sqrt(800)
    assert abs(post["early"].values.mean() - (weight * (first + 1) / (n + 1)).sum()) < 0.05
    assert post["change"].dtype == "int64" and post["rate"].shape == (2, 1000, 111)
    chosen = post["change"].values[..., None] >= years
    expected = np.where(chosen, post["early"].values[..., None], post["late"].values[..., None])
    np.testing.assert_allclose(post["rate"].values, expected)
    with model:
        more = pm.sample_posterior_predictive(idata, random_seed=1, progressbar=False)
    assert abs(more["posterior_predictive"]["disasters"].values.mean() - counts.mean()) < 0.15


def test_a_mixture_by_labels_is_the_mixture():
    data = np.concatenate([RNG.normal(-2, 1, 40), RNG.normal(3, 1, 80)])

    def model_of(labels):
        with pm.Model() as model:
            w = pm.Dirichlet("w", [1.0, 1.0])
            mu = pm.Normal("mu", [-1.0, 1.0], 5.0, shape=2)
            if labels:
                z = pm.Categorical("z", p=w, shape=len(data))
                pm.Normal("y", mu[z], 1.0, observed=data)
            else:
                pm.NormalMixture("y", w, mu, 1.0, observed=data)
        return model

    summed, direct = pm.marginalize(model_of(True), "z"), model_of(False)
    at = {"w_simplex__": np.array([0.3]), "mu": np.array([-1.0, 2.0])}
    assert summed.compile_logp()(at) == pytest.approx(direct.compile_logp()(at), rel=1e-12)
    # element by element it is the likelihood of each observation
    with summed:
        idata = pm.sample(
            50, tune=200, chains=1, random_seed=1, progressbar=False, idata_kwargs={"log_likelihood": True}
        )
    assert idata["log_likelihood"]["y"].shape == (1, 50, 120) and idata["posterior"]["z"].shape == (
        1,
        50,
        120,
    )


def test_only_what_is_asked_for_is_kept():
    model, _ = switched()
    with model:
        arrays = pm.sample(
            10, tune=20, chains=1, random_seed=1, progressbar=False, return_inferencedata=False
        )
        idata = pm.sample(10, tune=20, chains=1, random_seed=1, progressbar=False, var_names=["z"])
        with pytest.raises(KeyError, match="var_names: 'q' is no free variable or Deterministic; those are"):
            pm.sample(10, tune=20, chains=1, random_seed=1, progressbar=False, var_names=["q"])
    assert sorted(arrays) == ["mu", "z"] and list(idata["posterior"].data_vars) == ["z"]
    np.testing.assert_array_equal(idata["posterior"]["z"].values, arrays["z"])


def test_what_cannot_be_summed_out_says_why():
    with pm.Model() as model:
        k = pm.Poisson("k", 3.0)
        pm.Normal("y", k, 1.0, observed=2.0)
        with pytest.raises(NotImplementedError, match="k cannot be summed out: k has no fixed, finite set"):
            pm.marginalize(model, ["k"])
        with pytest.raises(ValueError, match="marginalize: 'q' is no free variable of the model"):
            pm.marginalize(model, "q")
        with pytest.raises(ValueError, match="recover_marginals: nothing was summed out of the model"):
            pm.recover_marginals({"k": np.zeros((1, 2))})
    with pm.Model() as model:
        z = pm.Bernoulli("z", 0.5, shape=3)
        x = pm.Normal("x")
        pm.Normal("y", z.sum() + x, 1.0, observed=2.0)
        with pytest.raises(NotImplementedError, match="an element of y depends on several elements of z"):
            pm.marginalize(model, "z")


def test_a_chain_inside_of_one_vector_says_how_to_write_it():
    with pm.Model() as model:
        z = pm.Categorical("z", p=[0.5, 0.5], shape=4)
        move = pm.math.constant(np.log([[0.9, 0.1], [0.2, 0.8]]))
        pm.Potential("chain", move[z[:-1], z[1:]].sum())
    with pytest.raises(
        NotImplementedError, match=r"element of chain depends on several elements of z.*a variable each"
    ):
        pm.marginalize(model, "z")
