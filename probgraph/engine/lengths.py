"""The lengths of every variable of a graph as integer expressions, unified where they must agree.

An axis of unknown length of an input is a parameter of the program (`n0`, `n1`, ...). Where an operation needs
two lengths to be equal, one stands for both from then on, and the equality is checked once at each call: so
the loops over them can be fused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from probgraph.engine import loops
from probgraph.engine.bounds import at_most, mentions
from probgraph.engine.graph import Apply, Constant, FunctionGraph, Variable, rebuild
from probgraph.engine.loops import Compute, Expr, Failure, Literal, Load, Name, Require, ScalarFunction
from probgraph.engine.op import Loop, Pointwise, Reduction
from probgraph.engine.run_graph import explanation
from probgraph.engine.types import TensorType

_INTEGER = {
    "add": loops.add,
    "sub": loops.subtract,
    "mul": loops.multiply,
    "minimum": loops.minimum,
    "maximum": loops.maximum,
}


def folded(function: ScalarFunction, args: Sequence[Expr], dtype: str) -> Expr | None:
    """The value of a function of literals, or None if some argument is not one."""
    if not all(isinstance(a, Literal) for a in args):
        return None
    with np.errstate(all="ignore"):
        value = function.python(*(np.dtype(a.dtype).type(a.value) for a in args))
    return Literal(np.asarray(value).astype(dtype).item(), dtype)


class Lengths:
    """A LengthReader over a whole graph. Its own reading of values makes pure expressions of the inputs."""

    def __init__(
        self, graph: FunctionGraph, buffers: dict[Variable, str], steps: dict[Apply, FunctionGraph]
    ) -> None:
        self.buffers = buffers
        self.steps = steps
        self.parameters: list[str] = []
        self.failures: list[Failure] = []
        self.checks: list[Require] = []
        self._stands_for: dict[str, Expr] = {}
        self._lengths: dict[Variable, tuple[Expr, ...]] = {}
        self._checked: set[Any] = set()
        #: the loops that end when their values say so: the name of how many steps each has made, and by that name the
        #: most that it may make, and those checks that have to wait for it
        self.made: dict[Apply, Name] = {}
        self.most: dict[str, Expr] = {}
        self.late_checks: list[Require] = []
        self._outside: dict[Variable, Variable] = {}
        self._node: Apply | None = None
        for v in graph.inputs:
            self._lengths[v] = tuple(self._parameter() if n is None else loops.integer(n) for n in _static(v))
        self._add(graph)

    def _add(self, graph: FunctionGraph) -> None:
        for node in graph.toposort():
            self._node = node
            shapes = self._loop(node) if isinstance(node.op, Loop) else node.op.shapes(self, node)
            for v, lengths in zip(node.outputs, shapes, strict=True):
                self._lengths[v] = tuple(
                    loops.integer(n) if n is not None else length
                    for n, length in zip(_static(v), lengths, strict=True)
                )

    def _loop(self, node: Apply) -> list[tuple[Expr, ...]]:
        """The lengths of a loop's outputs, and of everything in a copy of its step made for this node."""
        op = node.op
        if node not in self.steps:
            fresh = {v: Variable(v.type, v.name) for v in op.graph.inputs}
            self.steps[node] = FunctionGraph(list(fresh.values()), rebuild(op.graph.outputs, fresh))
        step = self.steps[node]
        count, *given = node.inputs
        steps = self.integer(count)
        message = f"{op}: the number of steps is negative: {{0}}"
        self.require(loops.less_equal(loops.ZERO, steps), IndexError, message, steps)
        sequences, pasts, fixed = loop_parts(op, given)
        inner = iter(step.inputs)
        for v in sequences:
            n = self.lengths(v)[0]
            message = f"{op}: the sequence {v} has length {{0}}, {{1}} steps need more"
            self.require(loops.less_equal(steps, n), ValueError, message, n, steps)
            self._lengths[next(inner)] = self.lengths(v)[1:]
        for v, taps in zip(pasts, op.taps, strict=True):
            self.unify(node, loops.integer(taps[-1]), self.lengths(v)[0])
            for _ in taps:
                self._lengths[next(inner)] = self.lengths(v)[1:]
        for v in fixed:
            mine = next(inner)
            self._lengths[mine] = self.lengths(v)
            self._outside[mine] = v
        self._add(step)
        for v, past in zip(step.outputs, pasts, strict=False):
            for mine, its in zip(self.lengths(past)[1:], self.lengths(v), strict=True):
                self.unify(node, mine, its)
        made = self._made(node, steps) if op.until else steps
        shapes = [(made, *self.lengths(v)) for v in step.outputs[: len(node.outputs)]]
        inside = [self.made[inner] for inner in step.toposort() if inner in self.made]
        if mentions_any((n for shape in shapes for n in shape), inside):
            raise NotImplementedError(
                f"{op}: a step's results are as long as a loop in it goes on: this is only known in NumPy"
            )
        return shapes

    def _made(self, node: Apply, steps: Expr) -> Name:
        name = Name(f"made{len(self.most)}")
        self.made[node] = name
        self.most[name.name] = steps
        return name

    def _parameter(self) -> Name:
        name = f"n{len(self.parameters)}"
        self.parameters.append(name)
        return Name(name)

    # LengthReader -------------------------------------------------------------------------------------

    def lengths(self, v: Variable) -> tuple[Expr, ...]:
        found = self._lengths.get(v)
        if found is None:  # a constant, or a root that is no input
            return tuple(loops.integer(n) for n in (v.data.shape if isinstance(v, Constant) else _static(v)))
        return tuple(self.resolve(n) for n in found)

    def alike(self, new: Variable, v: Variable) -> None:
        """Says that a new variable has the lengths of another."""
        self._lengths[new] = self.lengths(v)

    def resolve(self, e: Expr) -> Expr:
        """The expression with every length replaced by the one that stands for it."""
        match e:
            case Name():
                other = self._stands_for.get(e.name)
                return e if other is None else self.resolve(other)
            case Compute(function, args, dtype):
                return self.compute(function, tuple(self.resolve(a) for a in args), dtype)
            case _:
                return e

    def unify(self, who: Apply, a: Expr, b: Expr) -> Expr:
        a, b = self.resolve(a), self.resolve(b)
        if a == b:
            return a
        given = (a, b)
        message = (
            f"{who.op}: Input dimension mis-match. ({_names(who)} have lengths {{0}} and {{1}} along an axis)"
        )
        if isinstance(a, Literal) and isinstance(b, Literal):
            raise Failure(ValueError, message, _origin(who)).error(n.value for n in given)
        if self._is_late(a) or self._is_late(b):  # what is known late can stand for nothing known before it
            self._check(Require(loops.equal(a, b), 0, given), ValueError, message, who)
            return b if self._is_late(a) else a
        if not isinstance(a, Name) or (isinstance(b, Name) and _number(b) > _number(a)):
            a, b = b, a
        if isinstance(a, Name) and not mentions_any([b], [a]):
            self._check(Require(Compute(loops._EQ, (a, b), "bool"), 0, given), ValueError, message, who)
            self._stands_for[a.name] = b
            return b
        self._check(Require(loops.equal(a, b), 0, given), ValueError, message, who)
        return a

    def require(self, condition: Expr, exception: type[Exception], message: str, *values: Expr) -> None:
        if isinstance(condition, Literal):
            if not condition.value:
                failure = Failure(exception, message, _origin(self._node))
                raise failure.error(getattr(v, "value", "?") for v in values)
            return
        self._check(Require(condition, 0, values), exception, message, self._node)

    def _check(self, check: Require, exception: type[Exception], message: str, who: Apply | None) -> None:
        key = (check.condition, message)
        if key not in self._checked:
            self._checked.add(key)
            check.failure = self.failure(exception, message, who)
            late = any(map(self._is_late, loops.expressions(check)))
            (self.late_checks if late else self.checks).append(check)

    def _is_late(self, e: Expr) -> bool:
        return mentions(e, self.most)

    def at_most(self, lengths: Iterable[Expr]) -> tuple[Expr, ...]:
        """Lengths, or where the run decides about them, what they can be at most."""
        return tuple(at_most(self.resolve(n), self.most) for n in lengths)

    def failure(self, exception: type[Exception], message: str, who: Apply | None = None) -> int:
        """The number under which the program reports this failure of a node."""
        self.failures.append(Failure(exception, message, _origin(who)))
        return len(self.failures)

    def integer(self, v: Variable) -> Expr:
        return self.resolve(self.convert(self.value(v, ()), "int64"))

    # reading values, as far as lengths need it ---------------------------------------------------------

    def value(self, v: Variable, index: tuple[Expr, ...]) -> Expr:
        if isinstance(v, Constant):
            if v.data.size == 1:
                return Literal(v.data.item(), v.dtype)
            if all(isinstance(i, Literal) for i in index):
                return Literal(v.data[tuple(i.value for i in index)].item(), v.dtype)
        if v in self._outside:
            return self.value(self._outside[v], index)
        if v in self.buffers:
            return Load(self.buffers[v], loops.row_major(index, self.lengths(v)), v.dtype)
        node = v.owner
        if node is not None and isinstance(node.op, Pointwise):
            return node.op.element(self, node, index)
        if node is not None and isinstance(node.op, Reduction):
            return self._unrolled(node, index)
        raise NotImplementedError(f"a length that depends on {v}, which is computed, is only known in NumPy")

    def _unrolled(self, node: Apply, index: tuple[Expr, ...]) -> Expr:
        over = node.op.reduced(self, node)
        if len(over) != 1 or not isinstance(over[0], Literal) or over[0].value > 8:
            raise NotImplementedError(
                f"a length that depends on {node}, which is computed, is only known in NumPy"
            )
        function, identity, dtype = node.op.combination(node)
        result: Expr = Literal(identity, dtype)
        for i in range(over[0].value):
            term = self.convert(node.op.term(self, node, index, (loops.integer(i),)), dtype)
            result = self.compute(function, (result, term), dtype)
        return self.convert(result, node.out.dtype)

    def flat(self, v: Variable, offset: Expr) -> Expr:
        if isinstance(v, Constant) and isinstance(offset, Literal):
            return Literal(v.data.flat[offset.value].item(), v.dtype)
        if v in self.buffers:
            return Load(self.buffers[v], offset, v.dtype)
        raise NotImplementedError(f"a length that depends on {v}, which is computed, is only known in NumPy")

    def compute(self, function: ScalarFunction, args: tuple[Expr, ...], dtype: str) -> Expr:
        if dtype == "int64" and function.name in _INTEGER:
            return _INTEGER[function.name](*args)
        if function is loops._CHOOSE:
            return loops.choose(*args)
        return folded(function, args, dtype) or Compute(function, args, dtype)

    def convert(self, e: Expr, dtype: str) -> Expr:
        if e.dtype == dtype:
            return e
        if isinstance(e, Literal):
            return Literal(np.dtype(dtype).type(e.value).item(), dtype)
        return loops.Convert(e, dtype)

    def literal(self, value: Any, dtype: str) -> Expr:
        return Literal(value, dtype)


def _origin(who: Apply | None) -> str:
    return "" if who is None else explanation(who)


def loop_parts(
    op: Loop, given: Sequence[Variable]
) -> tuple[Sequence[Variable], Sequence[Variable], Sequence[Variable]]:
    """A loop's inputs after the number of steps: sequences, the states' pasts, what is fixed."""
    first, last = op.sequences, op.sequences + len(op.taps)
    return given[:first], given[first:last], given[last:]


def _static(v: Variable) -> tuple[int | None, ...]:
    if not isinstance(v.type, TensorType):
        raise NotImplementedError(f"{v} is a {v.type}: only tensors are lowered to loops")
    return v.type.shape


def _names(node: Apply) -> str:
    return " and ".join(str(v) for v in node.inputs)


def _number(name: Name) -> int:
    return int(name.name[1:])


def mentions_any(these: Iterable[Expr], names: Iterable[Name]) -> bool:
    """Whether one of the names stands in one of these."""
    wanted = dict.fromkeys((name.name for name in names), loops.ZERO)
    return any(mentions(e, wanted) for e in these)
