"""Where normal points in the plane are, seen from a centre: directions and distances. One class each."""

from __future__ import annotations

import functools
import math

import numpy as np

from probgraph.distributions.base import Distribution
from probgraph.distributions.constraints import Interval, nonnegative, positive, real
from probgraph.distributions.normal_functions import LOG_TWO, vast
from probgraph.distributions.parameters import Alternative
from probgraph.distributions.quadrature import FALL, integral, reach
from probgraph.distributions.special import LOG_TWO_PI
from probgraph.distributions.transforms import circular
from probgraph.engine.barriers import disconnected_grad
from probgraph.engine.graph import Variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.special import i0e, i1e

angle = Interval(
    "an angle from -π to π", -math.pi, math.pi, closed_lower=True, closed_upper=True, transform=circular
)

TWO_PI = 2.0 * math.pi
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


def _log_arc(low: Variable, high: Variable, kappa: Variable) -> Variable:
    """The log of the integral of exp(kappa (cos t - 1)) over t from low to high, -2π <= low <= high <= 2π.

    In pieces between a top and the bottom beside it, each from its higher end on as far as it is worth going.
    """

    def piece(first: float, top: float) -> tuple[Variable, Variable, Variable]:
        ends = (
            ew.switch(t < first, first, ew.switch(t < first + math.pi, t, first + math.pi))
            for t in (low, high)
        )
        start, end = ends if top == first else reversed([*ends])
        start, end = (t - top if top == first else top - t for t in (start, end))
        sine, cosine = ew.sin(0.5 * start), ew.cos(0.5 * start)
        fall = 0.5 * FALL / kappa
        square = ew.minimum(ew.sqr(sine) + fall, 1.0)
        # sin(A - B) without a difference, where A is half the angle at which it is all over and B half of the start.
        worth = fall / (ew.sqrt(square) * cosine + ew.sqrt(1.0 - square) * sine)
        reached = disconnected_grad(2.0 * ew.arcsin(ew.minimum(worth, 1.0)))
        length = ew.switch(end - start < reached, end - start, reached)

        def falling(v: Variable, start: Variable, kappa: Variable) -> Variable:
            return ew.exp(-2.0 * kappa * ew.sin(0.5 * v) * ew.sin(start + 0.5 * v))

        return ew.sqr(sine), end > start, integral(falling, length, start, kappa)

    pieces = [piece(-TWO_PI, -TWO_PI), piece(-math.pi, 0.0), piece(0.0, 0.0), piece(math.pi, TWO_PI)]
    depths = [ew.switch(there, depth, 1.0) for depth, there, _ in pieces]
    least = disconnected_grad(functools.reduce(ew.minimum, depths))
    total = sum(part * ew.exp(-2.0 * kappa * ew.maximum(depth - least, 0.0)) for depth, _, part in pieces)
    return ew.log(ew.maximum(total, float(np.finfo(total.dtype).tiny))) - 2.0 * kappa * least


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

    def cumulative(self, x):
        return self._tails(x)[0]

    def survival(self, x):
        return self._tails(x)[1]

    def _tails(self, x):
        """log P(X <= x) and log P(X > x): of the arcs before and after x, by the smaller of them."""
        centre = self.mu - TWO_PI * ew.round_half_to_even(self.mu / TWO_PI)
        first, here = -math.pi - centre, x - centre
        total = log_i0e(self.kappa) + LOG_TWO_PI
        before, after = (
            _log_arc(low, high, self.kappa) - total for low, high in ((first, here), (here, first + TWO_PI))
        )
        first_half = before < after
        small = ew.switch(first_half, before, after)
        large = ew.log1mexp(small)
        return ew.switch(first_half, small, large), ew.switch(first_half, large, small)

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

    def cumulative(self, x):
        return self._tails(x)[0]

    def survival(self, x):
        return self._tails(x)[1]

    def _tails(self, x):
        """log P(X <= x) and log P(X > x): the density from x outwards, or inwards where that is less."""
        r, centre = x / self.sigma, self.nu / self.sigma
        middle = centre + 2.0 * LOG_TWO / (centre + ew.maximum(centre, 1.0))  # near the median
        inwards = r < middle
        side = ew.switch(inwards, -1.0, 1.0)
        distance = (x - self.nu) / self.sigma
        # As good as infinite, and their product is a number.
        most = vast(r)
        r, centre = ew.minimum(r, most), ew.minimum(centre, most)
        slope = ew.clip(side * distance, -most, most)
        share = reach(ew.maximum(slope, 0.0)) / r
        length = ew.switch(inwards & (share > 1.0), 1.0, share)

        unit = disconnected_grad(ew.maximum(r, 1.0))

        def falling(w, slope, r, centre, side, unit):
            at, v = 1.0 + side * w, r * w
            return ew.exp(-v * (slope + 0.5 * v)) * at * unit * i0e(r * at * centre)

        part = integral(falling, length, slope, r, centre, side, unit)
        scale = 2.0 * ew.minimum(ew.log(x) - ew.log(self.sigma), math.log(most)) - ew.log(unit)
        small = scale + ew.log(ew.maximum(part, float(np.finfo(part.dtype).tiny))) - 0.5 * ew.sqr(distance)
        large = ew.log1mexp(small)
        return ew.switch(inwards, small, large), ew.switch(inwards, large, small)

    def draw(self, rng, size, nu, sigma):
        return np.hypot(nu + sigma * rng.standard_normal(size), sigma * rng.standard_normal(size))

    def mean(self):
        """By Laguerre's L_½: Abramowitz & Stegun 13.6.9."""
        t = 0.25 * ew.sqr(self.nu / self.sigma)
        return self.sigma * math.sqrt(0.5 * math.pi) * ((1.0 + 2.0 * t) * i0e(t) + 2.0 * t * i1e(t))

    def variance(self):
        return 2.0 * ew.sqr(self.sigma) + ew.sqr(self.nu) - ew.sqr(self.mean())


__all__ = ["Rice", "VonMises"]
