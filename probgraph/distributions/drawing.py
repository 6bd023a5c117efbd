"""Draws of variables and distributions, forward through the graph: parents first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from probgraph.distributions.base import Distribution, Seed
from probgraph.distributions.random_variable import RandomVariable
from probgraph.engine.graph import FunctionGraph, Variable, graph_inputs
from probgraph.engine.run_graph import numpy_function

Drawable = Distribution | Variable


def draw(vars: Drawable | Sequence[Drawable], draws: int = 1, random_seed: Seed = None) -> Any:
    """Independent draws of a distribution, of a random variable, or of anything computed from some.

    What a variable depends on is drawn with it, so that this is a draw from the prior. Returns an array of
    shape (draws, *shape), without the first axis if `draws` is 1; for a list of variables a list, drawn
    together.

    >>> draw(Normal.dist([0.0, 5.0], 1.0), draws=3, random_seed=1).shape
    (3, 2)
    """
    if draws < 1:
        raise ValueError(f"draw: draws is {draws}; it must be at least 1")
    wanted = list(vars) if isinstance(vars, list | tuple) else [vars]
    for v in wanted:
        if not isinstance(v, Distribution | Variable):
            raise TypeError(f"draw takes distributions and variables, got {type(v).__name__}: {v!r}")
    rng = np.random.default_rng(random_seed)
    once = _drawer(wanted)
    results = [once(rng) for _ in range(draws)]
    arrays = [
        np.asarray(column[0]) if draws == 1 else np.stack(column) for column in zip(*results, strict=True)
    ]
    return arrays if isinstance(vars, list | tuple) else arrays[0]


def _drawer(wanted: Sequence[Drawable]) -> Any:
    """A function from a generator to one joint draw."""
    parents = _parents_first([d for w in wanted for d in _needs(w)])
    steps = [(v, *_parameters(v.distribution, parents)) for v in parents]
    last = [
        (w, *_parameters(w, parents)) if isinstance(w, Distribution) else (w, _function(parents, [w]), ())
        for w in wanted
    ]

    def once(rng: np.random.Generator) -> list[np.ndarray]:
        values: list[np.ndarray] = []
        for v, parameters, names in steps:
            known = parameters(values + [np.zeros(())] * (len(parents) - len(values)))
            drawn = v.distribution.draw_given(rng, dict(zip(names, known, strict=True)))
            values.append(drawn.astype(v.dtype))
        results = []
        for w, function, names in last:
            known = function(values)
            if isinstance(w, Distribution):
                known = [w.draw_given(rng, dict(zip(names, known, strict=True)))]
            results.append(known[0])
        return results

    return once


def _function(inputs: Sequence[Variable], outputs: Sequence[Variable]) -> Any:
    return numpy_function(FunctionGraph(inputs, outputs))


def _parameters(distribution: Distribution, parents: Sequence[Variable]) -> tuple[Any, list[str]]:
    parameters = distribution.parameters
    return _function(parents, list(parameters.values())), list(parameters)


def _needs(x: Drawable) -> list[RandomVariable]:
    outputs = list(x.parameters.values()) if isinstance(x, Distribution) else [x]
    return [v for v in graph_inputs(outputs) if isinstance(v, RandomVariable)]


def _parents_first(variables: Sequence[RandomVariable]) -> list[RandomVariable]:
    order: list[RandomVariable] = []
    stack = [(v, False) for v in reversed(variables)]
    while stack:
        v, expanded = stack.pop()
        if v in order:
            continue
        if expanded:
            order.append(v)
            continue
        stack.append((v, True))
        stack.extend((parent, False) for parent in _needs(v.distribution))
    return order
