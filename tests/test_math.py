"""PyMC's functions for models that no array library has."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.special
import scipy.stats as st

import probgraph as pm

RNG = np.random.default_rng(2)
A, B, C = RNG.normal(size=(2, 3)), RNG.normal(size=(4, 2)), RNG.normal(size=(3, 5))


def value(graph):
    return np.asarray(graph.eval())


def test_kronecker_products():
    whole = np.kron(np.kron(A, B), C)
    np.testing.assert_allclose(value(pm.math.kronecker(A, B, C)), whole, rtol=1e-13)
    for m in (RNG.normal(size=30), RNG.normal(size=(30, 4))):
        np.testing.assert_allclose(value(pm.math.kron_dot([A, B, C], m)), whole @ m, rtol=1e-12)


def test_combinations():
    a, b = np.array([1.0, 2.0]), np.array([[3.0, 4.0], [5.0, 6.0], [7.0, 8.0]])
    truth = [[x, *row] for x, row in itertools.product(a, b)]
    np.testing.assert_array_equal(pm.math.cartesian(a, b), truth)
    x = pm.math.as_tensor_variable(a)
    np.testing.assert_array_equal(value(pm.math.cartesian(x * 1, b)), truth)


def test_matrices_and_lists():
    np.testing.assert_array_equal(value(pm.math.batched_diag(A)), [np.diag(row) for row in A])
    np.testing.assert_array_equal(value(pm.math.batched_diag(np.ones((2, 3, 3)))), np.ones((2, 3)))
    with pytest.raises(ValueError, match="batched_diag: a matrix or a stack of matrices"):
        pm.math.batched_diag(np.ones(3))
    np.testing.assert_array_equal(value(pm.math.flatten_list([A, 1.0, B])), np.r_[A.ravel(), 1.0, B.ravel()])
    np.testing.assert_array_equal(
        value(pm.math.expand_packed_triangular(2, [1.0, 2.0, 3.0])), [[1, 0], [2, 3]]
    )
    assert value(pm.math.block_diagonal(A, B)).shape == (6, 5)


def test_probabilities():
    p, x = np.array([1e-300, 0.2, 0.999]), np.array([-37.0, 0.5, 3.0])
    np.testing.assert_allclose(value(pm.math.probit(p)), st.norm.ppf(p), rtol=1e-12)
    np.testing.assert_allclose(value(pm.math.invprobit(x)), st.norm.cdf(x), rtol=1e-12)
    np.testing.assert_allclose(
        value(pm.math.logdiffexp([800.0, -3.0], [799.0, -900.0])), [800 + np.log1p(-np.exp(-1)), -3]
    )
    points = np.array([[0.0, 0.0], [0.0, 2.0], [0.3, 0.7], [-1.0, 1.0], [1.0, -1.0], [1.0, 0.0]]).T
    np.testing.assert_allclose(value(pm.math.rel_entr(*points)), scipy.special.rel_entr(*points), rtol=1e-14)
