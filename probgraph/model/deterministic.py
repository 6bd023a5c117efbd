"""Named parts of a model that are not random: values to keep with the draws, and terms of the log density."""

from __future__ import annotations

from typing import Any

from probgraph.distributions.random_variable import open_model
from probgraph.engine.graph import Variable
from probgraph.engine.op import as_variable
from probgraph.model.coordinates import Dims
from probgraph.model.model import Model


def Deterministic(name: str, var: Any, model: Model | None = None, dims: Dims = None) -> Variable:
    """A value computed from others that is kept, under a name, with every draw. Returns it, to compute with.

    >>> with Model():
    ...     tau = Deterministic("tau", 1 / Normal("sigma", 0, 1) ** 2)
    """
    return (model or open_model(f'Deterministic("{name}", ...)')).add_deterministic(
        name, as_variable(var), dims
    )


def Potential(name: str, var: Any, model: Model | None = None, dims: Dims = None) -> Variable:
    """A term added to the log density; an array is summed. Returns it.

    >>> with Model():
    ...     penalty = Potential("penalty", -Normal("x", 0, 1) ** 4)
    """
    return (model or open_model(f'Potential("{name}", ...)')).add_potential(name, as_variable(var), dims)
