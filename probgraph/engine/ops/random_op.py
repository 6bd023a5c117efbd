"""Drawing at random: operations from a generator's state and parameters to the next state and the draws.

The draws are NumPy's own, from its generators (`random_types`): the same seed gives the same draws in every mode.
An operation is a pure function like any other, so that equal draws from an equal state are one node, and running
a graph twice gives the same; what makes the next call draw anew is the state that was handed on, by an update of
a shared generator or from step to step of a loop.

One idea: all distributions are rows of one table (`random`). A row says how NumPy draws, what the parameters are
called and how many axes of each belong to one draw (a row of probabilities is one parameter of `multinomial`);
the axes in front of these broadcast, or are stretched to `size`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from probgraph.engine.config import config
from probgraph.engine.graph import Apply, Constant, Variable
from probgraph.engine.op import Hosted, as_variable, behind_batch
from probgraph.engine.ops.shape import as_lengths, batch_length
from probgraph.engine.random_types import LENGTHS, GeneratorType, drawn, is_generator, state_words
from probgraph.engine.shared import SharedVariable, shared
from probgraph.engine.types import COMPLEX, DTYPES, FLOATS, TensorType, describe, promote

#: how a parameter that must be given is marked
_NEEDED = inspect.Parameter.empty


@dataclass(frozen=True)
class Parameter:
    """A parameter of a distribution: its name, its default, and how many axes of it belong to one draw."""

    name: str
    default: Any = _NEEDED
    rank: int = 0


@dataclass(frozen=True, eq=False)
class Distribution:
    """A row of the table, which is also the function that users call.

    `draw(generator, size, *parameters)` is NumPy's meaning, for a Generator and for a RandomState. `dtype` is
    that of the draws, "float" standing for floatX or wider. `event(*parameters)` is the static shape of one draw.
    """

    name: str
    parameters: tuple[Parameter, ...]
    draw: Callable[..., Any]
    dtype: str = "float"
    event: Callable[..., tuple[int | None, ...]] | None = None

    @property
    def __name__(self) -> str:
        return self.name

    @property
    def __signature__(self) -> inspect.Signature:
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        given = [inspect.Parameter(p.name, kind, default=p.default) for p in self.parameters]
        only = inspect.Parameter.KEYWORD_ONLY
        settings = [inspect.Parameter(name, only, default=None) for name in ("size", "rng", "dtype", "name")]
        return inspect.Signature([*given, *settings])

    def __call__(
        self,
        *args: Any,
        size: Any = None,
        rng: Any = None,
        dtype: str | None = None,
        name: str | None = None,
        **named: Any,
    ) -> Variable:
        """Draws, of the shape that the parameters have together, or of shape `size`.

        `rng` is a shared generator (`shared(numpy.random.default_rng(seed))`), another state of one, or one of
        NumPy's generators, whose state is copied; without it a shared generator is made whose default update is
        the state after the draws, so that each call of a function draws anew. The state after the draws is
        `next_state(draws)`. `size` is a list of lengths (ints or integer scalars) or an integer vector of known
        length; `dtype` is that of the draws.

        Raises TypeError for what is no state and for complex parameters, and ValueError where shapes do not
        broadcast; at the call ValueError for parameters out of range, naming them.
        """
        draws = anew(rng, self.from_state, *args, size=size, dtype=dtype, **named)
        draws.name = name
        return draws

    def from_state(
        self, state: Any, *args: Any, size: Any = None, dtype: str | None = None, **named: Any
    ) -> tuple[Variable, Variable]:
        """(the state after the draws, the draws), drawn from this state: see calling."""
        given = inspect.Signature(
            [
                inspect.Parameter(p.name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=p.default)
                for p in self.parameters
            ]
        )
        try:
            bound = given.bind(*args, **named)
        except TypeError as error:
            wanted = ", ".join(p.name for p in self.parameters)
            raise TypeError(f"{self.name}: {error}: its parameters are {wanted}") from None
        bound.apply_defaults()
        parameters = [as_variable(value) for value in bound.arguments.values()]
        lengths = None if size is None else as_lengths(size, f"{self.name}: size")
        op = RandomOp(self, self._dtype(dtype, parameters), None if lengths is None else len(lengths))
        after, draws = op(as_state(state), *(lengths or ()), *parameters)
        return after, draws

    def _dtype(self, asked: str | None, parameters: Sequence[Variable]) -> str:
        if asked is not None:
            dtype = config.floatX if asked == "floatX" else np.dtype(asked).name
            if dtype not in DTYPES or dtype in COMPLEX or (self.dtype == "float" and dtype not in FLOATS):
                raise TypeError(f"{self.name}: draws cannot be {dtype}")
            return dtype
        if self.dtype != "float":
            return self.dtype
        return promote(config.floatX, *(v.dtype for v in parameters if v.dtype in FLOATS))

    def __repr__(self) -> str:
        return f"<distribution {self.name}({', '.join(p.name for p in self.parameters)})>"


class RandomOp(Hosted):
    """Draws from a distribution. Inputs: a state, the lengths of `size` if there is one, the parameters.

    Results: the state after the draws, and the draws. No gradient flows through it: draws are constants.
    """

    def __init__(self, distribution: Distribution, dtype: str, size_rank: int | None) -> None:
        self.distribution = distribution
        self.dtype = dtype
        self.size_rank = size_rank

    def _identity(self) -> tuple[Any, ...]:
        row = self.distribution
        # A pickled row comes back as another object with an equal way to draw.
        draw = (row.draw.func, row.draw.args) if isinstance(row.draw, functools.partial) else row.draw
        return RandomOp, row.name, draw, self.dtype, self.size_rank

    def __str__(self) -> str:
        return f"RandomFunction{{{self.distribution.name}}}"

    __repr__ = __str__

    def _split(self, inputs: Sequence[Any]) -> tuple[Any, list[Any] | None, list[Any]]:
        """A node's inputs (or their values): the state, the size, the parameters."""
        state, *rest = inputs
        if self.size_rank is None:
            return state, None, rest
        return state, rest[: self.size_rank], rest[self.size_rank :]

    def infer_type(self, *inputs: Variable) -> list[TensorType]:
        state, size, parameters = self._split(inputs)
        _reject_no_state(self.distribution.name, state)
        row = self.distribution
        batches: list[TensorType] = []
        for p, v in zip(row.parameters, parameters, strict=True):
            if not isinstance(v.type, TensorType) or v.dtype in COMPLEX:
                raise TypeError(f"{row.name}: {p.name} is a real tensor, got {describe([v.type])}")
            if v.ndim < p.rank:
                raise ValueError(
                    f"{row.name}: {p.name} has at least {p.rank} dimension(s), got {describe([v.type])}"
                )
            batches.append(TensorType(v.dtype, v.type.shape[: v.ndim - p.rank]))
        together = _broadcast(row, parameters, batches)
        if size is not None:
            static = tuple(int(n.data) if isinstance(n, Constant) else None for n in size)
            if any(n is not None and n < 0 for n in static):
                raise ValueError(f"{row.name}: size {static} has a negative length")
            _reject_misfit(row, parameters, together, static)
            together = static
        event = () if row.event is None else row.event(*parameters)
        return [state.type, TensorType(self.dtype, (*together, *event))]

    def numpy(self, *arrays: Any) -> tuple[np.ndarray, np.ndarray]:
        words, size, parameters = self._split(arrays)
        lengths = None if size is None else tuple(int(n) for n in size)
        row = self.distribution
        try:
            after, draws = drawn(words, lambda generator: _draws(row, generator, lengths, parameters))
        except (ValueError, TypeError, OverflowError) as error:
            given = ", ".join(
                f"{p.name} = {_shown(a)}" for p, a in zip(row.parameters, parameters, strict=True)
            )
            at = "" if lengths is None else f", size = {lengths}"
            raise type(error)(f"{row.name}: {error} (given {given}{at})") from None
        return after, np.asarray(draws).astype(self.dtype)

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[None]:
        return [None] * len(inputs)

    def batched(self, node: Apply, inputs: Sequence[Variable]) -> list[Variable] | None:
        """Draws for each element of the batch, one after another from the one state."""
        state, size, parameters = self._split(inputs)
        old_state, _, old = self._split(node.inputs)
        if state.type != old_state.type or any(n.ndim for n in size or ()):
            return None
        leading = [v.ndim - p.rank for v, p in zip(old, self.distribution.parameters, strict=True)]
        rank = max(leading, default=0) if size is None else len(size)
        wide = [
            behind_batch(new, v, v.ndim + rank - mine)
            for new, v, mine in zip(parameters, old, leading, strict=True)
        ]
        if size is None:
            return self(state, *wide)
        count = as_lengths([batch_length(node, inputs)], self.distribution.name)
        return RandomOp(self.distribution, self.dtype, len(size) + 1)(state, *count, *size, *wide)


