"""Scalars: single elements of variables, asked of the ops' formulas and named where they are first known.

A scalar is defined in the outermost loop body that knows all it depends on, and remembered there under
(variable, index); whoever asks again gets the name.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from probgraph.engine import loops
from probgraph.engine.graph import Apply, Constant, Variable
from probgraph.engine.lengths import Lengths, folded
from probgraph.engine.loops import (
    Compute,
    Convert,
    Expr,
    Let,
    Literal,
    Load,
    Name,
    Require,
    ScalarFunction,
    Statement,
)
from probgraph.engine.op import Pointwise

#: what an operation must cost to be stored rather than done again in another loop
WORTH_STORING = 10


class _TooDeep(Exception):
    """An element is too many formulas away: it has to be computed first, with a stack of its own."""


class _Nesting:
    """Lets formulas ask for each other's elements to any depth without exhausting Python's stack.

    A request nested too deeply is given up; it is then made on its own, from the outside, and the request that
    led to it is made again. What was found on the way is remembered, so nothing is done twice.
    """

    _DEEPEST = 60

    def __init__(self) -> None:
        self._nested = 0
        #: whose formula is being asked, for what is said if it fails
        self.node: Apply | None = None

    def element(self, reader: Any, v: Variable, index: tuple[Expr, ...]) -> Expr:
        """The element by its op's formula."""
        if self._nested >= self._DEEPEST:
            raise _TooDeep(v, index)
        self._nested += 1
        before, self.node = self.node, v.owner
        try:
            if self._nested > 1:
                return v.owner.op.element(reader, v.owner, index)
            return self.unnested(lambda: v.owner.op.element(reader, v.owner, index), reader)
        finally:
            self._nested -= 1
            self.node = before

    def unnested(self, ask: Callable[[], Expr], reader: Any) -> Expr:
        """What `ask` returns, however deep its requests are."""
        waiting: list[Callable[[], Expr]] = [ask]
        while True:
            try:
                result = waiting[-1]()
            except _TooDeep as deep:
                waiting.append(functools.partial(reader.value, *deep.args))
                continue
            waiting.pop()
            if not waiting:
                return result


class Scope:
    """One loop body under construction and what is known in it."""

    def __init__(self) -> None:
        self.statements: list[Statement] = []
        self.known: dict[Any, Expr] = {}


