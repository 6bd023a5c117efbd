"""How the engine's work grows with a graph: seconds to build, differentiate, rewrite and print 10,000 to 100,000 nodes.

    python -m benchmarks.graph_size [--nodes N ...]

The graph is one chain, as deep as it is large, so that nothing may recurse. The last column is what a node costs
in all: where it stays level, time grows as the graph does.
"""

from __future__ import annotations

import argparse
import io
import itertools
import time
from collections.abc import Sequence

import probgraph.engine as theano
import probgraph.engine.tensor as T
from probgraph.engine.graph import Variable, toposort

NODES = (10_000, 20_000, 50_000, 100_000)
STEPS = ("build", "grad", "rewrite", "pp", "debugprint")


def chain(nodes: int) -> tuple[Variable, Variable]:
    """A vector and the sum of a chain of about this many applications to it."""
    x = T.dvector("x")
    y = x
    for step in range(nodes // 4):
        y = T.tanh(y) * (1.0 + step / nodes) - T.sin(x)
    return x, y.sum()


def measure(nodes: int) -> dict[str, float]:
    """Seconds for each step, and how many applications the graph has."""
    times = [time.perf_counter()]
    x, cost = chain(nodes)
    times.append(time.perf_counter())
    gradient = T.grad(cost, x)
    times.append(time.perf_counter())
    theano.function([x], [cost, gradient], mode=theano.Mode("py", "fast_run"))
    times.append(time.perf_counter())
    theano.pp(cost)
    times.append(time.perf_counter())
    theano.debugprint(
        cost, depth=50, file=io.StringIO()
    )  # deeper, the indents alone would grow as the square
    times.append(time.perf_counter())
    seconds = dict(zip(STEPS, (b - a for a, b in itertools.pairwise(times)), strict=True))
    return {"nodes": len(toposort([cost])), **seconds}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, nargs="+", default=NODES)
    print(f"{'nodes':>9}" + "".join(f"{step + ', s':>15}" for step in STEPS) + f"{'µs a node':>12}")
    for nodes in parser.parse_args(arguments).nodes:
        row = measure(nodes)
        total = sum(row[step] for step in STEPS)
        cells = "".join(f"{row[step]:15.2f}" for step in STEPS)
        print(f"{row['nodes']:9,.0f}{cells}{1e6 * total / row['nodes']:12.1f}", flush=True)


if __name__ == "__main__":
    main()
