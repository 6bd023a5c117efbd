"""What a compiled function takes and gives: `In`, `Out`, and the check each argument goes through.

A function is called far more often than it is made, so everything that can be known of an input is worked out
once: `argument_check` returns a small function for it, with a short way for what is nearly always passed (a
Python number for a scalar, an array of the very dtype) and a long way that explains every refusal.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from probgraph.engine.config import config
from probgraph.engine.graph import Constant, Variable
from probgraph.engine.op import as_variable
from probgraph.engine.shared import SharedVariable
from probgraph.engine.types import FLOATS, TensorType

Check = Callable[[Any], np.ndarray]


class UnusedInputError(ValueError):
    """A function was given an input that it does not need, or the same one twice."""


class In:
    """An input of a function, with what happens to it around a call.

    `value` is what it is when the call does not give it: restored after each call, unless there is an `update`,
    an expression for the value it takes after the call. `name` is its keyword (default: the variable's).
    `strict` refuses conversion, `allow_downcast` allows any (see `function`). Inputs are never overwritten, so
    `mutable` and `borrow` promise what already holds.

    >>> x = Variable(TensorType("float64", ()), "x")
    >>> In(x, value=2.0).name
    'x'
    """

    def __init__(
        self,
        variable: Variable,
        name: str | None = None,
        value: Any = None,
        update: Any = None,
        mutable: bool | None = None,
        strict: bool = False,
        allow_downcast: bool | None = None,
        autoname: bool = True,
        implicit: bool | None = None,
        borrow: bool | None = None,
    ) -> None:
        if not isinstance(variable, Variable):
            raise TypeError(f"In takes a variable, got {variable!r} of type {type(variable)}")
        if mutable and borrow is False:
            raise AssertionError(f"In({variable}): mutable=True asks for borrow=True")
        self.variable = variable
        self.name = variable.name if name is None and autoname else name
        self.value = value
        self.update = None if update is None else converted(update, variable, "an update")
        self.mutable = bool(mutable)
        self.strict = strict
        self.allow_downcast = allow_downcast
        self.implicit = implicit
        self.borrow = bool(mutable if borrow is None else borrow)

    def __repr__(self) -> str:
        parts = [str(self.variable)]
        if self.value is not None:
            parts.append(f"value={self.value}")
        if self.update is not None:
            parts.append(f"update={self.update}")
        return f"In({', '.join(parts)})"


def Param(variable: Variable, default: Any = None, name: str | None = None, **settings: Any) -> In:
    """The old name of `In`; its `default` is In's `value`."""
    warnings.warn("The Param class is deprecated. Replace Param(default=N) by In(value=N)", stacklevel=2)
    return In(variable, name=name, value=default, **settings)


class Out:
    """An output of a function. Results are always the caller's own, so `borrow` gains nothing here."""

    def __init__(self, variable: Variable, borrow: bool = False) -> None:
        self.variable = as_variable(variable)
        self.borrow = borrow

    def __repr__(self) -> str:
        return f"Out({self.variable}, borrow={self.borrow})"


def converted(value: Any, like: Variable, what: str) -> Variable:
    """`value` as a variable that can stand where `like` stands; numbers and arrays take its type.

    Raises TypeError where the types differ: nothing is converted silently.
    """
    if not isinstance(value, Variable):
        return Constant(like.type, like.type.filter(value), literal=value if type(value) is int else None)
    if isinstance(value, Constant) and not like.type.accepts(value.type) and _floats(value, like):
        with np.errstate(over="ignore"):
            return Constant(like.type, like.type.filter(value.data, allow_downcast=True), value.name)
    if not like.type.accepts(value.type):
        raise TypeError(
            f"Cannot convert Type {value.type} (of Variable {value}) into Type {like.type}. You can try to"
            f" manually convert {value} into a {like.type}: {what} of {like} needs its dtype and rank"
            f" ({value}.astype('{like.dtype}')), and known lengths where {like} has them (specify_shape)."
        )
    return value


def _floats(value: Constant, like: Variable) -> bool:
    """Whether a constant differs in the precision of its floats only: that much is converted."""
    both = isinstance(value.type, TensorType) and isinstance(like.type, TensorType)
    return both and value.dtype in FLOATS and like.dtype in FLOATS and value.ndim == like.ndim


def as_input(given: Any) -> In:
    """An element of a function's `inputs` as an In; the old tuples `(name, x)`, `(x, value)`,
    `((x, update), value)` and `(name, x, value)` are understood. TypeError for anything else."""
    if isinstance(given, In):
        result = given
    elif isinstance(given, Variable):
        result = In(given) if not isinstance(given, Constant) else None
    elif isinstance(given, tuple | list):
        result = _from_tuple(given)
    else:
        raise TypeError(f"Unknown parameter type: {type(given)}")
    if result is None or isinstance(result.variable, Constant):
        raise TypeError("Constants not allowed in param list", given)
    if isinstance(result.variable, SharedVariable):
        raise TypeError(
            f"Cannot use a shared variable ({result.variable}) as explicit input. Consider substituting a"
            f" non-shared variable via the `givens` parameter"
        )
    return result


def _from_tuple(given: Sequence[Any]) -> In:
    name, rest = (given[0], list(given[1:])) if given and isinstance(given[0], str) else (None, list(given))
    match rest:
        case [Variable() as variable]:
            return In(variable, name=name)
        case [Variable() as variable, value]:
            return In(variable, name=name, value=value)
        case [[Variable() as variable, update], value]:
            return In(variable, name=name, value=value, update=update)
        case _:
            raise TypeError(f"Invalid input syntax: {given} (check documentation or use an In instance)")


def as_output(given: Any) -> Variable:
    """An element of a function's `outputs` as a variable; TypeError for anything else."""
    if isinstance(given, Out):
        return given.variable
    if not isinstance(given, Variable):
        raise TypeError(f"Outputs must be Variable or Out instances. Received {given} of type {type(given)}")
    return given


# ------------------------------------------------------------------------------------ the arguments of a call


def argument_check(given: In, index: int, function_name: str) -> Check:
    """The function that turns an argument into the array the graph takes, or explains why it cannot."""
    kind = given.variable.type
    who = f'probgraph function with name "{function_name}" at index {index} (0-based), input {given.variable}'

    def explained(value: Any) -> np.ndarray:
        if isinstance(value, Variable):
            raise TypeError(
                f"Bad input argument to {who}. Expected an array-like object, but found a Variable: maybe you are"
                f" trying to call a function on a (possibly shared) variable instead of a numeric array?"
            )
        try:
            return kind.filter(value, given.strict, given.allow_downcast)
        except (TypeError, ValueError) as error:
            kind_of_error = TypeError if isinstance(error, TypeError) else ValueError
            raise kind_of_error(f"Bad input argument to {who}. {error}") from None

    if not isinstance(kind, TensorType) or any(n is not None for n in kind.shape):
        return explained
    if kind.ndim:
        return _array_check(np.dtype(kind.dtype), kind.ndim, explained)
    exact = given.strict or (given.allow_downcast is False and kind.dtype == "float32")
    if not exact and kind.dtype in ("float64", "float32", "int64"):
        return {"float64": _double_check, "float32": _single_check, "int64": _integer_check}[kind.dtype](
            explained
        )
    return _array_check(np.dtype(kind.dtype), 0, explained)


# NumPy keeps one object for each of its own native dtypes, so `is` finds nearly every match; what it misses
# (an unpickled array, another byte order) goes the long way and is found there.


def _array_check(dtype: np.dtype, ndim: int, explained: Check) -> Check:
    def check(value: Any, ndarray: type = np.ndarray) -> np.ndarray:
        if type(value) is ndarray and value.dtype is dtype and value.ndim == ndim:
            return value
        return explained(value)

    return check


_DOUBLE, _SINGLE, _INTEGER = np.dtype("float64"), np.dtype("float32"), np.dtype("int64")
_EXACT = 2**53  # integers up to here are doubles


def _double_check(explained: Check) -> Check:
    def check(value: Any, array: Any = np.array, ndarray: type = np.ndarray) -> np.ndarray:
        kind = type(value)
        if kind is float or kind is np.float64:
            return array(value)
        if kind is ndarray and value.dtype is _DOUBLE and value.ndim == 0:
            return value
        if kind is int and -_EXACT <= value <= _EXACT:
            return array(value, _DOUBLE)
        return explained(value)

    return check


def _single_check(explained: Check) -> Check:
    def check(value: Any, array: Any = np.array, ndarray: type = np.ndarray) -> np.ndarray:
        kind = type(value)
        if kind is float and config.floatX == "float32" and -1e38 < value < 1e38:
            return array(value, _SINGLE)
        if kind is ndarray and value.dtype is _SINGLE and value.ndim == 0:
            return value
        return explained(value)

    return check


def _integer_check(explained: Check) -> Check:
    def check(value: Any, array: Any = np.array, ndarray: type = np.ndarray) -> np.ndarray:
        kind = type(value)
        if kind is int and -_EXACT <= value <= _EXACT:
            return array(value, _INTEGER)
        if kind is ndarray and value.dtype is _INTEGER and value.ndim == 0:
            return value
        return explained(value)

    return check
