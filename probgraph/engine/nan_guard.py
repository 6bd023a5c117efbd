"""NanGuardMode's guard: no nan, inf or huge number passes from the inputs or from any op."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from probgraph.engine.execute import Run
from probgraph.engine.graph import Apply, FunctionGraph
from probgraph.engine.monitor import Step, watched_run
from probgraph.engine.printing import debugprint
from probgraph.engine.run_graph import explanation

#: what is "big", as in Theano
BIG = 1e10


@dataclass(frozen=True)
class Guard:
    """What is an error: nan, plus or minus inf, finite numbers beyond 1e10 in size."""

    nan: bool = True
    inf: bool = True
    big: bool = True

    def complaint(self, value: Any) -> str | None:
        """What is wrong with a value, or None.

        >>> Guard().complaint(np.array([1.0, np.nan]))
        'NaN'
        """
        array = np.asarray(value)
        if array.dtype.kind not in "fciu":
            return None
        if array.dtype.kind in "fc":
            if self.nan and np.isnan(array).any():
                return "NaN"
            if self.inf and np.isinf(array).any():
                return "Inf"
        if self.big:
            with np.errstate(all="ignore"):
                size = np.abs(array.astype(np.complex128 if array.dtype.kind == "c" else np.float64))
            if (np.isfinite(size) & (size > BIG)).any():
                return "Big value"
        return None

    def run(self, graph: FunctionGraph) -> Run:
        """The graph run by NumPy; AssertionError at the first value that is wrong, with the op that made it."""
        run = watched_run(graph, after=self._after)

        def guarded(arrays: Sequence[Any]) -> list[np.ndarray]:
            for v, array in zip(graph.inputs, arrays, strict=True):
                wrong = self.complaint(array)
                if wrong is not None:
                    raise AssertionError(
                        f"{wrong} detected in an input of a graph: {v}, a {v.type}\nValue: {_short(array)}"
                    )
            with np.errstate(all="ignore"):  # the guard says it better
                return run(arrays)

        return guarded

    def _after(self, i: int, node: Apply, step: Step) -> None:
        for v, (value,) in zip(node.outputs, step.outputs, strict=True):
            wrong = self.complaint(value)
            if wrong is not None:
                tree = debugprint(v, file="str", depth=8, limit=4_000)
                raise AssertionError(
                    f"{wrong} detected in output of a node in this variable:\n{tree}\nValue: {_short(value)}\n"
                    f"{explanation(node, [cell[0] for cell in step.inputs])}"
                )


def _short(value: Any) -> str:
    return np.array2string(np.asarray(value), threshold=20)
