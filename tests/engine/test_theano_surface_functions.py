"""Arguments of Theano's tensor functions that may be symbolic, and its flags."""

from __future__ import annotations

import numpy as np
import pytest

import probgraph.engine.tensor as T
from probgraph.engine import function, grad


def both(inputs, outputs, *values):
    """The values of some graphs, by FAST_COMPILE and by the default mode, which must agree."""
    plain, compiled = (function(inputs, outputs, mode=mode)(*values) for mode in ("FAST_COMPILE", None))
    for a, b in zip(plain, compiled, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(b, a, rtol=1e-12)
    return compiled


@pytest.mark.parametrize("shape", [(2, 3), (1, 1), (0, 2)])
@pytest.mark.parametrize("n", [0, 1, 3])
def test_tile_by_symbolic_numbers(shape, n):
    m, k = T.dmatrix("m"), T.lscalar("k")
    given = np.arange(np.prod(shape), dtype=float).reshape(shape)
    outputs = [
        T.tile(m, k),
        T.tile(m, (k, 2)),
        T.tile(m, (2, k, 1)),
        T.tile(m, T.stack([k, k])),
        T.tile(m, (0, 1)),
    ]
    got = both([m, k], [*outputs, grad(outputs[1].sum(), m)], given, n)
    truth = [np.tile(given, r) for r in (n, (n, 2), (2, n, 1), (n, n), (0, 1))]
    for g, t in zip(got, [*truth, np.full(shape, 2.0 * n)], strict=True):
        np.testing.assert_array_equal(g, t)


def test_split_by_symbolic_lengths():
    m, sizes, k = T.dmatrix("m"), T.lvector("sizes"), T.lscalar("k")
    parts = [*T.split(m, sizes, 3, axis=1), *T.split(m, [k, 5 - k], axis=-1), *T.split(m, [2, 3], axis=1)]
    cost = (parts[0].sum() + 2 * parts[1].sum() + 3 * parts[2].sum()) * 1.0
    given = np.arange(10.0).reshape(2, 5)
    f = function([m, sizes, k], [*parts, grad(cost, m)])
    got = f(given, [1, 0, 4], 2)
    truth = [given[:, :1], given[:, 1:1], given[:, 1:], *[given[:, :2], given[:, 2:]] * 2]
    for g, t in zip(got, [*truth, np.tile([1.0, 3, 3, 3, 3], (2, 1))], strict=True):
        np.testing.assert_array_equal(g, t)
    for wrong in ([1, 1, 1], [6, -1, 0], [1, 4], [1, 0, 4, 0]):
        with pytest.raises((ValueError, IndexError)):
            f(given, wrong, 2)
    with pytest.raises(ValueError, match="do not add up"):
        f(given[:, :4], [1, 0, 3], 2)
    with pytest.raises(ValueError, match="give n_splits"):
        T.split(m, sizes)


def test_flags():
    v, m = T.dvector("v"), T.dmatrix("m")
    got = both(
        [v, m],
        [
            T.inc_subtensor(
                v[0], 5.0, inplace=False, set_instead_of_inc=True, tolerate_inplace_aliasing=False
            ),
            T.set_subtensor(v[0], 5.0, inplace=False, tolerate_inplace_aliasing=False),
            T.slinalg.solve(m, v, overwrite_a=True, overwrite_b=True, check_finite=False),
            T.topk(v, 1, idx_dtype="int32"),
            T.topk_and_argtopk(v, 1, idx_dtype="int32")[1],
        ],
        np.array([2.0, 4.0]),
        np.diag([2.0, 4.0]),
    )
    for g, t in zip(got, [[5.0, 4.0], [5.0, 4.0], [1.0, 1.0], [4.0], np.array([1], "int32")], strict=True):
        np.testing.assert_array_equal(g, t)
    assert got[-1].dtype == np.int32
    for f in (T.set_subtensor, T.inc_subtensor):
        with pytest.raises(NotImplementedError, match="inplace=True"):
            f(v[0], 1.0, inplace=True)


@pytest.mark.parametrize("L", [1, 2, 3, 0.5, np.inf, -np.inf])
def test_norm_of_all_elements_or_along_axes(L):
    m = T.dmatrix("m")
    given = np.array([[3.0, -4.0, 1.0], [-1.0, 2.0, 0.5]])
    got = both([m], [m.norm(L), m.norm(L, axis=1), m.norm(L, axis=0, keepdims=True)], given)
    truth = [
        np.linalg.norm(given.ravel(), L),
        np.linalg.norm(given, L, axis=1),
        np.linalg.norm(given, L, axis=0, keepdims=True),
    ]
    for g, t in zip(got, truth, strict=True):
        np.testing.assert_allclose(g, t, rtol=1e-13)
    with pytest.raises(NotImplementedError, match="count elements"):
        m.norm(0)


DTYPES = [
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float32",
    "float64",
]
LEFT = {"b": [0, 1, 1, 0], "i": [-7, 3, 5, -1], "u": [7, 3, 5, 1], "f": [-7.5, 3.25, 5.0, -1.0]}
RIGHT = {"b": [1, 1, 1, 0], "i": [2, -2, 3, -3], "u": [2, 4, 3, 1], "f": [2.5, -2.0, 3.0, -0.5]}


@pytest.mark.parametrize("left", DTYPES)
@pytest.mark.parametrize("mode", ["FAST_COMPILE", None])
def test_arithmetic_of_two_dtypes_is_numpys(left, mode):
    """Exists, has the dtype and has the value, for a dtype beside all others (division by zero is left out)."""
    table = [
        (T.add, np.add),
        (T.sub, np.subtract),
        (T.mul, np.multiply),
        (T.true_div, np.true_divide),
        (T.int_div, np.floor_divide),
        (T.mod, np.mod),
        (T.maximum, np.maximum),
        (T.minimum, np.minimum),
        (T.lt, np.less),
        (T.eq, np.equal),
        (T.and_, np.bitwise_and),
    ]
    x = T.vector("x", dtype=left)
    a = np.array(LEFT[np.dtype(left).kind], left)
    inputs, given, outputs, truth = [x], [a], [], []
    for right in DTYPES:
        b = np.array(RIGHT[np.dtype(right).kind], right)
        y = T.vector(right, dtype=right)
        inputs.append(y)
        given.append(b)
        for ours, numpys in table:
            if numpys in (np.true_divide, np.floor_divide, np.mod) and right == "bool":
                continue
            try:
                expected = numpys(a, b)
            except TypeError:
                with pytest.raises(TypeError):
                    ours(x, y)
                continue
            outputs.append(ours(x, y))
            truth.append((numpys.__name__, right, expected))
    got = function(inputs, outputs, mode=mode)(*given)
    for g, (name, right, expected) in zip(got, truth, strict=True):
        if name == "divide" and not {left, right} & {"float32", "float64"}:
            expected = expected.astype("float64")  # floatX, where NumPy goes by the width of the integers
        assert g.dtype == expected.dtype, (name, left, right)
        np.testing.assert_array_equal(g, expected, err_msg=f"{name} {left} {right}")
