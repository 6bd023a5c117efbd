"""Rules about arrays as wholes: conversions, fills, sums, shapes, and parts that are written.

Patterns cannot say these, as they depend on axes and lengths; each is a function of a node.
"""

from __future__ import annotations

import numpy as np

from probgraph.engine.graph import Apply, Constant, Variable, tensor_constant
from probgraph.engine.op import Op
from probgraph.engine.ops.elementwise import Elementwise, add, cast, fill, mul, neg, switch, true_div
from probgraph.engine.ops.index import INDEX, IncGather, IncSubtensor, Subtensor
from probgraph.engine.ops.reduce import LogSumExp, Reduce, Softmax
from probgraph.engine.ops.shape import Alloc, DimShuffle, Shape, SpecifyShape, dimshuffle, length, shape
from probgraph.engine.rewrite import OpRule, uniform
from probgraph.engine.types import COMPLEX, FLOATS, INTEGERS


def _merged_casts(node: Apply) -> Variable | None:
    v = node.inputs[0]
    if v.dtype == node.out.dtype:
        return v
    inner = v.owner
    if inner is None or not _is_cast(inner.op):
        return None
    first = inner.inputs[0]
    inexact = first.dtype in ("int64", "uint64") and v.dtype not in INTEGERS
    if inexact or not np.can_cast(first.dtype, v.dtype, "safe"):
        return None
    if first.dtype in COMPLEX and node.out.dtype not in COMPLEX:
        return None
    return cast(first, node.out.dtype)


def _is_cast(op: Op) -> bool:
    return isinstance(op, Elementwise) and op.name.startswith("Cast{")


def _decided(node: Apply) -> Variable | None:
    condition, left, right = node.inputs
    if left is right:
        return left
    known = uniform(condition)
    return None if known is None else (left if known.data else right)


def _unneeded_fill(node: Apply) -> Variable | None:
    """fill(model, value) where the value has the shape already, or the model is more than a shape needs."""
    model, value = node.inputs
    if value.type == node.out.type:
        return value
    if value.owner is not None and value.owner.op is fill:
        return fill(model, value.owner.inputs[1]) if model.type.shape == node.out.type.shape else None
    smaller = _same_shape(model)
    return None if smaller is None else fill(smaller, value)


def _same_shape(v: Variable) -> Variable | None:
    """Something that is computed earlier and has the shape of `v`."""
    node = v.owner
    if node is None:
        return None
    if isinstance(node.op, Elementwise):
        fitting = [i for i in node.inputs if i.type.shape == v.type.shape]
        roots_first = sorted(fitting, key=lambda i: i.owner is not None)
        return roots_first[0] if roots_first else None
    if isinstance(node.op, IncSubtensor | IncGather | Softmax):
        return node.inputs[0]
    return None


def _shape_of(node: Apply) -> Variable | None:
    v = node.inputs[0]
    if None not in v.type.shape:
        return tensor_constant(v.type.shape, "int64")
    same = _same_shape(v)
    if same is not None:
        return shape(same)
    # An operation of a user's may say what lengths it makes, so that it need not run for them.
    told = getattr(v.owner.op, "told_shape", None) if v.owner is not None else None
    return None if told is None else told(v)


def _one_length(node: Apply) -> Variable | None:
    """One element of a shape, from what its variable is made of."""
    lengths, *place = node.inputs
    if lengths.owner is None or not isinstance(lengths.owner.op, Shape) or node.op.entries != (INDEX,):
        return None
    if not isinstance(place[0], Constant):
        return None
    v = lengths.owner.inputs[0]
    axis = int(place[0].data)
    if not -v.ndim <= axis < v.ndim:
        return None
    found = _length(v, axis % v.ndim)
    return tensor_constant(found, "int64") if isinstance(found, int) else found


def _length(v: Variable, axis: int) -> int | Variable | None:
    known, maker = v.type.shape[axis], v.owner
    if known is not None:
        return known
    if maker is None:
        return None
    match maker.op:
        case DimShuffle():
            return length(maker.inputs[0], maker.op.order[axis])
        case Alloc():
            return maker.inputs[1 + axis]
        case Reduce() | LogSumExp():
            kept = [a for a in range(maker.inputs[0].ndim) if a not in maker.op.axis]
            return length(maker.inputs[0], kept[axis])
        case Elementwise():
            for i in maker.inputs:
                mine = axis - v.ndim + i.ndim
                if mine >= 0 and i.type.shape[mine] != 1:
                    return length(i, mine)
    return None


def _merged_dimshuffles(node: Apply) -> Variable | None:
    v, order = node.inputs[0], node.op.order
    if order == tuple(range(v.ndim)):
        return v
    if v.owner is not None and isinstance(v.owner.op, DimShuffle):
        inner = v.owner.op.order
        return dimshuffle(v.owner.inputs[0], tuple("x" if a == "x" else inner[a] for a in order))
    return None


def _nothing_to_specify(node: Apply) -> Variable | None:
    return node.inputs[0] if node.inputs[0].type == node.out.type else None


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


def _added_part(node: Apply) -> Variable | None:
    """y + inc_subtensor(zeros[i], part) → inc_subtensor(y[i], part): one array is written, none is added."""
    for written, other in (node.inputs, node.inputs[::-1]):
        inner = written.owner
        if inner is None or not isinstance(inner.op, IncSubtensor | IncGather) or inner.op.set:
            continue
        base = uniform(inner.inputs[0], 0)
        if base is not None and other.type == written.type == node.out.type:
            return inner.op(other, *inner.inputs[1:])
    return None


ARRAYS = [
    # conversions and fills
    OpRule(
        "cast of a cast → one cast",
        Elementwise,
        lambda node: _merged_casts(node) if _is_cast(node.op) else None,
    ),
    OpRule("switch whose outcome is known → the branch", switch, _decided),
    OpRule("fill that changes nothing → the value", fill, _unneeded_fill),
    # sums
    OpRule("reduction of axes of length 1 → dimshuffle", Reduce, _over_length_one),
    OpRule("sum of a sum → one sum", Reduce, _sum_of_sum),
    OpRule("sum of equal numbers → a product", Reduce, _sum_of_equal),
    OpRule("sum(c * x) → c * sum(x)", Reduce, _sum_of_scaled),
    # shapes
    OpRule("shape of a result → shape of what it is made of", Shape, _shape_of),
    OpRule("one length → where it comes from", Subtensor, _one_length),
    OpRule("dimshuffle of a dimshuffle → one", DimShuffle, _merged_dimshuffles),
    OpRule("specify_shape of what is known → nothing", SpecifyShape, _nothing_to_specify),
    # parts of arrays
    OpRule("y + inc(zeros, part) → inc(y, part)", add, _added_part),
]
