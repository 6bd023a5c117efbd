"""What PyMC has under `pm.` and probgraph has not: each name with what to use instead, so that a script that asks for it
says what to change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class AbsentError(AttributeError, NotImplementedError):
    """A name of PyMC's that is not here; `hasattr` is False."""


_FIT = 'fit(method="advi") or fit(method="fullrank_advi")'

INSTEAD = {
    "ADVI": _FIT,
    "FullRankADVI": _FIT,
    "MeanField": _FIT,
    "FullRank": _FIT,
    "Group": _FIT,
    "SVGD": f"sample_smc(), fit_pathfinder(), or {_FIT}",
    "ASVGD": f"sample_smc(), fit_pathfinder(), or {_FIT}",
    "Empirical": "the draws of sample() themselves",
    "sample_approx": "approximation.sample(draws)",
    "BART": "MvNormal with a covariance function, or splines as predictors",
    "OrderedMultinomial": "Multinomial with p = the differences of sigmoid(cutpoints - eta)",
    "BaseModel": "Model",
    "FrozenModel": "Model",
    "Continuous": "Distribution",
    "Discrete": "Distribution",
    "SymbolicRandomVariable": "CustomDist(dist=...)",
    "adagrad_window": "adagrad",
    "backends": "sample(store=...), which keeps draws in files as they come",
    "compile": "probgraph.engine.function(inputs, outputs)",
    "compile_fn": "model.compile_fn(outputs), or probgraph.engine.function(inputs, outputs)",
    "compile_forward_sampling_function": "sample_posterior_predictive(sample_vars=...)",
    "data": "Data, and pandas.read_csv of a file of one's own",
    "exceptions": "Python's own, ValueError, TypeError, KeyError, NotImplementedError",
    "func_utils": "scipy.optimize on .dist(...).logcdf(x).eval()",
    "initial_point": "model.initial_point()",
    "logprob": "logp, logcdf, logccdf, icdf here",
    "model_graph": "model_to_graphviz, model_to_mermaid here",
    "model_to_networkx": "model_to_graphviz(), model_to_mermaid() or model.table()",
    "progress_bar": "progressbar= of sample()",
    "pytensorf": "probgraph.engine and probgraph.engine.tensor",
    "tuning": "find_MAP here, and sample(init=...)",
    "util": "the functions here; results need no conversion",
    "vartypes": "numpy's dtypes: variable.dtype",
    "Point": "a dict of values by name, as model.initial_point() gives it",
    "PolyaGamma": "the likelihood itself, Bernoulli(logit_p=...), which needs no augmentation with NUTS",
    "Simulator": "sample_smc() with a likelihood as CustomDist(logp=...)",
    "SkewStudentT": "CustomDist(logp=..., random=...)",
    "WishartBartlett": "LKJCholeskyCov, which is a prior for covariances in any case",
    "blocking": "model.value_vars and model.initial_point()",
    "find_constrained_prior": "scipy.optimize on .dist(...).logcdf(x).eval()",
    "find_hessian": "model.compile_d2logp()",
    "get_data": "pandas.read_csv of a file of one's own",
    "gp": "MvNormal with a covariance of one's own, e.g. exp(-distances**2 / (2 * scale**2)), and chol= for many points",
    "init_nuts": "sample(init=...)",
    "ode": "scan over steps of time, with gradients",
    "plots": "plot_trace, plot_forest ... here, which are ArviZ's",
    "predictions_to_inference_data": "sample_posterior_predictive(predictions=True)",
    "sampling_jax": "sample(), which is compiled",
    "stats": "summary, ess, rhat, loo, compare here, which are ArviZ's",
    "to_inference_data": "the result of sample(), which is ArviZ's object",
    "variational": _FIT,
    "vectorize_over_posterior": "compute_deterministics",
}


def refuse(name: str) -> None:
    """AbsentError for a name that PyMC has and probgraph has not."""
    if name in INSTEAD:
        raise AbsentError(f"probgraph has no {name}: use {INSTEAD[name]}")


#: arguments of PyMC's that say how it computes: nothing here depends on them, for there is one compiled way
WITHOUT_EFFECT = (
    "backend",
    "blas_cores",
    "compile_kwargs",
    "keep_warning_stat",
    "mp_ctx",
    "n_init",
    "nuts_sampler",
    "nuts_sampler_kwargs",
    "progressbar_theme",
    "quiet",
)


def take(who: str, given: Iterable[str], more: Sequence[str] = ()) -> None:
    """TypeError for arguments that are not `WITHOUT_EFFECT`, nor in `more`."""
    for name in given:
        if name not in WITHOUT_EFFECT and name not in more:
            raise TypeError(f"{who}() got an unexpected keyword argument {name!r}")


__all__ = ["INSTEAD", "WITHOUT_EFFECT", "AbsentError", "refuse", "take"]
