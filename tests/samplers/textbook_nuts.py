"""The No-U-Turn sampler as the textbooks have it: recursive, in NumPy, slow, and easy to compare with them.

It makes the same decisions from the same random numbers as the C kernel, in the same order: for a
transition the momentum (polar method), then for each doubling its direction, one uniform for each joining
of two subtrees (innermost first), and one for taking a draw from the new half. It is the definition that
nuts.c is held to.
"""

from dataclasses import dataclass, replace

import numpy as np


@dataclass
class State:
    q: np.ndarray
    p: np.ndarray
    grad: np.ndarray
    logp: float
    energy: float
    index: int


@dataclass
class Tree:
    first: State
    last: State
    rho: np.ndarray
    log_weight: float
    proposal: State


class Ended(Exception):
    """The trajectory turned or diverged inside a subtree."""

    def __init__(self, diverging):
        self.diverging = diverging


class TextbookNuts:
    def __init__(self, density, q, bit_generator, inverse_metric, max_treedepth=10):
        self.density = density
        self.random = np.random.Generator(bit_generator).random
        self.inverse_metric = np.asarray(inverse_metric, float)
        self.max_treedepth = max_treedepth
        self.move_to(q)

    def move_to(self, q):
        logp, grad = self.density(q)
        self.current = State(np.array(q, float), np.zeros_like(q), grad, logp, 0.0, 0)

    def momentum(self):
        normals = []
        while len(normals) < len(self.inverse_metric):
            a, b = 2 * self.random() - 1, 2 * self.random() - 1
            r2 = a * a + b * b
            if 0 < r2 < 1:
                stretch = np.sqrt(-2 * np.log(r2) / r2)
                normals += [a * stretch, b * stretch]
        return np.array(normals[: len(self.inverse_metric)]) / np.sqrt(self.inverse_metric)

    def kinetic(self, p):
        return 0.5 * np.sum(self.inverse_metric * p * p)

    def leapfrog(self, state, step):
        p = state.p + 0.5 * step * state.grad
        q = state.q + step * self.inverse_metric * p
        logp, grad = self.density(q)
        p = p + 0.5 * step * grad
        energy = self.kinetic(p) - logp
        if not (np.isfinite(logp) and np.isfinite(energy)):
            energy = np.inf
        return State(q, p, grad, logp, energy, state.index + int(np.sign(step)))

    def turns(self, a, b):
        def turning(first, last, rho):
            velocity = self.inverse_metric * rho
            return not (first.p @ velocity > 0 and last.p @ velocity > 0)

        return (
            turning(a.first, b.last, a.rho + b.rho)
            or turning(a.first, b.first, a.rho + b.first.p)
            or turning(a.last, b.last, b.rho + a.last.p)
        )

    def build(self, depth, state, step):
        if depth == 0:
            new = self.leapfrog(state, step)
            gain = self.start_energy - new.energy
            self.steps += 1
            self.acceptance += min(1.0, np.exp(min(gain, 0.0)))
            self.symmetric += 2 * min(1.0, np.exp(min(gain, 0.0))) / (1 + np.exp(min(gain, 700)))
            if not gain >= -1000:
                raise Ended(diverging=True)
            return Tree(new, new, new.p, gain, new)
        inner = self.build(depth - 1, state, step)
        outer = self.build(depth - 1, inner.last, step)
        log_weight = np.logaddexp(inner.log_weight, outer.log_weight)
        take_outer = self.random() < np.exp(outer.log_weight - log_weight)
        if self.turns(inner, outer):
            raise Ended(diverging=False)
        proposal = outer.proposal if take_outer else inner.proposal
        return Tree(inner.first, outer.last, inner.rho + outer.rho, log_weight, proposal)

    def transition(self, step_size):
        """(q, statistics) of the next draw."""
        p = self.momentum()
        self.start_energy = self.kinetic(p) - self.current.logp
        start = replace(self.current, p=p, energy=self.start_energy, index=0)
        self.steps, self.acceptance, self.symmetric = 0, 0.0, 0.0
        backward, forward, rho, log_weight, proposal = start, start, p, 0.0, start
        depth, turning, diverging = 0, False, False
        while depth < self.max_treedepth and not turning:
            ahead = not self.random() < 0.5
            try:
                new = self.build(depth, forward if ahead else backward, step_size if ahead else -step_size)
            except Ended as ended:
                turning, diverging = True, ended.diverging
                break
            depth += 1
            if self.random() < np.exp(min(new.log_weight - log_weight, 0.0)):
                proposal = new.proposal
            whole = Tree(
                backward if ahead else forward, forward if ahead else backward, rho, log_weight, proposal
            )
            turning = self.turns(whole, new)
            rho = rho + new.rho
            log_weight = np.logaddexp(log_weight, new.log_weight)
            if ahead:
                forward = new.last
            else:
                backward = new.last
        self.current = proposal
        return proposal.q, {
            "lp": proposal.logp,
            "acceptance_rate": self.acceptance / self.steps,
            "acceptance_rate_symmetric": self.symmetric / self.steps,
            "step_size": step_size,
            "energy": proposal.energy,
            "energy_error": proposal.energy - self.start_energy,
            "tree_depth": depth,
            "n_steps": self.steps,
            "index_in_trajectory": proposal.index,
            "diverging": diverging,
            "reached_max_treedepth": not turning,
        }
