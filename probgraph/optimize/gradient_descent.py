"""Steepest descent: a step against the gradient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from probgraph.optimize.step_rule import check_rate


@dataclass(frozen=True)
class GradientDescent:
    """x <- x - learning_rate * gradient. Stable while learning_rate < 2 / (largest curvature)."""

    learning_rate: float = 0.01

    def __post_init__(self) -> None:
        check_rate("learning_rate", self.learning_rate)

    def begin(self, dim: int) -> None:
        return None

    def step(self, gradient: np.ndarray, memory: None) -> tuple[np.ndarray, None]:
        return -self.learning_rate * gradient, None
