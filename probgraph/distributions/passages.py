"""The tails of the time at which a Brownian motion with drift first passes a level: the Wald distribution's.

They are Φ(near) + exp((far² - near²) / 2) Φ(-far) below and Φ(-near) - exp((far² - near²) / 2) Φ(-far) beyond
(Shuster, Journal of the American Statistical Association 1968), where near + far and far - near are what point, mean
and shape make of them.
"""

from __future__ import annotations

from probgraph.distributions.normal_functions import (
    HALF_LOG_TWO_PI,
    log_half_erfcx,
    log_normal_integral,
    mills_slope,
)
from probgraph.distributions.quadrature import average
from probgraph.engine.graph import Variable
from probgraph.engine.ops import elementwise as ew


def log_passage_tails(near: Variable, far: Variable, width: Variable) -> tuple[Variable, Variable]:
    """The logarithms of both tails; ``width`` is far - near, with the digits it has where they are nearly the same."""
    lower = _lower(ew.minimum(near, 0.0), far)
    narrow = width < 0.5 * (1.0 + ew.maximum(near, 0.0))
    upper = ew.switch(
        narrow,
        _narrow_upper(ew.switch(narrow, near, 0.0), ew.switch(narrow, width, 0.1)),
        _upper(ew.maximum(near, 0.0), far),
    )
    by_upper = narrow | (near > 0.0)
    return (
        ew.switch(by_upper, ew.log1mexp(ew.switch(by_upper, upper, -1.0)), lower),
        ew.switch(by_upper, upper, ew.log1mexp(ew.switch(by_upper, -1.0, lower))),
    )


def _lower(near: Variable, far: Variable) -> Variable:
    return ew.logaddexp(log_normal_integral(near), log_half_erfcx(far) - 0.5 * ew.sqr(near))


def _upper(near: Variable, far: Variable) -> Variable:
    """For near >= 0, where both parts are small and the second is the smaller."""
    tail = log_half_erfcx(near)
    return tail - 0.5 * ew.sqr(near) + ew.log1mexp(ew.minimum(log_half_erfcx(far) - tail, -1e-300))


def _narrow_upper(near: Variable, width: Variable) -> Variable:
    """Where both parts are nearly the same: by the slope between them."""
    between = average(lambda v, near: mills_slope(near + v), width, near)
    return ew.log(width) + ew.log(between) - HALF_LOG_TWO_PI - 0.5 * ew.sqr(near)
