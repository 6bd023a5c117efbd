"""Sums of squares of many residuals as those of few: linear regressions without their rows.

Residuals A θ + c, with n rows of numbers that are known and p unknowns, have the sum of squares

    |R (θ - θ₀)|² + 2 (θ - θ₀)·Aᵀr + |r|²,    R the factor of A = Q R,  r = A θ₀ + c,

whatever θ₀ is. The idea worth knowing: with the least-squares solution as θ₀ the middle term all but vanishes and
nothing cancels where the density is large, which the textbook's form by AᵀA and Aᵀc does. A gradient takes p² steps
instead of n p. Björck, Numerical Methods for Least Squares Problems (1996), 1.3 and 2.4.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator

import numpy as np

from probgraph.engine.graph import Apply, Variable, rebuild, tensor_constant, toposort
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.products import dot
from probgraph.engine.ops.reduce import Reduce
from probgraph.engine.ops.reduce import sum as sum_of
from probgraph.engine.rewrite import uniform
from probgraph.model.residuals import Residuals, as_number, is_scalar, linear

#: so many rows are worth the search
FEWEST = 32


def without_rows(outputs: list[Variable]) -> list[Variable]:
    """The graphs of `outputs` with sums of squares over fewer rows, wherever residuals are linear in what is unknown."""
    with np.errstate(all="ignore"):  # what is not finite in the end stays as it is
        found = {node.out: _reduced(node) for node in toposort(outputs) if _is_sum_of_rows(node)}
    found = {v: new for v, new in found.items() if new is not None}
    return rebuild(outputs, found) if found else outputs


def _is_sum_of_rows(node: Apply) -> bool:
    if not isinstance(node.op, Reduce) or node.op.name != "sum" or node.inputs[0].ndim != 1:
        return False
    (n,) = node.inputs[0].type.shape
    return node.out.dtype == "float64" and n is not None and n >= FEWEST


def _reduced(node: Apply) -> Variable | None:
    """The sum, with its terms that are such squares, times scalars, in the form above; None if there are none."""
    (n,) = node.inputs[0].type.shape
    parts, some = [], False
    for sign, term in _terms(node.inputs[0]):
        factor, square = _square(term, n)
        form = None if square is None else _few_rows(square, n)
        some |= form is not None
        if form is not None:
            part = factor * form
        else:
            part = node.op(term) if term.type.shape == (n,) else float(n) * as_number(term)
        parts.append(part if sign > 0 else -part)
    return functools.reduce(operator.add, parts) if some else None


def _terms(v: Variable, sign: int = 1) -> Iterator[tuple[int, Variable]]:
    op = None if v.owner is None else v.owner.op
    if op is ew.neg:
        yield from _terms(v.owner.inputs[0], -sign)
    elif op is ew.add or op is ew.sub:
        yield from _terms(v.owner.inputs[0], sign)
        yield from _terms(v.owner.inputs[1], sign if op is ew.add else -sign)
    else:
        yield sign, v


def _square(term: Variable, n: int) -> tuple[Variable, Residuals | None]:
    """What is squared in `term`, if it is a square of linear residuals times scalars, and those scalars."""
    factor, inner = _scalars(term)
    root = _root(inner)
    if root is None:
        return factor, None
    scale, inner = _scalars(root)
    return factor * ew.sqr(scale), linear(inner, n)


def _root(v: Variable) -> Variable | None:
    """What `v` is the square of, however that is written."""
    op, inputs = (None, []) if v.owner is None else (v.owner.op, v.owner.inputs)
    twice = op is ew.pow and (two := uniform(inputs[1])) is not None and two.data == 2
    same = op is ew.mul and inputs[0] is inputs[1]
    return inputs[0] if op is ew.sqr or twice or same else None


def _scalars(v: Variable) -> tuple[Variable, Variable]:
    """The scalar factors of `v`, and what they multiply."""
    factor = as_variable(1.0)
    while v.owner is not None:
        op, inputs = v.owner.op, v.owner.inputs
        if op is ew.neg:
            factor, v = -factor, inputs[0]
        elif op is ew.mul and is_scalar(inputs[0]):
            factor, v = factor * as_number(inputs[0]), inputs[1]
        elif op is ew.mul and is_scalar(inputs[1]):
            factor, v = factor * as_number(inputs[1]), inputs[0]
        elif op is ew.true_div and is_scalar(inputs[1]):
            factor, v = factor / as_number(inputs[1]), inputs[0]
        else:
            break
    return factor, v


# ------------------------------------------------------------------------------------ their squares


def _few_rows(z: Residuals, n: int) -> Variable | None:
    """The sum of the squares of `z` by R, θ₀ and r; None where that is no less work, or a number is not finite."""
    p, cost = z.width, 1 + sum(columns.cost for columns in z.unknown.values())
    if 2 * (p + 1) ** 2 > n * cost or not np.isfinite(z.constant).all():
        return None
    form = _form(z, p)
    if not all(np.isfinite(part).all() for part in form):
        return None
    factor, best, slope, least = form
    total: Variable = _measured(least)
    residuals, start = [], 0
    for v, columns in z.unknown.items():
        at = slice(start, start + columns.width)
        start = at.stop
        if v.ndim:
            distance = v - _measured(best[at])
            residuals.append(dot(_measured(factor[:, at]), distance))
            total = total + 2.0 * dot(_measured(slope[at]), distance)
        else:
            distance = v - _measured(best[at.start])
            residuals.append(_measured(factor[:, at.start]) * distance)
            total = total + _measured(2.0 * slope[at.start]) * distance
    return total + sum_of(ew.sqr(functools.reduce(operator.add, residuals))) if residuals else total


def _measured(value: np.ndarray) -> Variable:
    return tensor_constant(value, measured=True)


def _form(z: Residuals, p: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """R, θ₀, Aᵀr and |r|²."""
    factor = np.empty((0, p))
    for part in z.parts():
        factor = np.linalg.qr(np.concatenate([factor, z.rows(part)]), mode="r")
    best = np.zeros(p)
    if not np.isfinite(factor).all():  # which LAPACK must not be given
        return factor, best, best, best
    for _ in range(3 if p else 0):  # the first solves, the others refine
        best = best - _solved(factor, _slope_and_square(z, best, np.float64)[0])
    return factor, best, *_slope_and_square(z, best, np.longdouble)


def _slope_and_square(z: Residuals, at: np.ndarray, dtype: type) -> tuple[np.ndarray, np.ndarray]:
    """Aᵀr and |r|² of r = A at + c, computed in numbers of `dtype`."""
    at, slope, square = at.astype(dtype), np.zeros(len(at), dtype), np.zeros((), dtype)
    for part in z.parts():
        rows = z.rows(part).astype(dtype)
        r = rows @ at + z.constant[part]
        slope, square = slope + rows.T @ r, square + r @ r
    return slope.astype("float64"), square.astype("float64")


def _solved(factor: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """x with RᵀR x = slope, the shortest if there are many."""
    return np.linalg.lstsq(factor, np.linalg.lstsq(factor.T, slope, rcond=None)[0], rcond=None)[0]
