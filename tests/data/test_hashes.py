"""Fingerprints cover every byte, and are remembered until a file changes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tuskbench.data import hashes
from tuskbench.data.hashes import content_hash


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUSKBENCH_CACHE", str(tmp_path / "cache"))


def _files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "data" / name for name in ("a.bin", "b/c.bin")]
    for number, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(np.random.default_rng(number).bytes(100))
        os.utime(path, ns=(0, 10**18))
    return paths


def test_any_byte_changes_the_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashes, "BLOCK", 16)
    paths = _files(tmp_path)
    seen = {content_hash(tmp_path / "data", paths)}
    for path in paths:
        for place in (0, 15, 16, 50, 99):
            content = bytearray(path.read_bytes())
            content[place] ^= 1
            path.write_bytes(content)
            seen.add(content_hash(tmp_path / "data", paths))
    assert len(seen) == 11
    paths[0].unlink()
    assert content_hash(tmp_path / "data", paths) not in seen


def test_what_has_not_changed_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, read = _files(tmp_path), []
    block = hashes._block

    def counted(base: str, name: str, start: int) -> bytes:
        read.append(name)
        return block(base, name, start)

    monkeypatch.setattr(hashes, "_block", counted)
    first = content_hash(tmp_path / "data", paths)
    assert content_hash(tmp_path / "data", paths) == first
    assert sorted(read) == ["a.bin", "b/c.bin"]
    os.utime(paths[0], ns=(0, 10**18 + 1))
    assert content_hash(tmp_path / "data", paths) == first
    assert len(read) == 3


def test_a_damaged_manifest_only_costs_time(tmp_path: Path) -> None:
    paths = _files(tmp_path)
    first = content_hash(tmp_path / "data", paths)
    (manifest,) = (tmp_path / "cache" / "hashes").iterdir()
    # Another hash of the same length, as a flipped bit would leave.
    text = manifest.read_text()
    manifest.write_text(text[:-10] + ("0" if text[-10] != "0" else "1") + text[-9:])
    assert content_hash(tmp_path / "data", paths) == first


def test_a_file_just_written_is_not_remembered(tmp_path: Path) -> None:
    path = tmp_path / "new.bin"
    path.write_bytes(b"1")
    content_hash(tmp_path, [path])
    state = path.stat()
    first = content_hash(tmp_path, [path])
    path.write_bytes(b"2")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert content_hash(tmp_path, [path]) != first
