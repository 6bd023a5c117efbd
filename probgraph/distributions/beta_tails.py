"""The two tails of the beta distribution as logarithms, also where they are too small to be numbers.

Far out a tail is the density times a continued fraction (DLMF 8.17.22), of which a few terms are enough, whatever the
parameters; nearer, it is a number. Points come as x and y = 1 - x, each with all its digits.
"""

from __future__ import annotations

import numpy as np

from probgraph.distributions.special import LARGE, LOG_TWO_PI, betaln, deviance, stirling_error
from probgraph.engine.graph import Variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.special import betainc, betaincc, betaincinv

#: of the continued fraction, enough where a tail is less than FAR unless that is because b is less than SMALL
TERMS = 16
LOG_TWO = float(np.log(2.0))
FAR = 1e-8
SMALL = 1e-3


def log_beta_below(a: Variable, b: Variable, x: Variable, y: Variable) -> Variable:
    """log I_x(a, b): of the probability that Beta(a, b) is at most x, for a, b > 0, given y = 1 - x with its own digits."""
    log_x = ew.switch(x < 0.5, ew.log(x), ew.log1p(-ew.minimum(y, 0.5)))
    left = x <= y
    small, far_side = ew.minimum(x, 0.5), ew.minimum(y, 0.5)
    value = ew.switch(left, betainc(a, b, small), betaincc(b, a, far_side))
    other = ew.switch(left, betaincc(a, b, small), betainc(b, a, far_side))
    # Where x is too small to be a number, the first term is all there is.
    far = ((value < FAR) & ((b > SMALL) | left)) | (x < float(np.finfo(x.dtype).tiny) * 1e3)
    tail = _tail(
        *(
            ew.switch(far, v, usual)
            for v, usual in ((a, 1.0), (b, 1.0), (x, 0.5), (y, 0.5), (log_x, -LOG_TWO))
        )
    )
    near = ew.log(ew.switch(far, 0.5, value))
    large = value > 0.5
    return ew.switch(far, tail, ew.switch(large, ew.log1p(-ew.switch(large, other, 0.5)), near))


def _tail(a: Variable, b: Variable, x: Variable, y: Variable, log_x: Variable) -> Variable:
    fraction = 1.0
    for m in range(TERMS, 0, -1):
        even = m * (b - m) * x / ((a + (2 * m - 1)) * (a + 2 * m))
        odd = -((a + m) / (a + 2 * m)) * ((a + b + m) / (a + (2 * m + 1))) * x
        fraction = 1.0 + even / (1.0 + odd / fraction)
    fraction = 1.0 - ((a + b) / (a + 1.0)) * x / fraction
    return _log_power(a, b, x, y, log_x) - ew.log(a) - ew.log(fraction)


def _log_power(a: Variable, b: Variable, x: Variable, y: Variable, log_x: Variable) -> Variable:
    """log(x^a y^b / B(a, b)); for large a and b by Stirling's formula, so that nothing large cancels."""
    log_y = ew.switch(y < 0.5, ew.log(y), ew.log1p(-ew.minimum(x, 0.5)))
    plain = a * log_x + b * log_y - betaln(a, b)
    large = (a >= LARGE) & (b >= LARGE)
    c, d = ew.maximum(a, LARGE), ew.maximum(b, LARGE)
    total = c + d
    error = stirling_error(total) - stirling_error(c) - stirling_error(d)
    least = float(np.finfo(x.dtype).tiny)
    far = x * (total / c) < 1e-3  # there nothing cancels
    ratio = ew.switch(far, 1.0, x * (total / c))
    first = ew.switch(far, c * (log_x + ew.log(total / c)) + c - total * x, -c * deviance(ratio))
    second = d * deviance(ew.maximum(y, least) * (total / d))
    constant = 0.5 * (ew.log(c) + ew.log(d / total) - LOG_TWO_PI)
    return ew.switch(large, constant + error + first - second, plain)


def beta_quantile(a: Variable, b: Variable, q: Variable) -> Variable:
    """The x with P(B <= x) = q for the beta distribution with parameters a and b.

    SciPy's has no digits where x is tiny: there it is the first two terms of the tail's series, inverted.
    """
    first = ew.exp(ew.minimum((ew.log(q) + ew.log(a) + betaln(a, b)) / a, 0.0))
    tiny = first * (a + b) < 1e-8
    x = betaincinv(a, b, ew.switch(tiny, 0.5, q))
    near = x * (1.0 - _last_step(a, b, x, ew.switch(tiny, 0.5, q)))
    return ew.switch(tiny, first * (1.0 + (b - 1.0) / (a + 1.0) * first), near)


def _last_step(a: Variable, b: Variable, x: Variable, q: Variable) -> Variable:
    """Newton's, relative to x, for the last digits where the tail is small; none where it would be no small step."""
    good = (x > float(np.finfo(x.dtype).tiny)) & (x < 1.0) & (q < 0.5)
    x, log_q = ew.switch(good, x, 0.5), ew.log(q)
    y, log_x = 1.0 - x, ew.log(x)
    error = ew.expm1(log_beta_below(a, b, x, y) - log_q)
    step = error * y * ew.exp(ew.minimum(log_q - _log_power(a, b, x, y, log_x), 300.0))
    return ew.switch(good & (ew.abs(step) < 1e-6), step, 0.0)
