"""Chains elsewhere: the model travels to the workers of an executor, is compiled there, and the draws come back.

The idea worth knowing: a chain's draws depend on its start, its number and the seed alone. Whoever runs it, the draws are
those of a run in threads on the same kind of machine.
"""

from __future__ import annotations

from concurrent.futures import Executor, Future
from typing import Any

import numpy as np

from probgraph.engine.blas_threads import one_blas_thread
from probgraph.model.log_density import log_density
from probgraph.model.model import Model
from probgraph.running import Run
from probgraph.samplers import Trace, joined_traces, sample_chains


def sample_elsewhere(
    executor: Executor, model: Model, run: Run, starts: np.ndarray, discard_tuned: bool
) -> Trace:
    """One chain from each row of `starts` (chains, dim), each as a task of the executor.

    Ctrl-C cancels what has not begun and returns the chains that are complete, marked `interrupted`. An exception of a
    worker is raised here; TypeError where `executor` is none.
    """
    refuse_no_executor(executor)
    futures = [
        executor.submit(_chain, model, run, number, start, discard_tuned)
        for number, start in enumerate(starts)
    ]
    try:
        return joined_traces([future.result() for future in futures])
    except KeyboardInterrupt:
        complete = [future.result() for future in futures if _is_complete(future)]
        if not complete:
            raise
        return joined_traces(complete, interrupted=True)
    finally:
        for future in futures:
            future.cancel()


def refuse_no_executor(executor: Any) -> None:
    """TypeError for what cannot be submitted to."""
    if not callable(getattr(executor, "submit", None)):
        raise TypeError(
            f"executor is {executor!r}; it must be a concurrent.futures.Executor, such as ProcessPoolExecutor()"
        )


def _is_complete(future: Future[Trace]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


def _chain(model: Model, run: Run, number: int, start: np.ndarray, discard_tuned: bool) -> Trace:
    density, _ = log_density(model, moved=frozenset(run.moved))
    with one_blas_thread():
        return sample_chains(
            density,
            start[None],
            **run.options(),
            cores=1,
            progressbar=False,
            discard_tuned=discard_tuned,
            first_chain=number,
        )
