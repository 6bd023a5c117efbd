"""Metrics: estimates against what they estimate, and what they do to a chain."""

import numpy as np
import pytest
from densities import compiled_normal, funnel, normal

from probgraph.samplers import LogDensity, metric, sample_chains
from probgraph.samplers.adaptation import largest_spread, on_its_way
from probgraph.samplers.compiled_nuts import CompiledNuts
from probgraph.samplers.metric import Metric
from probgraph.samplers.metric_choice import ESTIMATES, added_by_draws, added_by_moments, better
from probgraph.samplers.nuts import STATISTICS
from probgraph.samplers.python_nuts import PythonNuts


def draws_of(covariance, n, seed=0):
    """Draws of a normal with mean 3, and the gradients there."""
    random = np.random.default_rng(seed)
    draws = random.multivariate_normal(np.full(len(covariance), 3.0), covariance, size=n)
    return draws, -(draws - 3.0) @ np.linalg.inv(covariance)


def fisher_divergence(m, draws, gradients):
    """The mean of |L' gradient + L^-1 (draw - mean)|², both centred."""
    x, g = (draws - draws.mean(0)) / m.scales, m.mix((gradients - gradients.mean(0)) * m.scales)
    return ((np.linalg.solve(m.mix(np.eye(m.dim)), x.T).T + g) ** 2).sum(axis=1).mean()


def inverse(m):
    """The inverse metric L L' as a matrix."""
    left = m.scales[:, None] * m.mix(np.eye(m.dim))
    return left @ left.T


def spiked(dim=40):
    """Scales from 1e-3 to 1e3, and two directions that no diagonal describes."""
    random = np.random.default_rng(5)
    directions = np.linalg.qr(random.normal(size=(dim, 2)))[0]
    core = np.eye(dim) + directions @ np.diag([50.0, -0.98]) @ directions.T
    scales = np.logspace(-3, 3, dim)
    return scales[:, None] * core * scales


def test_diagonal_is_the_root_of_variance_over_variance():
    draws, gradients = draws_of(np.diag([1e-4, 1.0, 1e6]), 12)
    found = metric.diagonal(draws, gradients, metric.identity(3))
    np.testing.assert_allclose(found.variances(), draws.std(0) / gradients.std(0))
    # Of independent normals it is the variance itself, after a handful of draws.
    np.testing.assert_allclose(found.variances(), [1e-4, 1.0, 1e6], rtol=1e-9)


def test_dense_is_the_covariance_of_a_normal():
    """Draws and gradients are each other's linear images, so that the geometric mean is exact, not an estimate."""
    covariance = spiked(6)
    draws, gradients = draws_of(covariance, 400)
    found = metric.dense(draws, gradients, metric.identity(6))
    assert found.kind == "dense"
    scale = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(
        inverse(found) / np.outer(scale, scale), covariance / np.outer(scale, scale), atol=1e-3
    )


@pytest.mark.parametrize("n", [15, 400])
def test_low_rank_finds_the_directions(n):
    """Both with fewer draws than dimensions and with more."""
    covariance = spiked()
    draws, gradients = draws_of(covariance, n)
    found = metric.low_rank(draws, gradients, metric.identity(40))
    assert found.kind == "low_rank" and 1 <= len(found.stretches) <= (40 if n < 40 else 9)
    np.testing.assert_allclose(found.vectors @ found.vectors.T, np.eye(len(found.stretches)), atol=1e-9)
    unseen = draws_of(covariance, 2000, seed=1)
    plain = metric.diagonal(draws, gradients, metric.identity(40))
    assert fisher_divergence(found, *unseen) < 0.7 * fisher_divergence(plain, *unseen)
    if n > 40:
        assert fisher_divergence(found, *unseen) < 6.0


def test_fisher_divergence_is_zero_for_the_right_metric_of_a_normal():
    covariance = spiked(5)
    draws, gradients = draws_of(covariance, 100)
    scale = np.sqrt(np.diag(covariance))
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    # L = diag(scale) S with S S' the correlations.
    right = Metric(scale, matrix=(vectors * np.sqrt(values)) @ vectors.T)
    assert fisher_divergence(right, draws, gradients) < 1e-6
    assert fisher_divergence(metric.identity(5), draws, gradients) > 1.0


@pytest.mark.parametrize("spread", [0.1, 0.3, 1.0])
def test_directions_are_not_missed_by_cholesky_factors(spread):
    random = np.random.default_rng(6)
    told = []
    for _ in range(100):
        a, b = (np.eye(4) + spread * random.normal(size=(4, 4)) for _ in "ab")
        values = metric.geometric_mean(a @ a.T, b @ b.T)[0]
        told.append(metric.certainly_within(2.0, a @ a.T, b @ b.T))
        assert not (told[-1] and metric.beyond(values, 2.0).any())
    assert any(told) == (spread < 1.0) and all(told) == (spread < 0.3)


