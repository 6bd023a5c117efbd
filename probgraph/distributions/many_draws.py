"""Draws for many values of the parameters at once: one call of `draw`, whatever their number."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from probgraph.distributions.base import Distribution, Lengths, own_of


def batch_for(
    distribution: Distribution, values: Mapping[str, np.ndarray], repeated: Lengths
) -> tuple[int, ...]:
    """The batch's shape for values as `draw_for_each` takes them; `repeated` is what else is known of it."""
    one = {name: np.broadcast_to(0.0, _own_shape(distribution, name, v)) for name, v in values.items()}
    return distribution._batch_of_values(one, repeated)


def draw_for_each(
    distribution: Distribution,
    rng: np.random.Generator,
    values: Mapping[str, np.ndarray],
    count: int,
    batch: tuple[int, ...] | None = None,
) -> np.ndarray:
    """Draws (count, *shape), the k-th for the k-th values of the parameters.

    `values` are those of `parameters`, each of shape (count, *its own), or its own where it is always the same.
    `batch` is the batch's shape, that of the distribution with these values if not said.
    """
    if batch is None:
        batch = batch_for(distribution, values, distribution.batch_shape)
    spread = _spread(distribution, values, len(batch))
    return np.asarray(distribution.draw(rng, (count, *batch), **spread))


def _own_shape(distribution: Distribution, name: str, value: np.ndarray) -> tuple[int, ...]:
    own = distribution.parameters[name].ndim
    return value.shape[value.ndim - own :] if own else ()


def _spread(distribution: Distribution, values: Mapping[str, np.ndarray], rank: int) -> dict[str, np.ndarray]:
    """Values with axes of length 1 between the count and their own batch, so that all batches have `rank` axes."""
    result = {}
    for name, variable in distribution._own.items():
        value = values[name]
        if value.ndim > variable.ndim:
            batch = len(distribution._batch_of(name, variable.type.shape))
            value = value.reshape(value.shape[0], *(1,) * (rank - batch), *value.shape[1:])
        result[name] = value
    for name, inner in distribution.components.items():
        deeper = _spread(inner, own_of(name, values), rank + distribution.extra_axes(name))
        result.update({f"{name}.{key}": value for key, value in deeper.items()})
    return result
