"""The lower tail of the beta distribution as a logarithm, also where it is too small to be a number.

The idea worth knowing: near the middle it is SciPy's, and where that is nearly 1, or has digits in common with 1 alone,
the other tail is used. Far out it is its largest term and a continued fraction that needs few steps there.
"""

from __future__ import annotations

from probgraph.engine.graph import Variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.special import betainc, betaln

STEPS = 16
VANISHES = 1e-280


def log_beta_below(a: Variable, b: Variable, x: Variable, y: Variable) -> Variable:
    """log I_x(a, b): of the probability that Beta(a, b) is at most x, for a, b > 0, given y = 1 - x with its own digits."""
    part, rest = betainc(a, b, x), betainc(b, a, y)
    # Where x is nearly 1 it lacks the digits of y; what is missing to 1 has them, as long as the part is not small.
    crowded, crowded_rest = (x > 0.9) & (a * y > 5.0), (y > 0.9) & (b * x > 5.0)
    missing = ew.switch((y > 0.9) & (rest > 1e-3), 1.0 - part, rest)
    part = ew.switch(crowded & (part > 1e-3), 1.0 - rest, part)
    far = (part < VANISHES) | (crowded & (part <= 1e-3))
    turned = crowded_rest & (rest <= 1e-3)
    first, second = ew.switch(turned, b, a), ew.switch(turned, a, b)
    middle = 0.5 * first / (first + second)
    low = ew.switch(turned, y, ew.switch(far, x, middle))
    high = ew.switch(turned, x, ew.switch(far, y, 1.0 - middle))
    tail = _log_beta_tail(first, second, low, high)
    return ew.switch(turned, ew.log1p(-ew.exp(ew.minimum(tail, -1.0))), _chosen(far, tail, part, missing))


def _log_beta_tail(a: Variable, b: Variable, x: Variable, y: Variable) -> Variable:
    """log I_x(a, b) far below the middle: Didonato & Morris, "Algorithm 708" (ACM TOMS 1992), section 2."""
    gap = a * y - b * x
    fraction = x * 0.0
    for n in range(STEPS, 0, -1):
        lower, upper = (a + (n - 1)) / (a + (2 * n - 1)), (a + b + (n - 1)) / (a + (2 * n - 1))
        fraction = lower * x * n * (b - n) * upper * x / (_beta_step(a, b, x, gap, n) + fraction)
    log_x = ew.switch(x < 0.5, ew.log(x), ew.log1p(-y))
    log_y = ew.switch(x < 0.5, ew.log1p(-x), ew.log(y))
    term = ew.switch(ew.eq(x, 0.0), -float("inf"), a * log_x + b * log_y - betaln(a, b))
    return term - ew.log(_beta_step(a, b, x, gap, 0) + fraction)


def _beta_step(a: Variable, b: Variable, x: Variable, gap: Variable, n: int) -> Variable:
    step = (a + n) / (a + (2 * n + 1)) * (gap + 1.0 + n * (2.0 - x))
    return step if n == 0 else step + n + n * (b - n) * x / (a + (2 * n - 1))


def _chosen(far: Variable, tail: Variable, part: Variable, rest: Variable) -> Variable:
    """The logarithm of a part, near 1 by what is missing; with what is not chosen kept away from infinity."""
    small = part < 0.5
    middle = ew.switch(
        small, ew.log(ew.switch(far | ~small, 0.5, part)), ew.log1p(-ew.switch(small, 0.5, rest))
    )
    return ew.switch(far, tail, middle)
