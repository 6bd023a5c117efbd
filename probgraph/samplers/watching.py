"""What happens beside running chains: draws are stored, shown to a callback, and looked at whether they are enough.

All of it in the thread that waits, between two looks at the chains: it can neither change a draw nor be interrupted by
one. Decisions depend on draws at fixed counts only, so that the same seed ends at the same draw, however fast the machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from probgraph.samplers.effective import effective_sizes
from probgraph.samplers.interruption import warn_and_keep
from probgraph.samplers.store import Snapshot, Store

CHECK_EVERY = 100
"""Draws of each chain between two looks at their precision; ends by time come at a multiple of it too."""


@dataclass(frozen=True, eq=False)
class Draw:
    """One draw as a callback sees it: ``q`` (dim,), and its statistics as a record."""

    chain: int
    draw_idx: int
    tuning: bool
    is_last: bool
    q: np.ndarray
    stats: np.void


Callback = Callable[[np.ndarray, Draw], None]
"""``callback(q, draw)``: the chain's draws so far (n, dim), those of the warm-up while it lasts, and the latest."""


class Watched(Protocol):
    """What is asked of a chain here."""

    tuning_draws: np.ndarray
    tuning_statistics: np.ndarray
    draws: np.ndarray
    statistics: np.ndarray
    snapshot: Snapshot | None

    @property
    def tuned(self) -> int: ...

    @property
    def drawn(self) -> int: ...


class Enough(Exception):
    """The chains may end: they are precise enough, or the time is over."""


class Watch:
    """Looks at chains as often as `look` is called, which raises `Enough` when they may end.

    ``length`` is then the number of draws of each chain to keep, where it was decided on.
    """

    def __init__(
        self,
        store: Store | None = None,
        callback: Callback | None = None,
        target_ess: float | None = None,
        max_time: float | None = None,
    ):
        for name, value in (("target_ess", target_ess), ("max_time", max_time)):
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value}; it must be positive, or None for no such end")
        if callback is not None and not callable(callback):
            raise TypeError(f"callback is {callback!r}; it must be a function of (trace, draw)")
        self.store, self.callback = store, callback
        self.target_ess, self.max_time = target_ess, max_time
        self.length: int | None = None
        self.reason: str | None = None
        self._began = time.monotonic()
        self._checked = 0
        self._shown: dict[tuple[int, bool], int] = {}

    @property
    def needed(self) -> bool:
        return any(x is not None for x in (self.store, self.callback, self.target_ess, self.max_time))

    def begin_after(self, number: int, tuned: int, drawn: int) -> None:
        """A chain that goes on: of so many draws the callback was told before."""
        self._shown[number, True], self._shown[number, False] = tuned, drawn

    def look(self, chains: Sequence[Watched]) -> None:
        self.keep(chains)
        if self.callback is not None:
            self._show(chains)
        if self.target_ess is not None:
            self._measure(chains)
        if self.max_time is not None and time.monotonic() - self._began > self.max_time:
            fewest = min(chain.drawn for chain in chains)
            self.length = fewest - fewest % CHECK_EVERY if fewest >= CHECK_EVERY else None
            self.reason = "max_time"
            raise Enough

    def last_look(self, chains: Sequence[Watched]) -> None:
        """When the chains have ended, also early: what they drew since is stored and shown too."""
        self.keep(chains)
        if self.callback is not None and self.reason is None:
            self._show(chains)
        if self.target_ess is not None and self.reason is None:
            self._measure(chains)

    def keep(self, chains: Sequence[Watched]) -> None:
        """Store what has been drawn."""
        if self.store is None:
            return
        try:
            for number, chain in enumerate(chains):
                if (snapshot := chain.snapshot) is not None:
                    self.store.append(number, chain.draws, chain.statistics, snapshot)
        except OSError as error:
            path, self.store = self.store.path, None
            warn_and_keep(
                f"store={str(path)!r} cannot be written to any more: {error}. Sampling goes on in memory, and returns"
                " all draws; what is stored already can be resumed from.",
                stacklevel=6,
            )

    def _show(self, chains: Sequence[Watched]) -> None:
        assert self.callback is not None
        for number, chain in enumerate(chains):
            for tuning, count, draws, statistics in (
                (True, chain.tuned, chain.tuning_draws, chain.tuning_statistics),
                (False, chain.drawn, chain.draws, chain.statistics),
            ):
                for i in range(self._shown.get((number, tuning), 0), count):
                    self._shown[number, tuning] = i + 1
                    last = not tuning and i + 1 == len(draws)
                    self.callback(draws[: i + 1], Draw(number, i, tuning, last, draws[i], statistics[i]))

    def _measure(self, chains: Sequence[Watched]) -> None:
        assert self.target_ess is not None
        fewest = min(chain.drawn for chain in chains)
        while self._checked + CHECK_EVERY <= fewest:
            self._checked += CHECK_EVERY
            sizes = effective_sizes(np.stack([chain.draws[: self._checked] for chain in chains]))
            if not np.isnan(sizes).all() and np.nanmin(sizes) >= self.target_ess:
                self.length, self.reason = self._checked, "target_ess"
                raise Enough
