"""Long runs: stored and resumed, watched, ended early. How they are interrupted is in test_interruptions.py."""

import os
import signal
import threading
import time
import tracemalloc

import arviz as az
import numpy as np
import pytest

import probgraph as pg
import probgraph.engine.tensor as T
from probgraph.engine.user_ops import Op
from probgraph.samplers.effective import effective_sizes
from probgraph.samplers.store import Store

QUIET = {"progressbar": False, "random_seed": 7}
STEPS = {
    "gradients": None,
    "both": [pg.Metropolis(["s"]), pg.NUTS()],
    "methods alone": [pg.Slice(["s"]), pg.Metropolis(["x"])],
}
with_each_step = pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)


def model(scale=1.0):
    with pg.Model() as m:
        x = pg.Normal("x", 0, scale, shape=3)
        pg.Normal("y", x.sum(), pg.HalfNormal("s"), observed=[0.3, 1.2, -0.5])
    return m


def same(one, two):
    for name in ("x", "s"):
        np.testing.assert_array_equal(one.posterior[name].values, two.posterior[name].values)
    for name in one.sample_stats.data_vars:
        np.testing.assert_array_equal(one.sample_stats[name].values, two.sample_stats[name].values)


@pytest.mark.filterwarnings("ignore:Sampling was interrupted")
def test_a_stored_run_has_the_draws_of_another(tmp_path):
    settings = {"tune": 200, "chains": 2, "metric": "low_rank", "step_jitter": 0.1, "model": model(), **QUIET}
    plain = pg.sample(350, **settings)
    stored = pg.sample(350, store=tmp_path / "run", **settings)
    same(plain, stored)
    assert Store.open(tmp_path / "run").settings["run"]["draws"] == 350
    # All of it is on disk: resuming draws nothing.
    again = pg.sample(resume=tmp_path / "run", model=model(), progressbar=False)
    same(plain, again)
    assert again.posterior.attrs["metric"] == "low_rank"


def test_rows_beyond_the_state_are_drawn_again(tmp_path):
    settings = {"tune": 100, "chains": 2, "model": model(), **QUIET}
    plain = pg.sample(300, **settings)
    pg.sample(300, store=tmp_path / "run", **settings)
    one, two = tmp_path / "run" / "chain_0", tmp_path / "run" / "chain_1"
    # The first was killed while it tuned, with rubbish behind; of the second a last row was cut short.
    (one / "state.json").unlink()
    state = (two / "state.json").read_text()
    (two / "draws.bin").write_bytes((two / "draws.bin").read_bytes() + b"half a row")
    assert '"done": 300' in state
    same(plain, pg.sample(resume=tmp_path / "run", model=model(), progressbar=False))


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
def test_sigterm_keeps_and_stores_what_is_there(tmp_path):
    def terminate():
        while not (tmp_path / "run" / "chain_1" / "state.json").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=terminate, daemon=True).start()
    with pytest.warns(UserWarning, match="Sampling was interrupted"):
        result = pg.sample(
            5_000_000, tune=100, chains=2, cores=2, store=tmp_path / "run", model=model(), **QUIET
        )
    draws = result.posterior.sizes["draw"]
    assert result.posterior.attrs["interrupted"] == 1 and 100 <= draws < 5_000_000
    assert Store.open(tmp_path / "run").chain(int(result.posterior.chain[0]))[2].done >= draws
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_full_disk_ends_the_storing_only(tmp_path, monkeypatch):
    settings = {"tune": 100, "chains": 2, "model": model(), **QUIET}
    plain = pg.sample(300, **settings)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Store, "append", full)
    with pytest.warns(UserWarning, match="cannot be written to any more: .*No space left on device"):
        same(plain, pg.sample(300, store=tmp_path / "run", **settings))


