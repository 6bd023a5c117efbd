"""How much memory a run takes, said before it begins where it is much of what there is."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

from probgraph.samplers.nuts import STATISTICS

PART = 0.5
"""Of the memory, from which on it is said."""

LIMIT_OF_GROUP = Path("/sys/fs/cgroup/memory.max")
"""What Linux lets a container or a batch job have: a number, or "max"."""


def bytes_needed(dim: int, chains: int, draws: int, tune: int) -> int:
    """What positions and statistics of all chains take, and the gradients of the warm-up."""
    row = 8 * dim + STATISTICS.itemsize
    return chains * ((draws + tune) * row + tune * 8 * dim)


def warn_of_memory(
    dim: int, chains: int, draws: int, tune: int, results: int = 0, available: int | None = None
) -> None:
    """Say how much memory a run needs, and what to do, where that is more than half of what there is.

    ``results`` are the bytes of all that is computed from the draws and kept.
    """
    available = _available() if available is None else available
    positions = bytes_needed(dim, chains, draws, tune)
    if available and positions + results > PART * available:
        warnings.warn(
            f"{chains} chains of {tune:,} + {draws:,} draws of {dim:,} numbers take {positions / 1e9:.1f} GB, and their"
            f" results {results / 1e9:.1f} GB more, of {available / 1e9:.1f} GB that there are. Ask for fewer draws= or"
            " chains=, or keep fewer with thin=; results are smaller with var_names= and dtype='float32', and without"
            " log_likelihood, which compute_log_likelihood(store=...) writes to files.",
            stacklevel=3,
        )


def _available() -> int:
    """Bytes of memory, of the machine or of what of it this process may have; 0 where the system does not say."""
    try:
        machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 0
    try:
        limit = LIMIT_OF_GROUP.read_text(encoding="ascii").strip()
    except OSError:
        return machine
    return min(machine, int(limit)) if limit.isdigit() else machine
