"""`python -m probgraph.engine cache list|clear|where`: what compiled programs are kept, and away with them."""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from probgraph.engine.toolchain import UnsafeCacheError, cache_directory, is_sound

#: only what this package wrote is listed or deleted: whatever else lies there is somebody's
_OURS = re.compile(r"[0-9a-f]{64}\.(so|dll|c|ok|note)|compiler-[0-9a-f]{32}\.json|\.new-.*")
#: another process may be about to give an unfinished file its name
_UNFINISHED_SECONDS = 600.0


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m probgraph.engine", description=__doc__)
    rooms = parser.add_subparsers(dest="room", required=True)
    cache = rooms.add_parser("cache", help="the compiled programs that are kept on disk")
    cache.add_argument("action", choices=["list", "clear", "where"])
    action = parser.parse_args(arguments).action
    try:
        directory = cache_directory()
    except UnsafeCacheError as error:
        print(error, file=sys.stderr)
        return 1
    match action:
        case "where":
            print(directory)
        case "list":
            _list(directory)
        case _:
            return _clear(directory)
    return 0


def _ours(directory: Path) -> list[tuple[Path, int, float]]:
    """Path, bytes and time of change of each file of ours."""
    found = []
    for path in directory.iterdir():
        if _OURS.fullmatch(path.name):
            try:
                status = path.lstat()
            except FileNotFoundError:  # another process was faster
                continue
            found.append((path, status.st_size, status.st_mtime))
    return found


def _list(directory: Path) -> None:
    files = _ours(directory)
    libraries = sorted((f for f in files if f[0].suffix in (".so", ".dll")), key=lambda f: f[2])
    libraries = [f for f in libraries if not f[0].name.startswith(".new-")]
    for path, size, changed in libraries:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(changed))
        damaged = "" if is_sound(path) else "  damaged: will be built anew"
        print(f"{when}  {size / 1024:8.1f} KiB  {path.name}{damaged}")
    total = sum(size for _, size, _ in files)
    print(f"{len(libraries)} programs, {total / 1024:.1f} KiB with their C texts, in {directory}")


def _clear(directory: Path) -> int:
    now, removed, size, kept = time.time(), 0, 0, 0
    for path, bytes_, changed in _ours(directory):
        if path.name.startswith(".new-") and now - changed < _UNFINISHED_SECONDS:
            continue
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            print(f"{path} cannot be removed: {error}", file=sys.stderr)
            kept += 1
            continue
        removed, size = removed + 1, size + bytes_
    print(f"{removed} files, {size / 1024:.1f} KiB, removed from {directory}")
    return 1 if kept else 0


if __name__ == "__main__":
    sys.exit(main())
