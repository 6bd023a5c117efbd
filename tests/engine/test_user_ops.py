"""Operations of a user's own, in Python and in C, in every mode, with gradients, errors and pickles."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest

import probgraph.engine as theano
import probgraph.engine.tensor as T
from probgraph.engine.compiled import CompiledGraph
from probgraph.engine.derivatives import Rop, jacobian, verify_grad
from probgraph.engine.function import function
from probgraph.engine.graph import Apply, FunctionGraph
from probgraph.engine.no_gradient import (
    DisconnectedType,
    NullTypeGradError,
    grad_not_implemented,
    grad_undefined,
)
from probgraph.engine.run_loops import run
from probgraph.engine.scanning import scan
from probgraph.engine.types import TensorType
from probgraph.engine.user_ops import KernelOp, Op, as_op, scalar_op
from probgraph.engine.vectorize import vectorize_graph

MODES = ("FAST_RUN", "FAST_COMPILE", "DebugMode")
x, y, s = T.dvector("x"), T.dvector("y"), T.dscalar("s")
X = np.array([0.5, -2.0, 3.0])


class AXPB(Op):
    """From Theano's tutorial: a * x + b, with make_node, perform, infer_shape and grad."""

    __props__ = ("a", "b")

    def __init__(self, a, b):
        self.a = a
        self.b = b

    def make_node(self, x):
        x = T.as_tensor_variable(x)
        return Apply(self, [x], [x.type()])

    def perform(self, node, inputs, output_storage):
        (given,), (cell,) = inputs, output_storage
        assert given.ndim == node.inputs[0].ndim
        cell[0] = self.a * given + self.b

    def infer_shape(self, node, input_shapes):
        return input_shapes

    def grad(self, inputs, output_grads):
        return [self.a * output_grads[0]]


class SumDiff(Op):
    """Two results, told by types; the gradient may use the results."""

    __props__ = ()
    itypes = [T.dvector, T.dvector]
    otypes = [T.dvector, T.dscalar]

    def perform(self, node, inputs, output_storage):
        a, b = inputs
        output_storage[0][0] = a * b
        output_storage[1][0] = float((a - b).sum())

    def L_op(self, inputs, outputs, output_grads):
        a, _ = inputs
        g, h = output_grads
        return [g * outputs[0] / a + h, g * a - h]


class Native(Op):
    """In the engine's own manner."""

    __props__ = ()

    def infer_type(self, x):
        return [x.type]

    def numpy(self, x):
        return np.sort(x)

    def vjp(self, cotangents, outputs, inputs):
        order = Order()(inputs[0])
        return [T.set_subtensor(T.zeros_like(inputs[0])[order], cotangents[0])]


class Order(Op):
    def infer_type(self, x):
        return [TensorType("int64", x.type.shape)]

    def numpy(self, x):
        return np.argsort(x)


@pytest.mark.parametrize("mode", MODES)
def test_an_op_in_theanos_manner(mode):
    z = AXPB(2, 3)(T.exp(x))
    f = function([x], [z.sum(), T.grad((z**2).sum(), x)], mode=mode)
    value, gradient = f(X)
    np.testing.assert_allclose(value, (2 * np.exp(X) + 3).sum())
    np.testing.assert_allclose(gradient, 2 * (2 * np.exp(X) + 3) * 2 * np.exp(X))


@pytest.mark.parametrize("mode", MODES)
def test_an_op_with_several_results(mode):
    product, difference = SumDiff()(x, T.sin(y))
    gradients = T.grad(product.sum() * difference, [x, y])
    f = function([x, y], [product, difference, *gradients], mode=mode)
    b = np.array([1.0, 0.3, -0.7])
    got = f(X, b)
    np.testing.assert_allclose(got[0], X * np.sin(b))
    np.testing.assert_allclose(got[1], (X - np.sin(b)).sum())
    d, p = (X - np.sin(b)).sum(), (X * np.sin(b)).sum()
    np.testing.assert_allclose(got[2], np.sin(b) * d + p)
    np.testing.assert_allclose(got[3], (X * d - p) * np.cos(b))


