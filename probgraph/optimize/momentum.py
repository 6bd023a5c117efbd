"""Descent with momentum: a ball that rolls, and so crosses long narrow valleys faster."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from probgraph.optimize.step_rule import check_memory, check_rate


@dataclass(frozen=True)
class Momentum:
    """velocity <- momentum * velocity - learning_rate * gradient; x <- x + velocity.

    Polyak, "Some methods of speeding up the convergence of iteration methods" (1964).
    """

    learning_rate: float = 0.01
    momentum: float = 0.9

    def __post_init__(self) -> None:
        check_rate("learning_rate", self.learning_rate)
        check_memory("momentum", self.momentum)

    def begin(self, dim: int) -> np.ndarray:
        return np.zeros(dim)

    def step(self, gradient: np.ndarray, memory: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        velocity = self.momentum * memory - self.learning_rate * gradient
        return velocity, velocity
