"""Distributions: plain objects with a support, a log density as a graph, and draws as arrays.

Read `base.py` first, then `real_line.py`. A support is a constraint (`constraints.py`) and brings the bijection
to the real line with it (`transforms.py`).
"""

# ruff: noqa: F403  a new class is offered by standing in its file

from probgraph.distributions import (
    areas,
    autoregressions,
    bounded,
    categorical,
    censored,
    correlations,
    count_vectors,
    counts,
    custom,
    discrete,
    extremes,
    gaussian_vectors,
    half_line,
    kronecker,
    matrices,
    mixtures,
    points,
    radial,
    random_walks,
    real_line,
    simplexes,
    transforms,
    truncated,
    truncated_normal,
    zero_inflated,
)
from probgraph.distributions.areas import *
from probgraph.distributions.autoregressions import *
from probgraph.distributions.base import Distribution
from probgraph.distributions.bounded import *
from probgraph.distributions.categorical import *
from probgraph.distributions.censored import *
from probgraph.distributions.correlations import *
from probgraph.distributions.count_vectors import *
from probgraph.distributions.counts import *
from probgraph.distributions.custom import *
from probgraph.distributions.discrete import *
from probgraph.distributions.drawing import draw
from probgraph.distributions.extremes import *
from probgraph.distributions.gaussian_vectors import *
from probgraph.distributions.half_line import *
from probgraph.distributions.kronecker import *
from probgraph.distributions.matrices import *
from probgraph.distributions.mixtures import *
from probgraph.distributions.points import *
from probgraph.distributions.probabilities import icdf, logccdf, logcdf, logp
from probgraph.distributions.radial import *
from probgraph.distributions.random_variable import RandomVariable
from probgraph.distributions.random_walks import *
from probgraph.distributions.real_line import *
from probgraph.distributions.simplexes import *
from probgraph.distributions.truncated import *
from probgraph.distributions.truncated_normal import *
from probgraph.distributions.zero_inflated import *

__all__ = [
    *real_line.__all__,
    *half_line.__all__,
    *bounded.__all__,
    *extremes.__all__,
    *discrete.__all__,
    *gaussian_vectors.__all__,
    *simplexes.__all__,
    *count_vectors.__all__,
    *correlations.__all__,
    *matrices.__all__,
    *kronecker.__all__,
    *areas.__all__,
    *counts.__all__,
    *categorical.__all__,
    *zero_inflated.__all__,
    *mixtures.__all__,
    *truncated.__all__,
    *censored.__all__,
    *custom.__all__,
    *points.__all__,
    *radial.__all__,
    *truncated_normal.__all__,
    *random_walks.__all__,
    *autoregressions.__all__,
    "Distribution",
    "RandomVariable",
    "draw",
    "icdf",
    "logccdf",
    "logcdf",
    "logp",
    "transforms",
]
