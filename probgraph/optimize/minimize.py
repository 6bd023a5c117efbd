"""The door to all methods: their names, and the options of each."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from probgraph.optimize.descent import descend
from probgraph.optimize.lbfgs import minimize_lbfgs
from probgraph.optimize.newton import minimize_newton
from probgraph.optimize.objective import Batches, Objective
from probgraph.optimize.result import OptimizeResult
from probgraph.optimize.step_rule import RULES, StepRule
from probgraph.optimize.trust_newton import minimize_trust_newton

SECOND_ORDER = ("newton", "trust-newton")
"""The methods that ask for second derivatives: the first for a Hessian, the other for its products with vectors."""

METHODS: tuple[str, ...] = ("L-BFGS", "L-BFGS-B", *SECOND_ORDER, *RULES)
"""The methods: L-BFGS, also under the name that scripts call it by, Newton's, and the gradient-descent family."""


def minimize(
    objective: Objective,
    start: np.ndarray,
    method: str = "L-BFGS",
    *,
    curvature: Callable[..., np.ndarray] | None = None,
    batches: Batches | None = None,
    **options: Any,
) -> OptimizeResult:
    """Find a local minimum of ``objective(x) -> (value, gradient)`` from ``start`` (dim,).

    ``method`` is "L-BFGS" (the quickest by far where gradients are exact and Hessians are not at hand; "L-BFGS-B" is the
    same); "newton", by Cholesky factors of the Hessian, which ``curvature(x)``, (dim, dim), is then; "trust-newton", by
    conjugate gradients, with ``curvature(x, vector)``, (dim,), the product of the Hessian with the vector; or a rule of
    the gradient-descent family (`StepRule`): "gradient descent", "momentum", "nesterov", "adagrad", "rmsprop", "adam",
    "adamw". All run in C, loop and all, where the objective, and the curvature, are C functions.

    Options of all: ``max_iterations`` (10,000); ``tolerance`` (1e-6), the Euclidean norm of the gradient that
    is small enough; ``relative_change`` (1e-12) of the value that counts as none; ``record_path`` (False).
    Of L-BFGS: ``history`` (10), the steps it remembers. Of "trust-newton": ``radius`` (1), how far it trusts the first
    quadratic model.
    Of the descents: ``learning_rate`` (0.01), ``learning_rate_decay`` (0: the rate at iteration t is divided by
    1 + decay * t), ``clip_norm`` (0: longer gradients are not cut). Of those with memory: ``momentum`` (0.9),
    ``scale_memory`` (0.999), ``weight_decay``.

    ``batches`` are the rows of mini-batches that the objective reads, drawn anew for each evaluation of a descent: all
    ``max_iterations`` are done then, and the last point is the result.

    A search that fails returns the best point found, ``converged=False`` and a ``message`` with what to try.
    Raises ValueError for unknown methods and options, and where the start is not finite.

        >>> minimize(lambda x: (x @ x, 2 * x), np.ones(2)).x
        array([0., 0.])
    """
    refuse_unknown(method, options)
    if (curvature is None) == (method in SECOND_ORDER):
        wants = "(x, vector)" if method == "trust-newton" else "(x)"
        asked = f"needs curvature{wants}" if method in SECOND_ORDER else "knows no curvature"
        raise ValueError(
            f"method {method!r} {asked}; {' and '.join(map(repr, SECOND_ORDER))} go by second derivatives"
        )
    rules = RULES.get(method)
    if batches:
        _refuse_with_batches(method, options)
    _check(options)
    search, of_rule = _SEARCHES.get(method, descend), _of_rule(method)
    rest = {name: value for name, value in options.items() if name not in of_rule}
    if rules is None:
        functions = [objective] if curvature is None else [objective, curvature]
        return search(*functions, start, **rest)
    own = {name: value for name, value in options.items() if name in of_rule}
    return descend(StepRule.of(method, own), objective, start, batches=batches, **rest)


def refuse_unknown(method: str, options: Mapping[str, Any]) -> None:
    """ValueError for what is none of the `METHODS`, or no option of it, with what is.

    Whoever has the objective of a graph gives its curvature and batches, and asks this of what users gave.
    """
    if method not in METHODS:
        raise ValueError(f"method is {method!r}; it must be one of {', '.join(map(repr, METHODS))}")
    legal = _options(_SEARCHES.get(method, descend)) - {"batches"} | _of_rule(method)
    if unknown := sorted(set(options) - legal):
        raise ValueError(
            f"{', '.join(unknown)}: not an option of method {method!r}; its options are {', '.join(sorted(legal))}"
        )


def _of_rule(method: str) -> set[str]:
    return set(RULES[method][1]) if method in RULES else set()


def _refuse_with_batches(method: str, options: Mapping[str, Any]) -> None:
    if method not in RULES:
        raise ValueError(
            f"method {method!r} compares values, which those of different mini-batches cannot be; with Minibatch the method"
            f" is one of {', '.join(map(repr, RULES))}"
        )
    if given := sorted({"tolerance", "relative_change"} & set(options)):
        raise ValueError(
            f"{' and '.join(given)}: with Minibatch there is no test of convergence; give max_iterations"
        )


_SEARCHES: Mapping[str, Callable[..., OptimizeResult]] = {
    "L-BFGS": minimize_lbfgs,
    "L-BFGS-B": minimize_lbfgs,
    "newton": minimize_newton,
    "trust-newton": minimize_trust_newton,
}


def _options(function: Callable[..., Any]) -> set[str]:
    parameters = inspect.signature(function).parameters.values()
    return {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}


def _check(options: Mapping[str, Any]) -> None:
    if options.get("max_iterations", 0) < 0:
        raise ValueError(f"max_iterations is {options['max_iterations']}; it must not be negative")
    for name in ("tolerance", "relative_change"):
        if not options.get(name, 0.0) >= 0:
            raise ValueError(f"{name} is {options[name]}; it must be a number from 0")
