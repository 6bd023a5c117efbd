"""Samplers over R^n: they know a log density behind a C function pointer, and nothing of models or graphs.

The journey: `LogDensity` (density.py), starts (initial.py), `sample_chains` (chains.py), which tunes each
chain (tuning.py, adaptation.py, metric.py) and lets the kernel (nuts.c) run; the result is a `Trace`.
"""

from probgraph.samplers.chains import sample_chains
from probgraph.samplers.density import STOP_SAMPLING, LogDensity
from probgraph.samplers.initial import StartError, jittered_starts
from probgraph.samplers.trace import Trace

__all__ = ["STOP_SAMPLING", "LogDensity", "StartError", "Trace", "jittered_starts", "sample_chains"]
