"""Series in which each value depends on those before it: one class each."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any, Self

import numpy as np

from probgraph.distributions.components import evaluated
from probgraph.distributions.constraints import Each, nonnegative, positive, probability, real
from probgraph.distributions.folding import folded
from probgraph.distributions.parameters import Alternative, parameter
from probgraph.distributions.real_line import Normal
from probgraph.distributions.series import Series
from probgraph.distributions.special import LOG_TWO_PI, or_infinite
from probgraph.engine.graph import Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import reduce
from probgraph.engine.ops.index import get_item
from probgraph.engine.ops.shape import expand_dims, join, moveaxis, zeros
from probgraph.engine.scanning import scan
from probgraph.engine.types import TensorType

_Real, _Positive = Each(real), Each(positive)


def _before(x: Variable, first: int, back: int) -> Variable:
    """x_(t - back) for t = first ... the end, along the last axis."""
    return get_item(x, (Ellipsis, slice(first - back, -back)))


class AR(Series):
    """An autoregression: x_t ~ Normal(Σ_i rho_i x_(t-i), sigma), for i = 1 ... p; with `constant`, plus rho_0.

    rho (..., p), or (..., 1 + p) with the constant in front; sigma, or tau = 1 / sigma², is positive, 1 if not given.
    init_dist is the distribution of the first p values, Normal.dist(0, 100) for each if not given. p is the length of
    rho, or `ar_order`. The event is (p + steps,). Box, Jenkins & Reinsel, Time Series Analysis (2008), ch. 3.

    >>> AR.dist(rho=[0.5], sigma=1.0, init_dist=Normal.dist(0.0, 1.0), steps=1).logp([0.0, 1.0]).eval()
    array(-2.33787707)
    """

    params = {"rho": _Real, "sigma": positive}
    defaults = {"sigma": 1.0}
    alternatives = (
        Alternative(
            {"rho": _Real, "tau": positive}, lambda rho, tau: {"rho": rho, "sigma": 1.0 / ew.sqrt(tau)}
        ),
    )
    options = {"constant": False, "init_dist": None, "steps": None, "ar_order": None}
    positional = ("rho", "sigma", "tau")
    support = _Real

    def prepare(self):
        length = self.rho.type.shape[-1]
        order = self.ar_order
        if order is None:
            order = None if length is None else length - bool(self.constant)
        if order is None or order < 1:
            raise ValueError(
                f"AR: ar_order is {self.ar_order}, rho has length {length}"
                f"{' with a constant' if self.constant else ''}; give ar_order=, at least 1"
            )
        if length not in (None, order + bool(self.constant)):
            raise ValueError(
                f"AR: rho has length {length}; of order {order}{' with a constant' if self.constant else ''} it has"
                f" {order + bool(self.constant)}"
            )
        self.first = int(order)
        self.init_dist = self.beginning(Normal.dist(0.0, 100.0, shape=self.first), "Normal.dist(0, 100)")
        rank = self.init_dist.event_ndim
        if rank > 1:
            raise ValueError(
                f"AR: init_dist={self.init_dist} has events of {rank} axes; they are numbers or vectors"
            )
        self._unchecked += [reduce.all(c, axis=-1) if c.ndim else c for c in self.init_dist._unchecked]

    def extra_axes(self, name):
        return 0 if self.init_dist.event_ndim else 1

    def _coefficients(self) -> tuple[Variable | None, list[Variable]]:
        """The constant, and the coefficient of one step back, two, ..., each with an axis for time."""
        shift = bool(self.constant)
        at = [get_item(self.rho, (Ellipsis, slice(k, k + 1))) for k in range(self.first + shift)]
        return (at[0] if shift else None), at[shift:]

    def density(self, x):
        constant, coefficients = self._coefficients()
        terms = [c * _before(x, self.first, back) for back, c in enumerate(coefficients, 1)]
        mean = functools.reduce(operator.add, terms if constant is None else [constant, *terms])
        begin = self.init_dist.logp(get_item(x, (Ellipsis, slice(None, self.first))))
        if not self.init_dist.event_ndim:
            begin = reduce.sum(begin, axis=-1)
        sigma = self.sigma[..., None]
        z = (get_item(x, (Ellipsis, slice(self.first, None))) - mean) * (1.0 / sigma)
        steps = Normal.dist(0.0, 1.0).density(z) - ew.log(sigma)
        return begin + reduce.sum(steps, axis=-1)

    def draw(self, rng, size, rho, sigma, **init):
        p, total, shift = self.first, self.event_shape[0], bool(self.constant)
        x = np.empty((*size, total))
        x[..., :p] = self.draw_component(
            rng, "init_dist", init, size if self.init_dist.event_ndim else (*size, p)
        )
        noise = rng.standard_normal((*size, total)) * np.asarray(sigma)[..., None]
        back = rho[..., shift:][..., ::-1]
        for t in range(p, total):
            x[..., t] = (back * x[..., t - p : t]).sum(-1) + noise[..., t] + (rho[..., 0] if shift else 0.0)
        return x

    def point(self):
        """The beginning's point, then what is expected to follow it."""
        first = self.init_dist.point()
        first = (
            first + zeros((self.first,)) if not first.ndim or first.type.shape[-1] != self.first else first
        )
        constant, coefficients = self._coefficients()
        values = [get_item(first, (Ellipsis, slice(k, k + 1))) for k in range(self.first)]
        if self.event_shape[0] is None or self.event_shape[0] > 100:
            rest = zeros((self.event_shape[0] - self.first,))
            return join(-1, first, rest + ew.zeros_like(values[0]))
        for _ in range(self.event_shape[0] - self.first):
            terms = [c * values[-back] for back, c in enumerate(coefficients, 1)]
            values.append(functools.reduce(operator.add, terms if constant is None else [constant, *terms]))
        shape = values[-1]
        return join(-1, *[v + ew.zeros_like(shape) for v in values])

    def mean(self):
        raise NotImplementedError("AR has no mean in closed form here: average draws of it")


