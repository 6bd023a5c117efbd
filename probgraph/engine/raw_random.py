"""Draws in Theano's oldest form: from a state to (the next state, the draws), with Theano's names and defaults.

`size` is a list of lengths, or an integer vector whose length is known or told by `ndim`; without it the
parameters say the shape. What is not told here is told in `ops.random`, whose table these functions use.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from probgraph.engine.graph import Constant, Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops.index import get_item
from probgraph.engine.ops.random import ARRANGEMENTS, DISTRIBUTIONS
from probgraph.engine.ops.random_op import as_state
from probgraph.engine.ops.shape import arange, reshape, shape
from probgraph.engine.random_types import GeneratorType
from probgraph.engine.types import INTEGERS, describe

#: the types of states: of a RandomState, and of numpy.random.default_rng()
random_state_type = GeneratorType(316)
random_generator_type = GeneratorType(7)

Drawn = tuple[Variable, Variable]


def uniform(
    random_state: Any,
    size: Any = None,
    low: Any = 0.0,
    high: Any = 1.0,
    ndim: int | None = None,
    dtype: str | None = None,
) -> Drawn:
    """Between `low` and `high`; in floatX, or wider if they are."""
    return _drawn("uniform", random_state, size, ndim, dtype, low, high)


def normal(
    random_state: Any,
    size: Any = None,
    avg: Any = 0.0,
    std: Any = 1.0,
    ndim: int | None = None,
    dtype: str | None = None,
) -> Drawn:
    """Normal with mean `avg` and standard deviation `std`; in floatX, or wider if they are."""
    return _drawn("normal", random_state, size, ndim, dtype, avg, std)


def binomial(
    random_state: Any,
    size: Any = None,
    n: Any = 1,
    p: Any = 0.5,
    ndim: int | None = None,
    dtype: str = "int64",
    prob: Any = None,
) -> Drawn:
    """How many of `n` trials succeed, each with probability `p`. (`prob` is its old name.)"""
    return _drawn("binomial", random_state, size, ndim, dtype, n, p if prob is None else prob)


def poisson(
    random_state: Any, size: Any = None, lam: Any = 1.0, ndim: int | None = None, dtype: str = "int64"
) -> Drawn:
    """Poisson with mean `lam`."""
    return _drawn("poisson", random_state, size, ndim, dtype, lam)


def random_integers(
    random_state: Any,
    size: Any = None,
    low: Any = 0,
    high: Any = 1,
    ndim: int | None = None,
    dtype: str = "int64",
) -> Drawn:
    """Integers from `low` to `high`, both included."""
    return _drawn(
        "integers",
        random_state,
        size,
        ndim,
        dtype,
        low,
        np.asarray(high) + 1 if not isinstance(high, Variable) else high + 1,
    )


def choice(
    random_state: Any,
    size: Any = None,
    a: Any = 2,
    replace: bool = True,
    p: Any = None,
    ndim: int | None = None,
    dtype: str | None = None,
) -> Drawn:
    """From the integers below `a`, or the elements of the vector `a`: with the probabilities `p` (a vector), or
    alike; each at most once without `replace`. `size` None is one draw. `dtype`: that of `a`, or int64."""
    if isinstance(replace, Variable):
        if not isinstance(replace, Constant):
            raise TypeError(f"choice: replace is True or False, got the variable {replace}")
        replace = bool(replace.data)
    a = as_variable(a)
    if a.ndim > 1 or (a.ndim == 0 and a.dtype not in INTEGERS):
        raise TypeError(f"choice: a is an integer or a vector, got {describe([a.type])}")
    row = "choice" if replace else "choice_once"
    given = [a if a.ndim == 0 else shape(a)[0]]
    if p is not None:
        p = as_variable(p)
        if p.ndim != 1:
            raise ValueError(f"choice: p is a vector, got {describe([p.type])}")
        given.append(p)
        row += "_with_p"
    place = (dtype or "int64") if a.ndim == 0 else "int64"
    state, draws = _drawn(row, random_state, size, ndim, place, *given)
    if a.ndim:
        draws = get_item(a, draws)
        draws = draws if dtype is None or dtype == draws.dtype else draws.astype(dtype)
    return state, draws


def permutation(
    random_state: Any, size: Any = None, n: Any = 1, ndim: int | None = None, dtype: str | None = None
) -> Drawn:
    """The integers below `n`, or the rows of the array `n`, in an order drawn at random.

    With `size` as many permutations; the last axis is then that of the `n` integers.
    """
    n = as_variable(n)
    if n.ndim == 0:
        if n.dtype not in INTEGERS:
            raise TypeError(f"permutation: n is an integer, or an array to permute, got {describe([n.type])}")
        return _drawn("permutation", random_state, size, ndim, dtype or "int64", n)
    state, order = _drawn("permutation", random_state, size, ndim, "int64", shape(n)[0])
    return state, get_item(n, order)


def multinomial(
    random_state: Any,
    size: Any = None,
    n: Any = 1,
    pvals: Any = (0.5, 0.5),
    ndim: int | None = None,
    dtype: str = "int64",
) -> Drawn:
    """How often each of the outcomes comes in `n` trials. The last axis of `pvals` holds their probabilities."""
    return _drawn("multinomial", random_state, size, ndim, dtype, n, _array(pvals))


def shuffle_row_elements(random_state: Any, input: Any) -> Drawn:
    """`input` with the elements of each row (along the last axis) in an order of its own."""
    x = as_variable(input)
    if x.ndim == 0:
        raise TypeError(f"shuffle_row_elements: an array with rows is needed, got {describe([x.type])}")
    lengths = shape(x)
    count = x.type.shape[-1]
    many = _sizes(x)[:-1]
    state, order = _drawn(
        "permutation", random_state, many or None, None, "int64", lengths[-1] if count is None else count
    )
    if x.ndim == 1:
        return state, get_item(x, order)
    rows = reshape(x, (-1, _sizes(x)[-1]))
    row = arange(shape(rows)[0])[:, None]
    return state, reshape(get_item(rows, (row, reshape(order, (-1, _sizes(x)[-1])))), _sizes(x))


def _sizes(x: Variable) -> list[Any]:
    lengths = shape(x)
    return [lengths[i] if n is None else n for i, n in enumerate(x.type.shape)]


def _array(value: Any) -> Any:
    return np.asarray(value) if isinstance(value, tuple) else value


def _drawn(name: str, state: Any, size: Any, ndim: int | None, dtype: str | None, *parameters: Any) -> Drawn:
    row = DISTRIBUTIONS.get(name) or ARRANGEMENTS[name]
    return row.from_state(
        as_state(state), *map(_array, parameters), size=_lengths(name, size, ndim), dtype=dtype
    )


def _lengths(name: str, size: Any, ndim: int | None) -> Sequence[Any] | None:
    """The lengths of `size`, as many as `ndim` says where the size itself does not."""
    if size is None:
        return None
    if isinstance(size, Variable) and size.ndim == 1:
        known = size.type.shape[0]
        if known is None and ndim is None:
            raise ValueError(
                f"{name}: the size {size} has an unknown number of lengths: say how many by ndim=, or give a list"
            )
        count = ndim if known is None else known
        if isinstance(size, Constant):
            size = [int(n) for n in size.data]
        else:
            size = [size[i] for i in range(count)]
    lengths = list(size) if isinstance(size, list | tuple | np.ndarray) else [size]
    if ndim is not None and ndim != len(lengths):
        raise ValueError(f"{name}: ndim is {ndim}, but size has {len(lengths)} lengths")
    return lengths
