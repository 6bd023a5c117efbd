"""Factorisations and solves on both sides of the sizes from which LAPACK takes over."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

import probgraph.engine as theano
import probgraph.engine.tensor as T


@pytest.mark.parametrize("n", [3, 31, 32, 47, 48, 70])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_triangular_solves_and_factors(n, dtype, mode):
    rng = np.random.default_rng(n)
    a = rng.normal(size=(n, n)) / np.sqrt(n)
    spd = (a @ a.T + np.eye(n)).astype(dtype)
    b = rng.normal(size=(n, 5)).astype(dtype)
    rtol = 1e-9 if dtype == "float64" else 2e-3
    A, B = T.matrix("A", dtype), T.matrix("B", dtype)
    L = T.slinalg.cholesky(A)
    factor = theano.function([A], L, mode=mode)(spd)
    np.testing.assert_allclose(factor, np.linalg.cholesky(spd.astype(float)), rtol, 1e-3 * rtol)
    for lower in (True, False):
        triangle = np.linalg.cholesky(spd.astype(float)).astype(dtype)
        triangle = triangle if lower else np.ascontiguousarray(triangle.T)
        for trans in (0, 1):
            for unit in (False, True):
                x = T.slinalg.solve_triangular(A, B, trans=trans, lower=lower, unit_diagonal=unit)
                found = theano.function([A, B], [x, T.grad((x**2).sum(), B)], mode=mode)(triangle, b)
                expected = scipy.linalg.solve_triangular(
                    triangle.astype(float), b, trans=trans, lower=lower, unit_diagonal=unit
                )
                np.testing.assert_allclose(found[0], expected, rtol, rtol)
                back = scipy.linalg.solve_triangular(
                    triangle.astype(float), 2 * expected, trans=1 - trans, lower=lower, unit_diagonal=unit
                )
                np.testing.assert_allclose(found[1], back, 10 * rtol, 10 * rtol)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_gradient_of_a_factor_in_blocks(dtype):
    """Against Murray (2016), eq. 10, on both sides of a block's size and with several blocks."""
    A, G = T.matrix("A", dtype), T.matrix("G", dtype)
    factor = T.slinalg.cholesky(A)
    back = theano.function([A, G], T.grad(None, A, known_grads={factor: G}))
    for n in (0, 1, 2, 31, 32, 33, 65, 100):
        rng = np.random.default_rng(n)
        a = rng.normal(size=(n, n))
        spd = (a @ a.T / max(n, 1) + np.eye(n)).astype(dtype)
        g = rng.normal(size=(n, n)).astype(dtype)
        l = np.linalg.cholesky(spd.astype(float))
        half = 1 - np.eye(n) / 2
        phi = np.tril(l.T @ np.tril(g)) * half
        inverse = np.linalg.inv(l)
        expected = np.tril(inverse.T @ (phi + phi.T) @ inverse) * half
        found = back(spd, g)
        assert found.dtype == dtype
        np.testing.assert_allclose(
            found, expected, 1e-9 if dtype == "float64" else 2e-3, 1e-12 if dtype == "float64" else 1e-3
        )
