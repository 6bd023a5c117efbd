"""Both kernels, in C and in Python, against their textbook twin, and their statistics on their own."""

import ctypes

import numpy as np
import pytest
from densities import banana, compiled, compiled_normal, flat, funnel, half_line, normal
from textbook_nuts import TextbookNuts

from probgraph.samplers import LogDensity
from probgraph.samplers.adaptation import DualAveraging
from probgraph.samplers.compiled_nuts import CompiledNuts
from probgraph.samplers.metric import identity, of_variances
from probgraph.samplers.nuts import AT_ONCE, FINISH, STATISTICS, WarmUp
from probgraph.samplers.python_nuts import PythonNuts


@pytest.fixture(params=[CompiledNuts, PythonNuts])
def kernel(request):
    return request.param


def run(density, q, step_size, count, *, kernel=CompiledNuts, seed=1, inverse_metric=None, max_treedepth=10):
    chain = kernel(density, q, np.random.PCG64(seed), max_treedepth)
    chain.set_metric(of_variances(np.ones(density.dim) if inverse_metric is None else inverse_metric))
    draws, statistics = np.empty((count, density.dim)), np.zeros(count, STATISTICS)
    assert chain.run(step_size, draws, statistics) == count
    return draws, statistics


correlated = normal(np.array([[1.0, 0.95, 0.1], [0.95, 1.0, 0.2], [0.1, 0.2, 4.0]]), mean=2.0)

CASES = {
    "one dimension": (normal(np.eye(1)), [0.3], 0.9, {}),
    "standard normal": (normal(np.eye(5)), np.full(5, 0.5), 0.6, {}),
    "correlated": (correlated, [1.0, 2.0, 3.0], 0.25, {}),
    "with a metric": (normal(np.diag([1e-4, 1.0, 1e4])), [0.01, 1.0, 10.0], 0.7, {"scales": [1e-4, 1, 1e4]}),
    "banana": (banana, [0.5, 0.5], 0.2, {}),
    "funnel, diverging": (funnel, [0.5, 0.1, -0.1, 0.2], 0.9, {}),
    "step too large": (normal(np.eye(3)), [0.1, 0.2, 0.3], 8.0, {}),
    "wall, no density beyond": (half_line, [0.5, 1.0], 0.3, {}),
    "flat, longest trees": (flat, [0.0, 0.0], 0.5, {"max_treedepth": 4}),
    "longest trees": (normal(np.eye(4)), np.zeros(4), 0.01, {"max_treedepth": 5}),
    "only one doubling": (normal(np.eye(4)), np.ones(4), 0.1, {"max_treedepth": 1}),
}


@pytest.mark.parametrize("name", CASES)
def test_same_decisions_as_the_textbook(kernel, name):
    function, q, step_size, options = CASES[name]
    q = np.asarray(q, float)
    inverse_metric = np.asarray(options.get("scales", np.ones(len(q))), float)
    max_treedepth = options.get("max_treedepth", 10)
    density = LogDensity.from_python(function, len(q))
    draws, statistics = run(
        density,
        q,
        step_size,
        300,
        kernel=kernel,
        seed=7,
        inverse_metric=inverse_metric,
        max_treedepth=max_treedepth,
    )
    twin = TextbookNuts(function, q, np.random.PCG64(7), inverse_metric, max_treedepth)
    for i in range(300):
        q_twin, expected = twin.transition(step_size)
        np.testing.assert_allclose(draws[i], q_twin, rtol=1e-9, atol=1e-9 * np.sqrt(inverse_metric).max())
        for field, value in expected.items():
            np.testing.assert_allclose(
                statistics[field][i], value, rtol=1e-8, atol=1e-8, err_msg=f"{field} of draw {i}"
            )
        # Some densities double a rounding error with every draw; what is compared is each transition.
        twin.move_to(draws[i])
    if "diverging" in name or "too large" in name or "wall" in name:
        assert statistics["diverging"].sum() > 5
    if "longest" in name or "only" in name:
        assert statistics["reached_max_treedepth"].sum() > 5


def test_energy_is_that_of_the_draw_and_conserved():
    density = compiled_normal([1.0, 2.0])
    _, statistics = run(density, np.zeros(2), 0.01, 500)
    assert np.abs(statistics["energy_error"]).max() < 1e-3
    kinetic = statistics["energy"] + statistics["lp"]
    assert (kinetic >= 0).all()
    _, statistics = run(density, np.zeros(2), 0.5, 20000)
    # The energy of a normal of two dimensions is half a chi-square of four degrees: mean 2, variance 2.
    assert statistics["energy"].mean() == pytest.approx(2.0, abs=0.06)
    assert statistics["energy"].var() == pytest.approx(2.0, abs=0.2)


def test_lp_is_the_density_at_the_draw(kernel):
    density = compiled_normal([1.0, 0.5, 3.0])
    draws, statistics = run(density, np.zeros(3), 0.4, 50, kernel=kernel)
    np.testing.assert_allclose(statistics["lp"], [density(q)[0] for q in draws], rtol=1e-14)


