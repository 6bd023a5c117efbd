"""The normal distribution between bounds, in closed form."""

from __future__ import annotations

import importlib
from math import pi, sqrt

import numpy as np

from probgraph.distributions.base import Distribution
from probgraph.distributions.components import extended, from_to
from probgraph.distributions.constraints import Interval, positive, real
from probgraph.distributions.normal_functions import (
    HALF_LOG_TWO_PI,
    log_difference,
    log_normal_integral,
    log_scaled_difference,
    vast,
)
from probgraph.distributions.parameters import Alternative
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.special import ndtri_exp


class TruncatedNormal(Distribution):
    """A normal distribution given that it is between bounds: φ(z) / (sigma (Φ(b) - Φ(a))), for lower <= x <= upper.

    z = (x - mu) / sigma, and a, b the same of the bounds. mu is real, 0 if not given; sigma, or tau = 1 / sigma², is
    positive, 1 if not given; lower and upper are numbers, arrays or variables, None for no bound.

    >>> TruncatedNormal.dist(mu=0.0, sigma=1.0, lower=0.0).logp(1.0).eval()
    array(-0.72579135)
    """

    params = {"mu": real, "sigma": positive, "lower": extended, "upper": extended}
    defaults = {"mu": 0.0, "sigma": 1.0, "lower": -np.inf, "upper": np.inf}
    alternatives = (
        Alternative(
            {"mu": real, "tau": positive, "lower": extended, "upper": extended},
            lambda mu, tau, lower, upper: {"mu": mu, "sigma": tau**-0.5, "lower": lower, "upper": upper},
        ),
    )
    positional = ("mu", "sigma")

    def requirements(self):
        return [(ew.lt(self.lower, self.upper), "lower < upper")]

    def prepare(self):
        self.support = Interval(
            "a finite number between lower and upper",
            self.lower,
            self.upper,
            closed_lower=True,
            closed_upper=True,
            transform=from_to(self.lower, self.upper),
        )
        self._a, self._b = self._z(self.lower), self._z(self.upper)

    def _z(self, x):
        z = (x - self.mu) / self.sigma
        return ew.clip(z, -vast(z), vast(z))

    def _rest(self, lower, upper):
        """Of the mass between two places without its large part exp(-n² / 2): the logarithm, and n."""
        a, b = self._z(lower), self._z(upper)
        return log_scaled_difference(a, b, ew.minimum((upper - lower) / self.sigma, vast(a)))

    def density(self, x):
        rest, near = self._rest(self.lower, self.upper)
        # (z² - n²) / 2, by the distance from where n is; that is mu, or the bound that is nearer to it.
        place = ew.switch(self._a > 0.0, self.lower, ew.switch(self._b <= 0.0, self.upper, self.mu))
        distance = ew.abs(x - place) * (1.0 / self.sigma)
        fall = distance * (0.5 * distance + near)
        return -fall - ew.log(self.sigma) - HALF_LOG_TWO_PI - rest

    def _shares(self, x):
        """The logarithms of what is below x and above it."""
        mass, at = self._rest(self.lower, self.upper)
        left, near_left = self._rest(self.lower, x)
        right, near_right = self._rest(x, self.upper)
        # How much farther from mu a part begins than all does: by the bound that this does at.
        off_left = ew.switch(self._b <= 0.0, (self.upper - x) / self.sigma, near_left - at)
        off_right = ew.switch(self._a > 0.0, (x - self.lower) / self.sigma, near_right - at)
        return (
            left - mass - off_left * (0.5 * off_left + at),
            right - mass - off_right * (0.5 * off_right + at),
        )

    def cumulative(self, x):
        below, above = self._shares(x)
        return _less_of(below, above)

    def survival(self, x):
        below, above = self._shares(x)
        return _less_of(above, below)

    def quantile(self, q):
        """From the tail that the bounds are in."""
        above = self._a > 0.0
        a, b = ew.switch(above, -self._b, self._a), ew.switch(above, -self._a, self._b)
        share = ew.switch(above, 1.0 - q, q)
        z = ndtri_exp(
            ew.logaddexp(log_normal_integral(a) + ew.log1p(-share), log_normal_integral(b) + ew.log(share))
        )
        z = ew.clip(z, a, b)
        return self.mu + self.sigma * ew.switch(above, -z, z)

    def draw(self, rng, size, mu, sigma, lower, upper):
        special = importlib.import_module("scipy.special")  # late: it takes long, and few draw from this
        a, b = (lower - mu) / sigma, (upper - mu) / sigma
        above = a > 0
        a, b = np.where(above, -b, a), np.where(above, -a, b)
        share = rng.random(size)
        with np.errstate(divide="ignore"):
            part = np.logaddexp(special.log_ndtr(a) + np.log1p(-share), special.log_ndtr(b) + np.log(share))
        z = np.clip(special.ndtri_exp(part), a, b)
        return np.clip(mu + sigma * np.where(above, -z, z), lower, upper)

    def _ratios(self):
        """φ(a) and φ(b), each divided by Φ(b) - Φ(a)."""
        mass = log_difference(self._a, self._b)
        return [ew.exp(-0.5 * ew.sqr(z) - mass) / sqrt(2 * pi) for z in (self._a, self._b)]

    def mean(self):
        at_a, at_b = self._ratios()
        return self.mu + self.sigma * (at_a - at_b)

    def variance(self):
        at_a, at_b = self._ratios()
        shift = at_a - at_b
        return ew.sqr(self.sigma) * (1.0 + self._a * at_a - self._b * at_b - ew.sqr(shift))

    def point(self):
        """mu if it is between the bounds, else the middle, or a step behind one."""
        low, high = self.lower, self.upper
        middle = ew.switch(ew.isinf(high), low + self.sigma, 0.5 * low + 0.5 * high)
        middle = ew.switch(ew.isinf(low), high - self.sigma, middle)
        return ew.switch((self.mu > low) & (self.mu < high), self.mu, middle)


def _less_of(this, other):
    """The logarithm of a share: from the other one where that is the smaller and has the digits."""
    return ew.switch(other < -1.0, ew.log1mexp(ew.minimum(other, -1.0)), this)


__all__ = ["TruncatedNormal"]
