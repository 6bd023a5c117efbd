"""Sequential models written with scan, against the same loops and gradients written by hand in C.

    python -m benchmarks.sequential

Each pair computes one log density with its gradient, called from C; that both give the same numbers is checked
before anything is timed. The ratio is generated / by hand. The C by hand is compiled with the same compiler and
flags, and does what a careful person would do: one pass forward that keeps what the way back needs.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import probgraph.engine as engine
import probgraph.engine.tensor as T
from benchmarks.timing import density_cost
from probgraph.engine import toolchain
from probgraph.engine.compiled import compile_density
from probgraph.engine.graph import Variable
from probgraph.samplers.density import LogDensity

STEPS = 200
SERIES = np.cumsum(np.random.default_rng(0).normal(size=STEPS)) * 0.1


def autoregression() -> tuple[list[Variable], Variable, np.ndarray]:
    """AR(5): y[t] ~ Normal(alpha + sum of beta[k] y[t-k], exp(log_sigma))."""
    alpha, log_sigma = T.dscalars("alpha", "log_sigma")
    beta = T.TensorType("float64", (5,))("beta")

    def step(now, y1, y2, y3, y4, y5, alpha, log_sigma, *b):
        mean = alpha + b[0] * y1 + b[1] * y2 + b[2] * y3 + b[3] * y4 + b[4] * y5
        return -0.5 * ((now - mean) * T.exp(-log_sigma)) ** 2 - log_sigma

    taps = {"input": T.constant(SERIES), "taps": [0, -1, -2, -3, -4, -5]}
    fixed = [alpha, log_sigma, *(beta[k] for k in range(5))]
    terms, _ = engine.scan(step, sequences=[taps], non_sequences=fixed)
    return [alpha, beta, log_sigma], terms.sum(), np.array([0.1, 0.4, 0.2, 0.1, 0.05, 0.0, -0.3])


AUTOREGRESSION = """
double exp(double);
int density(const double *q, double *g, double *logp, void *data) {
    const double *y = data, s = exp(-q[6]);
    double total = 0, g0 = 0, g1 = 0, g2 = 0, g3 = 0, g4 = 0, g5 = 0, g6 = 0;
    for (long t = 5; t < N; t++) {
        double mean = q[0] + q[1] * y[t-1] + q[2] * y[t-2] + q[3] * y[t-3] + q[4] * y[t-4] + q[5] * y[t-5];
        double z = (y[t] - mean) * s, d = z * s;
        total += -0.5 * z * z - q[6];
        g0 += d; g1 += d * y[t-1]; g2 += d * y[t-2]; g3 += d * y[t-3]; g4 += d * y[t-4]; g5 += d * y[t-5];
        g6 += z * z - 1;
    }
    *logp = total;
    g[0] = g0; g[1] = g1; g[2] = g2; g[3] = g3; g[4] = g4; g[5] = g5; g[6] = g6;
    return 0;
}
"""


def garch() -> tuple[list[Variable], Variable, np.ndarray]:
    """GARCH(1,1): s2[t] = a0 + a1 (y[t-1] - mu)^2 + b1 s2[t-1], y[t] ~ Normal(mu, sqrt(s2[t]))."""
    mu, a0, a1, b1 = T.dscalars("mu", "a0", "a1", "b1")
    y = T.constant(SERIES)

    def step(before, s2, mu, a0, a1, b1):
        return a0 + a1 * (before - mu) ** 2 + b1 * s2

    s2, _ = engine.scan(step, sequences=[y[:-1]], outputs_info=[0.25], non_sequences=[mu, a0, a1, b1])
    logp = (-0.5 * (y[1:] - mu) ** 2 / s2 - 0.5 * T.log(s2)).sum()
    return [mu, a0, a1, b1], logp, np.array([0.1, 0.2, 0.15, 0.6])


GARCH = """
SIMD_LOG double log(double);
int density(const double *q, double *g, double *logp, void *data) {
    const double *y = data, mu = q[0], a0 = q[1], a1 = q[2], b1 = q[3];
    double s[N], total = 0, slope[N], gmu = 0;
    s[0] = 0.25;
    for (long t = 1; t < N; t++) s[t] = a0 + a1 * (y[t-1] - mu) * (y[t-1] - mu) + b1 * s[t-1];
    _Pragma("omp simd reduction(+:total, gmu)")
    for (long t = 1; t < N; t++) {
        double r = 1 / s[t], e = y[t] - mu;
        total += -0.5 * e * e * r - 0.5 * log(s[t]);
        slope[t] = 0.5 * e * e * r * r - 0.5 * r;
        gmu += e * r;
    }
    double back = 0, g0 = 0, g1 = 0, g2 = 0;
    for (long t = N - 1; t >= 1; t--) {
        back = slope[t] + b1 * back;
        double e = y[t-1] - mu;
        g0 += back; g1 += back * e * e; g2 += back * s[t-1]; gmu -= back * a1 * 2 * e;
    }
    *logp = total; g[0] = gmu; g[1] = g0; g[2] = g1; g[3] = g2;
    return 0;
}
"""


def hidden_markov() -> tuple[list[Variable], Variable, np.ndarray]:
    """Three states: the forward recursion in probabilities, each step normalised; means and transitions free."""
    mu = T.TensorType("float64", (3,))("mu")
    transition = T.TensorType("float64", (3, 3))("transition")
    likelihood = T.exp(-0.5 * (T.constant(SERIES)[:, None] - mu) ** 2)

    def step(weight, alpha, transition):
        joint = weight * T.dot(alpha, transition)
        total = joint.sum()
        return joint / total, T.log(total)

    (_, logs), _ = engine.scan(
        step,
        sequences=[likelihood],
        outputs_info=[T.constant(np.full(3, 1 / 3)), None],
        non_sequences=[transition],
    )
    start = np.array([-1.0, 0.0, 1.5, 0.8, 0.1, 0.1, 0.2, 0.7, 0.1, 0.1, 0.2, 0.7])
    return [mu, transition], logs.sum(), start


HIDDEN_MARKOV = """
SIMD_LOG double log(double);
SIMD_EXP double exp(double);
int density(const double *q, double *g, double *logp, void *data) {
    const double *y = data, *T = q + 3;
    static __thread double w[N][3], a[N + 1][3], c[N], logs[N];
    double total = 0, back[3] = {0, 0, 0}, G[12] = {0};
    for (long k = 0; k < 3; k++) {
        _Pragma("omp simd")
        for (long t = 0; t < N; t++) { double e = y[t] - q[k]; w[t][k] = exp(-0.5 * e * e); }
        a[0][k] = 1.0 / 3;
    }
    for (long t = 0; t < N; t++) {
        double j[3], s = 0;
        for (long k = 0; k < 3; k++) {
            j[k] = w[t][k] * (a[t][0] * T[k] + a[t][1] * T[3 + k] + a[t][2] * T[6 + k]);
            s += j[k];
        }
        c[t] = s;
        for (long k = 0; k < 3; k++) a[t+1][k] = j[k] / s;
    }
    _Pragma("omp simd reduction(+:total)")
    for (long t = 0; t < N; t++) total += log(c[t]);
    for (long t = N - 1; t >= 0; t--) {
        double inner = 0, r = 1 / c[t], d[3], new_back[3] = {0, 0, 0};
        for (long k = 0; k < 3; k++) inner += back[k] * a[t+1][k];
        for (long k = 0; k < 3; k++) {
            double joint = (back[k] - inner + 1) * r, m = a[t+1][k] * c[t] / w[t][k], e = y[t] - q[k];
            G[k] += joint * a[t+1][k] * c[t] * e;
            d[k] = joint * w[t][k];
            (void)m;
        }
        for (long i = 0; i < 3; i++)
            for (long k = 0; k < 3; k++) {
                G[3 + 3 * i + k] += a[t][i] * d[k];
                new_back[i] += T[3 * i + k] * d[k];
            }
        for (long i = 0; i < 3; i++) back[i] = new_back[i];
    }
    for (long i = 0; i < 12; i++) g[i] = G[i];
    *logp = total;
    return 0;
}
"""


def kalman() -> tuple[list[Variable], Variable, np.ndarray]:
    """A local level observed with noise: the Kalman filter's likelihood; both log variances and the start free."""
    level, log_q, log_r = T.dscalars("level", "log_q", "log_r")

    def step(y, mean, variance, q, r):
        predicted = variance + q
        total = predicted + r
        error = y - mean
        gain = predicted / total
        term = -0.5 * (error * error / total + T.log(total))
        return mean + gain * error, (1 - gain) * predicted, term

    (_, _, terms), _ = engine.scan(
        step,
        sequences=[T.constant(SERIES)],
        outputs_info=[level, 1.0, None],
        non_sequences=[T.exp(log_q), T.exp(log_r)],
    )
    return [level, log_q, log_r], terms.sum(), np.array([0.2, -2.0, -1.0])


