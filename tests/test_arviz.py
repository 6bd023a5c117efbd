"""ArviZ's functions on results as they are, in both of its generations; and results through files."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import warnings

import numpy as np
import pytest

import probgraph as pg
from probgraph.inference_data import build

az = pytest.importorskip("arviz")
NEW = int(importlib.metadata.version("arviz").split(".")[0]) >= 1
QUIET = {"progressbar": False}


def regression(line: bool):
    """With a slope, or without: to be compared."""
    random = np.random.default_rng(5)
    x = np.linspace(-1, 1, 30)
    y = 1 + 2 * x + 0.4 * random.normal(size=30)
    with pg.Model(coords={"point": [f"p{i}" for i in range(30)], "coefficient": ["a", "b"]}) as model:
        inputs = pg.Data("inputs", x, dims="point")
        beta = pg.Normal("beta", 0, 3, dims="coefficient")
        sigma = pg.HalfNormal("sigma", 1)
        mean = pg.Deterministic("mean", beta[0] + (beta[1] * inputs if line else 0.0 * inputs), dims="point")
        pg.Normal("y", mean, sigma, observed=y, dims="point")
    return model


def result_of(line: bool):
    with regression(line):
        prior = pg.sample_prior_predictive(100, random_seed=1)
        idata = pg.sample(
            500,
            tune=500,
            random_seed=1,
            idata_kwargs={"log_likelihood": True},
            discard_tuned_samples=False,
            **QUIET,
        )
        pg.sample_posterior_predictive(idata, extend_inferencedata=True, random_seed=1, **QUIET)
        pg.compute_log_prior(idata, **QUIET)
    for group in ("prior", "prior_predictive"):
        if NEW:
            idata[group] = prior[group]
        else:
            idata.add_groups({group: prior[group]})
    return idata


@pytest.fixture(scope="module")
def results():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {"line": result_of(True), "constant": result_of(False)}


def groups(idata):
    return set(idata.children) if NEW else set(idata.groups())


ALL = {
    "posterior",
    "sample_stats",
    "log_likelihood",
    "log_prior",
    "posterior_predictive",
    "observed_data",
    "constant_data",
    "prior",
    "prior_predictive",
    "warmup_posterior",
    "warmup_sample_stats",
}


def test_groups(results):
    assert groups(results["line"]) == ALL
    assert results["line"]["posterior_predictive"]["y"].dims == ("chain", "draw", "point")
    assert results["line"]["log_prior"]["beta"].dims == ("chain", "draw", "coefficient")


def test_statistics(results):
    line = results["line"]
    table = pg.summary(line, var_names=["beta", "sigma"])
    assert list(table.index) == ["beta[a]", "beta[b]", "sigma"]
    assert abs(float(table.loc["beta[b]", "mean"]) - 2) < 0.4
    assert float(pg.ess(line)["beta"].min()) > 400
    assert abs(float(pg.rhat(line)["sigma"]) - 1) < 0.02
    assert np.all(np.asarray(pg.hdi(line, var_names=["sigma"])["sigma"]) > 0)
    energy = pg.bfmi(line)
    assert np.all(np.asarray(energy["energy"] if hasattr(energy, "data_vars") else energy) > 0.3)


def test_loo_and_compare_find_the_line(results):
    loo = pg.loo(results["line"], pointwise=True)
    assert loo.n_data_points == 30
    assert next(iter(pg.compare(results).index)) == "line"


def test_loo_in_chunks_is_loo(results, monkeypatch, tmp_path):
    monkeypatch.setattr("probgraph.cross_validation.CHUNK", 7 * 2000)
    whole = pg.loo(results["line"], pointwise=True)
    found = pg.loo_in_chunks(results["line"], progressbar=False)
    elpd, each, p = (whole.elpd, whole.elpd_i, whole.p) if NEW else (whole.elpd_loo, whole.loo_i, whole.p_loo)
    np.testing.assert_allclose(found.elpd, elpd, rtol=1e-3)
    np.testing.assert_allclose(found.se, whole.se, rtol=1e-3)
    np.testing.assert_allclose(found.p, p, rtol=0.02)
    np.testing.assert_allclose(found.elpd_i, np.ravel(each), atol=2e-3)
    np.testing.assert_allclose(found.pareto_k, np.ravel(whole.pareto_k), atol=0.05)
    assert found.n_data_points == 30 and not found.warning
    with pytest.raises(KeyError, match="loo_in_chunks: 'z' has no log likelihood; those that have are y"):
        pg.loo_in_chunks(results["line"], "z")
    with pytest.raises(
        ValueError, match=r"has no group 'log_likelihood'; compute_log_likelihood\(idata\) adds it"
    ):
        pg.loo_in_chunks(build({"posterior": {"x": np.zeros((2, 10))}}))


def test_the_information_criterion_in_chunks(results, monkeypatch):
    monkeypatch.setattr("probgraph.cross_validation.CHUNK", 7 * 2000)
    found = pg.waic_in_chunks(results["line"], progressbar=False)
    values = results["line"]["log_likelihood"]["y"].values.reshape(-1, 30)
    each = np.log(np.mean(np.exp(values), axis=0)) - values.var(axis=0)
    np.testing.assert_allclose(found.elpd_i, each, rtol=1e-10)
    np.testing.assert_allclose(found.elpd, each.sum(), rtol=1e-10)
    np.testing.assert_allclose(found.se, np.sqrt(30 * each.var()), rtol=1e-10)
    np.testing.assert_allclose(found.p, values.var(axis=0).sum(), rtol=1e-10)
    assert found.n_data_points == 30 and found.n_samples == len(values) and not found.warning
    if hasattr(az, "waic"):
        whole = az.waic(results["line"], pointwise=True)
        np.testing.assert_allclose([found.elpd, found.se, found.p], [whole.elpd_waic, whole.se, whole.p_waic])
    with pytest.raises(KeyError, match="waic_in_chunks: 'z' has no log likelihood; those that have are y"):
        pg.waic_in_chunks(results["line"], "z")


PLOTS = [
    ("plot_trace", {"var_names": ["beta", "sigma"]}),
    ("plot_trace_dist", {"var_names": ["beta", "sigma"]}),
    ("plot_forest", {"var_names": ["beta", "sigma"]}),
    ("plot_energy", {}),
    ("plot_pair", {"var_names": ["beta", "sigma"]}),
    ("plot_ppc", {}),
    ("plot_ppc_dist", {}),
    ("plot_rank", {"var_names": ["beta", "sigma"]}),
    ("plot_posterior", {"var_names": ["sigma"]}),
    ("plot_autocorr", {"var_names": ["sigma"]}),
    ("plot_ess", {"var_names": ["sigma"]}),
]


@pytest.mark.parametrize(("name", "options"), PLOTS, ids=[name for name, _ in PLOTS])
@pytest.mark.filterwarnings("ignore")
def test_plots(results, name, options):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    getattr(pg, name)(results["line"], **options)
    assert plt.get_fignums()
    plt.close("all")


def test_plot_compare(results):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    pg.plot_compare(pg.compare(results))
    plt.close("all")


def test_what_arviz_lacks_is_said():
    with pytest.raises(AttributeError, match=r"probgraph has no 'plot_nothing': ArviZ \d.* has none"):
        pg.plot_nothing  # noqa: B018
    with pytest.raises(AttributeError, match="module 'probgraph' has no attribute 'nothing'"):
        pg.nothing  # noqa: B018


def alike(back, result):
    assert groups(back) == groups(result)
    for group in groups(result):
        for name, values in result[group].data_vars.items():
            np.testing.assert_array_equal(back[group][name].values, values.values)
            assert back[group][name].dims == values.dims
            for dim in values.dims:
                assert list(back[group][name].coords[dim].values) == list(values.coords[dim].values)
        for name, value in result[group].attrs.items():
            np.testing.assert_array_equal(back[group].attrs[name], value, err_msg=name)


def test_round_trip_by_netcdf(results, tmp_path):
    if not any(importlib.util.find_spec(engine) for engine in ("netCDF4", "h5netcdf")):
        pytest.skip("no netCDF engine is installed")
    path = str(tmp_path / "result.nc")
    results["line"].to_netcdf(path)
    alike(pg.from_netcdf(path), results["line"])


def test_round_trip_by_zarr(results, tmp_path):
    pytest.importorskip("zarr")
    alike(through_zarr(results["line"], str(tmp_path / "result.zarr")), results["line"])


def through_netcdf(result, path):
    result.to_netcdf(path)
    return pg.from_netcdf(path)


def through_zarr(result, path):
    import xarray
    import zarr

    if not NEW and zarr.__version__ >= "3":  # ArviZ 0.x names this way round, which leads to the same
        result.to_datatree().to_zarr(path)
        return az.from_datatree(xarray.open_datatree(path, engine="zarr"))
    result.to_zarr(path)
    return pg.from_zarr(path)


def every_result():
    """What each verb returns, by its name."""
    few = {
        "draws": 20,
        "tune": 20,
        "chains": 2,
        "random_seed": 1,
        "compute_convergence_checks": False,
        **QUIET,
    }
    with pg.Model(coords={"row": list("abc")}):
        x = pg.Normal("x")
        pg.Normal("y", x, 1, observed=[0.1, 0.2, 0.3], dims="row")
        sampled = pg.sample(discard_tuned_samples=False, **few)
        found = {
            "sample": sampled,
            "Metropolis": pg.sample(step=pg.Metropolis(), **few),
            "prior": pg.sample_prior_predictive(10, random_seed=1),
            "predictive": pg.sample_posterior_predictive(sampled, random_seed=1, **QUIET),
            "predictions": pg.sample_posterior_predictive(sampled, predictions=True, random_seed=1, **QUIET),
            "SMC": pg.sample_smc(50, chains=2, random_seed=1),
            "ADVI": pg.fit(n=100, random_seed=1, **QUIET).sample(20),
            "Pathfinder": pg.fit_pathfinder(random_seed=1),
            "Laplace": pg.fit_laplace(),
        }
    with pg.Model():
        pg.Normal("y", pg.Bernoulli("z", 0.3) + pg.Normal("x"), 1, observed=0.3)
        return found | {"summed out": pg.sample(**few)}


def test_every_result_goes_through_files(tmp_path):
    ways = []
    if any(importlib.util.find_spec(engine) for engine in ("netCDF4", "h5netcdf")):
        ways.append(through_netcdf)
    if importlib.util.find_spec("zarr"):
        ways.append(through_zarr)
    if not ways:
        pytest.skip("nothing is installed that reads and writes files")
    for name, result in every_result().items():
        for k, way in enumerate(ways):
            path = str(tmp_path / f"{name} {k}")
            try:
                alike(way(result, path), result)
            except Exception as error:
                raise AssertionError(f"{name}: {error}") from error


def test_a_file_goes_on_where_the_result_was(results, tmp_path):
    if not any(importlib.util.find_spec(engine) for engine in ("netCDF4", "h5netcdf")):
        pytest.skip("no netCDF engine is installed")
    path = str(tmp_path / "result.nc")
    results["line"].to_netcdf(path)
    with regression(True):
        again = pg.sample_posterior_predictive(pg.from_netcdf(path), random_seed=1, **QUIET)
    np.testing.assert_array_equal(
        again["posterior_predictive"]["y"].values, results["line"]["posterior_predictive"]["y"].values
    )
