"""How much memory a run takes, said before it begins where it is much of what the machine has."""

from __future__ import annotations

import os
import warnings

from probgraph.samplers.nuts import STATISTICS

PART = 0.5
"""Of the machine's memory, from which on it is said."""


def bytes_needed(dim: int, chains: int, draws: int, tune: int) -> int:
    """What positions and statistics of all chains take, and the gradients of the warm-up."""
    row = 8 * dim + STATISTICS.itemsize
    return chains * ((draws + tune) * row + tune * 8 * dim)


def warn_of_memory(dim: int, chains: int, draws: int, tune: int, available: int | None = None) -> None:
    """Say how much memory a run needs, and what to do, where that is more than half of what there is."""
    available = _physical() if available is None else available
    needed = bytes_needed(dim, chains, draws, tune)
    if available and needed > PART * available:
        warnings.warn(
            f"{chains} chains of {tune:,} + {draws:,} draws of {dim:,} numbers take {needed / 1e9:.1f} GB, of"
            f" {available / 1e9:.1f} GB that this machine has. Ask for fewer draws or chains.",
            stacklevel=4,
        )


def _physical() -> int:
    """Bytes of memory; 0 where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 0
