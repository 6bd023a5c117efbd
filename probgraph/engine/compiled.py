"""Loaded programs behind Python faces: a graph as a function of arrays, a density over R^n, a map over rows."""

from __future__ import annotations

import ctypes
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from probgraph.engine import loops, toolchain
from probgraph.engine.ahead import computed_ahead
from probgraph.engine.externals import address
from probgraph.engine.graph import FunctionGraph, Variable, garbage_kept, graph_inputs, rebuild
from probgraph.engine.loops import External, Literal, Load, Program
from probgraph.engine.lower import lower
from probgraph.engine.merged import merged
from probgraph.engine.needed import only_needed
from probgraph.engine.render_c import RUN, Part, Renderer, density_entry, rows_entry
from probgraph.engine.rewrite import run_passes
from probgraph.engine.rules import DECOMPOSE, FAST_RUN
from probgraph.engine.shared import SharedVariable
from probgraph.engine.timed import part_times, timed
from probgraph.engine.types import TensorType

#: arrays up to this many bytes are copied into memory whose address is known beforehand
_SMALL = 4096


class ProgramError(RuntimeError):
    """A compiled program reported a failure that it does not know: an error of this library."""


class Loaded(NamedTuple):
    """A compiled program, its C text, and what it calls of SciPy's."""

    library: ctypes.CDLL
    c_text: str
    externals: Sequence[External]


def load(
    program: Program, entries: Sequence[str], name: str = "program", parts: Mapping[str, Part] | None = None
) -> Loaded:
    """A program with these entries, compiled and linked."""
    renderer = Renderer(program, toolchain.vector_functions(), parts, toolchain.vector_types())
    text = renderer.file(entries)
    library = toolchain.load(text, name)
    link(library, renderer.externals)
    return Loaded(library, text, renderer.externals)


def link(library: ctypes.CDLL, externals: Sequence[External]) -> None:
    """Tells a program where the functions of SciPy's are that it calls."""
    if externals:
        addresses = [address(x) for x in externals]
        library.link_externals((ctypes.c_void_p * len(addresses))(*addresses))


def raise_failure(program: Program, code: int, values: Sequence[int]) -> None:
    """The exception that a program's nonzero return stands for."""
    if not 0 < code <= len(program.failures):
        raise ProgramError(f"a compiled program returned {code}")
    raise program.failures[code - 1].error(values)


def _static_size(shape: Sequence[int | None]) -> int | None:
    return None if None in shape else int(np.prod(shape, dtype=np.int64))


def _address(array: np.ndarray) -> int:
    """Where a contiguous array's elements begin; by the fast way where there is one."""
    if array.size and array.flags.writeable:
        return ctypes.addressof(ctypes.c_char.from_buffer(array))
    return array.ctypes.data


