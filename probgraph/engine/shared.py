"""Shared variables: roots with a value behind them, which functions read and may update.

The value lives in a `Container`. Functions hold the container, so that a change is seen by all of them, and an
update replaces the array in it: nobody who took the old array sees it change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from probgraph.engine.graph import Variable
from probgraph.engine.random_types import GeneratorType, generator_of, is_generator, state_words
from probgraph.engine.types import TensorType


class Container:
    """A place for one array, shared by a variable and the functions that use it."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    @property
    def data(self) -> Any:
        """The value, under Theano's other name."""
        return self.value

    @data.setter
    def data(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"<{self.value!r}>"


class SharedVariable(Variable):
    """A variable with a value. Made by `shared`.

    `default_update`, if set, is the value it takes after each call of a function that uses it and does not
    update it otherwise.
    """

    __slots__ = ("allow_downcast", "container", "default_update", "strict")

    def __init__(
        self,
        type: TensorType,
        value: Any,
        name: str | None = None,
        container: Container | None = None,
        strict: bool = False,
        allow_downcast: bool | None = None,
    ) -> None:
        super().__init__(type, name)
        self.container = container or Container(value)
        self.default_update: Any = None
        self.strict = strict
        self.allow_downcast = allow_downcast

    def present(self) -> np.ndarray:
        """The value that a program reads from now on."""
        return np.array(self.container.value, order="C")

    def get_value(self, borrow: bool = False, return_internal_type: bool = False) -> np.ndarray:
        """The value: a copy, or with `borrow` the array itself (0-d for a scalar).

        >>> shared(2.0).get_value()
        array(2.)
        """
        return self.container.value if borrow else self.container.value.copy()

    def set_value(self, value: Any, borrow: bool = False) -> None:
        """A new value of the same rank, whose dtype fits without loss (TypeError otherwise); lengths may change.

        The array is copied unless `borrow`, with which later changes of it are seen by functions.

        >>> w = shared(2.0)
        >>> w.set_value(3)
        """
        array = self.type.filter(value, self.strict, self.allow_downcast)
        self.container.value = array if borrow else np.array(array, order="C")

    def zero(self, borrow: bool = False) -> None:
        """Sets all elements to 0: in a new array, or with `borrow` in the one that is there."""
        if borrow:
            self.container.value[...] = 0
        else:
            self.container.value = np.zeros_like(self.container.value)

    def clone(self, name: str | None = None) -> SharedVariable:
        """Another variable with the same container."""
        return SharedVariable(
            self.type, None, name or self.name, self.container, self.strict, self.allow_downcast
        )


class SharedGenerator(SharedVariable):
    """A shared state of a random generator, which is read and set as one of NumPy's generators.

    Functions draw from the state and store the next one; the generator that it came from never changes.
    """

    __slots__ = ()

    def get_value(self, borrow: bool = False, return_internal_type: bool = False) -> Any:
        """A new generator in the present state: what it draws does not touch this variable, even with `borrow`.

        >>> int(shared(np.random.default_rng(1)).get_value().integers(100))
        47
        """
        return self.container.value if return_internal_type else generator_of(self.container.value)

    def set_value(self, value: Any, borrow: bool = False) -> None:
        """The state of a generator of the same kind (TypeError otherwise), which is copied."""
        self.container.value = self.type.filter(value)

    def zero(self, borrow: bool = False) -> None:
        raise TypeError(f"{self} is a generator: give it a seed by set_value(numpy.random.default_rng(seed))")

    def clone(self, name: str | None = None) -> SharedGenerator:
        """Another variable with the same container."""
        return SharedGenerator(self.type, None, name or self.name, self.container)


def shared(
    value: Any,
    name: str | None = None,
    strict: bool = False,
    allow_downcast: bool | None = None,
    borrow: bool = False,
    broadcastable: Sequence[bool] | None = None,
    shape: Sequence[int | None] | None = None,
) -> SharedVariable:
    """A shared variable from a number, an array or one of NumPy's random generators.

    A Python float is float64 and an int int64 whatever floatX is; an array keeps its dtype. Lengths may change
    later (`set_value`), unless `shape` (or, as in Theano, `broadcastable`) fixes some. The array is copied
    unless `borrow`. `strict` and `allow_downcast` say what `set_value` may convert: nothing, or anything.
    Raises TypeError on anything that is not numbers: lists too, whose dtype would be a guess.

    >>> shared(1.5, name="w").get_value()
    array(1.5)
    """
    if isinstance(value, Variable):
        raise TypeError(f"Shared variable values can not be symbolic: {value} is a variable")
    if not isinstance(value, np.ndarray | float | int) and is_generator(value):
        return SharedGenerator(GeneratorType.of(value), state_words(value), name)
    if not isinstance(value, bool | int | float | complex | np.ndarray | np.generic):
        raise TypeError(
            f"shared takes a number or a NumPy array, got {type(value).__name__}: use numpy.asarray(...) on lists"
        )
    given = np.asarray(value)
    if given.dtype.kind not in "biufc":
        raise TypeError(f"shared takes numbers; this array holds {given.dtype}")
    lengths = (
        shape if shape is not None else broadcastable if broadcastable is not None else (None,) * given.ndim
    )
    kind = TensorType(given.dtype, lengths)
    array = kind.filter(given)
    if not borrow:
        array = np.array(array, order="C", copy=True)
    return SharedVariable(kind, array, name, strict=strict, allow_downcast=allow_downcast)
