"""What is measured of a (workload, library) pair: processes to run, and numbers to show.

first process, empty cache    import, build, compile; then densities are compared, then timed
second process, same cache    import, build, compile
third process, empty cache    import, build, and the library's own sampler, as a user's script would
fourth process, its cache     the same again
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import processes
from benchmarks.libraries import LONG

Numbers = dict[str, Any]


RUNS = 8
"""Seeds to sample with, where that is quick: numbers of draws and gradients are means over them."""


@dataclass(frozen=True)
class Column:
    """A number of a pair: the key in its results, the words for it, and which way is better (None: neither)."""

    key: str
    title: str
    less_is_better: bool | None = True


MEASURES: dict[str, tuple[Column, ...]] = {
    "import": (Column("import", "import, seconds"),),
    "compile": (
        Column("compile_cold", "build and compile with an empty cache, seconds"),
        Column("compile_warm", "build and compile again with what was cached, seconds"),
        Column("compiler_megabytes", "peak memory of a compiler process, MB", None),
    ),
    "gradient": (Column("gradient", "log density with gradient, µs"),),
    "sample": (
        Column("sample", "4 chains of 1000 + 1000, compiling not counted, seconds"),
        Column("runs", "seeds that the next numbers are means over", None),
        Column("gradients", "gradient evaluations after tuning", None),
        Column("gradients_tuning", "gradient evaluations in tuning", None),
        Column("divergences", "divergences", None),
        Column("rhat", "largest R-hat", None),
        Column("ess_bulk", "smallest bulk effective sample size", None),
        Column("ess_tail", "smallest tail effective sample size", None),
        Column("ess_per_second", "bulk effective samples per second of sampling", False),
        Column("ess_per_gradient", "bulk effective samples per 1000 gradients after tuning", False),
        Column("finish_cold", "process start to finished posterior, empty cache, seconds"),
        Column("finish_warm", "process start to finished posterior, again, seconds"),
    ),
    "memory": (Column("megabytes", "peak memory of the process and all it starts, MB"),),
}


def measure(
    workload: str, library: str, measures: Iterable[str], folder: Path, settings: Numbers, seconds: float
) -> Numbers:
    """The numbers of a pair; under "error", what failed, if something did."""
    measures = set(measures)
    order = {
        "workload": workload,
        "library": library,
        "reference": str(folder / f"{workload}.npz"),
        "settings": settings,
    }
    own = folder / f"{workload}-{library}"
    try:
        return _measured(measures, order, own, seconds)
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _measured(measures: set[str], order: Numbers, folder: Path, seconds: float) -> Numbers:
    numbers: Numbers = {}
    steps = ["build", "compile", "check"] + (["gradient"] if "gradient" in measures else [])
    first = processes.run({**order, "steps": steps}, folder / "density", seconds)
    numbers |= _only(
        first,
        ["import", "dim", "compiler_megabytes", "gradients_differ_by", "densities_differ_by", "gradient"],
        ["reading", "megabytes", "error"],
    )
    if "error" in numbers:  # what computes something else is not compared
        return numbers
    numbers["compile_cold"] = first["build"] + first["compile"]
    if "compile" in measures:
        again = processes.run({**order, "steps": ["build", "compile"]}, folder / "density", seconds)
        numbers |= _only(again, ["error"])
        if "compile" in again:
            numbers["compile_warm"] = again["build"] + again["compile"]
    if "sample" in measures:
        numbers |= _sampled(order, folder, seconds, numbers["megabytes"])
    return numbers


def _sampled(order: Numbers, folder: Path, seconds: float, megabytes: float) -> Numbers:
    order = {**order, "steps": ["build", "sample"]}
    cold = processes.run({**order, "runs": RUNS}, folder / "sampling", seconds)
    keys = [
        "sample",
        "gradients",
        "gradients_tuning",
        "divergences",
        "rhat",
        "ess_bulk",
        "ess_tail",
        "runs",
        "error",
    ]
    numbers = _only(cold, keys)
    numbers["megabytes"] = max(megabytes, cold.get("megabytes", 0))
    if "error" in cold:
        return numbers
    numbers["finish_cold"] = cold["total"]
    numbers["ess_per_second"] = cold["ess_bulk"] / cold["sample"]
    numbers["ess_per_gradient"] = 1000 * cold["ess_bulk"] / cold["gradients"]
    if cold["total"] > LONG:
        return numbers
    warm = processes.run(order, folder / "sampling", seconds)
    numbers |= _only(warm, ["error"])
    if "total" in warm:
        numbers["finish_warm"] = warm["total"]
    return numbers


def _only(numbers: Numbers, *keys: list[str]) -> Numbers:
    return {key: numbers[key] for group in keys for key in group if numbers.get(key) is not None}
