"""`SUMS`: reductions of what is already reduced, scaled or repeated."""

from __future__ import annotations

import numpy as np

from probgraph.engine.graph import Apply, Variable, tensor_constant
from probgraph.engine.ops.elementwise import cast, fill, mul, neg, true_div
from probgraph.engine.ops.reduce import Reduce
from probgraph.engine.ops.shape import Alloc, dimshuffle, length
from probgraph.engine.rewrite import OpRule
from probgraph.engine.types import COMPLEX, FLOATS


def _over_length_one(node: Apply) -> Variable | None:
    """A reduction of axes that have one element each."""
    v, axis = node.inputs[0], node.op.axis
    if any(v.type.shape[a] != 1 for a in axis):
        return None
    return cast(dimshuffle(v, tuple(a for a in range(v.ndim) if a not in axis)), node.op.dtype)


def _sum_of_sum(node: Apply) -> Variable | None:
    op, inner = node.op, node.inputs[0].owner
    if inner is None or not isinstance(inner.op, Reduce):
        return None
    first = inner.op
    if (first.name, first.dtype, first.acc_dtype) != (op.name, op.dtype, op.acc_dtype):
        return None
    kept = [a for a in range(inner.inputs[0].ndim) if a not in first.axis]
    axis = tuple(sorted({*first.axis, *(kept[a] for a in op.axis)}))
    return Reduce(op.name, axis, op.dtype, op.acc_dtype)(inner.inputs[0])


def _sum_of_scaled(node: Apply) -> Variable | None:
    """sum(c * x) → c * sum(x), also for a symbolic scalar c; sum(-x) → -sum(x)."""
    op, v = node.op, node.inputs[0]
    if op.name != "sum" or v.owner is None or v.dtype not in (*FLOATS, *COMPLEX):
        return None
    inner = v.owner
    if inner.op is neg:
        return -op(inner.inputs[0])
    if inner.op is mul:
        for factor, rest in (inner.inputs, inner.inputs[::-1]):
            if factor.ndim == 0 and rest.type == v.type:
                return factor * op(rest)
    if inner.op is true_div and inner.inputs[1].ndim == 0 and inner.inputs[0].type == v.type:
        return op(inner.inputs[0]) / inner.inputs[1]
    return None


def _sum_of_equal(node: Apply) -> Variable | None:
    """The sum of one number repeated: that number times how often."""
    op, v = node.op, node.inputs[0]
    if op.name != "sum" or v.owner is None or not (v.owner.op is fill or isinstance(v.owner.op, Alloc)):
        return None
    number = v.owner.inputs[1 if v.owner.op is fill else 0]
    if number.ndim:
        return None
    count: Variable | int = 1
    for axis in op.axis:
        count = count * length(v, axis)
    count = cast(count, op.acc_dtype) if isinstance(count, Variable) else np.asarray(count, op.acc_dtype)
    total = cast(cast(number, op.acc_dtype) * count, op.dtype)
    lengths = [length(v, axis) for axis in range(v.ndim) if axis not in op.axis]
    return Alloc()(total, *(_as_length(n) for n in lengths)) if lengths else total


def _as_length(n: int | Variable) -> Variable:
    return tensor_constant(n, "int64") if isinstance(n, int) else n


SUMS = [
    OpRule("reduction of axes of length 1 → dimshuffle", Reduce, _over_length_one),
    OpRule("sum of a sum → one sum", Reduce, _sum_of_sum),
    OpRule("sum of equal numbers → a product", Reduce, _sum_of_equal),
    OpRule("sum(c * x) → c * sum(x)", Reduce, _sum_of_scaled),
]
