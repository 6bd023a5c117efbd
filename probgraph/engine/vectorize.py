"""`vectorize_graph`: a graph over new leading dimensions.

A graph of one thing (a vector of parameters, say) becomes a graph of many at once, op by op: each op says how it
takes a batch (`Op.batched`), loops are batched within (a step for the whole batch), and what has no rule of its
own is looped over the batch. One dimension is added at a time, the innermost first, so that an op never meets
more than one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from probgraph.engine.graph import Apply, FunctionGraph, Variable, rebuild, toposort
from probgraph.engine.inner_graph import OpFromGraph
from probgraph.engine.loop_op import Scan
from probgraph.engine.op import as_variable
from probgraph.engine.ops.shape import alloc, dimshuffle, length, moveaxis, specify_shape
from probgraph.engine.scanning import map as scan_map
from probgraph.engine.types import TensorType, describe


def vectorize_graph(outputs: Any, replace: Mapping[Variable, Any]) -> Any:
    """The graph of `outputs` (a variable or a list) with some variables replaced by ones with more axes in front.

    A replacement has the dtype and the last axes of what it replaces; the axes before those are a batch. Batches
    of several replacements broadcast against each other as shapes do (an axis stretches if it is known to have
    length 1), and stand in front of the axes of every output that depends on them. Other variables are the same
    for all of the batch. Any variable may be replaced, not only a root.

    Raises TypeError for another dtype or too few axes, ValueError for lengths that do not fit.

    >>> x = Variable(TensorType("float64", (3,)), "x")
    >>> many = Variable(TensorType("float64", (None, 3)), "many")
    >>> vectorize_graph((x ** 2).sum(), {x: many}).eval({many: [[1.0, 2, 2], [0, 3, 4]]})
    array([ 9., 25.])
    """
    single = isinstance(outputs, Variable)
    wanted = [outputs] if single else list(outputs)
    pairs = {old: _fitting(old, as_variable(new)) for old, new in replace.items()}
    # A root of the right type stands for each replacement, and grows by one axis at a time.
    standing = {
        old: Variable(TensorType(new.dtype, new.type.shape[new.ndim - old.ndim :]), old.name)
        for old, new in pairs.items()
    }
    current = rebuild(wanted, standing)
    kept: dict[Variable, list[Any]] = {
        old: [] for old in pairs
    }  # which axes of the batch stand for themselves
    for level in range(1, max((new.ndim - old.ndim for old, new in pairs.items()), default=0) + 1):
        lengths = {
            old: new.type.shape[new.ndim - old.ndim - level]
            for old, new in pairs.items()
            if new.ndim - old.ndim >= level
        }
        _check_batch(pairs, lengths, level)
        longest = max(lengths.values(), key=lambda n: n != 1)
        grown: dict[Variable, Variable] = {}
        for old, n in lengths.items():
            if n == 1 and longest != 1:
                continue
            before = standing[old]
            standing[old] = Variable(TensorType(before.dtype, (n, *before.type.shape)), old.name)
            grown[before] = standing[old]
            kept[old].insert(0, pairs[old].ndim - old.ndim - level)
        current = batched_once(current, grown)
    final = {
        standing[old]: dimshuffle(new, (*kept[old], *range(new.ndim - old.ndim, new.ndim)))
        for old, new in pairs.items()
    }
    results = rebuild(current, final)
    return results[0] if single else results


vectorize = vectorize_graph


def _fitting(old: Any, new: Variable) -> Variable:
    """The replacement, after a check that its last axes are those of what it replaces."""
    if not isinstance(old, Variable):
        raise TypeError(f"vectorize_graph replaces variables, got {old!r} of type {type(old).__name__}")
    if new.dtype != old.dtype:
        raise TypeError(
            f"vectorize_graph: {old} is {describe([old.type])}, its replacement {new} is {describe([new.type])}:"
            f" convert it with .astype('{old.dtype}')"
        )
    if new.ndim < old.ndim:
        raise TypeError(
            f"vectorize_graph: {old} has {old.ndim} dimensions, its replacement {new} only {new.ndim}"
        )
    for mine, its in zip(old.type.shape[::-1], new.type.shape[::-1], strict=False):
        if mine is not None and its is not None and mine != its:
            raise ValueError(
                f"vectorize_graph: the last {old.ndim} dimensions of {new} ({describe([new.type])}) are to be those of"
                f" {old} ({describe([old.type])})"
            )
    known = zip(old.type.shape[::-1], new.type.shape[::-1], strict=False)
    if any(mine is not None and its is None for mine, its in known):
        return specify_shape(new, (*(None,) * (new.ndim - old.ndim), *old.type.shape))
    return new


def _check_batch(
    pairs: Mapping[Variable, Variable], lengths: Mapping[Variable, int | None], level: int
) -> None:
    known = {n for n in lengths.values() if n not in (None, 1)}
    if len(known) > 1:
        given = ", ".join(f"{pairs[old]} ({describe([pairs[old].type])}) for {old}" for old in lengths)
        raise ValueError(
            f"vectorize_graph: the batches of the replacements do not broadcast: {given} have lengths"
            f" {' and '.join(map(str, sorted(known)))} along axis -{level} of the batch"
        )


# ------------------------------------------------------------------------------------ one axis


def batched_once(outputs: Sequence[Variable], replace: Mapping[Variable, Variable]) -> list[Variable]:
    """The graph with variables replaced by ones that have one axis more, in front. Outputs that depend on these
    have it too."""
    new: dict[Variable, Variable] = dict(replace)
    for node in toposort(outputs, stop=new):
        inputs = [new.get(v, v) for v in node.inputs]
        if all(a is b for a, b in zip(inputs, node.inputs, strict=True)):
            continue
        new.update(zip(node.outputs, _batched(node, inputs), strict=True))
    return [new.get(v, v) for v in outputs]


def _batched(node: Apply, inputs: Sequence[Variable]) -> Sequence[Variable]:
    if not any(new.ndim > old.ndim for new, old in _tensors(inputs, node.inputs)):
        return node.rebuilt(inputs).outputs
    op = node.op
    if isinstance(op, OpFromGraph):
        return batched_once(op.inner.outputs, dict(zip(op.inner.inputs, inputs, strict=True)))
    results = _batched_loop(node, inputs) if isinstance(op, Scan) else op.batched(node, inputs)
    results = _one_by_one(node, inputs) if results is None else results
    for old, result in zip(node.outputs, results, strict=True):
        if result.name is None and result.owner is not None:
            result.name = old.name
    return results


def _tensors(new: Sequence[Variable], old: Sequence[Variable]) -> list[tuple[Variable, Variable]]:
    return [(a, b) for a, b in zip(new, old, strict=True) if isinstance(b.type, TensorType)]


def _one_by_one(node: Apply, inputs: Sequence[Variable]) -> list[Variable]:
    """The op applied to each element of the batch in turn."""
    places = [
        i
        for i, (new, old) in enumerate(zip(inputs, node.inputs, strict=True))
        if isinstance(old.type, TensorType) and new.ndim > old.ndim
    ]

    def step(*given: Variable) -> list[Variable]:
        mine = list(inputs)
        for place, v in zip(places, given, strict=False):
            mine[place] = v
        return list(node.rebuilt(mine).outputs)

    # A batch of one known length each is of one length: the loop need not look for the shortest.
    results, _ = scan_map(step, [inputs[i] for i in places], name=f"batch_of_{node.op}")
    return results if isinstance(results, list) else [results]


# ------------------------------------------------------------------------------------ loops


def _batched_loop(node: Apply, inputs: Sequence[Variable]) -> list[Variable] | None:
    """A loop whose step does the whole batch. None if it has to be another number of steps for each element."""
    op = node.op
    count, sequences, pasts, fixed = op.given(inputs)
    old_count, old_sequences, old_pasts, old_fixed = op.given(node.inputs)
    if count.ndim > old_count.ndim:
        return None
    size = next(length(new, 0) for new, old in _tensors(inputs, node.inputs) if new.ndim > old.ndim)
    static = size if isinstance(size, int) else None

    def in_step(mine: Variable) -> Variable:
        return Variable(TensorType(mine.dtype, (static, *mine.type.shape)), mine.name)

    given: dict[Variable, Variable] = {}
    for mine, new, old in zip(op.graph.inputs[: op.sequences], sequences, old_sequences, strict=True):
        if new.ndim > old.ndim:
            given[mine] = in_step(mine)
    for mine, new, old in zip(op.step_fixed, fixed, old_fixed, strict=True):
        if new.ndim > old.ndim:
            given[mine] = in_step(mine)
    states = {i for i, (new, old) in enumerate(zip(pasts, old_pasts, strict=True)) if new.ndim > old.ndim}
    while True:
        # A state has a batch if it begins with one, or if a step gives it one.
        for i in states:
            given.update((tap, in_step(tap)) for tap in op.step_taps[i] if tap not in given)
        outputs = batched_once(op.graph.outputs, given)
        reached = {i for i in range(len(op.taps)) if outputs[i].ndim > op.graph.outputs[i].ndim} - states
        if not reached:
            break
        states |= reached
    if op.until and outputs[-1].ndim:
        return None

    for i in states:
        outputs[i] = _as_state(outputs[i], given[op.step_taps[i][0]])
    step = FunctionGraph([given.get(v, v) for v in op.graph.inputs], outputs)
    found = op.rebuilt_inner(step)(
        count,
        *(
            moveaxis(new, 0, 1) if new.ndim > old.ndim else new
            for new, old in zip(sequences, old_sequences, strict=True)
        ),
        *(
            _as_past(new, old, size, i in states)
            for i, (new, old) in enumerate(zip(pasts, old_pasts, strict=True))
        ),
        *fixed,
    )
    results = found if isinstance(found, list) else [found]
    return [
        moveaxis(result, 1, 0) if result.ndim > old.ndim else result
        for result, old in zip(results, node.outputs, strict=True)
    ]


def _as_state(value: Variable, tap: Variable) -> Variable:
    """A new value of a batched state, of the very type that the step reads."""
    if value.ndim < tap.ndim:
        value = alloc(value, *(length(tap, 0), *(length(value, a) for a in range(value.ndim))))
    return value if tap.type.accepts(value.type) else specify_shape(value, tap.type.shape)


def _as_past(new: Variable, old: Variable, size: Any, batched: bool) -> Variable:
    """The past of a state: (steps back, ...), or with a batch (steps back, batch, ...)."""
    if new.ndim > old.ndim:
        return moveaxis(new, 0, 1)
    if not batched:
        return new
    wide = dimshuffle(new, (0, "x", *range(1, new.ndim)))
    return alloc(wide, length(new, 0), size, *(length(new, a) for a in range(1, new.ndim)))


__all__ = ["batched_once", "vectorize", "vectorize_graph"]
