"""The namespace `T` and the engine's public names: that they are there, and cheap to import."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import probgraph.engine as theano
import probgraph.engine.tensor as T
from probgraph.engine import function, shared


@pytest.mark.parametrize(
    "name",
    [
        "add",
        "sub",
        "mul",
        "true_div",
        "int_div",
        "floor_div",
        "mod",
        "divmod",
        "pow",
        "power",
        "neg",
        "abs_",
        "abs",
        "sgn",
        "sign",
        "inv",
        "reciprocal",
        "sqr",
        "square",
        "sqrt",
        "maximum",
        "minimum",
        "clip",
        "largest",
        "smallest",
        "ceil_intdiv",
        "exp",
        "exp2",
        "expm1",
        "log",
        "log2",
        "log10",
        "log1p",
        "log1mexp",
        "log1pexp",
        "logaddexp",
        "logsumexp",
        "sin",
        "cos",
        "tan",
        "arcsin",
        "arccos",
        "arctan",
        "arctan2",
        "sinh",
        "cosh",
        "tanh",
        "arcsinh",
        "arccosh",
        "arctanh",
        "deg2rad",
        "rad2deg",
        "ceil",
        "floor",
        "trunc",
        "round",
        "iround",
        "round_half_to_even",
        "round_half_away_from_zero",
        "eq",
        "neq",
        "lt",
        "le",
        "gt",
        "ge",
        "isnan",
        "isinf",
        "isclose",
        "allclose",
        "isfinite",
        "and_",
        "or_",
        "xor",
        "invert",
        "bitwise_and",
        "bitwise_or",
        "bitwise_xor",
        "switch",
        "where",
        "gammaln",
        "psi",
        "tri_gamma",
        "erf",
        "erfc",
        "xlogy",
        "xlog1py",
        "betaln",
        "logit",
        "real",
        "imag",
        "angle",
        "conj",
        "complex",
        "sum",
        "prod",
        "mean",
        "var",
        "std",
        "max",
        "min",
        "argmin",
        "argmax",
        "max_and_argmax",
        "all",
        "any",
        "ptp",
        "zeros",
        "ones",
        "zeros_like",
        "ones_like",
        "full",
        "full_like",
        "alloc",
        "fill",
        "eye",
        "identity_like",
        "tri",
        "tril",
        "triu",
        "arange",
        "diag",
        "diagonal",
        "trace",
        "shape",
        "reshape",
        "flatten",
        "ravel",
        "dimshuffle",
        "transpose",
        "swapaxes",
        "moveaxis",
        "expand_dims",
        "squeeze",
        "shape_padleft",
        "shape_padright",
        "shape_padaxis",
        "addbroadcast",
        "specify_shape",
        "broadcast_to",
        "tile",
        "repeat",
        "roll",
        "take",
        "set_subtensor",
        "inc_subtensor",
        "join",
        "concatenate",
        "stack",
        "stacklists",
        "split",
        "horizontal_stack",
        "vertical_stack",
        "dot",
        "matmul",
        "outer",
        "tensordot",
        "batched_dot",
        "matrix_dot",
        "cholesky",
        "solve_triangular",
        "cast",
        "identity",
        "diff",
        "to_one_hot",
        "grad",
        "Lop",
        "constant",
        "as_tensor_variable",
        "TensorType",
        "TensorVariable",
        "TensorConstant",
        "nnet",
        "slinalg",
        "nlinalg",
    ],
)
def test_a_name_is_there(name):
    assert hasattr(T, name)


def test_public_names_of_the_engine():
    for name in theano.__all__:
        assert hasattr(theano, name), name
    assert theano.grad is T.grad is theano.gradient.grad and theano.config.floatX == "float64"
    assert theano.printing.pp is theano.pp and theano.tensor is T
    assert callable(theano.shared) and callable(theano.function)
    for name in ("sigmoid", "softplus", "relu", "softmax"):
        assert callable(getattr(T.nnet, name))
    assert T.slinalg.cholesky is T.cholesky and T.slinalg.solve_triangular is T.solve_triangular


def test_both_ways_to_import_it():
    assert importlib.import_module("probgraph.engine.tensor") is T
    from probgraph.engine import tensor

    assert tensor is T


def test_importing_the_engine_is_lean():
    code = "import sys, probgraph.engine; print([m for m in ('scipy.special', 'arviz', 'matplotlib', 'xarray') if m in sys.modules])"
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex_numbers_compute(dtype):
    a, b = T.TensorType(dtype, (None,))("a"), T.TensorType(dtype, (None,))("b")
    p, q = np.array([1 + 2j, -1j, 0, 3], dtype), np.array([2 - 1j, 1, 1j, -1], dtype)
    rtol = 1e-6 if dtype == "complex64" else 1e-13
    for graph, expected in (
        (a + b, p + q),
        (a * b, p * q),
        (a - b, p - q),
        (a / b, p / q),
        (abs(a), np.abs(p)),
        (a.real, p.real),
        (a.imag, p.imag),
        (T.conj(a), np.conj(p)),
        (T.exp(a), np.exp(p)),
    ):
        for mode in ("FAST_COMPILE", "FAST_RUN"):
            inputs = [v for v in (a, b) if v in theano.graph.graph_inputs([graph])]
            result = function(inputs, graph, mode=mode)(*([p, q][: len(inputs)]))
            assert result.dtype == expected.dtype
            np.testing.assert_allclose(result, expected, rtol=rtol)


def test_shared_variables_take_part_everywhere():
    w = shared(np.arange(3.0), "w")
    np.testing.assert_array_equal(function([], T.tile(w, 2))(), [0, 1, 2, 0, 1, 2])


def test_numpys_functions_and_arrays_take_variables():
    x = T.dvector("x")
    given = np.array([0.5, -1.5, 2.0])
    for ufunc in (np.exp, np.tanh, np.sqrt, np.abs, np.sign, np.square, np.floor, np.isnan, np.negative):
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(ufunc(x).eval({x: given}), ufunc(given), 1e-12)
    for ufunc in (
        np.add,
        np.subtract,
        np.multiply,
        np.divide,
        np.maximum,
        np.power,
        np.arctan2,
        np.less,
        np.matmul,
    ):
        left = np.array([1.0, 2.0, 3.0])
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(ufunc(left, x).eval({x: given}), ufunc(left, given), 1e-12)
            np.testing.assert_allclose(ufunc(x, left).eval({x: given}), ufunc(given, left), 1e-12)
    assert (np.ones(3) * x).owner.inputs[1] is x
    assert (np.float64(2.0) - x).eval({x: given}).tolist() == [1.5, 3.5, 0.0]
    with pytest.raises(TypeError):
        np.add.reduce(x)


@pytest.mark.parametrize(
    "line",
    [
        "from probgraph.engine.tensor.shared_randomstreams import RandomStreams",
        "from probgraph.engine.sandbox.rng_mrg import MRG_RandomStreams",
        "from probgraph.engine.tensor.nnet import softmax, bn",
        "from probgraph.engine.tensor.nnet.bn import batch_normalization_train",
        "from probgraph.engine.tensor.slinalg import cholesky, solve_sylvester",
        "from probgraph.engine.tensor.nlinalg import matrix_inverse",
        "from probgraph.engine.tensor.extra_ops import cumsum, to_one_hot",
        "from probgraph.engine.tensor.opt import Assert",
        "from probgraph.engine.tensor.raw_random import uniform",
        "from probgraph.engine.tensor import nnet, slinalg, shared_randomstreams, raw_random",
        "import probgraph.engine.tensor.nnet as nnet; nnet.relu",
        "import probgraph.engine.tensor.special; probgraph.engine.tensor.special.logsumexp",
    ],
)
def test_theanos_import_lines_with_another_prefix(line):
    exec(line, {})


def test_rooms_are_found_from_a_cold_start():
    """By the very first import of a process, when nothing else has been imported yet."""
    line = "from probgraph.engine.tensor.shared_randomstreams import RandomStreams as R; print(R.__name__)"
    found = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "RandomStreams"
    with pytest.raises(ImportError):
        importlib.import_module("probgraph.engine.tensor.no_such_room")
