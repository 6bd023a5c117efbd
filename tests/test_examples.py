"""The examples run as users run them: as scripts, in a folder of their own."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
SCRIPTS = sorted(file.relative_to(EXAMPLES).as_posix() for file in EXAMPLES.rglob("*.py"))
MATPLOTLIB = importlib.util.find_spec("matplotlib") is not None


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg", "PYTHONIOENCODING": "utf-8"}


def run(script: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / script)],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def summary_row(text: str, name: str) -> list[float]:
    """The numbers of one row of a printed summary."""
    found = re.search(rf"^\s*{re.escape(name)}\s+(.*)$", text, re.MULTILINE)
    assert found, f"no row {name!r} in\n{text}"
    return [float(number) for number in found.group(1).split()]


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_lesson_is_short(script):
    assert len((EXAMPLES / script).read_text(encoding="utf-8").splitlines()) < 60


def test_eight_schools(tmp_path):
    text = run("eight_schools.py", tmp_path)
    # Means of the reference draws: mu 4.41, tau 3.59, theta of the first school 6.15.
    assert abs(summary_row(text, "mu")[0] - 4.41) < 0.5
    assert abs(summary_row(text, "tau")[0] - 3.59) < 0.5
    assert abs(summary_row(text, "theta[Choate]")[0] - 6.15) < 0.7
    assert int(re.search(r"divergences: (\d+)", text).group(1)) < 20
    assert (tmp_path / "eight_schools.png").is_file() == MATPLOTLIB


def orings_by_quadrature() -> tuple[float, dict[int, float]]:
    """The same posterior on a fine grid: the probability of a negative slope, and median probabilities of damage."""
    source = (EXAMPLES / "logistic_regression.py").read_text(encoding="utf-8")
    temperature, damage = (
        np.array(
            [
                float(n)
                for n in re.search(rf"^{name} = np.array\(\[(.*?)\]", source, re.M | re.S)[1].split(",")
            ]
        )
        for name in ("temperature", "damage")
    )
    intercept, slope = np.meshgrid(np.linspace(-6, 6, 400), np.linspace(-9, 5, 400))
    eta = intercept[..., None] + slope[..., None] * (temperature - 70) / 10
    logp = (damage * eta - np.logaddexp(0, eta)).sum(-1) - (intercept**2 + slope**2) / (2 * 2.5**2)
    weight = np.exp(logp - logp.max()) / np.exp(logp - logp.max()).sum()
    medians = {}
    for fahrenheit in (31, 53, 70, 81):
        value = (intercept + slope * (fahrenheit - 70) / 10).ravel()
        order = np.argsort(value)
        middle = value[order][np.searchsorted(np.cumsum(weight.ravel()[order]), 0.5)]
        medians[fahrenheit] = float(1 / (1 + np.exp(-middle)))
    return float(weight[slope < 0].sum()), medians


def test_logistic_regression(tmp_path):
    text = run("logistic_regression.py", tmp_path)
    with_cold, medians = orings_by_quadrature()
    assert abs(float(re.search(r"grows with cold: ([\d.]+)", text).group(1)) - with_cold) < 0.005
    at = {
        int(fahrenheit): float(probability)
        for fahrenheit, probability in re.findall(
            r"^(\d+) °F: damage with probability ([\d.]+)", text, re.MULTILINE
        )
    }
    assert at.keys() == medians.keys()
    for fahrenheit, probability in medians.items():
        assert abs(at[fahrenheit] - probability) < 0.02


def test_rosenbrock(tmp_path):
    text = run("rosenbrock.py", tmp_path)
    assert "from (2, 2): (1.008, 1.016)" in text
    assert re.search(r"^gradient descent from \(3, 3\).*not converged: .*diverged", text, re.MULTILINE)
    assert re.search(r"^adam from \(3, 3\): \(1\.000, 1\.000\).*, converged$", text, re.MULTILINE)
    assert re.search(r"^L-BFGS-B from \(3, 3\): \(1\.000, 1\.000\).*, converged$", text, re.MULTILINE)
    assert (tmp_path / "rosenbrock.png").is_file() == MATPLOTLIB


@pytest.mark.parametrize(
    "script", sorted(set(SCRIPTS) - {"eight_schools.py", "logistic_regression.py", "rosenbrock.py"})
)
def test_other_examples_run_and_print(script, tmp_path):
    assert run(script, tmp_path).strip()


NOTEBOOKS = sorted(file.name for file in EXAMPLES.glob("*.ipynb"))


@pytest.mark.parametrize("file", NOTEBOOKS)
def test_notebook(file, tmp_path, monkeypatch):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    pytest.importorskip("matplotlib")
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MPLBACKEND")  # so that pictures are shown in the notebook
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    notebook = nbformat.read(EXAMPLES / file, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "the notebook is kept without outputs"
    client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    kinds = {
        kind
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        for kind in output.get("data", ())
    }
    assert {"image/png", "text/html"} <= kinds
