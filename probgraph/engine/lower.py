"""Graph to loops.

Values that are formulas of others (`Pointwise`) are never stored of themselves: whoever needs an element asks
for the formula at an index, and gets scalar expressions. What must be done at all are *tasks*: a result
stored, a reduction, a region written, a kernel called. Each task has axes to loop over; tasks are put into one
loop when it runs over the same length and none needs more of another than the same round. That is the whole
of fusion: the loops over rows of a regression's likelihood, of its gradient by the coefficients and by the
noise become one, since all of them need only "this row".

A scalar is defined as far out as the loop variables it depends on allow, once, and known by (variable, index):
loop-invariant code is outside by construction.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from probgraph.engine import loops
from probgraph.engine.graph import Apply, Constant, FunctionGraph, Variable
from probgraph.engine.lengths import Lengths, folded
from probgraph.engine.loops import (
    Accumulate,
    Buffer,
    Call,
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
    Require,
    ScalarFunction,
    Statement,
    Store,
    Update,
)
from probgraph.engine.op import KernelCall, Pointwise, Reduction, Region, Scatter
from probgraph.engine.tidy import tidy

#: what an operation must cost to be stored rather than done again in another loop
_WORTH_STORING = 10
#: the length assumed for an unknown one where only the order of loops is at stake
_TYPICAL = 64


@dataclass(frozen=True)
class Axis:
    """One loop of a task: over an axis of the result (`out`), or over what is combined."""

    name: Name
    length: Expr
    out: int | None


@dataclass(eq=False)
class Task:
    """Something to be done: `variable` is what it defines or helps to define."""

    kind: str  # "store", "copy", "reduce", "region" or "kernel"
    variable: Variable
    node: Apply | None
    axes: list[Axis]
    index: tuple[Expr, ...] = ()  # of the result, in terms of the axes
    over: tuple[Expr, ...] = ()  # of the combined axes
    source: Variable | None = None
    region: Region | None = None
    reads: list[tuple[Variable, tuple[Expr, ...] | None]] = field(default_factory=list)
    needs: list[tuple[Task, bool]] = field(default_factory=list)
    # while it is emitted:
    remaining: list[Axis] = field(default_factory=list)
    bound: dict[str, Expr] = field(default_factory=dict)
    accumulator: str | None = None

    def at(self, index: Iterable[Expr]) -> tuple[Expr, ...]:
        """An index in terms of the loops that are open."""
        return tuple(self.bound.get(i.name, i) if isinstance(i, Name) else i for i in index)


class _TooDeep(Exception):
    """An element is too many formulas away: it has to be computed first, with a stack of its own."""


class _Depth:
    """Lets formulas ask for each other's elements to any depth without exhausting Python's stack.

    A request nested too deeply is given up; it is then made on its own, from the outside, and the request that
    led to it is made again. What was found on the way is remembered, so nothing is done twice.
    """

    _DEEPEST = 60

    def __init__(self) -> None:
        self._nested = 0

    def element(self, reader: Any, v: Variable, index: tuple[Expr, ...]) -> Expr:
        """The element by its op's formula."""
        if self._nested >= self._DEEPEST:
            raise _TooDeep(v, index)
        self._nested += 1
        try:
            if self._nested > 1:
                return v.owner.op.element(reader, v.owner, index)
            return self.unnested(lambda: v.owner.op.element(reader, v.owner, index), reader)
        finally:
            self._nested -= 1

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


class _Scope:
    """One loop body under construction and what is known in it."""

    def __init__(self) -> None:
        self.statements: list[Statement] = []
        self.known: dict[Any, Expr] = {}


def lower(graph: FunctionGraph) -> Program:
    """The graph as a Program. NotImplementedError names the first operation that has no loops.

    The buffers of the program are the graph's inputs, then its constant arrays, then its outputs, then scratch.
    """
    stored: set[Variable] = set()
    for _ in range(4):
        lowering = _Lowering(graph, stored)
        program = lowering.program()
        again = lowering.worth_storing()
        if not again:
            break
        stored |= again
    return tidy(program)


