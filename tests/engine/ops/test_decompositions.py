"""Eigenvalues, singular values, QR and LU factors, pseudo-inverses: against NumPy and SciPy, with gradients and in C.

What is not determined, the signs of vectors, is compared by what does not depend on it.
"""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

from probgraph.engine.autodiff import grad
from probgraph.engine.compiled import CompiledGraph
from probgraph.engine.function import function
from probgraph.engine.graph import FunctionGraph
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import linalg
from probgraph.engine.rewrite import run_passes
from probgraph.engine.rules import DECOMPOSE
from probgraph.engine.toolchain import find_compiler
from probgraph.engine.types import TensorType
from tests.engine.op_cases import Case, check_compiled, check_gradient, check_values
from tests.engine.ops.matrix_cases import all_ways, check_float32, check_lengths, positive, random, regular

mT = linalg.matrix_transpose
A, AS, P, PS = regular(3, 3), regular(2, 3, 3), positive(3, 3) / 3, positive(2, 3, 3) / 3
WIDE, TALL, WIDES, TALLS = random(2, 4), random(4, 2), random(2, 2, 4), random(2, 4, 2)

#: two of its eigenvalues are complex
TURNING = np.array([[1.0, -2.0, 0.3], [1.5, 0.7, 0.1], [0.2, -0.4, -1.1]])


def turned(x):
    return x.swapaxes(-1, -2)


def spectral_graph(a):
    w, v = linalg.eigh(a)
    return (v * (1 / (1 + w * w)).dimshuffle(*range(w.ndim - 1), "x", w.ndim - 1)) @ mT(v)


def spectral_numpy(a):
    w, v = np.linalg.eigh(a)
    return (v * (1 / (1 + w * w))[..., None, :]) @ turned(v)


def singular_graph(a):
    u, s, vt = linalg.svd(a, full_matrices=False)
    return (u * u) @ ((s + s**2).dimshuffle(*range(s.ndim), "x") * vt**2)


def singular_numpy(a):
    u, s, vt = np.linalg.svd(a, full_matrices=False)
    return (u * u) @ ((s + s**2)[..., None] * vt**2)


