"""Mixtures: one of several distributions, chosen by weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from probgraph.distributions.base import Distribution
from probgraph.distributions.components import AnyOf, component, from_to, greater, lesser
from probgraph.distributions.constraints import (
    Bound,
    Constraint,
    Each,
    Interval,
    is_everywhere,
    positive,
    real,
)
from probgraph.distributions.event_constraints import simplex
from probgraph.distributions.parameters import Alternative
from probgraph.distributions.real_line import Normal
from probgraph.engine.graph import Variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import reduce
from probgraph.engine.ops.shape import expand_dims, moveaxis, stack


class Mixture(Distribution):
    """One of K distributions, the k-th with probability w_k: Σ_k w_k f_k(x).

    w (..., K) has the sum 1. comp_dists is a list of K distributions, whose batches broadcast, or one distribution
    whose last batch axis is that of the components. They are all discrete, or none, with events of one shape.
    Frühwirth-Schnatter, Finite Mixture and Markov Switching Models (2006).

    >>> Mixture.dist(w=[0.3, 0.7], comp_dists=[Normal.dist(0.0, 1.0), Normal.dist(5.0, 2.0)]).logp(0.0).eval()
    array(-2.07292212)
    """

    params = {"w": simplex}
    options = {"comp_dists": None}
    positional = ("w", "comp_dists")

    def prepare(self):
        self.inner = self._checked(self.comp_dists)
        several = self.inner if isinstance(self.inner, list) else [self.inner]
        for one in several:
            self._unchecked += [self._per_mixture(c) for c in one._unchecked]
        self.atoms = any(d.atoms for d in several)
        self.support = several[0].support if len(several) == 1 else _union([d.support for d in several])

    def _checked(self, given: Any) -> Distribution | list[Distribution]:
        if not isinstance(given, list | tuple):
            inner = component("Mixture", "comp_dists", given)
            if not inner.batch_shape:
                raise ValueError(
                    f"Mixture: comp_dists={inner} has no axis for the components; give it parameters of shape (..., K), or"
                    " a list of distributions"
                )
            self._agree(inner.batch_shape[-1])
            return inner
        inner = [component("Mixture", f"comp_dists[{k}]", d) for k, d in enumerate(given)]
        if len(inner) == 1:
            raise ValueError("Mixture: a list of one distribution is no mixture; give several, or it alone")
        self._agree(len(inner))
        kinds = {(d.discrete, d.event_ndim) for d in inner}
        if len(kinds) > 1:
            shown = ", ".join(
                f"{d} is {'discrete' if d.discrete else 'continuous'} with events of {d.event_ndim} axes"
                for d in inner
            )
            raise ValueError(f"Mixture: components must be of one kind: {shown}")
        return inner

    def _agree(self, count: int | None) -> None:
        have = self.w.type.shape[-1]
        if None not in (have, count) and have != count:
            raise ValueError(f"Mixture: w has {have} weights for {count} components")

    @property
    def _single(self) -> bool:
        return not isinstance(self.inner, list)

    def _per_mixture(self, condition: Variable) -> Variable:
        """A condition on components, without their axis."""
        return (
            reduce.all(condition, axis=-1)
            if not isinstance(self.inner, list) and condition.ndim
            else condition
        )

    def extra_axes(self, name):
        return 1 if self._single else 0

    def event_lengths(self, lengths):
        first = self.inner if self._single else self.inner[0]
        return first.event_shape

    def _each(self, name: str, *args: Variable) -> Variable:
        """A method's result for each component, along a last axis (before those of events)."""
        if self._single:
            spread = [
                expand_dims(a, a.ndim - self.event_ndim) if a.ndim >= self.event_ndim else a for a in args
            ]
            return getattr(self.inner, name)(*spread)
        return _stacked([getattr(d, name)(*args) for d in self.inner])

    def density(self, x):
        return reduce.logsumexp(ew.log(self.w) + self._each("logp", x), axis=-1)

    def cumulative(self, x):
        return reduce.logsumexp(ew.log(self.w) + self._each("logcdf", x), axis=-1)

    def survival(self, x):
        return reduce.logsumexp(ew.log(self.w) + self._each("logccdf", x), axis=-1)

    def _moment(self, name: str) -> Variable:
        """Means or variances of the components, their axis last."""
        if not self._single:
            return _stacked([getattr(d, name)() for d in self.inner])
        result = getattr(self.inner, name)()
        rank = len(self.inner.batch_shape) + self.event_ndim
        result = expand_dims(result, list(range(rank - result.ndim))) if result.ndim < rank else result
        return moveaxis(result, -1 - self.event_ndim, -1) if self.event_ndim else result

    def _weights(self) -> Variable:
        """w with axes for the events, before the components'."""
        return (
            expand_dims(self.w, [self.w.ndim - 1 + k for k in range(self.event_ndim)])
            if self.event_ndim
            else self.w
        )

    def mean(self):
        return reduce.sum(self._weights() * self._moment("mean"), axis=-1)

    def variance(self):
        means = self._moment("mean")
        spread = ew.sqr(means - expand_dims(self.mean(), self.mean().ndim))
        return reduce.sum(self._weights() * (self._moment("variance") + spread), axis=-1)

    def point(self):
        """The weighted mean of the components' points, or the first one's point where that may be outside."""
        if self.discrete or self.event_ndim or not isinstance(self.support, Interval):
            points = self._moment("point")
            return points[..., 0]
        return reduce.sum(self.w * self._moment("point"), axis=-1)

    def draw(self, rng, size, w, **inner):
        edges = np.cumsum(w, axis=-1)
        chosen = (rng.random((*size, 1)) * edges[..., -1:] >= edges).sum(-1)
        last = (1,) * self.event_ndim
        if self._single:
            drawn = self.draw_component(rng, "comp_dists", inner, (*size, w.shape[-1]))
            place = chosen.reshape(*size, 1, *last)
            return np.take_along_axis(drawn, place, axis=len(size)).squeeze(len(size))
        result = self.draw_component(rng, "comp_dists.0", inner, size)
        for k in range(1, len(self.inner)):
            other = self.draw_component(rng, f"comp_dists.{k}", inner, size)
            result = np.where((chosen == k).reshape(*size, *last), other, result)
        return result


