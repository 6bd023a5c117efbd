"""Some elements of a batch, as a distribution of their own: those that were observed, and those that were not."""

from __future__ import annotations

from typing import Any

import numpy as np

from probgraph.distributions.base import Distribution
from probgraph.distributions.custom import CustomDist
from probgraph.distributions.folding import folded
from probgraph.engine.graph import Variable
from probgraph.engine.ops.index import get_item
from probgraph.engine.ops.shape import broadcast_to


def elements_of(
    name: str, distribution: Distribution, shape: tuple[int, ...], chosen: np.ndarray
) -> Distribution:
    """The distribution of the elements where `chosen`, an array of booleans of this shape, is true: a vector of them.

    NotImplementedError for distributions of arrays, whose elements depend on each other, and for those whose batch is
    not that of their parameters.
    """
    if distribution.event_ndim or isinstance(distribution, CustomDist):
        raise NotImplementedError(
            f"{name}: single missing values of {type(distribution).__name__} cannot be imputed, for its elements are not"
            " distributed one by one: drop the rows that miss some"
        )
    return _picked(distribution, shape, np.nonzero(chosen), 0)


def _picked(distribution: Distribution, shape: tuple[int, ...], places: Any, extra: int) -> Distribution:
    """With `extra` axes of the batch behind `shape`, which stay."""
    changed = _parameters(distribution, shape, places, extra)
    new = distribution.with_parameters(changed)
    new.batch_shape = (len(places[0]),)
    return new


def _parameters(
    distribution: Distribution, shape: tuple[int, ...], places: Any, extra: int
) -> dict[str, Variable]:
    found = {}
    for name, v in distribution._own.items():
        batch = len(distribution._batch_of(name, v.type.shape))
        found[name] = folded(_part(v, batch, shape, places, extra))
    for name, inner in distribution.components.items():
        deeper = _parameters(inner, shape, places, extra + distribution.extra_axes(name))
        found.update({f"{name}.{key}": v for key, v in deeper.items()})
    return found


def _part(v: Variable, batch: int, shape: tuple[int, ...], places: Any, extra: int) -> Variable:
    """A parameter's elements at these places; as it is where it is the same everywhere."""
    own = max(batch - extra, 0)
    if all(n == 1 for n in v.type.shape[:own]):
        return v.dimshuffle(*range(own, v.ndim)) if own else v
    behind = v.type.shape[own:]
    lengths = [
        *shape[len(shape) - own :],
        *(v.shape[own + k] if n is None else n for k, n in enumerate(behind)),
    ]
    if own < len(shape):
        places = places[len(shape) - own :]
    return get_item(broadcast_to(v, lengths), tuple(places))
