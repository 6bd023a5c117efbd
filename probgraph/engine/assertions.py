"""Looking at values and insisting on them while a graph runs: `Print`, and `Assert` with its kin.

An assertion is a formula like any other and is checked in C too, once, before what it guards. What is printed is
printed by Python, between the compiled parts of the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from probgraph.engine.graph import Apply, Variable
from probgraph.engine.loops import Expr
from probgraph.engine.op import Hosted, LengthReader, Pointwise, ValueReader, as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import reduce
from probgraph.engine.types import Type


class CheckAndRaise(Pointwise):
    """`CheckAndRaise(ValueError, "x is positive")(x, x > 0)` is `x`, or at the call that error with that message.

    Conditions are variables or numbers of any shape; every element of them must be true (not 0). Where nothing reads
    the result nothing is checked. Gradients go through it unchecked. The pass `rules.WITHOUT_ASSERTIONS` takes all of
    them out of a graph. TypeError for what is no class of exceptions.

    >>> x = as_variable(2.0)
    >>> CheckAndRaise(ValueError, "x is positive")(x, x > 0).eval()
    array(2.)
    """

    __props__ = ("exc_type", "msg")

    def __init__(self, exc_type: type[Exception], msg: str = "") -> None:
        if not (isinstance(exc_type, type) and issubclass(exc_type, Exception)):
            raise TypeError(f"`exc_type` must be an Exception type, got {exc_type!r}")
        self.exc_type = exc_type
        self.msg = msg

    def __str__(self) -> str:
        return f"CheckAndRaise{{{self.exc_type.__name__}({self.msg})}}"

    __repr__ = __str__

    def prepare(self, inputs: Sequence[Any]) -> list[Variable]:
        if not inputs:
            raise TypeError(f"{self} takes a value and the conditions for it")
        x, *conditions = inputs
        return [as_variable(x), *(_as_condition(as_variable(c)) for c in conditions)]

    def infer_type(self, x: Variable, *conditions: Variable) -> list[Type]:
        for c in conditions:
            if c.dtype != "bool" or c.ndim:
                raise TypeError(f"{self}: a condition is a boolean scalar, {c} is a {c.type}")
        return [x.type]

    def numpy(self, x: Any, *conditions: Any) -> Any:
        if not all(bool(c) for c in conditions):
            raise self.exc_type(self.msg)
        return x

    def vjp(
        self, cotangents: Sequence[Variable], outputs: Sequence[Variable], inputs: Sequence[Variable]
    ) -> list[Variable | None]:
        return [cotangents[0], *(None for _ in inputs[1:])]

    def batched(self, node: Apply, inputs: Sequence[Variable]) -> list[Variable]:
        return [self(*inputs)]

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        return [reader.lengths(node.inputs[0])]

    def element(self, reader: ValueReader, node: Apply, index: tuple[Expr, ...]) -> Expr:
        x, *conditions = node.inputs
        for c in conditions:
            reader.require(reader.value(c, ()), self.exc_type, self.msg)
        return reader.value(x, index)


def _as_condition(c: Variable) -> Variable:
    c = c if c.dtype == "bool" else ew.neq(c, 0)
    return reduce.all(c) if c.ndim else c


class Assert(CheckAndRaise):
    """`Assert("lengths agree")(x, T.eq(n, m))` is `x`, or at the call an AssertionError with that message."""

    __props__ = ("msg",)

    def __init__(self, msg: str = "Theano Assert failed!") -> None:
        super().__init__(AssertionError, msg)

    def __str__(self) -> str:
        return f"Assert{{msg='{self.msg}'}}"

    __repr__ = __str__


def assert_op(x: Any, *conditions: Any) -> Variable:
    """`x`, after a check that the conditions hold."""
    return Assert()(x, *conditions)


# ------------------------------------------------------------------------------------ printing


def _print_attributes(op: Print, value: np.ndarray) -> None:
    for name in op.attrs:
        attribute = getattr(value, name)
        print(op.message, name, "=", attribute() if callable(attribute) else attribute)


class Print(Hosted):
    """`Print("x is")(x)` is `x`, and says `x is __str__ = [1. 2.]` each time that it is computed.

    `attrs` names what of the array is shown, e.g. ("shape", "dtype", "min"): attributes, or methods without arguments.
    `global_fn(op, value)` may do something else with it. What a function does not need is not computed, and so not
    printed.

    >>> Print("x is", attrs=["shape"])(np.array([1.0, 2.0])).eval()
    x is shape = (2,)
    array([1., 2.])
    """

    __props__ = ("message", "attrs", "global_fn")

    def __init__(
        self,
        message: str = "",
        attrs: Sequence[str] = ("__str__",),
        global_fn: Callable[[Any, Any], None] = _print_attributes,
    ) -> None:
        self.message = message
        self.attrs = (attrs,) if isinstance(attrs, str) else tuple(attrs)
        self.global_fn = global_fn

    def __str__(self) -> str:
        return f"Print{{message='{self.message}', attrs={self.attrs}}}"

    __repr__ = __str__

    def infer_type(self, x: Variable) -> list[Type]:
        return [x.type]

    def numpy(self, x: Any) -> Any:
        self.global_fn(self, x)
        return x

    def vjp(
        self, cotangents: Sequence[Variable], outputs: Sequence[Variable], inputs: Sequence[Variable]
    ) -> list[Variable | None]:
        return list(cotangents)

    def batched(self, node: Apply, inputs: Sequence[Variable]) -> list[Variable]:
        return [self(*inputs)]


__all__ = ["Assert", "CheckAndRaise", "Print", "assert_op"]
