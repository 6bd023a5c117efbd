"""Loops to shorter loops: what nobody reads is dropped, and loops whose rounds are independent are marked."""

from __future__ import annotations

from collections.abc import Sequence

from probgraph.engine import loops
from probgraph.engine.blocks import can_be_vector, defined_in, in_blocks
from probgraph.engine.columns import Columns
from probgraph.engine.fetching import fetch_ahead
from probgraph.engine.loops import (
    Accumulate,
    Assign,
    Call,
    Declare,
    For,
    Let,
    Load,
    Name,
    Program,
    Statement,
    Store,
    Update,
)
from probgraph.engine.passing import only_passing
from probgraph.engine.taking_turns import taking_turns

#: how many rounds a vector loop must at least have, where their number is known
_FEWEST_ROUNDS = 4


def tidy(program: Program) -> Program:
    """The program without dead stores, dead names and unused buffers, its innermost loops marked."""
    body = program.body
    scratch = {b.name for b in program.buffers_of("scratch")}
    while True:
        read = _read_buffers(body)
        body, changed = _without_stores(body, scratch - read)
        body = _without_dead_names(body, set())
        if not changed:
            break
    program.body = body
    body = in_blocks(body, Columns(program))
    only_passing(body, program)
    fetch_ahead(body)
    body = taking_turns(body, {b.name: b.size for b in program.buffers})
    _mark_vectors(body)
    used = _read_buffers(body) | _written_buffers(body)
    program.buffers = [b for b in program.buffers if b.role != "scratch" or b.name in used]
    program.body = body
    return program


def _read_buffers(body: Sequence[Statement]) -> set[str]:
    read: set[str] = set()
    for s in loops.walk_statements(body):
        for e in loops.expressions(s):
            read.update(part.buffer for part in loops.walk_expr(e) if isinstance(part, Load))
        if isinstance(s, Call):
            read.update(b for b in s.buffers if b not in s.writes)
    return read


def _written_buffers(body: Sequence[Statement]) -> set[str]:
    written: set[str] = set()
    for s in loops.walk_statements(body):
        if isinstance(s, Store | Accumulate):
            written.add(s.buffer)
        elif isinstance(s, Call):
            written.update(s.writes)
    return written


def _without_stores(body: Sequence[Statement], unread: set[str]) -> tuple[list[Statement], bool]:
    kept: list[Statement] = []
    changed = False
    for s in body:
        if isinstance(s, Store | Accumulate) and s.buffer in unread:
            changed = True
            continue
        if isinstance(s, For):
            s.body, inner = _without_stores(s.body, unread)
            changed |= inner
            if not s.body:
                continue
        kept.append(s)
    return kept, changed


def _without_dead_names(body: Sequence[Statement], live: set[str]) -> list[Statement]:
    """Statements whose names somebody after them reads; `live` grows by what these read."""
    kept: list[Statement] = []
    for s in reversed(body):
        match s:
            case Let() | Declare() | Update() | Assign():
                if s.name not in live:
                    continue
            case For():
                live.update(_handed_on(s))
                s.body = _without_dead_names(s.body, live)
                if not s.body:
                    continue
        for e in loops.expressions(s):
            live.update(part.name for part in loops.walk_expr(e) if isinstance(part, Name))
        kept.append(s)
    return kept[::-1]


def _handed_on(loop: For) -> set[str]:
    """What a round of a serial loop assigns for the next one to read."""
    assigned = {s.name for s in loops.walk_statements(loop.body) if isinstance(s, Assign)}
    if not assigned:
        return assigned
    return assigned & {
        part.name
        for s in loops.walk_statements(loop.body)
        for e in loops.expressions(s)
        for part in loops.walk_expr(e)
        if isinstance(part, Name)
    }


def _mark_vectors(body: Sequence[Statement]) -> None:
    """Marks the innermost loops whose rounds are independent but for sums and products.

    A loop of a few rounds is better unrolled than made a vector loop with its preparations.
    """
    for s in loops.walk_statements(body):
        if isinstance(s, For):
            few = isinstance(s.stop, loops.Literal) and s.stop.value < _FEWEST_ROUNDS
            s.vector = (
                bool(s.body)
                and not s.serial
                and not few
                and all(can_be_vector(inner, s.variable, defined_in(s.body)) for inner in s.body)
            )
