"""Rules about arrays as wholes: conversions, fills, shapes, and parts that are written.

Patterns cannot say these, as they depend on axes and lengths; each is a function of a node.
"""

from __future__ import annotations

import numpy as np

from probgraph.engine.graph import Apply, Constant, Variable, tensor_constant
from probgraph.engine.op import Op
from probgraph.engine.ops.elementwise import Elementwise, add, cast, fill, switch
from probgraph.engine.ops.index import INDEX, IncGather, IncSubtensor, Slice, Subtensor
from probgraph.engine.ops.reduce import LogSumExp, Reduce, Softmax
from probgraph.engine.ops.shape import (
    Alloc,
    DimShuffle,
    Reshape,
    Shape,
    SpecifyShape,
    dimshuffle,
    length,
    shape,
)
from probgraph.engine.rewrite import OpRule, uniform
from probgraph.engine.types import COMPLEX, INTEGERS


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
    # All the way down at once: step by step, a chain of n operations would be n rewrites one inside the other.
    smallest, smaller = model, _same_shape(model)
    while smaller is not None:
        smallest, smaller = smaller, _same_shape(smaller)
    return None if smallest is model else fill(smallest, value)


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


def _merged_reshapes(node: Apply) -> Variable | None:
    """A reshape of a reshape, and one to the lengths that there are."""
    v = node.inputs[0]
    if v.type == node.out.type and None not in v.type.shape:
        return v
    if v.owner is None or not isinstance(v.owner.op, Reshape):
        return None
    merged = node.op(v.owner.inputs[0], *node.inputs[1:])
    return merged if merged.type == node.out.type else None


def _part_of_repeated(node: Apply) -> Variable | None:
    """One element of a number repeated, and all of an array."""
    v = node.inputs[0]
    if all(entry == Slice() for entry in node.op.entries):
        return v
    if v.owner is None or not isinstance(v.owner.op, Elementwise) or v.owner.op is fill:
        return None
    # Where one element is asked for, only that one is computed.
    picks = all(entry == INDEX for entry in node.op.entries) and len(node.op.entries) == v.ndim
    if not picks or any(i.type.shape != v.type.shape and i.ndim for i in v.owner.inputs):
        return None
    return v.owner.op(*(node.op(i, *node.inputs[1:]) if i.ndim else i for i in v.owner.inputs))


def _nothing_to_specify(node: Apply) -> Variable | None:
    return node.inputs[0] if node.inputs[0].type == node.out.type else None


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
    # shapes
    OpRule("shape of a result → shape of what it is made of", Shape, _shape_of),
    OpRule("one length → where it comes from", Subtensor, _one_length),
    OpRule("dimshuffle of a dimshuffle → one", DimShuffle, _merged_dimshuffles),
    OpRule("reshape of a reshape → one", Reshape, _merged_reshapes),
    OpRule("f(x)[i] → f(x[i]) for one element", Subtensor, _part_of_repeated),
    OpRule("specify_shape of what is known → nothing", SpecifyShape, _nothing_to_specify),
    # parts of arrays
    OpRule("y + inc(zeros, part) → inc(y, part)", add, _added_part),
]
