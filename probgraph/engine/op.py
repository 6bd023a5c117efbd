"""The contract of an operation: what types it takes, what it means in NumPy, how it differentiates, how it
becomes loops.

An op is a value: two are equal when their class and their `__props__` are. How an op becomes loops depends on
its family, and there are six:

* `Pointwise`: each element of the result is a formula of elements of the inputs (arithmetic, but also
  transposing, slicing and gathering: index arithmetic). Never stored unless somebody needs it stored.
* `Reduction`: elements are combined along some axes.
* `Scatter`: a copy of an array, parts of which are then overwritten or added to.
* `KernelCall`: a routine over whole arrays (a factorisation, a solve);
* `Loop`: a graph of its own, run step after step;
* `Hosted`: no loops at all: Python runs it between the compiled parts of the graph (`staged`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from probgraph.engine import loops
from probgraph.engine.config import config
from probgraph.engine.graph import Apply, Constant, FunctionGraph, Variable, tensor_constant
from probgraph.engine.test_values import compute_test_value
from probgraph.engine.types import TensorType, Type, literal_dtype

if TYPE_CHECKING:
    from probgraph.engine.loops import Expr, Kernel, ScalarFunction


class Op:
    """An operation on variables."""

    __props__: tuple[str, ...] = ()

    def _identity(self) -> tuple[Any, ...]:
        return (type(self), *(getattr(self, name) for name in self.__props__))

    def __eq__(self, other: object) -> bool:
        # Most that are unequal have unequal hashes, which are kept.
        return self is other or (
            type(self) is type(other) and hash(self) == hash(other) and self._identity() == other._identity()
        )

    def __hash__(self) -> int:
        try:
            return self._hash
        except AttributeError:
            self._hash = hash(self._identity())
            return self._hash

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k != "_hash"}  # hashes differ between processes

    def __str__(self) -> str:
        name = type(self).__name__
        props = ", ".join(f"{p}={getattr(self, p)}" for p in self.__props__)
        return f"{name}{{{props}}}" if props else name

    __repr__ = __str__

    # What an op says of itself ------------------------------------------------------------------------

    def infer_type(self, *inputs: Variable) -> Sequence[Type]:
        """The types of the results; TypeError or ValueError with names and types if the inputs do not fit."""
        raise NotImplementedError(f"{self} has no type rule")

    def numpy(self, *arrays: Any) -> Any:
        """What it means: one array, or a tuple of them if there are several results."""
        raise NotImplementedError(f"{self} has no NumPy meaning")

    def evaluate(self, node: Apply, arrays: Sequence[Any]) -> Any:
        """`numpy`, for ops to whom it matters what was announced of their results."""
        return self.numpy(*arrays)

    def check_lengths(self, node: Apply, arrays: Sequence[Any]) -> None:
        """ValueError for lengths that NumPy would take but the node's types do not allow."""

    def vjp(
        self, cotangents: Sequence[Variable], outputs: Sequence[Variable], inputs: Sequence[Variable]
    ) -> Sequence[Variable | None]:
        """What flows back to each input; None where the result does not depend on it at all."""
        raise NotImplementedError(f"{self} has no gradient")

    def batched(self, node: Apply, inputs: Sequence[Variable]) -> Sequence[Variable] | None:
        """The results of `node` on inputs some of which have one axis more, in front: a batch.

        Those are the ones of a higher rank than the node's own; so it is with the results. None says that the op
        knows no way: it is then applied to each element of the batch in turn.
        """
        return None

    # Applying it --------------------------------------------------------------------------------------

    def prepare(self, inputs: Sequence[Any]) -> Sequence[Variable]:
        return as_variables(inputs)

    def __call__(self, *inputs: Any, name: str | None = None) -> Any:
        variables = self.prepare(inputs)
        node = Apply(self, variables, self.infer_type(*variables))
        if config.compute_test_value != "off":
            compute_test_value(node)
        if len(node.outputs) > 1:
            return list(node.outputs)
        node.outputs[0].name = name
        return node.outputs[0]

    # Becoming loops -----------------------------------------------------------------------------------

    def shapes(self, reader: LengthReader, node: Apply) -> Sequence[tuple[Expr, ...]]:
        """The lengths of each result as integer expressions of the inputs' lengths."""
        raise NotImplementedError(f"{self} cannot be lowered to loops")


class LengthReader(Protocol):
    """What an op may ask while it states the lengths of its results."""

    def lengths(self, v: Variable) -> tuple[Expr, ...]: ...

    def integer(self, v: Variable) -> Expr:
        """The value of a 0-d integer variable."""
        ...

    def unify(self, who: Apply, a: Expr, b: Expr) -> Expr:
        """States that two lengths agree (checked at the call) and returns the one to use."""
        ...

    def require(self, condition: Expr, exception: type[Exception], message: str, *values: Expr) -> None: ...


