"""The benchmarks measure what they say, on things small enough for a test. How fast is not asserted here."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import scipy.stats as st

from benchmarks import call_cost, compile_time, log_likelihood, optimisers, processes, report
from benchmarks.processes import MemoryWatch
from benchmarks.roofline import microseconds_to_read
from benchmarks.timing import ROUNDS, best
from benchmarks.worker import Worker
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
    density, _ = log_density(call_cost.model_of("eight_schools"))
    q = np.random.default_rng(1).normal(size=10)
    mu, tau, theta = q[0], np.exp(q[1]), q[2:]
    effect = np.array([28, 8, -3, 7, -1, 1, 18, 12])
    error = np.array([15, 10, 16, 11, 9, 11, 10, 18])
    expected = st.norm.logpdf(mu, 0, 5) + st.halfcauchy.logpdf(tau, 0, 5) + q[1] + st.norm.logpdf(theta).sum()
    expected += st.norm.logpdf(effect, mu + tau * theta, error).sum()
    assert density(q)[0] == pytest.approx(expected, rel=1e-12)
    assert log_density(call_cost.model_of("logistic"))[0].dim == 26


def test_a_round_is_timed_by_the_repetition():
    counts = []
    microseconds = best(lambda count: (counts.append(count), sum(range(1000 * count))))
    assert microseconds > 0 and len(counts) >= ROUNDS and max(counts) > 1


# Side by side with peers: the harness, with probgraph alone ------------------------------------------------


def worker(tmp_path, steps):
    order = {
        "workload": "scalar_terms_5",
        "library": "probgraph",
        "steps": steps,
        "reference": str(tmp_path / "known.npz"),
    }
    report = tmp_path / "report.json"
    Worker(order, report).run()
    return json.loads(report.read_text())


def test_what_computes_another_density_is_not_timed(tmp_path):
    steps = ["build", "compile", "check"]
    assert "error" not in worker(tmp_path, steps)  # it is the first, so it becomes the reference
    same = worker(tmp_path, steps)
    assert same["gradients_differ_by"] == 0 and same["densities_differ_by"] == 0 and same["dim"] == 5
    with np.load(tmp_path / "known.npz") as known:
        known = dict(known)
    np.savez(tmp_path / "known.npz", **{**known, "logp": known["logp"] + 3.0})
    assert "error" not in worker(tmp_path, steps), "densities may differ by a constant"
    np.savez(tmp_path / "known.npz", **{**known, "logp": known["logp"] * (1 + 1e-6)})
    assert "Disagreement" in worker(tmp_path, [*steps, "gradient"])["error"]
    known["gradients"][2, 3] *= 1 + 1e-6
    np.savez(tmp_path / "known.npz", **known)
    other = worker(tmp_path, [*steps, "gradient"])
    assert "Disagreement" in other["error"] and "gradient" not in other


def test_the_command_measures_probgraph_where_no_peer_is(tmp_path):
    out = [str(tmp_path / "results.json"), str(tmp_path / "RESULTS.md")]
    command = [
        sys.executable,
        "-m",
        "benchmarks",
        "--workloads",
        "scalar_terms_5",
        "--peers",
        "--draws",
        "50",
    ]
    command += ["--measure", "import", "gradient", "sample", "memory", "--json", "--out", *out]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    printed = json.loads(text)
    assert printed == json.loads((tmp_path / "results.json").read_text())
    assert printed["machine"]["Python"] in sys.version
    numbers = printed["results"]["scalar_terms_5"]["probgraph"]
    assert "error" not in numbers
    assert 0 < numbers["import"] < numbers["finish_warm"]
    assert numbers["sample"] + numbers["import"] < numbers["finish_cold"]
    assert 0 < numbers["gradient"] < 1000 and numbers["gradients"] > 200
    assert 10 < numbers["ess_bulk"] < 2000 and numbers["rhat"] > 0.9
    assert numbers["ess_per_gradient"] == pytest.approx(1000 * numbers["ess_bulk"] / numbers["gradients"])
    if Path("/proc/self/task").exists():
        assert 30 < numbers["megabytes"] < 3000
    assert "| 5 scalar terms" in (tmp_path / "RESULTS.md").read_text()


def test_ratios_are_to_the_best_peer():
    results = {
        "eight_schools": {
            "probgraph": {"gradient": 1.0, "ess_per_second": 30.0},
            "stanli": {"gradient": 4.0, "ess_per_second": 10.0},
            "numpyro": {"gradient": 2.0, "ess_per_second": 20.0},
            "nutpie": {"error": "check: Disagreement: it is another density", "gradient": 0.1},
        }
    }
    text = report.tables(results, ["gradient", "sample"])
    gradient, per_second = re.findall(r"^\| eight schools.*\|\s+(\S+) \|$", text, re.MULTILINE)
    assert gradient == "0.50" and per_second == "1.50"
    assert "eight_schools, nutpie: check: Disagreement" in text


def test_reading_once_stands_beside_the_gradient():
    results = {"logistic_large": {"probgraph": {"gradient": 3000.0, "reading": 2000.0}}}
    assert re.search(r"3,000 \|\s+2,000 \|\s+1.50 \|", report.tables(results, ["gradient"]))


def test_what_takes_too_long_is_ended_with_all_it_started(tmp_path):
    order = {"workload": "scalar_terms_3000", "library": "probgraph", "steps": ["build", "compile"]}
    began = time.monotonic()
    found = processes.run(order, tmp_path / "pair", 2.0)
    assert found["error"] == "not finished after 2 s" and time.monotonic() - began < 10


def test_the_roofline_reads_everything():
    array = np.random.default_rng(0).normal(size=100_003)
    assert microseconds_to_read(array) > array.nbytes / 1e6, "a terabyte per second: it was not read"


def test_memory_of_children_is_seen():
    if not Path("/proc/self/task").exists():
        pytest.skip("no /proc")
    hungry = "b = bytearray(200 << 20); b[::4096] = b'x' * len(b[::4096]); import time; time.sleep(0.3)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hungry!r}]); "
    parent += "subprocess.run(['sleep', '0.2'])"
    process = subprocess.Popen([sys.executable, "-c", parent])
    watch = MemoryWatch(process.pid)
    watch.start()
    process.wait()
    watch.stop()
    assert 200 < watch.peak / 2**20 < 400
    assert 0 < watch.compiler_peak / 2**20 < 20, "sleep holds little, whatever it was started from"


def test_compile_time_prints_a_line_for_each_size(capsys):
    compile_time.main(["--terms", "2", "4"])
    lines = capsys.readouterr().out.splitlines()
    found = [re.match(r"probgraph +(\d+) +([\d.]+) +([\d.]+) +([\d.]+)", line) for line in lines[1:]]
    assert [int(match[1]) for match in found] == [2, 4]
    assert all(0.001 < float(match[3]) < 30 for match in found)
    for match in found:
        assert float(match[4]) == pytest.approx(1000 * float(match[3]) / int(match[1]), rel=0.1)


def test_log_likelihoods_are_written_and_read(tmp_path, capsys):
    pytest.importorskip("arviz")
    log_likelihood.main(
        ["--observations", "3000", "--draws", "400", "--loo", "200", "--directory", str(tmp_path)]
    )
    said = capsys.readouterr().out
    assert "3,000 observations x 400 draws: 0.0048 GB written" in said
    assert "leave-one-out of 200 of them" in said
    assert float(re.search(r"within (\S+) of SciPy's", said)[1]) < 1e-5
    assert not list(tmp_path.iterdir())


def test_newtons_methods_are_timed_beside_scipys():
    rows = optimisers.newtons(dims=(2, 3))
    names = [row.split("|")[1].strip() for row in rows[2:]]
    assert names[0] == "newton" and "trust-newton" in names and "SciPy's trust-ncg" in names
    assert all(float(cell) > 0 for row in rows[2:] for cell in row.split("|")[2:4])
    row = [optimisers.cell(optimisers.FUNCTIONS["Beale"], method) for method in ("newton", "trust-newton")]
    assert all(int(cell) < 20 for cell in row)