def test_the_rest_of_the_graph_is_compiled():
    f = function([x], T.exp(AXPB(2, 3)(T.sin(x) * 2)).sum())
    assert f.maker.executable.backend.startswith("C, with Python in between for AXPB{a=2, b=3}")
    np.testing.assert_allclose(f(X), np.exp(4 * np.sin(X) + 3).sum())


def test_higher_derivatives_go_through():
    verify_grad(AXPB(2.0, 1.0), [X])
    verify_grad(SumDiff(), [X, X + 1])
    verify_grad(Native(), [X])
    z = T.exp(AXPB(2, 3)(x))
    expected = np.diag(2 * np.exp(2 * X + 3))
    np.testing.assert_allclose(jacobian(z, x).eval({x: X}), expected)
    np.testing.assert_allclose(Rop(z, x, x).eval({x: X}), expected @ X)


def test_in_a_scan_and_over_a_batch():
    running, _ = scan(lambda v, before: AXPB(0.5, 0)(before) + v, x, T.constant(0.0))
    expected = np.array([0.5, -1.75, 2.125])
    for mode in MODES:
        np.testing.assert_allclose(function([x], running, mode=mode)(X), expected)
        slope = function([x], T.grad(running[-1], x), mode=mode)(X)
        np.testing.assert_allclose(slope, [0.25, 0.5, 1])
    wide = T.dmatrix("wide")
    many = vectorize_graph(SumDiff()(x, x * 2)[1], {x: wide})
    np.testing.assert_allclose(many.eval({wide: [X, X + 1]}), [-X.sum(), -(X + 1).sum()])


def test_equality():
    assert AXPB(1, 2) == AXPB(1, 2) != AXPB(1, 3)
    assert hash(AXPB(1, 2)) == hash(AXPB(1, 2))
    assert SumDiff() == SumDiff()
    assert Order() != Order()  # without __props__ nothing is known of what makes two equal
    op = Order()
    assert op == op and str(op) == "Order"
    assert str(AXPB(1, 2)) == "AXPB{a=1, b=2}" and str(SumDiff()) == "SumDiff"
    f = function([x], [AXPB(1, 2)(x), AXPB(1, 2)(x), Order()(x), Order()(x)])
    assert len(f.maker.fgraph.toposort()) == 3


def test_calls():
    (only,) = AXPB(1, 2)(x, return_list=True)
    assert AXPB(1, 2)(x, name="z").name == "z" and only.type == x.type

    class First(SumDiff):
        default_output = 0

    assert First()(x, y).ndim == 1
    assert First()([1.0, 2.0], np.array([3.0, 4.0])).eval().tolist() == [3, 8]


class Bad(Op):
    __props__ = ("what",)
    itypes = [T.dvector]
    otypes = [T.dvector]

    def __init__(self, what):
        self.what = what

    def perform(self, node, inputs, output_storage):
        match self.what:
            case "nothing":
                pass
            case "dtype":
                output_storage[0][0] = inputs[0].astype("complex128")
            case "rank":
                output_storage[0][0] = 1.0
            case "raise":
                raise KeyError("mine")

    def grad(self, inputs, output_grads):
        match self.what:
            case "undefined":
                return [grad_undefined(self, 0, inputs[0], "It jumps.")]
            case "unwritten":
                return [grad_not_implemented(self, 0, inputs[0])]
            case "disconnected":
                return [DisconnectedType()()]
            case "few":
                return []
            case "rank of the gradient":
                return [output_grads[0].sum()]


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_what_perform_may_get_wrong(mode):
    def run_it(what):
        return function([x], Bad(what)(x) * 2, mode=mode)(X)

    with pytest.raises(ValueError, match=r"perform put nothing into output_storage\[0\]\[0\]"):
        run_it("nothing")
    with pytest.raises(TypeError, match="result 0 of perform is not what was announced.*complex128"):
        run_it("dtype")
    with pytest.raises(TypeError, match="Wrong number of dimensions: expected 1, got 0"):
        run_it("rank")
    with pytest.raises(KeyError, match="mine") as error:
        run_it("raise")
    assert any(
        "Apply node that caused the error: Bad{what=raise}(x)" in note for note in error.value.__notes__
    )


