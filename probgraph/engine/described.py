"""A graph told in words that are the same in every process, or not at all.

Two graphs with the same description are the same computation: ops with all their properties, in the same order, on
the same roots, of the same types, with the same constants bit by bit. The names of variables are left out, and so
are the values of shared variables. The idea worth knowing: only what is known to be complete is told. An operation
is its class and its `__props__`, or a row of the library's own table, and nothing of the user's: what a user's
function does, no name can tell.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from probgraph.engine.graph import Constant, Variable, toposort
from probgraph.engine.loop_op import Scan
from probgraph.engine.op import Op
from probgraph.engine.ops.elementwise import TABLE, Elementwise
from probgraph.engine.shared import SharedVariable
from probgraph.engine.types import TensorType

#: so many bytes of constants are read in the time that a small model takes to be compiled anew
LARGEST = 1 << 23

#: the library's rows: when this is imported, no user has made one yet
_ROWS = dict(TABLE)
_PLAIN = (type(None), bool, int, float, complex, str, bytes)


class NoWordsError(Exception):
    """Something has no description that would hold in another process, or too long a one."""


class Description:
    """The computation of `outputs` from `roots`: its `words`, and the constants and shared variables it reads, in order.

    Raises NoWordsError.
    """

    def __init__(self, roots: Sequence[Variable], outputs: Sequence[Variable]) -> None:
        self.constants: list[Constant] = []
        self.shared: list[SharedVariable] = []
        self._bytes = 0
        self._numbers: dict[Any, int] = {}
        self._vocabulary: list[Any] = []
        graph = self._graph(roots, outputs)
        self.words = repr((graph, self._vocabulary, [_content(c.data) for c in self.constants]))

    def _graph(self, roots: Sequence[Variable], outputs: Sequence[Variable]) -> tuple[Any, ...]:
        """Every variable is the number at which it comes up: the roots, then leaves as they are read, and results."""
        numbers = {v: k for k, v in enumerate(roots)}
        if len(numbers) < len(roots) or any(v.owner is not None for v in roots):
            raise NoWordsError("roots are different variables that nothing computes")
        leaves: list[Any] = []
        nodes: list[Any] = []

        def number(v: Variable) -> int:
            found = numbers.get(v)
            if found is None:
                leaves.append(self._leaf(v))
                found = numbers[v] = len(numbers)
            return found

        for node in toposort(outputs):
            reads = [number(v) for v in node.inputs]
            nodes.append((self._word(node.op), reads, [self._word(v.type) for v in node.outputs]))
            for v in node.outputs:
                numbers[v] = len(numbers)
        results = [number(v) for v in outputs]
        return [self._word(v.type) for v in roots], leaves, nodes, results

    def _leaf(self, v: Variable) -> tuple[Any, ...]:
        kind = self._word(v.type)
        if isinstance(v, Constant) and isinstance(v.data, np.ndarray) and type(v.literal) in _PLAIN:
            self._bytes += v.data.nbytes
            if self._bytes > LARGEST:
                raise NoWordsError(f"more than {LARGEST} bytes of constants")
            self.constants.append(v)
            return "constant", kind, v.literal, v.measured
        if isinstance(v, SharedVariable) and _ours(type(v)):
            self.shared.append(v)
            return type(v).__qualname__, kind, v.container.value.dtype.str, v.container.value.shape
        raise NoWordsError(f"{v} is neither root nor constant nor shared")

    def _word(self, thing: Any) -> int:
        """The number in the vocabulary of an op or a type."""
        found = self._numbers.get(thing)
        if found is None:
            self._vocabulary.append(self._op(thing) if isinstance(thing, Op) else self._value(thing))
            found = self._numbers[thing] = len(self._vocabulary) - 1
        return found

    def _op(self, op: Op) -> tuple[Any, ...]:
        kind = type(op)
        if isinstance(op, Elementwise):
            if _ROWS.get(op.name) is not op:
                raise NoWordsError(f"{op} is a user's")
            return "elementwise", op.name
        if kind is Scan:
            step = self._graph(op.graph.inputs, op.graph.outputs)
            return "scan", step, op.sequences, op.taps, op.until, op.truncate_gradient
        if not _ours(kind) or kind._identity is not Op._identity:
            raise NoWordsError(f"{op} is more than its class and its properties")
        return kind.__module__, kind.__qualname__, [self._value(getattr(op, name)) for name in kind.__props__]

    def _value(self, value: Any) -> Any:
        kind = type(value)
        if kind in _PLAIN:
            return value
        if kind is tuple:
            return tuple(map(self._value, value))
        if kind is TensorType:
            return "tensor", value.dtype, value.shape
        if _ours(kind) and is_dataclass(value):
            return (
                kind.__module__,
                kind.__qualname__,
                [self._value(getattr(value, f.name)) for f in fields(value)],
            )
        if kind is type and (_ours(value) or value.__module__ == "builtins"):
            return "class", value.__module__, value.__qualname__
        raise NoWordsError(f"{value!r} is a {kind.__name__}")


def _content(array: np.ndarray) -> tuple[Any, ...]:
    content = array.tobytes() if array.nbytes <= 64 else hashlib.sha256(np.ascontiguousarray(array)).digest()
    return array.dtype.str, array.shape, content


def _ours(kind: type) -> bool:
    return kind.__module__.startswith("probgraph.") and "<locals>" not in kind.__qualname__
