"""Matrices beyond the caches: while a block of rows is read again, some of the next one comes from memory.

    for block: for row: sum += x[row, column] * b[column]         for block: for row: ...
               for row: g[column] += x[row, column] * w     =>               for row: ask for a part of a later row
                                                                                      g[column] += ...

The processor fetches ahead by itself as long as it is asked for more, in order. While a block that is in the second
cache is read again it is asked for nothing, and the memory rests. No more of the next block is asked for than comes
meanwhile: what has to wait for memory keeps the block's own data waiting too.
"""

from __future__ import annotations

from collections.abc import Sequence

from probgraph.engine import loops
from probgraph.engine.columns import LARGEST
from probgraph.engine.loops import Compute, Expr, Fetch, For, Literal, Load, Name, Statement

#: bytes that come from memory at a time
_LINE = 64
#: the part of the next block that is asked for: reading a block from memory takes about three times as long as again
_PART = 3
_BYTES = {"float64": 8, "float32": 4}


def fetch_ahead(body: Sequence[Statement]) -> None:
    """Makes the blocks of large matrices that are read more than once fetch a part of the next one."""
    for block in body:
        if not isinstance(block, For) or block.step == 1 or not isinstance(block.stop, Literal):
            continue
        stages = [s for s in block.body if isinstance(s, For) and s.start == Name(block.variable)]
        read: set[tuple[str, int]] = set()
        again: dict[tuple[str, int], tuple[For, str]] = {}
        for stage in stages:
            found = _matrices(stage)
            again.update({key: (stage, dtype) for key, dtype in found.items() if key in read})
            read.update(found)
        for (buffer, width), (stage, dtype) in again.items():
            lines = width * _BYTES.get(dtype, 0) // _LINE // _PART
            if lines and block.stop.value * width > LARGEST:
                stage.body.insert(0, _asking(block, stage, buffer, width, lines, _LINE // _BYTES[dtype]))


def _matrices(stage: For) -> dict[tuple[str, int], str]:
    """The matrices that the inner loops of a stage read, row by row: buffer, number of columns and dtype."""
    return {
        (part.buffer, inner.stop.value): part.dtype
        for inner in stage.body
        if isinstance(inner, For) and isinstance(inner.stop, Literal)
        for s in loops.walk_statements(inner.body)
        for e in loops.expressions(s)
        for part in loops.walk_expr(e)
        if isinstance(part, Load) and _is_row_by_row(part.index, stage, inner)
    }


def _is_row_by_row(index: Expr, stage: For, inner: For) -> bool:
    first = loops.multiply(Name(stage.variable), inner.stop)
    return isinstance(index, Compute) and index == loops.add(first, Name(inner.variable))


def _asking(block: For, stage: For, buffer: str, width: int, lines: int, elements: int) -> For:
    """For each row of a block the next so many lines of the block after it."""
    k = Name(f"{stage.variable}_fetch")
    row = loops.subtract(Name(stage.variable), Name(block.variable))
    line = loops.add(loops.multiply(row, loops.integer(lines)), k)
    start = loops.multiply(stage.stop, loops.integer(width))
    index = loops.add(start, loops.multiply(line, loops.integer(elements)))
    return For(k.name, loops.integer(lines), [Fetch(buffer, index)])
