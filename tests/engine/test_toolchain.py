"""The way from C text to a loaded library, and everything that can go wrong on it."""

import ctypes
import os
import stat
import subprocess
import sys
import threading
import time

import pytest

from probgraph.engine import toolchain

TEXT = "#include <math.h>\ndouble shifted(double x) { return exp(x) + %s; }\n"

needs_compiler = pytest.mark.skipif(toolchain.find_compiler() is None, reason="no C compiler here")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    directory = tmp_path / "cache"
    monkeypatch.setenv("PROBGRAPH_CACHE", str(directory))
    toolchain._find_compiler.cache_clear()  # each test is a new process with an empty cache
    return directory


@pytest.fixture
def count_runs(monkeypatch):
    """The commands that were started."""
    commands = []
    run = toolchain._run

    def counted(command, seconds):
        commands.append(command)
        return run(command, seconds)

    monkeypatch.setattr(toolchain, "_run", counted)
    return commands


def value(library, x=0.0):
    library.shifted.restype, library.shifted.argtypes = ctypes.c_double, [ctypes.c_double]
    return library.shifted(x)


def fake_compiler(path, body):
    """A shell script that calls itself gcc."""
    path.write_text(
        "#!/bin/sh\n"
        'case "$*" in *--version) echo "fakecc 1.0 Free Software Foundation"; exit 0;; esac\n' + body
    )
    path.chmod(0o755)
    return str(path)


@needs_compiler
def test_text_becomes_a_library_beside_its_source(cache):
    assert value(toolchain.load(TEXT % 1)) == 2.0
    path = toolchain.compile_library(TEXT % 1)
    assert path.parent == cache and len(path.stem) == 64
    assert path.with_suffix(".c").read_text() == TEXT % 1
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    assert not list(cache.glob(".new-*"))


@needs_compiler
def test_second_time_runs_no_compiler(count_runs):
    toolchain.load(TEXT % 2)
    assert len(count_runs) >= 1
    count_runs.clear()
    toolchain._find_compiler.cache_clear()  # as a new process would be
    assert value(toolchain.load(TEXT % 2)) == 3.0
    assert count_runs == []


@needs_compiler
def test_text_and_flags_and_processor_are_in_the_key(monkeypatch):
    first = toolchain.compile_library(TEXT % 1)
    assert toolchain.compile_library(TEXT % 2) != first
    monkeypatch.setattr(toolchain, "_processor", lambda: ("another", frozenset()))
    assert toolchain.compile_library(TEXT % 1) != first


@needs_compiler
@pytest.mark.parametrize("damage", ["truncated", "changed", "no side file", "empty"])
def test_damaged_library_is_rebuilt(damage):
    path = toolchain.compile_library(TEXT % 3)
    whole = path.read_bytes()
    match damage:
        case "truncated":
            path.write_bytes(whole[:2000])
        case "changed":
            path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        case "no side file":
            path.with_suffix(".ok").unlink()
        case "empty":
            path.write_bytes(b"")
            path.with_suffix(".ok").write_bytes(b"")
    assert value(toolchain.load(TEXT % 3)) == 4.0
    assert path.read_bytes() == whole


@needs_compiler
def test_many_threads_racing_for_one_text(cache):
    results, errors = [], []

    def work():
        try:
            results.append(value(toolchain.load(TEXT % 5)))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == [] and results == [6.0] * 8
    assert not list(cache.glob(".new-*"))


@needs_compiler
def test_bad_c_says_where_and_what(cache):
    with pytest.raises(toolchain.CompileError, match="no_such_type") as caught:
        toolchain.load("no_such_type x;\n", name="density of my model")
    text = str(caught.value)
    assert text.startswith("density of my model: the C compiler failed")
    assert str(caught.value.c_path) in text and caught.value.c_path.read_text() == "no_such_type x;\n"
    assert caught.value.command[0] in text
    assert not list(cache.glob("*.so")) and not list(cache.glob(".new-*"))


@pytest.mark.skipif(os.name != "posix", reason="a shell script as compiler")
def test_hanging_compiler_is_stopped_with_its_children(tmp_path, monkeypatch):
    monkeypatch.setenv("PROBGRAPH_CC", fake_compiler(tmp_path / "slowcc", "sleep 60 & wait\n"))
    monkeypatch.setattr(toolchain, "COMPILE_SECONDS", 0.3)
    started = time.perf_counter()
    with pytest.raises(toolchain.CompileError, match=r"stopped after 0\.3 s"):
        toolchain.load(TEXT % 1)
    assert time.perf_counter() - started < 10


