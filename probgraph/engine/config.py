"""The few settings of the engine that cannot be arguments: above all `floatX`.

Set them by assignment (`config.floatX = "float32"`), for a while with `config.change_flags(floatX=...)`
(a context manager and a decorator), or from outside with `PROBGRAPH_FLAGS=floatX=float32,mode=FAST_COMPILE`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_OPTIONS: dict[str, tuple[str, ...]] = {
    "floatX": ("float64", "float32"),
    "mode": ("FAST_RUN", "FAST_COMPILE", "DebugMode", "NanGuardMode"),
    "on_unused_input": ("raise", "warn", "ignore"),
    "compute_test_value": ("off", "ignore", "warn", "raise"),
    "exception_verbosity": ("low", "high"),
}


class Config:
    """Settings with a default, a set of legal values and a clear refusal of any other."""

    floatX: str
    mode: str
    on_unused_input: str
    compute_test_value: str
    exception_verbosity: str

    def __init__(self, environ: Mapping[str, str]) -> None:
        for name, options in _OPTIONS.items():
            object.__setattr__(self, name, options[0])
        for item in filter(None, environ.get("PROBGRAPH_FLAGS", "").split(",")):
            name, _, value = item.partition("=")
            setattr(self, name.strip(), value.strip())

    def __setattr__(self, name: str, value: Any) -> None:
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
    def change_flags(self, **settings: Any) -> Iterator[None]:
        """Change settings inside a `with` block or a decorated function."""
        before = {name: getattr(self, name) for name in settings}
        try:
            for name, value in settings.items():
                setattr(self, name, value)
            yield
        finally:
            for name, value in before.items():
                setattr(self, name, value)


config = Config(os.environ)
