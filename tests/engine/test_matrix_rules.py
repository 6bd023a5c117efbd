"""Every rule about matrices, evaluated on both sides, and what is left of the operations it replaces."""

from __future__ import annotations

import ctypes

import mpmath as mp
import numpy as np
import pytest

from probgraph.engine import matrix_rules, rules
from probgraph.engine.autodiff import grad
from probgraph.engine.compiled import CompiledGraph, compile_density
from probgraph.engine.graph import Constant, FunctionGraph, graph_inputs, toposort
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import linalg
from probgraph.engine.ops.matrix_products import MatrixProduct
from probgraph.engine.rewrite import Pass, run_passes
from probgraph.engine.toolchain import find_compiler
from probgraph.engine.types import TensorType

needs_compiler = pytest.mark.skipif(find_compiler() is None, reason="needs a C compiler")

A = TensorType("float64", (3, 3))("A")
B = TensorType("float64", (None, None))("B")
C = TensorType("float64", (None, 3))("C")
V = TensorType("float64", (None,))("v")
AB = TensorType("float64", (None, 3, 3))("As")
CB = TensorType("float64", (None, 3, None))("Cs")
POSITIVE = TensorType("float64", (3, 3))("positive")
POSITIVES = TensorType("float64", (None, 3, 3))("positives")
SINGLE = TensorType("float32", (None, None))("single")

RNG = np.random.default_rng(11)
_Q = RNG.normal(size=(2, 3, 3))
VALUES = {
    A: RNG.normal(size=(3, 3)) + 2 * np.eye(3),
    B: RNG.normal(size=(3, 3)) - 3 * np.eye(3),
    C: RNG.normal(size=(2, 3)),
    V: np.array([0.7, -1.3, 2.5]),
    AB: RNG.normal(size=(2, 3, 3)) + 3 * np.eye(3),
    CB: RNG.normal(size=(2, 3, 4)),
    POSITIVE: _Q[0] @ _Q[0].T + np.eye(3),
    POSITIVES: _Q @ np.swapaxes(_Q, -1, -2) + np.eye(3),
    SINGLE: (RNG.normal(size=(3, 3)) + 3 * np.eye(3)).astype("float32"),
}
L = linalg.cholesky(POSITIVE)
LS = linalg.cholesky(POSITIVES)
mT = linalg.matrix_transpose

#: for each rule, graphs that it applies to
CASES = {
    "log(det(A)) → logdet(A)": [
        ew.log(linalg.det(POSITIVE)),
        ew.log(linalg.det(POSITIVES)),
        ew.log(linalg.det(-POSITIVE)),
        ew.log(ew.abs(linalg.det(B))),
    ],
    "slogdet of a triangular, diagonal or transposed matrix": [
        part
        for matrix in (L, L.T, L @ L.T, LS, LS @ mT(LS), B.T, mT(AB), linalg.diag(V))
        for part in linalg.slogdet(matrix)
    ],
    "inv(A) @ b → solve(A, b)": [
        linalg.inv(A) @ B,
        linalg.inv(A) @ V,
        linalg.inv(A).T @ V,
        V @ linalg.inv(A),
        C @ linalg.inv(B),
        C @ linalg.inv(B).T,
        linalg.inv(SINGLE) @ B,
        linalg.inv(A) @ linalg.inv(B),
    ],
    "inv(A) @ b → solve(A, b), batched": [
        linalg.inv(AB) @ CB,
        mT(CB) @ linalg.inv(AB),
        mT(linalg.inv(AB)) @ CB,
    ],
    "cholesky(L Lᵀ) → L": [linalg.cholesky(L @ L.T), linalg.cholesky(LS @ mT(LS))],
    "solve with a triangular, diagonal or transposed matrix": [
        linalg.solve(B.T, C.T),
        linalg.solve(mT(AB), CB),
        linalg.solve(L, V),
        linalg.solve(L.T, V),
        linalg.solve(LS, CB),
        linalg.solve(L @ L.T, V),
        linalg.solve(L @ L.T, C.T, assume_a="pos"),
        linalg.solve(linalg.diag(V), C.T),
        linalg.solve(linalg.diag(V), V),
    ],
    "inverse of an inverse, of a triangular, diagonal or transposed matrix": [
        linalg.inv(linalg.inv(A)),
        linalg.inv(B.T),
        linalg.inv(L),
        linalg.inv(L.T),
        linalg.inv(LS),
        linalg.inv(L @ L.T),
        linalg.inv(LS @ mT(LS)),
        linalg.inv(linalg.diag(V)),
    ],
    "det of a triangular, diagonal or transposed matrix": [
        linalg.det(B.T),
        linalg.det(L),
        linalg.det(LS),
        linalg.det(L @ L.T),
        linalg.det(linalg.diag(V)),
    ],
    "(A B)ᵀ → Bᵀ Aᵀ": [(A.T @ B).T, mT(AB @ mT(AB))],
    "diagonal of A B → row times column": [
        linalg.diagonal(A @ A.T),
        linalg.trace(A @ A),
        linalg.diagonal(AB @ AB, 0, 1, 2),
    ],
    "product of large matrices → BLAS": [B @ C.T, B.T @ C.T, C @ B.T, C @ B, SINGLE @ SINGLE.T],
    "product of stacks of large matrices → BLAS": [AB @ CB, mT(CB) @ AB, mT(CB) @ mT(AB)],
}
RULES = [*matrix_rules.STABLE_MATRICES, *matrix_rules.MATRICES, *matrix_rules.LIBRARY]


