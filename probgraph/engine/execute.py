"""A closed graph made to run: rewritten by a list of passes, then compiled to C or run by NumPy.

Both ways keep one promise: the arrays that come out are new, never an input, a constant or each other. On it
rests that updates are simultaneous and that nobody's array changes behind their back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from probgraph.engine.ahead import computed_ahead
from probgraph.engine.compiled import CompiledGraph
from probgraph.engine.graph import FunctionGraph, Variable
from probgraph.engine.merged import merged
from probgraph.engine.needed import only_needed
from probgraph.engine.rewrite import Pass, run_passes
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.staged import StagedGraph, is_hosted, with_cheap_choices_selected
from probgraph.engine.toolchain import NoCompilerError, warn_without_compiler

Run = Callable[[Sequence[np.ndarray]], list[np.ndarray]]


@dataclass(frozen=True)
class Stage:
    """The outputs after a pass, and the rules that fired."""

    name: str
    outputs: list[Variable]
    rules: list[str]


@dataclass
class Executable:
    """A graph that runs: `run(arrays)` takes one array for each input and returns new ones for the outputs."""

    graph: FunctionGraph
    run: Run
    backend: str
    stages: list[Stage] = field(default_factory=list)
    compiled: CompiledGraph | None = None


def rewritten(graph: FunctionGraph, passes: Sequence[Pass]) -> tuple[FunctionGraph, list[Stage]]:
    """The graph after a list of passes, and what it was after each."""
    stages = [Stage("as given", graph.outputs, [])]
    outputs = graph.outputs
    for each in passes:
        fired: list[tuple[str, str, int]] = []
        outputs = run_passes(outputs, [each], fired)
        stages.append(Stage(f"after {each.name}", outputs, [f"{rule}  ({n}x)" for _, rule, n in fired]))
    needed = only_needed(merged(outputs)) if passes else outputs
    if any(a is not b for a, b in zip(outputs, needed, strict=True)):
        outputs = needed
        stages.append(Stage("after leaving out what nobody asks of loops", outputs, []))
    ahead = computed_ahead(outputs) if passes else outputs
    if any(a is not b for a, b in zip(outputs, ahead, strict=True)):
        outputs = ahead
        stages.append(Stage("after computing ahead of loops what needs no state", outputs, []))
    return FunctionGraph(graph.inputs, outputs), stages


def numpy_run(graph: FunctionGraph, compute: Callable[[Sequence[Any]], list[Any]] | None = None) -> Run:
    """The graph run op by op in NumPy; `compute`, if given, is another way to do that."""
    compute = compute or numpy_function(graph)

    def run(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        taken = set(map(id, arrays))
        results = compute(arrays)
        for i, array in enumerate(results):
            if array.base is not None or id(array) in taken:
                results[i] = array = np.array(array, order="C")
            taken.add(id(array))
        return results

    return run


def c_or_numpy(
    graph: FunctionGraph, compile: Callable[[FunctionGraph], CompiledGraph] | None = None
) -> tuple[Run, str, CompiledGraph | None]:
    """The graph compiled to C; in NumPy where there is no compiler, or an op has no C. Says which, and why.

    Around what Python runs (random draws, choices) its parts are compiled, each by itself; `compile` is another way to
    do that.
    """
    try:
        graph = with_cheap_choices_selected(graph)
        if any(is_hosted(node) for node in graph.toposort()):
            return _in_stages(graph, compile)
        compiled = (compile or CompiledGraph)(graph)
    except NoCompilerError as error:
        warn_without_compiler(error, "functions run in NumPy, which is slow.")
        return numpy_run(graph), f"NumPy, because no C compiler was found: {error}", None
    except NotImplementedError as error:
        return numpy_run(graph), f"NumPy, because an operation has no C: {error}", None
    return compiled, "C", compiled


def _in_stages(
    graph: FunctionGraph, compile: Callable[[FunctionGraph], CompiledGraph] | None
) -> tuple[Run, str, CompiledGraph | None]:
    reasons: list[str] = []

    def make(part: FunctionGraph) -> Run:
        run, backend, _ = c_or_numpy(part, compile)
        if not backend.startswith("C"):
            reasons.append(backend)
        return run

    staged = StagedGraph(graph, make)
    if reasons:  # one of its parts would run in NumPy: the whole does then, with less ado
        return numpy_run(graph), reasons[0], None
    compiled = staged.last if isinstance(staged.last, CompiledGraph) else None
    return staged, f"C, with Python in between for {', '.join(staged.hosted)}", compiled
