"""einsum against NumPy's, with first and second gradients and in C."""

from __future__ import annotations

import numpy as np
import pytest

from probgraph.engine.ops.einsum import einsum
from probgraph.engine.ops.products import Dot
from probgraph.engine.toolchain import find_compiler
from probgraph.engine.types import TensorType
from tests.engine.op_cases import Case, check_compiled, check_gradient, check_values
from tests.engine.ops.matrix_cases import check_float32, check_lengths, random

A, M, N, V = random(3, 3), random(2, 3), random(3, 4), random(3)
T, U = random(2, 3, 4), random(2, 4, 3)
WRITTEN = [
    ("ij,jk", (M, N)),
    ("ij,jk->ki", (M, N)),
    ("ij,kj->ik", (M, M)),
    ("ji,jk->ik", (M, M)),
    ("ij , j -> i", (M, V)),
    ("ba", (M,)),
    ("ii", (A,)),
    ("ii->i", (A,)),
    ("ij->ji", (M,)),
    ("ij->", (M,)),
    ("ij->j", (M,)),
    ("i,j->ij", (V, V)),
    ("i,j->ji", (V, random(2))),
    ("i,i", (V, V)),
    ("ij,ij", (M, M)),
    ("ij,ij->i", (M, M)),
    ("ij,ij->ij", (M, M)),
    ("ij,kl->l", (M, N)),
    ("ij,jk,kl", (M, N, N.T.copy())),
    ("i,i,i->", (V, V, V)),
    ("i,ij,j->", (random(2), M, V)),
    ("ab,bcd,d->ac", (M, random(3, 4, 2), random(2))),
    ("bij,bjk->bik", (T, U)),
    ("bij,bjk->kib", (T, U)),
    ("bij,bij->b", (T, T)),
    ("bij,bij->", (T, T)),
    ("iij->j", (random(3, 3, 2),)),
    ("iii->i", (random(3, 3, 3),)),
    ("iij,ij->i", (random(3, 3, 2), random(3, 2))),
    ("...ij,...jk->...ik", (T, U)),
    ("...ij,...jk", (T, U)),
    ("ij,...jk", (M, T)),
    ("...,...", (M, M)),
    ("i...->...", (T,)),
    ("...i->i...", (T,)),
    ("...ii->...i", (random(2, 3, 3),)),
]
CASES = [
    Case(text, lambda *o, t=text: einsum(t, *o), lambda *o, t=text: np.einsum(t, *o), operands)
    for text, operands in WRITTEN
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


@pytest.mark.parametrize("text", ["ij,jk->ik", "ij,jk,k->i", "ij,ij->", "ij,jk->k"])
@pytest.mark.parametrize("n", [0, 1])
def test_empty_and_of_length_one(text, n):
    shapes = [(n,) * len(term) for term in text.split("->")[0].split(",")]
    check_lengths(lambda *o: einsum(text, *o), lambda *o: np.einsum(text, *o), *shapes)


def test_dtypes_stay():
    i = TensorType("int32", (2, 3))("i")
    data = np.arange(6, dtype="int32").reshape(2, 3)
    for text, operands in (("ij,kj->ik", 2), ("ij->j", 1), ("ij,kl->i", 2)):
        got = einsum(text, *[i] * operands).eval({i: data})
        assert got.dtype == np.int32
        np.testing.assert_array_equal(got, np.einsum(text, *[data] * operands))
    assert einsum("i,i->", V, 2 * V).eval() == pytest.approx(2 * V @ V)


def test_a_product_of_matrices_is_a_dot():
    a, b = TensorType("float64", (None, None))("a"), TensorType("float64", (None, None))("b")
    assert einsum("ij,jk->ik", a, b).owner.op == Dot()


def test_axes_of_length_one_stretch():
    a, b = TensorType("float64", (1, 3))("a"), TensorType("float64", (2, 3))("b")
    one = random(1, 3)
    np.testing.assert_allclose(
        einsum("ij,ij->i", a, b).eval({a: one, b: M}), np.einsum("ij,ij->i", one, M), 1e-12
    )
    np.testing.assert_allclose(
        einsum("ij,ij->", a, b).eval({a: one, b: M}), np.einsum("ij,ij->", one, M), 1e-12
    )


@pytest.mark.parametrize(
    ("text", "operands", "message"),
    [
        ("ij,jk", (M,), "has 2 operands, 1 were given"),
        ("ijk", (M,), "'ijk' of 'ijk' does not fit"),
        ("ij->k", (M,), "'k' in the result of 'ij->k' is in no operand"),
        ("ij->ii", (M,), "'i' stands twice"),
        ("i1->i", (M,), "holds something that is no letter"),
        ("...i->i", (M,), r"needs '\.\.\.' in its result"),
        ("...ijk", (M,), "does not fit"),
        ("ij,jk", (M, M), "lengths 3 and 2 meet"),
        ("ii", (M,), "lengths 2 and 3 along axes that must agree"),
    ],
)
def test_errors(text, operands, message):
    with pytest.raises(ValueError, match=message):
        einsum(text, *operands)


def test_other_forms_are_refused():
    with pytest.raises(TypeError, match="subscripts are text"):
        einsum(M, [0, 1])


def test_lengths_that_turn_out_different():
    a = TensorType("float64", (None, None))("a")
    with pytest.raises(ValueError, match="different lengths along axes that must agree"):
        einsum("ii", a).eval({a: M})