def valued(v):
    return v.eval({r: VALUES[r] for r in graph_inputs([v]) if not isinstance(r, Constant)})


def ops_of(outputs):
    return {type(node.op) for node in toposort(outputs)}


@pytest.fixture
def small_sides(monkeypatch):
    """As if no matrix were too small for BLAS."""
    monkeypatch.setattr(MatrixProduct, "pays", staticmethod(lambda *sides: True))


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_rule_changes_no_value(rule, small_sides):
    assert rule.name in CASES, "every rule needs graphs that it applies to"
    for old in CASES[rule.name]:
        log = []
        (new,) = run_passes([old], [Pass("one", [rule])], log)
        assert rule.name in [name for _, name, _ in log], f"does not apply to {old.owner}"
        assert (new.dtype, new.ndim) == (old.dtype, old.ndim)
        tolerance = 1e-12 if SINGLE not in graph_inputs([old]) else 1e-5
        np.testing.assert_allclose(valued(new), valued(old), tolerance, tolerance)


@pytest.mark.parametrize(
    "passes", [rules.FAST_COMPILE, rules.FAST_RUN, rules.DECOMPOSE], ids=["compile", "run", "C"]
)
def test_pass_lists_change_no_value_and_are_done_after_one_run(passes):
    for old in [v for graphs in CASES.values() for v in graphs]:
        new = run_passes([old], passes)
        tolerance = 1e-12 if SINGLE not in graph_inputs([old]) else 1e-5
        np.testing.assert_allclose(valued(new[0]), valued(old), tolerance, tolerance)
        if passes is not rules.DECOMPOSE:
            log = []
            assert run_passes(new, passes, log) == new, log


@needs_compiler
def test_compiled(small_sides):
    """Everything at once, rewritten, in C."""
    outputs = [v for graphs in CASES.values() for v in graphs]
    inputs = list(VALUES)
    program = CompiledGraph(FunctionGraph(inputs, run_passes(outputs, rules.FAST_RUN)))
    for old, got in zip(outputs, program(list(VALUES.values())), strict=True):
        tolerance = 1e-11 if SINGLE not in graph_inputs([old]) else 1e-5
        np.testing.assert_allclose(got, valued(old), tolerance, tolerance)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_gradients_stay(rule, small_sides):
    """The gradient of the new graph is that of the old one, where both may be asked for."""
    for old in CASES[rule.name]:
        roots = [r for r in graph_inputs([old]) if not isinstance(r, Constant) and r is not SINGLE]
        if not roots or SINGLE in graph_inputs([old]):
            continue
        (new,) = run_passes([old], [Pass("one", [rule])])
        weights = np.cos(np.arange(valued(old).size)).reshape(valued(old).shape)
        if np.isnan(valued(old)).any():
            continue
        before, after = (grad((v * weights).sum(), roots, disconnected_inputs="ignore") for v in (old, new))
        for root, g, h in zip(roots, before, after, strict=True):
            if root in (POSITIVE, POSITIVES):  # one side may read a triangle, the other everything
                g, h = g + mT(g), h + mT(h)
            if rule.name.startswith(("inverse", "solve")) and linalg.diag(V).owner.op in {
                node.op for node in toposort([old])
            }:
                continue  # what is off the diagonal of a diagonal matrix flows nowhere
            np.testing.assert_allclose(valued(g), valued(h), 1e-8, 1e-10, err_msg=str(old.owner))


# ------------------------------------------------------------------------------------ what is left


