"""Arrays kept on disk under a hash of what made them, read back memory-mapped."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import click
import google_crc32c
import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from tuskbench.data.locations import cache_root
from tuskbench.data.progress import bar
from tuskbench.digest import digest
from tuskbench.errors import StoreError
from tuskbench.store import umask

Arrays = Mapping[str, np.ndarray]

CHUNK = 512

CHECKSUMS = "checksums.json"
"""File beside the arrays: CRC-32C of every one."""


def cache_key(prefix: str, settings: Sequence[object]) -> str:
    """Return the key of what JSON-ready settings make: `prefix`, and a hash of them."""
    return f"{prefix}-{digest(json.dumps(settings))}"


def cached_arrays(key: str, make: Callable[[], Arrays]) -> Arrays:
    """Return the arrays kept under `key`, making them first where they are not there.

    A folder appears under its final name only when it is complete, so an interrupted process
    leaves nothing half written; two processes make the same data once.

    Raises:
        StoreError: if the cache folder cannot be written.
    """

    def write(folder: Path) -> None:
        for name, array in make().items():
            np.save(folder / f"{name}.npy", array)

    return _kept(key, write)


def cached_chunks(key: str, count: int, make: Callable[[], Iterable[Arrays]], title: str) -> Arrays:
    """Return arrays like `cached_arrays`, made a chunk at a time and never whole in memory.

    Args:
        key: what they are kept under.
        count: total length of the first dimension.
        make: returns the chunks, in order.
        title: what the progress bar says is being made.

    Raises:
        StoreError: if the cache folder cannot be written.
    """

    def write(folder: Path) -> None:
        kept: dict[str, np.memmap] = {}
        start = 0
        with bar(title, count) as tell:
            for chunk in make():
                for name, array in chunk.items():
                    if name not in kept:
                        shape, path = (count, *array.shape[1:]), folder / f"{name}.npy"
                        kept[name] = np.lib.format.open_memmap(path, "w+", array.dtype, shape)
                    kept[name][start : start + len(array)] = array
                start += len(next(iter(chunk.values())))
                tell(start)
        assert start == count, f"{start} of {count} were made"
        for values in kept.values():
            values.flush()

    return _kept(key, write)


def chunks(count: int, start: int = 0, size: int = CHUNK) -> Iterator[NDArray[np.int64]]:
    """Yield the numbers from `start` to `count` - 1, `size` at a time."""
    for first in range(start, count, size):
        yield np.arange(first, min(first + size, count))


def warn(text: str) -> None:
    """Write a sentence to stderr."""
    click.echo(f"warning: {text}", err=True)


_verified: dict[Path, list[tuple[str, int, int]]] = {}


def verify_once(folder: Path, verify: Callable[[], object]) -> None:
    """Verify the files of a folder once a process, and when their times or sizes have changed."""
    stats = ((file.name, file.stat()) for file in sorted(folder.iterdir()))
    state = [(name, found.st_mtime_ns, found.st_size) for name, found in stats]
    if _verified.get(folder) != state:
        verify()
        _verified[folder] = state


def _kept(key: str, write: Callable[[Path], None]) -> Arrays:
    folder = cache_root() / key
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if _problem(folder):
            with FileLock(folder.with_suffix(".lock")):
                # Another process may have made it by the time the lock is free.
                problem = _problem(folder)
                if problem and folder.exists():
                    warn(f"{folder}: {problem}; it is made again")
                    _discard(folder)
                if problem:
                    _write(folder, write)
    except OSError as error:
        problem = f"cannot keep generated data here ({error.strerror or error}); is the disk full? "
        problem += "$TUSKBENCH_CACHE names another folder"
        raise StoreError(folder.parent, problem) from error
    return _read(folder)


def _read(folder: Path) -> Arrays:
    # Copy-on-write, because torch wants arrays that it may write to.
    return {file.stem: np.load(file, mmap_mode="c") for file in sorted(folder.glob("*.npy"))}


def _problem(folder: Path) -> str:
    """Return what is wrong with the arrays of a folder, or ""."""
    if not folder.is_dir():
        return "is not there"
    try:
        verify_once(folder, lambda: _verify(folder))
    except _DamagedError as error:
        return str(error)
    return ""


class _DamagedError(Exception):
    pass


def _verify(folder: Path) -> None:
    try:
        expected = json.loads((folder / CHECKSUMS).read_bytes())
        files = {path.name for path in folder.iterdir()} - {CHECKSUMS}
        if not isinstance(expected, dict) or files != set(expected):
            raise _DamagedError("files are missing or were added")
        for name, checksum in expected.items():
            if _checksum(folder / name) != checksum:
                raise _DamagedError(f"{name} does not match its checksum")
    except PermissionError:
        raise
    except (OSError, ValueError) as error:
        raise _DamagedError(f"it has no readable checksums ({error})") from error


def _checksum(path: Path) -> int:
    checksum = 0
    with path.open("rb") as stream:
        while block := stream.read(1 << 24):
            checksum = google_crc32c.extend(checksum, block)
    return checksum


def _discard(folder: Path) -> None:
    # Renamed first, so that no other process sees a part of it.
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    os.replace(folder, aside / "damaged")
    shutil.rmtree(aside, ignore_errors=True)


def _write(folder: Path, write: Callable[[Path], None]) -> None:
    # Whoever writes such a folder holds the lock that is held now, or has died.
    for left in folder.parent.glob(f".{folder.name}-*"):
        shutil.rmtree(left, ignore_errors=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        write(partial)
        checksums = {path.name: _checksum(path) for path in sorted(partial.iterdir())}
        (partial / CHECKSUMS).write_text(json.dumps(checksums))
        # Made private by mkdtemp, but a cache may be shared.
        partial.chmod(0o777 & ~umask())
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
