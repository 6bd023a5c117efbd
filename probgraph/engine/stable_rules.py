"""`STABLE`: what was meant where floating point would overflow or cancel.

Each is true in exact arithmetic wherever its left side is defined.
"""

from __future__ import annotations

import numpy as np

import probgraph.engine.operators  # noqa: F401  patterns are written with operators
from probgraph.engine.graph import Apply, Constant, Variable
from probgraph.engine.ops.elementwise import (
    abs,
    erf,
    erfc,
    exp,
    expm1,
    log,
    log1mexp,
    log1p,
    logaddexp,
    mul,
    neg,
    reciprocal,
    sgn,
    sigmoid,
    softplus,
    sqr,
    sqrt,
    sub,
    true_div,
)
from probgraph.engine.ops.reduce import LogSumExp, Reduce, Softmax, restored
from probgraph.engine.ops.shape import DimShuffle, dimshuffle
from probgraph.engine.rewrite import OpRule, Rule, wildcard
from probgraph.engine.types import FLOATS

x, y = wildcard("x"), wildcard("y")
c = wildcard("c", constant=True)


def _positive(**matched: Variable) -> bool:
    return bool(matched["c"].data > 0)


def _even(c: Constant, **others: Variable) -> bool:
    return bool(np.isfinite(c.data) and c.data != 0 and c.data % 2 == 0)


def _not_even(c: Constant, **others: Variable) -> bool:
    return bool(np.isfinite(c.data) and c.data % 2 != 0)


def _sum_of_exp(v: Variable) -> Variable | None:
    """log(v) where `v` is a sum of exponentials, perhaps with new axes, times or over something."""
    node = v.owner
    if node is None or v.dtype not in FLOATS:
        return None
    op = node.op
    if op is true_div or op is mul:
        for part, other in (node.inputs, node.inputs[::-1])[: 2 if op is mul else 1]:
            found = _sum_of_exp(part)
            if found is not None:  # the sum is not negative, so the logarithm's signs work out
                return found - log(other) if op is true_div else found + log(other)
    elif isinstance(op, DimShuffle):
        found = _sum_of_exp(node.inputs[0])
        return None if found is None else dimshuffle(found, op.order)
    elif isinstance(op, Reduce) and op.name == "sum":
        inner = node.inputs[0].owner
        if inner is not None and inner.op is exp and inner.inputs[0].dtype == v.dtype:
            return LogSumExp(op.axis)(inner.inputs[0])
    return None


def _softmax(node: Apply) -> Variable | None:
    """exp(x) / sum(exp(x)), which is inf / inf where exp overflows."""
    top, bottom = node.inputs
    x = top.owner.inputs[0] if top.owner is not None and top.owner.op is exp else None
    total = _without_dimshuffle(bottom).owner
    if x is None or total is None or not isinstance(total.op, Reduce) or total.op.name != "sum":
        return None
    over = total.op.axis
    if total.inputs[0] is not top or not _stands_where_it_was(bottom, x.ndim, over):
        return None
    shifted = x.owner
    if shifted is not None and shifted.op is sub:
        largest = _without_dimshuffle(shifted.inputs[1]).owner
        if largest is not None and isinstance(largest.op, Reduce) and largest.op.name == "max":
            return None  # somebody has seen to it: exp cannot overflow
    return Softmax(over)(x)


def _stands_where_it_was(v: Variable, rank: int, axis: tuple[int, ...]) -> bool:
    """Whether a variable of `rank`, reduced along `axis` to `v`, is still lined up with what it was."""
    kept = [a for a in range(rank) if a not in axis]
    places = [a if a in kept else "x" for a in range(rank)]
    if v.owner is not None and isinstance(v.owner.op, DimShuffle):
        return [kept[a] if a != "x" else "x" for a in v.owner.op.order] == places
    return places == ["x"] * (rank - len(kept)) + kept


def _log_softmax(node: Apply) -> Variable | None:
    inner = node.inputs[0].owner
    if inner is None or not isinstance(inner.op, Softmax):
        return None
    x, axis = inner.inputs[0], inner.op.axis
    return x - restored(LogSumExp(axis)(x), x, axis)


def _without_dimshuffle(v: Variable) -> Variable:
    return v.owner.inputs[0] if v.owner is not None and isinstance(v.owner.op, DimShuffle) else v


STABLE = [
    Rule(neg(neg(x)), x, over="numbers"),
    # logarithms of sums
    Rule(log(exp(x)), x),
    Rule(log(1 + exp(x)), softplus(x)),
    Rule(log1p(exp(x)), softplus(x)),
    Rule(log(exp(x) + exp(y)), logaddexp(x, y)),
    Rule(log(c + exp(x)), logaddexp(log(c), x), where=_positive),
    OpRule("log(sum(exp(x))) → logsumexp(x)", log, lambda node: _sum_of_exp(node.inputs[0])),
    Rule(log(1 - exp(x)), log1mexp(x)),
    Rule(log(-expm1(x)), log1mexp(x)),
    Rule(log1p(-exp(x)), log1mexp(x)),
    Rule(log(expm1(x)), x + log1mexp(-x)),
    Rule(log(exp(x) - exp(y)), x + log1mexp(y - x)),
    # sigmoids
    Rule(1 / (1 + exp(x)), sigmoid(-x)),
    Rule(reciprocal(1 + exp(x)), sigmoid(-x)),
    Rule((1 + exp(x)) ** -1, sigmoid(-x)),
    Rule(exp(x) / (1 + exp(x)), sigmoid(x)),
    Rule(exp(x) / (exp(x) + exp(y)), sigmoid(x - y)),
    Rule(exp(x) / sqr(1 + exp(x)), sigmoid(x) * sigmoid(-x)),
    Rule(exp(x) / (1 + exp(x)) ** 2, sigmoid(x) * sigmoid(-x)),
    Rule(1 - sigmoid(x), sigmoid(-x)),
    Rule(sigmoid(x) / sigmoid(-x), exp(x)),
    Rule(sigmoid(-x) / sigmoid(x), exp(-x)),
    Rule(log(sigmoid(x)), -softplus(-x)),
    Rule(log1p(-sigmoid(x)), -softplus(x)),
    Rule(exp(-softplus(x)), sigmoid(-x)),
    OpRule("exp(x) / sum(exp(x)) → softmax(x)", true_div, _softmax),
    OpRule("log(softmax(x)) → x - logsumexp(x)", log, _log_softmax),
    # logarithms of products
    Rule(log(exp(x) * y), x + log(y)),
    Rule(log(exp(x) / y), x - log(y)),
    Rule(log(y / exp(x)), log(y) - x),
    Rule(log(sqrt(x)), 0.5 * log(x)),
    Rule(log(sqr(x)), 2 * log(abs(x))),
    Rule(log(x**c), c * log(abs(x)), where=_even),
    Rule(log(x**c), c * log(x), where=_not_even),
    # differences that cancel
    Rule(log(1 + x), log1p(x)),
    Rule(log(1 - x), log1p(-x)),
    Rule(exp(x) - 1, expm1(x)),
    Rule(exp(x) + -1, expm1(x)),
    Rule(1 - exp(x), -expm1(x)),
    Rule(1 - erf(x), erfc(x)),
    Rule(1 + erf(x), erfc(-x)),
    Rule(1 - erfc(x), erf(x)),
    # squares that overflow
    Rule(sqrt(sqr(x)), abs(x)),
    Rule(sqrt(x**2), abs(x)),
    Rule(sqrt(x * x), abs(x)),
    Rule(x / abs(x), sgn(x)),
    Rule(abs(x) / x, sgn(x)),
]