def test_no_inverse_is_left_of_a_quadratic_form():
    form = V @ linalg.inv(POSITIVE) @ V + ew.log(linalg.det(POSITIVE))
    left = ops_of(run_passes([form], rules.FAST_RUN))
    assert linalg.Inverse not in left and linalg.Determinant not in left
    # In C the value, its gradient and the determinant share one elimination.
    parts = run_passes(run_passes([form, grad(form, V)], rules.FAST_RUN), rules.DECOMPOSE)
    eliminations = [node for node in toposort(parts) if type(node.op).__name__ == "Eliminate"]
    assert len(eliminations) == 1


def test_a_cholesky_product_is_factored_once():
    form = V @ linalg.inv(L @ L.T) @ V - 0.5 * ew.log(linalg.det(L @ L.T))
    left = ops_of(run_passes([form], rules.FAST_RUN))
    assert not left & {linalg.Inverse, linalg.Solve, linalg.SLogDet, linalg.Determinant}


def test_what_is_not_structured_stays():
    for v in (
        linalg.cholesky(A @ A.T),
        linalg.cholesky(L @ A.T),
        linalg.det(A),
        linalg.inv(A @ A.T),
        linalg.slogdet(linalg.diag(V, 1))[1],
        linalg.cholesky(
            linalg.cholesky(POSITIVE, on_error="nan") @ linalg.cholesky(POSITIVE, on_error="nan").T
        ),
        A @ B,
        (A @ B).T,
    ):
        log = []
        run_passes([v], [Pass("all", [*matrix_rules.STABLE_MATRICES, *matrix_rules.MATRICES])], log)
        assert log == []


def test_small_products_stay_loops():
    small, large = TensorType("float64", (4, 4))("a"), TensorType("float64", (40, 40))("b")
    assert MatrixProduct not in ops_of(run_passes([small @ small], rules.DECOMPOSE))
    assert MatrixProduct in ops_of(run_passes([large @ large], rules.DECOMPOSE))
    thin = TensorType("float64", (100000, 3))("x")
    assert MatrixProduct not in ops_of(run_passes([thin.T @ thin], rules.DECOMPOSE))
    whole = TensorType("int64", (40, 40))("i")
    assert MatrixProduct not in ops_of(run_passes([whole @ whole], rules.DECOMPOSE))


# ------------------------------------------------------------------------------------ extremes


@pytest.mark.parametrize("scale", [1e-120, 1e-3, 1e120])
def test_log_of_a_determinant_neither_overflows_nor_vanishes(scale):
    value = VALUES[POSITIVE] * scale
    with mp.workdps(50):
        truth = float(mp.log(mp.det(mp.matrix(value.tolist()))))
    for old in (ew.log(linalg.det(POSITIVE)), ew.log(linalg.det(L @ L.T)), 2 * ew.log(linalg.det(L))):
        (new,) = run_passes([old], rules.FAST_RUN)
        assert new.eval({POSITIVE: value}) == pytest.approx(truth, rel=1e-13)


def test_log_of_other_determinants():
    (new,) = run_passes([ew.log(linalg.det(A))], rules.FAST_RUN)
    assert np.isnan(new.eval({A: np.diag([1.0, -1.0, 1.0])}))
    assert new.eval({A: np.zeros((3, 3))}) == -np.inf
    assert new.eval({A: np.diag([-2.0, -1.0, 1.0])}) == pytest.approx(np.log(2))
    assert np.isnan(new.eval({A: np.full((3, 3), np.nan)}))


@needs_compiler
def test_a_density_ends_where_a_matrix_is_not_positive_definite():
    q = TensorType("float64", (4,))("q")
    matrix = q.reshape((2, 2))
    logp = -ew.log(linalg.det(matrix @ matrix.T)) + ew.log(linalg.diagonal(linalg.cholesky(matrix))).sum()
    density = compile_density([q], logp, [grad(logp, q)])

    def call(x):
        x = np.asarray(x, "float64")
        gradient, value, memory = np.zeros(4), ctypes.c_double(), density.new_data()
        function = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 4)(density.address)
        code = function(x.ctypes.data, gradient.ctypes.data, ctypes.addressof(value), memory.address)
        return code, value.value, gradient

    code, value, gradient = call([2.0, 0.5, 0.5, 1.0])
    assert code == 0
    assert value == pytest.approx(logp.eval({q: np.array([2.0, 0.5, 0.5, 1.0])}))
    np.testing.assert_allclose(gradient, grad(logp, q).eval({q: np.array([2.0, 0.5, 0.5, 1.0])}), 1e-10)
    assert call([-2.0, 0.5, 0.5, 1.0])[0] != 0
