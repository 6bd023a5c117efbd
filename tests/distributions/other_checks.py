"""What is checked of distributions made of others, of places and of points, and of series: for the tests and the page."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import scipy.stats as st
from event_table import exactly
from other_table import Form

from probgraph.distributions import Distribution
from probgraph.engine.autodiff import grad
from probgraph.engine.function import function
from probgraph.engine.graph import Variable
from probgraph.engine.ops import reduce
from probgraph.engine.types import TensorType

QUANTILES = (1e-6, 0.2, 0.45, 0.7, 0.999)


def made(form: Form) -> Distribution:
    return form.make(**{k: np.asarray(v) if np.ndim(v) else v for k, v in form.params.items()})


def exact_params(form: Form) -> dict[str, Any]:
    return {k: exactly(np.asarray(v)) for k, v in form.params.items()}


def _error(got: Any, true: Any) -> float:
    """Relative where the value is more than 1."""
    if not mp.isfinite(true):
        return 0.0 if float(got) == float(true) else np.inf
    return float(abs(mp.mpf(float(got)) - true) / max(1, abs(true))) if np.isfinite(got) else np.inf


def logp_errors(form: Form) -> list[float]:
    got = np.broadcast_to(made(form).logp(np.stack(form.points)).eval(), len(form.points))
    params = exact_params(form)
    return [_error(g, form.exact(exactly(x), **params)) for x, g in zip(form.points, got, strict=True)]


def tail_errors(form: Form) -> list[float] | None:
    """Of log P(X <= x) and log P(X > x); None where there are none."""
    if form.below is None or form.above is None:
        return None
    dist, params, errors = made(form), exact_params(form), []
    for tail, exact, other in (
        (dist.logcdf, form.below, form.above),
        (dist.logccdf, form.above, form.below),
    ):
        got = np.broadcast_to(tail(np.stack(form.points)).eval(), len(form.points))
        for x, g in zip(form.points, got, strict=True):
            part, rest = exact(exactly(x), **params), other(exactly(x), **params)
            true = -mp.inf if part == 0 else mp.log(part) if part < 0.5 else mp.log1p(-rest)
            errors.append(_error(g, true))
    return errors


def quantile_errors(form: Form) -> list[float] | None:
    """Of P(X <= icdf(q)); for integers 0 where that is the first to reach q. None where there is no icdf."""
    if form.below is None:
        return None
    dist, params = made(form), exact_params(form)
    try:
        found = np.broadcast_to(dist.icdf(np.array(QUANTILES)).eval(), len(QUANTILES))
    except NotImplementedError:
        return None
    errors = []
    for q, x in zip(QUANTILES, found, strict=True):
        at = form.below(mp.mpf(float(x)), **params)
        if x in _ends(form):
            errors.append(
                0.0 if q <= at and (x > min(_ends(form)) or q <= form.below(mp.mpf(x), **params)) else np.inf
            )
            continue
        if not dist.discrete:
            errors.append(float(abs(at - q) / q) * 1e-2)  # 1e-10 of a probability: x has a last digit
            continue
        first = (
            x == dist.support.lower.eval()
            if isinstance(dist.support.lower, Variable)
            else x == dist.support.lower
        )
        before = mp.mpf(0) if first else form.below(mp.mpf(float(x)) - 1, **params)
        errors.append(0.0 if before < q <= at else np.inf)
    return errors


def gradients_of(form: Form) -> tuple[Any, list[str]]:
    """A function of x and the parameters to the log density's gradients, and what they are by."""
    dist = made(form)
    x = Variable(TensorType("float64", dist.event_shape if dist.event_ndim else ()), "x")
    roots = {k: Variable(TensorType("float64", np.shape(v)), k) for k, v in form.params.items()}
    wrt = {**({} if dist.discrete else {"x": x}), **roots}
    logp = reduce.sum(form.make(**roots).logp(x))
    gradients = grad(logp, list(wrt.values()), disconnected_inputs="ignore") if wrt else []
    return function([x, *roots.values()], gradients, on_unused_input="ignore"), list(wrt)


def gradient_errors(form: Form) -> list[float]:
    """In x and in each parameter, along a direction that it may move in, against differences with 60 digits."""
    run, names = gradients_of(form)
    rng, errors = np.random.default_rng(3), []
    for x in form.points:
        got = run(
            np.asarray(x, dtype="float64"), *(np.asarray(v, dtype="float64") for v in form.params.values())
        )
        given = {"x": exactly(x), **exact_params(form)}
        for name, slope in zip(names, got, strict=True):
            way = np.asarray(rng.normal(size=np.shape(slope)))
            way = (form.directions or {}).get(name, lambda d: d)(way)
            if name == "x" and form.below is not None and x in _ends(form):
                continue  # at an end with a probability of its own there is no slope
            step = mp.mpf(10) ** -20
            up, down = (
                form.exact(**{**given, name: given[name] + sign * step * exactly(way)}) for sign in (1, -1)
            )
            errors.append(_error(np.sum(slope * way), (up - down) / (2 * step)) * 1e-2)
    return errors


def _ends(form: Form) -> tuple[Any, ...]:
    dist = made(form)
    return tuple(float(b) for b in (dist.lower.eval(), dist.upper.eval())) if dist.atoms else ()


def draws_follow(form: Form) -> bool:
    """4,000 draws by the distribution function; where there is none, by their scores, which are 0 in the mean."""
    dist = made(form)
    drawn = dist.sample(4000, random_seed=17)
    params = exact_params(form)
    if form.below is not None and dist.discrete:
        values, counts = np.unique(drawn, return_counts=True)
        mass = np.array([float(mp.exp(form.exact(mp.mpf(float(v)), **params))) for v in values])
        expected = np.append(mass, max(1 - mass.sum(), 0)) * len(drawn)
        observed = np.append(counts, 0)
        few = expected < 5
        expected, observed = (
            np.append(expected[~few], expected[few].sum()),
            np.append(observed[~few], observed[few].sum()),
        )
        kept = expected > 1e-9
        return bool(
            not observed[~kept].sum()
            and (kept.sum() < 2 or st.chisquare(observed[kept], expected[kept]).pvalue > 1e-3)
        )
    if form.below is not None:
        inner = drawn[~np.isin(drawn, _ends(form))][:600]
        low, high = (0.0, 1.0)
        if ends := _ends(form):  # between them the draws are those of the distribution that is censored
            low, high = (
                float(form.below(mp.mpf(ends[0]), **params)),
                1 - float(form.above(mp.mpf(ends[1]) - mp.mpf(10) ** -30, **params)),
            )
            share = len(drawn[drawn == ends[0]]), len(drawn[drawn == ends[1]])
            if (
                min(
                    st.binomtest(n, len(drawn), p).pvalue for n, p in zip(share, (low, 1 - high), strict=True)
                )
                < 1e-3
            ):
                return False
        ranks = (np.array([float(form.below(mp.mpf(float(v)), **params)) for v in inner]) - low) / (
            high - low
        )
        return bool(st.kstest(ranks, "uniform").pvalue > 1e-3)
    run, names = gradients_of(form)
    values = [np.asarray(v, dtype="float64") for v in form.params.values()]
    scores = [run(x, *values) for x in drawn]
    for k, name in enumerate(names):
        if name == "x":
            continue
        score = np.array([s[k] for s in scores])
        spread = score.std(axis=0)
        if not (abs(score.mean(axis=0)) <= 5 * spread / np.sqrt(len(drawn)) + 1e-12).all():
            return False
    return True