SMOOTH = [
    Case("eigenvalues by eigh", lambda a: linalg.eigh(a)[0], lambda a: np.linalg.eigh(a)[0], (P,)),
    Case("a function of a matrix", spectral_graph, spectral_numpy, (PS,)),
    Case(
        "eigenvectors, read above",
        lambda a: linalg.eigh(a, "U")[1] ** 2,
        lambda a: np.linalg.eigh(a, "U")[1] ** 2,
        (A,),
    ),
    Case("eigvalsh", linalg.eigvalsh, np.linalg.eigvalsh, (PS,)),
    Case(
        "eigvalsh, read above", lambda a: linalg.eigvalsh(a, "U"), lambda a: np.linalg.eigvalsh(a, "U"), (A,)
    ),
    Case(
        "svd without vectors",
        lambda a: linalg.svd(a, compute_uv=False),
        lambda a: np.linalg.svd(a, compute_uv=False),
        (WIDES,),
    ),
    *(Case(f"svd of {a.shape}", singular_graph, singular_numpy, (a,)) for a in (WIDE, TALL, A, WIDES)),
    *(Case(f"pinv of {a.shape}", linalg.pinv, np.linalg.pinv, (a,)) for a in (WIDE, TALL, A, TALLS)),
    *(
        Case(
            f"{'QR'[k]} of {a.shape}", lambda a, k=k: linalg.qr(a)[k], lambda a, k=k: np.linalg.qr(a)[k], (a,)
        )
        for a in (WIDE, TALL, A, WIDES, TALLS)
        for k in (0, 1)
    ),
    Case(
        "eigenvalues of a real matrix",
        lambda a: ew.real(linalg.eigvals(a)) ** 2 - ew.imag(linalg.eigvals(a)) ** 2,
        lambda a: np.real(np.linalg.eigvals(a)) ** 2 - np.imag(np.linalg.eigvals(a)) ** 2,
        (TURNING,),
    ),
    Case(
        "eigenvectors of a real matrix",
        lambda a: abs(linalg.eig(a)[1]) ** 2 * ew.real(linalg.eig(a)[0]).dimshuffle("x", 0),
        lambda a: np.abs(np.linalg.eig(a)[1]) ** 2 * np.real(np.linalg.eig(a)[0]),
        (TURNING,),
    ),
    Case(
        "LU in one matrix",
        lambda a: linalg.lu_factor(a)[0],
        lambda a: scipy.linalg.lu_factor(a)[0],
        (A[[2, 0, 1]],),
    ),
    *(
        Case(
            f"solved by LU, trans={trans}, {b.ndim}d",
            lambda a, b, trans=trans: linalg.lu_solve(linalg.lu_factor(a), b, trans),
            lambda a, b, trans=trans: np.linalg.solve(a.swapaxes(-1, -2) if trans else a, b),
            (a, b),
        )
        for trans in (0, 1)
        for a, b in ((A[[2, 0, 1]], A[0]), (A[[2, 0, 1]], A[:, :2]), (AS, AS[:, :, [0, 1, 2, 0]]))
    ),
    Case("R alone", lambda a: linalg.qr(a, "r"), lambda a: np.linalg.qr(a, "r"), (TALL,)),
    *(
        Case(
            f"{'PLU'[k]} of {a.shape}",
            lambda a, k=k: linalg.lu(a)[k],
            lambda a, k=k: scipy.linalg.lu(a)[k],
            (a,),
        )
        for a in (A, AS[:, [1, 2, 0]])
        for k in (1, 2)
    ),
    Case(
        "permuted L",
        lambda a: linalg.lu(a, permute_l=True)[0],
        lambda a: scipy.linalg.lu(a, True)[0],
        (A[[2, 0, 1]],),
    ),
    *(
        Case(
            f"{what} of least squares, {a.shape} {b.shape}",
            lambda a, b, k=k: linalg.lstsq(a, b, 1e-12)[k],
            lambda a, b, k=k: np.linalg.lstsq(a, b, 1e-12)[k],
            (a, b),
        )
        for k, what in ((0, "solution"), (1, "residuals"), (3, "singular values"))
        for a, b in ((TALL, random(4)), (TALL, random(4, 3)))
    ),
    Case(
        "the shortest solution",
        lambda a, b: linalg.lstsq(a, b, 1e-12)[0],
        lambda a, b: np.linalg.lstsq(a, b, 1e-12)[0],
        (WIDE, random(2)),
    ),
]
VALUES = [
    *(
        Case(
            f"{'PLU'[k]} of {a.shape}",
            lambda a, k=k: linalg.lu(a)[k],
            lambda a, k=k: scipy.linalg.lu(a)[k],
            (a,),
            False,
        )
        for a in (WIDE, TALL)
        for k in (0, 1, 2)
    ),
    *(
        Case(f"{what} of LU", mine, theirs, (A[[2, 0, 1]],), False)
        for what, mine, theirs in (
            ("pivots", lambda a: linalg.lu_factor(a)[1], lambda a: scipy.linalg.lu_factor(a)[1]),
            (
                "order",
                lambda a: linalg.pivot_to_permutation(linalg.lu_factor(a)[1]),
                lambda a: scipy.linalg.lu(a, p_indices=True)[0].argsort(),
            ),
            (
                "order back",
                lambda a: linalg.pivot_to_permutation(linalg.lu_factor(a)[1], inverse=True),
                lambda a: scipy.linalg.lu(a, p_indices=True)[0].astype("int64"),
            ),
        )
    ),
    Case("P", lambda a: linalg.lu(a)[0], lambda a: scipy.linalg.lu(a)[0], (A[[2, 0, 1]],), False),
    *(
        Case(
            f"complete {'QR'[k]} of {a.shape}",
            lambda a, k=k: linalg.qr(a, "complete")[k],
            lambda a, k=k: np.linalg.qr(a, "complete")[k],
            (a,),
            False,
        )
        for a in (WIDE, TALL)
        for k in (0, 1)
    ),
    *(
        Case(
            f"full svd of {a.shape}",
            lambda a, k=k: (lambda x: x if k == 1 else abs(x))(linalg.svd(a)[k]),
            lambda a, k=k: (lambda x: x if k == 1 else abs(x))(np.linalg.svd(a)[k]),
            (a,),
            False,
        )
        for a in (A, AS)
        for k in (0, 1, 2)
    ),
    Case(
        "rank",
        lambda a: linalg.lstsq(a, a, 1e-12)[2],
        lambda a: np.int32(np.linalg.lstsq(a, a, 1e-12)[2]),
        (np.ones((3, 2)),),
        False,
    ),
    *(
        Case(
            f"matrix_rank of {a.shape}",
            linalg.matrix_rank,
            lambda a: np.int64(np.linalg.matrix_rank(a)) if a.ndim == 2 else np.linalg.matrix_rank(a),
            (a,),
            False,
        )
        for a in (np.outer([1.0, 2.0, 3.0], [1.0, -1.0]), AS)
    ),
]


