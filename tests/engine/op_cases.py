"""What the tests of operations are generated from: the op table, edge values, and an independent truth.

A row of `elementwise.TABLE` is tested because it exists; `TRUTH` adds what the function is in mpmath.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import mpmath as mp
import numpy as np

from probgraph.engine.autodiff import grad
from probgraph.engine.compiled import CompiledGraph
from probgraph.engine.graph import FunctionGraph
from probgraph.engine.ops.elementwise import TABLE, Elementwise
from probgraph.engine.rewrite import run_passes
from probgraph.engine.rules import FAST_RUN
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.run_loops import run
from probgraph.engine.types import COMPLEX, DTYPES, FLOATS, UNSIGNED, TensorType

ROWS = list(TABLE.values())

_REALS = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    1.5,
    -1.5,
    2.0,
    2.5,
    3.0,
    -3.0,
    0.1,
    -0.7,
    10.3,
    -17.2,
    37.0,
    -37.5,
]
_FAR = [
    709.0,
    -745.0,
    746.0,
    1e-5,
    -1e-17,
    1e17,
    1e300,
    -1e300,
    1.7e308,
    5e-324,
    -1e-310,
    np.inf,
    -np.inf,
    np.nan,
]


def edges(dtype: str) -> np.ndarray:
    """The values of a dtype where things go wrong."""
    if dtype == "bool":
        return np.array([False, True])
    if dtype in FLOATS:
        with np.errstate(all="ignore"):
            return np.array([*_REALS, *_FAR]).astype(dtype)
    if dtype in COMPLEX:
        return np.array([0, 1, -1, 1j, -1j, 0.5 - 2j, -3 + 0.25j, 1.25 + 1.5j], dtype)
    limits = np.iinfo(dtype)
    small = [0, 1, 2, 3, 7] + ([] if dtype in UNSIGNED else [-1, -2, -3])
    return np.array([*small, limits.min, limits.max, limits.max - 1], dtype)


def grids(dtype: str, arity: int) -> list[np.ndarray]:
    """Every combination of edge values, one array for each argument."""
    values = edges(dtype)
    if arity >= 3:
        values = values[[0, 2, 3, 5, -3, -1]] if values.size > 6 else values
    return [np.array(column, dtype) for column in zip(*product(values, repeat=arity), strict=True)]


def roots(dtype: str, arity: int, prefix: str = "x") -> list[Any]:
    return [TensorType(dtype, (None,))(f"{prefix}{arity}_{i}") for i in range(arity)]


def accepts(row: Elementwise, *dtypes: str) -> bool:
    """Whether the row is defined for these dtypes."""
    try:
        row.rule(*dtypes)
    except TypeError:
        return False
    return True


def dtype_tuples(row: Elementwise) -> list[tuple[str, ...]]:
    """The dtypes to try a row with: all pairs, and for three arguments every dtype beside two others."""
    if row.arity < 3:
        return list(product(DTYPES, repeat=row.arity))
    return [(a, *(b,) * (row.arity - 1)) for a in ("bool", "int8", "float64") for b in DTYPES]


def has_c(row: Elementwise, dtype: str) -> bool:
    """Whether the row can be compiled for operands of this dtype."""
    if not accepts(row, *(dtype,) * row.arity):
        return False
    if row.function is None:
        return row.expand is not None
    try:
        row.function.template(row.rule(*(dtype,) * row.arity)[0][-1])
    except NotImplementedError:
        return False
    return True


def _round_half_away(x: Any) -> Any:
    return mp.sign(x) * mp.floor(abs(x) + mp.mpf("0.5"))


def _xlog(log: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda x, y: mp.mpf(0) if x == 0 else x * log(y)


#: what each function of reals is, in as many digits as one likes
TRUTH: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "true_div": lambda x, y: x / y,
    "int_div": lambda x, y: mp.floor(x / y),
    "mod": lambda x, y: x - y * mp.floor(x / y),
    "pow": lambda x, y: mp.power(x, y),
    "neg": lambda x: -x,
    "abs": abs,
    "sgn": mp.sign,
    "inv": lambda x: 1 / x,
    "sqr": lambda x: x * x,
    "sqrt": mp.sqrt,
    "maximum": lambda x, y: max(x, y),
    "minimum": lambda x, y: min(x, y),
    "clip": lambda x, low, high: min(max(x, low), high),
    "fill": lambda model, value: value,
    "identity": lambda x: x,
    "exp": mp.exp,
    "log": mp.log,
    "exp2": lambda x: mp.power(2, x),
    "expm1": mp.expm1,
    "log1p": mp.log1p,
    "log2": lambda x: mp.log(x, 2),
    "log10": lambda x: mp.log(x, 10),
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "softplus": lambda x: mp.log(1 + mp.exp(x)),
    "log1mexp": lambda x: mp.log(-mp.expm1(x)),
    "logaddexp": lambda x, y: mp.log(mp.exp(x) + mp.exp(y)),
    "xlogy": _xlog(mp.log),
    "xlog1py": _xlog(mp.log1p),
    "sin": mp.sin,
    "cos": mp.cos,
    "tan": mp.tan,
    "arcsin": mp.asin,
    "arccos": mp.acos,
    "arctan": mp.atan,
    "sinh": mp.sinh,
    "cosh": mp.cosh,
    "tanh": mp.tanh,
    "arcsinh": mp.asinh,
    "arccosh": mp.acosh,
    "arctanh": mp.atanh,
    "arctan2": mp.atan2,
    "deg2rad": lambda x: x * mp.pi / 180,
    "rad2deg": lambda x: x * 180 / mp.pi,
    "floor": mp.floor,
    "ceil": mp.ceil,
    "trunc": lambda x: mp.floor(x) if x >= 0 else mp.ceil(x),
    "round_half_to_even": mp.nint,
    "round_half_away_from_zero": _round_half_away,
    "switch": lambda c, a, b: a if c else b,
    "gammaln": lambda x: mp.log(abs(mp.gamma(x))),
    "psi": mp.digamma,
    "tri_gamma": lambda x: mp.psi(1, x),
    "erf": mp.erf,
    "erfc": mp.erfc,
    "log_erfc": lambda x: mp.log(mp.erfc(x)),
}


def truth(name: str, *values: float) -> float | None:
    """The true value, rounded once; None where it is not a real number or takes too long to find."""
    if any(not np.isfinite(v) for v in values) or (name == "arctan2" and 0 in values):
        return None  # mpmath has no -0
    if name in _SLOW_FAR and max(abs(v) for v in values) > 1e3:
        return None
    with mp.workdps(40 if name not in ("sin", "cos", "tan") else 350):
        try:
            result = TRUTH[name](*map(mp.mpf, map(float, values)))
            if isinstance(result, mp.mpc) and result.imag != 0:
                return None
            return float(mp.re(result))
        except (ValueError, ZeroDivisionError, OverflowError, ArithmeticError):
            return None


_SLOW_FAR = ("gammaln", "psi", "tri_gamma")


# ------------------------------------------------------------------------------------ operations on arrays


@dataclass(frozen=True)
class Case:
    """A formula on arrays, as a graph and in NumPy. `static` also tries it with all lengths known."""

    name: str
    graph: Callable[..., Any]
    numpy: Callable[..., Any]
    arrays: tuple[np.ndarray, ...]
    differentiable: bool = True

    def inputs(self, static: bool = False) -> list[Any]:
        kinds = [TensorType(a.dtype, a.shape if static else (None,) * a.ndim) for a in self.arrays]
        return [kind(f"{self.name}:{i}") for i, kind in enumerate(kinds)]


def check_values(case: Case) -> None:
    """The graph's type and value against NumPy, with lengths known and unknown."""
    expected = np.asarray(case.numpy(*case.arrays))
    for static in (False, True):
        inputs = case.inputs(static)
        y = case.graph(*inputs)
        got = y.eval(dict(zip(inputs, case.arrays, strict=True)))
        assert got.dtype == expected.dtype == np.dtype(y.dtype)
        assert got.shape == expected.shape
        assert y.ndim == expected.ndim
        assert all(n is None or n == m for n, m in zip(y.type.shape, expected.shape, strict=True))
        np.testing.assert_allclose(got, expected, 1e-12, 1e-12)


