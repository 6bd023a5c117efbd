"""Results as tables: a row for each workload, a column for each library, and the ratio to the best peer."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Iterable, Mapping
from typing import Any

import probgraph as pg
from benchmarks.libraries import LIBRARIES
from benchmarks.measures import MEASURES, Column
from benchmarks.workloads import WORKLOADS, by_name
from probgraph.engine import toolchain

Results = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Numbers by workload, then library, then key."""

OURS = "probgraph"


def tables(results: Results, measures: Iterable[str]) -> str:
    """All tables asked for, as Markdown that reads well as text too."""
    libraries = [name for name in LIBRARIES if any(name in row for row in results.values())]
    parts = []
    for measure in MEASURES:
        if measure in set(measures):
            parts += [_table(results, column, libraries) for column in MEASURES[measure]]
    return "\n".join(part for part in [*parts, _failures(results)] if part)


def _table(results: Results, column: Column, libraries: list[str]) -> str:
    if not any(column.key in numbers for row in results.values() for numbers in row.values()):
        return ""
    reading = column.key == "gradient" and any(
        "reading" in numbers for row in results.values() for numbers in row.values()
    )
    ratios = column.less_is_better is not None and len(libraries) > 1
    titles = [column.title, *libraries]
    titles += ["probgraph / best peer"] * ratios + ["to read the data once", "probgraph / reading"] * reading
    lines = [titles]
    for name in [*(w for w in WORKLOADS if w in results), *(w for w in results if w not in WORKLOADS)]:
        row = results[name]
        cells = [_number(row.get(library, {}).get(column.key)) for library in libraries]
        cells += [_ratio(row, column)] * ratios
        if reading:
            ours = row.get(OURS, {})
            once = ours.get("reading")
            cells += [_number(once), f"{ours[column.key] / once:.2f}" if once and column.key in ours else ""]
        lines.append([by_name(name).title, *cells])
    return _aligned(lines)


def _ratio(row: Mapping[str, Mapping[str, Any]], column: Column) -> str:
    peers = [
        n[column.key] for name, n in row.items() if name != OURS and column.key in n and "error" not in n
    ]
    ours = row.get(OURS, {}).get(column.key)
    if ours is None or not peers:
        return ""
    best = min(peers) if column.less_is_better else max(peers)
    return f"{ours / best:.2f}" if best else ""


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _aligned(lines: list[list[str]]) -> str:
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]

    def text(cells: list[str]) -> str:
        padded = [
            cells[0].ljust(widths[0]),
            *(c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True)),
        ]
        return f"| {' | '.join(padded)} |"

    rule = (
        "|" + "|".join("-" * (w + 2) if i == 0 else "-" * (w + 1) + ":" for i, w in enumerate(widths)) + "|"
    )
    return "\n".join([text(lines[0]), rule, *map(text, lines[1:])]) + "\n"


def _failures(results: Results) -> str:
    lines = [
        f"* {name}, {library}: {numbers['error']}"
        for name, row in results.items()
        for library, numbers in row.items()
        if "error" in numbers
    ]
    return "\n".join(["Not measured:", "", *lines, ""]) if lines else ""


def machine(libraries: Iterable[str]) -> dict[str, str]:
    """Where it was measured, with what: processor, system, Python, compiler, versions of packages."""
    compiler = toolchain.find_compiler()
    facts = {
        "processor": _processor(),
        "system": platform.platform(),
        "Python": platform.python_version(),
        "C compiler": compiler.version.splitlines()[0] if compiler else "none",
    }
    packages = dict.fromkeys(package for name in libraries for package in LIBRARIES[name].packages)
    for package in [*packages, "arviz"]:
        try:
            facts[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:  # run from a checkout that is not installed
            facts[package] = pg.__version__
    return facts


def _processor() -> str:
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{model}, {os.cpu_count()} processors"


def page(results: Results, facts: Mapping[str, str], measures: Iterable[str]) -> str:
    """The tables with what must be known to read them."""
    measured = [name for name in LIBRARIES if any(name in row for row in results.values())]
    lines = [f"* {name}: {value}" for name, value in facts.items()]
    ways = [f"* {name}: {LIBRARIES[name].tightest}" for name in measured]
    return "\n".join(
        [
            "# Side by side with peers",
            "",
            "Printed by `python -m benchmarks`; how it measures is told in [README.md](README.md).",
            "",
            *lines,
            "",
            "A log density with its gradient is timed by the tightest loop that each library offers, in one thread:",
            "",
            *ways,
            "",
            tables(results, measures),
        ]
    )
