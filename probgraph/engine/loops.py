"""The loop language: what a graph becomes before it becomes C. Data only.

A `Program` is a list of statements over named flat buffers. Expressions are scalars and have no effect;
statements store, accumulate, loop and call kernels. The language is small enough to be run in Python
(`run_loops`, its definition) and to be printed as C line by line (`render_c`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class ScalarFunction:
    """A function of scalars: what it is in C, and what it means in Python.

    `c` is a template: `{0}`, `{1}` are the arguments, `{f}` the suffix of libm's float functions, `{t}` the C
    type of the result. `support` are C texts that must stand before the first use, `externals` functions of SciPy's that it calls. `cost` guides what is worth
    storing: an addition is 1.
    """

    name: str
    c: str | dict[str, str]
    python: Callable[..., Any]
    support: tuple[str, ...] = ()
    cost: int = 1
    externals: tuple[External, ...] = ()

    def template(self, dtype: str) -> str:
        """The C template for operands of this dtype."""
        if isinstance(self.c, str):
            return self.c
        kind = np.dtype(dtype).kind
        try:
            return self.c[kind]
        except KeyError:
            raise NotImplementedError(f"{self.name} has no C form for {dtype}") from None


class Expr:
    """A scalar expression; every kind has a `dtype`."""

    __slots__ = ()
    dtype: str


@dataclass(frozen=True, slots=True)
class Literal(Expr):
    value: Any
    dtype: str


@dataclass(frozen=True, slots=True)
class Name(Expr):
    """A loop variable, a length, or what a Let or Declare defined."""

    name: str
    dtype: str = "int64"


@dataclass(frozen=True, slots=True)
class Load(Expr):
    buffer: str
    index: Expr
    dtype: str


@dataclass(frozen=True, slots=True)
class Compute(Expr):
    function: ScalarFunction
    args: tuple[Expr, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class Convert(Expr):
    arg: Expr
    dtype: str


class Statement:
    __slots__ = ()


@dataclass(slots=True)
class Let(Statement):
    """A name for a value that does not change."""

    name: str
    value: Expr


@dataclass(slots=True)
class Declare(Statement):
    """An accumulator with its first value."""

    name: str
    value: Expr


@dataclass(slots=True)
class Update(Statement):
    """name = function(name, value)"""

    name: str
    function: ScalarFunction
    value: Expr


@dataclass(slots=True)
class Assign(Statement):
    """A new value for what a Declare defined: how one round of a serial loop hands it to the next."""

    name: str
    value: Expr


@dataclass(slots=True)
class Store(Statement):
    buffer: str
    index: Expr
    value: Expr


@dataclass(slots=True)
class Accumulate(Statement):
    """buffer[index] = function(buffer[index], value)"""

    buffer: str
    index: Expr
    function: ScalarFunction
    value: Expr


@dataclass(slots=True)
class Local(Statement):
    """A small array that lives in the loop body it stands in."""

    name: str
    dtype: str
    size: int


@dataclass(slots=True)
class Fetch(Statement):
    """Says that an element will be read before long; it may lie behind the buffer's end. Changes nothing."""

    buffer: str
    index: Expr


@dataclass(slots=True)
class For(Statement):
    """variable = start, start + step, ... below stop.

    A `vector` loop's rounds may run side by side; those of a `serial` one must not be rearranged at all.
    """

    variable: str
    stop: Expr
    body: list[Statement]
    start: Expr = field(default_factory=lambda: Literal(0, "int64"))
    step: int = 1
    vector: bool = False
    serial: bool = False


@dataclass(slots=True)
class Break(Statement):
    """Ends the innermost loop around it, which is a serial one, if the condition holds."""

    condition: Expr


@dataclass(slots=True)
class Require(Statement):
    """Ends the program with `failure` unless the condition holds; `values` say what was found."""

    condition: Expr
    failure: int
    values: tuple[Expr, ...] = ()


@dataclass(frozen=True)
class External:
    """A C function of SciPy's: its name in the `__pyx_capi__` of `module`, and its type.

    `declaration` declares a pointer to it: "void (*pg_dpotrf)(char *, int *, double *, int *, int *)". Where SciPy has
    several functions of a name, it is the one of these arguments.
    """

    name: str
    module: str
    declaration: str

    @property
    def pointer(self) -> str:
        """The name of the pointer."""
        return self.declaration.partition("(*")[2].partition(")")[0]

    @property
    def signature(self) -> str:
        """The type of the function: "double (double, int)"."""
        result, _, rest = self.declaration.partition("(*")
        return result + rest.partition(")")[2]


