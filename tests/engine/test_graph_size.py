"""Large and deep graphs: nothing recurses, and what the engine makes of them grows as they do."""

from __future__ import annotations

import numpy as np

import probgraph.engine as theano
import probgraph.engine.tensor as T
from benchmarks import graph_size
from probgraph.engine.graph import toposort
from probgraph.engine.rewrite import run_passes
from probgraph.engine.rules import FAST_RUN


def sizes(nodes: int) -> list[int]:
    """What each step makes of a chain: nodes, nodes of the gradient, after rewriting, rules applied, characters."""
    x, cost = graph_size.chain(nodes)
    gradient = T.grad(cost, x)
    log: list[tuple[str, str, int]] = []
    final = run_passes([cost, gradient], FAST_RUN, log)
    text = theano.pp(cost)
    assert text.count("tanh(") == nodes // 4
    fired = sum(times for _, _, times in log)
    return [len(toposort([cost])), len(toposort([gradient])), len(toposort(final)), fired, len(text)]


def test_what_is_made_of_a_deep_graph_grows_as_it_does():
    small, large = sizes(3_000), sizes(6_000)
    assert small[0] == 3_001 and large[0] == 6_001
    np.testing.assert_allclose(large, 2 * np.array(small), rtol=0.03)


def test_the_gradient_of_a_chain_of_any_depth_is_rewritten():
    x, cost = graph_size.chain(2_000)
    value, slope = theano.function([x], [cost, T.grad(cost, x)], mode=theano.Mode("py", "fast_run"))([0.3])
    plain = theano.function([x], [cost, T.grad(cost, x)], mode=theano.Mode("py", None))([0.3])
    np.testing.assert_allclose([value, slope[0]], [plain[0], plain[1][0]], rtol=1e-9)


def test_the_benchmark_prints_a_line_for_each_size(capsys):
    graph_size.main(["--nodes", "40", "80"])
    lines = capsys.readouterr().out.splitlines()
    assert [int(line.split()[0]) for line in lines[1:]] == [41, 81]
