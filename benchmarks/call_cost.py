"""What one call costs: a compiled function called from Python, and log densities called from C.

    python -m benchmarks.call_cost

Densities are called in a loop in C, through the pointer that the sampler is given: what a gradient costs inside
a chain. Each line is the best of several rounds, on a machine that may be busy with other things.
"""

from __future__ import annotations

import numpy as np

import probgraph as pg
import probgraph.engine as engine
import probgraph.engine.tensor as T
from benchmarks.timing import best, density_cost
from benchmarks.workloads import by_name
from probgraph.engine import toolchain
from probgraph.model.log_density import log_density


def scalar_function() -> float:
    """A function of one number, called from Python with a Python float."""
    x = T.dscalar("x")
    function = engine.function([x], x**2 + T.sin(x))

    def run(count: int) -> None:
        for _ in range(count):
            function(0.5)

    return best(run)


def gradient(model: pg.Model) -> float:
    """The log density of a model with its gradient, called from C."""
    density, _ = log_density(model)
    return density_cost(density, np.random.default_rng(1).normal(size=density.dim) * 0.1)


def model_of(name: str) -> pg.Model:
    """The model of a workload."""
    workload = by_name(name)
    return workload.probgraph(pg, engine, T, workload.data())


def main() -> None:
    compiler = toolchain.find_compiler()
    schools, logistic = model_of("eight_schools"), model_of("logistic")
    print(f"compiler: {compiler.version.splitlines()[0] if compiler else 'none'}")
    print(f"{'a compiled function of a number, called from Python':60}{scalar_function():8.2f} µs")
    print(f"{'eight schools: log density and gradient, called from C':60}{gradient(schools):8.3f} µs")
    print(f"{'logistic regression 1,000 x 25: the same':60}{gradient(logistic):8.2f} µs")


if __name__ == "__main__":
    main()