def test_what_grad_may_return():
    with pytest.raises(
        NullTypeGradError, match=r"input 0 \(x\) of the Bad.* op is mathematically undefined. It jumps."
    ):
        T.grad(Bad("undefined")(x).sum(), x)
    with pytest.raises(NullTypeGradError, match="is not implemented"):
        T.grad(Bad("unwritten")(x).sum(), x)
    with pytest.raises(theano.DisconnectedInputError):
        T.grad(Bad("disconnected")(x).sum(), x)
    with pytest.raises(ValueError, match="a list of one gradient for each of 1 inputs"):
        T.grad(Bad("few")(x).sum(), x)
    with pytest.raises(
        ValueError, match="returned a term with 0 dimensions, but 1 were expected: input 0, x"
    ):
        T.grad(Bad("rank of the gradient")(x).sum(), x)
    with pytest.raises(NotImplementedError, match=r"Order has no gradient: define grad\(self"):
        T.grad((Order()(x) * x).sum(), x)


def test_connection_pattern():
    class Selective(SumDiff):
        def connection_pattern(self, node):
            return [[True, True], [False, False]]

    product, _ = Selective()(x, y)
    assert T.grad(product.sum(), y, disconnected_inputs="ignore", return_disconnected="none") is None
    assert T.grad(product.sum(), x).ndim == 1


def test_an_op_that_overwrites_its_input_is_given_a_copy():
    class Doubled(Op):
        __props__ = ()
        destroy_map = {0: [0]}
        itypes = [T.dvector]
        otypes = [T.dvector]

        def perform(self, node, inputs, output_storage):
            inputs[0] *= 2
            output_storage[0][0] = inputs[0]

    given = X.copy()
    for mode in MODES:
        assert function([x], [Doubled()(x), x * 1], mode=mode)(given)[1].tolist() == X.tolist()
    assert given.tolist() == X.tolist()


def test_shapes_that_are_told_are_not_computed():
    calls = []

    class Padded(Op):
        itypes = [T.dvector]
        otypes = [T.dvector, T.dmatrix]

        def perform(self, node, inputs, output_storage):
            calls.append(1)
            output_storage[0][0] = np.append(inputs[0], 0)
            output_storage[1][0] = np.zeros((2, len(inputs[0])))

        def infer_shape(self, node, input_shapes):
            ((n,),) = input_shapes
            return [(n + 1,), (2, n)]

    class Newer(Padded):
        def infer_shape(self, fgraph, node, input_shapes):
            return Padded.infer_shape(self, node, input_shapes)

    class Wrong(Padded):
        def infer_shape(self, node, input_shapes):
            return [(1, 2), (3,)]

    for op in (Padded(), Newer()):
        a, b = op(x)
        f = function([x], [a.shape, b.shape, T.zeros(a.shape)])
        assert [v.tolist() for v in f(X)] == [[4], [2, 3], [0] * 4] and calls == []
        assert f.maker.executable.backend == "C"
    with pytest.raises(ValueError, match="infer_shape: 2 lengths were told of Wrong.0"):
        function([x], Wrong()(x)[0].shape)


def test_missing_parts():
    class Nothing(Op):
        pass

    with pytest.raises(NotImplementedError, match="either define itypes and otypes, or implement make_node"):
        Nothing()(x)

    class NoPerform(Op):
        itypes = otypes = [T.dvector]

    with pytest.raises(NotImplementedError, match="NoPerform has no perform"):
        NoPerform()(x).eval({x: X})

    class NoApply(Op):
        def make_node(self, x):
            return x

    with pytest.raises(TypeError, match="make_node returns an Apply, got x"):
        NoApply()(x)


# ------------------------------------------------------------------------------------ as_op


@as_op(itypes=[T.dmatrix, T.dmatrix], otypes=[T.dmatrix])
def numpy_dot(a, b):
    """NumPy's product."""
    return np.dot(a, b)


@as_op([T.dvector], [T.dvector, T.dscalar])
def halves(a):
    return a / 2, np.float64(a.sum())


@pytest.mark.parametrize("mode", MODES)
def test_as_op(mode):
    a, b = T.dmatrix("a"), T.dmatrix("b")
    f = function([a, b], numpy_dot(a, b) + 1, mode=mode)
    given = np.arange(6.0).reshape(2, 3)
    np.testing.assert_allclose(f(given, given.T), given @ given.T + 1)
    first, second = halves(x)
    assert function([x], [first, second], mode=mode)(X)[1] == X.sum()