class _Lowering:
    def __init__(self, graph: FunctionGraph, stored: set[Variable]) -> None:
        self.graph = graph
        self.buffers: list[Buffer] = []
        self.buffer_of: dict[Variable, str] = {}
        self.constants: list[Constant] = []
        self.tasks: list[Task] = []
        self.defined_by: dict[Variable, list[Task]] = {}
        self.written_by: dict[str, list[Task]] = {}
        self.computed: Counter[Variable] = Counter()
        self.nesting = _Depth()
        self.names = 0
        self.depth_of: dict[str, int] = {}
        self.scopes = [_Scope()]
        for i, v in enumerate(graph.inputs):
            self.buffer_of[v] = f"in{i}"
        self.table = Lengths(graph, dict(self.buffer_of))
        for i, v in enumerate(graph.inputs):
            self.buffers.append(Buffer(f"in{i}", v.dtype, "input", loops.product(self.table.lengths(v))))
        for name in self.table.parameters:
            self.depth_of[name] = 0
        self._choose_tasks(stored)

    # -------------------------------------------------------------------------------- what must be done

    def _choose_tasks(self, stored: set[Variable]) -> None:
        """One or more tasks for each variable that has to lie in memory or to be accumulated."""
        graph = self.graph
        wanted = set(stored) | set(graph.outputs)
        for node in graph.toposort():
            if isinstance(node.op, KernelCall):
                wanted.update(node.inputs)
            elif isinstance(node.op, Pointwise):
                wanted.update(node.inputs[i] for i in node.op.stored)
        outputs: dict[Variable, str] = {}
        for k, v in enumerate(graph.outputs):
            if v.owner is not None and v not in self.buffer_of:
                outputs.setdefault(v, f"out{k}")
        scratch = 0
        for node in graph.toposort():
            for v in node.outputs:
                if v not in wanted and isinstance(node.op, Pointwise):
                    continue
                if v in self.buffer_of:
                    continue
                name = outputs.get(v) or self._in_place(node, v)
                if name is None:
                    name, scratch = f"s{scratch}", scratch + 1
                    self._scratch(name, v.dtype, self.table.lengths(v))
                self.buffer_of[v] = name
                self._add_tasks(node, v)
        for k, v in enumerate(graph.outputs):
            if outputs.get(v) != f"out{k}":  # an input, a constant, or the same result once more
                copy = Variable(v.type)
                self.buffer_of[copy] = f"out{k}"
                self._store_task(copy, None, v)
        self.buffers.extend(
            Buffer(f"out{k}", v.dtype, "output", loops.product(self.table.lengths(v)))
            for k, v in enumerate(graph.outputs)
        )
        for task in self.tasks:
            _record(self, task)
        for task in self.tasks:
            self._order_axes(task)
            self._find_needs(task)

    def _scratch(self, name: str, dtype: str, lengths: Iterable[Expr]) -> None:
        self.buffers.append(Buffer(name, dtype, "scratch", loops.product(lengths)))

    def _in_place(self, node: Apply, v: Variable) -> str | None:
        """A written array may take over the buffer of the one it is a copy of, if nobody else reads that."""
        if not isinstance(node.op, Scatter) or not _has_base(node):
            return None
        base = node.inputs[0]
        defined = self.defined_by.get(base)
        lone = self.graph.clients[base] == [(node, 0)]
        if lone and defined and defined[-1].kind == "region" and base.dtype == v.dtype:
            return self.buffer_of[base]
        return None

    def _add_tasks(self, node: Apply, v: Variable) -> None:
        op = node.op
        match op:
            case Pointwise():
                self._store_task(v, node, None)
            case Reduction():
                lengths = self.table.lengths(v)
                out, index = self._axes(lengths, out=True)
                over_axes, over = self._axes(op.reduced(self.table, node), out=False)
                self._add(Task("reduce", v, node, out + over_axes, index, over))
            case Scatter():
                if _has_base(node) and self.buffer_of[v] != self.buffer_of.get(node.inputs[0]):
                    self._store_task(v, None, node.inputs[0])
                for region in op.regions(self.table, node):
                    axes, index = self._axes(region.lengths, out=False)
                    self._add(Task("region", v, node, axes, index, region=region))
            case KernelCall():
                self._add(Task("kernel", v, node, []))
            case _:
                raise NotImplementedError(f"{op} has no loops: it runs in NumPy")

    def _store_task(self, v: Variable, node: Apply | None, source: Variable | None) -> None:
        lengths = self.table.lengths(source if source is not None else v)
        axes, index = self._axes(lengths, out=True)
        self._add(Task("copy" if source is not None else "store", v, node, axes, index, source=source))

    def _add(self, task: Task) -> None:
        self.tasks.append(task)
        self.defined_by.setdefault(task.variable, []).append(task)
        self.written_by.setdefault(self.buffer_of[task.variable], []).append(task)

    def _axes(self, lengths: Sequence[Expr], out: bool) -> tuple[list[Axis], tuple[Expr, ...]]:
        axes: list[Axis] = []
        index: list[Expr] = []
        for dimension, length in enumerate(lengths):
            if length == loops.ONE:
                index.append(loops.ZERO)
                continue
            name = Name(f"a{self._number()}")
            axes.append(Axis(name, length, dimension if out else None))
            index.append(name)
        return axes, tuple(index)

    def _number(self) -> int:
        self.names += 1
        return self.names

    def _order_axes(self, task: Task) -> None:
        """Outer loops take the long strides, so that the inner ones run along memory."""
        stride = {axis.name.name: 0 for axis in task.axes}
        reads = list(task.reads)
        if task.kind in ("store", "copy", "reduce"):
            reads.append((task.variable, task.index))
        for v, index in reads:
            if index is None:
                continue
            step = 1
            for i, length in zip(reversed(index), reversed(self._lengths_of(v)), strict=True):
                if isinstance(i, Name) and i.name in stride:
                    stride[i.name] = max(stride[i.name], step)
                step *= length.value if isinstance(length, Literal) else _TYPICAL
        task.axes.sort(key=lambda axis: -stride[axis.name.name])

    def _lengths_of(self, v: Variable) -> tuple[Expr, ...]:
        defined = self.defined_by.get(v)
        if defined and defined[0].source is not None and v.owner is None:
            return self.table.lengths(defined[0].source)
        return self.table.lengths(v)

    def _find_needs(self, task: Task) -> None:
        """The tasks that must come before, and whether each may share loops with this one."""
        before: dict[Task, bool] = {}
        for v, _ in task.reads:
            behind = self._writers(v)
            for other in behind:
                before[other] = len(behind) == 1 and other.kind in ("store", "copy", "reduce")
        mine = self.written_by[self.buffer_of[task.variable]]
        for other in mine[: mine.index(task)]:
            if not _both_add(other, task):
                before[other] = False
        task.needs = [(other, fusible) for other, fusible in before.items() if other is not task]

    def _writers(self, v: Variable) -> list[Task]:
        """All tasks that have to be done before `v` is complete."""
        defined = self.defined_by.get(v)
        if not defined:
            return []
        tasks = self.written_by[self.buffer_of[v]]
        return tasks[: tasks.index(defined[-1]) + 1]

    # -------------------------------------------------------------------------------- order and loops

    def program(self) -> Program:
        for task in self.tasks:
            task.remaining = list(task.axes)
        self._emit(self.tasks)
        constants = [
            Buffer(self.buffer_of[c], c.dtype, "constant", loops.integer(c.data.size)) for c in self.constants
        ]
        return Program(
            [*self.buffers, *constants],
            self.table.parameters,
            list(self.table.checks),
            self.scopes[0].statements,
            [self.table.lengths(v) for v in self.graph.outputs],
            self.table.failures,
            {self.buffer_of[c]: c.data for c in self.constants},
            [v.type.shape for v in self.graph.inputs],
        )

    def _emit(self, tasks: Sequence[Task]) -> None:
        for group in _grouped(tasks):
            if group.length is None:
                for task in group.tasks:
                    self._perform(task)
            else:
                self._loop(group.length, group.tasks)

    def _loop(self, length: Expr, members: Sequence[Task]) -> None:
        begun = [
            t for t in members if t.kind == "reduce" and t.remaining[0].out is None and t.accumulator is None
        ]
        for task in begun:
            self._begin(task)
        variable = Name(f"i{self._number()}")
        for task in members:
            axis = task.remaining.pop(0)
            task.bound[axis.name.name] = variable
        self.scopes.append(_Scope())
        self.depth_of[variable.name] = len(self.scopes) - 1
        self._emit(members)
        body = self.scopes.pop().statements
        self.scopes[-1].statements.append(For(variable.name, length, body))
        for task in begun:
            self._finish(task)

    def _begin(self, task: Task) -> None:
        """An accumulator for a reduction whose loops begin: a scalar, or the result's buffer."""
        _, identity, dtype = task.node.op.combination(task.node)
        nothing = Literal(identity, dtype)
        if all(axis.out is None for axis in task.remaining):
            task.accumulator = self._name("acc")
            self.scopes[-1].statements.append(Declare(task.accumulator, nothing))
            return
        buffer = self.buffer_of[task.variable]
        if dtype != task.variable.dtype:
            buffer = f"{buffer}_acc"
            self._scratch(buffer, dtype, self.table.lengths(task.variable))
        task.accumulator = buffer
        self._over_rest(task, lambda place: Store(buffer, place, nothing))

    def _over_rest(self, task: Task, statement: Callable[[Expr], Statement]) -> None:
        """A statement for each element of the result at the loops already open."""
        rest = [axis for axis in task.axes if axis.out is not None and axis.name.name not in task.bound]
        inner = {axis.name.name: Name(f"i{self._number()}") for axis in rest}
        index = tuple(inner.get(i.name, i) if isinstance(i, Name) else i for i in task.at(task.index))
        body = [statement(loops.row_major(index, self.table.lengths(task.variable)))]
        for axis in reversed(rest):
            body = [For(inner[axis.name.name].name, axis.length, body)]
        self.scopes[-1].statements.extend(body)

    def _finish(self, task: Task) -> None:
        v = task.variable
        _, _, dtype = task.node.op.combination(task.node)
        buffer = self.buffer_of[v]
        if task.accumulator in self.depth_of:
            index = task.at(task.index)
            value = self.convert(Name(task.accumulator, dtype), v.dtype)
            self.scopes[-1].known[(v, index)] = value
            place = loops.row_major(index, self.table.lengths(v))
            self.scopes[-1].statements.append(Store(buffer, place, value))
        elif task.accumulator != buffer:
            accumulated = task.accumulator
            outer = dict(task.bound)
            task.bound = {k: e for k, e in outer.items() if self.depth_of[e.name] < len(self.scopes)}
            self._over_rest(
                task, lambda place: Store(buffer, place, Convert(Load(accumulated, place, dtype), v.dtype))
            )
            task.bound = outer

    def _perform(self, task: Task) -> None:
        """The task itself, all its loops being open."""
        statements = self.scopes[-1].statements
        index = task.at(task.index)
        match task.kind:
            case "store" | "copy":
                value = self._define(task, index)
                place = loops.row_major(index, self._lengths_of(task.variable))
                statements.append(Store(self.buffer_of[task.variable], place, value))
                if len(self.defined_by[task.variable]) == 1:  # nobody writes over it
                    self.scopes[-1].known[(task.variable, index)] = value
            case "reduce":
                self._combine(task, index)
            case "region":
                where = tuple(map(self.atom, task.region.place(self, index)))
                value = task.region.what(self, index)
                place = loops.row_major(where, self.table.lengths(task.variable))
                buffer = self.buffer_of[task.variable]
                function = task.region.function
                statements.append(
                    Store(buffer, place, value)
                    if function is None
                    else Accumulate(buffer, place, function, value)
                )
            case "kernel":
                kernel, sizes, exception, message = task.node.op.kernel(self, task.node)
                out = self.buffer_of[task.variable]
                buffers = (*(self._buffer(v) for v in task.node.inputs), out)
                code = self.table.failure(exception, message)
                statements.append(Call(kernel, buffers, sizes, code, (out,)))

    def _define(self, task: Task, index: tuple[Expr, ...]) -> Expr:
        if task.source is not None:
            return self.convert(self.value(task.source, index), task.variable.dtype)
        return task.node.op.element(self, task.node, index)

    def _combine(self, task: Task, index: tuple[Expr, ...]) -> None:
        function, _, dtype = task.node.op.combination(task.node)
        term = self.convert(task.node.op.term(self, task.node, index, task.at(task.over)), dtype)
        place = loops.row_major(index, self.table.lengths(task.variable))
        statements = self.scopes[-1].statements
        if task.accumulator is None:  # nothing to combine: every reduced axis has length 1
            value = self.convert(term, task.variable.dtype)
            statements.append(Store(self.buffer_of[task.variable], place, value))
            self.scopes[-1].known[(task.variable, index)] = value
        elif task.accumulator in self.depth_of:
            statements.append(Update(task.accumulator, function, term))
        else:
            statements.append(Accumulate(task.accumulator, place, function, term))

    # -------------------------------------------------------------------------------- scalars (ValueReader)

    def value(self, v: Variable, index: tuple[Expr, ...]) -> Expr:
        if isinstance(v, Constant) and v.data.size == 1:
            return Literal(v.data.item(), v.dtype)
        index = tuple(map(self.atom, index))
        key = (v, index)
        for scope in reversed(self.scopes):
            found = scope.known.get(key)
            if found is not None:
                return found
        if v in self.buffer_of or isinstance(v, Constant):
            result = self._let(Load(self._buffer(v), loops.row_major(index, self.table.lengths(v)), v.dtype))
        else:
            node = v.owner
            if node is None or not isinstance(node.op, Pointwise):
                raise NotImplementedError(f"{v} has no loops: it runs in NumPy")
            result = self.nesting.element(self, v, index)
            if node.op.cost >= _WORTH_STORING and self.depth(result) > 0:
                self.computed[v] += 1
        self.scopes[self.depth(result)].known[key] = result
        return result

    def _buffer(self, v: Variable) -> str:
        name = self.buffer_of.get(v)
        if name is None:
            if not isinstance(v, Constant):
                raise NotImplementedError(f"{v} has no loops: it runs in NumPy")
            name = self.buffer_of[v] = f"c{len(self.constants)}"
            self.constants.append(v)
        return name

    def flat(self, v: Variable, offset: Expr) -> Expr:
        return self._let(Load(self._buffer(v), self.atom(offset), v.dtype))

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
        scope.statements.append(Require(condition, self.table.failure(exception, message), values))

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
        name = self._name("t", depth)
        self.scopes[depth].statements.append(Let(name, e))
        result = Name(name, e.dtype)
        self.scopes[depth].known[e] = result
        return result

    def _name(self, prefix: str, depth: int | None = None) -> str:
        name = f"{prefix}{self._number()}"
        self.depth_of[name] = len(self.scopes) - 1 if depth is None else depth
        return name

    def depth(self, e: Expr) -> int:
        """The innermost open loop that an expression depends on."""
        match e:
            case Name():
                return self.depth_of[e.name]
            case Literal():
                return 0
            case _:
                return max(map(self.depth, loops.children(e)), default=0)

    def worth_storing(self) -> set[Variable]:
        """Costly values that were computed in more than one loop; of a chain of them only the last."""
        again = {v for v, count in self.computed.items() if count > 1}
        return {
            v
            for v in again
            if not all(
                isinstance(node, Apply) and node.outputs[0] in again for node, _ in self.graph.clients[v]
            )
        }


