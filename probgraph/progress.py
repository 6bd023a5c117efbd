"""How far a long run has come: on a terminal or in a notebook a block that renews itself, in a pipe a line now and then.

Nothing appears in the first second, so quick runs stay silent. It is refreshed by the clock from the waiting
thread, never by the work, which it cannot slow down or change.
"""

from __future__ import annotations

import contextlib
import html
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TextIO

QUIET_SECONDS = 1.0
TERMINAL_SECONDS = 0.2
PIPE_SECONDS = 5.0


@dataclass(frozen=True)
class ChainStatus:
    """Where one chain is: ``done`` of ``total`` draws, of which the first ``tune`` are warm-up, in so many seconds."""

    done: int
    total: int
    tune: int
    divergences: int
    step_size: float
    gradients: int
    seconds: float = 0.0


class Progress:
    """Shows the chains' states on a stream (stderr), as often as the clock allows.

    Call `update` as often as is convenient, and `close` at the end.

        progress = Progress()
        progress.update(statuses)
        progress.close(statuses)
    """

    def __init__(self, stream: TextIO | None = None):
        self.notebook = _notebook() if stream is None else None
        self.shown_in_notebook: Any = None
        self.stream = sys.stderr if stream is None else stream
        self.started = time.monotonic()
        self.on_terminal = _understands_cursor(self.stream)
        self.interval = TERMINAL_SECONDS if self.on_terminal or self.notebook else PIPE_SECONDS
        self.due = self.started + QUIET_SECONDS
        self.lines_shown = 0

    @property
    def is_due(self) -> bool:
        """Whether `update` would show anything now; statuses need not be made before."""
        return time.monotonic() >= self.due

    def update(self, chains: Sequence[ChainStatus]) -> None:
        now = time.monotonic()
        if now >= self.due:
            self.due = now + self.interval
            self._show(chains, now - self.started)

    def close(self, chains: Sequence[ChainStatus]) -> None:
        """Show the last state, if anything was shown before."""
        if self.lines_shown:
            self._show(chains, time.monotonic() - self.started)

    def _show(self, chains: Sequence[ChainStatus], seconds: float) -> None:
        self.write(describe(chains, seconds))

    def write(self, lines: Sequence[str]) -> None:
        """These lines in the place of those shown before; in a pipe the last of them."""
        if self.notebook is not None:
            self.lines_shown = len(lines)
            self._show_in_notebook(lines)
            return
        if self.on_terminal:
            width = shutil.get_terminal_size().columns - 1
            up = f"\x1b[{self.lines_shown}A" if self.lines_shown else ""
            text = up + "".join(f"\r\x1b[2K{line[:width]}\n" for line in lines)
        else:
            text = lines[-1] + "\n"
        self.lines_shown = len(lines)
        try:
            self.stream.write(text)
            self.stream.flush()
        except (OSError, ValueError):
            self.due = float("inf")  # a closed stream must not end the run

    def say(self, line: str) -> None:
        """A line that stays, before those that are renewed."""
        if self.notebook is not None:
            self.notebook.display({"text/plain": line}, raw=True)
            return
        with contextlib.suppress(OSError, ValueError):  # as above
            self.stream.write(line + "\n")
            self.stream.flush()

    def _show_in_notebook(self, lines: Sequence[str]) -> None:
        content = {"text/html": f"<pre>{html.escape(chr(10).join(lines))}</pre>", "text/plain": lines[-1]}
        if self.shown_in_notebook is None:
            self.shown_in_notebook = self.notebook.display(content, raw=True, display_id=True)
        else:
            self.shown_in_notebook.update(content, raw=True)


class Bar:
    """How much of one piece of work is done, a line that renews itself; silent for a second, or without `shown`.

    with Bar("Drawing y", 4000) as bar:
        bar.update(100)
    """

    def __init__(self, what: str, total: int, shown: bool = True, stream: TextIO | None = None):
        self.what, self.total, self.shown = what, total, shown
        self.progress = Progress(stream)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        """The last line is there already."""

    def update(self, done: int) -> None:
        """Show that so much is done, if it is time to."""
        now = time.monotonic()
        last = done >= self.total and self.progress.lines_shown
        if self.shown and (self.progress.is_due or last):
            self.progress.due = now + self.progress.interval
            seconds = now - self.progress.started
            left = (
                "done"
                if done >= self.total
                else f"about {duration(seconds * (self.total - done) / done)} left"
            )
            self.progress.write([f"{self.what}: {done:,} of {self.total:,} in {duration(seconds)}, {left}"])


def describe(chains: Sequence[ChainStatus], seconds: float) -> list[str]:
    """A line for each chain, and last one for all."""
    lines = [f"chain {i}: {_chain(chain)}" for i, chain in enumerate(chains)]
    done, total = sum(c.done for c in chains), sum(c.total for c in chains)
    divergences = sum(c.divergences for c in chains)
    left = f"about {duration(seconds * (total - done) / done)} left" if done else "starting"
    lines.append(
        f"sampling: {done:,} of {total:,} draws in {duration(seconds)}, "
        + (f"{counted(divergences, 'divergence')}, " if divergences else "")
        + (left if done < total else "done")
    )
    return lines


def _chain(chain: ChainStatus) -> str:
    if chain.done == 0:
        return "waiting"
    width = 20
    filled = width * chain.done // max(chain.total, 1)
    phase = "tuning" if chain.done < chain.tune else "drawing" if chain.done < chain.total else "done"
    return (
        f"[{'#' * filled}{'.' * (width - filled)}] {chain.done:>6,}/{chain.total:,} {phase:<7} "
        f"step {chain.step_size:.3g}, {chain.gradients / chain.done:.1f} gradients/draw, "
        + (f"{chain.done / chain.seconds:,.0f} draws/s, " if chain.seconds > 0 else "")
        + counted(chain.divergences, "divergence")
    )


def counted(number: int, noun: str) -> str:
    """A number with its noun, in the plural where it is not one.

    >>> counted(1, "divergence"), counted(2000, "draw")
    ('1 divergence', '2,000 draws')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def duration(seconds: float) -> str:
    """A time in words.

    >>> duration(12.3), duration(3000), duration(9000)
    ('12 s', '50 min', '2 h 30 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _notebook() -> Any:
    """`IPython.display` in a notebook, which shows HTML that renews itself; None elsewhere."""
    shell = sys.modules.get("IPython")
    running = shell.get_ipython() if shell is not None and hasattr(shell, "get_ipython") else None
    if running is None or not hasattr(running, "kernel"):
        return None
    return sys.modules.get("IPython.display")


def _understands_cursor(stream: TextIO) -> bool:
    if not getattr(stream, "isatty", lambda: False)() or os.environ.get("TERM") == "dumb":
        return False
    # The old Windows console prints escape codes as they are.
    return os.name != "nt" or "WT_SESSION" in os.environ or "TERM" in os.environ
