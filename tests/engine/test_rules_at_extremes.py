"""No rule makes a nan of a number, hides a nan that was given, or is wrong where numbers are at their ends."""

from __future__ import annotations

from itertools import product

import mpmath as mp
import numpy as np
import pytest

from probgraph.engine import rules
from probgraph.engine.autodiff import grad
from probgraph.engine.graph import Constant, ancestors, graph_inputs, rebuild, tensor_constant
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import reduce
from probgraph.engine.rewrite import OpRule, Pass, Rule, Wildcard, run_passes
from probgraph.engine.types import TensorType
from tests.engine.test_rules import in_many_digits

PATTERNS = [r for r in [*rules.STABLE, *rules.ALGEBRA] if isinstance(r, Rule)]
_NEAR = [0.0, -0.0, 1.0, -1.0, 0.3, -2.5, 3.0, 20.0, -20.0, 300.0, np.inf, -np.inf, np.nan]
_DOUBLE = [40.0, -40.0, 709.0, 710.0, -745.0, -746.0, 800.0, -800.0, 1e-8, -1e-20, 5e-324, -1e-310]
_HUGE_DOUBLE = [1e150, -1e150, 1e308, -1.7e308]
_SINGLE = [88.0, 89.0, -103.0, -104.0, 1e-5, -1e-10, 1e-45, -1e-40, 1e15, -1e15, 3e38]
GRID = {"float64": [*_NEAR, *_DOUBLE, *_HUGE_DOUBLE], "float32": [*_NEAR, *_SINGLE]}
CONSTANTS = [2.0, 0.25, -3.0, 0.5]
#: what is said at a point where the left side is not defined: x / |x| at 0, and anything to the power 0
FILLS_GAPS = {"x / abs(x) → sgn(x)", "abs(x) / x → sgn(x)"}
IGNORES_NAN = {"x ** 0 → 1"}
#: C's power of -inf is a number, its root is not
NOT_OF_MINUS_INFINITY = {"x ** -0.5 → 1 / sqrt(x)", "x ** 0.5 → sqrt(x)"}


def sides(rule, dtype):
    """The pattern on vectors and its replacement, for every choice of constants that the rule allows."""
    wildcards = [v for v in graph_inputs([rule.pattern]) if isinstance(v, Wildcard)]
    roots = {w: TensorType(dtype, (None,))(w.name) for w in wildcards if not w.constant}
    constants = [w for w in wildcards if w.constant]
    numbers = [v for v in ancestors([rule.pattern]) if isinstance(v, Constant)]
    own = {n: tensor_constant(n.data, dtype) for n in numbers}
    for chosen in product(CONSTANTS, repeat=len(constants)):
        given = {w: tensor_constant(c, dtype) for w, c in zip(constants, chosen, strict=True)}
        (left,) = rebuild([rule.pattern], {**roots, **own, **given})
        if rule.match(left):
            (right,) = run_passes([left], [Pass("one rule", [rule])])
            assert right.type == left.type
            yield left, right, list(roots.values())


@pytest.mark.parametrize("dtype", GRID)
@pytest.mark.parametrize("rule", PATTERNS, ids=str)
def test_numbers_stay_numbers_and_nan_stays_nan(rule, dtype):
    compared = 0
    for left, right, roots in sides(rule, dtype):
        points = [
            np.array(column, dtype) for column in zip(*product(GRID[dtype], repeat=len(roots)), strict=True)
        ]
        given = dict(zip(roots, points, strict=True))
        with np.errstate(all="ignore"):
            old, new = (np.broadcast_to(v.eval(given), points[0].shape) for v in (left, right))
        was_given = np.isnan(points).any(axis=0)
        made = np.isfinite(old) & np.isnan(new)
        if str(rule) in NOT_OF_MINUS_INFINITY:
            made &= ~np.isneginf(points).any(axis=0)
        assert not made.any(), [p[made][:3] for p in points]
        hidden = np.isnan(old) & ~np.isnan(new) & was_given
        assert not hidden.any() or str(rule) in IGNORES_NAN, [p[hidden][:3] for p in points]
        # What was nan for numbers that were given may be a number only if it is one in exact arithmetic.
        found = np.isnan(old) & np.isfinite(new) & np.isfinite(points).all(axis=0)
        for place in np.flatnonzero(found)[:10]:
            with mp.workdps(60):
                exact = in_many_digits(left, {r: mp.mpf(float(p[place])) for r, p in given.items()})
            assert exact is not None or str(rule) in FILLS_GAPS, [p[place] for p in points]
        compared += np.isfinite(old).sum()
    assert compared


# ------------------------------------------------------------------------------------ rules that are functions

X = TensorType("float64", ())("x")
X32 = TensorType("float32", ())("x")
TWO = np.array([1.0, -1.0])


