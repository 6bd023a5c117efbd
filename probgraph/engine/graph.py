"""The graph: variables, constants and applications of operations, none of which ever change.

A `Variable` is a value to come; its `owner` is the `Apply` that computes it, or None for a root. Equality is
identity. Walking is done with explicit stacks: a graph may be a hundred thousand nodes deep. `rebuild` is the
one way to make a graph from a graph; it *interns*, so that equal applications become one node (common
subexpressions are found by construction).
"""

from __future__ import annotations

import contextlib
import gc
import operator
import sys
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence, Set
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from probgraph.engine.types import TensorType, Type

if TYPE_CHECKING:
    from probgraph.engine.op import Op

_PACKAGE = str(Path(__file__).resolve().parent.parent)


class MissingInputError(ValueError):
    """A graph needs the value of a root that it was not given."""


class Tag:
    """A place for whatever users hang on a variable (`x.tag.test_value`)."""


class Variable:
    """A value to come, of a known type.

    Its arithmetic and methods are given to it in `operators`, the floor that knows the ops.
    """

    __slots__ = ("__weakref__", "_tag", "index", "name", "owner", "type")

    def __init__(
        self, type: Type, name: str | None = None, owner: Apply | None = None, index: int = 0
    ) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"a variable's name is a str, got {name!r}")
        self.type = type
        self.name = name
        self.owner = owner
        self.index = index

    @property
    def tag(self) -> Tag:
        try:
            return self._tag
        except AttributeError:
            self._tag = Tag()
            return self._tag

    @property
    def dtype(self) -> str:
        return self.type.dtype

    @property
    def ndim(self) -> int:
        return len(self.type.shape)

    @property
    def broadcastable(self) -> tuple[bool, ...]:
        return self.type.broadcastable

    def clone(self, name: str | None = None) -> Variable:
        """A new root of the same type."""
        return Variable(self.type, name or self.name)

    def get_parents(self) -> list[Apply]:
        return [] if self.owner is None else [self.owner]

    def __str__(self) -> str:
        if self.name is not None:
            return self.name
        if self.owner is None:
            return f"<{self.type}>"
        return f"{self.owner.op}.{self.index}"

    __repr__ = __str__


class Constant(Variable):
    """A value known when the graph is built. `data` is read-only; `literal` is the Python number it came from.

    A number that is `measured` was computed from arrays: programs read it, rather than have it in their text, so that the
    same model of other data is the same program.
    """

    __slots__ = ("_signature", "data", "literal", "measured")

    def __init__(
        self, type: Type, data: Any, name: str | None = None, literal: Any = None, measured: bool = False
    ) -> None:
        super().__init__(type, name)
        if isinstance(data, np.ndarray):
            data = data.view()
            data.flags.writeable = False
        self.data = data
        self.literal = literal
        self.measured = measured
        self._signature: Any = None

    @property
    def value(self) -> Any:
        return self.data

    @property
    def signature(self) -> Any:
        """Equal for constants that are the same value: by content when small, by identity when large.

        The number as the user wrote it counts, so that `2` and `2.0` both still print as written.
        """
        if self._signature is None:
            data = self.data
            content = data.tobytes() if isinstance(data, np.ndarray) and data.nbytes <= 4096 else id(data)
            self._signature = (self.type, content, self.literal, self.measured)
        return self._signature

    def __reduce__(self) -> tuple[Any, ...]:
        # Made anew: read-only again, and without a signature that may hold an address of this process.
        tag = getattr(self, "_tag", None)
        state = (None, {"_tag": tag}) if tag is not None else None
        return Constant, (self.type, self.data, self.name, self.literal, self.measured), state

    def clone(self, name: str | None = None) -> Constant:
        return Constant(self.type, self.data, name or self.name, self.literal, self.measured)

    def __str__(self) -> str:
        return self.name if self.name is not None else f"TensorConstant{{{constant_text(self)}}}"

    __repr__ = __str__


