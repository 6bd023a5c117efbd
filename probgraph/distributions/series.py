"""What distributions of series share: how long they are, and from what they begin."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from probgraph.distributions.base import Distribution, Lengths
from probgraph.distributions.components import component


class Series(Distribution):
    """Series in time. Time is the first axis of the event: (steps + first, ...).

    `steps` says how many steps there are; if not given, `shape`, `dims` or `observed` do.
    """

    #: what stands at the front before the first step: one value, or as many as a step looks back
    first: int = 1
    #: an element's own axes behind the time's
    element_ndim: ClassVar[int] = 0

    def __new__(cls, name: str, *args: Any, **kwargs: Any) -> Any:
        observed = kwargs.get("observed")
        silent = all(kwargs.get(k) is None for k in ("steps", "shape", "size", "dims"))
        if observed is not None and silent:
            known = getattr(getattr(observed, "type", observed), "shape", None)
            kwargs["shape"] = np.shape(observed) if known is None else tuple(known)
        return super().__new__(cls, name, *args, **kwargs)

    def event_lengths(self, lengths: Mapping[str, Lengths]) -> Lengths:
        steps = self.steps
        if steps is not None and (isinstance(steps, bool) or int(steps) != steps or steps < 1):
            raise ValueError(f"{type(self).__name__}: steps is a whole number from 1 on, got {steps!r}")
        return (None if steps is None else int(steps) + self.first, *self.element_lengths(lengths))

    def element_lengths(self, lengths: Mapping[str, Lengths]) -> Lengths:
        """The shape of the series at one time."""
        return ()

    def _repeat(self, who: str, shape: Any, size: Any) -> None:
        super()._repeat(who, shape, size)
        rank = self.event_ndim
        total = self.event_shape[0] if rank else None
        if total is None and (shape is None or None not in np.atleast_1d(np.asarray(shape, dtype=object))):
            raise ValueError(
                f"{who}: how long is the series? Give steps=, or shape= or dims= with the whole length, which is"
                f" steps + {self.first}, or observed="
            )
        if total is not None and total <= self.first:
            raise ValueError(f"{who}: a series of length {total} has no step after the first {self.first}")

    def beginning(self, usual: Distribution, shown: str) -> Distribution:
        """`init_dist` as given, or the usual one, with PyMC's warning."""
        given = getattr(self, "init_dist", None)
        if given is None:
            warnings.warn(
                f"Initial distribution not specified, defaulting to `{shown}`. You can specify an init_dist manually to"
                " suppress this warning.",
                UserWarning,
                stacklevel=2,
            )
            return usual
        return component(type(self).__name__, "init_dist", given)
