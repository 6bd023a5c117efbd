"""The loop of the gradient-descent family: step by a rule until there is a reason to stop.

In C where the objective is a C function, in Python else: the same steps, and the same ends.
"""

from __future__ import annotations

import ctypes
import functools
from importlib import resources
from typing import Any

import numpy as np

from probgraph.engine import toolchain
from probgraph.optimize.objective import Batches, Evaluations, Objective, is_finite
from probgraph.optimize.result import OptimizeResult
from probgraph.optimize.step_rule import StepRule

BLOW_UP = 1e8
"""A value so many times above the start's is a descent that has turned into a climb."""

CALM_ITERATIONS = 10
"""Small changes of the value in a row that count as the end: a single one may be the top of a swing."""

CHUNK = 20_000
"""Iterations of a run in C between which Python looks whether it is to be interrupted."""

_GOING_ON, _SMALL_GRADIENT, _CALM, _OUT_OF_ITERATIONS, _DIVERGED, _STOPPED = range(6)


def descend(
    rule: StepRule,
    objective: Objective,
    start: np.ndarray,
    *,
    max_iterations: int = 10_000,
    tolerance: float = 1e-6,
    relative_change: float = 1e-12,
    record_path: bool = False,
    batches: Batches | None = None,
) -> OptimizeResult:
    """Minimise by steps of a rule; see `minimize` for the options. Ctrl-C returns the best point so far.

    Values of different mini-batches cannot be compared: with `batches` all iterations are done, and the last point is the
    result.
    """
    if batches:
        tolerance, relative_change = -1.0, -1.0
        batches.redraw()
    evaluate = Evaluations(objective, start)
    arguments = (rule, evaluate, max_iterations, tolerance, relative_change, record_path, batches)
    if getattr(objective, "address", None):
        try:
            return _in_c(*arguments)
        except toolchain.NoCompilerError:
            pass
    return _in_python(*arguments)


def _ended(
    ending: int,
    iteration: int,
    norm: float,
    tolerance: float,
    relative_change: float,
    value: float,
    size: float,
) -> tuple[bool, str]:
    """Whether that is convergence, and in words."""
    match ending:
        case 1:
            return True, f"gradient norm at most {tolerance:g}"
        case 2:
            return True, f"relative change at most {relative_change:g} in {CALM_ITERATIONS} iterations"
        case 3 if tolerance < 0:
            return (
                False,
                f"all {iteration} iterations done: with mini-batches there is no test of convergence",
            )
        case 3:
            return False, f"not converged in {iteration} iterations (gradient norm {norm:.3g}): allow more"
        case 4:
            return False, (
                f"diverged in iteration {iteration}: the value is {value:.3g} and the largest coordinate "
                f"{size:.3g} in size; try a smaller learning_rate"
            )
        case _:
            return False, f"interrupted in iteration {iteration}"


def _in_python(
    rule: StepRule,
    evaluate: Evaluations,
    max_iterations: int,
    tolerance: float,
    relative_change: float,
    record_path: bool,
    batches: Batches | None,
) -> OptimizeResult:
    x, value, gradient = evaluate.best_x.copy(), evaluate.best_value, evaluate.best_gradient
    ceiling = value + BLOW_UP * max(1.0, abs(value))
    memory = rule.begin(len(x))
    path = [x]
    iteration, calm = 0, 0
    try:
        while True:
            norm = float(np.sqrt(np.sum(gradient**2)))
            if norm <= tolerance:
                ending = _SMALL_GRADIENT
            elif calm >= CALM_ITERATIONS:
                ending = _CALM
            elif iteration == max_iterations:
                ending = _OUT_OF_ITERATIONS
            else:
                x = rule.step(x, gradient, memory)
                previous = value
                if batches:
                    batches.redraw()
                value, gradient = evaluate(x)
                iteration += 1
                path.append(x)
                if is_finite(value, gradient) and value <= ceiling:
                    small = relative_change * max(abs(value), abs(previous))
                    calm = calm + 1 if abs(value - previous) <= small else 0
                    continue
                ending = _DIVERGED
            break
    except KeyboardInterrupt:
        ending = _STOPPED
    converged, message = _ended(
        ending, iteration, norm, tolerance, relative_change, value, float(np.abs(x).max())
    )
    # Once converged the last point, not the best one: with momentum they differ, and only the last is at rest.
    best = (
        (x, value, norm)
        if converged or (batches and ending != _DIVERGED)
        else (evaluate.best_x, evaluate.best_value, float(np.linalg.norm(evaluate.best_gradient)))
    )
    return OptimizeResult(
        *best, iteration, evaluate.count, converged, message, np.array(path) if record_path else None
    )


