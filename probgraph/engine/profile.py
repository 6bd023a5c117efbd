"""How often a function was called, how long that took, and what took it: loops in C, ops in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

from probgraph.engine.compiled import CompiledGraph
from probgraph.engine.execute import Executable, Run, c_or_numpy
from probgraph.engine.graph import Apply, FunctionGraph
from probgraph.engine.monitor import Step, watched_run

LINES = 15


class Profile:
    """Counts and times the runs of a function (or of several, if they are given the same one).

    `seconds` and `calls` are of the function's runs. What runs op by op in NumPy also has `by_op`: for each op, as
    text, [seconds, runs], and `by_node` the same for each Apply. Compiled to C ops are fused and share their loops:
    `by_loop` then has [what it computes, seconds] of each outermost nest of loops and each call of a kernel.

    >>> Profile("step").summary()
    'step: 0 calls'
    """

    def __init__(self, message: str) -> None:
        self.message = message
        self.calls = 0
        self.seconds = 0.0
        self.backend = ""
        self.by_op: dict[str, list[float]] = {}
        self.by_node: dict[Apply, list[float]] = {}
        self._compiled: list[CompiledGraph] = []

    @property
    def by_loop(self) -> list[tuple[str, float]]:
        return [part for compiled in self._compiled for part in compiled.part_seconds()]

    @classmethod
    def of(cls, wanted: bool | str | Profile | None, name: str) -> Profile | None:
        """The profile that `function(profile=wanted)` asks for."""
        if isinstance(wanted, Profile) or not wanted:
            return wanted or None
        return cls(wanted if isinstance(wanted, str) else name)

    def timed(self, run: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """The run, timed as a whole; runs that fail count too."""

        def timed_run(arrays: Any) -> Any:
            start = perf_counter()
            try:
                return run(arrays)
            finally:
                self.seconds += perf_counter() - start
                self.calls += 1

        return timed_run

    def timed_by_part(self, executable: Executable) -> Run:
        """What an executable runs, so that each op is timed in plain NumPy, and in C each nest of loops."""
        self.backend = executable.backend
        if self.backend == "C" or self.backend.startswith("C, with"):
            return c_or_numpy(executable.graph, self._with_times)[0]
        if self.backend != "NumPy" and not self.backend.startswith("NumPy, because"):
            return executable.run
        started = 0.0

        def before(i: int, node: Apply, step: Step) -> None:
            nonlocal started
            started = perf_counter()

        def after(i: int, node: Apply, step: Step) -> None:
            took = perf_counter() - started
            for table, key in ((self.by_op, str(node.op)), (self.by_node, node)):
                entry = table.setdefault(key, [0.0, 0])  # type: ignore[attr-defined]
                entry[0] += took
                entry[1] += 1

        return watched_run(executable.graph, before, after)

    def _with_times(self, graph: FunctionGraph) -> CompiledGraph:
        compiled = CompiledGraph(graph, time_parts=True)
        self._compiled.append(compiled)
        return compiled

    def summary(self, file: Any = None) -> str:
        """Calls, seconds in all, microseconds a call (without the checks of the arguments), and the ops that took
        longest: their share, seconds, runs and microseconds a run. Written to `file` too, if there is one."""
        text = "\n".join(self._lines())
        if file is not None:
            print(text, file=file)
        return text

    def _lines(self) -> list[str]:
        if not self.calls:
            return [f"{self.message}: 0 calls"]
        mean = self.seconds / self.calls * 1e6
        lines = [f"{self.message}: {self.calls} calls, {self.seconds:.3g} s, {mean:.3g} µs a call"]
        loops = sorted(self.by_loop, key=lambda part: -part[1])
        if loops:
            lines += ["", f"  {'share':>6} {'seconds':>9} {'µs a call':>10}  in C"]
            rest = self.seconds - sum(seconds for _, seconds in loops)
            entries = [*loops[:LINES], ("around them: handing over arrays, what Python runs", rest)]
            for text, seconds in entries:
                share = 100 * seconds / self.seconds
                lines.append(f"  {share:5.1f}% {seconds:9.3g} {seconds / self.calls * 1e6:10.3g}  {text}")
            if len(loops) > LINES:
                more = sum(seconds for _, seconds in loops[LINES:])
                lines.append(f"  {len(loops) - LINES} more take {more:.3g} s")
        if not self.by_op:
            return lines
        total = sum(seconds for seconds, _ in self.by_op.values())
        nodes = [
            (f"{node}  ({node.trace[0]}, line {node.trace[1]})", entry)
            for node, entry in self.by_node.items()
        ]
        for title, table in (("op", list(self.by_op.items())), ("application", nodes)):
            lines += ["", f"  {'share':>6} {'seconds':>9} {'runs':>7} {'µs a run':>9}  {title}"]
            longest = sorted(table, key=lambda item: -item[1][0])
            for name, (seconds, runs) in longest[:LINES]:
                share = 100 * seconds / total if total else 0.0
                lines.append(f"  {share:5.1f}% {seconds:9.3g} {runs:7d} {seconds / runs * 1e6:9.3g}  {name}")
            if len(longest) > LINES:
                rest = sum(seconds for _, (seconds, _) in longest[LINES:])
                lines.append(f"  {len(longest) - LINES} more take {rest:.3g} s")
        return lines
