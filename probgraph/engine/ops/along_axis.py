"""What operations along one axis share: it is brought to the end, and C text runs along it for every index of the
others."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from probgraph.engine import loops
from probgraph.engine.graph import Apply, Variable
from probgraph.engine.loops import Expr, Kernel
from probgraph.engine.op import KernelCall, LengthReader, as_variable
from probgraph.engine.ops.shape import flatten, moveaxis
from probgraph.engine.types import describe

_C_TYPES = {
    "bool": "_Bool",
    "int8": "int8_t",
    "int16": "int16_t",
    "int32": "int32_t",
    "int64": "int64_t",
    "uint8": "uint8_t",
    "uint16": "uint16_t",
    "uint32": "uint32_t",
    "uint64": "uint64_t",
    "float32": "float",
    "float64": "double",
}


def kernels(name: str, c: str, python: Callable[[list[np.ndarray], list[int]], int]) -> dict[str, Kernel]:
    """A kernel for each real dtype from one C text, in which `T` is the type and `pg_name_T` a function of ours."""
    result = {}
    for dtype, kind in _C_TYPES.items():
        text = re.sub(r"\b(pg_\w+)_T\b", rf"\1_{dtype}", c)
        result[dtype] = Kernel(f"{name}_{dtype}", re.sub(r"\bT\b", kind, text), python)
    return result


class AlongLast(KernelCall):
    """An operation along the last axis of its inputs, whose other axes are the same."""

    #: what failure of the kernel means
    failure: tuple[type[Exception], str] = (MemoryError, "no memory for a copy")

    def texts(self) -> dict[str, Kernel]:
        """The kernel for each dtype."""
        raise NotImplementedError

    def sizes(self, reader: LengthReader, node: Apply) -> tuple[Expr, ...]:
        """The kernel's integers."""
        return (reader.lengths(node.inputs[0])[-1],)

    def ranks(self, node: Apply) -> tuple[int, ...]:
        return (1,) * (len(node.inputs) + len(node.outputs))

    def batched(self, node: Apply, inputs: Sequence[Variable]) -> list[Variable]:
        return [self(*inputs)]

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        return [reader.lengths(node.inputs[0])]

    def kernel(self, reader: LengthReader, node: Apply) -> tuple[Kernel, tuple[Expr, ...], Any, str]:
        dtype, texts = node.inputs[0].dtype, self.texts()
        if dtype not in texts:
            raise NotImplementedError(f"{self} of {dtype} has no C")
        return texts[dtype], self.sizes(reader, node), *self.failure


def flag(value: bool) -> Expr:
    return loops.integer(int(value))


def in_place(who: str, x: Any, axis: int | None) -> tuple[Variable, int]:
    """The operand and the axis counted from the front; without one the flattened operand."""
    x = as_variable(x)
    if axis is None:
        return (x if x.ndim == 1 else flatten(x)), 0
    if isinstance(axis, bool) or not isinstance(axis, int | np.integer):
        raise TypeError(f"{who}: axis is an int or None, got {axis!r}")
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"{who}: axis {axis} does not exist, {describe([x.type])} has {x.ndim} dimensions")
    return x, int(axis) % x.ndim


def along(op: Callable[..., Variable], x: Variable, axis: int) -> Variable:
    """An operation that keeps the shape, done along an axis."""
    if axis == x.ndim - 1:
        return op(x)
    return moveaxis(op(moveaxis(x, axis, -1)), -1, axis)


def rows(arrays: Sequence[np.ndarray], sizes: Sequence[int]) -> list[np.ndarray]:
    """Flat arrays, cut to the first of the sizes."""
    return [array[: sizes[0]] for array in arrays]