class _Settings(ctypes.Structure):
    _fields_ = [
        *(
            (name, ctypes.c_double)
            for name in ("rate", "momentum", "scale_memory", "weight_decay", "decay", "clip")
        ),
        *((name, ctypes.c_double) for name in ("tolerance", "relative_change", "ceiling", "sign")),
        *((name, ctypes.c_int64) for name in ("rule", "calm_iterations", "max_iterations", "record")),
    ]


class _Batch(ctypes.Structure):
    _fields_ = [("rows", ctypes.c_void_p), ("count", ctypes.c_int64), ("total", ctypes.c_int64)]


class _State(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_double) for name in ("value", "norm", "best_value", "best_norm")),
        *((name, ctypes.c_int64) for name in ("iteration", "calm", "evaluations")),
    ]


@functools.cache
def _library() -> Any:
    source = resources.files("probgraph.optimize").joinpath("descent.c").read_text(encoding="utf-8")
    function = ctypes.CDLL(str(toolchain.compile_library(source, "descent"))).descend
    function.restype = ctypes.c_int64
    function.argtypes = [
        *(ctypes.c_void_p,) * 4,
        ctypes.c_int64,
        *(ctypes.c_void_p,) * 8,
        *(ctypes.c_int64,) * 2,
    ]
    return function


def _in_c(
    rule: StepRule,
    evaluate: Evaluations,
    max_iterations: int,
    tolerance: float,
    relative_change: float,
    record_path: bool,
    batches: Batches | None,
) -> OptimizeResult:
    run = _library()
    objective: Any = evaluate.objective
    x, gradient = evaluate.best_x.copy(), evaluate.best_gradient.copy()
    best, mean, square = x.copy(), np.zeros_like(x), np.zeros_like(x)
    value, dim = evaluate.best_value, len(x)
    path = np.empty((max_iterations + 1, dim)) if record_path else np.empty((1, dim))
    path[0] = x
    settings = _Settings(
        rule.learning_rate,
        rule.momentum,
        rule.scale_memory,
        rule.weight_decay,
        rule.learning_rate_decay,
        rule.clip_norm,
        tolerance,
        relative_change,
        value + BLOW_UP * max(1.0, abs(value)),
        objective.sign,
        rule.number,
        CALM_ITERATIONS,
        max_iterations,
        record_path,
    )
    norm = float(np.sqrt(np.sum(gradient**2)))
    state = _State(value, norm, value, norm, 0, 0, evaluate.count)
    data = objective.new_data()
    rows = [] if batches is None else [*zip(batches.rows, batches.totals, strict=True)]
    drawn = (_Batch * max(len(rows), 1))(*(_Batch(r.ctypes.data, len(r), total) for r, total in rows))
    random = batches.random.bit_generator.ctypes.bit_generator if batches else None
    arrays = [a.ctypes.data for a in (x, gradient, best, mean, square, path)]
    ending = _GOING_ON
    try:
        while ending == _GOING_ON:
            ending = run(
                ctypes.addressof(settings),
                ctypes.addressof(state),
                objective.address,
                data.address,
                dim,
                *arrays,
                random,
                drawn,
                len(rows),
                CHUNK,
            )
    except KeyboardInterrupt:
        ending = _STOPPED
    error = getattr(data, "error", None)
    if error is not None:
        raise error
    converged, message = _ended(
        ending, state.iteration, state.norm, tolerance, relative_change, state.value, float(np.abs(x).max())
    )
    is_last = converged or (batches and ending != _DIVERGED)
    found = (x, state.value, state.norm) if is_last else (best, state.best_value, state.best_norm)
    return OptimizeResult(
        *found,
        state.iteration,
        state.evaluations,
        converged,
        message,
        path[: state.iteration + 1].copy() if record_path else None,
    )
