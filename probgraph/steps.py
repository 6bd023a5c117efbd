"""Ways to step from draw to draw, as values that users hand to `sample(step=...)`, with PyMC's names."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NUTS:
    """The No-U-Turn sampler, the default: trajectories as long as they go without turning back.

    ``target_accept`` and ``max_treedepth`` as in `sample`, and before what is said there.

    Hoffman & Gelman, "The No-U-Turn Sampler" (JMLR 2014).

    >>> NUTS(target_accept=0.9)
    NUTS(target_accept=0.9, max_treedepth=None)
    """

    target_accept: float | None = None
    max_treedepth: int | None = None

    name = "NUTS"
    max_error = 0.0


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

    max_error: float = 0.5
    target_accept: float | None = None
    max_treedepth: int | None = None

    name = "WALNUTS"

    def __post_init__(self) -> None:
        if not 0 < self.max_error < float("inf"):
            raise ValueError(f"WALNUTS: max_error is {self.max_error}; it must be positive and finite")


Step = NUTS | WALNUTS
NAMED = {"nuts": NUTS, "walnuts": WALNUTS}


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
