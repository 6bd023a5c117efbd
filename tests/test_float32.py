"""config.floatX = "float32": what is computed in single precision, what stays double, and that answers are the same."""

from __future__ import annotations

import re

import numpy as np
import pytest

import probgraph as pg
import probgraph.engine.tensor as T
from probgraph.engine import config, function, grad, scan, shared, toolchain
from probgraph.engine.graph import FunctionGraph
from probgraph.model.log_density import density_graphs, log_density

pytestmark = [
    pytest.mark.filterwarnings("error:.*cast"),
    pytest.mark.filterwarnings("error:The model runs in NumPy"),
]


@pytest.fixture(autouse=True)
def single():
    with config.change_flags(floatX="float32"):
        yield


def computed_in(graph):
    """The real dtypes of a graph's intermediate values."""
    dtypes = {v.dtype for node in graph.toposort() for v in node.outputs}
    return {d for d in dtypes if d.startswith(("float", "complex"))}


def functions(a, x):
    """Whole scalar expressions of a matrix and a vector."""
    spd = T.dot(a, a.T) + 5 * T.eye(5)
    yield "arithmetic", ((2.5 * x - 1 / (1 + x**2)) ** 1.5).sum()
    yield "functions", sum(f(x).sum() for f in (T.exp, T.log1p, T.tanh, T.sin, T.erf, T.gammaln, T.softplus))
    yield "reductions", x.mean() + x.var() + x.std() + x.prod() + T.logsumexp(x) + x.max() + T.cumsum(x).sum()
    yield "products", T.dot(T.dot(a, a), x).sum() + T.outer(x, x).sum() + T.tensordot(a, a, 2)
    yield "factors", T.linalg.cholesky(spd).sum() + T.linalg.slogdet(spd)[1]
    yield "solves", T.linalg.solve(spd, x).sum() + T.linalg.inv(spd).sum()
    yield "scan", scan(lambda u, s: T.tanh(s + u), x, outputs_info=[T.zeros_like(x[0])])[0].sum()
    yield "pieces", T.concatenate([x[1:], [1.0, 2.0]]).sum() + T.set_subtensor(x[0], 3.0).sum()
    yield "choices", T.switch(x > 0.5, x, 0.0).sum() + T.clip(x, 0.1, 0.6).sum() + T.sort(x)[2]
    yield "grids", (T.linspace(0, 1, 5) * x).sum() + (T.ones(5) * T.arange(0.0, 5.0) * x).sum()


NAMES = [name for name, _ in functions(T.dmatrix("a"), T.dvector("x"))]


@pytest.mark.parametrize("name", NAMES)
def test_a_function_stays_in_single_precision_and_is_right_to_its_digits(name):
    rng = np.random.default_rng(1)
    given = 0.3 * rng.normal(size=(5, 5)), rng.uniform(0.1, 1.0, 5)

    def made():
        inputs = [T.matrix("a"), T.vector("x")]
        cost = dict(functions(*inputs))[name]
        outputs = [cost, *grad(cost, inputs, disconnected_inputs="ignore")]
        f = function(inputs, outputs, on_unused_input="ignore")
        return f, f(*(v.astype(config.floatX) for v in given))

    f, results = made()
    assert computed_in(f.maker.fgraph) == {"float32"}
    assert all(r.dtype == "float32" for r in results)
    with config.change_flags(floatX="float64"):
        _, exact = made()
    for r, e in zip(results, exact, strict=True):
        np.testing.assert_allclose(r, e, rtol=2e-5, atol=1e-5)


def test_loops_call_the_vectorised_functions_of_single_precision():
    if toolchain.find_compiler() is None:
        pytest.skip("no C compiler")
    x, a = T.vector("x"), T.matrix("a")
    f = function([x, a], [(T.exp(x) + T.log1p(x)).sum(), T.dot(a, a)])
    text = f.maker.executable.compiled.c_text
    assert re.search(r"\bexpf\(", text) and re.search(r"\blog1pf\(", text) and "pg_sgemm" in text
    body = text[text.index("static int body") :]
    assert re.findall(r"double (\w+)", body.replace("const double *restrict q, double *restrict g", ""))
    doubles = set(re.findall(r"(?<!\()\bdouble (\w+) = ", body))
    assert {name.rstrip("0123456789") for name in doubles} <= {"acc", "t"} and len(doubles) == 2, (
        "the sum alone"
    )


def test_sums_are_of_double_precision_and_rounded_once():
    x = T.vector("x")
    given = np.full(300_001, 0.1, "float32")
    total = function([x], x.sum())(given)
    assert total.dtype == "float32" and total == np.float32(given.astype("float64").sum())


def test_whole_numbers_beside_single_precision_make_double_as_in_numpy_but_quotients_and_grids_do_not():
    x, k = T.vector("x"), T.lvector("k")
    assert (x * k).dtype == "float64" and T.sqrt(k).dtype == "float64" and (k * 0.5).dtype == "float64"
    assert (k / 2).dtype == (k / k).dtype == "float32"
    assert T.linspace(0, 1, 3).dtype == T.geomspace(1, 8, 4).dtype == T.logspace(0, 2, 3).dtype == "float32"


def test_updates_go_on_in_single_precision():
    x, w = T.vector("x"), shared(np.zeros(3, "float32"), "w")
    cost = T.sqr((w * x).sum() - 1.0)
    step = function([x], cost, updates=[(w, w - 0.1 * grad(cost, w))])
    for _ in range(200):
        last = step(np.ones(3, "float32"))
    assert w.get_value().dtype == last.dtype == np.float32 and last < 1e-10
    assert computed_in(step.maker.fgraph) == {"float32"}


