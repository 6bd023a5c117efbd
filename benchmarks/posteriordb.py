"""Data sets of posteriordb. They lie beside the repository, or where the environment variable POSTERIORDB says."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

PLACE = Path(os.environ.get("POSTERIORDB", Path(__file__).parents[2] / "shared" / "posteriordb"))


def path(name: str) -> Path:
    return PLACE / "data" / "data" / f"{name}.json.zip"


def data(name: str) -> dict[str, Any]:
    """A data set by name: numbers, and arrays of numbers."""
    archive = zipfile.ZipFile(path(name))
    values = json.loads(archive.read(archive.namelist()[0]))
    return {key: np.array(v) if isinstance(v, list) else v for key, v in values.items()}
