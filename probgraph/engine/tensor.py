"""The namespace `T`: every constructor and every operation under Theano's and NumPy's names. Names only.

>>> import probgraph.engine.tensor as T
>>> T.exp(T.dscalar("x")).ndim
0
"""
# ruff: noqa: F401, F403, F405  a namespace imports what it offers, some of it under the names of builtins

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import probgraph.engine.operators
from probgraph.engine import random_streams, raw_random
from probgraph.engine.assertions import Assert, CheckAndRaise, assert_op
from probgraph.engine.autodiff import grad
from probgraph.engine.ops.elementwise import *  # every row; some get a fuller form just below
from probgraph.engine.ops.special import *

from probgraph.engine.compositions import (  # isort: skip
    add,
    addbroadcast,
    allclose,
    binary_crossentropy,
    categorical_crossentropy,
    ceil_intdiv,
    divmod,
    elu,
    full_like,
    hard_sigmoid,
    horizontal_stack,
    iround,
    isclose,
    isfinite,
    largest,
    log_softmax,
    logit,
    mul,
    ones_like,
    ptp,
    relu,
    round,
    shape_padaxis,
    sigmoid_binary_crossentropy,
    smallest,
    softmax,
    softsign,
    split,
    stacklists,
    tile,
    to_one_hot,
    vertical_stack,
    zeros_like,
)
from probgraph.engine import convolutions, fourier, implicit, neural_networks
from probgraph.engine.arrangements import (
    atleast_1d,
    atleast_2d,
    atleast_3d,
    atleast_Nd,
    broadcast_arrays,
    choose,
    pad,
    ravel_multi_index,
    repeat,
    roll,
    unravel_index,
)
from probgraph.engine.array_functions import (
    bartlett,
    complex_from_polar,
    empty,
    empty_like,
    fill_diagonal_offset,
    flip,
    hstack,
    interp,
    isneginf,
    isposinf,
    join_dims,
    nan_to_num,
    pack,
    patternbroadcast,
    solve_continuous_lyapunov,
    solve_discrete_lyapunov,
    solve_sylvester,
    split_dims,
    toeplitz,
    tril_indices,
    tril_indices_from,
    triu_indices,
    triu_indices_from,
    unbroadcast,
    unpack,
    vstack,
)
from probgraph.engine.constructors import CONSTRUCTORS, as_tensor_variable, constant, tensor
from probgraph.engine.derivatives import Lop, Rop, hessian, hessian_vector_product, jacobian, verify_grad
from probgraph.engine.graph import Constant as TensorConstant
from probgraph.engine.graph import Variable as TensorVariable
from probgraph.engine.grids import geomspace, linspace, logspace, meshgrid, mgrid, ogrid
from probgraph.engine.op import AsTensorError
from probgraph.engine.ops import linalg as _linalg
from probgraph.engine.ops.cumulative import cumprod, cumsum, diff
from probgraph.engine.ops.index import inc_subtensor, set_subtensor, take
from probgraph.engine.ops.linalg import (
    alloc_diag,
    assume,
    batched_dot,
    batched_tensordot,
    block_diag,
    cholesky,
    det,
    diag,
    diagonal,
    dot,
    einsum,
    eye,
    fill_diagonal,
    identity_like,
    kron,
    logdet,
    matmul,
    matrix_dot,
    matrix_inverse,
    matrix_power,
    matrix_transpose,
    matvec,
    outer,
    slogdet,
    solve,
    solve_triangular,
    tensordot,
    trace,
    tri,
    tril,
    triu,
    vecdot,
    vecmat,
)
from probgraph.engine.ops.masks import bincount, compress, flatnonzero, nonzero, nonzero_values, unique
from probgraph.engine.ops.random import DISTRIBUTIONS
from probgraph.engine.ops.random_op import next_state
from probgraph.engine.ops.reduce import all, any, logsumexp, max, mean, min, prod, std, sum, var
from probgraph.engine.ops.selection import argmax, argmin, max_and_argmax, put_along_axis, take_along_axis
from probgraph.engine.ops.shape import (
    alloc,
    arange,
    broadcast_to,
    concatenate,
    dimshuffle,
    expand_dims,
    flatten,
    full,
    join,
    moveaxis,
    ones,
    reshape,
    shape,
    shape_padleft,
    shape_padright,
    specify_shape,
    squeeze,
    stack,
    swapaxes,
    transpose,
    zeros,
)
from probgraph.engine.ops.sorting import argsort, argtopk, searchsorted, sort, topk, topk_and_argtopk
from probgraph.engine.order_statistics import cov, median, percentile, quantile
from probgraph.engine.rooms import room
from probgraph.engine.shared import SharedVariable as TensorSharedVariable
from probgraph.engine.types import TensorType

# Dozens of names by one rule: dscalar, fmatrix, vectors ...
globals().update(CONSTRUCTORS)

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...


# Second names: NumPy's beside Theano's.
as_tensor = as_tensor_variable
abs_ = abs
sign = sgn
square = sqr
inv = reciprocal
power = pow
floor_div = floor_divide = int_div
subtract = sub
multiply = mul
divide = true_divide = true_div
negative = neg
remainder = mod
where = switch
equal, not_equal = eq, neq
less, less_equal, greater, greater_equal = lt, le, gt, ge
bitwise_and, bitwise_or, bitwise_xor, bitwise_not = and_, or_, xor, invert
logical_and, logical_or, logical_xor, logical_not = and_, or_, xor, invert
conjugate = conj
digamma = psi
lgamma = loggamma = gammaln
invlogit = sigmoid
polygamma1 = tri_gamma
ravel = flatten
tensor_copy = identity
log1pexp = softplus
logsoftmax = log_softmax
expit = sigmoid
concat = concatenate

