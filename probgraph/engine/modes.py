"""Modes: which rewrites a function's graph goes through, and what runs it.

"FAST_RUN" rewrites in full and compiles to C. "FAST_COMPILE" folds constants, leaves the graph readable and
runs it in NumPy. "DebugMode" runs both and compares. A `Mode` value is any other pairing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from probgraph.engine.config import config
from probgraph.engine.debug_mode import debug_run
from probgraph.engine.execute import Executable, Run, c_or_numpy, numpy_run, rewritten
from probgraph.engine.graph import FunctionGraph
from probgraph.engine.monitor import Watch, watched_run
from probgraph.engine.nan_guard import Guard
from probgraph.engine.rewrite import Pass
from probgraph.engine.rules import FAST_COMPILE, FAST_RUN, WITHOUT_ASSERTIONS

_LINKERS = {"c": "c", "cvm": "c", "c|py": "c", "vm": "c", "py": "py", "numpy": "py", "debug": "debug"}
_OPTIMIZERS: dict[str, Sequence[Pass]] = {
    "None": [],
    "merge": [],
    "fast_compile": FAST_COMPILE,
    "o1": FAST_COMPILE,
    "fast_run": FAST_RUN,
    "o2": FAST_RUN,
    "o3": FAST_RUN,
    "o4": FAST_RUN,
}


class Mode:
    """What runs a graph (`linker`: "c", "py" or "debug") and what rewrites it first (`optimizer`).

    Optimizers are "fast_run", "fast_compile", None (equal expressions are still computed once), or a list of
    passes; `passes` is that list. Theano's other names are understood ("cvm", "c|py", "vm"; "o1" to "o4",
    "merge"). ValueError for others.

    >>> Mode(linker="py", optimizer="fast_run")
    Mode(linker='py', optimizer='fast_run')
    """

    def __init__(self, linker: str | None = "c", optimizer: str | Sequence[Pass] | None = "fast_run") -> None:
        name = "c" if linker is None else str(linker).removesuffix("_nogc")
        if name not in _LINKERS:
            raise ValueError(f"Mode: linker is one of {', '.join(_LINKERS)}; got {linker!r}")
        self.linker = _LINKERS[name]
        if optimizer is None or optimizer in ("None", "merge"):
            self.optimizer, self.passes = None, ()
        elif not isinstance(optimizer, str):
            self.passes = tuple(optimizer)
            self.optimizer = self.passes
        elif optimizer in _OPTIMIZERS:
            self.optimizer, self.passes = optimizer, tuple(_OPTIMIZERS[optimizer])
        else:
            raise ValueError(
                f"Mode: optimizer is one of {', '.join(_OPTIMIZERS)}, or a list of passes; got {optimizer!r}"
            )

    def excluding(self, *names: str) -> Mode:
        """This mode without some passes or rules, named as `f.explain()` shows them (ValueError if none is so named).

        >>> [p.name for p in Mode().excluding("stabilize").passes]
        ['simplify']
        """
        unknown = set(names)
        passes: list[Pass] = []
        for each in self.passes:
            unknown -= {each.name, *map(str, each.rules)}
            if each.name not in names:
                passes.append(Pass(each.name, [rule for rule in each.rules if str(rule) not in names]))
        if unknown:
            raise ValueError(
                f"excluding: this mode has no pass or rule {', '.join(map(repr, sorted(unknown)))}"
            )
        return self._with_passes(passes)

    def including(self, *names: str | Pass) -> Mode:
        """This mode and more: passes by name, in the order they have in "fast_run", or passes of your own, last.

        ValueError for names of no pass.

        >>> [p.name for p in Mode(optimizer=None).including("stabilize").passes]
        ['stabilize']
        """
        known = {each.name: each for each in (*FAST_COMPILE, *FAST_RUN, *WITHOUT_ASSERTIONS)}
        unknown = [name for name in names if isinstance(name, str) and name not in known]
        if unknown:
            raise ValueError(
                f"including: there is no pass {', '.join(map(repr, unknown))}; there are {list(known)}"
            )
        there = {each.name for each in self.passes}
        wanted = there | {name for name in names if isinstance(name, str)}
        mine = {each.name: each for each in self.passes}
        passes = [mine.get(name, each) for name, each in known.items() if name in wanted]
        passes += [each for each in self.passes if each.name not in known]
        return self._with_passes([*passes, *(each for each in names if isinstance(each, Pass))])

    def requiring(self, *names: str) -> Mode:
        """This mode with those of its passes that are named, and no others (ValueError if it has none so named).

        >>> [p.name for p in Mode().requiring("simplify").passes]
        ['simplify']
        """
        unknown = set(names) - {each.name for each in self.passes}
        if unknown:
            raise ValueError(f"requiring: this mode has no pass {', '.join(map(repr, sorted(unknown)))}")
        return self._with_passes([each for each in self.passes if each.name in names])

    def _with_passes(self, passes: Sequence[Pass]) -> Mode:
        return Mode(self.linker, passes)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mode) or type(self) is not type(other):
            return False
        return (self.linker, self.optimizer) == (other.linker, other.optimizer)

    def __hash__(self) -> int:
        return hash((Mode, self.linker, self.optimizer))

    def __reduce__(self) -> tuple[type[Mode], tuple[Any, Any]]:
        return Mode, (self.linker, self.optimizer)  # the passes of a name are found anew

    def __repr__(self) -> str:
        named = self.optimizer is None or isinstance(self.optimizer, str)
        optimizer = repr(self.optimizer) if named else f"[{', '.join(each.name for each in self.passes)}]"
        return f"Mode(linker={self.linker!r}, optimizer={optimizer})"

    def make(self, graph: FunctionGraph) -> Executable:
        """The graph, rewritten, as something that runs."""
        final, stages = rewritten(graph, self.passes)
        compiled = None
        match self.linker:
            case "py":
                run, backend = numpy_run(final), "NumPy"
            case "debug":
                fast, backend, compiled = c_or_numpy(final)
                run = debug_run(final, stages, fast, backend)
            case _:
                run, backend, compiled = c_or_numpy(final)
        return Executable(final, run, backend, stages, compiled)


class MonitorMode(Mode):
    """Runs the graph in NumPy, op by op, and calls functions of yours around each op.

    `pre_func(i, node, fn)` is called before and `post_func(i, node, fn)` after the op: `i` is its place in
    `f.maker.fgraph.toposort()`, `node` its Apply, and `fn.inputs` and `fn.outputs` are lists of cells, so that
    `fn.outputs[0][0]` is the first result. What they raise ends the call. Cost: a few microseconds an op.

    >>> from probgraph.engine.monitor import detect_nan
    >>> MonitorMode(post_func=detect_nan).linker
    'py'
    """

    def __init__(
        self,
        pre_func: Watch | None = None,
        post_func: Watch | None = None,
        optimizer: str | Sequence[Pass] | None = "fast_run",
        linker: str | None = None,
    ) -> None:
        if linker is not None and Mode(linker).linker != "py":
            raise ValueError(f"MonitorMode: only NumPy ('py') runs op by op, got linker {linker!r}")
        super().__init__("py", optimizer)
        self.pre_func, self.post_func = pre_func, post_func

    def _watches(self) -> tuple[Any, ...]:
        return self.pre_func, self.post_func

    def _with_passes(self, passes: Sequence[Pass]) -> Mode:
        return type(self)(*self._watches(), passes)

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) and type(self) is type(other) and self._watches() == other._watches()  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash((super().__hash__(), *self._watches()))

    def __reduce__(self) -> tuple[type[Mode], tuple[Any, ...]]:
        return type(self), (*self._watches(), self.optimizer)

    def _run(self, graph: FunctionGraph) -> Run:
        return watched_run(graph, self.pre_func, self.post_func)

    def make(self, graph: FunctionGraph) -> Executable:
        final, stages = rewritten(graph, self.passes)
        return Executable(final, self._run(final), f"NumPy, under {type(self).__name__}", stages)


class NanGuardMode(MonitorMode):
    """Runs the graph in NumPy and raises AssertionError at the first nan, inf or number beyond 1e10 in size.

    The inputs are looked at, and every op's results; the error shows the op, the values it was given and the
    line that made it. Each of the three can be switched off.

    >>> NanGuardMode(nan_is_error=True, inf_is_error=True, big_is_error=False).linker
    'py'
    """

    def __init__(
        self,
        nan_is_error: bool = True,
        inf_is_error: bool = True,
        big_is_error: bool = True,
        optimizer: str | Sequence[Pass] | None = "fast_run",
        linker: str | None = None,
    ) -> None:
        super().__init__(optimizer=optimizer, linker=linker)
        self.guard = Guard(bool(nan_is_error), bool(inf_is_error), bool(big_is_error))

    def _watches(self) -> tuple[Any, ...]:
        return self.guard.nan, self.guard.inf, self.guard.big

    def _run(self, graph: FunctionGraph) -> Run:
        return self.guard.run(graph)


predefined: dict[str, Mode] = {
    "FAST_RUN": Mode("c", "fast_run"),
    "FAST_COMPILE": Mode("py", "fast_compile"),
    "DebugMode": Mode("debug", "fast_run"),
    "DEBUG_MODE": Mode("debug", "fast_run"),
    "NanGuardMode": NanGuardMode(),
}


def get_mode(mode: Mode | str | None = None) -> Mode:
    """The mode of that name; None means `config.mode`. ValueError if there is none.

    "Mode", and the default, are what `config.linker` and `config.optimizer` say.
    """
    if isinstance(mode, Mode):
        return mode
    name = config.mode if mode is None else mode
    if name == "Mode" or (mode is None and name == "FAST_RUN"):
        settings = config.linker, config.optimizer
        return predefined["FAST_RUN"] if settings == ("c", "fast_run") else Mode(*settings)
    if not isinstance(name, str):
        raise TypeError(f"mode is a Mode or the name of one, got {mode!r}")
    if name not in predefined:
        raise ValueError(
            f"No predefined mode exist for string: {name}. There are {', '.join(predefined)}, and Mode values"
        )
    return predefined[name]


def get_default_mode() -> Mode:
    """The mode of functions made without one."""
    return get_mode(None)


def register_mode(name: str, mode: Mode) -> None:
    """Makes a mode known by a name. ValueError if the name is taken."""
    if name in predefined:
        raise ValueError(f"Mode name already taken: {name}")
    predefined[name] = mode


def register_linker(name: str, linker: str) -> None:
    """Makes one of the linkers known by another name. ValueError if the name is taken, or there is no such linker."""
    if name in _LINKERS:
        raise ValueError(f"Linker name already taken: {name}")
    _LINKERS[name] = Mode(linker).linker


def register_optimizer(name: str, passes: Sequence[Pass]) -> None:
    """Makes a list of passes known by a name. ValueError if the name is taken."""
    if name in _OPTIMIZERS:
        raise ValueError(f"Optimizer name already taken: {name}")
    _OPTIMIZERS[name] = tuple(passes)


def DebugMode() -> Mode:
    """The mode that runs everything both ways and compares."""
    return Mode("debug", "fast_run")
