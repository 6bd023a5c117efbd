"""Graph to loops.

Values that are formulas of others (`Pointwise`) are never stored of themselves: whoever needs an element asks
for the formula at an index, and gets scalar expressions (`scalars`). What must be done at all are tasks
(`tasks`): a result stored, a reduction, a region written, a kernel called. Each task has axes to loop over;
tasks are put into one loop when it runs over the same length and none needs more of another than the same
round. That is the whole of fusion: the loops over rows of a regression's likelihood, of its gradient by the
coefficients and by the noise become one, since all of them need only "this row".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from probgraph.engine import loops
from probgraph.engine.graph import Apply, FunctionGraph, Variable
from probgraph.engine.lengths import Lengths
from probgraph.engine.loops import (
    Accumulate,
    Buffer,
    Call,
    Convert,
    Declare,
    Expr,
    For,
    Literal,
    Load,
    Name,
    Program,
    Statement,
    Store,
    Update,
)
from probgraph.engine.op import KernelCall, Pointwise, Reduction, Scatter
from probgraph.engine.scalars import Recorder, Scalars
from probgraph.engine.tasks import Axis, Task, both_add, grouped
from probgraph.engine.tidy import tidy

#: the length assumed for an unknown one where only the order of loops is at stake
_TYPICAL = 64


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
        self.tasks: list[Task] = []
        self.defined_by: dict[Variable, list[Task]] = {}
        self.written_by: dict[str, list[Task]] = {}
        for i, v in enumerate(graph.inputs):
            self.buffer_of[v] = f"in{i}"
        self.table = Lengths(graph, dict(self.buffer_of))
        for i, v in enumerate(graph.inputs):
            self.buffers.append(Buffer(f"in{i}", v.dtype, "input", loops.product(self.table.lengths(v))))
        self.scalars = Scalars(self.table, self.buffer_of)
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
            task.reads = self._reads(task)
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
            name = Name(f"a{self.scalars.number()}")
            axes.append(Axis(name, length, dimension if out else None))
            index.append(name)
        return axes, tuple(index)

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
            if not both_add(other, task):
                before[other] = False
        task.needs = [(other, fusible) for other, fusible in before.items() if other is not task]

    def _writers(self, v: Variable) -> list[Task]:
        """All tasks that have to be done before `v` is complete."""
        defined = self.defined_by.get(v)
        if not defined:
            return []
        tasks = self.written_by[self.buffer_of[v]]
        return tasks[: tasks.index(defined[-1]) + 1]

    def _reads(self, task: Task) -> list[tuple[Variable, tuple[Expr, ...] | None]]:
        """The stored elements that a round of the task reads."""
        recorder = Recorder(self.table, self.buffer_of)
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
        return list(recorder.reads)

    # -------------------------------------------------------------------------------- order and loops

    def program(self) -> Program:
        for task in self.tasks:
            task.remaining = list(task.axes)
        self._emit(self.tasks)
        constants = [
            Buffer(self.buffer_of[c], c.dtype, "constant", loops.integer(c.data.size))
            for c in self.scalars.constants
        ]
        return Program(
            [*self.buffers, *constants],
            self.table.parameters,
            list(self.table.checks),
            self.scalars.scope.statements,
            [self.table.lengths(v) for v in self.graph.outputs],
            self.table.failures,
            {self.buffer_of[c]: c.data for c in self.scalars.constants},
            [v.type.shape for v in self.graph.inputs],
        )

    def _emit(self, tasks: Sequence[Task]) -> None:
        for group in grouped(tasks):
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
        variable = Name(f"i{self.scalars.number()}")
        for task in members:
            axis = task.remaining.pop(0)
            task.bound[axis.name.name] = variable
        self.scalars.open(variable.name)
        self._emit(members)
        body = self.scalars.scopes.pop().statements
        self.scalars.scope.statements.append(For(variable.name, length, body))
        for task in begun:
            self._finish(task)

    def _begin(self, task: Task) -> None:
        """An accumulator for a reduction whose loops begin: a scalar, or the result's buffer."""
        _, identity, dtype = task.node.op.combination(task.node)
        nothing = Literal(identity, dtype)
        if all(axis.out is None for axis in task.remaining):
            task.accumulator = self.scalars.name("acc")
            self.scalars.scope.statements.append(Declare(task.accumulator, nothing))
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
        inner = {axis.name.name: Name(f"i{self.scalars.number()}") for axis in rest}
        index = tuple(inner.get(i.name, i) if isinstance(i, Name) else i for i in task.at(task.index))
        body = [statement(loops.row_major(index, self.table.lengths(task.variable)))]
        for axis in reversed(rest):
            body = [For(inner[axis.name.name].name, axis.length, body)]
        self.scalars.scope.statements.extend(body)

    def _finish(self, task: Task) -> None:
        v = task.variable
        _, _, dtype = task.node.op.combination(task.node)
        buffer = self.buffer_of[v]
        if self.scalars.is_name(task.accumulator):
            index = task.at(task.index)
            value = self.scalars.convert(Name(task.accumulator, dtype), v.dtype)
            self.scalars.scope.known[(v, index)] = value
            place = loops.row_major(index, self.table.lengths(v))
            self.scalars.scope.statements.append(Store(buffer, place, value))
        elif task.accumulator != buffer:
            accumulated = task.accumulator
            outer = dict(task.bound)
            task.bound = {k: e for k, e in outer.items() if self.scalars.is_open(e)}
            self._over_rest(
                task, lambda place: Store(buffer, place, Convert(Load(accumulated, place, dtype), v.dtype))
            )
            task.bound = outer

    def _perform(self, task: Task) -> None:
        """The task itself, all its loops being open."""
        statements = self.scalars.scope.statements
        index = task.at(task.index)
        match task.kind:
            case "store" | "copy":
                value = self._define(task, index)
                place = loops.row_major(index, self._lengths_of(task.variable))
                statements.append(Store(self.buffer_of[task.variable], place, value))
                if len(self.defined_by[task.variable]) == 1:  # nobody writes over it
                    self.scalars.scope.known[(task.variable, index)] = value
            case "reduce":
                self._combine(task, index)
            case "region":
                where = tuple(map(self.scalars.atom, task.region.place(self.scalars, index)))
                value = task.region.what(self.scalars, index)
                place = loops.row_major(where, self.table.lengths(task.variable))
                buffer = self.buffer_of[task.variable]
                function = task.region.function
                statements.append(
                    Store(buffer, place, value)
                    if function is None
                    else Accumulate(buffer, place, function, value)
                )
            case "kernel":
                kernel, sizes, exception, message = task.node.op.kernel(self.scalars, task.node)
                out = self.buffer_of[task.variable]
                buffers = (*(self.scalars.buffer(v) for v in task.node.inputs), out)
                code = self.table.failure(exception, message)
                statements.append(Call(kernel, buffers, sizes, code, (out,)))

    def _define(self, task: Task, index: tuple[Expr, ...]) -> Expr:
        if task.source is not None:
            return self.scalars.convert(self.scalars.value(task.source, index), task.variable.dtype)
        return task.node.op.element(self.scalars, task.node, index)

    def _combine(self, task: Task, index: tuple[Expr, ...]) -> None:
        function, _, dtype = task.node.op.combination(task.node)
        term = self.scalars.convert(
            task.node.op.term(self.scalars, task.node, index, task.at(task.over)), dtype
        )
        place = loops.row_major(index, self.table.lengths(task.variable))
        statements = self.scalars.scope.statements
        if task.accumulator is None:  # nothing to combine: every reduced axis has length 1
            value = self.scalars.convert(term, task.variable.dtype)
            statements.append(Store(self.buffer_of[task.variable], place, value))
            self.scalars.scope.known[(task.variable, index)] = value
        elif self.scalars.is_name(task.accumulator):
            statements.append(Update(task.accumulator, function, term))
        else:
            statements.append(Accumulate(task.accumulator, place, function, term))

    def worth_storing(self) -> set[Variable]:
        """Costly values that were computed in more than one loop; of a chain of them only the last."""
        again = {v for v, count in self.scalars.computed.items() if count > 1}
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