def softplus(x):
    return mp.log1p(mp.exp(x))


#: for each stable rule that is a function: a graph of x that it applies to, and what that is in many digits
AT = {
    "log(sum(exp(x))) → logsumexp(x)": (
        lambda x: ew.log(reduce.sum(np.array([0.25, 2.0], x.dtype) * ew.exp(x * TWO.astype(x.dtype)))),
        lambda x: mp.log(0.25 * mp.exp(x) + 2 * mp.exp(-x)),
    ),
    "log(a exp(x) + b exp(y)) → logaddexp(log(a) + x, log(b) + y)": (
        lambda x: ew.log(0.25 * ew.exp(x) + ew.sigmoid(x) * ew.exp(-x)),
        lambda x: mp.log(0.25 * mp.exp(x) + mp.exp(-x) / (1 + mp.exp(-x))),
    ),
    "log(a exp(x) / b) → log(a) + x - log(b)": (
        lambda x: ew.log(0.5 * ew.exp(x) * ew.sigmoid(x) / 3.0),
        lambda x: mp.log(0.5 / 3) + x - softplus(-x),
    ),
    "log1p(a exp(x)) → softplus(log(a) + x)": (
        lambda x: ew.log1p(4 * ew.exp(x)),
        lambda x: mp.log1p(4 * mp.exp(x)),
    ),
    "exp(x) / sum(exp(x)) → softmax(x)": (
        lambda x: (ew.exp(x * TWO.astype(x.dtype)) / reduce.sum(ew.exp(x * TWO.astype(x.dtype))))[0],
        lambda x: 1 / (1 + mp.exp(-2 * x)),
    ),
    "log(softmax(x)) → x - logsumexp(x)": (
        lambda x: ew.log(reduce.softmax(x * TWO.astype(x.dtype)))[1],
        lambda x: -softplus(2 * x),
    ),
    "log(f(x)[i]) → log(f(x))[i]": (
        lambda x: ew.log(ew.sigmoid(x)[None])[0],
        lambda x: -softplus(-x),
    ),
    "log(prod(x)) → sum(log(x))": (
        lambda x: ew.log(reduce.prod(ew.exp(x * np.array([2.0, -1.0, 3.0], x.dtype)))),
        lambda x: 4 * x,
    ),
    "1 - sigmoid(x)[i] → sigmoid(-x)[i]": (
        lambda x: (1 - ew.sigmoid(x)[None])[0],
        lambda x: 1 / (1 + mp.exp(x)),
    ),
    "log1p(-sigmoid(x)[i]) → -softplus(x)[i]": (
        lambda x: ew.log1p(-(ew.sigmoid(x)[None]))[0],
        lambda x: -softplus(x),
    ),
    "xlogy(x, exp(y)) → x y": (lambda x: ew.xlogy(x, ew.sigmoid(x)), lambda x: -x * softplus(-x)),
    "xlog1py(x, -sigmoid(y)) → -x softplus(y)": (
        lambda x: ew.xlog1py(x, -ew.sigmoid(x)),
        lambda x: -x * softplus(x),
    ),
}
STABLE_FUNCTIONS = [r for r in rules.STABLE_ELEMENTS if isinstance(r, OpRule)]


@pytest.mark.parametrize("x", [X, X32], ids=["float64", "float32"])
@pytest.mark.parametrize("rule", STABLE_FUNCTIONS, ids=str)
def test_stable_functions_and_their_gradients_are_right_at_extremes(rule, x):
    graph, truth = AT[rule.name]
    old, log = graph(x), []
    run_passes([old], [Pass("stable", rules.STABLE)], log)
    assert rule.name in [name for _, name, _ in log]
    value, slope = run_passes([old, grad(old, x)], rules.FAST_RUN)
    tolerance = 2e-15 if x is X else 5e-7
    for point in [0.0, 1e-8, 0.3, -0.7, 5.0, -30.0, 80.0, -80.0, 700.0, -745.0, 800.0, -800.0, 1e8, -1e8]:
        point = np.asarray(point, x.dtype)
        with mp.workdps(50), np.errstate(all="ignore"):
            exact = mp.mpf(float(point))
            expected, its_slope = float(truth(exact)), float(mp.diff(truth, exact, h=mp.mpf(10) ** -20))
            got, its = value.eval({x: point}), slope.eval({x: point})
            smallest = np.finfo(x.dtype).tiny
            assert got == pytest.approx(expected, rel=tolerance, abs=max(smallest, tolerance)), point
            assert its == pytest.approx(its_slope, rel=2 * tolerance, abs=4 * tolerance), point


def test_a_rule_without_points_fails():
    assert {r.name for r in STABLE_FUNCTIONS} == set(AT)
