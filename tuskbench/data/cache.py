"""Arrays kept on disk under a hash of what made them, read back memory-mapped."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from filelock import FileLock

from tuskbench.data.locations import cache_root
from tuskbench.errors import StoreError

Arrays = Mapping[str, np.ndarray]


def cached_arrays(key: str, make: Callable[[], Arrays]) -> Arrays:
    """Return the arrays kept under `key`, making them first where they are not there.

    A folder appears under its final name only when it is complete, so an interrupted process
    leaves nothing half written; two processes make the same data once.

    Raises:
        StoreError: if the cache folder cannot be written.
    """
    folder = cache_root() / key
    if folder.is_dir():
        return _read(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            if not folder.is_dir():
                _write(folder, make())
    except OSError as error:
        problem = f"cannot keep generated data here ({error.strerror or error})"
        raise StoreError(folder.parent, problem) from error
    return _read(folder)


def _read(folder: Path) -> Arrays:
    # Copy-on-write, because torch wants arrays that it may write to.
    return {file.stem: np.load(file, mmap_mode="c") for file in sorted(folder.glob("*.npy"))}


def _write(folder: Path, arrays: Arrays) -> None:
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name, array in arrays.items():
            np.save(partial / f"{name}.npy", array)
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
