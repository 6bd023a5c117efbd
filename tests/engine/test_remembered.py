"""Densities that are found again: the same numbers to the last bit, and anew wherever anything differs."""

from __future__ import annotations

import ctypes
import json

import numpy as np
import pytest

from probgraph.engine import remembered, toolchain
from probgraph.engine.__main__ import main
from probgraph.engine.autodiff import grad
from probgraph.engine.compiled import CompiledDensity, compile_density
from probgraph.engine.config import config
from probgraph.engine.described import NoWordsError
from probgraph.engine.graph import tensor_constant
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import linalg
from probgraph.engine.remembered import Memory
from probgraph.engine.rewrite import OpRule
from probgraph.engine.rules import FAST_RUN
from probgraph.engine.shared import shared
from probgraph.engine.types import TensorType

pytestmark = pytest.mark.skipif(toolchain.find_compiler() is None, reason="no C compiler here")

RNG = np.random.default_rng(0)
ROWS, Y = RNG.normal(size=(300, 5)), RNG.poisson(2.0, size=300)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PROBGRAPH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def regression(y=Y, offset=1.0):
    """Counts by rows: factorials of the counts are computed beforehand, the rows may be laid out anew."""
    beta = TensorType("float64", (5,))("beta")
    rates = tensor_constant(ROWS).dot(beta)
    counts = tensor_constant(y)
    terms = counts * rates - ew.exp(rates) - ew.exp(0.1 * ew.log1p(counts) * rates)
    return [beta], terms.sum() - 0.5 * offset * (beta**2).sum()


def processes():
    """With a function of SciPy's, in memory of its own."""
    scale = TensorType("float64", (1,))("scale")
    distances = tensor_constant(np.abs(np.subtract.outer(np.arange(40.0), np.arange(40.0))))
    factor = linalg.cholesky(ew.exp(-distances / ew.exp(scale[0])) + tensor_constant(0.1 * np.eye(40)))
    return [scale], -ew.log(linalg.diagonal(factor)).sum()


def fresh(roots, logp) -> CompiledDensity:
    return compile_density(roots, logp, grad(logp, roots))


def call(density, q):
    q, gradient, value = np.array(q), np.zeros(density.dim), ctypes.c_double()
    memory = density.new_data()
    function = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 4)(density.address)
    code = function(q.ctypes.data, gradient.ctypes.data, ctypes.addressof(value), memory.address)
    return code, value.value, gradient.tolist()


def memory(roots, logp, how=None) -> Memory:
    return Memory(roots, [logp], how)


def keep(graph) -> CompiledDensity:
    """The density of a graph, compiled and remembered."""
    density = fresh(*graph)
    memory(*graph).remember(density)
    return density


@pytest.mark.parametrize("make", [regression, processes])
def test_what_was_compiled_before_is_found_again(make):
    assert memory(*make()).recalled() is None
    density = keep(make())
    found = memory(*make()).recalled()
    assert (found.dim, found.library._name) == (density.dim, density.library._name)
    for q in RNG.normal(size=(5, density.dim)):
        assert call(found, q) == call(density, q)


def test_what_differs_in_a_number_is_not_the_same():
    keep(regression())
    later = Y.copy()
    later[299] += 1
    for other in (regression(y=later), regression(offset=1.0 + 2**-52), regression(y=Y.astype("float64"))):
        assert memory(*other).recalled() is None
        keep(other)
    results = [call(memory(*g).recalled(), np.ones(5)) for g in (regression(), regression(y=later))]
    assert results[0] != results[1]
    assert results == [call(fresh(*g), np.ones(5)) for g in (regression(), regression(y=later))]


def test_constants_are_those_of_the_graph_at_hand():
    """Graphs whose programs are the same C text, and differ in what they are handed."""
    later = Y.copy()
    later[0] += 3
    a, b = keep(regression()), keep(regression(y=later))
    assert a.library._name == b.library._name
    assert call(memory(*regression()).recalled(), np.ones(5)) == call(a, np.ones(5))
    assert call(memory(*regression(y=later)).recalled(), np.ones(5)) == call(b, np.ones(5))


