"""Modes: which rewrites a function's graph goes through, and what runs it.

"FAST_RUN" rewrites in full and compiles to C. "FAST_COMPILE" folds constants, leaves the graph readable and
runs it in NumPy. "DebugMode" runs both and compares. A `Mode` value is any other pairing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from probgraph.engine.config import config
from probgraph.engine.debug_mode import debug_run
from probgraph.engine.execute import Executable, c_or_numpy, numpy_run, rewritten
from probgraph.engine.graph import FunctionGraph
from probgraph.engine.rewrite import Pass
from probgraph.engine.rules import FAST_COMPILE, FAST_RUN

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
        return Mode(self.linker, passes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mode) and (self.linker, self.optimizer) == (other.linker, other.optimizer)

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


predefined: dict[str, Mode] = {
    "FAST_RUN": Mode("c", "fast_run"),
    "FAST_COMPILE": Mode("py", "fast_compile"),
    "DebugMode": Mode("debug", "fast_run"),
    "DEBUG_MODE": Mode("debug", "fast_run"),
}


def get_mode(mode: Mode | str | None = None) -> Mode:
    """The mode of that name; None means `config.mode`. ValueError if there is none."""
    if isinstance(mode, Mode):
        return mode
    name = config.mode if mode is None else mode
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


def DebugMode() -> Mode:
    """The mode that runs everything both ways and compares."""
    return Mode("debug", "fast_run")
