"""Arithmetic with distributions, which only functions for `CustomDist(dist=...)` may do.

A distribution is no number; outside of such a function, `Normal.dist(0, 1) + 1` is a TypeError that says what to write.
Inside, each distribution that is computed with stands for one random number, or one array of them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from probgraph.distributions.random_variable import RandomVariable
from probgraph.engine.config import config
from probgraph.engine.graph import Variable
from probgraph.engine.types import TensorType

_open: ContextVar[dict[int, RandomVariable] | None] = ContextVar("computed_with", default=None)


@contextmanager
def computed_with() -> Iterator[dict[int, RandomVariable]]:
    """While it is open, distributions may be computed with: the variables that stood for them."""
    found: dict[int, RandomVariable] = {}
    token = _open.set(found)
    try:
        yield found
    finally:
        _open.reset(token)


def _two(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda self, other: function(self._as_TensorVariable(), other)


def _turned(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda self, other: function(other, self._as_TensorVariable())


class Computable:
    """What a distribution is in formulas."""

    __add__, __radd__ = _two(operator.add), _turned(operator.add)
    __sub__, __rsub__ = _two(operator.sub), _turned(operator.sub)
    __mul__, __rmul__ = _two(operator.mul), _turned(operator.mul)
    __truediv__, __rtruediv__ = _two(operator.truediv), _turned(operator.truediv)
    __pow__, __rpow__ = _two(operator.pow), _turned(operator.pow)

    def __neg__(self) -> Variable:
        return -self._as_TensorVariable()

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        own = self._as_TensorVariable()
        return own.__array_ufunc__(ufunc, method, *(own if i is self else i for i in inputs), **options)

    def _as_TensorVariable(self) -> Variable:
        """The variable that stands for this distribution, as Theano's conversion asks for it."""
        found = _open.get()
        if found is None:
            raise TypeError(
                f"{self} is a distribution, not a number that could be computed with; in a model make it a variable,"
                f' {type(self).__name__}("name", ...), and for a distribution of the result CustomDist(dist=...)'
            )
        if id(self) not in found:
            dtype = "int64" if self.discrete else config.floatX
            found[id(self)] = RandomVariable(TensorType(dtype, self.shape), "", self, confined=False)
        return found[id(self)]


__all__ = ["Computable", "computed_with"]
