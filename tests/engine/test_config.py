"""Settings: their defaults, where they come from, and what they refuse."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import probgraph.engine.tensor as T
from probgraph.engine import change_flags, config
from probgraph.engine.config import Config


def test_defaults():
    assert Config({}).floatX == "float64" and Config({}).mode == "FAST_RUN"
    assert Config({}).on_unused_input == "raise"


def test_the_environment():
    settings = Config({"PROBGRAPH_FLAGS": "floatX=float32, mode=FAST_COMPILE"})
    assert settings.floatX == "float32" and settings.mode == "FAST_COMPILE"
    assert Config({"PROBGRAPH_FLAGS": ""}).floatX == "float64"
    with pytest.raises(ValueError, match=r'Invalid value .*"float31"'):
        Config({"PROBGRAPH_FLAGS": "floatX=float31"})
    with pytest.raises(AttributeError, match="no setting 'flotX'"):
        Config({"PROBGRAPH_FLAGS": "flotX=float32"})


def test_the_environment_of_a_process():
    root = Path(__file__).resolve().parents[2]
    code = "import probgraph.engine.tensor as T; print(T.scalar().dtype)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PROBGRAPH_FLAGS": "floatX=float32", "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "float32"


def test_assignment_acts_on_what_is_made_afterwards():
    before = T.vector("before")
    config.floatX = "float32"
    assert T.vector("after").dtype == "float32" and before.dtype == "float64"
    assert T.zeros(3).dtype == "float32" and T.as_tensor_variable(1.5).dtype == "float32"


def test_bad_values_and_names():
    with pytest.raises(
        ValueError,
        match=r'^Invalid value \("float31"\) for configuration variable "floatX". Valid options are \(',
    ):
        config.floatX = "float31"
    with pytest.raises(
        AttributeError,
        match="no setting 'unknown'; it has .*floatX, linker, mode, on_unused_input, optimizer",
    ):
        config.unknown = 1
    with pytest.raises(AttributeError):
        _ = config.unknown


def test_change_flags_in_a_block_and_as_a_decorator():
    with change_flags(floatX="float32"):
        assert config.floatX == "float32"
    assert config.floatX == "float64"
    with pytest.raises(RuntimeError), config.change_flags(floatX="float32", mode="FAST_COMPILE"):
        raise RuntimeError
    assert (config.floatX, config.mode) == ("float64", "FAST_RUN")

    @change_flags(floatX="float32")
    def inside():
        return T.scalar().dtype

    assert inside() == inside() == "float32" and config.floatX == "float64"
    with pytest.raises(ValueError), config.change_flags(mode="FAST_COMPILE", floatX="float31"):
        pass
    assert (config.floatX, config.mode) == ("float64", "FAST_RUN")


def test_its_text_lists_everything():
    assert repr(config).splitlines() == [
        "floatX = float64",
        "mode = FAST_RUN",
        "linker = c",
        "optimizer = fast_run",
        "on_unused_input = raise",
        "compute_test_value = off",
        "exception_verbosity = low",
    ]


def test_settings_of_theano_that_change_nothing_are_kept():
    settings = Config({"PROBGRAPH_FLAGS": "device=cpu,openmp=True,blas.ldflags=-lopenblas,compile.wait=7"})
    assert settings.openmp is True and settings.blas.ldflags == "-lopenblas" and settings.compile.wait == 7
    settings.blas.ldflags = ""
    assert settings.blas.ldflags == "" and Config({}).compile.wait == 5
    with settings.change_flags({"compile.wait": 1}, allow_gc=False):
        assert settings.compile.wait == 1 and not settings.allow_gc
    assert settings.compile.wait == 7 and settings.allow_gc
    with pytest.raises(AttributeError, match="no setting 'blas.nonsense'"):
        settings.blas.nonsense = 1
    with pytest.raises(AttributeError, match="no setting 'nonsense'"):
        settings.nonsense  # noqa: B018
    with pytest.raises(AttributeError):  # would change what is computed: not taken silently
        settings.int_division = "floatX"
