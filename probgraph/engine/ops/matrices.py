"""What operations on stacks of matrices share: checks of their types, lengths of their leading axes, C text for
two precisions, and the functions of LAPACK and BLAS.

As in NumPy the last axes are a matrix (or vector), the axes before them a batch, and the batches of several
operands broadcast.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from probgraph.engine import loops
from probgraph.engine.graph import Apply, Variable
from probgraph.engine.loops import Expr, External, Kernel
from probgraph.engine.op import KernelCall, LengthReader, Op, as_variable, behind_batch
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.types import COMPLEX, TensorType, broadcast_shapes, describe, promote, to_float

# ------------------------------------------------------------------------------------ types


def matrices(who: str, *operands: Any) -> list[Variable]:
    """Operands as real floating point variables of one dtype."""
    variables = [as_variable(x) for x in operands]
    dtype = promote(*(v.dtype for v in variables))
    if dtype in COMPLEX:
        raise NotImplementedError(
            f"{who} of complex matrices is not supported (given {describe([v.type for v in variables])}):"
            " write it with the real and the imaginary part"
        )
    return [ew.cast(v, to_float(dtype)) for v in variables]


def check_matrix(who: str, a: Variable, square: bool = True) -> None:
    """TypeError or ValueError unless `a` can be (a stack of) real floating point matrices."""
    if a.ndim < 2:
        raise TypeError(f"{who} takes a matrix (or a stack of them), got {describe([a.type])}")
    if a.dtype not in ("float32", "float64"):
        raise TypeError(f"{who} takes real floating point matrices, got {describe([a.type])}: cast it")
    n, m = a.type.shape[-2:]
    if square and n is not None and m is not None and n != m:
        raise ValueError(f"{who} takes a square matrix, got {describe([a.type])}")


def side(a: Variable) -> int | None:
    """The static length of a square matrix."""
    n, m = a.type.shape[-2:]
    return m if n is None else n


def batch_shape(who: str, variables: Sequence[Variable], ranks: Sequence[int]) -> tuple[int | None, ...]:
    """The static lengths of the leading axes, broadcast."""
    leading = [
        TensorType("float64", v.type.shape[: v.ndim - rank]) for v, rank in zip(variables, ranks, strict=True)
    ]
    return broadcast_shapes(who, leading)


class Matrices(Op):
    """An operation on the last `core` axes of each input, repeated over the leading ones."""

    #: the rank of what one application takes of each input
    core: tuple[int, ...] = (2,)
    #: whether the first input is square
    square: bool = True

    def cores(self, inputs: Sequence[Variable]) -> tuple[int, ...]:
        return self.core

    def batched(self, node: Apply, inputs: Sequence[Variable]) -> list[Variable]:
        cores = self.cores(node.inputs)
        leading = [v.ndim - core for v, core in zip(node.inputs, cores, strict=True)]
        wide = [
            behind_batch(new, old, old.ndim + max(leading) - mine)
            for new, old, mine in zip(inputs, node.inputs, leading, strict=True)
        ]
        *rest, last = node.inputs
        if self.cores([*rest, last.dimshuffle(*range(last.ndim), "x")]) == cores:
            results = self(*wide)
            return results if isinstance(results, list) else [results]
        # A right-hand side is a vector only if it has no other axis: in a batch it is a matrix of one column.
        wide[-1] = wide[-1].dimshuffle(*range(wide[-1].ndim), "x")
        x = self(*wide)
        return [x.dimshuffle(*range(x.ndim - 1))]

    def check_lengths(self, node: Apply, arrays: Sequence[Any]) -> None:
        """Only axes known to have length 1 are stretched: NumPy would stretch any that happen to be 1."""
        if self.square and arrays[0].shape[-1] != arrays[0].shape[-2]:
            raise ValueError(f"{self} takes square matrices, got shape {arrays[0].shape}")
        found: dict[int, int] = {}
        for v, array, rank in zip(node.inputs, arrays, self.cores(node.inputs), strict=True):
            for axis in range(-v.ndim, -rank):
                n = array.shape[axis]
                place = axis + rank
                if v.type.shape[axis] != 1 and found.setdefault(place, n) != n:
                    shapes = ", ".join(str(np.shape(x)) for x in arrays)
                    raise ValueError(
                        f"{self}: the leading axes of shapes {shapes} do not agree: {found[place]} and {n}"
                    )

    def batch(self, reader: LengthReader, node: Apply) -> tuple[Expr, ...]:
        """The lengths of the leading axes, unified where they must agree."""
        cores = self.cores(node.inputs)
        rank = max(v.ndim - core for v, core in zip(node.inputs, cores, strict=True))
        lengths: list[Expr] = [loops.ONE] * rank
        for v, core in zip(node.inputs, cores, strict=True):
            for axis in range(-(v.ndim - core), 0):
                if v.type.shape[axis - core] != 1:
                    mine = reader.lengths(v)[axis - core]
                    before = lengths[axis]
                    lengths[axis] = mine if before == loops.ONE else reader.unify(node, before, mine)
        return tuple(lengths)


class Composite(Matrices):
    """An operation on matrices that `expand` makes of others before it becomes loops."""


class MatrixKernel(Matrices, KernelCall):
    """A kernel on matrices: C text for one of them, called for each."""

    #: the rank of what one call makes of each output
    made: tuple[int, ...] = (2,)

    def mades(self, inputs: Sequence[Variable]) -> tuple[int, ...]:
        return self.made

    def ranks(self, node: Apply) -> tuple[int, ...]:
        return (*self.cores(node.inputs), *self.mades(node.inputs))


def over_batch(function: Callable[..., Any], cores: Sequence[int], arrays: Sequence[np.ndarray]) -> Any:
    """`function` of one matrix (or several operands), for each index of the leading axes, which broadcast."""
    leading = np.broadcast_shapes(*(x.shape[: x.ndim - core] for x, core in zip(arrays, cores, strict=True)))
    wide = [
        np.broadcast_to(x, (*leading, *x.shape[x.ndim - core :]))
        for x, core in zip(arrays, cores, strict=True)
    ]
    places = list(np.ndindex(*leading))
    results = [function(*(np.ascontiguousarray(x[place]) for x in wide)) for place in places]
    if not places:  # only to see what one would look like
        results = [function(*(_harmless(x.shape[len(leading) :], x.dtype) for x in wide))]

    def stacked(values: Sequence[Any]) -> np.ndarray:
        one = np.asarray(values[0])
        shape = (*leading, *one.shape)
        return np.stack(values).reshape(shape) if places else np.zeros(shape, one.dtype)

    if isinstance(results[0], tuple):
        return tuple(stacked(column) for column in zip(*results, strict=True))
    return stacked(results)


def _harmless(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    return np.eye(*shape, dtype=dtype) if len(shape) == 2 else np.ones(shape, dtype)


# ------------------------------------------------------------------------------------ kernels

_C_TYPES = {"float64": ("double", "d"), "float32": ("float", "s")}


def routine(name: str, arguments: str, module: str = "cython_lapack") -> Callable[[str], External]:
    """A function of LAPACK or BLAS in both precisions.

    `arguments` has a letter for each pointer: c for char, i for int, T for the numbers.
    """

    def external(dtype: str) -> External:
        kind, letter = _C_TYPES[dtype]
        types = {"c": "char *", "i": "int *", "T": f"{kind} *"}
        full = letter + name
        declaration = f"void (*pg_{full})({', '.join(types[c] for c in arguments)})"
        return External(full, f"scipy.linalg.{module}", declaration)

    return external


potrf = routine("potrf", "ciTii")
gesv = routine("gesv", "iiTiiTii")
getrf = routine("getrf", "iiTiii")
getrs = routine("getrs", "ciiTiiTii")
getri = routine("getri", "iTiiTii")
geev = routine("geev", "cciTiTTTiTiTii")
syevd = routine("syevd", "cciTiTTiiii")
gesdd = routine("gesdd", "ciiTiTTiTiTiii")
geqrf = routine("geqrf", "iiTiTTii")
orgqr = routine("orgqr", "iiiTiTTii")
trsm = routine("trsm", "cccciiTTiTi", "cython_blas")
gemm = routine("gemm", "cciiiTTiTiTTi", "cython_blas")


def kernels(
    name: str,
    c: str,
    python: Callable[[list[np.ndarray], list[int]], int],
    routines: Sequence[Callable[[str], External]] = (),
) -> dict[str, Kernel]:
    """A kernel for each precision from one C text.

    In the text `T` is the type of the numbers, `pg_name_T` a function of ours and `LAPACK(potrf)` one of SciPy's.
    """
    result = {}
    for dtype, (kind, letter) in _C_TYPES.items():
        text = re.sub(r"LAPACK\((\w+)\)", rf"pg_{letter}\1", c)
        text = re.sub(r"\b(pg_\w+)_T\b", rf"\1_{kind}", text)
        text = re.sub(r"(?<!\")\bT\b", kind, text)  # but not the "T" that LAPACK is told
        result[dtype] = Kernel(f"{name}_{kind}", text, python, tuple(r(dtype) for r in routines))
    return result
