"""find_MAP(): modes known on paper, all methods, what the result says."""

from __future__ import annotations

import numpy as np
import pytest

import probgraph as pg


def test_the_mode_is_without_jacobian():
    """Gamma(3, 2) has its mode at 1; the mode of its log is at 1.5."""
    with pg.Model():
        x = pg.Gamma("x", 3, 2)
        pg.Deterministic("double", 2 * x)
        found = pg.find_MAP()
    assert found["x"] == pytest.approx(1.0, abs=1e-6)
    assert found["double"] == pytest.approx(2.0, abs=1e-5)
    assert found["x_log__"] == pytest.approx(0.0, abs=1e-6)
    assert found.logp == pytest.approx(np.log(4) - 2)
    assert found.converged and found.iterations > 0 and found.gradient_norm < 1e-5
    assert set(found) == {"x", "double", "x_log__"} and isinstance(found, dict)
    assert "logp=" in repr(found) and "converged" in repr(found) and found.path is None


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("L-BFGS-B", {}),
        ("gradient descent", {"learning_rate": 0.1}),
        ("momentum", {"learning_rate": 0.05}),
        ("adam", {"learning_rate": 0.05}),
    ],
)
def test_all_methods_find_a_regression(method, options):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(40, 3))
    y = X @ [1.0, -2.0, 0.5] + rng.normal(size=40)
    with pg.Model():
        beta = pg.Flat("beta", shape=3)
        pg.Normal("y", pg.math.dot(X, beta), 5.0, observed=y)
        found = pg.find_MAP(method=method, progressbar=False, **options)
    np.testing.assert_allclose(found["beta"], np.linalg.lstsq(X, y, rcond=None)[0], atol=1e-4)
    assert found.converged


def rosenbrock():
    with pg.Model() as model:
        x = pg.Flat("x")
        y = pg.Flat("y")
        pg.Potential("f", -((1 - x) ** 2 + 100 * (y - x**2) ** 2))
    return model


def test_rosenbrock_from_3_3():
    with rosenbrock():
        found = pg.find_MAP(start={"x": 3.0, "y": 3.0}, record_path=True)
        assert found["x"] == pytest.approx(1.0, abs=1e-4) and found["y"] == pytest.approx(1.0, abs=1e-4)
        assert found.path["x"].shape == (found.iterations + 1,) and found.path["x"][0] == 3.0
        assert found.path["y"][-1] == found["y"]
        by_adam = pg.find_MAP({"x": 3.0, "y": 3.0}, "adam", learning_rate=0.05, max_iterations=20_000)
        assert by_adam["x"] == pytest.approx(1.0, abs=1e-2)
        lost = pg.find_MAP({"x": 3.0, "y": 3.0}, "gradient descent", learning_rate=0.01)
    assert not lost.converged and lost.message
    assert np.isfinite(lost.logp)


def test_a_search_that_runs_out_says_so():
    with rosenbrock():
        found = pg.find_MAP({"x": 3.0, "y": 3.0}, "adam", max_iterations=3)
    assert not found.converged and found.iterations == 3 and "3 iterations" in found.message
    assert "did not converge in 3 iterations" in repr(found)


def test_errors():
    with pg.Model():
        s = pg.HalfNormal("s", 1)
        pg.Normal("y", 0, s - 3, observed=1.0)
        with pytest.raises(
            ValueError, match=r"(?s)not finite at the start.*sigma=-2\); sigma must be positive"
        ):
            pg.find_MAP()
        with pytest.raises(
            KeyError, match="find_MAP: start names 'q', which is no free variable; those are s, s_log__"
        ):
            pg.find_MAP({"q": 1.0})
        with pytest.raises(ValueError, match="speed: not an option of method 'adam'; its options are"):
            pg.find_MAP({"s": 4.0}, method="adam", speed=3)
        with pytest.raises(ValueError, match="curvature: not an option of method 'newton'; its options are"):
            pg.find_MAP({"s": 4.0}, method="newton", curvature=abs)
        with pytest.raises(ValueError, match="method is 'sgd'; it must be one of .*'newton', 'trust-newton'"):
            pg.find_MAP({"s": 4.0}, method="sgd")
    with pytest.raises(TypeError, match="No model on context stack"):
        pg.find_MAP()


def test_transformed_values_can_be_left_out():
    with pg.Model():
        pg.Beta("p", 3, 2)
        found = pg.find_MAP(include_transformed=False)
    assert set(found) == {"p"} and found["p"] == pytest.approx(2 / 3, abs=1e-6)


@pytest.mark.parametrize("method", ["BFGS", "powell", "Nelder-Mead", "Newton-CG", "CG"])
def test_scipys_methods_find_the_same(method):
    with pg.Model():
        x = pg.Gamma("x", 3, 2)
        pg.Normal("y", x, 1, shape=2)
        found = pg.find_MAP(initvals={"x": 2.0}, method=method, progressbar=False, tol=1e-8)
    assert found["x"] == pytest.approx(1.0, abs=1e-3) and found.evaluations > 1 and found.message
    np.testing.assert_allclose(found["y"], [1.0, 1.0], atol=1e-3)


def test_starts_have_one_name_at_a_time():
    with pg.Model():
        pg.Normal("x")
        with pytest.raises(ValueError, match="find_MAP: start and initvals are two ways to say the same"):
            pg.find_MAP(start={"x": 1.0}, initvals={"x": 1.0})
