"""Draws of variables and distributions, forward through the graph: parents first, many draws of each at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from probgraph.distributions.base import Distribution, Seed
from probgraph.distributions.many_draws import draw_for_each
from probgraph.distributions.random_variable import RandomVariable
from probgraph.engine.graph import FunctionGraph, Variable, graph_inputs
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.types import TensorType
from probgraph.engine.vectorize import vectorize_graph

#: numbers that are drawn at a time, all variables together
CHUNK = 2**22

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
    if draws == 1:
        arrays = [np.asarray(a) for a in _drawer(wanted)(rng)]
    else:
        arrays = _many(wanted, rng, draws)
    return arrays if isinstance(vars, list | tuple) else arrays[0]


def _many(wanted: Sequence[Drawable], rng: np.random.Generator, draws: int) -> list[np.ndarray]:
    """Arrays (draws, *shape): each variable's draws by one call, some thousands of draws at a time."""
    parents = _parents_first([d for w in wanted for d in _needs(w)])
    try:
        together = _drawer_of_many(wanted, parents)
    except NotImplementedError:  # an operation that knows no batches
        once = _drawer(wanted)
        return [np.stack(column) for column in zip(*(once(rng) for _ in range(draws)), strict=True)]
    sizes = [int(np.prod([n or 1 for n in v.type.shape])) for v in parents]
    sizes += [
        int(np.prod([n or 1 for n in (w.shape if isinstance(w, Distribution) else w.type.shape)]))
        for w in wanted
    ]
    step = max(1, CHUNK // max(sum(sizes), 1))
    parts = [together(rng, min(step, draws - start)) for start in range(0, draws, step)]
    return [np.concatenate(column) if len(column) > 1 else column[0] for column in zip(*parts, strict=True)]


def _drawer_of_many(wanted: Sequence[Drawable], parents: Sequence[RandomVariable]) -> Any:
    """A function from a generator and a number to so many joint draws."""
    batched = {v: Variable(TensorType(v.dtype, (None, *v.type.shape)), v.name) for v in parents}
    steps = [(v.distribution, *_parameters_of_many(v.distribution, batched)) for v in parents]
    last = [
        (w, *_parameters_of_many(w, batched))
        if isinstance(w, Distribution)
        else (w, _of_many([w], batched), ())
        for w in wanted
    ]

    def drawn(
        d: Distribution, known: list[np.ndarray], names: Sequence[str], rng: np.random.Generator, count: int
    ) -> np.ndarray:
        return draw_for_each(d, rng, dict(zip(names, known, strict=True)), count)

    def together(rng: np.random.Generator, count: int) -> list[np.ndarray]:
        values: list[np.ndarray] = []
        for v, (d, parameters, names) in zip(parents, steps, strict=True):
            known = parameters(values + [np.zeros((0,) * (p.ndim + 1)) for p in parents[len(values) :]])
            values.append(drawn(d, known, names, rng, count).astype(v.dtype))
        results = []
        for w, function, names in last:
            known = function(values)
            if isinstance(w, Distribution):
                results.append(drawn(w, known, names, rng, count))
            else:
                one = np.asarray(known[0])
                results.append(one if one.ndim > w.ndim else np.repeat(one[None], count, axis=0))
        return results

    return together


def _parameters_of_many(
    distribution: Distribution, batched: Mapping[RandomVariable, Variable]
) -> tuple[Any, list[str]]:
    parameters = distribution.parameters
    return _of_many(list(parameters.values()), batched), list(parameters)


def _of_many(outputs: Sequence[Variable], batched: Mapping[RandomVariable, Variable]) -> Any:
    return _function(list(batched.values()), vectorize_graph(outputs, batched))


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
