"""Arrangements, grids and order statistics, against NumPy."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import probgraph.engine.tensor as T
from probgraph.engine.function import function
from probgraph.engine.toolchain import find_compiler
from tests.engine.op_cases import Case, check_compiled, check_gradient, check_values

RNG = np.random.default_rng(6)
V, M, C = RNG.normal(size=5), RNG.normal(size=(3, 4)), RNG.normal(size=(2, 3, 4))
MODES = ["FAST_COMPILE", "FAST_RUN"] if find_compiler() else ["FAST_COMPILE"]

COUNTED = [
    Case("repeat by counts", lambda x, n: T.repeat(x, n, 1), lambda x, n: np.repeat(x, n, 1), (M, np.array([0, 2, 1, 3]))),
    Case("repeat all by counts", lambda x: T.repeat(x, np.arange(12)), lambda x: np.repeat(x, np.arange(12)), (M,)),
    Case("repeat by one count", lambda x, n: T.repeat(x, n, 0), lambda x, n: np.repeat(x, n, 0), (M, np.array([2]))),
]  # fmt: skip

CASES = [
    Case("repeat", lambda x: T.repeat(x, 3, 0), lambda x: np.repeat(x, 3, 0), (M,)),
    Case("roll two axes", lambda x: T.roll(x, (1, -2), (0, 1)), lambda x: np.roll(x, (1, -2), (0, 1)), (M,)),
    Case("roll", lambda x: T.roll(x, 2), lambda x: np.roll(x, 2), (M,)),
    *(
        Case(f"pad {mode} {width}", lambda x, m=mode, w=width: T.pad(x, w, m), lambda x, m=mode, w=width: np.pad(x, w, m), (M,))
        for mode in ("constant", "edge", "reflect", "symmetric", "wrap")
        for width in (2, (1, 5), ((0, 3), (7, 0)))
    ),
    Case("pad with ones", lambda x: T.pad(x, 1, constant_values=1.5), lambda x: np.pad(x, 1, constant_values=1.5), (V,)),
    Case("pad one", lambda x: T.pad(x, 2, "reflect"), lambda x: np.pad(x, 2, "reflect"), (V[:1],)),
    Case("choose", lambda a, x, y: T.choose(a, [x, y]), lambda a, x, y: np.choose(a, [x, y]), (np.array([0, 1, 1, 0]), M, M[0])),
    Case("choose clip", lambda a, x: T.choose(a, [x, x + 1], "clip"), lambda a, x: np.choose(a, [x, x + 1], mode="clip"), (np.array([-5, 1, 9, 0]), M)),
    Case("choose wrap", lambda a, x: T.choose(a, [x, x + 1], "wrap"), lambda a, x: np.choose(a, [x, x + 1], mode="wrap"), (np.array([-5, 1, 9, 0]), M)),
    Case("broadcast", lambda x, y: T.broadcast_arrays(x[:, None], y)[0], lambda x, y: np.broadcast_arrays(x[:, None], y)[0], (V, V[:3])),
    Case("broadcast other", lambda x, y: T.broadcast_arrays(x[:, None], y)[1], lambda x, y: np.broadcast_arrays(x[:, None], y)[1], (V, V[:3])),
    Case("atleast_3d", T.atleast_3d, np.atleast_3d, (V,)),
    Case("atleast_3d of a matrix", T.atleast_3d, np.atleast_3d, (M,)),
    Case("atleast_2d", T.atleast_2d, np.atleast_2d, (V,)),
    *(
        Case(f"linspace {n} {end} axis={axis}", lambda a, b, n=n, e=end, k=axis: T.linspace(a, b, n, e, axis=k),
             lambda a, b, n=n, e=end, k=axis: np.linspace(a, b, n, e, axis=k), (V, V[::-1] * 2))
        for n in (0, 1, 2, 7) for end in (True, False) for axis in (0, -1)
    ),
    Case("logspace", lambda a, b: T.logspace(a, b, 5), lambda a, b: np.logspace(a, b, 5), (V, V + 1)),
    Case("geomspace", lambda a, b: T.geomspace(-T.exp(a), -T.exp(b), 6), lambda a, b: np.geomspace(-np.exp(a), -np.exp(b), 6), (V, V + 1)),
    *(
        Case(f"meshgrid {how} {sparse} {k}", lambda a, b, h=how, s=sparse, k=k: T.meshgrid(a, b, indexing=h, sparse=s)[k],
             lambda a, b, h=how, s=sparse, k=k: np.meshgrid(a, b, indexing=h, sparse=s)[k], (V, V[:2]))
        for how in ("xy", "ij") for sparse in (False, True) for k in (0, 1)
    ),
    *(
        Case(f"quantile {method} axis={axis} keepdims={keep}", lambda x, m=method, a=axis, k=keep: T.quantile(x, [0.0, 0.3, 0.5, 1.0], a, m, k),
             lambda x, m=method, a=axis, k=keep: np.quantile(x, [0.0, 0.3, 0.5, 1.0], a, method=m, keepdims=k), (C,))
        for method in ("linear", "lower", "higher", "nearest", "midpoint") for axis, keep in [(None, False), (1, True), ((0, 2), False)]
    ),
    Case("percentile", lambda x: T.percentile(x, 35, 1), lambda x: np.percentile(x, 35, 1), (M,)),
    Case("median", lambda x: T.median(x, 0, keepdims=True), lambda x: np.median(x, 0, keepdims=True), (M,)),
    Case("cov", T.cov, np.cov, (M,)),
    Case("cov of columns and more", lambda x: T.cov(x, x**2, rowvar=False, bias=True), lambda x: np.cov(x, x**2, rowvar=False, bias=True), (M,)),
    Case("cov with weights", lambda x, w: T.cov(x, fweights=[1, 2, 1, 3], aweights=w),
         lambda x, w: np.cov(x, fweights=[1, 2, 1, 3], aweights=w), (M, np.array([0.5, 1.0, 2.0, 0.1]))),
    Case("variance by cov", T.cov, np.cov, (V,)),
]  # fmt: skip

PLACES = [
    Case(f"unravel_index {k}", lambda i, k=k: T.unravel_index(i, (2, 3, 4))[k], lambda i, k=k: np.unravel_index(i, (2, 3, 4))[k], (np.array([0, 23, 7]),))
    for k in range(3)
] + [
    Case(f"ravel_multi_index {m}", lambda i, j, m=m: T.ravel_multi_index((i, j), (3, 4), m), lambda i, j, m=m: np.ravel_multi_index((i, j), (3, 4), m), (i, j))
    for m, i, j in [("raise", np.array([0, 2]), np.array([3, 1])), ("clip", np.array([-1, 9]), np.array([3, 7])), ("wrap", np.array([-1, 9]), np.array([3, 7]))]
]  # fmt: skip


@pytest.mark.parametrize("case", [*CASES, *PLACES, *COUNTED], ids=lambda c: c.name)
def test_values(case):
    check_values(case)


@pytest.mark.parametrize("case", [*CASES, *COUNTED], ids=lambda c: c.name)
def test_gradients(case):
    check_gradient(case)


@pytest.mark.skipif(find_compiler() is None, reason="needs a C compiler")
@pytest.mark.parametrize("start", range(6))
def test_compiled(start):
    check_compiled([*CASES, *PLACES][start::6])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", COUNTED, ids=lambda c: c.name)
def test_counts_in_both_modes(case, mode):
    inputs = case.inputs()
    got = function(inputs, case.graph(*inputs), mode=mode)(*case.arrays)
    np.testing.assert_array_equal(got, case.numpy(*case.arrays))


def test_quantiles_at_the_edges():
    x = T.dvector("x")
    for values in ([np.nan, 1.0, 2.0], [np.inf, np.inf, 1.0], [5.0], [-np.inf, 0.0]):
        array = np.array(values)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = np.median(array)
        np.testing.assert_array_equal(T.median(x).eval({x: array}), expected)
    assert T.quantile(x, [0.0, 0.1]).eval({x: np.array([np.inf, np.inf])}).tolist() == [np.inf, np.inf]


def test_grids_by_slices():
    np.testing.assert_array_equal(T.mgrid[0:3, 1:7:2].eval(), np.mgrid[0:3, 1:7:2])
    np.testing.assert_allclose(T.mgrid[0:1:5j].eval(), np.mgrid[0:1:5j])
    for got, expected in zip(T.ogrid[0:3, 1:7:2], np.ogrid[0:3, 1:7:2], strict=True):
        np.testing.assert_array_equal(got.eval(), expected)
    n = T.lscalar("n")
    np.testing.assert_array_equal(T.mgrid[0:n].eval({n: 4}), np.arange(4))
    np.testing.assert_array_equal(
        T.linspace(0, 10, 4, dtype="int64").eval(), np.linspace(0, 10, 4, dtype="int64")
    )


def test_what_is_refused():
    x, i = T.dvector("x"), T.lvector("i")
    for call, error, text in [
        (lambda: T.repeat(x, 1.5), TypeError, "repeats are integers"),
        (lambda: T.repeat(x, [1, 2]).eval({x: np.zeros(3)}), ValueError, "2 counts for an axis of length 3"),
        (lambda: T.repeat(x, [1, -2]).eval({x: np.zeros(2)}), ValueError, "a count is negative: -2"),
        (lambda: T.pad(x, 1, "mean"), ValueError, "pad: mode is one of"),
        (lambda: T.pad(x, ((1, 2), (3, 4))), ValueError, "pad_width"),
        (lambda: T.pad(x, -1), ValueError, "not negative"),
        (lambda: T.roll(x, (1, 2), (0,)), ValueError, "2 shifts for 1 axes"),
        (lambda: T.choose(i, [x, x]).eval({i: np.array([2]), x: np.zeros(1)}), IndexError, "out of bounds"),
        (lambda: T.choose(i, [x, x]).eval({i: np.array([-1]), x: np.zeros(1)}), IndexError, "out of bounds"),
        (lambda: T.choose(i, []), ValueError, "nothing to choose from"),
        (
            lambda: T.unravel_index(i, (2, 3)).__getitem__(0).eval({i: np.array([6])}),
            IndexError,
            "out of bounds",
        ),
        (lambda: T.ravel_multi_index((i,), (2, 3)), ValueError, "1 arrays of places for 2 axes"),
        (lambda: T.quantile(x, 1.5), ValueError, r"q lies in \[0, 1\]"),
        (lambda: T.quantile(x, 0.5, method="best"), ValueError, "method is one of"),
        (lambda: T.median(x).eval({x: np.zeros(0)}), IndexError, "out of bounds"),
        (lambda: T.cov(T.dtensor3()), ValueError, "cov takes"),
        (lambda: T.linspace(0, 1, -1), ValueError, "num is not negative"),
        (lambda: T.meshgrid(x, indexing="yx"), ValueError, "indexing is 'xy' or 'ij'"),
        (lambda: T.mgrid[3], TypeError, "mgrid takes slices"),
    ]:
        with pytest.raises(error, match=text):
            call()
