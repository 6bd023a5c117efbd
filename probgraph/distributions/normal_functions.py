"""The normal distribution's integral, its logarithm, its inverse, and differences of it: exact in both tails."""

from __future__ import annotations

from collections.abc import Sequence
from math import log, pi, sqrt

import numpy as np

from probgraph.engine import operators as _operators  # noqa: F401  (gives variables their arithmetic)
from probgraph.engine.graph import Variable
from probgraph.engine.ops import elementwise as ew

LOG_TWO = log(2.0)
ROOT_HALF = sqrt(0.5)
HALF_LOG_TWO_PI = 0.5 * log(2 * pi)
#: Gauss and Legendre's places and weights between 0 and 1
_NODES = [
    (0.5 + 0.5 * float(p), 0.5 * float(w)) for p, w in zip(*np.polynomial.legendre.leggauss(8), strict=True)
]
FARTHEST = 1e10
"""As good as infinite: beyond, a normal's tail is empty, and infinities would make nan of gradients."""


def vast(x: Variable) -> float:
    """As good as infinite in the precision of `x`, and its square is a number."""
    return float(np.finfo(x.dtype).max) ** 0.49


def log_normal_integral(z: Variable) -> Variable:
    """log Φ(z), the probability below z."""
    below = ew.log_erfc(ew.minimum(z, 0.0) * -ROOT_HALF) - LOG_TWO
    return ew.switch(z < 0.0, below, ew.log1p(-0.5 * ew.erfc(ew.maximum(z, 0.0) * ROOT_HALF)))


def log_difference(a: Variable, b: Variable) -> Variable:
    """log(Φ(b) - Φ(a)) for a < b, without subtracting what is nearly equal."""
    a, b = (ew.clip(v, -FARTHEST, FARTHEST) for v in (a, b))
    rest, near = log_scaled_difference(a, b, b - a)
    return rest - 0.5 * ew.sqr(near)


def log_scaled_difference(a: Variable, b: Variable, width: Variable) -> tuple[Variable, Variable]:
    """log(exp(n² / 2) (Φ(b) - Φ(a))) for a < b, and n: the one nearer to 0, or 0 where that is between them.

    ``width`` is b - a, with the digits it has where a and b are far out. What is far out has no large parts here.
    """
    above = a > 0.0
    around = (a <= 0.0) & (b > 0.0)
    near = ew.switch(around, 0.0, ew.switch(above, a, -b))
    # erf of both signs adds up.
    low, high = ew.minimum(a, 0.0) * -ROOT_HALF, ew.maximum(b, 0.0) * ROOT_HALF
    middle = 0.5 * (ew.erf(low) + ew.erf(high))
    rest = ew.log1p(-0.5 * (ew.erfc(low) + ew.erfc(high)))
    inner = ew.switch(middle < 0.5, ew.log(ew.switch(around, middle, 0.25)), rest)
    span = ew.switch(around, 1.0, width)
    # Of exp(n² / 2) times both tails: the second is as much smaller as the square is larger.
    narrow = span * (1.0 + near) < 0.5
    first, second = log_half_erfcx(near), log_half_erfcx(near + span)
    fall = ew.switch(narrow, -1.0, second - first - 0.5 * span * (span + 2.0 * near))
    outer = first + ew.log1mexp(fall)
    # Where the tails are nearly the same, by the density in between.
    width = ew.switch(narrow, span, 0.0)
    between = sum(w * ew.exp(-width * p * (near + 0.5 * width * p)) for p, w in _NODES)
    few = ew.log(ew.switch(narrow, span, 1.0)) + ew.log(between) - HALF_LOG_TWO_PI
    return ew.switch(around, inner, ew.switch(narrow, few, outer)), near


def log_half_erfcx(u: Variable) -> Variable:
    """log(exp(u² / 2) Φ(-u)) for u >= 0, which falls as slowly as -log u (Abramowitz & Stegun 7.1.23)."""
    tail = ew.maximum(u, TAIL_START)
    s = 1.0 / ew.sqr(tail)
    series = 1.0
    for k in range(15, 0, -1):
        series = 1.0 - (2 * k - 1) * s * series
    near = ew.minimum(u, TAIL_START)
    return ew.switch(
        u < TAIL_START,
        0.5 * ew.sqr(near) + log_normal_integral(-near),
        ew.log(series) - ew.log(tail) - HALF_LOG_TWO_PI,
    )


