"""What is known of a value before it exists: its dtype and its shape, as far as it is known.

A `TensorType` has a NumPy dtype name and one entry an axis: a length, or None for "known only at the call".
An axis of length 1 broadcasts; an axis of unknown length never does. A Python number is a *literal*: it has
no dtype of its own and takes that of what it meets (`literal_dtype`).
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from probgraph.engine.config import config

FLOATS = ("float32", "float64")
COMPLEX = ("complex64", "complex128")
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
INTEGERS = SIGNED + UNSIGNED
DTYPES = ("bool", *INTEGERS, *FLOATS, *COMPLEX)
_KNOWN = frozenset(DTYPES)

_RANK_NAMES = ("scalar", "vector", "matrix", "3D", "4D", "5D", "6D", "7D")


class Type:
    """What a variable may hold."""

    def filter(self, value: Any, strict: bool = False, allow_downcast: bool | None = None) -> Any:
        """The value as this type stores it; TypeError if it does not fit."""
        raise NotImplementedError


class TensorType(Type):
    """A dtype and a static shape.

    `shape` has one entry an axis: an int, or None where the length is known only at the call. As in Theano a
    tuple of booleans is read as a broadcast pattern: True is length 1, False unknown.

    >>> TensorType("float64", (None, 3)).ndim
    2
    """

    __slots__ = ("_hash", "dtype", "shape")

    def __init__(
        self,
        dtype: str | np.dtype | type,
        shape: Iterable[int | bool | None] | None = None,
        name: Any = None,
        broadcastable: Iterable[bool] | None = None,
    ) -> None:
        if (shape is None) == (broadcastable is None):
            raise TypeError("TensorType takes a shape, or a pattern `broadcastable`: one of the two")
        shape = broadcastable if shape is None else shape
        if dtype not in _KNOWN:  # the usual names are taken as they are: NumPy's look-up is slow
            dtype = config.floatX if isinstance(dtype, str) and dtype == "floatX" else _dtype_name(dtype)
        if dtype not in _KNOWN:
            raise TypeError(f"Unsupported dtype for TensorType: {dtype}; supported are {', '.join(DTYPES)}")
        self.dtype = dtype
        self.shape = tuple(_axis(length) for length in shape)  # type: ignore[union-attr]
        self._hash = hash((self.dtype, self.shape))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TensorType) and self.dtype == other.dtype and self.shape == other.shape

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[Any, ...]:
        return TensorType, (self.dtype, self.shape)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def broadcastable(self) -> tuple[bool, ...]:
        """Which axes are known to have length 1: Theano's view of the shape."""
        return tuple(length == 1 for length in self.shape)

    @property
    def numpy_dtype(self) -> np.dtype:
        return np.dtype(self.dtype)

    def clone(
        self,
        dtype: str | None = None,
        shape: Sequence[int | None] | None = None,
        broadcastable: Sequence[bool] | None = None,
    ) -> TensorType:
        shape = broadcastable if shape is None else shape
        return TensorType(dtype or self.dtype, self.shape if shape is None else shape)

    def is_super(self, other: Type) -> bool:
        """`accepts`, under PyTensor's name."""
        return self.accepts(other)

    def accepts(self, other: Type) -> bool:
        """Whether every value of `other` is a value of this type."""
        return (
            isinstance(other, TensorType)
            and self.dtype == other.dtype
            and len(self.shape) == len(other.shape)
            and all(mine is None or mine == its for mine, its in zip(self.shape, other.shape, strict=True))
        )

    def filter(self, value: Any, strict: bool = False, allow_downcast: bool | None = None) -> np.ndarray:
        """`value` as an array of this type.

        An array may be widened, never narrowed, unless `allow_downcast`; a number or a list is taken if its
        value can be stored exactly (a Python float in a float32 scalar only under floatX=float32). `strict`
        takes nothing but an array of the very dtype. Raises TypeError with what was given and what is needed.
        """
        if type(value) is np.ndarray and value.dtype.name == self.dtype and value.dtype.isnative:
            array = value
        elif strict:
            raise TypeError(
                f"{self} expected a ndarray object of dtype {self.dtype}"
                f" (given a value of type {type(value).__name__}"
                f"{f' and dtype {value.dtype}' if isinstance(value, np.ndarray) else ''})"
            )
        else:
            array = self._convert(value, allow_downcast)
        shape = array.shape
        if len(shape) != len(self.shape):
            raise TypeError(
                f"Wrong number of dimensions: expected {self.ndim}, got {array.ndim} with shape {shape}."
            )
        for axis, (length, given) in enumerate(zip(self.shape, shape, strict=True)):
            if length is not None and length != given:
                raise TypeError(
                    f"Wrong length: {self} needs length {length} along axis {axis}, got shape {shape}."
                )
        return array

    def _convert(self, value: Any, allow_downcast: bool | None) -> np.ndarray:
        if isinstance(value, str | bytes):
            raise ValueError(f"{self} cannot store the text {value!r}")
        try:
            given = np.asarray(value)
        except ValueError as error:
            raise TypeError(f"{self} needs an array; the nested lists given are ragged: {error}") from None
        if given.dtype == object:
            raise TypeError(
                f"Expected an array-like object of numbers, but found {type(value).__name__}: {value!r:.80}"
            )
        if allow_downcast:
            with np.errstate(all="ignore"):
                return given.astype(self.dtype)
        if isinstance(value, np.ndarray | np.generic):
            if np.promote_types(given.dtype, self.dtype) == self.dtype:
                return given.astype(self.dtype)
            raise TypeError(
                f"{self} cannot store a value of dtype {given.dtype} without risking loss of precision. If you do"
                f" not mind this loss, you can: 1) explicitly cast your data to {self.dtype}, or 2) set"
                f' "allow_input_downcast=True" when calling "function".'
            )
        with np.errstate(all="ignore"):
            stored = given.astype(self.dtype)
        scalar_floatx = (
            allow_downcast is None
            and isinstance(value, float)
            and self.dtype == config.floatX
            and self.ndim == 0
        )
        if not (
            scalar_floatx
            or given.size == 0
            or (
                np.array_equal(stored.astype(given.dtype), given, equal_nan=given.dtype.kind in "fc")
                and (stored.dtype.kind != "u" or bool(np.all(given >= 0)))
                and (given.dtype.kind != "u" or bool(np.all(stored >= 0)))
            )
        ):
            raise TypeError(
                f"{self} cannot store accurately value {value}, it would be represented as {stored.tolist()}. If you"
                f" do not mind this precision loss, you can: 1) explicitly convert your data to a numpy array of"
                f' dtype {self.dtype}, or 2) set "allow_input_downcast=True" when calling "function".'
            )
        return stored

    def is_valid_value(self, value: Any, strict: bool = True) -> bool:
        try:
            self.filter(value, strict=strict)
        except (TypeError, ValueError):
            return False
        return True

    def values_eq(self, a: Any, b: Any) -> bool:
        return bool(np.array_equal(a, b))

    def values_eq_approx(self, a: Any, b: Any, rtol: float | None = None, atol: float | None = None) -> bool:
        single = self.dtype in ("float32", "complex64")
        rtol = (1e-4 if single else 1e-9) if rtol is None else rtol
        atol = (1e-5 if single else 1e-11) if atol is None else atol
        return np.shape(a) == np.shape(b) and bool(np.allclose(a, b, rtol, atol, equal_nan=True))

    def __str__(self) -> str:
        if any(length is not None for length in self.shape):
            axes = ", ".join("?" if n is None else str(n) for n in self.shape)
            return f"TensorType({self.dtype}, shape=({axes}{',' if self.ndim == 1 else ''}))"
        kind = _RANK_NAMES[self.ndim] if self.ndim < len(_RANK_NAMES) else f"{self.ndim}D"
        return f"TensorType({self.dtype}, {kind})"

    __repr__ = __str__


