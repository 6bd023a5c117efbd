"""What the two searches by second derivatives, newton.py and trust_newton.py, have in common; second_order.h is the same
in C.

In C, loop and all, where the objective and its second derivatives are C functions; in Python else: the same steps.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from probgraph.engine import toolchain
from probgraph.optimize.endings import Ending, concluded
from probgraph.optimize.loops_in_c import ObjectiveInC, loop_in_c, run_in_parts
from probgraph.optimize.objective import TRIALS, Evaluations, Objective, is_finite
from probgraph.optimize.result import OptimizeResult

CALM_ITERATIONS = 2
"""Small changes of the value in a row that count as the end: one may be a step that was too short."""

NEGATIVE = -1e-8
"""A curvature below the largest times this is negative; above it, it may be rounding."""


class Settings(NamedTuple):
    """When a search ends, how far it trusts its model at first, and whether it remembers its way."""

    max_iterations: int
    tolerance: float
    relative_change: float
    record_path: bool
    radius: float = 1.0


class Walk:
    """Where a search is, and what it has counted.

    `curvature` gives the Hessian, or its product with a vector.
    """

    def __init__(self, evaluate: Evaluations, curvature: Callable[..., np.ndarray], settings: Settings):
        self.evaluate, self._curvature, self.settings = evaluate, curvature, settings
        self.x, self.value, self.gradient = (
            evaluate.best_x.copy(),
            evaluate.best_value,
            evaluate.best_gradient,
        )
        self.norm = float(np.sqrt(self.gradient @ self.gradient))
        self.iteration = self.calm = self.curvatures = 0
        self.path = [self.x] if settings.record_path else None

    def curvature(self, shape: tuple[int, ...], *arguments: np.ndarray) -> np.ndarray | None:
        """What second derivatives there are; None where they are not finite."""
        self.curvatures += 1
        found = np.array(self._curvature(*arguments), dtype=np.float64)
        if found.shape != shape:
            raise ValueError(f"minimize: the second derivatives have shape {found.shape}; needed is {shape}")
        return found if np.isfinite(found).all() else None

    def ended(self, flat: bool) -> Ending:
        """Why to end before another step; where it is `flat`, out of iterations alone is a reason."""
        if not flat and self.calm >= CALM_ITERATIONS:
            return Ending.CALM
        out = self.iteration == self.settings.max_iterations
        return Ending.OUT_OF_ITERATIONS if out else Ending.GOING_ON

    def accept(self, upward: bool, x: np.ndarray, value: float, gradient: np.ndarray) -> None:
        """Go there. A value that hardly fell says that the search is at its end only where the curvature was upward: near
        a saddle it is the same."""
        fall, larger = self.value - value, max(abs(value), abs(self.value), 1.0)
        change = self.settings.relative_change
        self.calm = self.calm + 1 if upward and change > 0 and fall <= change * larger else 0
        self.x, self.value, self.gradient = x, value, gradient
        self.norm = float(np.sqrt(gradient @ gradient))
        self.iteration += 1
        if self.path is not None:
            self.path.append(x)

    def hidden(self, fall: float) -> bool:
        """Whether rounding hides what a step promises, where a change of the value may count as none."""
        return self.settings.relative_change > 0 and self.evaluate.hidden(self.value, fall)

    def leave_saddle(self, v: np.ndarray, curvature: float) -> bool:
        """Along the unit vector v of negative curvature, whichever way is lower: 1 far, or a half, a quarter ... until the
        value falls by half of what the curvature promises. Whether it does."""
        at = 1.0
        for _ in range(TRIALS):
            for step in (at, -at):
                there = self.x + step * v
                value, gradient = self.evaluate(there)
                if is_finite(value, gradient) and value < self.value + at * at * curvature / 4:
                    self.accept(False, there, value, gradient)
                    return True
            at /= 2
        return False

    def conclusion(self, ending: int) -> OptimizeResult:
        s, counts = self.settings, (self.iteration, self.evaluate.count, self.curvatures)
        return concluded(
            ending, self.x, self.value, self.norm, counts, s.tolerance, s.relative_change, self.path
        )


class Loop(NamedTuple):
    """A search: as name.c, and in Python. Sizes are functions of the dimension."""

    name: str
    headers: tuple[str, ...]
    curvature_size: Callable[[int], int]
    memory_size: Callable[[int], int]
    in_python: Callable[[Walk], Ending]


def search(
    loop: Loop, objective: Objective, curvature: Any, start: np.ndarray, settings: Settings
) -> OptimizeResult:
    """Minimise by that loop. Ctrl-C returns the best point so far."""
    walk = Walk(Evaluations(objective, start), curvature, settings)
    if getattr(objective, "address", None) and getattr(curvature, "address", None):
        try:
            return walk.conclusion(_in_c(loop, walk, objective, curvature))
        except toolchain.NoCompilerError:
            pass
    try:
        with np.errstate(all="ignore"):
            ending = loop.in_python(walk)
    except KeyboardInterrupt:
        ending = Ending.STOPPED
    return walk.conclusion(ending)


class _Settings(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_double) for name in ("tolerance", "relative_change")),
        *((name, ctypes.c_int64) for name in ("calm_iterations", "max_iterations", "record")),
    ]


class _State(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_double) for name in ("value", "norm", "radius")),
        *((name, ctypes.c_int64) for name in ("iteration", "calm", "rejected")),
    ]


def _in_c(loop: Loop, walk: Walk, objective: Any, curvature: Any) -> int:
    run = loop_in_c(loop.name, 8, *loop.headers)
    s, dim = walk.settings, len(walk.x)
    settings = _Settings(s.tolerance, s.relative_change, CALM_ITERATIONS, s.max_iterations, s.record_path)
    state = _State(walk.value, walk.norm, s.radius, 0, 0, 0)
    functions, data = [], []
    for function, size, count in (
        (objective, dim, walk.evaluate.count),
        (curvature, loop.curvature_size(dim), 0),
    ):
        data.append(function.new_data())
        functions.append(
            ObjectiveInC(
                function.address, data[-1].address, function.sign, walk.evaluate.rounding, size, count
            )
        )
    gradient, memory = walk.gradient.copy(), np.zeros(loop.memory_size(dim))
    given = [ctypes.addressof(c) for c in (settings, state, *functions)]
    given += [a.ctypes.data for a in (walk.x, gradient, memory)]
    path = None if walk.path is None else [walk.x.copy()]
    ending = run_in_parts(
        lambda points, part: run(*given, points, part), data, state, path, dim, s.max_iterations
    )
    walk.value, walk.norm, walk.iteration, walk.path = state.value, state.norm, state.iteration, path
    walk.evaluate.count, walk.curvatures = (function.evaluations for function in functions)
    return ending
