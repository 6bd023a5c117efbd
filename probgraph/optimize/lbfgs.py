"""L-BFGS: steps by an inverse Hessian that the last steps tell of (Liu & Nocedal, Math. Programming 1989).

In C, loop and all, where the objective is a C function; in Python else: the same steps.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from probgraph.engine import toolchain
from probgraph.optimize.endings import Ending, concluded
from probgraph.optimize.line_search import line_search
from probgraph.optimize.loops_in_c import ObjectiveInC, loop_in_c, run_in_parts
from probgraph.optimize.objective import Evaluations, Objective
from probgraph.optimize.result import OptimizeResult

CALM_ITERATIONS = 2
"""Small changes of the value in a row that count as the end: one may be a step that was too short."""


def minimize_lbfgs(
    objective: Objective,
    start: np.ndarray,
    *,
    max_iterations: int = 10_000,
    tolerance: float = 1e-6,
    relative_change: float = 1e-12,
    history: int = 10,
    record_path: bool = False,
) -> OptimizeResult:
    """Minimise by L-BFGS with a line search; `history` steps are remembered. See `minimize` for the other options.

    With a `relative_change` of 0 the gradient's norm alone counts: near a minimum far up, values differ by rounding only.
    """
    if history < 1 or history != int(history):
        raise ValueError(f"history is {history}; it must be a whole number from 1")
    evaluate = Evaluations(objective, start)
    arguments = (evaluate, max_iterations, tolerance, relative_change, int(history), record_path)
    if getattr(objective, "address", None):
        try:
            return _in_c(*arguments)
        except toolchain.NoCompilerError:
            pass
    return _in_python(*arguments)


def _in_python(
    evaluate: Evaluations,
    max_iterations: int,
    tolerance: float,
    relative_change: float,
    history: int,
    record_path: bool,
) -> OptimizeResult:
    x, value, gradient = evaluate.best_x.copy(), evaluate.best_value, evaluate.best_gradient
    steps: list[tuple[np.ndarray, np.ndarray, float]] = []
    path = [x] if record_path else None
    iteration, calm = 0, 0
    norm = float(np.sqrt(gradient @ gradient))
    try:
        while True:
            if norm <= tolerance:
                ending = Ending.SMALL_GRADIENT
                break
            if calm >= CALM_ITERATIONS:
                ending = Ending.CALM
                break
            if iteration == max_iterations:
                ending = Ending.OUT_OF_ITERATIONS
                break
            direction = _quasi_newton(gradient, steps)
            slope = float(direction @ gradient)
            if not slope < 0:  # nothing that rounding left is to be trusted
                steps, direction, slope = [], -gradient, -(norm**2)
            first = 1.0 if steps or norm < 1 else 1 / norm
            found = line_search(evaluate, x, value, slope, direction, first)
            if found is None:
                if not steps:
                    ending = Ending.STUCK
                    break
                if relative_change > 0 and evaluate.hidden(value, -slope / 2):
                    ending = Ending.CALM
                    break
                steps = []  # once more, against the gradient
                continue
            step, change = found.x - x, found.gradient - gradient
            product = float(step @ change)
            if product > 2.2e-16 * float(change @ change):
                steps = [*steps, (step, change, product)][-history:]
            fall, larger = value - found.value, max(abs(value), abs(found.value), 1.0)
            small = relative_change > 0 and fall <= relative_change * larger
            calm = calm + 1 if found.wolfe and small else 0
            x, value, gradient = found.x, found.value, found.gradient
            norm = float(np.sqrt(gradient @ gradient))
            iteration += 1
            if path is not None:
                path.append(x)
    except KeyboardInterrupt:
        ending = Ending.STOPPED
    return concluded(ending, x, value, norm, (iteration, evaluate.count), tolerance, relative_change, path)


def _quasi_newton(gradient: np.ndarray, steps: list[tuple[np.ndarray, np.ndarray, float]]) -> np.ndarray:
    """-(inverse Hessian) gradient, by the two loops of Nocedal (1980)."""
    d = -gradient
    weights = []
    for step, change, product in reversed(steps):
        weights.append(float(step @ d) / product)
        d = d - weights[-1] * change
    if steps:
        _, change, product = steps[-1]
        d = d * (product / float(change @ change))
    for (step, change, product), weight in zip(steps, reversed(weights), strict=True):
        d = d + (weight - float(change @ d) / product) * step
    return d


class _Settings(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_double) for name in ("tolerance", "relative_change")),
        *((name, ctypes.c_int64) for name in ("history", "calm_iterations", "max_iterations", "record")),
    ]


class _State(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_double) for name in ("value", "norm")),
        *((name, ctypes.c_int64) for name in ("iteration", "calm", "stored", "newest")),
    ]


def _in_c(
    evaluate: Evaluations,
    max_iterations: int,
    tolerance: float,
    relative_change: float,
    history: int,
    record_path: bool,
) -> OptimizeResult:
    loop = loop_in_c("lbfgs", 7, "line_search.h")
    objective: Any = evaluate.objective
    x, gradient = evaluate.best_x.copy(), evaluate.best_gradient.copy()
    dim = len(x)
    path = [x.copy()] if record_path else None
    settings = _Settings(tolerance, relative_change, history, CALM_ITERATIONS, max_iterations, record_path)
    state = _State(evaluate.best_value, float(np.sqrt(gradient @ gradient)), 0, 0, 0, 0)
    data = objective.new_data()
    in_c = ObjectiveInC(
        objective.address, data.address, objective.sign, evaluate.rounding, dim, evaluate.count
    )
    memory = np.zeros(history * (2 * dim + 2) + 3 * dim)
    given = [ctypes.addressof(s) for s in (settings, state, in_c)]
    given += [a.ctypes.data for a in (x, gradient, memory)]
    ending = run_in_parts(
        lambda points, part: loop(*given, points, part), [data], state, path, dim, max_iterations
    )
    counts = state.iteration, in_c.evaluations
    return concluded(ending, x, state.value, state.norm, counts, tolerance, relative_change, path)
