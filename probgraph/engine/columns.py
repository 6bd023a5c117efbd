"""Small matrices of data, laid out so that a block of rows is read column by column.

    for row: for column: sum += x[row, column] * b[column]    =>    for column: for row: sum[row] += ...
    for row: for column: g[column] += x[row, column] * w            for column: for row: total += ...

Turned round, each inner loop runs over the rows of a block: whole vectors however few the columns, and no sum across
a vector for each row. The rows of a column must then lie side by side, which data that is known when the program is
made can be laid out for. Where a matrix is larger than the caches, reading it takes longer than any of that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from probgraph.engine import loops
from probgraph.engine.loops import (
    Accumulate,
    Compute,
    Declare,
    Expr,
    For,
    Let,
    Literal,
    Load,
    Name,
    Program,
    Statement,
    Store,
    Update,
    names_in,
    names_read,
)

#: the elements of a matrix at the most that stays in the caches: for a larger one it is not worth it
LARGEST = 1 << 20
#: the elements of a block's part of a matrix, and the bounds of a block's rows
_BLOCK_ELEMENTS, _FEWEST, _MOST = 4096, 16, 64


@dataclass
class Sweep:
    """A stage of a block that can be turned round: what it declares and names for each row, and its inner loops."""

    declared: list[Declare]
    named: list[Let]
    inner: list[For]
    #: how often the stage loads from each matrix
    loads: Counter[str]


class Columns:
    """The constant matrices of a program, and which of them have been laid out by columns."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._loads = Counter(
            part.buffer
            for s in loops.walk_statements(program.body)
            for e in loops.expressions(s)
            for part in loops.walk_expr(e)
            if isinstance(part, Load)
        )
        self._passed = {
            b for s in loops.walk_statements(program.body) if isinstance(s, loops.Call) for b in s.buffers
        }
        self._dtypes = {b.name: b.dtype for b in program.buffers_of("constant")}

    def sweep(self, body: Sequence[Statement], loop: For) -> Sweep | None:
        """The statements of a stage as a sweep over a block, if that is what they are."""
        declared = [s for s in body if isinstance(s, Declare)]
        named = [s for s in body if isinstance(s, Let)]
        inner = [s for s in body if isinstance(s, For)]
        own = {s.name for s in declared}
        if not inner or len(declared) + len(named) + len(inner) != len(body):
            return None
        if any(names_read([s]) & own for s in named):
            return None
        loads: Counter[str] = Counter()
        for each in inner:
            if not self._can_turn(each, loop, own, loads):
                return None
        return Sweep(declared, named, inner, loads) if loads else None

    def whole(self, sweeps: Sequence[Sweep]) -> bool:
        """Whether all that a program loads from the sweeps' matrices is loaded by them."""
        total = sum((s.loads for s in sweeps), Counter[str]())
        return all(self._loads[buffer] == count for buffer, count in total.items())

    def _can_turn(self, inner: For, loop: For, own: set[str], loads: Counter[str]) -> bool:
        if (
            inner.serial
            or inner.step != 1
            or inner.start != loops.ZERO
            or not isinstance(inner.stop, Literal)
        ):
            return False
        for s in inner.body:
            match s:
                case Let():
                    pass
                case Update():
                    if s.function.name != "add" or s.name not in own:
                        return False
                case Accumulate():
                    if s.function.name != "add" or loop.variable in names_in(s.index):
                        return False
                case _:
                    return False
            if names_read([s]) & own:
                return False
            for e in loops.expressions(s):
                for part in loops.walk_expr(e):
                    if isinstance(part, Load) and not self._can_load(part, inner, loop, loads):
                        return False
        return True

    def _can_load(self, e: Load, inner: For, loop: For, loads: Counter[str]) -> bool:
        names = names_in(e.index)
        if loop.variable not in names:
            return True
        if inner.variable not in names:
            return e.index == Name(loop.variable)
        if e.index != _row_major(loop, inner) or not self._may_lay(e.buffer, loop, inner):
            return False
        loads[e.buffer] += 1
        return True

    def _may_lay(self, buffer: str, loop: For, inner: For) -> bool:
        if self._dtypes.get(buffer) not in ("float64", "float32") or buffer in self._passed:
            return False
        if not isinstance(loop.stop, Literal) or loop.start != loops.ZERO:
            return False
        size = self.program.constants[buffer].size
        return size == loop.stop.value * inner.stop.value and size <= LARGEST

    def lay(self, sweeps: Sequence[Sweep], rows: int, count: int) -> None:
        """Lays out the sweeps' matrices of `count` rows, so many rows a block; the last block has rows of zeros."""
        for buffer in {name for s in sweeps for name in s.loads}:
            matrix = self.program.constants[buffer].reshape(count, -1)
            padded = np.zeros((-(-count // rows) * rows, matrix.shape[1]), matrix.dtype)
            padded[:count] = matrix
            by_columns = padded.reshape(-1, rows, matrix.shape[1]).transpose(0, 2, 1)
            self.program.constants[buffer] = np.ascontiguousarray(by_columns).reshape(-1)
            size = loops.integer(padded.size)
            self.program.buffers = [
                replace(b, size=size) if b.name == buffer else b for b in self.program.buffers
            ]


def rows_of(sweeps: Sequence[Sweep]) -> int:
    """The rows of a block whose part of the widest matrix fits the innermost cache."""
    widest = max(each.stop.value for s in sweeps for each in s.inner)
    return max(_FEWEST, min(_MOST, _BLOCK_ELEMENTS // max(widest, 1) // 8 * 8))


def turned(
    sweep: Sweep, loop: For, first: Expr, stop: Expr, rows: int, before: Sequence[Statement]
) -> list[Statement]:
    """The stage turned round. A sum for each row is kept in the array `<name>_rows`, which the block has."""
    i = Name(loop.variable)
    place = loops.subtract(i, first)
    result: list[Statement] = []
    if sweep.declared:
        starts = [Store(f"{s.name}_rows", place, s.value) for s in sweep.declared]
        result.append(For(loop.variable, stop, [*starts], start=first))
    for inner in sweep.inner:
        k = Name(inner.variable)
        column = loops.multiply(k, loops.integer(rows))
        there = loops.add(loops.add(loops.multiply(first, inner.stop), column), place)
        sums: list[Declare] = []
        totals: list[Statement] = []
        body: list[Statement] = [*before, *sweep.named]
        for s in inner.body:
            value = _replaced(s.value, _row_major(loop, inner), there, set(sweep.loads))
            match s:
                case Let():
                    body.append(Let(s.name, value))
                case Update():
                    body.append(Accumulate(f"{s.name}_rows", place, s.function, value))
                case Accumulate():
                    name = f"{inner.variable}_total{len(sums)}"
                    sums.append(Declare(name, Literal(0.0, s.value.dtype)))
                    body.append(Update(name, s.function, value))
                    totals.append(Accumulate(s.buffer, s.index, s.function, Name(name, s.value.dtype)))
        over_rows = For(loop.variable, stop, body, start=first)
        result.append(For(inner.variable, inner.stop, [*sums, over_rows, *totals]))
    return result


def _row_major(loop: For, inner: For) -> Expr:
    return loops.add(loops.multiply(Name(loop.variable), inner.stop), Name(inner.variable))


def _replaced(e: Expr, index: Expr, new: Expr, buffers: set[str]) -> Expr:
    match e:
        case Load() if e.buffer in buffers and e.index == index:
            return Load(e.buffer, new, e.dtype)
        case Compute():
            return Compute(e.function, tuple(_replaced(a, index, new, buffers) for a in e.args), e.dtype)
        case loops.Convert():
            return loops.Convert(_replaced(e.arg, index, new, buffers), e.dtype)
        case _:
            return e
