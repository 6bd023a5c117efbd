"""Functions that densities need and that must stay exact where their textbook form does not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from probgraph.distributions.constraints import positive
from probgraph.distributions.folding import value_if_constant
from probgraph.distributions.known_signs import certainly
from probgraph.engine.config import config
from probgraph.engine.graph import Variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.elementwise import gammaln, log, log1p, maximum, minimum, switch
from probgraph.engine.ops.special import LARGE, betaln, stirling_error

LOG_TWO_PI = math.log(2 * math.pi)
#: beyond it exp is infinite
VAST = 710.0


def log1mexp_exp(x: Variable) -> Variable:
    """log(1 - exp(-exp(x))): of a tail whose logarithm is x, also where exp(x) vanishes."""
    return switch(x < -37.0, x, ew.log1mexp(-ew.exp(maximum(x, -40.0))))


def log1p_square(z: Variable) -> Variable:
    """log(1 + z²), also where z² is too large for a number: there of z in other units, less their logarithm."""
    half = np.finfo(z.dtype).maxexp // 2
    vast, unit = ew.abs(z) >= 2.0 ** (half - 1), 2.0 ** (half + 2)
    square = switch(vast, ew.sqr(z * (1.0 / unit)) - 1.0, ew.sqr(z))
    return log1p(square) + switch(vast, 2.0 * math.log(unit), 0.0)


def log1p_over(u: Variable) -> Variable:
    """log(1 + u) / u, which is 1 at u = 0."""
    near = ew.abs(u) < 1e-3
    small, large = switch(near, u, 0.0), switch(near, 1.0, u)
    series = 1 - small * (1 / 2 - small * (1 / 3 - small * (1 / 4 - small * (1 / 5 - small * (1 / 6)))))
    return switch(near, series, log1p(large) / large)


def stretched(distance: Variable, sigma: Variable, xi: Variable) -> Variable:
    """log(1 + xi z) / xi with z = distance / sigma, which is z at xi = 0; also where xi z is too large for a double."""
    z = distance * (1.0 / sigma)
    u = xi * z
    vast = ew.isinf(u) | ew.isnan(u)
    shape, size = switch(vast, xi, 1.0), switch(vast, distance, 1.0)
    parts = (ew.log(ew.abs(shape)) + ew.log(ew.abs(size)) - log(sigma)) / shape
    return switch(vast, parts, switch(vast, 0.0, z) * log1p_over(switch(vast, 0.0, u)))


def expm1_over(u: Variable) -> Variable:
    """(exp(u) - 1) / u, which is 1 at u = 0."""
    near = ew.abs(u) < 1e-3
    small, large = switch(near, u, 0.0), switch(near, 1.0, u)
    series = 1 + small * (1 / 2 + small * (1 / 6 + small * (1 / 24 + small * (1 / 120 + small * (1 / 720)))))
    return switch(near, series, ew.expm1(large) / large)


def log_gamma_kernel(alpha: Variable, beta: Variable, x: Variable) -> Variable:
    """log(beta^alpha x^(alpha - 1) exp(-beta x) / Γ(alpha)), which keeps its digits for large alpha.

    There it is Stirling's formula and the distance of beta x from alpha, so that nothing large cancels: Loader, "Fast
    and accurate computation of binomial probabilities" (2000).
    """
    known = value_if_constant(alpha)
    if known is not None and np.all(known < LARGE):
        return _gamma_kernel_of_small(alpha, beta, x)
    if known is not None and np.all(known >= LARGE):
        return _gamma_kernel_of_large(alpha, beta, x)
    is_small = alpha < LARGE
    small = _gamma_kernel_of_small(switch(is_small, alpha, 1.0), beta, x)
    return switch(is_small, small, _gamma_kernel_of_large(maximum(alpha, LARGE), beta, x))


def _gamma_kernel_of_small(alpha: Variable, beta: Variable, x: Variable) -> Variable:
    return times_log(alpha - 1.0, x) - beta * x + (alpha * log(beta) - gammaln(alpha))


def _gamma_kernel_of_large(alpha: Variable, beta: Variable, x: Variable) -> Variable:
    # At x = 0 one infinity is enough.
    log_x = log(maximum(x, float(np.finfo(x.dtype).smallest_subnormal)))
    constant = 0.5 * log(alpha) - 0.5 * LOG_TWO_PI - stirling_error(alpha)
    return constant - log_x - alpha * deviance(beta * x / alpha)


def deviance(ratio: Variable) -> Variable:
    """t - log(1 + t) for t = ratio - 1, which is t² / 2 near 0."""
    near = ew.abs(ratio - 1.0) < 0.1
    s = switch(near, ratio - 1.0, 0.0)
    r = s / (2.0 + s)
    w = r * r
    # log(1 + s) = 2 artanh(r); s - 2 r = s r.
    tail = 1 / 3 + w * (1 / 5 + w * (1 / 7 + w * (1 / 9 + w * (1 / 11 + w * (1 / 13 + w * (1 / 15))))))
    far = switch(near, 1.0, ratio)
    return switch(
        near, s * r - 2.0 * r * w * tail, far - 1.0 - log(minimum(far, float(np.finfo(far.dtype).max)))
    )


def log_binomial(n: Variable, k: Variable) -> Variable:
    """The log of "n over k"."""
    return -betaln(n - k + 1.0, k + 1.0) - log1p(n)


def in_floatX(array: Any) -> np.ndarray:
    """An array of constants in the dtype that numbers get, lest it makes float32 to float64."""
    return np.asarray(array, dtype=config.floatX)


def or_infinite(distance: Variable) -> Variable:
    """A sum of squares, infinite where it is nan because finite numbers overflowed on the way to it."""
    return switch(ew.isnan(distance), np.inf, distance)


def times_log(x: Any, y: Variable) -> Variable:
    """x log y, which is 0 at x = 0 whatever y is; the plain product where y cannot be 0."""
    return x * log(y) if certainly(y, positive) else ew.xlogy(x, y)


def times_log1m(x: Any, y: Variable) -> Variable:
    """x log(1 - y), which is 0 at x = 0 whatever y is; the plain product where y cannot be 1."""
    return x * log1p(-y) if certainly(1.0 - y, positive) else ew.xlog1py(x, -y)
