"""Many processes, damaged and foreign files, full disks, bad compilers: a clear error or the right result."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import probgraph.engine.tensor as T
from probgraph.engine import __main__ as command_line
from probgraph.engine import function, scan, toolchain

ROOT = Path(__file__).resolve().parents[2]
posix = pytest.mark.skipif(os.name != "posix", reason="shell scripts and limits are POSIX")
needs_compiler = pytest.mark.skipif(toolchain.find_compiler() is None, reason="no C compiler here")

GRAPHS = """
import numpy as np
import probgraph.engine.tensor as T
from probgraph.engine import function, grad
x, w = T.dmatrix("x"), T.dvector("w")
cost = T.nnet.softplus(T.dot(x, w)).sum()
f = function([x, w], [cost, grad(cost, w)])
g = function([x], T.exp(x).sum(axis=0) + 1)
a = np.arange(6.0).reshape(3, 2) / 6
value, gradient = f(a, np.ones(2))
z = a.sum(1)
np.testing.assert_allclose(value, np.log1p(np.exp(z)).sum(), rtol=1e-12)
np.testing.assert_allclose(gradient, (1 / (1 + np.exp(-z))) @ a, rtol=1e-12)
np.testing.assert_allclose(g(a), np.exp(a).sum(0) + 1, rtol=1e-12)
print("right", "runs in C" in f.explain())
"""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    directory = tmp_path / "cache"
    monkeypatch.setenv("PROBGRAPH_CACHE", str(directory))
    toolchain._find_compiler.cache_clear()
    yield directory
    toolchain._find_compiler.cache_clear()


def process(code: str = GRAPHS, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def fake_compiler(path: Path, body: str) -> str:
    path.write_text(
        "#!/bin/sh\n"
        'case "$*" in *--version) echo "fakecc 1.0 Free Software Foundation"; exit 0;; esac\n' + body
    )
    path.chmod(0o755)
    return str(path)


# ------------------------------------------------------------------------------------ many at once


@needs_compiler
def test_twenty_processes_from_an_empty_cache(cache):
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", GRAPHS],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(20)
    ]
    ended = [p.communicate(timeout=300) for p in running]
    assert [(out.strip(), err) for out, err in ended] == [("right True", "")] * 20
    names = [p.name for p in cache.iterdir()]
    assert not [name for name in names if name.startswith(".new-")]
    libraries = [p for p in cache.iterdir() if p.suffix == toolchain.LIBRARY_SUFFIX]
    assert libraries and all(map(toolchain.is_sound, libraries))


# ------------------------------------------------------------------------------------ what lies in the cache


def as_function(scale: float = 1.0) -> float:
    x = T.dvector("x")
    f = function([x], T.exp(x).sum() * scale, mode="FAST_RUN")
    assert "runs in C" in f.explain()
    return float(f([0.0, 0.0]))


def _truncate(p: Path) -> None:
    p.write_bytes(p.read_bytes()[:100])


def _foreign(p: Path) -> None:
    p.write_bytes(b"hello\n" * 1000)


def _flip(p: Path) -> None:
    data = bytearray(p.read_bytes())
    data[len(data) // 2] ^= 0xFF
    p.write_bytes(bytes(data))


@needs_compiler
@pytest.mark.parametrize("suffix", [toolchain.LIBRARY_SUFFIX, ".ok", ".c", ".json"])
@pytest.mark.parametrize("damage", [_truncate, _foreign, _flip, Path.unlink, lambda p: p.write_bytes(b"")])
def test_damaged_files_are_built_anew(cache, suffix, damage):
    scale = 1.25  # a text of its own; the library of an earlier test stays loaded, of another file
    assert process(ONE.format(scale)).stdout == "2.5\n"
    before = sorted(p.name for p in cache.iterdir())
    for path in [p for p in cache.iterdir() if p.suffix == suffix]:
        damage(path)
    done = process(ONE.format(scale))
    assert (done.stdout, done.stderr) == ("2.5\n", "")
    if suffix != ".c":  # it is there to be read
        assert sorted(p.name for p in cache.iterdir()) == before
        assert all(toolchain.is_sound(p) for p in cache.iterdir() if p.suffix == toolchain.LIBRARY_SUFFIX)


ONE = """
import probgraph.engine.tensor as T
from probgraph.engine import function
x = T.dvector("x")
f = function([x], T.exp(x).sum() * {}, mode="FAST_RUN")
assert "runs in C" in f.explain()
print(f([0.0, 0.0]))
"""


@needs_compiler
def test_a_directory_where_the_library_should_be(cache):
    text = "int one(void) { return 1; }\n"
    path = toolchain.compile_library(text)
    path.unlink()
    path.mkdir()
    with pytest.raises(toolchain.CompileError, match=r"(?s)the cache cannot be written.*cache clear"):
        toolchain.compile_library(text)


@posix
@needs_compiler
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_that_cannot_be_written(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o500)
    done = process(HOME=str(home), XDG_CACHE_HOME="", PROBGRAPH_CACHE="")
    assert done.stdout == "right True\n" and done.stderr.count("cannot be used") == 1


@posix
@needs_compiler
def test_a_home_that_is_no_directory(tmp_path):
    home = tmp_path / "home"
    home.write_text("not a directory")
    done = process(HOME=str(home), XDG_CACHE_HOME="", PROBGRAPH_CACHE="")
    assert done.stdout == "right True\n" and done.stderr.count("cannot be used") == 1


@posix
@needs_compiler
@pytest.mark.parametrize("limit", [0, 100, 4096])
def test_a_full_disk(limit):
    """No file can grow beyond a few bytes: the C text, or then the library, cannot be written."""
    code = f"import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n" + GRAPHS
    done = process(code, PYTHONDONTWRITEBYTECODE="1")
    assert done.stdout == "" and done.returncode == 1
    assert "CompileError" in done.stderr and ("disk full" in done.stderr or "compiler failed" in done.stderr)
    assert process().stdout == "right True\n"  # and nothing is left that spoils the next run


# ------------------------------------------------------------------------------------ compilers


@posix
@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            "echo 'internal compiler error' >&2; exit 4\n",
            "(?s)the C compiler failed .status 4.*internal compiler error",
        ),
        ("kill -SEGV $$\n", "the C compiler failed .status -11"),
        ("sleep 60\n", "the C compiler was stopped after 0.5 s"),
        ("exit 0\n", "cannot be loaded"),
        ('while [ $# -gt 0 ]; do [ "$1" = -o ] && echo junk > "$2"; shift; done\n', "cannot be loaded"),
    ],
)
def test_compilers_that_fail(tmp_path, monkeypatch, body, said):
    monkeypatch.setenv("PROBGRAPH_CC", fake_compiler(tmp_path / "cc", body))
    monkeypatch.setattr(toolchain, "COMPILE_SECONDS", 0.5)
    toolchain._find_compiler.cache_clear()
    x = T.dvector("x")
    with pytest.raises(toolchain.CompileError, match=said):
        function([x], T.exp(x) * 3, mode="FAST_RUN")


@posix
def test_a_compiler_that_cannot_even_say_its_name(tmp_path, monkeypatch):
    path = tmp_path / "cc"
    path.write_text("#!/bin/sh\nexit 1\n")
    path.chmod(0o755)
    monkeypatch.setenv("PROBGRAPH_CC", str(path))
    monkeypatch.setattr(toolchain, "_said_without_compiler", False)
    toolchain._find_compiler.cache_clear()
    x = T.dvector("x")
    with pytest.warns(UserWarning, match="--version` cannot be run"):
        f = function([x], T.exp(x).sum(), mode="FAST_RUN")
    assert f([0.0, 0.0]) == 2.0 and "runs in NumPy" in f.explain()


# ------------------------------------------------------------------------------------ names

NAMES = [
    '"; int main(){',
    "*/ #error",
    "\\",
    "\n#include <nothing.h>\n",
    "int",
    "é漢",
    "%s{0}",
    "a" * 5000,
    "",
    "\x00",
]


@needs_compiler
@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_names_never_reach_the_c_text(name):
    x, i = T.dvector(name), T.lscalar(name)
    y = T.exp(x) + x[i]
    y.name = name
    total, _ = scan(lambda row, s: s + row, sequences=y, outputs_info=T.constant(0.0), name=name)
    f = function([x, i], [y.sum(), total[-1]], mode="FAST_RUN", name=name)
    plain = function([x, i], [y.sum(), total[-1]], mode="FAST_RUN")
    assert "runs in C" in f.explain() and f.maker.executable.compiled.c_text.isascii()
    assert len(name) < 3 or name not in f.maker.executable.compiled.c_text or name == "int"
    for g in (f, plain):
        np.testing.assert_allclose(g([0.0, 1.0], 1), [1 + np.e + 2] * 2)
    with pytest.raises(IndexError, match="out of bounds"):
        f([0.0], 3)


# ------------------------------------------------------------------------------------ the command line


def test_list_and_clear(cache, capsys):
    cache.mkdir(mode=0o700)
    (cache / "mine.txt").write_text("somebody's")
    assert command_line.main(["cache", "list"]) == 0
    assert capsys.readouterr().out == f"0 programs, 0.0 KiB with their C texts, in {cache}\n"
    if toolchain.find_compiler() is not None:
        path = toolchain.compile_library("int two(void) { return 2; }\n")
        command_line.main(["cache", "list"])
        out = capsys.readouterr().out
        assert path.name in out and "\n1 programs, " in out and "damaged" not in out
        path.write_bytes(b"")
        command_line.main(["cache", "list"])
        assert "damaged: will be built anew" in capsys.readouterr().out
    (cache / ".new-1").write_text("another process writes")
    assert command_line.main(["cache", "clear"]) == 0
    assert re.fullmatch(
        rf"\d+ files, [\d.]+ KiB, removed from {re.escape(str(cache))}\n", capsys.readouterr().out
    )
    assert sorted(p.name for p in cache.iterdir()) == [".new-1", "mine.txt"]
    os.utime(cache / ".new-1", (0, 0))
    command_line.main(["cache", "clear"])
    assert [p.name for p in cache.iterdir()] == ["mine.txt"]


@posix
def test_an_unsafe_cache_is_not_touched(cache, capsys):
    cache.mkdir()
    cache.chmod(0o777)
    assert command_line.main(["cache", "clear"]) == 1
    assert "can be written by others" in capsys.readouterr().err


def test_as_a_command(cache):
    command = [sys.executable, "-m", "probgraph.engine", "cache", "where"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == f"{cache}\n" and done.stderr == ""
    done = subprocess.run([*command[:-1], "burn"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 2 and "invalid choice: 'burn'" in done.stderr