class CompiledGraph:
    """A graph as C, called with one array for each input.

    The arrays have the inputs' dtypes and ranks; the results are fresh arrays. Raises NoCompilerError without
    a compiler and NotImplementedError, naming the operation, if the graph has one that is not lowered.
    With `time_parts` the outermost loops and kernels are timed: see `part_seconds`.
    """

    def __init__(self, graph: FunctionGraph, time_parts: bool = False) -> None:
        graph = FunctionGraph(graph.inputs, run_passes(graph.outputs, DECOMPOSE))
        self.program = program = lower(graph)
        self._parts: list[str] = []
        self._times: np.ndarray | None = None
        if time_parts:
            self.program, self._parts = timed(program, _names_for_people(graph, program))
            program = self.program
        self._library, self.c_text, _ = load(program, [RUN])
        # Called with the interpreter lock held: the memory below is this object's, for one call at a time.
        self._lock = threading.Lock()
        handle = ctypes.PyDLL(None, handle=self._library._handle)
        self._run = handle.run
        self._prepare = handle.prepare
        self._keep = list(program.constants.values())
        self._allocate(graph)

    def _allocate(self, graph: FunctionGraph) -> None:
        program = self.program
        buffers = [b for b in program.buffers if b.role != "scratch"]
        inputs = len(graph.inputs)
        self._table = (ctypes.c_void_p * (len(buffers) + 1))()
        self._lengths = (ctypes.c_int64 * max(len(program.lengths), 1))()
        self._values = (ctypes.c_int64 * 8)()
        ranks = sum(len(shape) for shape in program.output_shapes)
        self._sizes = (ctypes.c_int64 * (ranks + 1))()
        self._true_lengths: np.ndarray | None = None
        for k, b in enumerate(buffers):
            if b.role == "constant":
                self._table[k] = program.constants[b.name].ctypes.data
            elif b.role == "lengths":
                self._true_lengths = np.zeros(b.size.value, "int64")
                self._table[k] = self._true_lengths.ctypes.data
            elif b.role == "times":
                self._times = np.zeros(b.size.value, "int64")
                self._table[k] = self._times.ctypes.data
        self._dynamic = bool(program.lengths or program.checks) or not all(
            isinstance(n, Literal) for shape in program.output_shapes for n in shape
        )
        self._owned_inputs: list[tuple[int, np.ndarray]] = []
        self._passed_inputs: list[tuple[int, tuple[int, ...], str]] = []
        length = 0
        for k, v in enumerate(graph.inputs):
            size = _static_size(v.type.shape)
            if size is not None and size * np.dtype(v.dtype).itemsize <= _SMALL:
                owned = np.zeros(v.type.shape, v.dtype)
                self._owned_inputs.append((k, owned))
                self._table[k] = owned.ctypes.data
            else:
                unknown = tuple(axis for axis, n in enumerate(v.type.shape) if n is None)
                self._passed_inputs.append(
                    (k, tuple((axis, length + i) for i, axis in enumerate(unknown)), v.dtype)
                )
                length += len(unknown)
        self._owned_outputs: list[np.ndarray] | None = None
        self._first_output = inputs
        shapes = [
            tuple(n.value for n in s) if all(isinstance(n, Literal) for n in s) else None
            for s in program.output_shapes
        ]
        dtypes = [v.dtype for v in graph.outputs]
        sizes = [
            None if s is None else int(np.prod(s)) * np.dtype(d).itemsize
            for s, d in zip(shapes, dtypes, strict=True)
        ]
        if not self._dynamic and all(size <= _SMALL for size in sizes):
            self._owned_outputs = [np.empty(s, d) for s, d in zip(shapes, dtypes, strict=True)]
            for k, array in enumerate(self._owned_outputs):
                self._table[inputs + k] = array.ctypes.data
        self._output_shapes = shapes
        self._output_dtypes = dtypes
        self._scratch_slot = len(buffers)
        self._scratch: Any = None
        #: whether the lengths are worked out from values too, and so anew in each call
        self._reads_values = any(
            isinstance(part, Load)
            for e in (
                *(n for shape in program.largest_shapes for n in shape),
                *(b.size for b in program.buffers),
                *(e for check in program.checks for e in loops.expressions(check)),
            )
            for part in loops.walk_expr(e)
        )
        self._prepared = not self._dynamic
        if self._prepared:
            self._prepare_call()

    def part_seconds(self) -> list[tuple[str, float]]:
        """Each outermost loop or kernel in words, and the seconds that it took in all calls; [] if not timed."""
        if self._times is None:
            return []
        return [(t, 1e-9 * n) for t, n in zip(self._parts, part_times(self._times.tolist()), strict=True)]

    def _prepare_call(self) -> None:
        """Checks the lengths, and learns those of the outputs and the scratch."""
        code = self._prepare(self._table, self._lengths, self._values, self._sizes)
        if code:
            raise_failure(self.program, code, self._values)
        sizes = iter(self._sizes)
        self._output_shapes = [tuple(next(sizes) for _ in shape) for shape in self.program.output_shapes]
        needed = next(sizes) + 64  # for the part before the first aligned address
        if self._scratch is None or needed > len(self._scratch):
            # Not zeros: memory that is never written to need not be there, whatever was reserved.
            self._scratch = np.empty(needed, "uint8")
            # The scratch's parts are aligned relative to its start.
            address = self._scratch.ctypes.data
            self._table[self._scratch_slot] = address + -address % 64

    def _cut(self, outputs: Sequence[np.ndarray], lengths: np.ndarray) -> list[np.ndarray]:
        """The outputs with the lengths that they turned out to have, from arrays of the most they might have had."""
        rest = iter(lengths.tolist())
        results = []
        for array in outputs:
            shape = tuple(next(rest) for _ in range(array.ndim))
            fits = shape == array.shape
            results.append(array if fits else array.reshape(-1)[: math.prod(shape)].reshape(shape).copy())
        return results

    def __call__(self, arrays: Sequence[Any]) -> list[np.ndarray]:
        with self._lock:
            table, lengths, prepared = self._table, self._lengths, self._prepared
            for k, owned in self._owned_inputs:
                owned[...] = arrays[k]
            alive = []
            for k, unknown, dtype in self._passed_inputs:
                array = np.ascontiguousarray(arrays[k], dtype=dtype)
                alive.append(array)
                table[k] = _address(array)
                for axis, slot in unknown:
                    if lengths[slot] != array.shape[axis]:
                        lengths[slot] = array.shape[axis]
                        prepared = False
            if not prepared:
                self._prepared = False
                self._prepare_call()
                self._prepared = not self._reads_values
            outputs = self._owned_outputs
            if outputs is None:
                outputs = [
                    np.empty(s, d) for s, d in zip(self._output_shapes, self._output_dtypes, strict=True)
                ]
                for k, array in enumerate(outputs, self._first_output):
                    table[k] = _address(array)
                code = self._run(table, lengths, self._values)
                if code:
                    raise_failure(self.program, code, self._values)
                return outputs if self._true_lengths is None else self._cut(outputs, self._true_lengths)
            code = self._run(table, lengths, self._values)
            if code:
                raise_failure(self.program, code, self._values)
            return [array.copy() for array in outputs]


