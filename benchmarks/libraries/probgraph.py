"""probgraph: the density as its C function, chains by `sample`."""

from __future__ import annotations

import numpy as np

import probgraph as pg
import probgraph.engine as engine
import probgraph.engine.tensor as T
from benchmarks.libraries import Draws, Settings
from benchmarks.workload import Data, Workload
from probgraph.model.log_density import log_density


def build(workload: Workload, data: Data) -> pg.Model:
    return workload.probgraph(pg, engine, T, data)


class Compiled:
    def __init__(self, model: pg.Model) -> None:
        self.density, self.layout = log_density(model)
        self.dim = self.density.dim
        self(np.zeros(self.dim))

    def __call__(self, q):
        return self.density(q)

    def repeated(self, q, timing):
        return timing.repeated(self.density, q)


compile = Compiled


def sample(model: pg.Model, settings: Settings) -> Draws:
    result = pg.sample(
        settings.draws,
        tune=settings.tune,
        chains=settings.chains,
        random_seed=settings.seed,
        progressbar=False,
        model=model,
    )
    posterior, stats = result["posterior"], result["sample_stats"]
    gradients = int(stats["n_steps"].sum())
    return Draws(
        {v.name: posterior[v.name].values for v in model.free_RVs},
        gradients,
        int(result.attrs["gradient_evaluations"]) - gradients,
        int(stats["diverging"].sum()),
        float(result.attrs["tuning_time"] + result.attrs["sampling_time"]),
    )
