"""Objects with large arrays in one zip file: the arrays as .npy files of their own, which NumPy can read alone."""

from __future__ import annotations

import io
import pickle
import zipfile
from typing import IO, Any

import numpy as np

_OBJECT = "pkl"


class _Pickler(pickle.Pickler):
    def __init__(self, file: IO[bytes], archive: zipfile.ZipFile, protocol: int) -> None:
        super().__init__(file, protocol)
        self._archive = archive
        self._known: dict[int, tuple[str, np.ndarray]] = {}

    def persistent_id(self, obj: Any) -> str | None:
        if type(obj) is not np.ndarray or obj.dtype.hasobject:
            return None
        if id(obj) not in self._known:
            name = f"array_{len(self._known)}"
            self._known[id(obj)] = name, obj
            with self._archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, obj, allow_pickle=False)
        return self._known[id(obj)][0]


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: IO[bytes], archive: zipfile.ZipFile) -> None:
        super().__init__(file)
        self._archive = archive
        self._known: dict[str, np.ndarray] = {}

    def persistent_load(self, name: str) -> np.ndarray:
        if name not in self._known:
            with self._archive.open(f"{name}.npy") as file:
                self._known[name] = np.lib.format.read_array(file, allow_pickle=False)
        return self._known[name]


def dump(obj: Any, file_handler: IO[bytes], protocol: int = pickle.HIGHEST_PROTOCOL) -> None:
    """Writes variables, shared variables, functions, or anything that pickles, to a file opened for bytes.

    >>> file = io.BytesIO()
    >>> dump({"weights": np.arange(3.0)}, file)
    >>> load(file)
    {'weights': array([0., 1., 2.])}
    """
    with zipfile.ZipFile(file_handler, "w", zipfile.ZIP_DEFLATED) as archive:
        text = io.BytesIO()
        _Pickler(text, archive, protocol).dump(obj)
        archive.writestr(_OBJECT, text.getvalue())


def load(file_handler: IO[bytes]) -> Any:
    """What `dump` wrote. As with any pickle: only from sources that you trust, since reading it can run code."""
    with zipfile.ZipFile(file_handler) as archive:
        return _Unpickler(io.BytesIO(archive.read(_OBJECT)), archive).load()
