"""`ALGEBRA`: less to compute, element by element."""

from __future__ import annotations

import numpy as np

import probgraph.engine.operators  # noqa: F401  patterns are written with operators
from probgraph.engine.graph import Apply, Constant, Variable, tensor_constant
from probgraph.engine.ops.elementwise import (
    abs,
    exp,
    identity,
    maximum,
    minimum,
    neg,
    pow,
    reciprocal,
    sqr,
    sqrt,
)
from probgraph.engine.rewrite import OpRule, Rule, uniform, wildcard
from probgraph.engine.types import FLOATS

x, y = wildcard("x"), wildcard("y")
c, d = wildcard("c", constant=True), wildcard("d", constant=True)


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
    """Whether c + d is what it says: then (c + d) + x rounds once, where c + (d + x) rounds twice.

    Of measured numbers it is not asked: the graph would be another for other data.
    """
    if c.measured or d.measured:
        return False
    with np.errstate(all="ignore"):
        total = c.data + d.data
        part = total - c.data
        return bool(np.isfinite(total) and (c.data - (total - part)) + (d.data - part) == 0)


def _difference_is_exact(c: Constant, d: Constant, **others: Variable) -> bool:
    return _sum_is_exact(c, tensor_constant(-d.data, measured=d.measured))


def _power_of_two(c: Constant, x: Variable) -> bool:
    """Whether 1 / c is exact, so that a multiplication gives the very result of the division."""
    if isinstance(x, Constant):
        return False
    with np.errstate(all="ignore"):
        fraction, _ = np.frexp(c.data.astype("float64"))
        return bool(np.abs(fraction) == 0.5 and _ordinary(1 / c.data) and _ordinary(c.data))


def _small_power(node: Apply) -> Variable | None:
    """x**n as products of squares for n from 3 to 8, with a root for 1.5, 2.5, 3.5, and one over that for -3 to -8."""
    base, exponent = node.inputs[0], uniform(node.inputs[1])
    if exponent is None or base.dtype != node.out.dtype or base.dtype == "bool":
        return None
    value = exponent.data.item()
    if value in (1.5, 2.5, 3.5) and base.dtype in FLOATS:
        return _product_of_squares(base, int(value)) * sqrt(base)
    if -value in range(3, 9) and base.dtype in FLOATS:
        return 1 / _product_of_squares(base, int(-value))
    return _product_of_squares(base, int(value)) if value in range(3, 9) else None


def _product_of_squares(base: Variable, n: int) -> Variable:
    square, result = base, None
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
    OpRule("x**n → products, for small n", pow, _small_power),
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
    Rule(abs(exp(x)), exp(x)),
    Rule(abs(sqrt(x)), sqrt(x)),
    Rule(abs(c * x), abs(c) * abs(x)),
    Rule(maximum(x, x), x, over="numbers"),
    Rule(minimum(x, x), x, over="numbers"),
]
