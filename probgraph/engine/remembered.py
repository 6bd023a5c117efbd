"""Densities that were compiled before, found again by the graph that they were to be made of.

Beside each library in the cache lies a note for each graph that led to it: what the library is handed as data. Who has the
same graph again needs neither to differentiate it nor to rewrite it, nor to print it as C. The idea worth knowing: a
note is kept under the hash of all that the way from graph to library depends on: the graph itself with its constants
(`described`), this package, NumPy, SciPy and Python, the settings, and what the library's own hash covers. Where any of it
cannot be told for certain, or its constants are large, nothing is remembered and everything is done anew.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import importlib.util
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np

from probgraph.engine import toolchain
from probgraph.engine.compiled import CompiledDensity, Handed, link
from probgraph.engine.config import config, settings
from probgraph.engine.described import Description, NoWordsError
from probgraph.engine.graph import Variable
from probgraph.engine.loops import External
from probgraph.engine.rules import DECOMPOSE, FAST_RUN, STABLE

#: so many bytes of constants that rules computed are kept with a note
LARGEST = 1 << 18

_IMPORTED = time.time_ns()
#: the rules of the library: a user may add others, which have no names to tell them by
_RULES = [tuple(p.rules) for p in (*FAST_RUN, *DECOMPOSE)], tuple(STABLE)


class Memory:
    """Where the density is remembered that is made of `outputs`, graphs of `roots`, in a way told by `how`.

    Raises NoWordsError if nothing can be remembered, NoCompilerError without a compiler.
    """

    def __init__(self, roots: Sequence[Variable], outputs: Sequence[Variable], how: Any) -> None:
        if ([tuple(p.rules) for p in (*FAST_RUN, *DECOMPOSE)], tuple(STABLE)) != _RULES:
            raise NoWordsError("there are rules of the user's")
        self._graph = Description(roots, outputs)
        facts = (self._graph.words, how, settings(config), _versions())
        self._path = toolchain.cache_directory() / f"{toolchain.stamp(repr(facts))}.note"

    def recalled(self) -> CompiledDensity | None:
        """The density, if it was compiled before and its library is still there."""
        try:
            digest, _, text = self._path.read_bytes().partition(b"\n")
        except OSError:
            return None
        if hashlib.sha256(text).hexdigest().encode() != digest:
            return None
        note = json.loads(text)
        path = toolchain.cache_directory() / note["library"]
        if not toolchain.is_sound(path):
            return None
        library = toolchain.opened(path, "density")
        externals = [External(*words) for words in note["externals"]]
        link(library, externals)
        shared = [self._graph.shared[k] for k in note["shared"]]
        shapes = [v.container.value.shape for v in shared]
        constants = [
            self._graph.constants[told].data if isinstance(told, int) else _array(told)
            for told in note["constants"]
        ]
        return CompiledDensity(
            note["dim"], library, externals, Handed(shared, constants, note["scratch"], shapes)
        )

    def remember(self, density: CompiledDensity) -> None:
        """Keeps a note of the density for those to come."""
        handed = density.handed
        places = {id(c.data): k for k, c in enumerate(self._graph.constants)}
        made = [a for a in handed.constants if id(a) not in places]
        if sum(a.nbytes for a in made) > LARGEST:
            return
        note = {
            "library": Path(density.library._name).name,
            "dim": density.dim,
            "externals": [astuple(external) for external in density.externals],
            "shared": [self._graph.shared.index(v) for v in handed.shared],
            "constants": [places[id(a)] if id(a) in places else _told(a) for a in handed.constants],
            "scratch": handed.scratch,
        }
        text = json.dumps(note).encode()
        with contextlib.suppress(OSError):  # a full disk: it will be compiled anew
            toolchain.write(self._path, hashlib.sha256(text).hexdigest().encode() + b"\n" + text)


def _told(array: np.ndarray) -> list[Any]:
    return [array.dtype.str, array.shape, base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()]


def _array(told: Sequence[Any]) -> np.ndarray:
    dtype, shape, content = told
    return np.frombuffer(base64.b64decode(content), dtype).reshape(shape)


@functools.cache
def _versions() -> tuple[Any, ...]:
    """This package file by file, and what it computes with. NoWordsError if it is not what was imported."""
    files = sorted(_sources(Path(__file__).parent.parent))
    if not files or max(changed for *_, changed in files) >= _IMPORTED:
        raise NoWordsError("the package has no files, or was changed after it was imported")
    scipy = importlib.util.find_spec("scipy").origin  # importing it would take longer than all the rest
    return files, sys.version, np.__version__, _change(scipy)


def _sources(folder: Path | str) -> list[tuple[str, int, int, int, int]]:
    """The changes of all Python files."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                found += _sources(entry.path)
            elif entry.name.endswith(".py"):
                found.append(_change(entry.path))
    return found


def _change(path: str) -> tuple[str, int, int, int, int]:
    """A file's path, inode, size, and times of change: what nobody who writes it can leave as it was."""
    s = os.stat(path)
    return path, s.st_ino, s.st_size, s.st_mtime_ns, max(s.st_ctime_ns, s.st_mtime_ns)
