"""Measures one library on one workload, in this process; a part of `python -m benchmarks`.

    python -m benchmarks.worker order.json report.json

The order names the workload, the library and the steps. The report is written after each step, so that what was
measured is kept when a later step fails.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import sys
import time
import traceback
from pathlib import Path
from typing import Any

POINTS = 7
"""Points over R^n at which densities are compared and timed."""

GRADIENT_TOLERANCE = 1e-9
REPEAT_SECONDS = 40.0
"""How long sampling with other seeds may take altogether."""


class Disagreement(AssertionError):
    """Two libraries compute different densities: there is nothing to compare."""


class Worker:
    def __init__(self, order: dict[str, Any], report: Path) -> None:
        self.order, self.path = order, report
        self.found: dict[str, Any] = {}

    def run(self) -> None:
        for step in ("load", *self.order["steps"]):
            try:
                getattr(self, step)()
            except Exception as error:
                self.found["error"] = f"{step}: {type(error).__name__}: {error}".strip()[:500]
                traceback.print_exc()
                break
            finally:
                self.path.write_text(json.dumps(self.found))

    def load(self) -> None:
        began = time.perf_counter()
        self.adapter = importlib.import_module(f"benchmarks.libraries.{self.order['library']}")
        self.found["import"] = time.perf_counter() - began
        workloads = importlib.import_module("benchmarks.workloads")
        self.workload = workloads.by_name(self.order["workload"])
        self.data = self.workload.data()

    def build(self) -> None:
        began = time.perf_counter()
        self.model = self.adapter.build(self.workload, self.data)
        self.found["build"] = time.perf_counter() - began

    def compile(self) -> None:
        began = time.perf_counter()
        self.density = self.adapter.compile(self.model)
        self.found["compile"] = time.perf_counter() - began
        self.found["dim"] = self.density.dim

    def check(self) -> None:
        """Compare values at points with those of the library that was first, or be the first."""
        import numpy as np

        reference = Path(self.order["reference"])
        random = np.random.default_rng(1)
        self.points = [random.normal(size=self.density.dim) * self.workload.spread for _ in range(POINTS)]
        logp, gradients = map(np.array, zip(*map(self.density, self.points), strict=True))
        if not (np.isfinite(logp).all() and np.isfinite(gradients).all()):
            raise Disagreement("the density or its gradient is not finite")
        if not reference.exists():
            np.savez(reference, logp=logp, gradients=gradients)
            return
        with np.load(reference) as known:
            if known["gradients"].shape != gradients.shape:
                raise Disagreement(f"dimensions {gradients.shape[1]} and {known['gradients'].shape[1]}")
            differences = logp - known["logp"]
            scale = np.abs(known["gradients"]).max(axis=1, keepdims=True)
            gap = np.abs(gradients - known["gradients"]) / scale
            unlike = np.ptp(differences) / np.abs(known["logp"]).max()
        self.found["gradients_differ_by"] = float(gap.max())
        self.found["densities_differ_by"] = float(unlike)
        if not (gap.max() < GRADIENT_TOLERANCE and unlike < GRADIENT_TOLERANCE):
            raise Disagreement(
                f"gradients differ by {gap.max():.2g} of the largest, densities by a constant and {unlike:.2g}"
            )

    def gradient(self) -> None:
        timing = importlib.import_module("benchmarks.timing")
        np = importlib.import_module("numpy")
        timing.one_processor()
        runs = [self.density.repeated(q, timing) for q in self.points]
        self.found["gradient"] = float(np.median([timing.best(run, 5, 0.04) for run in runs]))
        if self.workload.reads is not None:
            roofline = importlib.import_module("benchmarks.roofline")
            self.found["reading"] = roofline.microseconds_to_read(self.data[self.workload.reads])

    def sample(self) -> None:
        libraries = importlib.import_module("benchmarks.libraries")
        settings = libraries.Settings(**self.order["settings"])
        began = time.perf_counter()
        draws = self.adapter.sample(self.model, settings)
        finished, self.found["finished_at"] = time.perf_counter(), time.time()
        self.found["sample"] = draws.again() if draws.seconds is None else draws.seconds
        self.path.write_text(json.dumps(self.found))
        # The smallest of many effective sizes varies by a tenth from seed to seed: what is quick is run again.
        affordable = int(REPEAT_SECONDS / (finished - began))
        effective = importlib.import_module("benchmarks.effective")
        summaries = [effective.summary(draws)]
        for more in range(1, min(self.order.get("runs", 1), 1 + affordable)):
            other = dataclasses.replace(settings, seed=settings.seed + more)
            summaries.append(effective.summary(self.adapter.sample(self.model, other)))
        self.found |= effective.mean(summaries) | {"runs": len(summaries)}


if __name__ == "__main__":
    Worker(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])).run()
