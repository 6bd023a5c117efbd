"""What is checked of each distribution of vectors or matrices, for the tests and for the page."""

from __future__ import annotations

import mpmath as mp
import numpy as np
from event_table import TABLE, exactly

from probgraph.engine.autodiff import grad
from probgraph.engine.function import function
from probgraph.engine.graph import Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops import reduce
from probgraph.engine.types import TensorType


def row(cls):
    return TABLE[cls.__name__]


def made(cls, params, **more):
    return cls.dist(**{**row(cls).options, **params}, **more)


def exact(cls, x, params):
    return row(cls).exact(exactly(x), **{k: exactly(v) for k, v in params.items()})


def root(name, like):
    return Variable(TensorType("float64", np.shape(like)), name)


def slope_along(cls, given, name, way):
    with mp.workdps(300):
        h = mp.mpf(10) ** -60
        up, down = (row(cls).exact(**{**given, name: given[name] + s * h * way}) for s in (1, -1))
        return (up - down) / (2 * h)


def logp_errors(cls, params):
    """The error of the log density at each of the table's points, relative where it is more than 1."""
    points = row(cls).points(**params)
    got = made(cls, params).logp(np.stack(points)).eval()
    errors = []
    for x, value in zip(points, got, strict=True):
        true = exact(cls, x, params)
        errors.append(float(abs(mp.mpf(float(value)) - true) / max(1, abs(true))))
    return errors


def gradient_errors(cls, params):
    """In x and in each parameter along a direction that it may move in, compiled, against 60 digits: those beyond 1e-10."""
    rng = np.random.default_rng(3)
    x = np.asarray(row(cls).points(**params)[0], dtype="float64")
    given = {"x": x, **params}
    moving = {k: v for k, v in given.items() if k not in row(cls).counts}
    scale = {
        k: 0.1 * np.where(np.asarray(v) == 0, 0.0 if k == "p" else 1.0, np.abs(v)) for k, v in moving.items()
    }
    ways = {k: rng.normal(size=np.shape(v)) * scale[k] for k, v in moving.items()}
    ways = {k: np.asarray(row(cls).directions.get(k, lambda d: d)(d)) for k, d in ways.items()}
    steps = {k: Variable(TensorType("float64", ()), f"step_{k}") for k in ways}
    roots = {k: root(k, v) for k, v in given.items()}
    moved = {k: v + steps[k] * as_variable(ways[k]) if k in steps else v for k, v in roots.items()}
    at = moved.pop("x")
    logp = reduce.sum(made(cls, moved).logp(at))
    gradients = grad(logp, list(steps.values()), disconnected_inputs="ignore")
    run = function([*roots.values(), *steps.values()], [logp, *gradients], on_unused_input="ignore")
    value, *got = run(*[np.asarray(v, dtype="float64") for v in given.values()], *[0.0] * len(steps))
    wrong = []
    for (name, way), slope in zip(ways.items(), got, strict=True):
        expected = slope_along(cls, {k: exactly(v) for k, v in given.items()}, name, exactly(way))
        # Differences of digamma functions are no better than the functions.
        allowed = 1e-10 * max(1, abs(expected)) + 4e-15 * np.sum(np.abs(way))
        if not abs(mp.mpf(float(slope)) - expected) <= allowed:
            wrong.append((name, float(slope), float(expected)))
    if not abs(mp.mpf(float(value)) - exact(cls, x, params)) <= 1e-12 * max(1, abs(float(value))):
        wrong.append(("logp", float(value), float(exact(cls, x, params))))
    return wrong


def moments_agree(dist, draws):
    """Whether the draws have the mean and the variance; None where the distribution has none."""
    count = len(draws)
    try:
        mean, variance = (np.broadcast_to(m.eval(), dist.event_shape) for m in (dist.mean(), dist.variance()))
    except NotImplementedError:
        return None
    if not np.isfinite(variance).all():
        return None
    scale = np.where(variance > 0, np.sqrt(variance), 1.0)
    z = (draws - mean) / scale
    # Each within five standard errors, the variance's estimated from the draws themselves.
    right = (abs(z.mean(axis=0)) <= 5 / np.sqrt(count) + 1e-6).all()
    error = (z**2).std(axis=0) / np.sqrt(count)
    wanted = np.where(variance > 0, 1.0, 0.0)
    rare = variance < 1e-2 if dist.discrete else variance < 1e-5
    close = abs((z**2).mean(axis=0) - wanted) <= 5 * error + 1e-6
    return bool(right and close[~np.broadcast_to(rare, error.shape)].all())
