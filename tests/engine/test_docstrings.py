"""The examples in the engine's docstrings run, and give what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import probgraph.engine

MODULES = ["probgraph.engine"] + [
    module.name for module in pkgutil.walk_packages(probgraph.engine.__path__, "probgraph.engine.")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
