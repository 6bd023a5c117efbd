"""A distribution by the user's own functions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from probgraph.distributions.arithmetic import computed_with
from probgraph.distributions.base import Distribution
from probgraph.distributions.components import component
from probgraph.distributions.constraints import Each, integer, real
from probgraph.distributions.folding import folded
from probgraph.distributions.formulas import of_formula
from probgraph.distributions.parameters import parameter
from probgraph.engine.graph import Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.shape import zeros

_FUNCTIONS = ("dist", "random", "logp", "logcdf", "logccdf", "support_point", "moment")
_OTHERS = ("ndim_supp", "ndims_params", "signature", "dtype", "class_name", "shape", "size")


class CustomDist(Distribution):
    """A distribution of your own, by what you know of it.

    CustomDist("x", *params, logp=..., random=...), or .dist(*params, ...). The parameters are numbers, arrays or
    variables, handed over in order.

    logp(value, *params)
        The log density as a graph: batch by batch, without a sum over the batch. Needed to sample from the posterior.
    random(*params, rng, size)
        Draws as an array of shape (*size, *event). Needed for predictive draws.
    logcdf(value, *params)
        log P(X <= value) as a graph, for Truncated and Censored. That of P(X > value) is 1 minus it, unless logccdf is
        given too: far in the upper tail, where the first rounds to 0, it has no digits.
    support_point(rv, size, *params)
        Where a search begins; zeros if not given. rv is None here.
    dist(*params, size)
        Instead of all of these: a function that returns a distribution, such as a Mixture, or a formula of one
        distribution's draws with steps that can be undone: exp, log, sigmoid and such, sums, products and powers with
        what is not random. Its log density, tails, quantiles and draws follow. NotImplementedError for others.
    signature, or ndim_supp and ndims_params
        How many axes a value and each parameter have: "(n),(n,n)->(n)", or 1 and [1, 2]; numbers if not given.
    dtype
        An integer one makes the distribution discrete. class_name is for printing.

    >>> def logp(value, rate):
    ...     return np.log(rate) - rate * value
    >>> CustomDist.dist(2.0, logp=logp).logp(1.0).eval()
    array(-1.30685282)
    >>> def shifted(mu, size):
    ...     return 3.0 + np.exp(Normal.dist(mu, 1.0, size=size))
    >>> CustomDist.dist(0.0, dist=shifted).logp(4.0).eval()
    array(-0.91893853)
    """

    class_name: str
    _functions: dict[str, Any]
    _ranks: dict[str, int]

    @classmethod
    def _made(cls, who: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        unknown = sorted(set(kwargs) - set(_FUNCTIONS) - set(_OTHERS))
        if unknown:
            raise TypeError(
                f"{who}: there is no {', '.join(unknown)}; parameters come by position, then {', '.join(_FUNCTIONS)},"
                f" {', '.join(_OTHERS)} by name"
            )
        functions = {name: kwargs[name] for name in _FUNCTIONS if kwargs.get(name) is not None}
        for name, function in functions.items():
            if not callable(function):
                raise TypeError(f"{who}: {name} is a function, got {function!r}")
        shape, size = kwargs.get("shape"), kwargs.get("size")
        if "dist" in functions:
            return _made_by(who, functions, args, shape, size)
        if not functions:
            raise TypeError(f"{who}: give logp=, to sample from the posterior, or random=, to draw, or dist=")
        self: Self = object.__new__(cls)
        self._functions = functions
        self.class_name = kwargs.get("class_name") or "CustomDist"
        self._own = self._given = {
            f"parameter {k}": parameter(who, f"parameter {k}", value) for k, value in enumerate(args, 1)
        }
        own_ranks, rank = _ranks(who, kwargs, len(args))
        self._ranks = dict(zip(self._own, own_ranks, strict=True))
        self._unchecked = []
        element = integer if np.dtype(_dtype(kwargs)).kind in "iub" else real
        self.support = Each(element, rank) if rank else element
        self.batch_shape, self.event_shape = self.lengths(who, self._own)
        self._repeat(who, shape, size)
        return self

    def _batch_of(self, name: str, shape: tuple[Any, ...]) -> tuple[Any, ...]:
        return shape[: len(shape) - self._ranks[name]]

    def event_lengths(self, lengths):
        rank = self.event_ndim
        alike = [lengths[name] for name, own in self._ranks.items() if rank and own == rank]
        return alike[0][-rank:] if alike else (None,) * rank

    def _asked(self, name: str, purpose: str) -> Any:
        if name not in self._functions:
            raise NotImplementedError(f"{self.class_name} was made without {name}=, which {purpose} needs")
        return self._functions[name]

    def density(self, x):
        value = self._asked("logp", "a log density")(x, *self._own.values())
        return as_variable(value)

    def logcdf(self, x):
        function = self._asked("logcdf", "a cumulative density")
        return as_variable(function(as_variable(x), *self._own.values()))

    def logccdf(self, x):
        own = self._functions.get("logccdf")
        if own is not None:
            return as_variable(own(as_variable(x), *self._own.values()))
        below = self.logcdf(x)
        # log1mexp is of negative numbers; at 0 nothing is above.
        return ew.switch(below < 0.0, ew.log1mexp(ew.switch(below < 0.0, below, -1.0)), -np.inf)

    def point(self) -> Variable:
        function = self._functions.get("support_point") or self._functions.get("moment")
        shape = tuple(1 if n is None else n for n in self.shape)
        if function is None:
            return zeros(shape)
        return as_variable(function(None, shape, *self._own.values()))

    def draw(self, rng, size, **params):
        drawn = np.asarray(self._asked("random", "drawing")(*params.values(), rng=rng, size=size))
        event = drawn.shape[drawn.ndim - self.event_ndim :]
        if drawn.shape != (*size, *event):
            raise ValueError(
                f"{self.class_name}: random gave an array of shape {drawn.shape} for size={size}; it has to begin with"
                f" size, and to end in the {self.event_ndim} axes of one value"
            )
        return drawn

    def __str__(self) -> str:
        return f"{self.class_name}{super().__str__().removeprefix('CustomDist')}"

    __repr__ = __str__


def _made_by(who: str, functions: dict[str, Any], args: Sequence[Any], shape: Any, size: Any) -> Distribution:
    others = sorted(set(functions) - {"dist"})
    if others:
        raise TypeError(f"{who}: dist= says all; {', '.join(others)} cannot be given beside it")
    with computed_with() as found:
        made = functions["dist"](*(folded(as_variable(a)) for a in args), size if size is not None else shape)
    if isinstance(made, Variable):
        return of_formula(who, made, found)
    return component(who, "what dist returned", made)


def _dtype(kwargs: dict[str, Any]) -> str:
    given = kwargs.get("dtype")
    return "float64" if given in (None, "floatX") else given


def _ranks(who: str, kwargs: dict[str, Any], count: int) -> tuple[list[int], int]:
    """How many axes a value of each parameter has, and one of the distribution."""
    signature = kwargs.get("signature")
    if signature is not None:
        # PyMC also writes the generator and the size there.
        own = re.sub(r"\[\w*\],?", "", signature.replace(" ", ""))
        given, _, result = own.partition("->")
        given, result = given.rstrip(","), result.rstrip(",")
        ranks = [len([n for n in inner.split(",") if n]) for inner in re.findall(r"\(([^()]*)\)", given)]
        values = re.fullmatch(r"\(([^()]*)\)", result)
        if values is None or len(ranks) != count:
            raise ValueError(
                f'{who}: signature={signature!r} does not fit {count} parameters; it reads "(),(n)->(n)": the axes of'
                " each parameter, then those of a value"
            )
        return ranks, len([n for n in values[1].split(",") if n])
    ranks = list(kwargs.get("ndims_params") or [0] * count)
    if len(ranks) != count:
        raise ValueError(f"{who}: ndims_params={ranks} is for {len(ranks)} parameters, {count} were given")
    return ranks, int(kwargs.get("ndim_supp") or 0)


__all__ = ["CustomDist"]
