"""Step methods without gradients, with PyMC's names: for unknowns that are discrete, or whose density has no gradient.

Each is a class that says which variables it is for, and what `samplers.moves` is to do with their coordinates. A new
kind of move is a class here and a function in moves.c.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from probgraph.options import positive, real, whether, whole
from probgraph.samplers import Moves


class NormalProposal:
    """Proposals that are normal around the present value."""

    shape = "normal"


class UniformProposal:
    """Proposals that are uniform around the present value, up to its scale away."""

    shape = "uniform"


class CauchyProposal:
    """Proposals with tails: far away every now and then."""

    shape = "cauchy"


class LaplaceProposal:
    """Proposals with a double exponential density around the present value."""

    shape = "laplace"


PROPOSALS = (NormalProposal, UniformProposal, CauchyProposal, LaplaceProposal)


@dataclass(frozen=True)
class Target:
    """A variable as a step method meets it: its coordinates, whether they are whole numbers, and if those are finitely
    many, which."""

    name: str
    places: tuple[int, ...]
    discrete: bool
    values: np.ndarray | None

    @property
    def binary(self) -> bool:
        return self.values is not None and self.values.tolist() == [0, 1]


@dataclass(frozen=True)
class StepMethod:
    """What all have: ``vars``, a variable, its name or a list of them; all that are left by default."""

    vars: Any = None

    #: whether one call moves all its variables together
    together: ClassVar[bool] = False
    needs: ClassVar[str] = ""

    @property
    def name(self) -> str:
        return type(self).__name__

    def refuse(self, target: Target) -> None:
        """ValueError for a variable that this method is not for."""
        if not self.fits(target):
            raise ValueError(f"{self.name}: {target.name} {self.needs}")

    def fits(self, target: Target) -> bool:
        return True

    def moves(self, targets: Sequence[Target]) -> Moves:
        """What the sampler does; of one variable unless `together`."""
        raise NotImplementedError

    def _named(self, targets: Sequence[Target]) -> dict[str, Any]:
        names = ", ".join(t.name for t in targets)
        return {"places": tuple(p for t in targets for p in t.places), "name": f"{self.name}({names})"}


def _shape(who: str, proposal: Any) -> str:
    if proposal is None:
        return "normal"
    kind = proposal if isinstance(proposal, type) else type(proposal)
    if kind not in PROPOSALS:
        names = ", ".join(p.__name__ for p in PROPOSALS)
        raise ValueError(f"{who}: proposal_dist is {proposal!r}; it must be one of {names}")
    return kind.shape


@dataclass(frozen=True, kw_only=True)
class Metropolis(StepMethod):
    """Each element in turn is offered a value around its own, and takes it by the ratio of the densities.

    ``scaling`` is the proposals' first scale; every ``tune_interval`` draws of the warm-up each element's own grows or
    shrinks towards an acceptance of 20 to 50 %. ``S`` are scales to multiply it with, one for each element. Continuous
    variables move over R, as in NUTS; whole numbers by whole numbers. Metropolis et al. (1953). Raises ValueError for
    settings that make no sense.

    >>> Metropolis(scaling=0.5).tune_interval
    100
    """

    S: Any = None
    proposal_dist: Any = None
    scaling: float = 1.0
    tune: bool = True
    tune_interval: int = 100

    def __post_init__(self) -> None:
        positive(f"{self.name}: scaling", self.scaling)
        whether(f"{self.name}: tune", self.tune)
        whole(f"{self.name}: tune_interval", self.tune_interval, 1)
        _shape(self.name, self.proposal_dist)

    def moves(self, targets: Sequence[Target]) -> Moves:
        named = self._named(targets)
        count = len(named["places"])
        legal = f"it must be {count} positive scales, one for each element of {targets[0].name}"
        try:
            scales = np.ones(count) if self.S is None else np.asarray(self.S, dtype=np.float64).ravel()
        except (TypeError, ValueError):
            raise TypeError(f"{self.name}: S is {self.S!r}; {legal}") from None
        if len(scales) != count or not (scales > 0).all() or not np.isfinite(scales).all():
            raise ValueError(f"{self.name}: S is {self.S!r}; {legal}")
        return Moves(
            "metropolis",
            scales=tuple(self.scaling * scales),
            whole=targets[0].discrete,
            proposal=_shape(self.name, self.proposal_dist),
            tune_interval=self.tune_interval if self.tune else 0,
            **named,
        )


@dataclass(frozen=True, kw_only=True)
class BinaryGibbsMetropolis(StepMethod):
    """Variables that are 0 or 1: each element in turn is offered the other value, with probability ``transit_p``.

    Raises ValueError for other variables, and a probability outside 0 to 1.
    """

    transit_p: float = 0.8

    needs = "is not 0 or 1; use Metropolis, or CategoricalGibbsMetropolis for categories"

    def __post_init__(self) -> None:
        real(f"{self.name}: transit_p", self.transit_p, "above 0, and at most 1")
        if not 0 < self.transit_p <= 1:
            raise ValueError(f"{self.name}: transit_p is {self.transit_p}; it must be above 0, and at most 1")

    def fits(self, target: Target) -> bool:
        return target.binary

    def moves(self, targets: Sequence[Target]) -> Moves:
        named = self._named(targets)
        return Moves("flip", scales=(1.0,) * len(named["places"]), probability=self.transit_p, **named)


class BinaryMetropolis(BinaryGibbsMetropolis):
    """The same moves as `BinaryGibbsMetropolis`, under another of PyMC's names."""