def check_gradient(case: Case, twice: bool = False) -> None:
    """The gradient of a weighted sum of the result against central differences; `twice`: of the gradient too."""
    inputs = case.inputs()
    y = case.graph(*inputs)
    weights = np.random.default_rng(5).normal(size=np.shape(case.numpy(*case.arrays)))
    floats = [i for i, a in enumerate(case.arrays) if a.dtype == "float64"]
    cost = (y * weights).sum()
    check_differences(cost, inputs, case.arrays, floats)
    if twice:
        gradients = grad(cost, [inputs[i] for i in floats], disconnected_inputs="ignore")
        again = sum((g**2).sum() for g in gradients)
        check_differences(again, inputs, case.arrays, floats)


def check_differences(cost: Any, inputs: list[Any], arrays: Any, floats: list[int]) -> None:
    value = numpy_function(FunctionGraph(inputs, [cost]))
    gradients = grad(cost, [inputs[i] for i in floats], disconnected_inputs="ignore")
    found = numpy_function(FunctionGraph(inputs, gradients))(list(arrays))
    for position, got in zip(floats, found, strict=True):
        assert got.shape == arrays[position].shape
        expected = np.zeros_like(got)
        for place in np.ndindex(*got.shape):
            ends = []
            for step in (1e-6, -1e-6):
                moved = [np.array(a) for a in arrays]
                moved[position][place] += step
                ends.append(value(moved)[0])
            expected[place] = (ends[0] - ends[1]) / 2e-6
        np.testing.assert_allclose(got, expected, 2e-6, 2e-7)


def check_compiled(cases: list[Case], together: int = 6) -> None:
    """The cases and their gradients, several in one program: C and loops in Python against the NumPy meaning.

    A compiler takes a while to start, but more than twice as long for what is twice as long.
    """
    for k in range(0, len(cases), together):
        _check_compiled(cases[k : k + together])


def _check_compiled(cases: list[Case]) -> None:
    inputs: list[Any] = []
    arrays: list[np.ndarray] = []
    outputs: list[Any] = []
    names: list[str] = []
    for case in cases:
        mine = case.inputs()
        y = case.graph(*mine)
        inputs += mine
        arrays += case.arrays
        outputs.append(y)
        names.append(case.name)
        if case.differentiable:
            floats = [v for v in mine if v.dtype == "float64"]
            gradients = grad((y * y).sum(), floats, disconnected_inputs="ignore")
            outputs += gradients
            names += [f"gradient of {case.name}"] * len(gradients)
    graph = FunctionGraph(inputs, run_passes(outputs, FAST_RUN))
    program = CompiledGraph(graph)
    expected = numpy_function(FunctionGraph(inputs, outputs))(arrays)
    for _ in range(2):  # a second call must not see the first one's memory
        for what, results in (("C", program(arrays)), ("Python", run(program.program, arrays))):
            for name, got, value in zip(names, results, expected, strict=True):
                assert got.dtype == value.dtype, (name, what)
                np.testing.assert_allclose(got, value, 1e-10, 1e-12, err_msg=f"{name} ({what})")
