"""Descriptions of graphs: the same for the same computation in any process, different for whatever differs."""

from __future__ import annotations

import inspect
import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import probgraph.engine as theano
from probgraph.engine import described
from probgraph.engine.described import Description, NoWordsError
from probgraph.engine.graph import Variable, tensor_constant
from probgraph.engine.op import Op
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import linalg
from probgraph.engine.random_streams import RandomStream
from probgraph.engine.scanning import scan
from probgraph.engine.shared import shared
from probgraph.engine.types import TensorType

LONG = np.arange(2000.0)
LATE = LONG.copy()
LATE[1999] += 1e-9


def root(name: str, *shape: int, dtype: str = "float64") -> Variable:
    return TensorType(dtype, shape)(name)


def of(make: Callable[..., Any], *shapes: tuple[int, ...], dtype: str = "float64") -> str:
    roots = [root(f"root {k}", *shape, dtype=dtype) for k, shape in enumerate(shapes)]
    result = make(*roots)
    return Description(roots, result if isinstance(result, list) else [result]).words


def steps(step: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    return lambda x: scan(step, outputs_info=[options.pop("start", x[0])], n_steps=5, **options)[0]


def constant(value: Any, dtype: str = "float64") -> Callable[..., Any]:
    return lambda x: x + tensor_constant(value, dtype)


V, M = (3,), (3, 3)
DIFFERENT = {
    "a root": lambda: of(lambda x: x, V),
    "of another length": lambda: of(lambda x: x, (4,)),
    "of another dtype": lambda: of(lambda x: x, V, dtype="float32"),
    "of two": lambda: of(lambda x, y: x, V, V),
    "the second": lambda: of(lambda x, y: y, V, V),
    "twice": lambda: of(lambda x: [x, x], V),
    "a sum": lambda: of(lambda x, y: x + y, V, V),
    "the other way round": lambda: of(lambda x, y: y + x, V, V),
    "a difference": lambda: of(lambda x, y: x - y, V, V),
    "a constant": lambda: of(constant(2.0), V),
    "another": lambda: of(constant(np.nextafter(2.0, 3.0)), V),
    "of another dtype again": lambda: of(constant(2, "int64"), V),
    "in single precision": lambda: of(constant(2.0, "float32"), V),
    "in a vector": lambda: of(constant([2.0]), V),
    "in a vector of three": lambda: of(constant([2.0, 2.0, 2.0]), V),
    "zero": lambda: of(constant(0.0), V),
    "minus zero": lambda: of(constant(-0.0), V),
    "written as a whole number": lambda: of(lambda x: x + 2, V),
    "a long constant": lambda: of(constant(LONG), (2000,)),
    "that differs late": lambda: of(constant(LATE), (2000,)),
    "that has two axes": lambda: of(constant(LONG.reshape(2, 1000)), (1000,)),
    "shared": lambda: of(lambda x: x + shared(np.zeros(3)), V),
    "shared of length one": lambda: of(lambda x: x + shared(np.zeros(1)), V),
    "shared in single precision": lambda: of(lambda x: x + shared(np.zeros(3, "float32")), V),
    "two shared": lambda: of(lambda x: x + shared(np.zeros(3)) + shared(np.zeros(3)), V),
    "one shared twice": lambda: of(lambda x: (lambda s: x + s + s)(shared(np.zeros(3))), V),
    "summed": lambda: of(lambda x: x.sum(), M),
    "along the first axis": lambda: of(lambda x: x.sum(0), M),
    "along the second": lambda: of(lambda x: x.sum(1), M),
    "multiplied": lambda: of(lambda x: x.prod(1), M),
    "a part": lambda: of(lambda x: x[1:], V),
    "its start": lambda: of(lambda x: x[:1], V),
    "each second": lambda: of(lambda x: x[::2], V),
    "backwards": lambda: of(lambda x: x[::-1], V),
    "an element": lambda: of(lambda x: x[1], V),
    "another element": lambda: of(lambda x: x[2], V),
    "a factor": lambda: of(linalg.cholesky, M),
    "that may fail": lambda: of(lambda x: linalg.cholesky(x, on_error="nan"), M),
    "converted": lambda: of(lambda x: x.astype("float32"), V),
    "to integers": lambda: of(lambda x: x.astype("int64"), V),
    "a loop": lambda: of(steps(lambda s: s + 1), V),
    "of another step": lambda: of(steps(lambda s: s + 2), V),
    "of another op": lambda: of(steps(lambda s: s * 1), V),
    "whose gradient is truncated": lambda: of(steps(lambda s: s + 1, truncate_gradient=2), V),
    "with a long constant": lambda: of(steps(lambda s: s + LONG, start=LONG), V),
    "with another": lambda: of(steps(lambda s: s + LATE, start=LONG), V),
    "with two taps": lambda: of(steps(lambda s: s + 1, start={"initial": LONG[:2], "taps": [-2]}), V),
}  # fmt: skip


@pytest.fixture(scope="module")
def words():
    return {name: make() for name, make in DIFFERENT.items()}


def test_whatever_differs_is_told_differently(words):
    pairs = itertools.combinations(words, 2)
    assert [(a, b) for a, b in pairs if words[a] == words[b]] == []


@pytest.mark.parametrize("name", DIFFERENT)
def test_the_same_made_again_is_told_alike(name, words):
    assert DIFFERENT[name]() == words[name]


def test_names_make_no_difference_and_sharing_a_part_does():
    x, y = root("x", 3), root("y", 3)
    assert Description([x], [ew.exp(x)]).words == Description([y], [ew.exp(y)]).words
    part = ew.exp(x)
    assert Description([x], [part + part]).words != Description([x], [ew.exp(x) + ew.exp(x)]).words


def test_constants_and_shared_variables_are_listed_as_they_are_read():
    x, first, second = root("x", 3), shared(np.zeros(3)), shared(np.ones(3))
    a, b = tensor_constant([1.0, 2.0, 3.0]), tensor_constant([4.0, 5.0, 6.0])
    found = Description([x], [(x + b) * second + (a - first) * b])
    assert found.constants == [b, a]
    assert found.shared == [second, first]
    second.set_value(np.full(3, 7.0))
    assert Description([x], [(x + b) * second + (a - first) * b]).words == found.words


PROGRAM = """
import numpy as np
from tests.engine.test_described import DIFFERENT
print([make() for make in DIFFERENT.values()])
"""


def test_another_process_has_the_same_words(words):
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == str(list(words.values()))


class Mine(theano.Op):
    __props__ = ("factor",)

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def infer_type(self, x: Variable) -> list[Any]:
        return [x.type]


x = root("x", 3)
UNKNOWN = {
    "a user's op": lambda: Mine(2.0)(x),
    "a user's function": lambda: theano.as_op([x.type], [x.type])(lambda x: 2 * x)(x),
    "a user's row": lambda: ew.Elementwise("exp", numpy=np.exp, vjp=None, c="2 * exp({0})")(x),
    "a user's scalar op": lambda: theano.scalar_op("twice", lambda x: 2 * x, c="2 * {0}", arity=1)(x),
    "a graph as an op": lambda: theano.OpFromGraph([x], [x + 1])(x),
    "a draw": lambda: RandomStream(1).normal(size=3) + x,
    "another root": lambda: x + root("y", 3),
    "too much": lambda: x[0] + tensor_constant(np.zeros(described.LARGEST // 8 + 1)),
}  # fmt: skip


@pytest.mark.parametrize("what", UNKNOWN)
def test_what_a_name_does_not_tell_has_no_words(what):
    with pytest.raises(NoWordsError):
        Description([x], [UNKNOWN[what]()])


def test_roots_are_nothing_that_is_computed():
    with pytest.raises(NoWordsError):
        Description([x, x], [x])
    with pytest.raises(NoWordsError):
        Description([x + 1], [x])


def kinds(of: type[Op] = Op) -> Iterator[type[Op]]:
    for kind in of.__subclasses__():
        yield kind
        yield from kinds(kind)


OWN = sorted((kind for kind in set(kinds()) if described._ours(kind)), key=str)


@pytest.mark.parametrize("kind", OWN, ids=[kind.__name__ for kind in OWN])
def test_an_op_of_the_library_is_its_class_and_its_properties(kind):
    """All that its constructor is told is among what it is compared by, and so told by."""
    if kind._identity is Op._identity and kind.__init__ is not object.__init__:
        _, *told = inspect.signature(kind.__init__).parameters
        assert set(told) <= set(kind.__props__)