@pytest.mark.filterwarnings("error", "ignore:There w")
def test_warnings_that_are_errors_do_not_cost_the_draws(tmp_path, monkeypatch, capsys):
    settings = {"tune": 30, "chains": 2, "cores": 2, "model": model(), **QUIET}

    def tired(trace, draw):
        if not draw.tuning and draw.draw_idx == 20:
            raise RuntimeError("I am tired")

    result = pg.sample(3_000_000, callback=tired, **settings)
    assert result.posterior.attrs["interrupted"] == 1 and 20 < result.posterior.sizes["draw"] < 3_000_000
    said = capsys.readouterr().err
    assert "The callback failed, and sampling ended: RuntimeError('I am tired')" in said
    assert "Sampling was interrupted" in said

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Store, "append", full)
    assert pg.sample(50, store=tmp_path / "run", **settings).posterior.sizes["draw"] == 50
    assert "cannot be written to any more" in capsys.readouterr().err


class Tiring(Op):
    """x, so many times; then an exception."""

    itypes, otypes = [T.dscalar], [T.dscalar]

    def __init__(self, calls):
        self.left = calls

    def perform(self, node, inputs, output_storage):
        self.left -= 1
        if self.left < 0:
            raise RuntimeError("I am tired")
        output_storage[0][0] = np.array(inputs[0])

    def grad(self, inputs, output_gradients):
        return output_gradients


def tiring(calls):
    with pg.Model() as model:
        pg.Normal("y", Tiring(calls)(pg.Normal("x")), 1.0, observed=0.5)
    return model


@pytest.mark.filterwarnings("ignore:The model runs in NumPy", "ignore:Sampling was")
@pytest.mark.parametrize("cores", [1, 2])
def test_an_exception_in_the_density_does_not_cost_the_draws(cores, tmp_path):
    settings = {"tune": 50, "chains": 2, "cores": cores, **QUIET}
    with pytest.warns(UserWarning, match=r"Chain \d failed after .* draws, and sampling ended: .*I am tired"):
        result = pg.sample(100_000, model=tiring(3_000), store=tmp_path / "run", **settings)
    attrs, count = result.posterior.attrs, result.posterior.sizes["draw"]
    assert attrs["interrupted"] == 1 and "interrupted" in attrs["problems"] and 0 < count < 3_000
    whole = pg.sample(count, model=tiring(10**9), **settings)
    for chain in result.posterior.chain.values:
        np.testing.assert_array_equal(
            result.posterior["x"].sel(chain=chain), whole.posterior["x"].sel(chain=chain)
        )
    assert Store.open(tmp_path / "run").chain(int(result.posterior.chain[0]))[2].done > 0


@pytest.mark.filterwarnings("ignore:The model runs in NumPy")
def test_an_exception_before_the_first_draw_comes_out():
    with pytest.raises(RuntimeError, match="I am tired"):
        pg.sample(100, tune=50, chains=2, model=tiring(40), **QUIET)


def test_stores_are_not_mixed_up(tmp_path):
    settings = {"tune": 20, "chains": 1, "model": model(), **QUIET}
    pg.sample(10, store=tmp_path / "run", **settings)
    with pytest.raises(FileExistsError, match="resume="):
        pg.sample(10, store=tmp_path / "run", **settings)
    with pytest.raises(FileNotFoundError, match="no stored run at"):
        pg.sample(resume=tmp_path / "nothing", model=model())
    with pytest.raises(ValueError, match="of another model, or other data: where it began"):
        pg.sample(resume=tmp_path / "run", model=model(scale=2.0))
    with pg.Model() as other:
        pg.Normal("z")
    with pytest.raises(ValueError, match=r"variables x\(3,\), s_log__; this one has z"):
        pg.sample(resume=tmp_path / "run", model=other)
    with pytest.raises(ValueError, match="resume goes on in its own directory"):
        pg.sample(resume=tmp_path / "run", store=tmp_path / "new", model=model())


@with_each_step
def test_target_ess_ends_at_the_same_draw_whatever_the_cores(step):
    settings = {"tune": 300, "target_ess": 800, "model": model(), "step": step, **QUIET}
    one, two = (pg.sample(100_000, cores=cores, **settings) for cores in (1, 4))
    same(one, two)
    draws = one.posterior.sizes["draw"]
    assert draws % 100 == 0 and 100 < draws < 5000
    assert one.posterior.attrs["ended_by"] == "target_ess" and one.posterior.attrs["interrupted"] == 0
    assert min(float(az.ess(one, method="mean")[name].min()) for name in ("x",)) > 700


