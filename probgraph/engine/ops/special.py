"""Special functions: a row each, of the same table as the elementary ones.

NumPy's meaning is SciPy's. In C most are SciPy's own functions, called through their addresses; each gradient is the
textbook's formula (DLMF), in the form that stays exact in the tails. Where a function has no known derivative by one
of its arguments, asking for it says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from probgraph.engine import incomplete_c, special_c
from probgraph.engine.graph import Variable
from probgraph.engine.loops import External
from probgraph.engine.no_gradient import grad_not_implemented
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import incomplete
from probgraph.engine.ops.elementwise import (
    SCIPY,
    Elementwise,
    erf,
    exp,
    gammaln,
    log,
    log1p,
    psi,
    real_floating,
    sgn,
    sigmoid,
    softplus,
    switch,
    xlogy,
)

Flows = Sequence[Variable | None]
ROOT_PI, ROOT_2, ROOT_2_PI = math.sqrt(math.pi), math.sqrt(2.0), math.sqrt(2 * math.pi)


def _scipy(name: str, vjp: Callable[..., Flows] | None, arity: int = 1, **facts: Any) -> Elementwise:
    """A row whose meaning, and whose C, is the function of that name in scipy.special."""
    types = ", ".join(["double"] * arity)
    external = External(name, "scipy.special.cython_special", f"double (*pg_scipy_{name})({types}, int)")
    arguments = ", ".join(f"(double)({{{k}}})" for k in range(arity))
    return Elementwise(
        name,
        numpy=getattr(SCIPY, name),
        vjp=vjp,
        c=f"({{t}})pg_scipy_{name}({arguments}, 0)",
        externals=(external,),
        dtype=real_floating,
        arity=arity,
        **facts,
    )


def _unknown(name: str, place: int, of: Variable) -> Variable:
    return grad_not_implemented(name, place, of, "No closed form of it is known; is the argument a constant?")


# ------------------------------------------------------------------------------------ gamma functions

gamma = _scipy("gamma", lambda g, y, x: (g * y * psi(x),))


def _gamma_density(a: Variable, x: Variable) -> Variable:
    """The density of Gamma(a, 1) at x: the derivative of gammainc by x."""
    return exp(xlogy(a - 1, x) - x - gammaln(a))


gammainc_da = Elementwise(
    "gammainc_da",
    numpy=incomplete.gammainc_da,
    vjp=lambda g, y, a, x: (_unknown("gammainc_da", 0, a), g * _gamma_density(a, x) * (log(x) - psi(a))),
    c="({t})pg_gammainc_da({0}, {1})",
    support=(special_c.DIGAMMA, special_c.LGAMMA, *incomplete_c.GAMMA),
    dtype=real_floating,
    arity=2,
)
gammainc = _scipy("gammainc", lambda g, y, a, x: (g * gammainc_da(a, x), g * _gamma_density(a, x)), 2)
gammaincc = _scipy("gammaincc", lambda g, y, a, x: (-g * gammainc_da(a, x), -g * _gamma_density(a, x)), 2)
gammaincinv = _scipy(
    "gammaincinv",
    lambda g, y, a, p: (-g * gammainc_da(a, y) / _gamma_density(a, y), g / _gamma_density(a, y)),
    2,
)
gammainccinv = _scipy(
    "gammainccinv",
    lambda g, y, a, p: (-g * gammainc_da(a, y) / _gamma_density(a, y), -g / _gamma_density(a, y)),
    2,
)

# ------------------------------------------------------------------------------------ beta functions


#: from here on Stirling's series is exact
LARGE = 10.0


def stirling_error(x: Variable) -> Variable:
    """log Γ(x) less Stirling's formula, for x >= 10: 1/12x - 1/360x³ + ... (Abramowitz & Stegun 6.1.41)."""
    r = 1.0 / x
    s = r * r
    series = 1 / 12 - s * (1 / 360 - s * (1 / 1260 - s * (1 / 1680 - s * (1 / 1188 - s * (691 / 360360)))))
    return r * series