def test_as_op_checks_types():
    m = T.dmatrix("m")
    with pytest.raises(TypeError) as error:
        numpy_dot(m, x)
    assert (
        "We expected inputs of types '[TensorType(float64, matrix), TensorType(float64, matrix)]' but got types"
        " '[TensorType(float64, matrix), TensorType(float64, vector)]'" in str(error.value)
    )
    with pytest.raises(ValueError, match="We expected 2 inputs but got 1"):
        numpy_dot(m)
    with pytest.raises(NotImplementedError, match="has no gradient"):
        T.grad(numpy_dot(m, m).sum(), m)
    with pytest.raises(TypeError, match="itypes has to be a list of types"):
        as_op(["float64"], [T.dscalar])
    with pytest.raises(TypeError, match="infer_shape needs to be a callable"):
        as_op(T.dscalar, T.dscalar, infer_shape=3)
    wrong = as_op(T.dscalar, [T.dscalar, T.dscalar])(lambda v: v)
    with pytest.raises(ValueError, match="gave 1 results, 2 were announced"):
        wrong(s)[0].eval({s: 1.0})
    assert numpy_dot.__name__ == "numpy_dot" and numpy_dot.__doc__ == "NumPy's product."
    assert str(numpy_dot) == "FromFunctionOp{numpy_dot}"
    assert theano.as_op is theano.compile.ops.as_op is as_op


# ------------------------------------------------------------------------------------ C text


cubed = scalar_op(
    "cubed",
    lambda v: v**3,
    c="cube{f}({0})",
    grad=lambda g, y, v: (g * 3 * v**2,),
    support="static double cube(double x) { return x * x * x; }\nstatic float cubef(float x) { return x * x * x; }",
)
hypot = scalar_op(
    "hypot", np.hypot, c="hypot{f}({0}, {1})", grad=lambda g, z, a, b: (g * a / z, g * b / z), arity=2
)


@pytest.mark.parametrize("mode", MODES)
def test_a_scalar_function_with_c(mode):
    z = hypot(cubed(x), s) + 1
    f = function([x, s], [z, *T.grad(z.sum(), [x, s])], mode=mode)
    value, by_x, by_s = f(X, 2.0)
    h = np.hypot(X**3, 2)
    np.testing.assert_allclose(value, h + 1)
    np.testing.assert_allclose(by_x, X**3 / h * 3 * X**2)
    np.testing.assert_allclose(by_s, (2 / h).sum())
    if mode == "FAST_RUN":
        assert f.maker.executable.backend == "C"


def test_a_scalar_function_is_itself_only():
    other = scalar_op("cubed", lambda v: v + 1, c="({0} + 1)")
    assert other != cubed and hash(other) is not None
    v = np.array([-1.0, 0.0, np.inf])
    a, b = function([x], [cubed(x), other(x)])(v)
    assert a.tolist() == [-1, 0, np.inf] and b.tolist() == [0, 1, np.inf]
    assert cubed(T.ivector("k")).dtype == "float64" and cubed(T.fvector("f")).dtype == "float32"
    np.testing.assert_array_equal(cubed(T.constant(np.float32([2, 3]))).eval(), [8, 27])
    assert scalar_op("same", lambda v: v, "{0}", dtype="same")(T.ivector("k")).dtype == "int32"
    with pytest.raises(ValueError, match="dtype is 'float' or 'same'"):
        scalar_op("bad", np.exp, dtype="int")
    with pytest.raises(NotImplementedError, match="cubed has no gradient"):
        T.grad(other(x).sum(), x)


def test_a_scalar_function_without_c_runs_in_numpy():
    plain = scalar_op("plain", lambda v: np.where(v > 0, v, 0.1 * v))
    f = function([x], plain(x) * 2)
    assert "plain was made without C text" in f.maker.executable.backend
    np.testing.assert_allclose(f(X), [1, -0.4, 6])


LAST = KernelOp(
    "recursion",
    """static int recursion(const double *x, const double *a, double *y, double *last, int64_t n) {
        double s = 0;
        for (int64_t i = 0; i < n; i++) { if (x[i] < -100) return 1; y[i] = s = a[0] * s + x[i]; }
        *last = s;
        return 0;
    }""",
    lambda x, a: _recursion(x, a),
    [T.dvector, T.dscalar],
    [T.dvector, T.dscalar],
    shapes=[[(0, 0)], []],
    grad=lambda inputs, g: _pulled(*inputs, *g),
    failure="recursion: an element is below -100",
)