@functools.cache
def _dtype_name(dtype: Any) -> str:
    try:
        return np.dtype(dtype).name
    except TypeError:  # NumPy knows no such thing; the caller says what is known here
        return str(dtype)


def _axis(length: int | bool | None) -> int | None:
    if length is None or length is False:
        return None
    if length is True:
        return 1
    length = int(length)
    if length < 0:
        raise ValueError(f"a static length is not negative, got {length}")
    return length


def describe(types: Iterable[TensorType]) -> str:
    """Types as errors show them: `float64[3] and float64[?, 4]`."""
    texts = [
        f"{t.dtype}[{', '.join('?' if n is None else str(n) for n in t.shape)}]"
        if isinstance(t, TensorType)
        else str(t)
        for t in types
    ]
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


@functools.cache
def promote(*dtypes: str) -> str:
    """The dtype that holds all of these: NumPy's rule."""
    return np.result_type(*map(np.dtype, dtypes)).name


def to_float(dtype: str) -> str:
    """What a function with real results makes of a dtype: small integers float32, larger ones float64."""
    if dtype in FLOATS or dtype in COMPLEX:
        return dtype
    return "float32" if dtype in ("bool", "int8", "int16", "uint8", "uint16") else "float64"


def real_part(dtype: str) -> str:
    return {"complex64": "float32", "complex128": "float64"}.get(dtype, dtype)


def literal_dtype(value: bool | int | float | complex, others: Sequence[str] = ()) -> str:
    """The dtype a Python number takes beside operands of these dtypes (NEP 50: literals are weak).

    Alone a float is floatX and an int int64. Beside others it takes theirs, unless its kind is higher: a
    float beside integers is floatX, a complex number beside floats the complex of that precision.
    """
    kind = (
        0
        if isinstance(value, bool)
        else 1
        if isinstance(value, int)
        else 2
        if isinstance(value, float)
        else 3
    )
    alone = ("bool", "int64", config.floatX, "complex128" if config.floatX == "float64" else "complex64")[
        kind
    ]
    if not others:
        return alone
    other = promote(*others)
    other_kind = 0 if other == "bool" else 1 if other in INTEGERS else 2 if other in FLOATS else 3
    if other_kind < kind:
        return promote(other, "complex64") if kind == 3 and other_kind == 2 else alone
    if kind == 1 and other in INTEGERS and not np.iinfo(other).min <= value <= np.iinfo(other).max:
        raise OverflowError(
            f"the literal {value} does not fit {other}, the dtype of what it is combined with:"
            f" cast that first, e.g. x.astype('int64')"
        )
    return other


def broadcast_shapes(who: str, types: Sequence[TensorType]) -> tuple[int | None, ...]:
    """The static shape of an elementwise result; ValueError where known lengths disagree.

    Shapes are aligned at the last axis. Length 1 stretches; unknown lengths are taken to agree (and are
    checked at the call).
    """
    rank = max((t.ndim for t in types), default=0)
    lengths: list[int | None] = []
    for axis in range(-rank, 0):
        result: int | None = 1
        for t in types:
            length = t.shape[axis] if t.ndim >= -axis else 1
            if length == 1:
                continue
            if result is None or result == 1:
                result = length
            elif length is not None and length != result:
                raise ValueError(
                    f"{who}: shapes {describe(types)} do not broadcast: axis {axis} has lengths {result} and {length}"
                )
        lengths.append(result)
    return tuple(lengths)