def next_state(draws: Variable) -> Variable:
    """The state of the generator after these draws, which an update may store.

    >>> rng = shared(np.random.default_rng(1))
    >>> unit = Distribution("unit", (), np.random.Generator.random)
    >>> next_state(unit(rng=rng)).ndim
    1
    """
    node, pair = draws.owner, getattr(draws.tag, "update", None)
    if pair is not None:
        return pair[1]
    if node is None or not isinstance(node.op, RandomOp):
        raise TypeError(f"next_state takes the draws of a distribution, got {draws}")
    return node.outputs[0]


def anew(rng: Any, op: Callable[..., Any], *args: Any, **named: Any) -> Variable:
    """The draws of `op(state, ...)` = (state after, draws) from `rng`, or from a new generator that is then updated
    in each call."""
    state = new_generator() if rng is None else as_state(rng)
    after, draws = op(state, *args, **named)
    draws.tag.update = (state, after)
    if isinstance(state, SharedVariable) and rng is None:
        state.default_update = after
    return draws


# ------------------------------------------------------------------------------------ states


def as_state(rng: Any) -> Variable:
    """A variable that is a generator's state; NumPy's generators as constants. TypeError for others."""
    if isinstance(rng, Variable):
        _reject_no_state("rng", rng)
        return rng
    if not is_generator(rng):
        raise TypeError(
            f"rng is a shared generator, shared(numpy.random.default_rng(seed)), or a NumPy generator; got {rng!r:.80}"
        )
    words = state_words(rng)
    return Constant(GeneratorType(len(words)), words)


