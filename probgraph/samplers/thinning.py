"""Every so many-th draw of a chain: the others are made into memory that is used again, so that they take none.

What is kept of the others is what must not go unseen: their gradients are counted with the draw that comes after them, and
where one of them diverged, or was cut short, that draw says so.
"""

from __future__ import annotations

import numpy as np

from probgraph.samplers.nuts import STATISTICS, Nuts

MOST_DRAWS, MOST_NUMBERS = 1024, 2**20
"""In the memory that is used again, unless it takes more to come from one draw that is kept to the next."""


class Thinning:
    """Keeps draws 0, ``thin``, 2 * ``thin`` ... of a chain; unless that is all, it is asked for at most ``rows`` at a time.

    thinning = Thinning(chain, 10)
    thinning.run(0.5, draws[:5], statistics[:5], first=True)   # draws 0, 10, 20, 30 and 40
    """

    def __init__(self, nuts: Nuts, thin: int):
        self.nuts, self.thin = nuts, thin
        room = max(thin, min(MOST_DRAWS, MOST_NUMBERS // nuts.dim)) if thin > 1 else 0
        self.rows = room // thin
        self.draws, self.statistics = np.empty((room, nuts.dim)), np.zeros(room, STATISTICS)

    def made(self, rows: int) -> int:
        """How many draws it takes to keep so many."""
        return (rows - 1) * self.thin + 1 if rows else 0

    def run(self, step_size: float, draws: np.ndarray, statistics: np.ndarray, first: bool) -> int:
        """Fill draws (n, dim) and statistics (n,), ``first`` with the chain's first; the number done, as of `Nuts.run`."""
        if self.thin == 1:
            return self.nuts.run(step_size, draws, statistics)
        before = 0 if first else self.thin - 1
        wanted = before + self.made(len(draws))
        made = self.nuts.run(step_size, self.draws[:wanted], self.statistics[:wanted])
        kept = np.arange(before, made, self.thin)
        if len(kept):
            count, seen = len(kept), self.statistics[: kept[-1] + 1]
            begins = np.maximum(kept - (self.thin - 1), 0)
            draws[:count], statistics[:count] = self.draws[kept], seen[kept]
            for name, together in (
                ("n_steps", np.add),
                ("diverging", np.logical_or),
                ("reached_max_treedepth", np.logical_or),
            ):
                statistics[name][:count] = together.reduceat(seen[name], begins)
        return len(kept)
