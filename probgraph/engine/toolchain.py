"""From C text to a loaded library: the one floor that knows compilers, files and the cache.

The idea worth knowing: a compiled text is stored under the hash of everything that could change the machine
code (text, flags, compiler, processor, ABI). A file in the cache is therefore either right or absent,
deleting the cache is always safe, and two processes racing to build the same text both end with a good
library: each writes to a name of its own and renames it into place. No locks.

    library = load("double twice(double x) { return 2 * x; }")
    library.twice.restype, library.twice.argtypes = ctypes.c_double, [ctypes.c_double]
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import hashlib
import importlib.util
import json
import os
import platform
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

LIBRARY_SUFFIX = ".dll" if sys.platform == "win32" else ".so"
COMPILE_SECONDS = 120.0
STDERR_LINES = 20


class NoCompilerError(RuntimeError):
    """No C compiler was found, or the one asked for by ``$PROBGRAPH_CC`` cannot be run."""


class UnsafeCacheError(PermissionError):
    """The cache directory could be written by someone else, who could then choose what code we run."""


class CompileError(RuntimeError):
    """The compiler failed, hung, or made something that cannot be loaded.

    ``command`` is the command as a list, ``stderr`` all that the compiler said, ``c_path`` the C file.
    """

    def __init__(self, name: str, what: str, command: list[str], stderr: str, c_path: Path):
        self.command, self.stderr, self.c_path = command, stderr, c_path
        lines = stderr.strip().splitlines()
        shown = "\n".join(lines[:STDERR_LINES]) + ("\n..." if len(lines) > STDERR_LINES else "")
        super().__init__(f"{name}: {what}\ncommand: {shlex.join(command)}\nC text: {c_path}\n{shown}")


# --- compilers

# Chosen by measurement (gcc 12, best of 9): a small file takes 30 ms with -pipe and 34 without; for one
# vectorised loop nest and for twelve, -O1, -O2 and -O2 -ftree-vectorize save at most 2 ms on -O3's 36 and 56,
# and -g costs 3 more. Never -ffast-math: inf and nan carry meaning in a log density.
OPTIMISE = (
    "-O3",
    "-march=native",
    "-fopenmp-simd",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fwrapv",
    "-std=gnu11",
)


@dataclass(frozen=True)
class Compiler:
    """A C compiler: the ``command`` that starts it, what it says of itself, and the flags we give it."""

    command: tuple[str, ...]
    version: str
    family: str
    """``"gcc"``, ``"clang"`` (also Apple's and zig's) or ``"other"``."""

    @property
    def flags(self) -> tuple[str, ...]:
        """Flags before the file names."""
        position = () if sys.platform == "win32" else ("-fPIC",)
        match self.family:
            case "gcc":
                return (*OPTIMISE, "-w", "-pipe", *position, "-shared")
            case "clang":
                # zig switches undefined-behaviour traps on unless told not to.
                return (*OPTIMISE, "-w", "-fno-sanitize=undefined", *position, "-shared")
            case _:
                return ("-O2", "-w", *position, "-shared")

    @property
    def link_flags(self) -> tuple[str, ...]:
        """Flags after the file names."""
        if sys.platform == "win32":
            return ()
        return ("-lmvec", "-lm") if self.family == "gcc" and _libmvec() is not None else ("-lm",)


def find_compiler() -> Compiler | None:
    """The C compiler to use, or None where there is none.

    Looks at ``$PROBGRAPH_CC`` (a command, perhaps with arguments; the empty string means "no compiler"),
    then for ``cc``, ``gcc`` and ``clang`` on the PATH, then for the PyPI package ``ziglang``. The answer is
    kept for the process, and the compiler's name for itself on disk, so that a warm start does not run it.

    Raises NoCompilerError where ``$PROBGRAPH_CC`` names something that cannot be run.
    """
    return _find_compiler(os.environ.get("PROBGRAPH_CC"), os.environ.get("PATH", ""))


def needed_compiler() -> Compiler:
    """The C compiler to use; where there is none, a NoCompilerError with the remedy in one line."""
    compiler = find_compiler()
    if compiler is None:
        raise NoCompilerError(
            "no C compiler was found: `pip install probgraph[compiler]`, or set PROBGRAPH_CC to one's command"
        )
    return compiler


_said_without_compiler = False


def warn_without_compiler(error: NoCompilerError, meanwhile: str) -> None:
    """Say, once in a process, what happens without a compiler; the error carries the remedy.

    A UserWarning at the first line up the stack that is not this package's.
    """
    global _said_without_compiler
    if _said_without_compiler:
        return
    _said_without_compiler = True
    package = __name__.partition(".")[0]
    level, frame = 1, sys._getframe(0)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        level, frame = level + 1, frame.f_back
    warnings.warn(f"{error}. Until then {meanwhile}", stacklevel=level)


@functools.cache
def _find_compiler(wanted: str | None, path: str) -> Compiler | None:
    if wanted is not None:
        words = [word.strip('"') for word in shlex.split(wanted, posix=sys.platform != "win32")]
        if not words:
            return None
        compiler = _identify(tuple(words))
        if compiler is None:
            raise NoCompilerError(f"PROBGRAPH_CC is {wanted!r}, but `{words[0]} --version` cannot be run")
        return compiler
    for name in ("cc", "gcc", "clang"):
        if compiler := _identify((name,)):
            return compiler
    if importlib.util.find_spec("ziglang") is not None:
        return _identify((sys.executable, "-m", "ziglang", "cc"))
    return None


def _identify(command: tuple[str, ...]) -> Compiler | None:
    """Ask the command what it is, or read what it said when it was the same file."""
    program = shutil.which(command[0])
    if program is None:
        return None
    command = (program, *command[1:])
    note = cache_directory() / f"compiler-{_command_fingerprint(command)}.json"
    try:
        known = json.loads(note.read_text(encoding="utf-8"))
        return Compiler(command, known["version"], known["family"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not met before, or the note was damaged: ask
    try:
        status, said, _ = _run([*command, "--version"], seconds=20.0)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if status != 0:
        return None
    family = "clang" if "clang" in said else "gcc" if "Free Software Foundation" in said else "other"
    compiler = Compiler(command, said.strip(), family)
    with contextlib.suppress(OSError):  # a full disk: it will be asked again
        write(note, json.dumps({"version": compiler.version, "family": family}).encode())
    return compiler


def _command_fingerprint(command: tuple[str, ...]) -> str:
    """Changes whenever a file behind the command does: path, time of change and size of each word of it."""
    facts: list[object] = []
    paths = [shutil.which(word) for word in command]
    if "ziglang" in command and (spec := importlib.util.find_spec("ziglang")):
        paths.append(spec.origin)
    for word, path in zip((*command, "ziglang"), paths, strict=False):
        facts.append(word)
        if path is not None:
            real = os.path.realpath(path)
            status = os.stat(real)
            facts += [real, status.st_mtime_ns, status.st_size]
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]


def _run(command: list[str], seconds: float) -> tuple[int, str, str]:
    """Run to the end: (status, stdout, stderr); TimeoutExpired after so many seconds.

    The process leads a session of its own, because a compiler is a driver with children: they must all go
    when it hangs or when the user presses Ctrl-C, else waiting for their pipes would hang us too.
    """
    posix = os.name == "posix"
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "LC_ALL": "C"},
        start_new_session=posix,
    )
    try:
        out, err = process.communicate(timeout=seconds)
    except BaseException:
        if posix:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()
        raise
    return process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")


# --- the processor


@functools.cache
def _processor() -> tuple[str, frozenset[str]]:
    """(model, feature flags) of the processor: what -march=native looks at."""
    model, flags = "", frozenset()
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            for line in lines:
                field, _, value = line.partition(":")
                match field.strip():
                    case "model name" | "CPU part":
                        model = value.strip()
                    case "flags" | "Features":
                        flags = frozenset(value.split())
                    case "":
                        break  # the first core speaks for all; reading every core of a big machine is slow
    except OSError:
        pass
    return model or os.environ.get("PROCESSOR_IDENTIFIER", platform.machine()), flags


@functools.cache
def _abi() -> str:
    libc = ""
    if hasattr(os, "confstr") and "CS_GNU_LIBC_VERSION" in os.confstr_names:
        libc = os.confstr("CS_GNU_LIBC_VERSION") or ""
    return f"{sys.platform} {platform.machine()} {ctypes.sizeof(ctypes.c_void_p)} {libc}"


@functools.cache
def _libmvec() -> ctypes.CDLL | None:
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return None
    try:
        return ctypes.CDLL("libmvec.so.1")
    except OSError:
        return None


# fmt: off
ONE_ARGUMENT = (
    "exp", "exp2", "exp10", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "asin", "acos",
    "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "cbrt", "erf", "erfc",
)
# fmt: on
TWO_ARGUMENTS = ("pow", "atan2", "hypot")


def vector_functions() -> frozenset[str]:
    """Names of the libm functions, ``exp`` or ``expf``, that the compiler can use on whole vectors here.

    Declare these ``__attribute__((simd("notinbranch")))`` and gcc calls glibc's libmvec inside vectorised
    loops, without -ffast-math. Empty for other compilers (clang does not take the attribute on a
    declaration), other C libraries and other processors.
    """
    compiler = find_compiler()
    return frozenset() if compiler is None or compiler.family != "gcc" else _libmvec_functions()


def vector_types() -> bool:
    """Whether the compiler has GNU C's vector types (gcc and clang, on any processor)."""
    compiler = find_compiler()
    return compiler is not None and compiler.family in ("gcc", "clang")


