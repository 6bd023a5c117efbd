"""Graphs of constants, computed when they are built: so that a parameter is a number as early as can be."""

from __future__ import annotations

import numpy as np

from probgraph.engine import operators as _operators  # noqa: F401  (gives variables their arithmetic)
from probgraph.engine.graph import Constant, FunctionGraph, Variable, ancestors, tensor_constant
from probgraph.engine.run_graph import numpy_function


def value_if_constant(v: Variable) -> np.ndarray | None:
    """The value of a variable that depends on constants alone; None if it depends on anything else."""
    if isinstance(v, Constant):
        return v.data
    if any(u.owner is None and not isinstance(u, Constant) for u in ancestors([v])):
        return None
    return numpy_function(FunctionGraph([], [v]))([])[0]


def folded(v: Variable) -> Variable:
    """`v` as a constant if it depends on constants alone, else as it is."""
    if isinstance(v, Constant):
        return v
    value = value_if_constant(v)
    return v if value is None else tensor_constant(value, v.dtype)
