"""Every distribution that can be drawn from: a table of NumPy's meanings (see `random_op`)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from probgraph.engine.graph import Constant, Variable
from probgraph.engine.ops.random_op import Distribution, Parameter

# Functions of their own where they are not NumPy's methods: rows are pickled with the graphs that use them.


def _by_method(name: str, generator: Any, size: tuple[int, ...] | None, *parameters: Any) -> Any:
    return getattr(generator, name)(*parameters, size=size)


def _method(name: str) -> Callable[..., Any]:
    """NumPy's method of that name, which both kinds of generators have."""
    return functools.partial(_by_method, name)


def _integers(generator: Any, size: tuple[int, ...] | None, low: Any, high: Any) -> Any:
    method = generator.randint if isinstance(generator, np.random.RandomState) else generator.integers
    return method(low, high, size=size, dtype="int64")


def _bernoulli(generator: Any, size: tuple[int, ...] | None, p: Any) -> Any:
    return generator.binomial(1, p, size=size)


def _cauchy(generator: Any, size: tuple[int, ...] | None, loc: Any, scale: Any) -> Any:
    return loc + _positive("scale", scale) * generator.standard_cauchy(_shape(size, loc, scale))


def _student_t(generator: Any, size: tuple[int, ...] | None, df: Any, loc: Any, scale: Any) -> Any:
    return loc + _positive("scale", scale) * generator.standard_t(df, _shape(size, df, loc, scale))


def _half_normal(generator: Any, size: tuple[int, ...] | None, loc: Any, scale: Any) -> Any:
    return loc + abs(generator.normal(0.0, scale, _shape(size, loc, scale)))


def _inverse_gamma(generator: Any, size: tuple[int, ...] | None, shape: Any, scale: Any) -> Any:
    return _positive("scale", scale) / generator.standard_gamma(shape, _shape(size, shape, scale))


def _positive(name: str, value: Any) -> Any:
    if np.any(np.asarray(value) < 0):
        raise ValueError(f"{name} < 0")
    return value


def _shape(size: tuple[int, ...] | None, *parameters: Any) -> tuple[int, ...]:
    return np.broadcast_shapes(*map(np.shape, parameters)) if size is None else size


def _probabilities(given: Any) -> np.ndarray:
    """As float64, with a sum that is over 1 only by the rounding of float32 brought down to 1."""
    p = np.asarray(given, "float64")
    if not np.all((p >= 0) & (p <= 1 + 1e-6)):
        raise ValueError("probabilities are < 0, > 1 or NaN")
    total = p.sum()
    if total > 1 + 1e-5:
        raise ValueError(f"the probabilities sum to {total}, more than 1")
    return p / total if total > 1 else p


def _multinomial(generator: Any, size: tuple[int, ...] | None, n: Any, pvals: Any) -> Any:
    return generator.multinomial(int(n), _probabilities(pvals), size=size)


def _categorical(generator: Any, size: tuple[int, ...] | None, p: Any) -> Any:
    p = _probabilities(p)
    if not abs(p.sum() - 1) < 1e-5:
        raise ValueError(f"the probabilities sum to {p.sum()}, not to 1")
    places = np.searchsorted(
        np.cumsum(p),
        generator.random_sample(size)
        if isinstance(generator, np.random.RandomState)
        else generator.random(size),
        side="right",
    )
    # The last one that is possible, where the sum is a rounding error below 1.
    return np.minimum(places, np.flatnonzero(p)[-1])


def _multivariate_normal(generator: Any, size: tuple[int, ...] | None, mean: Any, cov: Any) -> Any:
    if np.shape(cov) != np.shape(mean) * 2:
        raise ValueError(
            f"cov has shape {np.shape(cov)}, a mean of length {len(mean)} needs {np.shape(mean) * 2}"
        )
    return generator.multivariate_normal(mean, cov, size=size, check_valid="raise")


def _chosen(replace: bool, generator: Any, size: tuple[int, ...] | None, a: Any, p: Any = None) -> Any:
    return generator.choice(int(a), size=size, replace=replace, p=p)


def _permutation(generator: Any, size: tuple[int, ...] | None, n: Any) -> Any:
    if n < 0:
        raise ValueError("n < 0")
    if size is None:
        return generator.permutation(int(n))
    found = [generator.permutation(int(n)) for _ in range(int(np.prod(size)))]
    return np.reshape(np.array(found, "int64"), (*size, int(n)))


