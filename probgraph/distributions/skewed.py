"""A normal's tail of which a share is kept: the integral of 2 φ(t) Φ(a t) from h on, exact however small it is.

It is Φ(-h) + 2 T(h, a), where T is Owen's function: 1 / 2π times the integral of exp(-h² (1 + x²) / 2) / (1 + x²) over
x from 0 to a. Owen, "Tables for computing bivariate normal probabilities" (Annals of Mathematical Statistics 1956).
"""

from __future__ import annotations

from math import log, pi

import numpy as np

from probgraph.distributions.normal_functions import ROOT_HALF, log_half_erfcx, log_normal_integral, vast
from probgraph.distributions.quadrature import integral, reach
from probgraph.engine.graph import Variable
from probgraph.engine.ops import elementwise as ew

_LOG_PI = log(pi)


def log_kept_and_rest(h: Variable, a: Variable) -> tuple[Variable, Variable]:
    """log P and log(1 - P), where P is the integral of 2 φ(t) Φ(a t) over t > h, for h >= 0."""
    most = a >= 0.0
    h, b = ew.minimum(h, vast(h)), ew.minimum(ew.switch(most, a, -a), vast(a))
    most = a >= 0.0
    near = ew.switch(most, h, h * ew.maximum(b, 1.0)) < 1.0
    kept, rest = _near(h, b, most)
    large = near & (kept > 0.5)
    log_kept = ew.switch(
        near,
        ew.log(ew.switch(near, kept, 0.5)),
        _log_tail(ew.switch(near, 1.0, h), ew.switch(near, 1.0, b), most),
    )
    log_rest = ew.log1mexp(ew.switch(large, -1.0, log_kept))
    few = ew.switch(large, rest, 0.25)
    return ew.switch(large, ew.log1p(-few), log_kept), ew.switch(large, ew.log(few), log_rest)


def _near(h: Variable, b: Variable, most: Variable) -> tuple[Variable, Variable]:
    """P and 1 - P by Owen's relation T(h, b) = 1/4 - p q - T(h b, 1 / b), which leaves no b above 1."""
    p, q = 0.5 * ew.erf(h * ROOT_HALF), 0.5 * ew.erf(h * b * ROOT_HALF)
    steep = b > 1.0
    limit = ew.switch(steep, 1.0 / ew.maximum(b, 1.0), b)
    height = ew.switch(steep, h * b, h)
    start = ew.zeros_like(limit)
    reached = ew.minimum(limit, reach(start, ew.sqr(height)))
    twice = ew.exp(-0.5 * ew.sqr(height) - _LOG_PI) * _past_poles(reached, start, start, ew.sqr(height))
    beside = 2.0 * p * q + twice
    kept = ew.switch(
        steep, ew.switch(most, 1.0 - p - beside, beside - p), 0.5 - p + ew.switch(most, twice, -twice)
    )
    return kept, ew.switch(steep & most, p + beside, 1.0 - kept)


def _log_tail(h: Variable, b: Variable, most: Variable) -> Variable:
    """log P where Owen's integral falls soon: from 0 to b beside the normal's tail, or from b on all that there is."""
    start = ew.switch(most, 0.0, b)
    curvature = ew.sqr(h)
    slope = ew.minimum(curvature * start, 1e-8 * float(np.finfo(h.dtype).max))
    span = reach(slope, curvature)
    part = _past_poles(ew.switch(most & (b < span), b, span), start, slope, curvature)
    beside = log_normal_integral(-h) + ew.log1p(part * ew.exp(-_LOG_PI - log_half_erfcx(h)))
    # Where the part is no number, the square alone counts.
    left = ew.log(ew.maximum(part, 1e-300)) - 0.5 * curvature * (1.0 + ew.sqr(start)) - _LOG_PI
    return ew.switch(most, beside, left)


def _past_poles(length: Variable, start: Variable, slope: Variable, curvature: Variable) -> Variable:
    """The integral of exp(-slope v - curvature v² / 2) / (1 + (start + v)²) over v from 0 to `length`."""

    def integrand(v: Variable, start: Variable, slope: Variable, curvature: Variable) -> Variable:
        return ew.exp(-v * (slope + 0.5 * curvature * v)) / (1.0 + ew.sqr(start + v))

    return integral(integrand, length, start, slope, curvature)
