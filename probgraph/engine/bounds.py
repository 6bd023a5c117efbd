"""How large an integer expression can become, where part of it is known only while the program runs.

A loop that ends when its values say so makes so many steps as nobody knows beforehand, and what is computed from
its results has lengths that depend on that number. Memory is reserved for the largest that these can be: found by
arithmetic of intervals, from 0 to the number of steps at most.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from probgraph.engine import loops
from probgraph.engine.loops import Compute, Convert, Expr, Name

Interval = tuple[Expr, Expr]


def mentions(e: Expr, names: Mapping[str, Expr]) -> bool:
    """Whether any of the names stands in an expression."""
    return bool(names) and any(isinstance(part, Name) and part.name in names for part in loops.walk_expr(e))


def at_most(e: Expr, most: Mapping[str, Expr]) -> Expr:
    """An expression without the names of `most` that is never less than `e`, each of them being from 0 to what
    `most` says. NotImplementedError if there is no telling."""
    return _interval(e, most)[1]


def _interval(e: Expr, most: Mapping[str, Expr]) -> Interval:
    if not mentions(e, most):
        return e, e
    match e:
        case Name():
            return loops.ZERO, at_most(most[e.name], most)
        case Convert(arg, dtype) if np.dtype(arg.dtype).kind in "iu" and dtype == "int64":
            return _interval(arg, most)
        case Compute(function, args, _) if function.name in _RANGES:
            first = 1 if function.name in ("choose", "switch") else 0  # whatever the condition
            return _RANGES[function.name](*(_interval(a, most) for a in args[first:]))
    raise NotImplementedError(
        "a length that depends on how many steps a loop makes until it ends, other than by sums, products and"
        " comparisons, is only known in NumPy"
    )


def _add(a: Interval, b: Interval) -> Interval:
    return loops.add(a[0], b[0]), loops.add(a[1], b[1])


def _negative(a: Interval) -> Interval:
    return loops.subtract(loops.ZERO, a[1]), loops.subtract(loops.ZERO, a[0])


def _subtract(a: Interval, b: Interval) -> Interval:
    return loops.subtract(a[0], b[1]), loops.subtract(a[1], b[0])


def _multiply(a: Interval, b: Interval) -> Interval:
    corners = [loops.multiply(x, y) for x in a for y in b]
    return _smallest(corners), _largest(corners)


def _either(a: Interval, b: Interval) -> Interval:
    return loops.minimum(a[0], b[0]), loops.maximum(a[1], b[1])


def _size(*these: Interval) -> Interval:
    """What is no larger than the largest of these in size: quotients of integers, remainders."""
    ends = [x for a in these for x in (*a, *_negative(a))]
    return _smallest([*ends, loops.ZERO]), _largest([*ends, loops.ZERO])


_RANGES: dict[str, Callable[..., Interval]] = {
    "add": _add,
    "sub": _subtract,
    "mul": _multiply,
    "min": lambda a, b: (loops.minimum(a[0], b[0]), loops.minimum(a[1], b[1])),
    "max": lambda a, b: (loops.maximum(a[0], b[0]), loops.maximum(a[1], b[1])),
    "choose": _either,
    "switch": _either,
    "neg": _negative,
    "abs": lambda a: (loops.ZERO, _size(a)[1]),
    "div": lambda a, b: _size(a),
    "int_div": lambda a, b: _size(a),
    "mod": _size,
}


def _smallest(these: list[Expr]) -> Expr:
    result, *rest = dict.fromkeys(these)
    for e in rest:
        result = loops.minimum(result, e)
    return result


def _largest(these: list[Expr]) -> Expr:
    result, *rest = dict.fromkeys(these)
    for e in rest:
        result = loops.maximum(result, e)
    return result
