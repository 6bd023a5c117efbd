"""`STABLE`: what was meant where floating point would overflow or cancel.

Each is true in exact arithmetic wherever its left side is defined.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import probgraph.engine.operators  # noqa: F401  patterns are written with operators
from probgraph.engine.graph import Apply, Constant, Variable
from probgraph.engine.logarithms import (
    complement,
    log_of_complement,
    logarithm,
    never_negative,
    overflows,
    shifted_by_largest,
)
from probgraph.engine.op import Op
from probgraph.engine.ops.elementwise import (
    abs,
    add,
    cosh,
    eq,
    erf,
    erfc,
    exp,
    expm1,
    fill,
    isinf,
    log,
    log1mexp,
    log1p,
    log_erfc,
    logaddexp,
    lt,
    mul,
    neg,
    reciprocal,
    sgn,
    sigmoid,
    softplus,
    sqr,
    sqrt,
    sub,
    switch,
    tanh,
    true_div,
    xlog1py,
    xlogy,
)
from probgraph.engine.ops.index import Gather, Subtensor
from probgraph.engine.ops.reduce import LogSumExp, Reduce, Softmax, restored
from probgraph.engine.ops.shape import Alloc, DimShuffle, Reshape, dimshuffle
from probgraph.engine.rewrite import OpRule, Rule, uniform, wildcard
from probgraph.engine.types import FLOATS

x, y = wildcard("x"), wildcard("y")
c = wildcard("c", constant=True)


def _positive(**matched: Variable) -> bool:
    return bool(matched["c"].data > 0)


def _even(c: Constant, **others: Variable) -> bool:
    return bool(np.isfinite(c.data) and c.data != 0 and c.data % 2 == 0)


def _not_even(c: Constant, **others: Variable) -> bool:
    return bool(np.isfinite(c.data) and c.data % 2 != 0)


class _Factors(NamedTuple):
    """A product taken apart: the logarithm of what has one at hand, and what is left over and under the line."""

    log: Variable | None
    top: Variable | None
    bottom: Variable | None


def _factors(v: Variable, at_hand: Callable[[Variable], Variable | None], depth: int) -> _Factors:
    node = v.owner
    if node is not None and depth and v.dtype in FLOATS:
        if node.op is mul or node.op is true_div:
            a, b = (_factors(part, at_hand, depth - 1) for part in node.inputs)
            if a.log is None and b.log is None:
                return _Factors(None, v, None)
            if node.op is mul:
                return _Factors(
                    *(_joined(p, q, q_op) for p, q, q_op in zip(a, b, (add, mul, mul), strict=True))
                )
            logs = a.log if b.log is None else -b.log if a.log is None else a.log - b.log
            return _Factors(logs, _joined(a.top, b.bottom, mul), _joined(a.bottom, b.top, mul))
        found = at_hand(v)
        if found is not None and found.dtype == v.dtype:
            return _Factors(found, None, None)
    return _Factors(None, v, None)


def _joined(a: Variable | None, b: Variable | None, op: Op) -> Variable | None:
    return b if a is None else a if b is None else op(a, b)


def _log_by_factors(v: Variable, at_hand: Callable[[Variable], Variable | None]) -> Variable | None:
    """log(v), the logarithms at hand taken out. What has none stays together: two factors may both be negative."""
    found, top, bottom = _factors(v, at_hand, 8)
    if found is None:
        return None
    if top is not None:
        return found + log(top if bottom is None else top / bottom)
    return found if bottom is None else found - log(bottom)


def _log_of_sum(node: Apply) -> Variable | None:
    """log(v) where `v` is a sum of exponentials along axes, each perhaps weighted, perhaps with new axes, times or
    over something."""
    return _log_by_factors(node.inputs[0], _log_if_sum)


def _log_if_sum(v: Variable) -> Variable | None:
    node = v.owner
    if isinstance(node.op, DimShuffle) and node.inputs[0].owner is not None:
        found = _log_if_sum(node.inputs[0])
        return None if found is None else dimshuffle(found, node.op.order)
    is_sum = isinstance(node.op, Reduce) and node.op.name == "sum"
    return logarithm(v) if is_sum and overflows(node.inputs[0]) else None


def _log_of_factors(node: Apply) -> Variable | None:
    """log(v) where `v` is a product or quotient with an exponential or sigmoid among its factors."""
    v = node.inputs[0]
    return _log_by_factors(v, _log_if_factor) if _made_by(v, mul) or _made_by(v, true_div) else None


def _log_if_factor(v: Variable) -> Variable | None:
    made = v.owner.op
    return logarithm(v) if made in (exp, sigmoid) or isinstance(made, Softmax | _VIEWS) else None


def _log_of_two(node: Apply) -> Variable | None:
    total = node.inputs[0]
    return logarithm(total) if _made_by(total, add) and overflows(total) else None


def _log_of_view(node: Apply) -> Variable | None:
    v = node.inputs[0]
    return (
        logarithm(v)
        if v.owner is not None and (v.owner.op is fill or isinstance(v.owner.op, _VIEWS))
        else None
    )


def _log_of_product(node: Apply) -> Variable | None:
    """The logarithm of a product, which over- and underflows where the sum of logarithms does not."""
    found = logarithm(node.inputs[0])
    made = node.inputs[0].owner
    if made is None or not isinstance(made.op, Reduce) or made.op.name != "prod":
        return None
    if found is not None:
        return found
    v, op = made.inputs[0], made.op
    if v.dtype not in FLOATS or v.dtype != node.out.dtype:
        return None
    total = Reduce("sum", op.axis, op.dtype, op.acc_dtype)
    if never_negative(v):
        return total(log(v))
    size = total(log(abs(v)))
    return switch(lt(op(sgn(v)), 0), fill(size, np.asarray(np.nan, size.dtype)), size)


def _log1p_of_exponentials(node: Apply) -> Variable | None:
    v = node.inputs[0]
    found = logarithm(v) if overflows(v) else None
    return None if found is None else softplus(found)


def _log_of_complement(node: Apply) -> Variable | None:
    inner = node.inputs[0].owner
    return log_of_complement(inner.inputs[0]) if inner is not None and inner.op is neg else None


def _complement(node: Apply) -> Variable | None:
    one, v = node.inputs
    return complement(v) if uniform(one, 1) is not None and not _made_by(v, sigmoid) else None


def _times_log(node: Apply) -> Variable | None:
    """x log(y), still 0 where x is 0."""
    x, y = node.inputs
    found = logarithm(y)
    return None if found is None or x.dtype != y.dtype else _times(x, found)


def _times_log1p(node: Apply) -> Variable | None:
    x, y = node.inputs
    if x.dtype != y.dtype or y.owner is None:
        return None
    if y.owner.op is neg:
        found = log_of_complement(y.owner.inputs[0])
    else:
        found = logarithm(y) if overflows(y) else None
        found = None if found is None else softplus(found)
    return None if found is None else _times(x, found)


def _times(x: Variable, y: Variable) -> Variable:
    """x y, but 0 where x is 0 and y infinite: as a factor, so that it differentiates as it should."""
    return x * switch(eq(x, 0) & isinf(y), fill(y, np.zeros((), y.dtype)), y)


def _made_by(v: Variable, op: Op) -> bool:
    return v.owner is not None and v.owner.op is op


_VIEWS = DimShuffle | Subtensor | Gather | Reshape | Alloc


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
    return None if shifted_by_largest(x) else Softmax(over)(x)


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
    OpRule("log(sum(exp(x))) → logsumexp(x)", log, _log_of_sum),
    OpRule("log(a exp(x) + b exp(y)) → logaddexp(log(a) + x, log(b) + y)", log, _log_of_two),
    OpRule("log1p(a exp(x)) → softplus(log(a) + x)", log1p, _log1p_of_exponentials),
    Rule(logaddexp(0, x), softplus(x)),
    Rule(log(1 - exp(x)), log1mexp(x)),
    Rule(log(-expm1(x)), log1mexp(x)),
    Rule(log1p(-exp(x)), log1mexp(x)),
    Rule(log(expm1(x)), x + log1mexp(-x)),
    Rule(log(exp(x) - exp(y)), x + log1mexp(switch(eq(x, y), 0.0, y - x))),
    Rule(log(cosh(x)), logaddexp(x, -x) - math.log(2)),
    # sigmoids
    Rule(1 / (1 + exp(x)), sigmoid(-x)),
    Rule(reciprocal(1 + exp(x)), sigmoid(-x)),
    Rule((1 + exp(x)) ** -1, sigmoid(-x)),
    Rule(exp(x) / (1 + exp(x)), sigmoid(x)),
    Rule(exp(x) / (exp(x) + exp(y)), sigmoid(x - y)),
    Rule(exp(x) / sqr(1 + exp(x)), sigmoid(x) * sigmoid(-x)),
    Rule(exp(x) / (1 + exp(x)) ** 2, sigmoid(x) * sigmoid(-x)),
    Rule(1 - sigmoid(x), sigmoid(-x)),
    Rule(sigmoid(x) >= 0, eq(x, x)),
    Rule(sigmoid(x) <= 1, eq(x, x)),
    Rule(exp(x) >= 0, eq(x, x)),
    Rule(sigmoid(x) / sigmoid(-x), exp(x)),
    Rule(sigmoid(-x) / sigmoid(x), exp(-x)),
    Rule(log(sigmoid(x)), -softplus(-x)),
    Rule(log1p(-sigmoid(x)), -softplus(x)),
    Rule(exp(-softplus(x)), sigmoid(-x)),
    Rule(exp(x) * sigmoid(-x), sigmoid(x)),
    Rule(exp(-x) * sigmoid(x), sigmoid(-x)),
    Rule(1 + tanh(x), 2 * sigmoid(2 * x)),
    Rule(1 - tanh(x), 2 * sigmoid(-2 * x)),
    OpRule("1 - sigmoid(x)[i] → sigmoid(-x)[i]", sub, _complement),
    OpRule("log1p(-sigmoid(x)[i]) → -softplus(x)[i]", log1p, _log_of_complement),
    OpRule("exp(x) / sum(exp(x)) → softmax(x)", true_div, _softmax),
    OpRule("log(softmax(x)) → x - logsumexp(x)", log, _log_softmax),
    # logarithms of parts and products
    OpRule("log(f(x)[i]) → log(f(x))[i]", log, _log_of_view),
    OpRule("log(prod(x)) → sum(log(x))", log, _log_of_product),
    OpRule("xlogy(x, exp(y)) → x y", xlogy, _times_log),
    OpRule("xlog1py(x, -sigmoid(y)) → -x softplus(y)", xlog1py, _times_log1p),
    OpRule("log(a exp(x) / b) → log(a) + x - log(b)", log, _log_of_factors),
    Rule(log(sqrt(x)), 0.5 * log(x)),
    Rule(log(sqr(x)), 2 * log(abs(x))),
    Rule(log(x**c), c * log(abs(x)), where=_even),
    Rule(log(x**c), c * log(x), where=_not_even),
    # inverse functions
    Rule(exp(log(x)), switch(x >= 0, x, math.nan)),
    Rule(exp(log1p(x)), switch(x >= -1, 1 + x, math.nan)),
    Rule(exp(log1mexp(x)), switch(x <= 0, -expm1(x), math.nan)),
    Rule(exp(softplus(x)), 1 + exp(x)),
    Rule(expm1(log(x)), switch(x >= 0, x - 1, math.nan)),
    Rule(expm1(log1p(x)), switch(x >= -1, x, math.nan)),
    Rule(expm1(softplus(x)), exp(x)),
    Rule(log1p(expm1(x)), x),
    Rule(sqr(sqrt(x)), switch(x >= 0, x, math.nan)),
    Rule(sqrt(x) ** 2, switch(x >= 0, x, math.nan)),
    Rule(sqrt(x) * sqrt(x), switch(x >= 0, x, math.nan)),
    # differences that cancel
    Rule(log(1 + x), log1p(x)),
    Rule(log(1 - x), log1p(-x)),
    Rule(exp(x) - 1, expm1(x)),
    Rule(exp(x) + -1, expm1(x)),
    Rule(1 - exp(x), -expm1(x)),
    Rule(1 - erf(x), erfc(x)),
    Rule(1 + erf(x), erfc(-x)),
    Rule(c - c * erf(x), c * erfc(x)),
    Rule(c + c * erf(x), c * erfc(-x)),
    Rule(log(erfc(x)), log_erfc(x)),
    Rule(log(c * erfc(x)), log(c) + log_erfc(x), where=_positive),
    Rule(log(erfc(x) / c), log_erfc(x) - log(c), where=_positive),
    Rule(1 - erfc(x), erf(x)),
    # squares that overflow
    Rule(sqrt(sqr(x)), abs(x)),
    Rule(sqrt(x**2), abs(x)),
    Rule(sqrt(x * x), abs(x)),
    Rule(x / abs(x), sgn(x)),
    Rule(abs(x) / x, sgn(x)),
]
