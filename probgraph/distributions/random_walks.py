"""Series that go on by independent steps: one class each."""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping
from typing import Any

import numpy as np

from probgraph.distributions.base import Distribution
from probgraph.distributions.components import component
from probgraph.distributions.constraints import Constraint, Each, integer, positive, real, unbounded
from probgraph.distributions.gaussian_vectors import MvNormal, MvStudentT, lower_given
from probgraph.distributions.real_line import Normal
from probgraph.distributions.series import Series
from probgraph.engine.graph import Variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import reduce
from probgraph.engine.ops.cumulative import cumsum
from probgraph.engine.ops.index import get_item
from probgraph.engine.ops.shape import expand_dims, full, join


class _Path(Each):
    """Where a walk can go whose beginning or steps are not any numbers."""

    def __init__(self, walk: _Walk, element: Constraint, event_ndim: int) -> None:
        super().__init__(element, event_ndim)
        self._walk = walk
        first, step = walk.init_dist.support.text, walk.innovation.support.text
        self.text = f"a walk whose first value is {first} and each of whose steps is {step}"

    def conditions(self, x: Variable) -> list[Variable]:
        walk = self._walk
        steps = walk._at(x, slice(1, None)) - walk._at(x, slice(None, -1))
        return [
            *walk.init_dist.support.conditions(walk._at(x, 0)),
            *(reduce.all(c, axis=-1) for c in walk.innovation.support.conditions(steps)),
        ]

    def holds(self, x: Variable) -> Variable:
        return functools.reduce(operator.and_, self.conditions(x))


class _Walk(Series):
    """x_0 of `init_dist`, and x_t = x_(t-1) + a step of `innovation`."""

    innovation: Distribution

    def _live_on(self) -> None:
        rank = self.innovation.event_ndim
        if self.init_dist.event_ndim != rank:
            raise ValueError(
                f"{type(self).__name__}: init_dist has events of {self.init_dist.event_ndim} axes, the steps of {rank}"
            )
        self._unchecked += self.init_dist._unchecked
        self._unchecked += [reduce.all(c, axis=-1) if c.ndim else c for c in self.innovation._unchecked]
        counts = self.init_dist.discrete and self.innovation.discrete
        plain = unbounded(self.init_dist.support) and unbounded(self.innovation.support)
        self.support = Each(real, 1 + rank) if plain else _Path(self, integer if counts else real, 1 + rank)

    def element_lengths(self, lengths):
        return self.innovation.event_shape

    def _at(self, x: Variable, key: Any) -> Variable:
        return get_item(x, (Ellipsis, key, *(slice(None),) * self.innovation.event_ndim))

    def density(self, x):
        steps = self._at(x, slice(1, None)) - self._at(x, slice(None, -1))
        return self.init_dist.logp(self._at(x, 0)) + reduce.sum(self.innovation.logp(steps), axis=-1)

    def draw(self, rng, size, **values):
        first = self.draw_component(rng, "init_dist", values, size)
        axis = len(size)
        steps = self.draw_steps(rng, (*size, self.event_shape[0] - 1), values)
        return np.cumsum(np.concatenate([np.expand_dims(first, axis), steps], axis=axis), axis=axis)

    def draw_steps(self, rng: np.random.Generator, size: tuple[int, ...], values: Mapping[str, Any]) -> Any:
        """The steps as an array (*size, *element)."""
        raise NotImplementedError

    def _summed(self, first: Variable, step: Variable) -> Variable:
        """A value of the beginning and one for each step, summed along time."""
        rank = self.innovation.event_ndim
        steps = self.event_shape[0] - 1
        if step.ndim <= rank:
            step = expand_dims(step, 0)
        if step.type.shape[step.ndim - 1 - rank] == 1:
            ones = full((steps, *(1,) * rank), np.ones((), step.dtype))
            step = step * ones
        axis = step.ndim - 1 - rank
        start = expand_dims(first, first.ndim - rank)
        if start.ndim < step.ndim:
            start = expand_dims(start, list(range(step.ndim - start.ndim)))
        step = step + ew.zeros_like(start)
        start = start + ew.zeros_like(get_item(step, (*(slice(None),) * axis, slice(0, 1))))
        return cumsum(join(axis, start, step), axis)

    def mean(self):
        return self._summed(self.init_dist.mean(), self.innovation.mean())

    def variance(self):
        return self._summed(self.init_dist.variance(), self.innovation.variance())

    def point(self):
        return self._summed(self.init_dist.point(), self.innovation.point())


class RandomWalk(_Walk):
    """A walk by steps of any distribution: f_0(x_0) Π_t f(x_t - x_(t-1)), for t = 1 ... steps.

    init_dist is the distribution of x_0, innovation_dist that of the steps: its last batch axis, if it has any, is
    time, of length 1 or steps. Of vectors (MvNormal) the walk is one of vectors. The event is (steps + 1, ...).

    >>> walk = RandomWalk.dist(Normal.dist(0.0, 1.0), Laplace.dist(0.0, 1.0), steps=2)
    >>> walk.logp([0.0, 0.0, 1.0]).eval()
    array(-3.30523289)
    """

    options = {"init_dist": None, "innovation_dist": None, "steps": None}

    def prepare(self):
        self.init_dist = component("RandomWalk", "init_dist", self.init_dist)
        self.innovation = component("RandomWalk", "innovation_dist", self.innovation_dist)
        self._live_on()

    def extra_axes(self, name):
        return 1 if name == "innovation_dist" else 0

    def draw_steps(self, rng, size, values):
        return self.draw_component(rng, "innovation_dist", values, size)


