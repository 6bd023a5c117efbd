"""Arrays to ArviZ: what ArviZ itself then makes of them, under whichever version is installed."""

import importlib.metadata
import importlib.util
import subprocess
import sys

import numpy as np
import pytest

from probgraph.inference_data import build

SCHOOLS = ["Choate", "Deerfield", "Exeter"]
ARVIZ_1 = int(importlib.metadata.version("arviz").split(".")[0]) >= 1


@pytest.fixture
def az():
    return pytest.importorskip("arviz")


def draws(*shape, chains=4, count=200, seed=0):
    return np.random.default_rng(seed).normal(size=(chains, count, *shape))


def groups():
    return {
        "posterior": {"mu": draws(), "theta": draws(3, seed=1), "matrix": draws(3, 2, seed=2)},
        "sample_stats": {
            "lp": draws(seed=3),
            "diverging": draws(seed=4) > 3,
            "tree_depth": np.full((4, 200), 3),
        },
        "log_likelihood": {"y": -(draws(3, seed=5) ** 2) / 50},
        "posterior_predictive": {"y": draws(3, seed=6)},
        "observed_data": {"y": np.array([1.0, 2.0, 3.0])},
        "constant_data": {"x": np.arange(6).reshape(3, 2), "n": np.array(7)},
        "prior": {},
    }


DIMS = {"theta": ["school"], "matrix": ["school", None], "y": ["school"], "x": ["school", "side"]}
COORDS = {"school": SCHOOLS, "side": None, "unused": ["a", "b"]}


@pytest.fixture
def result():
    return build(groups(), DIMS, COORDS, {"sampling_time": 1.5, "interrupted": False, "seed": None})


def names_of(result):
    return set(result.children) if ARVIZ_1 else set(result.groups())


def test_the_type_is_that_of_the_installed_arviz(result):
    if ARVIZ_1:
        import xarray

        assert isinstance(result, xarray.DataTree)
    else:
        import arviz

        assert isinstance(result, arviz.InferenceData)


def test_groups_values_dims_and_coords(result):
    assert names_of(result) == {name for name, arrays in groups().items() if arrays}
    posterior = result["posterior"]
    assert posterior["theta"].dims == ("chain", "draw", "school")
    assert list(posterior["theta"].coords["school"].values) == SCHOOLS
    assert posterior["matrix"].dims == ("chain", "draw", "school", "matrix_dim_1")
    assert list(posterior["matrix"].coords["matrix_dim_1"].values) == [0, 1]
    assert posterior["mu"].dims == ("chain", "draw")
    assert "unused" not in posterior.coords
    np.testing.assert_array_equal(
        posterior["theta"].sel(school="Exeter"), groups()["posterior"]["theta"][..., 2]
    )
    assert result["constant_data"]["x"].dims == ("school", "side")
    assert result["constant_data"]["n"].dims == ()
    assert result["observed_data"]["y"].sel(school="Deerfield") == 2.0
    assert result["sample_stats"]["diverging"].dtype == bool


def test_attrs_say_who_made_it_and_go_on_sampled_groups(result):
    for attrs in (result.attrs, result["posterior"].attrs):
        assert attrs["inference_library"] == "probgraph"
        assert attrs["inference_library_version"]
        assert attrs["arviz_version"] == importlib.metadata.version("arviz")
        assert attrs["created_at"].startswith("20")
        assert attrs["sampling_time"] == 1.5
        assert attrs["interrupted"] == 0
        assert "seed" not in attrs
    assert "sampling_time" not in result["observed_data"].attrs


def test_arviz_reads_it(az, result):
    summary = az.summary(result, var_names=["mu", "theta"])
    assert list(summary.index) == ["mu", *(f"theta[{school}]" for school in SCHOOLS)]
    assert float(summary.loc["mu", "mean"]) == pytest.approx(groups()["posterior"]["mu"].mean(), abs=0.01)
    ess, rhat = az.ess(result, var_names=["theta"]), az.rhat(result, var_names=["theta"])
    assert float(ess["theta"].min()) > 300 and float(ess["theta"].max()) < 1600
    assert abs(float(rhat["theta"].max()) - 1) < 0.02


def test_loo(az, result):
    loo = az.loo(result)
    assert loo.n_data_points == 3
    elpd = loo.elpd if ARVIZ_1 else loo.elpd_loo
    assert np.isfinite(elpd)


def test_plots(az, result):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot

    az.plot_trace(result, var_names=["mu", "theta"])
    assert matplotlib.pyplot.get_fignums()
    matplotlib.pyplot.close("all")


