"""Simulation-based calibration: parameters from the prior, data from the parameters, and where the parameters then lie
among the draws of the posterior: at each rank equally often, if all is right.

Talts, Betancourt, Simpson, Vehtari & Gelman, "Validating Bayesian inference algorithms with simulation-based
calibration" (arXiv:1804.06788). CALIBRATION_RUNS in the environment makes it sharper.
"""

import os

import numpy as np
import pytest
import scipy.stats as st
from densities import compiled

from probgraph.samplers import LogDensity, Moves, Path, RandomWalks, Trajectories, sample_chains, tempered

RUNS = int(os.environ.get("CALIBRATION_RUNS", 200))
KEPT, THIN, BINS = 99, 5, 10


class Normal:
    """Mean N(0, 1) and log scale N(0, 0.5) of eight numbers."""

    dim = 2
    body = """
    double s = exp(-q[1]), sum = 0, first = 0;
    for (int i = 0; i < 8; i++) { double z = (y[i] - q[0]) * s; first += z * s; sum += z * z; }
    *logp = -0.5 * q[0] * q[0] - 2 * q[1] * q[1] - 0.5 * sum - 8 * q[1];
    grad[0] = -q[0] + first; grad[1] = -4 * q[1] + sum - 8; return 0;
    """
    prior_body = "*logp = -0.5 * q[0] * q[0] - 2 * q[1] * q[1]; grad[0] = -q[0]; grad[1] = -4 * q[1];"

    @staticmethod
    def prior(random, count):
        return random.normal(size=(count, 2)) * [1.0, 0.5]

    @staticmethod
    def data(random, q):
        return random.normal(q[0], np.exp(q[1]), 8)

    @staticmethod
    def likelihood(q, y):
        return st.norm(q[:, :1], np.exp(q[:, 1:])).logpdf(y).sum(1)

    @staticmethod
    def log_prior(q):
        return st.norm(0, [1.0, 0.5]).logpdf(q).sum(1)


class Logistic:
    """Intercept and slope N(0, 1.5) of a logistic regression on twelve places."""

    dim = 2
    places = np.linspace(-2, 3, 12)
    body = """
    *logp = -(q[0] * q[0] + q[1] * q[1]) / 4.5; grad[0] = -q[0] / 2.25; grad[1] = -q[1] / 2.25;
    for (int i = 0; i < 12; i++) {
        double x = -2 + 5.0 * i / 11, eta = q[0] + q[1] * x, p = 1 / (1 + exp(-eta));
        *logp += y[i] * eta - (eta > 0 ? eta + log1p(exp(-eta)) : log1p(exp(eta)));
        grad[0] += y[i] - p; grad[1] += (y[i] - p) * x;
    }
    return 0;
    """

    prior_body = """
    *logp = -(q[0] * q[0] + q[1] * q[1]) / 4.5; grad[0] = -q[0] / 2.25; grad[1] = -q[1] / 2.25;
    """

    @staticmethod
    def prior(random, count):
        return 1.5 * random.normal(size=(count, 2))

    @classmethod
    def data(cls, random, q):
        return (random.random(12) < 1 / (1 + np.exp(-(q[0] + q[1] * cls.places)))).astype(float)

    @classmethod
    def likelihood(cls, q, y):
        eta = q[:, :1] + q[:, 1:] * cls.places
        return (y * eta - np.logaddexp(0, eta)).sum(1)

    @staticmethod
    def log_prior(q):
        return st.norm(0, 1.5).logpdf(q).sum(1)


class Hierarchy:
    """Centred: log scale N(0, 0.7), three effects with that scale, each measured once with error 1."""

    dim = 4
    body = """
    double w = exp(-2 * q[0]);
    *logp = -q[0] * q[0] / 0.98 - 3 * q[0]; grad[0] = -q[0] / 0.49 - 3;
    for (int i = 0; i < 3; i++) {
        double t = q[i + 1], r = y[i] - t;
        *logp -= 0.5 * (w * t * t + r * r); grad[i + 1] = r - w * t; grad[0] += w * t * t;
    }
    return 0;
    """

    prior_body = """
    double w = exp(-2 * q[0]);
    *logp = -q[0] * q[0] / 0.98 - 3 * q[0]; grad[0] = -q[0] / 0.49 - 3;
    for (int i = 0; i < 3; i++) {
        double t = q[i + 1];
        *logp -= 0.5 * w * t * t; grad[i + 1] = -w * t; grad[0] += w * t * t;
    }
    """

    @staticmethod
    def prior(random, count):
        q = random.normal(size=(count, 4))
        q[:, 0] *= 0.7
        q[:, 1:] *= np.exp(q[:, :1])
        return q

    @staticmethod
    def data(random, q):
        return random.normal(q[1:], 1.0)

    @staticmethod
    def likelihood(q, y):
        return st.norm(q[:, 1:], 1).logpdf(y).sum(1)

    @staticmethod
    def log_prior(q):
        return st.norm(0, 0.7).logpdf(q[:, 0]) + st.norm(0, np.exp(q[:, :1])).logpdf(q[:, 1:]).sum(1)


