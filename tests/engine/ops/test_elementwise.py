"""Every row of the elementwise table: types, values, gradients, C and Python loops, at ordinary and edge values."""

from __future__ import annotations

from itertools import combinations

import mpmath as mp
import numpy as np
import pytest

import probgraph.engine.operators  # noqa: F401
from probgraph.engine.autodiff import grad
from probgraph.engine.compiled import CompiledGraph
from probgraph.engine.graph import FunctionGraph
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.run_loops import run
from probgraph.engine.toolchain import find_compiler
from probgraph.engine.types import COMPLEX, DTYPES, FLOATS, TensorType
from tests.engine.op_cases import ROWS, TRUTH, accepts, dtype_tuples, grids, has_c, roots, truth

# The rows that cast are also tried with complex numbers, of which NumPy then says that it drops a part.
pytestmark = pytest.mark.filterwarnings("ignore:Casting complex values")
by_name = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
with_truth = pytest.mark.parametrize("row", [r for r in ROWS if r.name in TRUTH], ids=lambda row: row.name)


def test_no_two_rows_are_equal():
    for a, b in combinations(ROWS, 2):
        assert a != b and hash(a) != hash(b), (a, b)


@by_name
def test_the_declared_dtype_is_numpys(row):
    """The type rule converts the operands; of those, NumPy makes the very dtype that is declared."""
    for dtypes in dtype_tuples(row):
        if not accepts(row, *dtypes):
            continue
        operands, result = row.rule(*dtypes)
        with np.errstate(all="ignore"):
            value = np.asarray(row.meaning(*(np.ones(2, d) for d in operands)))
        # An integer power is made by hand, and scipy computes integers in float64.
        assert value.dtype == result, (dtypes, operands)
        assert row.infer_type(*(TensorType(d, (2,))() for d in dtypes))[0].dtype == result


@by_name
def test_broadcasting_and_lengths_zero_and_one(row):
    dtype = next(d for d in ("float64", "int64", "bool") if accepts(row, *(d,) * row.arity))
    shapes = [(3, 1), (2,), (), ()][: row.arity]
    args = [TensorType(dtype, (None if n != 1 else 1 for n in s))() for s in shapes]
    arrays = [np.full(s, 0.5).astype(dtype) for s in shapes]
    value = row(*args).eval(dict(zip(args, arrays, strict=True)))
    assert value.shape == np.broadcast_shapes(*shapes)
    for n in (0, 1):
        args = [TensorType(dtype, (n,))() for _ in range(row.arity)]
        value = row(*args).eval({a: np.ones(n, dtype) for a in args})
        assert value.shape == (n,) and value.dtype == row(*args).dtype


@with_truth
def test_values_against_mpmath(row):
    grid = grids("float64", row.arity)
    got = row.numpy(*grid)
    expected = [truth(row.name, *values) for values in zip(*grid, strict=True)]
    for i, value in enumerate(expected):
        if value is None:
            continue
        values = [float(g[i]) for g in grid]
        if row.name in ("int_div", "mod") and abs(values[0] / values[1] if values[1] else 0) > 1e15:
            continue  # the quotient has no fraction left
        if row.name == "gammaln" and 0 < abs(values[0]) < 1e-307:
            continue  # SciPy overflows at denormal numbers; the C text does not
        assert got[i] == pytest.approx(value, rel=4e-14, abs=1e-300), values


def _points(arity):
    one = [-3.7, -1.3, -0.6, -0.2, 0.3, 0.8, 1.7, 4.2]
    if arity == 1:
        return [(p,) for p in one]
    rng = np.random.default_rng(3)
    return [tuple(rng.permutation(one)[:arity]) for _ in range(12)]


