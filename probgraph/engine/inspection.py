"""Reading a graph: what it needs, in what order it is computed, what depends on what. Nothing is changed.

The names are those of Theano's `gof.graph` and of PyTensor's `graph`; all walks keep a list of what is to be
visited, so that no depth of a graph is too much.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from probgraph.engine.graph import (
    Apply,
    Constant,
    Variable,
    ancestors,
    graph_inputs,
    rebuild,
    toposort,
)
from probgraph.engine.shared import SharedVariable


def explicit_graph_inputs(graph: Variable | Iterable[Variable]) -> list[Variable]:
    """The roots that somebody must give a value: neither constants nor shared variables.

    >>> from probgraph.engine import tensor as T
    >>> explicit_graph_inputs(T.dscalar("x") + 1)
    [x]
    """
    roots = graph_inputs(_several(graph))
    return [v for v in roots if not isinstance(v, Constant | SharedVariable)]


def io_toposort(inputs: Iterable[Variable], outputs: Iterable[Variable]) -> list[Apply]:
    """What computes `outputs` from `inputs`, each application after those it reads."""
    return toposort(outputs, stop=inputs)


def variables_between(inputs: Iterable[Variable], outputs: Iterable[Variable]) -> list[Variable]:
    """Every variable between `inputs` and `outputs`, both included, and the other results of what is computed."""
    inputs = list(inputs)
    found = dict.fromkeys(inputs)
    found.update(dict.fromkeys(ancestors(outputs, stop=inputs)))
    for node in toposort(outputs, stop=inputs):
        found.update(dict.fromkeys(node.outputs))
    return list(found)


def operations_between(inputs: Iterable[Variable], outputs: Iterable[Variable]) -> list[Any]:
    """The operations that are applied between `inputs` and `outputs`, each once."""
    return list(dict.fromkeys(node.op for node in toposort(outputs, stop=inputs)))


def walk(
    nodes: Iterable[Any], expand: Callable[[Any], Iterable[Any] | None], bfs: bool = True
) -> Iterator[Any]:
    """`nodes` and all that `expand` leads to from them, each once; level by level with `bfs`, else branch by branch.

    >>> list(walk([8], lambda n: [n // 2] if n > 1 else None))
    [8, 4, 2, 1]
    """
    waiting = deque(nodes)
    seen: set[Any] = set()
    while waiting:
        node = waiting.popleft() if bfs else waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        yield node
        found = expand(node)
        if found:
            waiting.extend(found)


def apply_depends_on(apply: Apply, depends_on: Apply | Collection[Apply]) -> bool:
    """Whether one of `depends_on` must have been computed (or is `apply` itself) before `apply` is done."""
    wanted = {depends_on} if isinstance(depends_on, Apply) else set(depends_on)
    return not wanted.isdisjoint(toposort(apply.outputs[:1]))


def variable_depends_on(variable: Variable, depends_on: Variable | Collection[Variable]) -> bool:
    """Whether `variable` is computed from one of `depends_on`, or is one."""
    wanted = set(_several(depends_on))
    return any(v in wanted for v in ancestors([variable]))


def truncated_graph_inputs(
    outputs: Sequence[Variable], ancestors_to_include: Collection[Variable] | None = None
) -> list[Variable]:
    """The variables nearest to `outputs` from which, with those of `ancestors_to_include`, they are computed.

    What does not depend on `ancestors_to_include` is not looked into. Without these: the roots.
    """
    if not ancestors_to_include:
        return graph_inputs(outputs)
    named = set(ancestors_to_include)
    behind: set[Variable] = set()  # variables computed from a named one
    for node in toposort(outputs):
        if any(v in named or v in behind for v in node.inputs):
            behind.update(node.outputs)
    found: dict[Variable, None] = {}
    for v in walk(outputs, lambda v: v.owner.inputs if v in behind else None):
        if v in named or v not in behind:
            found[v] = None
    return list(found)


def is_same_graph(
    var1: Variable,
    var2: Variable,
    givens: Mapping[Variable, Variable] | Iterable[Sequence[Variable]] | None = None,
) -> bool:
    """Whether the two compute the same by equal operations in the same order from the same roots.

    Constants are the same if their values are. `givens` says which variables stand for others in both graphs.
    (`x + y` and `y + x` are not the same graph.)

    >>> from probgraph.engine import tensor as T
    >>> x, y = T.dscalars("x", "y")
    >>> is_same_graph(x * y, x * y), is_same_graph(x * y, x + y)
    (True, False)
    """
    stands = dict(givens.items() if isinstance(givens, Mapping) else map(tuple, givens or ()))
    waiting = [(var1, var2)]
    seen: set[tuple[Variable, Variable]] = set()
    while waiting:
        a, b = waiting.pop()
        a, b = stands.get(a, a), stands.get(b, b)
        if a is b or (a, b) in seen:
            continue
        seen.add((a, b))
        if isinstance(a, Constant) and isinstance(b, Constant):
            if a.signature != b.signature:
                return False
        elif (
            a.owner is None
            or b.owner is None
            or a.index != b.index
            or a.owner.op != b.owner.op
            or len(a.owner.inputs) != len(b.owner.inputs)
        ):
            return False
        else:
            waiting.extend(zip(a.owner.inputs, b.owner.inputs, strict=True))
    return True


def clone_between(
    inputs: Sequence[Variable], outputs: Sequence[Variable], copy_inputs: bool = True
) -> tuple[list[Variable], list[Variable]]:
    """A copy of the graph between `inputs` and `outputs`: its inputs, new unless told otherwise, and its outputs."""
    new = [v.clone() for v in inputs] if copy_inputs else list(inputs)
    return new, list(rebuild(outputs, dict(zip(inputs, new, strict=True))))


def _several(given: Variable | Iterable[Variable]) -> list[Variable]:
    return [given] if isinstance(given, Variable) else list(given)
