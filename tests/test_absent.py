"""Names that PyMC has: here, or an error that says what to use."""

from __future__ import annotations

import pytest

import probgraph as pm
from probgraph.absent import INSTEAD

#: PyMC 6's names for users: what a script may write after `pm.`
NAMES = [
    "AR",
    "AsymmetricLaplace",
    "Bernoulli",
    "Beta",
    "BetaBinomial",
    "BinaryGibbsMetropolis",
    "BinaryMetropolis",
    "Binomial",
    "CAR",
    "CategoricalGibbsMetropolis",
    "Categorical",
    "Cauchy",
    "CauchyProposal",
    "Censored",
    "ChiSquared",
    "CompoundStep",
    "CustomDist",
    "DEMetropolis",
    "DEMetropolisZ",
    "Data",
    "DensityDist",
    "Deterministic",
    "DiracDelta",
    "Dirichlet",
    "DirichletMultinomial",
    "DiscreteUniform",
    "DiscreteWeibull",
    "EulerMaruyama",
    "ExGaussian",
    "Exponential",
    "Flat",
    "GARCH11",
    "Gamma",
    "GaussianRandomWalk",
    "Geometric",
    "Gumbel",
    "HalfCauchy",
    "HalfFlat",
    "HalfNormal",
    "HalfStudentT",
    "HamiltonianMC",
    "HurdleGamma",
    "HurdleLogNormal",
    "HurdleNegativeBinomial",
    "HurdlePoisson",
    "HyperGeometric",
    "ICAR",
    "Interpolated",
    "InverseGamma",
    "KroneckerNormal",
    "Kumaraswamy",
    "LKJCholeskyCov",
    "LKJCorr",
    "Laplace",
    "LaplaceProposal",
    "LogNormal",
    "Logistic",
    "LogitNormal",
    "Lognormal",
    "MatrixNormal",
    "Metropolis",
    "Minibatch",
    "Mixture",
    "Model",
    "Moyal",
    "Multinomial",
    "MvGaussianRandomWalk",
    "MvNormal",
    "MvStudentT",
    "MvStudentTRandomWalk",
    "NUTS",
    "NegativeBinomial",
    "Normal",
    "NormalMixture",
    "NormalProposal",
    "OrderedLogistic",
    "OrderedProbit",
    "Pareto",
    "Poisson",
    "Potential",
    "RandomWalk",
    "Rice",
    "SkewNormal",
    "Slice",
    "StickBreakingWeights",
    "StudentT",
    "Triangular",
    "Truncated",
    "TruncatedNormal",
    "Uniform",
    "UniformProposal",
    "VonMises",
    "Wald",
    "Weibull",
    "Wishart",
    "ZeroInflatedBinomial",
    "ZeroInflatedNegativeBinomial",
    "ZeroInflatedPoisson",
    "ZeroSumNormal",
    "adadelta",
    "adagrad",
    "adam",
    "adamax",
    "apply_momentum",
    "compute_deterministics",
    "compute_log_likelihood",
    "compute_log_prior",
    "do",
    "draw",
    "ess",
    "find_MAP",
    "fit",
    "hdi",
    "icdf",
    "logcdf",
    "logp",
    "loo",
    "math",
    "mcse",
    "model_to_graphviz",
    "modelcontext",
    "momentum",
    "nesterov_momentum",
    "norm_constraint",
    "observe",
    "plot_trace",
    "rhat",
    "rmsprop",
    "sample",
    "sample_posterior_predictive",
    "sample_prior_predictive",
    "sample_smc",
    "set_data",
    "sgd",
    "summary",
    "total_norm_constraint",
]