def _names_for_people(graph: FunctionGraph, program: Program) -> dict[str, str]:
    """What the results' buffers and the lengths are called: by the variables' names, else by their places."""
    results = {f"out{k}": v.name or f"output {k}" for k, v in enumerate(graph.outputs)}
    unknown = [
        f"{v.name or f'input {k}'}.shape[{axis}]"
        for k, v in enumerate(graph.inputs)
        for axis, n in enumerate(v.type.shape)
        if n is None
    ]
    return results | dict(zip(program.lengths, unknown, strict=True))


# ------------------------------------------------------------------------------------ over R^n


def _closed(
    roots: Sequence[Variable], outputs: Sequence[Variable]
) -> tuple[FunctionGraph, list[SharedVariable]]:
    """The outputs rewritten, with the shared variables among them as inputs of known shape."""
    shared = [v for v in graph_inputs(outputs, stop=roots) if isinstance(v, SharedVariable)]
    fixed = [Variable(TensorType(v.dtype, v.container.value.shape), v.name) for v in shared]
    new = rebuild(outputs, dict(zip(shared, fixed, strict=True)))
    new = run_passes(computed_ahead(only_needed(merged(run_passes(new, FAST_RUN)))), DECOMPOSE)
    return FunctionGraph([*roots, *fixed], new), shared


def _offsets(roots: Sequence[Variable]) -> tuple[list[int], int]:
    offsets: list[int] = []
    dim = 0
    for v in roots:
        size = _static_size(v.type.shape)
        if size is None or v.dtype != "float64":
            raise TypeError(f"{v} is a {v.type}: the roots of a density are float64 and of known shape")
        offsets.append(dim)
        dim += size
    return offsets, dim


class _Memory:
    """The pointers to data and scratch that one thread hands to a program, and what they point to."""

    def __init__(self, arrays: Sequence[np.ndarray], scratch: int) -> None:
        self._alive = [np.ascontiguousarray(a) for a in arrays]
        self._scratch = ctypes.create_string_buffer(scratch + 64)
        address = ctypes.addressof(self._scratch)
        pointers = [a.ctypes.data for a in self._alive] + [address + -address % 64]
        self._table = (ctypes.c_void_p * len(pointers))(*pointers)
        self.address = ctypes.addressof(self._table)


@dataclass(frozen=True)
class Handed:
    """What a program is handed as data: the shared variables' values, its constants and `scratch` bytes, in this order."""

    shared: Sequence[SharedVariable]
    constants: Sequence[np.ndarray]
    scratch: int
    #: those of the shared variables' values for which it was compiled
    shapes: Sequence[Sequence[int | None]]

    def memory(self) -> _Memory:
        """Constants, the shared variables' present values, and scratch of its own: for one thread."""
        arrays = [v.present() for v in self.shared]
        for v, array, wanted in zip(self.shared, arrays, self.shapes, strict=True):
            if array.shape != tuple(wanted):
                raise ValueError(f"{v} has shape {array.shape}; the density was compiled for {tuple(wanted)}")
        return _Memory([*arrays, *self.constants], self.scratch)


