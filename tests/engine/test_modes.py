"""Modes: names and values, what they do without a compiler, and what DebugMode finds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import probgraph.engine.tensor as T
from probgraph.engine import (
    DebugModeError,
    Mode,
    config,
    execute,
    function,
    get_default_mode,
    get_mode,
    modes,
    pp,
    register_mode,
    shared,
    toolchain,
)
from probgraph.engine.debug_mode import agree
from probgraph.engine.execute import numpy_run
from probgraph.engine.graph import FunctionGraph
from probgraph.engine.ops.elementwise import Elementwise
from probgraph.engine.rewrite import OpRule, Pass, Rule, wildcard
from probgraph.engine.toolchain import NoCompilerError

ROOT = Path(__file__).resolve().parents[2]


def test_names():
    assert get_mode("FAST_RUN") == Mode() == Mode("c", "fast_run") == Mode("cvm", "fast_run")
    assert get_mode("FAST_COMPILE") == Mode("py", "fast_compile")
    assert get_mode("DEBUG_MODE") == get_mode("DebugMode") == modes.DebugMode()
    assert get_mode(None) == get_default_mode() == get_mode(config.mode)
    assert Mode("vm_nogc", "o4").linker == "c" and Mode(None, None).optimizer is None
    assert Mode("py", None) == Mode("py", "merge") == Mode("py", "None")
    assert (
        repr(Mode("py", None)) == "Mode(linker='py', optimizer=None)"
        and len({Mode(), Mode(), Mode("py")}) == 2
    )
    mode = Mode("py")
    assert get_mode(mode) is mode


def test_what_is_not_a_mode():
    x = T.dscalar("x")
    with pytest.raises(ValueError, match="No predefined mode exist for string: FOO"):
        function([x], x, mode="FOO")
    with pytest.raises(TypeError, match="mode is a Mode or the name of one, got 3"):
        function([x], x, mode=3)
    with pytest.raises(ValueError, match="linker is one of .* got 'jax'"):
        Mode("jax")
    with pytest.raises(ValueError, match="optimizer is one of .* got 'o9'"):
        Mode("c", "o9")


def test_registered_modes(monkeypatch):
    monkeypatch.setattr(modes, "predefined", dict(modes.predefined))
    register_mode("mine", Mode("py", None))
    x = T.dscalar("x")
    assert function([x], x * 1, mode="mine").maker.mode == Mode("py", None)
    with pytest.raises(ValueError, match="already taken: mine"):
        register_mode("mine", Mode())


def test_optimizers():
    x = T.dscalar("x")
    y = T.log(1 + T.exp(x)) * 1 + 0 * T.ones_like(x)

    def text(optimizer):
        return pp(function([x], y, mode=Mode("py", optimizer)).maker.fgraph.outputs[0])

    assert "fill" in text(None) and "log(" in text(None)
    assert "fill" not in text("fast_compile") and "log(" in text("fast_compile")
    assert "softplus(x)" in text("fast_run")


def test_passes_and_rules_can_be_left_out():
    x = T.dscalar("x")
    y = T.log(1 + T.exp(x)) * 1
    full = Mode("py", "fast_run")

    def text(mode):
        return pp(function([x], y, mode=mode).maker.fgraph.outputs[0])

    assert text(full) == "softplus(x)"
    assert text(full.excluding("stabilize", "simplify")) == pp(y)
    without = full.excluding("log(1 + exp(x)) → softplus(x)", "logaddexp(0, x) → softplus(x)")
    assert text(without) == "logaddexp(TensorConstant{0}, x)"
    assert repr(full.excluding("stabilize")) == "Mode(linker='py', optimizer=[simplify])"
    assert text(Mode("py", full.passes)) == "softplus(x)" and text(Mode("py", [])) == pp(y)
    with pytest.raises(ValueError, match="this mode has no pass or rule 'beautify'"):
        full.excluding("beautify")


def test_equal_expressions_are_computed_once_in_every_mode():
    x = T.dscalar("x")
    f = function([x], [T.exp(x) + 1, T.exp(x) * 2], mode=Mode("py", None))
    assert len(f.maker.fgraph.toposort()) == 3


def test_config_mode_is_the_default():
    x = T.dscalar("x")
    with config.change_flags(mode="FAST_COMPILE"):
        assert function([x], x).maker.mode == get_mode("FAST_COMPILE")


# ------------------------------------------------------------------------------------ without C


def test_without_a_compiler_it_says_so_once_and_runs(monkeypatch):
    def no_compiler(graph):
        raise NoCompilerError("no C compiler was found")

    monkeypatch.setattr(execute, "CompiledGraph", no_compiler)
    monkeypatch.setattr(toolchain, "_said_without_compiler", False)
    x = T.dscalar("x")
    with pytest.warns(
        UserWarning, match="no C compiler was found. Until then functions run in NumPy"
    ) as caught:
        f, g = function([x], x + 1, mode="FAST_RUN"), function([x], x + 2, mode="FAST_RUN")
    assert len(caught) == 1 and "\n" not in str(caught[0].message)
    assert caught[0].filename == __file__
    assert (f(1), g(1)) == (2.0, 3.0)
    assert "runs in NumPy, because no C compiler" in f.explain()


def test_a_whole_process_without_a_compiler():
    code = (
        "import probgraph.engine as theano, probgraph.engine.tensor as T\n"
        "x = T.dvector('x'); w = theano.shared(1.0)\n"
        "f = theano.function([x], T.exp(x).sum() * w, updates=[(w, w + 1)])\n"
        "theano.function([x], x)\n"
        "print(f([0, 0]), f([0, 0]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PROBGRAPH_CC": "", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["2.0", "4.0"]
    assert done.stderr.count("pip install probgraph[compiler]") == 1


def test_an_operation_without_c_runs_in_numpy(monkeypatch):
    plain = Elementwise("plain", numpy=lambda x: x + 1, vjp=None, c=None)
    x = T.dvector("x")
    f = function([x], plain(x) * 2, mode="FAST_RUN")
    np.testing.assert_array_equal(f([1.0, 2.0]), [4, 6])
    assert "runs in NumPy, because an operation has no C" in f.explain() and "plain" in f.explain()


# ------------------------------------------------------------------------------------ DebugMode


def test_debug_mode_names_an_operation_whose_c_differs():
    wrong = Elementwise("wrong", numpy=lambda x: x + 1, vjp=None, c="({0} + 2)")
    x = T.dvector("x")
    f = function([x], T.exp(wrong(T.sqrt(x))), mode="DebugMode")
    if "runs in NumPy" in f.explain():
        pytest.skip("no C compiler")
    with pytest.raises(
        DebugModeError,
        match=r"(?s)the C of Elemwise\{wrong,no_inplace\} differs.*NumPy: .*2.0.*C: .*3.0.*index \(0,\).*test_modes.py",
    ):
        f([1.0])


def test_debug_mode_names_a_pass_that_changes_what_is_computed():
    bad = Pass("bad", [OpRule("exp becomes sin", T.exp, lambda node: T.sin(node.inputs[0]))])
    x = T.dscalar("x")
    with pytest.raises(DebugModeError, match=r"(?s)the pass after bad changed output 0 .*before: .*after: "):
        function([x], T.exp(x), mode=Mode("debug", [bad]))(1.0)


def test_debug_mode_holds_results_against_their_types():
    def announce(dtype):
        return (dtype,), "float32"

    class Liar(Elementwise):
        def numpy(self, *arrays):
            return arrays[0]

    liar = Liar("liar", numpy=lambda x: x, vjp=None, c="{0}", dtype=announce)
    x = T.dvector("x")
    with pytest.raises(
        DebugModeError, match=r"liar.* announced a TensorType\(float32, vector\) and made .* float64"
    ):
        function([x], liar(x), mode="DebugMode")([1.0])


def test_debug_mode_accepts_what_stabilising_improves():
    x = T.dscalar("x")
    f = function([x], T.log(1 + T.exp(x)), mode="DebugMode")
    assert f(2400.0) == 2400.0
    w = shared(0.0, "w")
    step = function([], w, updates=[(w, w + 1)], mode="DebugMode")
    assert [float(step()) for _ in range(3)] == [0, 1, 2]


def test_agreement():
    one = np.array([1.0, np.nan, np.inf])
    assert agree(one, one.copy()) and agree(one, one * (1 + 1e-12))
    assert not agree(one, one * (1 + 1e-3)) and not agree(one, one.astype("float32"))
    assert not agree(one, np.ones(3)) and agree(one, np.ones(3), better=True)
    assert not agree(np.ones(3), one, better=True)
    assert not agree(np.array(1), np.array(2)) and agree(np.float32([1]), np.float32([1 + 1e-6]))
    assert not agree(np.ones(2), np.ones(3))


def test_numpy_run_hands_out_new_arrays_only():
    x = T.dvector("x")
    run = numpy_run(FunctionGraph([x], [x, x[::2], T.constant([1.0]), x * 1, x]))
    given = np.arange(4.0)
    results = run([given])
    for k, result in enumerate(results):
        assert result.base is None and result.flags.writeable and not np.shares_memory(result, given)
        assert not any(np.shares_memory(result, other) for other in results[:k])


def test_passes_can_be_added_and_picked():
    bare = Mode("py", None)
    assert [p.name for p in bare.including("simplify", "stabilize").passes] == ["stabilize", "simplify"]
    assert [p.name for p in Mode().including("stabilize").passes] == ["stabilize", "simplify"]
    assert [p.name for p in Mode().requiring("stabilize").passes] == ["stabilize"]
    assert Mode().excluding("stabilize").including("stabilize").passes[0].name == "stabilize"
    x = T.dscalar("x")
    a = wildcard("a")
    mine = Pass("mine", [Rule(T.tanh(a), T.sin(a))])
    f = function([x], T.tanh(x), mode=bare.including(mine))
    assert pp(f.maker.fgraph.outputs[0]) == "sin(x)"
    for refused in (lambda: bare.including("beautify"), lambda: Mode().requiring("beautify")):
        with pytest.raises(ValueError, match="'beautify'"):
            refused()


def test_linker_and_optimizer_are_settings():
    with config.change_flags(linker="py", optimizer="fast_compile"):
        assert get_mode() == get_mode("Mode") == Mode("py", "fast_compile")
        assert get_mode("FAST_RUN") == Mode()
        with config.change_flags(mode="DebugMode"):
            assert get_mode().linker == "debug"
    with config.change_flags(optimizer=None):
        assert get_mode().passes == ()
    assert get_mode() == get_mode("Mode") == Mode()


def test_registered_linkers_and_optimizers(monkeypatch):
    monkeypatch.setattr(modes, "_LINKERS", dict(modes._LINKERS))
    monkeypatch.setattr(modes, "_OPTIMIZERS", dict(modes._OPTIMIZERS))
    modes.register_linker("slow", "py")
    modes.register_optimizer("stable", Mode().requiring("stabilize").passes)
    mode = Mode("slow", "stable")
    assert mode.linker == "py" and [p.name for p in mode.passes] == ["stabilize"]
    with pytest.raises(ValueError, match="already taken"):
        modes.register_linker("slow", "py")
    with pytest.raises(ValueError, match="already taken"):
        modes.register_optimizer("stable", [])
