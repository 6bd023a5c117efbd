"""The two tails of the gamma distribution as logarithms, also where they are too small to be numbers.

Each tail is the density times a continued fraction (DLMF 8.9.2 and, of the lower, Jones & Thron, "Continued Fractions",
1980, section 9.2). Far out its terms are all positive and a few are enough, whatever the shape; nearer, the tail is a
number.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from probgraph.distributions.special import log_gamma_kernel
from probgraph.engine.graph import Variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.special import gammainc, gammaincc, gammainccinv, gammaincinv

#: of the continued fractions, enough where a tail is less than FAR, and the upper tail's point beyond SOON
TERMS = 16
FAR = 1e-8
SOON = 4.0


def log_lower_gamma(alpha: Variable, beta: Variable, x: Variable) -> Variable:
    """log P(G <= x) for x > 0 and G of the gamma distribution with shape alpha and rate beta."""
    y = beta * x
    value = gammainc(alpha, y)
    far = value < FAR
    a, z, point = ew.switch(far, alpha, 2.0), ew.switch(far, y, 1.0), ew.switch(far, x, 1.0)
    fraction = a - z + TERMS
    for n in range(TERMS, 0, -1):
        fraction = a - z + (n - 1.0) + n * z / fraction
    tail = log_gamma_kernel(a, beta, point) + ew.log(point) - ew.log(fraction)
    return _together(far, tail, value, gammaincc(alpha, y))


def log_upper_gamma(alpha: Variable, beta: Variable, x: Variable) -> Variable:
    """log P(G > x) for x > 0 and G of the gamma distribution with shape alpha and rate beta."""
    greatest = float(np.finfo(x.dtype).max) ** 0.9
    y = ew.minimum(beta * x, greatest)
    value = gammaincc(alpha, y)
    # Before SOON it is less than FAR only for the smallest alpha.
    far = (value < FAR) & (y > SOON)
    a, z, point = ew.switch(far, alpha, 1.0), ew.switch(far, y, 1.0), ew.switch(far, x, 1.0)
    fraction = z - a + (2 * TERMS + 1.0)
    for n in range(TERMS, 0, -1):
        fraction = z - a + (2 * n - 1.0) + n * (a - n) / fraction
    tail = log_gamma_kernel(a, beta, point) + ew.log(point) - ew.log(fraction)
    return _together(far, tail, value, gammainc(alpha, y))


def _together(far: Variable, tail: Variable, value: Variable, other: Variable) -> Variable:
    """The logarithm of a probability by what it is, or by the other if it is large, or the tail's if far out."""
    large = value > 0.5
    near = ew.log(ew.switch(far, 0.5, value))
    return ew.switch(far, tail, ew.switch(large, ew.log1p(-ew.switch(large, other, 0.5)), near))


def gamma_quantile(alpha: Variable, q: Variable) -> Variable:
    """The x with P(G <= x) = q for the gamma distribution with shape alpha and rate 1."""
    low, high = ew.minimum(q, 0.5), 1.0 - ew.maximum(q, 0.5)
    return ew.switch(q < 0.5, _lower_quantile(alpha, low), _upper_quantile(alpha, high))


def upper_gamma_quantile(alpha: Variable, q: Variable) -> Variable:
    """The x with P(G > x) = q for the gamma distribution with shape alpha and rate 1."""
    low, high = ew.minimum(q, 0.5), 1.0 - ew.maximum(q, 0.5)
    return ew.switch(q < 0.5, _upper_quantile(alpha, low), _lower_quantile(alpha, high))


def _lower_quantile(alpha: Variable, p: Variable) -> Variable:
    x = gammaincinv(alpha, p)
    return x - _last_step(alpha, x, p, log_lower_gamma)


def _upper_quantile(alpha: Variable, p: Variable) -> Variable:
    x = gammainccinv(alpha, p)
    return x + _last_step(alpha, x, p, log_upper_gamma)


def _last_step(alpha: Variable, x: Variable, p: Variable, tail: Callable[..., Variable]) -> Variable:
    """Newton's, for the last digits, which SciPy's inverse lacks for large shapes."""
    least = float(np.finfo(x.dtype).tiny)
    x = ew.switch(x > least, x, 1.0)
    density = ew.exp(log_gamma_kernel(alpha, ew.ones_like(alpha), x))
    good = density > least
    error = p * ew.expm1(tail(alpha, ew.ones_like(alpha), x) - ew.log(p))
    # Where it is no small step, because x or the density is too small for numbers, it is none.
    step = ew.switch(good, error, 0.0) / ew.switch(good, density, 1.0)
    return ew.switch(ew.abs(step) < 1e-6 * x, step, 0.0)
