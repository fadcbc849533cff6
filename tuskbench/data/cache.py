"""Arrays kept on disk under a hash of what made them, read back memory-mapped."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from tuskbench.data.locations import cache_root
from tuskbench.data.progress import bar
from tuskbench.digest import digest
from tuskbench.errors import StoreError

Arrays = Mapping[str, np.ndarray]

CHUNK = 512


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


def _kept(key: str, write: Callable[[Path], None]) -> Arrays:
    folder = cache_root() / key
    if folder.is_dir():
        return _read(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            if not folder.is_dir():
                _write(folder, write)
    except OSError as error:
        problem = f"cannot keep generated data here ({error.strerror or error}); is the disk full? "
        problem += "$TUSKBENCH_CACHE names another folder"
        raise StoreError(folder.parent, problem) from error
    return _read(folder)


def _read(folder: Path) -> Arrays:
    # Copy-on-write, because torch wants arrays that it may write to.
    return {file.stem: np.load(file, mmap_mode="c") for file in sorted(folder.glob("*.npy"))}


def _write(folder: Path, write: Callable[[Path], None]) -> None:
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        write(partial)
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