class ValueReader(LengthReader, Protocol):
    """What an op may ask while it states the elements of its results."""

    def value(self, v: Variable, index: tuple[Expr, ...]) -> Expr:
        """One element of a variable."""
        ...

    def flat(self, v: Variable, offset: Expr) -> Expr:
        """One element of a variable that lies in memory, counted row by row."""
        ...

    def compute(self, function: ScalarFunction, args: tuple[Expr, ...], dtype: str) -> Expr: ...

    def convert(self, e: Expr, dtype: str) -> Expr: ...

    def literal(self, value: Any, dtype: str) -> Expr: ...


class Pointwise(Op):
    """Each element of the result is a formula of elements of the inputs."""

    #: positions of inputs that are read at computed places and so must lie in memory
    stored: tuple[int, ...] = ()
    #: how much work an element is, an addition being 1
    cost: int = 0

    def element(self, reader: ValueReader, node: Apply, index: tuple[Expr, ...]) -> Expr:
        raise NotImplementedError(f"{self} cannot be lowered to loops")


class Reduction(Op):
    """Elements combined along axes. The result's axes come first in an element's index."""

    def combination(self, node: Apply) -> tuple[ScalarFunction, Any, str]:
        """The function that combines two, the value of none at all, and the dtype to accumulate in."""
        raise NotImplementedError

    def reduced(self, reader: LengthReader, node: Apply) -> tuple[Expr, ...]:
        """The lengths of the axes that are summed over."""
        raise NotImplementedError

    def term(self, reader: ValueReader, node: Apply, index: tuple[Expr, ...], over: tuple[Expr, ...]) -> Expr:
        """The element to combine into result `index` at `over` of the reduced axes."""
        raise NotImplementedError


@dataclass(frozen=True)
class Region:
    """A part of an array that a Scatter writes: `lengths` of the loops, then where and what for each round.

    `function` combines with what is there; None overwrites.
    """

    lengths: tuple[Expr, ...]
    place: Any  # (reader, round: tuple[Expr, ...]) -> index in the array
    what: Any  # (reader, round) -> Expr
    function: ScalarFunction | None


class Scatter(Op):
    """An array written region by region, in order."""

    #: whether the array begins as a copy of the first input (and not from the regions alone)
    base: bool = True

    def regions(self, reader: LengthReader, node: Apply) -> Sequence[Region]:
        raise NotImplementedError


class Loop(Op):
    """A step run again and again, handing its results to the next: a scan.

    `graph` is one step. Its inputs are an element of each sequence, then for each state and each of its `taps`
    (how many steps back: ascending, e.g. (1, 2)) the state's value then, then what is fixed. Its outputs are
    the new value of each state, then whatever else is collected, then, with `until`, a boolean scalar: the
    step in which it is true is the last one.

    A node's inputs are the number of steps (an int64 scalar), the sequences (at least so long along axis 0),
    each state's past (as many as its last tap, oldest first, along axis 0), and what is fixed. Its outputs are
    the values of each state after each step, then what is collected: all of shape (steps, ...).
    """

    graph: FunctionGraph
    sequences: int
    taps: tuple[tuple[int, ...], ...]
    until: bool = False

    def repeated(self, run: Callable[[Sequence[Any]], Sequence[Any]], arrays: Sequence[Any]) -> Any:
        """What the loop means, given a node's inputs as arrays and any way to run a step."""
        raise NotImplementedError(f"{self} has a step that only it can run")

    def rebuilt_inner(self, graph: FunctionGraph) -> Loop:
        """The same loop with another graph for its step, whose inputs and outputs mean what they did."""
        raise NotImplementedError(f"{self} keeps its step as it is")


class Hosted(Op):
    """What Python runs: drawing at random, choosing a branch."""


class Choice(Hosted):
    """Reads its first input, and then only those of the others that this one's value asks for."""

    def wanted(self, first: Any) -> Sequence[int]:
        """The places of the other inputs that are read; for the rest `numpy` is given None."""
        raise NotImplementedError


class KernelCall(Op):
    """A routine over whole arrays in memory, or over a part of them for each index of the leading axes.

    Its arguments are the inputs, then the outputs, then the integers.
    """

    def ranks(self, node: Apply) -> tuple[int, ...]:
        """How many of its last axes one call takes of each input and then of each output.

        The axes before those are looped over: the outputs have all of them, the inputs broadcast.
        """
        return tuple(v.ndim for v in (*node.inputs, *node.outputs))

    def kernel(
        self, reader: LengthReader, node: Apply
    ) -> tuple[Kernel, tuple[Expr, ...], type[Exception], str]:
        """The routine, its integer arguments, and the exception and message that its failure means."""
        raise NotImplementedError


# ------------------------------------------------------------------------------------ making variables


class AsTensorError(TypeError):
    """Something that no variable can stand for."""


