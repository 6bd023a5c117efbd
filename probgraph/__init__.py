"""probgraph: Bayesian models on a symbolic tensor compiler of their own.

>>> import probgraph as pg
>>> with pg.Model():
...     mu = pg.Normal("mu", 0, 1)
...     pg.Normal("y", mu, 1, observed=[0.3, -0.1, 0.8])
...     idata = pg.sample()

The engine alone, in the manner of Theano: `import probgraph.engine as theano`.
"""

from typing import Any

# ruff: noqa: F403  whatever distributions and update rules there are
from probgraph import distributions, math, updates
from probgraph.absent import refuse
from probgraph.approximations import Approximation, fit, fit_laplace, fit_pathfinder
from probgraph.arviz_names import from_arviz, is_arvizs
from probgraph.cross_validation import loo_in_chunks, waic_in_chunks
from probgraph.distributions import *
from probgraph.engine.minibatch import Minibatch
from probgraph.interventions import do, observe
from probgraph.log_likelihood import compute_deterministics, compute_log_likelihood, compute_log_prior
from probgraph.map import MAP, find_MAP
from probgraph.marginal import marginalize, recover_marginals
from probgraph.minimizing import Minimum, minimize
from probgraph.model import (
    ConstantData,
    Data,
    Deterministic,
    Model,
    MutableData,
    Potential,
    model_to_graphviz,
    model_to_mermaid,
    modelcontext,
    set_data,
)
from probgraph.predictive import sample_posterior_predictive, sample_prior_predictive
from probgraph.sampling import sample
from probgraph.smc import sample_smc
from probgraph.step_methods import (
    BinaryGibbsMetropolis,
    BinaryMetropolis,
    CategoricalGibbsMetropolis,
    CauchyProposal,
    CompoundStep,
    DEMetropolis,
    DEMetropolisZ,
    LaplaceProposal,
    Metropolis,
    NormalProposal,
    Slice,
    UniformProposal,
)
from probgraph.steps import MALA, NUTS, WALNUTS, HamiltonianMC
from probgraph.updates import *

DensityDist = distributions.CustomDist
Lognormal = distributions.LogNormal

__all__ = [
    *distributions.__all__,
    *updates.__all__,
    "MALA",
    "MAP",
    "NUTS",
    "WALNUTS",
    "BinaryGibbsMetropolis",
    "BinaryMetropolis",
    "CategoricalGibbsMetropolis",
    "CauchyProposal",
    "CompoundStep",
    "ConstantData",
    "DEMetropolis",
    "DEMetropolisZ",
    "Data",
    "Deterministic",
    "HamiltonianMC",
    "LaplaceProposal",
    "Metropolis",
    "Model",
    "NormalProposal",
    "MutableData",
    "Potential",
    "Slice",
    "UniformProposal",
    "compute_deterministics",
    "compute_log_likelihood",
    "compute_log_prior",
    "do",
    "Approximation",
    "find_MAP",
    "loo_in_chunks",
    "fit",
    "fit_laplace",
    "fit_pathfinder",
    "Minibatch",
    "Minimum",
    "marginalize",
    "math",
    "minimize",
    "model_to_graphviz",
    "model_to_mermaid",
    "modelcontext",
    "observe",
    "recover_marginals",
    "sample",
    "sample_posterior_predictive",
    "sample_prior_predictive",
    "sample_smc",
    "set_data",
    "waic_in_chunks",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        import importlib.metadata as metadata  # late: a tenth of the time to import all else

        try:
            return metadata.version("probgraph")
        except metadata.PackageNotFoundError:  # run from a checkout that was not installed
            return "not installed"
    if is_arvizs(name):
        return from_arviz(name)
    refuse(name)
    raise AttributeError(f"module 'probgraph' has no attribute {name!r}")
