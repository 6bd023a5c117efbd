"""What is certain of a variable's sign before it has a value, so that checks which cannot fail are not made.

A standard deviation that is a positive free variable, or the exponential of anything, is positive: no need to
ask again at each of a million evaluations. What is not certain counts as unknown, which is always safe.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from probgraph.distributions.constraints import Constraint, Interval, real
from probgraph.distributions.folding import value_if_constant
from probgraph.distributions.random_variable import RandomVariable
from probgraph.engine.graph import Constant, Variable, toposort
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.index import Gather, Subtensor
from probgraph.engine.ops.shape import Alloc, DimShuffle, Reshape


class Known(NamedTuple):
    """Facts that hold for every element; False means not known."""

    positive: bool = False
    nonnegative: bool = False
    below_one: bool = False
    at_most_one: bool = False


NOTHING = Known()


def certainly(x: Variable, constraint: Constraint) -> bool:
    """Whether every value that `x` can take satisfies the constraint."""
    if isinstance(x, Constant):
        holds = value_if_constant(constraint.holds(x))
        return holds is not None and bool(np.all(holds))
    if isinstance(x, RandomVariable) and x.confined and x.distribution.support is constraint:
        return True
    if constraint is real:
        return False  # anything may overflow
    if not isinstance(constraint, Interval) or constraint.discrete:
        return False
    known = _facts(x)
    match constraint.known_lower:
        case 0.0:
            enough = known.nonnegative if constraint.closed_lower else known.positive
        case float() as lower:
            enough = lower == -np.inf
        case _:
            return False
    match constraint.known_upper:
        case 1.0:
            return enough and (known.at_most_one if constraint.closed_upper else known.below_one)
        case float() as upper:
            return enough and upper == np.inf
        case _:
            return False


def _facts(x: Variable) -> Known:
    facts: dict[Variable, Known] = {}

    def of(v: Variable) -> Known:
        return facts[v] if v in facts else _of_root(v)

    for node in toposort([x]):
        facts[node.out] = _of_application(node.op, [of(v) for v in node.inputs], node.inputs)
        for other in node.outputs[1:]:
            facts[other] = NOTHING
    return of(x)


def _of_root(v: Variable) -> Known:
    if isinstance(v, Constant) and isinstance(v.data, np.ndarray) and v.data.dtype.kind in "biuf":
        data = v.data
        return Known(
            bool((data > 0).all()), bool((data >= 0).all()), bool((data < 1).all()), bool((data <= 1).all())
        )
    if isinstance(v, RandomVariable) and v.confined and isinstance(v.distribution.support, Interval):
        support = v.distribution.support
        low, high = support.known_lower, support.known_upper
        # A transform maps R to the inside of the support: its bounds are never reached.
        open_lower = not support.closed_lower or support.transform is not None
        open_upper = not support.closed_upper or support.transform is not None
        return Known(
            low is not None and (low > 0 or (low == 0 and open_lower)),
            low is not None and low >= 0,
            high is not None and (high < 1 or (high == 1 and open_upper)),
            high is not None and high <= 1,
        )
    return NOTHING


def _of_application(op: object, known: list[Known], inputs: tuple[Variable, ...]) -> Known:
    first = known[0] if known else NOTHING
    if isinstance(op, Subtensor | Gather | DimShuffle | Reshape | Alloc):
        return first
    match op:
        case ew.fill:
            return known[1]
        case ew.identity:
            return first
        case ew.exp | ew.softplus:
            return Known(True, True)
        case ew.sigmoid:
            return Known(True, True, True, True)
        case ew.abs | ew.sqr:
            inside = first.nonnegative
            return Known(first.positive, True, inside and first.below_one, inside and first.at_most_one)
        case ew.sqrt:
            return first if first.nonnegative else NOTHING
        case ew.log1p | ew.expm1:
            return Known(first.positive, first.nonnegative)
        case ew.reciprocal:
            return Known(first.positive, first.positive)
        case ew.pow:
            return Known(first.positive, first.positive)
        case ew.add:
            a, b = known
            nonnegative = a.nonnegative and b.nonnegative
            return Known(nonnegative and (a.positive or b.positive), nonnegative)
        case ew.mul:
            a, b = known
            nonnegative = a.nonnegative and b.nonnegative
            small = nonnegative and a.at_most_one and b.at_most_one
            return Known(
                a.positive and b.positive, nonnegative, small and (a.below_one or b.below_one), small
            )
        case ew.true_div:
            a, b = known
            return Known(a.positive and b.positive, a.nonnegative and b.positive)
        case ew.sub if isinstance(inputs[0], Constant) and bool((inputs[0].data == 1).all()):
            other = known[1]
            return Known(other.below_one, other.at_most_one, other.positive, other.nonnegative)
        case ew.maximum:
            a, b = known
            return Known(
                a.positive or b.positive,
                a.nonnegative or b.nonnegative,
                a.below_one and b.below_one,
                a.at_most_one and b.at_most_one,
            )
        case ew.minimum:
            a, b = known
            return Known(
                a.positive and b.positive,
                a.nonnegative and b.nonnegative,
                a.below_one or b.below_one,
                a.at_most_one or b.at_most_one,
            )
        case ew.switch:
            a, b = known[1], known[2]
            return Known(*(x and y for x, y in zip(a, b, strict=True)))
        case ew.Elementwise() if op.name.startswith("Cast{float"):
            return first
        case _:
            return NOTHING
