"""Reductions: every way to combine, along every choice of axes, at edge values, with gradients and in C."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

from probgraph.engine.autodiff import grad
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import reduce
from probgraph.engine.toolchain import find_compiler
from probgraph.engine.types import COMPLEX, DTYPES, TensorType
from tests.engine.op_cases import Case, check_compiled, check_gradient, check_values

RNG = np.random.default_rng(1)
M = RNG.normal(size=(3, 4))
T = RNG.normal(size=(2, 3, 2))
ONE = RNG.normal(size=(1, 3))
V = RNG.normal(size=5)

CASES = [
    Case(
        f"{name} {axis} of {x.shape}{' kept' if keep else ''}",
        lambda v, f=name, a=axis, k=keep: getattr(reduce, f)(v, a, keepdims=k),
        lambda v, f=function, a=axis, k=keep: f(v, axis=a, keepdims=k),
        (x,),
    )
    for name, function in {
        "sum": np.sum,
        "prod": np.prod,
        "max": np.max,
        "min": np.min,
        "mean": np.mean,
        "var": np.var,
        "std": np.std,
        "logsumexp": scipy.special.logsumexp,
    }.items()
    for x, axes in ((M, (None, 0, -1)), (T, ((0, 2), 1)), (V, (0,)), (ONE, (0, 1)))
    for axis in axes
    for keep in (False, True)
    if not (name == "std" and x is ONE and axis == 0)
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_values(case):
    check_values(case)


@pytest.mark.parametrize("case", CASES[::2], ids=lambda c: c.name)
def test_gradients(case):
    check_gradient(case, twice=case.arrays[0] is not T)


@pytest.mark.skipif(find_compiler() is None, reason="needs a C compiler")
def test_compiled():
    check_compiled([c for c in CASES if "kept" not in c.name and c.arrays[0] is not M][::2])


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes_are_numpys(dtype):
    x = np.array([1, 0, 3], dtype)
    v = TensorType(dtype, (None,))("v")
    for name in ("sum", "prod"):
        y = getattr(reduce, name)(v)
        expected = getattr(np, name)(x)
        assert y.dtype == np.dtype(expected.dtype).name
        assert y.eval({v: x}) == expected
    if dtype not in COMPLEX:
        for name in ("max", "min"):
            assert getattr(reduce, name)(v).dtype == dtype
            assert getattr(reduce, name)(v).eval({v: x}) == getattr(np, name)(x)
    for name in ("any", "all"):
        assert getattr(reduce, name)(v).eval({v: x}) == getattr(np, name)(x)
    mean = reduce.mean(v)
    assert mean.dtype == np.mean(x).dtype and mean.eval({v: x}) == pytest.approx(np.mean(x))


def test_float32_accumulates_in_float64():
    v = TensorType("float32", (None,))("v")
    x = np.full(2**20, 0.1, "float32")
    y = reduce.sum(v)
    assert y.dtype == "float32"
    assert y.eval({v: x}) == np.float32(np.sum(x, dtype="float64"))


def test_of_nothing():
    v = TensorType("float64", (None,))("v")
    nothing = {v: np.zeros(0)}
    assert reduce.sum(v).eval(nothing) == 0
    assert reduce.prod(v).eval(nothing) == 1
    assert np.isnan(reduce.mean(v).eval(nothing))
    assert reduce.logsumexp(v).eval(nothing) == -np.inf
    assert not reduce.any(v).eval(nothing) and reduce.all(v).eval(nothing)
    for name in ("max", "min"):
        with pytest.raises(ValueError, match=f"{name}: no elements to choose from"):
            getattr(reduce, name)(v).eval(nothing)


def test_nan_and_infinity():
    v = TensorType("float64", (None,))("v")
    x = {v: np.array([1.0, np.nan, np.inf])}
    for name in ("sum", "prod", "max", "min", "mean", "logsumexp"):
        assert np.isnan(getattr(reduce, name)(v).eval(x)), name
    for values, expected in (
        ([-np.inf, -np.inf], -np.inf),
        ([np.inf, 1.0], np.inf),
        ([-np.inf, 3.0], 3.0),
        ([1e308, 1e308], 1e308),
        ([-1e4, -1e4], -1e4 + np.log(2)),
    ):
        assert reduce.logsumexp(v).eval({v: np.array(values)}) == pytest.approx(expected, rel=1e-15)


def test_gradients_at_ties_zeros_and_extremes():
    v = TensorType("float64", (None,))("v")

    def gradient(y, x):
        return grad(y, v).eval({v: np.array(x)}).tolist()

    assert gradient(reduce.max(v), [2.0, 1.0, 2.0]) == [1, 0, 1]
    assert gradient(reduce.prod(v), [0.0, 2.0, 3.0]) == [6, 0, 0]
    assert gradient(reduce.prod(v), [0.0, 0.0, 3.0]) == [0, 0, 0]
    assert gradient(reduce.logsumexp(v), [1000.0, 1000.0]) == [0.5, 0.5]
    assert gradient(reduce.logsumexp(v), [-np.inf, -1e5]) == [0, 1]
    assert gradient(ew.log(ew.exp(v).sum()), [2400.0, -2400.0]) == [1, 0]


def test_softmax():
    m = TensorType("float64", (None, None))("m")
    for axis in (None, 0, 1):
        check_values(
            Case(
                "softmax",
                lambda v, a=axis: reduce.softmax(v, a),
                lambda v, a=axis: scipy.special.softmax(v, a),
                (M,),
            )
        )
        check_gradient(
            Case(
                "softmax",
                lambda v, a=axis: reduce.softmax(v, a),
                lambda v, a=axis: scipy.special.softmax(v, a),
                (M,),
            ),
            twice=True,
        )
    assert reduce.softmax(m, 1).eval({m: np.array([[2400.0, -np.inf], [1e308, 1e308]])}).tolist() == [
        [1, 0],
        [0.5, 0.5],
    ]


def test_rank_zero_and_no_axes():
    s = TensorType("int32", ())("s")
    assert reduce.sum(s).eval({s: np.int32(3)}) == 3
    assert reduce.sum(s).dtype == "int64"
    m = TensorType("float64", (None, None))("m")
    assert reduce.sum(m, ()).ndim == 2


def test_errors_say_who_and_what():
    m = TensorType("float64", (None, None))("m")
    with pytest.raises(ValueError, match="sum: axis 2 does not exist, the variable has 2 dimensions"):
        reduce.sum(m, 2)
    with pytest.raises(ValueError, match="named twice"):
        reduce.mean(m, (0, -2))
    with pytest.raises(TypeError, match="logsumexp is not defined for complex"):
        reduce.logsumexp(as_variable(np.array([1j])))
    with pytest.raises(TypeError, match="max is not defined for complex numbers"):
        reduce.max(as_variable(np.array([1j])))
