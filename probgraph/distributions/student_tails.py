"""The tails of Student's t: those of a beta distribution, and with very many degrees of freedom nearly a normal's.

There incomplete beta functions lose digits. In the coordinate u with u² = (nu + 1) log(1 + z² / nu) the density is a
normal's times a function that hardly changes, and the tail an integral that falls as a normal's does.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from probgraph.distributions.beta_tails import LOG_TWO, beta_quantile, log_beta_below
from probgraph.distributions.folding import value_if_constant
from probgraph.distributions.normal_functions import normal_quantile
from probgraph.distributions.quadrature import integral, reach
from probgraph.distributions.special import betaln, expm1_over
from probgraph.engine.graph import Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew

#: from so many degrees of freedom on it is nearly normal
NEARLY_NORMAL = 1e4
#: of a normal's density nothing is left there
_END = 9.0
#: Riemann's function
_ZETA = {2: math.pi**2 / 6, 3: 1.2020569031595942, 4: math.pi**4 / 90}


def log_student_tail(nu: Variable, z: Variable) -> Variable:
    """log P(|T| > |z|) for Student's t with nu degrees of freedom."""
    return _either(_beta_tail, lambda nu, z: _normal_parts(nu, z)[1], nu, z)


def log_student_middle(nu: Variable, z: Variable) -> Variable:
    """log P(|T| <= |z|), with its digits where that is small."""
    return _either(_beta_middle, lambda nu, z: _normal_parts(nu, z)[0], nu, z)


def student_distance(nu: Variable, tail: Variable, middle: Variable) -> Variable:
    """The z >= 0 with P(|T| > z) = tail = 1 - middle: give both with the digits that they have."""
    return _either(_beta_distance, _normal_distance, nu, tail, middle)


def _either(
    few: Callable[..., Variable], many: Callable[..., Variable], nu: Variable, *given: Variable
) -> Variable:
    """The first with few degrees of freedom, the second with many; only one of them where that is known."""
    known = value_if_constant(nu)
    if known is not None and np.all(known < NEARLY_NORMAL):
        return few(nu, *given)
    if known is not None and np.all(known >= NEARLY_NORMAL):
        return many(nu, *given)
    is_many = nu >= NEARLY_NORMAL
    return ew.switch(
        is_many, many(ew.maximum(nu, NEARLY_NORMAL), *given), few(ew.minimum(nu, NEARLY_NORMAL), *given)
    )


# ------------------------------------------------------------------------------------ few degrees of freedom


def _beta_tail(nu: Variable, z: Variable) -> Variable:
    _, is_power, power = _power(nu, z)
    square = ew.sqr(ew.switch(is_power, 1.0, z))
    whole = log_beta_below(0.5 * nu, as_variable(0.5), nu / (nu + square), square / (nu + square))
    return ew.switch(is_power, power, whole)


def _beta_middle(nu: Variable, z: Variable) -> Variable:
    # Near 0 the density is that at 0; there z² would vanish.
    size, is_power, power = _power(nu, z)
    near = size < 1e-9
    flat = ew.log(ew.switch(near, size, 1.0)) + LOG_TWO - betaln(0.5 * nu, 0.5)
    square = ew.sqr(ew.switch(near | is_power, 1.0, z))
    whole = log_beta_below(as_variable(0.5), 0.5 * nu, square / (nu + square), nu / (nu + square))
    return ew.switch(near, flat, ew.switch(is_power, ew.log1mexp(power), whole))


