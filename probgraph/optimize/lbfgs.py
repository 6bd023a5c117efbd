"""L-BFGS-B: quasi-Newton steps, through SciPy."""

from __future__ import annotations

import numpy as np

from probgraph.optimize.objective import Evaluations, Objective, is_finite
from probgraph.optimize.result import OptimizeResult

WALL = 4.0
"""How much steeper than the last descent the slope is that the search sees where there is no value."""


def minimize_lbfgs(
    objective: Objective,
    start: np.ndarray,
    *,
    max_iterations: int = 10_000,
    tolerance: float = 1e-6,
    relative_change: float = 1e-12,
    record_path: bool = False,
) -> OptimizeResult:
    """Minimise by L-BFGS-B (Zhu, Byrd, Lu & Nocedal, 1997); see `minimize` for the options."""
    from scipy.optimize import minimize  # late: it takes 0.1 s, which `import probgraph` must not

    evaluate = Evaluations(objective, start)
    begin = evaluate.best_x.copy()
    path = [begin]

    def with_wall(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = evaluate(x)
        if is_finite(value, gradient):
            return value, gradient
        # An infinite value would break the line search; a slope rising from the best point turns it back.
        rise = abs(evaluate.best_gradient @ (x - evaluate.best_x))
        return evaluate.best_value + WALL * rise, -WALL * evaluate.best_gradient

    found = minimize(
        with_wall,
        begin,
        jac=True,
        method="L-BFGS-B",
        callback=(lambda x: path.append(x.copy())) if record_path else None,
        options={
            "maxiter": max_iterations,
            "maxfun": 20 * max_iterations + 20,
            "gtol": tolerance / np.sqrt(len(begin)),  # SciPy's is the largest coordinate, ours the norm
            "ftol": relative_change,
        },
    )
    norm = float(np.linalg.norm(evaluate.best_gradient))
    said = found.message if isinstance(found.message, str) else found.message.decode()
    converged, message = bool(found.success) or norm <= tolerance, said.lower().replace("_", " ")
    if norm <= tolerance:
        message = f"gradient norm at most {tolerance:g}"
    elif converged:
        message = f"relative change at most {relative_change:g} ({message})"
    elif found.nit >= max_iterations:
        message = f"not converged in {found.nit} iterations (gradient norm {norm:.3g}): allow more"
    else:
        message += f" (gradient norm {norm:.3g}): check the gradient, or try another start"
    return OptimizeResult(
        evaluate.best_x,
        evaluate.best_value,
        norm,
        int(found.nit),
        evaluate.count,
        converged,
        message,
        np.array(path) if record_path else None,
    )
