"""`ifelse`: one of two values by a scalar, computing no more than the one that is taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from probgraph.engine.graph import Variable
from probgraph.engine.op import as_variable, as_variables
from probgraph.engine.ops.choice import choice
from probgraph.engine.types import describe

__all__ = ["ifelse"]


def ifelse(condition: Any, then_branch: Any, else_branch: Any, name: str | None = None) -> Any:
    """`then_branch` if `condition` is not zero, `else_branch` if it is; only that one is computed.

    `condition` is a scalar; the branches are a variable each, or a list of as many variables each (the result is
    then a list). What only the branch that is not taken needs is not computed: it cannot fail, and takes no
    time. Where elements of an array are to be chosen one by one, use `switch`. Gradients flow through the
    branch that is taken, and are zero by what only the other one needs. A Python number takes the dtype of
    what stands in the other branch.

    Raises TypeError if the branches differ in dtype or rank, ValueError if they differ in number.

    >>> x = as_variable(0.0)
    >>> ifelse(x > 0, 1 / x, x - 1).eval()
    array(-1.)
    """
    alone = not isinstance(then_branch, list | tuple)
    if alone and isinstance(else_branch, list | tuple):
        raise ValueError(
            "ifelse: the `then` branch is one variable, the `else` branch a list: give lists in both"
        )
    first = [then_branch] if alone else list(then_branch)
    second = list(else_branch) if isinstance(else_branch, list | tuple) else [else_branch]
    if len(first) != len(second):
        raise ValueError(
            f"The number of values on the `then` branch should have the same number of variables as the `else`"
            f" branch : (variables on `then` {len(first)}, variables on `else` {len(second)})"
        )
    if not first:
        raise ValueError("ifelse: the branches hold nothing to choose from")
    chosen = choice(_condition(condition), *_paired(first, second))
    for place, v in enumerate(chosen):
        v.name = name if alone or name is None else f"{name}[{place}]"
    return chosen[0] if alone else chosen


def _condition(condition: Any) -> Variable:
    v = as_variable(condition)
    if v.ndim != 0:
        raise TypeError(
            f"ifelse: the condition is a scalar, got {describe([v.type])}: use all or any, or switch for elements"
        )
    return v


def _paired(first: Sequence[Any], second: Sequence[Any]) -> tuple[list[Variable], list[Variable]]:
    pairs = [as_variables(pair) for pair in zip(first, second, strict=True)]
    return [a for a, _ in pairs], [b for _, b in pairs]
