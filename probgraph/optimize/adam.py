"""Adam: momentum, with each coordinate in units of its own recent gradients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from probgraph.optimize.step_rule import check_memory, check_rate


@dataclass(frozen=True)
class Adam:
    """Steps of about learning_rate in every coordinate, whatever the scale of its gradient.

    Kingma & Ba, "Adam: A Method for Stochastic Optimization" (arXiv:1412.6980): ``momentum`` is their beta1,
    ``scale_memory`` their beta2.
    """

    learning_rate: float = 0.01
    momentum: float = 0.9
    scale_memory: float = 0.999

    def __post_init__(self) -> None:
        check_rate("learning_rate", self.learning_rate)
        check_memory("momentum", self.momentum)
        check_memory("scale_memory", self.scale_memory)

    def begin(self, dim: int) -> tuple[int, np.ndarray, np.ndarray]:
        return 0, np.zeros(dim), np.zeros(dim)

    def step(
        self, gradient: np.ndarray, memory: tuple[int, np.ndarray, np.ndarray]
    ) -> tuple[np.ndarray, tuple[int, np.ndarray, np.ndarray]]:
        count, mean, square = memory
        count += 1
        mean = self.momentum * mean + (1 - self.momentum) * gradient
        square = self.scale_memory * square + (1 - self.scale_memory) * gradient**2
        # Both averages began at zero; dividing takes that out.
        unbiased_mean = mean / (1 - self.momentum**count)
        unbiased_square = square / (1 - self.scale_memory**count)
        return -self.learning_rate * unbiased_mean / (np.sqrt(unbiased_square) + 1e-8), (count, mean, square)