def _has_base(node: Apply | None) -> bool:
    """Whether a written array begins as a copy of the first input (and not from parts alone)."""
    return node is not None and isinstance(node.op, Scatter) and node.op.base


def _both_add(a: Task, b: Task) -> bool:
    """Whether two tasks only add to the same array: then their order does not matter."""
    return (
        a.kind == b.kind == "region"
        and a.region.function is not None
        and a.region.function is b.region.function
    )


@dataclass(eq=False)
class _Group:
    """Tasks that share a loop over `length`; None for what needs no loop."""

    length: Expr | None
    tasks: list[Task]


def _grouped(tasks: Sequence[Task]) -> list[_Group]:
    """Tasks in order, put together in loops as far as what they need of each other allows."""
    groups: list[_Group] = []
    home: dict[Task, _Group] = {}
    for task in tasks:
        earliest = 0
        needed: list[_Group] = []
        barred: list[_Group] = []
        for other, fusible in task.needs:
            if other in home:
                position = groups.index(home[other])
                needed.append(home[other])
                if not (fusible and _same_round(other, task)):
                    barred.append(home[other])
                    position += 1
                earliest = max(earliest, position)
        length = task.remaining[0].length if task.remaining else None
        group = next((g for g in groups[earliest:] if g.length == length), None)
        if group is None and length is not None:
            group = _postponed(groups, needed, barred, length)
        if group is None:
            group = _Group(length, [])
            groups.append(group)
        group.tasks.append(task)
        home[task] = group
    return groups