@dataclass(frozen=True, kw_only=True)
class CategoricalGibbsMetropolis(StepMethod):
    """Variables that are 0 to K - 1: each element in turn is offered another category.

    With ``proposal="uniform"`` all others are as likely; with "proportional" by their probabilities, which takes K
    densities, and leaves the present one more often: Liu, "Peskun's theorem and a modified discrete-state Gibbs sampler"
    (Biometrika 1996). Raises ValueError for other variables, and other proposals.
    """

    proposal: str = "uniform"

    needs = "is not one of the categories 0, 1 ... K - 1; use Metropolis"

    def __post_init__(self) -> None:
        if self.proposal not in ("uniform", "proportional"):
            raise ValueError(
                f"{self.name}: proposal is {self.proposal!r}; it must be 'uniform' or 'proportional'"
            )

    def fits(self, target: Target) -> bool:
        values = target.values
        return values is not None and len(values) > 1 and values[0] == 0

    def moves(self, targets: Sequence[Target]) -> Moves:
        named = self._named(targets)
        categories = tuple(len(t.values) for t in targets for _ in t.places if t.values is not None)
        return Moves(
            "categories",
            scales=(1.0,) * len(categories),
            categories=categories,
            proportional=self.proposal == "proportional",
            **named,
        )


@dataclass(frozen=True, kw_only=True)
class Slice(StepMethod):
    """Each element in turn is drawn from the stretch around it where the density is above a level drawn below its own.

    ``w`` is the first guess of that stretch's width, which the warm-up improves; a move that needs more than ``iter_limit``
    evaluations is an error. Neal, "Slice sampling" (Annals of Statistics 2003). Raises ValueError for discrete variables.

    >>> Slice(w=2.0).iter_limit
    10000
    """

    w: float = 1.0
    tune: bool = True
    iter_limit: float = 10_000

    needs = "is discrete; use Metropolis"

    def __post_init__(self) -> None:
        positive(f"{self.name}: w", self.w)
        whether(f"{self.name}: tune", self.tune)
        real(f"{self.name}: iter_limit", self.iter_limit, "at least 1")
        if not self.iter_limit >= 1:
            raise ValueError(f"{self.name}: iter_limit is {self.iter_limit}; it must be at least 1")

    def fits(self, target: Target) -> bool:
        return not target.discrete

    def moves(self, targets: Sequence[Target]) -> Moves:
        named = self._named(targets)
        limit = int(min(self.iter_limit, 2**62))
        return Moves(
            "slice",
            scales=(self.w,) * len(named["places"]),
            tune_interval=int(self.tune),
            limit=limit,
            **named,
        )


@dataclass(frozen=True, kw_only=True)
class DEMetropolisZ(StepMethod):
    """All its variables at once along the difference of two points of the chain's own past.

    Finds the scales and the correlations of a posterior by itself. ``lamb`` is the part of the difference, 2.38 / sqrt(2 d) by
    default, tuned with ``tune="lambda"``; ``scaling`` the size of the noise. ter Braak & Vrugt (2008), "Differential
    evolution Markov chain with snooker updater and fewer chains". Raises ValueError for discrete variables.

    >>> DEMetropolisZ().tune
    'lambda'
    """

    lamb: float | None = None
    proposal_dist: Any = UniformProposal
    scaling: float = 0.001
    tune: str | None = "lambda"
    tune_interval: int = 100

    together = True
    needs = "is discrete; use Metropolis"

    def __post_init__(self) -> None:
        positive(f"{self.name}: scaling", self.scaling)
        whole(f"{self.name}: tune_interval", self.tune_interval, 1)
        if self.lamb is not None:
            positive(f"{self.name}: lamb", self.lamb)
        if self.tune not in ("lambda", None):
            raise ValueError(f"{self.name}: tune is {self.tune!r}; it must be 'lambda' or None")
        _shape(self.name, self.proposal_dist)

    def fits(self, target: Target) -> bool:
        return not target.discrete

    def moves(self, targets: Sequence[Target]) -> Moves:
        named = self._named(targets)
        along = 2.38 / math.sqrt(2 * max(len(named["places"]), 1)) if self.lamb is None else self.lamb
        return Moves(
            "differences",
            scales=(along,),
            proposal=_shape(self.name, self.proposal_dist),
            noise=self.scaling,
            tune_interval=self.tune_interval if self.tune else 0,
            **named,
        )


def DEMetropolis(*args: Any, **kwargs: Any) -> StepMethod:
    """Absent: its chains would have to wait for each other at every draw."""
    raise NotImplementedError(
        "DEMetropolis moves chains by each other's draws, which chains here do not wait for; use DEMetropolisZ, which moves"
        " each by its own past"
    )


class CompoundStep:
    """Several step methods, one after the other in each draw; the same as a list of them."""

    def __init__(self, methods: Sequence[Any]) -> None:
        self.methods = list(methods)

    def __repr__(self) -> str:
        return f"CompoundStep({self.methods!r})"
