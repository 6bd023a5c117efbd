"""One row for each distribution of vectors or matrices: parameters, points, and its log density in mpmath.

The formulas are the textbooks', evaluated with 60 digits; they share nothing with the library.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import mpmath as mp
import numpy as np

import probgraph.distributions as pd
from probgraph.distributions import Distribution

mp.mp.dps = 60


@dataclass(frozen=True)
class Row:
    """`exact(x, **params)` is the log density in mpmath, of arrays of mpf; `bad` are parameters to be refused.

    `directions` say for a parameter, or x, along which arrays of its own shape it may move; any, if not there.
    `options` are handed over as they are.
    """

    params: tuple[dict[str, Any], ...]
    points: Callable[..., list[Any]]
    outside: Callable[..., list[Any]]
    exact: Callable[..., Any]
    bad: tuple[dict[str, Any], ...]
    directions: dict[str, Callable[[np.ndarray], np.ndarray]] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    #: parameters that are integers
    counts: tuple[str, ...] = ()


def exactly(a: Any) -> Any:
    """Numbers as mpf, arrays as arrays of mpf."""
    return (
        np.vectorize(lambda v: mp.mpf(float(v)), otypes=[object])(a)[()] if np.ndim(a) else mp.mpf(float(a))
    )


def matrix(a: Any) -> Any:
    return mp.matrix(np.asarray(a).tolist())


def lgamma(a: Any) -> Any:
    return mp.loggamma(a)


RNG = np.random.default_rng(20240607)


def covariance(n: int) -> np.ndarray:
    a = RNG.normal(size=(n, n))
    return a @ a.T + np.eye(n)


def covariance_like(n: int) -> np.ndarray:
    """A positive definite matrix, always the same."""
    return np.eye(n) + 0.3 * np.cos(np.subtract.outer(np.arange(n), np.arange(n)))


def symmetric(a: np.ndarray) -> np.ndarray:
    return a + a.swapaxes(-1, -2)


def centred(a: np.ndarray) -> np.ndarray:
    return a - a.mean(axis=-1, keepdims=True)


def _cov(cov=None, tau=None, chol=None):
    """The covariance, whatever it is given by."""
    if chol is not None:
        return matrix(chol) * matrix(chol).T
    return matrix(cov) if tau is None else matrix(tau) ** -1


def _distance(x, mu, cov):
    delta = matrix([[v] for v in np.broadcast_to(x - mu, np.shape(x))])
    return (delta.T * cov**-1 * delta)[0, 0]


def _mv_normal(x, mu=0, **scale):
    with mp.workdps(700):  # for matrices with scales far apart
        cov = _cov(**scale)
        return -(_distance(x, mu, cov) + mp.log(mp.det(cov)) + len(x) * mp.log(2 * mp.pi)) / 2


def _dirichlet(x, a):
    powers = sum((ai - 1) * mp.log(xi) for ai, xi in zip(a, x, strict=True) if ai != 1)
    return lgamma(sum(a)) - sum(lgamma(ai) for ai in a) + powers


def _multinomial(x, n, p):
    arrangements = lgamma(n + 1) - sum(lgamma(xi + 1) for xi in x)
    return arrangements + sum(xi * mp.log(pi) for xi, pi in zip(x, p, strict=True) if xi)


def _lkj(chol_corr, eta):
    """Stan's manual, 25.1: of the matrix's determinant, with the constant as a product of beta functions."""
    n = len(chol_corr)
    log_det = 2 * sum(mp.log(chol_corr[i][i]) for i in range(n))
    constant = mp.mpf(0)
    for k in range(1, n):
        a = eta + mp.mpf(n - k - 1) / 2
        constant += (2 * (eta - 1) + n - k) * (n - k) * mp.log(2) + (n - k) * mp.log(mp.beta(a, a))
    return (eta - 1) * log_det - constant


def _lkj_cholesky_cov(x, eta):
    """The density of correlations and Exp(1) deviations, and the Jacobian of both by the places of the factor."""
    n = 3
    rows = [[x[0], 0, 0], [x[1], x[2], 0], [x[3], x[4], x[5]]]
    s = [mp.sqrt(sum(v * v for v in row)) for row in rows]
    corr = [[v / si for v in row] for row, si in zip(rows, s, strict=True)]
    # Of the matrix by its factor's places: Π L_ii^(n - i); of factor and deviations by the covariance's factor.
    by_factor = sum((n - 1 - i) * mp.log(corr[i][i]) for i in range(n))
    by_rows = sum(mp.log(corr[i][i]) - i * mp.log(s[i]) for i in range(n))
    return _lkj(corr, eta) + by_factor + by_rows - sum(s)


def _lkj_corr(x, eta):
    n = 3
    corr = mp.matrix([[1, x[0], x[1]], [x[0], 1, x[2]], [x[1], x[2], 1]])
    factor = mp.cholesky(corr)
    return _lkj([[factor[i, j] for j in range(n)] for i in range(n)], eta)


def _mv_student(x, nu, mu=0, **scale):
    cov, n = _cov(cov=scale.pop("scale", None), **scale), len(x)
    constant = lgamma((nu + n) / 2) - lgamma(nu / 2) - n * mp.log(nu * mp.pi) / 2 - mp.log(mp.det(cov)) / 2
    return constant - (nu + n) / 2 * mp.log(1 + _distance(x, mu, cov) / nu)


def _zero_sum_normal(x, sigma):
    free = math.prod(n - 1 for n in np.shape(x))
    return -sum((v / sigma) ** 2 for v in np.ravel(x)) / 2 - free * mp.log(2 * mp.pi * sigma**2) / 2


def _dirichlet_multinomial(x, n, a):
    pairs = sum(lgamma(xi + ai) - lgamma(ai) - lgamma(xi + 1) for xi, ai in zip(x, a, strict=True))
    return lgamma(n + 1) + lgamma(sum(a)) - lgamma(n + sum(a)) + pairs


def _stick_breaking(x, alpha):
    """Of the parts taken, each Beta(1, alpha), with the Jacobian of what they are of the weights."""
    left, total = mp.mpf(1), mp.mpf(0)
    for weight in x[:-1]:
        total += mp.log(alpha) + (alpha - 1) * mp.log(1 - weight / left) - mp.log(left)
        left -= weight
    return total


def _matrix_normal(x, mu=0, rowcov=None, rowchol=None, colcov=None, colchol=None):
    """As a normal vector, with the Kronecker product for its covariance."""
    with mp.workdps(200):
        rows, columns = _cov(rowcov, chol=rowchol), _cov(colcov, chol=colchol)
        m, n = np.shape(x)
        cov = mp.matrix(m * n, m * n)
        for i, j in np.ndindex(m * n, m * n):
            cov[i, j] = rows[i // n, j // n] * columns[i % n, j % n]
        return _mv_normal(np.ravel(x), np.ravel(np.broadcast_to(mu, (m, n))), cov=cov.tolist())


def _kronecker_normal(x, mu, sigma):
    rows, columns, n = matrix(S2), matrix(S3), 6
    cov = mp.matrix(n, n)
    for i, j in np.ndindex(n, n):
        cov[i, j] = rows[i // 3, j // 3] * columns[i % 3, j % 3] + (sigma**2 if i == j else 0)
    return _mv_normal(x, mu, cov=cov.tolist())


def _wishart(x, nu, V):
    x, V, p = matrix(x), matrix(V), len(x)
    gammas = mp.mpf(p * (p - 1)) / 4 * mp.log(mp.pi) + sum(lgamma((nu - j) / 2) for j in range(p))
    total = V**-1 * x
    trace = sum(total[i, i] for i in range(p))
    powers = (nu - p - 1) * mp.log(mp.det(x)) - nu * mp.log(mp.det(V)) - nu * p * mp.log(2)
    return powers / 2 - trace / 2 - gammas


def _car(x, mu, alpha, tau):
    precision = [
        [tau * ((sum(W[i]) if i == j else 0) - alpha * mp.mpf(W[i][j])) for j in range(4)] for i in range(4)
    ]
    return _mv_normal(x, mu, cov=(mp.matrix(precision) ** -1).tolist())


def _icar(x, sigma, zero_sum_stdev):
    """As a normal vector, whose precision has the sum's part."""
    n = len(x)
    precision = mp.matrix(n, n)
    for i, j in np.ndindex(n, n):
        pairs = mp.mpf(int(sum(W[i])) if i == j else -int(W[i][j]))
        precision[i, j] = pairs / sigma**2 + 1 / (n * zero_sum_stdev) ** 2
    return _mv_normal(x, mp.mpf(0), cov=(precision**-1).tolist())


