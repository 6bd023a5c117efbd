"""The few settings of the engine that cannot be arguments: above all `floatX`.

Set them by assignment (`config.floatX = "float32"`), for a while with `config.change_flags(floatX=...)`
(a context manager and a decorator), or from outside with `PROBGRAPH_FLAGS=floatX=float32,mode=FAST_COMPILE`.

Theano has many more; scripts that set those find them here (`_IGNORED`), where they change nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from probgraph.engine import toolchain

_OPTIONS: dict[str, tuple[str, ...]] = {
    "floatX": ("float64", "float32"),
    "mode": ("FAST_RUN", "FAST_COMPILE", "DebugMode", "NanGuardMode", "Mode", "DEBUG_MODE"),
    "linker": ("c", "cvm", "c|py", "vm", "py", "cvm_nogc", "vm_nogc", "c|py_nogc"),
    "optimizer": ("fast_run", "fast_compile", "None", "merge", "o1", "o2", "o3", "o4"),
    "on_unused_input": ("raise", "warn", "ignore"),
    "compute_test_value": ("off", "ignore", "warn", "raise"),
    "exception_verbosity": ("low", "high"),
}


#: settings of Theano that are taken and kept, and change nothing here, with the values they start from
_IGNORED: dict[str, Any] = {
    "allow_gc": True,
    "assert_no_cpu_op": "ignore",
    "blas.ldflags": "",
    "cmodule.mac_framework_link": False,
    "cmodule.warn_no_version": False,
    "compile.timeout": 120,
    "compile.wait": 5,
    "cycle_detection": "regular",
    "DebugMode.check_c": True,
    "DebugMode.check_py": True,
    "DebugMode.patience": 10,
    "device": "cpu",
    "force_device": False,
    "gcc.cxxflags": "",
    "NanGuardMode.big_is_error": True,
    "NanGuardMode.inf_is_error": True,
    "NanGuardMode.nan_is_error": True,
    "numpy.seterr_all": "ignore",
    "openmp": False,
    "openmp_elemwise_minsize": 200000,
    "optimizer_verbose": False,
    "print_test_value": False,
    "profile_memory": False,
    "profile_optimizer": False,
    "reoptimize_unpickled_function": True,
    "scan.allow_gc": False,
    "scan.allow_output_prealloc": True,
    "traceback.limit": 8,
    "warn.ignore_bug_before": "0.9",
    "warn_float64": "ignore",
}


def _compiler() -> str:
    found = toolchain.find_compiler()
    return "" if found is None else " ".join(found.command)


#: settings of Theano that are asked for: the C compiler's command ("" if there is none), where compiled files are
_TOLD: dict[str, Callable[[], str]] = {
    "cxx": _compiler,
    "compiledir": lambda: str(toolchain.cache_directory()),
    "base_compiledir": lambda: str(toolchain.cache_directory()),
}


class _Group:
    """Settings whose names begin alike: `config.blas.ldflags`."""

    def __init__(self, settings: Config, prefix: str) -> None:
        object.__setattr__(self, "_settings", settings)
        object.__setattr__(self, "_prefix", prefix)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._settings, f"{self._prefix}.{name}")

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._settings, f"{self._prefix}.{name}", value)


class Config:
    """Settings with a default, a set of legal values and a clear refusal of any other."""

    floatX: str
    mode: str
    linker: str
    optimizer: str
    on_unused_input: str
    compute_test_value: str
    exception_verbosity: str

    def __init__(self, environ: Mapping[str, str]) -> None:
        for name, options in _OPTIONS.items():
            object.__setattr__(self, name, options[0])
        object.__setattr__(self, "_ignored", dict(_IGNORED))
        for item in filter(None, environ.get("PROBGRAPH_FLAGS", "").split(",")):
            name, _, value = item.partition("=")
            setattr(self, name.strip(), value.strip())

    def __getattr__(self, name: str) -> Any:
        # Asked only for what is not among the settings that matter.
        if name in _IGNORED:
            return self._ignored[name]
        if name in _TOLD:
            return _TOLD[name]()
        if any(known.startswith(f"{name}.") for known in _IGNORED):
            return _Group(self, name)
        raise AttributeError(f"config has no setting {name!r}; it has {', '.join(sorted(_OPTIONS))}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _IGNORED:
            self._ignored[name] = _as_kind_of(_IGNORED[name], value)
            return
        if name in _TOLD:
            variable = "PROBGRAPH_CC" if name == "cxx" else "PROBGRAPH_CACHE"
            raise AttributeError(f"config.{name} is set from outside, by the environment variable {variable}")
        if name == "optimizer" and value is None:
            value = "None"
        options = _OPTIONS.get(name)
        if options is None:
            raise AttributeError(f"config has no setting {name!r}; it has {', '.join(sorted(_OPTIONS))}")
        if value not in options:
            raise ValueError(
                f'Invalid value ("{value}") for configuration variable "{name}". Valid options are {options}'
            )
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return "\n".join(f"{name} = {getattr(self, name)}" for name in _OPTIONS)

    @contextmanager
    def change_flags(self, flags: Mapping[str, Any] | None = None, **settings: Any) -> Iterator[None]:
        """Change settings inside a `with` block or a decorated function.

        Names with a dot come in a dict: `change_flags({"blas.ldflags": ""})`.
        """
        settings = {**(flags or {}), **settings}
        before = {name: getattr(self, name) for name in settings}
        try:
            for name, value in settings.items():
                setattr(self, name, value)
            yield
        finally:
            for name, value in before.items():
                setattr(self, name, value)


def _as_kind_of(example: Any, value: Any) -> Any:
    """What came as text from outside, as the kind of value that the setting has."""
    if not isinstance(value, str) or isinstance(example, str):
        return value
    if isinstance(example, bool):
        return value.lower() in ("true", "1", "yes")
    return type(example)(value)


config = Config(os.environ)


def settings(config: Config) -> tuple[tuple[str, str], ...]:
    """The settings that matter, with their present values."""
    return tuple((name, getattr(config, name)) for name in _OPTIONS)