def test_acceptance_is_the_mean_over_the_trajectory(kernel):
    """One dimension, one step: the acceptance rate can be worked out from the draw of the momentum."""
    density = compiled_normal([1.0])
    step, q = 1.5, 0.7
    _, statistics = run(density, np.array([q]), step, 1, kernel=kernel, seed=3, max_treedepth=1)
    random = np.random.Generator(np.random.PCG64(3)).random
    a, b = 2 * random() - 1, 2 * random() - 1
    assert 0 < a * a + b * b < 1, "choose another seed"
    p = a * np.sqrt(-2 * np.log(a * a + b * b) / (a * a + b * b))
    signed = -step if random() < 0.5 else step
    half = p - 0.5 * signed * q
    q_new = q + signed * half
    p_new = half - 0.5 * signed * q_new
    change = 0.5 * (q_new**2 + p_new**2) - 0.5 * (q**2 + p**2)
    assert statistics["acceptance_rate"][0] == pytest.approx(min(1, np.exp(-change)), rel=1e-12)
    assert statistics["n_steps"][0] == 1


def test_depth_and_steps_agree(kernel):
    _, statistics = run(compiled_normal(np.ones(10)), np.zeros(10), 0.3, 500, kernel=kernel)
    depth, steps = statistics["tree_depth"], statistics["n_steps"]
    # A completed tree of depth d has 2^d - 1 steps; a last, abandoned doubling adds at most 2^d.
    assert (steps >= 2**depth - 1).all() and (steps <= 2 ** (depth + 1) - 1).all()
    assert (np.abs(statistics["index_in_trajectory"]) <= steps).all()
    assert not statistics["diverging"].any() and not statistics["reached_max_treedepth"].any()


BEYOND = [
    "return 1;",
    "*logp = NAN; return 0;",
    "*logp = INFINITY; return 0;",
    "*logp = -INFINITY; return 0;",
    "grad[0] = NAN; *logp = 0; return 0;",
]


@pytest.mark.parametrize("what", BEYOND)
def test_no_density_beyond_a_wall_is_a_divergence(kernel, what):
    """Whatever way a density says "not here", the chain stays on the other side and counts divergences."""
    density = compiled(
        f"grad[0] = -q[0]; if (q[0] > 0.5) {{ {what} }} *logp = -q[0] * q[0] / 2; return 0;", 1
    )
    draws, statistics = run(density, np.array([0.0]), 0.5, 2000, kernel=kernel)
    assert draws.max() <= 0.5
    assert 0.05 < statistics["diverging"].mean() < 0.9
    assert np.isfinite(statistics["energy"]).all() and np.isfinite(statistics["acceptance_rate"]).all()


def test_step_too_large_diverges(kernel):
    _, statistics = run(compiled_normal([1e-3]), np.zeros(1), 1.0, 20, kernel=kernel)
    assert statistics["diverging"].all() and (statistics["tree_depth"] == 0).all()
    assert statistics["acceptance_rate"].max() < 1e-6


def test_stop_sampling_ends_the_run(kernel):
    density = compiled(
        "if (q[0] > 1) return INT_MIN; grad[0] = -q[0]; *logp = -q[0] * q[0] / 2; return 0;", 1
    )
    chain = kernel(density, np.zeros(1), np.random.PCG64(1))
    chain.set_metric(identity(1))
    with pytest.raises(RuntimeError, match="asked to stop"):
        chain.run(0.5, np.empty((1000, 1)), np.zeros(1000, STATISTICS))
    assert chain.done.value < 1000


def test_memory_is_not_overrun():
    """The kernel's pool is just large enough for the deepest trees, whatever the dimension."""
    for dim in (1, 2, 7, 8, 9, 33):
        draws, statistics = run(compiled_normal(np.ones(dim)), np.zeros(dim), 1e-3, 5, max_treedepth=12)
        assert statistics["tree_depth"].max() >= 11 and np.isfinite(draws).all()


@pytest.mark.parametrize("depth", [0, 31])
def test_impossible_depth_is_refused(kernel, depth):
    with pytest.raises(ValueError, match=f"max_treedepth is {depth}"):
        kernel(compiled_normal([1.0]), np.zeros(1), np.random.PCG64(1), depth)


@pytest.mark.parametrize("name", ["standard normal", "correlated", "wall, no density beyond"])
def test_the_kernels_make_the_same_chain(name):
    function, q, step_size, _ = CASES[name]
    density = LogDensity.from_python(function, len(q))
    scales = np.linspace(0.5, 2.0, len(q))
    (draws, statistics), (python_draws, python_statistics) = (
        run(density, np.asarray(q, float), step_size, 40, kernel=kernel, seed=4, inverse_metric=scales)
        for kernel in (CompiledNuts, PythonNuts)
    )
    np.testing.assert_allclose(python_draws, draws, rtol=1e-7, atol=1e-7)
    for field in STATISTICS.names:
        np.testing.assert_allclose(
            python_statistics[field], statistics[field], rtol=1e-6, atol=1e-6, err_msg=field
        )


