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


def test_solving_with_kronecker_products():
    lower = [np.tril(RNG.normal(size=(n, n))) + 2 * np.eye(n) for n in (2, 3, 4)]
    whole = np.kron(np.kron(lower[0], lower[1]), lower[2])
    for m in (RNG.normal(size=24), RNG.normal(size=(24, 2))):
        np.testing.assert_allclose(
            value(pm.math.kron_solve_lower(lower, m)), np.linalg.solve(whole, m), rtol=1e-9
        )
        np.testing.assert_allclose(
            value(pm.math.kron_solve_upper([k.T for k in lower], m)), np.linalg.solve(whole.T, m), rtol=1e-9
        )
    a, b, c = np.array([1.0, 2.0]), np.array([3.0, 4.0, 5.0]), np.array([6.0, 7.0])
    np.testing.assert_array_equal(value(pm.math.flat_outer(a, b)), np.outer(a, b).ravel())
    np.testing.assert_array_equal(value(pm.math.kron_diag(a, b, c)), np.kron(np.kron(a, b), c))


def test_bernoulli_draws_by_logarithms():
    log_p = np.array([-np.inf, np.log(1e-3), np.log(0.5), 0.0])
    drawn = pm.math.logbern(np.broadcast_to(log_p, (40_000, 4)), np.random.default_rng(1)).mean(axis=0)
    assert drawn[0] == 0 and drawn[3] == 1
    np.testing.assert_array_less(np.abs(drawn[1:3] - [1e-3, 0.5]), [1e-3, 1e-2])
    with pytest.raises(FloatingPointError, match="log_p is nan"):
        pm.math.logbern([np.nan])


#: pymc.math.__all__ of PyMC 6.4
PYMC_NAMES = """abs all and_ any arange arccos arccosh arcsin arcsinh arctan arctan2 arctanh argmax argmin argsort as_tensor
    batched_diag betainc block_diag broadcast_arrays broadcast_to cartesian ceil cho_solve cholesky clip concatenate constant
    cos cosh cumprod cumsum det diag diff digamma dot eigh eq erf erfc erfcinv erfinv exp expand_dims
    expand_packed_triangular expm1 eye flat_outer flatten flatten_list floor full full_like gamma gammainc gammaincc gammaln
    ge gt i0 i1 invlogit invprobit iv kron kron_diag kron_dot kron_solve_lower kron_solve_upper kronecker kv le linspace log
    log1mexp log1p log1pexp log2 log10 log_softmax logaddexp logbern logdet logdiffexp logit logsumexp lt matmul
    matrix_inverse max maximum mean min minimum moveaxis neq norm ones ones_like or_ polygamma probit prod repeat reshape
    round sgn sigmoid sin sinh slogdet softmax softplus solve solve_triangular sort sqr sqrt squeeze stack std sum swapaxes
    switch take tan tanh tile trace transpose tril triu unique var where zeros zeros_like""".split()  # noqa: SIM905


def test_all_of_pymcs_names_are_here():
    assert not [name for name in PYMC_NAMES if not callable(getattr(pm.math, name, None))]
    np.testing.assert_allclose(value(pm.math.norm(A)), np.linalg.norm(A))
    square = A @ A.T
    np.testing.assert_allclose(value(pm.math.eigh(square)[0]), np.linalg.eigvalsh(square))
    factor = np.linalg.cholesky(square)
    np.testing.assert_allclose(
        value(pm.math.cho_solve((factor, True), A[:, 0])), np.linalg.solve(square, A[:, 0]), rtol=1e-9
    )


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
