"""One case for each operation on arrays in the table of operations: the user's name, a use, its meaning in NumPy.

The rows of the elementwise table make their cases themselves: at points where the function is smooth and finite.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import scipy.linalg
import scipy.special

from probgraph.engine import fourier
from probgraph.engine.arrangements import repeat
from probgraph.engine.barriers import zero_grad
from probgraph.engine.convolutions import convolve1d
from probgraph.engine.ifelse import ifelse
from probgraph.engine.inner_graph import OpFromGraph
from probgraph.engine.ops import (
    cumulative,
    diagonals,
    einsum,
    elementwise,
    index,
    masks,
    products,
    reduce,
    selection,
    shape,
    solves,
    sorting,
    spectra,
    triangular,
)
from probgraph.engine.ops import singular_values as singular
from probgraph.engine.ops.cholesky import CholeskyGradient, cholesky
from probgraph.engine.ops.elementwise import Elementwise
from probgraph.engine.ops.lu import lu
from probgraph.engine.ops.matrix_functions import expm
from probgraph.engine.ops.pivots import lu_factor, lu_solve
from probgraph.engine.ops.qr import qr
from probgraph.engine.ops.schur import schur
from probgraph.engine.scanning import scan
from probgraph.engine.types import TensorType
from tests.engine.op_cases import TRUTH, Case, accepts

V, W = np.array([0.3, -0.7, 1.2]), np.array([1.1, 0.4, -0.6])
M = np.array([[0.5, -1.0, 0.25], [1.5, 0.75, -0.3]])
N = np.array([[0.2, 1.0], [-0.4, 0.9], [0.6, -0.8]])
C = np.arange(12.0).reshape(2, 2, 3) / 7 - 0.6
Q = np.array([[2.0, 0.3, -0.5], [0.4, 1.5, 0.2], [-0.1, 0.6, 3.0]])
P = Q @ Q.T + np.eye(3)
L = np.tril(Q)
S = np.array(0.7)
I = np.array([2, 0, 2])


def _cholesky_gradient(l: np.ndarray, g: np.ndarray) -> np.ndarray:
    """Murray (2016), eq. 10."""
    half = 1 - np.eye(len(l)) / 2
    l, phi = np.tril(l), np.tril(np.tril(l).T @ np.tril(g)) * half
    return np.tril(np.linalg.solve(l.T, np.linalg.solve(l.T, phi + phi.T).T)) * half


def _symmetric(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of a symmetric matrix as one of any matrix, whose elements can be moved one by one."""
    return lambda a, *rest: function((a + a.T) / 2, *rest)


def _written(x: np.ndarray, y: Any, add: bool) -> np.ndarray:
    x = np.array(x)
    if add:
        np.add.at(x, I, y)
    else:
        x[1:] = y
    return x


def _running(x: Any, s: Any) -> Any:
    return scan(lambda now, before: now * before + now, x, s)[0]


def _running_numpy(x: np.ndarray, s: np.ndarray) -> np.ndarray:
    rows = [s]
    for now in x:
        rows.append(now * rows[-1] + now)
    return np.array(rows[1:])


def _own_op(x: Any) -> Any:
    inside = TensorType(x.dtype, (None,))("inside")
    return OpFromGraph([inside], [elementwise.exp(inside) * inside])(x)


