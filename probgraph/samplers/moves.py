"""Step methods without gradients as a sampler sees them: which coordinates each moves, and how; and their memory in C.

The idea worth knowing: a chain moves all coordinates. Those of a step method have scale 0 in the metric, so that
trajectories leave them alone, and moves.c moves them in between.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources

import numpy as np

from probgraph.engine import toolchain
from probgraph.samplers.density import DensityData, LogDensity

KINDS = ("metropolis", "slice", "flip", "categories", "differences")
PROPOSALS = ("normal", "uniform", "cauchy", "laplace")

PAST = 10
"""How many points for each coordinate a chain that moves along differences remembers at first, at random around its start."""

KEPT_OF_TUNING = 0.1
"""The part of what the chain remembers of its warm-up that the moves along differences go on with."""


@dataclass(frozen=True)
class Moves:
    """One step method: its ``kind`` out of `KINDS`, the coordinates that it moves, and its settings; see moves.c.

    ``scales`` and ``categories`` have one number for each coordinate (differences have one scale for all).
    """

    kind: str
    places: tuple[int, ...]
    scales: tuple[float, ...]
    whole: bool = False
    categories: tuple[int, ...] = ()
    proposal: str = "normal"
    proportional: bool = False
    tune_interval: int = 100
    probability: float = 0.8
    noise: float = 0.001
    limit: int = 10_000
    name: str = field(default="", compare=False)


@dataclass(frozen=True, eq=False)
class MovesState:
    """What the step methods of a chain go on with: ``learned`` in the warm-up, arrays by name, which change no more; and how
    many proposals each accepted and made since. What moves along differences remember is, since then, the draws that are kept.
    """

    learned: dict[str, np.ndarray] = field(default_factory=dict)
    counts: tuple[tuple[int, int], ...] = ()


class _Block(ctypes.Structure):
    """The struct `block` of moves.c."""

    _fields_ = (
        ("kind", ctypes.c_int64),
        ("count", ctypes.c_int64),
        ("places", ctypes.c_void_p),
        ("scales", ctypes.c_void_p),
        ("categories", ctypes.c_void_p),
        ("proposal", ctypes.c_int64),
        ("whole", ctypes.c_int64),
        ("proportional", ctypes.c_int64),
        ("tune_interval", ctypes.c_int64),
        ("probability", ctypes.c_double),
        ("noise", ctypes.c_double),
        ("history", ctypes.c_void_p),
        ("remembered", ctypes.c_int64),
        ("room", ctypes.c_int64),
        ("sweeps", ctypes.c_int64),
        ("thin", ctypes.c_int64),
        ("limit", ctypes.c_int64),
        ("accepted", ctypes.c_void_p),
        ("tries", ctypes.c_int64),
        ("all_accepted", ctypes.c_int64),
        ("all_tried", ctypes.c_int64),
        ("weights", ctypes.c_void_p),
    )


class _Moves(ctypes.Structure):
    """The struct `moves` of moves.c."""

    _fields_ = (
        ("dim", ctypes.c_int64),
        ("blocks", ctypes.c_int64),
        ("density", ctypes.c_void_p),
        ("data", ctypes.c_void_p),
        ("random", ctypes.c_void_p),
        ("block", ctypes.c_void_p),
        ("trial", ctypes.c_void_p),
        ("grad", ctypes.c_void_p),
        ("stop", ctypes.c_void_p),
        ("tuning", ctypes.c_int64),
        ("failed", ctypes.c_int64),
    )


def free_places(moves: Sequence[Moves], dim: int) -> np.ndarray | None:
    """The coordinates that no step method moves; None where there are no step methods."""
    if not moves:
        return None
    moved = {place for m in moves for place in m.places}
    return np.array([i for i in range(dim) if i not in moved], dtype=np.int64)


@functools.cache
def _library() -> ctypes.CDLL:
    source = resources.files("probgraph.samplers").joinpath("moves.c").read_text(encoding="utf-8")
    return ctypes.CDLL(str(toolchain.compile_library(source, "moves")))


class Sweeps:
    """The step methods of one chain in memory: what nuts.c calls after each trajectory."""

    def __init__(
        self,
        moves: Sequence[Moves],
        density: LogDensity,
        data: DensityData,
        bit_generator: np.random.BitGenerator,
        start: np.ndarray,
        draws: int,
        thin: int,
        stop: int,
    ) -> None:
        self.moves = list(moves)
        self.thin = thin
        self.learned: dict[str, np.ndarray] = {}
        self._start, self._random = start, np.random.Generator(bit_generator)
        self._alive: list[np.ndarray] = []
        self._scales = [np.array(m.scales, dtype=np.float64) for m in self.moves]
        self._pasts = [self._past(m, draws) for m in self.moves]
        self._blocks = (_Block * len(self.moves))(*map(self._block, self.moves, self._scales, self._pasts))
        self._struct = _Moves(
            dim=density.dim,
            blocks=len(self.moves),
            density=density.address,
            data=data.address,
            random=bit_generator.ctypes.bit_generator.value,
            block=ctypes.addressof(self._blocks),
            trial=self._array(np.zeros(density.dim)),
            grad=self._array(np.zeros(density.dim)),
            stop=stop,
            tuning=1,
        )
        self.memory = ctypes.addressof(self._struct)
        self.function = ctypes.cast(_library().moves_sweep, ctypes.c_void_p).value

    def _array(self, array: np.ndarray) -> int:
        self._alive.append(array)
        return array.ctypes.data

    def _past(self, m: Moves, draws: int) -> np.ndarray | None:
        """What moves along differences remember, with room for what comes; None for others."""
        if m.kind != "differences":
            return None
        count = len(m.places)
        known = PAST * count
        past = np.zeros((known + draws, count))
        past[:known] = self._start[list(m.places)] + self._random.normal(size=(known, count))
        return past

    def _block(self, m: Moves, scales: np.ndarray, past: np.ndarray | None) -> _Block:
        count = len(m.places)
        return _Block(
            kind=KINDS.index(m.kind),
            count=count,
            places=self._array(np.array(m.places, dtype=np.int64)),
            scales=scales.ctypes.data,
            categories=self._array(np.array(m.categories or (0,) * count, dtype=np.int64)),
            proposal=PROPOSALS.index(m.proposal),
            whole=m.whole,
            proportional=m.proportional,
            tune_interval=m.tune_interval,
            probability=m.probability,
            noise=m.noise,
            history=None if past is None else past.ctypes.data,
            remembered=0 if past is None else PAST * count,
            room=0 if past is None else len(past),
            thin=self.thin,
            limit=m.limit,
            accepted=self._array(np.zeros(count, dtype=np.int64)),
            weights=self._array(np.zeros(max(m.categories, default=1))),
        )

    def end_tuning(self) -> None:
        """From now on scales stay as they are."""
        self._struct.tuning = 0
        for k, (block, scales, past) in enumerate(zip(self._blocks, self._scales, self._pasts, strict=True)):
            self.learned[f"scales_{k}"] = scales.copy()
            if past is not None:
                kept = int(np.ceil(block.remembered * KEPT_OF_TUNING))
                self.learned[f"past_{k}"] = past[block.remembered - kept : block.remembered].copy()
                past[:kept] = self.learned[f"past_{k}"]
                block.remembered = kept

    def state(self) -> MovesState:
        """What they go on with after the draws so far, once the warm-up has ended."""
        return MovesState(self.learned, tuple((b.all_accepted, b.all_tried) for b in self._blocks))

    def go_on(self, state: MovesState, draws: np.ndarray) -> None:
        """Take them up after these draws (n, dim)."""
        self._struct.tuning = 0
        self.learned = state.learned
        for k, (block, scales, past) in enumerate(zip(self._blocks, self._scales, self._pasts, strict=True)):
            scales[:] = state.learned[f"scales_{k}"]
            block.all_accepted, block.all_tried = state.counts[k]
            if past is not None:
                known = np.concatenate([state.learned[f"past_{k}"], draws[:, list(self.moves[k].places)]])
                past[: len(known)] = known
                block.remembered = len(known)
                block.sweeps = (len(draws) - 1) * self.thin + 1

    @property
    def failure(self) -> str | None:
        """What went wrong in a move, where something did."""
        if not self._struct.failed:
            return None
        m = self.moves[self._struct.failed - 1]
        return (
            f"{m.name}: no end of the slice was found in {m.limit} evaluations; is the density flat there? Give a larger"
            " w=, or iter_limit="
        )

    def acceptance(self) -> dict[str, float]:
        """Of each step method, by name, the part of its proposals that was accepted since the warm-up."""
        rates = [b.all_accepted / b.all_tried if b.all_tried else float("nan") for b in self._blocks]
        return dict(zip((m.name for m in self.moves), rates, strict=True))
