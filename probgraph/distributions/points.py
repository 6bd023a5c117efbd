"""Distributions given by points: one point, and straight lines through several."""

from __future__ import annotations

from typing import Any

import numpy as np

from probgraph.distributions.base import Distribution
from probgraph.distributions.constraints import Interval, real
from probgraph.distributions.transforms import Interval as IntervalTransform
from probgraph.engine.array_functions import interp
from probgraph.engine.graph import Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.index import take
from probgraph.engine.ops.sorting import searchsorted


class _Only(Interval):
    """A single value."""

    def __init__(self, value: Variable) -> None:
        super().__init__("the point c itself", value, value, closed_lower=True, closed_upper=True)
        self.discrete = True

    def conditions(self, x: Variable) -> list[Variable]:
        return [ew.eq(x, self.lower)]


class DiracDelta(Distribution):
    """One point: 1 at x = c, else 0.

    c is a number, an array or a variable.

    >>> DiracDelta.dist(c=2.0).logp([2.0, 3.0]).eval()
    array([  0., -inf])
    """

    params = {"c": real}

    def prepare(self):
        self.support = _Only(self.c)

    def density(self, x):
        return ew.switch(ew.eq(x, self.c), 0.0, -np.inf)

    def logcdf(self, x):
        return self._where_legal(ew.switch(ew.ge(as_variable(x), self.c), 0.0, -np.inf), -np.inf)

    def logccdf(self, x):
        return self._where_legal(ew.switch(ew.lt(as_variable(x), self.c), 0.0, -np.inf), -np.inf)

    def draw(self, rng, size, c):
        return np.array(np.broadcast_to(c, size))

    def mean(self):
        return self.c

    def variance(self):
        return ew.zeros_like(self.c)


class Interpolated(Distribution):
    """A density by straight lines through points (x_points, pdf_points), from the first to the last of them.

    x_points ascend; pdf_points are at least 0, and are divided by the area below the lines. Both are vectors of
    numbers: of a histogram, or of earlier draws.

    >>> Interpolated.dist(x_points=[0.0, 1.0, 2.0], pdf_points=[0.0, 1.0, 0.0]).logp(0.5).eval()
    array(-0.69314718)
    """

    options = {"x_points": None, "pdf_points": None}

    def prepare(self):
        x, f = (_numbers(name, getattr(self, name)) for name in ("x_points", "pdf_points"))
        if x.shape != f.shape or len(x) < 2 or not (np.diff(x) > 0).all() or (f < 0).any() or not f.any():
            raise ValueError(
                "Interpolated needs x_points that ascend and as many pdf_points, at least 0 and not all 0; given were"
                f" {len(x)} and {len(f)}"
            )
        areas = 0.5 * (f[1:] + f[:-1]) * np.diff(x)
        self._x, self._f = x, f / areas.sum()
        self._below = np.concatenate([[0.0], np.cumsum(areas)]) / areas.sum()
        self._above = np.concatenate([np.cumsum(areas[::-1])[::-1], [0.0]]) / areas.sum()
        self._slopes = np.diff(self._f) / np.diff(x)
        self.support = Interval(
            f"between {x[0]:g} and {x[-1]:g}",
            float(x[0]),
            float(x[-1]),
            closed_lower=True,
            closed_upper=True,
            transform=IntervalTransform(float(x[0]), float(x[-1])),
        )

    def _part(self, x):
        """The number of the line that x is on."""
        return ew.clip(searchsorted(self._x, x, side="right") - 1, 0, len(self._x) - 2)

    def density(self, x):
        return ew.log(interp(x, self._x, self._f))

    def cumulative(self, x):
        k = self._part(x)
        d = x - take(self._x, k)
        return ew.log(take(self._below, k) + d * (take(self._f, k) + 0.5 * d * take(self._slopes, k)))

    def survival(self, x):
        k = self._part(x)
        d = take(self._x, k + 1) - x
        return ew.log(take(self._above, k + 1) + d * (take(self._f, k + 1) - 0.5 * d * take(self._slopes, k)))

    def quantile(self, q):
        """The root of a quadratic, in the form that does not cancel."""
        k = ew.clip(searchsorted(self._below, q, side="right") - 1, 0, len(self._x) - 2)
        area, start = q - take(self._below, k), take(self._f, k)
        root = ew.sqrt(ew.maximum(ew.sqr(start) + 2.0 * take(self._slopes, k) * area, 0.0))
        return take(self._x, k) + 2.0 * area / ew.maximum(start + root, np.finfo("float64").tiny)

    def draw(self, rng, size):
        q = rng.random(size)
        k = np.clip(np.searchsorted(self._below, q, side="right") - 1, 0, len(self._x) - 2)
        area, start = q - self._below[k], self._f[k]
        root = np.sqrt(np.maximum(start**2 + 2 * self._slopes[k] * area, 0))
        return self._x[k] + 2 * area / np.maximum(start + root, np.finfo("float64").tiny)

    def _raw_moment(self, power: int) -> float:
        """By Simpson's rule, which is exact for the cubics that these integrands are at most."""
        middle = 0.5 * (self._x[1:] + self._x[:-1])
        at = [self._x[:-1], middle, self._x[1:]]
        density = [self._f[:-1], 0.5 * (self._f[1:] + self._f[:-1]), self._f[1:]]
        values = [d * p**power for d, p in zip(density, at, strict=True)]
        return float(((values[0] + 4 * values[1] + values[2]) * np.diff(self._x) / 6).sum())

    def mean(self):
        return as_variable(self._raw_moment(1))

    def variance(self):
        return as_variable(self._raw_moment(2) - self._raw_moment(1) ** 2)


def _numbers(name: str, given: Any) -> np.ndarray:
    if given is None or isinstance(given, Variable):
        raise TypeError(f"Interpolated: {name} is a vector of numbers, got {given!r}")
    array = np.asarray(given, dtype="float64")
    if array.ndim != 1:
        raise ValueError(f"Interpolated: {name} is a vector, got shape {array.shape}")
    return array


__all__ = ["DiracDelta", "Interpolated"]
