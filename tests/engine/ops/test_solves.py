"""Stacks of Cholesky factors and triangular solves; solves, inverses and determinants: against NumPy and SciPy, with
first and second gradients and in C."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
import scipy.linalg

from probgraph.engine.compiled import CompiledGraph
from probgraph.engine.graph import FunctionGraph
from probgraph.engine.ops import linalg
from probgraph.engine.ops.elimination import Eliminate, InvertEliminated, SolveEliminated
from probgraph.engine.rewrite import run_passes
from probgraph.engine.rules import DECOMPOSE
from probgraph.engine.toolchain import find_compiler
from probgraph.engine.types import TensorType
from tests.engine.op_cases import Case, check_compiled, check_gradient, check_values
from tests.engine.ops.matrix_cases import (
    all_ways,
    check_float32,
    check_lengths,
    positive,
    random,
    regular,
    symmetrised,
)

A, AS, V, B, BS = regular(3, 3), regular(2, 3, 3), random(3), random(3, 2), random(2, 3, 4)
P, PS = positive(3, 3), positive(2, 3, 3)
LOWER, UPPER = np.tril(AS), np.triu(AS)


def lower_part(a):
    return np.tril(a) + np.tril(a, -1).swapaxes(-1, -2)


def upper_part(a):
    return np.triu(a) + np.triu(a, 1).swapaxes(-1, -2)


CASES = [
    Case("cholesky of a stack", symmetrised(linalg.cholesky), symmetrised(np.linalg.cholesky), (PS,)),
    Case("cholesky reads below", linalg.cholesky, lambda a: np.linalg.cholesky(lower_part(a)), (P,)),
    Case(
        "cholesky reads above",
        lambda a: linalg.cholesky(a, lower=False),
        lambda a: scipy.linalg.cholesky(upper_part(a)),
        (P,),
    ),
    Case(
        "triangular, stacks",
        lambda a, b: linalg.solve_triangular(a, b, lower=True),
        lambda a, b: np.linalg.solve(np.tril(a), b),
        (AS, BS),
    ),
    Case(
        "triangular, stack and vector",
        linalg.solve_triangular,
        lambda a, b: np.linalg.solve(np.triu(a), b),
        (AS, V),
    ),
    Case(
        "triangular, matrix and stack",
        lambda a, b: linalg.solve_triangular(a, b, trans=1),
        lambda a, b: np.linalg.solve(np.triu(a).T, b),
        (A, BS),
    ),
    Case("solve vector", linalg.solve, np.linalg.solve, (A, V)),
    Case("solve matrix", linalg.solve, np.linalg.solve, (A, B)),
    Case("solve stacks", linalg.solve, np.linalg.solve, (AS, BS)),
    Case("solve stack, matrix", linalg.solve, np.linalg.solve, (AS, B)),
    Case("solve matrix, stack", linalg.solve, np.linalg.solve, (A, BS)),
    Case("solve stack, vector", linalg.solve, np.linalg.solve, (AS, V)),
    Case(
        "solve transposed",
        lambda a, b: linalg.solve(a, b, trans=1),
        lambda a, b: np.linalg.solve(a.T, b),
        (A, B),
    ),
    Case(
        "solve positive",
        lambda a, b: linalg.solve(a, b, "pos"),
        lambda a, b: np.linalg.solve(upper_part(a), b),
        (P, B),
    ),
    Case(
        "solve positive, below",
        lambda a, b: linalg.solve(a, b, "pos", lower=True),
        lambda a, b: np.linalg.solve(lower_part(a), b),
        (P, V),
    ),
    Case(
        "solve positive stacks",
        lambda a, b: linalg.solve(a, b, "pos", lower=True),
        lambda a, b: np.linalg.solve(lower_part(a), b),
        (PS, BS),
    ),
    Case("solve symmetric", linalg.solve_symmetric, lambda a, b: np.linalg.solve(upper_part(a), b), (A, V)),
    Case(
        "cho_solve",
        lambda c, b: linalg.cho_solve((c, True), b),
        lambda c, b: scipy.linalg.cho_solve((c, True), b),
        (np.linalg.cholesky(P), B),
    ),
    Case(
        "cho_solve above",
        lambda c, b: linalg.cho_solve((c, False), b),
        lambda c, b: scipy.linalg.cho_solve((c, False), b),
        (np.linalg.cholesky(P).T.copy(), V),
    ),
    Case("solve_lower", linalg.solve_lower_triangular, lambda a, b: np.linalg.solve(np.tril(a), b), (A, V)),
    Case("solve_upper", linalg.solve_upper_triangular, lambda a, b: np.linalg.solve(np.triu(a), b), (A, V)),
    Case("inv", linalg.inv, np.linalg.inv, (A,)),
    Case("inv of a stack", linalg.inv, np.linalg.inv, (AS,)),
    Case("det", linalg.det, np.linalg.det, (A,)),
    Case("det, rows exchanged", linalg.det, np.linalg.det, (A[[1, 0, 2]],)),
    Case("det of a stack", linalg.det, np.linalg.det, (AS,)),
    Case("logdet", linalg.logdet, lambda a: np.linalg.slogdet(a)[1], (AS,)),
    Case(
        "sign of the determinant",
        lambda a: linalg.slogdet(a)[0],
        lambda a: np.linalg.slogdet(a)[0],
        (AS[:, [1, 0, 2]],),
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


def test_single_precision():
    check_float32(CASES)


@pytest.mark.parametrize("n", [0, 1, 2, 5, 7, 9, 11, 12, 13, 19, 20, 21, 31, 32, 33, 70])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_both_sides_of_every_crossing(n, dtype):
    """Loops of our own and LAPACK: factors, solves with one and several right-hand sides, inverses."""
    a, p = regular(n, n) + n * np.eye(n), positive(n, n)
    sides = random(n), random(n, 1), random(n, 3), random(n, n)
    arrays = [x.astype(dtype) for x in (a, p, *sides)]
    inputs = [TensorType(dtype, (None,) * x.ndim)() for x in arrays]
    matrix, symmetric, *rights = inputs
    outputs, truths = [], []
    for b, value in zip(rights, sides, strict=True):
        for trans in (0, 1):
            outputs.append(linalg.solve(matrix, b, trans=trans))
            truths.append(np.linalg.solve(a.T if trans else a, value))
            for lower in (True, False):
                outputs.append(linalg.solve_triangular(matrix, b, trans, lower))
                triangle = np.tril(a) if lower else np.triu(a)
                truths.append(np.linalg.solve(triangle.T if trans else triangle, value))
        outputs.append(linalg.solve(symmetric, b, "pos"))
        truths.append(np.linalg.solve(p, value))
    outputs += [linalg.inv(matrix), linalg.cholesky(symmetric), *linalg.slogdet(-matrix)]
    truths += [np.linalg.inv(a), np.linalg.cholesky(p), *np.linalg.slogdet(-a)]
    tolerance = 1e-9 if dtype == "float64" else 3e-3
    for way, results in all_ways(inputs, run_passes(outputs, DECOMPOSE), arrays).items():
        for got, truth in zip(results, truths, strict=True):
            assert got.dtype == dtype
            np.testing.assert_allclose(got, truth, tolerance, tolerance, err_msg=way)


@pytest.mark.parametrize("count", [0, 1])
@pytest.mark.parametrize("n", [0, 1])
def test_empty_and_of_length_one(count, n):
    """No matrices, no rows, no right-hand sides."""
    for leading in ((), (count,)):
        square = (*leading, n, n)
        for right in ((*leading, n, 0), (*leading, n, 2)):
            check_lengths(linalg.solve, np.linalg.solve, square, right)
            check_lengths(
                lambda a, b: linalg.solve_triangular(a, b),
                lambda a, b: np.linalg.solve(np.triu(a), b),
                square,
                right,
            )
        check_lengths(linalg.inv, np.linalg.inv, square)
        check_lengths(linalg.det, np.linalg.det, square)
        check_lengths(linalg.slogdet, np.linalg.slogdet, square)
        check_lengths(lambda a: linalg.cholesky(a * a + 1), lambda a: np.linalg.cholesky(a * a + 1), square)
    check_lengths(linalg.solve, np.linalg.solve, (n, n), (n,))


# ------------------------------------------------------------------------------------ failing

SINGULAR = np.array([[1.0, 2.0], [2.0, 4.0]])


@pytest.mark.parametrize(
    ("make", "matrix", "message"),
    [
        (lambda a: linalg.solve(a, np.ones(2)), SINGULAR, "solve: the matrix is singular"),
        (lambda a: linalg.solve(a, np.ones((2, 3))), SINGULAR, "solve: the matrix is singular"),
        (linalg.inv, SINGULAR, "inv: the matrix is singular"),
        (linalg.inv, np.zeros((20, 20)), "inv: the matrix is singular"),
        (lambda a: linalg.solve(a, a), np.zeros((70, 70)), "solve: the matrix is singular"),
        (lambda a: linalg.solve(a, a, "pos"), SINGULAR - 9, "cholesky: the matrix is not positive definite"),
        (linalg.cholesky, -np.eye(70), "cholesky: the matrix is not positive definite"),
        (linalg.cholesky, np.full((70, 70), np.nan), "cholesky: the matrix is not positive definite"),
        (linalg.cholesky, np.diag([1.0, np.inf]), "cholesky: the matrix is not positive definite"),
        (
            lambda a: linalg.solve_triangular(a, a),
            np.zeros((2, 2)),
            "solve_triangular: the matrix is singular",
        ),
        (
            lambda a: linalg.solve_triangular(a, a),
            np.zeros((70, 70)),
            "solve_triangular: the matrix is singular",
        ),
    ],
)
def test_matrices_that_will_not_do(make, matrix, message):
    a = TensorType("float64", (None, None))("a")
    y = make(a)
    with pytest.raises(np.linalg.LinAlgError, match=message):
        y.eval({a: matrix})
    stack = TensorType("float64", (None, None, None))("stack")
    both = np.stack([3 * np.eye(len(matrix)), matrix])
    with pytest.raises(np.linalg.LinAlgError, match=message):
        make(stack).eval({stack: both})
    if find_compiler() is not None:
        with pytest.raises(np.linalg.LinAlgError, match=message):
            CompiledGraph(FunctionGraph([a], [y]))([matrix])
        with pytest.raises(np.linalg.LinAlgError, match=message):
            CompiledGraph(FunctionGraph([stack], [make(stack)]))([both])


def test_a_factor_of_nan_instead_of_an_error():
    stack = TensorType("float64", (None, None, None))("stack")
    y = linalg.cholesky(stack, on_error="nan")
    values = np.stack([np.diag([4.0, 9.0]), -np.eye(2)])
    for name, (got,) in all_ways([stack], [y], [values]).items():
        np.testing.assert_array_equal(got, [np.diag([2.0, 3.0]), np.full((2, 2), np.nan)], err_msg=name)


def test_determinants_of_singular_matrices_are_zero():
    a = TensorType("float64", (None, None))("a")
    outputs = [linalg.det(a), *linalg.slogdet(a)]
    for name, results in all_ways([a], run_passes(outputs, DECOMPOSE), [SINGULAR]).items():
        assert [float(x) for x in results] == [0, 0, -np.inf], name


@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_logdet_at_extremes(scale):
    a = TensorType("float64", (None, None))("a")
    value = A * scale
    with mp.workdps(50):
        truth = float(mp.log(abs(mp.det(mp.matrix(value.tolist())))))
    for name, (got,) in all_ways([a], run_passes([linalg.logdet(a)], DECOMPOSE), [value]).items():
        assert got == pytest.approx(truth, rel=1e-13), name


def test_nan_goes_through():
    a = TensorType("float64", (None, None))("a")
    value = np.array([[1.0, np.nan], [0.0, 2.0]])
    outputs = [linalg.solve(a, np.ones(2)), linalg.det(a), linalg.inv(a)]
    for name, results in all_ways([a], run_passes(outputs, DECOMPOSE), [value]).items():
        assert all(np.isnan(r).any() for r in results), name


def test_accuracy_of_an_ill_conditioned_solve():
    """Rows are exchanged: without that the small pivot would cost all digits."""
    a = TensorType("float64", (2, 2))("a")
    value = np.array([[1e-20, 1.0], [1.0, 1.0]])
    (y,) = run_passes([linalg.solve(a, np.array([1.0, 2.0]))], DECOMPOSE)
    for name, (got,) in all_ways([a], [y], [value]).items():
        np.testing.assert_allclose(got, [1, 1], 1e-14, err_msg=name)


# ------------------------------------------------------------------------------------ sharing, errors


def test_one_elimination_for_a_value_and_everything_around_it():
    a, b = TensorType("float64", (3, 3))("a"), TensorType("float64", (3,))("b")
    outputs = [
        linalg.solve(a, b),
        linalg.solve(a, b, trans=1),
        linalg.inv(a),
        linalg.det(a),
        *linalg.slogdet(a),
    ]
    graph = FunctionGraph([a, b], run_passes(outputs, DECOMPOSE))
    assert sum(isinstance(node.op, Eliminate) for node in graph.toposort()) == 1


def test_parts_of_elimination_mean_what_they_do_in_c():
    a, b = TensorType("float64", (None, None))("a"), TensorType("float64", (None, None))("b")
    factors = Eliminate()(a)
    outputs = [
        *factors,
        SolveEliminated(False)(*factors, b),
        SolveEliminated(True)(*factors, b),
        InvertEliminated()(*factors),
    ]
    ways = all_ways([a, b], outputs, [A[[2, 0, 1]], B])
    for results in ways.values():
        for got, truth in zip(results, ways["NumPy"], strict=True):
            assert got.dtype == truth.dtype
            np.testing.assert_allclose(got, truth, 1e-12, 1e-13)
    np.testing.assert_allclose(ways["NumPy"][2], np.linalg.solve(A[[2, 0, 1]], B), 1e-12)


def test_errors_say_who_and_what():
    m, v = TensorType("float64", (2, 3))("m"), TensorType("float64", (4,))("v")
    square, stack = TensorType("float64", (3, 3))("square"), TensorType("float64", (5, 3, 3))("stack")
    for who, wrong in (
        (r"solve takes a square matrix, got float64\[2, 3\]", lambda: linalg.solve(m, v)),
        ("inv takes a square matrix", lambda: linalg.inv(m)),
        ("det takes a square matrix", lambda: linalg.det(m)),
        ("slogdet takes a square matrix", lambda: linalg.slogdet(m)),
        ("the matrix has 3 rows and the right-hand side 4", lambda: linalg.solve(square, v)),
        (
            "a stack of vectors needs an axis of length 1",
            lambda: linalg.solve(stack, TensorType("float64", (5, 4))()),
        ),
        (
            "solve: shapes .* do not broadcast: axis -1 has lengths 5 and 4",
            lambda: linalg.solve(stack, TensorType("float64", (4, 3, 2))()),
        ),
        ("assume_a is 'gen', 'sym' or 'pos', got 'banded'", lambda: linalg.solve(square, square, "banded")),
        ("solve: trans is 0 or 1", lambda: linalg.solve(square, square, trans=2)),
        ("on_error is 'raise' or 'nan'", lambda: linalg.cholesky(square, on_error="ignore")),
        ("the right-hand side is a vector or a matrix", lambda: linalg.solve(square, 1.0)),
    ):
        with pytest.raises(ValueError, match=who):
            wrong()
    for who, wrong in (
        ("inv takes a matrix", lambda: linalg.inv(v)),
        ("det takes a matrix", lambda: linalg.det(2.0)),
        ("cho_solve takes a pair", lambda: linalg.cho_solve(square, v)),
    ):
        with pytest.raises(TypeError, match=who):
            wrong()
    with pytest.raises(NotImplementedError, match="det of complex matrices is not supported"):
        linalg.det(TensorType("complex128", (2, 2))())


def test_lengths_that_turn_out_different():
    a, b = TensorType("float64", (None, None))("a"), TensorType("float64", (None,))("b")
    stack, other = TensorType("float64", (None, 2, 2))("stack"), TensorType("float64", (None, 2, 2))("other")
    for y, given, message in (
        (linalg.solve(a, b), {a: A, b: np.ones(4)}, "3.*4|4.*3"),
        (linalg.inv(a), {a: np.ones((2, 3))}, "Inverse takes square matrices"),
        (linalg.cholesky(a), {a: np.ones((2, 3))}, "Cholesky takes square matrices"),
        (
            linalg.solve(stack, other),
            {stack: np.ones((3, 2, 2)), other: np.ones((1, 2, 2))},
            "do not agree: 3 and 1",
        ),
    ):
        with pytest.raises((ValueError, np.linalg.LinAlgError), match=message):
            y.eval(given)
        if find_compiler() is not None:
            with pytest.raises(ValueError, match="mis-match"):
                CompiledGraph(FunctionGraph(list(given), [y]))([np.asarray(x) for x in given.values()])


def test_integers_are_taken_as_numbers():
    a = TensorType("int64", (None, None))("a")
    whole = np.array([[2, 1], [1, 3]])
    assert linalg.det(a).eval({a: whole}) == pytest.approx(5)
    np.testing.assert_allclose(linalg.inv(a).eval({a: whole}), np.linalg.inv(whole))
    assert linalg.cholesky(a).dtype == "float64"