def _recursion(x, a):
    if (x < -100).any():
        raise ValueError("recursion: an element is below -100")
    result = np.zeros(len(x))
    total = 0.0
    for i, v in enumerate(x):
        result[i] = total = a * total + v
    return result, total


def _pulled(x, a, g, h):
    """Backwards through y[i] = a y[i-1] + x[i]: the same recursion over the reversed gradient."""
    g = T.inc_subtensor(g[-1:], h)
    back = LAST(g[::-1], a)[0][::-1]
    before = T.concatenate([T.zeros(1), LAST(x, a)[0][:-1]])
    return [back, (back * before).sum()]


@pytest.mark.parametrize("mode", MODES)
def test_a_kernel_in_c(mode):
    z, last = LAST(T.sin(x), s)
    f = function([x, s], [z * 2, last, *T.grad(z.prod() + last, [x, s])], mode=mode)
    value, end, by_x, by_s = f(X, 0.5)
    expected, expected_end = _recursion(np.sin(X), 0.5)
    np.testing.assert_allclose(value, 2 * expected)
    assert end == pytest.approx(expected_end)
    assert by_x.shape == (3,) and np.isfinite(by_s)
    with pytest.raises(ValueError, match="an element is below -100"):
        function([x], LAST(x, 1.0), mode=mode)([0.0, -101.0])
    if mode == "FAST_RUN":
        assert f.maker.executable.backend == "C"


def test_the_gradient_of_a_kernel_is_right():
    verify_grad(lambda x, a: LAST(x, a), [X, np.array(0.7)])
    program = CompiledGraph(FunctionGraph([x, s], LAST(x, s)))
    for way in (program, lambda arrays: run(program.program, arrays)):
        got, last = way([X, np.array(0.5)])
        np.testing.assert_allclose(got, _recursion(X, 0.5)[0])
        assert last == got[-1]


def test_kernels_say_what_is_wrong():
    with pytest.raises(ValueError, match="is an identifier, got 'a b'"):
        KernelOp("a b", "", np.cumsum, [T.dvector], [T.dvector])
    with pytest.raises(ValueError, match=r"does not give the 2 lengths of a TensorType\(float64, matrix\)"):
        KernelOp("k", "", np.cumsum, [T.dvector], [T.dmatrix], shapes=[[(0, 0)]])
    with pytest.raises(TypeError, match="We expected inputs of types"):
        LAST(x, x)
    with pytest.raises(ValueError, match="We expected 2 inputs but got 1"):
        LAST(x)
    with pytest.raises(NotImplementedError, match="has no gradient: give it one"):
        T.grad(KernelOp("k", "", np.cumsum, [T.dvector], [T.dvector])(x).sum(), x)


# ------------------------------------------------------------------------------------ pickling


def test_graphs_of_user_ops_are_pickled():
    f = function([x, s], [AXPB(2, 3)(x), halves(x)[0], LAST.itypes[0].filter(X) * s])
    again = pickle.loads(pickle.dumps(f))
    for a, b in zip(f(X, 2.0), again(X, 2.0), strict=True):
        np.testing.assert_array_equal(a, b)
    assert pickle.loads(pickle.dumps(halves)) is halves
    assert pickle.loads(pickle.dumps(AXPB(1, 2))) == AXPB(1, 2)


_PROCESS = """
import pickle, sys
import numpy as np
import numpy.linalg
f = pickle.load(open(sys.argv[1], "rb"))
print(float(f(np.array([[2.0, 1.0], [1.0, 3.0]]))))
"""


def test_an_op_of_an_importable_function_in_another_process(tmp_path):
    determinant = as_op([T.dmatrix], [T.dscalar])(np.linalg.det)
    m = T.dmatrix("m")
    path = tmp_path / "f.pkl"
    path.write_bytes(pickle.dumps(function([m], determinant(m) * 2)))
    out = subprocess.run([sys.executable, "-c", _PROCESS, path], capture_output=True, text=True, check=True)
    assert float(out.stdout) == pytest.approx(10)