def test_round_trip_through_a_file(az, result, tmp_path):
    if not any(importlib.util.find_spec(engine) for engine in ("netCDF4", "h5netcdf")):
        pytest.skip("no netCDF engine is installed")
    path = tmp_path / "result.nc"
    result.to_netcdf(str(path))
    if ARVIZ_1:
        import xarray

        back = xarray.open_datatree(path)
    else:
        back = az.from_netcdf(str(path))
    assert names_of(back) == names_of(result)
    np.testing.assert_array_equal(back["posterior"]["theta"], result["posterior"]["theta"])
    assert list(back["posterior"].coords["school"].values) == SCHOOLS
    assert back["posterior"].attrs["interrupted"] == 0


def test_warm_up_has_its_own_length():
    result = build(
        {"posterior": {"x": draws(2)}, "warmup_posterior": {"x": draws(2, count=50)}},
        coords={"chain": [0, 1, 2, 5]},
    )
    assert result["warmup_posterior"]["x"].shape == (4, 50, 2)
    assert list(result["posterior"].coords["chain"].values) == [0, 1, 2, 5]


def test_labels_of_many_kinds():
    import pandas

    def labels(values, count):
        result = build({"posterior": {"x": draws(count)}}, {"x": "d"}, {"d": values})
        return result["posterior"].coords["d"]

    assert list(labels(range(1900, 1903), 3).values) == [1900, 1901, 1902]
    assert list(labels(pandas.Index(["a", "b"]), 2).values) == ["a", "b"]
    assert labels(pandas.date_range("2020-01-01", periods=2), 2).dtype.kind == "M"
    assert labels([("a", 1), ("b", 2)], 2).values[1] == ("b", 2)
    assert list(labels((), 0).values) == []
    assert list(labels(["only"], 1).values) == ["only"]


def test_extremes():
    result = build(
        {"posterior": {"empty": draws(0)}},
    )
    assert result["posterior"]["empty"].shape == (4, 200, 0)
    single = build({"posterior": {"x": np.array([[np.inf]])}, "observed_data": {"y": np.array(-np.inf)}})
    assert np.isinf(single["posterior"]["x"].values).all() and np.isinf(single["observed_data"]["y"].values)
    assert names_of(build({})) == set()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({"posterior": {"x": draws(3)}}, {"x": ["a", "b"]}), r"posterior: 'x' has dims \('a', 'b'\), 2 names, for the shape \(3,\) with 1 axes"),
        (({"posterior": {"x": np.zeros(4)}},), r"posterior: 'x' has shape \(4,\); arrays of this group are \(chain, draw, \*shape\)"),
        (({"posterior": {"x": draws(3)}}, {"x": ["a"]}, {"a": [1, 2]}), r"coords give 2 labels for dimension 'a', which has length 3 in 'x'"),
        (({"posterior": {"x": draws(3), "z": draws(2)}}, {"x": ["a"], "z": ["a"]}), r"dimension 'a' has length 2 in 'z' and 3 in 'x'"),
        (({"posterior": {"x": draws(), "z": draws(count=7)}},), r"dimension 'draw' has length 7 in 'z' and 200 in 'x'"),
        (({"posterior": {"x": draws(3)}}, {"x": ["x"]}), r"'x' is the name of a variable and of a dimension"),
        (({"posterior": {"x": draws(2, 2)}}, {"x": ["a", "a"]}), r"'a' is there more than once"),
        (({"posterior": {"x": draws(2)}}, {"x": ["chain"]}), r"'chain' is there more than once"),
        (({"posterior": {"x": draws(2)}}, {}, {"draw": [1, 2]}), r"'draw' is counted from 0"),
        (({"posterior": {"x": draws(2)}}, {}, {"a": [[1, 2], [3, 4]]}), r"labels of 'a' have shape \(2, 2\); they need one axis"),
        (({"posterior": {"x": draws(2)}}, {}, {"a": "ab"}), r"labels of 'a' are a sequence, got 'ab'"),
        (({"posterior": {"x": draws(2)}}, {}, {"a": 3}), r"labels of 'a' are a sequence, got 3"),
    ],
)  # fmt: skip
def test_errors_name_group_variable_and_dimension(arguments, message):
    with pytest.raises(ValueError, match=message):
        build(*arguments)


def test_nothing_heavy_is_imported_before_it_is_needed():
    code = "import sys, probgraph.inference_data; print([m for m in ('arviz', 'xarray', 'pandas') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.skipif(not ARVIZ_1, reason="before 1 the result is a class of ArviZ's own")
def test_with_arviz_1_building_needs_xarray_only():
    code = (
        "import sys, numpy, probgraph.inference_data as i;"
        "i.build({'posterior': {'x': numpy.zeros((1, 2))}}); print('arviz' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