class GARCH11(Series):
    """Returns whose variance follows them: x_t ~ Normal(0, s_t), s_t² = omega + alpha_1 x_(t-1)² + beta_1 s_(t-1)².

    For t = 1 ... steps; x_0 ~ Normal(0, initial_vol), s_0 = initial_vol. omega and initial_vol are positive, alpha_1 and
    beta_1 between 0 and 1. The event is (steps + 1,). Bollerslev, "Generalized autoregressive conditional
    heteroskedasticity" (Journal of Econometrics 1986).

    >>> garch = GARCH11.dist(omega=0.1, alpha_1=0.2, beta_1=0.5, initial_vol=1.0, steps=1)
    >>> garch.logp([0.0, 0.5]).eval()
    array(-1.79079759)
    """

    params = {"omega": positive, "alpha_1": probability, "beta_1": probability, "initial_vol": nonnegative}
    options = {"steps": None}
    support = _Real

    def _variances(self, x: Variable) -> Variable:
        """s_t² along the last axis, for all t."""
        batch = self.omega + self.alpha_1 + self.beta_1 + self.initial_vol + get_item(x, (Ellipsis, 0))
        start = ew.sqr(self.initial_vol) + ew.zeros_like(batch)
        before = moveaxis(get_item(x, (Ellipsis, slice(None, -1))), -1, 0)

        def step(value, variance, omega, alpha, beta):
            return omega + alpha * ew.sqr(value) + beta * variance

        given = [self.omega, self.alpha_1, self.beta_1]
        later = scan(step, sequences=[before], outputs_info=[start], non_sequences=given)[0]
        return moveaxis(join(0, expand_dims(start, 0), later), 0, -1)

    def density(self, x):
        variance = self._variances(x)
        z = x / ew.sqrt(variance)  # not x² / variance: both may be infinite
        return -0.5 * or_infinite(reduce.sum(ew.sqr(z) + ew.log(variance) + LOG_TWO_PI, axis=-1))

    def draw(self, rng, size, omega, alpha_1, beta_1, initial_vol):
        total = self.event_shape[0]
        noise = rng.standard_normal((*size, total))
        x = np.empty((*size, total))
        variance = np.broadcast_to(np.square(initial_vol), size)
        for t in range(total):
            if t:
                variance = omega + alpha_1 * x[..., t - 1] ** 2 + beta_1 * variance
            x[..., t] = noise[..., t] * np.sqrt(variance)
        return x

    def mean(self):
        return zeros((self.event_shape[0],))

    def variance(self):
        """Also the variance's expectation follows the recurrence, with alpha_1 + beta_1 in the place of beta_1."""
        t = as_variable(np.arange(self.event_shape[0], dtype="float64"))
        rate = (self.alpha_1 + self.beta_1)[..., None]
        grown = rate**t
        one = ew.eq(rate, 1.0)
        series = ew.switch(one, t, (1.0 - grown) / ew.switch(one, 1.0, 1.0 - rate))
        return ew.sqr(self.initial_vol)[..., None] * grown + self.omega[..., None] * series


