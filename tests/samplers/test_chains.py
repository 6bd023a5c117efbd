"""Whole runs: posteriors, seeds, errors, interruption; what hangs on the kernel, with either."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import arviz
import numpy as np
import pytest
from densities import compiled, compiled_normal, flat, funnel, normal

from probgraph.samplers import LogDensity, Moves, Store, Watch, chains, sample_chains
from probgraph.samplers import store as store_module
from probgraph.samplers.metric import identity
from probgraph.samplers.moves import MovesState
from probgraph.samplers.nuts import AT_ONCE, STATISTICS
from probgraph.samplers.python_nuts import PythonNuts
from probgraph.samplers.store import Snapshot


@pytest.fixture(params=["C kernel", "Python kernel"])
def either_kernel(request, monkeypatch):
    if request.param == "Python kernel":
        monkeypatch.setattr(chains, "kernel_of_chains", lambda: PythonNuts)
    return request.param


def check_posterior(draws, mean, scales, errors=5.0):
    """R-hat, and mean and deviation within some standard errors of the truth; draws (chains, n, dim)."""
    data = arviz.convert_to_dataset({"q": draws})
    assert arviz.rhat(data)["q"].max() < 1.02
    standard_error = arviz.ess(data)["q"].values ** -0.5
    assert (np.abs(draws.mean((0, 1)) - mean) < errors * scales * standard_error).all()
    # Of a normal, the standard deviation has 1/sqrt(2) of the mean's error; squares mix more slowly.
    square_error = arviz.ess(arviz.convert_to_dataset({"q": (draws - mean) ** 2}))["q"].values ** -0.5
    assert (np.abs(draws.std((0, 1)) / scales - 1) < errors * square_error / np.sqrt(2)).all()


def starts(chains, dim, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (chains, dim))


@pytest.mark.parametrize("dim", [1, 2, 50])
def test_standard_normal(dim):
    trace = sample_chains(compiled_normal(np.ones(dim)), starts(4, dim), random_seed=dim, progressbar=False)
    assert trace.draws.shape == (4, 1000, dim)
    check_posterior(trace.draws, np.zeros(dim), np.ones(dim))
    assert trace.stats["diverging"].sum() == 0
    assert trace.stats["acceptance_rate"].mean() == pytest.approx(0.85, abs=0.08)
    assert arviz.bfmi(trace.stats["energy"]).min() > 0.7
    assert (trace.inverse_metric > 0.5).all() and (trace.inverse_metric < 1.8).all()


def test_correlated_normal():
    covariance = np.array([[1.0, 0.9], [0.9, 1.0]])
    density = LogDensity.from_python(normal(covariance, mean=np.array([3.0, -1.0])), 2)
    trace = sample_chains(density, starts(4, 2), draws=1500, tune=500, random_seed=5, progressbar=False)
    check_posterior(trace.draws, np.array([3.0, -1.0]), np.ones(2))
    correlation = np.corrcoef(trace.draws.reshape(-1, 2).T)[0, 1]
    assert correlation == pytest.approx(0.9, abs=0.02)


def test_ill_scaled_normal():
    scales = np.logspace(-3, 3, 7)
    trace = sample_chains(compiled_normal(scales), starts(4, 7) * scales, random_seed=8, progressbar=False)
    check_posterior(trace.draws, np.zeros(7), scales)
    assert (np.abs(np.log(trace.inverse_metric / scales**2)) < 1).all(), "the metric is the variance"
    assert trace.stats["n_steps"].mean() < 20, "the metric is used"


def test_bounded_below_by_a_hard_wall():
    """A density that is nowhere beyond a wall still has the right mean on this side: q ~ Exponential(1)."""
    body = "if (q[0] < 0) return 1; grad[0] = -1; *logp = -q[0]; return 0;"
    trace = sample_chains(compiled(body, 1), np.ones((4, 1)), draws=4000, random_seed=2, progressbar=False)
    assert trace.draws.min() >= 0
    assert trace.draws.mean() == pytest.approx(1.0, abs=0.1)
    assert trace.stats["diverging"].any()


def test_the_python_kernel_finds_the_posterior(monkeypatch):
    monkeypatch.setattr(chains, "kernel_of_chains", lambda: PythonNuts)
    scales = np.array([0.1, 1.0, 10.0])
    trace = sample_chains(
        compiled_normal(scales), starts(4, 3), draws=500, tune=300, random_seed=2, progressbar=False
    )
    check_posterior(trace.draws, np.zeros(3), scales)
    assert trace.stats["diverging"].sum() == 0
    assert (np.abs(np.log(trace.inverse_metric / scales**2)) < 1).all()


def test_statistics_have_arviz_names_and_types(either_kernel):
    trace = sample_chains(compiled_normal([1.0]), starts(2, 1), draws=10, tune=20, progressbar=False)
    assert set(trace.stats) == set(STATISTICS.names) >= {
        "lp", "acceptance_rate", "step_size", "tree_depth", "n_steps", "diverging", "energy",
        "reached_max_treedepth",
    }  # fmt: skip
    for name, values in trace.stats.items():
        assert values.shape == (2, 10) and values.flags.c_contiguous, name
    assert trace.stats["diverging"].dtype == bool and trace.stats["tree_depth"].dtype == np.int64
    assert (trace.stats["step_size"] == trace.step_size[:, None]).all()
    assert trace.gradients == trace.stats["n_steps"].sum()
    assert trace.tuning_draws is None and not trace.interrupted and trace.chains.tolist() == [0, 1]


def test_warm_up_can_be_kept():
    trace = sample_chains(
        compiled_normal([1.0, 2.0]), starts(3, 2), draws=5, tune=40, discard_tuned=False, progressbar=False
    )
    assert trace.tuning_draws.shape == (3, 40, 2)
    assert trace.tuning_stats["n_steps"].sum() == trace.gradients_tuning > 40


@pytest.mark.parametrize("kind", ["compiled", "python"])
def test_same_seed_same_draws_whatever_the_cores(kind, either_kernel):
    density = compiled_normal([1.0, 3.0]) if kind == "compiled" else LogDensity.from_python(funnel, 2)
    length = 150 if either_kernel == "C kernel" else 30
    arguments = {"draws": length, "tune": length, "random_seed": 11}
    reference = sample_chains(density, starts(4, 2), cores=1, progressbar=False, **arguments)
    for cores, progressbar in ((2, False), (4, True), (9, False)):
        trace = sample_chains(density, starts(4, 2), cores=cores, progressbar=progressbar, **arguments)
        np.testing.assert_array_equal(trace.draws, reference.draws)
        for name in trace.stats:
            np.testing.assert_array_equal(trace.stats[name], reference.stats[name])
    fewer = sample_chains(density, starts(4, 2)[:2], progressbar=False, **arguments)
    np.testing.assert_array_equal(fewer.draws, reference.draws[:2])
    other = sample_chains(density, starts(4, 2), progressbar=False, **{**arguments, "random_seed": 12})
    assert (other.draws != reference.draws).all()


def test_chains_differ_from_one_start():
    trace = sample_chains(compiled_normal([1.0]), np.zeros((4, 1)), draws=5, tune=0, random_seed=1)
    assert len(np.unique(trace.draws[:, -1, 0])) == 4


@pytest.mark.parametrize("seed", [3, [1, 2, 3], np.random.SeedSequence(4), np.int64(5)])
def test_kinds_of_seed(seed):
    one, two = (
        sample_chains(compiled_normal([1.0]), starts(2, 1), draws=3, tune=3, random_seed=seed)
        for _ in range(2)
    )
    np.testing.assert_array_equal(one.draws, two.draws)


@pytest.mark.parametrize("seed", [-1, "abc", 1.5])
def test_bad_seed(seed):
    with pytest.raises((TypeError, ValueError), match="random_seed is"):
        sample_chains(compiled_normal([1.0]), starts(2, 1), random_seed=seed)


@pytest.mark.parametrize("tune", [0, 1, 10, 19, 20, 30, 150])
@pytest.mark.parametrize("draws", [0, 1, 7])
def test_short_runs(tune, draws, either_kernel):
    trace = sample_chains(
        compiled_normal([1.0, 2.0]), starts(2, 2), draws=draws, tune=tune, random_seed=1, discard_tuned=False
    )
    assert trace.draws.shape == (2, draws, 2) and trace.tuning_draws.shape == (2, tune, 2)
    assert np.isfinite(trace.draws).all()
    assert (trace.step_size > 0).all() and np.isfinite(trace.step_size).all()


def test_one_chain():
    trace = sample_chains(compiled_normal([1.0, 1.0]), np.zeros((1, 2)), draws=20, tune=20)
    assert trace.draws.shape == (1, 20, 2)


def test_flat_density_ends():
    trace = sample_chains(
        LogDensity.from_python(flat, 1), np.zeros((1, 1)), draws=3, tune=30, max_treedepth=4, random_seed=1
    )
    assert np.isfinite(trace.draws).all()


def test_bad_start_names_the_chain(either_kernel):
    density = compiled("if (q[0] < 0) return 1; grad[0] = -1; *logp = q[0] > 5 ? NAN : -q[0]; return 0;", 1)
    with pytest.raises(ValueError, match="chain 2: the log density at the start is -inf"):
        sample_chains(density, np.array([[1.0], [1.0], [-1.0]]))
    with pytest.raises(ValueError, match="chain 1: the log density at the start is nan"):
        sample_chains(density, np.array([[1.0], [6.0]]))


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"draws": -1}, "draws is -1"),
        ({"tune": -5}, "tune is -5"),
        ({"cores": 0}, "cores is 0"),
        ({"target_accept": 1.0}, r"target_accept is 1\.0"),
        ({"max_treedepth": 0}, "max_treedepth is 0"),
        ({"initial": np.zeros(1)}, r"initial has shape \(1,\)"),
        ({"initial": np.zeros((2, 3))}, r"initial has shape \(2, 3\)"),
        ({"initial": np.zeros((0, 1))}, r"initial has shape \(0, 1\)"),
    ],
)
def test_bad_arguments(wrong, message):
    with pytest.raises(ValueError, match=message):
        sample_chains(compiled_normal([1.0]), **{"initial": np.zeros((2, 1)), **wrong})


class Sulking(Exception):
    pass


@pytest.mark.parametrize("fails_after", [0, 3, 300, 3000])
def test_an_exception_in_the_density_comes_out(fails_after, either_kernel):
    count, threads = 0, threading.active_count()

    def density(q):
        nonlocal count
        count += 1
        if count > fails_after:
            raise Sulking("no more")
        return -0.5 * q @ q, -q

    with pytest.raises(Sulking, match="no more"):
        sample_chains(LogDensity.from_python(density, 2), np.zeros((2, 2)), random_seed=1, progressbar=False)
    wait_until(lambda: threading.active_count() <= threads, "the chains' threads end")


def wait_until(condition, what, seconds=30.0):
    """For what another thread is to do soon; how soon depends on how busy the machine is."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.01)


