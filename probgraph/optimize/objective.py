"""What is minimised: a function that returns its value and its gradient together."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

ROUNDING = {"float64": 1e-13, "float32": 1e-7}
"""Values computed so that differ by so much of their size may differ by rounding only; sums are float64 always."""

TRIALS = 30
"""Points that are tried for one step."""


class Objective(Protocol):
    """Any ``f(x) -> (value, gradient)`` with x and gradient of shape (dim,)."""

    def __call__(self, x: np.ndarray, /) -> tuple[float, np.ndarray]: ...


class BatchRows(Protocol):
    """Indices of rows which an objective reads: the array that it reads, and how many rows there are."""

    total: int

    def present(self) -> np.ndarray: ...


class Batches:
    """Mini-batches, which are drawn anew before each evaluation."""

    def __init__(self, indices: Sequence[BatchRows], random: np.random.Generator) -> None:
        self.rows, self.totals = [i.present() for i in indices], [i.total for i in indices]
        self.random = random

    def __bool__(self) -> bool:
        return bool(self.rows)

    def redraw(self) -> None:
        """Other rows, each as likely as any, whatever the others are."""
        for rows, total in zip(self.rows, self.totals, strict=True):
            rows[...] = np.floor(self.random.random(len(rows)) * total)


class CompiledObjective:
    """A C function `int f(x, gradient, value, data)` as an objective; its negative with sign=-1.

    `function` has `dim`, `address`, `new_data()`, the `dtype` that it computes in, and is itself a function
    x -> (value, gradient): a `LogDensity`.
    """

    def __init__(self, function: Any, sign: float = 1.0) -> None:
        self.function, self.sign, self.rounding = function, sign, ROUNDING[function.dtype]
        self.address, self.new_data = function.address, function.new_data

    def __call__(self, x: np.ndarray, /) -> tuple[float, np.ndarray]:
        value, gradient = self.function(x)
        return self.sign * value, self.sign * gradient


class CompiledCurvature:
    """Second derivatives as a C function `int f(input, output, value, data)`; their negative with sign=-1.

    The input is x and what else they are asked for, one after another; the result, of that shape, is how the output, of
    `size` numbers, begins. `function` has `address` and `new_data()`.
    """

    def __init__(self, function: Any, shape: tuple[int, ...], size: int, sign: float = 1.0) -> None:
        self.function, self.shape, self.size, self.sign = function, shape, size, sign
        self.address, self.new_data = function.address, function.new_data
        self._call = ctypes.CFUNCTYPE(ctypes.c_int, *(ctypes.c_void_p,) * 4)(self.address)
        self._data = self.new_data()

    def __call__(self, *arguments: np.ndarray) -> np.ndarray:
        """The second derivatives; all nan where the function has none."""
        given, output, value = np.concatenate(arguments), np.empty(self.size), ctypes.c_double()
        pointers = given.ctypes.data, output.ctypes.data, ctypes.addressof(value), self._data.address
        if self._call(*pointers):
            return np.full(self.shape, np.nan)
        return self.sign * output[: math.prod(self.shape)].reshape(self.shape)


class Evaluations:
    """An objective that checks shapes, counts its calls, and remembers where the value was lowest."""

    def __init__(self, objective: Objective, start: np.ndarray):
        self.objective = objective
        self.rounding: float = getattr(objective, "rounding", ROUNDING["float64"])
        self.count = 0
        self.best_x = np.array(start, dtype=np.float64)
        if self.best_x.ndim != 1 or self.best_x.size == 0:
            raise ValueError(
                f"minimize: start has shape {self.best_x.shape}; it needs shape (dim,), dim >= 1"
            )
        self.best_value, self.best_gradient = np.inf, np.zeros_like(self.best_x)
        value, gradient = self(self.best_x)
        if not is_finite(value, gradient):
            bad = np.flatnonzero(~np.isfinite(gradient)).tolist()
            raise ValueError(
                f"minimize: at the start the value is {value} and the gradient not finite in {bad}; "
                "start where both are finite"
            )

    def __call__(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        self.count += 1
        value, gradient = self.objective(x)
        value, gradient = float(value), np.array(gradient, dtype=np.float64)
        if gradient.shape != x.shape:
            raise ValueError(f"minimize: the gradient has shape {gradient.shape}, x has shape {x.shape}")
        if value < self.best_value and is_finite(value, gradient):
            self.best_x, self.best_value, self.best_gradient = x.copy(), value, gradient
        return value, gradient

    def hidden(self, value: float, fall: float) -> bool:
        """Whether a fall that a quadratic model promises is one that rounding hides."""
        return fall <= self.rounding * max(abs(value), 1.0)


def is_finite(value: float, gradient: np.ndarray) -> bool:
    """Can one go on from here?"""
    return bool(np.isfinite(value) and np.isfinite(gradient).all())