@pytest.mark.skipif(os.name != "posix", reason="a shell script as compiler")
def test_compiler_that_makes_rubbish(tmp_path, monkeypatch):
    body = 'while [ "$1" != -o ]; do shift; done; echo rubbish > "$2"\n'
    monkeypatch.setenv("PROBGRAPH_CC", fake_compiler(tmp_path / "badcc", body))
    with pytest.raises(toolchain.CompileError, match="cannot be loaded"):
        toolchain.load(TEXT % 1)


@pytest.mark.skipif(os.name != "posix", reason="a shell script as compiler")
def test_changed_compiler_is_asked_again(tmp_path, monkeypatch, count_runs):
    script = fake_compiler(tmp_path / "cc1", "exit 1\n")
    monkeypatch.setenv("PROBGRAPH_CC", script + " -m64")
    assert toolchain.find_compiler().command == (script, "-m64")
    toolchain._find_compiler.cache_clear()
    assert toolchain.find_compiler().family == "gcc" and len(count_runs) == 1
    fake_compiler(tmp_path / "cc1", "# grown\nexit 1\n")
    toolchain._find_compiler.cache_clear()
    toolchain.find_compiler()
    assert len(count_runs) == 2


def test_no_compiler_has_a_one_line_remedy(monkeypatch):
    monkeypatch.setenv("PROBGRAPH_CC", "")
    assert toolchain.find_compiler() is None
    assert toolchain.vector_functions() == frozenset()
    with pytest.raises(toolchain.NoCompilerError, match=r"pip install probgraph\[compiler\]") as caught:
        toolchain.load(TEXT % 1)
    assert "\n" not in str(caught.value)


def test_wrong_compiler_is_named(monkeypatch):
    monkeypatch.setenv("PROBGRAPH_CC", "no-such-compiler -x")
    with pytest.raises(toolchain.NoCompilerError, match="no-such-compiler"):
        toolchain.find_compiler()


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_cache_that_others_can_write_is_refused(cache, mode):
    cache.mkdir()
    cache.chmod(mode)
    with pytest.raises(toolchain.UnsafeCacheError, match="written by others"):
        toolchain.cache_directory()


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root can give a directory away")
def test_cache_of_another_user_is_refused(cache):
    cache.mkdir(mode=0o700)
    os.chown(cache, 12345, -1)
    with pytest.raises(toolchain.UnsafeCacheError, match="another user"):
        toolchain.cache_directory()


@needs_compiler
def test_unwritable_home_falls_back_with_one_warning(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PROBGRAPH_CACHE", str(tmp_path / "file" / "cache"))
    toolchain._private_directory.cache_clear()
    with pytest.warns(UserWarning, match="cannot be used") as warned:
        assert value(toolchain.load(TEXT % 7)) == 8.0
        assert value(toolchain.load(TEXT % 7)) == 8.0
    assert len(warned) == 1
    assert stat.S_IMODE(toolchain.cache_directory().stat().st_mode) == 0o700


@needs_compiler
def test_vector_functions_are_used_by_the_compiler():
    names = toolchain.vector_functions()
    if not names:
        pytest.skip("no vector variants on this machine")
    assert {"exp", "log", "expf", "pow"} <= names
    loops = "".join(
        f'__attribute__((simd("notinbranch"))) double {name}(double);\n'
        f"void many_{name}(double *x) {{\n#pragma omp simd\n"
        f"for (int i = 0; i < 64; i++) x[i] = {name}(x[i]); }}\n"
        for name in sorted(names & set(toolchain.ONE_ARGUMENT))
    )
    library = toolchain.load(loops)
    values = (ctypes.c_double * 64)(*[0.5] * 64)
    library.many_exp(values)
    assert values[63] == pytest.approx(1.6487212707001282, rel=1e-14)
    assert b"_exp" in toolchain.compile_library(loops).read_bytes()


def test_another_process_finds_the_cache_warm(cache):
    if toolchain.find_compiler() is None:
        pytest.skip("no C compiler here")
    toolchain.compile_library(TEXT % 9)
    code = (
        "import subprocess\n"
        "def refuse(*a, **k): raise SystemExit('started a process')\n"
        "from probgraph.engine import toolchain\n"
        "subprocess.Popen = refuse\n"
        f"toolchain.load({TEXT % 9!r})\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
