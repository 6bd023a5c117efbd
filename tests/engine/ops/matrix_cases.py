"""What the tests of matrix operations share: matrices to test with, and checks beyond those of `op_cases`."""

from __future__ import annotations

import numpy as np

from probgraph.engine.compiled import CompiledGraph
from probgraph.engine.graph import FunctionGraph
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.run_loops import run
from probgraph.engine.toolchain import find_compiler
from probgraph.engine.types import TensorType
from tests.engine.op_cases import Case

RNG = np.random.default_rng(6)


def random(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape)


def regular(*shape: int) -> np.ndarray:
    """Square matrices far from singular."""
    return RNG.normal(size=shape) + 3 * np.eye(shape[-1])


def positive(*shape: int) -> np.ndarray:
    """Symmetric positive definite matrices."""
    q = RNG.normal(size=shape)
    return q @ np.swapaxes(q, -1, -2) + np.eye(shape[-1])


def symmetrised(function):
    """A function of symmetric matrices, as every element of a matrix is moved on its own."""
    return lambda a, *rest: function((a + a.swapaxes(-1, -2)) / 2, *rest)


def all_ways(inputs, outputs, arrays):
    """The outputs' values by NumPy, by loops run in Python, and in C."""
    graph = FunctionGraph(inputs, outputs)
    results = {"NumPy": numpy_function(graph)(arrays)}
    if find_compiler() is not None:
        program = CompiledGraph(graph)
        results["C"] = program(arrays)
        results["loops"] = run(program.program, arrays)
    return results


def check_float32(cases: list[Case], tolerance: float = 2e-4) -> None:
    """Every case in single precision: the dtype stays, and the values are near those in double precision."""
    inputs, outputs, arrays, truths = [], [], [], []
    for case in cases:
        mine = [TensorType("float32", (None,) * a.ndim)() for a in case.arrays]
        inputs += mine
        arrays += [a.astype("float32") for a in case.arrays]
        outputs.append(case.graph(*mine))
        truths.append(np.asarray(case.numpy(*case.arrays)))
    assert {v.dtype for v in outputs} <= {"float32", "complex64"}
    for way, results in all_ways(inputs, outputs, arrays).items():
        for case, got, truth in zip(cases, results, truths, strict=True):
            assert got.dtype in (np.float32, np.complex64)
            scale = np.abs(truth).max(initial=1)
            np.testing.assert_allclose(
                got, truth, tolerance, tolerance * scale, err_msg=f"{case.name} ({way})"
            )


def check_lengths(make, truth, *shapes: tuple[int, ...]) -> None:
    """Values and types at unusual lengths (0, 1), with the lengths known and unknown."""
    arrays = [np.asarray(RNG.normal(size=s)) for s in shapes]
    expected = truth(*arrays)
    expected = expected if isinstance(expected, tuple | list) else [expected]
    for static in (True, False):
        inputs = [TensorType("float64", s if static else (None,) * len(s))() for s in shapes]
        outputs = make(*inputs)
        outputs = outputs if isinstance(outputs, list) else [outputs]
        for way, results in all_ways(inputs, outputs, arrays).items():
            for got, value in zip(results, expected, strict=True):
                np.testing.assert_allclose(got, value, 1e-10, 1e-12, err_msg=f"{way} {shapes}")
                assert got.shape == np.shape(value), (way, shapes)