MODELS = {model.__name__: model for model in (Normal, Logistic, Hierarchy)}
HAMILTONIAN = {
    "NUTS": {"target_accept": 0.9},
    "NUTS, dense": {"target_accept": 0.9, "metric": "dense"},
    "WALNUTS": {"max_error": 0.3},
    "HMC": {"path": Path(2.0, 0.5), "target_accept": 0.9},
    "Metropolis": {"moves": "metropolis"},
    "Slice": {"moves": "slice"},
    "DEMetropolisZ": {"moves": "differences"},
    "NUTS and Metropolis": {"moves": "metropolis", "first": 1},
}
PARTICLES = {"SMC": "mh", "SMC by NUTS": "nuts", "SMC by HMC": "hmc"}
SLOW_TO_MIX = {"Metropolis": 6, "DEMetropolisZ": 20, "Slice": 2, "NUTS and Metropolis": 6}
"""Where ranks need draws that lie further apart."""


class Data:
    """What the density is handed: the data of one run."""

    def __init__(self, y):
        self.y = np.ascontiguousarray(y, dtype=float)
        self.address = self.y.ctypes.data


def hamiltonian(model, options):
    code = compiled(f"const double *y = data; {model.body}", model.dim)
    apart = options.pop("apart", 1) * THIN
    if "moves" in options:
        places = tuple(range(options.pop("first", 0), model.dim))
        scales = (1.0,) if options["moves"] == "differences" else (1.0,) * len(places)
        options["moves"] = [Moves(options["moves"], places, scales)]

    def draws(y, seed, random):
        density = LogDensity(model.dim, code.address, lambda: Data(y), keep_alive=code)
        starts = random.uniform(-1, 1, (1, model.dim))
        trace = sample_chains(
            density,
            starts,
            draws=KEPT * apart,
            tune=250,
            cores=1,
            random_seed=seed,
            progressbar=False,
            **options,
        )
        return trace.draws[0, ::apart]

    return draws


TEMPERED = """
    const double *y = data; const int dim = DIM; double lp, lj, gp[DIM], gj[DIM];
    { double *logp = &lp, *grad = gp; PRIOR }
    { double *logp = &lj, *grad = gj; JOINT }
    *logp = lp + q[dim] * (lj - lp);
    for (int i = 0; i < dim; i++) grad[i] = gp[i] + q[dim] * (gj[i] - gp[i]);
    grad[dim] = lj - lp; return 0;
"""
"""The prior's density and the joint's to the power that the last coordinate says: log prior + beta * log likelihood."""


def particles(model, kernel):
    body = TEMPERED.replace("DIM", str(model.dim)).replace("PRIOR", model.prior_body)
    code = compiled(body.replace("JOINT", model.body.replace("return 0;", "")), model.dim + 1)

    def draws(y, seed, random):
        def densities(q):
            return model.log_prior(q), model.likelihood(q, y)

        start = model.prior(random, 10 * KEPT)
        if kernel == "mh":
            moves = RandomWalks(densities, model.dim, random)
        else:
            density = LogDensity(model.dim + 1, code.address, lambda: Data(y), keep_alive=code)
            moves = Trajectories(density, random, Path(2.0, 0.5) if kernel == "hmc" else None)
        run = tempered(moves, start, random)
        return run.particles[random.permutation(10 * KEPT)[:KEPT]]

    return draws


def p_values(model, draws, runs):
    """Of the chi-squared tests of each parameter's ranks."""
    random = np.random.default_rng(20260603)
    ranks = np.empty((runs, model.dim), dtype=int)
    for run in range(runs):
        q = model.prior(random, 1)[0]
        ranks[run] = (draws(model.data(random, q), run, random) < q).sum(axis=0)
    counts = [np.bincount(column * BINS // (KEPT + 1), minlength=BINS) for column in ranks.T]
    return np.array([st.chisquare(count).pvalue for count in counts])


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("sampler", [*HAMILTONIAN, *PARTICLES])
def test_ranks_are_uniform(name, sampler):
    model = MODELS[name]
    options = {**HAMILTONIAN.get(sampler, {}), "apart": SLOW_TO_MIX.get(sampler, 1)}
    kernel = PARTICLES.get(sampler)
    draws = particles(model, kernel) if kernel else hamiltonian(model, options)
    found = p_values(model, draws, max(RUNS // 4, 1) if kernel else RUNS)
    # At 1 % for all parameters of a model together.
    assert (found > 0.01 / model.dim).all(), found


def test_a_wrong_sampler_is_found():
    """Draws that are wider than the posterior by half."""
    right = hamiltonian(Normal, dict(HAMILTONIAN["NUTS"]))

    def wide(y, seed, random):
        q = right(y, seed, random)
        return q.mean(axis=0) + 1.5 * (q - q.mean(axis=0))

    assert p_values(Normal, wide, RUNS).min() < 1e-3
