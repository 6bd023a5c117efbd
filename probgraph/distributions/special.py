"""Functions that densities need and that must stay exact where their textbook form does not."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from probgraph.distributions.constraints import positive
from probgraph.distributions.known_signs import certainly
from probgraph.engine.graph import Variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.elementwise import Elementwise, gammaln, log, log1p, maximum, minimum, psi, switch


def _scipy_log_beta(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    # scipy.special on first use: importing it would double the import time of the package.
    return importlib.import_module("scipy.special").betaln(a, b)


LARGE = 10.0


def _stirling_error(x: Variable) -> Variable:
    """log Γ(x) less Stirling's formula, for x >= 10: 1/12x - 1/360x³ + ... (Abramowitz & Stegun 6.1.41)."""
    r = 1.0 / x
    s = r * r
    series = 1 / 12 - s * (1 / 360 - s * (1 / 1260 - s * (1 / 1680 - s * (1 / 1188 - s * (691 / 360360)))))
    return r * series


def _log_beta_as_graph(a: Variable, b: Variable) -> Variable:
    """The three gamma functions where they are small; else what is left after their large parts cancel.

    Didonato & Morris, "Algorithm 708" (ACM TOMS 1992), section 5: differences of Stirling's formula.
    """
    p, q = minimum(a, b), maximum(a, b)
    large_p, large_q = maximum(p, LARGE), maximum(q, LARGE)
    shrink = log1p(p / large_q)  # log((p + q) / q)
    correction = _stirling_error(large_q) - _stirling_error(p + large_q)
    one_large = gammaln(p) + correction + p - p * log(p + large_q) - (large_q - 0.5) * shrink
    both_large = (
        0.5 * np.log(2 * np.pi)
        - 0.5 * log(large_q)
        + _stirling_error(large_p)
        + correction
        - (large_p - 0.5) * log1p(large_q / large_p)
        - large_q * shrink
    )
    small = gammaln(p) + gammaln(q) - gammaln(p + q)
    return switch(q < LARGE, small, switch(p < LARGE, one_large, both_large))


log_beta = Elementwise(
    "log_beta",
    numpy=_scipy_log_beta,
    vjp=lambda g, z, a, b: (g * (psi(a) - psi(a + b)), g * (psi(b) - psi(a + b))),
    expand=_log_beta_as_graph,
    dtype=ew.gammaln.rule,
    arity=2,
    commutes=True,
)
"""log B(a, b) = log Γ(a) + log Γ(b) - log Γ(a + b), without the loss of digits for large arguments."""


def log_binomial(n: Variable, k: Variable) -> Variable:
    """The log of "n over k"."""
    return -log_beta(n - k + 1.0, k + 1.0) - log1p(n)


def times_log(x: Any, y: Variable) -> Variable:
    """x log y, which is 0 at x = 0 whatever y is; the plain product where y cannot be 0."""
    return x * log(y) if certainly(y, positive) else ew.xlogy(x, y)


def times_log1m(x: Any, y: Variable) -> Variable:
    """x log(1 - y), which is 0 at x = 0 whatever y is; the plain product where y cannot be 1."""
    return x * log1p(-y) if certainly(1.0 - y, positive) else ew.xlog1py(x, -y)
