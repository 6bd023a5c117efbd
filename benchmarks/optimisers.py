"""Which optimiser finds which minimum: each of the gallery's functions from one start, by every method.

    python -m benchmarks.optimisers

A cell is the number of iterations to a known minimum (to 1e-3), "other" if a minimum that is not the lowest was found, or
"-" if none was. Below it: 10,000 steps of gradient descent, L-BFGS beside SciPy on NumPy code, and Newton's methods beside
SciPy's with the same compiled derivatives.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import probgraph as pm
import probgraph.engine.tensor as T
from probgraph.optimize.scipy_methods import derivatives_for

LIMIT = 50_000


@dataclass(frozen=True)
class Function:
    """`cost` of a vector; `convex_enough` says that L-BFGS from `start` leads to a lowest point."""

    cost: Callable[[Any], Any]
    start: Sequence[float]
    minima: Sequence[Sequence[float]]
    lowest: float = 0.0
    convex_enough: bool = True
    learning_rate: float = 1e-3


def rosenbrock(p: Any) -> Any:
    return (100 * (p[1:] - p[:-1] ** 2) ** 2 + (1 - p[:-1]) ** 2).sum()


def _beale(p: Any) -> Any:
    x, y = p[0], p[1]
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


def _himmelblau(p: Any) -> Any:
    return (p[0] ** 2 + p[1] - 11) ** 2 + (p[0] + p[1] ** 2 - 7) ** 2


def _rastrigin(p: Any) -> Any:
    return 20.0 + (p**2 - 10 * T.cos(2 * np.pi * p)).sum()


def _ackley(p: Any) -> Any:
    spread = T.sqrt((p**2).mean() + 1e-300)
    return -20 * T.exp(-0.2 * spread) - T.exp(T.cos(2 * np.pi * p).mean()) + 20 + np.e


def _styblinski_tang(p: Any) -> Any:
    return (p**4 - 16 * p**2 + 5 * p).sum() / 2


def _goldstein_price(p: Any) -> Any:
    x, y = p[0], p[1]
    left = 1 + (x + y + 1) ** 2 * (19 - 14 * x + 3 * x**2 - 14 * y + 6 * x * y + 3 * y**2)
    right = 30 + (2 * x - 3 * y) ** 2 * (18 - 32 * x + 12 * x**2 + 48 * y - 36 * x * y + 27 * y**2)
    return left * right


def _booth(p: Any) -> Any:
    return (p[0] + 2 * p[1] - 7) ** 2 + (2 * p[0] + p[1] - 5) ** 2


def _matyas(p: Any) -> Any:
    return 0.26 * (p[0] ** 2 + p[1] ** 2) - 0.48 * p[0] * p[1]


def _levy(p: Any) -> Any:
    w = 1 + (p - 1) / 4
    middle = ((w[:-1] - 1) ** 2 * (1 + 10 * T.sin(np.pi * w[:-1] + 1) ** 2)).sum()
    return T.sin(np.pi * w[0]) ** 2 + middle + (w[-1] - 1) ** 2 * (1 + T.sin(2 * np.pi * w[-1]) ** 2)


FUNCTIONS: dict[str, Function] = {
    "Rosenbrock": Function(rosenbrock, (-1.2, 1.0), [(1.0, 1.0)]),
    "Rosenbrock, 100 dims": Function(rosenbrock, (0.5,) * 100, [(1.0,) * 100]),
    "Beale": Function(_beale, (1.0, 1.0), [(3.0, 0.5)], learning_rate=1e-2),
    "Himmelblau": Function(
        _himmelblau,
        (0.0, 0.0),
        [(3.0, 2.0), (-2.805118, 3.131312), (-3.779310, -3.283186), (3.584428, -1.848126)],
        learning_rate=1e-2,
    ),
    "Rastrigin": Function(_rastrigin, (0.3, -0.2), [(0.0, 0.0)]),
    "Ackley": Function(_ackley, (0.3, -0.2), [(0.0, 0.0)], convex_enough=False),
    "Styblinski-Tang": Function(
        _styblinski_tang, (-1.0, -1.0), [(-2.903534,) * 2], -78.332331, learning_rate=1e-2
    ),
    "Goldstein-Price": Function(_goldstein_price, (0.2, -0.8), [(0.0, -1.0)], 3.0, learning_rate=1e-5),
    "Booth": Function(_booth, (0.0, 0.0), [(1.0, 3.0)], learning_rate=5e-2),
    "Matyas": Function(_matyas, (5.0, -3.0), [(0.0, 0.0)], learning_rate=0.5),
    "Levy": Function(_levy, (0.5, 1.5), [(1.0, 1.0)], learning_rate=5e-2),
}
METHODS = (
    "L-BFGS",
    "newton",
    "trust-newton",
    "BFGS",
    "trust-exact",
    "trust-ncg",
    "gradient descent",
    "momentum",
    "nesterov",
    "adagrad",
    "rmsprop",
    "adam",
)
#: those whose rate is a length, not a factor of the gradient
_LENGTHS = {"adagrad": 0.3, "rmsprop": 1e-3, "adam": 0.02}


def cell(f: Function, method: str) -> str:
    """How one method does on one function."""
    point = T.dvector("point")
    options: dict[str, Any] = {"max_iterations": LIMIT}
    if method in ("gradient descent", "momentum", "nesterov", *_LENGTHS):
        options["learning_rate"] = _LENGTHS.get(method, f.learning_rate)
    found = pm.minimize(f.cost(point), start={"point": f.start}, method=method, **options)
    nearest = min(np.abs(found["point"] - np.array(m)).max() for m in f.minima)
    if nearest < 1e-3:
        return str(found.iterations)
    return "other" if found.gradient_norm < 1e-3 else "-"


def _seconds(work: Callable[[], Any], times: int = 20) -> float:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return float(np.median(taken))


def speed() -> list[str]:
    """Descent and L-BFGS on Rosenbrock's valley, compiled, and SciPy on NumPy code."""
    from scipy.optimize import minimize as by_scipy

    from probgraph.optimize import minimize as walk

    def problem(start: Sequence[float]) -> Any:
        point = T.dvector("point")
        return pm.minimize(rosenbrock(point), start={"point": start}, max_iterations=1)._problem.objective

    two, many = problem((-1.2, 1.0)), problem((0.5,) * 100)
    options = {"learning_rate": 1e-3, "max_iterations": 10_000, "tolerance": 0.0, "relative_change": 0.0}
    steps = _seconds(lambda: walk(two, np.array([-1.2, 1.0]), "gradient descent", **options))

    def value(p: np.ndarray) -> float:
        return float((100 * (p[1:] - p[:-1] ** 2) ** 2 + (1 - p[:-1]) ** 2).sum())

    def value_and_gradient(p: np.ndarray) -> tuple[float, np.ndarray]:
        off, gradient = p[1:] - p[:-1] ** 2, np.zeros_like(p)
        gradient[1:] = 200 * off
        gradient[:-1] -= 400 * p[:-1] * off + 2 * (1 - p[:-1])
        return float((100 * off**2 + (1 - p[:-1]) ** 2).sum()), gradient

    ours = _seconds(lambda: walk(many, np.full(100, 0.5), "L-BFGS"))
    options = {"maxfun": 10**6, "ftol": 1e-12, "gtol": 1e-7}
    differences = _seconds(lambda: by_scipy(value, np.full(100, 0.5), method="L-BFGS-B", options=options), 3)
    by_hand = _seconds(
        lambda: by_scipy(value_and_gradient, np.full(100, 0.5), jac=True, method="L-BFGS-B", options=options)
    )
    return [
        f"10,000 steps of gradient descent on Rosenbrock, 2 dims: {1e3 * steps:.2f} ms",
        f"L-BFGS on Rosenbrock, 100 dims: {1e3 * ours:.2f} ms. SciPy's on NumPy code: {1e3 * by_hand:.1f} ms with the gradient"
        f" written by hand, {by_hand / ours:.0f} times as long; {1e3 * differences:.0f} ms by differences,"
        f" {differences / ours:.0f} times as long",
    ]


