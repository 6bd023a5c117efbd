"""The functions that models are written with, under PyMC's names: `pg.math.exp`, `pg.math.dot` ...

They are the engine's own: all of `probgraph.engine.tensor`, and PyMC's second names.
"""
# ruff: noqa: F403, F405

from probgraph.engine.tensor import *

invlogit = sigmoid
