"""Scattered sums in several copies that take turns.

    for row: sums[group[row]] += x    =>    for row: copies[row % 4][group[row]] += x
                                            for group: sums[group] += copies[0][group] + ... + copies[3][group]

Data often comes sorted by group. Each addition to a group then waits until the one before it has gone through memory,
some ten cycles, which is all that such a loop does. With four copies it waits for the fourth one before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from probgraph.engine import loops
from probgraph.engine.blocks import moves_along
from probgraph.engine.loops import Accumulate, Expr, For, Let, Literal, Load, Local, Name, Statement, Store

#: bytes that all copies of one array may fill, of the cache that the loop's other data want too
_MOST_BYTES = 32768
#: bytes of the stack that all copies of a program may take
_MOST_OF_STACK = 262144
#: rows for each element of all copies, so that clearing them and adding them up is little beside the loop
_FEWEST_ROWS = 3
#: up to how many elements copies are worth it where the number of rows is not known before the call
_FEW_ELEMENTS = 128
_BYTES = {"float64": 8, "float32": 4}


def taking_turns(body: Sequence[Statement], sizes: Mapping[str, Expr]) -> list[Statement]:
    """The statements with every loop over rows that gains from it adding to copies. `sizes` has the number of elements
    of each buffer."""
    result: list[Statement] = []
    left, made = _MOST_OF_STACK, 0
    for s in body:
        if not isinstance(s, For) or s.serial:
            result.append(s)
            continue
        before: list[Statement] = []
        after: list[Statement] = []
        for buffer in dict.fromkeys(a.buffer for _, a in _scattered(s)):
            number = _copies(s, buffer, sizes[buffer])
            taken = 8 * number * sizes[buffer].value if number else 0
            if number and taken <= left:
                left, made = left - taken, made + 1
                first, last = _in_copies(s, buffer, sizes[buffer].value, number, f"{buffer}_copies{made}")
                before += first
                after += last
        result += [*before, s, *after]
    return result


def _rows(loop: For) -> Iterator[For]:
    """The loops over the rows: this one, or, where it is over blocks of rows, those over the rows of a block."""
    if loop.step == 1:
        yield loop
    else:
        yield from (s for s in loop.body if isinstance(s, For))


def _scattered(loop: For) -> Iterator[tuple[For, Accumulate]]:
    """The sums in a loop over rows that go where an array of indices says."""
    for rows in _rows(loop):
        loaded: set[str] = set()
        for s in rows.body:
            if isinstance(s, Let) and _is_found(s.value, rows.variable, loaded):
                loaded.add(s.name)
            elif _is_sum(s) and _is_found(s.index, rows.variable, loaded):
                yield rows, s


def _is_sum(s: Statement) -> bool:
    return isinstance(s, Accumulate) and s.function.name == "add" and s.value.dtype in _BYTES


def _is_found(index: Expr, variable: str, loaded: set[str]) -> bool:
    """Whether an index comes out of an array, by the row."""
    return any(
        (isinstance(e, Name) and e.name in loaded)
        or (isinstance(e, Load) and e.dtype == "int64" and moves_along(e.index, variable))
        for e in loops.walk_expr(index)
    )


def _copies(loop: For, buffer: str, size: Expr) -> int:
    """How many copies of a buffer the loop may add to; 0 where it reads the sums, or would not gain."""
    if not isinstance(size, Literal) or size.value == 0:
        return 0
    mine = {id(a) for _, a in _scattered(loop) if a.buffer == buffer}
    for s in loops.walk_statements(loop.body):
        others = isinstance(s, Accumulate | Store) and s.buffer == buffer and id(s) not in mine
        if others or isinstance(s, loops.Call):
            return 0
        for e in loops.expressions(s):
            if any(isinstance(part, Load) and part.buffer == buffer for part in loops.walk_expr(e)):
                return 0
    dtype = next(a.value.dtype for _, a in _scattered(loop) if a.buffer == buffer)
    for number in (4, 2):
        elements = number * size.value
        few = elements * _BYTES[dtype] <= _MOST_BYTES
        if isinstance(loop.stop, Literal) and isinstance(loop.start, Literal):
            enough = loop.stop.value - loop.start.value >= _FEWEST_ROWS * elements
        else:
            enough = size.value <= _FEW_ELEMENTS
        if few and enough:
            return number
    return 0


def _in_copies(
    loop: For, buffer: str, size: int, number: int, copies: str
) -> tuple[list[Statement], list[Statement]]:
    """Makes the loop add to `copies` of the buffer: what comes before it, and after it."""
    place = f"{copies}_place"
    for rows, s in _scattered(loop):
        if s.buffer == buffer:
            turn = loops.low_bits(Name(rows.variable), number)
            s.buffer = copies
            s.index = loops.add(loops.multiply(turn, loops.integer(size)), s.index)
            dtype, add = s.value.dtype, s.function
    each = [Load(copies, loops.add(Name(place), loops.integer(k * size)), dtype) for k in range(number)]
    total = each[0]
    for one in each[1:]:
        total = loops.Compute(add, (total, one), dtype)
    elements = loops.integer(number * size)
    before: list[Statement] = [
        Local(copies, dtype, number * size),
        For(place, elements, [Store(copies, Name(place), Literal(0.0, dtype))]),
    ]
    return before, [For(place, loops.integer(size), [Accumulate(buffer, Name(place), add, total)])]
