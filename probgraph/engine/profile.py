"""How often a function was called, and how long that took."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any


class Profile:
    """Counts and times the runs of a function (or of several, if they are given the same one).

    >>> Profile("step").summary()
    'step: 0 calls'
    """

    def __init__(self, message: str) -> None:
        self.message = message
        self.calls = 0
        self.seconds = 0.0

    @classmethod
    def of(cls, wanted: bool | str | Profile | None, name: str) -> Profile | None:
        """The profile that `function(profile=wanted)` asks for."""
        if isinstance(wanted, Profile) or not wanted:
            return wanted or None
        return cls(wanted if isinstance(wanted, str) else name)

    def timed(self, run: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def timed_run(arrays: Any) -> Any:
            start = perf_counter()
            results = run(arrays)
            self.seconds += perf_counter() - start
            self.calls += 1
            return results

        return timed_run

    def summary(self) -> str:
        """One line: calls, seconds in all, microseconds a call (without the checks of the arguments)."""
        if not self.calls:
            return f"{self.message}: 0 calls"
        mean = self.seconds / self.calls * 1e6
        return f"{self.message}: {self.calls} calls, {self.seconds:.3g} s, {mean:.3g} µs a call"
