"""Distributions: plain objects with a support, a log density as a graph, and draws as arrays.

Read `base.py` first, then `continuous.py`. A support is a constraint (`constraints.py`) and brings the bijection
to the real line with it (`transforms.py`).
"""

# ruff: noqa: F403  a new class is offered by standing in its file

from probgraph.distributions import continuous, discrete, transforms
from probgraph.distributions.base import Distribution
from probgraph.distributions.continuous import *
from probgraph.distributions.discrete import *
from probgraph.distributions.drawing import draw
from probgraph.distributions.probabilities import icdf, logccdf, logcdf, logp
from probgraph.distributions.random_variable import RandomVariable

__all__ = [
    *continuous.__all__,
    *discrete.__all__,
    "Distribution",
    "RandomVariable",
    "draw",
    "icdf",
    "logccdf",
    "logcdf",
    "logp",
    "transforms",
]
