"""Sums in vector types: the same values as the loops they stand for, for any length, and no other loops."""

from __future__ import annotations

import numpy as np
import pytest

from probgraph.engine import tensor as T
from probgraph.engine import toolchain
from probgraph.engine.function import function

pytestmark = pytest.mark.skipif(not toolchain.vector_types(), reason="needs gcc or clang")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_products_and_sums_of_every_length(dtype):
    a, b, m = T.vector("a", dtype), T.vector("b", dtype), T.matrix("m", dtype)
    outputs = [
        T.dot(a, b),
        T.sum(a - 2 * b),
        T.sum(a * a / (b * b + 1)),
        T.dot(m, a),
        T.dot(a[1:], b[:-1]),
        T.sum(-a),
    ]
    compiled = function([a, b, m], outputs)
    assert "_parts" in str(compiled.explain())
    for n in (1, 2, 7, 8, 9, 15, 16, 17, 40, 101):
        random = np.random.default_rng(n)
        x, y, z = (random.normal(size=s).astype(dtype) for s in (n, n, (3, n)))
        found = compiled(x, y, z)
        truth = [x @ y, (x - 2 * y).sum(), (x * x / (y * y + 1)).sum(), z @ x, x[1:] @ y[:-1], -x.sum()]
        for one, other in zip(found, truth, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12 if dtype == "float64" else 2e-5, atol=1e-5)


def test_infinities_and_nan_are_kept():
    a, b = T.dvector("a"), T.dvector("b")
    total = function([a, b], T.dot(a, b))
    ones = np.ones(20)
    for place in (0, 7, 17):
        x = ones.copy()
        x[place] = np.inf
        assert total(x, ones) == np.inf
        x[place] = np.nan
        assert np.isnan(total(x, ones))


def test_the_sums_of_other_dtypes_and_with_conditions_are_other_loops():
    n, x = T.lvector("n"), T.dvector("x")
    outputs = [T.sum(n), T.sum(T.switch(x > 0, x, 0)), T.sum(x[::2]), T.prod(x)]
    compiled = function([n, x], outputs)
    assert "_parts" not in str(compiled.explain())
    at = np.arange(21) - 4
    found = compiled(at, at / 7)
    np.testing.assert_allclose(found, [at.sum(), at[at > 0].sum() / 7, at[::2].sum() / 7, 0.0])
