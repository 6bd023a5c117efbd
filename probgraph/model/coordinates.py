"""Dimensions by name: how long each is, what its places are called, and which shape a list of dims makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Dims = str | Sequence[str | None] | None


class Coordinates:
    """The dims of a model, each with a length and perhaps labels."""

    def __init__(self, coords: Mapping[str, Any] | None = None) -> None:
        self.labels: dict[str, np.ndarray | None] = {}
        self.lengths: dict[str, int] = {}
        for name, values in (coords or {}).items():
            self.add(name, values)

    def add(self, name: str, values: Any = None, length: int | None = None) -> None:
        """A dim with labels, or with a length alone. ValueError where it exists with others."""
        if not isinstance(name, str) or not name:
            raise TypeError(f"a dim's name is a str, got {name!r}")
        if name in ("chain", "draw"):
            raise ValueError(
                f"{name!r} is the name of a dimension of every result; call your dim something else"
            )
        if values is None and length is None:
            raise ValueError(f"dim {name!r} needs labels or a length, e.g. coords={{{name!r}: range(8)}}")
        labels = None if values is None else _labels(name, values)
        found = len(labels) if labels is not None else int(length)  # type: ignore[arg-type]
        if length is not None and found != length:
            raise ValueError(f"dim {name!r} has {found} labels and was given length {length}")
        if name in self.lengths and (found != self.lengths[name] or not _same(labels, self.labels[name])):
            raise ValueError(
                f"dim {name!r} exists already, with length {self.lengths[name]} and other labels"
            )
        self.labels[name], self.lengths[name] = labels, found

    def replace(self, name: str, values: Any, length: int) -> None:
        """New labels (or None) and a new length for a dim."""
        labels = None if values is None else _labels(name, values)
        if labels is not None and len(labels) != length:
            raise ValueError(f"dim {name!r}: {len(labels)} labels were given for length {length}")
        self.labels[name], self.lengths[name] = labels, length

    def normalized(self, who: str, dims: Dims) -> tuple[str | None, ...] | None:
        """Dims as a tuple; KeyError with the known ones where one is not known."""
        if dims is None:
            return None
        names = (dims,) if isinstance(dims, str) else tuple(dims)
        for name in names:
            if name is not None and name not in self.lengths:
                known = ", ".join(map(repr, self.lengths)) or "none"
                raise KeyError(
                    f"{who}: dim {name!r} is not known; known are {known}. Give Model(coords={{...}})"
                )
        return names

    def shape(self, who: str, dims: Dims) -> tuple[int | None, ...]:
        """The lengths of dims; None where a dim is None."""
        names = self.normalized(who, dims) or ()
        return tuple(None if name is None else self.lengths[name] for name in names)

    def check(self, who: str, dims: tuple[str | None, ...] | None, shape: Sequence[int | None]) -> None:
        """ValueError, stated in dims, where a shape is not that of the dims."""
        if dims is None:
            return
        if len(dims) != len(shape):
            raise ValueError(
                f"{who}: it has shape {tuple(shape)}, {len(shape)} axes, and dims {dims}, {len(dims)} names"
            )
        for axis, (name, length) in enumerate(zip(dims, shape, strict=True)):
            if name is not None and length is not None and length != self.lengths[name]:
                raise ValueError(
                    f"{who}: axis {axis} has length {length}, dim {name!r} has length {self.lengths[name]}"
                )


def _labels(name: str, values: Any) -> np.ndarray:
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        raise TypeError(f"coords: the labels of {name!r} are a sequence, got {values!r:.80}")
    if hasattr(values, "to_numpy"):
        array = values.to_numpy()
    else:
        items = list(values)
        if any(isinstance(label, tuple) for label in items):
            array = np.empty(len(items), dtype=object)
            array[:] = items
        else:
            array = np.asarray(items)
    if array.ndim != 1:
        raise ValueError(f"coords: the labels of {name!r} have shape {array.shape}; they need one axis")
    return array


def _same(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    if a is None or b is None:
        return a is b
    return bool(np.array_equal(a, b))