@with_each_step
@pytest.mark.filterwarnings("ignore:.* draws of 4 numbers take")
def test_max_time_keeps_a_multiple_of_a_hundred(step):
    result = pg.sample(
        50_000_000, tune=100, chains=2, cores=2, max_time=0.5, model=model(), step=step, **QUIET
    )
    draws = result.posterior.sizes["draw"]
    assert draws % 100 == 0 and 0 < draws < 50_000_000 and result.posterior.attrs["ended_by"] == "max_time"
    short = pg.sample(
        draws // 100 * 100 if draws < 5000 else 5000, tune=100, chains=2, model=model(), step=step, **QUIET
    )
    n = short.posterior.sizes["draw"]
    np.testing.assert_array_equal(short.posterior["x"].values, result.posterior["x"].values[:, :n])


@with_each_step
def test_a_callback_sees_each_draw_once(step):
    seen = []

    def callback(trace, draw):
        assert threading.current_thread() is threading.main_thread()
        assert len(trace) == draw.draw_idx + 1
        seen.append(
            (
                draw.chain,
                draw.tuning,
                draw.draw_idx,
                draw.point["x"].copy(),
                float(draw.stats["lp"]),
                draw.is_last,
            )
        )

    settings = {"tune": 30, "chains": 2, "model": model(), "step": step, **QUIET}
    result = pg.sample(40, callback=callback, **settings)
    same(result, pg.sample(40, **settings))
    assert len(seen) == 2 * 70 and sum(last for *_, last in seen) == 2
    for chain in range(2):
        mine = [entry for entry in seen if entry[0] == chain and not entry[1]]
        np.testing.assert_array_equal([entry[3] for entry in mine], result.posterior["x"].values[chain])
        np.testing.assert_array_equal([entry[4] for entry in mine], result.sample_stats["lp"].values[chain])


@with_each_step
def test_a_callback_sees_what_a_resumed_run_draws(step, tmp_path):
    settings = {"tune": 30, "chains": 2, "model": model(), "step": step, **QUIET}
    pg.sample(240, store=tmp_path / "run", **settings)
    # Of the first chain there are 240 draws, the second was killed while it tuned; and there are more to come.
    (tmp_path / "run" / "chain_1" / "state.json").unlink()
    text = (tmp_path / "run" / "settings.json").read_text().replace('"draws": 240', '"draws": 300')
    (tmp_path / "run" / "settings.json").write_text(text)
    seen = []

    def callback(trace, draw):
        assert np.isfinite(draw.q).all() and len(trace) == draw.draw_idx + 1
        seen.append((draw.chain, draw.tuning, draw.draw_idx))

    pg.sample(resume=tmp_path / "run", callback=callback, model=model(), progressbar=False)
    expected = [(0, False, i) for i in range(240, 300)]
    expected += [(1, True, i) for i in range(30)] + [(1, False, i) for i in range(300)]
    assert sorted(seen) == sorted(expected)


@pytest.mark.filterwarnings("ignore:Sampling was interrupted")
def test_a_callback_that_fails_does_not_cost_the_draws():
    def callback(trace, draw):
        if not draw.tuning and draw.draw_idx == 20:
            raise RuntimeError("I am tired")

    with pytest.warns(UserWarning, match="callback failed, and sampling ended.*I am tired"):
        result = pg.sample(3_000_000, tune=30, chains=2, cores=2, callback=callback, model=model(), **QUIET)
    assert result.posterior.attrs["interrupted"] == 1 and 20 < result.posterior.sizes["draw"] < 3_000_000


