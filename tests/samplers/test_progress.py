"""What a run says while it lasts."""

import io
import re
import time
import warnings

import numpy as np
import pytest

import probgraph as pg
from probgraph import progress
from probgraph.progress import ChainStatus, Progress, counted, describe
from probgraph.samplers import LogDensity, Moves, Path, Watch, memory, sample_chains
from probgraph.samplers.forecast import evaluations_of_draw
from probgraph.samplers.memory import bytes_needed, warn_of_memory


class Terminal(io.StringIO):
    def isatty(self):
        return True


CHAINS = [ChainStatus(1500, 2000, 1000, 3, 0.25, 15000), ChainStatus(0, 2000, 1000, 0, 1.0, 0)]


def test_lines_say_where_each_chain_is():
    first, second, last = describe(CHAINS, 30.0)
    assert "1,500/2,000 drawing" in first and "10.0 gradients/draw" in first and "3 divergences" in first
    assert "step 0.25" in first and second.endswith("waiting")
    assert last == "sampling: 1,500 of 4,000 draws in 30 s, 3 divergences, about 50 s left"


def test_one_is_not_plural():
    line, last = describe([ChainStatus(10, 20, 5, 1, 0.25, 10)], 1.0)
    assert line.endswith("1.0 gradients/draw, 1 divergence") and ", 1 divergence, about" in last
    assert [counted(n, "draw") for n in (0, 1, 2, 1000)] == ["0 draws", "1 draw", "2 draws", "1,000 draws"]


def test_no_draws_at_all_is_not_an_error():
    assert "done" in describe([ChainStatus(0, 0, 0, 0, 1.0, 0)], 2.0)[-1]


