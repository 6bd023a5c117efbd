"""One seed for a whole run, and from it one independent stream for each chain and purpose.

A stream depends on the seed, the chain's number and the purpose only: not on how many chains there are, nor
on how many run at once. So the same seed gives the same draws on any machine with any number of cores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

Seed = int | Sequence[int] | np.random.SeedSequence | None
PURPOSES = {"starts": 1, "draws": 2, "paths": 3}


def chain_generators(
    random_seed: Seed, chains: int, purpose: Literal["starts", "draws", "paths"], first: int = 0
) -> list[np.random.PCG64]:
    """A bit generator for each chain, numbered from ``first``; None as seed takes fresh entropy from the system."""
    seed = seed_sequence(random_seed)
    # Not seed.spawn, which counts in the object: the same SeedSequence given twice must mean the same draws.
    keys = [(*seed.spawn_key, chain, PURPOSES[purpose]) for chain in range(first, first + chains)]
    return [np.random.PCG64(np.random.SeedSequence(seed.entropy, spawn_key=key)) for key in keys]


def seed_sequence(random_seed: Seed) -> np.random.SeedSequence:
    """The seed as NumPy's; with fresh entropy for None. TypeError or ValueError for what is no seed."""
    if isinstance(random_seed, np.random.SeedSequence):
        return random_seed
    return _made(np.random.SeedSequence, random_seed)


def generator(random_seed: Seed | np.random.Generator) -> np.random.Generator:
    """NumPy's generator for a seed, or the one that is given. TypeError or ValueError for what is no seed."""
    return _made(np.random.default_rng, random_seed)


def _made(make: Callable[[Any], Any], random_seed: Any) -> Any:
    try:
        if not isinstance(random_seed, int) and np.size(random_seed) == 0:
            raise ValueError("there is nothing in it")  # NumPy's seed of nothing is a fixed one
        return make(random_seed)
    except (TypeError, ValueError) as error:
        what = "an int >= 0, a sequence of them, a SeedSequence, a Generator or None"
        raise type(error)(f"random_seed is {random_seed!r}; it must be {what}") from error
