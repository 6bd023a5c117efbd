"""What is checked of each distribution, for the tests and for the page that docs/distributions.md is.

An error is measured in units of what it may be: 1e-12 of the value, or what the last digits of x and of the parameters
make of it where that is more (the condition number, found by differences with 60 digits), and in the value itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import mpmath as mp
import numpy as np
import scipy.stats as st
from distribution_table import TABLE, Row

from probgraph.distributions import Distribution
from probgraph.engine.autodiff import grad
from probgraph.engine.function import function
from probgraph.engine.graph import Variable
from probgraph.engine.op import as_variable
from probgraph.engine.types import TensorType

EPS = 2.0**-52
RELATIVE = 1e-12
QUANTILES = (1e-300, 1e-12, 0.01, 0.3, 0.5, 0.9, 1 - 2.0**-40)


@dataclass
class Errors:
    """The largest relative error, among values that are not ill conditioned, and all that are beyond what may be."""

    largest: float = 0.0
    wrong: list[tuple[Any, ...]] = field(default_factory=list)

    def add(self, where: Any, got: float, exact: Any, condition: Any, rounding: float = 0.0) -> None:
        """Take in a value. `rounding` is that of a formula whose parts are larger than their sum."""
        got = float(got)
        if not mp.isfinite(exact):
            if got != float(exact):
                self.wrong.append((where, got, float(exact)))
            return
        error, digits = abs(mp.mpf(got) - exact), 4 * EPS * abs(condition) + rounding
        if not np.isfinite(got) or error > RELATIVE * abs(exact) + digits + mp.mpf(2) ** -1070:
            self.wrong.append((where, got, float(exact)))
        if digits <= RELATIVE * abs(exact) and abs(exact) > 1e-300:
            self.largest = max(self.largest, float(error / abs(exact)))


def row(cls: type[Distribution]) -> Row:
    return TABLE[cls.__name__]


def is_proper(cls: type[Distribution]) -> bool:
    return cls.__name__ not in ("Flat", "HalfFlat")


def inside(cls: type[Distribution], params: dict[str, Any]) -> np.ndarray:
    """The table's points that lie in the support for these parameters."""
    support = cls.dist(**params).support
    points = np.array(row(cls).points, dtype="float64")
    return points[support.holds(Variable(TensorType("float64", (None,)), "x")).eval(x=points)]


def condition(f: Callable[..., Any], x: float, params: dict[str, Any]) -> Any:
    """How much f changes when x and the parameters change, by as much as themselves: the sum of |v df/dv|."""
    given = {"x": mp.mpf(float(x)), **{k: mp.mpf(float(v)) for k, v in params.items()}}
    total = mp.mpf(0)
    for name, value in given.items():
        step = abs(value) * mp.mpf(10) ** -20
        if value == 0:
            continue
        values = []
        for sign in (1, -1):
            try:
                moved = f(**{**given, name: value + sign * step})
            except (ValueError, ZeroDivisionError):
                continue
            if mp.isfinite(moved) and not isinstance(moved, mp.mpc):
                values.append((moved, sign))
        if values:
            centre = f(**given)
            total += max(abs((v - centre) / step * value) for v, _ in values) if mp.isfinite(centre) else 0
    return total


def rounding_of_parts(cls: type[Distribution], params: dict[str, Any], x: float) -> float:
    """The size of what cancels in the formulas of these, which are shared with the rules for log odds."""
    match cls.__name__:
        case "Poisson":
            size = abs(float(mp.loggamma(x + 1))) + x * abs(np.log(params["mu"])) + params["mu"]
        case "Binomial":
            n, p = params["n"], params["p"]
            size = 50 * (x + 1) + n * abs(np.log1p(-p))
        case "NegativeBinomial":
            mu, alpha = params["mu"], params["alpha"]
            size = x * abs(np.log1p(alpha / mu)) + 8 * abs(float(mp.loggamma(x + 1)))
            size += (
                float(mp.loggamma(alpha + x + 1)) if alpha > 1e3 else 0
            )  # SciPy's betaln, where it cancels
        case "BetaBinomial":
            size = 50 * (x + 1) + 4 * float(mp.loggamma(params["n"] + params["alpha"] + params["beta"]))
        case "HyperGeometric":
            size = 50 * (x + 1) + 4 * params["n"]
        case "Beta":
            a, b = params["alpha"], params["beta"]
            size = a * abs(np.log(x)) + b * abs(np.log1p(-x))
        case _:
            return 0.0
    return 4e-16 * size + 1e-14


def exactly(params: dict[str, Any]) -> dict[str, Any]:
    return {name: mp.mpf(value) for name, value in params.items()}


def logp_errors(cls: type[Distribution], params: dict[str, Any]) -> Errors:
    """The log density at the table's points."""
    points, errors, exact = inside(cls, params), Errors(), row(cls).exact
    got = np.broadcast_to(cls.dist(**params).logp(points).eval(), points.shape)
    for x, value in zip(points, got, strict=True):
        true = exact(mp.mpf(float(x)), **exactly(params))
        errors.add(x, value, true, condition(exact, x, params), rounding_of_parts(cls, params, x))
    return errors