def constant_text(constant: Constant) -> str:
    """A constant's value in a few characters: `2`, `[1 2 3]`, `(3,) of 1.0`, `[ 0  1  2 .. 27 28 29]`."""
    data = constant.data
    if not isinstance(data, np.ndarray):
        return str(data)
    if data.ndim == 0:
        return str(data) if constant.literal is None or constant.dtype == "bool" else str(constant.literal)
    if data.size > 1 and bool(np.all(data == data.flat[0])):
        return f"{data.shape} of {data.flat[0]!s}"
    text = str(data) if data.ndim == 1 else " ".join(str(data).split())
    return text if len(text) <= 20 else f"{text[:10]}..{text[-10:]}"  # as Theano cuts it


class Apply:
    """One application of an operation. `trace` is the user's line that made it.

    The results are told by their types or, in Theano's manner, by variables, whose types and names they get.
    """

    __slots__ = ("inputs", "op", "outputs", "trace")

    def __init__(
        self,
        op: Op,
        inputs: Sequence[Variable],
        types: Sequence[Type | Variable],
        trace: tuple[str, int] | None = None,
    ) -> None:
        self.op = op
        self.inputs = tuple(inputs)
        self.outputs = tuple(
            [
                Variable(told.type, told.name, self, i)
                if isinstance(told, Variable)
                else Variable(told, None, self, i)
                for i, told in enumerate(types)
            ]
        )
        self.trace = trace or _users_line()

    @property
    def out(self) -> Variable:
        return self.outputs[0]

    def rebuilt(self, inputs: Sequence[Variable]) -> Apply:
        """The same operation on other inputs, remembering names and the user's line."""
        types = (
            [v.type for v in self.outputs]
            if all(map(_known_alike, self.inputs, inputs))
            else self.op.infer_type(*inputs)
        )
        node = Apply(self.op, inputs, types, self.trace)
        for old, new in zip(self.outputs, node.outputs, strict=True):
            new.name = old.name
        return node

    def __str__(self) -> str:
        return f"{self.op}({', '.join(map(str, self.inputs))})"

    __repr__ = __str__


def _known_alike(old: Variable, new: Variable) -> bool:
    """Whether an op's type rule sees the same: a type, and the value of a constant."""
    if old is new:
        return True
    if isinstance(old, Constant) or isinstance(new, Constant):
        return isinstance(old, Constant) and isinstance(new, Constant) and old.signature == new.signature
    return old.type == new.type


def _users_line() -> tuple[str, int]:
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


# ---------------------------------------------------------------------------------------------- walking


def _to_look_up(variables: Iterable[Variable]) -> Container[Variable]:
    """As they are, if one can ask at once whether one is among them: many small walks may share large ones."""
    return variables if isinstance(variables, Set | Mapping) else set(variables)


def toposort(outputs: Iterable[Variable], stop: Iterable[Variable] = ()) -> list[Apply]:
    """All applications that `outputs` need, each after what it reads. Nothing behind `stop` is visited."""
    stop = _to_look_up(stop)
    order: list[Apply] = []
    done: set[Apply] = set()
    stack: list[tuple[Apply, bool]] = [
        (v.owner, False) for v in reversed(list(outputs)) if v.owner is not None and v not in stop
    ]
    while stack:
        node, expanded = stack.pop()
        if node in done:
            continue
        if expanded:
            done.add(node)
            order.append(node)
            continue
        stack.append((node, True))
        for v in reversed(node.inputs):
            if v.owner is not None and v.owner not in done and v not in stop:
                stack.append((v.owner, False))
    return order


def ancestors(outputs: Iterable[Variable], stop: Iterable[Variable] = ()) -> Iterator[Variable]:
    """Every variable that `outputs` depend on, themselves included; nothing behind `stop`."""
    stop = _to_look_up(stop)
    seen: set[Variable] = set()
    stack = list(outputs)[::-1]
    while stack:
        v = stack.pop()
        if v in seen:
            continue
        seen.add(v)
        yield v
        if v.owner is not None and v not in stop:
            stack.extend(reversed(v.owner.inputs))


def graph_inputs(outputs: Iterable[Variable], stop: Iterable[Variable] = ()) -> list[Variable]:
    """The roots that `outputs` depend on, constants included, in order of first use."""
    stop = set(stop)
    return [v for v in ancestors(outputs, stop) if v.owner is None or v in stop]


# ---------------------------------------------------------------------------------------------- rebuilding


