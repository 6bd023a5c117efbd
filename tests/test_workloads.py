"""Every workload of the benchmarks: what C computes of it is what NumPy does, and its gradient is its slope."""

from __future__ import annotations

import numpy as np
import pytest

import probgraph as pg
import probgraph.engine as engine
import probgraph.engine.tensor as T
from benchmarks.workloads import WORKLOADS, by_name
from probgraph.engine import toolchain
from probgraph.engine.graph import FunctionGraph
from probgraph.engine.run_graph import numpy_function
from probgraph.model.layout import Layout
from probgraph.model.log_density import compiled_density, density_graphs

# A density that fell back to NumPy would agree with NumPy.
pytestmark = pytest.mark.filterwarnings("error:The model runs in NumPy")


@pytest.fixture(params=WORKLOADS)
def workload(request):
    if toolchain.find_compiler() is None:
        pytest.skip("no C compiler")
    found = by_name(request.param)
    if not found.is_there:
        pytest.skip(f"the data set {found.needs} is not here (POSTERIORDB)")
    return found


def graphs_of(workload):
    return density_graphs(workload.probgraph(pg, engine, T, workload.data()))


def test_its_c_is_its_numpy(workload):
    """As the graph is written, before any rule; number by number, where the benchmarks look and far from there."""
    graphs = graphs_of(workload)
    density, layout = compiled_density(graphs), Layout(graphs.roots)
    in_numpy = numpy_function(FunctionGraph(graphs.roots, [graphs.logp, *graphs.gradients]))
    random = np.random.default_rng(2)
    for spread in (0.0, workload.spread, 3 * workload.spread):
        q = random.normal(size=layout.dim) * spread
        value, gradient = density(q)
        assert np.isfinite(value) and np.isfinite(gradient).all()
        expected, *parts = in_numpy(layout.arrays(q))
        assert value == pytest.approx(float(expected), rel=1e-10)
        np.testing.assert_allclose(
            gradient,
            np.concatenate([np.ravel(part) for part in parts]),
            rtol=1e-10,
            atol=1e-13 * np.abs(gradient).max(),  # of numbers that cancel, their rounding is left
        )


def test_debug_mode_finds_nothing(workload):
    """No pass changes what is computed, each op makes what it announced, and the C of a function is its NumPy."""
    graphs = graphs_of(workload)
    checked = engine.function(graphs.roots, [graphs.logp, *graphs.gradients], mode="DebugMode")
    assert checked.maker.executable.backend.startswith("C")
    layout = Layout(graphs.roots)
    q = np.random.default_rng(3).normal(size=layout.dim) * workload.spread
    value, *_ = checked(*layout.arrays(q))
    assert value == pytest.approx(compiled_density(graphs)(q)[0], rel=1e-10)


def test_its_gradient_is_its_slope(workload):
    graphs = graphs_of(workload)
    density, layout = compiled_density(graphs), Layout(graphs.roots)
    random = np.random.default_rng(2)
    q = random.normal(size=layout.dim) * workload.spread
    value, gradient = density(q)
    direction = random.normal(size=layout.dim)
    direction *= 1e-4 / np.linalg.norm(direction)
    slope = (
        8 * (density(q + direction)[0] - density(q - direction)[0])
        - (density(q + 2 * direction)[0] - density(q - 2 * direction)[0])
    ) / 12
    rounding = 1e-14 * abs(value) * np.sqrt(layout.dim)
    assert slope == pytest.approx(
        gradient @ direction, rel=1e-5, abs=rounding + 1e-6 * np.linalg.norm(gradient) * 1e-4
    )
