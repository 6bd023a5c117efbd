"""Where normal points in the plane are, seen from a centre: directions and distances. One class each."""

from __future__ import annotations

import math

import numpy as np

from probgraph.distributions.base import Distribution
from probgraph.distributions.constraints import Interval, nonnegative, positive, real
from probgraph.distributions.parameters import Alternative
from probgraph.distributions.special import LOG_TWO_PI
from probgraph.distributions.transforms import circular
from probgraph.engine.graph import Variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.special import i0e, i1e

angle = Interval(
    "an angle from -π to π", -math.pi, math.pi, closed_lower=True, closed_upper=True, transform=circular
)

#: from here on the asymptotic series of I_0 is exact (Abramowitz & Stegun 9.7.1)
_FAR = 200.0
_COEFFICIENTS = [
    math.prod((2 * j - 1) ** 2 for j in range(1, k + 1)) / (math.factorial(k) * 8.0**k) for k in range(9)
]


def log_i0e(x: Variable) -> Variable:
    """log(exp(-x) I_0(x)) for x >= 0: in a form whose derivative loses no digits for large x."""
    near, far = ew.minimum(x, _FAR), ew.maximum(x, _FAR)
    series = _COEFFICIENTS[-1]
    for c in reversed(_COEFFICIENTS[:-1]):
        series = c + series / far
    return ew.switch(x < _FAR, ew.log(i0e(near)), ew.log(series) - 0.5 * (ew.log(far) + LOG_TWO_PI))


class VonMises(Distribution):
    """Von Mises: exp(kappa cos(x - mu)) / (2π I_0(kappa)), for angles x from -π to π.

    mu is the direction, real, 0 if not given; kappa the concentration, positive, 1 if not given. Fisher, Statistical
    Analysis of Circular Data (1993), 3.3.6.

    >>> VonMises.dist(mu=0.0, kappa=1.0).logp(0.0).eval()
    array(-1.07379142)
    """

    params = {"mu": real, "kappa": positive}
    defaults = {"mu": 0.0, "kappa": 1.0}
    support = angle

    def density(self, x):
        spread = -2.0 * ew.sqr(ew.sin(0.5 * (x - self.mu)))
        return self.kappa * spread - (log_i0e(self.kappa) + LOG_TWO_PI)

    def draw(self, rng, size, mu, kappa):
        return rng.vonmises(np.remainder(mu + np.pi, 2 * np.pi) - np.pi, kappa, size)

    def point(self):
        return ew.arctan2(ew.sin(self.mu), ew.cos(self.mu))


class Rice(Distribution):
    """Rice: (x / sigma²) exp(-(x² + nu²) / (2 sigma²)) I_0(x nu / sigma²), for x >= 0.

    nu is the distance of the centre, at least 0, or instead of it b = nu / sigma; sigma is positive, 1 if not given.
    Rice, "Mathematical analysis of random noise" (Bell System Technical Journal 1945).

    >>> Rice.dist(nu=1.0, sigma=1.0).logp(1.0).eval()
    array(-0.76408564)
    """

    params = {"nu": nonnegative, "sigma": positive}
    defaults = {"sigma": 1.0}
    alternatives = (
        Alternative(
            {"b": nonnegative, "sigma": positive}, lambda b, sigma: {"nu": b * sigma, "sigma": sigma}
        ),
    )
    support = nonnegative

    def density(self, x):
        r, centre = x / self.sigma, self.nu / self.sigma
        return ew.log(x) - 2.0 * ew.log(self.sigma) - 0.5 * ew.sqr(r - centre) + log_i0e(r * centre)

    def draw(self, rng, size, nu, sigma):
        return np.hypot(nu + sigma * rng.standard_normal(size), sigma * rng.standard_normal(size))

    def mean(self):
        """By Laguerre's L_½: Abramowitz & Stegun 13.6.9."""
        t = 0.25 * ew.sqr(self.nu / self.sigma)
        return self.sigma * math.sqrt(0.5 * math.pi) * ((1.0 + 2.0 * t) * i0e(t) + 2.0 * t * i1e(t))

    def variance(self):
        return 2.0 * ew.sqr(self.sigma) + ew.sqr(self.nu) - ew.sqr(self.mean())


__all__ = ["Rice", "VonMises"]
