"""Forward differentiation: how results move when what they are computed from moves.

Formulas are pushed forward by two reverse passes: what flows back is linear in what flows in, and its derivative
by that, along the moves, is the move of the result. So every op that has a gradient can do it. A loop is pushed
forward by a loop: its step computes the move of each state next to the state, and so nothing has to be kept of the
steps that are done, which a reverse pass would need.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from probgraph.engine.autodiff import grad, zero_gradient
from probgraph.engine.graph import Apply, FunctionGraph, Variable, ancestors, rebuild, toposort
from probgraph.engine.loop_op import Scan
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.reduce import sum as summed
from probgraph.engine.ops.shape import specify_shape
from probgraph.engine.types import COMPLEX, FLOATS, TensorType

Move = Variable | None


def pushed(outputs: Sequence[Variable], moves: Mapping[Variable, Variable]) -> list[Move]:
    """How each of `outputs` moves per unit of the `moves` (of variables, each shaped like its own).

    None for what does not depend on any of them by way of floats.
    """
    known: dict[Variable, Variable] = dict(moves)
    done: dict[Variable, None] = {}  # the results of loops, whose moves are known or none
    for node in _loops_between(outputs, moves):
        given = _through_formulas(node.inputs, known, done)
        if any(move is not None for move in given):
            for v, move in zip(node.outputs, _through_loop(node, given), strict=True):
                if move is not None:
                    known[v] = known[v] + move if v in known else move
        done.update(dict.fromkeys(node.outputs))
    results: list[Move] = []
    for v in outputs:
        (move,) = _through_formulas([v], known, done)
        if move is None and _depends(v, moves):
            move = zero_gradient(v)
        results.append(move)
    return results


def has_loops_between(outputs: Sequence[Variable], targets: Iterable[Variable]) -> bool:
    """Whether a loop, which can be pushed forward, stands between these."""
    return bool(_loops_between(outputs, targets))


def _loops_between(outputs: Sequence[Variable], targets: Iterable[Variable]) -> list[Apply]:
    """The loops on which outputs depend and which depend on targets, in order."""
    moving = set(targets)
    found: list[Apply] = []
    for node in toposort(outputs):
        if any(v in moving for v in node.inputs):
            moving.update(node.outputs)
            if _can_go_forward(node):
                found.append(node)
    return found


def _can_go_forward(node: Apply) -> bool:
    """A loop whose gradient is cut off has a derivative of its own making, and a complex one two parts."""
    return (
        isinstance(node.op, Scan)
        and node.op.truncate_gradient < 0
        and not any(
            isinstance(v.type, TensorType) and v.dtype in COMPLEX for v in (*node.inputs, *node.outputs)
        )
    )


def _is_float(v: Variable) -> bool:
    return isinstance(v.type, TensorType) and v.dtype in FLOATS


# ------------------------------------------------------------------------------------ formulas


def _depends(v: Variable, targets: Iterable[Variable]) -> bool:
    """Whether a gradient flows from a variable to one of the targets, be it zero."""
    if not _is_float(v):
        return False
    flows = grad(
        None,
        list(targets),
        known_grads={v: Variable(v.type)},
        disconnected_inputs="ignore",
        return_disconnected="none",
    )
    return any(g is not None for g in flows)


def _through_formulas(
    variables: Sequence[Variable], known: Mapping[Variable, Variable], done: Iterable[Variable]
) -> list[Move]:
    """The moves of variables, by those of what they are computed from; the results of loops are taken as given."""
    done = dict.fromkeys(done)
    found: dict[Variable, Move] = {v: known.get(v) for v in variables if v in done or v.owner is None}
    wanted = [v for v in dict.fromkeys(variables) if v not in found and _is_float(v)]
    behind = set(ancestors(wanted, stop=done))
    given = [v for v in known if v in behind]
    if wanted and given:
        roots = {v: Variable(v.type, v.name) for v in done if v in behind}
        opened = rebuild([*wanted, *given], roots)
        stand_ins = [
            Variable(known[v].type) for v in given
        ]  # whatever moves come from, they are taken as they are
        moved = _twice_reversed(opened[: len(wanted)], opened[len(wanted) :], stand_ins)
        places = [place for place, move in enumerate(moved) if move is not None]
        back = {
            **{root: v for v, root in roots.items()},
            **dict(zip(stand_ins, map(known.get, given), strict=True)),
        }
        closed = rebuild([moved[place] for place in places], back)
        found.update((wanted[place], move) for place, move in zip(places, closed, strict=True))
    return [found.get(v) for v in variables]


def _twice_reversed(
    variables: Sequence[Variable], targets: Sequence[Variable], moves: Sequence[Variable]
) -> list[Move]:
    options = {"disconnected_inputs": "ignore", "return_disconnected": "none"}
    flowing = [Variable(v.type, "flowing") for v in variables]
    into: dict[Variable, Variable] = {}
    for v, f in zip(variables, flowing, strict=True):
        into[v] = into[v] + f if v in into else f
    flows = grad(None, list(targets), known_grads=into, **options)
    along = [summed(g * move) for g, move in zip(flows, moves, strict=True) if g is not None]
    if not along:
        return [None] * len(variables)
    total = along[0]
    for term in along[1:]:
        total = total + term
    moved = grad(total, flowing, add_names=False, **options)
    # The values of what flows do not matter, only their shapes.
    zeros = {f: ew.zeros_like(v) for v, f in zip(variables, flowing, strict=True)}
    return [None if move is None else rebuild([move], zeros)[0] for move in moved]


# ------------------------------------------------------------------------------------ loops


def _through_loop(node: Apply, given: Sequence[Move]) -> list[Move]:
    """The moves of a loop's results, by a loop over the moves of its states (and over the states, if need be)."""
    op = node.op
    count, sequences, pasts, fixed = op.given(node.inputs)
    _, sequence_moves, past_moves, fixed_moves = op.given(given)
    mine: dict[Variable, Variable] = {}  # the moves in the step, by what moves
    for v, move in zip(
        (*op.graph.inputs[: op.sequences], *op.step_fixed), (*sequence_moves, *fixed_moves), strict=True
    ):
        if move is not None:
            mine[v] = Variable(v.type)
    moving: set[int] = set()
    reached = {i for i, move in enumerate(past_moves) if move is not None}
    while True:  # a state moves if it begins so, or if a step makes it
        moving |= reached
        mine.update((v, Variable(v.type)) for i in reached for v in op.step_taps[i])
        steps = pushed(op.results, mine)
        reached = {i for i in range(len(op.taps)) if steps[i] is not None} - moving
        if not reached:
            break
    states = sorted(moving)
    collected = [i for i in range(len(op.taps), len(op.results)) if steps[i] is not None]
    new = [_typed(steps[i], op.results[i]) for i in states]
    others = [steps[i] for i in collected]
    stop = op.graph.outputs[len(op.results) :]
    moves: list[Move] = [None] * len(node.outputs)
    if not states and not collected:
        return moves
    kept = _needed_states(op, [*new, *others, *stop])
    outputs = [*(op.results[i] for i in kept), *new, *others, *stop]
    read = set(ancestors(outputs))
    rows = _read(read, mine, op.graph.inputs[: op.sequences], sequences, sequence_moves)
    around = _read(read, mine, op.step_fixed, fixed, fixed_moves)
    taps = [*(v for i in kept for v in op.step_taps[i]), *(mine[v] for i in states for v in op.step_taps[i])]
    begin = [*(pasts[i] for i in kept), *(_or_zeros(past_moves[i], pasts[i]) for i in states)]
    forward = Scan(
        FunctionGraph([*(v for v, _ in rows), *taps, *(v for v, _ in around)], outputs),
        len(rows),
        [op.taps[i] for i in (*kept, *states)],
        op.until,
        name=f"move_of_{op.name or 'scan_fn'}",
    )
    made = forward(count, *(v for _, v in rows), *begin, *(v for _, v in around))
    made = made if isinstance(made, list) else [made]
    for i, v in zip((*states, *collected), made[len(kept) :], strict=True):
        moves[i] = v
    return moves


