"""Scenes on disk: written once, resumed, checked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tuskbench.data import scene_store
from tuskbench.data.generators import tetrominoes
from tuskbench.data.scenes import Scenes
from tuskbench.errors import DataFormatError


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene_store, "CHUNK", 8)


@pytest.fixture(scope="module")
def made() -> Scenes:
    return tetrominoes.render((3, 3), 0, "store", np.arange(30))


def source(made: Scenes, stop: int | None = None):
    """Return what gives the scenes from a number on, and fails at number `stop`."""

    def scenes(start: int) -> Iterator[scene_store.Arrays]:
        for number, scene in enumerate(scene_store.iterate(made)):
            if number == stop:
                raise KeyboardInterrupt
            if number >= start:
                yield scene

    return scenes


def test_what_is_written_is_read(tmp_path: Path, made: Scenes) -> None:
    told: list[int] = []
    scene_store.write_scenes(tmp_path, "made", None, source(made), told.append)
    assert told == [0, 8, 16, 24, 30]
    found = scene_store.read_scenes(tmp_path)
    for name, array in made.arrays.items():
        assert found.arrays[name].dtype == array.dtype
        assert np.array_equal(found.arrays[name], array), name
    assert isinstance(found.images, np.memmap)
    scene_store.verify(tmp_path)


def test_at_most_so_many(tmp_path: Path, made: Scenes) -> None:
    scene_store.write_scenes(tmp_path, "made", 11, source(made))
    assert len(scene_store.read_scenes(tmp_path)) == 11


def test_an_interrupted_call_is_gone_on_with(tmp_path: Path, made: Scenes) -> None:
    with pytest.raises(KeyboardInterrupt):
        scene_store.write_scenes(tmp_path, "made", None, source(made, stop=19))
    assert not scene_store.is_complete(tmp_path)
    with pytest.raises(DataFormatError, match="no complete set"):
        scene_store.read_scenes(tmp_path)
    # Half a chunk more than the manifest tells of.
    with (tmp_path / "images.bin").open("ab") as file:
        file.write(bytes(1000))
    starts: list[int] = []

    def resumed(start: int) -> Iterator[scene_store.Arrays]:
        starts.append(start)
        return source(made)(start)

    scene_store.write_scenes(tmp_path, "made", None, resumed)
    assert starts == [16]
    scene_store.verify(tmp_path)
    assert np.array_equal(scene_store.read_scenes(tmp_path).images, made.images)
    scene_store.write_scenes(tmp_path, "made", None, resumed)
    assert starts == [16]


@pytest.mark.parametrize("change", ["origin", "content", "missing"])
def test_what_does_not_fit_is_begun_anew(tmp_path: Path, made: Scenes, change: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        scene_store.write_scenes(tmp_path, "made", None, source(made, stop=19))
    if change == "content":
        damage(tmp_path / "masks.bin", 15 * 35 * 35)
    elif change == "missing":
        (tmp_path / "masks.bin").unlink()
    told: list[int] = []
    origin = "other" if change == "origin" else "made"
    scene_store.write_scenes(tmp_path, origin, None, source(made), told.append)
    assert told[0] == 0
    assert np.array_equal(scene_store.read_scenes(tmp_path).masks, made.masks)


def test_damage_is_found(tmp_path: Path, made: Scenes) -> None:
    scene_store.write_scenes(tmp_path, "made", None, source(made))
    damage(tmp_path / "images.bin", 20 * 3 * 35 * 35)
    with pytest.raises(DataFormatError, match="scenes 16 to 23 do not match their checksum"):
        scene_store.verify(tmp_path)
    with (tmp_path / "shape.bin").open("ab") as file:
        file.write(b"1")
    with pytest.raises(DataFormatError, match="expected 90 bytes, found 91"):
        scene_store.read_scenes(tmp_path)


def test_a_foreign_manifest(tmp_path: Path, made: Scenes) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"layout": "another"}))
    assert not scene_store.is_complete(tmp_path)
    scene_store.write_scenes(tmp_path, "made", 3, source(made))
    assert scene_store.is_complete(tmp_path)


def damage(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(bytes(content))
