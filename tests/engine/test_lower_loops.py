"""Scans lowered to C: what is kept in memory, and that nothing is copied that need not be."""

from __future__ import annotations

import numpy as np
import pytest

import probgraph.engine as theano
import probgraph.engine.tensor as T
from probgraph.engine.compiled import CompiledGraph
from probgraph.engine.graph import FunctionGraph
from probgraph.engine.loops import For, Literal, walk_statements
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.run_loops import run
from probgraph.engine.toolchain import find_compiler

pytestmark = pytest.mark.skipif(find_compiler() is None, reason="needs a C compiler")

STEPS = 50


def agree(inputs, outputs, arrays) -> CompiledGraph:
    graph = FunctionGraph(inputs, outputs)
    compiled = CompiledGraph(graph)
    expected = numpy_function(graph)(arrays)
    for c, p, n in zip(compiled(arrays), run(compiled.program, arrays), expected, strict=True):
        np.testing.assert_allclose(c, n, 1e-10, 1e-12)
        np.testing.assert_allclose(p, n, 1e-10, 1e-12)
    return compiled


def scratch_elements(compiled: CompiledGraph) -> int:
    sizes = [b.size for b in compiled.program.buffers_of("scratch")]
    assert all(isinstance(n, Literal) for n in sizes)
    return sum(n.value for n in sizes)


def serial_loops(compiled: CompiledGraph) -> int:
    return sum(isinstance(s, For) and s.serial for s in walk_statements(compiled.program.body))


def vector(name: str, *shape: int):
    return T.TensorType("float64", shape)(name)


def test_only_the_last_value_of_a_scalar_state_is_kept():
    x, a = vector("x", STEPS), T.dscalar("a")
    h, _ = theano.scan(lambda x, h, a: a * h + x, x, 1.0, a)
    compiled = agree([x, a], [h[-1]], [np.linspace(0, 1, STEPS), np.array(0.5)])
    assert scratch_elements(compiled) == 0


@pytest.mark.parametrize("taps", [[-1], [-1, -2], [-3]])
def test_only_the_last_rows_of_a_vector_state_are_kept(taps):
    longest = -min(taps)
    x, start = vector("x", STEPS, 3), vector("start", longest, 3)
    h, _ = theano.scan(
        lambda x, *h: T.tanh(sum(h)) + x[::-1] * h[0].sum(),
        x,
        {"initial": start, "taps": taps} if longest > 1 else start[0],
    )
    rng = np.random.default_rng(0)
    compiled = agree(
        [x, start], [h[-1], h[-1].sum()], [rng.normal(size=(STEPS, 3)), rng.normal(size=(longest, 3))]
    )
    rows = max(b.size.value for b in compiled.program.buffers_of("scratch") if b.size.value % 3 == 0) // 3
    assert rows == longest + 1
    stores = str(compiled.c_text)
    assert f"% {longest + 1})" in stores


def test_the_way_back_reads_the_states_where_the_way_forward_left_them():
    x, a = vector("x", STEPS), T.dscalar("a")
    h, _ = theano.scan(lambda x, h, a: T.tanh(a * h + x), x, 0.1, a)
    cost = (h**2).sum()
    compiled = agree([x, a], [cost, *theano.grad(cost, [x, a])], [np.linspace(-1, 1, STEPS), np.array(0.7)])
    assert serial_loops(compiled) == 2
    # The states with their past, and what flows into each step: no copies of either.
    assert scratch_elements(compiled) <= 3 * (STEPS + 1)


def test_a_step_may_call_kernels_and_scan_itself():
    K = vector("K", STEPS, 2, 2)
    inner = lambda k, s: (
        s + theano.scan(lambda row, t: t + row.sum(), k, 0.0)[0][-1] * T.log(T.diag(T.slinalg.cholesky(k)))[0]
    )
    h, _ = theano.scan(inner, K, 0.0)
    rng = np.random.default_rng(1)
    a = rng.normal(size=(STEPS, 2, 2))
    agree([K], [h, h[-1]], [a @ a.transpose(0, 2, 1) + np.eye(2)])


def test_a_fixed_matrix_is_computed_once():
    x, M = vector("x", STEPS, 3), vector("M", 3, 3)
    h, _ = theano.scan(lambda x, h, w: w.dot(h) * 0.1 + x, x, np.zeros(3), T.exp(M))
    rng = np.random.default_rng(2)
    compiled = agree([x, M], [h], [rng.normal(size=(STEPS, 3)), rng.normal(size=(3, 3))])
    serial = [s for s in compiled.program.body if isinstance(s, For) and s.serial]
    assert "exp" not in str(serial)


def test_lengths_are_checked_at_the_call():
    x, y, n = T.dvector("x"), T.dvector("y"), T.iscalar("n")
    h, _ = theano.scan(lambda x, y, h: h + x * y, [x, y], 0.0, n_steps=n)
    f = theano.function([x, y, n], h[-1])
    assert f(np.ones(3), np.ones(4), 3) == 3
    with pytest.raises(ValueError, match="steps"):
        f(np.ones(3), np.ones(4), 5)
    with pytest.raises(IndexError):
        f(np.ones(3), np.ones(4), -1)
