"""Random graphs, each known by a seed and a number: made, and held against NumPy in C and in loops in Python.

A graph grows from a few roots of any dtype and of lengths 0 to 4, some of them unknown to the graph, by moves
drawn at random. A move that NumPy refuses (shapes that do not fit, nothing to choose from) is not made.

Long runs: `python -m tests.engine.random_graphs --count 100000 --seed 1`.
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np

import probgraph.engine as theano
from probgraph.engine.autodiff import grad
from probgraph.engine.compiled import CompiledGraph
from probgraph.engine.graph import FunctionGraph, Variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import index, linalg, shape
from probgraph.engine.ops.reduce import Reduce
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.run_loops import run
from probgraph.engine.types import FLOATS, TensorType

DTYPES = ["float64"] * 6 + ["float32", "int64", "int32", "int8", "uint8", "bool"]
#: for floats, and what may be done to any number
SMOOTH = [
    ew.tanh,
    ew.sin,
    ew.sigmoid,
    ew.softplus,
    lambda x: ew.exp(-abs(x)),
    lambda x: ew.log1p(x * x),
    lambda x: x * 0.5 + 1,
]
STEPPED = [
    lambda x: abs(ew.cast(x, "int32")),
    lambda x: ew.cast(x > 0, "int64"),
    lambda x: ew.cast(x, "float64"),
    lambda x: ew.cast(x, "float32") / 2,
    ew.floor,
    ew.sgn,
]
BINARY = [
    ew.add,
    ew.mul,
    ew.maximum,
    ew.minimum,
    lambda x, y: x / (1 + y * y),
    lambda x, y: ew.switch(x > y, x, y * 2),
    lambda x, y: x - ew.cast(y, "float64"),
    lambda x, y: ew.cast(x, "int64") // ew.cast(y, "int64"),
    lambda x, y: ew.cast(x, "int64") % ew.cast(y, "int64"),
]
REDUCTIONS = ["sum", "max", "min", "mean", "prod", "any", "all", "var"]

#: what NumPy or the engine says to a move that cannot be made
REFUSALS = (ValueError, TypeError, IndexError, OverflowError, NotImplementedError, AssertionError)


def elementwise(draw, pool):
    x = draw.choice(pool)
    return draw.choice(SMOOTH if x.dtype in FLOATS else STEPPED)(x)


def step_function(draw, pool):
    return draw.choice(STEPPED)(draw.choice(pool))


def binary(draw, pool):
    return draw.choice(BINARY)(draw.choice(pool), draw.choice(pool))


def reduction(draw, pool):
    x = draw.choice([v for v in pool if v.ndim])
    axis = draw.choice([None, *range(x.ndim)])
    return getattr(x, draw.choice(REDUCTIONS))(axis=axis, keepdims=draw.choice([False, True]))


def view(draw, pool):
    x = draw.choice([v for v in pool if v.ndim])
    bounds = [None, *range(-5, 6)]
    part = slice(draw.choice(bounds), draw.choice(bounds), draw.choice([None, 2, -1, -2]))
    match draw.randint(0, 4):
        case 0:
            return x.T
        case 1:
            return x[part]
        case 2:
            return x[..., part]
        case 3:
            return x[draw.randint(-4, 3)]
        case _:
            return x.reshape((-1,))


def gather(draw, pool):
    x = draw.choice([v for v in pool if v.ndim])
    places = np.array([draw.randint(-4, 3) for _ in range(draw.randint(0, 5))], dtype="int64")
    match draw.randint(0, 2):
        case 0:
            return x[places]
        case 1:
            return index.inc_subtensor(x[places], 1)
        case _:
            return index.set_subtensor(x[1:], x[:-1])


def joined(draw, pool):
    x = draw.choice([v for v in pool if v.ndim])
    y = draw.choice([v for v in pool if v.ndim == x.ndim])
    return shape.concatenate([x, y], axis=draw.randint(0, x.ndim - 1))


def product(draw, pool):
    x = draw.choice([v for v in pool if v.ndim in (1, 2) and v.dtype != "bool"])
    y = draw.choice([v for v in pool if v.ndim in (1, 2) and v.dtype != "bool"])
    return linalg.dot(x, y)


def recurrence(draw, pool):
    x = draw.choice([v for v in pool if v.ndim and v.dtype == "float64"])
    factor = draw.choice([v for v in pool if v.ndim == 0 and v.dtype == "float64"] or [0.5])
    if draw.choice([False, True]):
        states, _ = theano.scan(lambda row, s, f: ew.tanh(row.sum() + s * f), x, 0.1, factor)
    else:
        states, _ = theano.scan(lambda row, s, f: row * f + ew.sin(s), x, ew.zeros_like(x[0]), factor)
    return states if draw.choice([False, True]) else states.sum(0)


MOVES = (
    [elementwise] * 3
    + [binary] * 3
    + [step_function, reduction, reduction, view, view, gather, joined, product, recurrence]
)


@dataclass(frozen=True, eq=False)
class RandomGraph:
    name: str
    roots: list[Variable]
    arrays: list[np.ndarray]
    #: what the moves made, in their order
    made: list[Variable]

    @property
    def outputs(self) -> list[Variable]:
        return (self.made or self.roots)[-3:]

    def cost(self, outputs: Sequence[Variable]) -> Variable:
        terms = [ew.tanh(ew.cast(v, "float64")).sum() for v in outputs]
        return sum(terms[1:], start=terms[0])

    def all_outputs(self, outputs: Sequence[Variable]) -> list[Variable]:
        """The outputs, a scalar made of them, and its gradients."""
        cost = self.cost(outputs)
        continuous = [v for v in self.roots if v.dtype in FLOATS]
        return [*outputs, cost, *grad(cost, continuous, disconnected_inputs="ignore")]

    @property
    def rough(self) -> bool:
        return any(v.dtype == "float32" for v in (*self.roots, *self.made))

    def tied(self) -> bool:
        """Whether a largest or smallest element is there twice: then each has the whole gradient."""
        nodes = [n for n in FunctionGraph(self.roots, self.outputs).toposort() if isinstance(n.op, Reduce)]
        extremes = [n for n in nodes if n.op.how.name in ("max", "min")]
        pairs = [v for node in extremes for v in (node.inputs[0], node.outputs[0])]
        values = iter(numpy_function(FunctionGraph(self.roots, pairs))(self.arrays))
        for node, x, y in zip(extremes, values, values, strict=False):
            if ((x == np.expand_dims(y, node.op.axis)).sum(node.op.axis) > 1).any():
                return True
        return False


def make(draw: random.Random, name: str) -> RandomGraph:
    """A graph by what `draw` draws: `random.Random`'s or hypothesis's."""
    rng = np.random.default_rng(draw.randint(0, 2**32))
    roots: list[Variable] = []
    arrays: list[np.ndarray] = []
    for i in range(draw.randint(1, 3)):
        lengths = [draw.choice([0, 1, 3, 3, 4]) for _ in range(draw.randint(0, 2))]
        dtype = draw.choice(DTYPES)
        hidden = draw.choice([False, True])
        roots.append(TensorType(dtype, [None if hidden and n != 1 else n for n in lengths])(f"x{i}"))
        numbers = rng.normal(size=lengths) * 2
        arrays.append(np.asarray(abs(numbers) if dtype == "uint8" else numbers).astype(dtype))
    pool, values, made = list(roots), list(arrays), []
    for _ in range(draw.randint(2, 8)):
        try:
            v = draw.choice(MOVES)(draw, pool)
            (value,) = numpy_function(FunctionGraph(pool, [v]))(values)
        except REFUSALS:
            continue
        if np.size(value) > 200 or (value.dtype.kind == "f" and not np.all(np.abs(value) < 1e6)):
            continue
        if any(v is known for known in pool):
            continue
        pool.append(v)
        values.append(value)
        made.append(v)
    return RandomGraph(name, roots, arrays, made)


def numbered(seed: int, number: int) -> RandomGraph:
    return make(random.Random(f"{seed}/{number}"), f"graph {number} of seed {seed}")


def check(cases: Sequence[RandomGraph], outputs: Sequence[Sequence[Variable]] | None = None) -> None:
    """All cases in one program: C, loops in Python and NumPy agree on values, dtypes and gradients."""
    if outputs is None:
        outputs = [case.outputs for case in cases]
    roots = [v for case in cases for v in case.roots]
    arrays = [a for case in cases for a in case.arrays]
    wanted = [case.all_outputs(own) for case, own in zip(cases, outputs, strict=True)]
    owners = [case for case, own in zip(cases, wanted, strict=True) for _ in own]
    graph = FunctionGraph(roots, [v for own in wanted for v in own])
    expected = numpy_function(graph)(arrays)
    compiled = CompiledGraph(graph)
    results = zip(owners, compiled(arrays), run(compiled.program, arrays), expected, strict=True)
    for position, (case, c, p, n) in enumerate(results):
        rtol, atol = (2e-3, 2e-4) if case.rough else (1e-9, 1e-11)
        for way, got in (("C", c), ("loops in Python", p)):
            who = f"{case.name}, output {position} of the program, {way}"
            assert got.dtype == n.dtype, f"{who}: {got.dtype}, in NumPy {n.dtype}"
            np.testing.assert_allclose(got, n, rtol, atol, err_msg=who)


def check_naming(cases: Sequence[RandomGraph]) -> None:
    """`check`; of what fails, the first graph that fails alone, and in it the first variable, are named."""
    try:
        check(cases)
    except Exception as error:
        error.add_note(f"in the graphs {cases[0].name} to {cases[-1].name} as one program")
        for case in cases:
            for own in [*([v] for v in case.made), case.outputs]:
                try:
                    check([case], [own])
                except Exception as alone:
                    raise AssertionError(f"{case.name} fails alone:\n{description(case, own)}") from alone
        raise


def description(case: RandomGraph, outputs: Sequence[Variable]) -> str:
    given = [f"{v.name}: {v.type} = {a.tolist()}" for v, a in zip(case.roots, case.arrays, strict=True)]
    return "\n".join([*given, theano.debugprint(list(outputs), file="str")])


def groups(seed: int, count: int, together: int, first: int = 0) -> Iterator[list[RandomGraph]]:
    for k in range(first, first + count, together):
        yield [numbered(seed, i) for i in range(k, min(k + together, first + count))]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.engine.random_graphs", description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="the number of the first graph")
    parser.add_argument("--together", type=int, default=16, help="graphs in one program")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after so long")
    wanted = parser.parse_args()
    start = perf_counter()
    done = failed = 0
    for cases in groups(wanted.seed, wanted.count, wanted.together, wanted.first):
        try:
            check_naming(cases)
        except Exception as error:
            failed += 1
            print(f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ()), sep="\n", flush=True)
        done += len(cases)
        minutes = (perf_counter() - start) / 60
        if done // 1000 > (done - len(cases)) // 1000:
            print(f"{done} graphs, {failed} failures, {minutes:.1f} minutes", flush=True)
        if minutes > wanted.minutes:
            break
    print(
        f"seed {wanted.seed}: {done} graphs from number {wanted.first}, {failed} failures, {minutes:.1f} minutes"
    )
    raise SystemExit(failed > 0)


if __name__ == "__main__":
    main()