def _log_beta_as_graph(a: Variable, b: Variable) -> Variable:
    """The three gamma functions where they are small; else what is left after their large parts cancel.

    Didonato & Morris, "Algorithm 708" (ACM TOMS 1992), section 5: differences of Stirling's formula.
    """
    p, q = ew.minimum(a, b), ew.maximum(a, b)
    large_p, large_q = ew.maximum(p, LARGE), ew.maximum(q, LARGE)
    shrink = log1p(p / large_q)  # log((p + q) / q)
    correction = stirling_error(large_q) - stirling_error(p + large_q)
    one_large = gammaln(p) + correction + p - p * log(p + large_q) - (large_q - 0.5) * shrink
    both_large = (
        0.5 * np.log(2 * np.pi)
        - 0.5 * log(large_q)
        + stirling_error(large_p)
        + correction
        - (large_p - 0.5) * log1p(large_q / large_p)
        - large_q * shrink
    )
    small = gammaln(p) + gammaln(q) - gammaln(p + q)
    value = switch(q < LARGE, small, switch(p < LARGE, one_large, both_large))
    return switch(p > 0, value, switch(ew.eq(p, 0), np.inf, np.nan))


def _betaln(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The same in numbers; SciPy's loses digits for large arguments."""
    p, q = np.minimum(a, b), np.maximum(a, b)
    large_p, large_q = np.maximum(p, LARGE), np.maximum(q, LARGE)
    shrink = np.log1p(p / large_q)
    correction = stirling_error(large_q) - stirling_error(p + large_q)
    one_large = gammaln.numpy(p) + correction + p - p * np.log(p + large_q) - (large_q - 0.5) * shrink
    both_large = 0.5 * np.log(2 * np.pi) - 0.5 * np.log(large_q) + stirling_error(large_p) + correction
    both_large = both_large - (large_p - 0.5) * np.log1p(large_q / large_p) - large_q * shrink
    small = gammaln.numpy(p) + gammaln.numpy(q) - gammaln.numpy(p + q)
    value = np.where(q < LARGE, small, np.where(p < LARGE, one_large, both_large))
    return np.where(p > 0, value, np.where(p == 0, np.inf, np.nan)).astype(p.dtype)


betaln = Elementwise(
    "betaln",
    numpy=_betaln,
    vjp=lambda g, z, a, b: (g * (psi(a) - psi(a + b)), g * (psi(b) - psi(a + b))),
    expand=_log_beta_as_graph,
    dtype=real_floating,
    arity=2,
    commutes=True,
)
"""log B(a, b) = log Γ(a) + log Γ(b) - log Γ(a + b), without the loss of digits for large arguments."""


def _beta_density(a: Variable, b: Variable, x: Variable) -> Variable:
    """The density of Beta(a, b) at x: the derivative of betainc by x."""
    return exp(xlogy(a - 1, x) + ew.xlog1py(b - 1, -x) - betaln(a, b))


def _beta_slope(name: str, meaning: Callable[..., Any], second: int) -> Elementwise:
    def vjp(g: Variable, y: Variable, a: Variable, b: Variable, x: Variable) -> Flows:
        score = (log1p(-x) - psi(b) if second else log(x) - psi(a)) + psi(a + b)
        return _unknown(name, 0, a), _unknown(name, 1, b), g * _beta_density(a, b, x) * score

    return Elementwise(
        name,
        numpy=meaning,
        vjp=vjp,
        c=f"({{t}})pg_betainc_slope({{0}}, {{1}}, {{2}}, {second})",
        support=(special_c.DIGAMMA, special_c.LGAMMA, *incomplete_c.BETA),
        dtype=real_floating,
        arity=3,
    )


betainc_da = _beta_slope("betainc_da", incomplete.betainc_da, 0)
betainc_db = _beta_slope("betainc_db", incomplete.betainc_db, 1)
betainc = _scipy(
    "betainc",
    lambda g, y, a, b, x: (g * betainc_da(a, b, x), g * betainc_db(a, b, x), g * _beta_density(a, b, x)),
    3,
)
betaincc = _scipy(
    "betaincc",
    lambda g, y, a, b, x: (-g * betainc_da(a, b, x), -g * betainc_db(a, b, x), -g * _beta_density(a, b, x)),
    3,
)
betaincinv = _scipy(
    "betaincinv",
    lambda g, y, a, b, p: (
        -g * betainc_da(a, b, y) / _beta_density(a, b, y),
        -g * betainc_db(a, b, y) / _beta_density(a, b, y),
        g / _beta_density(a, b, y),
    ),
    3,
)

# ------------------------------------------------------------------------------------ error functions


def _erfcx_slope(y: Variable, x: Variable) -> Variable:
    """Far out by the asymptotic series (DLMF 7.12.1), where the two parts are nearly the same."""
    r = 1 / ew.sqr(ew.maximum(x, 30))
    far = r * (-1 + r * (1.5 + r * (-3.75 + r * (13.125 - r * 59.0625)))) / ROOT_PI
    return switch(x > 30, far, 2 * x * y - 2 / ROOT_PI)


erfcx = _scipy("erfcx", lambda g, y, x: (g * _erfcx_slope(y, x),))
erfinv = _scipy("erfinv", lambda g, y, x: (g * (ROOT_PI / 2) * exp(y * y),))
erfcinv = _scipy("erfcinv", lambda g, y, x: (-g * (ROOT_PI / 2) * exp(y * y),))
ndtr = _scipy("ndtr", lambda g, y, x: (g * exp(-0.5 * x * x) / ROOT_2_PI,))
# The ratio of density and distribution function (Mills) by erfcx, which has no tail to lose digits in.
log_ndtr = _scipy("log_ndtr", lambda g, y, x: (g * math.sqrt(2 / np.pi) / erfcx(-x / ROOT_2),))
ndtri = _scipy("ndtri", lambda g, y, p: (g * ROOT_2_PI * exp(0.5 * y * y),))
ndtri_exp = _scipy("ndtri_exp", lambda g, y, p: (g * math.sqrt(np.pi / 2) * erfcx(-y / ROOT_2),))
owens_t = _scipy(
    "owens_t",
    lambda g, y, h, a: (
        -g * exp(-0.5 * h * h) * erf(a * h / ROOT_2) / (2 * ROOT_2_PI),
        g * exp(-0.5 * h * h * (1 + a * a)) / (2 * np.pi * (1 + a * a)),
    ),
    2,
)

# ------------------------------------------------------------------------------------ Bessel functions


def _bessel(name: str, by_x: Callable[..., Variable]) -> Elementwise:
    """A function of an order, by which it has no simple derivative, and an argument."""
    return _scipy(name, lambda g, y, v, x: (_unknown(name, 0, v), g * by_x(y, v, x)), 2)


#: terms of the series for large arguments, enough for 16 digits from there on
_TERMS = 14
_FAR = 50.0


def _scaled_slope(v: Any, x: Variable, near: Variable, sign: int) -> Variable:
    """The derivative of exp(-x) I_v(x) (sign -1) or exp(x) K_v(x) (sign 1): `near`, a difference of two parts, and far
    out, where these are nearly the same, that of the asymptotic series (DLMF 10.40.1 and 10.40.2)."""
    mu = 4 * v * v
    start = _FAR + mu / 2
    far = ew.maximum(x, start)
    term, total = ew.ones_like(far), ew.zeros_like(far)
    for k in range(_TERMS):
        total = total - (k + 0.5) * term
        term = term * (sign * (mu - (2 * k + 1) ** 2) / (8 * (k + 1)) / far)
    scale = math.sqrt(np.pi / 2) if sign > 0 else 1 / ROOT_2_PI
    return switch(x > start, scale * total / far / ew.sqrt(far), near)


jv = _bessel("jv", lambda y, v, x: (jv(v - 1, x) - jv(v + 1, x)) / 2)
iv = _bessel("iv", lambda y, v, x: (iv(v - 1, x) + iv(v + 1, x)) / 2)
ive = _bessel(
    "ive", lambda y, v, x: _scaled_slope(v, x, (ive(v - 1, x) + ive(v + 1, x)) / 2 - sgn(x) * y, -1)
)
kv = _bessel("kv", lambda y, v, x: -(kv(v - 1, x) + kv(v + 1, x)) / 2)
kve = _bessel("kve", lambda y, v, x: _scaled_slope(v, x, y - (kve(v - 1, x) + kve(v + 1, x)) / 2, 1))
j0 = _scipy("j0", lambda g, y, x: (-g * j1(x),))
j1 = _scipy("j1", lambda g, y, x: (g * (j0(x) - jv(2.0, x)) / 2,))
i0 = _scipy("i0", lambda g, y, x: (g * i1(x),))
i1 = _scipy("i1", lambda g, y, x: (g * (i0(x) + iv(2.0, x)) / 2,))
i0e = _scipy("i0e", lambda g, y, x: (g * sgn(x) * _scaled_slope(0.0, abs(x), i1e(abs(x)) - y, -1),))
i1e = _scipy(
    "i1e", lambda g, y, x: (g * _scaled_slope(1.0, abs(x), (i0e(x) + ive(2.0, abs(x))) / 2 - abs(y), -1),)
)

# ------------------------------------------------------------------------------------ hypergeometric

hyp2f1 = _scipy(
    "hyp2f1",
    lambda g, y, a, b, c, z: (
        *(_unknown("hyp2f1", place, v) for place, v in enumerate((a, b, c))),
        g * (a * b / c) * hyp2f1(a + 1, b + 1, c + 1, z),
    ),
    4,
)

# ------------------------------------------------------------------------------------ made of these


def gammau(a: Any, x: Any) -> Variable:
    """The upper incomplete gamma function, not regularised: the integral of t^(a - 1) exp(-t) from x on, a > 0."""
    return exp(log(gammaincc(a, x)) + gammaln(a))


def gammal(a: Any, x: Any) -> Variable:
    """The lower incomplete gamma function, not regularised: the integral of t^(a - 1) exp(-t) up to x, a > 0."""
    return exp(log(gammainc(a, x)) + gammaln(a))


def chi2sf(x: Any, k: Any) -> Variable:
    """The probability that a chi-squared variable with k degrees of freedom exceeds x."""
    return gammaincc(as_variable(k) / 2, as_variable(x) / 2)


def factorial(n: Any) -> Variable:
    """n! = gamma(n + 1), also between the integers."""
    return gamma(as_variable(n) + 1)


def multigammaln(a: Any, p: int) -> Variable:
    """The logarithm of the multivariate gamma function of dimension p, for a > (p - 1) / 2 (DLMF 35.3.4)."""
    a = as_variable(a)
    total = gammaln(a)
    for j in range(1, int(p)):
        total = total + gammaln(a - 0.5 * j)
    return total + 0.25 * p * (p - 1) * math.log(math.pi)


def poch(a: Any, m: Any) -> Variable:
    """The rising factorial gamma(a + m) / gamma(a) (Pochhammer's symbol), for positive a and a + m."""
    a = as_variable(a)
    return exp(gammaln(a + m) - gammaln(a))


def entr(x: Any) -> Variable:
    """-x log x, 0 at 0 and -inf below: what a probability adds to the entropy."""
    x = as_variable(x)
    return switch(x < 0, -np.inf, -xlogy(x, x))


def logdiffexp(a: Any, b: Any) -> Variable:
    """log(exp(a) - exp(b)) for a >= b, exact where the exponentials are no numbers."""
    a, b = as_variable(a), as_variable(b)
    return a + ew.log1mexp(b - a)


digamma = psi
expit = sigmoid
log1pexp = softplus

#: what the namespaces offer of this
__all__ = [
    *(
        n
        for n, row in globals().items()
        if isinstance(row, Elementwise) and row.name == n and not n.startswith("_")
    ),
    "chi2sf",
    "digamma",
    "entr",
    "expit",
    "factorial",
    "gammal",
    "gammau",
    "log1pexp",
    "logdiffexp",
    "multigammaln",
    "poch",
]
