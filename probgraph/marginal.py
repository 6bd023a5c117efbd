"""Discrete unknowns: summed out of a model before sampling, and drawn again from the result."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from probgraph.distributions.random_variable import RandomVariable
from probgraph.engine.graph import Variable
from probgraph.inference_data import build
from probgraph.model.model import Model, the_model
from probgraph.predictive import of_draws
from probgraph.results import posterior_draws
from probgraph.samplers import generator

Names = str | RandomVariable | Sequence[str | RandomVariable]


def marginalize(model: Model, rvs_to_marginalize: Names) -> Model:
    """A model with discrete variables summed out, exactly: what is left has gradients.

    Bernoulli, Categorical, DiscreteUniform and other variables with finitely many values; of arrays, where each element
    meets one element of what depends on it: indices into mixtures, zeros of counts. `sample` does this by itself.

    Raises NotImplementedError, saying why, where it cannot be, and ValueError for what is no free variable.

    >>> with Model() as model:
    ...     z = Bernoulli("z", 0.3)
    ...     y = Normal("y", z, 1.0, observed=0.5)
    ...     x = Normal("x", z, 1.0)
    >>> [v.name for v in marginalize(model, ["z"]).free_RVs]
    ['x']
    """
    given = (
        [rvs_to_marginalize] if isinstance(rvs_to_marginalize, str | Variable) else list(rvs_to_marginalize)
    )
    return model.marginalized([v if isinstance(v, str) else v.name or "" for v in given])


def recover_marginals(
    idata: Any,
    *,
    model: Model | None = None,
    var_names: Sequence[str] | None = None,
    return_samples: bool = True,
    extend_inferencedata: bool = True,
    random_seed: Any = None,
) -> Any:
    """Draws of the variables that were summed out, and of the Deterministics that depend on them, given each draw.

    Adds to `idata.posterior` each variable (chain, draw, \\*shape), and `lp_` and its name, the log probability of each
    of its values (chain, draw, \\*shape, values); without `extend_inferencedata` returns them as a dataset. Draws are
    left out without `return_samples`.

    >>> with Model() as model:
    ...     z = Bernoulli("z", 0.3)
    ...     x = Normal("x", z, 1.0)
    >>> with marginalize(model, "z"):
    ...     recover_marginals({"x": np.zeros((1, 5))}, extend_inferencedata=False)["z"].shape
    (1, 5)
    """
    who = "recover_marginals"
    model = the_model(model, f"{who}()")
    if not model.marginals:
        raise ValueError(f"{who}: nothing was summed out of the model; see marginalize()")
    draws, chains = posterior_draws(who, idata)
    shape = next(iter(draws.values())).shape[:2]
    arrays = recovered(model, draws, generator(random_seed))
    chosen = set(var_names or [f.name for f in model.marginals] + [d.name for d in model.behind_marginals])
    kept = {n: a for n, a in arrays.items() if n.removeprefix("lp_") in chosen}
    if not return_samples:
        kept = {n: a for n, a in kept.items() if n.startswith("lp_")}
    assert all(a.shape[:2] == shape for a in kept.values())
    group = build({"posterior": kept}, model.named_vars_to_dims, {**model.coords, "chain": chains})[
        "posterior"
    ]
    new = group.to_dataset() if hasattr(group, "subtree") else group
    if not extend_inferencedata:
        return new
    return with_variables(idata, new)


def with_variables(idata: Any, new: Any) -> Any:
    """`idata` with more variables in its posterior."""
    return _with_posterior(idata, _dataset(idata).assign(new.data_vars))


def recovered(model: Model, draws: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """What was summed out, drawn again, as arrays (chain, draw, ...): the last first, for those before need it."""
    chains, count = next(iter(draws.values())).shape[:2]
    flat = {n: a.reshape(chains * count, *a.shape[2:]) for n, a in draws.items()}
    _, eliminated = model.parts_and_eliminated()
    results: dict[str, np.ndarray] = {}
    known: list[Variable] = list(model.free_RVs)
    for one in reversed(eliminated):
        (weights,) = of_draws([one.weights], known, flat)
        weights = np.moveaxis(weights, 1, -1)
        top = weights.max(axis=-1, keepdims=True)
        mass = np.exp(weights - top)
        total = np.cumsum(mass, axis=-1)
        chosen = (rng.random((*weights.shape[:-1], 1)) * total[..., -1:] >= total).sum(-1)
        flat[one.name] = one.values[np.minimum(chosen, len(one.values) - 1)]
        results[one.name] = flat[one.name]
        results[f"lp_{one.name}"] = weights - top - np.log(total[..., -1:])
        known.append(one.variable.variable)
    if model.behind_marginals:
        names = [d.name or "" for d in model.behind_marginals]
        results.update(zip(names, of_draws(model.behind_marginals, known, flat), strict=True))
    return {n: a.reshape(chains, count, *a.shape[1:]) for n, a in results.items()}


def with_recovered(
    model: Model, arrays: dict[str, np.ndarray], seed: Any, var_names: Sequence[str] | None
) -> dict[str, np.ndarray]:
    """What `sample` returns as arrays, with what was summed out of the model; only `var_names` of it."""
    more = recovered(model, arrays, np.random.default_rng(seed))
    whole = arrays | {n: a for n, a in more.items() if not n.startswith("lp_")}
    return _chosen(model, whole, var_names)


def result_with_recovered(model: Model, idata: Any, seed: Any, var_names: Sequence[str] | None) -> Any:
    """What `sample` returns, with what was summed out of the model; only `var_names` of it."""
    new = recover_marginals(idata, model=model, extend_inferencedata=False, random_seed=seed)
    new = new.drop_vars([n for n in map(str, new.data_vars) if n.startswith("lp_")])
    whole = with_variables(idata, new)
    if var_names is None:
        return whole
    kept = _chosen(model, dict(_dataset(whole).data_vars), var_names)
    return _with_posterior(whole, _dataset(whole)[list(kept)])


def _chosen(model: Model, found: dict[str, Any], var_names: Sequence[str] | None) -> dict[str, Any]:
    names = (
        list(found) if var_names is None else [var_names] if isinstance(var_names, str) else list(var_names)
    )
    for name in names:
        if name not in found:
            raise KeyError(
                f"var_names: {name!r} is no free variable or Deterministic; those are {', '.join(found)}"
            )
    return {n: a for n, a in found.items() if n in set(names)}


def _dataset(idata: Any) -> Any:
    posterior = idata["posterior"]
    return posterior.to_dataset() if hasattr(posterior, "subtree") else posterior


def _with_posterior(idata: Any, dataset: Any) -> Any:
    if hasattr(idata, "extend"):  # ArviZ before 1
        idata.posterior = dataset
    else:
        idata["posterior"] = type(idata)(dataset=dataset)
    return idata


def without_discrete(model: Model, say: bool = True) -> Model | None:
    """The model with its discrete unknowns summed out, or as it is where it has none; None where that cannot be."""
    discrete = [f for f in model.free if f.variable.distribution.discrete]
    if not discrete:
        return model
    try:
        summed = model.marginalized([f.name for f in discrete])
    except NotImplementedError:
        return None
    if say:
        names = ", ".join(f.name for f in discrete)
        print(f"Summing out {names}, to be drawn again from the result", file=sys.stderr)
    return summed