def tail_errors(cls: type[Distribution], params: dict[str, Any]) -> Errors | None:
    """log P(X <= x) and log P(X > x) at the table's points; None where the library has none."""
    if row(cls).cdf is None:
        return None
    points, errors, dist = inside(cls, params), Errors(), cls.dist(**params)
    both = (row(cls).cdf, row(cls).ccdf)
    for kernel, exact, other in ((dist.logcdf, *both), (dist.logccdf, *both[::-1])):
        got = np.broadcast_to(kernel(points).eval(), points.shape)
        for x, value in zip(points, got, strict=True):

            def log_of(x, _exact=exact, _other=other, **params):
                part = _exact(x, **params)
                return (
                    -mp.inf if part <= 0 else mp.log(part) if part < 0.5 else mp.log1p(-_other(x, **params))
                )

            true = log_of(mp.mpf(float(x)), **exactly(params))
            errors.add((kernel.__name__, x), value, true, condition(log_of, x, params))
    return errors


def has_quantile(cls: type[Distribution], params: dict[str, Any]) -> bool:
    """Whether the library has an icdf: a formula, or tails to look it up in."""
    dist = cls.dist(**params)
    searched = dist.has_tails and not dist.atoms
    return row(cls).cdf is not None and (cls.quantile is not Distribution.quantile or searched)


def quantile_errors(cls: type[Distribution], params: dict[str, Any]) -> Errors | None:
    """P(X <= icdf(q)) against q, from the side that is small; None where the library has no icdf."""
    if not has_quantile(cls, params):
        return None
    if cls.dist(**params).discrete:
        return integer_quantile_errors(cls, params)
    errors = Errors()
    found = np.broadcast_to(cls.dist(**params).icdf(np.array(QUANTILES)).eval(), len(QUANTILES))
    for q, x in zip(QUANTILES, found, strict=True):
        exact = row(cls).cdf if q < 0.5 else row(cls).ccdf
        wanted = mp.mpf(q) if q < 0.5 else 1 - mp.mpf(q)
        at = mp.mpf(float(x))
        got = exact(at, **exactly(params))
        allowed = RELATIVE * wanted + 4 * EPS * (condition(exact, x, params) + (q if q > 0.5 else 0))
        if abs(x) < 1e-300 and got < wanted:
            continue  # the quantile is too small for a double
        if x == 0 and cls.atoms and (got >= wanted if q < 0.5 else got <= wanted):
            continue  # 0 has a probability
        if (
            np.isinf(x)
            and exact(mp.mpf(float(np.copysign(np.finfo("float64").max, x))), **exactly(params)) > wanted
        ):
            continue  # or too large
        if not abs(got - wanted) <= allowed:
            errors.wrong.append((q, float(x), float(got), float(wanted)))
    return errors


def integer_quantile_errors(cls: type[Distribution], params: dict[str, Any]) -> Errors:
    """Whether icdf(q) is the least integer k with P(X <= k) >= q: but for q within rounding of a step of the cdf."""
    errors = Errors()
    dist = cls.dist(**params)
    found = np.broadcast_to(dist.icdf(np.array(QUANTILES)).eval(), len(QUANTILES))
    first, last = (float(as_variable(b).eval()) for b in (dist.support.lower, dist.support.upper))
    for q, k in zip(QUANTILES, found, strict=True):
        exact, nothing, everything = (row(cls).cdf, 0, 1) if q < 0.5 else (row(cls).ccdf, 1, 0)
        here = exact(mp.mpf(float(k)), **exactly(params)) if k < last else mp.mpf(everything)
        before = exact(mp.mpf(float(k)) - 1, **exactly(params)) if k > first else mp.mpf(nothing)
        wanted = mp.mpf(q) if q < 0.5 else 1 - mp.mpf(q)
        allowed = RELATIVE * wanted + (4 * EPS * q if q > 0.5 else 0)
        low, high = (before, here) if q < 0.5 else (here, before)  # the wanted probability is between these
        if not low - allowed <= wanted <= high + allowed:
            errors.wrong.append((q, float(k), float(low), float(high)))
    return errors


