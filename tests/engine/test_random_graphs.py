"""Random graphs: C, loops in Python and NumPy give the same values and the same gradients."""

from __future__ import annotations

import numpy as np
import pytest
import random_graphs
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from probgraph.engine import toolchain
from probgraph.engine.autodiff import grad
from probgraph.engine.compiled import CompiledGraph
from probgraph.engine.graph import FunctionGraph
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.toolchain import find_compiler

needs_compiler = pytest.mark.skipif(find_compiler() is None, reason="needs a C compiler")
graphs = st.randoms(use_true_random=False).map(lambda draw: random_graphs.make(draw, "the graph"))
drawn = settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
#: the C is ours and held to the letter; the compiler needs four times as long for what it makes of it at -O3
QUICK = ("-O0", *(flag for flag in toolchain.OPTIMISE if not flag.startswith("-O")))


@needs_compiler
@pytest.mark.parametrize(
    ("first", "count", "together", "flags"), [(0, 256, 8, toolchain.OPTIMISE), (256, 1760, 32, QUICK)]
)
def test_numbered_graphs(first, count, together, flags, monkeypatch):
    """Some compiled as users have it, the others without the compiler's optimisation: at least 2,000 in all."""
    monkeypatch.setattr(toolchain, "OPTIMISE", flags)
    for cases in random_graphs.groups(0, count, together, first):
        random_graphs.check_naming(cases)


@needs_compiler
@settings(drawn, max_examples=50)
@given(graphs)
def test_drawn_by_hypothesis(case):
    note(random_graphs.description(case, case.outputs))
    random_graphs.check([case])


@settings(drawn, max_examples=300)
@given(graphs)
def test_gradients_are_finite_differences(case):
    which = [k for k, v in enumerate(case.roots) if v.dtype == "float64"]
    if case.rough or not which or case.tied():
        return
    note(random_graphs.description(case, case.outputs))
    cost = case.cost(case.outputs)
    gradients = grad(cost, [case.roots[k] for k in which], disconnected_inputs="ignore")
    value = numpy_function(FunctionGraph(case.roots, [cost, *gradients]))
    _, *found = value(case.arrays)
    rng = np.random.default_rng(0)
    for k, gradient in zip(which, found, strict=True):
        direction = rng.normal(size=case.arrays[k].shape)

        def slope(step: float, k=k, direction=direction) -> tuple[float, float]:
            moved = [
                [a + s * direction if i == k else a for i, a in enumerate(case.arrays)]
                for s in (step, 0, -step)
            ]
            up, here, down = (float(value(m)[0]) for m in moved)
            return (up - here) / step, (here - down) / step

        sides = [side for step in (1e-5, 3e-6) for side in slope(step)]
        if max(sides) - min(sides) > 1e-3 * max(1, abs(sides[0])):
            continue  # a kink or a jump within the step: a difference says nothing
        np.testing.assert_allclose((gradient * direction).sum(), np.mean(sides[:2]), 1e-3, 1e-4)


@needs_compiler
def test_a_failure_names_the_graph(monkeypatch):
    cases = [random_graphs.numbered(3, number) for number in range(4)]
    wrong = cases[2].made[0]

    class Wrong(CompiledGraph):
        def __call__(self, arrays):
            results = super().__call__(arrays)
            return [r + 1 if v is wrong else r for v, r in zip(self.outputs, results, strict=True)]

        def __init__(self, graph):
            super().__init__(graph)
            self.outputs = graph.outputs

    monkeypatch.setattr(random_graphs, "CompiledGraph", Wrong)
    with pytest.raises(AssertionError, match="graph 2 of seed 3 fails alone"):
        random_graphs.check_naming(cases)
