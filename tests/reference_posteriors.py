"""Published posteriors with reference summaries, and when a sampler's draws agree with them."""

from __future__ import annotations

import json
from typing import Any

import arviz as az
import numpy as np
import xarray as xr

import probgraph as pg
from benchmarks.posteriordb import PLACE, data


def eight_schools() -> pg.Model:
    d = data("eight_schools")
    with pg.Model(coords={"school": list("ABCDEFGH")}) as model:
        mu = pg.Normal("mu", 0, 5)
        tau = pg.HalfCauchy("tau", 5)
        z = pg.Normal("theta_trans", 0, 1, dims="school")
        theta = pg.Deterministic("theta", mu + tau * z, dims="school")
        pg.Normal("y", theta, d["sigma"], observed=d["y"], dims="school")
    return model


def kidiq() -> pg.Model:
    d = data("kidiq")
    with pg.Model() as model:
        beta = pg.Flat("beta", shape=3)
        sigma = pg.HalfCauchy("sigma", 2.5)
        mu = beta[0] + beta[1] * d["mom_hs"] + beta[2] * d["mom_iq"]
        pg.Normal("kid_score", mu, sigma, observed=d["kid_score"])
    return model


def logearn_interaction() -> pg.Model:
    d = data("earnings")
    with pg.Model() as model:
        beta = pg.Flat("beta", shape=4)
        sigma = pg.HalfFlat("sigma")
        mu = beta[0] + beta[1] * d["height"] + beta[2] * d["male"] + beta[3] * d["height"] * d["male"]
        pg.Normal("log_earn", mu, sigma, observed=np.log(d["earn"]))
    return model


def blr() -> pg.Model:
    d = data("sblrc")
    with pg.Model() as model:
        beta = pg.Normal("beta", 0, 10, shape=int(d["D"]))
        sigma = pg.HalfNormal("sigma", 10)
        pg.Normal("y", pg.math.dot(d["X"], beta), sigma, observed=d["y"])
    return model


POSTERIORS = {
    "eight_schools-eight_schools_noncentered": eight_schools,
    "kidiq-kidscore_momhsiq": kidiq,
    "earnings-logearn_interaction": logearn_interaction,
    "sblrc-blr": blr,
}


def disagreements(name: str, posterior: Any) -> list[str]:
    """What is wrong with draws of a posterior, in words: nothing if they agree with the reference."""
    reference = json.loads((PLACE / "summaries.json").read_text())[name]["parameters"]
    found = []
    for scalar, known in reference.items():
        base, _, rest = scalar.partition("[")
        index = tuple(int(i) - 1 for i in rest.rstrip("]").split(",")) if rest else ()
        array = xr.Dataset({"x": (("chain", "draw"), posterior[base].values[(..., *index)])})
        x = array["x"].values
        error_mean, error_sd = (float(az.mcse(array, method=m)["x"]) for m in ("mean", "sd"))
        mean_off, sd_off = abs(x.mean() - known["mean"]), abs(x.std(ddof=1) - known["sd"])
        if mean_off > 4 * np.hypot(error_mean, known["mcse_mean"]) + 0.01 * known["sd"]:
            found.append(f"{scalar}: mean {x.mean():.5g}, reference {known['mean']:.5g}")
        if sd_off > 4 * np.hypot(error_sd, known["mcse_sd"]) + 0.10 * known["sd"]:
            found.append(f"{scalar}: sd {x.std(ddof=1):.5g}, reference {known['sd']:.5g}")
        rhat, ess = float(az.rhat(array)["x"]), float(az.ess(array)["x"])
        if not rhat < 1.01:
            found.append(f"{scalar}: R-hat {rhat:.4f}")
        if not ess >= 400:
            found.append(f"{scalar}: effective sample size {ess:.0f}")
    return found