@dataclass(frozen=True, eq=False)
class Kernel:
    """A routine over whole buffers: C text defining `int name(pointers..., int64 sizes...)`, and its meaning.

    `python(arrays, sizes)` works in place on flat NumPy arrays, which may go on behind what the sizes say.
    Nonzero means failure. `externals` are functions of SciPy's that the C text calls.
    """

    name: str
    c: str
    python: Callable[[list[np.ndarray], list[int]], int]
    externals: tuple[External, ...] = ()


@dataclass(slots=True)
class Call(Statement):
    """`kernel` on `buffers`, each from its offset on; nonzero ends the program with `failure`."""

    kernel: Kernel
    buffers: tuple[str, ...]
    offsets: tuple[Expr, ...]
    sizes: tuple[Expr, ...]
    failure: int
    writes: tuple[str, ...]


@dataclass(slots=True)
class Tick(Statement):
    """Adds the nanoseconds since the tick before to `buffer[place]`; buffer[0] holds when that was."""

    buffer: str
    place: int


@dataclass(frozen=True, slots=True)
class Buffer:
    """A flat array: `role` is "input", "constant", "output", "lengths", "times" or "scratch"; `size` its number of
    elements, or the most that it can have."""

    name: str
    dtype: str
    role: str
    size: Expr


@dataclass(frozen=True, slots=True)
class Failure:
    """What a failing Require or Call means: the exception and its message, with {0}, {1} for the values.

    `origin` says what in the user's program led to it; the exception carries it as a note.
    """

    exception: type[Exception]
    message: str
    origin: str = ""

    def error(self, values: Iterable[Any] = ()) -> Exception:
        """The exception; a message may hold braces of its own, so only the numbered places are filled."""
        message = self.message
        for k, value in enumerate(values):
            message = message.replace(f"{{{k}}}", str(value))
        error = self.exception(message)
        if self.origin:
            error.add_note(self.origin)
        return error


