"""The derivatives of the incomplete gamma and beta functions by their shape parameters, number by number.

The formulas are those of the C text in `incomplete_c`, where their sources stand.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable

import numpy as np

_MOST_TERMS = 3_000_000
_TINY = 1e-300


def gammainc_da(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """dP(a, x) / da."""
    return _each(_gammainc_da, a, x)


def betainc_da(a: np.ndarray, b: np.ndarray, x: np.ndarray) -> np.ndarray:
    """dI_x(a, b) / da."""
    return _each(lambda a, b, x: _betainc_slopes(a, b, x)[0], a, b, x)


def betainc_db(a: np.ndarray, b: np.ndarray, x: np.ndarray) -> np.ndarray:
    """dI_x(a, b) / db."""
    return _each(lambda a, b, x: _betainc_slopes(a, b, x)[1], a, b, x)


def _each(function: Callable[..., float], *arrays: np.ndarray) -> np.ndarray:
    dtype = np.result_type(*arrays)
    values = np.frompyfunc(lambda *xs: function(*map(float, xs)), len(arrays), 1)(*arrays)
    return np.asarray(values, dtype=dtype)


def _psi(x: float) -> float:
    # scipy.special on first use: importing it would double the import time of the package.
    return float(importlib.import_module("scipy.special").psi(x))


def _log(x: float) -> float:
    return math.log(x) if x > 0 else -math.inf


def _exp(x: float) -> float:
    return math.exp(x) if x < 709.7 else math.inf


def _log1pmx(x: float) -> float:
    r = x / (2 + x)
    s, term, total = r * r, r, 0.0
    for k in range(3, 200, 2):
        term *= s
        total += term / k
        if abs(term / k) <= 1e-18 * abs(total):
            break
    return 2 * total - x * r


def _deviance(a: float, x: float) -> float:
    away = (x - a) / a
    return a * _log(x / a) - (x - a) if away < -0.5 or away > 1 else a * _log1pmx(away)


def _stirling_error(x: float) -> float:
    y = 1 / (x * x)
    series = 1 / 1188 - y * (691 / 360360 - y * (1 / 156 - y * (3617 / 122400)))
    return (1 / 12 - y * (1 / 360 - y * (1 / 1260 - y * (1 / 1680 - y * series)))) / x


def _gamma_weight(a: float, x: float) -> float:
    if a < 10:
        return _exp(a * _log(x) - x - math.lgamma(a + 1))
    return _exp(_deviance(a, x) - _stirling_error(a)) / math.sqrt(2 * math.pi * a)


def _gammainc_da(a: float, x: float) -> float:
    if not a > 0 or not x >= 0:
        return math.nan
    if x == 0 or math.isinf(x) or math.isinf(a):
        return 0.0
    if a > 1e8:
        return _large_gammainc_da(a, x)
    weight = _gamma_weight(a, x)
    if weight == 0:
        return 0.0
    if x <= a + 1:
        term, total, harmonic, slope = 1.0, 1.0, 0.0, 0.0
        for n in range(1, _MOST_TERMS):
            term *= x / (a + n)
            harmonic += 1 / (a + n)
            total += term
            slope += term * harmonic
            if term * (1 + harmonic) <= 1e-17 * (slope + total) and n > x - a:
                break
        return weight * (total * (_log(x) - _psi(a + 1)) - slope)
    b, c, dc = x + 1 - a, 1e300, 0.0
    d = 1 / b
    dd = d * d
    h, dh = d, dd
    for k in range(1, _MOST_TERMS):
        an, dan = -k * (k - a), float(k)
        b += 2
        t, dt = an * d + b, dan * d + an * dd - 1
        t = t or _TINY
        u, dc = b + an / c, -1 + dan / c - an * dc / (c * c)
        c = u or _TINY
        d = 1 / t
        dd = -dt * d * d
        step, dstep = c * d, dc * d + c * dd
        dh = dh * step + h * dstep
        h *= step
        if abs(step - 1) < 1e-16 and abs(dstep * h) <= 1e-16 * abs(dh):
            break
    return -(weight * a) * (h * (_log(x) - _psi(a)) + dh)


def _large_gammainc_da(a: float, x: float) -> float:
    far, mu = -_deviance(a, x), (x - a) / a
    if far > 745:
        return 0.0
    eta = math.copysign(math.sqrt(max(2 * far / a, 0.0)), mu)
    near = abs(eta) < 1e-3
    ratio = 1 + eta * (1 / 3 + eta / 36) if near else mu / eta
    c0 = -1 / 3 + eta / 12 if near else 1 / mu - 1 / eta
    return _exp(-far) / math.sqrt(2 * math.pi * a) * (eta / 2 - ratio - c0 * math.log1p(mu))


def _beta_weight(a: float, b: float, x: float, y: float) -> float:
    if a < 10 or b < 10:
        gammas = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
        return _exp(a * _log(x) + b * _log(y) - _log(a) + gammas)
    n = a + b
    errors = _stirling_error(n) - _stirling_error(a) - _stirling_error(b)
    return _exp(_deviance(a, n * x) + _deviance(b, n * y) + errors) * math.sqrt(b / (2 * math.pi * a * n))


def _beta_series(a: float, b: float, x: float, y: float) -> tuple[float, float]:
    weight = _beta_weight(a, b, x, y)
    if weight == 0:
        return 0.0, 0.0
    term, total, both, own, slope_both, slope_own = 1.0, 1.0, 0.0, 0.0, 0.0, 0.0
    for n in range(_MOST_TERMS):
        term *= (a + b + n) / (a + 1 + n) * x
        both += 1 / (a + b + n)
        own += 1 / (a + 1 + n)
        total += term
        slope_both += term * both
        slope_own += term * own
        if term * (1 + both + own) <= 1e-17 * (total + slope_both) and n * y > b * x - a * y:
            break
    at = _psi(a + b)
    by_a = weight * (total * (_log(x) + at - _psi(a + 1)) + slope_both - slope_own)
    return by_a, weight * (total * (_log(y) + at - _psi(b)) + slope_both)


def _betainc_slopes(a: float, b: float, x: float) -> tuple[float, float]:
    if not a > 0 or not b > 0 or not 0 <= x <= 1:
        return math.nan, math.nan
    if x in (0, 1) or math.isinf(a) or math.isinf(b):
        return 0.0, 0.0
    y = 1 - x
    if a > 1e11 and b > 1e11:
        return _large_betainc_slopes(a, b, x, y)
    if x <= a / (a + b) and (x < 0.999 or (b >= 1 and a < 1e6)):
        return _beta_series(a, b, x, y)
    by_b, by_a = _beta_series(b, a, y, x)
    return -by_a, -by_b


def _large_betainc_slopes(a: float, b: float, x: float, y: float) -> tuple[float, float]:
    n = a + b
    far = -_deviance(a, n * x) - _deviance(b, n * y)
    if not far < 745:
        return 0.0, 0.0
    density = math.exp(-far) / math.sqrt(2 * math.pi)
    if far < 1e-8:
        return -density * math.sqrt(b / a / n), density * math.sqrt(a / b / n)
    z = math.copysign(math.sqrt(2 * far), x * b - y * a)
    return density * _log(a / (n * x)) / z, density * _log(b / (n * y)) / z
