"""The functions that models are written with, under PyMC's names: `pg.math.exp`, `pg.math.dot` ...

They are the engine's own: all of `probgraph.engine.tensor`, and what PyMC has in addition.
"""
# ruff: noqa: F403, F405

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from probgraph.engine.graph import Variable
from probgraph.engine.ops import special as _special
from probgraph.engine.ops.matrix_functions import norm as norm
from probgraph.engine.ops.solves import cho_solve as cho_solve
from probgraph.engine.ops.spectra import eigh as eigh
from probgraph.engine.tensor import *

block_diagonal = block_diag


def flatten_list(tensors: Sequence[Any]) -> Variable:
    """The elements of several arrays one after another, as a vector."""
    return concatenate([flatten(as_tensor_variable(t)) for t in tensors])


def kronecker(*matrices: Any) -> Variable:
    """The Kronecker product of two matrices or more."""
    return functools.reduce(kron, matrices)


def kron_dot(matrices: Sequence[Any], m: Any) -> Variable:
    """kronecker(*matrices) @ m, for a vector or a matrix, without the product itself."""
    return _by_factors(matrices, m, dot)


def kron_solve_lower(matrices: Sequence[Any], m: Any) -> Variable:
    """x with kronecker(*matrices) @ x = m, of lower triangular matrices, for a vector or a matrix m."""
    return _by_factors(matrices, m, lambda k, x: solve_triangular(k, x, lower=True))


def kron_solve_upper(matrices: Sequence[Any], m: Any) -> Variable:
    """x with kronecker(*matrices) @ x = m, of upper triangular matrices, for a vector or a matrix m."""
    return _by_factors(matrices, m, lambda k, x: solve_triangular(k, x, lower=False))


def _by_factors(matrices: Sequence[Any], m: Any, apply: Callable[[Variable, Variable], Variable]) -> Variable:
    """What a Kronecker product does to m, one factor at a time: its axis to the front, and behind all others."""
    m = as_tensor_variable(m)
    columns = m if m.ndim == 2 else m[:, None]
    count = columns.shape[1]
    x = columns
    for k in map(as_tensor_variable, matrices):
        rows = apply(k, reshape(x, (k.shape[1], -1)))
        x = reshape(moveaxis(reshape(rows, (k.shape[0], -1, count)), 0, 1), (-1, count))
    return x if m.ndim == 2 else x[:, 0]


def flat_outer(a: Any, b: Any) -> Variable:
    """All products of an element of the vector a and one of b, those of b fastest."""
    return flatten(outer(as_tensor_variable(a), as_tensor_variable(b)))


def kron_diag(*diags: Any) -> Variable:
    """The diagonal of the Kronecker product of matrices with these diagonals."""
    return functools.reduce(flat_outer, diags)


def logbern(log_p: Any, rng: np.random.Generator | None = None) -> np.ndarray:
    """Draws of 0 and 1, with the logarithms of the probabilities of 1: for what a CustomDist draws by.

    Raises FloatingPointError for nan.
    """
    log_p = np.asarray(log_p)
    if np.isnan(log_p).any():
        raise FloatingPointError("logbern: log_p is nan")
    u = np.random.default_rng(rng).random(log_p.shape)
    return np.log1p(-u) <= log_p  # u may be 0, and 1 - u is not


def cartesian(*arrays: Any) -> Any:
    """All combinations of the elements, or rows, of arrays: a row each, those of the last array fastest."""
    if not [a for a in arrays if isinstance(a, Variable)]:
        rows = [a[:, None] if a.ndim == 1 else a for a in map(np.asarray, arrays)]
        places = np.indices([len(a) for a in rows]).reshape(len(rows), -1)
        return np.concatenate([a[p] for a, p in zip(rows, places, strict=True)], axis=1)
    rows = [a[:, None] if a.ndim == 1 else a for a in map(as_tensor_variable, arrays)]
    result = rows[0]
    for a in rows[1:]:
        n, m = result.shape[0], a.shape[0]
        left = result[repeat(arange(n), m)]
        right = a[tile(arange(m), (n,)) if isinstance(n, int) else arange(n * m) % m]
        result = concatenate([left, right], axis=1)
    return result


def batched_diag(c: Any) -> Variable:
    """Vectors (..., n) as diagonal matrices (..., n, n), or the diagonals of such matrices (..., n, n) with ndim 3."""
    c = as_tensor_variable(c)
    if c.ndim == 2:
        return c[..., None] * eye(c.shape[-1])
    if c.ndim == 3:
        return diagonal(c, axis1=-2, axis2=-1)
    raise ValueError(f"batched_diag: a matrix or a stack of matrices is needed, got {c.ndim} axes")


def probit(p: Any) -> Variable:
    """The normal quantile of a probability."""
    return _special.ndtri(p)


def invprobit(x: Any) -> Variable:
    """The normal distribution's integral up to x."""
    return exp(_special.log_ndtr(x))


def logdiffexp(a: Any, b: Any) -> Variable:
    """log(exp(a) - exp(b)) for a > b."""
    return a + log1mexp(as_tensor_variable(b) - a)


def rel_entr(x: Any, y: Any) -> Variable:
    """x log(x / y), which is 0 at x = 0, and infinite where x is negative, or y is not positive."""
    x, y = as_tensor_variable(x), as_tensor_variable(y)
    inside = xlogy(x, x) - xlogy(x, y)
    bad = (x < 0) | (y < 0) | (neq(x, 0) & eq(y, 0))
    return switch(bad, np.inf, switch(bad | eq(x, 0), 0.0, inside))


def expand_packed_triangular(
    n: int, packed: Any, lower: bool = True, diagonal_only: bool = False
) -> Variable:
    """Triangular matrices (..., n, n) from vectors (..., n (n + 1) / 2) of their places, row by row.

    With lower=False upper ones; with diagonal_only=True the diagonals (..., n) alone.

    >>> expand_packed_triangular(2, [1.0, 2.0, 3.0]).eval()
    array([[1., 0.],
           [2., 3.]])
    """
    packed = as_tensor_variable(packed)
    inside = np.tri(n, dtype=bool) if lower else np.tri(n, dtype=bool).T
    places = np.zeros((n, n), dtype="int64")
    places[inside] = np.arange(n * (n + 1) // 2)
    if packed.type.shape[-1] not in (None, n * (n + 1) // 2):
        raise ValueError(
            f"expand_packed_triangular: n={n} needs vectors of {n * (n + 1) // 2} places, given {packed.type.shape}"
        )
    if diagonal_only:
        return packed[..., np.diagonal(places)]
    return switch(inside, packed[..., places], 0.0)
