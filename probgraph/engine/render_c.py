"""Loops to C text. One function `body` over a table of pointers, and the entries that call it:

* `run(pointers, lengths, values)`: once.
* `prepare(pointers, lengths, sizes)`: checks the lengths; writes the lengths of the outputs, then the scratch's.
* `density(q, grad, logp, data)`: inputs are parts of `q`, outputs the value and parts of `grad`.
* `rows(count, q, outputs, data, ...)`: `body` for each row of a matrix whose parts are the inputs.

No name of the user's reaches the text: buffers and names are numbered by the lowering.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from probgraph.engine import loops
from probgraph.engine.loops import (
    Accumulate,
    Assign,
    Break,
    Buffer,
    Call,
    Compute,
    Convert,
    Declare,
    Expr,
    External,
    Fetch,
    For,
    Kernel,
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
    Tick,
    Update,
)
from probgraph.engine.vector_sums import TYPES, vector_sum

C_TYPES = {
    "bool": "_Bool",
    **{f"{u}int{n}": f"{u}int{n}_t" for u in ("", "u") for n in (8, 16, 32, 64)},
    "float32": "float",
    "float64": "double",
    "complex64": "float _Complex",
    "complex128": "double _Complex",
}
_SUFFIX = {"float32": "f", "complex64": "f"}
_REDUCTION = {"add": "+", "mul": "*"}
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_DEFINED = re.compile(r"\b(\w+)\s*\([^;{}]*\)\s*\{")
_CALLED = re.compile(r"(?<![\w.])([a-z][a-z0-9_]*)\(")
#: what a template may call that needs no prototype
_BUILT_IN = {"isinf", "sizeof"}
_CLOCK = """#include <time.h>
static void pg_tick(int64_t *times, int64_t place) {
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    const int64_t now = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
    times[place] += now - times[0];
    times[0] = now;
}"""


@dataclass(frozen=True)
class Part:
    """A buffer that is a part of a larger array: of `q` or `g`, from `offset` on."""

    array: str
    offset: int


class Renderer:
    """Collects the text of one program.

    `vector` names the libm functions with vector variants, `vector_types` says that the compiler has GNU C's;
    `parts` are the buffers that lie in `q` (what a density
    is a function of) and `g` (its gradient). Thousands of scalar parameters then are two pointers.
    """

    def __init__(
        self,
        program: Program,
        vector: frozenset[str] = frozenset(),
        parts: Mapping[str, Part] | None = None,
        vector_types: bool = False,
    ) -> None:
        self.program = program
        self.vector_types = vector_types
        self.vector = vector
        self.parts = parts or {}
        self.types: dict[str, str] = {}
        self.support: dict[str, None] = {}
        self.called: dict[External, None] = {}
        self.prototypes: dict[str, None] = {}
        self.kernels: dict[str, Kernel] = {}
        self.buffer_types = {b.name: b.dtype for b in program.buffers}
        self.table = [b for b in program.buffers if b.role != "scratch" and b.name not in self.parts]
        self.scratch = program.buffers_of("scratch")

    # expressions --------------------------------------------------------------------------------------

    def expr(self, e: Expr) -> str:
        match e:
            case Literal():
                return literal(e)
            case Name():
                return e.name
            case Load():
                return self.element(e.buffer, e.index)
            case Convert():
                return self.converted(self.expr(e.arg), e.arg.dtype, e.dtype)
            case Compute():
                return self.applied(
                    e.function, [a.dtype for a in e.args], list(map(self.expr, e.args)), e.dtype
                )
        raise TypeError(f"{e} is not an expression of the loop language")

    def element(self, buffer: str, index: Expr) -> str:
        part = self.parts.get(buffer)
        if part is None:
            return f"{buffer}[{self.expr(index)}]"
        return f"{part.array}[{self.expr(loops.add(loops.integer(part.offset), index))}]"

    def converted(self, text: str, given: str, wanted: str) -> str:
        if wanted == "bool":
            return f"({text} != 0)"
        if given == "bool":  # a choice is a vector operation, a conversion from _Bool is none
            return f"({text} ? ({C_TYPES[wanted]})1 : ({C_TYPES[wanted]})0)"
        return f"(({C_TYPES[wanted]}){text})"

    def applied(
        self, function: ScalarFunction, dtypes: Sequence[str], args: Sequence[str], dtype: str
    ) -> str:
        operand = dtypes[-1]
        template = function.template(operand)
        self.called.update(dict.fromkeys(function.externals))
        text = template.format(*args, f=_SUFFIX.get(operand, ""), t=C_TYPES[dtype])
        # A function of the user's may have any name.
        own = set(_DEFINED.findall(_COMMENT.sub("", "".join(function.support))))
        names = _CALLED.findall(template.replace("{f}", _SUFFIX.get(operand, "")))
        if own.intersection(names) or not all(name.startswith("pg_") for name in own):
            self.support.update(dict.fromkeys(function.support))
        for name in names:
            known = name.startswith(("pg_", "__builtin")) or name in _BUILT_IN or name in own
            if not known:
                self._declare(name, len(args), operand, dtype)
        # Small integers are computed as int in C: the result must wrap as NumPy's does.
        return (
            f"(({C_TYPES[dtype]}){text})" if dtype in ("int8", "int16", "uint8", "uint16", "uint32") else text
        )

    def _declare(self, name: str, arity: int, operand: str, result: str) -> None:
        attribute = '__attribute__((simd("notinbranch"))) ' if name in self.vector else ""
        args = ", ".join([C_TYPES[operand]] * arity)
        self.prototypes[f"{attribute}{C_TYPES[result]} {name}({args});"] = None

    # statements ---------------------------------------------------------------------------------------

    def lines(self, statements: Iterable[Statement], indent: str) -> list[str]:
        text: list[str] = []
        for s in statements:
            match s:
                case Let():
                    self.types[s.name] = s.value.dtype
                    text.append(f"const {C_TYPES[s.value.dtype]} {s.name} = {self.expr(s.value)};")
                case Declare():
                    self.types[s.name] = s.value.dtype
                    text.append(f"{C_TYPES[s.value.dtype]} {s.name} = {self.expr(s.value)};")
                case Assign():
                    text.append(f"{s.name} = {self.expr(s.value)};")
                case Update():
                    text.append(
                        f"{s.name} = {self._combined(s.function, s.name, s.value, self.types[s.name])};"
                    )
                case Store():
                    text.append(f"{self.element(s.buffer, s.index)} = {self.expr(s.value)};")
                case Accumulate():
                    place = self.element(s.buffer, s.index)
                    combined = self._combined(s.function, place, s.value, self.buffer_types[s.buffer])
                    text.append(f"{place} = {combined};")
                case Local():
                    self.buffer_types[s.name] = s.dtype
                    text.append(f"{C_TYPES[s.dtype]} {s.name}[{s.size}] __attribute__((aligned(64)));")
                case Fetch():  # into the second cache: the first is full of what is read now
                    text.append(f"__builtin_prefetch(&{self.element(s.buffer, s.index)}, 0, 1);")
                case For():
                    text.extend(self._for(s))
                case Break():
                    text.append(f"if ({self.expr(s.condition)}) break;")
                case Require():
                    text.extend(self._require(s))
                case Tick():
                    self.support[_CLOCK] = None
                    text.append(f"pg_tick({s.buffer}, {s.place});")
                case Call():
                    self.kernels[s.kernel.name] = s.kernel
                    args = ", ".join([*map(self.pointer, s.buffers, s.offsets), *map(self.expr, s.sizes)])
                    text.append(f"if ({s.kernel.name}({args})) return {s.failure};")
                case _:
                    raise TypeError(f"{s} is not a statement of the loop language")
        return [indent + line for line in text]

    def pointer(self, buffer: str, offset: Expr) -> str:
        """The address of an element, for a kernel."""
        return (
            buffer
            if offset == loops.ZERO and buffer not in self.parts
            else f"&{self.element(buffer, offset)}"
        )

    def _combined(self, function: ScalarFunction, place: str, value: Expr, dtype: str) -> str:
        return self.applied(function, [dtype, dtype], [place, self.expr(value)], dtype)

    def _for(self, s: For) -> list[str]:
        if self.vector_types:
            text = vector_sum(s, self)
            if text is not None:
                self.support[TYPES] = None
                return text
        body = self.lines(s.body, "    ")
        header = (
            f"for (int64_t {s.variable} = {self.expr(s.start)}; {s.variable} < {self.expr(s.stop)};"
            f" {s.variable} += {s.step}) {{"
        )
        lines = [header, *body, "}"]
        if s.vector:
            by_operator: dict[str, list[str]] = {}
            for u in s.body:
                if isinstance(u, Update):
                    names = by_operator.setdefault(_REDUCTION[u.function.name], [])
                    if u.name not in names:
                        names.append(u.name)
            clauses = "".join(f" reduction({op}:{', '.join(names)})" for op, names in by_operator.items())
            lines.insert(0, f"#pragma omp simd{clauses}")
        return lines

    def _require(self, s: Require) -> list[str]:
        writes = " ".join(f"values[{k}] = {self.expr(v)};" for k, v in enumerate(s.values))
        return [f"if (!({self.expr(s.condition)})) {{ {writes} return {s.failure}; }}"]

    @property
    def externals(self) -> list[External]:
        """The functions of SciPy's that are called, in the order of the entry `link`'s table."""
        return list(dict.fromkeys([*self.called, *(x for k in self.kernels.values() for x in k.externals)]))

    def _link(self) -> list[str]:
        if not self.externals:
            return []
        lines = [f"    {x.pointer} = x[{k}];" for k, x in enumerate(self.externals)]
        return ["void link_externals(void *const *x) {", *lines, "}"]

    # whole programs -----------------------------------------------------------------------------------

    def _sizes(self, buffer: Buffer) -> str:
        unit = 16 if buffer.dtype == "complex128" else int(re.sub(r"\D", "", buffer.dtype) or 8) // 8
        unit = 8 if buffer.dtype == "complex64" else unit
        return f"PG_ALIGNED({self.expr(buffer.size)} * {unit})"

    def body(self) -> str:
        """The function that all entries call."""
        lines = self.lines(self.program.body, "    ")
        head = [
            "static int body(const double *restrict q, double *restrict g, void *const *p, const int64_t *n,"
            " int64_t *values) {"
        ]
        head += self._parameters()
        for k, b in enumerate(self.table):
            const = "const " if b.role in ("input", "constant") else ""
            head.append(f"    {const}{C_TYPES[b.dtype]} *restrict const {b.name} = p[{k}];")
        if self.scratch:
            head.append(f"    char *next = p[{len(self.table)}];")
        for b in self.scratch:
            head.append(
                f"    {C_TYPES[b.dtype]} *restrict const {b.name} = (void *)next; next += {self._sizes(b)};"
            )
        return "\n".join([*head, *lines, "    return 0;", "}"])

    def _parameters(self) -> list[str]:
        return [f"    const int64_t {name} = n[{k}];" for k, name in enumerate(self.program.lengths)]

    def prepare(self) -> str:
        """The entry that checks lengths and computes those of the outputs and of the scratch."""
        lines = ["int prepare(void *const *p, const int64_t *n, int64_t *values, int64_t *sizes) {"]
        lines += self._parameters()
        sizes = [n for shape in self.program.largest_shapes for n in shape]
        read = {
            part.buffer
            for e in (
                *sizes,
                *(b.size for b in self.scratch),
                *(e for c in self.program.checks for e in loops.expressions(c)),
            )
            for part in loops.walk_expr(e)
            if isinstance(part, Load)
        }
        for k, b in enumerate(self.table):
            if b.name in read:
                lines.append(f"    const {C_TYPES[b.dtype]} *const {b.name} = p[{k}];")
        lines += self.lines(self.program.checks, "    ")
        lines += [f"    sizes[{k}] = {self.expr(n)};" for k, n in enumerate(sizes)]
        total = " + ".join(["0", *map(self._sizes, self.scratch)])
        return "\n".join([*lines, f"    sizes[{len(sizes)}] = {total};", "    return 0;", "}"])

    def file(self, entries: Sequence[str]) -> str:
        """The whole file: what the entries need, then they."""
        body = self.body()
        prepare = self.prepare()
        return "\n".join(
            [
                "#include <stdint.h>",
                "#define PG_ALIGNED(bytes) (((bytes) + 63) & ~(int64_t)63)",
                *self.prototypes,
                *(f"static {x.declaration};" for x in self.externals),
                *self.support,
                *self._link(),
                *(kernel.c for kernel in self.kernels.values()),
                body,
                prepare,
                *entries,
                "",
            ]
        )


RUN = "int run(void *const *p, const int64_t *n, int64_t *values) { return body(0, 0, p, n, values); }"


def density_entry(extras: int) -> str:
    """Inputs are parts of q, gradients of grad; the table is the value and then what `data` points to."""
    table = ", ".join(["logp", *(f"c[{k}]" for k in range(extras))])
    return (
        "int density(const double *q, double *grad, double *logp, void *data) {\n"
        "    void *const *c = data;\n"
        "    int64_t values[8];\n"
        f"    void *const p[] = {{{table}}};\n"
        "    return body(q, grad, p, 0, values);\n}"
    )


def rows_entry(dim: int, outputs: Sequence[tuple[int, str]], extras: int) -> str:
    """`body` for each of `count` rows of q; output k of a row follows that of the row before."""
    outs = [f"({C_TYPES[dtype]} *)o[{k}] + r * {size}" for k, (size, dtype) in enumerate(outputs)]
    table = ", ".join([*outs, *(f"c[{k}]" for k in range(extras))])
    return (
        "int64_t rows(int64_t count, const double *q, void *const *o, void *const *c, int64_t *values, int *code) {\n"
        "    for (int64_t r = 0; r < count; r++) {\n"
        f"        void *const p[] = {{{table}}};\n"
        f"        *code = body(q + r * {dim}, 0, p, 0, values);\n"
        "        if (*code) return r;\n"
        "    }\n    return count;\n}"
    )


def literal(e: Literal) -> str:
    """A number as C text, exact: floats in hexadecimal would be unreadable, so the shortest exact decimal."""
    value, dtype = e.value, e.dtype
    if dtype == "bool":
        return "1" if value else "0"
    if dtype.startswith("complex"):
        value = complex(value)
        part = "float64" if dtype == "complex128" else "float32"
        real, imag = literal(Literal(value.real, part)), literal(Literal(value.imag, part))
        return f"__builtin_complex({real}, {imag})"
    if dtype.startswith("float"):
        suffix = "f" if dtype == "float32" else ""
        value = float(value)
        if math.isnan(value):
            return f'__builtin_nan{suffix}("")'
        if math.isinf(value):
            return f"({'-' if value < 0 else ''}__builtin_inf{suffix}())"
        text = f"{value!r}{suffix}"
        return f"({text})" if text.startswith("-") else text
    value = int(value)
    if dtype == "uint64":
        return f"{value}ULL"
    if value == -(2**63):
        return "(-9223372036854775807LL - 1)"
    suffix = "LL" if abs(value) > 2**31 - 1 else ""
    return f"({value}{suffix})" if value < 0 else f"{value}{suffix}"
