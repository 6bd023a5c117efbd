"""Posteriors of posteriordb that are no workload of their own, written for probgraph alone.

They are what a warm-up is tried on: scales from 1e-3 to 1e4, correlations next to one, hierarchies, and small
posteriors that need nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import probgraph as pg
from benchmarks.posteriordb import data


def _regression(outcome: np.ndarray, *predictors: np.ndarray) -> pg.Model:
    with pg.Model() as model:
        beta = pg.Flat("beta", shape=1 + len(predictors))
        sigma = pg.HalfFlat("sigma")
        columns = np.column_stack([np.ones(len(outcome)), *predictors])
        pg.Normal("y", pg.math.dot(columns, beta), sigma, observed=outcome)
    return model


def earn_height() -> pg.Model:
    d = data("earnings")
    return _regression(d["earn"], d["height"])


def logearn_interaction() -> pg.Model:
    d = data("earnings")
    return _regression(np.log(d["earn"]), d["height"], d["male"], d["height"] * d["male"])


def kidscore_momhsiq() -> pg.Model:
    d = data("kidiq")
    return _regression(d["kid_score"], d["mom_hs"], d["mom_iq"])


def mesquite() -> pg.Model:
    d = data("mesquite")
    names = ("diam1", "diam2", "canopy_height", "total_height", "density", "group")
    return _regression(d["weight"], *(d[name] for name in names))


def nes() -> pg.Model:
    d = data("nes2000")
    age = [(d["age_discrete"] == k).astype(float) for k in (2, 3, 4)]
    rest = ("educ1", "gender", "income")
    return _regression(d["partyid7"], d["real_ideo"], d["race_adj"], *age, *(d[name] for name in rest))


def kilpisjarvi() -> pg.Model:
    d = data("kilpisjarvi_mod")
    with pg.Model() as model:
        alpha = pg.Normal("alpha", d["pmualpha"], d["psalpha"])
        beta = pg.Normal("beta", d["pmubeta"], d["psbeta"])
        pg.Normal("y", alpha + beta * d["x"], pg.HalfFlat("sigma"), observed=d["y"])
    return model


def rats() -> pg.Model:
    d = data("rats_data")
    rat = d["rat"].astype(int) - 1
    with pg.Model() as model:
        mu_alpha, mu_beta = pg.Normal("mu_alpha", 0, 100), pg.Normal("mu_beta", 0, 100)
        sigma_y = pg.HalfFlat("sigma_y")
        alpha = pg.Normal("alpha", mu_alpha, pg.HalfFlat("sigma_alpha"), shape=int(d["N"]))
        beta = pg.Normal("beta", mu_beta, pg.HalfFlat("sigma_beta"), shape=int(d["N"]))
        pg.Normal("y", alpha[rat] + beta[rat] * (d["x"] - d["xbar"]), sigma_y, observed=d["y"])
    return model


def surgical() -> pg.Model:
    d = data("surgical_data")
    with pg.Model() as model:
        mu = pg.Normal("mu", 0, 1000)
        variance = pg.InverseGamma("sigmasq", 0.001, 0.001)
        b = pg.Normal("b", mu, pg.math.sqrt(variance), shape=int(d["N"]))
        pg.Binomial("r", d["n"].astype(int), logit_p=b, observed=d["r"].astype(int))
    return model


def poisson_overdispersed() -> pg.Model:
    d = data("GLMM_Poisson_data")
    year = d["year"]
    with pg.Model() as model:
        alpha = pg.Uniform("alpha", -20, 20)
        beta = pg.Uniform("beta", -10, 10, shape=3)
        eps = pg.Normal("eps", 0, pg.Uniform("sigma", 0, 5), shape=int(d["n"]))
        powers = np.column_stack([year, year**2, year**3])
        rate = pg.math.exp(alpha + pg.math.dot(powers, beta) + eps)
        pg.Poisson("C", rate, observed=d["C"].astype(int))
    return model


def wells() -> pg.Model:
    d = data("wells_data")
    with pg.Model() as model:
        beta = pg.Flat("beta", shape=2)
        pg.Bernoulli("switched", logit_p=beta[0] + beta[1] * d["dist"], observed=d["switched"].astype(int))
    return model


def blr() -> pg.Model:
    d = data("sblri")
    with pg.Model() as model:
        beta = pg.Normal("beta", 0, 10, shape=int(d["D"]))
        pg.Normal("y", pg.math.dot(d["X"], beta), pg.HalfNormal("sigma", 10), observed=d["y"])
    return model


POSTERIORS: dict[str, Callable[[], pg.Model]] = {
    "earnings-earn_height": earn_height,
    "earnings-logearn_interaction": logearn_interaction,
    "kidiq-kidscore_momhsiq": kidscore_momhsiq,
    "mesquite-mesquite": mesquite,
    "nes2000-nes": nes,
    "kilpisjarvi_mod-kilpisjarvi": kilpisjarvi,
    "rats_data-rats_model": rats,
    "surgical_data-surgical_model": surgical,
    "GLMM_Poisson_data-GLMM_Poisson_model": poisson_overdispersed,
    "wells_data-wells_dist": wells,
    "sblri-blr": blr,
}
