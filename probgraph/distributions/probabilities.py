"""Densities and probabilities of a distribution, or of a random variable's distribution: functions with PyMC's names."""

from __future__ import annotations

from typing import Any

from probgraph.distributions.base import Distribution
from probgraph.distributions.random_variable import RandomVariable
from probgraph.engine.graph import Variable

Random = RandomVariable | Distribution


def logp(rv: Random, value: Any) -> Variable:
    """The log density of a random variable's distribution, or of a distribution, at `value`: a graph.

    >>> logp(Normal.dist(0.0, 1.0), 0.0).eval()
    array(-0.91893853)
    """
    return _distribution("logp", rv).logp(value)


def logcdf(rv: Random, value: Any) -> Variable:
    """log P(X <= value) for a random variable's distribution, or a distribution: a graph.

    >>> logcdf(Exponential.dist(1.0), 0.0).eval()
    array(-inf)
    """
    return _distribution("logcdf", rv).logcdf(value)


def logccdf(rv: Random, value: Any) -> Variable:
    """log P(X > value) for a random variable's distribution, or a distribution: a graph.

    >>> logccdf(Exponential.dist(1.0), 800.0).eval()
    array(-800.)
    """
    return _distribution("logccdf", rv).logccdf(value)


def icdf(rv: Random, value: Any) -> Variable:
    """The least x with P(X <= x) >= value, for a random variable's distribution, or a distribution: a graph.

    >>> icdf(Exponential.dist(1.0), 0.5).eval()
    array(0.69314718)
    """
    return _distribution("icdf", rv).icdf(value)


def _distribution(who: str, rv: Random) -> Distribution:
    if isinstance(rv, Distribution):
        return rv
    if isinstance(rv, RandomVariable):
        return rv.distribution
    raise TypeError(f"{who} takes a distribution or a random variable, got {type(rv).__name__}: {rv!r}")
