"""What all tests share: a compile cache of their own, and the reference posteriors where they are at hand."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent


def pytest_configure(config: pytest.Config) -> None:
    """One cache for the session: made before any worker starts, so that all workers share it."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    if "PROBGRAPH_CACHE" not in os.environ:
        folder = tempfile.mkdtemp(prefix="probgraph-tests-")
        os.environ["PROBGRAPH_CACHE"] = folder
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Densities are made anew, for tests that change how they are made: that is no part of what they are known by."""
    monkeypatch.setattr("probgraph.model.log_density.DensityGraphs._memory", lambda self: None)


@pytest.fixture(scope="session")
def posteriordb() -> Path:
    """The folder of reference posteriors: $POSTERIORDB, or `shared/posteriordb` beside the checkout."""
    folder = Path(os.environ.get("POSTERIORDB") or ROOT.parent / "shared" / "posteriordb")
    if not (folder / "summaries.json").is_file():
        pytest.skip(f"no reference posteriors in {folder}; POSTERIORDB can name another folder")
    return folder


@pytest.fixture(scope="session")
def posterior_data(posteriordb: Path) -> Callable[[str], dict[str, Any]]:
    """By name, the data of a reference posterior: `posterior_data("eight_schools")["y"]`."""

    def read(name: str) -> dict[str, Any]:
        with zipfile.ZipFile(posteriordb / "data" / "data" / f"{name}.json.zip") as archive:
            return json.loads(archive.read(archive.namelist()[0]))

    return read


@pytest.fixture(scope="session")
def posterior_summary(posteriordb: Path) -> Callable[[str], dict[str, dict[str, float]]]:
    """By name, the reference answers of a posterior, for each scalar, as `beta[2]`, its mean, sd and quantiles."""

    def read(name: str) -> dict[str, dict[str, float]]:
        return json.loads((posteriordb / "summaries.json").read_text(encoding="utf-8"))[name]["parameters"]

    return read
