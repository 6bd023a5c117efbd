"""A run on disk: draws as they come, and what a chain needs to go on from the last of them.

A directory of plain arrays. The idea worth knowing: each chain's ``state.json`` is replaced in one stroke, after the
rows that it counts were written; whatever a kill leaves behind them is cut off when the run is resumed, and drawn again,
the same.

    run/settings.json             what the run was asked for
    run/starts.npy                (chains, dim)
    run/chain_0/draws.bin         rows of dim doubles
    run/chain_0/statistics.bin    rows of nuts.STATISTICS
    run/chain_0/metric.npz        the metric of the draws
    run/chain_0/moves.npz         what step methods learned in the warm-up
    run/chain_0/state.json        how many rows count, the step size, the random numbers' state, what step methods accepted
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from probgraph.samplers.metric import Metric
from probgraph.samplers.moves import MovesState
from probgraph.samplers.nuts import STATISTICS

FORMAT = 2


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A chain after ``done`` draws: with it and the last draw the chain goes on as if it had never stopped."""

    done: int
    step_size: float
    metric: Metric
    random_state: dict[str, Any]
    moves: MovesState = field(default_factory=MovesState)


class Store:
    """The directory of a run; see this module.

    store = Store.create("run", settings, starts)
    store.append(0, draws[:100], statistics[:100], snapshot)
    draws, statistics, snapshot = Store.open("run").chain(0)
    """

    def __init__(self, path: Path, settings: dict[str, Any], starts: np.ndarray):
        self.path, self.settings, self.starts = path, settings, starts
        self.written = [0] * len(starts)

    @classmethod
    def create(cls, path: str | os.PathLike[str], settings: dict[str, Any], starts: np.ndarray) -> Store:
        """Begin a run. Raises FileExistsError where something lies there already."""
        folder = Path(path)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise FileExistsError(
                f"store: {str(folder)!r} is there already; resume={str(folder)!r} goes on with that run, or give another name"
            )
        for number in range(len(starts)):
            (folder / f"chain_{number}").mkdir(parents=True, exist_ok=True)
        np.save(folder / "starts.npy", starts)
        _replace(folder / "settings.json", {"format": FORMAT, **settings})
        return cls(folder, settings, starts)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Store:
        """A run that was begun. Raises FileNotFoundError where there is none, ValueError for another format."""
        folder = Path(path)
        if not (folder / "settings.json").exists():
            raise FileNotFoundError(f"resume: there is no stored run at {str(folder)!r}")
        settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
        if settings.pop("format", None) != FORMAT:
            raise ValueError(f"resume: {str(folder)!r} was stored by another version of this library")
        return cls(folder, settings, np.load(folder / "starts.npy"))

    def chain(self, number: int) -> tuple[np.ndarray, np.ndarray, Snapshot] | None:
        """A chain's draws (n, dim), statistics (n,) and state; None where it has not drawn yet.

        Rows that the state does not count are cut off.
        """
        folder, dim = self._chain(number), self.starts.shape[1]
        if not (folder / "state.json").exists():
            for name in ("draws.bin", "statistics.bin"):
                (folder / name).write_bytes(b"")
            return None
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        done = self.written[number] = state["done"]
        rows = []
        for name, dtype, width in (("draws.bin", np.dtype(float), dim), ("statistics.bin", STATISTICS, 1)):
            os.truncate(folder / name, done * width * dtype.itemsize)
            rows.append(np.fromfile(folder / name, dtype))
        with np.load(folder / "metric.npz") as arrays:
            metric = Metric(**arrays)
        with np.load(folder / "moves.npz") as arrays:
            moves = MovesState(dict(arrays), tuple((accepted, tried) for accepted, tried in state["moves"]))
        snapshot = Snapshot(done, state["step_size"], metric, state["random_state"], moves)
        return rows[0].reshape(done, dim), rows[1], snapshot

    def append(self, number: int, draws: np.ndarray, statistics: np.ndarray, snapshot: Snapshot) -> None:
        """Write what of a chain's draws (n, dim), n at least snapshot.done, is not there yet. OSError: a full disk."""
        done, written, folder = snapshot.done, self.written[number], self._chain(number)
        if done <= written:
            return
        if not written:
            arrays = {name: value for name, value in vars(snapshot.metric).items() if value is not None}
            np.savez(folder / "metric.npz", **arrays)
            np.savez(folder / "moves.npz", **snapshot.moves.learned)
        for name, rows in (("draws.bin", draws), ("statistics.bin", statistics)):
            # Not at the end but at their place: what was written when this was interrupted before is written over.
            path, new = folder / name, np.ascontiguousarray(rows[written:done])
            with open(path, "r+b" if path.exists() else "wb") as file:
                file.seek(written * new[0].nbytes)
                file.write(new.tobytes())
                _to_disk(file)
        state = {
            "done": done,
            "step_size": snapshot.step_size,
            "random_state": snapshot.random_state,
            "moves": snapshot.moves.counts,
        }
        _replace(folder / "state.json", state)
        self.written[number] = done

    def _chain(self, number: int) -> Path:
        return self.path / f"chain_{number}"


def _replace(path: Path, content: dict[str, Any]) -> None:
    temporary = path.with_suffix(".new")
    numbers_of_numpy = np.generic.item
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(content, file, default=numbers_of_numpy)
        _to_disk(file)
    os.replace(temporary, path)


def _to_disk(file: IO[Any]) -> None:
    """All the way: what is named later must be there after a power cut too."""
    file.flush()
    os.fsync(file.fileno())
