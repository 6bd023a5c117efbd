"""Loops run in Python, statement by statement: the living definition of the loop language. Slow on purpose."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from probgraph.engine.loops import (
    Accumulate,
    Assign,
    Break,
    Call,
    Compute,
    Convert,
    Declare,
    Expr,
    Fetch,
    For,
    Let,
    Literal,
    Load,
    Local,
    Name,
    Program,
    Require,
    Statement,
    Store,
    Tick,
    Update,
)


def run(program: Program, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The program's outputs for these inputs (arrays of the buffers' dtypes, in the order of its inputs)."""
    machine = _Machine(program)
    for buffer, array in zip(program.buffers_of("input"), inputs, strict=True):
        machine.memory[buffer.name] = np.ascontiguousarray(array).reshape(-1)
    unknown = iter(program.lengths)
    for array, lengths in zip(inputs, program.input_shapes, strict=True):
        for n, known in zip(array.shape, lengths, strict=True):
            if known is None:
                machine.names[next(unknown)] = n
    machine.memory.update({name: np.asarray(data).reshape(-1) for name, data in program.constants.items()})
    with np.errstate(all="ignore"):
        machine.execute(program.checks)
        for buffer in program.buffers:
            if buffer.role in ("output", "lengths", "times", "scratch"):
                machine.memory[buffer.name] = np.zeros(int(machine.value(buffer.size)), buffer.dtype)
        machine.execute(program.body)
        shapes = [tuple(int(machine.value(n)) for n in shape) for shape in program.output_shapes]
    outputs = [machine.memory[b.name] for b in program.buffers_of("output")]
    # Where a length became known in the run, its buffer has room for the most that it could have been.
    return [array[: math.prod(s)].reshape(s) for array, s in zip(outputs, shapes, strict=True)]


class _Ended(Exception):
    """A loop came to its Break."""


class _Machine:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.memory: dict[str, np.ndarray] = {}
        self.names: dict[str, Any] = {}

    def value(self, e: Expr) -> Any:
        match e:
            case Literal():
                return np.dtype(e.dtype).type(e.value)
            case Name():
                return self.names[e.name]
            case Load():
                return self.memory[e.buffer][int(self.value(e.index))]
            case Convert():
                return np.asarray(self.value(e.arg)).astype(e.dtype)[()]
            case Compute():
                return np.asarray(e.function.python(*map(self.value, e.args))).astype(e.dtype)[()]
        raise TypeError(f"{e} is not an expression of the loop language")

    def execute(self, statements: Sequence[Statement]) -> None:
        for s in statements:
            match s:
                case Let() | Declare() | Assign():
                    self.names[s.name] = self.value(s.value)
                case Update():
                    before = self.names[s.name]
                    result = s.function.python(before, self.value(s.value))
                    self.names[s.name] = np.asarray(result).astype(np.asarray(before).dtype)[()]
                case Store():
                    self.memory[s.buffer][int(self.value(s.index))] = self.value(s.value)
                case Accumulate():
                    place = int(self.value(s.index))
                    array = self.memory[s.buffer]
                    array[place] = s.function.python(array[place], self.value(s.value))
                case Local():
                    self.memory[s.name] = np.zeros(s.size, s.dtype)
                case For():
                    for i in range(int(self.value(s.start)), int(self.value(s.stop)), s.step):
                        self.names[s.variable] = np.int64(i)
                        try:
                            self.execute(s.body)
                        except _Ended:
                            break
                case Fetch():
                    pass
                case Break():
                    if self.value(s.condition):
                        raise _Ended
                case Tick():
                    now = time.perf_counter_ns()
                    times = self.memory[s.buffer]
                    times[s.place] += now - times[0]
                    times[0] = now
                case Require():
                    if not self.value(s.condition):
                        self.fail(s.failure, [self.value(v) for v in s.values])
                case Call():
                    starts = [int(self.value(o)) for o in s.offsets]
                    arrays = [self.memory[b][o:] for b, o in zip(s.buffers, starts, strict=True)]
                    if s.kernel.python(arrays, [int(self.value(n)) for n in s.sizes]):
                        self.fail(s.failure, [])
                case _:
                    raise TypeError(f"{s} is not a statement of the loop language")

    def fail(self, code: int, values: Sequence[Any]) -> None:
        raise self.program.failures[code - 1].error(values)
