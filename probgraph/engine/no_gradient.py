"""What stands where a gradient should, and is none: undefined or unwritten (`NullType`), or no dependence at all
(`DisconnectedType`).

Ops in Theano's manner return these from `grad`; `autodiff` hands them on and, unless asked not to, raises.
"""

from __future__ import annotations

from typing import Any

from probgraph.engine.graph import Variable
from probgraph.engine.types import Type


class NullTypeGradError(TypeError):
    """A gradient was asked for that is not defined, or that an op does not tell."""


class NullType(Type):
    """The type of a gradient that is not defined. `why` says why, in a sentence."""

    def __init__(self, why: str = "(no explanation given)") -> None:
        self.why = why

    def __call__(self, name: str | None = None) -> Variable:
        return Variable(self, name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NullType)

    def __hash__(self) -> int:
        return hash(NullType)

    def filter(self, value: Any, strict: bool = False, allow_downcast: bool | None = None) -> Any:
        raise ValueError(f"a variable of NullType has no value. {self.why}")

    def __str__(self) -> str:
        return "NullType"

    __repr__ = __str__


class DisconnectedType(Type):
    """The type of the gradient by an input on which an op's result does not depend."""

    def __call__(self, name: str | None = None) -> Variable:
        return Variable(self, name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DisconnectedType)

    def __hash__(self) -> int:
        return hash(DisconnectedType)

    def filter(self, value: Any, strict: bool = False, allow_downcast: bool | None = None) -> Any:
        raise ValueError(
            "a variable of DisconnectedType stands for a gradient that is not there: it has no value"
        )

    def __str__(self) -> str:
        return "DisconnectedType"

    __repr__ = __str__


def grad_undefined(op: Any, x_pos: int, x: Variable, comment: str = "") -> Variable:
    """What an op's `grad` returns for an input by which it has no derivative."""
    return NullType(
        f"This variable is Null because the grad method for input {x_pos} ({x}) of the {op} op is mathematically"
        f" undefined. {comment}"
    )()


def grad_not_implemented(op: Any, x_pos: int, x: Variable, comment: str = "") -> Variable:
    """What an op's `grad` returns for an input by which it could be differentiated, but nobody wrote how."""
    return NullType(
        f"This variable is Null because the grad method for input {x_pos} ({x}) of the {op} op is not implemented."
        f" {comment}"
    )()