def test_auto_takes_the_better_kind():
    before = metric.identity(40)
    assert better(*draws_of(spiked(), 100), before).kind == "low_rank"
    random = np.random.default_rng(3)
    # Student's t, independent: the diagonal is all there is to find, and low rank would only fit noise.
    draws = random.standard_t(3, size=(60, 10))
    gradients = -4 * draws / (3 + draws**2)
    assert better(draws, gradients, metric.identity(10)).kind == "diag"


@pytest.mark.parametrize("dim", [2, 6, 30])
@pytest.mark.parametrize("n", [10, 25, 100])
@pytest.mark.parametrize("shape", [1.0, 4.0, 1e9])
def test_the_choice_is_that_of_the_divergence(n, dim, shape):
    """Of draws whose gradients vary much, little and not beyond what a normal's do."""
    random = np.random.default_rng(n)
    draws = random.normal(size=(n, dim))
    gradients = -draws * random.gamma(shape, 1 / shape, size=(n, dim))
    before = metric.identity(dim)
    expected = metric.low_rank if added_by_draws(draws, gradients, before) < 0 else metric.diagonal
    np.testing.assert_array_equal(
        inverse(better(draws, gradients, before)), inverse(expected(draws, gradients, before))
    )


@pytest.mark.parametrize("n", [24, 41, 200])
def test_what_directions_add_is_a_difference_of_divergences(n):
    """By moments and by draws; of draws from a normal, and from one with independent tails of Student's."""
    random = np.random.default_rng(n)
    draws, gradients = draws_of(spiked(12), n)
    gradients = gradients * random.gamma(5.0, size=(n, 1))
    before, halves = metric.identity(12), (slice(0, n // 2), slice(n // 2, None))
    expected = sum(
        fisher_divergence(metric.low_rank(draws[a], gradients[a], before), draws[b], gradients[b])
        - fisher_divergence(metric.diagonal(draws[a], gradients[a], before), draws[b], gradients[b])
        for a, b in (halves, halves[::-1])
    )
    assert added_by_draws(draws, gradients, before) == pytest.approx(expected, rel=1e-6)
    assert added_by_moments(draws, gradients, before) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("estimate", ESTIMATES.values(), ids=list(ESTIMATES))
@pytest.mark.parametrize(
    "draws, gradients",
    [
        (np.zeros((0, 3)), np.zeros((0, 3))),
        (np.zeros((30, 3)), np.zeros((30, 3))),
        (np.full((30, 3), 1e200), np.full((30, 3), np.inf)),
        (
            np.random.default_rng(1).normal(size=(30, 3)) * 1e180,
            np.random.default_rng(2).normal(size=(30, 3)) * 1e180,
        ),
        (np.ones((1, 3)), np.ones((1, 3))),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_metrics_of_stuck_or_wild_chains_can_be_used(estimate, draws, gradients):
    found = estimate(draws, gradients, metric.of_variances(np.array([1.0, 2.0, 3.0])))
    assert np.isfinite(found.variances()).all() and (found.variances() > 0).all()


def test_the_first_metric_is_one_over_the_gradient():
    found = metric.of_gradient(np.array([1e3, -0.01, 0.0, np.inf, 1e300]))
    np.testing.assert_allclose(found.variances(), [1e-3, 100.0, 1.0, 1e-10, 1e-10])


METRICS = {
    "diag": Metric(np.array([0.5, 2.0, 3.0])),
    "low_rank": Metric(np.array([0.5, 2.0, 3.0]), np.array([[0.6, 0.0, 0.8]]), np.array([1.7])),
    # as many as are read together, and more
    "directions": Metric(
        np.linspace(0.5, 2.0, 7),
        np.linalg.qr(np.random.default_rng(3).normal(size=(7, 6)))[0].T,
        np.array([1.7, -0.6, 0.5, 2.0, -0.3, 0.9]),
    ),
    "dense": Metric(
        np.array([0.5, 2.0, 3.0]), matrix=np.array([[1.0, 0.3, 0.0], [0.3, 2.0, -0.2], [0.0, -0.2, 0.7]])
    ),
}


@pytest.mark.parametrize("kernel", [CompiledNuts, PythonNuts])
@pytest.mark.parametrize("max_error", [0.0, 0.05])
@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_a_change_of_coordinates(name, max_error, kernel):
    """A chain with inverse metric L L' on f(q) is the chain without metric on f(L z), seen through q = L z."""
    m = METRICS[name]
    dim = m.dim
    left = m.scales[:, None] * m.mix(np.eye(dim))
    covariance = np.eye(dim)
    covariance[:3, :3] = [[1.0, 0.5, 0.1], [0.5, 1.0, 0.2], [0.1, 0.2, 4.0]]
    function = normal(covariance, mean=1.0)

    def in_z(z):
        logp, grad = function(left @ z)
        return logp, left.T @ grad

    results = []
    for density, start, used in (
        (function, np.ones(dim), m),
        (in_z, np.linalg.solve(left, np.ones(dim)), None),
    ):
        chain = kernel(LogDensity.from_python(density, dim), start, np.random.PCG64(5), max_error=max_error)
        if used is not None:
            chain.set_metric(used)
        draws, statistics = np.empty((60, dim)), np.zeros(60, STATISTICS)
        assert chain.run(0.6, draws, statistics) == 60
        results.append((draws, statistics))
    (q, of_q), (z, of_z) = results
    np.testing.assert_allclose(q, z @ left.T, rtol=1e-6, atol=1e-6)
    for field in STATISTICS.names:
        np.testing.assert_allclose(of_q[field], of_z[field], rtol=1e-6, atol=1e-6, err_msg=field)
    longest = 2.0 ** (of_q["tree_depth"] + 1) - 1
    assert (of_q["n_steps"] > longest).any() == bool(max_error), "steps are halved"


@pytest.mark.parametrize("max_error", [0.05, 0.5])
def test_the_kernels_halve_steps_alike(max_error):
    density = LogDensity.from_python(funnel, 3)
    results = []
    for kernel in (CompiledNuts, PythonNuts):
        chain = kernel(
            density, np.array([0.1, 0.2, -0.1]), np.random.PCG64(2), max_error=max_error, step_jitter=0.3
        )
        draws, statistics = np.empty((40, 3)), np.zeros(40, STATISTICS)
        chain.run(0.9, draws, statistics)
        results.append((draws, statistics))
    (q, of_q), (p, of_p) = results
    np.testing.assert_allclose(q, p, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(of_q["n_steps"], of_p["n_steps"])
    steps = of_q["step_size"]
    assert 0.63 <= steps.min() < 0.7 and 1.1 < steps.max() <= 1.17


def starts(dim, chains=4):
    return np.random.default_rng(0).uniform(-1, 1, (chains, dim))


@pytest.mark.parametrize("kind", ["diag", "low_rank", "dense", "auto"])
def test_every_metric_finds_a_hard_normal(kind):
    covariance = spiked(10)
    density = LogDensity.from_python(normal(covariance), 10)
    trace = sample_chains(
        density,
        starts(10),
        draws=400,
        tune=400,
        metric=kind,
        random_seed=3,
        progressbar=False,
        max_treedepth=8,
    )
    scale = np.sqrt(np.diag(covariance))
    # A diagonal leaves what is hard about it: fewer effective draws.
    error = 0.45 if kind == "diag" else 0.12
    assert (np.abs(trace.draws.mean((0, 1))) < error * scale).all()
    np.testing.assert_allclose(trace.draws.std((0, 1)) / scale, 1.0, atol=error)
    if kind != "diag":
        assert {m.kind for m in trace.metric} == {"low_rank" if kind == "auto" else kind}
        assert trace.stats["n_steps"].mean() < 12, "what is left is like a standard normal"


def test_scales_are_found_at_once():
    """Scales from 1e-3 to 1e3: the first gradient and short windows save the deep trees of a unit metric."""
    scales = np.logspace(-3, 3, 13)
    gradients = {
        kind: sample_chains(
            compiled_normal(scales),
            starts(13),
            draws=1,
            tune=300,
            metric=kind,
            random_seed=1,
            progressbar=False,
        ).gradients_tuning
        for kind in ("stan", "diag")
    }
    assert gradients["diag"] < 0.25 * gradients["stan"]


def test_a_start_far_out_does_not_spoil_the_metric():
    """From a thousand standard deviations away the draws on the way tell nothing of the shape."""
    covariance = spiked(6)
    density = LogDensity.from_python(normal(covariance), 6)
    far = 1e3 * np.sqrt(np.diag(covariance)) * starts(6)
    trace = sample_chains(density, far, draws=300, tune=300, random_seed=2, progressbar=False)
    np.testing.assert_allclose(trace.draws.std((0, 1)) / np.sqrt(np.diag(covariance)), 1.0, atol=0.2)
    assert trace.stats["n_steps"].mean() < 12


def test_on_its_way():
    spread = largest_spread(5)
    assert on_its_way(np.array([-1e4, -9e3, -8e3]), spread)
    assert not on_its_way(np.array([-3.0, -20.0, -8.0]), spread)


@pytest.mark.parametrize(
    "wrong, message",
    [
        (
            {"metric": "diagonal"},
            "metric is 'diagonal'; it must be one of 'diag', 'low_rank', 'dense', 'auto', 'stan'",
        ),
        ({"step_jitter": 1.0}, r"step_jitter is 1\.0; it must be at least 0 and below 1"),
        ({"step_jitter": -0.1}, r"step_jitter is -0\.1"),
    ],
)
def test_bad_options(wrong, message):
    with pytest.raises(ValueError, match=message):
        sample_chains(compiled_normal([1.0]), np.zeros((2, 1)), **wrong)
