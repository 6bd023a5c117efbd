"""probgraph: Bayesian models on a symbolic tensor compiler of their own.

>>> import probgraph as pg
>>> with pg.Model():
...     mu = pg.Normal("mu", 0, 1)
...     pg.Normal("y", mu, 1, observed=[0.3, -0.1, 0.8])
...     idata = pg.sample()

The engine alone, in the manner of Theano: `import probgraph.engine as theano`.
"""

from importlib.metadata import PackageNotFoundError, version

from probgraph import math
from probgraph.distributions import (
    Bernoulli,
    Beta,
    Binomial,
    Cauchy,
    Distribution,
    Exponential,
    Flat,
    Gamma,
    HalfCauchy,
    HalfFlat,
    HalfNormal,
    LogNormal,
    Normal,
    Poisson,
    RandomVariable,
    StudentT,
    Uniform,
    draw,
    logp,
)
from probgraph.log_likelihood import compute_log_likelihood
from probgraph.map import MAP, find_MAP
from probgraph.model import Data, Deterministic, Model, Potential, modelcontext, set_data
from probgraph.sampling import sample

try:
    __version__ = version("probgraph")
except PackageNotFoundError:  # run from a checkout that was not installed
    __version__ = "not installed"

__all__ = [
    "MAP",
    "Bernoulli",
    "Beta",
    "Binomial",
    "Cauchy",
    "Data",
    "Deterministic",
    "Distribution",
    "Exponential",
    "Flat",
    "Gamma",
    "HalfCauchy",
    "HalfFlat",
    "HalfNormal",
    "LogNormal",
    "Model",
    "Normal",
    "Poisson",
    "Potential",
    "RandomVariable",
    "StudentT",
    "Uniform",
    "compute_log_likelihood",
    "draw",
    "find_MAP",
    "logp",
    "math",
    "modelcontext",
    "sample",
    "set_data",
]