def gradient_errors(cls: type[Distribution], params: dict[str, Any]) -> Errors:
    """The gradient of the log density in x and in each continuous parameter, against differences with 60 digits."""
    roots = {name: Variable(TensorType("float64", ()), name) for name in cls.params}
    x = Variable(TensorType("float64", ()), "x")
    dist = cls.dist(**roots)
    wrt = {**({} if dist.discrete else {"x": x}), **{k: v for k, v in roots.items() if k != "n"}}
    errors = Errors()
    if cls.__name__ == "DiscreteUniform":
        return errors  # its bounds are integers
    if not wrt:
        return errors
    gradients = grad(dist.logp(x), list(wrt.values()), disconnected_inputs="ignore")
    run = function([x, *roots.values()], gradients, mode="FAST_COMPILE", on_unused_input="ignore")
    exact = row(cls).exact
    for point in smooth_points(cls, params):
        given = {"x": mp.mpf(point), **exactly(params)}
        for name, got in zip(wrt, run(point, *params.values()), strict=True):
            if given[name] == 0 and name in ("alpha",):
                continue  # at the end of what the parameter may be

            def slope(_name=name, **values):
                step = (abs(values[_name]) or mp.mpf(1)) * mp.mpf(10) ** -18
                up, down = (exact(**{**values, _name: values[_name] + s * step}) for s in (1, -1))
                return (up - down) / (2 * step)

            true = slope(**given)
            # The parts of a derivative may cancel: the scale of the density's own changes counts too.
            scale = condition(exact, point, params) / (abs(given[name]) or 1)
            # Differences of digamma functions are no better than the functions.
            of_digamma = ("Beta", "StudentT", "HalfStudentT", "BetaBinomial", "NegativeBinomial")
            rounding = 4e-15 if name != "x" and cls.__name__ in of_digamma else 0.0
            errors.add((name, point), got, true, condition(slope, point, params) + 16 * scale, rounding)
    return errors


def smooth_points(cls: type[Distribution], params: dict[str, Any]) -> list[float]:
    if cls.__name__ == "Bernoulli":
        return [0.0, 1.0]
    frozen = None if row(cls).scipy is None else row(cls).scipy(**{k: float(v) for k, v in params.items()})
    points = [0.3, 0.7] if frozen is None else [float(frozen.ppf(q)) for q in (0.05, 0.33, 0.95)]
    return [p for p in points if p or not cls.dist(**params).discrete]


def moments(cls: type[Distribution], params: dict[str, Any]) -> list[tuple[float, float]] | None:
    """The mean and the variance, each with its true value; None where they are not known."""
    given = {k: float(v) for k, v in params.items()}
    if row(cls).moments is not None:
        true = row(cls).moments(**given)
    elif row(cls).scipy is not None:
        frozen = row(cls).scipy(**given)
        true = (float(frozen.mean()), float(frozen.var()))
    else:
        return None
    dist = cls.dist(**params)
    if cls.mean is Distribution.mean:
        return None
    return list(zip((float(dist.mean().eval()), float(dist.variance().eval())), true, strict=True))


def sampling_pvalue(cls: type[Distribution], params: dict[str, Any]) -> float:
    """Of 4,000 draws: Kolmogorov and Smirnov's test, or for integers the chi-square test."""
    draws = cls.dist(**params).sample(4000, random_seed=20240607)
    assert draws.shape == (4000,)
    if row(cls).scipy is None:
        return float(st.kstest(draws[:500], _cdf_by_integration(cls, params)).pvalue)
    frozen = row(cls).scipy(**{k: float(v) for k, v in params.items()})
    if cls.atoms:  # the share of those at the point, then the others by themselves
        rest = draws[draws != 0]
        share = st.binomtest(len(rest), len(draws), float(params["psi"])).pvalue
        return float(min(share, st.kstest(rest, frozen.inner.cdf).pvalue))
    if not isinstance(frozen.dist, st.rv_discrete):
        return float(st.kstest(draws, frozen.cdf).pvalue)
    assert draws.dtype == np.int64
    edges = np.unique(frozen.ppf(np.linspace(0.02, 0.98, 20)))
    expected = np.diff(np.concatenate([[0.0], frozen.cdf(edges), [1.0]])) * len(draws)
    observed = np.bincount(np.searchsorted(edges, draws), minlength=len(edges) + 1)
    few = expected < 5
    observed = np.append(observed[~few], observed[few].sum())
    expected = np.append(expected[~few], expected[few].sum())
    keep = expected > 0
    if observed[~keep].sum():
        return 0.0
    return float(st.chisquare(observed[keep], expected[keep]).pvalue) if keep.sum() > 1 else 1.0


def _cdf_by_integration(
    cls: type[Distribution], params: dict[str, Any]
) -> Callable[[np.ndarray], np.ndarray]:
    """For distributions on 0 to 1 that SciPy does not have: the exact density, summed over a fine grid of log odds."""
    y = np.linspace(-60, 60, 4001)
    with mp.workdps(40):
        values = [row(cls).exact(1 / (1 + mp.exp(-mp.mpf(float(v)))), **exactly(params)) for v in y]
    mass = np.exp([float(v) for v in values] - np.logaddexp(0, y) - np.logaddexp(0, -y))
    total = np.concatenate([[0.0], np.cumsum((mass[1:] + mass[:-1]) / 2 * np.diff(y))])
    return lambda at: np.interp(np.log(at) - np.log1p(-at), y, total)
