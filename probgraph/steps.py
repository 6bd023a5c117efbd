"""Ways to step from draw to draw, as values that users hand to `sample(step=...)`, with PyMC's names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from probgraph.options import between_0_and_1, positive, real, whole
from probgraph.samplers import Path


@dataclass(frozen=True)
class NUTS:
    """The No-U-Turn sampler, the default: trajectories as long as they go without turning back.

    ``target_accept`` and ``max_treedepth`` as in `sample`, and before what is said there.

    Hoffman & Gelman, "The No-U-Turn Sampler" (JMLR 2014).

    >>> NUTS(target_accept=0.9)
    NUTS(target_accept=0.9, max_treedepth=None)
    """

    vars: Any = field(default=None, repr=False)
    target_accept: float | None = None
    max_treedepth: int | None = None

    name = "NUTS"
    max_error = 0.0
    path = None

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True)
class WALNUTS:
    """NUTS whose steps are halved inside the trajectory wherever the energy error exceeds ``max_error``.

    For posteriors that are narrow in one place and wide in another, as hierarchical models with centred variables:
    where NUTS diverges, or never enters, the steps become shorter, up to 1,024 times, and reversibly so. Step size and
    metric are learned as for NUTS, from the error of whole steps. Where the posterior is as wide everywhere, NUTS
    needs fewer gradients.

    Bou-Rabee, Carpenter, Kleppe & Liu, "The Within-Orbit Adaptive Leapfrog No-U-Turn Sampler" (arXiv:2506.18746).
    Raises ValueError where ``max_error`` is not positive.

    >>> WALNUTS(max_error=0.3)
    WALNUTS(max_error=0.3, target_accept=None, max_treedepth=None)
    """

    vars: Any = field(default=None, repr=False)
    max_error: float = 0.5
    target_accept: float | None = None
    max_treedepth: int | None = None

    name = "WALNUTS"
    path = None

    def __post_init__(self) -> None:
        _check(self)
        positive("WALNUTS: max_error", self.max_error)


@dataclass(frozen=True)
class HamiltonianMC:
    """Hamiltonian Monte Carlo with trajectories of one length, which each varies by up to ``jitter`` of it.

    ``path_length`` is in units of the posterior's scales, as the metric has them: a quarter of an orbit is pi / 2 = 1.57.
    ``max_steps`` bounds the steps of one trajectory. Neal, "MCMC using Hamiltonian dynamics" (2011), section 5.4.2.1 on
    why lengths should vary. Raises ValueError for lengths that are not positive, and a jitter outside 0 to 1.

    >>> HamiltonianMC(path_length=1.5).jitter
    0.5
    """

    vars: Any = field(default=None, repr=False)
    path_length: float = 2.0
    jitter: float = 0.5
    target_accept: float | None = None
    max_steps: int = 1024

    name = "HMC"
    max_error = 0.0
    max_treedepth = None

    def __post_init__(self) -> None:
        _check(self)
        positive(f"{self.name}: path_length", self.path_length)
        real(f"{self.name}: jitter", self.jitter, "at least 0 and below 1")
        if not 0 <= self.jitter < 1:
            raise ValueError(f"{self.name}: jitter is {self.jitter}; it must be at least 0 and below 1")
        whole(f"{self.name}: max_steps", self.max_steps, 1)

    @property
    def path(self) -> Path:
        return Path(self.path_length, self.jitter, self.max_steps)


@dataclass(frozen=True)
class MALA:
    """The Metropolis-adjusted Langevin algorithm: one step along the gradient, and noise, for each draw.

    The step size is tuned to accept 0.574 of the proposals, which is the best for many dimensions: Roberts &
    Rosenthal, "Optimal scaling of discrete approximations to Langevin diffusions" (1998).

    >>> MALA().target_accept
    0.574
    """

    vars: Any = field(default=None, repr=False)
    target_accept: float | None = 0.574

    name = "MALA"
    max_error = 0.0
    max_treedepth = None
    path = Path(1e-300, max_steps=1)

    def __post_init__(self) -> None:
        _check(self)


Step = NUTS | WALNUTS | HamiltonianMC | MALA
NAMED = {"nuts": NUTS, "walnuts": WALNUTS, "hmc": HamiltonianMC, "mala": MALA}


def _check(step: Step) -> None:
    """TypeError or ValueError for settings that all ways have; None is what `sample` says."""
    if step.target_accept is not None:
        between_0_and_1(f"{step.name}: target_accept", step.target_accept)
    if step.max_treedepth is not None:
        whole(f"{step.name}: max_treedepth", step.max_treedepth, 1, 30)


def the_step(step: Step | str | None) -> Step:
    """The way to step that the user means: an object, a name out of `NAMED`, or None for NUTS."""
    if step is None:
        return NUTS()
    if isinstance(step, Step):
        return step
    if isinstance(step, str) and step.lower() in NAMED:
        return NAMED[step.lower()]()
    if isinstance(step, type) and step in NAMED.values():
        return step()
    legal = ", ".join([*map(repr, NAMED), *(f"{kind.__name__}(...)" for kind in NAMED.values())])
    raise (ValueError if isinstance(step, str) else TypeError)(f"step is {step!r}; it must be one of {legal}")
