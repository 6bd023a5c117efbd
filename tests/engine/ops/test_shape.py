"""Shapes: asking for them, reordering, reshaping, filling and joining, with gradients and in C."""

from __future__ import annotations

import numpy as np
import pytest

from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import shape
from probgraph.engine.toolchain import find_compiler
from probgraph.engine.types import TensorType
from tests.engine.op_cases import Case, check_compiled, check_gradient, check_values

RNG = np.random.default_rng(2)
V, W = RNG.normal(size=3), RNG.normal(size=4)
M, N = RNG.normal(size=(2, 3)), RNG.normal(size=(2, 3))
T = RNG.normal(size=(2, 3, 2))
S = np.array(0.7)

CASES = [
    Case("shape", lambda m: shape.shape(m), lambda m: np.array(m.shape), (M,), False),
    Case("one length", lambda m: m.shape[1] * 1, lambda m: np.int64(m.shape[1]), (M,), False),
    Case("transpose", lambda t: shape.transpose(t), np.transpose, (T,)),
    Case("transpose by axes", lambda t: t.transpose(1, 2, 0), lambda t: t.transpose(1, 2, 0), (T,)),
    Case("dimshuffle", lambda m: m.dimshuffle(1, "x", 0), lambda m: m.T[:, None, :], (M,)),
    Case("moveaxis", lambda t: shape.moveaxis(t, -1, 0), lambda t: np.moveaxis(t, -1, 0), (T,)),
    Case("swapaxes", lambda t: t.swapaxes(0, 1), lambda t: np.swapaxes(t, 0, 1), (T,)),
    Case("expand_dims", lambda m: shape.expand_dims(m, (0, 2)), lambda m: np.expand_dims(m, (0, 2)), (M,)),
    Case("padleft", lambda v: shape.shape_padleft(v, 2), lambda v: v[None, None], (V,)),
    Case("padright", lambda v: shape.shape_padright(v), lambda v: v[:, None], (V,)),
    Case("squeeze", lambda v: v[None, :, None].squeeze(), lambda v: v, (V,)),
    Case("reshape", lambda t: t.reshape((3, 4)), lambda t: t.reshape(3, 4), (T,)),
    Case("reshape with -1", lambda t: t.reshape((-1, 6)), lambda t: t.reshape(-1, 6), (T,)),
    Case("reshape by a shape", lambda m, n: m.T.reshape(n.shape), lambda m, n: m.T.reshape(n.shape), (M, N)),
    Case("flatten", lambda t: t.flatten(), lambda t: t.ravel(), (T,)),
    Case("flatten to 2", lambda t: t.flatten(2), lambda t: t.reshape(2, -1), (T,)),
    Case("alloc", lambda v: shape.alloc(v, 2, 3), lambda v: np.broadcast_to(v, (2, 3)), (V,)),
    Case(
        "alloc of a scalar",
        lambda s, v: shape.alloc(s, v.shape[0], 2),
        lambda s, v: np.full((3, 2), s),
        (S, V),
    ),
    Case(
        "broadcast_to",
        lambda v, m: shape.broadcast_to(v, m.shape),
        lambda v, m: np.broadcast_to(v, m.shape),
        (V, M),
    ),
    Case("arange", lambda v: shape.arange(v.shape[0]) * v, lambda v: np.arange(3) * v, (V,)),
    Case(
        "arange down",
        lambda v: shape.arange(v.shape[0], -2, -2) * 1,
        lambda v: np.arange(3, -2, -2),
        (V,),
        False,
    ),
    Case("join", lambda v, w: shape.join(0, v, w, v), lambda v, w: np.concatenate([v, w, v]), (V, W)),
    Case(
        "join along 1",
        lambda m, n: shape.concatenate([m, n], 1),
        lambda m, n: np.concatenate([m, n], 1),
        (M, N),
    ),
    Case("stack", lambda m, n: shape.stack([m, n], axis=1), lambda m, n: np.stack([m, n], 1), (M, N)),
    Case(
        "stack of scalars",
        lambda s: shape.stack([s, 2 * s, s * s]),
        lambda s: np.array([s, 2 * s, s * s]),
        (S,),
    ),
    Case("specify_shape", lambda m: shape.specify_shape(m, (2, None)) * 2, lambda m: m * 2, (M,)),
    Case("fill", lambda m, s: ew.fill(m, s), lambda m, s: np.full_like(m, s), (M, S)),
    Case("of nothing", lambda v: shape.join(0, v[:0], v[3:]), lambda v: v[:0], (V,)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_values(case):
    check_values(case)


@pytest.mark.parametrize("case", [c for c in CASES if c.differentiable], ids=lambda c: c.name)
def test_gradients(case):
    check_gradient(case)


@pytest.mark.skipif(find_compiler() is None, reason="needs a C compiler")
def test_compiled():
    check_compiled(CASES)


def test_what_is_known_of_shapes():
    m = TensorType("float64", (None, 3))("m")
    assert m.reshape((3, -1)).type.shape == (3, None)
    assert shape.zeros((2, 3)).type.shape == (2, 3)
    assert shape.join(1, m, m).type.shape == (None, 6)
    assert shape.specify_shape(m, (2, None)).type.shape == (2, 3)
    assert shape.arange(2, 9, 3).type.shape == (3,)
    assert m.reshape((m.shape[0], 1)).type.broadcastable == (False, True)
    assert shape.length(m, 1) == 3
    assert shape.dimshuffle(m, 0, 1) is m


def test_errors_say_who_and_what():
    m, v = TensorType("float64", (2, 3))("m"), TensorType("float64", (4,))("v")
    unknown = TensorType("float64", (None, None))("u")
    with pytest.raises(ValueError, match="not known to have length 1"):
        unknown.dimshuffle(0)
    with pytest.raises(ValueError, match=r"reshape: float64\[2, 3\] has 6 elements, \(4, 2\) 8"):
        m.reshape((4, 2))
    with pytest.raises(ValueError, match="only one length can be -1"):
        m.reshape((-1, -1))
    with pytest.raises(TypeError, match="join: all parts need the same number of dimensions"):
        shape.join(0, m, v)
    with pytest.raises(ValueError, match="disagree along axis 0"):
        shape.join(1, m, TensorType("float64", (3, 3))())
    with pytest.raises(ValueError, match="nothing to join"):
        shape.join(0)
    with pytest.raises(ValueError, match="axis 2 does not exist"):
        shape.join(2, m, m)
    with pytest.raises(ValueError, match="does not broadcast"):
        shape.alloc(v, 2, 3)
    with pytest.raises(TypeError, match="a length is an integer scalar"):
        shape.zeros((2.5,))
    with pytest.raises(ValueError, match=r"expected \(2, None\), got \(3, 3\)"):
        shape.specify_shape(unknown, (2, None)).eval({unknown: np.zeros((3, 3))})
    with pytest.raises(ValueError, match="axis 0 of float64"):
        shape.specify_shape(m, (3, 3))
    with pytest.raises(ValueError, match="step is 0"):
        shape.arange(0, 3, 0)


def test_the_axis_of_join_must_be_known():
    v = TensorType("float64", (None,))("v")
    np.testing.assert_array_equal(shape.join(as_variable(0), v, v).eval({v: [1.0]}), [1.0, 1.0])
    with pytest.raises(
        TypeError, match="join: the axis must be a number, known when the graph is made; got k"
    ):
        shape.join(TensorType("int64", ())("k"), v, v)
