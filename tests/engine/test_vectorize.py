"""Graphs over new leading dimensions: each against the same graph on one element of the batch after another."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

import probgraph.engine.tensor as T
from probgraph.engine.barriers import zero_grad
from probgraph.engine.function import function
from probgraph.engine.graph import toposort
from probgraph.engine.ifelse import ifelse
from probgraph.engine.inner_graph import OpFromGraph
from probgraph.engine.loop_op import Scan
from probgraph.engine.op import Op
from probgraph.engine.ops.random import DISTRIBUTIONS
from probgraph.engine.scanning import scan, until
from probgraph.engine.shared import shared
from probgraph.engine.types import TensorType
from probgraph.engine.vectorize import vectorize_graph

RNG = np.random.default_rng(3)
V, W = RNG.normal(size=3), RNG.normal(size=3)
M, N = RNG.normal(size=(2, 3)), RNG.normal(size=(3, 4))
C = RNG.normal(size=(2, 3, 4))
I = np.array([2, 0, 0, 1])
P = np.array([[0, 1, 1], [1, 0, 1]])
K = np.int64(1)
SPD = np.eye(3) * 3 + V[:, None] * V
LOW = np.tril(SPD)

DOUBLE = (lambda x: OpFromGraph([x], [T.exp(x) * 2]))(T.dvector())


def _running(x, h):
    return scan(lambda s, before: T.tanh(s + 0.5 * before), x, h)[0]


def _fibonacci(past, a):
    return scan(lambda two, one, a: a * two + one, None, {"initial": past, "taps": [-2, -1]}, a, 4)[0]


def _becomes_batched(x):
    """A state that begins without a batch and gets one in the second step, from another state."""
    states = scan(lambda s, a, b: [a + s, b + a], x, [np.float64(0), np.float64(1)])[0]
    return states[1]


#: a formula, and values of its inputs, each of which is batched or not
CASES = {
    "elementwise of one rank": (lambda x, y: T.exp(x) * y - 2, V, W),
    "elementwise of two ranks": (lambda x, m, k: T.switch(m > 0, m * x, k), V, M, np.float64(0.5)),
    "fill": (lambda x, k: T.fill(x, k), V, np.float64(0.5)),
    "clip (a composite)": (lambda x, k: T.clip(x, -0.1, k), V, np.float64(0.5)),
    "cast": (lambda x: T.cast(x, "int32"), V * 10),
    "sum along an axis": (lambda m: m.sum(axis=1), M),
    "sum of all": (lambda c: (c * c).sum(), C),
    "max, keeping axes": (lambda c: c.max(axis=(0, 2), keepdims=True), C),
    "mean, variance": (lambda c: c.mean(axis=-1) + c.var(axis=2), C),
    "logsumexp": (lambda m: T.logsumexp(m, axis=0), M),
    "softmax": (lambda m: T.softmax(m, axis=1), M),
    "any": (lambda m: (m > 1).any(axis=0), M),
    "transpose": (lambda c: c.transpose(2, 0, 1), C),
    "new axes": (lambda x, m: x[None, :, None] + m.T[None], V, M),
    "shape": (lambda m, x: m.shape[0] * x, M, V),
    "shape alone": (lambda m: T.zeros(m.shape) + m.shape[1], M),
    "reshape": (lambda c: c.reshape((4, 6)), C),
    "reshape with what is left": (lambda c: c.reshape((3, -1)), C),
    "flatten": (lambda c: c.flatten(), C),
    "alloc": (lambda x, k: T.alloc(x, 2, 3) * T.alloc(k, 2, 1), V, np.float64(0.5)),
    "alloc of a symbolic length": (lambda x, m: T.alloc(x, m.shape[0], 3), V, M),
    "join": (lambda x, y: T.concatenate([x, y, T.ones(1)]), V, W),
    "join along the last axis": (lambda m, c: T.join(1, m, c[:, :, 0]), M, C),
    "stack": (lambda x, y: T.stack([x, y], axis=1), V, W),
    "specify_shape": (lambda x: T.specify_shape(x, (3,)) + np.arange(3.0), V),
    "an integer": (lambda m: m[1] + m[-1, 2], M),
    "slices": (lambda c: c[:, ::-1, 1:3], C),
    "an integer that differs": (lambda m, k: m[:, k], M, K),
    "integers that differ, about a slice": (lambda c, k: c[k, 1:, k - 2], C, K),
    "an integer at the front": (lambda c, k: c[k], C, K),
    "a bound that differs": (lambda x, k: x[k : k + 1], V, K),
    "a vector of places": (lambda m, i: m[:, i % 3], M, I),
    "a matrix of places": (lambda c, p: c[p], C, P),
    "places on axes in between": (lambda c, i: c[:, i % 3], C, I),
    "two arrays of places": (lambda c, i, p: c[P[:, :1], :, p], C, I, P),
    "two arrays side by side": (lambda c, i, k: c[:, i % 3, k], C, I, K),
    "set a part": (lambda m, x: T.set_subtensor(m[1], x), M, V),
    "add to a part, stretched": (lambda c, k: T.inc_subtensor(c[:, 1:, ::2], k), C, np.float64(0.5)),
    "add to places": (lambda x, y, i: T.inc_subtensor(x[i % 3], y.sum()), V, W, I),
    "set places on an axis in between": (
        lambda c, m, i: T.set_subtensor(c[:, i % 3], m[1, :, None] * i[:, None]),
        C,
        N,
        I,
    ),
    "add to two arrays of places": (lambda c, x, p: T.inc_subtensor(c[p, :, p + 1], x[0]), C, V, P),
    "add to a part at an index that differs": (lambda m, x, k: T.inc_subtensor(m[k], x), M, V, K),
    "vector times vector": (lambda x, y: T.dot(x, y), V, W),
    "matrix times vector": (lambda m, x: T.dot(m, x), M, V),
    "vector times matrix": (lambda x, n: T.dot(x, n), V, N),
    "matrix times matrix": (lambda m, n: T.dot(m, n), M, N),
    "contraction": (lambda c, m: T.tensordot(c, m, axes=[[0, 1], [0, 1]]), C, M),
    "stacked matmul": (lambda c, n: T.matmul(T.transpose(c, (0, 2, 1)), n[:, :2]), C, N),
    "outer": (lambda x, y: T.outer(x, y), V, W),
    "cholesky": (lambda a: T.cholesky(a), SPD),
    "solve_triangular by a vector": (lambda a, x: T.solve_triangular(a, x, lower=True), LOW, V),
    "solve_triangular by a matrix": (lambda a, n: T.solve_triangular(a, n, lower=True), LOW, N),
    "diagonal and trace": (lambda a: T.diagonal(a) * T.trace(a), SPD),
    "diag of a vector": (lambda x: T.diag(x), V),
    "arange of a length": (lambda x: T.arange(x.shape[0]) * x, V),
    "a barrier": (lambda x: zero_grad(x) + x, V),
    "an op made of a graph": (lambda x: DOUBLE(x)[0] if isinstance(DOUBLE(x), list) else DOUBLE(x), V),
    "scan": (_running, V, np.float64(0.1)),
    "scan with taps": (_fibonacci, V[:2], np.float64(0.5)),
    "scan in which a state becomes a batch": (_becomes_batched, V),
    "nothing of the batch is left": (lambda m: T.ones(3) * m.shape[0], M),
    "the batch itself": (lambda x: x, V),
}


def _wide(value, size):
    """A batch of values like this one: other numbers, other places, matrices of the same kind."""
    if value.dtype.kind == "i":
        return np.stack([(value + k) % 2 for k in range(size)])
    if value.shape == (3, 3):
        return np.stack([value + k * np.eye(3) for k in range(size)])
    return np.stack([value + 0.1 * k for k in range(size)])


def _roots(values):
    return [TensorType(v.dtype, (None,) * v.ndim)(f"x{i}") for i, v in enumerate(values)]


@pytest.mark.parametrize("name", CASES)
def test_a_batch_is_what_its_elements_are(name):
    graph, *values = CASES[name]
    values = [np.asarray(v) for v in values]
    inputs = _roots(values)
    output = graph(*inputs)
    one = function(inputs, output, mode="FAST_COMPILE", on_unused_input="ignore")
    for size, batched in product((2, 1), product((False, True), repeat=len(values))):
        if not any(batched):
            continue
        given = [_wide(v, size) if wide else v for v, wide in zip(values, batched, strict=True)]
        new = [
            TensorType(v.dtype, (None,) * (v.ndim + wide))() for v, wide in zip(values, batched, strict=True)
        ]
        result = vectorize_graph(output, dict(zip(inputs, new, strict=True)))
        expected = [
            one(*(v[k] if wide else v for v, wide in zip(given, batched, strict=True))) for k in range(size)
        ]
        many = function(new, result, mode="FAST_COMPILE", on_unused_input="ignore")
        got = many(*given)
        assert got.dtype == output.dtype and got.ndim == result.ndim
        if result.ndim == output.ndim:
            np.testing.assert_allclose(got, expected[0], 1e-12)
        else:
            np.testing.assert_allclose(got, expected, 1e-12)


def test_batches_in_c():
    """All cases once, compiled as one function."""
    inputs, outputs, arrays, expected = [], [], [], []
    for graph, *values in CASES.values():
        given = [_wide(np.asarray(v), 2) for v in values]
        roots = _roots([np.asarray(v) for v in values])
        new = [TensorType(v.dtype, (None,) * v.ndim)() for v in given]
        result = vectorize_graph(graph(*roots), dict(zip(roots, new, strict=True)))
        if any(isinstance(node.op, Scan) and "batch_of" in str(node.op) for node in toposort([result])):
            continue  # elements one by one: their lengths may be known in NumPy only
        inputs += new
        outputs.append(result)
        arrays += given
        expected.append(function(new, result, mode="FAST_COMPILE", on_unused_input="ignore")(*given))
    assert len(outputs) > 50
    for got, value in zip(
        function(inputs, outputs, on_unused_input="ignore")(*arrays), expected, strict=True
    ):
        assert got.dtype == value.dtype
        np.testing.assert_allclose(got, value, 1e-10, 1e-13)


ONE_BY_ONE = {"a bound that differs", "add to a part at an index that differs"}


@pytest.mark.parametrize("name", CASES)
def test_which_graphs_are_looped_over(name):
    graph, *values = CASES[name]
    values = [np.asarray(v) for v in values]
    inputs = _roots(values)
    new = [TensorType(v.dtype, (None,) * (v.ndim + 1))() for v in values]
    result = vectorize_graph(graph(*inputs), dict(zip(inputs, new, strict=True)))
    looped = [n for n in toposort([result]) if isinstance(n.op, Scan) and "batch_of" in str(n.op)]
    assert bool(looped) == (name in ONE_BY_ONE)


def test_several_leading_dimensions_broadcast():
    x, y = T.dvector("x"), T.dscalar("y")
    wide_x = TensorType("float64", (None, 1, None))()
    wide_y = TensorType("float64", (4,))()
    z = vectorize_graph((x**2).sum() + y, {x: wide_x, y: wide_y})
    a, b = RNG.normal(size=(2, 1, 3)), RNG.normal(size=4)
    np.testing.assert_allclose(z.eval({wide_x: a, wide_y: b}), (a**2).sum(-1) + b)
    # a single batch dimension that is 1 in both stays
    z = vectorize_graph(
        x.sum() + y, {x: TensorType("float64", (1, None))("a"), y: TensorType("float64", (1,))("b")}
    )
    assert z.type.shape == (1,)
    assert z.eval(a=[[1.0, 2]], b=[3.0]).tolist() == [6]


def test_outputs_have_the_batches_they_depend_on():
    x, y = T.dvector("x"), T.dvector("y")
    many_x, many_y = T.dmatrix("xs"), T.dtensor3("ys")
    a, b, c = vectorize_graph([x * 2, y.sum(), T.ones(2)], {x: many_x, y: many_y})
    assert (a.ndim, b.ndim, c.ndim) == (2, 2, 1)


def test_an_intermediate_variable_can_be_replaced():
    x = T.dvector("x")
    middle = T.exp(x)
    wide = T.dmatrix("wide")
    z = vectorize_graph(middle * 2 + x, {middle: wide})
    assert z.eval({x: [1.0, 2.0], wide: np.ones((3, 2))}).tolist() == [[3, 4]] * 3


def test_shared_variables_are_the_same_for_all():
    w = shared(np.array([1.0, 10.0]))
    x = T.dvector("x")
    z = vectorize_graph(T.dot(w, x), {x: np.array([[1.0, 2.0], [3.0, 4.0]])})
    assert z.eval().tolist() == [21, 43]


def test_a_batch_of_none():
    x = T.dmatrix("x")
    wide = T.dtensor3("wide")
    z = vectorize_graph(x.reshape((-1,)).sum() + T.softmax(x, axis=1)[0], {x: wide})
    assert z.eval({wide: np.zeros((0, 2, 3))}).shape == (0, 3)
    z = vectorize_graph(x.reshape((3, -1)), {x: wide})
    for mode in ("FAST_RUN", "FAST_COMPILE"):
        assert function([wide], z, mode=mode)(np.zeros((0, 2, 3))).shape == (0, 3, 2)


def test_gradients_of_a_batch():
    x = T.dvector("x")
    wide = T.dmatrix("wide")
    g = vectorize_graph(T.grad(T.exp(x).prod(), x), {x: wide})
    value = RNG.normal(size=(4, 3))
    np.testing.assert_allclose(g.eval({wide: value}), np.exp(value.sum(1, keepdims=True)) * np.ones(3))
    again = T.grad(vectorize_graph(T.exp(x).prod(), {x: wide}).sum(), wide)
    np.testing.assert_allclose(again.eval({wide: value}), np.exp(value.sum(1, keepdims=True)) * np.ones(3))


class Shout(Op):
    """An op without a rule for batches, of two results."""

    def infer_type(self, x):
        return [x.type, x.type]

    def numpy(self, x):
        assert x.ndim == 1
        return x * 2, np.cumsum(x)


def test_an_op_without_a_rule_is_looped_over():
    x, wide = T.dvector("x"), T.dmatrix("wide")
    a, b = vectorize_graph(Shout()(x * 1.0), {x: wide})
    value = RNG.normal(size=(4, 3))
    np.testing.assert_allclose(a.eval({wide: value}), value * 2)
    np.testing.assert_allclose(b.eval({wide: value}), np.cumsum(value, 1))


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_choices(mode):
    c, x, y = T.dscalar("c"), T.dvector("x"), T.dvector("y")
    z = ifelse(c > 0, x, y)
    wide, many = T.dmatrix("wide"), T.dvector("many")
    a, b = RNG.normal(size=(4, 3)), RNG.normal(size=3)
    one = function([c, wide, y], vectorize_graph(z, {x: wide}), mode=mode)
    assert one(1.0, a, b).tolist() == a.tolist()
    assert one(-1.0, a, b).tolist() == [b.tolist()] * 4
    each = function([many, wide, y], vectorize_graph(z, {x: wide, c: many}), mode=mode)
    signs = np.array([1.0, -1, 1, -1])
    np.testing.assert_array_equal(each(signs, a, b), np.where(signs[:, None] > 0, a, b))
    assert function([many, x, y], vectorize_graph(z, {c: many}), mode=mode)(signs, b, 2 * b)[
        1
    ].tolist() == list(2 * b)


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_draws_differ_from_element_to_element(mode):
    rng = shared(np.random.default_rng(5))
    m, s = T.dvector("m"), T.dscalar("s")
    row = DISTRIBUTIONS["normal"]
    after, draws = row.from_state(rng, m, s)
    after, sized = row.from_state(after, m, 1.0, size=(2, 3))
    wide, scales = T.dmatrix("wide"), T.dvector("scales")
    *many, last = vectorize_graph([draws, sized + s, after], {m: wide, s: scales})
    f = function([wide, scales], many, updates={rng: last}, mode=mode)
    centre = np.arange(20000.0)[:, None] + np.array([0, 1e5, 2e5])
    scale = np.full(20000, 2.0)
    first, second = f(centre, scale)
    assert first.shape == (20000, 3) and second.shape == (20000, 2, 3)
    noise = first - centre
    np.testing.assert_allclose(noise.mean(0), 0, atol=0.06)
    np.testing.assert_allclose(np.cov(noise.T), 4 * np.eye(3), atol=0.15)
    rest = (second - centre[:, None] - 2).reshape(20000, 6)
    np.testing.assert_allclose(np.cov(rest.T), np.eye(6), atol=0.05)
    assert abs(np.corrcoef(noise[:-1, 0], noise[1:, 0])[0, 1]) < 0.03
    assert not np.array_equal(f(centre, scale)[0], first)


def test_loops_that_end_by_themselves():
    def doubled(x):
        return scan(lambda before: (before * 2, {}, until(before * 2 > 10)), None, x, n_steps=20)[0]

    x = T.dscalar("x")
    # Elements that end after as many steps make an array; after different numbers of steps they do not.
    z = vectorize_graph(doubled(x), {x: T.dvector("wide")})
    assert z.eval(wide=[1.0, 1.25]).tolist() == [[2, 4, 8, 16], [2.5, 5, 10, 20]]
    with pytest.raises(ValueError, match="has shape"):
        z.eval(wide=[1.0, 3.0])


def test_refusals():
    x = T.dvector("x")
    with pytest.raises(TypeError, match=r"x is float64\[\?\], its replacement f is float32"):
        vectorize_graph(x * 2, {x: T.fmatrix("f")})
    with pytest.raises(TypeError, match="x has 1 dimensions, its replacement s only 0"):
        vectorize_graph(x * 2, {x: T.dscalar("s")})
    three = TensorType("float64", (3,))("three")
    with pytest.raises(ValueError, match=r"the last 1 dimensions of .* are to be those of three"):
        vectorize_graph(three * 2, {three: TensorType("float64", (2, 4))()})
    y = T.dscalar("y")
    with pytest.raises(ValueError, match="do not broadcast: a .* for x, b .* for y have lengths 4 and 5"):
        vectorize_graph(
            x * y, {x: TensorType("float64", (4, None))("a"), y: TensorType("float64", (5,))("b")}
        )
    with pytest.raises(TypeError, match="replaces variables, got 'x'"):
        vectorize_graph(x * 2, {"x": x})


def test_what_a_replacement_does_not_tell_is_kept():
    one = TensorType("float64", (1,))("one")
    z = vectorize_graph(one + np.ones(3), {one: T.dmatrix("wide")})
    assert z.eval(wide=[[1.0], [2.0]]).tolist() == [[2] * 3, [3] * 3]
