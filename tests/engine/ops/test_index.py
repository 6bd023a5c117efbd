"""Indexing: reading, overwriting and adding to parts, by slices, integers and arrays, as NumPy does."""

from __future__ import annotations

import numpy as np
import pytest

from probgraph.engine.ops import index
from probgraph.engine.toolchain import find_compiler
from probgraph.engine.types import TensorType
from tests.engine.op_cases import Case, check_compiled, check_gradient, check_values

RNG = np.random.default_rng(4)
V = RNG.normal(size=6)
M = RNG.normal(size=(4, 3))
T = RNG.normal(size=(2, 3, 4))
I = np.array([2, 0, -1, 2])
J = np.array([[0, 1], [2, -3]])
K = np.array(1)

KEYS = [
    (V, 0), (V, -1), (V, slice(1, 4)), (V, slice(None, None, -1)), (V, slice(4, 1, -2)), (V, slice(-3, None)),
    (V, slice(-100, 100, 2)), (V, slice(4, 2)), (V, slice(10, None)), (V, slice(None, -2)), (V, None),
    (V, Ellipsis), (V, []), (V, [0, 0, 3]), (V, J), (V, V > 0),
    (M, 1), (M, (slice(None), 0)), (M, (slice(1, 3), slice(None, None, 2))), (M, (-1, slice(None, None, -1))),
    (M, (None, 2)), (M, (Ellipsis, None, 1)), (M, I), (M, (slice(None), J)), (M, (I, np.array([0, 1, 2, 0]))),
    (M, (I, 1)), (M, (I[:, None], np.array([0, 2]))), (M, (slice(0, 3), np.array([1, 1]))), (M, (J, None)),
    (T, (1, slice(None), -1)), (T, (Ellipsis, 2)), (T, (0, Ellipsis)), (T, (slice(None), np.array([2, 0]))),
    (T, (np.array([0, 1]), slice(None), np.array([3, 1]))), (T, (slice(None), 1, np.array([0, 3]))),
    (T, (np.array([1]), 2, 3)),
]  # fmt: skip

CASES = [
    Case(f"{number}: {x.ndim}d[{key!r:.40}]", lambda v, k=key: v[k], lambda v, k=key: v[k], (x,))
    for number, (x, key) in enumerate(KEYS)
    if key is not Ellipsis
]


def _set(x, key, y, add=False):
    x = np.array(x)
    if add:
        np.add.at(x, key, y)
    else:
        x[key] = y
    return x


WRITES = [
    Case(
        f"{number}: set {x.ndim}d[{key!r:.40}]",
        lambda v, s, k=key: index.set_subtensor(v[k], s),
        lambda v, s, k=key: _set(v, k, s),
        (x, np.array(0.3)),
    )
    for number, (x, key) in enumerate(KEYS)
    if key is not Ellipsis
] + [
    Case(
        f"{number}: inc {x.ndim}d[{key!r:.40}]",
        lambda v, s, k=key: index.inc_subtensor(v[k], s),
        lambda v, s, k=key: _set(v, k, s, True),
        (x, np.array(0.3)),
    )
    for number, (x, key) in enumerate(KEYS)
    if key is not Ellipsis
]

SYMBOLIC = [
    Case("by a symbolic integer", lambda m, k: m[k], lambda m, k: m[int(k)], (M, K)),
    Case(
        "by symbolic bounds", lambda v, k: v[k : 3 * k + 1], lambda v, k: v[int(k) : 3 * int(k) + 1], (V, K)
    ),
    Case("back from a symbolic bound", lambda v, k: v[-k:], lambda v, k: v[-int(k) :], (V, K)),
    Case("by a symbolic array", lambda m, i: m[i], lambda m, i: m[i], (M, I)),
    Case("by a symbolic matrix", lambda m, j: m[:, j], lambda m, j: m[:, j], (M, J)),
    Case(
        "written by a symbolic array",
        lambda v, i: index.inc_subtensor(v[i], v[:4]),
        lambda v, i: _set(v, i, v[:4], True),
        (V, I),
    ),
    Case(
        "written by rows",
        lambda m, v: index.set_subtensor(m[1:3], v[:3]),
        lambda m, v: _set(m, slice(1, 3), v[:3]),
        (M, V),
    ),
    Case(
        "a part of a part",
        lambda m: index.inc_subtensor(m[1:][I[:2]], 2.0),
        lambda m: _set(m[1:], I[:2], 2.0, True),
        (M,),
    ),
    Case("take", lambda m, i: index.take(m, i, axis=0), lambda m, i: np.take(m, i, 0), (M, I)),
    Case("take of all", lambda m, j: index.take(m, j), lambda m, j: np.take(m, j), (M, J)),
]


@pytest.mark.parametrize("case", [*CASES, *WRITES, *SYMBOLIC], ids=lambda c: c.name)
def test_values(case):
    check_values(case)


@pytest.mark.parametrize("case", [*CASES[::3], *WRITES[::3], *SYMBOLIC], ids=lambda c: c.name)
def test_gradients(case):
    check_gradient(case)


@pytest.mark.skipif(find_compiler() is None, reason="needs a C compiler")
@pytest.mark.parametrize("cases", [CASES, WRITES[::3], SYMBOLIC], ids=["reads", "writes", "symbolic"])
def test_compiled(cases):
    check_compiled(cases)


def test_out_of_bounds_is_an_index_error():
    v, k = TensorType("float64", (None,))("v"), TensorType("int64", ())("k")
    for at in (3, -4):
        with pytest.raises(IndexError):
            v[k].eval({v: np.zeros(3), k: np.int64(at)})
        with pytest.raises(IndexError, match=f"index {at} is out of bounds for axis 0"):
            v[np.array([0, at])].eval({v: np.zeros(3)})
    with pytest.raises(IndexError, match="index 3 is out of bounds for axis 0 of w with length 3"):
        TensorType("float64", (3,))("w")[3]


def test_what_is_no_index():
    m = TensorType("float64", (None, None))("m")
    with pytest.raises(IndexError, match="too many indices for m: it has 2 dimensions, 3 were indexed"):
        m[0, 0, 0]
    with pytest.raises(IndexError, match="only integers"):
        m[1.5]
    with pytest.raises(IndexError, match="single ellipsis"):
        m[..., ...]
    with pytest.raises(IndexError, match="single boolean"):
        m[True]
    with pytest.raises(ValueError, match="step cannot be zero"):
        m[::0]
    with pytest.raises(TypeError, match="set_subtensor: x must be the result of a subtensor operation"):
        index.set_subtensor(m, 0)


def test_what_cannot_be_written():
    i = TensorType("int64", (3,))("i")
    with pytest.raises(TypeError, match="cannot write float64 into int64"):
        index.set_subtensor(i[:2], np.array([0.5, 1.5]))
    with pytest.raises(ValueError, match=r"does not fit a part of shape \(2,\)"):
        index.set_subtensor(i[:2], np.array([1, 2, 3]))
    with pytest.raises(ValueError, match="more dimensions than the part"):
        index.set_subtensor(i[:2], np.array([[1, 2]]))


def test_what_is_known_of_parts():
    m = TensorType("float64", (5, None))("m")
    assert m[1:3].type.shape == (2, None)
    assert m[::-2].type.shape == (3, None)
    assert m[:, 0].type.shape == (5,)
    assert m[[0, 1]].type.shape == (2, None)
    assert m[None, ..., 0].type.shape == (1, 5)
    assert m[:].type == m[...].type == m.type