@pytest.mark.parametrize(
    "wrong, error, message",
    [
        ({"target_ess": 0}, ValueError, "target_ess is 0; it must be positive"),
        ({"max_time": -1.0}, ValueError, r"max_time is -1\.0"),
        ({"callback": 3}, TypeError, r"callback is 3; it must be a function of \(trace, draw\)"),
    ],
)
def test_bad_options(wrong, error, message):
    with pytest.raises(error, match=message):
        pg.sample(10, model=model(), **wrong)


def test_effective_sizes_are_those_of_arviz():
    random = np.random.default_rng(1)
    noise = random.normal(size=(4, 600, 4))
    for i in range(1, 600):
        noise[:, i] += np.array([0.0, 0.5, 0.9, -0.4]) * noise[:, i - 1]
    expected = [float(az.ess(noise[..., k], method="mean")) for k in range(4)]
    # ArviZ adds one more half pair, which counts where draws are antithetic.
    assert (np.abs(effective_sizes(noise) / expected - 1) < [0.02, 0.02, 0.02, 0.12]).all()
    assert (
        np.isnan(effective_sizes(np.zeros((2, 100, 1)))).all()
        and np.isnan(effective_sizes(noise[:, :6])).all()
    )


@with_each_step
def test_what_is_thinned_out_takes_no_memory(step):
    """Of 30 MB of positions and statistics a hundredth."""
    settings = {"tune": 50, "chains": 1, "model": model(), "step": step, **QUIET}
    pg.sample(10, **settings)
    tracemalloc.start()
    try:
        result = pg.sample(300_000, thin=300, **settings)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert result.posterior.sizes["draw"] == 1000 and peak < 10e6, peak


def test_thinned_and_in_half_the_memory(monkeypatch):
    settings = {"tune": 100, "chains": 2, "model": model(), **QUIET}
    whole = pg.sample(101, **settings)
    some = pg.sample(101, thin=10, **settings)
    assert some.posterior.sizes["draw"] == 11 == some.sample_stats.sizes["draw"]
    for name in ("x", "s"):
        # To rounding: vector instructions and what remains of a row of numbers differ in the last digit of exp.
        kept = whole.posterior[name].values[:, ::10]
        np.testing.assert_allclose(some.posterior[name].values, kept, rtol=1e-14)
    np.testing.assert_array_equal(some.sample_stats["lp"].values, whole.sample_stats["lp"].values[:, ::10])
    # What was not kept is counted with the draw after it.
    for name, together in (("n_steps", np.sum), ("diverging", np.any), ("reached_max_treedepth", np.any)):
        steps = whole.sample_stats[name].values
        expected = [together(steps[:, max(i - 9, 0) : i + 1], axis=1) for i in range(0, 101, 10)]
        np.testing.assert_array_equal(some.sample_stats[name].values, np.transpose(expected))
    assert some.posterior.attrs["gradient_evaluations"] == whole.posterior.attrs["gradient_evaluations"]
    monkeypatch.setattr("probgraph.posterior.CHUNK", 256)  # 64 positions of four numbers at a time
    half = pg.sample(101, dtype="float32", **settings)
    same(whole, pg.sample(101, **settings))
    for name in ("x", "s"):
        assert half.posterior[name].dtype == np.float32
        np.testing.assert_allclose(half.posterior[name].values, whole.posterior[name].values, rtol=1e-6)
    for wrong, message in (
        ({"thin": 0}, "thin is 0; it must be at least 1"),
        ({"dtype": "int8"}, "one of 'float64', 'float32'"),
    ):
        with pytest.raises(ValueError, match=message):
            pg.sample(10, **wrong, **settings)


@pytest.mark.parametrize(
    "options, metric",
    [
        ({}, "auto"),
        ({"init": "jitter+adapt_diag_grad"}, "diag"),
        ({"init": "jitter+adapt_full"}, "dense"),
        ({"init": "adapt_full", "metric": "low_rank"}, "low_rank"),
    ],
)
def test_the_name_of_the_start_may_say_the_metric(options, metric):
    result = pg.sample(5, tune=20, chains=1, model=model(), **options, **QUIET)
    assert result.posterior.attrs["metric"] == metric