class Scalars:
    """A ValueReader that writes the statements which compute what it is asked for.

    `buffer_of` says what lies in memory; `scopes` are the bodies of the open loops, outermost first.
    """

    def __init__(self, table: Lengths, buffer_of: dict[Variable, str]) -> None:
        self.table = table
        self.buffer_of = buffer_of
        self.constants: list[Constant] = []
        self.computed: Counter[Variable] = Counter()
        self.scopes = [Scope()]
        #: where in its buffer a variable begins, if not at 0
        self.offset_of: dict[Variable, Expr] = {}
        #: what a step of a loop knows under names of its own: part of another variable
        self.part_of: dict[Variable, tuple[Variable, tuple[Expr, ...]]] = {}
        self._rows_kept: dict[Variable, int] = {}
        self._names = 0
        self._depth_of: dict[str, int] = dict.fromkeys(table.parameters, 0)
        self._depth_of_buffer: dict[str, int] = {}
        self._nesting = _Nesting()

    @property
    def scope(self) -> Scope:
        """The innermost open one."""
        return self.scopes[-1]

    def open(self, variable: str) -> None:
        """Opens the body of a loop over `variable`."""
        self.scopes.append(Scope())
        self._depth_of[variable] = len(self.scopes) - 1

    def is_open(self, name: Expr) -> bool:
        """Whether a name is still known where we are."""
        return isinstance(name, Name) and self._depth_of[name.name] < len(self.scopes)

    def is_name(self, name: str) -> bool:
        return name in self._depth_of

    def computes_for(self, node: Apply | None) -> None:
        """Says whose value is asked for, so that a failure can name it."""
        self._nesting.node = node

    def written_here(self, buffer: str) -> None:
        """Says that a buffer is written anew in each round of the loop that is open."""
        self._depth_of_buffer[buffer] = len(self.scopes) - 1

    def place(self, v: Variable, index: Iterable[Expr]) -> Expr:
        """Where an element of a stored variable lies in its buffer."""
        if v in self._rows_kept:
            row, *rest = index
            _, start = self.location_of_row(v, row)
            return loops.add(start, loops.row_major(rest, self.table.lengths(v)[1:]))
        offset = loops.row_major(index, self.table.lengths(v))
        return loops.add(self.offset_of.get(v, loops.ZERO), offset)

    def number(self) -> int:
        self._names += 1
        return self._names

    def declare(self, name: str) -> None:
        """Says that a name is defined where we are."""
        self._depth_of[name] = len(self.scopes) - 1

    def name(self, prefix: str, depth: int | None = None) -> str:
        """A new name, known from `depth` (the innermost scope) on."""
        name = f"{prefix}{self.number()}"
        self._depth_of[name] = len(self.scopes) - 1 if depth is None else depth
        return name

    def value(self, v: Variable, index: tuple[Expr, ...]) -> Expr:
        if isinstance(v, Constant) and v.data.size == 1 and not v.measured:
            return Literal(v.data.item(), v.dtype)
        if v in self.part_of:
            whole, before = self.part_of[v]
            return self.value(whole, (*before, *index))
        index = tuple(map(self.atom, index))
        key = (v, index)
        for scope in reversed(self.scopes):
            found = scope.known.get(key)
            if found is not None:
                return found
        if v in self.buffer_of or isinstance(v, Constant):
            result = self._let(Load(self.buffer(v), self.place(v, index), v.dtype))
        else:
            node = v.owner
            if node is None or not isinstance(node.op, Pointwise):
                raise NotImplementedError(f"{v} has no loops: it runs in NumPy")
            result = self._nesting.element(self, v, index)
            if node.op.cost >= WORTH_STORING and self.depth(result) > 0:
                self.computed[v] += 1
        self.scopes[self.depth(result)].known[key] = result
        return result

    def buffer(self, v: Variable) -> str:
        name = self.buffer_of.get(v)
        if name is None:
            if not isinstance(v, Constant):
                raise NotImplementedError(f"{v} has no loops: it runs in NumPy")
            name = self.buffer_of[v] = f"c{len(self.constants)}"
            self.constants.append(v)
        return name

    def flat(self, v: Variable, offset: Expr) -> Expr:
        buffer, start = self.location(v)
        return self._let(Load(buffer, loops.add(start, self.atom(offset)), v.dtype))

    def location(self, v: Variable) -> tuple[str, Expr]:
        """The buffer of a stored variable, and where in it the variable begins."""
        if v in self.part_of:
            whole, before = self.part_of[v]
            buffer, start = self.location(whole)
            lengths = self.table.lengths(whole)
            index = (*before, *(loops.ZERO,) * (len(lengths) - len(before)))
            return buffer, loops.add(start, loops.row_major(index, lengths))
        return self.buffer(v), self.offset_of.get(v, loops.ZERO)

    def location_of_row(self, v: Variable, row: Expr) -> tuple[str, Expr]:
        """Where a row of a stored variable begins."""
        buffer, start = self.location(v)
        size = loops.product(self.table.lengths(v)[1:])
        kept = self._rows_kept.get(v)
        if kept is None:
            return buffer, loops.add(start, loops.multiply(row, size))
        # The rows take turns; row 0 comes after the past, of which there is one row less than are kept.
        turn = loops.remainder(loops.add(row, loops.integer(kept - 1)), loops.integer(kept))
        return buffer, loops.multiply(turn, size)

    def keep_rows(self, v: Variable, count: int) -> None:
        """Says that of a loop's state only so many rows are kept, the last ones."""
        self._rows_kept[v] = count

    def compute(self, function: ScalarFunction, args: tuple[Expr, ...], dtype: str) -> Expr:
        return folded(function, args, dtype) or self._let(Compute(function, args, dtype))

    def convert(self, e: Expr, dtype: str) -> Expr:
        if e.dtype == dtype:
            return e
        if isinstance(e, Literal):
            with np.errstate(all="ignore"):
                return Literal(np.asarray(e.value).astype(dtype).item(), dtype)
        return self._let(Convert(e, dtype))

    def literal(self, value: Any, dtype: str) -> Expr:
        return Literal(value, dtype)

    def lengths(self, v: Variable) -> tuple[Expr, ...]:
        return self.table.lengths(v)

    def integer(self, v: Variable) -> Expr:
        return self.convert(self.value(v, ()), "int64")

    def unify(self, who: Apply, a: Expr, b: Expr) -> Expr:
        return self.table.unify(who, a, b)

    def require(self, condition: Expr, exception: type[Exception], message: str, *values: Expr) -> None:
        if isinstance(condition, Literal) and condition.value:
            return
        key = ("require", condition)
        if any(key in scope.known for scope in self.scopes):
            return
        scope = self.scopes[self.depth(condition)]
        scope.known[key] = condition
        code = self.table.failure(exception, message, self._nesting.node)
        scope.statements.append(Require(condition, code, values))

    def atom(self, e: Expr) -> Expr:
        """An index as a name or a small sum; what it takes work to compute is computed once."""
        if isinstance(e, Name | Literal):
            return e
        if any(
            isinstance(part, Load) or (isinstance(part, Compute) and part.function is loops._CHOOSE)
            for part in loops.walk_expr(e)
        ):
            return self._let(e)
        return e

    def _let(self, e: Expr) -> Expr:
        depth = self.depth(e)
        for scope in self.scopes[depth:]:
            found = scope.known.get(e)
            if found is not None:
                return found
        name = self.name("t", depth)
        self.scopes[depth].statements.append(Let(name, e))
        result = Name(name, e.dtype)
        self.scopes[depth].known[e] = result
        return result

    def depth(self, e: Expr) -> int:
        """The innermost open loop that an expression depends on."""
        match e:
            case Name():
                return self._depth_of[e.name]
            case Literal():
                return 0
            case Load():
                return max(self._depth_of_buffer.get(e.buffer, 0), self.depth(e.index))
            case _:
                return max(map(self.depth, loops.children(e)), default=0)