def test_random_streams_draw_single_precision():
    stream = T.shared_randomstreams.RandomStreams(1)
    draws = function([], [stream.normal((20_000,)), stream.uniform((20_000,), -1.0, 3.0)])()
    assert [d.dtype for d in draws] == ["float32", "float32"]
    assert [round(float(d.mean()), 1) for d in draws] == [0.0, 1.0]


# Models ----------------------------------------------------------------------------------------------------


def regression(rows=500):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(rows, 2))
    y = 30 + x @ [1.0, -2.0] + 0.5 * rng.normal(size=rows)
    with pg.Model() as model:
        x = pg.Data("x", x)
        a, b = pg.Normal("a", 0, 50), pg.Normal("b", np.zeros(2), 2.0, shape=2)
        mu = pg.Deterministic("mu", a + x @ b)
        pg.Normal("y", mu, pg.HalfNormal("sigma", 5), observed=y)
    return model


def test_a_models_density_is_single_elements_summed_in_double():
    """Of 100,000 terms a float32 has steps of 0.01: no two of a trajectory's energies could be compared."""
    model = regression(100_000)
    (density, _), graphs = log_density(model), density_graphs(model)
    assert density.dtype == "float32"
    wide = {v.type.shape for n in toposorted(graphs) for v in n.outputs if v.dtype == "float64"}
    assert not any(100_000 in shape for shape in wide), "elements are single"
    with config.change_flags(floatX="float64"):
        exact, _ = log_density(regression(100_000))
        assert exact.dtype == "float64"
    q = np.array([30.0, 1.0, -2.0, np.log(0.5)])
    nearby = [q, q + np.eye(4)[0] * 1e-4]
    (one, slope), (other, _) = (density(p) for p in nearby)
    (true_one, true_slope), (true_other, _) = (exact(p) for p in nearby)
    assert one == pytest.approx(true_one, rel=1e-6)
    assert one - other == pytest.approx(true_one - true_other, abs=0.005)
    np.testing.assert_allclose(slope, true_slope, rtol=1e-4, atol=0.5)


def toposorted(graphs):
    return FunctionGraph(graphs.roots, [graphs.logp, *graphs.gradients]).toposort()


def test_arrays_of_parameters_do_not_make_a_model_double():
    with pg.Model() as model:
        w = pg.Dirichlet("w", np.ones(3))
        mu = pg.MvNormal("mu", np.zeros(3), np.eye(3) + 0.2)
        pg.TruncatedNormal("t", np.array([0.0, 1.0]), 1.0, lower=-1.0, upper=2.0, shape=2)
        pg.Rice("r", 1.0, 2.0)
        pg.NormalMixture("y", w, mu, np.ones(3), observed=np.linspace(-1, 1, 7))
    assert {v.dtype for v in model.free_RVs} == {"float32"}
    assert all(term.dtype == "float32" for term in model.terms().values())
    assert pg.Normal.dist(np.zeros(2), 1.0).logp(np.zeros(2)).dtype == "float32"
    double = T.constant(np.zeros(2), dtype="float64")
    assert pg.Normal.dist(double, 1.0).logp([0.0, 1.0]).dtype == "float64", "asked for, variable by variable"


def test_a_model_is_sampled_and_its_results_are_single():
    with regression():
        idata = pg.sample(500, tune=500, chains=2, random_seed=1, progressbar=False)
        later = pg.sample_posterior_predictive(idata, random_seed=1, progressbar=False)
        before = pg.sample_prior_predictive(50, random_seed=1)
    groups = idata.posterior, later.posterior_predictive, before.prior, before.prior_predictive
    assert {str(v.dtype) for group in groups for v in group.data_vars.values()} == {"float32"}
    with config.change_flags(floatX="float64"), regression():
        exact = pg.sample(500, tune=500, chains=2, random_seed=1, progressbar=False)
    for name in ("a", "b", "sigma"):
        one, other = idata.posterior[name], exact.posterior[name]
        spread = other.std(("chain", "draw"))
        assert (abs(one.mean(("chain", "draw")) - other.mean(("chain", "draw"))) < 0.25 * spread).all()
        np.testing.assert_allclose(one.std(("chain", "draw")), spread, rtol=0.2)
    assert idata.sample_stats.diverging.sum() == 0
    assert idata.sample_stats.acceptance_rate.mean() > 0.7


@pytest.mark.parametrize("method", ["L-BFGS", "newton", "trust-newton"])
def test_the_mode_is_found_as_far_as_single_precision_tells(method):
    """Its gradients never come down to 1e-6: a step that promises less than rounding hides is the end."""
    with regression():
        found = pg.find_MAP(method=method)
    with config.change_flags(floatX="float64"), regression():
        exact = pg.find_MAP(method=method)
    assert found.converged and exact.converged, found.message
    assert found["a"].dtype == np.float32
    for name in ("a", "b", "sigma"):
        np.testing.assert_allclose(found[name], exact[name], rtol=1e-3)


def test_approximations_do_not_fail_of_rounding():
    with regression():
        laplace = pg.fit_laplace(draws=500, random_seed=1)
        pathfinder = pg.fit_pathfinder(random_seed=1)
    for idata in (laplace, pathfinder):
        assert float(idata.posterior["a"].mean()) == pytest.approx(30, abs=0.1)


def test_minimize_walks_single_unknowns_and_leaves_them_single():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 3)).astype("float32")
    y = (x @ np.array([1.0, 2.0, 3.0]) + 100).astype("float32")
    w, b = shared(np.zeros(3, "float32"), "w"), shared(np.float32(0), "b")
    found = pg.minimize(T.sqr(T.dot(x, w) + b - y).sum(), [w, b])
    assert found.converged, found.message
    assert w.get_value().dtype == b.get_value().dtype == np.float32
    np.testing.assert_allclose(w.get_value(), [1, 2, 3], rtol=1e-4)
