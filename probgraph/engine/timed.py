"""A program whose outermost parts are timed: each nest of loops, each call of a kernel, each run of scalars.

The clock is read between them, so that little is disturbed: some 25 ns for each part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from probgraph.engine import loops
from probgraph.engine.loops import (
    Accumulate,
    Buffer,
    Call,
    Compute,
    Expr,
    For,
    Literal,
    Name,
    Program,
    Statement,
    Store,
    Tick,
    Update,
)

#: the buffer of the times: when the clock was last read, a place for what is between runs, then the parts
TIMES = "times"
_BEFORE, _FIRST = 1, 2


@dataclass(frozen=True)
class Part:
    """One statement of the outermost level, or several scalar ones in a row, and what it does in words."""

    statements: list[Statement]
    text: str


def timed(program: Program, names: dict[str, str]) -> tuple[Program, list[str]]:
    """The program with its parts timed, and what these are in words.

    `names` are those of the results' buffers and of lengths, for people.
    """
    parts = [Part(group, _words(group, names)) for group in _grouped(program.body)]
    body: list[Statement] = [Tick(TIMES, _BEFORE)]
    for place, part in enumerate(parts, _FIRST):
        body += [*part.statements, Tick(TIMES, place)]
    buffer = Buffer(TIMES, "int64", TIMES, loops.integer(_FIRST + len(parts)))
    return replace(program, buffers=[*program.buffers, buffer], body=body), [part.text for part in parts]


def part_times(times: Sequence[int]) -> list[int]:
    """Nanoseconds of each part, of what is in the buffer."""
    return list(times[_FIRST:])


def _grouped(body: Iterable[Statement]) -> Iterator[list[Statement]]:
    for long, statements in groupby(body, lambda s: isinstance(s, For | Call)):
        if long:
            yield from ([s] for s in statements)
        else:
            yield list(statements)


def _words(statements: Sequence[Statement], names: dict[str, str]) -> str:
    first = statements[0]
    inside = list(loops.walk_statements(statements))
    written = [s.buffer for s in inside if isinstance(s, Store | Accumulate)]
    written += [name for s in inside if isinstance(s, Call) for name in s.writes]
    computed = Counter(
        part.function.name
        for s in inside
        for e in loops.expressions(s)
        for part in loops.walk_expr(e)
        if isinstance(part, Compute) and part.dtype != "int64"
    )
    computed.update(s.function.name for s in inside if isinstance(s, Update | Accumulate))
    computed.update(s.kernel.name.removeprefix("pg_") for s in inside if isinstance(s, Call))
    kind = (
        f"loop {_nest(first, names)}: "
        if isinstance(first, For)
        else ""
        if isinstance(first, Call)
        else "scalars: "
    )
    what = ", ".join(name if n == 1 else f"{name} ({n})" for name, n in computed.most_common()) or "copies"
    results = ", ".join(dict.fromkeys(names.get(name, "scratch") for name in written))
    return f"{kind}{what}" + (f" → {results}" if results else "")


def _nest(loop: For, names: dict[str, str]) -> str:
    """The lengths of a loop and of those in it: "1000 x 25", beside each other "1000 x (25, 3)"."""
    inner = list(dict.fromkeys(_nest(s, names) for s in loop.body if isinstance(s, For)))
    length = _length(loop.stop, names)
    if not inner:
        return length
    return f"{length} x {inner[0] if len(inner) == 1 else '(' + ', '.join(inner) + ')'}"


def _length(e: Expr, names: dict[str, str]) -> str:
    if isinstance(e, Literal):
        return str(e.value)
    return names.get(e.name, "a block") if isinstance(e, Name) else "n"
