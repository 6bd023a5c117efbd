"""The table of operations, docs/ops.md: each tick is a check that was made just now.

`python -m tests.engine.op_table > docs/ops.md` writes the page anew (from the root of the repository; it needs a C
compiler). What a new row of the elementwise table can do stands there by itself; another operation needs a case
in `op_table_cases`, and one that has none is named at the end of the page.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

import probgraph.engine  # noqa: F401  so that all operations there are have been defined
from probgraph.engine.autodiff import grad
from probgraph.engine.compiled import CompiledGraph
from probgraph.engine.function import function
from probgraph.engine.graph import FunctionGraph, Variable, ancestors, toposort
from probgraph.engine.loop_op import Scan
from probgraph.engine.no_gradient import NullTypeGradError
from probgraph.engine.op import Hosted, Op
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.rewrite import run_passes
from probgraph.engine.rules import DECOMPOSE, FAST_RUN
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.types import COMPLEX, FLOATS, TensorType
from probgraph.engine.vectorize import vectorize_graph
from tests.engine.op_cases import ROWS, Case, check_gradient
from tests.engine.op_table_cases import ARRAYS, elementwise_case

YES, NO, SOME, LOOP, PARTS, SENSELESS, WRONG = "✓", "no", "by some", "loop", "in parts", "·", "WRONG"
COLUMNS = ("type rule", "NumPy", "gradient", "second gradient", "C", "batched", "float32", "complex")

_HEAD = """\
# What each operation can do

This page is printed by `python -m tests.engine.op_table`, which makes every check it reports; a test holds the page to
what is printed.

* **type rule**: the declared dtype, rank and lengths are those of the result, with lengths known and unknown.
* **NumPy**: the meaning agrees with an independent truth: mpmath, NumPy or SciPy.
* **gradient**, **second gradient**: agree with central differences; "by some" means that by one of the arguments there
  is none, and that asking for it is an error that says so.
* **C**: compiles, and agrees with that truth; "in parts" means that Python runs it between compiled parts of a graph.
* **batched**: `vectorize_graph` gives what the operation gives for one element of the batch after another; "loop" means
  that it does so by a loop.
* **float32**, **complex**: takes such arrays, returns such, and agrees in NumPy and in C; nothing in the gradient of single
  precision is double.

✓ is earned; "no" says that it is not there, and · that the question does not arise: the gradient of a comparison
or of a barrier to gradients, the order of complex numbers.
"""

_LEFT = """\
## Operations without a row here

Draws at random have the state of a generator for an input; others look on, call what users wrote, or occur in gradients
only. All of these have tests of their own.
"""


def page() -> str:
    """The whole page."""
    cases = {"Elementwise": [c for c in map(elementwise_case, ROWS) if c is not None], **ARRAYS}
    parts = [_HEAD]
    for section, rows in cases.items():
        parts.append(f"## {section}\n")
        parts.append(f"| | {' | '.join(COLUMNS)} |")
        parts.append("|---" * (len(COLUMNS) + 1) + "|")
        parts += [f"| {case.name} | {' | '.join(cells(case))} |" for case in rows]
        parts.append("")
    left = untabled([case for rows in cases.values() for case in rows])
    if left:
        parts += [_LEFT, ", ".join(left), ""]
    return "\n".join(parts)


def untabled(cases: list[Case]) -> list[str]:
    """The operations of the package that no case is about."""
    used: set[type] = set()
    for case in cases:
        inputs = case.inputs()
        y = case.graph(*inputs)
        for outputs in ([y], run_passes([y], DECOMPOSE)):
            used |= {type(node.op) for node in toposort(outputs)}
    return sorted(
        {
            kind.__name__
            for kind in _descendants(Op)
            if kind.__module__.startswith("probgraph.engine") and kind.infer_type is not Op.infer_type
            if kind.__name__[0] != "_" and kind.__name__ != "Op"  # floors to build others on
            if kind not in used and not any(issubclass(one, kind) for one in used)
        }
    )


def _descendants(kind: type) -> Iterator[type]:
    for child in kind.__subclasses__():
        yield child
        yield from _descendants(child)


# ------------------------------------------------------------------------------------ the cells of a row


def cells(case: Case) -> list[str]:
    """A row: what each column's check found."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # casts drop parts, as the casts that NumPy warns of do
        return [
            _found(lambda: _check_type(case)),
            _found(lambda: _check_numpy(case)),
            _found(lambda: _check_gradient(case, False)),
            _found(lambda: _check_gradient(case, True)),
            _found(lambda: _check_c(case)),
            _found(lambda: _check_batched(case)),
            _found(lambda: _check_dtype(case, "float32")),
            _found(lambda: _check_dtype(case, "complex128")),
        ]


class _Senseless(Exception):
    """The question does not arise."""


def _found(check: Callable[[], str | None]) -> str:
    try:
        return check() or YES
    except NotImplementedError:
        return NO
    except NullTypeGradError:
        return SOME
    except _Senseless:
        return SENSELESS
    except Exception as error:  # whatever it is: the page shows it, and the test of the page refuses it
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return WRONG


def _check_type(case: Case) -> None:
    expected = np.asarray(case.numpy(*case.arrays))
    for static in (False, True):
        y = case.graph(*case.inputs(static))
        assert np.dtype(y.dtype) == expected.dtype, (case.name, y.dtype, expected.dtype)
        assert y.ndim == expected.ndim, case.name
        assert all(n is None or n == m for n, m in zip(y.type.shape, expected.shape, strict=True)), case.name


