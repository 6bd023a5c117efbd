"""`RandomStreams`: random variables with a generator each, that draw anew in every call.

A stream's random variables are seeded from one number, in the order in which they are made: as in Theano, whose
documented draws come out. Each is drawn from a shared state of its own, whose default update is the state after
the draws.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from probgraph.engine import raw_random
from probgraph.engine.graph import Variable
from probgraph.engine.ops.random import DISTRIBUTIONS
from probgraph.engine.ops.random_op import anew
from probgraph.engine.shared import SharedVariable, shared

_SEEDS = 2**30


class Streams:
    """What random streams of either kind are: shared generators, and how they are seeded."""

    #: the generator that a seed stands for
    generator: Callable[[int], Any]

    def __init__(self, seed: int | None = None) -> None:
        self.default_instance_seed = seed
        self.gen_seedgen = np.random.RandomState(seed)
        self.state_updates: list[tuple[SharedVariable, Variable]] = []

    def seed(self, seed: int | None = None) -> None:
        """Starts all random variables of this object anew: from `seed`, or from the seed it was made with."""
        seeds = np.random.RandomState(self.default_instance_seed if seed is None else seed)
        for rng, _ in self.state_updates:
            rng.set_value(self.generator(int(seeds.randint(_SEEDS))))

    def updates(self) -> list[tuple[SharedVariable, Variable]]:
        """The pairs (shared generator, state after the draws) of all random variables: for `function(updates=)`."""
        return list(self.state_updates)

    def gen(self, op: Callable[..., Any], *args: Any, **kwargs: Any) -> Variable:
        """A random variable by a function like those of `raw_random`: `op(state, ...)` is (next state, draws)."""
        rng = shared(self.generator(int(self.gen_seedgen.randint(_SEEDS))))
        after, draws = op(rng, *args, **kwargs)
        rng.default_update = after
        draws.tag.update = (rng, after)
        self.state_updates.append((rng, after))
        return draws

    def __getitem__(self, rng: SharedVariable) -> Any:
        """The generator of a random variable, by its `rng`."""
        return self._container(rng).get_value()

    def __setitem__(self, rng: SharedVariable, value: Any) -> None:
        self._container(rng).set_value(value)

    def _container(self, rng: SharedVariable) -> SharedVariable:
        if not any(rng is known for known, _ in self.state_updates):
            raise KeyError(rng)
        return rng


class RandomStreams(Streams):
    """Random variables seeded from `seed` (an int, or None: anew in each process).

    Each method makes a random variable `rv`: `rv.rng` is its shared generator (`rv.rng.get_value()`,
    `rv.rng.set_value(numpy.random.RandomState(1))`), `rv.update` the pair (rng, state after the draws). It is
    drawn once in each call of a function that uses it, however often it occurs in the graph; functions
    made with `no_default_updates=True` draw the same again and again. `size` is a list of lengths (ints or integer
    scalars), or an integer vector; without it the parameters say the shape, with it they broadcast to it.

    Draws are those of `numpy.random.RandomState`. `nstreams` is MRG_RandomStreams's and has no effect.

    >>> RandomStreams(seed=234).uniform((2, 2)).ndim
    2
    """

    @staticmethod
    def generator(seed: int) -> Any:
        return np.random.RandomState(seed)

    def uniform(
        self,
        size: Any = None,
        low: Any = 0.0,
        high: Any = 1.0,
        ndim: int | None = None,
        dtype: str | None = None,
        nstreams: int | None = None,
    ) -> Variable:
        """Between `low` and `high`; in floatX, or wider if they are."""
        return self.gen(raw_random.uniform, size, low, high, ndim=ndim, dtype=dtype)

    def normal(
        self,
        size: Any = None,
        avg: Any = 0.0,
        std: Any = 1.0,
        ndim: int | None = None,
        dtype: str | None = None,
        nstreams: int | None = None,
    ) -> Variable:
        """Normal with mean `avg` and standard deviation `std`.

        No gradient flows to these: write `avg + std * normal(size)` where it should.
        """
        return self.gen(raw_random.normal, size, avg, std, ndim=ndim, dtype=dtype)

    def binomial(
        self,
        size: Any = None,
        n: Any = 1,
        p: Any = 0.5,
        ndim: int | None = None,
        dtype: str = "int64",
        prob: Any = None,
        nstreams: int | None = None,
    ) -> Variable:
        """How many of `n` trials succeed, each with probability `p`."""
        return self.gen(raw_random.binomial, size, n, p, ndim=ndim, dtype=dtype, prob=prob)

    def poisson(
        self, size: Any = None, lam: Any = 1.0, ndim: int | None = None, dtype: str = "int64"
    ) -> Variable:
        """Poisson with mean `lam`."""
        return self.gen(raw_random.poisson, size, lam, ndim=ndim, dtype=dtype)

    def random_integers(
        self, size: Any = None, low: Any = 0, high: Any = 1, ndim: int | None = None, dtype: str = "int64"
    ) -> Variable:
        """Integers from `low` to `high`, both included."""
        return self.gen(raw_random.random_integers, size, low, high, ndim=ndim, dtype=dtype)

    def choice(
        self,
        size: Any = None,
        a: Any = 2,
        replace: bool = True,
        p: Any = None,
        ndim: int | None = None,
        dtype: str | None = None,
        nstreams: int | None = None,
    ) -> Variable:
        """From the integers below `a` or the elements of the vector `a`; see `raw_random.choice`."""
        return self.gen(raw_random.choice, size, a, replace, p, ndim=ndim, dtype=dtype)

    def permutation(
        self, size: Any = None, n: Any = 1, ndim: int | None = None, dtype: str | None = None
    ) -> Variable:
        """The integers below `n` in an order drawn at random: `size` times."""
        return self.gen(raw_random.permutation, size, n, ndim=ndim, dtype=dtype)

    def multinomial(
        self,
        size: Any = None,
        n: Any = 1,
        pvals: Any = (0.5, 0.5),
        ndim: int | None = None,
        dtype: str = "int64",
        nstreams: int | None = None,
    ) -> Variable:
        """How often each of the outcomes comes in `n` trials; their probabilities are `pvals`."""
        return self.gen(raw_random.multinomial, size, n, pvals, ndim=ndim, dtype=dtype)

    def shuffle_row_elements(self, input: Any) -> Variable:
        """`input` with the elements of each row (along the last axis) in an order of its own."""
        return self.gen(raw_random.shuffle_row_elements, input)


def MRG_RandomStreams(seed: int = 12345, use_cuda: bool | None = None) -> RandomStreams:
    """`RandomStreams` by another name; the draws are not those of Theano's MRG31k3p generator."""
    return RandomStreams(seed)


