"""The density as an object, and where chains start."""

import sys
import time

import numpy as np
import pytest
from densities import compiled, compiled_normal

from probgraph.samplers import LogDensity, StartError, jittered_starts
from probgraph.samplers.trace import largest_rectangle


def test_a_compiled_density_is_a_function():
    logp, grad = compiled_normal([1.0, 2.0])([1.0, 4.0])
    assert logp == pytest.approx(-0.5 - 2.0)
    np.testing.assert_allclose(grad, [-1.0, -1.0])


def test_results_are_not_overwritten_by_the_next_call():
    density = compiled_normal([1.0])
    _, first = density([1.0])
    density([5.0])
    assert first == -1.0


def test_not_here():
    logp, grad = compiled("return 3;", 2)(np.zeros(2))
    assert logp == -np.inf and np.isnan(grad).all()


def test_a_python_density():
    seen = []

    def function(q):
        seen.append(q)
        return -0.5 * q @ q, -q

    density = LogDensity.from_python(function, 3)
    logp, grad = density(np.arange(3.0))
    assert logp == -2.5 and grad.tolist() == [0, -1, -2]
    density(np.zeros(3))
    assert seen[0].tolist() == [0, 1, 2], "a function may keep what it is given"


def test_errors_of_a_python_density_come_out():
    density = LogDensity.from_python(lambda q: 1 / 0, 1)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            density([0.0])
    for result in ((0.0, np.zeros(3)), (np.zeros(2), np.zeros(1)), (0.0, 0.0)):
        with pytest.raises(ValueError, match="the log density returned"):
            LogDensity.from_python(lambda q, result=result: result, 1)([0.0])


def test_bad_arguments():
    with pytest.raises(ValueError, match="dim is 0"):
        LogDensity(0, 1)
    with pytest.raises(ValueError, match="null"):
        LogDensity(1, 0)
    with pytest.raises(ValueError, match=r"q has shape \(3,\)"):
        compiled_normal([1.0])(np.zeros(3))


def test_each_chain_has_its_own_data():
    """The data's address reaches the function; a count kept there is the chain's own."""

    class Counter:
        def __init__(self):
            self.values = np.zeros(1)
            self.address = self.values.ctypes.data

    plain = compiled("double *count = data; count[0] += 1; grad[0] = 0; *logp = count[0]; return 0;", 1)
    density = LogDensity(1, plain.address, Counter, keep_alive=plain)
    assert [density([0.0])[0] for _ in range(3)] == [1, 2, 3]
    assert density.new_data().values[0] == 0


def test_calls_are_cheap():
    density, q = compiled_normal(np.ones(10)), np.zeros(10)
    best = np.inf
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(1000):
            density(q)
        best = min(best, (time.perf_counter() - started) / 1000)
    assert best < 20e-6  # 1.5 us on an idle machine


def test_memory_of_a_python_density_is_released():
    q = np.zeros(1)
    density = LogDensity.from_python(lambda x: (0.0, q), 1)
    before = sys.getrefcount(q)
    for _ in range(1000):
        density(q)
    assert sys.getrefcount(q) == before


def test_jittered_starts():
    density = compiled_normal(np.ones(3))
    centre = np.array([10.0, 0.0, -10.0])
    starts = jittered_starts(density, centre, 4, random_seed=1)
    assert starts.shape == (4, 3) and (np.abs(starts - centre) <= 1).all()
    assert len(np.unique(starts)) == 12
    np.testing.assert_array_equal(starts, jittered_starts(density, centre, 4, random_seed=1))
    np.testing.assert_array_equal(starts[:2], jittered_starts(density, centre, 2, random_seed=1))
    assert (np.abs(jittered_starts(density, centre, 4, radius=0.1) - centre) <= 0.1).all()


def test_starts_are_tried_until_finite():
    density = compiled("if (q[0] < 0.8) return 1; grad[0] = -1; *logp = -q[0]; return 0;", 1)
    assert (jittered_starts(density, np.zeros(1), 10, random_seed=3) >= 0.8).all()


def test_no_start_is_explained():
    density = compiled("*logp = -1; grad[0] = 0; grad[1] = NAN; return 0;", 2)
    with pytest.raises(StartError, match="chain 0: no start with a finite log density in 20 tries") as caught:
        jittered_starts(density, np.zeros(2), 3, random_seed=1, tries=20)
    error = caught.value
    assert error.logp == -1 and np.isnan(error.gradient[1]) and (np.abs(error.q) <= 1).all()
    with pytest.raises(ValueError, match="centre has shape"):
        jittered_starts(density, np.zeros(3), 3)
    with pytest.raises(ValueError, match="at least 1"):
        jittered_starts(density, np.zeros(2), 0)


@pytest.mark.parametrize(
    "finished, kept, length",
    [
        ([5, 5, 5], [0, 1, 2], 5),
        ([100, 90, 3], [0, 1], 90),
        ([3, 100, 90], [1, 2], 90),
        ([0, 0], [0, 1], 0),
        ([0, 7, 0], [1], 7),
        ([10, 5], [0, 1], 5),  # a tie: more chains
        ([4], [0], 4),
    ],
)
def test_largest_rectangle(finished, kept, length):
    assert largest_rectangle(finished) == (kept, length)
