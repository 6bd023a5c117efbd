"""The model object: names, dims, data, and errors that a user can act on."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import probgraph as pg
from probgraph.engine.graph import Variable


def test_the_variables_of_a_model_by_kind_and_name():
    with pg.Model(coords={"school": list("ABC")}) as model:
        x = pg.Data("x", [1, 2, 3], dims="school")
        mu = pg.Normal("mu", 0, 1)
        tau = pg.HalfNormal("tau", 2)
        theta = pg.Deterministic("theta", mu + tau * x, dims="school")
        penalty = pg.Potential("penalty", -(mu**2))
        y = pg.Normal("y", theta, 1, observed=[1.0, 2.0, 3.0], dims="school")
    assert model.free_RVs == [mu, tau] and model.observed_RVs == [y]
    assert model.deterministics == [theta] and model.potentials == [penalty] and model.data_vars == [x]
    assert model["theta"] is theta and "theta" in model and "z" not in model
    assert [v.name for v in model.value_vars] == ["mu", "tau_log__"]
    assert list(model.named_vars) == ["x", "mu", "tau", "theta", "penalty", "y"]
    assert model.named_vars_to_dims["theta"] == ("school",)
    assert theta.type.shape == (None,) and y.type.shape == (3,)
    assert isinstance(mu, Variable) and repr(mu) == "mu ~ Normal(mu=0, sigma=1)"
    assert str(model).splitlines() == [
        "x = Data [school]",
        "mu ~ Normal(mu=0, sigma=1)",
        "tau ~ HalfNormal(sigma=2)",
        "theta = Deterministic [school]",
        "penalty = Potential",
        "y ~ Normal(mu=theta, sigma=1) [school], observed",
    ]


def test_value_variables_have_pymcs_names():
    with pg.Model() as model:
        pg.Normal("a")
        pg.Gamma("b", 1, 1)
        pg.Beta("c", 1, 1)
        pg.Uniform("d", 0, 5)
        pg.HalfFlat("e")
    assert [v.name for v in model.value_vars] == ["a", "b_log__", "c_logodds__", "d_interval__", "e_log__"]
    assert set(model.initial_point()) == {v.name for v in model.value_vars}


def test_dims_give_the_shape_and_are_checked():
    with pg.Model(coords={"row": range(2), "column": ["a", "b", "c"]}) as model:
        assert pg.Normal("x", dims=("row", "column")).type.shape == (2, 3)
        assert pg.Normal("y", np.zeros(3), 1, dims=("row", "column")).type.shape == (2, 3)
        assert pg.Normal("z", shape=(4, 2)).type.shape == (4, 2)
        assert pg.Normal("u", dims=(None, "column"), shape=(5, 3)).type.shape == (5, 3)
    assert model.dim_lengths == {"row": 2, "column": 3}
    assert list(model.coords["column"]) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (
            lambda: pg.Normal("x", dims="nowhere"),
            KeyError,
            "x: dim 'nowhere' is not known; known are 'row', 'column'",
        ),
        (
            lambda: pg.Normal("x", np.zeros(2), 1, dims="column"),
            ValueError,
            r"mu has shape \(2,\).*broadcast to \(3,\)",
        ),
        (
            lambda: pg.Normal("x", shape=2, dims="column"),
            ValueError,
            "x: axis 0 has length 2, dim 'column' has length 3",
        ),
        (
            lambda: pg.Normal("x", 0, 1, dims="column", observed=[1.0, 2.0]),
            ValueError,
            "x: observed: axis 0 has length 2, dim 'column' has length 3",
        ),
        (
            lambda: pg.Deterministic("x", pg.Normal("n", shape=2), dims="column"),
            ValueError,
            "x: axis 0 has length 2, dim 'column' has length 3",
        ),
        (
            lambda: pg.Deterministic("x", pg.Normal("n", shape=2), dims=("row", "column")),
            ValueError,
            r"x: it has shape \(2,\), 1 axes, and dims \('row', 'column'\), 2 names",
        ),
        (lambda: pg.Normal("row"), ValueError, "row is the name of a dim"),
        (lambda: pg.Normal("taken"), ValueError, "Variable name taken already exists"),
        (lambda: pg.Data("taken", 1.0), ValueError, "Variable name taken already exists"),
        (lambda: pg.Deterministic("taken", 1.0), ValueError, "Variable name taken already exists"),
        (lambda: pg.Normal(""), TypeError, "a str that is not empty"),
        (
            lambda: pg.Normal("x", observed=[1.0], initval=2.0),
            TypeError,
            "x: an observed variable has no initval",
        ),
        (
            lambda: pg.Normal("x", np.zeros(3), observed=np.zeros(2)),
            ValueError,
            r"x: observed has shape \(2,\), the parameters of Normal\(mu=<3 constants>\S* sigma=1\) have shape \(3,\)",
        ),
        (lambda: pg.Normal("x", np.zeros(3), observed=1.0), ValueError, r"observed has shape \(\)"),
        (
            lambda: pg.Poisson("x", 2.0, observed=[1, 2, -1]),
            ValueError,
            r"x: observed is -1 at index 2, where Poisson\(mu=2\) has no density; it must be an integer, at least 0",
        ),
        (lambda: pg.Binomial("x", [5, 3], 0.5, observed=[5, 4]), ValueError, "observed is 4 at index 1"),
        (lambda: pg.Normal("x", observed=np.inf), ValueError, "observed is inf, .* must be a finite number"),
        (lambda: pg.Bernoulli("x", 0.5, observed=0.5), ValueError, "observed is 0.5, .* must be 0 or 1"),
        (lambda: pg.Normal("x", observed=["a"]), TypeError, "x: observed holds <U1; it must hold numbers"),
        (
            lambda: pg.Normal("x", observed=[[1], [1, 2]]),
            TypeError,
            "x: observed: the nested lists are ragged",
        ),
        (
            lambda: pg.Normal("x", observed=pg.Normal("n")),
            TypeError,
            "x: observed depends on n, which is not data",
        ),
        (
            lambda: pg.Normal("x", mew=3),
            TypeError,
            r'Normal\("x"\): got an unexpected keyword argument .mew.; it takes mu',
        ),
        (lambda: pg.Normal("x", 0, -1), ValueError, r'Normal\("x"\): sigma is -1; it must be positive'),
        (lambda: pg.modelcontext()["q"], KeyError, "the model has no variable 'q'; it has taken"),
        (
            lambda: pg.Data("x", [1, 2], dims="column"),
            ValueError,
            "x: axis 0 has length 2, dim 'column' has length 3",
        ),
        (lambda: pg.Data("x", {"a": 1}), TypeError, "x holds .*which is not a number"),
    ],
)
def test_errors_name_the_variable_and_what_is_needed(make, error, text):
    with pg.Model(coords={"row": range(2), "column": ["a", "b", "c"]}):
        pg.Normal("taken")
        with pytest.raises(error, match=text):
            make()


@pytest.mark.parametrize(
    ("coords", "error", "text"),
    [
        ({"draw": [1, 2]}, ValueError, "'draw' is the name of a dimension of every result"),
        ({"a": "xyz"}, TypeError, "the labels of 'a' are a sequence"),
        ({"a": [[1, 2]]}, ValueError, "they need one axis"),
        ({"a": None}, ValueError, "dim 'a' needs labels or a length"),
        ({3: [1]}, TypeError, "a dim's name is a str"),
    ],
)
def test_bad_coords(coords, error, text):
    with pytest.raises(error, match=text):
        pg.Model(coords=coords)


def test_coords_added_later():
    model = pg.Model(coords={"a": [1, 2]})
    model.add_coord("b", length=3)
    model.add_coords({"c": ["x"], "a": [1, 2]})
    assert model.dim_lengths == {"a": 2, "b": 3, "c": 1} and model.coords["b"] is None
    with pytest.raises(ValueError, match="dim 'a' exists already, with length 2"):
        model.add_coord("a", [1, 3])
    with pytest.raises(ValueError, match="dim 'd' has 2 labels and was given length 3"):
        model.add_coord("d", [1, 2], length=3)


def test_outside_of_a_model_it_says_what_to_do():
    for make in (
        lambda: pg.Data("x", 1),
        lambda: pg.Deterministic("x", 1.0),
        lambda: pg.Normal("x"),
        pg.sample,
    ):
        with pytest.raises(TypeError, match="No model on context stack"):
            make()
    with pytest.raises(TypeError, match="model is a int; it must be a Model"):
        pg.sample(model=3)


def test_models_nest_and_close_after_an_error():
    with pg.Model() as outer:
        with pg.Model() as inner:
            pg.Normal("x")
        with pytest.raises(RuntimeError), inner:
            raise RuntimeError
        pg.Normal("y")
        assert pg.modelcontext() is outer
    assert list(outer.named_vars) == ["x", "y"] and list(inner.named_vars) == ["x"]
    with pytest.raises(TypeError, match="No model on context stack"):
        pg.modelcontext()


def test_a_thread_does_not_see_the_models_of_another():
    seen = []

    def look():
        try:
            pg.modelcontext()
        except TypeError as error:
            seen.append(str(error))

    with pg.Model():
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    assert len(seen) == 1


def test_data_may_be_exchanged_with_its_lengths():
    with pg.Model(coords={"city": ["Rome", "Oslo"]}) as model:
        x = pg.Data("x", [1, 2], dims="city")
        z = pg.Data("z", [0.5, 1.5, 2.5], dims="place")
        pg.Deterministic("twice", 2 * x)
    assert x.dtype == "int64" and z.dtype == "float64" and model.dim_lengths["place"] == 3
    model.set_data("x", [3, 4])
    np.testing.assert_array_equal(model["twice"].eval(), [6, 8])
    with pytest.raises(ValueError, match="axis 0 of x gets length 3; its dim 'city' has 2 labels. Give new"):
        model.set_data("x", [3, 4, 5])
    np.testing.assert_array_equal(x.get_value(), [3, 4])
    model.set_data("x", [3, 4, 5], coords={"city": list("abc")})
    assert model.dim_lengths["city"] == 3 and list(model.coords["city"]) == list("abc")
    model.set_data("z", [1.0])
    assert model.dim_lengths["place"] == 1
    with model:
        pg.set_data({"x": [1], "z": [2.0, 3.0]}, coords={"city": ["a"]})
    assert x.get_value().shape == (1,)
    with pytest.raises(TypeError, match="set_data: twice is not Data"):
        model.set_data("twice", 1)
    with pytest.raises(TypeError, match="Wrong number of dimensions: expected 1, got 2"):
        model.set_data("x", [[1]])
    with pytest.raises(TypeError, match="int64"):
        model.set_data("x", [1.5])
    with pytest.raises(ValueError, match="x has no dim 'place'"):
        model.set_data("x", [1], coords={"place": [1]})


def test_a_free_variable_may_take_its_shape_from_data():
    with pg.Model():
        x = pg.Data("x", np.arange(4.0))
        slope = pg.Normal("slope")
        assert pg.Normal("f", slope * x, 1).type.shape == (4,)


class TestObserved:
    def test_any_form_of_numbers(self):
        pandas = pytest.importorskip("pandas")
        forms = [[1, 0, 1], (1.0, 0.0, 1.0), np.array([1, 0, 1], "int8"), np.array([True, False, True])]
        forms += [pandas.Series([1, 0, 1], index=[5, 6, 7]), pandas.Series([1, 0, 1], dtype=object)]
        for observed in forms:
            with pg.Model() as model:
                pg.Bernoulli("y", 0.25, observed=observed)
                pg.Normal("x")
            assert model.point_logps({"x": 0.0}, round_vals=None)["y"] == pytest.approx(
                2 * np.log(0.25) + np.log(0.75)
            )

    def test_a_table(self):
        pandas = pytest.importorskip("pandas")
        with pg.Model() as model:
            y = pg.Normal("y", 0, 1, observed=pandas.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}))
        assert y.type.shape == (2, 2)
        np.testing.assert_array_equal(model["y"].eval(), [[1, 3], [2, 4]])

    def test_later_changes_of_the_array_are_not_seen(self):
        array = np.array([1.0, 2.0])
        with pg.Model() as model:
            pg.Normal("y", 0, 1, observed=array)
        array[0] = 100.0
        np.testing.assert_array_equal(model["y"].eval(), [1.0, 2.0])

    def test_empty(self):
        with pg.Model() as model:
            mu = pg.Normal("mu")
            pg.Normal("y", mu, 1, observed=np.zeros(0))
        assert model.point_logps({"mu": 0.0})["y"] == 0.0
