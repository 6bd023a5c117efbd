"""The Python face of nuts.c: a chain in memory that is allocated once, run without the interpreter lock."""

from __future__ import annotations

import ctypes
import functools
from importlib import resources

import numpy as np

from probgraph.engine import toolchain
from probgraph.samplers.adaptation import LATELY
from probgraph.samplers.density import STOP_SAMPLING, raise_error_of
from probgraph.samplers.metric import Metric
from probgraph.samplers.moves import MovesState, Sweeps
from probgraph.samplers.nuts import MAX_HALVINGS, Advance, Nuts, WarmUp

#: of the metric's S, in the order in which nuts.c counts them
POWERS = (2, 1, -1)


@functools.cache
def _library(holding_the_gil: bool) -> ctypes.CDLL:
    source = resources.files("probgraph.samplers").joinpath("nuts.c").read_text(encoding="utf-8")
    path = toolchain.compile_library(source, "nuts")
    library = (ctypes.PyDLL if holding_the_gil else ctypes.CDLL)(str(path))
    pointer, number, real = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double
    for name, result, *arguments in (
        ("nuts_memory", number, number, number),
        ("nuts_start", ctypes.c_int, pointer, number, number, pointer, pointer, pointer, pointer, pointer),
        ("nuts_set_metric", None, pointer, pointer, pointer, number, pointer, pointer),
        ("nuts_set_bound", None, pointer, real, number),
        ("nuts_set_path", None, pointer, real, real, number),
        ("nuts_set_between", None, pointer, pointer, pointer, ctypes.c_int),
        ("nuts_where", None, pointer, pointer, pointer),
        ("nuts_try_step", real, pointer, real),
        ("nuts_run", number, pointer, real, real, number, pointer, pointer, pointer, pointer, pointer),
        ("nuts_warm_up", ctypes.c_int, *(pointer,) * 7, number, number, real, real, ctypes.c_int),
        ("nuts_each", number, pointer, real, real, number, pointer, pointer, pointer, pointer),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def compile_kernel() -> None:
    """Compile nuts.c, or find it in the cache. Raises NoCompilerError where there is no compiler."""
    _library(False)


class CompiledNuts(Nuts):
    """A chain of transitions by nuts.c; see `Nuts`. Raises NoCompilerError where it cannot be compiled."""

    def _start(self, q: np.ndarray) -> float:
        library = _library(False)
        self.data = self.density.new_data()
        size = library.nuts_memory(self.dim, self.max_treedepth)
        self._buffer = np.empty(size + 64, dtype=np.uint8)
        self._memory = (self._buffer.ctypes.data + 63) // 64 * 64
        self._stop, self._done = ctypes.addressof(self.stop), ctypes.addressof(self.done)
        logp = ctypes.c_double()
        code = library.nuts_start(
            self._memory,
            self.dim,
            self.max_treedepth,
            self.density.address,
            self.data.address,
            self.bit_generator.ctypes.bit_generator,
            q.ctypes.data,
            ctypes.addressof(logp),
        )
        if code == STOP_SAMPLING:
            raise_error_of(self.data)
        library.nuts_set_bound(self._memory, self.max_error, MAX_HALVINGS)
        if self.path is not None:
            library.nuts_set_path(self._memory, self.path.length, self.path.jitter, self.path.max_steps)
        self._sweeps = None
        if self.moves:
            self._sweeps = Sweeps(
                self.moves, self.density, self.data, self.bit_generator, q, self.room, self.thin, self._stop
            )
            alone = self.free is not None and not len(self.free)
            library.nuts_set_between(self._memory, self._sweeps.function, self._sweeps.memory, alone)
        return logp.value if code == 0 else -np.inf

    def end_tuning(self) -> None:
        if self._sweeps is not None:
            self._sweeps.end_tuning()

    def moves_state(self) -> MovesState:
        return MovesState() if self._sweeps is None else self._sweeps.state()

    def go_on_with_moves(self, state: MovesState, draws: np.ndarray) -> None:
        if self._sweeps is not None:
            self._sweeps.go_on(state, draws)

    def acceptance(self) -> dict[str, float]:
        return {} if self._sweeps is None else self._sweeps.acceptance()

    def set_metric(self, metric: Metric) -> None:
        self.metric = metric
        matrices = None if metric.matrix is None else [metric.matrices[power] for power in POWERS]
        stretches = None if metric.stretches is None else [metric.stretches_of(power) for power in POWERS]
        arrays = (metric.scales, matrices, metric.vectors, stretches)
        # Kept, for C knows their addresses alone.
        self._metric = [None if a is None else np.ascontiguousarray(a, dtype=np.float64) for a in arrays]
        addresses = [None if a is None else a.ctypes.data for a in self._metric]
        rank = 0 if metric.stretches is None else len(metric.stretches)
        _library(False).nuts_set_metric(self._memory, *addresses[:2], rank, *addresses[2:])

    def where(self) -> tuple[np.ndarray, np.ndarray]:
        q, gradient = np.empty(self.dim), np.empty(self.dim)
        _library(False).nuts_where(self._memory, q.ctypes.data, gradient.ctypes.data)
        return q, gradient

    def energy_loss(self, step_size: float) -> float:
        loss = _library(False).nuts_try_step(self._memory, step_size)
        if np.isnan(loss):
            raise_error_of(self.data)
        return loss

    def begin(self, warm_up: WarmUp) -> Advance:
        passing, holding = _library(False).nuts_warm_up, _library(True).nuts_warm_up
        arrays = (warm_up.draws, warm_up.gradients, warm_up.statistics)
        addresses = [None if array is None else array.ctypes.data for array in arrays]
        counts = ctypes.addressof(warm_up.averaging), self._stop, ctypes.addressof(warm_up.done)
        self._warm_up = warm_up  # kept, for C knows the addresses alone

        def advance(end: int, symmetric: bool, short: bool) -> bool:
            finished = (holding if short else passing)(
                self._memory, *addresses, *counts, end, LATELY, warm_up.spread, self.step_jitter, symmetric
            )
            if not finished:
                self._raise_unless_stopped()
            return bool(finished)

        return advance

    def run(self, step_size: float, draws: np.ndarray, statistics: np.ndarray) -> int:
        finished = _library(False).nuts_run(
            self._memory,
            step_size,
            self.step_jitter,
            len(draws),
            draws.ctypes.data,
            None,
            statistics.ctypes.data,
            self._stop,
            self._done,
        )
        if finished < len(draws):
            self._raise_unless_stopped()
        return finished

    def each(self, step_size: float, q: np.ndarray, gradients: np.ndarray, statistics: np.ndarray) -> int:
        finished = _library(False).nuts_each(
            self._memory,
            step_size,
            self.step_jitter,
            len(q),
            q.ctypes.data,
            gradients.ctypes.data,
            statistics.ctypes.data,
            self._stop,
        )
        if finished < len(q):
            self._raise_unless_stopped()
        return finished

    def _raise_unless_stopped(self) -> None:
        if self._sweeps is not None and self._sweeps.failure is not None:
            raise ValueError(self._sweeps.failure)
        if not self.stop.value:
            raise_error_of(self.data)
