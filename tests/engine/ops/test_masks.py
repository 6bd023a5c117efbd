"""Masks: the places where they hold, reading and writing by them, counting, telling apart; against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from probgraph.engine.autodiff import grad
from probgraph.engine.function import function
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import index, masks
from probgraph.engine.toolchain import find_compiler
from probgraph.engine.types import TensorType
from tests.engine.op_cases import Case, check_gradient, check_values

MODES = ["FAST_COMPILE", "FAST_RUN"] if find_compiler() else ["FAST_COMPILE"]
RNG = np.random.default_rng(3)
V, M, T = RNG.normal(size=5), RNG.normal(size=(4, 3)), RNG.normal(size=(2, 3, 4))
HV, HM = np.array([True, False, True, True, False]), M > 0
ROWS, COLUMNS = np.array([True, False, False, True]), np.array([False, True, True])

READS = [
    Case("vector", lambda x, m: x[m], lambda x, m: x[m], (V, HV)),
    Case("none", lambda x, m: x[m], lambda x, m: x[m], (V, np.zeros(5, bool))),
    Case("all", lambda x, m: x[m], lambda x, m: x[m], (V, np.ones(5, bool))),
    Case("empty", lambda x, m: x[m], lambda x, m: x[m], (V[:0], HV[:0])),
    Case("matrix", lambda x, m: x[m], lambda x, m: x[m], (M, HM)),
    Case("rows", lambda x, m: x[m], lambda x, m: x[m], (M, ROWS)),
    Case("columns", lambda x, m: x[:, m], lambda x, m: x[:, m], (M, COLUMNS)),
    Case("last axes", lambda x, m: x[..., m], lambda x, m: x[..., m], (T, RNG.normal(size=(3, 4)) > 0)),
    Case("after a part", lambda x, m: x[1:, None, m], lambda x, m: x[1:, None, m], (M, COLUMNS)),
    Case("beside an integer", lambda x, m: x[m, 1], lambda x, m: x[m, 1], (M, ROWS)),
    Case("two masks", lambda x, a, b: x[a, b], lambda x, a, b: x[a, b], (M, ROWS, COLUMNS)),
    Case("around a slice", lambda x, a, b: x[a, :, b], lambda x, a, b: x[a, :, b], (T[:, :, :3], COLUMNS[1:], COLUMNS)),
    Case("of itself", lambda x: x[x > 0], lambda x: x[x > 0], (M,)),
    Case("nonzero", lambda x, m: x[m.nonzero()], lambda x, m: x[m.nonzero()], (M, HM)),
    Case("values", masks.nonzero_values, lambda x: x[x.nonzero()], (M,)),
    Case("compress", lambda x: masks.compress([True, False, True], x, 0), lambda x: np.compress([True, False, True], x, 0), (M,)),
    Case("compress all", lambda x, m: masks.compress(m, x), lambda x, m: np.compress(m, x), (M, ROWS)),
]  # fmt: skip


def _written(x, key, y, add=False):
    x = np.array(x)
    if add:
        x[key] += y
    else:
        x[key] = y
    return x


WRITES = [
    Case(f"{'add' if add else 'set'} {name}", lambda x, m, y, f=f: f(x[m], y), lambda x, m, y, a=add: _written(x, m, y, a), (x, m, y))
    for add, f in ((False, index.set_subtensor), (True, index.inc_subtensor))
    for name, x, m, y in [
        ("a scalar", V, HV, np.array(0.5)), ("a scalar in a matrix", M, HM, np.array(0.5)),
        ("rows", M, ROWS, np.array([1.0, 2, 3])), ("a list", V, HV, np.array([1.0, 2, 3])),
        ("a matrix", M, ROWS, RNG.normal(size=(2, 3))), ("nothing", V, np.zeros(5, bool), np.array(2.0)),
    ]
] + [
    Case("the same mask", lambda x, z, m: index.set_subtensor(x[m], z[m]), lambda x, z, m: _written(x, m, z[m]), (M, M * 2, HM)),
    Case("a computed part", lambda x, m: index.inc_subtensor(x[m], x[m] ** 2), lambda x, m: _written(x, m, x[m] ** 2, True), (M, HM)),
    Case("columns", lambda x, m: x[:, m].set(7.0), lambda x, m: _written(x, (slice(None), m), 7.0), (M, COLUMNS)),
    Case("part of a part", lambda x, m: x[1:, m].inc(7.0), lambda x, m: _written(x, (slice(1, None), m), 7.0, True), (M, COLUMNS)),
]  # fmt: skip


@pytest.mark.parametrize("case", [*READS, *WRITES], ids=lambda c: c.name)
@pytest.mark.parametrize("mode", MODES)
def test_values_in_both_modes(case, mode):
    inputs = case.inputs()
    got = function(inputs, case.graph(*inputs), mode=mode)(*case.arrays)
    np.testing.assert_array_equal(got, case.numpy(*case.arrays))


@pytest.mark.parametrize("case", [*READS, *WRITES], ids=lambda c: c.name)
def test_types(case):
    check_values(case)


@pytest.mark.parametrize(
    "case", [c for c in [*READS, *WRITES] if c.name != "of itself"], ids=lambda c: c.name
)
def test_gradients(case):
    check_gradient(case, twice=True)


@pytest.mark.skipif(find_compiler() is None, reason="needs a C compiler")
def test_what_is_the_same_for_all_places_needs_no_list_of_them():
    x, m = TensorType("float64", (None,))("x"), TensorType("bool", (None,))("m")
    whole = function([x, m], [x[m].set(0.0), x[m].inc(x[m])])
    assert whole.maker.executable.backend == "C"
    parts = function([x, m], ew.exp(x[m]))
    assert parts.maker.executable.backend.startswith("C, with Python in between for Nonzero")


@pytest.mark.parametrize("mode", MODES)
def test_a_mask_of_another_length(mode):
    x, m = TensorType("float64", (None,))("x"), TensorType("bool", (None,))("m")
    for graph in (x[m], x[m].set(0.0), x[m].inc(1.0)):
        with pytest.raises(IndexError, match="mask for axis 0.*has length 2, the axis has 3"):
            function([x, m], graph, mode=mode)(np.zeros(3), np.ones(2, bool))
    with pytest.raises(IndexError, match="mask for axis 0 of w has length 2, the axis has 3"):
        TensorType("float64", (3,))("w")[np.array([True, False])]
    with pytest.raises(IndexError, match="has length 4, the axis has 3"):
        x[np.ones(4, bool)].eval({x: np.zeros(3)})
    with pytest.raises(IndexError, match="too many indices"):
        x[TensorType("bool", (None, None))("mm")]


def test_what_is_written_must_fit():
    x, m = TensorType("int64", (None,))("x"), TensorType("bool", (None,))("m")
    with pytest.raises(TypeError, match="cannot write float64 into int64"):
        x[m].set(np.array(0.5))
    v = TensorType("float64", (None,))("v")
    with pytest.raises(ValueError):
        v[m].set(v).eval({v: np.zeros(3), m: np.array([True, True, False])})


def test_nonzero_as_numpy_has_it():
    m = TensorType("float64", (None, None))("m")
    value = np.array([[0.0, np.nan], [-0.0, 2.0]])
    for got, expected in zip(masks.nonzero(m), np.nonzero(value), strict=True):
        np.testing.assert_array_equal(got.eval({m: value}), expected)
    np.testing.assert_array_equal(masks.nonzero(m, True).eval({m: value}), np.array(np.nonzero(value)))
    np.testing.assert_array_equal(masks.flatnonzero(m).eval({m: value}), np.flatnonzero(value))
    with pytest.raises(ValueError, match="is a scalar"):
        masks.nonzero(TensorType("bool", ())("s"))
    with pytest.raises(ValueError, match="compress: the condition is a vector"):
        masks.compress(m, m)
    with pytest.raises(ValueError, match="compress: axis 2 does not exist"):
        masks.compress([True], m, 2)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["int8", "int64", "uint16"])
def test_counts(mode, dtype):
    x, w = TensorType(dtype, (None,))("x"), TensorType("float64", (None,))("w")
    count = function([x], masks.bincount(x, minlength=4), mode=mode)
    weighed = function([x, w], [masks.bincount(x, w), grad((masks.bincount(x, w) ** 2).sum(), w)], mode=mode)
    for values in ([1, 1, 3], [0], [7, 7, 2]):
        array, weights = np.array(values, dtype), np.arange(1.0, len(values) + 1)
        got = count(array)
        np.testing.assert_array_equal(got, np.bincount(array, minlength=4))
        total, slope = weighed(array, weights)
        np.testing.assert_array_equal(total, np.bincount(array, weights))
        np.testing.assert_array_equal(slope, 2 * np.bincount(array, weights)[array])
    np.testing.assert_array_equal(count(np.zeros(0, dtype)), np.zeros(4))


def test_counts_refuse():
    x = TensorType("int64", (None,))("x")
    with pytest.raises(ValueError, match=r"not negative, found -1"):
        masks.bincount(x).eval({x: np.array([2, -1])})
    with pytest.raises(TypeError, match="vector of integers"):
        masks.bincount(V)
    with pytest.raises(ValueError, match="minlength is not negative"):
        masks.bincount(x, minlength=-1)
    with pytest.raises(ValueError, match="2 integers and 1 weights"):
        masks.bincount(np.array([1, 2]), np.array([1.0]))


@pytest.mark.parametrize("mode", MODES)
def test_distinct(mode):
    x = TensorType("float64", (None, None))("x")
    value = np.array([[3.0, 1.0, 3.0], [3.0, 1.0, 3.0], [1.0, 0.5, np.inf]])
    found = function([x], masks.unique(x, True, True, True), mode=mode)(value)
    expected = list(np.unique(value, True, True, True))
    expected[2] = expected[2].reshape(value.shape)
    for got, want in zip(found, expected, strict=True):
        np.testing.assert_array_equal(got, want)
    for axis in (0, 1, -1):
        np.testing.assert_array_equal(
            masks.unique(x, axis=axis).eval({x: value}), np.unique(value, axis=axis)
        )
    with pytest.raises(ValueError, match="unique: axis 2 does not exist"):
        masks.unique(x, axis=2)


def test_gradients_of_what_is_distinct_go_to_the_first():
    x = TensorType("float64", (None,))("x")
    slope = grad((masks.unique(x) * np.array([1.0, 2.0])).sum(), x)
    np.testing.assert_array_equal(slope.eval({x: np.array([5.0, 3.0, 5.0])}), [2.0, 1.0, 0.0])
