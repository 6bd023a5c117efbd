"""Several chains at once: threads, seeds, progress and interruption.

The idea worth knowing: a chain's draws depend on its start and its own random stream, nothing else. The whole
run after tuning is one call into C, which releases the interpreter lock, and tuning a call from each metric to the
next; whoever watches reads a counter, and whoever wants it to end sets a flag that C looks at between transitions.
Without a C compiler the same threads take turns in Python.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
import time
from collections.abc import Sequence

import numpy as np

from probgraph.engine.toolchain import NoCompilerError
from probgraph.progress import ChainStatus, Progress
from probgraph.samplers.compiled_nuts import CompiledNuts, compile_kernel
from probgraph.samplers.density import LogDensity
from probgraph.samplers.forecast import evaluations_of_draw, forecast, seconds_of
from probgraph.samplers.interruption import putting_together, terminated_as_interrupted, warn_and_keep
from probgraph.samplers.metric import identity
from probgraph.samplers.moves import Moves
from probgraph.samplers.nuts import AT_ONCE, FINISH, STATISTICS, Nuts, Path
from probgraph.samplers.python_nuts import PythonNuts
from probgraph.samplers.seeds import Seed, chain_generators
from probgraph.samplers.store import Snapshot, Store
from probgraph.samplers.thinning import Thinning
from probgraph.samplers.trace import Trace, largest_rectangle
from probgraph.samplers.tuning import Targets, Tuning
from probgraph.samplers.tuning import tune as tune_chain
from probgraph.samplers.watching import Enough, Watch
from probgraph.samplers.without_compiler import warn_without_compiler

LOOK_SECONDS = 0.1

STORED_AT_ONCE = 100
"""Draws between two states that a stored chain can be resumed from."""


def prepare() -> None:
    """Compile the sampler's kernel, or find it in the cache: worth doing in a thread while a model is compiled.

    Without a compiler there is nothing to prepare; who samples says so.
    """
    with contextlib.suppress(NoCompilerError):
        compile_kernel()


def sample_chains(
    density: LogDensity,
    initial: np.ndarray,
    *,
    draws: int = 1000,
    tune: int = 1000,
    thin: int = 1,
    cores: int | None = None,
    random_seed: Seed = None,
    target_accept: float = 0.8,
    max_treedepth: int = 10,
    metric: str = "auto",
    step_jitter: float = 0.0,
    max_error: float = 0.0,
    path: Path | None = None,
    moves: Sequence[Moves] = (),
    progressbar: bool = True,
    discard_tuned: bool = True,
    watch: Watch | None = None,
    resume: Store | None = None,
    first_chain: int = 0,
) -> Trace:
    """Sample a density with the No-U-Turn sampler, one chain from each row of ``initial`` (chains, dim).

    ``tune`` transitions adapt step size and metric, then ``draws`` are made, of which every ``thin``-th is kept. ``metric`` is one of `METRICS`
    (metric.py tells what they are); ``step_jitter`` varies each step size by up to this part of it; with ``max_error``
    each step is halved until its energy error is within it (WALNUTS);
    with ``path`` trajectories have a fixed length (HMC). ``moves`` are step methods for some of the coordinates (moves.py).
    ``cores`` chains run at a time
    (as many as there are processors by default). The same seed gives the same draws, whatever ``cores`` and
    ``progressbar`` are. Ctrl-C or SIGTERM ends the run and returns what was drawn so far, marked
    ``interrupted``; a second one does not wait for the trajectories and moves at hand, a third gives up the draws. ``watch`` is
    shown the chains while they run, and may end them; with ``resume``, a stored run, chains go on where it ended.
    ``first_chain`` is the number of the first, where others run elsewhere. Without a C compiler the transitions run in Python, slowly, and a warning says so;
    the draws are the same to rounding.

    What a Python density raises ends the run as Ctrl-C does, with a warning; it is raised where there are no draws yet.

    Raises ValueError where a start has no finite log density.

        trace = sample_chains(density, starts, draws=1000, tune=1000, random_seed=1)
        trace.draws.mean(axis=(0, 1))
    """
    starts = np.ascontiguousarray(initial, dtype=np.float64)
    _check(density, starts, draws, tune, thin, cores, step_jitter, max_error)
    targets = Targets(target_accept, metric)
    began = time.perf_counter()
    count = len(starts)
    generators = chain_generators(random_seed, count, "draws", first_chain)
    kernel = kernel_of_chains()
    stop = ctypes.c_int32(0)
    watch = watch if watch is not None else Watch()
    kept = -(-draws // thin)
    whole = np.empty((count, kept, density.dim))
    chains = []
    for number in range(count):
        try:
            nuts = kernel(
                density,
                starts[number],
                generators[number],
                max_treedepth,
                stop,
                step_jitter=step_jitter,
                max_error=max_error,
                path=path,
                moves=moves,
                room=kept + tune,
                thin=thin,
            )
        except ValueError as error:
            raise ValueError(f"chain {first_chain + number}: {error}") from error
        chains.append(_Chain(nuts, whole[number], tune, targets))
        if watch.store is not None:
            chains[-1].block = min(chains[-1].block, STORED_AT_ONCE)
        if resume is not None and (found := resume.chain(number)) is not None:
            chains[-1].go_on(*found)
            watch.begin_after(number, tune, chains[-1].finished)

    cores = min(cores or _processors(), count)
    progress = Progress() if progressbar else None
    if progress is not None:
        left = sum(status.total - status.done for status in (chain.status() for chain in chains))
        a_draw = evaluations_of_draw(density.dim, path, moves)
        if (said := forecast(seconds_of(density, starts[0]), a_draw, left, cores)) is not None:
            progress.say(said)
    with terminated_as_interrupted():
        interrupted = _run(chains, cores, stop, progress, watch)
    with putting_together():
        failed = _failed(chains, first_chain)
        interrupted = interrupted or failed
        if interrupted or watch.reason is not None:
            watch.keep(chains)
        if progress is not None:
            progress.close([chain.status() for chain in chains])
        return _collect(
            chains, whole, first_chain, interrupted, watch, discard_tuned, time.perf_counter() - began
        )


def kernel_of_chains() -> type[Nuts]:
    """What makes the transitions: compiled; in Python, with a warning, where there is no C compiler."""
    try:
        compile_kernel()
    except NoCompilerError as error:
        warn_without_compiler(error)
        return PythonNuts
    return CompiledNuts


class _Chain:
    """One chain's work, and the arrays that it fills; watched from the main thread."""

    def __init__(self, nuts: Nuts, draws: np.ndarray, tune: int, targets: Targets):
        self.nuts = nuts
        self.targets = targets
        self.tuning = Tuning(1.0, identity(nuts.dim))
        self.tuning_draws = np.empty((tune, nuts.dim))
        self.tuning_statistics = np.zeros(tune, STATISTICS)
        self.draws = draws
        self.statistics = np.zeros(len(draws), STATISTICS)
        self.seconds_tuning = self.seconds_sampling = 0.0
        self.error: BaseException | None = None
        self.thinning = Thinning(nuts, nuts.thin)
        self.block = max(len(draws), 1) if nuts.thin == 1 else self.thinning.rows
        self.began: float | None = None
        self.ended: float | None = None
        self.finished = 0
        self.snapshot: Snapshot | None = None

    def go_on(self, draws: np.ndarray, statistics: np.ndarray, snapshot: Snapshot) -> None:
        """Take up the chain after these draws."""
        self.finished = snapshot.done
        self.draws[: self.finished], self.statistics[: self.finished] = draws, statistics
        self.tuning = Tuning(snapshot.step_size, snapshot.metric, ctypes.c_int64(len(self.tuning_draws)))
        self.nuts.move_to(draws[-1])
        self.nuts.set_metric(snapshot.metric)
        self.nuts.go_on_with_moves(snapshot.moves, draws)
        self.nuts.bit_generator.state = snapshot.random_state

    def run(self) -> None:
        began = self.began = time.perf_counter()
        try:
            if not self.finished:
                tune_chain(self.nuts, self.tuning, self.tuning_draws, self.tuning_statistics, self.targets)
                self.nuts.end_tuning()
            tuned = time.perf_counter()
            self.seconds_tuning = tuned - began
            if self.tuning.done == len(self.tuning_draws):
                self._draw()
                self.seconds_sampling = time.perf_counter() - tuned
        except BaseException as error:
            # When the run is to end anyway, a last transition that fails must not cost the draws before it.
            if not self.nuts.stop.value:
                self.error = error
                self.nuts.stop.value = FINISH  # the other chains need not go on
        finally:
            self.ended = time.perf_counter()

    def _draw(self) -> None:
        """All draws in one call; block by block, with a state to go on from after each, where they are stored or thinned."""
        while self.finished < len(self.draws):
            rows = slice(self.finished, self.finished + self.block)
            draws, statistics = self.draws[rows], self.statistics[rows]
            done = self.thinning.run(self.tuning.step_size, draws, statistics, first=rows.start == 0)
            self.nuts.done.value = (
                0  # first forgotten, then added: one who looks in between counts nothing twice
            )
            self.finished += done
            ended = done < len(draws)
            # What was given up inside a draw, or between two that are kept, has used random numbers: the state before is
            # what goes on exactly.
            if not (ended and (self.nuts.stop.value == AT_ONCE or self.nuts.thin > 1)):
                self.snapshot = Snapshot(
                    self.finished,
                    self.tuning.step_size,
                    self.tuning.metric,
                    self.nuts.bit_generator.state,
                    self.nuts.moves_state(),
                )
            if ended:
                return

    @property
    def drawn(self) -> int:
        return self.finished + (self.nuts.done.value if self.nuts.thin == 1 else 0)

    @property
    def tuned(self) -> int:
        return self.tuning.done

    def status(self) -> ChainStatus:
        tuned = self.tuning.done
        seen = self.statistics[: self.drawn]
        between = self.nuts.done.value if self.nuts.thin > 1 else 0
        return ChainStatus(
            done=tuned + self.thinning.made(len(seen)) + between,
            total=len(self.tuning_draws) + self.thinning.made(len(self.draws)),
            tune=len(self.tuning_draws),
            divergences=int(seen["diverging"].sum()),
            step_size=self.tuning.step_size,
            seconds=0.0 if self.began is None else (self.ended or time.perf_counter()) - self.began,
            gradients=int(seen["n_steps"].sum() + self.tuning_statistics["n_steps"][:tuned].sum()),
        )


