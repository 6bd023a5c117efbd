"""`FOLD`: what depends on constants alone is computed once, before the first call."""

from __future__ import annotations

import numpy as np

from probgraph.engine.graph import Apply, Constant, Variable, tensor_constant
from probgraph.engine.op import KernelCall, Op, Pointwise, Reduction, Scatter
from probgraph.engine.ops.elementwise import fill
from probgraph.engine.ops.matrices import Composite
from probgraph.engine.ops.reduce import LogSumExp, Softmax
from probgraph.engine.ops.shape import Alloc, ARange, DimShuffle
from probgraph.engine.rewrite import OpRule
from probgraph.engine.types import FLOATS


def _computed(node: Apply) -> list[Variable] | None:
    """The results of constants, unless they are much larger than what they come from."""
    if not all(isinstance(v, Constant) for v in node.inputs):
        return None
    if not isinstance(
        node.op, Pointwise | Reduction | Scatter | KernelCall | LogSumExp | Softmax | Composite
    ):
        return None  # an operation of the user's may do more than compute
    if (
        isinstance(node.op, DimShuffle)
        and node.out.ndim == node.inputs[0].ndim
        and node.inputs[0].data.size > 64
    ):
        return None  # a transpose is read in place; a copy of it would be more memory to read, in a loop of its own
    if node.out.ndim and (node.op is fill or isinstance(node.op, Alloc | ARange)):
        return None  # a number repeated or counted is better than memory to read
    room = max(1024, *(v.data.size for v in node.inputs))
    if any(None not in v.type.shape and np.prod(v.type.shape) > room for v in node.outputs):
        return None
    try:
        values = node.op.numpy(*(v.data for v in node.inputs))
    except Exception:  # whatever is wrong with it is to be said at the call, not here
        return None
    values = values if len(node.outputs) > 1 else [values]
    written = all(v.literal is not None for v in node.inputs)
    measured = any(v.measured or v.data.size > 1 for v in node.inputs)
    return [
        tensor_constant(
            value, v.dtype, None, _literal(value) if written else None, measured and v.dtype in FLOATS
        )
        for value, v in zip(values, node.outputs, strict=True)
    ]


def _literal(value: np.ndarray) -> int | None:
    """The integer to print for a result of integers as the user wrote them: `2 - 1` is `1`, not `1.0`."""
    whole = value.ndim == 0 and value.dtype.kind in "iuf" and np.isfinite(value) and value == np.trunc(value)
    return int(value) if whole else None


def _scalar_fill(node: Apply) -> Variable | None:
    return node.inputs[1] if node.out.ndim == 0 else None


FOLD = [
    OpRule("operation on constants → its value", Op, _computed),
    OpRule("fill of a scalar → the value", fill, _scalar_fill),
]
