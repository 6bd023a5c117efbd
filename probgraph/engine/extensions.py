"""SciPy's extension modules without the packages around them.

`import scipy.linalg.cython_blas` imports all of scipy.linalg on the way, a tenth of a second for a table of addresses.
The table is a file by itself, and is loaded as that; so are most functions of scipy.special.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import ModuleType
from typing import Any

#: those that need nothing of their package; the others are imported as usual
_ALONE = ("scipy.linalg.cython_blas", "scipy.linalg.cython_lapack", "scipy.special._special_ufuncs")
_loaded: dict[str, ModuleType] = {}


def extension(name: str) -> ModuleType:
    """The module of that name: imported already, or loaded by itself, or else imported."""
    found = loaded(name)
    if found is None:
        found = _loaded[name] = _by_itself(name) or importlib.import_module(name)
    return found


def loaded(name: str) -> ModuleType | None:
    """The module of that name if this process has it already."""
    return _loaded.get(name) or sys.modules.get(name)


def special(name: str) -> Callable[..., Any]:
    """The function of scipy.special, without the rest of it where it lies among those that need no other."""
    if loaded("scipy.special") is None:
        with contextlib.suppress(ImportError):  # older ones have no such module
            function = getattr(extension("scipy.special._special_ufuncs"), name, None)
            if function is not None:
                return function
    return getattr(importlib.import_module("scipy.special"), name)


def _by_itself(name: str) -> ModuleType | None:
    """Not left in sys.modules: who imports it later gets the same, with its package."""
    if name not in _ALONE:
        return None
    package, *path = name.split(".")
    folder = Path(importlib.import_module(package).__file__ or "").parent
    for suffix in EXTENSION_SUFFIXES:
        file = folder.joinpath(*path).with_suffix(suffix)
        if file.is_file() and (spec := importlib.util.spec_from_file_location(name, file)) and spec.loader:
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            sys.modules.pop(name, None)  # Cython enters it, but the package would not know of it
            return module
    return None
