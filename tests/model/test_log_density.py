"""The joint density against SciPy, its Jacobians, and the compiled function against NumPy and differences."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.stats as st

import probgraph as pg
from probgraph.engine import toolchain
from probgraph.engine.barriers import zero_grad
from probgraph.engine.compiled import compile_rows
from probgraph.engine.config import config
from probgraph.engine.graph import toposort
from probgraph.engine.merged import merged
from probgraph.engine.op import Loop
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.linalg import cholesky
from probgraph.engine.rewrite import run_passes, uniform
from probgraph.engine.rules import FAST_RUN
from probgraph.engine.scanning import scan
from probgraph.model import log_density as module
from probgraph.model.checks import explanation, term_values
from probgraph.model.layout import Layout
from probgraph.model.log_density import compiled_rows, log_density

Y = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
SIGMA = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])


def eight_schools():
    with pg.Model(coords={"school": range(8)}) as model:
        mu = pg.Normal("mu", 0, 5)
        tau = pg.HalfCauchy("tau", 5)
        z = pg.Normal("z", 0, 1, dims="school")
        theta = pg.Deterministic("theta", mu + tau * z, dims="school")
        pg.Normal("y", theta, SIGMA, observed=Y, dims="school")
    return model


def by_scipy(q):
    mu, tau, z = q[0], np.exp(q[1]), q[2:]
    prior = st.norm.logpdf(mu, 0, 5) + st.halfcauchy.logpdf(tau, 0, 5) + st.norm.logpdf(z).sum()
    return prior + st.norm.logpdf(Y, mu + tau * z, SIGMA).sum()


def everything():
    """Every transform, bounds that are variables, indexing, data, a potential."""
    with pg.Model() as model:
        x = pg.Data("x", np.linspace(-1, 1, 6))
        a = pg.Normal("a", 0, 2, shape=3)
        low = pg.Exponential("low", 0.5)
        u = pg.Uniform("u", low, low + 2)
        p = pg.Beta("p", 2, 3)
        s = pg.Gamma("s", 2, 1)
        mu = a[np.array([0, 0, 1, 1, 2, 2])] + u * x
        pg.StudentT("t", 4, mu, s, observed=np.arange(6.0))
        pg.Binomial("k", 10, p, observed=[3, 4])
        pg.Bernoulli("b", logit_p=mu, observed=[0, 1, 0, 1, 1, 1])
        pg.Poisson("c", pg.math.exp(a[0]), observed=2)
        pg.Potential("penalty", -pg.math.sqr(a))
    return model


def differences(density, q, step=1e-6):
    slopes = []
    for i in range(len(q)):
        e = np.zeros(len(q))
        e[i] = step
        slopes.append((density(q + e)[0] - density(q - e)[0]) / (2 * step))
    return np.array(slopes)


def test_the_joint_density_is_scipys():
    density, layout = log_density(eight_schools())
    assert density.dim == 10
    for seed in range(5):
        q = np.random.default_rng(seed).normal(size=10)
        assert density(q)[0] == pytest.approx(by_scipy(q) + q[1], rel=1e-13)
    assert log_density(eight_schools(), jacobian=False)[0](q)[0] == pytest.approx(by_scipy(q), rel=1e-13)
    assert [slot.name for slot in layout.slots] == ["mu", "tau_log__", "z"]


@pytest.mark.parametrize("make", [eight_schools, everything])
@pytest.mark.parametrize("jacobian", [True, False])
def test_gradients_are_differences(make, jacobian):
    density, _ = log_density(make(), jacobian)
    for seed in range(3):
        q = 0.5 * np.random.default_rng(seed).normal(size=density.dim)
        np.testing.assert_allclose(density(q)[1], differences(density, q), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("make", [eight_schools, everything])
def test_without_a_compiler_it_is_the_same_and_says_so_once(make, monkeypatch):
    model = make()
    compiled, _ = log_density(model)
    fast_rows = compile_rows(model.value_vars, model.on_values(model.free_RVs))

    monkeypatch.setenv("PROBGRAPH_CC", "")
    monkeypatch.setattr(toolchain, "_said_without_compiler", False)
    with pytest.warns(UserWarning, match="no C compiler was found.*run in NumPy.*slower") as caught:
        slow, layout = log_density(model)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = compiled_rows(layout, model.on_values(model.free_RVs))
    q = 0.3 * np.random.default_rng(1).normal(size=slow.dim)
    for slow_value, value in zip(rows(q[None]), fast_rows(q[None]), strict=True):
        np.testing.assert_allclose(slow_value, value, rtol=1e-12)
    assert rows(np.zeros((0, slow.dim)))[0].shape[0] == 0
    assert slow(q)[0] == pytest.approx(compiled(q)[0], rel=1e-12)
    np.testing.assert_allclose(slow(q)[1], compiled(q)[1], rtol=1e-10, atol=1e-12)


def test_a_failed_cholesky_is_no_density_with_or_without_a_compiler(monkeypatch):
    with pg.Model() as model:
        x = pg.Normal("x")
        corners = pg.math.stack([pg.math.stack([1.0, x]), pg.math.stack([x, 1.0])])
        pg.Potential("p", pg.math.log(cholesky(corners)[1, 1]))
    compiled, _ = log_density(model)

    monkeypatch.setenv("PROBGRAPH_CC", "")
    monkeypatch.setattr(toolchain, "_said_without_compiler", True)
    slow, _ = log_density(model)
    for density in (compiled, slow):
        logp, gradient = density([0.6])
        assert logp == pytest.approx(st.norm.logpdf(0.6) + np.log(0.8))
        np.testing.assert_allclose(gradient, -0.6 - 0.6 / 0.64)
        logp, gradient = density([1.5])
        assert logp == -np.inf and np.isnan(gradient).all()


def test_rows_are_the_constrained_values():
    model = everything()
    layout = Layout(model.value_vars)
    q = np.random.default_rng(2).normal(size=(5, layout.dim))
    a, low, u, p, s = compiled_rows(layout, model.on_values(model.free_RVs))(q)
    np.testing.assert_array_equal(a, q[:, :3])
    np.testing.assert_allclose(low, np.exp(q[:, 3]), rtol=1e-14)
    np.testing.assert_allclose(u, low + 2 / (1 + np.exp(-q[:, 4])), rtol=1e-14)
    np.testing.assert_allclose(p, 1 / (1 + np.exp(-q[:, 5])), rtol=1e-14)
    np.testing.assert_allclose(s, np.exp(q[:, 6]), rtol=1e-14)


def free(make):
    with pg.Model() as model:
        make()
    return log_density(model)[0]


@pytest.mark.parametrize(
    ("make", "exact"),
    [
        (
            lambda: pg.Beta("x", 2, 3),
            lambda y: np.log(12) + 2 * -np.logaddexp(0, -y) + 3 * -np.logaddexp(0, y),
        ),
        (lambda: pg.Uniform("x", -1, 2), lambda y: -np.logaddexp(0, -y) - np.logaddexp(0, y)),
        (lambda: pg.Uniform("x"), lambda y: -np.logaddexp(0, -y) - np.logaddexp(0, y)),
        (lambda: pg.LogNormal("x"), lambda y: st.norm.logpdf(y)),
        (lambda: pg.HalfFlat("x"), lambda y: y),
        (lambda: pg.Gamma("x", 0.5, 2), lambda y: st.gamma.logpdf(np.exp(y), 0.5, 0, 0.5) + y),
        (lambda: pg.Exponential("x", 2), lambda y: np.log(2) - 2 * np.exp(y) + y),
    ],
)
def test_far_out_the_density_over_r_keeps_its_digits(make, exact):
    density = free(make)
    for y in (-700.0, -40.0, 0.0, 40.0, 700.0):
        logp, gradient = density(np.array([y]))
        assert np.isfinite(gradient).all()
        assert logp == pytest.approx(exact(y), rel=1e-12)


def test_a_binomial_of_a_free_probability_keeps_its_digits():
    with pg.Model() as model:
        p = pg.Beta("p", 1, 1)
        pg.Binomial("k", 10, p, observed=3)
    density, _ = log_density(model)
    for y in (-700.0, 700.0):
        expected = 4 * -np.logaddexp(0, -y) + 8 * -np.logaddexp(0, y) + np.log(120)
        assert density(np.array([y]))[0] == pytest.approx(expected, rel=1e-13)


def test_no_checks_are_in_the_graph_that_cannot_fail():
    def checks(model):
        """Of choices between a density and -inf."""
        choices = [node for node in toposort(model.terms().values()) if node.op == ew.switch]
        return sum(any(uniform(v, -np.inf) is not None for v in node.inputs) for node in choices)

    assert checks(eight_schools()) == 0
    for make in (pg.HalfNormal, pg.HalfCauchy, pg.HalfFlat, pg.Exponential, lambda n: pg.Uniform(n, 0, 100)):
        with pg.Model() as model:
            pg.Normal("y", 0, make("s"), observed=[1.0, 2.0])
        assert checks(model) == 0, make
    with pg.Model() as model:
        pg.Normal("y", 0, pg.Normal("s"), observed=[1.0, 2.0])
    assert checks(model) > 0
    with pg.Model() as model:
        pg.Normal("y", 0, pg.Normal("s"), observed=[1.0, 2.0])
    assert checks(model) == 1


def test_logp_by_parts():
    model = eight_schools()
    point = {name: np.asarray(value) + 0.1 for name, value in model.initial_point().items()}
    q = Layout(model.value_vars).vector(point)
    assert model.compile_logp()(point) == pytest.approx(by_scipy(q) + q[1])
    assert model.compile_logp(jacobian=False)(point) == pytest.approx(by_scipy(q))
    assert model.compile_logp(model["y"])(point) == pytest.approx(
        st.norm.logpdf(Y, q[0] + np.exp(q[1]) * q[2:], SIGMA).sum()
    )
    parts = model.compile_logp(sum=False)(point)
    assert [p.shape for p in parts] == [(), (), (8,), (8,)]
    assert sum(p.sum() for p in parts) == pytest.approx(by_scipy(q) + q[1])
    np.testing.assert_allclose(model.compile_dlogp()(point), log_density(model)[0](q)[1])
    assert set(model.point_logps()) == {"mu", "tau", "z", "y"}
    with pytest.raises(ValueError, match="theta is not a random variable or potential"):
        model.logp(model["theta"])
    with pytest.raises(KeyError, match="the point has no 'mu'; it needs mu, tau_log__, z"):
        model.compile_logp()({})
    with pytest.raises(ValueError, match=r"the point's z has shape \(\), it needs \(8,\)"):
        model.compile_logp()({**point, "z": 1.0})


def test_potentials_count():
    with pg.Model() as model:
        x = pg.Normal("x", shape=2)
        pg.Potential("extra", 3.0 * x)
    density, _ = log_density(model)
    assert density(np.array([1.0, 2.0]))[0] == pytest.approx(st.norm.logpdf([1, 2]).sum() + 9.0)


def test_exchanged_data_count_when_compiled_anew():
    with pg.Model() as model:
        x = pg.Data("x", [1.0, 2.0])
        b = pg.Normal("b")
        pg.Normal("y", b * x, 1, observed=pg.Data("y_data", [1.0, 1.0]))
    model.set_data("x", [1.0, 2.0, 3.0])
    model.set_data("y_data", [0.0, 0.0, 5.0])
    value = log_density(model)[0](np.array([1.0]))[0]
    assert value == pytest.approx(st.norm.logpdf(1) + st.norm.logpdf([0, 0, 5], [1, 2, 3]).sum())


def test_float32_models_are_sampled_in_double():
    with config.change_flags(floatX="float32"):
        with pg.Model() as model:
            s = pg.HalfNormal("s", 2)
            pg.Normal("y", 0, s, observed=[1.0, 2.0])
        assert s.dtype == "float32"
        density, _ = log_density(model)
        logp, gradient = density(np.array([0.3]))
    x = np.exp(0.3)
    assert logp == pytest.approx(
        st.halfnorm.logpdf(x, 0, 2) + 0.3 + st.norm.logpdf([1, 2], 0, x).sum(), rel=1e-6
    )
    assert gradient[0] == pytest.approx(differences(density, np.array([0.3]), 1e-3)[0], rel=1e-2)


def test_models_that_cannot_be_walked_on():
    with pg.Model() as model:
        pg.Normal("y", 0, 1, observed=1.0)
    with pytest.raises(ValueError, match="no free variables: nothing is unknown"):
        log_density(model)
    with pytest.raises(ValueError, match="no random variables and no potentials"):
        pg.Model().logp()
    with pg.Model() as model:
        pg.Poisson("k", 3)
        pg.Normal("x")
    with pytest.raises(NotImplementedError, match="k: free and discrete.*sum the discrete ones out"):
        log_density(model)


class TestInitialPoint:
    def test_is_the_distributions_point_over_r(self):
        point = everything().initial_point()
        np.testing.assert_array_equal(point["a"], np.zeros(3))
        assert point["low_log__"] == pytest.approx(np.log(2))
        assert point["u_interval__"] == pytest.approx(0.0)
        assert point["p_logodds__"] == pytest.approx(np.log(0.4 / 0.6))

    def test_given_values_win(self):
        with pg.Model() as model:
            pg.HalfNormal("s", 1, initval=3.0)
            pg.Normal("x", model["s"], 1, shape=2)
        assert model.initial_point()["s_log__"] == pytest.approx(np.log(3))
        np.testing.assert_allclose(model.initial_point()["x"], [3, 3])
        assert model.initial_point({"s": 5.0})["s_log__"] == pytest.approx(np.log(5))
        np.testing.assert_allclose(model.initial_point({"s_log__": 0.0})["x"], [1, 1])
        np.testing.assert_allclose(model.initial_point({"x": [1, 2]})["x"], [1, 2])

    @pytest.mark.parametrize(
        ("given", "error", "text"),
        [
            (
                {"s": -1.0},
                ValueError,
                "the initial value of s is -1; it must be inside its support, that is at least 0",
            ),
            ({"s": 0.0}, ValueError, "the initial value of s is 0"),
            ({"x": [1, np.nan]}, ValueError, "the initial value of x is nan at index 1"),
            ({"x": [1, 2, 3]}, ValueError, r"the initial value of x has shape \(3,\), the variable \(2,\)"),
            (
                {"q": 1},
                KeyError,
                "initial_point names 'q', which is no free variable; those are s, s_log__, x",
            ),
        ],
    )
    def test_errors(self, given, error, text):
        with pg.Model() as model:
            pg.HalfNormal("s", 1)
            pg.Normal("x", shape=2)
        with pytest.raises(error, match=text):
            model.initial_point(given)


def test_the_explanation_names_term_element_and_parameter():
    with pg.Model() as model:
        s = pg.HalfNormal("s", 1)
        pg.Normal("y", [0, 1, 2], np.array([1.0, 3.0, 1.0]) - s, observed=[1, 2, 3])
    point = {"s_log__": np.log(2.0)}
    text = explanation(model, point, np.array([np.nan]))
    assert (
        "y  -inf at index 0, the first of 2 of 3: y = 1 of Normal(mu=0, sigma=-1); sigma must be positive"
        in text
    )
    assert "at s = 2." in text and "gradient is not finite for s_log__" in text
    np.testing.assert_array_equal(np.isfinite(term_values(model, point)["y"]), [False, True, False])


def test_a_parameter_out_of_range_is_minus_infinity_and_asked_once():
    with pg.Model() as model:
        s = pg.Normal("s")
        pg.Normal("y", 0, s, observed=np.arange(100.0))
    density, _ = log_density(model)
    assert density(np.array([-1.0]))[0] == -np.inf
    assert density(np.array([2.0]))[0] == pytest.approx(
        st.norm.logpdf(2) + st.norm.logpdf(np.arange(100.0), 0, 2).sum()
    )
    switches = [n for n in toposort([model.logp()]) if n.op == ew.switch]
    assert [n.out.ndim for n in switches] == [0]
    with pg.Model() as model:
        s = pg.Normal("s", shape=2)
        pg.Normal("y", 0, s, observed=[1.0, 2.0])
    density, _ = log_density(model)
    assert density(np.array([1.0, -1.0]))[0] == -np.inf and np.isfinite(density(np.array([1.0, 1.0]))[0])


def test_data_exchanged_for_impossible_ones_are_refused():
    with pg.Model() as model:
        counts = pg.Data("counts", [1, 2])
        pg.Poisson("y", pg.Exponential("rate"), observed=counts)
    log_density(model)
    counts.set_value(np.array([3, -4]))
    with pytest.raises(
        ValueError, match="y: observed is -4 at index 1, where Poisson.* an integer, at least 0"
    ):
        log_density(model)


def test_a_support_that_depends_on_a_free_variable_stays_checked():
    with pg.Model() as model:
        top = pg.HalfNormal("top", 10)
        pg.Uniform("y", 0, top, observed=[1.0, 3.0])
    density, _ = log_density(model)
    assert density(np.log([2.0]))[0] == -np.inf
    assert density(np.log([4.0]))[0] == pytest.approx(
        st.halfnorm.logpdf(4, 0, 10) + np.log(4) - 2 * np.log(4)
    )


def test_a_model_without_elements():
    with pg.Model() as model:
        pg.Normal("x", shape=0)
    with pytest.raises(ValueError, match=r"the free variables \(x\) have no elements"):
        log_density(model)


def test_many_scalars_are_one_root_and_the_density_is_the_same(monkeypatch, forgetful):
    def chain():
        with pg.Model() as model:
            before = pg.Normal("first", 0, 1, shape=2)[0]
            for k in range(40):
                before = (
                    pg.Normal(f"x{k}", 0.5 * before, 1 + 0.01 * k)
                    if k % 2
                    else pg.Exponential(f"x{k}", 1 + pg.math.exp(0.1 * before))
                )
            pg.Normal("last", before, 1, shape=3)
        return model

    graphs = module.density_graphs(chain())
    assert [v.type.shape for v in graphs.roots] == [(2,), (40,), (3,)]
    q = np.random.default_rng(0).normal(size=45) * 0.3
    value, gradient = module.compiled_density(graphs)(q)
    monkeypatch.setattr(module, "rolled", lambda outputs: outputs)
    monkeypatch.setattr(Layout, "roots", lambda self, moved: (self.values, {}))
    plain = module.density_graphs(chain())
    assert len(plain.roots) == 42
    expected, slopes = module.compiled_density(plain)(q)
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-11)


def test_a_loop_in_the_density_runs_once_for_value_and_gradient():
    y = np.random.default_rng(0).normal(size=50)
    with pg.Model() as model:
        logits = pg.Normal("logits", 0, 1, shape=(3, 3))
        shifted = logits - zero_grad(pg.math.max(logits, axis=1, keepdims=True))
        # As users write it; rules see through the one or the other form of it.
        move = shifted - pg.math.log(pg.math.sum(pg.math.exp(shifted), axis=1, keepdims=True))
        states, _ = scan(
            lambda now, before, move: pg.math.logsumexp(before[:, None] + move, axis=0) + now,
            sequences=[pg.math.stack([y, -y, 2 * y], axis=1)],
            outputs_info=[np.zeros(3)],
            non_sequences=[move],
        )
        pg.Potential("p", pg.math.logsumexp(states[-1]))
    graphs = module.density_graphs(model)
    outputs = merged(run_passes([graphs.logp, *graphs.gradients], FAST_RUN))
    assert sum(isinstance(node.op, Loop) for node in toposort(outputs)) == 2  # forward and back


def test_a_model_that_was_compiled_before_is_neither_differentiated_nor_compiled(monkeypatch, tmp_path):
    monkeypatch.setenv("PROBGRAPH_CACHE", str(tmp_path / "cache"))
    q = np.linspace(-1, 1, 10)
    density, _ = log_density(eight_schools())
    expected = density(q)
    plain = log_density(eight_schools(), jacobian=False)[0](q)
    still = log_density(eight_schools(), moved={"mu"})[0](q)
    for name in ("grad", "compile_density", "rolled"):
        monkeypatch.setattr(module, name, None)
    again, _ = log_density(eight_schools())
    assert again(q)[0] == expected[0]
    np.testing.assert_array_equal(again(q)[1], expected[1])
    without, _ = log_density(eight_schools(), jacobian=False)
    assert without(q)[0] == plain[0] != expected[0]
    moved, _ = log_density(eight_schools(), moved={"mu"})
    assert moved(q)[1][0] == still[1][0] == 0 != expected[1][0]
    with pytest.raises(TypeError, match="not callable"):
        log_density(everything())


def test_data_are_what_they_are_now_also_where_the_model_was_compiled_before():
    model = everything()
    q = 0.3 * np.random.default_rng(5).normal(size=log_density(model)[0].dim)
    first = log_density(model)[0]
    before = first(q)[0]
    with model:
        pg.set_data({"x": np.linspace(-2, 2, 6)})
    after = log_density(model)[0](q)[0]
    assert first(q)[0] == before != after
    assert log_density(model, frozen=False)[0](q)[0] == pytest.approx(after, rel=1e-13)