class Interner:
    """Keeps one node for each (op, inputs) and one constant for each value."""

    def __init__(self) -> None:
        self._nodes: dict[Any, Apply] = {}
        self._constants: dict[Any, Constant] = {}

    def constant(self, constant: Constant) -> Constant:
        return self._constants.setdefault(constant.signature, constant)

    def apply(self, node: Apply, inputs: Sequence[Variable]) -> Apply:
        """The interned twin of `node` on these (interned) inputs."""
        key = (node.op, *map(id, inputs))
        found = self._nodes.get(key)
        if found is None:
            same = all(map(operator.is_, node.inputs, inputs))
            found = node if same else node.rebuilt(inputs)
            self._nodes[key] = found
        return found


def rebuild(
    outputs: Sequence[Variable],
    replace: Mapping[Variable, Variable] | None = None,
    interner: Interner | None = None,
    each: Callable[[Apply], Sequence[Variable] | None] | None = None,
) -> list[Variable]:
    """The graph of `outputs` anew, interned, with `replace` applied and `each` new node passed by.

    `each` may return the variables that stand for a node's outputs instead of them. Nothing of the old graph
    is changed.
    """
    interner = interner or Interner()
    given: Mapping[Variable, Variable] = replace or {}
    new: dict[Variable, Variable] = {}

    def moved(v: Variable) -> Variable:
        found = given.get(v)
        if found is None:
            found = new.get(v)
        if found is not None:
            return found
        return interner.constant(v) if isinstance(v, Constant) else v

    for node in toposort(outputs, stop=given):
        twin = interner.apply(node, [moved(v) for v in node.inputs])
        results = (each(twin) if each is not None else None) or twin.outputs
        new.update(zip(node.outputs, results, strict=True))
    return [moved(v) for v in outputs]


Replacements = Mapping[Variable, Variable] | Iterable[tuple[Variable, Variable]] | None


def clone(
    output: Any,
    replace: Replacements = None,
    strict: bool = True,
    share_inputs: bool = True,
    copy_inputs: bool | None = None,
) -> Any:
    """A copy of the graph of `output` (a variable or a list of them) with some variables replaced.

    Replacements must be of the types of what they replace (TypeError otherwise), unless `strict` is False: then
    the graph takes new types from them. The copy reads the same roots; with share_inputs=False it has roots of its
    own, of the same types and names (shared variables keep their values' place). `copy_inputs` is Theano's older
    name for `share_inputs`.

    >>> x, y = (Variable(TensorType("float64", ()), name) for name in "xy")
    >>> clone(y, replace={y: x})
    x
    """
    pairs = dict(replace or {})
    for old, new in pairs.items():
        if not isinstance(old, Variable) or not isinstance(new, Variable):
            raise TypeError(f"clone replaces variables by variables, got {old!r}: {new!r}")
        if strict and not old.type.accepts(new.type):
            raise TypeError(
                f"Cannot convert Type {new.type} (of Variable {new}) into Type {old.type} (of {old})"
            )
    single = isinstance(output, Variable)
    outputs = [output] if single else list(output)
    if copy_inputs is False or not share_inputs:
        used = rebuild(outputs, pairs)
        own = {v: v.clone() for v in graph_inputs(used) if not isinstance(v, Constant)}
        results = rebuild(used, own)
    else:
        results = rebuild(outputs, pairs)
    return results[0] if single else results


def graph_replace(outputs: Any, replace: Replacements = None, *, strict: bool = True) -> Any:
    """The graph of `outputs` (a variable or a list of them) with some variables replaced, by others of any type
    that the operations which read them take.

    With `strict` a variable that is not part of the graph cannot be replaced (ValueError).
    """
    pairs = dict(replace or {})
    given = [outputs] if isinstance(outputs, Variable) else list(outputs)
    if strict:
        there = set(ancestors(given))
        missing = [str(v) for v in pairs if v not in there]
        if missing:
            raise ValueError(
                f"Some replacements were not used: {', '.join(missing)} is not part of the graph"
            )
    return clone(outputs, pairs, strict=False)