@pytest.mark.parametrize("row", [r for r in ROWS if r.gradient is not None], ids=lambda row: row.name)
def test_gradients_first_and_second(row):
    """Against derivatives by mpmath of the true function, or by central differences of NumPy's."""
    if not accepts(row, *("float64",) * row.arity):
        pytest.skip("not a function of floats")
    xs = [TensorType("float64", ())(f"x{i}") for i in range(row.arity)]
    y = row(*xs)
    if y.dtype in COMPLEX:
        y = ew.real(y) + 2 * ew.imag(y)
    if y.dtype not in FLOATS:
        assert all(g.eval(dict.fromkeys(xs, 0.3)) == 0 for g in grad(ew.cast(y, "float64"), xs))
        return
    first = grad(y, xs, disconnected_inputs="ignore", null_gradients="return")
    steps = row.gradient is ew._no_flow or row.name == "mod"
    second = None
    if row.name in TRUTH and not steps and row.name not in ("fill", "identity"):
        second = [grad(g, x, disconnected_inputs="ignore") for g, x in zip(first, xs, strict=True)]
    for point in _points(row.arity):
        given = dict(zip(xs, map(np.asarray, point), strict=True))
        value = y.eval(given)
        if not np.isfinite(value):
            continue
        for i in range(row.arity):
            if not isinstance(first[i].type, TensorType):
                continue  # by this argument there is none
            if row.name in TRUTH and truth(row.name, *point) is not None:
                expected = _derivative(TRUTH[row.name], point, i, 1)
                tolerance = {"rel": 1e-11, "abs": 1e-13}
            else:
                expected = _central(y, given, xs[i], 1e-6 if y.dtype == "float64" else 2**-7)
                tolerance = {"rel": 1e-5, "abs": 1e-7}
            assert first[i].eval(given) == pytest.approx(expected, **tolerance), (point, i)
            if second is not None and row.name != "switch":
                expected = _derivative(TRUTH[row.name], point, i, 2)
                assert second[i].eval(given) == pytest.approx(expected, rel=1e-9, abs=1e-11), (point, i)


def _derivative(function, point, i, order):
    with mp.workdps(40):
        at = [mp.mpf(p) for p in point]
        value = mp.diff(lambda t: mp.re(function(*at[:i], t, *at[i + 1 :])), at[i], order)
        return float(value)


def _central(y, given, x, step):
    ahead, behind = (y.eval({**given, x: given[x] + d}) for d in (step, -step))
    return (ahead - behind) / (2 * step)


# ------------------------------------------------------------------------------------ C and Python loops


@pytest.fixture(scope="module", params=DTYPES)
def compiled(request):
    """All rows that take this dtype in one program: C, loops in Python and NumPy, at all edge values."""
    dtype = request.param
    inputs, arrays, rows, outputs = [], [], [], []
    for arity in (1, 2, 3, 4):
        xs = roots(dtype, arity)
        inputs += xs
        arrays += grids(dtype, arity)
        for row in ROWS:
            if row.arity == arity and has_c(row, dtype):
                rows.append(row)
                outputs.append(row(*xs))
    graph = FunctionGraph(inputs, outputs)
    program = CompiledGraph(graph)
    expected = numpy_function(graph)(arrays)
    return dtype, rows, expected, program(arrays), run(program.program, arrays)


@pytest.mark.skipif(find_compiler() is None, reason="needs a C compiler")
def test_c_and_python_loops_are_numpy(compiled):
    dtype, rows, *results = compiled
    wrong = []
    for row, expected, in_c, in_python in zip(rows, *results, strict=True):
        arguments = grids(dtype, row.arity)
        for what, got in (("C", in_c), ("Python", in_python)):
            assert got.dtype == expected.dtype, (row, what)
            bad = ~_close(got, expected) & _defined(row, arguments)
            if bad.any():
                i = int(np.argmax(bad))
                values = [a[i] for a in arguments]
                wrong.append(
                    f"{row.name}{values}: {what} {got[i]!r}, NumPy {expected[i]!r} ({bad.sum()} wrong)"
                )
    assert not wrong, "\n".join(wrong)


def _defined(row, arguments):
    """Where NumPy's own result does not depend on the processor."""
    x = arguments[0]
    if row.name.startswith(("Cast{int", "Cast{uint")) and x.dtype.kind in "fc":
        x = x.real
        limits = np.iinfo(row.rule(x.dtype.name)[1])
        return (x > float(limits.min) - 1) & (x < float(limits.max))
    if row.name == "polygamma":  # SciPy's zeta goes all the way up from a negative number
        n, at = (a.astype(float) for a in arguments)
        return (n == np.floor(np.abs(n))) & (n < 31) & (at > -1e7)
    if row.name == "betaln":  # 1 / x overflows for denormal numbers, and infinities subtract
        return np.all([(a < 1e30) & ((a == 0) | (a > 1e-30)) for a in arguments], axis=0)
    if row.name == "pow" and x.dtype.kind == "f":
        return ~(
            (x == -np.inf) & (arguments[1] == 0.5)
        )  # a scalar's power is sqrt in NumPy 2, an array's is not
    return np.ones(x.shape, bool)


def _close(got, expected):
    if expected.dtype.kind not in "fc":
        return got == expected
    single = expected.dtype in ("float32", "complex64")
    with np.errstate(all="ignore"):
        near = np.abs(got - expected) <= (4e-6 if single else 1e-13) * np.abs(expected) + (
            1e-40 if single else 1e-310
        )
        return near | (got == expected) | (np.isnan(got) & np.isnan(expected))
