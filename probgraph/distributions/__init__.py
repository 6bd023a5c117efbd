"""Distributions: plain objects with a support, a log density as a graph, and draws as arrays.

Read `base.py` first, then `continuous.py`. A support is a constraint (`constraints.py`) and brings the bijection
to the real line with it (`transforms.py`).
"""

from probgraph.distributions.base import Distribution
from probgraph.distributions.continuous import (
    Beta,
    Cauchy,
    Exponential,
    Flat,
    Gamma,
    HalfCauchy,
    HalfFlat,
    HalfNormal,
    LogNormal,
    Normal,
    StudentT,
    Uniform,
)
from probgraph.distributions.discrete import Bernoulli, Binomial, Poisson
from probgraph.distributions.drawing import draw, logp
from probgraph.distributions.random_variable import RandomVariable

__all__ = [
    "Bernoulli",
    "Beta",
    "Binomial",
    "Cauchy",
    "Distribution",
    "Exponential",
    "Flat",
    "Gamma",
    "HalfCauchy",
    "HalfFlat",
    "HalfNormal",
    "LogNormal",
    "Normal",
    "Poisson",
    "RandomVariable",
    "StudentT",
    "Uniform",
    "draw",
    "logp",
]
