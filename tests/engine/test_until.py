"""Loops that end when their values say so, in C: as many steps as NumPy makes, whatever is made of the results."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq

import probgraph.engine as theano
import probgraph.engine.tensor as T
from probgraph.engine.bounds import at_most
from probgraph.engine.compiled import CompiledGraph, compile_density
from probgraph.engine.graph import FunctionGraph
from probgraph.engine.loops import (
    ZERO,
    Compute,
    Name,
    ScalarFunction,
    add,
    choose,
    divide,
    integer,
    less,
    maximum,
    minimum,
    multiply,
    remainder,
    subtract,
)
from probgraph.engine.rewrite import run_passes
from probgraph.engine.rules import FAST_RUN
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.run_loops import run
from probgraph.engine.scanning import scan, until
from probgraph.engine.toolchain import find_compiler
from probgraph.samplers.density import LogDensity

needs_compiler = pytest.mark.skipif(find_compiler() is None, reason="needs a C compiler")


def agree(inputs, outputs, *calls) -> CompiledGraph:
    """C, loops in Python and NumPy give the same; each call is the arrays of one."""
    graph = FunctionGraph(inputs, run_passes(outputs, FAST_RUN))
    compiled = CompiledGraph(graph)
    for arrays in calls:
        arrays = [np.asarray(a) for a in arrays]
        expected = numpy_function(graph)(arrays)
        for c, p, n in zip(compiled(arrays), run(compiled.program, arrays), expected, strict=True):
            assert c.shape == p.shape == n.shape
            np.testing.assert_allclose(c, n, 1e-10, 1e-12)
            np.testing.assert_allclose(p, n, 1e-10, 1e-12)
    return compiled


def gradients_agree(cost, roots, arrays, rtol=1e-5):
    """Gradients in C against central differences of the cost."""
    f = theano.function(roots, [cost, *theano.grad(cost, roots)])
    assert f.maker.executable.backend == "C"
    _, *found = f(*arrays)
    for i, g in enumerate(found):
        for place in np.ndindex(g.shape):
            sides = []
            for sign in (1, -1):
                moved = [np.array(a, "float64") for a in arrays]
                moved[i][place] += sign * 1e-6
                sides.append(f(*moved)[0])
            np.testing.assert_allclose(g[place], (sides[0] - sides[1]) / 2e-6, rtol, 1e-7)


def leaky(x, h0, w):
    """A sum that leaks, until it is over 5."""

    def step(x, h):
        new = h * w + x
        return new, until(new > 5)

    return scan(step, x, h0)[0]


XS = np.array([1.0, 1.5, 2.0, 3.0, 9.0, 9.0])
#: ends after 4 steps of 6; does not end; ends with the first
CALLS = [(XS, 0.5, 0.9), (np.zeros(3), 0.5, 0.9), (np.array([100.0, 1.0]), 0.5, 0.9)]


@needs_compiler
def test_whatever_is_made_of_the_results():
    x, h0, w = T.dvector("x"), T.dscalar("h0"), T.dscalar("w")
    h = leaky(x, h0, w)
    made = h.shape[0]
    outputs = [
        h,
        h[-1],
        made,
        h[::-1] + 1,
        h[1:].sum(),
        T.arange(made),
        h[:, None] * x[:2],
        T.concatenate([h, x]),
    ]
    outputs += [
        x[:made] * h,
        T.zeros((made, 3)),
        h[: made // 2],
        T.outer(h, h).sum(axis=0),
        T.zeros(x.shape[0] - made),
    ]
    agree([x, h0, w], outputs, *CALLS)


@needs_compiler
def test_lengths_that_do_not_fit_are_found_out_after_the_loop():
    x, y, h0, w = T.dvector("x"), T.dvector("y"), T.dscalar("h0"), T.dscalar("w")
    total = theano.function([x, h0, w, y], (leaky(x, h0, w) * y).sum())
    assert total(*CALLS[0], np.arange(4.0)) == pytest.approx(
        (np.arange(4) * leaky(x, h0, w).eval(dict(zip([x, h0, w], CALLS[0], strict=True)))).sum()
    )
    with pytest.raises(ValueError, match="mis-match"):
        total(*CALLS[0], np.arange(6.0))
    nothing = theano.function([x, h0, w], leaky(x, h0, w)[-1])
    with pytest.raises(IndexError):
        nothing(np.zeros(0), 0.5, 0.9)


@needs_compiler
def test_lengths_that_are_compared_in_a_step_of_a_later_loop():
    x, h0, w = T.dvector("x"), T.dscalar("h0"), T.dscalar("w")
    h = leaky(x, h0, w)
    written, _ = scan(lambda v: T.inc_subtensor((T.zeros((5,)) + v)[1:], h)[1:], x)
    f = theano.function([x, h0, w], written)
    assert f.maker.executable.backend == "C"
    np.testing.assert_allclose(
        f(*CALLS[0]), XS[:, None] + h.eval(dict(zip([x, h0, w], CALLS[0], strict=True)))
    )
    for call in CALLS[1:]:
        with pytest.raises(ValueError, match="mis-match"):
            f(*call)


@needs_compiler
def test_gradient():
    x, h0, w = T.dvector("x"), T.dscalar("h0"), T.dscalar("w")
    h = leaky(x, h0, w)
    cost = (h**2).sum() + h[-1] + (h * T.arange(h.shape[0])).sum()
    roots = [x, h0, w]
    agree(roots, [cost, *theano.grad(cost, roots)], *CALLS)
    for call in CALLS:
        gradients_agree(cost, roots, call)
    slopes = theano.grad(cost, roots)
    gradients_agree(sum((g**2).sum() for g in slopes), roots, CALLS[0])


@needs_compiler
def test_taps_and_vector_states_and_outputs_that_do_not_feed_back():
    x, past, m = T.dvector("x"), T.dmatrix("past"), T.dmatrix("m")

    def step(x, early, late, m):
        new = T.tanh(T.dot(m, late)) + 0.3 * early * x
        return [new, (new**2).sum(), x + 1], until((new**2).sum() < 0.4)

    (h, size, _), _ = scan(step, x, [{"initial": past, "taps": [-3, -1]}, None, None], m)
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=9), rng.normal(size=(3, 2)), rng.normal(size=(2, 2))]
    assert 0 < h.eval(dict(zip([x, past, m], arrays, strict=True))).shape[0] < 9
    last = agree([x, past, m], [h[-1]], arrays)
    assert "% 4)" in last.c_text  # only so many rows are kept
    cost = h.sum() + (size * T.arange(size.shape[0])).sum()
    agree([x, past, m], [h, size, cost, *theano.grad(cost, [x, past, m])], arrays)
    gradients_agree(cost, [x, past, m], arrays)


@needs_compiler
def test_a_loop_that_ends_early_in_a_step_of_another_that_does():
    m, w = T.dmatrix("m"), T.dscalar("w")

    def row(r, before):
        inner, _ = scan(lambda v, h: (T.tanh(v * w + h), until(h > 0.3)), r, before)
        new = inner[-1] + 0.1 * inner.sum() + 0.01 * (inner * r[: inner.shape[0]]).sum()
        return [new, T.cast(inner.shape[0], "float64")], until(new < -0.5)

    (result, lengths), _ = scan(row, m, [T.constant(0.1), None])
    cost = (result**2 * lengths).sum()
    rng = np.random.default_rng(5)
    arrays = [rng.normal(size=(6, 5)), 0.8]
    counts = lengths.eval(dict(zip([m, w], arrays, strict=True)))
    assert 1 < len(counts) <= 6
    assert len(set(counts)) > 1
    agree([m, w], [result, lengths, cost, *theano.grad(cost, [m, w])], arrays, (np.zeros((2, 3)), 0.5))
    gradients_agree(cost, [m, w], arrays)


@needs_compiler
def test_what_a_step_collects_cannot_be_as_long_as_a_loop_in_it_goes_on():
    """Then there is no telling where in memory a row begins: NumPy says at the call whether lengths agree."""
    m = T.dmatrix("m")
    result, _ = scan(lambda r: scan(lambda v, h: (v + h, until(h > 1)), r, 0.0)[0], m)
    f = theano.function([m], result)
    assert f.maker.executable.backend.startswith("NumPy")
    assert f(np.zeros((2, 3))).shape == (2, 3)
    with pytest.raises(ValueError, match="shape"):
        f(np.array([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0]]))


@needs_compiler
def test_no_more_memory_is_used_than_steps_are_made():
    """A number of steps that stands for "as many as it takes"."""
    w = T.dvector("w")
    h, _ = scan(lambda h: (h * w, until(h.sum() < 1e-3)), outputs_info=T.ones_like(w), n_steps=10**8)
    f = theano.function([w], [h[-1], h.shape[0]])
    last, made = f([0.5, 0.25])
    assert made == 11
    np.testing.assert_allclose(last, [0.5**11, 0.25**11])
    counted, _ = scan(lambda n: (n + 1, until(n >= 4)), outputs_info=np.int64(0), n_steps=10**7)
    rows = theano.function([], counted)()
    assert rows.tolist() == [1, 2, 3, 4, 5]
    assert rows.base is None


@needs_compiler
def test_a_density_may_solve_an_equation_by_iteration():
    """x = cos(c x) to machine precision inside a log density; its gradient by the implicit function theorem."""
    c = T.TensorType("float64", (1,))("c")
    start = T.zeros_like(c[0]) + 0.7
    newton = lambda x, c: x - (x - T.cos(c * x)) / (1 + c * T.sin(c * x))
    x, _ = scan(
        lambda x, c: (newton(x, c), until(abs(newton(x, c) - x) < 1e-15)), None, start, c[0], n_steps=50
    )
    compiled = compile_density([c], x[-1], theano.grad(x[-1], [c]))
    density = LogDensity(compiled.dim, compiled.address, compiled.new_data, compiled)
    value, slope = density(np.array([0.8]))
    root = brentq(lambda x: x - np.cos(0.8 * x), 0, 1, xtol=1e-15)
    assert value == pytest.approx(root, rel=1e-14)
    s = np.sin(0.8 * root)
    assert slope[0] == pytest.approx(-root * s / (1 + 0.8 * s), rel=1e-12)


def test_updates_of_the_last_step_made():
    count = theano.shared(np.int64(0), "count")
    x = T.dvector("x")
    _, updates = scan(lambda x: ([x], {count: count + 1}, until(x > 2)), x)
    f = theano.function([x], [], updates=updates)
    f([1.0, 3.0, 1.0, 1.0])
    assert count.get_value() == 2
    f([])
    assert count.get_value() == 2


def test_the_largest_that_a_length_can_be():
    """Each expression, over all values of its names, is no larger than what is said; and that is reached, or near."""
    n, made = Name("n"), Name("made0")
    k = integer(3)
    shorter = subtract(made, k)
    cases = [
        made,
        add(made, n),
        subtract(n, made),
        multiply(shorter, k),
        multiply(shorter, integer(-2)),
        multiply(shorter, shorter),
        divide(shorter, integer(2)),
        remainder(made, k),
        maximum(shorter, k),
        minimum(subtract(k, made), n),
        choose(less(made, k), add(made, n), k),
    ]

    def value(e, names):
        match e:
            case Name():
                return names[e.name]
            case Compute():
                return e.function.python(*(value(a, names) for a in e.args))
        return e.value

    for e in cases:
        bound = at_most(e, {"made0": add(n, integer(1))})
        for length in range(6):
            most = value(bound, {"n": length})
            found = [value(e, {"n": length, "made0": m}) for m in range(length + 2)]
            assert max(found) <= most
            assert most <= max(*found, 0) + 16
    odd = Compute(ScalarFunction("odd", "odd({0})", lambda a: a % 2), (made,), "int64")
    with pytest.raises(NotImplementedError, match="only known in NumPy"):
        at_most(odd, {"made0": ZERO})
