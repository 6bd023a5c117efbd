"""Rules that replace a part of a graph by an equal one, and the driver that applies them.

A `Rule` is written with the ordinary operators over wildcards, `Rule(log(1 + exp(x)), softplus(x))`; an
`OpRule` is a function for what patterns cannot say; a `Pass` is a list of either. The driver goes through a
graph once, from the roots up. What a rule makes is itself rewritten before anything that reads it is looked
at, so that nothing is left to do at the end and a second run changes nothing.

No rule cares for types: the driver gives the new variable the dtype and the shape of the old.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from probgraph.engine.config import config
from probgraph.engine.graph import (
    Apply,
    Constant,
    FunctionGraph,
    Interner,
    Variable,
    tensor_constant,
    toposort,
)
from probgraph.engine.op import Loop, Op, literal
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.shape import Alloc, DimShuffle
from probgraph.engine.types import (
    COMPLEX,
    FLOATS,
    INTEGERS,
    TensorType,
    broadcast_shapes,
    literal_dtype,
    promote,
)

Number = bool | int | float | complex
#: how often a rule's result may be rewritten again: far more than any sound set of rules needs
LIMIT = 100

_DOMAINS = {"floats": FLOATS, "complex": (*FLOATS, *COMPLEX), "numbers": (*FLOATS, *COMPLEX, *INTEGERS)}


class Wildcard(Variable):
    """A variable of a pattern. It stands for any variable, or only for a constant that is one number."""

    __slots__ = ("constant",)

    def __init__(self, name: str, constant: bool) -> None:
        super().__init__(TensorType("float64", ()), name)
        self.constant = constant


def wildcard(name: str, constant: bool = False) -> Wildcard:
    """A variable to write patterns with.

    It stands for any variable. With `constant` it stands for a constant all of whose elements are the same
    number, and the replacement finds that number as a 0-d constant.
    """
    return Wildcard(name, constant)


class Rule:
    """A pattern and what it is replaced by, both written with ordinary operators over wildcards.

    Operations match by equality, commutative ones in both orders. A number matches a constant of that value
    whatever its dtype and shape. A wildcard that stands twice must find the same variable twice. `where`
    takes the matched variables by name and refuses some matches. `over` says which dtypes the equation is true
    for: "floats" (real), "complex" (real and complex) or "numbers" (also integers).

    >>> x = wildcard("x")
    >>> print(Rule(ew.log(ew.exp(x)), x))
    log(exp(x)) → x
    """

    def __init__(
        self,
        pattern: Variable,
        replacement: Variable | Number,
        where: Callable[..., bool] | None = None,
        over: str = "floats",
    ) -> None:
        if pattern.owner is None:
            raise ValueError(f"a rule's pattern is an operation on wildcards, got {pattern}")
        self.pattern = pattern
        self.replacement = replacement
        self.where = where
        self.dtypes = _DOMAINS[over]
        self.variants = list(_orders(pattern))
        self.op = pattern.owner.op

    def __str__(self) -> str:
        return f"{_text(self.pattern)} → {_text(self.replacement)}"

    __repr__ = __str__

    def could_fit(self, ops: Sequence[Op | None], numbers: Sequence[Any]) -> bool:
        """Whether the pattern may fit a node whose inputs are made by `ops` and known to be `numbers`."""
        return any(all(map(_could_be, inputs, ops, numbers)) for _, *inputs in self.variants)

    def match(self, v: Variable) -> Match | None:
        """What the wildcards stand for if the pattern fits `v`."""
        for variant in self.variants:
            match = Match({}, [])
            if self._fits(variant, v, match) and (
                self.where is None or self.where(**{w.name: found for w, found in match.bound.items()})
            ):
                return match
        return None

    def _fits(self, pattern: Any, v: Variable, match: Match) -> bool:
        if isinstance(pattern, tuple):
            op, *inputs = pattern
            node = v.owner
            if node is None or not (node.op is op or node.op == op):
                return False
            return all(self._fits(part, i, match) for part, i in zip(inputs, node.inputs, strict=True))
        if isinstance(pattern, Wildcard):
            if pattern.constant:
                found = uniform(v)
                known = match.bound.get(pattern)
                if found is None or found.dtype not in (*self.dtypes, *INTEGERS):
                    return False
                if known is not None and known.data != found.data:
                    return False
            else:
                found = v
                if v.type.dtype not in self.dtypes or match.bound.get(pattern, v) is not v:
                    return False
            match.bound[pattern] = found
        else:
            found = uniform(v, pattern)
            if found is None:
                return False
        match.leaves.append(v)
        return True

    def apply(self, node: Apply) -> Variable | None:
        """What stands for the result of `node`, or None if the pattern does not fit it."""
        match = self.match(node.out)
        if match is None:
            return None
        dtype = node.out.dtype
        bound = {w: _widened(v, dtype) for w, v in match.bound.items()}
        result = _instantiated(self.replacement, bound, node.trace)
        if not isinstance(result, Variable):
            result = literal(result, dtype)
        return with_type_of(node.out, result, match.leaves, self)


class Match(NamedTuple):
    """What the wildcards of a pattern stand for, and all variables at its leaves, numbers included."""

    bound: dict[Wildcard, Variable]
    leaves: list[Variable]


@dataclass(frozen=True, eq=False)
class OpRule:
    """A rule as a function: what stands for the results of a node of this op (or class of ops), or None."""

    name: str
    op: Op | type[Op]
    function: Callable[[Apply], Variable | Sequence[Variable] | None]

    def __str__(self) -> str:
        return self.name

    def apply(self, node: Apply) -> list[Variable] | None:
        result = self.function(node)
        if result is None:
            return None
        results = [result] if isinstance(result, Variable) else list(result)
        # The inputs of an elementwise op are what its shape comes from; any other must get it right itself.
        leaves = node.inputs if isinstance(node.op, ew.Elementwise) else ()
        return [with_type_of(old, new, leaves, self) for old, new in zip(node.outputs, results, strict=True)]


@dataclass(eq=False)
class Pass:
    """Rules that are applied together; where several fit, the first in the list is taken."""

    name: str
    rules: Sequence[Rule | OpRule]
    _by_op: dict[Op, list[Rule | OpRule]] = field(default_factory=dict, repr=False)

    _by_inputs: dict[Any, list[Rule | OpRule]] = field(default_factory=dict, repr=False)

    def add(self, rules: Iterable[Rule | OpRule]) -> None:
        """Rules that come before those that are here."""
        self.rules = [*rules, *self.rules]
        self._by_op.clear()
        self._by_inputs.clear()
        for name in ("_numbers", "_ranked"):
            self.__dict__.pop(name, None)

    def rules_for(self, node: Apply) -> list[Rule | OpRule]:
        """The rules that may fit a node, by its op and by what its inputs are: looked up, not tried in turn."""
        op = node.op
        rules = self._by_op.get(op)
        if rules is None:
            of_op, of_class = self._ranked
            found = of_op.get(op, []) + [rank for kind, rank in of_class if isinstance(op, kind)]
            rules = self._by_op[op] = [self.rules[rank] for rank in sorted(found)]
        if not any(isinstance(r, Rule) for r in rules):
            return rules
        ops = tuple([None if v.owner is None else v.owner.op for v in node.inputs])
        numbers = tuple([self._number(v) for v in node.inputs])
        found = self._by_inputs.get((op, ops, numbers))
        if found is None:
            found = [r for r in rules if not isinstance(r, Rule) or r.could_fit(ops, numbers)]
            self._by_inputs[op, ops, numbers] = found
        return found

    @cached_property
    def _ranked(self) -> tuple[dict[Op, list[int]], list[tuple[type[Op], int]]]:
        """The places in the list of the rules of each op, and of those of a class of ops."""
        of_op: dict[Op, list[int]] = {}
        of_class: list[tuple[type[Op], int]] = []
        for rank, rule in enumerate(self.rules):
            if isinstance(rule.op, type):
                of_class.append((rule.op, rank))
            else:
                of_op.setdefault(rule.op, []).append(rank)
        return of_op, of_class

    @cached_property
    def _numbers(self) -> set[Number]:
        """The numbers that some pattern asks for."""
        rules = (r for r in self.rules if isinstance(r, Rule))
        return {n for r in rules for variant in r.variants for n in _numbers(variant)}

    def _number(self, v: Variable) -> Any:
        """The number that all of `v` is, if a pattern asks for it; _OTHER if none does; None if there is none."""
        constant = uniform(v)
        if constant is None:
            return None
        value = constant.data.item()
        return value if value in self._numbers else _OTHER


# ------------------------------------------------------------------------------------ patterns


def _orders(v: Variable) -> Iterator[Any]:
    """A pattern as nested tuples (op, *inputs), in every order of its commutative operations."""
    if isinstance(v, Wildcard):
        yield v
    elif isinstance(v, Constant):
        yield _number(v)
    else:
        node = v.owner
        orders = [node.inputs]
        if getattr(node.op, "commutes", False):
            orders.append(node.inputs[::-1])
        for inputs in orders:
            for parts in product(*(list(_orders(i)) for i in inputs)):
                yield (node.op, *parts)


_OTHER = "some other number"


def _could_be(pattern: Any, op: Op | None, number: Any) -> bool:
    if isinstance(pattern, tuple):
        return op is not None and op == pattern[0]
    if isinstance(pattern, Wildcard):
        return number is not None or not pattern.constant
    return bool(number == pattern)


def _numbers(variant: Any) -> Iterator[Number]:
    if isinstance(variant, tuple):
        for part in variant[1:]:
            yield from _numbers(part)
    elif not isinstance(variant, Wildcard):
        yield variant


def _number(constant: Constant) -> Number:
    return constant.literal if constant.literal is not None else constant.data.item()


def _text(v: Variable | Number) -> str:
    if not isinstance(v, Variable):
        return str(v)
    if isinstance(v, Constant):
        return str(_number(v))
    if v.owner is None:
        return str(v.name)
    op, parts = v.owner.op, [_text(i) for i in v.owner.inputs]
    if _infix(v):
        left, right = (f"({t})" if _infix(i) else t for t, i in zip(parts, v.owner.inputs, strict=True))
        return f"{left} {op.infix} {right}"
    if op is ew.neg:
        return f"-({parts[0]})" if _infix(v.owner.inputs[0]) else f"-{parts[0]}"
    return f"{getattr(op, 'name', op)}({', '.join(parts)})"


def _infix(v: Variable) -> bool:
    return v.owner is not None and getattr(v.owner.op, "infix", None) is not None


def uniform(v: Variable, wanted: Number | None = None) -> Constant | None:
    """The one number that all elements of `v` are known to be, as a 0-d constant; None if there is none.

    With `wanted` only that number is accepted.
    """
    node = v.owner
    while node is not None:
        if node.op is ew.fill:
            v = node.inputs[1]
        elif isinstance(node.op, Alloc | DimShuffle):
            v = node.inputs[0]
        else:
            return None
        node = v.owner
    if not isinstance(v, Constant) or not isinstance(v.data, np.ndarray) or v.data.size == 0:
        return None
    data = v.data
    first = data.reshape(-1)[0] if data.ndim else data[()]
    if wanted is not None and first != wanted:
        return None
    if data.ndim == 0:
        return v
    return tensor_constant(first, measured=v.measured) if bool((data == first).all()) else None


def _widened(v: Variable, dtype: str) -> Variable:
    """A matched variable in the dtype of the result, so that the replacement is no less precise."""
    if dtype in (v.dtype, "bool") or promote(v.dtype, dtype) != dtype:
        return v
    if isinstance(v, Constant):
        return tensor_constant(v.data, dtype, v.name, v.literal, v.measured)
    return ew.cast(v, dtype)


def _instantiated(v: Variable | Number, bound: dict[Wildcard, Variable], trace: Any) -> Variable | Number:
    """A replacement on the matched variables. Its numbers are weak: they take the dtype they meet."""
    if not isinstance(v, Variable):
        return v
    if isinstance(v, Wildcard):
        return bound[v]
    if isinstance(v, Constant):
        return _number(v)
    node = v.owner
    parts = [_instantiated(i, bound, trace) for i in node.inputs]
    dtypes = [p.dtype for p in parts if isinstance(p, Variable)]
    inputs = [p if isinstance(p, Variable) else literal(p, literal_dtype(p, dtypes)) for p in parts]
    return Apply(node.op, inputs, node.op.infer_type(*inputs), trace).outputs[v.index]


# ------------------------------------------------------------------------------------ types


def with_type_of(old: Variable, new: Variable, leaves: Sequence[Variable], rule: Any) -> Variable:
    """`new` in the dtype and shape of `old`, whose shape is that of `leaves` broadcast against each other."""
    if new is old or new.type == old.type:
        return new
    if new.dtype != old.dtype:
        new = ew.cast(new, old.dtype)
    if _knows(new, old):
        return new
    for leaf in sorted(leaves, key=lambda leaf: not _knows(leaf, old)):
        if broadcast_shapes("fill", [leaf.type, new.type]) != new.type.shape:
            new = ew.fill(leaf, new)
            if _knows(new, old):
                return new
    raise TypeError(f"the rule {rule} would replace {old.type} by {new.type}")


def _knows(new: Variable, old: Variable) -> bool:
    """Whether all that is known of the old shape is known of the new (more may be)."""
    return new.ndim == old.ndim and all(
        n == o or (o is None and n != 1) for n, o in zip(new.type.shape, old.type.shape, strict=True)
    )


# ------------------------------------------------------------------------------------ the driver


class Firing(NamedTuple):
    """A rule that was applied, those applied before to get there, and the user's line that it goes back to."""

    rule: Rule | OpRule
    before: Firing | None
    depth: int
    trace: tuple[str, int]