class NormalMixture(Mixture):
    """One of K normal distributions: Σ_k w_k exp(-(x - mu_k)² / (2 sigma_k²)) / (sigma_k √(2π)).

    w (..., K) has the sum 1; mu (..., K) is any, sigma (..., K), or tau = 1 / sigma², positive.

    >>> NormalMixture.dist(w=[0.3, 0.7], mu=[0.0, 5.0], sigma=[1.0, 2.0]).logp(0.0).eval()
    array(-2.07292212)
    """

    params = {"w": simplex, "mu": Each(real), "sigma": Each(positive)}
    alternatives = (
        Alternative(
            {"w": simplex, "mu": Each(real), "tau": Each(positive)},
            lambda w, mu, tau: {"w": w, "mu": mu, "sigma": 1.0 / ew.sqrt(tau)},
        ),
    )
    options = {"comp_shape": ()}
    positional = ("w", "mu", "sigma", "tau", "comp_shape")

    def prepare(self):
        self.comp_dists = Normal.dist(self.mu, self.sigma, shape=self.comp_shape or None)
        super().prepare()

    def event_lengths(self, lengths):
        return ()

    def draw(self, rng, size, w, mu, sigma):
        return super().draw(rng, size, w, **{"comp_dists.mu": mu, "comp_dists.sigma": sigma})

    def draw_component(self, rng, name, values, size):
        return rng.normal(values["comp_dists.mu"], values["comp_dists.sigma"], size)


def _stacked(parts: Sequence[Variable]) -> Variable:
    """Side by side along a new last axis, once broadcast."""
    together = parts[0]
    for part in parts[1:]:
        together = together + part
    return stack([part if part.type == together.type else ew.fill(together, part) for part in parts], axis=-1)


def _union(supports: Sequence[Constraint]) -> Constraint:
    """What is in any of the components' supports; an interval where that is one."""
    first = supports[0]
    if all(s is first for s in supports):
        return first
    if not all(isinstance(s, Interval) and not s.discrete for s in supports):
        return AnyOf(supports)
    low: Bound = first.lower
    high: Bound = first.upper
    for s in supports[1:]:
        low = lesser(low, s.lower) if not is_everywhere(s.lower, -np.inf) else -np.inf
        high = greater(high, s.upper) if not is_everywhere(s.upper, np.inf) else np.inf
    text = ", or ".join(dict.fromkeys(s.text for s in supports))
    closed = {"closed_lower": True, "closed_upper": True}
    return Interval(text, low, high, **closed, transform=from_to(low, high))


__all__ = ["Mixture", "NormalMixture"]
