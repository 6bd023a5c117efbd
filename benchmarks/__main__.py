"""probgraph and its peers, side by side.

    python -m benchmarks [--workloads NAME ...] [--peers NAME ...] [--measure NAME ...] [--json] [--out FILE ...]

Each (workload, library) pair runs in processes of its own, with caches of its own. Libraries that are not installed
are left out; benchmarks/README.md tells how to make an environment that has them.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.libraries import CHAINS, LIBRARIES
from benchmarks.measures import MEASURES, measure
from benchmarks.processes import warm_up
from benchmarks.workloads import WORKLOADS, by_name


def main(arguments: list[str] | None = None) -> None:
    options = _options(arguments)
    results, facts = _known(options.given)
    libraries = ["probgraph", *(name for name in options.peers if name != "probgraph")]
    missing = [name for name in libraries if not LIBRARIES[name].is_there]
    for name in missing:
        _say(f"{name} is not installed: left out")
    libraries = [name for name in libraries if name not in missing]
    facts |= report.machine(libraries)
    settings = {"chains": CHAINS, "draws": options.draws, "tune": options.draws, "seed": options.seed}
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        for library in libraries:
            warm_up(library, Path(folder))
        for name in options.workloads:
            if not by_name(name).is_there:
                _say(f"{name}: its data set {by_name(name).needs} is not there (POSTERIORDB): skipped")
                continue
            for library in libraries:
                _say(f"{name}, {library} ...")
                numbers = measure(name, library, options.measure, Path(folder), settings, options.seconds)
                row = results.setdefault(name, {})
                row[library] = {k: v for k, v in row.get(library, {}).items() if k != "error"} | numbers
                _write(results, facts, options)
    if options.json:
        print(json.dumps({"machine": facts, "results": results}, indent=1))
    else:
        print(report.tables(results, options.measure))


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--workloads", nargs="+", default=list(WORKLOADS), metavar="NAME", help=", ".join(WORKLOADS))
    peers = [name for name in LIBRARIES if name != "probgraph"]
    add("--peers", nargs="*", default=peers, choices=peers, metavar="NAME", help=", ".join(peers))
    add(
        "--measure",
        nargs="+",
        default=list(MEASURES),
        choices=MEASURES,
        metavar="NAME",
        help=", ".join(MEASURES),
    )
    add("--json", action="store_true", help="print JSON instead of tables")
    add(
        "--out",
        nargs="+",
        default=[],
        type=Path,
        metavar="FILE",
        help="write .json or .md files as results come",
    )
    add("--given", type=Path, metavar="FILE", help="a .json of an earlier run, whose results are kept")
    add("--draws", type=int, default=1000, help="draws of each chain, and as many of tuning")
    add("--seed", type=int, default=1)
    add("--seconds", type=float, default=1200.0, help="the longest that one process may take")
    options = parser.parse_args(arguments)
    for name in options.workloads:
        try:
            by_name(name)
        except KeyError as error:
            parser.error(str(error.args[0]))
    for path in options.out:
        if path.suffix not in (".json", ".md"):
            parser.error(f"--out {path}: the name must end in .json or .md")
    return options


def _known(path: Path | None) -> tuple[dict[str, Any], dict[str, str]]:
    if path is None:
        return {}, {}
    known = json.loads(path.read_text(encoding="utf-8"))
    return known["results"], known["machine"]


def _write(results: dict[str, Any], facts: dict[str, str], options: argparse.Namespace) -> None:
    for path in options.out:
        if path.suffix == ".json":
            text = json.dumps({"machine": facts, "results": results}, indent=1) + "\n"
        else:
            text = report.page(results, facts, MEASURES)
        path.write_text(text, encoding="utf-8")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
