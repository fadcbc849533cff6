"""Scenes on disk as flat files to map into memory, written chunk by chunk with checksums.

A folder holds one file of raw numbers an array, and `manifest.json`: how many scenes are there,
type and shape of every array, and a CRC-32C of every chunk of every array. What was interrupted
goes on after the last whole chunk.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from tuskbench.data.scenes import Scenes
from tuskbench.errors import DataFormatError

Arrays = Mapping[str, NDArray]
Progress = Callable[[int], object]
"""Told how many scenes are done."""

MANIFEST = "manifest.json"
LAYOUT = "tuskbench-scenes/1"
CHUNK = 256


def write_scenes(
    folder: Path,
    origin: str,
    count: int | None,
    scenes_from: Callable[[int], Iterable[Arrays]],
    progress: Progress = lambda done: None,
) -> None:
    """Write scenes to a folder, after those that an interrupted call has written.

    Args:
        folder: is made where it is missing.
        origin: what the scenes are made of; a folder of another origin is begun anew.
        count: how many scenes at most; None for all.
        scenes_from: returns the arrays of single scenes from the given number on.
        progress: is told after every chunk.

    Raises:
        DataFormatError: if `scenes_from` meets a damaged file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    manifest = _resumable(folder, origin)
    progress(manifest["count"])
    if manifest["complete"]:
        return
    left = None if count is None else count - manifest["count"]
    scenes = islice(scenes_from(manifest["count"]), left)
    while chunk := list(islice(scenes, CHUNK)):
        arrays = {name: np.stack([scene[name] for scene in chunk]) for name in chunk[0]}
        _append(folder, manifest, arrays)
        _save(folder, manifest)
        progress(manifest["count"])
    manifest["complete"] = True
    _save(folder, manifest)


def read_scenes(folder: Path) -> Scenes:
    """Return the scenes of a folder, mapped into memory.

    Raises:
        DataFormatError: if the folder is incomplete, or a file has not the size it should.
    """
    manifest = _read(folder)
    if manifest is None or not manifest["complete"]:
        raise DataFormatError(folder, "no complete set of scenes")
    arrays = {}
    for name, entry in manifest["arrays"].items():
        path, shape = _path(folder, name), (manifest["count"], *entry["shape"])
        dtype = np.dtype(entry["dtype"])
        expected = dtype.itemsize * int(np.prod(shape))
        found = path.stat().st_size if path.exists() else 0
        if found != expected:
            raise DataFormatError(path, f"expected {expected} bytes, found {found}")
        arrays[name] = np.memmap(path, dtype, "r", shape=shape) if expected else np.empty(shape)
    return Scenes.of(arrays)


def is_complete(folder: Path) -> bool:
    """Return whether a folder holds all the scenes it was to hold."""
    manifest = _read(folder)
    return manifest is not None and bool(manifest["complete"])


def verify(folder: Path) -> None:
    """Compare every chunk with its checksum.

    Raises:
        DataFormatError: if one does not match, or the folder is incomplete.
    """
    scenes = read_scenes(folder)
    manifest = _read(folder) or {}
    for name, array in scenes.arrays.items():
        for number, expected in enumerate(manifest["arrays"][name]["checksums"]):
            part = array[number * CHUNK : (number + 1) * CHUNK]
            if google_crc32c.value(np.ascontiguousarray(part).tobytes()) != expected:
                first = number * CHUNK
                problem = f"scenes {first} to {first + len(part) - 1} do not match their checksum"
                raise DataFormatError(_path(folder, name), problem)


def iterate(scenes: Scenes) -> Iterator[Arrays]:
    """Yield the arrays of one scene after the other."""
    for number in range(len(scenes)):
        yield {name: array[number] for name, array in scenes.arrays.items()}


def _append(folder: Path, manifest: dict[str, Any], arrays: Arrays) -> None:
    for name, array in arrays.items():
        begun = {"dtype": array.dtype.str, "shape": list(array.shape[1:]), "checksums": []}
        entry = manifest["arrays"].setdefault(name, begun)
        content = np.ascontiguousarray(array).tobytes()
        path = _path(folder, name)
        path.touch()
        with path.open("r+b") as file:
            # Whatever an interrupted call left after its last whole chunk is overwritten.
            file.truncate(manifest["count"] * (len(content) // len(array)))
            file.seek(0, os.SEEK_END)
            file.write(content)
        entry["checksums"].append(google_crc32c.value(content))
    manifest["count"] += len(next(iter(arrays.values())))


def _resumable(folder: Path, origin: str) -> dict[str, Any]:
    """Return the manifest of what is there and can be gone on with, else a new one."""
    manifest = _read(folder)
    if manifest is not None and manifest["origin"] == origin and _is_whole(folder, manifest):
        return manifest
    return {"layout": LAYOUT, "origin": origin, "count": 0, "complete": False, "arrays": {}}


def _is_whole(folder: Path, manifest: Mapping[str, Any]) -> bool:
    """Return whether every file has its size and its last chunk matches the checksum."""
    for name, entry in manifest["arrays"].items():
        path = _path(folder, name)
        item = np.dtype(entry["dtype"]).itemsize * int(np.prod(entry["shape"]))
        start, size = (len(entry["checksums"]) - 1) * CHUNK * item, manifest["count"] * item
        if not path.exists() or path.stat().st_size < size:
            return False
        with path.open("rb") as file:
            file.seek(start)
            if google_crc32c.value(file.read(size - start)) != entry["checksums"][-1]:
                return False
    return True


def _read(folder: Path) -> dict[str, Any] | None:
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError):
        return None
    return manifest if manifest.get("layout") == LAYOUT else None


def _save(folder: Path, manifest: Mapping[str, Any]) -> None:
    partial = folder / f".{MANIFEST}"
    partial.write_text(json.dumps(manifest))
    os.replace(partial, folder / MANIFEST)


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.bin"
