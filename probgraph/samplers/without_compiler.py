"""What is said where there is no C compiler: that all runs in Python, how slowly, and the remedy; once in a process."""

from __future__ import annotations

import sys
import warnings

from probgraph.engine.toolchain import NoCompilerError, needed_compiler

_said = False


def warn_if_no_compiler() -> None:
    """Say it, unless there is a compiler. For the beginning of a user's call, before other threads come to it."""
    try:
        needed_compiler()
    except NoCompilerError as error:
        warn_without_compiler(error)


def warn_without_compiler(error: NoCompilerError) -> None:
    """Say it, with the remedy that the error carries, unless it was said before."""
    global _said
    if _said:
        return
    _said = True
    warnings.warn(
        # Measured: logistic regression on 1,000 x 25 and on 50,000 x 20 data, and eight schools.
        f"{error}. Until then models run in NumPy and chains in Python: slower than compiled by about 20 times with"
        " much data, 1,000 times for a small model.",
        stacklevel=_level_of_the_user(),
    )


def _level_of_the_user() -> int:
    """The stacklevel, for a warning of the calling function, of the first line that is not this package's."""
    package = __name__.partition(".")[0]
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        level, frame = level + 1, frame.f_back
    return level