def test_silent_in_the_first_second(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    stream = Terminal()
    bar = Progress(stream)
    now[0] += 0.9
    assert not bar.is_due
    bar.update(CHAINS)
    bar.close(CHAINS)
    assert stream.getvalue() == ""
    now[0] += 0.2
    assert bar.is_due
    bar.update(CHAINS)
    assert not bar.is_due and stream.getvalue()


def test_a_terminal_is_redrawn_and_a_pipe_gets_lines(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    terminal, pipe = Terminal(), io.StringIO()
    bars = [Progress(terminal), Progress(pipe)]
    for _ in range(70):
        now[0] += 0.1
        for bar in bars:
            bar.update(CHAINS)
    assert terminal.getvalue().count("\x1b[3A") > 15
    assert pipe.getvalue().count("\n") == 2 and "\x1b" not in pipe.getvalue()


def test_a_closed_stream_does_not_end_the_run(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    stream = io.StringIO()
    bar = Progress(stream)
    stream.close()
    now[0] += 2
    bar.update(CHAINS)
    bar.update(CHAINS)


def test_the_speed_is_a_chains_own():
    (line, _) = describe([ChainStatus(1500, 2000, 1000, 0, 0.25, 15000, seconds=3.0)], 30.0)
    assert ", 500 draws/s, 0 divergences" in line


class Notebook:
    """What `IPython.display` is asked for."""

    def __init__(self):
        self.shown, self.updates = [], []

    def display(self, content, *, raw, display_id=False):
        assert raw
        self.shown.append(content)
        return self

    def update(self, content, *, raw):
        assert raw
        self.updates.append(content)


def test_a_notebook_gets_one_block_that_renews_itself(monkeypatch, capsys):
    now, notebook = [100.0], Notebook()
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(progress, "_notebook", lambda: notebook)
    bar = Progress()
    for _ in range(20):
        now[0] += 0.3
        bar.update(CHAINS)
    bar.close(CHAINS)
    assert len(notebook.shown) == 1 and len(notebook.updates) > 10
    block = notebook.updates[-1]["text/html"]
    assert (
        block.startswith("<pre>chain 0: [")
        and "step 0.25" in block
        and "50" in notebook.updates[0]["text/plain"]
    )
    bar.say("It takes long")
    assert notebook.shown[1] == {"text/plain": "It takes long"}
    assert capsys.readouterr() == ("", "")


def test_no_notebook_here():
    assert progress._notebook() is None


def test_much_memory_is_said_before(recwarn):
    warn_of_memory(10, 4, 1000, 1000, available=10**9)
    assert not recwarn.list
    needed = bytes_needed(100_000, 4, 1000, 500)
    assert 4 * 2000 * 100_000 * 8 < needed < 1.01 * 4 * 2000 * 100_000 * 8
    with pytest.warns(
        UserWarning,
        match=r"4 chains of 500 \+ 1,000 draws of 100,000 numbers take 6\.4 GB, and their results 1\.5 GB more, of"
        r" 8\.0 GB that there are\. Ask for .*draws= or chains=, .* thin=; .* var_names= and dtype='float32'",
    ):
        warn_of_memory(100_000, 4, 1000, 500, 1_500_000_000, available=8 * 10**9)


def test_a_container_has_what_it_may_have(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "LIMIT_OF_GROUP", tmp_path / "memory.max")
    machine = memory._available()
    for said, expected in (("123456\n", 123456), ("max\n", machine), (f"{10 * machine}\n", machine)):
        (tmp_path / "memory.max").write_text(said)
        assert memory._available() == expected


def test_memory_counts_what_is_computed_from_draws(monkeypatch):
    """A thousand log likelihoods of each draw, of two numbers; the options that are named make it less."""
    monkeypatch.setattr(memory, "_available", lambda: 2_000_000)
    with pg.Model() as model:
        x = pg.Normal("x", 0, 1)
        pg.Normal("y", x, 1, observed=np.zeros(1000))
        pg.Deterministic("z", x + np.zeros(200))

    def said(**options):
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            pg.sample(400, tune=100, chains=1, model=model, progressbar=False, **options)
        return any("take 0.0 GB, and their results" in str(w.message) for w in found)

    likelihood = {"idata_kwargs": {"log_likelihood": True}}
    assert said(**likelihood) and not said(thin=10, **likelihood) and not said()
    monkeypatch.setattr(memory, "_available", lambda: 1_000_000)
    assert said() and not said(dtype="float32") and not said(var_names=["x"])


def test_a_long_run_is_said_before_its_first_draw(capsys):
    """Of a gradient that takes 5 ms, before anything else; nothing of short runs, and of those that are to be silent."""

    def slow(q):
        time.sleep(0.005)
        return -0.5 * q @ q, -q

    def run(draws, **options):
        watch = Watch(max_time=0.01)
        density = LogDensity.from_python(slow, 2)
        sample_chains(density, np.zeros((2, 2)), draws=draws, tune=0, cores=2, watch=watch, **options)
        return capsys.readouterr().err

    said = run(4000).splitlines()[0]
    # 8,000 draws of 15 gradients of 5 ms, by two.
    minutes = re.fullmatch(
        r"A gradient takes 0\.005\d* s: 8,000 draws, .* 2 at a time, take about (\d+) min", said
    )
    assert minutes and 5 <= int(minutes[1]) <= 10, said
    assert run(4000, progressbar=False) == "" and run(10) == ""


@pytest.mark.parametrize(
    "dim, path, moves, expected",
    [
        (3, None, [], 15),
        (3, Path(1.0, max_steps=1), [], 1),
        (3, None, [Moves("metropolis", (0,), (1.0,))], 16),
        (3, None, [Moves("metropolis", (0, 1, 2), (1.0,) * 3)], 3),
        (3, None, [Moves("slice", (0, 1), (1.0,) * 2), Moves("flip", (2,), (1.0,))], 13),
        (2, None, [Moves("differences", (0, 1), (1.0,))], 1),
        (2, None, [Moves("categories", (0, 1), (1.0,) * 2, categories=(3, 5), proportional=True)], 8),
    ],
)
def test_evaluations_of_a_draw(dim, path, moves, expected):
    assert evaluations_of_draw(dim, path, moves) == expected
