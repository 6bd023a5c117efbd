"""nutpie: PyMC's model compiled by Numba to a C function, chains in Rust."""

from __future__ import annotations

import ctypes
import time

import numpy as np
import nutpie
import pymc as pm

from benchmarks.libraries import Draws, Settings
from benchmarks.libraries.pymc import build as build

REPEAT = """
#include <stdint.h>
typedef int64_t (*density)(uint64_t dim, const double *q, double *grad, double *logp, void *data);
int repeat(density call, uint64_t dim, const double *q, double *grad, double *logp, void *data, long count) {
    int64_t code = 0;
    for (long i = 0; i < count; i++) code |= call(dim, q, grad, logp, data);
    return code != 0;
}
"""


class Compiled:
    def __init__(self, model: pm.Model) -> None:
        self.compiled = nutpie.compile_pymc_model(model)
        self.dim = int(self.compiled.n_dim)
        kind = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_uint64, *[ctypes.c_void_p] * 4)
        self.address = self.compiled.compiled_logp_func.address
        self.function = kind(self.address)
        self(np.zeros(self.dim))

    def __call__(self, q):
        grad, logp = np.empty(self.dim), np.empty(1)
        code = self.function(
            self.dim, q.ctypes.data, grad.ctypes.data, logp.ctypes.data, self.compiled.user_data.ctypes.data
        )
        return (float(logp[0]), grad) if code == 0 else (-np.inf, np.full(self.dim, np.nan))

    def repeated(self, q, timing):
        grad, logp = np.empty(self.dim), np.empty(1)
        pointers = [q, grad, logp, self.compiled.user_data]
        return timing.loop(REPEAT, [ctypes.c_void_p(self.address), ctypes.c_uint64(self.dim), *pointers])


compile = Compiled


def sample(model: pm.Model, settings: Settings) -> Draws:
    compiled = nutpie.compile_pymc_model(model)
    began = time.perf_counter()
    result = nutpie.sample(
        compiled,
        draws=settings.draws,
        tune=settings.tune,
        chains=settings.chains,
        seed=settings.seed,
        progress_bar=False,
    )
    seconds = time.perf_counter() - began
    posterior, stats = result["posterior"], result["sample_stats"]
    return Draws(
        {v.name: posterior[v.name].values for v in model.free_RVs},
        int(stats["n_steps"].sum()),
        int(result["warmup_sample_stats"]["n_steps"].sum()),
        int(stats["diverging"].sum()),
        seconds,
    )
