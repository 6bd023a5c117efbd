"""Where chains start: around a centre, each somewhere else, all where the density is finite."""

from __future__ import annotations

import numpy as np

from probgraph.samplers.density import LogDensity
from probgraph.samplers.seeds import Seed, chain_generators


class StartError(ValueError):
    """No start with a finite log density and gradient was found.

    ``chain`` is the chain's number; ``q`` (dim,), ``logp`` and ``gradient`` (dim,) are those of the last try,
    from which one who knows the names of the dimensions can say more.
    """

    def __init__(self, chain: int, tries: int, q: np.ndarray, logp: float, gradient: np.ndarray):
        self.chain, self.q, self.logp, self.gradient = chain, q, logp, gradient
        bad = np.flatnonzero(~np.isfinite(gradient))
        super().__init__(
            f"chain {chain}: no start with a finite log density in {tries} tries around the centre; the last "
            f"had log density {logp} and {len(bad)} of {len(q)} gradients not finite"
        )


def jittered_starts(
    density: LogDensity,
    centre: np.ndarray,
    chains: int,
    random_seed: Seed = None,
    *,
    tries: int = 100,
    radius: float | np.ndarray = 1.0,
) -> np.ndarray:
    """Starts (chains, dim): centre + uniform(-radius, radius), redrawn until the density is finite.

    ``radius`` may have one for each coordinate. ``centre`` is one for all (dim,) or one for each chain (chains, dim).
    Chains that start apart and end together are the evidence that they have found the same posterior.
    Raises StartError when a chain has none after so many tries.

        starts = jittered_starts(density, np.zeros(density.dim), chains=4, random_seed=1)
    """
    centre = np.asarray(centre, dtype=np.float64)
    if tries < 1 or chains < 1:
        raise ValueError(f"jittered_starts: chains is {chains} and tries {tries}; both must be at least 1")
    if centre.shape not in ((density.dim,), (chains, density.dim)):
        raise ValueError(
            f"jittered_starts: centre has shape {centre.shape}, it needs shape ({density.dim},) or"
            f" ({chains}, {density.dim})"
        )
    centres = np.broadcast_to(centre, (chains, density.dim))
    starts = np.empty((chains, density.dim))
    for chain, bits in enumerate(chain_generators(random_seed, chains, "starts")):
        random = np.random.Generator(bits)
        for _ in range(tries):
            q = centres[chain] + random.uniform(-radius, radius, density.dim)
            logp, gradient = density(q)
            if np.isfinite(logp) and np.isfinite(gradient).all():
                starts[chain] = q
                break
        else:
            raise StartError(chain, tries, q, logp, gradient)
    return starts