nnet = room(
    f"{__name__}.nnet",
    sigmoid=sigmoid,
    ultra_fast_sigmoid=sigmoid,
    hard_sigmoid=hard_sigmoid,
    softplus=softplus,
    softsign=softsign,
    softmax=softmax,
    logsoftmax=log_softmax,
    relu=relu,
    elu=elu,
    binary_crossentropy=binary_crossentropy,
    sigmoid_binary_crossentropy=sigmoid_binary_crossentropy,
    categorical_crossentropy=categorical_crossentropy,
    selu=neural_networks.selu,
    confusion_matrix=neural_networks.confusion_matrix,
    crossentropy_softmax_1hot=neural_networks.crossentropy_softmax_1hot,
    crossentropy_softmax_1hot_with_bias=neural_networks.crossentropy_softmax_1hot_with_bias,
    crossentropy_categorical_1hot=neural_networks.crossentropy_categorical_1hot,
    bn=room(
        f"{__name__}.nnet.bn",
        batch_normalization=neural_networks.batch_normalization,
        batch_normalization_train=neural_networks.batch_normalization_train,
        batch_normalization_test=neural_networks.batch_normalization_test,
    ),
    softmax_graph=softmax,
    conv2d=convolutions.conv2d,
    conv3d=convolutions.conv3d,
    conv2d_transpose=convolutions.conv2d_transpose,
    abstract_conv=room(
        f"{__name__}.nnet.abstract_conv",
        **{name: getattr(convolutions, name) for name in ("conv2d", "conv3d", "conv2d_transpose")},
        conv2d_grad_wrt_inputs=convolutions.conv2d_grad_wrt_inputs,
        conv2d_grad_wrt_weights=convolutions.conv2d_grad_wrt_weights,
    ),
)
signal = room(
    f"{__name__}.signal",
    conv=room(f"{__name__}.signal.conv", conv2d=convolutions.signal_conv2d),
    pool=room(f"{__name__}.signal.pool", pool_2d=convolutions.pool_2d, pool_3d=convolutions.pool_3d),
    convolve1d=convolutions.convolve1d,
    convolve2d=convolutions.convolve2d,
)
fft = room(f"{__name__}.fft", **{name: getattr(fourier, name) for name in fourier.NAMES})
opt = room(f"{__name__}.opt", Assert=Assert, assert_op=assert_op)
# The three rooms of linear algebra: NumPy's (where `inv` is that of a matrix), and Theano's two.
linalg = room(f"{__name__}.linalg", **{name: getattr(_linalg, name) for name in _linalg.NUMPY_NAMES})
nlinalg = room(f"{__name__}.nlinalg", **{name: getattr(_linalg, name) for name in _linalg.THEANO_NUMPY_NAMES})
slinalg = room(
    f"{__name__}.slinalg",
    **{name: getattr(_linalg, name) for name in _linalg.THEANO_SCIPY_NAMES},
    solve_continuous_lyapunov=solve_continuous_lyapunov,
    solve_discrete_lyapunov=solve_discrete_lyapunov,
    solve_sylvester=solve_sylvester,
    toeplitz=toeplitz,
)
extra_ops = room(
    f"{__name__}.extra_ops",
    bincount=bincount,
    compress=compress,
    cumprod=cumprod,
    cumsum=cumsum,
    diff=diff,
    bartlett=bartlett,
    fill_diagonal=fill_diagonal,
    fill_diagonal_offset=fill_diagonal_offset,
    unique=unique,
    Unique=unique,
    ravel_multi_index=ravel_multi_index,
    unravel_index=unravel_index,
    repeat=repeat,
    searchsorted=searchsorted,
    squeeze=squeeze,
    to_one_hot=to_one_hot,
)
shared_randomstreams = room(f"{__name__}.shared_randomstreams", RandomStreams=random_streams.RandomStreams)
random = room(
    f"{__name__}.random",
    **DISTRIBUTIONS,
    choice=random_streams.choice,
    permutation=random_streams.permutation,
    shuffle_row_elements=random_streams.shuffle_row_elements,
    RandomStream=random_streams.RandomStream,
    utils=room(f"{__name__}.random.utils", RandomStream=random_streams.RandomStream),
    next_state=next_state,
    generator=raw_random.random_generator_type,
)
special = room(
    f"{__name__}.special",
    logsumexp=logsumexp,
    logaddexp=logaddexp,
    log_softmax=log_softmax,
    softmax=softmax,
    betaln=betaln,
    factorial=factorial,
    poch=poch,
    xlogy=xlogy,
    xlog1py=xlog1py,
    logit=logit,
)
optimize = room(
    f"{__name__}.optimize",
    **{name: getattr(implicit, name) for name in ("minimize", "minimize_scalar", "root", "root_scalar")},
)
sys.modules[f"{__name__}.raw_random"] = raw_random
sharedvar = room(f"{__name__}.sharedvar", TensorSharedVariable=TensorSharedVariable)
type = room(f"{__name__}.type", TensorType=TensorType)
variable = room(f"{__name__}.variable", TensorConstant=TensorConstant, TensorVariable=TensorVariable)
# PyTensor's files of this namespace are rooms with a door to the whole of it.
for _name in ("basic", "math", "subtensor", "elemwise", "shape"):
    sys.modules.setdefault(f"{__name__}.{_name}", sys.modules[__name__])
