"""Residuals that are linear in what is unknown, with all else in them known: what multiplies each unknown, in each row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from probgraph.distributions.folding import value_if_constant
from probgraph.engine.graph import Variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.index import Gather
from probgraph.engine.ops.products import Dot
from probgraph.engine.ops.reduce import Reduce
from probgraph.engine.ops.reduce import sum as sum_of
from probgraph.engine.ops.shape import DimShuffle

#: rows that are looked at together
BLOCK = 8192


@dataclass(frozen=True)
class Columns:
    """What multiplies one unknown: the rows of a slice (m, width), made when they are asked for."""

    width: int
    cost: int  # multiplications a row in the graph as it is written
    rows: Callable[[slice], np.ndarray]


@dataclass(frozen=True)
class Residuals:
    """n numbers that are linear in unknown scalars and vectors."""

    constant: np.ndarray
    unknown: dict[Variable, Columns]

    @property
    def width(self) -> int:
        return sum(columns.width for columns in self.unknown.values())

    def rows(self, part: slice) -> np.ndarray:
        blocks = [columns.rows(part) for columns in self.unknown.values()]
        return np.concatenate(blocks, axis=1) if blocks else np.empty((len(self.constant[part]), 0))

    def parts(self) -> Iterator[slice]:
        return (slice(i, i + BLOCK) for i in range(0, len(self.constant), BLOCK))

    def plus(self, other: Residuals) -> Residuals:
        unknown = dict(self.unknown)
        for v, columns in other.unknown.items():
            unknown[v] = _both(unknown[v], columns) if v in unknown else columns
        return Residuals(self.constant + other.constant, unknown)

    def times(self, weights: np.ndarray) -> Residuals:
        unknown = {v: _weighted(columns, weights) for v, columns in self.unknown.items()}
        return Residuals(self.constant * weights, unknown)


def _both(a: Columns, b: Columns) -> Columns:
    return Columns(a.width, a.cost + b.cost, lambda part: a.rows(part) + b.rows(part))


def _weighted(columns: Columns, weights: np.ndarray) -> Columns:
    return replace(columns, rows=lambda part: weights[part, None] * columns.rows(part))


def linear(v: Variable, n: int) -> Residuals | None:
    """`v`, a vector of length n or what broadcasts to it, as a linear function of what is unknown."""
    value = value_if_constant(v)
    if value is not None:
        return Residuals(np.broadcast_to(value, n).astype("float64"), {})
    if is_scalar(v):
        return Residuals(np.zeros(n), {as_number(v): Columns(1, 1, lambda part: np.ones((n, 1))[part])})
    op, inputs = v.owner.op if v.owner is not None else None, v.owner.inputs if v.owner is not None else []
    if op in (ew.add, ew.sub, ew.mul, ew.true_div, ew.neg):
        known = [linear(i, n) for i in inputs]
        return None if None in known else _arithmetic(op, *known)
    if isinstance(op, DimShuffle) and v.ndim == 1:
        return linear(inputs[0], n)
    if isinstance(op, Dot):
        return _product(*inputs)
    if isinstance(op, Reduce) and (op.name, op.axis) == ("sum", (1,)):
        return _product_summed(inputs[0])
    if isinstance(op, Gather) and op.axes == (0,) and inputs[0].ndim == 1:
        return _chosen(*inputs)
    return None


def _arithmetic(op: object, a: Residuals, b: Residuals | None = None) -> Residuals | None:
    minus = np.full(len(a.constant), -1.0)
    if b is None:
        return a.times(minus)
    if op is ew.add:
        return a.plus(b)
    if op is ew.sub:
        return a.plus(b.times(minus))
    if op is ew.true_div:
        return None if b.unknown else a.times(1.0 / b.constant)
    if not b.unknown:
        return a.times(b.constant)
    return None if a.unknown else b.times(a.constant)


def _product(a: Variable, b: Variable) -> Residuals | None:
    unknown, matrix = (b, value_if_constant(a)) if a.ndim == 2 else (a, value_if_constant(b))
    if matrix is None or unknown.ndim != 1:
        return None
    rows = matrix if a.ndim == 2 else matrix.T
    columns = Columns(rows.shape[1], rows.shape[1], lambda part: rows[part].astype("float64"))
    return Residuals(np.zeros(len(rows)), {unknown: columns})


def _product_summed(v: Variable) -> Residuals | None:
    """sum(X * b, axis=1), which is X @ b."""
    if v.owner is None or v.owner.op is not ew.mul:
        return None
    for matrix, row in (v.owner.inputs, v.owner.inputs[::-1]):
        if row.owner is not None and isinstance(row.owner.op, DimShuffle) and row.owner.op.order == ("x", 0):
            row = row.owner.inputs[0]
        if matrix.ndim == 2 and row.ndim == 1 and row.type.shape == v.type.shape[1:] == matrix.type.shape[1:]:
            return _product(matrix, row)
    return None


def _chosen(unknown: Variable, index: Variable) -> Residuals | None:
    (width,), places = unknown.type.shape, value_if_constant(index)
    if width is None or places is None or places.ndim != 1 or (np.abs(places + 0.5) > width).any():
        return None

    def rows(part: slice) -> np.ndarray:
        chosen = np.zeros((len(places[part]), width))
        chosen[np.arange(len(chosen)), places[part]] = 1.0
        return chosen

    return Residuals(np.zeros(len(places)), {unknown: Columns(width, 1, rows)})


def is_scalar(v: Variable) -> bool:
    """Whether it has one element, whatever its axes."""
    return all(length == 1 for length in v.type.shape)


def as_number(v: Variable) -> Variable:
    """What has one element without its axes."""
    return sum_of(v) if v.ndim else v
