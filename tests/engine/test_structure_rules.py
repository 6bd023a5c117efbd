"""Rules for matrices of known structure: the same values as without, and what is left of the operations."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from probgraph.engine import rules
from probgraph.engine.compiled import CompiledGraph
from probgraph.engine.graph import Constant, FunctionGraph, graph_inputs, toposort
from probgraph.engine.matrix_structure import structure
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import linalg
from probgraph.engine.ops.assumptions import PROPERTIES, Assumed
from probgraph.engine.ops.linalg import assume, cholesky, det, diag, inv, kron, slogdet, solve
from probgraph.engine.rewrite import Pass, run_passes
from probgraph.engine.structure_rules import STRUCTURED, STRUCTURED_DETERMINANTS
from probgraph.engine.toolchain import find_compiler
from probgraph.engine.types import TensorType

RNG = np.random.default_rng(5)
ANY, SMALL = (TensorType("float64", (n, n))(name) for n, name in ((3, "any"), (2, "small")))
STACK = TensorType("float64", (None, 3, 3))("stack")
B, V = TensorType("float64", (3, None))("b"), TensorType("float64", (3,))("v")
PD, SMALL_PD, SYMMETRIC = (TensorType("float64", (n, n))(k) for n, k in ((3, "pd"), (2, "spd"), (3, "sym")))
D, LOW, UP, Q = (TensorType("float64", (3, 3))(name) for name in ("d", "low", "up", "q"))
LOWS = TensorType("float64", (None, 3, 3))("lows")
_A = RNG.normal(size=(3, 3))
VALUES = {
    ANY: _A + 2 * np.eye(3),
    SMALL: np.array([[1.0, 2.0], [-0.5, 1.5]]),
    STACK: RNG.normal(size=(2, 3, 3)),
    B: RNG.normal(size=(3, 2)),
    V: np.array([0.5, -1.0, 2.0]),
    PD: _A @ _A.T + np.eye(3),
    SMALL_PD: np.array([[2.0, 0.3], [0.3, 1.0]]),
    SYMMETRIC: _A + _A.T,
    D: np.diag([0.5, 2.0, 3.0]),
    LOW: np.tril(_A) + 2 * np.eye(3),
    UP: np.triu(_A) - 3 * np.eye(3),
    Q: np.linalg.qr(_A)[0],
    LOWS: np.tril(RNG.normal(size=(2, 3, 3))) + 3 * np.eye(3),
}
pd, spd = assume(PD, positive_definite=True), assume(SMALL_PD, positive_definite=True)
symmetric, d = assume(SYMMETRIC, symmetric=True), assume(D, diagonal=True)
low, up = assume(LOW, lower_triangular=True), assume(UP, upper_triangular=True)
q, lows = assume(Q, orthogonal=True), assume(LOWS, lower_triangular=True)

#: for each rule, graphs that it applies to
CASES = {
    "solve with a matrix of known structure": [
        *(solve(m, right) for m in (pd, d, low, up, q) for right in (V, B)),
        *(solve(m, V, trans=1) for m in (low, up, q)),
        solve(lows, STACK),
        solve(low @ low, V),
        solve(2 * pd + pd, V),
    ],
    "det of a matrix of known structure": [det(m) for m in (pd, d, low, up, lows, inv(low), low.T)],
    "slogdet of a matrix of known structure": [part for m in (pd, d, low, -up, lows) for part in slogdet(m)],
    "inverse of a matrix of known structure": [inv(m) for m in (pd, d, low, up, q, low @ low)],
    "cholesky of a diagonal matrix": [cholesky(assume(d, positive_definite=True))],
    "transpose of a symmetric matrix → the matrix": [
        m.T for m in (symmetric, pd, d, symmetric + pd, ANY @ ANY.T)
    ],
    "product with a matrix of known structure": [q @ q.T, q.T @ q, d @ B, ANY @ d, diag(V) @ B],
    "product with matrices of known structure, batched": [
        assume(STACK * np.eye(3), diagonal=True) @ LOWS,
        LOWS @ assume(STACK * np.eye(3), diagonal=True),
    ],
    "kron(A, B) @ kron(C, D) → kron(A C, B D)": [kron(ANY, SMALL) @ kron(PD, SMALL_PD)],
    "inverse of kron(A, B) → kron of the inverses": [inv(kron(ANY, SMALL))],
    "det of kron(A, B) → of A and of B": [det(kron(ANY, SMALL)), det(kron(SMALL, -ANY))],
    "slogdet of kron(A, B) → of A and of B": [
        part for m in (kron(ANY, SMALL), kron(-ANY, ANY)) for part in slogdet(m)
    ],
    "cholesky of kron(A, B) → kron of the factors": [cholesky(kron(pd, spd))],
}


STABLE = [Pass("stable", rules.STABLE)]


def valued(v):
    return v.eval({r: VALUES[r] for r in graph_inputs([v]) if not isinstance(r, Constant)})


def ops_of(outputs):
    return {type(node.op) for node in toposort(outputs)}


@pytest.mark.parametrize("rule", [*STRUCTURED, *STRUCTURED_DETERMINANTS], ids=str)
def test_a_rule_changes_no_value(rule):
    assert rule.name in CASES, "every rule needs graphs that it applies to"
    for old in CASES[rule.name]:
        log = []
        (new,) = run_passes([old], [Pass("one", [rule])], log)
        assert rule.name in [name for _, name, _ in log], f"does not apply to {old.owner}"
        assert (new.dtype, new.ndim) == (old.dtype, old.ndim)
        np.testing.assert_allclose(valued(new), valued(old), 1e-12, 1e-12)


def test_pass_lists_change_no_value_and_are_done_after_one_run():
    outputs = [v for graphs in CASES.values() for v in graphs]
    new = run_passes(outputs, rules.FAST_RUN)
    for before, after in zip(outputs, new, strict=True):
        np.testing.assert_allclose(valued(after), valued(before), 1e-12, 1e-12)
    log = []
    assert run_passes(new, rules.FAST_RUN, log) == new, log


@pytest.mark.skipif(find_compiler() is None, reason="needs a C compiler")
def test_compiled():
    outputs = [v for graphs in CASES.values() for v in graphs]
    program = CompiledGraph(FunctionGraph(list(VALUES), run_passes(outputs, rules.FAST_RUN)))
    for old, got in zip(outputs, program(list(VALUES.values())), strict=True):
        np.testing.assert_allclose(got, valued(old), 1e-11, 1e-11)


def test_general_methods_are_gone():
    structured = [v for name in CASES if "known structure" in name for v in CASES[name]]
    left = ops_of(run_passes(structured, rules.FAST_RUN))
    assert not left & {linalg.Inverse, linalg.Determinant, linalg.SLogDet}
    assert Assumed not in ops_of(run_passes(structured, rules.DECOMPOSE))
    form = V @ inv(pd) @ V + ew.log(det(pd))
    left = run_passes([form], rules.FAST_RUN)
    assert linalg.Inverse not in ops_of(left) and linalg.Cholesky in ops_of(run_passes(left, rules.DECOMPOSE))
    factors = [n for n in toposort(run_passes(left, rules.DECOMPOSE)) if type(n.op) is linalg.Cholesky]
    assert len(factors) == 1


def test_the_determinant_of_a_kronecker_product_does_not_overflow():
    value = np.diag([1e200, 1e150])
    (new,) = run_passes([ew.log(det(kron(ANY, SMALL)))], rules.FAST_RUN)
    given = {ANY: VALUES[PD], SMALL: value}
    with mp.workdps(30):
        truth = float(2 * mp.log(mp.det(mp.matrix(VALUES[PD].tolist()))) + 3 * 350 * mp.log(10))
    assert new.eval(given) == pytest.approx(truth, rel=1e-13)


def test_structure_passes_through():
    assert "positive_definite" in structure(inv(3 * pd + pd)) and "symmetric" in structure(pd)
    assert "positive_definite" not in structure(-pd) | structure(-2.0 * pd) | structure(
        ew.exp(V[0]) * symmetric
    )
    assert {"lower_triangular", "upper_triangular", "symmetric"} <= structure(d @ d)
    assert structure(low.T) == structure(up) == structure(inv(up) @ up) == {"upper_triangular"}
    assert structure(run_passes([inv(low)], STABLE)[0]) == {"lower_triangular"}
    assert structure(run_passes([linalg.eye(3)], [])[0]) >= {"diagonal", "positive_definite", "orthogonal"}
    assert structure(low @ up) == structure(low + up) == structure(ANY) == frozenset()
    assert "symmetric" not in structure(symmetric @ pd)
    assert structure(q @ q) == structure(q.T) == {"orthogonal"} and not structure(2 * q)
    assert structure(assume(low, symmetric=True)) >= {"diagonal"}


def test_assume_says_what_it_takes():
    with pytest.raises(ValueError, match="one of positive_definite, symmetric"):
        assume(ANY)
    with pytest.raises(ValueError, match="square"):
        assume(TensorType("float64", (2, 3))("x"), diagonal=True)
    assert set(PROPERTIES) == {
        p for name in PROPERTIES for p in assume(ANY, **{name: True}).owner.op.properties
    }