class _Loaded:
    """What a density and a map over rows share: a program of static shape over parts of a vector."""

    def __init__(self, roots: Sequence[Variable], outputs: Sequence[Variable]) -> None:
        self.offsets, self.dim = _offsets(roots)
        graph, self.shared = _closed(roots, outputs)
        self.graph = graph
        self.program = program = lower(graph)
        if program.lengths or not all(isinstance(n, Literal) for s in program.output_shapes for n in s):
            raise NotImplementedError(
                "a density needs values of known shape; some length is known only at the call"
            )
        self.shapes = [tuple(n.value for n in shape) for shape in program.output_shapes]
        # The pointers handed over as data are the shared inputs, the constants and the scratch, in this order.
        program.buffers = _extras_after_outputs(program, len(roots))
        self.extras = len(self.shared) + len(program.constants) + 1

    def load(self, entry: str, name: str, parts: Mapping[str, Part]) -> None:
        roots = self.program.buffers_of("input")[: len(self.offsets)]
        in_q = {b.name: Part("q", k) for b, k in zip(roots, self.offsets, strict=True)}
        self.library, _, self.externals = load(self.program, [entry], name, {**in_q, **parts})
        # The program is asked now: printing it may have laid its constants out anew.
        constants = list(self.program.constants.values())
        shapes = self.program.input_shapes[len(self.offsets) :]
        self.handed = Handed(self.shared, constants, _scratch_size(self.program), shapes)


def _extras_after_outputs(program: Program, roots: int) -> list[Any]:
    inputs = program.buffers_of("input")
    return [
        *inputs[:roots],
        *program.buffers_of("output"),
        *inputs[roots:],
        *program.buffers_of("constant"),
        *program.buffers_of("scratch"),
    ]


def _scratch_size(program: Program) -> int:
    total = 0
    for b in program.buffers_of("scratch"):
        assert isinstance(b.size, loops.Literal)
        total += b.size.value * np.dtype(b.dtype).itemsize + 64
    return total


class CompiledDensity:
    """A log density and its gradient over R^dim as `int density(q, grad, logp, data)`.

    `address` is that function's; each thread hands over a `data` of its own, from `new_data()`. The library is linked.
    """

    def __init__(self, dim: int, library: ctypes.CDLL, externals: Sequence[External], handed: Handed) -> None:
        self.dim = dim
        self.library = library
        self.externals = externals
        self.handed = handed
        self.address: int = ctypes.cast(library.density, ctypes.c_void_p).value or 0

    def new_data(self) -> _Memory:
        return self.handed.memory()


@garbage_kept()
def compile_density(
    roots: Sequence[Variable], logp: Variable, gradients: Sequence[Variable]
) -> CompiledDensity:
    """A scalar and its gradients by float64 roots of known shape, as one C function over their concatenation.

    Raises NoCompilerError without a compiler, NotImplementedError if an operation is not lowered.
    """
    loaded = _Loaded(roots, [logp, *gradients])
    gradient_buffers = loaded.program.buffers_of("output")[1:]
    in_g = {b.name: Part("g", k) for b, k in zip(gradient_buffers, loaded.offsets, strict=True)}
    loaded.load(density_entry(loaded.extras), "density", in_g)
    return CompiledDensity(loaded.dim, loaded.library, loaded.externals, loaded.handed)


def compile_rows(
    roots: Sequence[Variable], outputs: Sequence[Variable]
) -> Callable[[np.ndarray], list[np.ndarray]]:
    """Values of `outputs` for many positions at once: (n, dim) -> a list of (n, *shape).

    The roots are consecutive parts of a row. Errors as in `compile_density`.
    """
    loaded = _Loaded(roots, outputs)
    sizes = [(int(np.prod(s)), v.dtype) for s, v in zip(loaded.shapes, loaded.graph.outputs, strict=True)]
    loaded.load(rows_entry(loaded.dim, sizes, loaded.extras), "rows", {})
    function = loaded.library.rows
    function.restype = ctypes.c_int64

    def rows(q: np.ndarray) -> list[np.ndarray]:
        q = np.ascontiguousarray(q, dtype=np.float64)
        if q.ndim != 2 or q.shape[1] != loaded.dim:
            raise ValueError(f"rows of length {loaded.dim} are needed, got shape {q.shape}")
        results = [np.empty((len(q), *s), d) for s, (_, d) in zip(loaded.shapes, sizes, strict=True)]
        pointers = (ctypes.c_void_p * max(len(results), 1))(*(r.ctypes.data for r in results))
        memory = loaded.handed.memory()
        values, code = (ctypes.c_int64 * 8)(), ctypes.c_int(0)
        function(
            ctypes.c_int64(len(q)),
            ctypes.c_void_p(q.ctypes.data),
            pointers,
            ctypes.c_void_p(memory.address),
            values,
            ctypes.byref(code),
        )
        if code.value:
            raise_failure(loaded.program, code.value, values)
        return results

    return rows
