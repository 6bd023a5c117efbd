"""Loaded programs: graphs as functions, densities over R^n, maps over rows."""

from __future__ import annotations

import ctypes
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import probgraph.engine.operators  # noqa: F401
from probgraph.engine import toolchain
from probgraph.engine.autodiff import grad
from probgraph.engine.compiled import CompiledGraph, compile_density, compile_rows
from probgraph.engine.graph import FunctionGraph, Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import linalg
from probgraph.engine.ops.cumulative import cumsum
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.shared import shared
from probgraph.engine.types import TensorType

pytestmark = pytest.mark.skipif(toolchain.find_compiler() is None, reason="needs a C compiler")

RNG = np.random.default_rng(3)


def root(name: str, *shape: int) -> Variable:
    return TensorType("float64", shape)(name)


def call(density, q: np.ndarray) -> tuple[int, float, np.ndarray]:
    function = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 4)(density.address)
    data = density.new_data()
    gradient, logp = np.full(density.dim, np.nan), np.full(1, np.nan)
    code = function(q.ctypes.data, gradient.ctypes.data, logp.ctypes.data, data.address)
    return code, float(logp[0]), gradient


def regression():
    X, y = RNG.normal(size=(40, 3)), RNG.normal(size=40)
    beta, tau = root("beta", 3), root("tau")
    residual = (as_variable(y) - as_variable(X).dot(beta)) / ew.exp(tau)
    return [beta, tau], (-0.5 * residual**2 - tau).sum() - 0.5 * (beta**2).sum()


def test_a_density_is_its_graph_and_gradient():
    roots, logp = regression()
    gradients = grad(logp, roots)
    density = compile_density(roots, logp, gradients)
    assert density.dim == 4
    for scale in (0.0, 0.1, 3.0):
        q = RNG.normal(size=4) * scale
        code, value, gradient = call(density, q)
        expected = numpy_function(FunctionGraph(roots, [logp, *gradients]))([q[:3], q[3]])
        assert code == 0
        np.testing.assert_allclose(value, expected[0], 1e-12)
        np.testing.assert_allclose(gradient, np.hstack(expected[1:]), 1e-11, 1e-11)


def test_a_density_is_reentrant():
    roots, logp = regression()
    density = compile_density(roots, logp, grad(logp, roots))
    points = [RNG.normal(size=4) for _ in range(200)]
    alone = [call(density, q) for q in points]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda q: call(density, q), points))
    for a, b in zip(alone, together, strict=True):
        assert a[1] == b[1]
        np.testing.assert_array_equal(a[2], b[2])


def test_a_density_takes_shared_data_when_a_thread_begins():
    data = shared(np.arange(3.0), name="data")
    mu = root("mu")
    logp = -0.5 * ((data - mu) ** 2).sum()
    density = compile_density([mu], logp, [grad(logp, mu)])
    assert call(density, np.zeros(1))[1] == -2.5
    data.set_value(np.zeros(3))
    assert call(density, np.zeros(1))[1] == 0
    data.set_value(np.zeros(4))
    with pytest.raises(ValueError, match=r"data has shape \(4,\); the density was compiled for \(3,\)"):
        density.new_data()


def test_where_a_factorisation_fails_the_density_returns_nonzero():
    a = root("a")
    matrix = as_variable(np.ones((2, 2))) + a * as_variable(np.eye(2))
    logp = ew.log(linalg.diagonal(linalg.cholesky(matrix))).sum()
    density = compile_density([a], logp, [grad(logp, a)])
    assert call(density, np.array([1.0]))[0] == 0
    assert call(density, np.array([-5.0]))[0] != 0


def test_a_density_needs_known_shapes():
    v = TensorType("float64", (None,))("v")
    with pytest.raises(TypeError, match="v is a TensorType.*known shape"):
        compile_density([v], v.sum(), [grad(v.sum(), v)])


def test_rows_are_one_call_each():
    mu, z = root("mu"), root("z", 2)
    outputs = [mu, mu + ew.exp(mu) * z, (z[:, None] * z).sum(0), as_variable(np.arange(2.0)) + mu]
    rows = compile_rows([mu, z], outputs)
    q = RNG.normal(size=(7, 3))
    results = rows(q)
    run = numpy_function(FunctionGraph([mu, z], outputs))
    for r, row in enumerate(q):
        for got, expected in zip(results, run([row[0], row[1:]]), strict=True):
            np.testing.assert_allclose(got[r], expected, 1e-13)
    assert [r.shape for r in rows(q[:0])] == [(0,), (0, 2), (0, 2), (0, 2)]
    with pytest.raises(ValueError, match=r"rows of length 3 are needed, got shape \(7, 2\)"):
        rows(q[:, :2])


def test_a_function_may_be_called_from_several_threads():
    v = TensorType("float64", (None,))("v")
    function = CompiledGraph(FunctionGraph([v], [ew.exp(v).sum(), v * 2]))
    arrays = [RNG.normal(size=n % 50) for n in range(400)]
    with ThreadPoolExecutor(4) as pool:
        for array, (total, doubled) in zip(arrays, pool.map(lambda a: function([a]), arrays), strict=True):
            np.testing.assert_allclose(total, np.exp(array).sum())
            np.testing.assert_array_equal(doubled, 2 * array)


def test_a_deep_formula_is_compiled():
    x = y = root("x")
    for _ in range(3000):
        y = ew.sin(y) + 0.1
    (value,) = CompiledGraph(FunctionGraph([x], [y]))([np.array(0.3)])
    expected = 0.3
    for _ in range(3000):
        expected = np.sin(expected) + 0.1
    np.testing.assert_allclose(value, expected, 1e-9)


def test_scratch_grows_before_it_is_too_small():
    """Aligned parts begin up to 63 bytes behind the start, and so does what they need."""
    x = TensorType("float64", (None,))("x")
    f = CompiledGraph(FunctionGraph([x], [cumsum(x) * 2]))
    for n in range(8, 800, 8):
        f([np.ones(n)])
        first, whole = f._table[f._scratch_slot], f._scratch
        assert first + f._sizes[len(f._sizes) - 1] <= whole.ctypes.data + len(whole), n
