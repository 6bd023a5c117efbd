"""Rows in blocks: a loop whose rounds mix inner loops with costly scalars is cut into stages over a block of
rows, so that the scalar stage becomes a loop the compiler can vectorise.

    for row: dot product; exp, log; update        for block:  for row: dot product -> small array
                                            =>                for row: exp, log   (vector math)
                                                              for row: update

A block stays in the cache, so the data is still read once from memory. What a stage hands to a later one is
kept in an array of a block's length; what is only loaded is loaded again.

The second cache is near enough for that. Data come from memory at full speed only while they are read in order and
without a stop, since the processor fetches ahead just as long as it is asked for more; and each stage that asks for
nothing new is such a stop. Few large blocks have fewer of them than many that would fit the innermost cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from probgraph.engine import loops
from probgraph.engine.columns import Columns, Sweep, rows_of, turned
from probgraph.engine.flattened import COSTLY, Split, cost, split
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
    names_in,
    names_read,
)

#: the elements of the data that a block should about fill, and the bounds of its rows
_BLOCK_ELEMENTS, _FEWEST, _MOST = 1 << 15, 8, 256
#: the same for a block that keeps an element of its own for each of the data's: those are read and written often
_KEPT_ELEMENTS, _MOST_KEPT = 2048, 64


def in_blocks(body: Sequence[Statement], columns: Columns | None = None, few: bool = True) -> list[Statement]:
    """The statements with every loop that gains from it cut into stages; with `few` also loops over a few rows only,
    where no loop around them is.

    Matrices of data that `columns` knows may be laid out anew for that.
    """
    result: list[Statement] = []
    for s in body:
        if isinstance(s, For):
            s.body = in_blocks(s.body, columns, few=False)
            staged = _staged(s, columns, few)
            if staged is None and few:
                s.body = in_blocks(s.body, columns)
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


def can_be_vector(s: Statement, variable: str, varying: AbstractSet[str] = frozenset()) -> bool:
    """Whether a statement may stand in a loop whose rounds run side by side, in which the names `varying` change.

    What is read from all over an array could be, but processors take longer for a vector of such loads than for the
    loads one by one.
    """
    match s:
        case Let():
            return not any(_is_scattered(e, variable, varying) for e in loops.walk_expr(s.value))
        case Update():
            return s.function.name in ("add", "mul")
        case Store() | Accumulate():
            return moves_along(s.index, variable)
        case _:
            return False


def _is_scattered(e: Expr, variable: str, varying: AbstractSet[str]) -> bool:
    """Whether an expression is a load from a place that changes from round to round, but not by the same step."""
    if not isinstance(e, Load) or moves_along(e.index, variable):
        return False
    return any(
        isinstance(part, Load) or (isinstance(part, Name) and (part.name == variable or part.name in varying))
        for part in loops.walk_expr(e.index)
    )


@dataclass
class _Stage:
    """Statements that are done for all rows of a block before the next stage begins.

    It is a vector loop over the rows, or not; or `flat`, a loop over the block's elements.
    """

    vector: bool
    body: list[Statement]
    flat: Split | None = None
    sweep: Sweep | None = None


def _staged(loop: For, columns: Columns | None, few_too: bool) -> For | None:
    if loop.serial or loop.step != 1:
        return None
    first, stop = Name(f"{loop.variable}_block"), Name(f"{loop.variable}_stop")
    place = loops.subtract(Name(loop.variable), first)
    stages = _stages(loop, place)
    costly = any(
        stage.flat
        or (stage.vector and any(isinstance(s, Let) and cost(s.value) >= COSTLY for s in stage.body))
        for stage in stages
    )
    few = isinstance(loop.stop, Literal) and loop.stop.value < _FEWEST
    if few and not few_too:
        return None
    if few and not any(stage.flat and stage.flat.columns * loop.stop.value >= _FEWEST for stage in stages):
        return None
    sweeps = [] if few else _sweeps(stages, loop, columns)
    if len(stages) < 2 or not (costly or sweeps):
        return None
    rows = loop.stop.value if few else _rows(loop, any(stage.flat for stage in stages))
    if columns is not None and sweeps:
        rows = rows_of(sweeps)
        columns.lay(sweeps, rows, loop.stop.value)
    body: list[Statement] = [Let(stop.name, loops.minimum(loops.add(first, loops.integer(rows)), loop.stop))]
    written = _buffers_written(loop.body)
    defined: dict[str, tuple[int, Statement]] = {}
    needed = [names_read(stage.body) for stage in stages]
    for k, stage in enumerate(stages):
        if stage.flat is None:
            defined.update({s.name: (k, s) for s in stage.body if isinstance(s, Let | Declare)})
        else:
            body.extend(stage.flat.locals(rows))
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
    for k, stage in enumerate(stages):
        if stage.sweep is not None:
            body.extend(turned(stage.sweep, loop, first, stop, rows, before[k]))
            named = {s.name for s in stage.sweep.named}
            kept = [s for s in after[k] if names_read([s]) & named]
            if kept:
                body.append(For(loop.variable, stop, [*before[k], *stage.sweep.named, *kept], start=first))
        elif stage.flat is None:
            body.append(For(loop.variable, stop, [*before[k], *stage.body, *after[k]], start=first))
        else:
            elements = loops.multiply(loops.subtract(stop, first), loops.integer(stage.flat.columns))
            body.append(For(stage.flat.place.name, elements, stage.body))
    return For(first.name, loop.stop, body, start=loop.start, step=rows)


def _sweeps(stages: Sequence[_Stage], loop: For, columns: Columns | None) -> list[Sweep]:
    """The stages that are sweeps over matrices which can be laid out for them; none if that is not so of all."""
    if columns is None:
        return []
    found = [(stage, None if stage.vector else columns.sweep(stage.body, loop)) for stage in stages]
    sweeps = [sweep for _, sweep in found if sweep is not None]
    if not columns.whole(sweeps):
        return []
    for stage, sweep in found:
        stage.sweep = sweep
    return sweeps


def _stages(loop: For, place: Expr) -> list[_Stage]:
    """The body cut where it changes between what can be a vector loop and what cannot, and around what is costly in
    short inner loops."""
    stages: list[_Stage] = []
    declared: list[Declare] = []
    varying = defined_in(loop.body)
    for s in _accumulators_beside_their_loops(loop.body):
        if isinstance(s, Declare):
            declared.append(s)
            continue
        parts = split(s, place)
        # What the rows hand to the long loop would have to be an element for each column.
        if parts is None or names_read(parts.flat) & varying:
            pieces = [*declared, s]
        else:
            late = {u.name for u in parts.after.body if isinstance(u, Update)} if parts.after else set()
            for piece in [*(d for d in declared if d.name not in late), parts.before]:
                _add(stages, False, piece)
            stages.append(_Stage(True, parts.flat, parts))
            pieces = [*(d for d in declared if d.name in late), *([parts.after] if parts.after else [])]
        for piece in pieces:
            _add(stages, can_be_vector(piece, loop.variable, varying), piece)
        declared = []
    for piece in declared:
        _add(stages, False, piece)
    return _without_idle_stages(stages)


def _add(stages: list[_Stage], vector: bool, s: Statement) -> None:
    if not stages or stages[-1].vector != vector or stages[-1].flat is not None:
        stages.append(_Stage(vector, []))
    stages[-1].body.append(s)


def defined_in(body: Sequence[Statement]) -> set[str]:
    """The names that statements define, but for what is inside of them."""
    return {s.name for s in body if isinstance(s, Let | Declare)}


def _without_idle_stages(stages: list[_Stage]) -> list[_Stage]:
    """A stage that only names cheap values goes with the one after it."""
    result: list[_Stage] = []
    waiting: list[Statement] = []
    for k, stage in enumerate(stages):
        if stage.flat is not None:
            result.append(stage)
            continue
        idle = stage.vector and all(isinstance(s, Let) and cost(s.value) < COSTLY for s in stage.body)
        if idle and any(later.flat is None for later in stages[k + 1 :]):
            waiting = [*waiting, *stage.body]
        elif result and result[-1].flat is None and result[-1].vector == stage.vector:
            result[-1].body.extend([*waiting, *stage.body])
            waiting = []
        else:
            result.append(_Stage(stage.vector, [*waiting, *stage.body]))
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


def _rows(loop: For, keeps: bool) -> int:
    """So many rows that their data about fills the cache meant for it, in whole vectors."""
    elements, most = (_KEPT_ELEMENTS, _MOST_KEPT) if keeps else (_BLOCK_ELEMENTS, _MOST)
    widest = 1
    for s in loop.body:
        if isinstance(s, For):
            widest = max(widest, s.stop.value if isinstance(s.stop, Literal) else elements // 16)
    return max(_FEWEST, min(most, elements // widest // 8 * 8))


def _buffers_written(body: Sequence[Statement]) -> set[str]:
    return {s.buffer for s in loops.walk_statements(body) if isinstance(s, Store | Accumulate)}


def _can_be_loaded_again(e: Expr, variable: str, written: set[str]) -> bool:
    """Whether an expression is a load at this row (or a conversion of one) that nobody overwrites."""
    match e:
        case Load():
            return e.buffer not in written and names_in(e.index) <= {variable}
        case Convert():
            return _can_be_loaded_again(e.arg, variable, written)
        case _:
            return False
