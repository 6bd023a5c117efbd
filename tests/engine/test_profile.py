"""Profiles: nests of loops in C, op by op in NumPy."""

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


needs_c = pytest.mark.skipif(toolchain.find_compiler() is None, reason="no C compiler here")


@needs_c
def test_each_nest_of_loops_is_timed():
    x, a = T.dvector("x"), T.dmatrix("a")
    heavy = T.sin(T.dot(T.cos(a), x)).sum()
    heavy.name = "heavy"
    f = function([x, a], [heavy, T.cumsum(x)], profile="both", mode="FAST_RUN")
    rows = np.ones((3000, 1000))
    for _ in range(3):
        f(rows[0], rows)
    parts = dict(f.profile.by_loop)
    assert f.profile.by_op == {} and f.profile.calls == 3
    loop = next(text for text in parts if "cos" in text)
    assert loop.startswith("loop a.shape[0] x ") and "sin" in loop
    assert any(text.endswith("→ heavy") for text in parts)
    assert any("running" in text and "output 1" in text for text in parts)
    assert max(parts, key=parts.get) == loop
    assert 0 < sum(parts.values()) <= f.profile.seconds
    lines = f.profile.summary().splitlines()
    assert lines[2].split()[:2] == ["share", "seconds"] and loop in lines[3]
    assert "around them" in lines[-1]


@needs_c
def test_loops_around_what_python_runs_are_timed_too():
    random = T.shared_randomstreams.RandomStreams(3)
    x = T.dvector("x")
    f = function([x], T.tanh(random.normal((400,)) * T.exp(x).sum()), profile=True)
    f(np.ones(500))
    computed = " ".join(text for text, _ in f.profile.by_loop)
    assert "exp" in computed and "tanh" in computed


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
