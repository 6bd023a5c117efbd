"""Products, factorisations and solves against NumPy and SciPy, with first and second gradients and in C."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

from probgraph.engine.compiled import CompiledGraph
from probgraph.engine.graph import FunctionGraph
from probgraph.engine.ops import linalg
from probgraph.engine.toolchain import find_compiler
from probgraph.engine.types import TensorType
from tests.engine.op_cases import Case, check_compiled, check_gradient, check_values

RNG = np.random.default_rng(6)
M, N, V, W = RNG.normal(size=(2, 3)), RNG.normal(size=(3, 4)), RNG.normal(size=3), RNG.normal(size=2)
Q = RNG.normal(size=(3, 3))
P = Q @ Q.T + 3 * np.eye(3)
L = np.tril(Q) + 2 * np.eye(3)
B = RNG.normal(size=(3, 2))
ONE = np.array([[2.5]])


def _symmetrised(function):
    """A function of the lower triangle, as every element of a matrix is moved on its own."""
    return lambda a: function((a + a.T) / 2)


CASES = [
    Case("vector dot vector", linalg.dot, np.dot, (V, V + 1)),
    Case("matrix dot vector", linalg.dot, np.dot, (M, V)),
    Case("vector dot matrix", linalg.dot, np.dot, (W, M)),
    Case("matrix dot matrix", linalg.dot, np.dot, (M, N)),
    Case("scalar dot matrix", linalg.dot, np.dot, (np.array(2.0), N)),
    Case("matmul", lambda a, b: a @ b, np.matmul, (M, N)),
    Case("with its transpose", lambda a: a.T @ a, lambda a: a.T @ a, (M,)),
    Case("outer", linalg.outer, np.outer, (V, W)),
    Case("tril", lambda a: linalg.tril(a, -1), lambda a: np.tril(a, -1), (Q,)),
    Case("triu", lambda a: linalg.triu(a, 1), lambda a: np.triu(a, 1), (M,)),
    Case("diagonal", linalg.diagonal, np.diagonal, (Q,)),
    Case("trace", linalg.trace, np.trace, (Q,)),
    Case("cholesky", _symmetrised(linalg.cholesky), _symmetrised(np.linalg.cholesky), (P,)),
    Case("cholesky of 1 by 1", linalg.cholesky, np.linalg.cholesky, (ONE,)),
    *(
        Case(
            f"solve_triangular {trans} {'lower' if lower else 'upper'}{' unit' if unit else ''} {b.ndim}d",
            lambda a, b, t=trans, l=lower, u=unit: linalg.solve_triangular(a, b, t, l, u),
            lambda a, b, t=trans, l=lower, u=unit: scipy.linalg.solve_triangular(
                a, b, trans=t, lower=l, unit_diagonal=u
            ),
            (L if lower else L.T, b),
        )
        for trans in (0, 1)
        for lower in (True, False)
        for unit in (True, False)
        for b in (V, B)
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_values(case):
    check_values(case)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_gradients_first_and_second(case):
    check_gradient(case, twice=True)


@pytest.mark.skipif(find_compiler() is None, reason="needs a C compiler")
def test_compiled():
    check_compiled(CASES)


@pytest.mark.parametrize(
    "matrix", [-np.eye(2), np.array([[1.0, 2.0], [2.0, 1.0]]), np.full((2, 2), np.nan), np.zeros((2, 2))]
)
def test_not_positive_definite(matrix):
    a = TensorType("float64", (None, None))("a")
    y = linalg.cholesky(a)
    with pytest.raises(np.linalg.LinAlgError, match="cholesky: the matrix is not positive definite"):
        y.eval({a: matrix})
    if find_compiler() is not None:
        with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
            CompiledGraph(FunctionGraph([a], [y]))([matrix])


def test_singular_triangles():
    a, b = TensorType("float64", (None, None))("a"), TensorType("float64", (None,))("b")
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        linalg.solve_triangular(a, b).eval({a: np.zeros((2, 2)), b: np.ones(2)})


def test_empty():
    a, b = TensorType("float64", (None, None))("a"), TensorType("float64", (None,))("b")
    assert linalg.dot(a, b).eval({a: np.zeros((2, 0)), b: np.zeros(0)}).tolist() == [0, 0]
    assert linalg.cholesky(a).eval({a: np.zeros((0, 0))}).shape == (0, 0)


def test_errors_say_who_and_what():
    m, v = TensorType("float64", (2, 3))("m"), TensorType("float64", (4,))("v")
    with pytest.raises(ValueError, match=r"dot: shapes float64\[2, 3\] and float64\[4\] do not fit: axis -1"):
        linalg.dot(m, v)
    with pytest.raises(TypeError, match="dot takes vectors and matrices"):
        linalg.Dot()(TensorType("float64", (None,) * 3)(), v)
    with pytest.raises(ValueError, match="cholesky takes a square matrix"):
        linalg.cholesky(m)
    with pytest.raises(TypeError, match="cholesky takes a matrix"):
        linalg.cholesky(v)
    with pytest.raises(ValueError, match="trans is 0 or 1"):
        linalg.solve_triangular(TensorType("float64", (2, 2))(), TensorType("float64", (2,))(), trans=3)
    with pytest.raises(NotImplementedError, match="complex"):
        linalg.cholesky(TensorType("complex128", (2, 2))())
    with pytest.raises(ValueError, match="matmul takes vectors and matrices"):
        linalg.matmul(2.0, v)
