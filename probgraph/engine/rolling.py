"""Many alike scalars to few vectors: what was written out term by term becomes a loop.

A model written in a Python loop over its data has thousands of small terms, all of the same form. Here alike
scalar nodes become the elements of one vector each, so that everything after (derivatives, rewriting, C) has
one node instead of thousands, and the compiler one loop.

The idea worth knowing: two nodes are alike when their formulas are the same down to the leaves, whatever
the leaves are, and when they are read by alike nodes. Elements that an alike node reads in another order are
gathered. Long chains of additions are sums over those vectors, in another order than written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from probgraph.engine.graph import Apply, Constant, FunctionGraph, Variable, rebuild, tensor_constant
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import reduce
from probgraph.engine.ops.index import Subtensor, get_item
from probgraph.engine.ops.shape import join, stack
from probgraph.engine.types import Type

#: so many alike nodes are worth a vector, and so many scalar nodes the search
FEWEST, WORTH_SEARCHING = 16, 64

#: what a long chain of an operation is over a vector
_CHAINS = {ew.add: reduce.sum, ew.and_: reduce.all}


def rolled(outputs: Sequence[Variable]) -> list[Variable]:
    """The graph of `outputs` with alike scalars as elements of vectors.

    The values are the same but for the order in which long sums are added up.
    """
    scalars = (node for node in FunctionGraph([], outputs).toposort() if _is_scalar(node))
    if sum(1 for _ in zip(scalars, range(WORTH_SEARCHING), strict=False)) < WORTH_SEARCHING:
        return list(outputs)
    return _Rolling(rebuild(outputs, each=_number)).outputs()


def _is_scalar(node: Apply) -> bool:
    """Whether a node makes a number of numbers."""
    return isinstance(node.op, ew.Elementwise) and node.out.ndim == 0


def _number(node: Apply) -> list[Variable] | None:
    """The constant that a scalar of constants is: alike terms differ in their numbers, not in how they come about."""
    if not _is_scalar(node) or not all(isinstance(v, Constant) for v in node.inputs):
        return None
    return [tensor_constant(node.op.numpy(*(v.data for v in node.inputs)), node.out.dtype)]


@dataclass
class _Chain:
    """A long chain of one operation, as the last node of it and the terms that are combined."""

    last: Apply
    terms: list[Variable]


@dataclass
class _Family:
    """Nodes that are alike, and once they are made the vector of their results."""

    members: list[Apply] = field(default_factory=list)
    vector: Variable | None = None


class _Rolling:
    def __init__(self, outputs: Sequence[Variable]) -> None:
        self.graph = FunctionGraph([], outputs)
        self.chain_of: dict[Apply, _Chain] = {}
        self.inside_chain: set[Apply] = set()
        self._find_chains()
        self.order = [node for node in self.graph.toposort() if node not in self.inside_chain]
        #: of each variable its formula's number, its stage, and its depth in that stage
        self.formula: dict[Variable, int] = {}
        self.level: dict[Variable, tuple[int, int]] = {}
        self._number_formulas()
        #: where a scalar is to be found: its family and its place there
        self.home: dict[Variable, tuple[_Family, int]] = {}
        self._find_families()
        self._gather_roots()
        self.new: dict[Variable, Variable] = {}

    # -------------------------------------------------------------------------------- who is alike

    def _find_chains(self) -> None:
        clients = self.graph.clients
        for node in reversed(self.graph.toposort()):
            if node in self.inside_chain or not _is_scalar(node) or node.op not in _CHAINS:
                continue
            if node.op is ew.add and node.out.dtype not in ("float32", "float64"):
                continue
            terms: list[Variable] = []
            inner: list[Apply] = []
            waiting = [*reversed(node.inputs)]
            while waiting:
                v = waiting.pop()
                if v.owner is not None and v.owner.op is node.op and len(clients[v]) == 1:
                    inner.append(v.owner)
                    waiting.extend(reversed(v.owner.inputs))
                else:
                    terms.append(v)
            if len(terms) >= FEWEST and all(v.type == node.out.type for v in terms):
                self.chain_of[node] = _Chain(node, terms)
                self.inside_chain.update(inner)

    def _reads(self, node: Apply) -> Sequence[Variable]:
        return self.chain_of[node].terms if node in self.chain_of else node.inputs

    def _may_roll(self, node: Apply) -> bool:
        return _is_scalar(node) and node not in self.chain_of and all(v.ndim == 0 for v in node.inputs)

    def _number_formulas(self) -> None:
        """Bottom up. What is no scalar formula begins a new stage: so no node is alike to one that it needs."""
        numbers: dict[Any, int] = {}

        def place(v: Variable, formula: Any, level: tuple[int, int]) -> None:
            self.formula[v] = numbers.setdefault(formula, len(numbers))
            self.level[v] = level

        for v in self.graph.variables:
            if v.owner is None:
                place(v, ("constant" if isinstance(v, Constant) else "root", v.type), (0, 0))
        for node in self.order:
            reads = self._reads(node)
            stage = max((self.level[v][0] for v in reads), default=0)
            if self._may_roll(node):
                depth = 1 + max((self.level[v][1] for v in reads if self.level[v][0] == stage), default=0)
                formula = (node.op, stage, *(self.formula[v] for v in reads))
                place(node.out, formula, (stage, depth))
            elif _element(node) is not None:
                place(node.out, ("element of", node.inputs[0]), (stage, self.level[node.inputs[0]][1] + 1))
            else:
                for v in node.outputs:
                    place(v, ("leaf", v.type, stage + 1), (stage + 1, 0))

    def _find_families(self) -> None:
        """Top down: alike are those of one formula that are read by the same."""
        readers: dict[Variable, set[Any]] = {}
        for v in self.graph.outputs:
            readers.setdefault(v, set()).add("output")
        families: dict[Any, _Family] = {}
        numbers: dict[Any, int] = {}
        for node in reversed(self.order):
            mine: Any = node
            if self._may_roll(node):
                key = (self.formula[node.out], frozenset(readers.get(node.out, ())))
                mine = numbers.setdefault(key, len(numbers))
                families.setdefault(mine, _Family()).members.append(node)
            for place, v in enumerate(self._reads(node)):
                readers.setdefault(v, set()).add((mine, 0 if node in self.chain_of else place))
        for family in families.values():
            if len(family.members) >= FEWEST:
                family.members.reverse()
                for k, node in enumerate(family.members):
                    self.home[node.out] = family, k

    def _gather_roots(self) -> None:
        """The roots that families read, of each type in one vector: what all of them are gathered from."""
        roots: dict[Type, dict[Variable, None]] = {}
        for node in self.order:
            if node.out in self.home:
                for v in node.inputs:
                    if v.owner is None and not isinstance(v, Constant):
                        roots.setdefault(v.type, {})[v] = None
        for alike in roots.values():
            if len(alike) > 1:
                together = _Family([], stack(list(alike)))
                self.home.update((v, (together, k)) for k, v in enumerate(alike))

    # -------------------------------------------------------------------------------- the new graph

    def outputs(self) -> list[Variable]:
        for item in self._in_order():
            if isinstance(item, _Family):
                columns = [
                    self._column(column) for column in zip(*(m.inputs for m in item.members), strict=True)
                ]
                item.vector = item.members[0].op(*columns)
            elif item in self.chain_of:
                self.new[item.out] = self._combined(self.chain_of[item])
            else:
                twin = item.rebuilt([self._scalar(v) for v in item.inputs])
                self.new.update(zip(item.outputs, twin.outputs, strict=True))
        return [self._scalar(v) for v in self.graph.outputs]

    def _in_order(self) -> Iterator[Apply | _Family]:
        """Families and single nodes, each after what it reads."""
        items: dict[int, Apply | _Family] = {}
        levels: dict[int, tuple[int, int]] = {}
        for node in self.order:
            item = self.home[node.out][0] if node.outputs[0] in self.home else node
            items[id(item)] = item
            levels[id(item)] = self.level[node.outputs[0]]
        return (items[key] for key in sorted(items, key=levels.__getitem__))

    def _scalar(self, v: Variable) -> Variable:
        if v not in self.home or v.owner is None:
            return self.new.get(v, v)
        found = self.new.get(v)
        if found is None:
            family, k = self.home[v]
            found = self.new[v] = get_item(family.vector, k)
        return found

    def _column(self, scalars: Sequence[Variable]) -> Variable:
        """Scalars as one vector; as a scalar if they are all the same."""
        first = scalars[0]
        if all(v is first for v in scalars):
            return self._scalar(first)
        if all(isinstance(v, Constant) for v in scalars):
            return tensor_constant(np.array([v.data for v in scalars]), first.dtype)
        pools: dict[Variable, None] = {}
        loose: dict[Variable, int] = {}
        places = []
        for v in scalars:
            pool, k = self._where(v)
            if pool is None:
                k = loose.setdefault(v, len(loose))
            else:
                pools[pool] = None
            places.append((pool, k))
        parts = list(pools)
        starts = dict(
            zip(parts, np.cumsum([0, *(p.type.shape[0] or 0 for p in parts)]).tolist(), strict=False)
        )
        starts[None] = sum(p.type.shape[0] or 0 for p in parts)
        if loose:
            parts.append(stack([self._scalar(v) for v in loose]))
        whole = parts[0] if len(parts) == 1 else join(0, *parts)
        index = [starts[pool] + k for pool, k in places]
        if index == list(range(whole.type.shape[0])):
            return whole
        return get_item(whole, np.array(index, "int64"))

    def _where(self, v: Variable) -> tuple[Variable | None, int]:
        """The vector in which a scalar lies, and its place there; None if it lies alone."""
        if v in self.home:
            family, k = self.home[v]
            return family.vector, k
        place = None if v.owner is None else _element(v.owner)
        if place is None:
            return None, 0
        vector = v.owner.inputs[0]
        return self.new.get(vector, vector), place

    def _combined(self, chain: _Chain) -> Variable:
        """A chain as sums over vectors and what is left."""
        families: dict[int, list[int]] = {}
        vectors: dict[int, Variable] = {}
        loose: list[Variable] = []
        for v in chain.terms:
            if v in self.home:
                family, k = self.home[v]
                families.setdefault(id(family), []).append(k)
                vectors[id(family)] = family.vector
            else:
                loose.append(self._scalar(v))
        over = _CHAINS[chain.last.op]
        for key, places in families.items():
            vector = vectors[key]
            if sorted(places) != list(range(vector.type.shape[0])):
                vector = get_item(vector, np.array(places, "int64"))
            loose.append(over(vector))
        result = loose[0]
        for v in loose[1:]:
            result = chain.last.op(result, v)
        return result


def _element(node: Apply) -> int | None:
    """Which element of a vector of known length a node takes, if that is all it does."""
    if not isinstance(node.op, Subtensor) or node.out.ndim or node.inputs[0].ndim != 1:
        return None
    length, place = node.inputs[0].type.shape[0], node.inputs[-1]
    if length is None or len(node.inputs) != 2 or not isinstance(place, Constant):
        return None
    k = int(place.data)
    return k % length if -length <= k < length else None
