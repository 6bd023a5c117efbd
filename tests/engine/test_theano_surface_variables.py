"""Variables, types and the names they are found under, as a user of Theano or PyTensor writes them."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

import probgraph.engine as theano
import probgraph.engine.tensor as T


def test_types_by_a_pattern_or_by_lengths():
    row = T.TensorType("float64", broadcastable=(True, False))
    assert row == T.drow and row.numpy_dtype == np.float64
    assert T.dmatrix.clone(broadcastable=(True, False)) == T.drow
    assert T.dmatrix.is_super(T.drow) and not T.drow.is_super(T.dmatrix)
    with pytest.raises(TypeError, match="one of the two"):
        T.TensorType("float64")
    with pytest.raises(TypeError, match="Unsupported dtype for TensorType: foo"):
        T.TensorType("foo", ())


def test_tensor_is_called_in_two_manners():
    for made in (
        T.tensor("float32", (False, True), name="a"),
        T.tensor("float32", (False, True), "a"),
        T.tensor(dtype="float32", broadcastable=(False, True), name="a"),
        T.tensor("a", dtype="float32", shape=(None, 1)),
        T.tensor("float32", shape=(None, 1), name="a"),
    ):
        assert made.name == "a" and made.type == T.TensorType("float32", (None, 1))
    assert T.tensor("x").dtype == theano.config.floatX
    with pytest.raises(TypeError, match="too many"):
        T.tensor("float32", (False,), "a", name="b")


def test_constants_of_more_dimensions():
    c = T.constant(3, name="k", ndim=2)
    assert c.type.shape == (1, 1) and c.name == "k" and c.data.tolist() == [[3]]
    with pytest.raises(ValueError, match="2 dimensions, ndim=1"):
        T.constant(np.ones((2, 2)), ndim=1)


def test_lengths_by_one_number():
    v = T.dvector("v")
    assert T.specify_shape(v, 3).type.shape == (3,)
    with pytest.raises(ValueError, match="expected"):
        T.specify_shape(v, 3).eval({v: [1.0, 2.0]})


def test_constants_replace_floats_of_another_precision():
    x = T.dscalar("x")
    narrow = T.constant(np.float32(0.5))
    assert theano.function([], x * 2, givens={x: narrow})() == 1.0
    with pytest.raises(TypeError, match="Cannot convert Type"):  # an int is not a float
        theano.function([], x * 2, givens={x: T.constant(np.int32(2))})
    with pytest.raises(TypeError, match="Cannot convert Type"):
        theano.function([], x * 2, givens={x: T.constant(np.ones(2, "float32"))})
    w = theano.shared(1.0)
    theano.function([], updates={w: narrow})()
    assert w.get_value() == 0.5


def test_where_theano_has_its_names():
    assert theano.compile.get_default_mode() == theano.get_default_mode()
    assert theano.compile.mode.predefined_modes["FAST_RUN"] == theano.Mode()
    assert theano.compile.nanguardmode.NanGuardMode is theano.NanGuardMode
    assert theano.compile.monitormode.MonitorMode is theano.MonitorMode
    assert theano.compile.io.In is theano.In and theano.gof.Type is theano.Type
    assert theano.shared_randomstreams.RandomStreams is T.shared_randomstreams.RandomStreams
    assert theano.compile.debugmode.DebugMode() == theano.Mode("debug")
    w = theano.shared(2.0)
    w.container.data = np.array(3.0)
    assert w.container.data == 3.0 == w.get_value()


@pytest.mark.parametrize(
    "address, names",
    [
        ("tensor.shared_randomstreams", "RandomStreams"),
        ("sandbox.rng_mrg", "MRG_RandomStreams"),
        ("tensor.nnet", "sigmoid softmax"),
        ("tensor.nlinalg", "matrix_inverse"),
        ("tensor.slinalg", "cholesky solve"),
        ("tensor.extra_ops", "cumsum"),
        ("tensor.random.utils", "RandomStream"),
        ("tensor.type", "TensorType"),
        ("tensor.variable", "TensorVariable TensorConstant"),
        ("compile", "In function Mode"),
        ("compile.ops", "as_op"),
        ("compile.mode", "Mode get_default_mode"),
        ("compile.nanguardmode", "NanGuardMode"),
        ("compile.debugmode", "DebugMode"),
        ("compile.builders", "OpFromGraph"),
        ("compile.sharedvalue", "shared"),
        ("gof", "Apply Op"),
        ("gof.graph", "inputs io_toposort"),
        ("graph.basic", "Apply Constant Variable"),
        ("graph.op", "Op"),
        ("graph.fg", "FunctionGraph"),
        ("graph.replace", "graph_replace vectorize_graph clone_replace"),
        ("updates", "OrderedUpdates"),
        ("raise_op", "Assert"),
        ("ifelse", "ifelse"),
        ("gradient", "grad DisconnectedType"),
        ("printing", "debugprint pydotprint"),
    ],
)
def test_scripts_import_from_where_they_are_used_to(address, names):
    module = importlib.import_module(f"probgraph.engine.{address}")
    assert all(hasattr(module, name) for name in names.split())
    assert module.__name__ == f"probgraph.engine.{address}"


def test_a_float_range_has_the_precision_of_floats():
    with theano.config.change_flags(floatX="float32"):
        assert T.arange(3.0).dtype == "float32" and T.arange(0, 1, 0.1).dtype == "float32"
        assert T.arange(T.dscalar(), 3.0).dtype == "float64"
    assert T.arange(3.0).dtype == "float64" and T.arange(T.fscalar(), 3.0).dtype == "float32"
    assert T.arange(T.bscalar(), 300).dtype == "int64" and T.arange(np.float64(3)).dtype == "float64"
    assert T.arange(3).dtype == "int64" and T.arange(T.bscalar()).dtype == "int64"
