"""The benchmarks measure what they say, on things small enough for a test. How fast is not asserted here."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.stats as st

from benchmarks import call_cost
from probgraph.engine import toolchain
from probgraph.model.log_density import log_density

ROOT = Path(__file__).resolve().parent.parent

SCRIPT = """
import time
import probgraph as pg

with pg.Model():
    pg.Normal("x", 0, 1)
    result = pg.sample(20, tune=20, chains=1, random_seed=1, progressbar=False)
time.sleep(0.5)
"""


@pytest.fixture(autouse=True)
def compiler():
    if toolchain.find_compiler() is None:
        pytest.skip("no C compiler")


def test_start_to_finish_splits_the_whole(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [
        sys.executable,
        "-m",
        "benchmarks.start_to_finish",
        "--repeat",
        "1",
        str(tmp_path / "script.py"),
    ]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    rows = {
        name.strip(): (float(cold), float(again))
        for name, cold, again in re.findall(r"^([^\d\n]+?)\s+([\d.]+)\s+([\d.]+)$", text, re.MULTILINE)
    }
    for run in (0, 1):
        seconds = {name: columns[run] for name, columns in rows.items()}
        share, total = seconds["probgraph's share"], seconds["the whole process"]
        parts = seconds["import probgraph"] + seconds["build the model"] + seconds["sample"]
        assert share == pytest.approx(parts, abs=0.02)
        assert seconds["of it waiting for the compiler"] <= seconds["sample"] + 0.01
        other = seconds["Python's start, summary, picture"]
        assert other > 0.5, "what the script does besides is not probgraph's share"
        assert seconds["import ArviZ and what belongs to it"] > 0.05
        assert total == pytest.approx(
            share + seconds["import ArviZ and what belongs to it"] + other, abs=0.03
        )
    assert rows["of it waiting for the compiler"][0] > rows["of it waiting for the compiler"][1]


def test_the_models_of_call_cost_are_what_they_are_called():
    density, _ = log_density(call_cost.eight_schools())
    q = np.random.default_rng(1).normal(size=10)
    mu, tau, theta = q[0], np.exp(q[1]), q[2:]
    effect = np.array([28, 8, -3, 7, -1, 1, 18, 12])
    error = np.array([15, 10, 16, 11, 9, 11, 10, 18])
    expected = st.norm.logpdf(mu, 0, 5) + st.halfcauchy.logpdf(tau, 0, 5) + q[1] + st.norm.logpdf(theta).sum()
    expected += st.norm.logpdf(effect, mu + tau * theta, error).sum()
    assert density(q)[0] == pytest.approx(expected, rel=1e-12)
    assert log_density(call_cost.logistic_regression(20, 3))[0].dim == 4


def test_a_round_is_timed_by_the_repetition():
    counts = []
    microseconds = call_cost.best(lambda count: (counts.append(count), sum(range(1000 * count))))
    assert microseconds > 0 and len(counts) >= call_cost.ROUNDS and max(counts) > 1
