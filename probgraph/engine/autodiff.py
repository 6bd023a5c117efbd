"""Differentiation: one backward walk that asks each op what flows back to its inputs.

The stabilising rules run on the cost *before* it is differentiated: done only afterwards, the derivative of
log(1 + exp(x)) is inf/inf for large x, and no later rule can know what was meant.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from probgraph.engine.config import config
from probgraph.engine.graph import Apply, Variable, garbage_kept, rebuild, toposort
from probgraph.engine.no_gradient import DisconnectedType, NullType, NullTypeGradError
from probgraph.engine.op import Choice, as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.choice import conditions, gated, left_branches
from probgraph.engine.rewrite import uniform
from probgraph.engine.rules import stabilized
from probgraph.engine.types import COMPLEX, FLOATS, TensorType, describe


class DisconnectedInputError(ValueError):
    """The cost does not depend on what it is to be differentiated by."""


def _continuous(v: Variable) -> bool:
    return isinstance(v.type, TensorType) and v.dtype in (*FLOATS, *COMPLEX)


def grad(
    cost: Variable | None,
    wrt: Variable | Sequence[Variable],
    consider_constant: Sequence[Variable] | None = None,
    disconnected_inputs: str = "raise",
    add_names: bool = True,
    known_grads: Mapping[Variable, Any] | None = None,
    return_disconnected: str = "zero",
    null_gradients: str = "raise",
) -> Any:
    """The gradient of a scalar cost with respect to one variable or a list of them.

    `wrt` may be roots, shared, constants or intermediate variables; the result has their shapes, and is a list
    for a list and a tuple for a tuple. Nothing flows through `consider_constant`. `known_grads` gives the
    gradient at some variables, beside or instead of a cost. A cost that does not depend on some `wrt` is a
    DisconnectedInputError, or with disconnected_inputs="warn" or "ignore" gives zeros (or, as
    `return_disconnected` says, None, or a variable of DisconnectedType). The gradient by an integer variable is
    zero. Where an op's gradient is undefined or unwritten, a NullTypeGradError says whose and why; with
    null_gradients="return" a variable of NullType stands for it. A gradient is named `(dcost/dx)` if both the
    cost and `x` have names, unless `add_names` is False.

    >>> x = Variable(TensorType("float64", ()), "x")
    >>> grad(x ** 2, x).eval({x: 3.0})
    array(6.)
    """
    if cost is None and not known_grads:
        raise AssertionError("cost and known_grads can't both be None.")
    if disconnected_inputs not in ("raise", "warn", "ignore"):
        raise ValueError(f"disconnected_inputs is 'raise', 'warn' or 'ignore', got {disconnected_inputs!r}")
    if return_disconnected.lower() not in ("zero", "none", "disconnected"):
        raise ValueError(
            f"return_disconnected is 'zero', 'None' or 'Disconnected', got {return_disconnected!r}"
        )
    if null_gradients not in ("raise", "return"):
        raise ValueError(f"null_gradients is 'raise' or 'return', got {null_gradients!r}")
    targets = list(wrt) if isinstance(wrt, list | tuple) else [wrt]
    for v in targets:
        if not isinstance(v, Variable):
            raise TypeError(f"Expected Variable, got {v!r} of type {type(v)}")
    if cost is not None:
        if not isinstance(cost, Variable):
            raise TypeError(f"cost must be a variable, got {cost!r}")
        if cost.ndim != 0:
            raise TypeError(
                f"cost must be a scalar. {cost} is {describe([cost.type])}: sum it, or use jacobian"
            )
        if cost.dtype in COMPLEX:
            raise TypeError("cost must be real: differentiate abs(z), real(z) or imag(z)")
    known = {v: as_variable(g) for v, g in (known_grads or {}).items()}
    found = _gradients(cost, known, targets, list(consider_constant or ()))
    results: list[Variable | None] = []
    for v in targets:
        g = found.get(v)
        if g is None:
            g = _disconnected(v, cost, disconnected_inputs, return_disconnected)
        elif isinstance(g.type, NullType):
            if null_gradients == "raise":
                raise NullTypeGradError(f"tensor.grad encountered a NaN. {g.type.why}")
        elif add_names and cost is not None and cost.name and v.name and g.name is None:
            g = _named_copy(g, f"(d{cost.name}/d{v.name})")
        results.append(g)
    return tuple(results) if isinstance(wrt, tuple) else results if isinstance(wrt, list) else results[0]


@garbage_kept()
def _gradients(
    cost: Variable | None,
    known: Mapping[Variable, Variable],
    targets: Sequence[Variable],
    constants: Sequence[Variable],
) -> dict[Variable, Variable]:
    """The gradients of the stabilised cost, by the variables that the user named."""
    keep = [*targets, *constants, *known]
    stable = stabilized([] if cost is None else [cost], keep)
    seeds: dict[Variable, Variable] = {}
    if cost is not None:
        seeds[stable[cost]] = ew.ones_like(
            stable[cost], cost.dtype if cost.dtype in FLOATS else config.floatX
        )
    for v, g in known.items():
        seeds[stable[v]] = seeds[stable[v]] + g if stable[v] in seeds else g
    found = _backward(seeds, [stable[v] for v in targets], [stable[v] for v in constants])
    # The gradient by an intermediate variable is told in the user's variables, who may give a value for it.
    users = {new: old for old, new in stable.items() if new is not old and old is not cost}
    return {
        v: rebuild([found[new]], users)[0] if new is not v else found[new]
        for v, new in ((v, stable[v]) for v in targets)
        if new in found
    }


def _named_copy(g: Variable, name: str) -> Variable:
    if g.owner is not None:
        g.name = name
    return g


def _disconnected(v: Variable, cost: Variable | None, action: str, result: str) -> Variable | None:
    message = (
        f"grad method was asked to compute the gradient with respect to a variable that is not part of the"
        f" computational graph of the cost, or is used only by a non-differentiable operator: {v}"
    )
    if action == "raise":
        raise DisconnectedInputError(message)
    if action == "warn":
        warnings.warn(message, stacklevel=3)
    match result.lower():
        case "zero":
            return zero_gradient(v)
        case "disconnected":
            return DisconnectedType()()
        case _:
            return None


def zero_gradient(v: Variable) -> Variable:
    """Zeros of the shape of `v`, in its dtype if that is continuous and in floatX if not."""
    return ew.zeros_like(v, v.dtype if _continuous(v) else config.floatX)


def _backward(
    seeds: Mapping[Variable, Variable], targets: Sequence[Variable], constants: Iterable[Variable]
) -> dict[Variable, Variable]:
    """What flows back from the seeds to each target that they depend on."""
    stop = set(constants)
    order = toposort(list(seeds))
    reaching = _reaching(order, set(targets))
    flowing: dict[Variable, Variable] = dict(seeds)
    branches = conditions(order, list(seeds)) if any(isinstance(node.op, Choice) for node in order) else {}
    for node in reversed(order):
        if node not in reaching or all(v not in flowing or v in stop for v in node.outputs):
            continue
        cotangents = [
            flowing[v] if v in flowing and v not in stop else zero_gradient(v) for v in node.outputs
        ]
        flows = _flows(node, cotangents)
        if branches:
            flows = left_branches(node, flows, cotangents, branches)
        for v, g in zip(node.inputs, flows, strict=True):
            if g is None:
                continue
            if not _continuous(v):
                g = zero_gradient(v)
            flowing[v] = _sum(g, flowing.get(v)) if _continuous(v) else g
    return {v: gated(flowing[v], branches.get(v, ()), v) for v in targets if v in flowing}


def _reaching(order: Sequence[Apply], targets: set[Variable]) -> set[Apply]:
    """The nodes that depend on a target: only they need differentiating."""
    depends: set[Variable] = set(targets)
    nodes: set[Apply] = set()
    for node in order:
        if any(v in depends for v in node.inputs):
            nodes.add(node)
            depends.update(node.outputs)
    return nodes


def _sum(g: Variable, before: Variable | None) -> Variable:
    """What flows along two ways; undefined if it is along one of them."""
    if before is None or isinstance(g.type, NullType):
        return g
    if isinstance(before.type, NullType) or uniform(g, 0) is not None:
        return before
    return g if uniform(before, 0) is not None else g + before


def _flows(node: Apply, cotangents: Sequence[Variable]) -> list[Variable | None]:
    """What flows back through a node to each of its inputs.

    What comes of an undefined gradient is undefined, and of zeros zero, even where a derivative is infinite.
    """
    undefined = [g for g in cotangents if isinstance(g.type, NullType)]
    given = [
        zero_gradient(v) if isinstance(g.type, NullType) else g
        for v, g in zip(node.outputs, cotangents, strict=True)
    ]
    flows = list(node.op.vjp(given, node.outputs, node.inputs))
    if len(flows) != len(node.inputs):
        raise ValueError(f"{node.op}.vjp returned {len(flows)} gradients for {len(node.inputs)} inputs")
    flows = [None if g is None or isinstance(g.type, DisconnectedType) else g for g in flows]
    if undefined:
        return [None if g is None else undefined[0] for g in flows]
    if all(uniform(g, 0) is not None for g in cotangents):
        return [None if g is None else zero_gradient(v) for v, g in zip(node.inputs, flows, strict=True)]
    return flows


def subgraph_grad(
    wrt: Sequence[Variable],
    end: Sequence[Variable],
    start: Mapping[Variable, Any] | None = None,
    cost: Variable | None = None,
    details: bool = False,
) -> tuple[Any, ...]:
    """The gradients in a part of a graph: from `cost`, or the known gradients `start`, back to `end`.

    Nothing flows beyond `end`. Gives the gradients by `wrt` and by `end`, two lists; `start` of the part before
    is `end` with its gradients here. With `details` two more lists follow: what of those by `wrt` comes from
    `start` and what from `cost` (None for each if there is no such).

    >>> x = Variable(TensorType("float64", ()), "x")
    >>> y = x ** 2
    >>> _, (by_y,) = subgraph_grad([], [y], cost=3 * y)
    >>> [g.eval({x: 5.0}) for g in subgraph_grad([x], [], start={y: by_y})[0]]
    [array(30.)]
    """
    if cost is None and start is None:
        raise AssertionError("`cost` or `start` must be specified.")
    targets = [*wrt, *end]

    def flowing(cost: Variable | None, known: Mapping[Variable, Any] | None) -> list[Variable]:
        return grad(
            cost,
            targets,
            consider_constant=end,
            disconnected_inputs="ignore",
            known_grads=known,
            add_names=False,
        )

    from_start = None if start is None else flowing(None, start)
    from_cost = None if cost is None else flowing(cost, None)
    total = from_start or from_cost
    if from_start is not None and from_cost is not None:
        total = [a + b for a, b in zip(from_start, from_cost, strict=True)]
    count = len(wrt)
    if not details:
        return total[:count], total[count:]
    parts = [None if g is None else g[:count] for g in (from_start, from_cost)]
    return total[:count], total[count:], *parts