class RandomStream(Streams):
    """Streams with PyTensor's names: every distribution of `tensor.random` is a method, drawn by PCG64.

    >>> RandomStream(1).gamma(2.0, scale=[1.0, 2.0]).ndim
    1
    """

    @staticmethod
    def generator(seed: int) -> Any:
        return np.random.default_rng(seed)

    def __getattr__(self, name: str) -> Callable[..., Variable]:
        if name not in DISTRIBUTIONS:
            raise AttributeError(f"there is no distribution {name!r}: there are {', '.join(DISTRIBUTIONS)}")
        return functools.partial(self.gen, DISTRIBUTIONS[name].from_state)

    def choice(self, a: Any, size: Any = None, replace: bool = True, p: Any = None) -> Variable:
        """From the integers below `a` or the elements of the vector `a`; see `raw_random.choice`."""
        return self.gen(raw_random.choice, size, a, replace, p)

    def permutation(self, x: Any) -> Variable:
        """The integers below `x`, or the rows of the array `x`, in an order drawn at random."""
        return self.gen(raw_random.permutation, None, x)


# ------------------------------------------------------------------------------------ without streams


def choice(a: Any, size: Any = None, replace: bool = True, p: Any = None, rng: Any = None) -> Variable:
    """From the integers below `a` or the elements of the vector `a`; see `raw_random.choice`."""
    return anew(rng, raw_random.choice, size, a, replace, p)


def permutation(x: Any, rng: Any = None) -> Variable:
    """The integers below `x`, or the rows of the array `x`, in an order drawn at random."""
    return anew(rng, raw_random.permutation, None, x)


def shuffle_row_elements(x: Any, rng: Any = None) -> Variable:
    """`x` with the elements of each row in an order of its own."""
    return anew(rng, raw_random.shuffle_row_elements, x)