def test_energy_loss_leaves_the_chain_where_it_is(kernel):
    """One leapfrog step from q = 0.5 with the momentum that the seed gives, worked out by hand."""
    chain = kernel(compiled_normal([1.0]), np.array([0.5]), np.random.PCG64(3))
    chain.set_metric(identity(1))
    loss = chain.energy_loss(0.1)
    random = np.random.Generator(np.random.PCG64(3)).random
    a, b = 2 * random() - 1, 2 * random() - 1
    assert 0 < a * a + b * b < 1, "choose another seed"
    p = a * np.sqrt(-2 * np.log(a * a + b * b) / (a * a + b * b))
    half = p - 0.05 * 0.5
    q_new = 0.5 + 0.1 * half
    p_new = half - 0.05 * q_new
    assert loss == pytest.approx(0.5 * (0.25 + p**2 - q_new**2 - p_new**2), rel=1e-9)
    assert chain.logp == -0.125
    draws, statistics = np.empty((1, 1)), np.zeros(1, STATISTICS)
    chain.run(1e-9, draws, statistics)
    assert draws[0, 0] == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize("flag", [FINISH, AT_ONCE])
def test_a_stopped_chain_makes_no_transition(kernel, flag):
    chain = kernel(compiled_normal([1.0]), np.zeros(1), np.random.PCG64(1))
    chain.set_metric(identity(1))
    chain.stop.value = flag
    draws, statistics = np.full((3, 1), 7.0), np.zeros(3, STATISTICS)
    assert chain.run(0.5, draws, statistics) == 0 == chain.done.value
    done = ctypes.c_int64(0)
    assert not chain.begin(WarmUp(draws, statistics, None, done, DualAveraging(0.5)))(3, False, False)
    assert done.value == 0
    assert (draws == 7.0).all()


def warmed_up(kernel, q, stretches, spread=np.inf, **options):
    """A warm-up among normals, in stretches given as (end, whether the symmetric acceptance rate counts)."""
    chain = kernel(compiled_normal([0.5, 1.0, 2.0]), np.full(3, q), np.random.PCG64(4), **options)
    count = stretches[-1][0]
    arrays = np.zeros((count, 3)), np.zeros(count, STATISTICS), np.zeros((count, 3))
    warm_up = WarmUp(*arrays, ctypes.c_int64(0), DualAveraging(0.3, 0.7), spread)
    advance = chain.begin(warm_up)
    assert all(advance(end, symmetric, False) for end, symmetric in stretches)
    return warm_up


@pytest.mark.parametrize("options", [{}, {"step_jitter": 0.2}, {"max_error": 0.2}])
def test_the_step_size_follows_the_acceptance_rate(kernel, options):
    """Told of each draw, `DualAveraging` says the step size of the next."""
    found = warmed_up(kernel, 1.0, [(20, False), (60, True)], **options)
    said = DualAveraging(0.3, 0.7)
    jitter = options.get("step_jitter", 0.0)
    for i, record in enumerate(found.statistics):
        assert record["step_size"] == pytest.approx(said.step_size, rel=jitter, abs=0)
        said.update(record["acceptance_rate" if i < 20 else "acceptance_rate_symmetric"])
    assert bytes(found.averaging) == bytes(said)
    assert found.done.value == 60
    q = found.draws
    np.testing.assert_allclose(found.gradients, -q / np.array([0.25, 1.0, 4.0]), rtol=1e-12)


def test_a_warm_up_waits_where_the_log_density_climbs(kernel):
    """From afar it climbs by more at once than it varies afterwards."""
    found = warmed_up(kernel, 100.0, [(40, False)], spread=100.0)
    lp = found.statistics["lp"][: found.done.value]
    assert 1 < len(lp) < 20 and np.ptp(lp[-8:]) > 100 and np.ptp(lp[:-1][-8:]) < 100
    assert (found.draws[len(lp) :] == 0).all() and found.averaging.count == len(lp)


@pytest.mark.parametrize("flag, kept", [(FINISH, 4), (AT_ONCE, 3)])
def test_stopped_inside_a_transition(kernel, flag, kept):
    """The transition at hand is finished, or given up, and the draws before it stay."""
    calls = 0

    def density(q):
        nonlocal calls
        calls += 1
        if calls == 1 + 3 * 15 + 6:  # the start, three transitions of 15 steps, and in the fourth
            chain.stop.value = flag
        return 0.0, np.zeros(1)

    chain = kernel(LogDensity.from_python(density, 1), np.zeros(1), np.random.PCG64(1), 4)
    chain.set_metric(identity(1))
    draws, statistics = np.empty((9, 1)), np.zeros(9, STATISTICS)
    assert chain.run(0.5, draws, statistics) == kept == chain.done.value
    assert (statistics["n_steps"] == [15] * kept + [0] * (9 - kept)).all()
    assert calls == 1 + (4 * 15 if flag == FINISH else 3 * 15 + 6)


def test_a_far_start_gains_more_energy_than_exp_can_hold(kernel):
    draws, statistics = run(compiled_normal([1.0, 1.0]), np.full(2, 1e3), 0.5, 20, kernel=kernel)
    assert np.abs(draws[-1]).max() < 100 and not statistics["diverging"].any()
    assert np.isfinite(statistics["energy"]).all()