@functools.cache
def _libmvec_functions() -> frozenset[str]:
    library = _libmvec()
    if library is None:
        return frozenset()
    _, features = _processor()
    # The letter is the instruction set in the x86 vector ABI, the number how many doubles it takes at once.
    # The compiler may call the variant of any set up to the best one that the processor has.
    sets = [("b", 2), ("c", 4), ("d", 4)] + ([("e", 8)] if "avx512f" in features else [])
    found = set()
    for names, arguments in ((ONE_ARGUMENT, "v"), (TWO_ARGUMENTS, "vv")):
        for name in names:
            for function, scale in ((name, 1), (name + "f", 2)):
                symbols = [f"_ZGV{letter}N{scale * lanes}{arguments}_{function}" for letter, lanes in sets]
                if all(hasattr(library, symbol) for symbol in symbols):
                    found.add(function)
    return frozenset(found)


# --- the cache


def cache_directory() -> Path:
    """Where compiled programs are kept: ``$PROBGRAPH_CACHE`` or the platform's cache folder; made if absent.

    Raises UnsafeCacheError where others could write into it. Where it cannot be made or written (a read-only
    home), a private temporary directory is used for this process, with one warning.
    """
    wanted = os.environ.get("PROBGRAPH_CACHE")
    directory = Path(wanted).expanduser() if wanted else _platform_cache()
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
        status = directory.stat()
        if not os.access(directory, os.W_OK | os.X_OK):
            raise PermissionError("no permission to write")
    except OSError as error:
        return _private_directory(str(directory), str(error))
    if os.name == "posix":
        remedy = "set PROBGRAPH_CACHE to a directory of your own"
        if status.st_uid != os.getuid():
            raise UnsafeCacheError(
                f"the cache {directory} belongs to another user (id {status.st_uid}): {remedy}"
            )
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            mode = stat.S_IMODE(status.st_mode)
            raise UnsafeCacheError(
                f"the cache {directory} can be written by others (mode {mode:o}): `chmod 700` it or {remedy}"
            )
    return directory