def interrupting_density(after, slow=0.0):
    """Sends this process a SIGINT at its n-th call."""
    count = 0

    def density(q):
        nonlocal count
        count += 1
        if count == after:
            os.kill(os.getpid(), signal.SIGINT)
        if slow:
            time.sleep(slow)
        return -0.5 * q @ q, -q

    return LogDensity.from_python(density, 2)


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
def test_interrupted_while_drawing_keeps_what_is_there(either_kernel):
    trace = sample_chains(
        interrupting_density(3000), np.zeros((2, 2)), draws=1_000_000, tune=50, cores=2, random_seed=1
    )
    assert trace.interrupted
    chains, draws, dim = trace.draws.shape
    assert 1 <= chains <= 2 and 10 < draws < 1_000_000 and dim == 2
    assert np.isfinite(trace.draws).all() and (trace.stats["n_steps"] > 0).all()
    assert trace.draws.std() == pytest.approx(1.0, abs=0.5)


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
def test_interrupted_while_tuning_returns_no_draws(either_kernel):
    trace = sample_chains(
        interrupting_density(100), np.zeros((2, 2)), draws=10, tune=1_000_000, random_seed=1
    )
    assert trace.interrupted and trace.draws.shape == (2, 0, 2)


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
def test_chains_not_begun_are_left_out(either_kernel):
    trace = sample_chains(
        interrupting_density(2000), np.zeros((3, 2)), draws=1_000_000, tune=20, cores=1, random_seed=1
    )
    assert trace.chains.tolist() == [0] and trace.interrupted


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
def test_a_failure_after_an_interruption_does_not_cost_the_draws(either_kernel, monkeypatch):
    calls, chain = 0, []

    def density(q):
        nonlocal calls
        calls += 1
        if calls == 2000:
            os.kill(os.getpid(), signal.SIGINT)
            wait_until(lambda: chain[0].nuts.stop.value, "the run is asked to end")
        if calls >= 2000:
            raise Sulking("no more")
        return -0.5 * q @ q, -q

    class Chain(chains._Chain):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            chain.append(self)

    monkeypatch.setattr(chains, "_Chain", Chain)
    trace = sample_chains(
        LogDensity.from_python(density, 2), np.zeros((1, 2)), draws=1_000_000, tune=20, random_seed=1
    )
    assert trace.interrupted and 10 < trace.draws.shape[1] < 2000


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
def test_interrupted_before_all_threads_have_begun(monkeypatch):
    """Ctrl-C between the starts of two threads: the one that never began is not waited for."""
    begun = []

    class Thread(threading.Thread):
        def start(self):
            if begun:
                raise KeyboardInterrupt
            begun.append(self)
            super().start()

    monkeypatch.setattr(chains.threading, "Thread", Thread)
    slow = interrupting_density(after=-1, slow=0.001)
    trace = sample_chains(slow, np.zeros((2, 2)), draws=1_000_000, tune=0, cores=2, random_seed=1)
    assert trace.interrupted and len(begun) == 1


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
def test_compiled_run_is_interrupted_at_once():
    """A real Ctrl-C on chains that never come back to Python by themselves: they stop, and their draws are kept.

    Each chain counts its calls of the density; the signal comes when both draw, however long that takes on a
    busy machine. How far each has come then is the machine's affair; see test_largest_rectangle for what is kept.
    """
    code = textwrap.dedent("""
        import os, signal, threading, time
        import numpy as np
        from densities import compiled
        from probgraph.samplers import LogDensity, sample_chains

        class Calls:
            all = []
            def __init__(self):
                self.count = np.zeros(1)
                self.address = self.count.ctypes.data
                self.all.append(self.count)

        body = "double sum = 0; ((double *)data)[0] += 1;"
        body += "for (long i = 0; i < n; i++) { grad[i] = -q[i]; sum -= 0.5 * q[i] * q[i]; } *logp = sum; return 0;"
        plain = compiled(body, 20)
        density = LogDensity(20, plain.address, Calls, keep_alive=plain)

        def press_ctrl_c():
            while len(Calls.all) < 2 or min(count[0] for count in Calls.all) < 100_000:
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=press_ctrl_c, daemon=True).start()
        trace = sample_chains(density, np.zeros((2, 20)), draws=5_000_000, tune=100, cores=2, progressbar=False)
        calls = [count[0] for count in Calls.all]
        time.sleep(0.3)
        assert calls == [count[0] for count in Calls.all], "a chain goes on"
        chains, draws, _ = trace.draws.shape
        assert trace.interrupted and list(trace.chains) in ([0, 1], [0], [1])
        assert 1000 < draws < 5_000_000, draws
        assert (trace.stats["n_steps"] > 0).all() and (trace.draws != 0).all()
        # The largest rectangle in two columns has at least two thirds of what is in them.
        assert 1.4 * trace.stats["n_steps"].sum() > 0.9 * trace.gradients
        print("kept")
    """)
    here = os.path.dirname(__file__)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([here, os.path.dirname(os.path.dirname(here))])},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout == "kept\n" and done.returncode == 0, done.stderr


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
def test_second_interrupt_gives_up_the_trajectory_at_hand(either_kernel):
    give_up(dim=1)  # which would have 1023 steps, ten seconds


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
def test_second_interrupt_gives_up_the_moves_at_hand():
    give_up(dim=1000, moves=[Moves("metropolis", tuple(range(1000)), (1.0,) * 1000)])