@pytest.mark.parametrize("case", [*SMOOTH, *VALUES], ids=lambda c: c.name)
def test_values(case):
    check_values(case)


@pytest.mark.parametrize("case", SMOOTH, ids=lambda c: c.name)
def test_gradients_first_and_second(case):
    check_gradient(case, twice=True)


@pytest.mark.skipif(find_compiler() is None, reason="needs a C compiler")
def test_compiled():
    check_compiled([*SMOOTH, *VALUES])


def test_single_precision():
    check_float32([c for c in SMOOTH if "residuals" not in c.name], tolerance=2e-3)


# ------------------------------------------------------------------------------------ what they are by definition


@pytest.mark.parametrize(
    "shape", [(2, 5), (5, 2), (4, 4), (1, 3), (3, 1), (0, 3), (3, 0), (0, 0), (3, 2, 4), (0, 2, 3)]
)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_factors_multiply_to_the_matrix(shape, dtype):
    a = TensorType(dtype, (None,) * len(shape))("a")
    value = random(*shape).astype(dtype)
    u, s, vt = linalg.svd(a, full_matrices=False)
    full_u, full_s, full_vt = linalg.svd(a)
    q, r = linalg.qr(a)
    complete_q, complete_r = linalg.qr(a, "complete")
    p, l, upper = linalg.lu(a)
    outputs = [u, s, vt, full_u, full_s, full_vt, q, r, complete_q, complete_r, p, l, upper, linalg.pinv(a)]
    tolerance = 1e-10 if dtype == "float64" else 1e-4
    m, n = shape[-2:]
    k = min(m, n)
    for way, results in all_ways([a], run_passes(outputs, DECOMPOSE), [value]).items():
        u, s, vt, full_u, full_s, full_vt, q, r, complete_q, complete_r, p, l, upper, pseudo = results
        assert all(x.dtype == dtype for x in results)
        for product, wanted in (
            ((u * s[..., None, :]) @ vt, value),
            ((full_u[..., :, :k] * full_s[..., None, :]) @ full_vt[..., :k, :], value),
            (q @ r, value),
            (complete_q @ complete_r, value),
            (p @ l @ upper, value),
            (value @ pseudo @ value, value),
            *(
                (turned(x) @ x, np.broadcast_to(np.eye(x.shape[-1]), (*x.shape[:-2], *x.shape[-1:] * 2)))
                for x in (u, full_u, turned(vt), full_vt, q, complete_q, p)
            ),
            (r, np.triu(r)),
            (upper, np.triu(upper)),
            (l, np.tril(l)),
        ):
            np.testing.assert_allclose(product, wanted, tolerance, tolerance, err_msg=f"{way} {shape}")
        assert (np.diff(s) <= 0).all() and (s >= 0).all()
        assert full_u.shape[-2:] == (m, m) and full_vt.shape[-2:] == (n, n)
        assert q.shape[-2:] == (m, k) and complete_q.shape[-2:] == (m, m) and l.shape[-2:] == (m, k)


