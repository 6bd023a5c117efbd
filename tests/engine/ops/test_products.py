"""Products of arrays against NumPy, with first and second gradients and in C."""

from __future__ import annotations

import numpy as np
import pytest

from probgraph.engine.compiled import CompiledGraph
from probgraph.engine.graph import FunctionGraph
from probgraph.engine.ops import linalg
from probgraph.engine.ops.matrix_products import MatrixProduct
from probgraph.engine.toolchain import find_compiler
from probgraph.engine.types import TensorType
from tests.engine.op_cases import Case, check_compiled, check_gradient, check_values
from tests.engine.ops.matrix_cases import all_ways, check_float32, check_lengths, random

M, N, V, W = random(2, 3), random(3, 4), random(3), random(2)
T, U, X = random(2, 3, 4), random(2, 4, 3), random(5, 1, 4, 3)


def einsum(subscripts):
    return lambda *operands: np.einsum(subscripts, *operands)


CASES = [
    Case("dot of stacks", linalg.dot, np.dot, (T, N.T.copy())),
    Case("vector dot stack", linalg.dot, np.dot, (V, T)),
    Case("stack dot vector", linalg.dot, np.dot, (T, random(4))),
    Case("matmul of stacks", lambda a, b: a @ b, np.matmul, (T, U)),
    Case("matmul stack vector", lambda a, b: a @ b, np.matmul, (T, random(4))),
    Case("matmul vector stack", lambda a, b: a @ b, np.matmul, (V, T)),
    Case("matmul stack matrix", lambda a, b: a @ b, np.matmul, (T, random(4, 2))),
    Case("matmul matrix stack", lambda a, b: a @ b, np.matmul, (M, T)),
    Case(
        "tensordot 1",
        lambda a, b: linalg.tensordot(a, b, 1),
        lambda a, b: np.tensordot(a, b, 1),
        (T, random(4, 2)),
    ),
    Case("tensordot 2", linalg.tensordot, np.tensordot, (T, random(3, 4, 2))),
    Case("tensordot 0", lambda a, b: linalg.tensordot(a, b, 0), lambda a, b: np.tensordot(a, b, 0), (M, V)),
    Case("tensordot of all", linalg.tensordot, np.tensordot, (M, M + 1)),
    Case(
        "tensordot of pairs",
        lambda a, b: linalg.tensordot(a, b, [[0, 2], [0, 1]]),
        lambda a, b: np.tensordot(a, b, [[0, 2], [0, 1]]),
        (T, U),
    ),
    Case("batched_dot", linalg.batched_dot, np.matmul, (T, U)),
    Case("batched_dot of vectors", linalg.batched_dot, einsum("ni,ni->n"), (M, M + 1)),
    Case("batched_dot matrix vector", linalg.batched_dot, einsum("nij,nj->ni"), (T, random(2, 4))),
    Case("batched_dot vector matrix", linalg.batched_dot, einsum("ni,nij->nj"), (M, T)),
    Case("batched_tensordot", linalg.batched_tensordot, einsum("nij,nij->n"), (T, T + 1)),
    Case(
        "batched_tensordot of pairs",
        lambda a, b: linalg.batched_tensordot(a, b, [[2], [1]]),
        np.matmul,
        (T, U),
    ),
    Case("outer of matrices", linalg.outer, np.outer, (M, W)),
    Case("kron", linalg.kron, np.kron, (M, N)),
    Case("kron of vector and matrix", linalg.kron, np.kron, (V, N)),
    Case("kron of vectors", linalg.kron, np.kron, (V, W)),
    Case("vecdot", linalg.vecdot, einsum("...i,...i->..."), (T, T + 1)),
    Case("vecdot of vectors", linalg.vecdot, np.dot, (V, V + 1)),
    Case("matvec", linalg.matvec, einsum("...ij,...j->...i"), (T, random(2, 4))),
    Case("vecmat", linalg.vecmat, einsum("...i,...ij->...j"), (M, T)),
    Case("matrix_dot to a vector", linalg.matrix_dot, lambda a, b, c: a @ b @ c, (M, N, random(4))),
    Case("matrix_dot of stacks", linalg.matrix_dot, lambda a, b, c: a @ b @ c, (T, U, T)),
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


def test_known_lengths_of_one_broadcast():
    a, b = TensorType("float64", (2, None, 4))("a"), TensorType("float64", (5, 1, 4, None))("b")
    for name, got in all_ways([a, b], [a @ b], [T, X]).items():
        np.testing.assert_allclose(got[0], T @ X, 1e-12, err_msg=name)


def test_unknown_lengths_do_not_broadcast():
    a, b = TensorType("float64", (None,) * 3)("a"), TensorType("float64", (None,) * 3)("b")
    graph = a @ b
    with pytest.raises(ValueError, match="disagree along 'a': 2 and 1"):
        graph.eval({a: T, b: U[:1]})
    if find_compiler() is not None:
        with pytest.raises(ValueError, match="mis-match"):
            CompiledGraph(FunctionGraph([a, b], [graph]))([T, U[:1]])


@pytest.mark.parametrize(
    "shapes", [((0, 2, 3), (0, 3, 2)), ((2, 0, 3), (2, 3, 1)), ((2, 2, 0), (2, 0, 3)), ((1, 1, 1), (1, 1, 1))]
)
def test_empty_and_of_length_one(shapes):
    check_lengths(lambda a, b: a @ b, np.matmul, *shapes)
    check_lengths(linalg.batched_dot, np.matmul, *shapes)


def test_integers_and_complex_numbers():
    i = TensorType("int8", (None, None))("i")
    z = TensorType("complex128", (2, 3, 2))("z")
    whole = np.array([[1, -2], [3, 100]], "int8")
    got = (i @ i.T).eval({i: whole})
    assert got.dtype == np.int8
    np.testing.assert_array_equal(got, whole @ whole.T)
    values = random(2, 3, 2) + 1j * random(2, 3, 2)
    np.testing.assert_allclose(
        linalg.vecdot(z, z).eval({z: values}),
        np.vecdot(values, values) if hasattr(np, "vecdot") else (values.conj() * values).sum(-1),
    )
    np.testing.assert_allclose((z @ z.swapaxes(1, 2)).eval({z: values}), values @ values.swapaxes(1, 2))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("turned", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("sides", [(3, 5, 2), (40, 30, 50), (17, 1, 300), (20, 0, 20), (0, 9, 4)])
def test_products_by_blas(dtype, turned, sides):
    m, k, n = sides
    shapes = [(k, m) if turned[0] else (m, k), (n, k) if turned[1] else (k, n)]
    inputs = [TensorType(dtype, (None, None))() for _ in shapes]
    arrays = [random(*s).astype(dtype) for s in shapes]
    truth = (arrays[0].T if turned[0] else arrays[0]).astype("float64") @ (
        arrays[1].T if turned[1] else arrays[1]
    )
    for name, (got,) in all_ways(inputs, [MatrixProduct(*turned)(*inputs)], arrays).items():
        assert got.dtype == dtype
        np.testing.assert_allclose(
            got,
            truth,
            1e-10 if dtype == "float64" else 1e-4,
            1e-12 if dtype == "float64" else 1e-4,
            err_msg=name,
        )


@pytest.mark.parametrize("turned", [(False, False), (True, False), (False, True), (True, True)])
def test_gradients_of_products_by_blas(turned):
    a, b = (
        random(2, 4, 3) if turned[0] else random(2, 3, 4),
        random(2, 5, 4) if turned[1] else random(2, 4, 5),
    )
    check_gradient(
        Case(
            "product",
            lambda x, y: MatrixProduct(*turned)(x, y),
            lambda x, y: (x.swapaxes(1, 2) if turned[0] else x) @ (y.swapaxes(1, 2) if turned[1] else y),
            (a, b),
        ),
        twice=True,
    )


def test_errors_say_who_and_what():
    m, t, v = (TensorType("float64", (None,) * rank)("mtv"[k]) for k, rank in enumerate((2, 3, 1)))
    fixed = TensorType("float64", (2, 3, 4))("fixed")
    with pytest.raises(
        ValueError, match=r"matmul: shapes float64\[2, 3, 4\] and float64\[2, 3, 4\] do not fit: axis -1 of"
    ):
        fixed @ fixed
    with pytest.raises(ValueError, match="matmul takes vectors and matrices"):
        linalg.matmul(2.0, v)
    with pytest.raises(ValueError, match="matmul: shapes .* do not fit: lengths 2 and 5 meet"):
        fixed @ TensorType("float64", (5, 4, 2))()
    with pytest.raises(TypeError, match="batched_dot takes"):
        linalg.batched_dot(v, m)
    with pytest.raises(ValueError, match="axis 0 is the batch"):
        linalg.batched_tensordot(t, t, [[0], [0]])
    with pytest.raises(ValueError, match="1 axes of the first and 2 of the second"):
        linalg.tensordot(t, t, [[0], [0, 1]])
    with pytest.raises(ValueError, match="named twice"):
        linalg.tensordot(t, t, [[0, 0], [0, 1]])
    with pytest.raises(ValueError, match="axis 3 does not exist"):
        linalg.tensordot(t, t, [[3], [0]])
    with pytest.raises(ValueError, match="do not have 3 axes"):
        linalg.tensordot(m, m, 3)
    with pytest.raises(ValueError, match="axis 2 of the first has length 4, axis 0 of the second 2"):
        linalg.tensordot(fixed, fixed, 1)
    with pytest.raises(ValueError, match="matvec: .* have too few dimensions"):
        linalg.matvec(v, v)
    with pytest.raises(ValueError, match="no matrices"):
        linalg.matrix_dot()