def give_up(dim, **options):
    """Two interruptions inside a draw that takes ten seconds."""
    calls, heard, sent_again = 0, [], False

    def ctrl_c(*_):
        heard.append(calls)
        raise KeyboardInterrupt

    def density(q):
        nonlocal calls, sent_again
        calls += 1
        first = calls == 60
        again = bool(heard) and not sent_again and calls > heard[0] + 10
        if first or again:
            sent_again = again
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
        return 0.0, np.zeros(dim)

    threads = threading.active_count()
    usual = signal.signal(signal.SIGINT, ctrl_c)
    try:
        plain = LogDensity.from_python(density, dim)
        trace = sample_chains(plain, np.zeros((1, dim)), tune=0, random_seed=1, **options)
    finally:
        signal.signal(signal.SIGINT, usual)
    assert len(heard) == 2 and trace.interrupted and trace.draws.shape == (1, 0, dim)
    wait_until(lambda: threading.active_count() <= threads, "the chain ends inside its draw")
    assert calls < 900


MOVES = {"trajectories": [], "moves": [Moves("slice", (1,), (1.0,), name="Slice")]}


@pytest.mark.parametrize("moves", MOVES.values(), ids=MOVES)
def test_given_up_inside_a_draw_it_goes_on_exactly(moves, tmp_path, monkeypatch):
    """What was given up has used random numbers, which must not be missing from what is resumed."""
    calls, chain = 0, []

    def density(q):
        nonlocal calls
        calls += 1
        if calls == 2000:
            chain[0].nuts.stop.value = AT_ONCE
        return -0.5 * q @ q, -q

    class Chain(chains._Chain):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            chain.append(self)

    monkeypatch.setattr(chains, "_Chain", Chain)
    settings = {"draws": 5000, "tune": 50, "random_seed": 1, "progressbar": False, "moves": moves}
    normal, start = LogDensity.from_python(density, 2), np.zeros((1, 2))
    store = Store.create(tmp_path / "run", {}, start)
    sample_chains(normal, start, watch=Watch(store), **settings)
    stored = Store.open(tmp_path / "run").chain(0)[2].done
    assert 0 < stored == chain[0].finished // 100 * 100 < chain[0].finished < 5000
    resumed = sample_chains(normal, start, resume=Store.open(tmp_path / "run"), **settings)
    np.testing.assert_array_equal(resumed.draws, sample_chains(normal, start, **settings).draws)


