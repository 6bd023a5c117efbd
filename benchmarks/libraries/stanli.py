"""stanli: Stan programs without a C++ compiler, with Stan's own mathematics and sampler."""

from __future__ import annotations

import ctypes
import re
import time

import numpy as np
import stanli

from benchmarks.libraries import Draws, Settings
from benchmarks.workload import Data, Workload

REPEAT = """
typedef int (*density)(void *model, const double *q, double *logp, double *grad);
int repeat(density call, void *model, const double *q, double *logp, double *grad, long count) {
    int code = 0;
    for (long i = 0; i < count; i++) code |= call(model, q, logp, grad);
    return code;
}
"""


def build(workload: Workload, data: Data) -> tuple[str, Data]:
    return workload.program(data), workload.stan_data(data)


class Compiled:
    def __init__(self, model: tuple[str, Data]) -> None:
        program, data = model
        self.model = stanli.Model(stan_code=program, data=dict(data))
        self.dim = self.model.n_unconstrained
        self(np.zeros(self.dim))

    def __call__(self, q):
        logp, gradient = self.model.log_prob_grad(q)
        return logp, gradient

    def repeated(self, q, timing):
        address = ctypes.cast(stanli._lib.stanli_grad, ctypes.c_void_p)
        grad, logp = np.empty(self.dim), np.empty(1)
        return timing.loop(REPEAT, [address, ctypes.c_void_p(self.model._m), q, logp, grad])


compile = Compiled


def parameters(program: str) -> list[str]:
    """The names that the block of parameters declares."""
    block = re.search(r"^parameters \{(.*?)\}", program, re.DOTALL | re.MULTILINE)
    assert block is not None
    return re.findall(r"(\w+)\s*;", block.group(1))


def sample(model: tuple[str, Data], settings: Settings) -> Draws:
    program, data = model
    compiled = stanli.Model(stan_code=program, data=dict(data))
    began = time.perf_counter()
    fit = compiled.sample(
        chains=settings.chains,
        seed=settings.seed,
        warmup=settings.tune,
        samples=settings.draws,
        save_warmup=True,
        refresh=0,
    )
    seconds = time.perf_counter() - began
    import arviz as az  # late: not a part of importing the library

    # As the others' results are; `fit.to_arviz()` knows the ArviZ before 1 alone.
    kept = fit.sampler_stats[:, -settings.draws :]
    stats = dict(zip(stanli.SAMPLER_COLUMNS, np.moveaxis(kept, -1, 0), strict=True))
    draws = {name: fit.draws(name)[:, -settings.draws :] for name in parameters(program)}
    posterior = az.from_dict({"posterior": draws, "sample_stats": stats})["posterior"]
    variables = {name: posterior[name].values for name in draws}
    steps = fit.sampler_stats[:, :, stanli.SAMPLER_COLUMNS.index("n_leapfrog__")]
    return Draws(
        variables,
        int(stats["n_leapfrog__"].sum()),
        int(steps[:, : -settings.draws].sum()),
        int(stats["divergent__"].sum()),
        seconds,
    )
