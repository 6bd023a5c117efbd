"""Rows in blocks: a loop whose rounds mix inner loops with costly scalars is cut into stages over a block of
rows, so that the scalar stage becomes a loop the compiler can vectorise.

    for row: dot product; exp, log; update        for block:  for row: dot product -> small array
                                            =>                for row: exp, log   (vector math)
                                                              for row: update

A block stays in the cache, so the data is still read once from memory. What a stage hands to a later one is
kept in an array of a block's length; what is only loaded is loaded again.
"""

from __future__ import annotations

from collections.abc import Sequence

from probgraph.engine import loops
from probgraph.engine.loops import (
    Accumulate,
    Compute,
    Convert,
    Declare,
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
)

#: the elements of the data that a block should about fill, and the bounds of its rows
_BLOCK_ELEMENTS, _FEWEST, _MOST = 2048, 8, 64
#: the cost from which a scalar function is worth a stage of its own
_COSTLY = 20


def in_blocks(body: Sequence[Statement]) -> list[Statement]:
    """The statements with every loop that gains from it cut into stages."""
    result: list[Statement] = []
    for s in body:
        if isinstance(s, For):
            s.body = in_blocks(s.body)
            staged = _staged(s)
            result.append(s if staged is None else staged)
        else:
            result.append(s)
    return result


def moves_along(index: Expr, variable: str) -> bool:
    """Whether an index is different in every round: the variable times one number plus something fixed."""
    match index:
        case Name():
            return index.name == variable
        case Compute(function, (a, b), _) if function in (loops._ADD, loops._SUB):
            moving = [e for e in (a, b) if variable in names_in(e)]
            return len(moving) == 1 and moves_along(moving[0], variable)
        case Compute(function, (a, b), _) if function is loops._MUL:
            return (moves_along(a, variable) and isinstance(b, Literal) and b.value != 0) or (
                moves_along(b, variable) and isinstance(a, Literal) and a.value != 0
            )
        case _:
            return False


def names_in(e: Expr) -> set[str]:
    return {part.name for part in loops.walk_expr(e) if isinstance(part, Name)}


def can_be_vector(s: Statement, variable: str) -> bool:
    """Whether a statement may stand in a loop whose rounds run side by side."""
    match s:
        case Let():
            return True
        case Update():
            return s.function.name in ("add", "mul")
        case Store() | Accumulate():
            return moves_along(s.index, variable)
        case _:
            return False


def _staged(loop: For) -> For | None:
    if loop.serial:
        return None
    stages = _stages(loop)
    costly = any(
        isinstance(s, Let) and _cost(s.value) >= _COSTLY for kind, stage in stages if kind for s in stage
    )
    if len(stages) < 2 or not costly or loop.step != 1:
        return None
    rows = _rows(loop)
    first, stop = Name(f"{loop.variable}_block"), Name(f"{loop.variable}_stop")
    body: list[Statement] = [Let(stop.name, loops.minimum(loops.add(first, loops.integer(rows)), loop.stop))]
    place = loops.subtract(Name(loop.variable), first)
    written = _buffers_written(loop.body)
    defined: dict[str, tuple[int, Statement]] = {}
    needed = [_names_read(stage) for _, stage in stages]
    for k, (_, stage) in enumerate(stages):
        defined.update({s.name: (k, s) for s in stage if isinstance(s, Let | Declare)})
    before: list[list[Statement]] = [[] for _ in stages]
    after: list[list[Statement]] = [[] for _ in stages]
    for name, (home, s) in defined.items():
        users = [k for k in range(home + 1, len(stages)) if name in needed[k]]
        if not users:
            continue
        if isinstance(s, Let) and _can_be_loaded_again(s.value, loop.variable, written):
            for k in users:
                before[k].append(s)
            continue
        array, dtype = f"{name}_rows", s.value.dtype
        body.append(Local(array, dtype, rows))
        after[home].append(Store(array, place, Name(name, dtype)))
        for k in users:
            before[k].append(Let(name, Load(array, place, dtype)))
    for k, (_, stage) in enumerate(stages):
        body.append(For(loop.variable, stop, [*before[k], *stage, *after[k]], start=first))
    return For(first.name, loop.stop, body, start=loop.start, step=rows)


def _stages(loop: For) -> list[tuple[bool, list[Statement]]]:
    """The body cut where it changes between what can be a vector loop (True) and what cannot."""
    stages: list[tuple[bool, list[Statement]]] = []
    for s in _accumulators_beside_their_loops(loop.body):
        kind = can_be_vector(s, loop.variable)
        if not stages or stages[-1][0] != kind:
            stages.append((kind, []))
        stages[-1][1].append(s)
    return _without_idle_stages(stages)


def _without_idle_stages(stages: list[tuple[bool, list[Statement]]]) -> list[tuple[bool, list[Statement]]]:
    """A stage that only names cheap values goes with the one after it."""
    result: list[tuple[bool, list[Statement]]] = []
    waiting: list[Statement] = []
    for k, (kind, stage) in enumerate(stages):
        idle = kind and all(isinstance(s, Let) and _cost(s.value) < _COSTLY for s in stage)
        if idle and k + 1 < len(stages):
            waiting = [*waiting, *stage]
        elif result and result[-1][0] == kind:
            result[-1][1].extend([*waiting, *stage])
            waiting = []
        else:
            result.append((kind, [*waiting, *stage]))
            waiting = []
    return result


def _accumulators_beside_their_loops(body: Sequence[Statement]) -> list[Statement]:
    """The body with each accumulator declared just before the statement that accumulates in it."""
    declared = {s.name: s for s in body if isinstance(s, Declare)}
    result: list[Statement] = []
    for s in body:
        if isinstance(s, Declare):
            continue
        for inner in loops.walk_statements([s]):
            if isinstance(inner, Update) and inner.name in declared:
                result.append(declared.pop(inner.name))
        result.append(s)
    return result


def _cost(e: Expr) -> int:
    return max((part.function.cost for part in loops.walk_expr(e) if isinstance(part, Compute)), default=0)


def _rows(loop: For) -> int:
    """So many rows that their data about fills the innermost cache, in whole vectors."""
    widest = 1
    for s in loop.body:
        if isinstance(s, For):
            widest = max(widest, s.stop.value if isinstance(s.stop, Literal) else _BLOCK_ELEMENTS // 16)
    return max(_FEWEST, min(_MOST, _BLOCK_ELEMENTS // widest // 8 * 8))


def _buffers_written(body: Sequence[Statement]) -> set[str]:
    return {s.buffer for s in loops.walk_statements(body) if isinstance(s, Store | Accumulate)}


def _names_read(stage: Sequence[Statement]) -> set[str]:
    return {name for s in loops.walk_statements(stage) for e in loops.expressions(s) for name in names_in(e)}


def _can_be_loaded_again(e: Expr, variable: str, written: set[str]) -> bool:
    """Whether an expression is a load at this row (or a conversion of one) that nobody overwrites."""
    match e:
        case Load():
            return e.buffer not in written and names_in(e.index) <= {variable}
        case Convert():
            return _can_be_loaded_again(e.arg, variable, written)
        case _:
            return False
