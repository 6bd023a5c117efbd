"""`Function`: a compiled graph as something to call, to look into, to copy and to pickle.

The call is the hot path of every gradient-descent loop, so all that can be decided beforehand is: what is called
often is a list of checks, a list of containers to read, the run, and a list of containers to write.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from probgraph.engine.closing import ClosedGraph
from probgraph.engine.config import config
from probgraph.engine.execute import Executable, Run
from probgraph.engine.explain import Explanation, explanation
from probgraph.engine.graph import FunctionGraph, Variable
from probgraph.engine.inputs import Check, In, argument_check
from probgraph.engine.modes import Mode
from probgraph.engine.pictures import notebook_html
from probgraph.engine.printing import debugprint
from probgraph.engine.profile import Profile
from probgraph.engine.shared import Container, SharedVariable


@dataclass(frozen=True)
class Layout:
    """How results are handed over: alone, as a list, or under keys."""

    count: int
    alone: bool = False
    keys: tuple[str, ...] | None = None

    def arrange(self, results: list[np.ndarray], subset: Sequence[Any] | None) -> Any:
        if self.keys is not None:
            wanted = self.keys if subset is None else subset
            return {key: results[self.keys.index(key)] for key in wanted}
        if subset is not None:
            results = [results[i] for i in subset]
        return results[0] if self.alone else results


@dataclass(frozen=True)
class Maker:
    """What a function was made of: its inputs and mode, and `fgraph`, the graph after the rewrites."""

    inputs: list[In]
    closed: ClosedGraph
    mode: Mode
    executable: Executable

    @property
    def fgraph(self) -> FunctionGraph:
        return self.executable.graph

    @property
    def outputs(self) -> list[Variable]:
        return self.executable.graph.outputs


class Function:
    """A compiled graph. Made by `function`.

    `f(...)` takes positional arguments and keywords (the inputs' names), and `output_subset`, a list of the
    indices (or keys) of the outputs wanted. `f[x]` reads and sets the stored value of an input with a default,
    or of a shared variable, by variable, name or index; so do `f.value[x]` and `f.container[x].value`.
    `trust_input = True` skips all checks of the arguments, which then must be arrays of the right dtype and rank.
    """

    def __init__(
        self,
        inputs: list[In],
        closed: ClosedGraph,
        layout: Layout,
        mode: Mode,
        name: str,
        profile: bool | str | Profile | None = None,
        executable: Executable | None = None,
    ) -> None:
        self.name = name
        self.maker = Maker(inputs, closed, mode, executable or mode.make(closed.graph))
        self.profile = Profile.of(profile, name)
        self._layout = layout
        self._inputs = inputs
        self._arity = len(inputs)
        self._exact = [argument_check(given, index, name) for index, given in enumerate(inputs)]
        self._trust = False
        self._connect(closed)

    def _connect(self, closed: ClosedGraph) -> None:
        """Everything a call needs, worked out once."""
        executable = self.maker.executable
        run = executable.run if self.profile is None else self.profile.timed_by_part(executable)
        wanted = self._layout.count + len(closed.updated)
        if wanted < len(closed.graph.outputs):  # a copy without updates
            run = _first_of(run, wanted)
        self._run = run if self.profile is None else self.profile.timed(run)
        self._checks: list[Check] = self._exact
        self._count = self._layout.count
        self._alone = self._layout.alone
        self._containers = [v.container for v in closed.shared]
        self.input_storage = [
            _storage(given, check) for given, check in zip(self._inputs, self._exact, strict=True)
        ]
        self._required = [given.value is None for given in self._inputs]
        self._restored = [
            (storage, storage.value)
            for given, storage in zip(self._inputs, self.input_storage, strict=True)
            if given.value is not None and given.update is None and not _is_place(given.value)
        ]
        places = {
            given.variable: storage for given, storage in zip(self._inputs, self.input_storage, strict=True)
        }
        places.update((v, v.container) for v in closed.shared)
        self._updated = [places[v] if v in places else v.container for v in closed.updated]  # type: ignore[attr-defined]  # noqa: SIM401
        self._elaborate = not all(self._required) or self._layout.keys is not None

    # ------------------------------------------------------------------------------------ calling

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs or len(args) != self._arity or self._elaborate:
            return self._call_elaborately(args, kwargs)
        arrays = [check(value) for check, value in zip(self._checks, args, strict=True)] if args else []
        for container in self._containers:
            arrays.append(container.value)
        try:
            results = self._run(arrays)
        except Exception as error:
            error.add_note(self._failing_call(arrays))
            raise
        if self._updated:
            count = self._count
            for container, value in zip(self._updated, results[count:], strict=True):
                container.value = value
            del results[count:]
        return results[0] if self._alone else results

    def _call_elaborately(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A call with keywords, defaults, states or a wrong number of arguments."""
        subset = kwargs.pop("output_subset", None)
        arrays = self._arguments(args, kwargs)
        arrays.extend(container.value for container in self._containers)
        try:
            results = self._run(arrays)
        except Exception as error:
            error.add_note(self._failing_call(arrays))
            raise
        for container, value in zip(self._updated, results[self._count :], strict=True):
            container.value = value
        for container, value in self._restored:
            container.value = value
        return self._layout.arrange(results[: self._count], subset)

    def _arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        if len(args) > self._arity:
            names = ", ".join(str(given.variable) for given in self._inputs)
            raise TypeError(
                f"Too many parameter passed to probgraph function {self.name}: it has {self._arity} inputs ({names}),"
                f" {len(args)} were given"
            )
        given: dict[int, Any] = dict(enumerate(args))
        for key, value in kwargs.items():
            index = self._input_index(key)
            if index in given:
                raise TypeError(f"Multiple values for input: {key}")
            given[index] = value
        arrays: list[Any] = []
        for index, storage in enumerate(self.input_storage):
            if index in given:
                arrays.append(self._checks[index](given[index]))
            elif self._required[index]:
                raise TypeError(f"Missing required input: {self._inputs[index].variable}")
            else:
                arrays.append(storage.value)
        return arrays

    @property
    def fn(self) -> Callable[[Sequence[Any]], list[Any]]:
        """What runs in a call, after the checks: from one array for each input and shared variable to the results."""
        return self._run

    def free(self) -> None:
        """Theano's wish for the memory of intermediate values; here it belongs to the function as long as that lives."""

    def dprint(self, **options: Any) -> Any:
        """Prints the graph that runs; see `debugprint`."""
        return debugprint(self, **options)

    def _failing_call(self, arrays: Sequence[Any]) -> str:
        """What an error in a run says of the call: the function, what it was given, what to try next."""
        executable = self.maker.executable
        given = [
            f"{v}: {getattr(a, 'dtype', type(a).__name__)} of shape {np.shape(a)}"
            for v, a in zip(executable.graph.inputs, arrays, strict=True)
        ]
        lines = [f"In the function {self.name}, which was given {'; '.join(given) or 'nothing'}"]
        if executable.backend.startswith("C"):
            lines.append(
                "Hint: with mode='FAST_COMPILE' the graph runs in NumPy, op by op, and the error shows the shapes and"
                " values that the failing op was given"
            )
        else:
            lines.append("Hint: f.explain() shows the graph that ran, and how it came to be")
        if config.exception_verbosity == "high":
            graph = debugprint(executable.graph, print_type=True, file="str", limit=10_000)
            lines.append(f"The graph:\n{graph}")
        else:
            lines.append("Hint: config.exception_verbosity = 'high' prints the graph here")
        return "\n".join(lines)

    # ------------------------------------------------------------------------------------ finding inputs

    def _input_index(self, key: Any) -> int:
        """The place of an explicit input, from its name or variable; TypeError if there is none or several."""
        found = [i for i, given in enumerate(self._inputs) if given.name == key or given.variable is key]
        if len(found) == 1:
            return found[0]
        if found:
            raise TypeError(
                f"Ambiguous name: {key} - please check the names of the inputs of your function for duplicates."
            )
        if any(v.name == key for v in self.maker.closed.shared):
            raise TypeError(f"Tried to provide value for implicit input: {key}. Use set_value, or givens")
        raise TypeError(self._unknown(key))

    def _unknown(self, key: Any) -> str:
        names = [given.name for given in self._inputs] + [v.name for v in self.maker.closed.shared]
        named = [name for name in names if name is not None]
        unnamed = len(names) - len(named)
        text = (
            f"Unknown input or state: {key}. The function has {len(named)} named input{'s' * (len(named) != 1)}"
            f" ({', '.join(named)})"
        )
        if unnamed:
            text += (
                f", and {unnamed} unnamed input{'s' * (unnamed != 1)} which thus cannot be accessed through keyword"
                f" argument (use 'name=...' in a variable's constructor to give it a name)"
            )
        return text + "."

    def _place(self, key: Any) -> tuple[Container, Check]:
        """The container of an input or shared variable, and what a new value goes through."""
        if isinstance(key, int):
            if key < self._arity:
                return self.input_storage[key], self._exact[key]
            v = self.maker.closed.shared[key - self._arity]
            return v.container, v.type.filter
        for v in self.maker.closed.shared:
            if v is key or (v.name is not None and v.name == key):
                return v.container, v.type.filter
        index = self._input_index(key)
        return self.input_storage[index], self._exact[index]

    def __getitem__(self, key: Any) -> Any:
        return self._place(key)[0].value

    def __setitem__(self, key: Any, value: Any) -> None:
        container, check = self._place(key)
        container.value = check(value)

    @property
    def value(self) -> Function:
        """The stored values, to read and to set: `f.value[x]`."""
        return self

    @property
    def container(self) -> Containers:
        """The places of the stored values: `f.container[x].value`."""
        return Containers(self)

    def __contains__(self, key: Any) -> bool:
        try:
            self._place(key)
        except (TypeError, IndexError):
            return False
        return True

    def __iter__(self) -> Iterator[Any]:
        raise TypeError(f"{self!r} is not iterable: call it")

    # ------------------------------------------------------------------------------------ the whole

    @property
    def trust_input(self) -> bool:
        return self._trust

    @trust_input.setter
    def trust_input(self, trust: bool) -> None:
        self._trust = bool(trust)
        self._checks = [_trusted] * self._arity if trust else self._exact

    def get_shared(self) -> list[SharedVariable]:
        """The shared variables that this function reads or updates."""
        updated = [v for v in self.maker.closed.updated if isinstance(v, SharedVariable)]
        return list(dict.fromkeys([*self.maker.closed.shared, *updated]))

    def explain(self) -> Explanation:
        """How this function came to be: the graph after each pass with the rules that fired, the loops, the C."""
        return explanation(self.name, repr(self.maker.mode), self.maker.executable)

    def copy(
        self,
        share_memory: bool = False,
        swap: Mapping[Any, SharedVariable] | None = None,
        delete_updates: bool = False,
        name: str | None = None,
        profile: bool | str | Profile | None = None,
    ) -> Function:
        """This function with other shared variables, or without its updates; nothing is compiled again.

        `swap` maps shared variables of this function (or their names) to others of the same type (TypeError
        otherwise). As in Theano the copy returns a list even for one output. `share_memory` has no effect: calls
        share no memory that could matter.
        """
        closed = self.maker.closed
        swapped = {self._shared_by(old): new for old, new in (swap or {}).items()}
        for old, new in swapped.items():
            if not isinstance(new, SharedVariable) or new.type != old.type:
                raise TypeError(
                    f"copy: {old} is a {old.type}, so it can be swapped for a shared variable of that type only, not"
                    f" for {new} ({getattr(new, 'type', type(new))})"
                )
        shared = [swapped.get(v, v) for v in closed.shared]
        updated = [] if delete_updates else [swapped.get(v, v) for v in closed.updated]  # type: ignore[call-overload]
        layout = Layout(self._layout.count, keys=self._layout.keys)
        result = Function(
            [_with_value(given, self[given.variable]) for given in self._inputs],
            ClosedGraph(closed.graph, shared, updated),
            layout,
            self.maker.mode,
            name or self.name,
            profile,
            self.maker.executable,
        )
        result.trust_input = self._trust
        return result

    def _shared_by(self, key: Any) -> SharedVariable:
        for v in self.get_shared():
            if v is key or (v.name is not None and v.name == key):
                return v
        raise ValueError(f"copy: {key} is not a shared variable of {self.name}")

    def __copy__(self) -> Function:
        return self.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        inputs = [_with_value(given, self[given.variable]) for given in self._inputs]
        return _restored, (inputs, self.maker.closed, self._layout, self.maker.mode, self.name)

    def _repr_html_(self) -> str:
        return notebook_html(self)

    def __repr__(self) -> str:
        return (
            f"<probgraph function {self.name} ({', '.join(str(given.variable) for given in self._inputs)})>"
        )


class Containers:
    """The places where a function's inputs and shared variables are stored."""

    def __init__(self, function: Function) -> None:
        self._function = function

    def __getitem__(self, key: Any) -> Container:
        return self._function._place(key)[0]


def _first_of(run: Run, count: int) -> Run:
    return lambda arrays: run(arrays)[:count]


def _trusted(value: Any) -> Any:
    return value


def _is_place(value: Any) -> bool:
    return isinstance(value, SharedVariable | Container)


def _storage(given: In, check: Check) -> Container:
    """Where an input's default is kept: a place of its own, or the shared one it was given."""
    if isinstance(given.value, SharedVariable):
        return given.value.container
    if isinstance(given.value, Container):
        return given.value
    return Container(None if given.value is None else np.array(check(given.value)))


def _with_value(given: In, value: Any) -> In:
    """The input as it is now: a state keeps what it has become."""
    if given.update is None or _is_place(given.value):
        return given
    given = copy.copy(given)
    given.value = value
    return given


def _restored(
    inputs: list[In], closed: ClosedGraph, layout: Layout, mode: Mode, name: str
) -> Callable[..., Any]:
    """A function out of a pickle: its graph is compiled anew, or found in the cache."""
    return Function(inputs, closed, layout, mode, name)