@pytest.mark.parametrize("n", [0, 1, 2, 7, 40])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_eigenvectors_are_what_their_name_says(n, dtype):
    a = TensorType(dtype, (None, None, None))("a")
    value = random(2, n, n).astype(dtype)
    symmetric = value + turned(value)
    outputs = [*linalg.eigh(a), linalg.eigvalsh(a)]
    kind = "complex128" if dtype == "float64" else "complex64"
    tolerance = 1e-9 if dtype == "float64" else 1e-3
    for way, (w, v, w2) in all_ways([a], outputs, [symmetric]).items():
        np.testing.assert_allclose(symmetric @ v, v * w[:, None, :], tolerance, tolerance, err_msg=way)
        np.testing.assert_allclose(w, w2, tolerance, tolerance)
        assert (np.diff(w) >= 0).all() and w.dtype == v.dtype == dtype
    for way, (w, v) in all_ways([a], linalg.eig(a), [value]).items():
        assert w.dtype == v.dtype == kind
        np.testing.assert_allclose(value @ v, v * w[:, None, :], tolerance, tolerance, err_msg=way)
        np.testing.assert_allclose(np.abs(v * v.conj()).sum(1), np.ones((2, n)), tolerance)
        for mine, truth in zip(w, np.linalg.eigvals(value), strict=True):
            np.testing.assert_allclose(
                np.sort_complex(mine), np.sort_complex(truth), 10 * tolerance, 10 * tolerance
            )


def test_eigenvalues_of_real_matrices_are_complex_even_if_real():
    a = TensorType("float64", (2, 2))("a")
    assert linalg.eigvals(a).eval({a: np.diag([1.0, 2.0])}).dtype == np.complex128
    got = linalg.eigvals(a).eval({a: np.array([[0.0, -1.0], [1.0, 0.0]])})
    np.testing.assert_allclose(np.sort_complex(got), [-1j, 1j], atol=1e-15)


# ------------------------------------------------------------------------------------ extremes and failures


def test_equal_eigenvalues_have_a_gradient():
    a = TensorType("float64", (3, 3))("a")
    for cost, wanted in (
        (linalg.eigh(a)[0].sum(), np.eye(3)),
        (linalg.eigvalsh(a).sum(), np.eye(3)),
        (linalg.svd(a, full_matrices=False)[1].sum(), np.eye(3)),
    ):
        np.testing.assert_allclose(grad(cost, a).eval({a: np.eye(3)}), wanted, atol=1e-14)


def test_pseudo_inverse_of_a_matrix_of_lower_rank():
    a = TensorType("float64", (None, None))("a")
    value = np.outer([1.0, 2.0, 3.0], [1.0, -1.0])
    for way, (got,) in all_ways([a], run_passes([linalg.pinv(a, 1e-12)], DECOMPOSE), [value]).items():
        np.testing.assert_allclose(got, np.linalg.pinv(value, 1e-12), 1e-12, 1e-14, err_msg=way)
    for way, (got,) in all_ways([a], run_passes([linalg.pinv(a)], DECOMPOSE), [np.zeros((2, 3))]).items():
        np.testing.assert_array_equal(got, np.zeros((3, 2)), err_msg=way)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda a: linalg.eigh(a)[1], "eigh: the matrix is not finite"),
        (linalg.eigvalsh, "eigvalsh: the matrix is not finite"),
        (linalg.eigvals, "eig: the matrix is not finite"),
        (lambda a: linalg.svd(a, compute_uv=False), "svd: the matrix is not finite"),
        (linalg.pinv, "svd: the matrix is not finite"),
    ],
)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_an_error(make, message, bad):
    a = TensorType("float64", (None, None))("a")
    value = np.array([[1.0, 0.0], [bad, 1.0]])
    y = make(a)
    with pytest.raises(np.linalg.LinAlgError, match=message):
        y.eval({a: value})
    if find_compiler() is not None:
        with pytest.raises(np.linalg.LinAlgError, match=message):
            CompiledGraph(FunctionGraph([a], [y]))([value])


def test_only_one_triangle_is_read():
    a = TensorType("float64", (2, 2))("a")
    value = np.array([[2.0, np.nan], [1.0, 2.0]])
    for way, (got,) in all_ways([a], [linalg.eigvalsh(a)], [value]).items():
        np.testing.assert_allclose(got, [1, 3], 1e-14, err_msg=way)


def test_empty_and_of_length_one():
    for shape in ((0, 0), (1, 1), (0, 2, 2), (2, 0, 0)):
        check_lengths(linalg.eigvalsh, np.linalg.eigvalsh, shape)
    for shape in ((0, 0), (1, 1), (0, 3), (3, 0), (2, 0, 3), (0, 2, 3)):
        check_lengths(
            lambda a: linalg.svd(a, compute_uv=False), lambda a: np.linalg.svd(a, compute_uv=False), shape
        )


