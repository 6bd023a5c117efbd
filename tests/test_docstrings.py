"""The examples in the docstrings of the modelling floors run, and give what they say."""

from __future__ import annotations

import doctest
import importlib

import numpy as np
import pytest

import probgraph as pg

MODULES = [
    "probgraph.distributions.base",
    "probgraph.distributions.real_line",
    "probgraph.distributions.half_line",
    "probgraph.distributions.bounded",
    "probgraph.distributions.extremes",
    "probgraph.distributions.discrete",
    "probgraph.distributions.gaussian_vectors",
    "probgraph.distributions.simplexes",
    "probgraph.distributions.count_vectors",
    "probgraph.distributions.correlations",
    "probgraph.distributions.matrices",
    "probgraph.distributions.kronecker",
    "probgraph.distributions.areas",
    "probgraph.distributions.counts",
    "probgraph.distributions.categorical",
    "probgraph.distributions.zero_inflated",
    "probgraph.distributions.mixtures",
    "probgraph.distributions.points",
    "probgraph.distributions.radial",
    "probgraph.distributions.truncated_normal",
    "probgraph.distributions.truncated",
    "probgraph.distributions.censored",
    "probgraph.distributions.custom",
    "probgraph.distributions.random_walks",
    "probgraph.distributions.autoregressions",
    "probgraph.distributions.drawing",
    "probgraph.distributions.probabilities",
    "probgraph.arviz_names",
    "probgraph.cross_validation",
    "probgraph.diagnostics",
    "probgraph.log_likelihood",
    "probgraph.interventions",
    "probgraph.approximations",
    "probgraph.map",
    "probgraph.minimizing",
    "probgraph.marginal",
    "probgraph.model.checks",
    "probgraph.model.data",
    "probgraph.model.deterministic",
    "probgraph.model.model",
    "probgraph.predictive",
    "probgraph.sampling",
]


@pytest.mark.filterwarnings("ignore:::arviz")  # its words about few draws
@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    module = importlib.import_module(name)
    names = {n: getattr(pg, n) for n in pg.__all__} | {"np": np}
    with pg.Model() as model:
        mu = pg.Normal("mu")
        pg.Deterministic("twice", 2 * mu)
        pg.Normal("y", mu, 1, observed=[1.0])
        names |= {"model": model, "idata": pg.sample(40, tune=20, chains=1, random_seed=1, progressbar=False)}
    finder = doctest.DocTestFinder(exclude_empty=True)
    tests = [t for t in finder.find(module, globs=names | vars(module)) if t.examples]
    assert tests, name
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    for test in tests:
        runner.run(test)
    assert runner.failures == 0