TAIL_START = 12.0


def mills_slope(t: Variable) -> Variable:
    """1 - t Φ(-t) / φ(t), minus the slope of Mills' ratio, for t >= -1: it falls as 1 / t² (Abramowitz & Stegun 26.2.12)."""
    near = ew.minimum(t, SLOPE_START)
    u = ew.maximum(near, 0.0)
    ratio = ew.exp(HALF_LOG_TWO_PI + log_half_erfcx(u))
    below = ew.minimum(near, 0.0)
    left = ew.exp(HALF_LOG_TWO_PI + 0.5 * ew.sqr(below) + log_normal_integral(-below))
    s = 1.0 / ew.sqr(ew.maximum(t, SLOPE_START))
    far = s * (1.0 - s * (3.0 - s * (15.0 - s * (105.0 - s * 945.0))))
    return ew.switch(t < SLOPE_START, 1.0 - near * ew.switch(near < 0.0, left, ratio), far)


SLOPE_START = 50.0


def normal_quantile(offset: Variable, tail: Variable) -> Variable:
    """The z with Φ(z) = 1/2 + offset, where tail = 1/2 - |offset|: give both with the digits that they have.

    Wichura, "Algorithm AS 241" (Applied Statistics 1988), PPND16.
    """
    central = ew.abs(offset) <= 0.425
    r = 0.180625 - ew.sqr(ew.switch(central, offset, 0.0))
    inner = offset * _ratio(r, CENTRE)
    depth = ew.sqrt(-ew.log(ew.switch(central, 0.01, tail)))
    middle, outer = ew.minimum(depth, 5.0) - 1.6, ew.maximum(depth, 5.0) - 5.0
    outside = ew.switch(depth <= 5.0, _ratio(middle, MIDDLE), _ratio(outer, OUTER))
    return ew.switch(central, inner, ew.switch(offset < 0.0, -outside, outside))


def quantile(q: Variable) -> Variable:
    """The z with Φ(z) = q."""
    return normal_quantile(q - 0.5, ew.minimum(q, 1.0 - q))


def _ratio(r: Variable, coefficients: tuple[Sequence[float], Sequence[float]]) -> Variable:
    return _polynomial(r, coefficients[0]) / _polynomial(r, coefficients[1])


def _polynomial(r: Variable, coefficients: Sequence[float]) -> Variable:
    result = r * coefficients[-1] + coefficients[-2]
    for c in reversed(coefficients[:-2]):
        result = result * r + c
    return result


CENTRE = (
    (
        3.3871328727963666080e0,
        1.3314166789178437745e2,
        1.9715909503065514427e3,
        1.3731693765509461125e4,
        4.5921953931549871457e4,
        6.7265770927008700853e4,
        3.3430575583588128105e4,
        2.5090809287301226727e3,
    ),
    (
        1.0,
        4.2313330701600911252e1,
        6.8718700749205790830e2,
        5.3941960214247511077e3,
        2.1213794301586595867e4,
        3.9307895800092710610e4,
        2.8729085735721942674e4,
        5.2264952788528545610e3,
    ),
)
MIDDLE = (
    (
        1.42343711074968357734e0,
        4.63033784615654529590e0,
        5.76949722146069140550e0,
        3.64784832476320460504e0,
        1.27045825245236838258e0,
        2.41780725177450611770e-1,
        2.27238449892691845833e-2,
        7.74545014278341407640e-4,
    ),
    (
        1.0,
        2.05319162663775882187e0,
        1.67638483018380384940e0,
        6.89767334985100004550e-1,
        1.48103976427480074590e-1,
        1.51986665636164571966e-2,
        5.47593808499534494600e-4,
        1.05075007164441684324e-9,
    ),
)
OUTER = (
    (
        6.65790464350110377720e0,
        5.46378491116411436990e0,
        1.78482653991729133580e0,
        2.96560571828504891230e-1,
        2.65321895265761230930e-2,
        1.24266094738807843860e-3,
        2.71155556874348757815e-5,
        2.01033439929228813265e-7,
    ),
    (
        1.0,
        5.99832206555887937690e-1,
        1.36929880922735805310e-1,
        1.48753612908506148525e-2,
        7.86869131145613259100e-4,
        1.84631831751005468180e-5,
        1.42151175831644588870e-7,
        2.04426310338993978564e-15,
    ),
)
