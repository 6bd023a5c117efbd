"""The C of a selection of tests, built with the address and undefined-behaviour sanitizers: no bad access, no bad shift.

In a process of its own, as the address sanitizer's library has to be there before everything else.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from probgraph.engine.toolchain import find_compiler

ROOT = Path(__file__).resolve().parents[2]
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
#: what reads and writes memory in the most ways for its time
SELECTION = [
    "tests/engine/test_lower.py",
    "tests/engine/ops/test_index.py::test_compiled",
]
FAULTY = "int f(int n) { int a[4] = {1, 2, 3, 4}; return a[n]; }"


def sanitised_environment(folder: Path) -> dict[str, str]:
    """The environment in which all C is built with sanitizers; skips where the compiler has none."""
    compiler = find_compiler()
    if compiler is None or compiler.family != "gcc" or sys.platform != "linux":
        pytest.skip("needs gcc on Linux, whose address sanitizer can be loaded into a Python that has none")
    command = [*compiler.command, *SANITIZERS]
    found = subprocess.run(
        [*compiler.command, "-print-file-name=libasan.so"], capture_output=True, text=True
    ).stdout.strip()
    source = folder / "probe.c"
    source.write_text(FAULTY)
    built = subprocess.run(
        [*command, "-shared", "-fPIC", "-o", folder / "probe.so", source], capture_output=True
    )
    if built.returncode or not os.path.isabs(found):
        pytest.skip("the C compiler has no address and undefined-behaviour sanitizers")
    cache = folder / "cache"
    cache.mkdir(mode=0o700)
    return {
        **os.environ,
        "PROBGRAPH_CC": " ".join(command),
        "PROBGRAPH_CACHE": str(cache),
        "LD_PRELOAD": found,
        # Python keeps what it has until the end: that is no leak of ours.
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONPATH": str(ROOT),
    }


def run_in(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=600)


def test_sanitised_builds_are_clean(tmp_path):
    environment = sanitised_environment(tmp_path)
    fault = "import sys; from probgraph.engine import toolchain; print(toolchain.load(sys.argv[1]).f(int(sys.argv[2])))"
    assert run_in(environment, "-c", fault, FAULTY, "3").stdout.strip() == "4"
    seen = run_in(environment, "-c", fault, FAULTY, "4")
    assert seen.returncode and "out of bounds" in seen.stderr  # else the next would be clean whatever it did
    for arguments in (
        ("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *SELECTION),
        ("-m", "tests.engine.random_graphs", "--count", "64", "--seed", "100"),
    ):
        done = run_in(environment, *arguments)
        assert done.returncode == 0, f"{' '.join(arguments)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        assert "runtime error" not in done.stderr and "AddressSanitizer" not in done.stderr
