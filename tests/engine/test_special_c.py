"""The scalar functions in C that libm lacks, against mpmath over the real line."""

from __future__ import annotations

import ctypes

import mpmath as mp
import numpy as np
import pytest

from probgraph.engine import special_c, toolchain

pytestmark = pytest.mark.skipif(toolchain.find_compiler() is None, reason="needs a C compiler")

FUNCTIONS = {
    "pg_digamma": (special_c.DIGAMMA, mp.digamma),
    "pg_trigamma": (special_c.TRIGAMMA, lambda x: mp.psi(1, x)),
    "pg_lgamma": (special_c.LGAMMA, lambda x: mp.log(abs(mp.gamma(x)))),
}
ROOT = 1.4616321449683622  # of digamma


@pytest.fixture(scope="module")
def library():
    loops = [
        f"void {name}_all(const double *x, double *y, long n)"
        f" {{ for (long i = 0; i < n; i++) y[i] = {name}(x[i]); }}"
        for name in FUNCTIONS
    ]
    return toolchain.load("\n".join([*(support for support, _ in FUNCTIONS.values()), *loops]), "special")


def called(library, name, x):
    x = np.ascontiguousarray(x, float)
    y = np.empty_like(x)
    pointers = (a.ctypes.data_as(ctypes.c_void_p) for a in (x, y))
    getattr(library, f"{name}_all")(*pointers, ctypes.c_long(x.size))
    return y


def places():
    rng = np.random.default_rng(0)
    return np.concatenate(
        [
            10 ** rng.uniform(-12, 5, 200),
            rng.uniform(0, 30, 200),
            -rng.uniform(0, 30, 200),
            -(10 ** rng.uniform(-12, 0, 100)),
            -rng.uniform(30, 300, 30),
            ROOT + np.linspace(-0.1, 0.1, 101),
            1 + np.linspace(-1e-3, 1e-3, 21),
            2 + np.linspace(-1e-3, 1e-3, 21),
            [1, 2, 0.5, 1.5, 2.5, 10, 12, 1e-300, -0.5, -1.5, 1 + 2**-52, 2 - 2**-52],
        ]
    )


@pytest.mark.parametrize("name", FUNCTIONS)
def test_against_mpmath(library, name):
    """Relative error below 1e-13, and absolute below it near the zeros; about digamma's root below 1e-15."""
    x = places()
    got = called(library, name, x)
    with mp.workdps(50):
        for at, value in zip(x, got, strict=True):
            true = FUNCTIONS[name][1](mp.mpf(float(at)))
            if not np.isfinite(float(true)):
                assert value == float(true)
                continue
            error = abs(mp.mpf(float(value)) - true)
            bound = 1e-13 * max(abs(true), 1 if at < 0 else abs(true))
            if name == "pg_lgamma":
                bound /= 10
            if name == "pg_digamma" and abs(at - ROOT) < 0.05:
                bound = max(2e-16, 1e-15 * abs(true))
            assert error <= bound, (at, float(value), float(true))


def test_at_the_ends(library):
    x = [0.0, -0.0, -1.0, np.inf, np.nan, 1e308]
    np.testing.assert_array_equal(
        called(library, "pg_lgamma", x), [np.inf, np.inf, np.inf, np.inf, np.nan, np.inf]
    )
    digamma = called(library, "pg_digamma", x)
    np.testing.assert_allclose(digamma, [-np.inf, np.inf, np.nan, np.inf, np.nan, 709.1962086421661])
    trigamma = called(library, "pg_trigamma", x)
    np.testing.assert_allclose(trigamma, [np.inf, np.inf, np.inf, 0, np.nan, 1e-308])
    assert called(library, "pg_lgamma", [5e-324])[0] == pytest.approx(744.4400719213812)
    assert called(library, "pg_lgamma", [1.0, 2.0]).tolist() == [0, 0]
