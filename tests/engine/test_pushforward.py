"""Loops pushed forward: against finite differences, and against two reverse passes."""

from __future__ import annotations

import numpy as np
import pytest

import probgraph.engine as theano
import probgraph.engine.tensor as T
from probgraph.engine.compiled import CompiledGraph
from probgraph.engine.derivatives import Lop, Rop, hessian, hessian_vector_product, jacobian
from probgraph.engine.graph import FunctionGraph, Variable, rebuild
from probgraph.engine.loop_op import Scan
from probgraph.engine.loops import For, Literal, walk_statements
from probgraph.engine.needed import only_needed
from probgraph.engine.rewrite import run_passes
from probgraph.engine.rules import FAST_RUN
from probgraph.engine.scanning import foldr, scan, until
from probgraph.engine.toolchain import find_compiler

MODES = ["FAST_COMPILE", "FAST_RUN"]
RNG = np.random.default_rng(1)
X, A, S = RNG.normal(size=6), RNG.normal(size=(2, 2)), np.array(0.7)

x = T.TensorType("float64", (None,))("x")
a = T.TensorType("float64", (2, 2))("a")
s = T.dscalar("s")


def several_states():
    def step(x, h, n, m, early):
        return [s * T.tanh(x + h), n + 1, T.dot(a, m) * T.cos(h) + T.cast(n, "float64"), early * x + h, h * x]

    (h, _, m, e, c), _ = scan(step, x, [0.1, 0, a[0], {"initial": x[:3], "taps": [-3]}, None])
    return T.concatenate([h, m.flatten(), e, c])


def nested():
    def row(r, before, w):
        inner, _ = scan(lambda v, h: T.sin(v * w) + h * s, r, before)
        return inner[-1] * before

    return scan(row, a, T.constant(0.5), x.sum())[0]


def ends_early():
    return scan(lambda x, h: (h * s + x**2, until(h > 1.0)), x, T.constant(0.2))[0]


def ends_early_in_a_step():
    def row(r, before):
        inner, _ = scan(lambda v, h: (T.tanh(v * s + h), until(h > 0.3)), T.concatenate([r, x]), before)
        return inner[-1] + 0.1 * inner.sum()

    return scan(row, a, T.constant(0.1))[0]


def one_after_another():
    first, _ = scan(lambda x, h: T.tanh(h * s + x), x, T.constant(0.3))
    second, _ = scan(lambda y, z, m: T.dot(a, m) * T.sin(y) + z, [first, first[::-1] * x], a.sum(axis=0))
    return second[:, 0] * first


#: of x, a and s
LOOPS = {
    "a state": lambda: scan(lambda x, h: T.tanh(s * h + x), x, T.constant(0.1))[0],
    "only the last value": lambda: scan(lambda h: T.tanh(T.dot(a, h)) * s, None, x[:2], n_steps=4)[0][-1],
    "taps": lambda: scan(
        lambda late, early, h1, h3: h1 * early - T.sin(s * h3) * late,
        {"input": x, "taps": [1, -1]},
        {"initial": x[:3], "taps": [-1, -3]},
    )[0],
    "a map": lambda: scan(lambda x: T.exp(s * x) * a.sum(), x)[0],
    "several states": several_states,
    "a state that a step makes move": lambda: scan(lambda h: h * s + 1, outputs_info=2.0, n_steps=3)[0],
    "backwards": lambda: foldr(lambda x, h: h * T.cos(x) + s, x, T.constant(1.0))[0],
    "by places": lambda: scan(lambda i, h: T.inc_subtensor(h[i], x[i] * h[i - 1]), np.array([1, 1, 0]), a[0])[
        0
    ],
    "nested": nested,
    "ends early": ends_early,
    "ends early in a step": ends_early_in_a_step,
    "one after another": one_after_another,
    "a gradient": lambda: theano.grad((scan(lambda x, h: T.tanh(s * h + x), x, s)[0] ** 2).sum(), x),
    "a gradient in a step": lambda: scan(
        lambda v: v - 0.1 * theano.grad(T.sin(v * s).sum() ** 2, v), None, x, n_steps=3
    )[0][-1],
}


def twice_reversed(f, wrt, moves):
    """The textbook's way: the derivative of a reverse pass by what flows into it."""
    flowing = Variable(f.type, "flowing")
    pulled = Lop(f, wrt, flowing, disconnected_inputs="ignore")
    return rebuild([Lop(pulled, flowing, moves)], {flowing: T.zeros_like(f)})[0]


@pytest.mark.parametrize("name", LOOPS)
def test_moves(name):
    f = LOOPS[name]()
    moves = [RNG.normal(size=6), RNG.normal(size=(2, 2)), np.array(-0.4)]
    pushed = Rop(f, [x, a, s], [T.constant(m) for m in moves])
    reversed_ = twice_reversed(f, [x, a, s], [T.constant(m) for m in moves])
    for mode in MODES:
        compiled = theano.function([x, a, s], [f, pushed, reversed_], mode=mode, on_unused_input="ignore")
        at = lambda t: compiled(X + t * moves[0], A + t * moves[1], S + t * moves[2])  # noqa: B023
        _, got, otherwise = at(0)
        np.testing.assert_allclose(got, (at(1e-6)[0] - at(-1e-6)[0]) / 2e-6, 1e-6, 1e-7)
        np.testing.assert_allclose(got, otherwise, 1e-9, 1e-12)


