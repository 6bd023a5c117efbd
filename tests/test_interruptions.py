"""Runs that are ended from outside, in every way there is: what was drawn is there, marked, and can be gone on with.

Each run is a program of its own, which is signalled or killed while it draws; with gradients alone, and with every step
method. What it returned and what `resume` makes of what it stored are the draws of a run that nobody disturbed.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import probgraph as pg

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = {"tune": 200, "chains": 2, "cores": 2, "random_seed": 7, "progressbar": False}
MANY = 400_000
OBSERVED = np.tile([0.3, 1.2, -0.5, 0.1], 250)
"""So many that a draw takes some ten microseconds: what is to happen while there are draws to come does."""

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals are POSIX"),
    pytest.mark.filterwarnings("ignore:There w", "ignore:Of these draws", "ignore:R-hat"),
]


def case(which):
    """A model, and how to step in it."""
    with pg.Model() as model:
        x = pg.Normal("x", 0, 1, shape=2)
        pg.Laplace("y", x.sum(), pg.HalfNormal("s"), observed=OBSERVED)  # whose density reads them all
        if which == "gradients":
            return model, None
        k, b = pg.Poisson("k", 3.0), pg.Bernoulli("b", 0.3)
        z = pg.Categorical("z", [0.2, 0.3, 0.5])
        u, v = pg.Normal("u", k, 1.0, shape=2), pg.Normal("v", z + b, 1.0)
        methods = [
            pg.Metropolis([k]),
            pg.BinaryGibbsMetropolis([b]),
            pg.CategoricalGibbsMetropolis([z], proposal="proportional"),
            pg.DEMetropolisZ([u]),
            pg.Slice([v]),
        ]
    if which == "methods alone":
        return model, [*methods, pg.Metropolis([x, "s"])]
    return model, [*methods, pg.NUTS()]


WAYS = ("gradients", "both", "methods alone", "both, thinned")


def settings_of(which):
    return SETTINGS | {"thin": 7 if which.endswith("thinned") else 1}


PROGRAM = """
import json, os, resource, sys, warnings
sys.path.insert(0, {tests!r})
import numpy as np
import probgraph as pg
from test_interruptions import case, settings_of

