"""Runs an example in this process and writes down how long its phases took; a part of start_to_finish.

    python -m benchmarks.phases example.py report.json

Imports nothing that probgraph would otherwise have to import itself, lest its share look smaller than it is.
"""

from __future__ import annotations

import builtins
import runpy
import sys
import time

RESULTS = ("xarray", "pandas", "arviz", "arviz_base", "arviz_stats", "arviz_plots", "matplotlib")
"""Libraries of results: what a script waits for when it imports them is not probgraph's share."""


class ImportClock:
    """Seconds spent in importing some libraries, counted once where one imports another."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names, self.seconds, self.inside = names, 0.0, False
        self._import = builtins.__import__

    def start(self) -> None:
        builtins.__import__ = self._timed

    def _timed(self, name, *rest, **named):
        if self.inside or name.partition(".")[0] not in self.names or name in sys.modules:
            return self._import(name, *rest, **named)
        self.inside, began = True, time.perf_counter()
        try:
            return self._import(name, *rest, **named)
        finally:
            self.inside = False
            self.seconds += time.perf_counter() - began


def phases_of(example: str) -> dict[str, float]:
    """Run the example in this process; seconds of its phases."""
    began = time.perf_counter()
    import probgraph

    imported = time.perf_counter()
    clock = ImportClock(RESULTS)
    phases = {"import": imported - began, "build": 0.0, "sample": 0.0, "compile": 0.0}
    sample = probgraph.sample

    def timed_sample(*arguments, **named):
        loaded, began = clock.seconds, time.perf_counter()
        if not phases["build"]:
            phases["build"] = began - imported - loaded
        result = sample(*arguments, **named)
        phases["sample"] += time.perf_counter() - began - (clock.seconds - loaded)
        phases["compile"] += float(result.attrs.get("compile_time", 0.0))
        return result

    probgraph.sample = timed_sample
    clock.start()
    runpy.run_path(example, run_name="__main__")
    phases["libraries"] = clock.seconds
    return phases


if __name__ == "__main__":
    measured = phases_of(sys.argv[1])
    import json

    with open(sys.argv[2], "w", encoding="utf-8") as report:
        json.dump(measured, report)