class EulerMaruyama(Series):
    """A stochastic differential equation in steps of dt: x_(t+1) ~ Normal(x_t + dt f(x_t), √dt g(x_t)).

    sde_fn(x, *sde_pars) returns the drift f and the diffusion g as graphs; sde_pars are numbers, arrays or variables.
    init_dist is the distribution of x_0. The event is (steps + 1,). Kloeden & Platen, Numerical Solution of Stochastic
    Differential Equations (1992), ch. 9.1.

    >>> start = Normal.dist(0.0, 1.0)
    >>> ou = EulerMaruyama.dist(0.25, lambda x, k: (-k * x, 1.0), (2.0,), init_dist=start, steps=1)
    >>> ou.logp([0.0, 0.5]).eval()
    array(-1.64472989)
    """

    options = {"dt": None, "sde_fn": None, "sde_pars": None, "init_dist": None, "steps": None}
    positional = ("dt", "sde_fn", "sde_pars")
    support = _Real
    sde_fn: Callable[..., tuple[Any, Any]]

    @classmethod
    def _made(cls, who, args, kwargs):
        given = cls.dist_signature.bind_partial(*args, **kwargs).arguments
        self: Self = object.__new__(cls)
        for name in ("dt", "sde_fn", "init_dist", "steps"):
            setattr(self, name, given.get(name))
        if not callable(self.sde_fn):
            raise TypeError(
                f"{who}: sde_fn is a function (x, *sde_pars) -> (drift, diffusion), got {self.sde_fn!r}"
            )
        if self.dt is None or not np.all(np.asarray(self.dt) > 0):
            raise ValueError(f"{who}: dt is {self.dt!r}; it must be a positive number")
        self.sde_pars = pars = tuple(given.get("sde_pars") or ())
        self._own = self._given = {
            f"sde_pars[{k}]": parameter(who, f"sde_pars[{k}]", p) for k, p in enumerate(pars)
        }
        self._unchecked = []
        self.init_dist = self.beginning(Normal.dist(0.0, 100.0), "Normal.dist(0, 100)")
        self._unchecked += self.init_dist._unchecked
        self.batch_shape, self.event_shape = self.lengths(who, self._own)
        self._repeat(who, given.get("shape"), given.get("size"))
        return self

    def _drift_and_diffusion(self, x: Variable) -> tuple[Variable, Variable]:
        drift, diffusion = self.sde_fn(x, *(p[..., None] if p.ndim else p for p in self._own.values()))
        return as_variable(drift), as_variable(diffusion)

    def density(self, x):
        now, later = get_item(x, (Ellipsis, slice(None, -1))), get_item(x, (Ellipsis, slice(1, None)))
        drift, diffusion = self._drift_and_diffusion(now)
        scale = np.sqrt(self.dt) * diffusion
        z = (later - (now + self.dt * drift)) / scale
        steps = ew.sqr(z) + 2.0 * ew.log(scale) + LOG_TWO_PI
        steps = or_infinite(reduce.sum(ew.switch(scale > 0.0, steps, np.inf), axis=-1))
        return self.init_dist.logp(get_item(x, (Ellipsis, 0))) - 0.5 * steps

    def draw(self, rng, size, **values):
        x = Variable(TensorType("float64", (None,) * (len(self.batch_shape) + 1)), "x")
        both = [v + ew.zeros_like(x) for v in self._drift_and_diffusion(x)]
        run = evaluated(self, values, x, both)
        now = np.asarray(self.draw_component(rng, "init_dist", values, size), "float64")
        path = [now]
        for _ in range(self.event_shape[0] - 1):
            drift, diffusion = (np.asarray(v)[..., 0] for v in run(now[..., None]))
            now = now + self.dt * drift + np.sqrt(self.dt) * diffusion * rng.standard_normal(size)
            path.append(now)
        return np.stack(path, axis=-1)

    def point(self):
        first = folded(self.init_dist.point())
        return first[..., None] + zeros((self.event_shape[0],))

    def mean(self):
        raise NotImplementedError("EulerMaruyama has no mean in closed form: average draws of it")


__all__ = ["AR", "GARCH11", "EulerMaruyama"]