def _run(
    chains: list[_Chain], cores: int, stop: ctypes.c_int32, progress: Progress | None, watch: Watch
) -> bool:
    """Run all chains, ``cores`` at a time; returns whether they were interrupted."""
    waiting = list(reversed(chains))

    def work(finished: threading.Event) -> None:
        while waiting and not stop.value:
            try:
                chain = waiting.pop()
            except IndexError:  # another thread was quicker
                break
            chain.run()
        finished.set()

    ends = [threading.Event() for _ in range(cores)]
    # Daemons, so that a density which never returns cannot keep the program from ending.
    threads = [threading.Thread(target=work, args=(finished,), daemon=True) for finished in ends]

    def begun() -> list[threading.Event]:
        # One that begins later sees the flag first.
        return [end for end, thread in zip(ends, threads, strict=True) if thread.ident is not None]

    interrupted = False
    try:
        try:
            try:
                for thread in threads:
                    thread.start()
                _wait(ends, chains, progress, watch)
                watch.last_look(chains)
            except Enough:
                stop.value = FINISH
                _wait(begun(), chains, progress)
            except KeyboardInterrupt:
                raise
            except Exception as error:  # of a callback: the chains' own are kept with them
                interrupted = True
                stop.value = FINISH
                warn_and_keep(f"The callback failed, and sampling ended: {error!r}", stacklevel=4)
                _wait(begun(), chains, progress)
        except KeyboardInterrupt:
            interrupted = True
            stop.value = FINISH
            try:
                _wait(begun(), chains, progress)
            except KeyboardInterrupt:
                stop.value = AT_ONCE
                _wait(begun(), chains, progress)
    except BaseException:  # a third Ctrl-C, where a density does not even return
        stop.value = AT_ONCE
        raise
    return interrupted


