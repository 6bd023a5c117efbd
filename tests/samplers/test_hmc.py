"""Hamiltonian Monte Carlo of a fixed length, and with a single step."""

import arviz as az
import numpy as np
import pytest
from densities import compiled, compiled_normal, funnel

import probgraph as pg
from probgraph.samplers import LogDensity, Path, sample_chains
from probgraph.samplers.compiled_nuts import CompiledNuts
from probgraph.samplers.nuts import STATISTICS
from probgraph.samplers.python_nuts import PythonNuts

PATHS = {"hmc": Path(1.5, 0.5), "mala": Path(1e-300, max_steps=1)}


@pytest.mark.parametrize("path", [*PATHS.values(), Path(5.0, 0.2, 4)], ids=[*PATHS, "few steps"])
def test_the_kernels_make_the_same_chain(path):
    results = []
    for kernel in (CompiledNuts, PythonNuts):
        chain = kernel(
            LogDensity.from_python(funnel, 3), np.array([0.5, 0.1, -0.2]), np.random.PCG64(3), path=path
        )
        draws, statistics = np.empty((100, 3)), np.zeros(100, STATISTICS)
        assert chain.run(0.7, draws, statistics) == 100
        results.append((draws, statistics))
    (q, of_q), (p, of_p) = results
    np.testing.assert_allclose(q, p, rtol=1e-6, atol=1e-6)
    for field in STATISTICS.names:
        np.testing.assert_allclose(of_q[field], of_p[field], rtol=1e-6, atol=1e-6, err_msg=field)
    assert 0 < (of_q["index_in_trajectory"] == 0).sum() < 100, "some are refused"


def test_lengths_vary_as_said():
    chain = CompiledNuts(compiled_normal([1.0]), np.zeros(1), np.random.PCG64(1), path=Path(2.0, 0.5))
    draws, statistics = np.empty((4000, 1)), np.zeros(4000, STATISTICS)
    chain.run(0.1, draws, statistics)
    steps = statistics["n_steps"]
    assert steps.min() in (10, 11) and steps.max() == 30 and abs(steps.mean() - 20.5) < 0.4
    counts = np.bincount(steps)[11:31]
    assert counts.min() > 120, "all lengths alike"


@pytest.mark.parametrize("name", PATHS)
def test_posterior_of_a_correlated_normal(name):
    covariance = np.array([[1.0, 0.6, 0.0], [0.6, 1.0, 0.3], [0.0, 0.3, 4.0]])
    mean = np.array([3.0, -1.0, 0.5])
    precision = np.linalg.inv(covariance)
    rows = "{" + ", ".join("{" + ", ".join(map(repr, map(float, row))) + "}" for row in precision) + "}"
    means = "{" + ", ".join(map(repr, map(float, mean))) + "}"
    body = (
        f"const double P[3][3] = {rows}, m[3] = {means}; double sum = 0;"
        "for (long i = 0; i < n; i++) { grad[i] = 0; for (long j = 0; j < n; j++) grad[i] -= P[i][j] * (q[j] - m[j]);"
        "sum += 0.5 * (q[i] - m[i]) * grad[i]; } *logp = sum; return 0;"
    )
    starts = np.random.default_rng(0).uniform(-1, 1, (4, 3))
    accept = 0.8 if name == "hmc" else 0.574
    trace = sample_chains(
        compiled(body, 3),
        starts,
        draws=5000,
        path=PATHS[name],
        target_accept=accept,
        random_seed=1,
        progressbar=False,
    )
    assert abs(trace.stats["acceptance_rate"].mean() - accept) < 0.1
    sizes = np.array([float(az.ess(trace.draws[..., k])) for k in range(3)])
    assert sizes.min() > 1000
    scales = np.sqrt(np.diag(covariance))
    assert (np.abs(trace.draws.mean((0, 1)) - mean) < 4 * scales / np.sqrt(sizes)).all()
    np.testing.assert_allclose(
        np.cov(trace.draws.reshape(-1, 3).T) / np.outer(scales, scales),
        covariance / np.outer(scales, scales),
        atol=0.08,
    )


@pytest.mark.parametrize(
    "step, name",
    [("hmc", "HMC"), (pg.MALA(), "MALA"), (pg.HamiltonianMC(path_length=1.0, jitter=0.2), "HMC")],
)
def test_in_a_model(step, name, tmp_path):
    with pg.Model():
        pg.Normal("x", 3.0, 0.1)
        settings = {"tune": 300, "chains": 2, "random_seed": 1, "progressbar": False}
        result = pg.sample(1000, step=step, store=tmp_path / "run", **settings)
        again = pg.sample(resume=tmp_path / "run", progressbar=False)
    assert result.posterior.attrs["sampler"] == again.posterior.attrs["sampler"] == name
    np.testing.assert_array_equal(result.posterior["x"].values, again.posterior["x"].values)
    assert abs(float(result.posterior["x"].mean()) - 3) < 0.03
    assert 0.45 < float(result.sample_stats["acceptance_rate"].mean()) < 0.99


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"path_length": 0.0}, "path_length is 0.0; it must be positive"),
        ({"jitter": 1.0}, "jitter is 1.0; it must be at least 0 and below 1"),
        ({"max_steps": 0}, "max_steps is 0; it must be at least 1"),
    ],
)
def test_bad_settings(wrong, message):
    with pytest.raises(ValueError, match=message):
        pg.HamiltonianMC(**wrong)
