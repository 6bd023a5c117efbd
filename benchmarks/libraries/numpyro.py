"""NumPyro: the density as a jitted function, chains as many devices.

The data are arguments of the jitted functions, not constants in them: JAX would fold those while it compiles.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

from benchmarks.libraries import CHAINS, LONG, Draws, Settings
from benchmarks.workload import Data, Workload

# Before JAX is imported: chains side by side are devices to it.
os.environ.setdefault("XLA_FLAGS", f"--xla_force_host_platform_device_count={CHAINS}")

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.infer import MCMC, NUTS
from numpyro.infer.util import initialize_model


@dataclass(frozen=True)
class Model:
    function: Any
    arrays: dict[str, Any]
    others: dict[str, Any]

    def __call__(self, arrays: dict[str, Any]) -> None:
        self.function(numpyro, dist, jax, {**self.others, **arrays})


def build(workload: Workload, data: Data) -> Model:
    if workload.numpyro is None:
        raise LookupError(f"{workload.name} has no model for NumPyro")
    arrays = {name: jax.numpy.asarray(value) for name, value in data.items() if np.ndim(value)}
    return Model(workload.numpyro, arrays, {name: v for name, v in data.items() if name not in arrays})


class Compiled:
    def __init__(self, model: Model) -> None:
        info = initialize_model(
            jax.random.PRNGKey(0), model, model_args=(model.arrays,), dynamic_args=True, validate_grad=False
        )
        free = [
            site["name"]
            for site in info.model_trace.values()
            if site["type"] == "sample" and not site["is_observed"]
        ]
        start = {name: info.param_info.z[name] for name in free}
        shapes = [np.shape(value) for value in start.values()]
        ends = np.cumsum([int(np.prod(shape, dtype=int)) for shape in shapes])
        self.dim = int(ends[-1])
        self.arrays = model.arrays

        def logp(q, arrays):
            parts = [part.reshape(s) for part, s in zip(jax.numpy.split(q, ends[:-1]), shapes, strict=True)]
            return -info.potential_fn(arrays)(dict(zip(free, parts, strict=True)))

        def many(q, arrays, count):
            def step(_, state):
                q, total = state
                value, gradient = jax.value_and_grad(logp)(q, arrays)
                # The next point depends on this gradient, so that no call can be skipped.
                return q + 1e-30 * gradient, total + value

            return jax.lax.fori_loop(0, count, step, (q, 0.0))

        self.function = jax.jit(jax.value_and_grad(logp))
        self.many = jax.jit(many)
        self(np.zeros(self.dim))

    def __call__(self, q):
        value, gradient = self.function(q, self.arrays)
        return float(value), np.array(gradient)

    def repeated(self, q, timing):
        def run(count: int) -> None:
            jax.block_until_ready(self.many(q, self.arrays, count))

        run(1)
        return run


compile = Compiled


def sample(model: Model, settings: Settings) -> Draws:
    enough = jax.local_device_count() >= settings.chains
    mcmc = MCMC(
        NUTS(model),
        num_warmup=settings.tune,
        num_samples=settings.draws,
        num_chains=settings.chains,
        chain_method="parallel" if enough else "sequential",
        progress_bar=False,
    )

    def run(seed: int) -> float:
        began = time.perf_counter()
        mcmc.run(jax.random.PRNGKey(seed), model.arrays, extra_fields=("num_steps", "diverging"))
        jax.block_until_ready(mcmc.get_samples())
        return time.perf_counter() - began

    with_compiling = run(settings.seed)
    import arviz as az  # late: not a part of importing the library

    posterior = az.from_numpyro(mcmc)["posterior"]
    variables = {name: posterior[name].values for name in mcmc.get_samples()}
    extra = mcmc.get_extra_fields()
    gradients, divergences = int(extra["num_steps"].sum()), int(extra["diverging"].sum())
    if with_compiling > LONG:
        return Draws(variables, gradients, None, divergences, with_compiling)
    return Draws(variables, gradients, None, divergences, None, lambda: run(settings.seed))
