"""What is said where there is no C compiler: that all runs in Python, how slowly, and the remedy; once in a process."""

from __future__ import annotations

from probgraph.engine import toolchain
from probgraph.engine.toolchain import NoCompilerError, needed_compiler


def warn_if_no_compiler() -> None:
    """Say it, unless there is a compiler. For the beginning of a user's call, before other threads come to it."""
    try:
        needed_compiler()
    except NoCompilerError as error:
        warn_without_compiler(error)


def warn_without_compiler(error: NoCompilerError) -> None:
    """Say it, with the remedy that the error carries, unless it was said before."""
    toolchain.warn_without_compiler(
        error,
        # Measured: logistic regression on 1,000 x 25 and on 50,000 x 20 data, and eight schools.
        "models run in NumPy and chains in Python: slower than compiled by about 20 times with much data, 1,000"
        " times for a small model.",
    )
