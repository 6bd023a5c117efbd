"""What the engine's tests share: the modes, and a floatX that does not leak."""

from __future__ import annotations

import pytest

from probgraph.engine import config

MODES = ["FAST_COMPILE", "FAST_RUN", "DebugMode"]


@pytest.fixture(params=MODES)
def mode(request):
    """Each predefined mode in turn, also as the default one."""
    with config.change_flags(mode=request.param):
        yield request.param


@pytest.fixture(autouse=True)
def settings_are_restored():
    with config.change_flags(floatX=config.floatX, mode=config.mode, on_unused_input=config.on_unused_input):
        yield
