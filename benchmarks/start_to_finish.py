"""How long a user waits for eight schools: the whole process, and probgraph's share of it.

    python -m benchmarks.start_to_finish [--repeat N] [example.py]

Runs the example as a process of its own, first with an empty compile cache, then again with the cache filled.
In that process a driver (phases.py) takes the time of its phases: importing probgraph, building the model, `sample`, and
what is imported meanwhile of other libraries. probgraph's share is its import (with NumPy, which it needs),
building, compiling and sampling; loading xarray or ArviZ inside `sample` is not in it, for a script pays for
these once, wherever it imports them. The rest is Python's own start, ArviZ, tables and pictures.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PHASES = {
    "import": "import probgraph",
    "build": "build the model",
    "sample": "sample",
    "compile": "  of it waiting for the compiler",
    "share": "probgraph's share",
    "libraries": "import ArviZ and what belongs to it",
    "other": "Python's start, summary, picture",
    "total": "the whole process",
}


def measure(example: Path, cache: str, folder: str) -> dict[str, float]:
    """Run the driver as a process, in `folder`, with the compile cache `cache`."""
    report = Path(folder) / "phases.json"
    command = [sys.executable, "-m", "benchmarks.phases", str(example), str(report)]
    search = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PROBGRAPH_CACHE": cache, "PYTHONPATH": search, "MPLBACKEND": "Agg"}
    environment.pop(
        "PYTHONDONTWRITEBYTECODE", None
    )  # installed packages come compiled to bytecode: so may a checkout
    began = time.perf_counter()
    subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True
    )
    phases = json.loads(report.read_text()) | {"total": time.perf_counter() - began}
    phases["share"] = phases["import"] + phases["build"] + phases["sample"]
    phases["other"] = phases["total"] - phases["share"] - phases["libraries"]
    return phases


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("example", nargs="?", type=Path, default=ROOT / "examples" / "eight_schools.py")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each kind; medians are shown")
    options = parser.parse_args()
    cold, warm = [], []
    with tempfile.TemporaryDirectory() as folder:
        measure(options.example, f"{folder}/thrown-away", folder)  # so that files are read from memory
        for run in range(options.repeat):
            cold.append(measure(options.example, f"{folder}/cache-{run}", folder))
            warm.append(measure(options.example, f"{folder}/cache-{run}", folder))
    print(f"{options.example.name}, medians of {options.repeat} runs, seconds")
    print(f"{'':36}{'empty cache':>12}{'again':>9}")
    for phase, text in PHASES.items():
        columns = [statistics.median(run[phase] for run in runs) for runs in (cold, warm)]
        print(f"{text:36}{columns[0]:12.2f}{columns[1]:9.2f}")


if __name__ == "__main__":
    main()
