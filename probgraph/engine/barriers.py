"""Barriers: functions that leave a value as it is and change the gradient that flows back through it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from probgraph.engine.graph import Apply, Variable
from probgraph.engine.loops import Expr
from probgraph.engine.no_gradient import grad_undefined
from probgraph.engine.op import LengthReader, Pointwise, ValueReader, as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.types import TensorType


class Barrier(Pointwise):
    """The identity. `kind` says what becomes of the gradient; `bounds` are the numbers that this takes."""

    __props__ = ("kind", "bounds")
    expand_first = True  # once a graph is compiled, nobody differentiates it any more

    def __init__(self, kind: str, bounds: tuple[float, ...] = ()) -> None:
        self.kind = kind
        self.bounds = bounds

    def __str__(self) -> str:
        return f"{self.kind}{{{', '.join(map(str, self.bounds))}}}" if self.bounds else self.kind

    def infer_type(self, x: Variable) -> list[TensorType]:
        return [x.type]

    def numpy(self, x: np.ndarray) -> np.ndarray:
        return x

    def vjp(
        self, cotangents: Sequence[Variable], outputs: Sequence[Variable], inputs: Sequence[Variable]
    ) -> list[Variable | None]:
        (g,), (x,) = cotangents, inputs
        match self.kind:
            case "disconnected_grad":
                return [None]
            case "zero_grad" | "consider_constant":
                return [ew.zeros_like(x)]
            case "undefined_grad":
                return [grad_undefined(self, 0, x)]
            case "grad_clip":
                return [ew.clip(g, *self.bounds)]
            case _:
                return [g * self.bounds[0]]

    def expand(self, x: Variable) -> list[Variable]:
        return [x]

    def batched(self, node: Apply, inputs: Sequence[Variable]) -> list[Variable]:
        return [self(*inputs)]

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        return [reader.lengths(node.inputs[0])]

    def element(self, reader: ValueReader, node: Apply, index: tuple[Expr, ...]) -> Expr:
        return reader.value(node.inputs[0], index)


def disconnected_grad(x: Any) -> Variable:
    """`x`, through which no gradient flows: what depends on it that way alone is disconnected."""
    return Barrier("disconnected_grad")(as_variable(x))


def zero_grad(x: Any) -> Variable:
    """`x`, whose gradient counts as zero."""
    return Barrier("zero_grad")(as_variable(x))


def consider_constant(x: Any) -> Variable:
    """`x` as a constant to gradients: by what it is computed from they are zero."""
    return Barrier("consider_constant")(as_variable(x))


def undefined_grad(x: Any) -> Variable:
    """`x`, by which nothing can be differentiated: a gradient that flows there is a NullTypeGradError."""
    return Barrier("undefined_grad")(as_variable(x))


def grad_clip(x: Any, lower_bound: float, upper_bound: float) -> Variable:
    """`x`, with the gradient that flows back through it clipped, element by element.

    ValueError if the bounds are not in order.
    """
    bounds = float(lower_bound), float(upper_bound)
    if not bounds[0] <= bounds[1]:
        raise ValueError(
            f"grad_clip: the lower bound {lower_bound} is not below the upper bound {upper_bound}"
        )
    return Barrier("grad_clip", bounds)(as_variable(x))


def grad_scale(x: Any, multiplier: float) -> Variable:
    """`x`, with the gradient that flows back through it multiplied: -1 reverses it."""
    return Barrier("grad_scale", (float(multiplier),))(as_variable(x))
