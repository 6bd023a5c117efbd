"""How users make roots: `dscalar("x")`, `vectors("x", "y")`, `TensorType("float32", (None, 3))("w")`.

A letter for the dtype (b, w, i, l: int8 to int64; f, d: float32, float64; c, z: complex64, complex128) and a
word for the shape make a name, and that name is a `TensorType`, called to make a variable of it. Without a
letter the dtype is `config.floatX` at the time of the call. With an s at the end several are made at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from probgraph.engine.config import config
from probgraph.engine.graph import Constant, Variable
from probgraph.engine.op import as_variable
from probgraph.engine.types import TensorType

DTYPES = {
    "b": "int8",
    "w": "int16",
    "i": "int32",
    "l": "int64",
    "f": "float32",
    "d": "float64",
    "c": "complex64",
    "z": "complex128",
}

SHAPES: dict[str, tuple[int | None, ...]] = {
    "scalar": (),
    "vector": (None,),
    "matrix": (None, None),
    "row": (1, None),
    "col": (None, 1),
    **{f"tensor{rank}": (None,) * rank for rank in range(3, 8)},
}

_PLURALS = {"vector": "vectors", "matrix": "matrices"}


def _floatx(word: str, pattern: tuple[int | None, ...]) -> Callable[..., Variable]:
    def make(
        name: str | None = None, dtype: str | None = None, shape: Sequence[int | None] | None = None
    ) -> Variable:
        if shape is not None and len(shape) != len(pattern):
            raise ValueError(f"{word}: shape {tuple(shape)} has {len(shape)} axes, {len(pattern)} are needed")
        return TensorType(dtype or config.floatX, pattern if shape is None else shape)(name)

    make.__name__ = word
    make.__doc__ = (
        f"A {word}: `{word}(name)`, of dtype floatX unless `dtype` is given; `shape` tells known lengths."
    )
    return make


def _several(make: Callable[..., Variable]) -> Callable[..., Any]:
    def plural(*names: str | int, **settings: Any) -> Any:
        """Variables named one by one, by the letters of one string, or only counted. One letter: the variable."""
        if len(names) == 1 and isinstance(names[0], int):
            return [make(**settings) for _ in range(names[0])]
        given = names[0] if len(names) == 1 and isinstance(names[0], str) else names
        if isinstance(given, str) and len(given) == 1:
            return make(given, **settings)
        return [make(name, **settings) for name in given]

    return plural


def _all_constructors() -> dict[str, Any]:
    made: dict[str, Any] = {}
    for word, pattern in SHAPES.items():
        plural = _PLURALS.get(word, f"{word}s")
        made[word] = _floatx(word, pattern)
        made[plural] = _several(made[word])
        for letter, dtype in DTYPES.items():
            made[letter + word] = TensorType(dtype, pattern)
            made[letter + plural] = _several(made[letter + word])
    return made


#: every name that makes roots, and what it is
CONSTRUCTORS = _all_constructors()


def tensor(
    *given: Any,
    name: str | None = None,
    dtype: str | None = None,
    shape: Sequence[int | bool | None] | None = None,
    broadcastable: Sequence[bool] | None = None,
) -> Variable:
    """A root of any dtype (default floatX) and shape: lengths, and None for those known only at the call.

    Called as PyTensor's, `tensor(name, dtype=..., shape=...)`, or as Theano's, `tensor(dtype, broadcastable, name=...)`:
    a first argument that is a dtype and is followed by a pattern, or by the keyword alone, is one.

    >>> tensor("x", shape=(None, 3)).ndim
    2
    """
    if len(given) > 3:
        raise TypeError(f"tensor takes a name, or a dtype, a shape and a name; got {given}")
    names_dtype = len(given) > 1 or name is not None or broadcastable is not None
    if given and names_dtype and dtype is None:
        dtype, given = given[0], given[1:]
        if given and shape is None and broadcastable is None:
            shape, given = given[0], given[1:]
    if given and name is None:
        name, given = given[0], given[1:]
    if given:
        raise TypeError(f"tensor: {given} is one argument too many")
    lengths = shape if shape is not None else broadcastable if broadcastable is not None else ()
    return TensorType(dtype or config.floatX, lengths)(name)


def constant(x: Any, name: str | None = None, ndim: int | None = None, dtype: str | None = None) -> Constant:
    """A number or an array as a constant of the graph. TypeError for a variable.

    With `ndim`, missing axes are added in front (ValueError if there are too many).

    >>> constant([1, 2]).data
    array([1, 2])
    """
    if isinstance(x, Variable) and not isinstance(x, Constant):
        raise TypeError(f"constant takes a number or an array, {x} is a variable")
    result = as_variable(x, name, None, dtype)
    assert isinstance(result, Constant)
    if ndim is None or result.ndim == ndim:
        return result
    if result.ndim > ndim:
        raise ValueError(f"constant: {x!r:.80} has {result.ndim} dimensions, ndim={ndim} was asked for")
    data = np.asarray(result.data).reshape((1,) * (ndim - result.ndim) + result.data.shape)
    return Constant(TensorType(result.dtype, data.shape), data, name)


def as_tensor_variable(
    x: Any, name: str | None = None, ndim: int | None = None, dtype: str | None = None
) -> Variable:
    """`x` as a variable: a variable as it is, numbers and arrays as constants, lists with variables inside
    stacked. With `ndim`, missing axes are added in front (ValueError if there are too many).

    >>> as_tensor_variable([1.5, tensor("x")]).ndim
    1
    """
    result = as_variable(x, name, None, dtype)
    if ndim is None or result.ndim == ndim:
        return result
    if result.ndim > ndim:
        raise ValueError(
            f"as_tensor_variable: {result} has {result.ndim} dimensions, ndim={ndim} was asked for"
        )
    return result.dimshuffle(("x",) * (ndim - result.ndim) + tuple(range(result.ndim)))