def run_passes(
    outputs: Sequence[Variable], passes: Iterable[Pass], log: list[tuple[str, str, int]] | None = None
) -> list[Variable]:
    """The graph of `outputs` after each pass in turn. Equal applications become one; the old graph is unchanged.

    Results keep dtype and rank, and know at least as much of their shape. `log` is extended by (pass, rule, how
    often it was applied). RuntimeError names the rules if they undo each other without end.

    >>> x, anything = TensorType("float64", ())("x"), wildcard("anything")
    >>> run_passes([x * 1], [Pass("simplify", [Rule(anything * 1, anything)])])
    [x]
    """
    result = list(outputs)
    for p in passes:
        counts: dict[Rule | OpRule, int] = {}
        with config.change_flags(compute_test_value="off"):
            result = _run_pass(result, p, counts)
        if log is not None:
            log.extend((p.name, str(rule), n) for rule, n in counts.items())
    return result


def _run_pass(outputs: list[Variable], rules: Pass, counts: dict[Any, int]) -> list[Variable]:
    interner = Interner()
    given = set(toposort(outputs))
    final: dict[Variable, Variable] = {}
    under_way: set[Apply] = set()
    steps: dict[Loop, Loop] = {}

    def now(v: Variable) -> Variable:
        found = final.get(v)
        if found is not None:
            return found
        return interner.constant(v) if isinstance(v, Constant) else v

    # A node, why it is there, and once a rule has been applied: its interned twin and what replaces that.
    stack: list[tuple[Apply, Firing | None, tuple[Apply, Sequence[Variable]] | None]]
    stack = [(v.owner, None, None) for v in reversed(outputs) if v.owner is not None]
    while stack:
        node, because, replaced = stack.pop()
        if replaced is not None:
            twin, results = replaced
            under_way.discard(twin)
            for mine, old, new in zip(node.outputs, twin.outputs, results, strict=True):
                result = now(new)
                if result.name is None and result.owner is not None and result.owner not in given:
                    result.name = old.name
                final[mine] = final[old] = result
            continue
        if node.outputs[0] in final:
            continue
        waiting = [v.owner for v in node.inputs if v.owner is not None and v not in final]
        if waiting:
            if not under_way.isdisjoint(waiting):
                raise _endless(rules, because)
            stack.append((node, because, None))
            stack.extend((w, because, None) for w in reversed(waiting))
            continue
        if because is not None:
            node.trace = because.trace
        twin = interner.apply(node, [now(v) for v in node.inputs])
        if twin.outputs[0] in final:
            final.update((mine, final[v]) for mine, v in zip(node.outputs, twin.outputs, strict=True))
            continue
        if twin in under_way or (because is not None and because.depth > LIMIT):
            raise _endless(rules, because)
        rule, results = _first(rules, twin)
        if rule is None and isinstance(twin.op, Loop):
            rule, results = _step_rewritten(twin, rules, counts, steps)
        if rule is None:
            final.update((v, v) for v in twin.outputs)
            final.update(zip(node.outputs, twin.outputs, strict=True))
            continue
        counts[rule] = counts.get(rule, 0) + 1
        under_way.add(twin)
        stack.append((node, because, (twin, results)))
        firing = Firing(rule, because, 1 if because is None else because.depth + 1, twin.trace)
        stack.extend((v.owner, firing, None) for v in results if v.owner is not None and v not in final)
    return [now(v) for v in outputs]


