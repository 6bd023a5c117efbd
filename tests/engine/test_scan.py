"""Scans against loops written in NumPy, and their gradients against finite differences."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy.signal import lfilter

import probgraph.engine as theano
from probgraph.engine import MissingInputError
from probgraph.engine import tensor as T
from probgraph.engine.graph import FunctionGraph, rebuild
from probgraph.engine.loop_op import Scan
from probgraph.engine.rewrite import run_passes
from probgraph.engine.rules import FAST_RUN
from probgraph.engine.scanning import (
    OrderedUpdates,
    foldl,
    foldr,
    map,
    reduce,
    scan,
    until,
)

MODES = ["FAST_COMPILE", "FAST_RUN"]


@pytest.fixture(params=MODES, autouse=True)
def mode(request):
    with theano.config.change_flags(mode=request.param):
        yield request.param


def value(output, given=None, updates=None):
    """The value of an output, through a function of the mode under test."""
    given = given or {}
    f = theano.function(list(given), output, updates=updates, on_unused_input="ignore")
    return f(*given.values())


def differences(f, arrays, which, step=1e-6):
    """The gradient of f(*arrays) by one of them, by central differences."""
    x = arrays[which]
    result = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        sides = []
        for sign in (1, -1):
            moved = [np.array(a) for a in arrays]
            moved[which][place] += sign * step
            sides.append(f(*moved))
        result[place] = (sides[0] - sides[1]) / (2 * step)
    return result


def check_gradients(cost, given, second=False, rtol=2e-6, atol=1e-7, fixed=None):
    """The gradient of a scalar by every input, and if `second` of a random projection of that, both by differences."""
    roots, arrays = list(given), list(given.values())
    gradients = theano.grad(cost, roots)
    others = fixed or {}
    compiled = theano.function([*roots, *others], [cost, *gradients])

    def f(*values):
        return compiled(*values, *others.values())[0]

    found = compiled(*arrays, *others.values())[1:]
    for i, g in enumerate(found):
        assert g.shape == arrays[i].shape
        np.testing.assert_allclose(g, differences(f, arrays, i), rtol=rtol, atol=atol)
    if second:
        rng = np.random.default_rng(3)
        projected = sum((g * rng.normal(size=a.shape)).sum() for g, a in zip(gradients, arrays, strict=True))
        check_gradients(projected, given, rtol=rtol, atol=atol)


# ------------------------------------------------------------------------------------ Theano's tutorial


def test_power_of_each_element():
    k, a = T.iscalar("k"), T.vector("A")
    result, updates = scan(
        fn=lambda before, a: before * a, outputs_info=T.ones_like(a), non_sequences=a, n_steps=k
    )
    assert updates == {}
    power = theano.function([a, k], result[-1], updates=updates)
    np.testing.assert_array_equal(power(range(10), 2), np.arange(10.0) ** 2)
    np.testing.assert_array_equal(power(range(10), 4), np.arange(10.0) ** 4)


def test_polynomial():
    coefficients, x = T.vector("coefficients"), T.scalar("x")
    terms, _ = scan(
        lambda coefficient, power, x: coefficient * x**power,
        sequences=[coefficients, T.arange(10000)],
        outputs_info=None,
        non_sequences=x,
    )
    assert value(terms.sum(), {coefficients: np.array([1.0, 0, 2]), x: 3.0}) == 19.0


def test_accumulate_over_arange():
    up_to = T.iscalar("up_to")
    result, _ = scan(
        lambda i, total: total + i,
        sequences=T.arange(up_to),
        outputs_info=T.as_tensor_variable(np.asarray(0)),
    )
    np.testing.assert_array_equal(value(result, {up_to: 15}), np.cumsum(np.arange(15)))


def test_values_at_places():
    location, values, out = T.imatrix("location"), T.vector("values"), T.matrix("out")

    def step(place, value, like):
        zeros = T.zeros_like(like)
        return T.set_subtensor(zeros[place[0], place[1]], value)

    result, _ = scan(step, sequences=[location, values], outputs_info=None, non_sequences=out)
    found = value(
        result,
        {
            location: np.array([[1, 1], [2, 3]], "int32"),
            values: np.array([42.0, 50.0]),
            out: np.zeros((5, 5)),
        },
    )
    expected = np.zeros((2, 5, 5))
    expected[0, 1, 1], expected[1, 2, 3] = 42, 50
    np.testing.assert_array_equal(found, expected)


def test_tanh_recurrence_with_taps():
    x, w, u, v = T.matrix("X"), T.matrix("W"), T.matrix("U"), T.matrix("V")
    y = T.matrix("Y")
    past = T.matrix("past")
    result, _ = scan(
        lambda y, x_before, x_long_before: T.tanh(T.dot(x_before, w) + T.dot(y, u) + T.dot(x_long_before, v)),
        sequences={"input": y, "taps": [1]},
        outputs_info={"initial": past, "taps": [-1, -2]},
    )
    rng = np.random.default_rng(0)
    given = {w: rng.normal(size=(2, 2)), u: rng.normal(size=(2, 2)), v: rng.normal(size=(2, 2))}
    given |= {y: rng.normal(size=(5, 2)), past: rng.normal(size=(2, 2))}
    h = list(given[past])
    for t in range(4):
        h.append(np.tanh(h[-1] @ given[w] + given[y][t + 1] @ given[u] + h[-2] @ given[v]))
    np.testing.assert_allclose(value(result, given), h[2:], rtol=1e-12)
    del x
    check_gradients((result**2).sum(), given)


def test_counter_in_a_shared_variable():
    k = T.iscalar("k")
    n_sym = theano.shared(0, "n")
    _, updates = scan(lambda: {n_sym: n_sym + 1}, n_steps=k)
    assert isinstance(updates, OrderedUpdates)
    accumulate = theano.function([k], [], updates=updates)
    accumulate(5)
    assert n_sym.get_value() == 5
    accumulate(0)
    assert n_sym.get_value() == 5
    accumulate(2)
    assert n_sym.get_value() == 7


def test_shared_state_is_seen_by_the_next_step_and_frozen_without_updates():
    counter = theano.shared(np.float64(1.0), "counter")
    result, updates = scan(lambda x: (x * counter, [(counter, counter * 2)]), sequences=np.ones(4))
    np.testing.assert_array_equal(theano.function([], result)(), [1, 2, 4, 8])
    assert counter.get_value() == 1
    np.testing.assert_array_equal(theano.function([], result, updates=updates)(), [1, 2, 4, 8])
    assert counter.get_value() == 16


def test_shared_variable_with_a_default_update():
    state = theano.shared(np.int64(3), "state")
    state.default_update = (state * 5 + 1) % 16
    result, updates = scan(lambda: state * 10, n_steps=3)
    np.testing.assert_array_equal(theano.function([], result, updates=updates)(), [30, 0, 10])
    assert state.get_value() == 6


def test_powers_until_too_large():
    largest = T.scalar("largest")

    def step(before, largest):
        return before * 2, until(before * 2 > largest)

    result, _ = scan(step, outputs_info=T.constant(1.0), non_sequences=largest, n_steps=1024)
    np.testing.assert_array_equal(value(result, {largest: 45.0}), [2, 4, 8, 16, 32, 64])


def test_jacobian():
    x = T.vector("x")
    w = np.random.default_rng(1).normal(size=(3, 4))
    y = T.tanh(T.dot(w, x)) * x.sum()
    jacobian, _ = scan(lambda i, y, x: T.grad(y[i], x), sequences=T.arange(y.shape[0]), non_sequences=[y, x])
    at = np.array([0.1, -0.4, 0.2, 0.7])
    s = np.tanh(w @ at)
    expected = ((1 - s**2)[:, None] * w) * at.sum() + s[:, None]
    np.testing.assert_allclose(value(jacobian, {x: at}), expected, rtol=1e-12)


def test_hessian():
    x = T.vector("x")
    cost = T.exp(x).sum() * x[0] ** 2
    gradient = T.grad(cost, x)
    hessian, _ = scan(
        lambda i, g, x: T.grad(g[i], x), sequences=T.arange(gradient.shape[0]), non_sequences=[gradient, x]
    )
    at = np.array([0.3, -0.2, 0.5])
    e = np.exp(at)
    expected = np.diag(e * at[0] ** 2)
    expected[0, :] += 2 * at[0] * e
    expected[:, 0] += 2 * at[0] * e
    expected[0, 0] += 2 * e.sum()
    np.testing.assert_allclose(value(hessian, {x: at}), expected, rtol=1e-12)


# ------------------------------------------------------------------------------------ arguments


def test_order_of_arguments():
    """Sequences, each tap as given; then states, each tap as given; then what is fixed."""
    seen = []

    def step(*args):
        seen.extend(args)
        return args[2], args[3] + args[4]

    a, b, c = T.vector("a"), T.vector("b"), T.vector("c")
    s = T.scalar("s")
    scan(
        step,
        sequences=[{"input": a, "taps": [1, -1]}, b],
        outputs_info=[None, {"initial": c, "taps": [-1, -3]}],
        non_sequences=[s],
    )
    assert [v.name for v in seen] == ["a[t+1]", "a[t-1]", "b[t]", "c[t-1]", "c[t-3]", "s"]
    assert seen[-1] is s


def test_taps_of_sequences_and_outputs_in_numpy():
    x, past = T.vector("x"), T.vector("past")
    result, _ = scan(
        lambda late, early, one, three: late - 2 * early + 0.5 * one - 0.25 * three,
        sequences={"input": x, "taps": [2, -1]},
        outputs_info={"initial": past, "taps": [-1, -3]},
    )
    xs, h = np.arange(8.0) ** 2, [1.0, 2.0, 3.0]
    for t in range(1, 6):
        h.append(xs[t + 2] - 2 * xs[t - 1] + 0.5 * h[-1] - 0.25 * h[-3])
    np.testing.assert_allclose(value(result, {x: xs, past: np.array(h[:3])}), h[3:])
    check_gradients((result**2).sum(), {x: xs, past: np.array([1.0, 2.0, 3.0])}, second=True, rtol=1e-5)


@pytest.mark.parametrize("taps", [[0], [-2], [3], [-1, 0, 2], [1, 2]])
@pytest.mark.parametrize("backwards", [False, True])
def test_sequence_taps_as_theano_cuts_them(taps, backwards):
    """A step exists for each t for which every tap does, tap 0 always counted in."""
    x = T.vector("x")
    result, _ = scan(
        lambda *xs: sum(v * 10**i for i, v in enumerate(xs)),
        sequences={"input": x, "taps": taps},
        go_backwards=backwards,
    )
    xs = np.arange(1.0, 8.0)
    places = [t for t in range(7) if all(0 <= t + tap < 7 for tap in [0, *taps])]
    if backwards:
        places.reverse()
    expected = [sum(xs[t + tap] * 10**i for i, tap in enumerate(taps)) for t in places]
    np.testing.assert_array_equal(value(result, {x: xs}), expected)


def test_the_shortest_sequence_decides():
    a, b = T.vector("a"), T.vector("b")
    result, _ = scan(lambda x, y: x * y, sequences=[a, b])
    for m, n in [(3, 5), (5, 3), (4, 4), (0, 3)]:
        given = {a: np.arange(m) + 1.0, b: np.arange(n) + 2.0}
        k = min(m, n)
        np.testing.assert_array_equal(value(result, given), given[a][:k] * given[b][:k])
        ga, gb = value(theano.grad(result.sum(), [a, b]), given)
        np.testing.assert_array_equal(ga, np.r_[given[b][:k], np.zeros(m - k)])
        np.testing.assert_array_equal(gb, np.r_[given[a][:k], np.zeros(n - k)])


def test_go_backwards_takes_from_the_end():
    x = T.vector("x")
    result, _ = scan(lambda x, before: x + before / 2, x, 0.0, n_steps=2, go_backwards=True)
    assert value(result, {x: np.array([9.0, 1.0, 8.0, 4.0])}).tolist() == [4.0, 10.0]
    check_gradients((result**3).sum(), {x: np.array([9.0, 1.0, 8.0, 4.0])}, rtol=1e-5)


def test_outer_variables_are_captured_once():
    """What does not depend on the step is an input of the loop, as wide as can be."""
    x, w = T.vector("x"), T.vector("w")
    scale = T.exp(w).sum()
    result, _ = scan(lambda v: v * (scale + 1) + w[0], sequences=x)
    op = result.owner.op
    assert [v.type.ndim for v in op.step_fixed] == [0, 0]
    assert len(op.graph.apply_nodes) == 2
    given = {x: np.arange(3.0), w: np.array([0.5, -1.0])}
    expected = given[x] * (np.exp(given[w]).sum() + 1) + 0.5
    np.testing.assert_allclose(value(result, given), expected)
    check_gradients((result**2).sum(), given, second=True)


def test_constants_stay_inside():
    result, _ = scan(lambda v: v * 2 + T.zeros((3,)), sequences=T.vector("x"))
    assert result.owner.op.step_fixed == []


def test_strict_wants_all_among_the_non_sequences():
    x, w = T.vector("x"), theano.shared(2.0, "w")
    with pytest.raises(MissingInputError, match="w"):
        scan(lambda v: v * w, sequences=x, strict=True)
    with pytest.raises(MissingInputError, match="z"):
        z = T.scalar("z")
        scan(lambda v, w: v * w * z, sequences=x, non_sequences=w, strict=True)
    result, _ = scan(lambda v, w: v * w, sequences=x, non_sequences=[w], strict=True)
    np.testing.assert_array_equal(value(result, {x: np.ones(2)}), [2, 2])


def test_what_comes_back():
    x = T.vector("x")
    one, _ = scan(lambda v: v, x)
    assert isinstance(one, theano.Variable)
    alone, _ = scan(lambda v: [v], x, return_list=True)
    assert isinstance(alone, list)
    two, _ = scan(lambda v: (v, 2 * v), x)
    assert isinstance(two, list)
    assert len(two) == 2
    np.testing.assert_array_equal(value(two[1], {x: np.arange(3.0)}), [0, 2, 4])
    w = theano.shared(0.0)
    none, updates = scan(lambda v: {w: w + v}, x)
    assert none is None
    assert list(updates) == [w]
    both, updates = scan(lambda v: ([v, w], {w: w + v}), x)
    assert len(both) == 2
    assert list(updates) == [w]


def test_order_of_outputs_is_the_users():
    x = T.vector("x")
    (double, total, place), _ = scan(
        lambda x, total, place: (2 * x, total + x, place + 1), x, [None, T.constant(0.0), np.int64(0)]
    )
    found = value([double, total, place], {x: np.arange(4.0)})
    assert [f.tolist() for f in found] == [[0, 2, 4, 6], [0, 1, 3, 6], [1, 2, 3, 4]]
    assert found[2].dtype == "int64"


def test_map_reduce_and_folds():
    x = T.vector("x")
    xs = np.array([1.0, 2.0, 3.0])
    squares, _ = map(lambda v, w: v**2 + w, x, non_sequences=1.0)
    assert value(squares, {x: xs}).tolist() == [2, 5, 10]
    total, _ = reduce(lambda v, total: total + v, x, 0.0)
    assert value(total, {x: xs}) == 6
    assert value(total, {x: np.zeros(0)}) == 0
    left, _ = foldl(lambda v, total: 2 * total + v, x, T.constant(0.0))
    right, _ = foldr(lambda v, total: 2 * total + v, x, T.constant(0.0))
    assert value([left, right], {x: xs}) == [11, 17]
    np.testing.assert_array_equal(value(theano.grad(left, x), {x: xs}), [4, 2, 1])
    (low, high), _ = reduce(
        lambda v, low, high: [T.minimum(v, low), T.maximum(v, high)], x, [np.inf, -np.inf]
    )
    assert value([low, high], {x: xs}) == [1, 3]


def test_numbers_take_the_dtype_of_the_step():
    x, f = T.vector("x"), T.fvector("f")
    total, _ = scan(lambda v, total: total + v, x, 0)
    assert total.dtype == "float64"
    np.testing.assert_array_equal(value(total, {x: np.arange(3.0)}), [0, 1, 3])
    single, _ = scan(lambda v, total: T.cast(total + v, "float32"), f, 0.0)
    assert single.dtype == "float32"
    count, _ = scan(lambda v, n: n + 1, x, 0)
    assert count.dtype == "int64"
    np.testing.assert_array_equal(value(single, {f: np.ones(2, "float32")}), [1, 2])


def test_lengths_known_from_the_step_alone_reach_the_state():
    a = np.eye(3) * 2
    start = T.vector("start")
    result, _ = scan(lambda x: T.dot(a, x), outputs_info=start, n_steps=2)
    assert result.type.shape == (2, 3)
    np.testing.assert_array_equal(value(result[-1], {start: np.ones(3)}), [4, 4, 4])
    with pytest.raises(ValueError, match="3"):
        value(result[-1], {start: np.ones(2)})


def test_static_number_of_steps():
    x = T.matrix("x")
    assert scan(lambda v: v, x, n_steps=4)[0].type.shape == (4, None)
    assert scan(lambda v: v, np.ones((5, 2)))[0].type.shape == (5, 2)
    assert scan(lambda v: (v, until(v.sum() > 3)), np.ones((5, 2)))[0].type.shape == (None, 2)


# ------------------------------------------------------------------------------------ errors


def test_nothing_says_how_many_steps():
    with pytest.raises(ValueError, match="No information about the number of steps provided"):
        scan(lambda x: x + 1, outputs_info=T.scalar("x"))


def test_errors_of_dtype_rank_and_length():
    x = T.vector("x")
    text = r"The initial state \(`outputs_info` in scan nomenclature\) of variable start"
    start = T.fscalar("start")
    with pytest.raises(
        ValueError, match=text + r".*has dtype float32, while the result of the inner function"
    ) as e:
        scan(lambda v, total: total + v, x, start)
    assert "(`fn`) has dtype float64" in str(e.value)
    with pytest.raises(ValueError, match=text + r".* 1 dimension\(s\), while .* 0 dimension"):
        scan(lambda v, total: total.sum() + v, x, T.vector("start"))
    with pytest.raises(ValueError, match=text + r".* has length 2 along axis 0, while .* has length 3"):
        scan(lambda v, h: T.ones((3,)) * v, x, T.constant(np.ones(2), name="start"))
    with pytest.raises(ValueError, match="has dtype float64, while"):
        scan(lambda v, n: T.cast(v, "int64"), x, 0.5)
    with pytest.raises(ValueError, match="hold.* axis 0, but it is a scalar"):
        scan(lambda v, n: n, x, {"initial": T.scalar("start"), "taps": [-2]})


def test_errors_of_arguments():
    x = T.vector("x")
    with pytest.raises(ValueError, match="Please provide None as outputs_info"):
        scan(lambda v, t: (v, t), x, [T.scalar()])
    with pytest.raises(ValueError, match="returned None"):
        scan(lambda v: None, x)
    with pytest.raises(ValueError, match="need to provide an initial state"):
        scan(lambda v: v, x, {"taps": [-2]})
    with pytest.raises(ValueError, match="taps of an output are negative"):
        scan(lambda v, h: v, x, {"initial": x, "taps": [0]})
    with pytest.raises(ValueError, match="iterated over along axis 0"):
        scan(lambda v: v, T.scalar("s"))
    with pytest.raises(ValueError, match="n_steps must be an int"):
        scan(lambda v: v, x, n_steps=2.5)
    with pytest.raises(ValueError, match="until"):
        scan(lambda v: (until(v > 0), v), x)
    with pytest.raises(TypeError, match="scalar condition"):
        until(x > 0)
    with pytest.raises(TypeError, match="shared"):
        scan(lambda v: (v, {x: v}), x)
    with pytest.raises(IndexError, match="negative number of step"):
        scan(lambda v: v, x, n_steps=-1)


def test_errors_of_the_call():
    x, past, k = T.vector("x"), T.vector("past"), T.iscalar("k")
    result, _ = scan(lambda v: v * 2, x, n_steps=k)
    assert value(result, {x: np.arange(4.0), k: 3}).tolist() == [0, 2, 4]
    with pytest.raises(ValueError, match="has length 2"):
        value(result, {x: np.arange(2.0), k: 3})
    with pytest.raises(IndexError, match="negative"):
        value(scan(lambda h: h * 2, outputs_info=1.0, n_steps=k)[0], {k: -1})
    with pytest.raises(ValueError, match="too short"):
        scan(lambda v: v, np.ones(3), n_steps=4)
    result, _ = scan(lambda v, a, b: a + b, x, {"initial": past, "taps": [-2, -1]})
    with pytest.raises(ValueError):
        value(result, {x: np.ones(3), past: np.ones(1)})


def test_updates_do_not_contradict_each_other():
    a, b = theano.shared(1.0), theano.shared(2.0)
    updates = OrderedUpdates([(a, a + 1)])
    together = updates + {b: b * 2}
    assert list(together) == [a, b]
    with pytest.raises(KeyError, match="Collision"):
        updates.update({a: a + 2})
    with pytest.raises(TypeError, match="SharedVariable"):
        updates[T.scalar()] = a


# ------------------------------------------------------------------------------------ gradients


def test_gradient_of_a_recurrence_by_everything():
    x, h0, w, b = T.matrix("x"), T.vector("h0"), T.matrix("w"), T.vector("b")
    h, _ = scan(lambda x, h, w, b: T.tanh(T.dot(w, h) + x * b), x, h0, [w, b])
    rng = np.random.default_rng(2)
    given = {
        x: rng.normal(size=(6, 3)),
        h0: rng.normal(size=3),
        w: rng.normal(size=(3, 3)),
        b: rng.normal(size=3),
    }
    check_gradients((h**2).sum(), given, second=True)
    check_gradients(h[-1].sum() + h[2, 1], given)


@pytest.mark.parametrize("taps", [[-1], [-2], [-5], [-2, -1], [-1, -2, -5], [-5, -4, -3, -2, -1]])
@pytest.mark.parametrize("steps", [0, 1, 3, 7])
def test_gradient_through_taps(taps, steps):
    x, past, w = T.vector("x"), T.vector("past"), T.vector("w")
    info = past[0] if taps == [-1] else {"initial": past, "taps": taps}
    h, _ = scan(lambda x, *hs: T.sin(sum(w[i] * v for i, v in enumerate(hs))) + x * hs[-1], x, info)
    rng = np.random.default_rng(len(taps) * 10 + steps)
    longest = -min(taps)
    given = {x: rng.normal(size=steps), past: rng.normal(size=longest), w: rng.normal(size=len(taps))}
    values = list(given[past])
    for t in range(steps):
        hs = [values[tap] for tap in taps]
        values.append(np.sin(np.dot(given[w], hs)) + given[x][t] * hs[-1])
    np.testing.assert_allclose(value(h, given), values[longest:], rtol=1e-12)
    check_gradients((h**2).sum(), given)
    if steps == 3:
        check_gradients((h**3).sum(), given, second=True, rtol=1e-5)


def test_linear_filter():
    """AR(5) is a linear filter; its gradient by the innovations is the filter run backwards."""
    e, phi = T.vector("e"), T.vector("phi")
    y, _ = scan(
        lambda e, *ys: e + sum(phi[k] * ys[k] for k in range(5)),
        e,
        {"initial": np.zeros(5), "taps": [-1, -2, -3, -4, -5]},
    )
    rng = np.random.default_rng(4)
    p, es, c = np.array([0.5, -0.2, 0.1, 0.05, -0.3]), rng.normal(size=50), rng.normal(size=50)
    np.testing.assert_allclose(value(y, {e: es, phi: p}), lfilter([1], np.r_[1, -p], es), rtol=1e-10)
    g = value(theano.grad((y * c).sum(), e), {e: es, phi: p})
    np.testing.assert_allclose(g, lfilter([1], np.r_[1, -p], c[::-1])[::-1], rtol=1e-9, atol=1e-12)
    check_gradients((y**2).sum(), {phi: p, e: es}, rtol=1e-5)


def test_hidden_markov_model():
    """log p(y) of three states, against the forward recursion by hand; its gradient by the logits."""
    logits, scores = T.matrix("logits"), T.matrix("scores")
    transition = logits - T.logsumexp(logits, axis=1, keepdims=True)

    def step(score, alpha):
        return T.logsumexp(alpha[:, None] + transition, axis=0) + score

    alpha, _ = scan(step, scores[1:], scores[0])
    cost = T.logsumexp(alpha[-1])
    rng = np.random.default_rng(5)
    given = {logits: rng.normal(size=(3, 3)), scores: rng.normal(size=(8, 3))}
    p = np.exp(given[logits])
    p /= p.sum(1, keepdims=True)
    forward = np.exp(given[scores][0])
    for row in given[scores][1:]:
        forward = forward @ p * np.exp(row)
    assert value(cost, given) == pytest.approx(np.log(forward.sum()), rel=1e-12)
    check_gradients(cost, given, second=True, rtol=1e-5)


def test_garch():
    r, a, b, c = T.vector("r"), T.scalar("a"), T.scalar("b"), T.scalar("c")
    variance, _ = scan(lambda r, v: a + b * r**2 + c * v, r, a / (1 - b - c))
    rng = np.random.default_rng(6)
    rs = rng.normal(size=20)
    v, expected = 0.2 / 0.5, []
    for x in rs:
        v = 0.2 + 0.3 * x**2 + 0.2 * v
        expected.append(v)
    given = {r: rs, a: np.array(0.2), b: np.array(0.3), c: np.array(0.2)}
    np.testing.assert_allclose(value(variance, given), expected, rtol=1e-12)
    check_gradients((T.log(variance) + r**2 / variance).sum(), given, second=True, rtol=1e-5)


def test_several_states_of_different_shapes_and_dtypes():
    x = T.vector("x")
    a0, m0 = T.scalar("a0"), T.matrix("m0")

    def step(x, a, n, m, early):
        return [a * x + m.sum(), n + 1, m * T.cos(a) + T.cast(n, "float64"), early + T.sqr(a), x * a]

    (a, n, m, e, c), _ = scan(step, x, [a0, 0, m0, {"initial": np.ones(2), "taps": [-2]}, None])
    rng = np.random.default_rng(7)
    given = {x: rng.normal(size=4), a0: rng.normal(size=()), m0: rng.normal(size=(2, 3))}
    assert value(n, given).tolist() == [1, 2, 3, 4]
    cost = (a**2).sum() + m[-1].sum() + (e * c).sum()
    check_gradients(cost, given, second=True, rtol=1e-5)


def test_output_that_does_not_feed_back_and_one_that_is_a_state_as_it_came():
    x, h0 = T.vector("x"), T.scalar("h0")
    (h, before, twice), _ = scan(lambda x, h: [h * x, h, h * x], x, [h0, None, None])
    given = {x: np.array([2.0, 3.0, -1.0]), h0: np.array(1.5)}
    found = value([h, before, twice], given)
    assert [f.tolist() for f in found] == [[3, 9, -9], [1.5, 3, 9], [3, 9, -9]]
    check_gradients((h * before * twice).sum(), given, second=True, rtol=1e-5)


def test_only_what_a_cost_reaches_is_differentiated():
    x = T.vector("x")
    (a, _b), _ = scan(lambda x, a, b: [a + x, T.sin(b) * x], x, [0.0, 1.0])
    g = theano.grad(a[-1], x)
    backward = next(n.op for n in FunctionGraph([x], [g]).toposort() if str(n.op).startswith("for{cpu,grad"))
    assert len(backward.taps) == 1
    assert value(g, {x: np.ones(3)}).tolist() == [1, 1, 1]


def test_disconnected_and_integer_inputs():
    x, i, s = T.vector("x"), T.lvector("i"), T.scalar("s")
    result, _ = scan(lambda i, s: x[i] * s, i, non_sequences=s)
    cost = result.sum()
    with pytest.raises(theano.DisconnectedInputError):
        theano.grad(cost, i)
    found = value(theano.grad(cost, [x, s]), {x: np.array([2.0, 3.0]), i: np.array([1, 1, 0]), s: 5.0})
    assert [f.tolist() for f in found] == [[5, 10], 8]
    scaled, _ = scan(lambda i: i * s, i)
    g = theano.grad(scaled.sum(), i)
    assert g.dtype == "float64"
    assert value(g, {i: np.array([1, 2]), s: 2.0}).tolist() == [0, 0]
    n = T.lscalar("n")
    with pytest.raises(theano.DisconnectedInputError):
        theano.grad(scan(lambda h: h * s, outputs_info=1.0, n_steps=n)[0].sum(), n)


def test_a_state_written_in_part():
    """Each step begins with a copy of what the step before it left."""
    i, start = T.lvector("i"), T.vector("start")
    h, _ = scan(lambda i, h: T.inc_subtensor(h[i], 2.0), i, start)
    given = {i: np.array([1, 1, 0]), start: np.array([0.0, 10.0])}
    assert value(h, given).tolist() == [[0, 12], [0, 14], [2, 14]]
    check_gradients((h**2).sum(), {start: given[start]}, fixed={i: given[i]})


def test_single_precision():
    f = T.fvector("f")
    h, _ = scan(lambda f, h: h * f, f, np.float32(1))
    g = theano.grad(h.sum(), f)
    assert (h.dtype, g.dtype) == ("float32", "float32")
    np.testing.assert_allclose(value(g, {f: np.array([2, 3], "float32")}), [4, 2])


@pytest.mark.parametrize("n", [0, 1, 2, 4, 6, 9])
def test_truncated_gradient(n):
    """Only the last n steps are differentiated: as if what came before them were constant."""
    x, h0, w = T.vector("x"), T.vector("h0"), T.scalar("w")
    rng = np.random.default_rng(8)
    xs, starts, weight = rng.normal(size=6), rng.normal(size=2), 0.7

    def step(x, early, late, w):
        return T.tanh(w * late + early * x)

    h, _ = scan(step, x, {"initial": h0, "taps": [-2, -1]}, w, truncate_gradient=n)
    full, _ = scan(step, x, {"initial": h0, "taps": [-2, -1]}, w)
    given = {x: xs, h0: starts, w: weight}
    np.testing.assert_allclose(value(h, given), value(full, given))
    found = value(theano.grad((h**2).sum(), [x, h0, w]), given)

    cut = max(6 - n, 0)
    history = np.r_[starts, value(full, given)]

    def last_steps(xs, past, w):
        values = list(past)
        for v in xs:
            values.append(np.tanh(w * values[-1] + values[-2] * v))
        return float(np.sum(np.square(values[2:])))

    arrays = [xs[cut:], history[cut : cut + 2], np.array(weight)]
    gx, gpast, gw = (differences(last_steps, arrays, i) for i in range(3))
    np.testing.assert_allclose(found[0], np.r_[np.zeros(cut), gx], rtol=1e-6, atol=1e-8)
    expected = np.zeros(2)
    expected[cut:] = gpast[: max(2 - cut, 0)]
    np.testing.assert_allclose(found[1], expected, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(found[2], gw, rtol=1e-6, atol=1e-8)


def test_gradient_through_until():
    x, h0, w = T.vector("x"), T.scalar("h0"), T.scalar("w")

    def step(x, h):
        new = h * w + x
        return new, until(new > 5)

    h, _ = scan(step, x, h0)
    xs = np.array([1.0, 1.5, 2.0, 3.0, 9.0, 9.0])
    given = {x: xs, h0: np.array(0.5), w: np.array(0.9)}
    assert value(h, given).shape == (4,)
    cost = (h**2).sum() + h[-1]
    check_gradients(cost, given, second=True, rtol=1e-5)
    assert value(theano.grad(cost, x), given)[4:].tolist() == [0, 0]
    assert value(h.shape[0], given | {x: np.zeros(3)}) == 3
    assert value(h, given | {x: np.array([100.0])}).tolist() == [100.45]


def test_nested_scans():
    """An outer scan over rows whose step is a scan over their elements."""
    m, w = T.matrix("m"), T.scalar("w")

    def row(r, before):
        inner, _ = scan(lambda v, h: T.tanh(v * w + h), r, before)
        return inner[-1]

    result, _ = scan(row, m, T.constant(0.1))
    rng = np.random.default_rng(9)
    given = {m: rng.normal(size=(3, 4)), w: np.array(0.8)}
    h, expected = 0.1, []
    for r in given[m]:
        for v in r:
            h = np.tanh(v * 0.8 + h)
        expected.append(h)
    np.testing.assert_allclose(value(result, given), expected, rtol=1e-12)
    check_gradients((result**2).sum(), given, second=True, rtol=1e-5)


def test_gradient_inside_a_step():
    """Gradient descent as a scan: each step differentiates; the whole is differentiated again."""
    x0, rate, target = T.vector("x0"), T.scalar("rate"), T.vector("target")

    def step(x, rate, target):
        return x - rate * T.grad(((x - target) ** 4).sum(), x)

    path, _ = scan(step, outputs_info=x0, non_sequences=[rate, target], n_steps=4)
    given = {x0: np.array([1.0, -0.5]), rate: np.array(0.05), target: np.array([0.2, 0.3])}
    x = given[x0]
    for _ in range(4):
        x = x - 0.05 * 4 * (x - given[target]) ** 3
    np.testing.assert_allclose(value(path[-1], given), x, rtol=1e-12)
    check_gradients((path[-1] ** 2).sum(), given, second=True, rtol=1e-5)


def test_no_steps_and_one():
    x, h0, k = T.matrix("x"), T.vector("h0"), T.iscalar("k")
    (h, c), _ = scan(lambda x, h: [h * 2 + x, x.sum() * h], x, [h0, None], n_steps=k)
    given = {x: np.ones((3, 2)), h0: np.array([1.0, 2.0])}
    none = value([h, c], given | {k: 0})
    assert [v.shape for v in none] == [(0, 2), (0, 2)]
    g = value(theano.grad((h**2).sum() + c.sum(), [x, h0]), given | {k: 0})
    assert [v.tolist() for v in g] == [np.zeros((3, 2)).tolist(), [0, 0]]
    assert value(h, given | {k: 1}).tolist() == [[3, 5]]
    fixed, _ = scan(lambda x, h: h * 2 + x, x, h0, n_steps=0)
    assert value(fixed, given).shape == (0, 2)
    once, _ = scan(lambda x, h: h * 2 + x, x, h0, n_steps=1)
    assert once.type.shape == (1, None)
    assert value(once, given).tolist() == [[3, 5]]
    np.testing.assert_array_equal(value(theano.grad(once.sum(), h0), given), [2, 2])


def test_extremes_flow_through():
    x = T.vector("x")
    h, _ = scan(lambda x, h: h * x, x, 1.0)
    with np.errstate(all="ignore"):
        found = value(h, {x: np.array([1e308, 10.0, -1.0, 0.0, np.nan])})
    np.testing.assert_array_equal(found, [1e308, np.inf, -np.inf, np.nan, np.nan])
    log, _ = scan(lambda x, h: h + T.log(1 + T.exp(x)), x, 0.0)
    g = value(theano.grad(log[-1], x), {x: np.array([-745.0, 0.0, 2400.0])})
    np.testing.assert_allclose(g, [0, 0.5, 1], atol=1e-300)


# ------------------------------------------------------------------------------------ the op


def step_graph():
    x, h = T.dscalar("x"), T.dscalar("h")
    return FunctionGraph([x, h], [h * x + 1])


def test_equal_steps_are_equal_ops():
    a, b = (Scan(step_graph(), 1, [(1,)], name=name) for name in ("a", "b"))
    assert a == b
    assert hash(a) == hash(b)
    assert a != Scan(step_graph(), 1, [(1,)], truncate_gradient=3)
    x, h = T.dscalar(), T.dscalar()
    assert a != Scan(FunctionGraph([x, h], [h * x + 2]), 1, [(1,)])
    assert a != Scan(FunctionGraph([h, x], [h * x + 1]), 1, [(1,)])
    v = T.vector("v")
    first, _ = scan(lambda x, h: h * x, v, 1.0)
    second, _ = scan(lambda x, h: h * x, v, 1.0)
    one, two = rebuild([first, second])
    assert one is two


def test_another_graph_for_the_step():
    op = Scan(step_graph(), 1, [(1,)], name="mine")
    x, h = T.dscalar(), T.dscalar()
    new = op.rebuilt_inner(FunctionGraph([x, h], [1 + x * h]))
    assert (new.taps, new.name, str(new)) == (op.taps, "mine", "for{cpu,mine}")
    with pytest.raises(ValueError, match="inputs and outputs"):
        op.rebuilt_inner(FunctionGraph([x], [x]))


def test_an_open_step_is_refused():
    x, h, z = T.dscalar("x"), T.dscalar("h"), T.dscalar("z")
    with pytest.raises(MissingInputError, match="z"):
        Scan(FunctionGraph([x, h], [h * x + z]), 1, [(1,)])
    with pytest.raises(TypeError, match="changes its type"):
        Scan(FunctionGraph([x, h], [h > x]), 1, [(1,)])
    with pytest.raises(ValueError, match="ascending"):
        Scan(FunctionGraph([x, h], [h * x]), 1, [(0,)])


def test_op_refuses_inputs_that_do_not_fit():
    op = Scan(step_graph(), 1, [(1,)])
    with pytest.raises(TypeError, match="sequence"):
        op(T.lscalar(), T.matrix(), T.vector())
    with pytest.raises(TypeError, match="number of steps"):
        op(T.dscalar(), T.vector(), T.vector())
    with pytest.raises(TypeError, match="takes 3 inputs, got 2"):
        op(T.lscalar(), T.vector())


def test_ops_pickle():
    op = Scan(step_graph(), 1, [(1,)], name="mine")
    hash(op)
    assert pickle.loads(pickle.dumps(op)) == op


def test_clone_with_another_input():
    x, y = T.vector("x"), T.vector("y")
    h, _ = scan(lambda x, h: h * x, x, 1.0)
    other = theano.clone(h, {x: y + 1})
    assert value(other, {y: np.ones(3)}).tolist() == [2, 4, 8]


def test_rules_reach_into_steps():
    """Passes go through the step of a loop, and of a loop in a loop; a second time they change nothing."""
    m, w = T.matrix("m"), T.scalar("w")

    def row(r, before):
        return scan(lambda v, h: T.log(1 + T.exp(v * w)) + h * 1, r, before)[0][-1]

    result, _ = scan(row, m, T.constant(0.0))
    log = []
    once = run_passes([result], FAST_RUN, log)
    fired = {rule for _, rule, _ in log}
    assert "log(1 + exp(x)) → softplus(x)" in fired
    again = []
    assert run_passes(once, FAST_RUN, again) == once
    assert again == []
    inner = next(n for n in once[0].owner.op.graph.apply_nodes if isinstance(n.op, Scan))
    assert {str(n.op) for n in inner.op.graph.apply_nodes} == {
        "Elemwise{mul,no_inplace}",
        "Elemwise{softplus,no_inplace}",
        "Elemwise{add,no_inplace}",
    }
    f = theano.function([m, w], result, mode="FAST_RUN")
    assert f(np.full((1, 1), 2400.0), 1.0).tolist() == [2400]