def _postponed(
    groups: list[_Group], needed: Sequence[_Group], barred: Sequence[_Group], length: Expr
) -> _Group | None:
    """A loop of this length that can wait until everything in `needed` is done, moved behind that.

    It may be needed itself, but not be `barred`. What needs the loop moves along with it, in order; so nothing
    else that is needed may be among that.
    """
    for place, group in enumerate(groups):
        if group.length != length or group in barred:
            continue
        moving = [group]
        members = set(group.tasks)
        for later in groups[place + 1 :]:
            if any(other in members for task in later.tasks for other, _ in task.needs):
                moving.append(later)
                members.update(later.tasks)
        if not any(g in moving[1:] for g in needed):
            groups[:] = [g for g in groups if g not in moving] + moving
            return group
    return None


def _same_round(first: Task, second: Task) -> bool:
    """Whether round i of the second needs only what round i of the first has done."""
    if not first.remaining and not second.remaining:
        return True
    if not first.remaining or not second.remaining:
        return False
    outer = first.remaining[0]
    if outer.out is None:
        return False
    mine = second.remaining[0].name
    return all(
        index is not None and index[outer.out] == mine for v, index in second.reads if v is first.variable
    )


class _Recorder:
    """A ValueReader that computes nothing and notes which stored elements a task reads."""

    def __init__(self, lowering: _Lowering) -> None:
        self.lowering = lowering
        self.reads: dict[tuple[Variable, Any], None] = {}
        self.seen: set[Any] = set()
        self.nesting = _Depth()
        self.lengths = lowering.table.lengths
        self.unify = lowering.table.unify

    def value(self, v: Variable, index: tuple[Expr, ...]) -> Expr:
        if isinstance(v, Constant) and v.data.size == 1:
            return Literal(v.data.item(), v.dtype)
        opaque = Name("?", v.dtype)
        if v in self.lowering.buffer_of or isinstance(v, Constant):
            self.reads[(v, index)] = None
        elif (v, index) not in self.seen:
            if v.owner is None or not isinstance(v.owner.op, Pointwise):
                raise NotImplementedError(f"{v} has no loops: it runs in NumPy")
            self.nesting.element(self, v, index)
            self.seen.add((v, index))
        return opaque

    def flat(self, v: Variable, offset: Expr) -> Expr:
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


def _record(lowering: _Lowering, task: Task) -> None:
    recorder = _Recorder(lowering)
    match task.kind:
        case "copy":
            recorder.value(task.source, task.index)
        case "store":
            task.node.op.element(recorder, task.node, task.index)
        case "reduce":
            task.node.op.term(recorder, task.node, task.index, task.over)
        case "region":
            task.region.place(recorder, task.index)
            task.region.what(recorder, task.index)
        case "kernel":
            recorder.reads.update(((v, None), None) for v in task.node.inputs)
    task.reads = list(recorder.reads)
