"""Profiles: the whole in C, op by op in NumPy."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest

import probgraph.engine.tensor as T
from probgraph.engine import function, toolchain
from probgraph.engine.ops.elementwise import Elementwise
from probgraph.engine.profile import Profile


def slow(x):
    time.sleep(0.02)
    return x + 1


def test_the_op_that_takes_the_time_comes_first():
    op = Elementwise("slow", numpy=slow, vjp=None, c=None)
    x = T.dvector("x")
    f = function([x], T.exp(op(x)).sum(), profile=True, name="f", mode="FAST_COMPILE")
    for _ in range(3):
        np.testing.assert_allclose(f([0.0, 0.0]), 2 * np.e)
    seconds, runs = f.profile.by_op["Elemwise{slow,no_inplace}"]
    assert runs == 3 and 0.06 <= seconds <= f.profile.seconds
    lines = f.profile.summary().splitlines()
    assert lines[0].startswith("f: 3 calls, ") and lines[2].split() == [
        "share",
        "seconds",
        "runs",
        "µs",
        "a",
        "run",
        "op",
    ]
    assert "Elemwise{slow,no_inplace}" in lines[3] and float(lines[3].split("%")[0]) > 80
    assert any("Elemwise{slow,no_inplace}(x)" in line and "test_profile.py, line" in line for line in lines)
    assert sum(entry[0] for entry in f.profile.by_node.values()) <= f.profile.seconds


@pytest.mark.skipif(toolchain.find_compiler() is None, reason="no C compiler here")
def test_compiled_as_a_whole():
    x = T.dvector("x")
    f = function([x], T.exp(x), profile="exponential", mode="FAST_RUN")
    f([1.0])
    assert f.profile.by_op == {} and f.profile.calls == 1
    assert "as a whole, in C; mode='FAST_COMPILE'" in f.profile.summary()


def test_many_ops_are_cut_and_files_written_to():
    x = T.dscalar("x")
    y = x
    for _ in range(30):
        y = T.sin(y) + 1
    f = function([x], y, profile=True, mode="FAST_COMPILE")
    f(1.0)
    file = io.StringIO()
    text = f.profile.summary(file)
    assert file.getvalue() == text + "\n" and "45 more take" in text


def test_failed_runs_and_copies_and_shared_profiles():
    x, y = T.dvector("x"), T.dvector("y")
    f = function([x, y], x + y, profile=True, mode="FAST_COMPILE")
    with pytest.raises(ValueError, match="dimension"):
        f([1], [1, 2])
    assert f.profile.calls == 1
    both = Profile("both")
    for g in (f.copy(profile=both), f.copy(profile=both)):
        g([1], [1])
    assert both.calls == 2 and f.profile.calls == 1
    assert Profile("none").summary() == "none: 0 calls"
