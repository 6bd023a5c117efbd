"""Mini-batches: rows of data that are drawn anew for each evaluation.

The idea worth knowing: a batch is a gather by an index that lives in memory which the compiled function reads. Whoever
evaluates it again and again draws new numbers into that memory, in C or in Python.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from probgraph.engine.graph import Variable, graph_inputs
from probgraph.engine.op import as_variable
from probgraph.engine.ops.index import get_item
from probgraph.engine.run_graph import evaluate
from probgraph.engine.shared import SharedVariable
from probgraph.engine.types import TensorType


class BatchIndex(SharedVariable):
    """Which rows of `total` are in the batch. Programs read this very array, not a copy: whoever calls them redraws it."""

    __slots__ = ("total",)

    def __init__(self, total: int, batch_size: int) -> None:
        first = np.arange(batch_size, dtype="int64")
        super().__init__(TensorType("int64", (batch_size,)), first, f"{batch_size} of {total} rows")
        self.total = total

    def present(self) -> np.ndarray:
        return self.container.value


def Minibatch(variable: Any, *variables: Any, batch_size: int) -> Any:
    """`batch_size` rows of data, drawn anew, with replacement, at each evaluation in `fit` or `minimize`.

    The data are arrays or `Data`, all with as many rows: of several the batches have the same rows, and come as a list.
    Give `total_size=` to the variable that is observed, so that its likelihood counts as that of all rows.

    Raises ValueError for lengths that differ, and a batch that is empty or larger than the data.

    >>> Minibatch(np.zeros((1000, 3)), batch_size=50).type.shape
    (50, 3)
    """
    data = [as_variable(v) for v in (variable, *variables)]
    shapes = [evaluate(v).shape for v in data]
    lengths = [shape[:1] for shape in shapes]
    if () in lengths or len(set(lengths)) > 1:
        raise ValueError(
            f"Minibatch: the data need as many rows each, got shapes {', '.join(map(str, shapes))}"
        )
    total = lengths[0][0]
    if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer):
        raise TypeError(f"Minibatch: batch_size is {batch_size!r}; it must be a whole number")
    if not 1 <= batch_size <= total:
        raise ValueError(
            f"Minibatch: batch_size is {batch_size}; it must be from 1 to {total}, the rows there are"
        )
    index = BatchIndex(total, int(batch_size))
    batches = [get_item(v, index) for v in data]
    return batches if variables else batches[0]


def batches_in(outputs: Iterable[Variable]) -> list[BatchIndex]:
    """The indices of mini-batches on which graphs depend."""
    return [v for v in graph_inputs(list(outputs)) if isinstance(v, BatchIndex)]