def _failed(chains: list[_Chain], first: int) -> bool:
    """Whether some chain failed, of which a warning tells; where no chain has a draw, the exception itself is raised."""
    errors = [(number, chain.error) for number, chain in enumerate(chains, first) if chain.error is not None]
    for number, error in errors:
        if not isinstance(error, Exception) or not any(chain.drawn for chain in chains):
            raise error
        had = chains[number - first].drawn
        warn_and_keep(
            f"Chain {number} failed after {had:,} draws, and sampling ended: {error!r}", stacklevel=4
        )
    return bool(errors)


def _wait(
    ends: list[threading.Event],
    chains: list[_Chain],
    progress: Progress | None,
    watch: Watch | None = None,
) -> None:
    # Not Thread.join: when Ctrl-C comes in the middle of it, Python 3.11 takes the thread for finished.
    for finished in ends:
        while not finished.wait(LOOK_SECONDS):
            if progress is not None and progress.is_due:
                progress.update([chain.status() for chain in chains])
            if watch is not None and watch.needed:
                watch.look(chains)


def _collect(
    chains: list[_Chain],
    whole: np.ndarray,
    first: int,
    interrupted: bool,
    watch: Watch,
    discard_tuned: bool,
    seconds: float,
) -> Trace:
    """What is kept of the ``whole`` (chains, draws, dim) that the chains draw into, and all that goes with it."""
    kept, length = list(range(len(chains))), len(chains[0].draws)
    if watch.length is not None:
        length = watch.length
    elif interrupted or watch.reason is not None:
        kept, length = largest_rectangle([chain.drawn for chain in chains])
    here = [chains[number] for number in kept]
    complete = len(kept) == len(chains) and length == whole.shape[1]
    tuned = min(chain.tuning.done for chain in here)
    return Trace(
        # Those of a complete run as they are: a copy would need as much memory again.
        draws=whole if complete else np.ascontiguousarray(whole[kept, :length]),
        stats=_by_name([chain.statistics[:length] for chain in here]),
        step_size=np.array([chain.tuning.step_size for chain in here]),
        metric=tuple(chain.tuning.metric for chain in here),
        chains=first + np.array(kept),
        interrupted=interrupted,
        thin=here[0].nuts.thin,
        seconds=seconds,
        seconds_tuning=np.array([chain.seconds_tuning for chain in here]),
        seconds_sampling=np.array([chain.seconds_sampling for chain in here]),
        ended_by=watch.reason,
        acceptance=_mean_acceptance([chain.nuts.acceptance() for chain in here]),
        gradients=sum(int(chain.statistics["n_steps"][: chain.drawn].sum()) for chain in chains),
        gradients_tuning=sum(
            int(chain.tuning_statistics["n_steps"][: chain.tuning.done].sum()) for chain in chains
        ),
        tuning_draws=None if discard_tuned else np.stack([chain.tuning_draws[:tuned] for chain in here]),
        tuning_stats=None if discard_tuned else _by_name([chain.tuning_statistics[:tuned] for chain in here]),
    )


def _by_name(statistics: list[np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.stack([chain[name] for chain in statistics]) for name in STATISTICS.names or ()}


def _mean_acceptance(chains: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([chain[name] for chain in chains])) for name in chains[0]}


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _check(
    density: LogDensity,
    starts: np.ndarray,
    draws: int,
    tune: int,
    thin: int,
    cores: int | None,
    step_jitter: float,
    max_error: float,
) -> None:
    if starts.ndim != 2 or starts.shape[1] != density.dim or len(starts) == 0:
        raise ValueError(f"initial has shape {starts.shape}; it needs (chains, {density.dim}), chains >= 1")
    for name, value in (("draws", draws), ("tune", tune)):
        if value < 0:
            raise ValueError(f"{name} is {value}; it must not be negative")
    if thin < 1:
        raise ValueError(f"thin is {thin}; it must be at least 1")
    if cores is not None and cores < 1:
        raise ValueError(f"cores is {cores}; at least one chain must run at a time")
    if not 0 <= max_error < np.inf:
        raise ValueError(f"max_error is {max_error}; it must be positive, or 0 for no bound")
    if not 0 <= step_jitter < 1:
        raise ValueError(f"step_jitter is {step_jitter}; it must be at least 0 and below 1")
