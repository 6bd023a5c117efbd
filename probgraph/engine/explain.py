"""`f.explain()`: how a function came to be, from the user's graph to the C that runs.

Shows the graph after each pass that changed it with the rules that fired, the loops in a form close to Python,
and the C text.
"""

from __future__ import annotations

from collections.abc import Sequence

from probgraph.engine.execute import Executable
from probgraph.engine.loops import (
    Accumulate,
    Assign,
    Break,
    Call,
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
    Program,
    Require,
    ScalarFunction,
    Statement,
    Store,
    Update,
)
from probgraph.engine.printing import debugprint


class Explanation(str):
    """Text that shows itself as it is, also when it is the value of a line typed at a prompt."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def explanation(name: str, mode: str, executable: Executable) -> Explanation:
    """The story of a function, in sections."""
    sections = [f"function {name}\nmode {mode}\nruns in {executable.backend}"]
    before = None
    for stage in executable.stages:
        rules = "".join(f"\n  rule: {rule}" for rule in stage.rules)
        graph = "\n".join(line.rstrip() for line in str(debugprint(stage.outputs, file="str")).splitlines())
        body = graph if graph != before else "the graph is unchanged"
        sections.append(f"=== the graph, {stage.name}{rules}\n{body}")
        before = graph
    if executable.compiled is not None:
        sections.append(f"=== the loops\n{loops_text(executable.compiled.program)}")
        sections.append(f"=== the C\n{executable.compiled.c_text}")
    return Explanation("\n\n".join(sections))


def loops_text(program: Program) -> str:
    """A program of loops as text to read."""
    lines = [f"{b.role} {b.name}: {b.dtype}[{_expression(b.size)}]" for b in program.buffers]
    if program.lengths:
        lines.append(f"lengths {', '.join(program.lengths)}")
    return "\n".join([*lines, *_statements(program.checks, program), *_statements(program.body, program)])


def _statements(statements: Sequence[Statement], program: Program) -> list[str]:
    lines: list[str] = []
    stack: list[tuple[Statement, str]] = [(s, "") for s in reversed(statements)]
    while stack:
        s, indent = stack.pop()
        lines.append(indent + _statement(s, program))
        if isinstance(s, For):
            stack.extend((inner, indent + "    ") for inner in reversed(s.body))
    return lines


def _statement(s: Statement, program: Program) -> str:
    match s:
        case Let() | Declare() | Assign():
            return f"{s.name} = {_expression(s.value)}"
        case Update():
            return f"{s.name} = {_application(s.function, s.name, _expression(s.value))}"
        case Store():
            return f"{s.buffer}[{_expression(s.index)}] = {_expression(s.value)}"
        case Accumulate():
            place = f"{s.buffer}[{_expression(s.index)}]"
            return f"{place} = {_application(s.function, place, _expression(s.value))}"
        case Local():
            return f"{s.name} = {s.dtype}[{s.size}]"
        case For():
            bounds = [_expression(s.start), _expression(s.stop)] if s.start != Literal(0, "int64") else []
            bounds = bounds or [_expression(s.stop)]
            step = [] if s.step == 1 else [str(s.step)]
            bounds = ["0", *bounds] if step and len(bounds) == 1 else bounds
            side = "  # side by side" if s.vector else ""
            return f"for {s.variable} in range({', '.join(bounds + step)}):{side}"
        case Break():
            return f"if {_expression(s.condition)}: break"
        case Require():
            return f"require {_expression(s.condition)}  # else {_failure(program, s.failure)}"
        case Call():
            arguments = ", ".join([*s.buffers, *map(_expression, s.sizes)])
            return f"{s.kernel.name}({arguments})  # else {_failure(program, s.failure)}"
        case _:
            return str(s)


def _failure(program: Program, code: int) -> str:
    if not 0 < code <= len(program.failures):
        return f"failure {code}"
    failure = program.failures[code - 1]
    return f"{failure.exception.__name__}: {failure.message}"


def _expression(e: Expr) -> str:
    match e:
        case Literal():
            return str(e.value)
        case Name():
            return e.name
        case Load():
            return f"{e.buffer}[{_expression(e.index)}]"
        case Convert():
            return f"{e.dtype}({_expression(e.arg)})"
        case Compute():
            return _application(e.function, *map(_expression, e.args))
        case _:
            return str(e)


_INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "//", "true_div": "/", "lt": "<", "le": "<=", "eq": "=="}


def _application(function: ScalarFunction, *args: str) -> str:
    if function.name in _INFIX and len(args) == 2:
        return f"({args[0]} {_INFIX[function.name]} {args[1]})"
    return f"{function.name}({', '.join(args)})"
