"""The methods that go by gradients on problems with known answers, and on problems that have none."""

import numpy as np
import pytest

from probgraph.optimize import METHODS, SECOND_ORDER, minimize
from probgraph.optimize.line_search import line_search
from probgraph.optimize.objective import Evaluations
from probgraph.optimize.step_rule import RULES, StepRule

FIRST_ORDER = [method for method in METHODS if method not in SECOND_ORDER]


def rosenbrock(x):
    a, b = x
    return (1 - a) ** 2 + 100 * (b - a**2) ** 2, np.array(
        [-2 * (1 - a) - 400 * a * (b - a**2), 200 * (b - a**2)]
    )


def quadratic(curvatures, centre=0.0):
    curvatures = np.asarray(curvatures, float)
    return lambda x: (0.5 * np.sum(curvatures * (x - centre) ** 2), curvatures * (x - centre))


@pytest.mark.parametrize("method", FIRST_ORDER)
def test_quadratic(method):
    # AdamW's decay of the weights moves the minimum, which is what it is for.
    options = {"weight_decay": 0.0} if method == "adamw" else {}
    result = minimize(quadratic([1.0, 2.0, 5.0], centre=3.0), np.zeros(3), method, **options)
    np.testing.assert_allclose(result.x, 3.0, atol=1e-5)
    assert result.converged and "gradient norm" in result.message
    assert result.gradient_norm <= 1e-6 and result.value == pytest.approx(0, abs=1e-10)
    assert result.evaluations > 1 and 0 < result.iterations < 10_000 and result.path is None


def test_rosenbrock_by_lbfgs():
    result = minimize(rosenbrock, [-1.2, 1.0])
    np.testing.assert_allclose(result.x, 1.0, atol=1e-5)
    assert result.converged and result.evaluations < 100


@pytest.mark.parametrize(
    "method, learning_rate", [("gradient descent", 1e-3), ("momentum", 1e-3), ("adam", 0.01)]
)
def test_rosenbrock_by_descent(method, learning_rate):
    result = minimize(
        rosenbrock, [-1.2, 1.0], method, learning_rate=learning_rate, max_iterations=60_000, tolerance=1e-5
    )
    np.testing.assert_allclose(result.x, 1.0, atol=1e-3)
    assert result.converged


def test_ill_conditioned():
    curvatures = np.logspace(-2, 4, 7)
    result = minimize(quadratic(curvatures, 1.0), np.zeros(7), tolerance=1e-7)
    np.testing.assert_allclose(result.x, 1.0, atol=1e-4)
    slow = minimize(quadratic([1e-2, 1e2]), np.ones(2), "gradient descent", max_iterations=500)
    assert not slow.converged and "not converged in 500 iterations" in slow.message
    fast = minimize(quadratic([1e-2, 1e2]), np.ones(2), "momentum", momentum=0.98, max_iterations=20_000)
    assert fast.converged


@pytest.mark.parametrize("method", ["gradient descent", "momentum"])
def test_too_large_a_rate_says_so(method):
    result = minimize(quadratic([1.0, 100.0]), np.ones(2), method, learning_rate=0.5)
    assert not result.converged and "diverged" in result.message
    assert "smaller learning_rate" in result.message
    assert np.isfinite(result.x).all() and result.value <= 50.5, "the best point is kept"


@pytest.mark.parametrize("method", FIRST_ORDER)
def test_a_value_of_nan_ends_the_descent(method):
    def hole(x):
        return (x[0], np.ones(1)) if x[0] > 0.5 else (np.nan, np.array([np.nan]))

    result = minimize(hole, [0.6], method)
    assert not result.converged and result.value <= 0.6 and np.isfinite(result.x).all()


def test_lbfgs_is_turned_back_by_a_wall():
    def barrier(x):
        if (x <= 0).any():
            return np.inf, np.full(len(x), np.nan)
        return np.sum(x - np.log(x)), 1 - 1 / x

    for start in (0.01, 5.0, 100.0, 1e4):
        result = minimize(barrier, np.full(3, start))
        assert result.converged, result.message
        np.testing.assert_allclose(result.x, 1.0, atol=1e-4)


