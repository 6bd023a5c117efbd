"""Discrete unknowns summed out of a log density, exactly.

The idea worth knowing: the terms that depend on such a variable are worked out for all of its values at once, along
an axis in front (`vectorize_graph`), and their sum is taken over that axis. Of a vector of discrete variables, each
element of which meets one element of the terms, the elements are summed out side by side: n sums of K cases, not
one of K to the n.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from probgraph.distributions.constraints import Interval
from probgraph.distributions.folding import value_if_constant
from probgraph.engine.graph import Variable, ancestors, toposort
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import reduce
from probgraph.engine.ops.index import Gather
from probgraph.engine.vectorize import vectorize_graph
from probgraph.model.variables import FreeVariable

#: so many values a variable may have that is summed out unasked
MOST = 1000

Parts = Mapping[str, tuple[Variable, Variable | None]]


@dataclass(frozen=True, eq=False)
class Eliminated:
    """A variable that was summed out: the values it can have, and the log of its joint density at each, by which it
    can be drawn again: a graph (values, *shape), of the variables eliminated after it too."""

    variable: FreeVariable
    values: np.ndarray
    weights: Variable

    @property
    def name(self) -> str:
        return self.variable.name


def values_of(free: FreeVariable) -> np.ndarray | None:
    """The finitely many values of a discrete variable, whatever its parameters are; None where they are not known."""
    support = free.variable.distribution.support
    if not isinstance(support, Interval) or not support.discrete:
        return None
    bounds = [value_if_constant(as_variable(b)) for b in (support.lower, support.upper)]
    lower, upper = (None if b is None or not b.size else b for b in bounds)
    lower = lower if lower is None else float(lower.min())
    upper = upper if upper is None else float(upper.max())
    if lower is None or upper is None or not np.isfinite([lower, upper]).all() or upper - lower >= MOST:
        return None
    return np.arange(int(np.ceil(lower)), int(np.floor(upper)) + 1, dtype="int64")


def why_not(free: FreeVariable, parts: Parts) -> str | None:
    """Why a variable cannot be summed out; None if it can."""
    if values_of(free) is None:
        return f"{free.name} has no fixed, finite set of at most {MOST} values ({free.variable.distribution.support.text})"
    z = free.variable
    if not z.ndim:
        return None
    for name, part in _dependent(parts, z).items():
        if name == free.name:
            continue
        for v in part:
            if v is not None and not _meets_one_by_one(v, z):
                return (
                    f"an element of {name} depends on several elements of {free.name}, or in a way that cannot be told"
                    f" apart. Of a chain make a variable each, {free.name}0, then {free.name}1 = Categorical(p=P[{free.name}0])"
                    " ...; or leave it to sample(), which moves it by steps without gradients"
                )
    return None


def eliminated(
    parts: Parts, free: FreeVariable
) -> tuple[dict[str, tuple[Variable, Variable | None]], Eliminated]:
    """The parts of a log density without a discrete variable. NotImplementedError says why where that cannot be."""
    reason = why_not(free, parts)
    if reason is not None:
        raise NotImplementedError(f"{free.name} cannot be summed out: {reason}")
    z, values = free.variable, values_of(free)
    assert values is not None
    dependent = _dependent(parts, z)
    terms = {
        name: density if condition is None else ew.switch(condition, density, -np.inf)
        for name, (density, condition) in dependent.items()
    }
    if z.ndim:
        joint = [_summed_to(term, z.ndim) for term in terms.values()]
        every = np.broadcast_to(values.reshape(-1, *(1,) * z.ndim), (len(values), *z.type.shape))
    else:
        joint = [reduce.sum(term) if term.ndim else term for term in terms.values()]
        every = values
    total = functools.reduce(operator.add, joint)
    weights = vectorize_graph(total, {z: as_variable(np.ascontiguousarray(every))})
    rest = {name: part for name, part in parts.items() if name not in dependent}
    others = [name for name in dependent if name != free.name]
    # A likelihood that meets the variable element by element stays one, element by element.
    name = others[0] if z.ndim and len(others) == 1 else free.name
    rest[name] = reduce.logsumexp(weights, axis=0), None
    return rest, Eliminated(free, values, weights)


def _dependent(parts: Parts, z: Variable) -> dict[str, tuple[Variable, Variable | None]]:
    return {
        name: part
        for name, part in parts.items()
        if any(v is not None and any(a is z for a in ancestors([v])) for v in part)
    }


def _summed_to(term: Variable, rank: int) -> Variable:
    """Summed over the axes behind the first `rank`."""
    behind = tuple(range(rank, term.ndim))
    return reduce.sum(term, axis=behind) if behind else term


def _meets_one_by_one(term: Variable, z: Variable) -> bool:
    """Whether element i of the term depends on z[i] alone: z goes in by operations element by element, of its own
    shape throughout, and as a place in arrays that do not depend on it."""
    shape = z.type.shape
    reached: set[Variable] = {z}
    for node in toposort([term], stop=[z]):
        which = [v in reached for v in node.inputs]
        if not any(which):
            continue
        alike = all(v.type.shape == shape for v, hit in zip(node.inputs, which, strict=True) if hit)
        by_place = isinstance(node.op, Gather) and node.op.axes == (0,) and not which[0]
        if not alike or not (isinstance(node.op, ew.Elementwise) or by_place):
            return False
        for out in node.outputs:
            if out.type.shape[: len(shape)] != shape or (out.ndim != len(shape) and not by_place):
                return False
            reached.add(out)
    return term not in reached or term.type.shape[: len(shape)] == shape


def all_eliminated(parts: Parts, variables: Sequence[FreeVariable]) -> tuple[Parts, list[Eliminated]]:
    """Several variables summed out, one after another."""
    done = []
    for free in variables:
        parts, one = eliminated(parts, free)
        done.append(one)
    return parts, done
