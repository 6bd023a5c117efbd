"""Graph to loops.

Values that are formulas of others (`Pointwise`) are never stored of themselves: whoever needs an element asks
for the formula at an index, and gets scalar expressions (`scalars`). What must be done at all are tasks
(`tasks`): a result stored, a reduction, a region written, a kernel called. Each task has axes to loop over;
tasks are put into one loop when it runs over the same length and none needs more of another than the same
round. That is the whole of fusion: the loops over rows of a regression's likelihood, of its gradient by the
coefficients and by the noise become one, since all of them need only "this row".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from probgraph.engine import loops
from probgraph.engine.graph import Apply, FunctionGraph, Variable
from probgraph.engine.lengths import Lengths, loop_parts, mentions_any
from probgraph.engine.loops import (
    Accumulate,
    Assign,
    Break,
    Buffer,
    Call,
    Convert,
    Declare,
    Expr,
    For,
    Let,
    Literal,
    Load,
    Name,
    Program,
    Statement,
    Store,
    Update,
)
from probgraph.engine.op import KernelCall, Loop, Pointwise, Reduction, Scatter
from probgraph.engine.scalars import WORTH_STORING, Recorder, Scalars
from probgraph.engine.tasks import Axis, Task, earlier_writers, grouped
from probgraph.engine.tidy import tidy

#: the length assumed for an unknown one where only the order of loops is at stake
_TYPICAL = 64
#: so many rounds of all loops together are unrolled by the compiler
_FEW_ROUNDS = 32


def lower(graph: FunctionGraph) -> Program:
    """The graph as a Program. NotImplementedError names the first operation that has no loops.

    The buffers of the program are the graph's inputs, then its constant arrays, then its outputs, then scratch.
    """
    stored: set[Variable] = set()
    steps: dict[Apply, FunctionGraph] = {}
    for _ in range(4):
        house = _House(graph, stored, steps)
        program = house.program()
        again = house.worth_storing()
        if not again:
            break
        stored |= again
    return tidy(program)


class _House:
    """What the lowering of a graph shares with that of the steps of its loops."""

    def __init__(
        self, graph: FunctionGraph, stored: set[Variable], steps: dict[Apply, FunctionGraph]
    ) -> None:
        self.graph = graph
        self.stored = stored
        self.buffers: list[Buffer] = []
        self.levels: list[_Level] = []
        buffer_of = {v: f"in{i}" for i, v in enumerate(graph.inputs)}
        self.table = Lengths(graph, dict(buffer_of), steps)
        for v, name in buffer_of.items():
            self.buffers.append(Buffer(name, v.dtype, "input", loops.product(self.table.lengths(v))))
        self.scalars = Scalars(self.table, buffer_of)

    def program(self) -> Program:
        targets = [(f"out{k}", loops.ZERO) for k in range(len(self.graph.outputs))]
        level = _Level(self, self.graph, targets)
        self.buffers.extend(
            Buffer(name, v.dtype, "output", loops.product(self.table.at_most(self.table.lengths(v))))
            for (name, _), v in zip(targets, self.graph.outputs, strict=True)
        )
        level.emit_all()
        if self.table.late_checks:
            raise NotImplementedError(
                "lengths are compared where it is not known how many steps a loop makes"
            )
        self._tell_lengths()
        constants = [
            Buffer(self.scalars.buffer_of[c], c.dtype, "constant", loops.integer(c.data.size))
            for c in self.scalars.constants
        ]
        return Program(
            [*self.buffers, *constants],
            self.table.parameters,
            list(self.table.checks),
            self.scalars.scope.statements,
            [self.table.lengths(v) for v in self.graph.outputs],
            self.table.failures,
            {self.scalars.buffer_of[c]: c.data for c in self.scalars.constants},
            [v.type.shape for v in self.graph.inputs],
            [self.table.at_most(self.table.lengths(v)) for v in self.graph.outputs],
        )

    def _tell_lengths(self) -> None:
        """The lengths of the outputs, as they turned out to be, where the run decided about any."""
        lengths = [n for v in self.graph.outputs for n in self.table.lengths(v)]
        if not mentions_any(lengths, self.table.made.values()):
            return
        self.buffers.append(Buffer("lengths", "int64", "lengths", loops.integer(len(lengths))))
        self.scalars.scope.statements.extend(
            Store("lengths", loops.integer(k), n) for k, n in enumerate(lengths)
        )

    def scratch(self, dtype: str, lengths: Iterable[Expr]) -> str:
        """A new buffer for as long as the program runs."""
        name = f"s{self.scalars.number()}"
        self.buffers.append(Buffer(name, dtype, "scratch", loops.product(self.table.at_most(lengths))))
        return name

    def shrink(self, name: str, rows: int, lengths: Iterable[Expr]) -> None:
        """Makes a buffer as small as so many rows."""
        place = next(k for k, b in enumerate(self.buffers) if b.name == name)
        size = loops.multiply(loops.integer(rows), loops.product(self.table.at_most(lengths)))
        self.buffers[place] = replace(self.buffers[place], size=size)

    def worth_storing(self) -> set[Variable]:
        """Costly values that were computed in more than one loop; of a chain of them only the last."""
        again = {v for v, count in self.scalars.computed.items() if count > 1} - self.stored
        return {
            v
            for level in self.levels
            for v in again & level.graph.variables
            if not all(
                isinstance(node, Apply) and node.outputs[0] in again for node, _ in level.graph.clients[v]
            )
        }


class _Level:
    """The lowering of one graph: the whole, or the step of a loop. `targets` says where its outputs go."""

    def __init__(self, house: _House, graph: FunctionGraph, targets: Sequence[tuple[str, Expr]]) -> None:
        self.house = house
        self.graph = graph
        self.targets = targets
        self.table = house.table
        self.scalars = house.scalars
        self.buffer_of = house.scalars.buffer_of
        self.tasks: list[Task] = []
        self.defined_by: dict[Variable, list[Task]] = {}
        self.written_by: dict[str, list[Task]] = {}
        self.in_place: set[Variable] = set()
        self._around: dict[Apply, set[Expr]] = {}
        house.levels.append(self)
        self._choose_tasks()

    # -------------------------------------------------------------------------------- what must be done

    def _choose_tasks(self) -> None:
        """One or more tasks for each variable that has to lie in memory or to be accumulated."""
        graph = self.graph
        wanted = _in_memory(graph, self.table.steps) | self.house.stored | set(graph.outputs)
        targets: dict[Variable, int] = {}
        for k, v in enumerate(graph.outputs):
            if v.owner is not None and not _holds_its_past(v):
                targets.setdefault(v, k)
        for node in graph.toposort():
            if isinstance(node.op, Pointwise) and node.outputs[0] not in wanted:
                continue
            if self._is_history(node):
                continue
            for v in node.outputs:
                if v in targets:
                    self._put(v, *self.targets[targets[v]])
                else:
                    name = self._in_place(node, v)
                    if name is None:
                        name = self.house.scratch(v.dtype, self._rows(node, v))
                    else:
                        self.in_place.add(v)
                    self._put(v, name, self._past(node, v))
                    self.scalars.written_here(name)
            self._add_tasks(node)
        for k, v in enumerate(graph.outputs):
            if targets.get(v) != k:  # an input, a constant, or the same result once more
                copy = Variable(v.type)
                self._put(copy, *self.targets[k])
                self.table.alike(copy, v)
                self._store_task(copy, None, v)
        for task in self.tasks:
            task.reads = self._reads(task)
        for task in self.tasks:
            self._order_axes(task)
            self._find_needs(task)

    def _is_history(self, node: Apply) -> bool:
        """A loop's state joined to its past: that is how they lie in memory, and nothing is left to do."""
        if not isinstance(node.op, Scatter) or node.op.base or len(node.inputs) != 2:
            return False
        past, state = node.inputs
        joined = node.outputs[0]
        if not _holds_its_past(state) or joined in self.graph.outputs or state not in self.defined_by:
            return False
        maker = state.owner
        if (
            past is not loop_parts(maker.op, maker.inputs[1:])[1][state.index]
            or joined.type.ndim != state.ndim
        ):
            return False
        if self.table.lengths(joined)[1:] != self.table.lengths(state)[1:]:
            return False
        self._put(joined, self.buffer_of[state], loops.ZERO)
        self.defined_by[joined] = self.defined_by[state]
        return True

    def _put(self, v: Variable, buffer: str, offset: Expr) -> None:
        self.buffer_of[v] = buffer
        if offset != loops.ZERO:
            self.scalars.offset_of[v] = offset

    def _rows(self, node: Apply, v: Variable) -> tuple[Expr, ...]:
        """The lengths of a variable's buffer: a loop's state has its past in front."""
        count, *rest = self.table.lengths(v) or (loops.ONE,)
        taps = node.op.taps[v.index] if _holds_its_past(v) else (0,)
        return loops.add(count, loops.integer(taps[-1])), *rest

    def _past(self, node: Apply, v: Variable) -> Expr:
        if not _holds_its_past(v):
            return loops.ZERO
        return loops.multiply(
            loops.integer(node.op.taps[v.index][-1]), loops.product(self.table.lengths(v)[1:])
        )

    def _in_place(self, node: Apply, v: Variable) -> str | None:
        """A written array may take over the buffer of the one it is a copy of, if nobody else reads that."""
        if not isinstance(node.op, Scatter) or not node.op.base:
            return None
        base = node.inputs[0]
        defined = self.defined_by.get(base)
        lone = self.graph.clients[base] == [(node, 0)]
        if lone and defined and defined[-1].kind == "region" and base.dtype == v.dtype:
            return self.buffer_of[base]
        return None

    def _add_tasks(self, node: Apply) -> None:
        op, v = node.op, node.outputs[0]
        match op:
            case Pointwise():
                self._store_task(v, node, None)
            case Reduction():
                lengths = self.table.lengths(v)
                out, index = self._axes(lengths, out=True)
                over_axes, over = self._axes(op.reduced(self.table, node), out=False)
                self._add(Task("reduce", v, node, out + over_axes, index, over))
            case Scatter():
                if op.base and v not in self.in_place:
                    self._store_task(v, None, node.inputs[0])
                for region in op.regions(self.table, node):
                    axes, index = self._axes(region.lengths, out=False)
                    self._add(Task("region", v, node, axes, index, region=region))
            case KernelCall():
                leading = v.ndim - op.ranks(node)[len(node.inputs)]
                axes, index = self._axes(self.table.lengths(v)[:leading], out=True)
                self._add_for_all(Task("kernel", v, node, axes, index))
            case Loop():
                self._add_for_all(Task("loop", v, node, []))
            case _:
                raise NotImplementedError(f"{op} has no loops: it runs in NumPy")

    def _store_task(self, v: Variable, node: Apply | None, source: Variable | None) -> None:
        axes, index = self._axes(self.table.lengths(v), out=True)
        self._add(Task("copy" if source is not None else "store", v, node, axes, index, source=source))

    def _add(self, task: Task) -> None:
        self.tasks.append(task)
        self.defined_by.setdefault(task.variable, []).append(task)
        self.written_by.setdefault(self.buffer_of[task.variable], []).append(task)

    def _add_for_all(self, task: Task) -> None:
        """A task that defines all results of its node at once."""
        self._add(task)
        for other in task.node.outputs[1:]:
            self.defined_by[other] = [task]
            self.written_by.setdefault(self.buffer_of[other], []).append(task)

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
        """Outer loops take the long strides, so that the inner ones run along memory.

        Not the innermost ones of so few rounds together that the compiler unrolls them: there each result is a sum in
        a variable, not in memory.
        """
        stride = {axis.name.name: 0 for axis in task.axes}
        reads = list(task.reads)
        if task.kind in ("store", "copy", "reduce"):
            reads.append((task.variable, task.index))
        for v, index in reads:
            if index is None:
                continue
            step = 1
            for i, length in zip(reversed(index), reversed(self.table.lengths(v)), strict=True):
                if isinstance(i, Name) and i.name in stride:
                    stride[i.name] = max(stride[i.name], step)
                step *= length.value if isinstance(length, Literal) else _TYPICAL
        ordered = sorted(task.axes, key=lambda axis: -stride[axis.name.name])
        rounds = 1
        while ordered and isinstance(ordered[-1].length, Literal):
            rounds *= ordered[-1].length.value
            if rounds > _FEW_ROUNDS:
                break
            ordered.pop()
        task.axes = ordered + [axis for axis in task.axes if axis not in ordered]

    def _find_needs(self, task: Task) -> None:
        """The tasks that must come before, and whether each may share loops with this one."""
        before: dict[Task, bool] = {}
        for v, _ in task.reads:
            behind = self._writers(v)
            for other in behind:
                before[other] = len(behind) == 1 and other.kind in ("store", "copy", "reduce")
        for other in earlier_writers(self.written_by[self.buffer_of[task.variable]], task):
            before[other] = False
        for other in self.tasks:
            made = self.table.made.get(other.node) if other.kind == "loop" else None
            if made is not None and other is not task and mentions_any(task.lengths, [made]):
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
        recorder = Recorder(self.scalars)
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
                for v in task.node.inputs:
                    recorder.flat(v, loops.ZERO)
            case "loop":
                for v in task.node.inputs:
                    recorder.value(v, (Name("?"),) * v.ndim)
        task.lengths = {
            *(axis.length for axis in task.axes),
            *recorder.told,
            *self._lengths_around(task.node),
        }
        return list(recorder.reads)

    def _lengths_around(self, node: Apply | None) -> set[Expr]:
        """The lengths of all that a node reads and makes."""
        if node is None:
            return set()
        found = self._around.get(node)
        if found is None:
            found = {n for v in (*node.inputs, *node.outputs) for n in self.table.lengths(v)}
            self._around[node] = found
        return found

    # -------------------------------------------------------------------------------- order and loops

    def emit_all(self) -> None:
        for task in self.tasks:
            task.remaining = list(task.axes)
        self._emit(self.tasks)

    def _emit(self, tasks: Sequence[Task]) -> None:
        self.scalars.scope.statements.extend(self._due_checks())
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
            buffer = self.house.scratch(dtype, self.table.lengths(task.variable))
        task.accumulator = buffer
        self._over_rest(task, lambda index: Store(buffer, self._accumulated_at(task, index), nothing))

    def _over_rest(self, task: Task, statement: Callable[[tuple[Expr, ...]], Statement]) -> None:
        """A statement for each element of the result at the loops already open."""
        rest = [axis for axis in task.axes if axis.out is not None and axis.name.name not in task.bound]
        inner = {axis.name.name: Name(f"i{self.scalars.number()}") for axis in rest}
        index = tuple(inner.get(i.name, i) if isinstance(i, Name) else i for i in task.at(task.index))
        body = [statement(index)]
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
            place = self.scalars.place(v, index)
            self.scalars.scope.statements.append(Store(buffer, place, value))
        elif task.accumulator != buffer:
            outer = dict(task.bound)
            task.bound = {k: e for k, e in outer.items() if self.scalars.is_open(e)}
            self._over_rest(task, lambda index: self._converted(task, index, dtype))
            task.bound = outer

    def _accumulated_at(self, task: Task, index: tuple[Expr, ...]) -> Expr:
        if task.accumulator == self.buffer_of[task.variable]:
            return self.scalars.place(task.variable, index)
        return loops.row_major(index, self.table.lengths(task.variable))

    def _converted(self, task: Task, index: tuple[Expr, ...], dtype: str) -> Statement:
        v = task.variable
        value = Load(task.accumulator, self._accumulated_at(task, index), dtype)
        return Store(self.buffer_of[v], self.scalars.place(v, index), Convert(value, v.dtype))

    def _perform(self, task: Task) -> None:
        """The task itself, all its loops being open."""
        statements = self.scalars.scope.statements
        index = task.at(task.index)
        self.scalars.computes_for(task.node)
        match task.kind:
            case "store" | "copy":
                value = self._define(task, index)
                place = self.scalars.place(task.variable, index)
                statements.append(Store(self.buffer_of[task.variable], place, value))
                if len(self.defined_by[task.variable]) == 1:  # nobody writes over it
                    self.scalars.scope.known[(task.variable, index)] = value
            case "reduce":
                self._combine(task, index)
            case "region":
                where = tuple(map(self.scalars.atom, task.region.place(self.scalars, index)))
                value = task.region.what(self.scalars, index)
                place = self.scalars.place(task.variable, where)
                buffer = self.buffer_of[task.variable]
                function = task.region.function
                statements.append(
                    Store(buffer, place, value)
                    if function is None
                    else Accumulate(buffer, place, function, value)
                )
            case "kernel":
                kernel, sizes, exception, message = task.node.op.kernel(self.scalars, task.node)
                arguments = (*task.node.inputs, *task.node.outputs)
                ranks = task.node.op.ranks(task.node)
                places = [self._part(v, index, rank) for v, rank in zip(arguments, ranks, strict=True)]
                buffers, offsets = zip(*places, strict=True)
                code = self.table.failure(exception, message, task.node)
                written = buffers[len(task.node.inputs) :]
                statements.append(Call(kernel, buffers, offsets, sizes, code, written))
            case "loop":
                self._steps(task.node)

    def _part(self, v: Variable, index: tuple[Expr, ...], rank: int) -> tuple[str, Expr]:
        """Where the part of a stored variable begins that meets `index` of the leading axes."""
        buffer, start = self.scalars.location(v)
        leading = v.ndim - rank
        mine = index[len(index) - leading :] if leading else ()
        mine = tuple(loops.ZERO if n == 1 else i for n, i in zip(v.type.shape[:leading], mine, strict=True))
        lengths = self.table.lengths(v)
        offset = loops.row_major((*mine, *(loops.ZERO,) * rank), lengths)
        return buffer, loops.add(start, offset)

    def _define(self, task: Task, index: tuple[Expr, ...]) -> Expr:
        if task.source is not None:
            return self.scalars.convert(self.scalars.value(task.source, index), task.variable.dtype)
        return task.node.op.element(self.scalars, task.node, index)

    def _combine(self, task: Task, index: tuple[Expr, ...]) -> None:
        function, _, dtype = task.node.op.combination(task.node)
        term = self.scalars.convert(
            task.node.op.term(self.scalars, task.node, index, task.at(task.over)), dtype
        )
        place = self.scalars.place(task.variable, index)
        statements = self.scalars.scope.statements
        if task.accumulator is None:  # nothing to combine: every reduced axis has length 1
            value = self.scalars.convert(term, task.variable.dtype)
            statements.append(Store(self.buffer_of[task.variable], place, value))
            self.scalars.scope.known[(task.variable, index)] = value
        elif self.scalars.is_name(task.accumulator):
            statements.append(Update(task.accumulator, function, term))
        else:
            statements.append(Accumulate(task.accumulator, self._accumulated_at(task, index), function, term))

    # -------------------------------------------------------------------------------- loops of the user's

    def _steps(self, node: Apply) -> None:
        """A scan: its states' pasts, then the step again and again."""
        op, scalars = node.op, self.scalars
        step = self.table.steps[node]
        steps = self.table.integer(node.inputs[0])
        count = self.table.made.get(node, steps)
        made = scalars.name("done") if op.until else ""
        if op.until:
            scalars.scope.statements.append(Declare(made, loops.ZERO))
        sequences, pasts, fixed = loop_parts(op, node.inputs[1:])
        for v, taps in zip(node.outputs, op.taps, strict=False):
            if v.ndim > 1 and self._only_last(v, count):
                scalars.keep_rows(v, taps[-1] + 1)
                self.house.shrink(self.buffer_of[v], taps[-1] + 1, self.table.lengths(v)[1:])
        registers = [self._begin_state(v, past) for v, past in zip(node.outputs, pasts, strict=False)]
        t = Name(f"i{scalars.number()}")
        scalars.open(t.name)
        inner = iter(step.inputs)
        for v in sequences:
            scalars.part_of[next(inner)] = (v, (t,))
        for v, taps, register in zip(node.outputs, op.taps, registers, strict=False):
            for tap in taps:
                self._recall(next(inner), v, loops.subtract(t, loops.integer(tap)), register.get(tap))
        for v in fixed:
            scalars.part_of[next(inner)] = (v, ())
        targets = [scalars.location_of_row(v, t) for v in node.outputs]
        if op.until:
            targets.append((self.house.scratch("bool", ()), loops.ZERO))
            scalars.written_here(targets[-1][0])
        level = _Level(self.house, step, targets)
        level.emit_all()
        for v, register in zip(step.outputs, registers, strict=False):
            for tap in sorted(register, reverse=True):
                newer = Name(register[tap - 1], v.dtype) if tap > 1 else scalars.value(v, ())
                scalars.scope.statements.append(Assign(register[tap], newer))
        if op.until:
            stop = scalars.value(step.outputs[-1], ())
            scalars.scope.statements += [Assign(made, loops.add(t, loops.ONE)), Break(stop)]
        body = scalars.scopes.pop().statements
        scalars.scope.statements.append(For(t.name, steps, body, serial=True))
        if op.until:
            scalars.declare(count.name)
            scalars.scope.statements.append(Let(count.name, Name(made)))
            scalars.scope.statements.extend(self._due_checks())
        for v, register in zip(node.outputs, registers, strict=False):
            if register:
                scalars.scope.known[(v, (scalars.atom(_last(count)),))] = Name(register[1], v.dtype)

    def _due_checks(self) -> list[Statement]:
        """The checks that waited for numbers of steps which are all known now.

        They come before anything that is done with what they are about: those of a loop's results after the loop, those
        that turn up as the step of another one is lowered in that step.
        """
        table = self.table
        if not table.late_checks:
            return []
        unknown = [name for name in table.made.values() if not self.scalars.is_name(name.name)]
        due = [c for c in table.late_checks if not mentions_any(loops.expressions(c), unknown)]
        table.late_checks = [c for c in table.late_checks if c not in due]
        return list(due)

    def _only_last(self, v: Variable, count: Expr) -> bool:
        """Whether of a loop's state nothing but the value after the last step is read."""
        if any(
            v is not other and self.buffer_of.get(other) == self.buffer_of[v] for other in self.defined_by
        ):
            return False
        reads = [index for task in self.tasks for u, index in task.reads if u is v]
        return all(index is not None and index[0] == _last(count) for index in reads)

    def _begin_state(self, v: Variable, past: Variable) -> dict[int, str]:
        """Stores a state's past in front of its values; a scalar state's also in variables, one for each tap."""
        scalars = self.scalars
        lengths = self.table.lengths(past)
        buffer, start = scalars.location(v)
        start = loops.subtract(start, scalars.offset_of.get(v, loops.ZERO))
        index = tuple(loops.ZERO if n == loops.ONE else Name(f"i{scalars.number()}") for n in lengths)
        opened = [(i, n) for i, n in zip(index, lengths, strict=True) if isinstance(i, Name)]
        for i, _ in opened:
            scalars.open(i.name)
        value = scalars.value(past, index)
        scalars.scope.statements.append(
            Store(buffer, loops.add(start, loops.row_major(index, lengths)), value)
        )
        for i, n in reversed(opened):
            body = scalars.scopes.pop().statements
            scalars.scope.statements.append(For(i.name, n, body))
        if v.ndim != 1:
            return {}
        registers: dict[int, str] = {}
        longest = v.owner.op.taps[v.index][-1]
        for tap in range(1, longest + 1):
            registers[tap] = scalars.name("state")
            first = scalars.value(past, (loops.integer(longest - tap),))
            scalars.scope.statements.append(Declare(registers[tap], first))
        return registers

    def _recall(self, mine: Variable, v: Variable, row: Expr, register: str | None) -> None:
        """What the step knows of a state some steps back: a part of its buffer, or a variable."""
        if register is None:
            self._put(mine, *self.scalars.location_of_row(v, row))
            return
        name = self.scalars.name("t")
        self.scalars.scope.statements.append(Let(name, Name(register, mine.dtype)))
        self.scalars.scope.known[(mine, ())] = Name(name, mine.dtype)
        self._put(mine, *self.scalars.location_of_row(v, row))


