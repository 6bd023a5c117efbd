"""Where each value variable lies in the position vector q that samplers and optimisers walk with."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np

from probgraph.engine.graph import Variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.rolling import FEWEST
from probgraph.engine.types import TensorType


@dataclass(frozen=True, eq=False)
class Slot:
    """A value variable's place: q[start:stop], of this shape."""

    value: Variable
    name: str
    start: int
    stop: int
    shape: tuple[int, ...]


class Layout:
    """The value variables one after another, each row by row."""

    def __init__(self, values: Sequence[Variable]) -> None:
        self.slots: list[Slot] = []
        start = 0
        for v in values:
            size = int(np.prod(v.type.shape, dtype=np.int64))
            self.slots.append(Slot(v, v.name or "", start, start + size, v.type.shape))
            start += size
        self.dim = start

    @property
    def values(self) -> list[Variable]:
        return [slot.value for slot in self.slots]

    def vector(self, point: Mapping[str, np.ndarray]) -> np.ndarray:
        """A point by names as q (dim,). KeyError where a value variable is missing."""
        q = np.empty(self.dim)
        for slot in self.slots:
            if slot.name not in point:
                raise KeyError(
                    f"the point has no {slot.name!r}; it needs {', '.join(s.name for s in self.slots)}"
                )
            value = np.asarray(point[slot.name], dtype="float64")
            if value.shape != slot.shape:
                raise ValueError(f"the point's {slot.name} has shape {value.shape}, it needs {slot.shape}")
            q[slot.start : slot.stop] = value.ravel()
        return q

    def point(self, q: np.ndarray) -> dict[str, np.ndarray]:
        """q (dim,) as a point by names."""
        return {
            slot.name: q[slot.start : slot.stop].astype(slot.value.dtype).reshape(slot.shape)
            for slot in self.slots
        }

    def arrays(self, q: np.ndarray) -> list[np.ndarray]:
        """q (dim,) as one array for each value variable."""
        return [q[slot.start : slot.stop].reshape(slot.shape) for slot in self.slots]

    def numbers(self) -> tuple[list[Variable], dict[Variable, Variable]]:
        """The value variables, but float64 ones for those that are whole numbers; also what then stands for these."""
        roots: list[Variable] = []
        replaced: dict[Variable, Variable] = {}
        for slot in self.slots:
            v = slot.value
            if v.dtype == "float64":
                roots.append(v)
                continue
            roots.append(TensorType("float64", v.type.shape)(v.name))
            replaced[v] = ew.cast(roots[-1], v.dtype)
        return roots, replaced

    def roots(self, moved: Set[str] = frozenset()) -> tuple[list[Variable], dict[Variable, Variable]]:
        """What a density of q may be a function of: `numbers`, but many scalars in a row as one vector.

        Also what then stands for each of those scalars. One vector is one node for a compiler, whatever its length. Those
        that are `moved` without gradients stay apart.
        """
        numbers, replaced = self.numbers()
        roots: list[Variable] = []
        for scalars, pairs in itertools.groupby(
            zip(numbers, self.slots, strict=True),
            lambda pair: pair[1].shape == () and pair[0] is pair[1].value and pair[1].name not in moved,
        ):
            values = [root for root, _ in pairs]
            if not scalars or len(values) < FEWEST:
                roots.extend(values)
                continue
            together = TensorType("float64", (len(values),))(f"{values[0].name} to {values[-1].name}")
            roots.append(together)
            replaced.update((v, together[k]) for k, v in enumerate(values))
        return roots, replaced