class GaussianRandomWalk(_Walk):
    """A walk by normal steps: x_t ~ Normal(x_(t-1) + mu, sigma), for t = 1 ... steps; x_0 of init_dist.

    mu, 0 if not given, and sigma, 1 if not given and positive, are numbers, or arrays whose last axis is time, of
    length 1 or steps. init_dist is Normal.dist(0, 100) if not given. The event is (steps + 1,). Durbin & Koopman, Time
    Series Analysis by State Space Methods (2012), ch. 2.

    >>> walk = GaussianRandomWalk.dist(sigma=1.0, init_dist=Normal.dist(0.0, 1.0), steps=2)
    >>> walk.logp([0.0, 0.0, 1.0]).eval()
    array(-3.2568156)
    """

    params = {"mu": Each(real), "sigma": Each(positive)}
    defaults = {"mu": 0.0, "sigma": 1.0}
    options = {"init_dist": None, "steps": None}

    def prepare(self):
        self.init_dist = self.beginning(Normal.dist(0.0, 100.0), "Normal.dist(0, 100)")
        self.innovation = Normal.dist(self.mu, self.sigma)
        self._live_on()

    def draw_steps(self, rng, size, values):
        return rng.normal(values["mu"], values["sigma"], size)

    def element_lengths(self, lengths):
        _refuse_other_times(self, {n: lengths[n][-1] for n in ("mu", "sigma")})
        return ()


def _refuse_other_times(walk: Series, times: Mapping[str, int | None]) -> None:
    for name, length in times.items():
        if walk.steps is not None and length not in (None, 1, int(walk.steps)):
            raise ValueError(
                f"{type(walk).__name__}: the last axis of {name} is time and has length {length}, for steps={walk.steps};"
                f" for several series give it shape (..., 1)"
            )


class _OfVectors(_Walk):
    options = {"init_dist": None, "steps": None, "lower": True}
    positional = ("mu", "cov")

    @classmethod
    def _made(cls, who, args, kwargs):
        return super()._made(who, args, lower_given(kwargs))

    def _begin(self) -> None:
        n = self.innovation.event_shape[-1]
        if getattr(self, "init_dist", None) is None and n is None:
            raise ValueError(
                f"{type(self).__name__}: give init_dist=, the length of the vectors is not known"
            )
        usual = None if self.init_dist is not None else MvNormal.dist(np.zeros(n), cov=100.0 * np.eye(n))
        self.init_dist = self.beginning(usual, "MvNormal.dist(0, I*100)")
        self._live_on()


class MvGaussianRandomWalk(_OfVectors):
    """A walk of vectors by normal steps: x_t ~ MvNormal(x_(t-1) + mu, cov), for t = 1 ... steps; x_0 of init_dist.

    mu (n,), and one of cov (n, n), its inverse tau, or chol, as MvNormal has them. init_dist is MvNormal.dist(0, 100 I)
    if not given. The event is (steps + 1, n).

    >>> start = MvNormal.dist([0.0, 0.0], cov=np.eye(2))
    >>> walk = MvGaussianRandomWalk.dist(mu=[0.0, 0.0], cov=np.eye(2), init_dist=start, steps=1)
    >>> walk.logp([[0.0, 0.0], [1.0, 0.0]]).eval()
    array(-4.17575413)
    """

    params = MvNormal.params
    defaults = MvNormal.defaults
    alternatives = MvNormal.alternatives

    def prepare(self):
        self.innovation = MvNormal.dist(self.mu, chol=self.chol)
        self._begin()

    def draw_steps(self, rng, size, values):
        return self.innovation.draw(rng, size, mu=values["mu"], chol=values["chol"])


class MvStudentTRandomWalk(_OfVectors):
    """A walk of vectors by Student's steps: x_t - x_(t-1) ~ MvStudentT(nu, mu, scale), for t = 1 ... steps.

    nu, mu (n,), and one of scale (n, n), its inverse tau, or chol, as MvStudentT has them; x_0 of init_dist. The
    event is (steps + 1, n).
    """

    params = MvStudentT.params
    defaults = MvStudentT.defaults
    alternatives = MvStudentT.alternatives
    positional = ("nu",)

    def prepare(self):
        own = {name: getattr(self, name) for name in self.params}
        self.innovation = MvStudentT.dist(**own)
        self._begin()

    def draw_steps(self, rng, size, values):
        return self.innovation.draw(rng, size, **{name: values[name] for name in self.params})


__all__ = ["GaussianRandomWalk", "MvGaussianRandomWalk", "MvStudentTRandomWalk", "RandomWalk"]