class Recorder:
    """A ValueReader that computes nothing and notes which stored elements a task reads."""

    def __init__(self, scalars: Scalars) -> None:
        self.buffer_of = scalars.buffer_of
        self.part_of = scalars.part_of
        self.reads: dict[tuple[Variable, Any], None] = {}
        #: what it was told of lengths
        self.told: set[Expr] = set()
        self.table = scalars.table
        self.seen: set[Any] = set()
        self.nesting = _Nesting()
        self.unify = scalars.table.unify

    def lengths(self, v: Variable) -> tuple[Expr, ...]:
        found = self.table.lengths(v)
        self.told.update(found)
        return found

    def value(self, v: Variable, index: tuple[Expr, ...]) -> Expr:
        if isinstance(v, Constant) and v.data.size == 1 and not v.measured:
            return Literal(v.data.item(), v.dtype)
        if v in self.part_of:
            whole, before = self.part_of[v]
            return self.value(whole, (*before, *index))
        opaque = Name("?", v.dtype)
        if v in self.buffer_of or isinstance(v, Constant):
            self.reads[(v, index)] = None
        elif (v, index) not in self.seen:
            if v.owner is None or not isinstance(v.owner.op, Pointwise):
                raise NotImplementedError(f"{v} has no loops: it runs in NumPy")
            self.nesting.element(self, v, index)
            self.seen.add((v, index))
        return opaque

    def flat(self, v: Variable, offset: Expr) -> Expr:
        while v in self.part_of:
            v, _ = self.part_of[v]
        self.reads[(v, None)] = None
        return Name("?", v.dtype)

    def compute(self, function: ScalarFunction, args: tuple[Expr, ...], dtype: str) -> Expr:
        return Name("?", dtype)

    def convert(self, e: Expr, dtype: str) -> Expr:
        return e if e.dtype == dtype else Name("?", dtype)

    def literal(self, value: Any, dtype: str) -> Expr:
        return Literal(value, dtype)

    def integer(self, v: Variable) -> Expr:
        return self.convert(self.value(v, ()), "int64")

    def require(self, *args: Any) -> None:
        pass
