"""Running sums and products along an axis, and the linear recurrence that is the gradient of a running product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from probgraph.engine.graph import Apply, Variable
from probgraph.engine.loops import Expr, Kernel
from probgraph.engine.op import LengthReader
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.along_axis import AlongLast, along, flag, in_place, kernels
from probgraph.engine.ops.index import get_item, set_subtensor
from probgraph.engine.ops.shape import in_batch
from probgraph.engine.types import INTEGERS, UNSIGNED, TensorType, describe

_RUNNING_C = r"""
static int pg_running_T(const T *restrict x, T *restrict y, int64_t n, int64_t product) {
    T s = (T)product;
    if (product) for (int64_t i = 0; i < n; i++) { s = (T)(s * x[i]); y[i] = s; }
    else for (int64_t i = 0; i < n; i++) { s = (T)(s + x[i]); y[i] = s; }
    return 0;
}
"""


def _running_python(arrays: list[np.ndarray], sizes: list[int]) -> int:
    n, product = sizes
    with np.errstate(all="ignore"):
        arrays[1][:n] = (np.cumprod if product else np.cumsum)(arrays[0][:n])
    return 0


_RUNNING = kernels("pg_running", _RUNNING_C, _running_python)


class Running(AlongLast):
    """The sums (or products) of the first 1, 2, ... elements along the last axis."""

    __props__ = ("product",)

    def __init__(self, product: bool) -> None:
        self.product = product

    def __str__(self) -> str:
        return f"CumOp{{{'mul' if self.product else 'add'}}}"

    def infer_type(self, x: Variable) -> list[TensorType]:
        return [x.type]

    def numpy(self, x: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return (np.cumprod if self.product else np.cumsum)(x, axis=-1, dtype=x.dtype)

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        (g,), (y,), (x,) = cotangents, outputs, inputs
        if not self.product:
            return [_flipped(Running(False)(_flipped(g)))]
        # x[k] is in every product from y[k] on; this asks for no division, which zeros would not allow.
        before = set_subtensor(get_item(ew.ones_like(y), _LATER), get_item(y, _EARLIER))
        return [before * Recurrence(True)(x, g)]

    def texts(self) -> dict[str, Kernel]:
        return _RUNNING

    def sizes(self, reader: LengthReader, node: Apply) -> tuple[Expr, ...]:
        return reader.lengths(node.inputs[0])[-1], flag(self.product)


_EARLIER = (Ellipsis, slice(None, -1))
_LATER = (Ellipsis, slice(1, None))


def _flipped(x: Variable) -> Variable:
    return get_item(x, (Ellipsis, slice(None, None, -1)))


def _delayed(x: Variable) -> Variable:
    """Along the last axis the element before, and 0 in front."""
    return set_subtensor(get_item(ew.zeros_like(x), _LATER), get_item(x, _EARLIER))


_RECURRENCE_C = r"""
static int pg_recurrence_T(const T *restrict a, const T *restrict b, T *restrict s, int64_t n, int64_t back) {
    if (n == 0) return 0;
    if (back) {
        s[n - 1] = b[n - 1];
        for (int64_t i = n - 2; i >= 0; i--) s[i] = (T)(b[i] + a[i + 1] * s[i + 1]);
    }
    else {
        s[0] = b[0];
        for (int64_t i = 1; i < n; i++) s[i] = (T)(b[i] + a[i] * s[i - 1]);
    }
    return 0;
}
"""


def _recurrence_python(arrays: list[np.ndarray], sizes: list[int]) -> int:
    n, back = sizes
    a, b, s = (array[:n] for array in arrays)
    s[:] = _recurrent(a, b, bool(back))
    return 0


def _recurrent(a: np.ndarray, b: np.ndarray, back: bool) -> np.ndarray:
    s = np.array(b)
    n = s.shape[-1]
    with np.errstate(all="ignore"):
        for i in range(n - 2, -1, -1) if back else range(1, n):
            s[..., i] += a[..., i + 1] * s[..., i + 1] if back else a[..., i] * s[..., i - 1]
    return s


_RECURRENCE = kernels("pg_recurrence", _RECURRENCE_C, _recurrence_python)


class Recurrence(AlongLast):
    """s[k] = b[k] + a[k] s[k-1] along the last axis; or with `back`, its adjoint s[k] = b[k] + a[k+1] s[k+1]."""

    __props__ = ("back",)

    def __init__(self, back: bool) -> None:
        self.back = back

    def infer_type(self, a: Variable, b: Variable) -> list[TensorType]:
        if a.dtype != b.dtype or a.ndim != b.ndim or a.ndim == 0:
            raise TypeError(f"{self}: two arrays of one type are needed, got {describe([a.type, b.type])}")
        pairs = zip(a.type.shape, b.type.shape, strict=True)
        return [TensorType(a.dtype, [m if n is None else n for n, m in pairs])]

    def numpy(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        if a.shape != b.shape:
            raise ValueError(f"{self}: the shapes {a.shape} and {b.shape} differ")
        return _recurrent(a, b, self.back)

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        (g,), (s,), (a, _) = cotangents, outputs, inputs
        flow = Recurrence(not self.back)(a, g)
        return [_delayed(flow) * s if self.back else flow * _delayed(s), flow]

    def batched(self, node: Apply, inputs: Sequence[Variable]) -> list[Variable]:
        return [self(*in_batch(node, inputs))]

    def texts(self) -> dict[str, Kernel]:
        return _RECURRENCE

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        both = zip(*(reader.lengths(v) for v in node.inputs), strict=True)
        return [tuple(reader.unify(node, n, m) for n, m in both)]

    def sizes(self, reader: LengthReader, node: Apply) -> tuple[Expr, ...]:
        return reader.lengths(node.out)[-1], flag(self.back)


def _running(who: str, x: Any, axis: int | None, product: bool) -> Variable:
    x, place = in_place(who, x, axis)
    if x.dtype == "bool" or x.dtype in INTEGERS:
        x = ew.cast(x, "uint64" if x.dtype in UNSIGNED else "int64")
    return along(Running(product), x, place)


def cumsum(x: Any, axis: int | None = None) -> Variable:
    """The sums of the first 1, 2, ... elements along `axis`; of the flattened array without one.

    As in NumPy integers add up in 64 bits, and float32 stays float32.

    >>> cumsum(np.array([1.0, 2.0, 3.0])).eval()
    array([1., 3., 6.])
    """
    return _running("cumsum", x, axis, False)


def cumprod(x: Any, axis: int | None = None) -> Variable:
    """The products of the first 1, 2, ... elements along `axis`; of the flattened array without one.

    Its gradient is exact where elements are zero.

    >>> cumprod(np.array([1.0, 2.0, 3.0])).eval()
    array([1., 2., 6.])
    """
    return _running("cumprod", x, axis, True)


def diff(x: Any, n: int = 1, axis: int = -1) -> Variable:
    """Differences of neighbours along an axis, taken n times; of booleans whether they differ."""
    if not isinstance(n, int) or n < 0:
        raise ValueError(f"diff: n is the number of times to take differences, got {n!r}")
    x, place = in_place("diff", x, axis)
    before = (slice(None),) * place
    for _ in range(n):
        later = get_item(x, (*before, slice(1, None)))
        earlier = get_item(x, (*before, slice(None, -1)))
        x = ew.neq(later, earlier) if x.dtype == "bool" else later - earlier
    return x
