"""Quantiles of distributions that have tails and no formula for their inverse: by halving a distance.

The distance is that from a bound of the support, or from a point inside, and it is its logarithm that is halved: 64
times, from the smallest double to the largest, which leaves the last digit wherever the quantile is.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from probgraph.distributions.constraints import Interval, is_everywhere
from probgraph.engine.barriers import disconnected_grad
from probgraph.engine.graph import Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.scanning import scan

_NEAREST_LOG, _FARTHEST_LOG, _ROUNDS = -745.0, 709.0, 64


class WithTails(Protocol):
    """What is asked of a distribution of numbers here."""

    discrete: bool
    support: Any

    def logp(self, x: Any) -> Variable: ...

    def logcdf(self, x: Any) -> Variable: ...

    def logccdf(self, x: Any) -> Variable: ...

    def point(self) -> Variable: ...


def halved(dist: WithTails, right: Variable, wanted: Variable) -> Variable:
    """The least x at which log P(X <= x) is at least `wanted`, or, where `right`, log P(X > x) at most that.

    Differentiable in `wanted` and in what the distribution depends on, unless it is discrete.
    """

    def reached(right: Variable, wanted: Variable, x: Variable) -> Variable:
        return ew.switch(right, dist.logccdf(x) <= wanted, dist.logcdf(x) >= wanted)

    inner: Interval = dist.support
    if not is_everywhere(inner.lower, -np.inf):
        anchor, sign = as_variable(inner.lower), as_variable(1.0)
    elif not is_everywhere(inner.upper, np.inf):
        anchor, sign = as_variable(inner.upper), as_variable(-1.0)
    else:
        anchor = dist.point()
        sign = ew.switch(reached(right, wanted, anchor), -1.0, 1.0)
    start = ew.zeros_like(wanted + anchor)

    def halve(near, far, right, wanted, anchor, sign):
        middle = 0.5 * (near + far)
        # Beyond it in the direction of the search: reached upwards, not reached downwards.
        beyond = ew.eq(reached(right, wanted, anchor + sign * ew.exp(middle)), sign > 0.0)
        return ew.switch(beyond, near, middle), ew.switch(beyond, middle, far)

    begin = [start + _NEAREST_LOG, start + _FARTHEST_LOG]
    others = [right, wanted, anchor, sign]
    (_, far), _ = scan(halve, outputs_info=begin, non_sequences=others, n_steps=_ROUNDS)
    distance = ew.exp(far[-1])
    found = disconnected_grad(anchor + sign * distance)
    if dist.discrete:
        return ew.round_half_to_even(found)  # the logarithm is exact enough for that up to 1e13
    # A step of Newton's, which has the last digits and the derivatives.
    at = ew.switch(right, dist.logccdf(found), dist.logcdf(found))
    slope = ew.switch(right, -1.0, 1.0) * ew.exp(dist.logp(found) - at)
    step = (at - wanted) / slope
    # No step is more than the last digits: where x has none left to meet what is wanted, it stays.
    small = ew.abs(step) <= disconnected_grad(1e-11 * distance + 1e-15 * ew.abs(found))
    return ew.clip(found - ew.switch(small, step, 0.0), inner.lower, inner.upper)
