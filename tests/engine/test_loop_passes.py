"""Loops to loops: dead code, row blocks and vector marks change no value."""

from __future__ import annotations

import numpy as np

from probgraph.engine import loops
from probgraph.engine.blocks import in_blocks, moves_along
from probgraph.engine.loops import (
    Accumulate,
    Buffer,
    Compute,
    Declare,
    For,
    Let,
    Literal,
    Load,
    Local,
    Name,
    Program,
    ScalarFunction,
    Store,
    Update,
    walk_statements,
)
from probgraph.engine.run_loops import run
from probgraph.engine.tidy import tidy

ADD = ScalarFunction("add", "({0} + {1})", np.add)
MUL = ScalarFunction("mul", "({0} * {1})", np.multiply)
EXP = ScalarFunction("exp", "exp({0})", np.exp, cost=20)


def f(name: str) -> Name:
    return Name(name, "float64")


def load(buffer: str, index: loops.Expr) -> Load:
    return Load(buffer, index, "float64")


def program(body, rows: int, columns: int, scratch=()) -> Program:
    size = loops.integer(rows * columns)
    buffers = [
        Buffer("in0", "float64", "input", size),
        Buffer("out0", "float64", "output", loops.integer(columns)),
        *(Buffer(name, "float64", "scratch", size) for name in scratch),
    ]
    shape = (loops.integer(columns),)
    return Program(buffers, [], [], body, [shape], [], {}, [(rows, columns)])


def softplus_like_rows(rows: int, columns: int) -> list[loops.Statement]:
    """For each row: its sum, the exponential of that, added to every column of the output."""
    i, j, k = Name("i"), Name("j"), Name("k")
    at = loops.add(loops.multiply(i, loops.integer(columns)), j)
    return [
        For("k", loops.integer(columns), [Store("out0", k, Literal(0.0, "float64"))]),
        For(
            "i",
            loops.integer(rows),
            [
                Declare("acc", Literal(0.0, "float64")),
                Let("first", load("in0", loops.multiply(i, loops.integer(columns)))),
                For("j", loops.integer(columns), [Update("acc", ADD, load("in0", at))]),
                Let("e", Compute(EXP, (f("acc"),), "float64")),
                Let("w", Compute(MUL, (f("e"), f("first")), "float64")),
                For("j", loops.integer(columns), [Accumulate("out0", j, ADD, f("w"))]),
            ],
        ),
    ]


def test_row_blocks_change_no_value():
    for rows, columns in ((0, 3), (1, 3), (63, 3), (256, 3), (600, 3), (100, 400)):
        data = np.random.default_rng(rows).normal(size=(rows, columns)) * 0.1
        plain = run(program(softplus_like_rows(rows, columns), rows, columns), [data])[0]
        staged = in_blocks(softplus_like_rows(rows, columns))
        # A few rows are no block.
        assert any(isinstance(s, Local) for s in walk_statements(staged)) == (rows >= 8)
        np.testing.assert_allclose(run(program(staged, rows, columns), [data])[0], plain, 1e-12)
        weights = np.exp(data.sum(1)) * data[:, 0] if rows else np.zeros(0)
        np.testing.assert_allclose(plain, np.full(columns, weights.sum()), 1e-12)


def test_a_block_keeps_little_for_itself():
    for columns in (3, 45, 250):
        i, j = Name("i"), Name("j")
        at = loops.add(loops.multiply(i, loops.integer(columns)), j)
        exponential = Let("e", Compute(EXP, (f("x"),), "float64"))
        inner = [Let("x", load("in0", at)), exponential, Update("acc", ADD, f("e"))]
        body = [
            Declare("acc", Literal(0.0, "float64")),
            For("j", loops.integer(columns), inner),
            Store("out0", i, f("acc")),
        ]
        staged = in_blocks([For("i", loops.integer(3000), body)])
        kept = [s.size for s in walk_statements(staged) if isinstance(s, Local)]
        # It lies on the stack, which threads have little of.
        assert columns <= max(kept) <= max(8 * columns, 2048)


def test_the_costly_stage_becomes_a_vector_loop():
    tidied = tidy(program(softplus_like_rows(100, 3), 100, 3))
    stages = [s for s in walk_statements(tidied.body) if isinstance(s, For) and s.variable == "i"]
    assert [s.vector for s in stages] == [False, True, False]


def test_stores_nobody_reads_and_names_nobody_uses_are_dropped():
    i = Name("i")
    body = [
        Let("unused", Literal(1.0, "float64")),
        For("i", loops.integer(3), [Store("s0", i, load("in0", i))]),
        For("i", loops.integer(3), [Store("s1", i, load("s0", i))]),
        For("i", loops.integer(3), [Let("x", load("in0", i)), Store("out0", i, f("x"))]),
    ]
    tidied = tidy(program(body, 1, 3, ["s0", "s1"]))
    assert len(tidied.body) == 1
    assert not tidied.buffers_of("scratch")
    np.testing.assert_array_equal(run(tidied, [np.arange(3.0)[None]])[0], np.arange(3.0))


def test_an_index_moves_along_a_loop_or_not():
    i, n = Name("i"), Name("n")
    assert moves_along(i, "i")
    assert moves_along(loops.add(loops.multiply(i, loops.integer(3)), n), "i")
    assert moves_along(loops.subtract(i, n), "i")
    assert not moves_along(n, "i")
    assert not moves_along(load("places", i), "i")
    assert not moves_along(loops.multiply(i, n), "i")
    assert not moves_along(loops.add(i, i), "i")


def test_a_scattered_sum_is_no_vector_loop():
    i = Name("i")
    place = Load("in0", i, "int64")
    body = [For("i", loops.integer(3), [Accumulate("out0", place, ADD, Literal(1.0, "float64"))])]
    assert not tidy(program(body, 1, 3)).body[0].vector