#: Newton's methods, each with the methods of SciPy's that ask for the same derivatives
_NEWTONS = {"newton": ["trust-exact"], "trust-newton": ["trust-ncg", "Newton-CG", "trust-krylov"]}


def newtons(dims: Sequence[int] = (2, 100, 1000)) -> list[str]:
    """Milliseconds of each on Rosenbrock's valley, as the rows of a table."""
    from scipy.optimize import minimize as by_scipy

    from probgraph.optimize import minimize as walk

    options = {"tol": 1e-6, "options": {"maxiter": LIMIT}}
    rows: dict[str, list[str]] = {}
    for dim in dims:
        start, times, point = np.full(dim, 0.5), 20 if dim <= 100 else 3, T.dvector("point")
        problem = pm.minimize(rosenbrock(point), start={"point": start}, max_iterations=0)._problem
        for ours, theirs in _NEWTONS.items():
            curvature = problem._curvature(ours)
            searches = {ours: partial(walk, problem.objective, start, ours, curvature=curvature)}
            for method in theirs:
                derivatives = derivatives_for(method, problem._curvature)
                searches[f"SciPy's {method}"] = partial(
                    by_scipy, problem.objective, start, method=method, **derivatives, **options
                )
            for name, search in searches.items():
                taken = 1e3 * _seconds(search, times)
                rows.setdefault(name, []).append(f"{taken:.0f}" if taken > 100 else f"{taken:.2g}")
    head = [
        f"| Rosenbrock from 0.5 | {' | '.join(f'{dim} dims' for dim in dims)} |",
        "|---" * (len(dims) + 1) + "|",
    ]
    return [*head, *(f"| {name} | {' | '.join(row)} |" for name, row in rows.items())]


def main() -> None:
    print(f"| | {' | '.join(METHODS)} |")
    print("|---" * (len(METHODS) + 1) + "|")
    for name, f in FUNCTIONS.items():
        print(f"| {name} | {' | '.join(cell(f, method) for method in METHODS)} |", flush=True)
    print()
    print("\n".join(speed()))
    print()
    print("Milliseconds, with the same compiled derivatives:\n")
    print("\n".join(newtons()))


if __name__ == "__main__":
    main()
