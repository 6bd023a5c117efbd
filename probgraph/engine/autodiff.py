"""Differentiation: one backward walk that asks each op what flows back to its inputs.

The stabilising rules run on the cost *before* it is differentiated: done only afterwards, the derivative of
log(1 + exp(x)) is inf/inf for large x, and no later rule can know what was meant.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from probgraph.engine.config import config
from probgraph.engine.graph import Apply, Variable, rebuild, toposort
from probgraph.engine.op import Pointwise, as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.rules import stabilized
from probgraph.engine.types import COMPLEX, FLOATS, TensorType, describe


class DisconnectedInputError(ValueError):
    """The cost does not depend on what it is to be differentiated by."""


class NullTypeGradError(TypeError):
    """A gradient is not defined."""


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
    `return_disconnected` says, None). The gradient by an integer variable is zero.

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
        elif add_names and cost is not None and cost.name and v.name and g.name is None:
            g = _named_copy(g, f"(d{cost.name}/d{v.name})")
        results.append(g)
    return tuple(results) if isinstance(wrt, tuple) else results if isinstance(wrt, list) else results[0]


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
    return zero_gradient(v) if result.lower() == "zero" else None


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
    for node in reversed(order):
        if node not in reaching or all(v not in flowing or v in stop for v in node.outputs):
            continue
        cotangents = [
            flowing[v] if v in flowing and v not in stop else zero_gradient(v) for v in node.outputs
        ]
        flows = _flows(node, cotangents)
        for v, g in zip(node.inputs, flows, strict=True):
            if g is None:
                continue
            if not _continuous(v):
                g = zero_gradient(v)
            before = flowing.get(v)
            flowing[v] = g if before is None or not _continuous(v) else g + before
    return {v: flowing[v] for v in targets if v in flowing}


def _reaching(order: Sequence[Apply], targets: set[Variable]) -> set[Apply]:
    """The nodes that depend on a target: only they need differentiating."""
    depends: set[Variable] = set(targets)
    nodes: set[Apply] = set()
    for node in order:
        if any(v in depends for v in node.inputs):
            nodes.add(node)
            depends.update(node.outputs)
    return nodes


def _flows(node: Apply, cotangents: Sequence[Variable]) -> Sequence[Variable | None]:
    flows = node.op.vjp(cotangents, node.outputs, node.inputs)
    if len(flows) != len(node.inputs):
        raise ValueError(f"{node.op}.vjp returned {len(flows)} gradients for {len(node.inputs)} inputs")
    return flows


def Lop(f: Variable | Sequence[Variable], wrt: Any, eval_points: Any, **kwargs: Any) -> Any:
    """The product of a row vector with a Jacobian: `eval_points` (shaped as `f`) times df/dwrt."""
    outputs = list(f) if isinstance(f, list | tuple) else [f]
    points = list(eval_points) if isinstance(eval_points, list | tuple) else [eval_points]
    return grad(None, wrt, known_grads=dict(zip(outputs, points, strict=True)), **kwargs)


class _Barrier(Pointwise):
    """The identity, with another gradient."""

    __props__ = ("kind", "bounds")

    def __init__(self, kind: str, bounds: tuple[float, ...] = ()) -> None:
        self.kind = kind
        self.bounds = bounds

    def infer_type(self, x: Variable) -> list[TensorType]:
        return [x.type]

    def numpy(self, x: Any) -> Any:
        return x

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable | None]:
        (g,) = cotangents
        match self.kind:
            case "disconnected":
                return [None]
            case "zero":
                return [ew.zeros_like(inputs[0])]
            case "clip":
                return [ew.clip(g, *self.bounds)]
            case _:
                return [g * self.bounds[0]]

    def shapes(self, reader: Any, node: Apply) -> Any:
        return [reader.lengths(node.inputs[0])]

    def element(self, reader: Any, node: Apply, index: Any) -> Any:
        return reader.value(node.inputs[0], index)


def disconnected_grad(x: Variable) -> Variable:
    """`x`, through which no gradient flows: what depends on it that way is disconnected."""
    return _Barrier("disconnected")(x)


def zero_grad(x: Variable) -> Variable:
    """`x`, whose gradient counts as zero."""
    return _Barrier("zero")(x)


consider_constant = zero_grad


def grad_clip(x: Variable, lower: float, upper: float) -> Variable:
    """`x`, with the gradient that flows back through it clipped."""
    return _Barrier("clip", (float(lower), float(upper)))(x)


def grad_scale(x: Variable, factor: float) -> Variable:
    """`x`, with the gradient that flows back through it multiplied."""
    return _Barrier("scale", (float(factor),))(x)
