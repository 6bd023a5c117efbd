"""Sorting along an axis, the order that sorts, the first few of it, and places in what is sorted.

nan comes last, as in NumPy; equal elements keep their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from probgraph.engine import loops
from probgraph.engine.graph import Apply, Variable
from probgraph.engine.loops import Expr, Kernel
from probgraph.engine.op import LengthReader, as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.along_axis import AlongLast, along, in_place, kernels, rows
from probgraph.engine.ops.index import get_item
from probgraph.engine.ops.selection import take_along_axis
from probgraph.engine.ops.shape import flatten, in_batch, length, reshape
from probgraph.engine.types import INTEGERS, TensorType, describe, promote

_BEFORE_C = "static inline int pg_before_T(T a, T b) { return a < b || (b != b && a == a); }\n"

# Runs of 16 by insertion, then merged pairwise, to and fro between the result and a copy.
_MERGE_C = r"""
static int pg_NAME_T(const T *restrict x, E *restrict y, int64_t n) {
    for (int64_t low = 0; low < n; low += 16) {
        const int64_t high = low + 16 < n ? low + 16 : n;
        for (int64_t i = low; i < high; i++) {
            const E v = FIRST(i);
            int64_t j = i;
            for (; j > low && pg_before_T(KEY(v), KEY(y[j - 1])); j--) y[j] = y[j - 1];
            y[j] = v;
        }
    }
    if (n <= 16) return 0;
    E *work = (E *)__builtin_malloc((uint64_t)n * sizeof(E));
    if (!work) return 1;
    E *from = y, *to = work;
    for (int64_t width = 16; width < n; width *= 2) {
        for (int64_t low = 0; low < n; low += 2 * width) {
            const int64_t middle = low + width < n ? low + width : n;
            const int64_t high = low + 2 * width < n ? low + 2 * width : n;
            int64_t i = low, j = middle, k = low;
            while (i < middle && j < high)
                to[k++] = pg_before_T(KEY(from[j]), KEY(from[i])) ? from[j++] : from[i++];
            while (i < middle) to[k++] = from[i++];
            while (j < high) to[k++] = from[j++];
        }
        E *other = from; from = to; to = other;
    }
    if (from != y) __builtin_memcpy(y, from, (uint64_t)n * sizeof(E));
    __builtin_free(work);
    return 0;
}
"""


def _sort_python(arrays: list[np.ndarray], sizes: list[int]) -> int:
    x, y = rows(arrays, sizes)
    y[:] = np.sort(x, kind="stable")
    return 0


def _argsort_python(arrays: list[np.ndarray], sizes: list[int]) -> int:
    x, y = rows(arrays, sizes)
    y[:] = np.argsort(x, kind="stable")
    return 0


def _key(text: str) -> str:
    """`KEY(place)` of the text as `x[place]`: what is sorted are places."""
    out, at = "", 0
    while (found := text.find("KEY(", at)) >= 0:
        out += text[at:found] + "x["
        depth, at = 1, found + 4
        while depth:
            depth += {"(": 1, ")": -1}.get(text[at], 0)
            out += text[at] if depth else "]"
            at += 1
    return out + text[at:]


def _text(name: str, element: str, first: str) -> str:
    text = _MERGE_C.replace("NAME", name).replace("FIRST(i)", first)
    text = _key(text) if element == "int64_t" else text.replace("KEY(", "(")
    for before, after in (
        ("E *", f"{element} *"),
        ("sizeof(E)", f"sizeof({element})"),
        ("const E ", f"const {element} "),
    ):
        text = text.replace(before, after)
    return _BEFORE_C.replace("pg_before", f"pg_{name}_before") + text.replace(
        "pg_before", f"pg_{name}_before"
    )


_SORT = kernels("pg_sort", _text("sort", "T", "x[i]"), _sort_python)
_ARGSORT = kernels("pg_argsort", _text("argsort", "int64_t", "i"), _argsort_python)


class Sort(AlongLast):
    """The elements along the last axis in ascending order."""

    def __str__(self) -> str:
        return "Sort"

    def infer_type(self, x: Variable) -> list[TensorType]:
        return [x.type]

    def numpy(self, x: np.ndarray) -> np.ndarray:
        return np.sort(x, axis=-1, kind="stable")

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        (g,), (x,) = cotangents, inputs
        back = ArgSort()(ArgSort()(x))  # where each element went
        return [take_along_axis(g, back)]

    def texts(self) -> dict[str, Kernel]:
        return _SORT


class ArgSort(AlongLast):
    """The places along the last axis in the order of their elements: int64."""

    def __str__(self) -> str:
        return "ArgSort"

    def infer_type(self, x: Variable) -> list[TensorType]:
        return [TensorType("int64", x.type.shape)]

    def numpy(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(np.argsort(x, axis=-1, kind="stable"), "int64")

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        return [ew.zeros_like(inputs[0])]

    def texts(self) -> dict[str, Kernel]:
        return _ARGSORT


def _check_kind(who: str, kind: str | None) -> None:
    if kind not in (None, "quicksort", "mergesort", "heapsort", "stable"):
        raise ValueError(f"{who}: kind is 'quicksort', 'mergesort', 'heapsort' or 'stable', got {kind!r}")


def sort(x: Any, axis: int | None = -1, kind: str | None = None) -> Variable:
    """The elements along `axis` in ascending order, nan last; of the flattened array if axis is None.

    The sort is stable whatever `kind` says.

    >>> sort(np.array([2.0, 3.0, 1.0])).eval()
    array([1., 2., 3.])
    """
    _check_kind("sort", kind)
    x, place = in_place("sort", x, axis)
    return along(Sort(), x, place)


def argsort(x: Any, axis: int | None = -1, kind: str | None = None) -> Variable:
    """The places along `axis` in the order of their elements (int64), equal ones as they stand; see `sort`.

    >>> argsort(np.array([2.0, 3.0, 1.0])).eval()
    array([2, 0, 1])
    """
    _check_kind("argsort", kind)
    x, place = in_place("argsort", x, axis)
    return along(ArgSort(), x, place)


# ------------------------------------------------------------------------------------ the first few


def argtopk(
    x: Any, kth: int, axis: int | None = -1, sorted: bool = True, idx_dtype: str = "int64"
) -> Variable:
    """The places of the `kth` largest elements along `axis`, the largest first; see `topk`."""
    x, place = in_place("argtopk", x, axis)
    n = x.type.shape[place]
    if isinstance(kth, int) and (kth == 0 or (n is not None and abs(kth) > n)):
        raise ValueError(f"topk: kth is not 0 and at most the length {n} of the axis, got {kth}")
    if not isinstance(kth, int):
        raise TypeError(f"topk: kth is an int, got {kth!r}; for a symbolic number use argsort(x)[-k:]")
    if idx_dtype not in INTEGERS:
        raise TypeError(f"argtopk: idx_dtype is an integer dtype, got {idx_dtype!r}")
    order = argsort(x, place)
    part: Any = slice(None, -kth - 1, -1) if kth > 0 else slice(None, -kth)
    if n is None:  # a slice would take what there is: one by one, so that a missing one is noticed
        part = -1 - np.arange(kth) if kth > 0 else np.arange(-kth)
    return ew.cast(get_item(order, (slice(None),) * place + (part,)), idx_dtype)


def topk(x: Any, kth: int, axis: int | None = -1, sorted: bool = True, idx_dtype: str = "int64") -> Variable:
    """The `kth` largest elements along `axis`, the largest first; the -kth smallest if kth is negative.

    nan counts as larger than any number. Raises ValueError (IndexError at the call) if there are not so many. The
    result is sorted whatever `sorted` says.

    >>> topk(np.array([2.0, 3.0, 1.0]), 2).eval()
    array([3., 2.])
    """
    return topk_and_argtopk(x, kth, axis, sorted, idx_dtype)[0]


def topk_and_argtopk(
    x: Any, kth: int, axis: int | None = -1, sorted: bool = True, idx_dtype: str = "int64"
) -> list[Variable]:
    """`topk` and `argtopk`."""
    x, place = in_place("topk", x, axis)
    places = argtopk(x, kth, place, sorted, idx_dtype)
    return [take_along_axis(x, places, place), places]


# ------------------------------------------------------------------------------------ places in what is sorted

_SEARCH_C = (
    _BEFORE_C.replace("pg_before", "pg_search_before")
    + r"""