def _check_numpy(case: Case) -> None:
    inputs = case.inputs()
    got = numpy_function(FunctionGraph(inputs, [case.graph(*inputs)]))(list(case.arrays))[0]
    _same(case, got, case.numpy(*case.arrays), 1e-12)


def _check_gradient(case: Case, twice: bool) -> None:
    y = case.graph(*case.inputs())
    if (
        not case.differentiable
        or y.dtype not in (*FLOATS, *COMPLEX)
        or all(x.dtype != "float64" for x in case.arrays)
    ):
        raise _Senseless
    if y.dtype in ("float32", "complex64"):
        raise _Senseless  # a cast: differences of float32 numbers say nothing
    check_gradient(replace(case, graph=lambda *xs: _as_real(case.graph(*xs))), twice)


def _as_real(y: Any) -> Any:
    return ew.real(y) + 2 * ew.imag(y) if y.dtype in COMPLEX else y


def _check_c(case: Case) -> str | None:
    inputs = case.inputs()
    y = case.graph(*inputs)
    _same(case, _in_c(inputs, y)(list(case.arrays))[0], case.numpy(*case.arrays), 1e-10)
    return PARTS if _is_hosted(y) else None


def _in_c(inputs: list[Any], y: Any) -> Callable[[Any], Any]:
    if _is_hosted(y):
        return lambda arrays: [function(inputs, y, mode="FAST_RUN")(*arrays)]
    return CompiledGraph(FunctionGraph(inputs, run_passes([y], FAST_RUN)))


def _is_hosted(y: Any) -> bool:
    return any(isinstance(node.op, Hosted) for node in toposort([y]))


def _check_batched(case: Case) -> str | None:
    """Each input with three elements of a batch (only the floats, where there are any: indices stay in range)."""
    inputs = case.inputs()
    y = case.graph(*inputs)
    floats = [i for i, x in enumerate(case.arrays) if x.dtype.kind == "f"] or list(range(len(inputs)))
    many = [TensorType(v.dtype, (None, *v.type.shape))(f"many {v}") for v in inputs]
    stacks = [np.stack([x, _scaled(x, 0.9), _scaled(x, 1.1)]) for x in case.arrays]
    batched = vectorize_graph(y, {inputs[i]: many[i] for i in floats})
    got = numpy_function(
        FunctionGraph([many[i] if i in floats else v for i, v in enumerate(inputs)], [batched])
    )([stacks[i] if i in floats else x for i, x in enumerate(case.arrays)])[0]
    one = numpy_function(FunctionGraph(inputs, [y]))
    expected = [
        one([stacks[i][k] if i in floats else x for i, x in enumerate(case.arrays)])[0] for k in range(3)
    ]
    _same(case, np.broadcast_to(got, np.shape(expected)), np.stack(expected), 1e-10)
    loops = sum(isinstance(node.op, Scan) for node in toposort([batched]))
    return LOOP if loops > sum(isinstance(node.op, Scan) for node in toposort([y])) else None


def _scaled(x: np.ndarray, factor: float) -> np.ndarray:
    return x * factor if x.dtype.kind == "f" else x


def _check_dtype(case: Case, dtype: str) -> None:
    """The case with its floats in another dtype: NumPy and C against the truth at the same numbers."""
    if all(x.dtype != "float64" for x in case.arrays):
        raise _Senseless
    change = (lambda x: x * (1 + 0.25j)) if dtype == "complex128" else (lambda x: x.astype(dtype))
    given = [change(x) if x.dtype == "float64" else x for x in case.arrays]
    mine = replace(case, arrays=tuple(given))
    inputs = mine.inputs()
    try:
        y = mine.graph(*inputs)
    except TypeError:
        raise _Senseless from None
    wide = {"float64": "float32", "complex128": "complex64"}
    if dtype == "float32":
        before = case.graph(*case.inputs()).dtype
        wanted = before if case.name.startswith("Cast{") else wide.get(before, before)
        assert y.dtype == wanted, (case.name, y.dtype, wanted)
        _check_single_gradient(mine, inputs, y)
    exact = [x.astype("float64") if x.dtype == "float32" else x for x in given]
    tolerance = 1e-4 if dtype == "float32" else 1e-10
    expected = np.asarray(case.numpy(*exact)).astype(y.dtype)
    _same(mine, numpy_function(FunctionGraph(inputs, [y]))(given)[0], expected, tolerance)
    _same(mine, _in_c(inputs, y)(given)[0], expected, tolerance)


def _check_single_gradient(case: Case, inputs: Sequence[Variable], y: Variable) -> None:
    """Nothing on the way to a gradient of single precision is double: one double constant would make all of it so."""
    walked = [v for v in inputs if v.dtype == "float32"]
    if y.dtype != "float32" or any(v.dtype == "float64" for v in ancestors([y])):
        return
    try:
        gradients = grad(y.sum(), walked, disconnected_inputs="ignore")
    except (NotImplementedError, NullTypeGradError, TypeError, ValueError):
        return  # another column tells
    doubles = {str(v.owner.op) for v in ancestors(gradients) if v.owner is not None and v.dtype == "float64"}
    assert not doubles, (case.name, doubles)


def _same(case: Case, got: Any, expected: Any, tolerance: float) -> None:
    expected = np.asarray(expected)
    assert got.dtype == expected.dtype, (case.name, got.dtype, expected.dtype)
    assert got.shape == expected.shape, (case.name, got.shape, expected.shape)
    np.testing.assert_allclose(got, expected, tolerance, tolerance, err_msg=case.name)


if __name__ == "__main__":
    print(page(), end="")
