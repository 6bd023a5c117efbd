"""How far to go from here: the rules of the gradient-descent family.

A rule is a row of `RULES`: its settings with what they usually are. `step` says what each does, in NumPy; `descent.c`
says it again in C, and is tested to take the same steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

#: settings of every rule: decay of the rate with the iterations, and the longest gradient that is taken as it is
_ALL = {"learning_rate": 0.01, "learning_rate_decay": 0.0, "clip_norm": 0.0}
#: the rules by name: their own settings, and their number in descent.c
RULES: Mapping[str, tuple[int, dict[str, float]]] = {
    "gradient descent": (0, _ALL),
    "momentum": (1, {**_ALL, "momentum": 0.9}),
    "nesterov": (2, {**_ALL, "momentum": 0.9}),
    "adagrad": (3, {**_ALL, "learning_rate": 0.1}),
    "rmsprop": (4, {**_ALL, "scale_memory": 0.9}),
    "adam": (5, {**_ALL, "momentum": 0.9, "scale_memory": 0.999}),
    "adamw": (5, {**_ALL, "momentum": 0.9, "scale_memory": 0.999, "weight_decay": 0.01}),
}


@dataclass
class Memory:
    """What a rule remembers between steps: how many there were, and averages of gradients and of their squares."""

    count: int
    mean: np.ndarray
    square: np.ndarray


@dataclass(frozen=True)
class StepRule:
    """A rule with its settings.

    "gradient descent": x <- x - rate * gradient; stable while the rate is below 2 / (largest curvature). "momentum":
    Polyak (1964). "nesterov": Sutskever et al. (2013), with the gradient where the momentum leads. "adagrad": Duchi,
    Hazan & Singer (2011). "rmsprop": Tieleman & Hinton (2012). "adam": Kingma & Ba, arXiv:1412.6980, `momentum` being
    their beta1 and `scale_memory` their beta2. "adamw": Loshchilov & Hutter, arXiv:1711.05101.
    """

    name: str
    learning_rate: float = 0.01
    learning_rate_decay: float = 0.0
    clip_norm: float = 0.0
    momentum: float = 0.9
    scale_memory: float = 0.999
    weight_decay: float = 0.0

    @classmethod
    def of(cls, name: str, given: Mapping[str, float]) -> StepRule:
        """The rule of that name, with some of its settings given. ValueError names one out of range."""
        settings = {**RULES[name][1], **given}
        for key in ("learning_rate",):
            if not (np.isfinite(settings[key]) and settings[key] > 0):
                raise ValueError(f"{key} is {settings[key]}; it must be a finite number above 0")
        for key in ("momentum", "scale_memory"):
            if key in settings and not 0 <= settings[key] < 1:
                raise ValueError(f"{key} is {settings[key]}; it must be at least 0 and below 1")
        for key in ("learning_rate_decay", "clip_norm", "weight_decay"):
            if key in settings and not (np.isfinite(settings[key]) and settings[key] >= 0):
                raise ValueError(f"{key} is {settings[key]}; it must be a finite number from 0")
        return cls(name, **settings)

    @property
    def number(self) -> int:
        return RULES[self.name][0]

    def begin(self, dim: int) -> Memory:
        """The memory before the first step."""
        return Memory(0, np.zeros(dim), np.zeros(dim))

    def step(self, x: np.ndarray, gradient: np.ndarray, memory: Memory) -> np.ndarray:
        """The next point; the memory is brought up to date."""
        rate = self.learning_rate / (1 + self.learning_rate_decay * memory.count)
        memory.count += 1
        norm = np.sqrt(np.sum(gradient**2))
        slope = gradient * (self.clip_norm / norm) if 0 < self.clip_norm < norm else gradient
        beta = self.momentum
        match self.number:
            case 1 | 2:
                memory.mean = beta * memory.mean - rate * slope
                step = memory.mean if self.number == 1 else beta * memory.mean - rate * slope
            case 3:
                memory.square = memory.square + slope**2
                step = -rate * slope / (np.sqrt(memory.square) + 1e-8)
            case 4:
                memory.square = self.scale_memory * memory.square + (1 - self.scale_memory) * slope**2
                step = -rate * slope / (np.sqrt(memory.square) + 1e-8)
            case 5:
                memory.mean = beta * memory.mean + (1 - beta) * slope
                memory.square = self.scale_memory * memory.square + (1 - self.scale_memory) * slope**2
                # Both averages began at zero; dividing takes that out.
                mean = memory.mean / (1 - beta**memory.count)
                step = -rate * mean / (np.sqrt(memory.square / (1 - self.scale_memory**memory.count)) + 1e-8)
            case _:
                step = -rate * slope
        return x + (step - rate * self.weight_decay * x)