def test_what_was_written_when_it_was_interrupted_is_written_over(tmp_path, monkeypatch):
    """Ctrl-C may come between the rows and the state that counts them; what is stored next begins where that one did."""
    draws, statistics = np.arange(600.0).reshape(300, 2), np.zeros(300, STATISTICS)
    statistics["lp"] = np.arange(300)
    store = Store.create(tmp_path / "run", {}, np.zeros((1, 2)))

    def snapshot(done):
        return Snapshot(done, 0.5, identity(2), {}, MovesState())

    store.append(0, draws, statistics, snapshot(100))
    with monkeypatch.context() as patch:
        patch.setattr(store_module, "_replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            store.append(0, draws, statistics, snapshot(200))
    store.append(0, draws, statistics, snapshot(300))
    found = Store.open(tmp_path / "run").chain(0)
    np.testing.assert_array_equal(found[0], draws)
    np.testing.assert_array_equal(found[1], statistics)


def test_speed():
    """4 x (1000 + 1000) draws of ten dimensions: 0.03 s on two cores; the bound is for busy machines."""
    density = compiled_normal(np.ones(10))
    seconds = min(
        sample_chains(density, starts(4, 10), random_seed=1, progressbar=False).seconds for _ in range(3)
    )
    assert seconds < 0.5