def new_generator(seed: Any = None, name: str | None = None) -> SharedVariable:
    """A shared generator: PCG64, seeded anew unless there is a seed."""
    return shared(np.random.default_rng(seed), name=name)


def _reject_no_state(who: str, state: Variable) -> None:
    kind = state.type
    if not (
        isinstance(kind, TensorType)
        and kind.dtype == "uint64"
        and kind.ndim == 1
        and kind.shape[0] in LENGTHS
    ):
        raise TypeError(
            f"{who}: a generator's state is needed, as shared(numpy.random.default_rng(seed)) is one; got {state},"
            f" a {kind}"
        )


# ------------------------------------------------------------------------------------ shapes


def _broadcast(
    row: Distribution, parameters: Sequence[Variable], batches: Sequence[TensorType]
) -> tuple[int | None, ...]:
    """The static shape of the parameters together. An unknown length may turn out to be 1, as in NumPy."""
    rank = max((t.ndim for t in batches), default=0)
    result: list[int | None] = []
    for axis in range(-rank, 0):
        lengths = {t.shape[axis] for t in batches if t.ndim >= -axis} - {1}
        known = lengths - {None}
        if len(known) > 1:
            raise ValueError(
                f"{row.name}: the shapes of {_described(row, parameters)} do not broadcast: axis {axis} has lengths"
                f" {' and '.join(map(str, sorted(known)))}"
            )
        result.append(known.pop() if known else None if lengths else 1)
    return tuple(result)


def _reject_misfit(
    row: Distribution,
    parameters: Sequence[Variable],
    together: tuple[int | None, ...],
    size: tuple[int | None, ...],
) -> None:
    fits = len(together) <= len(size) and all(
        mine in (None, 1) or its in (None, mine)
        for mine, its in zip(together[::-1], size[::-1], strict=False)
    )
    if not fits:
        shown = tuple("?" if n is None else n for n in size)
        raise ValueError(
            f"{row.name}: parameters {_described(row, parameters)} do not fit size ({', '.join(map(str, shown))})"
        )


def _described(row: Distribution, parameters: Sequence[Variable]) -> str:
    return ", ".join(
        f"{p.name}: {describe([v.type])}" for p, v in zip(row.parameters, parameters, strict=True)
    )


def _shown(array: Any) -> str:
    array = np.asarray(array)
    return str(array.tolist()) if array.size <= 5 else f"an array of shape {array.shape}"


def _stretches(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    lengths = zip(shape[::-1], to[::-1], strict=False)
    return len(shape) <= len(to) and all(mine in (1, its) for mine, its in lengths)


def _draws(row: Distribution, generator: Any, size: tuple[int, ...] | None, parameters: Sequence[Any]) -> Any:
    ranks = [p.rank for p in row.parameters]
    if not any(map(np.ndim, parameters)):
        return row.draw(generator, size, *parameters)
    batches = [np.shape(a)[: np.ndim(a) - rank] for a, rank in zip(parameters, ranks, strict=True)]
    together = np.broadcast_shapes(*batches)
    if size is not None and not _stretches(together, size):
        raise ValueError(f"parameters of shape {together} do not fit the size")
    if not any(ranks) or not together:
        return row.draw(generator, size, *parameters)
    # NumPy has no batches of what takes a row or a matrix: draw by draw, in the order of memory.
    shape = together if size is None else size
    stretched = [
        np.broadcast_to(a, shape + np.shape(a)[np.ndim(a) - rank :])
        for a, rank in zip(parameters, ranks, strict=True)
    ]
    found = [row.draw(generator, None, *(a[i] for a in stretched)) for i in np.ndindex(*shape)]
    if found:
        return np.reshape(np.stack(found), shape + np.shape(found[0]))
    event = np.shape(stretched[-1])[len(shape) :] if row.event is not None else ()
    return np.empty(shape + event)
