"""Ways to warm up, side by side: effective draws for each gradient, over posteriors of posteriordb.

    python -m benchmarks.adaptation [--tune N ...] [--metrics NAME ...] [--posteriors NAME ...] [--seeds N] [--markdown]

For each posterior, metric and length of the warm-up: the smallest bulk effective sample size over all coordinates of
R^n in 4 chains of 1,000 draws, divided by all gradients that the run took, those of the warm-up included; the
geometric mean over seeds, times 1,000. In brackets the same with the gradients after the warm-up alone. A star says
that R-hat exceeds 1.05, so that the number means little.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

import arviz as az
import numpy as np
import xarray as xr

import probgraph as pg
import probgraph.engine as engine
import probgraph.engine.tensor as T
from benchmarks.posteriordb import PLACE
from benchmarks.posteriors import POSTERIORS
from benchmarks.workloads import WORKLOADS
from probgraph.engine.blas_threads import one_blas_thread
from probgraph.model.log_density import log_density
from probgraph.samplers import LogDensity, Trace, jittered_starts, sample_chains

METRICS = ("stan", "diag", "low_rank", "dense", "auto")
LEFT_OUT = ("radon", "diamonds", "garch", "item_response")
"""Workloads whose posteriors take minutes; they can be named."""

TUNE = (300, 500, 1000)
CHAINS, DRAWS = 4, 1000


def models() -> dict[str, Callable[[], pg.Model]]:
    """The posteriors of this directory whose data are there, and the workloads on such data and eight schools."""
    workloads = {
        w.name: (lambda w=w: w.probgraph(pg, engine, T, w.data()))
        for w in WORKLOADS.values()
        if (w.needs or w.name == "eight_schools") and w.is_there
    }
    return {**workloads, **(POSTERIORS if PLACE.exists() else {})}


def run(density: LogDensity, centre: np.ndarray, metric: str, tune: int, seed: int) -> Trace:
    starts = jittered_starts(density, centre, CHAINS, seed)
    with one_blas_thread():
        return sample_chains(
            density, starts, draws=DRAWS, tune=tune, random_seed=seed, metric=metric, progressbar=False
        )


def efficiency(trace: Trace) -> tuple[float, float, float]:
    """Effective draws for each gradient, with and without those of the warm-up, and the largest R-hat."""
    moved = trace.draws[:, :, trace.draws.std(axis=(0, 1)) > 0]
    draws = xr.Dataset({"q": (("chain", "draw", "coordinate"), moved)})
    size, rhat = float(az.ess(draws)["q"].min()), float(az.rhat(draws)["q"].max())
    return size / (trace.gradients + trace.gradients_tuning), size / trace.gradients, rhat


def measured(
    model: pg.Model, metrics: list[str], tune: list[int], seeds: int
) -> dict[tuple[int, str], tuple]:
    """(with warm-up, without, R-hat) for each warm-up length and metric."""
    density, layout = log_density(model)
    centre = layout.vector(model.initial_point())
    table = {}
    for length in tune:
        for metric in metrics:
            runs = [efficiency(run(density, centre, metric, length, seed)) for seed in range(1, seeds + 1)]
            whole, sampling, rhat = np.array(runs).T
            table[length, metric] = (geometric_mean(whole), geometric_mean(sampling), rhat.max())
    return table


def geometric_mean(values) -> float:
    return float(np.exp(np.log(values).mean()))


def report(tables: dict[str, dict], metrics: list[str], tune: list[int], markdown: bool) -> str:
    """All tables as text: one for each length of the warm-up, and last the means relative to the first metric."""
    lines = []
    separator = " | " if markdown else "  "

    def row(cells: list[str]) -> None:
        text = separator.join([f"{cells[0]:38}", *(f"{cell:>16}" for cell in cells[1:])])
        lines.append(f"| {text} |" if markdown else text)

    def head(title: str) -> None:
        row([title, *metrics])
        if markdown:
            lines.append("|---|" + "---:|" * len(metrics))

    for length in tune:
        head(f"{length} warm-up draws")
        for name, table in tables.items():
            cells = []
            for metric in metrics:
                whole, sampling, rhat = table[length, metric]
                cells.append(f"{1e3 * whole:.1f} ({1e3 * sampling:.1f}){'*' if rhat > 1.05 else ''}")
            row([name, *cells])
        lines.append("")
    head(f"geometric means, {metrics[0]} = 1")
    for length in tune:
        ratios = [
            [
                geometric_mean(
                    [t[length, metric][part] / t[length, metrics[0]][part] for t in tables.values()]
                )
                for part in (0, 1)
            ]
            for metric in metrics
        ]
        row([f"{length} warm-up draws", *(f"{whole:.2f} ({sampling:.2f})" for whole, sampling in ratios)])
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.adaptation", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--tune", type=int, nargs="+", default=list(TUNE))
    parser.add_argument("--metrics", nargs="+", choices=METRICS, default=list(METRICS))
    parser.add_argument(
        "--posteriors", nargs="+", choices=list(models()), default=[m for m in models() if m not in LEFT_OUT]
    )
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args(arguments)
    if not POSTERIORS.keys() & set(options.posteriors):
        print(f"posteriordb is not at {PLACE} (POSTERIORDB): its posteriors are skipped", file=sys.stderr)
    tables = {}
    for name in options.posteriors:
        print(name, file=sys.stderr, flush=True)
        tables[name] = measured(models()[name](), options.metrics, options.tune, options.seeds)
    print(report(tables, options.metrics, options.tune, options.markdown))


if __name__ == "__main__":
    main()
