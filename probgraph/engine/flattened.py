"""Short inner loops over a block of rows, with what is costly taken out into one long loop.

    for row: for column: exp(x - m) ...    =>    for row: for column: x - m -> small array
                                                 for element of the small array: exp
                                                 for row: for column: ...

A loop of ten rounds is one round of vectors and a rest, and the rest would call the scalar function; the block's
rows together are many rounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from probgraph.engine import loops
from probgraph.engine.loops import (
    Accumulate,
    Compute,
    Expr,
    For,
    Let,
    Literal,
    Load,
    Local,
    Name,
    Statement,
    Store,
    Update,
    names_read,
)

#: the cost from which a scalar function is worth a loop of its own
COSTLY = 20
#: whole vectors have so many numbers; a short loop has so many rounds at the most, and hands over so many arrays
_WHOLE, _MOST_COLUMNS, _MOST_ARRAYS = 8, 256, 4


@dataclass
class Split:
    """A short inner loop in three: before, then `flat` over all elements of the block, then after.

    `arrays` hold what is handed on, an element for each row and column of a block; `place` names an element.
    """

    before: For
    flat: list[Statement]
    after: For | None
    columns: int
    place: Name
    arrays: list[tuple[str, str]] = field(default_factory=list)

    def locals(self, rows: int) -> list[Statement]:
        return [Local(name, dtype, rows * self.columns) for name, dtype in self.arrays]


def cost(e: Expr) -> int:
    """The cost of the costliest function in an expression."""
    return max((part.function.cost for part in loops.walk_expr(e) if isinstance(part, Compute)), default=0)


def split(inner: Statement, row: Expr) -> Split | None:
    """An inner loop split around what is costly in it; None where that gains nothing or would change something.

    `row` is the row's number in its block.
    """
    if not isinstance(inner, For) or not _is_short(inner):
        return None
    inner = _collapsed(inner)
    if inner.stop.value % _WHOLE == 0:
        return None
    if not all(isinstance(s, Let | Store | Update | Accumulate) for s in inner.body):
        return None
    lets = [s for s in inner.body if isinstance(s, Let)]
    flat = _flat_part(lets)
    if not flat:
        return None
    names = {s.name for s in flat}
    later = _depending(lets, names) - names
    rest = [s for s in inner.body if not isinstance(s, Let)]
    reads_later = [bool(names_read([s]) & (names | later)) for s in rest]
    first = [s for s, late in zip(rest, reads_later, strict=True) if not late]
    last = [s for s, late in zip(rest, reads_later, strict=True) if late]
    if _touched(first) & _touched(last) or _written(rest) & _loaded(inner.body):
        return None
    handed = names_read(flat) - names
    own = {s.name: s for s in lets if s.name not in names | later}
    handed_in = [s for s in lets if s.name in own and s.name in handed]
    needed_after = _closure(lets, names_read(last), stop=names)
    handed_on = [s for s in flat if s.name in needed_after]
    if len(handed_in) + len(handed_on) > _MOST_ARRAYS:
        return None
    return _assembled(inner, row, lets, flat, first, last, handed_in, handed_on, needed_after)


def _is_short(loop: For) -> bool:
    known = isinstance(loop.stop, Literal) and loop.stop.value <= _MOST_COLUMNS
    return known and not loop.serial and loop.step == 1 and loop.start == loops.ZERO


def _collapsed(outer: For) -> For:
    """Two short loops, of which the outer one has nothing but names beside the inner one, as one; others as they are."""
    *names, inner = outer.body
    if not isinstance(inner, For) or not _is_short(inner) or not all(isinstance(s, Let) for s in names):
        return outer
    both = loops.multiply(outer.stop, inner.stop)
    if not 0 < both.value <= _MOST_COLUMNS:
        return outer
    place = Name(f"{outer.variable}_{inner.variable}")
    row = Let(outer.variable, loops.divide(place, inner.stop))
    column = Let(inner.variable, loops.remainder(place, inner.stop))
    return For(place.name, both, [row, column, *names, *inner.body])


def _assembled(
    inner: For,
    row: Expr,
    lets: Sequence[Let],
    flat: Sequence[Let],
    first: Sequence[Statement],
    last: Sequence[Statement],
    handed_in: Sequence[Let],
    handed_on: Sequence[Let],
    needed_after: set[str],
) -> Split:
    columns = inner.stop.value
    element = loops.add(loops.multiply(row, loops.integer(columns)), Name(inner.variable))
    place = Name(f"{inner.variable}_flat")
    names = {s.name for s in flat}
    arrays = [(f"{s.name}_block", s.value.dtype) for s in (*handed_in, *handed_on)]

    def stored(s: Let, at: Expr) -> Store:
        return Store(f"{s.name}_block", at, Name(s.name, s.value.dtype))

    def loaded(s: Let, at: Expr) -> Let:
        return Let(s.name, Load(f"{s.name}_block", at, s.value.dtype))

    needed_before = _closure(lets, names_read(first) | {s.name for s in handed_in}, stop=names)
    before = For(
        inner.variable,
        inner.stop,
        [*(s for s in lets if s.name in needed_before), *first, *(stored(s, element) for s in handed_in)],
    )
    middle = [*(loaded(s, place) for s in handed_in), *flat, *(stored(s, place) for s in handed_on)]
    after = None
    if last:
        known = [loaded(s, element) for s in handed_on]
        after = For(
            inner.variable,
            inner.stop,
            [*known, *(s for s in lets if s.name in needed_after - names), *last],
        )
    return Split(before, middle, after, columns, place, arrays)


def _flat_part(lets: Sequence[Let]) -> list[Let]:
    """The costly values that differ between columns, and what leads from one of them to the next."""
    costly = [s for s in lets if cost(s.value) >= COSTLY]
    if not costly or any(isinstance(part, Load) for s in costly for part in loops.walk_expr(s.value)):
        return []
    names = {s.name for s in costly}
    after = _depending(lets, names) | names
    between = {
        s.name
        for s in lets
        if s.name in after and any(s.name in _closure(lets, names_read([c]), stop=set()) for c in costly)
    }
    chosen = [s for s in lets if s.name in names | between]
    return [] if any(isinstance(p, Load) for s in chosen for p in loops.walk_expr(s.value)) else chosen


def _depending(lets: Sequence[Let], names: set[str]) -> set[str]:
    found = set(names)
    for s in lets:
        if names_read([s]) & found:
            found.add(s.name)
    return found


def _closure(lets: Sequence[Let], wanted: set[str], stop: set[str]) -> set[str]:
    """The lets that `wanted` names need; what is in `stop` is known and needs nothing."""
    found = set(wanted)
    for s in reversed(lets):
        if s.name in found and s.name not in stop:
            found |= names_read([s])
    return found & {s.name for s in lets}


def _loaded(body: Sequence[Statement]) -> set[str]:
    return {
        p.buffer
        for s in body
        for e in loops.expressions(s)
        for p in loops.walk_expr(e)
        if isinstance(p, Load)
    }


def _written(body: Sequence[Statement]) -> set[str]:
    return {s.buffer for s in body if isinstance(s, Store | Accumulate)}


def _touched(body: Sequence[Statement]) -> set[str]:
    """The buffers and accumulators that statements change."""
    return _written(body) | {s.name for s in body if isinstance(s, Update)}