def _read(
    read: set[Variable],
    mine: Mapping[Variable, Variable],
    inside: Sequence[Variable],
    outside: Sequence[Variable],
    moves: Sequence[Move],
) -> list[tuple[Variable, Variable]]:
    """What a step reads of these and of their moves, each with what it stands for around the loop."""
    pairs = [(v, outer) for v, outer in zip(inside, outside, strict=True) if v in read]
    pairs += [(mine[v], move) for v, move in zip(inside, moves, strict=True) if v in mine and mine[v] in read]
    return pairs


def _needed_states(op: Scan, outputs: Sequence[Variable]) -> list[int]:
    """The states that a step needs to know for these outputs, and for those states."""
    kept: list[int] = []
    while True:
        read = set(ancestors([*outputs, *(op.results[i] for i in kept)]))
        more = [i for i, taps in enumerate(op.step_taps) if i not in kept and any(v in read for v in taps)]
        if not more:
            return sorted(kept)
        kept += more


def _or_zeros(move: Move, like: Variable) -> Variable:
    return ew.zeros_like(like) if move is None else _typed(move, like)


def _typed(move: Move, like: Variable) -> Variable:
    """The move of a value, of that value's very type; zeros where there is none."""
    if move is None:
        return ew.zeros_like(like)
    move = ew.cast(move, like.dtype)
    return move if like.type.accepts(move.type) else specify_shape(move, like.type.shape)