#: dir(pymc) of PyMC 6.4
ALL = """
    ADVI AR ASVGD AsymmetricLaplace BaseModel Bernoulli Beta BetaBinomial BinaryGibbsMetropolis
    BinaryMetropolis Binomial CAR Categorical CategoricalGibbsMetropolis Cauchy Censored ChiSquared Continuous
    CustomDist DEMetropolis DEMetropolisZ Data DensityDist Deterministic DiracDelta Dirichlet
    DirichletMultinomial Discrete DiscreteUniform DiscreteWeibull Distribution Empirical EulerMaruyama
    ExGaussian Exponential Flat FrozenModel FullRank FullRankADVI GARCH11 Gamma GaussianRandomWalk Geometric
    Group Gumbel HalfCauchy HalfFlat HalfNormal HalfStudentT HamiltonianMC HurdleGamma HurdleLogNormal
    HurdleNegativeBinomial HurdlePoisson HyperGeometric ICAR Interpolated InverseGamma KroneckerNormal
    Kumaraswamy LKJCholeskyCov LKJCorr Laplace LogNormal Logistic LogitNormal Lognormal MatrixNormal MeanField
    Metropolis Minibatch Mixture Model Moyal Multinomial MvGaussianRandomWalk MvNormal MvStudentT
    MvStudentTRandomWalk NUTS NegativeBinomial Normal NormalMixture OrderedLogistic OrderedMultinomial
    OrderedProbit Pareto Point Poisson PolyaGamma Potential RandomWalk Rice SVGD Simulator SkewNormal
    SkewStudentT Slice StickBreakingWeights StudentT SymbolicRandomVariable Triangular Truncated
    TruncatedNormal Uniform VonMises Wald Weibull Wishart WishartBartlett ZeroInflatedBinomial
    ZeroInflatedNegativeBinomial ZeroInflatedPoisson ZeroSumNormal adadelta adagrad adagrad_window adam adamax
    apply_momentum apply_nesterov_momentum backends blocking compile compile_fn
    compile_forward_sampling_function compute_deterministics compute_log_likelihood data distributions do draw
    exceptions find_MAP find_constrained_prior find_hessian fit func_utils get_data gp icdf init_nuts
    initial_point logccdf logcdf logp logprob math model model_graph model_to_graphviz model_to_mermaid
    model_to_networkx modelcontext momentum nesterov_momentum norm_constraint observe ode plots
    predictions_to_inference_data progress_bar pytensorf rmsprop sample sample_approx
    sample_posterior_predictive sample_prior_predictive sample_smc sampling set_data sgd smc stats
    step_methods to_inference_data total_norm_constraint tuning util variational vartypes
    vectorize_over_posterior
""".split()  # noqa: SIM905


def test_every_name_of_pymcs_is_here_or_says_what_to_use():
    said = [name for name in ALL if not hasattr(pm, name)]
    assert not [name for name in said if name not in INSTEAD]


@pytest.mark.parametrize("name", NAMES)
def test_it_is_here(name):
    assert getattr(pm, name) is not None


@pytest.mark.parametrize("name", INSTEAD)
def test_it_is_not_here_and_says_what_to_use(name):
    assert not hasattr(pm, name)
    with pytest.raises(NotImplementedError, match=f"probgraph has no {name}: use ") as error:
        getattr(pm, name)
    assert INSTEAD[name] in str(error.value)


def test_other_names_are_plain_errors():
    with pytest.raises(AttributeError, match="module 'probgraph' has no attribute 'Nonsense'"):
        pm.Nonsense  # noqa: B018


def test_arguments_that_change_nothing_are_taken_and_others_are_not(recwarn):
    with pm.Model():
        pm.Normal("x")
        quick = {"progressbar": False, "random_seed": 1, "compute_convergence_checks": False}
        pm.sample(5, tune=5, chains=1, nuts_sampler="nutpie", mp_ctx="spawn", blas_cores=1, **quick)
        pm.sample_smc(20, chains=1, cores=1, **quick)
        assert not recwarn.list  # five draws would be told to be few
        with pytest.raises(TypeError, match=r"sample\(\) got an unexpected keyword argument 'drwas'"):
            pm.sample(drwas=5)
        with pytest.raises(TypeError, match=r"sample_smc\(\) got an unexpected keyword argument 'kernels'"):
            pm.sample_smc(kernels=5)