def _rows_convolved(m: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.array([np.convolve(row, v) for row in m])


#: section of the page: its cases
ARRAYS: dict[str, list[Case]] = {
    "Reductions": [
        *(
            Case(name, lambda m, f=name: getattr(reduce, f)(m, axis=1), lambda m, f=f: f(m, axis=1), (M,))
            for name, f in {
                "sum": np.sum,
                "prod": np.prod,
                "max": np.max,
                "min": np.min,
                "mean": np.mean,
                "var": np.var,
                "std": np.std,
                "logsumexp": scipy.special.logsumexp,
                "softmax": scipy.special.softmax,
                "any": lambda m, axis: np.any(m != 0, axis),
                "all": lambda m, axis: np.all(m != 0, axis),
            }.items()
        ),
    ],
    "Shapes": [
        Case("shape", lambda m: shape.shape(m), lambda m: np.array(m.shape), (M,)),
        Case("transpose, dimshuffle", lambda m: m.dimshuffle(1, "x", 0), lambda m: m.T[:, None], (M,)),
        Case("reshape", lambda m: m.reshape((3, 2)), lambda m: m.reshape(3, 2), (M,)),
        Case("flatten", lambda m: m.flatten(), np.ravel, (M,)),
        Case("squeeze", lambda v: shape.squeeze(v[None], 0), lambda v: v, (V,)),
        Case("alloc, full", lambda v: shape.alloc(v, 2, 3), lambda v: np.broadcast_to(v, (2, 3)), (V,)),
        Case("arange", lambda v: shape.arange(v.shape[0]), lambda v: np.arange(3), (V,)),
        Case("join, concatenate", lambda v, w: shape.join(0, v, w), lambda v, w: np.r_[v, w], (V, W)),
        Case("stack", lambda v, w: shape.stack([v, w]), lambda v, w: np.stack([v, w]), (V, W)),
        Case("specify_shape", lambda m: shape.specify_shape(m, (2, None)), lambda m: m, (M,)),
    ],
    "Indexing": [
        Case("x[1:, ::-1]", lambda m: m[1:, ::-1], lambda m: m[1:, ::-1], (M,)),
        Case("x[array]", lambda v, i: v[i], lambda v, i: v[i], (V, I)),
        Case("x[mask]", lambda v: v[np.array([True, False, True])], lambda v: v[[0, 2]], (V,)),
        Case("take", lambda m, i: index.take(m, i, 1), lambda m, i: np.take(m, i, 1), (M, I)),
        Case(
            "set_subtensor",
            lambda v, s: index.set_subtensor(v[1:], s),
            lambda v, s: _written(v, s, False),
            (V, S),
        ),
        Case(
            "inc_subtensor by an array",
            lambda v, w: index.inc_subtensor(v[I], w),
            lambda v, w: _written(v, w, True),
            (V, W),
        ),
    ],
    "Order, places and running sums": [
        Case("sort", sorting.sort, np.sort, (M,)),
        Case("argsort", sorting.argsort, np.argsort, (M,)),
        Case("topk", lambda v: sorting.topk(v, 2), lambda v: np.sort(v)[:0:-1], (V,)),
        Case("searchsorted", lambda a, v: sorting.searchsorted(a, v), np.searchsorted, (np.sort(V), W)),
        Case("argmax, argmin", lambda m: selection.argmax(m, 1), lambda m: np.argmax(m, 1), (M,)),
        Case("cumsum", lambda m: cumulative.cumsum(m, 1), lambda m: np.cumsum(m, 1), (M,)),
        Case("cumprod", lambda m: cumulative.cumprod(m, 1), lambda m: np.cumprod(m, 1), (M,)),
        Case("diff", cumulative.diff, np.diff, (M,)),
        Case("nonzero", lambda v: masks.nonzero(v > 0)[0], lambda v: np.nonzero(v > 0)[0], (V,)),
        Case("bincount", masks.bincount, np.bincount, (I,)),
        Case("repeat by counts", lambda v, i: repeat(v, i), lambda v, i: np.repeat(v, i), (V, I)),
        Case("unique", masks.unique, np.unique, (V,)),
    ],
    "Products and diagonals": [
        Case("dot", products.dot, np.dot, (M, N)),
        Case("matmul, @", lambda c, n: c @ n, np.matmul, (C, N)),
        Case("outer", products.outer, np.outer, (V, W)),
        Case(
            "tensordot", lambda c, m: products.tensordot(c, m, 1), lambda c, m: np.tensordot(c, m, 1), (C, N)
        ),
        Case("kron", products.kron, np.kron, (M, N)),
        Case(
            "einsum",
            lambda c, n: einsum.einsum("bij,jk->bk", c, n),
            lambda c, n: np.einsum("bij,jk->bk", c, n),
            (C, N),
        ),
        Case("tril, triu", lambda q: diagonals.tril(q, -1), lambda q: np.tril(q, -1), (Q,)),
        Case("diagonal", diagonals.diagonal, np.diagonal, (Q,)),
        Case("trace", diagonals.trace, np.trace, (Q,)),
        Case("diag of a vector", diagonals.diag, np.diag, (V,)),
        Case("block_diag", diagonals.block_diag, scipy.linalg.block_diag, (M, N)),
    ],
    "Linear algebra": [
        Case("cholesky", _symmetric(cholesky), _symmetric(np.linalg.cholesky), (P,)),
        Case("CholeskyGradient", CholeskyGradient(), _cholesky_gradient, (L, Q)),
        Case(
            "solve_triangular",
            lambda a, b: triangular.solve_triangular(a, b, lower=True),
            lambda a, b: scipy.linalg.solve_triangular(a, b, lower=True),
            (L, V),
        ),
        Case("solve", solves.solve, np.linalg.solve, (Q, V)),
        Case(
            "solve, positive definite",
            _symmetric(lambda a, b: solves.solve(a, b, assume_a="pos")),
            _symmetric(np.linalg.solve),
            (P, V),
        ),
        Case("inv", solves.inv, np.linalg.inv, (Q,)),
        Case("det", solves.det, np.linalg.det, (Q,)),
        Case("slogdet", lambda a: solves.slogdet(a)[1], lambda a: np.linalg.slogdet(a)[1], (Q,)),
        Case("eigh: values", _symmetric(lambda a: spectra.eigh(a)[0]), _symmetric(np.linalg.eigvalsh), (P,)),
        Case(
            "eigh: vectors",
            _symmetric(lambda a: spectra.eigh(a)[1] ** 2),
            _symmetric(lambda a: np.linalg.eigh(a)[1] ** 2),
            (P,),
        ),
        Case(
            "eigvals", lambda a: spectra.eigvals(a), lambda a: np.linalg.eigvals(a).astype("complex128"), (P,)
        ),
        Case(
            "svd: values",
            lambda a: singular.svd(a, compute_uv=False),
            lambda a: np.linalg.svd(a, compute_uv=False),
            (M,),
        ),
        Case("qr", lambda a: qr(a)[1] ** 2, lambda a: np.linalg.qr(a)[1] ** 2, (Q,)),
        Case("expm", expm, scipy.linalg.expm, (Q,)),
        Case("lu_factor", lambda a: lu_factor(a)[0], lambda a: scipy.linalg.lu_factor(a)[0], (Q,)),
        Case("lu_solve", lambda a, v: lu_solve(lu_factor(a), v), np.linalg.solve, (Q, V)),
        Case("schur", lambda a: abs(schur(a)[0]), lambda a: abs(scipy.linalg.schur(a)[0]), (Q,)),
        Case("lu", lambda a: lu(a)[2], lambda a: scipy.linalg.lu(a)[2], (Q,)),
        Case("pinv", singular.pinv, np.linalg.pinv, (M,)),
        Case(
            "lstsq",
            lambda a, b: singular.lstsq(a, b, 1e-15)[0],
            lambda a, b: np.linalg.lstsq(a, b, 1e-15)[0],
            (N, V),
        ),
    ],
    "Transforms and windows": [
        Case(
            "fft, ifft, rfft ...",
            lambda m: abs(fourier.fft(m)) ** 2,
            lambda m: np.abs(np.fft.fft(m)) ** 2,
            (M,),
        ),
        Case("convolve1d, conv2d ...", lambda m, v: convolve1d(m, v), _rows_convolved, (M, V)),
    ],
    "Graphs inside graphs": [
        Case("scan", _running, _running_numpy, (V, S)),
        Case("ifelse", lambda v, s: ifelse(s > 0, v * 2, v), lambda v, s: v * 2, (V, S)),
        Case("zero_grad, disconnected_grad, grad_clip ...", zero_grad, lambda v: v, (V,), False),
        Case("OpFromGraph", _own_op, lambda x: np.exp(x) * x, (V,)),
    ],
}

_NUMPY = {
    "eq": np.equal,
    "neq": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "and_": np.bitwise_and,
    "or_": np.bitwise_or,
    "xor": np.bitwise_xor,
    "complex": lambda x, y: x + 1j * y,
    "abs": np.abs,
    "sgn": np.sign,
    "switch": np.where,
}


def elementwise_case(row: Elementwise) -> Case | None:
    """The row at the first points where it is finite (and where an integer argument is not needed: reals)."""
    dtype = next(d for d in ("float64", "int64", "bool") if accepts(row, *(d,) * row.arity))
    base = [
        np.array([0.31, 0.62, 0.83]),
        np.array([0.27, 0.45, 0.72]),
        np.array([0.9, 0.8, 0.94]),
        np.array([0.35, 0.55, 0.15]),
    ][: row.arity]
    if dtype == "int64":
        base = [np.array([5, -3, 12]), np.array([3, 6, 10]), np.array([1, 2, 3]), np.array([2, 1, 0])][
            : row.arity
        ]
    shifted = [[(x + shift).astype(dtype) for x in base] for shift in (0, 1.2, -1.2)]
    for arrays in (*map(tuple, shifted), (np.full(3, 2.0), *base[1:])):
        if np.all(np.isfinite(row.numpy(*arrays))):
            graph = elementwise.conj if row.name == "conj" else row  # a real variable is its own
            free = _differentiable_places(row, arrays)
            if len(free) < row.arity:
                return _with_constants(row, arrays, free)
            return Case(row.name, graph, lambda *xs: elementwise_truth(row, *xs), arrays)
    return None


def _with_constants(row: Elementwise, arrays: Any, free: list[int]) -> Case:
    """The row with constants for the arguments by which there is no derivative, such as an order."""

    def filled(xs: Any) -> list[Any]:
        given = iter(xs)
        return [next(given) if k in free else 2.0 for k in range(row.arity)]

    return Case(
        row.name,
        lambda *xs: row(*filled(xs)),
        lambda *xs: elementwise_truth(row, *map(np.asarray, filled(xs))),
        tuple(arrays[k] for k in free),
    )


def _differentiable_places(row: Elementwise, arrays: Any) -> list[int]:
    """The arguments by which the row says how it is differentiated."""
    inputs = [TensorType(a.dtype, (None,))() for a in arrays]
    if row.gradient is None:
        return list(range(row.arity))
    y = row(*inputs)
    flows = row.vjp([y], [y], inputs)
    return [k for k, g in enumerate(flows) if g is None or isinstance(g.type, TensorType)]


def _derivative(function: Callable[..., Any], place: int) -> Callable[..., Any]:
    """The derivative of a function of mpmath's by one argument, for each element of arrays."""

    def one(*xs: float) -> float:
        with mp.workdps(40):
            at = [mp.mpf(x) for x in xs]
            return float(mp.diff(lambda t: function(*at[:place], t, *at[place + 1 :]), at[place]))

    return np.vectorize(one)


_NUMPY |= {
    "gammainc_da": _derivative(lambda a, x: mp.gammainc(a, 0, x, regularized=True), 0),
    "betainc_da": _derivative(lambda a, b, x: mp.betainc(a, b, 0, x, regularized=True), 0),
    "betainc_db": _derivative(lambda a, b, x: mp.betainc(a, b, 0, x, regularized=True), 1),
}


def elementwise_truth(row: Elementwise, *arrays: np.ndarray) -> np.ndarray:
    """What a row is by mpmath, where it has it, else by NumPy or SciPy under its name."""
    declared = row.rule(*(x.dtype.name for x in arrays))[1]
    if row.name.startswith("Cast{"):
        return arrays[0].astype(declared)
    if row.name not in TRUTH or row.name in _NUMPY:
        function = _NUMPY.get(row.name) or getattr(np, row.name, None) or getattr(scipy.special, row.name)
        return np.asarray(function(*arrays))
    one = [mp.mpc if x.dtype.kind == "c" else mp.mpf for x in arrays]
    with mp.workdps(40):
        values = [
            complex(TRUTH[row.name](*(f(x.item()) for f, x in zip(one, element, strict=True))))
            for element in zip(*arrays, strict=True)
        ]
    result = np.array(values)
    return (result if np.dtype(declared).kind == "c" else result.real).astype(declared)