@contextlib.contextmanager
def garbage_kept() -> Iterator[None]:
    """Keeps Python from looking for garbage meanwhile.

    A graph is full of cycles and lives until it is compiled: each search would go through all of it for nothing,
    and searching again and again makes large graphs slower than in proportion.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


class FunctionGraph:
    """Inputs and the outputs computed from them: what the passes hand to each other."""

    def __init__(self, inputs: Sequence[Variable], outputs: Sequence[Variable]) -> None:
        self.inputs = list(inputs)
        self.outputs = list(outputs)

    def __getstate__(self) -> dict[str, Any]:
        # Each node after what it reads: so that pickling goes through a deep graph without recursion.
        return {"inputs": self.inputs, "_order": self._order, "outputs": self.outputs}

    def toposort(self) -> list[Apply]:
        return self._order

    @cached_property
    def _order(self) -> list[Apply]:
        return toposort(self.outputs, stop=self.inputs)

    @property
    def apply_nodes(self) -> set[Apply]:
        return set(self._order)

    @cached_property
    def variables(self) -> set[Variable]:
        return set(ancestors(self.outputs, stop=self.inputs)) | set(self.inputs)

    @cached_property
    def clients(self) -> dict[Variable, list[tuple[Apply | str, int]]]:
        """Who reads each variable: (node, position), or ("output", position)."""
        readers: dict[Variable, list[tuple[Apply | str, int]]] = {v: [] for v in self.variables}
        for node in self._order:
            for position, v in enumerate(node.inputs):
                readers.setdefault(v, []).append((node, position))
        for position, v in enumerate(self.outputs):
            readers.setdefault(v, []).append(("output", position))
        return readers

    def clone(self) -> FunctionGraph:
        """The same graph of inputs of its own."""
        inputs = {v: Variable(v.type, v.name) for v in self.inputs}
        return FunctionGraph(list(inputs.values()), rebuild(self.outputs, inputs))

    def replace(self, old: Variable, new: Variable, reason: str | None = None) -> None:
        """Puts `new` where `old` is read; TypeError if it is of another dtype or rank. `reason` is told to features."""
        self.replace_all([(old, new)], reason)

    def replace_all(self, pairs: Iterable[tuple[Variable, Variable]], reason: str | None = None) -> None:
        """`replace` of several at once: in what stands for one, none of the others is replaced."""
        pairs = list(pairs)
        for old, new in pairs:
            for node, position in self.clients.get(old, ()):
                for feature in self.features:
                    if hasattr(feature, "on_change_input"):
                        feature.on_change_input(self, node, position, old, new, reason)
            if old.dtype != new.dtype or old.ndim != new.ndim:
                raise TypeError(f"{old} is {old.type} and cannot be replaced by {new}, which is {new.type}")
        self.set_outputs(rebuild(self.outputs, dict(pairs)))
        self.check_integrity()

    def set_outputs(self, outputs: Sequence[Variable]) -> None:
        """Makes these the outputs."""
        self.outputs = list(outputs)
        for name in ("_order", "variables", "clients"):
            self.__dict__.pop(name, None)

    @cached_property
    def features(self) -> list[Any]:
        """What is told of changes; see `attach_feature`."""
        return []

    def attach_feature(self, feature: Any) -> None:
        """Has an object's `on_attach(fgraph)` called now, and, before each replacement, for each reader of what is
        replaced its `on_change_input(fgraph, node, position, old, new, reason)`, as far as it has these."""
        if hasattr(feature, "on_attach"):
            feature.on_attach(self)
        self.features.append(feature)

    def remove_feature(self, feature: Any) -> None:
        """Forgets a feature, after its `on_detach(fgraph)`."""
        self.features.remove(feature)
        if hasattr(feature, "on_detach"):
            feature.on_detach(self)

    replace_validate, replace_all_validate = replace, replace_all

    def check_integrity(self) -> None:
        """MissingInputError if the outputs need a root that is neither an input nor a constant."""
        for v in graph_inputs(self.outputs, stop=self.inputs):
            if v not in self.inputs and not isinstance(v, Constant) and not hasattr(v, "container"):
                raise MissingInputError(f"{v} is needed, and is no input of the graph")


def tensor_constant(
    value: Any,
    dtype: str | None = None,
    name: str | None = None,
    literal: Any = None,
    measured: bool = False,
) -> Constant:
    """A constant that owns its value: later changes of the user's array are not seen."""
    array = np.array(value, dtype=dtype, order="C", copy=True)
    return Constant(TensorType(array.dtype, array.shape), array, name, literal, measured)
