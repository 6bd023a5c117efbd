"""Layers and costs of classifiers that are nothing but a few operations, under the names of Theano's `nnet`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from probgraph.engine.compositions import elu, log_softmax, softmax
from probgraph.engine.graph import Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import reduce, shape
from probgraph.engine.ops.linalg import dot, matrix_transpose
from probgraph.engine.ops.masks import unique
from probgraph.engine.types import INTEGERS, describe


def selu(x: Any) -> Variable:
    """`elu`, scaled so that layers keep mean 0 and variance 1 (Klambauer et al. 2017).

    >>> float(selu(1.0).eval())
    1.0507009873554805
    """
    x = as_variable(x)
    return 1.0507009873554804934193349852946 * elu(x, 1.6732632423543772848170429916717)


def crossentropy_softmax_1hot(x: Any, y_idx: Any) -> list[Variable]:
    """Minus the log probability of class `y_idx` (n,) in the rows of softmax(x) (n, k), and softmax(x).

    >>> crossentropy_softmax_1hot([[0.0, 0.0]], [1])[0].eval()
    array([0.69314718])
    """
    x, y = as_variable(x), as_variable(y_idx)
    if x.ndim != 2 or y.ndim != 1 or y.dtype not in INTEGERS:
        raise TypeError(
            f"crossentropy_softmax_1hot takes (n, k) and n integers, got {describe([x.type, y.type])}"
        )
    return [-log_softmax(x)[shape.arange(shape.length(x, 0)), y], softmax(x)]


def crossentropy_softmax_1hot_with_bias(x: Any, b: Any, y_idx: Any) -> list[Variable]:
    """`crossentropy_softmax_1hot` of x + b."""
    return crossentropy_softmax_1hot(as_variable(x) + b, y_idx)


def crossentropy_categorical_1hot(coding_dist: Any, true_one_of_n: Any) -> Variable:
    """Minus the log probability of class `true_one_of_n` (n,) in the rows of `coding_dist` (n, k)."""
    q, y = as_variable(coding_dist), as_variable(true_one_of_n)
    if q.ndim != 2 or y.ndim != 1 or y.dtype not in INTEGERS:
        raise TypeError(
            f"crossentropy_categorical_1hot takes (n, k) and n integers, got {describe([q.type, y.type])}"
        )
    return -ew.log(q[shape.arange(shape.length(q, 0)), y])


def confusion_matrix(actual: Any, pred: Any) -> list[Variable]:
    """How often class order[i] was taken for class order[j], and `order`, the classes that occur, ascending.

    >>> confusion_matrix([0, 1, 1], [0, 0, 1])[0].eval()
    array([[1, 0],
           [1, 1]])
    """
    actual, pred = as_variable(actual), as_variable(pred)
    for name, classes in (("actual", actual), ("pred", pred)):
        if classes.ndim != 1:
            raise ValueError(
                f"confusion_matrix: {name} is a vector of classes, got {describe([classes.type])}"
            )
    order = unique(shape.join(0, actual, pred))
    row = shape.dimshuffle(order, "x", 0)
    is_actual, is_pred = (
        ew.cast(ew.eq(shape.dimshuffle(classes, 0, "x"), row), "int64") for classes in (actual, pred)
    )
    return [dot(matrix_transpose(is_actual), is_pred), order]


# ------------------------------------------------------------------------------------ batch normalisation


def _axes(axes: str | int | Sequence[int], rank: int) -> tuple[int, ...]:
    if axes == "per-activation":
        return (0,)
    if axes == "spatial":
        return (0, *range(2, rank))
    if isinstance(axes, str):
        raise ValueError(
            f"batch normalisation: axes are 'per-activation', 'spatial' or integers, got {axes!r}"
        )
    given = (axes,) if isinstance(axes, int) else tuple(axes)
    if not all(-rank <= a < rank for a in given):
        raise ValueError(
            f"batch normalisation: axes {given} do not all exist, the inputs have {rank} dimensions"
        )
    return tuple(sorted({a % rank for a in given}))


def _padded(name: str, x: Any, axes: tuple[int, ...], rank: int) -> Variable:
    """A parameter in which the normalised axes may be left out, with these axes of length 1."""
    x = as_variable(x)
    if x.ndim == rank:
        return x
    if x.ndim != rank - len(axes):
        raise ValueError(
            f"batch normalisation: {name} has {x.ndim} dimensions; {rank} are needed (axes {axes} of length 1),"
            f" or {rank - len(axes)} without these"
        )
    kept = iter(range(x.ndim))
    return shape.dimshuffle(x, tuple("x" if a in axes else next(kept) for a in range(rank)))


def batch_normalization_train(
    inputs: Any,
    gamma: Any,
    beta: Any,
    axes: str | int | Sequence[int] = "per-activation",
    epsilon: float = 1e-4,
    running_average_factor: Any = 0.1,
    running_mean: Any = None,
    running_var: Any = None,
) -> tuple[Variable, ...]:
    """(out, mean, invstd): inputs less their mean over their deviation, both along `axes`, times gamma plus beta.

    `axes` are "per-activation" (the first one), "spatial" (all but the second one) or integers; mean and
    invstd = 1 / sqrt(var + epsilon) keep them with length 1, the parameters may leave them out. With running_mean and
    running_var, their updated values follow, the variance being the unbiased one (Ioffe and Szegedy 2015).

    >>> batch_normalization_train([[1.0], [3.0]], [1.0], [0.0], epsilon=0.0)[0].eval()
    array([[-1.],
           [ 1.]])
    """
    inputs = as_variable(inputs)
    rank = inputs.ndim
    along = _axes(axes, rank)
    if (running_mean is None) != (running_var is None):
        raise ValueError("batch_normalization_train: running_mean and running_var are given both or neither")
    gamma, beta = _padded("gamma", gamma, along, rank), _padded("beta", beta, along, rank)
    mean = reduce.mean(inputs, along, keepdims=True)
    variance = reduce.var(inputs, along, keepdims=True)
    invstd = 1 / ew.sqrt(variance + epsilon)
    out = (inputs - mean) * (gamma * invstd) + beta
    if running_mean is None:
        return out, mean, invstd
    factor = running_average_factor
    count: Any = 1
    for a in along:
        count = count * shape.length(inputs, a)
    count = ew.cast(count, inputs.dtype)
    unbiased = variance * (count / (count - 1))
    old_mean = _padded("running_mean", running_mean, along, rank)
    old_var = _padded("running_var", running_var, along, rank)
    return (
        out,
        mean,
        invstd,
        old_mean * (1 - factor) + mean * factor,
        old_var * (1 - factor) + unbiased * factor,
    )


def batch_normalization_test(
    inputs: Any,
    gamma: Any,
    beta: Any,
    mean: Any,
    var: Any,
    axes: str | int | Sequence[int] = "per-activation",
    epsilon: float = 1e-4,
) -> Variable:
    """(inputs - mean) gamma / sqrt(var + epsilon) + beta: `batch_normalization_train` with moments of the past."""
    inputs = as_variable(inputs)
    along = _axes(axes, inputs.ndim)
    named = {"gamma": gamma, "beta": beta, "mean": mean, "var": var}
    gamma, beta, mean, var = (_padded(name, x, along, inputs.ndim) for name, x in named.items())
    return (inputs - mean) * (gamma / ew.sqrt(var + epsilon)) + beta


def batch_normalization(
    inputs: Any, gamma: Any, beta: Any, mean: Any, std: Any, mode: str = "low_mem"
) -> Variable:
    """(inputs - mean) gamma / std + beta, all broadcast; `mode` is "low_mem" or "high_mem" and changes nothing."""
    if mode not in ("low_mem", "high_mem"):
        raise ValueError(f"batch_normalization: mode is 'low_mem' or 'high_mem', got {mode!r}")
    return (as_variable(inputs) - mean) * (as_variable(gamma) / std) + beta