KALMAN = """
double exp(double);
SIMD_LOG double log(double);
int density(const double *p, double *g, double *logp, void *data) {
    const double *y = data, q = exp(p[1]), r = exp(p[2]);
    double P[N], S[N], E[N], m = p[0], v = 1, total = 0;
    for (long t = 0; t < N; t++) {
        P[t] = v + q; S[t] = P[t] + r; E[t] = y[t] - m;
        double k = P[t] / S[t];
        m += k * E[t]; v = (1 - k) * P[t];
    }
    _Pragma("omp simd reduction(+:total)")
    for (long t = 0; t < N; t++) total += -0.5 * (E[t] * E[t] / S[t] + log(S[t]));
    double bm = 0, bv = 0, gq = 0, gr = 0;
    for (long t = N - 1; t >= 0; t--) {
        double i = 1 / S[t], k = P[t] * i, e = E[t];
        double bk = bm * e - bv * P[t];
        double be = bm * k - e * i, bP = bv * (1 - k) + bk * i;
        double bS = 0.5 * (e * e * i * i - i) - bk * k * i;
        bP += bS;
        gr += bS; gq += bP;
        bm = bm - be; bv = bP;
    }
    *logp = total; g[0] = bm; g[1] = gq * q; g[2] = gr * r;
    return 0;
}
"""


