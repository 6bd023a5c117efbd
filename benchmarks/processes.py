"""A measurement as a process of its own, watched from outside: how long it took, and the memory of all it started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.libraries import LIBRARIES

ROOT = Path(__file__).resolve().parent.parent
LOOK_SECONDS = 0.004


def run(order: dict[str, Any], folder: Path, seconds: float) -> dict[str, Any]:
    """Run the worker on an order, with the library's caches in `folder`; its report, with `total` and `megabytes`.

    `total` are the seconds from starting the process to its having a posterior, if it samples. A worker that takes
    longer than `seconds` is ended.
    """
    folder.mkdir(parents=True, exist_ok=True)
    asked, report, said = folder / "order.json", folder / "report.json", folder / "output.txt"
    report.unlink(missing_ok=True)
    asked.write_text(json.dumps(order))
    search = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    caches = LIBRARIES[order["library"]].caches(folder)
    environment = {**os.environ, **caches, "PYTHONPATH": search}
    # Installed packages come compiled to bytecode; a checkout must be allowed to keep its own.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    if "gradient" in order["steps"]:
        environment |= {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
    command = [sys.executable, "-m", "benchmarks.worker", str(asked), str(report)]
    with said.open("w") as output:
        began = time.time()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=os.name == "posix",
        )
        memory = MemoryWatch(process.pid)
        memory.start()
        try:
            process.wait(seconds)
            failure = f"the process ended with status {process.returncode}" if process.returncode else None
        except subprocess.TimeoutExpired:
            failure = f"not finished after {seconds:.0f} s"
        finally:
            if process.poll() is None:
                _end(process)
            memory.stop()
    found = json.loads(report.read_text()) if report.exists() else {}
    if failure is not None:
        found.setdefault("error", failure)
    if "finished_at" in found:
        found["total"] = found.pop("finished_at") - began
    if memory.peak:
        found["megabytes"] = memory.peak / 2**20
    if memory.compiler_peak:
        found["compiler_megabytes"] = memory.compiler_peak / 2**20
    return found


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and what it started: samplers and compilers run in children."""
    if os.name == "posix":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def warm_up(library: str, folder: Path) -> None:
    """Import the library in a process once, so that its files are in memory and compiled to bytecode."""
    run({"library": library, "workload": "eight_schools", "steps": []}, folder / f"{library}-import", 300.0)


class MemoryWatch(threading.Thread):
    """Looks at the memory of a process and of all that descend from it; sees nothing where there is no /proc.

    `peak` is the largest sum of what is resident, in bytes; `compiler_peak` the most that one other program among them
    ever held. (Not what the operating system tells of children that have ended: that counts the memory of the process
    they were forked from.)
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.peak, self.compiler_peak, self._ended = pid, 0, 0, threading.Event()

    def run(self) -> None:
        program = _program(self.pid)
        while not self._ended.wait(LOOK_SECONDS):
            found = _descendants(self.pid)
            self.peak = max(self.peak, sum(map(_resident, found)))
            for pid in found[1:]:
                if _program(pid) not in (program, ""):
                    self.compiler_peak = max(self.compiler_peak, _high_water(pid))

    def stop(self) -> None:
        self._ended.set()
        self.join()


def _descendants(pid: int) -> list[int]:
    found, todo = [], [pid]
    while todo:
        found.append(parent := todo.pop())
        try:
            for thread in os.listdir(f"/proc/{parent}/task"):
                with open(f"/proc/{parent}/task/{thread}/children") as children:
                    todo += map(int, children.read().split())
        except OSError:
            pass  # it has ended meanwhile
    return found


def _resident(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm") as fields:
            return int(fields.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _high_water(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/status") as lines:
            return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return 0


def _program(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""
