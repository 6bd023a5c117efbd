"""How far to go from here: the contract of the rules of the gradient-descent family."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np


class StepRule(Protocol):
    """A value that turns gradients into steps; what it remembers between them is passed through its hands."""

    def begin(self, dim: int) -> Any:
        """The memory before the first step."""
        ...

    def step(self, gradient: np.ndarray, memory: Any) -> tuple[np.ndarray, Any]:
        """(what to add to x, the memory for the next step)."""
        ...


def check_rate(name: str, value: float) -> None:
    """Raise ValueError unless the value is a finite number above zero."""
    if not (np.isfinite(value) and value > 0):
        raise ValueError(f"{name} is {value}; it must be a finite number above 0")


def check_memory(name: str, value: float) -> None:
    """Raise ValueError unless the value lies in [0, 1)."""
    if not 0 <= value < 1:
        raise ValueError(f"{name} is {value}; it must be at least 0 and below 1")