def as_variable(
    x: Any, name: str | None = None, ndim: int | None = None, dtype: str | None = None
) -> Variable:
    """`x` as a variable: a variable as it is, a number or an array as a constant, a list with variables in it stacked.

    >>> as_variable(2.0).dtype
    'float64'
    """
    if isinstance(x, Variable):
        variable = x
    elif isinstance(x, Apply):
        if len(x.outputs) != 1:
            raise ValueError(
                f"{x.op} has {len(x.outputs)} results: name the one you mean, e.g. node.outputs[0]"
            )
        variable = x.outputs[0]
    elif isinstance(x, (bool, int, float, complex)) and not isinstance(x, np.generic):
        variable = literal(x, dtype or literal_dtype(x), name)
    elif hasattr(x, "_as_TensorVariable"):  # Theano's protocol for what can stand in a graph
        variable = x._as_TensorVariable()
    elif isinstance(x, list | tuple) and holds_variables(x):
        variable = Variable.stacked([as_variable(item) for item in x])
    else:
        variable = _array_constant(x, dtype, name)
    if dtype is not None and variable.dtype != dtype:
        raise TypeError(f"{variable} is {variable.dtype}, {dtype} was asked for: use cast")
    if ndim is not None and variable.ndim != ndim:
        raise ValueError(f"{variable} has {variable.ndim} dimensions, {ndim} were asked for")
    return variable


def holds_variables(x: Sequence[Any]) -> bool:
    """Whether a variable is somewhere in a list of lists."""
    stack = list(x)
    while stack:
        item = stack.pop()
        if isinstance(item, Variable):
            return True
        if isinstance(item, list | tuple):
            stack.extend(item)
    return False


def literal(x: bool | int | float | complex, dtype: str, name: str | None = None) -> Constant:
    """A Python number as a constant of a dtype; remembered as written, for printing."""
    array = np.asarray(x).astype(dtype)
    if isinstance(x, float) and config.floatX == "float32" and abs(x) < 3e38:
        array = np.asarray(x, "float32").astype(dtype)  # as in Theano: the precision that was asked for
    written = x if isinstance(x, int) and not isinstance(x, bool) else None
    return Constant(TensorType(dtype, ()), array, name, written)


def _array_constant(x: Any, dtype: str | None, name: str | None) -> Constant:
    if hasattr(x, "to_numpy"):
        x = x.to_numpy()
    if isinstance(x, list | tuple) and not isinstance(x, np.ndarray):
        flat = np.asarray(x)
        if flat.dtype.kind == "f":
            dtype = dtype or literal_dtype(1.0)
    array = np.asarray(x)
    if array.dtype == object or array.dtype.kind not in "biufc":
        raise AsTensorError(f"Cannot convert {x!r:.80} (of type {type(x).__name__}) to a tensor variable")
    if array.dtype.name not in ("float16", "longdouble"):
        return tensor_constant(array, dtype, name)
    return tensor_constant(array, dtype or ("float32" if array.dtype == np.float16 else "float64"), name)


def as_variables(inputs: Sequence[Any]) -> list[Variable]:
    """Operands as variables; Python numbers take the dtype of what they meet."""
    if all(isinstance(v, Variable) for v in inputs):
        return list(inputs)
    weak = (bool, int, float, complex)
    others = [v if isinstance(v, Variable) else None for v in inputs]
    for i, x in enumerate(inputs):
        if others[i] is None and (isinstance(x, np.generic) or not isinstance(x, weak)):
            others[i] = as_variable(x)
    dtypes = [v.dtype for v in others if v is not None and isinstance(v.type, TensorType)]
    return [
        literal(x, literal_dtype(x, dtypes)) if v is None else v for x, v in zip(inputs, others, strict=True)
    ]


def same_lengths(
    reader: LengthReader, node: Apply, rank: int, variables: Sequence[Variable]
) -> tuple[Expr, ...]:
    """The lengths of an elementwise result over `variables`, unified where they must agree."""
    lengths: list[Expr] = []
    for axis in range(-rank, 0):
        result: Expr = loops.ONE
        for v in variables:
            if v.ndim < -axis or v.type.shape[axis] == 1:
                continue
            mine = reader.lengths(v)[axis]
            result = mine if result == loops.ONE else reader.unify(node, result, mine)
        lengths.append(result)
    return tuple(lengths)


def behind_batch(new: Variable, old: Variable, rank: int) -> Variable:
    """An operand of an op that broadcasts to `rank`, ready for it: if it has a batch, `old` has not, and the axes
    by which `old` would be stretched stand between."""
    if new.ndim == old.ndim:
        return new
    return new.dimshuffle((0, *("x",) * (rank - old.ndim), *range(1, new.ndim)))


def broadcast_index(v: Variable, index: tuple[Expr, ...]) -> tuple[Expr, ...]:
    """Where in `v` the element lies that meets `index` of the broadcast result."""
    mine = index[len(index) - v.ndim :]
    return tuple(loops.ZERO if n == 1 else i for n, i in zip(v.type.shape, mine, strict=True))