W = [[0, 1, 1, 0], [1, 0, 1, 0], [1, 1, 0, 1], [0, 0, 1, 0]]
AREAS = [np.array([0.3, -1.0, 2.0, 0.1]), np.zeros(4), np.array([1e4, 1.0, -3.0, 0.0])]
WRONG_W = (
    [[0, 1], [0, 0]],
    [[0, -1], [-1, 0]],
    [[1, 1], [1, 0]],
    [[0, 1, 0], [1, 0, 0], [0, 0, 0]],
    np.ones((2, 3)),
)
S3, S2 = covariance(3), covariance(2)
SCALES = np.diag([1e-100, 1.0, 1e100])
NOT_POSITIVE = np.array([[1.0, 2.0], [2.0, 1.0]])
VECTORS = [np.array([0.3, -1.2, 2.0]), np.zeros(3), np.array([1e5, -1e3, 7.0])]

TABLE = {
    "MvNormal": Row(
        (
            {"mu": np.array([0.5, -1.0, 2.0]), "cov": S3},
            {"mu": np.array([0.5, -1.0, 2.0]), "tau": S3},
            {"mu": np.array([0.5, -1.0, 2.0]), "chol": np.linalg.cholesky(S3)},
            {"mu": 0.0, "cov": np.array([[4.0]])},
            {"mu": 0.0, "chol": SCALES @ np.linalg.cholesky(S3)},
            {"mu": 1.0, "cov": np.eye(3)},
            {"mu": np.zeros(2), "cov": S2},
            {"mu": np.zeros(2), "tau": S2},
            {"mu": np.zeros(2), "chol": np.linalg.cholesky(S2)},
        ),
        lambda mu, **scale: (
            VECTORS
            if "cov" in scale and len(scale["cov"]) == 3
            else [v * np.diag(SCALES) for v in VECTORS[:2]]
            if "chol" in scale and abs(scale["chol"][-1, -1]) > 1e50
            else [v[: len(next(iter(scale.values())))] for v in VECTORS]
        ),
        lambda mu, **scale: [
            np.full(len(next(iter(scale.values()))), bad) for bad in (np.inf, -np.inf, np.nan)
        ],
        _mv_normal,
        (
            {"mu": [0.0, 0.0], "cov": NOT_POSITIVE},
            {"mu": [0.0, 0.0], "tau": NOT_POSITIVE},
            {"mu": [0.0, 0.0], "cov": [[2.0, 1.0], [0.0, 2.0]]},
            {"mu": [0.0, 0.0], "chol": [[1.0, 0.0], [0.0, -1.0]]},
            {"mu": [0.0, 0.0], "chol": [[1.0, 1.0], [0.0, 1.0]]},
            {"mu": [0.0, np.nan], "cov": np.eye(2)},
            {"mu": [0.0, 0.0], "cov": [[np.nan, 0.0], [0.0, 1.0]]},
            {"mu": np.zeros(3), "cov": np.eye(2)},
            {"mu": 0.0, "cov": 2.0},
        ),
        {"cov": symmetric, "tau": symmetric, "chol": np.tril},
    ),
    "Dirichlet": Row(
        (
            {"a": np.array([0.3, 2.0, 5.0])},
            {"a": np.array([1.0, 1.0])},
            {"a": np.array([1e-3, 1e3, 0.5, 1.0])},
        ),
        lambda a: [
            np.full(len(a), 1.0 / len(a)),
            np.append(np.full(len(a) - 1, 1e-200), 1.0),
            (np.arange(len(a)) + 0.5) / sum(np.arange(len(a)) + 0.5),
        ],
        lambda a: [
            np.full(len(a), 0.9),
            np.append(np.zeros(len(a) - 2), [-0.5, 1.5]),
            np.full(len(a), np.nan),
        ],
        _dirichlet,
        ({"a": [1.0, 0.0]}, {"a": [1.0, -1.0]}, {"a": [np.nan, 1.0]}),
        {"x": centred},
    ),
    "Multinomial": Row(
        (
            {"n": 10.0, "p": np.array([0.2, 0.3, 0.5])},
            {"n": 3.0, "p": np.array([0.0, 1.0, 0.0])},
            {"n": 0.0, "p": np.array([0.5, 0.5])},
            {"n": 1e9, "p": np.array([1e-9, 1 - 1e-9])},
        ),
        lambda n, p: (
            [np.append(np.zeros(len(p) - 2), [n - n // 3, n // 3]) * 1.0]
            if p[1] < 1
            else [np.array([0.0, 3.0, 0.0])]
        ),
        lambda n, p: [
            np.append(np.zeros(len(p) - 1), n + 1),
            np.append(np.zeros(len(p) - 2), [-1.0, n + 1]),
            np.append(np.zeros(len(p) - 2), [0.5, n - 0.5]),
            np.full(len(p), np.nan),
        ],
        _multinomial,
        (
            {"n": -1, "p": [0.5, 0.5]},
            {"n": 1.5, "p": [0.5, 0.5]},
            {"n": 2, "p": [0.5, 0.6]},
            {"n": 2, "p": [-0.5, 1.5]},
        ),
        {"p": centred},
        counts=("n", "x"),
    ),
    "LKJCholeskyCov": Row(
        ({"eta": 2.0}, {"eta": 1.0}, {"eta": 0.3}, {"eta": 1e6}),
        lambda eta: [np.array([1.0, 0.3, 0.5, -2.0, 0.1, 1e-3]), np.array([1e-5, 0.0, 2.0, 0.0, 0.0, 3.0])],
        lambda eta: [
            np.array([1.0, 0.3, -0.5, -2.0, 0.1, 1e-3]),
            np.zeros(6),
            np.full(6, np.nan),
            np.full(6, np.inf),
        ],
        _lkj_cholesky_cov,
        ({"eta": 0.0}, {"eta": -1.0}, {"eta": 1.0, "n": 0}),
        options={"n": 3, "sd_dist": pd.Exponential.dist(1.0)},
    ),
    "LKJCorr": Row(
        ({"eta": 2.0}, {"eta": 1.0}, {"eta": 0.3}, {"eta": 1e6}),
        lambda eta: [np.array([0.3, -0.5, 0.2]), np.zeros(3), np.array([0.99, 0.98, 0.99])],
        lambda eta: [
            np.array([0.9, -0.9, 0.9]),
            np.array([1.0, 0.0, 0.0]),
            np.array([1.5, 0.0, 0.0]),
            np.full(3, np.nan),
        ],
        _lkj_corr,
        ({"eta": 0.0}, {"eta": -1.0}, {"eta": 1.0, "n": 0}),
        options={"n": 3},
    ),
    "MvStudentT": Row(
        (
            {"nu": 3.0, "mu": np.array([0.5, -1.0, 2.0]), "scale": S3},
            {"nu": 5.5, "mu": np.array([0.5, -1.0, 2.0]), "tau": S3},
            {"nu": 0.1, "mu": np.array([0.5, -1.0]), "chol": np.linalg.cholesky(S2)},
            {"nu": 1e12, "mu": np.zeros(2), "scale": S2},
        ),
        lambda nu, mu, **scale: [v[: len(mu)] for v in VECTORS],
        lambda nu, mu, **scale: [np.full(len(mu), bad) for bad in (np.inf, -np.inf, np.nan)],
        _mv_student,
        (
            {"nu": 0.0, "mu": np.zeros(2), "scale": S2},
            {"nu": 2.0, "mu": np.zeros(2), "scale": NOT_POSITIVE},
            {"nu": 2.0, "mu": np.zeros(2), "chol": -np.eye(2)},
        ),
        {"scale": symmetric, "tau": symmetric, "chol": np.tril},
    ),
    "ZeroSumNormal": Row(
        ({"sigma": 1.0}, {"sigma": 1e-150}, {"sigma": 30.0}),
        lambda sigma: [sigma * np.array([1.0, 0.5, -2.0, 0.5]), np.zeros(4)],
        lambda sigma: [
            np.ones(4),
            np.array([1.0, 0.0, 0.0, -0.99]),
            np.array([np.inf, -np.inf, 0, 0]),
            np.full(4, np.nan),
        ],
        _zero_sum_normal,
        ({"sigma": 0.0}, {"sigma": -1.0}, {"sigma": 1.0, "n_zerosum_axes": 0}),
        {"x": centred},
        options={"support_shape": 4},
    ),
    "DirichletMultinomial": Row(
        (
            {"n": 10.0, "a": np.array([0.3, 2.0, 5.0])},
            {"n": 0.0, "a": np.array([1.0, 1.0])},
            {"n": 7.0, "a": np.array([1e-3, 1e9, 1e9])},
            {"n": 1000.0, "a": np.array([0.5, 3.0])},
        ),
        lambda n, a: [np.append(np.zeros(len(a) - 2), [n - n // 3, n // 3]) * 1.0],
        lambda n, a: [
            np.append(np.zeros(len(a) - 1), n + 1),
            np.append(np.zeros(len(a) - 2), [-1.0, n + 1]),
            np.append(np.zeros(len(a) - 2), [0.5, n - 0.5]),
            np.full(len(a), np.nan),
        ],
        _dirichlet_multinomial,
        ({"n": -1, "a": [1.0, 1.0]}, {"n": 1.5, "a": [1.0, 1.0]}, {"n": 2, "a": [0.0, 1.0]}),
        counts=("n", "x"),
    ),
    "StickBreakingWeights": Row(
        ({"alpha": 1.0}, {"alpha": 0.2}, {"alpha": 30.0}),
        lambda alpha: [np.array([0.25, 0.5, 0.125, 0.125]), np.array([0.0, 0.0, 0.5, 0.5])],
        lambda alpha: [
            np.full(4, 0.3),
            np.array([0.5, 0.5, 0.5, -0.5]),
            np.array([1.0, 0, 0, 0]),
            np.full(4, np.nan),
        ],
        _stick_breaking,
        ({"alpha": 0.0}, {"alpha": -1.0}, {"alpha": 1.0, "K": 0}),
        {"x": centred},
        options={"K": 3},
    ),
    "MatrixNormal": Row(
        (
            {"mu": np.arange(6.0).reshape(2, 3), "rowcov": S2, "colcov": S3},
            {"mu": np.zeros((2, 3)), "rowchol": np.linalg.cholesky(S2), "colcov": S3},
            {"mu": np.zeros((2, 2)), "rowcov": S2, "colchol": 1e-100 * np.linalg.cholesky(S2)},
            {"mu": np.zeros((2, 2)), "rowchol": np.linalg.cholesky(S2), "colchol": np.linalg.cholesky(S2)},
        ),
        lambda mu, **scale: [
            (1e-100 if "rowcov" in scale and "colchol" in scale else 1.0) * x
            for x in (np.cos(np.arange(mu.size)).reshape(mu.shape), np.zeros(mu.shape))
        ],
        lambda mu, **scale: [np.full(mu.shape, bad) for bad in (np.inf, np.nan)],
        _matrix_normal,
        (
            {"mu": np.zeros((2, 2)), "rowchol": -np.eye(2), "colchol": np.eye(2)},
            {"mu": np.zeros((2, 2)), "rowcov": NOT_POSITIVE, "colcov": S2},
            {"mu": np.zeros((3, 2)), "rowcov": S2, "colcov": S2},
        ),
        {k: symmetric if "cov" in k else np.tril for k in ("rowcov", "rowchol", "colcov", "colchol")},
    ),
    "KroneckerNormal": Row(
        (
            {"mu": np.arange(6.0), "sigma": 0.7},
            {"mu": 0.5, "sigma": 0.0},
            {"mu": 0.0, "sigma": 1e3},
        ),
        lambda mu, sigma: [np.cos(np.arange(6.0)), np.zeros(6)],
        lambda mu, sigma: [np.full(6, bad) for bad in (np.inf, np.nan)],
        _kronecker_normal,
        (
            {"mu": 0.0, "sigma": -1.0},
            {"mu": np.zeros(5), "sigma": 1.0},
            {"mu": 0.0, "sigma": 1.0, "covs": [NOT_POSITIVE]},
            {"mu": 0.0, "sigma": 1.0, "covs": [np.ones((2, 3))]},
        ),
        options={"covs": [S2, S3]},
    ),
    "Wishart": Row(
        ({"nu": 3.5, "V": S2}, {"nu": 3.3, "V": S3}, {"nu": 100.0, "V": np.array([[1e-3]])}),
        lambda nu, V: [covariance_like(len(V)), 1e-3 * np.eye(len(V))],
        lambda nu, V: [-np.eye(len(V)), np.zeros(V.shape), np.full(V.shape, np.nan)],
        _wishart,
        ({"nu": 0.5, "V": S2}, {"nu": -1.0, "V": S2}, {"nu": 3.0, "V": NOT_POSITIVE}),
        {"V": symmetric, "x": symmetric},
    ),
    "CAR": Row(
        (
            {"mu": np.array([1.0, 0.0, -1.0, 2.0]), "alpha": 0.7, "tau": 2.0},
            {"mu": 0.0, "alpha": -0.99, "tau": 1e-6},
            {"mu": 0.0, "alpha": 0.999999, "tau": 1.0},
        ),
        lambda mu, alpha, tau: AREAS,
        lambda mu, alpha, tau: [np.full(4, bad) for bad in (np.inf, np.nan)],
        _car,
        (
            {"mu": 0.0, "alpha": 1.0, "tau": 1.0},
            {"mu": 0.0, "alpha": 0.5, "tau": 0.0},
            {"mu": np.zeros(3), "alpha": 0.5, "tau": 1.0},
            *({"mu": 0.0, "alpha": 0.5, "tau": 1.0, "W": wrong} for wrong in WRONG_W),
        ),
        options={"W": W},
    ),
    "ICAR": Row(
        (
            {"sigma": 1.0, "zero_sum_stdev": 1.0},
            {"sigma": 3.0, "zero_sum_stdev": 0.001},
            {"sigma": 1e-3, "zero_sum_stdev": 10.0},
        ),
        lambda sigma, zero_sum_stdev: AREAS[:2],
        lambda sigma, zero_sum_stdev: [np.full(4, bad) for bad in (np.inf, np.nan)],
        _icar,
        (
            {"sigma": 0.0, "zero_sum_stdev": 1.0},
            {"sigma": 1.0, "zero_sum_stdev": -1.0},
            *({"sigma": 1.0, "W": wrong} for wrong in WRONG_W),
            {"sigma": 1.0, "W": [[0, 2], [2, 0]]},
            {"sigma": 1.0, "W": np.kron(np.eye(2), [[0, 1], [1, 0]])},
        ),
        options={"W": W},
    ),
}

MODULES = ("gaussian_vectors", "simplexes", "count_vectors", "correlations", "matrices", "kronecker", "areas")


def _classes() -> list[type[Distribution]]:
    found, queue = [], [Distribution]
    while queue:
        for sub in queue.pop().__subclasses__():
            queue.append(sub)
            if sub.__module__.rpartition(".")[2] in MODULES and sub.__name__[0] != "_":
                found.append(sub)
    return sorted(found, key=lambda c: c.__name__)


CLASSES = _classes()
CASES = [(cls, params) for cls in CLASSES if cls.__name__ in TABLE for params in TABLE[cls.__name__].params]
NAMES = [f"{cls.__name__}({', '.join(params)})" for cls, params in CASES]
