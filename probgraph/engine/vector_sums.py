"""Sums along memory in the compiler's vector types.

A dot product is the inner loop of a regression, a hundred rounds or less, and there are as many as rows. For a loop
marked `omp simd reduction` gcc keeps the partial sums in memory between the vectors and the rest, which costs more than
so short a loop. GNU C's vector types say what is meant: partial sums in a register, their sum, then the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from probgraph.engine import loops
from probgraph.engine.loops import (
    Accumulate,
    Compute,
    Convert,
    Expr,
    For,
    Let,
    Literal,
    Load,
    Name,
    Statement,
    Store,
    Update,
)

_ARITHMETIC = {"add", "sub", "mul", "neg", "true_div"}
#: vectors of 64 bytes: a compiler makes two or four of them where the processor's are shorter
_LANES = {"float64": 8, "float32": 16}
_C_TYPES = {"float64": "double", "float32": "float"}


def _total(first: int, step: int, lanes: int) -> str:
    """The sum of every `step`th lane from the first on, in pairs: what two additions of halves would do."""
    if step == lanes:
        return f"v[{first}]"
    return f"({_total(first, 2 * step, lanes)} + {_total(first + step, 2 * step, lanes)})"


TYPES = "\n".join(
    f"""typedef {c} pg_{c}s __attribute__((vector_size(64), aligned(sizeof({c})), may_alias));
static inline {c} pg_total_{c}(pg_{c}s v) {{ return {_total(0, 1, _LANES[dtype])}; }}"""
    for dtype, c in _C_TYPES.items()
)


class Writer(Protocol):
    """What is asked of the one who prints the rest of the program."""

    def expr(self, e: Expr) -> str: ...

    def element(self, buffer: str, index: Expr) -> str: ...

    def lines(self, statements: Sequence[Statement], indent: str) -> list[str]: ...


def vector_sum(loop: For, writer: Writer) -> list[str] | None:
    """The text of a loop that adds up what lies along memory; None if it is another kind of loop."""
    dtype = _dtype(loop)
    if dtype is None:
        return None
    lanes, c = _LANES[dtype], _C_TYPES[dtype]
    i, stop = loop.variable, writer.expr(loop.stop)
    sums = list(dict.fromkeys(s.name for s in loop.body if isinstance(s, Update)))
    moving = {loop.variable}
    text = []
    for s in loop.body:
        value = _value(s.value, moving, i, writer, c)
        match s:
            case Let():
                if _moves(s.value, moving):
                    moving.add(s.name)
                    text.append(f"const pg_{c}s {s.name} = {value};")
                else:
                    text.append(f"const {c} {s.name} = {value};")
            case Update():
                text.append(f"{s.name}_parts += {value};")
            case Store():
                text.append(f"{_at(writer, s.buffer, s.index, c)} = {_spread(s.value, value, moving, c)};")
            case Accumulate():
                text.append(f"{_at(writer, s.buffer, s.index, c)} += {value};")
    start = writer.expr(loop.start)
    lines = [
        "{",
        f"    int64_t {i} = {start};",
        *(f"    pg_{c}s {name}_parts = {{0}};" for name in sums),
        f"    for (; {i} + {lanes} <= {stop}; {i} += {lanes}) {{",
        *(f"        {line}" for line in text),
        "    }",
        *(f"    {name} += pg_total_{c}({name}_parts);" for name in sums),
    ]
    if not _whole(loop, lanes):
        lines += [f"    for (; {i} < {stop}; {i} += 1) {{", *writer.lines(loop.body, " " * 8), "    }"]
    return [*lines, "}"]


def _whole(loop: For, lanes: int) -> bool:
    known = isinstance(loop.stop, Literal) and isinstance(loop.start, Literal)
    return known and (loop.stop.value - loop.start.value) % lanes == 0


def _dtype(loop: For) -> str | None:
    """The one dtype of a loop that can be written so."""
    if not loop.vector or loop.step != 1 or not any(isinstance(s, Update) for s in loop.body):
        return None
    dtypes = set()
    moving = {loop.variable}
    for s in loop.body:
        if not _possible(s.value, moving, loop.variable):
            return None
        dtypes.add(s.value.dtype)
        match s:
            case Let():
                if _moves(s.value, moving):
                    moving.add(s.name)
            case Update() | Accumulate() if s.function.name != "add":
                return None
        if isinstance(s, Store | Accumulate) and not _along(s.index, loop.variable):
            return None
    return dtypes.pop() if len(dtypes) == 1 and dtypes <= _LANES.keys() else None


def _possible(e: Expr, moving: set[str], variable: str) -> bool:
    """Whether a value is arithmetic on what lies along memory, and on what stays the same."""
    match e:
        case Name():
            return e.name != variable
        case Load():
            return _along(e.index, variable) or not _moves(e.index, moving)
        case Compute():
            return e.function.name in _ARITHMETIC and all(_possible(a, moving, variable) for a in e.args)
        case Convert():
            return not _moves(e, moving)
        case _:
            return isinstance(e, Literal)


def _along(index: Expr, variable: str) -> bool:
    """Whether an index is the variable plus something that stays the same."""
    match index:
        case Name():
            return index.name == variable
        case Compute(function, (a, b), _) if function is loops._ADD:
            return (_along(a, variable) and not _moves(b, {variable})) or (
                _along(b, variable) and not _moves(a, {variable})
            )
        case Compute(function, (a, b), _) if function is loops._SUB:
            return _along(a, variable) and not _moves(b, {variable})
        case _:
            return False


def _moves(e: Expr, moving: set[str]) -> bool:
    return any(isinstance(part, Name) and part.name in moving for part in loops.walk_expr(e))


def _value(e: Expr, moving: set[str], variable: str, writer: Writer, c: str) -> str:
    match e:
        case Load() if _along(e.index, variable):
            return _at(writer, e.buffer, e.index, c)
        case Compute() if _moves(e, moving):
            args = [_value(a, moving, variable, writer, c) for a in e.args]
            if len(args) == 1:
                return f"(-{args[0]})"
            operator = {"add": "+", "sub": "-", "mul": "*", "true_div": "/"}[e.function.name]
            return f"({args[0]} {operator} {args[1]})"
        case _:
            return writer.expr(e)


def _at(writer: Writer, buffer: str, index: Expr, c: str) -> str:
    """The vector that begins at an element."""
    return f"*(pg_{c}s *)&{writer.element(buffer, index)}"


def _spread(e: Expr, text: str, moving: set[str], c: str) -> str:
    return text if _moves(e, moving) else f"({text} - (pg_{c}s){{0}})"
