"""Hashes of all that a data set's files hold, remembered by size, time and inode.

A manifest in the cache keeps the hash of every file that was read once, so that planning with a
data set that has not changed asks for its files' states alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tuskbench.data.locations import cache_root
from tuskbench.data.progress import bar
from tuskbench.digest import digest
from tuskbench.errors import DataFormatError, StoreError
from tuskbench.store import write_atomically

BLOCK = 1 << 26
"""Bytes hashed at a time, so that the parts of one large file keep all cores busy."""

# Below so many bytes nobody has to be told.
_TOLD_BYTES = 1 << 28
# A file changed so shortly before it was hashed might change again within its time's resolution.
_SETTLED_NS = 2_000_000_000

_State = list[int]
_ABSENT: _State = [-1, 0, 0]
_Kept = dict[str, tuple[_State, str]]


def content_hash(root: Path, files: Iterable[Path]) -> str:
    """Return a hash of the names below `root` and the whole content of files.

    A file that is not there counts as such.

    Raises:
        DataFormatError: if a file cannot be read.
    """
    base = os.fspath(root)
    names = sorted({os.path.relpath(path, base) for path in files})
    manifest = _manifest(base)
    kept = _read(manifest)
    states = {name: _state(base, name) for name in names}
    known = {name: kept[name][1] for name in names if _is_known(kept, name, states[name])}
    known |= {name: "absent" for name in names if states[name] == _ABSENT}
    left = [name for name in names if name not in known]
    if left:
        began = time.time_ns()
        known |= _hashed(base, left, states)
        settled = [name for name in left if states[name][1] < began - _SETTLED_NS]
        _write(manifest, kept | {name: (states[name], known[name]) for name in settled})
    text = "".join(f"{known[name]} {name}\n" for name in names)
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def forget(root: Path) -> None:
    """Let all files below `root` be hashed again."""
    _manifest(os.fspath(root)).unlink(missing_ok=True)


def _manifest(base: str) -> Path:
    return cache_root() / "hashes" / f"{digest(os.path.realpath(base))}.json"


def _is_known(kept: _Kept, name: str, state: _State) -> bool:
    return name in kept and kept[name][0] == state


def _state(base: str, name: str) -> _State:
    path = os.path.join(base, name)  # noqa: PTH118 - a hundred thousand times
    try:
        found = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        # Whether a file that is named may be missing is for the data set's reader to say.
        return _ABSENT
    return [found.st_size, found.st_mtime_ns, found.st_ino]


def _hashed(base: str, names: list[str], states: dict[str, _State]) -> dict[str, str]:
    """Return the hash of every file, block by block with all cores."""
    work = [(name, start) for name in names for start in range(0, max(1, states[name][0]), BLOCK)]
    total = sum(states[name][0] for name in names)
    blocks: dict[str, list[bytes]] = {}

    def run(tell: Callable[[int], object]) -> None:
        done = 0
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            hashes = pool.map(lambda one: _block(base, *one), work)
            for (name, _), block in zip(work, hashes, strict=True):
                blocks.setdefault(name, []).append(block)
                done += min(BLOCK, states[name][0])
                tell(done)

    if total < _TOLD_BYTES:
        run(lambda done: None)
    else:
        with bar(f"hashing {len(names)} files of {base}", total) as tell:
            run(tell)
    return {name: hashlib.sha256(b"".join(parts)).hexdigest() for name, parts in blocks.items()}


def _block(base: str, name: str, start: int) -> bytes:
    path = Path(base, name)
    try:
        with path.open("rb") as stream:
            stream.seek(start)
            return hashlib.sha256(stream.read(BLOCK)).digest()
    except OSError as error:
        raise DataFormatError(path, f"cannot be read: {error.strerror}") from error


def _read(manifest: Path) -> _Kept:
    """Return what is kept; nothing where it is damaged, which only costs time."""
    try:
        check, _, text = manifest.read_text().partition("\n")
        if check != digest(text):
            return {}
        return {name: (state, found) for name, (state, found) in json.loads(text).items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _write(manifest: Path, kept: _Kept) -> None:
    text = json.dumps(kept)
    try:
        write_atomically(manifest, lambda path: path.write_text(f"{digest(text)}\n{text}"))
    except StoreError:
        # Without a manifest the files are hashed again the next time.
        return