def _last(count: Expr) -> Expr:
    """The index that -1 stands for."""
    return loops.add(loops.integer(-1), count)


def _holds_its_past(v: Variable) -> bool:
    """Whether a variable is a state of a loop, stored behind what it was before the first step."""
    return v.owner is not None and isinstance(v.owner.op, Loop) and v.index < len(v.owner.op.taps)


def _in_memory(graph: FunctionGraph, steps: Mapping[Apply, FunctionGraph]) -> set[Variable]:
    """The variables that something needs to find in memory, not as formulas."""
    wanted: set[Variable] = set()
    for node in graph.toposort():
        match node.op:
            case KernelCall():
                wanted.update(node.inputs)
            case Pointwise():
                wanted.update(node.inputs[i] for i in node.op.stored)
            case Loop():
                inside = _in_memory(steps[node], steps)
                _, pasts, _ = loop_parts(node.op, node.inputs[1:])
                given = [
                    *node.inputs[1 : 1 + node.op.sequences],
                    *(v for v, taps in zip(pasts, node.op.taps, strict=True) for _ in taps),
                    *node.inputs[1 + node.op.sequences + len(pasts) :],
                ]
                for v, mine in zip(given, steps[node].inputs, strict=True):
                    # What every step reads is computed before the loop, where it may be a vector loop.
                    if mine in inside or (v.ndim > 0 and _costs(v, wanted)):
                        wanted.add(v)
    return wanted


def _costs(v: Variable, stored: set[Variable]) -> bool:
    """Whether the formula of a variable has something costly in it, as far as it is not stored already."""
    seen = set(stored)
    stack = [v]
    while stack:
        u = stack.pop()
        if u in seen or u.owner is None or not isinstance(u.owner.op, Pointwise):
            continue
        if u.owner.op.cost >= WORTH_STORING:
            return True
        seen.add(u)
        stack.extend(u.owner.inputs)
    return False
