"""Updates for `function(updates=...)`: gradient descent and its kin as graphs, with PyMC's and Lasagne's names.

Each takes a scalar loss, or a list of gradients, and the shared variables to change, and returns an ordered mapping from
shared variables to their new values; with neither loss nor parameters it returns itself with the settings filled in. What
a rule remembers is in shared variables of its own. `pm.minimize` runs the same rules in C, loop and all.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import probgraph.engine as engine
import probgraph.engine.tensor as T

Updates = OrderedDict[Any, Any]


def _gradients(who: str, loss_or_grads: Any, params: Sequence[Any]) -> list[Any]:
    if isinstance(loss_or_grads, list | tuple):
        if len(loss_or_grads) != len(params):
            raise ValueError(f"{who}: {len(loss_or_grads)} gradients for {len(params)} parameters")
        return list(loss_or_grads)
    for p in params:
        if not isinstance(p, engine.compile.SharedVariable):
            raise ValueError(
                f"{who}: params must be shared variables, got {p}; give the gradients by themselves"
            )
    return engine.grad(loss_or_grads, list(params))


def _rule(rule: Callable[..., Updates]) -> Callable[..., Any]:
    """The rule, which without loss and parameters waits for them."""

    @functools.wraps(rule)
    def updates(loss_or_grads: Any = None, params: Any = None, *args: Any, **settings: Any) -> Any:
        if loss_or_grads is None and params is None:
            return functools.partial(updates, *args, **settings)
        if loss_or_grads is None or params is None:
            raise ValueError(f"{rule.__name__}: give both loss_or_grads and params, or neither")
        params = [params] if isinstance(params, engine.compile.SharedVariable) else list(params)
        return rule(_gradients(rule.__name__, loss_or_grads, params), params, *args, **settings)

    return updates


def _like(param: Any, what: str) -> Any:
    value = param.get_value(borrow=True)
    return engine.shared(np.zeros(value.shape, value.dtype), name=f"{param.name or 'parameter'} {what}")


@_rule
def sgd(loss_or_grads: Any, params: Any, learning_rate: float = 1e-3) -> Updates:
    """Gradient descent: param - learning_rate * gradient.

    >>> w = engine.shared(2.0, "w")
    >>> step = engine.function([], w**2, updates=sgd(w**2, [w], learning_rate=0.25))
    >>> [float(step()) for _ in range(3)]
    [4.0, 1.0, 0.25]
    """
    return OrderedDict((p, p - learning_rate * g) for p, g in zip(params, loss_or_grads, strict=True))


def apply_momentum(updates: Updates, params: Any = None, momentum: float = 0.9) -> Updates:
    """Updates with momentum: velocity = momentum * velocity + (update - param), param + velocity (Polyak 1964)."""
    updates = OrderedDict(updates)
    for p in list(updates) if params is None else params:
        velocity = _like(p, "velocity")
        x = momentum * velocity + updates[p]
        updates[velocity], updates[p] = x - p, x
    return updates


@_rule
def momentum(loss_or_grads: Any, params: Any, learning_rate: float = 1e-3, momentum: float = 0.9) -> Updates:
    """Gradient descent with momentum (Polyak 1964)."""
    return apply_momentum(sgd(loss_or_grads, params, learning_rate), params, momentum)


def apply_nesterov_momentum(updates: Updates, params: Any = None, momentum: float = 0.9) -> Updates:
    """Updates with Nesterov's momentum, by gradients at the present place: Bengio et al. (arXiv:1212.0901), equation 7."""
    updates = OrderedDict(updates)
    for p in list(updates) if params is None else params:
        velocity = _like(p, "velocity")
        x = momentum * velocity + updates[p] - p
        updates[velocity], updates[p] = x, momentum * x + updates[p]
    return updates


@_rule
def nesterov_momentum(
    loss_or_grads: Any, params: Any, learning_rate: float = 1e-3, momentum: float = 0.9
) -> Updates:
    """Gradient descent with Nesterov's momentum (1983)."""
    return apply_nesterov_momentum(sgd(loss_or_grads, params, learning_rate), params, momentum)


@_rule
def adagrad(loss_or_grads: Any, params: Any, learning_rate: float = 1.0, epsilon: float = 1e-6) -> Updates:
    """Steps divided by the root of the sum of all squared gradients: Duchi, Hazan & Singer (JMLR 2011)."""
    updates: Updates = OrderedDict()
    for p, g in zip(params, loss_or_grads, strict=True):
        total = _like(p, "squares")
        updates[total] = total + g**2
        updates[p] = p - learning_rate * g / T.sqrt(updates[total] + epsilon)
    return updates


