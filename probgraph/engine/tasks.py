"""Tasks: what must be done, the loops each needs, and which of them may share a loop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from probgraph.engine.graph import Apply, Variable
from probgraph.engine.loops import Expr, Name
from probgraph.engine.op import Region


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
    lengths: set[Expr] = field(default_factory=set)  # that it has to know
    needs: list[tuple[Task, bool]] = field(default_factory=list)
    # while it is emitted:
    remaining: list[Axis] = field(default_factory=list)
    bound: dict[str, Expr] = field(default_factory=dict)
    accumulator: str | None = None

    def at(self, index: Iterable[Expr]) -> tuple[Expr, ...]:
        """An index in terms of the loops that are open."""
        return tuple(self.bound.get(i.name, i) if isinstance(i, Name) else i for i in index)


def both_add(a: Task, b: Task) -> bool:
    """Whether two tasks only add to the same array: then their order does not matter."""
    return (
        a.kind == b.kind == "region"
        and a.region.function is not None
        and a.region.function is b.region.function
    )


def earlier_writers(tasks: Sequence[Task], task: Task) -> list[Task]:
    """Of the tasks that write one array, in order, those that must be done before `task`.

    Each waits for those just before it, and they for those before them. Additions do not wait for each other.
    """
    place = next(k for k, other in enumerate(reversed(tasks)) if other is task)
    before = list(tasks[: len(tasks) - 1 - place])
    while before and both_add(before[-1], task):
        before.pop()
    if not before:
        return []
    last = len(before) - 1
    while last > 0 and both_add(before[last - 1], before[-1]):
        last -= 1
    return before[last:]


@dataclass(eq=False)
class Group:
    """Tasks that share a loop over `length`; None for what needs no loop."""

    length: Expr | None
    tasks: list[Task]


def grouped(tasks: Sequence[Task]) -> list[Group]:
    """Tasks in order, put together in loops as far as what they need of each other allows."""
    groups: list[Group] = []
    place: dict[Group, int] = {}
    home: dict[Task, Group] = {}
    for task in tasks:
        earliest = 0
        needed: list[Group] = []
        barred: list[Group] = []
        for other, fusible in task.needs:
            if other in home:
                position = place[home[other]]
                needed.append(home[other])
                if not (fusible and _same_round(other, task)):
                    barred.append(home[other])
                    position += 1
                earliest = max(earliest, position)
        length = task.remaining[0].length if task.remaining else None
        group = next((groups[k] for k in range(earliest, len(groups)) if groups[k].length == length), None)
        if group is None and length is not None:
            group = _postponed(groups, needed, barred, length)
            if group is not None:
                place = {g: k for k, g in enumerate(groups)}
        if group is None:
            group = Group(length, [])
            place[group] = len(groups)
            groups.append(group)
        group.tasks.append(task)
        home[task] = group
    return groups


def _postponed(
    groups: list[Group], needed: Sequence[Group], barred: Sequence[Group], length: Expr
) -> Group | None:
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
