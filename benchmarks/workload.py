"""A workload: data, and one model of them written for each library.

The idea worth knowing: all versions declare the same free variables, in the same order and of the same shapes,
and every library walks on the same unconstrained scale (the log of what is positive, the log odds of what lies
between two bounds). A vector over R^n therefore means the same to each, and log densities and gradients can be
compared number by number.

A model function is given the modules of its library, so that a workload imports none of them:

    probgraph(pg, engine, T, data)      a probgraph.Model
    pymc(pm, pytensor, pt, data)        a pymc.Model, for PyMC and for nutpie
    numpyro(numpyro, dist, jax, data)   the statements of a NumPyro model, inside a call of it
    stan                                the program, or a function of the data that writes it
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks import posteriordb

Data = Mapping[str, Any]


@dataclass(frozen=True)
class Workload:
    """A workload under the name that the command line knows it by.

    `stan_data` makes what the Stan program reads out of the data. `spread` is the standard deviation of the points
    over R^n at which densities are compared and timed. `reads` names the array that a log density must read once, where
    that bounds its speed. `needs` names a data set of posteriordb; without it the workload is skipped.
    """

    name: str
    title: str
    data: Callable[[], Data]
    probgraph: Callable[..., Any]
    pymc: Callable[..., Any] | None = None
    numpyro: Callable[..., None] | None = None
    stan: str | Callable[[Data], str] | None = None
    stan_data: Callable[[Data], Data] = dict
    spread: float = 0.3
    reads: str | None = None
    needs: str | None = None

    @property
    def is_there(self) -> bool:
        return self.needs is None or posteriordb.path(self.needs).exists()

    def program(self, data: Data) -> str:
        """The Stan program."""
        if self.stan is None:
            raise LookupError(f"{self.name} has no Stan program")
        return self.stan if isinstance(self.stan, str) else self.stan(data)
