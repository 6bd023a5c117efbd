"""Samplers over R^n: they know a log density behind a C function pointer, and nothing of models or graphs.

The journey: `LogDensity` (density.py), starts (initial.py), `sample_chains` (chains.py), which tunes each
chain (tuning.py, adaptation.py, metric.py) and lets the kernel run (nuts.py: in C, or without a compiler in
Python); the result is a `Trace`.
"""

from probgraph.samplers.chains import prepare, sample_chains
from probgraph.samplers.density import STOP_SAMPLING, LogDensity
from probgraph.samplers.initial import StartError, jittered_starts
from probgraph.samplers.interruption import putting_together
from probgraph.samplers.memory import warn_of_memory
from probgraph.samplers.moves import Moves
from probgraph.samplers.nuts import Path
from probgraph.samplers.particle_moves import RandomWalks, Trajectories
from probgraph.samplers.seeds import generator, seed_sequence
from probgraph.samplers.store import Store
from probgraph.samplers.tempered import tempered
from probgraph.samplers.trace import Trace, joined_traces
from probgraph.samplers.watching import Draw, Watch
from probgraph.samplers.without_compiler import warn_if_no_compiler, warn_without_compiler

__all__ = [
    "STOP_SAMPLING",
    "Draw",
    "LogDensity",
    "Moves",
    "Path",
    "RandomWalks",
    "StartError",
    "Store",
    "Trace",
    "Trajectories",
    "Watch",
    "generator",
    "jittered_starts",
    "joined_traces",
    "prepare",
    "putting_together",
    "sample_chains",
    "seed_sequence",
    "tempered",
    "warn_if_no_compiler",
    "warn_of_memory",
    "warn_without_compiler",
]