def loops_of(outputs):
    outputs = only_needed(run_passes(outputs, FAST_RUN))
    return [node.op for node in FunctionGraph([x, a, s], outputs).toposort() if isinstance(node.op, Scan)]


@pytest.mark.skipif(find_compiler() is None, reason="needs a C compiler")
def test_a_loop_pushed_forward_keeps_nothing():
    h, _ = scan(lambda h: T.tanh(s * h), outputs_info=0.3, n_steps=1000)
    pushed = Rop(h[-1], s, T.constant(1.0))
    (loop,) = loops_of([pushed])
    assert str(loop) == "for{cpu,move_of_scan_fn}"
    compiled = CompiledGraph(FunctionGraph([s], run_passes([pushed], FAST_RUN)))
    assert sum(isinstance(t, For) for t in walk_statements(compiled.program.body)) == 1
    sizes = [b.size for b in compiled.program.buffers_of("scratch")]
    assert all(isinstance(n, Literal) and n.value < 10 for n in sizes)


def test_what_does_not_move_is_left_out():
    """Of a linear loop the move does not depend on the state; a state that nobody reads is not kept."""
    (h, _), _ = scan(lambda x, h, g: [0.5 * h + x, T.sin(g) * x], x, [0.0, 1.0])
    (loop,) = loops_of([Rop(h, x, T.ones_like(x))])
    assert (len(loop.taps), loop.sequences) == (1, 1)
    count, _ = scan(lambda x, n: n + T.cast(x > 0, "int64"), x, 0)
    with pytest.raises(theano.DisconnectedInputError, match="does not depend"):
        Rop(count, x, T.ones_like(x))
    with pytest.raises(theano.DisconnectedInputError, match="does not depend"):
        Rop(h, s, s)
    flat, _ = scan(lambda x, h: T.floor(x) + T.floor(h), x, 0.0)
    assert Rop(flat, x, x).eval({x: X}).tolist() == [0] * 6
    flat, _ = scan(lambda x, h: x + h, T.floor(x), 0.0)
    assert Rop(flat, x, x).eval({x: X}).tolist() == [0] * 6


def test_a_cut_off_gradient_moves_as_its_reverse_says():
    """What `truncate_gradient` makes of a loop's derivative is not what the loop does: both ways agree about it."""
    h, _ = scan(lambda x, h: T.tanh(s * h + x), x, 0.0, truncate_gradient=2)
    cost = (h**2).sum()
    pushed = Rop(cost, x, T.ones_like(x))
    got, slope = theano.function([x, s], [pushed, theano.grad(cost, x)])(X, S)
    assert got == pytest.approx(slope.sum(), rel=1e-12)
    assert slope[:4].tolist() == [0] * 4


@pytest.mark.parametrize("mode", MODES)
def test_products_with_a_hessian(mode):
    h, _ = scan(lambda x, h: T.tanh(s * h + x), x, s)
    cost = (h**2).sum() * s
    to_x, to_s = hessian_vector_product(cost, [x, s], [T.cos(x), T.constant(2.0)])
    slopes = theano.grad(cost, [x, s])
    f = theano.function([x, s], [to_x, to_s, *slopes], mode=mode)
    got_x, got_s, _, _ = f(X, S)
    move = np.cos(X)
    plus, minus = (f(X + t * move, S + 2 * t) for t in (1e-6, -1e-6))
    np.testing.assert_allclose(got_x, (plus[2] - minus[2]) / 2e-6, 1e-6, 1e-7)
    np.testing.assert_allclose(got_s, (plus[3] - minus[3]) / 2e-6, 1e-6, 1e-7)
    names = {str(loop) for loop in loops_of([to_x, to_s])}
    assert not any("grad_of_grad" in name for name in names), names


@pytest.mark.parametrize("mode", MODES)
def test_jacobian_by_few_numbers(mode):
    start = T.TensorType("float64", (2,))("start")
    path, _ = scan(lambda v: T.tanh(T.dot(a, v)) + s * v, outputs_info=start, n_steps=7)
    by_start, by_s = jacobian(path, [start, s])
    assert {str(loop) for loop in loops_of([by_start, by_s])} == {"for{cpu,move_of_scan_fn}"}
    rows = jacobian(path, [start, s], vectorize=True)
    at = np.array([0.3, -0.8])
    got, slope, *expected = theano.function([start, a, s], [by_start, by_s, *rows], mode=mode)(at, A, S)
    assert got.shape == (7, 2, 2)
    assert slope.shape == (7, 2)
    np.testing.assert_allclose(got, expected[0], 1e-10, 1e-12)
    np.testing.assert_allclose(slope, expected[1], 1e-10, 1e-12)
    second = hessian((path**2).sum(), start).eval({start: at, a: A, s: S})
    slopes = theano.function(
        [start], theano.grad((path**2).sum(), start), givens={a: T.constant(A), s: T.constant(S)}
    )
    columns = [(slopes(at + e) - slopes(at - e)) / 2e-6 for e in np.eye(2) * 1e-6]
    np.testing.assert_allclose(second, np.array(columns).T, 1e-5, 1e-7)
    with pytest.raises(theano.DisconnectedInputError):
        jacobian(path, [start, T.dscalar("other")])
