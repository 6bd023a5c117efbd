"""The No-U-Turn sampler in Python, for where there is no C compiler: the transitions of nuts.c, and as readable.

It follows nuts.c, where the papers are named, uniform by uniform: the same seed gives the same draws, to rounding.
(Sums are rounded in another order, and trajectories that part from each other, and tuning, make such differences
grow: on a curved posterior a chain is the same for dozens of draws, and later the same only in law.)

The idea worth knowing: doubling needs no recursion. Steps are counted in binary, and whenever the count carries,
the two newest stretches of equal length are joined, so that those waiting for their other half are the ones in the
binary digits of the count.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

import numpy as np

from probgraph.samplers.adaptation import LATELY, on_its_way
from probgraph.samplers.metric import Metric
from probgraph.samplers.nuts import (
    AT_ONCE,
    DIVERGENCE_THRESHOLD,
    MAX_HALVINGS,
    STATISTICS,
    Advance,
    Nuts,
    Path,
    WarmUp,
)

Uniform = Callable[[], float]


class State(NamedTuple):
    """A point of a trajectory. ``p`` and ``force`` are momentum and gradient in the coordinates over their scales, ``velocity``
    and ``push`` what S² makes of them; ``index`` counts steps from the start, negative behind it."""

    q: np.ndarray
    p: np.ndarray
    velocity: np.ndarray
    gradient: np.ndarray
    force: np.ndarray
    push: np.ndarray
    logp: float
    energy: float
    index: int


class Stretch(NamedTuple):
    """A piece of trajectory: its first and last state in the order of building, the sum of its momenta, the log
    of the sum of its weights, and one of its states drawn by weight."""

    first: State
    last: State
    momenta: np.ndarray
    log_weight: float
    proposal: State


class End(Enum):
    """Why a trajectory went no further."""

    TURNED = "turned back"
    DIVERGED = "diverged"
    STOPPED = "was stopped"
    LONGEST = "reached the longest length"


class PythonNuts(Nuts):
    """A chain of transitions in Python; see `Nuts`. Tens of microseconds a step, besides the density's time."""

    def _start(self, q: np.ndarray) -> float:
        if self.moves:
            raise NotImplementedError(
                f"{', '.join(m.name for m in self.moves)}: step methods need a C compiler, and there is none here"
            )
        self.uniform = np.random.Generator(self.bit_generator).random
        self.evaluate = self.density.evaluator()
        logp, gradient = self.evaluate(q)
        self.current = self._at_rest(q, logp, gradient)
        return logp

    def set_metric(self, metric: Metric) -> None:
        self.metric = metric
        force, push = self.forces(self.current.gradient)
        self.current = self.current._replace(force=force, push=push)

    def forces(self, gradient: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Force and push."""
        with np.errstate(all="ignore"):
            force = self.metric.scales * gradient
            return force, self.metric.mix(force, 2)

    def _at_rest(self, q: np.ndarray, logp: float, gradient: np.ndarray) -> State:
        none = np.zeros(self.dim)
        force, push = self.forces(gradient)
        return State(q.copy(), none, none, gradient, force, push, logp, -logp, 0)

    def where(self) -> tuple[np.ndarray, np.ndarray]:
        return self.current.q.copy(), self.current.gradient.copy()

    def energy_loss(self, step_size: float) -> float:
        start = self._with_momentum(self.current)
        return start.energy - self.leapfrog(start, step_size).energy

    def begin(self, warm_up: WarmUp) -> Advance:
        averaging, done = warm_up.averaging, warm_up.done
        lp = warm_up.statistics["lp"]

        def advance(end: int, symmetric: bool, short: bool) -> bool:
            rates = warm_up.statistics["acceptance_rate_symmetric" if symmetric else "acceptance_rate"]
            while (i := done.value) < end:
                if not self._draw(
                    i, averaging.step_size, warm_up.draws, warm_up.statistics, warm_up.gradients
                ):
                    return False
                averaging.update(float(rates[i]))
                done.value = i + 1
                if on_its_way(lp[max(i + 1 - LATELY, 0) : i + 1], warm_up.spread):
                    break
            return True

        return advance

    def _draw(
        self,
        i: int,
        step_size: float,
        draws: np.ndarray,
        statistics: np.ndarray,
        gradients: np.ndarray | None = None,
    ) -> bool:
        """Make one transition and fill row i; False where it was stopped."""
        if self.stop.value:
            return False
        if self.step_jitter > 0:
            step_size *= 1.0 + self.step_jitter * (2.0 * self.uniform() - 1.0)
        start = self._with_momentum(self.current)
        record = (
            self._doubled(start, step_size) if self.path is None else self._fixed(start, step_size, self.path)
        )
        if record is None:
            return False
        draws[i] = self.current.q
        if gradients is not None:
            gradients[i] = self.current.gradient
        statistics[i] = tuple(record[name] for name in STATISTICS.names or ())
        return True

    def _doubled(self, start: State, step_size: float) -> dict[str, float] | None:
        """One draw from a trajectory that doubles until it turns: its statistics, None where it was stopped."""
        trajectory = Trajectory(self, start, step_size)
        end = trajectory.grow()
        if end is End.STOPPED:
            return None
        self.current = draw = trajectory.whole.proposal
        return {
            "lp": draw.logp,
            "acceptance_rate": trajectory.sum_acceptance / trajectory.leaves,
            "acceptance_rate_symmetric": trajectory.sum_symmetric / trajectory.leaves,
            "step_size": step_size,
            "energy": draw.energy,
            "energy_error": draw.energy - start.energy,
            "tree_depth": trajectory.depth,
            "n_steps": trajectory.steps,
            "index_in_trajectory": draw.index,
            "diverging": end is End.DIVERGED,
            "reached_max_treedepth": end is End.LONGEST,
        }

    def _fixed(self, start: State, step_size: float, path: Path) -> dict[str, float] | None:
        """One draw of plain Hamiltonian Monte Carlo: its statistics, None where it was stopped."""
        wanted = math.ceil(path.length * (1.0 + path.jitter * (2.0 * self.uniform() - 1.0)) / step_size)
        end, gain, done = start, 0.0, 0
        while done < min(max(wanted, 1), path.max_steps) and gain >= -DIVERGENCE_THRESHOLD:
            if self.stop.value >= AT_ONCE:
                return None
            end = self.leapfrog(end, step_size)
            gain = start.energy - end.energy
            done += 1
        diverging = not gain >= -DIVERGENCE_THRESHOLD
        accepted = self.uniform() < math.exp(min(gain, 0.0)) and not diverging
        self.current = draw = end if accepted else start
        return {
            "lp": draw.logp,
            "acceptance_rate": math.exp(min(gain, 0.0)),
            "acceptance_rate_symmetric": 2.0 * math.exp(-abs(gain)) / (1.0 + math.exp(-abs(gain))),
            "step_size": step_size,
            "energy": draw.energy,
            "energy_error": draw.energy - start.energy,
            "tree_depth": 0,
            "n_steps": done,
            "index_in_trajectory": done if accepted else 0,
            "diverging": diverging,
            "reached_max_treedepth": wanted > path.max_steps,
        }

    def run(self, step_size: float, draws: np.ndarray, statistics: np.ndarray) -> int:
        self.done.value = 0
        while self.done.value < len(draws) and self._draw(self.done.value, step_size, draws, statistics):
            self.done.value += 1
        return self.done.value

    def each(self, step_size: float, q: np.ndarray, gradients: np.ndarray, statistics: np.ndarray) -> int:
        for i, start in enumerate(q):
            logp, gradient = self.evaluate(start)
            if not math.isfinite(logp):
                gradients[i], statistics["lp"][i] = gradient, -math.inf
                continue
            self.current = self._at_rest(start, logp, gradient)
            if not self._draw(i, step_size, q, statistics, gradients):
                return i
        return len(q)

    # ---- Hamiltonian dynamics

    def _with_momentum(self, state: State) -> State:
        """The state as the start of a trajectory, with normals by Marsaglia's polar method, two from a point in
        the disc."""
        normals: list[float] = []
        while len(normals) < self.dim:
            a, b = 2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0
            r2 = a * a + b * b
            if 0.0 < r2 < 1.0:
                stretch = math.sqrt(-2.0 * math.log(r2) / r2)
                normals += (a * stretch, b * stretch)
        drawn = np.where(self.metric.scales == 0, 0.0, normals[: self.dim])
        p, velocity = self.metric.mix(drawn, -1), self.metric.mix(drawn, 1)
        return state._replace(p=p, velocity=velocity, energy=0.5 * float(p @ velocity) - state.logp, index=0)

    def leapfrog(self, state: State, step: float) -> State:
        """One leapfrog step, backwards where it is negative; its energy is infinite where there is no density."""
        half = 0.5 * step
        with np.errstate(all="ignore"):
            p, velocity = state.p + half * state.force, state.velocity + half * state.push
            q = state.q + step * self.metric.scales * velocity
        logp, gradient = self.evaluate(q)  # outside errstate: the density's warnings are its author's matter
        energy = math.inf
        force, push = self.forces(gradient)
        if math.isfinite(logp):
            with np.errstate(all="ignore"):
                p, velocity = p + half * force, velocity + half * push
                total = 0.5 * float(p @ velocity) - logp
            energy = total if math.isfinite(total) else math.inf
        index = state.index + (1 if step > 0 else -1)
        return State(q, p, velocity, gradient, force, push, logp, energy, index)


class Trajectory:
    """One transition's trajectory: it doubles, forwards or backwards at random, until it turns."""

    def __init__(self, chain: PythonNuts, start: State, step_size: float):
        self.chain = chain
        self.step_size = step_size
        self.start_energy = start.energy
        self.whole = Stretch(start, start, start.p, 0.0, start)
        self.depth = self.steps = self.leaves = 0
        self.sum_acceptance = self.sum_symmetric = self.first_error = 0.0

    def grow(self) -> End:
        """Double it as often as it goes; `whole` is then all of it but an abandoned last doubling."""
        facing = 1  # the direction in which `whole.last` is the end
        while self.depth < self.chain.max_treedepth:
            direction = -1 if self.chain.uniform() < 0.5 else 1
            if direction != facing:
                self.whole = self.whole._replace(first=self.whole.last, last=self.whole.first)
                facing = direction
            extension = self.extension(self.whole.last, 2**self.depth, direction * self.step_size)
            if isinstance(extension, End):
                return extension
            self.depth += 1
            # Biased towards the new half, which is farther away: its weight against that of the old half alone.
            turned, self.whole = self.joined(self.whole, extension, against=self.whole.log_weight)
            if turned:
                return End.TURNED
        return End.LONGEST

    def extension(self, state: State, length: int, step: float) -> Stretch | End:
        """So many leapfrog steps (a power of two) on from a state, or why there are fewer."""
        waiting: list[Stretch] = []  # for their other halves; each is longer than the next
        for count in range(1, length + 1):
            if self.chain.stop.value >= AT_ONCE:
                return End.STOPPED
            state, end = self.step(state, step)
            if end is End.STOPPED:
                return End.STOPPED
            gain = self.start_energy - state.energy
            self.leaves += 1
            self.sum_acceptance += math.exp(min(gain, 0.0))
            error = self.first_error if self.chain.max_error else gain
            self.sum_symmetric += 2.0 * math.exp(-abs(error)) / (1.0 + math.exp(-abs(error)))
            if gain < -DIVERGENCE_THRESHOLD:
                return End.DIVERGED
            if end is not None:
                return end
            stretch = Stretch(state, state, state.p, gain, state)
            while count % 2 == 0:
                turned, stretch = self.joined(waiting.pop(), stretch)
                if turned:
                    return End.TURNED
                count //= 2
            waiting.append(stretch)
        return stretch

    def step(self, state: State, step: float) -> tuple[State, End | None]:
        """One step of the trajectory, and why it goes no further: adaptive where the energy error is bounded."""
        if not self.chain.max_error:
            self.steps += 1
            return self.chain.leapfrog(state, step), None
        for halvings in range(MAX_HALVINGS + 1):
            within, to = self.fine_steps(state, step, 2**halvings)
            if halvings == 0:
                self.first_error = to.energy - state.energy
            if within:
                to = to._replace(index=state.index + (1 if step > 0 else -1))
                # Who comes back from there must not be content with fewer, or the step could not be undone.
                undone = not any(self.fine_steps(to, -step, 2**fewer)[0] for fewer in range(halvings))
                return to, None if undone else End.TURNED
        return to._replace(energy=math.inf), End.DIVERGED

    def fine_steps(self, state: State, step: float, count: int) -> tuple[bool, State]:
        """So many leapfrog steps that together are ``step``, and whether all energies are near each other."""
        low = high = state.energy
        for _ in range(count):
            state = self.chain.leapfrog(state, step / count)
            self.steps += 1
            low, high = min(low, state.energy), max(high, state.energy)
            if not high - low <= self.chain.max_error:
                return False, state
        return True, state

    def joined(self, a: Stretch, b: Stretch, against: float | None = None) -> tuple[bool, Stretch]:
        """Whether the two neighbours turn back as one, and that one. Its draw is b's with the odds of b's weight
        against that of both, or against the given log weight."""
        log_weight = float(np.logaddexp(a.log_weight, b.log_weight))
        log_odds = b.log_weight - (log_weight if against is None else against)
        take_b = self.chain.uniform() < math.exp(min(log_odds, 0.0))
        momenta = a.momenta + b.momenta
        proposal = b.proposal if take_b else a.proposal
        turned = (
            self.turns(a.first, b.last, momenta)
            or self.turns(a.first, b.first, a.momenta + b.first.p)  # across the seam, from either side
            or self.turns(a.last, b.last, a.last.p + b.momenta)
        )
        return turned, Stretch(a.first, b.last, momenta, log_weight, proposal)

    def turns(self, first: State, last: State, momenta: np.ndarray) -> bool:
        """The generalised criterion: not both ends move along the sum of the momenta between them."""
        return not (first.velocity @ momenta > 0 and last.velocity @ momenta > 0)