@pytest.mark.parametrize("offset", [0.0, 1e8])
def test_lbfgs_goes_on_where_values_differ_by_rounding_only(offset):
    curvatures = np.logspace(0, 4, 20)

    def far_up(x):
        return offset + 0.5 * np.sum(curvatures * (x - 1) ** 2), curvatures * (x - 1)

    result = minimize(far_up, np.zeros(20), relative_change=0.0)
    assert result.converged and result.gradient_norm <= 1e-6, result.message


def test_lbfgs_needs_no_more_gradients_than_scipys():
    from scipy.optimize import minimize as by_scipy

    def chain(x):
        a, b = x[:-1], x[1:]
        slope = np.zeros_like(x)
        slope[:-1] = -400 * a * (b - a**2) - 2 * (1 - a)
        slope[1:] += 200 * (b - a**2)
        return np.sum(100 * (b - a**2) ** 2 + (1 - a) ** 2), slope

    ours = minimize(chain, np.full(50, 0.5))
    theirs = by_scipy(
        chain, np.full(50, 0.5), jac=True, method="L-BFGS-B", options={"gtol": 1e-7, "ftol": 1e-12}
    )
    np.testing.assert_allclose(ours.x, theirs.x, atol=1e-4)
    assert ours.evaluations <= 1.25 * theirs.nfev


@pytest.mark.parametrize("first", [1e-6, 0.1, 1.0, 50.0, 1e6])
@pytest.mark.parametrize(
    "f, df",
    [  # two of Moré & Thuente's (ACM Trans. Math. Softw. 1994), and one with a wall
        (lambda a: -a / (a**2 + 2), lambda a: (a**2 - 2) / (a**2 + 2) ** 2),
        (
            lambda a: (a + 0.004) ** 5 - 2 * (a + 0.004) ** 4,
            lambda a: 5 * (a + 0.004) ** 4 - 8 * (a + 0.004) ** 3,
        ),
        (lambda a: np.inf if a >= 2 else -a - np.log(2 - a) / 9, lambda a: -1 + 1 / (9 * (2 - a))),
    ],
)
def test_a_line_search_ends_where_the_conditions_hold(f, df, first):
    with np.errstate(divide="ignore"):
        evaluate = Evaluations(lambda x: (f(x[0]), np.array([df(x[0])])), np.zeros(1))
        found = line_search(evaluate, np.zeros(1), f(0.0), df(0.0), np.ones(1), first)
    a = found.x[0]
    assert found.wolfe and f(a) <= f(0.0) + 1e-4 * a * df(0.0) and abs(df(a)) <= 0.9 * abs(df(0.0))


def test_a_wrong_gradient_is_no_convergence():
    result = minimize(lambda x: (x @ x, -2 * x), np.ones(2))
    assert not result.converged and "no lower point was found after iteration 0" in result.message
    assert "check the gradient" in result.message and result.x.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("method", FIRST_ORDER)
def test_an_error_of_the_objective_comes_out(method):
    def broken(x):
        if x[0] < 0.95:
            raise ZeroDivisionError("here")
        return x[0], np.ones(1)

    with pytest.raises(ZeroDivisionError, match="here"):
        minimize(broken, [1.0], method)


@pytest.mark.parametrize("method", FIRST_ORDER)
def test_path(method):
    result = minimize(quadratic([1.0, 3.0]), [1.0, 2.0], method, record_path=True)
    assert result.path.shape == (result.iterations + 1, 2)
    assert result.path[0].tolist() == [1.0, 2.0]
    np.testing.assert_allclose(result.path[-1], result.x, atol=1e-6)


@pytest.mark.parametrize("method", FIRST_ORDER)
def test_the_start_is_left_alone_and_may_be_the_answer(method):
    start = np.zeros(2)
    result = minimize(quadratic([1.0, 1.0]), start, method)
    assert result.converged and result.iterations == 0
    start = np.ones(2)
    minimize(quadratic([1.0, 1.0]), start, method)
    assert start.tolist() == [1.0, 1.0]


def test_no_iterations():
    result = minimize(quadratic([1.0]), [1.0], "adam", max_iterations=0)
    assert not result.converged and result.x.tolist() == [1.0]


def test_a_value_that_no_longer_changes_ends_the_search():
    result = minimize(lambda x: (1e6 + 1e-9 * x[0], np.full(1, 0.1)), [1.0], "gradient descent")
    assert result.converged and "relative change" in result.message