def _platform_cache() -> Path:
    home = Path(os.path.expanduser("~"))
    match sys.platform:
        case "darwin":
            return home / "Library" / "Caches" / "probgraph"
        case "win32":
            return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "probgraph" / "cache"
        case _:
            return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "probgraph"


@functools.cache
def _private_directory(instead_of: str, why: str) -> Path:
    directory = tempfile.mkdtemp(prefix="probgraph-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    warnings.warn(
        f"the cache {instead_of} cannot be used ({why}); compiled programs go to {directory} and are lost at "
        "exit. Set PROBGRAPH_CACHE to a directory that can be written.",
        stacklevel=2,
    )
    return Path(directory)


def write(path: Path, content: bytes) -> None:
    """Write the whole file or nothing: no reader ever sees half of it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def is_sound(library: Path) -> bool:
    """Is the library there, and the same bytes as were written? (Loading half a library may crash Python.)"""
    try:
        return library.with_suffix(".ok").read_text() == hashlib.sha256(library.read_bytes()).hexdigest()
    except (OSError, UnicodeDecodeError):
        return False


# --- compile and load

_UNWRITABLE = (
    "the cache cannot be written (is the disk full? `python -m probgraph.engine cache clear` empties it, and"
    " PROBGRAPH_CACHE can name another directory)"
)


def compile_library(c_text: str, name: str = "program") -> Path:
    """Compile a self-contained C text to a shared library, unless that was done before; returns its path.

    ``name`` appears in errors only. Safe to call from several threads and processes at once; the time is
    spent in the compiler, with the GIL released.

    Raises NoCompilerError, CompileError, UnsafeCacheError.
    """
    library = cache_directory() / (stamp(c_text) + LIBRARY_SUFFIX)
    if not is_sound(library):
        _build(needed_compiler(), c_text, name, library)
    return library


def stamp(text: str) -> str:
    """The hash of a text and of everything besides that the machine code made of it depends on.

    Raises NoCompilerError.
    """
    compiler = needed_compiler()
    facts = (text, compiler.flags, compiler.link_flags, compiler.version, _abi(), _processor()[0])
    features = sorted(_processor()[1])
    return hashlib.sha256(repr((facts, features)).encode("utf-8", "surrogatepass")).hexdigest()


def _build(compiler: Compiler, c_text: str, name: str, library: Path) -> None:
    c_path = library.with_suffix(".c")
    try:
        write(c_path, c_text.encode("utf-8"))
        handle, temporary = tempfile.mkstemp(dir=library.parent, prefix=".new-", suffix=LIBRARY_SUFFIX)
        os.close(handle)
    except OSError as error:
        raise CompileError(name, _UNWRITABLE, [], str(error), c_path) from error
    command = [*compiler.command, *compiler.flags, "-o", temporary, str(c_path), *compiler.link_flags]
    try:
        try:
            status, _, stderr = _run(command, COMPILE_SECONDS)
        except subprocess.TimeoutExpired:
            what = f"the C compiler was stopped after {COMPILE_SECONDS:g} s"
            raise CompileError(name, what, command, "", c_path) from None
        except OSError as error:
            raise CompileError(name, "the C compiler cannot be run", command, str(error), c_path) from error
        if status != 0:
            raise CompileError(name, f"the C compiler failed (status {status})", command, stderr, c_path)
        try:
            digest = hashlib.sha256(Path(temporary).read_bytes()).hexdigest()
            # The library first: a reader who comes between the two finds no match and builds its own.
            os.replace(temporary, library)
            write(library.with_suffix(".ok"), digest.encode())
        except OSError as error:
            raise CompileError(name, _UNWRITABLE, command, str(error), c_path) from error
    finally:
        Path(temporary).unlink(missing_ok=True)


def load(c_text: str, name: str = "program") -> ctypes.CDLL:
    """Compile (through the cache) and load a self-contained C text; see `compile_library`.

    Calls through the result release the GIL.
    """
    return opened(compile_library(c_text, name), name)


def opened(path: Path, name: str = "program") -> ctypes.CDLL:
    """The library that was compiled to this path, loaded. Raises CompileError."""
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        what = "the library cannot be loaded (is the cache mounted noexec? set PROBGRAPH_CACHE elsewhere)"
        raise CompileError(name, what, [str(path)], str(error), path.with_suffix(".c")) from error
