"""The libraries that are compared: one adapter each, imported in the process that measures it and nowhere else.

An adapter is a module with these functions:

    build(workload, data)       the model, in the library's own terms
    compile(model)              a `Density` of it, after its first call
    sample(model, settings)     posterior draws by the library's own sampler, from the model on, as `Draws`

Importing the module is importing the library. This module imports none.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

CHAINS = 4
"""How many chains are run."""

LONG = 120.0
"""Seconds of sampling beside which those of compiling do not matter: what takes longer is not run twice."""


class Density(Protocol):
    """A log density with its gradient over R^dim, and the tightest loop over it that the library offers."""

    dim: int

    def __call__(self, q: Any) -> tuple[float, Any]:
        """(log density, gradient) at q (dim,)."""
        ...

    def repeated(self, q: Any, timing: Any) -> Callable[[int], None]:
        """A function of a count: that many calls at q. `timing` is benchmarks.timing, which adapters do not
        import, lest it count as part of their library."""
        ...


@dataclass(frozen=True)
class Settings:
    """What is asked of a sampler."""

    chains: int
    draws: int
    tune: int
    seed: int


@dataclass(frozen=True)
class Draws:
    """Posterior draws of the free variables, (chains, draws, *shape) each, and what they cost.

    `gradients` are the evaluations of the gradient for the draws that were kept, `gradients_tuning` those before,
    None where the library does not tell. `seconds` is the time of the chains alone, compiling not counted; a library
    that compiles inside of its sampler has None, and `again` runs the same chains, compiled, and returns their time.
    """

    variables: Mapping[str, Any]
    gradients: int
    gradients_tuning: int | None
    divergences: int
    seconds: float | None
    again: Callable[[], float] | None = None


@dataclass(frozen=True)
class Library:
    """A library that can be measured.

    `packages` are those whose versions matter, the first being the one without which it is not there; `caches` makes
    the environment variables that put all its caches into a folder; `tightest` says how a gradient is timed.
    """

    packages: tuple[str, ...]
    caches: Callable[[Path], dict[str, str]]
    tightest: str

    @property
    def is_there(self) -> bool:
        return all(importlib.util.find_spec(package) is not None for package in self.packages)


def _pytensor_caches(folder: Path) -> dict[str, str]:
    return {
        "PYTENSOR_FLAGS": f"base_compiledir={folder / 'pytensor'}",
        "NUMBA_CACHE_DIR": str(folder / "numba"),
    }


LIBRARIES = {
    "probgraph": Library(
        ("probgraph", "numpy", "scipy"),
        lambda folder: {"PROBGRAPH_CACHE": str(folder / "probgraph")},
        "its C function, called from C",
    ),
    "pymc": Library(
        ("pymc", "pytensor", "numba"),
        _pytensor_caches,
        "the PyTensor function (compiled by Numba, PyMC's default), trust_input, called from Python",
    ),
    "nutpie": Library(
        ("nutpie", "pymc", "pytensor", "numba"),
        _pytensor_caches,
        "its compiled Numba function, called from C",
    ),
    "numpyro": Library(
        ("numpyro", "jax"),
        lambda folder: {"JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1"},
        "value_and_grad of the potential in a jitted loop; JAX keeps no cache on disk unless told to, and is not",
    ),
    "stanli": Library(
        ("stanli",),
        lambda folder: {},
        "stanli_grad, called from C; it interprets, and keeps no cache",
    ),
}