@dataclass
class Program:
    """Statements over buffers. `lengths` are the integer parameters, one for each axis of unknown length of an
    input; `constants` holds the arrays behind the buffers of that role.

    Lengths of outputs may be known only when the program has run: `largest_shapes` are then what they can be at
    most, and the buffer of role "lengths" is given all lengths of all outputs, as they are, in order."""

    buffers: list[Buffer]
    lengths: list[str]
    checks: list[Statement]
    body: list[Statement]
    output_shapes: list[tuple[Expr, ...]]
    failures: list[Failure]
    constants: dict[str, np.ndarray]
    input_shapes: list[tuple[int | None, ...]]
    largest_shapes: list[tuple[Expr, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.largest_shapes = self.largest_shapes or self.output_shapes

    def buffers_of(self, role: str) -> list[Buffer]:
        return [b for b in self.buffers if b.role == role]


# ------------------------------------------------------------------------------------ integer arithmetic

_ADD = ScalarFunction("add", "({0} + {1})", lambda a, b: a + b)
_SUB = ScalarFunction("sub", "({0} - {1})", lambda a, b: a - b)
_MUL = ScalarFunction("mul", "({0} * {1})", lambda a, b: a * b)
_DIV = ScalarFunction("div", "({0} / {1})", lambda a, b: int(a / b) if b else 0)
_MOD = ScalarFunction("mod", "({0} % {1})", lambda a, b: a - int(a / b) * b if b else 0)
_MIN = ScalarFunction("min", "({0} < {1} ? {0} : {1})", lambda a, b: a if a < b else b)
_MAX = ScalarFunction("max", "({0} > {1} ? {0} : {1})", lambda a, b: a if a > b else b)
_EQ = ScalarFunction("eq", "({0} == {1})", lambda a, b: a == b)
_LT = ScalarFunction("lt", "({0} < {1})", lambda a, b: a < b)
_LE = ScalarFunction("le", "({0} <= {1})", lambda a, b: a <= b)
_AND = ScalarFunction("and", "({0} && {1})", lambda a, b: bool(a) and bool(b))
_LOW = ScalarFunction("low bits", "({0} & {1})", lambda a, b: a & b)
_CHOOSE = ScalarFunction("choose", "({0} ? {1} : {2})", lambda c, a, b: a if c else b)


def integer(value: int) -> Literal:
    return Literal(int(value), "int64")


ZERO = integer(0)
ONE = integer(1)


def _known(*args: Expr) -> bool:
    return all(isinstance(a, Literal) for a in args)


def _fold(function: ScalarFunction, *args: Expr, dtype: str = "int64") -> Expr:
    if _known(*args):
        return Literal(function.python(*(a.value for a in args)), dtype)
    return Compute(function, args, dtype)


def add(a: Expr, b: Expr) -> Expr:
    if a == ZERO:
        return b
    if b == ZERO:
        return a
    return _fold(_ADD, a, b)


def subtract(a: Expr, b: Expr) -> Expr:
    if b == ZERO:
        return a
    if a == b:
        return ZERO
    return _fold(_SUB, a, b)


def multiply(a: Expr, b: Expr) -> Expr:
    if a == ZERO or b == ZERO:
        return ZERO
    if a == ONE:
        return b
    if b == ONE:
        return a
    return _fold(_MUL, a, b)


def divide(a: Expr, b: Expr) -> Expr:
    """The quotient rounded towards zero."""
    return a if b == ONE else _fold(_DIV, a, b)


def remainder(a: Expr, b: Expr) -> Expr:
    return ZERO if b == ONE else _fold(_MOD, a, b)


def low_bits(a: Expr, count: int) -> Expr:
    """The remainder of a number that is not negative, by a power of two."""
    return _fold(_LOW, a, integer(count - 1))


def minimum(a: Expr, b: Expr) -> Expr:
    return a if a == b else _fold(_MIN, a, b)


def maximum(a: Expr, b: Expr) -> Expr:
    return a if a == b else _fold(_MAX, a, b)


def equal(a: Expr, b: Expr) -> Expr:
    return Literal(True, "bool") if a == b else _fold(_EQ, a, b, dtype="bool")


def less(a: Expr, b: Expr) -> Expr:
    return _fold(_LT, a, b, dtype="bool")


def less_equal(a: Expr, b: Expr) -> Expr:
    return _fold(_LE, a, b, dtype="bool")


def both(a: Expr, b: Expr) -> Expr:
    if isinstance(a, Literal):
        return b if a.value else a
    if isinstance(b, Literal):
        return a if b.value else b
    return Compute(_AND, (a, b), "bool")


def choose(condition: Expr, a: Expr, b: Expr) -> Expr:
    if isinstance(condition, Literal):
        return a if condition.value else b
    return a if a == b else Compute(_CHOOSE, (condition, a, b), a.dtype)


def product(factors: Iterable[Expr]) -> Expr:
    result: Expr = ONE
    for factor in factors:
        result = multiply(result, factor)
    return result


def row_major(index: Iterable[Expr], lengths: Iterable[Expr]) -> Expr:
    """The offset of an element in an array stored row by row."""
    offset: Expr = ZERO
    for i, length in zip(index, lengths, strict=True):
        offset = add(multiply(offset, length), i)
    return offset


# ------------------------------------------------------------------------------------ walking


def children(e: Expr) -> tuple[Expr, ...]:
    match e:
        case Load():
            return (e.index,)
        case Compute():
            return e.args
        case Convert():
            return (e.arg,)
        case _:
            return ()


def walk_expr(e: Expr) -> Iterator[Expr]:
    stack = [e]
    while stack:
        top = stack.pop()
        yield top
        stack.extend(children(top))


def expressions(s: Statement) -> tuple[Expr, ...]:
    """The expressions a statement holds itself (not those of its body)."""
    match s:
        case Let() | Declare() | Update() | Assign():
            return (s.value,)
        case Store() | Accumulate():
            return (s.index, s.value)
        case Fetch():
            return (s.index,)
        case For():
            return (s.start, s.stop)
        case Break():
            return (s.condition,)
        case Require():
            return (s.condition, *s.values)
        case Call():
            return (*s.offsets, *s.sizes)
        case _:
            return ()


def walk_statements(statements: Iterable[Statement]) -> Iterator[Statement]:
    stack = list(statements)[::-1]
    while stack:
        s = stack.pop()
        yield s
        if isinstance(s, For):
            stack.extend(reversed(s.body))


def substitute(e: Expr, names: dict[str, Expr]) -> Expr:
    """The expression with some names replaced."""
    match e:
        case Name():
            return names.get(e.name, e)
        case Load():
            return replace(e, index=substitute(e.index, names))
        case Compute():
            return replace(e, args=tuple(substitute(a, names) for a in e.args))
        case Convert():
            return replace(e, arg=substitute(e.arg, names))
        case _:
            return e


def names_in(e: Expr) -> set[str]:
    """The names that an expression reads."""
    return {part.name for part in walk_expr(e) if isinstance(part, Name)}


def names_read(body: Iterable[Statement]) -> set[str]:
    """The names that statements read, in what is inside of them too."""
    return {name for s in walk_statements(body) for e in expressions(s) for name in names_in(e)}
