"""Arrays that only pass from one stage of a block of rows to the next: as long as a block, not as the data.

    for block: for row: a[row] = ...                        for block: for row: a[row - first] = ...
               for row: ... a[row] ...        =>                       for row: ... a[row - first] ...

What the rows of one block leave is of no use to those of another. Arrays as long as the data would go out of the
innermost cache and come back into it for nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from probgraph.engine import loops
from probgraph.engine.loops import (
    Accumulate,
    Assign,
    Compute,
    Convert,
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
)

#: the statements that can be made to use another place
_MOVABLE = Let | Declare | Update | Assign | Store | Accumulate


def only_passing(body: Sequence[Statement], program: Program) -> None:
    """Gives the scratch of a program's blocks, where each row uses elements of its own only, the room of a block.

    It looks at the outermost loops: what is inside of another one may be handed from round to round of that.
    """
    everywhere = _uses(body)
    for block in body:
        if not isinstance(block, For) or block.step == 1 or _is_all(block):
            continue
        here = _uses([block])
        for k, buffer in enumerate(program.buffers):
            name = buffer.name
            if buffer.role != "scratch" or not here[name] or here[name] != everywhere[name]:
                continue
            widths = [_width(index, rows, below) for index, rows, below in _places(block, name)]
            # As many as are used: none by a kernel, and none but by a row of the block.
            if len(widths) == here[name] and None not in widths and len(set(widths)) == 1:
                _move(block, name)
                program.buffers[k] = replace(buffer, size=loops.integer(block.step * widths[0]))


def _is_all(block: For) -> bool:
    """Whether there is only one block."""
    return isinstance(block.stop, Literal) and block.stop.value <= block.step


def _uses(body: Sequence[Statement]) -> Counter[str]:
    """How often each buffer is read or written."""
    uses: Counter[str] = Counter()
    for s in loops.walk_statements(body):
        uses.update(buffer for buffer, _ in _indices(s))
        if isinstance(s, loops.Call):
            uses.update(s.buffers)
    return uses


def _indices(s: Statement) -> Iterator[tuple[str, Expr]]:
    """The buffers that a statement itself uses, and where."""
    if isinstance(s, Store | Accumulate):
        yield s.buffer, s.index
    for e in loops.expressions(s):
        for part in loops.walk_expr(e):
            if isinstance(part, Load):
                yield part.buffer, part.index


def _row_loops(block: For) -> Iterator[tuple[For, dict[str, int]]]:
    """The loops over the rows of a block, and below which numbers the names stay that are known in them."""
    stack: list[tuple[For, dict[str, int]]] = [(block, {})]
    while stack:
        loop, below = stack.pop()
        for s in loop.body:
            if not isinstance(s, For):
                continue
            if s.start == Name(block.variable) and s.step == 1:
                yield s, below
            elif isinstance(s.stop, Literal):
                stack.append((s, {**below, s.variable: s.stop.value}))


def _places(block: For, buffer: str) -> Iterator[tuple[Expr, str, Mapping[str, int]]]:
    """Where the rows of a block use a buffer: the index, the number of the row in it, and the bounds of other names."""
    for rows, known in _row_loops(block):
        stack: list[tuple[Sequence[Statement], dict[str, int]]] = [(rows.body, dict(known))]
        while stack:
            body, below = stack.pop()
            for s in body:
                if isinstance(s, _MOVABLE):
                    yield from (
                        (index, rows.variable, below) for name, index in _indices(s) if name == buffer
                    )
                if isinstance(s, Let) and s.value.dtype == "int64":
                    most = _most(s.value, below)
                    if most is not None:
                        below[s.name] = most + 1
                elif isinstance(s, For):
                    inside = isinstance(s.stop, Literal) and s.start == loops.ZERO
                    stack.append((s.body, {**below, s.variable: s.stop.value} if inside else dict(below)))


def _width(index: Expr, row: str, below: Mapping[str, int]) -> int | None:
    """How many elements a row has, if an index is row * width + something from 0 to width - 1."""
    width = _factor(index, row)
    rest = _most(loops.substitute(index, {row: loops.ZERO}), below)
    return width if width is not None and rest is not None and rest < width else None


def _factor(index: Expr, row: str) -> int | None:
    """By how much an index grows from row to row, if always by the same."""
    if row not in loops.names_in(index):
        return 0
    match index:
        case Name():
            return 1
        case Compute(loops._ADD, (a, b), _):
            first, second = _factor(a, row), _factor(b, row)
            return None if first is None or second is None else first + second
        case Compute(loops._MUL, (a, Literal(value)), _):
            first = _factor(a, row)
            return None if first is None else first * value
    return None


def _most(e: Expr, below: Mapping[str, int]) -> int | None:
    """The largest that an integer which is not negative can become; None if that is not known."""
    match e:
        case Literal(value):
            return value if value >= 0 else None
        case Name():
            return below[e.name] - 1 if below.get(e.name, 0) > 0 else None
        case Compute(function, (a, b), _):
            first, second = _most(a, below), _most(b, below)
            if first is None or second is None:
                return None
            if function is loops._ADD:
                return first + second
            if function is loops._MUL:
                return first * second
            if function is loops._DIV and isinstance(b, Literal) and second:
                return first // second
            if function is loops._MOD and isinstance(b, Literal) and second:
                return min(first, second - 1)
    return None


def _move(block: For, buffer: str) -> None:
    """Makes the rows of a block use a buffer from its beginning on."""
    for rows, _ in _row_loops(block):
        place = {rows.variable: loops.subtract(Name(rows.variable), Name(block.variable))}
        for s in loops.walk_statements(rows.body):
            if not isinstance(s, _MOVABLE):
                continue
            s.value = _moved(s.value, buffer, place)
            if isinstance(s, Store | Accumulate):
                mine = s.buffer == buffer
                s.index = loops.substitute(s.index, place) if mine else _moved(s.index, buffer, place)


def _moved(e: Expr, buffer: str, place: dict[str, Expr]) -> Expr:
    match e:
        case Load():
            mine = e.buffer == buffer
            return replace(
                e, index=loops.substitute(e.index, place) if mine else _moved(e.index, buffer, place)
            )
        case Compute():
            return replace(e, args=tuple(_moved(a, buffer, place) for a in e.args))
        case Convert():
            return replace(e, arg=_moved(e.arg, buffer, place))
    return e
