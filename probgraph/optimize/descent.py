"""The loop of the gradient-descent family: step by a rule until there is a reason to stop."""

from __future__ import annotations

import numpy as np

from probgraph.optimize.objective import Evaluations, Objective, is_finite
from probgraph.optimize.result import OptimizeResult
from probgraph.optimize.step_rule import StepRule

BLOW_UP = 1e8
"""A value so many times above the start's is a descent that has turned into a climb."""

CALM_ITERATIONS = 10
"""Small changes of the value in a row that count as the end: a single one may be the top of a swing."""


def descend(
    rule: StepRule,
    objective: Objective,
    start: np.ndarray,
    *,
    max_iterations: int = 10_000,
    tolerance: float = 1e-6,
    relative_change: float = 1e-12,
    record_path: bool = False,
) -> OptimizeResult:
    """Minimise by steps of a rule; see `minimize` for the options."""
    evaluate = Evaluations(objective, start)
    x, value, gradient = evaluate.best_x.copy(), evaluate.best_value, evaluate.best_gradient
    ceiling = value + BLOW_UP * max(1.0, abs(value))
    memory = rule.begin(len(x))
    path = [x]
    iteration, calm = 0, 0
    while True:
        # The last point, not the best one: with momentum they differ, and only the last is at rest.
        norm = float(np.linalg.norm(gradient))
        if norm <= tolerance:
            best, converged, message = (x, value, norm), True, f"gradient norm at most {tolerance:g}"
            break
        if calm >= CALM_ITERATIONS:
            message = f"relative change at most {relative_change:g} in {calm} iterations"
            best, converged = (x, value, norm), True
            break
        best = evaluate.best_x, evaluate.best_value, float(np.linalg.norm(evaluate.best_gradient))
        converged = False
        if iteration == max_iterations:
            message = f"not converged in {iteration} iterations (gradient norm {norm:.3g}): allow more"
            break
        step, memory = rule.step(gradient, memory)
        x = x + step
        previous = value
        value, gradient = evaluate(x)
        iteration += 1
        path.append(x)
        if not is_finite(value, gradient) or value > ceiling:
            message = (
                f"diverged in iteration {iteration}: the value is {value:.3g} and the largest coordinate "
                f"{np.abs(x).max():.3g} in size; try a smaller learning_rate"
            )
            break
        small = relative_change * max(abs(value), abs(previous))
        calm = calm + 1 if abs(value - previous) <= small else 0
    return OptimizeResult(
        *best, iteration, evaluate.count, converged, message, np.array(path) if record_path else None
    )
