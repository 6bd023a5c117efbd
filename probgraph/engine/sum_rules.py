"""`SUMS`: reductions of what is already reduced, scaled or repeated."""

from __future__ import annotations

import numpy as np

from probgraph.engine.graph import Apply, Constant, Variable, tensor_constant
from probgraph.engine.ops.elementwise import (
    add,
    cast,
    eq,
    exp,
    fill,
    log,
    log1p,
    mul,
    neg,
    softplus,
    sqr,
    sqrt,
    sub,
    switch,
    true_div,
    zeros_like,
)
from probgraph.engine.ops.reduce import Reduce
from probgraph.engine.ops.shape import Alloc, dimshuffle, length
from probgraph.engine.rewrite import OpRule, uniform
from probgraph.engine.types import COMPLEX, FLOATS

#: a part that is taken out of a sum is no larger than this: its total costs no digits that matter
_SMALL = 100


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


def _sum_of_terms(node: Apply) -> Variable | None:
    """sum(x + c) → sum(x) + sum(c) where the part c is summed once and for all: constants, and scalars.

    Only for parts that stay small, or next to terms that are rounded already. In sum(y - mu) the terms may cancel to
    numbers that are exact, whose digits would be lost.
    """
    op, v = node.op, node.inputs[0]
    if op.name != "sum" or v.dtype not in FLOATS or v.owner is None or v.owner.op not in (add, sub):
        return None
    first, second = v.owner.inputs
    for part, rest in ((first, second), (second, first)):
        if rest.type != v.type or isinstance(rest, Constant):
            continue
        if not _stays_small(part) and (part.ndim or isinstance(part, Constant) or not _is_rounded(rest)):
            continue
        alone = op(part if part.type == v.type else fill(rest, cast(part, v.dtype)))
        if v.owner.op is add:
            return op(rest) + alone
        return op(rest) - alone if part is second else alone - op(rest)
    return None


def _stays_small(v: Variable) -> bool:
    if isinstance(v, Constant):
        return v.data.size > 0 and bool((np.abs(v.data) <= _SMALL).all())
    if v.ndim or v.owner is None:
        return uniform(v) is not None and _stays_small(uniform(v))
    if v.owner.op in (neg, mul):
        return all(_stays_small(i) for i in v.owner.inputs)
    return v.owner.op in (log, log1p)


def _is_rounded(v: Variable) -> bool:
    while v.owner is not None and v.owner.op is neg:
        v = v.owner.inputs[0]
    return v.owner is not None and v.owner.op in (mul, true_div, sqr, sqrt, exp, log, log1p, softplus)


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
    product = cast(number, op.acc_dtype) * count
    if isinstance(count, Variable):  # of nothing the sum is 0, also where the number is infinite
        product = switch(eq(count, 0), zeros_like(product), product)
    total = cast(product, op.dtype)
    lengths = [length(v, axis) for axis in range(v.ndim) if axis not in op.axis]
    return Alloc()(total, *(_as_length(n) for n in lengths)) if lengths else total


def _as_length(n: int | Variable) -> Variable:
    return tensor_constant(n, "int64") if isinstance(n, int) else n


SUMS = [
    OpRule("reduction of axes of length 1 → dimshuffle", Reduce, _over_length_one),
    OpRule("sum of a sum → one sum", Reduce, _sum_of_sum),
    OpRule("sum of equal numbers → a product", Reduce, _sum_of_equal),
    OpRule("sum(x + c) → sum(x) + sum(c)", Reduce, _sum_of_terms),
    OpRule("sum(c * x) → c * sum(x)", Reduce, _sum_of_scaled),
]