def test_what_is_missing_says_what_to_use():
    a, m = TensorType("float64", (3, 3))("a"), TensorType("float64", (2, 3))("m")
    for message, wrong in (
        ("use full_matrices=False", lambda: grad(linalg.svd(m)[0].sum(), m)),
        ("use mode='reduced'", lambda: grad(linalg.qr(m.T, "complete")[0].sum(), m)),
        ("only of square matrices", lambda: grad(linalg.lu(m)[1].sum(), m)),
        ("hermitian=True is not supported", lambda: linalg.pinv(a, hermitian=True)),
        ("give rcond", lambda: linalg.lstsq(TensorType("float64", (None, 2))(), np.ones(3))),
    ):
        with pytest.raises(NotImplementedError, match=message):
            wrong()


def test_errors_say_who_and_what():
    m, v = TensorType("float64", (2, 3))("m"), TensorType("float64", (3,))("v")
    for error, message, wrong in (
        (ValueError, r"eigh takes a square matrix, got float64\[2, 3\]", lambda: linalg.eigh(m)),
        (ValueError, "eigvalsh takes a square matrix", lambda: linalg.eigvalsh(m)),
        (ValueError, "eig takes a square matrix", lambda: linalg.eig(m)),
        (ValueError, "UPLO is 'L' or 'U'", lambda: linalg.eigh(m, "X")),
        (ValueError, "mode is 'reduced', 'complete' or 'r'", lambda: linalg.qr(m, "raw")),
        (ValueError, "lstsq takes a matrix and a vector or matrix", lambda: linalg.lstsq(v, v)),
        (TypeError, "svd takes a matrix", lambda: linalg.svd(v)),
        (TypeError, "qr takes a matrix", lambda: linalg.qr(v)),
        (TypeError, "lu takes a matrix", lambda: linalg.lu(v)),
        (TypeError, "pinv takes a matrix", lambda: linalg.pinv(v)),
    ):
        with pytest.raises(error, match=message):
            wrong()


# ------------------------------------------------------------------------------------ Schur forms


@pytest.mark.parametrize("n", [0, 1, 2, 7])
@pytest.mark.parametrize("output", ["real", "complex"])
def test_schur_forms_are_what_their_name_says(n, output):
    a, b = (TensorType("float64", (None, None, None))(name) for name in "ab")
    first, second = random(2, n, n), random(2, n, n)
    t, z, aa, bb, q, z2 = function([a, b], [*linalg.schur(a, output), *linalg.qz(a, b, output)])(
        first, second
    )
    adjoint = lambda m: m.conj().swapaxes(-1, -2)
    for product, wanted in (
        (z @ t @ adjoint(z), first),
        (q @ aa @ adjoint(z2), first),
        (q @ bb @ adjoint(z2), second),
        *((adjoint(m) @ m, np.broadcast_to(np.eye(n), m.shape)) for m in (z, q, z2)),
    ):
        np.testing.assert_allclose(product, wanted, 1e-12, 1e-12)
    below = -1 if output == "complex" else -2
    assert not np.tril(t, below).any() and not np.tril(bb, -1).any() and not np.tril(aa, below).any()
    assert t.dtype == bb.dtype == ("complex128" if output == "complex" else "float64")


def test_what_pivots_and_schur_forms_refuse():
    a = TensorType("float64", (None, None))("a")
    with pytest.raises(ValueError, match="a pivot is no row of the matrix"):
        linalg.pivot_to_permutation(np.array([4, 1])).eval()
    with pytest.raises(TypeError, match="takes a vector of integers, got"):
        linalg.pivot_to_permutation(np.array([1.0]))
    with pytest.raises(ValueError, match="lu_solve: trans is 0 or 1, got 3"):
        linalg.lu_solve(linalg.lu_factor(a), np.ones(2), trans=3)
    with pytest.raises(ValueError, match="lu_factor takes a square matrix"):
        linalg.lu_factor(np.ones((2, 3)))
    with pytest.raises(ValueError, match="schur: output is 'real' or 'complex', got 'r'"):
        linalg.schur(a, "r")
    with pytest.raises(np.linalg.LinAlgError, match="a matrix is not finite"):
        linalg.schur(a)[0].eval({a: np.array([[np.nan]])})
    with pytest.raises(NotImplementedError, match="schur and qz have no gradient"):
        grad(linalg.schur(a)[0].sum(), a)
