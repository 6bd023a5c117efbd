"""`SWITCHES`: choices of the same thing. The function of a choice is computed once, and its gradient meets no nan of the
branch that was not taken, where of two functions one is thrown away."""

from __future__ import annotations

from probgraph.engine.graph import Apply, Variable
from probgraph.engine.op import literal
from probgraph.engine.ops.elementwise import invert, log, neg, sigmoid, softplus, switch
from probgraph.engine.rewrite import OpRule
from probgraph.engine.types import FLOATS

#: functions worth pulling out: dear ones, and minus, behind which others are found
_PULLED = (neg, softplus, sigmoid, log)


def _function_of_choice(node: Apply) -> Variable | None:
    """switch(c, f(a), f(b)) → f(switch(c, a, b)) where neither of f(a) and f(b) has fewer elements."""
    condition, a, b = node.inputs
    if a.owner is None or b.owner is None or a.owner.op not in _PULLED or a.owner.op is not b.owner.op:
        return None
    if not (a.type == b.type == node.out.type) or a.dtype not in FLOATS:
        return None
    (x,), (y,) = a.owner.inputs, b.owner.inputs
    return a.owner.op(switch(condition, x, y)) if x.dtype == y.dtype == a.dtype else None


def _sign_chosen(node: Apply) -> Variable | None:
    """switch(c, -x, x) → x * switch(c, -1, 1): where c is data, the sign is too."""
    condition, a, b = node.inputs
    if node.out.dtype not in FLOATS:
        return None
    for plus, minus, first in ((a, b, 1), (b, a, -1)):
        if minus.owner is not None and minus.owner.op is neg and minus.owner.inputs[0] is plus:
            return plus * switch(condition, literal(first, plus.dtype), literal(-first, plus.dtype))
    return None


def _choice_of_choice(node: Apply) -> Variable | None:
    """A branch that makes the same choice again, and a choice by what is not so."""
    condition, a, b = node.inputs
    if condition.owner is not None and condition.owner.op is invert and condition.dtype == "bool":
        return switch(condition.owner.inputs[0], b, a)
    if a.owner is not None and a.owner.op is switch and a.owner.inputs[0] is condition:
        return switch(condition, a.owner.inputs[1], b)
    if b.owner is not None and b.owner.op is switch and b.owner.inputs[0] is condition:
        return switch(condition, a, b.owner.inputs[2])
    return None


SWITCHES = [
    OpRule("switch of a switch → one switch", switch, _choice_of_choice),
    OpRule("switch(c, -x, x) → x * switch(c, -1, 1)", switch, _sign_chosen),
    OpRule("switch(c, f(x), f(y)) → f(switch(c, x, y))", switch, _function_of_choice),
]