static int pg_search_T(const T *restrict a, const T *restrict v, int64_t *restrict places, int64_t n, int64_t m,
                       int64_t right) {
    for (int64_t k = 0; k < m; k++) {
        int64_t low = 0, high = n;
        while (low < high) {
            const int64_t middle = low + (high - low) / 2;
            const int further = right ? !pg_search_before_T(v[k], a[middle]) : pg_search_before_T(a[middle], v[k]);
            if (further) low = middle + 1; else high = middle;
        }
        places[k] = low;
    }
    return 0;
}
"""
)


def _search_python(arrays: list[np.ndarray], sizes: list[int]) -> int:
    n, m, right = sizes
    arrays[2][:m] = np.searchsorted(arrays[0][:n], arrays[1][:m], "right" if right else "left")
    return 0


_SEARCH = kernels("pg_search", _SEARCH_C, _search_python)


class SearchSorted(AlongLast):
    """Where along the last axis of `a`, which is sorted, each element of `v` would be put in: int64."""

    __props__ = ("right",)

    def __init__(self, right: bool) -> None:
        self.right = right

    def infer_type(self, a: Variable, v: Variable) -> list[TensorType]:
        return [TensorType("int64", v.type.shape)]

    def numpy(self, a: np.ndarray, v: np.ndarray) -> np.ndarray:
        side = "right" if self.right else "left"
        result = np.zeros(v.shape, "int64")
        for row in np.ndindex(*a.shape[:-1]):
            result[row] = np.searchsorted(a[row], v[row], side)
        return result

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable]:
        return [ew.zeros_like(v) for v in inputs]

    def batched(self, node: Apply, inputs: Sequence[Variable]) -> list[Variable]:
        return [self(*in_batch(node, inputs))]

    def texts(self) -> dict[str, Kernel]:
        return _SEARCH

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        a, v = (reader.lengths(x) for x in node.inputs)
        leading = tuple(reader.unify(node, n, m) for n, m in zip(a[:-1], v[:-1], strict=True))
        return [(*leading, v[-1])]

    def sizes(self, reader: LengthReader, node: Apply) -> tuple[Expr, ...]:
        a, v = (reader.lengths(x)[-1] for x in node.inputs)
        return a, v, loops.integer(int(self.right))


def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Variable:
    """Where in the sorted vector `a` each element of `v` (of any shape) would be put in to keep it sorted: int64.

    With side="left" before equal elements, with "right" after them. `sorter` sorts `a`, if it is not: argsort(a).

    >>> searchsorted(np.array([1.0, 2.0, 4.0]), 3.0).eval()
    array(2)
    """
    if side not in ("left", "right"):
        raise ValueError(f"searchsorted: side is 'left' or 'right', got {side!r}")
    a, v = as_variable(a), as_variable(v)
    if a.ndim != 1:
        raise ValueError(f"searchsorted: the first argument is a sorted vector, got {describe([a.type])}")
    if sorter is not None:
        a = get_item(a, as_variable(sorter))
    dtype = promote(a.dtype, v.dtype)
    found = SearchSorted(side == "right")(ew.cast(a, dtype), ew.cast(flatten(v), dtype))
    return reshape(found, [length(v, axis) for axis in range(v.ndim)])
