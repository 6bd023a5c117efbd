"""The settings of a run of chains as one value, that can be stored and found again.

What it adds to the samplers' store is that a run belongs to a model: names, shapes and the log density at the starts are
stored too, and who resumes with another model is told so.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from probgraph.model.layout import Layout
from probgraph.samplers import Draw, LogDensity, Moves, Path, Store, Watch

Place = str | os.PathLike[str]


@dataclass(frozen=True)
class Run:
    """What `sample_chains` is told, and what the results say of it."""

    draws: int
    tune: int
    chains: int
    sampler: str
    target_accept: float
    max_treedepth: int
    metric: str
    step_jitter: float
    max_error: float
    path: Path | None
    entropy: Any = None
    spawn_key: Sequence[int] = field(default_factory=tuple)
    moves: tuple[Moves, ...] = ()
    moved: tuple[str, ...] = ()
    thin: int = 1

    @property
    def seed(self) -> np.random.SeedSequence:
        return np.random.SeedSequence(self.entropy, spawn_key=tuple(self.spawn_key))

    @property
    def kept(self) -> int:
        """Draws of each chain that are kept."""
        return -(-self.draws // self.thin)

    def options(self) -> dict[str, Any]:
        """The keyword arguments of `sample_chains`."""
        names = (
            "draws",
            "tune",
            "target_accept",
            "max_treedepth",
            "metric",
            "step_jitter",
            "max_error",
            "path",
            "moves",
            "thin",
        )
        return {name: getattr(self, name) for name in names} | {"random_seed": self.seed}

    def attributes(self) -> dict[str, Any]:
        """What goes on the results."""
        names = ("sampler", "target_accept", "max_treedepth", "metric")
        return {"tuning_steps": self.tune} | {name: getattr(self, name) for name in names}


def new_store(path: Place, run: Run, density: LogDensity, layout: Layout, starts: np.ndarray) -> Store:
    """A directory for a run that begins. Raises FileExistsError where something is there already."""
    settings = {"run": asdict(run), "variables": _variables(layout), "logp": _densities(density, starts)}
    return Store.create(path, settings, starts)


def stored_run(path: Place) -> tuple[Store, Run]:
    """A run that was stored. Raises FileNotFoundError where there is none."""
    store = Store.open(path)
    settings = dict(store.settings["run"])
    path_of_steps, moves, moved = (settings.pop(name) for name in ("path", "moves", "moved"))
    return store, Run(
        **settings,
        path=None if path_of_steps is None else Path(**path_of_steps),
        moves=tuple(
            Moves(**{k: tuple(v) if isinstance(v, list) else v for k, v in m.items()}) for m in moves
        ),
        moved=tuple(moved),
    )


def refuse_another_model(store: Store, density: LogDensity, layout: Layout) -> None:
    """ValueError where a stored run is not of this model and these data."""
    theirs, ours = store.settings["variables"], _variables(layout)
    if theirs != ours:
        raise ValueError(
            f"resume: the run at {str(store.path)!r} is of a model with the variables {_said(theirs)}; this one has {_said(ours)}"
        )
    before, now = store.settings["logp"], _densities(density, store.starts)
    if not np.allclose(before, now, rtol=1e-9, atol=1e-9):
        raise ValueError(
            f"resume: the run at {str(store.path)!r} is of another model, or other data: where it began the log density"
            f" was {before[0]:.8g}, and is {now[0]:.8g} now"
        )


def watch_of(
    store: Store | None,
    callback: Callable[..., None] | None,
    target_ess: float | None,
    max_time: float | None,
    layout: Layout,
) -> Watch:
    """What looks at the chains while they run; the user's callback gets points by names."""

    def shown(q: np.ndarray, draw: Draw) -> None:
        assert callback is not None
        callback(trace=q, draw=PointedDraw(**vars(draw), point=layout.point(draw.q)))

    if callback is not None and not callable(callback):
        raise TypeError(f"callback is {callback!r}; it must be a function of (trace, draw)")
    return Watch(store, shown if callback is not None else None, target_ess, max_time)


@dataclass(frozen=True, eq=False)
class PointedDraw(Draw):
    """A draw with the value variables by name, as PyMC's callbacks have it."""

    point: Mapping[str, np.ndarray]


def _variables(layout: Layout) -> list[list[Any]]:
    return [[slot.name, list(slot.shape)] for slot in layout.slots]


def _densities(density: LogDensity, starts: np.ndarray) -> list[float]:
    return [float(density(q)[0]) for q in starts]


def _said(variables: list[list[Any]]) -> str:
    return ", ".join(f"{name}{tuple(shape) if shape else ''}" for name, shape in variables)
