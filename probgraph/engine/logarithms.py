"""What the logarithm of a graph is, where that can be said without computing the graph.

exp(x) overflows at 710 and is 0 at -746; its logarithm is x everywhere. The same is true of sigmoids and softmaxes,
of products, quotients, powers and sums of such with what cannot be negative, and of parts and views of them.
"""

from __future__ import annotations

import numpy as np

from probgraph.engine.graph import Apply, Constant, Variable
from probgraph.engine.op import literal
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.index import Gather, Subtensor
from probgraph.engine.ops.reduce import LogSumExp, Reduce, Softmax, restored
from probgraph.engine.ops.shape import Alloc, DimShuffle, Reshape, Shape
from probgraph.engine.types import FLOATS

#: how many nodes one look may visit: formulas that people write are smaller
_SIGHT = 60


class _Look:
    """One look at a graph, which ends when it has seen enough."""

    def __init__(self) -> None:
        self.left = _SIGHT

    def tired(self) -> bool:
        self.left -= 1
        return self.left < 0


def never_negative(v: Variable, look: _Look | None = None) -> bool:
    """Whether no element of `v` can be below 0 (it may be nan)."""
    look = _Look() if look is None else look
    if look.tired():
        return False
    node = v.owner
    if node is None:
        data = v.data if isinstance(v, Constant) else None
        known = isinstance(data, np.ndarray) and data.dtype.kind in "biuf"
        return v.dtype == "bool" or v.dtype.startswith("uint") or (known and not bool((data < 0).any()))
    op, inputs = node.op, node.inputs
    if op in (ew.exp, ew.sigmoid, ew.softplus, ew.sqr, ew.abs, ew.sqrt, ew.erfc) or isinstance(
        op, Softmax | Shape
    ):
        return v.dtype in FLOATS or isinstance(op, Shape)
    if _shows(node) is not None:
        return never_negative(_shows(node), look)
    if op in (ew.mul, ew.add, ew.true_div, ew.minimum):
        return all(never_negative(i, look) for i in inputs)
    if op is ew.maximum:
        return any(never_negative(i, look) for i in inputs)
    if op is ew.switch:
        return all(never_negative(i, look) for i in inputs[1:])
    if op in (ew.expm1, ew.log1p, ew.identity, ew.pow) or (
        isinstance(op, ew.Elementwise) and op.name[:4] == "Cast"
    ):
        return never_negative(inputs[0], look)
    if isinstance(op, Reduce) and op.name in ("sum", "prod", "max", "min"):
        return never_negative(inputs[0], look)
    return False


def _shows(node: Apply) -> Variable | None:
    """Whose elements a node rearranges, picks or repeats."""
    if node.op is ew.fill:
        return node.inputs[1]
    return node.inputs[0] if isinstance(node.op, DimShuffle | Subtensor | Gather | Reshape | Alloc) else None


def _showing(node: Apply, of: Variable) -> Variable:
    """The same rearrangement of another variable."""
    if node.op is ew.fill:
        return ew.fill(node.inputs[0], of)
    return node.op(of, *node.inputs[1:])


def logarithm(v: Variable) -> Variable | None:
    """log(v) without computing `v`, if it is made of exponentials and of what is never negative; else None."""
    if v.dtype not in FLOATS:
        return None
    found = _logarithm(v, _Look())
    return found if found is not None and found.dtype == v.dtype else None


def _logarithm(v: Variable, look: _Look) -> Variable | None:
    node = v.owner
    if node is None or look.tired() or v.dtype not in FLOATS:
        return None
    op = node.op
    shown = _shows(node)
    if shown is not None:
        inner = _logarithm(shown, look)
        return None if inner is None else _showing(node, inner)
    if any(i.dtype != v.dtype for i in node.inputs[1 if op is ew.switch else 0 :]):
        return None
    if op is ew.exp:
        return node.inputs[0]
    if op is ew.sigmoid:
        return -ew.softplus(-node.inputs[0])
    if isinstance(op, Softmax):
        x = node.inputs[0]
        return x - restored(LogSumExp(op.axis)(x), x, op.axis)
    if op is ew.sqrt:
        inner = _logarithm(node.inputs[0], look)
        return None if inner is None else literal(0.5, v.dtype) * inner
    if isinstance(op, Reduce) and op.name in ("sum", "prod"):
        inner = _logarithm(node.inputs[0], look)
        if inner is None or (op.name == "sum" and shifted_by_largest(inner)):
            return None
        return (
            LogSumExp(op.axis)(inner)
            if op.name == "sum"
            else Reduce("sum", op.axis, op.dtype, op.acc_dtype)(inner)
        )
    if op in (ew.mul, ew.true_div, ew.add):
        parts = [_logarithm(i, look) for i in node.inputs]
        if all(p is None for p in parts):
            return None
        for place, part in enumerate(parts):
            if part is None:
                if not never_negative(node.inputs[place], look):
                    return None
                parts[place] = ew.log(node.inputs[place])
        a, b = parts
        return ew.logaddexp(a, b) if op is ew.add else a + b if op is ew.mul else a - b
    return None


def log_of_complement(v: Variable, look: _Look | None = None) -> Variable | None:
    """log(1 - v) where `v` is a sigmoid or an exponential, or a part or view of one."""
    look = _Look() if look is None else look
    shown = _shows(v.owner) if v.owner is not None else None
    if shown is not None:
        inner = None if look.tired() else log_of_complement(shown, look)
        return None if inner is None else _showing(v.owner, inner)
    if v.owner is None or v.dtype not in FLOATS or v.owner.inputs[0].dtype != v.dtype:
        return None
    if v.owner.op is ew.sigmoid:
        return -ew.softplus(v.owner.inputs[0])
    return ew.log1mexp(v.owner.inputs[0]) if v.owner.op is ew.exp else None


def complement(v: Variable, look: _Look | None = None) -> Variable | None:
    """1 - v where `v` is a part or view of a sigmoid."""
    look = _Look() if look is None else look
    shown = _shows(v.owner) if v.owner is not None else None
    if shown is not None:
        inner = None if look.tired() else complement(shown, look)
        return None if inner is None else _showing(v.owner, inner)
    if v.owner is None or v.owner.op is not ew.sigmoid:
        return None
    return ew.sigmoid(-v.owner.inputs[0])


def overflows(v: Variable) -> bool:
    """Whether an exponential is in sight, which is what makes another way worth its price."""
    waiting, look = [v], _Look()
    while waiting and not look.tired():
        node = waiting.pop().owner
        if node is None:
            continue
        if node.op is ew.exp:
            return True
        if node.op in (ew.mul, ew.true_div, ew.add):
            waiting.extend(node.inputs)
        elif _shows(node) is not None:
            waiting.append(_shows(node))
        elif isinstance(node.op, Reduce):
            waiting.append(node.inputs[0])
    return False


def shifted_by_largest(x: Variable) -> bool:
    """Whether `x` is something less its largest element: somebody has seen to it that exp cannot overflow."""
    if x.owner is None or x.owner.op is not ew.sub:
        return False
    largest = x.owner.inputs[1].owner
    if largest is not None and isinstance(largest.op, DimShuffle):
        largest = largest.inputs[0].owner
    return largest is not None and isinstance(largest.op, Reduce) and largest.op.name == "max"
