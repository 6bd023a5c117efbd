"""What scan takes and gives back, argument by argument, as Theano's users expect it."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import probgraph.engine as theano
import probgraph.engine.tensor as T
from probgraph.engine.scanning import foldl, foldr, map, reduce, scan, until

X = np.array([1.0, 2.0, 3.0, 4.0])


@pytest.fixture(params=["FAST_COMPILE", "FAST_RUN"], autouse=True)
def mode(request):
    with theano.config.change_flags(mode=request.param):
        yield request.param


@pytest.fixture
def x():
    return T.dvector("x")


def values(x, outputs, updates=None, at=X):
    """As lists, for the same x, from one function."""
    found = theano.function([x], list(outputs), updates=updates, on_unused_input="ignore")(at)
    return [v.tolist() for v in found]


def test_signatures():
    names = lambda f: list(inspect.signature(f).parameters)
    assert names(scan) == [
        "fn",
        "sequences",
        "outputs_info",
        "non_sequences",
        "n_steps",
        "truncate_gradient",
        "go_backwards",
        "mode",
        "name",
        "profile",
        "allow_gc",
        "strict",
        "return_list",
    ]
    assert names(map) == [
        "fn",
        "sequences",
        "non_sequences",
        "truncate_gradient",
        "go_backwards",
        "mode",
        "name",
    ]
    assert names(reduce) == [
        "fn",
        "sequences",
        "outputs_info",
        "non_sequences",
        "go_backwards",
        "mode",
        "name",
    ]
    for fold in (foldl, foldr):
        assert names(fold) == ["fn", "sequences", "outputs_info", "non_sequences", "mode", "name"]
    for name in ("scan", "until", "map", "reduce", "foldl", "foldr", "scan_checkpoints"):
        assert callable(getattr(theano.scan_module, name))
    assert (theano.scan, theano.map, theano.reduce, theano.foldl, theano.foldr) == (
        scan,
        map,
        reduce,
        foldl,
        foldr,
    )


def test_sequences(x):
    outputs = [
        scan(lambda v: v * 2, [None, x])[0],
        scan(lambda h: h * 2, None, 1.0, n_steps=3)[0],
        scan(lambda v: v * 2, {"input": x, "taps": -1})[0],
        scan(lambda now, later: now - later, {"input": x, "taps": [0, 2]})[0],
        scan(lambda v, w: v * w, [{"input": x}, np.arange(3)])[0],
        scan(lambda v, w: v + 10 * w, [x, {"input": x, "taps": [-1]}])[0],
    ]
    assert values(x, outputs) == [
        [2, 4, 6, 8],
        [2, 4, 8],
        [2, 4, 6],
        [-2, -2],
        [0, 2, 6],
        [11, 22, 33],
    ]


def test_outputs_info(x):
    outputs = [
        scan(lambda v: v * 2, x, [{}])[0],
        scan(lambda v: v * 2, x, [None])[0],
        scan(lambda v, h: v + h, x, {"initial": T.constant(1.0)})[0],
        scan(lambda v, h: v + h, x, {"initial": T.constant([1.0, 2.0]), "taps": -2})[0],
        scan(lambda v, h: v + h, x, {"initial": T.constant([1.0, 2.0]), "taps": [-2]})[0],
        scan(lambda v, h: T.and_(h, v < 3), x, True)[0],
    ]
    assert values(x, outputs) == [
        [2, 4, 6, 8],
        [2, 4, 6, 8],
        [2, 4, 7, 11],
        [2, 4, 5, 8],
        [2, 4, 5, 8],
        [True, True, False, False],
    ]


def test_what_a_step_may_return(x):
    a = theano.shared(1.0, "a")
    forms = [
        lambda v: v * a,
        lambda v: [v * a],
        lambda v: (v * a,),
        lambda v: (v * a, {}),
        lambda v: (v * a, []),
        lambda v: ([v * a], {a: a * 2}),
        lambda v: (v * a, [(a, a * 2)]),
        lambda v: ({a: a * 2}, v * a),
        lambda v: ([v * a], {}, until(v > 2)),
        lambda v: (v * a, {a: a * 2}, until(v > 2)),
        lambda v: (v * a, until(v > 2)),
        lambda v: 3.0,
        lambda v: np.float64(3.0),
    ]
    found = [scan(form, x) for form in forms]
    plain, doubled = [1, 2, 3, 4], [1, 4, 12, 32]
    assert values(x, [outputs for outputs, _ in found]) == [
        *[plain] * 5,
        *[doubled] * 3,
        plain[:3],
        doubled[:3],
        plain[:3],
        *[[3] * 4] * 2,
    ]
    assert [list(updates) for _, updates in found] == [
        [a] if place in (5, 6, 7, 9) else [] for place in range(len(forms))
    ]
    nothing, updates = scan(lambda v: [(a, a + v)], x)
    assert nothing is None
    assert values(x, [a], updates) == [1]
    assert a.get_value() == 11


def test_numbers_of_steps(x):
    k = theano.shared(np.int8(2), "k")
    steps = lambda n: scan(lambda v, h: v + h, x, 0.0, n_steps=n)[0]
    outputs = [
        steps(n) for n in (2, np.int32(3), 1.0, np.inf, k, x.shape[0] - 1, T.cast(k, "uint8") * 2, 0, 1)
    ]
    assert [len(v) for v in values(x, outputs)] == [2, 3, 1, 4, 2, 3, 4, 0, 1]
    with pytest.raises(TypeError, match="n_steps: a length is an integer scalar"):
        steps(T.dscalar())
    with pytest.raises(ValueError, match="n_steps must be an int"):
        steps(1.5)
    with pytest.raises(IndexError, match="negative"):
        steps(-1)
    with pytest.raises(IndexError, match="negative: -5"):
        values(x, [steps(x.shape[0] - 9)])
    with pytest.raises(ValueError, match="No information about the number of steps provided"):
        scan(lambda h: h, outputs_info=1.0)


def test_too_short_a_sequence_is_named(x):
    with pytest.raises(ValueError, match=r"the sequence x\[t\] has length 4.*7"):
        values(x, [scan(lambda v: v * 2, x, n_steps=7)[0]])
    with pytest.raises(ValueError, match=r"the sequence x\[t.*\] has length 1.*2"):
        values(x, [scan(lambda v, w: v * w, {"input": x, "taps": [0, 3]}, n_steps=2)[0]])
    with pytest.raises(ValueError, match="is too short: axis 0 allows 4 steps, n_steps is 5"):
        scan(lambda v: v, T.constant(X), n_steps=5)


def test_arguments_that_change_no_value(x):
    """How a loop is run is up to the function that it is part of."""
    others = {"mode": "FAST_COMPILE", "profile": True, "allow_gc": False}
    result, _ = scan(lambda v, h: v + h, x, 0.0, **others, name="running_sum")
    assert str(result.owner.op) == "for{cpu,running_sum}"
    named = [
        map(lambda v: v, x, mode="FAST_RUN", name="m")[0],
        reduce(lambda v, h: v + h, x, 0.0, mode=None, name="r")[0],
        foldl(lambda v, h: v - h, x, 0.0, mode=None, name="l")[0],
        foldr(lambda v, h: v - h, x, 0.0, mode=None, name="r")[0],
    ]
    assert values(x, [result, *named]) == [[1, 3, 6, 10], [1, 2, 3, 4], 10, 2, -2]


def test_folds_of_several_and_of_no_accumulators(x):
    doubled, _ = reduce(lambda v: v * 2, x, None)
    (total, count), _ = reduce(lambda v, total, count: [total + v, count + 1], x, [0.0, np.int64(0)])
    far, _ = reduce(lambda v, h: v + h, x, {"initial": T.constant([10.0, 20.0]), "taps": [-2]})
    backwards, _ = reduce(lambda v, h: 2 * h + v, x, 0.0, go_backwards=True)
    by_scale, _ = map(
        lambda v, w, c: v * w + c, [x, x[::-1]], non_sequences=[T.constant(1.0)], go_backwards=True
    )
    found = values(x, [doubled, total, count, far, backwards, by_scale])
    assert found == [8, 10, 4, 26, 49, [5, 7, 7, 5]]
    assert values(x, [total, count], at=X[:0]) == [0, 0]


def test_fixed_inputs_of_any_kind(x):
    w = theano.shared(2.0, "w")
    by_array, _ = scan(lambda v, a, b, w: v * a.sum() + b * w, x, non_sequences=[np.ones(2), 3, w])
    by_list, _ = scan(lambda v, a: v * a.sum(), x, non_sequences=T.constant([1.0, 2.0]))
    strictly, _ = scan(lambda v, w: v * w, x, non_sequences=w, strict=True)
    assert values(x, [by_array, by_list, strictly]) == [[8, 10, 12, 14], [3, 6, 9, 12], [2, 4, 6, 8]]
    with pytest.raises(theano.MissingInputError, match=r"strict=True.*w"):
        scan(lambda v: v * w, x, strict=True)


def test_state_in_shared_variables_of_nested_loops(x):
    count = theano.shared(0, "count")

    def row(v):
        _, updates = scan(lambda: {count: count + 1}, n_steps=2)
        return v * count, updates

    result, updates = scan(row, x)
    assert values(x, [result], updates) == [[0, 4, 12, 24]]
    assert count.get_value() == 8
    assert values(x, [result]) == [[8, 20, 36, 56]]  # without its updates a state is as it was in each call
    assert count.get_value() == 8


def test_draws_in_nested_loops(x):
    """One draw a step, in order, in every mode; the state goes on in the next call."""
    e = T.shared_randomstreams.RandomStreams(3).normal()

    def row(v):
        inner, updates = scan(lambda h: h + e, outputs_info=T.zeros(()), n_steps=3)
        return inner * v, updates

    result, updates = scan(row, x)
    f = theano.function([x], result, updates=updates)
    draws = np.random.RandomState(np.random.RandomState(3).randint(2**30)).normal(size=(2, 4, 3))
    for each in draws:
        np.testing.assert_allclose(f(X), np.cumsum(each, 1) * X[:, None], 1e-12)


def test_gradients_by_shared_variables_that_change(x):
    w = theano.shared(np.array(2.0), "w")
    h, updates = scan(lambda v, h: (v * w + h, {w: w * 0.5}), x, T.constant(0.0))
    assert values(x, [h[-1], theano.grad(h[-1], w), theano.grad(h[-1], x)], updates) == [
        6.5,
        1 + 1 + 0.75 + 0.5,
        [2, 1, 0.5, 0.25],
    ]
    assert w.get_value() == 0.125


def test_truncated_gradients_of_ended_nested_and_backward_loops(x):
    ended, _ = scan(lambda v, h: (h * 0.5 + v**2, until(h > 3)), x, 1.0, truncate_gradient=2)
    # Three steps are made, two of them are differentiated: h2 = h1 / 2 + x2**2, h3 = h2 / 2 + x3**2.
    by_places, _ = scan(lambda i, h: h * x[i], np.arange(4), 1.0, truncate_gradient=2)
    backwards, _ = scan(lambda v, h: h * v, x, 1.0, go_backwards=True, truncate_gradient=1)
    none, _ = scan(lambda v, h: h * v, x, 1.0, truncate_gradient=0)
    more, _ = scan(lambda v, h: h * v, x, 1.0, truncate_gradient=100)
    nested, _ = scan(
        lambda v, h: scan(lambda g: g * v, None, h, n_steps=2, truncate_gradient=1)[0][-1], x, 1.0
    )
    by_x = [theano.grad(h.sum(), x) for h in (ended, by_places, backwards, none, more, nested)]
    assert values(x, by_x) == [
        [0, 4 * 1.5, 6, 0],
        [0, 0, 2 * (1 + 4), 6],
        [24, 0, 0, 0],
        [0, 0, 0, 0],
        [33, 16, 10, 6],
        # h v v by v: the last factor of an inner loop, times the h v before it, which is taken as given.
        [1, 2, 12, 144],
    ]


def test_types_that_settle_and_types_that_do_not(x):
    """A state has the dtype and the lengths of what the step makes of it."""
    text = r"The initial state \(`outputs_info` in scan nomenclature\) of variable"
    with pytest.raises(ValueError, match=text + ".*has dtype float32, while .* has dtype float64"):
        scan(lambda v, h: h + v, x, T.constant(np.float32(1.0)))
    with pytest.raises(ValueError, match=text + ".*has dtype int64, while .* has dtype float64"):
        scan(lambda v, h: h + v, x, np.int64(0))
    with pytest.raises(ValueError, match=text + ".*has length 1 along axis 0, while .* length 3"):
        scan(lambda v, h: h + np.ones(3), x, T.constant([1.0]))


def test_checkpoints(x):
    """Every N-th step of a scan, and the last: values, gradients, updates."""
    w = T.dscalar("w")
    step = lambda v, h, w: [T.tanh(h * w + v), v * h]
    states = [T.constant(0.3), None]
    for n, n_steps in ((7, None), (6, None), (2, None), (7, 5), (0, None)):
        at = np.linspace(-1, 1, n)
        (h, out), _ = scan(step, x, states, w, n_steps=n_steps)
        (saved, collected), updates = theano.scan_checkpoints(
            step, x, states, w, n_steps=n_steps, save_every_N=3
        )
        assert updates == {}
        given = [w, x]
        f = theano.function(given, [h, out, theano.grad((h[2::3] ** 2).sum(), x)])
        g = theano.function(
            given, [saved, collected, *theano.grad((saved[: x.shape[0] // 3] ** 2).sum(), [x, w])]
        )
        made = n_steps or n
        places = [*range(2, made, 3), *([made - 1] if made % 3 else [])]
        rows, terms, slope = f(0.7, at)
        got, its, *slopes = g(0.7, at)
        np.testing.assert_allclose(got, rows[places], 1e-12)
        np.testing.assert_allclose(its, terms[places], 1e-12)
        if n_steps is None:
            np.testing.assert_allclose(slopes[0], slope, 1e-10, 1e-12)

    count = theano.shared(0, "count")
    total, updates = theano.scan_checkpoints(
        lambda v, total: ([total + v * count], {count: count + 1}),
        T.constant(np.ones(7)),
        0.0,
        save_every_N=2,
    )
    assert values(x, [total], updates) == [[1, 6, 15, 21]]
    assert count.get_value() == 7
    draw = T.shared_randomstreams.RandomStreams(3).normal()
    drawn, updates = theano.scan_checkpoints(lambda h: h + draw, None, T.zeros(()), n_steps=5, save_every_N=2)
    whole, _ = scan(lambda h: h + draw, None, T.zeros(()), n_steps=5)
    some, all_ = theano.function([], [drawn, whole], updates=updates)()
    np.testing.assert_allclose(some, all_[[1, 3, 4]])


def test_checkpoints_refuse(x):
    checkpoints = theano.scan_checkpoints
    with pytest.raises(ValueError, match="no taps"):
        checkpoints(lambda v, w: v, {"input": x, "taps": [0, 1]})
    with pytest.raises(ValueError, match="needs scan"):
        checkpoints(lambda v: (v, until(v > 1)), x)
    with pytest.raises(ValueError, match="positive int"):
        checkpoints(lambda v: v, x, save_every_N=0)
    with pytest.raises(ValueError, match="No information"):
        checkpoints(lambda h: h, None, 1.0)