@_rule
def rmsprop(
    loss_or_grads: Any, params: Any, learning_rate: float = 1.0, rho: float = 0.9, epsilon: float = 1e-6
) -> Updates:
    """Steps divided by the root of a moving mean of squared gradients: Tieleman & Hinton (2012)."""
    updates: Updates = OrderedDict()
    for p, g in zip(params, loss_or_grads, strict=True):
        mean = _like(p, "squares")
        updates[mean] = rho * mean + (1 - rho) * g**2
        updates[p] = p - learning_rate * g / T.sqrt(updates[mean] + epsilon)
    return updates


@_rule
def adadelta(
    loss_or_grads: Any, params: Any, learning_rate: float = 1.0, rho: float = 0.95, epsilon: float = 1e-6
) -> Updates:
    """Steps as large as the latest ones, by the gradients' size: Zeiler (arXiv:1212.5701)."""
    updates: Updates = OrderedDict()
    for p, g in zip(params, loss_or_grads, strict=True):
        squares, moves = _like(p, "squares"), _like(p, "moves")
        updates[squares] = rho * squares + (1 - rho) * g**2
        move = g * T.sqrt(moves + epsilon) / T.sqrt(updates[squares] + epsilon)
        updates[p] = p - learning_rate * move
        updates[moves] = rho * moves + (1 - rho) * move**2
    return updates


@_rule
def adam(
    loss_or_grads: Any,
    params: Any,
    learning_rate: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
) -> Updates:
    """Moving means of gradients and of their squares, corrected for their beginning: Kingma & Ba (arXiv:1412.6980)."""
    updates: Updates = OrderedDict()
    count = engine.shared(np.asarray(0.0), name="adam steps")
    t = count + 1
    rate = learning_rate * T.sqrt(1 - beta2**t) / (1 - beta1**t)
    for p, g in zip(params, loss_or_grads, strict=True):
        first, second = _like(p, "first moment"), _like(p, "second moment")
        updates[first] = beta1 * first + (1 - beta1) * g
        updates[second] = beta2 * second + (1 - beta2) * g**2
        updates[p] = T.cast(p - rate * updates[first] / (T.sqrt(updates[second]) + epsilon), p.dtype)
    updates[count] = t
    return updates


@_rule
def adamax(
    loss_or_grads: Any,
    params: Any,
    learning_rate: float = 0.002,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
) -> Updates:
    """Adam with the largest of the latest gradients instead of their squares: Kingma & Ba, section 7.1."""
    updates: Updates = OrderedDict()
    count = engine.shared(np.asarray(0.0), name="adamax steps")
    t = count + 1
    rate = learning_rate / (1 - beta1**t)
    for p, g in zip(params, loss_or_grads, strict=True):
        first, largest = _like(p, "first moment"), _like(p, "largest")
        updates[first] = beta1 * first + (1 - beta1) * g
        updates[largest] = T.maximum(beta2 * largest, abs(g))
        updates[p] = T.cast(p - rate * updates[first] / (updates[largest] + epsilon), p.dtype)
    updates[count] = t
    return updates


def norm_constraint(
    tensor_var: Any, max_norm: float, norm_axes: Sequence[int] | None = None, epsilon: float = 1e-7
) -> Any:
    """A tensor whose norms over `norm_axes` are at most `max_norm`: by default those of the columns of a matrix, and of the
    filters of four axes. ValueError for other ranks without `norm_axes`."""
    tensor_var = T.as_tensor_variable(tensor_var)
    if norm_axes is None:
        if tensor_var.ndim not in (2, 3, 4, 5):
            raise ValueError(f"norm_constraint: give norm_axes for a tensor of {tensor_var.ndim} axes")
        norm_axes = (0,) if tensor_var.ndim == 2 else tuple(range(1, tensor_var.ndim))
    norms = T.sqrt(T.sum(T.sqr(tensor_var), axis=tuple(norm_axes), keepdims=True))
    return tensor_var * (T.clip(norms, 0, max_norm) / (epsilon + norms))


def total_norm_constraint(
    tensor_vars: Sequence[Any], max_norm: float, epsilon: float = 1e-7, return_norm: bool = False
) -> Any:
    """Tensors scaled together so that their joint norm is at most `max_norm`: Pascanu et al. (arXiv:1211.5063)."""
    norm = T.sqrt(sum(T.sum(T.sqr(v)) for v in tensor_vars))
    factor = T.clip(norm, 0, max_norm) / (epsilon + norm)
    scaled = [v * factor for v in tensor_vars]
    return (scaled, norm) if return_norm else scaled


__all__ = [
    "adadelta",
    "adagrad",
    "adam",
    "adamax",
    "apply_momentum",
    "apply_nesterov_momentum",
    "momentum",
    "nesterov_momentum",
    "norm_constraint",
    "rmsprop",
    "sgd",
    "total_norm_constraint",
]