@dataclass(frozen=True)
class Workload:
    name: str
    graph: Callable[[], tuple[list[Variable], Variable, np.ndarray]]
    c: str


WORKLOADS = (
    Workload("AR(5), 200 steps", autoregression, AUTOREGRESSION),
    Workload("GARCH(1,1), 200 steps", garch, GARCH),
    Workload("hidden Markov, 3 states, 200 steps", hidden_markov, HIDDEN_MARKOV),
    Workload("Kalman filter, 200 steps", kalman, KALMAN),
)


class _Series:
    """The data of a density by hand: a pointer to the series."""

    address = SERIES.ctypes.data


def by_hand(workload: Workload, dim: int) -> LogDensity:
    vector = toolchain.vector_functions()
    attribute = '__attribute__((simd("notinbranch")))'
    head = f"#define N {STEPS}L\n" + "".join(
        f"#define SIMD_{name.upper()} {attribute if name in vector else ''}\n" for name in ("log", "exp")
    )
    library = toolchain.load(head + workload.c, "by_hand")
    address = ctypes.cast(library.density, ctypes.c_void_p).value
    assert address is not None
    return LogDensity(dim, address, _Series, library)


def main() -> None:
    print(f"{'µs for a log density and its gradient':40}{'generated':>12}{'by hand':>12}{'ratio':>8}")
    for workload in WORKLOADS:
        roots, logp, q = workload.graph()
        compiled = compile_density(roots, logp, engine.grad(logp, roots))
        ours = LogDensity(compiled.dim, compiled.address, compiled.new_data, compiled)
        hand = by_hand(workload, compiled.dim)
        (a, ga), (b, gb) = ours(q), hand(q)
        np.testing.assert_allclose(a, b, 1e-9)
        np.testing.assert_allclose(ga, gb, 1e-8, 1e-8)
        mine, its = density_cost(ours, q), density_cost(hand, q)
        print(f"{workload.name:40}{mine:12.3f}{its:12.3f}{mine / its:8.2f}")


if __name__ == "__main__":
    main()
