"""Data sets generated to disk: the same scenes in every layout, resumed, refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tuskbench.data import generate as module
from tuskbench.data import scene_store
from tuskbench.data.generate import GENERATORS, generate
from tuskbench.data.readers.multi_object import FORMATS, read_scenes
from tuskbench.errors import ConfigurationError, StoreError


@pytest.mark.parametrize("name", list(GENERATORS))
def test_every_layout_holds_the_same(tmp_path: Path, name: str) -> None:
    count = 2
    made = GENERATORS[name](3, np.arange(count))
    for layout in ("official", "hdf5"):
        path = generate(name, tmp_path / layout, count, layout, seed=3)
        assert path in FORMATS[name].files(tmp_path / layout)
        assert list(path.parent.iterdir()) == [path]
        scenes = list(read_scenes(path, FORMATS[name]))
        for factor, array in made.arrays.items():
            found = np.stack([scene[factor] for scene in scenes])
            assert found.dtype == array.dtype, factor
            assert np.array_equal(found, array), factor
    cached = scene_store.read_scenes(generate(name, tmp_path / "cache", count, "cache", seed=3))
    for factor, array in made.arrays.items():
        assert np.array_equal(cached.arrays[factor], array), factor


def test_masks_hold_what_the_factors_tell() -> None:
    for name, render in GENERATORS.items():
        made = render(0, np.arange(2))
        numbers = {tuple(np.unique(mask)) for mask in made.masks}
        count = (made.factors["shape"] >= 0).sum(1)
        assert numbers == {tuple(range(1 + n)) for n in count}, name


def test_an_interrupted_cache_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scene_store, "CHUNK", 4)
    monkeypatch.setattr(module, "CHUNK", 2)

    def stop(done: int) -> None:
        if done >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate("tetrominoes", tmp_path, 14, "cache", progress=stop)
    told: list[int] = []
    folder = generate("tetrominoes", tmp_path, 14, "cache", progress=told.append)
    assert told == [8, 12, 14]
    scene_store.verify(folder)
    whole = GENERATORS["tetrominoes"](0, np.arange(14))
    assert np.array_equal(scene_store.read_scenes(folder).images, whole.images)


def test_an_interrupted_official_file_leaves_none(tmp_path: Path) -> None:
    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate("tetrominoes", tmp_path, 3, progress=stop)
    assert not any(path.exists() for path in FORMATS["tetrominoes"].files(tmp_path))


def test_what_cannot_be_generated_or_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="one of clevr_with_masks, tetrominoes"):
        generate("mnist", tmp_path, 1)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        generate("tetrominoes", tmp_path / "file", 1)
