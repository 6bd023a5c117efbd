"""What a minimisation leaves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class OptimizeResult:
    """The lowest point found, and why the search ended there.

    ``x`` (dim,), ``value`` and ``gradient_norm`` (Euclidean) belong together. ``path`` (iterations + 1, dim) holds
    the points visited, from the start on, where it was asked for. ``evaluations`` counts values with their gradients,
    ``curvature_evaluations`` Hessians, or products with one.
    """

    x: np.ndarray
    value: float
    gradient_norm: float
    iterations: int
    evaluations: int
    converged: bool
    message: str
    path: np.ndarray | None = None
    curvature_evaluations: int = 0
