"""No finite and legal input of any distribution gives nan as its log density: hypothesis looks for one."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from distribution_table import CLASSES
from hypothesis import given, settings
from hypothesis import strategies as st

from probgraph.engine.graph import FunctionGraph, Variable
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.types import TensorType

FINITE = st.floats(allow_nan=False, allow_infinity=False)
USUAL = st.floats(-100.0, 100.0)
MANY = 12


@functools.cache
def density_of(cls):
    """The log density as a function of x and of all parameters: what is not legal it turns to minus infinity."""
    names = ["x", *cls.params]
    inputs = [Variable(TensorType("float64", (None,)), name) for name in names]
    dist = cls.dist(**dict(zip(names[1:], inputs[1:], strict=True)))
    return numpy_function(FunctionGraph(inputs, [dist.logp(inputs[0])]))


@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_no_finite_input_gives_nan(cls):
    run = density_of(cls)
    column = st.lists(FINITE | USUAL | st.integers(0, 50).map(float), min_size=MANY, max_size=MANY)

    @settings(max_examples=5, deadline=None, derandomize=True, database=None)
    @given(st.tuples(*[column] * (1 + len(cls.params))), st.booleans())
    def look(columns, positive):
        values = [np.abs(c) if positive else np.array(c) for c in columns]
        with np.errstate(all="ignore"):
            (logp,) = run(values)
        assert not np.isnan(logp).any(), [dict(zip(cls.params, v, strict=False)) for v in values]

    look()
