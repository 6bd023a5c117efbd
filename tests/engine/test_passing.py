"""Arrays that only pass through a block of rows have room for a block, and nothing else has less than it needs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from probgraph.engine import loops
from probgraph.engine import tensor as T
from probgraph.engine.compiled import CompiledGraph
from probgraph.engine.graph import FunctionGraph
from probgraph.engine.loops import (
    Accumulate,
    Buffer,
    Compute,
    For,
    Let,
    Literal,
    Load,
    Name,
    Program,
    ScalarFunction,
    Store,
)
from probgraph.engine.lower import lower
from probgraph.engine.passing import only_passing
from probgraph.engine.rewrite import run_passes
from probgraph.engine.rules import DECOMPOSE, FAST_RUN
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.run_loops import run

ROWS, COLUMNS, BLOCK = 11, 3, 4
ADD = ScalarFunction("add", "({0} + {1})", np.add)
FIRST, I, J = Name("i_block"), Name("i"), Name("j")
STOP = loops.minimum(loops.add(FIRST, loops.integer(BLOCK)), loops.integer(ROWS))


def at(row: loops.Expr, column: loops.Expr = J) -> loops.Expr:
    return loops.add(loops.multiply(row, loops.integer(COLUMNS)), column)


def load(buffer: str, index: loops.Expr) -> Load:
    return Load(buffer, index, "float64")


def stage(*body: loops.Statement) -> For:
    return For("i", STOP, [For("j", loops.integer(COLUMNS), list(body))], start=FIRST)


def blocks(*stages: loops.Statement) -> For:
    return For("i_block", loops.integer(ROWS), list(stages), step=BLOCK)


def program(*body: loops.Statement) -> Program:
    size = loops.integer(ROWS * COLUMNS)
    roles = {"in0": "input", "out0": "output", "s0": "scratch"}
    buffers = [Buffer(name, "float64", role, size) for name, role in roles.items()]
    shape = (loops.integer(ROWS), loops.integer(COLUMNS))
    return Program(buffers, [], [], list(body), [shape], [], {}, [(ROWS, COLUMNS)])


def doubled(e: loops.Expr) -> loops.Expr:
    return Compute(ADD, (e, e), "float64")


def made(p: Program) -> tuple[int, np.ndarray]:
    """The room of the scratch, and the output."""
    data = np.random.default_rng(0).normal(size=(ROWS, COLUMNS))
    plain = run(p, [data])[0]
    only_passing(p.body, p)
    np.testing.assert_array_equal(run(p, [data])[0], plain)
    assert np.isfinite(plain).all() and plain.any()
    return p.buffers_of("scratch")[0].size.value, plain


def written() -> loops.Statement:
    return Store("s0", at(I), load("in0", at(I)))


def read() -> loops.Statement:
    return Store("out0", at(I), doubled(load("s0", at(I))))


def test_what_passes_through_a_block_has_room_for_one():
    assert made(program(blocks(stage(written()), stage(read()))))[0] == BLOCK * COLUMNS


def test_places_may_be_named_by_quotients_and_remainders():
    k = Name("k")
    column = Let("j", loops.remainder(loops.add(k, loops.integer(1)), loops.integer(COLUMNS)))
    flat = For("i", STOP, [For("k", loops.integer(2 * COLUMNS), [column, written()])], start=FIRST)
    assert made(program(blocks(flat, stage(read()))))[0] == BLOCK * COLUMNS


def test_sums_pass_too():
    zero = Store("s0", at(I), Literal(1.0, "float64"))
    added = Accumulate("s0", at(I), ADD, load("in0", at(I)))
    assert made(program(blocks(stage(zero), stage(added), stage(read()))))[0] == BLOCK * COLUMNS


OTHERS = {
    "another loop reads it": lambda: [
        blocks(stage(written())),
        For("i", loops.integer(ROWS), [For("j", loops.integer(COLUMNS), [read()])]),
    ],
    "rows share elements": lambda: [
        blocks(
            stage(Store("s0", loops.add(I, J), load("in0", at(I)))),
            stage(Store("out0", at(I), load("s0", loops.add(I, J)))),
        )
    ],
    "rows end where the next begin": lambda: [
        blocks(
            stage(Store("s0", at(I, loops.multiply(J, loops.integer(2))), load("in0", at(I)))),
            stage(Store("out0", at(I), load("s0", at(I, loops.multiply(J, loops.integer(2)))))),
        )
    ],
    "each block reads those of others": lambda: [
        blocks(
            stage(written()),
            For("k", loops.integer(5), [Accumulate("out0", Name("k"), ADD, load("s0", Name("k")))]),
        )
    ],
    "there is one block": lambda: [
        For("i_block", loops.integer(ROWS), [stage(written()), stage(*[read()])], step=ROWS)
    ],
    "the loop around it hands it on": lambda: [
        For("t", loops.integer(2), [blocks(stage(read()), stage(written()))], serial=True)
    ],
}


@pytest.mark.parametrize("why", OTHERS)
def test_nothing_else_has_less_room(why):
    p = program(*OTHERS[why]())
    size = loops.integer(4 * ROWS * COLUMNS)
    p.buffers = [replace(b, size=size) if b.role == "scratch" else b for b in p.buffers]
    assert made(p)[0] == size.value


def test_what_softmaxes_make_on_the_way_is_as_long_as_a_block():
    rows = 500
    x, b = T.constant(np.random.default_rng(0).normal(size=(rows, 3))), T.TensorType("float64", (3, 3))("b")
    weights = T.nnet.softmax(x[:, :, None] + b, axis=1)
    graph = FunctionGraph([b], run_passes(run_passes([weights], FAST_RUN), DECOMPOSE))
    p = lower(graph)
    assert 0 < max(buffer.size.value for buffer in p.buffers_of("scratch")) < 9 * 100
    at = [np.random.default_rng(1).normal(size=(3, 3))]
    (expected,) = numpy_function(graph)(at)
    np.testing.assert_allclose(run(p, at)[0], expected, 1e-12)
    np.testing.assert_allclose(CompiledGraph(graph)(at)[0], expected, 1e-12)
    np.testing.assert_allclose(expected.sum(1), np.ones((rows, 3)), 1e-12)
