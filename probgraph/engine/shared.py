"""Shared variables: roots with a value behind them, which functions read and may update.

The value lives in a `Container`. Functions hold the container, so that a change is seen by all of them, and an
update replaces the array in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from probgraph.engine.graph import Variable
from probgraph.engine.types import TensorType


class Container:
    """A place for one array, shared by a variable and the functions that use it."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class SharedVariable(Variable):
    """A variable with a value. Made by `shared`."""

    __slots__ = ("container", "default_update")

    def __init__(
        self, type: TensorType, value: Any, name: str | None = None, container: Container | None = None
    ) -> None:
        super().__init__(type, name)
        self.container = container or Container(value)
        self.default_update: Any = None

    def get_value(self, borrow: bool = False, return_internal_type: bool = False) -> np.ndarray:
        """The value: a copy, or with `borrow` the array itself."""
        return self.container.value if borrow else self.container.value.copy()

    def set_value(self, value: Any, borrow: bool = False) -> None:
        """A new value of the same dtype and rank (TypeError otherwise); lengths may change.

        The array is copied unless `borrow`, with which later changes of it are seen by functions.
        """
        array = self.type.filter(value, allow_downcast=None)
        self.container.value = array if borrow else np.array(array, order="C")

    def zero(self, borrow: bool = False) -> None:
        """Sets all elements to 0."""
        if borrow:
            self.container.value[...] = 0
        else:
            self.container.value = np.zeros_like(self.container.value)

    def clone(self, name: str | None = None) -> SharedVariable:
        """Another variable with the same container."""
        return SharedVariable(self.type, None, name or self.name, self.container)


def shared(
    value: Any,
    name: str | None = None,
    strict: bool = False,
    allow_downcast: bool | None = None,
    borrow: bool = False,
    broadcastable: Sequence[bool] | None = None,
    shape: Sequence[int | None] | None = None,
) -> SharedVariable:
    """A shared variable from a number or an array.

    A Python float is float64 and an int int64 whatever floatX is; an array keeps its dtype. Lengths may change
    later (`set_value`), unless `shape` (or, as in Theano, `broadcastable`) fixes some.

    >>> shared(1.5, name="w").get_value()
    array(1.5)
    """
    if isinstance(value, Variable):
        raise TypeError(f"Shared variable values can not be symbolic: {value} is a variable")
    if not isinstance(value, bool | int | float | complex | np.ndarray | np.generic):
        raise TypeError(
            f"shared takes a number or a NumPy array, got {type(value).__name__}: use numpy.asarray(...) on lists"
        )
    array = np.array(value, order="C", copy=True) if not (borrow and isinstance(value, np.ndarray)) else value
    if array.dtype == object:
        raise TypeError("shared takes numbers; this array holds Python objects")
    lengths = (
        shape if shape is not None else broadcastable if broadcastable is not None else (None,) * array.ndim
    )
    kind = TensorType(array.dtype, lengths)
    return SharedVariable(kind, kind.filter(array), name)
