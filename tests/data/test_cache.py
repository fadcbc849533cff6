"""What is kept on disk is verified, and made again where it is damaged."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tuskbench.data.cache import Arrays, cached_arrays


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUSKBENCH_CACHE", str(tmp_path))
    return tmp_path


def _make() -> Arrays:
    return {"images": np.arange(1000, dtype=np.uint8), "labels": np.arange(3)}


def _fail() -> Arrays:
    raise AssertionError("made again")


def test_a_flipped_bit_is_found_and_the_arrays_are_made_again(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cached_arrays("key", _make)
    cached_arrays("key", _fail)
    for file in ("images.npy", "labels.npy", "checksums.json"):
        path = root / "key" / file
        content = bytearray(path.read_bytes())
        content[-3] ^= 4
        path.write_bytes(content)
        found = cached_arrays("key", _make)
        assert "made again" in capsys.readouterr().err
        for name, array in _make().items():
            np.testing.assert_array_equal(found[name], array)
    assert sorted(path.name for path in root.iterdir()) == ["key", "key.lock"]


def test_an_emptied_folder_is_made_again(root: Path) -> None:
    cached_arrays("key", _make)
    for path in (root / "key").iterdir():
        path.unlink()
    assert set(cached_arrays("key", _make)) == {"images", "labels"}


def test_folders_follow_the_umask(root: Path) -> None:
    before = os.umask(0o002)
    try:
        cached_arrays("key", _make)
    finally:
        os.umask(before)
    assert (root / "key").stat().st_mode & 0o777 == 0o775


def test_half_made_folders_of_the_dead_are_removed(root: Path) -> None:
    (root / ".key-abc").mkdir()
    (root / ".key-abc" / "images.npy").write_text("half")
    cached_arrays("key", _make)
    assert not (root / ".key-abc").exists()
