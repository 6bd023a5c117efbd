"""The rules, one line each, and the lists of passes that modes choose from.

Five tables, to be read top to bottom; in each the first rule that fits is taken (`array_rules` has a sixth, of
rules about shapes and sums):

* `FOLD` computes what is known already.
* `STABLE` says what was meant where floating point would overflow or cancel. `grad` runs it on the cost
  *before* differentiating (`stabilized`): the derivative of log(1 + exp(x)) is inf/inf for large x, and
  afterwards nobody can tell what was meant.
* `ALGEBRA` leaves less to compute.
* `INLINE` puts graphs that are wrapped into one operation where they are used.
* `DECOMPOSITION` turns composite operations into their parts, for C.

Every rule is true in exact arithmetic wherever its left side is defined. No rule adds an error of more than
an ulp or two, so x / 10 stays a division, and none supposes that a number is finite: x * 0 and x - x stay.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import probgraph.engine.operators  # noqa: F401  patterns are written with operators
from probgraph.engine.array_rules import ARRAYS
from probgraph.engine.assertions import CheckAndRaise
from probgraph.engine.graph import Apply, Constant, Variable, rebuild, tensor_constant, toposort
from probgraph.engine.matrix_rules import LIBRARY, MATRICES, STABLE_MATRICES
from probgraph.engine.op import KernelCall, Op, Pointwise, Reduction, Scatter
from probgraph.engine.ops.elementwise import (
    Elementwise,
    abs,
    cast,
    erf,
    erfc,
    exp,
    expm1,
    fill,
    identity,
    log,
    log1mexp,
    log1p,
    logaddexp,
    mul,
    neg,
    pow,
    reciprocal,
    sgn,
    sigmoid,
    softplus,
    sqr,
    sqrt,
    sub,
    true_div,
)
from probgraph.engine.ops.matrices import Composite
from probgraph.engine.ops.reduce import LogSumExp, Reduce, Softmax, restored
from probgraph.engine.ops.shape import (
    Alloc,
    ARange,
    DimShuffle,
    dimshuffle,
)
from probgraph.engine.rewrite import OpRule, Pass, Rule, run_passes, uniform, wildcard
from probgraph.engine.types import FLOATS

x, y, z = wildcard("x"), wildcard("y"), wildcard("z")
c, d = wildcard("c", constant=True), wildcard("d", constant=True)

# ------------------------------------------------------------------------------------ computing constants


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
    return [
        tensor_constant(value, v.dtype, None, _literal(value) if written else None)
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

# ------------------------------------------------------------------------------------ saying what was meant


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
    # matrices
    *STABLE_MATRICES,
]

# ------------------------------------------------------------------------------------ computing less


def _ordinary(value: np.ndarray) -> bool:
    """Neither zero, infinite, nan nor so small that it has lost digits."""
    size = np.abs(value)
    return bool(np.isfinite(size) and size >= np.finfo(size.dtype).tiny) if size.dtype.kind == "f" else False


def _product_is_ordinary(c: Constant, d: Constant, **others: Variable) -> bool:
    with np.errstate(all="ignore"):
        return _ordinary(c.data * d.data)


def _quotient_is_ordinary(c: Constant, d: Constant, **others: Variable) -> bool:
    with np.errstate(all="ignore"):
        return d.data != 0 and _ordinary(np.true_divide(c.data, d.data))


def _sum_is_exact(c: Constant, d: Constant, **others: Variable) -> bool:
    """Whether c + d is what it says: then (c + d) + x rounds once, where c + (d + x) rounds twice."""
    with np.errstate(all="ignore"):
        total = c.data + d.data
        part = total - c.data
        return bool(np.isfinite(total) and (c.data - (total - part)) + (d.data - part) == 0)


def _difference_is_exact(c: Constant, d: Constant, **others: Variable) -> bool:
    return _sum_is_exact(c, tensor_constant(-d.data))


def _power_of_two(c: Constant, x: Variable) -> bool:
    """Whether 1 / c is exact, so that a multiplication gives the very result of the division."""
    if isinstance(x, Constant):
        return False
    with np.errstate(all="ignore"):
        fraction, _ = np.frexp(c.data.astype("float64"))
        return bool(np.abs(fraction) == 0.5 and _ordinary(1 / c.data) and _ordinary(c.data))


def _small_power(node: Apply) -> Variable | None:
    """x**3 to x**8 as products of squares: faster than `pow`, and as accurate."""
    base, exponent = node.inputs[0], uniform(node.inputs[1])
    if exponent is None or base.dtype != node.out.dtype or base.dtype == "bool":
        return None
    value = exponent.data.item()
    if value not in range(3, 9):
        return None
    n, square, result = int(value), base, None
    while n:
        if n % 2:
            result = square if result is None else result * square
        n //= 2
        square = sqr(square) if n else square
    return result


ALGEBRA = [
    # nothing happens
    Rule(x + 0, x, over="numbers"),
    Rule(x - 0, x, over="numbers"),
    Rule(0 - x, -x, over="numbers"),
    Rule(x * 1, x, over="numbers"),
    Rule(x / 1, x, over="complex"),
    Rule(x**1, x, over="numbers"),
    Rule(x**0, 1, over="numbers"),
    Rule(identity(x), x, over="numbers"),
    # constants together
    Rule(c * (d * x), (c * d) * x, where=_product_is_ordinary),
    Rule(c * (x / d), (c / d) * x, where=_quotient_is_ordinary),
    Rule((c * x) / d, (c / d) * x, where=_quotient_is_ordinary),
    Rule((x / c) / d, x / (c * d), where=_product_is_ordinary),
    Rule(c + (d + x), (c + d) + x, where=_sum_is_exact),
    Rule((c + x) - d, (c - d) + x, where=_difference_is_exact),
    Rule(c + (x - d), (c - d) + x, where=_difference_is_exact),
    Rule((x - c) - d, x - (c + d), where=_sum_is_exact),
    Rule(c - (d + x), (c - d) - x, where=_difference_is_exact),
    Rule(c - (x - d), (c + d) - x, where=_sum_is_exact),
    Rule(c - (d - x), (c - d) + x, where=_difference_is_exact),
    Rule(x / c, x * (1 / c), where=_power_of_two),
    # powers
    Rule(x * x, sqr(x), over="numbers"),
    Rule(x**2, sqr(x), over="numbers"),
    Rule(x**0.5, sqrt(x)),
    Rule(x**-0.5, 1 / sqrt(x)),
    Rule(x**-1, 1 / x, over="complex"),
    Rule(x**-2, sqr(1 / x)),
    OpRule("x**n → products, for n from 3 to 8", pow, _small_power),
    Rule(reciprocal(x), 1 / x, over="complex"),
    Rule(sqr(abs(x)), sqr(x)),
    Rule(abs(sqr(x)), sqr(x)),
    Rule(sqr(-x), sqr(x), over="complex"),
    # signs outwards, where they meet
    Rule(-1 * x, -x, over="numbers"),
    Rule(-(c * x), -c * x, over="complex"),
    Rule(-x * y, -(x * y), over="complex"),
    Rule(-x / y, -(x / y), over="complex"),
    Rule(x / -y, -(x / y), over="complex"),
    Rule(-(c / x), -c / x, over="complex"),
    Rule(x + -y, x - y, over="complex"),
    Rule(x - neg(y), x + y, over="complex"),
    Rule(-(x - y), y - x, over="complex"),
    Rule(abs(-x), abs(x), over="complex"),
    Rule(abs(abs(x)), abs(x)),
]

# ------------------------------------------------------------------------------------ composites


def _parts(node: Apply) -> Variable | None:
    expand = getattr(node.op, "expand", None)
    if expand is None:
        return None
    if not isinstance(node.op, Elementwise):
        return expand(*node.inputs)
    dtypes, _ = node.op.rule(*(v.dtype for v in node.inputs))
    return expand(*(cast(v, dtype) for v, dtype in zip(node.inputs, dtypes, strict=True)))


DECOMPOSITION = [OpRule("composite → its parts", Op, _parts)]


def _graph_of(node: Apply) -> Sequence[Variable] | None:
    return node.op.expand(*node.inputs) if getattr(node.op, "expand_first", False) else None


INLINE = [OpRule("operation made of a graph → the graph", Op, _graph_of)]

# ------------------------------------------------------------------------------------ lists of passes

#: the graph as written, with constants computed
FAST_COMPILE = [Pass("fold", FOLD)]
#: the least to compute
FAST_RUN = [
    Pass("stabilize", [*INLINE, *FOLD, *STABLE]),
    Pass("simplify", [*FOLD, *STABLE, *ALGEBRA, *ARRAYS, *MATRICES]),
]
#: what a graph needs before it can become loops; STABLE would put the composites together again
DECOMPOSE = [Pass("decompose", [*FOLD, *DECOMPOSITION, *ALGEBRA, *ARRAYS, *LIBRARY])]


#: for graphs that are trusted: `Mode("c", [*FAST_RUN, *WITHOUT_ASSERTIONS])`
WITHOUT_ASSERTIONS = [
    Pass("without assertions", [OpRule("assertion → its value", CheckAndRaise, lambda node: node.inputs[0])])
]


def stabilized(outputs: Sequence[Variable], keep: Sequence[Variable] = ()) -> dict[Variable, Variable]:
    """What stands for each of `outputs` and `keep` after the rules of `STABLE`.

    No rule looks into a variable of `keep`, and no two of them become one, so that one can still differentiate
    by what stands for them. Where no rule fits, everything stands for itself.
    """
    makers = {node: place for place, node in enumerate(toposort([*outputs, *keep]))}
    kept = [v for v in dict.fromkeys(keep) if v.owner is not None or isinstance(v, Constant)]
    kept.sort(key=lambda v: -1 if v.owner is None else makers[v.owner])
    # Each kept variable is a root to those that read it, for as long as the rules look.
    roots = {v: Variable(v.type, v.name) for v in kept}
    made = [v for v in kept if v.owner is not None]
    opened = iter(rebuild([*outputs, *(i for v in made for i in v.owner.inputs)], roots))
    tops = [next(opened) for _ in outputs]
    tops += [v.owner.rebuilt([next(opened) for _ in v.owner.inputs]).outputs[v.index] for v in made]
    log: list[tuple[str, str, int]] = []
    rewritten = run_passes(tops, [Pass("stabilize", STABLE)], log)
    if not log:
        return {v: v for v in (*outputs, *keep)}
    behind = {root: v for v, root in roots.items() if v.owner is None}
    for v, top in zip(made, rewritten[len(outputs) :], strict=True):
        (new,) = rebuild([top], behind)
        behind[roots[v]] = _alone(new, v)
    found = {v: v for v in keep}
    found.update((v, behind[root]) for v, root in roots.items())
    results = rebuild(rewritten[: len(outputs)], behind)
    found.update((v, new) for v, new in zip(outputs, results, strict=True) if v not in roots)
    return found


def _alone(new: Variable, old: Variable) -> Variable:
    """`new` as a variable that is nobody else's: `old` itself if it is the same operation."""
    maker = new.owner
    if maker is None:
        return identity(new, name=old.name)
    if maker.op == old.owner.op and all(a is b for a, b in zip(maker.inputs, old.owner.inputs, strict=True)):
        return old
    return maker.rebuilt(maker.inputs).outputs[new.index]