def _first(rules: Pass, node: Apply) -> tuple[Rule | OpRule | None, Sequence[Variable]]:
    for rule in rules.rules_for(node):
        result = rule.apply(node)
        if result is not None:
            return rule, [result] if isinstance(result, Variable) else result
    return None, ()


def _step_rewritten(
    node: Apply, rules: Pass, counts: dict[Any, int], steps: dict[Loop, Loop]
) -> tuple[OpRule | None, Sequence[Variable]]:
    """A loop whose step went through the pass; the rules that were applied in it are counted too."""
    op = node.op
    new = steps.get(op)
    if new is None:
        step = FunctionGraph(op.graph.inputs, _run_pass(op.graph.outputs, rules, counts))
        new = op.rebuilt_inner(step)
        steps[op] = steps[new] = new
    if new == op:
        return None, ()
    return _STEP, Apply(new, node.inputs, new.infer_type(*node.inputs), node.trace).outputs


_STEP = OpRule("loop → loop with its step rewritten", Loop, lambda node: None)


def _endless(rules: Pass, because: Firing | None) -> RuntimeError:
    names: dict[str, None] = {}
    while because is not None:
        names[str(because.rule)] = None
        because = because.before
    return RuntimeError(
        f"the pass {rules.name!r} does not end: these rules make work for each other: {'; '.join(names)}"
    )
