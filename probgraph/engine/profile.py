"""How often a function was called, how long that took, and in NumPy: which ops took it."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

from probgraph.engine.execute import Executable, Run
from probgraph.engine.graph import Apply
from probgraph.engine.monitor import Step, watched_run

LINES = 15


class Profile:
    """Counts and times the runs of a function (or of several, if they are given the same one).

    `seconds` and `calls` are of the function's runs. What runs op by op in NumPy also has `by_op`: for each op, as
    text, [seconds, runs], and `by_node` the same for each Apply. Compiled to C a graph's ops are fused and
    share their loops, so only the whole is timed.

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

    def timed_by_op(self, executable: Executable) -> Run:
        """What an executable runs; if that is plain NumPy, run so that each op is timed."""
        self.backend = executable.backend
        if executable.backend != "NumPy" and not executable.backend.startswith("NumPy, because"):
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
        if not self.by_op:
            if self.backend.startswith("C"):
                lines.append("  as a whole, in C; mode='FAST_COMPILE' runs, and times, op by op in NumPy")
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
