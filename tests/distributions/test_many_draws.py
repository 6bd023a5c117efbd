"""Draws for many parameters at once: for each class, draws for the same parameters, and for different ones, are as
those made one by one."""

from __future__ import annotations

import distribution_table
import event_table
import numpy as np
import pytest
import scipy.stats as st

import probgraph as pm
from probgraph.distributions.many_draws import draw_for_each
from probgraph.engine.graph import FunctionGraph, Variable
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.types import TensorType

TABLES = (distribution_table, event_table)
IMPROPER = ("Flat", "HalfFlat")
CLASSES = [
    (cls, table.TABLE[cls.__name__])
    for table in TABLES
    for cls in table.CLASSES
    if cls.__name__ not in IMPROPER
]


def of_roots(make, params):
    """A distribution of unknown parameters, and a function to the values of its own ones."""
    roots = {name: Variable(TensorType("float64", np.shape(value)), name) for name, value in params.items()}
    d = make(**roots)
    run = numpy_function(FunctionGraph(list(roots.values()), list(d.parameters.values())))

    def values(**given):
        found = run([np.asarray(given[name], "float64") for name in roots])
        return dict(zip(d.parameters, map(np.asarray, found), strict=True))

    return d, values


@pytest.mark.parametrize(("cls", "row"), CLASSES, ids=[cls.__name__ for cls, _ in CLASSES])
def test_shapes_are_those_of_one_by_one(cls, row):
    options, params = getattr(row, "options", {}), row.params[0]
    d, values = of_roots(
        lambda **p: cls.dist(**options, **p), {k: v for k, v in params.items() if k not in options}
    )
    one = values(**params)
    many = {k: np.stack([v] * 4) if v.ndim == d.parameters[k].ndim else v for k, v in one.items()}
    got = draw_for_each(d, np.random.default_rng(0), many, 4)
    assert got.shape == (4, *d.draw_given(np.random.default_rng(0), one).shape)


BATCHED = {
    "a number beside a batch": (lambda m: pm.Normal.dist(m, np.ones(3)), (3,)),
    "Truncated": (lambda m: pm.Truncated.dist(pm.Normal.dist(m, np.ones(3)), lower=m - 9.0), (3,)),
    "Censored": (lambda m: pm.Censored.dist(pm.Normal.dist(m, 1.0, shape=3), upper=m + 9.0), (3,)),
    "Mixture, an axis": (lambda m: pm.Mixture.dist([0.5, 0.5], pm.Normal.dist(m, np.ones((3, 2)))), (3,)),
    "Mixture, a list": (lambda m: pm.Mixture.dist([0.5, 0.5], [pm.Normal.dist(m, np.ones(3))] * 2), (3,)),
    "NormalMixture": (lambda m: pm.NormalMixture.dist(np.full((3, 2), 0.5), m + np.zeros(2), 1.0), (3,)),
    "vectors": (lambda m: pm.MvNormal.dist(m + np.zeros((3, 2)), np.eye(2)), (3, 2)),
    "AR": (
        lambda m: pm.AR.dist([0.0], init_dist=pm.Normal.dist(m, 1.0, shape=1), steps=2, constant=False),
        (3,),
    ),
    "a walk": (
        lambda m: pm.RandomWalk.dist(pm.Normal.dist(m, 1.0), pm.Normal.dist(0.0 * m, 1e-9), steps=2),
        (3,),
    ),
    "EulerMaruyama": (
        lambda m: pm.EulerMaruyama.dist(
            1.0, lambda x, m: (m - x, 1.0), (m,), init_dist=pm.Normal.dist(m, 1.0), steps=2
        ),
        (3,),
    ),
}


@pytest.mark.parametrize("name", BATCHED)
def test_each_draw_has_its_own_parameters(name):
    """Of normal distributions around 0, 1000, 2000, ...: deviations are standard normal wherever they are."""
    make, shape = BATCHED[name]
    d, values = of_roots(make, {"m": 0.0})
    centres = 1000.0 * np.arange(400)
    each = [values(m=c) for c in centres]
    fixed = {k for k in each[0] if all(np.array_equal(each[0][k], e[k]) for e in each)}
    many = {k: each[0][k] if k in fixed else np.stack([e[k] for e in each]) for k in each[0]}
    drawn = draw_for_each(d, np.random.default_rng(1), many, len(centres))
    assert drawn.shape == (400, *shape)
    deviations = drawn - centres.reshape(-1, *(1,) * len(shape))
    if name in ("AR",):
        deviations = deviations[:, :1]
    if name == "a walk":
        deviations = deviations[:, 2:]
    assert st.kstest(deviations.ravel(), "norm").pvalue > 1e-3
    if name not in ("AR", "a walk", "EulerMaruyama"):
        flat = deviations.reshape(400, -1)
        assert abs(np.corrcoef(flat.T) - np.eye(flat.shape[1])).max() < 0.2


def test_many_draws_of_a_graph_are_one_call_for_each_variable(monkeypatch):
    calls = []

    class Counted(pm.Normal):
        def draw(self, rng, size, mu, sigma):
            calls.append(size)
            return super().draw(rng, size, mu, sigma)

    with pm.Model():
        mu = Counted("mu", 0.0, 1.0)
        y = Counted("y", mu, 1e-3, shape=3)
        z = pm.Categorical("z", p=[0.2, 0.3, 0.5], shape=2)
        chosen = y[z]
    wanted = [mu, y, z, chosen, Counted.dist(y, 1e-3), pm.math.exp(2.0)]
    drawn = pm.draw(wanted, 5000, random_seed=1)
    assert calls == [(5000,), (5000, 3), (5000, 3)]
    assert [a.shape for a in drawn] == [(5000,), (5000, 3), (5000, 2), (5000, 2), (5000, 3), (5000,)]
    np.testing.assert_allclose(drawn[1], drawn[0][:, None] * np.ones(3), atol=0.01)
    np.testing.assert_array_equal(drawn[3], np.take_along_axis(drawn[1], drawn[2], 1))
    np.testing.assert_allclose(drawn[4], drawn[1], atol=0.01)
    assert st.kstest(drawn[0], "norm").pvalue > 1e-3
    np.testing.assert_allclose(np.bincount(drawn[2].ravel()) / 10_000, [0.2, 0.3, 0.5], atol=0.02)
    calls.clear()
    monkeypatch.setattr("probgraph.distributions.drawing.CHUNK", 14 * 200)
    parts = pm.draw(wanted, 500, random_seed=1)
    assert [a.shape for a in parts] == [(500,), (500, 3), (500, 2), (500, 2), (500, 3), (500,)]
    assert max(n[0] for n in calls) <= 250 and len(np.unique(parts[0])) == 500
