"""PyMC's methods that change a model after its variables were written down."""

from __future__ import annotations

import numpy as np
import pytest

import probgraph as pm


def test_distributions_become_variables():
    with pm.Model(coords={"g": ["a", "b"]}) as model:
        mu = model.register_rv(pm.Normal.dist(0, 1, shape=2), "mu", dims="g", initval=[1.0, 2.0])
        tau = model.register_rv(pm.HalfNormal.dist(1), "tau")
        model.register_rv(pm.Normal.dist(mu, tau), "y", observed=[0.5, 1.5])
    with pm.Model(coords={"g": ["a", "b"]}) as same:
        other = pm.Normal("mu", 0, 1, dims="g", initval=[1.0, 2.0])
        pm.Normal("y", other, pm.HalfNormal("tau", 1), observed=[0.5, 1.5])
    assert repr(model) == repr(same)
    assert model.point_logps() == same.point_logps()
    assert list(model.values_to_rvs.values()) == model.free_RVs
    assert model.rvs_to_transforms[mu] is None and model.rvs_to_transforms[tau].name == "log"
    assert model.rvs_to_initial_values[mu] == [1.0, 2.0]
    with pytest.raises(TypeError, match=r"register_rv: z is made of a distribution, as Normal.dist\(0, 1\)"):
        model.register_rv(3.0, "z")
    with pytest.raises(TypeError, match="z: total_size is of what was observed"):
        model.register_rv(pm.Normal.dist(0, 1), "z", total_size=100)
    with pytest.raises(TypeError, match=r"register_data_var: Data is needed, got array"):
        model.register_data_var(np.zeros(3))


def test_starts_may_be_set_later():
    with pm.Model() as model:
        x = pm.Normal("x")
        with pm.Model("part") as part:
            s = pm.HalfNormal("s")
    model.set_initval(x, 3.0)
    part.set_initval(s, 2.0)
    point = model.initial_point()
    assert point["x"] == 3.0 and np.isclose(point["part::s_log__"], np.log(2.0))
    assert part.root is model and model.isroot and not part.isroot and part.prefix == "part"
    with pytest.raises(KeyError, match="set_initval: 'z' is no free variable; those are x, part::s"):
        model.set_initval("z", 1.0)


def test_dims_may_get_other_lengths():
    model = pm.Model(coords={"g": ["a", "b"]})
    model.add_coord("n", length=3)
    assert model.shape_from_dims(("g", "n")) == (2, 3)
    model.set_dim("n", 5)
    model.set_dim("g", 3, coord_values=["c", "d", "e"])
    assert model.shape_from_dims(("g", "n")) == (3, 5) and list(model.coords["g"]) == ["c", "d", "e"]
    with pytest.raises(
        ValueError, match=r"set_dim: dim 'g' has labels; give 4 new ones, set_dim\('g', 4, coord_val"
    ):
        model.set_dim("g", 4)
    with pytest.raises(ValueError, match="dim 'g': 2 labels were given for length 4"):
        model.set_dim("g", 4, ["a", "b"])
    with pytest.raises(KeyError, match="set_dim: dim 'q' is not known; known are 'g', 'n'"):
        model.set_dim("q", 4)


def test_a_new_group_is_drawn_from_its_prior():
    with pm.Model(coords={"g": ["a", "b"]}) as model:
        mu = pm.Normal("mu")
        pm.Normal("theta", mu, 0.1, dims="g")
        idata = pm.sample(20, tune=20, chains=1, random_seed=1, progressbar=False)
        model.set_dim("g", 3, coord_values=["c", "d", "e"])
        new = pm.sample_posterior_predictive(
            idata, var_names=["theta"], predictions=True, random_seed=1, progressbar=False
        )["predictions"]["theta"]
    assert list(new["g"].values) == ["c", "d", "e"]
    np.testing.assert_allclose(new.values, idata["posterior"]["mu"].values[..., None] * np.ones(3), atol=0.5)


def test_copies_and_named_variables():
    with pm.Model() as model:
        x = pm.Normal("x")
    twice = 2 * x
    twice.name = "twice"
    model.add_named_variable(twice)
    assert model["twice"] is twice and "twice" not in [d.name for d in model.deterministics]
    with pytest.raises(ValueError, match="add_named_variable: a variable with a name is needed"):
        model.add_named_variable(x * 3)
    with pytest.raises(ValueError, match="Variable name twice already exists"):
        model.add_named_variable(twice)
    new = model.copy()
    with new:
        pm.Normal("y", x)
    assert [v.name for v in new.free_RVs] == ["x", "y"] and [v.name for v in model.free_RVs] == ["x"]
    assert "y" not in model.named_vars


def test_tables_bring_their_labels():
    pandas = pytest.importorskip("pandas")
    xarray = pytest.importorskip("xarray")
    table = pandas.DataFrame(np.ones((2, 3)), index=["r", "s"], columns=list("abc"))
    with pm.Model() as model:
        pm.Data("x", table, dims=("row", "column"), infer_dims_and_coords=True)
        pm.Data("y", table["a"].rename_axis("place"), infer_dims_and_coords=True)
        pm.Data("z", xarray.DataArray(np.ones(2), {"time": [5, 6]}, ["time"]), infer_dims_and_coords=True)
        pm.Data("w", [1.0, 2.0], infer_dims_and_coords=True, mutable=True)
    pm.Data("v", [1.0], model=model)
    labels = {n: None if v is None else list(v) for n, v in model.coords.items()}
    assert labels == {"row": ["r", "s"], "column": ["a", "b", "c"], "place": ["r", "s"], "time": [5, 6]}
    assert model.named_vars_to_dims["x"] == ("row", "column") and model.named_vars_to_dims["z"] == ("time",)
    assert "v" in model and model.named_vars_to_dims["w"] == (None,)