@pytest.mark.parametrize(
    "method, options, message",
    [
        (
            "sgd",
            {},
            "method is 'sgd'; it must be one of 'L-BFGS', 'L-BFGS-B', 'newton', 'trust-newton', 'gradient descent', ",
        ),
        ("L-BFGS-B", {"learning_rate": 1.0}, "learning_rate: not an option .* max_iterations"),
        ("gradient descent", {"momentum": 0.5}, "momentum: not an option .* learning_rate"),
        ("adam", {"learnin_rate": 0.5}, "learnin_rate: not an option .* learning_rate"),
        ("adam", {"learning_rate": 0.0}, r"learning_rate is 0\.0; it must be"),
        ("adam", {"learning_rate": np.nan}, "learning_rate is nan"),
        ("momentum", {"momentum": 1.0}, r"momentum is 1\.0; it must be at least 0 and below 1"),
        ("adam", {"scale_memory": -0.1}, r"scale_memory is -0\.1"),
        ("adam", {"max_iterations": -1}, "max_iterations is -1"),
        ("adam", {"tolerance": -1.0}, r"tolerance is -1\.0"),
        ("L-BFGS-B", {"relative_change": np.nan}, "relative_change is nan"),
        ("L-BFGS", {"history": 0}, "history is 0; it must be a whole number from 1"),
        ("L-BFGS", {"history": 2.5}, r"history is 2\.5; it must be a whole number from 1"),
    ],
)
def test_bad_options_name_the_legal_ones(method, options, message):
    with pytest.raises(ValueError, match=message):
        minimize(quadratic([1.0]), [1.0], method, **options)


@pytest.mark.parametrize("method", FIRST_ORDER)
def test_bad_starts(method):
    with pytest.raises(ValueError, match=r"start has shape \(1, 1\)"):
        minimize(quadratic([1.0]), [[1.0]], method)
    with pytest.raises(ValueError, match="at the start the value is nan"):
        minimize(quadratic([1.0]), [np.nan], method)
    with pytest.raises(ValueError, match=r"the gradient has shape \(3,\), x has shape \(2,\)"):
        minimize(lambda x: (0.0, np.zeros(3)), [1.0, 2.0], method)


def test_rules_follow_their_formulas():
    gradients = np.random.default_rng(0).normal(size=(5, 2))
    names = ["gradient descent", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"]
    given = {"momentum": 0.8, "scale_memory": 0.9, "weight_decay": 0.5}
    rules = {}
    for name in names:
        own = {k: v for k, v in given.items() if k in RULES[name][1]}
        rules[name] = StepRule.of(name, {"learning_rate": 0.1, **own})
    memories = {name: rule.begin(2) for name, rule in rules.items()}
    velocity = mean = square = total = np.zeros(2)
    x = np.array([1.0, -2.0])
    for t, g in enumerate(gradients, start=1):
        got = {name: rule.step(x, g, memories[name]) - x for name, rule in rules.items()}
        velocity = 0.8 * velocity - 0.1 * g
        mean, square, total = 0.8 * mean + 0.2 * g, 0.9 * square + 0.1 * g**2, total + g**2
        adam = -0.1 * (mean / (1 - 0.8**t)) / (np.sqrt(square / (1 - 0.9**t)) + 1e-8)
        expected = {
            "gradient descent": -0.1 * g,
            "momentum": velocity,
            "nesterov": 0.8 * velocity - 0.1 * g,
            "adagrad": -0.1 * g / (np.sqrt(total) + 1e-8),
            "rmsprop": -0.1 * g / (np.sqrt(square) + 1e-8),
            "adam": adam,
            "adamw": adam - 0.1 * 0.5 * x,
        }
        for name in names:
            np.testing.assert_allclose(got[name], expected[name], rtol=1e-12, err_msg=name)


def test_rates_that_fall_and_gradients_that_are_cut():
    rule = StepRule.of(
        "gradient descent", {"learning_rate": 0.5, "learning_rate_decay": 1.0, "clip_norm": 2.0}
    )
    memory = rule.begin(2)
    np.testing.assert_allclose(rule.step(np.zeros(2), np.array([3.0, 4.0]), memory), [-0.6, -0.8])
    np.testing.assert_allclose(rule.step(np.zeros(2), np.array([0.3, 0.4]), memory), [-0.075, -0.1])
    for bad in ({"learning_rate_decay": -1.0}, {"clip_norm": np.nan}):
        with pytest.raises(ValueError, match="it must be a finite number from 0"):
            StepRule.of("adam", bad)