def _power(nu: Variable, z: Variable) -> tuple[Variable, Variable, Variable]:
    """|z| / √nu, where it is so large that the tail is one power of it, and the logarithm of that tail."""
    size = ew.abs(z) / ew.sqrt(nu)
    vast = size > 1e100
    log_size = ew.log(ew.abs(ew.switch(vast, z, 1.0))) - 0.5 * ew.log(nu)
    a = 0.5 * nu
    # log(a B(a, 1/2)), which nearly vanishes with a.
    small = ew.minimum(a, 1e-4)
    series = small * (
        2.0 * LOG_TWO - small * (_ZETA[2] - small * (2.0 * _ZETA[3] - small * (3.5 * _ZETA[4])))
    )
    log_beta = ew.switch(a < 1e-4, series, ew.log(a) + betaln(a, 0.5))
    return size, vast, ew.switch(vast, -2.0 * a * log_size - log_beta, -1.0)


def _beta_distance(nu: Variable, tail: Variable, middle: Variable) -> Variable:
    near = middle < 0.5
    y = beta_quantile(as_variable(0.5), 0.5 * nu, ew.switch(near, middle, 0.25))
    x = beta_quantile(0.5 * nu, as_variable(0.5), ew.switch(near, 0.25, tail))
    return ew.sqrt(nu) * ew.switch(near, ew.sqrt(y / (1.0 - y)), ew.sqrt((1.0 - x) / x))


# ------------------------------------------------------------------------------------ many


def _normal_parts(nu: Variable, z: Variable) -> tuple[Variable, Variable]:
    """log P(|T| <= |z|) and log P(|T| > |z|), each by an integral over u where it is the smaller, or not near 0."""
    size = ew.switch(z < 0.0, -z, z) / ew.sqrt(nu)
    vast = size > 1e100
    logarithm = ew.switch(
        vast, 2.0 * ew.log(ew.switch(vast, size, 1.0)), ew.log1p(ew.sqr(ew.switch(vast, 0.0, size)))
    )
    # u is size sqrt(nu + 1) near 0, where a root has no derivative.
    tiny = size < 1e-10
    root = ew.sqrt(ew.switch(tiny, 1.0, logarithm))
    u = ew.sqrt(nu + 1.0) * ew.switch(tiny, size, root)
    constant = LOG_TWO - betaln(0.5 * nu, 0.5) - 0.5 * ew.log(nu + 1.0)

    def density(v: Variable, u: Variable, nu: Variable) -> Variable:
        w = ew.sqr(u + v) / (nu + 1.0)
        return ew.exp(w - v * (u + 0.5 * v)) / ew.sqrt(expm1_over(w))

    beyond = constant - 0.5 * ew.sqr(u) + ew.log(integral(density, reach(u), u, nu))
    upto = ew.switch(u < _END, u, _END)
    within = integral(density, upto, ew.zeros_like(u), nu)
    near = u < 0.7
    inner = constant + ew.log(ew.switch(near, within, 1.0))
    middle = ew.switch(near, inner, ew.log1mexp(ew.switch(near, -1.0, beyond)))
    return middle, ew.switch(near, ew.log1mexp(ew.switch(near, inner, -1.0)), beyond)


def _normal_distance(nu: Variable, tail: Variable, middle: Variable) -> Variable:
    """Fisher's first correction to the normal's quantile (Abramowitz & Stegun 26.7.5), then Newton's steps."""
    centre = ew.eq(middle, 0.0)
    middle, tail = ew.switch(centre, 0.25, middle), ew.switch(centre, 0.75, tail)
    z = normal_quantile(0.5 * middle, 0.5 * tail)
    z = z + z * (ew.sqr(z) + 1.0) / (4.0 * nu)
    near = middle < 0.5
    constant = LOG_TWO - betaln(0.5 * nu, 0.5) - 0.5 * ew.log(nu)
    for _ in range(3):
        log_middle, log_tail = _normal_parts(nu, z)
        at = ew.switch(near, log_middle - ew.log(middle), log_tail - ew.log(tail))
        slope = constant - 0.5 * (nu + 1.0) * ew.log1p(ew.sqr(z) / nu) - ew.switch(near, log_middle, log_tail)
        z = z - ew.switch(near, 1.0, -1.0) * at / ew.exp(slope)
    return ew.switch(centre, 0.0, z)