model, step = case({which!r})
pg.sample(5, step=step, model=model, **settings_of({which!r}) | dict(tune=5))  # compiled from here on
{before}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    result = pg.sample({draws}, step=step, {verb}={store!r}, model=model, {options}**settings_of({which!r}))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
np.savez({store!r} + ".npz", **{{name: v.values for name, v in result.posterior.data_vars.items()}})
attrs = dict(interrupted=int(result.posterior.attrs["interrupted"]), chains=result.posterior.chain.values.tolist())
print(json.dumps(attrs | dict(said=[str(w.message) for w in said])))
"""


def started(path, which, before="", options="", draws=MANY, verb="store"):
    text = PROGRAM.format(
        tests=str(ROOT / "tests"),
        verb=verb,
        which=which,
        before=before,
        options=options,
        store=str(path),
        draws=draws * settings_of(which)["thin"],
    )
    return subprocess.Popen(
        [sys.executable, "-c", text],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def drawing(path, which, before=""):
    """The program, once all its chains have stored draws."""
    program = started(path, which, before)
    wait_until(lambda: min(stored(path)) > 0, program)
    return program


def ended(program, path):
    """What it printed, and the draws that its `sample` returned."""
    out, error = program.communicate(timeout=120)
    assert program.returncode == 0, error
    with np.load(f"{path}.npz") as arrays:
        return json.loads(out.splitlines()[-1]) | {"error": error}, dict(arrays)


def resumed(path, which):
    """The stored run as one that ends soon, resumed; and the same run undisturbed."""
    kept = stored(path)
    assert all(100 <= n < MANY for n in kept), kept
    wanted = (max(kept) + 250) * settings_of(which)["thin"]
    settings = json.loads((path / "settings.json").read_text())
    settings["run"]["draws"] = wanted
    (path / "settings.json").write_text(json.dumps(settings))
    model, step = case(which)
    gone_on = pg.sample(resume=path, model=model, progressbar=False)
    undisturbed = pg.sample(wanted, step=step, model=model, **settings_of(which))
    return kept, gone_on, undisturbed


def same(one, two):
    assert set(one.posterior.data_vars) == set(two.posterior.data_vars)
    for group in ("posterior", "sample_stats"):
        for name, values in one[group].data_vars.items():
            np.testing.assert_array_equal(values.values, two[group][name].values, err_msg=name)


def check_kept(answer, draws, path, which, interrupted=1):
    """What was returned is marked, and begins as the undisturbed run; what was stored ends as that."""
    assert answer["interrupted"] == interrupted
    kept, gone_on, undisturbed = resumed(path, which)
    same(gone_on, undisturbed)
    for name, values in draws.items():
        assert values.shape[1] >= 100
        n = min(values.shape[1], undisturbed.posterior.sizes["draw"])
        expected = undisturbed.posterior[name].values[answer["chains"], :n]
        # To rounding: vector instructions, and what remains of a row of numbers, differ in the last digit of exp.
        np.testing.assert_allclose(values[:, :n], expected, rtol=1e-14, err_msg=name)
    rates = [r.posterior.attrs for r in (gone_on, undisturbed)]
    for name in rates[0]:
        if name.startswith("acceptance of"):
            assert 0 < rates[0][name] == rates[1][name] <= 1
    return kept


@pytest.mark.parametrize("which", WAYS)
def test_killed_twice(tmp_path, which):
    path = tmp_path / "run"
    kill(drawing(path, which))
    before = stored(path)
    again = started(path, which, verb="resume")
    wait_until(lambda: min(stored(path)) > max(before), again)
    kill(again)
    _, gone_on, undisturbed = resumed(path, which)
    same(gone_on, undisturbed)


def kill(program):
    program.kill()  # SIGKILL: nothing can be cleaned up
    program.communicate()


def stored(path):
    """How many draws of each chain there are on disk."""
    states = [path / f"chain_{number}" / "state.json" for number in range(SETTINGS["chains"])]
    return [json.loads(state.read_text())["done"] if state.exists() else 0 for state in states]


def wait_until(condition, program):
    deadline = time.monotonic() + 120
    while not condition():
        assert program.poll() is None and time.monotonic() < deadline, program.communicate()
        time.sleep(0.01)


@pytest.mark.parametrize("which", WAYS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_asked_to_end(tmp_path, which, number):
    program = drawing(tmp_path / "run", which)
    program.send_signal(number)
    answer, draws = ended(program, tmp_path / "run")
    assert any("Sampling was interrupted" in text for text in answer["said"]), answer
    check_kept(answer, draws, tmp_path / "run", which)


SLOWLY = """
import time
import probgraph.sampling
def diagnose(*arguments, usual=probgraph.sampling.diagnose, **named):
    open({flag!r}, "w").close()
    deadline = time.monotonic() + 60
    while not os.path.exists({go!r}) and time.monotonic() < deadline:
        time.sleep(0.01)
    return usual(*arguments, **named)
probgraph.sampling.diagnose = diagnose
"""


@pytest.mark.parametrize("which", ["gradients", "both"])
def test_ctrl_c_twice_to_be_sure(tmp_path, which):
    """The second comes when the first has ended the chains, and their draws are looked at."""
    flag, go = tmp_path / "diagnosing", tmp_path / "go"
    program = drawing(tmp_path / "run", which, SLOWLY.format(flag=str(flag), go=str(go)))
    program.send_signal(signal.SIGINT)
    wait_until(flag.exists, program)
    program.send_signal(signal.SIGINT)
    time.sleep(0.2)
    go.touch()
    answer, draws = ended(program, tmp_path / "run")
    assert "Putting the draws together; once more gives them up" in answer["error"]
    check_kept(answer, draws, tmp_path / "run", which)


TIRED = """
def callback(trace, draw):
    if not draw.tuning and draw.draw_idx == 500:
        raise RuntimeError("I am tired")
"""


@pytest.mark.parametrize("which", WAYS)
def test_a_callback_that_fails(tmp_path, which):
    program = started(tmp_path / "run", which, TIRED, "callback=callback, ")
    answer, draws = ended(program, tmp_path / "run")
    assert any("callback failed, and sampling ended: RuntimeError('I am tired')" in t for t in answer["said"])
    assert all(values.shape[1] > 500 for values in draws.values())
    check_kept(answer, draws, tmp_path / "run", which)


FULL = "resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, resource.RLIM_INFINITY))"


@pytest.mark.parametrize("which", WAYS[:3])  # thinned, it takes a minute until so much is kept
def test_a_full_disk(tmp_path, which):
    """No file may grow beyond some tens of thousands of draws: all are returned, and those that are stored are good."""
    program = started(tmp_path / "run", which, FULL, draws=120_000)
    answer, draws = ended(program, tmp_path / "run")
    assert any("cannot be written to any more: [Errno 27] File too large" in text for text in answer["said"])
    assert all(values.shape[:2] == (2, 120_000) for values in draws.values())
    kept = check_kept(answer, draws, tmp_path / "run", which, interrupted=0)
    assert max(kept) < 120_000