def _last_axis(*parameters: Variable) -> tuple[int | None, ...]:
    return parameters[-1].type.shape[-1:]


def _count(n: Variable) -> tuple[int | None, ...]:
    return (int(n.data) if isinstance(n, Constant) and n.ndim == 0 else None,)


def _rows(*rows: Distribution) -> dict[str, Distribution]:
    return {row.name: row for row in rows}


def _simple(name: str, *parameters: Any, dtype: str = "float", method: str | None = None) -> Distribution:
    """A distribution of numbers that NumPy draws by a method with these parameters."""
    listed = tuple(Parameter(p) if isinstance(p, str) else Parameter(*p) for p in parameters)
    return Distribution(name, listed, _method(method or name), dtype)


_LOC, _SCALE = Parameter("loc", 0.0), Parameter("scale", 1.0)

#: every distribution that can be drawn from, by name
DISTRIBUTIONS = _rows(
    _simple("uniform", ("low", 0.0), ("high", 1.0)),
    _simple("normal", ("loc", 0.0), ("scale", 1.0)),
    Distribution("halfnormal", (_LOC, _SCALE), _half_normal),
    _simple("lognormal", ("mean", 0.0), ("sigma", 1.0)),
    _simple("exponential", ("scale", 1.0)),
    _simple("gamma", "shape", ("scale", 1.0)),
    Distribution("invgamma", (Parameter("shape"), _SCALE), _inverse_gamma),
    _simple("beta", "a", "b"),
    _simple("chisquare", "df"),
    _simple("f", "dfnum", "dfden"),
    Distribution("t", (Parameter("df"), _LOC, _SCALE), _student_t),
    Distribution("cauchy", (_LOC, _SCALE), _cauchy),
    _simple("laplace", ("loc", 0.0), ("scale", 1.0)),
    _simple("logistic", ("loc", 0.0), ("scale", 1.0)),
    _simple("gumbel", ("loc", 0.0), ("scale", 1.0)),
    _simple("weibull", "a"),
    _simple("pareto", "a"),
    _simple("power", "a"),
    _simple("rayleigh", ("scale", 1.0)),
    _simple("triangular", "left", "mode", "right"),
    _simple("vonmises", "mu", "kappa"),
    _simple("wald", "mean", "scale"),
    _simple("binomial", "n", "p", dtype="int64"),
    _simple("negative_binomial", "n", "p", dtype="int64"),
    _simple("geometric", "p", dtype="int64"),
    _simple("hypergeometric", "ngood", "nbad", "nsample", dtype="int64"),
    _simple("logseries", "p", dtype="int64"),
    _simple("poisson", ("lam", 1.0), dtype="int64"),
    _simple("zipf", "a", dtype="int64"),
    Distribution("bernoulli", (Parameter("p"),), _bernoulli, "bool"),
    Distribution("integers", (Parameter("low"), Parameter("high")), _integers, "int64"),
    Distribution("categorical", (Parameter("p", rank=1),), _categorical, "int64"),
    Distribution(
        "multinomial", (Parameter("n"), Parameter("pvals", rank=1)), _multinomial, "int64", _last_axis
    ),
    Distribution("dirichlet", (Parameter("alpha", rank=1),), _method("dirichlet"), "float", _last_axis),
    Distribution(
        "multivariate_normal",
        (Parameter("mean", rank=1), Parameter("cov", rank=2)),
        _multivariate_normal,
        "float",
        _last_axis,
    ),
)

#: orders and choices of integers, which `raw_random` offers in one form
ARRANGEMENTS = _rows(
    Distribution("permutation", (Parameter("n"),), _permutation, "int64", _count),
    Distribution("choice", (Parameter("a"),), functools.partial(_chosen, True), "int64"),
    Distribution(
        "choice_with_p", (Parameter("a"), Parameter("p", rank=1)), functools.partial(_chosen, True), "int64"
    ),
    Distribution("choice_once", (Parameter("a"),), functools.partial(_chosen, False), "int64"),
    Distribution(
        "choice_once_with_p",
        (Parameter("a"), Parameter("p", rank=1)),
        functools.partial(_chosen, False),
        "int64",
    ),
)
