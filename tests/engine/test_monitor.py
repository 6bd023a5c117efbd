"""MonitorMode: functions called around each op."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import probgraph.engine.tensor as T
from probgraph.engine import Mode, MonitorMode, function, shared
from probgraph.engine.ifelse import ifelse
from probgraph.engine.monitor import detect_nan


def test_what_the_functions_are_given():
    seen = []

    def before(i, node, fn):
        seen.append(("before", i, str(node.op), [cell[0].tolist() for cell in fn.inputs], fn.outputs))

    def after(i, node, fn):
        seen.append(("after", i, str(node.op), [cell[0].tolist() for cell in fn.outputs]))

    x = T.dvector("x")
    f = function([x], T.exp(x).sum() + 1, mode=MonitorMode(before, after))
    np.testing.assert_allclose(f([0.0, 0.0]), 3.0)
    names = [str(node.op) for node in f.maker.fgraph.toposort()]
    assert [s[1:3] for s in seen if s[0] == "before"] == list(enumerate(names))
    assert [s[1:3] for s in seen if s[0] == "after"] == list(enumerate(names))
    assert seen[0][3] == [[0.0, 0.0]] and seen[0][4] == [[None]] and seen[1][3] == [[1.0, 1.0]]


def test_results_are_new_and_updates_happen():
    x, w = T.dvector("x"), shared(np.zeros(2), "w")
    f = function([x], [x, w], updates=[(w, w + x)], mode=MonitorMode())
    given = np.ones(2)
    same, before = f(given)
    assert same is not given and before.tolist() == [0, 0] and w.get_value().tolist() == [1, 1]


def test_detect_nan(capsys):
    x = T.dscalar("x")
    f = function([x], T.log(x) * x, mode=MonitorMode(post_func=detect_nan, optimizer=None))
    f(1.0)
    assert capsys.readouterr().out == ""
    with np.errstate(invalid="ignore"):
        assert np.isnan(f(-1.0))
    out = capsys.readouterr().out
    assert out.startswith("*** NaN detected ***\nElemwise{log,no_inplace} [id A]")
    assert "Inputs : [array(-1.)]" in out and "test_monitor.py" in out


def test_what_they_raise_ends_the_call():
    def stop(i, node, fn):
        raise KeyError("enough")

    x = T.dscalar("x")
    with pytest.raises(KeyError, match="enough"):
        function([x], T.exp(x), mode=MonitorMode(pre_func=stop))(1.0)


def test_only_the_branch_taken_is_seen():
    names = []
    x = T.dscalar("x")
    y = ifelse(x > 0, T.exp(x), T.log(x))
    mode = MonitorMode(post_func=lambda i, node, fn: names.append(str(node.op)), optimizer=None)
    function([x], y, mode=mode)(1.0)
    assert any("exp" in n for n in names) and not any("log" in n for n in names)


def test_as_a_value():
    assert MonitorMode(None, detect_nan) == MonitorMode(None, detect_nan) != MonitorMode()
    assert MonitorMode(optimizer=None) != Mode("py", None) and Mode("py", None) != MonitorMode(optimizer=None)
    assert pickle.loads(pickle.dumps(MonitorMode(None, detect_nan))) == MonitorMode(None, detect_nan)
    assert isinstance(MonitorMode().excluding("stabilize"), MonitorMode)
    with pytest.raises(ValueError, match="only NumPy .* got linker 'c'"):
        MonitorMode(linker="c")
