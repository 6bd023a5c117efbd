"""Diagonals, triangles and what is built of them, against NumPy and SciPy, with gradients and in C."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

from probgraph.engine.ops import diagonals, linalg
from probgraph.engine.ops.shape import zeros
from probgraph.engine.toolchain import find_compiler
from probgraph.engine.types import TensorType
from tests.engine.op_cases import Case, check_compiled, check_gradient, check_values
from tests.engine.ops.matrix_cases import all_ways, check_float32, check_lengths, random

M, Q, T, V = random(2, 3), random(3, 3), random(2, 3, 4), random(3)


def filled(a, v):
    a = np.array(a)
    np.fill_diagonal(a, v)
    return a


CASES = [
    *(
        Case(f"diagonal {k}", lambda a, k=k: linalg.diagonal(a, k), lambda a, k=k: np.diagonal(a, k), (M,))
        for k in (-5, -1, 0, 1, 2, 7)
    ),
    Case("diagonal of a stack", linalg.diagonal, np.diagonal, (T,)),
    Case("axes", lambda a: linalg.diagonal(a, 1, 2, 0), lambda a: np.diagonal(a, 1, 2, 0), (T,)),
    Case("trace above", lambda a: linalg.trace(a, 1), lambda a: np.trace(a, 1), (M,)),
    Case("trace of a stack", linalg.trace, np.trace, (T,)),
    Case("trace of axes", lambda a: linalg.trace(a, 0, 1, 2), lambda a: np.trace(a, 0, 1, 2), (T,)),
    *(
        Case(f"diag of a vector {k}", lambda v, k=k: linalg.diag(v, k), lambda v, k=k: np.diag(v, k), (V,))
        for k in (-2, 0, 1)
    ),
    Case("diag of a matrix", lambda a: linalg.diag(a, 1), lambda a: np.diag(a, 1), (M,)),
    Case("alloc_diag", linalg.alloc_diag, lambda v: v[..., None] * np.eye(3), (M,)),
    Case("fill_diagonal", linalg.fill_diagonal, filled, (Q, V)),
    Case("fill_diagonal with a number", lambda a: linalg.fill_diagonal(a, 7), lambda a: filled(a, 7), (M,)),
    Case("tril of a stack", lambda a: linalg.tril(a, 1), lambda a: np.tril(a, 1), (T,)),
    Case("triu of a stack", lambda a: linalg.triu(a, -1), lambda a: np.triu(a, -1), (T,)),
    Case("matrix_transpose", linalg.matrix_transpose, lambda a: a.swapaxes(1, 2), (T,)),
    Case("block_diag", linalg.block_diag, scipy.linalg.block_diag, (M, Q, V)),
    Case("block_diag of numbers", linalg.block_diag, scipy.linalg.block_diag, (np.array(2.0), Q)),
    Case(
        "block_diag of stacks",
        linalg.block_diag,
        lambda a, b: np.stack([scipy.linalg.block_diag(x, y) for x, y in zip(a, b, strict=True)]),
        (T, random(2, 1, 2)),
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


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (1, 1), (1, 4)])
@pytest.mark.parametrize("offset", [0, 2, -1])
def test_empty_and_of_length_one(shape, offset):
    check_lengths(lambda a: linalg.diagonal(a, offset), lambda a: np.diagonal(a, offset), shape)
    check_lengths(lambda v: linalg.diag(v, offset), lambda v: np.diag(v, offset), shape[1:])
    check_lengths(lambda a: linalg.block_diag(a, a), lambda a: scipy.linalg.block_diag(a, a), shape)


def test_nothing_is_multiplied_by_zero():
    v = TensorType("float64", (None,))("v")
    for name, (got,) in all_ways([v], [linalg.diag(v)], [np.array([np.nan, np.inf])]).items():
        np.testing.assert_array_equal(got, [[np.nan, 0], [0, np.inf]], err_msg=name)


def test_eye():
    for given in ((3,), (2, 4), (4, 2, 1), (3, 3, -2), (0,)):
        np.testing.assert_array_equal(linalg.eye(*given).eval(), np.eye(*given))
    assert linalg.eye(2, dtype="int8").eval().dtype == np.int8


def test_the_diagonal_has_to_fit():
    a, v = TensorType("float64", (None, None))("a"), TensorType("float64", (None,))("v")
    y = linalg.fill_diagonal(a, v)
    with pytest.raises(ValueError, match=r"the diagonal of shape \(2,\) cannot be set to shape \(3,\)"):
        y.eval({a: M, v: V})
    with pytest.raises(ValueError, match=r"has shape \(2,\): float64\[3\] does not fit"):
        linalg.fill_diagonal(zeros((2, 3)), TensorType("float64", (3,))())
    with pytest.raises(ValueError, match="the ranks do not fit"):
        linalg.fill_diagonal(a, a)
    with pytest.raises(TypeError, match="cast it first"):
        diagonals.SetDiagonal()(a, v.astype("float32"))


def test_errors_say_who_and_what():
    v, t = TensorType("float64", (3,))("v"), TensorType("float64", (2, 3, 4))("t")
    for who, wrong in (
        ("diagonal takes matrices", lambda: linalg.diagonal(v)),
        ("tril takes matrices", lambda: linalg.tril(v)),
        ("matrix_transpose takes matrices", lambda: linalg.matrix_transpose(v)),
        ("axis 3 does not exist", lambda: linalg.diagonal(t, 0, 0, 3)),
        ("axis1 and axis2 are the same", lambda: linalg.diagonal(t, 0, 1, -2)),
        ("diag takes a vector or a matrix", lambda: linalg.diag(t)),
        ("alloc_diag takes vectors", lambda: linalg.alloc_diag(2.0)),
        ("block_diag: no matrices", linalg.block_diag),
        ("the same number of dimensions", lambda: linalg.block_diag(t, v)),
    ):
        with pytest.raises(ValueError, match=who):
            wrong()
