"""How compiling grows with a model: seconds and memory of the compiler for 10 to 3,000 scalar terms.

    python -m benchmarks.compile_time [--terms N ...] [--peers NAME ...] [--out plot.png]

Each model is built and compiled in a process of its own with an empty cache, until the first value of its log density
with the gradient. Bars show milliseconds for each term: level bars mean that time grows as the model does.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import processes
from benchmarks.libraries import LIBRARIES

TERMS = (10, 30, 100, 300, 1000, 3000)
WIDTH = 30


def measure(terms: int, library: str, folder: Path, seconds: float) -> dict[str, Any]:
    order = {"library": library, "workload": f"scalar_terms_{terms}", "steps": ["build", "compile"]}
    return processes.run(order, folder / f"{library}-{terms}", seconds)


def table(rows: list[dict[str, Any]]) -> str:
    """The measured numbers, a line for each number of terms of each library."""
    lines = [
        f"{'library':10}{'terms':>7}{'build, s':>10}{'compile, s':>12}{'ms a term':>11}{'compiler, MB':>14}"
    ]
    most = max((1000 * row["compile"] / row["terms"] for row in rows if "compile" in row), default=1.0)
    for row in rows:
        start = f"{row['library']:10}{row['terms']:7,}"
        if "compile" not in row:
            lines.append(f"{start}  {row.get('error', 'no result')}")
            continue
        each = 1000 * row["compile"] / row["terms"]
        megabytes = f"{row['compiler_megabytes']:14.0f}" if "compiler_megabytes" in row else " " * 14
        bar = "#" * round(WIDTH * each / most)
        lines.append(f"{start}{row['build']:10.3f}{row['compile']:12.3f}{each:11.2f}{megabytes}  {bar}")
    return "\n".join(lines)


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Seconds and megabytes against terms, both axes logarithmic, as a picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for library in dict.fromkeys(row["library"] for row in rows):
        for axes, key in ((left, "compile"), (right, "compiler_megabytes")):
            points = [(row["terms"], row[key]) for row in rows if row["library"] == library and key in row]
            if points:
                axes.loglog(*zip(*points, strict=True), marker="o", label=library)
    for axes, words in (
        (left, "seconds to compile, empty cache"),
        (right, "memory of a compiler process, MB"),
    ):
        axes.set(xlabel="scalar terms", ylabel=words)
        axes.grid(alpha=0.3)
    left.legend()
    figure.savefig(path, dpi=120)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compile_time", description=__doc__.partition("\n")[0]
    )
    peers = [name for name in LIBRARIES if name != "probgraph" and LIBRARIES[name].is_there]
    parser.add_argument("--terms", nargs="+", type=int, default=list(TERMS), metavar="N")
    parser.add_argument(
        "--peers", nargs="*", default=[], choices=peers, metavar="NAME", help=", ".join(peers)
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="a picture of it; needs matplotlib")
    parser.add_argument(
        "--seconds",
        type=float,
        default=600.0,
        help="the longest that one process may take; then no larger model",
    )
    options = parser.parse_args(arguments)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        for library in ["probgraph", *options.peers]:
            processes.warm_up(library, Path(folder))
            for terms in options.terms:
                numbers = measure(terms, library, Path(folder), options.seconds)
                rows.append({"library": library, "terms": terms, **numbers})
                if "error" in numbers:
                    break
    print(table(rows))
    if options.out is not None:
        plot(rows, options.out)


if __name__ == "__main__":
    main()
