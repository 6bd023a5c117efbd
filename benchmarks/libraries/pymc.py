"""PyMC: the density as a PyTensor function, chains by PyMC's own sampler."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt

from benchmarks.libraries import Draws, Settings
from benchmarks.workload import Data, Workload


def build(workload: Workload, data: Data) -> pm.Model:
    if workload.pymc is None:
        raise LookupError(f"{workload.name} has no model for PyMC")
    return workload.pymc(pm, pytensor, pt, data)


class Compiled:
    def __init__(self, model: pm.Model) -> None:
        self.function = model.logp_dlogp_function(ravel_inputs=True)._pytensor_function
        self.function.trust_input = True
        self.dim = sum(value.size for value in model.initial_point(0).values())
        self(np.zeros(self.dim))

    def __call__(self, q):
        logp, gradient = self.function(q)
        return float(logp), np.array(gradient)

    def repeated(self, q, timing):
        function = self.function

        def run(count: int) -> None:
            for _ in range(count):
                function(q)

        return run


compile = Compiled


def sample(model: pm.Model, settings: Settings) -> Draws:
    with model:
        result = pm.sample(
            settings.draws,
            tune=settings.tune,
            chains=settings.chains,
            random_seed=settings.seed,
            nuts_sampler="pymc",
            progressbar=False,
            discard_tuned_samples=False,
            compute_convergence_checks=False,
        )
    posterior, stats = result["posterior"], result["sample_stats"]
    return Draws(
        {v.name: posterior[v.name].values for v in model.free_RVs},
        int(stats["n_steps"].sum()),
        int(result["warmup_sample_stats"]["n_steps"].sum()),
        int(stats["diverging"].sum()),
        float(posterior.attrs["sampling_time"]),
    )
