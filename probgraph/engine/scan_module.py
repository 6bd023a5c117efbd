"""Theano's name for where loops are found: names, nothing else."""

from probgraph.engine.checkpoints import scan_checkpoints
from probgraph.engine.scanning import foldl, foldr, map, reduce, scan
from probgraph.engine.steps import OrderedUpdates, until

__all__ = ["OrderedUpdates", "foldl", "foldr", "map", "reduce", "scan", "scan_checkpoints", "until"]
