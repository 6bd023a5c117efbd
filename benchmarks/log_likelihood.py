"""The log likelihood of more observations and draws than memory holds: written to a file, and cross-validated from there.

    python -m benchmarks.log_likelihood --observations 2600000 --draws 4000 --directory /somewhere/with/room

Takes 4 bytes of disk for each observation and draw, 42 GB with these numbers, and removes them in the end. ArviZ's
leave-one-out takes about a millisecond for each observation, whatever their number: `--loo` says of how many.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import scipy.stats as st

import probgraph as pg
from probgraph.inference_data import build

CHAINS = 4


def peak() -> float:
    """The most memory that this process has had, in MB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)


def regression(observations: int) -> tuple[pg.Model, np.ndarray, np.ndarray]:
    """A line through so many points."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=observations)
    y = 1.0 + 2.0 * x + 0.5 * rng.normal(size=observations)
    with pg.Model() as model:
        a, b = pg.Normal("a", 0, 10), pg.Normal("b", 0, 10)
        pg.Normal("y", a + b * x, pg.HalfNormal("sigma", 1), observed=y)
    return model, x, y


def draws_of(observations: int, draws: int) -> dict[str, np.ndarray]:
    """Draws (chain, draw) such as the posterior has, without sampling it."""
    rng = np.random.default_rng(2)
    noise = rng.normal(size=(3, CHAINS, max(draws // CHAINS, 1))) * 0.5 / np.sqrt(observations)
    return {"a": 1.0 + noise[0], "b": 2.0 + noise[1], "sigma": 0.5 + noise[2]}


def measure(observations: int, draws: int, loo: int, directory: Path) -> dict[str, Any]:
    """Seconds and peaks of writing and of reading, and how far some numbers are from SciPy's."""
    model, x, y = regression(observations)
    posterior = draws_of(observations, draws)
    found: dict[str, Any] = {"before": peak()}
    start = time.perf_counter()
    result = build({"posterior": posterior})
    pg.compute_log_likelihood(result, model=model, store=directory, dtype="float32", progressbar=False)
    found["write"], found["written"] = time.perf_counter() - start, peak()
    found["bytes"] = sum(f.stat().st_size for f in directory.iterdir())
    values = result["log_likelihood"]["y"]
    some = np.linspace(0, observations - 1, 7).astype(int)
    last = {name: v[-1, -1] for name, v in posterior.items()}
    truth = st.norm.logpdf(y[some], last["a"] + last["b"] * x[some], last["sigma"])
    found["error"] = float(np.abs(values.values[-1, -1, some] - truth).max())
    if loo:
        part = build({"posterior": posterior, "log_likelihood": {"y": values.values[..., :loo]}})
        start = time.perf_counter()
        found["elpd"] = pg.loo_in_chunks(part, progressbar=False).elpd
        found["read"] = time.perf_counter() - start
    found["after"] = peak()
    return found


def report(observations: int, draws: int, loo: int, found: dict[str, Any]) -> str:
    """The numbers in words."""
    lines = [
        f"{observations:,} observations x {draws:,} draws: {found['bytes'] / 1e9:.3g} GB written"
        f" in {found['write']:.1f} s, within {found['error']:.1g} of SciPy's numbers",
        f"peak memory: {found['before']:.0f} MB before, {found['written']:.0f} MB after writing",
    ]
    if loo:
        lines.append(
            f"leave-one-out of {min(loo, observations):,} of them from the file in {found['read']:.1f} s,"
            f" peak {found['after']:.0f} MB"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--observations", type=int, default=100_000)
    parser.add_argument("--draws", type=int, default=1_000)
    parser.add_argument("--loo", type=int, default=2_000, help="of so many observations; 0 for none")
    parser.add_argument("--directory", type=Path, default=None, help="where there is room")
    given = parser.parse_args(arguments)
    place = Path(tempfile.mkdtemp(dir=given.directory))
    try:
        found = measure(given.observations, given.draws, given.loo, place / "log_likelihood")
        print(report(given.observations, given.draws, given.loo, found))
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    main()
