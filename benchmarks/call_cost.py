"""What one call costs: a compiled function called from Python, and log densities called from C.

    python -m benchmarks.call_cost

Densities are called in a loop in C, through the pointer that the sampler is given: what a gradient costs inside
a chain. Each line is the best of several rounds, on a machine that may be busy with other things.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable

import numpy as np

import probgraph as pg
import probgraph.engine as engine
import probgraph.engine.tensor as T
from probgraph.engine import toolchain
from probgraph.model.log_density import log_density
from probgraph.samplers.density import LogDensity

ROUNDS = 7
REPEAT = """
typedef int (*density)(const double *q, double *grad, double *logp, void *data);
int repeat(density call, const double *q, double *grad, double *logp, void *data, long count) {
    int code = 0;
    for (long i = 0; i < count; i++) code |= call(q, grad, logp, data);
    return code;
}
"""


def best(run: Callable[[int], None]) -> float:
    """Microseconds of one of `count` repetitions: the best of several rounds of about a tenth of a second."""
    count = 1
    while True:
        began = time.perf_counter()
        run(count)
        seconds = time.perf_counter() - began
        if seconds > 0.02:
            break
        count *= 4
    count = max(1, int(count * 0.1 / seconds))
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        run(count)
        rounds.append((time.perf_counter() - began) / count)
    return 1e6 * min(rounds)


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


def density_cost(density: LogDensity, q: np.ndarray) -> float:
    """Microseconds of a log density with its gradient at q, called from C."""
    library = toolchain.load(REPEAT, "benchmark")
    library.repeat.argtypes = [ctypes.c_void_p] * 5 + [ctypes.c_long]
    data = density.new_data()
    grad, logp = np.empty(density.dim), np.empty(1)
    pointers = (density.address, q.ctypes.data, grad.ctypes.data, logp.ctypes.data, data.address)

    def run(count: int) -> None:
        if library.repeat(*pointers, count):
            raise RuntimeError("the density has no value at the point of the benchmark")

    run(1)
    if not (np.isfinite(logp).all() and np.isfinite(grad).all()):
        raise RuntimeError(f"not finite: log density {logp[0]}, gradient {grad}")
    return best(run)


def eight_schools() -> pg.Model:
    effect = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
    standard_error = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])
    with pg.Model() as model:
        mu = pg.Normal("mu", 0, 5)
        tau = pg.HalfCauchy("tau", 5)
        theta_trans = pg.Normal("theta_trans", 0, 1, shape=8)
        pg.Normal("y", mu + tau * theta_trans, standard_error, observed=effect)
    return model


def logistic_regression(rows: int = 1000, columns: int = 25) -> pg.Model:
    random = np.random.default_rng(0)
    X = random.normal(size=(rows, columns))
    y = random.random(rows) < 1 / (1 + np.exp(-X @ random.normal(size=columns) * 0.3))
    with pg.Model() as model:
        intercept = pg.Normal("intercept", 0, 5)
        beta = pg.Normal("beta", 0, 1, shape=columns)
        pg.Bernoulli("y", logit_p=intercept + T.dot(X, beta), observed=y.astype("int64"))
    return model


def main() -> None:
    compiler = toolchain.find_compiler()
    print(f"compiler: {compiler.version.splitlines()[0] if compiler else 'none'}")
    print(f"{'a compiled function of a number, called from Python':60}{scalar_function():8.2f} µs")
    print(f"{'eight schools: log density and gradient, called from C':60}{gradient(eight_schools()):8.3f} µs")
    print(f"{'logistic regression 1,000 x 25: the same':60}{gradient(logistic_regression()):8.2f} µs")


if __name__ == "__main__":
    main()