def test_shared_variables_are_those_of_the_graph_at_hand():
    def make(x, y):
        q = TensorType("float64", (3,))("q")
        return [q], -((q * y - x) ** 2).sum()

    keep(make(shared(np.arange(3.0)), shared(np.ones(3))))
    x, y = shared(np.zeros(3), "x"), shared(np.full(3, 2.0), "y")
    found = memory(*make(x, y)).recalled()
    assert call(found, np.ones(3)) == (0, -12.0, [-8.0] * 3)
    x.set_value(np.full(3, 2.0))
    assert call(found, np.ones(3))[1] == 0
    x.set_value(np.zeros(4))
    with pytest.raises(ValueError, match=r"x has shape \(4,\); the density was compiled for \(3,\)"):
        found.new_data()
    assert memory(*make(shared(np.zeros(1)), y)).recalled() is None


def test_another_way_from_graph_to_density_is_another_density():
    roots, logp = regression()
    memory(roots, logp, "one way").remember(fresh(roots, logp))
    assert memory(roots, logp, "one way").recalled() is not None
    assert memory(roots, logp, "another").recalled() is None


def test_settings_compilers_and_versions_count(monkeypatch):
    keep(regression())
    assert memory(*regression()).recalled() is not None
    with config.change_flags(floatX="float32"):
        assert memory(*regression()).recalled() is None
    with monkeypatch.context() as patch:
        patch.setattr(toolchain, "OPTIMISE", ("-O1",))
        assert memory(*regression()).recalled() is None
    with monkeypatch.context() as patch:
        patch.setattr(remembered.np, "__version__", "0.0")
        remembered._versions.cache_clear()
        assert memory(*regression()).recalled() is None
    remembered._versions.cache_clear()
    assert memory(*regression()).recalled() is not None


def test_a_file_that_changes_makes_all_forgotten(tmp_path, monkeypatch):
    package = tmp_path / "package"
    (package / "engine").mkdir(parents=True)
    module = package / "engine" / "module.py"
    module.write_text("a = 1")
    monkeypatch.setattr(remembered, "__file__", str(module))
    monkeypatch.setattr(remembered, "_IMPORTED", 2**63)
    versions = remembered._versions.__wrapped__
    before = versions()
    assert versions() == before
    module.write_text("a = 2")
    changed = versions()
    assert changed != before
    (package / "new.py").write_text("")
    assert versions() != changed
    monkeypatch.setattr(remembered, "_IMPORTED", 0)
    with pytest.raises(NoWordsError, match="changed after it was imported"):
        versions()


def test_with_rules_of_the_users_nothing_is_remembered(monkeypatch):
    monkeypatch.setattr(FAST_RUN[0], "rules", [*FAST_RUN[0].rules, OpRule("mine", ew.exp, lambda node: None)])
    with pytest.raises(NoWordsError, match="rules of the user's"):
        memory(*regression())


def test_a_damaged_note_and_a_lost_library_are_not_found(cache):
    keep(regression())
    (note,) = cache.glob("*.note")
    whole = note.read_bytes()
    place = whole.rindex(b'"scratch": ') - 20
    for damaged in (b"", whole[:-1], whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]):
        note.write_bytes(damaged)
        assert memory(*regression()).recalled() is None
    note.write_bytes(whole)
    assert memory(*regression()).recalled() is not None
    library = cache / json.loads(whole.partition(b"\n")[2])["library"]
    library.unlink()
    assert memory(*regression()).recalled() is None


def test_large_constants_are_not_kept_with_a_note(cache, monkeypatch):
    monkeypatch.setattr(remembered, "LARGEST", 100)
    keep(regression())
    assert list(cache.glob("*.note")) == []


def test_notes_are_cleared_with_the_programs(cache):
    keep(regression())
    assert main(["cache", "clear"]) == 0
    assert list(cache.glob("*.note")) == []
    assert memory(*regression()).recalled() is None
