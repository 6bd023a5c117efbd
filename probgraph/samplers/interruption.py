"""What goes wrong must not cost draws: Ctrl-C and SIGTERM end chains, and what is there then is put together in peace."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from types import FrameType

USUAL = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
"""Who handles the signals where nobody else wants to, as notebooks may."""


@contextlib.contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """While inside, SIGTERM, by which batch systems end programs, raises KeyboardInterrupt as Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _handling(interrupt, signal.SIGTERM):
        yield


@contextlib.contextmanager
def putting_together() -> Iterator[None]:
    """While inside, a first Ctrl-C or SIGTERM is answered by a line, and a second raises KeyboardInterrupt.

    For what comes after the chains: who presses Ctrl-C twice to end a run that ended at the first wants its draws.
    """
    asked = False

    def answer(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        print("Putting the draws together; once more gives them up", file=sys.stderr)

    with _handling(answer, signal.SIGINT, signal.SIGTERM):
        yield


def warn_and_keep(message: str, stacklevel: int) -> None:
    """A warning of a run that has draws: where warnings are made errors it is a line, since an error would cost them."""
    try:
        warnings.warn(message, stacklevel=stacklevel + 1)
    except UserWarning:
        print(message, file=sys.stderr)


@contextlib.contextmanager
def _handling(handler: Callable[[int, FrameType | None], None], *signals: signal.Signals) -> Iterator[None]:
    """Handle these, unless someone else does or this is not the main thread, which alone may."""
    main = threading.current_thread() is threading.main_thread()
    mine = [number for number in signals if main and signal.getsignal(number) is USUAL[number]]
    for number in mine:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, USUAL[number])
